// Proxies as objectives: any sampler can search on a cheaper evaluation instead of training each candidate in full.
//
//   TrainingObjective full(setting, rows.train, rows.valid);
//   ProxyObjective proxy(full, ProxySetting::of_kind("synflow"), rows.train, rows.valid, header.seed);
//   CalibrationOptions options{.workers = 2, .folder = "run"};
//   Calibration c = prepare_calibration(header, full, proxy, proxy.setting().json(), options);
//   header.preparation = JsonWriter().begin_object().key("calibration").raw(c.json()).end_object().text();
//   StudyRun run = execute(header, proxy, *memory_storage(header));  // its finalists are then trained in full
#pragma once
#include <lathe/nas/transformer/proxy_fidelity.h>
#include <lathe/nas/transformer/proxy_scores.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace lathe::nas {

struct ProxySetting {
  std::optional<ProxyScore> score = {};  ///< none: a training of this …
  Fidelity fidelity = {};                ///< … fidelity
  std::int64_t batch_rows = 32;          ///< of a score: rows of its batch, as many of each class as the training rows have

  /// As `proxy.kind` has it: "training" or a score's name. InputError with the nearest name.
  static ProxySetting of_kind(std::string_view kind);
  std::string kind() const;
  /// InputError: a training in full, a score together with fidelities, no rows.
  void validate() const;
  std::string json() const;  ///< canonical: kind and what it depends on
};

/// The values of a proxy. Points are refused as for the training in full (its limits are those of the real architecture), and a
/// trial shows the real architecture's parameters; ticks are those of the FLOPs that the proxy takes.
///   training   segments, checkpoints and results of a TrainingObjective of cheapened() setting and rows
///   a score    one segment; weights of (study seed, trial 0), the same for every trial, so equal architectures have equal scores;
///   the
///              batch is that of stream `proxy batch` of (study seed, 0). A network that has no finite score fails: non_finite
/// Of the study's objectives those that training measures come from the proxy (a score is turned round for loss); the others are
/// those of the real architecture.
class ProxyObjective final : public Objective {
 public:
  /// `full` and the data sets must outlive the objective. InputError as ProxySetting::validate(), where max_tokens lowers nothing
  /// unless the task's is greater; with a score also: not one
  /// measured objective alone, limits on what only training measures; with either: searched vocabularies or lengths (Encodings).
  ProxyObjective(const TrainingObjective& full, ProxySetting setting, const data::EncodedDataset& train,
                 const data::EncodedDataset& valid, std::uint64_t seed);

  Plan plan(const Point& params) const override;
  std::optional<std::string> refuse(const Point& params) const override;
  SegmentResult run(const Point& params, const SegmentContext& segment, const Checkpoint& checkpoint) override;

  const ProxySetting& setting() const { return setting_; }
  /// Of a training: what trains instead.
  const CheapTraining& cheap() const { return cheap_; }
  /// Which of the study's objectives a proxy stands for: the first that training measures. CalibrationOptions::objective.
  std::size_t measured_objective() const;

 private:
  void check_objectives() const;
  SegmentResult completed(const Point& params, SegmentResult result) const;
  const TrainingObjective& full_;
  ProxySetting setting_;
  CheapTraining cheap_;
  std::unique_ptr<TrainingObjective> training_;  // of cheap_, for a training
  data::EncodedDataset batch_;                   // for a score
};

}  // namespace lathe::nas
