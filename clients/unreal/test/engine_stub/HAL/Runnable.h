#pragma once
#include "CoreMinimal.h"
class FRunnable {
 public:
  virtual ~FRunnable() = default;
  virtual uint32 Run() = 0;
  virtual void Stop() {}
};
