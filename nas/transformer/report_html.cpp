// The report as one page: no requests, no script, light and dark, every text escaped (training text is not trusted).
#include <lathe/base/text.h>
#include <lathe/nas/transformer/report_svg.h>
#include <lathe/nas/transformer/results.h>

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
.bar { display: inline-block; height: .7rem; background: var(--bar); } details { margin: .4rem 0; }
@media print { body { max-width: none; } section { break-inside: avoid; } }
</style>
)html";

const char* style_of(std::size_t rank, const std::string& name) {
  if (name == "default") return "default";
  return rank == 0 ? "best" : rank == 1 ? "second" : "third";
}

std::string cell(const std::string& text, bool number = false) {
  return str("<td", number ? " class=\"n\"" : "", ">", text, "</td>");
}

std::string verdict(const RunResults& r) {
  std::string out =
      "<section><h2>Verdict</h2>\n<div class=\"wide\"><table><tr><th>model</th><th>architecture</th><th class=\"n\">test " +
      escape_html(r.metric) +
      "</th><th class=\"n\">95 %</th><th class=\"n\">validation</th><th class=\"n\">parameters</th><th class=\"n\">vs "
      "default</th></tr>\n";
  for (std::size_t i = 0; i < r.models.size(); ++i) {
    const ModelRow& m = r.models[i];
    const bool failed = m.failed == m.seeds;
    out += str("<tr", static_cast<int>(i) == r.winner ? " class=\"winner\"" : "", ">",
               cell(escape_html(m.name) + (static_cast<int>(i) == r.winner ? " (winner)" : "")), cell(escape_html(m.architecture)),
               cell(failed ? "failed" : fixed(m.test, 4), true), cell("&plusmn; " + fixed(m.half_width, 4), true),
               cell(fixed(m.valid, 4), true), cell(with_commas(m.params), true),
               cell(m.to_default ? (m.to_default->mean >= 0 ? "+" : "") + fixed(m.to_default->mean, 4) : "", true), "</tr>\n");
  }
  for (const BaselineRow& b : r.baselines)
    out += str("<tr>", cell(escape_html(b.name)), cell(""), cell(fixed(r.metric == "accuracy" ? b.accuracy : b.macro_f1, 4), true),
               cell("&plusmn; " + fixed(b.half_width, 4), true), cell(""), cell(""), cell(""), "</tr>\n");
  out += str("</table></div>\n<p class=\"soft\">", with_commas(r.data.test_rows),
             " test rows, read once; mean and 95 % interval over seeds and rows. The winner was chosen by validation.</p>\n<ul>\n");
  for (const std::string& sentence : verdict_sentences(r)) out += "<li>" + escape_html(sentence) + "</li>\n";
  return out + "</ul></section>\n";
}

std::string data_section(const RunResults& r) {
  std::string out = "<section><h2>Data</h2>\n<ul>\n";
  for (const std::string& note : r.data.notes) out += "<li>" + escape_html(note) + "</li>\n";
  for (const std::string& warning : r.data.warnings) out += "<li><strong>warning</strong> " + escape_html(warning) + "</li>\n";
  out += "</ul>\n<table><tr><th>label</th><th class=\"n\">training rows</th><th></th></tr>\n";
  std::int64_t most = 1;
  for (const std::int64_t rows : r.data.class_rows) most = std::max(most, rows);
  for (std::size_t i = 0; i < r.data.labels.size() && i < r.data.class_rows.size(); ++i)
    out += str("<tr>", cell(escape_html(r.data.labels[i])), cell(with_commas(r.data.class_rows[i]), true),
               "<td><span class=\"bar\" style=\"width:",
               fixed(10.0 * static_cast<double>(r.data.class_rows[i]) / static_cast<double>(most), 2), "rem\"></span></td></tr>\n");
  out += "</table>\n";
  PlotSeries lengths{"rows of this length", "trial", {}, true, {}};
  for (std::size_t i = 0; i < r.data.length_counts.size(); ++i)
    lengths.points.emplace_back(static_cast<double>(i + 1), static_cast<double>(r.data.length_counts[i]));
  out += plot_svg("Length of the training rows", str("Rows by number of tokens; texts are cut at ", r.data.max_tokens), "tokens",
                  "rows", {lengths});
  return out + str("<p class=\"soft\">", with_commas(r.data.cut_rows), " training rows were cut at ", r.data.max_tokens,
                   " tokens; vocabulary ", with_commas(r.data.vocabulary), ".</p></section>\n");
}

std::string trade_off(const RunResults& r) {
  PlotSeries trials{"", "trial", {}, false, {}}, stopped{"", "grey", {}, false, {}},
      front{"best for its size", "best", {}, true, {}};
  std::vector<std::pair<double, double>> all;
  for (const TrialRow& t : r.trials) {
    if (!t.value) continue;
    PlotSeries& s = t.state == TrialState::complete ? trials : stopped;
    s.points.emplace_back(static_cast<double>(t.params), *t.value);
    s.titles.push_back(str("#", t.number, " ", fixed(*t.value, 4), " ", t.architecture));
    if (t.state == TrialState::complete) all.emplace_back(static_cast<double>(t.params), *t.value);
  }
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first < b.first : a.second > b.second; });
  for (const auto& p : all)
    if (front.points.empty() || p.second > front.points.back().second) front.points.push_back(p);
  return "<section><h2>Trade-off</h2>\n" +
         plot_svg("Validation " + r.metric + " against size",
                  "Each trial; grey ones were stopped early; the line joins the best for their size", "parameters",
                  "validation " + r.metric, {stopped, trials, front}, true) +
         "</section>\n";
}

std::string search_section(const RunResults& r) {
  PlotSeries trials{"", "trial", {}, false, {}}, best{"best so far", "best", {}, true, {}};
  int complete = 0, pruned = 0, failed = 0;
  std::vector<const TrialRow*> order;
  for (const TrialRow& t : r.trials) {
    complete += t.state == TrialState::complete;
    pruned += t.state == TrialState::pruned;
    failed += t.state == TrialState::failed;
    if (t.state == TrialState::complete && t.value) order.push_back(&t);
  }
  std::sort(order.begin(), order.end(), [](const TrialRow* a, const TrialRow* b) { return a->finish_event < b->finish_event; });
  double top = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto commit = static_cast<double>(order[i]->finish_event);
    top = i == 0 ? *order[i]->value : std::max(top, *order[i]->value);
    trials.points.emplace_back(commit, *order[i]->value);
    trials.titles.push_back(str("#", order[i]->number, " ", fixed(*order[i]->value, 4)));
    best.points.emplace_back(commit, top);
  }
  std::string out = str("<section><h2>Search</h2>\n<p>", r.trials.size(), " trials from ", escape_html(r.study.space),
                        " architectures: ", complete, " complete, ", pruned, " stopped early, ", failed, " failed. Sampler ",
                        escape_html(r.study.sampler), ", stopping ", escape_html(r.study.pruner), ", ", r.study.virtual_workers,
                        " virtual workers.</p>\n");
  out += plot_svg("Search", "Complete trials by commit, and the best so far", "commit", "validation " + r.metric, {trials, best});
  out +=
      "<details><summary>All trials</summary><div class=\"wide\"><table><tr><th class=\"n\">trial</th><th>state</th><th "
      "class=\"n\">value</th><th class=\"n\">parameters</th><th>architecture</th><th>point</th></tr>\n";
  for (const TrialRow& t : r.trials) {
    std::string point;
    for (const auto& [name, value] : t.parameters) point += (point.empty() ? "" : ", ") + name + " " + value;
    out += str("<tr>", cell(std::to_string(t.number), true), cell(state_name(t.state)),
               cell(t.value ? fixed(*t.value, 4) : "", true), cell(with_commas(t.params), true), cell(escape_html(t.architecture)),
               cell(escape_html(point + (t.note.empty() ? "" : "; " + t.note))), "</tr>\n");
  }
  return out + "</table></div></details></section>\n";
}

std::string training_section(const RunResults& r) {
  std::vector<PlotSeries> series;
  for (const TrialRow& t : r.trials) {
    PlotSeries s{str("#", t.number), "grey", {}, true, {}};
    for (std::size_t e = 0; e < t.curve.size(); ++e) s.points.emplace_back(static_cast<double>(e + 1), t.curve[e]);
    series.push_back(std::move(s));
  }
  std::string legend;
  for (std::size_t i = 0; i < r.models.size(); ++i) {
    const ModelRow& m = r.models[i];
    legend += (legend.empty() ? "" : ", ") + m.name +
              (m.name == "default" ? " (dash-dotted)"
               : i == 0            ? " (solid)"
               : i == 1            ? " (dashed)"
                                   : " (dotted)");
    for (const std::vector<train::EpochResult>& curve : m.curves) {
      PlotSeries s{m.name, style_of(i, m.name), {}, true, {}};
      for (const train::EpochResult& e : curve)
        s.points.emplace_back(static_cast<double>(e.epoch), r.metric == "accuracy" ? e.valid.accuracy : e.valid.macro_f1);
      series.push_back(std::move(s));
    }
  }
  return "<section><h2>Training</h2>\n" +
         plot_svg("Learning curves", "Validation by epoch: finalists with all seeds in colour, trials in grey", "epoch",
                  "validation " + r.metric, series) +
         "<p class=\"soft\">In colour, one line a seed: " + escape_html(legend) +
         ". Grey: the trials of the search.</p></section>\n";
}

std::string mistakes_section(const RunResults& r) {
  if (r.winner < 0) return "";
  std::string out = "<section><h2>Mistakes</h2>\n<table><tr><th>truth \\ answer</th>";
  for (const std::string& label : r.data.labels) out += "<th class=\"n\">" + escape_html(label) + "</th>";
  out += "</tr>\n";
  for (std::int32_t t = 0; t < r.confusion.classes; ++t) {
    out += "<tr>" + cell(escape_html(r.data.labels[static_cast<std::size_t>(t)]));
    for (std::int32_t p = 0; p < r.confusion.classes; ++p) out += cell(with_commas(r.confusion.at(t, p)), true);
    out += "</tr>\n";
  }
  out += "</table>\n";
  if (r.mistakes.empty()) return out + "</section>\n";
  out +=
      "<p>The most confident errors: mislabelled, or truly hard?</p>\n<table><tr><th "
      "class=\"n\">confidence</th><th>truth</th><th>answer</th><th>text</th><th>place</th></tr>\n";
  for (const Mistake& m : r.mistakes)
    out += str("<tr>", cell(fixed(m.confidence, 3), true), cell(escape_html(m.truth)), cell(escape_html(m.predicted)),
               cell(escape_html(m.text)), cell(escape_html(m.place)), "</tr>\n");
  return out + "</table></section>\n";
}

std::string repeat_section(const RunResults& r) {
  std::string out = "<section><h2>Repeat</h2>\n<table>\n";
  for (const auto& [what, command] : r.commands)
    out += "<tr>" + cell(escape_html(what)) + "<td><code>" + escape_html(command) + "</code></td></tr>\n";
  out += str("<tr>", cell("study hash"), "<td><code>", r.study.hash, "</code></td></tr>\n<tr>", cell("data hash"), "<td><code>",
             r.data.hash, "</code></td></tr>\n<tr>", cell("numerics, version"),
             cell(escape_html(r.study.numerics + ", lathe " + r.version)), "</tr>\n<tr>", cell("host, outside every hash"),
             cell(escape_html(str(r.host.cpu, ", ", r.host.backend, ", ", r.host.cores, " cores, ", r.host.workers, " workers, ",
                                  r.host.compiler, ", ", r.host.system))),
             "</tr>\n");
  for (const auto& [phase, seconds] : r.seconds)
    out += "<tr>" + cell("time: " + escape_html(phase)) + cell(fixed(seconds, 1) + " s") + "</tr>\n";
  return out + "</table>\n<details><summary>config.toml</summary><pre>" + escape_html(r.config) + "</pre></details></section>\n";
}

}  // namespace

std::string report_html(const RunResults& r) {
  return std::string(kHead) + "<title>" + escape_html(r.study.name) + ": search report</title>\n</head>\n<body>\n<h1>" +
         escape_html(r.study.name) + "</h1>\n<p class=\"soft\">Search report of " + escape_html(r.data.name) + "</p>\n" +
         verdict(r) + data_section(r) + trade_off(r) + search_section(r) + training_section(r) + mistakes_section(r) +
         repeat_section(r) + "</body>\n</html>\n";
}

}  // namespace lathe::nas
