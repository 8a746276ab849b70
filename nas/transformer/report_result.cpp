// Sections of the page about the model that came out: mistakes and cost.
#include <lathe/base/text.h>
#include <lathe/nas/transformer/report_page.h>

#include <algorithm>

namespace lathe::nas {
namespace {

constexpr std::int32_t kClassesDrawn = 30;

std::string interval_of(std::int64_t part, std::int64_t whole) {
  if (whole == 0) return "";
  const data::Interval i = data::wilson_interval(part, whole);
  return str(fixed(i.low, 3), "–", fixed(i.high, 3));
}

std::string confusion_html(const RunResults& r) {
  std::vector<std::string> names = {"truth \\ answer"};
  for (std::int32_t p = 0; p < r.confusion.classes; ++p) names.push_back("#" + r.data.labels[static_cast<std::size_t>(p)]);
  std::string out = "<h3>What was taken for what</h3>\n<div class=\"wide\">" + table_head(names);
  for (std::int32_t t = 0; t < r.confusion.classes; ++t) {
    out += "<tr><th scope=\"row\">" + escape_html(r.data.labels[static_cast<std::size_t>(t)]) + "</th>";
    for (std::int32_t p = 0; p < r.confusion.classes; ++p)
      out += str("<td class=\"n", t == p ? " right" : "", "\">", with_commas(r.confusion.at(t, p)), "</td>");
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

std::string classes_html(const RunResults& r) {
  std::string out = "<h3>By class</h3>\n<div class=\"wide\">" +
                    table_head({"label", "#rows", "#recall", "#95 %", "", "#precision", "#95 %", "#F1"}, "sort");
  const std::vector<data::ClassScore> scores = data::class_scores(r.confusion);
  for (std::int32_t t = 0; t < r.confusion.classes; ++t) {
    const data::ClassScore& s = scores[static_cast<std::size_t>(t)];
    const std::int64_t right = r.confusion.at(t, t);
    out += str("<tr>", html_cell(escape_html(r.data.labels[static_cast<std::size_t>(t)])), number_cell(with_commas(s.support)),
               number_cell(score(s.recall)), number_cell(interval_of(right, s.support)), bar_cell(s.recall),
               number_cell(score(s.precision)), number_cell(interval_of(right, s.predicted)), number_cell(score(s.f1)), "</tr>\n");
  }
  return out + "</table></div>\n";
}

std::string reliability_html(const RunResults& r) {
  if (r.reliability.empty()) return "";
  Plot plot{"Can its confidence be trusted?", "Share of right answers by confidence; on the diagonal it is as right as it says",
            "confidence of the answer", "share that is right, 95 %"};
  plot.diagonal = true;
  PlotSeries s{"test rows by confidence", "trial", PlotKind::ranges};
  std::string table = table_head({"#confidence", "#rows", "#right", "#95 %"});
  for (const ReliabilityBin& b : r.reliability) {
    const data::Interval i = data::wilson_interval(b.right, b.rows);
    const double share = static_cast<double>(b.right) / static_cast<double>(b.rows);
    s.points.emplace_back(b.confidence, share);
    s.spread.emplace_back(i.low, i.high);
    s.titles.push_back(
        str("confidence ", fixed(b.confidence, 3), ": ", with_commas(b.right), " of ", with_commas(b.rows), " right"));
    table += str("<tr>", number_cell(fixed(b.confidence, 3)), number_cell(with_commas(b.rows)), number_cell(score(share)),
                 number_cell(interval_of(b.right, b.rows)), "</tr>\n");
  }
  s.focus = true;
  plot.series = {std::move(s)};
  return plot_svg(plot) +
         str("<p>Expected calibration error ", fixed(calibration_error(r.reliability), 3),
             ": on average confidence and share of right answers differ by so much.</p>\n") +
         details("Confidence as a table", table + "</table>");
}

std::string errors_html(const RunResults& r) {
  if (r.mistakes.empty()) return "";
  std::string out = "<h3>The most confident errors</h3>\n<p class=\"soft\">Mislabelled, or truly hard?</p>\n<div class=\"wide\">" +
                    table_head({"#confidence", "truth", "answer", "text", "place"}, "sort");
  for (const Mistake& m : r.mistakes)
    out += str("<tr>", number_cell(fixed(m.confidence, 3)), html_cell(escape_html(m.truth)), html_cell(escape_html(m.predicted)),
               "<td class=\"text\">", escape_html(m.text), "</td>", html_cell(escape_html(m.place)), "</tr>\n");
  return out + "</table></div>\n";
}

std::string layers_html(const RunResults& r) {
  if (r.layers.empty()) return "";
  double most = 0;
  std::int64_t work = 1;
  const bool timed = std::all_of(r.layers.begin(), r.layers.end(), [](const LayerCostRow& l) { return l.ms - l.ms == 0; });
  for (const LayerCostRow& l : r.layers) most = std::max(most, timed ? l.ms : static_cast<double>(l.flops)), work += l.flops;
  std::vector<std::string> names = {"part", "#parameters", "#FLOPs", "#share", "#memory"};
  if (timed) names.push_back("#ms");
  names.push_back("");
  std::string out =
      "<h3>Where the work is</h3>\n<p class=\"soft\">Of the winner, answering for one text.</p>\n<div class=\"wide\">" +
      table_head(names);
  for (const LayerCostRow& l : r.layers) {
    const double value = timed ? l.ms : static_cast<double>(l.flops);
    out += str("<tr>", html_cell(escape_html(l.name)), number_cell(with_commas(l.params)), number_cell(with_commas(l.flops)),
               number_cell(str(fixed(100 * static_cast<double>(l.flops) / static_cast<double>(work), 0), "&nbsp;%")),
               number_cell(megabytes(l.memory)), timed ? number_cell(fixed(l.ms, 3)) : "", bar_cell(most > 0 ? value / most : 0),
               "</tr>\n");
  }
  return out + "</table></div>\n";
}

std::string latency_html(const RunResults& r) {
  if (!r.latency) return "";
  const LatencySummary& l = *r.latency;
  Plot plot{"Latency predicted against measured", "A point for each measured architecture; on the diagonal the prediction is right",
            "measured, ms", "predicted, ms"};
  plot.diagonal = true;
  PlotSeries samples{"calibration", "trial"}, finals{"finalists, measured at the end", "best"};
  for (const LatencyRow& s : l.samples) {
    samples.points.emplace_back(s.measured, s.predicted);
    samples.titles.push_back(str(s.name, "  measured ", short_number(s.measured), " ms, predicted ", short_number(s.predicted)));
  }
  for (const ModelRow& m : r.models) {
    if (!m.latency) continue;
    finals.points.emplace_back(m.latency->p50, m.latency->predicted);
    finals.titles.push_back(
        str(m.name, "  measured ", short_number(m.latency->p50), " ms, predicted ", short_number(m.latency->predicted)));
  }
  finals.focus = true;
  plot.series = {std::move(samples), std::move(finals)};
  std::string out = plot_svg(plot) + str("<p>Kendall's τ ", fixed(l.tau, 3), ", mean error ", fixed(100 * l.mean_error, 1),
                                         "&nbsp;% on ", l.samples.size(), " architectures; batch ", l.batch, ", ", l.tokens,
                                         " tokens, ", l.threads, l.threads == 1 ? " thread.</p>\n" : " threads.</p>\n");
  if (!l.note.empty()) out += "<ul class=\"say\"><li class=\"warn\">" + escape_html(l.note) + "</li></ul>\n";
  return out;
}

std::string models_html(const RunResults& r) {
  const bool latency = any_latency(r);
  std::vector<std::string> names = {"model", "#parameters", "#FLOPs a text", "#size", "#memory", "#training memory"};
  if (latency) names.insert(names.end(), {"#predicted, ms", "#p50, ms", "#p95, ms"});
  std::string out = "<div class=\"wide\">" + table_head(names);
  for (const ModelRow& m : r.models) {
    out += str("<tr>", html_cell(escape_html(m.name)), number_cell(with_commas(m.params)), number_cell(with_commas(m.flops)),
               number_cell(megabytes(m.bytes)), number_cell(megabytes(m.answer_memory)), number_cell(megabytes(m.memory)));
    if (latency) {
      const ModelLatency l = m.latency.value_or(ModelLatency{});
      out += number_cell(short_number(l.predicted)) + number_cell(short_number(l.p50)) + number_cell(short_number(l.p95));
    }
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

}  // namespace

std::string mistakes_section(const RunResults& r) {
  if (r.winner < 0 || r.confusion.classes == 0) return "";
  return section("mistakes", "Mistakes",
                 str("<p>Test rows of the exported training (seed ", r.winner_seed, ").</p>\n",
                     r.confusion.classes <= kClassesDrawn ? confusion_html(r) : std::string(), classes_html(r), reliability_html(r),
                     errors_html(r)));
}

std::string cost_section(const RunResults& r) {
  if (r.models.empty()) return "";
  return section("cost", "Cost", models_html(r) + layers_html(r) + latency_html(r));
}

}  // namespace lathe::nas
