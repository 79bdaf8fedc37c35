// One frame of a person onto an avatar: transfer, root, held feet and corrections; twinsdk/retarget
// compiles the plan. The definition is the NumPy of twinsdk/retarget (transfer, proportion, live),
// this its twin.
#ifndef TWINSDK_RETARGET_HPP_
#define TWINSDK_RETARGET_HPP_

#include <array>
#include <cstdint>
#include <vector>

#include "twinsdk/corrections.hpp"

namespace twinsdk {

// A product of joint rotations, some inverted; item i is joints[starts[i]] .. joints[starts[i +
// 1]].
struct Chains {
  std::vector<std::int32_t> starts;
  std::vector<std::int32_t> joints;
  std::vector<std::uint8_t> inverted;
};

struct FootPlan {
  std::int32_t source_ankle, source_ball;
  std::int32_t upper, above, lower, foot;  // of the target; above is -1 for none
  std::array<double, 3> ball;              // from the ankle, in the foot joint's axes
  std::array<double, 4> inner_thigh, inner_shin;
  std::array<double, 3> hinge;
  double leg;
  std::array<double, 2> level, target_level;  // ankle, ball
};

struct RetargetPlan {
  std::vector<std::int32_t> source_parents, target_parents;
  std::vector<float> source_offsets, target_offsets;  // (J, 3)
  std::vector<float> rest;                            // (Jt, 4)
  std::vector<std::int32_t> moving;                   // (M,)
  Chains chains;                                      // M
  std::vector<float> matrices;                        // (M, 4, 4)
  Chains trunk;                                       // H, none where the spines are alike
  std::vector<float> trunk_right;                     // (H, 4)
  std::vector<std::int32_t> trunk_low;                // (W,)
  std::vector<float> trunk_share;                     // (W,)
  std::int32_t hips, left_thigh, right_thigh;         // of the source
  std::array<double, 4> world, from_tpose;
  std::array<double, 3> source_offset, target_offset, root_to_hips, factors, lift;
  double scale, leg;
  double speed_on, speed_off, height_on, height_off, ease_s;
  bool plant;
  std::array<FootPlan, 2> feet;
};

class RetargetStep {
 public:
  RetargetStep(RetargetPlan plan, CorrectionPlan corrections);

  // Writes rotations (Jt, 4) and root (3); feet are held and corrections eased where dt_s >= 0.
  void Step(const float* source, const float* source_root, double dt_s, float* rotations,
            float* root) noexcept;

  const RetargetPlan& plan() const { return plan_; }
  const Corrections& corrections() const { return corrections_; }

 private:
  struct Point {
    std::array<double, 3> before = {}, velocity = {};
    bool seen = false, moving = false, down = false;
  };
  struct Foot {
    std::array<Point, 2> points;  // ankle, ball
    int anchor = -1;
    std::array<double, 3> held = {}, correction = {};
    double lift = 0, since_s = 0;
  };

  void Transfer(const float* source, float* rotations) noexcept;
  void Touch(const FootPlan& plan, Foot* foot, const std::array<double, 3>* leads,
             double dt_s) noexcept;
  void Hold(const FootPlan& plan, Foot* foot, const std::array<double, 3>* have,
            double dt_s) noexcept;
  void Solve(const FootPlan& plan, const std::array<double, 3>& goal, float* rotations) noexcept;
  BodyView Body(const float* rotations, const float* root) noexcept;
  void Correct(double dt_s, float* rotations, float* root) noexcept;
  void HoldFeet(double dt_s, float* rotations, float* root) noexcept;
  std::array<double, 3> Scaled(const float* place, const std::array<double, 3>& pelvis) const;

  RetargetPlan plan_;
  Corrections corrections_;
  std::array<Foot, 2> feet_;
  double sink_ = 0;
  // Work space: virtual trunk joints after the source's own, and where everything is.
  std::vector<float> extended_, marks_, source_turns_, source_places_, turns_, places_, free_;
};

}  // namespace twinsdk

#endif  // TWINSDK_RETARGET_HPP_
