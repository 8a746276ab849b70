#include <lathe/base/error.h>
#include <lathe/base/math.h>
#include <lathe/base/random.h>
#include <lathe/base/text.h>
#include <lathe/nas/comparison.h>
#include <lathe/nas/front.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe::nas {

std::vector<double> progress(const History& history, std::span<const Direction> directions, std::span<const double> reference) {
  std::vector<double> out;
  const auto volumes = directions.size() > 1 ? hypervolume_over_time(history, directions, reference) : std::vector<VolumeSoFar>{};
  std::size_t complete = 0;
  double now = directions.size() > 1 ? 0 : std::numeric_limits<double>::quiet_NaN();
  for (const std::int64_t number : history.finished) {
    const Trial& trial = history.trials[static_cast<std::size_t>(number)];
    if (trial.state == TrialState::complete) {
      if (directions.size() > 1) {
        now = volumes[complete++].volume;
      } else if (feasible(trial) && (std::isnan(now) || better(trial.values.at(0), now, directions[0]))) {
        now = trial.values[0];
      }
    }
    out.push_back(now);
  }
  return out;
}

double quantile(std::vector<double> values, double q) {
  if (!(q >= 0 && q <= 1)) throw InputError(str("quantile ", q, ", expected 0 to 1"));
  const bool none = std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); });
  if (values.empty() || none) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1), floor = math::floor(at);
  const auto below = static_cast<std::size_t>(floor);
  const double low = values[below], high = values[std::min(below + 1, values.size() - 1)];
  return low == high || at == floor ? low : low + (at - floor) * (high - low);  // infinities stay
}

std::vector<Band> bands(std::span<const std::vector<double>> repeats) {
  std::vector<Band> out;
  std::size_t shortest = repeats.empty() ? 0 : repeats[0].size();
  for (const auto& repeat : repeats) shortest = std::min(shortest, repeat.size());
  for (std::size_t n = 0; n < shortest; ++n) {
    std::vector<double> values;
    for (const auto& repeat : repeats) values.push_back(repeat[n]);
    if (std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); })) continue;
    out.push_back({n + 1, quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75)});
  }
  return out;
}

namespace {

using Rows = std::vector<std::uint32_t>;

void check(std::span<const double> values, const CompareOptions& options, const char* what) {
  if (values.empty()) throw InputError(str("compare: ", what, " has no repeats"));
  for (const double value : values)
    if (std::isnan(value)) throw InputError(str("compare: a repeat of ", what, " has no value"));
  if (!(options.confidence > 0 && options.confidence < 1))
    throw InputError(str("compare: confidence ", options.confidence, ", expected between 0 and 1"));
  if (options.resamples < 100 || options.resamples > 10'000'000)
    throw InputError(str("compare: ", options.resamples, " resamples, expected 100 to 10,000,000"));
}

Rows drawn(std::size_t count, Random& random) {
  Rows out(count);
  for (std::uint32_t& row : out) row = random.below(static_cast<std::uint32_t>(count));
  return out;
}

Interval percentiles(std::vector<double> statistics, double confidence) {
  const double tail = (1 - confidence) / 2;
  return {quantile(statistics, tail), quantile(std::move(statistics), 1 - tail)};
}

Interval bootstrap_median(std::span<const double> values, const CompareOptions& options, const char* stream) {
  const RandomKey key = random_key(options.seed, 0, stream);
  std::vector<double> medians;
  for (int i = 0; i < options.resamples; ++i) {
    Random random(key, static_cast<std::uint32_t>(i));
    std::vector<double> sample;
    for (const std::uint32_t row : drawn(values.size(), random)) sample.push_back(values[row]);
    medians.push_back(quantile(std::move(sample), 0.5));
  }
  return percentiles(std::move(medians), options.confidence);
}

/// A's repeats are rows 0 … n−1, B's n … n+m−1 of a table of who is better, in halves: 2 the first, 1 neither, 0 the second.
class Duel {
 public:
  Duel(std::span<const double> a, std::span<const double> b, Direction direction, bool paired) : n_(a.size()), paired_(paired) {
    std::vector<double> all(a.begin(), a.end());
    all.insert(all.end(), b.begin(), b.end());
    size_ = all.size();
    for (const double x : all)
      for (const double y : all) halves_.push_back(x == y ? 1 : better(x, y, direction) ? 2 : 0);
  }

  double given() const {
    Rows rows(size_);
    for (std::uint32_t i = 0; i < size_; ++i) rows[i] = i;
    return share(rows);
  }
  /// With repeats drawn with replacement on each side, or pairs.
  double resampled(Random& random) const {
    Rows rows = drawn(n_, random);
    const Rows others = paired_ ? rows : drawn(size_ - n_, random);
    for (const std::uint32_t row : others) rows.push_back(row + static_cast<std::uint32_t>(n_));
    return share(rows);
  }
  /// With A and B exchanged at random.
  double exchanged(Random& random) const {
    Rows rows(size_);
    for (std::uint32_t i = 0; i < size_; ++i) rows[i] = i;
    if (!paired_) random.shuffle(rows);
    if (paired_)
      for (std::size_t i = 0; i < n_; ++i)
        if (random.below(2)) std::swap(rows[i], rows[i + n_]);
    return share(rows);
  }

 private:
  double share(const Rows& rows) const {
    std::uint64_t won = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      const std::uint8_t* of = &halves_[rows[i] * size_];
      if (paired_) won += of[rows[i + n_]];
      if (!paired_)
        for (std::size_t j = n_; j < size_; ++j) won += of[rows[j]];
    }
    return static_cast<double>(won) / static_cast<double>(2 * n_ * (paired_ ? 1 : size_ - n_));
  }
  std::size_t n_, size_ = 0;
  bool paired_;
  std::vector<std::uint8_t> halves_;
};

double from_half(double share) { return share < 0.5 ? 0.5 - share : share - 0.5; }

}  // namespace

const char* verdict_name(Comparison::Verdict verdict) {
  switch (verdict) {
    case Comparison::Verdict::better:
      return "better";
    case Comparison::Verdict::worse:
      return "worse";
    case Comparison::Verdict::no_difference:
      return "no difference";
  }
  return "";
}

Interval median_interval(std::span<const double> values, const CompareOptions& options) {
  check(values, options, "the study");
  return bootstrap_median(values, options, "bootstrap");
}

Comparison compare(std::span<const double> a, std::span<const double> b, Direction direction, const CompareOptions& options) {
  check(a, options, "A");
  check(b, options, "B");
  if (options.paired && a.size() != b.size())
    throw InputError(str("compare: pairs of ", a.size(), " and ", b.size(), " repeats, expected as many on both sides"));
  Comparison out;
  out.median_a = quantile({a.begin(), a.end()}, 0.5);
  out.median_b = quantile({b.begin(), b.end()}, 0.5);
  out.interval_a = bootstrap_median(a, options, "bootstrap");
  out.interval_b = bootstrap_median(b, options, "bootstrap");
  const Duel duel(a, b, direction, options.paired);
  out.superiority = duel.given();
  const RandomKey draws = random_key(options.seed, 0, "compare"), exchanges = random_key(options.seed, 0, "permutation");
  std::vector<double> shares;
  std::int64_t as_far = 1;
  for (int i = 0; i < options.resamples; ++i) {
    Random draw(draws, static_cast<std::uint32_t>(i)), exchange(exchanges, static_cast<std::uint32_t>(i));
    shares.push_back(duel.resampled(draw));
    as_far += from_half(duel.exchanged(exchange)) >= from_half(out.superiority) - 1e-12;
  }
  out.superiority_interval = percentiles(std::move(shares), options.confidence);
  out.p_value = static_cast<double>(as_far) / static_cast<double>(options.resamples + 1);
  if (out.p_value <= 1 - options.confidence) {
    if (out.superiority_interval.low > 0.5) out.verdict = Comparison::Verdict::better;
    if (out.superiority_interval.high < 0.5) out.verdict = Comparison::Verdict::worse;
  }
  return out;
}

}  // namespace lathe::nas
