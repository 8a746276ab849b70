#include <lathe/nn/cost.h>
#include <lathe/nn/transformer.h>

#include <algorithm>
#include <string_view>

namespace lathe::nn {
namespace {

ContextOptions meta_options(int threads = 1) {
  ContextOptions options;
  options.threads = threads;
  options.device = Device::kMeta;
  return options;
}

struct MetaBatch {
  MetaBatch(Context& context, std::span<const std::int32_t> lengths) {
    const Offsets offsets = Offsets::from_lengths(lengths);
    const std::vector<std::int32_t> ids(static_cast<std::size_t>(offsets.tokens()), 0);
    batch = make_batch(context, ids, offsets);
    labels = Tensor::zeros(context, {offsets.sequences()}, DType::kI32);
  }
  Batch batch;
  Tensor labels;
};

}  // namespace

Cost cost_of(const TransformerConfig& config, std::span<const std::int32_t> lengths, const MakeUpdate& make_update, int threads) {
  Cost cost;
  {
    Context context(meta_options());
    Classifier model(context, config);
    cost.parameters = model.parameter_count();
    cost.parameter_bytes = 4 * cost.parameters;
    const MetaBatch input(context, lengths);
    const NoGrad no_grad(context);
    for (int call = 0; call < 2; ++call) {  // weights are packed in the first
      context.flops().reset();
      context.allocator().reset_peak();
      model.logits(input.batch, Mode::kEvaluate);
    }
    cost.inference_flops = context.flops();
    cost.inference_peak_bytes = context.memory().peak;
  }
  Context context(meta_options(threads));
  Classifier model(context, config);
  const auto update = make_update ? make_update(model.parameters()) : std::function<void()>([&] { model.registry().zero_grad(); });
  const MetaBatch input(context, lengths);
  for (int step = 0; step < 2; ++step) {  // gradients and packed weights come to be in the first
    context.flops().reset();
    context.allocator().reset_peak();
    model.backward(input.batch, input.labels);
    update();
  }
  cost.training_flops = context.flops();
  cost.training_peak_bytes = context.memory().peak;
  return cost;
}

namespace {

/// Does this parameter belong to that part? "layers.0.attention.qkv.weight" is of "layers.0.attention", its norm is not.
bool is_of(std::string_view parameter, std::string_view part) {
  if (part == "head") return parameter.starts_with("pooler.") || parameter.starts_with("classifier.");
  if (!parameter.starts_with(part) || parameter.size() == part.size() || parameter[part.size()] != '.') return false;
  return part == "embeddings" || !parameter.substr(part.size()).starts_with(".norm.");
}

/// Counts what happens in `run`: FLOPs, and bytes that are there afterwards or were there meanwhile.
struct Count {
  template <class Run>
  Count(Context& context, Run run) {
    const std::int64_t before = context.memory().current;
    context.flops().reset();
    context.allocator().reset_peak();
    [[maybe_unused]] const auto result = run();  // lives while `left` is read
    flops = context.flops();
    peak = context.memory().peak - before;
    left = context.memory().current - before;
  }
  FlopCounter flops;
  std::int64_t peak = 0, left = 0;
};

Tensor meta_rows(const Classifier& model, const Batch& batch, Index columns) {
  return Tensor::empty(model.context(), {batch.offsets.tokens(), columns}, DType::kF32);
}

void count_inference(const Classifier& model, const ModelPart& part, const Batch& batch, PartCost& cost) {
  Context& context = model.context();
  const NoGrad no_grad(context);
  const Var x(meta_rows(model, batch, model.config().hidden));
  const auto forward = [&] { return part.forward(x, batch, Mode::kEvaluate); };
  const std::int64_t before = context.memory().current;
  forward();
  cost.packed_bytes = context.memory().current - before;  // they stay
  const Count count(context, forward);
  cost.inference_flops = count.flops;
  cost.working_bytes = count.peak;
}

/// Forward and gradient of the part for each group, as Classifier::backward lets them run.
void count_training(const Classifier& model, const ModelPart& part, const Batch& batch, const Tensor& labels, PartCost& cost) {
  Context& context = model.context();
  const std::vector<Batch> groups = groups_of(batch, group_tokens_of(model.config()));
  std::int64_t excess = 0;  // adding to the leaf, which is none in the model
  for (const Batch& group : groups) {
    const Var leaf(meta_rows(model, group, model.config().hidden), true);
    const Var x = reshape(leaf, leaf.shape());
    Var y;
    const Count forward(context, [&] {
      y = part.forward(x, group, Mode::kTrain);
      if (part.name == "head")
        y = cross_entropy(y, labels.narrow(0, group.sequences.first, group.offsets.sequences()), batch.offsets.sequences());
      return 0;
    });
    cost.kept_bytes = std::max(cost.kept_bytes, forward.left);
    const Count backward(context, [&] {
      y.backward(Tensor::empty(context, y.shape(), DType::kF32));
      return 0;
    });
    cost.training_flops.add(forward.flops);
    cost.training_flops.add(backward.flops);
    if (leaf.grad().defined()) excess += leaf.value().numel();
  }
  cost.training_flops.add(OpClass::kElementwise, -excess);
  if (part.name != "head" || groups.size() == 1) return;
  const Count mean(context, [&] {  // the loss of the whole batch
    const Tensor scores = Tensor::empty(context, {batch.offsets.sequences(), model.config().classes}, DType::kF32);
    return ops::cross_entropy(scores, labels).loss;
  });
  cost.training_flops.add(mean.flops);
}

}  // namespace

std::vector<PartCost> cost_by_part(const TransformerConfig& config, std::span<const std::int32_t> lengths,
                                   const MakeUpdate& make_update) {
  Context context(meta_options());
  const Classifier model(context, config);
  std::int64_t tables = context.memory().current;
  const MetaBatch input(context, lengths);
  check_lengths(input.batch.offsets, config.max_tokens);
  std::vector<PartCost> costs;
  for (const ModelPart& part : model.parts()) {
    PartCost& cost = costs.emplace_back();
    cost.name = part.name;
    for (const Var& parameter : model.parameters()) {
      if (!is_of(parameter.name(), part.name)) continue;
      const std::int64_t count = parameter.value().numel(), bytes = Allocator::account_of(4 * static_cast<std::size_t>(count));
      cost.parameters += count;
      cost.parameter_bytes += bytes;
      tables -= bytes;
    }
    count_inference(model, part, input.batch, cost);
    count_training(model, part, input.batch, input.labels, cost);
  }
  costs.front().parameter_bytes += tables;
  PartCost& optimizer = costs.emplace_back();
  optimizer.name = "optimizer";
  if (!make_update) return costs;
  const std::int64_t before = context.memory().current;
  const auto update = make_update(model.parameters());
  update();
  optimizer.state_bytes = context.memory().current - before;
  // The second step's, when gradients and state exist.
  for (const ModelPart& part : model.parts()) {
    PartCost none;
    count_training(model, part, input.batch, input.labels, none);
  }
  optimizer.training_flops = Count(context, [&] {
                               update();
                               return 0;
                             }).flops;
  return costs;
}

}  // namespace lathe::nn
