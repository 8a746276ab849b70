// The report as one page: no requests, works without its script, light and dark, every text escaped (training text is not trusted).
// Under each plot are its numbers as a table.
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/report_page.h>

#include <algorithm>

namespace lathe::nas {
namespace {

constexpr const char* kHead = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
)html";

constexpr std::size_t kLengthBars = 40;

std::string card(const std::string& name, const std::string& value, const std::string& note) {
  return "<div class=\"card\"><span>" + escape_html(name) + "</span><b>" + escape_html(value) + "</b><span>" + escape_html(note) +
         "</span></div>\n";
}

std::string cards(const RunResults& r) {
  std::string out;
  if (r.winner >= 0) {
    const ModelRow& m = r.models[static_cast<std::size_t>(r.winner)];
    if (!all_failed(m)) out += card("test " + r.metric, score(m.test), "95 %: " + interval_text(m));
    if (m.to_default)
      out += card("accuracy against the default", str(signed_score(m.to_default->mean)),
                  m.to_default->significant() ? str("± ", score(m.to_default->half_width), ", significant")
                                              : str("± ", score(m.to_default->half_width), ", could be chance"));
    out += card("parameters", short_number(static_cast<double>(m.params)), megabytes(m.bytes));
    if (m.latency && m.latency->p50 - m.latency->p50 == 0)
      out += card("latency", str(short_number(m.latency->p50), " ms"),
                  str("95 % of answers within ", short_number(m.latency->p95), " ms"));
    else if (m.flops > 0)
      out += card("work for a text", str(short_number(static_cast<double>(m.flops) / 1e6), " MFLOP"), "of mean length");
  }
  double seconds = 0;
  for (const auto& [phase, time] : r.seconds) seconds += time;
  out += card("search", str(with_commas(static_cast<std::int64_t>(r.trials.size())), r.trials.size() == 1 ? " trial" : " trials"),
              seconds > 0 ? duration_text(seconds) + (r.resumed ? " since it was resumed" : " in all") : std::string());
  return "<div class=\"cards\">\n" + out + "</div>\n";
}

std::string lead(const RunResults& r) {
  if (r.winner < 0) return "";
  const ModelRow& m = r.models[static_cast<std::size_t>(r.winner)];
  return "<p class=\"lead\">The winner is <b>" + escape_html(m.name) + "</b>: " + escape_html(m.architecture) + ".</p>\n";
}

std::string verdict_rows(const RunResults& r, bool latency) {
  std::string out;
  for (std::size_t i = 0; i < r.models.size(); ++i) {
    const ModelRow& m = r.models[i];
    const bool winner = static_cast<int>(i) == r.winner, failed = all_failed(m);
    out += str("<tr", winner ? " class=\"winner\"" : "", "><td>", escape_html(m.name),
               winner ? "<span class=\"badge\">winner</span>" : "", "<small>", escape_html(m.architecture), "</small></td>",
               number_cell(failed ? "failed" : score(m.test)), number_cell(failed ? "" : interval_text(m)),
               number_cell(failed ? "" : score(m.valid)), latency ? number_cell(m.latency ? short_number(m.latency->p50) : "") : "",
               number_cell(with_commas(m.params)), number_cell(megabytes(m.bytes)), number_cell(megabytes(m.answer_memory)),
               number_cell(m.to_default ? signed_score(m.to_default->mean) + " ±&nbsp;" + score(m.to_default->half_width) : ""),
               "</tr>\n");
  }
  for (const BaselineRow& b : r.baselines)
    out += str("<tr>", html_cell(escape_html(b.name)), number_cell(score(baseline_score(b, r.metric))),
               number_cell(interval_text(b, r.metric)), html_cell(""), latency ? html_cell("") : "", html_cell(""), html_cell(""),
               html_cell(""), html_cell(""), "</tr>\n");
  return out;
}

std::string verdict(const RunResults& r) {
  const bool latency = any_latency(r);
  std::vector<std::string> names = {"model", "#test " + r.metric, "#95 % interval", "#validation"};
  if (latency) names.push_back("#latency, ms");
  names.insert(names.end(), {"#parameters", "#size", "#memory", "#accuracy vs default"});
  std::string out = "<div class=\"wide\">" + table_head(names) + verdict_rows(r, latency) +
                    str("</table></div>\n<p class=\"soft\">", with_commas(r.data.test_rows),
                        " test rows, read once; mean and 95&nbsp;% interval over seeds and rows. The winner was chosen by "
                        "validation. Memory is what answering one text of the greatest length takes at most.</p>\n");
  std::string said;
  for (const VerdictLine& line : verdict_lines(r))
    said += str("<li", line.warn ? " class=\"warn\"" : "", ">", line.kind == VerdictLine::Kind::target ? "target " : "",
                escape_html(line.text), "</li>\n");
  for (const std::string& warning : r.data.warnings) said += "<li class=\"warn\">data: " + escape_html(warning) + "</li>\n";
  return section("verdict", "Verdict", out + (said.empty() ? "" : "<ul class=\"say\">\n" + said + "</ul>\n"));
}

std::string lengths_html(const DataSummary& d) {
  const std::size_t width = (d.length_counts.size() + kLengthBars - 1) / kLengthBars;
  Plot plot{"Length of the training texts",
            str("Number of training rows by length in tokens; longer ones than ", d.max_tokens, " are cut"), "tokens", "rows"};
  PlotSeries bars{"", "trial", PlotKind::bars};
  std::string table = table_head({"#tokens", "#rows"});
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
  if (d.cut_rows > 0) {
    plot.limit_x = static_cast<double>(d.max_tokens) + 0.5;
    plot.limit_text = str("cut at ", d.max_tokens, " tokens");
  }
  return plot_svg(plot) + (d.length_counts.empty() ? "" : details("Lengths as a table", table + "</table>"));
}

std::string data_section(const RunResults& r) {
  const DataSummary& d = r.data;
  std::string out = "<ul>\n";
  for (const std::string& note : d.notes) out += "<li>" + escape_html(note) + "</li>\n";
  out += str("<li>", with_commas(d.train_rows), " training, ", with_commas(d.valid_rows), " validation and ",
             with_commas(d.test_rows), " test rows</li>\n<li>", with_commas(d.train_tokens), " training tokens, vocabulary ",
             with_commas(d.vocabulary), "; ", with_commas(d.cut_rows), " training rows were cut at ", with_commas(d.max_tokens),
             " tokens</li>\n</ul>\n<div class=\"wide\">", table_head({"label", "#training rows", "#share", ""}));
  std::int64_t most = 1, sum = 0;
  for (const std::int64_t rows : d.class_rows) most = std::max(most, rows), sum += rows;
  for (std::size_t i = 0; i < d.labels.size() && i < d.class_rows.size(); ++i) {
    const auto rows = static_cast<double>(d.class_rows[i]);
    out += str("<tr>", html_cell(escape_html(d.labels[i])), number_cell(with_commas(d.class_rows[i])),
               number_cell(str(fixed(sum > 0 ? 100 * rows / static_cast<double>(sum) : 0, 1), "&nbsp;%")),
               bar_cell(rows / static_cast<double>(most)), "</tr>\n");
  }
  return section("data", "Data", out + "</table></div>\n" + lengths_html(d));
}

std::string repeat_section(const RunResults& r) {
  const auto row = [](const std::string& name, const std::string& html) {
    return "<tr><th scope=\"row\">" + escape_html(name) + "</th><td>" + html + "</td></tr>\n";
  };
  const auto code = [](const std::string& text) { return "<code class=\"copy\">" + escape_html(text) + "</code>"; };
  std::string out = "<div class=\"wide\"><table class=\"facts\">\n";
  for (const auto& [what, command] : r.commands) out += row(what, code(command));
  out += row("study hash", code(r.study.hash)) + row("data hash", code(r.data.hash)) +
         row("numerics, version", escape_html(r.study.numerics + ", lathe " + r.version)) +
         row("host, outside every hash", escape_html(str(r.host.cpu, ", ", r.host.backend, ", ", r.host.cores, " cores, ",
                                                         r.host.workers, " workers, ", r.host.compiler, ", ", r.host.system)));
  for (const auto& [phase, seconds] : r.seconds) out += row(time_of(r, phase), fixed(seconds, 1) + " s");
  out += "</table></div>\n";
  if (!r.config.empty())
    out += "<details class=\"long\"><summary>config.toml</summary><pre>" + escape_html(r.config) + "</pre></details>\n";
  return section("repeat", "Repeat", out);
}

/// The trials as columns, for programs that read the page. '<' is escaped, so no text can end the element.
std::string numbers_json(const RunResults& r) {
  JsonWriter json;
  json.begin_object().member("study", r.study.hash).member("metric", r.metric);
  json.key("columns").begin_array().value("trial").value("state").value(r.metric).value("params").end_array();
  json.key("trials").begin_array();
  for (const std::size_t i : shown_trials(r)) {
    const TrialRow& t = r.trials[i];
    json.begin_array().value(t.number).value(state_name(t.state));
    if (t.value && *t.value - *t.value == 0) {
      json.raw(fixed(*t.value, 5));
    } else {
      json.null();
    }
    json.value(t.params).end_array();
  }
  std::string out;
  for (const char c : json.end_array().end_object().text())
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  return "<script type=\"application/json\" id=\"numbers\">" + out + "</script>\n";
}

struct Section {
  const char *id, *title;
  std::string html;
};

}  // namespace

std::string html_cell(const std::string& html) { return "<td>" + html + "</td>"; }
std::string bar_cell(double share) {
  return "<td><span class=\"meter\"><span class=\"bar\" style=\"width:" + fixed(100 * share, 1) + "%\"></span></span></td>";
}
std::string number_cell(const std::string& html) { return "<td class=\"n\">" + html + "</td>"; }

std::string table_head(const std::vector<std::string>& names, const std::string& css) {
  std::string out = css.empty() ? "<table>\n<tr>" : "<table class=\"" + css + "\">\n<tr>";
  for (const std::string& name : names) {
    const bool right = name.starts_with('#');
    out += str("<th scope=\"col\"", right ? " class=\"n\"" : "", ">", escape_html(right ? name.substr(1) : name), "</th>");
  }
  return out + "</tr>\n";
}

std::string details(const std::string& summary, const std::string& html) {
  return "<details><summary>" + escape_html(summary) + "</summary><div class=\"wide\">" + html + "</div></details>\n";
}

std::string section(const std::string& id, const std::string& title, const std::string& html) {
  return "<section id=\"" + id + "\"><h2>" + title + "</h2>\n" + html + "</section>\n";
}

std::string row_of_trial(std::int64_t number) { return str("<tr data-t=\"", number, "\">"); }

const char* style_of(std::size_t rank, const std::string& name) {
  if (name == "default") return "default";
  return rank == 0 ? "best" : rank == 1 ? "second" : "third";
}

std::string report_html(const RunResults& r) {
  const std::vector<Section> sections = {{"verdict", "Verdict", verdict(r)},
                                         {"network", "The winner", network_section(r)},
                                         {"data", "Data", data_section(r)},
                                         {"trade-off", "Trade-off", trade_off_section(r)},
                                         {"search", "Search", search_section(r)},
                                         {"mattered", "What mattered", why_section(r)},
                                         {"training", "Training", training_section(r)},
                                         {"mistakes", "Mistakes", mistakes_section(r)},
                                         {"cost", "Cost", cost_section(r)},
                                         {"repeat", "Repeat", repeat_section(r)}};
  std::string nav, body;
  for (const Section& s : sections) {
    if (s.html.empty()) continue;
    nav += str("<a href=\"#", s.id, "\">", s.title, "</a>\n");
    body += s.html;
  }
  return std::string(kHead) + "<style>" + kReportStyle + "</style>\n<title>" + escape_html(r.study.name) +
         ": search report</title>\n</head>\n<body>\n<header><h1>" + escape_html(r.study.name) +
         "</h1>\n<div class=\"soft\">Search report of " + escape_html(r.data.name) + "</div>\n" + lead(r) + cards(r) +
         "<nav aria-label=\"Sections\">\n" + nav + "</nav></header>\n<main>\n" + body + "</main>\n<footer>Made by lathe " +
         escape_html(r.version) + " from results.json; the same record gives the same bytes.</footer>\n" + numbers_json(r) +
         "<script>" + kReportScript + "</script>\n</body>\n</html>\n";
}

}  // namespace lathe::nas
