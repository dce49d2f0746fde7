// If as IF; Loop as WHILE over all that it carries and captures, with the turn and the condition in front. What a loop gives at each turn is
// put into a tensor that is made before it; Scan is such a loop.
#include <algorithm>

#include "formats/tflite/write.hpp"
#include "op/captures.hpp"

namespace saha::tflite {
namespace {
using Said = std::optional<Vals>;
using ir::GraphRef;

// ---- said as a loop without results at each turn ------------------------------------------------------------------------------------------
std::optional<std::int64_t> turns(const Saying& s) {
  const auto m = s.ints(0);
  if (!m || m->size() != 1) return {};
  return (*m)[0];
}
/// Results at each turn become carried values: turn t puts its row into a tensor of as many rows as turns are allowed; what no turn has filled is cut.
Said loop(const Saying& s) {
  const ir::Graph& body = s.graph("body");
  const auto carried = std::size_t(s.i("carried"));
  const std::size_t scans = body.outputs().size() - 1 - carried;
  const auto most = turns(s);
  if (scans == 0) return {};
  if (!most || *most < 1) return {};
  std::vector<Dims> row(scans);
  for (std::size_t k = 0; k < scans; ++k) {
    const ir::Type& t = body.type(body.outputs()[1 + carried + k]);
    const auto d = known_dims(t);
    if (!d) return {};
    row[k] = *d;
  }
  op::Builder b;
  Vals in = {b.input(body[body.inputs()[0]].type), b.input(body[body.inputs()[1]].type)};
  for (std::size_t i = 0; i < carried; ++i) in.push_back(b.input(body[body.inputs()[2 + i]].type));
  Vals kept, captured;
  Val counted = b.input(ir::tensor_type(DType::i64, {}));
  for (std::size_t k = 0; k < scans; ++k) {
    std::vector<ir::Dim> d = {ir::Dim(*most)};
    d.insert(d.end(), row[k].begin(), row[k].end());
    kept.push_back(b.input(ir::tensor_type(body.type(body.outputs()[1 + carried + k]).dtype, d)));
  }
  for (std::size_t i = 2 + carried; i < body.inputs().size(); ++i) captured.push_back(b.input(body[body.inputs()[i]].type));
  Vals operands = in;
  operands.insert(operands.end(), captured.begin(), captured.end());
  Vals y = b.inline_graph(body, operands), out(y.begin(), y.begin() + std::ptrdiff_t(1 + carried));
  if (b.failed()) { s.b.fail(Error(*b.error())); return s.in; }
  out.push_back(counted + 1.0);
  for (std::size_t k = 0; k < scans; ++k) {
    Val at = b.op("Reshape", {in[0], b.ints({1, 1})});
    out.push_back(b.op("ScatterND", {kept[k], at, b.op("Unsqueeze", {y[1 + carried + k], b.ints({0})})}));
  }
  auto g = std::move(b).build(out);
  if (!g) { s.b.fail(std::move(g.error())); return s.in; }
  Vals given(s.in.begin(), s.in.begin() + std::ptrdiff_t(2 + carried));
  given.push_back(s.b.constant(Tensor::scalar_int(0)));
  for (std::size_t k = 0; k < scans; ++k) {
    Dims d = {*most};
    d.insert(d.end(), row[k].begin(), row[k].end());
    given.push_back(s.b.constant(Tensor::zeros(body.type(body.outputs()[1 + carried + k]).dtype, d)));
  }
  given.insert(given.end(), s.in.begin() + std::ptrdiff_t(2 + carried), s.in.end());
  Vals r = s.b.ops("Loop", given, {{"body", GraphRef(std::make_shared<const ir::Graph>(std::move(*g)))}, {"carried", std::int64_t(carried + 1 + scans)}}, int(carried + 1 + scans));
  if (s.b.failed()) return s.in;
  Vals results(r.begin(), r.begin() + std::ptrdiff_t(carried));
  const ir::Dim all = s.result(carried).ranked && !s.result(carried).dims.empty() ? s.result(carried).dims[0] : ir::Dim(-1);
  for (std::size_t k = 0; k < scans; ++k) {
    Val v = r[carried + 1 + k];
    if (!all.is(*most)) v = s.b.op("Slice", {v, s.b.ints({0}), s.b.op("Reshape", {r[carried], s.b.ints({1})}), s.b.ints({0})});
    results.push_back(v);
  }
  return results;
}
/// A loop over the elements of its scan operands.
Said scan(const Saying& s) {
  const ir::Graph& body = s.graph("body");
  const auto carried = std::size_t(s.i("carried")), scans = std::size_t(s.i("num_scan_inputs")), formal = carried + scans;
  if (scans == 0) return {};
  const std::size_t made = body.outputs().size() - carried;
  auto list = [&](const char* name, std::size_t n) { Ints v = s.is(name); v.resize(n, 0); return v; };
  Ints axes = list("scan_input_axes", scans), back = list("scan_input_directions", scans), out_axes = list("scan_output_axes", made), out_back = list("scan_output_directions", made);
  for (std::size_t j = 0; j < scans; ++j) axes[j] = axis_in(axes[j], s.rank(carried + j));
  const auto steps = s.type(carried).dims[std::size_t(axes[0])].known();
  if (!steps) return {};
  op::Builder b;
  Val turn = b.input(ir::tensor_type(DType::i64, {})), go = b.input(ir::tensor_type(DType::boolean, {}));
  Vals in;
  for (std::size_t i = 0; i < s.in.size(); ++i) {
    Val v = b.input(i < carried ? body[body.inputs()[i]].type : s.b.type_ref(s.in[i]));
    if (i >= carried && i < formal) {
      Val at = back[i - carried] ? (double(*steps) - 1) - turn : turn;
      v = b.op("Gather", {v, at}, {{"axis", axes[i - carried]}});
    }
    in.push_back(v);
  }
  Vals y = b.inline_graph(body, in), out = {b.op("Identity", {go})};
  out.insert(out.end(), y.begin(), y.end());
  auto g = std::move(b).build(out);
  if (!g) { s.b.fail(std::move(g.error())); return s.in; }
  Vals given = {s.b.constant(Tensor::scalar_int(*steps)), {}};
  given.insert(given.end(), s.in.begin(), s.in.end());
  Vals r = s.b.ops("Loop", given, {{"body", GraphRef(std::make_shared<const ir::Graph>(std::move(*g)))}, {"carried", std::int64_t(carried)}}, int(carried + made));
  for (std::size_t k = 0; k < made && !s.b.failed(); ++k) {
    Val& v = r[carried + k];
    if (out_back[k]) v = s.b.op("Slice", {v, s.b.ints({-1}), s.b.ints({INT64_MIN}), s.b.ints({0}), s.b.ints({-1})});
    const std::size_t rank = s.result(carried + k).dims.size();
    const std::int64_t axis = axis_in(out_axes[k], rank);
    if (axis == 0) continue;
    Ints perm = plain_order(rank);
    std::rotate(perm.begin(), perm.begin() + 1, perm.begin() + axis + 1);
    v = transposed(v, perm);
  }
  return r;
}
constexpr SayRule kSayings[] = {{"Loop", loop}, {"Scan", scan}};

// ---- written ------------------------------------------------------------------------------------------------------------------------------
std::int32_t scalar(Writing& w, std::size_t i, DType t) {
  if (const Tensor* c = w.data(i)) return w.constant(c->reshaped({}));
  const std::int32_t x = w.in(i);
  if (w.type(i).dims.empty()) return x;
  const std::int32_t r = w.temporary(t, {});
  w.reshape(x, r, *ir::tensor_type(t, {}), {});
  return r;
}
void branch(Writing& w) {
  std::vector<std::int32_t> in = {scalar(w, 0, DType::boolean)}, out;
  for (std::size_t i = 1; i < w.n.num_operands; ++i) in.push_back(w.in(i, plain_order(w.rank(i))));
  for (std::size_t k = 0; k < w.n.num_results; ++k) out.push_back(w.out(k));
  if (w.failed()) return;
  fb::IfOptionsT o;
  o.then_subgraph_index = int(w.file().sub_graph(w.graph("then_branch"), "then"));
  o.else_subgraph_index = int(w.file().sub_graph(w.graph("else_branch"), "else"));
  w.op(Code::IF, in, out, o);
}
void while_loop(Writing& w) {
  const ir::Graph& body = w.graph("body");
  const auto carried = std::size_t(w.i("carried"));
  if (body.outputs().size() != 1 + carried) return w.unsupported("gives a value at each turn, for a number of turns or of a shape that only a run tells", "give the shape: saha convert --shape NAME=...");
  // The state: turn, condition, carried values, captures; and the most turns, where that is computed.
  const bool computed = w.has(0) && !w.data(0);
  op::Builder cond, turn;
  Vals c, t;
  auto input = [&](const ir::TypeRef& type) { c.push_back(cond.input(type)); t.push_back(turn.input(type)); };
  input(ir::tensor_type(DType::i64, {}));
  input(ir::tensor_type(DType::boolean, {}));
  for (std::size_t i = 2; i < body.inputs().size(); ++i) input(body[body.inputs()[i]].type);
  if (computed) input(ir::tensor_type(DType::i64, {}));
  const std::size_t n = body.inputs().size();
  Val go = c[1];
  if (w.has(0)) go = cond.op("And", {go, cond.op("Less", {c[0], computed ? c[n] : cond.constant(w.data(0)->reshaped({}))})});
  else go = cond.op("Identity", {go});
  auto condition = std::move(cond).build({go});
  Vals in(t.begin(), t.begin() + std::ptrdiff_t(n)), y = turn.inline_graph(body, in), out;
  if (turn.failed()) return w.unsupported(turn.error()->message);
  out.push_back(t[0] + 1.0);
  const bool flat = turn.type(y[0]).dims.empty();
  out.push_back(flat ? y[0] : turn.op("Reshape", {y[0], turn.ints({})}));
  for (std::size_t i = 0; i < carried; ++i) out.push_back(y[1 + i]);
  for (std::size_t i = 2 + carried; i < t.size(); ++i) out.push_back(t[i]);
  auto step = std::move(turn).build(out);
  if (!condition || !step) return w.unsupported(condition ? step.error().message : condition.error().message);

  std::vector<std::int32_t> given = {w.constant(Tensor::scalar_int(0)), w.has(1) ? scalar(w, 1, DType::boolean) : w.constant(Tensor::scalar(DType::boolean, 1))}, results;
  for (std::size_t i = 2; i < w.n.num_operands; ++i) given.push_back(w.in(i, plain_order(w.rank(i))));
  if (computed) given.push_back(scalar(w, 0, DType::i64));
  for (std::size_t i = 0; i < given.size(); ++i) {
    const ir::Type& type = step->type(step->outputs()[i]);
    if (i >= 2 && i < 2 + carried) results.push_back(w.out(i - 2));
    else results.push_back(w.temporary(type.dtype, type.dims, type.quant));
  }
  if (w.failed()) return;
  fb::WhileOptionsT o;
  o.cond_subgraph_index = int(w.file().sub_graph(*condition, "condition"));
  o.body_subgraph_index = int(w.file().sub_graph(*step, "body"));
  w.op(Code::WHILE, given, results, o);
}
constexpr WriteRule kRules[] = {
    {"If", branch},
    {"Loop", while_loop},
};
}  // namespace

std::span<const SayRule> control_sayings() { return kSayings; }
std::span<const WriteRule> control_writers() { return kRules; }

}  // namespace saha::tflite
