#include <lathe/optim/lazy_table.h>

#include <algorithm>
#include <utility>

namespace lathe::optim {

LazyTable::LazyTable(Tensor p, Tensor m, Tensor v, std::int64_t steps) : p_(std::move(p)), m_(std::move(m)), v_(std::move(v)) {
  const auto rows = static_cast<std::size_t>(p_.shape()[0]);
  done_.assign(rows, 0);
  warm_.assign(rows, steps > 0);  // of moments that come from elsewhere nothing is known
  take_over();
}

LazyTable::~LazyTable() {
  settle();
  for (const Tensor* tensor : {&p_, &m_, &v_})
    if (tensor->storage().deferred() == this) tensor->storage().set_deferred(nullptr);
}

/// Another optimizer may have been at this parameter since.
void LazyTable::take_over() {
  for (const Tensor* tensor : {&p_, &m_, &v_}) {
    if (tensor->storage().deferred() == this) continue;
    tensor->storage().data();
    tensor->storage().set_deferred(this);
  }
}

void LazyTable::replay(const std::vector<std::int32_t>& rows, const Tensor& g) {
  for (const bool cold : {true, false}) {
    part_.clear();
    from_.clear();
    for (const std::int32_t row : rows) {
      const auto at = static_cast<std::size_t>(row);
      if (cold == (warm_[at] != 0)) continue;
      part_.push_back(row);
      from_.push_back(done_[at]);
    }
    ops::adamw_rows(p_, m_, v_, g, part_, from_, history_, cold);
  }
  for (const std::int32_t row : rows) done_[static_cast<std::size_t>(row)] = static_cast<std::int32_t>(history_.size());
}

void LazyTable::step(const Tensor& g, std::span<const std::int32_t> rows, const ops::AdamwScalars& scalars) {
  constexpr std::size_t kLongest = 1024;  // every step reads the whole history
  if (history_.size() == kLongest) settle();
  take_over();
  p_.context().flops().add(OpClass::kOptimizer, 14 * p_.numel());  // as if done at once
  history_.push_back(scalars);
  waiting_ = true;
  list_.assign(rows.begin(), rows.end());
  replay(list_, g);
  for (const std::int32_t row : list_) warm_[static_cast<std::size_t>(row)] = 1;
}

void LazyTable::settle(std::span<const std::int32_t> rows, std::int64_t width) {
  if (!waiting_) return;
  if (width != p_.shape()[1]) return settle();
  list_.clear();
  for (const std::int32_t row : rows) {
    std::int32_t& done = done_[static_cast<std::size_t>(row)];
    if (done == static_cast<std::int32_t>(history_.size())) continue;
    list_.push_back(row);
  }
  std::sort(list_.begin(), list_.end());
  list_.erase(std::unique(list_.begin(), list_.end()), list_.end());
  replay(list_, Tensor());
}

void LazyTable::settle() {
  if (!waiting_) return;
  waiting_ = false;
  list_.clear();
  for (std::size_t row = 0; row < done_.size(); ++row)
    if (done_[row] != static_cast<std::int32_t>(history_.size())) list_.push_back(static_cast<std::int32_t>(row));
  replay(list_, Tensor());
  history_.clear();
  std::fill(done_.begin(), done_.end(), 0);
}

}  // namespace lathe::optim
