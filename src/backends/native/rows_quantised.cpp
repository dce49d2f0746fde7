// Nodes on 8-bit stored integers on the kernels "*_i8": those whose types carry scales, and ONNX's QLinear and Integer operators, whose scales are operands.
// The numbers of a rule of rounding are read from the node's integer form, so that they are derived in one place.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "backends/native/kernel_table.hpp"
#include "backends/native/layout.hpp"
#include "backends/native/rows.hpp"
#include "backends/native/tables.hpp"
#include "backends/native/ways.hpp"
#include "kernels/conv_i8.hpp"
#include "kernels/elementwise_i8.hpp"
#include "kernels/reduce_i8.hpp"
#include "kernels/resize_i8.hpp"
#include "kernels/winograd_i8.hpp"
#include "op/builder.hpp"
#include "op/resize_taps.hpp"

namespace saha::native {
namespace {
using kernels::Rescaling;

bool is_byte(DType t) { return t == DType::i8 || t == DType::u8; }
bool is_pair(DType t) { return t == DType::i16 || t == DType::u16; }
bool per_tensor(const ir::TypeRef& t) { return t && t->quant && t->quant->scale.size() == 1; }
/// By a rule of fixed-point multipliers.
bool by_fixed_rule(const NodeSite& s) { return s.has_attr("rounding") && s.s("rounding") != "float_even"; }
/// Held as channels last, as it is or since it makes no difference.
bool channels_last(const NodeSite& s, const Dims& d) { return s.layout == ir::Layout::nhwc || layouts_coincide(d); }

/// What the Rescale nodes of the integer form do, in order.
std::optional<std::vector<std::vector<Requant>>> rescales(const NodeSite& s) {
  auto form = op::integer_form(*op::find(s.op)->def, s.in, s.out[0], s.attrs);
  if (!form) return {};
  std::vector<std::vector<Requant>> all;
  for (const ir::Node& n : form->nodes()) {
    if (n.op != ir::OpName("Rescale")) continue;
    const op::AttrView a{*n.attrs};
    const auto rule = rounding_of(a.s("rounding"));
    if (!rule) return {};
    std::vector<Requant> r;
    if (a.has_attr("w_scale")) for (float w : a.fs("w_scale")) r.push_back(requant(*rule, a.f("x_scale"), w, a.f("y_scale")));
    else for (std::size_t i = 0; i < a.is("multiplier").size(); ++i) r.push_back({*rule, 0, {std::int32_t(a.is("multiplier")[i]), int(a.is("shift")[i])}});
    all.push_back(std::move(r));
  }
  return all;
}

/// A convolution or a product in the kernels' terms.
struct Product {
  kernels::ConvShape shape;
  std::vector<std::int16_t> weights;        ///< [M, C / groups, KH, KW], zero points removed
  std::vector<std::int32_t> bias;           ///< [M], or nothing
  std::vector<Requant> requant;             ///< [M], one, or none: the sums are the result
  bool x_signed = false, wraps = true;      ///< as kernels::rescaling
  std::int64_t x_zero = 0, y_zero = 0;
  DType result = DType::i32;
  std::optional<Clamp> clamp;
};
/// Nothing: the kernels do not have these numbers.
std::optional<kernels::Store> store_of(const Product& p) {
  const IntRange range = int_range(p.x_signed ? DType::i8 : DType::u8);
  if (p.x_zero < range.lo || p.x_zero > range.hi || std::abs(p.y_zero) > 255) return {};
  kernels::Store store;
  if (!p.requant.empty()) {
    if (p.requant.size() != 1 && std::int64_t(p.requant.size()) != p.shape.out_channels) return {};
    const std::int64_t bound = kernels::largest_sum(p.shape, std::int32_t(p.x_zero), p.x_signed, p.weights, p.bias);
    auto rule = kernels::rescaling(p.requant, bound, std::int32_t(p.y_zero), p.wraps);
    if (!rule) return {};
    store.rule = *rule;
    const IntRange stored = int_range(p.result);
    store.zero = std::int32_t(p.y_zero);
    store.lo = std::int32_t(stored.lo), store.hi = std::int32_t(stored.hi);
    if (p.clamp) store.lo = p.clamp->lo, store.hi = std::max(p.clamp->lo, p.clamp->hi);
  }
  return store;
}
std::optional<Prepared> prepared(const NodeSite& s, const Product& p) {
  const auto store = store_of(p);
  if (!store) return {};
  const auto made = [&s, &p](std::string_view kernel, const auto& params, std::int64_t size, auto pack) -> std::optional<Prepared> {
    auto packed = packed_buffer(size);
    if (!packed) return {};
    packed->dtype = DType::i32;
    pack(s.isa, params, {p.weights, p.bias, p.requant}, {packed->template as<std::int32_t>(), std::size_t(packed->size())});
    Prepared r = call(kernel, params, {Operand::node(0), Operand::packed(0)});
    r.packed.push_back(std::move(*packed));
    return r;
  };
  const auto x_zero = std::int32_t(p.x_zero);
  Ways ways(s.picker);
  const auto filtered = [&] {
    ways.add("winograd_i8", [&](std::uint32_t blocks) { return kernels::prepare_winograd_i8(s.isa, p.shape, *store, p.x_signed, x_zero, blocks); },
             [=, &s](const kernels::WinogradI8Params& q) { return made("winograd_i8", q, kernels::packed_winograd_i8_size(s.isa, q), kernels::pack_winograd_i8); });
  };
  const bool suits = kernels::suits_winograd_i8(s.isa, p.shape);
  const bool may = (suits || (s.picker && kernels::may_winograd_i8(s.isa, p.shape))) && kernels::within_winograd_i8(p.shape, x_zero, p.x_signed, p.weights);
  if (may && suits) filtered();
  ways.add("conv_i8", [&](std::uint32_t blocks) { return kernels::prepare_conv_i8(s.isa, p.shape, *store, p.x_signed, x_zero, p.weights, blocks); },
           [=, &s](const kernels::ConvI8Params& q) { return made(kernels::kernel(q), q, kernels::packed_conv_i8_size(s.isa, q), kernels::pack_conv_i8); });
  if (may && !suits) filtered();
  return ways.made([&] { return std::string(p.x_signed ? "int8" : "uint8") + " convolution, " + layer_text(p.shape) + (p.requant.empty() ? ", sums" : ""); });
}

/// W minus its zero points, of which there is none, one, or one for each of the `channels` into which W falls along `axis`.
std::optional<std::vector<std::int16_t>> centred(const Tensor& w, std::span<const std::int64_t> zero, std::size_t axis) {
  if (!is_int(w.dtype) || bits(w.dtype) > 8) return {};
  std::int64_t inner = 1;
  for (std::size_t i = axis + 1; i < w.dims.size(); ++i) inner *= w.dims[i];
  if (zero.size() > 1 && (axis >= w.dims.size() || std::int64_t(zero.size()) != w.dims[axis])) return {};
  const auto v = values<std::int64_t>(w);
  std::vector<std::int16_t> r(v.size());
  for (std::size_t i = 0; i < v.size(); ++i) {
    const std::int64_t d = v[i] - (zero.empty() ? 0 : zero.size() == 1 ? zero[0] : zero[std::size_t(std::int64_t(i) / inner % w.dims[axis])]);
    if (d < -255 || d > 255) return {};
    r[i] = std::int16_t(d);
  }
  return r;
}
/// [K, N] as [N, K]
std::vector<std::int16_t> transposed(const std::vector<std::int16_t>& w, std::int64_t k, std::int64_t n) {
  std::vector<std::int16_t> r(w.size());
  for (std::int64_t i = 0; i < k; ++i) for (std::int64_t j = 0; j < n; ++j) r[std::size_t(j * k + i)] = w[std::size_t(i * n + j)];
  return r;
}
std::optional<std::vector<std::int32_t>> bias_of(const NodeSite& s, std::size_t i, std::int64_t channels) {
  if (!s.has(i)) return std::vector<std::int32_t>();
  const Tensor* b = s.constant[i];
  if (!b || b->dtype != DType::i32 || (b->size() != channels && b->size() != 1) || (!b->dims.empty() && b->dims.back() != b->size())) return {};
  auto v = values<std::int64_t>(*b);
  v.resize(std::size_t(channels), v[0]);
  return std::vector<std::int32_t>(v.begin(), v.end());
}
/// A product [P, K] [K, N] as a convolution of a row of points.
kernels::ConvShape product_shape(std::int64_t points, std::int64_t k, std::int64_t n) {
  kernels::ConvShape c;
  c.in_channels = k, c.out_channels = n, c.in_w = c.out_w = points;
  return c;
}
/// Points, K and N of A [.., K] times B, a matrix; nothing where one is empty.
std::optional<kernels::ConvShape> matrix_shape(const Dims& a, std::int64_t k, std::int64_t n) {
  if (a.size() < 2 || k == 0 || n == 0 || num_elements(a) == 0) return {};
  return product_shape(num_elements(a) / k, k, n);
}

// ---- operands whose types carry scales ---------------------------------------------------------------------------------------------------
std::optional<Product> quantised_product(const NodeSite& s) {
  if (s.in.size() < 2 || !per_tensor(s.in[0]) || !s.in[1] || !s.in[1]->quant || !s.constant[1] || s.out.size() != 1 || !per_tensor(s.out[0]) || !is_byte(s.dtype(0)) || !is_byte(s.out[0]->dtype)) return {};
  const ir::Quant& wq = *s.in[1]->quant;
  const Dims a = s.dims(0), w = s.dims(1);
  const bool conv = s.op == "Conv", rows = conv || (s.op == "Gemm" && s.i("transB") != 0);   // W is [M, ..], else [K, M]
  if (wq.scale.size() > 1 && wq.axis != (rows ? 0 : 1)) return {};
  Product p;
  if (conv) {
    auto shape = conv_shape(s, 1);
    if (!shape || !channels_last(s, a) || !channels_last(s, s.out_dims())) return {};
    p.shape = *shape;
  } else {
    if ((s.op == "Gemm" && s.i("transA") != 0) || w.size() != 2 || a.size() < 2 || s.layout != ir::Layout::plain) return {};
    auto shape = matrix_shape(a, w[rows ? 1 : 0], w[rows ? 0 : 1]);
    if (!shape) return {};
    p.shape = *shape;
  }
  auto weights = centred(*s.constant[1], wq.zero, std::size_t(wq.axis));
  if (!weights) return {};
  p.weights = rows ? std::move(*weights) : transposed(*weights, p.shape.in_channels, p.shape.out_channels);
  auto bias = bias_of(s, 2, p.shape.out_channels);
  auto requants = rescales(s);
  if (!bias || !requants || requants->size() != 1) return {};
  p.bias = std::move(*bias);
  p.requant = std::move((*requants)[0]);
  p.x_signed = s.dtype(0) == DType::i8;
  p.x_zero = s.in[0]->quant->zero[0], p.y_zero = s.out[0]->quant->zero[0];
  p.result = s.out[0]->dtype;
  return p;
}
std::optional<Prepared> quantised_linear(const NodeSite& s) {
  auto p = quantised_product(s);
  return p ? prepared(s, *p) : std::nullopt;
}
/// A body of a product and what only keeps its result between bounds (fuse.cpp).
std::optional<Prepared> fused(const NodeSite& s) {
  const ir::Graph& g = s.graph("body");
  if (g.nodes().empty() || g.inputs().size() != s.in.size()) return {};
  std::optional<Product> p;
  for (const ir::Node& n : g.nodes()) {
    const BodySite held(s, n);
    const NodeSite at = held.site();
    if (!p) {
      p = quantised_product(at);
      if (!p || g.operand(n, 0) != g.inputs()[0]) return {};
      continue;
    }
    auto table = table_of(at);
    auto clamp = table ? clamp_of(table->table, p->result) : std::nullopt;
    if (!clamp) return {};
    p->clamp = p->clamp ? Clamp{std::clamp(p->clamp->lo, clamp->lo, clamp->hi), std::clamp(p->clamp->hi, clamp->lo, clamp->hi)} : *clamp;
  }
  return prepared(s, *p);
}

// ---- operands that are scales ------------------------------------------------------------------------------------------------------------
/// Elements of a constant operand, as numbers; `missing` where it is omitted, nothing where it is no constant.
template <class T> std::optional<std::vector<T>> numbers(const NodeSite& s, std::size_t i, T missing) {
  if (!s.has(i)) return std::vector<T>{missing};
  if (!s.constant[i]) return {};
  return values<T>(*s.constant[i]);
}
template <class T> std::optional<T> number(const NodeSite& s, std::size_t i, T missing) {
  auto v = numbers<T>(s, i, missing);
  return v && v->size() == 1 ? std::optional((*v)[0]) : std::nullopt;
}

/// x at `x`, its zero point at `x_zero`, and so on. Scales at `scale` (X's, W's, Y's) where the sums are rescaled.
struct Places {
  std::size_t w, x_zero, w_zero;
  std::optional<std::array<std::size_t, 3>> scale;
  std::size_t y_zero = 0, bias = SIZE_MAX;
};
std::optional<Prepared> integer_linear(const NodeSite& s, const Places& at, bool conv) {
  if (!is_byte(s.dtype(0)) || s.out.size() != 1 || at.w >= s.in.size() || !s.constant[at.w] || !is_byte(s.dtype(at.w))) return {};
  const Dims x = s.dims(0), w = s.dims(at.w);
  Product p;
  if (conv) {
    auto shape = conv_shape(s, at.w);
    if (!shape || !channels_last(s, x) || !channels_last(s, s.out_dims())) return {};
    p.shape = *shape;
  } else {
    if (w.size() != 2 || s.layout != ir::Layout::plain) return {};
    auto shape = matrix_shape(x, w[0], w[1]);
    if (!shape) return {};
    p.shape = *shape;
  }
  auto x_zero = number<std::int64_t>(s, at.x_zero, 0);
  auto w_zero = numbers<std::int64_t>(s, at.w_zero, 0);
  if (!x_zero || !w_zero) return {};
  auto weights = centred(*s.constant[at.w], *w_zero, conv ? 0 : 1);
  if (!weights) return {};
  p.weights = conv ? std::move(*weights) : transposed(*weights, w[0], w[1]);
  p.x_signed = s.dtype(0) == DType::i8;
  p.x_zero = *x_zero;
  p.result = s.out[0]->dtype;
  if (!at.scale) return p.result == DType::i32 ? prepared(s, p) : std::nullopt;
  for (std::size_t i : *at.scale) if (!s.constant[i] || s.dtype(i) != DType::f32) return {};
  auto x_scale = number<double>(s, (*at.scale)[0], 1), y_scale = number<double>(s, (*at.scale)[2], 1);
  auto w_scale = numbers<double>(s, (*at.scale)[1], 1);
  auto y_zero = number<std::int64_t>(s, at.y_zero, 0);
  auto bias = at.bias == SIZE_MAX ? std::vector<std::int32_t>() : bias_of(s, at.bias, p.shape.out_channels);
  if (!x_scale || !y_scale || !w_scale || !y_zero || !bias || !is_byte(p.result)) return {};
  for (double v : *w_scale) p.requant.push_back(requant(Rounding::float_even, float(*x_scale), float(v), float(*y_scale)));
  p.bias = std::move(*bias);
  p.y_zero = *y_zero;
  p.wraps = false;
  return prepared(s, p);
}
std::optional<Prepared> qlinear_conv(const NodeSite& s) { return integer_linear(s, {3, 2, 5, std::array<std::size_t, 3>{1, 4, 6}, 7, 8}, true); }
std::optional<Prepared> qlinear_matmul(const NodeSite& s) { return integer_linear(s, {3, 2, 5, std::array<std::size_t, 3>{1, 4, 6}, 7}, false); }
std::optional<Prepared> conv_integer(const NodeSite& s) { return integer_linear(s, {1, 2, 3, {}}, true); }
std::optional<Prepared> matmul_integer(const NodeSite& s) { return integer_linear(s, {1, 2, 3, {}}, false); }

// ---- element by element ------------------------------------------------------------------------------------------------------------------
std::optional<Prepared> tabulated(const NodeSite& s) {
  auto t = table_of(s);
  if (!t) return {};
  kernels::TableParams p;
  p.n = num_elements(s.out_dims());
  p.entry_bytes = std::int32_t(storage_bytes(t->table.dtype, 1));
  Prepared r = call("table_i8", p, {Operand::node(t->operand), Operand::packed(0)}, p.entry_bytes == 1);
  r.packed.push_back(std::move(t->table));
  return r;
}

/// Dims of operand i beside a result of `rank` dims, in the order of memory; nothing where its memory does not follow them.
std::optional<Dims> beside(const NodeSite& s, std::size_t i, std::size_t rank) {
  Dims d = s.dims(i);
  const bool ordered = d.size() == rank && !s.constant[i];
  d.insert(d.begin(), rank - d.size(), 1);
  if (s.layout == ir::Layout::nhwc && !ordered && !layouts_coincide(d)) return {};
  return in_memory(d, s.layout);
}
std::optional<Prepared> pair_call(const NodeSite& s, kernels::PairParams p, kernels::Binary op, std::optional<Tensor> constants) {
  const std::size_t rank = s.out_dims().size();
  if (rank > std::size_t(kernels::kMaxRank)) return {};
  auto a = beside(s, 0, rank), b = beside(s, 1, rank);
  if (!a || !b) return {};
  p.walk = kernels::prepare_binary(op, *a, *b);
  Prepared r = call("pair_i8", p, {Operand::node(0), Operand::node(1), constants ? Operand::packed(0) : Operand::none()}, num_elements(s.dims(0)) == num_elements(s.out_dims()));
  if (constants) r.packed.push_back(std::move(*constants));
  return r;
}
kernels::Store whole_range(DType t, std::int64_t zero, Rescaling rule) {
  const IntRange r = int_range(t);
  return {rule, std::int32_t(zero), std::int32_t(r.lo), std::int32_t(r.hi)};
}
/// One block of constants for each rescaling of sums of at most `bound`; the last one is stored with the zero point. Sets the rule, which they have in common.
std::optional<Tensor> rescale_blocks(const NodeSite& s, const std::vector<std::vector<Requant>>& all, std::int64_t bound, kernels::Store& store, std::int32_t begin = 0) {
  auto t = packed_buffer(std::int64_t(all.size()) * kernels::rescale_block_size(s.isa));
  std::vector<Requant> each;
  for (const auto& r : all) if (r.size() == 1) each.push_back(r[0]);
  auto rule = each.size() == all.size() ? kernels::rescaling(each, bound, store.zero, true) : std::nullopt;
  if (!t || !rule) return {};
  store.rule = *rule;
  t->dtype = DType::i32;
  const std::vector<std::int32_t> begins(std::size_t(kernels::block_columns(s.isa)), begin);
  for (std::size_t i = 0; i < all.size(); ++i)
    kernels::pack_rescale_block(s.isa, {store.rule, i + 1 == all.size() ? store.zero : 0}, all[i], begins, kernels::block_columns(s.isa), t->as<std::int32_t>() + std::int64_t(i) * kernels::rescale_block_size(s.isa));
  return std::move(*t);
}
/// Add, Sub, Mul of two quantised operands.
template <kernels::Binary O> std::optional<Prepared> pair(const NodeSite& s) {
  for (std::size_t i = 0; i < 2; ++i) if (i >= s.in.size() || !per_tensor(s.in[i]) || !is_byte(s.dtype(i)) || (s.constant[i] && s.constant[i]->size() == 1)) return {};
  if (s.out.size() != 1 || !per_tensor(s.out[0]) || !is_byte(s.out[0]->dtype)) return {};
  const ir::Quant &a = *s.in[0]->quant, &b = *s.in[1]->quant, &y = *s.out[0]->quant;
  for (const ir::Quant* q : {&a, &b, &y}) if (std::abs(q->zero[0]) > 255) return {};
  kernels::PairParams p;
  p.a_signed = s.dtype(0) == DType::i8, p.b_signed = s.dtype(1) == DType::i8;
  p.a_zero = std::int32_t(a.zero[0]), p.b_zero = std::int32_t(b.zero[0]);
  p.a_scale = a.scale[0], p.b_scale = b.scale[0], p.y_scale = y.scale[0];
  if (!by_fixed_rule(s)) {
    p.store = whole_range(s.out[0]->dtype, y.zero[0], Rescaling::real);
    p.walk.op = O;
    kernels::set_real_op(s.isa, p);
    return pair_call(s, p, O, {});
  }
  auto all = rescales(s);
  p.op = O == kernels::Binary::mul ? kernels::PairOp::product : kernels::PairOp::sum;
  if (!all || all->size() != (p.op == kernels::PairOp::sum ? 3 : 1)) return {};
  p.store = whole_range(s.out[0]->dtype, y.zero[0], Rescaling::none);
  auto blocks = rescale_blocks(s, *all, std::int64_t{1} << 30, p.store);  // 2 (255 << 20), and products of 18 bits
  return blocks ? pair_call(s, p, O, std::move(blocks)) : std::nullopt;
}
std::optional<Prepared> tabulated_pair(const NodeSite& s) {
  auto t = pair_table_of(s);
  return t ? pair_call(s, {}, kernels::Binary::add, std::move(t)) : std::nullopt;
}

/// float32 to stored numbers: QuantizeLinear by one scale, or Requantize of real numbers.
std::optional<Prepared> quantize(const NodeSite& s, float scale, std::int64_t zero, bool away) {
  const DType t = s.out[0]->dtype;
  if (s.dtype(0) != DType::f32 || !(is_byte(t) || is_pair(t))) return {};
  const IntRange range = int_range(t);
  if (zero < range.lo || zero > range.hi) return {};
  const Dims d = s.out_dims();
  kernels::QuantizeParams p{num_elements(d), scale, away, std::int32_t(zero), std::int32_t(range.lo), std::int32_t(range.hi)};
  if (s.convolved && s.layout == ir::Layout::plain && is_byte(t) && d.size() > 2 && d[1] == kernels::kRgb) {   // a picture is brought to channels last on its way
    Prepared r = call("quantize_rgb_i8", kernels::QuantizeRgbParams{d[0], p.n / std::max<std::int64_t>(1, d[0] * d[1]), p}, {Operand::node(0)});
    r.result = ir::Layout::nhwc;
    return r;
  }
  return call(is_byte(t) ? "quantize_i8" : "quantize_i16", p, {Operand::node(0)});
}
std::optional<Prepared> quantize_linear(const NodeSite& s) {
  auto scale = s.has(1) && s.dtype(1) == DType::f32 && s.constant[1] ? number<double>(s, 1, 1) : std::nullopt;
  auto zero = number<std::int64_t>(s, 2, 0);
  const std::int64_t precision = s.i("precision");
  return scale && zero && (precision == 0 || DType(precision) == DType::f32) ? quantize(s, float(*scale), *zero, false) : std::nullopt;
}
/// Of 16 bits by one scale; a table does those of 8.
std::optional<Prepared> dequantize_linear(const NodeSite& s) {
  auto scale = s.has(1) && s.dtype(1) == DType::f32 && s.constant[1] ? number<double>(s, 1, 1) : std::nullopt;
  auto zero = number<std::int64_t>(s, 2, 0);
  if (!scale || !zero || !is_pair(s.dtype(0)) || s.out.size() != 1 || s.out[0]->dtype != DType::f32) return {};
  kernels::DequantizeParams p{num_elements(s.out_dims()), float(*scale), std::int32_t(*zero), s.dtype(0) == DType::i16};
  return call("dequantize_i16", p, {Operand::node(0)});
}
std::optional<Prepared> requantize(const NodeSite& s) {
  if (s.in[0]->quant || !per_tensor(s.out[0])) return {};
  return quantize(s, s.out[0]->quant->scale[0], s.out[0]->quant->zero[0], by_fixed_rule(s));
}
/// Rows of float32 by their own ranges.
std::optional<Prepared> by_rows(const NodeSite& s, std::int64_t axis, DynamicRange rule) {
  if (s.out.size() != 3 || s.dtype(0) != DType::f32) return {};
  const Dims d = s.dims(0);
  if (axis < 0 || axis > std::int64_t(d.size())) return {};
  kernels::DynamicParams p;
  p.rows = num_elements(std::span(d).subspan(0, std::size_t(axis))), p.n = num_elements(std::span(d).subspan(std::size_t(axis)));
  p.rule = rule;
  return call("dynamic_i8", p, {Operand::node(0)});
}
std::optional<Prepared> dynamic_quantize(const NodeSite& s) { return by_rows(s, s.i("axis"), s.i("symmetric") ? DynamicRange::symmetric : DynamicRange::asymmetric); }
std::optional<Prepared> dynamic_quantize_linear(const NodeSite& s) { return by_rows(s, 0, DynamicRange::onnx); }

// ---- windows, sums, softmax ---------------------------------------------------------------------------------------------------------------
/// Operand and result are kept alike, or are plain numbers.
bool same_storage(const NodeSite& s) {
  const ir::TypeRef &x = s.in[0], &y = s.out[0];
  return x->dtype == y->dtype && bool(x->quant) == bool(y->quant) && (!x->quant || *x->quant == *y->quant);
}
std::optional<Prepared> pool(const NodeSite& s, kernels::Pool op) {
  if (!is_byte(s.dtype(0)) || s.out.size() != 1 || !same_storage(s) || !channels_last(s, s.dims(0)) || !channels_last(s, s.out_dims())) return {};
  auto shape = pool_shape(s);
  if (!shape || shape->kernel_h * shape->kernel_w > kernels::kMaxAveraged) return {};
  kernels::PoolI8Params p{*shape, s.dims(0)[1], op, s.dtype(0) == DType::i8};
  return call("pool_i8", p, {Operand::node(0)});
}
std::optional<Prepared> max_pool(const NodeSite& s) { return pool(s, kernels::Pool::max); }
std::optional<Prepared> average_pool(const NodeSite& s) {
  return s.in[0]->quant && by_fixed_rule(s) && s.i("count_include_pad") == 0 && s.i("ceil_mode") == 0 ? pool(s, kernels::Pool::average) : std::nullopt;
}

/// Operand and result are bytes by one scale each, and something is summed.
bool sums_bytes(const NodeSite& s) {
  return s.out.size() == 1 && per_tensor(s.in[0]) && per_tensor(s.out[0]) && is_byte(s.dtype(0)) && is_byte(s.out[0]->dtype) && num_elements(s.out_dims()) != 0;
}
/// A scale whose multiples neither vanish nor overflow.
bool within_reach(float scale) { return scale > 1e-30f && scale < 1e30f; }
/// A mean in real numbers.
std::optional<Prepared> real_mean(const NodeSite& s, const Runs& runs) {
  const ir::Quant &x = *s.in[0]->quant, &y = *s.out[0]->quant;
  const IntRange range = int_range(s.dtype(0));
  if (runs.n == 0 || runs.n > kernels::kMostOfMean || x.zero[0] < range.lo || x.zero[0] > range.hi || std::abs(y.zero[0]) > 255 || !within_reach(x.scale[0]) || !within_reach(y.scale[0])) return {};
  kernels::MeanI8Params p{runs.outer, runs.n, runs.inner, s.dtype(0) == DType::i8, std::int32_t(x.zero[0]), x.scale[0], y.scale[0], whole_range(s.out[0]->dtype, y.zero[0], Rescaling::real)};
  return call("mean_i8", p, {Operand::node(0)});
}
std::optional<Prepared> global_average_pool(const NodeSite& s) {
  if (!sums_bytes(s) || by_fixed_rule(s)) return {};
  std::vector<bool> reduced(s.dims(0).size(), true);
  reduced[0] = reduced[1] = false;
  const auto runs = reduced_runs(s, reduced);
  return runs ? real_mean(s, *runs) : std::nullopt;
}
/// A reduction over neighbouring axes of memory.
std::optional<Prepared> reduce(const NodeSite& s) {
  if (!sums_bytes(s)) return {};
  const auto reduced = reduced_axes(s);
  if (!reduced) return {};
  const auto runs = reduced_runs(s, *reduced);
  if (!runs) return {};
  if (!by_fixed_rule(s)) return s.op == "ReduceMean" ? real_mean(s, *runs) : std::nullopt;
  kernels::SumI8Params p;
  p.outer = runs->outer, p.n = runs->n, p.inner = runs->inner;
  auto all = rescales(s);
  if (!all || all->size() != 1 || std::abs(s.out[0]->quant->zero[0]) > 255) return {};
  p.is_signed = s.dtype(0) == DType::i8;
  p.store = whole_range(s.out[0]->dtype, s.out[0]->quant->zero[0], Rescaling::none);
  auto block = rescale_blocks(s, *all, 511 * p.n, p.store, std::int32_t(std::uint32_t(-p.n) * std::uint32_t(s.in[0]->quant->zero[0])));
  if (!block) return {};
  Prepared r = call("sum_i8", p, {Operand::node(0), Operand::packed(0)});
  r.packed.push_back(std::move(*block));
  return r;
}

std::optional<Prepared> softmax(const NodeSite& s) {
  if (s.out.size() != 1 || !per_tensor(s.in[0]) || !per_tensor(s.out[0]) || !is_byte(s.dtype(0)) || !is_byte(s.out[0]->dtype)) return {};
  auto form = op::integer_form(*op::find(s.op)->def, s.in, s.out[0], s.attrs);
  if (!form || form->nodes().size() != 1 || form->nodes()[0].op != ir::OpName("FixedSoftmax")) return {};
  const op::AttrView a{*form->nodes()[0].attrs};
  const Dims d = s.dims(0);
  if (d.empty() || DType(a.i("to")) != s.out[0]->dtype) return {};
  const auto axis = std::size_t(a.i("axis") < 0 ? a.i("axis") + std::int64_t(d.size()) : a.i("axis"));
  const IntRange range = int_range(s.out[0]->dtype);
  kernels::SoftmaxI8Params p;
  p.outer = num_elements(std::span(d).subspan(0, axis)), p.n = d[axis], p.inner = num_elements(std::span(d).subspan(axis + 1));
  p.is_signed = s.dtype(0) == DType::i8;
  p.least = std::int32_t(std::max<std::int64_t>(a.i("least"), -256));
  p.lo = std::int32_t(range.lo), p.hi = std::int32_t(range.hi);
  Tensor exps = Tensor::zeros(DType::i32, {256});
  kernels::softmax_exps(std::int32_t(a.i("multiplier")), int(a.i("shift")), std::span<std::int32_t, 256>(exps.as<std::int32_t>(), 256));
  Prepared r = call("softmax_i8", p, {Operand::node(0), Operand::packed(0)});
  r.packed.push_back(std::move(exps));
  return r;
}

/// Bilinear, by the taps of the operator's integer form.
std::optional<Prepared> resize(const NodeSite& s) {
  if (s.out.size() != 1 || !is_byte(s.dtype(0)) || s.layout != ir::Layout::nhwc) return {};
  const auto taps = op::stored_resize_taps(s, *s.in[0], *s.out[0]);
  if (!taps || num_elements(s.out_dims()) == 0) return {};
  const Dims x = s.dims(0), y = s.out_dims();
  kernels::ResizeI8Params p{x[0], x[2], x[3], y[2], y[3], x[1], s.dtype(0) == DType::i8, kernels::ResizeBlend(op::stored_blend(s, s.dtype(0)))};
  Tensor table = Tensor::zeros(DType::i32, {y[2] + y[3], 4});
  auto* to = table.as<std::int32_t>();
  for (const op::StoredTaps& t : *taps)
    for (std::size_t i = 0; i < t.lower.size(); ++i, to += 4) {
      auto stored = [&](double w) { return p.blend == kernels::ResizeBlend::steps ? std::int32_t(w) : std::bit_cast<std::int32_t>(float(w)); };
      to[0] = std::int32_t(t.lower[i]), to[1] = std::int32_t(t.upper[i]), to[2] = stored(t.lower_weight[i]), to[3] = stored(t.upper_weight[i]);
    }
  Prepared r = call("resize_i8", p, {Operand::node(0), Operand::packed(0)});
  r.packed.push_back(std::move(table));
  return r;
}
template <bool kSmallest> std::optional<Prepared> arg_most(const NodeSite& s) {
  const Dims d = s.dims(0);
  if (s.out.size() != 1 || !is_byte(s.dtype(0)) || (s.in[0]->quant && !per_tensor(s.in[0])) || d.empty()) return {};
  const auto axis = std::size_t(s.i("axis") < 0 ? s.i("axis") + std::int64_t(d.size()) : s.i("axis"));
  if (axis >= d.size() || d[axis] == 0) return {};
  kernels::ArgMaxI8Params p{num_elements(std::span(d).subspan(0, axis)), d[axis], num_elements(std::span(d).subspan(axis + 1)), s.dtype(0) == DType::i8, kSmallest, s.i("select_last_index") != 0};
  return call("argmax_i8", p, {Operand::node(0)});
}

constexpr KernelDef kRows[] = {
    {"Conv", quantised_linear, true}, {"Gemm", quantised_linear}, {"MatMul", quantised_linear}, {"Fused", fused, true},
    {"QLinearConv", qlinear_conv, true}, {"QLinearMatMul", qlinear_matmul}, {"ConvInteger", conv_integer, true}, {"MatMulInteger", matmul_integer},
    {"Add", pair<kernels::Binary::add>, true}, {"Sub", pair<kernels::Binary::sub>, true}, {"Mul", pair<kernels::Binary::mul>, true},
    {"MaxPool", max_pool, true}, {"AveragePool", average_pool, true}, {"ReduceMean", reduce, true}, {"ReduceSum", reduce, true}, {"GlobalAveragePool", global_average_pool, true}, {"Softmax", softmax},
    {"Resize", resize, true}, {"ArgMax", arg_most<false>}, {"ArgMin", arg_most<true>},
    {"DynamicQuantize", dynamic_quantize}, {"DynamicQuantizeLinear", dynamic_quantize_linear},
    {"QuantizeLinear", quantize_linear, true}, {"DequantizeLinear", dequantize_linear, true}, {"Requantize", requantize, true},
    {"", tabulated, true}, {"", tabulated_pair, true},
};
}  // namespace

bool is_stored_product(const NodeSite& s) {
  auto p = quantised_product(s);
  return p && store_of(*p);
}
bool is_stored_clamp(const NodeSite& s) {
  auto table = s.out.size() == 1 && is_byte(s.out[0]->dtype) ? table_of(s) : std::nullopt;
  return table && table->operand == 0 && s.dtype(0) == s.out[0]->dtype && clamp_of(table->table, s.out[0]->dtype);
}

std::span<const KernelDef> quantised_rows() { return kRows; }

}  // namespace saha::native
