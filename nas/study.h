// A study: its header, its hash, and what can be read from its history.
#pragma once
#include <lathe/nas/objective.h>
#include <lathe/nas/space.h>
#include <lathe/nas/trial.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lathe::nas {

/// Numeric settings of a sampler or a pruner by name.
using Settings = std::map<std::string, double>;

/// What becomes of a proposal that equals an earlier trial of the study.
enum class Duplicates {
  reject,  ///< it never becomes a trial: another one is drawn
  reuse,   ///< if the earlier trial is complete, its results are taken at their virtual times and no work is run; else as allow
  allow,   ///< it runs again, as another trial with randomness of its own
};
const char* duplicates_name(Duplicates duplicates);  ///< "reject", "reuse", "allow"

/// Everything that decides a study. Two studies with equal headers have equal events, whatever ran them.
struct StudyHeader {
  std::string name = "study";        ///< a label; not part of header or hash
  std::string configuration = "{}";  ///< JSON text of the caller's whole configuration
  Space space;
  std::int64_t trials = 100;  ///< how many trials are proposed
  int virtual_workers = 4;    ///< V; never the number of real workers
  std::uint64_t seed = 1;
  std::vector<Direction> directions = {Direction::maximise};  ///< one per objective
  std::vector<std::string> metrics = {"value"};               ///< names of the objectives
  /// Names of the constraints that every report states; none: no word of them in header and events.
  std::vector<std::string> constraints;
  Judging judging;
  std::string sampler = "random@1";  ///< tag: name@version of its semantics
  Settings sampler_settings;
  std::string pruner = "none@1";
  Settings pruner_settings;
  Duplicates duplicates = Duplicates::reject;
  std::string warm_start;  ///< study hash of the study whose trials were adopted (proposals.h); empty: none
  std::string data_hash;   ///< of the data after tokenizing; may be empty
  /// JSON object of what was measured or trained before the first proposal and decides later ones (latency table, calibration of a
  /// proxy, digest of shared weights); empty: nothing was.
  std::string preparation;
  std::string numerics = "numerics v0";

  /// Canonical JSON object, keys in fixed order, `name` left out.
  std::string json() const;
  /// InputError: no objective, directions and metrics of different number, empty or equal names of constraints, V or trials
  /// below 1, bad weights.
  void check() const;
};

/// Study hash: SHA-256 over the header's JSON and the event lines, each followed by a line feed. Hexadecimal.
std::string study_hash(const std::string& header_json, std::span<const RecordedEvent> events);

/// The history that recorded events describe, for reports; decisions are taken as recorded, not made anew.
/// InputError names the line that cannot be read.
History read_history(const Space& space, std::span<const RecordedEvent> events);

/// The trials that the events adopted, numbered from 0: of an earlier study, or (`foreign` ≥ 0) of another program.
std::vector<Trial> read_adopted(const Space& space, std::span<const RecordedEvent> events);

/// First difference of two headers as a sentence ("`seed` was 1, is 2"), or nothing if they are equal.
std::optional<std::string> header_difference(const std::string& recorded, const std::string& now);

// ---- Analysis (single objective unless said otherwise)

/// Is `a` better than `b`?
bool better(double a, double b, Direction direction);

/// Numbers of the complete trials, best first: feasible ones by the first objective, then the others by violation(), then the
/// first objective; ties: smaller number first.
std::vector<std::int64_t> leaderboard(const History& history, Direction direction);

struct Counts {
  std::int64_t running = 0, complete = 0, pruned = 0, failed = 0;
};
Counts count_states(const History& history);

struct BestSoFar {
  std::uint64_t event = 0;  ///< commit index at which the trial finished
  std::int64_t trial = 0;   ///< best complete trial up to then, in the order of leaderboard()
  double value = 0;
};
/// One entry per complete trial, in the order of commits.
std::vector<BestSoFar> best_so_far(const History& history, Direction direction);

/// "`lr` is at the top of its range in 4 of the 5 best trials: widen it". Looks at integers, reals and ordinals with more
/// than two values; for reals the outer 5 % of the range (on a log scale, if the parameter has one) count as its edge.
/// The best trials: the first `best` of leaderboard(); with several objectives the Pareto front (nas/front.h), however many it has.
/// Of both ends of a front one is often the edge of a range (the smallest model, the largest): only a share of 4/5 is a warning.
struct EdgeWarning {
  std::string parameter;
  bool top = false;
  int hits = 0, of = 0;
  std::string text() const;
};
std::vector<EdgeWarning> edge_warnings(const Space& space, const History& history, std::span<const Direction> directions,
                                       int best = 5);

}  // namespace lathe::nas
