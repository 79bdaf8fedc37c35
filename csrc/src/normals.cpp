#include "twinsdk/normals.hpp"

#include <algorithm>
#include <numeric>

#include "block_ops.hpp"

namespace twinsdk {
namespace {

using detail::Normalized;
using detail::Vector3;

constexpr std::int64_t kChunk = 2048;  // triangles or vertices that a thread takes at a time

// Within each 4 lanes: the first three moved down by one, the first to the third.
template <int W>
TWINSDK_INLINE Lanes<W> Rotated(const Lanes<W>& v) {
#if defined(TWINSDK_VECTOR_EXTENSION)
  if constexpr (W == 8) {
    return __builtin_shufflevector(v, v, 1, 2, 0, 3, 5, 6, 4, 7);
  } else {
    return __builtin_shufflevector(v, v, 1, 2, 0, 3);
  }
#else
  Lanes<W> r;
  for (int q = 0; q < W; ++q) r[q] = v[q % 4 == 3 ? q : q / 4 * 4 + (q + 1) % 4 % 3];
  return r;
#endif
}

template <int W>
TWINSDK_INLINE Lanes<W> Cross(const Lanes<W>& a, const Lanes<W>& b, const Lanes<W>& c) {
  const Lanes<W> u = b - a;
  const Lanes<W> v = c - a;
  // Rotated by one lane and rotated back, the product needs three shuffles instead of four.
  return Rotated<W>(u * Rotated<W>(v) - Rotated<W>(u) * v);
}

// Four floats at each of W / 4 places.
template <int W>
TWINSDK_INLINE Lanes<W> LoadPoints(const float* vertices, const std::int32_t* place) {
#if defined(TWINSDK_VECTOR_EXTENSION)
  if constexpr (W == 8) {
    const Lanes<4> low = Load<4>(vertices + place[0]);
    const Lanes<4> high = Load<4>(vertices + place[3]);
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
  } else {
    return Load<4>(vertices + place[0]);
  }
#else
  alignas(64) float lane[W];
  for (int i = 0; i < W / 4; ++i) std::copy_n(vertices + place[3 * i], 4, lane + 4 * i);
  return Load<W>(lane);
#endif
}

// Twice the area of each triangle along its normal, (F, 4). Four floats are read at each corner.
template <int W>
TWINSDK_INLINE void FaceNormals(const float* vertices, const std::int32_t* corners,
                                std::int64_t first, std::int64_t last, float* faces) {
  std::int64_t f = first;
  for (; f + W / 4 <= last; f += W / 4) {
    const std::int32_t* corner = corners + 3 * f;
    Store<W>(faces + 4 * f,
             Cross<W>(LoadPoints<W>(vertices, corner), LoadPoints<W>(vertices, corner + 1),
                      LoadPoints<W>(vertices, corner + 2)));
  }
  for (; f < last; ++f) {
    const std::int32_t* corner = corners + 3 * f;
    Store<4>(faces + 4 * f,
             Cross<4>(LoadPoints<4>(vertices, corner), LoadPoints<4>(vertices, corner + 1),
                      LoadPoints<4>(vertices, corner + 2)));
  }
}

// The sum of a vertex's faces; kValence is how many, or 0 where only `valence` says.
template <int kValence>
TWINSDK_INLINE Lanes<4> SumFaces(const float* faces, const std::int32_t* incident,
                                 std::int32_t valence) {
  Lanes<4> sum = {};
  if constexpr (kValence > 0) {
    TWINSDK_UNROLL
    for (int i = 0; i < kValence; ++i) sum += Load<4>(faces + incident[i]);
  } else {
    for (std::int32_t i = 0; i < valence; ++i) sum += Load<4>(faces + incident[i]);
  }
  return sum;
}

// Rows of x y z . become columns.
TWINSDK_INLINE Vector3<4> Columns(const Lanes<4> (&row)[4]) {
#if defined(TWINSDK_VECTOR_EXTENSION)
  const Lanes<4> xy01 = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
  const Lanes<4> xy23 = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
  const Lanes<4> z01 = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
  const Lanes<4> z23 = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
  return {__builtin_shufflevector(xy01, xy23, 0, 1, 4, 5),
          __builtin_shufflevector(xy01, xy23, 2, 3, 6, 7),
          __builtin_shufflevector(z01, z23, 0, 1, 4, 5)};
#else
  Vector3<4> columns;
  for (int q = 0; q < 4; ++q) {
    columns.x[q] = row[q][0];
    columns.y[q] = row[q][1];
    columns.z[q] = row[q][2];
  }
  return columns;
#endif
}

// Sums `valence` faces for each of `count` vertices and writes the sums' directions to their rows.
template <int kValence>
TWINSDK_INLINE void SumGroup(const float* faces, const std::int32_t* incident, std::int32_t valence,
                             const std::int32_t* rows, std::int64_t count, float* normals) {
  for (std::int64_t base = 0; base < count; base += 4) {
    std::int32_t row[4];
    Lanes<4> sum[4] = {};
    const int left = static_cast<int>(std::min<std::int64_t>(4, count - base));
    if (left == 4) {
      TWINSDK_UNROLL
      for (int q = 0; q < 4; ++q) {
        row[q] = rows[base + q];
        sum[q] = SumFaces<kValence>(faces, incident + q * valence, valence);
      }
    } else {
      for (int q = 0; q < 4; ++q) {
        row[q] = q < left ? rows[base + q] : -1;
        if (q < left) sum[q] = SumFaces<kValence>(faces, incident + q * valence, valence);
      }
    }
    incident += 4 * std::ptrdiff_t{valence};
    const Vector3<4> n = Normalized<4>(Columns(sum));
    if (row[3] == row[0] + 3) {  // rows rise, so all four are neighbours
      StoreInterleaved<4>(normals + 3 * std::ptrdiff_t{row[0]}, n.x, n.y, n.z);
    } else {
      StoreScattered<4>(normals, row, n.x, n.y, n.z);
    }
  }
}

TWINSDK_INLINE void SumNormals(const float* faces, const std::int32_t* incident,
                               std::int32_t valence, const std::int32_t* rows, std::int64_t count,
                               float* normals) {
  switch (valence) {  // what most vertices of a body have, unrolled
    case 4:
      return SumGroup<4>(faces, incident, valence, rows, count, normals);
    case 5:
      return SumGroup<5>(faces, incident, valence, rows, count, normals);
    case 6:
      return SumGroup<6>(faces, incident, valence, rows, count, normals);
    case 7:
      return SumGroup<7>(faces, incident, valence, rows, count, normals);
    case 8:
      return SumGroup<8>(faces, incident, valence, rows, count, normals);
    default:
      return SumGroup<0>(faces, incident, valence, rows, count, normals);
  }
}

using FaceKernel = void (*)(const float*, const std::int32_t*, std::int64_t, std::int64_t, float*);
using SumKernel = void (*)(const float*, const std::int32_t*, std::int32_t, const std::int32_t*,
                           std::int64_t, float*);

void FacesBase(const float* vertices, const std::int32_t* corners, std::int64_t first,
               std::int64_t last, float* faces) {
  FaceNormals<4>(vertices, corners, first, last, faces);
}

void SumBase(const float* faces, const std::int32_t* incident, std::int32_t valence,
             const std::int32_t* rows, std::int64_t count, float* normals) {
  SumNormals(faces, incident, valence, rows, count, normals);
}

#if defined(TWINSDK_X86_VARIANTS)
// Single points and faces are loaded, so wider vectors have nothing to add.
TWINSDK_TARGET_AVX2 void FacesAvx2(const float* vertices, const std::int32_t* corners,
                                   std::int64_t first, std::int64_t last, float* faces) {
  FaceNormals<8>(vertices, corners, first, last, faces);
}

TWINSDK_TARGET_AVX2 void SumAvx2(const float* faces, const std::int32_t* incident,
                                 std::int32_t valence, const std::int32_t* rows, std::int64_t count,
                                 float* normals) {
  SumNormals(faces, incident, valence, rows, count, normals);
}
#endif

}  // namespace

MeshNormals::MeshNormals(const std::uint32_t* triangles, std::int64_t triangle_count,
                         std::int64_t vertex_count, const std::int32_t* owners)
    : vertex_count_(vertex_count) {
  const auto owner = [owners](std::int64_t v) {
    return owners == nullptr ? static_cast<std::int32_t>(v) : owners[v];
  };
  std::vector<std::vector<std::int32_t>> surfaces(vertex_count);
  for (std::int64_t i = 0; i < 3 * triangle_count; ++i) {
    surfaces[owner(triangles[i])].push_back(static_cast<std::int32_t>(i / 3));
  }
  const auto valence = [&](std::int32_t v) {
    return static_cast<std::int32_t>(surfaces[owner(v)].size());
  };
  order_.resize(vertex_count);
  std::iota(order_.begin(), order_.end(), 0);
  std::stable_sort(order_.begin(), order_.end(),
                   [&](std::int32_t a, std::int32_t b) { return valence(a) < valence(b); });
  for (std::int64_t i = 0; i < vertex_count; ++i) {
    const std::int32_t v = order_[i];
    if (groups_.empty() || groups_.back().valence != valence(v) ||
        i - groups_.back().first == kChunk) {
      groups_.push_back({i, i, static_cast<std::int64_t>(incident_.size()), valence(v)});
    }
    groups_.back().last = i + 1;
    for (const std::int32_t f : surfaces[owner(v)]) incident_.push_back(4 * f);
  }
  // Reading four floats at the last vertex would leave the array: its triangles go by themselves.
  corners_.resize(3 * triangle_count, 0);
  const auto last = static_cast<std::uint32_t>(vertex_count - 1);
  for (std::int64_t f = 0; f < triangle_count; ++f) {
    const std::uint32_t* corner = triangles + 3 * f;
    std::int32_t place[3];
    for (int k = 0; k < 3; ++k) place[k] = static_cast<std::int32_t>(3 * corner[k]);
    if (std::find(corner, corner + 3, last) != corner + 3) {
      last_faces_.push_back({static_cast<std::int32_t>(f), {place[0], place[1], place[2]}});
    } else {
      std::copy_n(place, 3, corners_.begin() + 3 * f);
    }
  }
}

void MeshNormals::Recompute(const float* vertices, std::int64_t frames, float* normals,
                            const Runner& runner) const {
  const std::int64_t face_total = static_cast<std::int64_t>(corners_.size()) / 3;
  if (vertex_count_ < 2) {  // no triangle has an area, and one vertex has no fourth float
    std::fill(normals, normals + 3 * frames * vertex_count_, 0.0f);
    return;
  }
  FaceKernel face_kernel = &FacesBase;
#if defined(TWINSDK_X86_VARIANTS)
  if (runner.isa != Isa::kBase) face_kernel = &FacesAvx2;
#endif
  AlignedVector<float> faces(4 * face_total);
  for (std::int64_t t = 0; t < frames; ++t) {
    const float* points = vertices + 3 * t * vertex_count_;
    ParallelFor(runner.pool, (face_total + kChunk - 1) / kChunk, [&](std::int64_t i) {
      face_kernel(points, corners_.data(), i * kChunk, std::min((i + 1) * kChunk, face_total),
                  faces.data());
    });
    for (const LastFace& face : last_faces_) {
      float corner[3][4] = {};
      for (int k = 0; k < 3; ++k) std::copy_n(points + face.corner[k], 3, corner[k]);
      Store<4>(faces.data() + 4 * std::ptrdiff_t{face.index},
               Cross<4>(Load<4>(corner[0]), Load<4>(corner[1]), Load<4>(corner[2])));
    }
    Sum(faces.data(), runner, normals + 3 * t * vertex_count_);
  }
}

void MeshNormals::Sum(const float* faces, const Runner& runner, float* normals) const {
  SumKernel kernel = &SumBase;
#if defined(TWINSDK_X86_VARIANTS)
  if (runner.isa != Isa::kBase) kernel = &SumAvx2;
#endif
  ParallelFor(runner.pool, static_cast<std::int64_t>(groups_.size()), [&](std::int64_t i) {
    const Group& group = groups_[static_cast<std::size_t>(i)];
    kernel(faces, incident_.data() + group.incident, group.valence, order_.data() + group.first,
           group.last - group.first, normals);
  });
}

}  // namespace twinsdk
