// Rotations from Euler angles, as motion files hold them.
#ifndef TWINSDK_EULER_HPP_
#define TWINSDK_EULER_HPP_

#include <cstdint>

namespace twinsdk {

// T rows of C numbers; joint n takes its three angles from columns[n], about axes[0], axes[1],
// axes[2] (0..2, all different), the first applied last to a point.
struct EulerJob {
  std::int64_t frames;
  std::int64_t row;             // C
  std::int32_t joints;          // N
  const double* degrees;        // (T, C)
  const std::int64_t* columns;  // (N, 3)
  int axes[3];
  float* rotations;  // (T, N, 4) xyzw, w >= 0
};
void RotationsFromEuler(const EulerJob& job) noexcept;

}  // namespace twinsdk

#endif  // TWINSDK_EULER_HPP_
