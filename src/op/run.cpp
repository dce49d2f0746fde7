// Running an entry or a graph through the references.
#include <algorithm>
#include <cstdio>
#include <new>

#include "op/builder.hpp"
#include "op/elementwise.hpp"

namespace saha::op {
namespace {
// Steps that a node, a body that is built and a value of a graph take beside their elements: about their time in nanoseconds.
constexpr double kNodeSteps = 512, kBodySteps = 16384, kValueSteps = 16;
// And a byte of a result: new memory is slow, and this bounds how much of it all results together take.
constexpr double kByteSteps = 4;

double elements(const Datum& d) {
  if (!d.is_tensor()) return 1;
  double n = double(d.tensor.size());
  if (d.tensor.text) for (const std::string& s : *d.tensor.text) n += double(s.size());
  return n;
}
double elements(const ir::Attr& a) {
  if (auto* v = std::get_if<ir::Ints>(&a)) return double(v->size());
  if (auto* v = std::get_if<ir::Floats>(&a)) return double(v->size());
  if (auto* v = std::get_if<ir::Strings>(&a)) return double(v->size());
  return 1;
}
Result<> spend(Budget* budget, double steps, const OpDef& def) {
  if (!budget) return {};
  if (!(steps <= budget->steps)) {
    char b[120];
    budget->refused = true;
    std::snprintf(b, sizeof b, ": needs %.3g steps where %.3g are left", steps, budget->steps);
    return Error{ErrorCode::cancelled, std::string(def.name.str()) + b};
  }
  budget->steps -= steps;
  return {};
}

Result<std::vector<Datum>> run_body(const OpDef& def, std::span<const Datum* const> in, const Attrs& attrs, int num_out, Budget* budget) {
  SAHA_DO(spend(budget, kBodySteps, def));
  std::vector<TypeRef> types;
  std::vector<const Datum*> given;
  for (const Datum* d : in) {
    if (!d) { types.emplace_back(); continue; }
    if (!d->is_tensor()) return Error{ErrorCode::internal, std::string(def.name.str()) + ": a composite operator takes tensors only"};
    types.push_back(ir::tensor_type(d->tensor.dtype, {d->tensor.dims.begin(), d->tensor.dims.end()}));
    given.push_back(d);
  }
  // Operands are constants of the body where it may look at them (axes, shapes): small integer tensors.
  Builder b;
  Vals v;
  std::vector<const Datum*> inputs;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (!in[i]) { v.push_back({}); continue; }
    const Tensor& t = in[i]->tensor;
    if ((is_int(t.dtype) || t.dtype == DType::boolean) && t.size() <= 64) v.push_back(b.constant(t));
    else { v.push_back(b.input(types[i])); inputs.push_back(in[i]); }
  }
  Vals y = def.body({{attrs}, b, v, {}, num_out});
  if (b.error()) return *b.error();
  while (!y.empty() && !y.back()) y.pop_back();
  SAHA_TRY(auto g, std::move(b).build(y));
  return run(g, inputs, budget);
}
}  // namespace

Result<> Eval::spend(double steps) const { return op::spend(budget, steps, def); }
Result<Tensor> Eval::make(DType t, Dims d) const {
  if (budget) { SAHA_DO(spend(kByteSteps * double(checked_elements(d).value_or(0)) * std::max(bits(t), 8) / 8)); }   // what has no count is refused below
  return Tensor::make(t, std::move(d));
}

Result<std::vector<Datum>> run(const OpDef& def, std::span<const Datum* const> in, const Attrs& attrs, int num_out, Budget* budget) {
  try {
    if (budget) {
      double steps = kNodeSteps;
      for (const Datum* d : in) if (d) steps += elements(*d);
      for (const ir::NamedAttr& a : attrs) steps += elements(a.value);   // a rule may copy them
      SAHA_DO(spend(budget, steps, def));
    }
    if (def.eval || def.blocks) {
      Eval c{{attrs}, def, in, num_out, budget};
      if (def.eval) { SAHA_DO(def.eval(c)); }
      else { SAHA_DO(eval_elementwise(c)); }
      return std::move(c.out);
    }
    if (def.body) return run_body(def, in, attrs, num_out, budget);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::out_of_memory, std::string(def.name.str()) + ": no memory for its results"};
  } catch (const std::exception& e) {
    return Error{ErrorCode::internal, std::string(def.name.str()) + ": " + e.what()};
  }
  return Error{ErrorCode::unsupported, std::string(def.name.str()) + ": has no reference semantics"};
}

Result<std::vector<Datum>> run(const ir::Graph& g, std::span<const Datum* const> in, Budget* budget) {
  if (in.size() != g.inputs().size()) return Error{ErrorCode::invalid_argument, "the graph has " + std::to_string(g.inputs().size()) + " inputs, " + std::to_string(in.size()) + " values were given"};
  if (budget) budget->steps = std::max(0.0, budget->steps - kValueSteps * double(g.values().size()));
  std::vector<Datum> env(g.values().size());
  std::vector<std::uint32_t> left = g.use_counts();
  std::vector<const Datum*> at(g.values().size(), nullptr);
  for (std::size_t i = 0; i < in.size(); ++i) at[std::size_t(g.inputs()[i])] = in[i];
  for (std::size_t i = 0; i < env.size(); ++i)
    if (g.values()[i].constant) { env[i] = *g.values()[i].constant; at[i] = &env[i]; }
  for (const ir::Node& n : g.nodes()) {
    std::vector<const Datum*> a;
    for (ValueId v : g.operands(n)) a.push_back(v == ValueId::none ? nullptr : at[std::size_t(v)]);
    const Entry* e = find(n.op.str());
    if (!e) return Error{ErrorCode::unsupported, g.describe(n) + ": the operator is not known"};
    Result<std::vector<Datum>> out = std::vector<Datum>();
    if (is_quantised(g, n)) {
      SAHA_TRY(ir::Graph form, integer_form(g, n, a));
      std::vector<const Datum*> given;
      for (std::size_t i = 0; i < a.size(); ++i) if (a[i] && !g[g.operand(n, i)].constant) given.push_back(a[i]);
      out = run(form, given, budget);
    } else out = run(*e->def, a, *n.attrs, n.num_results, budget);
    if (!out) return std::move(out.error()).within(n.origin ? "node '" + *n.origin + "'" : g.describe(n));
    for (std::size_t k = 0; k < out->size() && k < n.num_results; ++k) { env[n.first_result + k] = std::move((*out)[k]); at[n.first_result + k] = &env[n.first_result + k]; }
    for (ValueId v : g.operands(n))
      if (v != ValueId::none && --left[std::size_t(v)] == 0 && g[v].producer >= 0) { env[std::size_t(v)] = {}; at[std::size_t(v)] = nullptr; }
  }
  std::vector<Datum> r;
  for (ValueId v : g.outputs()) {
    if (v == ValueId::none || !at[std::size_t(v)]) return Error{ErrorCode::internal, "output '" + g.name(v) + "' was not computed"};
    r.push_back(*at[std::size_t(v)]);
  }
  return r;
}
Result<std::vector<Datum>> run(const ir::Graph& g, std::span<const Datum> in, Budget* budget) {
  std::vector<const Datum*> p;
  for (const Datum& d : in) p.push_back(&d);
  return run(g, p, budget);
}

}  // namespace saha::op
