#include "tests/autograd/op_cases.h"

#include <lathe/base/random.h>

#include <cmath>

namespace lathe::test {
namespace {

using Vars = std::vector<Var>;
using Ints = std::vector<std::int32_t>;

Tensor ints(Context& context, const Ints& values) { return Tensor::from(context, values, {static_cast<Index>(values.size())}); }

void add_unary(std::vector<OpCase>& cases) {
#define LATHE_UNARY(name, Functor, saves, flops, onnx)                              \
  cases.push_back({#name,                                                           \
                   {{3, 7}},                                                        \
                   [](Context&, const Vars& v) { return Vars{lathe::name(v[0])}; }, \
                   UnaryOp::k##Functor == UnaryOp::kLog || UnaryOp::k##Functor == UnaryOp::kSqrt});
#include <lathe/tensor/unary.def>
#undef LATHE_UNARY
  cases.push_back({"unary: of a transposed view", {{3, 7}}, [](Context&, const Vars& v) {
                     return Vars{unary(UnaryOp::kGelu, transpose(v[0], 0, 1))};
                   }});
  cases.push_back({"unary: none", {{3}}, [](Context&, const Vars& v) { return Vars{unary(UnaryOp::kNone, v[0]) * 2}; }});
  cases.push_back({"unary: empty", {{0, 3}}, [](Context&, const Vars& v) { return Vars{unary(UnaryOp::kGelu, v[0])}; }});
}

void add_binary(std::vector<OpCase>& cases) {
  const auto each = [&](const std::string& name, Var (*f)(const Var&, const Var&)) {
    const std::pair<Shape, Shape> shapes[] = {{{3, 5}, {3, 5}},
                                              {{3, 5}, {5}},
                                              {{2, 1, 4}, {3, 1}},
                                              {{}, {2, 3}},
                                              {{3, 1}, {1, 4}},
                                              {{70, 3}, {1, 3}},
                                              {{1, 1, 1, 1, 2, 1}, {2, 1, 3, 1, 1, 2}},
                                              {{1}, {1}},
                                              {{2, 3, 4}, {3, 1}},
                                              {{0, 3}, {3}}};
    for (const auto& [a, b] : shapes) {
      OpCase c{
          name + ": " + a.text() + " and " + b.text(), {a, b}, [f](Context&, const Vars& v) { return Vars{f(v[0], v[1])}; }, true};
      c.may_be_constant = a.numel() == 0;
      cases.push_back(std::move(c));
    }
    cases.push_back(
        {name + ": with itself", {{3, 5}}, [f](Context&, const Vars& v) { return Vars{f(v[0], v[0]) * 2 + v[0]}; }, true});
  };
  each("add", [](const Var& a, const Var& b) { return a + b; });
  each("sub", [](const Var& a, const Var& b) { return a - b; });
  each("mul", [](const Var& a, const Var& b) { return a * b; });
  each("div", [](const Var& a, const Var& b) { return a / b; });
  cases.push_back({"add: a number", {{2, 3}}, [](Context&, const Vars& v) { return Vars{v[0] + 1.5}; }});
  cases.push_back({"sub: a number", {{2, 3}}, [](Context&, const Vars& v) { return Vars{v[0] - 1.5}; }});
  cases.push_back({"mul: a number", {{2, 3}}, [](Context&, const Vars& v) { return Vars{v[0] * 1.5}; }});
  cases.push_back({"div: a number", {{2, 3}}, [](Context&, const Vars& v) { return Vars{-v[0] / 1.5}; }});
  cases.push_back({"dropout", {{9, 5}}, [](Context&, const Vars& v) { return Vars{dropout(v[0], {0.4, 3})}; }});
  cases.push_back({"dropout: off", {{2, 5}}, [](Context&, const Vars& v) { return Vars{dropout(v[0], {}) * 3}; }});
}

void add_shapes(std::vector<OpCase>& cases) {
  cases.push_back({"sum", {{3, 5, 7}}, [](Context&, const Vars& v) { return Vars{sum(v[0] * v[0])}; }});
  cases.push_back({"sum: axes", {{3, 5, 2, 4}}, [](Context&, const Vars& v) {
                     return Vars{sum(v[0], {0, 2}), sum(v[0], {-1}, true), sum(v[0], {1, 3}, true), sum(v[0], {})};
                   }});
  cases.push_back({"mean", {{3, 5}}, [](Context&, const Vars& v) { return Vars{mean(square(v[0]))}; }});
  cases.push_back({"mean: axes", {{3, 5, 2}}, [](Context&, const Vars& v) {
                     return Vars{mean(v[0], {0, 2}), mean(v[0], {1}, true)};
                   }});
  cases.push_back(
      {"reshape", {{3, 4}}, [](Context&, const Vars& v) {
         return Vars{reshape(v[0], {2, -1}), reshape(transpose(v[0], 0, 1), Shape{12}), reshape(v[0], {1, 3, 2, 1, 2, 1})};
       }});
  cases.push_back({"transpose", {{3, 4, 2}}, [](Context&, const Vars& v) {
                     return Vars{transpose(v[0], 0, 2), transpose(v[0], 1, 1)};
                   }});
  cases.push_back({"narrow", {{5, 4}}, [](Context&, const Vars& v) {
                     return Vars{narrow(v[0], 0, 1, 3), narrow(v[0], -1, 2, 2), narrow(v[0], 0, 0, 5), narrow(v[0], 0, 2, 0)};
                   }});
  cases.push_back({"concat", {{2, 3}, {4, 3}, {2, 2}}, [](Context&, const Vars& v) {
                     return Vars{concat({v[0], v[1]}, 0), concat({v[2], v[0], v[2]}, 1)};
                   }});
  cases.push_back({"split", {{4, 6}}, [](Context&, const Vars& v) {
                     const Index sizes[] = {1, 3, 0, 2};
                     return split(v[0], sizes, 1);
                   }});
  cases.push_back({"split: some parts unused", {{4, 6}}, [](Context&, const Vars& v) {
                     const Index sizes[] = {1, 3};
                     return Vars{gelu(split(v[0], sizes, 0)[1])};
                   }});
}

void add_products(std::vector<OpCase>& cases) {
  cases.push_back({"matmul", {{4, 5}, {5, 3}}, [](Context&, const Vars& v) { return Vars{matmul(v[0], v[1])}; }});
  cases.push_back({"matmul: views", {{5, 4}, {3, 5}}, [](Context&, const Vars& v) {
                     return Vars{matmul(transpose(v[0], 0, 1), transpose(v[1], 0, 1))};
                   }});
  cases.push_back(
      {"matmul: batches", {{2, 3, 4, 2}, {2, 3, 2, 3}}, [](Context&, const Vars& v) { return Vars{matmul(v[0], v[1])}; }});
  cases.push_back(
      {"matmul: one matrix for all", {{2, 3, 4, 2}, {2, 3}}, [](Context&, const Vars& v) { return Vars{matmul(v[0], v[1])}; }});
  cases.push_back({"matmul: with itself", {{3, 3}}, [](Context&, const Vars& v) { return Vars{matmul(v[0], v[0])}; }});

  cases.push_back({"linear", {{5, 19}, {3, 19}}, [](Context&, const Vars& v) { return Vars{linear(v[0], v[1])}; }});
  cases.push_back({"linear: many rows, three dimensions", {{2, 35, 3}, {2, 3}, {2}}, [](Context&, const Vars& v) {
                     return Vars{linear(v[0], v[1], v[2])};
                   }});
  cases.push_back({"linear: shared weight, input also residual", {{5, 4}, {4, 4}, {4}}, [](Context&, const Vars& v) {
                     const Var h = linear(v[0], v[1], v[2], {.activation = UnaryOp::kTanh, .dropout = {}, .residual = v[0]});
                     return Vars{linear(h, v[1], v[2], {.activation = UnaryOp::kNone, .dropout = {}, .residual = h})};
                   }});
  cases.push_back({"linear: views", {{7, 9}, {8, 9}}, [](Context&, const Vars& v) {
                     return Vars{linear(narrow(v[0], 1, 2, 5), narrow(narrow(v[1], 0, 1, 4), 1, 3, 5))};
                   }});
  for (int i = -1; i < kUnaryOps; ++i) {
    const auto op = static_cast<UnaryOp>(i);
    if (op == UnaryOp::kLog || op == UnaryOp::kSqrt) continue;  // products have any sign
    cases.push_back(
        {std::string("linear: everything, ") + name_of(op), {{6, 4}, {5, 4}, {5}, {6, 5}}, [op](Context&, const Vars& v) {
           return Vars{linear(v[0], v[1], v[2], {.activation = op, .dropout = {0.25, 1}, .residual = v[3]})};
         }});
  }
}

void add_norms(std::vector<OpCase>& cases) {
  cases.push_back(
      {"layer_norm", {{4, 19}, {19}, {19}}, [](Context&, const Vars& v) { return Vars{layer_norm(v[0], v[1], v[2])}; }});
  cases.push_back({"layer_norm: many rows, in a residual block", {{2, 35, 3}, {3}, {3}}, [](Context&, const Vars& v) {
                     return Vars{v[0] + tanh(layer_norm(v[0], v[1], v[2], 1e-3))};
                   }});
  cases.push_back({"rms_norm", {{4, 19}, {19}}, [](Context&, const Vars& v) { return Vars{rms_norm(v[0], v[1])}; }});
  cases.push_back({"rms_norm: of a view, in a residual block", {{4, 19}, {7}}, [](Context&, const Vars& v) {
                     const Var x = narrow(v[0], 1, 3, 7);
                     return Vars{x * x + rms_norm(x, v[1], 1e-3)};
                   }});
  cases.push_back({"softmax", {{4, 19}}, [](Context&, const Vars& v) { return Vars{softmax(v[0])}; }});
  cases.push_back({"softmax: three dimensions, a view", {{5, 2, 3}}, [](Context&, const Vars& v) {
                     return Vars{softmax(transpose(v[0], 0, 2))};
                   }});
  cases.push_back({"cross_entropy", {{5, 7}}, [](Context& c, const Vars& v) {
                     return Vars{cross_entropy(v[0], ints(c, {6, kIgnoreLabel, 0, 3, 3})) * 2};
                   }});
  cases.push_back(
      {"cross_entropy: one row", {{1, 3}}, [](Context& c, const Vars& v) { return Vars{cross_entropy(v[0], ints(c, {1}))}; }});
}

void add_attention(std::vector<OpCase>& cases) {
  const Offsets queries({0, 3, 3, 8, 10}), keys({0, 2, 4, 4, 11});  // a sequence without queries, one without keys
  for (const bool causal : {false, true})
    for (const double p : {0.0, 0.3}) {
      const std::string kind = std::string(causal ? "causal" : "full") + (p > 0 ? ", dropout" : "");
      const AttentionOptions self{.heads = 2, .q_offsets = queries, .k_offsets = queries, .causal = causal, .dropout = {p, 2}};
      cases.push_back({"attention: " + kind, {{10, 6}, {10, 6}, {10, 6}}, [self](Context&, const Vars& v) {
                         return Vars{attention(v[0], v[1], v[2], self)};
                       }});
      cases.push_back(
          {"self_attention: " + kind, {{10, 18}}, [self](Context&, const Vars& v) { return Vars{self_attention(v[0], self)}; }});
      const AttentionOptions cross{
          .heads = 3, .q_offsets = queries, .k_offsets = keys, .causal = causal, .scale = 0.7, .dropout = {p, 2}, .max_tokens = 20};
      cases.push_back({"attention: cross, " + kind, {{10, 6}, {11, 6}, {11, 6}}, [cross](Context&, const Vars& v) {
                         return Vars{attention(v[0], v[1], v[2], cross)};
                       }});
    }
  cases.push_back({"rope", {{5, 12}}, [](Context& c, const Vars& v) {
                     const ops::RopeTable table = ops::rope_table(c, 9, 4, 100, v[0].dtype());
                     const Tensor positions = ints(c, {0, 1, 8, 8, 3});
                     return Vars{rope(v[0], positions, 3, table), rope(v[0], positions, 2, table),
                                 rope(narrow(v[0], 1, 1, 8), positions, 2, table)};
                   }});
}

void add_rows(std::vector<OpCase>& cases) {
  cases.push_back({"embedding", {{6, 3}}, [](Context& c, const Vars& v) {
                     return Vars{embedding(v[0], ints(c, {5, 0, 5, 2, 5})), embedding(v[0], ints(c, {1, 0, 3, 4}).reshape({2, 2}))};
                   }});
  cases.push_back({"add_embedding", {{4, 3}, {6, 3}}, [](Context& c, const Vars& v) {
                     return Vars{square(add_embedding(v[0], v[1], ints(c, {5, 0, 5, 2})))};
                   }});
  cases.push_back({"embedding: tied to the output layer", {{6, 3}}, [](Context& c, const Vars& v) {
                     return Vars{linear(tanh(embedding(v[0], ints(c, {1, 4, 1}))), v[0])};
                   }});
  cases.push_back({"gather_rows", {{6, 3}}, [](Context& c, const Vars& v) { return Vars{gather_rows(v[0], ints(c, {5, 0, 5}))}; }});
  const Offsets offsets({0, 3, 3, 75, 76}), full({0, 3, 8, 9});
  cases.push_back({"mean_pool", {{76, 3}}, [offsets](Context&, const Vars& v) { return Vars{mean_pool(v[0], offsets)}; }});
  cases.push_back({"first_pool", {{9, 3}}, [full](Context&, const Vars& v) { return Vars{first_pool(v[0], full)}; }});
}

}  // namespace

const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase> cases = [] {
    std::vector<OpCase> list;
    add_unary(list);
    add_binary(list);
    add_shapes(list);
    add_products(list);
    add_norms(list);
    add_attention(list);
    add_rows(list);
    for (OpCase& c : list)
      for (const Shape& shape : c.inputs) c.may_be_constant = c.may_be_constant || shape.numel() == 0;
    return list;
  }();
  return cases;
}

Tensor sample(Context& context, const Shape& shape, DType dtype, std::uint32_t site, bool positive) {
  Random random(random_key(11, 0, "op_cases"), 0, site);
  std::vector<double> values(static_cast<std::size_t>(shape.numel()));
  for (double& v : values) {
    v = random.normal();
    v = positive ? 0.3 + std::fabs(v) : v + std::copysign(0.1, v);
  }
  if (!context.computes()) return Tensor::empty(context, shape, dtype);
  return Tensor::from(context, values, shape).to(dtype);
}

std::vector<Tensor> samples(Context& context, const OpCase& op_case, DType dtype) {
  std::vector<Tensor> tensors;
  for (const Shape& shape : op_case.inputs)
    tensors.push_back(sample(context, shape, dtype, static_cast<std::uint32_t>(tensors.size()), op_case.positive));
  return tensors;
}

}  // namespace lathe::test
