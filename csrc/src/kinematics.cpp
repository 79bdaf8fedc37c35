#include "twinsdk/kinematics.hpp"

#include <cassert>

#include "twinsdk/lanes.hpp"

namespace twinsdk {

void ForwardKinematics(const ForwardJob& job) noexcept {
  const float* TWINSDK_RESTRICT local = job.rotations;
  float* TWINSDK_RESTRICT rotation = job.world_rotations;
  float* TWINSDK_RESTRICT position = job.world_positions;
  for (std::int64_t t = 0; t < job.frames; ++t) {
    for (int k = 0; k < 4; ++k) rotation[k] = local[k];
    for (int k = 0; k < 3; ++k) position[k] = job.root_translations[3 * t + k];
    for (std::int32_t j = 1; j < job.joints; ++j) {
      const std::int32_t above = job.parents[j];
      assert(above >= 0 && above < j);
      const float* a = rotation + 4 * above;
      const float* b = local + 4 * j;
      const float* v = job.rest_translations + 3 * j;
      const float ax = a[0], ay = a[1], az = a[2], aw = a[3];
      const float bx = b[0], by = b[1], bz = b[2], bw = b[3];
      float* q = rotation + 4 * j;
      q[0] = aw * bx + bw * ax + (ay * bz - az * by);
      q[1] = aw * by + bw * ay + (az * bx - ax * bz);
      q[2] = aw * bz + bw * az + (ax * by - ay * bx);
      q[3] = aw * bw - (ax * bx + ay * by + az * bz);
      // v + 2 w (u x v) + 2 u x (u x v)
      const float cx = 2 * (ay * v[2] - az * v[1]);
      const float cy = 2 * (az * v[0] - ax * v[2]);
      const float cz = 2 * (ax * v[1] - ay * v[0]);
      float* p = position + 3 * j;
      const float* up = position + 3 * above;
      p[0] = up[0] + v[0] + aw * cx + (ay * cz - az * cy);
      p[1] = up[1] + v[1] + aw * cy + (az * cx - ax * cz);
      p[2] = up[2] + v[2] + aw * cz + (ax * cy - ay * cx);
    }
    local += 4 * job.joints;
    rotation += 4 * job.joints;
    position += 3 * job.joints;
  }
}

void SkinningMatrices(const PaletteJob& job) noexcept {
  const std::int64_t rows = job.frames * job.joints;
  std::int32_t j = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const float* q = job.world_rotations + 4 * i;
    const float* p = job.world_positions + 3 * i;
    const float* b = job.inverse_bind + 12 * static_cast<std::int64_t>(j);
    float* TWINSDK_RESTRICT m = job.matrices + 12 * i;
    const float x = q[0], y = q[1], z = q[2], w = q[3];
    const float rotation[3][3] = {
        {1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)},
        {2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)},
        {2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)},
    };
    for (int r = 0; r < 3; ++r) {
      for (int c = 0; c < 4; ++c) {
        m[4 * r + c] =
            rotation[r][0] * b[c] + rotation[r][1] * b[4 + c] + rotation[r][2] * b[8 + c];
      }
      m[4 * r + 3] += p[r];
    }
    if (++j == job.joints) j = 0;
  }
}

}  // namespace twinsdk
