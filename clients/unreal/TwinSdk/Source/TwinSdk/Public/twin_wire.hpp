// Messages of twinsdk to and from plain C++17 types. No engine, no sockets; see docs/wire.md.
//
// Needs FlatBuffers of the version that twin_generated.h was made with (2.0.8), headers alone.
// Everything that comes in is verified before it is read; nothing here throws on bad bytes.
#ifndef TWIN_WIRE_HPP_
#define TWIN_WIRE_HPP_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "twin_generated.h"

namespace twin {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kPrefixBytes = 16;
constexpr std::size_t kMaxJoints = 4096;

using Vec3 = std::array<float, 3>;
using Quat = std::array<float, 4>;  // xyzw

enum class State : std::uint8_t { kTracking, kPartial, kHolding, kIdle, kGenerated };
enum class Codec : std::uint16_t { kFloat32, kPacked48, kPacked32 };

// One twin at one instant. Rotations are parent_from_joint and replace the rest rotations; axes are
// glTF's, metres. Times are the publisher's monotonic nanoseconds.
struct Frame {
  std::uint32_t avatar = 0;
  std::uint32_t sequence = 0;
  std::uint64_t session = 0;
  std::uint64_t descriptor = 0;
  std::int64_t t_capture_ns = 0;
  std::int64_t t_send_ns = 0;
  Codec codec = Codec::kFloat32;
  State state = State::kTracking;
  float confidence = 0;
  Vec3 root{};
  std::vector<Quat> rotations;
  std::vector<float> expressions;
  std::vector<float> joint_confidence;
};

struct Joint {
  std::string name;
  std::string role;  // VRM 1.0 humanoid name, empty where it has none
  int parent = -1;
  Vec3 translation{};
  Quat rotation{0, 0, 0, 1};
};

struct Descriptor {
  std::uint64_t hash = 0;
  std::string name;
  std::vector<Joint> joints;
  std::vector<std::string> expressions;
  std::vector<std::string> morphs;
};

struct AvatarEntry {
  std::uint32_t avatar = 0;
  std::uint64_t descriptor = 0;
  std::vector<std::uint8_t> newest;  // empty before the first frame
  std::vector<std::uint8_t> file;  // SHA-256 of the avatar's file, empty where it is not given away
  std::uint64_t file_bytes = 0;
};

struct FileChunk {
  std::vector<std::uint8_t> sha256;
  std::uint64_t offset = 0;
  std::vector<std::uint8_t> data;
};

// How the stream arrives here; told to the publisher each second.
struct Statistics {
  std::uint64_t received = 0, lost = 0;
  float age_p50_ms = 0, age_p99_ms = 0, held_ms = 0;
};

struct Welcome {
  std::uint64_t session = 0;
  std::string pose_endpoint;
  Codec codec = Codec::kFloat32;
  std::vector<AvatarEntry> avatars;
  std::int64_t now_ns = 0;
};

struct Pong {
  std::int64_t t0_ns = 0, t1_ns = 0, t2_ns = 0;
};

struct Haptic {
  int device = 0;  // 1 left hand, 2 right hand
  float amplitude = 0;
  float duration_s = 0;
};

struct Refusal {
  std::string reason;
};

using StateMessage = std::variant<Welcome, Descriptor, Pong, Haptic, Refusal, FileChunk>;

namespace detail {

constexpr float kRootTwo = 1.41421356237309515f;

inline Quat Restore(unsigned dropped, unsigned a, unsigned b, unsigned c, float steps) {
  const unsigned stored[3] = {a, b, c};
  float kept[3];
  float square = 0;
  for (int i = 0; i < 3; ++i) {
    kept[i] = (static_cast<float>(stored[i]) / steps - 0.5f) * kRootTwo;
    square += kept[i] * kept[i];
  }
  const float scale = square > 1 ? 1.0f / std::sqrt(square) : 1.0f;
  Quat q{};
  for (unsigned i = 0, k = 0; i < 4; ++i) {
    q[i] = i == dropped ? (square < 1 ? std::sqrt(1.0f - square) : 0.0f) : kept[k++] * scale;
  }
  return q;
}

inline std::vector<float> FromBytes(const flatbuffers::Vector<std::uint8_t>* stored) {
  std::vector<float> out;
  if (stored == nullptr) return out;
  out.reserve(stored->size());
  for (const std::uint8_t value : *stored) out.push_back(static_cast<float>(value) / 255.0f);
  return out;
}

inline std::vector<std::uint8_t> Copy(const flatbuffers::Vector<std::uint8_t>* stored) {
  if (stored == nullptr) return {};
  return {stored->begin(), stored->end()};
}

inline std::string Text(const flatbuffers::String* text) {
  return text == nullptr ? std::string() : text->str();
}

template <typename T>
std::uint32_t Little(const std::uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return flatbuffers::EndianScalar(value);
}

}  // namespace detail

inline bool IsPose(const std::uint8_t* data, std::size_t size) {
  return size >= kPrefixBytes && std::memcmp(data, "TWN", 3) == 0;
}

// Fills `frame` from a pose message. Returns null, or in words why the message is dropped.
inline const char* DecodePose(const std::uint8_t* data, std::size_t size, Frame& frame) {
  if (!IsPose(data, size)) return "not a pose message";
  if (data[3] != kVersion) return "another wire version; update the receiver or the sender";
  // A copy on an aligned start: scalars of the FlatBuffer are read in place.
  const std::vector<std::uint64_t> aligned = [&] {
    std::vector<std::uint64_t> copy((size - kPrefixBytes + 7) / 8);
    if (size > kPrefixBytes) std::memcpy(copy.data(), data + kPrefixBytes, size - kPrefixBytes);
    return copy;
  }();
  const auto* body = reinterpret_cast<const std::uint8_t*>(aligned.data());
  flatbuffers::Verifier verifier(body, size - kPrefixBytes);
  if (!verifier.VerifyBuffer<wire::PoseFrame>("TWNP")) return "malformed";
  const auto* pose = flatbuffers::GetRoot<wire::PoseFrame>(body);
  frame.avatar = detail::Little<std::uint32_t>(data + 4);
  frame.sequence = detail::Little<std::uint32_t>(data + 8);
  const std::uint32_t codec = detail::Little<std::uint16_t>(data + 14);
  if (codec > 2) return "an unknown codec";
  if (pose->avatar() != frame.avatar || pose->sequence() != frame.sequence) {
    return "the prefix and the body disagree";
  }
  frame.codec = static_cast<Codec>(codec);
  frame.session = pose->session();
  frame.descriptor = pose->descriptor();
  frame.t_capture_ns = pose->t_capture_ns();
  frame.t_send_ns = pose->t_send_ns();
  frame.confidence = pose->confidence();
  if (static_cast<unsigned>(pose->state()) > 4) return "an unknown state";
  frame.state = static_cast<State>(pose->state());
  frame.root = pose->root() == nullptr
                   ? Vec3{}
                   : Vec3{pose->root()->x(), pose->root()->y(), pose->root()->z()};
  if (!std::isfinite(frame.root[0] + frame.root[1] + frame.root[2])) return "no finite root";
  if (!(frame.confidence >= 0 && frame.confidence <= 1)) return "no confidence in [0, 1]";

  const auto* exact = pose->rotations_f32();
  const auto* wide = pose->rotations_48();
  const auto* narrow = pose->rotations_32();
  if ((exact != nullptr) != (codec == 0) || (wide != nullptr) != (codec == 1) ||
      (narrow != nullptr) != (codec == 2)) {
    return "the rotations are not those of the codec";
  }
  const std::size_t numbers = exact ? exact->size() : wide ? wide->size() : narrow->size();
  const std::size_t per_joint = exact ? 4 : wide ? 3 : 1;
  const std::size_t joints = numbers / per_joint;
  if (joints * per_joint != numbers || joints < 1 || joints > kMaxJoints) return "a joint count";
  frame.rotations.resize(joints);
  for (std::size_t j = 0; j < joints; ++j) {
    const auto at = static_cast<flatbuffers::uoffset_t>(j * per_joint);
    if (exact) {
      Quat q{exact->Get(at), exact->Get(at + 1), exact->Get(at + 2), exact->Get(at + 3)};
      const float length = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
      if (!(std::fabs(length - 1) < 2e-3f)) return "a rotation is not unit";
      for (float& x : q) x /= length;
      frame.rotations[j] = q;
    } else if (wide) {
      const unsigned a = wide->Get(at), b = wide->Get(at + 1), c = wide->Get(at + 2);
      frame.rotations[j] =
          detail::Restore((a >> 15) << 1 | b >> 15, a & 0x7fff, b & 0x7fff, c & 0x7fff, 32767.0f);
    } else {
      const std::uint32_t w = narrow->Get(at);
      frame.rotations[j] =
          detail::Restore(w >> 30, (w >> 20) & 1023, (w >> 10) & 1023, w & 1023, 1023.0f);
    }
  }
  if (codec == 0) {
    frame.expressions.clear();
    if (pose->expressions_f32() != nullptr) {
      for (const float value : *pose->expressions_f32()) {
        if (!(value >= 0 && value <= 1)) return "an expression is outside [0, 1]";
        frame.expressions.push_back(value);
      }
    }
  } else {
    frame.expressions = detail::FromBytes(pose->expressions_u8());
  }
  frame.joint_confidence = detail::FromBytes(pose->joint_confidence());
  if (frame.joint_confidence.empty()) {
    frame.joint_confidence.assign(joints, frame.confidence);
  } else if (frame.joint_confidence.size() != joints) {
    return "joint confidence of another length";
  }
  return nullptr;
}

namespace detail {

inline bool ReadDescriptor(const wire::AvatarDescriptor* table, Descriptor& out) {
  if (table->axes() != wire::Axes_RightHandedYUpFacingZMetres || table->joints() == nullptr ||
      table->joints()->size() > kMaxJoints) {
    return false;
  }
  out.hash = table->hash();
  out.name = Text(table->name());
  int index = 0;
  for (const auto* item : *table->joints()) {
    if (item->parent() >= index || (index > 0 && item->parent() < 0)) return false;
    if (item->translation() == nullptr || item->rotation() == nullptr) return false;
    Joint joint;
    joint.name = Text(item->name());
    joint.role = Text(item->role());
    joint.parent = item->parent();
    const auto& t = *item->translation();
    const auto& r = *item->rotation();
    joint.translation = {t.x(), t.y(), t.z()};
    joint.rotation = {r.x(), r.y(), r.z(), r.w()};
    out.joints.push_back(std::move(joint));
    ++index;
  }
  if (table->expressions() != nullptr) {
    for (const auto* name : *table->expressions()) out.expressions.push_back(Text(name));
  }
  if (table->morphs() != nullptr) {
    for (const auto* name : *table->morphs()) out.morphs.push_back(Text(name));
  }
  return true;
}

}  // namespace detail

// Returns the state message in the bytes, or nothing where they make no sense here.
inline std::optional<StateMessage> DecodeState(const std::uint8_t* data, std::size_t size) {
  if (size < 8 || std::memcmp(data + 4, "TWNS", 4) != 0) return std::nullopt;
  std::vector<std::uint64_t> aligned((size + 7) / 8);
  std::memcpy(aligned.data(), data, size);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(aligned.data());
  flatbuffers::Verifier verifier(bytes, size);
  if (!wire::VerifyEnvelopeBuffer(verifier)) return std::nullopt;
  const auto* envelope = wire::GetEnvelope(bytes);
  if (const auto* table = envelope->body_as_Welcome()) {
    Welcome welcome;
    welcome.session = table->session();
    welcome.pose_endpoint = detail::Text(table->pose_endpoint());
    welcome.codec = static_cast<Codec>(table->codec());
    welcome.now_ns = table->now_ns();
    if (table->avatars() != nullptr) {
      for (const auto* item : *table->avatars()) {
        AvatarEntry entry;
        entry.avatar = item->avatar();
        entry.descriptor = item->descriptor();
        entry.newest = detail::Copy(item->newest());
        entry.file = detail::Copy(item->file());
        entry.file_bytes = item->file_bytes();
        welcome.avatars.push_back(std::move(entry));
      }
    }
    return welcome;
  }
  if (const auto* table = envelope->body_as_AvatarDescriptor()) {
    Descriptor descriptor;
    if (!detail::ReadDescriptor(table, descriptor)) return std::nullopt;
    return descriptor;
  }
  if (const auto* table = envelope->body_as_Pong()) {
    return Pong{table->t0_ns(), table->t1_ns(), table->t2_ns()};
  }
  if (const auto* table = envelope->body_as_Haptic()) {
    return Haptic{static_cast<int>(table->kind()), table->amplitude(), table->duration_s()};
  }
  if (const auto* table = envelope->body_as_FileChunk()) {
    return FileChunk{detail::Copy(table->sha256()), table->offset(), detail::Copy(table->data())};
  }
  if (const auto* table = envelope->body_as_Refusal())
    return Refusal{detail::Text(table->reason())};
  return std::nullopt;
}

namespace detail {

template <typename Write>
std::vector<std::uint8_t> Envelope(wire::Body kind, Write write) {
  flatbuffers::FlatBufferBuilder builder;
  const flatbuffers::Offset<void> body = write(builder).Union();
  wire::FinishEnvelopeBuffer(builder, wire::CreateEnvelope(builder, kind, body));
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

}  // namespace detail

inline std::vector<std::uint8_t> EncodeHello(const std::string& client) {
  return detail::Envelope(wire::Body_Hello, [&](flatbuffers::FlatBufferBuilder& builder) {
    const std::vector<std::uint16_t> codecs{0, 1, 2};
    return wire::CreateHelloDirect(builder, client.c_str(), kVersion, kVersion, &codecs);
  });
}

inline std::vector<std::uint8_t> EncodePing(std::int64_t t0_ns) {
  return detail::Envelope(wire::Body_Ping, [&](flatbuffers::FlatBufferBuilder& builder) {
    return wire::CreatePing(builder, t0_ns);
  });
}

inline std::vector<std::uint8_t> EncodeRequest(std::uint64_t hash) {
  return detail::Envelope(wire::Body_DescriptorRequest,
                          [&](flatbuffers::FlatBufferBuilder& builder) {
                            return wire::CreateDescriptorRequest(builder, hash);
                          });
}

inline std::vector<std::uint8_t> EncodeFileRequest(const std::vector<std::uint8_t>& sha256,
                                                   std::uint64_t offset) {
  return detail::Envelope(wire::Body_FileRequest, [&](flatbuffers::FlatBufferBuilder& builder) {
    return wire::CreateFileRequestDirect(builder, &sha256, offset);
  });
}

inline std::vector<std::uint8_t> EncodeStatistics(const Statistics& seen) {
  return detail::Envelope(
      wire::Body_ClientStatistics, [&](flatbuffers::FlatBufferBuilder& builder) {
        return wire::CreateClientStatistics(builder, seen.received, seen.lost, seen.age_p50_ms,
                                            seen.age_p99_ms, seen.held_ms);
      });
}

// Unreal's left-handed, Z-up centimetres, +X forward, from glTF's axes.
inline Vec3 UnrealFromGltf(const Vec3& p) { return {100 * p[2], -100 * p[0], 100 * p[1]}; }
inline Quat UnrealFromGltf(const Quat& q) { return {-q[2], q[0], -q[1], q[3]}; }

}  // namespace twin

#endif  // TWIN_WIRE_HPP_
