// Element by element, comparisons, reductions, changes of type.
#include <algorithm>
#include <cmath>

#include "formats/tflite/write.hpp"

namespace saha::tflite {
namespace {
template <Code kCode> void unary(Writing& w) { w.op(kCode, {w.in(0)}, {w.out()}); }
template <Code kCode, class Options> void unary_with(Writing& w) { w.op(kCode, {w.in(0)}, {w.out()}, Options{}); }
template <Code kCode, class Options> void binary(Writing& w) {
  const std::int32_t a = w.in(0), b = w.in(1);
  w.op(kCode, {a, b}, {w.out()}, Options{});
}
template <Code kCode, class Options> void arithmetic(Writing& w) {
  const std::int32_t a = w.in(0), b = w.in(1);
  Options o;
  o.fused_activation_function = w.activation();
  w.op(kCode, {a, b}, {w.out()}, o);
}
const ir::Node* producer(const Writing& w, std::size_t i) { return w.has(i) ? w.g.producer(w.operand(i)) : nullptr; }

/// x * x of a difference is one kernel, where it is read by nothing else the other goes.
void mul(Writing& w) {
  const ir::Node* p = producer(w, 0);
  if (w.operand(0) == w.operand(1) && p && p->op == "Sub" && w.activation() == fb::ActivationFunctionType::NONE && !w.result().quant && w.result().dtype == DType::f32) {
    const ir::ValueId a = w.g.operand(*p, 0), b = w.g.operand(*p, 1);
    const std::size_t rank = w.order().size();
    if (w.g.type(a).dims.size() == rank && w.g.type(b).dims.size() == rank && rank <= 4) {
      const std::int32_t x = w.get(a, w.order()), y = w.get(b, w.order());
      return w.op(Code::SQUARED_DIFFERENCE, {x, y}, {w.out()}, fb::SquaredDifferenceOptionsT{});
    }
  }
  arithmetic<Code::MUL, fb::MulOptionsT>(w);
}
void reciprocal(Writing& w) {
  if (const ir::Node* p = producer(w, 0); p && p->op == "Sqrt") {
    const std::int32_t x = w.get(w.g.operand(*p, 0), w.rank() == w.order().size() ? w.order() : plain_order(w.rank()));
    return w.op(Code::RSQRT, {x}, {w.out()});
  }
  const std::int32_t one = w.constant(Tensor::scalar(w.type().dtype, 1)), x = w.in(0);
  w.op(Code::DIV, {one, x}, {w.out()}, fb::DivOptionsT{});
}
void logical_not(Writing& w) {
  if (const ir::Node* p = producer(w, 0); p && p->op == "Equal") {
    const ir::ValueId a = w.g.operand(*p, 0), b = w.g.operand(*p, 1);
    const std::size_t rank = w.order().size();
    if (w.g.type(a).dims.size() == rank && w.g.type(b).dims.size() == rank) {
      const std::int32_t x = w.get(a, w.order()), y = w.get(b, w.order());
      return w.op(Code::NOT_EQUAL, {x, y}, {w.out()}, fb::NotEqualOptionsT{});
    }
  }
  w.op(Code::LOGICAL_NOT, {w.in(0)}, {w.out()}, fb::LogicalNotOptionsT{});
}
void clip(Writing& w) {
  const Tensor *lo = w.data(1), *hi = w.data(2);
  if (!lo || !hi) return w.unsupported("has bounds that are computed");
  const Code code = lo->at(0) == 0 ? hi->at(0) == 6 ? Code::RELU6 : Code::RELU_0_TO_1 : Code::RELU_N1_TO_1;
  w.op(code, {w.in(0)}, {w.out()});
}
void leaky_relu(Writing& w) {
  fb::LeakyReluOptionsT o;
  o.alpha = w.f("alpha");
  w.op(Code::LEAKY_RELU, {w.in(0)}, {w.out()}, o);
}
void gelu(Writing& w) {
  fb::GeluOptionsT o;
  o.approximate = w.s("approximate") == "tanh";
  w.op(Code::GELU, {w.in(0)}, {w.out()}, o);
}
void prelu(Writing& w) {
  const std::int32_t x = w.in(0), slope = w.in(1);
  w.op(Code::PRELU, {x, slope}, {w.out()});
}
void mod(Writing& w) {
  if (w.i("fmod") == 0 && is_float(w.type().dtype)) return w.unsupported("takes the remainder of floating numbers without fmod");
  binary<Code::FLOOR_MOD, fb::FloorModOptionsT>(w);
}
void atan(Writing& w) {
  const std::int32_t x = w.in(0);
  const auto d = known_dims(w.type());
  if (!d) return w.unsupported("needs known extents, has " + ir::str(w.type()));
  Dims shape;
  for (std::int64_t a : w.order()) shape.push_back((*d)[std::size_t(a)]);
  w.op(Code::ATAN2, {x, w.constant(Tensor::of(DType::f32, shape, {1}))}, {w.out()}, fb::ATan2OptionsT{});
}
void shift(Writing& w) {
  if (w.s("direction") != "RIGHT" || !is_signed_int(w.type().dtype)) return w.unsupported("shifts " + w.s("direction") + " on " + std::string(name(w.type().dtype)) + ", RIGHT on signed integers is written");
  const Tensor* by = w.data(1);
  for (std::int64_t i = 0; by && i < by->size(); ++i) if (by->int_at(i) < 0 || by->int_at(i) >= bits(by->dtype)) by = nullptr;
  if (!by) return w.unsupported("shifts by what is no constant below " + std::to_string(bits(w.type().dtype)));
  binary<Code::RIGHT_SHIFT, fb::RightShiftOptionsT>(w);
}
void where(Writing& w) {
  const std::int32_t c = w.in(0), a = w.in(1), b = w.in(2);
  w.op(Code::SELECT_V2, {c, a, b}, {w.out()}, fb::SelectV2OptionsT{});
}

template <Code kCode> void reduce(Writing& w) {
  Ints axes = w.ints(1, "the list of axes");
  if (w.failed()) return;
  const Placed x = w.any(0);
  fb::ReducerOptionsT o;
  o.keep_dims = w.i("keepdims") != 0;
  Ints at;
  for (std::int64_t a : axes) at.push_back(std::find(x.order.begin(), x.order.end(), axis_in(a, w.rank())) - x.order.begin());
  std::sort(at.begin(), at.end());
  Ints out = x.order;
  if (!o.keep_dims) {
    Ints gone;
    for (std::int64_t a : axes) gone.push_back(axis_in(a, w.rank()));
    out = reduced_order(x.order, gone);
  }
  w.op(kCode, {x.tensor, w.ints32(at)}, {w.out_in(out)}, o);
}
Place where_reduced(const ir::Graph& g, const ir::Node& n) {
  if (*ir::attr<std::int64_t>(*n.attrs, "keepdims")) return Place::first;
  const ir::ValueId axes = g.operand(n, 1);
  return axes != ir::ValueId::none && !g[axes].constant ? Place::plain : Place::reduce;
}
template <Code kCode> void arg(Writing& w) {
  if (w.i("keepdims") != 0 || w.i("select_last_index") != 0) return w.unsupported("selects the last of equal elements");
  const Placed x = w.any(0);
  const std::int64_t axis = axis_in(w.i("axis"), w.rank());
  const std::int32_t at = w.scalar32(std::find(x.order.begin(), x.order.end(), axis) - x.order.begin()), y = w.out_in(reduced_order(x.order, {axis}));
  if constexpr (kCode == Code::ARG_MAX) {
    fb::ArgMaxOptionsT o;
    o.output_type = fb::TensorType::INT64;
    w.op(kCode, {x.tensor, at}, {y}, o);
  } else {
    fb::ArgMinOptionsT o;
    o.output_type = fb::TensorType::INT64;
    w.op(kCode, {x.tensor, at}, {y}, o);
  }
}
void cum_sum(Writing& w) {
  const Ints axis = w.ints(1, "the axis");
  if (w.failed() || axis.empty()) return;
  fb::CumsumOptionsT o;
  o.exclusive = w.i("exclusive") != 0;
  o.reverse = w.i("reverse") != 0;
  w.op(Code::CUMSUM, {w.in(0), w.scalar32(w.place(axis_in(axis[0], w.rank())))}, {w.out()}, o);
}
void one_hot(Writing& w) {
  const Tensor* depth = w.data(1);
  if (!depth || depth->size() != 1) return w.unsupported("has a depth that is computed");
  std::int32_t on, off;
  if (const Tensor* v = w.data(2)) {
    auto element = [&](std::int64_t i) { Tensor t = Tensor::zeros(v->dtype, {}); copy_elements(*v, i, 1, t, 0, 1); return t; };
    off = w.constant(element(0));
    on = w.constant(element(1));
  } else {
    const std::int32_t both = w.in(2);
    auto element = [&](std::int64_t i) {
      const std::int32_t y = w.temporary(w.type(2).dtype, {});
      fb::StridedSliceOptionsT o;
      o.shrink_axis_mask = 1;
      w.op(Code::STRIDED_SLICE, {both, w.ints32({i}), w.ints32({i + 1}), w.ints32({1})}, {y}, o);
      return y;
    };
    off = element(0);
    on = element(1);
  }
  fb::OneHotOptionsT o;
  o.axis = int(w.i("axis"));
  w.op(Code::ONE_HOT, {w.in(0), w.scalar32(std::int64_t(depth->at(0))), on, off}, {w.out()}, o);
}
void range(Writing& w) {
  auto scalar = [&](std::size_t i) {
    const Tensor* t = w.data(i);
    return t ? w.constant(t->reshaped({})) : w.in(i);
  };
  const std::int32_t from = scalar(0), to = scalar(1), step = scalar(2);
  w.op(Code::RANGE, {from, to, step}, {w.out()}, fb::RangeOptionsT{});
}
/// The kernel reads numbers as they are stored, as Cast does.
void cast(Writing& w) {
  const auto from = tensor_type(w.type().dtype), to = tensor_type(w.result().dtype);
  if (w.type().dtype == DType::string || w.result().dtype == DType::string || !from || !to) return w.unsupported("casts " + ir::str(w.type()) + " to " + ir::str(w.result()));
  fb::CastOptionsT o;
  o.in_data_type = *from;
  o.out_data_type = *to;
  w.op(Code::CAST, {w.in(0)}, {w.out()}, o);
}
void requantize(Writing& w) {
  const std::int32_t x = w.in(0);
  if (w.result().quant) return w.op(Code::QUANTIZE, {x}, {w.out()}, fb::QuantizeOptionsT{});
  w.op(Code::DEQUANTIZE, {x}, {w.out()}, fb::DequantizeOptionsT{});
}

constexpr WriteRule kRules[] = {
    {"Add", arithmetic<Code::ADD, fb::AddOptionsT>, Place::tied, true},
    {"Sub", arithmetic<Code::SUB, fb::SubOptionsT>, Place::tied, true},
    {"Mul", mul, Place::tied, true},
    {"Div", arithmetic<Code::DIV, fb::DivOptionsT>, Place::tied},
    {"Pow", binary<Code::POW, fb::PowOptionsT>, Place::tied},
    {"Mod", mod, Place::tied},
    {"Max", binary<Code::MAXIMUM, fb::MaximumMinimumOptionsT>, Place::tied, true},
    {"Min", binary<Code::MINIMUM, fb::MaximumMinimumOptionsT>, Place::tied, true},
    {"Relu", unary<Code::RELU>, Place::tied, true},
    {"Clip", clip, Place::first, true},
    {"LeakyRelu", leaky_relu, Place::tied, true},
    {"PRelu", prelu, Place::tied, true},
    {"Gelu", gelu, Place::tied},
    {"Elu", unary<Code::ELU>, Place::tied},
    {"HardSwish", unary_with<Code::HARD_SWISH, fb::HardSwishOptionsT>, Place::tied, true},
    {"Sigmoid", unary<Code::LOGISTIC>, Place::tied, true},
    {"Tanh", unary<Code::TANH>, Place::tied, true},
    {"Exp", unary_with<Code::EXP, fb::ExpOptionsT>, Place::tied},
    {"Log", unary<Code::LOG>, Place::tied},
    {"Sqrt", unary<Code::SQRT>, Place::tied},
    {"Reciprocal", reciprocal, Place::tied},
    {"Neg", unary_with<Code::NEG, fb::NegOptionsT>, Place::tied},
    {"Abs", unary_with<Code::ABS, fb::AbsOptionsT>, Place::tied},
    {"Sin", unary<Code::SIN>, Place::tied},
    {"Cos", unary_with<Code::COS, fb::CosOptionsT>, Place::tied},
    {"Atan", atan, Place::tied},
    {"Floor", unary<Code::FLOOR>, Place::tied},
    {"Ceil", unary<Code::CEIL>, Place::tied},
    {"Round", unary<Code::ROUND>, Place::tied},
    {"Sign", unary_with<Code::SIGN, fb::SignOptionsT>, Place::tied},
    {"Not", logical_not, Place::tied},
    {"And", binary<Code::LOGICAL_AND, fb::LogicalAndOptionsT>, Place::tied},
    {"Or", binary<Code::LOGICAL_OR, fb::LogicalOrOptionsT>, Place::tied},
    {"Xor", binary<Code::NOT_EQUAL, fb::NotEqualOptionsT>, Place::tied},
    {"BitwiseXor", binary<Code::BITWISE_XOR, fb::BitwiseXorOptionsT>, Place::tied},
    {"BitShift", shift, Place::tied},
    {"Equal", binary<Code::EQUAL, fb::EqualOptionsT>, Place::tied, true},
    {"Less", binary<Code::LESS, fb::LessOptionsT>, Place::tied, true},
    {"LessOrEqual", binary<Code::LESS_EQUAL, fb::LessEqualOptionsT>, Place::tied, true},
    {"Greater", binary<Code::GREATER, fb::GreaterOptionsT>, Place::tied, true},
    {"GreaterOrEqual", binary<Code::GREATER_EQUAL, fb::GreaterEqualOptionsT>, Place::tied, true},
    {"Where", where, Place::tied, true},
    {"ReduceSum", reduce<Code::SUM>, Place::plain, true, where_reduced},
    {"ReduceMean", reduce<Code::MEAN>, Place::plain, true, where_reduced},
    {"ReduceMax", reduce<Code::REDUCE_MAX>, Place::plain, true, where_reduced},
    {"ReduceMin", reduce<Code::REDUCE_MIN>, Place::plain, true, where_reduced},
    {"ReduceProd", reduce<Code::REDUCE_PROD>, Place::plain, false, where_reduced},
    {"ArgMax", arg<Code::ARG_MAX>, Place::plain, true, where_reduced},
    {"ArgMin", arg<Code::ARG_MIN>, Place::plain, true, where_reduced},
    {"CumSum", cum_sum, Place::first},
    {"OneHot", one_hot},
    {"Range", range},
    {"Cast", cast, Place::tied},
    {"Requantize", requantize, Place::tied, true},
};
}  // namespace

std::span<const WriteRule> math_writers() { return kRules; }

}  // namespace saha::tflite
