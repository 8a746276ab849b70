#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/math.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/nas/rank_correlation.h>
#include <lathe/nas/transformer/latency.h>
#include <lathe/nas/transformer/latency_json.h>
#include <lathe/nas/transformer/least_squares.h>
#include <lathe/nas/transformer/results.h>
#include <lathe/nas/transformer/search.h>
#include <lathe/tensor/context.h>

#include <algorithm>
#include <set>

namespace lathe::nas {
namespace {

/// Small enough to leave well-determined coefficients alone.
constexpr double kRidge = 1e-4;

std::vector<double> fit(std::span<const LatencySample* const> samples, const LatencyLoad& load) {
  const std::size_t columns = latency_feature_names().size();
  std::vector<double> a, b(samples.size(), 1.0);
  a.reserve(columns * samples.size());
  for (const LatencySample* sample : samples)
    for (const double count : latency_features(sample->architecture, load))
      a.push_back(count / static_cast<double>(sample->median_ns));
  return nonnegative_least_squares(a, columns, b, kRidge);
}

std::vector<double> fit(const std::vector<LatencySample>& samples, const LatencyLoad& load) {
  std::vector<const LatencySample*> all;
  for (const LatencySample& sample : samples) all.push_back(&sample);
  return fit(all, load);
}

std::int64_t predict(std::span<const double> coefficients, const nn::TransformerConfig& config, const LatencyLoad& load) {
  const std::vector<double> counts = latency_features(config, load);
  double ns = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) ns += coefficients[i] * counts[i];
  return static_cast<std::int64_t>(std::clamp(math::floor(ns + 0.5), 1.0, 9e18));
}

LatencyModel::Quality compare(const std::vector<std::int64_t>& predicted, const std::vector<std::int64_t>& measured) {
  LatencyModel::Quality out;
  const std::vector<double> p(predicted.begin(), predicted.end()), m(measured.begin(), measured.end());
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double error = (p[i] - m[i]) / m[i];
    out.mean_error += (error < 0 ? -error : error) / static_cast<double>(p.size());
  }
  if (const double tau = kendall_tau(m, p); tau - tau == 0) out.tau = tau;
  return out;
}

void check(const LatencyTable& table) {
  if (table.samples.empty()) throw InputError("[latency] expected at least one sample");
  for (const LatencySample& sample : table.samples)
    if (sample.median_ns < 1) throw InputError(str("[latency] expected times of at least 1 ns, got ", sample.median_ns));
}

}  // namespace

LatencyModel::LatencyModel(LatencyTable table, Facts facts) : table_(std::move(table)), facts_(std::move(facts)) {
  check(table_);
  coefficients_ = fit(table_.samples, facts_.load);
}

std::int64_t LatencyModel::predict_ns(const nn::TransformerConfig& config) const {
  return predict(coefficients_, config, facts_.load);
}

std::optional<std::string> LatencyModel::uncovered(const nn::TransformerConfig& config) const {
  const std::vector<double> wanted = latency_features(config, facts_.load);
  std::vector<bool> seen(wanted.size());
  for (const LatencySample& sample : table_.samples) {
    const std::vector<double> counts = latency_features(sample.architecture, facts_.load);
    for (std::size_t i = 0; i < counts.size(); ++i) seen[i] = seen[i] || counts[i] > 0;
  }
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (wanted[i] > 0 && !seen[i]) return str("no measured architecture has ", latency_feature_names()[i]);
  return {};
}

LatencyModel::Quality LatencyModel::quality(std::span<const LatencySample> others) const {
  std::vector<std::int64_t> predicted, measured;
  for (const LatencySample& sample : others) {
    predicted.push_back(predict_ns(sample.architecture));
    measured.push_back(sample.median_ns);
  }
  return compare(predicted, measured);
}

LatencyModel::Quality LatencyModel::quality() const {
  constexpr std::size_t kFolds = 10;
  const std::vector<LatencySample>& all = table_.samples;
  if (all.size() < 2 * kFolds) return quality(all);
  std::vector<std::int64_t> predicted(all.size()), measured;
  for (const LatencySample& sample : all) measured.push_back(sample.median_ns);
  for (std::size_t fold = 0; fold < kFolds; ++fold) {
    std::vector<const LatencySample*> others;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (i % kFolds != fold) others.push_back(&all[i]);
    const std::vector<double> coefficients = fit(others, facts_.load);
    for (std::size_t i = fold; i < all.size(); i += kFolds) predicted[i] = predict(coefficients, all[i].architecture, facts_.load);
  }
  return compare(predicted, measured);
}

std::vector<nn::TransformerConfig> draw_architectures(const Space& space, const Candidate& base, const TaskShape& task,
                                                      std::int64_t count, std::uint64_t seed) {
  if (count < 1) throw InputError(str("[latency] expected at least one sample, got ", count));
  std::vector<nn::TransformerConfig> out;
  std::set<std::string> known;
  for (std::int64_t draw = 0; draw < 100 * count && static_cast<std::int64_t>(out.size()) < count; ++draw) {
    const Point point = space.uniform(seed, (std::uint64_t{1} << 48) + static_cast<std::uint64_t>(draw), 0);
    if (!space.valid(point)) continue;
    nn::TransformerConfig architecture = apply(base, point).architecture(task);
    architecture.dropout = architecture.attention_dropout = architecture.head_dropout = 0;  // nothing to do with inference
    try {
      architecture.validate();
    } catch (const InputError&) {  // a space without a rule for it; such a point never becomes a trial either
      continue;
    }
    if (known.insert(architecture.to_json()).second) out.push_back(std::move(architecture));
  }
  if (out.empty()) throw InputError(str("[latency] none of ", 100 * count, " draws of the space is a valid architecture"));
  return out;
}

namespace {

std::vector<nn::TransformerConfig> drawn_for(const LatencyRequest& request) {
  return draw_architectures(*request.space, request.base, request.task, request.samples, request.seed);
}

/// What a cached model must have been measured for.
std::string identity_of(const LatencyRequest& request, const LatencyModel::Facts& facts,
                        const std::vector<nn::TransformerConfig>& architectures) {
  std::string text = str(facts.load.batch, " ", facts.load.tokens, " ", facts.load.threads, " ", facts.backend, " ", facts.cpu, " ",
                         request.seed, "\n");
  for (const nn::TransformerConfig& architecture : architectures) text += architecture.to_json() + "\n";
  return to_hex(sha256(text));
}

std::optional<LatencyModel> read_cache(const LatencyRequest& request, const std::string& identity) {
  if (request.cache.empty() || !std::filesystem::exists(request.cache)) return {};
  const std::string where = request.cache.string();
  try {
    const CachedLatency cached = read_latency_file(read_file(request.cache), where);
    if (cached.identity == identity) return cached.model;
    request.note(where + ": measured for another space, load or machine; measuring anew");
  } catch (const InputError& error) {
    request.note(str(error.what(), "; measuring anew"));
  }
  return {};
}

}  // namespace

LatencyModel prepare_latency(const LatencyRequest& request) {
  LATHE_CHECK(request.space != nullptr);
  LatencyModel::Facts facts;
  facts.load = request.load;
  facts.backend = Context(ContextOptions{.backend = request.backend}).backend();
  const HostFacts host = host_facts(1, facts.backend);
  facts.cpu = host.cpu;
  facts.cores = host.cores;
  const std::vector<nn::TransformerConfig> architectures = drawn_for(request);
  const std::string identity = identity_of(request, facts, architectures);
  if (const auto cached = read_cache(request, identity)) return *cached;
  latency_features(architectures.front(), request.load);  // refuses a load that cannot be before anything is measured
  MeasureOptions options;
  options.seed = request.seed;
  options.stop = request.stop;
  options.progress = request.progress;
  const LatencyMeter meter = request.meter ? request.meter : network_meter(request.load, request.backend);
  LatencyModel model(measure_table(architectures, meter, options), facts);
  const ReferenceCourse& reference = model.table().reference;
  if (reference.drifts())
    request.note(str("this machine drifts: ", reference.rejected, " of ", reference.visits,
                     " measurements were thrown away because a reference network took another time beside them"));
  if (!request.cache.empty()) write_file_atomic(request.cache, latency_file(identity, model));
  return model;
}

void save_latency(const LatencyModel& model, const LatencyRequest& request) {
  LATHE_CHECK(request.space != nullptr && !request.cache.empty());
  write_file_atomic(request.cache, latency_file(identity_of(request, model.facts(), drawn_for(request)), model));
}

LatencyModel load_latency(const std::filesystem::path& file) { return read_latency_file(read_file(file), file.string()).model; }

void require_usable(const LatencyModel& model, const LatencyRequest& request, const std::string& where) {
  const LatencyLoad& had = model.facts().load;
  if (!(had == request.load))
    throw InputError(str(where, ": measured for batch ", had.batch, ", ", had.tokens, " tokens, ", had.threads,
                         " threads, asked for ", request.load.batch, ", ", request.load.tokens, " and ", request.load.threads));
  const std::string backend = Context(ContextOptions{.backend = request.backend}).backend();
  if (model.facts().backend != backend)
    throw InputError(str(where, ": measured with backend ", model.facts().backend, ", asked for ", backend));
  for (const nn::TransformerConfig& architecture : drawn_for(request))
    if (const auto lack = model.uncovered(architecture))
      throw InputError(str(where, ": does not fit the space: ", *lack, ", but the space has"));
}

}  // namespace lathe::nas
