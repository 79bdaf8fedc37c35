#pragma once
#include "LiveLinkTypes.h"
struct FLiveLinkSkeletonStaticData : FStubData {
  static std::shared_ptr<FStubData> Make() {
    return std::make_shared<FLiveLinkSkeletonStaticData>();
  }
  static auto StaticStruct() { return &Make; }
  TArray<FName> BoneNames;
  TArray<int32> BoneParents;
  TArray<FName> PropertyNames;
};
struct FLiveLinkAnimationFrameData : FStubData {
  static std::shared_ptr<FStubData> Make() {
    return std::make_shared<FLiveLinkAnimationFrameData>();
  }
  static auto StaticStruct() { return &Make; }
  double WorldTime = 0;
  TArray<FTransform> Transforms;
  TArray<float> PropertyValues;
};
