// Texts for people.
#include <lathe/cli/format.h>

#include <doctest/doctest.h>

#include <string>

using namespace lathe::cli;

TEST_CASE("durations") {
  CHECK(parse_duration("90s") == 90);
  CHECK(parse_duration("10m") == 600);
  CHECK(parse_duration("2h") == 7200);
  CHECK(parse_duration("1h30m") == 5400);
  CHECK(parse_duration("1h 30m") == 5400);
  CHECK(parse_duration("1.5m") == 90);
  CHECK(parse_duration("2d") == 172800);
  CHECK(parse_duration("45") == 45);
  CHECK(parse_duration("0") == 0);
  for (const char* bad : {"", "m", "10x", "10m5h", "5m5m", "-5", "-5m", "10m5", "1..5m", "inf", "nan"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_duration(bad));
  }
  CHECK(format_duration(0) == "0.00 us");
  CHECK(format_duration(12.3e-6) == "12.3 us");
  CHECK(format_duration(0.0042) == "4.20 ms");
  CHECK(format_duration(0.42) == "420 ms");
  CHECK(format_duration(4.24) == "4.2 s");
  CHECK(format_duration(9.97) == "10 s");
  CHECK(format_duration(59.7) == "1 m 00 s");
  CHECK(format_duration(161) == "2 m 41 s");
  CHECK(format_duration(3600) == "1 h 00 m");
  CHECK(format_duration(3900) == "1 h 05 m");
  CHECK(format_duration(90000) == "1 d 01 h");
  CHECK(format_duration(-1) == "?");
}

TEST_CASE("counts and sizes") {
  CHECK(parse_count("5M") == 5000000);
  CHECK(parse_count("1.5G") == 1500000000);
  CHECK(parse_count("2e6") == 2000000);
  CHECK(parse_count("40,000") == 40000);
  CHECK(parse_count("12k") == 12000);
  CHECK(parse_count("-3") == -3);
  CHECK(parse_count("9007199254740993") == 9007199254740993);
  for (const char* bad : {"", "M", "1.5", "4,0", "40,00", ",000", "5MB", "1e400", "five"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_count(bad));
  }
  CHECK(format_count(0) == "0");
  CHECK(format_count(999) == "999");
  CHECK(format_count(8100) == "8.10 k");
  CHECK(format_count(1313131) == "1.31 M");
  CHECK(format_count(999999) == "1.00 M");
  CHECK(format_count(-25000) == "-25.0 k");
  CHECK(format_bytes(812) == "812 B");
  CHECK(format_bytes(5200000) == "5.20 MB");
  CHECK(format_bytes(123456789012) == "123 GB");
  CHECK(format_percent(0.558) == "55.8 %");
}

TEST_CASE("tables") {
  TextTable table({{"model"}, {"accuracy", TextTable::Align::right}, {"note"}});
  table.add({"größer", "0.8", "x"});
  table.add({"b", "0.75"});
  CHECK(table.text("  ") ==
        "  model   accuracy  note\n"
        "  größer       0.8  x\n"
        "  b           0.75\n");
  TextTable bare({{""}, {"", TextTable::Align::right}});
  bare.add({"a", "10"});
  bare.add({"bb", "5"});
  CHECK(bare.text() == "a   10\nbb   5\n");
}

TEST_CASE("width of text") {
  CHECK(display_width("") == 0);
  CHECK(display_width("größe") == 5);
  CHECK(display_width("日本") == 4);
  CHECK(display_width("e\xCC\x81") == 1);
  CHECK(cut_to_width("abcdef", 6) == "abcdef");
  CHECK(cut_to_width("abcdef", 5) == "abcd…");
  CHECK(cut_to_width("日本語", 4) == "日…");
  CHECK(cut_to_width("abc", 0) == "");
  CHECK(wrap("one two three", 8, "  ") == "  one\n  two\n  three\n");
  CHECK(wrap("one two three", 80, "") == "one two three\n");
}

TEST_CASE("TOML texts") {
  CHECK(toml_quote("a\"b\\c\n\t\x01\x7f") == "\"a\\\"b\\\\c\\n\\t\\u0001\\u007F\"");
  CHECK(toml_number(1) == "1.0");
  CHECK(toml_number(1e-4).find('1') == 0);
  CHECK(toml_number(0.05) == "0.05");
}
