// Checkpoints as files: tensors, an identity and a position, with a SHA-256 over all of them.
//
// The bytes are those of a safetensors file whose metadata holds `format`, `identity` (canonical JSON of everything that must be
// equal for the state to mean the same), `progress` (text of the owner's) and `sha256`. A file format notices a cut file, not a
// flipped bit, and a wrong weight would go on unseen.
#pragma once
#include <lathe/data/batch.h>
#include <lathe/nn/safetensors.h>

#include <string>
#include <string_view>
#include <vector>

namespace lathe::train {

struct CheckpointText {
  std::string format, identity, progress;
};

std::string checkpoint_bytes(std::vector<nn::StoredTensor> tensors, const CheckpointText& text);

/// A checkpoint whose digest, format and identity are right. InputError naming `where`: cut or damaged bytes, another version,
/// another training (naming the first member in which the identities differ, "lr is 0.01 there and 0.02 here").
struct CheckpointFile {
  nn::SafetensorsFile tensors;
  std::string progress;
};
CheckpointFile read_checkpoint(std::string bytes, const std::string& where, std::string_view format, std::string_view identity);

/// Reads the numbers behind the key of a line "key 1 0.5 …". InputError naming `where` where there is none.
class ProgressReader {
 public:
  ProgressReader(std::string_view line, std::string where);
  double number();
  std::int64_t integer();

 private:
  std::string_view next();
  std::vector<std::string_view> parts_;
  std::string where_;
  std::size_t at_ = 1;
};

/// What a checkpoint must agree on about the rows: SHA-256 over their number and contents, hexadecimal.
std::string rows_hash(const data::EncodedDataset& train, const data::EncodedDataset& valid);

}  // namespace lathe::train
