// A graph in operators that TensorFlow Lite has: rules of say_*.cpp, then what the table says that an operator means, until all are written
// by a rule. Nodes on stored integers without a kernel compute between dequantising and quantising, which is what they mean.
#include "formats/tflite/write.hpp"

#include <algorithm>

#include "op/integer_form.hpp"

namespace saha::tflite {
namespace {
constexpr int kRounds = 40;  // of operators that stand for others

const SayRule* find_saying(ir::OpName op) {
  for (auto rules : {layer_sayings(), movement_sayings(), math_sayings(), control_sayings()})
    for (const SayRule& r : rules) if (r.op == op) return &r;
  return nullptr;
}
/// The type in which a kernel computes what no kernel takes in its own: every number of the one is a number of the other, and casting back gives
/// what the narrow operation gives (integers modulo 2^n, floats rounded once more).
std::optional<DType> wider(const ir::Node& n, DType t) {
  static constexpr ir::OpName kViews[] = {"Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Transpose", "Shape", "If", "Loop", "Requantize"};
  if (std::find(std::begin(kViews), std::end(kViews), n.op) != std::end(kViews)) return {};
  if (t == DType::f16) return DType::f32;
  if (t == DType::u16) return DType::i32;
  if (t == DType::u32) return DType::i64;
  static constexpr ir::OpName kArithmetic[] = {"Add", "Sub", "Mul", "Div", "Mod", "Pow", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Abs", "Neg", "Sign", "ReduceMax", "ReduceMin"};
  if ((t == DType::i8 || t == DType::u8 || t == DType::i16) && std::find(std::begin(kArithmetic), std::end(kArithmetic), n.op) != std::end(kArithmetic)) return DType::i32;
  return {};
}
std::optional<Vals> widened(const ir::Graph& from, const ir::Node& n, const Vals& in, op::Builder& b) {
  Vals wide = in;
  bool any = false;
  for (Val& v : wide) {
    if (!v || !b.type(v).is_tensor()) continue;
    if (const auto t = wider(n, b.type(v).dtype)) { v = b.op("Cast", {v}, {{"to", std::int64_t(*t)}}); any = true; }
  }
  if (!any) return {};
  Vals y = b.ops(n.op, wide, *n.attrs, n.num_results);
  for (std::size_t k = 0; k < y.size() && !b.failed(); ++k)
    if (const DType t = from.type(from.result(n, k)).dtype; t != b.type(y[k]).dtype) y[k] = b.op("Cast", {y[k]}, {{"to", std::int64_t(t)}});
  return y;
}
}  // namespace

std::optional<Ints> Saying::ints(std::size_t i) const {
  const Tensor* t = data(i);
  if (!t || (!is_int(t->dtype) && t->dtype != DType::boolean)) return {};
  return values<std::int64_t>(*t);
}
Vals Saying::same(ir::OpName op, Vals operands, Attrs attributes) const {
  if (!stored()) return b.ops(op, std::move(operands), std::move(attributes), num_out);
  std::vector<op::Stored> kept;
  for (std::size_t k = 0; k < n.num_results; ++k) kept.push_back(result(k).quant ? op::Stored{result(k).dtype, result(k).quant} : op::Stored{});
  if (const auto* rule = ir::find_attr(attrs, "rounding"); rule && !ir::find_attr(attributes, "rounding")) attributes.push_back({"rounding", *rule});
  return b.quantised(op, std::move(operands), std::move(attributes), kept);
}
Vals Saying::on_reals() const {
  Attrs rule;
  if (const auto* r = ir::find_attr(attrs, "rounding")) rule.push_back({"rounding", *r});
  Vals real = in;
  for (Val& v : real) if (v && b.type(v).quant) v = b.quantised("Requantize", {v}, rule, op::Stored{});
  Vals y = b.ops(n.op, std::move(real), without(attrs, {"rounding"}), num_out);
  for (std::size_t k = 0; k < y.size() && !b.failed(); ++k)
    if (result(k).quant) y[k] = b.quantised("Requantize", {y[k]}, rule, op::Stored{result(k).dtype, result(k).quant});
  return y;
}
Vals Saying::meant() const { return op::find(n.op.str())->def->body(*this); }

bool from_shapes(Val v) {
  op::Builder& b = *v.b;
  std::vector<ir::ValueId> open = {v.id};
  std::size_t seen = 0;
  for (; seen < open.size() && seen < 200; ++seen) {
    const ir::Value& x = b.graph()[open[seen]];
    if (x.constant) continue;
    if (x.producer < 0) return false;
    const ir::Node& n = b.graph().nodes()[std::size_t(x.producer)];
    if (n.op == "Shape" || n.op == "Size" || n.op == "NonZero") continue;
    if (op::find(n.op.str())->def->traits & op::kControl) return false;
    for (ir::ValueId o : b.graph().operands(n)) if (o != ir::ValueId::none) open.push_back(o);
  }
  return seen == open.size();
}
std::optional<Dims> known_dims(const ir::Type& t) {
  if (!t.is_tensor() || !ir::is_static(t)) return {};
  Dims d;
  for (const ir::Dim& x : t.dims) d.push_back(*x.known());
  return d;
}
Attrs without(const Attrs& attrs, std::initializer_list<std::string_view> names) {
  Attrs r;
  for (const ir::NamedAttr& a : attrs) if (std::find(names.begin(), names.end(), a.name) == names.end()) r.push_back(a);
  return r;
}
namespace {
/// A constant with other dims that hold the same elements; its scales lie along `axis` then.
Val reshaped_constant(Val v, Dims dims, int axis) {
  op::Builder& b = *v.b;
  const Tensor t = b.data(v)->reshaped(dims);
  return b.constant(std::make_shared<const Tensor>(t), ir::tensor_type(t.dtype, {dims.begin(), dims.end()}, ir::along(b.type(v).quant, axis)), b.graph()[v.id].name);
}
}  // namespace
Val unsqueezed(Val v, std::int64_t axis) {
  op::Builder& b = *v.b;
  if (b.failed()) return v;
  if (!b.data(v)) return b.op("Unsqueeze", {v, b.ints({axis})});
  Dims d = b.data(v)->dims;
  d.insert(d.begin() + axis, 1);
  const int along = b.type(v).quant ? b.type(v).quant->axis : 0;
  return reshaped_constant(v, d, along + (along >= axis));
}
Val squeezed(Val v, std::int64_t axis) { return v.b->op("Squeeze", {v, v.b->ints({axis})}); }
Val transposed(Val v, const Ints& perm) { return v.b->op("Transpose", {v}, {{"perm", perm}}); }
Val padded_by(Val v, const Ints& before, const Ints& after, std::optional<double> value) {
  op::Builder& b = *v.b;
  if (b.failed()) return v;
  auto nothing = [](const Ints& p) { return std::all_of(p.begin(), p.end(), [](std::int64_t x) { return x == 0; }); };
  if (nothing(before) && nothing(after)) return v;
  const ir::Type& t = b.type(v);
  Ints pads = before;
  pads.insert(pads.end(), after.begin(), after.end());
  if (!value && t.quant && t.quant->zero[0]) value = double(t.quant->zero[0]);
  Vals operands = {v, b.ints(pads)};
  if (value) operands.push_back(b.scalar(*value, t.dtype));
  return b.op("Pad", operands);
}

namespace {
bool one_of(ir::OpName op, std::initializer_list<std::string_view> names) { return std::find(names.begin(), names.end(), op.str()) != names.end(); }
/// The grid of a kernel that gives numbers of a known range: its step, and zero on int8; uint8's zero is 128 higher, int16 has finer steps about 0.
struct Range {
  std::string_view op;
  float step, fine;        ///< of 8 and of 16 bits; 0: there is no such kernel
  std::int64_t zero;
};
constexpr Range kRanges[] = {{"Softmax", 1.f / 256, 1.f / 32768, -128}, {"LogSoftmax", 16.f / 256, 0, 127}, {"LpNormalization", 1.f / 128, 0, 0}};
/// The kernel on stored numbers gives the grid that the result has.
bool grids_fit(const Saying& s) {
  const ir::Type &x = s.type(0), &y = s.result();
  if (!x.quant || !y.quant) return true;
  if (one_of(s.n.op, {"AveragePool", "MaxPool", "GlobalMaxPool", "ReduceMax", "ReduceMin", "Max", "Min", "Resize"}))
    for (const Val& v : s.in) if (v && s.b.type(v).quant && !op::same_storage(s.b.type(v), y)) return false;
  for (const Range& r : kRanges) {
    if (s.n.op.str() != r.op) continue;
    const bool wide = bits(y.dtype) == 16;
    const float step = wide ? r.fine : r.step;
    return step > 0 && std::abs(y.quant->scale[0] / step - 1) < 1e-3f && y.quant->zero[0] == (wide ? 0 : r.zero + (y.dtype == DType::u8 ? 128 : 0));
  }
  return bits(x.dtype) == bits(y.dtype) || one_of(s.n.op, {"Requantize", "LSTM"});
}
}  // namespace

Result<ir::Graph> said(const ir::Graph& g, bool wraps) {
  ir::Graph r = g;
  bool changed = true;
  for (int round = 0; round < kRounds && changed; ++round) {
    changed = false;
    std::string failing;   // the node whose rule failed first
    const auto said_by = [&](const ir::Graph& from, const ir::Node& n, const Vals& in, op::Builder& b) -> std::optional<Vals> {
      const Saying s{{{*n.attrs}, b, in, {}, n.num_results}, from, n, wraps};
      const bool stored = s.stored();
      if (const SayRule* rule = find_saying(n.op); rule && (!stored || rule->stored))
        if (auto y = rule->say(s)) { changed = true; return y; }
      const WriteRule* writer = find_writer(n.op);
      if (stored && (!writer || !writer->stored || !grids_fit(s))) { changed = true; return s.on_reals(); }
      if (writer && !stored) if (auto y = widened(from, n, in, b)) { changed = true; return y; }
      if (!writer && !stored && op::find(n.op.str())->def->body) { changed = true; return s.meant(); }
      return {};
    };
    auto next = op::rewrite(r, [&](const ir::Graph& from, const ir::Node& n, const Vals& in, op::Builder& b) {
      const bool sound = !b.failed();
      auto y = said_by(from, n, in, b);
      if (sound && b.failed()) failing = "node '" + (n.origin ? *n.origin : from.name(from.result(n))) + "' (" + std::string(n.op.str()) + ")";
      return y;
    }, op::Quantised::see);
    if (!next) return failing.empty() || next.error().message.starts_with("node '") ? std::move(next.error()) : std::move(next.error()).within(failing);
    r = std::move(*next);
  }
  // Sub-graphs last: by now those that stay are known.
  std::optional<Error> failed;
  SAHA_TRY(r, op::rewrite(r, [&](const ir::Graph&, const ir::Node& n, const Vals& in, op::Builder& b) -> std::optional<Vals> {
    Attrs attrs = *n.attrs;
    bool nested = false;
    for (ir::NamedAttr& a : attrs) {
      auto* sub = std::get_if<ir::GraphRef>(&a.value);
      if (!sub || failed) continue;
      auto inner = said(**sub, wraps);
      if (!inner) { failed = std::move(inner.error()); continue; }
      a.value = std::make_shared<const ir::Graph>(std::move(*inner));
      nested = true;
    }
    if (!nested || failed) return {};
    return b.ops(n.op, in, attrs, n.num_results);
  }));
  if (failed) return std::move(*failed);
  return r;
}

}  // namespace saha::tflite
