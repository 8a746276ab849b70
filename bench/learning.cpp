// Trains one classifier and writes down all that another library needs to train the same: encoded rows, the rows of every batch,
// the weights at the start, the configuration; and what came of it: the loss of each step, the scores of each epoch.
// bench/peers/learning.py is the other side.
//
//   bench_learning OUT train=FILE [valid=FILE] [vocab=FILE] [rows=N] [epochs=3] [hidden=128] [layers=2] [heads=4]
//                 [ffn=4 hidden] [bert=0: post-norm, GELU, pooler on the first token] [dropout=0.1] [lr=5e-4] [seed=1] [threads=1]
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/data/encode.h>
#include <lathe/tokenizer/wordpiece_trainer.h>
#include <lathe/train/trainer.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>

namespace lathe::bench {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::map<std::string, std::string> values;
  std::string text(const std::string& name, const std::string& otherwise) const {
    const auto found = values.find(name);
    return found == values.end() ? otherwise : found->second;
  }
  double number(const std::string& name, double otherwise) const {
    const auto found = values.find(name);
    if (found == values.end()) return otherwise;
    const auto value = parse_double(found->second);
    if (!value) throw InputError(name + ": expected a number, got " + found->second);
    return *value;
  }
  Index integer(const std::string& name, Index otherwise) const {
    return static_cast<Index>(number(name, static_cast<double>(otherwise)));
  }
};

template <class Numbers>
void write_numbers(JsonWriter& json, const char* name, const Numbers& numbers) {
  json.key(name).begin_array();
  for (const auto number : numbers) json.value(number);
  json.end_array();
}

void write_rows(JsonWriter& json, const char* name, const data::EncodedDataset& rows) {
  json.key(name).begin_object();
  write_numbers(json, "ids", rows.ids);
  write_numbers(json, "offsets", rows.offsets);
  write_numbers(json, "labels", rows.labels);
  json.end_object();
}

tokenizer::Tokenizer make_tokenizer(const std::string& vocabulary, const data::Examples& train) {
  if (!vocabulary.empty()) return tokenizer::Tokenizer::load(vocabulary);
  tokenizer::WordPieceTrainer trainer;  // 8,000 pieces
  for (const std::string_view row : train.text) trainer.add(row);
  return trainer.train();
}

void run(const fs::path& out, const Arguments& arguments) {
  data::DataConfig source;
  source.train = arguments.text("train", "");
  source.valid = arguments.text("valid", "");
  source.max_tokens = arguments.integer("max_tokens", 64);
  source.max_rows = arguments.integer("rows", 0);
  source.split = {.train = 9, .valid = source.valid.empty() ? 1 : 0, .test = 0};
  const data::ClassificationData text = data::load_classification(source);
  const tokenizer::Tokenizer tokenizer = make_tokenizer(arguments.text("vocab", ""), text.train);
  const data::EncodedDataset train = data::encode(text.train, tokenizer, source.max_tokens);
  const data::EncodedDataset valid = data::encode(text.valid, tokenizer, source.max_tokens);

  const Index hidden = arguments.integer("hidden", 128);
  const bool bert = arguments.integer("bert", 0) != 0;
  nn::TransformerConfig architecture = nn::TransformerConfig::uniform({.layers = arguments.integer("layers", 2),
                                                                       .hidden = hidden,
                                                                       .heads = arguments.integer("heads", 4),
                                                                       .ffn = arguments.integer("ffn", 4 * hidden),
                                                                       .activation = bert ? UnaryOp::kGelu : UnaryOp::kGeluTanh,
                                                                       .place = bert ? nn::NormPlace::kPost : nn::NormPlace::kPre});
  if (bert) {
    architecture.type_vocab_size = 2;
    architecture.pooling = nn::Pooling::kFirst;
    architecture.pooler = true;
  }
  architecture.vocab_size = tokenizer.vocab_size();
  architecture.max_tokens = source.max_tokens;
  architecture.classes = static_cast<Index>(text.label_names.size());
  architecture.dropout = architecture.attention_dropout = arguments.number("dropout", 0.1);
  train::TrainConfig config;
  config.epochs = arguments.integer("epochs", 3);
  config.lr = arguments.number("lr", 5e-4);
  config.patience = 0;

  ContextOptions options;
  options.seed = static_cast<std::uint64_t>(arguments.integer("seed", 1));
  options.threads = static_cast<int>(arguments.integer("threads", 1));
  Context context(options);
  train::Trainer trainer(context, architecture, config, train, valid);
  fs::create_directories(out);
  write_file_atomic(out / "start.safetensors", trainer.checkpoint());

  JsonWriter json;
  json.begin_object();
  json.key("architecture").raw(architecture.to_json()).key("training").raw(config.to_json());
  write_rows(json, "train", train);
  write_rows(json, "valid", valid);
  json.key("batches").begin_array();
  data::BatchOptions batch_options;
  batch_options.batch_rows = config.batch_rows;
  data::BatchIterator batches(train, batch_options, context.key("shuffle"));
  data::PackedBatch batch;
  for (std::int64_t epoch = 0; epoch < config.epochs; ++epoch) {
    batches.seek(epoch);
    while (batches.next(batch)) {
      json.begin_array();
      for (const std::int64_t row : batch.rows) json.value(row);
      json.end_array();
    }
  }
  json.end_array();
  std::vector<double> losses, milliseconds;  // of each step but an epoch's first: between two calls of on_step
  auto last = std::chrono::steady_clock::now();
  trainer.on_step = [&](std::int64_t step, std::int64_t, double loss) {
    const auto now = std::chrono::steady_clock::now();
    if (step > 1) milliseconds.push_back(std::chrono::duration<double, std::milli>(now - last).count());
    last = now;
    losses.push_back(loss);
  };
  const auto write_scores = [&] {
    const train::Scores scores = train::score(train::predict(trainer.model(), valid), valid.labels);
    json.begin_object().member("accuracy", scores.accuracy).member("loss", scores.loss).end_object();
  };
  json.key("epochs").begin_array();
  while (!trainer.done()) {
    trainer.run_epoch();
    write_scores();
  }
  json.end_array();
  write_numbers(json, "losses", losses);
  write_numbers(json, "milliseconds", milliseconds);
  json.member("weights", trainer.weights_hash());
  json.end_object();
  write_file_atomic(out / "training.json", json.text());
}

}  // namespace
}  // namespace lathe::bench

int main(int argc, char** argv) try {
  if (argc < 3) throw lathe::InputError("usage: bench_learning OUT train=FILE [name=value]...");
  lathe::bench::Arguments arguments;
  for (int i = 2; i < argc; ++i) {
    const std::string text = argv[i];
    const std::size_t at = text.find('=');
    if (at == std::string::npos) throw lathe::InputError(text + ": expected name=value");
    arguments.values[text.substr(0, at)] = text.substr(at + 1);
  }
  lathe::bench::run(argv[1], arguments);
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
