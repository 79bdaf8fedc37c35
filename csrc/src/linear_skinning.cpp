#include "block_ops.hpp"

namespace twinsdk {
namespace detail {
namespace {

struct Linear {
  const float* matrices;  // (J, 3, 4)

  struct Block {};  // nothing to prepare
  TWINSDK_INLINE Block Begin(const Rig&, std::int64_t) const { return {}; }

  // Positions of two vectors at once share the broadcasts of a joint's matrix, which are what a
  // machine with 16 registers is short of.
  template <int W, bool kNormals>
  static constexpr int Together() {
    return kNormals || W == 16 ? 1 : 2;
  }

  template <int W, bool kNormals>
  TWINSDK_INLINE void Apply(const Rig& rig, Block, std::int64_t b, int lane, Vector3<W>* p,
                            Vector3<W>* n) const {
    if (kNormals) {
      BlendBoth<W>(rig, b, lane, p, n);
    } else {
      Blend<W, Together<W, kNormals>()>(rig, b, lane, p);
    }
  }

  // Positions alone: transform by each joint, then blend (12 multiply-adds a joint, 3 registers).
  template <int W, int N>
  TWINSDK_INLINE void Blend(const Rig& rig, std::int64_t b, int lane, Vector3<W>* p) const {
    Lanes<W> x[N] = {}, y[N] = {}, z[N] = {};
    // Pointers, not indices: few enough registers for GCC to keep them all.
    const std::int32_t* offset = rig.offsets.data() + b;
    const std::int32_t *joint = rig.joints.data() + offset[0], *end = rig.joints.data() + offset[1];
    const float* weight = rig.weights.data() + kBlock * std::int64_t{offset[0]} + lane;
    for (; joint != end; ++joint, weight += kBlock) {
      const float* m = matrices + 12 * std::ptrdiff_t{*joint};
      // Loading 64 bytes of weights for each row is what AVX-512 would wait for.
      Lanes<W> own[N];
      TWINSDK_UNROLL
      for (int g = 0; g < N; ++g) own[g] = Held<W>(Load<W>(weight + g * W));
      AddRow<W, N>(own, m, p, x);
      AddRow<W, N>(own, m + 4, p, y);
      AddRow<W, N>(own, m + 8, p, z);
    }
    TWINSDK_UNROLL
    for (int g = 0; g < N; ++g) p[g] = {x[g], y[g], z[g]};
  }

  // Adds weight * (row . p) to the sums, one entry of the row at a time: two
  // broadcasts are alive at once, and beside six positions and six sums nothing need be spilled.
  template <int W, int N>
  static TWINSDK_INLINE void AddRow(const Lanes<W>* weight, const float* row, const Vector3<W>* p,
                                    Lanes<W>* sum) {
    Lanes<W> moved[N];
    TWINSDK_UNROLL
    for (int g = 0; g < N; ++g) moved[g] = p[g].z * row[2] + row[3];
    TWINSDK_UNROLL
    for (int g = 0; g < N; ++g) moved[g] += p[g].y * row[1];
    TWINSDK_UNROLL
    for (int g = 0; g < N; ++g) moved[g] += p[g].x * row[0];
    TWINSDK_UNROLL
    for (int g = 0; g < N; ++g) sum[g] += weight[g] * moved[g];
  }

  // Positions and normals: blend the matrix once, use it twice.
  template <int W>
  TWINSDK_INLINE void BlendBoth(const Rig& rig, std::int64_t b, int lane, Vector3<W>* p,
                                Vector3<W>* n) const {
    Lanes<W> m[12] = {};
    const std::int32_t end = rig.offsets[b + 1];
    for (std::int32_t t = rig.offsets[b]; t < end; ++t) {
      const Lanes<W> weight = Load<W>(rig.weights.data() + kBlock * std::int64_t{t} + lane);
      const float* joint = matrices + 12 * std::ptrdiff_t{rig.joints[t]};
      TWINSDK_UNROLL
      for (int e = 0; e < 12; ++e) m[e] += weight * joint[e];
    }
    const Vector3<W> q = *p, r = *n;
    *p = {q.x * m[0] + (q.y * m[1] + (q.z * m[2] + m[3])),
          q.x * m[4] + (q.y * m[5] + (q.z * m[6] + m[7])),
          q.x * m[8] + (q.y * m[9] + (q.z * m[10] + m[11]))};
    *n = Normalized<W>({r.x * m[0] + (r.y * m[1] + r.z * m[2]),
                        r.x * m[4] + (r.y * m[5] + r.z * m[6]),
                        r.x * m[8] + (r.y * m[9] + r.z * m[10])});
  }
};

template <int W>
TWINSDK_INLINE void SkinLinear(const Rig& rig, const SkinJob& job, std::int64_t frame,
                               std::int64_t first, std::int64_t last) {
  const Linear method = {job.matrices + 12 * frame * rig.joint_count};
  SkinFrameAny<W>(rig, job, method, frame, first, last);
}

void LinearBase(const Rig& rig, const SkinJob& job, std::int64_t frame, std::int64_t first,
                std::int64_t last) noexcept {
  SkinLinear<4>(rig, job, frame, first, last);
}

#if defined(TWINSDK_X86_VARIANTS)
TWINSDK_TARGET_AVX2 void LinearAvx2(const Rig& rig, const SkinJob& job, std::int64_t frame,
                                    std::int64_t first, std::int64_t last) noexcept {
  SkinLinear<8>(rig, job, frame, first, last);
}

TWINSDK_TARGET_AVX512 void LinearAvx512(const Rig& rig, const SkinJob& job, std::int64_t frame,
                                        std::int64_t first, std::int64_t last) noexcept {
  SkinLinear<16>(rig, job, frame, first, last);
}
#endif

}  // namespace

BlockKernel LinearKernel(Isa isa) noexcept {
#if defined(TWINSDK_X86_VARIANTS)
  if (isa == Isa::kAvx512) return &LinearAvx512;
  if (isa == Isa::kAvx2) return &LinearAvx2;
#endif
  (void)isa;
  return &LinearBase;
}

}  // namespace detail
}  // namespace twinsdk
