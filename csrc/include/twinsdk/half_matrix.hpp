// A row times a matrix of float16: what costs is reading the matrix, and this halves it.
#ifndef TWINSDK_HALF_MATRIX_HPP_
#define TWINSDK_HALF_MATRIX_HPP_

#include <cstdint>
#include <vector>

namespace twinsdk {

// Whether this machine can; where not, the caller multiplies in float32.
bool HalfSupported() noexcept;

// Kept in blocks of 64 outputs, in each input after input, padded with zeros: a product reads it
// once from front to back.
class HalfMatrix {
 public:
  // `values` (inputs, outputs) are the bits of float16.
  HalfMatrix(std::int64_t inputs, std::int64_t outputs, const std::uint16_t* values);

  std::int64_t inputs() const { return inputs_; }
  std::int64_t outputs() const { return outputs_; }

  // to (outputs) = row (inputs) times the matrix. HalfSupported() must hold.
  void Times(const float* row, float* to) const noexcept;

 private:
  std::int64_t inputs_, outputs_;
  std::vector<std::uint16_t> blocks_;
};

}  // namespace twinsdk

#endif  // TWINSDK_HALF_MATRIX_HPP_
