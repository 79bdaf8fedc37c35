// AlignedVector: std::vector whose storage starts on a cache line.
#ifndef TWINSDK_ALIGNED_HPP_
#define TWINSDK_ALIGNED_HPP_

#include <cstddef>
#include <new>
#include <utility>
#include <vector>

namespace twinsdk {

// A 64-byte load that straddles two lines costs about twice an aligned one.
template <class T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};

  LineAllocator() = default;
  template <class U>
  LineAllocator(const LineAllocator<U>&) noexcept {}

  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kLine)); }
  // resize(n) leaves new numbers unset: every user of it writes them all, and zeroing costs a pass.
  template <class U>
  void construct(U* p) noexcept {
    ::new (static_cast<void*>(p)) U;
  }
  template <class U, class... Arguments>
  void construct(U* p, Arguments&&... arguments) {
    ::new (static_cast<void*>(p)) U(std::forward<Arguments>(arguments)...);
  }
  void deallocate(T* p, std::size_t) noexcept { ::operator delete(p, kLine); }
  template <class U>
  bool operator==(const LineAllocator<U>&) const noexcept {
    return true;
  }
  template <class U>
  bool operator!=(const LineAllocator<U>&) const noexcept {
    return false;
  }
};

template <class T>
using AlignedVector = std::vector<T, LineAllocator<T>>;

}  // namespace twinsdk

#endif  // TWINSDK_ALIGNED_HPP_
