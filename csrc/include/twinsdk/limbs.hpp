// Two limbs brought to their goals by two bones each, bends turning no quicker than people's; and
// legs that nobody sees. Defined by twinsdk/motion/filters/limbs.py and swivel.py, and by
// twinsdk/motion/model/unseen.py.
#ifndef TWINSDK_LIMBS_HPP_
#define TWINSDK_LIMBS_HPP_

#include <cstdint>

namespace twinsdk {

// Both arms or both legs of a skeleton; left, then right.
struct LimbPair {
  std::int32_t joints;
  std::int32_t upper[2], lower[2], tip[2];
  std::int32_t above[2];  // the upper bones' parents
  std::int32_t trunk;     // in whose axes bends are remembered
  double faces_m;         // how much upper bones facing +Z count; negative for elbows
  double thin_m;          // radius of a limb as good as straight
  double reach;           // of a limb's length
  double most_m_s, most_m_s2, again_s;
};

// What keeps bends from turning over; see swivel.py. All in the trunk's axes, in and out.
struct LimbSwivel {
  double* aim;    // (2, 3)
  double* bend;   // (2, 3)
  double* speed;  // (2)
  bool fresh;     // nothing is remembered
  double most_rad_s, step_s;
};

struct LimbJob {
  const float* world;        // (J, 4) world_from_joint, xyzw
  const float* places;       // (J, 3) metres
  const double* goals;       // (2, 3) metres, of the tips
  const double* ends;        // (2, 4) world rotations of the tips, or none: they keep their own
  const LimbSwivel* swivel;  // or none
  double* rotations;         // (J, 4) parent_from_joint; upper bones, lower ones and tips are set
};

void ReachLimbs(const LimbPair& pair, const LimbJob& job) noexcept;

struct UnseenLegsJob {
  const std::int32_t* rows;   // (4, 2) thighs, shanks, feet, toes: each the next one's parent
  const std::int32_t* above;  // (2) the thighs' parents
  const float* seen;          // (J, 4) world_from_joint as seen
  const float* made;          // (J, 4) as the model has it
  const double* share;        // (4, 2) how far each is made up
  const double* stands;       // (2) how surely each foot stands
  double follows;             // how far what is made up follows, [0, 1]
  bool fresh;                 // there is nothing in `turns`
  double* turns;              // (4, 2, 4) in and out, world, what was made up last
  double* rotations;          // (J, 4) parent_from_joint; those of `rows` are set
};

void TurnUnseenLegs(const UnseenLegsJob& job) noexcept;

}  // namespace twinsdk

#endif  // TWINSDK_LIMBS_HPP_
