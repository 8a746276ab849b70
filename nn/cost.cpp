#include <lathe/nn/cost.h>
#include <lathe/nn/transformer.h>

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
    context.flops().reset();
    context.allocator().reset_peak();
    NoGrad no_grad(context);
    model.logits(input.batch, Mode::kEvaluate);
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

}  // namespace lathe::nn
