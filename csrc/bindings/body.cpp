// The body solver, turning rotations and completion; twinsdk/core/body_solver.py, turning.py and
// twinsdk/motion/fitting/solve.py come before.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "twinsdk/body_solver.hpp"
#include "twinsdk/completion.hpp"
#include "twinsdk/turning.hpp"

namespace twinsdk {
namespace {

template <class T>
std::vector<T> Numbers(const Array<T>& array) {
  return std::vector<T>(array.data(), array.data() + array.size());
}

// A solver works in memory of its own, so one call at a time.
struct Guarded {
  explicit Guarded(BodyTopology topology) : solver(std::move(topology)) {}
  BodySolver solver;
  std::mutex busy;
};

std::unique_ptr<Guarded> Build(std::int32_t unknowns, std::int32_t segments,
                               const Array<std::int32_t>& parents,
                               const Array<std::int32_t>& unknown, const Array<double>& share,
                               const Array<double>& low, const Array<double>& high,
                               const Array<std::int32_t>& segment,
                               const Array<std::int32_t>& point_joints) {
  const py::ssize_t joints = parents.size();
  Expect(unknowns >= 4 && segments >= 0 && unknowns + segments <= 64, "unknowns, segments");
  Expect(joints > 0 && unknown.size() == 3 * joints && share.size() == 3 * joints, "unknown");
  Expect(low.size() == 3 * joints && high.size() == 3 * joints, "low, high");
  Expect(segment.size() == joints, "segment");
  BodyTopology topology = {unknowns,         segments,         Numbers(parents),
                           Numbers(unknown), Numbers(share),   Numbers(low),
                           Numbers(high),    Numbers(segment), Numbers(point_joints)};
  for (py::ssize_t j = 0; j < joints; ++j) {
    Expect(topology.parents[j] >= (j > 0 ? 0 : -1) && topology.parents[j] < j, "parents");
    Expect(topology.segment[j] >= -1 && topology.segment[j] < segments, "segment");
    for (int a = 0; a < 3; ++a) {
      const std::int32_t index = topology.unknown[3 * j + a];
      Expect(index == -1 || (index >= 4 && index < unknowns), "unknown");
    }
  }
  for (const std::int32_t joint : topology.point_joints) {
    Expect(joint >= 0 && joint < joints, "point_joints");
  }
  return std::make_unique<Guarded>(std::move(topology));
}

double Solve(Guarded& guarded, const Array<double>& offsets, const Array<double>& points,
             const Array<double>& seen, const Array<double>& anchors, const Array<double>& forecast,
             const Array<double>& forecast_weights, const Array<double>& neutral,
             const Array<double>& neutral_weights, const Array<double>& root_forecast,
             const Array<double>& root_weights, const Array<double>& numbers,
             std::int32_t iterations, Array<double>& rotations, Array<double>& root,
             Array<double>& residuals, Array<double>& information, Array<double>& downhill,
             Array<double>& world, Array<double>& places) {
  const std::lock_guard<std::mutex> lock(guarded.busy);
  BodySolver& solver = guarded.solver;
  const auto joints = static_cast<py::ssize_t>(solver.topology().parents.size());
  const auto count = static_cast<py::ssize_t>(solver.topology().point_joints.size());
  const py::ssize_t segments = solver.topology().segments;
  Expect(offsets.size() == 3 * joints && neutral.size() == 3 * joints, "offsets, neutral");
  Expect(points.size() == 3 * count && seen.size() == 5 * count, "points, seen");
  Expect(anchors.size() == 6 * count && residuals.size() == 6 * count, "anchors, residuals");
  Expect(forecast.size() == 4 * joints && rotations.size() == 4 * joints, "forecast, rotations");
  Expect(forecast_weights.size() == 3 * joints, "forecast_weights");
  Expect(neutral_weights.size() == 3 * joints, "neutral_weights");
  Expect(root_forecast.size() == 3 && root_weights.size() == 3 && root.size() == 3, "root");
  Expect(numbers.size() == 7 && iterations >= 0, "numbers, iterations");
  Expect(information.size() == segments * segments && downhill.size() == segments, "information");
  Expect(world.size() == 9 * joints && places.size() == 3 * count, "world, places");
  const double* n = numbers.data();
  const BodyProblem problem = {offsets.data(),
                               points.data(),
                               seen.data(),
                               anchors.data(),
                               forecast.data(),
                               forecast_weights.data(),
                               neutral.data(),
                               neutral_weights.data(),
                               root_forecast.data(),
                               root_weights.data(),
                               n[0],
                               n[1],
                               n[2],
                               n[3],
                               n[4],
                               n[5],
                               n[6],
                               iterations};
  // A tenth of a millisecond: releasing the GIL would gain nothing.
  const double cost =
      solver.Solve(problem, rotations.mutable_data(), root.mutable_data(), residuals.mutable_data(),
                   information.mutable_data(), downhill.mutable_data());
  solver.Places(problem, world.mutable_data(), places.mutable_data());
  return cost;
}

void BindTurned(const Array<double>& q, const Array<double>& v, Array<double>& out) {
  const py::ssize_t count = q.size() / 4;
  Expect(q.size() == 4 * count && v.size() == 3 * count && out.size() == q.size(), "q, v, out");
  Turned(q.data(), v.data(), count, out.mutable_data());
}

void BindTurnsBetween(const Array<double>& a, const Array<double>& b, Array<double>& out) {
  const py::ssize_t count = a.size() / 4;
  Expect(a.size() == 4 * count && b.size() == a.size() && out.size() == 3 * count, "a, b, out");
  TurnsBetween(a.data(), b.data(), count, out.mutable_data());
}

void BindGlide(const Array<double>& given, double step_s, double min_hz, double gain,
               double speed_hz, double damping, const Array<double>& haste,
               const Array<double>& max_speed, Array<double>& at, Array<double>& velocity,
               Array<double>& speed) {
  const py::ssize_t count = given.size() / 4;
  Expect(given.size() == 4 * count && at.size() == given.size(), "given, at");
  Expect(haste.size() == count && max_speed.size() == count, "haste, max_speed");
  Expect(velocity.size() == 3 * count && speed.size() == count, "velocity, speed");
  Expect(step_s > 0 && damping > 0 && damping <= 1, "step_s, damping");
  Glide({count, step_s, min_hz, gain, speed_hz, damping, given.data(), haste.data(),
         max_speed.data(), at.mutable_data(), velocity.mutable_data(), speed.mutable_data()});
}

constexpr py::ssize_t kBodyPoints = 33, kHandPoints = 21;

std::unique_ptr<CompletionPlan> BuildCompleter(
    const Array<std::int32_t>& parents, const Array<std::int32_t>& body_points,
    const Array<std::int32_t>& palm_points, const Array<std::int32_t>& chains,
    const Array<std::int32_t>& finger_joints, const Array<std::int32_t>& pairs,
    const Array<std::int32_t>& singles, const Array<double>& palms, const Array<double>& straight,
    const Array<double>& low, const Array<double>& high, const Array<double>& numbers) {
  Expect(body_points.size() == 6 && palm_points.size() == 4 && chains.size() == 20, "points");
  Expect(finger_joints.size() == 30 && pairs.size() == 10 && singles.size() == 4, "joints");
  Expect(palms.size() == 18 && straight.size() == 15, "palms, straight");
  Expect(low.size() == 45 && high.size() == 45 && numbers.size() == 11, "low, high, numbers");
  const auto below = [](const Array<std::int32_t>& rows, py::ssize_t count, const char* what) {
    for (py::ssize_t i = 0; i < rows.size(); ++i) {
      Expect(rows.data()[i] >= 0 && rows.data()[i] < count, what);
    }
  };
  const py::ssize_t joints = parents.size();
  for (py::ssize_t j = 0; j < joints; ++j) {
    Expect(parents.data()[j] >= -1 && parents.data()[j] < joints, "parents");
  }
  below(finger_joints, joints, "finger_joints"), below(pairs, joints, "pairs");
  below(singles, joints, "singles");
  below(palm_points, kHandPoints, "palm_points"), below(chains, kHandPoints, "chains");
  below(body_points, kBodyPoints, "body_points");
  return std::make_unique<CompletionPlan>(
      CompletionPlan{Numbers(parents), Numbers(body_points), Numbers(palm_points), Numbers(chains),
                     Numbers(finger_joints), Numbers(pairs), Numbers(singles), Numbers(palms),
                     Numbers(straight), Numbers(low), Numbers(high), Numbers(numbers)});
}

void BindComplete(const CompletionPlan& plan, Array<double>& world, const Array<double>& points,
                  const MaybeArray<double>& left, const MaybeArray<double>& right,
                  const MaybeArray<double>& head, const MaybeArray<double>& gaze,
                  const Array<bool>& shown, const Array<double>& size_px,
                  const Array<double>& follow, MaybeArray<double>& held, Array<double>& rotations,
                  Array<double>& trust) {
  const auto joints = static_cast<py::ssize_t>(plan.parents.size());
  Expect(world.size() == 9 * joints && rotations.size() == 4 * joints, "world, rotations");
  Expect(points.size() == 3 * kBodyPoints, "points");
  for (const MaybeArray<double>* hand : {&left, &right}) {
    Expect(!*hand || (*hand)->size() == 3 * kHandPoints, "hands");
  }
  Expect(!head || head->size() == 9, "head");
  Expect(!gaze || gaze->size() == 6, "gaze");
  Expect(shown.size() == 2 && size_px.size() == 2 && trust.size() == 2, "shown, size_px, trust");
  Expect(follow.size() == 2 && (!held || held->size() == 8), "follow, held");
  Complete(plan, {world.mutable_data(),
                  points.data(),
                  {DataOrNull(left), DataOrNull(right)},
                  DataOrNull(head),
                  DataOrNull(gaze),
                  shown.data(),
                  size_px.data(),
                  follow.data(),
                  MutableOrNull(held),
                  rotations.mutable_data(),
                  trust.mutable_data()});
}

}  // namespace

void AddBody(py::module_& m) {
  py::class_<CompletionPlan>(m, "Completer")
      .def(py::init(&BuildCompleter), py::kw_only(), py::arg("parents").noconvert(),
           py::arg("body_points").noconvert(), py::arg("palm_points").noconvert(),
           py::arg("chains").noconvert(), py::arg("finger_joints").noconvert(),
           py::arg("pairs").noconvert(), py::arg("singles").noconvert(),
           py::arg("palms").noconvert(), py::arg("straight").noconvert(),
           py::arg("low").noconvert(), py::arg("high").noconvert(), py::arg("numbers").noconvert())
      .def("complete", &BindComplete, py::arg("world").noconvert(), py::arg("points").noconvert(),
           py::arg("left").noconvert(), py::arg("right").noconvert(), py::arg("head").noconvert(),
           py::arg("gaze").noconvert(), py::arg("shown").noconvert(),
           py::arg("size_px").noconvert(), py::arg("follow").noconvert(),
           py::arg("held").noconvert(), py::arg("rotations").noconvert(),
           py::arg("trust").noconvert());
  py::class_<Guarded>(m, "BodySolver")
      .def(py::init(&Build), py::kw_only(), py::arg("unknowns"), py::arg("segments"),
           py::arg("parents").noconvert(), py::arg("unknown").noconvert(),
           py::arg("share").noconvert(), py::arg("low").noconvert(), py::arg("high").noconvert(),
           py::arg("segment").noconvert(), py::arg("point_joints").noconvert())
      .def("solve", &Solve, py::kw_only(), py::arg("offsets").noconvert(),
           py::arg("points").noconvert(), py::arg("seen").noconvert(),
           py::arg("anchors").noconvert(), py::arg("forecast").noconvert(),
           py::arg("forecast_weights").noconvert(), py::arg("neutral").noconvert(),
           py::arg("neutral_weights").noconvert(), py::arg("root_forecast").noconvert(),
           py::arg("root_weights").noconvert(), py::arg("numbers").noconvert(),
           py::arg("iterations"), py::arg("rotations").noconvert(), py::arg("root").noconvert(),
           py::arg("residuals").noconvert(), py::arg("information").noconvert(),
           py::arg("downhill").noconvert(), py::arg("world").noconvert(),
           py::arg("places").noconvert());
  m.def("turned", &BindTurned, py::arg("q").noconvert(), py::arg("v").noconvert(),
        py::arg("out").noconvert());
  m.def("turns_between", &BindTurnsBetween, py::arg("a").noconvert(), py::arg("b").noconvert(),
        py::arg("out").noconvert());
  m.def("glide", &BindGlide, py::kw_only(), py::arg("given").noconvert(), py::arg("step_s"),
        py::arg("min_hz"), py::arg("gain"), py::arg("speed_hz"), py::arg("damping"),
        py::arg("haste").noconvert(), py::arg("max_speed").noconvert(), py::arg("at").noconvert(),
        py::arg("velocity").noconvert(), py::arg("speed").noconvert());
}

}  // namespace twinsdk
