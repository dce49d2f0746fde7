// Functions of one variable, binaries with their broadcasts (of int32, too), BatchNormalization at inference, on the float32 kernels.
#include "backends/native/kernel_table.hpp"
#include "backends/native/rows.hpp"
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

template <Binary O> std::optional<Prepared> binary(const NodeSite& s) {
  if (s.in.size() != 2 || !s.has(0) || !s.has(1)) return {};
  const bool integers = (O == Binary::add || O == Binary::sub || O == Binary::mul) && s.dtype(0) == DType::i32 && s.dtype(1) == DType::i32 && s.out[0]->dtype == DType::i32;
  if ((!integers && !s.all_f32()) || s.in[0]->quant || s.in[1]->quant || s.out[0]->quant) return {};
  Dims a = s.dims(0), b = s.dims(1), y = s.out_dims();
  if (y.size() > std::size_t(kernels::kMaxRank)) return {};
  auto p = kernels::prepare_binary(O, a, b);
  return call(integers ? "binary_i32" : "binary_f32", p, {Operand::node(0), Operand::node(1)}, num_elements(a) == num_elements(y));
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
  Prepared r = call("affine_f32", p, {Operand::node(0), Operand::packed(0), Operand::packed(1)}, true);
  for (auto* v : {&affine->scale, &affine->shift}) {
    auto t = packed_buffer(std::int64_t(v->size()));
    if (!t) return {};
    std::copy(v->begin(), v->end(), t->as<float>());
    r.packed.push_back(std::move(*t));
  }
  return r;
}

constexpr KernelDef kRows[] = {
    {"Relu", activation}, {"Clip", activation}, {"Sigmoid", activation}, {"Tanh", activation}, {"Swish", activation}, {"HardSigmoid", activation},
    {"HardSwish", activation}, {"LeakyRelu", activation}, {"Elu", activation}, {"Gelu", gelu},
    {"Exp", function<Unary::exp>}, {"Log", function<Unary::log>}, {"Sqrt", function<Unary::sqrt>}, {"Reciprocal", function<Unary::reciprocal>},
    {"Neg", function<Unary::neg>}, {"Abs", function<Unary::abs>}, {"Erf", function<Unary::erf>}, {"Sign", function<Unary::sign>},
    {"Floor", function<Unary::floor>}, {"Ceil", function<Unary::ceil>}, {"Round", function<Unary::round_even>}, {"Sin", function<Unary::sin>},
    {"Cos", function<Unary::cos>}, {"Softplus", function<Unary::softplus>}, {"Softsign", function<Unary::softsign>}, {"Mish", function<Unary::mish>},
    {"Add", binary<Binary::add>}, {"Sub", binary<Binary::sub>}, {"Mul", binary<Binary::mul>}, {"Div", binary<Binary::div>}, {"Pow", binary<Binary::pow>},
    {"PRelu", binary<Binary::prelu>}, {"Max", binary<Binary::max>}, {"Min", binary<Binary::min>}, {"Sum", binary<Binary::add>},
    {"BatchNormalization", batch_normalization},
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
