// Encoded text and the packed batches cut from it: one run of token ids, no padding (design: sequences are packed).
//
// The order of an epoch is a function of (key, epoch) alone, and a batch of (key, epoch, step): training resumes at any step
// without replaying the ones before it. After the first call of an iterator's `next` nothing is allocated.
#pragma once
#include <lathe/base/random.h>
#include <lathe/base/sha256.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lathe::data {

/// Sequences end to end; sequence i = ids[offsets[i] … offsets[i+1]).
struct EncodedDataset {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> types;       ///< segment of each token (0, 1); empty where every token is of segment 0
  std::vector<std::int64_t> offsets{0};  ///< rows + 1, from 0, strictly ascending
  std::vector<std::int32_t> labels;      ///< rows
  std::int64_t cut_rows = 0;             ///< rows that were longer than max_tokens
  std::int64_t unknown_tokens = 0;       ///< tokens that the vocabulary lacks

  std::size_t rows() const { return labels.size(); }
  std::size_t tokens() const { return ids.size(); }
  std::int32_t length(std::size_t row) const { return static_cast<std::int32_t>(offsets[row + 1] - offsets[row]); }
  std::span<const std::int32_t> sequence(std::size_t row) const {
    return std::span<const std::int32_t>(ids).subspan(offsets[row], offsets[row + 1] - offsets[row]);
  }
  /// Longest sequence, 0 without rows.
  std::int32_t longest() const;
  /// Appends a sequence, at least one token long.
  void add(std::span<const std::int32_t> sequence, std::int32_t label);
};

/// One batch. The vectors keep their memory from batch to batch; hand them to the tensors as they are.
struct PackedBatch {
  std::vector<std::int32_t> ids;        ///< [tokens]
  std::vector<std::int32_t> types;      ///< [tokens], or empty as in the data set
  std::vector<std::int32_t> positions;  ///< [tokens]: 0, 1, 2 … within each sequence
  std::vector<std::int32_t> offsets;    ///< [rows + 1], from 0
  std::vector<std::int32_t> labels;     ///< [rows]
  std::vector<std::int64_t> rows;       ///< [rows]: row of the data set
  std::int64_t epoch = 0, step = 0;     ///< where it belongs; step counts from 0 in each epoch
  std::size_t size() const { return labels.size(); }
  std::size_t tokens() const { return ids.size(); }
};

enum class Order {
  shuffled,   ///< Fisher–Yates from the stream, step = epoch: for training
  file,       ///< 0, 1, 2 …
  by_length,  ///< ascending length, ties by row: for evaluation, where rows of one batch should be alike; see scatter()
};

/// Exactly one of the two limits is > 0. A batch takes rows in order while it stays within the limit; a row longer than
/// batch_tokens makes a batch of its own. No row is dropped: the last batch of an epoch may be smaller.
struct BatchOptions {
  std::int64_t batch_rows = 0;
  std::int64_t batch_tokens = 0;  ///< real tokens, special ones included
  Order order = Order::shuffled;
};

class BatchIterator {
 public:
  /// `key` = random_key(seed, trial, "shuffle"); unused for the other orders. The data set must outlive the iterator.
  /// InputError for no rows or for limits that are not as above.
  BatchIterator(const EncodedDataset& data, const BatchOptions& options, RandomKey key = {});

  /// The next batch of the epoch; false (and `batch` untouched) at its end, from where seek(epoch + 1) goes on.
  bool next(PackedBatch& batch);
  /// Continues at a step of an epoch; step = steps_in_epoch() is its end. InputError beyond.
  void seek(std::int64_t epoch, std::int64_t step = 0);

  std::int64_t epoch() const { return epoch_; }
  std::int64_t step() const { return step_; }  ///< of the batch that comes next
  std::int64_t steps_in_epoch() const { return static_cast<std::int64_t>(starts_.size()) - 1; }

 private:
  void plan(std::int64_t epoch);
  const EncodedDataset* data_;
  BatchOptions options_;
  RandomKey key_;
  std::vector<std::int64_t> order_;   ///< rows in the order of this epoch
  std::vector<std::int64_t> starts_;  ///< where each batch begins in order_, and the end
  std::size_t most_rows_ = 0, most_tokens_ = 0;
  std::int64_t epoch_ = -1, step_ = 0;
};

/// Steps of epochs 0 … epochs − 1 together: what a learning-rate schedule must know. Under batch_tokens an epoch's number of
/// steps depends on its order.
std::int64_t total_steps(const EncodedDataset& data, const BatchOptions& options, RandomKey key, std::int64_t epochs);

/// Puts one value per sequence of a batch where the data set has the row: out[batch.rows[i]] = values[i].
template <class T>
void scatter(const PackedBatch& batch, std::span<const T> values, std::span<T> out) {
  for (std::size_t i = 0; i < batch.rows.size(); ++i) out[batch.rows[i]] = values[i];
}

/// "Data hash after tokenizing": SHA-256 over a version tag, the tokenizer's hash, the label names, and for training,
/// validation and test in turn (the membership of the split) ids, types, offsets and labels. Two runs with one data hash
/// trained and tested on the same numbers.
Digest data_hash(const EncodedDataset& train, const EncodedDataset& valid, const EncodedDataset& test,
                 std::span<const std::string> label_names, std::string_view tokenizer_hash);

}  // namespace lathe::data
