#pragma once
#include <memory>

#include "CoreMinimal.h"
struct UScriptStruct {};
struct FLiveLinkSubjectKey {
  FGuid Source;
  FName Subject;
};
template <typename Base>
class TStubStruct {
 public:
  explicit TStubStruct(std::shared_ptr<Base> (*make)()) : data(make()) {}
  template <typename T>
  T* Cast() {
    return static_cast<T*>(data.get());
  }
  std::shared_ptr<Base> data;
};
struct FStubData {
  virtual ~FStubData() = default;
};
using FLiveLinkStaticDataStruct = TStubStruct<FStubData>;
using FLiveLinkFrameDataStruct = TStubStruct<FStubData>;
