// Sections of the page about the search: trade-off, search, training.
#include <lathe/base/text.h>
#include <lathe/nas/transformer/report_page.h>

#include <algorithm>
#include <functional>

namespace lathe::nas {
namespace {

constexpr std::size_t kCurves = 120, kTexts = 100;

/// What a model costs, and how that is shown.
struct CostAxis {
  const char *id, *axis, *column;
  std::function<std::optional<double>(const TrialRow&)> of_trial;
  std::function<std::optional<double>(const ModelRow&)> of_model;
};

std::optional<double> positive(std::int64_t value) { return value > 0 ? std::optional(static_cast<double>(value)) : std::nullopt; }
std::optional<double> mega(std::int64_t bytes) {
  return bytes > 0 ? std::optional(static_cast<double>(bytes) / 1e6) : std::nullopt;
}
std::optional<double> known(double value) { return value - value == 0 && value > 0 ? std::optional(value) : std::nullopt; }

/// memory_mb of a trial: known before training, so every trial states it.
std::optional<double> answer_memory(const RunResults& r, const TrialRow& t) {
  if (!r.study.objectives.empty() && r.study.objectives[0].first == "memory_mb") return t.value ? known(*t.value) : std::nullopt;
  for (const auto& [name, value] : t.measures)
    if (name == "memory_mb") return known(value);
  return {};
}

/// The memory of answering if the search was asked about it, else that of training, which it has to fit into.
bool asks_for_memory(const RunResults& r) {
  const auto is_memory = [](const auto& named) { return named.first == "memory_mb"; };
  return std::any_of(r.study.objectives.begin(), r.study.objectives.end(), is_memory) ||
         std::any_of(r.limits.begin(), r.limits.end(), [](const LimitRow& l) { return l.quantity == "memory_mb"; });
}

std::vector<CostAxis> cost_axes(const RunResults& r) {
  std::vector<CostAxis> axes = {
      {"latency_ms",
       any_latency(r) ? "latency of one text, ms (predicted; finalists measured)" : "latency of one text, ms (predicted)",
       "#latency, ms", predicted_latency, [](const ModelRow& m) { return m.latency ? known(m.latency->p50) : std::nullopt; }},
      {"params", "parameters", "#parameters", [](const TrialRow& t) { return positive(t.params); },
       [](const ModelRow& m) { return positive(m.params); }}};
  if (asks_for_memory(r))
    axes.push_back({"memory_mb", "memory of answering one text, MB", "#memory, MB",
                    [&r](const TrialRow& t) { return answer_memory(r, t); },
                    [](const ModelRow& m) { return mega(m.answer_memory); }});
  else
    axes.push_back({"training", "peak memory of training, MB", "#training memory, MB",
                    [](const TrialRow& t) { return mega(t.memory); }, [](const ModelRow& m) { return mega(m.memory); }});
  return axes;
}

bool drawable(const TrialRow& t) { return t.value && *t.value - *t.value == 0; }

/// What the trade-off is drawn over; nothing where the study does not tell it.
std::optional<double> height(const RunResults& r, const TrialRow& t) {
  const std::optional<double> quality = quality_of(r, t);
  return quality && *quality - *quality == 0 ? quality : std::nullopt;
}

/// Complete trials that no cheaper or equally cheap one beats, by cost.
std::vector<std::size_t> front_of(const RunResults& r, const CostAxis& q) {
  std::vector<std::size_t> order, front;
  for (const std::size_t i : trials_by_value(r))
    if (r.trials[i].state == TrialState::complete && r.trials[i].violation == 0 && height(r, r.trials[i]) &&
        q.of_trial(r.trials[i]))
      order.push_back(i);
  const auto key = [&](std::size_t i) { return std::pair(*q.of_trial(r.trials[i]), -*height(r, r.trials[i])); };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
  for (const std::size_t i : order)
    if (front.empty() || *height(r, r.trials[i]) > *height(r, r.trials[front.back()])) front.push_back(i);
  return front;
}

/// Points of the front carry their text; for the many others the script finds it in the table of trials.
void add_point(PlotSeries& s, double x, double y, const TrialRow& t) {
  s.points.emplace_back(x, y);
  s.titles.push_back(s.focus ? str("#", t.number, "  ", score(y), "  ", t.architecture) : std::string());
  s.trials.push_back(t.number);
}

const TrialRow* trial_of(const RunResults& r, const ModelRow& m) {
  for (const TrialRow& t : r.trials)
    if (m.name == str("#", t.number)) return &t;
  return nullptr;
}

/// From where the search saw a finalist to where it came out: what was foretold, and what one training told, against the mean of
/// several.
void add_way(const RunResults& r, const CostAxis& q, const ModelRow& m, std::pair<double, double> to, Plot& plot) {
  const TrialRow* t = trial_of(r, m);
  if (!t || !height(r, *t) || !q.of_trial(*t)) return;
  PlotSeries way{"from where the search saw them", "grey", PlotKind::line};
  way.points = {{*q.of_trial(*t), *height(r, *t)}, to};
  plot.series.push_back(std::move(way));
}

/// Finalists where they were measured (their validation over seeds), and a line from where the search saw them.
void add_models(const RunResults& r, const CostAxis& q, Plot& plot) {
  if (r.study.scored()) return;  // another scale
  for (std::size_t i = r.models.size(); i-- > 0;) {
    const ModelRow& m = r.models[i];
    const std::optional<double> x = q.of_model(m);
    if (!x || all_failed(m)) continue;
    add_way(r, q, m, {*x, m.valid}, plot);
    const bool fallback = m.name == "default";
    PlotSeries s{fallback ? "default, mean of its seeds" : "finalists, mean of their seeds", fallback ? "default" : "second"};
    s.points.emplace_back(*x, m.valid);
    s.titles.push_back(str(m.name, "  ", score(m.valid), "  ", short_number(*x), "  ", m.architecture));
    s.focus = true;
    plot.series.push_back(std::move(s));
  }
}

std::string trade_off_plot(const RunResults& r, const CostAxis& q, const std::vector<std::size_t>& shown, bool first) {
  const std::vector<std::size_t> best = front_of(r, q);
  if (best.empty()) return "";
  std::string name = quality_name(r);
  if (!r.study.scored()) name[0] = 'V';
  Plot plot{str(name, " against ", q.axis), "A point for each trial; the line joins the trials that nothing cheaper beats",
            str(q.axis, ", logarithmic"), quality_name(r)};
  plot.log_x = true;
  PlotSeries complete{"complete trial", "trial"}, stopped{"stopped early, or breaks a constraint", "grey"};
  PlotSeries front{"nothing cheaper is better", "best", PlotKind::steps};
  front.focus = true;
  stopped.plain = true;
  complete.plain = !first && shown.size() > kTexts;
  for (const std::size_t i : shown) {
    const TrialRow& t = r.trials[i];
    if (!height(r, t) || !q.of_trial(t) || std::find(best.begin(), best.end(), i) != best.end()) continue;
    add_point(t.state == TrialState::complete && t.violation == 0 ? complete : stopped, *q.of_trial(t), *height(r, t), t);
  }
  std::string table = table_head({"#trial", q.column, "#" + quality_name(r), "architecture"}, "sort");
  for (const std::size_t i : best) {
    const TrialRow& t = r.trials[i];
    const double cost = *q.of_trial(t);
    add_point(front, cost, *height(r, t), t);
    table += str(row_of_trial(t.number), number_cell(str(t.number)),
                 number_cell(cost < 1000 ? short_number(cost) : with_commas(static_cast<std::int64_t>(cost))),
                 number_cell(score(*height(r, t))), html_cell(escape_html(t.architecture)), "</tr>\n");
  }
  plot.series = {stopped, complete, front};
  add_models(r, q, plot);
  for (const LimitRow& limit : r.limits)
    if (limit.quantity == q.id && limit.limit > 0) plot.limit_x = limit.limit, plot.limit_text = limit.text;
  return plot_svg(plot) + details("The front as a table", table + "</table>");
}

/// Five hundred rows: cells are aligned by the style sheet, not one by one.
std::string trial_table(const RunResults& r, const std::vector<std::size_t>& shown) {
  std::string out =
      table_head({"#trial", "state", "#" + value_name(r), "#parameters", "#commit", "by epoch", "architecture"}, "sort trials");
  for (const std::size_t i : shown) {
    const TrialRow& t = r.trials[i];
    std::string curve;
    for (const double value : t.curve) curve += (curve.empty() ? "" : " ") + (value - value == 0 ? fixed(value, 3) : "-");
    out += str(row_of_trial(t.number), "<td>", t.number, "<td>", state_name(t.state), "<td>", t.value ? score(*t.value) : "",
               "<td>", with_commas(t.params), "<td>", t.finish_event, "<td>", curve, "<td>",
               escape_html(t.architecture + (t.note.empty() ? "" : "; " + t.note)), "</tr>\n");
  }
  return out + "</table>";
}

/// Finished trials in the order of their commits.
std::vector<const TrialRow*> by_commit(const RunResults& r) {
  std::vector<const TrialRow*> order;
  for (const TrialRow& t : r.trials)
    if (t.state != TrialState::running) order.push_back(&t);
  std::stable_sort(order.begin(), order.end(),
                   [](const TrialRow* a, const TrialRow* b) { return a->finish_event < b->finish_event; });
  return order;
}

PlotSeries after_series(const std::string& name, const std::string& style, const std::vector<BestAfter>& curve, std::size_t from,
                        std::size_t to) {
  PlotSeries s{name, style, PlotKind::band};
  for (const BestAfter& b : curve) {
    if (b.trials < from || b.trials > to) continue;
    s.points.emplace_back(static_cast<double>(b.trials), b.median);
    s.spread.emplace_back(b.low, b.high);
  }
  return s;
}

std::string search_plot(const RunResults& r, const std::vector<std::size_t>& shown) {
  PlotSeries trials{"complete trial", "trial"}, best{"best so far", "best", PlotKind::steps};
  const std::vector<const TrialRow*> order = by_commit(r);
  for (std::size_t n = 1; n <= order.size(); ++n) {
    const TrialRow& t = *order[n - 1];
    if (t.state == TrialState::complete && drawable(t)) {
      if (std::binary_search(shown.begin(), shown.end(), static_cast<std::size_t>(&t - r.trials.data()))) {
        trials.points.emplace_back(static_cast<double>(n), *t.value);
        trials.trials.push_back(t.number);
      }
      if (t.violation == 0 && (best.points.empty() || better_value(r, *t.value, best.points.back().second))) {
        best.points.emplace_back(static_cast<double>(n), *t.value);
        best.titles.push_back(str("#", t.number, "  ", score(*t.value), "  commit ", t.finish_event));
      }
    }
    if (n == order.size() && !best.points.empty() && best.points.back().first < static_cast<double>(n)) {
      best.points.emplace_back(static_cast<double>(n), best.points.back().second);
      best.titles.push_back(str("best of ", n, " trials"));
    }
  }
  Plot plot{"Best so far", "Complete trials in the order of their commits, the best so far, what luck alone gives, and an outlook",
            "finished trials", value_name(r)};
  plot.whole_x = true;
  const auto done = static_cast<std::size_t>(r.why.finished_trials);
  if (!r.why.by_luck.empty())
    plot.series.push_back(
        after_series(str("best by luck, as its ", r.why.random_trials, " random trials, 90 %"), "luck", r.why.by_luck, 1, done));
  if (!r.why.outlook.empty()) plot.series.push_back(after_series("twice the budget, 90 %", "best", r.why.outlook, done, 2 * done));
  plot.series.push_back(std::move(trials));
  plot.series.push_back(std::move(best));
  return plot_svg(plot);
}

std::string states_html(const RunResults& r) {
  std::int64_t counts[4] = {};
  for (const TrialRow& t : r.trials) ++counts[static_cast<std::size_t>(t.state)];
  std::string out;
  for (const TrialState s : {TrialState::complete, TrialState::pruned, TrialState::failed, TrialState::running})
    if (const std::int64_t n = counts[static_cast<std::size_t>(s)]; n > 0 || s != TrialState::running)
      out += str("<div role=\"row\"><span role=\"rowheader\">", s == TrialState::pruned ? "stopped early" : state_name(s),
                 "</span><span class=\"track\" role=\"presentation\"><span style=\"width:",
                 fixed(r.trials.empty() ? 0 : 100 * static_cast<double>(n) / static_cast<double>(r.trials.size()), 1),
                 "%\"></span></span><span role=\"cell\">", with_commas(n), "</span></div>\n");
  return "<div class=\"bars\" role=\"table\">\n" + out + "</div>\n";
}

std::string epoch_table(const RunResults& r) {
  std::string out =
      table_head({"model", "#training", "#epoch", "#training loss", "#validation loss", "#gap", "#accuracy", "#macro F1", "kept"});
  for (const ModelRow& m : r.models)
    for (std::size_t c = 0; c < m.curves.size(); ++c)
      for (const train::EpochResult& e : m.curves[c])
        out += str("<tr>", html_cell(escape_html(m.name)), number_cell(str(c + 1)), number_cell(str(e.epoch)),
                   number_cell(score(e.train_loss)), number_cell(score(e.valid.loss)),
                   number_cell(signed_score(e.valid.loss - e.train_loss)), number_cell(score(e.valid.accuracy)),
                   number_cell(score(e.valid.macro_f1)), html_cell(e.best ? "best" : ""), "</tr>\n");
  return out + "</table>";
}

std::string metric_plot(const RunResults& r) {
  Plot plot{"Learning curves", "Validation by epoch: finalists in colour, one line a seed; trials of the search in grey", "epoch",
            "validation " + r.metric};
  plot.whole_x = true;
  std::vector<std::size_t> order;
  if (!r.study.scored()) order = trials_by_value(r);
  const bool cut = order.size() > kCurves;
  if (cut) order.resize(kCurves);
  for (const std::size_t i : order) {
    PlotSeries s{cut ? str("the best ", kCurves, " trials") : std::string("trials"), "grey", PlotKind::line};
    for (std::size_t e = 0; e < r.trials[i].curve.size(); ++e)
      s.points.emplace_back(static_cast<double>(e + 1), r.trials[i].curve[e]);
    plot.series.push_back(std::move(s));
  }
  for (std::size_t i = r.models.size(); i-- > 0;)  // the best on top
    for (const std::vector<train::EpochResult>& curve : r.models[i].curves) {
      PlotSeries s{r.models[i].name, style_of(i, r.models[i].name), PlotKind::line};
      for (const train::EpochResult& e : curve) {
        s.points.emplace_back(static_cast<double>(e.epoch), r.metric == "macro_f1" ? e.valid.macro_f1 : e.valid.accuracy);
        s.titles.push_back(str(r.models[i].name, "  epoch ", e.epoch, "  ", score(s.points.back().second)));
      }
      plot.series.push_back(std::move(s));
    }
  return plot_svg(plot);
}

/// Training and validation loss of the winner: where they part, it learns by heart.
std::string loss_plot(const RunResults& r) {
  if (r.winner < 0) return "";
  const ModelRow& m = r.models[static_cast<std::size_t>(r.winner)];
  Plot plot{str("Loss of ", m.name), "Training and validation loss by epoch, one line a seed", "epoch", "loss"};
  plot.whole_x = true;
  for (const std::vector<train::EpochResult>& curve : m.curves) {
    PlotSeries trained{"training", "trial", PlotKind::line}, valid{"validation", "best", PlotKind::line};
    for (const train::EpochResult& e : curve) {
      trained.points.emplace_back(static_cast<double>(e.epoch), e.train_loss);
      trained.titles.push_back(str("training loss ", score(e.train_loss)));
      valid.points.emplace_back(static_cast<double>(e.epoch), e.valid.loss);
      valid.titles.push_back(str("validation loss ", score(e.valid.loss)));
    }
    plot.series.push_back(std::move(trained));
    plot.series.push_back(std::move(valid));
  }
  return plot_svg(plot);
}

}  // namespace

std::vector<std::size_t> shown_trials(const RunResults& r) {
  std::vector<std::size_t> shown = trials_by_value(r);
  if (shown.size() > kAllTrials) {
    shown.resize(kBestTrials);
    for (const CostAxis& q : cost_axes(r)) {
      const std::vector<std::size_t> front = front_of(r, q);
      shown.insert(shown.end(), front.begin(), front.end());
    }
  }
  std::sort(shown.begin(), shown.end());
  shown.erase(std::unique(shown.begin(), shown.end()), shown.end());
  return shown;
}

namespace {

/// Of several objectives: what they are, and the trials that nothing dominates.
std::string objectives_html(const RunResults& r) {
  const std::string sentence = objectives_sentence(r);
  if (sentence.empty()) return "";
  std::vector<std::string> names = {"#trial"};
  for (const auto& [name, direction] : r.study.objectives) names.push_back(str("#", name));
  names.emplace_back("architecture");
  std::string table = table_head(names, "sort");
  for (const std::size_t i : front_trials(r)) {
    const TrialRow& t = r.trials[i];
    table += row_of_trial(t.number) + number_cell(str(t.number));
    for (const std::string& cell : front_cells(r, t)) table += number_cell(escape_html(cell));
    table += html_cell(escape_html(t.architecture)) + "</tr>\n";
  }
  return "<p>" + escape_html(sentence) + ".</p>\n" + details("The Pareto front as a table", table + "</table>");
}

}  // namespace

std::string trade_off_section(const RunResults& r) {
  const std::vector<std::size_t> shown = shown_trials(r);
  std::string out;
  for (const CostAxis& q : cost_axes(r)) out += trade_off_plot(r, q, shown, out.empty());
  out = objectives_html(r) + out;
  return section("trade-off", "Trade-off", out.empty() ? "<p class=\"soft\">Nothing to draw: no trial was complete.</p>\n" : out);
}

std::string search_section(const RunResults& r) {
  const std::vector<std::size_t> shown = shown_trials(r);
  const StudySummaryRow& s = r.study;
  std::string out = str("<p>", escape_html(search_sentence(r)), ".</p>\n<p class=\"soft\">Sampler ", escape_html(s.sampler),
                        ", stopping ", escape_html(s.pruner), ", ", s.virtual_workers, " virtual workers, seed ", s.seed, ".</p>\n",
                        states_html(r), search_plot(r, shown));
  for (const std::string& sentence : outlook_sentences(r)) out += "<p>" + escape_html(sentence) + ".</p>\n";
  const std::string title = shown.size() == r.trials.size()
                                ? std::string("All trials")
                                : str(shown.size(), " of ", r.trials.size(), " trials; results.json has all");
  if (!shown.empty())
    out += str("<details class=\"long\"><summary>", title, "</summary><div class=\"wide\">", trial_table(r, shown),
               "</div></details>\n");
  return section("search", "Search", out);
}

std::string training_section(const RunResults& r) {
  const bool any = std::any_of(r.models.begin(), r.models.end(), [](const ModelRow& m) {
    return std::any_of(m.curves.begin(), m.curves.end(), [](const auto& curve) { return !curve.empty(); });
  });
  return section("training", "Training",
                 metric_plot(r) + loss_plot(r) + (any ? details("Epochs of the finalists as a table", epoch_table(r)) : ""));
}

}  // namespace lathe::nas
