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

#include <optional>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

/// What was measured on a part of the data: nothing, if it has no rows.
using Measured = std::optional<train::Scores>;

std::string scores_json(const Measured& s) {
  if (!s) return "null";
  return JsonWriter()
      .begin_object()
      .member("accuracy", s->accuracy)
      .member("macro_f1", s->macro_f1)
      .member("loss", s->loss)
      .end_object()
      .text();
}

std::string scores_text(const Measured& s) {
  return s ? str("accuracy ", fixed(s->accuracy, 4), " macro_f1 ", fixed(s->macro_f1, 4)) : "not measured: no rows";
}

void print_epoch(Console& console, const train::EpochResult& e, const Measured& valid, std::int64_t epochs) {
  if (console.json()) {
    console.json_line("epoch", [&](JsonWriter& json) {
      json.member("epoch", e.epoch).member("train_loss", e.train_loss).key("valid").raw(scores_json(valid)).member("best", e.best);
    });
    return;
  }
  console.note(str("epoch ", e.epoch, "/", epochs, "  loss ", fixed(e.train_loss, 4),
                   valid ? str("  validation loss ", fixed(valid->loss, 4), " ", scores_text(valid)) : "", e.best ? "  best" : ""));
}

std::string card(const nn::TransformerConfig& architecture, const Measured& valid, const Measured& test, std::int64_t test_rows) {
  const auto row = [](const std::string& part, const Measured& s) {
    return s ? str("| ", part, " | ", fixed(s->accuracy, 4), " | ", fixed(s->macro_f1, 4), " |\n") : "";
  };
  return str("---\nlibrary_name: lathe\npipeline_tag: text-classification\n---\n\n# Text classifier\n\n", architecture.summary(),
             ", trained by `lathe train`.\n\n| part | accuracy | macro-F1 |\n|-|-|-|\n", row("validation", valid),
             row(str("test (", test_rows, " rows)"), test), "\nUse: `lathe predict FOLDER \"your text\"`.\n");
}

/// One call of the command.
class Training {
 public:
  explicit Training(Invocation& invocation) : invocation_(invocation), console_(invocation.console()) {}

  int run() {
    const bool resumes = invocation_.has("--resume");
    if (resumes)
      resume();
    else
      config_ = configuration(invocation_);
    data_ = load_data(config_, console_);
    candidate_ = base_candidate(config_);
    architecture_ = candidate_.architecture(data_.task);
    architecture_.validate();
    console_.note(str("model   ", architecture_.summary(), ", ", format_count(nn::count_parameters(architecture_)), " parameters"));
    if (!resumes) {
      folder_ = new_run_folder(config_, invocation_.has("--force"));
      write_file_atomic(folder_ / "config.toml", config_.to_toml(Config::Comments::help, folder_));
      console_.note("writes  " + folder_.string());
    }
    try {
      Context context({.backend = backend_name(config_),
                       .threads = thread_count(config_),
                       .seed = static_cast<std::uint64_t>(config_.integer("seed"))});
      train::Trainer trainer(context, architecture_, candidate_.training, data_.rows.train, data_.rows.valid);
      train_to_end(trainer);
      save(trainer, context.numerics());
    } catch (const InfrastructureError& error) {
      throw InfrastructureError(str(error.what(), "; the last complete checkpoint is untouched. Resume: ", how_to_resume()));
    }
    return kDone;
  }

 private:
  std::string how_to_resume() const { return "lathe train --resume " + folder_.string(); }

  /// Everything but what no bit depends on comes from the run.
  void resume() {
    require_resumable(invocation_, {"--threads", "--backend"});
    folder_ = invocation_.value("--resume");
    if (!fs::exists(folder_ / "config.toml")) throw InputError(folder_.string() + ": is not a run folder (no config.toml in it)");
    config_.read_file(folder_ / "config.toml");
    for (const auto& [option, key] : {std::pair("--threads", "run.threads"), std::pair("--backend", "run.backend")})
      if (invocation_.has(option)) config_.set_option(key, invocation_.value(option), option);
    config_.check();
  }

  void train_to_end(train::Trainer& trainer) {
    const fs::path checkpoint = folder_ / "checkpoint";
    if (fs::exists(checkpoint)) {
      try {
        trainer.restore(read_file(checkpoint), checkpoint.string());
      } catch (const InputError& error) {
        throw InputError(str(error.what(), "; remove it to train from the beginning"));
      }
    }
    const StopSignals signals;
    while (!trainer.done()) {
      try {
        const train::EpochResult epoch = trainer.run_epoch([&] { return signals.requested(); });
        print_epoch(console_, epoch, validated(epoch), candidate_.training.epochs);
      } catch (const train::Stopped&) {
        write_file_atomic(checkpoint, trainer.checkpoint());
        throw StoppedByUser(str("stopped in epoch ", trainer.epoch() + 1, ". Resume: ", how_to_resume()));
      }
      write_file_atomic(checkpoint, trainer.checkpoint());
    }
  }

  Measured validated(const train::EpochResult& epoch) const {
    return data_.rows.valid.rows() > 0 ? Measured(epoch.valid) : std::nullopt;
  }

  /// Tests, writes the model folder, prints.
  void save(train::Trainer& trainer, const std::string& numerics) {
    trainer.restore_best();
    const Measured valid = validated(*trainer.best());
    const auto test_rows = static_cast<std::int64_t>(data_.rows.test.rows());
    Measured test;
    if (test_rows > 0) test = train::score(train::predict(trainer.model(), data_.rows.test), data_.rows.test.labels);
    const std::string metrics = JsonWriter()
                                    .begin_object()
                                    .key("valid")
                                    .raw(scores_json(valid))
                                    .key("test")
                                    .raw(scores_json(test))
                                    .member("test_rows", test_rows)
                                    .member("weights", trainer.weights_hash())
                                    .end_object()
                                    .text();
    deploy::ModelInfo info;
    info.architecture = architecture_;
    info.labels = data_.text.label_names;
    info.max_tokens = data_.task.max_tokens;
    info.pair = data_.task.pair;
    info.name = folder_name(folder_);
    info.numerics = numerics;
    const std::string model = (folder_ / "model").string();
    deploy::save_model(model, info, trainer.model(), *data_.tokenizer, metrics + "\n", card(architecture_, valid, test, test_rows));
    if (console_.json()) {
      console_.json_line("result", [&](JsonWriter& json) { json.member("model", model).key("metrics").raw(metrics); });
    } else {
      console_.result(str("validation ", scores_text(valid), "\ntest       ", scores_text(test),
                          test ? str(" (", with_commas(test_rows), " rows)") : "", "\nmodel      ", model, "\nweights    ",
                          trainer.weights_hash(), "\n"));
    }
  }

  Invocation& invocation_;
  Console& console_;
  Config config_;
  LoadedData data_;
  nas::Candidate candidate_;
  nn::TransformerConfig architecture_;
  fs::path folder_;
};

int run_train(Invocation& invocation) { return Training(invocation).run(); }

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
