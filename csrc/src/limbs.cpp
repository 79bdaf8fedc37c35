#include "twinsdk/limbs.hpp"

#include <algorithm>
#include <cmath>

#include "turns.hpp"

namespace twinsdk {
namespace {

constexpr double kTiny = 1e-18;  // squared length below which a vector has no direction
constexpr double kMostBend = 2.4;

Vec Unit(const Vec& v) { return 1 / std::sqrt(std::max(Dot(v, v), kTiny)) * v; }
Vec Point(const double* p) { return {p[0], p[1], p[2]}; }
void Write(const Vec& v, double* out) { std::copy(v.begin(), v.end(), out); }
void Write(const Quat& q, double* out) { std::copy(q.begin(), q.end(), out); }

// The part of `v` square to unit `axis`.
Vec Across(const Vec& v, const Vec& axis) { return v - Dot(v, axis) * axis; }

// Unit `way`, square to `before`, turned with it to `aim` and made square to that.
Vec Carried(const Vec& way, const Vec& before, const Vec& aim) {
  const double share = Dot(way, aim) / std::max(1 + Dot(before, aim), 1e-3);
  return Unit(Across(way - share * (before + aim), aim));
}

// Axes: the bone, the hinge made square to it, and what is square to both.
struct Frame {
  Vec x, y, z;
};
Frame FrameOf(const Vec& bone, const Vec& hinge) {
  const Vec across = Unit(Across(hinge, bone));
  return {bone, across, Cross(bone, across)};
}

Quat TurnOf(const Frame& before, const Frame& after) {
  double m[9];
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) {
      m[3 * r + c] = after.x[r] * before.x[c] + after.y[r] * before.y[c] + after.z[r] * before.z[c];
    }
  }
  return QuaternionOf(m);
}

// How one limb bends when it reaches its goal; swivel.py's `Bends`.
class Bent {
 public:
  Bent(const LimbPair& pair, const Quat& turn, const Vec& root, const Vec& middle, const Vec& tip,
       const Vec& goal) {
    const Vec wanted = goal - root, first = middle - root, second = tip - middle;
    const Vec own = Unit(tip - root);
    aim = Unit(wanted);
    bones_[0] = Unit(first), bones_[1] = Unit(second);
    const double a = Length(first), b = Length(second);
    const Vec bare = Across(middle - 0.5 * (root + tip), own);
    Vec bent = bare + Across(Rotate(turn, {0, 0, pair.faces_m}), own);
    const double size = Length(bent);
    bent = 1 / std::max(size, 1e-9) * bent;
    hinge_ = Cross(bent, own);
    way = std::min(size / pair.thin_m, 1.0) * Carried(bent, own, aim);
    far_ = std::min(std::max(Length(wanted), std::fabs(a - b) + 1e-4), pair.reach * (a + b));
    along_ = (a * a - b * b + far_ * far_) / (2 * far_);
    radius = std::sqrt(std::max(a * a - along_ * along_, 0.0));
    off_ = std::atan2(Dot(Cross(own, bent), bare), Dot(bent, bare)) *
           std::min(1.0, Length(bare) / std::max(radius, 1e-6));
  }

  // The world turns of both bones when the limb bends `towards`, square to `aim`.
  void Turns(const Vec& towards, Quat* upper, Quat* lower) const {
    const Vec unit = Unit(towards);
    const Vec pointed = std::cos(off_) * unit + std::sin(off_) * Cross(aim, unit);
    const Vec middle = along_ * aim + radius * pointed, hinge = Cross(unit, aim);
    *upper = TurnOf(FrameOf(bones_[0], hinge_), FrameOf(Unit(middle), hinge));
    *lower = TurnOf(FrameOf(bones_[1], hinge_), FrameOf(Unit(far_ * aim - middle), hinge));
  }

  Vec aim, way;
  double radius;

 private:
  Vec bones_[2], hinge_;
  double along_, far_, off_;
};

// Which way a limb bends, as far towards where it should as may be; swivel.py's `Swivel`.
Vec Swivelled(const LimbPair& pair, const Bent& bent, const Quat& trunk, const LimbSwivel& swivel,
              int side) {
  const Quat back = Conjugate(trunk);
  const Vec aim = Rotate(back, bent.aim), way = Rotate(back, bent.way);
  double& speed = swivel.speed[side];
  Vec bend;
  if (swivel.fresh) {
    speed = 0;
    bend = Unit(way);
  } else {
    const Vec last = Carried(Point(swivel.bend + 3 * side), Point(swivel.aim + 3 * side), aim);
    const Vec beside = Cross(aim, last);
    const double apart = std::atan2(Dot(way, beside), Dot(way, last)) * std::min(1.0, Length(way));
    const double radius = std::max(bent.radius, pair.thin_m), far = std::fabs(apart);
    const double most = std::min(pair.most_m_s2 / radius, swivel.most_rad_s / pair.again_s);
    // As quickly as lets it stop there again.
    const double wanted = std::min({far / std::max(swivel.step_s, 1e-6), std::sqrt(most * far),
                                    pair.most_m_s / radius, swivel.most_rad_s});
    const double change = most * swivel.step_s;
    speed += std::clamp(std::copysign(wanted, apart) - speed, -change, change);
    const double turn = speed * swivel.step_s;
    bend = std::cos(turn) * last + std::sin(turn) * beside;
  }
  Write(aim, swivel.aim + 3 * side);
  Write(bend, swivel.bend + 3 * side);
  return Rotate(trunk, bend);
}

Quat Scaled(const Quat& q) {
  const double size = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  if (size <= 1e-12) return {0, 0, 0, 1};
  return {q[0] / size, q[1] / size, q[2] / size, q[3] / size};
}

// The shortest arc; quat.py's.
Quat Slerp(const Quat& a, const Quat& b, double t) {
  const double cosine = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
  const double theta = std::acos(std::min(std::fabs(cosine), 1.0)), sine = std::sin(theta);
  const bool near = sine < 1e-4;
  const double of_a = near ? 1 - t : std::sin((1 - t) * theta) / sine;
  const double of_b = (cosine < 0 ? -1 : 1) * (near ? t : std::sin(t * theta) / sine);
  Quat out;
  for (int k = 0; k < 4; ++k) out[k] = of_a * a[k] + of_b * b[k];
  return Scaled(out);
}

// A shank that hangs from a thigh, the knee a hinge.
Quat Hanging(const Quat& thigh) {
  const Vec down = Rotate(Conjugate(thigh), {0, -1, 0});
  return Multiply(thigh,
                  About({1, 0, 0}, std::clamp(std::atan2(-down[2], -down[1]), 0.0, kMostBend)));
}

// A foot laid flat.
Quat Level(const Quat& foot) {
  const Vec ahead = Rotate(foot, {0, 0, 1});
  return About({0, 1, 0}, std::atan2(ahead[0], ahead[2]));
}

}  // namespace

void ReachLimbs(const LimbPair& pair, const LimbJob& job) noexcept {
  for (int side = 0; side < 2; ++side) {
    const std::int32_t upper = pair.upper[side], lower = pair.lower[side], tip = pair.tip[side];
    const Quat hip = Turn(job.world + 4 * upper);
    const Bent bent(pair, hip, Point3(job.places + 3 * upper), Point3(job.places + 3 * lower),
                    Point3(job.places + 3 * tip), Point(job.goals + 3 * side));
    Vec way = bent.way;
    if (job.swivel != nullptr) {
      way = Swivelled(pair, bent, Turn(job.world + 4 * pair.trunk), *job.swivel, side);
    }
    Quat first, second;
    bent.Turns(way, &first, &second);
    const Quat thigh = Multiply(first, hip);
    const Quat shin = Multiply(second, Turn(job.world + 4 * lower));
    Quat foot = Turn(job.world + 4 * tip);
    if (job.ends != nullptr) std::copy_n(job.ends + 4 * side, 4, foot.begin());
    const Quat above = Turn(job.world + 4 * pair.above[side]);
    Write(Multiply(Conjugate(above), thigh), job.rotations + 4 * upper);
    Write(Multiply(Conjugate(thigh), shin), job.rotations + 4 * lower);
    Write(Multiply(Conjugate(shin), foot), job.rotations + 4 * tip);
  }
}

void TurnUnseenLegs(const UnseenLegsJob& job) noexcept {
  for (int side = 0; side < 2; ++side) {
    Quat mine[4], seen[4];
    for (int part = 0; part < 4; ++part) {
      const std::int32_t row = job.rows[2 * part + side];
      mine[part] = Turn(job.made + 4 * row);
      seen[part] = Turn(job.seen + 4 * row);
    }
    const double as_seen = 1 - job.share[side];
    mine[1] = Slerp(mine[1], Hanging(seen[0]), as_seen);
    mine[2] = Slerp(mine[2], Level(mine[2]), std::max(job.stands[side], as_seen));
    mine[3] = mine[2];
    for (int part = 0; part < 4; ++part) {
      const int at = 2 * part + side;
      double* turn = job.turns + 4 * at;
      if (!job.fresh) {
        mine[part] = Slerp({turn[0], turn[1], turn[2], turn[3]}, mine[part], job.follows);
      }
      Write(mine[part], turn);
      const Quat above = part > 0 ? seen[part - 1] : Turn(job.seen + 4 * job.above[side]);
      seen[part] = Slerp(seen[part], mine[part], job.share[at]);
      Write(Scaled(Multiply(Conjugate(above), seen[part])), job.rotations + 4 * job.rows[at]);
    }
  }
}

}  // namespace twinsdk
