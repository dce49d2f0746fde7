// Random tensors and dropout. Source: ONNX operator specification, opset 28, which leaves the generator open. Ours is counter-based:
// element i is a mixed function of (seed, i), so results depend neither on order nor on threads, and repeat exactly. A node without
// a seed uses seed 0; import gives every such node a seed of its own, so that two of them differ.
#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "op/builder.hpp"

namespace saha::op {
namespace {
class Stream {
 public:
  explicit Stream(std::uint64_t seed) : key_(mix(seed ^ 0x53414841ull)) {}
  std::uint64_t bits(std::uint64_t i) const { return mix(key_ ^ mix(i + 1)); }
  double uniform(std::uint64_t i) const { return double(bits(i) >> 11) * 0x1p-53; }   ///< [0, 1)
  double normal(std::uint64_t i) const {                                             ///< Box and Muller
    double radius = std::sqrt(-2 * std::log(1 - uniform(2 * i)));
    return radius * std::cos(2 * std::numbers::pi * uniform(2 * i + 1));
  }

 private:
  // Two rounds of multiply and xor-shift: each bit of x moves about half of the result.
  static std::uint64_t mix(std::uint64_t x) {
    x *= 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93ull;
    x = (x ^ x >> 29) * 0xa0761d6478bd642full;
    return x ^ x >> 32;
  }
  std::uint64_t key_;
};
Stream stream(const AttrView& c) { return Stream(c.has_attr("seed") ? std::bit_cast<std::uint32_t>(c.f("seed")) : 0); }

/// The attribute dtype, or the operand's where it is not given.
Result<DType> result_dtype(const AttrView& c, const OpDef& def, DType like, DTypeSet allowed) {
  DType t = c.has_attr("dtype") ? DType(c.i("dtype") > 0 && c.i("dtype") < kNumDTypes ? c.i("dtype") : 0) : like;
  if (holds(allowed, t)) return t;
  return Error{ErrorCode::invalid_model, std::string(def.name.str()) + ": does not give " + std::string(name(t)) + ", but " + dtype_names(allowed)};
}
DTypeSet result_set(const OpDef& def) { return find(def.name.str())->signature.out[0].type.set; }
DType like_of(const Infer& c) { return c.has(0) ? c.dtype(0) : DType::f32; }
DType like_of(const Eval& c) { return c.has(0) ? c.x(0).dtype : DType::f32; }

// ---- RandomNormal, RandomUniform and their Like forms: of the attribute `shape`, or of the operand's shape -----------------------
Result<> infer_random(Infer& c) {
  SAHA_TRY(DType t, result_dtype(c, c.def, like_of(c), result_set(c.def)));
  if (c.has(0)) return c.give(t, c.dims(0));
  std::vector<Dim> d;
  for (std::int64_t n : c.is("shape")) {
    if (n < 0) return c.fail("its shape has a dimension " + std::to_string(n));
    d.emplace_back(n);
  }
  return c.give(t, std::move(d));
}
template <class F> Result<> random(Eval& c, F draw) {
  SAHA_TRY(DType t, result_dtype(c, c.def, like_of(c), result_set(c.def)));
  SAHA_TRY(Tensor y, c.make(t, c.has(0) ? c.x(0).dims : c.is("shape")));
  Stream s = stream(c);
  double v[256];
  for (std::int64_t at = 0, n = 0; at < y.size(); at += n) {
    n = std::min<std::int64_t>(256, y.size() - at);
    for (std::int64_t i = 0; i < n; ++i) v[i] = draw(s, std::uint64_t(at + i));
    store(y, at, n, v);
  }
  return c.give(std::move(y));
}
Result<> eval_normal(Eval& c) {
  double mean = c.f("mean"), scale = c.f("scale");
  return random(c, [=](const Stream& s, std::uint64_t i) { return mean + scale * s.normal(i); });
}
Result<> eval_uniform(Eval& c) {
  double low = c.f("low"), high = c.f("high");
  return random(c, [=](const Stream& s, std::uint64_t i) { return low + (high - low) * s.uniform(i); });
}
Result<> eval_bernoulli(Eval& c) {
  std::vector<double> p = values<double>(c.x(0));
  return random(c, [&](const Stream& s, std::uint64_t i) { return s.uniform(i) < p[i] ? 1.0 : 0.0; });
}

// ---- Multinomial: input is [batch, classes], logarithms of weights ------------------------------------------------------------
Result<> infer_multinomial(Infer& c) {
  SAHA_TRY(DType t, result_dtype(c, c.def, DType::i32, result_set(c.def)));
  if (c.rank(0) != 2) return c.fail("input has rank " + std::to_string(c.rank(0)) + ", 2 is needed");
  if (c.i("sample_size") < 0) return c.fail("sample_size is " + std::to_string(c.i("sample_size")));
  return c.give(t, {c.dims(0)[0], Dim(c.i("sample_size"))});
}
Result<> eval_multinomial(Eval& c) {
  SAHA_TRY(DType t, result_dtype(c, c.def, DType::i32, result_set(c.def)));
  const Tensor& x = c.x(0);
  if (x.rank() != 2 || (x.dims[1] == 0 && x.dims[0] > 0)) return c.fail("input is " + str(x.dims) + ", [batch, classes] is needed");
  std::int64_t classes = x.dims[1], samples = c.i("sample_size");
  SAHA_TRY(Tensor y, c.make(t, {x.dims[0], samples}));
  Stream s = stream(c);
  std::vector<double> sum(static_cast<std::size_t>(classes));
  for (std::int64_t b = 0; b < x.dims[0]; ++b) {
    load(x, b * classes, 1, classes, sum.data());
    double top = *std::max_element(sum.begin(), sum.end()), total = 0;
    for (double& e : sum) e = total += std::isinf(top) ? double(e == top) : std::exp(e - top);
    for (std::int64_t k = 0; k < samples; ++k) {
      double u = s.uniform(std::uint64_t(b * samples + k)) * total;
      auto at = std::min<std::int64_t>(std::upper_bound(sum.begin(), sum.end(), u) - sum.begin(), classes - 1);
      store(y, b * samples + k, 1, &at);
    }
  }
  return c.give(std::move(y));
}

// ---- Dropout -----------------------------------------------------------------------------------------------------------------
Result<> infer_dropout(Infer& c) {
  for (std::size_t i : {1, 2})
    if (c.has(i) && c.in[i]->ranked && c.rank(i) > 1) return c.fail("operand " + std::to_string(i) + " has rank " + std::to_string(c.rank(i)) + ", a scalar is needed");
  SAHA_DO(c.give(c.dtype(0), c.dims(0)));
  return c.give(DType::boolean, c.dims(0));
}
Result<> eval_dropout(Eval& c) {
  const Tensor& x = c.x(0);
  for (std::size_t i : {1, 2}) if (c.has(i) && c.x(i).size() != 1) return c.fail("operand " + std::to_string(i) + " has " + std::to_string(c.x(i).size()) + " elements, 1 is needed");
  double ratio = c.has(1) ? c.x(1).at(0) : 0.5;
  if (!(ratio >= 0 && ratio <= 1)) return c.fail("ratio is " + std::to_string(ratio) + ", it lies in [0, 1)");
  bool drops = c.has(2) && c.x(2).int_at(0) != 0 && ratio > 0;
  SAHA_TRY(Tensor mask, c.make(DType::boolean, x.dims));
  auto* kept = mask.as<std::uint8_t>();
  if (!drops) {
    std::fill(kept, kept + mask.size(), 1);
    SAHA_DO(c.give(x));
    return c.give(std::move(mask));
  }
  SAHA_TRY(Tensor y, c.make(x.dtype, x.dims));
  Stream s(c.has_attr("seed") ? std::uint64_t(c.i("seed")) : 0);
  std::vector<double> v = values<double>(x);
  double scale = ratio < 1 ? 1 / (1 - ratio) : 0;
  for (std::size_t i = 0; i < v.size(); ++i) {
    kept[i] = s.uniform(i) >= ratio;
    v[i] = kept[i] ? v[i] * scale : 0;
  }
  fill<double>(y, v);
  SAHA_DO(c.give(std::move(y)));
  return c.give(std::move(mask));
}
/// The mask is a function of seed and place, so the same node on dy drops what it dropped on the data.
Val dropout_adjoint(const Site& s, std::size_t, Val dy) {
  return s.b.op("Dropout", {dy, s.has(1) ? s.in[1] : Val{}, s.has(2) ? s.in[2] : Val{}}, s.attrs);
}

constexpr std::string_view kDrawn = "its elements are drawn, not computed from operands";

constexpr OpDef kOps[] = {
    {.name = "RandomNormal", .since_version = 22, .signature = "() -> (output: T) where T: float | shape: ints, dtype: int = 1, mean: float = 0, scale: float = 1, seed: float?", .traits = kRandom,
     .infer = infer_random, .eval = eval_normal, .rounding = ErrorModel::random, .no_gradient = kDrawn, .no_bounds = kDrawn},
    {.name = "RandomNormalLike", .since_version = 22,
     .signature = "(input: T1) -> (output: T2) where T1: bool number string complex, T2: float | dtype: int?, mean: float = 0, scale: float = 1, seed: float?", .traits = kRandom,
     .infer = infer_random, .eval = eval_normal, .rounding = ErrorModel::random, .no_gradient = kDrawn, .no_bounds = kDrawn},
    {.name = "RandomUniform", .since_version = 22, .signature = "() -> (output: T) where T: float | shape: ints, dtype: int = 1, low: float = 0, high: float = 1, seed: float?", .traits = kRandom,
     .infer = infer_random, .eval = eval_uniform, .rounding = ErrorModel::random, .no_gradient = kDrawn, .no_bounds = kDrawn},
    {.name = "RandomUniformLike", .since_version = 22,
     .signature = "(input: T1) -> (output: T2) where T1: bool number string complex, T2: float | dtype: int?, low: float = 0, high: float = 1, seed: float?", .traits = kRandom,
     .infer = infer_random, .eval = eval_uniform, .rounding = ErrorModel::random, .no_gradient = kDrawn, .no_bounds = kDrawn},
    {.name = "Bernoulli", .since_version = 22, .signature = "(input: T1) -> (output: T2) where T1: float, T2: bool number | dtype: int?, seed: float?", .traits = kRandom,
     .infer = infer_random, .eval = eval_bernoulli, .rounding = ErrorModel::random, .no_gradient = kDrawn, .no_bounds = kDrawn},
    {.name = "Multinomial", .since_version = 22, .signature = "(input: T1) -> (output: T2) where T1: float, T2: int32 int64 | dtype: int = 6, sample_size: int = 1, seed: float?", .traits = kRandom,
     .infer = infer_multinomial, .eval = eval_multinomial, .rounding = ErrorModel::random, .no_gradient = kDrawn, .no_bounds = kDrawn},
    {.name = "Dropout", .since_version = 22,
     .signature = "(data: T, ratio: T1?, training_mode: bool?) -> (output: T, mask: bool) where T: float float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz, "
                  "T1: float float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz | seed: int?",
     .traits = kRandom, .infer = infer_dropout, .eval = eval_dropout, .linear = joint({0}), .adjoint = dropout_adjoint, .rounding = ErrorModel::random},
};
}  // namespace

std::span<const OpDef> random() { return kOps; }

}  // namespace saha::op
