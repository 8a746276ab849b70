// A place for studies of every kind that this machine has, for tests of what all of them must do.
#pragma once
#include <doctest/doctest.h>
#include <lathe/nas/storage/memory.h>
#include <lathe/nas/storage/open.h>

#include <memory>
#include <string>
#include <vector>

#ifdef LATHE_WITH_POSTGRESQL
#include "tests/storage/server.h"
#endif
#include "tests/support/folder.h"

namespace lathe::test {

/// "memory", "sqlite", and "postgresql" where there is a server; says so where there is none.
inline std::vector<std::string> kinds_of_storage() {
  std::vector<std::string> kinds{"memory", "sqlite"};
#ifdef LATHE_WITH_POSTGRESQL
  if (const std::string why = PostgresServer::missing(); why.empty())
    kinds.push_back("postgresql");
  else
    MESSAGE("SKIPPED: " << why);
#else
  MESSAGE("SKIPPED: PostgreSQL is not part of this build");
#endif
  return kinds;
}

/// An empty place. Not memory: `url` is what open_backend() takes, from any process.
struct Place {
  TemporaryFolder folder;
  std::string url;
  std::unique_ptr<nas::Backend> backend;

  explicit Place(const std::string& kind) {
    if (kind == "memory") {
      backend = nas::memory_backend();
      return;
    }
    url = (folder / "study.db").string();
#ifdef LATHE_WITH_POSTGRESQL
    if (kind == "postgresql") url = PostgresServer::instance()->fresh_database();
#endif
    backend = nas::open_backend(url, true);
  }
};

}  // namespace lathe::test
