// What users do wrong, and the one line that each mistake is answered with. The texts are part of the interface.
#include "call.h"

#include <doctest/doctest.h>

using namespace lathe::test;

TEST_CASE("twelve mistakes") {
  const Workplace place;
  write("reviews.tsv", reviews(200));
  write("lathe.toml", "lathe = 1\n\n[data]\ntrain = \"reviews.tsv\"\n\n[search]\ntrails = 5\n");
  CHECK(error_of({"search", "lathe.toml"}) == "lathe.toml:7:1: unknown key `search.trails`; did you mean `search.trials`?");

  write("a.toml", "[search]\nlr = 1e-3\n");
  CHECK(error_of({"check", "a.toml"}) == "a.toml:2:1: `lr` is not a key of [search]; it is `train.lr`");

  write("b.toml", "[search]\ntrials = \"many\"\n");
  CHECK(error_of({"check", "b.toml"}) == "b.toml:2:10: search.trials = \"many\" is a string, expected an integer >= 1");

  CHECK(error_of({"search", "reviews.tsv", "--thread", "4"}) == "unknown option --thread; similar: --threads (lathe search -h)");

  CHECK(error_of({"search", "reviews.tvs"}) == "reviews.tvs: no such file; did you mean reviews.tsv?");

  CHECK(error_of({"search", "reviews.tsv", "--label", "lable"}) ==
        "reviews.tsv:1: no column `lable`; columns: sentence, label; did you mean `label`?");

  write("uneven.tsv", reviews(50) + "a tab\there\tpos\n" + "fine\tneg\n");
  CHECK(error_of({"search", "uneven.tsv"}).starts_with("uneven.tsv:52: 3 fields, expected 2"));
  CHECK(error_of({"search", "uneven.tsv"}).find("data.bad_rows") != std::string::npos);

  write("latin1.tsv", reviews(50) + "caf\xE9 noir\tpos\n");
  CHECK(error_of({"search", "latin1.tsv"}) == "latin1.tsv:52: byte 0xE9 (column 4) is not UTF-8; try: iconv -f latin1 -t utf-8");

  write("one.tsv", "sentence\tlabel\ngood film\tpos\nfine film\tpos\n");
  CHECK(error_of({"search", "one.tsv"}) ==
        "one.tsv: only one label, `pos`, in 2 rows; expected two or more. Is `label` the label column?");

  const std::string limit = error_of({"search", "reviews.tsv", "--limit", "params=10"});
  CHECK(limit.starts_with("--limit params: limits.params = 10 excludes every architecture that was drawn; the smallest is "));
  CHECK(limit.ends_with(" (layers 1, hidden 32)"));
}

TEST_CASE("mistakes on the command line") {
  const Workplace place;
  write("reviews.tsv", reviews(200));
  CHECK(error_of({"serach"}) == "unknown command `serach`; did you mean `search`? (lathe -h)");
  CHECK(error_of({"--jsno"}).starts_with("unknown option --jsno; options follow the command"));
  CHECK(
      error_of({"study"}).starts_with("lathe study needs one of: list, show, trials, best, hash, export, front, slice, contour, "
                                      "importance, compare, create, ask, tell, "
                                      "enqueue, copy, delete"));
  CHECK(error_of({"study", "hsah"}).find("did you mean hash?") != std::string::npos);
  CHECK(error_of({"study", "hash", "--nmae", "x"}).find("similar: --name") != std::string::npos);
  CHECK(error_of({"search", "reviews.tsv", "--trials"}) == "--trials needs a value: --trials N (lathe search -h)");
  CHECK(error_of({"search", "reviews.tsv", "--trials", "--json"}).starts_with("--trials needs a value"));
  CHECK(error_of({"search", "reviews.tsv", "--trials", "many"}) == "--trials many: expected an integer >= 1");
  CHECK(error_of({"search", "reviews.tsv", "--time", "soon"}).starts_with("--time soon: expected a duration such as"));
  CHECK(error_of({"search", "reviews.tsv", "other.tsv"})
            .starts_with("unexpected argument `other.tsv`; usage: lathe search DATA|CONFIG"));
  CHECK(error_of({"search", "reviews.tsv", "--preset", "quik"}).find("did you mean quick?") != std::string::npos);
  CHECK(error_of({"search", "reviews.tsv", "--backend", "mmx"}).starts_with("--backend mmx: expected \"auto\""));
  CHECK(error_of({"search", "reviews.tsv", "--color", "red"}) == "--color red: expected auto, always or never");
  CHECK(error_of({"search", "reviews.tsv", "--limit", "params"}) == "--limit params: expected NAME=VALUE, such as params=2M");
  CHECK(error_of({"search", "reviews.tsv", "--limit", "parms=2M"}).find("did you mean `limits.params`?") != std::string::npos);
  CHECK(error_of({"search", "reviews.tsv", "--set", "trials"}) == "--set trials: expected key=value, such as search.trials=50");
  CHECK(error_of({"search"}).starts_with("no data: name a file"));
  CHECK(error_of({"check", "c.toml"}) == "c.toml: no such file");
  write("lathe.toml", "seed = 1\n");
  CHECK(error_of({"check", "lathe.toml", "-c", "lathe.toml"}) == "two configurations: lathe.toml and -c lathe.toml; give one");
  CHECK(error_of({"predict"}) == "lathe predict needs MODEL [TEXT...] (lathe predict -h)");
  CHECK(error_of({"predict", "nowhere", "text"}).starts_with("nowhere"));
  CHECK(error_of({"report", "nowhere"}) == "nowhere: is not a run folder (no results.json in it)");
  CHECK(error_of({"search", "--resume", "nowhere"}) == "nowhere: is not a run folder (no config.toml in it)");
  CHECK(error_of({"search", "--resume", "nowhere", "--seed", "2"}) ==
        "--seed cannot be changed; --resume takes data and settings from the run");
  CHECK(error_of({"tokenize", "text"}).starts_with("which tokenizer? --vocab FILE"));
  CHECK(error_of({"tokenize", "--learn", "reviews.tsv", "--stats", "reviews.tsv"}).find("exclude each other") != std::string::npos);
  CHECK(error_of({"study", "hash"}).starts_with("which study?"));
  CHECK(error_of({"study", "hash", "mysql://host/db"}) ==
        "mysql://…: unknown kind of storage; expected a file, sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE");
  CHECK(error_of({"study", "hash", "reviews.tsv"}).find("reviews.tsv") != std::string::npos);
  CHECK(error_of({"help", "serach"}) == "no help on `serach`; did you mean search?");
  CHECK(error_of({"help", "limit"}) == "no help on `limit`; did you mean limits?");
  const std::string limits = call({"help", "limits"}).out;  // a table's keys
  CHECK(has(limits, "limits.latency_ms = "));
  CHECK(has(limits, "limits.target = "));
  CHECK_FALSE(has(limits, "finalists."));
}

TEST_CASE("mistakes in the data") {
  const Workplace place;
  write("empty.tsv", "");
  CHECK(error_of({"search", "empty.tsv"}).starts_with("empty.tsv: "));
  write("header.tsv", "sentence\tlabel\n");
  CHECK(error_of({"search", "header.tsv"}).starts_with("header.tsv"));
  write("train.tsv", reviews(200));
  write("test.tsv", "sentence\tlabel\nso so\tneutral\n");
  CHECK(error_of({"search", "train.tsv", "--test", "test.tsv"}) ==
        "test.tsv:2: label `neutral` does not occur in the training data; labels: neg, pos");
  CHECK(error_of({"search", "."}).ends_with("is a folder, expected a file"));
  CHECK(error_of({"check", "empty.tsv"}).starts_with("exit code") == false);
}

TEST_CASE("mistakes in the space") {
  const Workplace place;
  write("reviews.tsv", reviews(200));
  CHECK(error_of({"search", "reviews.tsv", "--set", "space.hiden=32"}) ==
        "--set: the space has no parameter `hiden`; did you mean `hidden`?");
  write("never.toml",
        "[data]\ntrain = \"reviews.tsv\"\n[space]\nhidden = [32, 64, 96]\nheads = 5\nvalid = [\"hidden % heads == 0\"]\n");
  CHECK(error_of({"search", "never.toml"}).starts_with("never.toml:6:1: [space] "));
  write("rule.toml", "[data]\ntrain = \"reviews.tsv\"\n[space]\nhidden = [32, 64, 96]\nvalid = [\"hiden > 0\"]\n");
  CHECK(error_of({"search", "rule.toml"}).find("hidden") != std::string::npos);
  CHECK(error_of({"search", "reviews.tsv", "--set", "model.hidden=100", "--set", "model.heads=8"}) ==
        "--set: model.hidden = 100 is not divisible by model.heads = 8");
}

TEST_CASE("a folder that holds a run is not overwritten") {
  const Workplace place;
  write("reviews.tsv", reviews(200));
  std::filesystem::create_directory("out");
  write("out/results.json", "{}");
  CHECK(error_of({"search", "reviews.tsv", "--out", "out"}) ==
        "out holds a finished study; use --out NEW, --resume to extend, or --force to replace");
  std::filesystem::remove("out/results.json");
  write("out/study.db", "");
  CHECK(error_of({"search", "reviews.tsv", "--out", "out"}) ==
        "out holds a study without results; use --out NEW, --resume out to go on, or --force to replace");
  CHECK(read("out/study.db").empty());
}
