// controller@1: reinforcement learning. A policy network (policy.h) proposes, PPO (ppo.h) teaches it; one objective.
//
// After every `update_every` finished trials the policy learns, in `epochs` passes, from the newest `window` finished ones, with
// the rewards of rewards.h. A trial's probability under the policy that proposed it is found again from the history: trial n was
// proposed when the trials before it in the log were finished, that is those that finished no later than n started, and so after
// that many / update_every updates. Points that the policy did not draw (enqueued, adopted, uniform after 256 refusals) count as if
// it had. Conditions and rules are hard masks (decisions.h). What masks do not know (limits of the objective, duplicates) is
// refused by the search and drawn again.
//
// The policy's weights are a function of the history, in f32 of numerics v0 on any backend that keeps it. A sampler that has seen
// the history so far goes on from the weights that it has; a fresh one repeats all updates.
//
// Settings, with defaults: update_every = 10 (1 … 10,000), window = 20 (update_every … 100,000), epochs = 6, learning_rate = 0.03
// (AdamW without decay, the gradient's norm clipped at 1), entropy = 0.01 (weight of the entropy bonus), bins = 8 (2 … 1,000).
#pragma once
#include <lathe/nas/sampler/sampler.h>

namespace lathe::nas {

/// Makes `controller@1` known to a registry. InputError: it is.
void add_controller(SamplerRegistry& registry);

/// Every sampler of lathe: SamplerRegistry::builtin(), which knows no tensor, and the controller.
SamplerRegistry all_samplers();

}  // namespace lathe::nas
