// Numbers: finite or not, and as text: a locale-free parser of blocks of decimals and its writer.
#ifndef TWINSDK_NUMBERS_HPP_
#define TWINSDK_NUMBERS_HPP_

#include <cstddef>
#include <cstdint>

namespace twinsdk {

// Whether no value is NaN or infinite.
bool AllFinite(const float* values, std::int64_t count) noexcept;

struct ParsedNumbers {
  std::int64_t count;    // numbers written
  std::size_t consumed;  // bytes read, up to the first that is no part of a number or space
};

// Reads decimals separated by spaces, tabs and line ends until `capacity` numbers, the end, or what
// is no finite number ("nan", "1e999", "1,5"); each is the double nearest to its text.
ParsedNumbers ParseNumbers(const char* text, std::size_t size, double* out,
                           std::int64_t capacity) noexcept;

// The most bytes FormatNumber writes.
constexpr std::size_t kNumberBytes = 32;
constexpr int kMostDecimals = 9;

// Writes a finite value rounded to `decimals` (0 to 9) places without trailing zeros and never as
// "-0"; from 9e15 / 10^decimals upwards in the shortest exact form. Returns the bytes written.
std::size_t FormatNumber(double value, int decimals, char* out) noexcept;

}  // namespace twinsdk

#endif  // TWINSDK_NUMBERS_HPP_
