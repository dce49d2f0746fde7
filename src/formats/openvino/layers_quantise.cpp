// FakeQuantize, and how quantised operators of ONNX are said by it and by float layers.
#include <algorithm>
#include <cmath>

#include "formats/openvino/layers.hpp"

namespace saha::openvino {
namespace {
using std::to_string;

/// Numbers that are the same but along one axis of a value of rank `rank`: that axis (-1: none at all), and them in a list.
struct Along {
  std::int64_t axis = -1;
  std::vector<double> v;
};
std::optional<Along> along(const Tensor& t, std::size_t rank) {
  if (t.rank() > rank || t.size() < 1 || t.dtype == DType::string || is_complex(t.dtype)) return {};
  Along r{-1, values<double>(t)};
  for (std::size_t i = 0; i < t.rank(); ++i) {
    if (t.dims[i] == 1) continue;
    if (r.axis >= 0) return {};
    r.axis = std::int64_t(rank - t.rank() + i);
  }
  return r;
}
/// a and b element by element, where one of them lies along no axis or both along the same.
std::optional<Along> joined(const Along& a, const Along& b, double (*f)(double, double)) {
  if (a.axis >= 0 && b.axis >= 0 && (a.axis != b.axis || a.v.size() != b.v.size())) return {};
  Along r{std::max(a.axis, b.axis), {}};
  for (std::size_t i = 0; i < std::max(a.v.size(), b.v.size()); ++i) r.v.push_back(f(a.v[a.v.size() == 1 ? 0 : i], b.v[b.v.size() == 1 ? 0 : i]));
  return r;
}
Tensor list(const Along& a, DType t, std::size_t count) {
  std::vector<double> v = a.v;
  if (v.size() == 1) v.resize(count, v[0]);
  Tensor r = Tensor::zeros(t, a.axis < 0 && count == 1 ? Dims{} : Dims{std::int64_t(v.size())});
  fill<double>(r, v);
  return r;
}
/// Steps of a grid and the place of zero on it, where that is a whole number from 0 to `last`.
struct Grid {
  Along scale, zero;
};
std::optional<Grid> grid(const Along& low, const Along& high, double steps) {
  auto range = joined(high, low, [](double h, double l) { return h - l; });
  if (!range) return {};
  Grid r{*range, {}};
  for (double& v : r.scale.v) {
    v = double(float(v / steps));
    if (!(v > 0) || !std::isfinite(v)) return {};
  }
  auto zero = joined(low, r.scale, [](double l, double s) { return -l / s; });
  if (!zero) return {};
  for (double& v : zero->v) {
    const double near = std::nearbyint(v);
    if (!(std::abs(v - near) < 1e-3) || near < 0 || near > steps) return {};
    v = near;
  }
  r.zero = std::move(*zero);
  return r;
}
/// x on a grid as the stored integers, counted from -`below`, that a later layer converts.
Val as_integers(Site& s, Val x, Grid g, double below) {
  const DType t = below > 0 ? DType::i8 : DType::u8;
  for (double& z : g.zero.v) z -= below;
  const std::size_t n = g.scale.v.size();
  Val q = s.op("QuantizeLinear", {x, s.b.constant(list(g.scale, DType::f32, n)), s.b.constant(list(g.zero, t, n))}, {{"axis", std::max<std::int64_t>(g.scale.axis, 0)}});
  return s.op("Cast", {q}, {{"to", std::int64_t(DType::f32)}});
}
/// Operands: data, low and high ends of what is taken, and of what is given. Outside of the first it is the second's ends. Where both ranges are
/// grids of at most 256 stored integers with a place for zero, it is quantising and dequantising.
Vals fake_quantize(Site& s) {
  if (s.b.failed()) return {};
  const std::int64_t levels = s.i("levels", 256);
  if (levels < 2 || levels > (std::int64_t{1} << 24)) { s.fail("has " + to_string(levels) + " levels"); return {}; }
  const double steps = double(levels - 1);
  Val x = s.in[0], il = s.in[1], ih = s.in[2], ol = s.in[3], oh = s.in[4];
  std::optional<Along> ends[4];
  for (std::size_t i = 0; i < 4; ++i) if (auto t = constant_behind(s.b, s.in[i + 1])) ends[i] = along(*t, s.rank());
  if (levels <= 256 && s.type(0).dtype == DType::f32 && s.type(0).ranked && ends[0] && ends[1] && ends[2] && ends[3]) {
    auto taken = grid(*ends[0], *ends[1], steps), given = grid(*ends[2], *ends[3], steps);
    auto fits = [&](const Grid& g) { return g.scale.axis < 0 || extent(s.type(0), std::size_t(g.scale.axis)) == std::int64_t(g.scale.v.size()); };
    if (taken && given && fits(*taken) && fits(*given)) {
      auto stored = [&](const Grid& g, DType t) { return s.b.constant(list(t == DType::u8 ? g.zero : g.scale, t, g.scale.v.size())); };
      if (levels < 256) x = s.op("Min", {x, ih});   // stored numbers would go on
      auto every = [](const Along& a, double v) { return std::all_of(a.v.begin(), a.v.end(), [&](double e) { return e == v; }); };
      if (every(given->scale, 1) && !every(taken->scale, 1) && (every(given->zero, 128) || every(given->zero, 0))) return {as_integers(s, x, *taken, given->zero.v[0])};
      Val q = s.op("QuantizeLinear", {x, stored(*taken, DType::f32), stored(*taken, DType::u8)}, {{"axis", std::max<std::int64_t>(taken->scale.axis, 0)}});
      return {s.op("DequantizeLinear", {q, stored(*given, DType::f32), stored(*given, DType::u8)}, {{"axis", std::max<std::int64_t>(given->scale.axis, 0)}})};
    }
  }
  Val q = s.op("Round", {(x - il) * (s.b.scalar(steps, il) / (ih - il))}) * ((oh - ol) / steps) + ol;
  Val below = s.op("LessOrEqual", {x, s.op("Min", {il, ih})}), above = s.op("Greater", {x, s.op("Max", {il, ih})});
  return {s.op("Where", {below, ol, s.op("Where", {above, oh, q})})};
}
/// An operand of one number an element of `axis`, or a block along it, so that it broadcasts over x.
Val spread(const Saying& s, Val v, Val x) {
  if (s.w.failed()) return v;
  const auto rank = std::int64_t(s.w.type(x).dims.size());
  const std::int64_t axis = s.i("axis") < 0 ? s.i("axis") + rank : s.i("axis");
  if (const std::int64_t block = s.i("block_size"); block > 0) {
    const std::int64_t n = extent(s.w.type(x), std::size_t(axis));
    if (n < 1 || n > kMaxMade) { s.unsupported("has a scale a block of " + to_string(block) + " along an axis of unknown extent"); return v; }
    Ints places(std::size_t(n), 0);
    for (std::int64_t i = 0; i < n; ++i) places[std::size_t(i)] = i / block;
    return s.w.layer("Gather", {v, s.w.ints(places), s.w.b.constant(Tensor::scalar_int(axis))}, {{"batch_dims", "0"}});
  }
  if (s.w.type(v).dims.size() != 1) return v;
  if (const Tensor* t = s.w.b.data(v); t && t->size() == 1) return s.w.reshape(v, {});
  if (axis < 0 || axis >= rank) return v;
  Ints shape(std::size_t(rank), 1);
  shape[std::size_t(axis)] = -1;
  return s.w.reshape(v, shape);
}
/// x by FakeQuantize on the grid of a node that quantises to 8 bits at most, or dequantises from them; `stored`: as stored numbers, else as numbers that
/// are dequantised. Nothing where scale and zero point are no constants of one tensor or axis. The form that devices run on stored integers.
Val on_grid(const Saying& s, Val x, DType t, bool stored) {
  if (s.w.failed() || !is_int(t) || bits(t) > 8 || s.w.type(x).dtype != DType::f32 || !s.w.type(x).ranked || s.i("block_size")) return {};
  const Tensor *scale = s.w.b.data(s.in[1]), *zero = s.has(2) ? s.w.b.data(s.in[2]) : nullptr;
  if (!scale || scale->dtype != DType::f32 || (s.has(2) && !zero)) return {};
  const auto step = values<double>(*scale), place = zero ? values<double>(*zero) : std::vector<double>{0};
  if (step.empty() || place.empty() || (place.size() != 1 && place.size() != step.size())) return {};
  if (std::any_of(step.begin(), step.end(), [](double v) { return !(v > 0) || !std::isfinite(v * 512); })) return {};
  const IntRange r = int_range(t);
  auto end = [&](std::int64_t number) {
    Tensor e = Tensor::zeros(DType::f32, scale->dims);
    std::vector<double> v = step;
    for (std::size_t i = 0; i < v.size(); ++i) v[i] *= double(number) - place[place.size() == 1 ? 0 : i];
    fill<double>(e, v);
    return spread(s, s.w.b.constant(std::move(e)), x);
  };
  Val low = end(r.lo), high = end(r.hi);
  Vals given = stored ? Vals{s.w.b.scalar(double(r.lo), DType::f32), s.w.b.scalar(double(r.hi), DType::f32)} : Vals{low, high};
  return s.w.layer("FakeQuantize", {x, low, high, given[0], given[1]}, {{"levels", to_string(r.hi - r.lo + 1)}, {"auto_broadcast", "numpy"}});
}
Vals say_quantize(const Saying& s) {
  if (s.w.failed()) return {};
  const DType to = s.result().dtype;
  Val x = is_float(s.type(0).dtype) ? s.in[0] : s.w.cast(s.in[0], DType::f32);
  if (!is_int(to)) {
    if (s.has(2) && is_packed(to)) { s.unsupported("gives " + std::string(saha::name(to)) + " with a zero point"); return {}; }
    Val y = s.w.div(x, s.w.cast(spread(s, s.in[1], s.in[0]), s.w.type(x).dtype));
    const double most = largest(to);
    if (s.i("saturate") || is_packed(to)) y = s.w.layer("Clamp", {y}, {{"min", text(-most)}, {"max", text(most)}});
    return {s.w.layer("Convert", {y}, {{"destination_type", s.w.element(to)}})};
  }
  const IntRange r = int_range(to);
  if (Val y = on_grid(s, x, to, true)) return {s.w.cast(y, to)};
  Val y = s.w.layer("Round", {s.w.div(x, s.w.cast(spread(s, s.in[1], s.in[0]), s.w.type(x).dtype))}, {{"mode", "half_to_even"}});
  if (s.has(2)) y = s.w.add(y, s.w.cast(spread(s, s.in[2], s.in[0]), s.w.type(y).dtype));
  y = s.w.layer("Clamp", {y}, {{"min", text(double(r.lo))}, {"max", text(double(r.hi))}});
  return {s.w.cast(y, to)};
}
/// All stored numbers are multiples of the scale: nothing is to be subtracted.
bool centred_on_zero(const Saying& s) {
  const Tensor* zero = s.has(2) ? s.w.b.data(s.in[2]) : nullptr;
  if (!zero || is_float(zero->dtype)) return !s.has(2);
  const auto v = values<std::int64_t>(*zero);
  return all_of(Ints(v.begin(), v.end()), 0);
}
Vals say_dequantize(const Saying& s) {
  if (s.w.failed()) return {};
  const DType to = s.result().dtype;
  Val x = s.in[0];
  if (s.before) {
    const DType stored = s.g.type(s.g.operand(s.n, 0)).dtype;
    if (Val y = on_grid(s, s.before, stored, false)) return {y};
    Val q = s.w.spelt(s.g.describe(s.n), {s.before, s.in[1], s.has(2) ? s.in[2] : Val{}}, [&](op::Builder& b, const Vals& in) {
      return b.ops("QuantizeLinear", in, {{"axis", s.i("axis")}, {"block_size", s.i("block_size")}, {"output_dtype", std::int64_t(s.has(2) ? DType::none : stored)}}, 1);
    })[0];
    x = q;
  }
  Val y = s.w.cast(x, to);
  if (!centred_on_zero(s)) y = s.w.sub(y, s.w.cast(spread(s, s.in[2], x), to));
  return {s.w.mul(y, s.w.cast(spread(s, s.in[1], x), to))};
}

/// Sums of products of 8-bit integers, in float32, where none leaves its 24 bits.
bool exact(const Saying& s, std::int64_t terms) {
  if (terms > 0 && terms <= (1 << 24) / (255 * 255)) return true;
  s.unsupported(terms > 0 ? "sums " + to_string(terms) + " products of 8-bit integers, more than float32 holds exactly" : "sums products of 8-bit integers, their number is not known");
  return false;
}
Val centred(const Saying& s, std::size_t i, std::size_t zero, Ints shape) {
  Val x = s.w.cast(s.in[i], DType::f32);
  if (!s.has(zero)) return x;
  Val z = s.w.cast(s.in[zero], DType::f32);
  return s.w.sub(x, s.w.failed() || shape.empty() || s.w.type(z).dims.size() != 1 ? z : s.w.reshape(z, shape));
}
Vals say_mat_mul_integer(const Saying& s) {
  if (s.w.failed()) return {};
  if (!exact(s, s.rank(0) ? extent(s.type(0), s.rank(0) - 1) : -1)) return {};
  return {s.w.cast(s.w.mat_mul(centred(s, 0, 2, {-1, 1}), centred(s, 1, 3, {})), DType::i32)};
}
Vals say_conv_integer(const Saying& s) {
  if (s.w.failed()) return {};
  const Ints w = extents(s.type(1), 1);
  if (std::count(w.begin(), w.end(), -1) || !exact(s, num_elements(w))) return {};
  const Data d = window(s, s.rank() - 2);
  Ints a_filter(s.rank(1), 1);
  a_filter[0] = -1;
  Val x = centred(s, 0, 2, {}), weights = centred(s, 1, 3, a_filter);
  if (s.i("group") == 1) return {s.w.cast(s.w.layer("Convolution", {x, weights}, d), DType::i32)};
  Ints dims = extents(s.type(1));
  if (dims[0] < 1) return {};
  dims[0] /= s.i("group");
  dims.insert(dims.begin(), s.i("group"));
  return {s.w.cast(s.w.layer("GroupConvolution", {x, s.w.reshape(weights, dims)}, d), DType::i32)};
}
/// uint8 over the range of the data and 0.
Vals say_dynamic_quantize(const Saying& s) {
  if (s.w.failed()) return {};
  Writer& w = s.w;
  Val x = s.in[0], zero = w.scalar(0, x);
  auto end = [&](const char* reduce, const char* pick) { return w.layer(pick, {w.layer(reduce, {x, w.ints(w.all_axes(x))}, {{"keep_dims", "false"}}), zero}, Writer::broadcast()); };
  Val low = end("ReduceMin", "Minimum"), high = end("ReduceMax", "Maximum"), scale = w.div(w.sub(high, low), w.scalar(255, x));
  auto stored = [&](Val v) { return w.layer("Clamp", {w.layer("Round", {v}, {{"mode", "half_to_even"}})}, {{"min", "0"}, {"max", "255"}}); };
  Val place = stored(w.div(w.sub(zero, low), scale));
  Val rounded = w.layer("Round", {w.div(x, scale)}, {{"mode", "half_to_even"}});
  return {w.cast(w.layer("Clamp", {w.add(rounded, place)}, {{"min", "0"}, {"max", "255"}}), DType::u8), scale, w.cast(place, DType::u8)};
}

/// (Convert(q) - zero) * scale, where q is stored in 8 bits at most, as one node; nothing where it is no such product.
Val dequantised(Site& s) {
  op::Builder& b = s.b;
  if (b.failed() || s.type(0).dtype != DType::f32 || s.s("auto_broadcast", "numpy") != "numpy") return {};
  const ir::Graph& g = b.graph();
  for (std::size_t side : {0u, 1u}) {
    auto scale = constant_behind(b, s.in[1 - side]);
    const ir::Node* n = g.producer(s.in[side].id);
    if (!scale || !n) continue;
    std::shared_ptr<const Tensor> zero;
    if (n->op == ir::OpName("Sub")) {
      zero = constant_behind(b, {&b, g.operand(*n, 1)});
      n = g.producer(g.operand(*n, 0));
      if (!zero || !n) continue;
    }
    if (n->op != ir::OpName("Cast")) continue;
    const Val q{&b, g.operand(*n, 0)};
    const ir::Type& t = b.type(q);
    if (!t.ranked || !is_int(t.dtype) || bits(t.dtype) > 8) continue;
    auto step = along(*scale, t.dims.size()), place = zero ? along(*zero, t.dims.size()) : std::optional(Along{-1, {0.0}});
    if (!step || !place || step->v.size() < place->v.size()) continue;
    if (!joined(*step, *place, [](double a, double) { return a; }) || (step->axis >= 0 && extent(t, std::size_t(step->axis)) != std::int64_t(step->v.size()))) continue;
    const IntRange r = int_range(t.dtype);
    if (!std::all_of(place->v.begin(), place->v.end(), [&](double v) { return v == std::nearbyint(v) && v >= double(r.lo) && v <= double(r.hi); })) continue;
    place->axis = step->axis;
    Vals in = {q, b.constant(list(*step, DType::f32, step->v.size()))};
    if (zero) in.push_back(b.constant(list(*place, t.dtype, step->v.size())));
    return s.op("DequantizeLinear", in, {{"axis", std::max<std::int64_t>(step->axis, 0)}});
  }
  return {};
}
Vals multiply(Site& s) {
  if (Val y = dequantised(s)) return {y};
  return {s.op("Mul", aligned(s))};
}

constexpr Row kRows[] = {
    {"Multiply", 1, "Mul", {}, multiply, say_paired, 2},
    {"FakeQuantize", 1, "", {}, fake_quantize, nullptr, 5, false},
    {"", 5, "QuantizeLinear", {}, nullptr, say_quantize},
    {"", 1, "DequantizeLinear", {}, nullptr, say_dequantize},
    {"", 5, "DynamicQuantizeLinear", {}, nullptr, say_dynamic_quantize},
    {"", 1, "MatMulInteger", {}, nullptr, say_mat_mul_integer},
    {"", 1, "ConvInteger", {}, nullptr, say_conv_integer},
};
}  // namespace

std::span<const Row> quantise_rows() { return kRows; }

}  // namespace saha::openvino
