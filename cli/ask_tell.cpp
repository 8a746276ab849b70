#include <lathe/cli/ask_tell.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/study_header.h>
#include <lathe/nas/controller/controller.h>
#include <lathe/nas/executor.h>
#include <lathe/nas/proposals.h>

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

namespace lathe::cli {

AskTell::AskTell(nas::Storage& storage) : storage_(storage), header_(read_header(storage.header(), storage.name())) {
  const auto reports = own_reports(header_);
  if (!reports)
    throw InputError(str("study `", storage.name(),
                         "` knows its objective, which nobody else can stand in for: lathe worker, or the program that made it"));
  max_reports_ = *reports;
}

/// One try to bring log and tasks up to date; false if another process changed the log meanwhile.
bool AskTell::step() {
  engine_.emplace(
      header_, [this](const nas::Point&) { return own_plan(max_reports_); }, nullptr, nas::all_samplers());
  const auto replayed = engine_->replay(storage_.events(0));
  const std::span<const nas::Event> rest = std::span(replayed.events).subspan(replayed.recorded);
  if (!rest.empty() && !storage_.append(rest.front().index, rest, header_.space)) return false;
  for (const nas::TaskRow& row : storage_.tasks())
    if (row.result && static_cast<std::size_t>(row.task.key.trial) < engine_->history().trials.size())
      engine_->submit(row.task.key, *row.result);
  while (!engine_->finished()) {
    const std::uint64_t from = engine_->events();
    const auto batch = engine_->step();
    if (batch.empty()) break;
    if (!storage_.append(from, batch, header_.space)) return false;
  }
  return storage_.offer(engine_->events(), engine_->tasks());
}

void AskTell::advance() {
  while (!step()) {
  }
}

std::optional<AskTell::Asked> AskTell::ask(std::chrono::milliseconds lease) {
  advance();
  // Nobody can tell from here whether a shell is still alive, so the owner is no process: only its lease ends the claim. However
  // often that happens, it is no failure of the trial.
  std::string owner = "ask/" + nas::owner_name();
  std::replace(owner.begin(), owner.end(), ':', '/');
  const auto claimed = storage_.claim(owner, lease, std::numeric_limits<int>::max());
  if (!claimed) return std::nullopt;
  if (static_cast<std::size_t>(claimed->key.trial) >= engine_->history().trials.size()) advance();  // just proposed by another
  const nas::Trial& trial = engine_->history().trials.at(static_cast<std::size_t>(claimed->key.trial));
  return Asked{trial.number, claimed->attempt, trial.point};
}

std::vector<std::int64_t> AskTell::open() {
  std::vector<std::int64_t> out;
  for (const nas::TaskRow& row : storage_.tasks())
    if (row.state == nas::TaskState::claimed) out.push_back(row.task.key.trial);
  return out;
}

void AskTell::tell(std::int64_t number, nas::SegmentResult result) {
  result = nas::checked(std::move(result), header_.directions.size(), header_.constraints.size());
  for (const nas::TaskRow& row : storage_.tasks()) {
    if (row.task.key.trial != number || row.state != nas::TaskState::claimed) continue;
    result.unit_done = result.failure == nas::Failure::none && row.task.key.segment < max_reports_;
    if (!storage_.submit({row.task.key, row.owner, row.attempt}, result)) break;
    return advance();
  }
  const std::vector<std::int64_t> others = open();
  std::string list;
  for (const std::int64_t other : others) list += str(list.empty() ? "" : ", ", other);
  throw InputError(str("trial ", number, " is not being evaluated: it was not asked for, or has been told already; ",
                       list.empty() ? "no trial is" : "these are: " + list));
}

void AskTell::enqueue(const nas::Point& point) { nas::enqueue(storage_, header_.space, point); }

}  // namespace lathe::cli
