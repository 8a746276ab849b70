// A model folder that is not what was saved is refused with one line that names the file.
#include <lathe/base/sha256.h>
#include <lathe/nn/weights.h>

#include "tests/deploy/support.h"

using namespace lathe;
using namespace lathe::deploy;
using namespace lathe::deploy::test;

namespace {

const std::vector<std::string> kFiles = {"config.json", "metrics.json", "model.safetensors", "tokenizer.json",
                                         "tokenizer_config.json"};

bool one_line(const std::string& message) { return message.find('\n') == std::string::npos; }

std::string refusal(const fs::path& folder, bool check_hashes = true) {
  return message_of([&] { Model::load(folder, {.check_hashes = check_hashes}); });
}

/// Writes SHA256SUMS anew, as somebody would who edited a file on purpose.
void sign(const fs::path& folder) {
  std::string sums;
  for (const std::string& name : kFiles) sums += to_hex(sha256(read_file(folder / name))) + "  " + name + "\n";
  write_file_atomic(folder / "SHA256SUMS", sums);
}

void replace(const fs::path& file, const std::string& what, const std::string& by) {
  std::string text = read_file(file);
  const std::size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  write_file_atomic(file, text.replace(at, what.size(), by));
}

}  // namespace

TEST_CASE("a flipped bit, a cut file, a missing file") {
  const Folder folder;
  const fs::path model = folder / "model";
  Parts().save(model);
  REQUIRE(refusal(model) == "nothing was thrown");
  for (const std::string& name : kFiles) {
    CAPTURE(name);
    const std::string bytes = read_file(model / name);
    const std::string expected =
        (model / name).string() + ": is not the file that was saved (its SHA-256 differs from SHA256SUMS); copy the folder again";
    for (const std::size_t at : {std::size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ 4);
      write_file_atomic(model / name, damaged);
      CHECK(refusal(model) == expected);
    }
    for (const std::size_t size : {std::size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
      write_file_atomic(model / name, bytes.substr(0, size));
      CHECK(refusal(model) == expected);
    }
    fs::remove(model / name);
    const std::string missing = refusal(model);
    CHECK(missing == (name == "config.json" ? model.string() + ": is not a model folder (no config.json in it)"
                                            : (model / name).string() + ": no such file"));
    write_file_atomic(model / name, bytes);
  }
  CHECK(refusal(model) == "nothing was thrown");
  CHECK(refusal(folder / "nowhere") == (folder / "nowhere").string() + ": no such model folder");
}

TEST_CASE("a damaged list of hashes does not pass for a whole folder") {
  const Folder folder;
  const fs::path model = folder / "model", sums = model / "SHA256SUMS";
  Parts().save(model);
  const std::string bytes = read_file(sums);
  fs::remove(sums);  // saving was cut off
  CHECK(refusal(model) == model.string() + ": is not a whole model folder (no SHA256SUMS in it, which is written last)");
  write_file_atomic(sums, "");
  CHECK(refusal(model) == sums.string() + ": is damaged, it does not list config.json; copy the folder again");
  write_file_atomic(sums, bytes.substr(0, bytes.find('\n') + 1));
  CHECK(refusal(model) == sums.string() + ": is damaged, it does not list model.safetensors; copy the folder again");
  write_file_atomic(sums, bytes.substr(0, bytes.size() / 2 + 10));
  CHECK(refusal(model).starts_with(model.string()));
  write_file_atomic(sums, "no hashes\n");
  CHECK(refusal(model) == sums.string() + ": is damaged, expected lines `<SHA-256>  <file>`; copy the folder again");
  write_file_atomic(sums, bytes);
  CHECK(refusal(model) == "nothing was thrown");
}

TEST_CASE("without hashes a damaged file never becomes a crash") {
  const Folder folder;
  const fs::path model = folder / "model";
  Parts().save(model);
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json"}) {
    const std::string bytes = read_file(model / name);
    for (std::size_t size = 0; size < bytes.size(); size += bytes.size() / 13 + 1) {
      write_file_atomic(model / name, bytes.substr(0, size));
      const std::string message = refusal(model, false);
      CAPTURE(message);
      CHECK(message.starts_with((model / name).string()));
      CHECK(one_line(message));
    }
    for (std::size_t at = 0; at < bytes.size(); at += bytes.size() / 67 + 1) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ 1);
      write_file_atomic(model / name, damaged);
      const std::string message = refusal(model, false);  // accepted, where the bit lies in a value
      CAPTURE(message);
      CHECK((message == "nothing was thrown" || message.starts_with(model.string())));
      CHECK(one_line(message));
    }
    write_file_atomic(model / name, bytes);
  }
}

TEST_CASE("files that do not fit each other") {
  const Folder folder;
  const fs::path model = folder / "model", config = model / "config.json";
  const Parts parts;
  const auto refused = [&](const std::string& what, const std::string& by) {
    parts.save(model);
    replace(config, what, by);
    sign(model);
    const std::string message = refusal(model);
    const std::string place = config.string() + ": ";
    return message.starts_with(place) ? message.substr(place.size()) : "not of config.json: " + message;
  };
  CHECK(refused("\"format\":1", "\"format\":2").starts_with("format 2, written by lathe "));
  CHECK(refused("\"task\":\"classification\"", "\"task\":\"tagging\"") == "task `tagging`, expected classification");
  CHECK(refused("\"neg\",", "") == "2 labels for 3 classes");
  CHECK(refused("\"pair\":false", "\"pair\":\"no\"") == "`pair` has the wrong type");
  CHECK(refused("\"pair\":false,", "") == "`pair` is missing");
  CHECK(refused("\"max_tokens\":12", "\"max_tokens\":0") == "`max_tokens` is 0, expected 1 to 12, that of the architecture");
  CHECK(refused("\"max_tokens\":12", "\"max_tokens\":13") == "`max_tokens` is 13, expected 1 to 12, that of the architecture");
  CHECK(refused("\"lathe\":{", "\"other\":{") == "is not of a lathe model (no `lathe` in it)");
  CHECK(has(refused("\"heads\":2", "\"heads\":3"), "16"));
  CHECK(refused("\"ffn\":24", "\"fnn\":24").find("ffn") != std::string::npos);

  parts.save(model);  // weights of another architecture
  Context context;
  nn::TransformerConfig larger = parts.info.architecture;
  larger.layers.push_back(larger.layers.back());
  nn::save_weights(model / "model.safetensors", nn::Classifier(context, larger).parameters());
  sign(model);
  CHECK(refusal(model).starts_with((model / "model.safetensors").string() + ": "));
  CHECK(one_line(refusal(model)));

  parts.save(model);  // a tokenizer with more tokens than the network has rows
  tokenizer::WordPieceTrainer trainer({.vocab_size = 200});
  trainer.add("quite another vocabulary, with xylophones, zebras, KING and queen: jumping over lazy brown dogs");
  trainer.train().save(model / "tokenizer.json");
  sign(model);
  const std::string tokens = refusal(model);
  CAPTURE(tokens);
  CHECK(tokens.starts_with((model / "tokenizer.json").string() + ": has "));
}
