#include "twinsdk/pose_codec.hpp"

#include <cmath>

namespace twinsdk {
namespace {

constexpr float kRootTwo = 1.41421356237309515f;

// Which three components are kept when component k is dropped.
constexpr int kKept[4][3] = {{1, 2, 3}, {0, 2, 3}, {0, 1, 3}, {0, 1, 2}};

inline float Clamped(float value) {
  // Written so that NaN becomes 0.
  return value > 0 ? (value < 1 ? value : 1.0f) : 0.0f;
}

inline int Quantise(const float* q, float steps, std::uint32_t kept[3]) {
  int k = 0;
  for (int i = 1; i < 4; ++i) {
    if (std::fabs(q[i]) > std::fabs(q[k])) k = i;
  }
  const float sign = q[k] < 0 ? -1.0f : 1.0f;
  for (int i = 0; i < 3; ++i) {
    const float fraction = Clamped(sign * q[kKept[k][i]] / kRootTwo + 0.5f);
    kept[i] = static_cast<std::uint32_t>(fraction * steps + 0.5f);
  }
  return k;
}

inline void Restore(int k, const std::uint32_t kept[3], float steps, float* q) {
  float value[3];
  float square = 0;
  for (int i = 0; i < 3; ++i) {
    value[i] = (static_cast<float>(kept[i]) / steps - 0.5f) * kRootTwo;
    square += value[i] * value[i];
  }
  const float scale = square > 1 ? 1.0f / std::sqrt(square) : 1.0f;
  for (int i = 0; i < 3; ++i) q[kKept[k][i]] = value[i] * scale;
  q[k] = square < 1 ? std::sqrt(1.0f - square) : 0.0f;
}

}  // namespace

void Encode48(const float* rotations, std::int64_t count, std::uint16_t* words) noexcept {
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t kept[3];
    const int k = Quantise(rotations + 4 * i, 32767.0f, kept);
    words[3 * i] = static_cast<std::uint16_t>(kept[0] | static_cast<std::uint32_t>(k >> 1) << 15);
    words[3 * i + 1] =
        static_cast<std::uint16_t>(kept[1] | static_cast<std::uint32_t>(k & 1) << 15);
    words[3 * i + 2] = static_cast<std::uint16_t>(kept[2]);
  }
}

void Decode48(const std::uint16_t* words, std::int64_t count, float* rotations) noexcept {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint16_t* w = words + 3 * i;
    const std::uint32_t kept[3] = {w[0] & 0x7fffu, w[1] & 0x7fffu, w[2] & 0x7fffu};
    Restore((w[0] >> 15) << 1 | w[1] >> 15, kept, 32767.0f, rotations + 4 * i);
  }
}

void Encode32(const float* rotations, std::int64_t count, std::uint32_t* words) noexcept {
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t kept[3];
    const int k = Quantise(rotations + 4 * i, 1023.0f, kept);
    words[i] = static_cast<std::uint32_t>(k) << 30 | kept[0] << 20 | kept[1] << 10 | kept[2];
  }
}

void Decode32(const std::uint32_t* words, std::int64_t count, float* rotations) noexcept {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t w = words[i];
    const std::uint32_t kept[3] = {w >> 20 & 1023, w >> 10 & 1023, w & 1023};
    Restore(static_cast<int>(w >> 30), kept, 1023.0f, rotations + 4 * i);
  }
}

void EncodeUnit8(const float* weights, std::int64_t count, std::uint8_t* bytes) noexcept {
  for (std::int64_t i = 0; i < count; ++i) {
    bytes[i] = static_cast<std::uint8_t>(Clamped(weights[i]) * 255.0f + 0.5f);
  }
}

void DecodeUnit8(const std::uint8_t* bytes, std::int64_t count, float* weights) noexcept {
  for (std::int64_t i = 0; i < count; ++i) weights[i] = static_cast<float>(bytes[i]) / 255.0f;
}

}  // namespace twinsdk
