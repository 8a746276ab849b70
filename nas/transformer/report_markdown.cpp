// The report as Markdown: the same sections as the page, without its plots.
#include <lathe/base/text.h>
#include <lathe/nas/transformer/report_text.h>

#include <algorithm>
#include <limits>

namespace lathe::nas {
namespace {

constexpr std::size_t kTrialsShown = 10;
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

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

/// Of several objectives: what they are, and the trials that nothing dominates.
std::string front_markdown(const RunResults& r) {
  constexpr std::size_t kFrontShown = 30;
  const std::string sentence = objectives_sentence(r);
  if (sentence.empty()) return "";
  const std::vector<std::size_t> front = front_trials(r);
  const std::size_t shown = std::min(kFrontShown, front.size());
  std::string out = "\n" + markdown_text(sentence) + ".\n", head = "\n| trial |", rule = "\n|-:|";
  if (front.empty()) return out;
  if (shown < front.size()) out += str("\nThe first ", shown, " of ", front.size(), ":\n");
  for (const auto& [name, direction] : r.study.objectives) head += " " + markdown_text(name) + " |", rule += "-:|";
  out += head + " architecture | point |" + rule + "-|-|\n";
  for (std::size_t i = 0; i < shown; ++i) {
    const TrialRow& t = r.trials[front[i]];
    out += str("| #", t.number, " |");
    for (const std::string& cell : front_cells(r, t)) out += " " + markdown_text(cell) + " |";
    out += str(" ", markdown_text(t.architecture), " | ", markdown_text(point_text(t.parameters)), " |\n");
  }
  return out;
}

std::string search_markdown(const RunResults& r) {
  std::string out =
      str("\n## Search\n\n", markdown_text(search_sentence(r)), ". Sampler ", markdown_text(r.study.sampler), ", stopping ",
          markdown_text(r.study.pruner), ", ", r.study.virtual_workers, " virtual workers, seed ", r.study.seed, ".\n");
  for (const std::string& sentence : outlook_sentences(r)) out += "\n" + markdown_text(sentence) + ".\n";
  out += front_markdown(r);
  if (r.trials.empty()) return out;
  const bool latency = std::any_of(r.trials.begin(), r.trials.end(), [](const TrialRow& t) { return predicted_latency(t); });
  const std::vector<std::size_t> order = trials_by_value(r);
  const std::size_t shown = std::min(kTrialsShown, order.size());
  if (shown < order.size()) out += str("\nThe best ", shown, " of ", order.size(), ":\n");
  out += str("\n| trial | state | ", markdown_text(value_name(r)), latency ? " | latency, ms (predicted)" : "",
             " | parameters | architecture | point |\n|-:|-|-:|", latency ? "-:|" : "", "-:|-|-|\n");
  for (std::size_t i = 0; i < shown; ++i) {
    const TrialRow& t = r.trials[order[i]];
    out += str("| #", t.number, " | ", state_name(t.state), " | ", t.value ? score(*t.value) : "", " | ",
               latency ? milliseconds(predicted_latency(t).value_or(kUnknown)) + " | " : std::string(), with_commas(t.params),
               " | ", markdown_text(t.architecture), " | ",
               markdown_text(point_text(t.parameters) + (t.note.empty() ? "" : "; " + t.note)), " |\n");
  }
  return out;
}

std::string why_markdown(const RunResults& r) {
  const Explanation& why = r.why;
  if (why.parameters.empty()) return "";
  std::string out = str("\n## What mattered\n\n", markdown_text(importance_sentence(r)), ".\n");
  if (shows_importance(r)) {
    out += "\n| parameter | importance | best trials at the edge |\n|-|-:|-|\n";
    std::vector<const ParameterRow*> rows;
    for (const ParameterRow& p : why.parameters) rows.push_back(&p);
    std::stable_sort(rows.begin(), rows.end(),
                     [](const ParameterRow* a, const ParameterRow* b) { return a->importance > b->importance; });
    for (const ParameterRow* p : rows)
      out += str("| ", markdown_text(p->name), " | ", fixed(100 * p->importance, 0), " % | ", markdown_text(p->edge), " |\n");
  }
  if (why.effects.empty()) return out;
  out += str(
      "\nOne choice of #", why.trial, " changed: the difference in ", markdown_text(value_name(r)),
      ", from trials that differ in nothing else or from local means over all (with the number of trials behind it); retrained: "
      "in validation ",
      markdown_text(r.metric), ".\n\n| parameter | chosen | instead | difference | from |\n|-|-|-|-:|-|\n");
  for (const Effect& e : why.effects)
    out += str("| ", markdown_text(e.parameter), " | ", markdown_text(e.chosen), " | ", markdown_text(e.other), " | ",
               signed_score(e.difference), e.error - e.error == 0 ? " ± " + score(e.half_width()) : std::string(), " | ",
               fixed(e.trials, e.source == Effect::Source::estimate ? 1 : 0), " ", source_name(e.source), " |\n");
  return out;
}

std::string cost_markdown(const RunResults& r) {
  std::string out;
  if (!r.models.empty()) {
    out +=
        "\n| model | parameters | FLOPs a text | size | memory | training memory | predicted, ms | p50, ms | p95, ms |\n"
        "|-|-:|-:|-:|-:|-:|-:|-:|-:|\n";
    for (const ModelRow& m : r.models) {
      const ModelLatency l = m.latency.value_or(ModelLatency{});
      out += str("| ", markdown_text(m.name), " | ", with_commas(m.params), " | ", with_commas(m.flops), " | ", megabytes(m.bytes),
                 " | ", megabytes(m.answer_memory), " | ", megabytes(m.memory), " | ", milliseconds(l.predicted), " | ",
                 milliseconds(l.p50), " | ", milliseconds(l.p95), " |\n");
    }
  }
  if (!r.layers.empty()) {
    out += "\n| part | parameters | FLOPs | memory | ms |\n|-|-:|-:|-:|-:|\n";
    for (const LayerCostRow& l : r.layers)
      out += str("| ", markdown_text(l.name), " | ", with_commas(l.params), " | ", with_commas(l.flops), " | ", megabytes(l.memory),
                 " | ", l.ms - l.ms == 0 ? fixed(l.ms, 3) : "", " |\n");
  }
  if (r.latency)
    out +=
        str("\nLatency predicted against measured: Kendall's τ ", fixed(r.latency->tau, 3), ", mean error ",
            fixed(100 * r.latency->mean_error, 1), " % on ", r.latency->samples.size(), " architectures (batch ", r.latency->batch,
            ", ", r.latency->tokens, " tokens, ", r.latency->threads, r.latency->threads == 1 ? " thread)" : " threads)",
            r.latency->note.empty() ? std::string() : "; " + markdown_text(r.latency->note), ".\n");
  return out.empty() ? out : "\n## Cost\n" + out;
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
  for (const auto& [phase, seconds] : r.seconds)
    out += str("- ", markdown_text(time_of(r, phase)), ": ", fixed(seconds, 1), " s\n");
  return out;
}

}  // namespace

std::string report_markdown(const RunResults& r) {
  std::string out = str(
      "# ", markdown_text(r.study.name), ": search report\n\n## Verdict\n\n", model_table_markdown(r),
      "\nTest: ", with_commas(r.data.test_rows),
      " rows, read once. Mean and 95 % interval over seeds and rows; the winner was chosen by validation. Memory is what answering "
      "one text of the greatest length takes at most.\n\n");
  return out + verdict_markdown(r) + data_markdown(r) + search_markdown(r) + why_markdown(r) + mistakes_markdown(r) +
         cost_markdown(r) + repeat_markdown(r);
}

}  // namespace lathe::nas
