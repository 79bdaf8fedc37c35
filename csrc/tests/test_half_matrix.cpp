// A row times a matrix of float16 against a plain double-precision product, at awkward sizes.
#include <cmath>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "twinsdk/half_matrix.hpp"

namespace twinsdk {
namespace {

// Of what float16 tells: subnormal numbers, normal ones, either sign.
double Value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double size =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return bits >> 15 ? -size : size;
}

void AProductIsThePlainOne(std::int64_t inputs, std::int64_t outputs) {
  Random random(static_cast<unsigned>(inputs + 97 * outputs));
  std::vector<std::uint16_t> matrix;
  for (std::int64_t i = 0; i < inputs * outputs; ++i) {
    const int bits = random.Below(17 << 10) | random.Below(2) << 15;  // below 4
    matrix.push_back(static_cast<std::uint16_t>(bits));
  }
  const std::vector<float> row = random.Normals(static_cast<std::size_t>(inputs));
  std::vector<float> out(static_cast<std::size_t>(outputs));
  HalfMatrix(inputs, outputs, matrix.data()).Times(row.data(), out.data());
  for (std::int64_t n = 0; n < outputs; ++n) {
    double wanted = 0;
    for (std::int64_t k = 0; k < inputs; ++k) wanted += row[k] * Value(matrix[k * outputs + n]);
    Check(std::fabs(out[n] - wanted) < 1e-4, "a product is the plain one", out[n] - wanted);
  }
}

}  // namespace
}  // namespace twinsdk

int main() {
  if (!twinsdk::HalfSupported()) return 0;  // the caller does without
  for (const std::int64_t outputs : {0, 1, 63, 64, 65, 200}) {
    for (const std::int64_t inputs : {0, 1, 7, 130}) {
      twinsdk::AProductIsThePlainOne(inputs, outputs);
    }
  }
  return 0;
}
