#include <lathe/base/text.h>
#include <lathe/nas/transformer/report_svg.h>
#include <lathe/nas/transformer/report_text.h>

#include <lathe/nas/transformer/quantities.h>
#include <algorithm>

namespace lathe::nas {
namespace {

bool finite(double value) { return value - value == 0; }

std::string range_text(const BestAfter& b) { return score(std::min(b.low, b.high)) + "–" + score(std::max(b.low, b.high)); }

}  // namespace

std::string markdown_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += ' ';
    } else {
      if (std::string_view("\\`*_[]|~#").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

std::string markdown_code(std::string_view text) {
  std::size_t longest = 0, run = 0;
  std::string line;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
    line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  const std::string fence(longest + 1, '`'), space = longest > 0 || line.empty() ? " " : "";
  return fence + space + line + space + fence;
}

std::string score(double value) {
  if (!finite(value)) return "-";
  const double size = value < 0 ? -value : value;
  return size < 1e3 ? fixed(value, 4) : size < 1e15 ? with_commas(static_cast<std::int64_t>(value)) : number(value);
}

std::string signed_score(double value) { return (finite(value) && value >= 0 ? "+" : "") + score(value); }

std::string interval_text(const ModelRow& m) {
  const bool known = finite(m.low) && finite(m.high);
  const double low = known ? m.low : m.test - m.half_width, high = known ? m.high : m.test + m.half_width;
  return finite(low) && finite(high) ? str(fixed(low, 3), "–", fixed(high, 3)) : std::string("-");
}

std::string interval_text(const BaselineRow& b, const std::string& metric) {
  ModelRow row;
  row.test = baseline_score(b, metric);
  row.half_width = b.half_width;
  row.low = b.low;
  row.high = b.high;
  return interval_text(row);
}

std::string duration_text(double seconds) {
  if (!finite(seconds) || seconds < 0) return "-";
  if (seconds < 10) return fixed(seconds, 1) + " s";
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole < 60) return str(whole, " s");
  if (whole < 3600) return str(whole / 60, " m ", whole % 60, " s");
  return str(whole / 3600, " h ", whole % 3600 / 60, " m");
}

std::vector<std::string> outlook_sentences(const RunResults& r) {
  std::vector<std::string> out;
  const Explanation& why = r.why;
  const double best = why.outlook.empty() ? 0 : [&] {
    double value = why.outlook.back().median;
    for (const BestAfter& b : why.outlook)
      if (b.trials == static_cast<std::size_t>(why.finished_trials)) value = b.median;
    return value;
  }();
  if (!why.by_luck.empty()) {
    const BestAfter& luck = why.by_luck.back();
    out.push_back(str(
        "Luck alone, ", with_commas(static_cast<std::int64_t>(luck.trials)), " trials like its ", why.random_trials,
        " random ones, would have found ", score(luck.median), " (90 %: ", range_text(luck), "); the search found ", score(best),
        better_value(r, best, better_value(r, luck.high, luck.low) ? luck.high : luck.low) ? ": better than luck"
                                                                                           : ": luck could have done as well"));
  }
  if (!why.outlook.empty()) {
    const BestAfter& twice = why.outlook.back();
    out.push_back(str("With twice the budget, ", with_commas(static_cast<std::int64_t>(twice.trials)),
                      " trials, the best would be ",
                      score(twice.median) != score(best)
                          ? str("about ", score(twice.median), " (90 %: ", range_text(twice), ")")
                          : str("no better in half of the cases, and ",
                                score(better_value(r, twice.high, twice.low) ? twice.high : twice.low), " with luck (95 %)"),
                      ", if the further trials were drawn as these were; a sampler that goes on learning may do better"));
  }
  return out;
}

std::string milliseconds(double ms) { return finite(ms) ? short_number(ms) : "-"; }

std::string time_of(const RunResults& r, const std::string& phase) {
  return str("time of ", phase, r.resumed ? ", since the run was resumed" : "");
}

std::string megabytes(std::int64_t bytes) {
  return bytes > 0 ? fixed(static_cast<double>(bytes) / 1e6, bytes < 100'000 ? 3 : 1) + " MB" : "";
}

double baseline_score(const BaselineRow& b, const std::string& metric) { return metric == "macro_f1" ? b.macro_f1 : b.accuracy; }

bool all_failed(const ModelRow& model) { return model.failed >= model.seeds; }

std::optional<double> predicted_latency(const TrialRow& t) {
  if (t.latency_ms) return t.latency_ms;
  for (const auto& [name, value] : t.measures)
    if (name == "latency_ms" && finite(value) && value > 0) return value;
  return {};
}

bool any_latency(const RunResults& r) {
  return std::any_of(r.models.begin(), r.models.end(), [](const ModelRow& m) { return m.latency.has_value(); });
}

namespace {

/// The best tenth of fewer is one trial: its choices say little about what mattered.
constexpr std::int64_t kFewestForImportance = 20;

std::int64_t complete_trials(const RunResults& r) {
  return std::count_if(r.trials.begin(), r.trials.end(), [](const TrialRow& t) { return t.state == TrialState::complete; });
}

}  // namespace

bool shows_importance(const RunResults& r) { return complete_trials(r) >= kFewestForImportance; }

std::string importance_sentence(const RunResults& r) {
  const std::int64_t trials = complete_trials(r), best = (trials + 9) / 10;
  const std::string sides =
      str("the best tenth of the ", with_commas(trials), trials == 1 ? " complete trial, " : " complete trials, ", best, ", ");
  return shows_importance(r) ? str("Share of PED-ANOVA: how much ", sides, "differs from all in this parameter")
                             : str("Importance is left out: it would set ", sides, "against all; from ", kFewestForImportance,
                                   " complete trials on it is told");
}

std::string point_text(const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters) out += (out.empty() ? "" : ", ") + name + " " + value;
  return out;
}

namespace {

std::string told(const RunResults& r, const std::string& what) {
  if (r.study.scored()) return r.study.evaluation + " score";
  return str("validation ", what,
             r.study.evaluation == "proxy"       ? " of a cheaper training"
             : r.study.evaluation == "inherited" ? " with shared weights"
                                                 : "");
}

const std::string& first_objective(const RunResults& r) {
  return r.study.objectives.empty() ? r.metric : r.study.objectives[0].first;
}

}  // namespace

std::string value_name(const RunResults& r) {
  const std::string& first = first_objective(r);
  for (const QuantityInfo& known : quantities())
    if (known.name == first && !known.measured) return first;
  return told(r, first);
}

std::string quality_name(const RunResults& r) { return told(r, r.metric); }

bool better_value(const RunResults& r, double a, double b) {
  return !r.study.objectives.empty() && r.study.objectives[0].second == "minimise" ? a < b : a > b;
}

std::optional<double> quality_of(const RunResults& r, const TrialRow& t) {
  if (first_objective(r) == r.metric) return t.value;
  for (const auto& [name, value] : t.measures)
    if (name == r.metric) return value;
  return {};
}

std::vector<std::size_t> trials_by_value(const RunResults& r) {
  const auto rank = [](const TrialRow& t) {
    if (!t.value || !finite(*t.value)) return 3;
    return t.state != TrialState::complete ? 2 : t.violation > 0 ? 1 : 0;
  };
  std::vector<std::size_t> order(r.trials.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const TrialRow &x = r.trials[a], &y = r.trials[b];
    const int rank_x = rank(x), rank_y = rank(y);
    if (rank_x != rank_y) return rank_x < rank_y;
    if (rank_x == 1 && x.violation != y.violation) return x.violation < y.violation;
    if (rank_x < 3 && *x.value != *y.value) return better_value(r, *x.value, *y.value);
    return x.number != y.number ? x.number < y.number : a < b;
  });
  return order;
}

std::string search_sentence(const RunResults& r) {
  std::int64_t complete = 0, pruned = 0, failed = 0, running = 0;
  for (const TrialRow& t : r.trials) {
    complete += t.state == TrialState::complete;
    pruned += t.state == TrialState::pruned;
    failed += t.state == TrialState::failed;
    running += t.state == TrialState::running;
  }
  std::string out =
      str(with_commas(static_cast<std::int64_t>(r.trials.size())), r.trials.size() == 1 ? " trial" : " trials", " from ",
          r.study.space == "infinite" ? std::string("infinitely many") : r.study.space, " architectures: ", with_commas(complete),
          " complete, ", with_commas(pruned), " stopped early, ", with_commas(failed), " failed");
  if (running > 0) out += str(", ", with_commas(running), " not finished");
  if (complete > 0)
    if (const TrialRow& best = r.trials[trials_by_value(r).front()]; best.value && best.state == TrialState::complete)
      out += str("; best #", best.number, " with ", score(*best.value),
                 best.violation > 0 ? ", which breaks a constraint, as all do" : "");
  if (r.study.exhausted) out += "; the whole space was tried";
  return out;
}

std::string model_table_markdown(const RunResults& r) {
  const bool latency = any_latency(r);
  std::string out =
      str("| | model | architecture | test ", markdown_text(r.metric), " | validation | ", latency ? "latency, ms | " : "",
          "parameters | size | memory | vs default |\n|-|-|-|-:|-:|", latency ? "-:|" : "", "-:|-:|-:|-:|\n");
  for (std::size_t i = 0; i < r.models.size(); ++i) {
    const ModelRow& m = r.models[i];
    out += str("| ", static_cast<int>(i) == r.winner ? "**winner**" : "", " | ", markdown_text(m.name), " | ",
               markdown_text(m.architecture), " | ",
               all_failed(m) ? std::string("failed") : str(score(m.test), " (", interval_text(m), ")"), " | ",
               all_failed(m) ? std::string() : score(m.valid), " | ",
               !latency ? std::string() : (m.latency ? milliseconds(m.latency->p50) : std::string()) + " | ", with_commas(m.params),
               " | ", megabytes(m.bytes), " | ", megabytes(m.answer_memory), " | ",
               m.to_default ? str(signed_score(m.to_default->mean), " ± ", score(m.to_default->half_width)) : "", " |\n");
  }
  for (const BaselineRow& b : r.baselines)
    out += str("| | ", markdown_text(b.name), " | | ", score(baseline_score(b, r.metric)), " (", interval_text(b, r.metric),
               ") | | | | | |", latency ? " |" : "", "\n");
  return out;
}

}  // namespace lathe::nas
