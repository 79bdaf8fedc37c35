#include "twinsdk/wire.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "twinsdk/pose_codec.hpp"

namespace twinsdk {
namespace {

constexpr std::uint8_t kStart[4] = {'T', 'W', 'N', 1};  // magic, version
constexpr std::size_t kPrefixBytes = 16;
constexpr std::uint8_t kStates = 5;
constexpr float kUnitTolerance = 4e-3f;  // of the squared length
constexpr float kExact = 2e-6f;
constexpr std::size_t kScalarBytes[kWireScalars] = {8, 4, 4, 8, 8, 8, 1, 4, 12};
constexpr std::int64_t kChunk = 64;

template <class T>
T Load(const std::uint8_t* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

template <class T>
void Store(std::uint8_t* at, T value) noexcept {
  std::memcpy(at, &value, sizeof(T));
}

template <class T>
T Scalar(const WireLayout& layout, WireScalar which, const std::uint8_t* message) noexcept {
  return layout.scalars[which] ? Load<T>(message + layout.scalars[which]) : T{};
}

template <class T>
void Put(const WireLayout& layout, WireScalar which, T value, std::uint8_t* message) noexcept {
  if (layout.scalars[which]) Store(message + layout.scalars[which], value);
}

// A vector of a stranger's message need not be aligned: it goes through an aligned copy.
template <class Word>
void Decode(void (*decode)(const Word*, std::int64_t, float*) noexcept, const std::uint8_t* from,
            std::int64_t joints, int words, float* rotations) noexcept {
  Word copy[3 * kChunk];
  for (std::int64_t first = 0; first < joints; first += kChunk) {
    const std::int64_t count = std::min(kChunk, joints - first);
    std::memcpy(copy, from + static_cast<std::size_t>(first * words) * sizeof(Word),
                static_cast<std::size_t>(count * words) * sizeof(Word));
    decode(copy, count, rotations + 4 * first);
  }
}

template <class Word>
void Encode(void (*encode)(const float*, std::int64_t, Word*) noexcept, const float* rotations,
            std::int64_t joints, int words, std::uint8_t* to) noexcept {
  Word copy[3 * kChunk];
  for (std::int64_t first = 0; first < joints; first += kChunk) {
    const std::int64_t count = std::min(kChunk, joints - first);
    encode(rotations + 4 * first, count, copy);
    std::memcpy(to + static_cast<std::size_t>(first * words) * sizeof(Word), copy,
                static_cast<std::size_t>(count * words) * sizeof(Word));
  }
}

// Refuses what is no rotation and takes out the rest of what rounding left.
bool MadeUnit(std::int64_t joints, float* rotations) noexcept {
  float off = 0;
  bool sound = true;
  for (std::int64_t j = 0; j < joints; ++j) {
    const float* q = rotations + 4 * j;
    const float away = std::fabs(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3] - 1.0f);
    sound = sound && away <= kUnitTolerance;  // NaN fails too
    off = std::max(off, away);
  }
  if (!sound || off < kExact) return sound;
  for (std::int64_t j = 0; j < joints; ++j) {
    float* q = rotations + 4 * j;
    const float size = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
    for (int c = 0; c < 4; ++c) q[c] /= size;
  }
  return true;
}

}  // namespace

bool Sound(const WireLayout& layout) noexcept {
  const auto inside = [&layout](std::size_t at, std::size_t bytes) {
    return at <= layout.size && bytes <= layout.size - at;
  };
  if (layout.size < kPrefixBytes || layout.size > (1u << 24)) return false;
  if (layout.joints < 1 || layout.joints > (1 << 16)) return false;
  if (layout.expressions < 0 || layout.expressions > (1 << 16)) return false;
  for (int i = 0; i < kWireScalars; ++i) {
    if (!inside(layout.scalars[i], kScalarBytes[i])) return false;
  }
  std::size_t per_joint = 0, per_weight = 1;
  switch (layout.codec) {
    case WireCodec::kFloat32:
      per_joint = 16;
      per_weight = 4;
      break;
    case WireCodec::kPacked48:
      per_joint = 6;
      break;
    case WireCodec::kPacked32:
      per_joint = 4;
      break;
    default:
      return false;
  }
  const auto joints = static_cast<std::size_t>(layout.joints);
  return inside(layout.rotations, per_joint * joints) &&
         inside(layout.weights, per_weight * static_cast<std::size_t>(layout.expressions)) &&
         inside(layout.sure, joints);
}

WireFault ReadPose(const WireLayout& layout, const std::uint8_t* message, std::size_t size,
                   WireValues* values, float* rotations, float* weights, float* sure) noexcept {
  if (size != layout.size) return WireFault::kOtherLayout;
  std::uint8_t differs = 0;
  for (std::size_t i = 0; i < size; ++i) {
    differs |= static_cast<std::uint8_t>((message[i] ^ layout.pattern[i]) & layout.mask[i]);
  }
  if (differs != 0) return WireFault::kOtherLayout;
  if (std::memcmp(message, kStart, sizeof(kStart)) != 0) return WireFault::kPrefix;
  values->session = Scalar<std::uint64_t>(layout, kSession, message);
  values->avatar = Scalar<std::uint32_t>(layout, kAvatar, message);
  values->sequence = Scalar<std::uint32_t>(layout, kSequence, message);
  values->captured_ns = Scalar<std::int64_t>(layout, kCaptured, message);
  values->sent_ns = Scalar<std::int64_t>(layout, kSent, message);
  values->descriptor = Scalar<std::uint64_t>(layout, kDescriptor, message);
  values->state = Scalar<std::uint8_t>(layout, kState, message);
  values->confidence = Scalar<float>(layout, kConfidence, message);
  for (int c = 0; c < 3; ++c) {
    values->root[c] =
        layout.scalars[kRoot] ? Load<float>(message + layout.scalars[kRoot] + 4 * c) : 0.0f;
  }
  if (Load<std::uint32_t>(message + 4) != values->avatar ||
      Load<std::uint32_t>(message + 8) != values->sequence ||
      Load<std::uint16_t>(message + 14) != static_cast<std::uint16_t>(layout.codec)) {
    return WireFault::kDisagree;
  }
  // Written so that NaN fails too.
  if (!(values->confidence >= 0 && values->confidence <= 1) || values->state >= kStates ||
      !std::isfinite(values->root[0]) || !std::isfinite(values->root[1]) ||
      !std::isfinite(values->root[2])) {
    return WireFault::kRange;
  }
  const std::uint8_t* stored = message + layout.rotations;
  const auto faces = static_cast<std::size_t>(layout.expressions);
  if (layout.codec == WireCodec::kFloat32) {
    std::memcpy(rotations, stored, static_cast<std::size_t>(layout.joints) * 16);
    if (!MadeUnit(layout.joints, rotations)) return WireFault::kRotation;
    std::memcpy(weights, message + layout.weights, faces * 4);
    bool sound = true;
    for (std::size_t i = 0; i < faces; ++i) sound = sound && weights[i] >= 0 && weights[i] <= 1;
    if (!sound) return WireFault::kExpression;
  } else {
    if (layout.codec == WireCodec::kPacked48) {
      Decode<std::uint16_t>(&Decode48, stored, layout.joints, 3, rotations);
    } else {
      Decode<std::uint32_t>(&Decode32, stored, layout.joints, 1, rotations);
    }
    DecodeUnit8(message + layout.weights, layout.expressions, weights);
  }
  if (layout.sure) {
    DecodeUnit8(message + layout.sure, layout.joints, sure);
  } else {
    std::fill(sure, sure + layout.joints, values->confidence);
  }
  return WireFault::kNone;
}

void WritePose(const WireLayout& layout, const WireValues& values, const float* rotations,
               const float* weights, const float* sure, std::uint8_t* message) noexcept {
  Store(message + 4, values.avatar);
  Store(message + 8, values.sequence);
  Put(layout, kAvatar, values.avatar, message);
  Put(layout, kSequence, values.sequence, message);
  Put(layout, kCaptured, values.captured_ns, message);
  Put(layout, kSent, values.sent_ns, message);
  Put(layout, kState, values.state, message);
  Put(layout, kConfidence, values.confidence, message);
  if (layout.scalars[kRoot]) {
    std::memcpy(message + layout.scalars[kRoot], values.root, sizeof(values.root));
  }
  std::uint8_t* stored = message + layout.rotations;
  if (layout.codec == WireCodec::kFloat32) {
    std::memcpy(stored, rotations, static_cast<std::size_t>(layout.joints) * 16);
    std::memcpy(message + layout.weights, weights,
                static_cast<std::size_t>(layout.expressions) * 4);
  } else {
    if (layout.codec == WireCodec::kPacked48) {
      Encode<std::uint16_t>(&Encode48, rotations, layout.joints, 3, stored);
    } else {
      Encode<std::uint32_t>(&Encode32, rotations, layout.joints, 1, stored);
    }
    EncodeUnit8(weights, layout.expressions, message + layout.weights);
  }
  if (layout.sure) EncodeUnit8(sure, layout.joints, message + layout.sure);
}

}  // namespace twinsdk
