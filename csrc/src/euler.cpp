#include "twinsdk/euler.hpp"

#include <cmath>

namespace twinsdk {
namespace {

struct SineCosine {
  float sine, cosine;
};

// To the nearest whole number below 2^51, by the rounding of an addition; no call.
constexpr double kRounding = 6755399441055744.0;  // 1.5 * 2^52
// Of files, and so that a cast to an integer is defined; what is larger or NaN counts as 0.
constexpr double kMostDegrees = 1e12;

// Of half of `degrees`. Quarter turns are taken off in double, so that no angle is too large; the
// rest, within an eighth of a turn, by Taylor to the 9th and 8th power: error below 4e-8.
inline SineCosine Half(double degrees) {
  if (!(std::fabs(degrees) < kMostDegrees)) degrees = 0;
  const double quarters = (degrees * (1.0 / 180) + kRounding) - kRounding;
  const auto x = static_cast<float>((degrees - 180 * quarters) * (3.14159265358979323846 / 360));
  const float y = x * x;
  const float s =
      x * (1 + y * (-1.0f / 6 + y * (1.0f / 120 + y * (-1.0f / 5040 + y * (1.0f / 362880)))));
  const float c = 1 + y * (-0.5f + y * (1.0f / 24 + y * (-1.0f / 720 + y * (1.0f / 40320))));
  // Half of 180 degrees is a quarter turn: sine and cosine change places.
  const auto folded = static_cast<int>(static_cast<std::int64_t>(quarters) & 3);
  const float first = folded & 1 ? c : s, second = folded & 1 ? s : c;
  return {folded >= 2 ? -first : first, folded == 1 || folded == 2 ? -second : second};
}

}  // namespace

void RotationsFromEuler(const EulerJob& job) noexcept {
  const int i = job.axes[0], j = job.axes[1], k = job.axes[2];
  const float odd = (j - i + 3) % 3 == 1 ? 1.0f : -1.0f;
  float* out = job.rotations;
  const double* row = job.degrees;
  for (std::int64_t t = 0; t < job.frames; ++t, row += job.row) {
    const std::int64_t* column = job.columns;
    for (std::int32_t n = 0; n < job.joints; ++n, column += 3, out += 4) {
      const SineCosine a = Half(row[column[0]]), b = Half(row[column[1]]), c = Half(row[column[2]]);
      const float cc = b.cosine * c.cosine, ss = b.sine * c.sine;
      const float cs = b.cosine * c.sine, sc = b.sine * c.cosine;
      const float w = a.cosine * cc - odd * a.sine * ss;
      const float sign = w < 0 ? -1.0f : 1.0f;
      out[i] = sign * (a.sine * cc + odd * a.cosine * ss);
      out[j] = sign * (a.cosine * sc - odd * a.sine * cs);
      out[k] = sign * (a.cosine * cs + odd * a.sine * sc);
      out[3] = sign * w;
    }
  }
}

}  // namespace twinsdk
