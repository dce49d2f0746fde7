#include "op/builder.hpp"

#include <algorithm>
#include <charconv>

#include "op/elementwise.hpp"
#include "op/integer_form.hpp"

namespace saha::op {
namespace {

AttrKind kind_of(const ir::Attr& a) { return AttrKind(a.index()); }
static_assert(std::is_same_v<std::variant_alternative_t<std::size_t(AttrKind::graph), ir::Attr>, ir::GraphRef>);

/// The dtype that a type expression speaks of: the tensor's, or that of the innermost element.
DType inner_dtype(const Type& t) { return t.is_tensor() || !t.element ? t.dtype : inner_dtype(*t.element); }

std::string who(const OpDef& d, const ir::Name& origin) {
  return origin ? "node '" + *origin + "' (" + std::string(d.name.str()) + ")" : std::string(d.name.str());
}

/// Checks operands and attributes against the signature; writes out default attributes; binds dtype variables.
struct Check {
  const OpDef& def;
  const Signature& sig;
  std::vector<std::pair<std::string_view, DType>> bound = {};

  std::optional<std::string> operands(std::span<const TypeRef> in) {
    if (in.size() < sig.min_in) return "has " + std::to_string(in.size()) + " operands, at least " + std::to_string(sig.min_in) + " are needed";
    for (std::size_t i = 0; i < in.size(); ++i) {
      const Param* p = sig.param(i);
      if (!p) return "has " + std::to_string(in.size()) + " operands, at most " + std::to_string(sig.in.size()) + " are taken";
      if (!in[i]) {
        if (!p->optional) return "operand " + std::to_string(i) + " '" + std::string(p->name) + "' is missing";
        continue;
      }
      if (auto bad = type(*p, *in[i], i)) return bad;
    }
    return {};
  }
  std::optional<std::string> type(const Param& p, const Type& t, std::size_t i) {
    using K = TypeExpr::Kind;
    if (p.type.kind == K::value) return {};
    bool fits = p.type.kind == K::tensor ? t.is_tensor() : p.type.kind == K::sequence ? t.kind == Type::Kind::sequence : true;
    std::string operand = "operand " + std::to_string(i) + " '" + std::string(p.name) + "'";
    if (!fits) return operand + " is " + ir::str(t) + ", " + std::string(p.type.text) + " is taken";
    DType d = inner_dtype(t);
    if (d == DType::none) return {};
    if (!holds(p.type.set, d)) return operand + " is " + std::string(saha::name(d)) + ", taken are " + dtype_names(p.type.set);
    if (p.type.variable.empty() || p.variadic) return {};
    for (auto& [name, first] : bound)
      if (name == p.type.variable) {
        if (first != d) return operand + " is " + std::string(saha::name(d)) + " where " + std::string(saha::name(first)) + " is needed as in the operands before it";
        return {};
      }
    bound.emplace_back(p.type.variable, d);
    return {};
  }
  std::optional<std::string> attributes(Attrs& attrs) const {
    for (const ir::NamedAttr& a : attrs) {
      const AttrParam* p = sig.attr(a.name);
      if (!p) return "has an attribute '" + a.name + "' that it does not take";
      if (p->kind != kind_of(a.value)) return "attribute '" + a.name + "' is " + std::string(name(kind_of(a.value))) + ", " + std::string(name(p->kind)) + " is taken";
    }
    for (const AttrParam& p : sig.attrs) {
      if (ir::find_attr(attrs, p.name)) continue;
      if (p.initial) attrs.push_back({std::string(p.name), *p.initial});
      else if (!p.optional) return "attribute '" + std::string(p.name) + "' is missing";
    }
    return {};
  }
  /// Operands of unknown rank: the results have the dtypes of the signature and no rank.
  std::vector<TypeRef> unranked(int num_out) const {
    std::vector<TypeRef> out;
    for (int k = 0; k < num_out; ++k) {
      const Param* p = sig.result(std::size_t(k));
      DType t = DType::none;
      if (p && p->type.variable.empty()) { for (int d = 1; d < kNumDTypes; ++d) if (p->type.set == 1u << d) t = DType(d); }
      else if (p) for (auto& [name, d] : bound) if (name == p->type.variable) t = d;
      TypeRef element = ir::unranked_type(t);
      out.push_back(p && p->type.kind == TypeExpr::Kind::sequence ? ir::sequence_type(element) : p && p->type.kind == TypeExpr::Kind::optional ? ir::optional_type(element) : element);
    }
    return out;
  }
};

bool needs_rank(const OpDef& def, std::span<const TypeRef> in) {
  if (def.traits & (kTakesUnranked | kControl)) return false;
  for (const TypeRef& t : in) if (t && t->is_tensor() && (!t->ranked || (t->dtype == DType::none && t->dims.empty()))) return true;
  return false;
}
constexpr std::size_t kMaxKnown = 64;
constexpr int kMaxDepth = 400;
constexpr double kKnownSteps = 0x1p20;   // of one node whose operands and result have few elements
}  // namespace

Error Infer::fail(std::string what) const { return {ErrorCode::invalid_model, std::string(def.name.str()) + ": " + std::move(what)}; }
Error Eval::fail(std::string what) const { return {ErrorCode::invalid_argument, std::string(def.name.str()) + ": " + std::move(what)}; }
const Known* Infer::known(std::size_t i) const { return has(i) ? b.known({&b, ids[i]}) : nullptr; }
const Tensor* Infer::data(std::size_t i) const { return has(i) ? b.data({&b, ids[i]}) : nullptr; }
Dim Infer::fresh(std::string_view what) const { return b.fresh(what); }
std::optional<std::vector<std::int64_t>> Infer::numbers(std::size_t i) const {
  if (!has(i)) return {};
  if (const Tensor* t = data(i)) if (t->dtype != DType::string && !is_complex(t->dtype)) return values<std::int64_t>(*t);
  const Known* k = known(i);
  if (!k) return {};
  std::vector<std::int64_t> r;
  for (const Dim& d : *k) {
    if (!d.known()) return {};
    r.push_back(*d.known());
  }
  return r;
}
namespace {
Result<std::size_t> checked_axis(const OpDef& def, std::int64_t a, std::size_t rank, std::string_view what) {
  auto r = std::int64_t(rank);
  if (a < -r || a >= r) return Error{ErrorCode::invalid_model, std::string(def.name.str()) + ": " + std::string(what) + " " + std::to_string(a) + " lies outside a tensor of rank " + std::to_string(rank)};
  return std::size_t(a < 0 ? a + r : a);
}
}  // namespace
Result<std::size_t> Infer::axis(std::int64_t a, std::size_t rank, std::string_view what) const { return checked_axis(def, a, rank, what); }
Result<std::size_t> Eval::axis(std::int64_t a, std::size_t rank, std::string_view what) const { return checked_axis(def, a, rank, what); }

namespace {
Result<> inferred(Infer& c) {
  if (c.def.infer) return c.def.infer(c);
  if (c.def.blocks) return infer_elementwise(c);
  if (c.def.body) {
    Builder b;
    Vals in;
    for (std::size_t i = 0; i < c.in.size(); ++i) {
      if (!c.in[i]) in.push_back({});
      else if (c.data(i)) in.push_back(b.constant(c.b.graph()[c.ids[i]].constant, c.in[i]));
      else in.push_back(b.input(c.in[i]));
    }
    Vals y = c.def.body({{c.attrs}, b, in, {}, c.num_out});
    if (b.error()) return *b.error();
    for (Val v : y) c.out.push_back(v ? b.type_ref(v) : TypeRef{});
    return {};
  }
  return c.fail("has no shape inference");
}
}  // namespace

Result<> infer_types(Infer& c) {
  SAHA_DO(inferred(c));
  for (const TypeRef& t : c.out)
    if (t && t->is_tensor())
      for (const Dim& d : t->dims)
        if (auto n = d.known(); n && *n < 0) return c.fail("would make " + ir::str(*t) + ", of a negative extent");
  return {};
}

void Builder::reserve_symbols(const Type& t) {
  auto see = [this](const std::string& name) -> std::optional<Dim> {
    std::size_t at = name.rfind('#');
    std::uint64_t n = 0;
    if (at != std::string::npos && std::from_chars(name.data() + at + 1, name.data() + name.size(), n).ec == std::errc() && n < ~0ull) next_symbol_ = std::max(next_symbol_, n + 1);
    return {};
  };
  for (const Dim& d : t.dims) if (!d.known()) d.substitute(see);
  if (t.element) reserve_symbols(*t.element);
}
Val Builder::input(TypeRef t, ir::Name name) {
  reserve_symbols(*t);
  return {this, core_.input(std::move(t), std::move(name))};
}
void Builder::retype(Val v, TypeRef t) {
  reserve_symbols(*t);
  core_.retype(v.id, std::move(t));
}
Val Builder::constant(Tensor t, std::string name) {
  std::vector<Dim> d(t.dims.begin(), t.dims.end());
  auto type = ir::tensor_type(t.dtype, std::move(d));
  return {this, core_.constant(std::make_shared<const Tensor>(std::move(t)), std::move(type), ir::make_name(std::move(name)))};
}
Val Builder::scalar(double v, Val like) {
  DType t = failed() || !like ? DType::f32 : type(like).dtype;
  return constant(Tensor::scalar(t == DType::none || t == DType::string || is_complex(t) ? DType::f32 : t, v));
}
Val Builder::ints(const std::vector<std::int64_t>& v) { return constant(Tensor::of_ints(v)); }

namespace {
/// Stored integers as the real numbers they stand for.
TypeRef as_real(const TypeRef& t) { return t && t->quant ? with_elements(*t, DType::f32) : t; }

/// A moved value is stored as it was: the quantisation that all moved operands share. Nothing where they differ.
std::optional<std::shared_ptr<const ir::Quant>> moved_quant(const OpDef& def, std::span<const TypeRef> in) {
  std::shared_ptr<const ir::Quant> q;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (!in[i] || !in[i]->quant || !(def.linear.in(i) || i == 0)) continue;
    if (q && !(*q == *in[i]->quant)) return {};
    q = in[i]->quant;
  }
  if (q && q->scale.size() > 1) return {};
  return q;
}
constexpr bool moves(const OpDef& def) { return def.traits & (kMovement | kView); }
}  // namespace

Vals Builder::add(ir::OpName name, Vals in, Attrs attrs, int num_out, std::span<const Stored> stored) {
  const Entry* entry = find(name.str());
  std::vector<TypeRef> types, out;
  std::vector<ValueId> ids;
  while (!in.empty() && !in.back()) in.pop_back();  // omitted operands at the end need no place
  for (const Val& v : in) {
    ids.push_back(v.id);
    types.push_back(v ? core_.graph()[v.id].type : TypeRef{});
    if (!stored.empty()) types.back() = as_real(types.back());
  }
  std::optional<ir::NamedAttr> rounding;
  if (!stored.empty())
    if (auto it = std::find_if(attrs.begin(), attrs.end(), [](const ir::NamedAttr& a) { return a.name == "rounding"; }); it != attrs.end()) {
      rounding = std::move(*it);
      attrs.erase(it);
    }
  auto fail_here = [&](const OpDef& d, std::string what) { fail({ErrorCode::invalid_model, who(d, origin) + " " + std::move(what)}); };
  if (!entry) fail({ErrorCode::unsupported, "operator '" + std::string(name.str()) + "' is not known"});
  else if (!error_) {
    const OpDef& def = *entry->def;
    Check check{def, entry->signature};
    if (auto bad = check.operands(types)) fail_here(def, *bad);
    else if (auto wrong = check.attributes(attrs)) fail_here(def, *wrong);
    else if (num_out > 1 && !entry->signature.result(std::size_t(num_out - 1))) fail_here(def, "has " + std::to_string(num_out) + " results, at most " + std::to_string(entry->signature.out.size()) + " exist");
    else if (needs_rank(def, types)) out = check.unranked(num_out);
    else {
      Infer c{{attrs}, def, entry->signature, *this, ids, types, num_out};
      if (auto r = infer_types(c); !r) fail(origin ? std::move(r.error()).within("node '" + *origin + "'") : std::move(r.error()));
      out = std::move(c.out);
    }
    if (stored.empty() && moves(def) && !error_)
      if (auto q = moved_quant(def, types); q && *q)
        for (TypeRef& t : out) if (t && t->is_tensor() && t->dtype == types[0]->dtype) t = with_elements(*t, t->dtype, *q);
  }
  out.resize(std::size_t(num_out));
  for (TypeRef& t : out) if (!t) t = ir::unranked_type(DType::none);
  for (std::size_t k = 0; k < stored.size(); ++k) if (stored[k].dtype != DType::none) out[k] = with_elements(*out[k], stored[k].dtype, stored[k].quant);
  if (rounding) attrs.push_back(std::move(*rounding));
  ValueId first = core_.add(entry ? entry->def->name : name, ids, std::make_shared<const Attrs>(std::move(attrs)), out, origin);
  Vals r;
  for (int k = 0; k < num_out; ++k) r.push_back({this, ValueId(std::uint32_t(first) + std::uint32_t(k))});
  return r;
}

Vals Builder::copy(const ir::Graph& from, const ir::Node& n, const Vals& in) {
  bool same_types = true;
  for (std::size_t i = 0; i < in.size() && same_types; ++i) {
    ValueId old = from.operand(n, i);
    if (!in[i] || old == ValueId::none) { same_types = !in[i] && old == ValueId::none; continue; }
    const Type &a = type(in[i]), &o = from.type(old);
    same_types = (type_ref(in[i]) == from[old].type || a == o) && bool(data(in[i])) == bool(from[old].constant);
  }
  ir::Name keep = std::exchange(origin, n.origin ? n.origin : origin);   // of a body that has no names, what it stands for
  Vals r;
  if (same_types) {
    std::vector<ValueId> ids;
    for (const Val& v : in) ids.push_back(v.id);
    std::vector<TypeRef> types;
    for (std::size_t k = 0; k < n.num_results; ++k) types.push_back(from[from.result(n, k)].type);
    ValueId first = core_.add(n.op, ids, n.attrs, types, origin);
    for (std::size_t k = 0; k < n.num_results; ++k) r.push_back({this, ValueId(std::uint32_t(first) + std::uint32_t(k))});
  } else if (is_quantised(from, n)) {
    std::vector<Stored> stored;
    for (std::size_t k = 0; k < n.num_results; ++k) {
      const Type& t = from.type(from.result(n, k));
      stored.push_back(t.quant ? Stored{t.dtype, t.quant} : Stored{});
    }
    r = quantised(n.op, in, *n.attrs, stored);
  } else {
    r = ops(n.op, in, *n.attrs, n.num_results);
    for (std::size_t k = 0; k < r.size() && !failed(); ++k) {   // what made stored numbers still says what they stand for
      const Type &was = from.type(from.result(n, k)), &now = type(r[k]);
      if (was.quant && !now.quant && was.dtype == now.dtype) retype(r[k], with_elements(now, now.dtype, was.quant));
    }
  }
  origin = std::move(keep);
  return r;
}

Result<ir::Graph> Builder::build(const Vals& outputs) && {
  if (error_) return std::move(*error_);
  for (Val v : outputs) core_.output(v.id);
  return std::move(core_).build();
}

// ---- shape values ----------------------------------------------------------------------------------------------------------
const Known* Builder::known(Val v) { return v && !error_ ? known_at(v.id, 0) : nullptr; }
const Known* Builder::known_at(ValueId v, int depth) {
  if (v == ValueId::none || depth > kMaxDepth) return nullptr;
  auto it = known_.find(std::uint32_t(v));
  if (it != known_.end()) return it->second.get();
  const ir::Value& x = core_.graph()[v];
  std::unique_ptr<Known> k;
  if (x.constant) {
    const Tensor& t = *x.constant;
    if ((is_int(t.dtype) || t.dtype == DType::boolean) && t.size() <= std::int64_t(kMaxKnown)) {
      k = std::make_unique<Known>();
      for (std::int64_t i = 0; i < t.size(); ++i) k->push_back(Dim(t.int_at(i)));
    }
  } else if (x.producer >= 0 && x.type->is_tensor() && !is_float(x.type->dtype) && x.type->dtype != DType::string) {
    k = propagate(core_.graph().nodes()[std::size_t(x.producer)], x.result, depth);
  }
  return known_.emplace(std::uint32_t(v), std::move(k)).first->second.get();
}

std::unique_ptr<Known> Builder::propagate(const ir::Node& n, std::size_t result, int depth) {
  const Entry* e = find(n.op.str());
  if (!e) return {};
  const OpDef& def = *e->def;
  const ir::Graph& g = core_.graph();
  std::vector<ValueId> operands(g.operands(n).begin(), g.operands(n).end());
  std::shared_ptr<const Attrs> attrs = n.attrs;
  int num_out = n.num_results;
  TypeRef y = g[g.result(n, result)].type;
  auto type_of = [&](std::size_t i) -> const Type& { return g.type(operands[i]); };

  if (def.name == ir::OpName("Shape")) {
    const Type& t = type_of(0);
    if (!t.ranked || !t.is_tensor()) return {};
    auto rank = std::int64_t(t.dims.size());
    const auto* s = ir::attr<std::int64_t>(*attrs, "start");
    const auto* f = ir::attr<std::int64_t>(*attrs, "end");
    auto clamp = [&](std::int64_t v) { return std::clamp<std::int64_t>(v < 0 ? v + rank : v, 0, rank); };
    std::int64_t from = s ? clamp(*s) : 0, to = f ? clamp(*f) : rank;
    return std::make_unique<Known>(t.dims.begin() + from, t.dims.begin() + std::max(from, to));
  }
  if (def.name == ir::OpName("Size")) {
    const Type& t = type_of(0);
    if (!t.ranked) return {};
    Dim p(1);
    for (const Dim& d : t.dims) p = p * d;
    return std::make_unique<Known>(Known{p});
  }
  if (def.name == ir::OpName("Cast")) {
    DType from = type_of(0).dtype;
    if ((!is_int(from) && from != DType::boolean) || !is_int(y->dtype) || bits(y->dtype) < 32) return {};
    const Known* k = known_at(operands[0], depth + 1);
    return k ? std::make_unique<Known>(*k) : nullptr;
  }
  bool elementwise = def.blocks && def.blocks->dim, movement = def.traits & kMovement;
  if (!elementwise && !movement) return folded(n, result, depth);
  std::vector<const Known*> known;
  std::vector<Dims> shape;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    known.push_back(nullptr);
    shape.emplace_back();
    if (operands[i] == ValueId::none) continue;
    known.back() = known_at(operands[i], depth + 1);
    if (!known.back()) return {};
    for (const Dim& d : type_of(i).dims) {
      if (!d.known()) return {};
      shape.back().push_back(*d.known());
    }
    if (std::int64_t(known.back()->size()) != num_elements(shape.back())) return {};
  }
  if (elementwise) {
    if (!y->ranked || y->dims.size() > 1) return {};
    std::size_t count = 1;
    for (auto* k : known) if (k && k->size() != 1) count = k->size();
    auto r = std::make_unique<Known>();
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<const Dim*> a;
      for (auto* k : known) {
        if (!k || (k->size() != 1 && k->size() != count)) return {};
        a.push_back(&(*k)[k->size() == 1 ? 0 : i]);
      }
      auto d = def.blocks->dim(a.data(), int(a.size()), *attrs);
      if (!d) return {};
      r->push_back(std::move(*d));
    }
    return r;
  }
  // Movement: eval runs on element numbers, and the expressions are moved as the numbers were. Number 0 is what an operator fills in
  // of its own accord (Pad, Trilu).
  std::vector<Datum> tensors;
  Known pool = {Dim(0)};
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (!known[i]) { tensors.emplace_back(); continue; }
    bool is_data = def.linear.in(i);
    // A condition or an index keeps its own dtype, so that eval sees what it expects.
    Tensor x = Tensor::zeros(is_data ? DType::i64 : type_of(i).dtype, shape[i]);
    for (std::int64_t e2 = 0; e2 < x.size(); ++e2) {
      const Dim& d = (*known[i])[std::size_t(e2)];
      std::int64_t v;
      if (is_data) { v = std::int64_t(pool.size()); pool.push_back(d); }
      else if (auto k = d.known()) v = *k;
      else return {};
      store(x, e2, 1, &v);
    }
    tensors.emplace_back(std::move(x));
  }
  std::vector<const Datum*> p;
  for (std::size_t i = 0; i < tensors.size(); ++i) p.push_back(operands[i] == ValueId::none ? nullptr : &tensors[i]);
  Budget budget{kKnownSteps};
  auto out = run(def, p, *attrs, num_out, &budget);
  if (!out || result >= out->size() || !(*out)[result].is_tensor()) return {};
  const Tensor& moved = (*out)[result].tensor;
  if (moved.size() > std::int64_t(kMaxKnown)) return {};
  auto r = std::make_unique<Known>();
  for (std::int64_t i = 0; i < moved.size(); ++i) {
    auto at = std::size_t(moved.int_at(i));
    if (at >= pool.size()) return {};
    r->push_back(pool[at]);
  }
  return r;
}


// Any other operator whose operands are numbers: its eval tells the elements of a small integer result.
std::unique_ptr<Known> Builder::folded(const ir::Node& n, std::size_t result, int depth) {
  const ir::Graph& g = core_.graph();
  const OpDef& def = *find(n.op.str())->def;
  TypeRef y = g[g.result(n, result)].type;
  if (def.traits & (kRandom | kControl | kSideEffect) || !y->ranked) return {};
  std::int64_t count = 1;
  for (const Dim& d : y->dims) {
    auto k = d.known();
    if (!k || *k < 0 || *k > std::int64_t(kMaxKnown) || (count *= *k) > std::int64_t(kMaxKnown)) return {};
  }
  std::vector<ValueId> operands(g.operands(n).begin(), g.operands(n).end());
  std::shared_ptr<const Attrs> attrs = n.attrs;
  int num_out = n.num_results;
  std::vector<Datum> in(operands.size());
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (operands[i] == ValueId::none) continue;
    if (const auto& c = g[operands[i]].constant) {
      if (c->size() > std::int64_t(kMaxKnown)) return {};
      in[i] = *c;
      continue;
    }
    TypeRef t = g[operands[i]].type;
    const Known* k = known_at(operands[i], depth + 1);
    if (!k) return {};
    Dims d;
    for (const Dim& e : t->dims) d.push_back(e.known().value_or(-1));
    if (checked_elements(d) != std::int64_t(k->size())) return {};
    Tensor x = Tensor::zeros(t->dtype, std::move(d));
    for (std::size_t e = 0; e < k->size(); ++e) {
      auto v = (*k)[e].known();
      if (!v) return {};
      store(x, std::int64_t(e), 1, &*v);
    }
    in[i] = std::move(x);
  }
  std::vector<const Datum*> p;
  for (std::size_t i = 0; i < in.size(); ++i) p.push_back(operands[i] == ValueId::none ? nullptr : &in[i]);
  Budget budget{kKnownSteps};
  auto out = run(def, p, *attrs, num_out, &budget);
  if (!out || result >= out->size() || !(*out)[result].is_tensor()) return {};
  const Tensor& t = (*out)[result].tensor;
  if (t.size() > std::int64_t(kMaxKnown) || !(is_int(t.dtype) || t.dtype == DType::boolean)) return {};
  auto r = std::make_unique<Known>();
  for (std::int64_t v : values<std::int64_t>(t)) r->push_back(Dim(v));
  return r;
}

}  // namespace saha::op
