// A study as a program writes it: a function that asks for its parameters while it runs, or ask() and tell().
//
//   StudyHeader header;                      // 100 trials, V = 4, maximise; its space stays empty: the function defines it
//   Study study(header);
//   study.optimize([](TrialHandle& t) {
//     const double x = t.real("x", -5, 5);
//     return -x * x;
//   });
//   const Trial best = study.best();
//
// How a function that defines its space as it runs keeps its study deterministic. Before the first trial the function is *scouted*:
// it runs with uniform draws until it calls report() or begin() (or returns), again and again until 32 runs in a row have met no
// new parameter. What was met, in that order, is the space; it is in the header, so a resumed study whose function defines other
// parameters is refused. A parameter that only a trial meets is drawn from its own stream `ask:<name>` of (seed, trial): as
// deterministic, but the sampler does not learn about it. So: ask for all parameters first, call begin(), then work. A parameter
// that a trial does not ask for counts as one that does not matter. The function must give the same values whenever it runs with
// the same number() and parameters; then one header gives one study for any number of workers, and after any restart.
#pragma once
#include <lathe/nas/executor.h>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace lathe::nas {

/// What the function sees of its trial. Valid while the function runs, in its thread.
class TrialHandle {
 public:
  virtual ~TrialHandle() = default;
  virtual std::int64_t number() const = 0;
  virtual std::uint64_t seed() const = 0;  ///< of the study
  /// All parameters that were proposed. Scouting, where there are none yet, ends here.
  virtual const Point& point() const = 0;
  /// InputError: the same name was used with another range or other choices, or (a header with a space) is not in the space.
  double real(const std::string& name, double low, double high, SpaceBuilder::RealOptions options = {});
  std::int64_t integer(const std::string& name, std::int64_t low, std::int64_t high, SpaceBuilder::IntegerOptions options = {});
  Value categorical(const std::string& name, std::vector<Value> choices);
  /// All parameters were asked for: the costly part begins. Scouting ends here.
  virtual void begin() = 0;
  /// Intermediate values, one per objective and, behind them, one per constraint of the header; step counts 1, 2, 3, … up to
  /// Study::max_reports().
  virtual void report(int step, std::vector<double> values) = 0;
  void report(int step, double value) { report(step, std::vector<double>{value}); }
  /// Has the pruner stopped this trial at its latest report? Then return; what is returned comes to nothing. (A function that does
  /// not ask is ended by its next report().)
  virtual bool should_stop() const = 0;

 protected:
  /// The value of a parameter that looks like this.
  virtual Value value_of(const Parameter& parameter) = 0;
};

class Study {
 public:
  /// One value per objective and, behind them, one per constraint of the header, when the trial is complete.
  using Function = std::function<std::vector<double>(TrialHandle&)>;
  using Callback = std::function<void(Study&, const Trial&)>;

  /// `backend`: where the study `header.name` is made, or resumed if it is there, or taken over if another program made it
  /// (foreign.h); null: in memory. It must outlive the study. `samplers`: those that the header may name, for instance
  /// all_samplers() of nas/controller/controller.h.
  explicit Study(StudyHeader header, Backend* backend = nullptr, SamplerRegistry samplers = SamplerRegistry::builtin());
  ~Study();
  Study(const Study&) = delete;
  Study& operator=(const Study&) = delete;

  /// Most reports of a trial before its final value (0 unless set); a segment of one tick each. Before the first trial.
  void set_max_reports(int reports) { max_reports_ = reports; }
  int max_reports() const { return max_reports_; }

  /// Called after each finished trial, in the order of commits; may call stop(), must not run or ask.
  void on_finished(Callback callback) { callbacks_.push_back(std::move(callback)); }
  /// Ends optimize() behind the step that is being committed; from a callback the study is then the same prefix in every run.
  void stop() { stop_.request(); }

  /// Runs until the budget is used up or stop(). Functions run in threads of their own, at most `workers` at a time.
  /// Errors as execute(). An exception of the function fails its trial.
  StudyRun optimize(Function function, int workers = 1);
  StudyRun optimize(const std::function<double(TrialHandle&)>& function, int workers = 1);
  /// The same with all that execute() can be told, such as an observer, or `resume = false` in a process that joins. stop() sets
  /// `options.stop`, and the samplers are those of the study.
  StudyRun optimize(Function function, ExecutorOptions options);

  struct Asked {
    std::int64_t number = 0;
    Point point;
  };
  /// The next trial to evaluate by hand; nothing: the study is finished. Up to V trials are open at a time, and which come next
  /// depends on the values told, not on the order in which they are told. The header needs a space. What was told but not yet
  /// committed when a program ends is asked for again. InputError: all open trials are waiting for a tell().
  std::optional<Asked> ask();
  /// Values of trial `number`, one per objective. InputError: not an open trial, wrong number of values.
  void tell(std::int64_t number, std::vector<double> values);
  void tell(std::int64_t number, double value) { tell(number, std::vector<double>{value}); }
  /// The trial failed, for ever.
  void tell_failure(std::int64_t number, std::string why);

  /// Puts a point before the sampler's (proposals.h). The header needs a space.
  void enqueue(const Point& point);

  const StudyHeader& header() const { return header_; }  ///< with the space that was found, once optimize() has begun
  const History& history() const { return history_; }    ///< as of the last optimize(), tell()
  std::string hash();                                    ///< of what is committed
  /// Trials of other programs in a study that both write to which do not fit (foreign.h), and why; one sentence each.
  const std::vector<std::string>& left_out() const { return left_out_; }
  /// The first of leaderboard(). InputError: no trial is complete.
  const Trial& best() const;

 private:
  void open();
  void begin_asking();
  void append(std::uint64_t from, const std::vector<Event>& batch);
  void advance();
  void submit(std::int64_t number, SegmentResult result);
  StudyHeader header_;
  Backend* backend_;
  SamplerRegistry samplers_;
  std::unique_ptr<Storage> storage_;
  int max_reports_ = 0;
  StopFlag stop_;
  std::vector<Callback> callbacks_;
  std::vector<std::string> left_out_;
  std::optional<VirtualTime> engine_;  // of ask() and tell()
  std::set<std::int64_t> asked_;
  History history_;
};

}  // namespace lathe::nas
