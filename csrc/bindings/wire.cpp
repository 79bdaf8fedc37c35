// One layout of the pose message: read a message, write a message.
#include "twinsdk/wire.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
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
    const Bytes bytes(message);
    if (bytes.size() != layout_.size) {
      return py::int_(static_cast<std::int32_t>(WireFault::kOtherLayout));
    }
    Array<float> rotations({static_cast<py::ssize_t>(layout_.joints), py::ssize_t{4}});
    Array<float> weights(static_cast<py::ssize_t>(layout_.expressions));
    Array<float> sure(static_cast<py::ssize_t>(layout_.joints));
    WireValues v = {};
    // Two microseconds of work: releasing the GIL would cost as much.
    const WireFault fault =
        ReadPose(layout_, bytes.data(), bytes.size(), &v, rotations.mutable_data(),
                 weights.mutable_data(), sure.mutable_data());
    if (fault != WireFault::kNone) return py::int_(static_cast<std::int32_t>(fault));
    return py::make_tuple(v.session, v.avatar, v.sequence, v.captured_ns, v.sent_ns, v.descriptor,
                          v.state, v.confidence, Array<float>(py::ssize_t{3}, v.root),
                          std::move(rotations), std::move(weights), std::move(sure));
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

 private:
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
      .def("write", &BoundPose::Write, py::arg("rotations").noconvert(),
           py::arg("expressions").noconvert(), py::arg("joint_confidence").noconvert(),
           py::arg("root").noconvert(), py::arg("avatar"), py::arg("sequence"),
           py::arg("t_capture_ns"), py::arg("t_send_ns"), py::arg("state"), py::arg("confidence"));
}

}  // namespace twinsdk
