// The domain com.microsoft: operators that onnxruntime's quantiser and optimiser write, as bodies of standard ones. A body keeps the
// file's rounding rule: results are rounded to nearest, ties to even, before the zero point is added. onnxruntime differs from it by one
// step on exact ties where its kernel rounds with the zero point added (QLinearAdd, QLinearGlobalAveragePool), and by one step where it
// uses integer tables (QLinearSoftmax). Source: onnxruntime, ContribOperators.md.
#include "op/builder.hpp"
#include "op/elementwise.hpp"

namespace saha::op {
namespace {
Attrs only(const Site& s, std::initializer_list<std::string_view> names) {
  Attrs a;
  for (std::string_view n : names)
    if (const ir::Attr* v = ir::find_attr(s.attrs, n)) a.push_back({std::string(n), *v});
  return a;
}
Val in(const Site& s, std::size_t i) { return s.has(i) ? s.in[i] : Val{}; }
Val real(const Site& s, std::size_t x, std::size_t scale) { return s.b.op("DequantizeLinear", {s.in[x], s.in[scale], in(s, scale + 1)}); }
/// Quantised to the type of operand `like`, which the zero point has where there is one.
Val stored(const Site& s, Val v, std::size_t scale, std::size_t like) {
  Val zero = in(s, scale + 1);
  Attrs a;
  if (!zero) a.push_back({"output_dtype", std::int64_t(s.type(like).dtype)});
  return s.b.op("QuantizeLinear", {v, s.in[scale], zero}, a);
}
Val to_type(Val v, DType t) { return v.b->failed() || v.b->type(v).dtype == t ? v : v.b->op("Cast", {v}, {{"to", std::int64_t(t)}}); }
ir::Ints channels_first(std::size_t rank) {
  ir::Ints p{0, std::int64_t(rank) - 1};
  for (std::size_t i = 1; i + 1 < rank; ++i) p.push_back(std::int64_t(i));
  return p;
}
ir::Ints channels_last(std::size_t rank) {
  ir::Ints p{0};
  for (std::size_t i = 2; i < rank; ++i) p.push_back(std::int64_t(i));
  p.push_back(1);
  return p;
}
/// f between two transpositions where the operand has its channels last.
template <class F> Val with_channels(bool last, Val v, F f) {
  if (!last || v.b->failed() || v.b->type(v).dims.size() < 2) return f(v);
  std::size_t rank = v.b->type(v).dims.size();
  return v.b->op("Transpose", {f(v.b->op("Transpose", {v}, {{"perm", channels_first(rank)}}))}, {{"perm", channels_last(rank)}});
}

// ---- QLinear*: real arithmetic between dequantising and quantising --------------------------------------------------------------
Vals qlinear_add_body(const Site& s) { return {stored(s, real(s, 0, 1) + real(s, 3, 4), 6, 0)}; }
Vals qlinear_mul_body(const Site& s) { return {stored(s, real(s, 0, 1) * real(s, 3, 4), 6, 0)}; }
Vals qlinear_sigmoid_body(const Site& s) { return {stored(s, s.b.op("Sigmoid", {real(s, 0, 1)}), 3, 0)}; }
Vals qlinear_leaky_relu_body(const Site& s) { return {stored(s, s.b.op("LeakyRelu", {real(s, 0, 1)}, only(s, {"alpha"})), 3, 0)}; }
Vals qlinear_average_pool_body(const Site& s) {
  Val y = with_channels(s.i("channels_last"), real(s, 0, 1), [&](Val v) { return s.b.op("AveragePool", {v}, only(s, {"auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"})); });
  return {stored(s, y, 3, 0)};
}
Vals qlinear_global_average_pool_body(const Site& s) {
  Val y = with_channels(s.i("channels_last"), real(s, 0, 1), [&](Val v) { return s.b.op("GlobalAveragePool", {v}); });
  return {stored(s, y, 3, 0)};
}
/// Y_scale, Y_zero_point, then (x, scale, zero point) of each operand.
Vals qlinear_concat_body(const Site& s) {
  Vals parts;
  if (s.in.size() < 4 || (s.in.size() - 2) % 3 == 1) {
    s.b.fail({ErrorCode::invalid_model, "QLinearConcat: " + std::to_string(s.in.size()) + " operands; the scale and zero point of Y and three for each part are needed"});
    return {s.in[0]};
  }
  for (std::size_t i = 2; i < s.in.size(); i += 3) {
    if (!s.in[i] || !s.in[i + 1]) { s.b.fail({ErrorCode::invalid_model, "QLinearConcat: operand " + std::to_string(i) + " is missing"}); return {s.in[0]}; }
    parts.push_back(s.b.op("QuantizeLinear", {s.b.op("DequantizeLinear", {s.in[i], s.in[i + 1], in(s, i + 2)}), s.in[0], s.in[1]}));
  }
  return {s.b.op("Concat", parts, only(s, {"axis"}))};
}
/// `opset` below 13: all dims from `axis` on are one.
Vals qlinear_softmax_body(const Site& s) {
  Val x = real(s, 0, 1);
  if (s.b.failed()) return {x};
  auto rank = std::int64_t(s.b.type(x).dims.size()), axis = s.i("axis");
  bool last = axis == -1 || axis == rank - 1;
  Val y = s.i("opset") >= 13 || last ? s.b.op("Softmax", {x}, {{"axis", axis}})
                                     : s.b.op("Reshape", {s.b.op("Softmax", {s.b.op("Flatten", {x}, {{"axis", axis}})}, {{"axis", std::int64_t{-1}}}), s.b.op("Shape", {x})});
  return {stored(s, y, 3, 0)};
}

// ---- integer products: exact sums, one multiplication by the scales --------------------------------------------------------------
Val transposed(const Site& s, std::size_t i, std::string_view attr) {
  return s.i(attr) ? s.b.op("Transpose", {s.in[i]}, {{"perm", ir::Ints{1, 0}}}) : s.in[i];
}
/// alpha * (A - a_zero)(B - b_zero) * a_scale * b_scale + C, C in steps of alpha * a_scale * b_scale; float32, or quantised where y_scale is given.
Vals qgemm_body(const Site& s) {
  Val sum = s.b.op("MatMulInteger", {transposed(s, 0, "transA"), transposed(s, 3, "transB"), s.in[2], s.in[5]});
  if (s.has(6)) sum = sum + s.in[6];
  Val multiplier = s.in[1] * s.in[4];
  if (s.f("alpha") != 1) multiplier = multiplier * double(s.f("alpha"));
  sum = to_type(sum, DType::f32);
  if (!s.has(7)) return {sum * multiplier};
  Attrs a;
  if (!s.has(8)) a.push_back({"output_dtype", std::int64_t(s.type(0).dtype)});
  return {s.b.op("QuantizeLinear", {sum * (multiplier / s.in[7]), s.b.scalar(1, DType::f32), in(s, 8)}, a)};
}
Vals matmul_integer_to_float_body(const Site& s) {
  Val sum = to_type(s.b.op("MatMulInteger", {s.in[0], s.in[1], in(s, 4), in(s, 5)}), s.type(2).dtype);
  Val y = sum * (s.in[2] * s.in[3]);
  return {s.has(6) ? y + s.in[6] : y};
}
Vals dynamic_quantize_matmul_body(const Site& s) {
  Vals a = s.b.ops("DynamicQuantizeLinear", {s.in[0]}, {}, 3);
  Val sum = to_type(s.b.op("MatMulInteger", {a[0], s.in[1], a[2], in(s, 3)}), DType::f32);
  Val y = sum * (a[1] * s.in[2]);
  return {s.has(4) ? y + s.in[4] : y};
}

// ---- MatMulNBits: A * W^T, W[n, k] = (q - zero) * scale in blocks along k ---------------------------------------------------------
struct Packed {
  std::int64_t n, k, block, bits, blocks;
};
Result<Packed> packed_of(const AttrView& a, const OpDef& def) {
  Packed p{a.i("N"), a.i("K"), a.i("block_size"), a.i("bits"), 0};
  bool sound = p.n > 0 && p.k > 0 && p.n < (1ll << 31) && p.k < (1ll << 31) && p.block > 0 && p.block < (1 << 24) && p.block % 8 == 0 && (p.bits == 2 || p.bits == 4 || p.bits == 8);
  if (!sound) return Error{ErrorCode::invalid_model, std::string(def.name.str()) + ": N = " + std::to_string(p.n) + ", K = " + std::to_string(p.k) + ", block_size = " + std::to_string(p.block) + ", bits = " + std::to_string(p.bits)};
  p.blocks = (p.k + p.block - 1) / p.block;
  return p;
}
Result<> infer_matmul_nbits(Infer& c) {
  SAHA_TRY(Packed p, packed_of(c, c.def));
  if (c.rank(0) < 1) return c.fail("A is a scalar");
  auto d = c.dims(0);
  if (d.back().known() && !d.back().is(p.k)) return c.fail("A is " + ir::str(*c.in[0]) + ", K is " + std::to_string(p.k));
  d.back() = Dim(p.n);
  return c.give(c.dtype(0), std::move(d));
}
Result<> eval_matmul_nbits(Eval& c) {
  SAHA_TRY(Packed p, packed_of(c, c.def));
  const Tensor &a = c.x(0), &b = c.x(1);
  if (a.rank() < 1 || a.dims.back() != p.k) return c.fail("A is " + str(a.dims) + ", K is " + std::to_string(p.k));
  const std::int64_t blob = p.block * p.bits / 8, per = 8 / p.bits, zero_row = (p.blocks * p.bits + 7) / 8;
  if (b.dtype != DType::u8 || b.size() != p.n * p.blocks * blob) return c.fail("B has " + std::to_string(b.size()) + " bytes, " + std::to_string(p.n * p.blocks * blob) + " are needed");
  auto scales = values<double>(c.x(2));
  if (std::int64_t(scales.size()) != p.n * p.blocks) return c.fail(std::to_string(scales.size()) + " scales, " + std::to_string(p.n * p.blocks) + " are needed");
  const std::uint8_t mask = std::uint8_t((1 << p.bits) - 1);
  std::vector<double> zero(scales.size(), double(1 << (p.bits - 1)));
  if (c.has(3)) {
    const Tensor& z = c.x(3);
    bool packed = z.dtype == DType::u8;
    if (z.size() != (packed ? p.n * zero_row : p.n * p.blocks)) return c.fail("zero_points has " + std::to_string(z.size()) + " elements");
    if (packed) {
      for (std::int64_t n = 0; n < p.n; ++n)
        for (std::int64_t k = 0; k < p.blocks; ++k) zero[std::size_t(n * p.blocks + k)] = (z.as<const std::uint8_t>()[n * zero_row + k / per] >> (k % per * p.bits)) & mask;
    } else zero = values<double>(z);
  }
  std::vector<std::int64_t> group;
  if (c.has(4)) {
    group = c.ints(4);
    if (std::int64_t(group.size()) < p.k) return c.fail("g_idx has " + std::to_string(group.size()) + " entries for K = " + std::to_string(p.k));
    for (std::int64_t g : group) if (g < 0 || g >= p.blocks) return c.fail("g_idx names group " + std::to_string(g) + " of " + std::to_string(p.blocks));
  }
  auto bias = c.has(5) ? values<double>(c.x(5)) : std::vector<double>();
  if (!bias.empty() && std::int64_t(bias.size()) != p.n) return c.fail("bias has " + std::to_string(bias.size()) + " elements for N = " + std::to_string(p.n));
  auto x = values<double>(a);
  Dims d = a.dims;
  d.back() = p.n;
  SAHA_TRY(Tensor y, c.make(a.dtype, std::move(d)));
  const std::int64_t rows = p.k ? a.size() / p.k : 0;
  std::vector<double> w(std::size_t(p.k), 0), column(std::size_t(rows), 0);
  std::vector<double> out(std::size_t(y.size()), 0);
  for (std::int64_t n = 0; n < p.n; ++n) {
    const std::uint8_t* q = b.as<const std::uint8_t>() + n * p.blocks * blob;
    for (std::int64_t k = 0; k < p.k; ++k) {
      std::int64_t at = k / p.block * p.block + k % p.block, g = n * p.blocks + (group.empty() ? k / p.block : group[std::size_t(k)]);
      w[std::size_t(k)] = (double((q[at / per] >> (at % per * p.bits)) & mask) - zero[std::size_t(g)]) * scales[std::size_t(g)];
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      double s = bias.empty() ? 0 : bias[std::size_t(n)];
      const double* v = x.data() + r * p.k;
      for (std::int64_t k = 0; k < p.k; ++k) s += v[k] * w[std::size_t(k)];
      out[std::size_t(r * p.n + n)] = s;
    }
  }
  fill(y, std::span<const double>(out));
  return c.give(std::move(y));
}
/// The weights as the operator itself reads them: it multiplies the unit matrix.
Vals matmul_nbits_vjp(const Site& s, const Vals& dy) {
  Vals in = s.in;
  in.resize(std::min<std::size_t>(in.size(), 5));   // without the bias
  const std::int64_t k = s.i("K");
  in[0] = s.b.op("EyeLike", {s.b.op("ConstantOfShape", {s.b.ints({k, k})}, {{"value", Tensor::scalar(s.type(0).dtype, 0).reshaped({1})}})});
  Val transposed = s.b.op("MatMulNBits", in, s.attrs);   // [K, N]
  return {s.b.op("MatMul", {dy[0], s.b.op("Transpose", {transposed}, {{"perm", ir::Ints{1, 0}}})})};
}

// ---- activations, normalisation ----------------------------------------------------------------------------------------------------
Vals fast_gelu_body(const Site& s) { return {s.b.op("Gelu", {s.has(1) ? s.in[0] + s.in[1] : s.in[0]}, {{"approximate", std::string("tanh")}})}; }
Vals bias_gelu_body(const Site& s) { return {s.b.op("Gelu", {s.in[0] + s.in[1]})}; }
Vals quick_gelu_body(const Site& s) { return {s.in[0] * s.b.op("Sigmoid", {s.in[0] * double(s.f("alpha"))})}; }

/// Results: the normalised sum, mean, 1 / deviation, the sum. onnxruntime's CPU kernels leave the middle two empty.
Vals skip_layer_norm_body(const Site& s) {
  Val sum = s.in[0] + s.in[1];
  if (s.has(4)) sum = sum + s.in[4];
  Vals y = s.b.ops("LayerNormalization", {sum, s.in[2], in(s, 3)}, {{"axis", std::int64_t{-1}}, {"epsilon", s.f("epsilon")}}, std::min(s.num_out, 3));
  y.resize(std::size_t(std::min(s.num_out, 3)));
  if (s.num_out > 3) y.push_back(sum);
  return y;
}
Val inverse_rms(const Site& s, Val x, ir::Ints axes) {
  Val f = to_type(x, DType::f32);
  return s.b.op("Reciprocal", {s.b.op("Sqrt", {s.b.op("ReduceMean", {f * f, s.b.ints(axes)}) + double(s.f("epsilon"))})});
}
Vals skip_rms_norm_body(const Site& s) {
  Val sum = s.in[0] + s.in[1];
  if (s.has(3)) sum = sum + s.in[3];
  Vals y{s.b.op("RMSNormalization", {sum, s.in[2]}, {{"axis", std::int64_t{-1}}, {"epsilon", s.f("epsilon")}})};
  if (s.num_out > 1) y.push_back(s.b.op("ReduceMean", {to_type(sum, DType::f32), s.b.ints({-1})}));
  if (s.num_out > 2) y.push_back(inverse_rms(s, sum, {-1}));
  if (s.num_out > 3) y.push_back(sum);
  return y;
}
Vals rms_norm_body(const Site& s) {
  Vals y{s.b.op("RMSNormalization", {s.in[0], s.in[1]}, only(s, {"axis", "epsilon", "stash_type"}))};
  if (s.num_out > 1) {
    ir::Ints axes;
    auto rank = std::int64_t(s.type(0).dims.size()), axis = s.i("axis");
    for (std::int64_t i = axis < 0 ? axis + rank : axis; i < rank; ++i) axes.push_back(i);
    y.push_back(inverse_rms(s, s.in[0], axes));
  }
  return y;
}
Vals embed_layer_norm_body(const Site& s) {
  Builder& b = s.b;
  Val ids = s.in[0], sum = b.op("Gather", {s.in[2], ids});
  Val length = b.op("Shape", {ids}, {{"start", std::int64_t{1}}, {"end", std::int64_t{2}}});
  if (s.has(8)) sum = sum + b.op("Gather", {s.in[3], s.in[8]});
  else sum = sum + b.op("Slice", {s.in[3], b.ints({0}), length, b.ints({0})});
  if (s.has(1) && s.has(4)) sum = sum + b.op("Gather", {s.in[4], s.in[1]});
  Vals y{b.op("LayerNormalization", {sum, s.in[5], s.in[6]}, {{"axis", std::int64_t{-1}}, {"epsilon", s.f("epsilon")}})};
  if (s.num_out > 1) {  // how many tokens count, per row
    Val none = b.op("Mul", {ids, b.scalar(0, ids)});
    y.push_back(b.op("ReduceSum", {s.has(7) ? s.in[7] : none, b.ints({1})}, {{"keepdims", std::int64_t{0}}}));
  }
  if (s.num_out > 2) y.push_back(sum);
  return y;
}
/// activation 1: SiLU behind it.
Vals group_norm_body(const Site& s) {
  Val x = s.in[0];
  DType t = s.type(0).dtype;
  Val y = with_channels(s.i("channels_last"), x, [&](Val v) {
    return s.b.op("GroupNormalization", {v, to_type(s.in[1], t), to_type(s.in[2], t)}, {{"num_groups", s.i("groups")}, {"epsilon", s.f("epsilon")}});
  });
  return {s.i("activation") ? y * s.b.op("Sigmoid", {y}) : y};
}
Vals nhwc_max_pool_body(const Site& s) {
  return {with_channels(true, s.in[0], [&](Val v) { return s.b.op("MaxPool", {v}, only(s, {"auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides"})); })};
}

// ---- Inverse ---------------------------------------------------------------------------------------------------------------------
Result<> infer_inverse(Infer& c) {
  if (c.rank(0) < 2) return c.fail("X is " + ir::str(*c.in[0]) + ", a matrix is needed");
  return c.give(c.in[0]);
}
/// Gauss-Jordan with the largest pivot of each column; a singular matrix gives infinities.
Result<> eval_inverse(Eval& c) {
  const Tensor& x = c.x(0);
  if (x.rank() < 2 || x.dims[x.rank() - 1] != x.dims[x.rank() - 2]) return c.fail("X is " + str(x.dims) + ", square matrices are needed");
  auto n = std::size_t(x.dims.back());
  auto v = values<double>(x);
  std::vector<double> a(n * n), r(n * n);
  for (std::size_t m = 0; n && m < v.size() / (n * n); ++m) {
    std::copy_n(v.begin() + std::ptrdiff_t(m * n * n), n * n, a.begin());
    std::fill(r.begin(), r.end(), 0.0);
    for (std::size_t i = 0; i < n; ++i) r[i * n + i] = 1;
    for (std::size_t k = 0; k < n; ++k) {
      std::size_t p = k;
      for (std::size_t i = k + 1; i < n; ++i) if (std::abs(a[i * n + k]) > std::abs(a[p * n + k])) p = i;
      for (std::size_t j = 0; j < n && p != k; ++j) { std::swap(a[p * n + j], a[k * n + j]); std::swap(r[p * n + j], r[k * n + j]); }
      const double d = 1 / a[k * n + k];
      for (std::size_t j = 0; j < n; ++j) { a[k * n + j] *= d; r[k * n + j] *= d; }
      for (std::size_t i = 0; i < n; ++i) {
        const double f = a[i * n + k];
        if (i == k || f == 0) continue;
        for (std::size_t j = 0; j < n; ++j) { a[i * n + j] -= f * a[k * n + j]; r[i * n + j] -= f * r[k * n + j]; }
      }
    }
    std::copy_n(r.begin(), n * n, v.begin() + std::ptrdiff_t(m * n * n));
  }
  SAHA_TRY(Tensor y, c.make(x.dtype, x.dims));
  fill(y, std::span<const double>(v));
  return c.give(std::move(y));
}
/// d(A^-1) = -A^-1 dA A^-1
Vals inverse_vjp(const Site& s, const Vals& dy) {
  if (s.b.failed()) return {dy[0]};
  ir::Ints perm;
  for (std::size_t i = 0; i < s.type(0).dims.size(); ++i) perm.push_back(std::int64_t(i));
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  Val t = s.b.op("Transpose", {s.out[0]}, {{"perm", perm}});
  return {s.b.op("Neg", {s.b.op("MatMul", {s.b.op("MatMul", {t, dy[0]}), t})})};
}

constexpr std::string_view kDomain = "com.microsoft", kStored = "it reads and writes integers";
constexpr OpDef kOps[] = {
    {.name = "QLinearAdd", .domain = kDomain,
     .signature = "(A: T, A_scale: float32, A_zero_point: T?, B: T, B_scale: float32, B_zero_point: T?, C_scale: float32, C_zero_point: T?) -> (C: T) where T: int8 uint8", .body = qlinear_add_body, .no_gradient = kStored},
    {.name = "QLinearMul", .domain = kDomain,
     .signature = "(A: T, A_scale: float32, A_zero_point: T?, B: T, B_scale: float32, B_zero_point: T?, C_scale: float32, C_zero_point: T?) -> (C: T) where T: int8 uint8", .body = qlinear_mul_body, .no_gradient = kStored},
    {.name = "QLinearSigmoid", .domain = kDomain, .signature = "(X: T, X_scale: float32, X_zero_point: T?, Y_scale: float32, Y_zero_point: T?) -> (Y: T) where T: int8 uint8",
     .body = qlinear_sigmoid_body, .no_gradient = kStored},
    {.name = "QLinearLeakyRelu", .domain = kDomain, .signature = "(X: T, X_scale: float32, X_zero_point: T?, Y_scale: float32, Y_zero_point: T?) -> (Y: T) where T: int8 uint8 | alpha: float = 0.01",
     .body = qlinear_leaky_relu_body, .no_gradient = kStored},
    {.name = "QLinearAveragePool", .domain = kDomain,
     .signature = "(X: T, x_scale: float32, x_zero_point: T?, y_scale: float32, y_zero_point: T?) -> (Y: T) where T: int8 uint8 | auto_pad: string = NOTSET, ceil_mode: int = 0, channels_last: int = 0, "
                  "count_include_pad: int = 0, kernel_shape: ints, pads: ints?, strides: ints?",
     .body = qlinear_average_pool_body, .no_gradient = kStored},
    {.name = "QLinearGlobalAveragePool", .domain = kDomain, .signature = "(X: T, x_scale: float32, x_zero_point: T, y_scale: float32, y_zero_point: T) -> (Y: T) where T: int8 uint8 | channels_last: int = 0",
     .body = qlinear_global_average_pool_body, .no_gradient = kStored},
    {.name = "QLinearConcat", .domain = kDomain, .signature = "(Y_scale: float32, Y_zero_point: T8, inputs: TV?...) -> (Y: T8) where T8: int8 uint8, TV: int8 uint8 float32 | axis: int",
     .body = qlinear_concat_body, .no_gradient = kStored},
    {.name = "QLinearSoftmax", .domain = kDomain, .signature = "(X: T, X_scale: float32, x_zero_point: T?, y_scale: float32, y_zero_point: T) -> (Y: T) where T: int8 uint8 | axis: int = -1, opset: int",
     .body = qlinear_softmax_body, .no_gradient = kStored},
    {.name = "QGemm", .domain = kDomain,
     .signature = "(A: TA, a_scale: float32, a_zero_point: TA, B: TB, b_scale: float32, b_zero_point: TB, C: int32?, y_scale: float32?, y_zero_point: TY?) -> (Y: TYF) "
                  "where TA: int8 uint8, TB: int8 uint8, TY: int8 uint8, TYF: int8 uint8 float32 | alpha: float = 1, transA: int = 0, transB: int = 0",
     .body = qgemm_body, .no_gradient = kStored},
    {.name = "MatMulIntegerToFloat", .domain = kDomain,
     .signature = "(A: T1, B: T2, a_scale: T3, b_scale: T3, a_zero_point: T1?, b_zero_point: T2?, bias: T3?) -> (Y: T3) where T1: int8 uint8, T2: int8 uint8, T3: float32 float16",
     .body = matmul_integer_to_float_body, .no_gradient = kStored},
    {.name = "DynamicQuantizeMatMul", .domain = kDomain, .signature = "(A: float32, B: T2, b_scale: float32, b_zero_point: T2?, bias: float32?) -> (Y: float32) where T2: int8 uint8",
     .body = dynamic_quantize_matmul_body, .no_gradient = "its range follows the data"},
    {.name = "MatMulNBits", .domain = kDomain,
     .signature = "(A: T1, B: uint8, scales: T1, zero_points: T3?, g_idx: int32?, bias: T1?) -> (Y: T1) where T1: float32 float16 bfloat16, T3: uint8 float32 float16 bfloat16 | "
                  "K: int, N: int, accuracy_level: int = 0, bits: int = 4, block_size: int, weight_prepacked: int = 0",
     .infer = infer_matmul_nbits, .eval = eval_matmul_nbits, .vjp = matmul_nbits_vjp, .rounding = ErrorModel::dot},
    {.name = "FastGelu", .domain = kDomain, .signature = "(X: T, bias: T?) -> (Y: T) where T: float", .body = fast_gelu_body},
    {.name = "BiasGelu", .domain = kDomain, .signature = "(A: T, B: T) -> (C: T) where T: float", .body = bias_gelu_body},
    {.name = "QuickGelu", .domain = kDomain, .signature = "(X: T) -> (Y: T) where T: float | alpha: float = 1.702", .body = quick_gelu_body},
    {.name = "SkipLayerNormalization", .domain = kDomain,
     .signature = "(input: T, skip: T, gamma: T, beta: T?, bias: T?) -> (output: T, mean: U, inv_std_var: U, input_skip_bias_sum: T) where T: float, U: float32 | epsilon: float = 1e-12",
     .body = skip_layer_norm_body, .rounding = ErrorModel::dot},
    {.name = "SkipSimplifiedLayerNormalization", .domain = kDomain,
     .signature = "(input: T, skip: T, gamma: T, bias: T?) -> (output: T, mean: U, inv_std_var: U, input_skip_bias_sum: T) where T: float, U: float32 | epsilon: float = 1e-12",
     .body = skip_rms_norm_body, .rounding = ErrorModel::dot},
    // onnxruntime registers this one in ai.onnx, although no operator set has it.
    {.name = "SimplifiedLayerNormalization", .signature = "(X: T, scale: V) -> (Y: V, inv_std_var: U) where T: float, V: float, U: float32 | axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1",
     .body = rms_norm_body, .rounding = ErrorModel::dot},
    {.name = "EmbedLayerNormalization", .domain = kDomain,
     .signature = "(input_ids: int32, segment_ids: int32?, word_embedding: T, position_embedding: T, segment_embedding: T?, gamma: T, beta: T, mask: int32?, position_ids: int32?) -> "
                  "(output: T, mask_index: int32, embedding_sum: T) where T: float32 float16 | epsilon: float = 1e-12, mask_index_type: int = 0",
     .body = embed_layer_norm_body, .rounding = ErrorModel::dot},
    {.name = "GroupNorm", .domain = kDomain, .signature = "(X: T, gamma: M, beta: M) -> (Y: T) where T: float32 float16, M: float32 float16 | activation: int, channels_last: int = 1, epsilon: float = 1e-5, groups: int",
     .body = group_norm_body, .rounding = ErrorModel::dot},
    {.name = "NhwcMaxPool", .domain = kDomain,
     .signature = "(x: T) -> (y: T) where T: int8 uint8 | auto_pad: string = NOTSET, ceil_mode: int = 0, dilations: ints?, kernel_shape: ints, pads: ints?, strides: ints?", .body = nhwc_max_pool_body, .no_gradient = kStored},
    {.name = "Inverse", .domain = kDomain, .signature = "(X: T) -> (Y: T) where T: float32 float64 float16", .infer = infer_inverse, .eval = eval_inverse, .vjp = inverse_vjp, .rounding = ErrorModel::dot},
};
}  // namespace

std::span<const OpDef> microsoft() { return kOps; }

}  // namespace saha::op
