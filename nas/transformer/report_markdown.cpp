// The report as Markdown: the same sections as the page, without its plots.
#include <lathe/base/text.h>
#include <lathe/nas/transformer/report_text.h>

#include <algorithm>

namespace lathe::nas {
namespace {

constexpr std::size_t kTrialsShown = 10;

std::string data_markdown(const RunResults& r) {
  const DataSummary& d = r.data;
  std::string out = "\n## Data\n\n";
  for (const std::string& note : d.notes) out += "- " + markdown_text(note) + "\n";
  for (const std::string& warning : d.warnings) out += "- **warning** " + markdown_text(warning) + "\n";
  out += str("- ", markdown_text(d.name), ": ", with_commas(d.train_rows), " training, ", with_commas(d.valid_rows),
             " validation and ", with_commas(d.test_rows), " test rows\n- ", with_commas(d.train_tokens),
             " training tokens, vocabulary ", with_commas(d.vocabulary), "; ", with_commas(d.cut_rows),
             " training rows were cut at ", with_commas(d.max_tokens), " tokens\n");
  if (d.labels.empty()) return out;
  out += "\n| label | training rows |\n|-|-:|\n";
  for (std::size_t i = 0; i < d.labels.size(); ++i)
    out += str("| ", markdown_text(d.labels[i]), " | ", i < d.class_rows.size() ? with_commas(d.class_rows[i]) : "", " |\n");
  return out;
}

std::string search_markdown(const RunResults& r) {
  std::string out =
      str("\n## Search\n\n", markdown_text(search_sentence(r)), ". Sampler ", markdown_text(r.study.sampler), ", stopping ",
          markdown_text(r.study.pruner), ", ", r.study.virtual_workers, " virtual workers, seed ", r.study.seed, ".\n");
  if (r.trials.empty()) return out;
  const std::vector<std::size_t> order = trials_by_value(r);
  const std::size_t shown = std::min(kTrialsShown, order.size());
  if (shown < order.size()) out += str("\nThe best ", shown, " of ", order.size(), ":\n");
  out +=
      str("\n| trial | state | validation ", markdown_text(r.metric), " | parameters | architecture | point |\n|-:|-|-:|-:|-|-|\n");
  for (std::size_t i = 0; i < shown; ++i) {
    const TrialRow& t = r.trials[order[i]];
    out += str("| #", t.number, " | ", state_name(t.state), " | ", t.value ? score(*t.value) : "", " | ", with_commas(t.params),
               " | ", markdown_text(t.architecture), " | ",
               markdown_text(point_text(t.parameters) + (t.note.empty() ? "" : "; " + t.note)), " |\n");
  }
  return out;
}

std::string mistakes_markdown(const RunResults& r) {
  if (r.winner < 0 || r.confusion.classes == 0) return "";
  std::string out = str("\n## Mistakes\n\nTest rows of the exported training (seed ", r.winner_seed, "):\n\n| truth \\\\ answer |");
  for (std::int32_t p = 0; p < r.confusion.classes; ++p)
    out += " " + markdown_text(r.data.labels[static_cast<std::size_t>(p)]) + " |";
  out += " precision | recall | F1 |\n|-|";
  for (std::int32_t p = 0; p < r.confusion.classes + 3; ++p) out += "-:|";
  out += "\n";
  const std::vector<data::ClassScore> scores = data::class_scores(r.confusion);
  for (std::int32_t t = 0; t < r.confusion.classes; ++t) {
    out += "| " + markdown_text(r.data.labels[static_cast<std::size_t>(t)]) + " |";
    for (std::int32_t p = 0; p < r.confusion.classes; ++p) out += " " + with_commas(r.confusion.at(t, p)) + " |";
    const data::ClassScore& s = scores[static_cast<std::size_t>(t)];
    out += str(" ", score(s.precision), " | ", score(s.recall), " | ", score(s.f1), " |\n");
  }
  if (r.mistakes.empty()) return out;
  out +=
      "\nThe most confident errors (mislabelled, or truly hard?):\n\n| confidence | truth | answer | text | place |\n"
      "|-:|-|-|-|-|\n";
  for (const Mistake& m : r.mistakes)
    out += str("| ", fixed(m.confidence, 3), " | ", markdown_text(m.truth), " | ", markdown_text(m.predicted), " | ",
               markdown_text(m.text), " | ", markdown_text(m.place), " |\n");
  return out;
}

std::string repeat_markdown(const RunResults& r) {
  std::string out = "\n## Repeat\n\n";
  for (const auto& [what, command] : r.commands) out += str("- ", markdown_text(what), ": ", markdown_code(command), "\n");
  out += str("- study hash ", markdown_code(r.study.hash), ", data hash ", markdown_code(r.data.hash), "\n- ",
             markdown_text(r.study.numerics), ", lathe ", markdown_text(r.version), "\n- host (outside every hash): ",
             markdown_text(str(r.host.cpu, ", ", r.host.backend, ", ", r.host.cores, " cores, ", r.host.workers, " workers, ",
                               r.host.compiler, ", ", r.host.system)),
             "\n");
  for (const auto& [phase, seconds] : r.seconds) out += str("- time of ", markdown_text(phase), ": ", fixed(seconds, 1), " s\n");
  return out;
}

}  // namespace

std::string report_markdown(const RunResults& r) {
  std::string out = str("# ", markdown_text(r.study.name), ": search report\n\n## Verdict\n\n", model_table_markdown(r),
                        "\nTest: ", with_commas(r.data.test_rows),
                        " rows, read once. Mean and 95 % interval over seeds and rows; the winner was chosen by validation.\n\n");
  for (const std::string& sentence : verdict_sentences(r)) out += "- " + markdown_text(sentence) + "\n";
  return out + data_markdown(r) + search_markdown(r) + mistakes_markdown(r) + repeat_markdown(r);
}

}  // namespace lathe::nas
