#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/data/batch.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace lathe::data {

std::int32_t EncodedDataset::longest() const {
  std::int32_t most = 0;
  for (std::size_t row = 0; row < rows(); ++row) most = std::max(most, length(row));
  return most;
}

void EncodedDataset::add(std::span<const std::int32_t> sequence, std::int32_t label) {
  if (sequence.empty()) throw InputError("[data] expected a sequence of at least one token");
  ids.insert(ids.end(), sequence.begin(), sequence.end());
  offsets.push_back(static_cast<std::int64_t>(ids.size()));
  labels.push_back(label);
}

BatchIterator::BatchIterator(const EncodedDataset& data, const BatchOptions& options, RandomKey key)
    : data_(&data), options_(options), key_(key) {
  if (data.rows() == 0) throw InputError("[batches] expected a data set with at least one row");
  if ((options.batch_rows > 0) == (options.batch_tokens > 0) || options.batch_rows < 0 || options.batch_tokens < 0)
    throw InputError(str("[batches] expected one of batch_rows and batch_tokens above 0, got ", options.batch_rows, " and ",
                         options.batch_tokens));
  const std::size_t rows = data.rows();
  order_.resize(rows);
  starts_.reserve(rows + 1);
  // The most that any batch can hold, whatever the order: nothing needs to grow later.
  std::vector<std::int32_t> lengths(rows);
  for (std::size_t row = 0; row < rows; ++row) lengths[row] = data.length(row);
  std::sort(lengths.begin(), lengths.end(), std::greater<>());
  if (options.batch_rows > 0) {
    most_rows_ = static_cast<std::size_t>(std::min<std::int64_t>(options.batch_rows, static_cast<std::int64_t>(rows)));
    for (std::size_t i = 0; i < most_rows_; ++i) most_tokens_ += static_cast<std::size_t>(lengths[i]);
  } else {
    most_tokens_ = std::min(data.tokens(), static_cast<std::size_t>(std::max<std::int64_t>(options.batch_tokens, lengths.front())));
    std::size_t tokens = 0;
    for (; most_rows_ < rows && tokens < most_tokens_; ++most_rows_)
      tokens += static_cast<std::size_t>(lengths[rows - 1 - most_rows_]);
  }
  if (most_tokens_ > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    throw InputError(
        str("[batches] expected at most 2^31 - 1 tokens a batch, got ", most_tokens_, "; lower batch_rows or batch_tokens"));
  seek(0);
}

void BatchIterator::plan(std::int64_t epoch) {
  if (epoch == epoch_) return;
  const bool first = epoch_ < 0;
  epoch_ = epoch;
  if (options_.order != Order::shuffled && !first) return;  // every epoch is the same
  for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<std::int64_t>(i);
  if (options_.order == Order::shuffled) Random(key_, static_cast<std::uint32_t>(epoch)).shuffle(order_);
  if (options_.order == Order::by_length)
    std::sort(order_.begin(), order_.end(), [&](std::int64_t a, std::int64_t b) {
      return std::pair(data_->length(static_cast<std::size_t>(a)), a) < std::pair(data_->length(static_cast<std::size_t>(b)), b);
    });
  starts_.clear();
  std::int64_t rows = 0, tokens = 0;
  for (std::size_t i = 0; i < order_.size(); ++i) {
    const std::int64_t length = data_->length(static_cast<std::size_t>(order_[i]));
    const bool full = options_.batch_rows > 0 ? rows == options_.batch_rows : tokens + length > options_.batch_tokens;
    if (i == 0 || full) {
      starts_.push_back(static_cast<std::int64_t>(i));
      rows = tokens = 0;
    }
    ++rows;
    tokens += length;
  }
  starts_.push_back(static_cast<std::int64_t>(order_.size()));
}

void BatchIterator::seek(std::int64_t epoch, std::int64_t step) {
  if (epoch < 0 || epoch > std::numeric_limits<std::uint32_t>::max())
    throw InputError(str("[batches] expected an epoch from 0 to 2^32 - 1, got ", epoch));
  plan(epoch);
  if (step < 0 || step > steps_in_epoch())
    throw InputError(str("[batches] expected a step from 0 to ", steps_in_epoch(), " in epoch ", epoch, ", got ", step));
  step_ = step;
}

bool BatchIterator::next(PackedBatch& batch) {
  if (step_ >= steps_in_epoch()) return false;
  const bool typed = !data_->types.empty();
  batch.ids.reserve(most_tokens_), batch.positions.reserve(most_tokens_);
  batch.offsets.reserve(most_rows_ + 1), batch.labels.reserve(most_rows_), batch.rows.reserve(most_rows_);
  if (typed) batch.types.reserve(most_tokens_);
  batch.ids.clear(), batch.types.clear(), batch.positions.clear();
  batch.offsets.clear(), batch.labels.clear(), batch.rows.clear();
  batch.offsets.push_back(0);
  for (std::int64_t i = starts_[step_]; i < starts_[step_ + 1]; ++i) {
    const std::int64_t row = order_[i];
    const auto begin = static_cast<std::ptrdiff_t>(data_->offsets[row]), end = static_cast<std::ptrdiff_t>(data_->offsets[row + 1]);
    batch.ids.insert(batch.ids.end(), data_->ids.begin() + begin, data_->ids.begin() + end);
    if (typed) batch.types.insert(batch.types.end(), data_->types.begin() + begin, data_->types.begin() + end);
    for (std::int32_t p = 0; p < static_cast<std::int32_t>(end - begin); ++p) batch.positions.push_back(p);
    batch.offsets.push_back(static_cast<std::int32_t>(batch.ids.size()));
    batch.labels.push_back(data_->labels[row]);
    batch.rows.push_back(row);
  }
  batch.epoch = epoch_;
  batch.step = step_++;
  return true;
}

std::int64_t total_steps(const EncodedDataset& data, const BatchOptions& options, RandomKey key, std::int64_t epochs) {
  BatchIterator batches(data, options, key);
  if (options.batch_rows > 0 || options.order != Order::shuffled) return epochs * batches.steps_in_epoch();
  std::int64_t steps = 0;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    batches.seek(epoch);
    steps += batches.steps_in_epoch();
  }
  return steps;
}

namespace {

/// Lengths go before contents, so that no two different data sets give the same bytes.
void add_text(Sha256& sha, std::string_view text) { sha.add_u64(text.size()).add(text); }

void add_numbers(Sha256& sha, std::span<const std::int32_t> values) {
  sha.add_u64(values.size());
  std::array<std::uint8_t, 4096> buffer;
  std::size_t used = 0;
  for (const std::int32_t value : values) {
    for (int shift = 0; shift < 32; shift += 8)
      buffer[used++] = static_cast<std::uint8_t>(static_cast<std::uint32_t>(value) >> shift);
    if (used == buffer.size()) sha.add(buffer.data(), std::exchange(used, 0));
  }
  sha.add(buffer.data(), used);
}

}  // namespace

Digest data_hash(const EncodedDataset& train, const EncodedDataset& valid, const EncodedDataset& test,
                 std::span<const std::string> label_names, std::string_view tokenizer_hash) {
  Sha256 sha;
  add_text(sha, "lathe data v1");
  add_text(sha, tokenizer_hash);
  sha.add_u64(label_names.size());
  for (const std::string& name : label_names) add_text(sha, name);
  for (const EncodedDataset* part : {&train, &valid, &test}) {
    add_numbers(sha, part->ids);
    add_numbers(sha, part->types);
    sha.add_u64(part->offsets.size());
    for (const std::int64_t offset : part->offsets) sha.add_u64(static_cast<std::uint64_t>(offset));
    add_numbers(sha, part->labels);
  }
  return sha.finish();
}

}  // namespace lathe::data
