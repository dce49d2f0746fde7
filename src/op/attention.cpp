// Attention and what surrounds it: Attention, FlexAttention, RotaryEmbedding. Linear attention: linear_attention.cpp.
// The references compute in double and round once; the bodies carry the gradients. Source: ONNX operator specification, opset 28.
#include <algorithm>
#include <cmath>

#include "op/elementwise.hpp"
#include "op/matrix.hpp"
#include "op/narrow.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {
constexpr double kInf = std::numeric_limits<double>::infinity();
using Reals = std::vector<double>;

// ---- heads ---------------------------------------------------------------------------------------------------------------------------
/// [B, H, S, D] of an operand that is that, or [B, S, H * D].
template <class D> Result<std::vector<D>> head_dims(const std::vector<D>& d, std::int64_t heads, std::string_view operand) {
  auto bad = [&](const std::string& what) { return Error{ErrorCode::invalid_model, "Attention: " + std::string(operand) + " " + what}; };
  if (d.size() == 4) return d;
  if (d.size() != 3) return bad("has rank " + std::to_string(d.size()) + ", 3 or 4 is needed");
  if (heads < 1) return bad("has rank 3, q_num_heads and kv_num_heads are needed");
  return std::vector<D>{d[0], D(heads), d[1], floor_div(d[2], D(heads))};
}
/// [B, S, H, D] -> [B, H, S, D], or back with S and H exchanged.
Reals exchanged(const Reals& v, std::int64_t batch, std::int64_t a, std::int64_t b, std::int64_t d) {
  Reals r(v.size());
  for (std::int64_t n = 0; n < batch; ++n)
    for (std::int64_t i = 0; i < a; ++i)
      for (std::int64_t j = 0; j < b; ++j) std::copy_n(v.begin() + ((n * a + i) * b + j) * d, d, r.begin() + ((n * b + j) * a + i) * d);
  return r;
}
struct Heads { Reals v; Dims d; };
Result<Heads> heads(const Eval& c, std::size_t i, std::int64_t count, std::string_view name) {
  const Dims& x = c.x(i).dims;
  SAHA_TRY(Dims d, head_dims(x, count, name));
  if (x.size() == 3 && d[1] * d[3] != x[2]) return c.fail(std::string(name) + " has " + std::to_string(x[2]) + " columns, " + std::to_string(count) + " heads do not divide them");
  Reals v = values<double>(c.x(i));
  if (x.size() == 3) v = exchanged(v, d[0], d[2], d[1], d[3]);
  return Heads{std::move(v), std::move(d)};
}
Result<Heads> joined(const Eval& c, std::size_t past, Heads now, std::string_view name) {
  if (!c.has(past)) return now;
  const Dims& p = c.x(past).dims;
  if (p.size() != 4 || p[0] != now.d[0] || p[1] != now.d[1] || p[3] != now.d[3]) return c.fail("past " + std::string(name) + " " + str(p) + " does not fit " + str(now.d));
  Heads r{{}, now.d};
  r.d[2] += p[2];
  SAHA_TRY(Tensor room, c.make(DType::f64, r.d));  // the limit on sizes
  Reals old = values<double>(c.x(past));
  const std::int64_t before = p[2] * p[3], after = now.d[2] * now.d[3];
  r.v.reserve(std::size_t(room.size()));
  for (std::int64_t i = 0; i < p[0] * p[1]; ++i) {
    r.v.insert(r.v.end(), old.begin() + i * before, old.begin() + (i + 1) * before);
    r.v.insert(r.v.end(), now.v.begin() + i * after, now.v.begin() + (i + 1) * after);
  }
  return r;
}

// ---- Attention -------------------------------------------------------------------------------------------------------------------------
Result<> infer_attention(Infer& c) {
  SAHA_TRY(auto q, head_dims(c.dims(0), c.i("q_num_heads"), "Q"));
  SAHA_TRY(auto k, head_dims(c.dims(1), c.i("kv_num_heads"), "K"));
  SAHA_TRY(auto v, head_dims(c.dims(2), c.i("kv_num_heads"), "V"));
  if (c.has(4) != c.has(5)) return c.fail("past_key and past_value must be given together");
  if (auto p = c.i("softmax_precision"); c.has_attr("softmax_precision") && (p < 0 || p >= kNumDTypes || !is_float(DType(p)) || bits(DType(p)) < 16))
    return c.fail("softmax_precision " + std::to_string(p) + " is no float16, bfloat16, float32 or float64");
  auto differ = [](const Dim& a, const Dim& b) { return a.known() && b.known() && !(a == b); };
  if (differ(q[3], k[3])) return c.fail("Q has heads of " + q[3].str() + ", K of " + k[3].str());
  if (differ(k[2], v[2]) || differ(k[1], v[1])) return c.fail("K " + ir::str(*c.in[1]) + " and V " + ir::str(*c.in[2]) + " differ in length or heads");
  if (q[1].known() && k[1].known() && (k[1].is(0) || *q[1].known() % *k[1].known())) return c.fail(q[1].str() + " query heads are no multiple of " + k[1].str() + " key heads");
  Dim total = k[2];
  if (c.has(4) && c.rank(4) == 4) total = total + c.dims(4)[2];
  if (c.rank(0) == 4) { SAHA_DO(c.give(c.dtype(0), {q[0], q[1], q[2], v[3]})); }
  else { SAHA_DO(c.give(c.dtype(0), {q[0], q[2], q[1] * v[3]})); }
  if (c.num_out > 1) SAHA_DO(c.give(c.dtype(1), {k[0], k[1], total, k[3]}));
  if (c.num_out > 2) SAHA_DO(c.give(c.dtype(2), {v[0], v[1], total, v[3]}));
  if (c.num_out > 3) SAHA_DO(c.give(c.dtype(0), {q[0], q[1], q[2], total}));
  return {};
}
/// What is added to the scores of one (batch, head): mask, causality, window, padding. -inf: not attended.
struct Bias {
  const Eval& c;
  Reals mask;                 ///< [.., S, M] seen through `stride` over [B, H, S, T]; M may be shorter than T
  Dims stride;
  std::int64_t length = 0;    ///< M
  std::vector<std::int64_t> valid;   ///< keys per batch, empty: all
  std::int64_t past = 0, queries = 0;

  static Result<Bias> of(const Eval& c, const Dims& scores, std::int64_t past) {
    Bias b{c, {}, {}, 0, {}, past, scores[2]};
    if (c.has(6)) {
      b.valid = c.ints(6);
      if (std::int64_t(b.valid.size()) != scores[0]) return c.fail("nonpad_kv_seqlen has " + std::to_string(b.valid.size()) + " entries, the batch " + std::to_string(scores[0]));
    }
    if (!c.has(3)) return b;
    const Tensor& m = c.x(3);
    if (m.rank() == 0 || m.rank() > 4) return c.fail("attn_mask has rank " + std::to_string(m.rank()));
    Dims to = scores;
    to[3] = b.length = m.dims.back();
    Dims both[] = {to, m.dims};
    auto d = broadcast(both);
    if (!d || *d != to || b.length > scores[3]) return c.fail("attn_mask " + str(m.dims) + " does not broadcast to " + str(scores));
    b.stride = broadcast_strides(m.dims, to);
    if (b.length == 1) b.stride[3] = 1;
    b.mask = values<double>(m);
    if (m.dtype == DType::boolean) for (double& v : b.mask) v = v != 0 ? 0 : -kInf;
    return b;
  }
  void row(std::int64_t n, std::int64_t h, std::int64_t i, Reals& out) const {
    const auto total = std::int64_t(out.size()), offset = valid.empty() ? past : valid[std::size_t(n)] - queries, p = offset + i;
    const std::int64_t left = c.i("left_window_size"), right = c.i("right_window_size");
    std::int64_t first = left >= 0 ? p - left : 0, last = right >= 0 ? p + right : total - 1;
    if (c.i("is_causal") != 0) last = std::min(last, p);
    if (!valid.empty()) last = std::min(last, valid[std::size_t(n)] - 1);
    const double* m = mask.empty() ? nullptr : mask.data() + n * stride[0] + h * stride[1] + i * stride[2];
    for (std::int64_t j = 0; j < total; ++j) out[std::size_t(j)] = j < first || j > last ? -kInf : !m ? 0 : j < length ? m[j * stride[3]] : -kInf;
  }
};
/// Softmax of one row in place, in the precision t; a row that attends nothing becomes 0.
void softmax_row(Reals& v, const Reals& bias, DType t) {
  double most = -kInf;
  for (std::size_t j = 0; j < v.size(); ++j) if (bias[j] != -kInf) most = std::max(most, v[j]);
  if (most == -kInf) { std::fill(v.begin(), v.end(), 0.0); return; }
  for (std::size_t j = 0; j < v.size(); ++j) if (bias[j] == -kInf) v[j] = -kInf;   // also where the score was infinite or NaN
  softmax_line(t, v.data(), std::int64_t(v.size()), most);
}
Result<> eval_attention(Eval& c) {
  if (c.has(4) != c.has(5)) return c.fail("past_key and past_value must be given together");
  if (c.has(6) && c.has(4)) return c.fail("nonpad_kv_seqlen and past_key exclude each other");
  if (c.i("left_window_size") < -1 || c.i("right_window_size") < -1) return c.fail("a window size is below -1");
  SAHA_TRY(Heads q, heads(c, 0, c.i("q_num_heads"), "Q"));
  SAHA_TRY(Heads k, heads(c, 1, c.i("kv_num_heads"), "K"));
  SAHA_TRY(Heads v, heads(c, 2, c.i("kv_num_heads"), "V"));
  const std::int64_t past = c.has(4) && c.x(4).rank() == 4 ? c.x(4).dims[2] : 0;
  SAHA_TRY(k, joined(c, 4, std::move(k), "key"));
  SAHA_TRY(v, joined(c, 5, std::move(v), "value"));
  const std::int64_t batch = q.d[0], hq = q.d[1], hk = k.d[1], S = q.d[2], T = k.d[2], E = q.d[3], F = v.d[3];
  if (k.d[0] != batch || v.d[0] != batch || k.d[3] != E || v.d[1] != hk || v.d[2] != T || hk < 1 || hq % hk) return c.fail("Q " + str(q.d) + ", K " + str(k.d) + " and V " + str(v.d) + " do not fit each other");
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, c.x(0).rank() == 4 ? Dims{batch, hq, S, F} : Dims{batch, S, hq * F}));
  SAHA_DO(c.spend(double(batch) * double(hq) * double(S) * double(T) * double(E + F + 8)));
  const bool want_scores = c.num_out > 3;
  SAHA_TRY(Tensor seen, c.make(c.x(0).dtype, want_scores ? Dims{batch, hq, S, T} : Dims{0}));
  for (const Dims& d : {Dims{S, T}, Dims{E, T}}) { SAHA_TRY(Tensor room, c.make(DType::f64, d)); }  // the limit on what is held below
  SAHA_TRY(Bias bias, Bias::of(c, {batch, hq, S, T}, past));
  const double scale = c.has_attr("scale") ? double(c.f("scale")) : 1 / std::sqrt(double(E)), cap = double(c.f("softcap"));
  const std::int64_t mode = c.i("qk_matmul_output_mode");
  const DType t1 = c.x(0).dtype, precise = c.has_attr("softmax_precision") ? DType(c.i("softmax_precision")) : t1;
  Reals root = {std::sqrt(scale)}, keys = k.v;   // both sides carry half of the scale
  narrow(t1, root);
  for (double& e : q.v) e *= root[0];
  for (double& e : keys) e *= root[0];
  narrow(t1, q.v);
  narrow(t1, keys);
  Reals out(std::size_t(batch * hq * S * F), 0.0), scores(std::size_t(S * T)), kt(std::size_t(E * T)), row(static_cast<std::size_t>(T)), p(row.size());
  for (std::int64_t n = 0; n < batch && (y.size() || seen.size()); ++n)
    for (std::int64_t h = 0; h < hq; ++h) {
      const std::int64_t at = n * hq + h, kv = n * hk + h / (hq / hk);
      for (std::int64_t j = 0; j < T; ++j) for (std::int64_t e = 0; e < E; ++e) kt[std::size_t(e * T + j)] = keys[std::size_t((kv * T + j) * E + e)];
      std::fill(scores.begin(), scores.end(), 0.0);
      multiply(q.v.data() + at * S * E, kt.data(), scores.data(), S, E, T);
      narrow(t1, scores);
      auto show = [&](std::int64_t m) { if (want_scores && mode == m) store(seen, at * S * T, S * T, scores.data()); };
      show(0);
      if (cap > 0) for (double& s : scores) s = cap * std::tanh(s / cap);
      if (cap > 0) narrow(t1, scores);
      show(1);
      for (std::int64_t i = 0; i < S; ++i) {
        bias.row(n, h, i, row);
        double* s = scores.data() + i * T;
        for (std::int64_t j = 0; j < T; ++j) s[j] += row[std::size_t(j)];
        if (want_scores && mode == 2) store(seen, (at * S + i) * T, T, s);
      }
      narrow(t1, scores);
      for (std::int64_t i = 0; i < S; ++i) {
        bias.row(n, h, i, row);
        std::copy_n(scores.begin() + i * T, T, p.begin());
        softmax_row(p, row, precise);
        std::copy(p.begin(), p.end(), scores.begin() + i * T);
      }
      narrow(t1, scores);
      show(3);
      multiply(scores.data(), v.v.data() + kv * T * F, out.data() + at * S * F, S, T, F);
    }
  if (c.x(0).rank() == 3) out = exchanged(out, batch, hq, S, F);
  fill<double>(y, out);
  SAHA_DO(c.give(std::move(y)));
  if (c.num_out > 1) {
    SAHA_TRY(Tensor t, c.make(c.x(1).dtype, k.d));
    fill<double>(t, k.v);
    SAHA_DO(c.give(std::move(t)));
  }
  if (c.num_out > 2) {
    SAHA_TRY(Tensor t, c.make(c.x(2).dtype, v.d));
    fill<double>(t, v.v);
    SAHA_DO(c.give(std::move(t)));
  }
  return want_scores ? c.give(std::move(seen)) : Result<>{};
}

// Bodies. What the data decides (nonpad_kv_seqlen) or a symbolic length would need is refused by name.
Val cast(Val v, DType t) { return v.b->type(v).dtype != t ? v.b->op("Cast", {v}, {{"to", std::int64_t(t)}}) : v; }
Val permuted(Val v, ir::Ints p) { return v.b->op("Transpose", {v}, {{"perm", std::move(p)}}); }
Val split_heads(Val v, std::int64_t heads) {
  if (v.b->type(v).dims.size() == 4) return v;
  return permuted(v.b->op("Reshape", {v, v.b->ints({0, 0, heads, -1})}), {0, 2, 1, 3});
}
/// [B, Hk, T, E] -> [B, Hk * times, T, E], each head repeated in place.
Val repeated(Val v, std::int64_t times) {
  if (times == 1) return v;
  Builder& b = *v.b;
  const auto& d = b.type(v).dims;
  Val shape = b.op("Shape", {v});
  auto part = [&](std::int64_t from, std::int64_t to) { return b.op("Slice", {shape, b.ints({from}), b.ints({to})}); };
  Val wide = b.op("Expand", {b.op("Unsqueeze", {v, b.ints({2})}), b.op("Concat", {part(0, 2), b.ints({times}), part(2, 4)}, {{"axis", std::int64_t{0}}})});
  Val heads = d[1].known() ? b.ints({*d[1].known() * times}) : b.ints({-1});
  return b.op("Reshape", {wide, b.op("Concat", {part(0, 1), heads, part(2, 4)}, {{"axis", std::int64_t{0}}})});
}
Vals attention_body(const Site& s) {
  Builder& b = s.b;
  Val q = split_heads(s.in[0], s.i("q_num_heads")), k = split_heads(s.in[1], s.i("kv_num_heads")), v = split_heads(s.in[2], s.i("kv_num_heads"));
  if (s.has(4)) k = b.op("Concat", {s.in[4], k}, {{"axis", std::int64_t{2}}});
  if (s.has(5)) v = b.op("Concat", {s.in[5], v}, {{"axis", std::int64_t{2}}});
  if (b.failed()) return {};
  const Type qt = b.type(q), kt = b.type(k);
  auto refuse = [&](std::string why) { b.fail({ErrorCode::unsupported, "Attention is expanded only " + std::move(why)}); return Vals{}; };
  if (qt.dims.size() != 4 || kt.dims.size() != 4 || !qt.dims[1].known() || !kt.dims[1].known() || !qt.dims[3].known()) return refuse("where heads and their sizes are known, Q is " + ir::str(qt) + ", K is " + ir::str(kt));
  if (s.has(6)) return refuse("without nonpad_kv_seqlen");
  const std::int64_t hq = *qt.dims[1].known(), hk = std::max<std::int64_t>(1, *kt.dims[1].known());
  Val kk = repeated(k, hq / hk), vv = repeated(v, hq / hk);
  const double scale = s.has_attr("scale") ? double(s.f("scale")) : 1 / std::sqrt(double(*qt.dims[3].known())), cap = double(s.f("softcap")), root = std::sqrt(scale);
  Val scores = b.op("MatMul", {q * root, permuted(kk, {0, 1, 3, 2}) * root}), shown = scores;
  if (cap > 0) scores = b.op("Tanh", {scores / cap}) * cap;
  const std::int64_t mode = s.i("qk_matmul_output_mode");
  if (mode == 1) shown = scores;
  const bool positional = s.i("is_causal") != 0 || s.i("left_window_size") >= 0 || s.i("right_window_size") >= 0;
  bool attends = !s.has(3);   // every query attends something
  Val bias, minus = b.scalar(-kInf, q), zero = b.scalar(0, q);
  auto add_bias = [&](Val x) { bias = bias ? bias + x : x; };
  if (positional) {
    auto queries = qt.dims[2].known(), total = kt.dims[2].known();
    std::int64_t past = 0;
    if (s.has(4)) {
      auto p = s.type(4).dims[2].known();
      if (!p) return refuse("where the past's length is known, it is " + ir::str(s.type(4)));
      past = *p;
    }
    if (!queries || !total || *queries * *total > (1 << 26)) return refuse("where the lengths are known when it is causal or has a window, Q is " + ir::str(qt) + ", K is " + ir::str(kt));
    Reals m;
    std::int64_t left = s.i("left_window_size"), right = s.i("right_window_size");
    for (std::int64_t i = 0; i < *queries; ++i) {
      bool any = false;
      for (std::int64_t j = 0; j < *total; ++j) {
        std::int64_t p = past + i;
        bool out = (s.i("is_causal") != 0 && j > p) || (left >= 0 && j < p - left) || (right >= 0 && j > p + right);
        any |= !out;
        m.push_back(out ? -kInf : 0);
      }
      attends &= any;
    }
    add_bias(b.constant(Tensor::of(qt.dtype, {*queries, *total}, m)));
  }
  if (s.has(3)) {
    Val mask = s.type(3).dtype == DType::boolean ? b.op("Where", {s.in[3], zero, minus}) : cast(s.in[3], qt.dtype);
    auto m = s.type(3).dims.empty() ? std::nullopt : s.type(3).dims.back().known();
    auto t = kt.dims[2].known();
    if (m && t && *m < *t) {
      ir::Ints pads(2 * s.type(3).dims.size(), 0);
      pads.back() = *t - *m;
      mask = b.op("Pad", {mask, b.ints(pads), minus});
    }
    add_bias(mask);
  }
  if (bias) scores = scores + bias;
  if (mode == 2) shown = scores;
  DType precision = s.has_attr("softmax_precision") ? DType(s.i("softmax_precision")) : qt.dtype;
  Val p = b.op("Softmax", {cast(scores, precision)}, {{"axis", std::int64_t{-1}}});
  if (!attends) {  // a query that attends nothing gives 0
    Val most = b.op("ReduceMax", {bias, b.ints({-1})}, {{"keepdims", std::int64_t{1}}});
    p = b.op("Where", {b.op("Equal", {most, minus}), b.scalar(0, p), p});
  }
  p = cast(p, qt.dtype);
  if (mode == 3) shown = p;
  Val y = b.op("MatMul", {p, cast(vv, qt.dtype)});
  if (s.type(0).dims.size() == 3) y = b.op("Reshape", {permuted(y, {0, 2, 1, 3}), b.ints({0, 0, -1})});
  return {y, k, v, shown};
}

// ---- FlexAttention: sub-graphs see the scores (probabilities), then what they capture --------------------------------------------------------
Result<> infer_flex(Infer& c) {
  for (std::size_t i = 0; i < 3; ++i) if (!c.in[i]->ranked) return c.give_unranked(c.dtype(0));
  for (std::size_t i = 0; i < 3; ++i) if (c.rank(i) != 4) return c.fail("operand " + std::to_string(i) + " is " + ir::str(*c.in[i]) + ", it needs rank 4");
  const auto &q = c.dims(0), &k = c.dims(1);
  if (q[3].known() && k[3].known() && !(q[3] == k[3])) return c.fail("Q has heads of " + q[3].str() + ", K of " + k[3].str());
  if (q[1].known() && k[1].known() && (k[1].is(0) || *q[1].known() % *k[1].known())) return c.fail(q[1].str() + " query heads are no multiple of " + k[1].str() + " key heads");
  return c.give(c.dtype(0), {q[0], q[1], q[2], c.dims(2)[3]});
}
Vals flex_body(const Site& s) {
  Builder& b = s.b;
  const Type qt = s.type(0), kt = s.type(1);
  if (!qt.dims[1].known() || !kt.dims[1].known() || kt.dims[1].is(0) || !qt.dims[3].known()) { b.fail({ErrorCode::unsupported, "FlexAttention is expanded only where heads and their sizes are known, Q is " + ir::str(qt) + ", K is " + ir::str(kt)}); return {}; }
  const std::int64_t times = *qt.dims[1].known() / *kt.dims[1].known();
  DType precision = s.has_attr("softmax_precision") ? DType(s.i("softmax_precision")) : qt.dtype == DType::f64 ? DType::f64 : DType::f32;
  const double scale = s.has_attr("scale") ? double(s.f("scale")) : 1 / std::sqrt(double(*qt.dims[3].known())), root = std::sqrt(scale);
  auto modified = [&](std::string_view name, Val v) -> Val {
    if (!s.has_attr(name)) return v;
    Vals in = {v};
    in.insert(in.end(), s.in.begin() + 3, s.in.end());
    const ir::Graph& g = s.graph(name);
    if (g.inputs().size() != in.size() || g.outputs().size() != 1) { b.fail({ErrorCode::invalid_model, "FlexAttention: " + std::string(name) + " has " + std::to_string(g.inputs().size()) + " inputs and " + std::to_string(g.outputs().size()) + " outputs, " + std::to_string(in.size()) + " and 1 are needed"}); return v; }
    return b.inline_graph(g, in)[0];
  };
  Val scores = cast(b.op("MatMul", {s.in[0] * root, permuted(repeated(s.in[1], times), {0, 1, 3, 2}) * root}), precision);
  scores = modified("score_mod", scores);
  Val p = modified("prob_mod", b.op("Softmax", {scores}, {{"axis", std::int64_t{-1}}}));
  return {b.op("MatMul", {cast(p, qt.dtype), repeated(s.in[2], times)})};
}

// ---- RotaryEmbedding: each pair of columns turned by an angle; its adjoint turns back ---------------------------------------------------------
Result<> infer_rotary(Infer& c) {
  if (c.rank(0) != 3 && c.rank(0) != 4) return c.fail("X is " + ir::str(*c.in[0]) + ", rank 3 or 4 is needed");
  if (c.rank(0) == 3 && c.i("num_heads") < 1) return c.fail("X has rank 3, num_heads is needed");
  return c.give(c.dtype(0), c.dims(0));
}
Result<> eval_rotary(Eval& c) {
  const Dims& x = c.x(0).dims;
  if (x.size() != 3 && x.size() != 4) return c.fail("X is " + str(x) + ", rank 3 or 4 is needed");
  const bool packed = x.size() == 3;
  const std::int64_t batch = x[0], heads = packed ? c.i("num_heads") : x[1], steps = packed ? x[1] : x[2];
  if (heads < 1 || (packed && x[2] % heads)) return c.fail("num_heads " + std::to_string(heads) + " does not divide X " + str(x));
  const std::int64_t size = packed ? x[2] / heads : x[3], turn = c.i("rotary_embedding_dim") ? c.i("rotary_embedding_dim") : size, half = turn / 2;
  if (turn < 0 || turn > size || turn % 2) return c.fail("rotary_embedding_dim " + std::to_string(turn) + " is odd or larger than a head of " + std::to_string(size));
  const Dims& table = c.x(1).dims;
  const bool by_position = c.has(3);
  if (table != c.x(2).dims || table.size() != (by_position ? 2u : 3u) || table.back() != half) return c.fail("caches " + str(table) + " and " + str(c.x(2).dims) + " do not fit a rotation of " + std::to_string(turn) + " columns");
  std::vector<std::int64_t> position;
  if (by_position) {
    position = c.ints(3);
    if (c.x(3).dims != Dims{batch, steps}) return c.fail("position_ids is " + str(c.x(3).dims) + ", " + str(Dims{batch, steps}) + " is needed");
    for (std::int64_t p : position) if (p < 0 || p >= table[0]) return c.fail("position " + std::to_string(p) + " lies outside the caches of " + std::to_string(table[0]));
  } else if (table[0] != batch || table[1] != steps) return c.fail("caches " + str(table) + " do not fit X " + str(x));
  Reals v = values<double>(c.x(0)), cosine = values<double>(c.x(1)), sine = values<double>(c.x(2));
  const bool pairs = c.i("interleaved") != 0;
  for (std::int64_t n = 0; n < batch && !v.empty(); ++n)
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t t = 0; t < steps; ++t) {
        double* p = v.data() + (packed ? ((n * steps + t) * heads + h) : ((n * heads + h) * steps + t)) * size;
        const std::int64_t row = (by_position ? position[std::size_t(n * steps + t)] : n * steps + t) * half;
        for (std::int64_t j = 0; j < half; ++j) {
          double &a = p[pairs ? 2 * j : j], &b = p[pairs ? 2 * j + 1 : j + half];
          const double co = cosine[std::size_t(row + j)], si = sine[std::size_t(row + j)], real = co * a - si * b;
          b = si * a + co * b;
          a = real;
        }
      }
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, x));
  fill<double>(y, v);
  return c.give(std::move(y));
}
Val rotary_adjoint(const Site& s, std::size_t, Val dy) {
  Vals in = {dy, s.in[1], s.b.op("Neg", {s.in[2]})};
  if (s.has(3)) in.push_back(s.in[3]);
  return s.b.op("RotaryEmbedding", in, s.attrs);
}
/// Heads and their columns stand in axes 2 and 3; (a, b) becomes (cos a - sin b, sin a + cos b), the rest of the columns stays.
Vals rotary_body(const Site& s) {
  Builder& b = s.b;
  const Type& t = s.type(0);
  const bool packed = t.dims.size() == 3, pairs = s.i("interleaved") != 0;
  const std::int64_t heads = s.i("num_heads");
  const std::int64_t columns = t.dims.empty() ? -1 : t.dims.back().known().value_or(-1);
  if ((!packed && t.dims.size() != 4) || columns < 0 || (packed && (heads < 1 || columns % heads))) {
    b.fail({ErrorCode::unsupported, "RotaryEmbedding is expanded only where the columns of a head are known, X is " + ir::str(t)});
    return {};
  }
  const std::int64_t size = packed ? columns / heads : columns, turn = s.i("rotary_embedding_dim") ? s.i("rotary_embedding_dim") : size;
  if (turn < 2 || turn > size || turn % 2) { b.fail({ErrorCode::invalid_model, "RotaryEmbedding: rotary_embedding_dim " + std::to_string(turn) + " is odd or larger than a head of " + std::to_string(size)}); return {}; }
  const ir::Ints swap = {0, 2, 1, 3};
  Val rest, x;
  if (packed) x = b.op("Reshape", {s.in[0], b.ints({0, 0, heads, size})});
  else x = b.op("Transpose", {s.in[0]}, {{"perm", swap}});
  if (turn < size) {
    Vals parts = b.ops("Split", {x, b.ints({turn, size - turn})}, {{"axis", std::int64_t{3}}}, 2);
    x = parts[0];
    rest = parts[1];
  }
  auto table = [&](std::size_t i) {
    Val v = s.in[i];
    if (s.has(3)) v = b.op("Gather", {v, s.in[3]});
    return b.op("Unsqueeze", {v, b.ints({2})});
  };
  Val co = table(1), si = table(2);
  const std::int64_t half = turn / 2, axis = pairs ? 4 : 3;
  if (pairs) {   // [.., half, 2]
    x = b.op("Reshape", {x, b.ints({0, 0, 0, half, 2})});
    co = b.op("Unsqueeze", {co, b.ints({4})});
    si = b.op("Unsqueeze", {si, b.ints({4})});
  }
  Vals ab = b.ops("Split", {x}, {{"axis", axis}, {"num_outputs", std::int64_t{2}}}, 2);
  Val y = b.op("Concat", {co * ab[0] - si * ab[1], si * ab[0] + co * ab[1]}, {{"axis", axis}});
  if (pairs) y = b.op("Reshape", {y, b.ints({0, 0, 0, turn})});
  if (rest) y = b.op("Concat", {y, rest}, {{"axis", std::int64_t{3}}});
  if (packed) return {b.op("Reshape", {y, b.ints({0, 0, columns})})};
  return {b.op("Transpose", {y}, {{"perm", swap}})};
}

constexpr OpDef kOps[] = {
    {.name = "Attention", .since_version = 25,
     .signature = "(Q: T1, K: T1, V: T2, attn_mask: U?, past_key: T1?, past_value: T2?, nonpad_kv_seqlen: int64?) -> (Y: T1, present_key: T1?, present_value: T2?, qk_matmul_output: T1?) "
                  "where T1: float, T2: float, U: float int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool | is_causal: int = 0, kv_num_heads: int?, left_window_size: int = -1, q_num_heads: int?, "
                  "qk_matmul_output_mode: int = 0, right_window_size: int = -1, scale: float?, softcap: float = 0, softmax_precision: int?",
     .infer = infer_attention, .eval = eval_attention, .body = attention_body, .rounding = ErrorModel::dot},
    {.name = "FlexAttention", .domain = "ai.onnx.preview",
     .signature = "(Q: T1, K: T1, V: T1, captured: value?...) -> (Y: T1) where T1: float | prob_mod: graph?, scale: float?, score_mod: graph?, softmax_precision: int?",
     .traits = kControl, .infer = infer_flex, .body = flex_body, .rounding = ErrorModel::dot},
    {.name = "RotaryEmbedding", .since_version = 23,
     .signature = "(X: T, cos_cache: T, sin_cache: T, position_ids: int64?) -> (Y: T) where T: float32 float16 bfloat16 float64 | interleaved: int = 0, num_heads: int?, rotary_embedding_dim: int = 0",
     .infer = infer_rotary, .eval = eval_rotary, .body = rotary_body, .linear = joint({0}), .adjoint = rotary_adjoint, .rounding = ErrorModel::dot},
};
}  // namespace
std::span<const OpDef> attention() { return kOps; }

}  // namespace saha::op
