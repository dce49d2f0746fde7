// Convolution: Conv, ConvTranspose, ConvInteger, and saha's two adjoints of Conv. Forward and both adjoints are one walk over all products
// (walk_conv) with three lambdas, so they cannot disagree; ConvTranspose is the adjoint with respect to the input.
// Source: ONNX operator specification, opset 28. DeformConv and CausalConvWithState: conv_special.cpp.
#include <algorithm>

#include "op/integer_form.hpp"
#include "op/transposed.hpp"
#include "op/window.hpp"

namespace saha::op {
namespace {

std::span<const std::int64_t> spatial(const Dims& d) { return std::span(d).subspan(2); }
std::span<const Dim> spatial(const std::vector<Dim>& d) { return std::span(d).subspan(2); }

/// x [N, C, in..], w [M, C / group, kernel..], y [N, M, out..]; the window's auto_pad is resolved.
struct ConvShape {
  Dims x, w, y;
  std::int64_t group = 1;
  Window window;
};
Result<> check_channels(const std::string& op, const Dims& x, const Dims& w, std::int64_t group) {
  auto bad = [&](std::string what) { return Error{ErrorCode::invalid_argument, op + ": " + std::move(what)}; };
  if (x.size() < 3 || w.size() != x.size()) return bad("takes X and W of one rank, at least 3; they are " + str(x) + " and " + str(w));
  if (group < 1 || w[0] % group) return bad("group " + std::to_string(group) + " does not divide the " + std::to_string(w[0]) + " output channels");
  if (x[1] % group || x[1] / group != w[1]) return bad("weight " + str(w) + " has " + std::to_string(w[1]) + " input channels in each of " + std::to_string(group) + " groups, X has " + std::to_string(x[1]));
  return {};
}
Result<ConvShape> conv_shape(const AttrView& a, const std::string& op, const Dims& x, const Dims& w) {
  ConvShape s{x, w, {}, a.i("group"), {}};
  SAHA_DO(check_channels(op, x, w, s.group));
  SAHA_TRY(s.window, read_window(a, op, x.size() - 2));
  SAHA_TRY(auto kernel, kernel_dims(s.window, op, std::vector<Dim>(w.begin() + 2, w.end())));
  SAHA_TRY(s.y, resolve(s.window, op, spatial(x), spatial(w)));
  s.y.insert(s.y.begin(), {x[0], w[0]});
  return s;
}
/// f(y, x, w, n, dx): for j < n the convolution multiplies x[x + j * dx] by w[w] and adds it to y[y + j].
template <class F> void walk_conv(const ConvShape& s, F f) {
  if (!num_elements(s.x) || !num_elements(s.y) || !num_elements(s.w)) return;
  const std::int64_t in = num_elements(spatial(s.x)), out = num_elements(spatial(s.y)), kernel = num_elements(spatial(s.w)), per_group = s.w[0] / s.group;
  for (std::int64_t n = 0; n < s.x[0]; ++n)
    for (std::int64_t m = 0; m < s.w[0]; ++m)
      for (std::int64_t c = 0; c < s.w[1]; ++c) {
        std::int64_t y0 = (n * s.w[0] + m) * out, x0 = (n * s.x[1] + m / per_group * s.w[1] + c) * in, w0 = (m * s.w[1] + c) * kernel;
        walk_window(s.window, spatial(s.x), spatial(s.y), spatial(s.w), [&](std::int64_t y, std::int64_t x, std::int64_t k, std::int64_t count, std::int64_t dx) { f(y0 + y, x0 + x, w0 + k, count, dx); });
      }
}
template <class T> void add_bias(std::vector<T>& y, const std::vector<T>& bias, const Dims& d) {
  const std::int64_t plane = num_elements(spatial(d));
  T* p = y.data();
  for (std::int64_t n = 0; n < d[0]; ++n)
    for (std::int64_t m = 0; m < d[1]; ++m)
      for (std::int64_t i = 0; i < plane; ++i) *p++ += bias[std::size_t(m)];
}
template <class T> std::vector<T> forward(const ConvShape& s, const std::vector<T>& x, const std::vector<T>& w) {
  std::vector<T> y(std::size_t(num_elements(s.y)), T{});
  walk_conv(s, [&, out = y.data()](std::int64_t yi, std::int64_t xi, std::int64_t wi, std::int64_t n, std::int64_t dx) {
    T* __restrict q = out + yi;
    const T* __restrict p = x.data() + xi;
    const T f = w[std::size_t(wi)];
    if (dx == 1) for (std::int64_t j = 0; j < n; ++j) q[j] += f * p[j];
    else for (std::int64_t j = 0; j < n; ++j) q[j] += f * p[j * dx];
  });
  return y;
}
template <class T> std::vector<T> input_grad(const ConvShape& s, const std::vector<T>& y, const std::vector<T>& w) {
  std::vector<T> x(std::size_t(num_elements(s.x)), T{});
  walk_conv(s, [&, out = x.data()](std::int64_t yi, std::int64_t xi, std::int64_t wi, std::int64_t n, std::int64_t dx) {
    T* __restrict q = out + xi;
    const T* __restrict p = y.data() + yi;
    const T f = w[std::size_t(wi)];
    for (std::int64_t j = 0; j < n; ++j) q[j * dx] += f * p[j];
  });
  return x;
}
template <class T> std::vector<T> weight_grad(const ConvShape& s, const std::vector<T>& y, const std::vector<T>& x) {
  std::vector<T> w(std::size_t(num_elements(s.w)), T{});
  walk_conv(s, [&](std::int64_t yi, std::int64_t xi, std::int64_t wi, std::int64_t n, std::int64_t dx) {
    const T *q = y.data() + yi, *p = x.data() + xi;
    T sum{};
    for (std::int64_t j = 0; j < n; ++j) sum += q[j] * p[j * dx];
    w[std::size_t(wi)] += sum;
  });
  return w;
}
/// All pairs of an element of the result and one of its window.
double products(const ConvShape& s) { return double(num_elements(s.y)) * double(num_elements(s.w)) / double(std::max<std::int64_t>(s.w[0], 1)); }
Result<> check_bias(const Eval& c, std::size_t at, std::int64_t channels) {
  if (c.has(at) && c.x(at).dims != Dims{channels}) return c.fail("bias is " + str(c.x(at).dims) + ", the result has " + std::to_string(channels) + " channels");
  return {};
}

// ---- Conv --------------------------------------------------------------------------------------------------------------------
Result<std::vector<Dim>> conv_dims(Infer& c) {
  const auto &x = c.dims(0), &w = c.dims(1);
  if (x.size() < 3 || w.size() != x.size()) return c.fail("takes X and W of one rank, at least 3; they are " + ir::str(x) + " and " + ir::str(w));
  std::int64_t group = c.i("group");
  if (group < 1) return c.fail("group is " + std::to_string(group));
  if (auto m = w[0].known(); m && *m % group) return c.fail("group " + std::to_string(group) + " does not divide the " + std::to_string(*m) + " output channels");
  Dim channels = w[1] * Dim(group);
  if (x[1].known() && channels.known() && !(x[1] == channels)) return c.fail("weight has " + channels.str() + " input channels, X has " + x[1].str());
  std::string op(c.def.name.str());
  SAHA_TRY(Window window, read_window(c, op, x.size() - 2));
  SAHA_TRY(auto kernel, kernel_dims(window, op, spatial(w)));
  SAHA_TRY(auto d, window_dims(window, op, spatial(x), kernel));
  d.insert(d.begin(), {x[0], w[0]});
  return d;
}
Result<> infer_conv(Infer& c) {
  SAHA_TRY(auto d, conv_dims(c));
  if (c.has(2) && c.rank(2) != 1) return c.fail("bias is " + ir::str(*c.in[2]) + ", it needs rank 1");
  return c.give(c.dtype(0), std::move(d));
}
template <class T> void run_conv(const Eval& c, const ConvShape& s, const Tensor& y) {
  auto v = forward(s, values<T>(c.x(0)), values<T>(c.x(1)));
  if (c.has(2)) add_bias(v, values<T>(c.x(2)), s.y);
  fill<T>(y, v);
}
Result<> eval_conv(Eval& c) {
  SAHA_TRY(ConvShape s, conv_shape(c, "Conv", c.x(0).dims, c.x(1).dims));
  SAHA_DO(check_bias(c, 2, s.y[1]));
  SAHA_DO(c.spend(products(s)));
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, s.y));
  // Beside ONNX's floats, int32 and int64 for the integer form: mod 2^64, stored mod 2^32, is what int32 arithmetic gives.
  if (is_float(y.dtype)) run_conv<double>(c, s, y);
  else run_conv<std::uint64_t>(c, s, y);
  return c.give(std::move(y));
}
/// Attributes of Conv and its adjoints, without those that a rule sets itself.
Attrs window_attrs(const Site& s) {
  Attrs r;
  for (const ir::NamedAttr& a : s.attrs)
    if (a.name == "strides" || a.name == "dilations" || a.name == "pads" || a.name == "group" || a.name == "auto_pad" || a.name == "kernel_shape") r.push_back(a);
  return r;
}
Val channel_sum(const Site& s, Val dy) {
  ir::Ints axes = {0};
  for (std::size_t i = 2; i < s.b.type(dy).dims.size(); ++i) axes.push_back(std::int64_t(i));
  return s.b.op("ReduceSum", {dy, s.b.ints(axes)}, {{"keepdims", std::int64_t{0}}});
}
Val conv_adjoint(const Site& s, std::size_t operand, Val dy) {
  if (operand == 0) return s.b.op("ConvInputGrad", {dy, s.in[1], s.in[0]}, window_attrs(s));
  if (operand == 1) return s.b.op("ConvWeightGrad", {dy, s.in[0], s.in[1]}, window_attrs(s));
  return channel_sum(s, dy);
}

/// Data rounded in each run, a picture a row. Depthwise kernels multiply the scales first, as those with one scale for all weights do.
Val conv_dynamic(const Site& s) {
  const Type w = s.type(1);
  const bool channels = w.quant->scale.size() > 1, depthwise = s.i("group") > 1 && w.dims.size() > 1 && w.dims[1].is(1);
  if (channels && w.quant->axis != 0) s.b.fail({ErrorCode::unsupported, "data that are rounded in each run go with a scale for each result, W is " + ir::str(w)});
  const std::size_t rank = w.dims.size();
  Val scale = s.b.constant(along_axis(DType::f32, w.quant->scale, ir::Quant{{}, {}, 1}, rank));
  Val y = dynamic_product(s, 1, channels && !depthwise ? Factors::weights_first : Factors::scales_first, scale, [&](Val x, Val weights) { return s.b.op("ConvInteger", {x, weights}, plain_attrs(s.attrs)); });
  if (!s.has(2)) return y;
  ir::Ints shape(rank - 1, 1);
  shape[0] = -1;
  return y + s.b.op("Reshape", {s.in[2], s.b.ints(shape)});
}
Val conv_integer(const Site& s, const Type& result) {
  if (dynamic(s)) return conv_dynamic(s);
  const DType wide = accumulator(s.type(0), s.type(1));
  Vals in = {centred(s.in[0], wide), centred(s.in[1], wide)};
  if (s.has(2)) in.push_back(s.type(2).dtype == wide ? s.in[2] : s.b.op("Cast", {s.in[2]}, {{"to", std::int64_t(wide)}}));
  return requantized(s, s.b.op("Conv", in, plain_attrs(s.attrs)), result, 1);
}

// ---- the adjoints of Conv: operand 2 gives the shape of the result only --------------------------------------------------------------
Result<> infer_like_third(Infer& c) { return c.give(c.dtype(0), c.dims(2)); }
Result<> eval_conv_input_grad(Eval& c) {
  SAHA_TRY(ConvShape s, conv_shape(c, "ConvInputGrad", c.x(2).dims, c.x(1).dims));
  if (s.y != c.x(0).dims) return c.fail("dY is " + str(c.x(0).dims) + ", the convolution gives " + str(s.y));
  SAHA_DO(c.spend(products(s)));
  SAHA_TRY(Tensor x, c.make(c.x(0).dtype, s.x));
  fill<double>(x, input_grad(s, values<double>(c.x(0)), values<double>(c.x(1))));
  return c.give(std::move(x));
}
Val conv_input_adjoint(const Site& s, std::size_t operand, Val d) {
  if (operand == 0) return s.b.op("Conv", {d, s.in[1]}, window_attrs(s));
  return s.b.op("ConvWeightGrad", {s.in[0], d, s.in[1]}, window_attrs(s));
}
Result<> eval_conv_weight_grad(Eval& c) {
  SAHA_TRY(ConvShape s, conv_shape(c, "ConvWeightGrad", c.x(1).dims, c.x(2).dims));
  if (s.y != c.x(0).dims) return c.fail("dY is " + str(c.x(0).dims) + ", the convolution gives " + str(s.y));
  SAHA_DO(c.spend(products(s)));
  SAHA_TRY(Tensor w, c.make(c.x(0).dtype, s.w));
  fill<double>(w, weight_grad(s, values<double>(c.x(0)), values<double>(c.x(1))));
  return c.give(std::move(w));
}
Val conv_weight_adjoint(const Site& s, std::size_t operand, Val d) {
  if (operand == 0) return s.b.op("Conv", {s.in[1], d}, window_attrs(s));
  return s.b.op("ConvInputGrad", {s.in[0], d, s.in[1]}, window_attrs(s));
}

// ---- ConvTranspose: the convolution from Y to X, read backward; W is [C, M / group, kernel..] -----------------------------------------
struct Transposed {
  Window window;      ///< of the convolution, pads resolved
  ir::Ints extra, shape;  ///< output_padding; output_shape where the node states it
};
Result<Transposed> read_transposed(const AttrView& a, std::size_t axes) {
  Transposed t;
  SAHA_TRY(t.window, read_window(a, "ConvTranspose", axes));
  t.extra = a.has_attr("output_padding") ? a.is("output_padding") : ir::Ints(axes, 0);
  t.shape = a.has_attr("output_shape") ? a.is("output_shape") : ir::Ints();
  if (t.shape.size() == axes + 2) t.shape.erase(t.shape.begin(), t.shape.begin() + 2);  // some exporters write batch and channels too
  if (t.extra.size() != axes || (!t.shape.empty() && t.shape.size() != axes))
    return Error{ErrorCode::invalid_model, "ConvTranspose: output_padding " + str(t.extra) + " and output_shape " + str(t.shape) + " need " + std::to_string(axes) + " entries"};
  for (std::int64_t e : t.extra) if (e < 0 || e > (std::int64_t{1} << 30)) return Error{ErrorCode::invalid_model, "ConvTranspose: output_padding " + std::to_string(e) + " lies outside 0 .. 2^30"};
  return t;
}
/// Extent of the result along one axis.
template <class D> D transposed_extent(const Transposed& t, std::size_t i, const D& in, const D& kernel) {
  const Window& w = t.window;
  D one(1), stride(w.strides[i]);
  if (!t.shape.empty()) return D(t.shape[i]);
  if (w.auto_pad == AutoPad::same_upper || w.auto_pad == AutoPad::same_lower) return in * stride;
  return stride * (in - one) + D(t.extra[i]) + (kernel - one) * D(w.dilations[i]) + one - D(w.before[i] + w.after[i]);
}
Result<> infer_conv_transpose(Infer& c) {
  const auto &x = c.dims(0), &w = c.dims(1);
  if (x.size() < 3 || w.size() != x.size()) return c.fail("takes X and W of one rank, at least 3; they are " + ir::str(x) + " and " + ir::str(w));
  if (x[1].known() && w[0].known() && !(x[1] == w[0])) return c.fail("weight has " + w[0].str() + " input channels, X has " + x[1].str());
  if (c.i("group") < 1) return c.fail("group is " + std::to_string(c.i("group")));
  SAHA_TRY(Transposed t, read_transposed(c, x.size() - 2));
  SAHA_TRY(auto kernel, kernel_dims(t.window, "ConvTranspose", spatial(w)));
  std::vector<Dim> d = {x[0], w[1] * Dim(c.i("group"))};
  for (std::size_t i = 0; i + 2 < x.size(); ++i) {
    d.push_back(transposed_extent(t, i, x[i + 2], kernel[i]));
    if (auto n = d.back().known(); n && *n < 0) return c.fail("spatial axis " + std::to_string(i) + " of the result would be " + std::to_string(*n));
  }
  return c.give(c.dtype(0), std::move(d));
}
/// Numbers: the convolution [N, M, out..] -> [N, C, in..] that is read backward.
Result<ConvShape> transposed_shape(const AttrView& a, const Dims& x, const Dims& w) {
  auto bad = [](std::string what) { return Error{ErrorCode::invalid_argument, "ConvTranspose: " + std::move(what)}; };
  if (x.size() < 3 || w.size() != x.size() || x[1] != w[0]) return bad("X is " + str(x) + ", the weight is " + str(w) + ": ranks must agree and W's first dim be X's second");
  std::int64_t group = a.i("group");
  if (group < 1 || w[0] % group || w[1] > (std::int64_t{1} << 40) / group) return bad("group " + std::to_string(group) + " does not divide the " + std::to_string(w[0]) + " input channels");
  SAHA_TRY(Transposed t, read_transposed(a, x.size() - 2));
  SAHA_TRY(auto kernel, kernel_dims(t.window, "ConvTranspose", std::vector<Dim>(w.begin() + 2, w.end())));
  ConvShape s{{x[0], w[1] * group}, w, x, group, t.window};
  for (std::size_t i = 0; i + 2 < x.size(); ++i) {
    if (x[i + 2] > std::int64_t{1} << 31) return bad("spatial axis " + std::to_string(i) + " of X is " + std::to_string(x[i + 2]));
    std::int64_t out = transposed_extent<std::int64_t>(t, i, x[i + 2], w[i + 2]);
    if (out < 0) return bad("spatial axis " + std::to_string(i) + " of the result would be " + std::to_string(out));
    s.x.push_back(out);
    bool same = s.window.auto_pad == AutoPad::same_upper || s.window.auto_pad == AutoPad::same_lower;
    if (same || !t.shape.empty()) {
      std::int64_t total = std::max<std::int64_t>(0, t.window.strides[i] * (x[i + 2] - 1) + t.extra[i] + (w[i + 2] - 1) * t.window.dilations[i] + 1 - out);
      s.window.before[i] = s.window.auto_pad == AutoPad::same_upper ? total / 2 : total - total / 2;
      s.window.after[i] = total - s.window.before[i];
    }
  }
  s.window.auto_pad = AutoPad::notset;
  return s;
}
template <class T> void run_conv_transpose(const Eval& c, const ConvShape& s, const Tensor& y) {
  auto v = input_grad(s, values<T>(c.x(0)), values<T>(c.x(1)));
  if (c.has(2)) add_bias(v, values<T>(c.x(2)), s.x);
  fill<T>(y, v);
}
Result<> eval_conv_transpose(Eval& c) {
  SAHA_TRY(ConvShape s, transposed_shape(c, c.x(0).dims, c.x(1).dims));
  SAHA_DO(check_bias(c, 2, s.x[1]));
  SAHA_DO(c.spend(products(s)));
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, s.x));
  if (is_float(y.dtype)) run_conv_transpose<double>(c, s, y);
  else run_conv_transpose<std::uint64_t>(c, s, y);  // the integer form
  return c.give(std::move(y));
}
Val conv_transpose_integer(const Site& s, const Type& result) {
  if (const auto& q = s.type(1).quant; q && q->scale.size() > 1 && (q->axis != 1 || s.i("group") != 1))   // axis 0 of W are X's channels, axis 1 those of one group's results
    s.b.fail({ErrorCode::unsupported, "ConvTranspose has an integer form only with one scale for W, or one for each of the result's channels and one group"});
  const DType wide = accumulator(s.type(0), s.type(1));
  Vals in = {centred(s.in[0], wide), centred(s.in[1], wide)};
  if (s.has(2)) in.push_back(s.type(2).dtype == wide ? s.in[2] : s.b.op("Cast", {s.in[2]}, {{"to", std::int64_t(wide)}}));
  return requantized(s, s.b.op("ConvTranspose", in, plain_attrs(s.attrs)), result, 1);
}
Val conv_transpose_adjoint(const Site& s, std::size_t operand, Val dy) {
  if (operand == 2) return channel_sum(s, dy);
  const Type &x = s.type(0), &w = s.type(1);
  if (!is_static(w) || (s.has_attr("output_shape") && !is_static(x))) {
    s.b.fail({ErrorCode::unsupported, "ConvTranspose: its gradient needs known shapes, X is " + ir::str(x) + ", W is " + ir::str(w)});
    return dy;
  }
  Dims dx, dw;  // X's extents decide the pads only where output_shape is stated: a symbol may stand as 1
  for (const Dim& d : x.dims) dx.push_back(d.known().value_or(1));
  for (const Dim& d : w.dims) dw.push_back(*d.known());
  dx[1] = dw[0];
  auto shape = transposed_shape(s, dx, dw);
  if (!shape) { s.b.fail(shape.error()); return dy; }
  const Window& k = shape->window;
  ir::Ints pads = k.before, starts, ends, axes;
  for (std::size_t i = 0; i < k.axes(); ++i) {
    // What the result has beyond the last window: less padding, then fewer elements, so that Conv gives X's extents.
    std::int64_t surplus = shape->x[i + 2] + k.before[i] + k.after[i] - (dw[i + 2] - 1) * k.dilations[i] - 1 - k.strides[i] * (dx[i + 2] - 1);
    std::int64_t less = std::min(k.after[i], surplus);
    pads.push_back(k.after[i] - less);
    if (surplus == less) continue;
    starts.push_back(0);
    ends.push_back(less - surplus);
    axes.push_back(std::int64_t(i) + 2);
  }
  if (!axes.empty()) dy = s.b.op("Slice", {dy, s.b.ints(starts), s.b.ints(ends), s.b.ints(axes)});
  Attrs attrs = {{"group", shape->group}, {"strides", k.strides}, {"dilations", k.dilations}, {"pads", pads}};
  if (operand == 0) return s.b.op("Conv", {dy, s.in[1]}, std::move(attrs));
  return s.b.op("ConvWeightGrad", {s.in[0], dy, s.in[1]}, std::move(attrs));
}

// ---- ConvInteger: (x - x_zero) * (w - w_zero) in int32; what is padded is the zero point ------------------------------------------------
Result<> infer_conv_integer(Infer& c) {
  SAHA_TRY(auto d, conv_dims(c));
  return c.give(DType::i32, std::move(d));
}
Result<> eval_conv_integer(Eval& c) {
  SAHA_TRY(ConvShape s, conv_shape(c, "ConvInteger", c.x(0).dims, c.x(1).dims));
  SAHA_DO(c.spend(products(s)));
  auto x = values<std::uint64_t>(c.x(0)), w = values<std::uint64_t>(c.x(1));
  if (c.has(2)) {
    if (c.x(2).size() != 1) return c.fail("x_zero_point has " + std::to_string(c.x(2).size()) + " elements, 1 is needed");
    for (auto& v : x) v -= std::uint64_t(c.x(2).int_at(0));
  }
  if (c.has(3)) {
    auto zero = values<std::uint64_t>(c.x(3));
    if (zero.size() != 1 && std::int64_t(zero.size()) != s.w[0]) return c.fail("w_zero_point has " + std::to_string(zero.size()) + " elements, 1 or " + std::to_string(s.w[0]) + " are needed");
    std::size_t per = s.w[0] ? w.size() / std::size_t(s.w[0]) : 0;
    for (std::size_t i = 0; i < w.size(); ++i) w[i] -= zero[zero.size() == 1 ? 0 : i / per];
  }
  SAHA_TRY(Tensor y, c.make(DType::i32, s.y));
  fill<std::uint64_t>(y, forward(s, x, w));
  return c.give(std::move(y));
}

constexpr OpDef kOps[] = {
    {.name = "Conv", .since_version = 22,
     .signature = "(X: T, W: T, B: T?) -> (Y: T) where T: float int32 int64 | auto_pad: string = NOTSET, dilations: ints?, group: int = 1, kernel_shape: ints?, pads: ints?, rounding: string?, strides: ints?",
     .infer = infer_conv, .eval = eval_conv, .linear = bilinear(0, 1, {2}), .adjoint = conv_adjoint, .integer = conv_integer, .rounding = ErrorModel::dot},
    {.name = "ConvInputGrad", .domain = "saha",
     .signature = "(dY: T, W: T, X: T) -> (dX: T) where T: float | auto_pad: string = NOTSET, dilations: ints?, group: int = 1, kernel_shape: ints?, pads: ints?, strides: ints?",
     .infer = infer_like_third, .eval = eval_conv_input_grad, .linear = bilinear(0, 1), .adjoint = conv_input_adjoint, .rounding = ErrorModel::dot, .no_integer = "a gradient"},
    {.name = "ConvWeightGrad", .domain = "saha",
     .signature = "(dY: T, X: T, W: T) -> (dW: T) where T: float | auto_pad: string = NOTSET, dilations: ints?, group: int = 1, kernel_shape: ints?, pads: ints?, strides: ints?",
     .infer = infer_like_third, .eval = eval_conv_weight_grad, .linear = bilinear(0, 1), .adjoint = conv_weight_adjoint, .rounding = ErrorModel::dot, .no_integer = "a gradient"},
    {.name = "ConvTranspose", .since_version = 22,
     .signature = "(X: T, W: T, B: T?) -> (Y: T) where T: float int32 int64 | auto_pad: string = NOTSET, dilations: ints?, group: int = 1, kernel_shape: ints?, output_padding: ints?, output_shape: ints?, pads: ints?, rounding: string?, strides: ints?",
     .infer = infer_conv_transpose, .eval = eval_conv_transpose, .linear = bilinear(0, 1, {2}), .adjoint = conv_transpose_adjoint, .integer = conv_transpose_integer, .rounding = ErrorModel::dot},
    {.name = "ConvInteger", .since_version = 10,
     .signature = "(x: T1, w: T2, x_zero_point: T1?, w_zero_point: T2?) -> (y: int32) where T1: int8 uint8, T2: int8 uint8 | auto_pad: string = NOTSET, dilations: ints?, group: int = 1, kernel_shape: ints?, pads: ints?, strides: ints?",
     .infer = infer_conv_integer, .eval = eval_conv_integer, .no_gradient = "integers", .no_integer = "is one already"},
};
}  // namespace
std::span<const OpDef> conv() { return kOps; }

Val as_convolution(Builder& b, const Vals& in, const Attrs& attrs) {
  constexpr std::int64_t kMostPhases = 64;   // along an axis: most kernels are hardly wider than their stride
  Dims x, w;
  for (auto [v, dims] : {std::pair{in[0], &x}, std::pair{in[1], &w}})
    for (const Dim& d : b.type(v).dims) dims->push_back(d.known().value_or(-1));
  if (std::ranges::count(x, -1) || std::ranges::count(w, -1) || num_elements(x) == 0 || num_elements(w) == 0) return {};
  auto shape = transposed_shape(AttrView{attrs}, x, w);
  if (!shape) return {};
  const std::size_t axes = x.size() - 2;
  const std::int64_t group = shape->group, results = w[1];   // of a group
  const ir::Ints& stride = shape->window.strides;
  ir::Ints taps(axes), places(axes), filled(2 * w.size(), 0), pads(2 * axes, 0);   // kernel of the convolution, extent of its result
  std::int64_t phases = 1;
  for (std::size_t i = 0; i < axes; ++i) {
    const std::int64_t s = stride[i], k = w[i + 2], d = shape->window.dilations[i];
    const std::int64_t whole = (x[i + 2] - 1) * s + (k - 1) * d + 1;   // what the data reach, before pads are cut off
    if ((s > 1 && d > 1) || shape->x[i + 2] == 0 || s > kMostPhases || shape->window.before[i] + shape->x[i + 2] > 2 * (whole + s)) return {};
    taps[i] = (k + s - 1) / s;
    filled[w.size() + i + 2] = taps[i] * s - k;
    places[i] = (shape->window.before[i] + shape->x[i + 2] + s - 1) / s;
    pads[i] = (taps[i] - 1) * d;
    pads[axes + i] = std::max<std::int64_t>(0, places[i] - x[i + 2]);
    places[i] = x[i + 2] + pads[axes + i];
    phases *= s;
  }
  // W [C, M / group, K..] -> [M * phases, C / group, taps..], its taps the other way round.
  Val kernel = in[1];
  if (std::ranges::any_of(filled, [](std::int64_t n) { return n > 0; })) kernel = b.op("Pad", {kernel, b.ints(filled)});
  ir::Ints split = {group, w[0] / group, results}, order = {0, 2}, whole = {group * results * phases, w[0] / group}, from, to, backward, along;
  for (std::size_t i = 0; i < axes; ++i) {
    split.insert(split.end(), {taps[i], stride[i]});
    order.push_back(std::int64_t(4 + 2 * i));
    whole.push_back(taps[i]);
    from.push_back(-1), to.push_back(INT64_MIN), backward.push_back(-1), along.push_back(std::int64_t(i + 2));
  }
  order.push_back(1);
  for (std::size_t i = 0; i < axes; ++i) order.push_back(std::int64_t(3 + 2 * i));
  kernel = b.op("Reshape", {b.op("Transpose", {b.op("Reshape", {kernel, b.ints(split)})}, {{"perm", order}}), b.ints(whole)});
  if (std::ranges::any_of(taps, [](std::int64_t n) { return n > 1; })) kernel = b.op("Slice", {kernel, b.ints(from), b.ints(to), b.ints(along), b.ints(backward)});
  Vals operands = {in[0], kernel};
  if (in.size() > 2 && in[2]) {
    Val bias = in[2];
    if (phases > 1) bias = b.op("Reshape", {b.op("Expand", {b.op("Unsqueeze", {bias, b.ints({1})}), b.ints({group * results, phases})}), b.ints({group * results * phases})});
    operands.push_back(bias);
  }
  Val y = b.op("Conv", operands, {{"group", group}, {"kernel_shape", taps}, {"pads", pads}, {"dilations", shape->window.dilations}});
  // Channels of one place side by side, and what lies in the pads cut off.
  ir::Ints apart = {x[0], group * results}, beside = {0, 1}, one = {x[0], group * results}, begin, end;
  bool cut = false;
  for (std::size_t i = 0; i < axes; ++i) apart.push_back(stride[i]);
  for (std::size_t i = 0; i < axes; ++i) {
    apart.push_back(places[i]);
    beside.insert(beside.end(), {std::int64_t(2 + axes + i), std::int64_t(2 + i)});
    one.push_back(places[i] * stride[i]);
    begin.push_back(shape->window.before[i]), end.push_back(shape->window.before[i] + shape->x[i + 2]);
    cut |= begin.back() != 0 || end.back() != one.back();
  }
  if (phases > 1) y = b.op("Reshape", {b.op("Transpose", {b.op("Reshape", {y, b.ints(apart)})}, {{"perm", beside}}), b.ints(one)});
  return cut ? b.op("Slice", {y, b.ints(begin), b.ints(end), b.ints(along)}) : y;
}

}  // namespace saha::op
