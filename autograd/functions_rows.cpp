#include <lathe/autograd/functions.h>
#include <lathe/base/error.h>
#include <lathe/base/text.h>

namespace lathe {
using autograd::Backward;
using autograd::record;

Var embedding(const Var& table, const Tensor& ids) {
  return record("embedding", {table}, ops::embedding(table.value(), ids), {ids},
                [](Backward& b) { ops::embedding_bwd(b.dy(), b.saved(0), b.accumulator_rows(0, b.saved(0))); });
}

Var add_embedding(const Var& x, const Var& table, const Tensor& ids) {
  return record("add_embedding", {x, table}, ops::embedding_add(x.value(), table.value(), ids), {ids}, [](Backward& b) {
    if (b.wants(0)) b.add(0, b.dy());
    if (b.wants(1)) ops::embedding_bwd(b.dy(), b.saved(0), b.accumulator_rows(1, b.saved(0)));
  });
}

Var gather_rows(const Var& x, const Tensor& rows) {
  return record("gather_rows", {x}, ops::embedding(x.value(), rows), {rows},
                [](Backward& b) { ops::embedding_bwd(b.dy(), b.saved(0), b.accumulator_rows(0, b.saved(0))); });
}

Var mean_pool(const Var& x, const Offsets& offsets) {
  return record("mean_pool", {x}, ops::mean_pool(x.value(), offsets), {},
                [offsets](Backward& b) { b.add(0, ops::mean_pool_bwd(b.dy(), offsets)); });
}

Var first_pool(const Var& x, const Offsets& offsets) {
  if (x.shape().dims() != 2 || x.size(0) != offsets.tokens())
    throw InputError(str("[first_pool] expected an input [", offsets.tokens(), ", n], got ", x.shape().text()));
  std::vector<std::int32_t> first;
  for (Index s = 0; s < offsets.sequences(); ++s) {
    if (offsets.length(s) == 0)
      throw InputError(str("[first_pool] expected sequences of at least one token, got none in sequence ", s));
    first.push_back(static_cast<std::int32_t>(offsets.begin(s)));
  }
  return gather_rows(x, Tensor::from(x.context(), first, {offsets.sequences()}));
}

}  // namespace lathe
