// Memory shared by the views of a tensor: a block of the Context's allocator, a version counter, and packed weights.
#pragma once
#include <lathe/tensor/context.h>
#include <lathe/tensor/dtype.h>

#include <memory>
#include <vector>

namespace lathe {

class Storage {
 public:
  Storage(Context& context, std::size_t bytes);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  Context& context() const { return *context_; }
  const std::byte* data() const { return block_.memory; }
  /// Counts as an edit: whoever saved this storage for a gradient, or packed it, will notice.
  std::byte* mutable_data() {
    ++version_;
    return block_.memory;
  }
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

 private:
  struct PackedEntry {
    DType dtype;
    Index offset, n, k, ldw, form_size;
    Allocator::Block block;
  };
  void drop_packed();

  Context* context_;
  std::shared_ptr<Allocator> allocator_;  // outlives the Context if a tensor does
  Allocator::Block block_;
  std::uint64_t version_ = 0, packed_version_ = 0;
  std::vector<PackedEntry> packed_;
};

}  // namespace lathe
