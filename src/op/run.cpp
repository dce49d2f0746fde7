// Running an entry or a graph through the references.
#include <new>

#include "op/elementwise.hpp"

namespace saha::op {
namespace {
Result<std::vector<Datum>> run_body(const OpDef& def, std::span<const Datum* const> in, const Attrs& attrs, int num_out) {
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
  return run(g, inputs);
}
}  // namespace

Result<std::vector<Datum>> run(const OpDef& def, std::span<const Datum* const> in, const Attrs& attrs, int num_out) {
  try {
    if (def.eval || def.blocks) {
      Eval c{{attrs}, def, in, num_out};
      if (def.eval) { SAHA_DO(def.eval(c)); }
      else { SAHA_DO(eval_elementwise(c)); }
      return std::move(c.out);
    }
    if (def.body) return run_body(def, in, attrs, num_out);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::out_of_memory, std::string(def.name.str()) + ": no memory for its results"};
  } catch (const std::exception& e) {
    return Error{ErrorCode::internal, std::string(def.name.str()) + ": " + e.what()};
  }
  return Error{ErrorCode::unsupported, std::string(def.name.str()) + ": has no reference semantics"};
}

Result<std::vector<Datum>> run(const ir::Graph& g, std::span<const Datum* const> in) {
  if (in.size() != g.inputs().size()) return Error{ErrorCode::invalid_argument, "the graph has " + std::to_string(g.inputs().size()) + " inputs, " + std::to_string(in.size()) + " values were given"};
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
    auto out = run(*e->def, a, *n.attrs, n.num_results);
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
Result<std::vector<Datum>> run(const ir::Graph& g, std::span<const Datum> in) {
  std::vector<const Datum*> p;
  for (const Datum& d : in) p.push_back(&d);
  return run(g, p);
}

}  // namespace saha::op
