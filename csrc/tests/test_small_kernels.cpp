// Kinematics, pose codec, numbers and two-bone IK, on buffers of exact size.
#include <cstring>
#include <memory>
#include <string>

#include "check.hpp"
#include "twinsdk/kinematics.hpp"
#include "twinsdk/numbers.hpp"
#include "twinsdk/pose_codec.hpp"
#include "twinsdk/two_bone.hpp"

namespace twinsdk {
namespace {

double AngleDegrees(const float* a, const float* b) {
  double dot = 0, cross = 0;
  double x[4], y[4];
  double size_a = 0, size_b = 0;
  for (int c = 0; c < 4; ++c) {
    size_a += double{a[c]} * a[c];
    size_b += double{b[c]} * b[c];
  }
  for (int c = 0; c < 4; ++c) {
    x[c] = a[c] / std::sqrt(size_a);
    y[c] = b[c] / std::sqrt(size_b);
    dot += x[c] * y[c];
  }
  for (int c = 0; c < 4; ++c)
    cross += (x[c] * std::fabs(dot) - (dot < 0 ? -1 : 1) * y[c]) *
             (x[c] * std::fabs(dot) - (dot < 0 ? -1 : 1) * y[c]);
  return 2 * std::atan2(std::sqrt(cross), std::fabs(dot)) * 180 / 3.14159265358979;
}

void CodedRotationsComeBackWithinTheStatedAngle() {
  constexpr int kCount = 50000;
  Random random(1);
  std::vector<float> q = random.Rotations(kCount), back(q.size());
  std::vector<std::uint16_t> words(3 * kCount);
  std::vector<std::uint32_t> wide(kCount);
  Encode48(q.data(), kCount, words.data());
  Decode48(words.data(), kCount, back.data());
  double worst = 0;
  for (int i = 0; i < kCount; ++i) worst = std::fmax(worst, AngleDegrees(&q[4 * i], &back[4 * i]));
  Check(worst < 0.0085, "48 bits: 0.0085 degrees", worst);
  Encode32(q.data(), kCount, wide.data());
  Decode32(wide.data(), kCount, back.data());
  worst = 0;
  for (int i = 0; i < kCount; ++i) worst = std::fmax(worst, AngleDegrees(&q[4 * i], &back[4 * i]));
  Check(worst < 0.27, "32 bits: 0.27 degrees", worst);
  // Whatever the input, the codec stays defined.
  const float odd[] = {NAN,   NAN,    NAN, NAN, INFINITY, -INFINITY, 0, 1,
                       1e30f, -1e30f, 0,   0,   0,        0,         0, 0};
  Encode48(odd, 4, words.data());
  Encode32(odd, 4, wide.data());
  std::uint8_t byte[5];
  const float weights[] = {NAN, -INFINITY, INFINITY, 0.5f, 2};
  EncodeUnit8(weights, 5, byte);
  Check(byte[0] == 0 && byte[1] == 0 && byte[2] == 255 && byte[3] == 128 && byte[4] == 255,
        "weights are clamped");
}

void AChainAddsUpItsBones() {
  constexpr int kJoints = 40;
  std::vector<std::int32_t> parents(kJoints);
  std::vector<float> offsets(3 * kJoints, 0.0f), local(4 * kJoints, 0.0f);
  for (int j = 0; j < kJoints; ++j) {
    parents[j] = j - 1;
    offsets[3 * j + 1] = 1;
    local[4 * j + 3] = 1;
  }
  const float root[3] = {5, 6, 7};
  std::vector<float> rotations(4 * kJoints), positions(3 * kJoints);
  ForwardKinematics({1, kJoints, parents.data(), offsets.data(), local.data(), root,
                     rotations.data(), positions.data()});
  Check(positions[3 * (kJoints - 1) + 1] == 6 + kJoints - 1,
        "a straight chain is as long as its bones");
}

void NumbersSurviveTheirText() {
  Random random(2);
  for (int round = 0; round < 200000; ++round) {
    const double value = random.Normal() * std::pow(10.0, random.Below(10) - 4);
    const int decimals = random.Below(kMostDecimals + 1);
    char text[kNumberBytes];
    const std::size_t size = FormatNumber(value, decimals, text);
    Check(size <= kNumberBytes, "a number fits its buffer");
    double back = NAN;
    const ParsedNumbers parsed = ParseNumbers(text, size, &back, 1);
    Check(parsed.count == 1 && parsed.consumed == size, "what was written is read");
    const double bound = 0.500001 * std::pow(10.0, -decimals) + 1e-15 * std::fabs(value);
    Check(std::fabs(back - value) <= bound, "half a unit of the last place", back - value);
    char exact[40];
    const int length = std::snprintf(exact, sizeof exact, "%.17g", value);
    ParseNumbers(exact, static_cast<std::size_t>(length), &back, 1);
    Check(back == value, "17 digits are exact", value);
  }
}

// A fuzzer that needs no tool: mutations of valid text in heap buffers of exact size, so that the
// address sanitizer sees a read of one byte too many.
void NoTextReadsOutsideItsBuffer() {
  Random random(3);
  const std::string seed = "1.5 -2e-3 +.5\t123456789012345678901 1e308\r\n0.1 -0 7.e1 nan 1,5 0x1";
  const std::string alphabet = "0123456789+-.eE \t\r\nxX,naif\0\xff";
  for (int round = 0; round < 100000; ++round) {
    std::string text =
        seed.substr(static_cast<std::size_t>(random.Below(static_cast<int>(seed.size()))));
    for (int edits = random.Below(6); edits > 0 && !text.empty(); --edits) {
      const auto at = static_cast<std::size_t>(random.Below(static_cast<int>(text.size())));
      const char letter =
          alphabet[static_cast<std::size_t>(random.Below(static_cast<int>(alphabet.size())))];
      if (random.Below(3)) {
        text[at] = letter;
      } else if (random.Below(2)) {
        text.insert(at, 1, letter);
      } else {
        text.resize(at);
      }
    }
    const std::unique_ptr<char[]> exact(new char[text.size()]);
    std::memcpy(exact.get(), text.data(), text.size());
    const std::size_t capacity = text.size() / 2 + 1;
    const std::unique_ptr<double[]> out(new double[capacity]);
    const ParsedNumbers parsed =
        ParseNumbers(exact.get(), text.size(), out.get(), static_cast<std::int64_t>(capacity));
    Check(parsed.consumed <= text.size(), "no more is consumed than there is");
    Check(parsed.count <= static_cast<std::int64_t>(capacity), "no more is found than fits");
    for (std::int64_t i = 0; i < parsed.count; ++i) {
      Check(std::isfinite(out[static_cast<std::size_t>(i)]), "only finite numbers are numbers");
    }
  }
}

void LimbsReachAndNeverBreak() {
  constexpr int kFrames = 5000;
  Random random(4);
  std::vector<float> points[5];
  for (auto& p : points) p = random.Normals(3 * kFrames);
  for (int t = 0; t < kFrames; t += 7) {
    // Degenerate on purpose: no length, no direction, a pole along the limb.
    std::memcpy(&points[t % 4 + 1][3 * t], &points[0][3 * t], 3 * sizeof(float));
  }
  std::vector<float> upper(4 * kFrames), lower(4 * kFrames);
  SolveTwoBone({kFrames, points[0].data(), points[1].data(), points[2].data(), points[3].data(),
                points[4].data(), 0.05f, upper.data(), lower.data()});
  for (int i = 0; i < 4 * kFrames; ++i) {
    Check(std::isfinite(upper[i]) && std::isfinite(lower[i]), "no limb turns to NaN", i / 4);
  }
}

}  // namespace
}  // namespace twinsdk

int main() {
  twinsdk::CodedRotationsComeBackWithinTheStatedAngle();
  twinsdk::AChainAddsUpItsBones();
  twinsdk::NumbersSurviveTheirText();
  twinsdk::NoTextReadsOutsideItsBuffer();
  twinsdk::LimbsReachAndNeverBreak();
}
