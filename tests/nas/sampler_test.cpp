#include <array>
#include <set>

#include "tests/nas/support.h"

#include <lathe/nas/sampler/grid.h>
#include <lathe/nas/sampler/random.h>

using namespace lathe;
using namespace lathe::nas;
using nas::test::contains;
using nas::test::message_of;

namespace {

/// χ² of counts against equal shares.
double chi_square(const std::vector<int>& counts) {
  double total = 0, sum = 0;
  for (const int c : counts) total += c;
  const double expected = total / static_cast<double>(counts.size());
  for (const int c : counts) sum += (c - expected) * (c - expected) / expected;
  return sum;
}

std::vector<Point> grid_points(
    const StudyHeader& header, const std::function<bool(const Point&)>& limit = [](const Point&) { return true; }) {
  GridSampler grid(header);
  History history;
  std::set<std::string> seen;
  std::vector<Point> out;
  for (;;) {
    const auto p = ask(grid, {header, history, static_cast<std::int64_t>(out.size()),
                              [&](const Point& q) { return header.space.valid(q) && limit(q) && !seen.count(q.json()); }});
    if (!p) return out;
    seen.insert(p->json());
    out.push_back(*p);
  }
}

}  // namespace

TEST_CASE("uniform draws: pure, and independent between parameters, trials, attempts and seeds") {
  const Space space = nas::test::small_space();
  CHECK(space.uniform(1, 2, 3) == space.uniform(1, 2, 3));
  CHECK_FALSE(space.uniform(1, 2, 3) == space.uniform(1, 2, 4));
  CHECK_FALSE(space.uniform(1, 2, 3) == space.uniform(1, 3, 3));
  CHECK_FALSE(space.uniform(1, 2, 3) == space.uniform(2, 2, 3));
  // The draw of a parameter depends on its own name only: adding another one leaves it alone.
  const Space one = SpaceBuilder().real("x", 0, 1).build();
  const Space two = SpaceBuilder().integer("a", 1, 9).real("x", 0, 1).build();
  CHECK(one.uniform(5, 6, 7).real("x") == two.uniform(5, 6, 7).real("x"));
  // The stream that the numerics name, read by hand.
  Random by_hand(random_key(5, 6, "ask:x"), 0, 0, 7);
  CHECK(one.uniform(5, 6, 7).real("x") == by_hand.uniform());
}

TEST_CASE("uniform draws: distributions (chi-square at 0.1 %)") {
  constexpr std::uint64_t n = 20'000;
  const Space space = SpaceBuilder()
                          .integer("i", 1, 10)
                          .integer("log_i", 1, 1000, {.log = true})
                          .real("r", -2, 3)
                          .real("log_r", 1e-5, 1e-1, {.log = true})
                          .real("step", 0, 1, {.step = 0.25})
                          .categorical("c", {"a", "b", "c"})
                          .build();
  std::vector<int> i(10), log_i(10), r(10), log_r(8), step(5), c(3);
  std::vector<double> edge;  // ten equally likely cells of log-uniform integers 1 … 1000
  for (std::uint64_t k = 0; k < n; ++k) {
    const Point p = space.uniform(17, k, 0);
    ++i[static_cast<std::size_t>(p.integer("i") - 1)];
    const double x = p.real("r");
    CHECK((x >= -2 && x <= 3));
    ++r[static_cast<std::size_t>((x + 2) / 5 * 9.999999)];
    const double l = p.real("log_r");
    CHECK((l >= 1e-5 && l <= 1e-1));
    ++log_r[static_cast<std::size_t>((math::log(l) - math::log(1e-5)) / (math::log(1e-1) - math::log(1e-5)) * 7.999999)];
    ++step[static_cast<std::size_t>(p.real("step") * 4)];
    ++c[p.text("c") == "a" ? 0 : p.text("c") == "b" ? 1 : 2];
    const std::int64_t whole = p.integer("log_i");
    CHECK((whole >= 1 && whole <= 1000));
    ++log_i[whole == 1     ? 0
            : whole == 2   ? 1
            : whole <= 4   ? 2
            : whole <= 8   ? 3
            : whole <= 16  ? 4
            : whole <= 32  ? 5
            : whole <= 64  ? 6
            : whole <= 128 ? 7
            : whole <= 300 ? 8
                           : 9];
  }
  CHECK(chi_square(i) < 27.9);
  CHECK(chi_square(r) < 27.9);
  CHECK(chi_square(log_r) < 24.3);
  CHECK(chi_square(step) < 18.5);
  CHECK(chi_square(c) < 13.8);
  // Integer n owns log((n + ½)/(n − ½)) of log(1000.5/0.5).
  const std::array<double, 11> cuts = {0.5, 1.5, 2.5, 4.5, 8.5, 16.5, 32.5, 64.5, 128.5, 300.5, 1000.5};
  double chi = 0;
  for (std::size_t k = 0; k < 10; ++k) {
    const double expected = static_cast<double>(n) * math::log(cuts[k + 1] / cuts[k]) / math::log(2001.0);
    chi += (log_i[k] - expected) * (log_i[k] - expected) / expected;
  }
  CHECK(chi < 27.9);
}

TEST_CASE("uniform draws: ranges beyond 32 bits") {
  const Space space = SpaceBuilder().integer("big", 0, (std::int64_t{1} << 62)).build();
  std::vector<int> cells(8);
  for (std::uint64_t k = 0; k < 4000; ++k)
    ++cells[static_cast<std::size_t>(std::min<std::int64_t>(space.uniform(1, k, 0).integer("big") >> 59, 7))];
  CHECK(chi_square(cells) < 24.3);
}

TEST_CASE("grid: every point once, in order; rules and limits are passed over") {
  StudyHeader header;
  header.space = SpaceBuilder().integer("a", 1, 20).integer("b", 1, 20).rule("a % b == 0").build();
  header.sampler = "grid@1";
  auto points = grid_points(header);
  CHECK(points.size() == 66);  // sum of the numbers of divisors of 1 … 20
  CHECK(points[0].json() == R"({"a":1,"b":1})");
  CHECK(points[3].json() == R"({"a":3,"b":1})");
  CHECK(grid_points(header, [](const Point& p) { return p.integer("a") == 20; }).size() == 6);  // far more refusals than draws
  header.sampler_settings = {{"shuffle", 1}};
  auto shuffled = grid_points(header);
  CHECK(shuffled.size() == 66);
  CHECK_FALSE(shuffled[0] == points[0]);
  CHECK(grid_points(header) == shuffled);
  header.seed = 2;
  CHECK_FALSE(grid_points(header) == shuffled);
  const auto by_text = [](const Point& x, const Point& y) { return x.json() < y.json(); };
  std::sort(points.begin(), points.end(), by_text);
  std::sort(shuffled.begin(), shuffled.end(), by_text);
  CHECK(points == shuffled);
  header.space = SpaceBuilder().integer("a", 1, 2).real("x", 0, 1).build();
  CHECK(contains(message_of([&] { SamplerRegistry::builtin().make(header); }), "`x` is continuous"));
  // Continuous only where the first branch does not look.
  header.space = SpaceBuilder().integer("a", 1, 2).real("x", 0, 1, {.when = "a == 2"}).build();
  CHECK(contains(message_of([&] { SamplerRegistry::builtin().make(header); }), "`x` is continuous"));
}

TEST_CASE("ask: 256 draws of the sampler, then 10,000 uniform ones, then nothing") {
  StudyHeader header;
  header.space = SpaceBuilder().integer("a", 1, 3).build();
  struct Stubborn final : Sampler {
    int draws = 0;
    std::optional<Point> draw(const SamplerView& view, std::uint32_t attempt) override {
      CHECK(attempt == static_cast<std::uint32_t>(draws));
      ++draws;
      return view.header.space.point({{"a", 1}});
    }
  } sampler;
  History history;
  int asked = 0;
  const auto p = ask(sampler, {header, history, 0, [&](const Point& q) {
                                 ++asked;
                                 return q.integer("a") == 2;
                               }});
  CHECK(p->integer("a") == 2);
  CHECK(sampler.draws == 256);
  asked = sampler.draws = 0;
  CHECK_FALSE(ask(sampler, {header, history, 0,
                            [&](const Point&) {
                              ++asked;
                              return false;
                            }})
                  .has_value());
  CHECK(asked == 256 + 10'000);
}

TEST_CASE("registry: names, versions, settings") {
  auto samplers = SamplerRegistry::builtin();
  CHECK(samplers.resolve("random") == "random@1");
  CHECK(samplers.resolve("grid@1") == "grid@1");
  samplers.add("random@10", [](const StudyHeader&) { return std::make_unique<RandomSampler>(); });
  samplers.add("random@9", [](const StudyHeader&) { return std::make_unique<RandomSampler>(); });
  CHECK(samplers.resolve("random") == "random@10");
  CHECK(contains(message_of([&] { samplers.add("random@9", nullptr); }), "exists already"));
  CHECK(contains(message_of([&] { samplers.add("random", nullptr); }), "expected name@version"));
  CHECK(message_of([&] { samplers.resolve("randon"); }) == "there is no sampler `randon`; did you mean `random`?");
  CHECK(contains(message_of([&] { samplers.resolve("random@2x"); }), "did you mean `random@"));
  StudyHeader header;
  header.sampler_settings = {{"shuffel", 1}};
  header.sampler = "grid@1";
  CHECK(contains(message_of([&] { samplers.make(header); }), "sampler grid has no setting `shuffel`; did you mean `shuffle`?"));
  CHECK(PrunerRegistry::builtin().resolve("median") == "median@1");
}
