// Files: whole reads, and writes that are either complete or did not happen.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace lathe {

/// Whole file. InputError "<path>: no such file; did you mean <neighbour>?", "… is a directory" or the system's message.
std::string read_file(const std::filesystem::path& path);

/// Writes a temporary file beside `path`, syncs it, renames it. On failure (disk full, no permission) the old file is
/// untouched, the temporary one is removed, and InfrastructureError names the path and the system's reason.
void write_file_atomic(const std::filesystem::path& path, std::string_view bytes);

/// Appends one line and flushes it. InfrastructureError as above.
void append_line(const std::filesystem::path& path, std::string_view line);

/// Creates the folder with its parents; InputError if something else is in the way.
void make_folder(const std::filesystem::path& path);

}  // namespace lathe
