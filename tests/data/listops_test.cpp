#include <lathe/base/file.h>
#include <lathe/base/sha256.h>
#include <lathe/data/listops.h>
#include <lathe/data/table.h>

#include <algorithm>
#include <array>
#include <set>

#include "tests/data/support.h"

using namespace lathe::data;
using lathe::data::test::error_of;

namespace {

// Another evaluator, written another way: recursive descent over characters, with counts of digits instead of lists.
class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}
  int value() {
    blanks();
    if (text_[at_] != '[') return text_[at_++] - '0';
    const std::string name = text_.substr(at_ + 1, text_.find(' ', at_) - at_ - 1);
    at_ += 1 + name.size();
    std::array<int, 10> count{};
    int n = 0, sum = 0;
    for (blanks(); text_[at_] != ']'; blanks()) {
      const int v = value();
      ++count[static_cast<std::size_t>(v)], ++n, sum += v;
    }
    ++at_;
    const auto nth = [&](int k) {  // k-th smallest, from 0
      int digit = 0;
      while (k >= count[static_cast<std::size_t>(digit)]) k -= count[static_cast<std::size_t>(digit++)];
      return digit;
    };
    if (name == "MIN") return nth(0);
    if (name == "MAX") return nth(n - 1);
    if (name == "MED") return (nth((n - 1) / 2) + nth(n / 2)) / 2;
    REQUIRE(name == "SM");
    return sum % 10;
  }

 private:
  void blanks() {
    while (text_[at_] == ' ') ++at_;
  }
  const std::string& text_;
  std::size_t at_ = 0;
};

struct Shape {
  int tokens = 0, depth = 0, most_args = 0, least_args = 1000;
};

Shape shape_of(const std::string& text) {
  Shape shape;
  std::vector<int> args;
  std::size_t at = 0;
  while (at <= text.size()) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string token = text.substr(at, end - at);
    ++shape.tokens;
    if (token != "]" && !args.empty()) ++args.back();
    if (token[0] == '[') {
      args.push_back(0);
      shape.depth = std::max(shape.depth, static_cast<int>(args.size()));
    }
    if (token == "]") {
      shape.most_args = std::max(shape.most_args, args.back());
      shape.least_args = std::min(shape.least_args, args.back());
      args.pop_back();
    }
    at = end + 1;
  }
  CHECK(args.empty());
  return shape;
}

}  // namespace

TEST_CASE("ListOps: values of hand-worked expressions") {
  CHECK(evaluate_listops("[MAX 2 9 [MIN 4 7 ] 0 ]") == 9);
  CHECK(evaluate_listops("[MIN 2 9 [MIN 4 7 ] 0 ]") == 0);
  CHECK(evaluate_listops("[MED 3 1 2 ]") == 2);
  CHECK(evaluate_listops("[MED 1 2 4 9 ]") == 3);
  CHECK(evaluate_listops("[MED 1 2 ]") == 1);  // 1.5 rounded down
  CHECK(evaluate_listops("[SM 9 9 9 ]") == 7);
  CHECK(evaluate_listops("[SM 5 [SM 5 5 ] [MAX 0 1 ] ]") == 6);
  CHECK(evaluate_listops("7") == 7);
  CHECK(evaluate_listops("  [MAX   1  2 ]  ") == 2);
}

TEST_CASE("ListOps: the labels agree with an independent evaluator, and the limits hold") {
  for (const ListOpsOptions& options :
       {ListOpsOptions{2000, 4, 5, 4, 60, 0.25, true, 1}, ListOpsOptions{300, 10, 10, 50, 200, 0.25, true, 7},
        ListOpsOptions{500, 1, 3, 4, 10, 0.9, true, 3}, ListOpsOptions{500, 20, 5, 10, 100, 0.5, true, 9}}) {
    const auto rows = generate_listops(options);
    REQUIRE(rows.size() == static_cast<std::size_t>(options.rows));
    std::set<std::string> distinct;
    std::set<int> labels;
    int deepest = 0, most_args = 0;
    for (const ListOpsRow& row : rows) {
      REQUIRE(Reader(row.text).value() == row.label);
      REQUIRE(evaluate_listops(row.text) == row.label);
      const Shape shape = shape_of(row.text);
      REQUIRE(shape.tokens >= options.min_tokens);
      REQUIRE(shape.tokens <= options.max_tokens);
      REQUIRE(shape.depth <= options.max_depth);
      REQUIRE(shape.most_args <= options.max_args);
      REQUIRE(shape.least_args >= 2);
      distinct.insert(row.text);
      labels.insert(row.label);
      deepest = std::max(deepest, shape.depth), most_args = std::max(most_args, shape.most_args);
    }
    CHECK(distinct.size() == rows.size());
    CHECK(labels.size() == 10);
    CHECK(most_args == options.max_args);
    if (options.max_depth <= 4) CHECK(deepest == options.max_depth);
  }
}

TEST_CASE("ListOps: deterministic by seed, and a longer set begins with the shorter one") {
  ListOpsOptions options;
  options.rows = 50;
  const auto first = generate_listops(options);
  options.rows = 200;
  const auto longer = generate_listops(options);
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(first[i].text == longer[i].text);
  options.seed = 2;
  const auto other = generate_listops(options);
  int equal = 0;
  for (std::size_t i = 0; i < other.size(); ++i) equal += other[i].text == longer[i].text;
  CHECK(equal == 0);
  options.rows = 0;
  CHECK(generate_listops(options).empty());
}

// The data set is part of what "same bits" means: a change here changes studies that were made with it.
TEST_CASE("ListOps: golden rows") {
  ListOpsOptions options;
  options.rows = 1000;
  lathe::Sha256 sha;
  for (const ListOpsRow& row : generate_listops(options)) sha.add(row.text).add_u64(static_cast<std::uint64_t>(row.label));
  CHECK(lathe::to_hex(sha.finish()) == "de85e8ef1efad46fee83466d736e357a168d606a5243916ea07618473bb6209e");
}

TEST_CASE("ListOps: operations and digits are uniform") {
  ListOpsOptions options;
  options.rows = 5000;
  std::array<int, 10> digits{};
  std::array<int, 4> operations{};
  for (const auto& row : generate_listops(options))
    for (std::size_t i = 0; i < row.text.size(); ++i) {
      if (row.text[i] >= '0' && row.text[i] <= '9') ++digits[static_cast<std::size_t>(row.text[i] - '0')];
      if (row.text[i] == '[')
        ++operations[row.text[i + 1] == 'S' ? 3 : row.text[i + 2] == 'A' ? 0 : row.text[i + 2] == 'I' ? 1 : 2];
    }
  const auto spread = [](const auto& counts) {
    const auto [low, high] = std::minmax_element(counts.begin(), counts.end());
    return static_cast<double>(*high - *low) / *high;
  };
  CHECK(spread(digits) < 0.1);
  CHECK(spread(operations) < 0.1);
}

TEST_CASE("ListOps: errors") {
  const auto fails = [](ListOpsOptions o) { return error_of([&] { generate_listops(o); }); };
  ListOpsOptions o;
  o.max_args = 1;
  CHECK(fails(o) == "[listops] expected max_args from 2 to 64");
  o = {};
  o.max_depth = 0;
  CHECK(fails(o) == "[listops] expected max_depth from 1 to 1000");
  o = {};
  o.max_tokens = 3;
  CHECK(fails(o) != "");
  o = {};
  o.min_tokens = 61;
  CHECK(fails(o) == "[listops] expected min_tokens <= max_tokens");
  o = {};
  o.operation_share = 1.5;
  CHECK(fails(o) != "");
  o = {};
  o.rows = -1;
  CHECK(fails(o) != "");
  o = {};
  o.max_depth = 1, o.max_args = 2, o.rows = 401;  // 4 operations × 100 pairs of digits
  CHECK(fails(o) ==
        "[listops] row 401: no new expression of 4 to 60 tokens in 10000 draws; widen the limits or ask for fewer rows");
  o.distinct = false;
  CHECK(fails(o) == "");
  o = {};
  o.operation_share = 1, o.max_depth = 1000, o.min_tokens = 10;  // never ends within the limit
  CHECK(fails(o) != "");
  for (const char* bad : {"", "[MAX ]", "[MAX 1 2", "]", "[FOO 1 2 ]", "[MAX 1 2 ] 3", "12", "[MAX 1 2 ] ]"})
    CHECK(error_of([&] { evaluate_listops(bad); }) != "");
  CHECK(error_of([] { evaluate_listops("[MAX 1 x ]"); }) ==
        "[listops] position 8: expected [MAX, [MIN, [MED, [SM, a digit or `]`, got `x`");
}

TEST_CASE("ListOps: the file is a TSV that lathe reads") {
  const test::Folder folder;
  ListOpsOptions options;
  options.rows = 20;
  write_listops(folder.path() / "listops.tsv", options);
  const Table table = read_table(folder.path() / "listops.tsv");
  CHECK(table.names() == std::vector<std::string>{"label", "text"});
  REQUIRE(table.rows() == 20);
  for (std::size_t row = 0; row < 20; ++row)
    CHECK(std::to_string(evaluate_listops(table.cell(row, 1))) == std::string(table.cell(row, 0)));
}
