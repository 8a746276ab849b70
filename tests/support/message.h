// What an expected error says.
#pragma once
#include <exception>
#include <string>

namespace lathe::test {

/// Message of the E that f throws, "(nothing thrown)" if it throws nothing; anything else passes through.
template <class E, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "(nothing thrown)";
}

}  // namespace lathe::test
