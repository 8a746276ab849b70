// lathe study create, ask, tell, enqueue, trials, best, copy, delete: a study between shells.
#include <nlohmann/json.hpp>

#include <cstdio>
#include <cstdlib>
#include <set>
#include <sstream>

#include "program_config.h"
#include "search_config.h"

#include <doctest/doctest.h>

using namespace lathe::test;
namespace fs = std::filesystem;

namespace {

std::string log_of(const std::string& place) { return call({"study", "export", place, "--format", "log"}).out; }

/// What the program says about the point that ask printed.
std::string value_of(const std::string& point) {
  const nlohmann::json json = nlohmann::json::parse(point);
  char text[64];
  const double x = json.at("x"), layers = json.at("layers");
  std::snprintf(text, sizeof text, "%.6f", -(x * x + layers));
  return text;
}

struct Asked {
  int code;
  std::string number, point;
};

Asked ask(const std::string& place) {
  const Answer answer = call({"study", "ask", place});
  const std::size_t blank = answer.out.find(' ');
  if (answer.code != 0) return {answer.code, "", answer.err};
  return {0, answer.out.substr(0, blank), answer.out.substr(blank + 1)};
}

/// Asks and tells until the study is finished.
void finish(const std::string& place) {
  for (;;) {
    const Asked asked = ask(place);
    if (asked.code == 1) return;
    CAPTURE(asked.point);
    REQUIRE(asked.code == 0);
    REQUIRE(call({"study", "tell", place, asked.number, value_of(asked.point)}).code == 0);
  }
}

}  // namespace

TEST_CASE("three shells ask and tell, and the study is the one that workers make") {
  const Workplace place;
  write_program();
  write_study("a.toml", {.trials = 16, .search = "sampler = \"tpe\"\nsampler_settings = { n_startup_trials = 4 }"});
  REQUIRE(call({"study", "create", "a.toml", "shells.db"}).code == 0);
  REQUIRE(call({"study", "create", "a.toml", "workers.db"}).code == 0);
  REQUIRE(call({"worker", "workers.db", "-c", "a.toml", "--workers", "2"}).code == 0);
  const std::string lathe = LATHE_PROGRAM;
  write("shell.sh", "while line=$('" + lathe +
                        "' study ask shells.db --wait 2>> errors.txt); do\n"
                        "  number=${line%% *}\n  echo \"$number\" >> asked.txt\n"
                        "  value=$(printf '%s\\n' \"${line#* }\" | sh objective.sh 2> /dev/null | sed 's/.*: \\(.*\\)}/\\1/')\n"
                        "  '" +
                        lathe + "' study tell shells.db \"$number\" \"$value\" 2>> errors.txt\ndone\n");
  REQUIRE(std::system("sh shell.sh & sh shell.sh & sh shell.sh & wait") == 0);
  CAPTURE(read("errors.txt"));
  CHECK(log_of("shells.db") == log_of("workers.db"));
  std::istringstream lines(read("asked.txt"));
  std::set<std::string> numbers;
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) numbers.insert(line);
  CHECK(count == 16);  // nobody was given a trial of another
  CHECK(numbers.size() == 16);
  CHECK(call({"study", "ask", "shells.db"}).code == 1);
}

TEST_CASE("ask and tell: what is open, told twice, told wrongly, failed") {
  const Workplace place;
  write("two.toml",
        "[objective]\nmetrics = [\"a\", \"b\"]\ndirections = [\"maximise\", \"minimise\"]\nconstraints = [\"c\"]\n"
        "[space]\nx = [0.0, 1.0]\n[search]\nsampler = \"random\"\ntrials = 5\nvirtual_workers = 2\n");
  REQUIRE(call({"study", "create", "two.toml", "s.db", "--name", "two"}).code == 0);
  CHECK(has(error_of({"study", "create", "two.toml", "s.db", "--name", "two"}), "holds a study `two` already"));
  CHECK(ask("s.db").number == "0");
  CHECK(ask("s.db").number == "1");
  CHECK(has(error_of({"study", "ask", "s.db"}, 1), "all open trials are being evaluated: 0, 1; tell one of them first, or --wait"));
  CHECK(has(error_of({"study", "tell", "s.db", "0", "1"}), "reported 1 values, expected 2"));
  CHECK(has(error_of({"study", "tell", "s.db", "0", "1", "2"}), "reported 0 constraints, expected 1"));
  CHECK(has(error_of({"study", "tell", "s.db", "0", "much", "2"}), "much: expected a number as a value"));
  CHECK(has(error_of({"study", "tell", "s.db", "7", "1", "2", "--constraint", "0"}), "trial 7 is not being evaluated"));
  CHECK(has(error_of({"study", "tell", "s.db"}), "which trial?"));
  CHECK(call({"study", "tell", "s.db", "1", "-1.5", "-2e-3", "--constraint", "-1"}).code == 0);
  CHECK(has(error_of({"study", "tell", "s.db", "1", "1", "2", "--constraint", "0"}), "has been told already; these are: 0"));
  CHECK(call({"study", "tell", "0", "--failed", "no gas", "--storage", "s.db"}).code == 0);
  const Answer next = call({"study", "ask", "s.db", "--json"});
  CHECK(nlohmann::json::parse(next.out).at("trial") == 2);
  CHECK(nlohmann::json::parse(next.out).at("attempt") == 1);
  CHECK(call({"study", "tell", "2", "1", "1", "--constraint", "0.5"}, {.environment = {{"LATHE_STORAGE", "s.db"}}}).code == 0);
  const Answer trials = call({"study", "trials", "s.db"});
  CHECK(has(trials.out, "no gas"));
  CHECK(has(trials.out, "-1.5000"));
  // A lease that ran out gives the trial to the next asker.
  REQUIRE(call({"study", "ask", "s.db", "--lease", "0.001s"}).out.starts_with("3 "));
  ::usleep(20000);
  const Answer again = call({"study", "ask", "s.db", "--json"});
  CHECK(nlohmann::json::parse(again.out).at("trial") == 3);
  CHECK(nlohmann::json::parse(again.out).at("attempt") == 2);
}

TEST_CASE("enqueued points come first") {
  const Workplace place;
  write_program();
  write_study("a.toml", {.trials = 6});
  REQUIRE(call({"study", "create", "a.toml", "s.db"}).code == 0);
  REQUIRE(call({"study", "enqueue", "s.db", "x=-0.5", "layers=3"}).code == 0);
  REQUIRE(call({"study", "enqueue", "s.db", "{\"x\":0.25,\"layers\":2}"}).code == 0);
  CHECK(ask("s.db").point == "{\"x\":-0.5,\"layers\":3}\n");
  CHECK(ask("s.db").point == "{\"x\":0.25,\"layers\":2}\n");
  CHECK(has(error_of({"study", "enqueue", "s.db", "y=1"}), "y"));
  CHECK(has(error_of({"study", "enqueue", "s.db", "x=1"}), "layers"));
  CHECK(has(error_of({"study", "enqueue", "s.db", "x=7", "layers=2"}), "x"));
  CHECK(has(error_of({"study", "enqueue", "s.db", "x=many", "layers=2"}), "x=many: expected a number"));
  // Into a run that stopped, too; it goes on with the point.
  REQUIRE(call({"search", "a.toml", "--out", "run", "--until-commit", "4"}).code == 0);
  REQUIRE(call({"study", "enqueue", "run", "x=0", "layers=1"}).code == 0);
  REQUIRE(call({"search", "--resume", "run"}).code == 0);
  CHECK(has(call({"study", "best", "run"}).out, "{\"x\":0,\"layers\":1}"));
}

TEST_CASE("a copy has the same hash, and goes on to the same end") {
  const Workplace place;
  write_program();
  write_study("a.toml", {.trials = 14, .search = "sampler = \"tpe\"\nsampler_settings = { n_startup_trials = 4 }"});
  REQUIRE(call({"search", "a.toml", "--out", "first"}).code == 0);
  REQUIRE(call({"study", "create", "a.toml", "s.db", "--warm-start", "first"}).code == 0);
  REQUIRE(call({"study", "enqueue", "s.db", "x=1", "layers=1"}).code == 0);
  for (int i = 0; i < 4; ++i) REQUIRE(ask("s.db").code == 0);
  REQUIRE(call({"study", "tell", "s.db", "1", "--failed", "a note"}).code == 0);  // waits behind trial 0, in the tasks
  const Answer copied = call({"study", "copy", "s.db", "t.db", "--as", "second"});
  CAPTURE(copied.err);
  REQUIRE(copied.code == 0);
  CHECK(study_hash("t.db") == study_hash("s.db"));
  CHECK(has(copied.out, study_hash("s.db")));
  CHECK(call({"study", "export", "t.db"}).out.substr(20) != "");
  CHECK(has(error_of({"study", "copy", "s.db", "t.db", "--as", "second"}), "second"));
  for (const char* number : {"0", "2", "3"}) {
    const std::string line = call({"study", "trials", "s.db", "--json"}).out;
    std::istringstream lines(line);
    std::string trial;
    for (int i = 0; i <= std::atoi(number); ++i) std::getline(lines, trial);
    REQUIRE(call({"study", "tell", "s.db", number, value_of(nlohmann::json::parse(trial).at("point").dump())}).code == 0);
  }
  finish("s.db");
  finish("t.db");  // trials 0, 2 and 3 are asked for again there
  CHECK(log_of("t.db") == log_of("s.db"));
  const auto jsonl = [](const std::string& file) {
    const std::string text = call({"study", "export", file}).out;
    return text.substr(text.find('\n'));
  };
  CHECK(jsonl("t.db") == jsonl("s.db"));  // notes too

  write_search({.trials = 4});  // choices per layer, attributes of trials
  REQUIRE(call({"search", "lathe.toml", "--out", "run", "--set", "space.layers[i].heads={ choices = [1, 2] }", "--set",
                "space.layers=[1, 2]"})
              .code == 0);
  REQUIRE(call({"study", "copy", "run", "t.db"}).code == 0);
  CHECK(call({"study", "export", "t.db", "--name", "run"}).out == call({"study", "export", "run"}).out);
}

TEST_CASE("delete asks first, and leaves the others alone") {
  const Workplace place;
  write_program();
  write_study("a.toml", {.trials = 3});
  REQUIRE(call({"study", "create", "a.toml", "s.db"}).code == 0);
  finish("s.db");
  const std::string kept = log_of("s.db");
  REQUIRE(call({"study", "copy", "s.db", "s.db", "--as", "kept"}).code == 0);
  CHECK(has(error_of({"study", "delete", "s.db", "--name", "a"}), "s.db: study a has "));
  CHECK(has(error_of({"study", "delete", "s.db", "--name", "b", "--force"}), "no study `b`"));
  REQUIRE(call({"study", "delete", "s.db", "--name", "a", "--force"}).code == 0);
  CHECK(call({"study", "list", "s.db", "--json"}).out.find("\"name\":\"a\"") == std::string::npos);
  CHECK(log_of("s.db") == kept);
  // Nothing of it is left in any table: what the copy has alone, a database of the copy alone has.
  if (std::system("python3 -c 'import sqlite3' 2> /dev/null") != 0) {
    MESSAGE("SKIPPED: rows of a deleted study: python3 with sqlite3 is missing");
  } else {
    REQUIRE(call({"study", "copy", "s.db", "alone.db"}).code == 0);
    write("count.py",
          "import sqlite3\n"
          "def counts(file):\n"
          "    db = sqlite3.connect(file)\n"
          "    tables = [row[0] for row in db.execute(\"select name from sqlite_master where type = 'table' order by 1\")]\n"
          "    return {t: db.execute(f'select count(*) from {t}').fetchone()[0] for t in tables}\n"
          "a, b = counts('s.db'), counts('alone.db')\n"
          "assert a == b and a['trials'] == 3, (a, b)\n");
    CHECK(std::system("python3 count.py") == 0);
  }
  REQUIRE(call({"study", "create", "a.toml", "s.db"}).code == 0);
  // Somebody is at work on it.
  REQUIRE(call({"study", "ask", "s.db", "--name", "a"}).code == 0);
  const std::string busy = error_of({"study", "delete", "s.db", "--name", "a"});
  CHECK(has(busy, "events, and trial 0 is being evaluated by ask/"));
  CHECK(has(busy, "; --force deletes it for ever"));
  CHECK(has(call({"study", "list", "s.db", "--json"}).out, "\"name\":\"a\""));
  CHECK(call({"study", "delete", "s.db", "--name", "a", "--force"}).code == 0);
  CHECK(has(error_of({"study", "tell", "s.db", "0", "1", "--name", "a"}), "no study `a`"));
}

TEST_CASE("only who knows the objective can go on with a transformer's study") {
  const Workplace place;
  write_search({.trials = 2});
  REQUIRE(call({"search", "lathe.toml", "--out", "a"}).code == 0);
  CHECK(has(error_of({"study", "ask", "a"}), "knows its objective, which nobody else can stand in for"));
  CHECK(call({"study", "best", "a", "--json"}).out.starts_with("{\"schema\":1,\"type\":\"best\",\"trial\":"));
  CHECK(has(error_of({"study", "trials", "a", "--state", "complet"}), "did you mean complete?"));
  CHECK(has(error_of({"study", "bets", "a"}), "did you mean best?"));
}
