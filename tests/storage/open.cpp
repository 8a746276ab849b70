// The forms in which a place of studies is named.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/nas/storage/open.h>

#include "tests/storage/study.h"

namespace lathe::nas {
namespace {

TEST_CASE("a file is opened by path and by URL") {
  const test::TemporaryFolder folder;
  const std::string file = (folder / "study.db").string();
  CHECK_THROWS_WITH_AS(open_backend(file, false), doctest::Contains("no such file"), InputError);
  open_backend(file, true)->create(test::small_study());
  for (const std::string& place : {file, "sqlite:///" + file, "sqlite+pysqlite:///" + file}) {
    CAPTURE(place);
    REQUIRE(open_backend(place, false)->studies().size() == 1);
  }
}

TEST_CASE("a place of an unknown kind is refused with what is known, and without the password") {
  CHECK_THROWS_WITH_AS(open_backend("sqlit:///a.db", false), doctest::Contains("did you mean `sqlite`?"), InputError);
  CHECK_THROWS_WITH_AS(open_backend("sqlite://a.db", false), doctest::Contains("sqlite:///FILE"), InputError);
  CHECK_THROWS_WITH_AS(open_backend("sqlite:///a.db?timeout=20", true), doctest::Contains("nothing may follow ?"), InputError);
  CHECK_THROWS_WITH_AS(open_backend("", true), doctest::Contains("names no file"), InputError);
  CHECK_THROWS_WITH_AS(open_backend("sqlite:///", true), doctest::Contains("names no file"), InputError);
  CHECK_THROWS_WITH_AS(open_backend("mysql://me:secret@host/db", true),
                       "mysql://…: unknown kind of storage; expected a file, sqlite:///FILE or "
                       "postgresql://USER@HOST:PORT/DATABASE",
                       InputError);
}

TEST_CASE("messages show a place without its password") {
  CHECK(without_password("runs/a:b@c") == "runs/a:b@c");
  CHECK(without_password("postgresql://me:se:cr@t@host:5432/db?x=1") == "postgresql://me@host:5432/db?x=1");
  CHECK(without_password("postgresql://me@host:5432/db") == "postgresql://me@host:5432/db");
  CHECK(without_password("postgresql://host:5432/db?user=a@b") == "postgresql://host:5432/db?user=a@b");
  CHECK(without_password("postgresql:///db?host=/tmp&password=x%26y&user=me") == "postgresql:///db?host=/tmp&password=***&user=me");
  CHECK(without_password("postgresql://me:x@") == "postgresql://me@");
  CHECK(without_password("postgresql://me:pa/ss@host/db") == "postgresql://me@host/db");
  CHECK(without_password("postgresql://h/db?sslpassword=a&password=b") == "postgresql://h/db?sslpassword=***&password=***");
}

}  // namespace
}  // namespace lathe::nas
