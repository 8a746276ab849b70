// The Python that has Optuna: LATHE_PYTHON, or build/python (test.sh makes it).
#pragma once
#include <lathe/base/file.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace lathe::test {

inline std::string python() {
  if (const char* named = std::getenv("LATHE_PYTHON")) return named;
  return LATHE_BUILD_PYTHON;
}

inline bool python_runs(const std::string& code) {
  return std::system(("'" + python() + "' -c '" + code + "' >/dev/null 2>&1").c_str()) == 0;
}

/// Exit status of a program of Python, kept as `folder`/check.py, with these arguments.
inline int run_python(const std::filesystem::path& folder, const std::string& program, const std::vector<std::string>& arguments) {
  write_file_atomic(folder / "check.py", program);
  std::string command = "'" + python() + "' '" + (folder / "check.py").string() + "'";
  for (const std::string& argument : arguments) command += " '" + argument + "'";
  return std::system(command.c_str());
}

}  // namespace lathe::test
