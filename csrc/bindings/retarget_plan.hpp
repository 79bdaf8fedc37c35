// The retargeting plan as Python writes it.
#ifndef TWINSDK_BINDINGS_RETARGET_PLAN_HPP_
#define TWINSDK_BINDINGS_RETARGET_PLAN_HPP_

#include <pybind11/pybind11.h>

#include "twinsdk/retarget.hpp"

namespace twinsdk {

// Throws std::invalid_argument where a size or a joint is none of the plan's.
RetargetStep StepFrom(const pybind11::dict& given);

}  // namespace twinsdk

#endif  // TWINSDK_BINDINGS_RETARGET_PLAN_HPP_
