// AdamW on a table of rows of which a batch reaches few: the others wait, and go through the steps that passed them by when
// somebody looks at them. The bits are those of updating every row in every step: a waiting row's steps need nothing but the step's
// scalars.
#pragma once
#include <lathe/tensor/ops.h>

#include <cstdint>
#include <span>
#include <vector>

namespace lathe::optim {

class LazyTable : public DeferredRows {
 public:
  /// A parameter [rows, n] and its moments, all three contiguous and whole, up to date after `steps` steps. Reading any of them in
  /// the ordinary way settles every row, a look-up (ops::embedding) those that it reads.
  LazyTable(Tensor p, Tensor m, Tensor v, std::int64_t steps);
  ~LazyTable() override;
  LazyTable(const LazyTable&) = delete;
  LazyTable& operator=(const LazyTable&) = delete;

  /// One step; g is +0 but for `rows`, ascending and distinct. The other rows wait.
  void step(const Tensor& g, std::span<const std::int32_t> rows, const ops::AdamwScalars& scalars);
  /// Does it wait on this parameter's memory?
  bool is_of(const Tensor& p) const { return &p.storage() == &p_.storage(); }
  void settle() override;
  void settle(std::span<const std::int32_t> rows, std::int64_t width) override;

 private:
  void take_over();
  void replay(const std::vector<std::int32_t>& rows, const Tensor& g);
  Tensor p_, m_, v_;
  std::vector<ops::AdamwScalars> history_;  // of the steps that some row still waits for
  std::vector<std::int32_t> done_;          // how many of them a row went through
  std::vector<std::uint8_t> warm_;          // has a row ever had a gradient? Else its moments are +0
  bool waiting_ = false;                    // some row
  // Kept for their memory.
  std::vector<std::int32_t> list_, part_, from_;
};

}  // namespace lathe::optim
