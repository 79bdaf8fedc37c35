#include "twinsdk/skinning.hpp"

#include <algorithm>

#include "twinsdk/kinematics.hpp"
#include "twinsdk/lanes.hpp"

namespace twinsdk {
namespace {

template <int W>
struct Vector3 {
  Lanes<W> x, y, z;
};

TWINSDK_INLINE int LowestBit(std::uint64_t bits) {
#if defined(__GNUC__)
  return __builtin_ctzll(bits);
#else
  int index = 0;
  while (!(bits >> index & 1)) ++index;
  return index;
#endif
}

TWINSDK_INLINE int CountBits(std::uint64_t bits) {
#if defined(__GNUC__)
  return __builtin_popcountll(bits);
#else
  int count = 0;
  for (; bits; bits &= bits - 1) ++count;
  return count;
#endif
}

template <int W>
TWINSDK_INLINE Vector3<W> LoadVector(const float* from) {
  return {Load<W>(from), Load<W>(from + kBlock), Load<W>(from + 2 * kBlock)};
}

// Adds the weighted offsets of the active morphs that move block b; lane is the first of W.
template <int W>
TWINSDK_INLINE void AddMorphs(const Rig& rig, const float* weights, const std::uint64_t* active,
                              std::int64_t b, int lane, Vector3<W>* p) {
  for (std::int32_t word = 0; word < rig.morph_words; ++word) {
    const std::uint64_t mask = rig.morph_masks[b * rig.morph_words + word];
    const std::int64_t base = rig.morph_base[b * rig.morph_words + word];
    for (std::uint64_t todo = mask & active[word]; todo != 0; todo &= todo - 1) {
      const int e = LowestBit(todo);
      const std::int64_t entry = base + CountBits(mask & ((std::uint64_t{1} << e) - 1));
      const float* offset = rig.morph_offsets.data() + entry * kBlockFloats + lane;
      const float weight = weights[64 * word + e];
      p->x += weight * Load<W>(offset);
      p->y += weight * Load<W>(offset + kBlock);
      p->z += weight * Load<W>(offset + 2 * kBlock);
    }
  }
}

template <int W>
TWINSDK_INLINE Vector3<W> Transform(const float* m, const Vector3<W>& p) {
  return {p.x * m[0] + (p.y * m[1] + (p.z * m[2] + m[3])),
          p.x * m[4] + (p.y * m[5] + (p.z * m[6] + m[7])),
          p.x * m[8] + (p.y * m[9] + (p.z * m[10] + m[11]))};
}

// Positions alone: transform by each joint, then blend (12 multiply-adds a joint, 3 registers).
template <int W>
TWINSDK_INLINE Vector3<W> Blend(const Rig& rig, const float* matrices, std::int64_t b, int lane,
                                const Vector3<W>& p) {
  Vector3<W> sum = {};
  const std::int32_t end = rig.offsets[b + 1];
  for (std::int32_t t = rig.offsets[b]; t < end; ++t) {
    const Lanes<W> weight = Load<W>(rig.weights.data() + kBlock * std::int64_t{t} + lane);
    const Vector3<W> moved = Transform<W>(matrices + rig.joint_rows[t], p);
    sum.x += weight * moved.x;
    sum.y += weight * moved.y;
    sum.z += weight * moved.z;
  }
  return sum;
}

template <int W>
TWINSDK_INLINE Vector3<W> Normalized(const Vector3<W>& n) {
  // The tiny addend keeps a zero vector zero instead of NaN; it is below f32 resolution elsewhere.
  const Lanes<W> scale = 1.0f / Sqrt<W>(n.x * n.x + (n.y * n.y + (n.z * n.z + 1e-30f)));
  return {n.x * scale, n.y * scale, n.z * scale};
}

// Positions and normals: blend the matrix once, use it twice.
template <int W>
TWINSDK_INLINE void BlendBoth(const Rig& rig, const float* matrices, std::int64_t b, int lane,
                              Vector3<W>* p, Vector3<W>* n) {
  Lanes<W> m[12] = {};
  const std::int32_t end = rig.offsets[b + 1];
  for (std::int32_t t = rig.offsets[b]; t < end; ++t) {
    const Lanes<W> weight = Load<W>(rig.weights.data() + kBlock * std::int64_t{t} + lane);
    const float* joint = matrices + rig.joint_rows[t];
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC unroll 12
#endif
    for (int e = 0; e < 12; ++e) m[e] += weight * joint[e];
  }
  const Vector3<W> q = *p, r = *n;
  *p = {q.x * m[0] + (q.y * m[1] + (q.z * m[2] + m[3])),
        q.x * m[4] + (q.y * m[5] + (q.z * m[6] + m[7])),
        q.x * m[8] + (q.y * m[9] + (q.z * m[10] + m[11]))};
  *n =
      Normalized<W>({r.x * m[0] + (r.y * m[1] + r.z * m[2]), r.x * m[4] + (r.y * m[5] + r.z * m[6]),
                     r.x * m[8] + (r.y * m[9] + r.z * m[10])});
}

template <int W>
TWINSDK_INLINE void Write(const Rig& rig, bool block_order, std::int64_t b, int lane,
                          const Vector3<W>& v, float* out) {
  const std::int64_t run = block_order ? kBlock * b : rig.runs[b];
  if (run >= 0) {
    StoreInterleaved<W>(out + 3 * (run + lane), v.x, v.y, v.z);
  } else {
    StoreScattered<W>(out, rig.rows.data() + kBlock * b + lane, v.x, v.y, v.z);
  }
}

template <int W, bool kNormals, bool kMorphs>
TWINSDK_INLINE void SkinFrame(const Rig& rig, const SkinJob& job, std::int64_t frame,
                              std::int64_t first, std::int64_t last) {
  const std::int64_t rows = job.block_order ? kBlock * rig.block_count : rig.vertex_count;
  const float* matrices = job.matrices + 12 * frame * rig.joint_count;
  const float* weights = kMorphs ? job.morph_weights + frame * rig.morph_count : nullptr;
  const std::uint64_t* active = kMorphs ? job.morph_active + frame * rig.morph_words : nullptr;
  float* positions = job.positions + 3 * frame * rows;
  float* normals = kNormals ? job.normals + 3 * frame * rows : nullptr;
  for (std::int64_t b = first; b < last; ++b) {
    for (int lane = 0; lane < kBlock; lane += W) {
      Vector3<W> p = LoadVector<W>(rig.positions.data() + kBlockFloats * b + lane);
      if (kMorphs) AddMorphs<W>(rig, weights, active, b, lane, &p);
      if (kNormals) {
        Vector3<W> n = LoadVector<W>(rig.normals.data() + kBlockFloats * b + lane);
        BlendBoth<W>(rig, matrices, b, lane, &p, &n);
        Write<W>(rig, job.block_order, b, lane, p, positions);
        Write<W>(rig, job.block_order, b, lane, n, normals);
      } else {
        Write<W>(rig, job.block_order, b, lane, Blend<W>(rig, matrices, b, lane, p), positions);
      }
    }
  }
}

template <int W>
TWINSDK_INLINE void SkinBlocks(const Rig& rig, const SkinJob& job, std::int64_t first,
                               std::int64_t last) {
  // In a batch a tile of blocks stays in the cache while all frames pass over it.
  constexpr std::int64_t kTile = 256;
  for (std::int64_t begin = first; begin < last; begin += kTile) {
    const std::int64_t end = job.frames == 1 ? last : std::min(begin + kTile, last);
    for (std::int64_t frame = 0; frame < job.frames; ++frame) {
      if (job.normals != nullptr) {
        if (job.morph_weights != nullptr) {
          SkinFrame<W, true, true>(rig, job, frame, begin, end);
        } else {
          SkinFrame<W, true, false>(rig, job, frame, begin, end);
        }
      } else if (job.morph_weights != nullptr) {
        SkinFrame<W, false, true>(rig, job, frame, begin, end);
      } else {
        SkinFrame<W, false, false>(rig, job, frame, begin, end);
      }
    }
    if (job.frames == 1) break;
  }
}

void SkinBase(const Rig& rig, const SkinJob& job, std::int64_t first, std::int64_t last) noexcept {
  SkinBlocks<4>(rig, job, first, last);
}

#if defined(TWINSDK_X86_VARIANTS)
TWINSDK_TARGET_AVX2 void SkinAvx2(const Rig& rig, const SkinJob& job, std::int64_t first,
                                  std::int64_t last) noexcept {
  SkinBlocks<8>(rig, job, first, last);
}

TWINSDK_TARGET_AVX512 void SkinAvx512(const Rig& rig, const SkinJob& job, std::int64_t first,
                                      std::int64_t last) noexcept {
  SkinBlocks<16>(rig, job, first, last);
}
#endif

}  // namespace

void Skin(const Rig& rig, const SkinJob& job, std::int64_t first, std::int64_t last,
          Isa isa) noexcept {
#if defined(TWINSDK_X86_VARIANTS)
  if (isa == Isa::kAvx512) return SkinAvx512(rig, job, first, last);
  if (isa == Isa::kAvx2) return SkinAvx2(rig, job, first, last);
#endif
  (void)isa;
  SkinBase(rig, job, first, last);
}

void SkinMatrices(const Rig& rig, const SkinJob& job, Isa isa, SkinScratch* scratch) {
  SkinJob marked = job;
  if (rig.morph_count == 0) marked.morph_weights = nullptr;
  if (marked.morph_weights != nullptr) {
    scratch->active.resize(job.frames * rig.morph_words);
    for (std::int64_t t = 0; t < job.frames; ++t) {
      MarkActive(job.morph_weights + t * rig.morph_count, rig.morph_count,
                 scratch->active.data() + t * rig.morph_words);
    }
    marked.morph_active = scratch->active.data();
  }
  Skin(rig, marked, 0, rig.block_count, isa);
}

void SkinPoses(const Rig& rig, const PoseJob& job, Isa isa, SkinScratch* scratch) {
  constexpr std::int64_t kFrames = 64;  // bounds the scratch of long clips
  const std::int64_t joints = rig.joint_count;
  const std::int64_t rows = job.block_order ? kBlock * rig.block_count : rig.vertex_count;
  scratch->floats.resize(std::min(kFrames, job.frames) * joints * (4 + 3 + 12));
  for (std::int64_t first = 0; first < job.frames; first += kFrames) {
    const std::int64_t frames = std::min(kFrames, job.frames - first);
    float* rotations = scratch->floats.data();
    float* positions = rotations + frames * joints * 4;
    float* matrices = positions + frames * joints * 3;
    ForwardKinematics({frames, rig.joint_count, rig.parents.data(), rig.rest_translations.data(),
                       job.rotations + first * joints * 4, job.root_translations + first * 3,
                       rotations, positions});
    SkinningMatrices(
        {frames, rig.joint_count, rotations, positions, rig.inverse_bind.data(), matrices});
    SkinJob skin = {};
    skin.frames = frames;
    skin.matrices = matrices;
    if (job.morph_weights != nullptr) {
      skin.morph_weights = job.morph_weights + first * rig.morph_count;
    }
    skin.positions = job.positions + 3 * first * rows;
    if (job.normals != nullptr) skin.normals = job.normals + 3 * first * rows;
    skin.block_order = job.block_order;
    SkinMatrices(rig, skin, isa, scratch);
  }
}

void MarkActive(const float* weights, std::int32_t count, std::uint64_t* mask) noexcept {
  for (std::int32_t word = 0; 64 * word < count; ++word) {
    std::uint64_t bits = 0;
    const std::int32_t end = std::min(64, count - 64 * word);
    for (std::int32_t e = 0; e < end; ++e) {
      if (weights[64 * word + e] != 0) bits |= std::uint64_t{1} << e;
    }
    mask[word] = bits;
  }
}

}  // namespace twinsdk
