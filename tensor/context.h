// All state of a computation. There is no global state: one worker is one thread with one Context, and two Contexts share nothing.
#pragma once
#include <lathe/base/random.h>
#include <lathe/tensor/allocator.h>
#include <lathe/tensor/device.h>
#include <lathe/tensor/flops.h>
#include <lathe/tensor/kernels.h>
#include <lathe/tensor/parallel.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

struct ContextOptions {
  Device device = Device::kCpu;
  std::string backend{};   ///< "spec", "scalar", "avx2", "avx512", "neon", "onednn"; empty: LATHE_BACKEND if set, else the best
  int threads = 1;         ///< a one-thread Context starts no thread
  std::uint64_t seed = 0;  ///< with `trial`: the keys of every random stream
  std::uint64_t trial = 0;
  std::int64_t memory_limit = 0;  ///< accounted bytes, 0 = none; MemoryLimitError beyond
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
  const RowRange& rows() const { return rows_; }
  void set_rows(const RowRange& rows) { rows_ = rows; }
  /// Dropout of one site in this step; p in [0, 1), else InputError. The site number is the caller's: one per dropout of a model.
  Dropout dropout(double p, std::uint32_t site) const;

  /// Are operations on Vars recorded? See NoGrad in autograd/var.h.
  bool grad_mode() const { return grad_mode_; }
  void set_grad_mode(bool on) { grad_mode_ = on; }
  /// Number of the next recorded operation: gradients walk backwards along it.
  std::uint64_t next_sequence() { return sequence_++; }

  /// Finds the operation behind a NaN: every result is examined as it is made, and the first one that is not finite throws
  /// NonFiniteError naming the operation and the open LayerScopes. For replaying a failed step; slow.
  bool check_finite() const { return check_finite_; }
  void set_check_finite(bool on) { check_finite_ = on; }
  std::string scope() const;  ///< open LayerScopes: "encoder.layers.3.attention"

  Allocator& allocator() { return *allocator_; }
  const MemoryStatistics& memory() const { return allocator_->statistics(); }
  std::shared_ptr<Allocator> shared_allocator() const { return allocator_; }
  FlopCounter& flops() { return flops_; }
  const FlopCounter& flops() const { return flops_; }

 private:
  friend class LayerScope;
  Device device_;
  std::string backend_;
  Exec exec_;
  const Kernels<float>* f32_ = nullptr;
  const Kernels<double>* f64_ = nullptr;
  std::uint64_t seed_, trial_;
  RandomKey dropout_key_;
  std::uint32_t step_ = 0;
  RowRange rows_;
  bool grad_mode_ = true;
  bool check_finite_ = false;
  std::uint64_t sequence_ = 0;
  std::vector<std::string> scopes_;
  std::shared_ptr<Allocator> allocator_;
  FlopCounter flops_;
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
