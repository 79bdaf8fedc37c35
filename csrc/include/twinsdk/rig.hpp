// Rig: a skinned mesh in union blocks, bound once and never changed.
//
// Vertices are grouped in blocks of 16. A block lists every joint that any of its vertices uses
// and holds sixteen weights per listed joint (0 where a vertex does not use it). So any number of
// influences is exact, the inner loop has neither gathers nor per-vertex indices, and a block is
// one unit of work for threads, morphs and gradients.
#ifndef TWINSDK_RIG_HPP_
#define TWINSDK_RIG_HPP_

#include <cstdint>

#include "twinsdk/aligned.hpp"

namespace twinsdk {

constexpr int kBlock = 16;  // vertices in a block
constexpr int kBlockFloats = 3 * kBlock;
// From this share of the morphs on, storing zeros costs less than looking which ones move a block.
// Measured: 20 000 vertices and 52 morphs cross between 0.8 and 0.95, see docs/skinning.md.
constexpr double kDenseMorphs = 0.9;

// What a rig is bound from. Weights are finite and >= 0, each row sums to about 1 (it is made
// exact here), joints are below `joint_count`; the caller has checked.
struct RigSource {
  std::int64_t vertex_count;
  std::int32_t influence_count;
  std::int32_t joint_count;
  std::int32_t morph_count;
  const float* vertices;           // (V, 3)
  const float* normals;            // (V, 3) or null
  const std::uint16_t* joints;     // (V, K)
  const float* weights;            // (V, K)
  const float* morph_offsets;      // (E, V, 3) or null
  const std::int32_t* parents;     // (J,) or null: then only matrices can be skinned, not poses
  const float* rest_translations;  // (J, 3) with the above
  const float* inverse_bind;       // (J, 3, 4) with the above
};

class Rig {
 public:
  explicit Rig(const RigSource& source);

  std::int64_t vertex_count = 0;
  std::int64_t block_count = 0;
  std::int32_t joint_count = 0;
  std::int32_t morph_count = 0;
  std::int32_t morph_words = 0;  // 64-bit words that hold one bit per morph

  AlignedVector<float> positions;       // (B, 3, 16)
  AlignedVector<float> normals;         // (B, 3, 16) or empty
  AlignedVector<std::int32_t> offsets;  // (B + 1,) into joints and weights
  AlignedVector<std::int32_t> joints;   // (N,) the listed joints, rising within a block
  AlignedVector<float> weights;         // (N, 16)
  AlignedVector<std::int32_t> rows;     // (B, 16) the vertex in a slot, -1 for padding
  AlignedVector<std::int32_t> runs;     // (B,) first vertex where slots are consecutive, or -1
  AlignedVector<std::int32_t> pivots;   // (B, 16) the joint of most weight in each slot

  // Which joints are the pivot of some slot of a block, and which of `pairs` each of them makes
  // with each listed joint: for every pivot a row as long as the block's list.
  AlignedVector<std::int32_t> pivot_offsets;  // (B + 1,) into pivot_joints
  AlignedVector<std::int32_t> pivot_joints;
  AlignedVector<std::int32_t> pair_offsets;  // (B,) into pair_rows
  AlignedVector<std::int32_t> pair_rows;
  AlignedVector<std::int32_t> pairs;  // (P, 2) distinct (pivot, listed joint)

  // Morphs by block. Sparse: bit e of a block's mask says that morph e moves it; its offsets follow
  // in bit order, `morph_base` giving the first of each word. Dense, where at least kDenseMorphs
  // of the morphs move the block: all offsets, zeros too, in the order of the morphs, from the
  // first word's base on; read by the frame's list of active morphs, without bit counts.
  AlignedVector<std::uint64_t> morph_masks;  // (B, words)
  AlignedVector<std::int32_t> morph_base;    // (B, words)
  AlignedVector<std::uint8_t> morph_dense;   // (B,) 1 where dense
  AlignedVector<float> morph_offsets;        // (M, 3, 16)

  AlignedVector<std::int32_t> parents;     // (J,) or empty
  AlignedVector<float> rest_translations;  // (J, 3) or empty
  AlignedVector<float> inverse_bind;       // (J, 3, 4) or empty
};

}  // namespace twinsdk

#endif  // TWINSDK_RIG_HPP_
