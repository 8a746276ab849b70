#include <lathe/tensor/storage.h>

namespace lathe {

Storage::Storage(Context& context, std::size_t bytes)
    : context_(&context), allocator_(context.shared_allocator()), block_(allocator_->allocate(bytes)) {}

Storage::~Storage() {
  drop_packed();
  allocator_->release(block_);
}

void Storage::drop_packed() {
  for (const PackedEntry& entry : packed_) allocator_->release(entry.block);
  packed_.clear();
}

template <class T>
void Storage::pack(const char* op, const PackedEntry& entry) {
  if (entry.form_size == 0) return;
  if (deferred_) deferred_->settle();
  T* forward = reinterpret_cast<T*>(entry.block.memory);
  const T* w = reinterpret_cast<const T*>(block_.memory) + entry.offset;
  context_->kernels<T>(op).pack_weight(context_->exec(), {entry.n, entry.k, w, entry.ldw, forward, forward + entry.form_size});
}

void Storage::pack_again() {
  if (!packed_before()) return;
  packed_version_ = version_;
  for (const PackedEntry& entry : packed_) {
    if (entry.dtype == DType::kF32)
      pack<float>("pack_weight", entry);
    else
      pack<double>("pack_weight", entry);
  }
}

template <class T>
Storage::Packed<T> Storage::packed(const char* op, Index offset, Index n, Index k, Index ldw) {
  const auto lock = lock_in_group();
  if (packed_version_ != version_) {
    drop_packed();
    packed_version_ = version_;
  }
  const auto forms = [](const PackedEntry& entry) -> Packed<T> {
    if (entry.form_size == 0) return {nullptr, nullptr};
    const T* forward = reinterpret_cast<const T*>(entry.block.memory);
    return {forward, forward + entry.form_size};
  };
  for (const PackedEntry& entry : packed_)
    if (entry.offset == offset && entry.n == n && entry.k == k && entry.ldw == ldw && entry.dtype == kDTypeOf<T>)
      return forms(entry);

  PackedEntry entry{kDTypeOf<T>, offset, n, k, ldw, 0, {}};
  const bool computes = context_->computes();
  if (computes) entry.form_size = (context_->kernels<T>(op).packed_weight_size(n, k) + 15) / 16 * 16;  // both forms 64-byte aligned
  entry.block = allocator_->allocate(2 * static_cast<std::size_t>(entry.form_size) * sizeof(T),
                                     Allocator::account_of(2 * static_cast<std::size_t>(n * k) * sizeof(T)));
  packed_.push_back(entry);
  pack<T>(op, entry);
  return forms(entry);
}

template Storage::Packed<float> Storage::packed<float>(const char*, Index, Index, Index, Index);
template Storage::Packed<double> Storage::packed<double>(const char*, Index, Index, Index, Index);

}  // namespace lathe
