// Control flow. Branches and bodies are closed graphs held as attributes; captured values are the last operands and the last inputs of
// every sub-graph. The attribute `carried` counts a loop's state values, `formal` the operands of SequenceMap that are not captures.
#include <algorithm>
#include <map>

#include "op/adjoint.hpp"
#include "op/strides.hpp"
#include "op/type_join.hpp"

namespace saha::op {
namespace {
using std::to_string;

/// Longest loop of the reference: at a microsecond a turn it has run for minutes.
constexpr std::int64_t kMaxTrips = std::int64_t{1} << 28;

/// An input of a sub-graph: its type, and its elements where they are known.
struct Actual {
  TypeRef type;
  std::shared_ptr<const Tensor> value = {};
};
Actual actual(const Infer& c, std::size_t i) {
  if (!c.in[i]) return {ir::unranked_type(DType::none)};
  Actual a{c.in[i], c.b.graph()[c.ids[i]].constant};
  if (!a.value && c.in[i]->is_tensor() && is_int(c.dtype(i)) && ir::is_static(*c.in[i]))
    if (auto v = c.numbers(i)) {
      Dims d;
      for (const Dim& x : c.dims(i)) d.push_back(*x.known());
      if (checked_elements(d) == std::int64_t(v->size())) {
        Tensor t = Tensor::zeros(c.dtype(i), d);
        fill(t, std::span<const std::int64_t>(*v));
        a.value = std::make_shared<const Tensor>(std::move(t));
      }
    }
  return a;
}
/// What a sub-graph gives: types, and whether output 0 is known to be true.
struct Outcome {
  std::vector<TypeRef> types;
  bool first_true = false;
};
/// Infers a sub-graph anew for the operands it has here. Symbols of the outer graph are marked inside, so that one which the sub-graph
/// makes is never taken for one of them; those become fresh symbols outside.
Result<Outcome> infer_call(Infer& c, std::string_view attribute, std::span<const Actual> in) {
  const ir::Graph& g = c.graph(attribute);
  if (g.inputs().size() != in.size()) return c.fail(std::string(attribute) + " has " + to_string(g.inputs().size()) + " inputs, " + to_string(in.size()) + " values are given");
  Builder b;
  b.loops = c.b.loops + (attribute == "body" ? 1 : 0);
  Vals v;
  auto mark = [](const std::string& s) -> std::optional<Dim> { return Dim::symbol("^" + s); };
  for (const Actual& a : in) {
    TypeRef t = substitute(a.type, mark);
    v.push_back(a.value ? b.constant(a.value, t) : b.input(t));
  }
  Vals y = b.inline_graph(g, v);
  if (b.error()) return Error(*b.error()).within(std::string(c.def.name.str()) + ", " + std::string(attribute));
  std::map<std::string, Dim> made;
  auto back = [&](const std::string& s) -> std::optional<Dim> {
    if (!s.empty() && s[0] == '^') return Dim::symbol(s.substr(1));
    auto it = made.find(s);
    if (it == made.end()) it = made.emplace(s, c.fresh(std::string_view(s).substr(0, s.find('#')))).first;
    return it->second;
  };
  Outcome r;
  for (Val x : y) {
    if (!x) return c.fail(std::string(attribute) + " does not make its output " + to_string(r.types.size()));
    r.types.push_back(substitute(b.type_ref(x), back));
  }
  if (!y.empty())
    if (const Known* k = b.known(y[0])) r.first_true = k->size() == 1 && (*k)[0].is(1);
  return r;
}
/// Infers a body until the types of its `carried` values, which stand at in[at_in..] and types[at_out..], no longer change. Each turn infers
/// the loops inside anew, so the deeper the loop, the sooner a type that changes loses its dims: else the turns multiply.
Result<Outcome> infer_body(Infer& c, std::vector<Actual>& in, std::size_t at_in, std::size_t at_out, std::size_t carried) {
  const int depth = c.b.loops, patience = depth == 0 ? 8 : depth == 1 ? 3 : 1;
  const bool deep = depth >= 3;
  for (std::size_t k = 0; k < carried && deep; ++k) {
    Actual& a = in[at_in + k];
    a.value = {};
    if (a.type->is_tensor()) a.type = ir::unranked_type(a.type->dtype);
  }
  for (int turn = 0;; ++turn) {
    SAHA_TRY(Outcome y, infer_call(c, "body", in));
    if (y.types.size() < at_out + carried) return c.fail("the body has " + to_string(y.types.size()) + " outputs, at least " + to_string(at_out + carried) + " are needed");
    bool changed = false;
    for (std::size_t k = 0; k < carried; ++k) {
      Actual& a = in[at_in + k];
      a.value = {};  // true of the first turn only
      TypeRef was = a.type, now;
      if (was->is_tensor() && y.types[at_out + k]->is_tensor() && was->ranked && y.types[at_out + k]->ranked && was->dims.size() == y.types[at_out + k]->dims.size()) {
        // A dim that was widened before is a symbol of its own: whatever the body makes of it, it stays that symbol.
        auto t = std::make_shared<Type>(*y.types[at_out + k]);
        for (std::size_t i = 0; i < t->dims.size(); ++i)
          if (auto s = was->dims[i].symbol_name(); s && s->starts_with("turn#")) t->dims[i] = was->dims[i];
        for (std::size_t i = 0; i < t->dims.size(); ++i) if (!(t->dims[i] == was->dims[i])) t->dims[i] = c.fresh("turn");
        auto u = std::make_shared<Type>(*was);
        u->dims = t->dims;
        SAHA_TRY(now, join(c, TypeRef(u), TypeRef(t)));
      } else {
        SAHA_TRY(now, join(c, was, y.types[at_out + k]));
      }
      if (turn >= patience && now->is_tensor() && !(*now == *was)) now = ir::unranked_type(now->dtype);
      changed |= !(*now == *was);
      a.type = now;
    }
    if (!changed && (turn > 0 || carried == 0 || deep)) return y;
    if (turn > patience + 4) return y;
  }
}
/// The type of a carried value after the loop: as in the body, but a widened dim is another number than it was inside.
TypeRef after_loop(Infer& c, const TypeRef& t) {
  return substitute(t, [&](const std::string& s) -> std::optional<Dim> { return s.starts_with("turn#") ? std::optional(c.fresh("loop")) : std::nullopt; });
}
Result<TypeRef> scanned(Infer& c, const Type& t, std::int64_t axis, const Dim& trips) {
  if (!t.is_tensor()) return c.fail("a scan output is " + ir::str(t) + ", a tensor is needed");
  if (!t.ranked) return ir::unranked_type(t.dtype);
  std::vector<Dim> d = t.dims;
  SAHA_TRY(std::size_t a, c.axis(axis, d.size() + 1, "scan output axis"));
  d.insert(d.begin() + std::ptrdiff_t(a), trips);
  return ir::tensor_type(t.dtype, std::move(d));
}
/// Joins what the turns of a loop gave along a new axis. `element` tells dtype and dims where there was no turn.
Result<Tensor> stacked(const Eval& c, const std::vector<Tensor>& items, std::int64_t axis, bool reversed, const Type& element) {
  DType t = items.empty() ? element.dtype : items[0].dtype;
  Dims one = items.empty() ? Dims{} : items[0].dims;
  if (items.empty() && element.ranked) for (const Dim& d : element.dims) one.push_back(d.known().value_or(0));
  for (const Tensor& x : items) if (x.dims != one || x.dtype != t) return c.fail("a scan output is " + str(one) + " in one turn and " + str(x.dims) + " in another");
  SAHA_TRY(std::size_t a, c.axis(axis, one.size() + 1, "scan output axis"));
  Dims d = one;
  d.insert(d.begin() + std::ptrdiff_t(a), std::int64_t(items.size()));
  SAHA_TRY(Tensor y, c.make(t == DType::none ? DType::f32 : t, d));
  Dims step = row_major(d);
  std::int64_t along = step[a];
  step.erase(step.begin() + std::ptrdiff_t(a));
  for (std::size_t i = 0; i < items.size(); ++i) scatter_strided(items[i], one, y, std::int64_t(reversed ? items.size() - 1 - i : i) * along, step);
  return y;
}
const Type& output_type(const ir::Graph& g, std::size_t k) { return g.type(g.outputs()[k]); }

// ---- If(cond, captures...) ---------------------------------------------------------------------------------------------------
Result<> infer_if(Infer& c) {
  std::vector<Actual> in;
  for (std::size_t i = 1; i < c.in.size(); ++i) in.push_back(actual(c, i));
  auto then_result = infer_call(c, "then_branch", in), else_result = infer_call(c, "else_branch", in);
  // A branch that contradicts itself for these operands can only fail when it is taken (a model for two sampling rates, say): what the node
  // gives, the other branch gives.
  auto known_cond = c.numbers(0);
  bool only_one = known_cond && known_cond->size() == 1;
  if (!then_result && (!else_result || (only_one && (*known_cond)[0]))) return std::move(then_result.error());
  if (!else_result && only_one && !(*known_cond)[0]) return std::move(else_result.error());
  const Outcome &then_out = then_result ? *then_result : *else_result, &else_out = else_result ? *else_result : *then_result;
  std::size_t n = then_out.types.size();
  if (n != else_out.types.size() || std::size_t(c.num_out) > n) return c.fail("the branches have " + to_string(n) + " and " + to_string(else_out.types.size()) + " outputs, the node has " + to_string(c.num_out));
  auto taken = c.numbers(0);
  for (int k = 0; k < c.num_out; ++k) {
    const TypeRef &a = then_out.types[std::size_t(k)], &b = else_out.types[std::size_t(k)];
    if (taken && taken->size() == 1) { SAHA_DO(c.give((*taken)[0] ? a : b)); }
    else {
      SAHA_TRY(TypeRef t, join(c, a, b));
      SAHA_DO(c.give(std::move(t)));
    }
  }
  return {};
}
Result<> eval_if(Eval& c) {
  if (c.x(0).size() != 1) return c.fail("cond has " + to_string(c.x(0).size()) + " elements, one is needed");
  SAHA_TRY(c.out, run(c.graph(c.x(0).int_at(0) ? "then_branch" : "else_branch"), c.in.subspan(1), c.budget));
  return {};
}
/// If(cond, captures, dy) over the gradients of the branches, for the captures that can have one.
Vals if_vjp(const Site& s, const Vals& dy) {
  std::vector<std::size_t> asked;  // operands with a gradient
  for (std::size_t i = 1; i < s.in.size(); ++i) if (s.in[i] && s.type(i).is_tensor() && is_float(s.type(i).dtype)) asked.push_back(i);
  if (asked.empty()) return {};
  auto branch = [&](std::string_view n) -> ir::GraphRef {
    Builder b;
    Vals in, dys, wrt, sum(asked.size());
    for (std::size_t i = 1; i < s.in.size(); ++i) in.push_back(b.input(s.b.type_ref(s.in[i])));
    for (Val d : dy) dys.push_back(d ? b.input(s.b.type_ref(d)) : Val{});
    for (std::size_t i : asked) wrt.push_back(in[i - 1]);
    Vals y = b.inline_graph(s.graph(n), in);
    for (std::size_t k = 0; k < dys.size() && k < y.size(); ++k) {
      if (!dys[k]) continue;
      auto g = gradients(b, y[k], dys[k], wrt);
      if (!g) { s.b.fail(std::move(g.error()).within("If, " + std::string(n))); return {}; }
      for (std::size_t i = 0; i < sum.size(); ++i) if ((*g)[i]) sum[i] = sum[i] ? sum[i] + (*g)[i] : (*g)[i];
    }
    for (std::size_t i = 0; i < sum.size(); ++i) if (!sum[i]) sum[i] = zeros_like(wrt[i]);
    auto g = std::move(b).build(sum);
    if (!g) { s.b.fail(std::move(g.error()).within("If, " + std::string(n))); return {}; }
    return std::make_shared<const ir::Graph>(std::move(*g));
  };
  ir::GraphRef then_branch = branch("then_branch"), else_branch = branch("else_branch");
  if (!then_branch || !else_branch) return {};
  Vals in = s.in;
  for (Val d : dy) if (d) in.push_back(d);
  Vals dx = s.b.ops("If", in, {{"then_branch", then_branch}, {"else_branch", else_branch}}, int(asked.size())), r(s.in.size());
  for (std::size_t i = 0; i < asked.size(); ++i) r[asked[i]] = dx[i];
  return r;
}

// ---- Loop(M, cond, carried..., captures...): body(turn, cond, carried..., captures...) -> (cond, carried..., scans...) -----------
Result<> infer_loop(Infer& c) {
  std::int64_t carried = c.i("carried");
  if (carried < 0 || (carried > 0 && std::size_t(carried) + 2 > c.in.size())) return c.fail(to_string(carried) + " carried values, " + to_string(c.in.size()) + " operands");
  // The body runs only while the condition holds.
  std::vector<Actual> in = {{ir::tensor_type(DType::i64, {})}, {ir::tensor_type(DType::boolean, {}), std::make_shared<const Tensor>(Tensor::scalar(DType::boolean, 1))}};
  for (std::size_t i = 2; i < c.in.size(); ++i) in.push_back(actual(c, i));
  SAHA_TRY(Outcome y, infer_body(c, in, 2, 1, std::size_t(carried)));
  if (std::size_t(c.num_out) + 1 > y.types.size()) return c.fail("the body has " + to_string(y.types.size()) + " outputs, the node has " + to_string(c.num_out) + " results");
  auto cond = c.numbers(1);
  const Known* m = c.known(0);
  bool always = y.first_true && (!c.has(1) || (cond && cond->size() == 1 && (*cond)[0] != 0)) && m && m->size() == 1;
  Dim trips = always ? max(Dim(0), (*m)[0]) : c.fresh("trips");
  for (std::size_t k = 0; k < std::size_t(c.num_out); ++k) {
    if (k < std::size_t(carried)) { SAHA_DO(c.give(after_loop(c, in[2 + k].type))); }
    else {
      SAHA_TRY(TypeRef t, scanned(c, *after_loop(c, y.types[1 + k]), 0, trips));
      SAHA_DO(c.give(std::move(t)));
    }
  }
  return {};
}
Result<> eval_loop(Eval& c) {
  const ir::Graph& g = c.graph("body");
  auto carried = std::size_t(std::max<std::int64_t>(0, c.i("carried")));
  if ((c.has(0) && c.x(0).size() != 1) || (c.has(1) && c.x(1).size() != 1)) return c.fail("M and cond need one element each");
  if (g.outputs().size() < 1 + carried || g.inputs().size() != std::max<std::size_t>(2, c.in.size()) || carried + 2 > g.inputs().size()) return c.fail("the body has " + to_string(g.inputs().size()) + " inputs and " + to_string(g.outputs().size()) + " outputs for " + to_string(carried) + " carried values");
  std::int64_t trips = c.has(0) ? c.x(0).int_at(0) : std::numeric_limits<std::int64_t>::max();
  bool go = !c.has(1) || c.x(1).int_at(0);
  std::vector<Datum> state;
  for (std::size_t i = 0; i < carried; ++i) {
    if (!c.has(2 + i)) return c.fail("carried value " + to_string(i) + " is missing");
    state.push_back(*c.in[2 + i]);
  }
  std::vector<std::vector<Tensor>> scans(g.outputs().size() - 1 - carried);
  const Datum yes(Tensor::scalar(DType::boolean, 1));
  for (std::int64_t t = 0; go && t < trips; ++t) {
    if (t == kMaxTrips) return c.fail("does not end after " + to_string(kMaxTrips) + " turns");
    Datum turn(Tensor::scalar_int(t));
    std::vector<const Datum*> in = {&turn, &yes};
    for (const Datum& s : state) in.push_back(&s);
    for (std::size_t i = 2 + carried; i < c.in.size(); ++i) in.push_back(c.in[i]);
    SAHA_TRY(auto out, run(g, in, c.budget));
    if (!out[0].is_tensor() || out[0].tensor.size() != 1) return c.fail("the body's condition is not one element");
    go = out[0].tensor.int_at(0) != 0;
    for (std::size_t i = 0; i < carried; ++i) state[i] = std::move(out[1 + i]);
    for (std::size_t i = 0; i < scans.size(); ++i) {
      if (!out[1 + carried + i].is_tensor()) return c.fail("scan output " + to_string(i) + " is not a tensor");
      scans[i].push_back(std::move(out[1 + carried + i].tensor));
    }
  }
  c.out = std::move(state);
  for (std::size_t i = 0; i < scans.size(); ++i) {
    SAHA_TRY(Tensor y, stacked(c, scans[i], 0, false, output_type(g, 1 + carried + i)));
    SAHA_DO(c.give(std::move(y)));
  }
  return {};
}

/// Runs the loop again with the carried values of every turn as scan outputs, then a loop over the turns in reverse, each of which computes
/// its body anew and takes the gradient through it. Gradients of captures add up. Carried values must keep their shapes.
Vals loop_vjp(const Site& s, const Vals& dy) {
  const ir::Graph& g = s.graph("body");
  auto carried = std::size_t(s.i("carried"));
  auto has_gradient = [&](ValueId v) { return g.type(v).is_tensor() && is_float(g.type(v).dtype); };
  std::vector<std::size_t> states, captured;  // inputs of the body
  for (std::size_t i = 2; i < g.inputs().size(); ++i) {
    if (i < 2 + carried && !g.type(g.inputs()[i]).is_tensor()) {
      s.b.fail({ErrorCode::unsupported, "Loop: carried value " + to_string(i - 2) + " is " + ir::str(g.type(g.inputs()[i])) + "; a loop over lists has no gradient"});
      return {};
    }
    if (has_gradient(g.inputs()[i])) (i < 2 + carried ? states : captured).push_back(i);
  }
  auto give_up = [&](Error e) { s.b.fail(std::move(e).within("Loop, gradient")); return Vals{}; };

  Builder forward;
  Vals in;
  for (ValueId v : g.inputs()) in.push_back(forward.input(g[v].type));
  Vals y = forward.inline_graph(g, in), out(y.begin(), y.begin() + std::ptrdiff_t(1 + carried));
  out.insert(out.end(), in.begin() + 2, in.begin() + std::ptrdiff_t(2 + carried));
  out.push_back(in[0]);
  auto forward_body = std::move(forward).build(out);
  if (!forward_body) return give_up(std::move(forward_body.error()));
  Vals kept = s.b.ops("Loop", s.in, {{"body", std::make_shared<const ir::Graph>(std::move(*forward_body))}, {"carried", std::int64_t(carried)}}, int(2 * carried + 1));
  Val trips = s.b.op("Size", {kept.back()});

  // Operands of the loop in reverse: gradients so far; then trips, the kept states, the captures, the gradients of scan outputs.
  Vals operands = {trips, {}};
  Builder b;
  Val turn = b.input(ir::tensor_type(DType::i64, {})), go = b.input(ir::tensor_type(DType::boolean, {}));
  Vals grad, formal(g.inputs().size());
  auto operand = [&](Val outside) { operands.push_back(outside); return b.input(s.b.type_ref(outside)); };
  for (std::size_t i : states) grad.push_back(operand(i - 2 < dy.size() && dy[i - 2] ? dy[i - 2] : zeros_like(s.out.size() > i - 2 ? s.out[i - 2] : kept[i - 2])));
  for (std::size_t i : captured) grad.push_back(operand(zeros_like(s.in[i])));
  std::size_t carried_back = grad.size();
  Val at = operand(trips) - b.constant(Tensor::scalar_int(1)) - turn;
  formal[0] = at;
  formal[1] = b.constant(Tensor::scalar(DType::boolean, 1));
  for (std::size_t k = 0; k < carried; ++k) formal[2 + k] = b.op("Gather", {operand(kept[carried + k]), at});
  for (std::size_t i = 2 + carried; i < formal.size(); ++i) formal[i] = operand(s.in[i]);
  Vals scans(dy.size());
  for (std::size_t k = carried; k < dy.size(); ++k) if (dy[k]) scans[k] = b.op("Gather", {operand(dy[k]), at});
  Vals made = b.inline_graph(g, formal), wrt, sum(carried_back);
  for (std::size_t i : states) wrt.push_back(formal[i]);
  for (std::size_t i : captured) wrt.push_back(formal[i]);
  auto through = [&](Val of, Val d) -> Result<> {
    SAHA_TRY(Vals x, gradients(b, of, d, wrt));
    for (std::size_t i = 0; i < x.size(); ++i) if (x[i]) sum[i] = sum[i] ? sum[i] + x[i] : x[i];
    return {};
  };
  if (b.error()) return give_up(*b.error());
  for (std::size_t i = 0; i < states.size(); ++i) if (auto r = through(made[states[i] - 1], grad[i]); !r) return give_up(std::move(r.error()));
  for (std::size_t k = carried; k < dy.size(); ++k)
    if (scans[k]) if (auto r = through(made[1 + k], scans[k]); !r) return give_up(std::move(r.error()));
  Vals result = {go};
  for (std::size_t i = 0; i < carried_back; ++i) {
    if (i < states.size()) result.push_back(sum[i] ? sum[i] : zeros_like(wrt[i]));
    else result.push_back(sum[i] ? grad[i] + sum[i] : grad[i]);
  }
  auto body = std::move(b).build(result);
  if (!body) return give_up(std::move(body.error()));
  Vals r(s.in.size());
  if (carried_back == 0) return r;
  Vals back = s.b.ops("Loop", operands, {{"body", std::make_shared<const ir::Graph>(std::move(*body))}, {"carried", std::int64_t(carried_back)}}, int(carried_back));
  for (std::size_t i = 0; i < states.size(); ++i) r[states[i]] = back[i];
  for (std::size_t i = 0; i < captured.size(); ++i) r[captured[i]] = back[states.size() + i];
  return r;
}

// ---- Scan(carried..., scanned..., captures...): body(carried..., slices..., captures...) -> (carried..., scans...) ----------------
struct ScanShape {
  std::size_t carried, scans;
  Dims in_axis, in_back, out_axis, out_back;  // one per scanned operand, one per scan output
};
template <class C> Result<ScanShape> scan_shape(const C& c, std::size_t operands) {
  const ir::Graph& g = c.graph("body");
  std::int64_t carried = c.i("carried"), scans = c.i("num_scan_inputs");
  if (carried < 0 || scans < 1 || std::size_t(carried) + std::size_t(scans) > operands || g.inputs().size() != operands || g.outputs().size() < std::size_t(carried))
    return c.fail(to_string(carried) + " carried and " + to_string(scans) + " scanned values do not fit " + to_string(operands) + " operands and a body of " + to_string(g.inputs().size()) + " inputs and " + to_string(g.outputs().size()) + " outputs");
  ScanShape s{std::size_t(carried), std::size_t(scans), {}, {}, {}, {}};
  auto list = [&](Dims& to, std::string_view name, std::size_t n) -> Result<> {
    to = c.has_attr(name) ? c.is(name) : Dims(n, 0);
    if (to.size() != n) return c.fail(std::string(name) + " has " + to_string(to.size()) + " entries, " + to_string(n) + " are needed");
    return {};
  };
  SAHA_DO(list(s.in_axis, "scan_input_axes", s.scans));
  SAHA_DO(list(s.in_back, "scan_input_directions", s.scans));
  SAHA_DO(list(s.out_axis, "scan_output_axes", g.outputs().size() - s.carried));
  SAHA_DO(list(s.out_back, "scan_output_directions", g.outputs().size() - s.carried));
  return s;
}
Result<> infer_scan(Infer& c) {
  SAHA_TRY(ScanShape s, scan_shape(c, c.in.size()));
  std::vector<Actual> in;
  std::optional<Dim> trips;
  for (std::size_t i = 0; i < c.in.size(); ++i) {
    in.push_back(actual(c, i));
    if (i < s.carried || i >= s.carried + s.scans) continue;
    Actual& x = in.back();
    x.value = {};
    if (!x.type->is_tensor()) return c.fail("operand " + to_string(i) + " is " + ir::str(*x.type) + ", a tensor is needed");
    if (!x.type->ranked) continue;
    std::vector<Dim> d = x.type->dims;
    SAHA_TRY(std::size_t a, c.axis(s.in_axis[i - s.carried], d.size(), "scan input axis"));
    if (!trips || (!trips->known() && d[a].known())) trips = d[a];
    else if (trips->known() && d[a].known() && !(*trips == d[a])) return c.fail("operand " + to_string(i) + " has " + d[a].str() + " steps, another has " + trips->str());
    d.erase(d.begin() + std::ptrdiff_t(a));
    x.type = ir::tensor_type(x.type->dtype, std::move(d));
  }
  if (!trips) trips = c.fresh("trips");
  SAHA_TRY(Outcome y, infer_body(c, in, 0, 0, s.carried));
  if (std::size_t(c.num_out) > y.types.size()) return c.fail("the body has " + to_string(y.types.size()) + " outputs, the node has " + to_string(c.num_out) + " results");
  for (std::size_t k = 0; k < std::size_t(c.num_out); ++k) {
    if (k < s.carried) { SAHA_DO(c.give(after_loop(c, in[k].type))); }
    else {
      SAHA_TRY(TypeRef t, scanned(c, *after_loop(c, y.types[k]), s.out_axis[k - s.carried], *trips));
      SAHA_DO(c.give(std::move(t)));
    }
  }
  return {};
}
Result<> eval_scan(Eval& c) {
  SAHA_TRY(ScanShape s, scan_shape(c, c.in.size()));
  const ir::Graph& g = c.graph("body");
  std::vector<Datum> state;
  std::int64_t trips = -1;
  std::vector<std::size_t> axis(s.scans);
  for (std::size_t i = 0; i < s.carried + s.scans; ++i) {
    if (!c.has(i)) return c.fail("operand " + to_string(i) + " is missing");
    if (i < s.carried) { state.push_back(*c.in[i]); continue; }
    if (!c.in[i]->is_tensor()) return c.fail("operand " + to_string(i) + " is not a tensor");
    std::size_t j = i - s.carried;
    SAHA_TRY(axis[j], c.axis(s.in_axis[j], c.x(i).rank(), "scan input axis"));
    std::int64_t n = c.x(i).dims[axis[j]];
    if (trips >= 0 && n != trips) return c.fail("operand " + to_string(i) + " has " + to_string(n) + " steps, another has " + to_string(trips));
    trips = n;
  }
  std::vector<std::vector<Tensor>> scans(g.outputs().size() - s.carried);
  for (std::int64_t t = 0; t < trips; ++t) {
    std::vector<Datum> slices;
    for (std::size_t j = 0; j < s.scans; ++j) {
      const Tensor& x = c.x(s.carried + j);
      Dims d = x.dims, step = row_major(d);
      std::int64_t along = step[axis[j]];
      d.erase(d.begin() + std::ptrdiff_t(axis[j]));
      step.erase(step.begin() + std::ptrdiff_t(axis[j]));
      SAHA_TRY(Tensor one, c.make(x.dtype, d));
      gather_strided(x, (s.in_back[j] ? trips - 1 - t : t) * along, step, d, one);
      slices.emplace_back(std::move(one));
    }
    std::vector<const Datum*> in;
    for (const Datum& d : state) in.push_back(&d);
    for (const Datum& d : slices) in.push_back(&d);
    for (std::size_t i = s.carried + s.scans; i < c.in.size(); ++i) in.push_back(c.in[i]);
    SAHA_TRY(auto out, run(g, in, c.budget));
    for (std::size_t i = 0; i < s.carried; ++i) state[i] = std::move(out[i]);
    for (std::size_t i = 0; i < scans.size(); ++i) {
      if (!out[s.carried + i].is_tensor()) return c.fail("scan output " + to_string(i) + " is not a tensor");
      scans[i].push_back(std::move(out[s.carried + i].tensor));
    }
  }
  c.out = std::move(state);
  for (std::size_t i = 0; i < scans.size(); ++i) {
    SAHA_TRY(Tensor y, stacked(c, scans[i], s.out_axis[i], s.out_back[i] != 0, output_type(g, s.carried + i)));
    SAHA_DO(c.give(std::move(y)));
  }
  return {};
}

/// The same as a Loop that takes its slices itself; its gradient is that loop's.
Vals scan_as_loop(const Site& s, const ScanShape& shape, int num_out) {
  const ir::Graph& g = s.graph("body");
  Builder body;
  Val turn = body.input(ir::tensor_type(DType::i64, {})), go = body.input(ir::tensor_type(DType::boolean, {}));
  Vals in;
  auto steps = [](Builder& b, Val x, std::int64_t axis) { return b.op("Gather", {b.op("Shape", {x}), b.constant(Tensor::scalar_int(axis))}); };
  for (std::size_t i = 0; i < s.in.size(); ++i) {
    Val x = body.input(i < shape.carried ? g[g.inputs()[i]].type : s.b.type_ref(s.in[i]));
    if (i >= shape.carried && i < shape.carried + shape.scans) {
      std::size_t j = i - shape.carried;
      Val at = shape.in_back[j] ? steps(body, x, shape.in_axis[j]) - body.constant(Tensor::scalar_int(1)) - turn : turn;
      x = body.op("Gather", {x, at}, {{"axis", shape.in_axis[j]}});
    }
    in.push_back(x);
  }
  Vals made = body.inline_graph(g, in), out = {go};
  out.insert(out.end(), made.begin(), made.end());
  auto graph = std::move(body).build(out);
  if (!graph) {
    s.b.fail(std::move(graph.error()).within("Scan, gradient"));
    return {};
  }
  Vals operands = {steps(s.b, s.in[shape.carried], shape.in_axis[0]), {}};
  operands.insert(operands.end(), s.in.begin(), s.in.end());
  Vals y = s.b.ops("Loop", operands, {{"body", std::make_shared<const ir::Graph>(std::move(*graph))}, {"carried", std::int64_t(shape.carried)}}, num_out);
  for (std::size_t k = shape.carried; k < y.size(); ++k) {
    std::size_t j = k - shape.carried;
    if (shape.out_back[j]) y[k] = s.b.op("Slice", {y[k], s.b.ints({-1}), s.b.ints({std::numeric_limits<std::int64_t>::min()}), s.b.ints({0}), s.b.ints({-1})});
    auto rank = std::int64_t(s.b.type(y[k]).dims.size()), a = shape.out_axis[j] < 0 ? shape.out_axis[j] + rank : shape.out_axis[j];
    if (a == 0) continue;
    ir::Ints perm;
    for (std::int64_t i = 1; i <= a; ++i) perm.push_back(i);
    perm.push_back(0);
    for (std::int64_t i = a + 1; i < rank; ++i) perm.push_back(i);
    y[k] = s.b.op("Transpose", {y[k]}, {{"perm", std::move(perm)}});
  }
  return y;
}
/// scan_shape() reports as Eval and Infer do.
struct ScanSite : AttrView {
  Error fail(std::string what) const { return {ErrorCode::invalid_model, "Scan: " + std::move(what)}; }
};
Vals scan_vjp(const Site& s, const Vals& dy) {
  auto shape = scan_shape(ScanSite{{s.attrs}}, s.in.size());
  if (!shape) {
    s.b.fail(std::move(shape.error()));
    return {};
  }
  Vals y = scan_as_loop(s, *shape, int(dy.size())), sum(s.in.size());
  for (std::size_t k = 0; k < y.size() && !s.b.error(); ++k) {
    if (!dy[k]) continue;
    auto d = gradients(s.b, y[k], dy[k], s.in);
    if (!d) {
      s.b.fail(std::move(d.error()));
      return {};
    }
    for (std::size_t i = 0; i < sum.size(); ++i) if ((*d)[i]) sum[i] = sum[i] ? sum[i] + (*d)[i] : (*d)[i];
  }
  return sum;
}

// ---- SequenceMap(input_sequence, additional..., captures...): body(elements..., captures...) --------------------------------------
Result<> infer_sequence_map(Infer& c) {
  std::vector<Actual> in;
  for (std::size_t i = 0; i < c.in.size(); ++i) {
    in.push_back(actual(c, i));
    bool mapped = i < std::size_t(c.i("formal")) && in[i].type->kind == Type::Kind::sequence;
    if (mapped) in[i] = {element_type(c, *in[i].type)};
  }
  SAHA_TRY(Outcome y, infer_call(c, "body", in));
  if (std::size_t(c.num_out) > y.types.size()) return c.fail("the body has " + to_string(y.types.size()) + " outputs, the node has " + to_string(c.num_out) + " results");
  for (int k = 0; k < c.num_out; ++k) SAHA_DO(c.give(ir::sequence_type(y.types[std::size_t(k)])));
  return {};
}
Result<> eval_sequence_map(Eval& c) {
  const ir::Graph& g = c.graph("body");
  auto formal = std::size_t(std::max<std::int64_t>(0, c.i("formal")));
  if (c.in[0]->kind != Datum::Kind::sequence) return c.fail("operand 0 is not a sequence");
  std::size_t n = c.in[0]->list().size();
  auto mapped = [&](std::size_t i) { return i < formal && c.in[i]->kind == Datum::Kind::sequence; };
  for (std::size_t i = 0; i < c.in.size(); ++i) {
    if (!c.in[i]) return c.fail("operand " + to_string(i) + " is missing");
    if (mapped(i) && c.in[i]->list().size() != n) return c.fail("operand " + to_string(i) + " has " + to_string(c.in[i]->list().size()) + " elements, operand 0 has " + to_string(n));
  }
  std::vector<std::vector<Datum>> y(g.outputs().size());
  for (std::size_t t = 0; t < n; ++t) {
    std::vector<const Datum*> in;
    for (std::size_t i = 0; i < c.in.size(); ++i) in.push_back(mapped(i) ? &c.in[i]->list()[t] : c.in[i]);
    SAHA_TRY(auto out, run(g, in, c.budget));
    for (std::size_t k = 0; k < y.size(); ++k) y[k].push_back(std::move(out[k]));
  }
  for (auto& s : y) SAHA_DO(c.give(Datum::sequence(std::move(s))));
  return {};
}

constexpr OpDef kOps[] = {
    {.name = "If", .since_version = 25, .signature = "(cond: bool, captures: value...?) -> (outputs: value...) | then_branch: graph, else_branch: graph",
     .traits = kControl, .infer = infer_if, .eval = eval_if, .vjp = if_vjp},
    {.name = "Loop", .since_version = 25, .signature = "(M: int64?, cond: bool?, values: value...?) -> (outputs: value...) | body: graph, carried: int = 0",
     .traits = kControl, .infer = infer_loop, .eval = eval_loop, .vjp = loop_vjp},
    {.name = "Scan", .since_version = 25, .signature = "(values: value...) -> (outputs: value...) | body: graph, num_scan_inputs: int, carried: int = 0, scan_input_axes: ints?, scan_input_directions: ints?, scan_output_axes: ints?, scan_output_directions: ints?",
     .traits = kControl, .infer = infer_scan, .eval = eval_scan, .vjp = scan_vjp},
    {.name = "SequenceMap", .since_version = 17, .signature = "(input_sequence: value, values: value...?) -> (outputs: value...) | body: graph, formal: int = 1",
     .traits = kControl, .infer = infer_sequence_map, .eval = eval_sequence_map},
};
}  // namespace

std::span<const OpDef> control() { return kOps; }

}  // namespace saha::op
