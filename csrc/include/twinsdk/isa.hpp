// Isa: which instruction set a kernel runs on, chosen at run time.
#ifndef TWINSDK_ISA_HPP_
#define TWINSDK_ISA_HPP_

// One binary holds every variant: a body is written once as a force-inlined template and
// instantiated in functions that carry these attributes.
#if defined(__GNUC__) && defined(__x86_64__)
#define TWINSDK_X86_VARIANTS 1
#define TWINSDK_TARGET_AVX2 __attribute__((target("avx2,fma,popcnt,bmi")))
#define TWINSDK_TARGET_AVX512 \
  __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma,popcnt,bmi")))
#endif

namespace twinsdk {

enum class Isa { kBase = 0, kAvx2 = 1, kAvx512 = 2 };

// Whether this machine runs `isa`.
inline bool Supported(Isa isa) noexcept {
  if (isa == Isa::kBase) return true;
#if defined(TWINSDK_X86_VARIANTS)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("bmi");
  if (isa == Isa::kAvx2) return avx2;
  return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
#else
  return false;
#endif
}

inline Isa BestIsa() noexcept {
  if (Supported(Isa::kAvx512)) return Isa::kAvx512;
  return Supported(Isa::kAvx2) ? Isa::kAvx2 : Isa::kBase;
}

}  // namespace twinsdk

#endif  // TWINSDK_ISA_HPP_
