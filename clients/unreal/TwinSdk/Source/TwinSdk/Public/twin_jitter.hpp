// Frames that come unevenly, shown evenly on the timeline of their capture; never a step back.
// The rules are those of twinsdk/bridge/jitter.py. No engine, no sockets.
#ifndef TWIN_JITTER_HPP_
#define TWIN_JITTER_HPP_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <vector>

#include "twin_wire.hpp"

namespace twin {

// Shortest arc from a (t = 0) to b (t = 1); t may lie beyond.
inline Quat Slerp(const Quat& a, const Quat& b, float t) {
  float cosine = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
  const float sign = cosine < 0 ? -1.0f : 1.0f;
  cosine = std::min(1.0f, std::fabs(cosine));
  const float theta = std::acos(cosine);
  const float sine = std::sin(theta);
  const float wa = sine < 1e-4f ? 1 - t : std::sin((1 - t) * theta) / sine;
  const float wb = (sine < 1e-4f ? t : std::sin(t * theta) / sine) * sign;
  Quat out{};
  float square = 0;
  for (int i = 0; i < 4; ++i) {
    out[i] = wa * a[i] + wb * b[i];
    square += out[i] * out[i];
  }
  const float length = std::sqrt(square);
  for (float& x : out) x /= length;
  return out;
}

class JitterBuffer {
 public:
  // Takes a frame that arrived at `now_ns`, captured at `captured_ns`, both in the local clock.
  void Add(Frame frame, std::int64_t captured_ns, std::int64_t now_ns) {
    if (!times_.empty()) {
      const std::int64_t step = captured_ns - times_.back();
      if (std::llabs(step) > kGapNs || frame.descriptor != frames_.back().descriptor) {
        *this = JitterBuffer();
      } else if (step <= 0) {
        return;
      } else {
        Push(steps_, step);
      }
    }
    Push(lateness_, now_ns - captured_ns);
    times_.push_back(captured_ns);
    frames_.push_back(std::move(frame));
  }

  // Fills the frame to show at `now_ns`; false before the first one.
  bool Sample(std::int64_t now_ns, Frame& out) {
    if (times_.empty()) return false;
    shown_ns_ = std::max({shown_ns_, now_ns - Delay(now_ns), times_.front()});
    std::size_t after = static_cast<std::size_t>(
        std::upper_bound(times_.begin(), times_.end(), shown_ns_) - times_.begin());
    while (after > 2) {
      times_.pop_front();
      frames_.pop_front();
      --after;
    }
    const std::size_t last = times_.size() - 1;
    if (after <= last) {
      Between(after - 1, shown_ns_, out);
    } else if (last == 0) {
      out = frames_.front();
    } else {
      // Motion is continued for one interval, then held.
      const std::int64_t ahead = std::min(shown_ns_ - times_[last], Quantile(steps_, 0.5));
      Between(last - 1, times_[last] + ahead, out);
    }
    return true;
  }

  std::int64_t delay_ns() const { return delay_ns_; }

 private:
  static constexpr std::int64_t kGapNs = 1000000000;

  static void Push(std::deque<std::int64_t>& list, std::int64_t value) {
    list.push_back(value);
    if (list.size() > 120) list.pop_front();
  }

  static std::int64_t Quantile(const std::deque<std::int64_t>& values, double q) {
    if (values.empty()) return 0;
    std::vector<std::int64_t> sorted(values.begin(), values.end());
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<std::size_t>(
        std::llround(q * static_cast<double>(sorted.size() - 1)))];
  }

  std::int64_t Delay(std::int64_t now_ns) {
    const std::int64_t wanted = Quantile(lateness_, 0.95) + Quantile(steps_, 0.5) * 3 / 2;
    if (!sampled_) {
      delay_ns_ = wanted;
    } else {
      const std::int64_t most = std::max<std::int64_t>(0, now_ns - sampled_ns_) / 10;
      delay_ns_ += std::clamp(wanted - delay_ns_, -most, most);
    }
    sampled_ = true;
    sampled_ns_ = now_ns;
    return delay_ns_;
  }

  void Between(std::size_t first, std::int64_t at_ns, Frame& out) const {
    const Frame& a = frames_[first];
    const Frame& b = frames_[first + 1];
    const float amount = static_cast<float>(static_cast<double>(at_ns - times_[first]) /
                                            static_cast<double>(times_[first + 1] - times_[first]));
    const float mixed = std::min(amount, 1.0f);
    out = amount >= 0.5f ? b : a;
    for (std::size_t i = 0; i < 3; ++i) out.root[i] = a.root[i] + amount * (b.root[i] - a.root[i]);
    const std::size_t joints = std::min(a.rotations.size(), b.rotations.size());
    out.rotations.resize(joints);
    for (std::size_t j = 0; j < joints; ++j) {
      out.rotations[j] = Slerp(a.rotations[j], b.rotations[j], amount);
    }
    const std::size_t weights = std::min(a.expressions.size(), b.expressions.size());
    out.expressions.resize(weights);
    for (std::size_t i = 0; i < weights; ++i) {
      out.expressions[i] = a.expressions[i] + mixed * (b.expressions[i] - a.expressions[i]);
    }
    out.t_capture_ns = at_ns;
  }

  std::deque<std::int64_t> times_, lateness_, steps_;
  std::deque<Frame> frames_;
  std::int64_t delay_ns_ = 0, shown_ns_ = 0, sampled_ns_ = 0;
  bool sampled_ = false;
};

}  // namespace twin

#endif  // TWIN_JITTER_HPP_
