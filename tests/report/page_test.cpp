// The page: well-formed, self-contained, nothing of the data is read as markup, the same bytes for the same record.
// How it looks was judged in a browser: widths of 1280 and 390, light and dark, printed on A4.
#include <lathe/nas/transformer/report_svg.h>

#include "sample.h"

#include <doctest/doctest.h>

using namespace lathe;
using namespace lathe::nas;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

bool is_void(const std::string& tag) { return tag == "meta" || tag == "br" || tag == "!doctype"; }

/// Empty if every tag is closed in order and no attribute or text holds a stray '<'; else what is wrong.
std::string unbalanced(const std::string& html) {
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at)) {
    std::size_t end = at + 1;
    char quote = 0;
    for (; end < html.size() && (quote || html[end] != '>'); ++end) {
      if (quote ? html[end] == quote : html[end] == '"') quote = quote ? '\0' : '"';
      if (html[end] == '<') return "'<' inside a tag: " + html.substr(at, 60);
    }
    if (end == html.size()) return "tag without end: " + html.substr(at, 60);
    const std::string tag = html.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (tag.starts_with("/")) {
      while (tag == "/tr" && !open.empty() && open.back() == "td") open.pop_back();  // the long table leaves </td> out
      if (open.empty() || open.back() != name.substr(1)) return "closes " + tag + " inside " + (open.empty() ? "" : open.back());
      open.pop_back();
    } else if (name == "script") {  // its text is no markup
      end = html.find("</script>", end);
      if (end == std::string::npos) return "script without end";
      end += 8;
    } else if (!is_void(name) && !tag.ends_with("/") && !(name == "td" && !open.empty() && open.back() == "td")) {
      open.push_back(name);
    }
    at = end;
  }
  return open.empty() ? "" : "open: " + open.back();
}

}  // namespace

/// The page without what its scripts and styles say.
std::string markup(std::string html) {
  for (const auto& [from, to] : {std::pair{"<script", "</script>"}, std::pair{"<style>", "</style>"}})
    for (std::size_t at = html.find(from); at != std::string::npos; at = html.find(from))
      html.erase(at, html.find(to, at) + std::string(to).size() - at);
  return html;
}

TEST_CASE("the page is well-formed and self-contained, and its only scripts are its own") {
  const std::string html = report_html(sample_results());
  CHECK(unbalanced(html) == "");
  CHECK(html.starts_with("<!doctype html>\n<html lang=\"en\">"));
  CHECK(count(html, "default-src 'none'") == 1);
  CHECK(count(html, "http") == count(html, "http-equiv"));
  CHECK(count(html, "<script") == 2);
  CHECK(count(html, "<script type=\"application/json\"") == 1);
  CHECK(count(html, " href=") == count(html, " href=\"#"));
  for (const char* part : {" src=", "url(", "@import", "<link", "<img", "innerHTML", "eval(", "fetch("})
    CHECK_MESSAGE(count(html, part) == 0, part);
  for (const char* part : {"nan", "NaN", "inf<"}) CHECK_MESSAGE(count(markup(html), part) == 0, part);
  for (const char* title :
       {"Verdict", "The winner", "Data", "Trade-off", "Search", "What mattered", "Training", "Mistakes", "Cost", "Repeat"})
    CHECK_MESSAGE(count(html, std::string("<h2>") + title + "</h2>") == 1, title);
  CHECK(count(html, "<svg role=\"img\"") == count(html, "</title><desc>"));
  CHECK(count(html, "<figure>") == 10);  // lengths, three trade-offs, search, lines, two of training, reliability, latency
  CHECK(count(html, "prefers-color-scheme: dark") == 1);
  CHECK(count(html, "@media print") == 1);
}

TEST_CASE("what the search measured and explained is on the page") {
  const std::string html = report_html(sample_results());
  for (const char* part :
       {"latency_ms &lt;= 5", "calibration", "Kendall's τ 0.940", "the machine drifted &lt;a little&gt;", "layer 1 attention",
        "best at the top edge", "attention, 2 heads of 32", "feed-forward 128, gelu_tanh", "#0 breaks latency_ms", "retrained",
        "With twice the budget, 8 trials", "Luck alone, 4 trials like its 2 random ones", "Expected calibration error 0.100",
        "0.819–0.863", "0.300 to 0.500"})
    CHECK_MESSAGE(count(html, part) >= 1, part);
  RunResults many = sample_results();
  add_trials(many, 18);
  CHECK(count(report_html(many), "how much the best tenth of the 20 complete trials, 2, differs from all in this parameter") == 1);
  CHECK(count(report_html(many), "60&nbsp;%</span>") == 1);
  const std::string text = report_markdown(many);
  for (const char* part : {"## What mattered", "| lr | 60 % | top |", "| layers | 2 | 1 |", "## Cost", "| layer 1 attention |",
                           "Kendall's τ 0.940", "With twice the budget"})
    CHECK_MESSAGE(count(text, part) >= 1, part);
}

TEST_CASE("the time of a resumed run is said to be that") {
  RunResults r = sample_results();
  CHECK(count(report_html(r), "9 m 1 s since it was resumed") == 1);
  CHECK(count(report_markdown(r), "- time of finalists, since the run was resumed: 170.5 s") == 1);
  r.resumed = false;
  CHECK(count(report_html(r), "9 m 1 s in all") == 1);
  CHECK(count(report_markdown(r), "- time of finalists: 170.5 s") == 1);
}

TEST_CASE("what trials are judged by has its name, its direction and its own scale") {
  RunResults r = sample_results();
  CHECK(count(report_html(r), "validation accuracy of a cheaper training") == 0);
  r.study.evaluation = "proxy";
  CHECK(count(report_html(r), "validation accuracy of a cheaper training") >= 3);
  CHECK(count(report_html(r), "finalists, mean of their seeds") >= 1);
  r.study.evaluation = "inherited";
  CHECK(count(report_markdown(r), "| trial | state | validation accuracy with shared weights |") == 1);

  r.study.evaluation = "synflow";  // of another scale than any accuracy
  r.trials[0].value = 2.5e7;
  CHECK(count(report_html(r), "synflow score against parameters") >= 1);
  CHECK(count(report_html(r), "25,000,000") >= 1);
  CHECK(count(report_html(r), "finalists, mean of their seeds") == 0);

  r = sample_results();  // the smallest model, of those that are good enough
  r.study.metric = "params";
  r.study.objectives = {{"params", "minimise"}};
  for (TrialRow& trial : r.trials) {
    if (trial.value) trial.measures = {{"accuracy", *trial.value}};
    if (trial.value) trial.value = static_cast<double>(trial.params);
  }
  r.why.effects[0].difference = 500;  // "trials": larger, so worse
  const std::string html = report_html(r);
  CHECK(count(html, "best #0 with 90,000") == 1);
  CHECK(count(html, ">90,000</text>") >= 1);  // both ends of the axis of values
  CHECK(count(html, ">150,000</text>") >= 1);
  CHECK(count(html, "parameters to its params;") == 1);
  r.trials[0].violation = 0.1;  // small, but not good enough
  CHECK(count(report_html(r), "best #3 with 150,000") == 1);
  CHECK(run_results(to_json(r), "x").trials[0].violation == 0.1);
  r.trials[3].violation = 0.3;
  CHECK(count(report_html(r), "best #0 with 90,000, which breaks a constraint, as all do") == 1);
  CHECK(count(html, "Validation accuracy against parameters") >= 1);
  CHECK(count(html, "difference in params") == 1);
  CHECK(count(html, "difference in validation accuracy") == 1);  // what was retrained
  CHECK(count(html, "<rect class=\"worse\"") == 1);
  CHECK(count(report_markdown(r), "| trial | state | params |") == 1);
}

TEST_CASE("the trade-off says what is predicted, what measured, and joins the two") {
  RunResults r = sample_results();
  const std::string html = report_html(r);
  CHECK(count(html, "latency of one text, ms (predicted; finalists measured)") >= 1);
  CHECK(count(html, "from where the search saw them") == 3);  // the legend of each plot
  for (ModelRow& m : r.models) m.latency.reset();
  CHECK(count(report_html(r), "latency of one text, ms (predicted)") >= 1);
  r.models[0].name = "#77";  // no such trials
  r.models[1].name = "#78";
  CHECK(count(report_html(r), "from where the search saw them") == 0);
}

TEST_CASE("importance of few trials is left out, and says so") {
  RunResults r = sample_results();
  add_trials(r, 17);
  const std::string sentence =
      "Importance is left out: it would set the best tenth of the 19 complete trials, 2, against all; from 20 complete trials on "
      "it is "
      "told";
  CHECK(count(report_html(r), sentence) == 1);
  CHECK(count(report_html(r), "60&nbsp;%</span>") == 0);
  CHECK(count(report_markdown(r), sentence) == 1);
  CHECK(count(report_markdown(r), "| lr | 60 %") == 0);
}

TEST_CASE("memory is that of answering where the search was asked about it, else that of training, and says which") {
  RunResults r = sample_results();
  CHECK(count(report_html(r), "Validation accuracy against peak memory of training, MB") == 2);  // caption and title
  CHECK(count(report_html(r), "<td class=\"n\">2.7 MB</td>") == 6);  // three models, in verdict and cost
  r.limits = {{"memory_mb", 2.5, "memory_mb <= 2.5"}};
  for (TrialRow& t : r.trials) t.measures = {{"memory_mb", 1 + static_cast<double>(t.params) / 1e5}};
  const std::string html = report_html(r);
  CHECK(count(html, "Validation accuracy against memory of answering one text, MB") == 2);
  CHECK(count(html, "peak memory of training, MB") == 0);
  CHECK(count(html, "memory_mb &lt;= 2.5") >= 1);
}

TEST_CASE("a winner whose architecture cannot be read is named, not drawn") {
  RunResults r = sample_results();
  r.models[0].config = "{\"hidden\":-1}";
  CHECK(unbalanced(report_html(r)) == "");
  CHECK(count(report_html(r), "it cannot be drawn") == 1);
}

TEST_CASE("texts of the data are shown, not obeyed") {
  const std::string html = report_html(sample_results());
  CHECK(count(markup(html), "alert(1)<") == 0);
  CHECK(count(html, "it&#39;s &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; | a &quot;film&quot; &amp; `more`") == 1);
  CHECK(count(html, "reviews &amp; &lt;b&gt;.tsv") > 0);
  CHECK(count(html, "loss is &lt;not&gt; finite") == 1);
  CHECK(count(html, "&lt;reviews&gt;.tsv") == 1);
  CHECK(escape_html("a\x01"
                    "b\x7f\n\t") ==
        "a\xEF\xBF\xBD"
        "b\xEF\xBF\xBD\n\t");
  CHECK(escape_html("\xC3\xA9\xFF<\xE2\x82") == "\xC3\xA9\xEF\xBF\xBD&lt;\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_CASE("the same record gives the same bytes, also after reading it back") {
  const RunResults r = sample_results();
  CHECK(report_html(r) == report_html(r));
  CHECK(report_html(run_results(to_json(r), "x")) == report_html(r));
}

TEST_CASE("runs without models, trials or tests have a page") {
  CHECK(unbalanced(report_html(RunResults{})) == "");
  RunResults r = sample_results();
  r.models.clear();
  r.winner = -1;
  r.confusion = {};
  r.mistakes.clear();
  r.winner_to_bag_of_words.reset();
  std::string html = report_html(r);
  CHECK(unbalanced(html) == "");
  CHECK(count(html, "there is no model") == 1);
  CHECK(count(html, "<h2>Mistakes</h2>") == 0);
  r = sample_results();
  r.trials.resize(1);
  r.trials[0].value = 0.0;
  r.trials[0].params = 0;  // no place on a logarithmic axis
  r.trials[0].curve = {std::numeric_limits<double>::quiet_NaN()};
  r.models[0].test = std::numeric_limits<double>::quiet_NaN();
  html = report_html(r);
  CHECK(unbalanced(html) == "");
  CHECK(count(markup(html), "nan") == 0);
}

TEST_CASE("thousands of trials keep the page small, with the best and the front on it") {
  RunResults r = sample_results();
  const TrialRow model = r.trials[0];
  r.trials.clear();
  for (std::int64_t i = 0; i < 3000; ++i) {
    TrialRow t = model;
    t.number = i;
    t.value = 0.5 + 0.0001 * static_cast<double>(i * 7919 % 3000);
    t.params = 10'000 + i;
    t.finish_event = static_cast<std::uint64_t>(10 + i);
    r.trials.push_back(t);
  }
  r.trials[17].params = 5;  // smallest, hence in the front however bad it is
  r.trials[17].value = 0.1;
  const std::string html = report_html(r);
  CHECK(html.size() < 300'000);
  CHECK(count(html, "#17  0.1000") >= 1);
  CHECK(count(html, "of 3000 trials; results.json has all") == 1);
}

TEST_CASE("plots of hard numbers end and have ticks") {
  const auto ticks = [](std::vector<std::pair<double, double>> points, bool log_x) {
    Plot plot{"t", "d", "x", "y"};
    plot.series = {{"s", "trial", PlotKind::line, std::move(points), {}}};
    plot.log_x = log_x;
    const std::string svg = plot_svg(plot);
    CHECK(unbalanced(svg) == "");
    return count(svg, "class=\"grid\"");
  };
  CHECK(ticks({{1, 1}}, false) >= 4);
  CHECK(ticks({{0, 0}}, false) >= 4);
  CHECK(ticks({{48'000, 0.85}, {49'500, 0.8501}}, true) >= 6);
  CHECK(ticks({{1, 0.5}, {1e9, 0.5}}, true) >= 6);
  CHECK(ticks({{1, 1.0}, {2, 1.0 + 2.3e-16}}, false) >= 4);
  CHECK(ticks({{1, -1e300}, {2, 1e300}}, false) >= 4);
  const double undefined = std::numeric_limits<double>::quiet_NaN();
  CHECK(ticks({{1, undefined}, {undefined, 1}}, false) == 0);
  CHECK(ticks({{0, 1}, {-5, 1}}, true) == 0);
  CHECK(ticks({}, false) == 0);
}

TEST_CASE("ticks that differ have texts that differ") {
  Plot plot{"t", "d", "x", "y"};
  plot.series = {{"", "trial", PlotKind::points, {{1, 0.8512}, {2, 0.8534}}, {}}};
  const std::string svg = plot_svg(plot);
  for (const char* text : {">0.8515<", ">0.8520<", ">0.8525<", ">0.8530<"}) CHECK_MESSAGE(count(svg, text) == 1, text);
}
