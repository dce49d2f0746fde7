// Applies the rows of history.cpp backward, newest first.
#include "formats/onnx/downgrade.hpp"

#include <algorithm>

#include "formats/onnx/history.hpp"

namespace saha::onnx {

bool Down::has(std::size_t i) const {
  if (i >= r.in.size()) return false;
  const auto* v = std::get_if<ir::ValueId>(&r.in[i]);
  return !v || *v != ir::ValueId::none;
}
const Tensor* Down::constant(std::size_t i) const {
  if (!has(i)) return nullptr;
  if (const auto* t = std::get_if<Tensor>(&r.in[i])) return t;
  return g[std::get<ir::ValueId>(r.in[i])].constant.get();
}
const ir::Type* Down::type(std::size_t i) const {
  if (!has(i)) return nullptr;
  const auto* v = std::get_if<ir::ValueId>(&r.in[i]);
  return v ? &g.type(*v) : nullptr;
}
const ir::Node* Down::producer(std::size_t i) const {
  if (!has(i)) return nullptr;
  const auto* v = std::get_if<ir::ValueId>(&r.in[i]);
  return v ? g.producer(*v) : nullptr;
}
void Down::erase(std::string_view name) {
  std::erase_if(r.attrs, [&](const ir::NamedAttr& a) { return a.name == name; });
}
void Down::set(std::string_view name, ir::Attr value) {
  erase(name);
  r.attrs.push_back({std::string(name), std::move(value)});
}
Error Down::need(std::int64_t opset, std::string_view what) const {
  return {ErrorCode::unsupported, g.describe(n) + ": " + std::string(what) + " needs opset " + std::to_string(opset) + " of " + (r.domain.empty() ? "ai.onnx" : r.domain) +
                                      ", the model is of " + std::to_string(target)};
}

namespace {
/// What the operator did before the attribute came: the default of today's signature, or steps of 1.
bool is_default(const Down& d, std::string_view name, const ir::Attr& value) {
  const op::Entry* e = op::find(d.n.op.str());
  const op::AttrParam* p = e ? e->signature.attr(name) : nullptr;
  if (p && p->initial) return ir::same_attrs({{"", *p->initial}}, {{"", value}});
  const auto* is = std::get_if<ir::Ints>(&value);
  return is && name == "dilations" && std::all_of(is->begin(), is->end(), [](std::int64_t v) { return v == 1; });
}
Result<> undo_added(Down& d, const Row& row) {
  for (std::string_view name : words(row.attr)) {
    const ir::Attr* a = d.attr(name);
    if (!a) continue;
    if (!is_default(d, name, *a)) return d.need(row.before, "attribute '" + std::string(name) + "'");
    d.erase(name);
  }
  return {};
}
Result<> undo_operand(Down& d, const Row& row) {
  auto slot = std::size_t(row.slot);
  if (!d.has(slot)) return {};
  const Tensor* t = d.constant(slot);
  if (!t || t->dtype == DType::string || is_complex(t->dtype)) return d.need(row.before, "a computed '" + std::string(row.attr) + "'");
  if (row.form == Form::vector) d.set(row.attr, values<std::int64_t>(*t));
  else if (t->size() != 1) return d.need(row.before, "'" + std::string(row.attr) + "' of " + std::to_string(t->size()) + " elements");
  else if (row.form == Form::one) d.set(row.attr, t->int_at(0));
  else d.set(row.attr, float(t->at(0)));
  d.drop_operand(slot);
  return {};
}
constexpr std::string_view kCountedFromFront =
    "Concat Flatten Gather Squeeze Unsqueeze Split Slice Softmax LogSoftmax Hardmax ArgMax ArgMin Compress Scatter ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin "
    "ReduceProd ReduceSum ReduceSumSquare";
/// Before opset 11 these operators took no negative axes.
Result<> count_from_front(Down& d) {
  auto list = words(kCountedFromFront);
  if (d.target >= 11 || !d.r.domain.empty() || std::find(list.begin(), list.end(), d.r.op) == list.end()) return {};
  for (ir::NamedAttr& a : d.r.attrs) {
    if (a.name != "axis" && a.name != "axes") continue;
    auto* i = std::get_if<std::int64_t>(&a.value);
    auto* is = std::get_if<ir::Ints>(&a.value);
    if (!(i && *i < 0) && !(is && std::any_of(is->begin(), is->end(), [](std::int64_t v) { return v < 0; }))) continue;
    const ir::Type* x = d.type(0);
    if (!x || !x->ranked) return d.need(11, "a negative axis of a tensor of unknown rank");
    auto rank = std::int64_t(x->dims.size()) + (d.r.op == "Unsqueeze" && is ? std::int64_t(is->size()) : 0);
    if (i && *i < 0) *i += rank;
    if (is) for (std::int64_t& v : *is) if (v < 0) v += rank;
  }
  return {};
}
/// The operator set that brought the type; no operator takes it before.
std::int64_t opset_of(DType t) {
  if (t == DType::bf16) return 13;
  if (t == DType::i4 || t == DType::u4) return 21;
  if (t == DType::f4e2m1) return 23;
  if (t == DType::f8e8m0) return 24;
  if (t == DType::i2 || t == DType::u2) return 25;
  if (is_float(t) && bits(t) == 6) return 28;
  return is_float(t) && bits(t) == 8 ? 19 : 1;
}
Result<> check_types(const Down& d) {
  for (std::size_t i = 0; i < d.n.num_operands + std::size_t(d.n.num_results); ++i) {
    ir::ValueId v = i < d.n.num_operands ? d.g.operand(d.n, i) : d.g.result(d.n, i - d.n.num_operands);
    if (v == ir::ValueId::none || !d.g.type(v).is_tensor()) continue;
    if (std::int64_t first = opset_of(d.g.type(v).dtype); first > d.target) return d.need(first, "the type " + std::string(name(d.g.type(v).dtype)));
  }
  return {};
}
/// com.microsoft's operator of the same name, where the model's own operator set is too old for the standard one.
bool goes_to_microsoft(Down& d) {
  if (!same_in_microsoft(d.r.op)) return false;
  auto narrow = [&] {  // types that the standard operators took later
    for (std::size_t i = 0; i < d.n.num_operands + std::size_t(d.n.num_results); ++i) {
      ir::ValueId v = i < d.n.num_operands ? d.g.operand(d.n, i) : d.g.result(d.n, i - d.n.num_operands);
      if (v == ir::ValueId::none) continue;
      DType t = d.g.type(v).dtype;
      if (t == DType::i16 || t == DType::u16 || t == DType::i4 || t == DType::u4) return true;
    }
    return false;
  };
  bool quantises = d.r.op == "QuantizeLinear" || d.r.op == "DequantizeLinear";
  if (const auto* block = d.attr("block_size"); quantises && block && !ir::same_attrs({{"", *block}}, {{"", std::int64_t{0}}})) return false;
  if (quantises ? d.target >= 21 || !narrow() : first_opset(d.r.op) <= d.target) return false;
  if (const auto* how = d.attr("approximate"); how && d.r.op == "Gelu") {
    const auto* s = std::get_if<std::string>(how);
    if (s && *s == "tanh") d.r.op = "FastGelu";
    d.erase("approximate");
  }
  for (std::string_view newer : {"block_size", "output_dtype", "precision", "saturate"}) if (quantises) d.erase(newer);
  d.r.domain = "com.microsoft";
  d.r.older = true;
  return true;
}
}  // namespace

Result<OldRecord> downgrade(const ir::Graph& g, const ir::Node& n, std::int64_t opset, bool microsoft) {
  const op::Entry* e = op::find(n.op.str());
  if (!e) return Error{ErrorCode::internal, g.describe(n) + ": the operator is not known"};
  Down d{g, n, opset, {std::string(e->def->domain), std::string(n.op.str()), *n.attrs, {}, n.num_results}};
  for (ir::ValueId v : g.operands(n)) d.r.in.push_back(v);
  if (d.r.domain == "com.microsoft" && d.r.op.starts_with("Ms")) d.r.op.erase(0, 2);  // a name that ai.onnx has, too
  if (!d.r.domain.empty() && d.r.domain != "ai.onnx.ml") return std::move(d.r);
  if (microsoft && goes_to_microsoft(d)) return std::move(d.r);
  auto rows = history_of(d.r.op);
  for (std::size_t k = rows.size(); k-- > 0;) {
    const Row& r = *rows[k];
    if (opset >= r.before) continue;
    d.r.older = true;
    switch (r.kind) {
      case RowKind::drop: if (r.value.kind) d.set(r.attr, attr_of(r.value)); break;
      case RowKind::set: break;  // the value is written out
      case RowKind::meant: {
        const ir::Attr* a = d.attr(r.attr);
        if (a && !ir::same_attrs({{"", *a}}, {{"", attr_of(r.value)}})) return d.need(r.before, "attribute '" + std::string(r.attr) + "'");
        d.erase(r.attr);
        break;
      }
      case RowKind::added: { SAHA_DO(undo_added(d, r)); break; }
      case RowKind::renamed: for (ir::NamedAttr& a : d.r.attrs) if (a.name == r.other) a.name = r.attr; break;
      case RowKind::operand: { SAHA_DO(undo_operand(d, r)); break; }
      case RowKind::function: if (r.down) { SAHA_DO(r.down(d)); } break;
    }
  }
  if (std::int64_t first = onnx::first_opset(d.r.op); first > opset) return d.need(first, "the operator");
  if (d.r.domain.empty()) { SAHA_DO(check_types(d)); }
  SAHA_DO(count_from_front(d));
  while (!d.r.in.empty() && !d.has(d.r.in.size() - 1)) d.r.in.pop_back();
  return std::move(d.r);
}

}  // namespace saha::onnx
