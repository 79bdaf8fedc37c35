// A body's frames and what hands, face and eyes tell besides, to local rotations; double precision.
// The definition is twinsdk/motion/fitting/solve.py.
#ifndef TWINSDK_COMPLETION_HPP_
#define TWINSDK_COMPLETION_HPP_

#include <cstdint>
#include <vector>

namespace twinsdk {

// What does not change from frame to frame. Pairs are left then right; matrices are row by row.
struct CompletionPlan {
  std::vector<std::int32_t> parents;        // (J), above; -1 for joint 0
  std::vector<std::int32_t> body_points;    // (3, 2) wrist, index and little finger's knuckle
  std::vector<std::int32_t> palm_points;    // (4) wrist, index, little and middle knuckle
  std::vector<std::int32_t> chains;         // (5, 4) points of each finger, from the palm
  std::vector<std::int32_t> finger_joints;  // (2, 3, 5) hand, joint from the palm, finger
  std::vector<std::int32_t> pairs;          // (5, 2) forearms, hands, feet, toes, eyes
  std::vector<std::int32_t> singles;        // (4) head, neck, jaw, upper chest
  std::vector<double> palms;                // (2, 3, 3) rest frames: of body points, of a hand's
  std::vector<double> straight;             // (5, 3) rest directions
  std::vector<double> low, high;            // (3, 5, 3) bounds of rotation vectors
  // twist share, twist limit, small hand's trust, cosines between which palms agree (2), pixels
  // between which a hand is large (2), twists that are possible (2), neck's share, neck's limit
  std::vector<double> numbers;  // (11)
};

struct CompletionJob {
  double* world;           // (J, 3, 3) in; forearms, palms, toes, neck, eyes, jaw are filled in
  const double* points;    // (P, 3)
  const double* hands[2];  // (21, 3) or none
  const double* head;      // (3, 3) or none
  const double* gaze;      // (2, 3) rotation vectors or none
  const bool* shown;       // (2)
  const double* size_px;   // (2)
  const double* follow;    // (2) in [0, 1], how far a palm goes on from where it is held
  double* held;            // (2, 4) in and out, xyzw forearm_from_palm, or none
  double* rotations;       // (J, 4) out, xyzw
  double* trust;           // (2) out
};

void Complete(const CompletionPlan& plan, const CompletionJob& job) noexcept;

}  // namespace twinsdk

#endif  // TWINSDK_COMPLETION_HPP_
