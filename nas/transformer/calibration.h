// Calibration: may a cheap evaluation stand for the training in full, in this space and on these data? Before the first proposal
// the same architectures are evaluated both ways, and the ranks are compared (nas/rank_correlation.h). What comes out is stored in
// the study's header, and a proxy that does not rank well enough is refused.
//
// Works for any pair of objectives: proxies (proxy.h), weights inherited from a supernet.
//
// Which architectures: admissible points drawn uniformly by Philox (a stream of the study's seed that no trial uses), ten for each
// one wanted, cut into `bins` equally filled bins by number of parameters; each bin gives as many as the others, and what a bin
// lacks in a small space comes from the rest. Both evaluations have streams of their own (seeds "calibration full" and "calibration
// cheap" of the study's), because finalists are not trained from the seeds of the search either: shared seeds would flatter τ. An
// evaluation that fails counts as the worst.
#pragma once
#include <lathe/nas/executor.h>
#include <lathe/nas/rank_correlation.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::nas {

struct CalibrationOptions {
  std::int64_t architectures = 30;  ///< at least 30; fewer only if the space has no more, and then 30 at least as well
  std::int64_t bins = 5;            ///< of parameters, 1 to `architectures`
  std::size_t objective = 0;        ///< the study's objective that is compared: what `cheap` estimates
  double threshold = 0.5;           ///< least lower end of τ's interval
  bool force = false;               ///< accept a proxy that is below
  RankOptions ranks;                ///< its seed is the study's, whatever it says

  int workers = 1;  ///< trainings at the same time. The result does not depend on it
  StopFlag stop;
  /// Finished segments are kept in calibration.log there, trainings that are cut off in calibration/; a call with the same header,
  /// objectives and options goes on from them. Empty: in memory.
  std::filesystem::path folder;
  /// JSON of what the values depend on besides space, seed, objectives, data and numerics of the header. Empty: all of the header's
  /// configuration, so that a change of any key begins anew.
  std::string identity;
  /// So many of all segments, full and cheap, are done. One call at a time, from any thread.
  std::function<void(std::int64_t done, std::int64_t of)> progress;
};

/// An architecture that was evaluated both ways.
struct CalibrationRow {
  std::string point;  ///< Point::json()
  std::int64_t params = 0;
  std::optional<double> full, cheap;  ///< of the objective that is compared; nothing: failed
  bool operator==(const CalibrationRow&) const = default;
};

struct Calibration {
  std::string proxy;   ///< JSON object: what was calibrated
  std::string metric;  ///< name of the objective that is compared
  Direction direction = Direction::maximise;
  double threshold = 0.5, confidence = 0.95;
  std::int64_t top_k = 5;
  bool forced = false;
  std::vector<CalibrationRow> rows;
  RankAgreement cheap;                            ///< of the proxy with the training in full
  RankAgreement params;                           ///< of the number of parameters with it: the bar that a proxy should clear
  std::uint64_t full_ticks = 0, cheap_ticks = 0;  ///< planned for all rows together

  /// τ is defined and the lower end of its interval is not under the threshold.
  bool trusted() const;
  bool accepted() const { return trusted() || forced; }
  /// One line for people: τ with its interval, beside that of the parameters, and what follows.
  std::string reason() const;

  /// Canonical, for StudyHeader::preparation. Undefined numbers are null.
  std::string json() const;
  static Calibration parse(std::string_view json);  ///< the inverse; InputError where `json` is no calibration
};

/// A proxy that does not rank well enough: what() is Calibration::reason(). The answer is no (exit code 1), nothing is broken.
class ProxyRefused : public Error {
 public:
  explicit ProxyRefused(const Calibration& calibration) : Error(calibration.reason()) {}
};

/// `study`: space, seed, objectives and judging of the study to come. `proxy`: JSON object that says what `cheap` is; with the
/// header it names the log in the folder, so it must tell one setting from another. `params_of`: number of parameters of a point.
/// Interrupted if stopped. InputError: options out of range, a space without enough admissible points; errors of execute().
Calibration calibrate(const StudyHeader& study, Objective& full, Objective& cheap, const std::string& proxy,
                      const std::function<std::int64_t(const Point&)>& params_of, const CalibrationOptions& options = {});

class TrainingObjective;

/// What a command calls before it makes a study that searches on `cheap`: calibrate(), with the parameters and the identity of
/// `full` (so that only what trainings depend on begins anew, not a change of the threshold), and calibration.json in the folder
/// for people. ProxyRefused if it is not accepted.
Calibration prepare_calibration(const StudyHeader& study, TrainingObjective& full, Objective& cheap, const std::string& proxy,
                                CalibrationOptions options);

/// The architectures that calibrate() takes, in the order of their drawing.
std::vector<Point> calibration_points(const StudyHeader& study, const std::function<bool(const Point&)>& admissible,
                                      const std::function<std::int64_t(const Point&)>& params_of, std::int64_t count,
                                      std::int64_t bins);

}  // namespace lathe::nas
