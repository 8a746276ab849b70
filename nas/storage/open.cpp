#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/storage/open.h>
#ifdef LATHE_WITH_SQLITE
#include <lathe/nas/storage/sqlite.h>
#endif
#ifdef LATHE_WITH_POSTGRESQL
#include <lathe/nas/storage/postgresql.h>
#endif

#include <algorithm>
#include <string_view>

namespace lathe::nas {
namespace {

#ifdef LATHE_WITH_SQLITE
constexpr bool kSqlite = true;
#else
constexpr bool kSqlite = false;
#endif
#ifdef LATHE_WITH_POSTGRESQL
constexpr bool kPostgresql = true;
#else
constexpr bool kPostgresql = false;
#endif

constexpr std::string_view kForms = "a file, sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE";

[[noreturn, maybe_unused]] void not_built_in(const std::string& place, const char* part) {
  throw InputError(str(place, ": this lathe was built without ", part, "; it has ",
                       kSqlite       ? "SQLite only: sqlite:///FILE"
                       : kPostgresql ? "PostgreSQL only: postgresql://USER@HOST:PORT/DATABASE"
                                     : "no database"));
}

std::unique_ptr<Backend> open_file(const std::string& place, const std::string& file, bool create) {
  if (file.empty()) throw InputError(str("`", place, "` names no file, expected ", kForms));
#ifdef LATHE_WITH_SQLITE
  return sqlite_backend(file, create);
#else
  (void)create;
  not_built_in(place, "SQLite");
#endif
}

std::unique_ptr<Backend> open_server(const std::string& place, bool create, const ServerOptions& options) {
#ifdef LATHE_WITH_POSTGRESQL
  return postgresql_backend("postgresql" + place.substr(place.find("://")), create, options);
#else
  (void)create;
  (void)options;
  not_built_in(place.substr(0, place.find("://")) + "://…", "PostgreSQL");  // the rest may hold a password
#endif
}

}  // namespace

std::string without_password(const std::string& place) {
  const std::size_t colon = place.find("://");
  if (colon == std::string::npos) return place;
  std::string shown = place;
  // Rather too much than too little: a password with a slash in it is no valid URL, but is one all the same.
  const std::size_t begin = colon + 3, end = std::min(place.find('?', begin), place.size());
  const std::size_t at = place.rfind('@', end), secret = place.find(':', begin);
  if (at != std::string::npos && at >= begin && secret < at) shown.erase(secret, at - secret);
  for (std::size_t value = 0; (value = shown.find("password=", value)) != std::string::npos;) {
    value += 9;
    shown.replace(value, std::min(shown.find('&', value), shown.size()) - value, "***");
  }
  return shown;
}

std::unique_ptr<Backend> open_backend(const std::string& place, bool create, const ServerOptions& options) {
  const std::size_t colon = place.find("://");
  if (colon == std::string::npos) return open_file(place, place, create);
  const std::string scheme = place.substr(0, colon), kind = scheme.substr(0, scheme.find('+'));  // after +: SQLAlchemy's driver
  if (kind == "postgresql" || kind == "postgres") return open_server(place, create, options);
  if (kind == "sqlite") {
    if (place.find('?') != std::string::npos)
      throw InputError(str(place, ": nothing may follow ? for SQLite, expected sqlite:///FILE"));
    if (place.compare(colon, 4, ":///") != 0) throw InputError(str(place, ": expected three slashes, sqlite:///FILE"));
    return open_file(place, place.substr(colon + 4), create);
  }
  const std::string known[] = {"sqlite", "postgresql"};
  const auto near = nearest(kind, known);
  throw InputError(str(scheme, "://…: unknown kind of storage; ", near ? "did you mean `" + *near + "`? " : "", "expected ",
                       std::string(kForms)));
}

}  // namespace lathe::nas
