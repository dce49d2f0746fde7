// Tensors made from attributes and sizes: constants, ranges, windows. Source: ONNX operator specification, opset 28.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "op/builder.hpp"

namespace saha::op {
namespace {
Result<DType> dtype_attr(const AttrView& c, std::string_view attr, std::string_view who) {
  std::int64_t t = c.i(attr);
  if (t <= 0 || t >= kNumDTypes) return Error{ErrorCode::invalid_model, std::string(who) + ": " + std::string(attr) + " is " + std::to_string(t) + ", which is no known dtype"};
  return DType(t);
}

// ---- Constant ----------------------------------------------------------------------------------------------------------------
template <class T> Result<Tensor> plain(DType t, Dims dims, const T* v) {
  SAHA_TRY(Tensor y, Tensor::make(t, std::move(dims)));
  std::copy(v, v + y.size(), y.as<T>());
  return y;
}
Result<Tensor> constant_value(const AttrView& c) {
  int given = 0;
  for (std::string_view n : {"value", "value_float", "value_floats", "value_int", "value_ints", "value_string", "value_strings"}) given += c.has_attr(n);
  if (given != 1) return Error{ErrorCode::invalid_model, "Constant: has " + std::to_string(given) + " values, exactly 1 is needed"};
  if (const Tensor* t = c.tensor("value")) return *t;
  if (c.has_attr("value_float")) { float v = c.f("value_float"); return plain(DType::f32, {}, &v); }
  if (c.has_attr("value_int")) return Tensor::scalar_int(c.i("value_int"));
  if (c.has_attr("value_string")) return Tensor::of_strings({}, {c.s("value_string")});
  if (c.has_attr("value_ints")) return Tensor::of_ints(c.is("value_ints"));
  if (c.has_attr("value_floats")) { auto v = c.fs("value_floats"); return plain(DType::f32, {std::int64_t(v.size())}, v.data()); }
  auto v = c.ss("value_strings");
  auto n = std::int64_t(v.size());
  return Tensor::of_strings({n}, std::move(v));
}
Result<> infer_constant(Infer& c) {
  SAHA_TRY(Tensor t, constant_value(c));
  return c.give(t.dtype, {t.dims.begin(), t.dims.end()});
}
Result<> eval_constant(Eval& c) {
  SAHA_TRY(Tensor t, constant_value(c));
  return c.give(std::move(t));
}

// ---- ConstantOfShape ---------------------------------------------------------------------------------------------------------
Result<DType> fill_dtype(const AttrView& c) {
  const Tensor* v = c.tensor("value");
  if (!v) return DType::f32;
  if (v->size() != 1) return Error{ErrorCode::invalid_model, "ConstantOfShape: value has " + std::to_string(v->size()) + " elements, 1 is needed"};
  return v->dtype;
}
Result<> infer_constant_of_shape(Infer& c) {
  SAHA_TRY(DType t, fill_dtype(c));
  if (c.in[0]->ranked && c.rank(0) != 1) return c.fail("its shape has rank " + std::to_string(c.rank(0)) + ", 1 is needed");
  if (const Known* k = c.known(0)) {
    for (const Dim& d : *k) if (d.known() && *d.known() < 0) return c.fail("a dimension is " + d.str());
    return c.give(t, *k);
  }
  auto rank = c.in[0]->ranked ? c.dims(0)[0].known() : std::nullopt;
  if (!rank || *rank > 64) return c.give_unranked(t);
  std::vector<Dim> d;
  for (std::int64_t i = 0; i < *rank; ++i) d.push_back(c.fresh("filled"));
  return c.give(t, std::move(d));
}
Result<> eval_constant_of_shape(Eval& c) {
  SAHA_TRY(DType t, fill_dtype(c));
  SAHA_TRY(Tensor y, c.make(t, c.ints(0)));
  if (const Tensor* v = c.tensor("value")) copy_elements(*v, 0, 0, y, 0, y.size());
  return c.give(std::move(y));
}

// ---- Range -------------------------------------------------------------------------------------------------------------------
/// max(ceil((limit - start) / delta), 0); nothing where delta is 0 or the count is beyond any tensor.
std::optional<std::int64_t> range_count(double start, double limit, double delta) {
  double n = std::ceil((limit - start) / delta);
  if (delta == 0 || std::isnan(n) || n > 0x1p62) return {};
  return n > 0 ? std::int64_t(n) : 0;
}
std::optional<std::int64_t> range_count(std::int64_t start, std::int64_t limit, std::int64_t delta) {
  if (delta == 0) return {};
  __int128 span = __int128(limit) - start, step = delta;
  if ((span > 0) != (step > 0) || span == 0) return 0;
  __int128 n = (span + step + (step > 0 ? -1 : 1)) / step;
  return n > (__int128(1) << 62) ? std::nullopt : std::optional(std::int64_t(n));
}
Result<> infer_range(Infer& c) {
  for (std::size_t i : {0, 1, 2})
    if (c.in[i]->ranked && c.rank(i) > 1) return c.fail("operand " + std::to_string(i) + " has rank " + std::to_string(c.rank(i)) + ", a scalar is needed");
  DType t = c.dtype(0);
  const Tensor *s = c.data(0), *l = c.data(1), *d = c.data(2);
  if (s && l && d && s->size() == 1 && l->size() == 1 && d->size() == 1) {
    auto n = is_float(t) ? range_count(s->at(0), l->at(0), d->at(0)) : range_count(s->int_at(0), l->int_at(0), d->int_at(0));
    if (!n) return c.fail("from " + std::to_string(s->at(0)) + " to " + std::to_string(l->at(0)) + " by " + std::to_string(d->at(0)) + " has no end");
    return c.give(t, {Dim(*n)});
  }
  auto one = [&](std::size_t i) { const Known* k = c.known(i); return k && k->size() == 1 ? std::optional<Dim>(k->front()) : std::nullopt; };
  auto start = one(0), limit = one(1), delta = one(2);
  if (start && limit && delta && delta->known() && *delta->known() != 0) {
    Dim step = *delta->known() > 0 ? *delta : *delta * Dim(-1), span = *delta->known() > 0 ? *limit - *start : *start - *limit;
    return c.give(t, {max(ceil_div(span, step), Dim(0))});
  }
  return c.give(t, {c.fresh("range")});
}
template <class T> Result<> range(Eval& c) {
  for (std::size_t i : {0, 1, 2}) if (c.x(i).size() != 1) return c.fail("operand " + std::to_string(i) + " has " + std::to_string(c.x(i).size()) + " elements, 1 is needed");
  T start, limit, delta;
  load(c.x(0), 0, 1, 1, &start);
  load(c.x(1), 0, 1, 1, &limit);
  load(c.x(2), 0, 1, 1, &delta);
  auto n = range_count(start, limit, delta);
  if (!n) return c.fail("from " + std::to_string(start) + " to " + std::to_string(limit) + " by " + std::to_string(delta) + " has no end");
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, {*n}));
  T v[256];
  for (std::int64_t at = 0, k = 0; at < *n; at += k) {
    k = std::min<std::int64_t>(256, *n - at);
    for (std::int64_t i = 0; i < k; ++i) {
      if constexpr (std::is_same_v<T, double>) v[i] = start + double(at + i) * delta;
      else v[i] = T(std::uint64_t(start) + std::uint64_t(at + i) * std::uint64_t(delta));   // the steps may pass 2^63, the sum does not
    }
    store(y, at, k, v);
  }
  return c.give(std::move(y));
}
Result<> eval_range(Eval& c) { return is_float(c.x(0).dtype) ? range<double>(c) : range<std::int64_t>(c); }

// ---- EyeLike -----------------------------------------------------------------------------------------------------------------
DType eye_dtype(const AttrView& c, DType like) { return c.has_attr("dtype") ? DType(c.i("dtype")) : like; }
Result<> infer_eye_like(Infer& c) {
  if (c.has_attr("dtype")) { SAHA_DO(dtype_attr(c, "dtype", "EyeLike")); }
  if (c.rank(0) != 2) return c.fail("input has rank " + std::to_string(c.rank(0)) + ", 2 is needed");
  DType t = eye_dtype(c, c.dtype(0));
  if (t == DType::string || is_complex(t)) return c.fail("does not give " + std::string(name(t)));
  return c.give(t, c.dims(0));
}
Result<> eval_eye_like(Eval& c) {
  const Dims& d = c.x(0).dims;
  if (d.size() != 2) return c.fail("input is " + str(d) + ", rank 2 is needed");
  SAHA_TRY(Tensor y, c.make(eye_dtype(c, c.x(0).dtype), d));
  std::int64_t k = c.i("k");
  if (k <= -d[0] || k >= d[1]) return c.give(std::move(y));
  double one = 1;
  for (std::int64_t i = std::max<std::int64_t>(0, -k); i < d[0] && i + k < d[1]; ++i) store(y, i * d[1] + i + k, 1, &one);
  return c.give(std::move(y));
}

// ---- windows -----------------------------------------------------------------------------------------------------------------
Result<> infer_window(Infer& c) {
  SAHA_TRY(DType t, dtype_attr(c, "output_datatype", c.def.name.str()));
  if (is_complex(t) || t == DType::string) return c.fail("does not give " + std::string(name(t)));
  const Known* k = c.known(0);
  if (k && k->size() != 1) return c.fail("size has " + std::to_string(k->size()) + " elements, 1 is needed");
  if (k && k->front().known() && *k->front().known() < 0) return c.fail("size is " + k->front().str());
  return c.give(t, {k ? k->front() : c.fresh("window")});
}
/// a[0] - a[1] cos(2 pi n / N) + a[2] cos(4 pi n / N), N the size (periodic) or one less (symmetric; one sample alone is the peak).
Result<> window(Eval& c, double a0, double a1, double a2) {
  if (c.x(0).size() != 1) return c.fail("size has " + std::to_string(c.x(0).size()) + " elements, 1 is needed");
  std::int64_t size = c.x(0).int_at(0), n = c.i("periodic") ? size : size - 1;
  SAHA_TRY(Tensor y, c.make(DType(c.i("output_datatype")), {size}));
  std::vector<double> v(static_cast<std::size_t>(size), a0 + a1 + a2);
  if (n > 0)
    for (std::size_t i = 0; i < v.size(); ++i) {
      double w = 2 * std::numbers::pi * double(i) / double(n);
      v[i] = a0 - a1 * std::cos(w) + a2 * std::cos(2 * w);
    }
  fill<double>(y, v);
  return c.give(std::move(y));
}
Result<> eval_hann(Eval& c) { return window(c, 0.5, 0.5, 0); }
Result<> eval_hamming(Eval& c) { return window(c, 25.0 / 46, 21.0 / 46, 0); }
Result<> eval_blackman(Eval& c) { return window(c, 0.42, 0.5, 0.08); }

// ---- MelWeightMatrix: triangles over the bins of a spectrum, evenly spaced in mel -----------------------------------------------
Result<> infer_mel(Infer& c) {
  SAHA_TRY(DType t, dtype_attr(c, "output_datatype", "MelWeightMatrix"));
  if (is_complex(t) || t == DType::string) return c.fail("does not give " + std::string(name(t)));
  const Known* bins = c.known(0);
  Dim columns = bins && bins->size() == 1 ? bins->front() : c.fresh("mel");
  const Known* length = c.known(1);
  Dim rows = length && length->size() == 1 ? floor_div(length->front(), Dim(2)) + Dim(1) : c.fresh("bins");
  if ((columns.known() && *columns.known() < 0) || (rows.known() && *rows.known() < 1)) return c.fail("num_mel_bins is " + columns.str() + ", dft_length gives " + rows.str() + " rows");
  return c.give(t, {rows, columns});
}
Result<> eval_mel(Eval& c) {
  for (std::size_t i = 0; i < 5; ++i) if (c.x(i).size() != 1) return c.fail("operand " + std::to_string(i) + " has " + std::to_string(c.x(i).size()) + " elements, 1 is needed");
  std::int64_t bins = c.x(0).int_at(0), length = c.x(1).int_at(0), rate = c.x(2).int_at(0);
  double low = c.x(3).at(0), high = c.x(4).at(0);
  if (bins < 1 || length < 1 || rate < 1 || bins > (1 << 24) || length > (1 << 30))
    return c.fail("num_mel_bins " + std::to_string(bins) + ", dft_length " + std::to_string(length) + ", sample_rate " + std::to_string(rate) + " give no matrix");
  if (!(low >= 0 && high >= low && high <= 1e12)) return c.fail("edges " + std::to_string(low) + " and " + std::to_string(high) + " Hz give no matrix");
  std::int64_t rows = length / 2 + 1;
  auto mel = [](double hz) { return 2595 * std::log10(1 + hz / 700); };
  double from = mel(low), step = (mel(high) - from) / double(bins + 2);
  std::vector<std::int64_t> edge(static_cast<std::size_t>(bins + 2));
  for (std::size_t i = 0; i < edge.size(); ++i) {
    double hz = 700 * (std::pow(10, (from + step * double(i)) / 2595) - 1);
    edge[i] = std::int64_t(std::floor(double(length + 1) * hz / double(rate)));
  }
  if (edge.back() > rows) return c.fail("the upper edge falls on bin " + std::to_string(edge.back()) + " of " + std::to_string(rows));
  SAHA_TRY(Tensor y, c.make(DType(c.i("output_datatype")), {rows, bins}));
  auto set = [&](std::int64_t row, std::int64_t column, double v) { if (row < rows) store(y, row * bins + column, 1, &v); };
  for (std::int64_t i = 0; i < bins; ++i) {
    std::int64_t left = edge[std::size_t(i)], centre = edge[std::size_t(i + 1)], right = edge[std::size_t(i + 2)];
    if (left == centre) set(centre, i, 1);
    else for (std::int64_t j = left; j <= centre; ++j) set(j, i, double(j - left) / double(centre - left));
    for (std::int64_t j = centre; j < right; ++j) set(j, i, double(right - j) / double(right - centre));
  }
  return c.give(std::move(y));
}

constexpr std::string_view kSizes = "its operands are sizes";
constexpr std::string_view kWindow = "(size: T1!) -> (output: T2) where T1: int32 int64, T2: number | periodic: int = 1, output_datatype: int = 1";

constexpr OpDef kOps[] = {
    {.name = "Constant", .since_version = 25,
     .signature = "() -> (output: any) | value: tensor?, value_float: float?, value_floats: floats?, value_int: int?, value_ints: ints?, value_string: string?, value_strings: strings?",
     .infer = infer_constant, .eval = eval_constant, .no_gradient = "it has no operand"},
    {.name = "ConstantOfShape", .since_version = 25, .signature = "(input: int64!) -> (output: T2) where T2: bool number float8 packed | value: tensor?", .traits = kTakesUnranked,
     .infer = infer_constant_of_shape, .eval = eval_constant_of_shape, .no_gradient = kSizes},
    {.name = "Range", .since_version = 27, .signature = "(start: T!, limit: T!, delta: T!) -> (output: T) where T: float int16 int32 int64 | stash_type: int = 1", .traits = kTakesUnranked,
     .infer = infer_range, .eval = eval_range, .no_gradient = kSizes},
    {.name = "EyeLike", .since_version = 22, .signature = "(input: T1) -> (output: T2) where T1: bool number, T2: bool number | dtype: int?, k: int = 0",
     .infer = infer_eye_like, .eval = eval_eye_like, .no_gradient = "only the shape of its operand counts"},
    {.name = "HannWindow", .since_version = 17, .signature = kWindow, .infer = infer_window, .eval = eval_hann, .rounding = ErrorModel::ulp, .max_ulp = 4, .no_gradient = kSizes},
    {.name = "HammingWindow", .since_version = 17, .signature = kWindow, .infer = infer_window, .eval = eval_hamming, .rounding = ErrorModel::ulp, .max_ulp = 4, .no_gradient = kSizes},
    {.name = "BlackmanWindow", .since_version = 17, .signature = kWindow, .infer = infer_window, .eval = eval_blackman, .rounding = ErrorModel::ulp, .max_ulp = 4, .no_gradient = kSizes},
    {.name = "MelWeightMatrix", .since_version = 17,
     .signature = "(num_mel_bins: T1!, dft_length: T1!, sample_rate: T1, lower_edge_hertz: T2, upper_edge_hertz: T2) -> (output: T3) where T1: int32 int64, T2: float, T3: number | output_datatype: int = 1",
     .infer = infer_mel, .eval = eval_mel, .rounding = ErrorModel::ulp, .max_ulp = 4, .no_gradient = "the bins are whole numbers"},
};
}  // namespace

std::span<const OpDef> generate() { return kOps; }

}  // namespace saha::op
