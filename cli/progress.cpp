#include <lathe/base/text.h>
#include <lathe/cli/format.h>
#include <lathe/cli/progress.h>

namespace lathe::cli {

using namespace lathe::nas;

SearchProgress::SearchProgress(Console& console, std::int64_t trials, std::string metric, int workers)
    : console_(console), trials_(trials), metric_(std::move(metric)), workers_(workers) {}

void SearchProgress::count(const Trial& trial) {
  ++done_;
  if (trial.state == TrialState::pruned) ++stopped_;
  if (trial.state == TrialState::failed) ++failed_;
  if (trial.state == TrialState::complete && (best_ < 0 || trial.values[0] > best_value_)) {
    best_ = trial.number;
    best_value_ = trial.values[0];
    best_point_ = trial.point.json();
  }
}

void SearchProgress::resumed(const VirtualTime& engine) {
  for (const std::int64_t number : engine.history().finished) count(engine.history().trials[static_cast<std::size_t>(number)]);
  done_at_start_ = done_;
  if (done_ > 0) console_.note(str("resume  ", done_, " of ", trials_, " trials are done, commit ", engine.events()));
}

void SearchProgress::committed(const Event& event, const VirtualTime& engine) {
  if (event.kind != Event::Kind::finish) return;
  const Trial& trial = engine.history().trials[static_cast<std::size_t>(event.trial)];
  const std::int64_t best_before = best_;
  count(trial);
  running_.erase(event.trial);
  const bool best = best_ != best_before;
  if (console_.json()) {
    console_.json_line("trial", [&](JsonWriter& json) {
      json.member("trial", trial.number).member("state", state_name(trial.state)).key("value");
      if (trial.values.empty()) {
        json.null();
      } else {
        json.value(trial.values[0]);
      }
      json.member("best", best).member("commit", event.index).key("point").raw(trial.point.json());
    });
  } else if (!console_.can_redraw()) {
    console_.note(str("trial=", trial.number, " state=", state_name(trial.state), " ",
                      trial.values.empty() ? std::string() : str(metric_, "=", fixed(trial.values[0], 4), " "),
                      best ? "best=yes " : "", "commit=", event.index, " done=", done_, "/", trials_,
                      trial.note.empty() ? "" : " note=" + json_quote(trial.note)));
  }
  draw();
}

void SearchProgress::started(const TaskKey& key, const Segment& segment) {
  running_[key.trial] = str("epoch ", segment.step);
  draw();
}

void SearchProgress::computed(const TaskKey& key, const SegmentResult& result) {
  if (!result.values.empty()) running_[key.trial] += " " + fixed(result.values[0], 3);
  draw();
}

void SearchProgress::retried(const TaskKey& key, const std::string& reason) {
  console_.warn(str("trial ", key.trial, " runs again: ", reason));
}

std::string SearchProgress::left() const {
  const std::int64_t here = done_ - done_at_start_;
  if (here < 3) return "";
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  return "  left " + format_duration(seconds / static_cast<double>(here) * static_cast<double>(trials_ - done_));
}

void SearchProgress::draw() {
  if (!console_.can_redraw() || console_.quiet()) return;
  const int filled = static_cast<int>(20 * done_ / std::max<std::int64_t>(trials_, 1));
  std::string text = "search [" + std::string(static_cast<std::size_t>(filled), '=') +
                     std::string(static_cast<std::size_t>(20 - filled), '-') + "]  " +
                     str(done_, "/", trials_, " trials  ", stopped_, " stopped early  ", workers_,
                         workers_ == 1 ? " worker" : " workers", left()) +
                     "\n";
  text += best_ < 0 ? std::string("best   none yet\n")
                    : str("best   #", best_, " ", metric_, " ", fixed(best_value_, 4), "  ", best_point_, "\n");
  text += "now   ";
  for (const auto& [trial, what] : running_) text += str(" #", trial, " ", what);
  std::string cut;
  for (const std::string_view line : split(text, '\n'))
    cut += (cut.empty() ? "" : "\n") + cut_to_width(line, static_cast<std::size_t>(console_.width()) - 1);
  console_.draw_block(cut + "\n");
}

void SearchProgress::finalist(const Finalist& finalist, const FinalRun& run, bool done) {
  if (!done) return;
  const std::string name = finalist.trial < 0 ? "default" : "#" + finalist.name;
  if (console_.json()) {
    console_.json_line("finalist", [&](JsonWriter& json) {
      json.member("name", name).member("seed", run.seed).member("failure", run.failure);
      json.member("valid", run.valid.accuracy);
    });
  } else {
    console_.note(run.failure.empty()
                      ? str("finalist ", name, " seed ", run.seed, ": validation accuracy ", fixed(run.valid.accuracy, 4),
                            " after ", run.history.size(), run.history.size() == 1 ? " epoch" : " epochs")
                      : str("finalist ", name, " seed ", run.seed, " failed: ", run.failure));
  }
}

}  // namespace lathe::cli
