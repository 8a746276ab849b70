#include <lathe/cli/progress.h>

#include <lathe/base/text.h>
#include <lathe/cli/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace lathe::cli {
namespace {

/// Scores and losses with four digits, counts of parameters and operations whole.
std::string shown_value(double value) { return fixed(value, std::abs(value) < 1000 ? 4 : 0); }

using namespace lathe::nas;

constexpr std::size_t kBar = 20;

/// "[=====>----]"
std::string bar(std::int64_t done, std::int64_t all) {
  const std::size_t filled =
      all <= 0 ? kBar : std::min(kBar, kBar * static_cast<std::size_t>(done) / static_cast<std::size_t>(all));
  std::string out(filled, '=');
  if (filled < kBar) out += '>';
  return "[" + out + std::string(kBar + 1 - std::min(kBar + 1, out.size()), '-') + "]";
}

std::string percent(std::int64_t done, std::int64_t all) {
  return str(all <= 0 ? 100 : std::min<std::int64_t>(100, 100 * done / all), " %");
}

std::string finalist_name(const Finalist& finalist) { return finalist.trial < 0 ? finalist.name : "#" + finalist.name; }

}  // namespace

double SearchProgress::steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

SearchProgress::SearchProgress(Console& console, Setup setup)
    : console_(console), setup_(std::move(setup)), start_(setup_.clock()) {
  const std::string wish = console.environment("LATHE_PROGRESS");
  mode_ = console.json()                            ? Mode::json
          : console.quiet() || wish == "none"       ? Mode::none
          : console.can_redraw() && wish != "plain" ? Mode::redraw
                                                    : Mode::lines;
  if (mode_ == Mode::redraw) ticker_ = std::thread([this] { tick(); });
}

SearchProgress::~SearchProgress() { finish(); }

void SearchProgress::tick() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    wake_.wait_for(lock, std::chrono::milliseconds(250));
    if (over_) return;
    if (setup_.stop.requested() && !announced_) {
      announced_ = true;
      console_.note("stopping after the running step… (^C again ends at once)");
    }
    draw();
  }
}

void SearchProgress::finish() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  wake_.notify_all();
  if (ticker_.joinable()) ticker_.join();
  console_.clear_block();
}

void SearchProgress::count(const Trial& trial) {
  ++done_;
  if (trial.state == TrialState::pruned) ++stopped_;
  if (trial.state == TrialState::failed) ++failed_;
  if (trial.state != TrialState::complete || setup_.metrics.size() > 1 || !feasible(trial)) return;
  if (best_ >= 0 && !better(trial.values[0], best_value_, setup_.direction)) return;
  best_ = trial.number;
  best_value_ = trial.values[0];
  best_architecture_ = setup_.architecture(trial.point);
  best_facts_.clear();
  for (const auto& [name, value] : setup_.facts(trial.point)) best_facts_ += str("  ", format_count(value), " ", name);
}

void SearchProgress::resumed(const VirtualTime& engine) {
  const std::lock_guard lock(mutex_);
  for (const std::int64_t number : engine.history().finished) count(engine.history().trials[static_cast<std::size_t>(number)]);
  done_at_start_ = done_;
  if (engine.events() > 0)
    console_.note(str("resume  at commit ", engine.events(), ": ", done_, " of ", setup_.trials, " trials are done"));
}

/// What is no objective: those are said already.
std::vector<std::pair<std::string, std::int64_t>> SearchProgress::facts(const Trial& trial) const {
  auto facts = setup_.facts(trial.point);
  std::erase_if(facts, [&](const auto& fact) {
    return std::find(setup_.metrics.begin(), setup_.metrics.end(), fact.first) != setup_.metrics.end();
  });
  return facts;
}

void SearchProgress::print_trial(const Trial& trial, bool best, std::uint64_t commit) {
  if (mode_ == Mode::json) {
    console_.json_line("trial", [&](JsonWriter& json) {
      json.member("time", elapsed()).member("trial", trial.number).member("state", state_name(trial.state));
      for (std::size_t i = 0; i < setup_.metrics.size(); ++i) {
        json.key(setup_.metrics[i]);
        if (i < trial.values.size()) {
          json.value(trial.values[i]);
        } else {
          json.null();
        }
      }
      for (const auto& [name, value] : facts(trial)) json.member(name, value);
      json.member("best", best).member("commit", commit).key("point").raw(trial.point.json());
      if (!trial.note.empty()) json.member("note", trial.note);
    });
  } else if (mode_ == Mode::lines) {
    std::string line = str("time=", fixed(elapsed(), 1), " trial=", trial.number, " state=", state_name(trial.state));
    for (std::size_t i = 0; i < trial.values.size(); ++i) line += str(" ", setup_.metrics[i], "=", shown_value(trial.values[i]));
    for (const auto& [name, value] : facts(trial)) line += str(" ", name, "=", value);
    line += str(best ? " best=yes" : "", " commit=", commit, " done=", done_, "/", setup_.trials);
    if (!trial.note.empty()) line += " note=" + json_quote(trial.note);
    console_.note(line);
  } else if (mode_ == Mode::redraw && trial.state == TrialState::failed) {
    console_.note(str("trial #", trial.number, " failed: ", trial.note));
  }
}

void SearchProgress::committed(const Event& event, const VirtualTime& engine) {
  if (event.kind != Event::Kind::finish) return;
  const std::lock_guard lock(mutex_);
  const Trial& trial = engine.history().trials[static_cast<std::size_t>(event.trial)];
  const std::int64_t best_before = best_;
  count(trial);
  running_.erase(event.trial);
  print_trial(trial, best_ != best_before, event.index);
  draw();
}

void SearchProgress::started(const TaskKey& key, const Segment& segment) {
  const std::lock_guard lock(mutex_);
  running_[key.trial].epoch = segment.step;
  draw();
}

void SearchProgress::computed(const TaskKey& key, const SegmentResult& result) {
  const std::lock_guard lock(mutex_);
  const auto running = running_.find(key.trial);
  if (running == running_.end()) return;
  if (!result.values.empty()) running->second.value = fixed(result.values[0], std::abs(result.values[0]) < 1000 ? 3 : 0);
  draw();
}

void SearchProgress::retried(const TaskKey& key, const std::string& reason) {
  console_.warn(str("trial #", key.trial, " runs again: ", reason));
}

void SearchProgress::refused(std::int64_t trial, const std::string& reason) {
  console_.warn(str("trial ", trial, " of another program is left out: ", reason));
}

void SearchProgress::begin_finalists(std::int64_t trainings) {
  const std::lock_guard lock(mutex_);
  finalists_ = true;
  trainings_ = trainings;
  finalists_start_ = setup_.clock();
  draw();
}

void SearchProgress::finalist(const Finalist& finalist, const FinalRun& run, bool done) {
  const std::lock_guard lock(mutex_);
  const std::string name = str(finalist_name(finalist), " seed ", run.seed);
  if (!done) {
    if (!run.history.empty())
      training_[name] = str("epoch ", run.history.size(), "/", finalist.candidate.training.epochs, " ",
                            fixed(run.history.back().valid.accuracy, 3));
    draw();
    return;
  }
  ++trained_;
  training_.erase(name);
  if (mode_ == Mode::json) {
    console_.json_line("finalist", [&](JsonWriter& json) {
      json.member("time", elapsed()).member("name", finalist_name(finalist)).member("seed", run.seed);
      json.key("valid").begin_object().member("accuracy", run.valid.accuracy).member("macro_f1", run.valid.macro_f1).end_object();
      if (!run.failure.empty()) json.member("failure", run.failure);
    });
  } else if (mode_ != Mode::none && !run.failure.empty()) {
    console_.note(str("finalist ", name, " failed: ", run.failure));
  } else if (mode_ == Mode::lines) {
    console_.note(str("time=", fixed(elapsed(), 1), " finalist=", finalist_name(finalist), " seed=", run.seed, " accuracy=",
                      fixed(run.valid.accuracy, 4), " epochs=", run.history.size(), " done=", trained_, "/", trainings_));
  }
  draw();
}

std::string SearchProgress::left(std::int64_t done, std::int64_t done_at_start, std::int64_t all, double since) const {
  const std::int64_t here = done - done_at_start;
  if (here < 3 || done >= all) return "";
  return "  left " + format_duration((setup_.clock() - since) / static_cast<double>(here) * static_cast<double>(all - done));
}

std::string SearchProgress::search_block() const {
  std::string out = str("search ", bar(done_, setup_.trials), " ", percent(done_, setup_.trials), "  ", done_, "/", setup_.trials,
                        " trials  ", stopped_, " stopped early  ");
  if (failed_ > 0) out += str(failed_, " failed  ");
  out +=
      str(setup_.workers, setup_.workers == 1 ? " worker" : " workers", left(done_, done_at_start_, setup_.trials, start_), "\n");
  if (setup_.metrics.size() > 1)
    out += str("goals  ", join(setup_.metrics, ", "), "\n");
  else if (best_ < 0)
    out += "best   none yet\n";
  else
    out +=
        str("best   #", best_, " ", setup_.metrics[0], " ", shown_value(best_value_), best_facts_, "  ", best_architecture_, "\n");
  out += "now   ";
  for (const auto& [trial, running] : running_)
    out += str(" #", trial, " ", setup_.step, " ", running.epoch, "/", setup_.epochs, running.value.empty() ? "" : " ",
               running.value, "  ");
  return out + "  ^C stops cleanly\n";
}

std::string SearchProgress::finalist_block() const {
  std::string out = str("retrain ", bar(trained_, trainings_), " ", percent(trained_, trainings_), "  ", trained_, "/", trainings_,
                        " trainings", left(trained_, 0, trainings_, finalists_start_), "\nnow    ");
  for (const auto& [name, what] : training_) out += str(" ", name, " ", what, "  ");
  return out + "  ^C stops cleanly\n";
}

std::string SearchProgress::block() const {
  const std::string whole = finalists_ ? finalist_block() : search_block();
  std::string out;
  for (const std::string_view line : split(whole, '\n'))
    if (!line.empty()) out += cut_to_width(line, static_cast<std::size_t>(std::max(20, console_.width())) - 1) + "\n";
  return out;
}

void SearchProgress::draw() {
  if (mode_ == Mode::redraw && !over_) console_.draw_block(block());
}

}  // namespace lathe::cli
