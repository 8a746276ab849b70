#include <lathe/base/error.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/proxy_scores.h>
#include <lathe/nas/transformer/singular_values.h>
#include <lathe/nn/cost.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace lathe::nas {
namespace {

struct Named {
  ProxyScore score;
  const char* name;
};
constexpr Named kNames[] = {{ProxyScore::params, "params"},       {ProxyScore::synflow, "synflow"},
                            {ProxyScore::grad_norm, "grad_norm"}, {ProxyScore::snip, "snip"},
                            {ProxyScore::jacobian, "jacobian"},   {ProxyScore::saliency, "saliency"},
                            {ProxyScore::diversity, "diversity"}, {ProxyScore::head_confidence, "head_confidence"}};
constexpr ProxyScore kAll[] = {ProxyScore::params,   ProxyScore::synflow,  ProxyScore::grad_norm, ProxyScore::snip,
                               ProxyScore::jacobian, ProxyScore::saliency, ProxyScore::diversity, ProxyScore::head_confidence};

std::vector<double> numbers(const Tensor& tensor) {
  if (tensor.dtype() == DType::kF64) return tensor.to_vector<double>();
  const std::vector<float> values = tensor.to_vector<float>();
  return {values.begin(), values.end()};
}

nn::Batch batch_of(Context& context, const data::EncodedDataset& rows) {
  if (rows.rows() == 0) throw InputError("[proxy_score] expected a batch of rows, got none");
  const std::vector<std::int32_t> offsets(rows.offsets.begin(), rows.offsets.end());
  return nn::make_batch(context, rows.ids, Offsets(offsets), rows.types);
}

/// The same numbers under variables of its own, so that gradients do not meet those of `model`. `tokens`: instead of its table.
nn::Classifier twin(nn::Classifier& model, nn::TransformerConfig config, const Tensor& tokens = {}) {
  const bool all = !tokens.defined();
  if (!all) config.vocab_size = tokens.size(0);
  const auto source = [&](const std::string& name, const Shape&) {
    const bool table = name == "embeddings.tokens";
    return Var(!all && table ? tokens : model.registry().at(name).value(), all || table, name);
  };
  return nn::Classifier(nn::Parameters(model.context(), model.registry().dtype(), source), config);
}

enum class Part { linear, attention, ffn };

bool belongs(const std::string& name, Part part) {
  if (!name.ends_with(".weight") || name.starts_with("embeddings.") || name.ends_with("norm.weight")) return false;
  if (part == Part::attention) return name.find(".attention.") != std::string::npos;
  if (part == Part::ffn) return name.find(".ffn.") != std::string::npos;
  return true;
}

/// f(weight [out, in], gradient, out, in) summed over the matrices of a part, in registration order.
template <class F>
double sum_over(nn::Classifier& model, const data::EncodedDataset& rows, Part part, F&& f) {
  Context& context = model.context();
  const nn::Classifier net = twin(model, model.config());
  const Tensor labels = Tensor::from(context, rows.labels, {static_cast<Index>(rows.rows())});
  net.loss(batch_of(context, rows), labels, nn::Mode::kEvaluate).backward();
  double sum = 0;
  for (const Var& parameter : net.parameters()) {
    if (!belongs(parameter.name(), part)) continue;
    sum += f(numbers(parameter.value()), numbers(parameter.grad()), static_cast<std::size_t>(parameter.size(0)),
             static_cast<std::size_t>(parameter.size(1)));
  }
  return sum;
}

double norm(const std::vector<double>&, const std::vector<double>& gradient, std::size_t, std::size_t) {
  double square = 0;
  for (const double g : gradient) square += g * g;
  return math::sqrt(square);
}

double saliency(const std::vector<double>& weight, const std::vector<double>& gradient, std::size_t, std::size_t) {
  double sum = 0;
  for (std::size_t i = 0; i < weight.size(); ++i) sum += std::abs(weight[i] * gradient[i]);
  return sum;
}

double nuclear(const std::vector<double>& weight, const std::vector<double>& gradient, std::size_t out, std::size_t in) {
  return nuclear_norm(gradient, out, in) * nuclear_norm(weight, out, in);
}

/// |W| of a linear layer, and what went through it.
struct Flow {
  Flow(nn::Classifier& model, const std::string& name, std::size_t first_row = 0) {
    const Tensor& weight = model.registry().at(name + ".weight").value();
    in = static_cast<std::size_t>(weight.size(1));
    const std::vector<double> all = numbers(weight);
    for (std::size_t i = first_row * in; i < all.size(); ++i) w.push_back(std::abs(all[i]));
    y.resize(w.size() / in);
  }
  const std::vector<double>& forward(const std::vector<double>& x) {
    for (std::size_t o = 0; o < y.size(); ++o) {
      y[o] = 0;
      for (std::size_t i = 0; i < in; ++i) y[o] += w[o * in + i] * x[i];
    }
    return y;
  }
  /// ∂R/∂x; adds Σ |W ⊙ ∂R/∂W| = Σ (∂R/∂y) ⊙ y.
  std::vector<double> backward(const std::vector<double>& dy, double& sum) const {
    std::vector<double> dx(in);
    for (std::size_t o = 0; o < y.size(); ++o) {
      sum += dy[o] * y[o];
      for (std::size_t i = 0; i < in; ++i) dx[i] += w[o * in + i] * dy[o];
    }
    return dx;
  }
  std::size_t in = 0;
  std::vector<double> w, y;
};

void add_to(std::vector<double>& x, const std::vector<double>& y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

double synflow(nn::Classifier& model) {
  const nn::TransformerConfig& config = model.config();
  std::vector<std::vector<Flow>> branches;  // of the residual stream, in order
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    const auto queries_and_keys = static_cast<std::size_t>(2 * config.layers[i].heads * config.head_dim(i));
    const std::string layer = str("layers.", i);
    branches.push_back({Flow(model, layer + ".attention.qkv", queries_and_keys), Flow(model, layer + ".attention.out")});
    branches.push_back({Flow(model, layer + ".ffn.in"), Flow(model, layer + ".ffn.out")});
  }
  std::vector<Flow> head;
  if (config.pooler) head.emplace_back(model, "pooler");
  head.emplace_back(model, "classifier");

  std::vector<double> x(static_cast<std::size_t>(config.hidden), 1.0);
  for (std::vector<Flow>& branch : branches) add_to(x, branch[1].forward(branch[0].forward(x)));
  for (Flow& layer : head) x = layer.forward(x);

  double sum = 0;
  std::vector<double> dx(x.size(), 1.0);
  for (std::size_t i = head.size(); i-- > 0;) dx = head[i].backward(dx, sum);
  for (std::size_t i = branches.size(); i-- > 0;) add_to(dx, branches[i][0].backward(branches[i][1].backward(dx, sum), sum));
  return math::log(sum);
}

/// [rows, longest · hidden]: ∂ Σ logits of each text / ∂ its token embeddings, zero behind its end. A table with one row a token
/// gets them as its gradient.
std::vector<double> jacobians(nn::Classifier& model, const data::EncodedDataset& rows) {
  Context& context = model.context();
  const auto hidden = static_cast<std::size_t>(model.config().hidden);
  nn::Batch batch = batch_of(context, rows);
  const nn::Classifier net = [&] {
    const NoGrad off(context);
    return twin(model, model.config(), ops::embedding(model.registry().at("embeddings.tokens").value(), batch.ids));
  }();
  std::vector<std::int32_t> places(rows.tokens());
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = static_cast<std::int32_t>(i);
  batch.ids = Tensor::from(context, places, {static_cast<Index>(places.size())});
  sum(net.logits(batch, nn::Mode::kEvaluate)).backward();
  const std::vector<double> gradient = numbers(net.parameters().front().grad());
  const std::size_t width = static_cast<std::size_t>(rows.longest()) * hidden;
  std::vector<double> out(rows.rows() * width);
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    const auto begin = static_cast<std::size_t>(rows.offsets[row]) * hidden,
               end = static_cast<std::size_t>(rows.offsets[row + 1]) * hidden;
    std::copy(gradient.begin() + static_cast<std::ptrdiff_t>(begin), gradient.begin() + static_cast<std::ptrdiff_t>(end),
              out.begin() + static_cast<std::ptrdiff_t>(row * width));
  }
  return out;
}

double jacobian(nn::Classifier& model, const data::EncodedDataset& rows) {
  std::vector<double> j = jacobians(model, rows);
  const std::size_t width = j.size() / rows.rows();
  for (std::size_t row = 0; row < rows.rows(); ++row) {  // to mean 0 and length 1: then j · jᵀ is the correlation matrix
    double* values = j.data() + row * width;
    double mean = 0, square = 0;
    for (std::size_t i = 0; i < width; ++i) mean += values[i];
    mean /= static_cast<double>(width);
    for (std::size_t i = 0; i < width; ++i) square += (values[i] - mean) * (values[i] - mean);
    if (!(square > 0) || !std::isfinite(square)) throw NonFiniteError("[proxy_score] jacobian: a text's Jacobian does not vary");
    for (std::size_t i = 0; i < width; ++i) values[i] = (values[i] - mean) / math::sqrt(square);
  }
  std::vector<double> lengths = singular_values(j, rows.rows(), width);
  lengths.resize(rows.rows());  // a matrix with fewer columns: the other eigenvalues are 0
  constexpr double k = 1e-5;
  double sum = 0;
  for (const double s : lengths) sum += math::log(s * s + k) + 1 / (s * s + k);
  return -sum;
}

/// What the embeddings give, as Transformer::embed does it.
Var embedded(const nn::Classifier& net, const nn::Parameters& parameters, const nn::Batch& batch, const Tensor& positions) {
  const nn::TransformerConfig& config = net.config();
  Context& context = net.context();
  Var x = embedding(parameters.at("embeddings.tokens"), batch.ids);
  if (config.scale_embedding) x = mul(x, math::sqrt(static_cast<double>(config.hidden)));
  if (config.positions == nn::Positions::kLearned) x = add_embedding(x, parameters.at("embeddings.positions"), positions);
  if (config.positions == nn::Positions::kSinusoidal)
    x = add_embedding(x, Var(nn::sinusoidal_table(context, config.max_tokens, config.hidden, parameters.dtype())), positions);
  if (config.type_vocab_size > 0) {
    const Tensor zeros = Tensor::zeros(context, {batch.offsets.tokens()}, DType::kI32);
    x = add_embedding(x, parameters.at("embeddings.types"), batch.types.defined() ? batch.types : zeros);
  }
  if (!config.embedding_norm) return x;
  const Var& weight = parameters.at("embeddings.norm.weight");
  return config.norm == NormKind::kLayer ? layer_norm(x, weight, parameters.at("embeddings.norm.bias"), config.norm_eps)
                                         : rms_norm(x, weight, config.norm_eps);
}

/// Mean over queries and heads of the largest attention weight, exp(0) / Σ exp.
double confidence(const nn::EncoderLayer& layer, const Var& x, const nn::Sequences& sequences) {
  const Var input = layer.place == nn::NormPlace::kPre ? layer.attention_norm.forward(x) : x;
  const Index heads = layer.attention.heads, width = heads * layer.attention.head_dim;
  Var joined = layer.attention.qkv.forward(input);
  if (sequences.rope != nullptr) joined = rope(joined, sequences.positions, 2 * heads, *sequences.rope);
  const Tensor& qkv = joined.value();
  const ops::AttentionShape shape{.heads = heads, .q_offsets = sequences.offsets, .k_offsets = sequences.offsets};
  double sum = 0;
  const std::vector<double> largest =
      numbers(ops::attention(qkv.narrow(1, 0, width), qkv.narrow(1, width, width), qkv.narrow(1, 2 * width, width), shape).inv_sum);
  for (const double weight : largest) sum += weight;
  return sum / static_cast<double>(largest.size());
}

double head_confidence(nn::Classifier& model, const data::EncodedDataset& rows) {
  Context& context = model.context();
  const NoGrad off(context);
  const nn::TransformerConfig& config = model.config();
  const nn::Batch batch = batch_of(context, rows);
  if (batch.offsets.max_length() > config.max_tokens)
    throw InputError(str("[proxy_score] a text of ", batch.offsets.max_length(), " tokens, the model takes ", config.max_tokens));
  nn::Parameters& parameters = model.registry();
  nn::Sequences sequences{
      .offsets = batch.offsets, .positions = nn::positions_of(context, batch.offsets), .max_tokens = config.max_tokens};
  Var x = embedded(model, parameters, batch, sequences.positions);
  double sum = 0;
  const std::vector<nn::EncoderLayer>& layers = model.encoder().layers();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    ops::RopeTable rope;
    if (config.positions == nn::Positions::kRotary) {
      rope = ops::rope_table(context, config.max_tokens, config.head_dim(i), config.rotary_base, parameters.dtype());
      sequences.rope = &rope;
    }
    sum += confidence(layers[i], x, sequences);
    x = layers[i].forward(x, sequences);
    sequences.rope = nullptr;
  }
  return sum;
}

double score_of(ProxyScore score, nn::Classifier& model, const data::EncodedDataset& rows) {
  switch (score) {
    case ProxyScore::params:
      return static_cast<double>(model.parameter_count());
    case ProxyScore::synflow:
      return synflow(model);
    case ProxyScore::grad_norm:
      return sum_over(model, rows, Part::linear, norm);
    case ProxyScore::snip:
      return sum_over(model, rows, Part::linear, saliency);
    case ProxyScore::jacobian:
      return jacobian(model, rows);
    case ProxyScore::saliency:
      return sum_over(model, rows, Part::ffn, saliency);
    case ProxyScore::diversity:
      return sum_over(model, rows, Part::attention, nuclear);
    case ProxyScore::head_confidence:
      return head_confidence(model, rows);
  }
  LATHE_CHECK(false, "a score without a formula");
  return 0;
}

}  // namespace

const char* name_of(ProxyScore score) {
  for (const Named& entry : kNames)
    if (entry.score == score) return entry.name;
  LATHE_CHECK(false, "a score without a name");
  return "";
}

ProxyScore proxy_score_kind(std::string_view name) {
  std::vector<std::string> known;
  for (const Named& entry : kNames) {
    if (name == entry.name) return entry.score;
    known.emplace_back(entry.name);
  }
  const auto near = nearest(name, known);
  throw InputError(
      str("score `", name, "` is unknown, expected one of ", join(known, ", "), near ? "; did you mean " + *near + "?" : ""));
}

std::span<const ProxyScore> proxy_scores() { return kAll; }

double proxy_score(ProxyScore score, nn::Classifier& model, const data::EncodedDataset& rows) {
  const double value = score_of(score, model, rows);
  if (!std::isfinite(value)) throw NonFiniteError(str("[proxy_score] ", name_of(score), " is not finite"));
  return value;
}

std::int64_t proxy_score_flops(ProxyScore score, const nn::TransformerConfig& architecture, const data::EncodedDataset& rows) {
  if (score == ProxyScore::params) return 0;
  double matrices = 0, turns = 0;
  for (std::size_t i = 0; i < architecture.layers.size(); ++i) {
    const nn::LayerConfig& layer = architecture.layers[i];
    const auto h = static_cast<double>(architecture.hidden), f = static_cast<double>(layer.ffn),
               d = static_cast<double>(layer.heads * architecture.head_dim(i));
    matrices += 2 * h * d + 2 * h * f;  // value and output, in and out
    turns += 2 * (singular_value_flops(3 * d, h) + singular_value_flops(h, d));
  }
  if (score == ProxyScore::synflow) return static_cast<std::int64_t>(6 * matrices);
  std::vector<std::int32_t> lengths;
  for (std::size_t i = 0; i < rows.rows(); ++i) lengths.push_back(rows.length(i));
  const nn::Cost cost = nn::cost_of(architecture, lengths);
  if (score == ProxyScore::head_confidence) return cost.inference_flops.total();
  const std::int64_t passes = cost.training_flops.total();
  const double texts = static_cast<double>(rows.rows()), width = static_cast<double>(rows.longest() * architecture.hidden);
  if (score == ProxyScore::jacobian) return passes + static_cast<std::int64_t>(singular_value_flops(texts, width));
  return score == ProxyScore::diversity ? passes + static_cast<std::int64_t>(turns) : passes;
}

}  // namespace lathe::nas
