// What this machine allows one thread: multiply-adds a second, bytes a second from its caches.
//   limits VERTICES JOINTS_PER_BLOCK
// prints, in microseconds and as JSON, the least time of the multiply-adds and of the memory
// traffic that linear skinning of so many vertices cannot avoid. benchmarks/skinning.py builds
// it with -march=native and runs it beside the kernels.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int kWide = 16;
#elif defined(__AVX__)
constexpr int kWide = 8;
#else
constexpr int kWide = 4;
#endif
typedef float Wide __attribute__((vector_size(kWide * sizeof(float)), aligned(4), may_alias));

double Seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

template <class Work>
double LeastMicroseconds(const Work& work) {
  double least = 1e9;
  work();
  for (const double end = Seconds() + 0.5; Seconds() < end;) {
    const double start = Seconds();
    work();
    least = std::min(least, Seconds() - start);
  }
  return 1e6 * least;
}

// Multiply-adds of registers alone, twelve independent sums.
void MultiplyAdds(long count, Wide* sums, const Wide& factor) {
  Wide own[12];
  std::copy(sums, sums + 12, own);
  for (long i = 0; i < count; i += 12) {
#pragma GCC unroll 12
    for (int k = 0; k < 12; ++k) own[k] = own[k] * factor + factor;
  }
  std::copy(own, own + 12, sums);
}

// Reads `streams` arrays and writes the sum: the kernel's mix with no arithmetic to speak of.
void Pass(const std::vector<std::vector<float>>& from, std::vector<float>* to) {
  const long count = static_cast<long>(to->size()) / kWide * kWide;
  for (long i = 0; i < count; i += kWide) {
    Wide sum = {};
    for (const auto& array : from) sum += *reinterpret_cast<const Wide*>(array.data() + i);
    *reinterpret_cast<Wide*>(to->data() + i) = sum;
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) return 2;
  const long vertices = std::atol(words[1]);
  const double joints = std::atof(words[2]);
  const long adds = static_cast<long>(static_cast<double>(vertices) / kWide * joints * 12);
  Wide sums[12];
  for (int k = 0; k < 12; ++k) sums[k] = Wide{} + static_cast<float>(k);
  volatile float factor = 0.5f;
  const Wide by = Wide{} + factor;
  const double compute = LeastMicroseconds([&] { MultiplyAdds(adds, sums, by); });
  // Positions and weights are read, positions written: 12 + 4 a joint, and 12 bytes a vertex.
  const int streams = static_cast<int>((12 + 4 * joints) / 12 + 0.5);
  std::vector<float> to(3 * vertices);
  const std::vector<std::vector<float>> from(streams, to);
  const double raw = LeastMicroseconds([&] { Pass(from, &to); });
  const double traffic = raw * (24 + 4 * joints) / (12 * (streams + 1.0));
  for (int k = 1; k < 12; ++k) sums[0] += sums[k];
  volatile float used = sums[0][0] + sums[0][kWide - 1] + to[0];  // keeps the work alive
  (void)used;
  std::printf("{\"multiply-adds\": %.1f, \"memory traffic\": %.1f}\n", compute, traffic);
}
