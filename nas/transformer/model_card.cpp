// README.md of the model folder. What is unknown is left out.
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/report_text.h>

namespace lathe::nas {
namespace {

/// The front matter that model hubs read. A JSON string is a YAML string too, so quoting needs no second set of rules.
std::string front_matter(const RunResults& r, const std::string& license) {
  std::string out = "---\n";
  if (!license.empty()) out += "license: " + json_quote(license) + "\n";
  out += "library_name: lathe\npipeline_tag: text-classification\ntags:\n- lathe\n- text-classification\n- architecture-search\n";
  if (r.winner < 0) return out + "---\n\n";
  const ModelRow& m = r.models[static_cast<std::size_t>(r.winner)];
  const bool f1 = r.metric == "macro_f1";
  out +=
      str("metrics:\n- ", f1 ? "f1" : "accuracy", "\nmodel-index:\n- name: ", json_quote(r.study.name),
          "\n  results:\n  - task:\n      type: text-classification\n      name: Text Classification\n    dataset:\n      name: ",
          json_quote(r.data.name), "\n      type: ", json_quote(r.data.name),
          "\n      split: test\n    metrics:\n    - type: ", f1 ? "f1" : "accuracy", "\n      value: ", fixed(m.test, 4),
          "\n      name: ", json_quote(str(f1 ? "macro F1" : "accuracy", ", mean of ", m.seeds - m.failed, " seeds")), "\n");
  return out + "---\n\n";
}

std::string use_section(const RunResults& r) {
  std::string out =
      "## Use\n\n```sh\nlathe predict FOLDER \"your text\"\n```\n\n```cpp\n#include <lathe/deploy/model.h>\n"
      "const auto answer = lathe::deploy::Model::load(\"FOLDER\").predict(\"your text\");  // .label, .score\n```\n\nLabels:";
  for (std::size_t i = 0; i < r.data.labels.size(); ++i) out += (i ? ", " : " ") + markdown_code(r.data.labels[i]);
  return out + ".\n\n";
}

std::string test_section(const RunResults& r) {
  std::string out = str("## Test\n\n", with_commas(r.data.test_rows),
                        " test rows, read once after the search; mean and 95 % interval over seeds and rows. The weights here are "
                        "those of seed ",
                        r.winner_seed, ".\n\n", model_table_markdown(r), "\n");
  return out + verdict_markdown(r) + "\n";
}

std::string origin_section(const RunResults& r) {
  std::string out = str("## Where it comes from\n\nSearch: ", markdown_text(search_sentence(r)), ".");
  for (const auto& [phase, seconds] : r.seconds)
    out += str(" The ", markdown_text(time_of(r, phase)), ": ", fixed(seconds, 1), " s.");
  if (!r.seconds.empty() && !r.host.cpu.empty())
    out += str(" Host: ", markdown_text(r.host.cpu), ", ", markdown_text(r.host.backend), ", ", r.host.workers, " workers.");
  out += "\n\n";
  for (const auto& [what, command] : r.commands) out += str("- ", markdown_text(what), ": ", markdown_code(command), "\n");
  out += str("- study hash ", markdown_code(r.study.hash), ", ", markdown_text(r.study.numerics), ", lathe ",
             markdown_text(r.version), ", seed ", r.study.seed, ": the same data and configuration give the same bits\n");
  return out;
}

}  // namespace

std::string model_card(const RunResults& r, const std::string& license) {
  std::string out = front_matter(r, license) + "# " + markdown_text(r.study.name) + "\n\n";
  if (r.winner < 0) return out + "No training succeeded: there is no model.\n";
  const ModelRow& m = r.models[static_cast<std::size_t>(r.winner)];
  out += str("A text classifier for ", r.data.labels.size(),
             " classes, found by an architecture search and trained from scratch.\n\n", use_section(r));
  out += str("## Data\n\n", markdown_text(r.data.name), ": ", with_commas(r.data.train_rows), " training, ",
             with_commas(r.data.valid_rows), " validation and ", with_commas(r.data.test_rows), " test rows; data hash ",
             markdown_code(r.data.hash), ".\n\n", test_section(r));
  out += str("## Architecture\n\n", markdown_text(m.architecture), ": ", with_commas(m.params), " parameters",
             m.bytes > 0 ? ", " + megabytes(m.bytes) : "", ".",
             m.answer_memory > 0 ? " Answering takes " + megabytes(m.answer_memory) + " of memory at most." : "");
  if (m.latency && m.latency->p50 - m.latency->p50 == 0)
    out += str(" One text takes ", milliseconds(m.latency->p50), " ms (95 % within ", milliseconds(m.latency->p95), " ms) on ",
               r.host.cpu.empty() ? std::string("the machine of the search") : markdown_text(r.host.cpu), ", ",
               r.latency ? r.latency->threads : 1, r.latency && r.latency->threads > 1 ? " threads" : " thread", ".");
  if (!m.parameters.empty()) out += " Searched: " + markdown_text(point_text(m.parameters)) + ".";
  out +=
      str("\n\n## Limits\n\nTrained on ", markdown_text(r.data.name), " alone; other kinds of text are untested. Texts are cut at ",
          with_commas(r.data.max_tokens), " tokens. It answers with one of its labels even where none fits.\n\n");
  return out + origin_section(r);
}

}  // namespace lathe::nas
