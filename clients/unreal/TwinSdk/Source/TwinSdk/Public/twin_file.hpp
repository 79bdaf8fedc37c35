// An avatar's file on its way into a folder: in chunks, going on where an earlier try stopped, and
// shown only when its SHA-256 is the one that was offered. No sockets.
#ifndef TWIN_FILE_HPP_
#define TWIN_FILE_HPP_

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "twin_sha256.hpp"
#include "twin_wire.hpp"

namespace twin {

constexpr std::uint64_t kChunkBytes = 1 << 17;
constexpr std::uint64_t kMaxFileBytes = 1 << 28;

class FileFetch {
 public:
  // `sha256` has 32 bytes and `bytes` is at most kMaxFileBytes; see Sound.
  FileFetch(std::vector<std::uint8_t> sha256, std::uint64_t bytes, const std::string& folder)
      : sha256_(std::move(sha256)), bytes_(bytes) {
    static const char* const digits = "0123456789abcdef";
    path_ = folder + "/";
    for (const std::uint8_t byte : sha256_) {  // nothing the sender says becomes part of a path
      path_ += digits[byte >> 4];
      path_ += digits[byte & 15];
    }
    part_ = path_ + ".part";
    path_ += ".vrm";
    done_ = IsWhole(path_);
    std::ifstream part(part_, std::ios::binary | std::ios::ate);
    have_ = part.good() ? static_cast<std::uint64_t>(part.tellg()) : 0;
    if (have_ >= bytes_) Restart();
  }

  static bool Sound(const std::vector<std::uint8_t>& sha256, std::uint64_t bytes) {
    return sha256.size() == 32 && bytes >= 4 && bytes <= kMaxFileBytes;
  }

  bool done() const { return done_; }
  const std::string& path() const { return path_; }
  const std::vector<std::uint8_t>& sha256() const { return sha256_; }
  std::uint64_t offset() const { return have_; }

  // Keeps a chunk; true where it was the one that was asked for.
  bool Add(const FileChunk& chunk) {
    const std::uint64_t left = bytes_ - have_;
    if (done_ || chunk.sha256 != sha256_ || chunk.offset != have_ ||
        chunk.data.size() != (left < kChunkBytes ? left : kChunkBytes)) {
      return false;
    }
    {
      std::ofstream file(part_, std::ios::binary | std::ios::app);
      file.write(reinterpret_cast<const char*>(chunk.data.data()),
                 static_cast<std::streamsize>(chunk.data.size()));
      if (!file.good()) return false;
    }
    have_ += chunk.data.size();
    if (have_ == bytes_) {
      done_ = IsWhole(part_) && std::rename(part_.c_str(), path_.c_str()) == 0;
      if (!done_) Restart();  // not what was offered
    }
    return true;
  }

 private:
  void Restart() {
    std::remove(part_.c_str());
    have_ = 0;
  }

  bool IsWhole(const std::string& path) const {
    std::ifstream file(path, std::ios::binary);
    if (!file.good()) return false;
    Sha256 hash;
    std::vector<char> buffer(1 << 16);
    std::uint64_t total = 0;
    do {
      file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
      const auto got = static_cast<std::size_t>(file.gcount());
      if (total == 0 && (got < 4 || std::memcmp(buffer.data(), "glTF", 4) != 0)) return false;
      hash.Add(reinterpret_cast<const std::uint8_t*>(buffer.data()), got);
      total += got;
    } while (file.good());
    const auto digest = hash.Digest();
    return total == bytes_ && std::equal(digest.begin(), digest.end(), sha256_.begin());
  }

  std::vector<std::uint8_t> sha256_;
  std::uint64_t bytes_, have_ = 0;
  std::string path_, part_;
  bool done_ = false;
};

}  // namespace twin

#endif  // TWIN_FILE_HPP_
