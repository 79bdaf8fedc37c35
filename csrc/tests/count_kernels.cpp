// Runs one kernel once between two markers, for instruction counts without noise:
//   valgrind --tool=callgrind --toggle-collect='twinsdk::Counted*' count_kernels KERNEL ISA
// KERNEL is linear, dual, fused, normals, kinematics, encode or parse; ISA is base or avx2
// (valgrind knows no AVX-512). benchmarks/instructions.py drives it.
#include <cstring>
#include <string>

#include "check.hpp"
#include "twinsdk/kinematics.hpp"
#include "twinsdk/normals.hpp"
#include "twinsdk/numbers.hpp"
#include "twinsdk/pose_codec.hpp"
#include "twinsdk/skinning.hpp"

namespace twinsdk {

template <class Kernel>
__attribute__((noinline)) void Counted(const Kernel& kernel) {
  kernel();
  asm volatile("" ::: "memory");
}

int Run(const std::string& name, Isa isa) {
  constexpr int kVertices = 16384, kJoints = 55, kMorphs = 52;
  Random random(1);
  std::vector<float> points = random.Normals(3 * kVertices), out(3 * kVertices), lit(out.size());
  std::vector<float> offsets(3 * kVertices * kMorphs, 0.0f), active(kMorphs, 0.0f);
  std::vector<std::uint16_t> joints;
  std::vector<float> weights;
  for (int v = 0; v < kVertices; ++v) {
    for (int k = 0; k < 4; ++k) {
      joints.push_back(static_cast<std::uint16_t>((v * kJoints / kVertices + k) % kJoints));
      weights.push_back(0.25f);
    }
    if (v > kVertices * 4 / 10) continue;
    for (int e = v % 5; e < kMorphs; e += 5) offsets[3 * (e * kVertices + v)] = 0.01f;
  }
  for (int e = 0; e < kMorphs; e += 4) active[e] = 0.5f;
  const std::vector<float> rotations = random.Rotations(kJoints);
  const std::vector<float> places = random.Normals(3 * kJoints);
  std::vector<std::int32_t> parents(kJoints);
  for (int j = 0; j < kJoints; ++j) parents[j] = j - 1;
  std::vector<float> bind(12 * kJoints, 0.0f), matrices(12 * kJoints);
  for (int j = 0; j < kJoints; ++j) bind[12 * j] = bind[12 * j + 5] = bind[12 * j + 10] = 1;
  SkinningMatrices({1, kJoints, rotations.data(), places.data(), bind.data(), matrices.data()});

  RigSource source = {};
  source.vertex_count = kVertices;
  source.influence_count = 4;
  source.joint_count = kJoints;
  source.morph_count = kMorphs;
  source.vertices = points.data();
  source.normals = points.data();
  source.joints = joints.data();
  source.weights = weights.data();
  source.morph_offsets = offsets.data();
  const Rig rig(source);
  SkinScratch scratch;
  SkinJob job = {};
  job.frames = 1;
  job.matrices = matrices.data();
  job.positions = out.data();
  const Runner runner = {isa, nullptr};

  if (name == "linear" || name == "dual" || name == "fused") {
    if (name == "dual") job.method = Method::kDual;
    if (name == "fused") {
      job.morph_weights = active.data();
      job.normals = lit.data();
    }
    Counted([&] { SkinMatrices(rig, job, runner, &scratch); });
  } else if (name == "normals") {
    std::vector<std::uint32_t> triangles;
    for (int v = 0; v + 129 < kVertices; ++v) {
      for (const int corner : {v, v + 1, v + 128, v + 1, v + 129, v + 128}) {
        triangles.push_back(static_cast<std::uint32_t>(corner));
      }
    }
    const MeshNormals mesh(triangles.data(), static_cast<std::int64_t>(triangles.size() / 3),
                           kVertices, nullptr);
    Counted([&] { mesh.Recompute(points.data(), 1, out.data(), runner); });
  } else if (name == "kinematics") {
    std::vector<float> world(4 * kJoints), at(3 * kJoints);
    Counted([&] {
      ForwardKinematics({1, kJoints, parents.data(), places.data(), rotations.data(), points.data(),
                         world.data(), at.data()});
    });
  } else if (name == "encode") {
    std::vector<std::uint16_t> words(3 * kJoints);
    Counted([&] { Encode48(rotations.data(), kJoints, words.data()); });
  } else if (name == "parse") {
    std::string text;
    char number[kNumberBytes];
    for (const float x : points) {
      text.append(number, FormatNumber(90.0 * x, 6, number)).push_back(' ');
    }
    std::vector<double> numbers(points.size());
    Counted([&] {
      ParseNumbers(text.data(), text.size(), numbers.data(),
                   static_cast<std::int64_t>(numbers.size()));
    });
  } else {
    return 2;
  }
  return 0;
}

}  // namespace twinsdk

int main(int count, char** words) {
  if (count != 3) return 2;
  return twinsdk::Run(
      words[1], std::strcmp(words[2], "avx2") == 0 ? twinsdk::Isa::kAvx2 : twinsdk::Isa::kBase);
}
