// Data that tests may read but must do without: the folder named by LATHE_SHARED.
#pragma once
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace lathe::test {

/// Path of a file of the shared data, or an empty path after saying that the test is skipped.
inline std::filesystem::path shared_file(const char* name) {
  const char* root = std::getenv("LATHE_SHARED");
  const std::filesystem::path path = std::filesystem::path(root ? root : "../shared") / name;
  if (std::filesystem::exists(path)) return path;
  MESSAGE("SKIPPED: shared data " << std::string(name) << " is absent");
  return {};
}

}  // namespace lathe::test
