// Counts what the whole test program allocates. A file of its own: inlined into its callers, a replaced operator confuses gcc.
#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/data/support.h"

namespace {
std::atomic<long> count{0};
}

long lathe::data::test::allocations() { return count; }

void* operator new(std::size_t size) {
  ++count;
  if (void* p = std::malloc(size ? size : 1)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++count;
  return std::malloc(size ? size : 1);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
