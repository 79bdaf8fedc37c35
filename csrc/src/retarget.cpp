#include "twinsdk/retarget.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "turns.hpp"
#include "twinsdk/kinematics.hpp"

namespace twinsdk {
namespace {

constexpr double kFollowS = 0.8;  // how slowly a standing foot follows the tracker
constexpr double kLowerS = 0.6;   // over which it comes down to the floor
constexpr double kSpeedS = 0.08;  // over which velocity is averaged
constexpr double kSinkS = 0.08;
constexpr double kLeash = 0.12;        // leg lengths: further is a lost foot, so let go
constexpr double kLeastReach = 0.995;  // of the leg: what is further makes the pelvis sink
constexpr double kMostSink = 0.1;      // leg lengths

// How far the pelvis must sink for the leg to reach.
double TooFar(const Vec& hip, const Vec& ankle, const Vec& goal, double leg) {
  const double most = std::max(kLeastReach * leg, Length(ankle - hip));
  const double x = goal[0] - hip[0], z = goal[2] - hip[2];
  return hip[1] - goal[1] - std::sqrt(std::max(most * most - (x * x + z * z), 0.0));
}

std::array<float, 4> Item(const Chains& chains, std::size_t i, const float* joints) {
  std::array<float, 4> product = {0, 0, 0, 1};
  for (std::int32_t k = chains.starts[i]; k < chains.starts[i + 1]; ++k) {
    const float* q = joints + 4 * chains.joints[k];
    const float sign = chains.inverted[k] ? -1.0f : 1.0f;
    const std::array<float, 4> turn = {sign * q[0], sign * q[1], sign * q[2], q[3]};
    product = k == chains.starts[i] ? turn : Multiply(product, turn);
  }
  return product;
}

void Slerp(const float* a, const float* b, float share, float* out) {
  float cosine = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
  const float sign = cosine < 0 ? -1.0f : 1.0f;
  cosine = std::min(std::fabs(cosine), 1.0f);
  const float theta = std::acos(cosine), sine = std::sin(theta);
  const bool near = sine < 1e-4f;
  const float from = near ? 1 - share : std::sin((1 - share) * theta) / sine;
  const float to = sign * (near ? share : std::sin(share * theta) / sine);
  Quat mixed = {};
  for (int k = 0; k < 4; ++k) mixed[k] = from * a[k] + to * b[k];
  const double size = std::sqrt(mixed[0] * mixed[0] + mixed[1] * mixed[1] + mixed[2] * mixed[2] +
                                mixed[3] * mixed[3]);
  for (int k = 0; k < 4; ++k) out[k] = static_cast<float>(mixed[k] / std::max(size, 1e-12));
}

}  // namespace

RetargetStep::RetargetStep(RetargetPlan plan, CorrectionPlan corrections)
    : plan_(std::move(plan)), corrections_(std::move(corrections)) {
  const std::size_t source = plan_.source_parents.size(), target = plan_.target_parents.size();
  extended_.resize(4 * (source + plan_.trunk_low.size()));
  marks_.resize(4 * (plan_.trunk_right.size() / 4 + 1));
  source_turns_.resize(4 * source);
  source_places_.resize(3 * source);
  turns_.resize(4 * target);
  places_.resize(3 * target);
  free_.resize(4 * target);
}

void RetargetStep::Step(const float* source, const float* source_root, double dt_s,
                        float* rotations, float* root) noexcept {
  Transfer(source, rotations);
  const auto joints = static_cast<std::int32_t>(plan_.source_parents.size());
  ForwardKinematics({1, joints, plan_.source_parents.data(), plan_.source_offsets.data(), source,
                     source_root, source_turns_.data(), source_places_.data()});
  const Quat hips = Turn(source_turns_.data() + 4 * plan_.hips);
  const Quat turn = Multiply(Multiply(plan_.world, hips), plan_.from_tpose);
  const Vec pelvis = Rotate(plan_.world, Point3(source_places_.data() + 3 * plan_.hips)) +
                     Rotate(turn, plan_.source_offset);
  const Vec own = Rotate(turn, plan_.target_offset);
  for (int k = 0; k < 3; ++k) {
    root[k] = static_cast<float>(pelvis[k] * plan_.factors[k] + plan_.lift[k] - own[k] -
                                 plan_.root_to_hips[k]);
  }
  Correct(dt_s, rotations, root);
}

BodyView RetargetStep::Body(const float* rotations, const float* root) noexcept {
  const auto joints = static_cast<std::int32_t>(plan_.target_parents.size());
  ForwardKinematics({1, joints, plan_.target_parents.data(), plan_.target_offsets.data(), rotations,
                     root, turns_.data(), places_.data()});
  return {turns_.data(), places_.data()};
}

void RetargetStep::Correct(double dt_s, float* rotations, float* root) noexcept {
  std::copy(rotations, rotations + free_.size(), free_.begin());
  const CorrectionPlan& wanted = corrections_.plan();
  if (wanted.limit) corrections_.Limit(nullptr, rotations);
  if (wanted.apart) corrections_.KeepLegsApart(dt_s, Body(rotations, root), rotations);
  if (plan_.plant && dt_s >= 0) HoldFeet(dt_s, rotations, root);
  if (wanted.touch) {
    const BodyView source = {source_turns_.data(), source_places_.data()};
    corrections_.KeepTouch(dt_s, source, plan_.world, Body(rotations, root), rotations);
  }
  if (wanted.out) corrections_.KeepArmsOut(dt_s, Body(rotations, root), rotations);
  corrections_.Limit(free_.data(), rotations);
}

void RetargetStep::Transfer(const float* source, float* rotations) noexcept {
  const std::size_t joints = plan_.source_parents.size();
  std::copy(source, source + 4 * joints, extended_.begin());
  const std::size_t bends = plan_.trunk_right.size() / 4;
  if (!plan_.trunk_low.empty()) {
    marks_[0] = marks_[1] = marks_[2] = 0;
    marks_[3] = 1;
    for (std::size_t i = 0; i < bends; ++i) {
      const float* r = plan_.trunk_right.data() + 4 * i;
      const std::array<float, 4> right = {r[0], r[1], r[2], r[3]};
      const std::array<float, 4> bent = Multiply(Item(plan_.trunk, i, source), right);
      std::copy(bent.begin(), bent.end(), marks_.begin() + 4 * (i + 1));
    }
    for (std::size_t i = 0; i < plan_.trunk_low.size(); ++i) {
      const float* low = marks_.data() + 4 * plan_.trunk_low[i];
      Slerp(low, low + 4, plan_.trunk_share[i], extended_.data() + 4 * (joints + i));
    }
  }
  std::copy(plan_.rest.begin(), plan_.rest.end(), rotations);
  for (std::size_t i = 0; i < plan_.moving.size(); ++i) {
    const std::array<float, 4> p = Item(plan_.chains, i, extended_.data());
    const float* m = plan_.matrices.data() + 16 * i;
    Quat turned = {};
    for (int r = 0; r < 4; ++r) {
      turned[r] = m[4 * r] * p[0] + m[4 * r + 1] * p[1] + m[4 * r + 2] * p[2] + m[4 * r + 3] * p[3];
    }
    WriteUnit(turned, rotations + 4 * plan_.moving[i]);
  }
}

Vec RetargetStep::Scaled(const float* place, const Vec& pelvis) const {
  const Vec at = Rotate(plan_.world, Point3(place));
  if (plan_.factors[0] == 0) {  // in place: the feet move about a pelvis that does not travel
    return plan_.scale * (at - Vec{pelvis[0], 0, pelvis[2]}) + plan_.lift;
  }
  return Vec{at[0] * plan_.factors[0], at[1] * plan_.factors[1], at[2] * plan_.factors[2]} +
         plan_.lift;
}

void RetargetStep::HoldFeet(double dt_s, float* rotations, float* root) noexcept {
  Body(rotations, root);
  const float* from = source_places_.data();
  const Vec pelvis = Rotate(plan_.world, 0.5 * (Point3(from + 3 * plan_.left_thigh) +
                                                Point3(from + 3 * plan_.right_thigh)));
  std::array<Vec, 2> goals;
  double need = 0;
  for (int side = 0; side < 2; ++side) {
    const FootPlan& plan = plan_.feet[side];
    Foot* foot = &feet_[side];
    const Vec leads[2] = {Scaled(from + 3 * plan.source_ankle, pelvis),
                          Scaled(from + 3 * plan.source_ball, pelvis)};
    const Vec ankle = Point3(places_.data() + 3 * plan.foot);
    const Vec ball = ankle + Rotate(Turn(turns_.data() + 4 * plan.foot), plan.ball);
    const Vec have[2] = {ankle, ball};
    Touch(plan, foot, leads, dt_s);
    Hold(plan, foot, have, dt_s);
    goals[side] = ankle + foot->correction;
    const Vec hip = Point3(places_.data() + 3 * plan.upper);
    need = std::max(need, TooFar(hip, ankle, goals[side], plan.leg));
  }
  const double rate = 1 - std::exp(-dt_s / kSinkS);
  sink_ += (std::min(need, kMostSink * plan_.leg) - sink_) * rate;
  root[1] -= static_cast<float>(sink_);
  for (int side = 0; side < 2; ++side) Solve(plan_.feet[side], goals[side], rotations);
}

void RetargetStep::Touch(const FootPlan& plan, Foot* foot, const Vec* leads, double dt_s) noexcept {
  for (int part = 0; part < 2; ++part) {
    Point* point = &foot->points[part];
    const Vec at = leads[part];
    if (point->seen && dt_s > 0) {
      // Velocities are averaged, not speeds: a trembling of the tracker cancels out.
      const Vec now = 1 / (dt_s * plan_.leg) * (at - point->before);
      const Vec was = point->moving ? point->velocity : now;
      point->velocity = was + (1 - std::exp(-dt_s / kSpeedS)) * (now - was);
      point->moving = true;
    }
    point->before = at;
    point->seen = true;
    if (!point->moving) continue;
    const double speed = Length(point->velocity);
    const double height = (at[1] - plan.level[part]) / plan_.leg;
    if (speed < plan_.speed_on && height < plan_.height_on) {
      point->down = true;
    } else if (speed > plan_.speed_off || height > plan_.height_off) {
      point->down = false;
    }
  }
}

void RetargetStep::Hold(const FootPlan& plan, Foot* foot, const Vec* have, double dt_s) noexcept {
  const int anchor = foot->points[0].down ? 0 : foot->points[1].down ? 1 : -1;
  if (anchor >= 0 && anchor != foot->anchor) {
    foot->held = have[anchor] + foot->correction;
    foot->lift = foot->held[1] - plan.target_level[anchor];
    foot->since_s = 0;
  }
  foot->anchor = anchor;
  if (anchor < 0) {
    foot->correction = std::exp(-2 * dt_s / plan_.ease_s) * foot->correction;
    return;
  }
  foot->since_s += dt_s;
  foot->held = foot->held + (1 - std::exp(-dt_s / kFollowS)) * (have[anchor] - foot->held);
  const double t = std::min(foot->since_s / kLowerS, 1.0);
  const double height = plan.target_level[anchor] + foot->lift * (1 - t * t * (3 - 2 * t));
  foot->correction = Vec{foot->held[0], height, foot->held[2]} - have[anchor];
  const double leash = kLeash * plan_.leg, far = Length(foot->correction);
  if (far > leash) {
    foot->correction = leash / far * foot->correction;
    foot->held = have[anchor] + foot->correction;
  }
}

void RetargetStep::Solve(const FootPlan& plan, const Vec& goal, float* rotations) noexcept {
  const Vec sunk = {0, sink_, 0};  // the pelvis has sunk since
  const Vec hip = Point3(places_.data() + 3 * plan.upper) - sunk;
  const Vec knee = Point3(places_.data() + 3 * plan.lower) - sunk;
  const Vec ankle = Point3(places_.data() + 3 * plan.foot) - sunk;
  if (Length(goal - ankle) < 1e-5 || Length(knee - hip) < 1e-9 || Length(ankle - knee) < 1e-9) {
    return;
  }
  const Quat thigh_turn = Turn(turns_.data() + 4 * plan.upper);
  const Quat shin_turn = Turn(turns_.data() + 4 * plan.lower);
  const Bend bend = BendLimb(hip, knee, ankle, goal, Rotate(thigh_turn, plan.hinge));
  const Quat new_thigh = Multiply(bend.upper, thigh_turn);
  const Quat new_shin = Multiply(bend.lower, shin_turn);
  const Quat above = plan.above < 0
                         ? Quat{0, 0, 0, 1}
                         : Turn(turns_.data() + 4 * static_cast<std::ptrdiff_t>(plan.above));
  const Quat foot_turn = Turn(turns_.data() + 4 * plan.foot);
  WriteUnit(Multiply(Conjugate(above), new_thigh), rotations + 4 * plan.upper);
  WriteUnit(Multiply(Conjugate(Multiply(new_thigh, plan.inner_thigh)), new_shin),
            rotations + 4 * plan.lower);
  WriteUnit(Multiply(Conjugate(Multiply(new_shin, plan.inner_shin)), foot_turn),
            rotations + 4 * plan.foot);
}

}  // namespace twinsdk
