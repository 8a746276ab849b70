// nas/front.h, nas/plot_data.h beside Optuna 5.0.0, and their edges; warnings about edges with several objectives.
#include <lathe/nas/front.h>
#include <lathe/nas/plot_data.h>

#include "tests/nas/optuna_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

/// The facts of one study of views.txt, checked one after the other.
class Facts {
 public:
  explicit Facts(const OptunaStudy& study) : study_(study) {}

  void check(const std::vector<std::string>& fact) {
    CAPTURE(fact[0]);
    if (fact[0] == "front") check_front(numbers_of(fact.size() > 1 ? fact[1] : ""));
    if (fact[0] == "best") check_best(*parse_double(fact[1]));
    if (fact[0] == "reference") reference_ = numbers_of(fact[1]);
    if (fact[0] == "volumes") check_volumes(numbers_of(fact[1]));
    if (fact[0] == "slice") begin_slice(fact);
    if (fact[0] == "at") check_point(fact);
    if (fact[0] == "contour") begin_contour(fact);
    if (fact[0] == "cell") check_cell(fact);
  }

  void end() const { CHECK(next_ == slice_.points.size()); }

 private:
  void check_front(const std::vector<double>& expected) {
    const auto front = pareto_front(study_.history, study_.header.directions);
    CHECK(std::vector<double>(front.begin(), front.end()) == expected);
  }
  void check_best(double expected) {
    const auto front = pareto_front(study_.history, study_.header.directions);
    REQUIRE(!front.empty());
    for (const std::int64_t number : front) CHECK(study_.history.trials[static_cast<std::size_t>(number)].values[0] == expected);
  }
  void check_volumes(const std::vector<double>& expected) {
    const auto volumes = hypervolume_over_time(study_.history, study_.header.directions, reference_);
    REQUIRE(volumes.size() == expected.size());
    for (std::size_t i = 0; i < volumes.size(); ++i) CHECK(close(volumes[i].volume, expected[i]));
  }
  void begin_slice(const std::vector<std::string>& fact) {
    CHECK(next_ == slice_.points.size());  // of the slice before
    slice_ = slice(study_.header.space, study_.history, fact[2], static_cast<std::size_t>(*parse_int(fact[1])));
    next_ = 0;
    CHECK(slice_.axis.log == (fact[3] == "1"));
    CHECK(slice_.axis.categorical == (fact[4] == "0"));
  }
  void check_point(const std::vector<std::string>& fact) {
    REQUIRE(next_ < slice_.points.size());
    const SlicePoint& point = slice_.points[next_++];
    CHECK(point.trial == *parse_int(fact[1]));
    CHECK(shown_alike(point.x, fact[2]));
    CHECK(point.y == *parse_double(fact[3]));
    CHECK(point.feasible == (fact[4] == "1"));
  }
  void begin_contour(const std::vector<std::string>& fact) {
    contour_ = contour(study_.header.space, study_.history, fact[1], fact[2], study_.header.directions);
    CHECK(contour_.cells.size() == static_cast<std::size_t>(*parse_int(fact[3])));
  }
  void check_cell(const std::vector<std::string>& fact) {
    const auto at = std::find_if(contour_.cells.begin(), contour_.cells.end(), [&](const ContourCell& cell) {
      return shown_alike(contour_.x.values[cell.x], fact[1]) && shown_alike(contour_.y.values[cell.y], fact[2]);
    });
    REQUIRE(at != contour_.cells.end());
    CHECK(at->value == *parse_double(fact[3]));
    CHECK(study_.history.trials[static_cast<std::size_t>(at->trial)].values[0] == at->value);
  }
  /// 1 and 1.0 are one value.
  static bool shown_alike(const Value& value, const std::string& json) {
    const auto number = parse_double(json);
    return number && value.number() ? *value.number() == *number : value.json() == json;
  }

  const OptunaStudy& study_;
  std::vector<double> reference_;
  Slice slice_;
  Contour contour_;
  std::size_t next_ = 0;
};

}  // namespace

TEST_CASE("front, hypervolume over time, slices and contours are those of Optuna 5.0.0") {
  std::map<std::string, int> seen;
  for (const OptunaStudy& study : read_optuna("views.txt")) {
    CAPTURE(study.header.name);
    Facts facts(study);
    for (const auto& fact : study.facts) {
      facts.check(fact);
      ++seen[fact[0]];
    }
    facts.end();
  }
  CHECK(seen["front"] == 3);
  CHECK(seen["volumes"] == 3);
  CHECK(seen["at"] > 1500);
  CHECK(seen["cell"] > 100);
}

TEST_CASE("front: nothing, one, equal ones, infeasible ones; volumes follow the commits") {
  const Space space = SpaceBuilder().integer("x", 0, 100).build();
  const std::vector<Direction> two = {Direction::minimise, Direction::maximise};
  const std::vector<double> reference = {10, 0};
  History history;
  const auto add = [&](std::int64_t x, TrialState state, std::vector<double> values, std::vector<double> constraints = {}) {
    add_trial(history, space.point({{"x", x}}), state, std::move(values), std::move(constraints));
  };
  CHECK(pareto_front(history, two).empty());
  CHECK(hypervolume_over_time(history, two, reference).empty());
  const History* one[] = {&history};
  CHECK(common_reference(one, two).empty());
  add(0, TrialState::complete, {0, 100}, {0.1});
  CHECK(pareto_front(history, two).empty());
  CHECK(common_reference(one, two).empty());
  add(1, TrialState::complete, {5, 2});
  add(2, TrialState::complete, {5, 2});
  add(3, TrialState::complete, {4, 1}, {-1});
  add(4, TrialState::complete, {6, 1});
  add(5, TrialState::pruned, {0, 9});
  add(6, TrialState::failed, {});
  add(7, TrialState::complete, {20, 50});  // beyond the reference: on the front, without volume
  CHECK(pareto_front(history, two) == std::vector<std::int64_t>{1, 2, 3, 7});
  const auto volumes = hypervolume_over_time(history, two, reference);
  std::vector<double> found;
  for (const auto& entry : volumes) found.push_back(entry.volume);
  CHECK(found == std::vector<double>{0, 10, 10, 11, 11, 11});
  CHECK(volumes.back().trial == 7);
  std::swap(history.finished[1], history.finished[3]);
  CHECK(hypervolume_over_time(history, two, reference)[1].volume == 6);
  CHECK(common_reference(one, two) == std::vector<double>{22, 0.9});
  History worse;  // in the second objective
  add_trial(worse, space.point({{"x", std::int64_t{1}}}), TrialState::complete, {3, -4});
  const History* both[] = {&history, &worse};
  CHECK(common_reference(both, two) == std::vector<double>{22, -4.4});
  CHECK(contains(message_of([&] { hypervolume_over_time(history, two, std::vector<double>{1}); }),
                 "has 1 numbers, expected one for each of 2"));
  CHECK(contains(message_of([&] { pareto_front(history, std::vector{Direction::minimise}); }), "trial 1 has 2 values, expected 1"));
}

TEST_CASE("contour: a feasible trial hides an infeasible one; wrong names and objectives") {
  const Space space = SpaceBuilder().integer("depth", 1, 4).ordinal("width", {"narrow", "wide"}).build();
  const std::vector<Direction> up = {Direction::maximise};
  History history;
  const auto add = [&](std::int64_t depth, const char* width, double value, double constraint) {
    add_trial(history, space.point({{"depth", depth}, {"width", width}}), TrialState::complete, {value}, {constraint});
  };
  CHECK(contour(space, history, "depth", "width", up).cells.empty());
  CHECK(slice(space, history, "depth").points.empty());
  add(3, "wide", 9, 1);
  add(3, "wide", 1, 0);
  add(3, "wide", 2, 0);
  add(3, "wide", 2, -1);
  add(1, "narrow", 5, 2);
  const Contour found = contour(space, history, "depth", "width", up);
  REQUIRE(found.cells.size() == 2);
  CHECK(found.cells[1].value == 2);
  CHECK(found.cells[1].trial == 2);
  CHECK(found.cells[1].feasible);
  CHECK(!found.cells[0].feasible);
  CHECK(found.y.values == std::vector<Value>{"narrow", "wide"});
  CHECK(!found.y.categorical);
  CHECK(contains(message_of([&] { slice(space, history, "dept"); }), "depth"));
  CHECK(contains(message_of([&] { slice(space, history, "depth", 1); }), "there is no objective 1"));
  CHECK(contains(message_of([&] { contour(space, history, "depth", "depth", up); }), "given twice"));
  CHECK(contains(message_of([&] { contour(space, history, "depth", "width", up, 1); }), "there is no objective 1"));
}

TEST_CASE("slice and contour of the second objective show its values, and its best") {
  const Space space = SpaceBuilder().integer("a", 1, 4).integer("b", 1, 4).build();
  const std::vector<Direction> two = {Direction::maximise, Direction::minimise};
  History history;
  for (const auto& values : {std::vector<double>{9, 5}, {1, 3}, {4, 4}})
    add_trial(history, space.point({{"a", std::int64_t{2}}, {"b", std::int64_t{3}}}), TrialState::complete, values);
  CHECK(slice(space, history, "a", 1).points[0].y == 5);
  const Contour first = contour(space, history, "a", "b", two), second = contour(space, history, "a", "b", two, 1);
  REQUIRE(first.cells.size() == 1);
  REQUIRE(second.cells.size() == 1);
  CHECK(first.cells[0].trial == 0);
  CHECK(first.cells[0].value == 9);
  CHECK(second.cells[0].trial == 1);
  CHECK(second.cells[0].value == 3);
}

TEST_CASE("edge warnings with several objectives look at the whole front") {
  const Space space = SpaceBuilder().integer("width", 1, 8).real("lr", 1e-4, 1, {.log = true}).build();
  const std::vector<Direction> two = {Direction::minimise, Direction::maximise};
  History history;
  for (std::int64_t i = 0; i < 12; ++i)  // a front over all widths, always with the largest lr; a dominated trial at the other end
    add_trial(history, space.point({{"width", 1 + i % 8}, {"lr", i < 8 ? 0.99 : 1e-4}}), TrialState::complete,
              {static_cast<double>(i % 8) + (i < 8 ? 0 : 0.5), static_cast<double>(i % 8)});
  const auto warnings = edge_warnings(space, history, two);
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].text() == "`lr` is at the top of its range in 8 of the 8 best trials: widen it");
  history.trials.resize(2);
  CHECK(edge_warnings(space, history, two).empty());
}
