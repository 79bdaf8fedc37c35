// The C++ client without an engine.
//   twin_client_test golden FOLDER            the golden messages mean what their text says
//   twin_client_test damage FOLDER            damaged messages are refused, never read beyond
//   twin_client_test jitter                   motion is even and never steps back
//   twin_client_test live ENDPOINT N [KEYS]   N frames of a publisher, one line each
//   twin_client_test file ENDPOINT FOLDER     the avatar's file, then frames for a second and a
//   half
#include "twin_client.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <sstream>

#include "twin_jitter.hpp"

namespace {

#define CHECK(condition)                                                   \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                        \
    }                                                                      \
  } while (false)

std::vector<std::uint8_t> Bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  CHECK(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

std::multimap<std::string, std::string> Facts(const std::string& path) {
  std::ifstream file(path);
  CHECK(file.good());
  std::multimap<std::string, std::string> facts;
  for (std::string line; std::getline(file, line);) {
    const auto space = line.find(' ');
    facts.emplace(line.substr(0, space), space == std::string::npos ? "" : line.substr(space + 1));
  }
  return facts;
}

std::vector<float> Numbers(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<float>(stream), {}};
}

std::string Only(const std::multimap<std::string, std::string>& facts, const std::string& key) {
  CHECK(facts.count(key) == 1);
  return facts.find(key)->second;
}

std::vector<std::string> All(const std::multimap<std::string, std::string>& facts,
                             const std::string& key) {
  std::vector<std::string> found;
  const auto range = facts.equal_range(key);
  for (auto it = range.first; it != range.second; ++it) found.push_back(it->second);
  return found;
}

void Near(const std::vector<float>& ours, const std::vector<float>& theirs) {
  CHECK(ours.size() == theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) CHECK(std::fabs(ours[i] - theirs[i]) < 1e-6f);
}

void Golden(const std::string& folder) {
  for (const std::string name : {"float32", "packed48", "packed32"}) {
    const auto data = Bytes(folder + "/" + name + ".bin");
    const auto facts = Facts(folder + "/" + name + ".txt");
    twin::Frame frame;
    const char* refused = twin::DecodePose(data.data(), data.size(), frame);
    CHECK(refused == nullptr);
    CHECK(std::to_string(static_cast<int>(frame.codec)) == Only(facts, "codec"));
    CHECK(std::to_string(frame.session) == Only(facts, "session"));
    CHECK(std::to_string(frame.avatar) == Only(facts, "avatar"));
    CHECK(std::to_string(frame.sequence) == Only(facts, "sequence"));
    CHECK(std::to_string(frame.t_capture_ns) == Only(facts, "t_capture_ns"));
    CHECK(std::to_string(frame.t_send_ns) == Only(facts, "t_send_ns"));
    CHECK(std::to_string(frame.descriptor) == Only(facts, "descriptor"));
    CHECK(std::to_string(static_cast<int>(frame.state)) == Only(facts, "state"));
    CHECK(frame.confidence == Numbers(Only(facts, "confidence"))[0]);
    Near({frame.root.begin(), frame.root.end()}, Numbers(Only(facts, "root")));
    const auto rotations = All(facts, "rotation");
    CHECK(rotations.size() == frame.rotations.size());
    for (std::size_t j = 0; j < rotations.size(); ++j) {
      const auto expected = Numbers(rotations[j]);
      float dot = 0;
      for (std::size_t i = 0; i < 4; ++i) dot += expected[i] * frame.rotations[j][i];
      std::vector<float> ours(frame.rotations[j].begin(), frame.rotations[j].end());
      for (float& x : ours) x = dot < 0 ? -x : x;
      Near(ours, expected);
    }
    Near(frame.expressions, Numbers(Only(facts, "expressions")));
    Near(frame.joint_confidence, Numbers(Only(facts, "joint_confidence")));
  }
  const auto read = [&](const std::string& name) {
    const auto data = Bytes(folder + "/" + name + ".bin");
    const auto found = twin::DecodeState(data.data(), data.size());
    CHECK(found.has_value());
    return *found;
  };
  const auto descriptor = std::get<twin::Descriptor>(read("descriptor"));
  const auto facts = Facts(folder + "/descriptor.txt");
  CHECK(std::to_string(descriptor.hash) == Only(facts, "hash"));
  for (std::size_t j = 0; j < descriptor.joints.size(); ++j) {
    const auto& joint = descriptor.joints[j];
    CHECK(joint.name == All(facts, "joint")[j]);
    CHECK(joint.role == All(facts, "role")[j]);
    CHECK(std::to_string(joint.parent) == All(facts, "parent")[j]);
    Near({joint.translation.begin(), joint.translation.end()},
         Numbers(All(facts, "translation")[j]));
    Near({joint.rotation.begin(), joint.rotation.end()}, Numbers(All(facts, "rest_rotation")[j]));
  }
  CHECK(descriptor.expressions == All(facts, "expression"));
  CHECK(descriptor.morphs == All(facts, "morph"));
  const auto welcome = std::get<twin::Welcome>(read("welcome"));
  CHECK(welcome.pose_endpoint == "tcp://192.168.0.7:5555");
  CHECK(welcome.avatars.size() == 2 &&
        welcome.avatars[0].newest == Bytes(folder + "/packed48.bin"));
  CHECK(welcome.avatars[1].newest.empty());
  CHECK(twin::FileFetch::Sound(welcome.avatars[0].file, welcome.avatars[0].file_bytes));
  const auto chunk = std::get<twin::FileChunk>(read("chunk"));
  CHECK(chunk.sha256 == welcome.avatars[0].file && chunk.offset == 0);
  twin::Sha256 hash;
  hash.Add(chunk.data.data(), chunk.data.size());
  const auto digest = hash.Digest();
  CHECK(std::equal(digest.begin(), digest.end(), chunk.sha256.begin()));
  // What the minor version before wrote, what a later one writes, and another major.
  CHECK(std::get<twin::Welcome>(read("former/welcome")).avatars[0].file.empty());
  CHECK(std::get<twin::Descriptor>(read("former/descriptor")).hash == descriptor.hash);
  twin::Frame frame;
  const auto former = Bytes(folder + "/former/packed48.bin");
  CHECK(twin::DecodePose(former.data(), former.size(), frame) == nullptr);
  CHECK(std::get<twin::Pong>(read("later_pong")).t1_ns == -5);
  const auto kind = Bytes(folder + "/later_kind.bin");
  CHECK(!twin::DecodeState(kind.data(), kind.size()).has_value());
  const auto major = Bytes(folder + "/other_major.bin");
  const std::string words = twin::DecodePose(major.data(), major.size(), frame);
  CHECK(words.find("wire version; update") != std::string::npos);
  const auto pong = std::get<twin::Pong>(read("pong"));
  CHECK(pong.t0_ns == 1000000000123 && pong.t1_ns == -5 && pong.t2_ns == 1000000456789);
  CHECK(std::get<twin::Refusal>(read("refusal")).reason == "no");
  // The table of docs/wire.md: forward is +X in Unreal, up is +Z, their left is -Y.
  const twin::Vec3 place = twin::UnrealFromGltf(twin::Vec3{1, 2, 3});
  CHECK(place[0] == 300 && place[1] == -100 && place[2] == 200);
}

void Damage(const std::string& folder) {
  std::mt19937 random(7);
  std::size_t refused = 0, passed = 0;
  for (const std::string name :
       {"float32", "packed48", "packed32", "descriptor", "welcome", "hello"}) {
    const auto whole = Bytes(folder + "/" + name + ".bin");
    for (int round = 0; round < 4000; ++round) {
      auto data = whole;
      for (int hit = 0; hit < 1 + round % 6; ++hit) {
        data[random() % data.size()] = static_cast<std::uint8_t>(random());
      }
      if (round % 3 == 0) data.resize(random() % data.size());
      data.shrink_to_fit();  // so that a read beyond is seen by the sanitizer
      twin::Frame frame;
      const bool pose = twin::DecodePose(data.data(), data.size(), frame) == nullptr;
      const bool state = twin::DecodeState(data.data(), data.size()).has_value();
      (pose || state ? passed : refused) += 1;
      if (pose) {
        for (const auto& q : frame.rotations) {
          const float square = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
          CHECK(std::fabs(square - 1) < 1e-4f);
        }
      }
    }
  }
  CHECK(refused > passed);
  std::printf("refused %zu passed %zu\n", refused, passed);
}

void Jitter() {
  std::mt19937 random(1);
  std::exponential_distribution<double> tail(1 / 8.0);
  std::multimap<std::int64_t, std::int64_t> arrivals;
  for (int i = 0; i < 600; ++i) {
    const auto captured = static_cast<std::int64_t>(i * 1e9 / 60);
    arrivals.emplace(captured + static_cast<std::int64_t>((20 + tail(random)) * 1e6), captured);
  }
  twin::JitterBuffer buffer;
  std::int64_t newest = -1;
  std::vector<float> shown;
  for (std::int64_t tick = 0; tick < 9000000000; tick += 1000000000 / 90) {
    while (!arrivals.empty() && arrivals.begin()->first <= tick) {
      const auto [at, captured] = *arrivals.begin();
      arrivals.erase(arrivals.begin());
      if (captured <= newest) continue;
      newest = captured;
      twin::Frame frame;
      const double seconds = static_cast<double>(captured) / 1e9;
      frame.root = {static_cast<float>(seconds), 0, 0};
      frame.rotations = {{0, static_cast<float>(std::sin(seconds / 2)), 0,
                          static_cast<float>(std::cos(seconds / 2))}};
      buffer.Add(frame, captured, at);
    }
    twin::Frame frame;
    if (buffer.Sample(tick, frame)) shown.push_back(frame.root[0]);
  }
  std::vector<float> off;
  for (std::size_t i = 60; i + 1 < shown.size(); ++i) {
    CHECK(shown[i + 1] >= shown[i] - 1e-6f);
    off.push_back(std::fabs(shown[i + 1] - shown[i] - 1.0f / 90));
  }
  std::sort(off.begin(), off.end());
  CHECK(off[off.size() * 95 / 100] < 0.0012f);
}

void Live(const std::string& endpoint, int count, const twin::Keys& keys) {
  twin::Client client(endpoint, "", keys);
  twin::Frame frame;
  for (int i = 0; i < count; ++i) {
    if (!client.Poll(10000, frame)) {
      std::fprintf(stderr, "no frame came %s\n", client.refusal().c_str());
      std::exit(1);
    }
    const auto* avatar = client.descriptor(frame.descriptor);
    CHECK(avatar != nullptr);
    std::printf("%u %zu %016llx %lld %.6f %.6f %.6f %.6f\n", frame.sequence, frame.rotations.size(),
                static_cast<unsigned long long>(avatar->hash),
                static_cast<long long>(twin::NowNs() - client.ToLocal(frame.t_send_ns)),
                frame.rotations[1][0], frame.rotations[1][1], frame.rotations[1][2],
                frame.rotations[1][3]);
    std::fflush(stdout);
  }
  const auto& stats = client.stats();
  std::fprintf(stderr, "malformed %llu restarts %llu\n",
               static_cast<unsigned long long>(stats.malformed),
               static_cast<unsigned long long>(stats.restarts));
}

void File(const std::string& endpoint, const std::string& folder) {
  twin::Client client(endpoint);
  twin::Frame frame;
  std::string path;
  const auto start = twin::NowNs();
  while (path.empty()) {
    CHECK(twin::NowNs() - start < 20000000000);
    client.Poll(20, frame);
    path = client.AvatarFile(3, folder);
  }
  std::printf("%s\n", path.c_str());
  const auto whole = twin::NowNs();
  while (twin::NowNs() - whole < 1500000000) client.Poll(20, frame);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 2 && words[0] == "golden") {
    Golden(words[1]);
  } else if (words.size() == 2 && words[0] == "damage") {
    Damage(words[1]);
  } else if (words.size() == 1 && words[0] == "jitter") {
    Jitter();
  } else if (words.size() >= 3 && words[0] == "live") {
    twin::Keys keys;
    if (words.size() == 6) keys = {words[3], words[4], words[5]};
    Live(words[1], std::stoi(words[2]), keys);
  } else if (words.size() == 3 && words[0] == "file") {
    File(words[1], words[2]);
  } else {
    std::fprintf(stderr, "usage: see the head of the source\n");
    return 2;
  }
  return 0;
}
