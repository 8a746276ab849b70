// Searches with a program of moments as objective.
#pragma once
#include "call.h"

namespace lathe::test {

/// objective.sh of the current folder: -(x² + layers), a curve of three reports before it if $1 is `curve`. It appends its trial to
/// runs.txt, and first sleeps for $2 seconds.
inline void write_program() {
  write("objective.sh",
        "read -r line\n"
        "x=$(printf '%s' \"$line\" | sed 's/.*\"x\":\\([-0-9.e]*\\).*/\\1/')\n"
        "layers=$(printf '%s' \"$line\" | sed 's/.*\"layers\":\\([0-9]*\\).*/\\1/')\n"
        "echo \"$LATHE_TRIAL\" >> runs.txt\n"
        "echo \"x is $x\" >&2\n"
        "[ -z \"$2\" ] || sleep \"$2\"\n"
        "if [ \"$1\" = curve ]; then for s in 1 2 3; do\n"
        "  awk -v x=\"$x\" -v l=\"$layers\" -v s=$s 'BEGIN { printf \"{\\\"step\\\": %d, \\\"value\\\": %.6f}\\n\", s, "
        "-(x*x+l)*(1+1/s) }'\n"
        "done; fi\n"
        "awk -v x=\"$x\" -v l=\"$layers\" 'BEGIN { printf \"{\\\"value\\\": %.6f}\\n\", -(x*x+l) }'\n");
}

struct ProgramStudy {
  std::string command = "sh objective.sh";
  int trials = 20;
  std::string objective = "", search = "sampler = \"random\"\npruner = \"none\"";
};

/// `file` with that program's space.
inline void write_study(const std::string& file, const ProgramStudy& study = {}) {
  write(file, "[objective]\ncommand = '''" + study.command + "'''\n" + study.objective +
                  "\n[space]\nx = [-5.0, 5.0]\nlayers = [1, 6]\n" + "[search]\ntrials = " + std::to_string(study.trials) + "\n" +
                  study.search + "\n");
}

}  // namespace lathe::test
