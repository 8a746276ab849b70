#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/proxy.h>

#include <algorithm>
#include <vector>

namespace lathe::nas {
namespace {

/// About `count` rows, each class in its share.
data::EncodedDataset batch_of(const data::EncodedDataset& rows, std::int64_t count, std::uint64_t seed) {
  const double share = static_cast<double>(count) / static_cast<double>(std::max<std::size_t>(rows.rows(), 1));
  return stratified_subset(rows, std::min(share, 1.0), random_key(seed, 0, "proxy batch"));
}

void refuse_full(const Fidelity& fidelity) {
  if (fidelity.full())
    throw InputError(
        "proxy.kind = training with all shares at 1 is the training in full; lower proxy.steps, proxy.data, "
        "proxy.max_tokens, proxy.width or proxy.depth");
}

}  // namespace

ProxySetting ProxySetting::of_kind(std::string_view kind) {
  ProxySetting setting;
  if (kind == "training") return setting;
  std::vector<std::string> known = {"training"};
  for (const ProxyScore score : proxy_scores()) {
    known.emplace_back(name_of(score));
    if (kind == known.back()) setting.score = score;
  }
  if (setting.score) return setting;
  const auto near = nearest(kind, known);
  throw InputError(
      str("proxy.kind = `", kind, "`, expected one of ", join(known, ", "), near ? "; did you mean " + *near + "?" : ""));
}

std::string ProxySetting::kind() const { return score ? name_of(*score) : "training"; }

void ProxySetting::validate() const {
  fidelity.validate();
  if (!score) refuse_full(fidelity);
  if (score && !fidelity.full())
    throw InputError(
        str("proxy.kind = ", kind(), " trains nothing; proxy.steps, data, max_tokens, width and depth are for `training`"));
  if (batch_rows < 2) throw InputError(str("proxy.batch_rows = ", batch_rows, ", expected at least 2"));
}

std::string ProxySetting::json() const {
  JsonWriter json;
  json.begin_object().member("kind", kind());
  if (score) json.member("batch_rows", batch_rows);
  if (!score) json.key("fidelity").raw(fidelity.json());
  return json.end_object().text();
}

ProxyObjective::ProxyObjective(const TrainingObjective& full, ProxySetting setting, const data::EncodedDataset& train,
                               const data::EncodedDataset& valid, std::uint64_t seed)
    : full_(full), setting_(std::move(setting)) {
  setting_.validate();
  check_objectives();
  if (setting_.score) {
    batch_ = batch_of(train, setting_.batch_rows, seed);
  } else {
    Fidelity lowered = setting_.fidelity;
    if (!lowered.cuts(full.setting().task.max_tokens)) lowered.max_tokens = 0;
    refuse_full(lowered);
    cheap_ = cheapened(full.setting(), train, valid, setting_.fidelity, seed);
    training_ = std::make_unique<TrainingObjective>(cheap_.setting, cheap_.train, cheap_.valid);
  }
}

void ProxyObjective::check_objectives() const {
  const TrainingSetting& of = full_.setting();
  if (of.encodings)
    throw InputError("a proxy cannot be used where `vocab` or `max_tokens` is searched: its rows are of one encoding");
  std::size_t measured = of.objectives.empty() ? 1 : 0;
  for (const Quantity q : of.objectives) measured += is_measured(q) ? 1 : 0;
  if (measured == 0) throw InputError("a proxy stands for what training measures, and no objective of the study is measured");
  if (!setting_.score) return;
  if (measured > 1)
    throw InputError(str("proxy.kind = ", setting_.kind(), " is one number, the study has ", measured, " measured objectives"));
  for (const Limit& limit : of.limits)
    if (is_measured(limit.quantity))
      throw InputError(str(limit.text, ": only training tells, and proxy.kind = ", setting_.kind(), " trains nothing"));
}

std::size_t ProxyObjective::measured_objective() const {
  const std::vector<Quantity>& objectives = full_.setting().objectives;
  for (std::size_t i = 0; i < objectives.size(); ++i)
    if (is_measured(objectives[i])) return i;
  return 0;
}

/// What is known before training is that of the real architecture.
SegmentResult ProxyObjective::completed(const Point& params, SegmentResult result) const {
  const std::vector<Quantity>& objectives = full_.setting().objectives;
  for (std::size_t i = 0; i < objectives.size() && result.failure == Failure::none; ++i)
    if (!is_measured(objectives[i])) result.values.at(i) = known_value(objectives[i], full_.cost(params));
  return result;
}

Plan ProxyObjective::plan(const Point& params) const {
  Plan plan;
  if (training_) {
    plan = training_->plan(params);
  } else {
    const nn::TransformerConfig architecture = full_.candidate(params).architecture(full_.setting().task);
    plan.segments[0].ticks = ticks_of_flops(static_cast<std::uint64_t>(proxy_score_flops(*setting_.score, architecture, batch_)));
  }
  plan.attributes = full_.plan(params).attributes;
  return plan;
}

std::optional<std::string> ProxyObjective::refuse(const Point& params) const {
  if (auto reason = full_.refuse(params)) return reason;
  if (!training_) return {};
  try {
    training_->candidate(params).architecture(cheap_.setting.task).validate();
  } catch (const InputError& error) {
    return str("at the proxy's size: ", error.what());
  }
  return {};
}

SegmentResult ProxyObjective::run(const Point& params, const SegmentContext& segment, const Checkpoint& checkpoint) {
  if (training_) return completed(params, training_->run(params, segment, checkpoint));
  if (segment.stop_requested()) throw Interrupted();
  const nn::TransformerConfig architecture = full_.candidate(params).architecture(full_.setting().task);
  Context context({.backend = full_.setting().backend, .threads = 1, .seed = segment.seed, .trial = 0});
  try {
    nn::Classifier model(context, architecture);
    const double score = proxy_score(*setting_.score, model, batch_);
    const std::vector<Quantity>& objectives = full_.setting().objectives;
    const bool turned = !objectives.empty() && info(objectives[measured_objective()]).direction == Direction::minimise;
    SegmentResult result;
    result.values.assign(std::max<std::size_t>(1, objectives.size()), turned ? -score : score);
    result.attributes = JsonWriter().begin_object().member(setting_.kind(), score).end_object().text();
    return completed(params, std::move(result));
  } catch (const NonFiniteError& error) {
    return SegmentResult::failed(Failure::non_finite, error.what());
  } catch (const MemoryLimitError& error) {
    return SegmentResult::failed(Failure::memory_limit, error.what());
  }
}

}  // namespace lathe::nas
