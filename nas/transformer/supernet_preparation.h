// Before a search on inherited weights: train the supernet, or find it in the run folder.
//
//   SupernetPreparation prepared = prepare_supernet(job);
//   header.preparation = JsonWriter().begin_object().key("supernet").raw(prepared.facts.json()).end_object().text();
//   SupernetObjective objective(prepared.supernet, training, valid_rows);
//
// The folder's file `supernet.ckpt` holds the training after each epoch, and after a request to stop; a killed training goes on
// from it, a finished one is only read. It is a cache: without it the same weights are trained again, and the digest in the study's
// header says whether they are the same.
#pragma once
#include <lathe/nas/transformer/objective.h>
#include <lathe/nas/transformer/supernet_trainer.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace lathe::nas {

/// What the study's header keeps.
struct SupernetFacts {
  SupernetOptions options;
  std::string weights;     ///< Supernet::hash()
  std::int64_t flops = 0;  ///< of its training
  /// Canonical: {"epochs":12,"random":2,"distill":true,"weights":"9f…","flops":123}.
  std::string json() const;
  /// InputError if `text` is no such object.
  static SupernetFacts parse(const std::string& text);
  bool operator==(const SupernetFacts& other) const { return json() == other.json(); }
};

struct SupernetJob {
  std::filesystem::path folder;  ///< of the run; must be there
  const Space* space = nullptr;
  const TrainingObjective* training = nullptr;  ///< base candidate, task, limits, backend
  const data::EncodedDataset *train = nullptr, *valid = nullptr;
  std::uint64_t seed = 1;
  SupernetOptions options;
  int threads = 1;  ///< bits do not depend on it
  std::function<bool()> stop_requested = [] { return false; };
  std::function<void(std::int64_t epoch, std::int64_t step, std::int64_t steps, double loss)> on_step;  ///< epoch from 1
  std::function<void(const SupernetEpoch&)> on_epoch;  ///< a finished one, also those of a training that is resumed
  std::function<void(const std::string&)> warn;        ///< a file that cannot be used, and why; the training begins anew
  std::optional<SupernetFacts> expected;               ///< of the study that is resumed or joined
};

struct SupernetPreparation {
  std::shared_ptr<const Supernet> supernet;
  SupernetFacts facts;
  std::vector<SupernetEpoch> history;
};

/// Interrupted if a stop was requested: everything is kept. InputError: check_shareable(), no admissible point, no validation rows,
/// or the weights are not those of `expected`. NonFiniteError if the training diverges. InfrastructureError: the file cannot be
/// written.
SupernetPreparation prepare_supernet(const SupernetJob& job);

}  // namespace lathe::nas
