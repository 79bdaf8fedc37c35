// The recurrent network's step, and matrices of small networks.
#include "twinsdk/recurrent.hpp"

#include <initializer_list>
#include <memory>
#include <string>

#include "arrays.hpp"
#include "twinsdk/half_matrix.hpp"

namespace twinsdk {
namespace {

Isa IsaNamed(const std::string& name) {
  const Isa isa = name == "base" ? Isa::kBase : name == "avx2" ? Isa::kAvx2 : Isa::kAvx512;
  Expect((name == "base" || name == "avx2" || name == "avx512") && Supported(isa), "isa");
  return isa;
}

py::ssize_t ScratchSize(std::int64_t width, std::int64_t hidden, std::int64_t layers,
                        std::int64_t heads) {
  return RecurrentScratchSize({width, hidden, layers, heads});
}

void BindStep(std::int64_t width, std::int64_t hidden, std::int64_t layers, std::int64_t heads,
              const Array<std::uint16_t>& matrices, const Array<float>& biases,
              const Array<float>& mean, const Array<float>& scale, const Array<float>& rows,
              const Array<float>& ticks, Array<float>& state, Array<float>& out,
              Array<float>& scratch, const std::string& isa) {
  const RecurrentSizes sizes = {width, hidden, layers, heads};
  for (const std::int64_t size : {width, hidden, layers, heads}) {
    Expect(size > 0 && size <= 1 << 16, "sizes");
  }
  const std::int64_t people = ticks.size();
  Expect(matrices.size() == RecurrentMatrixSize(sizes), "matrices");
  Expect(biases.size() == RecurrentBiasSize(sizes), "biases");
  Expect(mean.size() == width && scale.size() == width, "mean, scale");
  Expect(rows.size() == people * width, "rows");
  Expect(state.size() == people * layers * hidden, "state");
  Expect(out.size() == people * heads, "out");
  Expect(scratch.size() == RecurrentScratchSize(sizes), "scratch");
  const RecurrentJob job = {sizes,
                            people,
                            matrices.data(),
                            biases.data(),
                            mean.data(),
                            scale.data(),
                            rows.data(),
                            ticks.data(),
                            state.mutable_data(),
                            out.mutable_data(),
                            scratch.mutable_data()};
  const Isa variant = IsaNamed(isa);
  const py::gil_scoped_release release;
  StepRecurrent(job, variant);
}

std::unique_ptr<HalfMatrix> BuildHalf(const Array<std::uint16_t>& values) {
  Expect(HalfSupported(), "this machine");
  Expect(values.ndim() == 2, "values");
  return std::make_unique<HalfMatrix>(values.shape(0), values.shape(1), values.data());
}

Array<float> BindTimes(const HalfMatrix& matrix, const Array<float>& row) {
  Expect(row.size() == matrix.inputs(), "row");
  Array<float> out(matrix.outputs());
  matrix.Times(row.data(), out.mutable_data());
  return out;
}

}  // namespace

void AddRecurrent(py::module_& m) {
  m.def("half_supported", &HalfSupported);
  py::class_<HalfMatrix>(m, "HalfMatrix")
      .def(py::init(&BuildHalf), py::arg("values").noconvert())
      .def("times", &BindTimes, py::arg("row").noconvert());
  m.def("recurrent_scratch_size", &ScratchSize, py::kw_only(), py::arg("width"), py::arg("hidden"),
        py::arg("layers"), py::arg("heads"));
  m.def("recurrent_step", &BindStep, py::kw_only(), py::arg("width"), py::arg("hidden"),
        py::arg("layers"), py::arg("heads"), py::arg("matrices").noconvert(),
        py::arg("biases").noconvert(), py::arg("mean").noconvert(), py::arg("scale").noconvert(),
        py::arg("rows").noconvert(), py::arg("ticks").noconvert(), py::arg("state").noconvert(),
        py::arg("out").noconvert(), py::arg("scratch").noconvert(), py::arg("isa"));
}

}  // namespace twinsdk
