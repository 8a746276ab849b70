// Calls the command in this process, with streams and environment of the test's own.
#pragma once
#include <lathe/cli/run.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <unistd.h>

namespace lathe::test {

struct Answer {
  int code = 0;
  std::string out, err;
};

struct Surroundings {
  std::string in;
  std::map<std::string, std::string> environment;
  bool terminal = false;  ///< standard output and error
  int width = 80;
};

inline Answer call(const std::vector<std::string>& arguments, const Surroundings& around = {}) {
  std::vector<const char*> argv = {"lathe"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  std::istringstream in(around.in);
  std::ostringstream out, err;
  cli::Streams streams{in, out, err, false, around.terminal, around.terminal, around.width, [&](const char* name) -> const char* {
                         const auto found = around.environment.find(name);
                         return found == around.environment.end() ? nullptr : found->second.c_str();
                       }};
  Answer answer;
  answer.code = cli::run(static_cast<int>(argv.size()), argv.data(), streams);
  answer.out = out.str();
  answer.err = err.str();
  return answer;
}

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// The error line without "lathe: ", or a note that there is none.
inline std::string error_of(const std::vector<std::string>& arguments, int code = 2) {
  const Answer answer = call(arguments);
  if (answer.code != code) return "exit code " + std::to_string(answer.code) + ": " + answer.err;
  const std::size_t at = answer.err.rfind("lathe: ");
  return at == std::string::npos ? "no error: " + answer.err : answer.err.substr(at + 7, answer.err.size() - at - 8);
}

/// An empty folder that is the current one while the object lives.
class Workplace {
 public:
  Workplace() : before_(std::filesystem::current_path()) {
    static int count = 0;
    folder_ = std::filesystem::temp_directory_path() / ("lathe-cli-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    std::filesystem::create_directories(folder_);
    std::filesystem::current_path(folder_);
  }
  ~Workplace() {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(folder_);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path before_, folder_;
};

inline void write(const std::string& file, const std::string& text) { std::ofstream(file, std::ios::binary) << text; }

inline std::string read(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// A TSV of `rows` reviews with two labels that words tell apart.
inline std::string reviews(int rows, const std::string& header = "sentence\tlabel") {
  static const char* const kGood[] = {"charming", "moving", "brilliant", "warm", "clever"};
  static const char* const kBad[] = {"dull", "stale", "awful", "weak", "tedious"};
  std::string text = header + "\n";
  for (int i = 0; i < rows; ++i) {
    const bool good = i % 2 == 0;
    text += std::string(good ? kGood[i / 2 % 5] : kBad[i / 2 % 5]) + " film number " + std::to_string(i) + " of the " +
            (good ? kGood[i / 10 % 5] : kBad[i / 10 % 5]) + " kind\t" + (good ? "pos" : "neg") + "\n";
  }
  return text;
}

}  // namespace lathe::test
