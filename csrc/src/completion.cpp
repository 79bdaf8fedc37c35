#include "twinsdk/completion.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "turns.hpp"

namespace twinsdk {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kTiny = 1e-18;  // squared length below which a vector has no direction
constexpr int kFingers = 5;

struct Mat {
  double at[9];
  Vec Column(int k) const { return {at[k], at[3 + k], at[6 + k]}; }
};

Mat MatAt(const double* from) {
  Mat out;
  std::copy(from, from + 9, out.at);
  return out;
}

void Write(const Mat& m, double* to) { std::copy(m.at, m.at + 9, to); }

Mat Columns(const Vec& x, const Vec& y, const Vec& z) {
  return {{x[0], y[0], z[0], x[1], y[1], z[1], x[2], y[2], z[2]}};
}

Mat Product(const Mat& a, const Mat& b) {
  Mat out;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      out.at[3 * i + j] =
          a.at[3 * i] * b.at[j] + a.at[3 * i + 1] * b.at[3 + j] + a.at[3 * i + 2] * b.at[6 + j];
  return out;
}

Mat Transposed(const Mat& m) {
  return {{m.at[0], m.at[3], m.at[6], m.at[1], m.at[4], m.at[7], m.at[2], m.at[5], m.at[8]}};
}

Vec Times(const Vec& row, const Mat& m) {
  return {Dot(row, m.Column(0)), Dot(row, m.Column(1)), Dot(row, m.Column(2))};
}

Vec At(const double* points, std::int32_t row) {
  return {points[3 * row], points[3 * row + 1], points[3 * row + 2]};
}

Vec Unit(const Vec& v) { return 1 / std::sqrt(std::max(Dot(v, v), kTiny)) * v; }

double Smooth(double value, double low, double high) {
  const double t = std::clamp((value - low) / (high - low), 0.0, 1.0);
  return t * t * (3 - 2 * t);
}

Mat MatOf(const Quat& q) {
  return Columns(Rotate(q, {1, 0, 0}), Rotate(q, {0, 1, 0}), Rotate(q, {0, 0, 1}));
}

// X along the palm, Z across it to the thumb.
Mat PalmFrame(const Vec& along, const Vec& across) {
  const Vec x = Unit(along), y = Unit(Cross(across, x));
  return Columns(x, y, Cross(x, y));
}

Vec Mirrored(const Vec& v, int side) { return {side == 0 ? v[0] : -v[0], v[1], v[2]}; }

// A mirror M = diag(-1, 1, 1) turns a rotation R into M R M.
Mat MirroredBack(Mat m, int side) {
  if (side == 1)
    for (const int k : {1, 2, 3, 6}) m.at[k] = -m.at[k];
  return m;
}

double TwistAboutX(const Mat& forearm, const Mat& palm) {
  const Mat relative = Product(Transposed(forearm), palm);
  const double trace = relative.at[0] + relative.at[4] + relative.at[8];
  return 2 * std::atan2(relative.at[7] - relative.at[5], 1 + trace);
}

class Hand {
 public:
  Hand(const CompletionPlan& plan, const CompletionJob& job, int side)
      : plan_(plan), job_(job), side_(side) {
    const auto point = [&](int part) { return At(job.points, plan.body_points[2 * part + side]); };
    const Vec wrist = point(0), index = point(1), little = point(2);
    body_ = Palm(0.5 * (index + little) - wrist, index - little, plan.palms.data());
    own_ = body_;
    if (const double* hand = job.hands[side]) {
      const std::int32_t* at = plan.palm_points.data();
      own_ = Palm(At(hand, at[3]) - At(hand, at[0]), At(hand, at[1]) - At(hand, at[2]),
                  plan.palms.data() + 9);
    }
  }

  // Turns the forearm by its share of the palm's twist and writes the palm; returns the trust.
  double Place() const {
    double* forearm_at = job_.world + 9 * plan_.pairs[side_];
    double* palm_at = job_.world + 9 * plan_.pairs[2 + side_];
    const Mat forearm = MatAt(forearm_at);
    double trust = 0;
    const Mat palm = Held(forearm, Chosen(forearm, &trust));
    if (!job_.shown[side_]) {
      Write(forearm, palm_at);
      return trust;
    }
    const double* n = plan_.numbers.data();
    const double twist = TwistAboutX(forearm, palm);
    // Beyond the limit the share falls back to 0 at a half turn, where it would change sign.
    const double size =
        std::min(std::fabs(twist), (kPi - std::fabs(twist)) * (n[1] / (kPi - n[1])));
    const Mat turn = MatOf(About({1, 0, 0}, n[0] * std::copysign(size, twist)));
    Write(Product(forearm, turn), forearm_at);
    Write(palm, palm_at);
    return trust;
  }

  void Fingers() const {
    const double* hand = job_.hands[side_];
    if (hand == nullptr) return;
    for (int f = 0; f < kFingers; ++f) {
      const std::int32_t* chain = plan_.chains.data() + 4 * f;
      Quat frame = {0, 0, 0, 1};
      Vec from = Local(hand, chain[0]);
      for (int k = 0; k < 3; ++k) {
        const Vec to = Local(hand, chain[k + 1]);
        const Vec seen = Rotate(Conjugate(frame), Unit(to - from));
        from = to;
        const std::size_t row = 3 * (kFingers * k + f);
        const Vec swing = Arc(At(plan_.straight.data(), f), seen);
        Vec vector;
        for (int a = 0; a < 3; ++a)
          vector[a] = std::min(std::max(swing[a], plan_.low[row + a]), plan_.high[row + a]);
        frame = Multiply(frame, FromVector(vector));
        if (side_ == 1) vector = {vector[0], -vector[1], -vector[2]};
        const Quat q = FromVector(vector);
        const std::int32_t joint = plan_.finger_joints[15 * side_ + kFingers * k + f];
        std::copy(q.begin(), q.end(), job_.rotations + 4 * joint);
      }
    }
  }

 private:
  Mat Palm(const Vec& along, const Vec& across, const double* rest) const {
    const Mat frame = PalmFrame(Mirrored(along, side_), Mirrored(across, side_));
    return MirroredBack(Product(frame, MatAt(rest)), side_);
  }

  Vec Local(const double* hand, std::int32_t row) const {
    return Mirrored(Times(At(hand, row), own_), side_);
  }

  static Vec Arc(const Vec& u, const Vec& v) {
    const Vec axis = Cross(u, v);
    const double sine = std::sqrt(std::max(Dot(axis, axis), kTiny));
    return std::atan2(sine, Dot(u, v)) / sine * axis;
  }

  // A small hand does not count against the body's palm, and none beyond what forearms can twist.
  Mat Chosen(const Mat& forearm, double* trust) const {
    if (job_.hands[side_] == nullptr) return body_;
    const double* n = plan_.numbers.data();
    double together = -1;
    for (int k = 0; k < 9; ++k) together += body_.at[k] * own_.at[k];
    const double large = Smooth(job_.size_px[side_], n[5], n[6]);
    const double agree = job_.size_px[side_] > 0 ? Smooth(together / 2, n[3], n[4]) : 0;
    const double possible = 1 - Smooth(std::fabs(TwistAboutX(forearm, own_)), n[7], n[8]);
    *trust = (large + (1 - large) * n[2] * agree) * possible;
    Mat mixed;
    for (int k = 0; k < 9; ++k) mixed.at[k] = body_.at[k] + *trust * (own_.at[k] - body_.at[k]);
    const Vec x = Unit(mixed.Column(0));
    const Vec y = Unit(mixed.Column(1) - Dot(x, mixed.Column(1)) * x);
    return Columns(x, y, Cross(x, y));
  }

  // Follows the palm against the forearm: what trackers of hands get wrong comes and goes.
  Mat Held(const Mat& forearm, const Mat& palm) const {
    if (job_.held == nullptr) return palm;
    double* held = job_.held + 4 * side_;
    const double follow = job_.shown[side_] ? job_.follow[side_] : 1;
    const Quat was = {held[0], held[1], held[2], held[3]};
    const Vec off =
        ToVector(Multiply(Conjugate(was), QuaternionOf(Product(Transposed(forearm), palm).at)));
    Quat now = Multiply(was, FromVector(follow * off));
    const double size =
        std::sqrt(now[0] * now[0] + now[1] * now[1] + now[2] * now[2] + now[3] * now[3]);
    for (int k = 0; k < 4; ++k) held[k] = now[k] = now[k] / size;
    return Product(forearm, MatOf(now));
  }

  const CompletionPlan& plan_;
  const CompletionJob& job_;
  int side_;
  Mat body_, own_;
};

// Of the head's turn against the chest the neck takes its share, about the same axis.
void ShareNeck(const CompletionPlan& plan, double* rotations) {
  double* head = rotations + 4 * plan.singles[0];
  double* neck = rotations + 4 * plan.singles[1];
  const Vec axis = {head[0], head[1], head[2]};
  const double sine = Length(axis);
  if (sine < 1e-9) return;
  const double share = plan.numbers[9], limit = plan.numbers[10] / 2;
  double half = std::atan2(sine, head[3]);
  if (half > kPi / 2) half -= kPi;  // the short way round
  half = std::clamp(half, -limit, limit);
  const auto write = [&](double part, double* to) {
    for (int a = 0; a < 3; ++a) to[a] = std::sin(half * part) / sine * axis[a];
    to[3] = std::cos(half * part);
  };
  write(share, neck);
  write(1 - share, head);
}

}  // namespace

void Complete(const CompletionPlan& plan, const CompletionJob& job) noexcept {
  const auto frame = [&](std::int32_t joint) { return job.world + 9 * joint; };
  const auto copy = [&](std::int32_t from, std::int32_t to) {
    Write(MatAt(frame(from)), frame(to));
  };
  const std::int32_t* feet = plan.pairs.data() + 4;
  const std::int32_t* eyes = plan.pairs.data() + 8;
  const std::int32_t head = plan.singles[0];
  const Hand hands[2] = {{plan, job, 0}, {plan, job, 1}};
  for (int side = 0; side < 2; ++side) {
    copy(feet[side], feet[2 + side]);
    job.trust[side] = hands[side].Place();
  }
  if (job.head != nullptr) Write(MatAt(job.head), frame(head));
  copy(plan.singles[3], plan.singles[1]);  // the neck's share is taken below, in quaternions
  for (const std::int32_t joint : {eyes[0], eyes[1], plan.singles[2]}) copy(head, joint);
  const auto joints = static_cast<std::int32_t>(plan.parents.size());
  for (std::int32_t j = 0; j < joints; ++j) {
    const std::int32_t up = plan.parents[j];
    const Mat own = MatAt(frame(j));
    // What has no frame is a finger's joint: at rest, or solved below.
    const bool framed = own.at[0] != 0 || own.at[1] != 0 || own.at[2] != 0;
    const Mat local = framed && up >= 0 ? Product(Transposed(MatAt(frame(up))), own) : own;
    const Quat q = framed ? QuaternionOf(local.at) : Quat{0, 0, 0, 1};
    std::copy(q.begin(), q.end(), job.rotations + 4 * j);
  }
  ShareNeck(plan, job.rotations);
  if (job.gaze != nullptr)
    for (int side = 0; side < 2; ++side) {
      const Quat q = FromVector(At(job.gaze, side));
      std::copy(q.begin(), q.end(), job.rotations + 4 * eyes[side]);
    }
  for (const Hand& hand : hands) hand.Fingers();
}

}  // namespace twinsdk
