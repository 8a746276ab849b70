#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/objective.h>
#include <lathe/nas/transformer/latency_measure.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>

namespace lathe::nas {
namespace {

using Times = std::vector<std::int64_t>;

std::int64_t median(Times values) { return percentile(std::move(values), 0.5); }

std::int64_t median_distance(Times values, std::int64_t from) {
  for (std::int64_t& value : values) value = value > from ? value - from : from - value;
  return median(std::move(values));
}

/// A matrix of small numbers, quickly made.
Var filled(Context& context, const Shape& shape) {
  Tensor value = Tensor::empty(context, shape, DType::kF32);
  float* element = value.mutable_data<float>();
  std::uint32_t state = 1;
  for (Index i = 0, n = value.numel(); i < n; ++i) {
    state = state * 1664525u + 1013904223u;
    element[i] = static_cast<float>(state >> 16) * (0.08f / 65536.0f) - 0.04f;
  }
  return Var(std::move(value));
}

Times time_network(Context& context, const LatencyLoad& load, const nn::TransformerConfig& config, int warm_up, int calls) {
  nn::Parameters parameters(context, DType::kF32, [&](const std::string&, const Shape& shape) {
    return shape.dims() == 2 ? filled(context, shape) : Var();
  });
  const nn::Classifier model(std::move(parameters), config);
  const nn::Batch batch = latency_batch(context, load, config);
  const NoGrad no_grad(context);
  Times times;
  times.reserve(static_cast<std::size_t>(calls));
  for (int call = -warm_up; call < calls; ++call) {
    const auto start = std::chrono::steady_clock::now();
    model.logits(batch, nn::Mode::kEvaluate);
    const auto end = std::chrono::steady_clock::now();
    if (call >= 0) times.push_back(std::chrono::duration_cast<std::chrono::nanoseconds>(end - start).count());
  }
  return times;
}

/// One measurement of a network, and of the reference around it.
struct Visit {
  std::size_t network = 0;
  Times times;
  std::int64_t before = 0, after = 0;
};

class Rounds {
 public:
  Rounds(std::span<const nn::TransformerConfig> networks, const LatencyMeter& meter, const MeasureOptions& options)
      : networks_(networks), meter_(meter), options_(options), calls_(networks.size(), 0), accepted_(networks.size()) {
    if (networks.empty() || options.rounds < 1 || options.visit_ns < 1 || !(options.tolerance > 0))
      throw InputError("[latency] expected networks, and rounds, visit_ns and tolerance above 0");
    reference_ = latency_reference(networks[0]);
  }

  void run() {
    for (int i = 0; i < 3; ++i) visit_reference();  // the clock rate rises
    course_.clear();
    for (int round = 0; round < 2 * options_.rounds; ++round) {
      std::vector<std::size_t> order;
      for (std::size_t i = 0; i < networks_.size(); ++i)
        if (round < options_.rounds || accepted_[i] < options_.rounds) order.push_back(i);
      if (order.empty()) return;
      Random random(random_key(options_.seed, static_cast<std::uint64_t>(round), "latency order"));
      random.shuffle(order);
      visit(order);
    }
  }

  /// Times of a network's accepted visits, each divided by the reference's course; of all visits if none was accepted.
  std::vector<Times> times(std::size_t network) const {
    std::vector<Times> out;
    for (const bool any : {false, true}) {
      for (const Visit& v : visits_)
        if (v.network == network && (any || accepts(v))) out.push_back(normalised(v));
      if (!out.empty()) break;
    }
    return out;
  }

  ReferenceCourse course() const {
    ReferenceCourse out;
    out.median_ns = base_;
    out.mad_ns = median_distance(course_, base_);
    out.visits = static_cast<std::int64_t>(visits_.size());
    out.rejected = std::count_if(visits_.begin(), visits_.end(), [&](const Visit& v) { return !accepts(v); });
    out.range = static_cast<double>(percentile(course_, 0.95) - percentile(course_, 0.05)) / static_cast<double>(base_);
    return out;
  }

 private:
  Times measure(const nn::TransformerConfig& config, int calls) {
    Times times = meter_(config, std::max(1, calls / 4), calls);
    if (times.size() != static_cast<std::size_t>(calls) || std::any_of(times.begin(), times.end(), [](auto t) { return t < 0; }))
      throw InputError("[latency] expected a time >= 0 for every call");
    return times;
  }
  int calls_of(std::int64_t ns) const {
    return static_cast<int>(std::clamp<std::int64_t>(options_.visit_ns / std::max<std::int64_t>(ns, 1), 3, 300));
  }

  std::int64_t visit_reference() {
    if (options_.stop.requested()) throw Interrupted();
    const std::int64_t ns = median(measure(reference_, reference_calls_));
    reference_calls_ = calls_of(2 * ns);
    return course_.emplace_back(std::max<std::int64_t>(ns, 1));
  }

  void visit(const std::vector<std::size_t>& order) {
    constexpr std::size_t kBetween = 4;
    std::int64_t before = visit_reference();
    for (std::size_t at = 0; at < order.size(); at += kBetween) {
      const std::size_t first = visits_.size();
      for (std::size_t i = at; i < std::min(order.size(), at + kBetween); ++i) {
        const std::size_t network = order[i];
        Times times = measure(networks_[network], calls_[network] > 0 ? calls_[network] : 5);
        calls_[network] = calls_of(median(times));
        visits_.push_back({network, std::move(times), before, 0});
      }
      const std::int64_t after = visit_reference();
      for (std::size_t i = first; i < visits_.size(); ++i) visits_[i].after = after;
      before = after;
      judge();
    }
  }

  /// The median moves with every visit, so earlier ones are judged again.
  void judge() {
    base_ = median(course_);
    std::fill(accepted_.begin(), accepted_.end(), 0);
    std::int64_t done = 0;
    for (const Visit& v : visits_)
      if (accepts(v) && accepted_[v.network]++ < options_.rounds) ++done;
    options_.progress(done, static_cast<std::int64_t>(networks_.size()) * options_.rounds);
  }

  bool accepts(const Visit& v) const {
    const double base = static_cast<double>(base_), low = base * (1 - options_.tolerance), high = base * (1 + options_.tolerance);
    const auto within = [&](std::int64_t ns) { return static_cast<double>(ns) >= low && static_cast<double>(ns) <= high; };
    return within(v.before) && within(v.after);
  }

  Times normalised(const Visit& v) const {
    const double factor = 2 * static_cast<double>(base_) / static_cast<double>(v.before + v.after);
    Times out;
    for (const std::int64_t ns : v.times) out.push_back(static_cast<std::int64_t>(static_cast<double>(ns) * factor + 0.5));
    return out;
  }

  std::span<const nn::TransformerConfig> networks_;
  const LatencyMeter& meter_;
  const MeasureOptions& options_;
  nn::TransformerConfig reference_;
  int reference_calls_ = 5;
  std::vector<int> calls_;  // by network, of its next visit
  std::vector<int> accepted_;
  std::vector<Visit> visits_;
  Times course_;  // of the reference
  std::int64_t base_ = 1;
};

}  // namespace

std::int64_t percentile(std::vector<std::int64_t> values, double share) {
  if (values.empty() || !(share > 0 && share <= 1)) throw InputError("[percentile] expected values and a share in (0, 1]");
  std::sort(values.begin(), values.end());
  const double exact = share * static_cast<double>(values.size());
  auto rank = static_cast<std::size_t>(exact);
  if (static_cast<double>(rank) < exact) ++rank;
  return values[std::clamp<std::size_t>(rank, 1, values.size()) - 1];
}

nn::Batch latency_batch(Context& context, const LatencyLoad& load, const nn::TransformerConfig& config) {
  const LatencyLoad cut = cut_to(load, config);
  const std::vector<std::int32_t> lengths(static_cast<std::size_t>(cut.batch), static_cast<std::int32_t>(cut.tokens));
  std::vector<std::int32_t> ids(static_cast<std::size_t>(cut.batch * cut.tokens));
  Random random(random_key(1, 0, "latency ids"));
  for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(config.vocab_size)));
  return nn::make_batch(context, ids, Offsets::from_lengths(lengths));
}

LatencyMeter network_meter(const LatencyLoad& load, const std::string& backend) {
  // One Context for all networks: its cache gives the next one memory that the system has already made.
  auto context = std::make_shared<Context>(ContextOptions{.backend = backend, .threads = load.threads});
  return [context, load](const nn::TransformerConfig& config, int warm_up, int calls) {
    return time_network(*context, load, config, warm_up, calls);
  };
}

nn::TransformerConfig latency_reference(const nn::TransformerConfig& like) {
  nn::TransformerConfig config = nn::TransformerConfig::uniform({.layers = 2, .hidden = 64, .heads = 4, .ffn = 256});
  config.vocab_size = 1000;
  config.max_tokens = like.max_tokens;
  config.classes = 2;
  return config;
}

LatencyTable measure_table(std::span<const nn::TransformerConfig> architectures, const LatencyMeter& meter,
                           const MeasureOptions& options) {
  Rounds rounds(architectures, meter, options);
  rounds.run();
  LatencyTable table;
  table.reference = rounds.course();
  for (std::size_t i = 0; i < architectures.size(); ++i) {
    Times medians;
    for (const Times& times : rounds.times(i)) medians.push_back(median(times));
    const std::int64_t ns = median(medians);
    table.samples.push_back({architectures[i], ns, median_distance(medians, ns)});
  }
  return table;
}

LatencyMeasurement measure_latency(const nn::TransformerConfig& config, const LatencyMeter& meter, double seconds,
                                   const MeasureOptions& options) {
  if (!(seconds > 0)) throw InputError(str("[measure_latency] expected seconds > 0, got ", seconds));
  MeasureOptions own = options;
  own.rounds = 10;  // of about half a tenth of the time each, as much for the reference
  own.visit_ns = static_cast<std::int64_t>(std::min(seconds, 1e6) * 5e7) + 1;
  Rounds rounds({&config, 1}, meter, own);
  rounds.run();
  Times all;
  for (const Times& times : rounds.times(0)) all.insert(all.end(), times.begin(), times.end());
  LatencyMeasurement out;
  out.p50_ns = median(all);
  out.p95_ns = percentile(all, 0.95);
  out.mad_ns = median_distance(all, out.p50_ns);
  out.calls = static_cast<std::int64_t>(all.size());
  out.reference = rounds.course();
  return out;
}

LatencyMeasurement measure_latency(const nn::TransformerConfig& config, const LatencyLoad& load, const std::string& backend,
                                   double seconds, const MeasureOptions& options) {
  return measure_latency(config, network_meter(load, backend), seconds, options);
}

}  // namespace lathe::nas
