// Small things that the data tests share.
#pragma once
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/data/classification.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace lathe::data::test {

/// The message of the InputError that `act` throws, or "" if it throws none.
template <class F>
std::string error_of(F&& act) {
  try {
    act();
  } catch (const InputError& e) {
    return e.what();
  }
  return {};
}

/// How often the program has called operator new (allocations.cpp replaces it).
long allocations();

/// A folder of its own, removed at the end.
class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("lathe-data-" + std::to_string(getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    write_file_atomic(path_ / name, text);
    return path_ / name;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline Examples examples_of(const std::string& text, const std::string& name = "t.tsv") {
  const Table table = parse_table(text, name);
  return make_examples(table, find_columns(table));
}

}  // namespace lathe::data::test
