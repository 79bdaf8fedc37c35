#pragma once
#include "LiveLinkTypes.h"
class ILiveLinkClient {
 public:
  virtual ~ILiveLinkClient() = default;
  virtual void PushSubjectStaticData_AnyThread(const FLiveLinkSubjectKey& key, int role,
                                               FLiveLinkStaticDataStruct&& data) = 0;
  virtual void PushSubjectFrameData_AnyThread(const FLiveLinkSubjectKey& key,
                                              FLiveLinkFrameDataStruct&& data) = 0;
};
