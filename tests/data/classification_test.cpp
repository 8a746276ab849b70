#include <lathe/base/text.h>
#include <lathe/data/classification.h>

#include <algorithm>
#include <set>

#include "tests/data/support.h"

using namespace lathe::data;
using lathe::data::test::error_of;
using lathe::data::test::examples_of;

namespace {

std::string reason_of(const std::string& text, const ColumnChoice& choice = {}) {
  return find_columns(parse_table(text, "t.tsv"), choice).reason;
}
std::string column_error(const std::string& text, const ColumnChoice& choice = {}) {
  return error_of([&] { reason_of(text, choice); });
}
using Names = std::vector<std::string>;

ColumnChoice columns(std::string text, std::string label, std::string pair = "auto") {
  return {std::move(text), std::move(pair), std::move(label)};
}

/// Enough rows for few different values to stand out.
std::string thirty_rows() {
  std::string text = "id\tkind\twords\n";
  for (int i = 0; i < 30; ++i) text += lathe::str("n", i, "\t", i % 3 ? "spam" : "ham", "\tsome words ", i, "\n");
  return text;
}

}  // namespace

TEST_CASE("columns by name") {
  CHECK(reason_of("label\tsentence\n0\ta\n") == "text = `sentence`, label = `label`");
  CHECK(reason_of("id\tReview\tSentiment\n0\ta\tpos\n") == "text = `Review`, label = `Sentiment`");
  CHECK(reason_of("premise\thypothesis\tlabel\nx\ty\t1\n") == "text = `premise`, pair = `hypothesis`, label = `label`");
  CHECK(reason_of("text\tsentence1\tsentence2\tlabel\nx\ty\tz\t1\n") == "text = `sentence1`, pair = `sentence2`, label = `label`");
  CHECK(reason_of("sentence1\tsentence2\tlabel\nx\ty\t1\n", columns("auto", "auto", "")) ==
        "text = `sentence1` (the longest text), label = `label`");
  CHECK(reason_of("a\tb\tlabel\nx\ty\t1\n", columns("a", "label", "b")) == "text = `a`, pair = `b`, label = `label`");
  // A column that was asked for as text is not the label too.
  CHECK(reason_of("label\tclass\nfine words\t1\n", columns("label", "auto")) == "text = `label`, label = `class`");
}

TEST_CASE("columns by content") {
  CHECK(reason_of(thirty_rows()) == "text = `words` (the longest text), label = `kind` (2 different values)");
  CHECK(reason_of("label\tremarks\n0\ta\n") == "text = `remarks` (the other column), label = `label`");
}

TEST_CASE("columns that cannot be chosen") {
  CHECK(column_error("label\tsentence\n0\ta\n", columns("auto", "lable")) ==
        "t.tsv:1: no column `lable`; columns: label, sentence; did you mean `label`?");
  CHECK(column_error("label\tsentence\n0\ta\n", columns("sentense", "auto")) ==
        "t.tsv:1: no column `sentense`; columns: label, sentence; did you mean `sentence`?");
  CHECK(column_error("label\tsentence\n0\ta\n", columns("label", "label")) ==
        "t.tsv:1: text and label are the same column, `label`");
  CHECK(column_error("sentence\na b\nc d\n") == "t.tsv:1: one column, `sentence`; expected a text and a label");
  CHECK(column_error("one\ttwo\na\tb\na\tc\nd\tb\n") ==
        "t.tsv:1: which column is the label? candidates: `one` (2 different values), `two` (2 different values); name it with "
        "--label");
  CHECK(column_error("one\ttwo\na\tb\na2\tb2\na3\tb3\n") ==
        "t.tsv:1: no column looks like a label; columns: one, two; name it with --label");
}

TEST_CASE("label order: by value if all are numbers, else by bytes") {
  CHECK(label_order({"pos", "neg", "pos", "Zero"}) == Names{"Zero", "neg", "pos"});
  CHECK(label_order({"10", "9", "-1", "2.5"}) == Names{"-1", "2.5", "9", "10"});
  CHECK(label_order({"1.0", "1", "0"}) == Names{"0", "1", "1.0"});
  CHECK(label_order({"10", "9", "x"}) == Names{"10", "9", "x"});
  CHECK(label_order({"nan", "1"}) == Names{"1", "nan"});
  CHECK(label_order({}).empty());
}

TEST_CASE("labels become ids that do not depend on the order of rows") {
  const Examples e = examples_of("label\ttext\n 10 \ta\n9\tb\n10\tc\n");
  CHECK(e.label_names == Names{"9", "10"});
  CHECK(e.label == std::vector<std::int32_t>{1, 0, 1});
  CHECK(e.counts() == std::vector<std::int64_t>{1, 2});
  CHECK(e.text[1] == "b");
  CHECK(e.place(2) == "t.tsv:4");
  CHECK(!e.is_pair());
  const std::vector<std::size_t> rows = {2, 1};
  const Examples picked = e.select(rows);
  CHECK(picked.line == std::vector<std::int64_t>{4, 3});
  CHECK(picked.label == std::vector<std::int32_t>{1, 0});
  CHECK(picked.label_names == e.label_names);
}

TEST_CASE("rows and labels that do not do") {
  CHECK(error_of([] { examples_of("label\ttext\n1\ta\n0\t \n"); }) ==
        "t.tsv:3: the text (`text`) is empty; complete it, or --set data.bad_rows='\"skip\"'");
  CHECK(error_of([] { examples_of("label\ttext\n1\ta\n\tb\n"); }) ==
        "t.tsv:3: the label (`label`) is empty; complete it, or --set data.bad_rows='\"skip\"'");
  CHECK(error_of([] { examples_of("label\ttext\npos\ta\npos\tb\n"); }) ==
        "t.tsv: only one label, `pos`, in 2 rows; expected two or more. Is `label` the label column?");
  std::string many = "label\ttext\n";
  for (int i = 0; i < 20; ++i) many += std::to_string(i) + "\tx\n";
  CHECK(error_of([&] { examples_of(many); }) ==
        "t.tsv: `label` has 20 different values in 20 rows, which is no label for classification; name another with --label");

  const Table table = parse_table("label\ttext\nneutral\ta\n", "test.tsv");
  const std::string unknown = error_of([&] { make_examples(table, find_columns(table), {BadRows::fail, {"neg", "pos"}}); });
  CHECK(unknown == "test.tsv:2: label `neutral` does not occur in the training data; labels: neg, pos");

  const Table skipping = parse_table("label\ttext\n1\ta\n0\t\n\tb\n0\tc\n", "t.tsv");
  const Examples kept = make_examples(skipping, find_columns(skipping), {BadRows::skip, {}});
  CHECK(kept.size() == 2);
  REQUIRE(kept.skipped.size() == 2);
  CHECK(kept.skipped[1].line == 4);
}

TEST_CASE("max_rows takes a sample that does not depend on the order of rows, and smaller ones are part of larger ones") {
  std::string forward = "label\ttext\n", backward = "label\ttext\n";
  for (int i = 0; i < 200; ++i) {
    forward += std::to_string(i % 2) + "\ttext number " + std::to_string(i) + "\n";
    backward += std::to_string((199 - i) % 2) + "\ttext number " + std::to_string(199 - i) + "\n";
  }
  const Examples a = examples_of(forward), b = examples_of(backward);
  const auto texts = [](const Examples& e) { return std::set<std::string_view>(e.text.begin(), e.text.end()); };
  const Examples sample = limit_rows(a, 50, 1);
  CHECK(sample.size() == 50);
  CHECK(std::is_sorted(sample.line.begin(), sample.line.end()));
  CHECK(texts(sample) == texts(limit_rows(b, 50, 1)));
  CHECK(texts(sample) != texts(limit_rows(a, 50, 2)));
  const auto larger = texts(limit_rows(a, 80, 1));
  for (const auto text : sample.text) CHECK(larger.count(text) == 1);
  CHECK(limit_rows(a, 0, 1).size() == 200);
  CHECK(limit_rows(a, 1000, 1).size() == 200);
  CHECK(error_of([&] { limit_rows(a, -1, 1); }) != "");
}
