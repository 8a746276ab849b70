// What an expected error says.
#pragma once
#include <lathe/base/error.h>

#include <string>
#include <string_view>

namespace lathe::test {

/// Message of the E that f throws, "nothing was thrown" if so; anything else passes through.
template <class E = InputError, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

inline bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace lathe::test
