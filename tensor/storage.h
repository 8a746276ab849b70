// Memory shared by the views of a tensor: a block of the Context's allocator, a version counter, and packed weights.
#pragma once
#include <lathe/tensor/context.h>
#include <lathe/tensor/dtype.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace lathe {

/// Edits that wait, row by row: an optimizer's on the rows of a table that no gradient reached. Whoever reads or edits the memory
/// in the ordinary way has all of them happen first, so nobody sees an old value; a look-up of rows asks for those alone.
class DeferredRows {
 public:
  virtual ~DeferredRows() = default;
  virtual void settle() = 0;
  /// Rows of `width` elements; all of them if that is not the owner's idea of a row.
  virtual void settle(std::span<const std::int32_t> rows, std::int64_t width) = 0;
};

class Storage {
 public:
  Storage(Context& context, std::size_t bytes);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  Context& context() const { return *context_; }
  const std::byte* data() const {
    settle();
    return block_.memory;
  }
  /// Counts as an edit: whoever saved this storage for a gradient, or packed it, will notice.
  std::byte* mutable_data() {
    settle();
    ++version_;
    return block_.memory;
  }
  /// Memory, from its beginning on rows of `width` elements, of which only these will be read.
  const std::byte* data(std::span<const std::int32_t> rows, std::int64_t width) const {
    if (deferred_) {
      const auto lock = lock_in_group();
      deferred_->settle(rows, width);
    }
    return block_.memory;
  }
  /// For the owner of deferred edits. `edited`: as in mutable_data().
  std::byte* unsettled_data(bool edited) {
    if (edited) ++version_;
    return block_.memory;
  }
  /// The owner of deferred edits, one at a time: who takes over has the one before settle first (data()), and takes itself back
  /// (null) before it ends.
  DeferredRows* deferred() const { return deferred_; }
  void set_deferred(DeferredRows* deferred) { deferred_ = deferred; }
  std::uint64_t version() const { return version_; }

  /// Both packed forms (pack_weight) of the matrix w[n, k] that starts `offset` elements into this storage; null where the backend
  /// packs nothing. Made on first use and kept until the storage is edited: once a training step, once ever in inference. Accounted
  /// as 2·n·k elements whatever the backend's layout, so that accounts do not depend on it.
  template <class T>
  struct Packed {
    const T *forward, *backward;
  };
  template <class T>
  Packed<T> packed(const char* op, Index offset, Index n, Index k, Index ldw);
  /// Are there packed forms from before the last edits? pack_again() makes them anew, before groups run side by side.
  bool packed_before() const { return packed_version_ != version_ && !packed_.empty(); }
  void pack_again();

 private:
  struct PackedEntry {
    DType dtype;
    Index offset, n, k, ldw, form_size;
    Allocator::Block block;
  };
  void drop_packed();
  template <class T>
  void pack(const char* op, const PackedEntry& entry);
  std::unique_lock<std::mutex> lock_in_group() const {
    return context_->group() == Context::kNoGroup ? std::unique_lock<std::mutex>() : std::unique_lock(context_->mutex());
  }
  void settle() const {
    if (!deferred_) return;
    const auto lock = lock_in_group();
    deferred_->settle();
  }

  Context* context_;
  std::shared_ptr<Allocator> allocator_;  // outlives the Context if a tensor does
  Allocator::Block block_;
  DeferredRows* deferred_ = nullptr;
  std::uint64_t version_ = 0, packed_version_ = 0;
  std::vector<PackedEntry> packed_;
};

}  // namespace lathe
