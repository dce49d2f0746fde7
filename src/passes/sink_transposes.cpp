// f(Transpose(x, p)) -> Transpose(f(x), p) for elementwise f;  f(Transpose(x, p), Transpose(y, p)) -> Transpose(f(x, y), p);
// f(Transpose(x, p), c) -> Transpose(f(x, c'), p) with the constant c moved the other way;  the same for Concat. Transposes meet and cancel.
// Where numbers become wider it is the narrow ones that move: Transpose(f(Cast(x))) -> f(Cast(Transpose(x))), and no transpose goes through such a Cast.
#include <algorithm>

#include "passes/passes.hpp"

namespace saha::passes {
namespace {
using op::Val;
using op::Vals;

const ir::Ints* perm_of(const ir::Node* n) { return is(n, "Transpose") ? ir::attr<ir::Ints>(*n->attrs, "perm") : nullptr; }

/// A constant of any lower rank seen through the inverse permutation, so that it broadcasts against the tensor before the transpose.
std::optional<Val> moved(op::Builder& b, Val c, const ir::Ints& perm) {
  const Tensor* t = b.data(c);
  if (!t || t->size() > 65536 || t->rank() > perm.size()) return {};
  if (t->size() == 1 && t->rank() == 0) return c;
  Dims wide(perm.size() - t->rank(), 1);
  wide.insert(wide.end(), t->dims.begin(), t->dims.end());
  ir::Ints inverse(perm.size());
  for (std::size_t i = 0; i < perm.size(); ++i) inverse[std::size_t(perm[i])] = std::int64_t(i);
  Datum d(t->reshaped(wide));
  const Datum* in[] = {&d};
  auto y = op::run(*op::find("Transpose")->def, in, {{"perm", inverse}}, 1);
  if (!y) return {};
  return b.constant(std::move((*y)[0].tensor));
}

bool widens(op::Builder& b, const ir::Node* n) {
  if (!is(n, "Cast")) return false;
  const DType from = b.type(operand(b, *n, 0)).dtype, to = b.type(Val{&b, b.graph().result(*n)}).dtype;
  return from != DType::none && from != DType::string && to != DType::string && bits(from) < bits(to);
}
bool elementwise(const ir::Node& n) {
  const op::OpDef& def = *op::find(n.op.str())->def;
  return def.blocks || (def.traits & op::kElementwise) || is(&n, "Cast") || is(&n, "Clip");
}

/// Transpose n of what a widening Cast and elementwise nodes with constants behind it give, each read by the next one only.
std::optional<Vals> hoisted(const ir::Graph& from, const ir::Node& n, const Vals& in, std::span<const std::uint32_t> uses, op::Builder& b) {
  const auto* perm = ir::attr<ir::Ints>(*n.attrs, "perm");
  if (!perm) return {};
  ir::Ints inverse(perm->size());
  for (std::size_t i = 0; i < perm->size(); ++i) inverse[std::size_t((*perm)[i])] = std::int64_t(i);
  std::vector<std::pair<ir::Node, std::size_t>> chain;   // of b's graph, the last first; the operand that is no constant
  Val y = in[0];
  ir::ValueId v = from.operand(n, 0);
  for (;;) {
    const ir::Node *p = b.producer(y), *original = from.producer(v);
    if (!p || !original || p->op != original->op || p->num_operands != original->num_operands || p->num_results != 1 || uses[std::size_t(v)] != 1 || !elementwise(*p)) return {};
    std::size_t next = 0, others = 0;
    for (std::size_t i = 0; i < p->num_operands; ++i)
      if (const Val x = operand(b, *p, i); x && !b.data(x)) { next = i; ++others; }
    if (others != 1 || b.type(operand(b, *p, next)).dims.size() != perm->size()) return {};
    chain.emplace_back(*p, next);
    y = operand(b, *p, next);
    v = from.operand(*original, next);
    if (widens(b, p)) break;
  }
  std::vector<Vals> operands;   // with the constants as they stand behind the transpose
  for (const auto& [p, next] : chain) {
    Vals& all = operands.emplace_back();
    for (std::size_t i = 0; i < p.num_operands; ++i) {
      const Val x = operand(b, p, i);
      if (i == next || !x || is(&p, "Clip")) { all.push_back(x); continue; }
      const auto c = moved(b, x, inverse);
      if (!c) return {};
      all.push_back(*c);
    }
  }
  Val x = b.op("Transpose", {y}, *n.attrs);
  for (std::size_t k = chain.size(); k-- > 0;) {
    operands[k][chain[k].second] = x;
    x = b.op(chain[k].first.op, operands[k], *chain[k].first.attrs);
  }
  return Vals{x};
}
}  // namespace

Result<ir::Graph> sink_transposes(const ir::Graph& g, const Options&) {
  auto uses = g.use_counts();
  return op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const Vals& in, op::Builder& b) -> std::optional<Vals> {
    if (is(&n, "Transpose")) return hoisted(from, n, in, uses, b);
    if (is(&n, "Cast") && bits(from.type(from.operand(n, 0)).dtype) < bits(from.type(from.result(n)).dtype)) return {};
    bool concat = is(&n, "Concat");
    if ((!elementwise(n) && !concat) || n.num_results != 1 || in.empty()) return {};
    const ir::Ints* perm = nullptr;
    for (const Val& v : in) if (v) if (const auto* p = perm_of(b.producer(v))) { perm = p; break; }
    if (!perm) return {};
    ir::Ints p = *perm;
    Vals operands;
    std::size_t moved_transposes = 0;
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (!in[i]) { operands.push_back({}); continue; }
      const ir::Node* producer = b.producer(in[i]);
      if (const auto* q = perm_of(producer); q && *q == p) {
        if (uses[std::size_t(from.operand(n, i))] != 1) return {};
        operands.push_back(operand(b, *producer, 0));
        ++moved_transposes;
      } else if (b.data(in[i]) && !concat) {
        if (is(&n, "Clip") || b.type(in[i]).dims.empty()) { operands.push_back(in[i]); continue; }
        auto c = moved(b, in[i], p);
        if (!c) return {};
        operands.push_back(*c);
      } else return {};
    }
    if (moved_transposes == 0 || from.type(from.result(n)).dims.size() != p.size()) return {};
    ir::Attrs attrs = *n.attrs;
    if (concat) {
      for (ir::NamedAttr& a : attrs) if (a.name == "axis") {
        auto axis = std::get<std::int64_t>(a.value);
        a.value = p[std::size_t(axis < 0 ? axis + std::int64_t(p.size()) : axis)];
      }
    }
    return Vals{b.op("Transpose", {b.op(n.op, operands, attrs)}, {{"perm", p}})};
  });
}

}  // namespace saha::passes
