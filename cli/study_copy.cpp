#include <lathe/cli/study_copy.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/study_header.h>
#include <lathe/nas/event_reader.h>

#include <limits>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace lathe::cli {
namespace {

constexpr std::size_t kBatch = 1000;  // events of one transaction

/// Recorded lines as the events that they came from.
class EventBuilder {
 public:
  explicit EventBuilder(const nas::Space& space) : space_(space) {}

  nas::Event event(const nas::RecordedEvent& recorded) {
    nas::EventFields fields = nas::read_event(recorded.line);
    nas::Event out;
    out.index = fields.index;
    out.time = fields.time;
    out.kind = fields.kind;
    out.trial = fields.trial;
    switch (fields.kind) {
      case nas::Event::Kind::propose:
        out.worker = fields.worker;
        out.reused = fields.reused;
        out.point = space_.parse(fields.point);
        out.plan = fields.plan;
        out.plan.attributes = recorded.attributes;
        plans_[fields.trial] = fields.plan;
        break;
      case nas::Event::Kind::report:
        out.segment = fields.segment;
        out.plan = plans_.at(fields.trial);
        out.planned = out.plan.segments.at(static_cast<std::size_t>(fields.segment));
        out.result = std::move(fields.result);
        out.result.note = recorded.note;
        out.result.attributes = recorded.attributes;
        notes_[fields.trial] = recorded.note;
        break;
      case nas::Event::Kind::finish:
        out.state = fields.state;
        out.values = fields.result.values;
        out.constraints = fields.result.constraints;
        out.failure = fields.result.failure;
        if (out.failure != nas::Failure::none) out.note = notes_[fields.trial];
        plans_.erase(fields.trial);
        notes_.erase(fields.trial);
        break;
      case nas::Event::Kind::extend:
        out.trials = fields.trial;
        out.trial = 0;
        break;
      case nas::Event::Kind::adopt:
        out.state = fields.state;
        out.planned.step = fields.step;
        out.values = fields.result.values;
        out.constraints = fields.result.constraints;
        out.point = space_.parse(fields.point);
        break;
      case nas::Event::Kind::enqueue:
        out.point = space_.parse(fields.point);
        break;
    }
    if (out.line() != recorded.line)
      throw InputError(str("event `", recorded.line, "` cannot be copied: it would become `", out.line(), "`"));
    return out;
  }

 private:
  const nas::Space& space_;
  std::map<std::int64_t, nas::Plan> plans_;
  std::map<std::int64_t, std::string> notes_;
};

void copy_results(const std::vector<nas::TaskRow>& rows, std::uint64_t events, nas::Storage& to) {
  std::vector<nas::Task> tasks;
  std::map<nas::TaskKey, nas::SegmentResult> results;
  for (const nas::TaskRow& row : rows) {
    if (!row.result) continue;
    tasks.push_back(row.task);
    results.emplace(row.task.key, *row.result);
  }
  if (tasks.empty()) return;
  LATHE_CHECK(to.offer(events, tasks), "the copy was changed by another process");
  while (const auto lease = to.claim("copy", std::chrono::hours(1), std::numeric_limits<int>::max()))
    to.submit(*lease, results.at(lease->key));
}

}  // namespace

void copy_study(nas::Storage& from, nas::Backend& to, const std::string& name) {
  const nas::StudyHeader header = read_header(from.header(), name);
  const std::vector<nas::RecordedEvent> log = from.events(0);
  const std::vector<nas::TaskRow> rows = from.tasks();
  EventBuilder builder(header.space);
  std::vector<nas::Event> events;
  for (const nas::RecordedEvent& recorded : log) events.push_back(builder.event(recorded));
  const auto copy = to.create(header);
  for (std::size_t at = 0; at < events.size(); at += kBatch)
    if (!copy->append(at, std::span(events).subspan(at, std::min(kBatch, events.size() - at)), header.space))
      throw InputError(str("the copy `", name, "` was changed by another process"));
  copy_results(rows, log.size(), *copy);
  copy->settle();
}

}  // namespace lathe::cli
