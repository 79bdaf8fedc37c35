// Skinning: morphs, then linear blend skinning, then normals, block by block.
#ifndef TWINSDK_SKINNING_HPP_
#define TWINSDK_SKINNING_HPP_

#include <cstdint>

#include "twinsdk/isa.hpp"
#include "twinsdk/rig.hpp"

namespace twinsdk {

// T frames of one rig. Rows of the outputs are the user's vertices, or with `block_order` the
// slots of the rig (16 B rows, see Rig::rows).
struct SkinJob {
  std::int64_t frames;
  const float* matrices;              // (T, J, 3, 4)
  const float* morph_weights;         // (T, E) or null: no morphs
  const std::uint64_t* morph_active;  // (T, words) bit e: weight e is not 0; null with the above
  float* positions;                   // (T, V, 3)
  float* normals;                     // (T, V, 3) or null; unit where not degenerate
  bool block_order;
};

// Skins blocks [first, last) of every frame.
void Skin(const Rig& rig, const SkinJob& job, std::int64_t first, std::int64_t last,
          Isa isa) noexcept;

// T poses of the rig's own skeleton: forward kinematics, bind products, morphs and skin in one
// call.
struct PoseJob {
  std::int64_t frames;
  const float* rotations;          // (T, J, 4) parent_from_joint, xyzw, unit
  const float* root_translations;  // (T, 3)
  const float* morph_weights;      // (T, E) or null
  float* positions;                // as in SkinJob
  float* normals;
  bool block_order;
};
// Working memory of a call; it grows to what one tile of frames needs and may be kept.
struct SkinScratch {
  AlignedVector<float> floats;
  AlignedVector<std::uint64_t> active;
};
void SkinPoses(const Rig& rig, const PoseJob& job, Isa isa, SkinScratch* scratch);

// Skins matrices that the caller made; `job.morph_active` is filled from the weights here.
void SkinMatrices(const Rig& rig, const SkinJob& job, Isa isa, SkinScratch* scratch);

// Fills one frame's mask: bit e is set where weights[e] != 0.
void MarkActive(const float* weights, std::int32_t count, std::uint64_t* mask) noexcept;

}  // namespace twinsdk

#endif  // TWINSDK_SKINNING_HPP_
