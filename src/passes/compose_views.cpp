// Reshape(Reshape(x)) -> Reshape(x);  Transpose(Transpose(x, p), q) -> Transpose(x, p o q);  Unsqueeze(Unsqueeze(x)) -> one;
// Slice(Slice(x)) on different axes -> one;  Concat(.., Concat(..)) -> one;  Cast(Cast(x)) through a wider type -> one;
// Gemm(Transpose(a), b) -> Gemm with transA;  Conv(Pad(x)) -> Conv with pads;
// AveragePool(Pad(x)) -> AveragePool with pads that count;  a Transpose of axes of extent 1 before or after a view is part of the view.
#include <algorithm>

#include "passes/passes.hpp"

namespace saha::passes {
namespace {
using op::Val;
using op::Vals;
using Found = std::optional<Vals>;

/// Moves axes of extent 1 only: in memory nothing happens.
bool moves_nothing(const ir::Node* n, const ir::Type& x) {
  const auto* perm = is(n, "Transpose") ? ir::attr<ir::Ints>(*n->attrs, "perm") : nullptr;
  if (!perm || !x.ranked || perm->size() != x.dims.size()) return false;
  std::int64_t last = -1;
  for (std::int64_t a : *perm) {
    if (x.dims[std::size_t(a)].is(1)) continue;
    if (a < last) return false;
    last = a;
  }
  return true;
}
bool is_reshaping(const ir::Node* n) { return is(n, "Reshape") || is(n, "Flatten") || is(n, "Squeeze") || is(n, "Unsqueeze"); }

Found reshape(const ir::Node& n, const Vals& in, const ir::Type& y, op::Builder& b) {
  const ir::Node* p = b.producer(in[0]);
  if (!is_reshaping(p) && !(is(p, "Transpose") && moves_nothing(p, b.type(operand(b, *p, 0))))) return {};
  Val x = operand(b, *p, 0);
  if (is(&n, "Reshape")) {
    auto shape = int_elements(b, in[1]);
    if (!shape) return {};
    for (std::size_t i = 0; i < shape->size(); ++i) {
      if ((*shape)[i] != 0) continue;
      const ir::Type& t = b.type(x);   // 0 copies the dim of the operand: it must mean the same one of x
      if (i >= t.dims.size() || i >= y.dims.size() || !(t.dims[i] == y.dims[i])) return {};
    }
    return Vals{b.op("Reshape", {x, in[1]}, *n.attrs)};
  }
  // Flatten, Squeeze, Unsqueeze or such a Transpose of a view: a Reshape where the shape can be written down with one open dim at most.
  if (!y.ranked) return {};
  std::vector<std::int64_t> shape;
  int open = 0;
  for (const ir::Dim& d : y.dims) {
    if (d.is(0)) return {};
    shape.push_back(d.known().value_or(-1));
    open += !d.known();
  }
  if (open > 1) return {};
  return Vals{b.op("Reshape", {x, b.ints(shape)})};
}

Found transpose(const ir::Node& n, const Vals& in, op::Builder& b) {
  const ir::Node* p = b.producer(in[0]);
  if (!is(p, "Transpose")) return {};
  const auto *outer = ir::attr<ir::Ints>(*n.attrs, "perm"), *inner = ir::attr<ir::Ints>(*p->attrs, "perm");
  if (!outer || !inner || outer->size() != inner->size()) return {};
  ir::Ints both(outer->size());
  for (std::size_t i = 0; i < both.size(); ++i) both[i] = (*inner)[std::size_t((*outer)[i])];
  return Vals{b.op("Transpose", {operand(b, *p, 0)}, {{"perm", both}})};
}

Found concat(const ir::Node& n, const Vals& in, op::Builder& b, const std::function<bool(Val)>& single_use) {
  Vals flat;
  bool any = false;
  auto axis = [&](const ir::Node& m, std::size_t rank) { auto a = *ir::attr<std::int64_t>(*m.attrs, "axis"); return a < 0 ? a + std::int64_t(rank) : a; };
  for (const Val& v : in) {
    const ir::Node* p = b.producer(v);
    std::size_t rank = b.type(v).dims.size();
    if (is(p, "Concat") && axis(*p, rank) == axis(n, rank) && single_use(v)) {
      for (std::size_t i = 0; i < p->num_operands; ++i) flat.push_back(operand(b, *p, i));
      any = true;
    } else flat.push_back(v);
  }
  if (!any) return {};
  return Vals{b.op("Concat", flat, *n.attrs)};
}

/// Every value of `from` is one of `to`.
bool widens(DType from, DType to) {
  if (from == to) return true;
  if (from == DType::boolean) return is_int(to) || is_float(to);
  if (is_float(from) && is_float(to)) return to == DType::f64 || (to == DType::f32 && bits(from) <= 16);
  if (is_int(from) && is_int(to)) return (is_signed_int(to) && bits(to) > bits(from)) || (is_signed_int(from) == is_signed_int(to) && bits(to) >= bits(from));
  if (is_int(from) && is_float(to)) return (to == DType::f64 && bits(from) <= 32) || (to == DType::f32 && bits(from) <= 16);
  return false;
}

Found cast(const ir::Node& n, const Vals& in, op::Builder& b) {
  const ir::Node* p = b.producer(in[0]);
  if (!is(p, "Cast")) return {};
  Val x = operand(b, *p, 0);
  if (!widens(b.type(x).dtype, b.type(in[0]).dtype)) return {};
  return Vals{b.op("Cast", {x}, *n.attrs)};
}

Found unsqueeze(const ir::Node& n, const Vals& in, op::Builder& b) {
  const ir::Node* p = b.producer(in[0]);
  if (!is(p, n.op.str()) || in.size() < 2) return {};
  auto first = int_elements(b, operand(b, *p, 1)), second = int_elements(b, in[1]);
  const ir::Type &x = b.type(operand(b, *p, 0)), &mid = b.type(in[0]);
  if (!first || !second || !x.ranked || !mid.ranked) return {};
  bool insert = is(&n, "Unsqueeze");
  auto rank0 = std::int64_t(x.dims.size()), rank1 = std::int64_t(mid.dims.size()), rank2 = rank1 + (insert ? 1 : -1) * std::int64_t(second->size());
  for (auto& a : *first) if (a < 0) a += insert ? rank1 : rank0;
  for (auto& a : *second) if (a < 0) a += insert ? rank2 : rank1;
  std::vector<std::int64_t> axes;
  if (insert) {  // places in the final shape: those of the second, and the first ones moved past them
    axes = *second;
    std::vector<std::int64_t> place;   // of each dim of the middle shape in the final one
    for (std::int64_t i = 0; i < rank2; ++i) if (std::find(second->begin(), second->end(), i) == second->end()) place.push_back(i);
    for (auto a : *first) { if (a < 0 || std::size_t(a) >= place.size()) return {}; axes.push_back(place[std::size_t(a)]); }
  } else {
    axes = *first;
    std::vector<std::int64_t> place;   // of each dim of the middle shape in the first one
    for (std::int64_t i = 0; i < rank0; ++i) if (std::find(first->begin(), first->end(), i) == first->end()) place.push_back(i);
    for (auto a : *second) { if (a < 0 || std::size_t(a) >= place.size()) return {}; axes.push_back(place[std::size_t(a)]); }
  }
  std::sort(axes.begin(), axes.end());
  return Vals{b.op(n.op, {operand(b, *p, 0), b.ints(axes)})};
}

Found slice(const ir::Node& n, const Vals& in, op::Builder& b) {
  const ir::Node* p = b.producer(in[0]);
  if (!is(p, "Slice")) return {};
  std::size_t rank = b.type(in[0]).dims.size();
  struct Parts { std::vector<std::int64_t> starts, ends, axes, steps; };
  auto parts = [&](const ir::Node& m, const std::function<Val(std::size_t)>& at) -> std::optional<Parts> {
    auto s = int_elements(b, at(1)), e = int_elements(b, at(2));
    if (!s || !e) return {};
    Parts r{*s, *e, {}, {}};
    for (std::size_t i = 0; i < s->size(); ++i) { r.axes.push_back(std::int64_t(i)); r.steps.push_back(1); }
    if (m.num_operands > 3 && at(3)) { auto a = int_elements(b, at(3)); if (!a) return {}; r.axes = *a; }
    if (m.num_operands > 4 && at(4)) { auto a = int_elements(b, at(4)); if (!a) return {}; r.steps = *a; }
    for (auto& a : r.axes) if (a < 0) a += std::int64_t(rank);
    return r;
  };
  auto inner = parts(*p, [&](std::size_t i) { return operand(b, *p, i); });
  auto outer = parts(n, [&](std::size_t i) { return i < in.size() ? in[i] : Val{}; });
  if (!inner || !outer) return {};
  for (auto a : outer->axes) if (std::find(inner->axes.begin(), inner->axes.end(), a) != inner->axes.end()) return {};
  for (auto [to, from] : {std::pair{&inner->starts, &outer->starts}, {&inner->ends, &outer->ends}, {&inner->axes, &outer->axes}, {&inner->steps, &outer->steps}}) to->insert(to->end(), from->begin(), from->end());
  return Vals{b.op("Slice", {operand(b, *p, 0), b.ints(inner->starts), b.ints(inner->ends), b.ints(inner->axes), b.ints(inner->steps)})};
}

/// Constant zero padding of spatial axes belongs to the convolution.
Found pad(const ir::Node& n, const Vals& in, op::Builder& b, const std::function<bool(Val)>& single_use) {
  const ir::Node* p = b.producer(in[0]);
  if (!is(p, "Pad") || !single_use(in[0])) return {};
  const auto* mode = ir::attr<std::string>(*p->attrs, "mode");
  const auto* automatic = ir::attr<std::string>(*n.attrs, "auto_pad");
  if ((mode && *mode != "constant") || (automatic && *automatic != "NOTSET") || (p->num_operands > 3 && operand(b, *p, 3))) return {};
  if (p->num_operands > 2 && operand(b, *p, 2) && uniform(b, operand(b, *p, 2)).value_or(1) != 0) return {};
  auto amount = int_elements(b, operand(b, *p, 1));
  std::size_t rank = b.type(in[0]).dims.size();
  if (!amount || amount->size() != 2 * rank || rank < 3) return {};
  for (auto v : *amount) if (v < 0) return {};
  for (std::size_t i : {std::size_t(0), std::size_t(1)}) if ((*amount)[i] || (*amount)[rank + i]) return {};
  ir::Attrs attrs = *n.attrs;
  ir::Ints pads;
  if (const auto* own = ir::attr<ir::Ints>(attrs, "pads")) pads = *own;
  pads.resize(2 * (rank - 2), 0);
  if (is(&n, "AveragePool")) {   // its own padding must then count as the zeros that it was
    const auto* ceil = ir::attr<std::int64_t>(*n.attrs, "ceil_mode");
    if ((ceil && *ceil) || std::any_of(pads.begin(), pads.end(), [](auto v) { return v != 0; })) return {};
    std::erase_if(attrs, [](const ir::NamedAttr& a) { return a.name == "count_include_pad"; });
    attrs.push_back({"count_include_pad", std::int64_t(1)});
  }
  for (std::size_t i = 0; i < rank - 2; ++i) {
    pads[i] += (*amount)[2 + i];
    pads[rank - 2 + i] += (*amount)[rank + 2 + i];
  }
  std::erase_if(attrs, [](const ir::NamedAttr& a) { return a.name == "pads"; });
  attrs.push_back({"pads", pads});
  Vals operands = in;
  operands[0] = operand(b, *p, 0);
  return Vals{b.op(n.op, operands, attrs)};
}

Found gemm(const ir::Node& n, const Vals& in, op::Builder& b) {
  for (std::size_t k : {std::size_t(0), std::size_t(1)}) {
    const ir::Node* p = b.producer(in[k]);
    if (!is(p, "Transpose") || b.type(in[k]).dims.size() != 2) continue;
    const auto* perm = ir::attr<ir::Ints>(*p->attrs, "perm");
    if (perm && *perm != ir::Ints{1, 0}) continue;
    ir::Attrs attrs = *n.attrs;
    const char* flag = k == 0 ? "transA" : "transB";
    for (ir::NamedAttr& a : attrs) if (a.name == flag) a.value = std::int64_t(std::get<std::int64_t>(a.value) == 0);
    Vals operands = in;
    operands[k] = operand(b, *p, 0);
    return Vals{b.op("Gemm", operands, attrs)};
  }
  return {};
}
}  // namespace

Result<ir::Graph> compose_views(const ir::Graph& g, const Options&) {
  auto uses = g.use_counts();
  return op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const Vals& in, op::Builder& b) -> Found {
    if (in.empty() || !in[0] || n.num_results != 1) return {};
    auto single_use = [&](Val v) {
      for (std::size_t i = 0; i < in.size(); ++i) if (in[i] && in[i].id == v.id) return uses[std::size_t(from.operand(n, i))] == 1;
      return false;
    };
    const ir::Type& y = from.type(from.result(n));
    if (is(&n, "Unsqueeze") || is(&n, "Squeeze")) if (auto r = unsqueeze(n, in, b)) return r;
    if (is(&n, "Reshape") || ((is(&n, "Flatten") || is(&n, "Squeeze") || is(&n, "Unsqueeze")) && is(b.producer(in[0]), "Reshape"))) return reshape(n, in, y, b);
    if (is(&n, "Transpose") && is_reshaping(b.producer(in[0])) && moves_nothing(&n, b.type(in[0]))) return reshape(n, in, y, b);
    if (is(&n, "Transpose")) return transpose(n, in, b);
    if (is(&n, "Concat")) return concat(n, in, b, single_use);
    if (is(&n, "Cast")) return cast(n, in, b);
    if (is(&n, "Slice")) return slice(n, in, b);
    if (is(&n, "Conv") || is(&n, "AveragePool")) return pad(n, in, b, single_use);
    if (is(&n, "Gemm")) return gemm(n, in, b);
    return {};
  });
}

}  // namespace saha::passes
