// LinearAttention: a state per key-value head that each step decays, corrects, writes to and reads from. The body is the same recurrence
// unrolled. Source: ONNX operator specification, opset 28 (LinearAttention-27).
#include <cmath>

#include "op/builder.hpp"

namespace saha::op {
namespace {

struct Rule { bool gated, delta; };
Result<Rule> rule_of(const AttrView& a, bool has_decay, bool has_beta) {
  std::string r = a.s("update_rule");
  Rule rule{r == "gated" || r == "gated_delta", r == "delta" || r == "gated_delta"};
  auto bad = [&](std::string what) { return Error{ErrorCode::invalid_model, "LinearAttention: update_rule '" + r + "' " + std::move(what)}; };
  if (!rule.gated && !rule.delta && r != "linear") return bad("is not linear, gated, delta or gated_delta");
  if (rule.gated != has_decay) return bad(rule.gated ? "needs decay" : "takes no decay");
  if (rule.delta != has_beta) return bad(rule.delta ? "needs beta" : "takes no beta");
  std::int64_t q = a.i("q_num_heads"), kv = a.i("kv_num_heads");
  if (q < 1 || kv < 1 || q % kv) return Error{ErrorCode::invalid_model, "LinearAttention: " + std::to_string(q) + " query heads are no multiple of " + std::to_string(kv) + " key heads"};
  return rule;
}
Result<> infer_linear_attention(Infer& c) {
  SAHA_DO(rule_of(c, c.has(4), c.has(5)));
  for (std::size_t i = 0; i < 3; ++i) if (c.rank(i) != 3) return c.fail("operand " + std::to_string(i) + " is " + ir::str(*c.in[i]) + ", it needs rank 3");
  const Dim hq(c.i("q_num_heads")), hk(c.i("kv_num_heads"));
  const auto &q = c.dims(0), &v = c.dims(2);
  Dim dk = floor_div(q[2], hq), dv = floor_div(v[2], hk);
  SAHA_DO(c.give(c.dtype(0), {q[0], q[1], hq * dv}));
  if (c.num_out > 1) return c.give(c.has(3) ? c.dtype(3) : c.dtype(0), {q[0], hk, dk, dv});
  return {};
}
Result<> eval_linear_attention(Eval& c) {
  SAHA_TRY(Rule rule, rule_of(c, c.has(4), c.has(5)));
  const Dims &q = c.x(0).dims, &k = c.x(1).dims, &v = c.x(2).dims;
  const std::int64_t hq = c.i("q_num_heads"), hk = c.i("kv_num_heads");
  auto misfit = [&] { return c.fail("query " + str(q) + ", key " + str(k) + " and value " + str(v) + " do not fit " + std::to_string(hq) + " and " + std::to_string(hk) + " heads"); };
  if (q.size() != 3 || k.size() != 3 || v.size() != 3) return misfit();
  const std::int64_t batch = q[0], steps = q[1], K = q[2] / hq, V = v[2] / hk;
  if (q[2] % hq || v[2] % hk || k != Dims{batch, steps, hk * K} || v[0] != batch || v[1] != steps) return misfit();
  const Dims state_dims = {batch, hk, K, V};
  if (c.has(3) && c.x(3).dims != state_dims) return c.fail("past_state is " + str(c.x(3).dims) + ", " + str(state_dims) + " is needed");
  std::int64_t per_decay = 0, per_beta = 0;
  auto per_step = [&](std::size_t i, std::initializer_list<std::int64_t> allowed) -> Result<std::int64_t> {
    const Dims& d = c.x(i).dims;
    if (d.size() == 3 && d[0] == batch && d[1] == steps) for (std::int64_t a : allowed) if (d[2] == a) return a;
    return c.fail("operand " + std::to_string(i) + " is " + str(d) + ", it does not fit " + str(q));
  };
  if (rule.gated) { SAHA_TRY(per_decay, per_step(4, {hk, hk * K})); }
  if (rule.delta) { SAHA_TRY(per_beta, per_step(5, {hk, 1})); }
  SAHA_DO(c.spend(double(batch) * double(steps) * double(std::max(hq, hk)) * double(K) * double(V) * 4));
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, {batch, steps, hq * V}));
  SAHA_TRY(Tensor last, c.make(c.has(3) ? c.x(3).dtype : c.x(0).dtype, state_dims));
  auto qv = values<double>(c.x(0)), kv = values<double>(c.x(1)), vv = values<double>(c.x(2));
  auto state = values<double>(c.has(3) ? c.x(3) : last), decay = rule.gated ? values<double>(c.x(4)) : std::vector<double>(), beta = rule.delta ? values<double>(c.x(5)) : std::vector<double>();
  const double scale = c.f("scale") == 0 ? 1 / std::sqrt(double(K)) : double(c.f("scale"));
  std::vector<double> out(std::size_t(y.size()), 0.0), written(static_cast<std::size_t>(V));
  for (std::int64_t n = 0; n < batch && V > 0; ++n)
    for (std::int64_t h = 0; h < hk; ++h) {
      double* s = state.data() + (n * hk + h) * K * V;
      for (std::int64_t t = 0; t < steps; ++t) {
        const std::int64_t at = n * steps + t;
        const double *key = kv.data() + (at * hk + h) * K, *value = vv.data() + (at * hk + h) * V;
        if (rule.gated)
          for (std::int64_t i = 0; i < K; ++i) {
            const double f = std::exp(decay[std::size_t(at * per_decay + (per_decay == hk ? h : h * K + i))]);
            for (std::int64_t j = 0; j < V; ++j) s[i * V + j] *= f;
          }
        std::copy_n(value, V, written.begin());
        if (rule.delta) {
          for (std::int64_t i = 0; i < K; ++i) for (std::int64_t j = 0; j < V; ++j) written[std::size_t(j)] -= s[i * V + j] * key[i];
          const double rate = beta[std::size_t(at * per_beta + (per_beta == 1 ? 0 : h))];
          for (double& w : written) w *= rate;
        }
        for (std::int64_t i = 0; i < K; ++i) for (std::int64_t j = 0; j < V; ++j) s[i * V + j] += key[i] * written[std::size_t(j)];
        for (std::int64_t g = h * (hq / hk); g < (h + 1) * (hq / hk); ++g) {
          const double* query = qv.data() + (at * hq + g) * K;
          double* o = out.data() + (at * hq + g) * V;
          for (std::int64_t i = 0; i < K; ++i) for (std::int64_t j = 0; j < V; ++j) o[j] += scale * query[i] * s[i * V + j];
        }
      }
    }
  fill<double>(y, out);
  SAHA_DO(c.give(std::move(y)));
  if (c.num_out < 2) return {};
  fill<double>(last, state);
  return c.give(std::move(last));
}

constexpr std::int64_t kMostSteps = 256;
Vals linear_attention_body(const Site& s) {
  Builder& b = s.b;
  auto rule = rule_of(s, s.has(4), s.has(5));
  const Type q = s.type(0), v = s.type(2);
  if (!rule || !q.dims[1].known() || *q.dims[1].known() > kMostSteps || !q.dims[2].known() || !v.dims[2].known()) {
    b.fail(!rule ? rule.error() : Error{ErrorCode::unsupported, "LinearAttention is unrolled only where it has at most " + std::to_string(kMostSteps) + " steps and known heads, query is " + ir::str(q)});
    return {};
  }
  const std::int64_t hq = s.i("q_num_heads"), hk = s.i("kv_num_heads"), K = *q.dims[2].known() / hq, V = *v.dims[2].known() / hk, times = hq / hk;
  const double scale = s.f("scale") == 0 ? 1 / std::sqrt(double(K)) : double(s.f("scale"));
  const DType t = q.dtype == DType::f64 ? DType::f64 : DType::f32;
  auto cast = [&](Val x, DType to) { return b.type(x).dtype == to ? x : b.op("Cast", {x}, {{"to", std::int64_t(to)}}); };
  // One step of an operand as [B, heads, a, b].
  auto at = [&](Val x, std::int64_t step, std::int64_t heads, std::int64_t rows, std::int64_t columns) {
    Val one = b.op("Gather", {cast(x, t), b.constant(Tensor::scalar_int(step))}, {{"axis", std::int64_t{1}}});
    return b.op("Reshape", {one, b.ints({0, heads, rows, columns})});
  };
  Val state = s.has(3) ? cast(s.in[3], t) : Val{};
  Vals y;
  for (std::int64_t i = 0; i < *q.dims[1].known(); ++i) {
    Val key = at(s.in[1], i, hk, K, 1), value = at(s.in[2], i, hk, 1, V);
    if (rule->gated && state) {
      const auto& d = s.type(4).dims[2];
      state = state * b.op("Exp", {at(s.in[4], i, hk, d.is(hk) ? 1 : K, 1)});
    }
    if (rule->delta) {
      if (state) value = value - b.op("ReduceSum", {state * key, b.ints({2})}, {{"keepdims", std::int64_t{1}}});
      value = value * at(s.in[5], i, s.type(5).dims[2].is(1) ? 1 : hk, 1, 1);
    }
    Val outer = b.op("MatMul", {key, value});
    state = state ? state + outer : outer;
    // Query heads of one key head are the rows of one product.
    Val read = b.op("MatMul", {at(s.in[0], i, hk, times, K), state}) * scale;
    y.push_back(b.op("Reshape", {read, b.ints({0, 1, hq * V})}));
  }
  Val all = y.size() == 1 ? y[0] : b.op("Concat", y, {{"axis", std::int64_t{1}}});
  return {cast(all, q.dtype), cast(state, s.has(3) ? s.type(3).dtype : q.dtype)};
}

constexpr OpDef kOps[] = {
    {.name = "LinearAttention", .since_version = 27,
     .signature = "(query: T, key: T, value: T, past_state: S?, decay: T?, beta: T?) -> (output: T, present_state: S) where T: float32 float16 bfloat16 float64, S: float32 float16 bfloat16 float64 "
                  "| chunk_size: int = 64, kv_num_heads: int, q_num_heads: int, scale: float = 0, update_rule: string = gated_delta",
     .infer = infer_linear_attention, .eval = eval_linear_attention, .body = linear_attention_body, .rounding = ErrorModel::dot},
};
}  // namespace
std::span<const OpDef> linear_attention() { return kOps; }

}  // namespace saha::op
