// result.json of one finalist's training. Private to nas/transformer.
#pragma once
#include <lathe/base/json_writer.h>
#include <lathe/nas/transformer/finalists.h>

#include <string>

namespace lathe::nas {

/// `identity` says which training this is: a file with another one is not its result.
std::string to_json(const FinalRun& run, const std::string& identity);
/// The run, or nothing if the text is of another identity. InputError "<where>: …" if it cannot be read.
std::optional<FinalRun> final_run(std::string_view json, const std::string& identity, const std::string& where);

/// The same members inside another document (results.json).
void write_run(JsonWriter& json, const FinalRun& run);

}  // namespace lathe::nas
