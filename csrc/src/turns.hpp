// Vectors and unit quaternions (xyzw) in doubles, for the kernels that work on one body at a time.
#ifndef TWINSDK_TURNS_HPP_
#define TWINSDK_TURNS_HPP_

#include <algorithm>
#include <array>
#include <cmath>

namespace twinsdk {

using Vec = std::array<double, 3>;
using Quat = std::array<double, 4>;

inline Vec operator+(const Vec& a, const Vec& b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }
inline Vec operator-(const Vec& a, const Vec& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
inline Vec operator*(double s, const Vec& a) { return {s * a[0], s * a[1], s * a[2]}; }
inline double Dot(const Vec& a, const Vec& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
inline double Length(const Vec& a) { return std::sqrt(Dot(a, a)); }
inline Vec Cross(const Vec& a, const Vec& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
inline Vec Scaled(const Vec& a, const Vec& b) { return {a[0] * b[0], a[1] * b[1], a[2] * b[2]}; }
inline Vec Point3(const float* p) { return {p[0], p[1], p[2]}; }
inline Quat Turn(const float* q) { return {q[0], q[1], q[2], q[3]}; }
inline Quat Conjugate(const Quat& q) { return {-q[0], -q[1], -q[2], q[3]}; }

template <class T>
std::array<T, 4> Multiply(const std::array<T, 4>& a, const std::array<T, 4>& b) {
  return {a[3] * b[0] + b[3] * a[0] + (a[1] * b[2] - a[2] * b[1]),
          a[3] * b[1] + b[3] * a[1] + (a[2] * b[0] - a[0] * b[2]),
          a[3] * b[2] + b[3] * a[2] + (a[0] * b[1] - a[1] * b[0]),
          a[3] * b[3] - (a[0] * b[0] + a[1] * b[1] + a[2] * b[2])};
}

inline Vec Rotate(const Quat& q, const Vec& v) {
  const Vec u = {q[0], q[1], q[2]};
  const Vec t = 2 * Cross(u, v);
  return v + q[3] * t + Cross(u, t);
}

inline Quat About(const Vec& axis, double radians) {
  const double s = std::sin(radians / 2);
  return {axis[0] * s, axis[1] * s, axis[2] * s, std::cos(radians / 2)};
}

// Of a rotation matrix, row by row. Shepperd 1978: the largest of the four components first.
inline Quat QuaternionOf(const double* m) {
  const double trace = m[0] + m[4] + m[8];
  Quat q;
  if (trace >= m[0] && trace >= m[4] && trace >= m[8]) {
    q = {m[7] - m[5], m[2] - m[6], m[3] - m[1], 1 + trace};
  } else {
    int i = m[4] > m[0] ? 1 : 0;
    if (m[8] > m[4 * i]) i = 2;
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    q[i] = 1 + m[4 * i] - m[4 * j] - m[4 * k];
    q[j] = m[3 * i + j] + m[3 * j + i];
    q[k] = m[3 * i + k] + m[3 * k + i];
    q[3] = m[3 * k + j] - m[3 * j + k];
  }
  const double size = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  for (double& x : q) x /= size;
  return q;
}

// The rotation whose axis is `vector` and whose angle is its length.
inline Quat FromVector(const Vec& vector) {
  const double angle = Length(vector);
  return angle < 1e-12 ? Quat{0, 0, 0, 1} : About(1 / angle * vector, angle);
}

// Axis times angle, the angle in [0, pi].
inline Vec ToVector(const Quat& q) {
  const double sign = q[3] < 0 ? -1 : 1;
  const double sine = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2]);
  const double scale = sine > 1e-8 ? 2 * std::atan2(sine, sign * q[3]) / sine : 2;
  return {sign * scale * q[0], sign * scale * q[1], sign * scale * q[2]};
}

inline Quat Between(const Vec& u, const Vec& v) {
  const Vec c = Cross(u, v);
  const double w = std::sqrt(Dot(u, u) * Dot(v, v)) + Dot(u, v);
  const double norm = std::sqrt(Dot(c, c) + w * w);
  if (norm <= 1e-12) return {0, 0, 0, 1};
  return {c[0] / norm, c[1] / norm, c[2] / norm, w / norm};
}

// Law of cosines: the angle between sides `beside` and `base`.
inline double Corner(double beside, double base, double opposite) {
  const double cosine =
      (beside * beside + base * base - opposite * opposite) / std::max(2 * beside * base, 1e-12);
  return std::acos(std::clamp(cosine, -1.0, 1.0));
}

// World turns of both bones of a limb, to be multiplied from the left onto their own.
struct Bend {
  Quat upper, lower;
};

// Brings the end of a limb to `goal`. The bend keeps the plane the limb is in; a straight limb
// bends about its unit `hinge`. Near full reach the distance is eased, so that it never snaps; a
// limb that is straighter already stays so. The bones must have lengths. See ik.py.
inline Bend BendLimb(const Vec& start, const Vec& middle, const Vec& end, const Vec& goal,
                     const Vec& hinge) {
  constexpr double kStraight = 0.05, kSoft = 0.01;
  const Vec first = middle - start, second = end - middle, line = end - start;
  const Vec wanted = goal - start;
  const double a = Length(first), b = Length(second), d0 = Length(line), far = Length(wanted);
  const double soft = kSoft * (a + b), from = a + b - soft;
  const double eased = far > from ? a + b - soft * std::exp(-(far - from) / soft) : far;
  const double d1 =
      std::min(std::max(std::max(eased, std::min(far, d0)), std::fabs(a - b) + 1e-6), a + b - 1e-7);
  const Vec along = 1 / std::max(d0, 1e-12) * line;
  const Vec across = hinge - Dot(hinge, along) * along;
  const double corner = Corner(a, d1, b);
  const double more = corner - Corner(a, d0, b) + Corner(b, d1, a) - Corner(b, d0, a);
  Vec axis = 1 / (a * b) * Cross(first, second);
  const double bend = Length(axis) / kStraight;
  axis = axis + (kStraight * std::exp(-bend * bend) + std::max(more, 0.0)) * across;
  axis = 1 / std::max(Length(axis), 1e-12) * axis;
  const Vec bent = a * std::cos(corner) * along + a * std::sin(corner) * Cross(along, axis);
  const Quat swing = Between(line, wanted);
  return {Multiply(swing, Between(first, bent)),
          Multiply(swing, Between(second, d1 * along - bent))};
}

// Unit, w >= 0; what has no length is the identity.
inline void WriteUnit(const Quat& q, float* out) {
  const double size = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  const double scale = size > 1e-12 ? (q[3] < 0 ? -1 : 1) / size : 0;
  for (int k = 0; k < 4; ++k) out[k] = static_cast<float>(scale * q[k]);
  if (scale == 0) out[3] = 1;
}

}  // namespace twinsdk

#endif  // TWINSDK_TURNS_HPP_
