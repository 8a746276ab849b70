#include <lathe/base/error.h>
#include <lathe/base/random.h>
#include <lathe/base/text.h>
#include <lathe/nn/parameters.h>

namespace lathe::nn {
namespace {

template <class T>
void fill_normal(Tensor& value, RandomKey key, double deviation) {
  Random random(key);
  T* element = value.mutable_data<T>();
  for (Index i = 0, n = value.numel(); i < n; ++i) element[i] = static_cast<T>(deviation * random.normal());
}

}  // namespace

Parameters::Parameters(Context& context, DType dtype) : context_(&context), dtype_(dtype) {
  if (!is_float(dtype)) throw InputError("[Parameters] expected f32 or f64, got i32");
}

Var Parameters::normal(const std::string& name, const Shape& shape, double deviation) {
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
  return add(name, Tensor::full(*context_, shape, value, dtype_));
}

Var Parameters::add(const std::string& name, Tensor value) {
  if (name.empty()) throw InputError("[Parameters] a parameter needs a name");
  for (const Var& other : all_)
    if (other.name() == name) throw InputError("[Parameters] there already is a parameter `" + name + "`");
  all_.emplace_back(std::move(value), true, name);
  return all_.back();
}

const Var& Parameters::at(std::string_view name) const {
  std::vector<std::string> names;
  for (const Var& parameter : all_) {
    if (parameter.name() == name) return parameter;
    names.push_back(parameter.name());
  }
  const auto hint = nearest(name, names);
  throw InputError(str("[Parameters] there is no parameter `", name, "`", hint ? "; did you mean " + *hint + "?" : ""));
}

std::int64_t Parameters::count() const {
  std::int64_t total = 0;
  for (const Var& parameter : all_) total += parameter.shape().numel();
  return total;
}

void Parameters::zero_grad() {
  for (Var& parameter : all_) parameter.zero_grad();
}

}  // namespace lathe::nn
