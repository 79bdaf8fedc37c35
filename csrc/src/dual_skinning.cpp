// Dual-quaternion skinning. Source: Kavan, Collins, Zara, O'Sullivan 2008, "Geometric skinning with
// approximate dual quaternion blending"; section 4.2 for scale, blended linearly beforehand.
#include <cmath>

#include "block_ops.hpp"
#include "turns.hpp"

namespace twinsdk {
namespace {

double Determinant(const double a[9]) {
  return a[0] * (a[4] * a[8] - a[5] * a[7]) - a[1] * (a[3] * a[8] - a[5] * a[6]) +
         a[2] * (a[3] * a[7] - a[4] * a[6]);
}

// Largest difference between the Gram matrix of `a` and the identity.
double Skewness(const double a[9]) {
  double worst = 0;
  for (int i = 0; i < 3; ++i) {
    for (int j = i; j < 3; ++j) {
      double dot = 0;
      for (int k = 0; k < 3; ++k) dot += a[3 * k + i] * a[3 * k + j];
      worst = std::fmax(worst, std::fabs(dot - (i == j ? 1 : 0)));
    }
  }
  return worst;
}

// Turns `r` into the rotation nearest to it. Source: Higham 1986, Newton's iteration for the polar
// decomposition; quadratic, so ten steps settle any matrix a body is posed with.
void NearestRotation(double r[9]) {
  if (Determinant(r) < 0) {
    for (int i = 0; i < 9; ++i) r[i] = -r[i];
  }
  for (int step = 0; step < 20 && Skewness(r) > 1e-12; ++step) {
    const double det = Determinant(r);
    if (std::fabs(det) < 1e-12) return;  // flattened: the caller's scale keeps what there is
    const double cofactor[9] = {
        r[4] * r[8] - r[5] * r[7], r[5] * r[6] - r[3] * r[8], r[3] * r[7] - r[4] * r[6],
        r[2] * r[7] - r[1] * r[8], r[0] * r[8] - r[2] * r[6], r[1] * r[6] - r[0] * r[7],
        r[1] * r[5] - r[2] * r[4], r[2] * r[3] - r[0] * r[5], r[0] * r[4] - r[1] * r[3]};
    for (int i = 0; i < 9; ++i) r[i] = 0.5 * (r[i] + cofactor[i] / det);
  }
}

}  // namespace

bool DualQuaternions(const float* matrices, const std::int32_t* parents, std::int64_t frames,
                     std::int64_t joints, float* duals, float* scales) noexcept {
  bool scaled = false;
  for (std::int64_t i = 0; i < frames * joints; ++i) {
    const float* m = matrices + 12 * i;
    const double linear[9] = {m[0], m[1], m[2], m[4], m[5], m[6], m[8], m[9], m[10]};
    double rotation[9];
    std::copy(linear, linear + 9, rotation);
    // Products of float32 rotations are orthogonal to a few 1e-6.
    const bool rigid = Skewness(rotation) < 1e-4 && Determinant(rotation) > 0;
    if (!rigid) {
      NearestRotation(rotation);
      scaled = true;
    }
    for (int r = 0; r < 3; ++r) {
      for (int c = 0; c < 3; ++c) {
        double sum = 0;
        for (int k = 0; k < 3; ++k) sum += rotation[3 * k + r] * linear[3 * k + c];
        scales[9 * i + 3 * r + c] = static_cast<float>(rigid ? (r == c ? 1 : 0) : sum);
      }
    }
    Quat q = QuaternionOf(rotation);
    const double x = m[3], y = m[7], z = m[11];
    float* d = duals + 8 * i;
    const std::int64_t j = i % joints;
    if (j > 0) {
      const float* above = duals + 8 * (i - j + (parents == nullptr ? 0 : parents[j]));
      const double side = q[0] * above[0] + q[1] * above[1] + q[2] * above[2] + q[3] * above[3];
      for (int c = 0; side < 0 && c < 4; ++c) q[c] = -q[c];
    }
    for (int c = 0; c < 4; ++c) d[c] = static_cast<float>(q[c]);
    // The dual part is half the translation times the rotation.
    d[4] = static_cast<float>(0.5 * (x * q[3] + y * q[2] - z * q[1]));
    d[5] = static_cast<float>(0.5 * (y * q[3] + z * q[0] - x * q[2]));
    d[6] = static_cast<float>(0.5 * (z * q[3] + x * q[1] - y * q[0]));
    d[7] = static_cast<float>(-0.5 * (x * q[0] + y * q[1] + z * q[2]));
  }
  return scaled;
}

void Sides(const float* duals, const std::int32_t* pairs, std::int64_t count,
           float* sides) noexcept {
  for (std::int64_t i = 0; i < count; ++i) {
    const float* a = duals + 8 * std::ptrdiff_t{pairs[2 * i]};
    const float* b = duals + 8 * std::ptrdiff_t{pairs[2 * i + 1]};
    sides[i] = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3] < 0 ? -1.0f : 1.0f;
  }
}

namespace detail {
namespace {

template <int W>
struct DualLanes {
  Lanes<W> d[8];
};

// q and -q are one rotation, so each vertex takes its joints' duals on the side of its dominant
// joint's, its pivot's, told by the rotation part. How each pivot of a block stands to each listed
// joint is looked up among the frame's sides.
struct BlockSides {
  const float* frame;          // (P,)
  const std::int32_t* rows;    // (pivots, listed joints) into the above
  const std::int32_t* pivots;  // their joints
  int pivot_count, joint_count;
  bool opposed;  // whether any two are
};

TWINSDK_INLINE BlockSides SidesOf(const Rig& rig, const float* frame, std::int64_t b) {
  const std::int32_t* pivot = rig.pivot_offsets.data() + b;
  BlockSides sides = {frame,
                      rig.pair_rows.data() + rig.pair_offsets[b],
                      rig.pivot_joints.data() + pivot[0],
                      pivot[1] - pivot[0],
                      rig.offsets[b + 1] - rig.offsets[b],
                      false};
  for (int i = 0; i < sides.pivot_count * sides.joint_count; ++i) {
    sides.opposed |= frame[sides.rows[i]] < 0;
  }
  return sides;
}

// kOpposed: each lane's weights take the signs of its pivot.
template <int W, bool kOpposed>
TWINSDK_INLINE DualLanes<W> BlendDuals(const Rig& rig, const float* duals, const BlockSides& sides,
                                       std::int64_t b, int lane) {
  const std::int32_t* pivot = rig.pivots.data() + kBlock * b + lane;
  const std::int32_t* joint = rig.joints.data() + rig.offsets[b];
  const float* weights = rig.weights.data() + kBlock * std::int64_t{rig.offsets[b]} + lane;
  DualLanes<W> sum = {};
  for (int t = 0; t < sides.joint_count; ++t) {
    const float* d = duals + 8 * std::ptrdiff_t{joint[t]};
    Lanes<W> weight = Load<W>(weights + kBlock * t);
    if (kOpposed) {
      Lanes<W> side = Lanes<W>{} + sides.frame[sides.rows[t]];
      for (int i = 1; i < sides.pivot_count; ++i) {
        const float other = sides.frame[sides.rows[sides.joint_count * i + t]];
        side = ChosenWhere<W>(pivot, sides.pivots[i], other, side);
      }
      weight = weight * side;
    }
    TWINSDK_UNROLL
    for (int c = 0; c < 8; ++c) sum.d[c] += weight * d[c];
  }
  return sum;
}

struct Dual {
  const float* duals;   // (J, 8)
  const float* scales;  // (J, 3, 3) or null: all joints rigid

  const float* sides;  // (P,)

  using Block = BlockSides;
  TWINSDK_INLINE Block Begin(const Rig& rig, std::int64_t b) const {
    return SidesOf(rig, sides, b);
  }

  template <int W, bool kNormals>
  static constexpr int Together() {
    return 1;
  }

  template <int W, bool kNormals>
  TWINSDK_INLINE void Apply(const Rig& rig, const Block& block, std::int64_t b, int lane,
                            Vector3<W>* p, Vector3<W>* n) const {
    if (scales != nullptr) ApplyScale<W, kNormals>(rig, b, lane, p, n);
    const DualLanes<W> s = block.opposed ? BlendDuals<W, true>(rig, duals, block, b, lane)
                                         : BlendDuals<W, false>(rig, duals, block, b, lane);
    const Lanes<W>&qx = s.d[0], &qy = s.d[1], &qz = s.d[2], &qw = s.d[3];
    const Lanes<W>&ex = s.d[4], &ey = s.d[5], &ez = s.d[6], &ew = s.d[7];
    // The addend keeps padding (all weights 0) finite.
    const Lanes<W> two = 2.0f / (qx * qx + (qy * qy + (qz * qz + (qw * qw + 1e-30f))));
    // v + 2 / |q|^2 (u x (u x v + w v + e) + w e - e_w u), with q = (u, w) and dual (e, e_w).
    const Vector3<W> v = *p;
    const Lanes<W> cx = (qy * v.z - qz * v.y) + (qw * v.x + ex);
    const Lanes<W> cy = (qz * v.x - qx * v.z) + (qw * v.y + ey);
    const Lanes<W> cz = (qx * v.y - qy * v.x) + (qw * v.z + ez);
    p->x = v.x + two * ((qy * cz - qz * cy) + (qw * ex - ew * qx));
    p->y = v.y + two * ((qz * cx - qx * cz) + (qw * ey - ew * qy));
    p->z = v.z + two * ((qx * cy - qy * cx) + (qw * ez - ew * qz));
    if (kNormals) {
      const Vector3<W> r = *n;
      const Lanes<W> dx = (qy * r.z - qz * r.y) + qw * r.x;
      const Lanes<W> dy = (qz * r.x - qx * r.z) + qw * r.y;
      const Lanes<W> dz = (qx * r.y - qy * r.x) + qw * r.z;
      *n = Normalized<W>({r.x + two * (qy * dz - qz * dy), r.y + two * (qz * dx - qx * dz),
                          r.z + two * (qx * dy - qy * dx)});
    }
  }

  template <int W, bool kNormals>
  TWINSDK_INLINE void ApplyScale(const Rig& rig, std::int64_t b, int lane, Vector3<W>* p,
                                 Vector3<W>* n) const {
    Lanes<W> m[9] = {};
    for (std::int32_t t = rig.offsets[b]; t < rig.offsets[b + 1]; ++t) {
      const Lanes<W> weight = Load<W>(rig.weights.data() + kBlock * std::int64_t{t} + lane);
      const float* joint = scales + 9 * std::ptrdiff_t{rig.joints[t]};
      TWINSDK_UNROLL
      for (int e = 0; e < 9; ++e) m[e] += weight * joint[e];
    }
    const auto moved = [&m](const Vector3<W>& v) TWINSDK_INLINE_LAMBDA -> Vector3<W> {
      return {m[0] * v.x + (m[1] * v.y + m[2] * v.z), m[3] * v.x + (m[4] * v.y + m[5] * v.z),
              m[6] * v.x + (m[7] * v.y + m[8] * v.z)};
    };
    *p = moved(*p);
    if (kNormals) *n = moved(*n);
  }
};

template <int W>
TWINSDK_INLINE void SkinDual(const Rig& rig, const SkinJob& job, std::int64_t frame,
                             std::int64_t first, std::int64_t last) {
  const Dual method = {job.duals + 8 * frame * rig.joint_count,
                       job.scales == nullptr ? nullptr : job.scales + 9 * frame * rig.joint_count,
                       job.sides + static_cast<std::int64_t>(rig.pairs.size()) / 2 * frame};
  SkinFrameAny<W>(rig, job, method, frame, first, last);
}

void DualBase(const Rig& rig, const SkinJob& job, std::int64_t frame, std::int64_t first,
              std::int64_t last) noexcept {
  SkinDual<4>(rig, job, frame, first, last);
}

#if defined(TWINSDK_X86_VARIANTS)
TWINSDK_TARGET_AVX2 void DualAvx2(const Rig& rig, const SkinJob& job, std::int64_t frame,
                                  std::int64_t first, std::int64_t last) noexcept {
  SkinDual<8>(rig, job, frame, first, last);
}

TWINSDK_TARGET_AVX512 void DualAvx512(const Rig& rig, const SkinJob& job, std::int64_t frame,
                                      std::int64_t first, std::int64_t last) noexcept {
  SkinDual<16>(rig, job, frame, first, last);
}
#endif

}  // namespace

BlockKernel DualKernel(Isa isa) noexcept {
#if defined(TWINSDK_X86_VARIANTS)
  if (isa == Isa::kAvx512) return &DualAvx512;
  if (isa == Isa::kAvx2) return &DualAvx2;
#endif
  (void)isa;
  return &DualBase;
}

}  // namespace detail
}  // namespace twinsdk
