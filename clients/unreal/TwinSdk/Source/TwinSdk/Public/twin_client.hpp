// A receiver of twinsdk streams over ZeroMQ: newest frame wins, descriptors by hash, restarts
// survived. No engine. One thread calls Poll; needs cppzmq and libzmq 4.3.
#ifndef TWIN_CLIENT_HPP_
#define TWIN_CLIENT_HPP_

#include <chrono>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "twin_file.hpp"
#include "twin_wire.hpp"

namespace twin {

// CURVE keys as Z85 text; empty for a stream without keys.
struct Keys {
  std::string server_public;
  std::string client_public;
  std::string client_secret;
};

struct Stats {
  std::uint64_t received = 0, lost = 0, reordered = 0, malformed = 0, restarts = 0;
};

inline std::int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class Client {
 public:
  // `state_endpoint` empty: the port after the pose endpoint's, or for ipc the path with `.state`.
  explicit Client(std::string endpoint, std::string state_endpoint = {}, Keys keys = {},
                  std::string name = "twinsdk C++ client")
      : endpoint_(std::move(endpoint)), keys_(std::move(keys)), name_(std::move(name)) {
    if (state_endpoint.empty()) state_endpoint = StateOf(endpoint_);
    state_ = zmq::socket_t(context_, zmq::socket_type::dealer);
    Configure(state_, 64, 1 << 20);
    state_.connect(state_endpoint);
  }

  // Waits up to `timeout_ms` for a frame; true when `frame` was filled.
  bool Poll(int timeout_ms, Frame& frame) {
    const std::int64_t deadline = NowNs() + std::int64_t{timeout_ms} * 1000000;
    for (;;) {
      Housekeep();
      std::vector<zmq::pollitem_t> items{{state_.handle(), 0, ZMQ_POLLIN, 0}};
      for (auto& entry : tracks_) items.push_back({entry.second.socket.handle(), 0, ZMQ_POLLIN, 0});
      const std::int64_t left = std::max<std::int64_t>(0, deadline - NowNs());
      const std::int64_t wait = ready_.empty() ? std::min<std::int64_t>(left / 1000000 + 1, 50) : 0;
      zmq::poll(items, std::chrono::milliseconds(left == 0 ? 0 : wait));
      if (items[0].revents & ZMQ_POLLIN) ServeState();
      while (!ready_.empty()) {
        const auto waiting = std::move(ready_.front());
        ready_.pop_front();
        if (Take(waiting.first, waiting.second.data(), waiting.second.size(), frame)) return true;
      }
      for (auto& entry : tracks_) {
        zmq::message_t message;
        if (!entry.second.socket.recv(message, zmq::recv_flags::dontwait)) continue;
        const auto* data = static_cast<const std::uint8_t*>(message.data());
        if (Take(entry.first, data, message.size(), frame)) return true;
      }
      if (NowNs() >= deadline) return false;
    }
  }

  // The avatar a frame is on; null before it arrived.
  const Descriptor* descriptor(std::uint64_t hash) const {
    const auto found = descriptors_.find(hash);
    return found == descriptors_.end() ? nullptr : &found->second;
  }

  // A time of the publisher in this machine's steady clock.
  std::int64_t ToLocal(std::int64_t publisher_ns) const {
    return best_delay_ == kNever || std::llabs(best_offset_) <= best_delay_ / 2
               ? publisher_ns
               : publisher_ns - best_offset_;
  }

  // Fetches the avatar's file into a folder that exists; call it between Polls. Returns its path
  // once it is here and whole, empty while it is on its way or where nobody gives it away.
  std::string AvatarFile(std::uint32_t avatar, const std::string& folder) {
    const auto offer = offers_.find(avatar);
    if (offer == offers_.end()) return {};
    if (!fetch_ || fetch_->sha256() != offer->second.first) {
      fetch_ = std::make_unique<FileFetch>(offer->second.first, offer->second.second, folder);
      asked_file_ns_ = 0;
    }
    if (fetch_->done()) return fetch_->path();
    if (NowNs() - asked_file_ns_ > 500000000) AskFile();
    return {};
  }

  const Stats& stats() const { return stats_; }
  const std::string& refusal() const { return refusal_; }

 private:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  struct Track {
    zmq::socket_t socket;
    std::uint64_t session = 0;
    std::uint32_t sequence = 0;
    std::int64_t t_send_ns = 0;
    std::vector<std::uint8_t> waiting;
  };

  static std::string StateOf(const std::string& endpoint) {
    if (endpoint.rfind("ipc://", 0) == 0) return endpoint + ".state";
    const auto colon = endpoint.rfind(':');
    return endpoint.substr(0, colon + 1) +
           std::to_string(std::stoi(endpoint.substr(colon + 1)) + 1);
  }

  void Configure(zmq::socket_t& socket, int queue, std::int64_t limit_bytes) {
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::sndhwm, queue);
    socket.set(zmq::sockopt::rcvhwm, queue);
    socket.set(zmq::sockopt::maxmsgsize, limit_bytes);
    socket.set(zmq::sockopt::heartbeat_ivl, 1000);
    socket.set(zmq::sockopt::heartbeat_timeout, 3000);
    socket.set(zmq::sockopt::reconnect_ivl, 50);
    socket.set(zmq::sockopt::reconnect_ivl_max, 500);
    socket.set(zmq::sockopt::ipv6, 1);
    if (!keys_.server_public.empty()) {
      socket.set(zmq::sockopt::curve_serverkey, keys_.server_public);
      socket.set(zmq::sockopt::curve_publickey, keys_.client_public);
      socket.set(zmq::sockopt::curve_secretkey, keys_.client_secret);
    }
  }

  void Follow(std::uint32_t avatar) {
    if (tracks_.count(avatar) != 0 || tracks_.size() >= 256) return;
    Track track;
    // A socket each: CONFLATE keeps one message over all topics of a socket.
    track.socket = zmq::socket_t(context_, zmq::socket_type::sub);
    Configure(track.socket, 1, 1 << 17);
    track.socket.set(zmq::sockopt::rcvbuf, 8192);
    track.socket.set(zmq::sockopt::conflate, true);
    std::string topic("TWN");
    topic.push_back(static_cast<char>(kVersion));
    for (int shift = 0; shift < 32; shift += 8) topic.push_back(static_cast<char>(avatar >> shift));
    track.socket.set(zmq::sockopt::subscribe, topic);
    track.socket.connect(endpoint_);
    tracks_.emplace(avatar, std::move(track));
  }

  void Tell(const std::vector<std::uint8_t>& data) {
    state_.send(zmq::buffer(data), zmq::send_flags::dontwait);
  }

  void Housekeep() {
    const std::int64_t now = NowNs();
    if (now >= hello_due_ns_) {
      hello_due_ns_ = now + 500000000;
      Tell(EncodeHello(name_));
    }
    if (now >= ping_due_ns_) {
      ping_due_ns_ = now + (pings_++ < 10 ? 100000000 : 1000000000);
      Tell(EncodePing(now));
    }
    if (now >= statistics_due_ns_) {
      statistics_due_ns_ = now + 1000000000;
      if (stats_.received != told_) Report(now);
    }
  }

  void Report(std::int64_t now) {
    told_ = stats_.received;
    std::vector<float> ages(ages_.begin(), ages_.end());
    std::sort(ages.begin(), ages.end());
    Tell(EncodeStatistics({stats_.received, stats_.lost, ages[ages.size() / 2],
                           ages[ages.size() * 99 / 100],
                           static_cast<float>(now - newest_ns_) / 1e6f}));
  }

  void AskFile() {
    asked_file_ns_ = NowNs();
    Tell(EncodeFileRequest(fetch_->sha256(), fetch_->offset()));
  }

  bool Take(std::uint32_t avatar, const std::uint8_t* data, std::size_t size, Frame& frame) {
    Track& track = tracks_.at(avatar);
    if (const char* words = DecodePose(data, size, frame)) {
      ++stats_.malformed;
      if (IsPose(data, size) && data[3] != kVersion) refusal_ = words;
      return false;
    }
    const auto known = descriptors_.find(frame.descriptor);
    if (known == descriptors_.end()) {
      track.waiting.assign(data, data + size);
      Ask(frame.descriptor);
      return false;
    }
    if (known->second.joints.size() != frame.rotations.size()) {
      ++stats_.malformed;
      return false;
    }
    if (frame.session != track.session) {
      if (track.session != 0) {
        ++stats_.restarts;
        samples_.clear();
        best_delay_ = kNever;
        hello_due_ns_ = ping_due_ns_ = 0;
        pings_ = 0;
      }
    } else {
      const std::uint32_t step = frame.sequence - track.sequence;
      if (frame.t_send_ns <= track.t_send_ns) {
        stats_.reordered += step != 0;
        return false;
      }
      if (step > 0 && step < 0x80000000u) stats_.lost += step - 1;
    }
    track.session = frame.session;
    track.sequence = frame.sequence;
    track.t_send_ns = frame.t_send_ns;
    ++stats_.received;
    newest_ns_ = NowNs();
    ages_.push_back(static_cast<float>(newest_ns_ - ToLocal(frame.t_capture_ns)) / 1e6f);
    if (ages_.size() > 600) ages_.pop_front();
    hello_due_ns_ = std::max(hello_due_ns_, newest_ns_ + 500000000);
    return true;
  }

  void Ask(std::uint64_t hash) {
    const std::int64_t now = NowNs();
    auto& asked = asked_[hash];
    if (asked != 0 && now - asked < 250000000) return;
    if (asked == 0) Tell(EncodeHello(name_));  // perhaps a publisher that does not know us yet
    asked = now;
    Tell(EncodeRequest(hash));
  }

  void ServeState() {
    zmq::message_t message;
    while (state_.recv(message, zmq::recv_flags::dontwait)) {
      const std::int64_t arrived = NowNs();
      const auto* data = static_cast<const std::uint8_t*>(message.data());
      const auto found = DecodeState(data, message.size());
      if (!found || message.more()) {
        ++stats_.malformed;
      } else if (const auto* welcome = std::get_if<Welcome>(&*found)) {
        for (const auto& entry : welcome->avatars) {
          Follow(entry.avatar);
          if (FileFetch::Sound(entry.file, entry.file_bytes) && offers_.size() < 256) {
            offers_[entry.avatar] = {entry.file, entry.file_bytes};
          }
          if (descriptors_.count(entry.descriptor) == 0) Ask(entry.descriptor);
          const auto track = tracks_.find(entry.avatar);
          if (track != tracks_.end() && track->second.session == 0 && !entry.newest.empty()) {
            track->second.waiting = entry.newest;
          }
        }
        Release();
      } else if (const auto* descriptor = std::get_if<Descriptor>(&*found)) {
        if (asked_.count(descriptor->hash) != 0) descriptors_[descriptor->hash] = *descriptor;
        Release();
      } else if (const auto* chunk = std::get_if<FileChunk>(&*found)) {
        if (fetch_ && fetch_->Add(*chunk) && !fetch_->done()) AskFile();
      } else if (const auto* pong = std::get_if<Pong>(&*found)) {
        AddSample(*pong, arrived);
      } else if (const auto* refusal = std::get_if<Refusal>(&*found)) {
        refusal_ = refusal->reason;
      }
    }
  }

  // Messages that waited for their descriptor are looked at again.
  void Release() {
    if (descriptors_.empty()) return;
    for (auto& entry : tracks_) {
      if (entry.second.waiting.empty()) continue;
      ready_.emplace_back(entry.first, std::move(entry.second.waiting));
      entry.second.waiting.clear();
    }
  }

  void AddSample(const Pong& pong, std::int64_t t3) {
    const std::int64_t delay = (t3 - pong.t0_ns) - (pong.t2_ns - pong.t1_ns);
    if (delay < 0 || pong.t2_ns < pong.t1_ns) return;
    samples_.emplace_back(delay, ((pong.t1_ns - pong.t0_ns) + (pong.t2_ns - t3)) / 2);
    if (samples_.size() > 16) samples_.pop_front();
    const auto best = *std::min_element(samples_.begin(), samples_.end());
    best_delay_ = best.first;
    best_offset_ = best.second;
  }

  std::string endpoint_;
  Keys keys_;
  std::string name_;
  std::string refusal_;
  zmq::context_t context_;
  zmq::socket_t state_;
  std::map<std::uint32_t, Track> tracks_;
  std::map<std::uint64_t, Descriptor> descriptors_;
  std::map<std::uint64_t, std::int64_t> asked_;
  std::deque<std::pair<std::uint32_t, std::vector<std::uint8_t>>> ready_;
  std::deque<std::pair<std::int64_t, std::int64_t>> samples_;
  std::int64_t best_delay_ = kNever, best_offset_ = 0;
  std::int64_t hello_due_ns_ = 0, ping_due_ns_ = 0;
  std::int64_t statistics_due_ns_ = 0, newest_ns_ = 0, asked_file_ns_ = 0;
  std::uint64_t told_ = 0;
  std::deque<float> ages_;
  std::map<std::uint32_t, std::pair<std::vector<std::uint8_t>, std::uint64_t>> offers_;
  std::unique_ptr<FileFetch> fetch_;
  int pings_ = 0;
  Stats stats_;
};

}  // namespace twin

#endif  // TWIN_CLIENT_HPP_
