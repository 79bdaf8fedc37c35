#include "twinsdk/corrections.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "turns.hpp"

namespace twinsdk {
namespace {

constexpr double kSpeedS = 0.08;  // over which velocity is averaged
constexpr double kLeastM = 1e-4;
constexpr double kLeastTurn = 1e-4;
constexpr double kMiddle = 0.05;  // of the half axes: no way out is the nearest
constexpr double kSideways = 0.2;
constexpr double kLeastGain = 0.6;
constexpr int kRounds = 2;

Vec At(const BodyView& body, std::int32_t joint) {
  return Point3(body.places + 3 * static_cast<std::ptrdiff_t>(joint));
}
Quat TurnAt(const BodyView& body, std::int32_t joint) {
  if (joint < 0) return {0, 0, 0, 1};
  return Turn(body.turns + 4 * static_cast<std::ptrdiff_t>(joint));
}

// 1 below the span, 0 above it, smooth in between.
double Falling(double value, const std::array<double, 2>& span) {
  const double t = std::clamp((span[1] - value) / (span[1] - span[0]), 0.0, 1.0);
  return t * t * (3 - 2 * t);
}

// Where bones a-b and c-d are nearest, in [0, 1]; see legs.py.
std::array<double, 2> Nearest(const Vec& a, const Vec& b, const Vec& c, const Vec& d,
                              double parallel, double low) {
  const Vec u = b - a, v = d - c, w = a - c;
  const double uu = Dot(u, u), vv = Dot(v, v), uv = Dot(u, v), uw = Dot(u, w), vw = Dot(v, w);
  const double bias = parallel * uu * vv;
  const double s = std::clamp(
      (uv * vw - uw * vv + bias * low) / std::max(uu * vv - uv * uv + bias, 1e-12), 0.0, 1.0);
  const double t = std::clamp((uv * s + vw) / std::max(vv, 1e-12), 0.0, 1.0);
  return {std::clamp((uv * t - uw) / std::max(uu, 1e-12), 0.0, 1.0), t};
}

Vec LimitAngles(const LimitPlan& limit, const float* rotations) {
  const Quat local = Turn(rotations + 4 * static_cast<std::ptrdiff_t>(limit.joint));
  const Quat posture = Multiply(Multiply(limit.left, local), limit.right);
  const int axis = limit.axis;
  Quat twist = {0, 0, 0, posture[3]};
  twist[axis] = posture[axis];
  const double size = std::sqrt(twist[axis] * twist[axis] + twist[3] * twist[3]);
  twist = size > 1e-12 ? Quat{twist[0] / size, twist[1] / size, twist[2] / size, twist[3] / size}
                       : Quat{0, 0, 0, 1};
  Vec angles = ToVector(Multiply(posture, Conjugate(twist)));
  angles[axis] = ToVector(twist)[axis];
  return angles;
}

}  // namespace

Corrections::Corrections(CorrectionPlan plan) : plan_(std::move(plan)) {
  speeds_.resize(2 * plan_.anchors.size());
  reaches_.resize(speeds_.size());
  rates_.resize(speeds_.size());
}

Vec Corrections::Flow::Towards(const Vec& now, double dt_s, double seconds) {
  if (dt_s < 0) return now;
  if (!seen) value = now;
  seen = true;
  return value = value + (1 - std::exp(-dt_s / seconds)) * (now - value);
}

Vec Corrections::Hold::Next(const Vec& now, double dt_s, double seconds) {
  if (dt_s < 0) return now;
  const double amount = Length(now);
  length = std::max(amount, (seen ? length : amount) * std::exp(-dt_s / seconds));
  seen = true;
  const Vec flown = way.Towards(now, dt_s, 0.5 * seconds);
  return length / std::max(Length(flown), 1e-9) * flown;
}

double Corrections::Speed::Next(const Vec& at, double dt_s) {
  if (dt_s < 0) return 0;
  const Vec was = seen ? before : at;
  before = at;
  seen = true;
  if (dt_s > 0) velocity.Towards(1 / dt_s * (at - was), dt_s, kSpeedS);
  return Length(velocity.value);
}

Both Corrections::Spreads(const BodyView& body) const noexcept {
  Vec joints[2][3];
  for (int side = 0; side < 2; ++side) {
    for (int k = 0; k < 3; ++k) joints[side][k] = At(body, plan_.legs[side][k]);
  }
  Vec apart = joints[0][0] - joints[1][0];
  apart = 1 / std::max(Length(apart), 1e-9) * apart;
  double best = 0;
  Both spread = {};
  for (int i = 0; i < 2; ++i) {
    for (int k = 0; k < 2; ++k) {
      const auto [s, t] = Nearest(joints[0][i], joints[0][i + 1], joints[1][k], joints[1][k + 1],
                                  plan_.parallel, plan_.low_down);
      const Vec points[2] = {joints[0][i] + s * (joints[0][i + 1] - joints[0][i]),
                             joints[1][k] + t * (joints[1][k + 1] - joints[1][k])};
      const double* r = plan_.radii.data() + 2 * i;
      const double* q = plan_.radii.data() + 4 + 2 * k;
      const double room = r[0] + (r[1] - r[0]) * s + q[0] + (q[1] - q[0]) * t - plan_.give_m;
      const Vec away = points[0] - points[1];
      const double depth = room - Length(away);
      if (depth <= best) continue;
      best = depth;
      Vec way = away + kSideways * room * apart;
      way = 1 / std::max(Length(way), 1e-9) * way;
      const double gain = Dot(way, away) / std::max(Length(away), 1e-9);
      way = 1 / std::max(gain, kLeastGain) * way;
      for (int side = 0; side < 2; ++side) {
        const Vec lever = points[side] - joints[side][0];
        const double far = std::max(Length(lever), plan_.least_lever * plan_.leg);
        spread[side] = 1 / (far * far) * Cross(lever, (side == 0 ? 0.5 : -0.5) * depth * way);
      }
    }
  }
  for (Vec& turn : spread) {
    turn = std::min(1.0, plan_.most_turn / std::max(Length(turn), 1e-9)) * turn;
  }
  return spread;
}

bool Corrections::Spread(const BodyView& body, const Both& by, float* rotations) const noexcept {
  bool changed = false;
  for (int side = 0; side < 2; ++side) {
    if (Length(by[side]) <= kLeastTurn) continue;
    changed = true;
    const Quat turn = FromVector(by[side]);
    const std::int32_t upper = plan_.legs[side][0], foot = plan_.legs[side][2];
    const Quat own = Multiply(turn, TurnAt(body, upper));
    WriteUnit(Multiply(Conjugate(TurnAt(body, plan_.leg_above[side])), own),
              rotations + 4 * static_cast<std::ptrdiff_t>(upper));
    const Quat before = Multiply(turn, TurnAt(body, plan_.foot_above[side]));
    WriteUnit(Multiply(Conjugate(before), TurnAt(body, foot)),
              rotations + 4 * static_cast<std::ptrdiff_t>(foot));
  }
  return changed;
}

void Corrections::Reaches(const BodyView& source, const Quat& world, Vec* reaches) const noexcept {
  for (const ArmPlan& arm : plan_.arms) {
    const Vec wrist = At(source, arm.source_hand);
    for (const AnchorPlan& anchor : plan_.anchors) {
      const Vec middle = 0.5 * (At(source, anchor.source_a) + At(source, anchor.source_b));
      const Quat turned =
          Multiply(Multiply(world, TurnAt(source, anchor.source_by)), anchor.source_back);
      *reaches++ = Rotate(Conjugate(turned), Rotate(world, wrist - middle));
    }
  }
}

Both Corrections::Touches(const BodyView& source, const Quat& world, const BodyView& body,
                          const Vec* reaches, const double* speeds) const noexcept {
  Both have, goals;
  for (int side = 0; side < 2; ++side) {
    const ArmPlan& arm = plan_.arms[side];
    have[side] = At(body, arm.hand);
    const Vec reach = At(source, arm.source_hand) - At(source, arm.source_upper);
    const double bent = Falling(Length(reach) / plan_.source_arm, plan_.bent);
    Vec total = {};
    double weights = 0;
    for (const AnchorPlan& anchor : plan_.anchors) {
      const Vec local = *reaches++;
      const double speed = *speeds++ / plan_.source_arm;
      double share =
          Falling(Length(local) / plan_.source_arm, plan_.own_body) * Falling(speed, plan_.resting);
      if (!anchor.straight) share *= bent;
      if (share <= 0) continue;
      const Quat posture = Multiply(TurnAt(body, anchor.by), anchor.back);
      const Vec goal = 0.5 * (At(body, anchor.a) + At(body, anchor.b)) +
                       Rotate(posture, Scaled(local, anchor.scale));
      total = total + share * (goal - have[side]);
      weights += share;
    }
    goals[side] = have[side] + 1 / std::max(weights, 1.0) * total;
  }
  const Vec between =
      Rotate(world, At(source, plan_.arms[1].source_hand) - At(source, plan_.arms[0].source_hand));
  const double share = Falling(Length(between) / plan_.source_arm, plan_.other_hand);
  const Vec missing = plan_.arm / plan_.source_arm * between - (goals[1] - goals[0]);
  goals[0] = goals[0] - 0.5 * share * missing;
  goals[1] = goals[1] + 0.5 * share * missing;
  for (int side = 0; side < 2; ++side) {
    const Vec move = goals[side] - have[side];
    const double length = Length(move), most = plan_.most_touch * plan_.arm;
    goals[side] = most * std::tanh(length / most) / std::max(length, 1e-12) * move;
  }
  return goals;
}

Both Corrections::Pushes(const BodyView& body) const noexcept {
  Both out = {};
  for (int side = 0; side < 2; ++side) {
    const Vec elbow = At(body, plan_.arms[side].lower), wrist = At(body, plan_.arms[side].hand);
    Vec total = {};
    for (int round = 0; round < kRounds; ++round) {
      Vec worst = {};
      double deepest = 0;
      for (const double share : plan_.along) {
        const Vec point = elbow + share * (wrist + total - elbow);
        const Vec push = 1 / std::min(share, 1.0) * WayOut(point, body);
        const double depth = Length(push);
        if (depth <= deepest) continue;
        deepest = depth;
        worst = push;
      }
      if (deepest <= 0) break;
      total = total + worst;
    }
    out[side] = std::min(1.0, plan_.most_push_m / std::max(Length(total), 1e-9)) * total;
  }
  return out;
}

bool Corrections::MoveWrists(const BodyView& body, const Both& by,
                             float* rotations) const noexcept {
  bool changed = false;
  for (int side = 0; side < 2; ++side) {
    if (Length(by[side]) <= kLeastM) continue;
    changed = true;
    SolveArm(plan_.arms[side], body, At(body, plan_.arms[side].hand) + by[side], rotations);
  }
  return changed;
}

void Corrections::KeepLegsApart(double dt_s, const BodyView& body, float* rotations) noexcept {
  Both by = Spreads(body);
  for (int side = 0; side < 2; ++side) {
    by[side] = spreads_[side].Next(by[side], dt_s, plan_.leg_ease_s);
  }
  Spread(body, by, rotations);
}

void Corrections::KeepTouch(double dt_s, const BodyView& source, const Quat& world,
                            const BodyView& body, float* rotations) noexcept {
  Reaches(source, world, reaches_.data());
  for (std::size_t i = 0; i < speeds_.size(); ++i) rates_[i] = speeds_[i].Next(reaches_[i], dt_s);
  Both by = Touches(source, world, body, reaches_.data(), rates_.data());
  for (int side = 0; side < 2; ++side) {
    by[side] = touches_[side].Towards(by[side], dt_s, plan_.touch_ease_s);
  }
  MoveWrists(body, by, rotations);
}

void Corrections::KeepArmsOut(double dt_s, const BodyView& body, float* rotations) noexcept {
  Both by = Pushes(body);
  for (int side = 0; side < 2; ++side) {
    by[side] = pushes_[side].Next(by[side], dt_s, plan_.push_ease_s);
  }
  MoveWrists(body, by, rotations);
}

Vec Corrections::WayOut(const Vec& point, const BodyView& body) const noexcept {
  Vec out = {};
  double deepest = 0;
  for (const ShapePlan& shape : plan_.shapes) {
    const Vec away = point - At(body, shape.joint);
    // No part of the shape is further from its joint than this.
    const double far = Length(shape.middle) + Length(shape.half) + 2 * plan_.arm_m;
    if (Dot(away, away) > far * far) continue;
    const Quat posture = Multiply(TurnAt(body, shape.joint), shape.back);
    const Vec local = Rotate(Conjugate(posture), away) - shape.middle;
    Vec half = {shape.half[0] + plan_.arm_m, shape.half[1] + (shape.round ? plan_.arm_m : 0),
                shape.half[2] + plan_.arm_m};
    const Vec flat = {local[0], shape.round ? local[1] : 0, local[2]};
    const Vec unit = {flat[0] / half[0], flat[1] / half[1], flat[2] / half[2]};
    const double radius = Length(unit);
    if (radius >= 1 || std::fabs(local[1]) >= half[1]) continue;
    // Straight out from the middle; a point in the very middle leaves to the front.
    const bool clear = radius > kMiddle;
    const Vec outward = clear ? flat : Vec{0, 0, 1};
    const double reach = clear ? 1 / radius - 1 : half[2];
    const Vec moved = reach * outward;
    const double depth = Length(moved);
    if (depth <= deepest) continue;
    deepest = depth;
    out = Rotate(posture, moved);
  }
  return out;
}

void Corrections::SolveArm(const ArmPlan& arm, const BodyView& body, const Vec& goal,
                           float* rotations) const noexcept {
  const Vec shoulder = At(body, arm.upper), elbow = At(body, arm.lower), wrist = At(body, arm.hand);
  const Quat upper_turn = TurnAt(body, arm.upper), lower_turn = TurnAt(body, arm.lower);
  if (Length(elbow - shoulder) < 1e-9 || Length(wrist - elbow) < 1e-9) return;
  const Bend bend = BendLimb(shoulder, elbow, wrist, goal, Rotate(upper_turn, arm.hinge));
  const Quat new_upper = Multiply(bend.upper, upper_turn);
  const Quat new_lower = Multiply(bend.lower, lower_turn);
  WriteUnit(Multiply(Conjugate(TurnAt(body, arm.above)), new_upper),
            rotations + 4 * static_cast<std::ptrdiff_t>(arm.upper));
  WriteUnit(Multiply(Conjugate(Multiply(new_upper, arm.inner_arm)), new_lower),
            rotations + 4 * static_cast<std::ptrdiff_t>(arm.lower));
  WriteUnit(Multiply(Conjugate(Multiply(new_lower, arm.inner_fore)), TurnAt(body, arm.hand)),
            rotations + 4 * static_cast<std::ptrdiff_t>(arm.hand));
}

void Corrections::Limit(const float* free, float* rotations) const noexcept {
  for (const LimitPlan& limit : plan_.limits) {
    if (free != nullptr && !limit.end) continue;
    Vec angles = LimitAngles(limit, rotations);
    Vec low = limit.low, high = limit.high;
    if (free != nullptr) {
      const Vec own = LimitAngles(limit, free);
      for (int k = 0; k < 3; ++k) {
        low[k] = std::min(low[k], own[k]);
        high[k] = std::max(high[k], own[k]);
      }
    }
    bool inside = true;
    for (int k = 0; k < 3; ++k) {
      const double over = angles[k] - high[k], under = low[k] - angles[k];
      if (over > 0) angles[k] = high[k] - plan_.soft * std::expm1(-over / plan_.soft);
      if (under > 0) angles[k] = low[k] + plan_.soft * std::expm1(-under / plan_.soft);
      inside = inside && over <= 0 && under <= 0;
    }
    if (inside) continue;
    Vec swing = angles, twist = {};
    swing[limit.axis] = 0;
    twist[limit.axis] = angles[limit.axis];
    const Quat posture = Multiply(FromVector(swing), FromVector(twist));
    WriteUnit(Multiply(Multiply(Conjugate(limit.left), posture), Conjugate(limit.right)),
              rotations + 4 * static_cast<std::ptrdiff_t>(limit.joint));
  }
}

}  // namespace twinsdk
