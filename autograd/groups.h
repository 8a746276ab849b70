// Training a batch in groups of rows, several at once.
#pragma once
#include <lathe/autograd/var.h>

#include <cstdint>
#include <functional>
#include <span>

namespace lathe {

/// f(group) for every group in [0, groups): forward and backward of the group's rows, under RowScopes that say which they are.
/// `leaves`: the variables whose gradients the groups add to.
///
/// With several threads (and where runs_lanes() allows it) each thread takes whole groups, and no kernel waits for another thread.
/// A sum over rows must go on from group to group in order; so each leaf has a *turn*: a group that comes to a leaf's gradient
/// waits until the group before it has left that leaf. Groups of about the same size follow each other at a distance of one
/// gradient. Bits are those of one group after the other. The exception of the lowest group that throws is thrown; the gradients
/// are then those of a batch in its middle, as ever (Var::zero_grad).
void for_each_group(Context& context, std::span<const Var> leaves, std::int64_t groups, const std::function<void(std::int64_t)>& f);

}  // namespace lathe
