// Vertex normals recomputed from a mesh's triangles, weighted by their area.
#ifndef TWINSDK_NORMALS_HPP_
#define TWINSDK_NORMALS_HPP_

#include <cstdint>
#include <vector>

#include "twinsdk/aligned.hpp"
#include "twinsdk/skinning.hpp"

namespace twinsdk {

// Which triangles meet at which vertex; bound once and never changed.
//
// `owners` (V,), or null, names for each vertex the one whose surface it is part of: the copies of
// a vertex along a texture seam share a normal.
class MeshNormals {
 public:
  MeshNormals(const std::uint32_t* triangles, std::int64_t triangle_count,
              std::int64_t vertex_count, const std::int32_t* owners);

  // Writes unit normals (T, V, 3) of vertices (T, V, 3); a vertex without area gets 0. Each is
  // summed in the order of the triangles, so the result is the same on any number of threads.
  void Recompute(const float* vertices, std::int64_t frames, float* normals,
                 const Runner& runner) const;

  std::int64_t vertex_count() const noexcept { return vertex_count_; }

 private:
  struct LastFace {
    std::int32_t index;
    std::int32_t corner[3];
  };
  // Vertices with the same number of triangles, which are summed without a branch that guesses.
  struct Group {
    std::int64_t first, last;  // rows of order_
    std::int64_t incident;     // where their triangles start
    std::int32_t valence;
  };
  void Sum(const float* faces, const Runner& runner, float* normals) const;

  AlignedVector<std::int32_t> corners_;   // (F, 3) 3 times a vertex; 0 0 0 for last_faces_
  std::vector<LastFace> last_faces_;      // triangles at the last vertex
  AlignedVector<std::int32_t> order_;     // (V,) vertices by valence, then by index
  AlignedVector<std::int32_t> incident_;  // 4 times each triangle, in that order, rising
  std::vector<Group> groups_;             // at most kChunk vertices each: also a thread's share
  std::int64_t vertex_count_ = 0;
};

}  // namespace twinsdk

#endif  // TWINSDK_NORMALS_HPP_
