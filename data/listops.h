// ListOps (Nangia & Bowman, NAACL SRW 2018): nested operations on lists of digits, a data set that can be made anywhere.
//
//   [MAX 2 9 [MIN 4 7 ] 0 ]   →   9
//
// MAX, MIN; MED = median, for an even number of values the mean of the two middle ones rounded down; SM = sum modulo 10.
// The label is the value, 0 … 9. Written from the published definition; the expression is drawn from the root down: the root
// is an operation, an operation has 2 … max_args arguments, an argument is an operation with probability `operation_share`
// while its depth allows, else a digit; operations, counts and digits are uniform. Expressions outside the length limits are
// drawn again. Row i is drawn from stream `listops`, step i, so a longer data set begins with the shorter one.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::data {

struct ListOpsOptions {
  std::int64_t rows = 10000;
  int max_depth = 4;   ///< of nested operations, ≥ 1 (the paper: 20)
  int max_args = 5;    ///< 2 … 64 (the paper: 5)
  int min_tokens = 4;  ///< tokens are "[MAX", digits and "]"
  int max_tokens = 60;
  double operation_share = 0.25;  ///< of the arguments
  bool distinct = true;           ///< no expression twice
  std::uint64_t seed = 1;
};

struct ListOpsRow {
  std::string text;
  std::int32_t label = 0;
};

/// InputError for options without sense, or when 10,000 draws in a row find no (new) expression within the limits.
std::vector<ListOpsRow> generate_listops(const ListOpsOptions& options);

/// Value of an expression. InputError "[listops] …" with the position of what is wrong.
std::int32_t evaluate_listops(std::string_view expression);

/// TSV with the header label<TAB>text, written completely or not at all.
void write_listops(const std::filesystem::path& path, const ListOpsOptions& options);

}  // namespace lathe::data
