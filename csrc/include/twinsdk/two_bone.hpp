// Two-bone inverse kinematics with soft extension and a pole, over frames.
#ifndef TWINSDK_TWO_BONE_HPP_
#define TWINSDK_TWO_BONE_HPP_

#include <cstdint>

namespace twinsdk {

// T frames of one limb: hip, knee, ankle (or shoulder, elbow, wrist), world, metres.
struct TwoBoneJob {
  std::int64_t frames;
  const float* roots;    // (T, 3)
  const float* middles;  // (T, 3)
  const float* tips;     // (T, 3)
  const float* targets;  // (T, 3) where the tips should go
  const float* poles;    // (T, 3) directions, any length, towards which the middles bend
  float softness;        // share of the limb's length over which it eases out of full extension
  float* upper;          // (T, 4) xyzw: turn of the upper bone, applied before its world rotation
  float* lower;          // (T, 4) the same for the lower bone
};

// Both turns are world rotations to multiply from the left onto the bones' own. The limb is left
// as it is where a bone has no length.
// Source: A. Nicholas 2009, "Soft IK": distance = limb - ease * exp(-(wanted - (limb - ease)) /
// ease) beyond limb - ease, so the knee never snaps straight.
void SolveTwoBone(const TwoBoneJob& job) noexcept;

}  // namespace twinsdk

#endif  // TWINSDK_TWO_BONE_HPP_
