#include "twinsdk/skinning.hpp"

#include <algorithm>

#include "block_ops.hpp"
#include "twinsdk/kinematics.hpp"

namespace twinsdk {
namespace {

// In a batch a tile of blocks (some 100 KiB) stays in the cache while the frames pass over it; a
// tile of blocks and frames is also the unit that threads share.
constexpr std::int64_t kTileBlocks = 256;
constexpr std::int64_t kTileFrames = 4;
// Below this much work waking a thread costs more than it brings.
constexpr std::int64_t kThreadedVertices = 64 * 1024;

}  // namespace

void Skin(const Rig& rig, const SkinJob& job, const Runner& runner) noexcept {
  const detail::BlockKernel kernel = job.method == Method::kDual ? detail::DualKernel(runner.isa)
                                                                 : detail::LinearKernel(runner.isa);
  if (job.frames == 1 && runner.pool == nullptr) {
    return kernel(rig, job, 0, 0, rig.block_count);
  }
  const std::int64_t tiles = (rig.block_count + kTileBlocks - 1) / kTileBlocks;
  const std::int64_t spans = (job.frames + kTileFrames - 1) / kTileFrames;
  const bool small = rig.vertex_count * job.frames < kThreadedVertices;
  ParallelFor(small ? nullptr : runner.pool, tiles * spans, [&](std::int64_t i) {
    const std::int64_t first = i / spans * kTileBlocks;
    const std::int64_t last = std::min(first + kTileBlocks, rig.block_count);
    const std::int64_t begin = i % spans * kTileFrames;
    const std::int64_t end = std::min(begin + kTileFrames, job.frames);
    for (std::int64_t frame = begin; frame < end; ++frame) kernel(rig, job, frame, first, last);
  });
}

void SkinMatrices(const Rig& rig, const SkinJob& job, const Runner& runner, SkinScratch* scratch) {
  SkinJob full = job;
  if (rig.morph_count == 0) full.morph_weights = nullptr;
  if (full.morph_weights != nullptr) {
    scratch->active.resize(job.frames * rig.morph_words);
    scratch->list.resize(job.frames * (1 + rig.morph_count));
    for (std::int64_t t = 0; t < job.frames; ++t) {
      MarkActive(job.morph_weights + t * rig.morph_count, rig.morph_count,
                 scratch->active.data() + t * rig.morph_words,
                 scratch->list.data() + t * (1 + rig.morph_count));
    }
    full.morph_active = scratch->active.data();
    full.morph_list = scratch->list.data();
  }
  if (job.method == Method::kDual) {
    const std::int64_t joints = job.frames * rig.joint_count;
    scratch->duals.resize(joints * (8 + 9));
    float* scales = scratch->duals.data() + 8 * joints;
    const std::int32_t* parents = rig.parents.empty() ? nullptr : rig.parents.data();
    const bool scaled = DualQuaternions(job.matrices, parents, job.frames, rig.joint_count,
                                        scratch->duals.data(), scales);
    full.duals = scratch->duals.data();
    full.scales = scaled ? scales : nullptr;
    const std::int64_t pairs = static_cast<std::int64_t>(rig.pairs.size()) / 2;
    scratch->sides.resize(job.frames * pairs);
    for (std::int64_t t = 0; t < job.frames; ++t) {
      Sides(full.duals + 8 * rig.joint_count * t, rig.pairs.data(), pairs,
            scratch->sides.data() + pairs * t);
    }
    full.sides = scratch->sides.data();
  }
  Skin(rig, full, runner);
}

void SkinPoses(const Rig& rig, const PoseJob& job, const Runner& runner, SkinScratch* scratch) {
  constexpr std::int64_t kFrames = 64;  // bounds the scratch of long clips
  const std::int64_t joints = rig.joint_count;
  const std::int64_t rows = job.skin.block_order ? kBlock * rig.block_count : rig.vertex_count;
  scratch->floats.resize(std::min(kFrames, job.skin.frames) * joints * (4 + 3 + 12));
  for (std::int64_t first = 0; first < job.skin.frames; first += kFrames) {
    const std::int64_t frames = std::min(kFrames, job.skin.frames - first);
    float* rotations = scratch->floats.data();
    float* positions = rotations + frames * joints * 4;
    float* matrices = positions + frames * joints * 3;
    ForwardKinematics({frames, rig.joint_count, rig.parents.data(), rig.rest_translations.data(),
                       job.rotations + first * joints * 4, job.root_translations + first * 3,
                       rotations, positions});
    SkinningMatrices(
        {frames, rig.joint_count, rotations, positions, rig.inverse_bind.data(), matrices});
    SkinJob skin = job.skin;
    skin.frames = frames;
    skin.matrices = matrices;
    if (skin.morph_weights != nullptr) skin.morph_weights += first * rig.morph_count;
    skin.positions += 3 * first * rows;
    if (skin.normals != nullptr) skin.normals += 3 * first * rows;
    SkinMatrices(rig, skin, runner, scratch);
  }
}

void MarkActive(const float* weights, std::int32_t count, std::uint64_t* mask,
                std::int32_t* list) noexcept {
  list[0] = 0;
  std::fill(mask, mask + (count + 63) / 64, 0);
  for (std::int32_t e = 0; e < count; ++e) {
    if (weights[e] == 0) continue;
    mask[e / 64] |= std::uint64_t{1} << (e % 64);
    list[++list[0]] = e;
  }
}

}  // namespace twinsdk
