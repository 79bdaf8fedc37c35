// The pose of a person from points on an image: damped Gauss-Newton on a joint tree.
#ifndef TWINSDK_BODY_SOLVER_HPP_
#define TWINSDK_BODY_SOLVER_HPP_

#include <cstdint>
#include <vector>

namespace twinsdk {

// What a person is made of. Unknowns: root x, y, z, the common error of depth, then turns of joints
// about their own axes; several joints may share one unknown.
struct BodyTopology {
  std::int32_t unknowns;                   // D
  std::int32_t segments;                   // K, lengths that a frame tells of
  std::vector<std::int32_t> parents;       // (N) below the joint's own, -1 for joint 0
  std::vector<std::int32_t> unknown;       // (N, 3) which unknown turns this axis, -1 none
  std::vector<double> share;               // (N, 3) radians of this axis for one of the unknown
  std::vector<double> low, high;           // (N, 3) bounds of the rotation vector
  std::vector<std::int32_t> segment;       // (N) which length scales the joint's offset, -1 none
  std::vector<std::int32_t> point_joints;  // (P) the joint that carries each point
};

// One frame. All in the camera's axes: +X right, +Y up, -Z ahead; metres.
struct BodyProblem {
  const double* offsets;           // (N, 3) parent_from_joint; row 0 unused
  const double* points;            // (P, 3) in their joints' frames
  const double* seen;              // (P, 5) right and up of the ray at depth 1, its weight; depth
                                   // against the root, its weight; weights are 1 / deviation
  const double* anchors;           // (P, 6) place and weights by axis
  const double* forecast;          // (N, 4) xyzw
  const double* forecast_weights;  // (N, 3)
  const double* neutral;           // (N, 3) rotation vectors
  const double* neutral_weights;   // (N, 3)
  const double* root;              // (3) forecast
  const double* root_weights;      // (3)
  double limit_weight;             // per radian beyond the bounds
  double bias_weight;              // of the depths' common error, per metre
  double ray_scale, depth_scale, anchor_scale;  // deviations at which a residual is half believed
  double loose;  // added to the diagonal where lengths are told apart from pose
  double damping;
  std::int32_t iterations;
};

class BodySolver {
 public:
  explicit BodySolver(BodyTopology topology);

  // Moves `rotations` (N, 4) and `root` (3) to the least robust cost; returns that cost. Writes
  // the residuals (P, 6) in deviations and what the frame tells of the segments' log lengths:
  // `information` (K, K) and `downhill` (K), the pose marginalised out.
  // Source: Geman and McClure 1987 (robust weights); Levenberg 1944, Marquardt 1963 (damping).
  double Solve(const BodyProblem& problem, double* rotations, double* root, double* residuals,
               double* information, double* downhill) noexcept;

  // After `Solve`: the joints' rotations in the camera's axes (N, 3, 3) and where the points lie
  // (P, 3).
  void Places(const BodyProblem& problem, double* world, double* points) const noexcept;

  const BodyTopology& topology() const { return topology_; }

 private:
  struct State {
    std::vector<double> rotations;
    double root[3];
    double bias;
  };
  // A symmetric system: lower triangle of `normal` (M, M), `gradient` (M).
  struct System {
    std::vector<double> normal, gradient, residuals;
    double cost;
  };

  void Forward(const BodyProblem& problem, const State& state) noexcept;
  void AddPoints(const BodyProblem& problem, const State& state, bool lengths,
                 System& system) noexcept;
  void AddJoint(const BodyProblem& problem, std::int32_t joint, const double* rotation,
                bool forecast, System& system) noexcept;
  void Assemble(const BodyProblem& problem, const State& state, bool lengths,
                System& system) noexcept;
  bool Step(const System& system, double damping) noexcept;
  void Move(const State& from, State& to) noexcept;
  void Information(const BodyProblem& problem, const State& state, double* information,
                   double* downhill) noexcept;

  BodyTopology topology_;
  std::int32_t width_;  // of the systems: unknowns and segments
  State state_, trial_;
  System system_, next_;
  std::vector<double> world_, places_, step_, factor_, columns_;
  std::vector<std::int32_t> active_;
};

}  // namespace twinsdk

#endif  // TWINSDK_BODY_SOLVER_HPP_
