#include "backends/native/tables.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "op/builder.hpp"

namespace saha::native {
namespace {
bool bytes(const ir::Type& t) { return t.is_tensor() && (t.dtype == DType::i8 || t.dtype == DType::u8) && (!t.quant || t.quant->scale.size() == 1); }

/// Element by element by their entries' own account of stored numbers.
constexpr std::array<ir::OpName, 4> kByNumber = {"Identity", "Cast", "QuantizeLinear", "DequantizeLinear"};
bool by_number(ir::OpName name) { return std::find(kByNumber.begin(), kByNumber.end(), name) != kByNumber.end(); }
/// Element by element where every other operand is one number.
bool pointwise(const op::OpDef& def, std::span<const ir::TypeRef> in, const ir::Attrs& attrs, int depth = 0) {
  if ((def.traits & op::kElementwise) || by_number(def.name)) return true;
  if (!def.body || depth > 4) return false;
  auto body = op::expand(def, in, attrs, 1);
  if (!body) return false;
  for (const ir::Value& v : body->values()) if (v.constant && v.constant->size() != 1) return false;
  for (const ir::Node& n : body->nodes()) {
    std::vector<ir::TypeRef> types;
    for (ir::ValueId v : body->operands(n)) types.push_back(v == ir::ValueId::none ? ir::TypeRef{} : (*body)[v].type);
    if (!pointwise(*op::find(n.op.str())->def, types, *n.attrs, depth + 1)) return false;
  }
  return true;
}

/// The node's result where operand k has dims `dims[k]` (empty: the constant that it is) and the bytes 0, 1, .. 255.
std::optional<Tensor> on_all_bytes(const NodeSite& s, std::span<const Dims> dims) {
  op::Builder b;
  op::Vals in;
  std::vector<Datum> data;
  const auto plain = [](const ir::TypeRef& t, const Dims& d) { return ir::tensor_type(t->dtype, {d.begin(), d.end()}, t->quant); };
  for (std::size_t k = 0; k < s.in.size(); ++k) {
    if (!s.in[k]) { in.push_back({}); continue; }
    if (dims[k].empty()) { in.push_back(b.constant(std::make_shared<const Tensor>(*s.constant[k]), s.in[k])); continue; }
    in.push_back(b.input(plain(s.in[k], dims[k])));
    Tensor all = Tensor::zeros(s.in[k]->dtype, dims[k]);
    std::iota(all.as<std::uint8_t>(), all.as<std::uint8_t>() + 256, std::uint8_t{0});
    data.emplace_back(std::move(all));
  }
  const ir::OpName name = op::find(s.op)->def->name;
  const bool quantised = !by_number(name) && (s.out[0]->quant || std::any_of(s.in.begin(), s.in.end(), [](const ir::TypeRef& t) { return t && t->quant; }));
  const op::Val y = quantised ? b.quantised(name, in, s.attrs, op::Stored{s.out[0]->dtype, s.out[0]->quant}) : b.op(name, in, s.attrs);
  auto graph = std::move(b).build({y});
  if (!graph) return {};
  auto r = op::run(*graph, data);
  if (!r || !(*r)[0].is_tensor() || (*r)[0].tensor.dtype != s.out[0]->dtype) return {};
  return std::move((*r)[0].tensor);
}
}  // namespace

std::optional<TableOf> table_of(const NodeSite& s) {
  const op::OpDef& def = *op::find(s.op)->def;
  if (s.out.size() != 1 || !s.out[0]->is_tensor() || (def.traits & (op::kControl | op::kRandom | op::kSideEffect | op::kView)) || (s.out[0]->quant && s.out[0]->quant->scale.size() > 1)) return {};
  std::optional<std::size_t> operand;
  for (std::size_t k = 0; k < s.in.size(); ++k) {
    if (!s.in[k]) continue;
    if (s.constant[k]) {
      if (s.constant[k]->size() != 1) return {};
    } else if (operand || !bytes(*s.in[k]) || s.dims(k) != s.out_dims()) return {};
    else operand = k;
  }
  const std::int64_t entry = bits(s.out[0]->dtype);
  if (!operand || (entry != 8 && entry != 32) || !pointwise(def, s.in, s.attrs)) return {};
  std::vector<Dims> dims(s.in.size());
  dims[*operand] = {256};
  auto table = on_all_bytes(s, dims);
  if (!table || table->size() != 256) return {};
  return TableOf{*operand, std::move(*table)};
}

std::optional<Tensor> pair_table_of(const NodeSite& s) {
  if (s.in.size() != 2 || s.out.size() != 1 || !s.in[0] || !s.in[1] || !bytes(*s.in[0]) || !bytes(*s.in[1]) || !bytes(*s.out[0]) || !(op::find(s.op)->def->traits & op::kElementwise)) return {};
  const std::array<Dims, 2> dims = {Dims{256, 1}, Dims{1, 256}};
  auto table = on_all_bytes(s, dims);
  return table && table->size() == 65536 ? std::move(table) : std::nullopt;
}

std::optional<Clamp> clamp_of(const Tensor& table, DType dtype) {
  if (table.dtype != dtype || table.size() != 256) return {};
  const IntRange range = int_range(dtype);
  const auto f = [&](std::int64_t v) { return table.int_at(v & 0xff); };
  const Clamp c{std::int32_t(f(range.lo)), std::int32_t(f(range.hi))};
  for (std::int64_t v = range.lo; v <= range.hi; ++v) if (f(v) != std::clamp<std::int64_t>(v, c.lo, std::max(c.lo, c.hi))) return {};
  return c;
}

}  // namespace saha::native
