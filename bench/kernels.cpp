// Everything but the products: attention, norms, softmax, cross entropy, embeddings, activations, dropout, optimisers, for a group
// of 256 tokens of hidden size 64 and 256.
#include <functional>

#include "bench/support.h"

namespace lathe::bench {
namespace {

using Body = std::function<void(benchmark::State&, const Kernels<float>&, Exec&, const std::string& backend)>;

void loop(benchmark::State& state, const std::function<void()>& kernel) {
  for (auto _ : state) {
    kernel();
    benchmark::ClobberMemory();
  }
}

void attention(benchmark::State& state, const Kernels<float>& table, Exec& exec, const std::string& backend, bool backward,
               Index tokens, Index length, Index hidden, Index head_dim, bool causal, float dropout) {
  std::vector<std::int32_t> offsets;
  for (Index i = 0; i <= tokens; i += length) offsets.push_back(static_cast<std::int32_t>(i));
  const Index heads = hidden / head_dim;
  Floats qkv(tokens * hidden * 3), out(tokens * hidden), max(tokens * heads), inv_sum(tokens * heads), dout(tokens * hidden),
      dqkv(tokens * hidden * 3);
  AttentionFwdArgs<float> f{};
  f.sequences = tokens / length, f.heads = heads, f.head_dim = head_dim;
  f.q_offsets = f.k_offsets = offsets.data();
  f.q = qkv.data(), f.k = f.q + hidden, f.v = f.k + hidden;
  f.ldq = f.ldk = f.ldv = 3 * hidden;
  f.scale = 0.2f, f.causal = causal, f.max_tokens = length;
  f.dropout.threshold = static_cast<std::uint32_t>(dropout * 65536), f.dropout.scale = 1 / (1 - dropout);
  f.out = out.data(), f.ldo = hidden, f.max = max.data(), f.inv_sum = inv_sum.data();
  table.attention_fwd(exec, f);
  const AttentionBwdArgs<float> b{f,          dout.data(), hidden,    dqkv.data(), dqkv.data() + hidden, dqkv.data() + 2 * hidden,
                                  3 * hidden, 3 * hidden,  3 * hidden};
  loop(state, [&] { backward ? table.attention_bwd(exec, b) : table.attention_fwd(exec, f); });
  const double pairs = static_cast<double>(tokens) * static_cast<double>(length) * static_cast<double>(hidden) * (causal ? 0.5 : 1);
  report_flops(state, backend, exec.threads(), 2 * pairs * (backward ? 5 : 2));
}

void norm(benchmark::State& state, const Kernels<float>& table, Exec& exec, bool backward, Index tokens, Index hidden) {
  Floats x(tokens * hidden), y(tokens * hidden), dy(tokens * hidden), residual(tokens * hidden), gamma(hidden), beta(hidden),
      mean(tokens), rstd(tokens), dgamma(hidden), dbeta(hidden);
  const NormFwdArgs<float> f{NormKind::kLayer, tokens, hidden,   x.data(), hidden,      gamma.data(),
                             beta.data(),      1e-5f,  y.data(), hidden,   mean.data(), rstd.data()};
  table.norm_fwd(exec, f);
  const NormBwdArgs<float> b{NormKind::kLayer, tokens,       hidden,        dy.data(),   hidden,          x.data(),
                             hidden,           gamma.data(), mean.data(),   rstd.data(), residual.data(), hidden,
                             y.data(),         hidden,       dgamma.data(), dbeta.data()};
  loop(state, [&] { backward ? table.norm_bwd(exec, b) : table.norm_fwd(exec, f); });
  report_bytes(state, static_cast<double>(tokens * hidden) * 4 * (backward ? 4 : 2));
}

void elements(benchmark::State& state, const std::function<void()>& kernel, Index n) {
  loop(state, kernel);
  state.counters["Gelem/s"] = benchmark::Counter(static_cast<double>(n) * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

void add(const std::string& name, Body body) {
  for (const std::string& backend : tuned_backends())
    benchmark::RegisterBenchmark((backend + "/" + name).c_str(), [backend, body](benchmark::State& state) {
      const FloatingPointScope scope;
      Exec exec(1);
      body(state, *find_backend(backend), exec, backend);
    });
}

void add_attention() {
  for (const bool backward : {false, true})
    for (const Index length : {32, 64, 256, 512})
      for (const Index head_dim : {16, 32, 64})
        for (const bool causal : {false, true})
          for (const float dropout : {0.0f, 0.1f}) {
            if ((causal || dropout > 0) && (head_dim != 32 || length < 64)) continue;
            add(std::string("attention_") + (backward ? "bwd" : "fwd") + "/length:" + std::to_string(length) +
                    "/head_dim:" + std::to_string(head_dim) + (causal ? "/causal" : "") + (dropout > 0 ? "/dropout" : ""),
                [=](benchmark::State& state, const Kernels<float>& table, Exec& exec, const std::string& backend) {
                  attention(state, table, exec, backend, backward, length > 256 ? length : 256, length, 256, head_dim, causal,
                            dropout);
                });
          }
}

void add_elementwise(Index n) {
  add("unary_gelu_tanh_with_derivative", [n](benchmark::State& state, const Kernels<float>& table, Exec& exec, const std::string&) {
    Floats x(n), y(n), d(n);
    elements(
        state,
        [&] {
          table.unary[static_cast<int>(UnaryOp::kGeluTanh)](exec, {n, x.data(), y.data(), d.data()});
        },
        n);
  });
  add("dropout", [n](benchmark::State& state, const Kernels<float>& table, Exec& exec, const std::string&) {
    Floats x(n), y(n);
    DropoutArgs<float> a{n / 64, 64, 0, x.data(), y.data(), {}};
    a.dropout.threshold = 6554, a.dropout.scale = 1.1f;
    elements(
        state, [&] { table.dropout(exec, a); }, n);
  });
  add("adamw", [n](benchmark::State& state, const Kernels<float>& table, Exec& exec, const std::string&) {
    Floats p(n), m(n), v(n), g(n);
    for (Index i = 0; i < n; ++i) v.data()[i] = 1e-3f;
    const AdamwArgs<float> a{n,      p.data(), m.data(), v.data(), g.data(), 0.9f,  0.1f,
                             0.999f, 0.001f,   1e-5f,    1e-3f,    1.0f,     1e-8f, 1.0f};
    elements(
        state, [&] { table.adamw(exec, a); }, n);
  });
  add("reduce_sum_columns", [n](benchmark::State& state, const Kernels<float>& table, Exec& exec, const std::string&) {
    Floats x(n), y(256);
    elements(
        state,
        [&] {
          table.reduce_sum(exec, {1, n / 256, 256, x.data(), y.data(), true});
        },
        n);
  });
  add("cross_entropy_fwd", [](benchmark::State& state, const Kernels<float>& table, Exec& exec, const std::string&) {
    Floats x(64 * 4096), losses(64), max(64), inv(64);
    std::vector<std::int32_t> target(64, 7);
    float loss = 0;
    elements(
        state,
        [&] {
          table.cross_entropy_fwd(exec, {64, 4096, x.data(), target.data(), losses.data(), max.data(), inv.data(), &loss});
        },
        64 * 4096);
  });
  add("embedding_bwd", [](benchmark::State& state, const Kernels<float>& table, Exec& exec, const std::string&) {
    Floats dy(256 * 128), d(8192 * 128);
    std::vector<std::int32_t> ids(256);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * 2654435761u % 8192);
    elements(
        state,
        [&] {
          table.embedding_bwd(exec, {256, 128, 8192, ids.data(), dy.data(), 128, d.data()});
        },
        256 * 128);
  });
}

}  // namespace
}  // namespace lathe::bench

int main(int argc, char** argv) {
  using namespace lathe;
  bench::add_attention();
  for (const Index hidden : {64, 256})
    for (const bool backward : {false, true})
      bench::add(std::string("layer_norm_") + (backward ? "bwd" : "fwd") + "/h" + std::to_string(hidden),
                 [=](benchmark::State& state, const Kernels<float>& table, Exec& exec, const std::string&) {
                   bench::norm(state, table, exec, backward, 256, hidden);
                 });
  bench::add_elementwise(256 * 256);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
