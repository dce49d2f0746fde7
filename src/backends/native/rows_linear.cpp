// Conv, Gemm and MatMul on the packed float32 kernels, alone or as the anchor of a Fused node (fuse.hpp says which chains there are).
#include <algorithm>

#include "backends/native/kernel_table.hpp"
#include "backends/native/layout.hpp"
#include "backends/native/recognise.hpp"
#include "backends/native/rows_last.hpp"
#include "backends/native/ways.hpp"
#include "kernels/conv.hpp"
#include "kernels/conv_half.hpp"
#include "kernels/gemm.hpp"
#include "kernels/gemv.hpp"
#include "kernels/row_filter.hpp"
#include "kernels/stencil.hpp"
#include "op/window.hpp"

namespace saha::native {
namespace {
using kernels::Epilogue;

/// What a kernel does to the sums, beside the anchor's own operands.
struct Tail {
  ActivationOf activation;
  std::optional<AffineOf> affine;             ///< per output channel, before the bias
  float factor = 1;
  const Tensor* bias = nullptr;               ///< one element per channel
  std::optional<Operand> residual;
  bool pool = false;                          ///< the largest of each 2x2 results, behind the activation
};
/// An anchor: the node, and where its operands stand among those of the node that is being prepared.
struct Anchor {
  const NodeSite& s;
  std::vector<Operand> operands;
  const Tail& tail;
};

Epilogue epilogue(const Tail& t) {
  Epilogue e;
  e.activation = t.activation.activation;
  e.p0 = t.activation.p0;
  e.p1 = t.activation.p1;
  e.alpha = t.factor;
  return e;
}

/// The constants that are added to n channels, in one buffer: (own * own_scale) * affine.scale + affine.shift + tail.bias.
std::optional<Tensor> folded_bias(std::int64_t n, const Tensor* own, float own_scale, const Tail& t) {
  auto buffer = packed_buffer(n);
  if (!buffer) return {};
  for (std::int64_t i = 0; i < n; ++i) {
    double v = own ? double(own_scale) * double(own->as<float>()[own->size() == 1 ? 0 : i]) : 0;
    if (t.affine) v = v * double(t.affine->scale[std::size_t(i)]) + double(t.affine->shift[std::size_t(i)]);
    if (t.bias) v += double(t.bias->as<float>()[t.bias->size() == 1 ? 0 : i]);
    buffer->as<float>()[i] = float(v);
  }
  return std::move(*buffer);
}

/// A convolution of planes by these weights, which become constant 0 of the call; its operands are the caller's to state.
std::optional<Prepared> conv_planes(kernels::Isa isa, const kernels::ConvShape& shape, const Epilogue& e, const float* weights) {
  const auto params = kernels::prepare_conv(isa, shape, e);
  auto packed = packed_buffer(kernels::packed_conv_size(isa, params));
  if (!packed) return {};
  kernels::pack_conv(isa, params, weights, {packed->as<float>(), std::size_t(packed->size())});
  Prepared p = call(kernels::kernel(params), params, {});
  p.packed.push_back(std::move(*packed));
  return p;
}

std::optional<Prepared> row_filter(kernels::Isa isa, const kernels::ConvShape& shape, const Epilogue& e, bool pool, const float* weights) {
  const auto params = kernels::prepare_row_filter(isa, shape, e, pool);
  auto packed = packed_buffer(kernels::packed_row_filter_size(params));
  if (!packed) return {};
  kernels::pack_row_filter(isa, params, weights, {packed->as<float>(), std::size_t(packed->size())});
  Prepared p = call("row_filter_f32", params, {});
  p.packed.push_back(std::move(*packed));
  return p;
}

std::optional<Prepared> stencil(kernels::Isa isa, const kernels::ConvShape& shape, const Epilogue& e, const float* weights) {
  const auto params = kernels::prepare_stencil(isa, shape, e);
  auto packed = packed_buffer(kernels::packed_stencil_size(params));
  if (!packed) return {};
  kernels::pack_stencil(isa, params, weights, {packed->as<float>(), std::size_t(packed->size())});
  Prepared p = call("stencil_f32", params, {});
  p.packed.push_back(std::move(*packed));
  return p;
}

/// Conv over one or two spatial axes with constant weights.
std::optional<Prepared> conv(const Anchor& a) {
  const NodeSite& s = a.s;
  if (!s.all_f32() || !s.constant[1] || (s.has(2) && !s.constant[2])) return {};
  auto shape = conv_shape(s, 1);
  if (!shape) return {};
  const kernels::ConvShape& c = *shape;
  Epilogue e = epilogue(a.tail);
  bool folded = a.tail.affine || a.tail.bias;
  if (s.has(2) || folded) e.bias = kernels::Bias::per_row;
  const float* weights = s.constant[1]->as<float>();
  std::vector<float> scaled;
  if (a.tail.affine) {
    scaled.assign(weights, weights + s.constant[1]->size());
    std::size_t each = scaled.size() / std::size_t(c.out_channels);
    for (std::size_t i = 0; i < scaled.size(); ++i) scaled[i] *= a.tail.affine->scale[i / each];
    weights = scaled.data();
  }
  if (s.layout == ir::Layout::nhwc && s.constant[0]) return {};
  if (a.tail.pool && s.layout == ir::Layout::nhwc) return {};
  const auto planes = [&] {
    if (a.tail.pool || kernels::suits_row_filter(s.isa, c, false)) return row_filter(s.isa, c, e, a.tail.pool, weights);
    return kernels::suits_stencil(s.isa, c) ? stencil(s.isa, c, e, weights) : conv_planes(s.isa, c, e, weights);
  };
  auto p = s.layout == ir::Layout::nhwc ? conv_last(s, c, e, weights) : planes();
  if (!p) return {};
  p->operands = {a.operands[0], Operand::packed(0), s.has(2) ? a.operands[2] : Operand::none(), a.tail.residual.value_or(Operand::none())};
  if (folded) {
    auto bias = folded_bias(c.out_channels, s.has(2) ? s.constant[2] : nullptr, 1, a.tail);
    if (!bias) return {};
    p->operands[2] = Operand::packed(1);
    p->packed.push_back(std::move(*bias));
  }
  return p;
}

/// Rows that lie one behind the other, times a constant: a convolution of a row of points.
std::optional<Prepared> product_half(const Anchor& a, const kernels::GemmShape& g, const Epilogue& e, Operand bias, Operand residual, std::optional<Tensor>& made_bias) {
  if (g.batch_rank != 0 || g.a_col != 1 || g.a_row != g.k || g.c_row != g.n || e.bias == kernels::Bias::per_row) return {};
  kernels::ConvShape c;
  c.in_channels = g.k, c.in_w = c.out_w = g.m, c.out_channels = g.n;
  if (!kernels::suits_conv_half(a.s.isa, *half_of(a.s.precision), c)) return {};
  auto dense = packed_buffer(g.n * g.k);
  if (!dense) return {};
  const float* b = a.s.constant[1]->as<float>();
  for (std::int64_t j = 0; j < g.n; ++j)
    for (std::int64_t k = 0; k < g.k; ++k) dense->as<float>()[j * g.k + k] = b[k * g.b_row + j * g.b_col];
  auto p = conv_last(a.s, c, e, dense->as<float>());
  if (!p) return {};
  p->operands = {a.operands[0], Operand::packed(0), made_bias ? Operand::packed(1) : bias, residual};
  if (made_bias) p->packed.push_back(std::move(*made_bias));
  return p;
}

/// "float32 product, 128x768 by 768x3072"; what follows is how it lies where that is not the usual.
std::string product_text(const kernels::GemmShape& g, bool packed) {
  const auto n = [](std::int64_t v) { return std::to_string(v); };
  std::string s = "float32 product, ";
  for (int i = 0; i < g.batch_rank; ++i) s += n(g.batch[i]) + " x ";
  s += n(g.m) + "x" + n(g.k) + " by " + (packed ? "constant " : "") + n(g.k) + "x" + n(g.n);
  if (g.a_col != 1 || g.b_col != 1 || g.a_row != g.k || g.c_row != g.n) s += ", strides " + n(g.a_row) + " " + n(g.a_col) + " " + n(g.b_row) + " " + n(g.b_col) + " " + n(g.c_row);
  return s;
}

std::optional<Prepared> product(const Anchor& a, const kernels::GemmShape& shape, const Epilogue& e, Operand bias, Operand residual, std::optional<Tensor> made_bias) {
  const NodeSite& s = a.s;
  bool pack_b = s.constant[1];
  for (int i = 0; i < shape.batch_rank; ++i) pack_b &= shape.b_batch[i] == 0;
  if (pack_b && half_of(s.precision))
    if (auto p = product_half(a, shape, e, bias, residual, made_bias)) return p;
  const bool few_rows = pack_b && shape.batch_rank == 0 && shape.m <= kernels::kGemvRows && shape.c_row == shape.n;
  const auto few = few_rows ? kernels::prepare_gemv(s.isa, {shape.m, shape.n, shape.k, shape.a_row, shape.a_col}, e) : kernels::GemvParams();
  const std::vector<Operand> operands = {a.operands[0], a.operands[1], bias, residual};
  const auto made = [&](Prepared p, std::int64_t size, auto pack) -> std::optional<Prepared> {
    if (made_bias) {
      p.packed.push_back(*made_bias);
      p.operands[2] = Operand::packed(0);
    }
    if (!pack_b) return p;
    auto buffer = packed_buffer(size);
    if (!buffer) return {};
    pack(std::span<float>(buffer->as<float>(), std::size_t(buffer->size())));
    p.operands[1] = Operand::packed(p.packed.size());
    p.packed.push_back(std::move(*buffer));
    return p;
  };
  Ways ways(s.picker);
  if (few_rows)
    ways.add("gemv_f32", [&](std::uint32_t) { return few; }, [&](const kernels::GemvParams& p) {
      return made(call("gemv_f32", p, operands), kernels::packed_gemv_size(s.isa, p), [&](std::span<float> out) { kernels::pack_gemv(s.isa, p, s.constant[1]->as<float>(), shape.b_row, shape.b_col, out); });
    });
  ways.add("gemm_f32", [&](std::uint32_t blocks) { return kernels::prepare_gemm(s.isa, shape, e, false, pack_b, blocks); }, [&](const kernels::GemmParams& p) {
    return made(call("gemm_f32", p, operands), pack_b ? kernels::packed_gemm_b_size(s.isa, shape.n, shape.k) : 0, [&](std::span<float> out) { kernels::pack_gemm_b(s.isa, s.constant[1]->as<float>(), shape.b_row, shape.b_col, shape.k, shape.n, out); });
  });
  return ways.made([&] { return product_text(shape, pack_b) + layer_text(e); });
}

std::optional<Prepared> gemm(const Anchor& at) {
  const NodeSite& s = at.s;
  if (!s.all_f32() || num_elements(s.out_dims()) == 0) return {};
  Dims a = s.dims(0), b = s.dims(1), y = s.out_dims();
  bool ta = s.i("transA") != 0, tb = s.i("transB") != 0;
  kernels::GemmShape g;
  g.m = y[0];
  g.n = y[1];
  g.k = a[ta ? 0 : 1];
  if (g.k == 0) return {};
  g.a_row = ta ? 1 : a[1];
  g.a_col = ta ? a[1] : 1;
  g.b_row = tb ? 1 : b[1];
  g.b_col = tb ? b[1] : 1;
  g.c_row = g.n;
  Epilogue e = epilogue(at.tail);
  e.alpha = s.f("alpha");
  Operand bias = Operand::none(), residual = at.tail.residual.value_or(Operand::none());
  std::optional<Tensor> made;
  float beta = s.f("beta");
  if (s.has(2) && beta != 0) {
    Dims c = s.dims(2);
    std::int64_t n = num_elements(c);
    bool row = n == g.n && (c.empty() || c.back() == n), column = c.size() == 2 && c[1] == 1 && n == g.m;
    if (s.constant[2] && (row || n == 1)) {
      made = folded_bias(g.n, s.constant[2], beta, at.tail);
      if (!made) return {};
      e.bias = kernels::Bias::per_column;
    } else if ((row || column) && beta == 1 && !at.tail.bias) {
      e.bias = row ? kernels::Bias::per_column : kernels::Bias::per_row;
      bias = at.operands[2];
    } else if (n == g.m * g.n && !at.tail.residual && !at.tail.bias) {
      residual = at.operands[2];
      e.residual_scale = beta;
    } else return {};
  } else if (at.tail.bias) {
    made = folded_bias(g.n, nullptr, 1, at.tail);
    if (!made) return {};
    e.bias = kernels::Bias::per_column;
  }
  return product(at, g, e, bias, residual, std::move(made));
}

std::optional<Prepared> matmul(const Anchor& at) {
  const NodeSite& s = at.s;
  if (!s.all_f32()) return {};
  Dims a = s.dims(0), b = s.dims(1), y = s.out_dims();
  if (a.size() < 2 || b.size() < 2 || num_elements(y) == 0 || a.back() == 0) return {};
  kernels::GemmShape g;
  g.m = a[a.size() - 2];
  g.k = a.back();
  g.n = b.back();
  g.a_row = g.k;
  g.b_row = g.n;
  g.c_row = g.n;
  std::int64_t batch = num_elements(y) / (g.m * g.n);
  if (b.size() == 2 || num_elements(b) == g.k * g.n) {   // one matrix for all rows of A: one tall product
    if (num_elements(a) != batch * g.m * g.k) return {};
    g.m *= batch;
  } else {
    std::size_t rank = y.size() - 2;
    if (rank > std::size_t(kernels::kMaxBatchRank)) return {};
    g.batch_rank = int(rank);
    auto strides = [&](const Dims& d, std::int64_t matrix, std::int64_t* out) {
      std::int64_t step = matrix;
      for (std::size_t i = rank; i-- > 0;) {
        std::size_t have = d.size() - 2;
        std::int64_t extent = rank - i <= have ? d[have - (rank - i)] : 1;
        out[i] = extent == 1 ? 0 : step;
        step *= extent;
      }
    };
    for (std::size_t i = 0; i < rank; ++i) g.batch[i] = y[i];
    strides(a, g.m * g.k, g.a_batch);
    strides(b, g.k * g.n, g.b_batch);
  }
  Epilogue e = epilogue(at.tail);
  std::optional<Tensor> made;
  if (at.tail.bias) {
    made = folded_bias(g.n, nullptr, 1, at.tail);
    if (!made) return {};
    e.bias = kernels::Bias::per_column;
  }
  return product(at, g, e, Operand::none(), at.tail.residual.value_or(Operand::none()), std::move(made));
}

std::optional<Prepared> anchored(const Anchor& a) {
  if (a.s.op == "Conv") return conv(a);
  if (a.s.layout == ir::Layout::nhwc) return {};
  if (a.s.op == "Gemm") return gemm(a);
  if (a.s.op == "MatMul") return matmul(a);
  return {};
}

std::optional<Prepared> alone(const NodeSite& s) {
  Anchor a{s, {}, Tail{}};
  for (std::size_t i = 0; i < s.in.size(); ++i) a.operands.push_back(Operand::node(i));
  return anchored(a);
}

/// The activation that the nodes from `begin` to the end make of x.
std::optional<ActivationOf> written_out(const ir::Graph& g, ir::ValueId x, std::size_t begin, const ScalarOf& scalar) {
  std::vector<std::vector<std::size_t>> readers(g.values().size());
  for (std::size_t i = 0; i < g.nodes().size(); ++i)
    for (ir::ValueId v : g.operands(g.nodes()[i])) if (v != ir::ValueId::none) readers[std::size_t(v)].push_back(i);
  Recognised a = recognise(g, x, readers, g.use_counts(), scalar);
  if (a.nodes.size() < 2 || a.nodes.size() != g.nodes().size() - begin) return {};
  return a.activation;
}

/// Reads the chain of a body: the anchor, then what becomes its tail.
std::optional<Prepared> fused(const NodeSite& s) {
  const ir::Graph& g = s.graph("body");
  if (g.nodes().empty() || g.inputs().size() != s.in.size()) return {};
  std::vector<std::int64_t> operand(g.values().size(), -1);
  for (std::size_t i = 0; i < g.inputs().size(); ++i) operand[std::size_t(g.inputs()[i])] = std::int64_t(i);
  const ScalarOf scalar = [&](ir::ValueId v) -> std::optional<float> {
    const Tensor* t = operand[std::size_t(v)] < 0 ? nullptr : s.constant[std::size_t(operand[std::size_t(v)])];
    return t && t->dtype == DType::f32 && t->size() == 1 ? std::optional(*t->as<float>()) : std::nullopt;
  };
  const ir::Node& first = g.nodes()[0];
  for (ir::ValueId v : g.operands(first))   // no product at all: an activation in several nodes
    if (v != ir::ValueId::none && operand[std::size_t(v)] >= 0 && !s.constant[std::size_t(operand[std::size_t(v)])])
      if (auto a = written_out(g, v, 0, scalar)) return activation_call(s, *a, std::size_t(operand[std::size_t(v)]));
  Tail tail;
  ir::ValueId y = g.result(first);
  for (std::size_t i = 1; i < g.nodes().size(); ++i) {
    const ir::Node& n = g.nodes()[i];
    const BodySite held(s, n);
    const NodeSite at = held.site();
    bool last = i + 1 == g.nodes().size();
    std::size_t other = g.operand(n, 0) == y ? 1 : 0;
    if (auto a = written_out(g, y, i, scalar)) {
      tail.activation = *a;
      break;
    }
    if (n.op == "MaxPool" && last) {
      tail.pool = true;
    } else if (auto a = activation_of(at); a && (last || g.nodes()[i + 1].op == "MaxPool")) {
      tail.activation = *a;
    } else if (n.op == "BatchNormalization") {
      tail.affine = affine_of_batch_norm(at, 0);
      if (!tail.affine) return {};
    } else if (n.op == "Mul" || n.op == "Div") {
      if (!at.constant[other] || at.constant[other]->size() != 1) return {};
      float f = *at.constant[other]->as<float>();
      tail.factor = n.op == "Mul" ? f : 1 / f;
    } else if (n.op == "Add") {
      if (at.constant[other]) tail.bias = at.constant[other];
      else tail.residual = Operand::node(std::size_t(operand[std::size_t(g.operand(n, other))]));
    } else return {};
    y = g.result(n);
  }
  const BodySite held(s, first);
  const NodeSite anchor = held.site();
  Anchor a{anchor, {}, tail};
  for (ir::ValueId v : g.operands(first)) a.operands.push_back(v == ir::ValueId::none ? Operand::none() : Operand::node(std::size_t(operand[std::size_t(v)])));
  return anchored(a);
}

constexpr KernelDef kRows[] = {{"Conv", alone, true}, {"Gemm", alone}, {"MatMul", alone}, {"Fused", fused, true}};
}  // namespace

std::span<const KernelDef> linear_rows() { return kRows; }

BodySite::BodySite(const NodeSite& fused, const ir::Node& n) : node_(n), isa_(fused.isa), layout_(fused.layout), precision_(fused.precision), convolves_(fused.convolves), picker_(fused.picker) {
  const ir::Graph& g = fused.graph("body");
  for (ir::ValueId v : g.operands(n)) {
    in_.push_back(v == ir::ValueId::none ? ir::TypeRef{} : g[v].type);
    const auto at = v == ir::ValueId::none ? g.inputs().end() : std::find(g.inputs().begin(), g.inputs().end(), v);
    constants_.push_back(at == g.inputs().end() ? nullptr : fused.constant[std::size_t(at - g.inputs().begin())]);
  }
  for (std::size_t k = 0; k < n.num_results; ++k) out_.push_back(g[g.result(n, k)].type);
}

std::string layer_text(const kernels::ConvShape& s) {
  const auto n = [](std::int64_t v) { return std::to_string(v); };
  const auto pair = [&](std::int64_t h, std::int64_t w) { return h == w ? n(h) : n(h) + "x" + n(w); };
  std::string t = (s.batch == 1 ? "" : n(s.batch) + " of ") + n(s.in_channels) + "x" + n(s.in_h) + "x" + n(s.in_w) + " by " + n(s.kernel_h) + "x" + n(s.kernel_w) + " to " + n(s.out_channels) + "x" + n(s.out_h) + "x" + n(s.out_w);
  if (s.groups != 1) t += ", groups " + n(s.groups);
  if (s.stride_h != 1 || s.stride_w != 1) t += ", stride " + pair(s.stride_h, s.stride_w);
  if (s.dilation_h != 1 || s.dilation_w != 1) t += ", dilation " + pair(s.dilation_h, s.dilation_w);
  if (s.pad_top != 0 || s.pad_left != 0) t += ", pad " + pair(s.pad_top, s.pad_left);
  return t;
}
std::string layer_text(const kernels::Epilogue& e) {
  static constexpr std::string_view kNames[] = {"", "relu", "clip", "sigmoid", "tanh", "silu", "hardsigmoid", "hardswish", "gelu", "leakyrelu", "elu"};
  std::string t;
  if (e.bias != kernels::Bias::none) t += ", bias";
  if (e.activation != kernels::Activation::none) t += ", " + std::string(kNames[std::size_t(e.activation)]);
  return t;
}

std::optional<kernels::ConvShape> conv_shape(const NodeSite& s, std::size_t weights) {
  Dims x = s.dims(0), w = s.dims(weights), y = s.out_dims();
  std::size_t spatial = x.size() - 2;
  if (x.size() < 3 || spatial > 2 || w.size() != x.size() || num_elements(y) == 0) return {};
  auto window = op::read_window(s, "Conv", spatial);
  if (!window || !op::resolve(*window, "Conv", std::span(x).subspan(2), std::span(w).subspan(2))) return {};
  kernels::ConvShape c;
  c.batch = x[0];
  c.in_channels = x[1];
  c.out_channels = w[0];
  c.groups = s.i("group");
  auto axis = [&](std::size_t i, std::int64_t& in, std::int64_t& out, std::int64_t& k, std::int64_t& stride, std::int64_t& dilation, std::int64_t& pad) {
    in = x[2 + i]; out = y[2 + i]; k = w[2 + i];
    stride = window->strides[i]; dilation = window->dilations[i]; pad = window->before[i];
  };
  if (spatial == 2) axis(0, c.in_h, c.out_h, c.kernel_h, c.stride_h, c.dilation_h, c.pad_top);
  axis(spatial - 1, c.in_w, c.out_w, c.kernel_w, c.stride_w, c.dilation_w, c.pad_left);
  if (c.pad_top < 0 || c.pad_left < 0) return {};
  return c;
}

namespace {
/// The convolution that the node is, alone or first in a body, at known shapes.
std::optional<kernels::ConvShape> static_conv_shape(const ir::Graph& g, const ir::Node& n, kernels::Isa isa) {
  const auto [graph, conv] = convolution_of(g, n);
  if (!conv) return {};
  std::vector<ir::TypeRef> in, out = {(*graph)[graph->result(*conv)].type};
  for (ir::ValueId v : graph->operands(*conv)) in.push_back(v == ir::ValueId::none ? ir::TypeRef{} : (*graph)[v].type);
  for (const ir::TypeRef& t : {in[0], in[1], out[0]}) if (!ir::is_static(*t)) return {};
  return conv_shape({{*conv->attrs}, conv->op.str(), in, out, {}, isa}, 1);
}
/// Each pixel is read once, into a long row of products: what follows is rows of channels, and the image's reorder costs little beside it.
bool embeds_patches(const ir::Graph& g, const ir::Node& n, kernels::Isa isa) {
  const auto s = static_conv_shape(g, n, isa);
  return s && s->groups == 1 && s->kernel_h * s->kernel_w >= 16 && s->kernel_h == s->stride_h && s->kernel_w == s->stride_w;
}
}  // namespace

bool convolves_small_planes(const ir::Graph& g, const ir::Node& n, kernels::Isa isa) {
  const auto shape = static_conv_shape(g, n, isa);
  return shape && (kernels::suits_stencil(isa, *shape) || kernels::suits_row_filter(isa, *shape, false));
}
bool convolves_channels_last(const ir::Graph& g, kernels::Isa isa) {
  const auto held = [&](ir::ValueId v) { return v == ir::ValueId::none || fits_slot(g.type(v)); };
  int several = 0;
  for (const ir::Node& n : g.nodes())
    if (prefers_channels_last(g, n) && held(g.result(n)) && std::ranges::all_of(g.operands(n), held) && !convolves_small_planes(g, n, isa)) several += embeds_patches(g, n, isa) ? 2 : 1;
  return several > 1;
}
bool pools_small_planes(const ir::Graph& g, const ir::Node& conv, const ir::Node& pool, kernels::Isa isa) {
  if (pool.op != "MaxPool" || pool.num_results != 1 || !ir::is_static(g.type(g.result(pool)))) return false;
  const ir::TypeRef in = g[g.operand(pool, 0)].type, out = g[g.result(pool)].type;
  if (in->dims.size() != 4 || !ir::is_static(*in)) return false;
  const auto p = pool_shape({{*pool.attrs}, pool.op.str(), {&in, 1}, {&out, 1}, {}, isa});
  const auto c = static_conv_shape(g, conv, isa);
  return c && p && p->kernel_h == 2 && p->kernel_w == 2 && p->stride_h == 2 && p->stride_w == 2 && p->dilation_h == 1 && p->dilation_w == 1 && p->pad_top + p->pad_left == 0 && p->out_h == c->out_h / 2 &&
         p->out_w == c->out_w / 2 && kernels::suits_row_filter(isa, *c, true);
}

}  // namespace saha::native
