#include <lathe/tensor/ops.h>
#include <lathe/tensor/ops_detail.h>

#include <algorithm>
#include <cstring>

namespace lathe {
namespace {

struct UnaryEntry {
  const char* name;
  bool saves;
  int flops;
  const char* onnx;
};

constexpr UnaryEntry kUnary[] = {
#define LATHE_UNARY(name, Functor, saves, flops, onnx) {#name, #saves[0] == 'd', flops, #onnx},
#include <lathe/tensor/unary.def>
#undef LATHE_UNARY
};

const UnaryEntry& entry(UnaryOp op) {
  const auto i = static_cast<int>(op);
  LATHE_CHECK(i >= 0 && i < kUnaryOps, "not a unary function");
  return kUnary[i];
}

}  // namespace

const char* name_of(UnaryOp op) { return op == UnaryOp::kNone ? "none" : entry(op).name; }
bool saves_derivative(UnaryOp op) { return op != UnaryOp::kNone && entry(op).saves; }
const char* onnx_name(UnaryOp op) { return op == UnaryOp::kNone ? "Identity" : entry(op).onnx; }
int flops_of(UnaryOp op) { return op == UnaryOp::kNone ? 0 : entry(op).flops; }

std::vector<std::string> unary_names() {
  std::vector<std::string> names;
  for (const UnaryEntry& e : kUnary) names.emplace_back(e.name);
  return names;
}

UnaryOp unary_op(std::string_view name) {
  for (int i = 0; i < kUnaryOps; ++i)
    if (name == kUnary[i].name) return static_cast<UnaryOp>(i);
  const std::vector<std::string> names = unary_names();
  const auto close = nearest(name, names);
  throw InputError(
      str("[unary] expected one of ", join(names, ", "), ", got '", name, "'", close ? str(" (did you mean ", *close, "?)") : ""));
}

const char* name_of(BinaryOp op) {
  static constexpr const char* kNames[] = {"add", "sub", "mul", "div"};
  return kNames[static_cast<int>(op)];
}

namespace ops {
using namespace detail;

namespace {

void run_unary(UnaryOp op, const Tensor& x, Tensor& y, Tensor* derivative) {
  count(x, OpClass::kElementwise, x.numel() * (flops_of(op) + (derivative ? 1 : 0)));
  compute(name_of(op), x, [&]<class T>(const Kernels<T>& k) {
    k.unary[static_cast<int>(op)](x.context().exec(), {x.numel(), in<T>(x), out<T>(y), out<T>(derivative)});
  });
}

void run_binary(BinaryOp op, const Tensor& a, const Tensor& b, Tensor& y) {
  count(y, OpClass::kElementwise, y.numel());
  compute(name_of(op), y, [&]<class T>(const Kernels<T>& k) {
    // Fewer dimensions, as far as y and both operands allow: an operation on equal shapes is one long row.
    const Strides sa = broadcast_strides(a, y.shape()), sb = broadcast_strides(b, y.shape());
    const Collapsed c = collapse(y.shape(), sa, sb);
    BinaryArgs<T> args{op, c.dims, {}, {}, {}, in<T>(a), in<T>(b), out<T>(y)};
    std::copy_n(c.shape, c.dims, args.shape);
    std::copy_n(c.a_stride, c.dims, args.a_stride);
    std::copy_n(c.b_stride, c.dims, args.b_stride);
    k.binary(y.context().exec(), args);
  });
}

}  // namespace

Tensor unary(UnaryOp op, const Tensor& x) {
  if (op == UnaryOp::kNone) return x;
  expect_float(name_of(op), x);
  const Tensor source = x.contiguous();
  Tensor y = Tensor::empty(x.context(), x.shape(), x.dtype());
  run_unary(op, source, y, nullptr);
  return y;
}

Tensor unary(UnaryOp op, const Tensor& x, Tensor& derivative) {
  expect_float(name_of(op), x);
  const Tensor source = x.contiguous();
  Tensor y = Tensor::empty(x.context(), x.shape(), x.dtype());
  derivative = Tensor::empty(x.context(), x.shape(), x.dtype());
  run_unary(op, source, y, &derivative);
  return y;
}

Tensor binary(BinaryOp op, const Tensor& a, const Tensor& b) {
  expect_operands(name_of(op), a, b);
  expect_defined(name_of(op), b);
  Tensor y = Tensor::empty(a.context(), broadcast_shape(name_of(op), a.shape(), b.shape()), a.dtype());
  run_binary(op, a, b, y);
  return y;
}

void add_in_place(Tensor& y, const Tensor& x) {
  expect_operands("add", y, x);
  expect_defined("add", x);
  if (!(broadcast_shape("add", y.shape(), x.shape()) == y.shape()))
    expect_shape("add", "a right operand that stretches to", x, y.shape());
  edit_contiguous(y, [&](Tensor& target) { run_binary(BinaryOp::kAdd, target, x, target); });
}

namespace {

void run_scale(const Tensor& x, double alpha, Tensor& y) {
  count(x, OpClass::kElementwise, x.numel());
  compute("scale", x, [&]<class T>(const Kernels<T>& k) {
    k.scale(x.context().exec(), {x.numel(), in<T>(x), static_cast<T>(alpha), out<T>(y)});
  });
}

}  // namespace

Tensor scale(const Tensor& x, double alpha) {
  expect_float("scale", x);
  const Tensor source = x.contiguous();
  Tensor y = Tensor::empty(x.context(), x.shape(), x.dtype());
  run_scale(source, alpha, y);
  return y;
}

void scale_in_place(Tensor& x, double alpha) {
  expect_float("scale", x);
  edit_contiguous(x, [&](Tensor& target) { run_scale(target, alpha, target); });
}

Tensor dropout(const Tensor& x, const Dropout& dropout, Index first_row) {
  expect_float("dropout", x);
  if (!dropout.on()) return x;
  const Tensor source = x.contiguous();
  Tensor y = Tensor::empty(x.context(), x.shape(), x.dtype());
  count(x, OpClass::kElementwise, x.numel());
  const Index n = x.dims() ? x.size(-1) : 1;
  compute("dropout", x, [&]<class T>(const Kernels<T>& k) {
    k.dropout(x.context().exec(), {n ? x.numel() / n : 0, n, first_row, in<T>(source), out<T>(y), dropout});
  });
  return y;
}

Tensor sum(const Tensor& x, Index axis, bool keep_dims) {
  expect_float("sum", x);
  const int d = normal_dim("sum", axis, x.dims());
  const Tensor source = x.contiguous();
  Index outer = 1, inner = 1;
  for (int i = 0; i < d; ++i) outer *= x.shape()[i];
  for (int i = d + 1; i < x.dims(); ++i) inner *= x.shape()[i];
  Tensor y = Tensor::empty(x.context(), keep_dims ? x.shape().with(d, 1) : x.shape().without(d), x.dtype());
  count(x, OpClass::kReduce, x.numel());
  compute("sum", x, [&]<class T>(const Kernels<T>& k) {
    k.reduce_sum(x.context().exec(), {outer, x.shape()[d], inner, in<T>(source), out<T>(y)});
  });
  return y;
}

Tensor sum_all(const Tensor& x) { return sum(x.reshape({x.numel()}), 0); }

void sum_onto(Tensor& target, const Tensor& x) {
  expect_operands("sum_onto", target, x);
  if (!(broadcast_shape("sum_onto", target.shape(), x.shape()) == x.shape()))
    throw InputError(str("[sum_onto] expected a shape that stretches to ", x.shape().text(), ", got ", target.shape().text()));
  // Dimensions of x in runs, kept and summed by turns. A run is one loop: all leading rows of a bias are one Σrows.
  struct Run {
    bool summed;
    Index size;
  };
  std::vector<Run> runs;
  const int missing = x.dims() - target.dims();
  for (int d = 0; d < x.dims(); ++d) {
    if (x.shape()[d] == 1) continue;
    const bool summed = d < missing || target.shape()[d - missing] == 1;
    if (runs.empty() || runs.back().summed != summed)
      runs.push_back({summed, x.shape()[d]});
    else
      runs.back().size *= x.shape()[d];
  }
  Tensor rest = x;
  for (;;) {
    std::size_t last = runs.size();
    while (last > 0 && !runs[last - 1].summed) --last;
    if (last == 0) return add_in_place(target, rest.reshape(target.shape()));
    Index outer = 1, inner = 1;
    bool only = true;
    for (std::size_t i = 0; i + 1 < last; ++i) {
      outer *= runs[i].size;
      only = only && !runs[i].summed;
    }
    for (std::size_t i = last; i < runs.size(); ++i) inner *= runs[i].size;
    const Index n = runs[last - 1].size;
    if (!only) {
      rest = sum(rest.reshape({outer, n, inner}), 1);
      runs.erase(runs.begin() + static_cast<std::ptrdiff_t>(last) - 1);
      continue;
    }
    rest = rest.contiguous();
    count(rest, OpClass::kReduce, rest.numel());
    edit_contiguous(target, [&](Tensor& onto) {
      compute("sum_onto", rest, [&]<class T>(const Kernels<T>& k) {
        k.reduce_sum(rest.context().exec(), {outer, n, inner, in<T>(rest), out<T>(onto), true});
      });
    });
    return;
  }
}

void sum_rows_onto(Tensor& y, const Tensor& x, const RowRange& range, OpenRows* open) {
  expect_operands("sum_rows_onto", y, x);
  const Rows rows = as_rows(x);
  expect_shape("sum_rows_onto", "a sum", y, {rows.n});
  count(x, OpClass::kReduce, x.numel());
  make_open_block(y, rows.rows, range, open);
  Tensor none, &block = open ? open->chain : none;
  edit_contiguous(y, [&](Tensor& onto) {
    compute("sum_rows_onto", x, [&]<class T>(const Kernels<T>& k) {
      k.sum_rows(x.context().exec(), {rows.rows, rows.n, in<T>(rows.tensor), rows.ld, out<T>(onto), range, out<T>(block)});
    });
  });
  if (open && range.last) *open = {};
}

Tensor concat(std::span<const Tensor> parts, Index axis) {
  if (parts.empty()) throw InputError("[concat] expected at least one part, got none");
  expect_defined("concat", parts[0]);
  const Tensor& first = parts[0];
  const int d = normal_dim("concat", axis, first.dims());
  Index total = 0;
  for (const Tensor& part : parts) {
    expect_dtype("concat", "parts", part, first.dtype());
    expect_same_context("concat", first, part);
    expect_dims("concat", "parts", part, first.dims());
    expect_shape("concat", "parts", part, first.shape().with(d, part.shape()[d]));
    total += part.shape()[d];
  }
  Tensor y = Tensor::empty(first.context(), first.shape().with(d, total), first.dtype());
  Index at = 0;
  for (const Tensor& part : parts) {
    y.narrow(d, at, part.shape()[d]).copy_from(part);
    at += part.shape()[d];
  }
  return y;
}

std::vector<std::int32_t> argmax(const Tensor& x) {
  expect_float("argmax", x);
  if (x.dims() == 0 || x.size(-1) == 0)
    throw InputError(str("[argmax] expected a last dimension that is not empty, got ", x.shape().text()));
  std::vector<std::int32_t> best;
  compute("argmax", x, [&]<class T>(const Kernels<T>&) {
    const Tensor source = x.contiguous();
    const T* row = source.data<T>();
    const Index n = x.size(-1);
    for (Index r = 0; r < x.numel() / n; ++r, row += n) {
      Index at = 0;
      for (Index i = 1; i < n; ++i)
        if (row[i] > row[at]) at = i;
      best.push_back(static_cast<std::int32_t>(at));
    }
  });
  return best;
}

}  // namespace ops
}  // namespace lathe
