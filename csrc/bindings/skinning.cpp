// Bound rigs and bound triangles: hold the C++ object, its instruction set and its threads.
#include "twinsdk/skinning.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#if !defined(_WIN32)
#include <unistd.h>
#endif

#include "arrays.hpp"
#include "given.hpp"
#include "twinsdk/isa.hpp"
#include "twinsdk/normals.hpp"
#include "twinsdk/pool.hpp"
#include "twinsdk/rig.hpp"

namespace twinsdk {
namespace {

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

constexpr long kMostThreads = 64;

// How a call is to skin, as the caller gave it.
struct Options {
  py::handle method, block_order, threads;
};

bool ReadMethod(py::handle given, Method* method) {
  if (!PyUnicode_Check(given.ptr())) return false;
  const bool dual = PyUnicode_CompareWithASCIIString(given.ptr(), "dual") == 0;
  *method = dual ? Method::kDual : Method::kLinear;
  return dual || PyUnicode_CompareWithASCIIString(given.ptr(), "linear") == 0;
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

  // Returns the positions, or None where an argument is unfit: see given.hpp.
  py::object SkinWith(py::handle matrices, py::handle morph_weights, py::handle points,
                      py::object out, py::handle normals, py::handle method, py::handle block_order,
                      py::handle threads) {
    const std::int64_t joints = rig_->joint_count, v = rig_->vertex_count;
    Lead lead;
    SkinJob job = {};
    int workers = 1;
    if (!FindLead(matrices, {joints, 3, 4}, &lead) ||
        !Read(matrices, {joints, 3, 4}, lead, &job.matrices) ||
        !(Read(points, {v, 3}, Lead{}, &job.points) || Read(points, {v, 3}, lead, &job.points)) ||
        !Prepare(lead, morph_weights, normals, {method, block_order, threads}, &out, &job,
                 &workers)) {
      return py::none();
    }
    if (!points.is_none() && py::reinterpret_borrow<py::array>(points).ndim() == 3) {
      job.points_stride = 3 * v;
    }
    {
      const py::gil_scoped_release release;
      SkinScratch scratch;
      SkinMatrices(*rig_, job, {isa_, pool_.Get(workers)}, &scratch);
    }
    return out;
  }

  py::object Pose(py::handle rotations, py::handle root_translations, py::handle morph_weights,
                  py::object out, py::handle normals, py::handle method, py::handle block_order,
                  py::handle threads) {
    const std::int64_t joints = rig_->joint_count;
    Lead lead;
    PoseJob job = {};
    int workers = 1;
    if (rig_->parents.empty() || root_translations.is_none() ||
        !FindLead(rotations, {joints, 4}, &lead) ||
        !Read(rotations, {joints, 4}, lead, &job.rotations) ||
        !Read(root_translations, {3}, lead, &job.root_translations) ||
        !Prepare(lead, morph_weights, normals, {method, block_order, threads}, &out, &job.skin,
                 &workers)) {
      return py::none();
    }
    {
      const py::gil_scoped_release release;
      SkinScratch scratch;
      SkinPoses(*rig_, job, {isa_, pool_.Get(workers)}, &scratch);
    }
    return out;
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

  // Reads what skin() and pose() share.
  bool Prepare(const Lead& lead, py::handle morph_weights, py::handle normals,
               const Options& options, py::object* out, SkinJob* job, int* threads) const {
    job->frames = lead.frames;
    if (!ReadMethod(options.method, &job->method) ||
        !ReadBool(options.block_order, &job->block_order) ||
        !ReadInt(options.threads, 1, kMostThreads, threads) ||
        !Read(morph_weights, {rig_->morph_count}, lead, &job->morph_weights)) {
      return false;
    }
    const std::int64_t rows = job->block_order ? kBlock * rig_->block_count : rig_->vertex_count;
    if (!Fill(normals, {rows, 3}, lead, &job->normals)) return false;
    if (job->normals != nullptr && rig_->normals.size() != rig_->positions.size()) return false;
    return FillOrMake(out, {rows, 3}, lead, &job->positions);
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

  // Returns the normals, or None where an argument is unfit: see given.hpp.
  py::object Recompute(py::handle vertices, py::object out, py::handle threads) {
    const Tail tail = {normals_->vertex_count(), 3};
    Lead lead;
    const float* points = nullptr;
    float* normals = nullptr;
    int workers = 1;
    if (!FindLead(vertices, tail, &lead) || !Read(vertices, tail, lead, &points) ||
        !ReadInt(threads, 1, kMostThreads, &workers) || !FillOrMake(&out, tail, lead, &normals)) {
      return py::none();
    }
    {
      const py::gil_scoped_release release;
      normals_->Recompute(points, lead.frames, normals, {isa_, pool_.Get(workers)});
    }
    return out;
  }

 private:
  Isa isa_;
  std::unique_ptr<const MeshNormals> normals_;
  LazyPool pool_;
};

}  // namespace

void AddSkinning(py::module_& m) {
  m.def("supported_isas", &SupportedIsas);
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
      .def("skin", &BoundRig::SkinWith, py::arg("matrices"), py::arg("morph_weights"),
           py::arg("points"), py::arg("out"), py::arg("normals_out"), py::arg("method"),
           py::arg("block_order"), py::arg("threads"))
      .def("pose", &BoundRig::Pose, py::arg("rotations"), py::arg("root_translations"),
           py::arg("morph_weights"), py::arg("out"), py::arg("normals_out"), py::arg("method"),
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
      .def("recompute", &BoundNormals::Recompute, py::arg("vertices"), py::arg("out"),
           py::arg("threads"));
}

}  // namespace twinsdk
