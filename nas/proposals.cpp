#include <lathe/nas/proposals.h>

#include <lathe/base/text.h>
#include <lathe/nas/event_reader.h>
#include <lathe/nas/virtual_time.h>

namespace lathe::nas {
namespace {

/// The member `name` of a header, as text; empty if it has none.
std::string member(std::string_view header, std::string_view name) {
  const std::string key = str("\"", name, "\":");
  const auto at = header.find(key);
  if (at == std::string_view::npos) return "";
  std::size_t end = at + key.size();
  int depth = 0;
  for (bool quoted = false; end < header.size(); ++end) {
    const char c = header[end];
    if (c == '\\') {
      ++end;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted) {
      if (depth == 0 && (c == ',' || c == '}')) break;
      depth += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;
    }
  }
  return std::string(header.substr(at + key.size(), end - at - key.size()));
}

void require_same(const std::string& earlier, const std::string& now, const char* name) {
  const std::string before = member(earlier, name), after = member(now, name);
  if (before != after)
    throw InputError(str("the earlier study has other ", name, ": ", before.empty() ? "none" : before, ", expected ",
                         after.empty() ? "none" : after));
}

}  // namespace

std::uint64_t enqueue(Storage& storage, const Space& space, const Point& point) {
  if (const auto rule = space.broken_rule(point))
    throw InputError(str("the point ", point.json(), " cannot be enqueued: it breaks the rule `", *rule, "`"));
  for (;;) {
    const auto log = storage.events(0);
    Event event;
    event.kind = Event::Kind::enqueue;
    event.index = log.size();
    event.time = log.empty() ? 0 : read_event(log.back().line).time;
    event.point = point;
    event.partial = !space.whole(point);
    if (storage.append(log.size(), std::span(&event, 1), space)) return event.index;
  }
}

std::string WarmStart::text() const {
  std::string out = str(trials.size(), trials.size() == 1 ? " trial" : " trials", " of an earlier study");
  if (dropped) out += str(", ", dropped, " left out (", why, ")");
  return out;
}

WarmStart warm_start(Storage& earlier, const StudyHeader& header) {
  const std::string old_header = earlier.header();
  if (old_header.empty()) throw InputError(str("`", earlier.name(), "` is no study of lathe"));
  const std::string now = header.json();
  require_same(old_header, now, "objectives");
  require_same(old_header, now, "constraints");
  const auto log = earlier.events(0);
  WarmStart out;
  out.hash = study_hash(old_header, log);
  std::map<std::int64_t, Trial> found;  // running ones; those that do not fit stay away
  std::map<std::int64_t, std::string> unfit;
  for (const RecordedEvent& recorded : log) {
    const EventFields fields = read_event(recorded.line);
    if (fields.kind == Event::Kind::propose) {
      Trial trial;
      trial.number = fields.trial;
      trial.plan = fields.plan;
      try {
        trial.point = header.space.parse(fields.point);
        if (const auto rule = header.space.broken_rule(trial.point)) throw InputError(str("it breaks the rule `", *rule, "`"));
        found[fields.trial] = std::move(trial);
      } catch (const InputError& e) {
        unfit[fields.trial] = e.what();
      }
    } else if (fields.kind == Event::Kind::report && fields.result.failure == Failure::none && found.count(fields.trial)) {
      Trial& trial = found.at(fields.trial);
      const Segment& planned = trial.plan.segments.at(static_cast<std::size_t>(fields.segment));
      trial.reports.push_back(
          {fields.segment, planned.unit, planned.step, fields.result.values, fields.time, fields.result.constraints});
    } else if (fields.kind == Event::Kind::finish && fields.state != TrialState::failed) {
      if (const auto kept = found.find(fields.trial); kept != found.end()) {
        kept->second.state = fields.state;
        kept->second.values = fields.result.values;
        kept->second.constraints = fields.result.constraints;
        out.trials.push_back(std::move(kept->second));
      } else if (out.dropped++ == 0) {
        out.why = str("trial ", fields.trial, ": ", unfit.at(fields.trial));
      }
    }
  }
  return out;
}

void adopt(Storage& storage, const StudyHeader& header, const WarmStart& earlier) {
  if (header.warm_start != earlier.hash)
    throw InputError(str("the header names the study `", header.warm_start, "` as warm_start, expected ", earlier.hash));
  StudyHeader plain = header;  // which sampler will see them does not matter here
  plain.sampler = "random@1";
  plain.pruner = "none@1";
  plain.sampler_settings = plain.pruner_settings = {};
  VirtualTime engine(plain, nullptr, nullptr);
  std::vector<Event> events;
  for (const Trial& trial : earlier.trials)
    for (Event& event : engine.adopt(trial)) events.push_back(std::move(event));
  if (!events.empty() && !storage.append(0, events, header.space))
    throw InputError(str("study `", storage.name(), "` has begun; trials can be adopted only before"));
}

}  // namespace lathe::nas
