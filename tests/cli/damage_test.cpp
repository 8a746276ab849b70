// Files that are damaged, of another study, or cannot be written: one line that names the file, the right exit code, nothing lost.
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/version.h>
#include <lathe/nas/objective.h>
#include <lathe/tensor/backend.h>

#include "process.h"
#include "search_config.h"

#include <doctest/doctest.h>

using namespace lathe::test;
namespace fs = std::filesystem;

namespace {

bool one_line(const std::string& text) { return !text.empty() && text.find('\n') == std::string::npos; }

void copy(const std::string& from, const std::string& to) {
  fs::remove_all(to);
  fs::copy(from, to, fs::copy_options::recursive);
}

void replace(const std::string& file, const std::string& what, const std::string& by) {
  std::string text = read(file);
  REQUIRE(has(text, what));
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) text.replace(at, what.size(), by);
  write(file, text);
}

void flip(const std::string& file, std::size_t at) {
  std::string bytes = read(file);
  bytes.at(at) = static_cast<char>(bytes.at(at) ^ 16);
  write(file, bytes);
}

/// No file of this process grows beyond `bytes` while it lives: write() then fails with EFBIG, as it would with ENOSPC on a full
/// disk.
class SmallFiles {
 public:
  explicit SmallFiles(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SmallFiles() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  SmallFiles(const SmallFiles&) = delete;
  SmallFiles& operator=(const SmallFiles&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

}  // namespace

TEST_CASE("a full disk while a checkpoint is written: the one before it is whole") {
  const Workplace place;
  const auto store = lathe::nas::file_checkpoints("trials");
  store->save(3, 0, std::string(5000, 'a'));
  {
    const SmallFiles small(8000);
    std::string message;
    try {
      store->save(3, 1, std::string(20000, 'b'));
    } catch (const lathe::InfrastructureError& error) {
      message = error.what();
    }
    CHECK(message == "trials/trial-3-1.ckpt: cannot write: File too large");
  }
  const auto state = store->load(3, 5);
  REQUIRE(state);
  CHECK(state->first == 0);
  CHECK(state->second == std::string(5000, 'a'));
  CHECK(std::distance(fs::directory_iterator("trials"), fs::directory_iterator()) == 1);  // nothing half-written is left
  store->save(3, 1, std::string(20000, 'b'));
  CHECK(store->load(3, 5)->first == 1);
}

TEST_CASE("a search on a full disk, wherever it is full") {
  const Workplace place;
  write_search({.trials = 3, .hidden = 128});
  REQUIRE(call({"search", "lathe.toml", "--out", "whole"}).code == 0);
  // Limits from below the configuration's own file to above every file: a checkpoint has 2 MB, the others some 100 kB.
  int full = 0, checkpoint = 0;
  for (const long limit : {2'000L, 30'000L, 140'000L, 180'000L, 260'000L, 1'000'000L, 30'000'000L}) {
    CAPTURE(limit);
    fs::remove_all("b");
    Process process({"search", "lathe.toml", "--out", "b", "--workers", "2"}, limit);
    const int code = process.wait();
    CAPTURE(process.last_line());
    if (code != 0) {
      ++full;
      CHECK(code == 3);
      CHECK(process.last_line().starts_with("lathe: "));
      CHECK(has(process.last_line(), "b/"));
    }
    if (limit == 1'000'000L) {
      CHECK(code == 3);
      CHECK(has(process.last_line(),
                ".ckpt: cannot write: File too large; nothing committed is lost. Resume: lathe search --resume b"));
      checkpoint += has(process.last_line(), " failed 3 times for reasons of the machine");
      for (const auto& entry : fs::directory_iterator("b/trials"))  // checkpoints or nothing, but no half of one
        CHECK(entry.path().extension() == ".ckpt");
    }
    if (limit == 2'000L) {  // not even the configuration could be written: nothing was begun
      CHECK(process.last_line() == "lathe: b/config.toml: cannot write: File too large");
      CHECK(fs::is_empty("b"));
      continue;
    }
    if (code != 0) CHECK(process.last_line().ends_with("; nothing committed is lost. Resume: lathe search --resume b"));
    const Answer resumed = call({"search", "--resume", "b"});
    CAPTURE(resumed.err);
    CHECK(resumed.code == 0);
    CHECK(study_hash("b") == study_hash("whole"));
    CHECK(read("b/model/model.safetensors") == read("whole/model/model.safetensors"));
  }
  CHECK(full >= 4);
  CHECK(checkpoint == 1);
}

TEST_CASE("a training on a full disk goes on from the checkpoint before") {
  const Workplace place;
  write_search({.hidden = 64});
  REQUIRE(call({"train", "lathe.toml", "--out", "whole"}).code == 0);
  Process process({"train", "lathe.toml", "--out", "b"}, 20'000);
  CHECK(process.wait() == 3);
  CHECK(process.last_line() ==
        "lathe: b/checkpoint: cannot write: File too large; the last complete checkpoint is untouched. Resume: "
        "lathe train --resume b");
  CHECK(call({"train", "--resume", "b"}).code == 0);
  CHECK(read("b/model/model.safetensors") == read("whole/model/model.safetensors"));

  // All epochs are trained; there is room for everything but the model.
  fs::remove_all("b/model");
  Process saving({"train", "--resume", "b"}, 20'000);
  CHECK(saving.wait() == 3);
  CHECK(saving.last_line() ==
        "lathe: b/model/model.safetensors: cannot write: File too large; the last complete checkpoint is untouched. Resume: "
        "lathe train --resume b");
  CHECK(call({"train", "--resume", "b"}).code == 0);
  CHECK(read("b/model/model.safetensors") == read("whole/model/model.safetensors"));
}

TEST_CASE("a part without rows has no scores, and a search needs all parts") {
  const Workplace place;
  write_search();
  const Answer untested = call({"train", "lathe.toml", "--out", "t", "--set", "data.split=[8,2,0]"});
  REQUIRE(untested.code == 0);
  CHECK(has(untested.out, "test       not measured: no rows\n"));
  CHECK(has(read("t/model/metrics.json"), R"("test":null,"test_rows":0)"));
  CHECK_FALSE(has(read("t/model/README.md"), "| test"));
  CHECK(has(read("t/model/README.md"), "| validation | "));
  const Answer unchosen = call({"train", "lathe.toml", "--out", "v", "--set", "data.split=[8,0,2]"});
  REQUIRE(unchosen.code == 0);
  CHECK(has(unchosen.out, "validation not measured: no rows\ntest       accuracy "));
  CHECK_FALSE(has(unchosen.err, "validation loss"));
  CHECK(has(read("v/model/metrics.json"), R"("valid":null,)"));
  CHECK(error_of({"search", "lathe.toml", "--out", "s", "--set", "data.split=[8,2,0]"})
            .starts_with("data.split leaves no test rows"));
  CHECK(error_of({"search", "lathe.toml", "--out", "s", "--set", "data.split=[8,0,2]"})
            .starts_with("data.split leaves no validation"));
  CHECK_FALSE(fs::exists("s"));
}

TEST_CASE("resuming takes nothing silently that it would not obey") {
  const Workplace place;
  write_search();
  REQUIRE(call({"train", "lathe.toml", "--out", "t"}).code == 0);
  CHECK(error_of({"train", "--resume", "t", "--epochs", "9"}) ==
        "--epochs cannot be changed; --resume takes data and settings from the run");
  CHECK(error_of({"train", "--resume", "t", "--valid", "nowhere.tsv"}).starts_with("--valid cannot be changed"));
  CHECK(error_of({"train", "--resume", "t", "reviews.tsv"}) == "--resume takes its data from the run; leave out reviews.tsv");
  CHECK(error_of({"train", "--resume", "t", "--threads", "0x"}).starts_with("--threads"));
  CHECK(call({"train", "--resume", "t", "--threads", "2", "--backend", "scalar"}).code == 0);
  replace("t/config.toml", "epochs = 2", "epochs = 3");
  CHECK(error_of({"train", "--resume", "t"}) ==
        "t/checkpoint: the checkpoint is of another training: epochs is 2 there and 3 here; remove it to train from the beginning");
  CHECK(error_of({"search", "lathe.toml", "--threads", "7"}) ==
        "--threads 7: a search trains candidates side by side; --workers says with how many threads");
}

TEST_CASE("a renamed run whose study lies elsewhere does not begin another one") {
  const Workplace place;
  write_search();
  REQUIRE(
      call({"search", "lathe.toml", "--out", "a", "--set", "storage.url=\"sqlite:///shared.db\"", "--until-commit", "4"}).code ==
      0);
  fs::rename("a", "b");
  const std::string message = error_of({"search", "--resume", "b"});
  CHECK(has(message, "shared.db: holds no study b, which b would go on with (was the folder renamed?); give one of a as "));
  CHECK_FALSE(has(call({"study", "list", "shared.db"}).out, "\nb "));
  fs::rename("b", "a");
  CHECK(call({"search", "--resume", "a"}).code == 0);
}

TEST_CASE("a corrupt model is refused by every command that takes one") {
  const Workplace place;
  write_search();
  REQUIRE(call({"train", "lathe.toml", "--out", "a"}).code == 0);
  const auto refusal = [](const std::string& model) {
    const std::string predict = error_of({"predict", model, "a warm film"});
    CHECK(error_of({"evaluate", model, "reviews.tsv"}) == predict);
    CHECK(one_line(predict));
    return predict;
  };
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json", "metrics.json"}) {
    CAPTURE(name);
    const std::string file = std::string("m/") + name;
    copy("a/model", "m");
    flip(file, read(file).size() / 2);
    CHECK(refusal("m") == file + ": is not the file that was saved (its SHA-256 differs from SHA256SUMS); copy the folder again");
    copy("a/model", "m");
    fs::resize_file(file, fs::file_size(file) / 3);
    CHECK(refusal("m") == file + ": is not the file that was saved (its SHA-256 differs from SHA256SUMS); copy the folder again");
    copy("a/model", "m");
    write(file, "");
    CHECK(refusal("m").starts_with(file + ": "));
  }
  copy("a/model", "m");
  fs::remove("m/SHA256SUMS");
  CHECK(refusal("m") == "m: is not a whole model folder (no SHA256SUMS in it, which is written last)");
  CHECK(refusal("a") == "a: is not a model folder (no config.json in it)");
  CHECK(refusal("b") == "b: no such model folder");
}

TEST_CASE("a study of another configuration, of other data, of other numerics is not gone on with") {
  const Workplace place;
  write_search();
  REQUIRE(call({"search", "lathe.toml", "--out", "whole"}).code == 0);
  REQUIRE(call({"search", "lathe.toml", "--out", "part", "--until-commit", "8"}).code == 0);
  copy("part", "c");
  const std::string hash = study_hash("c");
  const auto resume = [&] {
    const std::string before = study_hash("c"), message = error_of({"search", "--resume", "c"});
    CHECK(study_hash("c") == before);
    CHECK(one_line(message));
    return message;
  };

  replace("c/config.toml", "weight_decay = 0.01", "weight_decay = 0.02");
  CHECK(resume() ==
        "c: the configuration changed since the study began (`configuration.train.weight_decay` was 0.01, is 0.02); start "
        "a new one with --out NEW");
  replace("c/config.toml", "weight_decay = 0.02", "weight_decay = 0.01");
  replace("c/config.toml", "seed = 1 ", "seed = 2 ");
  CHECK(resume().find("changed since the study began") != std::string::npos);
  replace("c/config.toml", "seed = 2 ", "seed = 1 ");

  const std::string rows = read("reviews.tsv");
  write("reviews.tsv", rows + "one more warm film\tpos\n");
  CHECK(resume().starts_with("c: data changed since the study began ("));
  CHECK(resume().ends_with("…); start a new one with --out NEW"));
  write("reviews.tsv", rows);

  std::string older(lathe::kNumerics);
  older.back() = '~';
  replace("c/study.db", std::string(lathe::kNumerics), older);
  CHECK(resume() == "c: the study was made with " + older + ", this lathe computes " + std::string(lathe::kNumerics) +
                        "; start a new one with --out NEW");
  replace("c/study.db", older, std::string(lathe::kNumerics));

  CHECK(study_hash("c") == hash);
  CHECK(call({"search", "--resume", "c"}).code == 0);  // nothing was lost
  CHECK(study_hash("c") == study_hash("whole"));
}

TEST_CASE("a study of another backend's own bits says so, and no other backend goes on with it") {
  const std::string own = lathe::inexact_backends().front();  // bf16, which runs everywhere
  const std::string tag = std::string(lathe::kNumerics) + "+" + own;
  const Workplace place;
  write_search();
  REQUIRE(call({"search", "lathe.toml", "--out", "own", "--backend", own, "--until-commit", "8"}).code == 0);
  CHECK(error_of({"search", "--resume", "own", "--backend", "scalar"}) ==
        "own: the study was made with " + tag + ", this lathe computes " + std::string(lathe::kNumerics) +
            "; start a new one with --out NEW");
  CHECK(call({"search", "--resume", "own"}).code == 0);
  CHECK(has(read("own/results.json"), "\"" + tag + "\""));
  CHECK(has(read("own/model/config.json"), "\"" + tag + "\""));
  CHECK(has(read("own/model/model.safetensors"), "\"" + tag + "\""));
  REQUIRE(call({"search", "lathe.toml", "--out", "exact", "--until-commit", "8"}).code == 0);
  CHECK(error_of({"search", "--resume", "exact", "--backend", own}).starts_with("exact: the study was made with "));
}

TEST_CASE("a damaged run folder") {
  const Workplace place;
  write_search();
  REQUIRE(call({"search", "lathe.toml", "--out", "whole"}).code == 0);
  Process process({"search", "lathe.toml", "--out", "part", "--until-commit", "8"});
  REQUIRE(process.wait() == 0);

  // Checkpoints are a cache.
  copy("part", "c");
  int checkpoints = 0;
  for (const auto& entry : fs::directory_iterator("c/trials")) {
    ++checkpoints;
    flip(entry.path().string(), fs::file_size(entry.path()) - 3);
  }
  CHECK(checkpoints > 0);
  CHECK(call({"search", "--resume", "c"}).code == 0);
  CHECK(study_hash("c") == study_hash("whole"));
  CHECK(read("c/model/model.safetensors") == read("whole/model/model.safetensors"));

  const auto refusal = [](const std::vector<std::string>& arguments) {
    const std::string message = error_of(arguments);
    CHECK(one_line(message));
    return message;
  };
  copy("part", "c");
  fs::resize_file("c/study.db", fs::file_size("c/study.db") / 2);
  CHECK(refusal({"search", "--resume", "c"}).starts_with("c/study.db: "));
  CHECK(refusal({"study", "hash", "c"}).starts_with("c/study.db: "));
  write("c/study.db", "no database, but as long as a page of one would be, or longer");
  CHECK(refusal({"search", "--resume", "c"}) == "c/study.db: is not an SQLite database");
  copy("part", "c");
  replace("c/config.toml", "seed = 1 ", "seed = [ ");
  CHECK(refusal({"search", "--resume", "c"}).starts_with("c/config.toml:"));
  copy("part", "c");
  fs::resize_file("c/config.toml", 0);  // other keys than those that the study was made with
  CHECK(refusal({"search", "--resume", "c"}).starts_with("no data: "));
  copy("whole", "c");
  fs::resize_file("c/results.json", fs::file_size("c/results.json") / 2);
  CHECK(refusal({"report", "c"}).starts_with("c/results.json: is not the record of a run: "));

  REQUIRE(call({"train", "lathe.toml", "--out", "t"}).code == 0);
  flip("t/checkpoint", fs::file_size("t/checkpoint") / 2);
  CHECK(refusal({"train", "--resume", "t"}) ==
        "t/checkpoint: is damaged (its contents do not have the SHA-256 that it names); remove it to train from the beginning");
  fs::resize_file("t/checkpoint", fs::file_size("t/checkpoint") / 2);
  CHECK(refusal({"train", "--resume", "t"}).starts_with("t/checkpoint: "));
  fs::remove("t/checkpoint");
  CHECK(call({"train", "--resume", "t"}).code == 0);  // from the beginning
}

TEST_CASE("missing and empty files") {
  const Workplace place;
  write("train.tsv", reviews(200));
  write("empty.tsv", "");
  write("header.tsv", "sentence\tlabel\n");
  write("blank.tsv", "\n\n");
  CHECK(error_of({"search", "empty.tsv"}) == "empty.tsv: the file is empty; expected a header line and rows");
  CHECK(error_of({"search", "header.tsv"}) == "header.tsv: a header but no rows");
  CHECK(error_of({"search", "blank.tsv"}) == "blank.tsv: the file holds nothing but blanks; expected a header line and rows");
  CHECK(error_of({"search", "train.tsv", "--valid", "nowhere.tsv"}) == "nowhere.tsv: no such file");
  CHECK(error_of({"search", "train.tsv", "--test", "empty.tsv"}) ==
        "empty.tsv: the file is empty; expected a header line and rows");
  CHECK(error_of({"search", "train.tsv", "--set", "tokenizer.file=vocab.txt"}).starts_with("vocab.txt: no such file"));
  CHECK(error_of({"search", "train.tsv", "-c", "train.tml"}).starts_with("train.tml: no such file"));
  write("empty.toml", "");
  CHECK(error_of({"search", "empty.toml"}).starts_with("no data: name a file"));
  write("vocab.txt", "");
  CHECK(error_of({"search", "train.tsv", "--set", "tokenizer.file=vocab.txt"}).starts_with("vocab.txt: "));
  write("valid.tsv", "sentence\tlabel\nfine\tpos\nso so\tneutral\n");
  CHECK(error_of({"search", "train.tsv", "--valid", "valid.tsv"}) ==
        "valid.tsv:3: label `neutral` does not occur in the training data; labels: neg, pos");
  write("cut.tsv", "sentence\tlabel\nfine\tpos\nbad\n");
  CHECK(error_of({"search", "train.tsv", "--test", "cut.tsv"}).starts_with("cut.tsv:3: 1 field, expected 2"));
  CHECK_FALSE(fs::exists("runs"));  // refused before anything was made
}
