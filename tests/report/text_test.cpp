// The verdict in words, Markdown and the model card.
#include "sample.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace lathe;
using namespace lathe::nas;

namespace {

bool says(const RunResults& r, const std::string& part) {
  const std::vector<VerdictLine> lines = verdict_lines(r);
  return std::any_of(lines.begin(), lines.end(), [&](const VerdictLine& l) { return l.text.find(part) != std::string::npos; });
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Cells of a Markdown row: bars that no backslash escapes.
std::size_t bars(const std::string& line) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else {
      n += line[i] == '|';
    }
  }
  return n;
}

}  // namespace

TEST_CASE("the verdict says what is better and what cannot be told apart") {
  RunResults r = sample_results();
  CHECK(says(r, "#3 is better than the default by 1.9 ± 1.5 points of accuracy"));
  CHECK(says(r, "#3 is better than the bag of words by 4.1 ± 2.0 points of accuracy"));
  CHECK(says(r,
             "#3 and #0 cannot be told apart on these 1,057 test rows (difference +0.4 ± 1.2 points of accuracy); #0 has 1.7 times "
             "fewer parameters"));
  CHECK(says(r, "`lr` is at the top of its range"));
  CHECK(!says(r, "cheaper"));
  r.models[0].to_default = PairedDifference{-0.004, 0.015};
  CHECK(says(r, "#3 and the default cannot be told apart on these 1,057 test rows (difference -0.4 ± 1.5 points of accuracy)"));
  r.models[0].to_default = PairedDifference{-0.0001, 0.015};
  CHECK(says(r, "(difference 0.0 ± 1.5 points of accuracy)"));
  r.models[0].to_default = PairedDifference{-0.02, 0.015};
  CHECK(says(r, "#3 is worse than the default by 2.0 ± 1.5"));
  r.models[1].of_winner = PairedDifference{0.013, 0.012};  // their intervals overlap, but by row the winner is better
  CHECK(!says(r, "fewer parameters"));
  r.models[1].of_winner = PairedDifference{-0.013, 0.012};
  CHECK(
      says(r, "#3 is worse than #0 by 1.3 ± 1.2 points of accuracy, which validation, that chose, did not tell; #0 has 1.7 times"));
  r.models[1].valid = r.models[0].valid + 0.1;  // told by validation: a target chose otherwise
  CHECK(says(r, "#3 is worse than #0 by 1.3 ± 1.2 points of accuracy; #0 has 1.7 times"));
  r.models[1].params = 200'000'000;
  CHECK(says(r, "#3 is worse than #0"));
  RunResults sizes = r;  // the smallest was asked for: that another one is more accurate is no news
  sizes.study.objectives = {{"params", "minimise"}};
  CHECK(!says(sizes, "#3 is worse than #0"));
  CHECK(!says(r, "other seeds were not tried"));
  r.models[0].seeds = 1;
  r.models[0].failed = 0;
  CHECK(says(r, "where a model has one training, its differences are of that training: other seeds were not tried"));
  r.models[1].of_winner = PairedDifference{0.004, 0.012};
  CHECK(!says(r, "#3 and #0"));
}

TEST_CASE("a model that loses to the bag of words is told so") {
  RunResults r = sample_results();
  r.winner_to_bag_of_words = PairedDifference{-0.03, 0.01};
  CHECK(says(r, "#3 is worse than the bag of words by 3.0 ± 1.0"));
  CHECK(says(r, "use the bag of words"));
  r.winner_to_bag_of_words = PairedDifference{0.005, 0.01};
  CHECK(says(r, "nothing on this test speaks for the model over a bag of words"));
  r.winner = -1;
  CHECK(says(r, "there is no model"));
}

TEST_CASE("a target that does not hold, and one that does, is said wherever the verdict is") {
  RunResults r = sample_results();
  r.models[0].targets = {{"accuracy >= 0.9", 0.91, 0.9, true}, {"flops <= 1 * default", 9e6, 8e6, false}};
  r.models[0].violations = {"flops <= 1 * default does not hold after retraining: it is 9,000,000, the bound 8,000,000",
                            "latency_ms <= 4 does not hold when measured: p50 is 4.20 ms, the bound 4.00 ms"};
  for (const std::string& text : {report_markdown(r), model_card(r, ""), report_html(r)}) {
    const bool html = text.starts_with("<!doctype");
    CHECK(has(text, "target accuracy &gt;= 0.9 holds: 0.9100, the bound is 0.9000 (validation, retrained alike)"));
    CHECK(
        has(text, html ? "#3: flops &lt;= 1 * default does not hold after retraining" : "flops &lt;= 1 \\* default does not hold"));
    CHECK(has(text, "does not hold when measured: p50 is 4.20 ms"));
  }
  const std::vector<VerdictLine> lines = verdict_lines(r);
  CHECK(std::count_if(lines.begin(), lines.end(), [](const VerdictLine& l) { return l.kind == VerdictLine::Kind::target; }) == 4);
}

TEST_CASE("how what judged the trials ranks is part of the verdict and of the record") {
  RunResults r = sample_results();
  CHECK(!says(r, "Kendall"));
  r.study.evaluation = "proxy";
  r.calibration = CalibrationSummary{"accuracy", 30, -0.184, -0.56, 0.13, 0.25, 0.5, false};
  const std::string sentence =
      "trials were judged by a cheaper training, not by training in full; on 30 architectures the ranks of the two agree by "
      "Kendall's τ = -0.18 (95 %: -0.56 to 0.13), those of the number of parameters by 0.25: refused, as the lower end does not "
      "reach "
      "0.5, and forced";
  CHECK(says(r, sentence));
  CHECK(has(report_markdown(r), "- " + sentence + "\n"));
  CHECK(has(model_card(r, ""), sentence));
  CHECK(has(report_html(r), "<li class=\"warn\">trials were judged by a cheaper training"));
  CHECK(report_html(run_results(to_json(r), "x")) == report_html(r));
  r.calibration = CalibrationSummary{"accuracy", 40, 0.8, 0.61, 0.9, 0.25, 0.5, true};
  r.study.evaluation = "inherited";
  CHECK(says(r, "weights that all architectures share"));
  CHECK(says(r, ": accepted, as the lower end reaches 0.5"));
  r.study.evaluation = "params";
  r.calibration->tau = std::numeric_limits<double>::quiet_NaN();
  CHECK(says(r,
             "the params score of untrained networks, not by training in full; on 40 architectures the ranks of the two agree by "
             "Kendall's τ = undefined"));
  CHECK(!says(r, "those of the number"));
}

TEST_CASE("a one-step change that is better than the winner is told in words") {
  RunResults r = sample_results();
  r.why.effects[1].quantile = 4.3;  // 0.01 ± 0.0172, as few seeds tell it
  CHECK(says(r, "of 1 one-step change of #3 that were trained none is better beyond its interval"));
  CHECK(has(report_markdown(r), "+0.0100 ± 0.0172"));
  CHECK(run_results(to_json(r), "x").why.effects[1].half_width() == r.why.effects[1].half_width());
  r.why.effects[1].quantile = 2;
  CHECK(
      says(r,
           "#3 with layers 3 instead of 2 is better than it by 1.0 ± 0.8 points of validation accuracy, both trained again (1 such "
           "change was tried)"));
  RunResults sizes = r;
  sizes.study.objectives = {{"params", "minimise"}};
  CHECK(!says(sizes, "is better than it by"));
  CHECK(has(report_html(r), "layers 3 instead of 2 is better"));
  r.why.effects[1].error = std::numeric_limits<double>::quiet_NaN();  // one seed
  CHECK(!says(r, "layers 3 instead"));
  CHECK(!says(r, "one-step"));
}

TEST_CASE("of several objectives Markdown and page name them and show the front") {
  RunResults r = sample_results();
  CHECK(!has(report_markdown(r), "Objectives"));
  r.study.objectives = {{"accuracy", "maximise"}, {"params", "minimise"}};
  for (TrialRow& t : r.trials) t.measures = {{"params", static_cast<double>(t.params)}};
  TrialRow worse = r.trials[0];
  worse.number = 4;
  worse.value = 0.83;  // less accurate than #0, and no smaller
  r.trials.push_back(worse);
  const std::string text = report_markdown(r);
  CHECK(has(text, "Objectives: maximise accuracy, minimise params; 2 trials are on the Pareto front"));
  CHECK(has(text, "| trial | accuracy | params | architecture | point |\n|-:|-:|-:|-|-|\n| #3 | 0.8600 | 150,000 |"));
  CHECK(has(text, "| #0 | 0.8400 | 90,000 |"));
  CHECK(!has(text, "| #4 | 0.8300 | 90,000 |"));
  CHECK(has(text, "| #4 | complete | 0.8300 | 4.5 | 90,000 |"));  // the latency that was foretold
  CHECK(has(text, "| test accuracy | validation | latency, ms |"));
  CHECK(has(report_html(r), "2 trials are on the Pareto front"));
  CHECK(has(report_html(r), "The Pareto front as a table"));
  r.trials[3].violation = 0.1;
  CHECK(has(report_markdown(r), "1 trial is on the Pareto front"));
}

TEST_CASE("a model that is no better than the majority class is told so") {
  RunResults r = sample_results();
  CHECK(!says(r, "majority"));
  CHECK(run_results(to_json(r), "x").winner_to_majority->mean == 0.284);
  r.winner_to_majority = PairedDifference{0.01, 0.03};
  CHECK(says(r,
             "#3 and the majority class cannot be told apart on these 1,057 test rows (difference +1.0 ± 3.0 points of accuracy): "
             "nothing on this test shows that it has learned anything"));
  r.winner_to_majority = PairedDifference{0, 0};
  CHECK(says(r, "#3 is right on the same test rows as an answer that is always the majority class: it has learned nothing"));
  r.metric = "macro_f1";  // 0.842 (0.819 and up) against 0.36
  CHECK(!says(r, "majority"));
  r.models[0].low = 0.3;
  CHECK(says(r, "majority"));
}

TEST_CASE("a latency of hundredths of a millisecond keeps its digits in the card") {
  RunResults r = sample_results();
  r.models[0].latency = ModelLatency{0.011, 0.0123, 0.0145};
  CHECK(has(model_card(r, ""), "One text takes 0.0123 ms (95 % within 0.0145 ms) on"));
}

TEST_CASE("Markdown tables keep their columns whatever the texts hold") {
  const std::string text = report_markdown(sample_results());
  CHECK(!has(text, "<script"));
  CHECK(has(text, "&lt;script&gt;"));
  std::size_t columns = 0;
  std::size_t tables = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    if (line.starts_with("|")) {
      if (columns == 0) columns = bars(line), ++tables;
      CHECK_MESSAGE(bars(line) == columns, line);
    } else {
      columns = 0;
    }
    at = end + 1;
  }
  CHECK(tables == 8);  // models' costs, verdict, labels, trials, decisions, confusion, errors, cost
  CHECK(text.find("| #3 | complete |") < text.find("| #0 | complete |"));
  CHECK(has(text, "4 trials from 1,200 architectures: 2 complete, 1 stopped early, 1 failed; best \\#3 with 0.8600"));
  CHECK(has(text, "`lathe search 'a b.toml' --until-commit 148`"));
  CHECK(report_markdown(run_results(to_json(sample_results()), "x")) == text);
  CHECK(has(report_markdown(RunResults{}), "there is no model"));
}

TEST_CASE("the model card opens with front matter and leaves out what is unknown") {
  const std::string card = model_card(sample_results(), "");
  CHECK(card.starts_with("---\nlibrary_name: lathe\npipeline_tag: text-classification\n"));
  CHECK(!has(card, "language:"));
  CHECK(!has(card, "license"));
  CHECK(has(card, "    - type: accuracy\n      value: 0.8420\n      name: \"accuracy, mean of 3 seeds\"\n---\n"));
  CHECK(has(card, "      name: \"reviews & <b>.tsv\"\n"));
  CHECK(has(card, "One text takes 4.2 ms (95 % within 5.5 ms) on Some CPU @ 2 GHz, 1 thread."));
  CHECK(has(card, "| parameters | size | memory | vs default |"));
  CHECK(has(card, "Answering takes 2.7 MB of memory at most."));
  CHECK(has(report_markdown(sample_results()), "| memory | training memory |"));
  CHECK(has(report_markdown(sample_results()), "| 2.7 MB | 31.0 MB | 4.1 | 4.2 | 5.5 |"));
  CHECK(has(card, "| 0.8420 (0.819–0.863) |"));
  for (const char* title : {"## Use", "## Data", "## Test", "## Architecture", "## Limits", "## Where it comes from"})
    CHECK_MESSAGE(has(card, title), title);
  CHECK(has(model_card(sample_results(), "mit\nx: y"), "license: \"mit\\nx: y\"\n"));
  RunResults r = sample_results();
  r.metric = "macro_f1";
  CHECK(has(model_card(r, "mit"), "    - type: f1\n"));
  r.winner = -1;
  CHECK(has(model_card(r, "mit"), "there is no model"));
}
