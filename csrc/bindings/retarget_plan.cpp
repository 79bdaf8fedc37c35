// Reads the plan that twinsdk/retarget/native.py writes, and refuses one that reaches outside.
#include "retarget_plan.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "arrays.hpp"

namespace twinsdk {
namespace {

// The arrays and numbers of a plan by name, as twinsdk/retarget/native.py writes them.
class PlanReader {
 public:
  explicit PlanReader(const py::dict& plan) : plan_(plan) {}

  template <class T>
  std::vector<T> Numbers(const char* name) const {
    const auto array = py::cast<Array<T>>(plan_[name]);
    return std::vector<T>(array.data(), array.data() + array.size());
  }
  template <class T, std::size_t N>
  std::array<T, N> Fixed(const char* name) const {
    const std::vector<T> numbers = Numbers<T>(name);
    Expect(numbers.size() == N, name);
    std::array<T, N> out = {};
    std::copy(numbers.begin(), numbers.end(), out.begin());
    return out;
  }
  template <class T>
  T One(const char* name) const {
    return py::cast<T>(plan_[name]);
  }
  // Joints [0, count); with `none`, -1 too.
  std::int32_t Joint(const char* name, std::size_t count, bool none = false) const {
    const auto joint = One<std::int32_t>(name);
    Expect(joint >= (none ? -1 : 0) && joint < static_cast<std::int64_t>(count), name);
    return joint;
  }
  std::vector<std::int32_t> Joints(const char* name, std::size_t count) const {
    std::vector<std::int32_t> joints = Numbers<std::int32_t>(name);
    for (const std::int32_t j : joints) {
      Expect(j >= 0 && j < static_cast<std::int64_t>(count), name);
    }
    return joints;
  }
  Chains Paths(const char* starts, const char* joints, const char* inverted, std::size_t items,
               std::size_t count) const {
    Chains chains = {Numbers<std::int32_t>(starts), Joints(joints, count),
                     Numbers<std::uint8_t>(inverted)};
    Expect(chains.starts.size() == items + 1 && chains.starts.front() == 0, starts);
    Expect(chains.starts.back() == static_cast<std::int64_t>(chains.joints.size()), starts);
    for (std::size_t i = 0; i < items; ++i) Expect(chains.starts[i] < chains.starts[i + 1], starts);
    Expect(chains.inverted.size() == chains.joints.size(), inverted);
    return chains;
  }

 private:
  const py::dict& plan_;
};

FootPlan FootFrom(const PlanReader& plan, std::size_t source, std::size_t target) {
  FootPlan foot = {};
  foot.source_ankle = plan.Joint("source_ankle", source);
  foot.source_ball = plan.Joint("source_ball", source);
  foot.upper = plan.Joint("upper", target);
  foot.above = plan.Joint("above", target, true);
  foot.lower = plan.Joint("lower", target);
  foot.foot = plan.Joint("foot", target);
  foot.ball = plan.Fixed<double, 3>("ball");
  foot.inner_thigh = plan.Fixed<double, 4>("inner_thigh");
  foot.inner_shin = plan.Fixed<double, 4>("inner_shin");
  foot.hinge = plan.Fixed<double, 3>("hinge");
  foot.leg = plan.One<double>("leg");
  foot.level = plan.Fixed<double, 2>("level");
  foot.target_level = plan.Fixed<double, 2>("target_level");
  return foot;
}

void ExpectTree(const std::vector<std::int32_t>& parents, const char* name) {
  Expect(!parents.empty() && parents[0] == -1, name);
  for (std::size_t j = 1; j < parents.size(); ++j) {
    Expect(parents[j] >= 0 && parents[j] < static_cast<std::int64_t>(j), name);
  }
}

RetargetPlan PlanFrom(const py::dict& given) {
  const PlanReader read(given);
  RetargetPlan plan = {};
  plan.source_parents = read.Numbers<std::int32_t>("source_parents");
  plan.target_parents = read.Numbers<std::int32_t>("target_parents");
  ExpectTree(plan.source_parents, "source_parents");
  ExpectTree(plan.target_parents, "target_parents");
  const std::size_t source = plan.source_parents.size(), target = plan.target_parents.size();
  plan.source_offsets = read.Numbers<float>("source_offsets");
  plan.target_offsets = read.Numbers<float>("target_offsets");
  plan.rest = read.Numbers<float>("rest");
  Expect(plan.source_offsets.size() == 3 * source, "source_offsets");
  Expect(plan.target_offsets.size() == 3 * target && plan.rest.size() == 4 * target, "rest");
  plan.trunk_right = read.Numbers<float>("trunk_right");
  const std::size_t bends = plan.trunk_right.size() / 4;
  plan.trunk = read.Paths("trunk_starts", "trunk_joints", "trunk_inverted", bends, source);
  plan.trunk_low = read.Joints("trunk_low", bends);
  plan.trunk_share = read.Numbers<float>("trunk_share");
  Expect(plan.trunk_share.size() == plan.trunk_low.size(), "trunk_share");
  plan.moving = read.Joints("moving", target);
  plan.chains = read.Paths("chain_starts", "chain_joints", "chain_inverted", plan.moving.size(),
                           source + plan.trunk_low.size());
  plan.matrices = read.Numbers<float>("matrices");
  Expect(plan.matrices.size() == 16 * plan.moving.size(), "matrices");
  plan.hips = read.Joint("hips", source);
  plan.left_thigh = read.Joint("left_thigh", source);
  plan.right_thigh = read.Joint("right_thigh", source);
  plan.world = read.Fixed<double, 4>("world");
  plan.from_tpose = read.Fixed<double, 4>("from_tpose");
  plan.source_offset = read.Fixed<double, 3>("source_offset");
  plan.target_offset = read.Fixed<double, 3>("target_offset");
  plan.root_to_hips = read.Fixed<double, 3>("root_to_hips");
  plan.factors = read.Fixed<double, 3>("factors");
  plan.lift = read.Fixed<double, 3>("lift");
  plan.scale = read.One<double>("scale");
  plan.leg = read.One<double>("leg");
  plan.speed_on = read.One<double>("speed_on");
  plan.speed_off = read.One<double>("speed_off");
  plan.height_on = read.One<double>("height_on");
  plan.height_off = read.One<double>("height_off");
  plan.ease_s = read.One<double>("ease_s");
  plan.plant = read.One<bool>("plant");
  const char* const names[2] = {"left", "right"};
  for (int side = 0; side < 2; ++side) {
    const auto foot = py::cast<py::dict>(given[names[side]]);
    plan.feet[side] = FootFrom(PlanReader(foot), source, target);
  }
  return plan;
}

ArmPlan ArmFrom(const PlanReader& plan, std::size_t source, std::size_t target) {
  ArmPlan arm = {};
  arm.source_upper = plan.Joint("source_upper", source);
  arm.source_hand = plan.Joint("source_hand", source);
  arm.upper = plan.Joint("upper", target);
  arm.above = plan.Joint("above", target, true);
  arm.lower = plan.Joint("lower", target);
  arm.hand = plan.Joint("hand", target);
  arm.inner_arm = plan.Fixed<double, 4>("inner_arm");
  arm.inner_fore = plan.Fixed<double, 4>("inner_fore");
  arm.hinge = plan.Fixed<double, 3>("hinge");
  return arm;
}

AnchorPlan AnchorFrom(const PlanReader& plan, std::size_t source, std::size_t target) {
  AnchorPlan anchor = {};
  anchor.source_a = plan.Joint("source_a", source);
  anchor.source_b = plan.Joint("source_b", source);
  anchor.source_by = plan.Joint("source_by", source);
  anchor.a = plan.Joint("a", target);
  anchor.b = plan.Joint("b", target);
  anchor.by = plan.Joint("by", target);
  anchor.source_back = plan.Fixed<double, 4>("source_back");
  anchor.back = plan.Fixed<double, 4>("back");
  anchor.scale = plan.Fixed<double, 3>("scale");
  anchor.straight = plan.One<bool>("straight");
  return anchor;
}

ShapePlan ShapeFrom(const PlanReader& plan, std::size_t target) {
  ShapePlan shape = {};
  shape.joint = plan.Joint("joint", target);
  shape.back = plan.Fixed<double, 4>("back");
  shape.middle = plan.Fixed<double, 3>("middle");
  shape.half = plan.Fixed<double, 3>("half");
  shape.round = plan.One<bool>("round");
  return shape;
}

LimitPlan LimitFrom(const PlanReader& plan, std::size_t target) {
  LimitPlan limit = {};
  limit.joint = plan.Joint("joint", target);
  limit.left = plan.Fixed<double, 4>("left");
  limit.right = plan.Fixed<double, 4>("right");
  limit.axis = plan.Joint("axis", 3);
  limit.low = plan.Fixed<double, 3>("low");
  limit.high = plan.Fixed<double, 3>("high");
  limit.end = plan.One<bool>("end");
  return limit;
}

void ReadTouch(const py::dict& given, std::size_t source, std::size_t target,
               CorrectionPlan* plan) {
  const PlanReader read(given);
  for (const py::handle& item : py::cast<py::list>(given["anchors"])) {
    const auto anchor = py::cast<py::dict>(item);
    plan->anchors.push_back(AnchorFrom(PlanReader(anchor), source, target));
  }
  plan->source_arm = read.One<double>("source_arm");
  plan->arm = read.One<double>("arm");
  plan->own_body = read.Fixed<double, 2>("own_body");
  plan->other_hand = read.Fixed<double, 2>("other_hand");
  plan->resting = read.Fixed<double, 2>("resting");
  plan->bent = read.Fixed<double, 2>("bent");
  plan->most_touch = read.One<double>("most");
  plan->touch_ease_s = read.One<double>("ease_s");
}

void ReadLegs(const py::dict& given, std::size_t target, CorrectionPlan* plan) {
  const PlanReader read(given);
  const std::vector<std::int32_t> joints = read.Joints("joints", target);
  Expect(joints.size() == 6, "joints");
  std::copy(joints.begin(), joints.begin() + 3, plan->legs[0].begin());
  std::copy(joints.begin() + 3, joints.end(), plan->legs[1].begin());
  plan->leg_above = {read.Joint("left_leg_above", target, true),
                     read.Joint("right_leg_above", target, true)};
  plan->foot_above = {read.Joint("left_foot_above", target),
                      read.Joint("right_foot_above", target)};
  plan->radii = read.Fixed<double, 8>("radii");
  plan->leg = read.One<double>("length");
  plan->give_m = read.One<double>("give_m");
  plan->least_lever = read.One<double>("least_lever");
  plan->most_turn = read.One<double>("most_turn");
  plan->leg_ease_s = read.One<double>("ease_s");
  plan->parallel = read.One<double>("parallel");
  plan->low_down = read.One<double>("low_down");
}

CorrectionPlan CorrectionsFrom(const py::dict& given, std::size_t source, std::size_t target) {
  const PlanReader read(given);
  CorrectionPlan plan = {};
  plan.limit = read.One<bool>("limit");
  const char* const names[2] = {"left_arm", "right_arm"};
  for (int side = 0; side < 2; ++side) {
    const auto arm = py::cast<py::dict>(given[names[side]]);
    plan.arms[side] = ArmFrom(PlanReader(arm), source, target);
  }
  plan.touch = given.contains("touch");
  if (plan.touch) ReadTouch(py::cast<py::dict>(given["touch"]), source, target, &plan);
  plan.out = given.contains("out");
  if (plan.out) {
    const auto out = py::cast<py::dict>(given["out"]);
    const PlanReader numbers(out);
    for (const py::handle& item : py::cast<py::list>(out["shapes"])) {
      const auto shape = py::cast<py::dict>(item);
      plan.shapes.push_back(ShapeFrom(PlanReader(shape), target));
    }
    plan.along = numbers.Numbers<double>("along");
    plan.arm_m = numbers.One<double>("arm_m");
    plan.most_push_m = numbers.One<double>("most_m");
    plan.push_ease_s = numbers.One<double>("ease_s");
  }
  plan.apart = given.contains("legs");
  if (plan.apart) ReadLegs(py::cast<py::dict>(given["legs"]), target, &plan);
  for (const py::handle& item : py::cast<py::list>(given["limits"])) {
    const auto limit = py::cast<py::dict>(item);
    plan.limits.push_back(LimitFrom(PlanReader(limit), target));
  }
  plan.soft = read.One<double>("soft");
  return plan;
}

}  // namespace

RetargetStep StepFrom(const py::dict& given) {
  RetargetPlan plan = PlanFrom(given);
  const std::size_t source = plan.source_parents.size(), target = plan.target_parents.size();
  const auto corrections = py::cast<py::dict>(given["corrections"]);
  return RetargetStep(std::move(plan), CorrectionsFrom(corrections, source, target));
}

}  // namespace twinsdk
