// One pose message (schema/twin.fbs, table PoseFrame behind its 16-byte prefix) at known places.
//
// Where the fields lie is proven once by twinsdk/bridge/layout.py; here a message is compared with
// that proof and then read, or a prepared one is filled, without an allocation. Hosts are
// little-endian, as the wire is.
#ifndef TWINSDK_WIRE_HPP_
#define TWINSDK_WIRE_HPP_

#include <cstddef>
#include <cstdint>

namespace twinsdk {

enum class WireCodec : std::int32_t { kFloat32 = 0, kPacked48 = 1, kPacked32 = 2 };

// Order of the places of single values.
enum WireScalar {
  kSession,
  kAvatar,
  kSequence,
  kCaptured,
  kSent,
  kDescriptor,
  kState,
  kConfidence,
  kRoot,
  kWireScalars
};

// Byte positions from the start of the prefix; 0 where a field is absent.
struct WireLayout {
  std::size_t size;
  const std::uint8_t* pattern;  // (size)
  const std::uint8_t* mask;     // (size), 0xff where a message must equal the pattern
  WireCodec codec;
  std::int64_t joints;
  std::int64_t expressions;
  std::size_t scalars[kWireScalars];
  std::size_t rotations;
  std::size_t weights;
  std::size_t sure;
};

// Whether every place lies inside the message; nothing below checks it again.
bool Sound(const WireLayout& layout) noexcept;

enum class WireFault : std::int32_t {
  kNone = 0,
  kOtherLayout = 1,  // another size or other structure
  kPrefix = 2,       // not the magic or the version
  kDisagree = 3,     // prefix and body name different avatars, sequences or codecs
  kRange = 4,        // confidence, state or root
  kRotation = 5,     // no unit quaternion
  kExpression = 6,   // outside [0, 1]
};

struct WireValues {
  std::uint64_t session;
  std::uint32_t avatar;
  std::uint32_t sequence;
  std::int64_t captured_ns;
  std::int64_t sent_ns;
  std::uint64_t descriptor;
  std::uint8_t state;
  float confidence;
  float root[3];
};

// What a message says, checked as the words above tell. Outputs: `rotations` (J, 4), `weights` (E),
// `sure` (J); they are unspecified where a fault is returned.
WireFault ReadPose(const WireLayout& layout, const std::uint8_t* message, std::size_t size,
                   WireValues* values, float* rotations, float* weights, float* sure) noexcept;

// Fills `message`, a copy of the pattern. Session and descriptor stay the pattern's.
void WritePose(const WireLayout& layout, const WireValues& values, const float* rotations,
               const float* weights, const float* sure, std::uint8_t* message) noexcept;

}  // namespace twinsdk

#endif  // TWINSDK_WIRE_HPP_
