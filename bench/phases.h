// Where the time of a step goes: a backend's table whose every kernel is timed, for one thread and one Context at a time.
#pragma once
#include <lathe/tensor/kernels.h>

#include <string>
#include <string_view>

namespace lathe::bench {

/// The table of `backend` behind timers, under the same name and with the same bits. One at a time: the timers are shared.
const Kernels<float>& timed_table(std::string_view backend);

/// Sets all timers to zero.
void reset_phases();

/// A Markdown table, the most expensive first: kernel, calls and milliseconds a step, share of the step, and how close to what
/// limits it: GFLOP/s and the part of `peak` (FLOP/s) for products and attention, GB/s read and written for kernels that pass
/// once over their operands. The last rows are what the kernels leave, and the sum. `seconds` is what `steps` steps took.
std::string phases(double seconds, int steps, double peak);

}  // namespace lathe::bench
