#include "twinsdk/half_matrix.hpp"

#include <algorithm>

#include "twinsdk/isa.hpp"

#if defined(TWINSDK_X86_VARIANTS)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace twinsdk {
namespace {

constexpr std::int64_t kBlock = 64;

#if defined(TWINSDK_X86_VARIANTS)
// block (inputs, 64), of which the first `count` outputs are wanted.
__attribute__((target("avx2,fma,f16c"))) void TimesBlock(const std::uint16_t* block,
                                                         std::int64_t inputs, const float* row,
                                                         std::int64_t count, float* to) noexcept {
  constexpr int kGroups = kBlock / 8;
  __m256 sums[kGroups];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  for (std::int64_t k = 0; k < inputs; ++k, block += kBlock) {
    const __m256 x = _mm256_set1_ps(row[k]);
    for (int g = 0; g < kGroups; ++g) {
      const auto* halves = reinterpret_cast<const __m128i*>(block + 8 * g);
      sums[g] = _mm256_fmadd_ps(_mm256_cvtph_ps(_mm_loadu_si128(halves)), x, sums[g]);
    }
  }
  float all[kBlock];
  for (int g = 0; g < kGroups; ++g) _mm256_storeu_ps(all + 8 * g, sums[g]);
  std::copy(all, all + count, to);
}
#endif

}  // namespace

bool HalfSupported() noexcept {
#if defined(TWINSDK_X86_VARIANTS)
  unsigned a = 0, b = 0, c = 0, d = 0;
  return Supported(Isa::kAvx2) && __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
#else
  return false;
#endif
}

HalfMatrix::HalfMatrix(std::int64_t inputs, std::int64_t outputs, const std::uint16_t* values)
    : inputs_(inputs), outputs_(outputs) {
  const std::int64_t blocks = (outputs + kBlock - 1) / kBlock;
  blocks_.resize(static_cast<std::size_t>(blocks * inputs * kBlock));
  for (std::int64_t k = 0; k < inputs; ++k) {
    for (std::int64_t n = 0; n < outputs; ++n) {
      blocks_[(n / kBlock * inputs + k) * kBlock + n % kBlock] = values[k * outputs + n];
    }
  }
}

void HalfMatrix::Times(const float* row, float* to) const noexcept {
#if defined(TWINSDK_X86_VARIANTS)
  for (std::int64_t n = 0; n < outputs_; n += kBlock) {
    TimesBlock(blocks_.data() + n * inputs_, inputs_, row, std::min(kBlock, outputs_ - n), to + n);
  }
#else
  (void)row, (void)to;
#endif
}

}  // namespace twinsdk
