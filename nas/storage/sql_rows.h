// A study's events as the rows of Optuna's tables. Private to the storages.
#pragma once
#include <lathe/nas/storage/sql_foreign.h>

namespace lathe::nas {

/// Writes the rows of one study; inside a transaction. storage.h, append(), says what becomes of which event.
class SqlRows {
 public:
  SqlRows(SqlDatabase& db, std::int64_t study, bool multi_objective)
      : db_(db), outside_(db, study), study_(study), multi_objective_(multi_objective) {}
  void write(const Event& event, const Space& space);

 private:
  void propose(const Event& event, const Space& space);
  void report(const Event& event);
  void finish(const Event& event);
  std::int64_t trial_id(std::int64_t trial);
  void attributes(std::int64_t id, const std::string& json);
  void attribute(std::int64_t id, const char* key, const std::string& text);

  SqlDatabase& db_;
  OutsideRows outside_;
  std::int64_t study_;
  bool multi_objective_;
};

/// The number of the next trial: the count of the study's rows. Rows are never removed one by one, so the last one tells it.
std::int64_t next_trial_number(SqlDatabase& db, std::int64_t study);

}  // namespace lathe::nas
