// What a finished search says on standard output.
#pragma once
#include <lathe/cli/console.h>
#include <lathe/nas/transformer/search.h>

#include <filesystem>
#include <optional>
#include <string>

namespace lathe::cli {

/// The table of the test, what can and cannot be told apart, where the files are, the study hash and what to do next.
void print_result(Console& console, const nas::SearchOutcome& outcome, const std::filesystem::path& folder);

/// Of a search without finalists: its best trial, what was not done, the study hash. Is the best one feasible? Nothing if no trial
/// is complete.
std::optional<bool> print_best(Console& console, const nas::SearchOutcome& outcome, const std::filesystem::path& folder);

/// The study hash alone, of a study that was stopped on purpose or has no model.
void print_hash(Console& console, const std::string& hash);

}  // namespace lathe::cli
