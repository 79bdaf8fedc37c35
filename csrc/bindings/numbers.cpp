// Numbers of files: parse, format, finite or not, angles to rotations.
#include "twinsdk/numbers.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "arrays.hpp"
#include "twinsdk/euler.hpp"

namespace twinsdk {
namespace {

// Whether `value` can be used as it is: float32, C-contiguous, finite, of that shape.
bool IsF32(py::handle value, const py::tuple& shape) {
  if (!Has(value, shape)) return false;
  const auto array = py::reinterpret_borrow<py::array>(value);
  return AllFinite(static_cast<const float*>(array.data()), array.size());
}

py::tuple BindParse(const py::buffer& text, Array<double>& out) {
  const py::buffer_info bytes = text.request();
  Expect(bytes.itemsize == 1 && bytes.ndim == 1 && bytes.strides[0] == 1, "text");
  double* numbers = out.mutable_data();
  const std::int64_t capacity = out.size();
  ParsedNumbers parsed = {};
  {
    const py::gil_scoped_release release;
    parsed = ParseNumbers(static_cast<const char*>(bytes.ptr), static_cast<std::size_t>(bytes.size),
                          numbers, capacity);
  }
  return py::make_tuple(parsed.count, parsed.consumed);
}

void BindEuler(const Array<double>& degrees, const Array<std::int64_t>& columns,
               const std::array<int, 3>& axes, Array<float>& rotations) {
  Expect(degrees.ndim() == 2 && columns.ndim() == 2 && columns.shape(1) == 3, "columns");
  const std::int64_t frames = degrees.shape(0), row = degrees.shape(1), joints = columns.shape(0);
  Expect(rotations.size() == frames * joints * 4, "rotations");
  const std::int64_t* column = columns.data();
  for (std::int64_t n = 0; n < 3 * joints; ++n) {
    Expect(column[n] >= 0 && column[n] < row, "columns");
  }
  std::array<int, 3> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  Expect(sorted == std::array<int, 3>{0, 1, 2}, "axes");
  const EulerJob job = {frames,
                        row,
                        static_cast<std::int32_t>(joints),
                        degrees.data(),
                        column,
                        {axes[0], axes[1], axes[2]},
                        rotations.mutable_data()};
  const py::gil_scoped_release release;
  RotationsFromEuler(job);
}

py::bytes BindFormat(const Array<double>& rows, int decimals) {
  Expect(rows.ndim() == 2 && decimals >= 0 && decimals <= kMostDecimals, "rows");
  const std::int64_t columns = rows.shape(1);
  const std::int64_t count = rows.size();
  const double* values = rows.data();
  std::string text;
  {
    const py::gil_scoped_release release;
    char number[kNumberBytes + 1];
    text.reserve(static_cast<std::size_t>(count) * (decimals + 6));
    for (std::int64_t i = 0; i < count; ++i) {
      const std::size_t size = FormatNumber(values[i], decimals, number);
      number[size] = (i + 1) % columns == 0 ? '\n' : ' ';
      text.append(number, size + 1);
    }
  }
  return py::bytes(text);
}

}  // namespace

void AddNumbers(py::module_& m) {
  m.def("is_f32", &IsF32, py::arg("value"), py::arg("shape"));
  m.def("parse_numbers", &BindParse, py::arg("text"), py::arg("out").noconvert());
  m.def("rotations_from_euler", &BindEuler, py::arg("degrees").noconvert(),
        py::arg("columns").noconvert(), py::arg("axes"), py::arg("rotations").noconvert());
  m.def("format_numbers", &BindFormat, py::arg("rows").noconvert(), py::arg("decimals"));
}

}  // namespace twinsdk
