// A study as it lies in one database, into another one.
#pragma once
#include <lathe/nas/storage/storage.h>

#include <memory>
#include <string>

namespace lathe::cli {

/// Copies header, log and the results that wait for their turn, under the name `name`. The copy has the same hash, and goes on to
/// the same end: what was being computed is computed again there. InputError: the name is taken, a study that was not made by
/// lathe.
void copy_study(nas::Storage& from, nas::Backend& to, const std::string& name);

}  // namespace lathe::cli
