// The report as one page: no requests, no script, light and dark, every text escaped (training text is not trusted). Under each
// plot are its numbers as a table.
#include <lathe/base/text.h>
#include <lathe/nas/transformer/report_svg.h>
#include <lathe/nas/transformer/report_text.h>

#include <algorithm>

namespace lathe::nas {
namespace {

constexpr const char* kHead = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
:root { --fg: #1b1f24; --bg: #ffffff; --soft: #59636e; --rule: #d0d7de; --best: #d55e00; --trial: #0072b2; --second: #009e73; --third: #cc79a7; --bar: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --fg: #e6edf3; --bg: #0d1117; --soft: #9198a1; --rule: #3d444d; --best: #e69f00; --trial: #56b4e9; --second: #2fbf93; --third: #e29ac4; --bar: #56b4e9; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--fg); background: var(--bg); max-width: 60rem; margin: 0 auto; padding: 1rem 1.25rem 3rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid var(--rule); }
table { border-collapse: collapse; margin: .6rem 0; font-size: .9rem; } .wide { overflow-x: auto; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
tr.winner td { font-weight: 600; } code, pre { font: .85rem/1.45 ui-monospace, monospace; } pre { overflow-x: auto; padding: .7rem; border: 1px solid var(--rule); border-radius: 6px; }
.soft { color: var(--soft); } svg { width: 100%; max-width: 44rem; height: auto; } svg text { fill: currentColor; font-size: 12px; }
.grid { stroke: var(--rule); stroke-width: 1; } .line { fill: none; stroke-width: 2; stroke: var(--trial); } .point { fill: var(--trial); }
.line.grey { stroke: var(--soft); stroke-width: 1; opacity: .45; } .point.grey { fill: var(--soft); opacity: .55; }
.line.best { stroke: var(--best); } .point.best { fill: var(--best); } .line.second { stroke: var(--second); stroke-dasharray: 6 3; } .point.second { fill: var(--second); }
.line.third { stroke: var(--third); stroke-dasharray: 2 3; } .point.third { fill: var(--third); } .line.default { stroke: var(--fg); stroke-dasharray: 8 3 2 3; } .point.default { fill: var(--fg); }
.point.trial { fill-opacity: .75; } .limit { stroke: var(--best); stroke-width: 1.5; stroke-dasharray: 5 4; }
td.right { outline: 1px solid var(--trial); outline-offset: -2px; }
.bar { display: inline-block; height: .7rem; background: var(--bar); } details { margin: .4rem 0; } summary { cursor: pointer; } td { overflow-wrap: break-word; } td.n { white-space: nowrap; }
@media print { :root { --fg: #000000; --bg: #ffffff; --soft: #444444; --rule: #bbbbbb; --best: #d55e00; --trial: #0072b2; --second: #009e73; --third: #cc79a7; --bar: #0072b2; }
body { max-width: none; font-size: 11pt; } svg, tr, pre { break-inside: avoid; } h2 { break-after: avoid; } }
</style>
)html";

/// More trials than this are too many for a page: the best and the front are shown, results.json has all.
constexpr std::size_t kAllTrials = 2000, kBestTrials = 500, kCurves = 200, kLengthBars = 64;

const char* style_of(std::size_t rank, const std::string& name) {
  if (name == "default") return "default";
  return rank == 0 ? "best" : rank == 1 ? "second" : "third";
}

std::string cell(const std::string& html) { return "<td>" + html + "</td>"; }
std::string number_cell(const std::string& html) { return "<td class=\"n\">" + html + "</td>"; }

/// The first row of a table; a name that starts with '#' heads a column of numbers.
std::string heads(const std::vector<std::string>& names) {
  std::string out = "<table>\n<tr>";
  for (const std::string& name : names) {
    const bool right = name.starts_with('#');
    out += str("<th scope=\"col\"", right ? " class=\"n\"" : "", ">", escape_html(right ? name.substr(1) : name), "</th>");
  }
  return out + "</tr>\n";
}

std::string details(const std::string& summary, const std::string& html) {
  return "<details><summary>" + escape_html(summary) + "</summary><div class=\"wide\">" + html + "</div></details>\n";
}

std::string plus_minus(double half_width) { return "&plusmn;&nbsp;" + score(half_width); }

std::string verdict(const RunResults& r) {
  std::string out = "<section><h2>Verdict</h2>\n<div class=\"wide\">" +
                    heads({"model", "architecture", "#test " + r.metric, "#95 %", "#validation", "#parameters", "#size",
                           "#training memory", "#accuracy vs default"});
  for (std::size_t i = 0; i < r.models.size(); ++i) {
    const ModelRow& m = r.models[i];
    const bool winner = static_cast<int>(i) == r.winner, failed = all_failed(m);
    out += str("<tr", winner ? " class=\"winner\"" : "", ">", cell(escape_html(m.name) + (winner ? " (winner)" : "")),
               cell(escape_html(m.architecture)), number_cell(failed ? "failed" : score(m.test)),
               number_cell(failed ? "" : plus_minus(m.half_width)), number_cell(failed ? "" : score(m.valid)),
               number_cell(with_commas(m.params)), number_cell(megabytes(m.bytes)), number_cell(megabytes(m.memory)),
               number_cell(m.to_default ? signed_score(m.to_default->mean) + " " + plus_minus(m.to_default->half_width) : ""),
               "</tr>\n");
  }
  for (const BaselineRow& b : r.baselines)
    out += str("<tr>", cell(escape_html(b.name)), cell(""), number_cell(score(baseline_score(b, r.metric))),
               number_cell(plus_minus(b.half_width)), cell(""), cell(""), cell(""), cell(""), cell(""), "</tr>\n");
  out += str("</table></div>\n<p class=\"soft\">", with_commas(r.data.test_rows),
             " test rows, read once; mean and 95&nbsp;% interval over seeds and rows. The winner was chosen by validation.</p>\n");
  const std::vector<std::string> sentences = verdict_sentences(r);
  if (sentences.empty()) return out + "</section>\n";
  out += "<ul>\n";
  for (const std::string& sentence : sentences) out += "<li>" + escape_html(sentence) + "</li>\n";
  return out + "</ul></section>\n";
}

std::string lengths_html(const DataSummary& d) {
  const std::size_t width = (d.length_counts.size() + kLengthBars - 1) / kLengthBars;
  Plot plot{"Length of the training rows",
            str("Number of training rows by length; the dashed line is the cut at ", d.max_tokens, " tokens"), "tokens", "rows"};
  PlotSeries bars{"", "trial", PlotKind::bars};
  std::string table = heads({"#tokens", "#rows"});
  for (std::size_t from = 0; from < d.length_counts.size(); from += width) {
    const std::size_t to = std::min(from + width, d.length_counts.size());
    std::int64_t rows = 0;
    for (std::size_t i = from; i < to; ++i) rows += d.length_counts[i];
    const std::string range = to - from == 1 ? str(to) : str(from + 1, " to ", to);
    bars.points.emplace_back(static_cast<double>(from + 1) + static_cast<double>(width - 1) / 2, static_cast<double>(rows));
    bars.titles.push_back(str(range, " tokens: ", with_commas(rows), " rows"));
    table += str("<tr>", number_cell(range), number_cell(with_commas(rows)), "</tr>\n");
  }
  plot.series = {std::move(bars)};
  if (d.cut_rows > 0) plot.limit_x = static_cast<double>(d.max_tokens) + 0.5;
  return plot_svg(plot) + (d.length_counts.empty() ? "" : details("Lengths as a table", table + "</table>"));
}

std::string data_section(const RunResults& r) {
  const DataSummary& d = r.data;
  std::string out = "<section><h2>Data</h2>\n<ul>\n";
  for (const std::string& note : d.notes) out += "<li>" + escape_html(note) + "</li>\n";
  for (const std::string& warning : d.warnings) out += "<li><strong>warning</strong> " + escape_html(warning) + "</li>\n";
  out += str("<li>", with_commas(d.train_rows), " training, ", with_commas(d.valid_rows), " validation and ",
             with_commas(d.test_rows), " test rows</li>\n<li>", with_commas(d.train_tokens), " training tokens, vocabulary ",
             with_commas(d.vocabulary), "; ", with_commas(d.cut_rows), " training rows were cut at ", with_commas(d.max_tokens),
             " tokens</li>\n</ul>\n<div class=\"wide\">", heads({"label", "#training rows", "share"}));
  std::int64_t most = 1;
  for (const std::int64_t rows : d.class_rows) most = std::max(most, rows);
  for (std::size_t i = 0; i < d.labels.size() && i < d.class_rows.size(); ++i)
    out += str("<tr>", cell(escape_html(d.labels[i])), number_cell(with_commas(d.class_rows[i])),
               "<td><span class=\"bar\" style=\"width:",
               fixed(10.0 * static_cast<double>(d.class_rows[i]) / static_cast<double>(most), 2), "rem\"></span></td></tr>\n");
  return out + "</table></div>\n" + lengths_html(d) + "</section>\n";
}

/// Complete trials that no smaller or equally large one beats, by size.
std::vector<std::size_t> front_of(const RunResults& r) {
  std::vector<std::size_t> order, front;
  for (const std::size_t i : trials_by_value(r))
    if (r.trials[i].state == TrialState::complete && r.trials[i].value && r.trials[i].params > 0) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return r.trials[a].params < r.trials[b].params; });
  for (const std::size_t i : order)
    if (front.empty() || *r.trials[i].value > *r.trials[front.back()].value) front.push_back(i);
  return front;
}

/// The trials that the page shows, by number.
std::vector<std::size_t> shown_trials(const RunResults& r) {
  std::vector<std::size_t> shown = trials_by_value(r);
  if (shown.size() > kAllTrials) {
    shown.resize(kBestTrials);
    const std::vector<std::size_t> front = front_of(r);
    shown.insert(shown.end(), front.begin(), front.end());
  }
  std::sort(shown.begin(), shown.end());
  shown.erase(std::unique(shown.begin(), shown.end()), shown.end());
  return shown;
}

std::string trade_off(const RunResults& r) {
  PlotSeries complete{"complete trial", "trial"}, stopped{"stopped early", "grey"},
      front{"best for its size", "best", PlotKind::line};
  for (const std::size_t i : shown_trials(r)) {
    const TrialRow& t = r.trials[i];
    if (!t.value) continue;
    PlotSeries& s = t.state == TrialState::complete ? complete : stopped;
    s.points.emplace_back(static_cast<double>(t.params), *t.value);
    s.titles.push_back(str("#", t.number, " ", score(*t.value), " ", t.architecture));
  }
  std::string table = heads({"trial", "#parameters", "#validation " + r.metric, "architecture"});
  for (const std::size_t i : front_of(r)) {
    const TrialRow& t = r.trials[i];
    front.points.emplace_back(static_cast<double>(t.params), *t.value);
    front.titles.push_back(str("#", t.number, " ", score(*t.value), " ", t.architecture));
    table += str("<tr>", cell(str("#", t.number)), number_cell(with_commas(t.params)), number_cell(score(*t.value)),
                 cell(escape_html(t.architecture)), "</tr>\n");
  }
  const bool any = !front.points.empty();
  PlotSeries base{"default, mean of its seeds", "default"};
  for (const ModelRow& m : r.models)
    if (m.name == "default" && !all_failed(m)) {
      base.points.emplace_back(static_cast<double>(m.params), m.valid);
      base.titles.push_back(str("default ", score(m.valid), " ", m.architecture));
    }
  return "<section><h2>Trade-off</h2>\n" +
         plot_svg({"Validation " + r.metric + " against size",
                   "A point for each trial; the line joins the trials that are best for their size",
                   "parameters (logarithmic)",
                   "validation " + r.metric,
                   {stopped, complete, front, base},
                   true}) +
         (any ? details("Best for their size as a table", table + "</table>") : "") + "</section>\n";
}

std::string trial_table(const RunResults& r, const std::vector<std::size_t>& shown) {
  std::string out = heads({"#trial", "state", "#" + r.metric, "#parameters", "#commit", "by epoch", "architecture", "point"});
  for (const std::size_t i : shown) {
    const TrialRow& t = r.trials[i];
    std::string curve;
    for (const double value : t.curve) curve += (curve.empty() ? "" : " ") + score(value);
    out += str("<tr>", number_cell(str(t.number)), cell(state_name(t.state)), number_cell(t.value ? score(*t.value) : ""),
               number_cell(with_commas(t.params)), number_cell(str(t.finish_event)), cell(curve), cell(escape_html(t.architecture)),
               cell(escape_html(point_text(t.parameters) + (t.note.empty() ? "" : "; " + t.note))), "</tr>\n");
  }
  return out + "</table>";
}

std::string search_section(const RunResults& r) {
  PlotSeries trials{"complete trial", "trial"}, best{"best so far", "best", PlotKind::steps};
  std::vector<const TrialRow*> order;
  for (const TrialRow& t : r.trials)
    if (t.state == TrialState::complete && t.value && *t.value - *t.value == 0) order.push_back(&t);
  std::stable_sort(order.begin(), order.end(),
                   [](const TrialRow* a, const TrialRow* b) { return a->finish_event < b->finish_event; });
  const std::vector<std::size_t> shown = shown_trials(r);
  for (const std::size_t i : shown)
    if (const TrialRow& t = r.trials[i]; t.state == TrialState::complete && t.value) {
      trials.points.emplace_back(static_cast<double>(t.finish_event), *t.value);
      trials.titles.push_back(str("#", t.number, " ", score(*t.value)));
    }
  for (const TrialRow* t : order) {  // a point where the best changes, and one at the end
    const bool better = best.points.empty() || *t->value > best.points.back().second;
    if (!better && t != order.back()) continue;
    best.points.emplace_back(static_cast<double>(t->finish_event), better ? *t->value : best.points.back().second);
    best.titles.push_back(better ? str("#", t->number, " ", score(*t->value)) : std::string("end"));
  }
  const StudySummaryRow& s = r.study;
  std::string out = str("<section><h2>Search</h2>\n<p>", escape_html(search_sentence(r)), ".</p>\n<p class=\"soft\">Sampler ",
                        escape_html(s.sampler), ", stopping ", escape_html(s.pruner), ", ", s.virtual_workers,
                        " virtual workers, seed ", s.seed, ".</p>\n");
  out += plot_svg({"Search",
                   "Complete trials by the commit that ended them, and the best so far",
                   "commit",
                   "validation " + r.metric,
                   {trials, best}});
  const std::string title = shown.size() == r.trials.size()
                                ? std::string("All trials")
                                : str(shown.size(), " of ", r.trials.size(), " trials; results.json has all");
  return out + (shown.empty() ? "" : details(title, trial_table(r, shown))) + "</section>\n";
}

std::string epoch_table(const RunResults& r) {
  std::string out = heads({"model", "#training", "#epoch", "#training loss", "#validation loss", "#accuracy", "#macro F1", "kept"});
  for (const ModelRow& m : r.models)
    for (std::size_t c = 0; c < m.curves.size(); ++c)
      for (const train::EpochResult& e : m.curves[c])
        out += str("<tr>", cell(escape_html(m.name)), number_cell(str(c + 1)), number_cell(str(e.epoch)),
                   number_cell(score(e.train_loss)), number_cell(score(e.valid.loss)), number_cell(score(e.valid.accuracy)),
                   number_cell(score(e.valid.macro_f1)), cell(e.best ? "best" : ""), "</tr>\n");
  return out + "</table>";
}

std::string training_section(const RunResults& r) {
  Plot plot{"Learning curves", "Validation by epoch: finalists in colour, one line a seed; trials of the search in grey", "epoch",
            "validation " + r.metric};
  std::vector<std::size_t> order = trials_by_value(r);
  if (order.size() > kCurves) order.resize(kCurves);
  for (const std::size_t i : order) {
    PlotSeries s{r.trials.size() > kCurves ? str("the best ", kCurves, " trials") : std::string("trials"), "grey", PlotKind::line};
    for (std::size_t e = 0; e < r.trials[i].curve.size(); ++e)
      s.points.emplace_back(static_cast<double>(e + 1), r.trials[i].curve[e]);
    plot.series.push_back(std::move(s));
  }
  bool any = false;
  for (std::size_t i = r.models.size(); i-- > 0;)  // the best on top
    for (const std::vector<train::EpochResult>& curve : r.models[i].curves) {
      PlotSeries s{r.models[i].name, style_of(i, r.models[i].name), PlotKind::line};
      for (const train::EpochResult& e : curve)
        s.points.emplace_back(static_cast<double>(e.epoch), r.metric == "macro_f1" ? e.valid.macro_f1 : e.valid.accuracy);
      any = any || !s.points.empty();
      plot.series.push_back(std::move(s));
    }
  return "<section><h2>Training</h2>\n" + plot_svg(plot) +
         (any ? details("Epochs of the finalists as a table", epoch_table(r)) : "") + "</section>\n";
}

std::string confusion_html(const RunResults& r) {
  std::vector<std::string> names = {"truth \\ answer"};
  for (std::int32_t p = 0; p < r.confusion.classes; ++p) names.push_back("#" + r.data.labels[static_cast<std::size_t>(p)]);
  names.insert(names.end(), {"#precision", "#recall", "#F1"});
  std::string out = "<div class=\"wide\">" + heads(names);
  const std::vector<data::ClassScore> scores = data::class_scores(r.confusion);
  for (std::int32_t t = 0; t < r.confusion.classes; ++t) {
    out += "<tr><th scope=\"row\">" + escape_html(r.data.labels[static_cast<std::size_t>(t)]) + "</th>";
    for (std::int32_t p = 0; p < r.confusion.classes; ++p)
      out += str("<td class=\"n", t == p ? " right" : "", "\">", with_commas(r.confusion.at(t, p)), "</td>");
    const data::ClassScore& s = scores[static_cast<std::size_t>(t)];
    out += str(number_cell(score(s.precision)), number_cell(score(s.recall)), number_cell(score(s.f1)), "</tr>\n");
  }
  return out + "</table></div>\n";
}

std::string mistakes_section(const RunResults& r) {
  if (r.winner < 0 || r.confusion.classes == 0) return "";
  std::string out =
      str("<section><h2>Mistakes</h2>\n<p>Test rows of the exported training (seed ", r.winner_seed, ").</p>\n", confusion_html(r));
  if (r.mistakes.empty()) return out + "</section>\n";
  out += "<p>The most confident errors: mislabelled, or truly hard?</p>\n<div class=\"wide\">" +
         heads({"#confidence", "truth", "answer", "text", "place"});
  for (const Mistake& m : r.mistakes)
    out += str("<tr>", number_cell(fixed(m.confidence, 3)), cell(escape_html(m.truth)), cell(escape_html(m.predicted)),
               cell(escape_html(m.text)), cell(escape_html(m.place)), "</tr>\n");
  return out + "</table></div></section>\n";
}

std::string repeat_section(const RunResults& r) {
  const auto row = [](const std::string& name, const std::string& html) {
    return "<tr><th scope=\"row\">" + escape_html(name) + "</th><td>" + html + "</td></tr>\n";
  };
  const auto code = [](const std::string& text) { return "<code>" + escape_html(text) + "</code>"; };
  std::string out = "<section><h2>Repeat</h2>\n<div class=\"wide\"><table>\n";
  for (const auto& [what, command] : r.commands) out += row(what, code(command));
  out += row("study hash", code(r.study.hash)) + row("data hash", code(r.data.hash)) +
         row("numerics, version", escape_html(r.study.numerics + ", lathe " + r.version)) +
         row("host, outside every hash", escape_html(str(r.host.cpu, ", ", r.host.backend, ", ", r.host.cores, " cores, ",
                                                         r.host.workers, " workers, ", r.host.compiler, ", ", r.host.system)));
  for (const auto& [phase, seconds] : r.seconds) out += row("time of " + phase, fixed(seconds, 1) + " s");
  out += "</table></div>\n";
  if (!r.config.empty()) out += "<details><summary>config.toml</summary><pre>" + escape_html(r.config) + "</pre></details>\n";
  return out + "</section>\n";
}

}  // namespace

std::string report_html(const RunResults& r) {
  return std::string(kHead) + "<title>" + escape_html(r.study.name) + ": search report</title>\n</head>\n<body>\n<h1>" +
         escape_html(r.study.name) + "</h1>\n<p class=\"soft\">Search report of " + escape_html(r.data.name) + "</p>\n" +
         verdict(r) + data_section(r) + trade_off(r) + search_section(r) + training_section(r) + mistakes_section(r) +
         repeat_section(r) + "</body>\n</html>\n";
}

}  // namespace lathe::nas
