#include <lathe/base/sha256.h>
#include <lathe/data/batch.h>
#include <lathe/data/encode.h>
#include <lathe/tokenizer/wordpiece_trainer.h>

#include <algorithm>
#include <set>

#include "tests/data/support.h"

using namespace lathe::data;
using lathe::data::test::error_of;

namespace {

const lathe::RandomKey kKey = lathe::random_key(1, 0, "shuffle");

/// Rows of 1 to 9 tokens; token = 100 · row + place.
EncodedDataset sample(int rows) {
  EncodedDataset data;
  for (int row = 0; row < rows; ++row) {
    std::vector<std::int32_t> ids;
    for (int i = 0; i < 1 + row * 7 % 9; ++i) ids.push_back(100 * row + i);
    data.add(ids, row % 3);
  }
  return data;
}

void check_batch(const EncodedDataset& data, const PackedBatch& batch) {
  REQUIRE(batch.offsets.size() == batch.size() + 1);
  REQUIRE(batch.rows.size() == batch.size());
  REQUIRE(batch.offsets.front() == 0);
  REQUIRE(batch.offsets.back() == static_cast<std::int32_t>(batch.tokens()));
  REQUIRE(batch.positions.size() == batch.tokens());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto row = static_cast<std::size_t>(batch.rows[i]);
    const auto sequence = data.sequence(row);
    REQUIRE(batch.labels[i] == data.labels[row]);
    REQUIRE(batch.offsets[i + 1] - batch.offsets[i] == static_cast<std::int32_t>(sequence.size()));
    for (std::size_t p = 0; p < sequence.size(); ++p) {
      REQUIRE(batch.ids[static_cast<std::size_t>(batch.offsets[i]) + p] == sequence[p]);
      REQUIRE(batch.positions[static_cast<std::size_t>(batch.offsets[i]) + p] == static_cast<std::int32_t>(p));
    }
  }
}

std::vector<std::int64_t> epoch_rows(BatchIterator& batches, std::int64_t epoch) {
  batches.seek(epoch);
  PackedBatch batch;
  std::vector<std::int64_t> rows;
  while (batches.next(batch)) rows.insert(rows.end(), batch.rows.begin(), batch.rows.end());
  return rows;
}

}  // namespace

TEST_CASE("batches hold every row once, whatever the limit") {
  const EncodedDataset data = sample(53);
  for (const BatchOptions& options :
       {BatchOptions{1, 0, Order::shuffled}, BatchOptions{7, 0, Order::shuffled}, BatchOptions{53, 0, Order::file},
        BatchOptions{1000, 0, Order::by_length}, BatchOptions{0, 1, Order::shuffled}, BatchOptions{0, 9, Order::shuffled},
        BatchOptions{0, 40, Order::by_length}, BatchOptions{0, 100000, Order::file}}) {
    BatchIterator batches(data, options, kKey);
    PackedBatch batch;
    std::multiset<std::int64_t> rows;
    std::int64_t steps = 0;
    while (batches.next(batch)) {
      check_batch(data, batch);
      CHECK(batch.step == steps++);
      CHECK(batch.epoch == 0);
      CHECK(batch.size() >= 1);
      if (options.batch_rows > 0) CHECK(batch.size() <= static_cast<std::size_t>(options.batch_rows));
      if (options.batch_tokens > 0) CHECK((batch.tokens() <= static_cast<std::size_t>(options.batch_tokens) || batch.size() == 1));
      rows.insert(batch.rows.begin(), batch.rows.end());
    }
    CHECK(steps == batches.steps_in_epoch());
    CHECK(rows.size() == 53);
    CHECK(std::set<std::int64_t>(rows.begin(), rows.end()).size() == 53);
    CHECK(!batches.next(batch));
  }
}

TEST_CASE("a token budget takes as many rows as fit") {
  EncodedDataset data;
  for (const int length : {3, 3, 4, 10, 11, 1, 9, 2}) data.add(std::vector<std::int32_t>(static_cast<std::size_t>(length), 1), 0);
  BatchIterator batches(data, {0, 10, Order::file});
  PackedBatch batch;
  std::vector<std::size_t> tokens;
  while (batches.next(batch)) tokens.push_back(batch.tokens());
  CHECK(tokens == std::vector<std::size_t>{10, 10, 11, 10, 2});
}

TEST_CASE("the shuffle is Fisher-Yates of the stream, with the epoch as step") {
  const EncodedDataset data = sample(53);
  BatchIterator batches(data, {8, 0, Order::shuffled}, kKey);
  for (const std::int64_t epoch : {0, 1, 5}) {
    std::vector<std::int64_t> expected(53);
    for (std::size_t i = 0; i < 53; ++i) expected[i] = static_cast<std::int64_t>(i);
    lathe::Random random(kKey, static_cast<std::uint32_t>(epoch));
    for (std::size_t i = 52; i >= 1; --i) std::swap(expected[i], expected[random.below(static_cast<std::uint32_t>(i + 1))]);
    CHECK(epoch_rows(batches, epoch) == expected);
  }
  CHECK(epoch_rows(batches, 0) != epoch_rows(batches, 1));
  BatchIterator other(data, {8, 0, Order::shuffled}, lathe::random_key(2, 0, "shuffle"));
  CHECK(epoch_rows(other, 0) != epoch_rows(batches, 0));
}

TEST_CASE("iteration goes on from any epoch and step") {
  const EncodedDataset data = sample(101);
  for (const BatchOptions& options :
       {BatchOptions{8, 0, Order::shuffled}, BatchOptions{0, 30, Order::shuffled}, BatchOptions{0, 30, Order::by_length}}) {
    BatchIterator straight(data, options, kKey);
    std::int64_t all = 0;
    for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
      straight.seek(epoch);
      PackedBatch a, b;
      while (straight.next(a)) {
        BatchIterator resumed(data, options, kKey);
        resumed.seek(a.epoch, a.step);
        REQUIRE(resumed.next(b));
        REQUIRE(a.ids == b.ids);
        REQUIRE(a.rows == b.rows);
        REQUIRE(a.offsets == b.offsets);
        REQUIRE(b.epoch == epoch);
        ++all;
      }
      CHECK(straight.step() == straight.steps_in_epoch());
    }
    CHECK(total_steps(data, options, kKey, 3) == all);
  }
  BatchIterator batches(data, {8, 0, Order::shuffled}, kKey);
  PackedBatch batch;
  batches.seek(4, 13);
  CHECK(!batches.next(batch));
  CHECK(error_of([&] { batches.seek(0, 14); }) == "[batches] expected a step from 0 to 13 in epoch 0, got 14");
  CHECK(error_of([&] { batches.seek(-1); }) != "");
  CHECK(total_steps(data, {8, 0, Order::shuffled}, kKey, 0) == 0);
}

TEST_CASE("nothing is allocated after the first batch") {
  const EncodedDataset data = sample(500);
  for (const BatchOptions& options :
       {BatchOptions{16, 0, Order::shuffled}, BatchOptions{0, 64, Order::shuffled}, BatchOptions{0, 3, Order::shuffled}}) {
    BatchIterator batches(data, options, kKey);
    PackedBatch batch;
    REQUIRE(batches.next(batch));
    const long before = test::allocations();
    for (std::int64_t epoch = 0; epoch < 20; ++epoch) {
      batches.seek(epoch);
      while (batches.next(batch)) {
      }
    }
    CHECK(test::allocations() == before);
  }
}

TEST_CASE("length-sorted evaluation is mapped back") {
  const EncodedDataset data = sample(53);
  BatchIterator batches(data, {0, 25, Order::by_length});
  PackedBatch batch;
  std::vector<std::int32_t> first_ids(53, -1);
  std::int32_t last = 0;
  while (batches.next(batch)) {
    std::vector<std::int32_t> values;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      CHECK(batch.offsets[i + 1] - batch.offsets[i] >= last);
      last = batch.offsets[i + 1] - batch.offsets[i];
      values.push_back(batch.ids[static_cast<std::size_t>(batch.offsets[i])]);
    }
    scatter<std::int32_t>(batch, values, first_ids);
  }
  for (int row = 0; row < 53; ++row) CHECK(first_ids[static_cast<std::size_t>(row)] == 100 * row);
}

TEST_CASE("batches: errors") {
  const EncodedDataset none, some = sample(3);
  CHECK(error_of([&] { BatchIterator(none, {8, 0, Order::file}); }) == "[batches] expected a data set with at least one row");
  CHECK(error_of([&] {
          BatchIterator(some, {0, 0, Order::file});
        }) == "[batches] expected one of batch_rows and batch_tokens above 0, got 0 and 0");
  CHECK(error_of([&] { BatchIterator(some, {1, 1, Order::file}); }) != "");
  CHECK(error_of([&] { BatchIterator(some, {-1, 1, Order::file}); }) != "");
  EncodedDataset data;
  CHECK(error_of([&] { data.add({}, 0); }) != "");
  CHECK(data.longest() == 0);
  CHECK(some.longest() == 8);
}

// Expected value: SHA-256 by Python's hashlib over the bytes that batch.h names.
TEST_CASE("the data hash is what the header says, and everything counts") {
  EncodedDataset train, valid, test;
  train.add(std::vector<std::int32_t>{5, 6}, 0);
  train.add(std::vector<std::int32_t>{7}, 1);
  test.add(std::vector<std::int32_t>{9, -1}, 1);
  test.types = {0, 1};
  const std::vector<std::string> names = {"neg", "pos"};
  const auto hash = [&] { return lathe::to_hex(data_hash(train, valid, test, names, "tok")); };
  const std::string first = hash();
  CHECK(first == "9ed269c961ce7a664ad1d317e276ed5b68e1a6abc7927616c4f2a60b59776654");
  std::set<std::string> hashes = {first};
  hashes.insert(lathe::to_hex(data_hash(train, valid, test, names, "other")));
  hashes.insert(lathe::to_hex(data_hash(train, valid, test, std::vector<std::string>{"negpos", ""}, "tok")));
  hashes.insert(lathe::to_hex(data_hash(test, valid, train, names, "tok")));
  hashes.insert(lathe::to_hex(data_hash(train, test, valid, names, "tok")));
  train.labels[1] = 0;
  hashes.insert(hash());
  train.labels[1] = 1, train.offsets[1] = 1;  // the same tokens cut elsewhere
  hashes.insert(hash());
  train.offsets[1] = 2, train.ids[2] = 8;
  hashes.insert(hash());
  train.ids[2] = 7, test.types[1] = 0;
  hashes.insert(hash());
  CHECK(hashes.size() == 9);
}

TEST_CASE("encoding: special tokens, cutting, pairs, unknown tokens") {
  const std::vector<std::string_view> texts = {"good film", "bad film", "good", "bad"};
  const auto tokenizer = lathe::tokenizer::train_wordpiece(texts, {100, true, 1, 1000});
  const auto& special = tokenizer.special();
  const Examples single = test::examples_of("label\ttext\n1\tgood film\n0\tbad\n1\tgood good good good\n0\t\xC3\xA9\xE2\x82\xAC\n");
  const EncodedDataset data = encode(single, tokenizer, 5);
  CHECK(data.rows() == 4);
  CHECK(data.types.empty());
  const auto first = data.sequence(0);
  CHECK(std::vector<std::int32_t>(first.begin(), first.end()) == tokenizer.encode("good film"));
  CHECK(first.front() == special.cls);
  CHECK(first.back() == special.sep);
  CHECK(data.length(2) == 5);
  CHECK(data.sequence(2).back() == special.sep);
  CHECK(data.cut_rows == 1);
  CHECK(data.unknown_tokens >= 1);
  CHECK(data.labels == std::vector<std::int32_t>{1, 0, 1, 0});
  CHECK(encode(single, tokenizer, 0).cut_rows == 0);
  CHECK(error_of([&] { encode(single, tokenizer, -1); }) != "");
  CHECK(error_of([&] { encode(single, tokenizer, 1); }).rfind("t.tsv:2: ", 0) == 0);

  const EncodedDataset pairs = encode(test::examples_of("text1\ttext2\tlabel\ngood\tbad film\t1\nbad\tgood\t0\n"), tokenizer, 0);
  REQUIRE(pairs.types.size() == pairs.ids.size());
  CHECK(pairs.types[0] == 0);
  CHECK(pairs.types[static_cast<std::size_t>(pairs.offsets[1]) - 1] == 1);
  BatchIterator batches(pairs, {2, 0, Order::file});
  PackedBatch batch;
  REQUIRE(batches.next(batch));
  CHECK(batch.types == pairs.types);

  ClassificationData all;
  all.train = single, all.label_names = single.label_names;
  const EncodedSplits splits = encode(all, tokenizer, 5);
  CHECK(splits.valid.rows() == 0);
  CHECK(splits.hash == data_hash(splits.train, splits.valid, splits.test, all.label_names, lathe::to_hex(tokenizer.hash())));
}
