#include "twinsdk/two_bone.hpp"

#include <cmath>

namespace twinsdk {
namespace {

// Doubles inside: the bend angle near full extension is a square root of a small difference.
struct Vec {
  double x, y, z;
};
inline Vec operator+(Vec a, Vec b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vec operator-(Vec a, Vec b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vec operator*(double s, Vec a) { return {s * a.x, s * a.y, s * a.z}; }
inline double Dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vec Cross(Vec a, Vec b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
inline double Length(Vec a) { return std::sqrt(Dot(a, a)); }
inline Vec Read(const float* from) { return {from[0], from[1], from[2]}; }

constexpr double kTiny = 1e-9;

// The part of `v` perpendicular to unit `axis`, made unit; zero if there is none.
Vec Across(Vec v, Vec axis) {
  const Vec across = v - Dot(v, axis) * axis;
  const double length = Length(across);
  return length > 1e-6 * (Length(v) + kTiny) ? 1 / length * across : Vec{0, 0, 0};
}

Vec AnyAcross(Vec axis) {
  return Across(std::fabs(axis.x) < 0.8 ? Vec{1, 0, 0} : Vec{0, 1, 0}, axis);
}

void WriteIdentity(float* q) {
  q[0] = q[1] = q[2] = 0;
  q[3] = 1;
}

// The rotation that takes the frame (unit a0, unit b0 across it) onto (a1, b1).
void WriteFrameTurn(Vec a0, Vec b0, Vec a1, Vec b1, float* q) {
  const Vec c0 = Cross(a0, b0), c1 = Cross(a1, b1);
  const double m[3][3] = {
      {a1.x * a0.x + b1.x * b0.x + c1.x * c0.x, a1.x * a0.y + b1.x * b0.y + c1.x * c0.y,
       a1.x * a0.z + b1.x * b0.z + c1.x * c0.z},
      {a1.y * a0.x + b1.y * b0.x + c1.y * c0.x, a1.y * a0.y + b1.y * b0.y + c1.y * c0.y,
       a1.y * a0.z + b1.y * b0.z + c1.y * c0.z},
      {a1.z * a0.x + b1.z * b0.x + c1.z * c0.x, a1.z * a0.y + b1.z * b0.y + c1.z * c0.y,
       a1.z * a0.z + b1.z * b0.z + c1.z * c0.z}};
  // Shepperd 1978: the largest of the four components first.
  const double trace = m[0][0] + m[1][1] + m[2][2];
  double v[4];
  if (trace >= m[0][0] && trace >= m[1][1] && trace >= m[2][2]) {
    v[0] = m[2][1] - m[1][2];
    v[1] = m[0][2] - m[2][0];
    v[2] = m[1][0] - m[0][1];
    v[3] = 1 + trace;
  } else {
    int i = m[1][1] > m[0][0] ? 1 : 0;
    if (m[2][2] > m[i][i]) i = 2;
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    v[i] = 1 + m[i][i] - m[j][j] - m[k][k];
    v[j] = m[i][j] + m[j][i];
    v[k] = m[i][k] + m[k][i];
    v[3] = m[k][j] - m[j][k];
  }
  const double size = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2] + v[3] * v[3]);
  const double scale = (v[3] < 0 ? -1 : 1) / size;
  for (int i = 0; i < 4; ++i) q[i] = static_cast<float>(scale * v[i]);
}

double Softened(double wanted, double limb, double softness) {
  const double ease = softness * limb;
  if (ease <= 0) return wanted < limb ? wanted : limb;
  const double from = limb - ease;
  return wanted <= from ? wanted : limb - ease * std::exp(-(wanted - from) / ease);
}

}  // namespace

void SolveTwoBone(const TwoBoneJob& job) noexcept {
  for (std::int64_t t = 0; t < job.frames; ++t) {
    float* upper_turn = job.upper + 4 * t;
    float* lower_turn = job.lower + 4 * t;
    WriteIdentity(upper_turn);
    WriteIdentity(lower_turn);
    const Vec root = Read(job.roots + 3 * t), middle = Read(job.middles + 3 * t);
    const Vec tip = Read(job.tips + 3 * t), target = Read(job.targets + 3 * t);
    const Vec upper = middle - root, lower = tip - middle;
    const double a = Length(upper), b = Length(lower);
    if (a < kTiny || b < kTiny) continue;

    const Vec reach = target - root;
    const double wanted = Length(reach);
    // A target on the root leaves the direction open: the limb keeps its own.
    const Vec held = tip - root;
    const double span = Length(held);
    Vec aim =
        wanted > kTiny ? 1 / wanted * reach : (span > kTiny ? 1 / span * held : 1 / a * upper);
    double distance = Softened(wanted, a + b, job.softness);
    const double least = std::fabs(a - b);
    if (distance < least) distance = least;

    Vec bend = Across(Read(job.poles + 3 * t), aim);
    if (Dot(bend, bend) == 0) bend = Across(upper, aim);
    if (Dot(bend, bend) == 0) bend = AnyAcross(aim);

    // Law of cosines for the angle at the root.
    double cosine = 1;
    if (distance > kTiny) cosine = (a * a + distance * distance - b * b) / (2 * a * distance);
    cosine = cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
    const double sine = std::sqrt(1 - cosine * cosine);
    const Vec new_middle = root + (a * cosine) * aim + (a * sine) * bend;
    const Vec new_tip = root + distance * aim;

    // Each bone turns as a frame: its own axis and the axis the limb bends about.
    const Vec old_upper = 1 / a * upper, old_lower = 1 / b * lower;
    const Vec new_upper = 1 / a * (new_middle - root);
    const Vec raw_lower = new_tip - new_middle;
    const double raw = Length(raw_lower);
    const Vec new_lower = raw > kTiny ? 1 / raw * raw_lower : -1 * new_upper;
    const Vec new_hinge = Cross(aim, bend);
    Vec old_hinge = Cross(old_lower, old_upper);
    const double turn = Length(old_hinge);
    // A straight limb has no hinge of its own; the new one, made perpendicular, turns it least.
    old_hinge = turn > 1e-5 ? 1 / turn * old_hinge : Across(new_hinge, old_upper);
    if (Dot(old_hinge, old_hinge) == 0) old_hinge = AnyAcross(old_upper);
    Vec lower_hinge = Across(old_hinge, old_lower);
    if (Dot(lower_hinge, lower_hinge) == 0) lower_hinge = AnyAcross(old_lower);
    WriteFrameTurn(old_upper, Across(old_hinge, old_upper), new_upper, Across(new_hinge, new_upper),
                   upper_turn);
    WriteFrameTurn(old_lower, lower_hinge, new_lower, Across(new_hinge, new_lower), lower_turn);
  }
}

}  // namespace twinsdk
