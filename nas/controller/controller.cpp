#include <lathe/nas/controller/controller.h>

#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/controller/decisions.h>
#include <lathe/nas/controller/ppo.h>
#include <lathe/nas/controller/rewards.h>
#include <lathe/nas/sampler/options.h>
#include <lathe/optim/clip.h>
#include <lathe/optim/optimizer.h>
#include <lathe/tensor/backend.h>

#include <algorithm>

namespace lathe::nas {
namespace {

constexpr Index kHidden = 64, kEmbedding = 32;
constexpr double kMostNorm = 1;
constexpr std::uint32_t kSite = 1;          // site 0 of a parameter's stream is the uniform draw
constexpr std::uint32_t kDrawsAtOnce = 16;  // after the first, which is mostly the last

/// A backend of exact numerics, whatever LATHE_BACKEND names: the study's bits must not depend on it.
ContextOptions exact_context(std::uint64_t seed) {
  const std::string exact = available_backends().front();
  return {.backend = numerics_tag() == numerics_tag(exact) ? "" : exact, .seed = seed};
}

class ControllerSampler final : public Sampler {
 public:
  explicit ControllerSampler(const StudyHeader& header);
  std::optional<Point> draw(const SamplerView& view, std::uint32_t attempt) override;

 private:
  struct Network {
    nn::Parameters parameters;
    Policy policy;
    optim::AdamW optimizer;
    Network(Context& context, const std::vector<Index>& choices)
        : parameters(context), policy(parameters, choices, kHidden, kEmbedding), optimizer(parameters.all(), 0) {}
  };
  struct Record {
    std::vector<std::int32_t> chosen;
    std::vector<double> log_probability;  // under the policy that proposed it; empty until that policy is about to change
  };
  void restart();
  void follow(const History& history);
  void read(const History& history);
  void learn(const History& history);
  Trajectories trajectories(const History& history, const std::vector<std::size_t>& trials) const;
  void note_probabilities(const History& history, const std::vector<std::size_t>& trials);
  void propose(const SamplerView& view, std::uint32_t first, std::uint32_t count);
  std::int32_t chosen(const float* log_probability, std::int64_t choices, Random& random) const;

  std::size_t update_every_ = 0, window_ = 0;
  std::int64_t epochs_ = 0;
  double learning_rate_ = 0;
  PpoOptions ppo_;
  Direction direction_;
  Decisions decisions_;
  Context context_;
  std::optional<Network> network_;  // none: nothing to decide

  std::vector<Record> records_;                        // by trial
  std::vector<std::vector<std::size_t>> proposed_by_;  // trials by the number of updates before their proposal
  std::size_t seen_ = 0, finished_ = 0, updates_ = 0;  // commits before the newest proposal read; commits read
  std::int64_t drawn_for_ = -1;
  std::size_t drawn_after_ = 0;
  std::vector<std::optional<Point>> drawn_;  // by attempt
};

ControllerSampler::ControllerSampler(const StudyHeader& header)
    : direction_(header.directions.at(0)), context_(exact_context(header.seed)) {
  const Options options("controller", header.sampler_settings,
                        {"update_every", "window", "epochs", "learning_rate", "entropy", "bins"});
  update_every_ = static_cast<std::size_t>(options.whole("update_every", 10, 1, 10'000));
  const auto least = static_cast<std::int64_t>(update_every_);
  window_ = static_cast<std::size_t>(options.whole("window", std::max<std::int64_t>(20, least), least, 100'000));
  epochs_ = options.whole("epochs", 6, 1, 1'000);
  learning_rate_ = options.real("learning_rate", 0.03, 1e-6, 1);
  ppo_.entropy_weight = options.real("entropy", 0.01, 0, 10);
  decisions_ = Decisions(header.space, options.whole("bins", 8, 2, 1'000));
  if (header.directions.size() != 1)
    throw InputError(
        str("sampler controller serves one objective, the study has ", header.directions.size(), "; take nsga2 or tpe"));
  restart();
}

void ControllerSampler::restart() {
  records_.clear();
  proposed_by_.clear();
  seen_ = finished_ = updates_ = 0;
  drawn_for_ = -1;
  network_.reset();
  std::vector<Index> choices;
  for (std::size_t i = 0; i < decisions_.size(); ++i) choices.push_back(decisions_.choices(i));
  if (!choices.empty()) network_.emplace(context_, choices);
}

/// Takes in the next trial of the history, and which policy proposed it.
void ControllerSampler::read(const History& history) {
  const Trial& trial = history.trials[records_.size()];
  while (seen_ < history.finished.size() && history.finished[seen_] < trial.number &&
         history.trials[static_cast<std::size_t>(history.finished[seen_])].finished <= trial.started)
    ++seen_;
  const std::size_t policy = std::max(seen_ / update_every_, updates_);
  if (proposed_by_.size() <= policy) proposed_by_.resize(policy + 1);
  proposed_by_[policy].push_back(records_.size());
  records_.push_back({decisions_.chosen(trial.point), {}});
}

void ControllerSampler::follow(const History& history) {
  if (history.trials.size() < records_.size() || history.finished.size() < finished_) restart();
  finished_ = history.finished.size();
  while (records_.size() < history.trials.size()) read(history);
  while (network_ && (updates_ + 1) * update_every_ <= finished_) learn(history);
}

Trajectories ControllerSampler::trajectories(const History& history, const std::vector<std::size_t>& trials) const {
  Trajectories out{static_cast<Index>(trials.size()), {}, {}};
  for (const std::size_t trial : trials)
    out.chosen.insert(out.chosen.end(), records_[trial].chosen.begin(), records_[trial].chosen.end());
  out.masks.resize(decisions_.size());
  for (std::size_t i = 0; i < decisions_.size(); ++i)
    for (const std::size_t trial : decisions_.masked(i) ? trials : std::vector<std::size_t>())
      for (const bool allowed : decisions_.allowed(i, history.trials[trial].point.values()))
        out.masks[i].push_back(allowed ? 0 : Policy::kForbidden);
  return out;
}

/// Notes how probable trials are under the present policy.
void ControllerSampler::note_probabilities(const History& history, const std::vector<std::size_t>& trials) {
  if (trials.empty()) return;
  const NoGrad none(context_);
  const auto found = network_->policy.outlook(trajectories(history, trials)).log_probability.value().to_vector<float>();
  const std::size_t steps = decisions_.size();
  for (std::size_t r = 0; r < trials.size(); ++r)
    records_[trials[r]].log_probability.assign(found.begin() + static_cast<std::ptrdiff_t>(r * steps),
                                               found.begin() + static_cast<std::ptrdiff_t>((r + 1) * steps));
}

void ControllerSampler::learn(const History& history) {
  if (updates_ < proposed_by_.size()) note_probabilities(history, proposed_by_[updates_]);
  const std::size_t count = (++updates_) * update_every_;
  const std::vector<double> all = rewards(history, direction_, count);
  std::vector<std::size_t> trials;
  PpoBatch batch;
  bool decided = false;
  for (std::size_t i = count - std::min(window_, count); i < count; ++i) {
    const auto trial = static_cast<std::size_t>(history.finished[i]);
    const Record& record = records_[trial];
    trials.push_back(trial);
    batch.reward.push_back(all[i]);
    batch.old_log_probability.insert(batch.old_log_probability.end(), record.log_probability.begin(), record.log_probability.end());
    for (const std::int32_t choice : record.chosen) decided = decided || choice >= 0;
  }
  if (!decided) return;
  batch.trajectories = trajectories(history, trials);
  {
    const NoGrad none(context_);
    const auto values = network_->policy.outlook(batch.trajectories).value.value().to_vector<float>();
    batch.advantage = gae(batch.trajectories, {values.begin(), values.end()}, batch.reward, ppo_.gae_lambda);
  }
  standardise(batch.trajectories, batch.advantage);
  for (std::int64_t epoch = 0; epoch < epochs_; ++epoch) {
    ppo_loss(network_->policy, batch, ppo_).backward();
    network_->optimizer.step(learning_rate_, optim::clip_by_norm(network_->parameters.all(), kMostNorm).scale);
    network_->optimizer.zero_grad();
  }
}

std::int32_t ControllerSampler::chosen(const float* log_probability, std::int64_t choices, Random& random) const {
  const double uniform = uniform53(random);
  double sum = 0;
  std::int32_t last = 0;
  for (std::int64_t c = 0; c < choices; ++c) {
    const double p = math::exp(static_cast<double>(log_probability[c]));
    if (p == 0) continue;
    last = static_cast<std::int32_t>(c);
    sum += p;
    if (uniform < sum) break;
  }
  return last;
}

/// Draws attempts first … first + count − 1, one row each.
void ControllerSampler::propose(const SamplerView& view, std::uint32_t first, std::uint32_t count) {
  const NoGrad none(context_);
  const Space& space = view.header.space;
  const Policy& policy = network_->policy;
  std::vector<std::vector<std::optional<Value>>> rows(count, std::vector<std::optional<Value>>(space.size()));
  std::vector<std::int32_t> previous(count, 0);
  Lstm::State state = policy.start(static_cast<Index>(count));
  for (std::size_t i = 0; i < space.size(); ++i) {
    const auto decision = decisions_.of_parameter(i);
    std::vector<bool> active;
    for (auto& values : rows) {
      active.push_back(space.active(i, values));
      if (!decision && active.back()) values[i] = space.parameter(i).at(0);
    }
    if (!decision) continue;
    state = policy.advance(*decision, state, previous);
    std::vector<double> mask;
    for (const auto& values : decisions_.masked(*decision) ? rows : decltype(rows)())
      for (const bool allowed : decisions_.allowed(*decision, values)) mask.push_back(allowed ? 0 : Policy::kForbidden);
    const auto found = policy.log_probabilities(*decision, state, mask).value().to_vector<float>();
    const RandomKey key = random_key(view.header.seed, static_cast<std::uint64_t>(view.number), "ask:" + space.parameter(i).name);
    const std::int64_t choices = decisions_.choices(*decision);
    for (std::uint32_t r = 0; r < count; ++r) {
      previous[r] = Decisions::kInactive;
      if (!active[r]) continue;
      Random random(key, 0, kSite, first + r);
      previous[r] = chosen(found.data() + static_cast<std::int64_t>(r) * choices, choices, random);
      rows[r][i] = decisions_.value(*decision, previous[r], uniform53(random));
    }
  }
  drawn_.resize(std::max<std::size_t>(drawn_.size(), first + count));
  for (std::uint32_t r = 0; r < count; ++r)
    drawn_[first + r] = space.make([&](std::size_t i, const Parameter&) { return *rows[r][i]; });
}

std::optional<Point> ControllerSampler::draw(const SamplerView& view, std::uint32_t attempt) {
  follow(view.history);
  if (!network_) return view.header.space.make([](std::size_t, const Parameter& p) { return p.at(0); });
  if (drawn_for_ != view.number || drawn_after_ != updates_) drawn_.clear();
  drawn_for_ = view.number;
  drawn_after_ = updates_;
  if (attempt >= drawn_.size() || !drawn_[attempt]) {
    const std::uint32_t block = attempt / kDrawsAtOnce * kDrawsAtOnce;
    propose(view, attempt == 0 ? 0 : std::max(block, 1u), attempt == 0 ? 1 : block == 0 ? kDrawsAtOnce - 1 : kDrawsAtOnce);
  }
  return drawn_[attempt];
}

}  // namespace

void add_controller(SamplerRegistry& registry) {
  registry.add("controller@1", [](const StudyHeader& h) { return std::make_unique<ControllerSampler>(h); });
}

SamplerRegistry all_samplers() {
  SamplerRegistry registry = SamplerRegistry::builtin();
  add_controller(registry);
  return registry;
}

}  // namespace lathe::nas
