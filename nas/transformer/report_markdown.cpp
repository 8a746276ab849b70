// The verdict in words, the report as Markdown, and the model card.
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/results.h>

namespace lathe::nas {
namespace {

std::string points(double difference) { return fixed(100 * (difference < 0 ? -difference : difference), 1); }

std::string compare(const std::string& winner, const std::string& other, const PairedDifference& d, std::int64_t rows) {
  if (!d.significant())
    return str(winner, " and ", other, " cannot be told apart on these ", with_commas(rows), " test rows (",
               d.mean >= 0 ? "+" : "-", points(d.mean), " points of accuracy, 95 % interval +- ", points(d.half_width), ")");
  return str(winner, " is ", d.mean > 0 ? "better" : "worse", " than ", other, " by ", points(d.mean),
             " points of accuracy (95 % interval +- ", points(d.half_width), ")");
}

/// A cell of a Markdown table: no pipes, no line breaks, no HTML.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') {
      out += "\\|";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
    }
  }
  return out;
}

std::string value_of(const BaselineRow& b, const std::string& metric) {
  return fixed(metric == "accuracy" ? b.accuracy : b.macro_f1, 4);
}

std::string model_table(const RunResults& r) {
  std::string out =
      str("| | model | architecture | test ", r.metric, " | 95 % | validation | parameters | vs default |\n|-|-|-|-|-|-|-|-|\n");
  for (std::size_t i = 0; i < r.models.size(); ++i) {
    const ModelRow& m = r.models[i];
    out += str("| ", static_cast<int>(i) == r.winner ? "**winner**" : "", " | ", m.name, " | ", cell(m.architecture), " | ",
               m.failed == m.seeds ? std::string("failed") : fixed(m.test, 4), " | +- ", fixed(m.half_width, 4), " | ",
               fixed(m.valid, 4), " | ", with_commas(m.params), " | ",
               m.to_default ? str(m.to_default->mean >= 0 ? "+" : "", fixed(m.to_default->mean, 4)) : "", " |\n");
  }
  for (const BaselineRow& b : r.baselines)
    out += str("| | ", b.name, " | | ", value_of(b, r.metric), " | +- ", fixed(b.half_width, 4), " | | | |\n");
  return out;
}

}  // namespace

std::vector<std::string> verdict_sentences(const RunResults& r) {
  std::vector<std::string> out;
  if (r.winner < 0) return {"no training of a finalist succeeded: there is no model"};
  const ModelRow& winner = r.models[static_cast<std::size_t>(r.winner)];
  if (winner.to_default) out.push_back(compare(winner.name, "the default", *winner.to_default, r.data.test_rows));
  if (r.winner_to_bag_of_words) {
    out.push_back(compare(winner.name, "the bag of words", *r.winner_to_bag_of_words, r.data.test_rows));
    if (r.winner_to_bag_of_words->mean < 0)
      out.push_back("a bag of words scores higher on this test: with so little data it may be all that is needed");
  }
  for (std::size_t i = 0; i < r.models.size(); ++i) {
    const ModelRow& m = r.models[i];
    if (static_cast<int>(i) == r.winner || m.name == "default" || m.failed == m.seeds) continue;
    if (m.params < winner.params && m.test + m.half_width >= winner.test)
      out.push_back(str(m.name, " is within the interval of ", winner.name, " and has ",
                        fixed(static_cast<double>(winner.params) / static_cast<double>(m.params), 1), " times fewer parameters"));
  }
  for (const std::string& hint : r.study.hints) out.push_back(hint);
  return out;
}

std::string report_markdown(const RunResults& r) {
  std::string out = str("# ", cell(r.study.name), ": search report\n\n", model_table(r), "\n");
  out += str("Test: ", with_commas(r.data.test_rows),
             " rows, read once. Mean and 95 % interval over seeds and rows; the winner was chosen by validation.\n\n");
  for (const std::string& sentence : verdict_sentences(r)) out += "- " + sentence + "\n";
  out += "\n## Data\n\n";
  for (const std::string& note : r.data.notes) out += "- " + cell(note) + "\n";
  for (const std::string& warning : r.data.warnings) out += "- warning: " + cell(warning) + "\n";
  out += str("- training, validation, test rows: ", with_commas(r.data.train_rows), ", ", with_commas(r.data.valid_rows), ", ",
             with_commas(r.data.test_rows), "; vocabulary ", with_commas(r.data.vocabulary), "; data hash `", r.data.hash, "`\n");
  int complete = 0, pruned = 0, failed = 0;
  for (const TrialRow& t : r.trials) {
    complete += t.state == TrialState::complete;
    pruned += t.state == TrialState::pruned;
    failed += t.state == TrialState::failed;
  }
  out += str("\n## Search\n\n", r.trials.size(), " trials from ", r.study.space, " architectures: ", complete, " complete, ",
             pruned, " stopped early, ", failed, " failed; sampler ", r.study.sampler, ", stopping ", r.study.pruner, ", ",
             r.study.virtual_workers, " virtual workers, seed ", r.study.seed, ".\n\n| trial | state | validation ", r.metric,
             " | parameters | architecture | point |\n|-|-|-|-|-|-|\n");
  for (const TrialRow& t : r.trials) {
    std::string point;
    for (const auto& [name, value] : t.parameters) point += (point.empty() ? "" : ", ") + name + " " + value;
    out += str("| ", t.number, " | ", state_name(t.state), " | ", t.value ? fixed(*t.value, 4) : "", " | ", with_commas(t.params),
               " | ", cell(t.architecture), " | ", cell(point), " |\n");
  }
  out += "\n## Mistakes\n\n| truth \\ answer |";
  for (const std::string& label : r.data.labels) out += " " + cell(label) + " |";
  out += "\n|-|";
  for (std::size_t i = 0; i < r.data.labels.size(); ++i) out += "-|";
  out += "\n";
  for (std::int32_t t = 0; t < r.confusion.classes; ++t) {
    out += "| " + cell(r.data.labels[static_cast<std::size_t>(t)]) + " |";
    for (std::int32_t p = 0; p < r.confusion.classes; ++p) out += str(" ", r.confusion.at(t, p), " |");
    out += "\n";
  }
  if (!r.mistakes.empty()) out += "\nThe most confident errors:\n\n| confidence | truth | answer | text | place |\n|-|-|-|-|-|\n";
  for (const Mistake& m : r.mistakes)
    out += str("| ", fixed(m.confidence, 3), " | ", cell(m.truth), " | ", cell(m.predicted), " | ", cell(m.text), " | ",
               cell(m.place), " |\n");
  out += "\n## Repeat\n\n";
  for (const auto& [what, command] : r.commands) out += str("- ", what, ": `", command, "`\n");
  out += str("- study hash `", r.study.hash, "`, ", r.study.numerics, ", lathe ", r.version,
             "\n- host (outside the hash): ", cell(r.host.cpu), ", ", r.host.backend, ", ", r.host.workers, " workers, ",
             r.host.compiler, "\n");
  for (const auto& [phase, seconds] : r.seconds) out += str("- ", phase, ": ", fixed(seconds, 1), " s\n");
  return out;
}

std::string model_card(const RunResults& r, const std::string& license) {
  std::string out = "---\n";
  if (!license.empty()) out += "license: " + license + "\n";
  out += "library_name: lathe\npipeline_tag: text-classification\n";
  if (r.winner < 0) return out + "---\n";
  const ModelRow& m = r.models[static_cast<std::size_t>(r.winner)];
  out += str("metrics:\n- ", r.metric, "\nmodel-index:\n- name: ", json_quote(r.study.name),
             "\n  results:\n  - task:\n      type: text-classification\n    dataset:\n      name: ", json_quote(r.data.name),
             "\n      type: ", json_quote(r.data.name), "\n      split: test\n    metrics:\n    - type: ", r.metric,
             "\n      value: ", fixed(m.test, 4), "\n      name: mean of ", m.seeds - m.failed, " seeds\n---\n\n");
  out += str("# ", cell(r.study.name), "\n\nA text classifier (", m.architecture, ", ", with_commas(m.params),
             " parameters) found by an architecture search and trained from scratch.\n\n");
  out +=
      "## Use\n\n`lathe predict FOLDER \"your text\"`, or in C++: `lathe::deploy::Model::load(\"FOLDER\").predict(\"your "
      "text\")`.\n\nLabels:";
  for (const std::string& label : r.data.labels) out += " `" + cell(label) + "`";
  out += str("\n\n## Test\n\n", model_table(r), "\n");
  for (const std::string& sentence : verdict_sentences(r)) out += "- " + sentence + "\n";
  out += str("\n## Limits\n\nTrained on ", with_commas(r.data.train_rows), " rows of `", cell(r.data.name), "` (data hash `",
             r.data.hash, "`); other kinds of text are untested. Texts are cut at ", r.data.max_tokens,
             " tokens.\n\n## Where it comes from\n\nStudy hash `", r.study.hash, "`, ", r.study.numerics, ", lathe ", r.version,
             ", seed ", r.study.seed, ": the same data and configuration give the same bits.\n");
  return out;
}

}  // namespace lathe::nas
