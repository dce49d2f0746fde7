// What follows from an entry by building graphs: rewriting, expansion, gradients, the integer form.
#include <algorithm>
#include <map>

#include "op/builder.hpp"

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

Result<ir::Graph> rewrite(const ir::Graph& g, const Rule& rule) { return rewrite(g, rule, {}, g.outputs()); }

Result<ir::Graph> rewrite(const ir::Graph& g, const Rule& rule, const Input& input, std::span<const ValueId> outputs) {
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
    auto y = rule ? rule(g, n, in, b) : std::nullopt;
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

Result<ir::Graph> integer_form(const OpDef& def, std::span<const TypeRef> in, const TypeRef& result, const Attrs& attrs) {
  if (!def.integer) return Error{ErrorCode::unsupported, std::string(def.name.str()) + " has no integer semantics"};
  Builder b;
  Vals v;
  for (const TypeRef& t : in) v.push_back(t ? b.input(t) : Val{});
  Val y = def.integer({{attrs}, b, v, {}}, *result);
  return std::move(b).build({y});
}

}  // namespace saha::op
