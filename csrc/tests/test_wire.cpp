// Pose messages at random places with random bytes, on buffers of exact size: run under ASan and
// UBSan, nothing outside the message is touched and whatever is let through is a valid frame.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>

#include "check.hpp"
#include "twinsdk/wire.hpp"

namespace twinsdk {
namespace {

std::size_t Below(std::mt19937* random, std::size_t limit) { return (*random)() % limit; }

void AnyBytesAtAnySoundPlaceAreRefusedOrAValidFrame() {
  std::mt19937 random(3);
  int sound = 0, through = 0;
  for (int round = 0; round < 60000; ++round) {
    const std::size_t size = 16 + Below(&random, 700);
    auto message = std::make_unique<std::uint8_t[]>(size);
    auto pattern = std::make_unique<std::uint8_t[]>(size);
    auto mask = std::make_unique<std::uint8_t[]>(size);
    for (std::size_t i = 0; i < size; ++i) message[i] = static_cast<std::uint8_t>(random());
    WireLayout layout = {};
    layout.size = size;
    layout.pattern = pattern.get();
    layout.mask = mask.get();
    layout.codec = static_cast<WireCodec>(Below(&random, 4));
    layout.joints = static_cast<std::int64_t>(Below(&random, 90));
    layout.expressions = static_cast<std::int64_t>(Below(&random, 80));
    for (std::size_t& place : layout.scalars) {
      place = Below(&random, 2) ? Below(&random, size + 8) : 0;
    }
    layout.rotations = Below(&random, size + 8);
    layout.weights = Below(&random, size + 8);
    layout.sure = Below(&random, 2) ? Below(&random, size + 8) : 0;
    if (!Sound(layout)) continue;
    ++sound;
    // Half of them pass the first tests, so that the later ones are reached.
    const std::uint8_t start[] = {'T', 'W', 'N', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    if (round % 2 == 0) {
      std::memcpy(message.get(), start, sizeof(start));
      message[14] = static_cast<std::uint8_t>(layout.codec);
      message[15] = 0;
      layout.scalars[kAvatar] = layout.scalars[kSequence] = 0;
      layout.scalars[kState] = layout.scalars[kConfidence] = layout.scalars[kRoot] = 0;
    }
    auto rotations = std::make_unique<float[]>(static_cast<std::size_t>(4 * layout.joints));
    auto weights = std::make_unique<float[]>(static_cast<std::size_t>(layout.expressions));
    auto sure = std::make_unique<float[]>(static_cast<std::size_t>(layout.joints));
    WireValues values = {};
    const WireFault fault =
        ReadPose(layout, message.get(), size, &values, rotations.get(), weights.get(), sure.get());
    if (fault == WireFault::kNone) {
      ++through;
      bool valid = values.confidence >= 0 && values.confidence <= 1 && values.state < 5;
      for (std::int64_t j = 0; j < layout.joints; ++j) {
        const float* q = &rotations[static_cast<std::size_t>(4 * j)];
        const float square = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
        valid = valid && std::fabs(square - 1) < 1e-5f;
        valid = valid && sure[static_cast<std::size_t>(j)] >= 0;
        valid = valid && sure[static_cast<std::size_t>(j)] <= 1;
      }
      for (std::int64_t i = 0; i < layout.expressions; ++i) {
        const float weight = weights[static_cast<std::size_t>(i)];
        valid = valid && weight >= 0 && weight <= 1;
      }
      Check(valid, "what is let through is a frame", round);
    }
    WritePose(layout, values, rotations.get(), weights.get(), sure.get(), message.get());
    Check(ReadPose(layout, message.get(), size - 1, &values, rotations.get(), weights.get(),
                   sure.get()) == WireFault::kOtherLayout,
          "another size is another layout");
  }
  Check(sound > 1000, "enough sound layouts", sound);
  Check(through > 500, "enough messages let through", through);
}

void PlacesThatOverflowAreNotSound() {
  std::uint8_t bytes[64] = {};
  WireLayout layout = {};
  layout.size = sizeof(bytes);
  layout.pattern = layout.mask = bytes;
  layout.codec = WireCodec::kPacked32;
  layout.joints = 4;
  layout.expressions = 4;
  Check(Sound(layout), "small places are sound");
  for (std::size_t* place : {&layout.rotations, &layout.weights, &layout.sure,
                             &layout.scalars[kSession], &layout.scalars[kRoot]}) {
    for (const std::size_t at : {std::size_t{63}, sizeof(bytes), ~std::size_t{0}}) {
      *place = at;
      Check(!Sound(layout), "a place beyond the end");
    }
    *place = 0;
  }
}

}  // namespace
}  // namespace twinsdk

int main() {
  twinsdk::AnyBytesAtAnySoundPlaceAreRefusedOrAValidFrame();
  twinsdk::PlacesThatOverflowAreNotSound();
}
