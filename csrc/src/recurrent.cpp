#include "twinsdk/recurrent.hpp"

#include <cmath>
#include <cstring>
#include <initializer_list>

#include "twinsdk/lanes.hpp"

namespace twinsdk {
namespace {

constexpr float kLargest = 6;  // standardised inputs are clamped to it

#if defined(TWINSDK_VECTOR_EXTENSION)
template <int W>
struct BitsOf {
  typedef std::uint16_t Short __attribute__((vector_size(W * sizeof(std::uint16_t))));
  typedef std::uint32_t Long __attribute__((vector_size(W * sizeof(std::uint32_t))));
};
#endif

// W numbers of bfloat16 as float32.
template <int W>
TWINSDK_INLINE Lanes<W> Widened(const std::uint16_t* from) {
#if defined(TWINSDK_VECTOR_EXTENSION)
  typename BitsOf<W>::Short bits16;
  std::memcpy(&bits16, from, sizeof bits16);
  const auto bits = __builtin_convertvector(bits16, typename BitsOf<W>::Long) << 16;
  return reinterpret_cast<Lanes<W>>(bits);
#else
  Lanes<W> lanes;
  for (int q = 0; q < W; ++q) {
    const std::uint32_t bits = std::uint32_t{from[q]} << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    lanes[q] = value;
  }
  return lanes;
#endif
}

// Walks through the matrices and biases in their order.
template <int W>
struct Layers {
  const std::uint16_t* matrix;
  const float* bias;

  // to (padded outputs) = the next matrix * from (inputs) + its bias.
  TWINSDK_INLINE void Next(const float* from, std::int64_t inputs, std::int64_t outputs,
                           float* to) {
    constexpr int kGroups = kRecurrentBlock / W < 8 ? kRecurrentBlock / W : 8;
    for (std::int64_t block = 0; block < PaddedOutputs(outputs); block += kRecurrentBlock) {
      for (int part = 0; part < kRecurrentBlock; part += kGroups * W) {
        Lanes<W> sum[kGroups];
        TWINSDK_UNROLL
        for (int g = 0; g < kGroups; ++g) sum[g] = Load<W>(bias + part + g * W);
        const std::uint16_t* column = matrix + part;
        for (std::int64_t k = 0; k < inputs; ++k, column += kRecurrentBlock) {
          const float x = from[k];
          TWINSDK_UNROLL
          for (int g = 0; g < kGroups; ++g) sum[g] += Widened<W>(column + g * W) * x;
        }
        TWINSDK_UNROLL
        for (int g = 0; g < kGroups; ++g) Store<W>(to + block + part + g * W, sum[g]);
      }
      matrix += inputs * kRecurrentBlock;
      bias += kRecurrentBlock;
    }
  }
};

TWINSDK_INLINE float Silu(float x) { return x / (1 + std::exp(-x)); }

// log(1 + exp x) without overflow.
TWINSDK_INLINE float Softplus(float x) {
  return (x > 0 ? x : 0) + std::log1p(std::exp(x > 0 ? -x : x));
}

TWINSDK_INLINE void Normalised(const float* from, std::int64_t count, float* to) {
  float square = 0;
  for (std::int64_t i = 0; i < count; ++i) square += from[i] * from[i];
  const float scale = 1 / std::sqrt(square / static_cast<float>(count) + 1e-6f);
  for (std::int64_t i = 0; i < count; ++i) to[i] = from[i] * scale;
}

template <int W>
TWINSDK_INLINE void StepOne(const RecurrentJob& job, std::int64_t person) {
  const RecurrentSizes& n = job.sizes;
  const std::int64_t hidden = n.hidden, wide = PaddedOutputs(3 * hidden);
  const float* row = job.rows + person * n.width;
  float* state = job.state + person * n.layers * hidden;
  float* x = job.scratch;
  const std::int64_t narrow = PaddedOutputs(hidden);
  float* normal = x + narrow;
  float* inner = normal + narrow;
  float* gates = inner + narrow;
  float* entered = gates + wide;  // also the padded outputs of the heads
  Layers<W> next = {job.matrices, job.biases};
  for (std::int64_t i = 0; i < n.width; ++i) {
    const float value = (row[i] - job.mean[i]) * job.scale[i];
    entered[i] = value < -kLargest ? -kLargest : value > kLargest ? kLargest : value;
  }
  next.Next(entered, n.width, hidden, x);
  for (std::int64_t i = 0; i < hidden; ++i) x[i] = Silu(x[i]);
  for (std::int64_t layer = 0; layer < n.layers; ++layer, state += hidden) {
    Normalised(x, hidden, normal);
    next.Next(normal, hidden, 3 * hidden, gates);
    for (std::int64_t i = 0; i < hidden; ++i) {
      const float keep = std::exp(-Softplus(gates[i]) * job.ticks[person]);
      state[i] = keep * state[i] + (1 - keep) * gates[hidden + i];
      inner[i] = state[i] * Silu(gates[2 * hidden + i]);
    }
    next.Next(inner, hidden, hidden, normal);
    for (std::int64_t i = 0; i < hidden; ++i) x[i] += normal[i];
    Normalised(x, hidden, normal);
    next.Next(normal, hidden, hidden, inner);
    for (std::int64_t i = 0; i < hidden; ++i) inner[i] = Silu(inner[i]);
    next.Next(inner, hidden, hidden, normal);
    for (std::int64_t i = 0; i < hidden; ++i) x[i] += normal[i];
  }
  Normalised(x, hidden, normal);
  next.Next(normal, hidden, hidden, inner);
  for (std::int64_t i = 0; i < hidden; ++i) inner[i] = Silu(inner[i]);
  next.Next(inner, hidden, n.heads, entered);
  std::memcpy(job.out + person * n.heads, entered,
              static_cast<std::size_t>(n.heads) * sizeof(float));
}

template <int W>
TWINSDK_INLINE void StepAll(const RecurrentJob& job) {
  for (std::int64_t person = 0; person < job.people; ++person) StepOne<W>(job, person);
}

#if defined(TWINSDK_X86_VARIANTS)
TWINSDK_TARGET_AVX2 void StepAvx2(const RecurrentJob& job) noexcept { StepAll<8>(job); }
TWINSDK_TARGET_AVX512 void StepAvx512(const RecurrentJob& job) noexcept { StepAll<16>(job); }
#endif

template <class Visit>
void EachLayer(const RecurrentSizes& n, const Visit& visit) {
  visit(n.width, n.hidden);
  for (std::int64_t layer = 0; layer < n.layers; ++layer) {
    visit(n.hidden, 3 * n.hidden);
    for (int k = 0; k < 3; ++k) visit(n.hidden, n.hidden);
  }
  visit(n.hidden, n.hidden);
  visit(n.hidden, n.heads);
}

}  // namespace

std::int64_t RecurrentMatrixSize(const RecurrentSizes& sizes) noexcept {
  std::int64_t size = 0;
  EachLayer(sizes, [&size](std::int64_t inputs, std::int64_t outputs) {
    size += inputs * PaddedOutputs(outputs);
  });
  return size;
}

std::int64_t RecurrentBiasSize(const RecurrentSizes& sizes) noexcept {
  std::int64_t size = 0;
  EachLayer(sizes, [&size](std::int64_t, std::int64_t outputs) { size += PaddedOutputs(outputs); });
  return size;
}

std::int64_t RecurrentScratchSize(const RecurrentSizes& n) noexcept {
  const std::int64_t last = PaddedOutputs(n.heads);
  return 3 * PaddedOutputs(n.hidden) + PaddedOutputs(3 * n.hidden) +
         (n.width > last ? n.width : last);
}

void StepRecurrent(const RecurrentJob& job, Isa isa) noexcept {
#if defined(TWINSDK_X86_VARIANTS)
  if (isa == Isa::kAvx512) return StepAvx512(job);
  if (isa == Isa::kAvx2) return StepAvx2(job);
#endif
  (void)isa;
  StepAll<4>(job);
}

}  // namespace twinsdk
