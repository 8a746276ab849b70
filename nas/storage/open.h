// Opens the place where studies live, whatever it is: a file or a server.
//
//   study.db                                     an SQLite file, as does sqlite:///study.db (sqlite:////srv/study.db: an absolute
//   path) postgresql://user:password@host:port/db?…    a PostgreSQL server; what libpq understands behind `?` is passed on
//   postgres://…, postgresql+psycopg2://…        the same, as libpq and SQLAlchemy (Optuna) write it
#pragma once
#include <lathe/nas/storage/storage.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace lathe::nas {

/// What to do when a server does not answer. Files have no use for it.
struct ServerOptions {
  /// How long a call waits for a server that went away, or for a lock that another session holds, before it throws
  /// InfrastructureError. The URL may say it: ?lathe_patience=600
  std::chrono::seconds patience{300};
  /// Asked after every attempt to connect: twice a second, or every 10 s with a host that is silent; every few
  /// seconds while another session holds a lock. True ends the waiting.
  std::function<bool()> give_up = nullptr;
  /// Told once when the waiting begins, and once when it is over. One line.
  std::function<void(const std::string&)> notice = nullptr;
};

/// The studies at `place`. `create`: the file and the tables are made if they are missing (else InputError); a server's database
/// has to be there. InputError: a place of an unknown kind, a part that this build lacks (says which it has), a wrong user or
/// database. InfrastructureError: the server cannot be reached; the first call does not wait for it unless it is just starting.
std::unique_ptr<Backend> open_backend(const std::string& place, bool create, const ServerOptions& options = {});

/// `place` as messages may show it: postgresql://user:secret@host/db becomes postgresql://user@host/db, password=… becomes
/// password=***.
std::string without_password(const std::string& place);

}  // namespace lathe::nas
