// Attention, alone or with the rearrangements of its operands and its result (fuse.cpp), which become strides.
#include "backends/native/rows_attention.hpp"

#include <algorithm>

#include "backends/native/layout.hpp"
#include "backends/native/rows.hpp"

namespace saha::native {
namespace {
using kernels::HeadStrides;

/// [B, H, S, D] of a value of that shape, or of [B, S, H D].
struct Heads {
  std::int64_t batch, heads, rows, columns;
  HeadStrides at;
};
std::optional<Heads> heads_of(const Strided& x, std::int64_t heads) {
  const auto strides = x.strides();
  if (!strides) return {};
  const Dims d = x.dims(), &s = *strides;
  if (d.size() == 4) return Heads{d[0], d[1], d[2], d[3], {x.first, s[0], s[1], s[2], s[3]}};
  if (d.size() != 3 || heads < 1 || d[2] % heads) return {};
  const std::int64_t columns = d[2] / heads;
  return Heads{d[0], heads, d[1], columns, {x.first, s[0], columns * s[2], s[1], s[2]}};
}

/// Products in bfloat16 where they are asked for; of few queries they would take less than rounding keys and values does.
std::string_view kernel_of(const NodeSite& s, const kernels::AttentionParams& p) {
  constexpr std::int64_t kFewQueries = 8;
  return half_of(s.precision) == kernels::Half::bfloat16 && kernels::has_bfloat_dots(s.isa) && p.shape.queries >= kFewQueries ? "attention_bf16" : "attention_f32";
}

std::optional<Prepared> attention(const NodeSite& s) {
  const auto p = attention_params(s);
  if (!p) return {};
  return call(kernel_of(s, *p), *p, {Operand::node(0), Operand::node(1), Operand::node(2), p->masked ? Operand::node(3) : Operand::none()});
}

std::optional<Prepared> fused(const NodeSite& s) {
  const ir::Graph& g = s.graph("body");
  const auto at = std::ranges::find_if(g.nodes(), [](const ir::Node& n) { return n.op == "Attention"; });
  if (at == g.nodes().end() || g.outputs().size() != 1) return {};
  const bool heads_last = g.outputs()[0] != g.result(*at);
  std::vector<Strided> qkv;
  std::vector<Operand> operands;
  const auto operand = [&](ir::ValueId v) {
    const auto i = std::ranges::find(g.inputs(), v);
    if (i == g.inputs().end()) return false;
    operands.push_back(Operand::node(std::size_t(i - g.inputs().begin())));
    return true;
  };
  for (std::size_t i = 0; i < 3; ++i) {
    qkv.push_back(strided(g, g.operand(*at, i), [](const ir::Node&) { return true; }));
    if (!operand(qkv.back().root)) return {};
  }
  const BodySite held(s, *at);
  const auto p = attention_params(held.site(), qkv, heads_last);
  if (!p) return {};
  if (!p->masked) operands.push_back(Operand::none());
  else if (!operand(g.operand(*at, 3))) return {};
  return call(kernel_of(s, *p), *p, std::move(operands));
}

constexpr KernelDef kRows[] = {{"Attention", attention}, {"Fused", fused}};
}  // namespace

std::span<const KernelDef> attention_rows() { return kRows; }

std::optional<kernels::AttentionParams> attention_params(const NodeSite& s, std::span<const Strided> qkv, bool heads_last) {
  if (s.out.size() != 1 || s.in.size() > 4 || !s.has(0) || !s.has(1) || !s.has(2) || !s.all_f32()) return {};
  if (s.i("is_causal") != 0 || s.i("left_window_size") != -1 || s.i("right_window_size") != -1 || s.f("softcap") != 0) return {};
  if (s.has_attr("softmax_precision") && DType(s.i("softmax_precision")) != DType::f32) return {};
  const auto q = heads_of(qkv[0], s.i("q_num_heads")), k = heads_of(qkv[1], s.i("kv_num_heads")), v = heads_of(qkv[2], s.i("kv_num_heads"));
  if (!q || !k || !v || k->heads < 1 || q->heads % k->heads) return {};
  if (k->batch != q->batch || v->batch != q->batch || v->heads != k->heads || k->columns != q->columns || v->rows != k->rows) return {};   // what else a model says is for the reference to refuse
  const bool wide = s.out_dims().size() == 3 || heads_last;
  kernels::AttentionShape a;
  a.batch = q->batch, a.heads = q->heads, a.group = q->heads / k->heads, a.queries = q->rows, a.keys = k->rows, a.depth = q->columns, a.values = v->columns;
  a.q = q->at, a.k = k->at, a.v = v->at;
  if ((a.k.row != 1 && a.k.column != 1) || (a.v.row != 1 && a.v.column != 1) || a.keys == 0 || a.depth == 0) return {};
  a.y = wide ? HeadStrides{0, a.queries * a.heads * a.values, a.values, a.heads * a.values, 1} : HeadStrides{0, a.heads * a.queries * a.values, a.queries * a.values, a.values, 1};
  a.mask = {0, 0, 0, 0, 0};
  if (s.has(3)) {
    const Dims m = s.dims(3), to = {a.batch, a.heads, a.queries, a.keys}, from = strides_of(m);
    if (m.empty() || m.size() > 4 || m.back() != a.keys) return {};
    std::int64_t* strides[] = {&a.mask.batch, &a.mask.head, &a.mask.row, &a.mask.column};
    for (std::size_t i = 0; i < m.size(); ++i) {
      const std::size_t axis = 4 - m.size() + i;
      if (m[i] != 1 && m[i] != to[axis]) return {};
      *strides[axis] = m[i] == 1 ? 0 : from[i];
    }
  }
  const float scale = s.has_attr("scale") ? s.f("scale") : float(1 / std::sqrt(double(a.depth)));
  return kernels::prepare_attention(s.isa, a, scale, s.has(3));
}

std::optional<kernels::AttentionParams> attention_params(const NodeSite& s) {
  std::vector<Strided> qkv;
  for (std::size_t i = 0; i < 3; ++i) {
    if (!s.has(i)) return {};
    qkv.push_back(dense(ir::ValueId::none, *s.in[i]));
  }
  return attention_params(s, qkv, false);
}

}  // namespace saha::native
