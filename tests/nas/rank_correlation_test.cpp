// Rank correlations against SciPy (make_rank_correlation.py, rank_correlation.txt) and against counting; intervals.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/random.h>
#include <lathe/base/text.h>
#include <lathe/nas/rank_correlation.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/support/message.h"

using namespace lathe;
using namespace lathe::nas;
using lathe::test::has;
using lathe::test::message_of;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();

double value_of(std::string_view text) {
  if (text == "nan") return kNan;
  if (text == "inf") return kInfinity;
  if (text == "-inf") return -kInfinity;
  return parse_double(text).value();
}

std::vector<double> values_of(std::string_view text) {
  std::vector<double> out;
  for (const std::string_view word : split(text, ' ')) out.push_back(value_of(word));
  return out;
}

std::vector<double> drawn(std::size_t count, std::uint32_t levels, std::uint64_t seed) {
  Random random(random_key(seed, 0, "ranks"));
  std::vector<double> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(random.below(levels));
  return out;
}

/// Indices by value, greatest first, ties in order.
std::vector<std::size_t> ranking(const std::vector<double>& values) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < values.size(); ++i) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  return order;
}

}  // namespace

TEST_CASE("Kendall's tau is SciPy's") {
  int cases = 0;
  const std::string text = read_file(LATHE_RANK_CORRELATION);
  for (const std::string_view line : split(text, '\n')) {
    if (line.empty() || line[0] == '#') continue;
    const auto parts = split(line, '|');
    const std::vector<double> x = values_of(trim(parts[0])), y = values_of(trim(parts[1]));
    const double expected = value_of(trim(parts[2])), tau = kendall_tau(x, y);
    CAPTURE(line);
    CHECK(std::isnan(tau) == std::isnan(expected));
    if (!std::isnan(expected)) CHECK(std::abs(tau - expected) <= 4e-16);
    // Symmetric, and turned round with one side.
    std::vector<double> turned = y;
    for (double& v : turned) v = -v;
    if (!std::isnan(expected)) CHECK(kendall_tau(y, x) == tau);
    if (!std::isnan(expected)) CHECK(kendall_tau(x, turned) == -tau);
    ++cases;
  }
  CHECK(cases == 38);
  CHECK(std::isnan(kendall_tau({}, {})));
}

TEST_CASE("tau among the best and recall are those of the entries that they name") {
  for (const std::size_t n : {2u, 5u, 9u, 30u, 31u, 100u}) {
    const std::vector<double> reference = drawn(n, 40, n), score = drawn(n, 40, n + 1000);
    const std::vector<std::size_t> best = ranking(reference), found = ranking(score);
    const std::size_t fifth = (n + 4) / 5;
    std::vector<double> x, y;
    for (std::size_t i = 0; i < fifth; ++i) {
      x.push_back(reference[best[i]]);
      y.push_back(score[best[i]]);
    }
    const double expected = kendall_tau(x, y), tau = kendall_tau_top(reference, score);
    CHECK((std::isnan(expected) ? std::isnan(tau) : tau == expected));
    for (const std::size_t k : {1u, 2u, 5u, 1000u}) {
      const std::size_t most = std::min(k, n);
      std::size_t both = 0;
      for (std::size_t i = 0; i < most; ++i)
        both += std::find(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(most), best[i]) !=
                found.begin() + static_cast<std::ptrdiff_t>(most);
      CHECK(top_k_recall(reference, score, static_cast<std::int64_t>(k)) == static_cast<double>(both) / static_cast<double>(most));
    }
  }
  CHECK(std::isnan(top_k_recall({}, {}, 1)));
  const std::vector<double> some = {1, 2, 3, 4, 5};
  CHECK(kendall_tau_top(some, some, 1) == 1);
  CHECK(top_k_recall(some, std::vector<double>{5, 4, 3, 2, 1}, 2) == 0);
}

TEST_CASE("intervals hold the value, shrink with more entries, and are the same every time") {
  RankOptions options;
  options.resamples = 500;
  std::vector<double> width;
  for (const std::size_t n : {30u, 300u}) {
    const std::vector<double> reference = drawn(n, 1000, 3);
    std::vector<double> score = drawn(n, 1000, 4);
    for (std::size_t i = 0; i < n; ++i) score[i] += reference[i];  // τ about 0.5
    const RankAgreement a = rank_agreement(reference, score, options), b = rank_agreement(reference, score, options);
    CHECK(a.entries == static_cast<std::int64_t>(n));
    CHECK(a.tau.value == kendall_tau(reference, score));
    CHECK(a.tau_top.value == kendall_tau_top(reference, score));
    CHECK(a.recall.value == top_k_recall(reference, score, 5));
    for (const auto& [one, other] : {std::pair(a.tau, b.tau), std::pair(a.tau_top, b.tau_top), std::pair(a.recall, b.recall)}) {
      CHECK(one.interval.low == other.interval.low);
      CHECK(one.interval.high == other.interval.high);
      CHECK(one.interval.low <= one.value);
      CHECK(one.interval.high >= one.value);
    }
    width.push_back(a.tau.interval.high - a.tau.interval.low);
    options.seed = 2;
    CHECK(rank_agreement(reference, score, options).tau.interval.low != a.tau.interval.low);
    options.seed = 1;
  }
  CHECK(width[1] < width[0] / 2);
  const std::vector<double> same = drawn(30, 1000, 9);
  const RankAgreement perfect = rank_agreement(same, same, options);
  CHECK(perfect.tau.value == 1);
  CHECK(perfect.tau.interval.low == 1);
  CHECK(perfect.recall.interval.low == 1);
  const RankAgreement nothing = rank_agreement(same, std::vector<double>(30, 7.0), options);
  CHECK(std::isnan(nothing.tau.value));
  CHECK(nothing.tau.interval.high == 0);  // resamples that tell nothing count as 0
}

TEST_CASE("the interval covers the truth about as often as it says") {
  // Pairs of normals with correlation ρ have τ = 2/π · asin ρ; ρ = sin(π/4) gives τ = 1/2.
  int covered = 0;
  constexpr int kRepeats = 200;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    Random random(random_key(static_cast<std::uint64_t>(repeat), 0, "coverage"));
    std::vector<double> x, y;
    for (int i = 0; i < 40; ++i) {
      x.push_back(random.normal());
      y.push_back((x.back() + random.normal()) * 0.7071067811865476);
    }
    RankOptions options;
    options.resamples = 200;
    const Interval interval = rank_agreement(x, y, options).tau.interval;
    covered += interval.low <= 0.5 && 0.5 <= interval.high;
  }
  CHECK(covered >= 180);  // 95 % of 200 are 190, their standard deviation is 3
}

TEST_CASE("what cannot be ranked is refused") {
  const std::vector<double> one = {1, 2}, bad = {1, kNan}, longer = {1, 2, 3};
  CHECK(has(message_of<InputError>([&] { kendall_tau(one, longer); }), "2 and 3 values"));
  CHECK(has(message_of<InputError>([&] { kendall_tau(one, bad); }), "value 1 is no number"));
  CHECK(has(message_of<InputError>([&] { kendall_tau(bad, one); }), "value 1 is no number"));
  CHECK(has(message_of<InputError>([&] { kendall_tau_top(one, bad); }), "value 1 is no number"));
  CHECK(has(message_of<InputError>([&] { kendall_tau_top(one, one, 0); }), "share"));
  CHECK(has(message_of<InputError>([&] { kendall_tau_top(one, one, kNan); }), "share"));
  CHECK(has(message_of<InputError>([&] { top_k_recall(one, one, 0); }), "at least 1"));
  CHECK(has(message_of<InputError>([&] { rank_agreement(one, bad); }), "value 1 is no number"));
  CHECK(has(message_of<InputError>([&] { rank_agreement(one, one, {.confidence = 1}); }), "confidence 1"));
  CHECK(has(message_of<InputError>([&] { rank_agreement(one, one, {.resamples = 99}); }), "99 resamples"));
  CHECK(has(message_of<InputError>([&] { rank_agreement(one, one, {.top_k = 0}); }), "at least 1"));
}
