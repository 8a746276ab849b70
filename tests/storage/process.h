// Processes of a test's own.
#pragma once
#include <cstdio>
#include <exception>

#include <sys/wait.h>
#include <unistd.h>

namespace lathe::test {

/// Runs `body` in a process of its own, which ends with what it returns, or 70 after an exception.
template <class F>
pid_t spawn(F body) {
  const pid_t child = fork();
  if (child != 0) return child;
  int code = 70;
  try {
    code = body();
  } catch (const std::exception& error) {
    fprintf(stderr, "child: %s\n", error.what());
  }
  _exit(code);
}

/// Its exit code, or 128 + the signal that ended it.
inline int wait_for(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace lathe::test
