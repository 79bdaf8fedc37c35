#include "twinsdk/numbers.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace twinsdk {
namespace {

// Powers of ten that a double holds exactly.
constexpr double kPowers[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

inline bool IsSpace(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}
inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The double nearest to the decimal in [begin, end), whose form has been checked; `small` says that
// a value out of range is one too small to tell from 0.
bool SlowParse(const char* begin, const char* end, bool small, double* value) {
#if defined(__cpp_lib_to_chars)
  if (*begin == '+') ++begin;
  const std::from_chars_result result = std::from_chars(begin, end, *value);
  if (result.ec == std::errc::result_out_of_range && small) {
    *value = *begin == '-' ? -0.0 : 0.0;
    return true;
  }
  return result.ec == std::errc() && result.ptr == end;
#else
  // A C library in a locale with a decimal comma would stop at the point; such a text is refused
  // rather than misread.
  char copy[128];
  const std::size_t size = static_cast<std::size_t>(end - begin);
  if (size >= sizeof copy) return false;
  std::memcpy(copy, begin, size);
  copy[size] = 0;
  (void)small;  // strtod gives 0 by itself
  char* stop = nullptr;
  *value = std::strtod(copy, &stop);
  return stop == copy + size && std::isfinite(*value);
#endif
}

// Reads one number at `at`; returns where it ends, or null if there is none.
const char* ParseOne(const char* at, const char* end, double* value) {
  const char* begin = at;
  const bool negative = *at == '-';
  if (*at == '-' || *at == '+') ++at;
  std::uint64_t mantissa = 0;
  const char* first = at;
  while (at < end && IsDigit(*at)) mantissa = mantissa * 10 + static_cast<unsigned>(*at++ - '0');
  std::ptrdiff_t digits = at - first;
  std::int64_t exponent = 0;
  if (at < end && *at == '.') {
    const char* point = ++at;
    while (at < end && IsDigit(*at)) mantissa = mantissa * 10 + static_cast<unsigned>(*at++ - '0');
    exponent = point - at;
    digits += at - point;
  }
  if (digits == 0) return nullptr;
  if (at < end && (*at == 'e' || *at == 'E')) {
    ++at;
    const bool below = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) ++at;
    if (at == end || !IsDigit(*at)) return nullptr;
    std::int64_t written = 0;
    while (at < end && IsDigit(*at)) {
      if (written < 100000) written = written * 10 + (*at - '0');
      ++at;
    }
    exponent += below ? -written : written;
  }
  if (at < end && !IsSpace(*at)) return nullptr;
  // Clinger 1990: where mantissa and power of ten are exact, one operation rounds correctly.
  if (digits <= 19 && mantissa <= (std::uint64_t{1} << 53) && exponent >= -22 && exponent <= 22) {
    const double exact = static_cast<double>(mantissa);
    const double magnitude = exponent < 0 ? exact / kPowers[-exponent] : exact * kPowers[exponent];
    *value = negative ? -magnitude : magnitude;
    return at;
  }
  return SlowParse(begin, at, exponent + digits < 0, value) ? at : nullptr;
}

char* WriteUnsigned(std::uint64_t value, char* out) {
  char reversed[20];
  int length = 0;
  do {
    reversed[length++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  while (length > 0) *out++ = reversed[--length];
  return out;
}

}  // namespace

bool AllFinite(const float* values, std::int64_t count) noexcept {
  // A finite number times 0 is 0, NaN and infinity give NaN. Independent sums, for speed.
  constexpr int kSums = 32;
  float sums[kSums] = {};
  std::int64_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (int k = 0; k < kSums; ++k) sums[k] += values[i + k] * 0.0f;
  }
  for (; i < count; ++i) sums[0] += values[i] * 0.0f;
  float sum = 0;
  for (const float s : sums) sum += s;
  return sum == 0;
}

ParsedNumbers ParseNumbers(const char* text, std::size_t size, double* out,
                           std::int64_t capacity) noexcept {
  const char* at = text;
  const char* end = text + size;
  std::int64_t count = 0;
  for (;;) {
    while (at < end && IsSpace(*at)) ++at;
    if (at == end || count == capacity) break;
    const char* next = ParseOne(at, end, out + count);
    if (next == nullptr) break;
    at = next;
    ++count;
  }
  return {count, static_cast<std::size_t>(at - text)};
}

std::size_t FormatNumber(double value, int decimals, char* out) noexcept {
  const double scale = kPowers[decimals];
  const double magnitude = std::fabs(value) * scale;
  char* at = out;
  if (!(magnitude < 9e15)) {
#if defined(__cpp_lib_to_chars)
    return static_cast<std::size_t>(std::to_chars(out, out + kNumberBytes, value).ptr - out);
#else
    return static_cast<std::size_t>(std::snprintf(out, kNumberBytes, "%.17g", value));
#endif
  }
  std::uint64_t scaled = static_cast<std::uint64_t>(magnitude + 0.5);
  if (value < 0 && scaled != 0) *at++ = '-';
  const std::uint64_t unit = static_cast<std::uint64_t>(scale);
  at = WriteUnsigned(scaled / unit, at);
  std::uint64_t fraction = scaled % unit;
  if (fraction != 0) {
    int places = decimals;
    while (fraction % 10 == 0) {
      fraction /= 10;
      --places;
    }
    *at++ = '.';
    char* last = at + places;
    for (char* digit = last; digit != at;) {
      *--digit = static_cast<char>('0' + fraction % 10);
      fraction /= 10;
    }
    at = last;
  }
  return static_cast<std::size_t>(at - out);
}

}  // namespace twinsdk
