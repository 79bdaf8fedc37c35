// One layout of the pose message: read a message, write a message.
#include "twinsdk/wire.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "arrays.hpp"

namespace twinsdk {
namespace {

// The bytes of whatever holds them, for as long as this lives.
class Bytes {
 public:
  explicit Bytes(const py::handle& holder) {
    if (PyObject_GetBuffer(holder.ptr(), &view_, PyBUF_SIMPLE) != 0) throw py::error_already_set();
  }
  ~Bytes() { PyBuffer_Release(&view_); }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  const std::uint8_t* data() const { return static_cast<const std::uint8_t*>(view_.buf); }
  std::size_t size() const { return static_cast<std::size_t>(view_.len); }

 private:
  Py_buffer view_;
};

// Names of the fields of TwinFrame, Pose and FrameHeader, made once and kept: looking a field up by
// an interned name compares no text.
struct Names {
  py::str avatar_id{Interned("avatar_id")}, sequence{Interned("sequence")},
      timestamp_ns{Interned("timestamp_ns")}, pose{Interned("pose")},
      expressions{Interned("expressions")}, confidence{Interned("confidence")},
      joint_confidence{Interned("joint_confidence")}, state{Interned("state")},
      skeleton{Interned("skeleton")}, rotations{Interned("rotations")},
      root_translation{Interned("root_translation")}, session{Interned("session")},
      descriptor{Interned("descriptor")}, codec{Interned("codec")},
      t_send_ns{Interned("t_send_ns")};

  static const Names& Get() {
    static const auto* const names = new Names;  // outlives the interpreter
    return *names;
  }

 private:
  static py::str Interned(const char* text) {
    return py::reinterpret_steal<py::str>(PyUnicode_InternFromString(text));
  }
};

// A dataclass without its checks: every value was proven when the message was read.
class Record {
 public:
  explicit Record(PyObject* kind)
      : made_(py::reinterpret_steal<py::object>(
            PyBaseObject_Type.tp_new(reinterpret_cast<PyTypeObject*>(kind), Nothing(), nullptr))) {
    if (!made_) throw py::error_already_set();
  }
  // Past the class's own __setattr__, which refuses, since its objects are frozen.
  void Set(const py::str& name, const py::handle& value) {
    if (PyObject_GenericSetAttr(made_.ptr(), name.ptr(), value.ptr()) != 0) {
      throw py::error_already_set();
    }
  }
  py::object Done() { return std::move(made_); }

 private:
  static PyObject* Nothing() {
    static PyObject* const nothing = PyTuple_New(0);
    return nothing;
  }
  py::object made_;
};

Array<float> Floats(const py::handle& holder, const py::str& name) {
  auto found = py::reinterpret_steal<py::object>(PyObject_GetAttr(holder.ptr(), name.ptr()));
  if (!found) throw py::error_already_set();
  if (!Array<float>::check_(found)) throw std::invalid_argument("frame: unexpected array");
  return py::reinterpret_steal<Array<float>>(found.release());
}

template <class T>
T Number(const py::handle& holder, const py::str& name) {
  auto found = py::reinterpret_steal<py::object>(PyObject_GetAttr(holder.ptr(), name.ptr()));
  if (!found) throw py::error_already_set();
  return found.cast<T>();
}

class BoundPose {
 public:
  BoundPose(const py::object& pattern, const py::object& mask,
            const std::array<std::size_t, kWireScalars>& scalars, std::int32_t codec,
            std::int64_t joints, std::int64_t expressions, std::size_t rotations_at,
            std::size_t expressions_at, std::size_t confidence_at) {
    const Bytes same(pattern), marked(mask);
    pattern_.assign(same.data(), same.data() + same.size());
    mask_.assign(marked.data(), marked.data() + marked.size());
    layout_ = {pattern_.size(), pattern_.data(), mask_.data(), static_cast<WireCodec>(codec),
               joints,          expressions,     {},           rotations_at,
               expressions_at,  confidence_at};
    std::copy(scalars.begin(), scalars.end(), layout_.scalars);
    Expect(mask_.size() == pattern_.size() && Sound(layout_), "layout");
  }
  BoundPose(const BoundPose&) = delete;
  BoundPose& operator=(const BoundPose&) = delete;

  py::object Read(const py::object& message) const {
    Parts p(layout_);
    const WireFault fault = Fill(message, &p);
    if (fault != WireFault::kNone) return py::int_(static_cast<std::int32_t>(fault));
    const WireValues& v = p.values;
    return py::make_tuple(v.session, v.avatar, v.sequence, v.captured_ns, v.sent_ns, v.descriptor,
                          v.state, v.confidence, Array<float>(py::ssize_t{3}, v.root),
                          std::move(p.rotations), std::move(p.weights), std::move(p.sure));
  }

  // As Read, but a TwinFrame and its FrameHeader: after a wait every line of Python runs on cold
  // caches, where the twenty that made them took 30 us. `kinds` are the three classes, the
  // skeleton, the states in the schema's order and the codec.
  py::object ReadFrame(const py::object& message, const py::tuple& kinds) const {
    Expect(kinds.size() == 6, "kinds");
    Parts p(layout_);
    const WireFault fault = Fill(message, &p);
    if (fault != WireFault::kNone) return py::int_(static_cast<std::int32_t>(fault));
    const Names& names = Names::Get();
    const WireValues& v = p.values;
    Record pose(PyTuple_GET_ITEM(kinds.ptr(), 1));
    pose.Set(names.skeleton, PyTuple_GET_ITEM(kinds.ptr(), 3));
    pose.Set(names.rotations, p.rotations);
    pose.Set(names.root_translation, Array<float>(py::ssize_t{3}, v.root));
    Record frame(PyTuple_GET_ITEM(kinds.ptr(), 0));
    frame.Set(names.avatar_id, py::int_(v.avatar));
    frame.Set(names.sequence, py::int_(v.sequence));
    frame.Set(names.timestamp_ns, py::int_(v.captured_ns));
    frame.Set(names.pose, pose.Done());
    frame.Set(names.expressions, p.weights);
    frame.Set(names.confidence, py::float_(v.confidence));
    frame.Set(names.joint_confidence, p.sure);
    frame.Set(names.state, py::tuple(kinds[4])[v.state]);
    Record header(PyTuple_GET_ITEM(kinds.ptr(), 2));
    header.Set(names.session, py::int_(v.session));
    header.Set(names.descriptor, py::int_(v.descriptor));
    header.Set(names.codec, PyTuple_GET_ITEM(kinds.ptr(), 5));
    header.Set(names.t_send_ns, py::int_(v.sent_ns));
    return py::make_tuple(frame.Done(), header.Done());
  }

  py::object Write(const Array<float>& rotations, const Array<float>& expressions,
                   const Array<float>& joint_confidence, const Array<float>& root,
                   std::uint32_t avatar, std::uint32_t sequence, std::int64_t t_capture_ns,
                   std::int64_t t_send_ns, std::uint8_t state, float confidence) const {
    Expect(rotations.size() == 4 * layout_.joints, "rotations");
    Expect(expressions.size() == layout_.expressions, "expressions");
    Expect(joint_confidence.size() == layout_.joints && root.size() == 3, "joint_confidence, root");
    const float* place = root.data();
    const WireValues values = {0,
                               avatar,
                               sequence,
                               t_capture_ns,
                               t_send_ns,
                               0,
                               state,
                               confidence,
                               {place[0], place[1], place[2]}};
    PyObject* made = PyBytes_FromStringAndSize(reinterpret_cast<const char*>(pattern_.data()),
                                               static_cast<py::ssize_t>(pattern_.size()));
    if (made == nullptr) throw py::error_already_set();
    WritePose(layout_, values, rotations.data(), expressions.data(), joint_confidence.data(),
              reinterpret_cast<std::uint8_t*>(PyBytes_AS_STRING(made)));
    return py::reinterpret_steal<py::object>(made);
  }

  // As Write, from a TwinFrame; `states` are in the schema's order.
  py::object WriteFrame(const py::object& frame, std::uint32_t avatar, std::int64_t t_send_ns,
                        const py::tuple& states) const {
    const Names& names = Names::Get();
    const py::object pose = frame.attr(names.pose), state = frame.attr(names.state);
    std::uint8_t which = 0;
    while (which < states.size() && PyTuple_GET_ITEM(states.ptr(), which) != state.ptr()) ++which;
    Expect(which < states.size(), "state");
    return Write(Floats(pose, names.rotations), Floats(frame, names.expressions),
                 Floats(frame, names.joint_confidence), Floats(pose, names.root_translation),
                 avatar, Number<std::uint32_t>(frame, names.sequence),
                 Number<std::int64_t>(frame, names.timestamp_ns), t_send_ns, which,
                 Number<float>(frame, names.confidence));
  }

 private:
  struct Parts {
    explicit Parts(const WireLayout& layout)
        : rotations({static_cast<py::ssize_t>(layout.joints), py::ssize_t{4}}),
          weights(static_cast<py::ssize_t>(layout.expressions)),
          sure(static_cast<py::ssize_t>(layout.joints)) {}
    WireValues values = {};
    Array<float> rotations, weights, sure;
  };

  // Two microseconds of work: releasing the GIL would cost as much.
  WireFault Fill(const py::object& message, Parts* p) const {
    const Bytes bytes(message);
    if (bytes.size() != layout_.size) return WireFault::kOtherLayout;
    return ReadPose(layout_, bytes.data(), bytes.size(), &p->values, p->rotations.mutable_data(),
                    p->weights.mutable_data(), p->sure.mutable_data());
  }

  std::vector<std::uint8_t> pattern_, mask_;
  WireLayout layout_ = {};
};

}  // namespace

void AddWire(py::module_& m) {
  py::class_<BoundPose>(m, "PoseWire")
      .def(py::init<const py::object&, const py::object&,
                    const std::array<std::size_t, kWireScalars>&, std::int32_t, std::int64_t,
                    std::int64_t, std::size_t, std::size_t, std::size_t>(),
           py::kw_only(), py::arg("pattern"), py::arg("mask"), py::arg("scalars"), py::arg("codec"),
           py::arg("joints"), py::arg("expressions"), py::arg("rotations_at"),
           py::arg("expressions_at"), py::arg("confidence_at"))
      .def("read", &BoundPose::Read, py::arg("message"))
      .def("read_frame", &BoundPose::ReadFrame, py::arg("message"), py::arg("kinds"))
      .def("write", &BoundPose::Write, py::arg("rotations").noconvert(),
           py::arg("expressions").noconvert(), py::arg("joint_confidence").noconvert(),
           py::arg("root").noconvert(), py::arg("avatar"), py::arg("sequence"),
           py::arg("t_capture_ns"), py::arg("t_send_ns"), py::arg("state"), py::arg("confidence"))
      .def("write_frame", &BoundPose::WriteFrame, py::arg("frame"), py::arg("avatar"),
           py::arg("t_send_ns"), py::arg("states"));
}

}  // namespace twinsdk
