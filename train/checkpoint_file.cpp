#include <lathe/base/error.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/train/checkpoint_file.h>

#include <algorithm>
#include <span>

namespace lathe::train {
namespace {

/// SHA-256 over everything that is restored.
std::string digest_of(std::span<const nn::StoredTensor> sorted, const std::string& identity, const std::string& progress) {
  Sha256 hash;
  const auto add = [&](std::string_view text) { hash.add_u64(text.size()).add(text); };
  add(identity);
  add(progress);
  for (const nn::StoredTensor& tensor : sorted) {
    add(tensor.name);
    add(tensor.bytes);
  }
  return to_hex(hash.finish());
}

/// The first member in which two identities differ, "lr is 0.01 there and 0.02 here". Both are written in one order.
std::string difference_of(std::string_view there, std::string_view here) {
  const auto at =
      static_cast<std::size_t>(std::mismatch(there.begin(), there.end(), here.begin(), here.end()).first - there.begin());
  const std::size_t colon = there.rfind("\":", at);
  if (colon == std::string_view::npos || colon == 0) return str("it has ", there, ", this is ", here);
  const std::size_t name = there.rfind('"', colon - 1) + 1;
  const auto value = [&](std::string_view text) {
    const std::string_view rest = text.substr(colon + 2), whole = rest.substr(0, rest.find_first_of(",}]"));
    return whole.size() > 40 ? str(whole.substr(0, 13), "…") : std::string(whole);
  };
  return str(there.substr(name, colon - name), " is ", value(there), " there and ", value(here), " here");
}

const std::string& entry(const nn::SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) throw InputError(file.where() + ": is not a checkpoint (no `" + key + "` in its metadata)");
  return found->second;
}

}  // namespace

std::string checkpoint_bytes(std::vector<nn::StoredTensor> tensors, const CheckpointText& text) {
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  nn::Metadata metadata;
  metadata["format"] = text.format;
  metadata["identity"] = text.identity;
  metadata["progress"] = text.progress;
  metadata["sha256"] = digest_of(tensors, text.identity, text.progress);
  return nn::safetensors_bytes(std::move(tensors), metadata);
}

CheckpointFile read_checkpoint(std::string bytes, const std::string& where, std::string_view format, std::string_view identity) {
  nn::SafetensorsFile file = nn::SafetensorsFile::parse(std::move(bytes), where);
  if (entry(file, "format") != format) throw InputError(where + ": is not a checkpoint of this version");
  if (entry(file, "sha256") != digest_of(file.tensors(), entry(file, "identity"), entry(file, "progress")))
    throw InputError(where + ": is damaged (its contents do not have the SHA-256 that it names)");
  if (entry(file, "identity") != identity)
    throw InputError(where + ": the checkpoint is of another training: " + difference_of(entry(file, "identity"), identity));
  std::string progress = entry(file, "progress");
  return {std::move(file), std::move(progress)};
}

ProgressReader::ProgressReader(std::string_view line, std::string where) : parts_(split(line, ' ')), where_(std::move(where)) {}

std::string_view ProgressReader::next() { return at_ < parts_.size() ? parts_[at_++] : std::string_view(); }

double ProgressReader::number() {
  if (const auto value = parse_double(next())) return *value;
  throw InputError(where_ + ": the position of the training cannot be read");
}

std::int64_t ProgressReader::integer() {
  if (const auto value = parse_int(next())) return *value;
  throw InputError(where_ + ": the position of the training cannot be read");
}

std::string rows_hash(const data::EncodedDataset& train, const data::EncodedDataset& valid) {
  Sha256 hash;
  for (const data::EncodedDataset* rows : {&train, &valid}) {
    hash.add_u64(rows->rows()).add_u64(rows->tokens());
    for (const std::int32_t id : rows->ids) hash.add_u64(static_cast<std::uint64_t>(id));
    for (const std::int64_t offset : rows->offsets) hash.add_u64(static_cast<std::uint64_t>(offset));
    for (const std::int32_t label : rows->labels) hash.add_u64(static_cast<std::uint64_t>(label));
  }
  return to_hex(hash.finish());
}

}  // namespace lathe::train
