// safetensors: the 72 files of the shared data with their verdicts, and files made here.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/nn/safetensors.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/folder.h"
#include "tests/support/shared.h"

using namespace lathe;
using namespace lathe::nn;

namespace {

std::string file_of(const std::string& header, const std::string& data = "") {
  std::string bytes(8, '\0');
  const std::uint64_t size = header.size();
  std::memcpy(bytes.data(), &size, 8);
  return bytes + header + data;
}

std::string problem(const std::string& bytes) {
  try {
    SafetensorsFile::parse(bytes, "x");
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

StoredTensor floats(const std::string& name, const std::vector<float>& values) {
  return {.name = name,
          .type = StoredType::kF32,
          .shape = {values.size()},
          .bytes = {reinterpret_cast<const char*>(values.data()), 4 * values.size()}};
}

}  // namespace

TEST_CASE("every file of the reference collection gets the recommended verdict") {
  const auto folder = lathe::test::shared_file("data/interop/safetensors");
  if (folder.empty()) return;
  const auto verdicts = nlohmann::json::parse(read_file(folder / "verdicts.json"));
  int files = 0;
  for (const auto& item : verdicts.items()) {
    const std::string& name = item.key();
    CAPTURE(name);
    std::string message = "accept";
    try {
      SafetensorsFile::read(folder / (name + ".safetensors"));
    } catch (const InputError& error) {
      message = error.what();
    }
    CAPTURE(message);
    CHECK((message == "accept") == (item.value().at("recommend") == "accept"));
    CHECK(message.find('\n') == std::string::npos);
    ++files;
  }
  CHECK(files == 72);
}

TEST_CASE("what is written is read back, and writing is deterministic") {
  const std::vector<float> a{1, -2.5f, 0}, b{7};
  const std::vector<double> d{3.25};
  const std::vector<std::int32_t> ids{1, -100};
  const std::vector<StoredTensor> tensors{
      floats("b.weight", b),
      {.name = "ids", .type = StoredType::kI32, .shape = {2, 1}, .bytes = {reinterpret_cast<const char*>(ids.data()), 8}},
      floats("a \"quoted\" \n name", a),
      {.name = "none", .type = StoredType::kF32, .shape = {0, 5}, .bytes = {}},
      {.name = "scalar", .type = StoredType::kF64, .shape = {}, .bytes = {reinterpret_cast<const char*>(d.data()), 8}}};
  const Metadata metadata{{"zeta", "1"}, {"format", "pt"}};
  const std::string bytes = safetensors_bytes(tensors, metadata);
  CHECK(bytes == safetensors_bytes({tensors.rbegin(), tensors.rend()}, metadata));
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  CHECK(header % 8 == 0);
  CHECK(
      bytes.substr(8).rfind(
          "{\"__metadata__\":{\"format\":\"pt\",\"zeta\":\"1\"},\"scalar\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}",
          0) == 0);

  const SafetensorsFile file = SafetensorsFile::parse(bytes, "memory");
  CHECK(file.metadata() == metadata);
  REQUIRE(file.tensors().size() == 5);
  for (const StoredTensor& tensor : tensors) {
    const StoredTensor& read = file.at(tensor.name);
    CHECK(read.type == tensor.type);
    CHECK(read.shape == tensor.shape);
    CHECK(read.bytes == tensor.bytes);
  }
  CHECK(to_floats(file.at("a \"quoted\" \n name")) == a);
  CHECK(file.find("c") == nullptr);
  CHECK_THROWS_WITH_AS(file.at("b.weigth"), "memory: tensor `b.weigth` is missing; did you mean b.weight?", InputError);
  CHECK_THROWS_AS(to_floats(file.at("ids")), InputError);
  CHECK(SafetensorsFile::parse(safetensors_bytes({}), "empty").tensors().empty());
}

TEST_CASE("a file on disk, cut at every length, is refused") {
  const std::vector<float> values{1, 2, 3};
  const lathe::test::TemporaryFolder folder;
  const auto path = folder / "model.safetensors";
  write_safetensors(path, {floats("w", values)});
  CHECK(to_floats(SafetensorsFile::read(path).at("w")) == values);
  const std::string whole = read_file(path);
  std::filesystem::remove(path);
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(problem(whole.substr(0, size)) != "accepted");
  CHECK(problem(whole + "x") == "x: expected 12 bytes of data as the header says, got 13");
  CHECK(problem(whole.substr(0, whole.size() - 1)) == "x: expected 12 bytes of data as the header says, got 11 (file is cut)");
  CHECK_THROWS_AS(SafetensorsFile::read(path), InputError);
}

TEST_CASE("messages name the entry and the reason") {
  const std::string data(8, '\0');
  const auto entry = [](const std::string& body) { return "{\"w\":{" + body + "}}"; };
  CHECK(problem(file_of(entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), data)) == "accepted");
  CHECK(problem(file_of(entry(R"("dtype":"f32","shape":[2],"data_offsets":[0,8])"), data)) ==
        "x: header entry `w`: dtype `f32` is unknown");
  CHECK(problem(file_of(entry(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), data)) ==
        "x: tensor `w`: expected 12 bytes for F32 [3], got 8");
  CHECK(problem(file_of(entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,8],"shape":[2])"), data)) ==
        "x: header entry `w`: field `shape` stands there twice");
  CHECK(problem(file_of(entry(R"("dtype":"F32","data_offsets":[0,8])"), data)) == "x: header entry `w`: field `shape` is missing");
  CHECK(problem(file_of(entry(R"("dtype":"F32","shape":[-0],"data_offsets":[0,0])"))) ==
        "x: header entry `w`: a negative number is not what belongs there");
  CHECK(problem(file_of(entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,8],"x":{"shape":[[1]],"y":null})"), data)) ==
        "accepted");
  CHECK(problem(file_of(R"({"__metadata__":{"a":"1","a":"2"}})")) == "x: header entry `a`: metadata `a` stands there twice");
  CHECK(problem(file_of("{\"w\":1}")) == "x: header entry `w`: a number is not what belongs there");
  CHECK(problem(file_of("{\"w\":")) == "x: not valid JSON near byte 14");
}

TEST_CASE("half precision widens exactly") {
  const std::vector<std::pair<std::uint16_t, float>> f16{
      {0x3c00, 1.0f},     {0xc000, -2.0f}, {0x0001, 0x1p-24f}, {0x83ff, -0x1.ff8p-15f}, {0x0400, 0x1p-14f},
      {0x7bff, 65504.0f}, {0x8000, -0.0f}, {0x7c00, INFINITY}, {0xfc00, -INFINITY},     {0x3555, 0x1.554p-2f}};
  for (const auto& [half, value] : f16) {
    const StoredTensor tensor{
        .name = "h", .type = StoredType::kF16, .shape = {}, .bytes = {reinterpret_cast<const char*>(&half), 2}};
    const float widened = to_floats(tensor).at(0);
    CHECK(widened == value);
    CHECK(std::signbit(widened) == std::signbit(value));
  }
  const std::uint16_t nan = 0x7e01, bf = 0x3fc0;
  CHECK(std::isnan(
      to_floats({.name = "h", .type = StoredType::kF16, .shape = {}, .bytes = {reinterpret_cast<const char*>(&nan), 2}}).at(0)));
  CHECK(to_floats({.name = "b", .type = StoredType::kBF16, .shape = {}, .bytes = {reinterpret_cast<const char*>(&bf), 2}}).at(0) ==
        1.5f);
}

TEST_CASE("writing refuses what could not be read") {
  const std::vector<float> values{1};
  CHECK_THROWS_AS(safetensors_bytes({floats("w", values), floats("w", values)}), InputError);
  CHECK_THROWS_AS(safetensors_bytes({floats("__metadata__", values)}), InputError);
  CHECK_THROWS_AS(safetensors_bytes({floats("\xff", values)}), InputError);
  StoredTensor wrong = floats("w", values);
  wrong.shape = {2};
  CHECK_THROWS_WITH_AS(safetensors_bytes({wrong}), "tensor `w`: 4 bytes do not fit F32 [2]", InputError);
  CHECK_THROWS_AS(write_safetensors("/nonexistent/x.safetensors", {floats("w", values)}), InfrastructureError);
}

TEST_CASE("a damaged byte gives another file or one clear line, never worse") {
  const std::vector<float> values{1, 2, 3, 4};
  const std::string whole = safetensors_bytes({floats("a", values), floats("b", values)}, {{"k", "v"}});
  int refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (const char byte : {'\0', '"', '{', ']', ',', '0', '9', '-', '\\', '\n', 'e', '\x7f', '\x80', '\xff'}) {
      std::string damaged = whole;
      damaged[at] = byte;
      const std::string message = problem(damaged);  // anything but an InputError ends the test
      CHECK(message.find('\n') == std::string::npos);
      refused += message != "accepted";
    }
  CHECK(refused > 1000);
}
