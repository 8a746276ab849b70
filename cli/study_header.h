// Between configurations, headers of studies, and studies as they lie in a database.
#pragma once
#include <lathe/cli/model_config.h>
#include <lathe/nas/storage/storage.h>

#include <optional>
#include <string>
#include <string_view>

namespace lathe::cli {

/// What a configuration says about its study, whatever the objective is: space, seed, budget, sampler, pruner, and for an objective
/// of one's own the metrics, directions and constraints. Data hash and numerics of a training are still to be set.
/// InputError with the place of the wrong key: settings that sampler or pruner do not have, a space that they cannot serve.
nas::StudyHeader study_header(const Config& config, const std::string& name);

/// study_header() with the hash of the data and the numerics of the backend: of a search for a transformer.
nas::StudyHeader training_header(const Config& config, const LoadedData& data, const std::string& name);

/// The header that was written as `json`, for a study of this name. InputError: not made by lathe, or by one that writes headers
/// otherwise; a space that only the program which made it knows.
nas::StudyHeader read_header(const std::string& json, const std::string& name);

/// The text of a member of a header that is an object, as it stands; "" if there is none.
std::string header_object(const std::string& header, std::string_view member);

/// objective.max_reports of the study's configuration if its objective is a program or whoever asks and tells; nothing: a training,
/// or a program that made the study by itself.
std::optional<int> own_reports(const nas::StudyHeader& header);

/// --reference, the point from which hypervolume is measured: one finite number for each metric; nothing without the option.
std::optional<std::vector<double>> given_reference(const Invocation& invocation, const std::vector<std::string>& metrics);

/// One segment of one tick for each report, and one for the final value.
nas::Plan own_plan(int max_reports);

}  // namespace lathe::cli
