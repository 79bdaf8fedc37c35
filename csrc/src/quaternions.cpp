#include "twinsdk/quaternions.hpp"

#include <cmath>

namespace twinsdk {
namespace {

constexpr float kExact = 3e-7f;  // off unit length by no more than float32's own errors

}  // namespace

void MultiplyQuaternions(const float* a, const float* b, std::int64_t count, float* out) noexcept {
  for (std::int64_t i = 0; i < 4 * count; i += 4) {
    const float ax = a[i], ay = a[i + 1], az = a[i + 2], aw = a[i + 3];
    const float bx = b[i], by = b[i + 1], bz = b[i + 2], bw = b[i + 3];
    out[i] = aw * bx + bw * ax + (ay * bz - az * by);
    out[i + 1] = aw * by + bw * ay + (az * bx - ax * bz);
    out[i + 2] = aw * bz + bw * az + (ax * by - ay * bx);
    out[i + 3] = aw * bw - (ax * bx + ay * by + az * bz);
  }
}

void RotateVectors(const float* q, const float* v, std::int64_t count, float* out) noexcept {
  for (std::int64_t i = 0; i < count; ++i) {
    const float qx = q[4 * i], qy = q[4 * i + 1], qz = q[4 * i + 2], w = q[4 * i + 3];
    const float x = v[3 * i], y = v[3 * i + 1], z = v[3 * i + 2];
    // v + w t + q x t, with t = 2 q x v
    const float tx = 2 * (qy * z - qz * y);
    const float ty = 2 * (qz * x - qx * z);
    const float tz = 2 * (qx * y - qy * x);
    out[3 * i] = x + w * tx + (qy * tz - qz * ty);
    out[3 * i + 1] = y + w * ty + (qz * tx - qx * tz);
    out[3 * i + 2] = z + w * tz + (qx * ty - qy * tx);
  }
}

void NormalizeQuaternions(const float* q, std::int64_t count, float* out) noexcept {
  for (std::int64_t i = 0; i < 4 * count; i += 4) {
    const float x = q[i], y = q[i + 1], z = q[i + 2], w = q[i + 3];
    const float length = std::sqrt(x * x + y * y + z * z + w * w);
    const bool any = length > 1e-12f;
    const float scale = any ? 1 / length : 0;
    out[i] = x * scale;
    out[i + 1] = y * scale;
    out[i + 2] = z * scale;
    out[i + 3] = any ? w * scale : 1;
  }
}

bool UnitQuaternions(const float* q, std::int64_t count, float tolerance, float* out) noexcept {
  for (std::int64_t i = 0; i < 4 * count; i += 4) {
    const float x = q[i], y = q[i + 1], z = q[i + 2], w = q[i + 3];
    float length = std::sqrt(x * x + y * y + z * z + w * w);
    const float off = std::fabs(length - 1);
    if (!(off <= tolerance)) return false;  // nor is what is not finite
    if (off < kExact) length = 1;
    out[i] = x / length;
    out[i + 1] = y / length;
    out[i + 2] = z / length;
    out[i + 3] = w / length;
  }
  return true;
}

}  // namespace twinsdk
