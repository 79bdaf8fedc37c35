// Corrections to one frame of a body: legs apart, hands where they touched, arms out of the trunk,
// joints in their range. Each is found from the frame alone, eased over time, and made; a live
// frame is eased here, a clip in between by its caller. The definition is the NumPy of
// twinsdk/retarget (legs, hands, body, limits, and AsItComes of temporal), this its twin.
#ifndef TWINSDK_CORRECTIONS_HPP_
#define TWINSDK_CORRECTIONS_HPP_

#include <array>
#include <cstdint>
#include <vector>

namespace twinsdk {

struct ArmPlan {
  std::int32_t source_upper, source_hand;
  std::int32_t upper, above, lower, hand;       // of the target; above is -1 for none
  std::array<double, 4> inner_arm, inner_fore;  // joints inside both bones, at rest
  std::array<double, 3> hinge;                  // of the elbow, in the upper arm's axes
};

// What hands touch: the middle between two joints, turned by a third.
struct AnchorPlan {
  std::int32_t source_a, source_b, source_by;
  std::int32_t a, b, by;                    // of the target
  std::array<double, 4> source_back, back;  // inverse T-pose rotations of the third
  std::array<double, 3> scale;
  bool straight;  // whether a straight arm can touch it
};

struct ShapePlan {
  std::int32_t joint;
  std::array<double, 4> back;  // inverse T-pose rotation
  std::array<double, 3> middle, half;
  bool round;
};

struct LimitPlan {
  std::int32_t joint;
  std::array<double, 4> left, right;
  std::int32_t axis;
  std::array<double, 3> low, high;
  bool end;
};

struct CorrectionPlan {
  bool touch, out, apart, limit;
  std::array<ArmPlan, 2> arms;
  std::vector<AnchorPlan> anchors;
  double source_arm, arm;  // lengths
  std::array<double, 2> own_body, other_hand, resting, bent;
  double most_touch, touch_ease_s;
  std::vector<ShapePlan> shapes;
  std::vector<double> along;
  double arm_m, most_push_m, push_ease_s;
  std::array<std::array<std::int32_t, 3>, 2> legs;  // hip, knee, ankle
  std::array<std::int32_t, 2> leg_above, foot_above;
  std::array<double, 8> radii;  // side, bone, end
  double leg, give_m, least_lever, most_turn, leg_ease_s, parallel, low_down;
  std::vector<LimitPlan> limits;
  double soft;
};

// Where all joints of a body are in the world.
struct BodyView {
  const float* turns;   // (J, 4)
  const float* places;  // (J, 3)
};

// A vector for the left and the right side.
using Both = std::array<std::array<double, 3>, 2>;

class Corrections {
 public:
  explicit Corrections(CorrectionPlan plan);

  // About what and how far each leg is to turn at the hip; and that turn made in rotations (Jt, 4).
  Both Spreads(const BodyView& body) const noexcept;
  bool Spread(const BodyView& body, const Both& by, float* rotations) const noexcept;
  // Each wrist from each anchor, in the anchor's axes: (2, A). The source is turned upright by
  // `world` wherever it is read.
  void Reaches(const BodyView& source, const std::array<double, 4>& world,
               std::array<double, 3>* reaches) const noexcept;
  // How far each wrist is to move so that it touches what it touched; speeds (2, A) are those of
  // the reaches.
  Both Touches(const BodyView& source, const std::array<double, 4>& world, const BodyView& body,
               const std::array<double, 3>* reaches, const double* speeds) const noexcept;
  // How far each wrist is to move so that its arm is out of the trunk.
  Both Pushes(const BodyView& body) const noexcept;
  bool MoveWrists(const BodyView& body, const Both& by, float* rotations) const noexcept;

  // The same eased frame by frame; `dt_s` below 0 treats the frame by itself.
  void KeepLegsApart(double dt_s, const BodyView& body, float* rotations) noexcept;
  void KeepTouch(double dt_s, const BodyView& source, const std::array<double, 4>& world,
                 const BodyView& body, float* rotations) noexcept;
  void KeepArmsOut(double dt_s, const BodyView& body, float* rotations) noexcept;
  // All limbs to their range, or hands and feet to theirs, widened to what `free` has.
  void Limit(const float* free, float* rotations) const noexcept;

  const CorrectionPlan& plan() const { return plan_; }

 private:
  // A first-order low pass.
  struct Flow {
    std::array<double, 3> value = {};
    bool seen = false;
    std::array<double, 3> Towards(const std::array<double, 3>& now, double dt_s, double seconds);
  };
  struct Hold {
    Flow way;
    double length = 0;
    bool seen = false;
    std::array<double, 3> Next(const std::array<double, 3>& now, double dt_s, double seconds);
  };
  struct Speed {
    Flow velocity;
    std::array<double, 3> before = {};
    bool seen = false;
    double Next(const std::array<double, 3>& at, double dt_s);
  };

  void SolveArm(const ArmPlan& arm, const BodyView& body, const std::array<double, 3>& goal,
                float* rotations) const noexcept;
  std::array<double, 3> WayOut(const std::array<double, 3>& point,
                               const BodyView& body) const noexcept;

  CorrectionPlan plan_;
  std::array<Flow, 2> touches_;
  std::array<Hold, 2> pushes_, spreads_;
  std::vector<Speed> speeds_;  // side, anchor
  std::vector<std::array<double, 3>> reaches_;
  std::vector<double> rates_;
};

}  // namespace twinsdk

#endif  // TWINSDK_CORRECTIONS_HPP_
