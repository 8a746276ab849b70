#include <lathe/autograd/gradcheck.h>

#include <lathe/base/error.h>
#include <lathe/base/random.h>
#include <lathe/base/text.h>
#include <lathe/tensor/ops.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace lathe {
namespace {

using Values = std::vector<double>;

/// One check: the same function at the same inputs under several cotangents, whose gradients add up in the leaves, so that a
/// gradient function that overwrites what it should accumulate on is found too.
class Check {
 public:
  Check(const std::string& op, const VarFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options)
      : op_(op), f_(f), options_(options), random_(random_key(options.seed, 0, "gradcheck")) {
    for (const Tensor& input : inputs) inputs_.push_back(input.to(DType::kF64).contiguous().clone());
  }

  GradcheckReport run() {
    if (inputs_.empty()) throw InputError(str("[", op_, "] gradcheck: expected at least one input, got none"));
    std::vector<Var> leaves;
    for (const Tensor& input : inputs_) leaves.emplace_back(input.clone(), true);
    std::vector<Values> numeric;
    for (const Tensor& input : inputs_) numeric.emplace_back(static_cast<std::size_t>(input.numel()), 0.0);
    for (int draw = 0; draw < options_.cotangents && report_.ok; ++draw) {
      if (!differentiate(leaves)) break;
      add_differences(numeric);
      for (std::size_t i = 0; i < inputs_.size() && report_.ok; ++i) compare(i, leaves[i].grad(), numeric[i]);
    }
    return report_;
  }

 private:
  void fail(const std::string& what) {
    if (!report_.ok) return;
    report_.ok = false;
    report_.message = str("[", op_, "] gradcheck: ", what);
  }

  /// Forward, new cotangents, backward onto the leaves. False if that already failed.
  bool differentiate(const std::vector<Var>& leaves) {
    const std::vector<Var> outputs = f_(leaves);
    cotangents_.clear();
    std::vector<Var> results;
    std::vector<Tensor> seeds;
    for (const Var& output : outputs) {
      Tensor c = Tensor::empty(output.context(), output.shape(), DType::kF64);
      double* values = c.mutable_data<double>();
      for (Index e = 0; e < c.numel(); ++e) values[e] = random_.normal();
      cotangents_.push_back(c.to_vector<double>());
      if (!output.requires_grad()) continue;
      results.push_back(output);
      seeds.push_back(std::move(c));
    }
    if (results.empty()) {
      fail("no gradient was recorded: no output depends on an input by the tape");
      return false;
    }
    try {
      backward(results, seeds);
    } catch (const Error& error) {
      fail(error.what());
    }
    return report_.ok;
  }

  std::vector<Values> outputs_at() {
    std::vector<Var> vars;
    for (const Tensor& input : inputs_) vars.emplace_back(input);
    std::vector<Values> values;
    for (const Var& output : f_(vars)) values.push_back(output.value().to_vector<double>());
    return values;
  }

  /// numeric += Σ c · (f(x + h) − f(x − h)) / 2h. Differences are taken before they are summed: less cancellation.
  void add_differences(std::vector<Values>& numeric) {
    const NoGrad no_grad(inputs_[0].context());
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      for (std::size_t e = 0; e < numeric[i].size(); ++e) {
        const double x = inputs_[i].data<double>()[e], h = options_.step * std::max(1.0, std::fabs(x));
        const double above = x + h, below = x - h;
        inputs_[i].mutable_data<double>()[e] = above;
        const std::vector<Values> high = outputs_at();
        inputs_[i].mutable_data<double>()[e] = below;
        const std::vector<Values> low = outputs_at();
        inputs_[i].mutable_data<double>()[e] = x;
        double sum = 0;
        for (std::size_t o = 0; o < high.size(); ++o)
          for (std::size_t j = 0; j < high[o].size(); ++j) sum += cotangents_[o][j] * (high[o][j] - low[o][j]);
        numeric[i][e] += sum / (above - below);
      }
    }
  }

  void compare(std::size_t i, const Tensor& gradient, const Values& numeric) {
    double largest = 0;
    for (const double value : numeric) largest = std::max(largest, std::fabs(value));
    if (!options_.may_be_constant && !numeric.empty() && !(largest > options_.atol))
      return fail(str("input ", i, ": the function does not depend on it, so nothing is proved about its gradient"));
    if (!gradient.defined()) {
      if (largest > options_.atol) fail(str("input ", i, ": no gradient arrived, largest finite difference ", largest));
      return;
    }
    const Values analytic = gradient.to_vector<double>();
    for (std::size_t e = 0; e < numeric.size(); ++e) {
      const double allowed = options_.atol + options_.rtol * std::max(std::fabs(analytic[e]), std::fabs(numeric[e]));
      const double deviation = std::fabs(analytic[e] - numeric[e]) / allowed;
      ++report_.compared;
      if (!(deviation <= 1))  // a NaN fails as well
        return fail(str("input ", i, ", element ", e, ": gradient ", analytic[e], ", finite difference ", numeric[e]));
      report_.worst = std::max(report_.worst, deviation);
    }
  }

  const std::string& op_;
  const VarFunction& f_;
  const GradcheckOptions& options_;
  Random random_;
  std::vector<Tensor> inputs_;
  std::vector<Values> cotangents_;
  GradcheckReport report_;
};

}  // namespace

GradcheckReport gradcheck(const std::string& op, const VarFunction& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options) {
  return Check(op, f, inputs, options).run();
}

}  // namespace lathe
