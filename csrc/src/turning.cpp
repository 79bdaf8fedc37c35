#include "twinsdk/turning.hpp"

#include <algorithm>
#include <cmath>

namespace twinsdk {
namespace {

constexpr double kTwoPi = 6.283185307179586476925;

double Length(const double* v) { return std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]); }

void TurnOne(const double* q, const double* v, double* out) {
  const double angle = Length(v);
  const double grow = angle < 1e-9 ? 0.5 : std::sin(angle / 2) / angle;
  const double x = grow * v[0], y = grow * v[1], z = grow * v[2], w = std::cos(angle / 2);
  const double r[4] = {
      q[3] * x + q[0] * w + q[1] * z - q[2] * y, q[3] * y - q[0] * z + q[1] * w + q[2] * x,
      q[3] * z + q[0] * y - q[1] * x + q[2] * w, q[3] * w - q[0] * x - q[1] * y - q[2] * z};
  const double size = std::sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2] + r[3] * r[3]);
  for (int i = 0; i < 4; ++i) out[i] = r[i] / size;
}

void BetweenOne(const double* a, const double* b, double* out) {
  double x = a[3] * b[0] - a[0] * b[3] - a[1] * b[2] + a[2] * b[1];
  double y = a[3] * b[1] + a[0] * b[2] - a[1] * b[3] - a[2] * b[0];
  double z = a[3] * b[2] - a[0] * b[1] + a[1] * b[0] - a[2] * b[3];
  double w = a[3] * b[3] + a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  if (w < 0) x = -x, y = -y, z = -z, w = -w;
  const double sine = std::sqrt(x * x + y * y + z * z);
  const double grow = sine < 1e-8 ? 2.0 : 2 * std::atan2(sine, w) / sine;
  out[0] = grow * x, out[1] = grow * y, out[2] = grow * z;
}

void Shorten(double* v, double most) {
  const double scale = std::min(1.0, most / std::max(Length(v), 1e-12));
  for (int i = 0; i < 3; ++i) v[i] *= scale;
}

}  // namespace

void Turned(const double* q, const double* v, std::int64_t count, double* out) noexcept {
  for (std::int64_t i = 0; i < count; ++i) TurnOne(q + 4 * i, v + 3 * i, out + 4 * i);
}

void TurnsBetween(const double* a, const double* b, std::int64_t count, double* out) noexcept {
  for (std::int64_t i = 0; i < count; ++i) BetweenOne(a + 4 * i, b + 4 * i, out + 3 * i);
}

void Glide(const GlideJob& job) noexcept {
  const double follows = -std::expm1(-kTwoPi * job.speed_hz * job.step_s);
  const double swing = std::sqrt(1 - job.damping * job.damping);
  for (std::int64_t j = 0; j < job.count; ++j) {
    double* at = job.at + 4 * j;
    double* velocity = job.velocity + 3 * j;
    double forth[3], off[3], ahead[4];
    for (int i = 0; i < 3; ++i) forth[i] = job.step_s * velocity[i];
    TurnOne(at, forth, ahead);
    BetweenOne(ahead, job.given + 4 * j, off);
    job.speed[j] += follows * (Length(velocity) - job.speed[j]);
    const double hz = job.haste[j] * (job.min_hz + job.gain * job.speed[j]);
    const double angle = kTwoPi * job.step_s * hz, keep = std::exp(-job.damping * angle);
    const double place = 1 - keep * keep;
    const double pace = (1 - 2 * keep * std::cos(swing * angle) + keep * keep) / job.step_s;
    for (int i = 0; i < 3; ++i) velocity[i] += pace * off[i], off[i] *= place;
    Shorten(velocity, job.max_speed[j]);
    double goal[4], turn[3];
    TurnOne(ahead, off, goal);
    BetweenOne(at, goal, turn);
    Shorten(turn, job.max_speed[j] * job.step_s);
    TurnOne(at, turn, at);
  }
}

}  // namespace twinsdk
