// Functions of one variable, binaries with their broadcasts, BatchNormalization at inference, on the float32 kernels; functions of all plain numbers on the kernel "elements".
#include "backends/native/kernel_table.hpp"
#include "backends/native/layout.hpp"
#include "backends/native/rows.hpp"
#include "kernels/elements.hpp"
#include "kernels/elementwise.hpp"

namespace saha::native {
namespace {
using kernels::Activation;
using kernels::Binary;
using kernels::Unary;

std::optional<Prepared> unary_call(const NodeSite& s, kernels::UnaryParams p) {
  if (s.dtype(0) != DType::f32 || s.out[0]->dtype != DType::f32) return {};
  p.n = num_elements(s.out_dims());
  return call("unary_f32", p, {Operand::node(0)}, true);
}

template <Unary O> std::optional<Prepared> function(const NodeSite& s) {
  kernels::UnaryParams p;
  p.op = O;
  return unary_call(s, p);
}
std::optional<Prepared> activation(const NodeSite& s) {
  auto a = activation_of(s);
  if (!a) return {};
  kernels::UnaryParams p;
  p.activation = a->activation;
  p.p0 = a->p0;
  p.p1 = a->p1;
  return unary_call(s, p);
}
std::optional<Prepared> gelu(const NodeSite& s) {
  if (s.s("approximate") != "tanh") return activation(s);
  return function<Unary::gelu_tanh>(s);
}

/// Strides of operand i along the dims of the result, in the order of memory; 0 where it is broadcast.
Dims along_result(const NodeSite& s, std::size_t i) {
  const Dims x = s.dims(i), y = s.out_dims();
  const Dims from = strides_of(x, s.layout_of(i));
  Dims strides(y.size(), 0);
  for (std::size_t k = 0; k < x.size(); ++k) strides[y.size() - x.size() + k] = x[k] == 1 ? 0 : from[k];
  return in_memory(strides, s.out_layout());
}

template <Binary O> std::optional<Prepared> binary(const NodeSite& s) {
  if (s.in.size() != 2 || !s.has(0) || !s.has(1)) return {};
  if (!s.all_f32() || s.in[0]->quant || s.in[1]->quant || s.out[0]->quant) return {};
  const Dims a = s.dims(0), y = s.out_dims();
  if (y.size() > std::size_t(kernels::kMaxRank)) return {};
  const auto p = kernels::prepare_binary_strided(O, in_memory(y, s.out_layout()), along_result(s, 0), along_result(s, 1));
  return call("binary_f32", p, {Operand::node(0), Operand::node(1)}, num_elements(a) == num_elements(y) && (s.layout == ir::Layout::plain || a.size() == y.size()));
}

/// `swapped`: of operands 1 and 0.
template <kernels::Function F, bool swapped = false> std::optional<Prepared> elements(const NodeSite& s) {
  constexpr auto operands = std::size_t(kernels::operands_of(F));
  constexpr bool chooses = F == kernels::Function::where;
  if (s.in.size() != operands || s.out.size() != 1) return {};
  for (std::size_t i = 0; i < operands; ++i)
    if (!s.has(i) || (F != kernels::Function::cast && s.in[i]->quant) || (i > 1 && s.dtype(i) != s.dtype(1)) || (operands == 2 && s.dtype(i) != s.dtype(0))) return {};
  const Dims y = s.out_dims();
  DType type = s.dtype(chooses ? 1 : 0), to = s.out[0]->dtype;
  if (chooses) {   // bits are moved, whatever they stand for
    if (type == DType::string || bits(type) % 8 != 0) return {};
    const int bytes = bits(type) / 8;
    type = to = bytes == 1 ? DType::u8 : bytes == 2 ? DType::u16 : bytes == 4 ? DType::i32 : bytes == 8 ? DType::i64 : DType::none;
  }
  if (y.size() > std::size_t(kernels::kMaxRank) || !kernels::has_elements(F, type, to)) return {};
  std::vector<Dims> strides;
  std::vector<Operand> from;
  for (std::size_t i = 0; i < operands; ++i) {
    const std::size_t k = swapped ? operands - 1 - i : i;
    strides.push_back(along_result(s, k));
    from.push_back(Operand::node(k));
  }
  const bool in_place = !swapped && !chooses && bits(type) == bits(to) && num_elements(s.dims(0)) == num_elements(y) && (s.layout == ir::Layout::plain || s.dims(0).size() == y.size());
  return call("elements", kernels::prepare_elements(F, type, to, in_memory(y, s.out_layout()), strides), std::move(from), in_place);
}

std::optional<Prepared> batch_normalization(const NodeSite& s) {
  if (s.out.size() != 1 || s.i("training_mode") != 0 || s.dims(0).size() < 2) return {};
  auto affine = affine_of_batch_norm(s, 0);
  if (!affine) return {};
  Dims x = s.dims(0);
  kernels::AffineParams p;
  p.outer = x[0];
  p.channels = x[1];
  p.inner = num_elements(std::span(x).subspan(2));
  if (s.layout == ir::Layout::nhwc) p.outer *= p.inner, p.inner = 1;
  Prepared r = call("affine_f32", p, {Operand::node(0), Operand::packed(0), Operand::packed(1)}, true);
  for (auto* v : {&affine->scale, &affine->shift}) {
    auto t = packed_buffer(std::int64_t(v->size()));
    if (!t) return {};
    std::copy(v->begin(), v->end(), t->as<float>());
    r.packed.push_back(std::move(*t));
  }
  return r;
}

using kernels::Function;
constexpr KernelDef kRows[] = {
    {"Relu", activation, true}, {"Clip", activation, true}, {"Sigmoid", activation, true}, {"Tanh", activation, true}, {"Swish", activation, true}, {"HardSigmoid", activation, true},
    {"HardSwish", activation, true}, {"LeakyRelu", activation, true}, {"Elu", activation, true}, {"Gelu", gelu, true},
    {"Exp", function<Unary::exp>, true}, {"Log", function<Unary::log>, true}, {"Sqrt", function<Unary::sqrt>, true}, {"Reciprocal", function<Unary::reciprocal>, true},
    {"Neg", function<Unary::neg>, true}, {"Abs", function<Unary::abs>, true}, {"Erf", function<Unary::erf>, true}, {"Sign", function<Unary::sign>, true},
    {"Floor", function<Unary::floor>, true}, {"Ceil", function<Unary::ceil>, true}, {"Round", function<Unary::round_even>, true}, {"Sin", function<Unary::sin>, true},
    {"Cos", function<Unary::cos>, true}, {"Softplus", function<Unary::softplus>, true}, {"Softsign", function<Unary::softsign>, true}, {"Mish", function<Unary::mish>, true},
    {"Add", binary<Binary::add>, true}, {"Sub", binary<Binary::sub>, true}, {"Mul", binary<Binary::mul>, true}, {"Div", binary<Binary::div>, true}, {"Pow", binary<Binary::pow>, true},
    {"PRelu", binary<Binary::prelu>, true}, {"Max", binary<Binary::max>, true}, {"Min", binary<Binary::min>, true}, {"Sum", binary<Binary::add>, true},
    {"BatchNormalization", batch_normalization, true},
    {"Cast", elements<Function::cast>, true}, {"Neg", elements<Function::negate>, true}, {"Abs", elements<Function::magnitude>, true}, {"Not", elements<Function::logical_not>, true},
    {"Add", elements<Function::add>, true}, {"Sub", elements<Function::sub>, true}, {"Mul", elements<Function::mul>, true}, {"Max", elements<Function::max>, true}, {"Min", elements<Function::min>, true},
    {"Equal", elements<Function::equal>, true}, {"Less", elements<Function::less>, true}, {"LessOrEqual", elements<Function::less_or_equal>, true},
    {"Greater", elements<Function::less, true>, true}, {"GreaterOrEqual", elements<Function::less_or_equal, true>, true},
    {"And", elements<Function::bit_and>, true}, {"Or", elements<Function::bit_or>, true}, {"Xor", elements<Function::bit_xor>, true},
    {"BitwiseAnd", elements<Function::bit_and>, true}, {"BitwiseOr", elements<Function::bit_or>, true}, {"BitwiseXor", elements<Function::bit_xor>, true}, {"Where", elements<Function::where>, true},
};
}  // namespace

std::span<const KernelDef> elementwise_rows() { return kRows; }

std::optional<ActivationOf> activation_of(const NodeSite& s) {
  auto scalar = [&](std::size_t i, float fallback) -> std::optional<float> {
    if (!s.has(i)) return fallback;
    if (!s.constant[i] || s.constant[i]->dtype != DType::f32 || s.constant[i]->size() != 1) return {};
    return *s.constant[i]->as<float>();
  };
  if (s.op == "Relu") return ActivationOf{Activation::relu};
  if (s.op == "Clip") {
    auto low = scalar(1, -std::numeric_limits<float>::infinity()), high = scalar(2, std::numeric_limits<float>::infinity());
    if (!low || !high) return {};
    return ActivationOf{Activation::clip, *low, *high};
  }
  if (s.op == "Sigmoid") return ActivationOf{Activation::sigmoid};
  if (s.op == "Tanh") return ActivationOf{Activation::tanh};
  if (s.op == "Swish" && s.f("alpha") == 1) return ActivationOf{Activation::silu};
  if (s.op == "HardSigmoid") return ActivationOf{Activation::hardsigmoid, s.f("alpha"), s.f("beta")};
  if (s.op == "HardSwish") return ActivationOf{Activation::hardswish};
  if (s.op == "LeakyRelu") return ActivationOf{Activation::leakyrelu, s.f("alpha")};
  if (s.op == "Elu") return ActivationOf{Activation::elu, s.f("alpha")};
  if (s.op == "Gelu" && s.s("approximate") == "none") return ActivationOf{Activation::gelu};
  return {};
}

std::optional<Prepared> activation_call(const NodeSite& s, const ActivationOf& a, std::size_t i) {
  if (s.dtype(i) != DType::f32 || s.out.size() != 1 || s.dims(i) != s.out_dims()) return {};
  kernels::UnaryParams p;
  p.activation = a.activation;
  p.p0 = a.p0;
  p.p1 = a.p1;
  p.n = num_elements(s.out_dims());
  return call("unary_f32", p, {Operand::node(i)}, true);
}

std::optional<AffineOf> affine_of_batch_norm(const NodeSite& s, std::size_t first) {
  for (std::size_t i = first + 1; i < first + 5; ++i)
    if (i >= s.in.size() || !s.constant[i] || s.constant[i]->dtype != DType::f32) return {};
  const float *scale = s.constant[first + 1]->as<float>(), *bias = s.constant[first + 2]->as<float>();
  const float *mean = s.constant[first + 3]->as<float>(), *variance = s.constant[first + 4]->as<float>();
  AffineOf a;
  for (std::int64_t c = 0; c < s.constant[first + 1]->size(); ++c) {
    double k = double(scale[c]) / std::sqrt(double(variance[c]) + double(s.f("epsilon")));
    a.scale.push_back(float(k));
    a.shift.push_back(float(double(bias[c]) - double(mean[c]) * k));
  }
  return a;
}

}  // namespace saha::native
