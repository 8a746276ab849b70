// A study whose trials are evaluated by whoever asks for them, in processes that come and go: between two calls everything lies in
// the database. Trials are claimed and told as tasks of the storage (nas/storage/storage.h), so shells, `lathe worker` and
// `lathe search` may work on one study together.
#pragma once
#include <lathe/nas/storage/storage.h>
#include <lathe/nas/virtual_time.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace lathe::cli {

class AskTell {
 public:
  /// InputError: a study that trains transformers, or that only the program which made it can go on with.
  explicit AskTell(nas::Storage& storage);

  const nas::StudyHeader& header() const { return header_; }

  struct Asked {
    std::int64_t trial = 0, attempt = 0;
    nas::Point point;
  };
  /// Claims the most urgent trial that nobody evaluates, for `lease`: after that somebody else may be given it. Nothing: the study
  /// is finished, or all open trials are being evaluated (open()).
  std::optional<Asked> ask(std::chrono::milliseconds lease);
  /// The final result of a trial that is being evaluated. InputError: it is not, or the numbers are too few or too many.
  void tell(std::int64_t trial, nas::SegmentResult result);
  /// Puts a point before the sampler's.
  void enqueue(const nas::Point& point);

  bool finished() const { return engine_ && engine_->finished(); }  ///< as of the last call
  std::vector<std::int64_t> open();                                 ///< trials that are being evaluated

 private:
  void advance();
  bool step();
  nas::Storage& storage_;
  nas::StudyHeader header_;
  int max_reports_ = 0;
  std::optional<nas::VirtualTime> engine_;
};

}  // namespace lathe::cli
