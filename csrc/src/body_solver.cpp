#include "twinsdk/body_solver.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace twinsdk {
namespace {

constexpr double kNearest = 0.05;  // metres before the camera
constexpr double kMostTurn = 0.5;  // radians of one step: beyond, the linear model says nothing
constexpr int kRetries = 6;
constexpr std::int32_t kBias = 3, kFirstTurn = 4;

void MatrixOf(const double* q, double* m) {
  const double x = q[0], y = q[1], z = q[2], w = q[3];
  m[0] = 1 - 2 * (y * y + z * z), m[1] = 2 * (x * y - z * w), m[2] = 2 * (x * z + y * w);
  m[3] = 2 * (x * y + z * w), m[4] = 1 - 2 * (x * x + z * z), m[5] = 2 * (y * z - x * w);
  m[6] = 2 * (x * z - y * w), m[7] = 2 * (y * z + x * w), m[8] = 1 - 2 * (x * x + y * y);
}

void Multiply3(const double* a, const double* b, double* out) {
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      out[3 * i + j] = a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j] + a[3 * i + 2] * b[6 + j];
    }
  }
}

void Apply(const double* m, const double* v, double* out) {
  for (int i = 0; i < 3; ++i) out[i] = m[3 * i] * v[0] + m[3 * i + 1] * v[1] + m[3 * i + 2] * v[2];
}

void MultiplyQuaternion(const double* a, const double* b, double* out) {
  out[0] = a[3] * b[0] + a[0] * b[3] + a[1] * b[2] - a[2] * b[1];
  out[1] = a[3] * b[1] - a[0] * b[2] + a[1] * b[3] + a[2] * b[0];
  out[2] = a[3] * b[2] + a[0] * b[1] - a[1] * b[0] + a[2] * b[3];
  out[3] = a[3] * b[3] - a[0] * b[0] - a[1] * b[1] - a[2] * b[2];
}

// The rotation vector of a unit quaternion, the short way round.
void VectorOf(const double* q, double* v) {
  const double sign = q[3] < 0 ? -1 : 1;
  const double sine = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2]);
  const double grow = sign * (sine < 1e-9 ? 2.0 : 2 * std::atan2(sine, sign * q[3]) / sine);
  for (int i = 0; i < 3; ++i) v[i] = grow * q[i];
}

// How a rotation vector changes with a turn about the joint's own axes.
// Source: Chirikjian 2012, "Stochastic models, information theory, and Lie groups" 2, eq. 10.86.
void RightInverse(const double* v, double* m) {
  const double x = v[0], y = v[1], z = v[2];
  const double square = x * x + y * y + z * z;
  double factor = 0;
  if (square >= 1e-8) {
    const double half = std::sqrt(square) / 2;
    factor = (1 - half / std::tan(half)) / square;
  }
  // skew * skew = v v^T - v.v I
  m[0] = 1 - factor * (y * y + z * z), m[1] = -z / 2 + factor * x * y,
  m[2] = y / 2 + factor * x * z;
  m[3] = z / 2 + factor * x * y, m[4] = 1 - factor * (x * x + z * z),
  m[5] = -x / 2 + factor * y * z;
  m[6] = -y / 2 + factor * x * z, m[7] = x / 2 + factor * y * z,
  m[8] = 1 - factor * (x * x + y * y);
}

// Factor the lower triangle of `a`, rows `stride` apart, in place: a = l l^T. False where it is not
// positive definite.
bool Factor(double* a, std::int32_t n, std::int32_t stride) {
  for (std::int32_t i = 0; i < n; ++i) {
    double* row = a + i * stride;
    for (std::int32_t j = 0; j <= i; ++j) {
      const double* other = a + j * stride;
      double sum = row[j];
      for (std::int32_t k = 0; k < j; ++k) sum -= row[k] * other[k];
      if (j < i) {
        row[j] = sum / other[j];
      } else {
        if (!(sum > 0)) return false;
        row[i] = std::sqrt(sum);
      }
    }
  }
  return true;
}

void Forwards(const double* l, std::int32_t n, std::int32_t stride, double* x) {
  for (std::int32_t i = 0; i < n; ++i) {
    double sum = x[i];
    for (std::int32_t k = 0; k < i; ++k) sum -= l[i * stride + k] * x[k];
    x[i] = sum / l[i * stride + i];
  }
}

void Backwards(const double* l, std::int32_t n, std::int32_t stride, double* x) {
  for (std::int32_t i = n - 1; i >= 0; --i) {
    double sum = x[i];
    for (std::int32_t k = i + 1; k < n; ++k) sum -= l[k * stride + i] * x[k];
    x[i] = sum / l[i * stride + i];
  }
}

// Geman and McClure: adds to the cost, returns the weight.
double Robust(double square, double scale, double& cost) {
  const double rest = 1 / (1 + square / (scale * scale));
  cost += square * rest;
  return rest * rest;
}

}  // namespace

BodySolver::BodySolver(BodyTopology topology)
    : topology_(std::move(topology)), width_(topology_.unknowns + topology_.segments) {
  const std::size_t joints = topology_.parents.size(), points = topology_.point_joints.size();
  const auto width = static_cast<std::size_t>(width_);
  for (State* state : {&state_, &trial_}) state->rotations.resize(4 * joints);
  for (System* system : {&system_, &next_}) {
    system->normal.resize(width * width);
    system->gradient.resize(width);
    system->residuals.resize(6 * points);
  }
  world_.resize(9 * joints);
  places_.resize(3 * joints);
  step_.resize(width);
  factor_.resize(width * width);
  columns_.resize(3 * width);
  active_.resize(width);
}

void BodySolver::Forward(const BodyProblem& problem, const State& state) noexcept {
  const std::size_t joints = topology_.parents.size();
  for (std::size_t j = 0; j < joints; ++j) {
    double local[9];
    MatrixOf(&state.rotations[4 * j], local);
    const std::int32_t parent = topology_.parents[j];
    if (parent < 0) {
      std::copy(local, local + 9, &world_[9 * j]);
      std::copy(state.root, state.root + 3, &places_[3 * j]);
      continue;
    }
    Multiply3(&world_[9 * parent], local, &world_[9 * j]);
    Apply(&world_[9 * parent], problem.offsets + 3 * j, &places_[3 * j]);
    for (int i = 0; i < 3; ++i) places_[3 * j + i] += places_[3 * parent + i];
  }
}

void BodySolver::AddPoints(const BodyProblem& problem, const State& state, bool lengths,
                           System& system) noexcept {
  const auto points = static_cast<std::int32_t>(topology_.point_joints.size());
  for (std::int32_t p = 0; p < points; ++p) {
    const double *seen = problem.seen + 5 * p, *anchor = problem.anchors + 6 * p;
    double* r = &system.residuals[6 * p];
    const std::int32_t carrier = topology_.point_joints[p];
    double at[3];
    Apply(&world_[9 * carrier], problem.points + 3 * p, at);
    for (int i = 0; i < 3; ++i) at[i] += places_[3 * carrier + i];
    const double away = std::max(-at[2], kNearest);
    r[0] = seen[2] * (at[0] / away - seen[0]);
    r[1] = seen[2] * (at[1] / away - seen[1]);
    r[2] = seen[4] * (at[2] - state.root[2] - state.bias - seen[3]);
    for (int i = 0; i < 3; ++i) r[3 + i] = anchor[3 + i] * (at[i] - anchor[i]);

    double w[6];
    w[0] = w[1] = Robust(r[0] * r[0] + r[1] * r[1], problem.ray_scale, system.cost);
    w[2] = Robust(r[2] * r[2], problem.depth_scale, system.cost);
    w[3] = w[4] = w[5] =
        Robust(r[3] * r[3] + r[4] * r[4] + r[5] * r[5], problem.anchor_scale, system.cost);

    // Columns: how the point moves with each unknown that moves it.
    std::int32_t count = 0;
    const auto column = [&](std::int32_t unknown, double x, double y, double z) {
      std::int32_t k = 0;
      while (k < count && active_[k] != unknown) ++k;
      if (k == count) {
        active_[count++] = unknown;
        columns_[3 * k] = columns_[3 * k + 1] = columns_[3 * k + 2] = 0;
      }
      columns_[3 * k] += x, columns_[3 * k + 1] += y, columns_[3 * k + 2] += z;
    };
    column(0, 1, 0, 0), column(1, 0, 1, 0), column(2, 0, 0, 1), column(kBias, 0, 0, 0);
    for (std::int32_t j = carrier; j >= 0; j = topology_.parents[j]) {
      const double* m = &world_[9 * j];
      const double* place = &places_[3 * j];
      const double lever[3] = {at[0] - place[0], at[1] - place[1], at[2] - place[2]};
      for (int axis = 0; axis < 3; ++axis) {
        const std::int32_t unknown = topology_.unknown[3 * j + axis];
        if (unknown < 0) continue;
        const double s = topology_.share[3 * j + axis];
        const double x = s * m[axis], y = s * m[3 + axis], z = s * m[6 + axis];
        column(unknown, y * lever[2] - z * lever[1], z * lever[0] - x * lever[2],
               x * lever[1] - y * lever[0]);
      }
      const std::int32_t segment = topology_.segment[j], parent = topology_.parents[j];
      if (!lengths || segment < 0 || parent < 0) continue;
      double along[3];
      Apply(&world_[9 * parent], problem.offsets + 3 * j, along);
      column(topology_.unknowns + segment, along[0], along[1], along[2]);
    }

    double rows[6][64];
    const std::int32_t kinds = lengths ? 3 : 6;
    for (std::int32_t k = 0; k < count; ++k) {
      const double* c = &columns_[3 * k];
      rows[0][k] = seen[2] / away * (c[0] + at[0] / away * c[2]);
      rows[1][k] = seen[2] / away * (c[1] + at[1] / away * c[2]);
      // Depth is told against the root, and all depths together may be off.
      const std::int32_t unknown = active_[k];
      rows[2][k] = seen[4] * (c[2] - (unknown == 2 || unknown == kBias ? 1.0 : 0.0));
      for (int i = 0; i < 3; ++i) rows[3 + i][k] = anchor[3 + i] * c[i];
    }
    for (std::int32_t a = 0; a < kinds; ++a) {
      if (a < 2 ? seen[2] == 0 : a == 2 ? seen[4] == 0 : anchor[a] == 0) continue;
      for (std::int32_t k = 0; k < count; ++k) {
        const double weighted = w[a] * rows[a][k];
        system.gradient[active_[k]] += weighted * r[a];
        for (std::int32_t l = 0; l < count; ++l) {
          if (active_[l] <= active_[k]) {
            system.normal[active_[k] * width_ + active_[l]] += weighted * rows[a][l];
          }
        }
      }
    }
  }
}

void BodySolver::AddJoint(const BodyProblem& problem, std::int32_t joint, const double* rotation,
                          bool forecast, System& system) noexcept {
  double own[3], ahead[3], value[3][3], weight[3][3];
  VectorOf(rotation, own);
  const double* f = problem.forecast + 4 * joint;
  const double back[4] = {-f[0], -f[1], -f[2], f[3]};
  double between[4];
  MultiplyQuaternion(back, rotation, between);
  VectorOf(between, ahead);
  for (int i = 0; i < 3; ++i) {
    const std::int32_t at = 3 * joint + i;
    const double beyond =
        std::min(own[i] - topology_.low[at], 0.0) + std::max(own[i] - topology_.high[at], 0.0);
    value[0][i] = ahead[i], weight[0][i] = forecast ? problem.forecast_weights[at] : 0;
    value[1][i] = own[i] - problem.neutral[at], weight[1][i] = problem.neutral_weights[at];
    value[2][i] = beyond, weight[2][i] = beyond != 0 ? problem.limit_weight : 0;
  }
  for (int term = 0; term < 3; ++term) {
    double turn[9];
    RightInverse(term == 0 ? ahead : own, turn);
    for (int i = 0; i < 3; ++i) {
      const double s = weight[term][i];
      if (s == 0) continue;
      const double residual = s * value[term][i];
      system.cost += residual * residual;
      for (int a = 0; a < 3; ++a) {
        const std::int32_t row = topology_.unknown[3 * joint + a];
        if (row < 0) continue;
        const double left = s * turn[3 * i + a] * topology_.share[3 * joint + a];
        system.gradient[row] += left * residual;
        for (int b = 0; b < 3; ++b) {
          const std::int32_t column = topology_.unknown[3 * joint + b];
          if (column < 0 || column > row) continue;
          system.normal[row * width_ + column] +=
              left * s * turn[3 * i + b] * topology_.share[3 * joint + b];
        }
      }
    }
  }
}

void BodySolver::Assemble(const BodyProblem& problem, const State& state, bool lengths,
                          System& system) noexcept {
  std::fill(system.normal.begin(), system.normal.end(), 0.0);
  std::fill(system.gradient.begin(), system.gradient.end(), 0.0);
  system.cost = 0;
  Forward(problem, state);
  AddPoints(problem, state, lengths, system);
  const double bias = problem.bias_weight * problem.bias_weight;
  system.normal[kBias * width_ + kBias] += bias;
  system.gradient[kBias] += bias * state.bias;
  system.cost += bias * state.bias * state.bias;
  for (int i = 0; i < 3 && !lengths; ++i) {
    const double square = problem.root_weights[i] * problem.root_weights[i];
    const double behind = state.root[i] - problem.root[i];
    system.normal[i * width_ + i] += square;
    system.gradient[i] += square * behind;
    system.cost += square * behind * behind;
  }
  const auto joints = static_cast<std::int32_t>(topology_.parents.size());
  for (std::int32_t j = 0; j < joints; ++j) {
    AddJoint(problem, j, &state.rotations[4 * j], !lengths, system);
  }
}

bool BodySolver::Step(const System& system, double damping) noexcept {
  const std::int32_t n = topology_.unknowns;
  for (std::int32_t i = 0; i < n; ++i) {
    std::copy_n(&system.normal[i * width_], i + 1, &factor_[i * width_]);
    factor_[i * width_ + i] *= 1 + damping;
    factor_[i * width_ + i] += 1e-9;
    step_[i] = -system.gradient[i];
  }
  if (!Factor(factor_.data(), n, width_)) return false;
  Forwards(factor_.data(), n, width_, step_.data());
  Backwards(factor_.data(), n, width_, step_.data());
  return true;
}

void BodySolver::Move(const State& from, State& to) noexcept {
  const std::size_t joints = topology_.parents.size();
  double largest = kMostTurn;
  for (std::size_t i = 0; i < 3 * joints; ++i) {
    const std::int32_t unknown = topology_.unknown[i];
    if (unknown >= 0) largest = std::max(largest, std::fabs(step_[unknown] * topology_.share[i]));
  }
  const double scale = kMostTurn / largest;
  for (int i = 0; i < 3; ++i) to.root[i] = from.root[i] + scale * step_[i];
  to.bias = from.bias + scale * step_[kBias];
  for (std::size_t j = 0; j < joints; ++j) {
    double v[3];
    for (int a = 0; a < 3; ++a) {
      const std::int32_t unknown = topology_.unknown[3 * j + a];
      v[a] = unknown < 0 ? 0 : scale * step_[unknown] * topology_.share[3 * j + a];
    }
    const double angle = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    const double grow = angle < 1e-9 ? 0.5 : std::sin(angle / 2) / angle;
    const double turn[4] = {grow * v[0], grow * v[1], grow * v[2], std::cos(angle / 2)};
    double* q = &to.rotations[4 * j];
    MultiplyQuaternion(&from.rotations[4 * j], turn, q);
    const double size = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
    for (int i = 0; i < 4; ++i) q[i] /= size;
  }
}

void BodySolver::Information(const BodyProblem& problem, const State& state, double* information,
                             double* downhill) noexcept {
  const std::int32_t n = topology_.unknowns, segments = topology_.segments;
  Assemble(problem, state, true, next_);
  std::fill(information, information + segments * segments, 0.0);
  std::fill(downhill, downhill + segments, 0.0);
  double* normal = next_.normal.data();
  double* gradient = next_.gradient.data();
  for (std::int32_t i = 0; i < n; ++i) normal[i * width_ + i] += problem.loose;
  if (!Factor(normal, n, width_)) return;
  // Each length's row, and the gradient, in the factor's own coordinates: products are Schur's.
  Forwards(normal, n, width_, gradient);
  for (std::int32_t s = 0; s < segments; ++s)
    Forwards(normal, n, width_, normal + (n + s) * width_);
  for (std::int32_t s = 0; s < segments; ++s) {
    const double* row = normal + (n + s) * width_;
    double down = -gradient[n + s];
    for (std::int32_t k = 0; k < n; ++k) down += row[k] * gradient[k];
    downhill[s] = down;
    for (std::int32_t t = 0; t <= s; ++t) {
      const double* other = normal + (n + t) * width_;
      double sum = row[n + t];
      for (std::int32_t k = 0; k < n; ++k) sum -= row[k] * other[k];
      information[s * segments + t] = information[t * segments + s] = sum;
    }
  }
}

double BodySolver::Solve(const BodyProblem& problem, double* rotations, double* root,
                         double* residuals, double* information, double* downhill) noexcept {
  std::copy_n(rotations, state_.rotations.size(), state_.rotations.data());
  std::copy_n(root, 3, state_.root);
  state_.bias = 0;
  double damping = problem.damping;
  Assemble(problem, state_, false, system_);
  for (std::int32_t i = 0; i < problem.iterations; ++i) {
    bool better = false;
    for (int retry = 0; retry < kRetries && !better; ++retry) {
      if (Step(system_, damping)) {
        Move(state_, trial_);
        Assemble(problem, trial_, false, next_);
        better = next_.cost <= system_.cost;
      }
      if (!better) damping = std::max(damping, 1e-3) * 8;
    }
    if (!better) break;
    std::swap(state_, trial_);
    std::swap(system_, next_);
    damping *= 0.3;
  }
  std::copy_n(state_.rotations.data(), state_.rotations.size(), rotations);
  std::copy_n(state_.root, 3, root);
  std::copy_n(system_.residuals.data(), system_.residuals.size(), residuals);
  const double cost = system_.cost;
  Information(problem, state_, information, downhill);
  return cost;
}

void BodySolver::Places(const BodyProblem& problem, double* world, double* points) const noexcept {
  std::copy(world_.begin(), world_.end(), world);
  for (std::size_t p = 0; p < topology_.point_joints.size(); ++p) {
    const std::int32_t carrier = topology_.point_joints[p];
    Apply(&world_[9 * carrier], problem.points + 3 * p, points + 3 * p);
    for (int i = 0; i < 3; ++i) points[3 * p + i] += places_[3 * carrier + i];
  }
}

}  // namespace twinsdk
