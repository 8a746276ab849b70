#include "sst2_data.h"

#include "sst2_table.h"

#include <lathe/base/error.h>
#include <lathe/data/encode.h>
#include <lathe/data/load.h>
#include <lathe/tokenizer/wordpiece_trainer.h>

namespace lathe::bench {

Sst2Data load_sst2(std::map<std::string, std::string>& arguments) {
  data::DataConfig source;
  source.train = arguments["train"];
  source.valid = arguments["valid"];
  source.max_tokens = 48;
  source.max_rows = 4000;
  source.split = {.train = 1, .valid = 0, .test = 0};
  const data::ClassificationData text = data::load_classification(source);
  tokenizer::WordPieceTrainer trainer({.vocab_size = 2000});
  for (const std::string_view row : text.train.text) trainer.add(row);
  const tokenizer::Tokenizer tokenizer = trainer.train();
  return {data::encode(text.train, tokenizer, source.max_tokens),
          data::encode(text.valid, tokenizer, source.max_tokens),
          {.vocab_size = tokenizer.vocab_size(), .max_tokens = source.max_tokens, .classes = 2}};
}

nas::Candidate sst2_base() {
  nas::Candidate base;
  base.all.heads = 2;
  base.training.epochs = kSst2Epochs;
  base.training.patience = 0;
  base.training.warmup = 0.05;
  return base;
}

std::map<std::string, std::string> named_arguments(int argc, char** argv, int first) {
  std::map<std::string, std::string> arguments;
  for (int i = first; i < argc; ++i) {
    const std::string text = argv[i];
    const std::size_t at = text.find('=');
    if (at == std::string::npos) throw InputError(text + ": expected name=value");
    arguments[text.substr(0, at)] = text.substr(at + 1);
  }
  return arguments;
}

}  // namespace lathe::bench
