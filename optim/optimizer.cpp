#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/optim/lazy_table.h>
#include <lathe/optim/optimizer.h>
#include <lathe/tensor/ops.h>

#include <cmath>
#include <set>
#include <utility>

namespace lathe::optim {

double binary_power(double base, std::uint64_t exponent) {
  double result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result *= base;
    base *= base;
  }
  return result;
}

std::vector<ParameterGroup> decay_groups(std::span<const Var> parameters, double weight_decay) {
  std::vector<ParameterGroup> groups(2);
  groups[0].weight_decay = weight_decay;
  for (const Var& parameter : parameters) groups[parameter.shape().dims() >= 2 ? 0 : 1].parameters.push_back(parameter);
  return groups;
}

Optimizer::Optimizer(std::vector<ParameterGroup> groups) : groups_(std::move(groups)) {
  std::set<std::string> names;
  for (const ParameterGroup& group : groups_) {
    if (!(group.weight_decay >= 0 && std::isfinite(group.weight_decay)))
      throw InputError(str("[optimizer] expected weight_decay >= 0, got ", group.weight_decay));
    if (!(group.lr_scale >= 0 && std::isfinite(group.lr_scale)))
      throw InputError(str("[optimizer] expected lr_scale >= 0, got ", group.lr_scale));
    for (const Var& parameter : group.parameters) {
      if (!parameter.defined() || !parameter.is_leaf() || !parameter.requires_grad())
        throw InputError("[optimizer] expected leaves that need a gradient");
      if (!names.insert(parameter.name()).second)
        throw InputError("[optimizer] parameter `" + parameter.name() + "` is there twice (names identify the state)");
    }
  }
  if (names.empty()) throw InputError("[optimizer] expected at least one parameter");
}

void Optimizer::step(double lr, double grad_scale) {
  if (!(lr >= 0 && std::isfinite(lr))) throw InputError(str("[optimizer] expected a learning rate >= 0, got ", lr));
  if (!std::isfinite(grad_scale)) throw InputError(str("[optimizer] expected a finite gradient scale, got ", grad_scale));
  ++steps_;
  std::size_t index = 0;
  for (ParameterGroup& group : groups_)
    for (Var& parameter : group.parameters) {
      if (parameter.grad().defined()) update(group, index, parameter, lr * group.lr_scale, grad_scale);
      ++index;
    }
}

void Optimizer::zero_grad() {
  for (ParameterGroup& group : groups_)
    for (Var& parameter : group.parameters) parameter.zero_grad();
}

std::vector<Tensor> Optimizer::zeros_like_parameters() const {
  std::vector<Tensor> tensors;
  for (const ParameterGroup& group : groups_)
    for (const Var& parameter : group.parameters)
      tensors.push_back(Tensor::zeros(parameter.context(), parameter.shape(), parameter.dtype()));
  return tensors;
}

std::vector<StateTensor> Optimizer::named(const char* kind, const std::vector<Tensor>& tensors) const {
  std::vector<StateTensor> state;
  for (const ParameterGroup& group : groups_)
    for (const Var& parameter : group.parameters)
      state.push_back({str(std::string_view(kind), ".", parameter.name()), tensors[state.size()]});
  return state;
}

void Optimizer::load_state(std::int64_t steps, std::span<const StateTensor> tensors) {
  if (steps < 0) throw InputError(str("[optimizer] expected a number of steps >= 0, got ", steps));
  std::vector<StateTensor> mine = state();
  if (mine.size() != tensors.size())
    throw InputError(str("[optimizer] expected a state of ", mine.size(), " tensors, got ", tensors.size()));
  std::vector<Tensor> sources;
  for (const StateTensor& target : mine) {
    const Tensor* source = nullptr;  // by name, in any order
    for (const StateTensor& tensor : tensors)
      if (tensor.name == target.name) source = &tensor.value;
    if (source == nullptr) throw InputError("[optimizer] the state has no tensor `" + target.name + "`");
    if (!source->defined() || source->shape() != target.value.shape() || source->dtype() != target.value.dtype())
      throw InputError(
          str("[optimizer] state `", target.name, "`: expected ", name_of(target.value.dtype()), " ", target.value.shape().text(),
              ", got ", source->defined() ? str(name_of(source->dtype()), " ", source->shape().text()) : std::string("nothing")));
    Context& context = target.value.context();
    sources.push_back(&source->context() == &context ? *source : source->copy_to(context));
  }
  loaded();
  for (std::size_t i = 0; i < mine.size(); ++i) mine[i].value.copy_from(sources[i]);
  steps_ = steps;
}

// ---- AdamW
// --------------------------------------------------------------------------------------------------------------------------

AdamW::AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options) : Optimizer(std::move(groups)), options_(options) {
  for (const double beta : {options.beta1, options.beta2})
    if (!(beta >= 0 && beta < 1)) throw InputError(str("[AdamW] expected beta from 0 to below 1, got ", beta));
  if (!(options.eps > 0 && std::isfinite(options.eps))) throw InputError(str("[AdamW] expected eps > 0, got ", options.eps));
  m_ = zeros_like_parameters();
  v_ = zeros_like_parameters();
}

AdamW::AdamW(std::span<const Var> parameters, double weight_decay, const AdamWOptions& options)
    : AdamW(decay_groups(parameters, weight_decay), options) {}

AdamW::~AdamW() = default;
void AdamW::loaded() { tables_.clear(); }

namespace {

/// From so many rows on, letting the rows wait that a batch does not reach wins over updating all.
constexpr Index kLazyRows = 1024;

}  // namespace

void AdamW::update(const ParameterGroup& group, std::size_t index, Var& parameter, double lr, double grad_scale) {
  const std::uint64_t t = static_cast<std::uint64_t>(steps_);
  const double c1 = 1 / (1 - binary_power(options_.beta1, t)), c2 = 1 / (1 - binary_power(options_.beta2, t));
  const ops::AdamwScalars scalars{.beta1 = options_.beta1,
                                  .one_minus_beta1 = 1 - options_.beta1,
                                  .beta2 = options_.beta2,
                                  .one_minus_beta2 = 1 - options_.beta2,
                                  .decay = lr * group.weight_decay,
                                  .step = lr * c1,
                                  .c2 = c2,
                                  .eps = options_.eps,
                                  .grad_scale = grad_scale};
  Tensor& p = parameter.mutable_value();
  const auto rows = parameter.grad_rows();
  const bool lazy = rows && p.size(0) >= kLazyRows && p.offset() == 0 && p.is_contiguous();
  if (const auto found = tables_.find(index); found != tables_.end() && !(lazy && found->second->is_of(p))) tables_.erase(found);
  if (!lazy) return ops::adamw(p, m_[index], v_[index], parameter.grad(), scalars);
  std::unique_ptr<LazyTable>& table = tables_[index];
  if (!table) table = std::make_unique<LazyTable>(p, m_[index], v_[index], steps_ - 1);
  table->step(parameter.grad(), *rows, scalars);
}

std::vector<StateTensor> AdamW::state() const {
  std::vector<StateTensor> state = named("m", m_);
  for (StateTensor& tensor : named("v", v_)) state.push_back(std::move(tensor));
  return state;
}

// ---- SGD
// ----------------------------------------------------------------------------------------------------------------------------

Sgd::Sgd(std::vector<ParameterGroup> groups, const SgdOptions& options) : Optimizer(std::move(groups)), options_(options) {
  if (!(options.momentum >= 0 && options.momentum < 1))
    throw InputError(str("[Sgd] expected momentum from 0 to below 1, got ", options.momentum));
  if (options.momentum > 0) u_ = zeros_like_parameters();
}

Sgd::Sgd(std::span<const Var> parameters, double weight_decay, const SgdOptions& options)
    : Sgd(decay_groups(parameters, weight_decay), options) {}

void Sgd::update(const ParameterGroup& group, std::size_t index, Var& parameter, double lr, double grad_scale) {
  Tensor none;
  ops::sgd(parameter.mutable_value(), u_.empty() ? none : u_[index], parameter.grad(),
           {.momentum = options_.momentum, .decay = lr * group.weight_decay, .lr = lr, .grad_scale = grad_scale});
}

std::vector<StateTensor> Sgd::state() const { return u_.empty() ? std::vector<StateTensor>{} : named("u", u_); }

}  // namespace lathe::optim
