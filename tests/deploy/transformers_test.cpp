// The tokenizer of a model folder in transformers: needs a Python with that library, named by LATHE_PYTHON or in build/python.
// Skipped, saying so, without.
#include <cstdlib>

#include "tests/deploy/support.h"

using namespace lathe;
using namespace lathe::deploy;
using namespace lathe::deploy::test;

namespace {

const char* const kScript = R"py(
import json, sys
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
texts = json.load(open(sys.argv[2]))
json.dump([tokenizer(t, truncation=True)["input_ids"] for t in texts], open(sys.argv[3], "w"), separators=(",", ":"))
)py";

std::string python() {
  if (const char* named = std::getenv("LATHE_PYTHON")) return named;
  return LATHE_BUILD_PYTHON;
}

}  // namespace

TEST_CASE("AutoTokenizer gives the ids that the model sees") {
  const std::string interpreter = python();
  if (std::system((interpreter + " -c 'import transformers' >/dev/null 2>&1").c_str()) != 0) {
    MESSAGE("SKIPPED: no Python with transformers (LATHE_PYTHON, or build/python)");
    return;
  }
  const std::vector<std::string> texts = {"A charming film.", "", "Naïve CAFÉ, [MASK] [SEP]", "日本 dull",
                                          "best best best best best best best best best"};
  for (const bool lowercase : {true, false}) {
    const Folder folder;
    const Parts parts(false, lowercase);
    parts.save(folder / "model");
    std::string list = "[", expected = "[";
    for (const std::string& text : texts) {
      list += (list.size() > 1 ? "," : "") + ("\"" + text + "\"");
      expected += expected.size() > 1 ? ",[" : "[";
      const std::vector<std::int32_t> ids = parts.tokenizer.encode(text, {.max_tokens = 12});
      for (std::size_t i = 0; i < ids.size(); ++i) expected += (i ? "," : "") + std::to_string(ids[i]);
      expected += "]";
    }
    write_file_atomic(folder / "check.py", kScript);
    write_file_atomic(folder / "texts.json", list + "]");
    const std::string command = interpreter + " '" + (folder / "check.py").string() + "' '" + (folder / "model").string() + "' '" +
                                (folder / "texts.json").string() + "' '" + (folder / "ids.json").string() + "' >/dev/null 2>&1";
    REQUIRE(std::system(command.c_str()) == 0);
    CHECK(read_file(folder / "ids.json") == expected + "]");
  }
}
