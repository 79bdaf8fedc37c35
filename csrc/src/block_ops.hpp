// What every skinning method does around its blend: load a block, morph it, write it.
#ifndef TWINSDK_SRC_BLOCK_OPS_HPP_
#define TWINSDK_SRC_BLOCK_OPS_HPP_

#include <algorithm>
#include <cstdint>

#include "twinsdk/lanes.hpp"
#include "twinsdk/rig.hpp"
#include "twinsdk/skinning.hpp"

namespace twinsdk {
namespace detail {

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

// Reads W rows of a user-ordered (V, 3) array; padding reads as 0.
template <int W>
TWINSDK_INLINE Vector3<W> GatherRows(const float* from, const std::int32_t* row) {
  alignas(64) float lane[3][W];
  for (int q = 0; q < W; ++q) {
    const float* vertex = from + 3 * static_cast<std::ptrdiff_t>(std::max(row[q], 0));
    for (int c = 0; c < 3; ++c) lane[c][q] = row[q] < 0 ? 0.0f : vertex[c];
  }
  return {Load<W>(lane[0]), Load<W>(lane[1]), Load<W>(lane[2])};
}

// The morphs of one frame.
struct FrameMorphs {
  const float* weights;         // (E,)
  const std::uint64_t* active;  // bit e: weight e is not 0
  const std::int32_t* list;     // how many are not 0, then which
};

template <int W>
TWINSDK_INLINE void AddOffset(const float* offset, float weight, Vector3<W>* p) {
  p->x += weight * Load<W>(offset);
  p->y += weight * Load<W>(offset + kBlock);
  p->z += weight * Load<W>(offset + 2 * kBlock);
}

// Adds the weighted offsets of the active morphs that move block b; lane is the first of W. Both
// layouts sum in the order of the morphs, so that they agree to the bit.
template <int W>
TWINSDK_INLINE void AddMorphs(const Rig& rig, const FrameMorphs& morphs, std::int64_t b, int lane,
                              Vector3<W>* p) {
  const float* first = rig.morph_offsets.data() + lane;
  if (rig.morph_dense[b]) {
    const std::int64_t base = rig.morph_base[b * rig.morph_words];
    for (std::int32_t i = 1; i <= morphs.list[0]; ++i) {
      const std::int32_t e = morphs.list[i];
      AddOffset<W>(first + (base + e) * kBlockFloats, morphs.weights[e], p);
    }
    return;
  }
  for (std::int32_t word = 0; word < rig.morph_words; ++word) {
    const std::uint64_t mask = rig.morph_masks[b * rig.morph_words + word];
    const std::int64_t base = rig.morph_base[b * rig.morph_words + word];
    for (std::uint64_t todo = mask & morphs.active[word]; todo != 0; todo &= todo - 1) {
      const int e = LowestBit(todo);
      const std::int64_t entry = base + CountBits(mask & ((std::uint64_t{1} << e) - 1));
      AddOffset<W>(first + entry * kBlockFloats, morphs.weights[64 * word + e], p);
    }
  }
}

template <int W>
TWINSDK_INLINE Vector3<W> Normalized(const Vector3<W>& n) {
  // The tiny addend keeps a zero vector zero instead of NaN; it is below f32 resolution elsewhere.
  const Lanes<W> scale = 1.0f / Sqrt<W>(n.x * n.x + (n.y * n.y + (n.z * n.z + 1e-30f)));
  return {n.x * scale, n.y * scale, n.z * scale};
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

// Skins blocks [first, last) of one frame. A method has
//   Block Begin(rig, b): what is decided once for all lanes of a block,
//   Together<W, kNormals>(): how many vectors of W vertices it takes at once, and
//   Apply<W, kNormals>(rig, block, b, lane, p, n): blends so many in place.
template <int W, bool kNormals, bool kMorphs, class Method>
TWINSDK_INLINE void SkinFrame(const Rig& rig, const SkinJob& job, const Method& method,
                              std::int64_t frame, std::int64_t first, std::int64_t last) {
  const std::int64_t rows = job.block_order ? kBlock * rig.block_count : rig.vertex_count;
  const FrameMorphs morphs = kMorphs ? FrameMorphs{job.morph_weights + frame * rig.morph_count,
                                                   job.morph_active + frame * rig.morph_words,
                                                   job.morph_list + frame * (1 + rig.morph_count)}
                                     : FrameMorphs{};
  float* positions = job.positions + 3 * frame * rows;
  float* normals = kNormals ? job.normals + 3 * frame * rows : nullptr;
  const float* points = job.points == nullptr ? nullptr : job.points + frame * job.points_stride;
  const bool block_order = job.block_order;  // a copy: what is written might be the job
  constexpr int kTogether = Method::template Together<W, kNormals>();
  for (std::int64_t b = first; b < last; ++b) {
    const typename Method::Block block = method.Begin(rig, b);
    for (int lane = 0; lane < kBlock; lane += W * kTogether) {
      Vector3<W> p[kTogether];
      TWINSDK_UNROLL
      for (int g = 0; g < kTogether; ++g) {
        const int own = lane + g * W;
        p[g] = points == nullptr ? LoadVector<W>(rig.positions.data() + kBlockFloats * b + own)
                                 : GatherRows<W>(points, rig.rows.data() + kBlock * b + own);
        if (kMorphs) AddMorphs<W>(rig, morphs, b, own, &p[g]);
      }
      if (kNormals) {
        Vector3<W> n = LoadVector<W>(rig.normals.data() + kBlockFloats * b + lane);
        method.template Apply<W, true>(rig, block, b, lane, p, &n);
        Write<W>(rig, block_order, b, lane, n, normals);
      } else {
        method.template Apply<W, false>(rig, block, b, lane, p, nullptr);
      }
      TWINSDK_UNROLL
      for (int g = 0; g < kTogether; ++g) {
        Write<W>(rig, block_order, b, lane + g * W, p[g], positions);
      }
    }
  }
}

template <int W, class Method>
TWINSDK_INLINE void SkinFrameAny(const Rig& rig, const SkinJob& job, const Method& method,
                                 std::int64_t frame, std::int64_t first, std::int64_t last) {
  if (job.normals != nullptr) {
    if (job.morph_weights != nullptr) {
      SkinFrame<W, true, true>(rig, job, method, frame, first, last);
    } else {
      SkinFrame<W, true, false>(rig, job, method, frame, first, last);
    }
  } else if (job.morph_weights != nullptr) {
    SkinFrame<W, false, true>(rig, job, method, frame, first, last);
  } else {
    SkinFrame<W, false, false>(rig, job, method, frame, first, last);
  }
}

// One per method and instruction set: skins blocks [first, last) of frame `frame`.
using BlockKernel = void (*)(const Rig&, const SkinJob&, std::int64_t frame, std::int64_t first,
                             std::int64_t last) noexcept;
BlockKernel LinearKernel(Isa isa) noexcept;
BlockKernel DualKernel(Isa isa) noexcept;

}  // namespace detail
}  // namespace twinsdk

#endif  // TWINSDK_SRC_BLOCK_OPS_HPP_
