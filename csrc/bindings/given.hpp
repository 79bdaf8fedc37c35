// Arguments as a caller gave them: taken as they are, or found unfit.
//
// Looking at an array in Python costs more than skinning a small mesh. So the doors hand over what
// they got. A binding that finds an argument unfit does nothing and returns None; its door then
// says in words what is wrong, or converts the argument and calls again.
#ifndef TWINSDK_BINDINGS_GIVEN_HPP_
#define TWINSDK_BINDINGS_GIVEN_HPP_

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "arrays.hpp"
#include "twinsdk/numbers.hpp"

namespace twinsdk {

// The dims before those of one frame: none, or T frames.
struct Lead {
  bool batch = false;
  std::int64_t frames = 1;
};

using Tail = std::initializer_list<std::int64_t>;  // the dims of one frame

// Whether `given` is a C-contiguous array of float32 shaped (tail) or (T, tail); tells which.
inline bool FindLead(py::handle given, const Tail& tail, Lead* lead) {
  if (!Array<float>::check_(given)) return false;
  const auto array = py::reinterpret_borrow<py::array>(given);
  const auto spare = array.ndim() - static_cast<py::ssize_t>(tail.size());
  if (spare != 0 && spare != 1) return false;
  lead->batch = spare == 1;
  lead->frames = spare == 1 ? array.shape(0) : 1;
  return std::equal(tail.begin(), tail.end(), array.shape() + spare);
}

inline bool Fits(py::handle given, const Tail& tail, const Lead& lead) {
  Lead found;
  return FindLead(given, tail, &found) && found.batch == lead.batch && found.frames == lead.frames;
}

// Points *data at the numbers of `given`, at null where it is None; false unless all are finite.
inline bool Read(py::handle given, const Tail& tail, const Lead& lead, const float** data) {
  *data = nullptr;
  if (given.is_none()) return true;
  if (!Fits(given, tail, lead)) return false;
  const auto array = py::reinterpret_borrow<py::array>(given);
  *data = static_cast<const float*>(array.data());
  return AllFinite(*data, array.size());
}

// The same for an array to fill.
inline bool Fill(py::handle given, const Tail& tail, const Lead& lead, float** data) {
  *data = nullptr;
  if (given.is_none()) return true;
  if (!Fits(given, tail, lead)) return false;
  auto array = py::reinterpret_borrow<py::array>(given);
  if (!array.writeable()) return false;
  *data = static_cast<float*>(array.mutable_data());
  return true;
}

// As Fill, but None becomes a new array.
inline bool FillOrMake(py::object* given, const Tail& tail, const Lead& lead, float** data) {
  if (given->is_none()) {
    std::vector<py::ssize_t> shape(tail.begin(), tail.end());
    if (lead.batch) shape.insert(shape.begin(), lead.frames);
    *given = Array<float>(shape);
  }
  return Fill(*given, tail, lead, data);
}

inline bool ReadInt(py::handle given, long least, long most, int* value) {
  if (!PyLong_CheckExact(given.ptr())) return false;
  int overflow = 0;
  const long found = PyLong_AsLongAndOverflow(given.ptr(), &overflow);
  *value = static_cast<int>(found);
  return overflow == 0 && least <= found && found <= most;
}

inline bool ReadBool(py::handle given, bool* value) {
  *value = given.ptr() == Py_True;
  return *value || given.ptr() == Py_False;
}

}  // namespace twinsdk

#endif  // TWINSDK_BINDINGS_GIVEN_HPP_
