// Threads of a process, shared by what computes at the time: results do not depend on the number of threads, so who has nothing to
// do lends his.
#pragma once
#include <algorithm>
#include <atomic>
#include <thread>

namespace lathe::nas {

/// One a worker, but no more than there are cores: what a worker lends should run.
inline int threads_of(int workers) { return std::min(workers, std::max(1, static_cast<int>(std::thread::hardware_concurrency()))); }

/// `threads` for all. Safe to use from several threads.
class ThreadShare {
 public:
  explicit ThreadShare(int threads) : threads_(threads) {}

  /// Something that computes, while it lives.
  class Use {
   public:
    explicit Use(ThreadShare& share) : share_(share) { share_.users_.fetch_add(1, std::memory_order_relaxed); }
    ~Use() { share_.users_.fetch_sub(1, std::memory_order_relaxed); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    ThreadShare& share_;
  };

  /// What each user may take now, at least 1.
  int each() const { return std::max(1, threads_ / std::max(1, users_.load(std::memory_order_relaxed))); }

 private:
  const int threads_;
  std::atomic<int> users_{0};
};

}  // namespace lathe::nas
