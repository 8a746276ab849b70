// Parallel loops: the only place that starts threads. How work is cut depends on integers alone, never on the number of threads.
//
// The threads are lathe's own (no OpenMP runtime): each Exec starts its workers at its first parallel loop, they wait between
// loops by spinning for some microseconds and then sleeping, so several Execs and oversubscribed machines get on with one another.
#pragma once
#include <cstddef>
#include <cstdint>

namespace lathe {

/// How a kernel call runs: number of threads and scratch memory. Belongs to one Context; not shared between threads.
class Exec {
 public:
  /// 1 to 1024 threads, the caller's included; else InputError. No thread is started before the first loop that needs it.
  explicit Exec(int threads = 1);
  ~Exec();
  Exec(const Exec&) = delete;
  Exec& operator=(const Exec&) = delete;

  int threads() const { return threads_; }
  /// Between two loops; not from inside a task. InputError as the constructor's; then nothing has changed.
  void set_threads(int threads);

  /// Calls body(state, task, thread) for every task in [0, tasks). One thread (or a call from inside a task): a plain loop in
  /// the caller's thread. Tasks must not depend on one another; every task runs, then the exception of the lowest task that
  /// threw is rethrown here (a plain loop stops at it). InfrastructureError if the system gives no threads.
  void parallel_tasks(std::int64_t tasks, void (*body)(void* state, std::int64_t task, int thread), void* state);

  /// Scratch of at least `bytes`, 64-byte aligned, for thread `thread`; valid until the next call for that thread. Grows, never
  /// shrinks.
  void* scratch(int thread, std::size_t bytes);

  /// Scratch that all tasks of a loop share, taken before the loop; valid until the next call. Apart from the threads' own; a loop
  /// inside a task has that of the thread that runs it.
  void* shared_scratch(std::size_t bytes) { return scratch(threads_ + thread(), bytes); }

 private:
  struct Buffer {
    void* memory = nullptr;
    std::size_t bytes = 0;
  };
  struct Pool;
  int thread() const;  // the one that asks: 0 outside of tasks
  int threads_;
  Buffer* buffers_;       // one a thread, then one for the loops that a thread starts
  Pool* pool_ = nullptr;  // from the first parallel loop on
};

/// parallel_tasks for any callable f(task, thread).
template <class F>
void parallel(Exec& exec, std::int64_t tasks, F&& f) {
  exec.parallel_tasks(
      tasks, [](void* state, std::int64_t task, int thread) { (*static_cast<F*>(state))(task, thread); }, &f);
}

/// Rounding to nearest and gradual underflow for the lifetime of the object, whatever the host program set (crtfastmath sets
/// flush-to-zero). Every public computation and every worker thread holds one.
class FloatingPointScope {
 public:
  FloatingPointScope();
  ~FloatingPointScope();
  FloatingPointScope(const FloatingPointScope&) = delete;
  FloatingPointScope& operator=(const FloatingPointScope&) = delete;

 private:
  std::uint64_t saved_;
};

}  // namespace lathe
