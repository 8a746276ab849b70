#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/baseline.h>
#include <lathe/tensor/backend.h>
#include <lathe/train/trainer.h>

#include <nlohmann/json.hpp>

#include <algorithm>

namespace lathe::nas {
namespace {

constexpr std::uint64_t kTrial = 0xFFFFFFFFu;

std::string identity_of(const TrainingSetting& setting, const data::EncodedSplits& rows, std::uint64_t seed) {
  return JsonWriter()
      .begin_object()
      .member("numerics", numerics_tag(setting.backend))
      .member("seed", seed)
      .member("data", to_hex(rows.hash))
      .key("default")
      .raw(base_json(setting))
      .end_object()
      .text();
}

/// The result in `file`, if it is whole and of this identity: one line each.
std::optional<Baseline> kept(const std::filesystem::path& file, const std::string& identity) {
  if (file.empty() || !std::filesystem::exists(file)) return {};
  const std::string text = read_file(file);
  const std::size_t line = text.find('\n');
  if (line == std::string::npos || text.substr(0, line) != identity) return {};
  try {
    return Baseline::parse(std::string_view(text).substr(line + 1), file.string());
  } catch (const InputError&) {
    return {};  // a cache: it costs a training, not a result
  }
}

}  // namespace

std::string Baseline::json() const {
  return JsonWriter()
      .begin_object()
      .member("accuracy", scores.accuracy)
      .member("epoch", epoch)
      .member("loss", scores.loss)
      .member("macro_f1", scores.macro_f1)
      .member("weights", weights)
      .end_object()
      .text();
}

Baseline Baseline::parse(std::string_view json, const std::string& where) {
  try {
    const auto j = nlohmann::json::parse(json);
    Baseline out;
    out.epoch = j.at("epoch").get<std::int64_t>();
    out.scores = {j.at("accuracy").get<double>(), j.at("macro_f1").get<double>(), j.at("loss").get<double>()};
    out.weights = j.at("weights").get<std::string>();
    return out;
  } catch (const nlohmann::json::exception& error) {
    throw InputError(str(where, ": is no result of the default architecture: ", error.what()));
  }
}

Baseline train_baseline(const TrainingSetting& setting, const data::EncodedSplits& rows, std::uint64_t seed,
                        const std::filesystem::path& file, const std::function<bool()>& stop_requested, int threads) {
  const std::string identity = identity_of(setting, rows, seed);
  if (const auto found = kept(file, identity)) return *found;
  Context context({.backend = setting.backend, .threads = threads, .seed = seed, .trial = kTrial});
  train::Trainer trainer(context, setting.base.architecture(setting.task), setting.base.training, rows.train, rows.valid);
  try {
    while (!trainer.done()) trainer.run_epoch(stop_requested);
  } catch (const train::Stopped&) {
    throw Interrupted();
  }
  Baseline baseline;
  baseline.epoch = trainer.best()->epoch;
  baseline.scores = trainer.best()->valid;
  trainer.restore_best();
  baseline.weights = trainer.weights_hash();
  if (!file.empty()) write_file_atomic(file, str(identity, "\n", baseline.json(), "\n"));
  return baseline;
}

std::vector<Limit> resolve(std::span<const Target> targets, const CandidateCost& cost_of_default, const Baseline* baseline) {
  std::vector<Limit> limits;
  for (const Target& target : targets) {
    if (!target.of_default)
      limits.push_back(target.limit(0));
    else if (!is_measured(target.quantity))
      limits.push_back(target.limit(known_value(target.quantity, cost_of_default)));
    else if (baseline)
      limits.push_back(target.limit(measured_value(target.quantity, baseline->scores)));
  }
  return limits;
}

bool needs_baseline(std::span<const Target> targets) {
  return std::any_of(targets.begin(), targets.end(), [](const Target& t) { return t.of_default && is_measured(t.quantity); });
}

}  // namespace lathe::nas
