// Smallest-three rotations and 8-bit expressions, the compact wire form of a pose.
//
// A unit quaternion is stored without its largest component, whose sign is made positive (q and -q
// are one rotation); each of the other three, in [-1/sqrt 2, 1/sqrt 2], becomes
// round((v / sqrt 2 + 1/2) * steps). Any input encodes and any words decode: NaN counts as 0, and
// words that no encoder writes become a unit quaternion.
#ifndef TWINSDK_POSE_CODEC_HPP_
#define TWINSDK_POSE_CODEC_HPP_

#include <cstdint>

namespace twinsdk {

// 48 bits: three words, 15-bit components in order; the dropped index in the top bits of words 0
// (high bit) and 1 (low bit). Largest error 0.0085 degrees.
void Encode48(const float* rotations, std::int64_t count, std::uint16_t* words) noexcept;
void Decode48(const std::uint16_t* words, std::int64_t count, float* rotations) noexcept;

// 32 bits: the dropped index in bits 30-31, 10-bit components at 20, 10, 0. Largest error 0.27
// degrees.
void Encode32(const float* rotations, std::int64_t count, std::uint32_t* words) noexcept;
void Decode32(const std::uint32_t* words, std::int64_t count, float* rotations) noexcept;

// Weights in [0, 1] as round(255 w), clamped; the largest error is 1 / 510.
void EncodeUnit8(const float* weights, std::int64_t count, std::uint8_t* bytes) noexcept;
void DecodeUnit8(const std::uint8_t* bytes, std::int64_t count, float* weights) noexcept;

}  // namespace twinsdk

#endif  // TWINSDK_POSE_CODEC_HPP_
