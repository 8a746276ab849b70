#include <lathe/cli/commands.h>

#include <lathe/base/text.h>
#include <lathe/cli/run.h>

namespace lathe::cli {
namespace {

int run_help(Invocation& invocation) {
  const std::vector<std::string>& words = invocation.arguments();
  invocation.console().result(words.empty() ? overview() : help_text(join(words, " ")));
  return kDone;
}

Command help_command() {
  Command c;
  c.name = "help";
  c.summary = "explain a command, a topic or a key of the configuration";
  c.arguments = "[TOPIC]";
  c.max_arguments = 2;
  c.examples = {"lathe help config", "lathe help train.lr"};
  c.run = run_help;
  return c;
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> all = [] {
    std::vector<Command> list = {init_command(),    check_command(),   search_command(), train_command(),    evaluate_command(),
                                 predict_command(), profile_command(), report_command(), tokenize_command(), generate_command()};
    list.push_back(worker_command());
    for (Command& command : study_commands()) list.push_back(std::move(command));
    for (Command& command : study_analysis_commands()) list.push_back(std::move(command));
    list.push_back(study_compare_command());
    for (Command& command : study_edit_commands()) list.push_back(std::move(command));
    list.push_back(help_command());
    return list;
  }();
  return all;
}

}  // namespace lathe::cli
