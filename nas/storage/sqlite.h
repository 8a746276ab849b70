// Studies in one SQLite file, in Optuna's schema plus tables of lathe's own (lathe_*): a single file that several processes of one
// machine may work on at once, and that Optuna and its dashboard open at any time.
//
// The log (lathe_events) and Optuna's rows change in the same transaction, so neither is ever ahead of the other. A claim is a
// compare-and-swap: UPDATE … WHERE state and attempt are as read, and the number of changed rows decides. While a study runs the
// journal is a write-ahead log; settle() turns it back, because browser dashboards read the raw file and cannot read a WAL one.
#pragma once
#include <lathe/nas/storage/storage.h>

#include <filesystem>
#include <memory>

namespace lathe::nas {

/// The studies in `file`. `create`: the file is made if it is missing (else InputError), and gets the tables if it lacks them.
/// InputError for a file that is no SQLite database, or a database of a schema revision other than Optuna's v3.2.0.a.
std::unique_ptr<Backend> sqlite_backend(const std::filesystem::path& file, bool create);

}  // namespace lathe::nas
