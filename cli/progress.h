// Progress of a search on standard error: three lines that are redrawn on a terminal, one plain line a finished trial elsewhere
// ("time=12.3 trial=31 state=complete accuracy=0.8412 …"), JSON lines on standard output with --json. LATHE_PROGRESS=plain
// chooses the plain lines, LATHE_PROGRESS=none nothing.
#pragma once
#include <lathe/cli/console.h>
#include <lathe/nas/executor.h>
#include <lathe/nas/transformer/finalists.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace lathe::cli {

class SearchProgress final : public nas::Observer {
 public:
  struct Setup {
    std::int64_t trials = 0;  ///< budget
    std::vector<std::string> metrics = {"value"};
    nas::Direction direction = nas::Direction::maximise;  ///< of the only one; of several no trial is the best
    int workers = 1;
    std::int64_t epochs = 1;     ///< of a trial
    std::string step = "epoch";  ///< what a report stands for
    /// "L3 H192 h4 …" of a point.
    std::function<std::string(const nas::Point&)> architecture = [](const nas::Point& p) { return p.json(); };
    /// Facts of a point for its line: {"params", 1310000}.
    std::function<std::vector<std::pair<std::string, std::int64_t>>(const nas::Point&)> facts = [](const nas::Point&) {
      return std::vector<std::pair<std::string, std::int64_t>>();
    };
    nas::StopFlag stop;  ///< announced above the lines when it is set
    /// Seconds of a clock that does not go backwards.
    std::function<double()> clock = steady_seconds;
  };
  static double steady_seconds();

  SearchProgress(Console& console, Setup setup);
  ~SearchProgress() override;

  void resumed(const nas::VirtualTime& engine) override;
  void committed(const nas::Event& event, const nas::VirtualTime& engine) override;
  void started(const nas::TaskKey& key, const nas::Segment& segment) override;
  void computed(const nas::TaskKey& key, const nas::SegmentResult& result) override;
  void retried(const nas::TaskKey& key, const std::string& reason) override;
  void refused(std::int64_t trial, const std::string& reason) override;

  /// The study is over; `trainings` of finalists come next.
  void begin_finalists(std::int64_t trainings);
  void finalist(const nas::Finalist& finalist, const nas::FinalRun& run, bool done);
  /// Removes the lines. Nothing is drawn afterwards.
  void finish();

  /// The lines as they would be drawn now.
  std::string block() const;

 private:
  enum class Mode : std::uint8_t { redraw, lines, json, none };
  struct Running {
    std::int64_t epoch = 0;
    std::string value;  ///< of the latest epoch, "" before the first
  };

  void count(const nas::Trial& trial);
  std::vector<std::pair<std::string, std::int64_t>> facts(const nas::Trial& trial) const;
  void print_trial(const nas::Trial& trial, bool best, std::uint64_t commit);
  void draw();
  void tick();
  double elapsed() const { return setup_.clock() - start_; }
  std::string left(std::int64_t done, std::int64_t done_at_start, std::int64_t all, double since) const;
  std::string search_block() const;
  std::string finalist_block() const;

  Console& console_;
  Setup setup_;
  Mode mode_;
  double start_, finalists_start_ = 0;
  std::int64_t done_ = 0, stopped_ = 0, failed_ = 0, done_at_start_ = 0;
  std::int64_t best_ = -1;
  double best_value_ = 0;
  std::string best_architecture_, best_facts_;
  std::map<std::int64_t, Running> running_;
  std::int64_t trainings_ = 0, trained_ = 0;
  std::map<std::string, std::string> training_;  ///< "#31 seed 2" → "epoch 3 0.841"
  bool finalists_ = false;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool over_ = false, announced_ = false;
  std::thread ticker_;  ///< keeps the time left and the stop message up to date while nothing is committed
};

}  // namespace lathe::cli
