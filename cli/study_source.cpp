#include <lathe/cli/study_source.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/model_config.h>
#include <lathe/cli/signals.h>
#include <lathe/cli/study_header.h>
#include <lathe/nas/storage/open.h>

#include <algorithm>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

bool is_url(const std::string& place) { return place.find("://") != std::string::npos; }

/// The file of a place that is one, as nas::open_backend() understands it; empty: a server.
fs::path database_file(const std::string& place) {
  if (!is_url(place)) return place;
  return place.starts_with("sqlite") ? place.substr(std::min(place.find("://") + 4, place.size())) : "";
}

std::vector<std::string> study_names(nas::Backend& backend) {
  std::vector<std::string> names;
  for (const nas::StudySummary& study : backend.studies()) names.push_back(study.name);
  return names;
}

}  // namespace

nas::WarmStart earlier_trials(const Config& config, const nas::StudyHeader& header) {
  const std::string place = config.file("search.warm_start").string(), &origin = config.origin("search.warm_start");
  if (place.empty())
    throw InputError("the study sees the trials of an earlier one; name it again with --warm-start or search.warm_start");
  try {
    return nas::warm_start(*open_named_study(place).storage, header);
  } catch (const InputError& error) {
    throw InputError(str(origin, origin.empty() ? "" : ": ", "warm start: ", error.what()));
  }
}

std::string header_member(const std::string& header, const char* name) {
  const nlohmann::json json = nlohmann::json::parse(header, nullptr, false);
  if (!json.is_object() || !json.contains(name)) return "";
  return json[name].is_string() ? json[name].get<std::string>() : json[name].dump();
}

void require_same_study(const std::string& recorded, const std::string& now, const std::string& place) {
  const auto difference = nas::header_difference(recorded, now);
  if (!difference) return;
  const std::string old_numerics = header_member(recorded, "numerics"), new_numerics = header_member(now, "numerics");
  if (old_numerics != new_numerics)
    throw InputError(str(place, ": the study was made with ", old_numerics, ", this lathe computes ", new_numerics,
                         "; start a new one with --out NEW"));
  const std::string old_data = header_member(recorded, "data_hash"), new_data = header_member(now, "data_hash");
  if (header_member(recorded, "configuration") == header_member(now, "configuration") && old_data != new_data)
    throw InputError(str(place, ": data changed since the study began (", old_data.substr(0, 4), "… now ", new_data.substr(0, 4),
                         "…); start a new one with --out NEW"));
  throw InputError(
      str(place, ": the configuration changed since the study began (", *difference, "); start a new one with --out NEW"));
}

std::string shown_place(const std::string& place) {
  const fs::path path(place);
  if (is_url(place) || !fs::is_directory(path)) return nas::without_password(place);
  return (path / "study.db").string();
}

nas::ServerOptions while_away(Console& console) {
  nas::ServerOptions options;
  options.give_up = StopSignals::asked;
  options.notice = [&console](const std::string& text) { console.warn(text); };
  return options;
}

std::unique_ptr<nas::Backend> open_database(const std::string& place, bool create, const nas::ServerOptions& options) {
  if (is_url(place) || !fs::is_directory(place)) return nas::open_backend(place, create, options);
  const fs::path file = fs::path(place) / "study.db";
  if (!fs::exists(file)) throw InputError(place + ": is not a run folder (no study.db in it)");
  return nas::open_backend(file.string(), create, options);
}

std::string study_name(const Config& config, const fs::path& folder) {
  if (const std::string& wish = config.text("storage.name"); !wish.empty()) return wish;
  const fs::path own = folder / "study.db";
  if (config.text("storage.url").empty() && fs::exists(own)) {
    const std::vector<std::string> names = study_names(*open_database(own.string(), true));
    if (names.size() == 1) return names[0];
  }
  return folder_name(folder);
}

std::optional<nas::Preparation> recorded_preparation(const Config& config, const fs::path& folder, const std::string& name,
                                                     Console& console) {
  const std::string& url = config.text("storage.url");
  const std::string place = url.empty() ? (folder / "study.db").string() : url;
  if (const fs::path file = database_file(place); !file.empty() && !fs::exists(file)) return {};
  const std::unique_ptr<nas::Backend> backend = open_database(place, true, while_away(console));
  for (const nas::StudySummary& study : backend->studies())
    if (study.name == name && !study.header.empty()) return nas::Preparation::parse(header_object(study.header, "preparation"));
  return {};
}

StudySource open_or_create_study(const Config& config, const fs::path& folder, nas::StudyHeader& header, bool resumes,
                                 Console& console) {
  StudySource source;
  const std::string& url = config.text("storage.url");
  const std::string place = url.empty() ? (folder / "study.db").string() : url;
  source.place = shown_place(place);
  source.backend = open_database(place, true, while_away(console));
  const std::vector<nas::StudySummary> studies = source.backend->studies();
  const auto found = std::find_if(studies.begin(), studies.end(), [&](const auto& study) { return study.name == header.name; });
  std::vector<std::string> names;
  for (const nas::StudySummary& study : studies) names.push_back(study.name);
  const bool exists = found != studies.end();
  if (!exists && resumes && !names.empty())
    throw InputError(str(source.place, ": holds no study ", header.name, ", which ", folder.string(),
                         " would go on with (was the folder renamed?); give one of ", join(names, ", "), " as storage.name in ",
                         (folder / "config.toml").string()));
  std::optional<nas::WarmStart> earlier;
  if (exists && found->header.empty()) {
    console.note(str("mixed   goes on with study ", header.name, " of another program, ", found->trials, " trials"));
    source.storage = source.backend->take_over(header);
  } else if (exists) {
    source.storage = source.backend->open(header.name);
    header.warm_start = header_member(source.storage->header(), "warm_start");
    require_same_study(source.storage->header(), header.json(), folder.string());
    // Stopped between its creation and its first event.
    if (!header.warm_start.empty() && source.storage->events(0).empty()) earlier = earlier_trials(config, header);
  } else {
    if (!config.text("search.warm_start").empty()) {
      earlier = earlier_trials(config, header);
      header.warm_start = earlier->hash;
    }
    source.storage = source.backend->create(header);
  }
  if (earlier) {
    console.note("warm    " + earlier->text());
    nas::adopt(*source.storage, header, *earlier);
  }
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

namespace {

/// DATABASE#NAME in its two parts; what is a file is no such pair.
std::pair<std::string, std::string> place_and_name(const std::string& place) {
  const std::size_t hash = place.rfind('#');
  if (hash == std::string::npos || fs::exists(place)) return {place, ""};
  return {place.substr(0, hash), place.substr(hash + 1)};
}

}  // namespace

fs::path file_of_study(const std::string& place) { return database_file(place_and_name(place).first); }

StudySource open_named_study(const std::string& place, const nas::ServerOptions& options) {
  const auto [where, name] = place_and_name(place);
  return open_study(where, name, options);
}

std::string study_elsewhere(const fs::path& folder, Config& config) {
  if (!fs::is_directory(folder) || fs::exists(folder / "study.db") || !fs::exists(folder / "config.toml")) return "";
  config.read_file(folder / "config.toml");
  return config.text("storage.url");
}

StudySource open_study(const std::string& place, const std::string& wish, const nas::ServerOptions& options) {
  const fs::path folder = is_url(place) ? fs::path() : fs::path(place);
  Config config;
  if (const std::string url = study_elsewhere(folder, config); !url.empty())
    return open_study(url, wish.empty() ? study_name(config, folder) : wish, options);
  StudySource source;
  source.place = shown_place(place);
  source.backend = open_database(place, false, options);
  std::string name = wish;
  if (name.empty()) {
    const std::vector<std::string> names = study_names(*source.backend);
    if (names.empty()) throw InputError(source.place + ": holds no study");
    if (names.size() > 1) throw InputError(str(source.place, ": holds several studies; --name one of: ", join(names, ", ")));
    name = names[0];
  }
  source.storage = source.backend->open(name);
  return source;
}

StudySource open_study(Invocation& invocation) {
  return open_study(study_place(invocation), invocation.value("--name"), while_away(invocation.console()));
}

}  // namespace lathe::cli
