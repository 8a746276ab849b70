// lathe study front, slice, contour, importance, compare.
#include <lathe/nas/executor.h>
#include <lathe/nas/storage/sqlite.h>

#include <nlohmann/json.hpp>

#include <optional>
#include <set>

#include "call.h"

#include <doctest/doctest.h>

using namespace lathe;
using namespace lathe::test;

namespace {

std::vector<nlohmann::json> lines_of(const std::string& text, const std::string& type) {
  std::vector<nlohmann::json> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    if (auto json = nlohmann::json::parse(line); json.at("type") == type) out.push_back(std::move(json));
  return out;
}

/// A finished study in `file`: (x − 3)² with `sampler`, and with two objectives also (x + 1)². With `most_n` trials of a larger n
/// are infeasible.
void make_study(const std::string& file, const std::string& name, const std::string& sampler, std::uint64_t seed, bool two = false,
                std::int64_t trials = 40, std::optional<std::int64_t> most_n = {}) {
  nas::StudyHeader header;
  header.name = name;
  header.space = nas::SpaceBuilder().real("x", -5, 5).integer("n", 1, 4).categorical("c", {"a", "b"}).build();
  header.trials = trials;
  header.virtual_workers = 1;
  header.seed = seed;
  header.sampler = sampler;
  header.directions.assign(two ? 2 : 1, nas::Direction::minimise);
  header.metrics = two ? std::vector<std::string>{"near", "far"} : std::vector<std::string>{"near"};
  if (most_n) header.constraints = {"n"};
  const auto objective = nas::objective_of([](const nas::Point&) { return nas::Plan(); },
                                           [&](const nas::Point& p, const nas::SegmentContext&, const nas::Checkpoint&) {
                                             const double x = p.real("x");
                                             nas::SegmentResult result = nas::SegmentResult::of((x - 3) * (x - 3));
                                             if (two) result.values.push_back((x + 1) * (x + 1));
                                             if (most_n) result.constraints = {static_cast<double>(p.integer("n") - *most_n)};
                                             return result;
                                           });
  const auto backend = nas::sqlite_backend(file, true);
  const auto storage = backend->create(header);
  nas::execute(header, *objective, *storage);
}

}  // namespace

TEST_CASE("study front, slice, contour, importance: text and JSON of one study") {
  const Workplace place;
  make_study("one.db", "study", "random@1", 1);
  make_study("two.db", "study", "random@1", 1, true);

  const Answer front = call({"study", "front", "two.db", "--json"});
  CHECK(front.code == 0);
  const auto members = lines_of(front.out, "front");
  REQUIRE(members.size() > 2);
  for (std::size_t i = 1; i < members.size(); ++i) {  // along the front one objective grows while the other falls
    CHECK(members[i].at("values").at("near").get<double>() > members[i - 1].at("values").at("near").get<double>());
    CHECK(members[i].at("values").at("far").get<double>() < members[i - 1].at("values").at("far").get<double>());
    const double x = members[i].at("point").at("x").get<double>();
    CHECK((x >= -1 && x <= 3));
  }
  const auto volume = lines_of(front.out, "hypervolume").at(0);
  CHECK(volume.at("over_trials").size() == 40);
  CHECK(volume.at("over_trials").back() == volume.at("volume"));
  const Answer given = call({"study", "front", "two.db", "--json", "--reference", "0.5,17"});
  CHECK(lines_of(given.out, "hypervolume").at(0).at("volume").get<double>() < 8.5);
  CHECK(has(call({"study", "front", "two.db"}).out, "hypervolume "));
  CHECK(!has(call({"study", "front", "one.db"}).out, "hypervolume "));

  const auto points = lines_of(call({"study", "slice", "one.db", "--param", "x", "--json"}).out, "point");
  REQUIRE(points.size() == 40);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double x = points[i].at("x").get<double>();
    CHECK(points[i].at("value").get<double>() == (x - 3) * (x - 3));
    if (i) CHECK(x >= points[i - 1].at("x").get<double>());
  }
  CHECK(lines_of(call({"study", "slice", "one.db", "--json"}).out, "point").size() == 120);
  const auto cells = lines_of(call({"study", "contour", "one.db", "--param", "n", "--param", "c", "--json"}).out, "cell");
  CHECK(cells.size() == 8);
  CHECK(cells[0].at("x") == 1);
  CHECK(cells[0].at("y") == "a");

  const auto shares = lines_of(call({"study", "importance", "one.db", "--json"}).out, "importance");
  REQUIRE(shares.size() == 3);
  CHECK(shares[0].at("parameter") == "x");
  CHECK(shares[0].at("share").get<double>() > 0.5);
  CHECK(has(call({"study", "importance", "two.db", "--metric", "far"}).out, "PED-ANOVA"));
}

TEST_CASE("study best, front, show and importance agree about what is infeasible") {
  const Workplace place;
  for (const bool two : {false, true}) {
    const std::string file = two ? "two.db" : "one.db";
    CAPTURE(file);
    make_study(file, "none", "random@1", 1, two, 40, 0);
    make_study(file, "some", "random@1", 1, two, 40, 1);
    for (const char* command : {"best", "front"}) {
      CAPTURE(command);
      const Answer none = call({"study", command, file, "--name", "none"});
      CHECK(none.code == 1);
      CHECK(none.out == "");
      CHECK(has(none.err, "study none: no trial is feasible"));
      CHECK(call({"study", command, file, "--name", "none", "--json"}).out.find("\"point\"") == std::string::npos);
      CHECK(call({"study", command, file, "--name", "some"}).code == 0);
    }
    std::set<std::int64_t> best, front;
    for (const auto& line : lines_of(call({"study", "best", file, "--name", "some", "--json"}).out, "best")) {
      best.insert(line.at("trial").get<std::int64_t>());
      CHECK(line.at("point").at("n") == 1);
    }
    for (const auto& line : lines_of(call({"study", "front", file, "--name", "some", "--json"}).out, "front"))
      front.insert(line.at("trial").get<std::int64_t>());
    CHECK(!best.empty());
    CHECK(best == front);
    // n alone decides what is feasible, and x what is good: which comes first.
    const auto shares = lines_of(call({"study", "importance", file, "--name", "some", "--json"}).out, "importance");
    CHECK(shares.at(0).at("parameter") == "n");
  }
  CHECK(has(call({"study", "show", "two.db", "--name", "none"}).out, "\nfront   none\n"));
  CHECK(has(call({"study", "show", "two.db", "--name", "some"}).out, "\nfront   #"));
  write("empty.toml", "[objective]\nmetrics = [\"near\"]\n[space]\nx = [0.0, 1.0]\n[search]\ntrials = 5\n");
  REQUIRE(call({"study", "create", "empty.toml", "one.db"}).code == 0);
  for (const char* command : {"best", "front", "importance"}) {
    const Answer empty = call({"study", command, "one.db", "--name", "empty"});
    CHECK(empty.code == 1);
    CHECK(has(empty.err, "study empty: no trial is complete"));
  }
}

TEST_CASE("study compare: TPE beside random, by seed, by folder, after fewer trials") {
  const Workplace place;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const std::string number = std::to_string(seed);
    make_study("all.db", "random-" + number, "random@1", seed);
    make_study("all.db", "tpe-" + number, "tpe@optuna-5.0", seed);
    std::filesystem::create_directories("runs/" + number);
    make_study("runs/" + number + "/study.db", "run", "random@1", 100 + seed);
  }
  const Answer answer = call({"study", "compare", "all.db#tpe-*", "all.db#random-*", "runs", "--json"});
  CAPTURE(answer.err);
  CHECK(answer.code == 0);
  const auto sides = lines_of(answer.out, "side"), found = lines_of(answer.out, "comparison");
  REQUIRE(sides.size() == 3);
  REQUIRE(found.size() == 2);
  for (const auto& side : sides) {
    CHECK(side.at("results").size() == 12);
    CHECK(side.at("bands").size() == 40);
    CHECK(side.at("bands").back().at("median") == side.at("median"));
  }
  CHECK(found[0].at("paired") == true);
  CHECK(found[1].at("paired") == false);
  for (const auto& comparison : found) CHECK(comparison.at("verdict") == "better");
  CHECK(answer.out == call({"study", "compare", "all.db#tpe-*", "all.db#random-*", "runs", "--json"}).out);
  // The first ten trials are the same uniform draws.
  const Answer early = call({"study", "compare", "all.db#tpe-*", "all.db#random-*", "--trials", "10", "--json"});
  CHECK(lines_of(early.out, "comparison").at(0).at("superiority") == 0.5);
  // Without the pairs twelve repeats are not enough to tell.
  const Answer text = call({"study", "compare", "all.db#random-*", "all.db#tpe-*", "--unpaired"});
  CHECK(has(text.out, "near after 40 trials"));
  CHECK(has(text.out, ": no difference\n"));
  CHECK(has(call({"study", "compare", "all.db#random-*", "all.db#tpe-*"}).out, ": worse\n"));
  const Answer alone = call({"study", "compare", "all.db#tpe-1", "all.db#random-1"});
  CHECK(has(alone.out, "p = 1.0000): no difference"));
}

TEST_CASE("study compare: two objectives by hypervolume, confidence, and what is no repeat") {
  const Workplace place;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    make_study("all.db", "tpe-" + std::to_string(seed), "tpe@optuna-5.0", seed, true, 60);
    make_study("all.db", "random-" + std::to_string(seed), "random@1", seed, true, 60);
  }
  const std::vector<std::string> compare = {"study", "compare", "all.db#tpe-*", "all.db#random-*", "--json"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> words = compare;
    words.insert(words.end(), more.begin(), more.end());
    return call(words);
  };
  const auto verdict = [](const Answer& answer) {
    return lines_of(answer.out, "comparison").at(0).at("verdict").get<std::string>();
  };
  CHECK(verdict(with({})) == "better");
  CHECK(verdict(call({"study", "compare", "all.db#random-*", "all.db#tpe-*", "--json"})) == "worse");
  CHECK(verdict(with({"--confidence", "0.999999"})) == "no difference");
  // Both sides are measured from one point, whichever is named first.
  const auto results = [](const Answer& answer, std::size_t side) { return lines_of(answer.out, "side").at(side).at("results"); };
  const Answer swapped = call({"study", "compare", "all.db#random-*", "all.db#tpe-*", "--json"});
  CHECK(results(with({}), 0) == results(swapped, 1));
  CHECK(results(with({}), 1) == results(swapped, 0));
  CHECK(results(with({"--reference", "1,1"}), 0) != results(with({}), 0));

  const Answer mixed = call({"study", "compare", "all.db", "all.db#random-*"});
  CHECK(has(mixed.err, "all.db: its studies were not all searched in one way"));
  std::filesystem::create_directories("copies/a");
  std::filesystem::create_directories("copies/b");
  make_study("copies/a/study.db", "study", "random@1", 1);
  make_study("copies/b/study.db", "study", "random@1", 1);
  CHECK(has(error_of({"study", "compare", "copies", "copies"}), "is the same study as"));

  const auto cells = lines_of(
      call({"study", "contour", "all.db", "--name", "tpe-1", "--param", "n", "--param", "c", "--metric", "far", "--json"}).out,
      "cell");
  const auto near =
      lines_of(call({"study", "contour", "all.db", "--name", "tpe-1", "--param", "n", "--param", "c", "--json"}).out, "cell");
  CHECK(cells.at(0).at("value") != near.at(0).at("value"));
}

TEST_CASE("study analysis: one clear line for what cannot be") {
  const Workplace place;
  make_study("one.db", "study", "random@1", 1);
  make_study("two.db", "study", "random@1", 2, true, 20);
  const auto error = [](std::vector<std::string> words) {
    words.insert(words.begin(), "study");
    return error_of(words);
  };
  CHECK(has(error({"slice", "one.db", "--param", "nn"}), "nn"));
  CHECK(has(error({"contour", "one.db", "--param", "n"}), "1 times --param, expected two parameters"));
  CHECK(has(error({"contour", "one.db", "--param", "n", "--param", "n"}), "given twice"));
  CHECK(error({"slice", "two.db", "--metric", "farr"}) == "--metric farr: the study has near, far; did you mean far?");
  CHECK(has(error({"front", "two.db", "--reference", "1"}), "expected 2 numbers, one for each of near, far"));
  CHECK(has(error({"front", "two.db", "--reference", "1,b"}), "`b` is no finite number"));
  CHECK(has(error({"front", "two.db", "--reference", "1,inf"}), "`inf` is no finite number"));
  CHECK(has(error({"importance", "one.db", "--quantile", "1.5"}), "quantiles"));
  CHECK(has(error({"compare", "one.db", "two.db"}), "two.db#study: its objectives or constraints are not those of one.db#study"));
  CHECK(has(error({"compare", "one.db", "one.db", "--trials", "41"}), "has 40 finished trials, expected 41"));
  CHECK(has(error({"compare", "one.db#nothing", "one.db"}), "one.db#nothing: there is no study"));
  CHECK(has(error({"compare", "one.db"}), "compare"));
  CHECK(has(error({"compare", "one.db", "one.db", "--confidence", "2"}), "confidence 2, expected between 0 and 1"));
}
