// Retargeting: one live frame, and the corrections of whole clips.
#include "twinsdk/retarget.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <mutex>

#include "arrays.hpp"
#include "retarget_plan.hpp"

namespace twinsdk {
namespace {

class BoundRetarget {
 public:
  explicit BoundRetarget(const py::dict& plan) : step_(StepFrom(plan)) {}

  // A few microseconds of work, and the object remembers the feet: the GIL is kept.
  void Step(const Array<float>& source, const Array<float>& source_root, double dt_s,
            Array<float>& rotations, Array<float>& root) {
    const RetargetPlan& plan = step_.plan();
    Expect(source.size() == static_cast<py::ssize_t>(4 * plan.source_parents.size()), "source");
    Expect(rotations.size() == static_cast<py::ssize_t>(plan.rest.size()), "rotations");
    Expect(source_root.size() == 3 && root.size() == 3, "root");
    const std::lock_guard<std::mutex> lock(mutex_);
    step_.Step(source.data(), source_root.data(), dt_s, rotations.mutable_data(),
               root.mutable_data());
  }

  // Corrections over the T frames of a clip: what each frame asks for, and making it once it has
  // been eased. They remember nothing, so the GIL is released.
  void Spreads(const Array<float>& turns, const Array<float>& places, Array<double>& out) const {
    const Frames frames = TargetFrames(turns, places);
    double* to = Output(out, frames.count, 6);
    ForEach(frames, [&](std::int64_t t, const BodyView& body) {
      Write(step_.corrections().Spreads(body), to + 6 * t);
    });
  }
  void Spread(const Array<float>& turns, const Array<float>& places, const Array<double>& by,
              Array<float>& rotations) const {
    const Frames frames = TargetFrames(turns, places);
    const double* from = Input(by, frames.count, 6);
    Expect(rotations.size() == turns.size(), "rotations");
    float* to = rotations.mutable_data();
    const std::size_t row = step_.plan().rest.size();
    ForEach(frames, [&](std::int64_t t, const BodyView& body) {
      step_.corrections().Spread(body, Read(from + 6 * t), to + row * t);
    });
  }
  void Reaches(const Array<float>& turns, const Array<float>& places, Array<double>& out) const {
    const Frames frames = FramesOf(turns, places, step_.plan().source_parents.size());
    const std::size_t row = 6 * step_.corrections().plan().anchors.size();
    auto* to = reinterpret_cast<std::array<double, 3>*>(Output(out, frames.count, row));
    ForEach(frames, [&](std::int64_t t, const BodyView& source) {
      step_.corrections().Reaches(source, step_.plan().world, to + row / 3 * t);
    });
  }
  void Touches(const Array<float>& source_turns, const Array<float>& source_places,
               const Array<float>& turns, const Array<float>& places, const Array<double>& reaches,
               const Array<double>& speeds, Array<double>& out) const {
    const Frames sources =
        FramesOf(source_turns, source_places, step_.plan().source_parents.size());
    const Frames frames = TargetFrames(turns, places);
    Expect(sources.count == frames.count, "source_turns");
    const std::size_t row = 2 * step_.corrections().plan().anchors.size();
    const auto* from =
        reinterpret_cast<const std::array<double, 3>*>(Input(reaches, frames.count, 3 * row));
    const double* rates = Input(speeds, frames.count, row);
    double* to = Output(out, frames.count, 6);
    ForEach(frames, [&](std::int64_t t, const BodyView& body) {
      Write(step_.corrections().Touches(sources.At(t), step_.plan().world, body, from + row * t,
                                        rates + row * t),
            to + 6 * t);
    });
  }
  void Pushes(const Array<float>& turns, const Array<float>& places, Array<double>& out) const {
    const Frames frames = TargetFrames(turns, places);
    double* to = Output(out, frames.count, 6);
    ForEach(frames, [&](std::int64_t t, const BodyView& body) {
      Write(step_.corrections().Pushes(body), to + 6 * t);
    });
  }
  void MoveWrists(const Array<float>& turns, const Array<float>& places, const Array<double>& by,
                  Array<float>& rotations) const {
    const Frames frames = TargetFrames(turns, places);
    const double* from = Input(by, frames.count, 6);
    Expect(rotations.size() == turns.size(), "rotations");
    float* to = rotations.mutable_data();
    const std::size_t row = step_.plan().rest.size();
    ForEach(frames, [&](std::int64_t t, const BodyView& body) {
      step_.corrections().MoveWrists(body, Read(from + 6 * t), to + row * t);
    });
  }
  // Hands and feet to their range, widened to what `free` has.
  void LimitEnds(const Array<float>& free, Array<float>& rotations) const {
    const std::size_t row = step_.plan().rest.size();
    Expect(free.size() == rotations.size() && rotations.size() % row == 0, "rotations");
    const float* from = free.data();
    float* to = rotations.mutable_data();
    const auto count = static_cast<std::size_t>(rotations.size()) / row;
    const py::gil_scoped_release released;
    for (std::size_t t = 0; t < count; ++t) step_.corrections().Limit(from + row * t, to + row * t);
  }

 private:
  struct Frames {
    std::int64_t count;
    std::size_t joints;
    const float *turns, *places;
    BodyView At(std::int64_t t) const { return {turns + 4 * joints * t, places + 3 * joints * t}; }
  };
  static Frames FramesOf(const Array<float>& turns, const Array<float>& places,
                         std::size_t joints) {
    const auto count = static_cast<std::int64_t>(turns.size() / (4 * joints));
    Expect(turns.size() == static_cast<py::ssize_t>(4 * joints * count), "turns");
    Expect(places.size() == static_cast<py::ssize_t>(3 * joints * count), "places");
    return {count, joints, turns.data(), places.data()};
  }
  Frames TargetFrames(const Array<float>& turns, const Array<float>& places) const {
    return FramesOf(turns, places, step_.plan().target_parents.size());
  }
  static const double* Input(const Array<double>& array, std::int64_t frames, std::size_t row) {
    Expect(array.size() == static_cast<py::ssize_t>(row * frames), "frames");
    return array.data();
  }
  static double* Output(Array<double>& array, std::int64_t frames, std::size_t row) {
    Expect(array.size() == static_cast<py::ssize_t>(row * frames), "out");
    return array.mutable_data();
  }
  static void Write(const Both& both, double* to) {
    std::copy(both[0].begin(), both[0].end(), to);
    std::copy(both[1].begin(), both[1].end(), to + 3);
  }
  static Both Read(const double* from) {
    return {{{from[0], from[1], from[2]}, {from[3], from[4], from[5]}}};
  }
  template <class Do>
  static void ForEach(const Frames& frames, Do&& work) {
    const py::gil_scoped_release released;
    for (std::int64_t t = 0; t < frames.count; ++t) work(t, frames.At(t));
  }

  std::mutex mutex_;
  RetargetStep step_;
};

}  // namespace

void AddRetarget(py::module_& m) {
  py::class_<BoundRetarget>(m, "RetargetStep")
      .def(py::init<const py::dict&>(), py::arg("plan"))
      .def("step", &BoundRetarget::Step, py::arg("source").noconvert(),
           py::arg("source_root").noconvert(), py::arg("dt_s"), py::arg("rotations").noconvert(),
           py::arg("root").noconvert())
      .def("spreads", &BoundRetarget::Spreads, py::arg("turns").noconvert(),
           py::arg("places").noconvert(), py::arg("out").noconvert())
      .def("spread", &BoundRetarget::Spread, py::arg("turns").noconvert(),
           py::arg("places").noconvert(), py::arg("by").noconvert(),
           py::arg("rotations").noconvert())
      .def("reaches", &BoundRetarget::Reaches, py::arg("turns").noconvert(),
           py::arg("places").noconvert(), py::arg("out").noconvert())
      .def("touches", &BoundRetarget::Touches, py::arg("source_turns").noconvert(),
           py::arg("source_places").noconvert(), py::arg("turns").noconvert(),
           py::arg("places").noconvert(), py::arg("reaches").noconvert(),
           py::arg("speeds").noconvert(), py::arg("out").noconvert())
      .def("limit_ends", &BoundRetarget::LimitEnds, py::arg("free").noconvert(),
           py::arg("rotations").noconvert())
      .def("pushes", &BoundRetarget::Pushes, py::arg("turns").noconvert(),
           py::arg("places").noconvert(), py::arg("out").noconvert())
      .def("move_wrists", &BoundRetarget::MoveWrists, py::arg("turns").noconvert(),
           py::arg("places").noconvert(), py::arg("by").noconvert(),
           py::arg("rotations").noconvert());
}

}  // namespace twinsdk
