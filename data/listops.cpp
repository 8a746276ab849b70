#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/random.h>
#include <lathe/base/text.h>
#include <lathe/data/listops.h>

#include <algorithm>
#include <array>
#include <set>

namespace lathe::data {
namespace {

constexpr std::array<std::string_view, 4> kOperations = {"[MAX", "[MIN", "[MED", "[SM"};
constexpr int kMostArgs = 64, kDeepest = 1000, kAttempts = 10000;

/// Value of one operation. `values` is not empty; it is reordered.
std::int32_t apply(std::size_t operation, std::vector<std::int32_t>& values) {
  switch (operation) {
    case 0:
      return *std::max_element(values.begin(), values.end());
    case 1:
      return *std::min_element(values.begin(), values.end());
    case 2: {
      std::sort(values.begin(), values.end());
      const std::size_t half = values.size() / 2;
      return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
    }
    default: {
      std::int64_t sum = 0;
      for (const std::int32_t value : values) sum += value;
      return static_cast<std::int32_t>(sum % 10);
    }
  }
}

void check(const ListOpsOptions& o) {
  const auto demand = [](bool fine, const char* what) {
    if (!fine) throw InputError(str("[listops] expected ", what));
  };
  demand(o.rows >= 0 && o.rows <= 0xFFFFFFFFll, "rows from 0 to 2^32 - 1");
  demand(o.max_depth >= 1 && o.max_depth <= kDeepest, "max_depth from 1 to 1000");
  demand(o.max_args >= 2 && o.max_args <= kMostArgs, "max_args from 2 to 64");
  demand(o.max_tokens >= 4, "max_tokens of at least 4, the shortest expression");
  demand(o.min_tokens <= o.max_tokens, "min_tokens <= max_tokens");
  demand(o.operation_share >= 0 && o.operation_share <= 1, "operation_share from 0 to 1");
}

/// Draws expressions from the root down; the nesting is a stack of its own, so that depth costs no call stack.
class Generator {
 public:
  explicit Generator(const ListOpsOptions& options) : options_(options) {}

  /// False if the expression passes max_tokens, which is noticed at once: where operations have more than one operation among
  /// their arguments on average, an expression may never end.
  bool draw(Random& random, ListOpsRow& row) {
    row.text.clear();
    open_.clear();
    tokens_ = 0;
    push(random, row);
    while (tokens_ + static_cast<int>(open_.size()) <= options_.max_tokens) {
      Open& top = open_.back();
      if (top.left == 0) {
        row.text += " ]";
        ++tokens_;
        const std::int32_t value = apply(top.operation, top.values);
        open_.pop_back();
        if (open_.empty()) {
          row.label = value;
          return tokens_ >= options_.min_tokens;
        }
        open_.back().values.push_back(value);
        continue;
      }
      --top.left;
      if (static_cast<int>(open_.size()) < options_.max_depth && random.uniform() < options_.operation_share) {
        push(random, row);
      } else {
        const auto digit = static_cast<std::int32_t>(random.below(10));
        row.text += ' ';
        row.text += static_cast<char>('0' + digit);
        ++tokens_;
        top.values.push_back(digit);
      }
    }
    return false;
  }

 private:
  struct Open {
    std::size_t operation = 0;
    int left = 0;
    std::vector<std::int32_t> values;
  };

  void push(Random& random, ListOpsRow& row) {
    const std::size_t operation = random.below(static_cast<std::uint32_t>(kOperations.size()));
    const int args = 2 + static_cast<int>(random.below(static_cast<std::uint32_t>(options_.max_args - 1)));
    if (!row.text.empty()) row.text += ' ';
    row.text += kOperations[operation];
    ++tokens_;
    open_.push_back({operation, args, {}});
  }

  const ListOpsOptions& options_;
  std::vector<Open> open_;
  int tokens_ = 0;  ///< written so far, without the brackets still to close
};

}  // namespace

std::vector<ListOpsRow> generate_listops(const ListOpsOptions& options) {
  check(options);
  const RandomKey key = random_key(options.seed, 0, "listops");
  Generator generator(options);
  std::vector<ListOpsRow> rows;
  std::set<std::string, std::less<>> seen;
  ListOpsRow row;
  for (std::int64_t i = 0; i < options.rows; ++i) {
    bool found = false;
    for (int attempt = 0; attempt < kAttempts && !found; ++attempt) {
      Random random(key, static_cast<std::uint32_t>(i), 0, static_cast<std::uint32_t>(attempt));
      found = generator.draw(random, row) && (!options.distinct || seen.insert(row.text).second);
    }
    if (!found)
      throw InputError(str("[listops] row ", i + 1, ": no ", options.distinct ? "new " : "", "expression of ", options.min_tokens,
                           " to ", options.max_tokens, " tokens in ", kAttempts, " draws; widen the limits or ask for fewer rows"));
    rows.push_back(row);
  }
  return rows;
}

std::int32_t evaluate_listops(std::string_view expression) {
  struct Open {
    std::size_t operation;
    std::vector<std::int32_t> values;
  };
  std::vector<Open> open;
  std::size_t at = 0;
  const auto fail = [&](std::size_t position, std::string_view what) {
    throw InputError(str("[listops] position ", position + 1, ": ", what));
  };
  for (;;) {
    at = std::min(expression.find_first_not_of(' ', at), expression.size());
    const std::size_t begin = at;
    if (at == expression.size()) fail(begin, "expected an operation, a digit or `]`, got the end");
    at = std::min(expression.find(' ', at), expression.size());
    const std::string_view token = expression.substr(begin, at - begin);
    std::int32_t value = 0;
    if (token == "]") {
      if (open.empty()) fail(begin, "`]` closes nothing");
      if (open.back().values.empty()) fail(begin, "an operation without arguments");
      value = apply(open.back().operation, open.back().values);
      open.pop_back();
    } else if (token.size() == 1 && token[0] >= '0' && token[0] <= '9') {
      value = token[0] - '0';
    } else {
      const auto operation = std::find(kOperations.begin(), kOperations.end(), token);
      if (operation == kOperations.end()) fail(begin, str("expected [MAX, [MIN, [MED, [SM, a digit or `]`, got `", token, "`"));
      open.push_back({static_cast<std::size_t>(operation - kOperations.begin()), {}});
      continue;
    }
    if (open.empty()) {
      if (expression.find_first_not_of(' ', at) != std::string_view::npos) fail(at, "text behind the expression");
      return value;
    }
    open.back().values.push_back(value);
  }
}

void write_listops(const std::filesystem::path& path, const ListOpsOptions& options) {
  std::string text = "label\ttext\n";
  for (const ListOpsRow& row : generate_listops(options)) text += str(row.label, "\t", row.text, "\n");
  write_file_atomic(path, text);
}

}  // namespace lathe::data
