// lathe train: one architecture, that of [model], to a model folder.
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/format.h>
#include <lathe/cli/model_config.h>
#include <lathe/cli/run.h>
#include <lathe/cli/session.h>
#include <lathe/cli/signals.h>
#include <lathe/deploy/model.h>
#include <lathe/train/trainer.h>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

std::string scores_json(const train::Scores& s) {
  return JsonWriter()
      .begin_object()
      .member("accuracy", s.accuracy)
      .member("macro_f1", s.macro_f1)
      .member("loss", s.loss)
      .end_object()
      .text();
}

void print_epoch(Console& console, const train::EpochResult& e, std::int64_t epochs) {
  if (console.json()) {
    console.json_line("epoch", [&](JsonWriter& json) {
      json.member("epoch", e.epoch)
          .member("train_loss", e.train_loss)
          .key("valid")
          .raw(scores_json(e.valid))
          .member("best", e.best);
    });
    return;
  }
  console.note(str("epoch ", e.epoch, "/", epochs, "  loss ", fixed(e.train_loss, 4), "  validation loss ", fixed(e.valid.loss, 4),
                   " accuracy ", fixed(e.valid.accuracy, 4), " macro_f1 ", fixed(e.valid.macro_f1, 4), e.best ? "  best" : ""));
}

std::string card(const nn::TransformerConfig& architecture, const train::Scores& valid, const train::Scores& test,
                 std::int64_t test_rows) {
  return str("---\nlibrary_name: lathe\npipeline_tag: text-classification\n---\n\n# Text classifier\n\n", architecture.summary(),
             ", trained by `lathe train`.\n\n| part | accuracy | macro-F1 |\n|-|-|-|\n| validation | ", fixed(valid.accuracy, 4),
             " | ", fixed(valid.macro_f1, 4), " |\n| test (", test_rows, " rows) | ", fixed(test.accuracy, 4), " | ",
             fixed(test.macro_f1, 4), " |\n\nUse: `lathe predict FOLDER \"your text\"`.\n");
}

int run_train(Invocation& invocation) {
  Console& console = invocation.console();
  Config config;
  fs::path folder;
  const std::string resume = invocation.value("--resume");
  if (!resume.empty()) {
    if (!invocation.arguments().empty() || !invocation.values("--set").empty() || invocation.has("--config"))
      throw InputError("--resume takes data and settings from the run; give nothing else");
    folder = resume;
    if (!fs::exists(folder / "config.toml")) throw InputError(resume + ": is not a run folder (no config.toml in it)");
    config.read_file(folder / "config.toml");
    config.check();
  } else {
    config = configuration(invocation);
  }
  const LoadedData data = load_data(config, console);
  const nas::Candidate candidate = base_candidate(config);
  const nn::TransformerConfig architecture = candidate.architecture(data.task);
  architecture.validate();
  console.note(str("model   ", architecture.summary(), ", ", format_count(nn::count_parameters(architecture)), " parameters"));
  if (resume.empty()) {
    folder = new_run_folder(config, invocation.has("--force"));
    write_file_atomic(folder / "config.toml", config.to_toml(Config::Comments::help, folder));
    console.note("writes  " + folder.string());
  }

  Context context({.backend = backend_name(config),
                   .threads = thread_count(config),
                   .seed = static_cast<std::uint64_t>(config.integer("seed"))});
  train::Trainer trainer(context, architecture, candidate.training, data.rows.train, data.rows.valid);
  const fs::path checkpoint = folder / "checkpoint";
  if (fs::exists(checkpoint)) {
    try {
      trainer.restore(read_file(checkpoint), checkpoint.string());
    } catch (const InputError& error) {
      throw InputError(str(error.what(), "; remove it to train from the beginning"));
    }
  }
  const StopSignals signals;
  const std::string how = "lathe train --resume " + folder.string();
  while (!trainer.done()) {
    try {
      print_epoch(console, trainer.run_epoch([&] { return signals.requested(); }), candidate.training.epochs);
    } catch (const train::Stopped&) {
      write_file_atomic(checkpoint, trainer.checkpoint());
      throw StoppedByUser(str("stopped in epoch ", trainer.epoch() + 1, ". Resume: ", how));
    }
    try {
      write_file_atomic(checkpoint, trainer.checkpoint());
    } catch (const InfrastructureError& error) {
      throw InfrastructureError(str(error.what(), "; the checkpoint before it is untouched. Resume: ", how));
    }
  }
  trainer.restore_best();
  const train::Scores valid = trainer.best()->valid;
  train::Scores test;
  if (data.rows.test.rows() > 0) test = train::score(train::predict(trainer.model(), data.rows.test), data.rows.test.labels);
  const std::string metrics = JsonWriter()
                                  .begin_object()
                                  .key("valid")
                                  .raw(scores_json(valid))
                                  .key("test")
                                  .raw(scores_json(test))
                                  .member("test_rows", static_cast<std::int64_t>(data.rows.test.rows()))
                                  .member("weights", trainer.weights_hash())
                                  .end_object()
                                  .text();
  deploy::ModelInfo info;
  info.architecture = architecture;
  info.labels = data.text.label_names;
  info.max_tokens = data.task.max_tokens;
  info.pair = data.task.pair;
  info.name = folder_name(folder);
  info.numerics = context.numerics();
  deploy::save_model(folder / "model", info, trainer.model(), *data.tokenizer, metrics + "\n",
                     card(architecture, valid, test, static_cast<std::int64_t>(data.rows.test.rows())));
  if (console.json()) {
    console.json_line("result",
                      [&](JsonWriter& json) { json.member("model", (folder / "model").string()).key("metrics").raw(metrics); });
  } else {
    console.result(str("validation accuracy ", fixed(valid.accuracy, 4), " macro_f1 ", fixed(valid.macro_f1, 4),
                       "\ntest       accuracy ", fixed(test.accuracy, 4), " macro_f1 ", fixed(test.macro_f1, 4), " (",
                       with_commas(static_cast<std::int64_t>(data.rows.test.rows())), " rows)\nmodel      ",
                       (folder / "model").string(), "\nweights    ", trainer.weights_hash(), "\n"));
  }
  return kDone;
}

}  // namespace

Command train_command() {
  Command c;
  c.name = "train";
  c.summary = "train one architecture, without a search";
  c.arguments = "DATA|CONFIG";
  c.max_arguments = 1;
  c.examples = {"lathe train reviews.tsv", "lathe train reviews.tsv --epochs 5 --set model.hidden=64"};
  c.about =
      "Trains the architecture of [model] as [train] says, keeps the epoch with the best validation score, tests, and writes a "
      "model "
      "folder. A checkpoint is written after every epoch and on ^C; --resume goes on to the same bits.";
  c.options = {{"--epochs", "N", "passes over the training rows", "train.epochs"},
               {"--text", "COLUMN", "column of the text", "data.text"},
               {"--label", "COLUMN", "column of the label", "data.label"},
               {"--valid", "FILE", "validation file", "data.valid"},
               {"--test", "FILE", "test file", "data.test"},
               {"--out", "FOLDER", "run folder (runs/<data>-<n>)", "output.dir"},
               {"--resume", "FOLDER", "go on with a training that was stopped", ""}};
  c.groups = kConfigGroup | kEngineGroup | kForceGroup;
  c.run = run_train;
  return c;
}

}  // namespace lathe::cli
