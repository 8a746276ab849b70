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

/// A program that starts optuna-dashboard on the storage which the Python expression `url` names, runs `checks` (indented by four),
/// where get(path) asks the server for JSON, and stops it.
inline std::string with_dashboard(const std::string& url, const std::string& checks) {
  return R"py(
import json, os, socket, subprocess, sys, tempfile, time, urllib.request
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
log = tempfile.TemporaryFile("w+")
program = os.path.join(os.path.dirname(sys.executable), "optuna-dashboard")
server = subprocess.Popen([program, )py" +
         url + R"py(, "--host", "127.0.0.1", "--port", str(port)], stdout=log, stderr=log)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
def get(path):
    return json.load(opener.open(f"http://127.0.0.1:{port}{path}", timeout=60))
try:
    for attempt in range(1200):
        try:
            get("/api/studies")
            break
        except OSError:
            if server.poll() is not None or attempt == 1199:
                log.seek(0)
                sys.exit("optuna-dashboard does not answer: " + log.read())
            time.sleep(0.1)
)py" + checks +
         R"py(
finally:
    server.terminate()
    server.wait(30)
)py";
}

}  // namespace lathe::test
