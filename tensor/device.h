// Where tensors live.
#pragma once

namespace lathe {

/// kMeta computes nothing: shapes, FLOPs and accounted memory of any program, without data.
enum class Device { kCpu, kMeta };

constexpr const char* name_of(Device device) { return device == Device::kCpu ? "cpu" : "meta"; }

}  // namespace lathe
