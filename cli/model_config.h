// From the configuration to what is trained: the base architecture, the search space, loaded and encoded data.
#pragma once
#include <lathe/cli/config.h>
#include <lathe/cli/options.h>
#include <lathe/data/check.h>
#include <lathe/data/encode.h>
#include <lathe/nas/space.h>
#include <lathe/nas/transformer/objective.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lathe::cli {

/// [model] and [train]: the architecture that is trained when nothing is searched, the default of a search.
nas::Candidate base_candidate(const Config& config);

/// [space], or default_space() if the configuration has none.
nas::Space make_space(const Config& config);
nas::Space make_space(const SpaceConfig& space);

/// "1,296 architectures, each with any dropout, lr": what has finitely many values, and what has not.
std::string space_size(const nas::Space& space, const std::string& points = "architectures");

/// run.backend as Context wants it: "" for auto.
std::string backend_name(const Config& config);
/// run.threads; 0: one a core.
int thread_count(const Config& config);

/// Everything that training needs, found, checked and encoded. Not to be moved once `encodings` is there.
struct LoadedData {
  data::ClassificationData text;
  std::optional<tokenizer::Tokenizer> tokenizer;
  data::EncodedSplits rows;
  std::vector<std::string> warnings;  ///< of the data check
  nas::TaskShape task;
  /// Where the space chooses the vocabulary or the longest sequence; points into `text`. Null: `rows` serve all.
  std::shared_ptr<const nas::Encodings> encodings;
  Digest hash{};  ///< of all rows that a study can use: that of `rows`, or Encodings::hash()
};

/// Reads, checks (a failure is an InputError), learns or loads the tokenizer, encodes, says on `console` what was found, and
/// resolves the columns in `config`.
LoadedData load_data(Config& config, Console& console);
/// The columns that were found, as data.text, data.label and data.pair. Files without a header have no names, and where files
/// name theirs differently no name fits all: then `auto` stays, and finds the same columns again.
void resolve_columns(Config& config, const data::ClassificationData& data);
/// For a search: also learns the vocabularies that the space can choose. InputError: too many, or tokenizer.file gives one.
void load_encodings(const Config& config, LoadedData& data, Console& console);

/// "reviews" of "data/reviews.tsv", of a program the name of its configuration: the name of runs.
std::string data_stem(const Config& config);

/// InputError if output.dir holds a run and `force` is not given, or if it is and the search reads a part of that run: asked before
/// any work is done.
void require_free_folder(const Config& config, bool force);

/// The folder of the next run: the one of output.dir, or the first `runs/<stem>-<n>` that is not there. Nothing is touched.
std::filesystem::path next_run_folder(const Config& config);

/// next_run_folder(), made, and emptied of the run that it holds if `force`.
std::filesystem::path new_run_folder(const Config& config, bool force);

/// "a" of `runs/a`, `runs/a/` and, within it, of `.`.
std::string folder_name(const std::filesystem::path& folder);

}  // namespace lathe::cli
