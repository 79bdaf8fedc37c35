// Lanes: W floats computed side by side, and the 3 x W -> W x 3 interleave.
//
// With GCC and Clang a Lanes<W> is a vector-extension type; the compiler picks instructions by the
// target attribute of the function it is inlined into, so W should be that target's width (4 for
// SSE2 and NEON, 8 for AVX2, 16 for AVX-512). Elsewhere it is an array with loops.
// Everything here is force-inlined: a function of its own would be compiled for the baseline.
#ifndef TWINSDK_LANES_HPP_
#define TWINSDK_LANES_HPP_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "twinsdk/isa.hpp"

#if defined(__GNUC__) && !defined(TWINSDK_PLAIN_LANES)
#define TWINSDK_VECTOR_EXTENSION 1
#endif
#if defined(__GNUC__)
#define TWINSDK_INLINE inline __attribute__((always_inline))
#define TWINSDK_INLINE_LAMBDA __attribute__((always_inline))
#define TWINSDK_RESTRICT __restrict__
#else
#define TWINSDK_INLINE __forceinline
#define TWINSDK_INLINE_LAMBDA
#define TWINSDK_RESTRICT __restrict
#endif

// Before a loop of a few rounds over an array that must stay in registers.
#if defined(__clang__)
#define TWINSDK_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define TWINSDK_UNROLL _Pragma("GCC unroll 16")
#else
#define TWINSDK_UNROLL
#endif

namespace twinsdk {

#if defined(TWINSDK_VECTOR_EXTENSION)

template <int W>
struct LanesOf {
  typedef float Type __attribute__((vector_size(W * sizeof(float))));
  typedef float Unaligned __attribute__((vector_size(W * sizeof(float)), aligned(4), may_alias));
};
template <int W>
using Lanes = typename LanesOf<W>::Type;

template <int W>
TWINSDK_INLINE Lanes<W> Load(const float* from) {
  return *reinterpret_cast<const typename LanesOf<W>::Unaligned*>(from);
}

template <int W>
TWINSDK_INLINE void Store(float* to, const Lanes<W>& value) {
  *reinterpret_cast<typename LanesOf<W>::Unaligned*>(to) = value;
}

// chosen in the lanes where index[q] == wanted, other elsewhere.
template <int W>
TWINSDK_INLINE Lanes<W> ChosenWhere(const std::int32_t* index, std::int32_t wanted, float chosen,
                                    const Lanes<W>& other) {
  typedef std::int32_t Ints __attribute__((vector_size(W * sizeof(float)), aligned(4), may_alias));
  typedef std::int32_t Mask __attribute__((vector_size(W * sizeof(float))));
  const Mask same = *reinterpret_cast<const Ints*>(index) == wanted;
  return same ? chosen - Lanes<W>{} : other;
}

#else

template <int W>
struct Lanes {
  float lane[W];
  TWINSDK_INLINE float operator[](int q) const { return lane[q]; }
  TWINSDK_INLINE float& operator[](int q) { return lane[q]; }
};

#define TWINSDK_LANE_OPERATOR(op)                                             \
  template <int W>                                                            \
  TWINSDK_INLINE Lanes<W> operator op(const Lanes<W>& a, const Lanes<W>& b) { \
    Lanes<W> r;                                                               \
    for (int q = 0; q < W; ++q) r.lane[q] = a.lane[q] op b.lane[q];           \
    return r;                                                                 \
  }                                                                           \
  template <int W>                                                            \
  TWINSDK_INLINE Lanes<W> operator op(const Lanes<W>& a, float b) {           \
    Lanes<W> r;                                                               \
    for (int q = 0; q < W; ++q) r.lane[q] = a.lane[q] op b;                   \
    return r;                                                                 \
  }                                                                           \
  template <int W>                                                            \
  TWINSDK_INLINE Lanes<W> operator op(float a, const Lanes<W>& b) {           \
    Lanes<W> r;                                                               \
    for (int q = 0; q < W; ++q) r.lane[q] = a op b.lane[q];                   \
    return r;                                                                 \
  }                                                                           \
  template <int W, class T>                                                   \
  TWINSDK_INLINE Lanes<W>& operator op## = (Lanes<W> & a, const T& b) {       \
    a = a op b;                                                               \
    return a;                                                                 \
  }
TWINSDK_LANE_OPERATOR(+)
TWINSDK_LANE_OPERATOR(-)
TWINSDK_LANE_OPERATOR(*)
TWINSDK_LANE_OPERATOR(/)
#undef TWINSDK_LANE_OPERATOR

template <int W>
TWINSDK_INLINE Lanes<W> Load(const float* from) {
  Lanes<W> r;
  std::memcpy(r.lane, from, sizeof r.lane);
  return r;
}

template <int W>
TWINSDK_INLINE void Store(float* to, const Lanes<W>& value) {
  std::memcpy(to, value.lane, sizeof value.lane);
}

template <int W>
TWINSDK_INLINE Lanes<W> ChosenWhere(const std::int32_t* index, std::int32_t wanted, float chosen,
                                    const Lanes<W>& other) {
  Lanes<W> r;
  for (int q = 0; q < W; ++q) r[q] = index[q] == wanted ? chosen : other[q];
  return r;
}

#endif

// `value`, in a register of its own from here on where registers abound (AVX-512): the compiler may
// not load it again at each use.
template <int W>
TWINSDK_INLINE Lanes<W> Held(const Lanes<W>& value) {
  Lanes<W> held = value;
#if defined(TWINSDK_VECTOR_EXTENSION) && defined(TWINSDK_X86_VARIANTS)
  if constexpr (W == 16) asm("" : "+v"(held));
#endif
  return held;
}

template <int W>
TWINSDK_INLINE Lanes<W> Sqrt(const Lanes<W>& value) {
  alignas(64) float lane[W];
  Store<W>(lane, value);
  for (int q = 0; q < W; ++q) lane[q] = std::sqrt(lane[q]);
  return Load<W>(lane);
}

#if defined(TWINSDK_VECTOR_EXTENSION)

namespace detail {

// Across all 16 lanes: one shuffle brings each vertex's component to the lane where it is written,
// whichever of the three registers that is in; each register then picks from x, y and z by lane.
constexpr int Vertex(int component, int i) { return (i + 16 * ((component + 2 * i) % 3)) / 3; }
template <int C, int... I>
TWINSDK_INLINE Lanes<16> Placed(const Lanes<16>& v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v, v, Vertex(C, I)...);
}
template <int R, int... I>
TWINSDK_INLINE Lanes<16> Picked(const Lanes<16>& x, const Lanes<16>& y, const Lanes<16>& z,
                                std::integer_sequence<int, I...>) {
  const Lanes<16> xy = __builtin_shufflevector(x, y, ((16 * R + I) % 3 == 1 ? 16 + I : I)...);
  return __builtin_shufflevector(xy, z, ((16 * R + I) % 3 == 2 ? 16 + I : I)...);
}

// Within each 16 bytes: lanes P0 and P1 of a, then P2 and P3 of b; one instruction since SSE.
constexpr int InLaneIndex(int width, const int (&p)[4], int i) {
  return i / 4 * 4 + p[i % 4] + (i % 4 < 2 ? 0 : width);
}
template <int W, int P0, int P1, int P2, int P3, int... I>
TWINSDK_INLINE Lanes<W> InLane(const Lanes<W>& a, const Lanes<W>& b,
                               std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, InLaneIndex(W, {P0, P1, P2, P3}, I)...);
}

}  // namespace detail

// Writes x0 y0 z0 x1 ... to 3 W floats.
template <int W>
TWINSDK_INLINE void StoreInterleaved(float* to, const Lanes<W>& x, const Lanes<W>& y,
                                     const Lanes<W>& z) {
  const std::make_integer_sequence<int, W> lanes;
  if constexpr (W == 16) {
    const Lanes<W> px = detail::Placed<0>(x, lanes);
    const Lanes<W> py = detail::Placed<1>(y, lanes);
    const Lanes<W> pz = detail::Placed<2>(z, lanes);
    Store<W>(to, detail::Picked<0>(px, py, pz, lanes));
    Store<W>(to + W, detail::Picked<1>(px, py, pz, lanes));
    Store<W>(to + 2 * W, detail::Picked<2>(px, py, pz, lanes));
  } else {
    const Lanes<W> xxyy = detail::InLane<W, 0, 2, 0, 2>(x, y, lanes);
    const Lanes<W> yyzz = detail::InLane<W, 1, 3, 1, 3>(y, z, lanes);
    const Lanes<W> zzxx = detail::InLane<W, 0, 2, 1, 3>(z, x, lanes);
    const Lanes<W> first = detail::InLane<W, 0, 2, 0, 2>(xxyy, zzxx, lanes);   // x0 y0 z0 x1
    const Lanes<W> second = detail::InLane<W, 0, 2, 1, 3>(yyzz, xxyy, lanes);  // y1 z1 x2 y2
    const Lanes<W> third = detail::InLane<W, 1, 3, 1, 3>(zzxx, yyzz, lanes);   // z2 x3 y3 z3
    if constexpr (W == 8) {
      Store<W>(to, __builtin_shufflevector(first, second, 0, 1, 2, 3, 8, 9, 10, 11));
      Store<W>(to + W, __builtin_shufflevector(third, first, 0, 1, 2, 3, 12, 13, 14, 15));
      Store<W>(to + 2 * W, __builtin_shufflevector(second, third, 4, 5, 6, 7, 12, 13, 14, 15));
    } else {
      Store<W>(to, first);
      Store<W>(to + W, second);
      Store<W>(to + 2 * W, third);
    }
  }
}

#else

template <int W>
TWINSDK_INLINE void StoreInterleaved(float* to, const Lanes<W>& x, const Lanes<W>& y,
                                     const Lanes<W>& z) {
  for (int q = 0; q < W; ++q) {
    to[3 * q] = x[q];
    to[3 * q + 1] = y[q];
    to[3 * q + 2] = z[q];
  }
}

#endif

#if defined(TWINSDK_VECTOR_EXTENSION)

namespace detail {

// x and y side by side, in the order that costs one instruction: within each 16 bytes of x and y
// the low (or high) halves.
constexpr int PairIndex(int width, int high, int i) {
  return i / 4 * 4 + 2 * high + i % 4 / 2 + i % 2 * width;
}
template <int W, int H, int... I>
TWINSDK_INLINE Lanes<W> Pairs(const Lanes<W>& x, const Lanes<W>& y,
                              std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(x, y, PairIndex(W, H, I)...);
}

}  // namespace detail

// Writes vertex q to row[q] of an array of 3-float rows; a negative row is skipped.
template <int W>
TWINSDK_INLINE void StoreScattered(float* to, const std::int32_t* row, const Lanes<W>& x,
                                   const Lanes<W>& y, const Lanes<W>& z) {
  // Pieces of 8 and 4 bytes, each within one vector stored before: a reload across two stalls.
  const std::make_integer_sequence<int, W> lanes;
  alignas(64) float pair[2][W];
  alignas(64) float third[W];
  Store<W>(pair[0], detail::Pairs<W, 0>(x, y, lanes));
  Store<W>(pair[1], detail::Pairs<W, 1>(x, y, lanes));
  Store<W>(third, z);
  for (int q = 0; q < W; ++q) {
    if (row[q] < 0) continue;
    float* vertex = to + 3 * static_cast<std::ptrdiff_t>(row[q]);
    std::memcpy(vertex, pair[q % 4 / 2] + q / 4 * 4 + q % 2 * 2, 2 * sizeof(float));
    vertex[2] = third[q];
  }
}

#else

// Writes vertex q to row[q] of an array of 3-float rows; a negative row is skipped.
template <int W>
TWINSDK_INLINE void StoreScattered(float* to, const std::int32_t* row, const Lanes<W>& x,
                                   const Lanes<W>& y, const Lanes<W>& z) {
  for (int q = 0; q < W; ++q) {
    if (row[q] < 0) continue;
    float* vertex = to + 3 * static_cast<std::ptrdiff_t>(row[q]);
    vertex[0] = x[q];
    vertex[1] = y[q];
    vertex[2] = z[q];
  }
}

#endif

}  // namespace twinsdk

#endif  // TWINSDK_LANES_HPP_
