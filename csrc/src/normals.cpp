#include "twinsdk/normals.hpp"

#include <algorithm>

#include "block_ops.hpp"

namespace twinsdk {
namespace {

using detail::Normalized;
using detail::Vector3;

constexpr std::int64_t kChunk = 2048;  // triangles or vertices that a thread takes at a time

// Three floats as the first lanes of four; never reads past the third.
TWINSDK_INLINE Lanes<4> LoadPoint(const float* from) {
  return Lanes<4>{from[0], from[1], from[2], 0.0f};
}

TWINSDK_INLINE Lanes<4> Rotated(const Lanes<4>& v) {
#if defined(TWINSDK_VECTOR_EXTENSION)
  return __builtin_shufflevector(v, v, 1, 2, 0, 3);
#else
  Lanes<4> r;
  r[0] = v[1];
  r[1] = v[2];
  r[2] = v[0];
  r[3] = v[3];
  return r;
#endif
}

TWINSDK_INLINE Lanes<4> Cross(const Lanes<4>& a, const Lanes<4>& b, const Lanes<4>& c) {
  const Lanes<4> u = b - a;
  const Lanes<4> v = c - a;
  // Rotated by one lane and rotated back, the product needs three shuffles instead of four.
  return Rotated(u * Rotated(v) - Rotated(u) * v);
}

// Twice the area of each triangle along its normal, (F, 4). Four floats are read at each corner.
TWINSDK_INLINE void FaceNormals(const float* vertices, const std::int32_t* corners,
                                std::int64_t first, std::int64_t last, float* faces) {
  for (std::int64_t f = first; f < last; ++f) {
    const std::int32_t* corner = corners + 3 * f;
    Store<4>(faces + 4 * f, Cross(Load<4>(vertices + 3 * std::ptrdiff_t{corner[0]}),
                                  Load<4>(vertices + 3 * std::ptrdiff_t{corner[1]}),
                                  Load<4>(vertices + 3 * std::ptrdiff_t{corner[2]})));
  }
}

template <int W>
TWINSDK_INLINE void GatherNormals(const float* faces, const std::int32_t* offsets,
                                  const std::int32_t* incident, std::int64_t first,
                                  std::int64_t last, float* normals) {
  for (std::int64_t base = first; base < last; base += W) {
    alignas(64) float lane[3][W] = {};
    const int count = static_cast<int>(std::min<std::int64_t>(W, last - base));
    for (int q = 0; q < count; ++q) {
      Lanes<4> sum = {};
      const std::int32_t end = offsets[base + q + 1];
      for (std::int32_t i = offsets[base + q]; i < end; ++i) {
        sum += Load<4>(faces + 4 * std::ptrdiff_t{incident[i]});
      }
      lane[0][q] = sum[0];
      lane[1][q] = sum[1];
      lane[2][q] = sum[2];
    }
    const Vector3<W> n = Normalized<W>({Load<W>(lane[0]), Load<W>(lane[1]), Load<W>(lane[2])});
    if (count == W) {
      StoreInterleaved<W>(normals + 3 * base, n.x, n.y, n.z);
    } else {
      for (int q = 0; q < count; ++q) {
        normals[3 * (base + q)] = n.x[q];
        normals[3 * (base + q) + 1] = n.y[q];
        normals[3 * (base + q) + 2] = n.z[q];
      }
    }
  }
}

using FaceKernel = void (*)(const float*, const std::int32_t*, std::int64_t, std::int64_t, float*);
using GatherKernel = void (*)(const float*, const std::int32_t*, const std::int32_t*, std::int64_t,
                              std::int64_t, float*);

void FacesBase(const float* vertices, const std::int32_t* corners, std::int64_t first,
               std::int64_t last, float* faces) {
  FaceNormals(vertices, corners, first, last, faces);
}

void GatherBase(const float* faces, const std::int32_t* offsets, const std::int32_t* incident,
                std::int64_t first, std::int64_t last, float* normals) {
  GatherNormals<4>(faces, offsets, incident, first, last, normals);
}

#if defined(TWINSDK_X86_VARIANTS)
// 16 lanes would only normalise faster; loads of single points and faces dominate.
TWINSDK_TARGET_AVX2 void FacesAvx2(const float* vertices, const std::int32_t* corners,
                                   std::int64_t first, std::int64_t last, float* faces) {
  FaceNormals(vertices, corners, first, last, faces);
}

TWINSDK_TARGET_AVX2 void GatherAvx2(const float* faces, const std::int32_t* offsets,
                                    const std::int32_t* incident, std::int64_t first,
                                    std::int64_t last, float* normals) {
  GatherNormals<8>(faces, offsets, incident, first, last, normals);
}
#endif

}  // namespace

MeshNormals::MeshNormals(const std::uint32_t* triangles, std::int64_t triangle_count,
                         std::int64_t vertex_count, const std::int32_t* owners)
    : corners_(triangles, triangles + 3 * triangle_count) {
  const auto owner = [owners](std::int64_t v) {
    return owners == nullptr ? static_cast<std::int32_t>(v) : owners[v];
  };
  std::vector<std::vector<std::int32_t>> surfaces(vertex_count);
  for (std::int64_t i = 0; i < 3 * triangle_count; ++i) {
    surfaces[owner(corners_[i])].push_back(static_cast<std::int32_t>(i / 3));
  }
  // Reading four floats at the last vertex would leave the array: its triangles go by themselves.
  const std::int64_t last = vertex_count - 1;
  for (std::int64_t f = 0; f < triangle_count; ++f) {
    std::int32_t* corner = corners_.data() + 3 * f;
    if (std::none_of(corner, corner + 3, [last](std::int32_t v) { return v == last; })) continue;
    last_faces_.push_back({static_cast<std::int32_t>(f), {corner[0], corner[1], corner[2]}});
    std::fill(corner, corner + 3, 0);
  }
  offsets_.push_back(0);
  for (std::int64_t v = 0; v < vertex_count; ++v) {
    const std::vector<std::int32_t>& own = surfaces[owner(v)];
    incident_.insert(incident_.end(), own.begin(), own.end());
    offsets_.push_back(static_cast<std::int32_t>(incident_.size()));
  }
}

void MeshNormals::Recompute(const float* vertices, std::int64_t frames, float* normals,
                            const Runner& runner) const {
  const std::int64_t vertex_total = vertex_count();
  const std::int64_t face_total = static_cast<std::int64_t>(corners_.size()) / 3;
  const auto chunks = [](std::int64_t count) { return (count + kChunk - 1) / kChunk; };
  AlignedVector<float> faces(4 * face_total);
  FaceKernel face_kernel = &FacesBase;
  GatherKernel gather = &GatherBase;
#if defined(TWINSDK_X86_VARIANTS)
  if (runner.isa != Isa::kBase) {
    face_kernel = &FacesAvx2;
    gather = &GatherAvx2;
  }
#endif
  if (vertex_total < 2) {  // no triangle has an area, and one vertex has no fourth float
    std::fill(normals, normals + 3 * frames * vertex_total, 0.0f);
    return;
  }
  for (std::int64_t t = 0; t < frames; ++t) {
    const float* points = vertices + 3 * t * vertex_total;
    ParallelFor(runner.pool, chunks(face_total), [&](std::int64_t i) {
      face_kernel(points, corners_.data(), i * kChunk, std::min((i + 1) * kChunk, face_total),
                  faces.data());
    });
    for (const LastFace& face : last_faces_) {
      const auto corner = [&](int k) {
        return LoadPoint(points + 3 * std::ptrdiff_t{face.corner[k]});
      };
      Store<4>(faces.data() + 4 * std::ptrdiff_t{face.index},
               Cross(corner(0), corner(1), corner(2)));
    }
    float* out = normals + 3 * t * vertex_total;
    ParallelFor(runner.pool, chunks(vertex_total), [&](std::int64_t i) {
      gather(faces.data(), offsets_.data(), incident_.data(), i * kChunk,
             std::min((i + 1) * kChunk, vertex_total), out);
    });
  }
}

}  // namespace twinsdk
