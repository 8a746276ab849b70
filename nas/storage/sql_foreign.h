// Rows of Optuna's tables that are no trials of lathe's log: points that wait, and trials that other programs wrote. Private to the
// storages.
#pragma once
#include <lathe/nas/storage/sql_database.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lathe::nas {

/// Table lathe_outside: a row that an event without a trial speaks of. `state` is WAITING or FAIL as lathe wrote it (while the row
/// says so too it is lathe's), or ADOPTED.
extern const char* const kOutsideSchema;

/// Those of one study. To be called inside of a transaction, unknown() and foreign() excepted.
class OutsideRows {
 public:
  OutsideRows(SqlDatabase& db, std::int64_t study) : db_(db), study_(study) {}
  void enqueue(const Event& event);
  void adopt(const Event& event);
  /// The trial that waits for this proposal, now RUNNING; nothing: none, or another program was faster.
  std::optional<std::int64_t> take(std::int64_t enqueueing);
  /// Ends a trial that waited as FAIL; nothing: another program was faster.
  std::optional<std::int64_t> pass_over(std::int64_t enqueueing);
  /// Storage::foreign_trials().
  std::vector<ForeignTrial> unknown();
  /// How many trials of the study were written by others.
  std::int64_t foreign();

 private:
  std::optional<std::int64_t> change(std::int64_t enqueueing, std::string_view update);
  SqlDatabase& db_;
  std::int64_t study_;
};

/// Backend::foreign_study() of the study with this number.
ForeignStudy read_foreign_study(SqlDatabase& db, std::int64_t study);

}  // namespace lathe::nas
