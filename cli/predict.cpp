// lathe predict and lathe evaluate: a model folder at work.
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/format.h>
#include <lathe/cli/model_config.h>
#include <lathe/cli/run.h>
#include <lathe/cli/session.h>
#include <lathe/data/encode.h>
#include <lathe/data/metrics.h>
#include <lathe/data/table.h>
#include <lathe/deploy/model.h>
#include <lathe/train/evaluate.h>

#include <algorithm>
#include <istream>
#include <numeric>
#include <optional>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

deploy::Model load(Invocation& invocation) {
  Config config;
  config.read_environment([&](const char* name) -> const char* {
    static thread_local std::string value;
    value = invocation.console().environment(name);
    return value.empty() ? nullptr : value.c_str();
  });
  if (invocation.has("--threads")) config.set_option("run.threads", invocation.value("--threads"), "--threads");
  if (invocation.has("--backend")) config.set_option("run.backend", invocation.value("--backend"), "--backend");
  return deploy::Model::load(invocation.arguments()[0], {.threads = thread_count(config), .backend = backend_name(config)});
}

/// One answer as a line: label, score, further labels, as asked.
class AnswerWriter {
 public:
  AnswerWriter(Invocation& invocation, const deploy::Model& model) : console_(invocation.console()), model_(model) {
    top_ = static_cast<std::size_t>(invocation.integer("--top", 1, 1));
    format_ = invocation.value("--format", console_.json() ? "jsonl" : "text");
    const std::vector<std::string> formats = {"text", "tsv", "jsonl"};
    if (std::find(formats.begin(), formats.end(), format_) == formats.end()) {
      const auto near = nearest(format_, formats);
      throw InputError(str("--format ", format_, ": expected text, tsv or jsonl", near ? "; did you mean " + *near + "?" : ""));
    }
  }

  void write(const std::string& text, const deploy::Prediction& answer) {
    std::vector<std::size_t> order(answer.scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return answer.scores[a] > answer.scores[b]; });
    order.resize(std::min(order.size(), top_));
    const std::vector<std::string>& labels = model_.info().labels;
    if (format_ == "jsonl") {
      JsonWriter json;
      json.begin_object().member("schema", 1).member("type", "prediction").member("text", text).member("label", answer.label);
      json.member("score", static_cast<double>(answer.score)).key("scores").begin_object();
      for (const std::size_t i : order) json.member(labels[i], static_cast<double>(answer.scores[i]));
      console_.result(json.end_object().end_object().text() + "\n");
      return;
    }
    std::string line;
    for (const std::size_t i : order)
      line += (line.empty() ? "" : "\t") + str(labels[i], "\t", fixed(static_cast<double>(answer.scores[i]), 4));
    if (format_ == "text") line += "\t" + text;
    console_.result(line + "\n");
  }

 private:
  Console& console_;
  const deploy::Model& model_;
  std::size_t top_ = 1;
  std::string format_;
};

/// "first<TAB>second" for models of pairs.
void split_pair(const std::string& text, const std::string& place, std::string& first, std::string& second) {
  const std::size_t tab = text.find('\t');
  if (tab == std::string::npos) throw InputError(place + ": the model takes pairs; write the two texts with a tab between them");
  first = text.substr(0, tab);
  second = text.substr(tab + 1);
}

deploy::Prediction answer_of(const deploy::Model& model, const std::string& text, const std::string& place) {
  try {
    if (!model.info().pair) return model.predict(text);
    std::string first, second;
    split_pair(text, place, first, second);
    return model.predict(first, second);
  } catch (const InputError& error) {
    if (std::string(error.what()).starts_with(place)) throw;
    throw InputError(place + ": " + error.what());
  }
}

int run_predict(Invocation& invocation) {
  Console& console = invocation.console();
  const deploy::Model model = load(invocation);
  AnswerWriter writer(invocation, model);
  const std::vector<std::string>& arguments = invocation.arguments();
  if (const std::string file = invocation.value("--file"); !file.empty()) {
    std::int64_t line = 0;
    const std::string bytes = read_file(file);
    std::vector<std::string_view> lines = split(bytes, '\n');
    if (!lines.empty() && lines.back().empty()) lines.pop_back();
    for (std::string_view text : lines) {
      if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
      writer.write(std::string(text), answer_of(model, std::string(text), str(file, ":", ++line)));
    }
    return kDone;
  }
  if (arguments.size() > 1) {
    for (std::size_t i = 1; i < arguments.size(); ++i) writer.write(arguments[i], answer_of(model, arguments[i], str("text ", i)));
    return kDone;
  }
  // A filter: a line in, a line out, flushed.
  if (console.in_terminal()) console.note("one text a line; ^D ends");
  std::int64_t line = 0;
  for (std::string text; std::getline(console.in(), text);) {
    if (!text.empty() && text.back() == '\r') text.pop_back();
    writer.write(text, answer_of(model, text, str("standard input:", ++line)));
  }
  return kDone;
}

/// --min accuracy=0.8
std::pair<std::string, double> parse_minimum(const std::string& text) {
  const std::size_t at = text.find('=');
  const auto value = at == std::string::npos ? std::nullopt : parse_double(text.substr(at + 1));
  const std::string name = text.substr(0, at);
  if (!value || (name != "accuracy" && name != "macro_f1"))
    throw InputError("--min " + text + ": expected accuracy=NUMBER or macro_f1=NUMBER");
  return {name, *value};
}

void print_evaluation(Console& console, const deploy::Model& model, const train::Scores& scores,
                      const data::ConfusionMatrix& matrix, double majority) {
  const data::Interval interval = data::wilson_interval(matrix.correct(), matrix.total());
  console.result(str("accuracy  ", fixed(scores.accuracy, 4), "  (95 % interval ", fixed(interval.low, 4), " to ",
                     fixed(interval.high, 4), ", ", with_commas(matrix.total()), " rows)\n"));
  console.result(str("macro_f1  ", fixed(scores.macro_f1, 4), "\nloss      ", fixed(scores.loss, 4), "\nmajority  ",
                     fixed(majority, 4), "  (always the most frequent label of these rows)\n"));
  TextTable table({{"label", TextTable::Align::left},
                   {"rows", TextTable::Align::right},
                   {"precision", TextTable::Align::right},
                   {"recall", TextTable::Align::right},
                   {"f1", TextTable::Align::right}});
  const std::vector<data::ClassScore> classes = data::class_scores(matrix);
  for (std::size_t i = 0; i < classes.size(); ++i)
    table.add({model.info().labels[i], with_commas(classes[i].support), fixed(classes[i].precision, 3), fixed(classes[i].recall, 3),
               fixed(classes[i].f1, 3)});
  console.result(table.text());
}

int run_evaluate(Invocation& invocation) {
  Console& console = invocation.console();
  std::optional<std::pair<std::string, double>> minimum;
  if (invocation.has("--min")) minimum = parse_minimum(invocation.value("--min"));
  const deploy::Model model = load(invocation);
  const data::Table table = data::read_table(invocation.arguments()[1]);
  const data::Columns columns =
      data::find_columns(table, {invocation.value("--text", "auto"), "auto", invocation.value("--label", "auto")});
  console.note("data    " + columns.reason);
  data::LabelOptions options;
  options.known_labels = model.info().labels;
  const data::Examples examples = data::make_examples(table, columns, options);
  if (examples.is_pair() != model.info().pair)
    throw InputError(str(table.file(), ": the model takes ", model.info().pair ? "pairs" : "single texts"));
  const data::EncodedDataset rows = data::encode(examples, model.tokenizer(), model.info().max_tokens);
  const train::Predictions predictions = train::predict(model.classifier(), rows);
  const train::Scores scores = train::score(predictions, rows.labels);
  const data::ConfusionMatrix matrix = data::confusion_matrix(rows.labels, predictions.labels, predictions.classes);
  const std::vector<std::int64_t> counts = examples.counts();
  const double majority =
      static_cast<double>(*std::max_element(counts.begin(), counts.end())) / static_cast<double>(examples.size());
  if (const std::string file = invocation.value("--predictions"); !file.empty()) {
    if (fs::exists(file) && !invocation.has("--force"))
      throw InputError(file + " exists; use another name, or --force to replace it");
    std::string text = "line\tlabel\tpredicted\tscore\n";
    for (std::size_t i = 0; i < examples.size(); ++i) {
      const std::size_t at = i * static_cast<std::size_t>(predictions.classes) + static_cast<std::size_t>(predictions.labels[i]);
      text += str(examples.line[i], "\t", model.info().labels[static_cast<std::size_t>(rows.labels[i])], "\t",
                  model.info().labels[static_cast<std::size_t>(predictions.labels[i])], "\t",
                  fixed(static_cast<double>(predictions.probabilities[at]), 6), "\n");
    }
    write_file_atomic(file, text);
  }
  if (console.json()) {
    console.json_line("result", [&](JsonWriter& json) {
      json.member("rows", matrix.total())
          .member("accuracy", scores.accuracy)
          .member("macro_f1", scores.macro_f1)
          .member("loss", scores.loss);
    });
  } else {
    print_evaluation(console, model, scores, matrix, majority);
  }
  if (minimum && (minimum->first == "accuracy" ? scores.accuracy : scores.macro_f1) < minimum->second) {
    console.warn(str(minimum->first, " is below ", minimum->second));
    return kNo;
  }
  return kDone;
}

}  // namespace

Command predict_command() {
  Command c;
  c.name = "predict";
  c.summary = "label texts with a model folder";
  c.arguments = "MODEL [TEXT...]";
  c.min_arguments = 1;
  c.examples = {"lathe predict runs/reviews-1/model \"what a film\"",
                "lathe predict runs/reviews-1/model --format jsonl < texts.txt"};
  c.about =
      "Texts come from the arguments, from --file, or from standard input, one a line; each gives one line at once, so the command "
      "serves as a filter. Format text: label, score, text; tsv: label, score; jsonl: an object.";
  c.options = {{"--file", "FILE", "texts, one a line", ""},
               {"--top", "K", "the K most probable labels (1)", ""},
               {"--format", "NAME", "text, tsv or jsonl", ""}};
  c.groups = kEngineGroup;
  c.run = run_predict;
  return c;
}

Command evaluate_command() {
  Command c;
  c.name = "evaluate";
  c.summary = "score a model folder on labelled text";
  c.arguments = "MODEL DATA";
  c.min_arguments = c.max_arguments = 2;
  c.examples = {"lathe evaluate runs/reviews-1/model test.tsv", "lathe evaluate runs/reviews-1/model test.tsv --min accuracy=0.75"};
  c.about =
      "Accuracy with its interval, macro-F1, loss, and precision and recall of every label. With --min the exit code is 1 if the "
      "score is below.";
  c.options = {{"--text", "COLUMN", "column of the text", ""},
               {"--label", "COLUMN", "column of the label", ""},
               {"--min", "METRIC=VALUE", "exit code 1 below this accuracy or macro_f1", ""},
               {"--predictions", "FILE", "write line, label, answer and score of every row", ""}};
  c.groups = kEngineGroup | kForceGroup;
  c.run = run_evaluate;
  return c;
}

}  // namespace lathe::cli
