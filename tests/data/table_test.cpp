#include <lathe/data/table.h>

#include <chrono>

#include "tests/data/support.h"
#include "tests/support/shared.h"

using namespace lathe::data;
using lathe::data::test::error_of;

namespace {

std::vector<std::string> row_of(const Table& table, std::size_t row) {
  std::vector<std::string> cells;
  for (std::size_t c = 0; c < table.columns(); ++c) cells.emplace_back(table.cell(row, c));
  return cells;
}

std::string parse_error(const std::string& text, const std::string& name, const ReadOptions& options = {}) {
  return error_of([&] { parse_table(text, name, options); });
}

using Cells = std::vector<std::string>;
const std::string kSkip = "--set data.bad_rows='\"skip\"'";

}  // namespace

TEST_CASE("TSV as in GLUE: quotes are plain characters") {
  const Table t = parse_table("label\tsentence\n0\t\"quoted\n1\t\"all of it\"\n0\tsay \"\" twice\n", "t.tsv");
  CHECK(t.names() == Cells{"label", "sentence"});
  REQUIRE(t.rows() == 3);
  CHECK(row_of(t, 0) == Cells{"0", "\"quoted"});
  CHECK(row_of(t, 1) == Cells{"1", "\"all of it\""});
  CHECK(row_of(t, 2) == Cells{"0", "say \"\" twice"});
  CHECK(t.line(0) == 2);
  CHECK(t.place(2) == "t.tsv:4");
  CHECK(t.describe() == "TSV, header, quotes are plain characters");
  CHECK(t.format() == Format::tsv);
}

TEST_CASE("TSV with quotes that quote") {
  SUBCASE("a tab inside: read plainly, the rows would be uneven") {
    const Table t = parse_table("label\ttext\n0\t\"a\tb\"\n1\t\"two\nlines\"\n1\tplain\n", "t.tsv");
    REQUIRE(t.rows() == 3);
    CHECK(row_of(t, 0) == Cells{"0", "a\tb"});
    CHECK(row_of(t, 1) == Cells{"1", "two\nlines"});
    CHECK(t.line(2) == 5);
    CHECK(t.describe() == "TSV, header, quoted fields");
  }
  SUBCASE("doubled quotes throughout") {
    const Table t = parse_table("label\ttext\n0\t\"she said \"\"no\"\"\"\n1\t\"yes\"\n", "t.tsv");
    CHECK(row_of(t, 0) == Cells{"0", "she said \"no\""});
    CHECK(row_of(t, 1) == Cells{"1", "yes"});
  }
  SUBCASE("as told") {
    ReadOptions options;
    options.quotes = Choice::yes;
    CHECK(row_of(parse_table("label\ttext\n0\t\"yes\"\n", "t.tsv", options), 0) == Cells{"0", "yes"});
    options.quotes = Choice::no;
    CHECK(row_of(parse_table("label\ttext\n0\t\"a \"\"b\"\"\"\n", "t.tsv", options), 0) == Cells{"0", "\"a \"\"b\"\"\""});
  }
}

// The expected cells are those of Python's csv module.
TEST_CASE("CSV by RFC 4180") {
  const Table t = parse_table(
      "text,label,note\r\n"
      "\"a, b\",pos,\"\"\r\n"
      "\"two\r\nlines, \"\"quoted\"\"\",neg,x\r\n"
      "a \"quote\" inside,pos,\r\n"
      "\"\"\"\",neg,\"end\"",
      "t.csv");
  REQUIRE(t.rows() == 4);
  CHECK(row_of(t, 0) == Cells{"a, b", "pos", ""});
  CHECK(row_of(t, 1) == Cells{"two\r\nlines, \"quoted\"", "neg", "x"});
  CHECK(row_of(t, 2) == Cells{"a \"quote\" inside", "pos", ""});
  CHECK(row_of(t, 3) == Cells{"\"", "neg", "end"});
  CHECK(t.line(1) == 3);
  CHECK(t.line(2) == 5);
  CHECK(t.line(3) == 6);
}

TEST_CASE("other delimiters are found, and the extension decides where it can") {
  CHECK(parse_table("text;label\na, b;1\nc;2\n", "t.csv").names() == Cells{"text", "label"});
  CHECK(parse_table("text|label\na;b|1\n", "t.txt").names() == Cells{"text", "label"});
  CHECK(parse_table("text,label\na,1\n", "t.tsv").names() == Cells{"text", "label"});
  CHECK(parse_table("text\tlabel\na, b\t1\n", "t.csv").names() == Cells{"text", "label"});
  CHECK(parse_table("a b,text\tlabel\nx\t1\n", "t.tsv").names() == Cells{"a b,text", "label"});
  CHECK(parse_table("text\nonly one\n", "t.txt").names() == Cells{"text"});
  ReadOptions options;
  options.delimiter = '^';
  CHECK(parse_table("text^label\na,b^1\n", "t.csv", options).names() == Cells{"text", "label"});
}

TEST_CASE("header or not") {
  const auto names = [](const char* text) { return parse_table(text, "t.tsv").names(); };
  CHECK(names("1\t2.26\tThe Rock is destined\n2\t3.5\tGorgeous\n") == Cells{"column1", "column2", "column3"});
  CHECK(names("pos\tgreat\nneg\tbad\npos\tfine\n") == Cells{"column1", "column2"});  // `pos` again below
  CHECK(names("polarity of it\tprose\npos\tgreat\nneg\tbad\n") == Cells{"polarity of it", "prose"});
  CHECK(names("label\ttext\nlabel\ttext\n") == Cells{"label", "text"});           // a well-known name
  CHECK(names("\ttext\tlabel\n0\ta\tx\n") == Cells{"column1", "text", "label"});  // pandas' index column
  CHECK(names("a cell that is much longer than any name of a column is\tb\nx\ty\n") == Cells{"column1", "column2"});
  CHECK(names("great film\tpos") == Cells{"column1", "column2"});
  ReadOptions options;
  options.header = Choice::yes;
  CHECK(parse_table("1\t2\n3\t4\n", "t.tsv", options).names() == Cells{"1", "2"});
  options.header = Choice::no;
  CHECK(parse_table("label\ttext\n3\t4\n", "t.tsv", options).rows() == 2);
  CHECK(parse_error("text\ttext\tlabel\na\tb\tc\n", "t.tsv") == "t.tsv:1: the column `text` occurs twice");
}

TEST_CASE("line ends, byte order mark, empty lines") {
  const std::vector<std::string> texts = {
      "label\ttext\n0\ta\n1\tb\n",      "label\ttext\r\n0\ta\r\n1\tb\r\n",       "label\ttext\n0\ta\n1\tb",
      "label\ttext\r0\ta\r1\tb",        "\xEF\xBB\xBFlabel\ttext\n0\ta\n1\tb\n", "label\ttext\n\n0\ta\r\n\n\n1\tb\n\n",
      "\n\r\nlabel\ttext\n0\ta\n1\tb\r"};
  for (const std::string& text : texts) {
    const Table t = parse_table(text, "t.tsv");
    CHECK(t.names() == Cells{"label", "text"});
    REQUIRE(t.rows() == 2);
    CHECK(row_of(t, 0) == Cells{"0", "a"});
    CHECK(row_of(t, 1) == Cells{"1", "b"});
  }
  CHECK(parse_table(texts[5], "t.tsv").line(1) == 6);
  CHECK(row_of(parse_table("label\ttext\n\t\n", "t.tsv"), 0) == Cells{"", ""});
}

TEST_CASE("the errors name file, line and the way out") {
  CHECK(parse_error("label\tsentence\n0\ta\n1\ta\tb\n", "reviews.tsv") ==
        "reviews.tsv:3: 3 fields, expected 2; quote it, use .jsonl, or " + kSkip);
  CHECK(parse_error("label\tsentence\n0\n", "reviews.tsv") == "reviews.tsv:2: 1 field, expected 2; complete it, or " + kSkip);
  CHECK(parse_error("label\tsentence\n0\tthe caf\xE9 is fine\n", "reviews.tsv") ==
        "reviews.tsv:2: byte 0xE9 (column 10) is not UTF-8; try: iconv -f latin1 -t utf-8");
  CHECK(parse_error("label,text\n0,\"first\nsecond \xC3\"\n", "r.csv") ==
        "r.csv:3: byte 0xC3 (column 8) is not UTF-8; try: iconv -f latin1 -t utf-8");
  CHECK(parse_error("lab\xE9l\ttext\n0\ta\n", "r.tsv") ==
        "r.tsv:1: byte 0xE9 (column 4) is not UTF-8; try: iconv -f latin1 -t utf-8");
  CHECK(parse_error(std::string("label\ttext\n0\ta\0b\n", 17), "r.tsv") ==
        "r.tsv:2: byte 0x00 (column 4) is a NUL character, which text does not hold; remove it, or " + kSkip);
  CHECK(parse_error("", "r.tsv") == "r.tsv: the file is empty; expected a header line and rows");
  CHECK(parse_error("\xEF\xBB\xBF", "r.tsv") != "");
  CHECK(parse_error(" \n\r\n\t\n", "r.tsv") == "r.tsv: the file holds nothing but blanks; expected a header line and rows");
  CHECK(parse_error("label\ttext\n", "r.tsv") == "r.tsv: a header but no rows");
  CHECK(parse_error("label\ttext", "r.tsv") == "r.tsv: a header but no rows");
  CHECK(parse_error(std::string("\xFF\xFEl\0a\0", 6), "r.tsv") ==
        "r.tsv:1: UTF-16 text (byte order mark FF FE); try: iconv -f utf-16 -t utf-8");
  CHECK(parse_error("text,label\n\"never closed,1\nb,2\n", "r.csv") ==
        "r.csv:2: the quote in column 1 is never closed; double the quotes inside (\"\"), use .jsonl, or " + kSkip);
  CHECK(parse_error("text,label\n\"closed\" too soon,1\n", "r.csv") ==
        "r.csv:2: text behind the closing quote of field 1; double the quotes inside (\"\"), use .jsonl, or " + kSkip);
  const Table t = parse_table("label\tsentence\n0\ta\n", "reviews.tsv");
  CHECK(error_of([&] { t.column("lable"); }) ==
        "reviews.tsv:1: no column `lable`; columns: label, sentence; did you mean `label`?");
  CHECK(error_of([&] { t.column("zzz"); }) == "reviews.tsv:1: no column `zzz`; columns: label, sentence");
  const test::Folder folder;
  folder.write("reviews.tsv", "label\ttext\n0\ta\n");
  CHECK(error_of([&] { read_table(folder.path() / "reviews.tvs"); }).find("reviews.tvs: no such file; did you mean ") !=
        std::string::npos);
  CHECK(error_of([&] { read_table(folder.path()); }) != "");
}

TEST_CASE("messages stay on one line, whatever the data holds") {
  const std::string wide(200, 'x');
  const Table t = parse_table("\"two\nlines\",label," + wide + "\n1,2,3\n", "r.csv");
  CHECK(error_of([&] { t.column("no\nsuch"); }) ==
        "r.csv:1: no column `no such`; columns: two lines, label, " + std::string(57, 'x') + "...");
}

TEST_CASE("bad rows are skipped on demand, and counted") {
  ReadOptions options;
  options.bad_rows = BadRows::skip;
  const Table t = parse_table("text,label\na,1\nb\nc,2,3\nd\xFF,4\n\"open,5\ne,6\n", "t.csv", options);
  REQUIRE(t.rows() == 2);
  CHECK(row_of(t, 1) == Cells{"e", "6"});
  REQUIRE(t.skipped().size() == 4);
  CHECK(t.skipped()[0].line == 3);
  CHECK(t.skipped()[0].what == "1 field, expected 2");
  CHECK(t.skipped()[3].line == 6);
  CHECK(parse_error("text,label\na\nb\n", "t.csv", options) == "t.csv: all 2 rows are bad; the first, line 2: 1 field, expected 2");
  CHECK(parse_bad_rows("skip") == BadRows::skip);
  CHECK(error_of([] { parse_bad_rows("skp"); }) ==
        "data.bad_rows = \"skp\", expected \"fail\" or \"skip\"; did you mean \"skip\"?");
}

TEST_CASE("JSONL") {
  const Table t = parse_table(
      "{\"text\": \"a\\tb \\\"c\\\" \\u00e9\", \"label\": 1}\n"
      "\n"
      "{\"label\": true, \"text\": \"x\", \"more\": [1, {\"k\": null}]}\r\n"
      "{\"text\": null, \"label\": 0.5}",
      "t.jsonl");
  CHECK(t.names() == Cells{"text", "label", "more"});
  REQUIRE(t.rows() == 3);
  CHECK(row_of(t, 0) == Cells{"a\tb \"c\" \xC3\xA9", "1", ""});
  CHECK(row_of(t, 1) == Cells{"x", "true", "[1,{\"k\":null}]"});
  CHECK(row_of(t, 2) == Cells{"", "0.5", ""});
  CHECK(t.missing(0, 2));
  CHECK(t.missing(2, 0));
  CHECK(!t.missing(0, 0));
  CHECK(t.line(1) == 3);
  CHECK(t.line(2) == 4);
  CHECK(parse_table("{\"a\": \"x\"}\n", "no-extension").format() == Format::jsonl);
}

TEST_CASE("JSONL errors") {
  CHECK(parse_error("{\"text\": \"a\"}\n{\"text\": \"b\"\n", "r.jsonl").rfind("r.jsonl:2: not JSON (column ", 0) == 0);
  CHECK(parse_error("{\"text\": \"a\"}\n[1]\n", "r.jsonl") == "r.jsonl:2: a JSON array, expected one object a line; " + kSkip);
  CHECK(parse_error("[{\"text\": \"a\"}]\n", "r.json") == "r.json:1: a JSON array, expected one object a line; try: jq -c '.[]'");
  CHECK(parse_error("{\"text\": \"\\u0000\"}\n", "r.jsonl").find("NUL") != std::string::npos);
  CHECK(parse_error("{\"text\": \"\\ud800\"}\n", "r.jsonl").find("not JSON") != std::string::npos);
  CHECK(parse_error("{\"text\": \"\xE9\"}\n", "r.jsonl") ==
        "r.jsonl:1: byte 0xE9 (column 11) is not UTF-8; try: iconv -f latin1 -t utf-8");
  CHECK(parse_error("{\"text\": " + std::string(100000, '[') + std::string(100000, ']') + "}\n", "r.jsonl") ==
        "r.jsonl:1: more than 64 nested brackets; " + kSkip);
  ReadOptions options;
  options.bad_rows = BadRows::skip;
  const Table t = parse_table("{\"text\": \"a\"}\nnot json\n{\"text\": \"b\", \"label\": \"x\"}\n", "r.jsonl", options);
  CHECK(t.rows() == 2);
  CHECK(t.skipped().size() == 1);
  CHECK(t.cell(1, 1) == "x");
}

TEST_CASE("a field written is the field read") {
  for (const std::string field : {"plain", "a,b", "say \"x\"", "\"", "two\nlines", "tab\there", "", "\"\"", "a\rb"})
    for (const char delimiter : {',', '\t'}) {
      ReadOptions options;
      options.delimiter = delimiter;
      options.quotes = Choice::yes;
      options.header = Choice::no;
      std::string text = quote_field(field, delimiter);
      text += delimiter;
      text += "end\n";
      CHECK(row_of(parse_table(text, "t.csv", options), 0) == Cells{field, "end"});
    }
}

TEST_CASE("copies share the text and outlive the original") {
  Table copy;
  std::string_view view;
  {
    const Table t = parse_table("label\ttext\n0\tabc\n", "t.tsv");
    view = t.cell(0, 1);
    copy = t;
  }
  CHECK(view == "abc");
  CHECK(copy.cell(0, 1).data() == view.data());
}

TEST_CASE("SST-2 is read whole and fast") {
  const auto path = lathe::test::shared_file("data/glue-sst2/train.tsv");
  if (path.empty()) return;
  double best = 1;
  for (int i = 0; i < 3; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const Table t = read_table(path);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    CHECK(t.rows() == 67349);
    CHECK(t.names() == Cells{"label", "sentence"});
    CHECK(t.line(67348) == 67350);
  }
  MESSAGE("67,349 rows in " << best * 1000 << " ms");
  CHECK(best < 0.3);  // 10 ms in a release build; sanitizers take longer
}
