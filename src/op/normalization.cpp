// Normalisation. The references compute in double and round once; the bodies carry gradient and bounds, and say in which order ONNX's own
// function computes. Source: ONNX operator specification, opset 28.
#include <cmath>

#include "op/axes.hpp"
#include "op/elementwise.hpp"

namespace saha::op {
namespace {

Val cast(Val v, DType t) { return v && v.b->type(v).dtype != t ? v.b->op("Cast", {v}, {{"to", std::int64_t(t)}}) : v; }
/// The dtype in which stage one computes: what stash_type says, but a double is not made narrower.
DType stash(const Site& s) { return s.type(0).dtype == DType::f64 ? DType::f64 : DType(s.i("stash_type")); }
Attrs keep() { return {{"keepdims", std::int64_t{1}}}; }
ir::Ints axes_from(std::size_t first, std::size_t rank) {
  ir::Ints a;
  for (std::size_t i = first; i < rank; ++i) a.push_back(std::int64_t(i));
  return a;
}
/// [C] seen along axis 1 of a tensor of this rank.
Val per_channel(Val v, std::size_t rank) {
  if (rank < 3) return v;
  ir::Ints shape(rank - 1, 1);
  shape[0] = -1;
  return v.b->op("Reshape", {v, v.b->ints(shape)});
}
struct Moments { double mean, inverse; };
/// Mean and 1 / sqrt(variance + eps) of n numbers, the variance from the deviations.
Moments moments(const double* v, std::int64_t n, double eps) {
  double mean = 0, square = 0;
  for (std::int64_t i = 0; i < n; ++i) mean += v[i];
  mean /= double(n);
  for (std::int64_t i = 0; i < n; ++i) square += (v[i] - mean) * (v[i] - mean);
  return {mean, 1 / std::sqrt(square / double(n) + eps)};
}
/// (x - mean) * inverse over the given axes, and both statistics.
struct Standardised { Val y, mean, inverse; };
Standardised standardise(Val x, Val axes, double eps) {
  Builder& b = *x.b;
  Val mean = b.op("ReduceMean", {x, axes}, keep()), d = x - mean;
  Val inverse = b.op("Reciprocal", {b.op("Sqrt", {b.op("ReduceMean", {d * d, axes}, keep()) + eps})});
  return {d * inverse, mean, inverse};
}

// ---- BatchNormalization ---------------------------------------------------------------------------------------------------------------
Result<> infer_batch_norm(Infer& c) {
  const auto& x = c.dims(0);
  if (x.empty()) return c.fail("takes [N, C, ..], X is a scalar");
  Dim channels = x.size() > 1 ? x[1] : Dim(1);
  for (std::size_t i = 1; i < 5; ++i) {
    const auto& d = c.dims(i);
    if (d.size() != 1) return c.fail("operand " + std::to_string(i) + " is " + ir::str(*c.in[i]) + ", it needs rank 1");
    if (d[0].known() && channels.known() && !(d[0] == channels)) return c.fail("operand " + std::to_string(i) + " has " + d[0].str() + " elements, X has " + channels.str() + " channels");
    if (!channels.known()) channels = d[0];
  }
  SAHA_DO(c.give(c.dtype(0), x));
  for (int k = 1; k < c.num_out; ++k) SAHA_DO(c.give(c.dtype(3), {channels}));
  return {};
}
Result<> eval_batch_norm(Eval& c) {
  const Tensor& x = c.x(0);
  const Dims& d = x.dims;
  if (d.empty()) return c.fail("takes [N, C, ..], X is a scalar");
  const std::int64_t batch = d[0], channels = d.size() > 1 ? d[1] : 1, plane = d.size() > 2 ? product(d, 2, d.size()) : 1;
  for (std::size_t i = 1; i < 5; ++i) if (c.x(i).size() != channels) return c.fail("operand " + std::to_string(i) + " is " + str(c.x(i).dims) + ", X has " + std::to_string(channels) + " channels");
  auto scale = values<double>(c.x(1)), bias = values<double>(c.x(2)), mean = values<double>(c.x(3)), var = values<double>(c.x(4));
  const double eps = double(c.f("epsilon")), momentum = double(c.f("momentum"));
  std::vector<double> running_mean, running_var, v(static_cast<std::size_t>(plane));
  if (c.i("training_mode") != 0) {
    running_mean = mean;
    running_var = var;
    for (std::int64_t m = 0; m < channels && x.size(); ++m) {
      double sum = 0, square = 0, n = double(batch * plane);
      for (int pass = 0; pass < 2; ++pass) {
        for (std::int64_t i = 0; i < batch; ++i) {
          load(x, (i * channels + m) * plane, 1, plane, v.data());
          for (double e : v) { if (pass == 0) sum += e; else square += (e - sum) * (e - sum); }
        }
        if (pass == 0) sum /= n;
      }
      auto k = std::size_t(m);
      mean[k] = sum;
      var[k] = square / n;
      running_mean[k] = running_mean[k] * momentum + mean[k] * (1 - momentum);
      running_var[k] = running_var[k] * momentum + var[k] * (1 - momentum);
    }
  }
  SAHA_TRY(Tensor y, c.make(x.dtype, d));
  for (std::int64_t i = 0; x.size() && i < batch * channels; ++i) {
    auto m = std::size_t(i % channels);
    const double factor = scale[m] / std::sqrt(var[m] + eps);
    load(x, i * plane, 1, plane, v.data());
    for (double& e : v) e = (e - mean[m]) * factor + bias[m];
    store(y, i * plane, plane, v.data());
  }
  SAHA_DO(c.give(std::move(y)));
  if (c.num_out > 1 && c.i("training_mode") == 0) return c.fail("gives running statistics only with training_mode = 1");
  for (int k = 1; k < c.num_out; ++k) {
    SAHA_TRY(Tensor t, c.make(c.x(3).dtype, c.x(3).dims));
    fill<double>(t, k == 1 ? running_mean : running_var);
    SAHA_DO(c.give(std::move(t)));
  }
  return {};
}
Vals batch_norm_body(const Site& s) {
  Builder& b = s.b;
  std::size_t rank = s.type(0).dims.size();
  DType t = s.type(0).dtype == DType::f64 || s.type(1).dtype == DType::f64 || s.type(3).dtype == DType::f64 ? DType::f64 : DType::f32;
  if (s.type(0).dtype == s.type(1).dtype && s.type(0).dtype == s.type(3).dtype) t = s.type(0).dtype;
  Val x = cast(s.in[0], t), scale = per_channel(cast(s.in[1], t), rank), bias = per_channel(cast(s.in[2], t), rank);
  double eps = double(s.f("epsilon")), momentum = double(s.f("momentum"));
  if (s.i("training_mode") == 0) {
    Val mean = per_channel(cast(s.in[3], t), rank), var = per_channel(cast(s.in[4], t), rank);
    Val factor = scale / b.op("Sqrt", {var + eps});
    return {cast(x * factor + (bias - mean * factor), s.type(0).dtype)};
  }
  ir::Ints over = axes_from(2, rank);
  over.insert(over.begin(), 0);
  Val axes = b.ints(over), flat = b.ints({-1}), mean = b.op("ReduceMean", {x, axes}, keep()), d = x - mean, var = b.op("ReduceMean", {d * d, axes}, keep());
  auto running = [&](Val old, Val now) { return cast(cast(old, t) * momentum + b.op("Reshape", {now, flat}) * (1 - momentum), s.b.type(old).dtype); };
  return {cast(d * (scale / b.op("Sqrt", {var + eps})) + bias, s.type(0).dtype), running(s.in[3], mean), running(s.in[4], var)};
}

// ---- LayerNormalization and RMSNormalization: over the last axes, scale and bias broadcast to X ------------------------------------------------
Result<> infer_layer_norm(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  SAHA_TRY(std::size_t axis, c.axis(c.i("axis"), d.size()));
  for (std::size_t i = 1; i < c.in.size(); ++i) {
    TypeRef both[] = {c.in[0], c.in[i]};
    auto y = broadcast(both);
    if (!y || y->size() != d.size()) return c.fail("operand " + std::to_string(i) + " " + ir::str(*c.in[i]) + " does not broadcast to X " + ir::str(*c.in[0]));
  }
  SAHA_DO(c.give(c.dtype(c.sig.in[1].type.variable == "V" ? 1 : 0), d));
  for (std::size_t i = axis; i < d.size(); ++i) d[i] = 1;
  auto stash_type = c.i("stash_type");
  if (c.num_out > 1 && stash_type != 1 && stash_type != 16) return c.fail("stash_type " + std::to_string(stash_type) + " is neither 1 (float32) nor 16 (bfloat16)");
  for (int k = 1; k < c.num_out; ++k) SAHA_DO(c.give(DType(stash_type), d));
  return {};
}
template <bool kCentre> Result<> eval_layer_norm(Eval& c) {
  const Tensor& x = c.x(0);
  SAHA_TRY(std::size_t axis, c.axis(c.i("axis"), x.rank()));
  const std::int64_t outer = product(x.dims, 0, axis), n = product(x.dims, axis, x.rank());
  for (std::size_t i = 1; i < 3; ++i) {
    if (!c.has(i)) continue;
    Dims both[] = {x.dims, c.x(i).dims};
    auto d = broadcast(both);
    if (!d || *d != x.dims) return c.fail("operand " + std::to_string(i) + " " + str(c.x(i).dims) + " does not broadcast to X " + str(x.dims));
  }
  auto scale = values<double>(c.x(1)), bias = c.has(2) ? values<double>(c.x(2)) : std::vector<double>{0};
  SAHA_TRY(Tensor y, c.make(kCentre ? x.dtype : c.x(1).dtype, x.dims));
  Dims one(x.rank(), 1);
  std::array<Dims, 2> stride = {broadcast_strides(c.x(1).dims, x.dims), broadcast_strides(c.has(2) ? c.x(2).dims : one, x.dims)};
  std::array<std::int64_t, 2> at = {0, 0};
  Dims index(x.rank(), 0);
  const double eps = double(c.f("epsilon"));
  std::vector<double> row(std::size_t(n), 0.0), means, inverses;
  for (std::int64_t o = 0; o < outer && n > 0; ++o) {
    load(x, o * n, 1, n, row.data());
    Moments m{};
    if constexpr (kCentre) m = moments(row.data(), n, eps);
    else {
      double square = 0;
      for (double v : row) square += v * v;
      m.inverse = 1 / std::sqrt(square / double(n) + eps);
    }
    for (double& v : row) {
      v = (v - m.mean) * m.inverse * scale[std::size_t(at[0])] + bias[std::size_t(at[1])];
      step(x.dims, index, stride, at);
    }
    store(y, o * n, n, row.data());
    means.push_back(m.mean);
    inverses.push_back(m.inverse);
  }
  SAHA_DO(c.give(std::move(y)));
  Dims d = x.dims;
  for (std::size_t i = axis; i < d.size(); ++i) d[i] = 1;
  for (int k = 1; k < c.num_out; ++k) {
    SAHA_TRY(Tensor t, c.make(DType(c.i("stash_type")), d));
    means.resize(std::size_t(outer));
    inverses.resize(std::size_t(outer));
    fill<double>(t, k == 1 ? means : inverses);
    SAHA_DO(c.give(std::move(t)));
  }
  return {};
}
Val last_axes(const Site& s) {
  auto rank = std::int64_t(s.type(0).dims.size()), axis = s.i("axis");
  return s.b.ints(axes_from(std::size_t(axis < 0 ? axis + rank : axis), std::size_t(rank)));
}
Vals layer_norm_body(const Site& s) {
  auto n = standardise(cast(s.in[0], stash(s)), last_axes(s), double(s.f("epsilon")));
  Val y = cast(n.y, s.type(0).dtype) * s.in[1];
  DType out = DType(s.i("stash_type"));
  return {s.has(2) ? y + s.in[2] : y, s.num_out > 1 ? cast(n.mean, out) : Val{}, s.num_out > 2 ? cast(n.inverse, out) : Val{}};
}
Vals rms_norm_body(const Site& s) {
  Val x = cast(s.in[0], stash(s)), square = s.b.op("ReduceMean", {x * x, last_axes(s)}, keep());
  return {cast(x / s.b.op("Sqrt", {square + double(s.f("epsilon"))}), s.type(1).dtype) * s.in[1]};
}

// ---- InstanceNormalization and GroupNormalization: per group of channels of one instance ----------------------------------------------------------
Result<> infer_group_norm(Infer& c) {
  const auto& x = c.dims(0);
  if (x.size() < 2) return c.fail("takes [N, C, ..], X is " + ir::str(x));
  for (std::size_t i = 1; i < 3; ++i) {
    if (c.rank(i) != 1) return c.fail("operand " + std::to_string(i) + " is " + ir::str(*c.in[i]) + ", it needs rank 1");
    const Dim& d = c.dims(i)[0];
    if (d.known() && x[1].known() && !(d == x[1])) return c.fail("operand " + std::to_string(i) + " has " + d.str() + " elements, X has " + x[1].str() + " channels");
  }
  if (c.has_attr("num_groups")) {
    std::int64_t g = c.i("num_groups");
    if (g < 1 || (x[1].known() && *x[1].known() % g)) return c.fail("num_groups " + std::to_string(g) + " does not divide the " + x[1].str() + " channels");
  }
  return c.give(c.dtype(0), x);
}
Result<> eval_group_norm(Eval& c) {
  const Tensor& x = c.x(0);
  const Dims& d = x.dims;
  if (d.size() < 2) return c.fail("takes [N, C, ..], X is " + str(d));
  const std::int64_t channels = d[1], plane = product(d, 2, d.size()), groups = c.has_attr("num_groups") ? c.i("num_groups") : channels;
  if (x.size() && (groups < 1 || channels % groups)) return c.fail("num_groups " + std::to_string(groups) + " does not divide the " + std::to_string(channels) + " channels");
  if (c.x(1).size() != channels || c.x(2).size() != channels) return c.fail("scale is " + str(c.x(1).dims) + ", bias " + str(c.x(2).dims) + ", X has " + std::to_string(channels) + " channels");
  auto scale = values<double>(c.x(1)), bias = values<double>(c.x(2));
  SAHA_TRY(Tensor y, c.make(x.dtype, d));
  if (x.size() == 0) return c.give(std::move(y));
  const std::int64_t per = channels / groups, n = per * plane;
  std::vector<double> v(static_cast<std::size_t>(n));
  for (std::int64_t g = 0; g < d[0] * groups; ++g) {
    load(x, g * n, 1, n, v.data());
    Moments m = moments(v.data(), n, double(c.f("epsilon")));
    for (std::int64_t i = 0; i < n; ++i) {
      auto k = std::size_t(g % groups * per + i / plane);
      v[std::size_t(i)] = (v[std::size_t(i)] - m.mean) * m.inverse * scale[k] + bias[k];
    }
    store(y, g * n, n, v.data());
  }
  return c.give(std::move(y));
}
Vals instance_norm_body(const Site& s) {
  std::size_t rank = s.type(0).dims.size();
  auto n = standardise(s.in[0], s.b.ints(axes_from(2, rank)), double(s.f("epsilon")));
  return {n.y * per_channel(s.in[1], rank) + per_channel(s.in[2], rank)};
}
Vals group_norm_body(const Site& s) {
  std::size_t rank = s.type(0).dims.size();
  Val x = s.b.op("Reshape", {cast(s.in[0], stash(s)), s.b.ints({0, s.i("num_groups"), -1})});
  auto n = standardise(x, s.b.ints({2}), double(s.f("epsilon")));
  Val y = cast(s.b.op("Reshape", {n.y, s.b.op("Shape", {s.in[0]})}), s.type(0).dtype);
  return {y * per_channel(s.in[1], rank) + per_channel(s.in[2], rank)};
}

// ---- LpNormalization, MeanVarianceNormalization, LRN ---------------------------------------------------------------------------------------------------
Result<> infer_along(Infer& c) {
  SAHA_DO(c.axis(c.i("axis"), c.rank(0)));
  if (c.i("p") != 1 && c.i("p") != 2) return c.fail("p is " + std::to_string(c.i("p")) + ", it must be 1 or 2");
  return c.give(c.dtype(0), c.dims(0));
}
Result<> eval_lp_norm(Eval& c) {
  SAHA_TRY(std::size_t axis, c.axis(c.i("axis"), c.x(0).rank()));
  const bool one = c.i("p") == 1;
  return map_lines(c, axis, [one](double* v, std::int64_t n) {
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += one ? std::fabs(v[i]) : v[i] * v[i];
    if (!one) sum = std::sqrt(sum);
    if (sum != 0) for (std::int64_t i = 0; i < n; ++i) v[i] /= sum;  // a line of zeros stays
  });
}
Vals lp_norm_body(const Site& s) {
  Val axes = s.b.ints({s.i("axis")}), norm = s.i("p") == 1 ? s.b.op("ReduceL1", {s.in[0], axes}, keep()) : s.b.op("ReduceL2", {s.in[0], axes}, keep());
  return {s.in[0] / s.b.op("Where", {s.b.op("Equal", {norm, s.b.scalar(0, norm)}), s.b.scalar(1, norm), norm})};
}
Vals mean_variance_body(const Site& s) {
  Builder& b = s.b;
  DType t = s.type(0).dtype == DType::f64 ? DType::f64 : DType::f32;
  Val x = cast(s.in[0], t), axes = b.ints(s.is("axes")), mean = b.op("ReduceMean", {x, axes}, keep()), d = x - mean;
  Val deviation = b.op("Sqrt", {b.op("ReduceMean", {d * d, axes}, keep())});
  return {cast(d / (deviation + 1e-9), s.type(0).dtype)};
}
Result<> infer_lrn(Infer& c) {
  if (c.rank(0) < 2) return c.fail("takes [N, C, ..], X is " + ir::str(c.dims(0)));
  if (c.i("size") < 1) return c.fail("size is " + std::to_string(c.i("size")));
  return c.give(c.dtype(0), c.dims(0));
}
/// The sum over neighbouring channels is an average pool over [N, 1, C, rest] whose pads count.
Vals lrn_body(const Site& s) {
  Builder& b = s.b;
  DType t = s.type(0).dtype == DType::f64 ? DType::f64 : DType::f32;
  std::int64_t size = s.i("size");
  Val x = cast(s.in[0], t), shape = b.op("Shape", {x});
  auto part = [&](std::int64_t i) { return b.op("Slice", {shape, b.ints({i}), b.ints({i + 1})}); };
  Val flat = b.op("Reshape", {x * x, b.op("Concat", {part(0), b.ints({1}), part(1), b.ints({-1})}, {{"axis", std::int64_t{0}}})});
  Val mean = b.op("AveragePool", {flat}, {{"kernel_shape", ir::Ints{size, 1}}, {"pads", ir::Ints{(size - 1) / 2, 0, size / 2, 0}}, {"count_include_pad", std::int64_t{1}}});
  Val base = b.op("Reshape", {mean, shape}) * double(s.f("alpha")) + double(s.f("bias"));
  return {cast(x / b.op("Pow", {base, b.scalar(double(s.f("beta")), base)}), s.type(0).dtype)};
}

constexpr OpDef kOps[] = {
    {.name = "BatchNormalization", .since_version = 15,
     .signature = "(X: T, scale: T1, B: T1, input_mean: T2, input_var: T2) -> (Y: T, running_mean: T2?, running_var: T2?) where T: float, T1: float, T2: float | epsilon: float = 1e-5, momentum: float = 0.9, training_mode: int = 0",
     .infer = infer_batch_norm, .eval = eval_batch_norm, .body = batch_norm_body, .rounding = ErrorModel::dot},
    {.name = "LayerNormalization", .since_version = 17,
     .signature = "(X: T, Scale: T, B: T?) -> (Y: T, Mean: U?, InvStdDev: U?) where T: float, U: float32 bfloat16 | axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1",
     .infer = infer_layer_norm, .eval = eval_layer_norm<true>, .body = layer_norm_body, .rounding = ErrorModel::dot},
    {.name = "RMSNormalization", .since_version = 23,
     .signature = "(X: T, scale: V) -> (Y: V) where T: float, V: float | axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1",
     .infer = infer_layer_norm, .eval = eval_layer_norm<false>, .body = rms_norm_body, .rounding = ErrorModel::dot},
    {.name = "InstanceNormalization", .since_version = 22, .signature = "(input: T, scale: T, B: T) -> (output: T) where T: float | epsilon: float = 1e-5",
     .infer = infer_group_norm, .eval = eval_group_norm, .body = instance_norm_body, .rounding = ErrorModel::dot},
    {.name = "GroupNormalization", .since_version = 21,
     .signature = "(X: T, scale: T, bias: T) -> (Y: T) where T: float | epsilon: float = 1e-5, num_groups: int, stash_type: int = 1",
     .infer = infer_group_norm, .eval = eval_group_norm, .body = group_norm_body, .rounding = ErrorModel::dot},
    {.name = "LpNormalization", .since_version = 22, .signature = "(input: T) -> (output: T) where T: float | axis: int = -1, p: int = 2",
     .infer = infer_along, .eval = eval_lp_norm, .body = lp_norm_body, .rounding = ErrorModel::dot},
    {.name = "MeanVarianceNormalization", .since_version = 13, .signature = "(X: T) -> (Y: T) where T: float | axes: ints = [0, 2, 3]", .body = mean_variance_body, .rounding = ErrorModel::dot},
    {.name = "LRN", .since_version = 13, .signature = "(X: T) -> (Y: T) where T: float | alpha: float = 1e-4, beta: float = 0.75, bias: float = 1, size: int",
     .infer = infer_lrn, .body = lrn_body, .rounding = ErrorModel::dot},
};
}  // namespace
std::span<const OpDef> normalization() { return kOps; }

}  // namespace saha::op
