// Skinning: morphs, then linear or dual-quaternion blending, then normals, block by block.
#ifndef TWINSDK_SKINNING_HPP_
#define TWINSDK_SKINNING_HPP_

#include <cstdint>

#include "twinsdk/isa.hpp"
#include "twinsdk/pool.hpp"
#include "twinsdk/rig.hpp"

namespace twinsdk {

enum class Method { kLinear, kDual };

// T frames of one rig. Rows of the outputs are the user's vertices, or with `block_order` the
// slots of the rig (16 B rows, see Rig::rows).
struct SkinJob {
  std::int64_t frames;
  Method method;
  const float* matrices;       // (T, J, 3, 4)
  const float* duals;          // (T, J, 8) rotation and dual part, for kDual
  const float* scales;         // (T, J, 3, 3) for kDual, or null: all joints rigid
  const float* sides;          // (T, P) for kDual: -1 where the rig's pair is opposed, else 1
  const float* morph_weights;  // (T, E) or null: no morphs
  const std::uint64_t* morph_active;  // (T, words) bit e: weight e is not 0; null with the above
  const std::int32_t* morph_list;     // (T, 1 + E) how many weights are not 0, then which
  const float* points;                // (T, V, 3) instead of the bound vertices, or null
  std::int64_t points_stride;         // floats from frame to frame: 3 V, or 0 for one set
  float* positions;                   // (T, V, 3)
  float* normals;                     // (T, V, 3) or null; unit where not degenerate
  bool block_order;
};

// How a call runs; `pool` is null for the calling thread alone.
struct Runner {
  Isa isa;
  Pool* pool;
};

// Skins every block of every frame.
void Skin(const Rig& rig, const SkinJob& job, const Runner& runner) noexcept;

// Working memory of a call.
struct SkinScratch {
  AlignedVector<float> floats;
  AlignedVector<float> duals;
  AlignedVector<float> sides;
  AlignedVector<std::uint64_t> active;
  AlignedVector<std::int32_t> list;
};

// As Skin, with `morph_active`, `morph_list`, `duals`, `scales` and `sides` derived here.
void SkinMatrices(const Rig& rig, const SkinJob& job, const Runner& runner, SkinScratch* scratch);

// T poses of the rig's own skeleton: forward kinematics, bind products, then SkinMatrices.
struct PoseJob {
  const float* rotations;          // (T, J, 4) parent_from_joint, xyzw, unit
  const float* root_translations;  // (T, 3)
  SkinJob skin;                    // frames, method, morphs and outputs
};
void SkinPoses(const Rig& rig, const PoseJob& job, const Runner& runner, SkinScratch* scratch);

// Gradients of linear skinning by what went in, for T frames of gradients by what came out.
struct SkinGradientJob {
  std::int64_t frames;
  const float* matrices;  // (T, J, 3, 4)
  const float* points;    // as in SkinJob
  std::int64_t points_stride;
  const float* grad_positions;  // (T, V, 3)
  float* grad_points;           // (T, V, 3) or null
  float* grad_matrices;         // (T, J, 3, 4) or null
};
void SkinGradients(const Rig& rig, const SkinGradientJob& job, const Runner& runner);

// Splits matrices (T, J, 3, 4) into unit dual quaternions (T, J, 8) and the symmetric scales
// (T, J, 3, 3) applied before; returns whether any scale is not the identity. A mirroring matrix
// keeps its mirror in the scale. Each rotation gets the sign nearer its parent's, or joint 0's
// where `parents` (J,) is null.
bool DualQuaternions(const float* matrices, const std::int32_t* parents, std::int64_t frames,
                     std::int64_t joints, float* duals, float* scales) noexcept;

// Tells for P pairs of joints whether their unit duals (J, 8) lie on one side: 1, or opposed: -1.
void Sides(const float* duals, const std::int32_t* pairs, std::int64_t count,
           float* sides) noexcept;

// Fills one frame's mask, bit e set where weights[e] != 0, and its list (1 + count): how many are
// not 0, then which.
void MarkActive(const float* weights, std::int32_t count, std::uint64_t* mask,
                std::int32_t* list) noexcept;

}  // namespace twinsdk

#endif  // TWINSDK_SKINNING_HPP_
