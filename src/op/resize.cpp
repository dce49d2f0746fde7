// Resize: one table of weighted taps per axis, applied one axis after the other; ResizeGrad (domain saha) applies their transposes.
// Source of the coordinate rules: ONNX Resize-19. Nearest copies elements and takes every dtype.
#include <algorithm>
#include <cmath>

#include "op/adjoint.hpp"
#include "op/integer_form.hpp"
#include "op/resize_taps.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {
using std::to_string;

/// Place i of the result along an axis is the sum of weight * x[from] over its taps, or the extrapolation value.
struct Taps {
  std::int64_t from_size = 0, to_size = 0;
  std::size_t per = 0;               ///< taps of each place
  std::vector<std::int64_t> from;    ///< to_size * per
  std::vector<double> weight;
  std::vector<char> outside;         ///< to_size
  bool identity = false;
};
struct Geometry {
  std::vector<std::size_t> axes;
  Dims dims;
  std::vector<double> scale;         ///< per axis of the tensor
  std::vector<double> roi_start, roi_end;
};

template <class C> Result<std::vector<std::size_t>> resized_axes(const C& c, std::size_t rank) {
  std::vector<std::size_t> axes;
  if (!c.has_attr("axes")) for (std::size_t i = 0; i < rank; ++i) axes.push_back(i);
  std::vector<char> seen(rank, 0);
  for (std::int64_t v : c.is("axes")) {
    SAHA_TRY(std::size_t a, c.axis(v, rank, "axes"));
    if (std::exchange(seen[a], 1)) return c.fail("axes lists " + to_string(a) + " twice");
    axes.push_back(a);
  }
  return axes;
}
/// What the operands roi, scales and sizes, which stand at `first` and after it, ask of a tensor of these dims.
Result<Geometry> geometry(const Eval& c, const Dims& in, std::size_t first) {
  Geometry g;
  std::size_t r = in.size();
  SAHA_TRY(g.axes, resized_axes(c, r));
  std::size_t k = g.axes.size();
  g.dims = in;
  g.scale.assign(r, 1.0);
  g.roi_start.assign(r, 0.0);
  g.roi_end.assign(r, 1.0);
  bool scales = c.has(first + 1) && c.x(first + 1).size() > 0, sizes = c.has(first + 2) && c.x(first + 2).size() > 0;
  if (scales == sizes) return c.fail("needs either scales or sizes");
  auto values_of = [&](std::size_t i, std::size_t n, const char* what) -> Result<std::vector<double>> {
    std::vector<double> v = values<double>(c.x(i));
    if (v.size() != n) return c.fail(std::string(what) + " has " + to_string(v.size()) + " entries, " + to_string(n) + " are needed");
    return v;
  };
  if (scales) {
    SAHA_TRY(auto v, values_of(first + 1, k, "scales"));
    for (std::size_t i = 0; i < k; ++i) {
      if (!(v[i] > 0) || v[i] * double(in[g.axes[i]]) > 1e12) return c.fail("scale " + to_string(v[i]) + " of axis " + to_string(g.axes[i]) + " is out of range");
      g.scale[g.axes[i]] = v[i];
      g.dims[g.axes[i]] = std::int64_t(v[i] * double(in[g.axes[i]]));
    }
  } else {
    SAHA_TRY(auto v, values_of(first + 2, k, "sizes"));
    std::string policy = c.s("keep_aspect_ratio_policy");
    if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller") return c.fail("keep_aspect_ratio_policy '" + policy + "' is not stretch, not_larger or not_smaller");
    double common = 0;
    for (std::size_t i = 0; i < k; ++i) {
      std::size_t a = g.axes[i];
      if (v[i] < 0 || v[i] > 1e12) return c.fail("size " + to_string(v[i]) + " of axis " + to_string(a) + " is out of range");
      if (in[a] == 0) return c.fail("axis " + to_string(a) + " has no elements");
      g.dims[a] = std::int64_t(v[i]);
      g.scale[a] = v[i] / double(in[a]);
      common = i == 0 ? g.scale[a] : policy == "not_larger" ? std::min(common, g.scale[a]) : std::max(common, g.scale[a]);
    }
    if (policy != "stretch")
      for (std::size_t a : g.axes) {
        g.scale[a] = common;
        g.dims[a] = std::int64_t(common * double(in[a]) + 0.5);
      }
  }
  if (c.s("coordinate_transformation_mode") == "tf_crop_and_resize") {
    if (!c.has(first)) return c.fail("tf_crop_and_resize needs a roi");
    SAHA_TRY(auto v, values_of(first, 2 * k, "roi"));
    for (std::size_t i = 0; i < k; ++i) {
      g.roi_start[g.axes[i]] = v[i];
      g.roi_end[g.axes[i]] = v[k + i];
    }
  }
  return g;
}

enum class Filter : std::uint8_t { nearest, linear, cubic };
double cubic_weight(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}
struct Rule {
  Filter filter;
  std::string coordinates, nearest;
  double a, extrapolation;
  bool antialias, exclude_outside;
};
Result<Rule> rule_of(const Eval& c) {
  std::string mode = c.s("mode");
  Rule r{Filter::nearest, c.s("coordinate_transformation_mode"), c.s("nearest_mode"), double(c.f("cubic_coeff_a")), double(c.f("extrapolation_value")), c.i("antialias") != 0, c.i("exclude_outside") != 0};
  if (mode == "linear") r.filter = Filter::linear;
  else if (mode == "cubic") r.filter = Filter::cubic;
  else if (mode != "nearest") return c.fail("mode '" + mode + "' is not nearest, linear or cubic");
  if (r.filter == Filter::nearest && r.antialias) return c.fail("antialias is not defined for mode nearest");
  for (std::string_view known : {"align_corners", "asymmetric", "tf_crop_and_resize", "pytorch_half_pixel", "half_pixel", "half_pixel_symmetric"}) if (r.coordinates == known) return r;
  return c.fail("coordinate_transformation_mode '" + r.coordinates + "' is not known");
}
Result<Taps> taps(const Eval& c, const Rule& r, std::int64_t n, std::int64_t m, double scale, double start, double end) {
  Taps t;
  t.from_size = n;
  t.to_size = m;
  t.identity = n == m && std::abs(scale - 1) <= 1e-9 * std::max(1.0, std::abs(scale)) && start == 0 && end == 1;
  if (t.identity || m == 0) return t;
  if (n == 0) return c.fail("an axis without elements cannot be resized to " + to_string(m));
  double out = scale * double(n), shrink = r.antialias ? std::min(scale, 1.0) : 1.0, reach = r.filter == Filter::cubic ? 2 : 1;
  // Taps stand at base + first .. base + 1 - first, base being the pixel left of the coordinate.
  double first_real = std::floor(-reach / shrink) + 1;
  if (first_real < -double(1 << 24)) return c.fail("scale " + to_string(scale) + " is out of range");
  auto first = std::int64_t(first_real);
  t.per = r.filter == Filter::nearest ? 1 : std::size_t(2 - 2 * first);
  SAHA_DO(c.spend(8 * double(t.per) * double(m)));
  if (double(t.per) * double(m) > 1e9) return c.fail("a table of " + to_string(t.per) + " taps for " + to_string(m) + " places is too large");
  t.from.resize(t.per * std::size_t(m));
  t.weight.resize(t.from.size());
  t.outside.assign(std::size_t(m), 0);
  for (std::int64_t i = 0; i < m; ++i) {
    double x = double(i);
    if (r.coordinates == "align_corners") x = out == 1 ? 0 : x * double(n - 1) / (out - 1);
    else if (r.coordinates == "asymmetric") x = x / scale;
    else if (r.coordinates == "tf_crop_and_resize") {
      x = (out == 1 ? (end - start) * double(n - 1) / 2 : x * (end - start) * double(n - 1) / (out - 1)) + start * double(n - 1);
      t.outside[std::size_t(i)] = x < 0 || x > double(n - 1);
    } else if (r.coordinates == "pytorch_half_pixel" && out == 1) x = -0.5;
    else {
      x = (x + 0.5) / scale - 0.5;
      if (r.coordinates == "half_pixel_symmetric") x += double(n) / 2 * (1 - double(m) / out);
    }
    if (!std::isfinite(x)) return c.fail("a coordinate of axis size " + to_string(n) + " is not finite");
    x = std::clamp(x, -double(n) - 1e9, double(n) + 1e9);
    auto base = std::int64_t(std::ceil(x)) - 1;
    double ratio = x - double(base);  // in (0, 1]
    std::int64_t* from = t.from.data() + std::size_t(i) * t.per;
    double* w = t.weight.data() + std::size_t(i) * t.per;
    if (r.filter == Filter::nearest) {
      bool up = ratio == 1 || r.nearest == "ceil" || (r.nearest == "round_prefer_floor" && ratio > 0.5) || (r.nearest == "round_prefer_ceil" && ratio >= 0.5);
      if (!up && r.nearest != "floor" && !r.nearest.starts_with("round_prefer_")) return c.fail("nearest_mode '" + r.nearest + "' is not known");
      from[0] = std::clamp<std::int64_t>(base + up, 0, n - 1);
      w[0] = 1;
      continue;
    }
    double sum = 0;
    for (std::size_t k = 0; k < t.per; ++k) {
      double d = (double(first) + double(k) - ratio) * shrink;
      w[k] = r.filter == Filter::cubic ? cubic_weight(d, r.a) : std::max(0.0, 1 - std::abs(d));
      std::int64_t at = base + first + std::int64_t(k);
      if (r.exclude_outside && (at < 0 || at >= n)) w[k] = 0;
      from[k] = std::clamp<std::int64_t>(at, 0, n - 1);
      sum += w[k];
    }
    if ((r.antialias || r.exclude_outside) && sum != 0) for (std::size_t k = 0; k < t.per; ++k) w[k] /= sum;
  }
  return t;
}
/// v has dims `d`; axis a of it becomes t.to_size.
std::vector<double> applied(const std::vector<double>& v, Dims& d, std::size_t a, const Taps& t, double extrapolation) {
  std::int64_t inner = product(d, a + 1, d.size()), outer = product(d, 0, a), n = t.from_size, m = t.to_size;
  std::vector<double> y(std::size_t(outer * m * inner), 0.0);
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t i = 0; i < m; ++i) {
      double* to = y.data() + (o * m + i) * inner;
      if (t.outside[std::size_t(i)]) { std::fill_n(to, inner, extrapolation); continue; }
      for (std::size_t k = std::size_t(i) * t.per; k < std::size_t(i + 1) * t.per; ++k) {
        const double *from = v.data() + (o * n + t.from[k]) * inner, w = t.weight[k];
        if (w != 0) for (std::int64_t q = 0; q < inner; ++q) to[q] += w * from[q];
      }
    }
  d[a] = m;
  return y;
}
std::vector<double> transposed(const std::vector<double>& v, Dims& d, std::size_t a, const Taps& t) {
  std::int64_t inner = product(d, a + 1, d.size()), outer = product(d, 0, a), n = t.from_size, m = t.to_size;
  std::vector<double> y(std::size_t(outer * n * inner), 0.0);
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t i = 0; i < m; ++i) {
      if (t.outside[std::size_t(i)]) continue;
      const double* from = v.data() + (o * m + i) * inner;
      for (std::size_t k = std::size_t(i) * t.per; k < std::size_t(i + 1) * t.per; ++k) {
        double *to = y.data() + (o * n + t.from[k]) * inner, w = t.weight[k];
        if (w != 0) for (std::int64_t q = 0; q < inner; ++q) to[q] += w * from[q];
      }
    }
  d[a] = n;
  return y;
}
Result<std::vector<Taps>> all_taps(const Eval& c, const Geometry& g, const Dims& in) {
  SAHA_TRY(Rule r, rule_of(c));
  std::vector<Taps> all;
  for (std::size_t a : g.axes) { SAHA_TRY(all.emplace_back(), taps(c, r, in[a], g.dims[a], g.scale[a], g.roi_start[a], g.roi_end[a])); }
  return all;
}

Result<> infer_resize(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  SAHA_TRY(auto axes, resized_axes(c, d.size()));
  const Known* sizes = c.known(3);
  const Tensor* scales = c.data(2);
  if (scales && scales->size() == 0) scales = nullptr;
  if (sizes && sizes->size() != axes.size() && !scales) return c.fail("sizes has " + to_string(sizes->size()) + " entries for " + to_string(axes.size()) + " axes");
  if (scales && scales->size() != std::int64_t(axes.size())) return c.fail("scales has " + to_string(scales->size()) + " entries for " + to_string(axes.size()) + " axes");
  bool stretch = c.s("keep_aspect_ratio_policy") == "stretch";
  // With another policy one scale serves all axes: known where all dims are.
  std::optional<double> common;
  if (!stretch && sizes && !scales)
    for (std::size_t i = 0; i < axes.size(); ++i) {
      auto n = d[axes[i]].known(), m = (*sizes)[i].known();
      if (!n || !m || *n == 0) { common.reset(); break; }
      double s = double(*m) / double(*n);
      common = !common ? s : c.s("keep_aspect_ratio_policy") == "not_larger" ? std::min(*common, s) : std::max(*common, s);
    }
  const auto extent = [&](double n) -> Result<Dim> {
    if (!(n < 9e15)) return c.fail("a result of " + to_string(n) + " places along an axis");
    return Dim(std::int64_t(n));
  };
  for (std::size_t i = 0; i < axes.size(); ++i) {
    Dim& x = d[axes[i]];
    if (scales) {
      double s = scales->at(std::int64_t(i)), whole = std::round(s), part = std::round(1 / s);
      if (!(s > 0) || !(s < 9e15)) return c.fail("scale " + to_string(s) + " of axis " + to_string(axes[i]) + " is out of range");
      if (x.known()) { SAHA_TRY(x, extent(s * double(*x.known()))); }
      else if (s == whole) x = x * Dim(std::int64_t(whole));
      else if (part >= 1 && part < 9e15 && s == double(float(1 / part))) x = floor_div(x, Dim(std::int64_t(part)));
      else x = c.fresh("resize");
    } else if (sizes && stretch) x = (*sizes)[i];
    else if (common) { SAHA_TRY(x, extent(*common * double(*x.known()) + 0.5)); }
    else x = c.fresh("resize");
  }
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_resize(Eval& c) {
  const Tensor& x = c.x(0);
  SAHA_TRY(Geometry g, geometry(c, x.dims, 1));
  SAHA_TRY(auto all, all_taps(c, g, x.dims));
  SAHA_TRY(Tensor y, c.make(x.dtype, g.dims));
  if (y.size() == 0) return c.give(std::move(y));
  double extrapolation = c.f("extrapolation_value");
  if (c.s("mode") == "nearest") {
    IndexMaps map(x.rank());
    for (std::size_t a = 0; a < x.rank(); ++a) for (std::int64_t i = 0; i < g.dims[a]; ++i) map[a].push_back(i);
    bool outside = false;
    for (std::size_t k = 0; k < all.size(); ++k)
      for (std::int64_t i = 0; i < g.dims[g.axes[k]] && !all[k].identity; ++i) {
        outside |= all[k].outside[std::size_t(i)] != 0;
        map[g.axes[k]][std::size_t(i)] = all[k].outside[std::size_t(i)] ? -1 : all[k].from[std::size_t(i)];
      }
    if (outside && extrapolation != 0) {
      if (x.dtype == DType::string || is_complex(x.dtype)) return c.fail("extrapolation is not defined for " + std::string(name(x.dtype)));
      Tensor fill_value = Tensor::scalar(x.dtype, extrapolation);
      copy_elements(fill_value, 0, 0, y, 0, y.size());
    }
    gather_mapped(x, map, y);
    return c.give(std::move(y));
  }
  if (x.dtype == DType::string || is_complex(x.dtype)) return c.fail("mode " + c.s("mode") + " is not defined for " + std::string(name(x.dtype)));
  std::vector<double> v = values<double>(x);
  Dims d = x.dims;
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (all[k].identity) continue;
    SAHA_DO(c.spend(double(v.size()) / double(all[k].from_size) * double(all[k].to_size) * double(all[k].per)));
    v = applied(v, d, g.axes[k], all[k], extrapolation);
  }
  if (!is_float(x.dtype)) {
    IntRange range = int_range(x.dtype);
    for (double& e : v) e = std::clamp(std::nearbyint(e), double(range.lo), double(range.hi));
  }
  fill(y, std::span<const double>(v));
  return c.give(std::move(y));
}
Val resize_adjoint(const Site& s, std::size_t, Val dy) {
  Vals in = {dy, s.b.op("Shape", {s.in[0]})};
  in.insert(in.end(), s.in.begin() + 1, s.in.end());
  return s.b.op("ResizeGrad", in, s.attrs);
}
Result<> infer_resize_grad(Infer& c) {
  if (const Known* k = c.known(1)) return c.give(c.dtype(0), *k);
  std::vector<Dim> d = c.dims(0);
  for (Dim& x : d) x = c.fresh("resize");
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_resize_grad(Eval& c) {
  const Tensor& dy = c.x(0);
  SAHA_TRY(Tensor dx, c.make(dy.dtype, c.ints(1)));
  SAHA_TRY(Geometry g, geometry(c, dx.dims, 2));
  if (g.dims != dy.dims) return c.fail("dY is " + str(dy.dims) + ", the resized tensor " + str(g.dims));
  SAHA_TRY(auto all, all_taps(c, g, dx.dims));
  if (dx.size() == 0 || dy.size() == 0) return c.give(std::move(dx));
  std::vector<double> v = values<double>(dy);
  Dims d = dy.dims;
  for (std::size_t k = all.size(); k-- > 0;) if (!all[k].identity) v = transposed(v, d, g.axes[k], all[k]);
  fill(dx, std::span<const double>(v));
  return c.give(std::move(dx));
}
Val resize_grad_adjoint(const Site& s, std::size_t, Val dy) {
  Vals in = {dy};
  in.insert(in.end(), s.in.begin() + 2, s.in.end());
  return s.b.op("Resize", in, s.attrs);
}

// ---- on stored integers, operand and result kept alike: nearest moves them; bilinear along two axes ------------------------------------------------------------
Val resize_integer(const Site& s, const Type& result) {
  const Type x = s.type(0);
  if (s.s("mode") == "nearest" && s.s("coordinate_transformation_mode") != "tf_crop_and_resize" && same_storage(x, result)) {
    Vals in = {cast(s.in[0], DType::i32)};
    in.insert(in.end(), s.in.begin() + 1, s.in.end());
    return cast(s.b.op("Resize", in, plain_attrs(s.attrs)), result.dtype);
  }
  auto taps = stored_resize_taps(s, x, result);
  if (!taps) return {};
  const auto& axis = *taps;
  Builder& b = s.b;
  const StoredBlend blend = stored_blend(s, x.dtype);
  const bool real = blend != StoredBlend::steps;
  const DType t = real ? DType::f32 : DType::i64;
  auto weights = [&](std::size_t a, bool upper) {
    const auto& w = upper ? axis[a].upper_weight : axis[a].lower_weight;
    const auto n = std::int64_t(w.size());
    Tensor tensor = Tensor::zeros(t, a == 0 ? Dims{n, 1} : Dims{n});
    store(tensor, 0, n, w.data());
    return b.constant(std::move(tensor));
  };
  auto corner = [&](bool low, bool right) {
    Val rows = b.op("Gather", {cast(s.in[0], t), b.ints(low ? axis[0].upper : axis[0].lower)}, {{"axis", std::int64_t{2}}});
    return b.op("Gather", {rows, b.ints(right ? axis[1].upper : axis[1].lower)}, {{"axis", std::int64_t{3}}}) * weights(0, low) * weights(1, right);
  };
  Val sum = corner(false, false) + corner(true, false) + corner(false, true) + corner(true, true);
  if (real) return cast(blend == StoredBlend::cut ? b.op("Floor", {sum + 0.5}) : b.op("Round", {sum}), result.dtype);
  Val half = b.scalar(1 << 19, t), round = b.op("Where", {b.op("Greater", {sum, b.scalar(0, t)}), half, b.op("Neg", {half})});
  return cast((sum + round) / double(1 << 20), result.dtype);
}

constexpr std::string_view kResize =
    "(X: T, roi: T2?, scales: float32?!, sizes: int64?!) -> (Y: T) where T: number bool string complex, T2: float16 float32 float64 | antialias: int = 0, axes: ints?, "
    "coordinate_transformation_mode: string = half_pixel, cubic_coeff_a: float = -0.75, exclude_outside: int = 0, extrapolation_value: float = 0, "
    "keep_aspect_ratio_policy: string = stretch, mode: string = nearest, nearest_mode: string = round_prefer_floor";
constexpr std::string_view kResizeGrad =
    "(dY: T, shape: int64!, roi: T2?, scales: float32?, sizes: int64?) -> (dX: T) where T: float, T2: float16 float32 float64 | antialias: int = 0, axes: ints?, "
    "coordinate_transformation_mode: string = half_pixel, cubic_coeff_a: float = -0.75, exclude_outside: int = 0, extrapolation_value: float = 0, "
    "keep_aspect_ratio_policy: string = stretch, mode: string = nearest, nearest_mode: string = round_prefer_floor";
constexpr OpDef kOps[] = {
    {.name = "Resize", .since_version = 19, .signature = kResize, .infer = infer_resize, .eval = eval_resize, .linear = joint({0}), .adjoint = resize_adjoint, .integer = resize_integer, .rounding = ErrorModel::dot},
    {.name = "ResizeGrad", .domain = "saha", .signature = kResizeGrad, .infer = infer_resize_grad, .eval = eval_resize_grad, .linear = joint({0}), .adjoint = resize_grad_adjoint, .rounding = ErrorModel::dot},
};
}  // namespace

StoredBlend stored_blend(const AttrView& a, DType t) {
  if (!a.has_attr("rounding") || a.s("rounding") == "float_even") return StoredBlend::even;
  return t == DType::u8 ? StoredBlend::cut : StoredBlend::steps;
}
std::optional<std::array<StoredTaps, 2>> stored_resize_taps(const AttrView& a, const Type& x, const Type& result) {
  const std::string where = a.s("coordinate_transformation_mode");
  if (!same_storage(x, result) || a.s("mode") != "linear" || a.i("antialias") || x.dims.size() != 4 || !ir::is_static(x) || !ir::is_static(result)) return {};
  if (where != "align_corners" && where != "half_pixel" && where != "asymmetric") return {};
  if (!(x.dims[0] == result.dims[0]) || !(x.dims[1] == result.dims[1])) return {};
  const StoredBlend blend = stored_blend(a, x.dtype);
  std::array<StoredTaps, 2> axis;
  for (std::size_t k = 0; k < 2; ++k) {
    StoredTaps& t = axis[k];
    const std::int64_t in = *x.dims[k + 2].known(), out = *result.dims[k + 2].known();
    if (in < 1 || out < 1 || in > (1 << 20) || out > (1 << 20)) return {};
    const bool corners = where == "align_corners" && out > 1, half = where == "half_pixel";
    const std::int64_t step = corners ? (1024 * (in - 1) + (out - 1) / 2) / (out - 1) : (1024 * in + out / 2) / out;
    const float real_step = corners ? float(in - 1) / float(out - 1) : float(in) / float(out);
    for (std::int64_t i = 0; i < out; ++i) {
      if (blend == StoredBlend::even) {
        const double ratio = corners ? double(in - 1) / double(out - 1) : double(in) / double(out);
        const double at = std::clamp(half ? (double(i) + 0.5) * ratio - 0.5 : double(i) * ratio, 0.0, double(in - 1));
        t.lower.push_back(std::int64_t(at));
        t.upper.push_back(std::min<std::int64_t>(t.lower.back() + 1, in - 1));
        t.upper_weight.push_back(float(at - double(t.lower.back())));
        t.lower_weight.push_back(1 - float(t.upper_weight.back()));
      } else if (blend == StoredBlend::cut) {
        const float at = half ? (float(i) + 0.5f) * real_step - 0.5f : float(i) * real_step;
        t.lower.push_back(std::max<std::int64_t>(std::int64_t(std::floor(at)), 0));
        t.upper.push_back(std::min<std::int64_t>(std::int64_t(std::ceil(at)), in - 1));
        t.upper_weight.push_back(double(at - float(t.lower.back())));
        t.lower_weight.push_back(double(1 - float(t.upper_weight.back())));
      } else {
        const std::int64_t at = half ? i * step + step / 2 - 512 : i * step;
        t.lower.push_back(std::max<std::int64_t>(at / 1024, 0));
        t.upper.push_back(std::min<std::int64_t>((at + 1023) / 1024, in - 1));
        t.upper_weight.push_back(double(at - 1024 * t.lower.back()));
        t.lower_weight.push_back(1024 - t.upper_weight.back());
      }
    }
  }
  return axis;
}

std::span<const OpDef> resize() { return kOps; }

}  // namespace saha::op
