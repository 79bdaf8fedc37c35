// The compiled module: one line per file of this folder.
#include "arrays.hpp"

PYBIND11_MODULE(_kernel, m, pybind11::mod_gil_not_used()) {
  twinsdk::AddBody(m);
  twinsdk::AddLimbs(m);
  twinsdk::AddNumbers(m);
  twinsdk::AddPoses(m);
  twinsdk::AddRecurrent(m);
  twinsdk::AddRetarget(m);
  twinsdk::AddSkinning(m);
  twinsdk::AddWire(m);
}
