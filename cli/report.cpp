// lathe report: the report of a finished run, made again from its record.
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/run.h>
#include <lathe/nas/transformer/results.h>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

int run_report(Invocation& invocation) {
  Console& console = invocation.console();
  const fs::path folder = invocation.arguments()[0];
  const fs::path record = folder / "results.json";
  if (!fs::exists(record))
    throw InputError(folder.string() + (fs::exists(folder / "config.toml")
                                            ? ": no results.json yet; lathe search --resume " + folder.string() +
                                                  " goes on, and of a study without finalists lathe study best tells what was found"
                                            : ": is not a run folder (no results.json in it)"));
  const std::string text = read_file(record);
  if (text.starts_with("{\"lathe_program_results\":"))
    throw InputError(str(folder.string(), ": is the run of a program, which has no report; lathe study show ", folder.string(),
                         " and results.json tell what was found"));
  const nas::RunResults results = nas::run_results(text, record.string());
  if (invocation.has("--markdown")) {
    console.result(nas::report_markdown(results));
    return kDone;
  }
  const std::string target = invocation.value("--out", (folder / "report.html").string());
  if (invocation.has("--out") && fs::exists(target) && !invocation.has("--force"))
    throw InputError(target + " exists; use another name, or --force to replace it");
  write_file_atomic(target, nas::report_html(results));
  if (!invocation.has("--out")) write_file_atomic(folder / "report.md", nas::report_markdown(results));
  if (console.json())
    console.json_line("result", [&](JsonWriter& json) { json.member("file", target).key("results").raw(nas::to_json(results)); });
  else
    console.note("wrote " + target);
  return kDone;
}

}  // namespace

Command report_command() {
  Command c;
  c.name = "report";
  c.summary = "make the report of a finished run again";
  c.arguments = "RUN";
  c.min_arguments = c.max_arguments = 1;
  c.examples = {"lathe report runs/reviews-1", "lathe report runs/reviews-1 --markdown"};
  c.about =
      "The report is a function of the run's results.json: the same run gives the same bytes. With --json the record itself is "
      "printed too.";
  c.options = {{"--out", "FILE", "where to write (report.html in the run folder)", ""},
               {"--markdown", "", "print it as Markdown instead", ""}};
  c.groups = kForceGroup;
  c.run = run_report;
  return c;
}

}  // namespace lathe::cli
