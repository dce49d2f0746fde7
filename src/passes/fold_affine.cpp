// s * Conv(x, W, b) + t  ->  Conv(x, s W, s b + t), s and t constant per output channel: BatchNormalization, Mul, Div, Add, Sub after Conv,
// ConvTranspose, Gemm and MatMul with constant weights.  Conv(s x + t, W, b)  ->  Conv(x, s W, b + t W) where Conv does not pad, else Conv(x + t / s, s W, b);
// the same before Gemm and MatMul, also through Transpose and Reshape.  MatMul(a, B) + c  ->  Gemm(a, B, c) for a matrix a.
#include <algorithm>
#include <cmath>

#include "passes/passes.hpp"

namespace saha::passes {
namespace {
using op::Val;
using op::Vals;

struct Affine { std::vector<double> scale, shift; };   // per channel

/// Elements of a constant that varies along axis `axis` of a tensor of `rank` only: `count` of them (repeated where it is uniform).
std::optional<std::vector<double>> per_channel(op::Builder& b, Val v, std::size_t rank, std::size_t axis, std::int64_t count) {
  const Tensor* t = v ? b.data(v) : nullptr;
  if (!t || !is_float(t->dtype) || t->rank() > rank) return {};
  std::vector<double> x = values<double>(*t);
  if (t->size() == 1) return std::vector<double>(std::size_t(count), x[0]);
  for (std::size_t i = 0; i < t->rank(); ++i) {
    bool here = rank - t->rank() + i == axis;
    if (t->dims[i] != (here ? count : 1)) return {};
  }
  return t->size() == count ? std::optional(x) : std::nullopt;
}

/// What n does to the result of its producer, per channel.
std::optional<Affine> affine(const ir::Node& n, const Vals& in, std::size_t which, std::size_t rank, std::size_t axis, std::int64_t channels, op::Builder& b) {
  Affine a{std::vector<double>(std::size_t(channels), 1.0), std::vector<double>(std::size_t(channels), 0.0)};
  if (is(&n, "BatchNormalization")) {
    if (in.size() < 5 || which != 0 || n.num_results != 1 || axis != 1) return {};
    auto s = per_channel(b, in[1], 1, 0, channels), t = per_channel(b, in[2], 1, 0, channels), m = per_channel(b, in[3], 1, 0, channels), v = per_channel(b, in[4], 1, 0, channels);
    const auto* epsilon = ir::attr<float>(*n.attrs, "epsilon");
    const auto* training = ir::attr<std::int64_t>(*n.attrs, "training_mode");
    if (!s || !t || !m || !v || (training && *training)) return {};
    for (std::size_t i = 0; i < a.scale.size(); ++i) {
      a.scale[i] = (*s)[i] / std::sqrt((*v)[i] + double(epsilon ? *epsilon : 1e-5f));
      a.shift[i] = (*t)[i] - (*m)[i] * a.scale[i];
      if (!std::isfinite(a.scale[i]) || !std::isfinite(a.shift[i])) return {};
    }
    return a;
  }
  if (in.size() != 2) return {};
  auto c = per_channel(b, in[1 - which], rank, axis, channels);
  if (!c) return {};
  for (std::size_t i = 0; i < a.scale.size(); ++i) {
    double x = (*c)[i];
    if (is(&n, "Mul")) a.scale[i] = x;
    else if (is(&n, "Div") && which == 0 && x != 0) a.scale[i] = 1 / x;
    else if (is(&n, "Add")) a.shift[i] = x;
    else if (is(&n, "Sub") && which == 0) a.shift[i] = -x;
    else if (is(&n, "Sub")) { a.scale[i] = -1; a.shift[i] = x; }
    else return {};
  }
  return a;
}

Tensor scaled(const Tensor& w, const std::function<double(std::int64_t)>& by) {
  Tensor r = Tensor::zeros(w.dtype, w.dims);
  std::vector<double> v = values<double>(w);
  for (std::size_t i = 0; i < v.size(); ++i) v[i] *= by(std::int64_t(i));
  fill<double>(r, v);
  return r;
}

/// The producer with s and t folded into its weights and bias; nothing where it cannot take them.
std::optional<Vals> fold_into(const ir::Node& p, const ir::Node& n, const Vals& in, std::size_t which, const ir::Type& y, op::Builder& b) {
  const Tensor* w = p.num_operands > 1 ? b.data(operand(b, p, 1)) : nullptr;
  if (!w || !is_float(w->dtype) || w->size() > (std::int64_t{1} << 28)) return {};
  std::size_t rank = b.type(in[which]).dims.size(), axis = 1;
  std::int64_t channels = 0;
  std::function<std::int64_t(std::int64_t)> channel_of;
  bool conv = is(&p, "Conv"), transposed = is(&p, "ConvTranspose"), gemm = is(&p, "Gemm"), matmul = is(&p, "MatMul");
  if (conv) {
    channels = w->dims[0];
    std::int64_t per = channels ? w->size() / channels : 1;
    channel_of = [per](std::int64_t i) { return i / per; };
  } else if (transposed) {
    const auto* group = ir::attr<std::int64_t>(*p.attrs, "group");
    std::int64_t groups = group ? *group : 1, m = w->dims[1], inner = m ? w->size() / (w->dims[0] * m) : 1, rows = w->dims[0] / std::max<std::int64_t>(groups, 1);
    channels = m * groups;
    channel_of = [=](std::int64_t i) { return i / (m * inner) / rows * m + i / inner % m; };
  } else if (gemm || matmul) {
    const auto* t = ir::attr<std::int64_t>(*p.attrs, "transB");
    const auto *alpha = ir::attr<float>(*p.attrs, "alpha"), *beta = ir::attr<float>(*p.attrs, "beta");
    if (w->rank() != 2 || (alpha && *alpha != 1) || (beta && *beta != 1)) return {};
    bool trans = t && *t;
    channels = w->dims[trans ? 0 : 1];
    std::int64_t columns = w->dims[1];
    channel_of = [=](std::int64_t i) { return trans ? i / columns : i % columns; };
    axis = rank - 1;
  } else return {};
  if (channels == 0) return {};
  auto a = affine(n, in, which, rank, axis, channels, b);
  if (!a || !(b.type(in[which]).ranked) || !(b.type(in[which]).dims.size() == y.dims.size())) return {};
  bool shifts = std::any_of(a->shift.begin(), a->shift.end(), [](double v) { return v != 0; });
  bool scales = std::any_of(a->scale.begin(), a->scale.end(), [](double v) { return v != 1; });
  if (matmul && shifts) return {};   // becomes a Gemm elsewhere, where that is possible
  Val bias = p.num_operands > 2 ? operand(b, p, 2) : Val{};
  std::vector<double> old(std::size_t(channels), 0.0);
  if (bias) {
    const Tensor* t = b.data(bias);
    auto v = t ? per_channel(b, bias, conv || transposed ? 1 : std::max<std::size_t>(t->rank(), 1), conv || transposed ? 0 : std::max<std::size_t>(t->rank(), 1) - 1, channels) : std::nullopt;
    if (!v) return {};
    old = *v;
  }
  Vals operands;
  for (std::size_t i = 0; i < p.num_operands; ++i) operands.push_back(operand(b, p, i));
  if (scales) operands[1] = b.constant(scaled(*w, [&](std::int64_t i) { return a->scale[std::size_t(channel_of(i))]; }));
  if (bias || shifts) {
    Tensor t = Tensor::zeros(w->dtype, {channels});
    for (std::size_t i = 0; i < old.size(); ++i) old[i] = old[i] * a->scale[i] + a->shift[i];
    fill<double>(t, old);
    operands.resize(std::max<std::size_t>(operands.size(), 3));
    operands[2] = b.constant(std::move(t));
  }
  return Vals{b.op(p.op, operands, *p.attrs)};
}

/// What stands in front of a product: moves(s x + t), s and t per channel of the product's operand; `steps` of arithmetic, each read by nobody else.
struct Before {
  Val x;
  Affine a;
  std::size_t steps = 0;
  std::vector<ir::Node> moves;   ///< of b's graph, the last first; x has the dims in front of them
};
Before affine_before(const ir::Graph& from, ir::ValueId v, Val y, std::size_t axis, std::int64_t channels, std::span<const std::uint32_t> uses, op::Builder& b) {
  Before r{y, {std::vector<double>(std::size_t(channels), 1.0), std::vector<double>(std::size_t(channels), 0.0)}, 0, {}};
  std::vector<ir::Node> moves;
  bool alike = false;   // behind a Reshape channels lie anywhere: what all elements share is followed
  for (;;) {
    const ir::Node *p = b.producer(y), *original = from.producer(v);
    if (!p || !original || p->op != original->op || p->num_operands != original->num_operands || uses[std::size_t(v)] != 1) return r;
    std::size_t next = 0;
    if (is(p, "Transpose") && !alike) {
      const auto* perm = ir::attr<ir::Ints>(*p->attrs, "perm");
      if (!perm || axis >= perm->size()) return r;
      axis = std::size_t((*perm)[axis]);
      moves.push_back(*p);
    } else if (is(p, "Reshape") || is(p, "Flatten") || is(p, "Transpose")) {
      alike = true;
      moves.push_back(*p);
    } else {
      const std::size_t rank = b.type(y).dims.size();
      std::optional<Affine> step;
      for (std::size_t which : {std::size_t(0), std::size_t(1)}) {
        if (step || p->num_operands != 2) break;
        const Val x = operand(b, *p, which), c = operand(b, *p, 1 - which);
        if (b.data(x) || b.type(x).dtype != DType::f32 || !(b.type(x).dims == b.type(y).dims) || (alike && !uniform(b, c))) continue;
        step = affine(*p, {operand(b, *p, 0), operand(b, *p, 1)}, which, rank, alike ? 0 : axis, channels, b);
        next = which;
      }
      if (!step) return r;
      for (std::size_t i = 0; i < r.a.scale.size(); ++i) {
        r.a.shift[i] += r.a.scale[i] * step->shift[i];
        r.a.scale[i] *= step->scale[i];
        if (!std::isfinite(r.a.scale[i]) || !std::isfinite(r.a.shift[i])) return {};
      }
      ++r.steps;
      r.x = operand(b, *p, next);
      r.moves = moves;
    }
    y = operand(b, *p, next);
    v = from.operand(*original, next);
  }
}

/// Conv(s x + t, W, b), Gemm and MatMul alike: the factor goes into the weights, and so does the summand into the bias, unless it would also have to
/// hold where Conv pads with zeros: it is then added before, Conv(x + t / s, s W, b).
std::optional<Vals> fold_before(const ir::Graph& from, const ir::Node& n, const Vals& in, std::span<const std::uint32_t> uses, op::Builder& b) {
  const Tensor* w = in.size() > 1 ? b.data(in[1]) : nullptr;
  const bool conv = is(&n, "Conv"), gemm = is(&n, "Gemm");
  const std::size_t rank = b.type(in[0]).dims.size();
  if (!w || w->dtype != DType::f32 || w->size() == 0 || w->size() > (std::int64_t{1} << 28)) return {};
  std::int64_t inputs = 0, outputs = 0;
  std::size_t axis = 1;
  std::function<std::pair<std::size_t, std::size_t>(std::int64_t)> ends;   // input and output channel of a weight
  bool padded = false;
  if (conv) {
    if (rank < 3) return {};
    const auto* group = ir::attr<std::int64_t>(*n.attrs, "group");
    const auto* pads = ir::attr<ir::Ints>(*n.attrs, "pads");
    const auto* automatic = ir::attr<std::string>(*n.attrs, "auto_pad");
    const std::int64_t groups = group ? *group : 1, rows = w->dims[1], inner = w->size() / (w->dims[0] * rows), per_group = std::max<std::int64_t>(1, w->dims[0] / std::max<std::int64_t>(1, groups));
    padded = (automatic && *automatic != "NOTSET" && *automatic != "VALID") || (pads && std::ranges::any_of(*pads, [](std::int64_t v) { return v != 0; }));
    inputs = rows * groups, outputs = w->dims[0];
    ends = [=](std::int64_t i) { const std::int64_t o = i / (inner * rows); return std::pair(std::size_t(o / per_group * rows + i / inner % rows), std::size_t(o)); };
  } else {
    if (w->rank() != 2 || (gemm && rank != 2)) return {};
    bool turned = false;
    if (gemm) {
      const auto *ta = ir::attr<std::int64_t>(*n.attrs, "transA"), *tb = ir::attr<std::int64_t>(*n.attrs, "transB");
      const auto *alpha = ir::attr<float>(*n.attrs, "alpha"), *beta = ir::attr<float>(*n.attrs, "beta");
      if ((ta && *ta) || (alpha && *alpha != 1) || (beta && *beta != 1)) return {};
      turned = tb && *tb;
    }
    axis = rank - 1;
    inputs = w->dims[turned ? 1 : 0], outputs = w->dims[turned ? 0 : 1];
    const std::int64_t columns = w->dims[1];
    ends = [=](std::int64_t i) { return turned ? std::pair(std::size_t(i % columns), std::size_t(i / columns)) : std::pair(std::size_t(i / columns), std::size_t(i % columns)); };
  }
  const Before before = affine_before(from, from.operand(n, 0), in[0], axis, inputs, uses, b);
  const auto &scale = before.a.scale, &shift = before.a.shift;
  if (before.steps == 0) return {};
  const bool shifts = std::ranges::any_of(shift, [](double v) { return v != 0; });
  const bool after = shifts && !padded;   // the summand goes into the bias
  if (shifts && padded && (before.steps < 2 || std::ranges::any_of(scale, [](double v) { return v == 0; }))) return {};
  if (after && !conv && !gemm && rank != 2 && before.steps < 2) return {};   // a sum before a product is as good as one after it
  Vals operands = in;
  std::vector<double> bias(std::size_t(outputs), 0.0);
  if (after && in.size() > 2 && in[2]) {
    const Tensor* c = b.data(in[2]);
    auto v = c ? per_channel(b, in[2], std::max<std::size_t>(c->rank(), 1), std::max<std::size_t>(c->rank(), 1) - 1, outputs) : std::nullopt;
    if (!v) return {};
    bias = *v;
  }
  Val x = before.x;
  for (auto m = before.moves.rbegin(); m != before.moves.rend(); ++m) {
    Vals moved;
    for (std::size_t i = 0; i < m->num_operands; ++i) moved.push_back(operand(b, *m, i));
    moved[0] = x;
    x = b.op(m->op, moved, *m->attrs);
  }
  if (shifts && padded) {
    Tensor t = Tensor::zeros(DType::f32, {inputs});
    std::vector<double> v;
    for (std::size_t i = 0; i < shift.size(); ++i) v.push_back(shift[i] / scale[i]);
    fill<double>(t, v);
    Dims dims(rank - axis, 1);
    dims[0] = inputs;
    const bool alike = std::ranges::all_of(v, [&v](double e) { return e == v[0]; });
    x = x + (alike ? b.scalar(v[0], DType::f32) : b.constant(t.reshaped(dims)));
  }
  operands[0] = x;
  operands[1] = b.constant(scaled(*w, [&](std::int64_t i) { return scale[ends(i).first]; }));
  if (!after) return Vals{b.op(n.op, operands, *n.attrs)};
  const auto weights = values<double>(*w);
  for (std::size_t i = 0; i < weights.size(); ++i) bias[ends(std::int64_t(i)).second] += weights[i] * shift[ends(std::int64_t(i)).first];
  Tensor sum = Tensor::zeros(DType::f32, {outputs});
  fill<double>(sum, bias);
  if (!conv && !gemm) return Vals{b.op(n.op, operands, *n.attrs) + b.constant(std::move(sum))};
  operands.resize(3);
  operands[2] = b.constant(std::move(sum));
  return Vals{b.op(n.op, operands, *n.attrs)};
}

/// Add(MatMul(a, B), c) with matrices a and B and a row c.
std::optional<Vals> to_gemm(const ir::Node& p, const Vals& in, std::size_t which, op::Builder& b) {
  Val a = operand(b, p, 0), w = operand(b, p, 1), c = in[1 - which];
  const ir::Type &ta = b.type(a), &tw = b.type(w), &tc = b.type(c);
  if (!ta.ranked || !tw.ranked || ta.dims.size() != 2 || tw.dims.size() != 2 || !tc.ranked || !is_float(ta.dtype)) return {};
  bool row = (tc.dims.size() == 1 && tc.dims[0] == tw.dims[1]) || (tc.dims.size() == 2 && tc.dims[0].is(1) && tc.dims[1] == tw.dims[1]);
  if (!row) return {};
  return Vals{b.op("Gemm", {a, w, c})};
}
}  // namespace

Result<ir::Graph> fold_affine(const ir::Graph& g, const Options&) {
  auto uses = g.use_counts();
  return op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const Vals& in, op::Builder& b) -> std::optional<Vals> {
    if (in.empty() || !in[0] || n.num_results != 1) return {};
    auto single = [&](std::size_t i) { return uses[std::size_t(from.operand(n, i))] == 1; };
    if (is(&n, "Conv") || is(&n, "Gemm") || is(&n, "MatMul")) return fold_before(from, n, in, uses, b);
    bool sum = is(&n, "Add"), other = is(&n, "BatchNormalization") || is(&n, "Mul") || is(&n, "Div") || is(&n, "Sub");
    if (!sum && !other) return {};
    const ir::Type& y = from.type(from.result(n));
    for (std::size_t which = 0; which < std::min<std::size_t>(in.size(), other && is(&n, "BatchNormalization") ? 1 : 2); ++which) {
      if (!in[which] || !single(which)) continue;
      const ir::Node* p = b.producer(in[which]);
      if (!p || b.type(in[which]).dims.size() != y.dims.size()) continue;
      if (auto r = fold_into(*p, n, in, which, y, b)) return r;
      if (sum && is(p, "MatMul")) if (auto r = to_gemm(*p, in, which, b)) return r;
    }
    return {};
  });
}

}  // namespace saha::passes
