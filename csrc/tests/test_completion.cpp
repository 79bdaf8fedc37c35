// Completion by hands, head and eyes on buffers of exact size; what it computes is held to NumPy in
// tests/motion/test_completion.py.
#include <cstdint>
#include <numeric>
#include <vector>

#include "check.hpp"
#include "twinsdk/completion.hpp"

namespace twinsdk {
namespace {

constexpr int kJoints = 45, kBodyPoints = 33, kHandPoints = 21;

std::vector<double> Numbers(Random* random, std::size_t count) {
  std::vector<double> values(count);
  for (double& value : values) value = random->Normal();
  return values;
}

std::vector<std::int32_t> Counted(std::int32_t from, std::size_t count) {
  std::vector<std::int32_t> rows(count);
  std::iota(rows.begin(), rows.end(), from);
  return rows;
}

CompletionPlan Plan(Random* random) {
  CompletionPlan plan;
  plan.parents = Counted(-1, kJoints);
  plan.body_points = Counted(kBodyPoints - 6, 6);
  plan.palm_points = {0, 5, 17, 9};
  plan.chains = Counted(1, 20);
  plan.finger_joints = Counted(15, 30);
  plan.pairs = Counted(0, 10);
  plan.singles = Counted(10, 4);
  plan.palms = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1};
  plan.straight = Numbers(random, 15);
  plan.low.assign(45, -1);
  plan.high.assign(45, 1);
  plan.numbers = {0.5, 1.85, 0.8, -0.5, 0.2, 30, 80, 1.85, 2.45, 0.4, 1.5};
  return plan;
}

void RotationsAreUnit(const std::vector<double>& q, const char* law) {
  for (std::size_t i = 0; i < q.size(); i += 4) {
    const double square = std::inner_product(&q[i], &q[i] + 4, &q[i], 0.0);
    Check(std::fabs(square - 1) < 1e-9, law, square);
  }
}

// Bit 0: a left hand, 1: a right hand, 2: a head, 3: a gaze, 4: palms are held.
void EveryChoiceOfPartsGivesRotations(int parts) {
  Random random(static_cast<unsigned>(parts));
  const CompletionPlan plan = Plan(&random);
  std::vector<double> world;
  for (int j = 0; j < kJoints; ++j) {  // those of fingers have no frame
    const double own = j < 15 ? 1 : 0;
    world.insert(world.end(), {own, 0, 0, 0, own, 0, 0, 0, own});
  }
  const auto points = Numbers(&random, 3 * kBodyPoints);
  const auto left = Numbers(&random, 3 * kHandPoints), right = Numbers(&random, 3 * kHandPoints);
  const std::vector<double> head = {0, 0, 1, 1, 0, 0, 0, 1, 0};
  const auto gaze = Numbers(&random, 6);
  const bool shown[2] = {true, (parts & 1) != 0};
  const double size_px[2] = {20, 100}, follow[2] = {0.3, 0.7};
  std::vector<double> held = {0, 0, 0, 1, 0, 0, 0, 1}, rotations(4 * kJoints), trust(2, -1);
  Complete(plan, {world.data(),
                  points.data(),
                  {parts & 1 ? left.data() : nullptr, parts & 2 ? right.data() : nullptr},
                  parts & 4 ? head.data() : nullptr,
                  parts & 8 ? gaze.data() : nullptr,
                  shown,
                  size_px,
                  follow,
                  parts & 16 ? held.data() : nullptr,
                  rotations.data(),
                  trust.data()});
  RotationsAreUnit(rotations, "rotations are unit");
  RotationsAreUnit(held, "palms are held by unit rotations");
  for (const double one : trust) Check(one >= 0 && one <= 1, "trust is a share", one);
}

}  // namespace
}  // namespace twinsdk

int main() {
  for (int parts = 0; parts < 32; ++parts) twinsdk::EveryChoiceOfPartsGivesRotations(parts);
  return 0;
}
