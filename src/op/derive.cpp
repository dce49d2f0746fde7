// What follows from an entry by building graphs: rewriting, expansion, gradients, the integer form.
#include <algorithm>
#include <map>

#include "op/integer_form.hpp"

namespace saha::op {

namespace {
bool knows_more(const Type& was, const Type& now) {
  if (!was.is_tensor() || !now.is_tensor() || was.dtype == DType::none) return false;
  return (now.dtype == DType::none || now.dtype == was.dtype) && was.ranked && !now.ranked;
}
/// What stands for value v of g in b: env holds it, or it is a constant that nobody asked for before.
Val mapped(Builder& b, const ir::Graph& g, Vals& env, ValueId v, bool named) {
  if (v == ValueId::none) return {};
  Val& x = env[std::size_t(v)];
  if (!x && g[v].constant) x = b.constant(g[v].constant, g[v].type, named ? g[v].name : ir::Name{});
  return x;
}
}  // namespace

Result<ir::Graph> rewrite(const ir::Graph& g, const Rule& rule, Quantised quantised) { return rewrite(g, rule, {}, g.outputs(), quantised); }

Result<ir::Graph> rewrite(const ir::Graph& g, const Rule& rule, const Input& input, std::span<const ValueId> outputs, Quantised quantised) {
  Builder b;
  Vals env(g.values().size()), in, out;
  for (std::size_t i = 0; i < g.inputs().size(); ++i) {
    const ValueId v = g.inputs()[i];
    env[std::size_t(v)] = input ? input(i, b) : b.input(g[v].type, g[v].name);
  }
  for (const ir::Node& n : g.nodes()) {
    in.clear();
    for (ValueId v : g.operands(n)) in.push_back(mapped(b, g, env, v, true));
    b.origin = n.origin;
    std::optional<Vals> y;
    if (rule && (quantised == Quantised::see || !is_quantised(g, n))) y = rule(g, n, in, b);
    if (b.error()) return *b.error();
    if (!y) y = b.copy(g, n, in);
    if (b.error()) return *b.error();
    for (std::size_t k = 0; k < n.num_results && k < y->size(); ++k) {
      Val v = (*y)[k];
      env[n.first_result + k] = v;
      const ir::Name& name = g[g.result(n, k)].name;
      if (v && name && !b.graph()[v.id].name) b.rename(v, name);
      // What the model stated of a value still holds where inference alone knows less; of other inputs it stated nothing.
      const TypeRef& was = g[g.result(n, k)].type;
      if (v && !input && b.producer(v) && knows_more(*was, b.type(v))) b.retype(v, was);
    }
  }
  b.origin = {};
  for (ValueId v : outputs) {
    // An output keeps its name, whatever stands for it now.
    Val y = mapped(b, g, env, v, true);
    const ir::Name& name = g[v].name;
    if (y && name && (!b.graph()[y.id].name || *b.graph()[y.id].name != *name)) {
      if (b.graph()[y.id].name || !b.producer(y)) y = b.op("Identity", {y});
      b.rename(y, name);
    }
    out.push_back(y);
  }
  return std::move(b).build(out);
}

Vals Builder::inline_graph(const ir::Graph& g, const Vals& in) {
  Vals env(g.values().size()), operands, out;
  for (std::size_t i = 0; i < in.size() && i < g.inputs().size(); ++i) env[std::size_t(g.inputs()[i])] = in[i];
  for (const ir::Node& n : g.nodes()) {
    operands.clear();
    for (ValueId v : g.operands(n)) operands.push_back(mapped(*this, g, env, v, false));
    Vals y = copy(g, n, operands);
    std::ranges::copy(y, env.begin() + std::ptrdiff_t(n.first_result));
  }
  for (ValueId v : g.outputs()) out.push_back(mapped(*this, g, env, v, false));
  return out;
}

Result<ir::Graph> expand(const OpDef& def, std::span<const TypeRef> in, const Attrs& attrs, int num_out) {
  if (!def.body) return Error{ErrorCode::unsupported, std::string(def.name.str()) + " is not defined by other operators"};
  Builder b;
  Vals v;
  for (const TypeRef& t : in) v.push_back(t ? b.input(t) : Val{});
  Vals y = def.body({{attrs}, b, v, {}, num_out});
  if (b.error()) return *b.error();
  return std::move(b).build(y);
}

Result<Vals> gradients(Builder& b, Val of, Val dy, const Vals& wrt) {
  std::map<std::uint32_t, Val> grad;  // by value
  auto add = [&](Val x, Val g) {
    if (!x || !g) return;
    Val& a = grad[std::uint32_t(x.id)];
    a = a ? a + g : g;
  };
  add(of, dy);
  // A copy: the builder's graph grows while gradients are appended.
  const ir::Graph g = b.graph();
  std::vector<char> needed(g.values().size(), 0);
  for (Val v : wrt) if (v) needed[std::size_t(v.id)] = 1;
  for (const ir::Node& n : g.nodes())
    for (ValueId v : g.operands(n))
      if (v != ValueId::none && needed[std::size_t(v)])
        for (std::size_t k = 0; k < n.num_results; ++k)
          needed[n.first_result + k] |= is_float(g.type(g.result(n, k)).dtype);  // nothing flows through integers
  for (std::size_t q = g.nodes().size(); q-- > 0;) {
    const ir::Node& n = g.nodes()[q];
    Vals in, out, dys;
    bool any = false, leads = false;
    for (std::size_t k = 0; k < n.num_results; ++k) {
      leads |= needed[n.first_result + k] != 0;
      out.push_back({&b, g.result(n, k)});
      auto it = grad.find(n.first_result + std::uint32_t(k));
      dys.push_back(it == grad.end() ? Val{} : it->second);
      any |= bool(dys.back());
    }
    if (!any || !leads) continue;
    for (ValueId v : g.operands(n)) in.push_back(v == ValueId::none ? Val{} : Val{&b, v});
    const OpDef& def = *find(n.op.str())->def;
    Site s{{*n.attrs}, b, in, out, n.num_results};
    auto wanted = [&](std::size_t i) { return in[i] && needed[std::size_t(in[i].id)]; };
    if (def.vjp) {
      Vals d = def.vjp(s, dys);
      for (std::size_t i = 0; i < d.size() && i < in.size(); ++i) if (wanted(i)) add(in[i], d[i]);
    } else if (def.adjoint) {
      for (std::size_t i = 0; i < in.size(); ++i) if (wanted(i) && def.linear.in(i)) add(in[i], def.adjoint(s, i, dys[0]));
    } else if (def.body) {
      Vals y = def.body(s), sought(in.size());
      for (std::size_t i = 0; i < in.size(); ++i) {   // each value once: a gradient is that of all its places
        bool seen = std::any_of(in.begin(), in.begin() + std::ptrdiff_t(i), [&](Val v) { return v.id == in[i].id; });
        if (wanted(i) && !seen) sought[i] = in[i];
      }
      for (std::size_t k = 0; k < y.size() && k < dys.size(); ++k) {
        if (!dys[k]) continue;
        SAHA_TRY(Vals d, gradients(b, y[k], dys[k], sought));
        for (std::size_t i = 0; i < in.size(); ++i) add(in[i], d[i]);
      }
    } else if (!def.no_gradient.empty()) continue;
    else return Error{ErrorCode::unsupported, g.describe(n) + " has no gradient"};
    if (b.error()) return *b.error();
  }
  Vals r;
  for (Val v : wrt) {
    auto it = v ? grad.find(std::uint32_t(v.id)) : grad.end();
    r.push_back(it == grad.end() ? Val{} : it->second);
  }
  return r;
}

// ---- quantised nodes ---------------------------------------------------------------------------------------------------------
bool is_quantised(const ir::Graph& g, const ir::Node& n) {
  bool any = false;
  for (ValueId v : g.operands(n)) any |= v != ValueId::none && g.type(v).quant;
  for (std::size_t k = 0; k < n.num_results; ++k) any |= bool(g.type(g.result(n, k)).quant);
  if (!any) return false;
  constexpr ir::OpName stored[] = {"Cast", "BitCast", "Shape", "Size", "QuantizeLinear", "DequantizeLinear"};  // read or make the numbers as they are kept
  return std::find(std::begin(stored), std::end(stored), n.op) == std::end(stored) && !(find(n.op.str())->def->traits & (kMovement | kView | kControl));
}

namespace {
/// A graph whose values are the integers themselves.
ir::Graph without_quant(ir::Graph g) {
  std::vector<std::pair<ValueId, TypeRef>> plain;
  for (std::size_t i = 0; i < g.values().size(); ++i)
    if (const Type& t = *g.values()[i].type; t.quant) plain.emplace_back(ValueId(i), ir::tensor_type(t.dtype, t.dims));
  ir::Builder b(std::move(g));
  for (auto& [v, t] : plain) b.retype(v, std::move(t));
  return std::move(b).build();
}
/// float_even: QuantizeLinear; the others round x / scale half away from zero.
Val quantised(Val x, const Type& t, bool even) {
  Builder& b = *x.b;
  if (even && bits(t.dtype) <= 16) return b.op("QuantizeLinear", {x, b.scalar(t.quant->scale[0], DType::f32), b.scalar(double(t.quant->zero[0]), t.dtype)}, {{"axis", std::int64_t(t.quant->axis)}});
  Val v = cast(x / b.scalar(t.quant->scale[0], DType::f32), DType::f64);  // in float64 the half is added exactly
  Val steps = even ? b.op("Round", {v}) : b.op("Floor", {b.op("Abs", {v}) + 0.5}) * b.op("Sign", {v});
  return stored(cast(b.op("Clip", {steps, b.scalar(-1073741824., DType::f64), b.scalar(1073741823., DType::f64)}), DType::i32), t);
}
/// Dequantise, compute in float32, quantise: what a node means where its entry states no integer rule.
Vals float_form(const OpDef& def, const Vals& in, const Attrs& attrs, std::span<const TypeRef> results, Builder& b, bool even) {
  Vals real;
  for (const Val& v : in) real.push_back(v && b.type(v).quant ? dequantised(v) : v);
  Vals y = def.name == ir::OpName("Requantize") ? real : b.ops(def.name, real, plain_attrs(attrs), int(results.size()));
  for (std::size_t k = 0; k < y.size() && !b.failed(); ++k)
    if (results[k]->quant) y[k] = quantised(y[k], *results[k], even);
  return y;
}
}  // namespace

Result<ir::Graph> integer_form(const OpDef& def, std::span<const TypeRef> in, const TypeRef& result, const Attrs& attrs) {
  if (!def.integer) return Error{ErrorCode::unsupported, std::string(def.name.str()) + " has no integer semantics"};
  Builder b;
  Vals v;
  for (const TypeRef& t : in) v.push_back(t ? b.input(t) : Val{});
  Val y = def.integer({{attrs}, b, v, {}}, *result);
  return std::move(b).build({y});
}
Result<ir::Graph> integer_form(const ir::Graph& g, const ir::Node& n) {
  const OpDef& def = *find(n.op.str())->def;
  Builder b;
  Vals in;
  for (ValueId v : g.operands(n)) in.push_back(v == ValueId::none ? Val{} : g[v].constant ? b.constant(g[v].constant, g[v].type) : b.input(g[v].type));
  std::vector<TypeRef> results;
  for (std::size_t k = 0; k < n.num_results; ++k) results.push_back(g[g.result(n, k)].type);
  Vals y;
  if (def.integer) {
    Val own = def.integer({{*n.attrs}, b, in, {}, n.num_results}, *results[0]);
    if (own) y = {own};
  }
  const std::string* rule = ir::attr<std::string>(*n.attrs, "rounding");
  if (y.empty()) y = float_form(def, in, *n.attrs, results, b, !rule || *rule == "float_even");
  if (b.error()) return Error(*b.error()).within(g.describe(n));
  SAHA_TRY(ir::Graph form, std::move(b).build(y));
  return without_quant(std::move(form));
}

Result<ir::Graph> integer_form(const ir::Graph& g, const ir::Node& n, std::span<const Datum* const> actual) {
  Builder b;
  Vals in;
  for (std::size_t i = 0; i < n.num_operands; ++i) {
    const ValueId v = g.operand(n, i);
    if (v == ValueId::none) { in.push_back({}); continue; }
    if (g[v].constant) { in.push_back(b.constant(g[v].constant, g[v].type)); continue; }
    TypeRef t = g[v].type;
    if (actual[i] && actual[i]->is_tensor()) t = ir::tensor_type(actual[i]->tensor.dtype, {actual[i]->tensor.dims.begin(), actual[i]->tensor.dims.end()}, t->quant);
    in.push_back(b.input(std::move(t)));
  }
  Vals y = b.copy(g, n, in);
  SAHA_TRY(const ir::Graph here, std::move(b).build(y));
  return integer_form(here, here.nodes()[0]);
}

Result<ir::Graph> spelt_out(const ir::Graph& g) {
  SAHA_TRY(ir::Graph r, rewrite(g, [](const ir::Graph& from, const ir::Node& n, const Vals& in, Builder& b) -> std::optional<Vals> {
    if (!is_quantised(from, n)) return {};
    std::vector<TypeRef> results;
    for (std::size_t k = 0; k < n.num_results; ++k) results.push_back(from[from.result(n, k)].type);
    const std::string* rule = ir::attr<std::string>(*n.attrs, "rounding");
    if (rule && rule->starts_with("dynamic_")) {   // no number is stored but within the node
      const OpDef& def = *find(n.op.str())->def;
      Val own = def.integer ? def.integer({{*n.attrs}, b, in, {}, n.num_results}, *results[0]) : Val{};
      if (own || b.failed()) return Vals{own};
    }
    Vals y = float_form(*find(n.op.str())->def, in, *n.attrs, results, b, true);
    // What follows still reads what the numbers stand for.
    for (std::size_t k = 0; k < y.size() && !b.failed(); ++k) if (results[k]->quant) b.retype(y[k], with_elements(b.type(y[k]), results[k]->dtype, results[k]->quant));
    return y;
  }, Quantised::see));
  return without_quant(std::move(r));
}

}  // namespace saha::op
