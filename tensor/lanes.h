// Groups of a batch side by side: each thread takes a whole group through its operations alone, so that no kernel waits for another
// thread at its end.
#pragma once
#include <lathe/tensor/context.h>

#include <functional>

namespace lathe {

/// Do several groups run at once? Else one after the other, each with all threads in its kernels: with one thread; under a memory
/// limit, which must strike at the same operation on every machine; while every result is checked for NaN.
bool runs_lanes(const Context& context);

/// f(group) for every group in [0, groups): each thread of the Context takes the lowest one that is left. Inside, operations run in
/// that thread alone, Context::group() is the group, and what an operation changes in a Context (rows, grad mode, counts, memory)
/// is the thread's own. Tensors made in f end in f; what outlasts it is made under a LastingMemory. The exception of the lowest
/// group that threw is rethrown at the end; no group behind it is begun once it has failed.
///
/// Accounts of memory are those of as many groups at once as there are threads, the largest ones, whichever really met; so they
/// depend on the program and the number of threads alone, and the meta device knows them.
void run_lanes(Context& context, std::int64_t groups, const std::function<void(std::int64_t)>& f);

/// While it lives, tensors are made in the memory of the Context, not of a lane.
class LastingMemory {
 public:
  explicit LastingMemory(Context& context);
  ~LastingMemory();
  LastingMemory(const LastingMemory&) = delete;
  LastingMemory& operator=(const LastingMemory&) = delete;

 private:
  Lane& lane_;
  std::shared_ptr<Allocator> before_;
};

}  // namespace lathe
