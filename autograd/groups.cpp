#include <lathe/autograd/groups.h>

#include <lathe/autograd/tape.h>
#include <lathe/tensor/lanes.h>
#include <lathe/tensor/storage.h>

#include <algorithm>
#include <vector>

namespace lathe {
using autograd::Turn;

void for_each_group(Context& context, std::span<const Var> leaves, std::int64_t groups,
                    const std::function<void(std::int64_t)>& f) {
  if (groups <= 1 || !runs_lanes(context)) {
    for (std::int64_t group = 0; group < groups; ++group) f(group);
    return;
  }
  std::vector<Storage*> weights;
  for (const Var& leaf : leaves) {
    leaf.slot()->turn.begin();
    Storage& storage = leaf.value().storage();
    if (storage.packed_before() && std::find(weights.begin(), weights.end(), &storage) == weights.end())
      weights.push_back(&storage);
  }
  parallel(context.exec(), static_cast<std::int64_t>(weights.size()),
           [&](std::int64_t i, int) { weights[static_cast<std::size_t>(i)]->pack_again(); });
  const auto end = [&] {
    for (const Var& leaf : leaves) leaf.slot()->turn.end();
  };
  try {
    run_lanes(context, groups, [&](std::int64_t group) {
      try {
        f(group);
      } catch (...) {
        // Groups before this one go on undisturbed; those behind it, which wait for it, learn that it will not come.
        for (const Var& leaf : leaves) leaf.slot()->turn.give_up(group);
        throw;
      }
      for (const Var& leaf : leaves) leaf.slot()->turn.leave(group);  // also those that this group did not come to
    });
  } catch (...) {
    end();
    throw;
  }
  end();
}

}  // namespace lathe
