// Skinning, normals and gradients against plain loops in double, on buffers of exact size.
#include <algorithm>
#include <thread>

#include "check.hpp"
#include "twinsdk/kinematics.hpp"
#include "twinsdk/normals.hpp"
#include "twinsdk/pool.hpp"
#include "twinsdk/skinning.hpp"

namespace twinsdk {
namespace {

struct Case {
  std::int64_t vertices;
  int influences, joints, morphs;
  std::vector<float> points, normals, weights, offsets, matrices, morph_weights;
  std::vector<std::uint16_t> indices;

  Case(std::int64_t v, int k, int j, int e, std::int64_t frames, unsigned seed)
      : vertices(v), influences(k), joints(j), morphs(e) {
    Random random(seed);
    points = random.Normals(3 * v);
    normals = random.Normals(3 * v);
    offsets = random.Normals(3 * v * e);
    for (std::size_t i = 0; i < offsets.size(); i += 3) {
      if (random.Below(3)) std::fill_n(offsets.begin() + i, 3, 0.0f);
    }
    for (std::int64_t i = 0; i < v; ++i) {
      float sum = 0;
      const std::size_t first = weights.size();
      for (int s = 0; s < k; ++s) {
        indices.push_back(static_cast<std::uint16_t>(random.Below(j)));
        weights.push_back(s > 0 && random.Below(3) == 0 ? 0.0f : 0.1f + float(random.Unit()));
        sum += weights.back();
      }
      for (std::size_t w = first; w < weights.size(); ++w) weights[w] /= sum;
    }
    matrices.resize(frames * j * 12);
    const std::vector<float> q = random.Rotations(frames * j);
    const std::vector<float> p = random.Normals(frames * j * 3);
    std::vector<float> bind(j * 12, 0.0f);
    for (int i = 0; i < j; ++i) bind[12 * i] = bind[12 * i + 5] = bind[12 * i + 10] = 1;
    SkinningMatrices({frames, j, q.data(), p.data(), bind.data(), matrices.data()});
    morph_weights = random.Normals(frames * e);
    for (float& w : morph_weights) w = random.Below(2) ? w : 0;
  }

  RigSource Source() const {
    RigSource source = {};
    source.vertex_count = vertices;
    source.influence_count = influences;
    source.joint_count = joints;
    source.morph_count = morphs;
    source.vertices = points.data();
    source.normals = normals.data();
    source.joints = indices.data();
    source.weights = weights.data();
    source.morph_offsets = offsets.data();
    return source;
  }

  // Where vertex v of a frame goes, by the definition.
  void Expected(std::int64_t frame, std::int64_t v, double out[3]) const {
    double p[3];
    for (int c = 0; c < 3; ++c) {
      p[c] = points[3 * v + c];
      for (int e = 0; e < morphs; ++e) {
        p[c] += double{morph_weights[frame * morphs + e]} * offsets[3 * (e * vertices + v) + c];
      }
    }
    out[0] = out[1] = out[2] = 0;
    double sum = 0;
    for (int s = 0; s < influences; ++s) sum += weights[v * influences + s];
    for (int s = 0; s < influences; ++s) {
      const double w = weights[v * influences + s] / sum;
      const float* m = &matrices[12 * (frame * joints + indices[v * influences + s])];
      for (int r = 0; r < 3; ++r) {
        out[r] += w * (m[4 * r] * p[0] + m[4 * r + 1] * p[1] + m[4 * r + 2] * p[2] + m[4 * r + 3]);
      }
    }
  }
};

void EveryVariantFollowsTheDefinition() {
  constexpr std::int64_t kFrames = 11;
  Pool pool(3);
  for (const std::int64_t v : {0, 1, 15, 16, 17, 31, 32, 100, 7000}) {
    const Case c(v, 5, 9, 70, kFrames, static_cast<unsigned>(v));
    const Rig rig(c.Source());
    for (const Isa isa : Variants()) {
      for (Pool* threads : {static_cast<Pool*>(nullptr), &pool}) {
        std::vector<float> out(3 * v * kFrames, NAN), normals(out.size(), NAN);
        SkinJob job = {};
        job.frames = kFrames;
        job.matrices = c.matrices.data();
        job.morph_weights = c.morph_weights.data();
        job.positions = out.data();
        job.normals = normals.data();
        SkinScratch scratch;
        SkinMatrices(rig, job, {isa, threads}, &scratch);
        for (std::int64_t frame = 0; frame < kFrames; ++frame) {
          for (std::int64_t i = 0; i < v; ++i) {
            double expected[3];
            c.Expected(frame, i, expected);
            for (int k = 0; k < 3; ++k) {
              const double error = std::fabs(out[3 * (frame * v + i) + k] - expected[k]);
              Check(error < 2e-4, "a vertex is where the definition puts it", error);
              Check(std::isfinite(normals[3 * (frame * v + i) + k]), "every normal is written");
            }
          }
        }
        job.method = Method::kDual;
        job.normals = nullptr;
        std::fill(out.begin(), out.end(), NAN);
        SkinMatrices(rig, job, {isa, threads}, &scratch);
        for (const float x : out) Check(std::isfinite(x), "dual skinning writes every vertex");
      }
    }
  }
}

void BlockOrderWritesPaddedBlocksAndNoMore() {
  const Case c(37, 3, 4, 0, 1, 5);
  const Rig rig(c.Source());
  for (const Isa isa : Variants()) {
    std::vector<float> block(3 * kBlock * rig.block_count, NAN), user(3 * 37, NAN);
    SkinJob job = {};
    job.frames = 1;
    job.matrices = c.matrices.data();
    job.positions = user.data();
    SkinScratch scratch;
    SkinMatrices(rig, job, {isa, nullptr}, &scratch);
    job.positions = block.data();
    job.block_order = true;
    SkinMatrices(rig, job, {isa, nullptr}, &scratch);
    for (std::size_t slot = 0; slot < rig.rows.size(); ++slot) {
      for (int k = 0; k < 3; ++k) {
        const float expected = rig.rows[slot] < 0 ? 0 : user[3 * rig.rows[slot] + k];
        Check(block[3 * slot + k] == expected, "both orders hold the same vertices");
      }
    }
  }
}

// Morphs that move every block are dense; beside as many that move nothing they are sparse.
void DenseAndSparseMorphsAgreeToTheBit() {
  constexpr int kMorphs = 70, kVertices = 100;
  Case dense(kVertices, 3, 5, kMorphs, 1, 7);
  for (float& offset : dense.offsets) {
    if (offset == 0) offset = 0.5f;
  }
  Case sparse = dense;
  sparse.morphs = 2 * kMorphs;
  sparse.offsets.resize(2 * dense.offsets.size(), 0.0f);
  sparse.morph_weights.resize(2 * kMorphs, 1.0f);
  const Rig full(dense.Source()), half(sparse.Source());
  for (std::int64_t b = 0; b < full.block_count; ++b)
    Check(full.morph_dense[b], "moved by all: dense");
  for (std::int64_t b = 0; b < half.block_count; ++b)
    Check(!half.morph_dense[b], "moved by half: sparse");
  for (const Isa isa : {Isa::kBase, Isa::kAvx2, Isa::kAvx512}) {
    if (!Supported(isa)) continue;
    std::vector<float> out[2];
    for (int i = 0; i < 2; ++i) {
      out[i].resize(3 * kVertices);
      SkinJob job = {};
      job.frames = 1;
      job.matrices = dense.matrices.data();
      job.morph_weights = (i ? sparse : dense).morph_weights.data();
      job.positions = out[i].data();
      SkinScratch scratch;
      SkinMatrices(i ? half : full, job, {isa, nullptr}, &scratch);
    }
    Check(out[0] == out[1], "dense equals sparse");
  }
}

void GradientsAreSlopes() {
  constexpr std::int64_t kFrames = 3, kVertices = 50;
  const Case c(kVertices, 4, 6, 0, kFrames, 6);
  const Rig rig(c.Source());
  Random random(7);
  const std::vector<float> grad = random.Normals(3 * kVertices * kFrames);
  const std::vector<float> step = random.Normals(c.matrices.size());
  std::vector<float> stepped = c.matrices;
  for (std::size_t i = 0; i < step.size(); ++i) stepped[i] += step[i];
  Pool pool(2);
  for (const Isa isa : Variants()) {
    std::vector<float> before(grad.size()), after(grad.size());
    SkinScratch scratch;
    SkinJob job = {};
    job.frames = kFrames;
    job.points = c.points.data();
    job.matrices = c.matrices.data();
    job.positions = before.data();
    SkinMatrices(rig, job, {isa, nullptr}, &scratch);
    job.matrices = stepped.data();
    job.positions = after.data();
    SkinMatrices(rig, job, {isa, nullptr}, &scratch);
    std::vector<float> by_points(grad.size()), by_matrices(c.matrices.size());
    SkinGradients(rig,
                  {kFrames, c.matrices.data(), c.points.data(), 0, grad.data(), by_points.data(),
                   by_matrices.data()},
                  {isa, &pool});
    double slope = 0, predicted = 0;
    for (std::size_t i = 0; i < grad.size(); ++i) slope += (after[i] - before[i]) * grad[i];
    for (std::size_t i = 0; i < step.size(); ++i) predicted += step[i] * by_matrices[i];
    Check(std::fabs(slope - predicted) < 1e-3 * (1 + std::fabs(slope)), "gradient is the slope",
          slope - predicted);
  }
}

void NormalsStayInTheirBuffersAndAreUnit() {
  Random random(8);
  for (const std::int64_t v : {0, 1, 2, 3, 15, 16, 17, 5000}) {
    const std::vector<float> points = random.Normals(3 * v);
    std::vector<std::uint32_t> triangles;
    for (std::int64_t i = 0; i < 6 * v; ++i) {
      triangles.push_back(static_cast<std::uint32_t>(random.Below(static_cast<int>(v))));
    }
    const MeshNormals mesh(triangles.data(), 2 * v, v, nullptr);
    Pool pool(2);
    std::vector<float> once(3 * v), twice(3 * v);
    for (const Isa isa : Variants()) {
      mesh.Recompute(points.data(), 1, once.data(), {isa, nullptr});
      mesh.Recompute(points.data(), 1, twice.data(), {isa, &pool});
      Check(once == twice, "threads do not change normals");
      for (std::int64_t i = 0; i < v; ++i) {
        const float* n = &once[3 * i];
        const float size = std::sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
        Check(size < 1e-6 || std::fabs(size - 1) < 1e-5, "a normal is unit or zero", size);
      }
    }
  }
}

void ThePoolDoesEveryTaskOnceWhoeverCalls() {
  Pool pool(4);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&pool] {
      for (int round = 0; round < 300; ++round) {
        std::vector<int> done(round % 17, 0);
        ParallelFor(&pool, static_cast<std::int64_t>(done.size()),
                    [&](std::int64_t i) { ++done[static_cast<std::size_t>(i)]; });
        for (const int times : done) Check(times == 1, "each task runs once", times);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace twinsdk

int main() {
  twinsdk::EveryVariantFollowsTheDefinition();
  twinsdk::BlockOrderWritesPaddedBlocksAndNoMore();
  twinsdk::DenseAndSparseMorphsAgreeToTheBit();
  twinsdk::GradientsAreSlopes();
  twinsdk::NormalsStayInTheirBuffersAndAreUnit();
  twinsdk::ThePoolDoesEveryTaskOnceWhoeverCalls();
}
