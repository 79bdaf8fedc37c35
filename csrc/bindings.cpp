// The Python face of the kernels: unpack arrays, release the GIL, call. The door that checks
// shapes in words is twinsdk/core/kernel.py; sizes are compared here only so that a caller who
// bypasses it cannot reach foreign memory.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#if !defined(_WIN32)
#include <unistd.h>
#endif

#include "twinsdk/isa.hpp"
#include "twinsdk/kinematics.hpp"
#include "twinsdk/normals.hpp"
#include "twinsdk/numbers.hpp"
#include "twinsdk/pool.hpp"
#include "twinsdk/pose_codec.hpp"
#include "twinsdk/quaternions.hpp"
#include "twinsdk/retarget.hpp"
#include "twinsdk/rig.hpp"
#include "twinsdk/skinning.hpp"
#include "twinsdk/two_bone.hpp"
#include "twinsdk/wire.hpp"

namespace py = pybind11;

namespace twinsdk {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;
template <class T>
using MaybeArray = std::optional<Array<T>>;

void Expect(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(std::string(what) + ": unexpected size");
}

template <class T>
const T* DataOrNull(const MaybeArray<T>& array) {
  return array ? array->data() : nullptr;
}

template <class T>
T* MutableOrNull(MaybeArray<T>& array) {
  return array ? array->mutable_data() : nullptr;
}

Isa IsaNamed(const std::string& name) {
  const Isa isa = name == "base" ? Isa::kBase : name == "avx2" ? Isa::kAvx2 : Isa::kAvx512;
  if ((name != "base" && name != "avx2" && name != "avx512") || !Supported(isa)) {
    throw std::invalid_argument("isa: this machine does not run '" + name + "'");
  }
  return isa;
}

py::tuple SupportedIsas() {
  py::list names;
  names.append("base");
  if (Supported(Isa::kAvx2)) names.append("avx2");
  if (Supported(Isa::kAvx512)) names.append("avx512");
  return py::tuple(names);
}

// Whether every number is finite: a finite number times 0 is 0, NaN and infinity give NaN.
bool AllFinite(const Array<float>& array) {
  const float* values = array.data();
  const std::int64_t count = array.size();
  float sums[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int k = 0; k < 8; ++k) sums[k] += values[i + k] * 0.0f;
  }
  for (; i < count; ++i) sums[0] += values[i] * 0.0f;
  float sum = 0;
  for (const float s : sums) sum += s;
  return sum == 0;
}

void BindForward(const Array<std::int32_t>& parents, const Array<float>& rest_translations,
                 const Array<float>& rotations, const Array<float>& root_translations,
                 Array<float>& world_rotations, Array<float>& world_positions) {
  const std::int64_t joints = parents.size();
  const std::int64_t frames = root_translations.size() / 3;
  Expect(joints > 0 && rest_translations.size() == 3 * joints, "rest_translations");
  Expect(rotations.size() == frames * joints * 4, "rotations");
  Expect(world_rotations.size() == frames * joints * 4, "world_rotations");
  Expect(world_positions.size() == frames * joints * 3, "world_positions");
  const ForwardJob job = {frames,
                          static_cast<std::int32_t>(joints),
                          parents.data(),
                          rest_translations.data(),
                          rotations.data(),
                          root_translations.data(),
                          world_rotations.mutable_data(),
                          world_positions.mutable_data()};
  const py::gil_scoped_release release;
  ForwardKinematics(job);
}

// Calls a codec over arrays of which each item is `from` and `to` numbers long.
template <class In, class Out>
void Convert(void (*codec)(const In*, std::int64_t, Out*), const Array<In>& from, Array<Out>& to,
             int in_size, int out_size) {
  const std::int64_t count = from.size() / in_size;
  Expect(from.size() == count * in_size && to.size() == count * out_size, "out");
  const In* in = from.data();
  Out* out = to.mutable_data();
  // Half a microsecond of work: releasing the GIL would cost as much.
  codec(in, count, out);
}

void BindEncode48(const Array<float>& rotations, Array<std::uint16_t>& out) {
  Convert(&Encode48, rotations, out, 4, 3);
}
void BindDecode48(const Array<std::uint16_t>& words, Array<float>& out) {
  Convert(&Decode48, words, out, 3, 4);
}
void BindEncode32(const Array<float>& rotations, Array<std::uint32_t>& out) {
  Convert(&Encode32, rotations, out, 4, 1);
}
void BindDecode32(const Array<std::uint32_t>& words, Array<float>& out) {
  Convert(&Decode32, words, out, 1, 4);
}
void BindEncodeUnit8(const Array<float>& weights, Array<std::uint8_t>& out) {
  Convert(&EncodeUnit8, weights, out, 1, 1);
}
void BindDecodeUnit8(const Array<std::uint8_t>& codes, Array<float>& out) {
  Convert(&DecodeUnit8, codes, out, 1, 1);
}

// Items of long arrays from which on releasing the GIL pays.
constexpr std::int64_t kLong = 4096;

template <class Function>
void WithoutGilIfLong(std::int64_t count, Function function) {
  if (count < kLong) return function();
  const py::gil_scoped_release release;
  function();
}

void BindMultiply(const Array<float>& a, const Array<float>& b, Array<float>& out) {
  Expect(a.size() % 4 == 0 && b.size() == a.size() && out.size() == a.size(), "out");
  const float *left = a.data(), *right = b.data();
  float* to = out.mutable_data();
  const std::int64_t count = a.size() / 4;
  WithoutGilIfLong(count, [=] { MultiplyQuaternions(left, right, count, to); });
}

void BindRotate(const Array<float>& q, const Array<float>& v, Array<float>& out) {
  const std::int64_t count = q.size() / 4;
  Expect(q.size() == 4 * count && v.size() == 3 * count && out.size() == v.size(), "out");
  const float *turns = q.data(), *vectors = v.data();
  float* to = out.mutable_data();
  WithoutGilIfLong(count, [=] { RotateVectors(turns, vectors, count, to); });
}

void BindNormalize(const Array<float>& q, Array<float>& out) {
  Expect(q.size() % 4 == 0 && out.size() == q.size(), "out");
  const float* from = q.data();
  float* to = out.mutable_data();
  const std::int64_t count = q.size() / 4;
  WithoutGilIfLong(count, [=] { NormalizeQuaternions(from, count, to); });
}

py::tuple BindParse(const py::buffer& text, Array<double>& out) {
  const py::buffer_info bytes = text.request();
  Expect(bytes.itemsize == 1 && bytes.ndim == 1 && bytes.strides[0] == 1, "text");
  double* numbers = out.mutable_data();
  const std::int64_t capacity = out.size();
  ParsedNumbers parsed = {};
  {
    const py::gil_scoped_release release;
    parsed = ParseNumbers(static_cast<const char*>(bytes.ptr), static_cast<std::size_t>(bytes.size),
                          numbers, capacity);
  }
  return py::make_tuple(parsed.count, parsed.consumed);
}

py::bytes BindFormat(const Array<double>& rows, int decimals) {
  Expect(rows.ndim() == 2 && decimals >= 0 && decimals <= kMostDecimals, "rows");
  const std::int64_t columns = rows.shape(1);
  const std::int64_t count = rows.size();
  const double* values = rows.data();
  std::string text;
  {
    const py::gil_scoped_release release;
    char number[kNumberBytes + 1];
    text.reserve(static_cast<std::size_t>(count) * (decimals + 6));
    for (std::int64_t i = 0; i < count; ++i) {
      const std::size_t size = FormatNumber(values[i], decimals, number);
      number[size] = (i + 1) % columns == 0 ? '\n' : ' ';
      text.append(number, size + 1);
    }
  }
  return py::bytes(text);
}

void BindTwoBone(const Array<float>& roots, const Array<float>& middles, const Array<float>& tips,
                 const Array<float>& targets, const Array<float>& poles, float softness,
                 Array<float>& upper, Array<float>& lower) {
  const std::int64_t frames = roots.size() / 3;
  for (const Array<float>* points : {&roots, &middles, &tips, &targets, &poles}) {
    Expect(points->size() == 3 * frames, "points");
  }
  Expect(upper.size() == 4 * frames && lower.size() == 4 * frames, "upper, lower");
  const TwoBoneJob job = {frames,      roots.data(),         middles.data(),
                          tips.data(), targets.data(),       poles.data(),
                          softness,    upper.mutable_data(), lower.mutable_data()};
  const py::gil_scoped_release release;
  SolveTwoBone(job);
}

// The pool of one bound object, started at its first call with more than one thread.
class LazyPool {
 public:
  LazyPool() = default;
  ~LazyPool() {
    if (process_ != Process()) (void)pool_.release();
  }

  Pool* Get(int threads) {
    if (threads < 2) return nullptr;
    const std::lock_guard<std::mutex> lock(mutex_);
    // After a fork the threads are gone: what is left of the pool is abandoned.
    if (pool_ != nullptr && process_ != Process()) (void)pool_.release();
    if (pool_ == nullptr || pool_->threads() != threads) {
      if (pool_ != nullptr) retired_.push_back(std::move(pool_));  // another call may be in it
      pool_ = std::make_unique<Pool>(threads);
      process_ = Process();
    }
    return pool_.get();
  }

 private:
  static long Process() {
#if defined(_WIN32)
    return 0;
#else
    return static_cast<long>(getpid());
#endif
  }

  std::mutex mutex_;
  std::unique_ptr<Pool> pool_;
  std::vector<std::unique_ptr<Pool>> retired_;
  long process_ = Process();
};

Method MethodNamed(const std::string& name) {
  if (name == "linear") return Method::kLinear;
  if (name == "dual") return Method::kDual;
  throw std::invalid_argument("method: expected linear or dual");
}

class BoundRig {
 public:
  BoundRig(const Array<float>& vertices, const MaybeArray<float>& normals,
           const Array<std::uint16_t>& joints, const Array<float>& weights,
           std::int32_t joint_count, const MaybeArray<float>& morph_offsets,
           const MaybeArray<std::int32_t>& parents, const MaybeArray<float>& rest_translations,
           const MaybeArray<float>& inverse_bind, const std::string& isa)
      : isa_(IsaNamed(isa)) {
    RigSource source = {};
    source.vertex_count = vertices.size() / 3;
    const std::int64_t v = source.vertex_count;
    Expect(weights.ndim() == 2 && weights.shape(0) == v, "weights");
    Expect(joints.size() == weights.size(), "joints");
    Expect(!normals || normals->size() == 3 * v, "normals");
    source.influence_count = static_cast<std::int32_t>(weights.shape(1));
    source.joint_count = joint_count;
    if (morph_offsets) {
      Expect(morph_offsets->ndim() == 3 && morph_offsets->shape(1) == v, "morph_offsets");
      source.morph_count = static_cast<std::int32_t>(morph_offsets->shape(0));
    }
    if (parents) {
      Expect(rest_translations && inverse_bind, "parents");
      Expect(parents->size() == joint_count, "parents");
      Expect(rest_translations->size() == 3 * joint_count, "rest_translations");
      Expect(inverse_bind->size() == 12 * joint_count, "inverse_bind");
    }
    source.vertices = vertices.data();
    source.normals = DataOrNull(normals);
    source.joints = joints.data();
    source.weights = weights.data();
    source.morph_offsets = DataOrNull(morph_offsets);
    source.parents = DataOrNull(parents);
    source.rest_translations = DataOrNull(rest_translations);
    source.inverse_bind = DataOrNull(inverse_bind);
    const py::gil_scoped_release release;
    rig_ = std::make_unique<const Rig>(source);
  }

  void SkinWith(const Array<float>& matrices, const MaybeArray<float>& morph_weights,
                const MaybeArray<float>& points, Array<float>& positions,
                MaybeArray<float>& normals, const std::string& method, bool block_order,
                int threads) {
    const std::int64_t size = 12 * std::int64_t{rig_->joint_count};
    const std::int64_t frames = matrices.size() / size;
    Expect(matrices.size() == frames * size, "matrices");
    SkinJob job = Outputs(frames, morph_weights, positions, normals, method, block_order);
    job.matrices = matrices.data();
    job.points = DataOrNull(points);
    if (points) job.points_stride = PointsStride(*points, frames);
    const py::gil_scoped_release release;
    SkinScratch scratch;
    SkinMatrices(*rig_, job, {isa_, pool_.Get(threads)}, &scratch);
  }

  void Pose(const Array<float>& rotations, const Array<float>& root_translations,
            const MaybeArray<float>& morph_weights, Array<float>& positions,
            MaybeArray<float>& normals, const std::string& method, bool block_order, int threads) {
    Expect(!rig_->parents.empty(), "parents");
    const std::int64_t frames = root_translations.size() / 3;
    Expect(rotations.size() == frames * rig_->joint_count * 4, "rotations");
    const PoseJob job = {rotations.data(), root_translations.data(),
                         Outputs(frames, morph_weights, positions, normals, method, block_order)};
    const py::gil_scoped_release release;
    SkinScratch scratch;
    SkinPoses(*rig_, job, {isa_, pool_.Get(threads)}, &scratch);
  }

  void Gradients(const Array<float>& matrices, const MaybeArray<float>& points,
                 const Array<float>& grad_positions, MaybeArray<float>& grad_points,
                 MaybeArray<float>& grad_matrices, int threads) {
    const std::int64_t size = 12 * std::int64_t{rig_->joint_count};
    const std::int64_t frames = matrices.size() / size;
    Expect(matrices.size() == frames * size, "matrices");
    const std::int64_t rows = 3 * frames * rig_->vertex_count;
    Expect(grad_positions.size() == rows, "grad_positions");
    Expect(!grad_points || grad_points->size() == rows, "grad_points");
    Expect(!grad_matrices || grad_matrices->size() == frames * size, "grad_matrices");
    SkinGradientJob job = {};
    job.frames = frames;
    job.matrices = matrices.data();
    job.points = DataOrNull(points);
    if (points) job.points_stride = PointsStride(*points, frames);
    job.grad_positions = grad_positions.data();
    job.grad_points = MutableOrNull(grad_points);
    job.grad_matrices = MutableOrNull(grad_matrices);
    const py::gil_scoped_release release;
    SkinGradients(*rig_, job, {isa_, pool_.Get(threads)});
  }

  Array<std::int32_t> Order() const {
    return Array<std::int32_t>(static_cast<py::ssize_t>(rig_->rows.size()), rig_->rows.data());
  }
  std::int64_t vertex_count() const { return rig_->vertex_count; }
  std::int64_t block_count() const { return rig_->block_count; }
  std::int64_t listed_joints() const { return static_cast<std::int64_t>(rig_->joints.size()); }
  std::int32_t morph_count() const { return rig_->morph_count; }

 private:
  std::int64_t PointsStride(const Array<float>& points, std::int64_t frames) const {
    const std::int64_t one = 3 * rig_->vertex_count;
    Expect(points.size() == one || points.size() == frames * one, "points");
    return points.size() == one ? 0 : one;
  }

  SkinJob Outputs(std::int64_t frames, const MaybeArray<float>& morph_weights,
                  Array<float>& positions, MaybeArray<float>& normals, const std::string& method,
                  bool block_order) const {
    const std::int64_t rows = block_order ? kBlock * rig_->block_count : rig_->vertex_count;
    Expect(positions.size() == frames * rows * 3, "positions");
    Expect(!morph_weights || morph_weights->size() == frames * rig_->morph_count, "morph_weights");
    Expect(!normals || (normals->size() == frames * rows * 3 &&
                        rig_->normals.size() == rig_->positions.size()),
           "normals");
    SkinJob job = {};
    job.frames = frames;
    job.method = MethodNamed(method);
    job.morph_weights = DataOrNull(morph_weights);
    job.positions = positions.mutable_data();
    job.normals = MutableOrNull(normals);
    job.block_order = block_order;
    return job;
  }

  Isa isa_;
  std::unique_ptr<const Rig> rig_;
  LazyPool pool_;
};

class BoundNormals {
 public:
  BoundNormals(const Array<std::uint32_t>& triangles, std::int64_t vertex_count,
               const MaybeArray<std::int32_t>& owners, const std::string& isa)
      : isa_(IsaNamed(isa)) {
    Expect(!owners || owners->size() == vertex_count, "owners");
    const std::uint32_t* corners = triangles.data();
    const std::int64_t count = triangles.size() / 3;
    for (std::int64_t i = 0; i < 3 * count; ++i) Expect(corners[i] < vertex_count, "triangles");
    const std::int32_t* owner = DataOrNull(owners);
    const py::gil_scoped_release release;
    normals_ = std::make_unique<const MeshNormals>(corners, count, vertex_count, owner);
  }

  void Recompute(const Array<float>& vertices, Array<float>& normals, int threads) {
    const std::int64_t size = 3 * normals_->vertex_count();
    const std::int64_t frames = size ? vertices.size() / size : 0;
    Expect(vertices.size() == frames * size && normals.size() == vertices.size(), "normals");
    const float* points = vertices.data();
    float* out = normals.mutable_data();
    const py::gil_scoped_release release;
    normals_->Recompute(points, frames, out, {isa_, pool_.Get(threads)});
  }

 private:
  Isa isa_;
  std::unique_ptr<const MeshNormals> normals_;
  LazyPool pool_;
};

// The arrays and numbers of a plan by name, as twinsdk/retarget/native.py writes them.
class PlanReader {
 public:
  explicit PlanReader(const py::dict& plan) : plan_(plan) {}

  template <class T>
  std::vector<T> Numbers(const char* name) const {
    const auto array = py::cast<Array<T>>(plan_[name]);
    return std::vector<T>(array.data(), array.data() + array.size());
  }
  template <class T, std::size_t N>
  std::array<T, N> Fixed(const char* name) const {
    const std::vector<T> numbers = Numbers<T>(name);
    Expect(numbers.size() == N, name);
    std::array<T, N> out = {};
    std::copy(numbers.begin(), numbers.end(), out.begin());
    return out;
  }
  template <class T>
  T One(const char* name) const {
    return py::cast<T>(plan_[name]);
  }
  // Joints [0, count); with `none`, -1 too.
  std::int32_t Joint(const char* name, std::size_t count, bool none = false) const {
    const auto joint = One<std::int32_t>(name);
    Expect(joint >= (none ? -1 : 0) && joint < static_cast<std::int64_t>(count), name);
    return joint;
  }
  std::vector<std::int32_t> Joints(const char* name, std::size_t count) const {
    std::vector<std::int32_t> joints = Numbers<std::int32_t>(name);
    for (const std::int32_t j : joints) {
      Expect(j >= 0 && j < static_cast<std::int64_t>(count), name);
    }
    return joints;
  }
  Chains Paths(const char* starts, const char* joints, const char* inverted, std::size_t items,
               std::size_t count) const {
    Chains chains = {Numbers<std::int32_t>(starts), Joints(joints, count),
                     Numbers<std::uint8_t>(inverted)};
    Expect(chains.starts.size() == items + 1 && chains.starts.front() == 0, starts);
    Expect(chains.starts.back() == static_cast<std::int64_t>(chains.joints.size()), starts);
    for (std::size_t i = 0; i < items; ++i) Expect(chains.starts[i] < chains.starts[i + 1], starts);
    Expect(chains.inverted.size() == chains.joints.size(), inverted);
    return chains;
  }

 private:
  const py::dict& plan_;
};

FootPlan FootFrom(const PlanReader& plan, std::size_t source, std::size_t target) {
  FootPlan foot = {};
  foot.source_ankle = plan.Joint("source_ankle", source);
  foot.source_ball = plan.Joint("source_ball", source);
  foot.upper = plan.Joint("upper", target);
  foot.above = plan.Joint("above", target, true);
  foot.lower = plan.Joint("lower", target);
  foot.foot = plan.Joint("foot", target);
  foot.ball = plan.Fixed<double, 3>("ball");
  foot.inner_thigh = plan.Fixed<double, 4>("inner_thigh");
  foot.inner_shin = plan.Fixed<double, 4>("inner_shin");
  foot.hinge = plan.Fixed<double, 3>("hinge");
  foot.leg = plan.One<double>("leg");
  foot.level = plan.Fixed<double, 2>("level");
  foot.target_level = plan.Fixed<double, 2>("target_level");
  return foot;
}

void ExpectTree(const std::vector<std::int32_t>& parents, const char* name) {
  Expect(!parents.empty() && parents[0] == -1, name);
  for (std::size_t j = 1; j < parents.size(); ++j) {
    Expect(parents[j] >= 0 && parents[j] < static_cast<std::int64_t>(j), name);
  }
}

RetargetPlan PlanFrom(const py::dict& given) {
  const PlanReader read(given);
  RetargetPlan plan = {};
  plan.source_parents = read.Numbers<std::int32_t>("source_parents");
  plan.target_parents = read.Numbers<std::int32_t>("target_parents");
  ExpectTree(plan.source_parents, "source_parents");
  ExpectTree(plan.target_parents, "target_parents");
  const std::size_t source = plan.source_parents.size(), target = plan.target_parents.size();
  plan.source_offsets = read.Numbers<float>("source_offsets");
  plan.target_offsets = read.Numbers<float>("target_offsets");
  plan.rest = read.Numbers<float>("rest");
  Expect(plan.source_offsets.size() == 3 * source, "source_offsets");
  Expect(plan.target_offsets.size() == 3 * target && plan.rest.size() == 4 * target, "rest");
  plan.trunk_right = read.Numbers<float>("trunk_right");
  const std::size_t bends = plan.trunk_right.size() / 4;
  plan.trunk = read.Paths("trunk_starts", "trunk_joints", "trunk_inverted", bends, source);
  plan.trunk_low = read.Joints("trunk_low", bends);
  plan.trunk_share = read.Numbers<float>("trunk_share");
  Expect(plan.trunk_share.size() == plan.trunk_low.size(), "trunk_share");
  plan.moving = read.Joints("moving", target);
  plan.chains = read.Paths("chain_starts", "chain_joints", "chain_inverted", plan.moving.size(),
                           source + plan.trunk_low.size());
  plan.matrices = read.Numbers<float>("matrices");
  Expect(plan.matrices.size() == 16 * plan.moving.size(), "matrices");
  plan.hips = read.Joint("hips", source);
  plan.left_thigh = read.Joint("left_thigh", source);
  plan.right_thigh = read.Joint("right_thigh", source);
  plan.world = read.Fixed<double, 4>("world");
  plan.from_tpose = read.Fixed<double, 4>("from_tpose");
  plan.source_offset = read.Fixed<double, 3>("source_offset");
  plan.target_offset = read.Fixed<double, 3>("target_offset");
  plan.root_to_hips = read.Fixed<double, 3>("root_to_hips");
  plan.factors = read.Fixed<double, 3>("factors");
  plan.lift = read.Fixed<double, 3>("lift");
  plan.scale = read.One<double>("scale");
  plan.leg = read.One<double>("leg");
  plan.speed_on = read.One<double>("speed_on");
  plan.speed_off = read.One<double>("speed_off");
  plan.height_on = read.One<double>("height_on");
  plan.height_off = read.One<double>("height_off");
  plan.ease_s = read.One<double>("ease_s");
  const char* const names[2] = {"left", "right"};
  for (int side = 0; side < 2; ++side) {
    const auto foot = py::cast<py::dict>(given[names[side]]);
    plan.feet[side] = FootFrom(PlanReader(foot), source, target);
  }
  return plan;
}

class BoundRetarget {
 public:
  explicit BoundRetarget(const py::dict& plan) : step_(PlanFrom(plan)) {}

  // A few microseconds of work, and the object remembers the feet: the GIL is kept.
  void Step(const Array<float>& source, const Array<float>& source_root, double dt_s,
            Array<float>& rotations, Array<float>& root) {
    const RetargetPlan& plan = step_.plan();
    Expect(source.size() == static_cast<py::ssize_t>(4 * plan.source_parents.size()), "source");
    Expect(rotations.size() == static_cast<py::ssize_t>(plan.rest.size()), "rotations");
    Expect(source_root.size() == 3 && root.size() == 3, "root");
    const std::lock_guard<std::mutex> lock(mutex_);
    step_.Step(source.data(), source_root.data(), dt_s, rotations.mutable_data(),
               root.mutable_data());
  }

 private:
  std::mutex mutex_;
  RetargetStep step_;
};

// The bytes of whatever holds them, for as long as this lives.
class Bytes {
 public:
  explicit Bytes(const py::handle& holder) {
    if (PyObject_GetBuffer(holder.ptr(), &view_, PyBUF_SIMPLE) != 0) throw py::error_already_set();
  }
  ~Bytes() { PyBuffer_Release(&view_); }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  const std::uint8_t* data() const { return static_cast<const std::uint8_t*>(view_.buf); }
  std::size_t size() const { return static_cast<std::size_t>(view_.len); }

 private:
  Py_buffer view_;
};

class BoundPose {
 public:
  BoundPose(const py::object& pattern, const py::object& mask,
            const std::array<std::size_t, kWireScalars>& scalars, std::int32_t codec,
            std::int64_t joints, std::int64_t expressions, std::size_t rotations_at,
            std::size_t expressions_at, std::size_t confidence_at) {
    const Bytes same(pattern), marked(mask);
    pattern_.assign(same.data(), same.data() + same.size());
    mask_.assign(marked.data(), marked.data() + marked.size());
    layout_ = {pattern_.size(), pattern_.data(), mask_.data(), static_cast<WireCodec>(codec),
               joints,          expressions,     {},           rotations_at,
               expressions_at,  confidence_at};
    std::copy(scalars.begin(), scalars.end(), layout_.scalars);
    Expect(mask_.size() == pattern_.size() && Sound(layout_), "layout");
  }
  BoundPose(const BoundPose&) = delete;
  BoundPose& operator=(const BoundPose&) = delete;

  py::object Read(const py::object& message) const {
    const Bytes bytes(message);
    if (bytes.size() != layout_.size) {
      return py::int_(static_cast<std::int32_t>(WireFault::kOtherLayout));
    }
    Array<float> rotations({static_cast<py::ssize_t>(layout_.joints), py::ssize_t{4}});
    Array<float> weights(static_cast<py::ssize_t>(layout_.expressions));
    Array<float> sure(static_cast<py::ssize_t>(layout_.joints));
    WireValues v = {};
    // Two microseconds of work: releasing the GIL would cost as much.
    const WireFault fault =
        ReadPose(layout_, bytes.data(), bytes.size(), &v, rotations.mutable_data(),
                 weights.mutable_data(), sure.mutable_data());
    if (fault != WireFault::kNone) return py::int_(static_cast<std::int32_t>(fault));
    return py::make_tuple(v.session, v.avatar, v.sequence, v.captured_ns, v.sent_ns, v.descriptor,
                          v.state, v.confidence, Array<float>(py::ssize_t{3}, v.root),
                          std::move(rotations), std::move(weights), std::move(sure));
  }

  py::object Write(const Array<float>& rotations, const Array<float>& expressions,
                   const Array<float>& joint_confidence, const Array<float>& root,
                   std::uint32_t avatar, std::uint32_t sequence, std::int64_t t_capture_ns,
                   std::int64_t t_send_ns, std::uint8_t state, float confidence) const {
    Expect(rotations.size() == 4 * layout_.joints, "rotations");
    Expect(expressions.size() == layout_.expressions, "expressions");
    Expect(joint_confidence.size() == layout_.joints && root.size() == 3, "joint_confidence, root");
    const float* place = root.data();
    const WireValues values = {0,
                               avatar,
                               sequence,
                               t_capture_ns,
                               t_send_ns,
                               0,
                               state,
                               confidence,
                               {place[0], place[1], place[2]}};
    PyObject* made = PyBytes_FromStringAndSize(reinterpret_cast<const char*>(pattern_.data()),
                                               static_cast<py::ssize_t>(pattern_.size()));
    if (made == nullptr) throw py::error_already_set();
    WritePose(layout_, values, rotations.data(), expressions.data(), joint_confidence.data(),
              reinterpret_cast<std::uint8_t*>(PyBytes_AS_STRING(made)));
    return py::reinterpret_steal<py::object>(made);
  }

 private:
  std::vector<std::uint8_t> pattern_, mask_;
  WireLayout layout_ = {};
};

}  // namespace

PYBIND11_MODULE(_kernel, m, py::mod_gil_not_used()) {
  m.def("supported_isas", &SupportedIsas);
  m.def("all_finite", &AllFinite, py::arg("array").noconvert());
  m.def("forward_kinematics", &BindForward, py::kw_only(), py::arg("parents").noconvert(),
        py::arg("rest_translations").noconvert(), py::arg("rotations").noconvert(),
        py::arg("root_translations").noconvert(), py::arg("world_rotations").noconvert(),
        py::arg("world_positions").noconvert());
  m.def("encode48", &BindEncode48, py::arg("rotations").noconvert(), py::arg("out").noconvert());
  m.def("decode48", &BindDecode48, py::arg("words").noconvert(), py::arg("out").noconvert());
  m.def("encode32", &BindEncode32, py::arg("rotations").noconvert(), py::arg("out").noconvert());
  m.def("decode32", &BindDecode32, py::arg("words").noconvert(), py::arg("out").noconvert());
  m.def("encode_unit8", &BindEncodeUnit8, py::arg("weights").noconvert(),
        py::arg("out").noconvert());
  m.def("decode_unit8", &BindDecodeUnit8, py::arg("codes").noconvert(), py::arg("out").noconvert());
  m.def("multiply_quaternions", &BindMultiply, py::arg("a").noconvert(), py::arg("b").noconvert(),
        py::arg("out").noconvert());
  m.def("rotate_vectors", &BindRotate, py::arg("q").noconvert(), py::arg("v").noconvert(),
        py::arg("out").noconvert());
  m.def("normalize_quaternions", &BindNormalize, py::arg("q").noconvert(),
        py::arg("out").noconvert());
  m.def("parse_numbers", &BindParse, py::arg("text"), py::arg("out").noconvert());
  m.def("format_numbers", &BindFormat, py::arg("rows").noconvert(), py::arg("decimals"));
  m.def("two_bone", &BindTwoBone, py::kw_only(), py::arg("roots").noconvert(),
        py::arg("middles").noconvert(), py::arg("tips").noconvert(), py::arg("targets").noconvert(),
        py::arg("poles").noconvert(), py::arg("softness"), py::arg("upper").noconvert(),
        py::arg("lower").noconvert());
  py::class_<BoundRetarget>(m, "RetargetStep")
      .def(py::init<const py::dict&>(), py::arg("plan"))
      .def("step", &BoundRetarget::Step, py::arg("source").noconvert(),
           py::arg("source_root").noconvert(), py::arg("dt_s"), py::arg("rotations").noconvert(),
           py::arg("root").noconvert());
  py::class_<BoundPose>(m, "PoseWire")
      .def(py::init<const py::object&, const py::object&,
                    const std::array<std::size_t, kWireScalars>&, std::int32_t, std::int64_t,
                    std::int64_t, std::size_t, std::size_t, std::size_t>(),
           py::kw_only(), py::arg("pattern"), py::arg("mask"), py::arg("scalars"), py::arg("codec"),
           py::arg("joints"), py::arg("expressions"), py::arg("rotations_at"),
           py::arg("expressions_at"), py::arg("confidence_at"))
      .def("read", &BoundPose::Read, py::arg("message"))
      .def("write", &BoundPose::Write, py::arg("rotations").noconvert(),
           py::arg("expressions").noconvert(), py::arg("joint_confidence").noconvert(),
           py::arg("root").noconvert(), py::arg("avatar"), py::arg("sequence"),
           py::arg("t_capture_ns"), py::arg("t_send_ns"), py::arg("state"), py::arg("confidence"));
  py::class_<BoundRig>(m, "Rig")
      .def(py::init<const Array<float>&, const MaybeArray<float>&, const Array<std::uint16_t>&,
                    const Array<float>&, std::int32_t, const MaybeArray<float>&,
                    const MaybeArray<std::int32_t>&, const MaybeArray<float>&,
                    const MaybeArray<float>&, const std::string&>(),
           py::kw_only(), py::arg("vertices").noconvert(), py::arg("normals").noconvert(),
           py::arg("joints").noconvert(), py::arg("weights").noconvert(), py::arg("joint_count"),
           py::arg("morph_offsets").noconvert(), py::arg("parents").noconvert(),
           py::arg("rest_translations").noconvert(), py::arg("inverse_bind").noconvert(),
           py::arg("isa"))
      .def("skin", &BoundRig::SkinWith, py::kw_only(), py::arg("matrices").noconvert(),
           py::arg("morph_weights").noconvert(), py::arg("points").noconvert(),
           py::arg("positions").noconvert(), py::arg("normals").noconvert(), py::arg("method"),
           py::arg("block_order"), py::arg("threads"))
      .def("pose", &BoundRig::Pose, py::kw_only(), py::arg("rotations").noconvert(),
           py::arg("root_translations").noconvert(), py::arg("morph_weights").noconvert(),
           py::arg("positions").noconvert(), py::arg("normals").noconvert(), py::arg("method"),
           py::arg("block_order"), py::arg("threads"))
      .def("gradients", &BoundRig::Gradients, py::kw_only(), py::arg("matrices").noconvert(),
           py::arg("points").noconvert(), py::arg("grad_positions").noconvert(),
           py::arg("grad_points").noconvert(), py::arg("grad_matrices").noconvert(),
           py::arg("threads"))
      .def_property_readonly("order", &BoundRig::Order)
      .def_property_readonly("vertex_count", &BoundRig::vertex_count)
      .def_property_readonly("block_count", &BoundRig::block_count)
      .def_property_readonly("listed_joints", &BoundRig::listed_joints)
      .def_property_readonly("morph_count", &BoundRig::morph_count);
  py::class_<BoundNormals>(m, "MeshNormals")
      .def(py::init<const Array<std::uint32_t>&, std::int64_t, const MaybeArray<std::int32_t>&,
                    const std::string&>(),
           py::kw_only(), py::arg("triangles").noconvert(), py::arg("vertex_count"),
           py::arg("owners").noconvert(), py::arg("isa"))
      .def("recompute", &BoundNormals::Recompute, py::kw_only(), py::arg("vertices").noconvert(),
           py::arg("normals").noconvert(), py::arg("threads"));
}

}  // namespace twinsdk
