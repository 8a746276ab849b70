// All state of a computation. There is no global state: one worker is one thread with one Context, and two Contexts share nothing.
#pragma once
#include <lathe/base/random.h>
#include <lathe/tensor/allocator.h>
#include <lathe/tensor/device.h>
#include <lathe/tensor/flops.h>
#include <lathe/tensor/kernels.h>
#include <lathe/tensor/parallel.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

struct ContextOptions {
  Device device = Device::kCpu;
  std::string backend{};                  ///< "avx512", "bf16", … (backend.h); empty: LATHE_BACKEND if set, else the best
  const Kernels<float>* table = nullptr;  ///< kernels of one's own in place of `backend`'s: counted, timed or replaced; they keep
                                          ///< the bits of the backend whose name they carry
  int threads = 1;                        ///< a one-thread Context starts no thread
  std::uint64_t seed = 0;                 ///< with `trial`: the keys of every random stream
  std::uint64_t trial = 0;
  std::int64_t memory_limit = 0;  ///< accounted bytes, 0 = none; MemoryLimitError beyond
};

class Context;

/// What operations change in a Context. A thread that takes a group of a batch through its operations alone has one of its own
/// (lanes.h).
struct Lane {
  std::shared_ptr<Allocator> allocator;
  FlopCounter flops;
  RowRange rows;
  std::uint64_t sequence = 0;
  std::int64_t group = -1;
  bool grad_mode = true;
};

/// The lane that this thread works in, and of which Context.
struct CurrentLane {
  const Context* context = nullptr;
  Lane* lane = nullptr;
  static constinit thread_local CurrentLane here;
};

/// Not thread-safe, and neither are the Tensors made with it. It must outlive every operation on them (their destruction may come
/// later).
class Context {
 public:
  /// InputError: unknown backend (names the ones that run here), threads < 1.
  explicit Context(const ContextOptions& options = {});
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  Device device() const { return device_; }
  bool computes() const { return device_ != Device::kMeta; }
  const std::string& backend() const { return backend_; }
  /// numerics_tag of the backend.
  std::string numerics() const;
  int threads() const { return exec_.threads(); }
  /// Between two operations, at any time: no result depends on it.
  void set_threads(int threads) { exec_.set_threads(threads); }
  Exec& exec() { return exec_; }

  /// The kernel table for float or double. UnsupportedError naming `op`: double is only computed by backend `spec`.
  template <class T>
  const Kernels<T>& kernels(const char* op) const;

  // Random streams and the place of a training step in them.
  std::uint64_t seed() const { return seed_; }
  std::uint64_t trial() const { return trial_; }
  RandomKey key(std::string_view stream) const { return random_key(seed_, trial_, stream); }
  std::uint32_t step() const { return step_; }
  void set_step(std::uint32_t step) { step_ = step; }
  /// The packed rows that the next operations see, as part of their batch: not the whole one only when a batch runs in groups of
  /// rows. Dropout numbers its elements by it, and sums over rows in gradients go on from group to group. See RowScope.
  const RowRange& rows() const { return lane().rows; }
  void set_rows(const RowRange& rows) { lane().rows = rows; }
  /// Dropout of one site in this step; p in [0, 1), else InputError. The site number is the caller's: one per dropout of a model.
  Dropout dropout(double p, std::uint32_t site) const;

  /// Are operations on Vars recorded? See NoGrad in autograd/var.h.
  bool grad_mode() const { return lane().grad_mode; }
  void set_grad_mode(bool on) { lane().grad_mode = on; }
  /// Number of the next recorded operation: gradients walk backwards along it.
  std::uint64_t next_sequence() { return lane().sequence++; }

  /// The group that this thread works on alone, or kNoGroup. See run_lanes.
  std::int64_t group() const { return lane().group; }
  static constexpr std::int64_t kNoGroup = -1;
  /// For what groups that run at once must not do at once.
  std::mutex& mutex() { return mutex_; }

  /// Finds the operation behind a NaN: every result is examined as it is made, and the first one that is not finite throws
  /// NonFiniteError naming the operation and the open LayerScopes. For replaying a failed step; slow.
  bool check_finite() const { return check_finite_; }
  void set_check_finite(bool on) { check_finite_ = on; }
  std::string scope() const;  ///< open LayerScopes: "encoder.layers.3.attention"

  Allocator& allocator() { return *lane().allocator; }
  const Allocator& allocator() const { return *lane().allocator; }
  const MemoryStatistics& memory() const { return lane().allocator->statistics(); }
  std::shared_ptr<Allocator> shared_allocator() const { return lane().allocator; }
  FlopCounter& flops() { return lane().flops; }
  const FlopCounter& flops() const { return lane().flops; }

 private:
  friend class LayerScope;
  friend class LastingMemory;
  friend void run_lanes(Context&, std::int64_t, const std::function<void(std::int64_t)>&);
  Lane& lane() { return CurrentLane::here.context == this ? *CurrentLane::here.lane : own_; }
  const Lane& lane() const { return CurrentLane::here.context == this ? *CurrentLane::here.lane : own_; }
  Device device_;
  std::string backend_;
  Exec exec_;
  const Kernels<float>* f32_ = nullptr;
  const Kernels<double>* f64_ = nullptr;
  std::uint64_t seed_, trial_;
  RandomKey dropout_key_;
  std::uint32_t step_ = 0;
  bool check_finite_ = false;
  std::vector<std::string> scopes_;
  Lane own_;
  std::vector<std::unique_ptr<Lane>> lanes_;  // by thread
  std::mutex mutex_;
};

/// Context::rows for a while.
class RowScope {
 public:
  RowScope(Context& context, const RowRange& rows) : context_(context), before_(context.rows()) { context.set_rows(rows); }
  ~RowScope() { context_.set_rows(before_); }
  RowScope(const RowScope&) = delete;
  RowScope& operator=(const RowScope&) = delete;

 private:
  Context& context_;
  RowRange before_;
};

/// Names the layer that computes, for messages: `LayerScope scope(ctx, "layers.3");`. Costs nothing unless check_finite is on.
class LayerScope {
 public:
  LayerScope(Context& context, std::string_view name);
  ~LayerScope();
  LayerScope(const LayerScope&) = delete;
  LayerScope& operator=(const LayerScope&) = delete;

 private:
  Context* context_;  // null when nothing was opened
};

}  // namespace lathe
