#include <lathe/base/error.h>

namespace lathe::detail {

void check_failed(const char* condition, const char* file, int line, const std::string& message) {
  std::string place(file);
  if (const auto slash = place.rfind('/'); slash != std::string::npos) place.erase(0, slash + 1);
  std::string text = "internal error: " + std::string(condition) + " does not hold (" + place + ":" + std::to_string(line) + ")";
  if (!message.empty()) text += ": " + message;
  throw InternalError(text);
}

}  // namespace lathe::detail
