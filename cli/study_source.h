// Where a study lies: the database of a run folder, a file, or storage.url.
#pragma once
#include <lathe/cli/config.h>
#include <lathe/cli/options.h>
#include <lathe/nas/preparation.h>
#include <lathe/nas/proposals.h>
#include <lathe/nas/storage/open.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace lathe::cli {

struct StudySource {
  std::string place;  ///< for messages: without the password of a server
  std::unique_ptr<nas::Backend> backend;
  std::unique_ptr<nas::Storage> storage;
};

/// The one way in: the studies of a run folder (its study.db), or of whatever nas::open_backend() opens. InputError for a folder
/// without study.db and for URLs of databases that this build does not know.
std::unique_ptr<nas::Backend> open_database(const std::string& place, bool create, const nas::ServerOptions& options = {});
/// While a server is away: `console` says so, and a signal ends the waiting.
nas::ServerOptions while_away(Console& console);
/// `place` as messages name it: the file of a run folder.
std::string shown_place(const std::string& place);

/// storage.name; else the name of the only study in the run folder's own study.db, because a folder may be renamed while its study
/// is not; else that of the folder.
std::string study_name(const Config& config, const std::filesystem::path& folder);

/// The study `header.name` of storage.url, or of study.db in the run folder. A study that is there must have been made from the
/// same data, configuration and numerics: InputError says what differs. `resumes`: a database with studies must have this one.
/// A new study adopts the trials of search.warm_start (said on `console`), whose hash becomes `header.warm_start`.
StudySource open_or_create_study(const Config& config, const std::filesystem::path& folder, nas::StudyHeader& header, bool resumes,
                                 Console& console);

/// What was prepared for the study `name` that lies where open_or_create_study() will find it; nothing if there is none.
std::optional<nas::Preparation> recorded_preparation(const Config& config, const std::filesystem::path& folder,
                                                     const std::string& name, Console& console);

/// The trials of search.warm_start (RUN, DATABASE, or DATABASE#STUDY) that fit `header`. InputError if there is none, or it has
/// other objectives.
nas::WarmStart earlier_trials(const Config& config, const nas::StudyHeader& header);

/// InputError unless a study with this recorded header can go on as `now`: says whether numerics, data or configuration differ.
/// `place` begins the message.
void require_same_study(const std::string& recorded, const std::string& now, const std::string& place);
/// A member of a header, texts without quotes; "" if there is none.
std::string header_member(const std::string& header, const char* name);

/// What a command on studies is given: RUN|DATABASE, or --storage, or $LATHE_STORAGE. InputError if there is none.
std::string study_place(Invocation& invocation);
/// The study of this name, or, if it is empty, the only one; that of a run whose storage.url is elsewhere is found by its
/// configuration. InputError: several, or none.
StudySource open_study(const std::string& place, const std::string& name, const nas::ServerOptions& options = {});
/// The file or folder of a place as open_named_study() takes it; empty: a server.
std::filesystem::path file_of_study(const std::string& place);
/// The only study of a place, or the one of DATABASE#NAME.
StudySource open_named_study(const std::string& place, const nas::ServerOptions& options = {});
/// storage.url of a run folder that keeps its study elsewhere, with its configuration read; "" for any other place.
std::string study_elsewhere(const std::filesystem::path& folder, Config& config);
/// The one that study_place() and --name say.
StudySource open_study(Invocation& invocation);

}  // namespace lathe::cli
