#include <lathe/tensor/context.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/tensor/backend.h>
#include <lathe/tensor/spec/spec.h>

#include <type_traits>

namespace lathe {

Context::Context(const ContextOptions& options)
    : device_(options.device),
      exec_(options.threads >= 1 ? options.threads
                                 : throw InputError(str("[context] expected at least 1 thread, got ", options.threads))),
      seed_(options.seed),
      trial_(options.trial),
      dropout_key_(random_key(options.seed, options.trial, "dropout")) {
  own_.allocator = std::make_shared<Allocator>(options.memory_limit, options.device == Device::kMeta);
  if (options.table && (!options.table->name || !find_backend(options.table->name) || !options.backend.empty()))
    throw InputError("[context] a table of kernels needs the name of the backend whose bits it has, and no backend beside it");
  f32_ = options.table ? options.table : options.backend.empty() ? &best_backend() : find_backend(options.backend);
  if (!f32_) {
    std::vector<std::string> names = available_backends();
    for (const std::string& name : inexact_backends()) names.push_back(name);
    throw InputError(str("[context] expected a backend that runs here (", join(names, ", "), "), got '", options.backend, "'"));
  }
  backend_ = f32_->name;
  if (f32_ == &spec_f32()) f64_ = &spec_f64();
}

Context::~Context() = default;

constinit thread_local CurrentLane CurrentLane::here;

std::string Context::numerics() const { return numerics_tag(backend_); }

template <class T>
const Kernels<T>& Context::kernels(const char* op) const {
  if constexpr (std::is_same_v<T, float>) {
    return *f32_;
  } else {
    if (!f64_) throw UnsupportedError(op, str("cpu, backend ", backend_, ", for f64: f64 is computed by backend spec alone"));
    return *f64_;
  }
}
template const Kernels<float>& Context::kernels<float>(const char*) const;
template const Kernels<double>& Context::kernels<double>(const char*) const;

Dropout Context::dropout(double p, std::uint32_t site) const {
  Dropout dropout;
  const bool valid = p >= 0 && p < 1;
  if (valid) dropout.threshold = static_cast<std::uint32_t>(65536 * p + 0.5);
  if (!valid || dropout.threshold > 65535) throw InputError(str("[dropout] expected a probability in [0, 1), got ", p));
  dropout.scale = 1.0f / (1.0f - static_cast<float>(dropout.threshold) / 65536.0f);  // numerator and denominator are exact
  dropout.key = dropout_key_;
  dropout.step = step_;
  dropout.site = site;
  return dropout;
}

std::string Context::scope() const { return join(scopes_, "."); }

LayerScope::LayerScope(Context& context, std::string_view name) : context_(context.check_finite() ? &context : nullptr) {
  if (context_) context_->scopes_.emplace_back(name);
}

LayerScope::~LayerScope() {
  if (context_) context_->scopes_.pop_back();
}

}  // namespace lathe
