// A batch cut into groups of rows anywhere, empty groups too, gives the bits of the whole batch: sums over rows go on across cuts.
#include <doctest/doctest.h>
#include <lathe/base/random.h>
#include <lathe/tensor/backend.h>

#include <cstring>
#include <vector>

namespace lathe::test {
namespace {

using Floats = std::vector<float>;

Floats numbers(Random& random, Index n) {
  Floats x(static_cast<std::size_t>(n));
  for (float& v : x) v = static_cast<float>(2 * random.uniform() - 1);
  return x;
}

bool same(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Where a batch of `rows` is cut: 0, …, rows, ascending.
std::vector<Index> cuts(Random& random, Index rows) {
  std::vector<Index> at{0};
  for (const std::uint32_t largest = 1 + random.below(900); at.back() < rows;) {
    Index step = random.below(4) == 0 ? 256 : static_cast<Index>(random.below(largest + 1));
    if (random.below(8) == 0) step = 0;
    at.push_back(std::min(rows, at.back() + step));
  }
  if (random.below(2) == 0) at.push_back(rows);
  return at;
}

/// f(first row, rows, range) for every group.
template <class F>
void each_group(const std::vector<Index>& at, F f) {
  for (std::size_t i = 0; i + 1 < at.size(); ++i) f(at[i], at[i + 1] - at[i], RowRange{at[i], i + 2 == at.size()});
}

template <class Body>
void on_all_backends(Body body) {
  const FloatingPointScope scope;
  std::vector<std::string> names = available_backends();
  for (const std::string& name : bf16_backends()) names.push_back(name);
  for (const std::string& name : names) {
    CAPTURE(name);
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      CAPTURE(seed);
      Random random(random_key(seed, 0, "cuts"));
      Exec exec(seed % 2 == 0 ? 1 : 3);
      body(*find_backend(name), exec, random);
    }
  }
}

constexpr float kNobody = 7e33f;  // what state holds before it was written: must never be read

TEST_CASE("weight gradients do not depend on cuts") {
  on_all_backends([](const Kernels<float>& table, Exec& exec, Random& random) {
    const Index m = random.below(2600), n = 1 + random.below(70), k = 1 + random.below(random.below(4) == 0 ? 300 : 40);
    const Floats dy = numbers(random, m * n), x = numbers(random, m * k), before = numbers(random, n * k);
    const bool from_zero = random.below(2) == 0;
    const Floats zeros(before.size());
    Floats expected = from_zero ? zeros : before, found = from_zero ? Floats(before.size(), kNobody) : before;
    table.linear_bwd_weight(exec, {m, n, k, dy.data(), n, x.data(), k, expected.data(), k});
    Floats chain(before.size(), kNobody), segment(before.size(), kNobody);
    each_group(cuts(random, m), [&](Index first, Index rows, RowRange range) {
      table.linear_bwd_weight(exec, {rows, n, k, dy.data() + first * n, n, x.data() + first * k, k, found.data(), k, from_zero,
                                     range, chain.data(), segment.data()});
    });
    CHECK(same(found, expected));
  });
}

TEST_CASE("sums of rows do not depend on cuts") {
  on_all_backends([](const Kernels<float>& table, Exec& exec, Random& random) {
    const Index rows = random.below(700), n = 1 + random.below(150);
    const Floats x = numbers(random, rows * n);
    Floats expected = numbers(random, n), found = expected, open(expected.size(), kNobody);
    table.sum_rows(exec, {rows, n, x.data(), n, expected.data()});
    each_group(cuts(random, rows), [&](Index first, Index size, RowRange range) {
      table.sum_rows(exec, {size, n, x.data() + first * n, n, found.data(), range, open.data()});
    });
    CHECK(same(found, expected));
  });
}

TEST_CASE("gradients of norms do not depend on cuts") {
  on_all_backends([](const Kernels<float>& table, Exec& exec, Random& random) {
    const Index rows = random.below(700), n = 1 + random.below(90);
    const Floats x = numbers(random, rows * n), dy = numbers(random, rows * n), gamma = numbers(random, n);
    const Floats mean = numbers(random, rows), rstd = numbers(random, rows);
    NormBwdArgs<float> args{NormKind::kLayer, rows, n, dy.data(), n, x.data(), n, gamma.data(), mean.data(), rstd.data()};
    Floats dx(x.size()), dgamma = numbers(random, n), dbeta = numbers(random, n);
    Floats dx_cut(x.size()), dgamma_cut = dgamma, dbeta_cut = dbeta, open_gamma(dgamma.size(), kNobody),
                             open_beta(dbeta.size(), kNobody);
    args.dx = dx.data(), args.lddx = n, args.dgamma = dgamma.data(), args.dbeta = dbeta.data();
    table.norm_bwd(exec, args);
    each_group(cuts(random, rows), [&](Index first, Index size, RowRange range) {
      NormBwdArgs<float> part = args;
      part.rows = size, part.dy += first * n, part.x += first * n, part.mean += first, part.rstd += first;
      part.dx = dx_cut.data() + first * n, part.dgamma = dgamma_cut.data(), part.dbeta = dbeta_cut.data();
      part.range = range, part.open_gamma = open_gamma.data(), part.open_beta = open_beta.data();
      table.norm_bwd(exec, part);
    });
    CHECK(same(dx_cut, dx));
    CHECK(same(dgamma_cut, dgamma));
    CHECK(same(dbeta_cut, dbeta));
  });
}

}  // namespace
}  // namespace lathe::test
