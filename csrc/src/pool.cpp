#include "twinsdk/pool.hpp"

#include <chrono>

namespace twinsdk {

struct Pool::Job {
  Work work;
  void* context;
  std::int64_t count;
  std::atomic<std::int64_t> next{0};
};

Pool::Pool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { Loop(); });
}

Pool::~Pool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Pool::Drain(Job* job) {
  for (;;) {
    const std::int64_t i = job->next.fetch_add(1, std::memory_order_relaxed);
    if (i >= job->count) return;
    job->work(job->context, i);
  }
}

void Pool::Run(std::int64_t count, Work work, void* context) {
  Job job = {work, context, count};
  const std::unique_lock<std::mutex> owner(running_, std::try_to_lock);
  if (!owner.owns_lock() || count < 2) return Drain(&job);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    job_ = &job;
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  Drain(&job);
  std::unique_lock<std::mutex> lock(mutex_);
  job_ = nullptr;  // a worker that wakes only now finds nothing to do
  idle_.wait(lock, [this] { return inside_ == 0; });
}

void Pool::Loop() {
  std::uint64_t seen = 0;
  for (;;) {
    // A worker that just finished is likely to be wanted again: look for a while before sleeping.
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(50);
    while (generation_.load(std::memory_order_acquire) == seen &&
           std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
    Job* job = nullptr;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || generation_.load() != seen; });
      if (stop_) return;
      seen = generation_.load();
      job = job_;
      if (job != nullptr) ++inside_;
    }
    if (job == nullptr) continue;
    Drain(job);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      --inside_;
    }
    idle_.notify_one();
  }
}

}  // namespace twinsdk
