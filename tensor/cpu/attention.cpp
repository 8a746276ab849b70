// Attention: one task for each (sequence, head). Scores of a tile of 16 queries stay in cache whole; there is no online softmax.
//
// Keys that a query may not see get the weight +0 and are then multiplied like the others. That changes no bit, because a chain
// that starts from +0 is not changed by adding ±0, except where the value multiplied is infinite or NaN: a head with such values
// and a causal mask is computed query by query, over exactly the keys that it sees.
#include <lathe/tensor/cpu/dropout.h>
#include <lathe/tensor/cpu/kernels.h>
#include <lathe/tensor/cpu/product.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

constexpr Index kTile = 16;      // queries
constexpr Index kKeyGroup = 48;  // keys whose gradients start at the same query

// One (sequence, head): pointers at its first query and key.
struct Head {
  Index queries, keys, dim;
  const float *q, *k, *v;
  Index ldq, ldk, ldv;
  float scale;
  bool causal;
  std::uint64_t first, stride;  // dropout index of (query 0, key 0), and from query to query
  float *largest, *inv_sum;
  Index ld_stats;

  // Keys that query i sees are the first visible(i); key j is seen by all queries from first_query(j) on.
  Index visible(Index i) const { return causal ? max(0, min(keys, i + 1 + keys - queries)) : keys; }
  Index first_query(Index j) const { return causal ? max(0, j - (keys - queries)) : 0; }
};

Head head_of(const AttentionFwdArgs<float>& a, Index s, Index h) {
  const Index q0 = a.q_offsets[s], k0 = a.k_offsets[s], column = h * a.head_dim;
  Head t{a.q_offsets[s + 1] - q0,
         a.k_offsets[s + 1] - k0,
         a.head_dim,
         a.q + q0 * a.ldq + column,
         a.k + k0 * a.ldk + column,
         a.v + k0 * a.ldv + column,
         a.ldq,
         a.ldk,
         a.ldv,
         a.scale,
         a.causal,
         0,
         0,
         a.max + q0 * a.heads + h,
         a.inv_sum + q0 * a.heads + h,
         a.heads};
  t.first = static_cast<std::uint64_t>((a.row0 + q0) * a.heads + h) * static_cast<std::uint64_t>(a.max_tokens);
  t.stride = static_cast<std::uint64_t>(a.heads) * static_cast<std::uint64_t>(a.max_tokens);
  return t;
}

bool all_finite(Index rows, Index cols, const float* x, Index ld) {
  f32x16 s(0.0f);
  for (Index r = 0; r < rows; ++r)
    columns(cols, [&](Index c, int lanes) { s = fma(load_lanes(x + r * ld + c, lanes), f32x16(0.0f), s); });
  return sum(s) == 0.0f;
}

// Rows of a matrix as the columns of B, packed: B(d, j) = x[j, d].
Right pack_transposed(Index rows, Index dim, const float* x, Index ld, float* panels) {
  for (Index j = 0; j < rows; j += kPanel) pack_panel(dim, rows, j, x, 1, ld, panels);
  Right b = packed(panels, dim, rows);
  b.n = round_up(rows, 16);  // its padding is there to be computed with
  return b;
}

// Leading dimension of score tiles. Rows a multiple of 1 KiB apart would share cache sets.
Index score_ld(Index keys) {
  const Index n = round_up(keys, 16);
  return n % 256 == 0 ? n + 16 : n;
}

// Products of rows [i, i + rows) of x with the first `keys` columns of b: a tile of scores.
void scores(Index rows, Index dim, const float* x, Index ld, const Right& b, Index keys, float* tile, Index ld_tile) {
  const Right seen = first_columns(b, round_up(keys, 16));
  product(0, rows, 0, seen.n, dim, {x, ld, 1}, seen, {tile, ld_tile});
}

void zero_from(Index c, Index end, float* row) {
  for (; c < end; c += 16) store(row + c, f32x16(0.0f));
}

// Softmax of a tile of products with queries [i, i + rows), in place; +0 from the last key seen up to `width`.
void softmax_tile(const Head& t, Index i, int rows, float* tile, Index ld, Index width) {
  const f32x16 scale(t.scale), lowest(-__builtin_inff());
  f32x16 s[16];
  alignas(64) float m[16], inverse[16];
  for (int r = 0; r < 16; ++r) s[r] = lowest;
  for (int r = 0; r < rows; ++r) {
    float* row = tile + r * ld;
    f32x16 largest_yet = lowest;
    columns(t.visible(i + r), [&](Index c, int lanes) {
      const f32x16 x = load(row + c) * scale;
      store(row + c, x);
      largest_yet = max(lanes == 16 ? x : first_n(x, lanes, lowest), largest_yet);
    });
    s[r] = largest_yet;
  }
  store(m, largest16(s));
  for (int r = 0; r < 16; ++r) s[r] = f32x16(0.0f);
  for (int r = 0; r < rows; ++r) {
    float* row = tile + r * ld;
    const Index seen = t.visible(i + r);
    const f32x16 largest_of_row(m[r]);
    f32x16 total(0.0f);
    columns(seen, [&](Index c, int lanes) {
      const f32x16 e = only(exp(load(row + c) - largest_of_row), lanes);
      store(row + c, e);
      total = total + e;
    });
    zero_from(round_up(seen, 16), width, row);
    s[r] = total;
  }
  store(inverse, f32x16(1.0f) / sum16(s));
  for (int r = 0; r < rows; ++r) {
    float* row = tile + r * ld;
    const f32x16 by(inverse[r]);
    columns(t.visible(i + r), [&](Index c, int lanes) { store(row + c, only(load(row + c) * by, lanes)); });  // by may be NaN
    t.largest[(i + r) * t.ld_stats] = m[r];
    t.inv_sum[(i + r) * t.ld_stats] = inverse[r];
  }
}

void fwd_head(const Head& t, const Dropout& dropout, float* out, Index ldo, float* scratch) {
  const Index ld = score_ld(t.keys), step = !t.causal || all_finite(t.keys, t.dim, t.v, t.ldv) ? kTile : 1;
  float *panels = scratch, *tile = panels + packed_size(t.dim, t.keys), *ragged = tile + kTile * ld;
  const Right k = pack_transposed(t.keys, t.dim, t.k, t.ldk, panels);
  const Right v = in_place(t.v, t.ldv, t.keys, t.dim, ragged);
  for (Index i = 0; i < t.queries; i += step) {
    const Index rows = min(step, t.queries - i), seen = t.visible(i + rows - 1);
    scores(rows, t.dim, t.q + i * t.ldq, t.ldq, k, seen, tile, ld);
    softmax_tile(t, i, static_cast<int>(rows), tile, ld, round_up(seen, 16));
    if (dropout.threshold != 0)
      dropout_rows(dropout, rows, seen, t.first + static_cast<std::uint64_t>(i) * t.stride, t.stride, tile, ld);
    product(0, rows, 0, t.dim, seen, {tile, ld, 1}, v, {out + i * ldo, ldo});
  }
}

// Gradient of one head: pointers and scratch beside Head.
struct HeadBwd {
  const float *out, *dout;
  Index ldo, lddo;
  float *dq, *dk, *dv;
  Index lddq, lddk, lddv;
  float *k_panels, *v_panels, *p, *ds, *undropped, *k_ragged, *q_ragged, *dout_ragged;
  Index ld;
};

// p, from the scores and what the forward pass kept, +0 for unseen keys; `copy`, if given, gets p too.
void recompute_tile(const Head& t, Index i, Index rows, float* tile, Index ld, float* copy) {
  const f32x16 scale(t.scale);
  for (Index r = 0; r < rows; ++r) {
    float* row = tile + r * ld;
    const f32x16 m(t.largest[(i + r) * t.ld_stats]), by(t.inv_sum[(i + r) * t.ld_stats]);
    const Index seen = t.visible(i + r);
    columns(seen, [&](Index c, int lanes) {
      const f32x16 p = only(exp(load(row + c) * scale - m) * by, lanes);
      store(row + c, p);
      if (copy) store(copy + r * ld + c, p);
    });
    zero_from(round_up(seen, 16), round_up(t.keys, 16), row);
  }
}

// dS = (p · (dP − D)) · scale in place of dP, with D = Σ16 dO·O.
void score_gradients(const Head& t, const HeadBwd& b, Index i, Index rows, const float* p, float* ds) {
  f32x16 s[16];
  alignas(64) float dot[16];
  for (int r = 0; r < 16; ++r) s[r] = f32x16(0.0f);
  for (Index r = 0; r < rows; ++r) {
    const float *dout = b.dout + (i + r) * b.lddo, *out = b.out + (i + r) * b.ldo;
    f32x16 total(0.0f);
    columns(t.dim, [&](Index c, int lanes) { total = fma(load_lanes(dout + c, lanes), load_lanes(out + c, lanes), total); });
    s[r] = total;
  }
  store(dot, sum16(s));
  const f32x16 scale(t.scale);
  for (Index r = 0; r < rows; ++r) {
    const float* weight = p + r * b.ld;
    float* row = ds + r * b.ld;
    const f32x16 d(dot[r]);
    const Index seen = t.visible(i + r);
    columns(seen, [&](Index c, int lanes) { store(row + c, only((load(weight + c) * (load(row + c) - d)) * scale, lanes)); });
    zero_from(round_up(seen, 16), round_up(t.keys, 16), row);
  }
}

// Weights and score gradients of queries [begin, end), at most a chunk, into p and ds; and their dq.
void bwd_queries(const Head& t, const HeadBwd& b, const Dropout& dropout, Index begin, Index end, Index step,
                 const Right& k_columns, const Right& v_columns, const Right& k) {
  for (Index i = begin; i < end; i += step) {
    const Index rows = min(step, end - i), seen = t.visible(i + rows - 1);
    float *p = b.p + (i - begin) * b.ld, *ds = b.ds + (i - begin) * b.ld;
    const bool drops = dropout.threshold != 0;
    scores(rows, t.dim, t.q + i * t.ldq, t.ldq, k_columns, seen, p, b.ld);
    scores(rows, t.dim, b.dout + i * b.lddo, b.lddo, v_columns, seen, ds, b.ld);
    recompute_tile(t, i, rows, p, b.ld, drops ? b.undropped : nullptr);
    if (drops) dropout_rows(dropout, rows, seen, t.first + static_cast<std::uint64_t>(i) * t.stride, t.stride, p, b.ld, ds, b.ld);
    score_gradients(t, b, i, rows, drops ? b.undropped : p, ds);
    product(0, rows, 0, t.dim, seen, {ds, b.ld, 1}, k, {b.dq + i * b.lddq, b.lddq});
  }
}

void bwd_head(const Head& t, const HeadBwd& b, const Dropout& dropout) {
  const bool whole = !t.causal || (all_finite(t.keys, t.dim, t.k, t.ldk) && all_finite(t.queries, t.dim, t.q, t.ldq) &&
                                   all_finite(t.queries, t.dim, b.dout, b.lddo));
  const Index step = whole ? kTile : 1, group = !t.causal ? t.keys : whole ? kKeyGroup : 1;
  const Right k_columns = pack_transposed(t.keys, t.dim, t.k, t.ldk, b.k_panels);
  const Right v_columns = pack_transposed(t.keys, t.dim, t.v, t.ldv, b.v_panels);
  const Right k = in_place(t.k, t.ldk, t.keys, t.dim, b.k_ragged);
  for (Index begin = 0; begin < max(1, t.queries); begin += kChunk) {  // once even without queries: dk = dv = +0
    const Index end = min(t.queries, begin + kChunk), n = end - begin;
    bwd_queries(t, b, dropout, begin, end, step, k_columns, v_columns, k);
    const Right q = in_place(t.q + begin * t.ldq, t.ldq, n, t.dim, b.q_ragged);
    const Right dout = in_place(b.dout + begin * b.lddo, b.lddo, n, t.dim, b.dout_ragged);
    const Onto onto = begin == 0 ? Onto::kZero : Onto::kOld;
    for (Index j = 0; j < t.keys; j += group) {
      const Index first = min(n, max(0, t.first_query(j) - begin)), last = min(t.keys, j + group);
      product(j, last, 0, t.dim, n - first, {b.ds + first * b.ld, 1, b.ld}, from_row(q, first), {b.dk, b.lddk, onto});
      product(j, last, 0, t.dim, n - first, {b.p + first * b.ld, 1, b.ld}, from_row(dout, first), {b.dv, b.lddv, onto});
    }
  }
}

}  // namespace

void attention_fwd(Exec& exec, const AttentionFwdArgs<float>& a) {
  parallel(exec, a.sequences * a.heads, [&](Index task, int thread) {
    const Index s = task / a.heads, h = task % a.heads;
    const Head t = head_of(a, s, h);
    if (t.queries == 0) return;
    const Index size = packed_size(t.dim, t.keys) + kTile * score_ld(t.keys) + t.keys * kPanel;
    fwd_head(t, a.dropout, a.out + a.q_offsets[s] * a.ldo + h * a.head_dim, a.ldo, floats(exec.scratch(thread, bytes(size))));
  });
}

void attention_bwd(Exec& exec, const AttentionBwdArgs<float>& a) {
  const AttentionFwdArgs<float>& f = a.fwd;
  parallel(exec, f.sequences * f.heads, [&](Index task, int thread) {
    const Index s = task / f.heads, h = task % f.heads;
    const Head t = head_of(f, s, h);
    const Index q0 = f.q_offsets[s], k0 = f.k_offsets[s], column = h * f.head_dim;
    const Index ld = score_ld(t.keys), block = min(kChunk, t.queries), panels = packed_size(t.dim, t.keys);
    float* at = floats(exec.scratch(thread, bytes(2 * panels + (2 * block + kTile) * ld + (t.keys + 2 * block) * kPanel)));
    const auto take = [&](Index n) { return at += n, at - n; };
    HeadBwd b{f.out + q0 * f.ldo + column,
              a.dout + q0 * a.lddo + column,
              f.ldo,
              a.lddo,
              a.dq + q0 * a.lddq + column,
              a.dk + k0 * a.lddk + column,
              a.dv + k0 * a.lddv + column,
              a.lddq,
              a.lddk,
              a.lddv,
              take(panels),
              take(panels),
              take(block * ld),
              take(block * ld),
              take(kTile * ld),
              take(t.keys * kPanel),
              take(block * kPanel),
              take(block * kPanel),
              ld};
    bwd_head(t, b, f.dropout);
  });
}

}  // namespace lathe::cpu::LATHE_ISA
