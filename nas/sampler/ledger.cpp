#include <lathe/nas/sampler/ledger.h>

#include <algorithm>
#include <limits>

namespace lathe::nas {
namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
}

Ledger::Ledger(const StudyHeader& header) {
  for (const Parameter& parameter : header.space.parameters()) axes_.emplace_back(parameter);
  for (const Direction direction : header.directions) signs_.push_back(direction == Direction::minimise ? 1.0 : -1.0);
  clear();
}

void Ledger::clear() {
  columns_.assign(axes_.size(), Column{});
  rows_.clear();
  losses_.clear();
  commits_.clear();
  finished_ = usable_ = 0;
}

void Ledger::add_proposal(const Trial& trial) {
  const auto number = static_cast<std::uint32_t>(rows_.size());
  rows_.emplace_back();
  losses_.resize(rows_.size() * signs_.size(), kInfinity);
  for (std::size_t i = 0; i < axes_.size(); ++i) {
    Column& column = columns_[i];
    const auto& value = trial.point.value(i);
    if (!value) {
      column.x.push_back(std::numeric_limits<double>::quiet_NaN());
      column.mu.push_back(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    const double x = axes_[i].coordinate(*value), mu = axes_[i].layout(x);
    column.x.push_back(x);
    column.mu.push_back(mu);
    // Behind its equals: it has the largest number of all.
    const auto at = std::upper_bound(column.order.begin(), column.order.end(), mu,
                                     [&](double m, std::uint32_t other) { return m < column.mu[other]; });
    column.order.insert(at, number);
  }
}

void Ledger::add_finish(const Trial& trial) {
  Row& row = rows_[static_cast<std::size_t>(trial.number)];
  row.state = trial.state;
  if (trial.state != TrialState::complete && trial.state != TrialState::pruned) return;
  ++usable_;
  commits_.push_back(static_cast<std::uint32_t>(trial.number));
  row.violation = violation(trial);
  row.loss = trial.values.empty() ? kInfinity : signs_[0] * trial.values[0];
  for (std::size_t k = 0; k < signs_.size() && k < trial.values.size(); ++k)
    losses_[static_cast<std::size_t>(trial.number) * signs_.size() + k] = signs_[k] * trial.values[k];
  if (trial.reports.empty()) return;
  const Report& last = trial.reports.back();
  row.reported = true;
  const bool planned = static_cast<std::size_t>(last.segment) < trial.plan.segments.size();
  row.last_step = planned ? intermediate_step(trial.plan, last.segment) : last.step;
  row.last_loss = last.values.empty() ? kInfinity : signs_[0] * last.values[0];
}

void Ledger::update(const History& history) {
  if (history.trials.size() < rows_.size() || history.finished.size() < finished_) clear();
  while (rows_.size() < history.trials.size()) add_proposal(history.trials[rows_.size()]);
  while (finished_ < history.finished.size()) add_finish(history.trials[static_cast<std::size_t>(history.finished[finished_++])]);
}

}  // namespace lathe::nas
