// nas/pareto.h beside Optuna 5.0.0 and beside slow definitions; nsga2@1.
#include <lathe/nas/pareto.h>
#include <lathe/nas/sampler/nsga2.h>

#include <cmath>
#include <limits>

#include "tests/nas/optuna_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

std::vector<double> as_numbers(const std::vector<std::size_t>& list) { return {list.begin(), list.end()}; }

/// Volume by counting: `side`^d cells of the box from 0 to the reference (1, …, 1); exact if all values are multiples of 1/side.
double counted_volume(const LossTable& rows, int side) {
  const std::size_t d = rows.objectives();
  std::vector<int> cell(d, 0);
  double inside = 0, cells = 1;
  for (std::size_t k = 0; k < d; ++k) cells *= side;
  for (;;) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      bool covered = true;
      for (std::size_t k = 0; k < d; ++k) covered &= rows[i][k] * side <= cell[k] + 0.25;
      if (!covered) continue;
      ++inside;
      break;
    }
    std::size_t k = 0;
    while (k < d && ++cell[k] == side) cell[k++] = 0;
    if (k == d) return inside / cells;
  }
}

LossTable random_table(std::size_t rows, std::size_t objectives, std::uint32_t grid, std::uint64_t seed) {
  Random random(random_key(seed, 0, "table"));
  LossTable out(objectives);
  std::vector<double> row(objectives);
  for (std::size_t i = 0; i < rows; ++i) {
    for (double& v : row) v = static_cast<double>(random.below(grid)) / grid;
    out.add(row);
  }
  return out;
}

}  // namespace

TEST_CASE("pareto: ranks, crowding, hypervolume, subsets, survivors are those of Optuna 5.0.0") {
  std::ifstream in(std::string(LATHE_OPTUNA_FOLDER) + "/pareto.txt");
  REQUIRE(in.good());
  LossTable table(1);
  std::vector<double> violations, reference;
  std::string line, name;
  int facts = 0;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string kind, value, objectives;
    words >> kind >> value >> objectives;
    if (kind == "#") continue;
    CAPTURE(name);
    CAPTURE(kind);
    ++facts;
    if (kind == "case") {
      name = value;
      table = LossTable(static_cast<std::size_t>(*parse_int(objectives)));
    } else if (kind == "row") {
      table.add(numbers_of(value));
    } else if (kind == "violations") {
      violations = numbers_of(value);
    } else if (kind == "ranks") {
      CHECK(as_numbers(non_domination_ranks(table)) == numbers_of(value));
    } else if (kind == "constrained") {
      CHECK(as_numbers(non_domination_ranks(table, violations)) == numbers_of(value));
    } else if (kind == "reference") {
      reference = reference_point(table);
      CHECK(reference == numbers_of(value));
    } else if (kind == "hypervolume") {
      CHECK(close(hypervolume(table, reference), *parse_double(value)));
    } else if (kind == "subset") {
      std::vector<std::size_t> front, chosen;
      LossTable rows(table.objectives());
      const auto ranks = non_domination_ranks(table);
      for (std::size_t i = 0; i < table.size(); ++i) {
        if (ranks[i]) continue;
        front.push_back(i);
        rows.add(table[i]);
      }
      const std::size_t count = std::max<std::size_t>(1, front.size() / 2);
      for (const std::size_t c : hypervolume_subset(rows, count, reference)) chosen.push_back(front[c]);
      std::sort(chosen.begin(), chosen.end());
      CHECK(as_numbers(chosen) == numbers_of(value));
    } else if (kind == "crowding") {
      const auto distance = crowding_distances(table);
      std::size_t i = 0;
      for (const auto part : split(value, ',')) {
        CHECK((part == "inf" ? std::isinf(distance[i]) : close(distance[i], *parse_double(part))));
        ++i;
      }
      CHECK(i == distance.size());
    } else if (kind == "survivors") {
      CHECK(as_numbers(survivors(table, violations, std::max<std::size_t>(2, table.size() / 2))) == numbers_of(value));
    }
  }
  CHECK(facts > 300);
}

TEST_CASE("pareto: hypervolume by counting cells, one to five objectives") {
  for (std::size_t d = 1; d <= 5; ++d)
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      CAPTURE(d);
      const LossTable table = random_table(1 + 5 * seed, d, 8, seed);
      CHECK(hypervolume(table, std::vector<double>(d, 1.0)) == doctest::Approx(counted_volume(table, 8)).epsilon(1e-12));
    }
  CHECK(hypervolume(LossTable(3), std::vector<double>(3, 1.0)) == 0);
  LossTable outside(2);
  outside.add(std::vector<double>{2, -1});
  CHECK(hypervolume(outside, std::vector<double>{1, 1}) == 0);
  CHECK(std::isinf(hypervolume(outside, std::vector<double>{1, std::numeric_limits<double>::infinity()})));
}

TEST_CASE("pareto: ranks by definition; a subset is greedy") {
  for (std::size_t d = 1; d <= 4; ++d) {
    const LossTable table = random_table(80, d, 5, d);
    const auto ranks = non_domination_ranks(table), few = non_domination_ranks(table, {}, 10);
    for (std::size_t i = 0; i < table.size(); ++i) {
      std::size_t rank = 0;  // one above the worst rank that dominates
      for (std::size_t j = 0; j < table.size(); ++j)
        if (dominates(table[j], table[i], d)) rank = std::max(rank, ranks[j] + 1);
      CHECK(ranks[i] == rank);
      CHECK(few[i] <= ranks[i]);
    }
    // Step by step: each choice adds at least as much as any other row would.
    const auto reference = reference_point(table);
    const auto chosen = hypervolume_subset(table, 6, reference);
    LossTable so_far(d);
    for (const std::size_t c : chosen) {
      const auto with = [&](std::size_t i) {
        LossTable more = so_far;
        more.add(table[i]);
        return hypervolume(more, reference);
      };
      for (std::size_t i = 0; i < table.size(); ++i) CHECK(with(c) >= with(i) - 1e-12);
      so_far.add(table[c]);
    }
  }
  LossTable same(2);
  for (int i = 0; i < 4; ++i) same.add(std::vector<double>{1, 2});
  CHECK(hypervolume_subset(same, 3, reference_point(same)) == std::vector<std::size_t>{0, 1, 2});
  CHECK(best_by_rank_and_volume(same, 9).size() == 4);
  CHECK(best_by_rank_and_volume(LossTable(2), 3).empty());
  CHECK(reference_point(same) == std::vector<double>{1.1, 2.2});
}

TEST_CASE("nsga2: generations, survivors, inheritance") {
  StudyHeader header;
  header.space = SpaceBuilder().integer("id", 0, 1000000).real("x", 0, 1).real("y", 0, 1).build();
  header.directions = {Direction::minimise, Direction::maximise};
  header.metrics = {"a", "b"};
  header.sampler_settings = {{"population_size", 6}, {"mutation_prob", 0}};
  History history;
  Nsga2Sampler nsga2(header);
  const auto view = [&] { return SamplerView{header, history, static_cast<std::int64_t>(history.trials.size()), nullptr}; };
  for (int n = 0; n < 40; ++n) {
    // A first front of the trials whose number ends in 0 to 3, apart from 13, which breaks a constraint; pruned ones never enter.
    const Point point = header.space.point({{"id", n}, {"x", n / 100.0}, {"y", n / 200.0}});
    const double a = n % 10, b = n % 10 < 4 ? n % 10 : -n;
    add_trial(history, point, n == 21 ? TrialState::pruned : TrialState::complete, {a, b}, {n == 13 ? 0.5 : -1});
    if (n < 5) CHECK(nsga2.parents(view()).empty());
    if (n == 5) CHECK(nsga2.parents(view()) == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5});
  }
  const auto parents = nsga2.parents(view());
  CHECK(parents.size() == 6);
  for (const std::int64_t p : parents) CHECK((p % 10 < 4 && p != 13 && p != 21));
  Nsga2Sampler fresh(header);
  CHECK(fresh.parents(view()) == parents);
  int mixed = 0;
  for (std::uint32_t attempt = 0; attempt < 100; ++attempt) {
    const Point child = *nsga2.draw(view(), attempt);
    const auto from = child.integer("id"), x = static_cast<std::int64_t>(child.real("x") * 100 + 0.5);
    CHECK(std::find(parents.begin(), parents.end(), from) != parents.end());
    CHECK(std::find(parents.begin(), parents.end(), x) != parents.end());
    mixed += from != x;
  }
  CHECK(mixed > 25);  // 0.9 · 0.5
  CHECK(mixed < 65);
  header.sampler_settings["mutation_prob"] = 1;
  Nsga2Sampler wild(header);
  CHECK(std::find(parents.begin(), parents.end(), wild.draw(view(), 0)->integer("id")) == parents.end());
  header.sampler = "nsga2";
  header.sampler_settings = {{"crossover_prob", 1.5}};
  CHECK(message_of([&] { SamplerRegistry::builtin().make(header); }) == "sampler nsga2: crossover_prob is 1.5, expected 0 to 1");
}
