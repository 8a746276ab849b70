#include <lathe/tensor/allocator.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>

#include <algorithm>
#include <bit>
#include <new>

namespace lathe {
namespace {
constexpr std::align_val_t kAlignment{64};
}

std::size_t Allocator::bucket_of(std::size_t bytes) {
  if (bytes <= 64) return 0;
  const auto exponent = static_cast<std::size_t>(std::bit_width(bytes - 1));  // 2^(e−1) < bytes ≤ 2^e
  const std::size_t base = std::size_t{1} << (exponent - 1), quarter = base / 4;
  return (exponent - 7) * 4 + (bytes - base + quarter - 1) / quarter;
}

std::size_t Allocator::bucket_bytes(std::size_t bucket) {
  if (bucket == 0) return 64;
  const std::size_t base = std::size_t{64} << ((bucket - 1) / 4);
  return base + base / 4 * ((bucket - 1) % 4 + 1);
}

Allocator::Block Allocator::allocate(std::size_t bytes, std::int64_t accounted) {
  std::unique_lock<std::mutex> lock(mutex_, std::defer_lock);
  if (shared_) lock.lock();
  if (limit_ > 0 && statistics_.current + accounted > limit_)
    throw MemoryLimitError(str("[allocate] expected at most ", with_commas(limit_), " bytes of tensors (the memory limit), got ",
                               with_commas(statistics_.current), " in use and ", with_commas(accounted), " more"));
  Block block{nullptr, 0, accounted};
  if (!meta_ && bytes > 0) {
    const std::size_t bucket = bucket_of(bytes);
    LATHE_CHECK(bucket < kBuckets);
    block.capacity = bucket_bytes(bucket);
    auto& cached = free_[bucket];
    if (!cached.empty()) {
      block.memory = cached.back();
      cached.pop_back();
    } else {
      // Under a limit the cache may not hold on to what the limit would have given to tensors.
      if (limit_ > 0 && statistics_.reserved + static_cast<std::int64_t>(block.capacity) > limit_) trim();
      block.memory = static_cast<std::byte*>(::operator new(block.capacity, kAlignment, std::nothrow));
      if (!block.memory) {
        trim();
        block.memory = static_cast<std::byte*>(::operator new(block.capacity, kAlignment, std::nothrow));
      }
      if (!block.memory)
        throw InfrastructureError(
            str("[allocate] the system has no memory for ", with_commas(static_cast<std::int64_t>(bytes)), " bytes"));
      statistics_.reserved += static_cast<std::int64_t>(block.capacity);
      ++statistics_.system_allocations;
    }
  }
  ++statistics_.allocations;
  statistics_.current += accounted;
  statistics_.peak = std::max(statistics_.peak, statistics_.current);
  return block;
}

void Allocator::set_shared(bool shared) {
  shared_ = shared;
  if (shared) return;
  for (const Block& block : released_) release(block);
  released_.clear();
}

void Allocator::release(const Block& block) noexcept {
  if (shared_) {
    const std::lock_guard lock(mutex_);
    try {
      released_.push_back(block);
      return;
    } catch (const std::bad_alloc&) {  // released at once, then
    }
  }
  statistics_.current -= block.accounted;
  if (!block.memory) return;
  try {
    free_[bucket_of(block.capacity)].push_back(block.memory);
  } catch (const std::bad_alloc&) {  // no room to remember it: give it back
    statistics_.reserved -= static_cast<std::int64_t>(block.capacity);
    ::operator delete(block.memory, kAlignment);
  }
}

void Allocator::trim() noexcept {
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    for (std::byte* memory : free_[bucket]) {
      ::operator delete(memory, kAlignment);
      statistics_.reserved -= static_cast<std::int64_t>(bucket_bytes(bucket));
    }
    free_[bucket].clear();
  }
}

Allocator::~Allocator() { trim(); }

}  // namespace lathe
