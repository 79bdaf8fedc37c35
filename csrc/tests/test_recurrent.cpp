// The recurrent network's step against a plain double-precision one, at awkward sizes.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "check.hpp"
#include "twinsdk/recurrent.hpp"

namespace twinsdk {
namespace {

float FromBits(std::uint16_t bits) {
  const std::uint32_t wide = std::uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

std::uint16_t ToBits(float value) {
  std::uint32_t wide;
  std::memcpy(&wide, &value, sizeof wide);
  return static_cast<std::uint16_t>(wide >> 16);
}

using Row = std::vector<double>;

// Walks through packed matrices as the header describes them.
struct Plain {
  const std::uint16_t* matrix;
  const float* bias;

  Row Next(const Row& from, std::int64_t outputs) {
    Row to(static_cast<std::size_t>(outputs));
    const std::int64_t inputs = static_cast<std::int64_t>(from.size());
    for (std::int64_t o = 0; o < outputs; ++o) {
      const std::int64_t block = o / kRecurrentBlock, lane = o % kRecurrentBlock;
      double sum = bias[o];
      for (std::int64_t k = 0; k < inputs; ++k) {
        sum += double{FromBits(matrix[(block * inputs + k) * kRecurrentBlock + lane])} * from[k];
      }
      to[o] = sum;
    }
    matrix += inputs * PaddedOutputs(outputs);
    bias += PaddedOutputs(outputs);
    return to;
  }
};

double Silu(double x) { return x / (1 + std::exp(-x)); }

Row Activated(Row row) {
  for (double& x : row) x = Silu(x);
  return row;
}

Row Normalised(Row row) {
  double square = 0;
  for (const double x : row) square += x * x;
  for (double& x : row) x /= std::sqrt(square / static_cast<double>(row.size()) + 1e-6);
  return row;
}

void Add(Row* to, const Row& more) {
  for (std::size_t i = 0; i < to->size(); ++i) (*to)[i] += more[i];
}

Row PlainStep(const RecurrentJob& job, Row* state) {
  const RecurrentSizes& n = job.sizes;
  Row x(static_cast<std::size_t>(n.width));
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = std::fmin(std::fmax((job.rows[i] - job.mean[i]) * job.scale[i], -6), 6);
  }
  Plain next = {job.matrices, job.biases};
  x = Activated(next.Next(x, n.hidden));
  for (std::int64_t layer = 0; layer < n.layers; ++layer) {
    const Row gates = next.Next(Normalised(x), 3 * n.hidden);
    Row inner(x.size());
    for (std::int64_t i = 0; i < n.hidden; ++i) {
      const double keep = std::exp(-std::log1p(std::exp(gates[i])) * job.ticks[0]);
      double& h = (*state)[layer * n.hidden + i];
      h = keep * h + (1 - keep) * gates[n.hidden + i];
      inner[i] = h * Silu(gates[2 * n.hidden + i]);
    }
    Add(&x, next.Next(inner, n.hidden));
    Add(&x, next.Next(Activated(next.Next(Normalised(x), n.hidden)), n.hidden));
  }
  const Row left = Activated(next.Next(Normalised(x), n.hidden));
  return next.Next(left, n.heads);
}

void StepsAgreeWithPlainOnes(Isa isa) {
  if (!Supported(isa)) return;
  const RecurrentSizes sizes = {37, 50, 2, 70};
  Random random(11);
  std::vector<std::uint16_t> matrices;
  const std::size_t count = static_cast<std::size_t>(RecurrentMatrixSize(sizes));
  for (std::size_t i = 0; i < count; ++i) matrices.push_back(ToBits(0.14f * random.Normal()));
  const auto biases = random.Normals(static_cast<std::size_t>(RecurrentBiasSize(sizes)));
  const auto mean = random.Normals(37), scale = random.Normals(37);
  std::vector<float> state(100), out(70);
  std::vector<float> scratch(static_cast<std::size_t>(RecurrentScratchSize(sizes)));
  Row plain_state(100);
  for (int frame = 0; frame < 10; ++frame) {
    const auto rows = random.Normals(37);
    const float ticks = 0.3f + static_cast<float>(random.Unit());
    const RecurrentJob job = {
        sizes,       1,      matrices.data(), biases.data(), mean.data(),   scale.data(),
        rows.data(), &ticks, state.data(),    out.data(),    scratch.data()};
    StepRecurrent(job, isa);
    const Row wanted = PlainStep(job, &plain_state);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      Check(std::fabs(out[i] - wanted[i]) < 1e-3 * (1 + std::fabs(wanted[i])),
            "a step is the plain step", out[i] - wanted[i]);
    }
  }
}

}  // namespace
}  // namespace twinsdk

int main() {
  for (const twinsdk::Isa isa : {twinsdk::Isa::kBase, twinsdk::Isa::kAvx2, twinsdk::Isa::kAvx512}) {
    twinsdk::StepsAgreeWithPlainOnes(isa);
  }
  return 0;
}
