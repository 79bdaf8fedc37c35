// Quaternion arithmetic over arrays, xyzw: what motion and retargeting do most.
#ifndef TWINSDK_QUATERNIONS_HPP_
#define TWINSDK_QUATERNIONS_HPP_

#include <cstdint>

namespace twinsdk {

// out[i] = a[i] b[i]: the rotation that applies b first. Outputs may be an input.
void MultiplyQuaternions(const float* a, const float* b, std::int64_t count, float* out) noexcept;

// out[i] = v[i] (3 floats) rotated by the unit quaternion q[i].
void RotateVectors(const float* q, const float* v, std::int64_t count, float* out) noexcept;

// out[i] = q[i] at unit length; one no longer than 1e-12 becomes the identity.
void NormalizeQuaternions(const float* q, std::int64_t count, float* out) noexcept;

// out[i] = q[i] at unit length; false where one is further than `tolerance` from it already. What
// is unit to float32's precision is copied as it is, so that doing it twice changes nothing.
bool UnitQuaternions(const float* q, std::int64_t count, float tolerance, float* out) noexcept;

}  // namespace twinsdk

#endif  // TWINSDK_QUATERNIONS_HPP_
