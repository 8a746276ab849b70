#include <lathe/base/text.h>
#include <lathe/nas/transformer/ablations.h>
#include <lathe/nas/transformer/intervals.h>
#include <lathe/nas/transformer/report_svg.h>

#include <algorithm>
#include <limits>

namespace lathe::nas {
namespace {

/// What each training that succeeded said about the validation rows.
std::vector<std::vector<std::int32_t>> answers_of(const FinalistResult& result) {
  std::vector<std::vector<std::int32_t>> answers;
  for (const FinalRun& run : result.runs)
    if (run.failure.empty()) answers.push_back(run.test_labels);  // read_test is false
  return answers;
}

/// The parameter in which two points differ, both having it.
std::size_t difference_of(const Point& a, const Point& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a.value(i) && b.value(i) && !(*a.value(i) == *b.value(i))) return i;
  return 0;
}

std::string shown(const Value& value) { return value.real() ? short_number(*value.real()) : value.show(); }

std::vector<std::string> by_importance(const Explanation& why) {
  std::vector<ParameterRow> rows = why.parameters;
  std::stable_sort(rows.begin(), rows.end(),
                   [](const ParameterRow& a, const ParameterRow& b) { return a.importance > b.importance; });
  std::vector<std::string> names;
  for (const ParameterRow& row : rows) names.push_back(row.name);
  return names;
}

}  // namespace

void retrain_neighbours(RunResults& r, const SearchJob& job, const History& history, const TrainingObjective& objective) {
  if (job.ablations <= 0 || r.why.trial < 0) return;
  const Point& chosen = history.trials[static_cast<std::size_t>(r.why.trial)].point;
  std::vector<Point> points = one_step_neighbours(job.header.space, history, chosen, by_importance(r.why),
                                                  std::numeric_limits<std::size_t>::max(), job.header.seed);
  std::erase_if(points, [&](const Point& point) { return objective.refuse(point).has_value(); });
  if (points.size() > static_cast<std::size_t>(job.ablations)) points.resize(static_cast<std::size_t>(job.ablations));
  if (points.empty()) return;

  std::vector<Finalist> finalists = {{"chosen", r.why.trial, objective.candidate(chosen)}};
  for (const Point& point : points) finalists.push_back({point.hash().substr(0, 12), r.why.trial, objective.candidate(point)});
  FinalistSetting setting = finalist_setting(job);
  setting.folder = job.folder / "ablations";
  setting.read_test = false;
  setting.latency = {};
  setting.progress = {};
  const std::vector<FinalistResult> results = train_finalists(finalists, *job.rows, setting);

  const std::vector<std::vector<std::int32_t>> base = answers_of(results[0]);
  if (base.empty()) return;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::vector<std::vector<std::int32_t>> other = answers_of(results[i + 1]);
    if (other.empty()) continue;
    const ScoreDifference d =
        score_difference(other, base, job.rows->valid.labels, static_cast<std::int32_t>(job.setting.task.classes), setting.metric);
    // With one seed nobody knows what another one would have given.
    const bool known = base.size() > 1 && other.size() > 1;
    const std::size_t p = difference_of(chosen, points[i]);
    r.why.effects.push_back({chosen.name(p), shown(*chosen.value(p)), shown(*points[i].value(p)), Effect::Source::retrained, d.mean,
                             known ? d.error : std::numeric_limits<double>::quiet_NaN(), static_cast<double>(other.size()),
                             d.quantile});
  }
  std::stable_sort(r.why.effects.begin(), r.why.effects.end(), [&](const Effect& a, const Effect& b) {
    return job.header.space.index(a.parameter) < job.header.space.index(b.parameter);
  });
}

}  // namespace lathe::nas
