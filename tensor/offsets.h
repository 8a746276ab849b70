// Offsets: where the sequences of a packed batch begin. Rows offsets[s] … offsets[s + 1] − 1 belong to sequence s.
#pragma once
#include <lathe/tensor/kernels.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace lathe {

/// Immutable and shared: copying costs nothing. Known on every device, since shapes and FLOPs follow from it.
class Offsets {
 public:
  Offsets() : Offsets(std::vector<std::int32_t>{0}) {}
  /// InputError unless it begins with 0 and never descends. Empty sequences are allowed.
  explicit Offsets(std::vector<std::int32_t> offsets);
  static Offsets from_lengths(std::span<const std::int32_t> lengths);

  Index sequences() const { return static_cast<Index>(data_->offsets.size()) - 1; }
  Index tokens() const { return data_->offsets.back(); }
  Index max_length() const { return data_->max_length; }
  Index begin(Index sequence) const { return data_->offsets[static_cast<std::size_t>(sequence)]; }
  Index length(Index sequence) const { return begin(sequence + 1) - begin(sequence); }
  const std::int32_t* data() const { return data_->offsets.data(); }
  const std::vector<std::int32_t>& vector() const { return data_->offsets; }

  bool operator==(const Offsets& other) const { return data_ == other.data_ || data_->offsets == other.data_->offsets; }

 private:
  struct Data {
    std::vector<std::int32_t> offsets;
    Index max_length = 0;
  };
  std::shared_ptr<const Data> data_;
};

}  // namespace lathe
