#pragma once
#include "HAL/Runnable.h"
class FRunnableThread {
 public:
  static FRunnableThread* Create(FRunnable* work, const char*) { return new FRunnableThread(work); }
  void WaitForCompletion() { thread_.join(); }

 private:
  explicit FRunnableThread(FRunnable* work) : thread_([work] { work->Run(); }) {}
  std::thread thread_;
};
