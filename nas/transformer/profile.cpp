#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/objective.h>
#include <lathe/nas/transformer/profile.h>
#include <lathe/nn/transformer.h>

#include <algorithm>
#include <chrono>

namespace lathe::nas {
namespace {

/// The model itself on one batch of arbitrary tokens.
class Running {
 public:
  explicit Running(const ProfileRequest& request)
      : request_(request),
        context_({.backend = request.backend, .threads = request.load.threads}),
        model_(context_, request.architecture),
        batch_(latency_batch(context_, request.load, request.architecture)),
        labels_(Tensor::zeros(context_, {request.load.batch}, DType::kI32)) {}

  const std::string& backend() const { return context_.backend(); }

  /// High-water mark of the second call of `run`.
  template <class Run>
  std::int64_t peak(Run run) {
    for (int call = 0; call < 2; ++call) {
      if (request_.stop.requested()) throw Interrupted();
      context_.allocator().reset_peak();
      run();
    }
    return context_.memory().peak;
  }
  std::int64_t inference_peak() {
    const NoGrad no_grad(context_);
    return peak([&] { model_.logits(batch_, nn::Mode::kEvaluate); });
  }
  std::int64_t training_peak() {
    const auto update = request_.make_update ? request_.make_update(model_.parameters())
                                             : std::function<void()>([&] { model_.registry().zero_grad(); });
    return peak([&] {
      model_.backward(batch_, labels_);
      update();
    });
  }

  /// Medians of the parts, measured in turns for `seconds`.
  std::vector<std::int64_t> part_times(double seconds) {
    using Clock = std::chrono::steady_clock;
    const NoGrad no_grad(context_);
    const std::vector<nn::ModelPart> parts = model_.parts();
    const Var x = parts[0].forward(Var(), batch_, nn::Mode::kEvaluate);
    std::vector<std::vector<std::int64_t>> times(parts.size());
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    for (int round = 0; round < 4 || (Clock::now() < end && round < 10000); ++round) {
      if (request_.stop.requested()) throw Interrupted();
      for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto start = Clock::now();
        parts[i].forward(x, batch_, nn::Mode::kEvaluate);
        if (round > 0) times[i].push_back(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
      }
    }
    std::vector<std::int64_t> medians;
    for (std::vector<std::int64_t>& of_part : times) medians.push_back(percentile(std::move(of_part), 0.5));
    return medians;
  }

 private:
  const ProfileRequest& request_;
  Context context_;
  nn::Classifier model_;
  nn::Batch batch_;
  Tensor labels_;
};

}  // namespace

ModelProfile profile_model(const ProfileRequest& request) {
  latency_features(request.architecture, request.load);  // refuses what cannot be
  if (request.load.tokens > request.architecture.max_tokens)
    throw InputError(str("[profile] expected at most ", request.architecture.max_tokens, " tokens (max_tokens of the model), got ",
                         request.load.tokens));
  ModelProfile out;
  const std::vector<std::int32_t> lengths(static_cast<std::size_t>(request.load.batch),
                                          static_cast<std::int32_t>(request.load.tokens));
  out.cost = nn::cost_of(request.architecture, lengths, request.make_update, request.load.threads);
  out.parts = nn::cost_by_part(request.architecture, lengths, request.make_update);
  {
    Running running(request);
    out.backend = running.backend();
    out.inference_peak_bytes = running.inference_peak();
    out.part_ns = running.part_times(request.seconds / 2);
    out.part_ns.resize(out.parts.size());
    out.training_peak_bytes = running.training_peak();
  }
  MeasureOptions options;
  options.stop = request.stop;
  out.latency = measure_latency(request.architecture, request.load, request.backend, request.seconds / 2, options);
  return out;
}

}  // namespace lathe::nas
