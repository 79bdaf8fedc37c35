// The little that the tests of the kernels need: a check that names its place, seeded numbers.
#ifndef TWINSDK_TESTS_CHECK_HPP_
#define TWINSDK_TESTS_CHECK_HPP_

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "twinsdk/isa.hpp"

namespace twinsdk {

inline void Check(bool holds, const char* law, double detail = 0) {
  if (holds) return;
  std::fprintf(stderr, "FAILED: %s (%g)\n", law, detail);
  std::exit(1);
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  float Normal() { return normal_(engine_); }
  double Unit() { return std::uniform_real_distribution<double>(0, 1)(engine_); }
  int Below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(engine_); }
  std::vector<float> Normals(std::size_t n) {
    std::vector<float> values(n);
    for (float& value : values) value = Normal();
    return values;
  }
  std::vector<float> Rotations(std::size_t n) {
    std::vector<float> q = Normals(4 * n);
    for (std::size_t i = 0; i < n; ++i) {
      float size = 0;
      for (int c = 0; c < 4; ++c) size += q[4 * i + c] * q[4 * i + c];
      for (int c = 0; c < 4; ++c) q[4 * i + c] /= std::sqrt(size);
    }
    return q;
  }

 private:
  std::mt19937 engine_;
  std::normal_distribution<float> normal_;
};

inline std::vector<Isa> Variants() {
  std::vector<Isa> variants = {Isa::kBase};
  if (Supported(Isa::kAvx2)) variants.push_back(Isa::kAvx2);
  if (Supported(Isa::kAvx512)) variants.push_back(Isa::kAvx512);
  return variants;
}

}  // namespace twinsdk

#endif  // TWINSDK_TESTS_CHECK_HPP_
