// What a search for a transformer and one with a program of one's own have in common, and the latter itself.
#pragma once
#include <lathe/cli/config.h>
#include <lathe/cli/options.h>
#include <lathe/nas/program.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace lathe::cli {

/// The configuration of --resume FOLDER: everything but the number of workers and the backend comes
/// from the run, and whether a refused proxy is used all the same.
Config resumed_configuration(Invocation& invocation);
/// --trials of --resume, 0 without. InputError: no more than the run has.
std::int64_t extended_budget(const Invocation& invocation, const Config& config);
/// --until-commit, or the largest number.
std::uint64_t until_commit(const Invocation& invocation);
/// "lathe search --resume runs/a"
std::string resume_command(const std::filesystem::path& folder);

/// The program of [objective], whose standard error goes into `logs` (empty: nowhere).
nas::ProgramOptions program_options(const Config& config, const std::filesystem::path& logs);

/// Searches with the program of [objective]: exit code.
int search_program(Invocation& invocation, Config config);

}  // namespace lathe::cli
