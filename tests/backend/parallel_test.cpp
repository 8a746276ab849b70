#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/tensor/parallel.h>

#include <atomic>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace lathe {
namespace {

// How often each task ran, and that no thread number was out of range.
std::vector<int> counts(Exec& exec, std::int64_t tasks) {
  std::vector<std::atomic<int>> seen(static_cast<std::size_t>(tasks));
  std::atomic<bool> in_range = true;
  parallel(exec, tasks, [&](std::int64_t task, int thread) {
    ++seen[static_cast<std::size_t>(task)];
    if (thread < 0 || thread >= exec.threads()) in_range = false;
  });
  CHECK(in_range);
  return {seen.begin(), seen.end()};
}

TEST_CASE("every task runs once, for any number of tasks and threads") {
  for (const int threads : {1, 2, 3, 8}) {
    Exec exec(threads);
    CHECK(exec.threads() == threads);
    for (const std::int64_t tasks : {0, 1, 2, 3, 7, 8, 9, 100, 1000}) {
      CAPTURE(threads);
      CAPTURE(tasks);
      CHECK(counts(exec, tasks) == std::vector<int>(static_cast<std::size_t>(tasks), 1));
    }
  }
}

TEST_CASE("the number of threads changes between loops") {
  Exec exec(1);
  for (const int threads : {3, 1, 2, 8, 2, 1, 4}) {
    exec.set_threads(threads);
    CHECK(exec.threads() == threads);
    CHECK(counts(exec, 100) == std::vector<int>(100, 1));
    for (int thread = 0; thread < threads; ++thread) *static_cast<char*>(exec.scratch(thread, 100)) = 1;
    *static_cast<char*>(exec.shared_scratch(100)) = 1;
  }
  CHECK_THROWS_AS(exec.set_threads(0), InputError);
  CHECK_THROWS_AS(exec.set_threads(1025), InputError);
  CHECK(exec.threads() == 4);
  CHECK(counts(exec, 9) == std::vector<int>(9, 1));
  CHECK_THROWS_AS(parallel(exec, 4, [&](std::int64_t, int) { exec.set_threads(2); }), InternalError);
}

TEST_CASE("two threads never hold the same number at once") {
  Exec exec(4);
  std::atomic<int> busy[4] = {};
  std::atomic<bool> clash = false;
  for (int loop = 0; loop < 200; ++loop)
    parallel(exec, 16, [&](std::int64_t, int thread) {
      if (busy[thread].fetch_add(1) != 0) clash = true;
      busy[thread].fetch_sub(1);
    });
  CHECK_FALSE(clash);
}

TEST_CASE("one thread stays in the caller's thread, in order") {
  Exec exec(1);
  const auto caller = std::this_thread::get_id();
  std::vector<std::int64_t> order;
  parallel(exec, 5, [&](std::int64_t task, int thread) {
    CHECK(std::this_thread::get_id() == caller);
    CHECK(thread == 0);
    order.push_back(task);
  });
  CHECK(order == std::vector<std::int64_t>{0, 1, 2, 3, 4});
}

TEST_CASE("what tasks write is seen after the loop, loop after loop") {
  Exec exec(3);
  std::vector<int> values(64, 0);
  for (int loop = 1; loop <= 2000; ++loop) {
    parallel(exec, 64, [&](std::int64_t task, int) { values[static_cast<std::size_t>(task)] += loop; });
    if (values[static_cast<std::size_t>(loop % 64)] != loop * (loop + 1) / 2) FAIL("a loop ended before its tasks");
  }
}

TEST_CASE("the exception of the lowest task comes out after all tasks have run") {
  for (const int threads : {2, 5}) {
    Exec exec(threads);
    std::atomic<int> ran = 0;
    try {
      parallel(exec, 40, [&](std::int64_t task, int) {
        ++ran;
        if (task % 10 == 7) throw std::runtime_error(std::to_string(task));
      });
      FAIL("no exception");
    } catch (const std::runtime_error& e) {
      CHECK(std::string(e.what()) == "7");
    }
    CHECK(ran == 40);
    CHECK(counts(exec, 10) == std::vector<int>(10, 1));  // usable afterwards
  }
  Exec one(1);
  int ran = 0;
  CHECK_THROWS_AS(parallel(one, 4,
                           [&](std::int64_t task, int) {
                             ++ran;
                             if (task == 1) throw std::runtime_error("stop");
                           }),
                  std::runtime_error);
  CHECK(ran == 2);
}

TEST_CASE("a loop inside a task runs in that task's thread") {
  Exec exec(3);
  std::atomic<int> inner = 0, moved = 0;
  parallel(exec, 12, [&](std::int64_t, int thread) {
    const auto here = std::this_thread::get_id();
    parallel(exec, 5, [&](std::int64_t, int nested) {
      ++inner;
      if (std::this_thread::get_id() != here || nested != thread) ++moved;
    });
  });
  CHECK(inner == 60);
  CHECK(moved == 0);
}

TEST_CASE("several threads run loops at once, each with its own Exec, one inside the other's tasks too") {
  std::vector<std::thread> hosts;
  std::atomic<int> total = 0;
  for (int host = 0; host < 4; ++host)
    hosts.emplace_back([&] {
      Exec exec(3), other(2);
      for (int loop = 0; loop < 50; ++loop) parallel(exec, 9, [&](std::int64_t, int) { ++total; });
      parallel(exec, 1, [&](std::int64_t, int) { parallel(other, 6, [&](std::int64_t, int) { ++total; }); });
    });
  for (std::thread& host : hosts) host.join();
  CHECK(total == 4 * (50 * 9 + 6));
}

TEST_CASE("workers compute with rounding to nearest and gradual underflow") {
  Exec exec(3);
  std::atomic<int> wrong = 0;
  parallel(exec, 30, [&](std::int64_t, int) {
    volatile float tiny = 0x1p-140f, product = tiny * 0.5f;
    if (product != 0x1p-141f) ++wrong;
  });
  CHECK(wrong == 0);
}

TEST_CASE("scratch is aligned, grows, keeps to its thread and apart from the shared one") {
  Exec exec(3);
  std::set<void*> places;
  for (int thread = 0; thread < 3; ++thread) places.insert(exec.scratch(thread, 100));
  places.insert(exec.shared_scratch(100));
  CHECK(places.size() == 4);
  for (void* place : places) CHECK(reinterpret_cast<std::uintptr_t>(place) % 64 == 0);
  void* first = exec.scratch(1, 100);
  CHECK(exec.scratch(1, 50) == first);
  auto* large = static_cast<unsigned char*>(exec.scratch(1, 1 << 20));
  large[0] = large[(1 << 20) - 1] = 1;  // a sanitizer would see a short one
}

TEST_CASE("impossible thread counts are refused") {
  CHECK_THROWS_AS(Exec(0), InputError);
  CHECK_THROWS_AS(Exec(-3), InputError);
  CHECK_THROWS_AS(Exec(1025), InputError);
}

}  // namespace
}  // namespace lathe
