// One list of differentiable functions at sample inputs: gradcheck, meta shapes and other tests run over it.
#pragma once
#include <lathe/autograd/functions.h>

#include <functional>
#include <string>
#include <vector>

namespace lathe::test {

struct OpCase {
  std::string name;  ///< the function of functions.h, then ": what is special about this case"
  std::vector<Shape> inputs;
  std::function<std::vector<Var>(Context&, const std::vector<Var>&)> call;
  bool positive = false;  ///< inputs in about [0.3, 3] instead of normals
  bool may_be_constant = false;

  std::string function() const { return name.substr(0, name.find(':')); }
};

/// Every function of functions.h and every line of unary.def has at least one case; gradcheck_test checks that.
const std::vector<OpCase>& op_cases();

/// Normals kept at least 0.1 away from 0, where relu and its like have their kink; or positive numbers.
Tensor sample(Context& context, const Shape& shape, DType dtype, std::uint32_t site, bool positive = false);
std::vector<Tensor> samples(Context& context, const OpCase& op_case, DType dtype);

}  // namespace lathe::test
