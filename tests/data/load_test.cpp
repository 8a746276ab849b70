#include <lathe/base/text.h>
#include <lathe/data/load.h>

#include "tests/data/support.h"

using namespace lathe::data;
using lathe::data::test::error_of;

namespace {

std::string rows(int count, int first = 0) {
  std::string text;
  for (int i = first; i < first + count; ++i) text += lathe::str(i % 2 ? "neg" : "pos", "\ttext number ", i, "\n");
  return text;
}
const std::string kHeader = "label\ttext\n";

}  // namespace

TEST_CASE("one file is split; what was done is told") {
  const test::Folder folder;
  DataConfig config;
  config.train = folder.write("reviews.tsv", kHeader + rows(200));
  const ClassificationData data = load_classification(config);
  CHECK(data.train.size() == 160);
  CHECK(data.valid.size() == 20);
  CHECK(data.test.size() == 20);
  CHECK(data.label_names == std::vector<std::string>{"neg", "pos"});
  CHECK(data.part(Part::valid).size() == 20);
  const std::string file = config.train.string();
  CHECK(data.notes == std::vector<std::string>{file + ": 200 rows (TSV, header, quotes are plain characters)",
                                               "text = `text`, label = `label`", "split 80/10/10 by hash of the text, seed 1",
                                               "training 160, validation 20, test 20 rows"});
  config.max_rows = 100;
  CHECK(load_classification(config).train.size() == 80);
  config.split = {100, 0, 0};
  const ClassificationData whole = load_classification(config);
  CHECK(whole.train.size() == 100);
  CHECK(whole.test.size() == 0);
  CHECK(whole.test.label_names == data.label_names);
}

TEST_CASE("explicit files take the place of their share") {
  const test::Folder folder;
  DataConfig config;
  config.train = folder.write("train.tsv", kHeader + rows(180));
  config.test = folder.write("test.tsv", kHeader + rows(10, 1000));
  ClassificationData data = load_classification(config);
  CHECK(data.train.size() == 160);
  CHECK(data.valid.size() == 20);
  CHECK(data.test.size() == 10);
  CHECK(data.test.source.file() == config.test.string());
  config.valid = folder.write("valid.tsv", "label\tsentence\n" + rows(6, 2000));  // another name, found again
  data = load_classification(config);
  CHECK(data.train.size() == 180);
  CHECK(data.valid.size() == 6);
  CHECK(data.files.size() == 3);
  config.columns.text = "text";  // asked for by name, it must be there
  CHECK(error_of([&] { load_classification(config); }) == config.valid.string() + ":1: no column `text`; columns: label, sentence");
}

TEST_CASE("labels unseen in training, empty files, pairs against texts") {
  const test::Folder folder;
  DataConfig config;
  config.train = folder.write("train.tsv", kHeader + rows(180));
  config.test = folder.write("test.tsv", kHeader + rows(2) + "neutral\tx\n");
  CHECK(error_of([&] { load_classification(config); }) ==
        config.test.string() + ":4: label `neutral` does not occur in the training data; labels: neg, pos");
  config.test = folder.write("test.tsv", kHeader + rows(2) + "negg\tx\n");
  CHECK(error_of([&] { load_classification(config); }) ==
        config.test.string() + ":4: label `negg` does not occur in the training data; labels: neg, pos; did you mean `neg`?");
  config.test = folder.write("test.tsv", "");
  CHECK(error_of([&] { load_classification(config); }) ==
        config.test.string() + ": the file is empty; expected a header line and rows");
  config.test = folder.write("test.tsv", kHeader + "\tx\n");
  config.bad_rows = BadRows::skip;
  CHECK(error_of([&] { load_classification(config); }) == config.test.string() + ": no row has both text and label");
  config.test = folder.path() / "tset.tsv";
  CHECK(error_of([&] { load_classification(config); }).find("no such file; did you mean ") != std::string::npos);
  config.train.clear();
  CHECK(error_of([&] { load_classification(config); }) == "data.train: expected a file of labelled text");
}

TEST_CASE("skipped rows are reported, never silently lost") {
  const test::Folder folder;
  DataConfig config;
  config.train = folder.write("t.tsv", kHeader + "pos\n" + rows(100) + "pos\t \nneg\ta\tb\n");
  CHECK(error_of([&] { load_classification(config); }).rfind(config.train.string() + ":2: 1 field, expected 2", 0) == 0);
  config.bad_rows = BadRows::skip;
  const ClassificationData data = load_classification(config);
  REQUIRE(data.files.size() == 1);
  REQUIRE(data.files[0].skipped.size() == 3);
  CHECK(data.files[0].skipped[1].line == 103);
  CHECK(data.notes[1] == config.train.string() + ": 3 bad rows left out; the first: line 2: 1 field, expected 2");
}
