// Forward kinematics over a joint tree, and the matrices a skin needs.
#ifndef TWINSDK_KINEMATICS_HPP_
#define TWINSDK_KINEMATICS_HPP_

#include <cstdint>

namespace twinsdk {

// T frames of J joints. Quaternions are xyzw and unit; parents[j] < j, parents[0] == -1.
struct ForwardJob {
  std::int64_t frames;
  std::int32_t joints;
  const std::int32_t* parents;     // (J,)
  const float* rest_translations;  // (J, 3) parent_from_joint; row 0 is not read
  const float* rotations;          // (T, J, 4) parent_from_joint
  const float* root_translations;  // (T, 3)
  float* world_rotations;          // (T, J, 4)
  float* world_positions;          // (T, J, 3)
};
void ForwardKinematics(const ForwardJob& job) noexcept;

// Writes world_from_joint * joint_from_bind, the upper 3 x 4 of each product, row by row.
struct PaletteJob {
  std::int64_t frames;
  std::int32_t joints;
  const float* world_rotations;  // (T, J, 4)
  const float* world_positions;  // (T, J, 3)
  const float* inverse_bind;     // (J, 3, 4)
  float* matrices;               // (T, J, 3, 4)
};
void SkinningMatrices(const PaletteJob& job) noexcept;

}  // namespace twinsdk

#endif  // TWINSDK_KINEMATICS_HPP_
