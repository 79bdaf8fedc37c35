// Rotations that turn: exponentials, logarithms and the glide, in double precision, xyzw.
#ifndef TWINSDK_TURNING_HPP_
#define TWINSDK_TURNING_HPP_

#include <cstdint>

namespace twinsdk {

// out[i] = q[i] exp(v[i]), unit: q turned about its own axes by the rotation vector v.
void Turned(const double* q, const double* v, std::int64_t count, double* out) noexcept;

// out[i] (3) = log(a[i]^-1 b[i]), the short way round: what turns a to b about a's own axes.
void TurnsBetween(const double* a, const double* b, std::int64_t count, double* out) noexcept;

struct GlideJob {
  std::int64_t count;
  double step_s, min_hz, gain, speed_hz, damping;
  const double* given;      // (J, 4)
  const double* haste;      // (J)
  const double* max_speed;  // (J) rad/s
  double* at;               // (J, 4) in and out
  double* velocity;         // (J, 3) in and out
  double* speed;            // (J) in and out
};

// One step of a filter of degree one on rotations: the poles of an oscillator with that damping,
// (0, 1]. Source: Morrison 1969, "Introduction to sequential smoothing and prediction".
void Glide(const GlideJob& job) noexcept;

}  // namespace twinsdk

#endif  // TWINSDK_TURNING_HPP_
