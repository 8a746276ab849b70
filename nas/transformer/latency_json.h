// latency.json: a latency model with the request that it was measured for. Private to nas/transformer.
#pragma once
#include <lathe/nas/transformer/latency.h>

#include <string>
#include <string_view>

namespace lathe::nas {

struct CachedLatency {
  std::string identity;
  LatencyModel model;
};
std::string latency_file(const std::string& identity, const LatencyModel& model);
/// InputError as LatencyModel::parse.
CachedLatency read_latency_file(std::string_view json, const std::string& where);

}  // namespace lathe::nas
