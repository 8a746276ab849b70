#include <lathe/tensor/ops.h>
#include <lathe/tensor/ops_detail.h>

namespace lathe::ops {
using namespace detail;

namespace {

/// Shape of `ids` with one row of the table for each id.
Shape row_shape(const char* op, const Tensor& table, const Tensor& ids) {
  expect_float(op, table);
  expect_dims(op, "a table", table, 2);
  expect_dtype(op, "ids", ids, DType::kI32);
  expect_same_context(op, table, ids);
  return ids.shape().inserted(ids.dims(), table.shape()[1]);
}

const std::int32_t* checked_ids(const char* op, const Tensor& ids, Index rows) {
  const std::int32_t* id = ids.data<std::int32_t>();
  for (Index i = 0; i < ids.numel(); ++i)
    if (id[i] < 0 || id[i] >= rows) throw InputError(str("[", op, "] expected ids in [0, ", rows, "), got ", id[i], " at ", i));
  return id;
}

/// The memory of a table of which only the rows `ids` will be read.
template <class T>
const T* in_rows(const Tensor& table, std::span<const std::int32_t> ids) {
  if (table.offset() != 0) return in<T>(table);  // deferred edits know whole tables only
  return reinterpret_cast<const T*>(table.storage().data(ids, table.shape()[1]));
}

Tensor look_up(Tensor y, const Tensor& table, const Tensor& ids, bool accumulate) {
  const Tensor source = table.contiguous(), list = ids.contiguous();
  const Index n = table.shape()[1];
  if (accumulate) count(table, OpClass::kEmbedding, y.numel());
  compute("embedding", table, [&]<class T>(const Kernels<T>& k) {
    const std::int32_t* id = checked_ids("embedding", list, table.shape()[0]);
    const std::span<const std::int32_t> rows(id, static_cast<std::size_t>(ids.numel()));
    k.embedding_fwd(table.context().exec(), {ids.numel(), n, id, in_rows<T>(source, rows), out<T>(y), n, accumulate});
  });
  return y;
}

}  // namespace

Tensor embedding(const Tensor& table, const Tensor& ids) {
  const Shape shape = row_shape("embedding", table, ids);
  return look_up(Tensor::empty(table.context(), shape, table.dtype()), table, ids, false);
}

Tensor embedding_add(const Tensor& x, const Tensor& table, const Tensor& ids) {
  expect_operands("embedding", table, x);
  expect_defined("embedding", x);
  expect_shape("embedding", "an input", x, row_shape("embedding", table, ids));
  return look_up(x.clone(), table, ids, true);
}

void embedding_bwd(const Tensor& dy, const Tensor& ids, Tensor& dtable) {
  expect_operands("embedding", dtable, dy);
  expect_shape("embedding", "a cotangent", dy, row_shape("embedding", dtable, ids));
  const Rows cotangent = as_rows(dy);
  const Tensor list = ids.contiguous();
  count(dy, OpClass::kEmbedding, dy.numel());
  edit_contiguous(dtable, [&](Tensor& target) {
    compute("embedding", dtable, [&]<class T>(const Kernels<T>& k) {
      const std::int32_t* id = checked_ids("embedding", list, dtable.shape()[0]);
      k.embedding_bwd(dtable.context().exec(), {ids.numel(), dtable.shape()[1], dtable.shape()[0], id, in<T>(cotangent.tensor),
                                                cotangent.ld, out<T>(target)});
    });
  });
}

Tensor mean_pool(const Tensor& x, const Offsets& offsets) {
  expect_float("mean_pool", x);
  expect_dims("mean_pool", "an input", x, 2);
  const Index n = x.shape()[1];
  expect_shape("mean_pool", "an input", x, {offsets.tokens(), n});
  const Rows input = as_rows(x);
  Tensor y = Tensor::empty(x.context(), {offsets.sequences(), n}, x.dtype());
  count(x, OpClass::kReduce, x.numel());
  compute("mean_pool", x, [&]<class T>(const Kernels<T>& k) {
    k.mean_pool_fwd(x.context().exec(), {offsets.sequences(), n, offsets.data(), in<T>(input.tensor), input.ld, out<T>(y)});
  });
  return y;
}

Tensor mean_pool_bwd(const Tensor& dy, const Offsets& offsets) {
  expect_float("mean_pool", dy);
  expect_dims("mean_pool", "a cotangent", dy, 2);
  const Index n = dy.shape()[1];
  expect_shape("mean_pool", "a cotangent", dy, {offsets.sequences(), n});
  const Tensor cotangent = dy.contiguous();
  Tensor dx = Tensor::empty(dy.context(), {offsets.tokens(), n}, dy.dtype());
  count(dx, OpClass::kReduce, dx.numel());
  compute("mean_pool", dy, [&]<class T>(const Kernels<T>& k) {
    k.mean_pool_bwd(dy.context().exec(), {offsets.sequences(), n, offsets.data(), in<T>(cotangent), out<T>(dx), n});
  });
  return dx;
}

}  // namespace lathe::ops
