// Progress of a search on standard error: three lines that are redrawn on a terminal, one plain line a trial elsewhere, JSON lines
// on standard output with --json.
#pragma once
#include <lathe/cli/console.h>
#include <lathe/nas/executor.h>
#include <lathe/nas/transformer/finalists.h>

#include <chrono>
#include <map>
#include <string>

namespace lathe::cli {

class SearchProgress final : public nas::Observer {
 public:
  SearchProgress(Console& console, std::int64_t trials, std::string metric, int workers);

  void resumed(const nas::VirtualTime& engine) override;
  void committed(const nas::Event& event, const nas::VirtualTime& engine) override;
  void started(const nas::TaskKey& key, const nas::Segment& segment) override;
  void computed(const nas::TaskKey& key, const nas::SegmentResult& result) override;
  void retried(const nas::TaskKey& key, const std::string& reason) override;

  void finalist(const nas::Finalist& finalist, const nas::FinalRun& run, bool done);
  void finish() { console_.clear_block(); }

 private:
  void count(const nas::Trial& trial);
  void draw();
  std::string left() const;

  Console& console_;
  std::int64_t trials_;
  std::string metric_;
  int workers_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::int64_t done_ = 0, stopped_ = 0, failed_ = 0, done_at_start_ = 0;
  std::int64_t best_ = -1;
  double best_value_ = 0;
  std::string best_point_;
  std::map<std::int64_t, std::string> running_;  // trial → "epoch 2 0.829"
};

}  // namespace lathe::cli
