// Attention of packed sequences, and the rotary positions of its queries and keys.
#include <lathe/tensor/spec/rules.h>

#include <vector>

namespace lathe::spec {

namespace {

/// One (sequence, head).
template <class T>
struct Head {
  const AttentionFwdArgs<T>& a;
  Index h, q0, k0, queries, keys;

  Head(const AttentionFwdArgs<T>& args, Index s, Index head)
      : a(args),
        h(head),
        q0(args.q_offsets[s]),
        k0(args.k_offsets[s]),
        queries(args.q_offsets[s + 1] - q0),
        keys(args.k_offsets[s + 1] - k0) {}

  Index column() const { return h * a.head_dim; }
  const T* q(Index i) const { return a.q + (q0 + i) * a.ldq + column(); }
  const T* k(Index j) const { return a.k + (k0 + j) * a.ldk + column(); }
  const T* v(Index j) const { return a.v + (k0 + j) * a.ldv + column(); }
  T& max(Index i) const { return a.max[(q0 + i) * a.heads + h]; }
  T& inv_sum(Index i) const { return a.inv_sum[(q0 + i) * a.heads + h]; }

  /// Query i sees keys [0, visible(i)).
  Index visible(Index i) const {
    const Index end = a.causal ? i + (keys - queries) + 1 : keys;
    return end < 0 ? 0 : end < keys ? end : keys;
  }
  /// First query that sees key j; all later ones do too.
  Index first_query(Index j) const {
    const Index first = a.causal ? j - (keys - queries) : 0;
    return first < 0 ? 0 : first < queries ? first : queries;
  }
  T score(Index i, Index j) const {
    return product(
               T(0), a.head_dim, [&](Index d) { return q(i)[d]; }, [&](Index d) { return k(j)[d]; }) *
           a.scale;
  }
  /// Weight (or its gradient) of query i and key j after dropout.
  T after_dropout(Index i, Index j, T x) const {
    return dropped(a.dropout, static_cast<std::uint64_t>(((a.row0 + q0 + i) * a.heads + h) * a.max_tokens + j), x);
  }
};

}  // namespace

template <class T>
void attention_fwd(Exec&, const AttentionFwdArgs<T>& a) {
  for (Index s = 0; s < a.sequences; ++s)
    for (Index h = 0; h < a.heads; ++h) {
      const Head<T> head(a, s, h);
      std::vector<T> p(static_cast<std::size_t>(head.keys));
      const auto at = [&](Index j) -> T& { return p[static_cast<std::size_t>(j)]; };
      for (Index i = 0; i < head.queries; ++i) {
        const Index n = head.visible(i);
        for (Index j = 0; j < n; ++j) at(j) = head.score(i, j);
        const T m = max16<T>(n, at);
        for (Index j = 0; j < n; ++j) at(j) = exp(at(j) - m);
        const T inverse = T(1) / sum16<T>(n, at);
        for (Index j = 0; j < n; ++j) at(j) = head.after_dropout(i, j, at(j) * inverse);
        for (Index d = 0; d < a.head_dim; ++d)
          a.out[(head.q0 + i) * a.ldo + head.column() + d] = product(T(0), n, at, [&](Index j) { return head.v(j)[d]; });
        head.max(i) = m;
        head.inv_sum(i) = inverse;
      }
    }
}

template <class T>
void attention_bwd(Exec&, const AttentionBwdArgs<T>& a) {
  const AttentionFwdArgs<T>& f = a.fwd;
  for (Index s = 0; s < f.sequences; ++s)
    for (Index h = 0; h < f.heads; ++h) {
      const Head<T> head(f, s, h);
      const Index column = head.column();
      const auto size = static_cast<std::size_t>(head.queries * head.keys);
      std::vector<T> p_memory(size), ds_memory(size);  // p' (after dropout) and dS, [queries, keys]
      const auto p = [&](Index i, Index j) -> T& { return p_memory[static_cast<std::size_t>(i * head.keys + j)]; };
      const auto ds = [&](Index i, Index j) -> T& { return ds_memory[static_cast<std::size_t>(i * head.keys + j)]; };
      const auto dout = [&](Index i) { return a.dout + (head.q0 + i) * a.lddo + column; };
      const auto out = [&](Index i) { return f.out + (head.q0 + i) * f.ldo + column; };
      for (Index i = 0; i < head.queries; ++i) {
        const T dot = dot16<T>(
            f.head_dim, [&](Index d) { return dout(i)[d]; }, [&](Index d) { return out(i)[d]; });
        const Index n = head.visible(i);
        for (Index j = 0; j < n; ++j) {
          const T weight = exp(head.score(i, j) - head.max(i)) * head.inv_sum(i);
          const T dweight =
              head.after_dropout(i, j,
                                 product(
                                     T(0), f.head_dim, [&](Index d) { return dout(i)[d]; }, [&](Index d) { return head.v(j)[d]; }));
          p(i, j) = head.after_dropout(i, j, weight);
          ds(i, j) = (weight * (dweight - dot)) * f.scale;
        }
        for (Index d = 0; d < f.head_dim; ++d)
          a.dq[(head.q0 + i) * a.lddq + column + d] = product(
              T(0), n, [&](Index j) { return ds(i, j); }, [&](Index j) { return head.k(j)[d]; });
      }
      // Chunks of 256 queries are counted from the sequence's first query, whether or not it sees the key.
      for (Index j = 0; j < head.keys; ++j)
        for (Index d = 0; d < f.head_dim; ++d) {
          const Index first = head.first_query(j);
          a.dk[(head.k0 + j) * a.lddk + column + d] = product(
              T(0), head.queries, [&](Index i) { return ds(i, j); }, [&](Index i) { return head.q(i)[d]; }, first);
          a.dv[(head.k0 + j) * a.lddv + column + d] = product(
              T(0), head.queries, [&](Index i) { return p(i, j); }, [&](Index i) { return dout(i)[d]; }, first);
        }
    }
}

template <class T>
void rope(Exec&, const RopeArgs<T>& a) {
  const Index half = a.head_dim / 2;
  for (Index r = 0; r < a.rows; ++r)
    for (Index h = 0; h < a.heads; ++h)
      for (Index i = 0; i < half; ++i) {
        const Index at = h * a.head_dim + i;
        const T lo = a.x[r * a.ldx + at], hi = a.x[r * a.ldx + at + half];
        const T cos = a.cos[a.positions[r] * half + i], sine = a.sin[a.positions[r] * half + i];
        const T sin = a.inverse ? -sine : sine;
        a.y[r * a.ldy + at] = fma(lo, cos, -(hi * sin));
        a.y[r * a.ldy + at + half] = fma(hi, cos, lo * sin);
      }
}

LATHE_SPEC_INSTANCES(attention_fwd, AttentionFwdArgs)
LATHE_SPEC_INSTANCES(attention_bwd, AttentionBwdArgs)
LATHE_SPEC_INSTANCES(rope, RopeArgs)

}  // namespace lathe::spec
