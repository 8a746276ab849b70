#include <lathe/cli/study_source.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/model_config.h>

#include <algorithm>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

/// A text member of a header, or "".
std::string member(const std::string& header, const char* name) {
  const nlohmann::json json = nlohmann::json::parse(header, nullptr, false);
  return json.is_object() && json.contains(name) && json[name].is_string() ? json[name].get<std::string>() : std::string();
}

void require_same_study(const std::string& recorded, const std::string& now, const fs::path& folder) {
  const auto difference = nas::header_difference(recorded, now);
  if (!difference) return;
  const std::string place = folder.string() + ": ";
  const std::string old_numerics = member(recorded, "numerics"), new_numerics = member(now, "numerics");
  if (old_numerics != new_numerics)
    throw InputError(str(place, "the study was made with ", old_numerics, ", this lathe computes ", new_numerics,
                         "; start a new one with --out NEW"));
  const std::string old_data = member(recorded, "data_hash"), new_data = member(now, "data_hash");
  if (member(recorded, "configuration") == member(now, "configuration") && old_data != new_data)
    throw InputError(str(place, "data changed since the study began (", old_data.substr(0, 4), "… now ", new_data.substr(0, 4),
                         "…); start a new one with --out NEW"));
  throw InputError(
      str(place, "the configuration changed since the study began (", *difference, "); start a new one with --out NEW"));
}

}  // namespace

std::string database_of(const std::string& place) {
  const fs::path path(place);
  if (place.find("://") != std::string::npos || !fs::is_directory(path)) return place;
  if (!fs::exists(path / "study.db")) throw InputError(place + ": is not a run folder (no study.db in it)");
  return (path / "study.db").string();
}

std::string study_name(const Config& config, const fs::path& folder) {
  if (const std::string& wish = config.text("storage.name"); !wish.empty()) return wish;
  const fs::path own = folder / "study.db";
  if (config.text("storage.url").empty() && fs::exists(own)) {
    const std::vector<nas::StudySummary> studies = nas::open_backend(own.string(), true)->studies();
    if (studies.size() == 1) return studies[0].name;
  }
  return folder_name(folder);
}

StudySource open_or_create_study(const Config& config, const fs::path& folder, const nas::StudyHeader& header, bool resumes) {
  StudySource source;
  const std::string& url = config.text("storage.url");
  const std::string place = url.empty() ? (folder / "study.db").string() : database_of(url);
  source.place = nas::without_password(place);
  source.backend = nas::open_backend(place, true);
  const std::vector<nas::StudySummary> studies = source.backend->studies();
  const bool exists = std::any_of(studies.begin(), studies.end(), [&](const auto& study) { return study.name == header.name; });
  if (!exists && resumes && !studies.empty()) {
    std::vector<std::string> names;
    for (const nas::StudySummary& study : studies) names.push_back(study.name);
    throw InputError(str(source.place, ": holds no study ", header.name, ", which ", folder.string(),
                         " would go on with (was the folder renamed?); give one of ", join(names, ", "), " as storage.name in ",
                         (folder / "config.toml").string()));
  }
  source.storage = exists ? source.backend->open(header.name) : source.backend->create(header);
  if (exists) require_same_study(source.storage->header(), header.json(), folder);
  return source;
}

std::string study_place(Invocation& invocation) {
  const std::string option = invocation.value("--storage");
  if (!invocation.arguments().empty()) {
    if (!option.empty()) throw InputError(str("two places: ", invocation.arguments()[0], " and --storage ", option, "; give one"));
    return invocation.arguments()[0];
  }
  if (!option.empty()) return option;
  const std::string variable = invocation.console().environment("LATHE_STORAGE");
  if (!variable.empty()) return variable;
  throw InputError(str("which study? Name a run folder or a database (lathe ", invocation.command().name, " -h)"));
}

StudySource open_study(Invocation& invocation) {
  StudySource source;
  const std::string place = database_of(study_place(invocation));
  source.place = nas::without_password(place);
  source.backend = nas::open_backend(place, false);
  std::string name = invocation.value("--name");
  if (name.empty()) {
    std::vector<std::string> names;
    for (const nas::StudySummary& study : source.backend->studies()) names.push_back(study.name);
    if (names.empty()) throw InputError(source.place + ": holds no study");
    if (names.size() > 1) throw InputError(str(source.place, ": holds several studies; --name one of: ", join(names, ", ")));
    name = names[0];
  }
  source.storage = source.backend->open(name);
  return source;
}

}  // namespace lathe::cli
