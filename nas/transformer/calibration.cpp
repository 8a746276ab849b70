#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/nas/proposals.h>
#include <lathe/nas/storage/memory.h>
#include <lathe/nas/transformer/calibration.h>
#include <lathe/nas/transformer/calibration_cache.h>
#include <lathe/nas/transformer/objective.h>
#include <lathe/nn/transformer.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace lathe::nas {
namespace {

constexpr std::int64_t kLeast = 30;       // architectures that say anything about ranks
constexpr std::int64_t kPoolFactor = 10;  // points drawn for each one that is taken …
constexpr std::int64_t kDrawFactor = 20;  // … and draws for each of those, where many are refused or come twice

std::uint64_t seed_of(std::uint64_t seed, std::string_view stream) {
  const RandomKey key = random_key(seed, 0, stream);
  return static_cast<std::uint64_t>(key.k1) << 32 | key.k0;
}

void check(const CalibrationOptions& options) {
  if (options.architectures < kLeast || options.architectures > 100'000)
    throw InputError(str("calibration: ", options.architectures, " architectures, expected ", kLeast, " to 100,000"));
  if (options.bins < 1 || options.bins > options.architectures)
    throw InputError(str("calibration: ", options.bins, " bins, expected 1 to ", options.architectures));
  if (!(options.threshold >= -1 && options.threshold <= 1))
    throw InputError(str("proxy.threshold = ", options.threshold, ", expected -1 to 1"));
}

/// The study that evaluates the points, in their order, one way.
StudyHeader header_of(const StudyHeader& study, std::size_t points, const char* name) {
  StudyHeader header = study;
  header.name = name;
  header.seed = seed_of(study.seed, name);
  header.trials = static_cast<std::int64_t>(points);
  header.sampler = "random@1";
  header.pruner = "none@1";
  header.sampler_settings = header.pruner_settings = {};
  header.duplicates = Duplicates::reject;
  header.warm_start = header.preparation = "";
  return header;
}

/// Counts finished segments of both ways.
class Count final : public Observer {
 public:
  Count(std::int64_t total, const std::function<void(std::int64_t, std::int64_t)>& progress) : total_(total), progress_(progress) {}
  void computed(const TaskKey&, const SegmentResult&) override {
    ++done_;
    if (progress_) progress_(std::min(done_, total_), total_);
  }

 private:
  std::int64_t done_ = 0, total_;
  const std::function<void(std::int64_t, std::int64_t)>& progress_;
};

/// Both ways of evaluating the points.
class Evaluation {
 public:
  Evaluation(const StudyHeader& study, const std::vector<Point>& points, const CalibrationOptions& options, CalibrationCache& cache,
             Count& count)
      : study_(study), points_(points), options_(options), cache_(cache), count_(count) {}

  /// Of each point the verdict, nothing where it failed.
  std::vector<std::optional<double>> run(Objective& objective, const char* name) {
    StudyHeader header = header_of(study_, points_.size(), name);
    header.virtual_workers = 2 * options_.workers;  // nothing is decided in this study, so its values do not depend on it
    CachedObjective cached(objective, cache_, name);
    const auto storage = memory_storage(header);
    for (const Point& point : points_) enqueue(*storage, header.space, point);
    ExecutorOptions execution;
    execution.workers = options_.workers;
    execution.stop = options_.stop;
    execution.observer = &count_;
    const auto checkpoints = checkpoints_of(name);
    execution.checkpoints = checkpoints.get();
    const StudyRun run = execute(header, cached, *storage, execution);
    if (!run.finished) throw Interrupted();
    std::vector<std::optional<double>> values;
    for (std::size_t i = 0; i < points_.size(); ++i) {
      const Trial& trial = run.history.trials.at(i);
      LATHE_CHECK(trial.point == points_[i]);
      values.push_back(trial.state == TrialState::complete ? std::optional(trial.values.at(options_.objective)) : std::nullopt);
    }
    return values;
  }

 private:
  std::unique_ptr<CheckpointStore> checkpoints_of(const char* name) const {
    if (options_.folder.empty()) return memory_checkpoints();
    const std::filesystem::path folder = options_.folder / "calibration" / name;
    make_folder(folder);
    return file_checkpoints(folder.string());
  }

  const StudyHeader& study_;
  const std::vector<Point>& points_;
  const CalibrationOptions& options_;
  CalibrationCache& cache_;
  Count& count_;
};

std::uint64_t ticks(const Objective& objective, const std::vector<Point>& points, std::int64_t& segments) {
  std::uint64_t sum = 0;
  for (const Point& point : points)
    for (const Segment& segment : objective.plan(point).segments) {
      sum += segment.ticks;
      ++segments;
    }
  return sum;
}

/// What the values depend on.
std::string identity(const StudyHeader& study, const std::vector<Point>& points, const std::string& proxy,
                     const std::string& configuration) {
  StudyHeader header = header_of(study, points.size(), "calibration full");
  if (!configuration.empty()) header.configuration = configuration;
  JsonWriter json;
  json.begin_object().key("header").raw(header.json());
  json.key("proxy").raw(proxy).key("points").begin_array();
  for (const Point& point : points) json.raw(point.json());
  return to_hex(sha256(json.end_array().end_object().text()));
}

/// Greater is better; failed is the worst.
std::vector<double> ranked(const std::vector<std::optional<double>>& values, Direction direction) {
  std::vector<double> out;
  for (const auto& value : values)
    out.push_back(!value ? -std::numeric_limits<double>::infinity() : direction == Direction::maximise ? *value : -*value);
  return out;
}

}  // namespace

std::vector<Point> calibration_points(const StudyHeader& study, const std::function<bool(const Point&)>& admissible,
                                      const std::function<std::int64_t(const Point&)>& params_of, std::int64_t count,
                                      std::int64_t bins) {
  struct Drawn {
    std::int64_t params;
    std::size_t place;
  };
  const std::uint64_t seed = seed_of(study.seed, "calibration");
  std::vector<Point> pool;
  std::vector<Drawn> order;
  std::set<std::string> seen;
  for (std::int64_t draw = 0; draw < count * kPoolFactor * kDrawFactor; ++draw) {
    if (static_cast<std::int64_t>(pool.size()) == count * kPoolFactor) break;
    const Point point = study.space.uniform(seed, static_cast<std::uint64_t>(draw), 0);
    if (!study.space.valid(point) || !seen.insert(point.json()).second || !admissible(point)) continue;
    order.push_back({params_of(point), pool.size()});
    pool.push_back(point);
  }
  if (static_cast<std::int64_t>(pool.size()) < kLeast)
    throw InputError(str("calibration needs at least ", kLeast, " architectures, this space has ", pool.size(),
                         " within its rules and limits: train them all (search.evaluate = \"train\")"));
  std::stable_sort(order.begin(), order.end(), [](const Drawn& a, const Drawn& b) { return a.params < b.params; });
  const std::size_t wanted = std::min(static_cast<std::size_t>(count), pool.size()), parts = static_cast<std::size_t>(bins);
  std::set<std::size_t> taken;
  for (std::size_t bin = 0; bin < parts; ++bin) {
    std::vector<std::size_t> places;
    for (std::size_t i = bin * order.size() / parts; i < (bin + 1) * order.size() / parts; ++i) places.push_back(order[i].place);
    std::sort(places.begin(), places.end());  // the first ones that were drawn
    places.resize(std::min(places.size(), (bin + 1) * wanted / parts - bin * wanted / parts));
    taken.insert(places.begin(), places.end());
  }
  // Where the pool is hardly larger than what is wanted, a bin may hold fewer than its part.
  for (std::size_t place = 0; taken.size() < wanted; ++place) taken.insert(place);
  std::vector<Point> out;
  for (const std::size_t place : taken) out.push_back(pool[place]);
  return out;
}

Calibration calibrate(const StudyHeader& study, Objective& full, Objective& cheap, const std::string& proxy,
                      const std::function<std::int64_t(const Point&)>& params_of, const CalibrationOptions& options) {
  check(options);
  study.check();
  if (options.objective >= study.metrics.size())
    throw InputError(str("calibration: objective ", options.objective, ", the study has ", study.metrics.size()));
  const auto admissible = [&](const Point& point) { return !full.refuse(point) && !cheap.refuse(point); };
  const std::vector<Point> points = calibration_points(study, admissible, params_of, options.architectures, options.bins);
  if (!options.folder.empty()) make_folder(options.folder);
  CalibrationCache cache(options.folder.empty() ? options.folder : options.folder / "calibration.log",
                         identity(study, points, proxy, options.identity));

  Calibration out;
  std::int64_t segments = 0;
  out.full_ticks = ticks(full, points, segments);
  out.cheap_ticks = ticks(cheap, points, segments);
  Count count(segments, options.progress);
  Evaluation evaluation(study, points, options, cache, count);
  const auto cheap_values = evaluation.run(cheap, "calibration cheap");
  const auto full_values = evaluation.run(full, "calibration full");

  out.proxy = proxy;
  out.metric = study.metrics[options.objective];
  out.direction = study.directions[options.objective];
  out.threshold = options.threshold;
  out.confidence = options.ranks.confidence;
  out.top_k = options.ranks.top_k;
  out.forced = options.force;
  std::vector<double> params;
  for (std::size_t i = 0; i < points.size(); ++i) {
    out.rows.push_back({points[i].json(), params_of(points[i]), full_values[i], cheap_values[i]});
    params.push_back(static_cast<double>(out.rows.back().params));
  }
  RankOptions ranks = options.ranks;
  ranks.seed = study.seed;
  const std::vector<double> reference = ranked(full_values, out.direction);
  out.cheap = rank_agreement(reference, ranked(cheap_values, out.direction), ranks);
  out.params = rank_agreement(reference, params, ranks);
  return out;
}

Calibration prepare_calibration(const StudyHeader& study, TrainingObjective& full, Objective& cheap, const std::string& proxy,
                                CalibrationOptions options) {
  const TrainingSetting& setting = full.setting();
  options.identity = base_json(setting);
  const auto params_of = [&](const Point& p) { return nn::count_parameters(full.candidate(p).architecture(setting.task)); };
  Calibration calibration = calibrate(study, full, cheap, proxy, params_of, options);
  if (!options.folder.empty()) write_file_atomic(options.folder / "calibration.json", calibration.json() + "\n");
  if (!calibration.accepted()) throw ProxyRefused(calibration);
  return calibration;
}

bool Calibration::trusted() const { return !std::isnan(cheap.tau.value) && cheap.tau.interval.low >= threshold; }

}  // namespace lathe::nas
