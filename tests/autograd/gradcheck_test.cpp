// Gradients of every function against finite differences, and gradcheck itself against gradients that are wrong.
#include <doctest/doctest.h>
#include <lathe/autograd/gradcheck.h>
#include <lathe/base/error.h>
#include <lathe/base/file.h>

#include <regex>
#include <set>

#include "tests/autograd/op_cases.h"

using namespace lathe;
using namespace lathe::test;
using autograd::Backward;

TEST_CASE("every function of functions.h and unary.def has a case") {
  std::set<std::string> covered;
  for (const OpCase& c : op_cases()) covered.insert(c.function());
  const std::string header = read_file(std::string(LATHE_SOURCE_DIR) + "/autograd/functions.h");
  std::set<std::string> declared;
  const std::regex declaration(R"((?:^|\n)(?:std::vector<Var>|Var) (\w+)\()");
  for (std::sregex_iterator it(header.begin(), header.end(), declaration), end; it != end; ++it) declared.insert((*it)[1]);
  CHECK(declared.size() >= 26);
  for (const std::string& name : unary_names()) declared.insert(name);
  for (const std::string& name : declared) CHECK_MESSAGE(covered.count(name) == 1, "no case for ", name);
  for (const std::string& name : covered)
    CHECK_MESSAGE(declared.count(name) == 1, "a case for a function that does not exist: ", name);
}

TEST_CASE("gradients agree with central differences in f64 on spec") {
  Context ctx({.backend = "spec", .seed = 1});
  ctx.set_step(4);
  std::int64_t compared = 0;
  double worst = 0;
  for (const OpCase& c : op_cases()) {
    GradcheckOptions options;
    options.may_be_constant = c.may_be_constant;
    const GradcheckReport report = gradcheck(
        c.name, [&](const std::vector<Var>& v) { return c.call(ctx, v); }, samples(ctx, c, DType::kF64), options);
    CHECK_MESSAGE(report.ok, report.message);
    compared += report.compared;
    worst = std::max(worst, report.worst);
  }
  MESSAGE(op_cases().size(), " cases, ", compared, " gradient elements, worst deviation ", worst, " of what is allowed");
  CHECK(compared > 5000);
}

namespace {

/// y = x³ with a gradient function of the caller's.
VarFunction cube(autograd::GradientFunction gradient) {
  return [gradient = std::move(gradient)](const std::vector<Var>& v) {
    const Tensor& x = v[0].value();
    return std::vector<Var>{autograd::record("cube", {v[0]}, ops::mul(ops::mul(x, x), x), {x}, gradient)};
  };
}

Tensor right(Backward& b) { return ops::mul(ops::scale(ops::mul(b.saved(0), b.saved(0)), 3), b.dy()); }

std::string failure(const VarFunction& f, const GradcheckOptions& options = {}) {
  Context ctx({.backend = "spec"});
  const GradcheckReport report = gradcheck("cube", f, {sample(ctx, {2, 3}, DType::kF64, 0)}, options);
  CHECK(report.ok == report.message.empty());
  return report.message;
}

}  // namespace

TEST_CASE("gradcheck accepts a right gradient and rejects wrong ones") {
  CHECK(failure(cube([](Backward& b) { b.add(0, right(b)); })) == "");
  const std::string wrong = failure(cube([](Backward& b) { b.add(0, ops::scale(right(b), 1.001)); }));
  CHECK(wrong.starts_with("[cube] gradcheck: input 0, element 0: gradient "));
  CHECK(wrong.find(", finite difference ") != std::string::npos);
  SUBCASE("slightly wrong in one element") {
    CHECK(failure(cube([](Backward& b) {
            Tensor g = right(b);
            g.mutable_data<double>()[4] *= 1 + 1e-5;
            b.add(0, g);
          })).starts_with("[cube] gradcheck: input 0, element 4: "));
  }
  SUBCASE("zero everywhere") {
    CHECK(failure(cube([](Backward& b) { b.zero(0); })).starts_with("[cube] gradcheck: input 0, element 0: gradient 0, "));
  }
  SUBCASE("missing") {
    CHECK(
        failure(cube([](Backward&) {})) ==
        "[cube] gradcheck: [cube] expected a gradient for input 0, got none: its gradient function must serve every wanted input");
  }
  SUBCASE("right for a plain sum only: the cotangent is ignored") {
    CHECK(failure(cube([](Backward& b) { b.add(0, ops::scale(ops::mul(b.saved(0), b.saved(0)), 3)); })) != "");
  }
  SUBCASE("overwrites what other consumers left") {
    CHECK(failure(cube([](Backward& b) {
            Tensor& g = b.accumulator(0);
            g.copy_from(right(b));
          })).starts_with("[cube] gradcheck: input 0, element "));
  }
  SUBCASE("not finite") {
    CHECK(failure(cube([](Backward& b) { b.add(0, ops::scale(right(b), 1e308 * 10)); })) != "");
  }
  SUBCASE("of the wrong shape") {
    CHECK(failure(cube([](Backward& b) { b.add(0, right(b).reshape({6})); })) ==
          "[cube] gradcheck: [cube] expected a gradient f64 [2, 3] for input 0, got f64 [6]");
  }
}

TEST_CASE("gradcheck is not satisfied by what proves nothing") {
  CHECK(failure([](const std::vector<Var>& v) { return std::vector<Var>{v[0].detach()}; }) ==
        "[cube] gradcheck: no gradient was recorded: no output depends on an input by the tape");
  const VarFunction constant = [](const std::vector<Var>& v) { return std::vector<Var>{v[0] * 0}; };
  CHECK(failure(constant) ==
        "[cube] gradcheck: input 0: the function does not depend on it, so nothing is proved about its gradient");
  CHECK(failure(constant, {.may_be_constant = true}) == "");
  // One way recorded, the other cut off.
  CHECK(failure([](const std::vector<Var>& v) { return std::vector<Var>{v[0] * v[0].detach()}; }) != "");
  Context ctx({.backend = "spec"});
  const GradcheckReport half = gradcheck("half", [](const std::vector<Var>& v) { return std::vector<Var>{v[0] + v[1].detach()}; },
                                         {sample(ctx, {2}, DType::kF64, 0), sample(ctx, {2}, DType::kF64, 1)});
  CHECK(half.message.starts_with("[half] gradcheck: input 1: no gradient arrived, largest finite difference "));
  CHECK_THROWS_AS(gradcheck("none", constant, {}), InputError);
}
