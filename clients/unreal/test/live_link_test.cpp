// The Live Link source on a stub of the engine: prints what it pushes for a live stream.
//   live_link_test ENDPOINT FRAMES
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "ILiveLinkClient.h"
#include "Roles/LiveLinkAnimationTypes.h"
#include "TwinLiveLinkSourceFactory.h"

namespace {

class Client : public ILiveLinkClient {
 public:
  void PushSubjectStaticData_AnyThread(const FLiveLinkSubjectKey& key, int,
                                       FLiveLinkStaticDataStruct&& data) override {
    const auto* skeleton = data.Cast<FLiveLinkSkeletonStaticData>();
    std::printf("static|%s|%zu|%zu", key.Subject.text.c_str(), skeleton->BoneNames.size(),
                skeleton->PropertyNames.size());
    for (const auto& name : skeleton->BoneNames) std::printf("|%s", name.text.c_str());
    std::printf("\n");
  }
  void PushSubjectFrameData_AnyThread(const FLiveLinkSubjectKey&,
                                      FLiveLinkFrameDataStruct&& data) override {
    const auto* frame = data.Cast<FLiveLinkAnimationFrameData>();
    const FTransform& root = frame->Transforms[0];
    const FTransform& joint = frame->Transforms[1];
    std::printf("frame|%.6f|%.6f|%.6f|%.6f|%.6f|%.6f|%.6f|%.6f|%.6f|%.6f|%.6f\n",
                root.Translation.X, root.Translation.Y, root.Translation.Z, joint.Translation.X,
                joint.Translation.Y, joint.Translation.Z, joint.Rotation.X, joint.Rotation.Y,
                joint.Rotation.Z, joint.Rotation.W, static_cast<double>(frame->PropertyValues[17]));
    ++frames;
  }
  std::atomic<int> frames{0};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int wanted = std::atoi(argv[2]);
  Client client;
  UTwinLiveLinkSourceFactory factory;
  const auto source = factory.CreateSource(FString(argv[1]));
  source->ReceiveClient(&client, FGuid());
  for (int i = 0; i < 1000 && client.frames < wanted; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const bool valid = source->IsSourceStillValid();
  std::fprintf(stderr, "%s %s\n", source->GetSourceStatus().text.c_str(),
               valid ? "valid" : "invalid");
  source->RequestSourceShutdown();
  return client.frames >= wanted && valid ? 0 : 1;
}
