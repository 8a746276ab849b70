// Text, JSON, SHA-256 and files at their edges.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/sha256.h>
#include <lathe/base/sha256_blocks.h>
#include <lathe/base/text.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <vector>

#include "tests/support/folder.h"
#include "tests/support/message.h"

namespace lathe::test {
namespace fs = std::filesystem;
using namespace std::string_view_literals;

TEST_CASE("SHA-256 of the FIPS 180-4 examples, and in pieces") {
  CHECK(to_hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(to_hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(to_hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(to_hex(sha256(std::string(1000000, 'a'))) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  const std::string text(300, 'x');
  for (const std::size_t cut : {0u, 1u, 55u, 56u, 63u, 64u, 65u, 128u, 299u})
    CHECK(Sha256().add(text.substr(0, cut)).add(text.substr(cut)).finish() == sha256(text));
  CHECK(Sha256().add_u64(0x0102).finish() == sha256(std::string_view("\x02\x01\0\0\0\0\0\0", 8)));
}

TEST_CASE("SHA-256 by the processor's instructions is SHA-256") {
  const detail::Sha256Blocks fast = detail::sha256_blocks_x86();
  if (!fast) {
    MESSAGE("SKIPPED: this processor has no SHA instructions");
    return;
  }
  std::vector<std::uint8_t> bytes(64 * 5);
  std::uint32_t random = 1;
  std::array<std::uint32_t, 8> state{}, expected{};
  for (int round = 0; round < 200; ++round) {
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>((random = random * 1664525u + 1013904223u) >> 24);
    const std::size_t blocks = static_cast<std::size_t>(round) % 6;
    fast(state.data(), bytes.data(), blocks);  // going on from what the rounds before left
    detail::sha256_blocks_portable(expected.data(), bytes.data(), blocks);
    CHECK(state == expected);
  }
}

TEST_CASE("numbers as text read back as themselves") {
  for (const double x : {0.1, -0.0, 1e300, 5e-324, 1.0 / 3, 123456789.0}) CHECK(parse_double(number(x)).value() == x);
  CHECK(number(0.1f) == "0.1");
  CHECK(number(1.0) == "1");
  CHECK(fixed(2.005, 1) == "2.0");
  CHECK(with_commas(0) == "0");
  CHECK(with_commas(999) == "999");
  CHECK(with_commas(67349) == "67,349");
  CHECK(with_commas(-1234567) == "-1,234,567");
  CHECK(with_commas(-123) == "-123");
  CHECK(parse_int("42").value() == 42);
  CHECK(parse_int("-9223372036854775808").value() == std::numeric_limits<std::int64_t>::min());
  for (const char* bad : {"", " 1", "1 ", "1x", "9223372036854775808", "+1", "0x1"}) CHECK_FALSE(parse_int(bad));
  for (const char* bad : {"", "1.5.2", "1e", "abc", " 1"}) CHECK_FALSE(parse_double(bad));
}

TEST_CASE("split, trim, join, str") {
  CHECK(split("a,,b"sv, ',') == std::vector<std::string_view>{"a", "", "b"});
  CHECK(split(""sv, ',') == std::vector<std::string_view>{""});
  CHECK(split(","sv, ',') == std::vector<std::string_view>{"", ""});
  CHECK(trim(" \t a b\r\n") == "a b");
  CHECK(trim("  ").empty());
  const std::vector<std::string> parts{"a", "b"};
  CHECK(join(parts, ", ") == "a, b");
  CHECK(join({}, ", ").empty());
  CHECK(lower("ÄBC") == "Äbc");
  CHECK(str("row ", 7, ": ", std::string("x"), ' ', true, ' ', 0.5) == "row 7: x true 0.5");
}

TEST_CASE("UTF-8 is taken exactly as Unicode defines it") {
  CHECK_FALSE(invalid_utf8("aä€𝄞"));
  CHECK_FALSE(invalid_utf8(""));
  CHECK(invalid_utf8("a\x80").value() == 1);
  CHECK(invalid_utf8("\xC0\xAF").value() == 0);          // overlong
  CHECK(invalid_utf8("ab\xED\xA0\x80").value() == 2);    // surrogate
  CHECK(invalid_utf8("\xF4\x90\x80\x80").value() == 0);  // beyond U+10FFFF
  CHECK(invalid_utf8("x\xE2\x82").value() == 1);         // cut
  std::string text;
  const char32_t points[] = {U'a', U'\u07FF', U'\u0800', U'\uFFFD', U'\U00010000', U'\U0010FFFF'};
  for (const char32_t c : points) append_utf8(text, c);
  std::size_t at = 0;
  for (const char32_t c : points) CHECK(next_utf8(text, at) == c);
  CHECK(at == text.size());
}

TEST_CASE("the nearest name, or none") {
  const std::vector<std::string> names{"hidden", "heads", "layers", "layers_max"};
  CHECK(nearest("hiden", names) == "hidden");
  CHECK(nearest("haeds", names) == "heads");
  CHECK(nearest("lay", names) == "layers");
  CHECK_FALSE(nearest("zzzzzz", names));
  CHECK_FALSE(nearest("", names));
  CHECK_FALSE(nearest("x", {}));
}

TEST_CASE("JSON is written as RFC 8259 wants it") {
  JsonWriter json;
  json.begin_object().member("a", 1).member("b", "x\"\\\n\t\x01ü").key("c").begin_array().value(0.1).value(NAN).value(-INFINITY);
  json.value(true)
      .null()
      .raw("[2]")
      .begin_object()
      .end_object()
      .end_array()
      .member("d", std::uint64_t{18446744073709551615u})
      .end_object();
  CHECK(json.text() ==
        "{\"a\":1,\"b\":\"x\\\"\\\\\\n\\t\\u0001ü\",\"c\":[0.1,null,null,true,null,[2],{}],\"d\":18446744073709551615}");
}

TEST_CASE("files: whole reads, atomic writes, errors that name the path") {
  TemporaryFolder folder;
  const fs::path file = folder.path() / "config.toml";
  write_file_atomic(file, std::string_view("a\0b\n", 4));
  CHECK(read_file(file) == std::string_view("a\0b\n", 4));
  write_file_atomic(file, "");
  CHECK(read_file(file).empty());
  append_line(file, "one");
  append_line(file, "two");
  CHECK(read_file(file) == "one\ntwo\n");
  const std::string missing = message_of<InputError>([&] { read_file(folder.path() / "confg.toml"); });
  CHECK(missing.find("no such file") != std::string::npos);
  CHECK(missing.find("config.toml?") != std::string::npos);
  CHECK(message_of<InputError>([&] { read_file(folder.path()); }).find("is a folder") != std::string::npos);
  make_folder(folder.path() / "x" / "y");
  make_folder(folder.path() / "x" / "y");
  CHECK(fs::is_directory(folder.path() / "x" / "y"));
  CHECK(message_of<InputError>([&] { make_folder(file); }).find("cannot create the folder") != std::string::npos);
  CHECK(message_of<InfrastructureError>([&] { write_file_atomic(folder.path() / "none" / "f", "x"); }).find("cannot write") !=
        std::string::npos);
  CHECK(message_of<InfrastructureError>([&] { append_line(folder.path() / "x", "l"); }).find("cannot write") != std::string::npos);
  CHECK(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator{}) == 2);  // no temporary file is left
}

TEST_CASE("a broken invariant throws with its place") {
  const std::string message = message_of<InternalError>([] { LATHE_CHECK(1 + 1 == 3, "sums are off"); });
  CHECK(message.find("1 + 1 == 3") != std::string::npos);
  CHECK(message.find("text_test.cpp") != std::string::npos);
  CHECK(message.find("sums are off") != std::string::npos);
}

}  // namespace lathe::test
