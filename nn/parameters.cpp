#include <lathe/base/error.h>
#include <lathe/base/random.h>
#include <lathe/base/text.h>
#include <lathe/nn/parameters.h>

#include <utility>

namespace lathe::nn {
namespace {

template <class T>
void fill_normal(Tensor& value, RandomKey key, double deviation) {
  Random random(key);
  T* element = value.mutable_data<T>();
  for (Index i = 0, n = value.numel(); i < n; ++i) element[i] = static_cast<T>(deviation * random.normal());
}

}  // namespace

Parameters::Parameters(Context& context, DType dtype, Source source)
    : context_(&context), dtype_(dtype), source_(std::move(source)) {
  if (!is_float(dtype)) throw InputError("[Parameters] expected f32 or f64, got i32");
}

Parameters Parameters::to_load(Context& context, DType dtype) {
  return Parameters(context, dtype, [&context, dtype](const std::string& name, const Shape& shape) {
    return Var(Tensor::zeros(context, shape, dtype), true, name);
  });
}

Var Parameters::normal(const std::string& name, const Shape& shape, double deviation) {
  if (take(name, shape)) return all_.back();
  Tensor value = Tensor::empty(*context_, shape, dtype_);
  if (context_->computes()) {
    const RandomKey key = context_->key("init:" + name);
    if (dtype_ == DType::kF32)
      fill_normal<float>(value, key, deviation);
    else
      fill_normal<double>(value, key, deviation);
  }
  return add(name, std::move(value));
}

Var Parameters::constant(const std::string& name, const Shape& shape, double value) {
  if (take(name, shape)) return all_.back();
  return add(name, Tensor::full(*context_, shape, value, dtype_));
}

void Parameters::check_name(const std::string& name) const {
  if (name.empty()) throw InputError("[Parameters] a parameter needs a name");
  for (const std::string& other : names_)
    if (other == name) throw InputError("[Parameters] there already is a parameter `" + name + "`");
}

bool Parameters::take(const std::string& name, const Shape& shape) {
  check_name(name);
  Var given = source_ ? source_(name, shape) : Var();
  if (!given.defined()) return false;
  if (given.shape() != shape || given.dtype() != dtype_)
    throw InputError(str("[Parameters] expected ", name_of(dtype_), " ", shape.text(), " for `", name, "`, got ",
                         name_of(given.dtype()), " ", given.shape().text()));
  all_.push_back(std::move(given));
  names_.push_back(name);
  return true;
}

Var Parameters::add(const std::string& name, Tensor value) {
  all_.emplace_back(std::move(value), true, name);
  names_.push_back(name);
  return all_.back();
}

const Var& Parameters::at(std::string_view name) const {
  for (std::size_t i = 0; i < names_.size(); ++i)
    if (names_[i] == name) return all_[i];
  const auto hint = nearest(name, names_);
  throw InputError(str("[Parameters] there is no parameter `", name, "`", hint ? "; did you mean " + *hint + "?" : ""));
}

std::int64_t Parameters::count() const {
  std::int64_t total = 0;
  for (const Var& parameter : all_) total += parameter.shape().numel();
  return total;
}

void Parameters::zero_grad() {
  for (Var& parameter : all_)
    if (parameter.grad().defined()) parameter.zero_grad();
}

}  // namespace lathe::nn
