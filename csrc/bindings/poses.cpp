// The kernels of one pose: quaternions, forward kinematics, the codec, two-bone limbs.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "arrays.hpp"
#include "twinsdk/kinematics.hpp"
#include "twinsdk/pose_codec.hpp"
#include "twinsdk/quaternions.hpp"
#include "twinsdk/two_bone.hpp"

namespace twinsdk {
namespace {

// Items of long arrays from which on releasing the GIL pays.
constexpr std::int64_t kLong = 4096;

template <class Function>
void WithoutGilIfLong(std::int64_t count, Function function) {
  if (count < kLong) return function();
  const py::gil_scoped_release release;
  function();
}

// World rotations and positions, or None where a rotation or a root is not float32, C-contiguous
// and of the shapes (..., J, 4) and (..., 3).
py::object BindForward(const Array<std::int32_t>& parents, const Array<float>& rest_translations,
                       py::handle rotations, py::handle root_translations) {
  const std::int64_t joints = parents.size();
  Expect(joints > 0 && rest_translations.size() == 3 * joints, "rest_translations");
  if (!Array<float>::check_(rotations) || !Array<float>::check_(root_translations)) {
    return py::none();
  }
  const auto local = py::reinterpret_borrow<Array<float>>(rotations);
  const auto roots = py::reinterpret_borrow<Array<float>>(root_translations);
  const py::ssize_t lead = local.ndim() - 2;
  if (lead < 0 || roots.ndim() != lead + 1 || roots.shape(lead) != 3 ||
      local.shape(lead) != joints || local.shape(lead + 1) != 4 ||
      !std::equal(local.shape(), local.shape() + lead, roots.shape())) {
    return py::none();
  }
  std::vector<py::ssize_t> shape(local.shape(), local.shape() + local.ndim());
  Array<float> world_rotations(shape);
  shape.back() = 3;
  Array<float> world_positions(shape);
  const ForwardJob job = {roots.size() / 3,
                          static_cast<std::int32_t>(joints),
                          parents.data(),
                          rest_translations.data(),
                          local.data(),
                          roots.data(),
                          world_rotations.mutable_data(),
                          world_positions.mutable_data()};
  WithoutGilIfLong(local.size() / 4, [&job] { ForwardKinematics(job); });
  return py::make_tuple(world_rotations, world_positions);
}

// Calls a codec over arrays of which each item is `from` and `to` numbers long.
template <class In, class Out>
void Convert(void (*codec)(const In*, std::int64_t, Out*), const Array<In>& from, Array<Out>& to,
             int in_size, int out_size) {
  const std::int64_t count = from.size() / in_size;
  Expect(from.size() == count * in_size && to.size() == count * out_size, "out");
  const In* in = from.data();
  Out* out = to.mutable_data();
  // Half a microsecond of work: releasing the GIL would cost as much.
  codec(in, count, out);
}

void BindEncode48(const Array<float>& rotations, Array<std::uint16_t>& out) {
  Convert(&Encode48, rotations, out, 4, 3);
}
void BindDecode48(const Array<std::uint16_t>& words, Array<float>& out) {
  Convert(&Decode48, words, out, 3, 4);
}
void BindEncode32(const Array<float>& rotations, Array<std::uint32_t>& out) {
  Convert(&Encode32, rotations, out, 4, 1);
}
void BindDecode32(const Array<std::uint32_t>& words, Array<float>& out) {
  Convert(&Decode32, words, out, 1, 4);
}
void BindEncodeUnit8(const Array<float>& weights, Array<std::uint8_t>& out) {
  Convert(&EncodeUnit8, weights, out, 1, 1);
}
void BindDecodeUnit8(const Array<std::uint8_t>& codes, Array<float>& out) {
  Convert(&DecodeUnit8, codes, out, 1, 1);
}

void BindMultiply(const Array<float>& a, const Array<float>& b, Array<float>& out) {
  Expect(a.size() % 4 == 0 && b.size() == a.size() && out.size() == a.size(), "out");
  const float *left = a.data(), *right = b.data();
  float* to = out.mutable_data();
  const std::int64_t count = a.size() / 4;
  WithoutGilIfLong(count, [=] { MultiplyQuaternions(left, right, count, to); });
}

void BindRotate(const Array<float>& q, const Array<float>& v, Array<float>& out) {
  const std::int64_t count = q.size() / 4;
  Expect(q.size() == 4 * count && v.size() == 3 * count && out.size() == v.size(), "out");
  const float *turns = q.data(), *vectors = v.data();
  float* to = out.mutable_data();
  WithoutGilIfLong(count, [=] { RotateVectors(turns, vectors, count, to); });
}

// `value` at unit length, or None where it is not float32 of that shape, C-contiguous and unit to
// the tolerance.
py::object BindUnit(py::handle value, const py::tuple& shape, float tolerance) {
  if (!Has(value, shape)) return py::none();
  const auto q = py::reinterpret_borrow<Array<float>>(value);
  Expect(q.ndim() > 0 && q.shape(q.ndim() - 1) == 4, "value");
  Array<float> out(std::vector<py::ssize_t>(q.shape(), q.shape() + q.ndim()));
  const float* from = q.data();
  float* to = out.mutable_data();
  bool unit = false;
  WithoutGilIfLong(q.size() / 4,
                   [&] { unit = UnitQuaternions(from, q.size() / 4, tolerance, to); });
  if (!unit) return py::none();
  return out;
}

void BindNormalize(const Array<float>& q, Array<float>& out) {
  Expect(q.size() % 4 == 0 && out.size() == q.size(), "out");
  const float* from = q.data();
  float* to = out.mutable_data();
  const std::int64_t count = q.size() / 4;
  WithoutGilIfLong(count, [=] { NormalizeQuaternions(from, count, to); });
}

void BindTwoBone(const Array<float>& roots, const Array<float>& middles, const Array<float>& tips,
                 const Array<float>& targets, const Array<float>& poles, float softness,
                 Array<float>& upper, Array<float>& lower) {
  const std::int64_t frames = roots.size() / 3;
  for (const Array<float>* points : {&roots, &middles, &tips, &targets, &poles}) {
    Expect(points->size() == 3 * frames, "points");
  }
  Expect(upper.size() == 4 * frames && lower.size() == 4 * frames, "upper, lower");
  const TwoBoneJob job = {frames,      roots.data(),         middles.data(),
                          tips.data(), targets.data(),       poles.data(),
                          softness,    upper.mutable_data(), lower.mutable_data()};
  const py::gil_scoped_release release;
  SolveTwoBone(job);
}

}  // namespace

void AddPoses(py::module_& m) {
  m.def("forward_kinematics", &BindForward, py::arg("parents").noconvert(),
        py::arg("rest_translations").noconvert(), py::arg("rotations"),
        py::arg("root_translations"));
  m.def("encode48", &BindEncode48, py::arg("rotations").noconvert(), py::arg("out").noconvert());
  m.def("decode48", &BindDecode48, py::arg("words").noconvert(), py::arg("out").noconvert());
  m.def("encode32", &BindEncode32, py::arg("rotations").noconvert(), py::arg("out").noconvert());
  m.def("decode32", &BindDecode32, py::arg("words").noconvert(), py::arg("out").noconvert());
  m.def("encode_unit8", &BindEncodeUnit8, py::arg("weights").noconvert(),
        py::arg("out").noconvert());
  m.def("decode_unit8", &BindDecodeUnit8, py::arg("codes").noconvert(), py::arg("out").noconvert());
  m.def("multiply_quaternions", &BindMultiply, py::arg("a").noconvert(), py::arg("b").noconvert(),
        py::arg("out").noconvert());
  m.def("rotate_vectors", &BindRotate, py::arg("q").noconvert(), py::arg("v").noconvert(),
        py::arg("out").noconvert());
  m.def("unit_quaternions", &BindUnit, py::arg("value"), py::arg("shape"), py::arg("tolerance"));
  m.def("normalize_quaternions", &BindNormalize, py::arg("q").noconvert(),
        py::arg("out").noconvert());
  m.def("two_bone", &BindTwoBone, py::kw_only(), py::arg("roots").noconvert(),
        py::arg("middles").noconvert(), py::arg("tips").noconvert(), py::arg("targets").noconvert(),
        py::arg("poles").noconvert(), py::arg("softness"), py::arg("upper").noconvert(),
        py::arg("lower").noconvert());
}

}  // namespace twinsdk
