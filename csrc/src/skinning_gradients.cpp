#include <vector>

#include "block_ops.hpp"

namespace twinsdk {
namespace {

using detail::GatherRows;
using detail::LoadVector;
using detail::Vector3;

template <int W>
TWINSDK_INLINE float Sum(const Lanes<W>& value) {
  alignas(64) float lane[W];
  Store<W>(lane, value);
  for (int half = W / 2; half > 0; half /= 2) {
    for (int q = 0; q < half; ++q) lane[q] += lane[q + half];
  }
  return lane[0];
}

// positions = sum_j w_j (R_j p + t_j), so with g the gradient by positions
//   grad_p = sum_j w_j R_j^T g   and   grad_[R|t]_j = sum over vertices of w_j g [p, 1]^T.
// `sums` (J, 12) gathers the second in double and in block order: the same on every run.
template <int W>
TWINSDK_INLINE void FrameGradients(const Rig& rig, const SkinGradientJob& job, std::int64_t frame,
                                   double* sums) {
  const float* matrices = job.matrices + 12 * frame * rig.joint_count;
  const float* gradients = job.grad_positions + 3 * frame * rig.vertex_count;
  const float* points = job.points == nullptr ? nullptr : job.points + frame * job.points_stride;
  for (std::int64_t b = 0; b < rig.block_count; ++b) {
    for (int lane = 0; lane < kBlock; lane += W) {
      const std::int32_t* rows = rig.rows.data() + kBlock * b + lane;
      const Vector3<W> p = points == nullptr
                               ? LoadVector<W>(rig.positions.data() + kBlockFloats * b + lane)
                               : GatherRows<W>(points, rows);
      const Vector3<W> g = GatherRows<W>(gradients, rows);
      Vector3<W> back = {};
      for (std::int32_t t = rig.offsets[b]; t < rig.offsets[b + 1]; ++t) {
        const Lanes<W> weight = Load<W>(rig.weights.data() + kBlock * std::int64_t{t} + lane);
        const std::ptrdiff_t joint = 12 * std::ptrdiff_t{rig.joints[t]};
        const float* m = matrices + joint;
        const Vector3<W> wg = {weight * g.x, weight * g.y, weight * g.z};
        back.x += wg.x * m[0] + (wg.y * m[4] + wg.z * m[8]);
        back.y += wg.x * m[1] + (wg.y * m[5] + wg.z * m[9]);
        back.z += wg.x * m[2] + (wg.y * m[6] + wg.z * m[10]);
        if (sums != nullptr) {
          double* s = sums + joint;
          const Lanes<W>* rows_of[3] = {&wg.x, &wg.y, &wg.z};
          for (int r = 0; r < 3; ++r) {
            s[4 * r] += Sum<W>(*rows_of[r] * p.x);
            s[4 * r + 1] += Sum<W>(*rows_of[r] * p.y);
            s[4 * r + 2] += Sum<W>(*rows_of[r] * p.z);
            s[4 * r + 3] += Sum<W>(*rows_of[r]);
          }
        }
      }
      if (job.grad_points != nullptr) {
        StoreScattered<W>(job.grad_points + 3 * frame * rig.vertex_count, rows, back.x, back.y,
                          back.z);
      }
    }
  }
}

using FrameKernel = void (*)(const Rig&, const SkinGradientJob&, std::int64_t, double*);

void GradientsBase(const Rig& rig, const SkinGradientJob& job, std::int64_t frame, double* sums) {
  FrameGradients<4>(rig, job, frame, sums);
}

#if defined(TWINSDK_X86_VARIANTS)
TWINSDK_TARGET_AVX2 void GradientsAvx2(const Rig& rig, const SkinGradientJob& job,
                                       std::int64_t frame, double* sums) {
  FrameGradients<8>(rig, job, frame, sums);
}

TWINSDK_TARGET_AVX512 void GradientsAvx512(const Rig& rig, const SkinGradientJob& job,
                                           std::int64_t frame, double* sums) {
  FrameGradients<16>(rig, job, frame, sums);
}
#endif

FrameKernel Kernel(Isa isa) {
#if defined(TWINSDK_X86_VARIANTS)
  if (isa == Isa::kAvx512) return &GradientsAvx512;
  if (isa == Isa::kAvx2) return &GradientsAvx2;
#endif
  (void)isa;
  return &GradientsBase;
}

}  // namespace

void SkinGradients(const Rig& rig, const SkinGradientJob& job, const Runner& runner) {
  const FrameKernel kernel = Kernel(runner.isa);
  const std::int64_t numbers = 12 * std::int64_t{rig.joint_count};
  const bool wanted = job.grad_matrices != nullptr;
  std::vector<double> sums(wanted ? job.frames * numbers : 0, 0.0);
  ParallelFor(runner.pool, job.frames, [&](std::int64_t frame) {
    double* own = wanted ? sums.data() + frame * numbers : nullptr;
    kernel(rig, job, frame, own);
    for (std::int64_t i = 0; wanted && i < numbers; ++i) {
      job.grad_matrices[frame * numbers + i] = static_cast<float>(own[i]);
    }
  });
}

}  // namespace twinsdk
