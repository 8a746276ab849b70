// Where a study lies: the database of a run folder, a file, or storage.url.
#pragma once
#include <lathe/cli/config.h>
#include <lathe/cli/options.h>
#include <lathe/nas/storage/open.h>

#include <filesystem>
#include <memory>
#include <string>

namespace lathe::cli {

struct StudySource {
  std::string place;  ///< for messages: without the password of a server
  std::unique_ptr<nas::Backend> backend;
  std::unique_ptr<nas::Storage> storage;
};

/// What nas::open_backend() is to open: study.db of a run folder, else `place` itself. InputError for a folder without study.db.
std::string database_of(const std::string& place);

/// storage.name; else the name of the only study in the run folder's own study.db, because a folder may be renamed while its study
/// is not; else that of the folder.
std::string study_name(const Config& config, const std::filesystem::path& folder);

/// The study `header.name` of storage.url, or of study.db in the run folder. A study that is there must have been made from the
/// same data, configuration and numerics: InputError says what differs. `resumes`: a database with studies must have this one.
StudySource open_or_create_study(const Config& config, const std::filesystem::path& folder, const nas::StudyHeader& header,
                                 bool resumes);

/// What a command on studies is given: RUN|DATABASE, or --storage, or $LATHE_STORAGE. InputError if there is none.
std::string study_place(Invocation& invocation);
/// The study of `--name`, or the only one.
StudySource open_study(Invocation& invocation);

}  // namespace lathe::cli
