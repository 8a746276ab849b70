// Each command stands in a file of its own, with its options and texts next to what it does.
#pragma once
#include <lathe/cli/options.h>

#include <vector>

namespace lathe::cli {

Command init_command();
Command check_command();
Command tokenize_command();
Command generate_command();
Command search_command();
Command train_command();
Command evaluate_command();
Command predict_command();
Command profile_command();
Command report_command();
Command worker_command();
std::vector<Command> study_commands();           ///< that look at a study
std::vector<Command> study_analysis_commands();  ///< that compute from one
std::vector<Command> study_edit_commands();      ///< that make or change one
Command study_compare_command();
/// A command on one study: RUN|DATABASE, --storage, --name.
Command study_command(std::string_view name, std::string_view summary, int (*run)(Invocation&));

}  // namespace lathe::cli
