// Pooling over windows and over whole planes. Source: ONNX operator specification, opset 28. MaxUnpool puts back by index.
#include <algorithm>
#include <cmath>

#include "op/integer_form.hpp"
#include "op/window.hpp"

namespace saha::op {
namespace {

// ---- what the pools share ----------------------------------------------------------------------------------------------------------
Result<> infer_pool(Infer& c) {
  const auto& x = c.dims(0);
  std::string op(c.def.name.str());
  if (x.size() < 3) return c.fail("takes [N, C, spatial..], it is " + ir::str(x));
  SAHA_TRY(Window w, read_window(c, op, x.size() - 2));
  SAHA_TRY(auto d, window_dims(w, op, std::span(x).subspan(2), std::vector<Dim>(w.kernel.begin(), w.kernel.end())));
  d.insert(d.begin(), {x[0], x[1]});
  SAHA_DO(c.give(c.dtype(0), d));
  if (c.num_out > 1) return c.give(DType::i64, d);
  return {};
}
struct PoolShape {
  Window w;
  Dims in, out, y;                      ///< spatial extents; dims of the result
  std::int64_t planes, plane_in, plane_out;
  double steps() const { return double(planes) * double(plane_out) * double(num_elements(w.kernel)); }
};
Result<PoolShape> pool_shape(const AttrView& a, std::string_view op, const Dims& x) {
  if (x.size() < 3) return Error{ErrorCode::invalid_argument, std::string(op) + ": takes [N, C, spatial..], it is " + str(x)};
  PoolShape s;
  SAHA_TRY(s.w, read_window(a, op, x.size() - 2));
  s.in.assign(x.begin() + 2, x.end());
  SAHA_TRY(s.out, resolve(s.w, op, s.in, s.w.kernel));
  s.y = {x[0], x[1]};
  s.y.insert(s.y.end(), s.out.begin(), s.out.end());
  s.planes = x[0] * x[1];
  s.plane_in = num_elements(s.in);
  s.plane_out = num_elements(s.out);
  // A window's walk visits its elements, also those that touch nothing but padding: bounded by the input, so that no attribute makes it endless.
  auto elements = checked_elements(s.w.kernel);
  if (!elements || *elements > 16 * s.plane_in + 4096) return Error{ErrorCode::invalid_argument, std::string(op) + ": a window of " + str(s.w.kernel) + " over a plane of " + str(s.in)};
  if (s.plane_in == 0 || s.plane_out == 0) s.planes = 0;
  return s;
}
/// A window's own loop: f(y, x, k, n, dx) over one plane.
template <class F> void windows(const PoolShape& s, F f) { walk_window(s.w, s.in, s.out, s.w.kernel, f); }

// ---- MaxPool -----------------------------------------------------------------------------------------------------------------------
/// Element i of a plane counted with the first spatial axis fastest (storage_order 1).
std::int64_t column_major(std::int64_t i, const Dims& d) {
  std::int64_t r = 0;
  for (std::size_t a = d.size(); a-- > 0;) {
    r += i % d[a] * num_elements(std::span(d).first(a));
    i /= d[a];
  }
  return r;
}
Result<> eval_max_pool(Eval& c) {
  SAHA_TRY(PoolShape s, pool_shape(c, "MaxPool", c.x(0).dims));
  SAHA_DO(c.spend(s.steps()));
  const Tensor& x = c.x(0);
  const bool columns = c.i("storage_order") != 0, want_indices = c.num_out > 1;
  SAHA_TRY(Tensor y, c.make(x.dtype, s.y));
  SAHA_TRY(Tensor index, c.make(DType::i64, want_indices ? s.y : Dims{0}));
  const double least = is_float(x.dtype) ? -std::numeric_limits<double>::infinity() : double(int_range(x.dtype).lo);
  std::vector<double> plane(std::size_t(s.plane_in)), best(std::size_t(s.plane_out));
  std::vector<std::int64_t> from(best.size());
  for (std::int64_t p = 0; p < s.planes; ++p) {
    load(x, p * s.plane_in, 1, s.plane_in, plane.data());
    std::fill(best.begin(), best.end(), least);
    std::fill(from.begin(), from.end(), -1);
    windows(s, [&](std::int64_t yi, std::int64_t xi, std::int64_t, std::int64_t n, std::int64_t dx) {
      for (std::int64_t j = 0; j < n; ++j) {
        double v = plane[std::size_t(xi + j * dx)];
        auto k = std::size_t(yi + j);
        if (v > best[k] || from[k] < 0 || (v != v && best[k] == best[k])) { best[k] = v; from[k] = xi + j * dx; }  // the first of equals; NaN stays
      }
    });
    store(y, p * s.plane_out, s.plane_out, best.data());
    if (!want_indices) continue;
    for (auto& i : from) i = std::max<std::int64_t>(i, 0);
    if (columns) for (auto& i : from) i = column_major(i, s.in);
    for (auto& i : from) i += p * s.plane_in;
    store(index, p * s.plane_out, s.plane_out, from.data());
  }
  SAHA_DO(c.give(std::move(y)));
  return want_indices ? c.give(std::move(index)) : Result<>{};
}
/// The largest stored number is the largest real one, where X and the result share their quantisation; of 8 bits, which the operator takes.
Val max_pool_integer(const Site& s, const Type& result) {
  return same_storage(s.type(0), result) && bits(result.dtype) == 8 ? s.b.op("MaxPool", {s.in[0]}, plain_attrs(s.attrs)) : Val{};
}
/// dx has dy at the places that Indices names; windows may share a place, so they add up.
Vals max_pool_vjp(const Site& s, const Vals& dy) {
  if (!dy[0]) return {{}};
  Attrs attrs;
  for (const ir::NamedAttr& a : s.attrs) if (a.name != "storage_order") attrs.push_back(a);
  Val index = s.out.size() > 1 && s.i("storage_order") == 0 ? s.out[1] : s.b.ops("MaxPool", {s.in[0]}, attrs, 2)[1];
  Val flat = s.b.ints({-1}), shape = s.b.op("Shape", {s.in[0]});
  Val zeros = s.b.op("Expand", {s.b.scalar(0, dy[0]), s.b.op("Shape", {s.b.op("Reshape", {s.in[0], flat})})});
  Val sum = s.b.op("ScatterElements", {zeros, s.b.op("Reshape", {index, flat}), s.b.op("Reshape", {dy[0], flat})}, {{"reduction", std::string("add")}});
  return {s.b.op("Reshape", {sum, shape})};
}

/// The mean of the stored numbers inside X to nearest, ties away from zero: operand and result share their quantisation, so zero points need no care.
Val average_pool_integer(const Site& s, const Type& result) {
  const Type& t = s.type(0);
  if (!fixed(s) || !same_storage(t, result) || !ir::is_static(t) || s.i("count_include_pad") || s.i("ceil_mode")) return {};
  Builder& b = s.b;
  Dims plane, ones_shape = {1, 1};
  for (std::size_t i = 2; i < t.dims.size(); ++i) ones_shape.push_back(*t.dims[i].known());
  plane = ones_shape;
  plane[0] = *t.dims[0].known() * *t.dims[1].known();
  Attrs window;
  for (const ir::NamedAttr& a : s.attrs) if (a.name != "count_include_pad" && a.name != "ceil_mode" && a.name != "rounding") window.push_back(a);
  Dims kernel = s.is("kernel_shape");
  kernel.insert(kernel.begin(), {1, 1});
  Val ones = b.constant(Tensor::of(DType::i32, kernel, {1}));
  Val sum = b.op("Conv", {b.op("Reshape", {cast(s.in[0], DType::i32), b.ints(plane)}), ones}, window);
  Val count = b.op("Conv", {b.constant(Tensor::of(DType::i32, ones_shape, {1})), ones}, window);
  Val half = count / 2;
  Val mean = b.op("Where", {b.op("Greater", {sum, b.scalar(0, sum)}), sum + half, sum - half}) / count;
  Dims y = {*t.dims[0].known(), *t.dims[1].known()};
  for (std::size_t i = 2; i < result.dims.size(); ++i) y.push_back(-1);
  if (b.failed()) return mean;
  const auto& d = b.type(mean).dims;
  for (std::size_t i = 2; i < d.size(); ++i) y[i] = *d[i].known();
  return cast(b.op("Reshape", {mean, b.ints(y)}), result.dtype);
}

// ---- AveragePool and its adjoint ---------------------------------------------------------------------------------------------------------
/// Elements that each window averages: those inside X, with count_include_pad those of the pads too (what ceil_mode adds never counts).
std::vector<double> window_counts(const PoolShape& s, bool pads) {
  std::vector<double> r = {1};
  for (std::size_t i = 0; i < s.in.size(); ++i) {
    std::vector<double> next;
    std::int64_t lo = pads ? -s.w.before[i] : 0, hi = s.in[i] + (pads ? s.w.after[i] : 0), d = s.w.dilations[i];
    for (double outer : r)
      for (std::int64_t o = 0; o < s.out[i]; ++o) {
        std::int64_t first = o * s.w.strides[i] - s.w.before[i];
        std::int64_t from = first >= lo ? 0 : (lo - first + d - 1) / d, to = hi - 1 < first ? 0 : std::min(s.w.kernel[i], (hi - 1 - first) / d + 1);
        next.push_back(outer * double(std::max<std::int64_t>(0, to - from)));
      }
    r = std::move(next);
  }
  for (double& v : r) v = std::max(v, 1.0);  // a window that lies in the pads alone gives 0
  return r;
}
Result<> eval_average_pool(Eval& c) {
  SAHA_TRY(PoolShape s, pool_shape(c, "AveragePool", c.x(0).dims));
  SAHA_DO(c.spend(s.steps()));
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, s.y));
  auto count = window_counts(s, c.i("count_include_pad") != 0);
  std::vector<double> plane(std::size_t(s.plane_in)), sum(std::size_t(s.plane_out));
  for (std::int64_t p = 0; p < s.planes; ++p) {
    load(c.x(0), p * s.plane_in, 1, s.plane_in, plane.data());
    std::fill(sum.begin(), sum.end(), 0.0);
    windows(s, [&](std::int64_t yi, std::int64_t xi, std::int64_t, std::int64_t n, std::int64_t dx) { for (std::int64_t j = 0; j < n; ++j) sum[std::size_t(yi + j)] += plane[std::size_t(xi + j * dx)]; });
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] /= count[i];
    store(y, p * s.plane_out, s.plane_out, sum.data());
  }
  return c.give(std::move(y));
}
Val average_adjoint(const Site& s, std::size_t, Val dy) { return s.b.op("AveragePoolGrad", {dy, s.in[0]}, s.attrs); }
Result<> infer_pool_grad(Infer& c) { return c.give(c.dtype(0), c.dims(1)); }
Result<> eval_average_pool_grad(Eval& c) {  // dY, X (its shape only)
  SAHA_TRY(PoolShape s, pool_shape(c, "AveragePoolGrad", c.x(1).dims));
  SAHA_DO(c.spend(s.steps()));
  if (c.x(0).dims != s.y) return c.fail("dY is " + str(c.x(0).dims) + ", the pool gives " + str(s.y));
  SAHA_TRY(Tensor x, c.make(c.x(0).dtype, c.x(1).dims));
  auto count = window_counts(s, c.i("count_include_pad") != 0);
  std::vector<double> plane(std::size_t(s.plane_in)), dy(std::size_t(s.plane_out));
  for (std::int64_t p = 0; p < s.planes; ++p) {
    load(c.x(0), p * s.plane_out, 1, s.plane_out, dy.data());
    for (std::size_t i = 0; i < dy.size(); ++i) dy[i] /= count[i];
    std::fill(plane.begin(), plane.end(), 0.0);
    windows(s, [&](std::int64_t yi, std::int64_t xi, std::int64_t, std::int64_t n, std::int64_t dx) { for (std::int64_t j = 0; j < n; ++j) plane[std::size_t(xi + j * dx)] += dy[std::size_t(yi + j)]; });
    store(x, p * s.plane_in, s.plane_in, plane.data());
  }
  return c.give(std::move(x));
}
/// [1, 1, out..]: how many elements each window of AveragePool averages; X gives its shape only.
Result<> infer_window_count(Infer& c) {
  SAHA_DO(infer_pool(c));
  std::vector<Dim> d = c.out[0]->dims;
  d[0] = d[1] = 1;
  c.out.clear();
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_window_count(Eval& c) {
  SAHA_TRY(PoolShape s, pool_shape(c, "WindowCount", c.x(0).dims));
  SAHA_DO(c.spend(s.steps()));
  s.y[0] = s.y[1] = 1;
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, s.y));
  fill<double>(y, window_counts(s, c.i("count_include_pad") != 0));
  return c.give(std::move(y));
}
Val average_grad_adjoint(const Site& s, std::size_t, Val d) { return s.b.op("AveragePool", {d}, s.attrs); }

// ---- LpPool: (sum |x|^p)^(1/p) ----------------------------------------------------------------------------------------------------------------
Result<> eval_lp_pool(Eval& c) {
  SAHA_TRY(PoolShape s, pool_shape(c, "LpPool", c.x(0).dims));
  SAHA_DO(c.spend(s.steps()));
  const double p = double(c.i("p"));
  if (p < 1) return c.fail("p is " + std::to_string(c.i("p")));
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, s.y));
  std::vector<double> plane(std::size_t(s.plane_in)), sum(std::size_t(s.plane_out));
  for (std::int64_t q = 0; q < s.planes; ++q) {
    load(c.x(0), q * s.plane_in, 1, s.plane_in, plane.data());
    for (double& v : plane) v = p == 2 ? v * v : p == 1 ? std::fabs(v) : std::pow(std::fabs(v), p);
    std::fill(sum.begin(), sum.end(), 0.0);
    windows(s, [&](std::int64_t yi, std::int64_t xi, std::int64_t, std::int64_t n, std::int64_t dx) { for (std::int64_t j = 0; j < n; ++j) sum[std::size_t(yi + j)] += plane[std::size_t(xi + j * dx)]; });
    for (double& v : sum) v = p == 2 ? std::sqrt(v) : p == 1 ? v : std::pow(v, 1 / p);
    store(y, q * s.plane_out, s.plane_out, sum.data());
  }
  return c.give(std::move(y));
}
/// The sum of a window is its average times its count, so AveragePool carries body and gradient.
Vals lp_pool_body(const Site& s) {
  Builder& b = s.b;
  Attrs window;
  for (const ir::NamedAttr& a : s.attrs) if (a.name != "p") window.push_back(a);
  double p = double(s.i("p"));
  Val x = s.in[0], power = p == 2 ? x * x : p == 1 ? b.op("Abs", {x}) : b.op("Pow", {b.op("Abs", {x}), b.scalar(p, x)});
  Val sum = b.op("AveragePool", {power}, window) * b.op("WindowCount", {x}, window);
  return {p == 1 ? sum : p == 2 ? b.op("Sqrt", {sum}) : b.op("Pow", {sum, b.scalar(1 / p, sum)})};
}

// ---- Global pools: reductions over the spatial axes --------------------------------------------------------------------------------------------
Vals global(const Site& s, ir::OpName op) {
  ir::Ints axes;
  for (std::size_t i = 2; i < s.type(0).dims.size(); ++i) axes.push_back(std::int64_t(i));
  if (axes.empty()) return {s.b.op("Identity", {s.in[0]})};
  return {s.b.op(op, {s.in[0], s.b.ints(axes)}, {{"keepdims", std::int64_t{1}}})};
}
Vals global_average_body(const Site& s) { return global(s, "ReduceMean"); }
Vals global_max_body(const Site& s) { return global(s, "ReduceMax"); }
Vals global_lp_body(const Site& s) {
  if (s.i("p") == 2) return global(s, "ReduceL2");
  if (s.i("p") == 1) return global(s, "ReduceL1");
  Builder& b = s.b;
  Site power{{s.attrs}, b, {b.op("Pow", {b.op("Abs", {s.in[0]}), b.scalar(double(s.i("p")), s.in[0])})}, {}, 1};
  Val sum = global(power, "ReduceSum")[0];
  return {b.op("Pow", {sum, b.scalar(1.0 / double(s.i("p")), sum)})};
}
Result<> infer_global(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  if (d.size() < 2) return c.fail("takes [N, C, spatial..], it is " + ir::str(d));
  for (std::size_t i = 2; i < d.size(); ++i) d[i] = 1;
  return c.give(c.dtype(0), std::move(d));
}

// ---- MaxUnpool: indices count in the result that kernel, strides and pads give; output_shape only makes it larger ----------------------------------
// Extents of the result.
template <class D> std::vector<D> unpooled(const Window& w, const std::vector<D>& x) {
  std::vector<D> d = {x[0], x[1]};
  for (std::size_t i = 0; i < w.axes(); ++i) d.push_back((x[i + 2] - D(1)) * D(w.strides[i]) + D(w.kernel[i]) - D(w.before[i] + w.after[i]));
  return d;
}
Result<> infer_max_unpool(Infer& c) {
  if (c.rank(0) < 3) return c.fail("takes [N, C, spatial..], it is " + ir::str(c.dims(0)));
  if (c.has(2)) {
    const Known* k = c.known(2);
    if (k && k->size() == c.rank(0)) return c.give(c.dtype(0), *k);
    std::vector<Dim> d;
    for (std::size_t i = 0; i < c.rank(0); ++i) d.push_back(c.fresh("unpooled"));
    return c.give(c.dtype(0), std::move(d));
  }
  SAHA_TRY(Window w, read_window(c, "MaxUnpool", c.rank(0) - 2));
  return c.give(c.dtype(0), unpooled(w, c.dims(0)));
}
Result<> eval_max_unpool(Eval& c) {
  const Dims& x = c.x(0).dims;
  if (x.size() < 3 || c.x(1).dims != x) return c.fail("X is " + str(x) + ", I is " + str(c.x(1).dims) + ": both must be [N, C, spatial..]");
  SAHA_TRY(Window w, read_window(c, "MaxUnpool", x.size() - 2));
  for (std::int64_t d : x) if (d > std::int64_t{1} << 31) return c.fail("X " + str(x) + " is larger than 2^31 along an axis");
  Dims inner = unpooled(w, x), outer = c.has(2) ? c.ints(2) : inner;
  auto count = checked_elements(inner);
  if (!count || outer.size() != inner.size()) return c.fail("cannot unpool " + str(x) + " to " + str(outer));
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, outer));
  auto v = values<double>(c.x(0));
  auto index = c.ints(1);
  bool same = inner == outer;
  for (std::size_t i = 0; i < v.size(); ++i) {
    std::int64_t k = index[i];
    if (k < 0 || k >= *count) return c.fail("index " + std::to_string(k) + " lies outside the " + std::to_string(*count) + " elements of " + str(inner));
    if (!same) {
      std::int64_t at = 0, scale = 1;
      bool inside = true;
      for (std::size_t a = inner.size(); a-- > 0;) {
        std::int64_t p = k % inner[a];
        k /= inner[a];
        inside &= p < outer[a];
        at += p * scale;
        scale *= outer[a];
      }
      if (!inside) continue;
      k = at;
    }
    store(y, k, 1, &v[i]);
  }
  return c.give(std::move(y));
}
Vals max_unpool_vjp(const Site& s, const Vals& dy) {  // each X went to one place: its gradient is read there
  if (s.has(2)) { s.b.fail({ErrorCode::unsupported, "MaxUnpool: no gradient where output_shape is given"}); return {}; }
  Val flat = s.b.ints({-1});
  Val g = s.b.op("GatherElements", {s.b.op("Reshape", {dy[0], flat}), s.b.op("Reshape", {s.in[1], flat})});
  return {s.b.op("Reshape", {g, s.b.op("Shape", {s.in[0]})})};
}

#define SAHA_WINDOW "auto_pad: string = NOTSET, ceil_mode: int = 0, dilations: ints?, kernel_shape: ints, pads: ints?, strides: ints?"
constexpr OpDef kOps[] = {
    {.name = "MaxPool", .since_version = 22, .signature = "(X: T) -> (Y: T, Indices: int64?) where T: float int8 uint8 | " SAHA_WINDOW ", storage_order: int = 0",
     .infer = infer_pool, .eval = eval_max_pool, .vjp = max_pool_vjp, .integer = max_pool_integer},
    {.name = "AveragePool", .since_version = 22, .signature = "(X: T) -> (Y: T) where T: float | " SAHA_WINDOW ", count_include_pad: int = 0",
     .infer = infer_pool, .eval = eval_average_pool, .linear = joint({0}), .adjoint = average_adjoint, .integer = average_pool_integer, .rounding = ErrorModel::dot},
    {.name = "AveragePoolGrad", .domain = "saha", .signature = "(dY: T, X: T) -> (dX: T) where T: float | " SAHA_WINDOW ", count_include_pad: int = 0",
     .infer = infer_pool_grad, .eval = eval_average_pool_grad, .linear = joint({0}), .adjoint = average_grad_adjoint, .rounding = ErrorModel::dot, .no_integer = "a gradient"},
    {.name = "WindowCount", .domain = "saha", .signature = "(X: T) -> (Y: T) where T: float | " SAHA_WINDOW ", count_include_pad: int = 0",
     .infer = infer_window_count, .eval = eval_window_count, .no_gradient = "depends on the shape alone", .no_bounds = "depends on the shape alone", .no_integer = "depends on the shape alone"},
    {.name = "LpPool", .since_version = 22, .signature = "(X: T) -> (Y: T) where T: float | " SAHA_WINDOW ", p: int = 2",
     .infer = infer_pool, .eval = eval_lp_pool, .body = lp_pool_body, .rounding = ErrorModel::dot},
    {.name = "GlobalAveragePool", .since_version = 22, .signature = "(X: T) -> (Y: T) where T: float", .infer = infer_global, .body = global_average_body, .rounding = ErrorModel::dot},
    {.name = "GlobalMaxPool", .since_version = 22, .signature = "(X: T) -> (Y: T) where T: float", .infer = infer_global, .body = global_max_body},
    {.name = "GlobalLpPool", .since_version = 22, .signature = "(X: T) -> (Y: T) where T: float | p: int = 2", .infer = infer_global, .body = global_lp_body, .rounding = ErrorModel::dot},
    {.name = "MaxUnpool", .since_version = 22, .signature = "(X: T, I: int64, output_shape: int64?!) -> (output: T) where T: float | kernel_shape: ints, pads: ints?, strides: ints?",
     .infer = infer_max_unpool, .eval = eval_max_unpool, .vjp = max_unpool_vjp},
};
#undef SAHA_WINDOW
}  // namespace
std::span<const OpDef> pooling() { return kOps; }

}  // namespace saha::op
