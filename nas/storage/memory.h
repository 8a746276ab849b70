// Studies in memory: for tests, for embedding, and as the plainest reading of what storage.h demands.
#pragma once
#include <lathe/nas/storage/storage.h>

#include <functional>
#include <memory>

namespace lathe::nas {

/// Milliseconds of a clock that does not go backwards.
using ClockMs = std::function<std::int64_t()>;
ClockMs steady_clock_ms();

/// A storage of one study, gone with the object. Safe to use from several threads and by several executors at once
/// (shared() is then what `shared` says).
std::unique_ptr<Storage> memory_storage(const StudyHeader& header, bool shared = false, ClockMs clock = steady_clock_ms());

/// A place for several studies. Studies stay when their Storage objects go.
std::unique_ptr<Backend> memory_backend(ClockMs clock = steady_clock_ms());

}  // namespace lathe::nas
