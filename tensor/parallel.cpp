#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/tensor/parallel.h>
#include <lathe/tensor/wait.h>

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__) || defined(__i386__)
#include <xmmintrin.h>
#elif !defined(__aarch64__)
#include <cfenv>
#endif

namespace lathe {
// A loop's tasks are cut into one run of neighbours per thread, so that a thread meets the same rows in one kernel after the
// other; who has finished its own run takes tasks from the others'.
struct Exec::Pool {
  struct alignas(64) Run {
    std::atomic<std::int64_t> next{0};
    std::int64_t end = 0;
  };

  explicit Pool(int threads) : runs(static_cast<std::size_t>(threads)) {
    try {
      for (int thread = 1; thread < threads; ++thread) workers.emplace_back([this, thread] { serve(thread); });
    } catch (const std::system_error& e) {
      const std::size_t started = workers.size() + 1;
      shut_down();
      throw InfrastructureError(str("[parallel] the system started ", started, " of ", threads, " threads: ", e.what()));
    }
  }
  ~Pool() { shut_down(); }

  void shut_down() {
    stop = true;
    epoch.fetch_add(1, std::memory_order_release);
    epoch.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  void serve(int thread) {
    FloatingPointScope floating_point;
    for (std::uint32_t seen = 0;;) {
      wait_while(epoch, seen);
      if (stop) return;
      seen = epoch.load(std::memory_order_acquire);
      if (!enter(seen)) continue;
      work(thread);
      if (gate.fetch_sub(1, std::memory_order_acq_rel) == gate_of(seen, false, 1)) gate.notify_one();
    }
  }

  // The gate of a loop: its number, whether it is open, and how many workers are inside. It closes when no task is left, and only
  // who is inside is waited for: a worker that a busy machine has not let run yet holds nobody up.
  static constexpr std::uint64_t kOpen = std::uint64_t{1} << 31;
  static constexpr std::uint64_t gate_of(std::uint32_t loop, bool open, std::uint64_t inside) {
    return std::uint64_t{loop} << 32 | (open ? kOpen : 0) | inside;
  }
  bool enter(std::uint32_t loop) {
    std::uint64_t now = gate.load(std::memory_order_acquire);
    while (now >> 32 == loop && (now & kOpen) != 0)
      if (gate.compare_exchange_weak(now, now + 1, std::memory_order_acq_rel)) return true;
    return false;
  }

  void loop(std::int64_t tasks, void (*loop_body)(void*, std::int64_t, int), void* loop_state) {
    body = loop_body;
    state = loop_state;
    failed_task = tasks;
    const auto threads = static_cast<std::int64_t>(runs.size());
    for (std::int64_t t = 0; t < threads; ++t) {
      runs[static_cast<std::size_t>(t)].next.store(tasks * t / threads, std::memory_order_relaxed);
      runs[static_cast<std::size_t>(t)].end = tasks * (t + 1) / threads;
    }
    gate.store(gate_of(epoch.load(std::memory_order_relaxed) + 1, true, 0), std::memory_order_release);
    epoch.fetch_add(1, std::memory_order_release);
    epoch.notify_all();
    work(0);
    std::uint64_t now = gate.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
    for (; (now & (kOpen - 1)) != 0; now = gate.load(std::memory_order_acquire)) wait_while(gate, now);
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
  }

  void work(int thread) {
    const Place outer = std::exchange(place, {this, thread});
    for (std::size_t r = 0; r < runs.size(); ++r) {
      Run& run = runs[(static_cast<std::size_t>(thread) + r) % runs.size()];
      for (std::int64_t task; (task = run.next.fetch_add(1, std::memory_order_relaxed)) < run.end;) {
        try {
          body(state, task, thread);
        } catch (...) {
          const std::lock_guard lock(failure_mutex);
          if (task < failed_task) {
            failed_task = task;
            failure = std::current_exception();
          }
        }
      }
    }
    place = outer;
  }

  // Where this thread is working, to notice loops inside tasks.
  struct Place {
    const Pool* pool = nullptr;
    int thread = 0;
  };
  static thread_local Place place;

  std::vector<Run> runs;
  std::vector<std::thread> workers;
  void (*body)(void*, std::int64_t, int) = nullptr;
  void* state = nullptr;
  std::atomic<bool> stop{false};  // read by workers that a loop did not wait for
  std::mutex failure_mutex;
  std::exception_ptr failure;
  std::int64_t failed_task = 0;
  alignas(64) std::atomic<std::uint32_t> epoch{0};  // counts loops
  alignas(64) std::atomic<std::uint64_t> gate{0};
};

thread_local Exec::Pool::Place Exec::Pool::place;

Exec::Exec(int threads) : threads_(threads) {
  if (threads < 1 || threads > 1024) throw InputError(str("[threads] expected 1 to 1024, got ", threads));
  buffers_ = new Buffer[2 * static_cast<std::size_t>(threads)];
}

Exec::~Exec() {
  delete pool_;
  for (int i = 0; i < 2 * threads_; ++i) ::operator delete (buffers_[i].memory, std::align_val_t{64});
  delete[] buffers_;
}

void Exec::set_threads(int threads) {
  if (threads == threads_) return;
  LATHE_CHECK(!pool_ || Pool::place.pool != pool_, "the number of threads cannot change inside a parallel loop");
  Exec other(threads);
  std::swap(buffers_[0], other.buffers_[0]);  // what the caller's thread uses in every loop
  std::swap(threads_, other.threads_);
  std::swap(buffers_, other.buffers_);
  std::swap(pool_, other.pool_);
}

int Exec::thread() const { return pool_ && Pool::place.pool == pool_ ? Pool::place.thread : 0; }

void Exec::parallel_tasks(std::int64_t tasks, void (*body)(void* state, std::int64_t task, int thread), void* state) {
  if (threads_ == 1 || tasks <= 1 || (pool_ && Pool::place.pool == pool_)) {
    const int here = thread();
    for (std::int64_t task = 0; task < tasks; ++task) body(state, task, here);
    return;
  }
  if (!pool_) pool_ = new Pool(threads_);
  pool_->loop(tasks, body, state);
}

void* Exec::scratch(int thread, std::size_t bytes) {
  constexpr std::size_t kGrain = 64 * 1024;
  Buffer& buffer = buffers_[thread];
  if (buffer.bytes < bytes) {
    const std::size_t size = (bytes + kGrain - 1) / kGrain * kGrain;
    ::operator delete (std::exchange(buffer.memory, nullptr), std::align_val_t{64});
    buffer.bytes = 0;
    buffer.memory = ::operator new (size, std::align_val_t{64});
    buffer.bytes = size;
  }
  return buffer.memory;
}

#if defined(__x86_64__) || defined(__i386__)
// MXCSR: all exceptions masked, round to nearest, flush-to-zero and denormals-are-zero off.
FloatingPointScope::FloatingPointScope() : saved_(_mm_getcsr()) {
  if (saved_ != 0x1F80) _mm_setcsr(0x1F80);
}
FloatingPointScope::~FloatingPointScope() {
  if (_mm_getcsr() != saved_) _mm_setcsr(static_cast<unsigned>(saved_));
}
#elif defined(__aarch64__)
// FPCR: round to nearest, FZ, FZ16, DN and AH off.
FloatingPointScope::FloatingPointScope() {
  asm volatile("mrs %0, fpcr" : "=r"(saved_));
  asm volatile("msr fpcr, %0" ::"r"(std::uint64_t{0}));
}
FloatingPointScope::~FloatingPointScope() { asm volatile("msr fpcr, %0" ::"r"(saved_)); }
#else
FloatingPointScope::FloatingPointScope() : saved_(static_cast<std::uint64_t>(std::fegetround())) { std::fesetround(FE_TONEAREST); }
FloatingPointScope::~FloatingPointScope() { std::fesetround(static_cast<int>(saved_)); }
#endif

}  // namespace lathe
