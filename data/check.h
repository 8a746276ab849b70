// The data check: what is wrong with labelled text, before any time is spent on training with it.
//
//   fail  rows that cannot be read (uneven, not UTF-8, NUL, open quote, not JSON, no text, no label), fewer than two labels,
//         a label of the validation or test file that training lacks, an empty part
//   warn  fewer than 100 training rows; fewer than 50 rows of a class; a class with more than 90 %; texts that occur more
//         than once; equal texts with different labels; texts in two parts; rows longer than max_tokens; more than 30 %
//         unknown tokens; the label's name inside the text of most rows of its class; a text column that holds numbers or
//         identifiers
//   ok    what was found to be in order, with the figures
//
// "Equal" and "the same text" mean equal after normalise_text(). Findings come in a fixed order: ok, warn, fail.
#pragma once
#include <lathe/data/load.h>

#include <lathe/tokenizer/tokenizer.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lathe::data {

enum class Level : std::uint8_t { ok, warn, fail };

struct Finding {
  Level level = Level::ok;
  std::string id;                   ///< stable name: "rows", "classes", "duplicates", "overlap", …
  std::string message;              ///< one line
  std::vector<std::string> places;  ///< "file:line" of the first few rows concerned
};

struct CheckReport {
  std::vector<Finding> findings;
  int count(Level level) const;
  bool failed() const { return count(Level::fail) > 0; }
  /// "ok    67,349 rows, …" lines with the places at their end, and the sum "2 ok, 3 warnings, 1 failure".
  std::string text() const;
};

/// The whole check, from files. Bad rows are findings whatever config.bad_rows says (with `skip` they are warnings); an
/// error of reading or labelling becomes a `fail` finding and ends the check there. Without a tokenizer nothing is said
/// about lengths and unknown tokens.
CheckReport check_data(const DataConfig& config, const tokenizer::Tokenizer* tokenizer = nullptr);

/// The part that works on data already loaded: all warnings, and what is in order.
CheckReport check_examples(const ClassificationData& data, const DataConfig& config,
                           const tokenizer::Tokenizer* tokenizer = nullptr);

}  // namespace lathe::data
