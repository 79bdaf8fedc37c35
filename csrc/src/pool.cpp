#include "twinsdk/pool.hpp"

#include <algorithm>
#include <chrono>

namespace twinsdk {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kLeastAlone = 4, kMostAlone = 64;
constexpr int kTogether = 64;  // after so many jobs one is done alone, to see how long it takes now

double Nanoseconds(Clock::duration time) {
  return std::chrono::duration<double, std::nano>(time).count();
}

}  // namespace

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
  Habit& habit = HabitOf(work);
  const Clock::time_point start = Clock::now();
  const auto task_ns = [&] {
    return Nanoseconds(Clock::now() - start) / static_cast<double>(count);
  };
  if (habit.alone > 0) {
    --habit.alone;
    Drain(&job);
    // A single interruption tells little: no job may more than double what is believed.
    const double now = task_ns();
    const double known = habit.alone_ns;
    habit.alone_ns = known == 0 ? now : known + 0.25 * (std::min(now, 2 * known) - known);
    habit.together = 0;
    return;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    job_ = &job;
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  Drain(&job);
  {
    std::unique_lock<std::mutex> lock(mutex_);
    job_ = nullptr;  // a worker that wakes only now finds nothing to do
    idle_.wait(lock, [this] { return inside_ == 0; });
  }
  const bool helped = task_ns() < habit.alone_ns;
  habit.penalty = helped ? 0 : std::min(kMostAlone, std::max(kLeastAlone, 2 * habit.penalty));
  habit.alone = helped && ++habit.together == kTogether ? 1 : habit.penalty;
}

Pool::Habit& Pool::HabitOf(Work work) {
  for (Habit& habit : habits_) {
    if (habit.work == work) return habit;
  }
  habits_.push_back({});
  habits_.back().work = work;
  return habits_.back();
}

void Pool::Loop() {
  std::uint64_t seen = 0;
  for (;;) {
    // A worker that just finished is likely to be wanted again: look for a while before sleeping.
    const auto until = Clock::now() + std::chrono::microseconds(50);
    while (generation_.load(std::memory_order_acquire) == seen && Clock::now() < until) {
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
