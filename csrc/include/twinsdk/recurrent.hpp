// One step of a gated linear recurrence network: rows in, outputs and the next state out.
//
// For every person: x = silu(enter(clamp((row - mean) * scale))); each layer adds
// out(h * silu(gate)) with h = keep h + (1 - keep) candidate, keep = exp(-softplus(rate) ticks),
// (rate, candidate, gate) = gates(norm(x)), and then down(silu(up(norm(x)))); left =
// silu(leave(norm(x))); outputs are heads(left) and widen(narrow(left)). norm divides by the root
// mean square.
//
// Matrices are bfloat16 (the upper half of a float32), cut into blocks of 64 outputs: block after
// block, in each input after input, 64 outputs side by side; outputs are padded with zeros. So a
// step reads them once from front to back. Their order: enter, (gates, out, up, down) a layer,
// leave, heads, narrow, widen. Biases are float32 in the same order, padded alike.
#ifndef TWINSDK_RECURRENT_HPP_
#define TWINSDK_RECURRENT_HPP_

#include <cstddef>
#include <cstdint>

#include "twinsdk/isa.hpp"

namespace twinsdk {

inline constexpr std::int64_t kRecurrentBlock = 64;

struct RecurrentSizes {
  std::int64_t width, hidden, layers, heads;
};

inline std::int64_t PaddedOutputs(std::int64_t outputs) {
  return (outputs + kRecurrentBlock - 1) / kRecurrentBlock * kRecurrentBlock;
}

// How many numbers all matrices, all biases and the scratch of a step have.
std::int64_t RecurrentMatrixSize(const RecurrentSizes& sizes) noexcept;
std::int64_t RecurrentBiasSize(const RecurrentSizes& sizes) noexcept;
std::int64_t RecurrentScratchSize(const RecurrentSizes& sizes) noexcept;

struct RecurrentJob {
  RecurrentSizes sizes;
  std::int64_t people;
  const std::uint16_t* matrices;
  const float* biases;
  const float* mean;   // (width)
  const float* scale;  // (width)
  const float* rows;   // (people, width)
  const float* ticks;  // (people), of 1/30 s
  float* state;        // (people, layers, hidden), in and out
  float* out;          // (people, heads)
  float* scratch;      // RecurrentScratchSize
};

void StepRecurrent(const RecurrentJob& job, Isa isa) noexcept;

}  // namespace twinsdk

#endif  // TWINSDK_RECURRENT_HPP_
