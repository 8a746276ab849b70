// Counting floating-point operations. A count depends on shapes alone, so the meta device counts what the CPU computes.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace lathe {

/// What a count is filed under.
enum class OpClass : std::uint8_t {
  kLinear,       ///< forward, input gradient and weight gradient: 2mnk each; plus the epilogue under kElementwise
  kMatmul,       ///< 2 · batch · m · n · k
  kAttention,    ///< forward 4·H·d·P + 6·H·P, gradient 10·H·d·P + 10·H·P; P = visible (query, key) pairs
  kNorm,         ///< forward 7, gradient 13 an element
  kSoftmax,      ///< softmax and cross entropy: forward 12, gradient 4 (softmax) or 12 (cross entropy) an element
  kElementwise,  ///< unary.def's figure an element (+1 with the derivative), binary 1, scale 1, dropout 1
  kReduce,       ///< sums and pooling: 1 an element
  kEmbedding,    ///< gradient and accumulating lookup: 1 an element; a plain lookup 0
  kRope,         ///< 6 a pair
  kOptimizer,    ///< AdamW 14, SGD 6, sum of squares 2 an element
  kCount
};
const char* name_of(OpClass op_class);

class FlopCounter {
 public:
  void add(OpClass op_class, std::int64_t flops) { counts_[static_cast<std::size_t>(op_class)] += flops; }
  std::int64_t of(OpClass op_class) const { return counts_[static_cast<std::size_t>(op_class)]; }
  std::int64_t total() const;
  void add(const FlopCounter& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  }
  void reset() { counts_ = {}; }

 private:
  std::array<std::int64_t, static_cast<std::size_t>(OpClass::kCount)> counts_{};
};

}  // namespace lathe
