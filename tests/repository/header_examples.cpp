// The examples in the comments of public headers, each with what it takes for granted around it. Compiling is the test.
#include <lathe/autograd/functions.h>
#include <lathe/base/file.h>
#include <lathe/base/json_writer.h>
#include <lathe/deploy/model.h>
#include <lathe/nas/executor.h>
#include <lathe/nas/foreign.h>
#include <lathe/nas/optimize.h>
#include <lathe/nas/program.h>
#include <lathe/nas/proposals.h>
#include <lathe/nas/space.h>
#include <lathe/nas/storage/memory.h>
#include <lathe/nas/storage/sqlite.h>
#include <lathe/nas/transformer/calibration.h>
#include <lathe/nas/transformer/proxy.h>
#include <lathe/nas/transformer/search.h>
#include <lathe/nas/transformer/supernet_objective.h>
#include <lathe/nas/transformer/supernet_preparation.h>
#include <lathe/nas/transformer/supernet_trainer.h>
#include <lathe/nn/transformer.h>
#include <lathe/optim/clip.h>
#include <lathe/optim/optimizer.h>
#include <lathe/optim/schedule.h>
#include <lathe/train/trainer.h>

namespace lathe {
void gradient(Context& ctx, Var x, Tensor target);
void network(Context& context);
void forward_and_back(const nn::TransformerConfig& config, const std::vector<std::int32_t>& ids, const Offsets& offsets,
                      const Tensor& labels);
void step(nn::Classifier& model, const Var& loss, const optim::Schedule& schedule, std::int64_t step, std::int64_t total);
void training(const nn::TransformerConfig& architecture, const train::TrainConfig& config, const data::EncodedDataset& train_rows,
              const data::EncodedDataset& valid_rows, void (*print)(const train::EpochResult&));
void answer();
Var cube(const Var& x);

void gradient(Context& ctx, Var x, Tensor target) {
#include "autograd_var_1.inc"
}

#include "autograd_var_2.inc"

void network(Context& context) {
  using namespace nn;
#include "nn_config_1.inc"
}

void forward_and_back(const nn::TransformerConfig& config, const std::vector<std::int32_t>& ids, const Offsets& offsets,
                      const Tensor& labels) {
  using namespace nn;
#include "nn_transformer_1.inc"
}

void step(nn::Classifier& model, const Var& loss, const optim::Schedule& schedule, std::int64_t step, std::int64_t total) {
#include "optim_optimizer_1.inc"
}

void training(const nn::TransformerConfig& architecture, const train::TrainConfig& config, const data::EncodedDataset& train_rows,
              const data::EncodedDataset& valid_rows, void (*print)(const train::EpochResult&)) {
  using namespace train;
#include "train_trainer_1.inc"
}

void answer() {
#include "deploy_model_1.inc"
}

// The formatter does not see the included lines.
// clang-format off
namespace nas {
void study(const StudyHeader& header);
Space space_of_example();
void whole_search(const StudyHeader& header, const SearchJob& job);
StudyRun proxy_study(StudyHeader header, const TrainingSetting& setting, const data::EncodedSplits& rows);
void shared_weights(Context& context, const SharedSpace& shared, const train::TrainConfig& training, const SupernetOptions& options,
                    const data::EncodedDataset& train_rows, const data::EncodedDataset& valid_rows);
void inherited_weights(const SupernetJob& job, StudyHeader& header, const TrainingObjective& training,
                       const data::EncodedDataset& valid_rows);
Trial function_study();
void program_study();
void second_study(StudyHeader new_header, Storage* old_storage, Objective* objective);
void their_study(Backend* backend, Objective* objective);

void study(const StudyHeader& header) {
#include "nas_executor_1.inc"
}

Space space_of_example() {
#include "nas_space_1.inc"
  return space;
}

void their_study(Backend* backend, Objective* objective) {
#include "nas_foreign_1.inc"
}

void second_study(StudyHeader new_header, Storage* old_storage, Objective* objective) {
#include "nas_proposals_1.inc"
}

void program_study() {
#include "nas_program_1.inc"
}

Trial function_study() {
#include "nas_optimize_1.inc"
  return best;
}

void whole_search(const StudyHeader& header, const SearchJob& job) {
#include "nas_transformer_search_1.inc"
}

StudyRun proxy_study(StudyHeader header, const TrainingSetting& setting, const data::EncodedSplits& rows) {
#include "nas_transformer_proxy_1.inc"
  return run;
}

void shared_weights(Context& context, const SharedSpace& shared, const train::TrainConfig& training, const SupernetOptions& options,
                    const data::EncodedDataset& train_rows, const data::EncodedDataset& valid_rows) {
#include "nas_transformer_supernet_trainer_1.inc"
}

void inherited_weights(const SupernetJob& job, StudyHeader& header, const TrainingObjective& training,
                       const data::EncodedDataset& valid_rows) {
#include "nas_transformer_supernet_preparation_1.inc"
}
}  // namespace nas
// clang-format on
}  // namespace lathe
