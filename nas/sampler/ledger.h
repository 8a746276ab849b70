// A study's history in columns, brought up to date with every ask: what the model-based samplers read.
//
// A cache. It follows one history that only grows, reads each proposal and each finish once, and starts again from the beginning
// where it is given a shorter one. Its content is a function of the history alone.
#pragma once
#include <lathe/nas/sampler/axis.h>
#include <lathe/nas/sampler/sampler.h>

#include <cstdint>
#include <vector>

namespace lathe::nas {

class Ledger {
 public:
  explicit Ledger(const StudyHeader& header);

  struct Column {
    std::vector<double> x;             ///< coordinate by trial number; not a number where the parameter is inactive
    std::vector<double> mu;            ///< its layout
    std::vector<std::uint32_t> order;  ///< trials with the parameter, by (layout, number)
  };
  struct Row {
    TrialState state = TrialState::running;
    double loss = 0;             ///< first objective, smaller is better; complete and pruned trials
    double violation = 0;        ///< Σ max(0, c)
    std::int64_t last_step = 0;  ///< of the last report; pruned trials with a report
    double last_loss = 0;        ///< what it reported, smaller is better
    bool reported = false;
  };

  void update(const History& history);
  std::size_t trials() const { return rows_.size(); }
  std::size_t finished() const { return finished_; }  ///< commits read, failures included
  std::size_t usable() const { return usable_; }      ///< complete or pruned
  const std::vector<Row>& rows() const { return rows_; }
  const std::vector<Axis>& axes() const { return axes_; }
  const Column& column(std::size_t axis) const { return columns_[axis]; }
  bool has(std::size_t axis, std::size_t trial) const { return columns_[axis].x[trial] == columns_[axis].x[trial]; }
  std::size_t objectives() const { return signs_.size(); }
  /// All values of a complete trial, smaller is better.
  const double* losses(std::size_t trial) const { return &losses_[trial * signs_.size()]; }
  /// Complete and pruned trials in the order of their commits.
  const std::vector<std::uint32_t>& commits() const { return commits_; }

 private:
  void clear();
  void add_proposal(const Trial& trial);
  void add_finish(const Trial& trial);

  std::vector<Axis> axes_;
  std::vector<double> signs_;
  std::vector<Column> columns_;
  std::vector<Row> rows_;
  std::vector<double> losses_;
  std::vector<std::uint32_t> commits_;
  std::size_t finished_ = 0, usable_ = 0;
};

}  // namespace lathe::nas
