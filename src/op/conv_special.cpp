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
/// Linear interpolation of a plane at a point; what lies outside is 0.
double sample(const double* plane, std::span<const std::int64_t> dims, const double* point) {
  const std::size_t r = dims.size();
  double sum = 0;
  for (std::size_t corner = 0; corner < std::size_t{1} << r; ++corner) {
    double weight = 1;
    std::int64_t at = 0;
    bool inside = true;
    for (std::size_t i = 0; i < r && inside; ++i) {
      const double low = std::floor(point[i]), f = point[i] - low;
      const bool up = corner >> i & 1;
      const double p = low + up;
      weight *= up ? f : 1 - f;
      inside = p >= 0 && p < double(dims[i]);  // false for NaN
      if (inside) at = at * dims[i] + std::int64_t(p);
    }
    if (inside) sum += weight * plane[at];
  }
  return sum;
}
Result<> eval_deform_conv(Eval& c) {
  const Dims &x = c.x(0).dims, &w = c.x(1).dims, &offset = c.x(2).dims;
  const std::int64_t group = c.i("group"), offset_group = c.i("offset_group");
  if (x.size() < 3 || x.size() > 10 || w.size() != x.size() || offset.size() != x.size()) return c.fail("X " + str(x) + ", W " + str(w) + " and offset " + str(offset) + " need one rank, 3 .. 10");
  const std::size_t r = x.size() - 2;
  if (group < 1 || offset_group < 1 || x[1] % group || x[1] / group != w[1] || w[0] % group || x[1] % offset_group) return c.fail("X " + str(x) + " and W " + str(w) + " do not fit group " + std::to_string(group) + " and offset_group " + std::to_string(offset_group));
  SAHA_TRY(Window k, read_window(c, "DeformConv", r));
  SAHA_TRY(auto kernel, kernel_dims(k, "DeformConv", std::vector<Dim>(w.begin() + 2, w.end())));
  SAHA_TRY(Dims out, resolve(k, "DeformConv", std::span(x).subspan(2), std::span(w).subspan(2)));
  const std::int64_t taps = num_elements(std::span(w).subspan(2)), points = num_elements(out), plane = num_elements(std::span(x).subspan(2));
  Dims want = {x[0], offset_group * taps * std::int64_t(r)}, y_dims = {x[0], w[0]}, mask_dims = {x[0], offset_group * taps};
  for (Dims* d : {&want, &y_dims, &mask_dims}) d->insert(d->end(), out.begin(), out.end());
  if (offset != want) return c.fail("offset is " + str(offset) + ", " + str(want) + " is needed");
  if (c.has(4) && c.x(4).dims != mask_dims) return c.fail("mask is " + str(c.x(4).dims) + ", " + str(mask_dims) + " is needed");
  if (c.has(3) && c.x(3).dims != Dims{w[0]}) return c.fail("bias is " + str(c.x(3).dims) + ", the result has " + std::to_string(w[0]) + " channels");
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, y_dims));
  auto xv = values<double>(c.x(0)), wv = values<double>(c.x(1)), shift = values<double>(c.x(2));
  auto mask = c.has(4) ? values<double>(c.x(4)) : std::vector<double>(), bias = c.has(3) ? values<double>(c.x(3)) : std::vector<double>(std::size_t(w[0]), 0.0);
  const std::int64_t per_group = w[1], rows = w[0] / group, per_offset = x[1] / offset_group;
  std::vector<double> columns(std::size_t(per_group * taps * points)), v(std::size_t(w[0] * points)), point(r);
  Dims tap(r), at(r);
  for (std::int64_t n = 0; n < x[0]; ++n) {
    for (std::int64_t m = 0; m < w[0]; ++m) std::fill_n(v.begin() + m * points, points, bias[std::size_t(m)]);
    for (std::int64_t g = 0; g < group; ++g) {
      for (std::int64_t q = 0; q < per_group; ++q) {
        const std::int64_t channel = g * per_group + q, og = n * offset_group + channel / per_offset;
        std::fill(tap.begin(), tap.end(), 0);
        for (std::int64_t t = 0; t < taps; ++t) {
          std::fill(at.begin(), at.end(), 0);
          const double* s = shift.data() + (og * taps + t) * std::int64_t(r) * points;
          for (std::int64_t p = 0; p < points; ++p) {
            for (std::size_t i = 0; i < r; ++i) point[i] = double(at[i] * k.strides[i] - k.before[i] + tap[i] * k.dilations[i]) + s[std::int64_t(i) * points + p];
            double value = sample(xv.data() + (n * x[1] + channel) * plane, std::span(x).subspan(2), point.data());
            if (!mask.empty()) value *= mask[std::size_t((og * taps + t) * points + p)];
            columns[std::size_t((q * taps + t) * points + p)] = value;
            for (std::size_t i = r; i-- > 0;) {
              if (++at[i] < out[i]) break;
              at[i] = 0;
            }
          }
          for (std::size_t i = r; i-- > 0;) {
            if (++tap[i] < w[i + 2]) break;
            tap[i] = 0;
          }
        }
      }
      multiply(wv.data() + g * rows * per_group * taps, columns.data(), v.data() + g * rows * points, rows, per_group * taps, points);
    }
    store(y, n * w[0] * points, w[0] * points, v.data());
  }
  return c.give(std::move(y));
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
     .infer = infer_deform_conv, .eval = eval_deform_conv, .rounding = ErrorModel::dot, .no_bounds = "the data decides where it reads"},
    {.name = "CausalConvWithState", .since_version = 27,
     .signature = "(input: T, weight: T, bias: T?, past_state: T?) -> (output: T, present_state: T) where T: float32 float16 bfloat16 float64 | activation: string = none",
     .infer = infer_causal_conv, .body = causal_conv_body, .rounding = ErrorModel::dot},
};
}  // namespace
std::span<const OpDef> conv_special() { return kOps; }

}  // namespace saha::op
