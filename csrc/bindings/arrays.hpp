// What every binding needs: array types that convert nothing, and the size check.
//
// The door that checks shapes in words is twinsdk/core/kernel.py; sizes are compared here only so
// that a caller who bypasses it cannot reach foreign memory.
#ifndef TWINSDK_BINDINGS_ARRAYS_HPP_
#define TWINSDK_BINDINGS_ARRAYS_HPP_

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <stdexcept>
#include <string>

namespace twinsdk {

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style>;
template <class T>
using MaybeArray = std::optional<Array<T>>;

inline void Expect(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(std::string(what) + ": unexpected size");
}

// Whether `value` is float32, C-contiguous and of that shape; an item of the shape is an exact
// size, or text for any.
inline bool Has(py::handle value, const py::tuple& shape) {
  if (!Array<float>::check_(value)) return false;
  const auto array = py::reinterpret_borrow<py::array>(value);
  if (array.ndim() != static_cast<py::ssize_t>(shape.size())) return false;
  for (py::ssize_t i = 0; i < array.ndim(); ++i) {
    const py::handle wanted = PyTuple_GET_ITEM(shape.ptr(), i);
    if (PyUnicode_Check(wanted.ptr())) continue;
    if (py::cast<py::ssize_t>(wanted) != array.shape(i)) return false;
  }
  return true;
}

template <class T>
const T* DataOrNull(const MaybeArray<T>& array) {
  return array ? array->data() : nullptr;
}

template <class T>
T* MutableOrNull(MaybeArray<T>& array) {
  return array ? array->mutable_data() : nullptr;
}

// One per file of this folder: adds its kernels to the module.
void AddBody(py::module_& m);
void AddLimbs(py::module_& m);
void AddNumbers(py::module_& m);
void AddPoses(py::module_& m);
void AddRecurrent(py::module_& m);
void AddRetarget(py::module_& m);
void AddSkinning(py::module_& m);
void AddWire(py::module_& m);

}  // namespace twinsdk

#endif  // TWINSDK_BINDINGS_ARRAYS_HPP_
