// tpe@optuna-5.0: the same split and the same densities as Optuna 5.0.0, and what must hold of its draws.
#include <lathe/nas/sampler/tpe.h>

#include "tests/nas/optuna_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

TEST_CASE("tpe: split and density ratios are those of Optuna 5.0.0") {
  int ratios = 0;
  for (OptunaStudy& study : read_optuna("tpe.txt")) {
    CAPTURE(study.header.name);
    study.header.sampler = "tpe@optuna-5.0";
    TpeSampler tpe(study.header);
    const SamplerView view = study.view();
    std::vector<double> candidate;
    for (const auto& fact : study.facts) {
      if (fact[0] == "below") {
        std::vector<double> below;
        for (const std::int64_t number : tpe.below(view)) below.push_back(static_cast<double>(number));
        CHECK(below == numbers_of(fact[1]));
      }
      if (fact[0] == "candidate") candidate = numbers_of(fact[1]);
      if (fact[0] != "ratio") continue;
      CAPTURE(fact[1]);
      const std::vector<double> expected = numbers_of(fact[2]);
      bool found = false;
      for (const TpeSampler::Ratio& ratio : tpe.ratios(view, candidate)) {
        if (join(ratio.parameters, ",") != fact[1]) continue;
        found = true;
        CHECK(ratio.log_below == doctest::Approx(expected[0]).epsilon(1e-9));
        CHECK(ratio.log_above == doctest::Approx(expected[1]).epsilon(1e-9));
        CHECK(close(ratio.log_below - ratio.log_above, expected[0] - expected[1]));
        ++ratios;
      }
      CHECK(found);
    }
  }
  CHECK(ratios > 100);
}
