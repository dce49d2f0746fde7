// Convolutions beyond the window: DeformConv samples where its offsets say; CausalConvWithState carries the last steps along.
// Source: ONNX operator specification, opset 28.
#include <cmath>

#include "op/builder.hpp"
#include "op/matrix.hpp"
#include "op/narrow.hpp"
#include "op/window.hpp"

namespace saha::op {
namespace {

// ---- DeformConv --------------------------------------------------------------------------------------------------------------------------
Result<> infer_deform_conv(Infer& c) {
  const auto &x = c.dims(0), &w = c.dims(1);
  if (x.size() < 3 || w.size() != x.size() || c.rank(2) != x.size()) return c.fail("X, W and offset need one rank, at least 3; they are " + ir::str(x) + ", " + ir::str(w) + " and " + ir::str(c.dims(2)));
  SAHA_TRY(Window window, read_window(c, "DeformConv", x.size() - 2));
  SAHA_TRY(auto kernel, kernel_dims(window, "DeformConv", std::span(w).subspan(2)));
  SAHA_TRY(auto d, window_dims(window, "DeformConv", std::span(x).subspan(2), kernel));
  d.insert(d.begin(), {x[0], w[0]});
  return c.give(c.dtype(0), std::move(d));
}
/// Calls f(index, weight, slope) for the corners of the cell that a point lies in, those inside the plane only: linear interpolation, where
/// what lies outside is 0. slope[i] is the weight's derivative by coordinate i.
template <class F> void corners(std::span<const std::int64_t> dims, const double* point, F f) {
  const std::size_t r = dims.size();
  double part[8], slope[8];
  for (std::size_t corner = 0; corner < std::size_t{1} << r; ++corner) {
    std::int64_t at = 0;
    bool inside = true;
    for (std::size_t i = 0; i < r && inside; ++i) {
      const double low = std::floor(point[i]), fraction = point[i] - low;
      const bool up = corner >> i & 1;
      part[i] = up ? fraction : 1 - fraction;
      inside = low + up >= 0 && low + up < double(dims[i]);  // false for NaN
      if (inside) at = at * dims[i] + std::int64_t(low) + up;
    }
    if (!inside) continue;
    double weight = 1;
    for (std::size_t i = 0; i < r; ++i) weight *= part[i];
    for (std::size_t i = 0; i < r; ++i) {
      slope[i] = corner >> i & 1 ? 1 : -1;
      for (std::size_t j = 0; j < r; ++j) if (j != i) slope[i] *= part[j];
    }
    f(at, weight, slope);
  }
}
/// Operands 0 X, 1 W, 2 offset and 4 mask of DeformConv and of its gradient, checked.
struct Deform {
  Window k;
  Dims x, w, out, y;
  std::int64_t group, per_group, rows, per_offset, offset_groups, taps, points, plane;
  std::vector<double> xv, wv, shift, mask;
  std::size_t r() const { return x.size() - 2; }
  /// Calls f(row, p, channel, mask element, offset element of coordinate 0, point) for each sample of one group of batch n; a row of the
  /// columns is (channel in the group, kernel element), the offsets of a sample lie `points` apart.
  template <class F> void samples(std::int64_t n, std::int64_t g, F f) const {
    std::vector<double> point(r());
    Dims tap(r()), at(r());
    for (std::int64_t q = 0; q < per_group; ++q) {
      const std::int64_t channel = g * per_group + q, og = n * offset_groups + channel / per_offset;
      std::fill(tap.begin(), tap.end(), 0);
      for (std::int64_t t = 0; t < taps; ++t) {
        std::fill(at.begin(), at.end(), 0);
        for (std::int64_t p = 0; p < points; ++p) {
          const std::int64_t offset = (og * taps + t) * std::int64_t(r()) * points + p;
          for (std::size_t i = 0; i < r(); ++i) point[i] = double(at[i] * k.strides[i] - k.before[i] + tap[i] * k.dilations[i]) + shift[std::size_t(offset + std::int64_t(i) * points)];
          f(q * taps + t, p, channel, (og * taps + t) * points + p, offset, point.data());
          for (std::size_t i = r(); i-- > 0;) {
            if (++at[i] < out[i]) break;
            at[i] = 0;
          }
        }
        for (std::size_t i = r(); i-- > 0;) {
          if (++tap[i] < w[i + 2]) break;
          tap[i] = 0;
        }
      }
    }
  }
  double sample(std::int64_t n, std::int64_t channel, const double* point) const {
    const double* p = xv.data() + (n * x[1] + channel) * plane;
    double sum = 0;
    corners(std::span(x).subspan(2), point, [&](std::int64_t at, double weight, const double*) { sum += weight * p[at]; });
    return sum;
  }
};
Result<Deform> deform(const Eval& c) {
  Deform d{};
  const Dims &x = d.x = c.x(0).dims, &w = d.w = c.x(1).dims, &offset = c.x(2).dims;
  d.group = c.i("group");
  d.offset_groups = c.i("offset_group");
  if (x.size() < 3 || x.size() > 10 || w.size() != x.size() || offset.size() != x.size()) return c.fail("X " + str(x) + ", W " + str(w) + " and offset " + str(offset) + " need one rank, 3 .. 10");
  if (d.group < 1 || d.offset_groups < 1 || x[1] % d.group || x[1] / d.group != w[1] || w[0] % d.group || x[1] % d.offset_groups) return c.fail("X " + str(x) + " and W " + str(w) + " do not fit group " + std::to_string(d.group) + " and offset_group " + std::to_string(d.offset_groups));
  SAHA_TRY(d.k, read_window(c, "DeformConv", d.r()));
  SAHA_TRY(auto kernel, kernel_dims(d.k, "DeformConv", std::vector<Dim>(w.begin() + 2, w.end())));
  SAHA_TRY(d.out, resolve(d.k, "DeformConv", std::span(x).subspan(2), std::span(w).subspan(2)));
  d.taps = num_elements(std::span(w).subspan(2));
  d.points = num_elements(d.out);
  d.plane = num_elements(std::span(x).subspan(2));
  d.per_group = w[1];
  d.rows = w[0] / d.group;
  d.per_offset = x[1] / d.offset_groups;
  Dims want = {x[0], d.offset_groups * d.taps * std::int64_t(d.r())}, mask_dims = {x[0], d.offset_groups * d.taps};
  d.y = {x[0], w[0]};
  for (Dims* v : {&want, &d.y, &mask_dims}) v->insert(v->end(), d.out.begin(), d.out.end());
  if (offset != want) return c.fail("offset is " + str(offset) + ", " + str(want) + " is needed");
  if (c.has(4) && c.x(4).dims != mask_dims) return c.fail("mask is " + str(c.x(4).dims) + ", " + str(mask_dims) + " is needed");
  SAHA_DO(c.spend(double(d.x[0]) * double(d.w[0]) * double(d.per_group) * double(d.taps) * double(d.points)));
  SAHA_TRY(Tensor room, c.make(DType::f64, {d.per_group, d.taps, d.points}));  // the limit on the columns
  d.xv = values<double>(c.x(0));
  d.wv = values<double>(c.x(1));
  d.shift = values<double>(c.x(2));
  if (c.has(4)) d.mask = values<double>(c.x(4));
  return d;
}
Result<> eval_deform_conv(Eval& c) {
  SAHA_TRY(Deform d, deform(c));
  if (c.has(3) && c.x(3).dims != Dims{d.w[0]}) return c.fail("bias is " + str(c.x(3).dims) + ", the result has " + std::to_string(d.w[0]) + " channels");
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, d.y));
  if (y.size() == 0) return c.give(std::move(y));
  auto bias = c.has(3) ? values<double>(c.x(3)) : std::vector<double>(std::size_t(d.w[0]), 0.0);
  const std::int64_t depth = d.per_group * d.taps;
  std::vector<double> columns(std::size_t(depth * d.points)), v(std::size_t(d.w[0] * d.points));
  for (std::int64_t n = 0; n < d.x[0]; ++n) {
    for (std::int64_t m = 0; m < d.w[0]; ++m) std::fill_n(v.begin() + m * d.points, d.points, bias[std::size_t(m)]);
    for (std::int64_t g = 0; g < d.group; ++g) {
      d.samples(n, g, [&](std::int64_t row, std::int64_t p, std::int64_t channel, std::int64_t mask, std::int64_t, const double* point) {
        columns[std::size_t(row * d.points + p)] = d.sample(n, channel, point) * (d.mask.empty() ? 1 : d.mask[std::size_t(mask)]);
      });
      multiply(d.wv.data() + g * d.rows * depth, columns.data(), v.data() + g * d.rows * d.points, d.rows, depth, d.points);
    }
    store(y, n * d.w[0] * d.points, d.w[0] * d.points, v.data());
  }
  return c.give(std::move(y));
}
Vals deform_conv_vjp(const Site& s, const Vals& dy) {
  Vals in = {s.in[0], s.in[1], s.in[2], dy[0]};
  if (s.has(4)) in.push_back(s.in[4]);
  Vals g = s.b.ops("DeformConvGrad", in, s.attrs, s.has(4) ? 4 : 3);
  Val bias;
  if (s.has(3)) {
    ir::Ints axes = {0};
    for (std::size_t i = 2; i < s.type(0).dims.size(); ++i) axes.push_back(std::int64_t(i));
    bias = s.b.op("ReduceSum", {dy[0], s.b.ints(axes)}, {{"keepdims", std::int64_t{0}}});
  }
  return {g[0], g[1], g[2], bias, s.has(4) ? g[3] : Val{}};
}
Result<> infer_deform_grad(Infer& c) {
  for (std::size_t i : {0u, 1u, 2u}) SAHA_DO(c.give(c.dtype(i), c.dims(i)));
  if (c.num_out > 3 && !c.has(4)) return c.fail("has no gradient of a mask that is not there");
  return c.num_out > 3 ? c.give(c.dtype(4), c.dims(4)) : Result<>{};
}
/// The same samples read backward: dX by the corners' weights, the offset by their slopes, W and the mask by the values.
Result<> eval_deform_grad(Eval& c) {
  SAHA_TRY(Deform d, deform(c));
  if (c.x(3).dims != d.y) return c.fail("dY is " + str(c.x(3).dims) + ", the convolution gives " + str(d.y));
  auto dy = values<double>(c.x(3));
  const std::int64_t depth = d.per_group * d.taps;
  std::vector<double> dx(d.xv.size(), 0.0), dw(d.wv.size(), 0.0), doffset(d.shift.size(), 0.0), dmask(d.mask.size(), 0.0);
  std::vector<double> turned(std::size_t(depth * d.points)), dcolumns(turned.size()), wt(std::size_t(depth * d.rows));
  for (std::int64_t n = 0; n < d.x[0] && !dy.empty(); ++n)
    for (std::int64_t g = 0; g < d.group; ++g) {
      const double *w = d.wv.data() + g * d.rows * depth, *out = dy.data() + (n * d.w[0] + g * d.rows) * d.points;
      for (std::int64_t i = 0; i < d.rows; ++i) for (std::int64_t j = 0; j < depth; ++j) wt[std::size_t(j * d.rows + i)] = w[i * depth + j];
      std::fill(dcolumns.begin(), dcolumns.end(), 0.0);
      multiply(wt.data(), out, dcolumns.data(), depth, d.rows, d.points);
      d.samples(n, g, [&](std::int64_t row, std::int64_t p, std::int64_t channel, std::int64_t mask, std::int64_t offset, const double* point) {
        const double by = dcolumns[std::size_t(row * d.points + p)], m = d.mask.empty() ? 1 : d.mask[std::size_t(mask)];
        const std::int64_t plane = (n * d.x[1] + channel) * d.plane;
        double value = 0;
        corners(std::span(d.x).subspan(2), point, [&](std::int64_t at, double weight, const double* slope) {
          const double x = d.xv[std::size_t(plane + at)];
          value += weight * x;
          dx[std::size_t(plane + at)] += by * m * weight;
          for (std::size_t i = 0; i < d.r(); ++i) doffset[std::size_t(offset + std::int64_t(i) * d.points)] += by * m * slope[i] * x;
        });
        if (!dmask.empty()) dmask[std::size_t(mask)] += by * value;
        turned[std::size_t(p * depth + row)] = value * m;
      });
      multiply(out, turned.data(), dw.data() + g * d.rows * depth, d.rows, d.points, depth);
    }
  const std::vector<double>* results[] = {&dx, &dw, &doffset, &dmask};
  for (int i = 0; i < c.num_out; ++i) {
    const std::size_t like = i == 3 ? 4 : std::size_t(i);
    if (!c.has(like)) return c.fail("has no gradient of a mask that is not there");
    SAHA_TRY(Tensor t, c.make(c.x(like).dtype, c.x(like).dims));
    fill<double>(t, *results[i]);
    SAHA_DO(c.give(std::move(t)));
  }
  return {};
}

// ---- CausalConvWithState: depthwise over [past, input] -----------------------------------------------------------------------------------------
Result<> infer_causal_conv(Infer& c) {
  const auto &x = c.dims(0), &w = c.dims(1);
  if (x.size() != 3 || w.size() != 3) return c.fail("input and weight need rank 3, they are " + ir::str(x) + " and " + ir::str(w));
  if (x[1].known() && w[0].known() && !(x[1] == w[0])) return c.fail("weight has " + w[0].str() + " channels, the input " + x[1].str());
  std::string a = c.s("activation");
  if (a != "none" && a != "silu" && a != "swish") return c.fail("activation '" + a + "' is not none, silu or swish");
  SAHA_DO(c.give(c.dtype(0), x));
  if (c.num_out > 1) return c.give(c.dtype(0), {x[0], x[1], w[2] - Dim(1)});
  return {};
}
Vals causal_conv_body(const Site& s) {
  Builder& b = s.b;
  const Type w = s.type(1), x = s.type(0);
  if (!w.dims[2].known() || !w.dims[0].known() || *w.dims[2].known() < 1) { b.fail({ErrorCode::unsupported, "CausalConvWithState is expanded only where its weight's shape is known, it is " + ir::str(w)}); return {}; }
  const std::int64_t past = *w.dims[2].known() - 1;
  Val padded = s.has(3) ? b.op("Concat", {s.in[3], s.in[0]}, {{"axis", std::int64_t{2}}}) : b.op("Pad", {s.in[0], b.ints({0, 0, past, 0, 0, 0})});
  Vals in = {padded, s.in[1]};
  if (s.has(2)) in.push_back(s.in[2]);
  Val y = b.op("Conv", in, {{"group", *w.dims[0].known()}});
  if (s.s("activation") != "none") {
    Val v = is_narrow(x.dtype) ? b.op("Cast", {y}, {{"to", std::int64_t(DType::f32)}}) : y;  // ONNX's function computes it in float32
    v = v * b.op("Sigmoid", {v});
    y = is_narrow(x.dtype) ? b.op("Cast", {v}, {{"to", std::int64_t(x.dtype)}}) : v;
  }
  constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
  Val state = b.op("Slice", {padded, b.ints({past ? -past : kEnd}), b.ints({kEnd}), b.ints({2})});
  return {y, state};
}

constexpr OpDef kOps[] = {
    {.name = "DeformConv", .since_version = 22,
     .signature = "(X: T, W: T, offset: T, B: T?, mask: T?) -> (Y: T) where T: float | dilations: ints?, group: int = 1, kernel_shape: ints?, offset_group: int = 1, pads: ints?, strides: ints?",
     .infer = infer_deform_conv, .eval = eval_deform_conv, .vjp = deform_conv_vjp, .rounding = ErrorModel::dot, .no_bounds = "the data decides where it reads", .no_integer = "its offsets are real numbers"},
    {.name = "DeformConvGrad", .domain = "saha",
     .signature = "(X: T, W: T, offset: T, dY: T, mask: T?) -> (dX: T, dW: T, doffset: T, dmask: T?) where T: float | dilations: ints?, group: int = 1, kernel_shape: ints?, offset_group: int = 1, pads: ints?, strides: ints?",
     .infer = infer_deform_grad, .eval = eval_deform_grad, .rounding = ErrorModel::dot, .no_gradient = "only a gradient itself", .no_bounds = "the data decides where it reads", .no_integer = "a gradient"},
    {.name = "CausalConvWithState", .since_version = 27,
     .signature = "(input: T, weight: T, bias: T?, past_state: T?) -> (output: T, present_state: T) where T: float32 float16 bfloat16 float64 | activation: string = none",
     .infer = infer_causal_conv, .body = causal_conv_body, .rounding = ErrorModel::dot},
};
}  // namespace
std::span<const OpDef> conv_special() { return kOps; }

}  // namespace saha::op
