// Pool: a few parked threads for batches.
//
// Work is handed out in small tasks, one at a time, and the caller works too: where the machine is
// busy and no worker wakes, the caller does all of it and loses only the notification. Where a
// worker takes a task and loses its core, the caller has to wait for milliseconds; so the pool
// compares what a task takes with and without it and leaves the caller alone while it does not
// help. Workers spin for some 50 us after a job, then sleep.
#ifndef TWINSDK_POOL_HPP_
#define TWINSDK_POOL_HPP_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace twinsdk {

class Pool {
 public:
  // `threads` counts the caller; workers start here.
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const noexcept { return static_cast<int>(workers_.size()) + 1; }

  // Calls work(context, i) for each i below count, in any order, and returns when all are done.
  // While another thread has the pool, the caller does its job alone.
  using Work = void (*)(void* context, std::int64_t index);
  void Run(std::int64_t count, Work work, void* context);

 private:
  struct Job;
  // What is known of one kind of work.
  struct Habit {
    Work work;
    double alone_ns = 0;  // a task takes so long on the caller alone; smoothed
    int alone = 1;     // jobs still to be done alone; the first one is, to know how long it takes
    int penalty = 0;   // what `alone` was set to last because the pool did not help
    int together = 0;  // jobs since one was done alone
  };
  Habit& HabitOf(Work work);
  void Loop();
  static void Drain(Job* job);

  std::vector<std::thread> workers_;
  std::mutex running_;         // held by the thread whose job this is
  std::vector<Habit> habits_;  // guarded by running_
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  Job* job_ = nullptr;  // guarded by mutex_
  int inside_ = 0;      // workers that hold job_, guarded by mutex_
  bool stop_ = false;   // guarded by mutex_
  std::atomic<std::uint64_t> generation_{0};
};

// Runs function(i) for each i below count on the pool, or here where there is none.
template <class Function>
void ParallelFor(Pool* pool, std::int64_t count, Function function) {
  if (pool == nullptr) {
    for (std::int64_t i = 0; i < count; ++i) function(i);
    return;
  }
  pool->Run(
      count, [](void* context, std::int64_t i) { (*static_cast<Function*>(context))(i); },
      &function);
}

}  // namespace twinsdk

#endif  // TWINSDK_POOL_HPP_
