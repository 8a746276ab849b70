#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/proxy_fidelity.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <vector>

namespace lathe::nas {
namespace {

void check_share(const char* name, double share) {
  if (!(share > 0 && share <= 1)) throw InputError(str("proxy.", name, " = ", share, ", expected a share above 0 to 1"));
}

/// The nearest whole number, halves upwards.
std::int64_t rounded(double value) { return static_cast<std::int64_t>(math::floor(value + 0.5)); }

/// `share` of `value` as a multiple of `unit`, at least one of them, and no more than `value` allows.
Index shrunk(Index value, double share, Index unit) {
  if (value <= unit) return value;
  const Index units = std::max<Index>(1, rounded(share * static_cast<double>(value) / static_cast<double>(unit)));
  return std::min(units, value / unit) * unit;
}

/// Tokens [begin, begin + length) of a data set: the first keep − 1 and the last.
void append(data::EncodedDataset& out, const data::EncodedDataset& rows, std::size_t begin, std::size_t length, std::size_t keep) {
  for (std::size_t i = 0; i < keep; ++i) {
    const std::size_t from = begin + (i + 1 == keep ? length - 1 : i);
    out.ids.push_back(rows.ids[from]);
    if (!rows.types.empty()) out.types.push_back(rows.types[from]);
  }
}

void end_row(data::EncodedDataset& out, std::int32_t label) {
  out.offsets.push_back(static_cast<std::int64_t>(out.ids.size()));
  out.labels.push_back(label);
}

}  // namespace

void Fidelity::validate() const {
  check_share("steps", steps);
  check_share("data", data);
  check_share("width", width);
  check_share("depth", depth);
  if (max_tokens != 0 && max_tokens < 4) throw InputError(str("proxy.max_tokens = ", max_tokens, ", expected 0 or at least 4"));
}

std::string Fidelity::json() const {
  JsonWriter json;
  json.begin_object().member("steps", steps).member("data", data).member("max_tokens", max_tokens);
  return json.member("width", width).member("depth", depth).end_object().text();
}

data::EncodedDataset stratified_subset(const data::EncodedDataset& rows, double share, RandomKey key) {
  check_share("data", share);
  std::map<std::int32_t, std::vector<std::size_t>> classes;
  for (std::size_t row = 0; row < rows.rows(); ++row) classes[rows.labels[row]].push_back(row);
  std::vector<bool> kept(rows.rows());
  std::uint32_t number = 0;
  for (auto& [label, members] : classes) {
    Random random(key, 0, number++);
    random.shuffle(members);
    const std::int64_t wanted = std::max<std::int64_t>(1, rounded(share * static_cast<double>(members.size())));
    for (std::int64_t i = 0; i < wanted; ++i) kept[members[static_cast<std::size_t>(i)]] = true;
  }
  data::EncodedDataset out;
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    if (!kept[row]) continue;
    const auto length = static_cast<std::size_t>(rows.length(row));
    append(out, rows, static_cast<std::size_t>(rows.offsets[row]), length, length);
    end_row(out, rows.labels[row]);
  }
  return out;
}

data::EncodedDataset truncated(const data::EncodedDataset& rows, std::int64_t max_tokens) {
  data::EncodedDataset out;
  const auto most = static_cast<std::size_t>(max_tokens);
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    const auto begin = static_cast<std::size_t>(rows.offsets[row]), length = static_cast<std::size_t>(rows.length(row));
    std::size_t first = length;  // tokens of the first text
    if (!rows.types.empty())
      for (first = 0; first < length && rows.types[begin + first] == 0;) ++first;
    std::size_t keep_first = first, keep_second = length - first;
    while (keep_first + keep_second > most) --(keep_first >= keep_second ? keep_first : keep_second);
    append(out, rows, begin, first, keep_first);
    append(out, rows, begin + first, length - first, keep_second);
    end_row(out, rows.labels[row]);
    out.cut_rows += length > most;
  }
  return out;
}

nn::TransformerConfig scaled(const nn::TransformerConfig& architecture, double width, double depth) {
  check_share("width", width);
  check_share("depth", depth);
  nn::TransformerConfig out = architecture;
  const std::size_t layers = architecture.layers.size();
  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(1, rounded(depth * static_cast<double>(layers))));
  out.layers.clear();
  for (std::size_t i = 0; i < wanted && layers > 0; ++i)
    out.layers.push_back(architecture.layers[(2 * i + 1) * layers / (2 * wanted)]);
  if (width == 1) return out;
  const Index pair = architecture.positions == nn::Positions::kRotary ? 2 : 1;
  Index unit = architecture.positions == nn::Positions::kSinusoidal ? 2 : 1;
  for (nn::LayerConfig& layer : out.layers) {
    if (layer.head_dim == 0) unit = std::lcm(unit, std::max<Index>(layer.heads, 1) * pair);
    if (layer.head_dim != 0) layer.head_dim = shrunk(layer.head_dim, width, pair);
    layer.ffn = shrunk(layer.ffn, width, 1);
  }
  out.hidden = shrunk(architecture.hidden, width, unit);
  return out;
}

CheapTraining cheapened(const TrainingSetting& full, const data::EncodedDataset& train, const data::EncodedDataset& valid,
                        const Fidelity& fidelity, std::uint64_t seed) {
  fidelity.validate();
  CheapTraining out{full, {}, {}};
  train::TrainConfig& training = out.setting.base.training;
  const double passes = fidelity.steps * static_cast<double>(training.epochs);
  const double whole = math::floor(passes);
  training.epochs = std::max<std::int64_t>(1, static_cast<std::int64_t>(whole) + (passes - whole > 1e-9 ? 1 : 0));
  const double share = fidelity.data * std::min(1.0, passes / static_cast<double>(training.epochs));
  out.train = share < 1 ? stratified_subset(train, share, random_key(seed, 0, "proxy data")) : train;
  out.valid = valid;
  if (fidelity.cuts(full.task.max_tokens)) {
    out.train = truncated(out.train, fidelity.max_tokens);
    out.valid = truncated(out.valid, fidelity.max_tokens);
    out.setting.task.max_tokens = fidelity.max_tokens;
    out.setting.base.max_tokens = 0;  // the task's
  }
  out.setting.base.width_share = fidelity.width;
  out.setting.base.depth_share = fidelity.depth;
  return out;
}

}  // namespace lathe::nas
