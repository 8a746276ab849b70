// lathe generate: data sets that can be made anywhere.
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/run.h>
#include <lathe/data/listops.h>
#include <lathe/data/table.h>

#include <filesystem>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

int run_listops(Invocation& invocation) {
  Console& console = invocation.console();
  data::ListOpsOptions options;
  options.rows = invocation.integer("--rows", options.rows, 1);
  options.max_depth = static_cast<int>(invocation.integer("--max-depth", options.max_depth, 1));
  options.max_args = static_cast<int>(invocation.integer("--max-args", options.max_args, 2));
  options.min_tokens = static_cast<int>(invocation.integer("--min-tokens", options.min_tokens, 1));
  options.max_tokens = static_cast<int>(invocation.integer("--max-tokens", options.max_tokens, 1));
  options.seed = static_cast<std::uint64_t>(invocation.integer("--seed", 1, 0));
  const std::string target = invocation.value("--out", "listops.tsv");
  if (target == "-") {
    std::string text = "label\ttext\n";
    for (const data::ListOpsRow& row : data::generate_listops(options)) text += str(row.label, "\t", row.text, "\n");
    return console.result(text), kDone;
  }
  if (fs::exists(target) && !invocation.has("--force"))
    throw InputError(str(target, " exists; use --out NEW, or --force to replace it"));
  data::write_listops(target, options);
  if (console.json())
    console.json_line("result", [&](JsonWriter& json) { json.member("file", target).member("rows", options.rows); });
  else
    console.note(str("wrote ", target, ": ", with_commas(options.rows), " expressions, label = value; next: lathe check ", target));
  return kDone;
}

}  // namespace

Command generate_command() {
  const data::ListOpsOptions defaults;
  Command c;
  c.name = "generate listops";
  c.summary = "make the ListOps data set: nested operations on lists of digits";
  c.max_arguments = 0;
  c.examples = {"lathe generate listops", "lathe generate listops --rows 50k --max-depth 6 --out deep.tsv"};
  c.about =
      "[MAX 2 9 [MIN 4 7 ] 0 ] has the value 9, which is the label (Nangia and Bowman, 2018). No download is needed, the same seed "
      "gives "
      "the same file everywhere, and a larger file begins with the smaller one.";
  c.options = {
      {"--rows", "N", str("rows (", with_commas(defaults.rows), ")"), ""},
      {"--out", "FILE", "where to write (listops.tsv); - is standard output", ""},
      {"--seed", "N", "of the random choices (1)", ""},
      {"--max-depth", "N", str("of nested operations (", defaults.max_depth, ")"), ""},
      {"--max-args", "N", str("arguments of an operation (", defaults.max_args, ")"), ""},
      {"--min-tokens", "N", str("shortest expression (", defaults.min_tokens, ")"), ""},
      {"--max-tokens", "N", str("longest expression (", defaults.max_tokens, ")"), ""},
  };
  c.groups = kForceGroup;
  c.run = run_listops;
  return c;
}

}  // namespace lathe::cli
