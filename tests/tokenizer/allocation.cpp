// "Allocates nothing but what `ids` needs to grow" is a promise of the interface, so allocations are counted here.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/tokenizer/small_vocab.h"

namespace {
std::atomic<long> allocations{0};
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

using namespace lathe::test;

TEST_CASE("appending allocates nothing") {
  const auto t = lathe::tokenizer::Tokenizer::from_vocab(vocab_text({"a", "b", "ab", "##a", "##b", "##ab", ".", "日"}), true);
  Ids ids, types;
  ids.reserve(1000);
  types.reserve(1000);
  lathe::tokenizer::EncodeOptions options;
  options.max_tokens = 8;
  const std::string huge(5000, 'a');
  const long before = allocations;
  for (int i = 0; i < 100; ++i) {
    ids.clear();
    types.clear();
    t.append("Ab \u00c4\u00e9. 日日 [MASK] xyz \xE2\x80\x8B a\u0301\u0302b", ids);
    t.append("a b a b a b a b a b", ids, options);
    t.append(huge, ids);
    types.resize(ids.size());
    t.append_pair("a b a b a b", "ab ab ab ab", ids, types, options);
  }
  CHECK(allocations == before);
  const std::string counted(100, 'x');  // the counter counts
  CHECK(allocations > before);
}
