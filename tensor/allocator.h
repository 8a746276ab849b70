// Tensor memory: a cache of size buckets with exact accounts.
//
// Accounted bytes are what live tensors hold, rounded up to 64 bytes each. They depend on the program alone, not on backend,
// threads or cache, so the meta device predicts them and the limit strikes at the same operation on every machine.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace lathe {

struct MemoryStatistics {
  std::int64_t current = 0;             ///< accounted bytes now
  std::int64_t peak = 0;                ///< highest `current` since the last reset_peak
  std::int64_t reserved = 0;            ///< bytes held from the system, in use or cached
  std::int64_t allocations = 0;         ///< calls of allocate
  std::int64_t system_allocations = 0;  ///< those that the cache could not serve; stays still when a workload repeats
};

class Allocator {
 public:
  struct Block {
    std::byte* memory = nullptr;  ///< 64-byte aligned; null on the meta device and for 0 bytes
    std::size_t capacity = 0;     ///< bytes of the bucket, 0 if null
    std::int64_t accounted = 0;
  };

  /// `limit`: accounted bytes, 0 = none. `meta`: keeps accounts, hands out no memory.
  explicit Allocator(std::int64_t limit = 0, bool meta = false) : limit_(limit), meta_(meta) {}
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  /// MemoryLimitError if the accounts would pass the limit (nothing changes then); InfrastructureError if the system has no memory.
  Block allocate(std::size_t bytes) { return allocate(bytes, account_of(bytes)); }
  /// With its own figure for the accounts, for memory whose size is a matter of the backend (packed weights).
  Block allocate(std::size_t bytes, std::int64_t accounted);
  void release(const Block& block) noexcept;

  void set_limit(std::int64_t bytes) { limit_ = bytes; }
  std::int64_t limit() const { return limit_; }
  const MemoryStatistics& statistics() const { return statistics_; }
  void reset_peak() { statistics_.peak = statistics_.current; }
  void raise_peak(std::int64_t bytes) { statistics_.peak = std::max(statistics_.peak, bytes); }
  void trim() noexcept;  ///< gives cached blocks back to the system

  /// While shared, calls may come from several threads, and what is released stays in the accounts and out of the cache until the
  /// end of it: accounts must not depend on who comes first.
  void set_shared(bool shared);

  static std::int64_t account_of(std::size_t bytes) { return static_cast<std::int64_t>((bytes + 63) / 64 * 64); }

 private:
  // Four buckets a power of two (at most a fifth is wasted), from 64 bytes up.
  static constexpr std::size_t kBuckets = 4 * 58;
  static std::size_t bucket_of(std::size_t bytes);
  static std::size_t bucket_bytes(std::size_t bucket);

  std::int64_t limit_;
  bool meta_, shared_ = false;
  std::mutex mutex_;
  std::vector<Block> released_;  // while shared
  MemoryStatistics statistics_;
  std::array<std::vector<std::byte*>, kBuckets> free_;
};

}  // namespace lathe
