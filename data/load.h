// The way from a configuration's `data` table to labelled parts: read, find columns, learn labels, limit, split.
#pragma once
#include <lathe/data/classification.h>
#include <lathe/data/split.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lathe::data {

/// The keys of [data] in the configuration, with their defaults.
struct DataConfig {
  std::filesystem::path train;        ///< required
  std::filesystem::path valid, test;  ///< empty: a part of `train`
  ColumnChoice columns;
  SplitShares split;
  std::int64_t max_tokens = 128;  ///< longer texts are cut; read by encode() and by the check
  BadRows bad_rows = BadRows::fail;
  std::int64_t max_rows = 0;  ///< of the training file; 0: all
  std::uint64_t seed = 1;
};

struct FileReport {
  std::string file;
  std::int64_t rows = 0;        ///< usable ones
  std::string format;           ///< "TSV, header, quotes are plain characters"
  std::vector<BadRow> skipped;  ///< by line
};

struct ClassificationData {
  Examples train, valid, test;  ///< valid and test are empty where the configuration gives them no share
  Columns columns;
  bool same_names = true;  ///< every file names its columns as the training file does
  std::vector<std::string> label_names;
  std::vector<FileReport> files;  ///< in the order training, validation, test, as far as given
  /// What was found and done, one line each, to be shown: format and rows, columns, split, rows left out.
  std::vector<std::string> notes;

  const Examples& part(Part p) const { return p == Part::train ? train : p == Part::valid ? valid : test; }
};

/// Everything of table.h, classification.h and split.h in order. A validation or test file must have the columns of the
/// training file (same names; without a header the same positions) and no label that training lacks; if its column of text
/// is named differently, it is found as for the training file. With one of the two files given, the training file is split
/// between training and the other part, in the proportion of their shares.
ClassificationData load_classification(const DataConfig& config);

}  // namespace lathe::data
