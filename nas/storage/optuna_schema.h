// The relational schema of Optuna 3.2 to 5 (Alembic revision v3.2.0.a), which lathe's databases follow, so that Optuna and its
// dashboard open a study, also while it runs. Private to the storages.
#pragma once
#include <lathe/nas/space.h>
#include <lathe/nas/trial.h>

#include <string>
#include <vector>

namespace lathe::nas::optuna {

/// Tables and version rows, with words in braces as SqlDatabase::fill() takes them. Idempotent.
extern const char* const kSchema;
extern const char* const kAlembicRevision;  ///< "v3.2.0.a"

/// A parameter's distribution as Optuna writes it: {"name": "IntDistribution", "attributes": {…}}. Ordinals become categorical.
std::string distribution_json(const Parameter& parameter);
/// The value of column trial_params.param_value: the number itself, or the index of the choice.
double internal_value(const Parameter& parameter, const Value& value);
/// [1,-0.5]; ["accuracy","latency"].
std::string json_list(const std::vector<double>& numbers);
std::string json_list(const std::vector<std::string>& texts);
/// "COMPLETE", "PRUNED", "FAIL", "RUNNING". A pruned trial of a multi-objective study is FAIL: Optuna's samplers cannot handle it.
const char* trial_state(TrialState state, bool multi_objective);

}  // namespace lathe::nas::optuna
