// Limbs brought to goals and legs made up, on buffers of exact size; what they compute is held to
// NumPy in tests/motion/test_limbs.py.
#include <cstdint>
#include <numeric>
#include <vector>

#include "check.hpp"
#include "twinsdk/limbs.hpp"

namespace twinsdk {
namespace {

constexpr int kJoints = 9;  // a trunk, then two limbs of four

std::vector<double> Wide(const std::vector<float>& values) {
  return std::vector<double>(values.begin(), values.end());
}

void RotationsAreUnit(const std::vector<double>& q, const char* law) {
  for (std::size_t i = 0; i < q.size(); i += 4) {
    const double square = std::inner_product(&q[i], &q[i] + 4, &q[i], 0.0);
    Check(std::fabs(square - 1) < 1e-5, law, square);
  }
}

// Goals of any kind: beyond reach, on the limb's root, where the tip is.
void AnyGoalGivesRotations(unsigned seed) {
  Random random(seed);
  const LimbPair pair = {kJoints, {1, 5}, {2, 6}, {3, 7}, {0, 0}, 0,
                         0.02,    0.03,   0.9999, 3,      40,     0.05};
  const std::vector<float> world = random.Rotations(kJoints);
  const std::vector<float> places = random.Normals(3 * kJoints);
  const std::vector<double> ends = Wide(random.Rotations(2));
  std::vector<double> aim(6), bend(6), speed(2), rotations = Wide(random.Rotations(kJoints));
  const auto untouched = rotations;
  for (int frame = 0; frame < 12; ++frame) {
    const int at = frame % 3 == 1 ? 1 : 3;
    std::vector<double> goals;
    for (const int joint : {at, at + 4}) {
      for (int i = 0; i < 3; ++i) {
        goals.push_back(places[3 * joint + i] + (frame % 3 == 0 ? random.Normal() : 0));
      }
    }
    const LimbSwivel swivel = {aim.data(), bend.data(), speed.data(), frame == 0, 10, 0.03};
    ReachLimbs(pair, {world.data(), places.data(), goals.data(), frame & 1 ? ends.data() : nullptr,
                      frame & 2 ? nullptr : &swivel, rotations.data()});
    if (at == 3) RotationsAreUnit(rotations, "limbs' rotations are unit");
  }
  for (const int joint : {0, 4, 8}) {
    for (int k = 4 * joint; k < 4 * joint + 4; ++k) {
      Check(rotations[k] == untouched[k], "what is no limb is left alone");
    }
  }
}

void LegsMadeUpAreRotations(unsigned seed) {
  Random random(seed);
  const std::vector<std::int32_t> rows = {1, 5, 2, 6, 3, 7, 4, 8}, above = {0, 0};
  std::vector<double> turns(32), rotations = Wide(random.Rotations(kJoints));
  for (int frame = 0; frame < 6; ++frame) {
    const std::vector<float> seen = random.Rotations(kJoints), made = random.Rotations(kJoints);
    std::vector<double> share(8), stands = {random.Unit(), random.Unit()};
    for (double& one : share) one = frame < 2 ? frame : random.Unit();
    TurnUnseenLegs({rows.data(), above.data(), seen.data(), made.data(), share.data(),
                    stands.data(), 0.2, frame == 0, turns.data(), rotations.data()});
    RotationsAreUnit(turns, "what is made up are rotations");
    RotationsAreUnit(rotations, "legs' rotations are unit");
  }
}

}  // namespace
}  // namespace twinsdk

int main() {
  for (unsigned seed = 0; seed < 20; ++seed) {
    twinsdk::AnyGoalGivesRotations(seed);
    twinsdk::LegsMadeUpAreRotations(seed);
  }
  return 0;
}
