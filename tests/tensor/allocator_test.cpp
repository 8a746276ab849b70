#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/base/random.h>
#include <lathe/tensor/allocator.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "tests/support/message.h"

using namespace lathe;
using lathe::test::message_of;

TEST_CASE("accounts are exact and rounded to 64 bytes") {
  Allocator allocator;
  const auto a = allocator.allocate(1), b = allocator.allocate(64), c = allocator.allocate(65), none = allocator.allocate(0);
  CHECK(allocator.statistics().current == 64 + 64 + 128);
  CHECK(none.memory == nullptr);
  CHECK(reinterpret_cast<std::uintptr_t>(c.memory) % 64 == 0);
  allocator.release(b);
  CHECK(allocator.statistics().current == 64 + 128);
  CHECK(allocator.statistics().peak == 256);
  allocator.reset_peak();
  CHECK(allocator.statistics().peak == 192);
  for (const auto& block : {a, c, none}) allocator.release(block);
  CHECK(allocator.statistics().current == 0);
  CHECK(allocator.statistics().reserved > 0);
  allocator.trim();
  CHECK(allocator.statistics().reserved == 0);
}

TEST_CASE("blocks of every size are as large as asked, aligned, distinct, and come from the cache the second time") {
  Allocator allocator;
  std::vector<std::size_t> sizes;
  for (std::size_t size = 1; size < 5000; ++size) sizes.push_back(size);
  for (int bit = 12; bit < 26; ++bit)
    for (const int delta : {-1, 0, 1}) sizes.push_back((std::size_t{1} << bit) + static_cast<std::size_t>(delta));
  for (int round = 0; round < 2; ++round) {
    const std::int64_t before = allocator.statistics().system_allocations;
    std::vector<Allocator::Block> blocks;
    for (const std::size_t size : sizes) {
      blocks.push_back(allocator.allocate(size));
      const auto& block = blocks.back();
      REQUIRE(block.capacity >= size);
      REQUIRE(block.capacity <= size + size / 4 + 64);
      REQUIRE(reinterpret_cast<std::uintptr_t>(block.memory) % 64 == 0);
      std::memset(block.memory, static_cast<int>(size % 251), size);
    }
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      REQUIRE(static_cast<unsigned char>(blocks[i].memory[0]) == sizes[i] % 251);
      REQUIRE(static_cast<unsigned char>(blocks[i].memory[sizes[i] - 1]) == sizes[i] % 251);
      allocator.release(blocks[i]);
    }
    if (round == 1) CHECK(allocator.statistics().system_allocations == before);
  }
}

TEST_CASE("the limit strikes before anything is changed, and cached blocks do not count") {
  Allocator allocator(1000);
  const auto a = allocator.allocate(640);
  CHECK(message_of<MemoryLimitError>([&] { allocator.allocate(512); }) ==
        "[allocate] expected at most 1,000 bytes of tensors (the memory limit), got 640 in use and 512 more");
  CHECK(allocator.statistics().current == 640);
  CHECK(allocator.statistics().allocations == 1);
  allocator.release(a);
  for (int i = 0; i < 50; ++i) {  // other sizes each time: a cache that never gave back would pass the limit
    const auto b = allocator.allocate(static_cast<std::size_t>(100 + 17 * i));
    CHECK(allocator.statistics().reserved <= 1280);
    allocator.release(b);
  }
}

TEST_CASE("the meta device keeps the same accounts without memory") {
  Allocator cpu, meta(0, true);
  std::vector<Allocator::Block> on_cpu, on_meta;
  Random random(random_key(1, 2, "test"));
  for (int i = 0; i < 500; ++i) {
    if (random.below(3) > 0 || on_cpu.empty()) {
      const std::size_t size = random.below(100'000);
      on_cpu.push_back(cpu.allocate(size));
      on_meta.push_back(meta.allocate(size));
      CHECK(on_meta.back().memory == nullptr);
    } else {
      cpu.release(on_cpu.back());
      meta.release(on_meta.back());
      on_cpu.pop_back();
      on_meta.pop_back();
    }
    REQUIRE(cpu.statistics().current == meta.statistics().current);
  }
  CHECK(cpu.statistics().peak == meta.statistics().peak);
  CHECK(meta.statistics().reserved == 0);
  for (const auto& block : on_cpu) cpu.release(block);
}
