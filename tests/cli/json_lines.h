// What --json prints.
#pragma once
#include <nlohmann/json.hpp>

#include <sstream>
#include <string>
#include <vector>

namespace lathe::test {

inline std::vector<nlohmann::json> json_lines(const std::string& text) {
  std::vector<nlohmann::json> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(nlohmann::json::parse(line));
  return out;
}

}  // namespace lathe::test
