#include <lathe/base/text.h>
#include <lathe/data/check.h>
#include <lathe/data/listops.h>
#include <lathe/tokenizer/wordpiece_trainer.h>

#include "tests/data/support.h"
#include "tests/support/shared.h"

using namespace lathe::data;

namespace {

const Finding* find(const CheckReport& report, const std::string& id) {
  for (const Finding& finding : report.findings)
    if (finding.id == id) return &finding;
  return nullptr;
}

/// A hundred and fifty rows of each class that nothing is wrong with.
std::string good_rows() {
  std::string text = "label\ttext\n";
  for (int i = 0; i < 300; ++i) text += lathe::str(i % 2 ? "neg" : "pos", "\tsome words, number ", i, "\n");
  return text;
}

CheckReport check(const test::Folder& folder, const std::string& text, DataConfig config = {},
                  const lathe::tokenizer::Tokenizer* tokenizer = nullptr) {
  config.train = folder.write("reviews.tsv", text);
  return check_data(config, tokenizer);
}

std::string place(const test::Folder& folder, int line) {
  return (folder.path() / "reviews.tsv").string() + ":" + std::to_string(line);
}

}  // namespace

TEST_CASE("check: good data has nothing but ok") {
  const test::Folder folder;
  const CheckReport report = check(folder, good_rows());
  CHECK(report.text() ==
        "ok    300 rows, UTF-8, text = `text`, label = `label`, no empty text; training 240, validation 30, test 30\n"
        "ok    2 classes: neg 120 (50.0 %)  pos 120 (50.0 %)\n"
        "2 ok, 0 warnings, 0 failures");
  CHECK(!report.failed());
}

TEST_CASE("check: few rows, small classes, majority") {
  const test::Folder folder;
  std::string text = "label\ttext\n";
  for (int i = 0; i < 60; ++i) text += lathe::str(i < 57 ? "pos" : "neg", "\tnumber ", i, " of them\n");
  DataConfig config;
  config.split = {100, 0, 0};
  const CheckReport report = check(folder, text, config);
  REQUIRE(find(report, "few rows"));
  CHECK(find(report, "few rows")->message == "only 60 training rows; fewer than 100 tell little about any model");
  REQUIRE(find(report, "small classes"));
  CHECK(find(report, "small classes")->message == "1 class has fewer than 50 training rows: `neg` (3)");
  REQUIRE(find(report, "majority"));
  CHECK(find(report, "majority")->message ==
        "`pos` is 95.0 % of the training rows: accuracy says little, use task.metric = \"macro_f1\"");
}

TEST_CASE("check: duplicates and conflicts") {
  const test::Folder folder;
  DataConfig config;
  config.split = {100, 0, 0};
  const CheckReport report = check(
      folder,
      good_rows() + "neg\tSome words number 1\npos\tsome words - number 2\npos\tsome words, number 3!\nneg\tsome words number 1\n",
      config);
  REQUIRE(find(report, "duplicates"));
  CHECK(find(report, "duplicates")->message == "3 texts occur more than once");
  CHECK(find(report, "duplicates")->places == std::vector<std::string>{place(folder, 302), place(folder, 303), place(folder, 304)});
  REQUIRE(find(report, "conflicts"));
  CHECK(find(report, "conflicts")->message == "1 text occurs with different labels: no model can get both right");
  CHECK(find(report, "conflicts")->places == std::vector<std::string>{place(folder, 304)});
}

TEST_CASE("check: overlap of explicit files") {
  const test::Folder folder;
  DataConfig config;
  config.test = folder.write("test.tsv", "label\ttext\npos\tnew words\nneg\tSOME WORDS number 7\nneg\tsome words number 7\n");
  config.split = {100, 0, 0};
  const CheckReport report = check(folder, good_rows(), config);
  REQUIRE(find(report, "overlap"));
  CHECK(find(report, "overlap")->message == "1 text is in the training and the test data: test scores would be too high");
  CHECK(find(report, "overlap")->places == std::vector<std::string>{config.test.string() + ":3"});
  // Split by the hash of the text, duplicates are on one side.
  CHECK(!find(check(folder, good_rows() + good_rows().substr(11)), "overlap"));
}

TEST_CASE("check: the label inside the text, identifiers as text") {
  const test::Folder folder;
  std::string leak = "label\ttext\n", ids = "label\ttext\n";
  for (int i = 0; i < 300; ++i) {
    leak += lathe::str(i % 2 ? "bad\tIt was BAD: " : "good\tgood, ", "number ", i, "\n");
    ids += lathe::str(i % 2 ? "a" : "b", "\tuser_", i, "\n");
  }
  REQUIRE(find(check(folder, leak), "label in text"));
  CHECK(find(check(folder, leak), "label in text")->message ==
        "100.0 % of the training texts hold their own label as a word: the model will only look for it");
  REQUIRE(find(check(folder, ids), "identifiers"));
  CHECK(find(check(folder, ids), "identifiers")->message.find("`text` looks like numbers or identifiers") == 0);
  // Digits are labels and words of ListOps alike, and give nothing away.
  write_listops(folder.path() / "listops.tsv", {});
  DataConfig config;
  config.train = folder.path() / "listops.tsv";
  const CheckReport report = check_data(config);
  CHECK(report.count(Level::warn) == 0);
  CHECK(report.count(Level::fail) == 0);
}

TEST_CASE("check: lengths and unknown tokens") {
  const test::Folder folder;
  const std::vector<std::string_view> texts = {"some words , number 0 1 2 3 4 5 6 7 8 9"};
  const auto tokenizer = lathe::tokenizer::train_wordpiece(texts, {200, true, 1, 1000});
  DataConfig config;
  config.split = {100, 0, 0};
  CheckReport report = check(folder, good_rows(), config, &tokenizer);
  CHECK(find(report, "lengths"));
  CHECK(!find(report, "unknown tokens"));
  config.max_tokens = 6;
  report = check(folder, good_rows(), config, &tokenizer);
  REQUIRE(find(report, "truncation"));
  CHECK(find(report, "truncation")->message.find("% of rows exceed data.max_tokens = 6 and will be cut") != std::string::npos);
  std::string foreign = "label\ttext\n";
  for (int i = 0; i < 100; ++i) foreign += std::to_string(i % 2) + "\tслова другого языка " + std::to_string(i) + "\n";
  report = check(folder, foreign, config, &tokenizer);
  CHECK(find(report, "unknown tokens"));
}

TEST_CASE("check: failures") {
  const test::Folder folder;
  CheckReport report = check(folder, good_rows() + "pos\ta\tb\n");
  REQUIRE(report.count(Level::fail) == 1);
  CHECK(report.findings.back().message ==
        place(folder, 302) + ": 3 fields, expected 2; quote it, use .jsonl, or --set data.bad_rows='\"skip\"'");
  CHECK(report.failed());
  CHECK(find(report, "classes"));  // the check goes on with the other rows

  DataConfig skip;
  skip.bad_rows = BadRows::skip;
  report = check(folder, good_rows() + "pos\ta\tb\n", skip);
  CHECK(report.count(Level::fail) == 0);
  REQUIRE(find(report, "bad rows"));
  CHECK(find(report, "bad rows")->message == place(folder, 302) + ": 3 fields, expected 2 (left out)");

  report = check(folder, good_rows() + "pos\ta\tb\nneg\nneg\t\xFF\n");
  REQUIRE(find(report, "bad rows"));
  CHECK(find(report, "bad rows")->places.size() == 3);

  report = check(folder, "label\ttext\npos\ta\npos\tb\tc\npos\td\n");
  CHECK(report.count(Level::fail) == 2);  // the bad row, and one label only
  CHECK(report.text().find("only one label, `pos`, in 2 rows") != std::string::npos);

  report = check(folder, "");
  CHECK(report.count(Level::fail) == 1);
  CHECK(report.text().find("the file is empty") != std::string::npos);

  DataConfig config;
  config.test = folder.write("test.tsv", "label\ttext\nneutral\ta\n");
  report = check(folder, good_rows(), config);
  CHECK(report.text().find("test.tsv:2: label `neutral` does not occur in the training data") != std::string::npos);

  report = check(folder, "label\ttext\npos\ta\nneg\tb\n");
  CHECK(report.text().find("the validation part is empty") != std::string::npos);
}

TEST_CASE("check: SST-2") {
  DataConfig config;
  config.train = lathe::test::shared_file("data/glue-sst2/train.tsv");
  if (config.train.empty()) return;
  config.valid = lathe::test::shared_file("data/glue-sst2/dev.tsv");
  config.test = lathe::test::shared_file("data/glue-sst2/test.tsv");
  const CheckReport report = check_data(config);
  MESSAGE(report.text());
  CHECK(!report.failed());
  CHECK(report.findings[1].message == "2 classes: 1 37,569 (55.8 %)  0 29,780 (44.2 %)");
  CHECK(find(report, "duplicates"));
}
