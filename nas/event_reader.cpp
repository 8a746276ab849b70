#include <lathe/nas/event_reader.h>

#include <lathe/base/text.h>

#include <limits>

namespace lathe::nas {
namespace {

class LineReader {
 public:
  explicit LineReader(std::string_view line) : line_(line), rest_(line) {}

  [[noreturn]] void fail(std::string_view expected) const {
    throw InputError(str("event `", line_, "` cannot be read: expected ", expected));
  }

  std::string_view word() {
    const auto end = rest_.find(' ');
    const std::string_view out = rest_.substr(0, end);
    rest_ = end == std::string_view::npos ? std::string_view() : rest_.substr(end + 1);
    return out;
  }
  std::string_view rest() const { return rest_; }

  std::int64_t integer(std::string_view text, std::string_view what,
                       std::int64_t most = std::numeric_limits<std::int64_t>::max()) const {
    const auto value = parse_int(text);
    if (!value || *value < 0 || *value > most) fail(what);
    return *value;
  }

  std::string_view field(std::string_view name) {
    const std::string_view text = word();
    if (text.size() <= name.size() || !text.starts_with(name) || text[name.size()] != '=') fail(str("`", name, "=…`"));
    return text.substr(name.size() + 1);
  }
  std::int64_t integer_field(std::string_view name, std::int64_t most = std::numeric_limits<std::int64_t>::max()) {
    return integer(field(name), str("a number for ", name), most);
  }

 private:
  std::string_view line_, rest_;
};

constexpr std::int64_t kMostInt = std::numeric_limits<int>::max();

void read_point(LineReader& in, EventFields& out) {
  if (!in.rest().starts_with("point=")) in.fail("`point=…`");
  out.point = in.rest().substr(6);
}

void read_propose(LineReader& in, EventFields& out) {
  out.trial = in.integer_field("trial");
  out.worker = static_cast<int>(in.integer_field("worker", kMostInt));
  if (in.rest().starts_with("reused=")) out.reused = in.integer_field("reused");
  out.plan.segments.clear();
  for (const std::string_view segment : split(in.field("plan"), ',')) {
    const auto parts = split(segment, '/');
    if (parts.size() != 3) in.fail("unit/step/ticks");
    out.plan.segments.push_back({static_cast<int>(in.integer(parts[0], "a unit", kMostInt)),
                                 static_cast<int>(in.integer(parts[1], "a step", kMostInt)),
                                 static_cast<std::uint64_t>(in.integer(parts[2], "ticks"))});
  }
  read_point(in, out);
}

void read_state(LineReader& in, EventFields& out) {
  const std::string_view state = in.field("state");
  for (const TrialState s : {TrialState::complete, TrialState::pruned, TrialState::failed})
    if (state == state_name(s)) out.state = s;
  if (out.state == TrialState::running) in.fail("state=complete, pruned or failed");
}

void read_finish(LineReader& in, EventFields& out) {
  out.trial = in.integer_field("trial");
  read_state(in, out);
  if (!in.rest().empty()) out.result = parse_segment_result(in.rest());
}

void read_foreign(LineReader& in, EventFields& out) {
  if (in.rest().starts_with("foreign=")) out.foreign = in.integer_field("foreign");
}

void read_enqueue(LineReader& in, EventFields& out) {
  read_foreign(in, out);
  out.partial = in.rest().starts_with("fixed=");
  if (out.partial)
    out.point = in.rest().substr(6);
  else
    read_point(in, out);
}

void read_adopt(LineReader& in, EventFields& out) {
  read_foreign(in, out);
  read_state(in, out);
  out.step = static_cast<int>(in.integer_field("step", kMostInt));
  const auto at = in.rest().find(" point=");
  if (at == std::string_view::npos) in.fail("`point=…`");
  out.result = parse_segment_result(in.rest().substr(0, at));
  out.point = in.rest().substr(at + 7);
}

}  // namespace

EventFields read_event(std::string_view line) {
  LineReader in(line);
  EventFields out;
  out.index = static_cast<std::uint64_t>(in.integer(in.word(), "a commit index"));
  out.time = static_cast<std::uint64_t>(in.integer(in.word(), "a virtual time"));
  const std::string_view kind = in.word();
  if (kind == "propose") {
    out.kind = Event::Kind::propose;
    read_propose(in, out);
  } else if (kind == "report") {
    out.kind = Event::Kind::report;
    out.trial = in.integer_field("trial");
    out.segment = static_cast<int>(in.integer_field("segment", kMostInt));
    out.result = parse_segment_result(in.rest());
  } else if (kind == "finish") {
    out.kind = Event::Kind::finish;
    read_finish(in, out);
  } else if (kind == "extend") {
    out.kind = Event::Kind::extend;
    out.trial = in.integer_field("trials");
  } else if (kind == "enqueue") {
    out.kind = Event::Kind::enqueue;
    read_enqueue(in, out);
  } else if (kind == "adopt") {
    out.kind = Event::Kind::adopt;
    read_adopt(in, out);
  } else {
    in.fail("propose, report, finish, extend, enqueue or adopt");
  }
  return out;
}

Trial adopted_trial(const Space& space, const EventFields& fields) {
  Trial trial;
  trial.point = space.parse(fields.point);
  trial.state = fields.state;
  trial.values = fields.result.values;
  trial.constraints = fields.result.constraints;
  trial.foreign = fields.foreign;
  trial.finish_event = fields.index;
  if (fields.step > 0) trial.reports.push_back({0, 0, fields.step, trial.values, 0, trial.constraints});
  return trial;
}

}  // namespace lathe::nas
