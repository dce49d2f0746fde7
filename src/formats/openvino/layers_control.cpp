// Recurrent layers, bodies that run in turns or by choice, states. Bodies of IR are closed, as those of the graph: all that they read is handed in.
#include <algorithm>
#include <set>

#include "formats/openvino/layers.hpp"

namespace saha::openvino {
namespace {
using std::to_string;

// ---- recurrent layers --------------------------------------------------------------------------------------------------------
// IR has the batch first, [N, T, I] and states [N, D, H]; the operators have [T, N, I] and [D, N, H]. LSTM's gates are f, i, c, o there and i, o, f, c here.
struct Cell {
  ir::OpName op;
  std::size_t states, gates;
};
constexpr Cell kLstm{"LSTM", 2, 4}, kGru{"GRU", 1, 3}, kRnn{"RNN", 1, 1};
Cell cell_of(std::string_view type) { return type.rfind("LSTM", 0) == 0 ? kLstm : type.rfind("GRU", 0) == 0 ? kGru : kRnn; }
constexpr std::size_t kOurLstm[] = {1, 3, 0, 2}, kTheirLstm[] = {2, 0, 3, 1};   // which gate of the other's order stands there

struct Activation { std::string_view theirs, ours; };
constexpr Activation kActivations[] = {{"sigmoid", "Sigmoid"}, {"tanh", "Tanh"}, {"relu", "Relu"}};

/// What sequence and cell have in common: x [T, N, I], states [D, N, H], weights with D in front.
Vals recurrent(Site& s, const Cell& cell, Val x, const Vals& states, Val lengths, Val w, Val r, Val bias, std::int64_t directions, std::string direction) {
  op::Builder& b = s.b;
  if (b.failed()) return {};
  const ir::Type& rt = b.type(r);
  const std::int64_t hidden = s.i("hidden_size", rt.dims.size() == 3 ? rt.dims[2].known().value_or(0) : 0);
  auto gates = [&](Val v) {
    if (cell.op != kLstm.op) return v;
    Vals in = b.ops("Split", {v}, {{"axis", std::int64_t{1}}, {"num_outputs", std::int64_t{4}}}, 4), out;
    for (std::size_t k : kOurLstm) out.push_back(in[k]);
    return s.op("Concat", out, {{"axis", std::int64_t{1}}});
  };
  const bool reset = cell.op == kGru.op && s.flag("linear_before_reset");
  Val both;
  if (bias) {
    const DType t = b.type(bias).dtype;
    auto zeros = [&](std::int64_t n) { return b.constant(Tensor::zeros(t, {directions, n})); };
    if (hidden < 1 || hidden > (1 << 24)) { s.fail("has hidden_size " + to_string(hidden)); return {}; }
    if (reset) {   // sums for z and r, then h's two biases apart
      Vals parts = b.ops("Split", {bias}, {{"axis", std::int64_t{1}}, {"num_outputs", std::int64_t{4}}}, 4);
      both = s.op("Concat", {parts[0], parts[1], parts[2], zeros(2 * hidden), parts[3]}, {{"axis", std::int64_t{1}}});
    } else both = s.op("Concat", {gates(bias), zeros(std::int64_t(cell.gates) * hidden)}, {{"axis", std::int64_t{1}}});
  }
  Vals in = {x, gates(w), gates(r), both, lengths};
  in.insert(in.end(), states.begin(), states.end());
  Attrs a = {{"hidden_size", hidden}, {"direction", direction}};
  if (const std::string listed = s.s("activations"); !listed.empty()) {
    ir::Strings one, all;
    for (std::size_t at = 0; at <= listed.size();) {
      const std::size_t comma = std::min(listed.find(',', at), listed.size());
      std::string name = listed.substr(at, comma - at);
      std::erase(name, ' ');
      at = comma + 1;
      const auto* known = std::find_if(std::begin(kActivations), std::end(kActivations), [&](const Activation& k) { return k.theirs == name; });
      if (known == std::end(kActivations)) { s.unsupported("activation '" + shown(name) + "' is not taken", "sigmoid, tanh and relu are"); return {}; }
      one.emplace_back(known->ours);
    }
    for (std::int64_t d = 0; d < directions; ++d) all.insert(all.end(), one.begin(), one.end());
    a.push_back({"activations", all});
  }
  if (const double clip = s.f("clip"); clip > 0) a.push_back({"clip", float(clip)});
  if (reset) a.push_back({"linear_before_reset", std::int64_t{1}});
  return b.ops(cell.op, in, a, int(1 + cell.states));
}
Vals sequence(Site& s) {
  const Cell cell = cell_of(s.layer.type);
  const std::string way = s.s("direction", "forward");
  const std::int64_t directions = way == "bidirectional" ? 2 : 1;
  if (way != "forward" && way != "reverse" && way != "bidirectional") { s.fail("has direction '" + way.substr(0, 40) + "'"); return {}; }
  const std::size_t at = 1 + cell.states;
  if (!s.has(at + 2)) { s.fail("has no weights"); return {}; }
  if (s.has(at + 4)) { s.unsupported("peepholes are not taken"); return {}; }
  if (s.b.failed() || s.rank() != 3) { s.fail("takes [N, T, I]"); return {}; }
  Vals states;
  for (std::size_t i = 1; i < at; ++i) states.push_back(permuted(s.in[i], {1, 0, 2}));
  Val lengths = s.op_cast(s.in[at], DType::i32);
  const auto known = s.known(at);
  const auto steps = s.type(0).dims[1].known();
  if (known && steps && std::all_of(known->begin(), known->end(), [&](std::int64_t n) { return n == *steps; })) lengths = {};
  Vals y = recurrent(s, cell, permuted(s.in[0], {1, 0, 2}), states, lengths, s.in[at + 1], s.in[at + 2], s.has(at + 3) ? s.in[at + 3] : Val{}, directions, way);
  if (s.b.failed()) return {};
  Vals out = {s.op("Transpose", {y[0]}, {{"perm", Ints{2, 1, 0, 3}}})};
  for (std::size_t k = 1; k < y.size(); ++k) out.push_back(s.op("Transpose", {y[k]}, {{"perm", Ints{1, 0, 2}}}));
  return out;
}
Vals cell_layer(Site& s) {
  const Cell cell = cell_of(s.layer.type);
  const std::size_t at = 1 + cell.states;
  if (!s.has(at + 1)) { s.fail("has no weights"); return {}; }
  if (s.has(at + 3) || s.s("weights_format", "fico") != "fico" || s.flag("input_forget")) { s.unsupported("peepholes, a coupled gate and another order of gates are not taken"); return {}; }
  auto wide = [&](Val v) { return s.op("Unsqueeze", {v, s.b.ints({0})}); };
  Vals states;
  for (std::size_t i = 1; i < at; ++i) states.push_back(wide(s.in[i]));
  Vals y = recurrent(s, cell, wide(s.in[0]), states, {}, wide(s.in[at]), wide(s.in[at + 1]), s.has(at + 2) ? wide(s.in[at + 2]) : Val{}, 1, "forward");
  if (s.b.failed()) return {};
  Vals out;
  for (std::size_t k = 1; k < y.size(); ++k) out.push_back(s.op("Squeeze", {y[k], s.b.ints({0})}));
  return out;
}

/// op on constants now, else by a layer.
Val taken(Writer& w, Val v, const Ints& places) {
  if (w.failed()) return v;
  if (const Tensor* t = w.b.data(v)) {
    Datum x = *t, at = Tensor::of_ints(places);
    const Datum* in[] = {&x, &at};
    auto y = op::run(*op::find("Gather")->def, in, {{"axis", std::int64_t{1}}}, 1);
    if (y) return w.b.constant((*y)[0].tensor);
  }
  return w.layer("Gather", {v, w.ints(places), w.b.constant(Tensor::scalar_int(1))}, {{"batch_dims", "0"}});
}
Val summed(Writer& w, Val x, Val y) {
  const Tensor *a = w.failed() ? nullptr : w.b.data(x), *b = w.failed() ? nullptr : w.b.data(y);
  if (!a || !b) return w.add(x, y);
  Datum p = *a, q = *b;
  const Datum* in[] = {&p, &q};
  auto r = op::run(*op::find("Add")->def, in, {}, 1);
  return r ? w.b.constant((*r)[0].tensor) : w.add(x, y);
}
Val swapped(Writer& w, Val v, const Ints& perm) { return w.layer("Transpose", {v, w.ints(perm)}); }

Vals say_recurrent(const Saying& s) {
  Writer& w = s.w;
  if (w.failed()) return {};
  const Cell cell = cell_of(s.n.op.str());
  const std::string direction = s.s("direction");
  const std::int64_t directions = direction == "bidirectional" ? 2 : 1;
  // Peepholes, coupled gates, a bounded cell and other activations are said by the function body.
  if (s.has(7) || s.i("input_forget") || s.has_attr("activation_alpha") || s.has_attr("activation_beta") || s.has_attr("cell_clip")) return {};
  if (!s.type(0).ranked) { s.unsupported("reads a value of unknown rank", "fix the shapes of the inputs: saha simplify MODEL --shape NAME=1x512 -o OUT.xml"); return {}; }
  if (s.rank(2) != 3 || !s.type(2).dims[2].known()) return {};
  ir::Strings names = s.ss("activations");
  const std::size_t each = cell.op == kLstm.op ? 3 : cell.op == kGru.op ? 2 : 1;
  std::string listed;
  for (std::size_t k = 0; k < names.size(); ++k) {
    if (k >= each && directions == 1) break;
    std::string name = names[k];
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return char(std::tolower(c)); });
    const bool known = std::any_of(std::begin(kActivations), std::end(kActivations), [&](const Activation& a) { return a.theirs == name; });
    if (!known || (k >= each && names[k] != names[k - each])) return {};
    if (k < each) listed += (k ? "," : "") + name;
  }
  if (listed.empty()) listed = each == 3 ? "sigmoid,tanh,tanh" : each == 2 ? "sigmoid,tanh" : "tanh";
  const std::int64_t h = *s.type(2).dims[2].known();
  const auto gates = std::int64_t(cell.gates);
  const bool batch_first = s.i("layout") != 0, reset = cell.op == kGru.op && s.i("linear_before_reset");
  Val x = batch_first ? s.in[0] : swapped(w, s.in[0], {1, 0, 2});
  if (w.failed()) return {};
  const auto n = w.type(x).dims[0].known(), t = w.type(x).dims[1].known();
  auto dim = [&](std::int64_t i) {
    return w.layer("Gather", {w.layer("ShapeOf", {x}, {{"output_type", "i64"}}), w.ints({i}), w.b.constant(Tensor::scalar_int(0))}, {{"batch_dims", "0"}});
  };
  const DType type = s.type(0).dtype;
  auto state = [&](std::size_t i) -> Val {
    if (s.has(i)) return batch_first ? s.in[i] : swapped(w, s.in[i], {1, 0, 2});
    if (n) return w.b.constant(Tensor::zeros(type, {*n, directions, h}));
    Val shape = w.layer("Concat", {dim(0), w.ints({directions, h})}, {{"axis", "0"}});
    return w.layer("Broadcast", {w.b.constant(Tensor::scalar(type, 0)), shape}, {{"mode", "numpy"}});
  };
  Vals in = {x};
  for (std::size_t k = 0; k < cell.states; ++k) in.push_back(state(5 + k));
  if (s.has(4)) in.push_back(s.in[4]);
  else if (n && t) in.push_back(w.ints(Ints(std::size_t(std::min<std::int64_t>(*n, 1 << 20)), *t)));
  else in.push_back(w.layer("Broadcast", {dim(1), dim(0)}, {{"mode", "numpy"}}));
  auto places = [&](std::int64_t from) {   // rows of one set of gates in their order
    Ints r;
    for (std::int64_t k = 0; k < gates; ++k)
      for (std::int64_t i = 0; i < h; ++i) r.push_back(from + (cell.op == kLstm.op ? std::int64_t(kTheirLstm[k]) : k) * h + i);
    return r;
  };
  auto ordered = [&](Val v) { return cell.op == kLstm.op ? taken(w, v, places(0)) : v; };
  in.push_back(ordered(s.in[1]));
  in.push_back(ordered(s.in[2]));
  const std::int64_t biases = gates + (reset ? 1 : 0);
  if (!s.has(3)) in.push_back(w.b.constant(Tensor::zeros(type, {directions, biases * h})));
  else if (!reset) in.push_back(summed(w, taken(w, s.in[3], places(0)), taken(w, s.in[3], places(gates * h))));
  else {
    auto span = [&](std::int64_t from, std::int64_t to) {
      Ints r;
      for (std::int64_t i = from * h; i < to * h; ++i) r.push_back(i);
      return taken(w, s.in[3], r);
    };
    in.push_back(w.layer("Concat", {summed(w, span(0, 2), span(3, 5)), span(2, 3), span(5, 6)}, {{"axis", "1"}}));
  }
  Data d = {{"hidden_size", to_string(h)}, {"direction", direction}, {"activations", listed}, {"activations_alpha", ""}, {"activations_beta", ""}, {"clip", text(s.has_attr("clip") ? double(s.f("clip")) : 0)}};
  if (cell.op == kGru.op) d.emplace_back("linear_before_reset", text(reset));
  Vals y = w.layers(s.row.type, in, d, int(1 + cell.states)), out;
  // [N, D, T, H] as [T, D, N, H], or as [N, T, D, H]
  out.push_back(swapped(w, y[0], batch_first ? Ints{0, 2, 1, 3} : Ints{2, 1, 0, 3}));
  for (std::size_t k = 1; k < y.size(); ++k) out.push_back(batch_first ? y[k] : swapped(w, y[k], {1, 0, 2}));
  return out;
}

// ---- bodies ------------------------------------------------------------------------------------------------------------------
std::optional<std::size_t> port(const std::vector<std::int64_t>& ids, std::int64_t id) {
  auto it = std::find(ids.begin(), ids.end(), id);
  return it == ids.end() ? std::nullopt : std::optional(std::size_t(it - ids.begin()));
}
std::optional<std::size_t> result_port(const Layer& l, std::int64_t id) {
  for (std::size_t k = 0; k < l.out.size(); ++k) if (l.out[k].id == id) return k;
  return {};
}
/// Result's value by the id of the layer.
std::map<std::int64_t, Val> results(const Net& n, const std::vector<Val>& made) {
  std::map<std::int64_t, Val> r;
  for (std::size_t i = 0; i < n.layers.size(); ++i) if (n.layers[i].type == "Result") r[n.layers[i].id] = made[i];
  return r;
}
/// A body that is read: its graph ends at the outer builder's first error.
std::optional<ir::GraphRef> finished(Site& s, op::Builder& body, const Vals& out) {
  Vals own;
  for (Val v : out) own.push_back(!body.failed() && v && !body.producer(v) ? body.op("Identity", {v}) : v);
  auto g = std::move(body).build(own);
  if (!g) { s.b.fail(std::move(g.error()).within(s.name)); return {}; }
  return std::make_shared<const ir::Graph>(std::move(*g));
}

Vals choice(Site& s) {
  if (s.layer.inner.size() != 2 || s.layer.inner[0].role != "then_" || s.layer.inner[1].role != "else_") { s.fail("needs a then_body and an else_body"); return {}; }
  if (s.b.failed()) return {};
  Vals in = {s.rank(0) ? reshaped(s.in[0], {}) : s.in[0]};
  for (std::size_t i = 1; i < s.in.size(); ++i) {
    if (!s.in[i]) { s.fail("has no operand " + to_string(i)); return {}; }
    in.push_back(s.in[i]);
  }
  Attrs a;
  for (const Inner& inner : s.layer.inner) {
    op::Builder body;
    Vals formal;
    for (std::size_t i = 1; i < in.size(); ++i) formal.push_back(body.input(s.b.type_ref(in[i])));
    std::vector<Val> made = read_net_into(inner.net, body, s.context, [&](const Layer& p) -> Val {
      for (const Mapped& m : inner.map)
        if (m.input && m.internal == p.id) if (auto k = port(s.layer.in_ids, m.external); k && *k > 0) return formal[*k - 1];
      body.fail({ErrorCode::invalid_model, "Parameter '" + p.name + "' of the body is mapped to no operand"});
      return {};
    });
    auto by_id = results(inner.net, made);
    Vals out(std::size_t(s.num_out));
    for (const Mapped& m : inner.map) if (!m.input) if (auto k = result_port(s.layer, m.external)) out[*k] = by_id[m.internal];
    for (Val v : out) if (!v && !body.failed()) body.fail({ErrorCode::invalid_model, "a result is mapped to no Result of the body"});
    auto g = finished(s, body, out);
    if (!g) return {};
    a.push_back({inner.role == "then_" ? "then_branch" : "else_branch", *g});
  }
  return s.b.ops("If", in, a, s.num_out);
}

/// TensorIterator and Loop: turns with values that are carried over, operands that are cut into slices and results that are joined from them.
Vals turns(Site& s) {
  op::Builder& b = s.b;
  const Layer& l = s.layer;
  const bool loop = l.type == "Loop";
  if (l.inner.size() != 1 || !l.inner[0].role.empty()) { s.fail("has no body"); return {}; }
  const Inner& inner = l.inner[0];
  if (b.failed()) return {};
  auto flat = [](op::Builder& at, Val v) { return at.failed() || at.type(v).dims.empty() ? v : reshaped(v, {}); };
  Val count, start;
  if (loop) {
    if (!s.has(0) || !s.has(1)) { s.fail("has no number of turns or no condition"); return {}; }
    count = flat(b, s.wide(0));
    start = flat(b, s.in[1]);
    if (auto k = s.known(0); k && k->size() == 1 && (*k)[0] < 0) count = {};
    else if (!k) count = s.op("Where", {s.op("Less", {count, b.constant(Tensor::scalar_int(0))}), b.constant(Tensor::scalar_int(INT64_MAX)), count});
  }
  std::map<std::int64_t, std::int64_t> next;   // Parameter -> Result
  for (auto [from, to] : inner.back_edges) next[to] = from;
  struct In { const Mapped* m; Val outer; };
  std::vector<In> carried, others;
  for (const Mapped& m : inner.map) {
    if (!m.input || m.external < 0) continue;
    auto k = port(l.in_ids, m.external);
    if (!k || !s.in[*k]) { s.fail("has no operand at port " + to_string(m.external) + ", which its body reads"); return {}; }
    (next.count(m.internal) && !m.axis ? carried : others).push_back({&m, s.in[*k]});
    if (!m.axis) continue;
    const bool forward = m.stride > 0 && m.start == 0 && m.end == -1, back = m.stride < 0 && m.start == -1 && m.end == 0;
    const std::int64_t step = m.stride < 0 ? -m.stride : m.stride;
    if ((!forward && !back) || step != m.part_size || step < 1 || step > (1 << 30)) { s.unsupported("cuts an operand from " + to_string(m.start) + " to " + to_string(m.end) + " by " + to_string(m.stride) + " in parts of " + to_string(m.part_size) + "; the whole of it in parts that touch is taken"); return {}; }
    const std::size_t axis = s.axis(*m.axis, b.type(s.in[*k]).dims.size());
    if (b.failed() || loop || count) continue;
    Val n = s.op("Shape", {s.in[*k]}, {{"start", std::int64_t(axis)}, {"end", std::int64_t(axis) + 1}});
    count = flat(b, s.op("Div", {n, b.ints({step})}));
  }
  if (!loop && !count) { s.fail("cuts no operand into slices, so that it has no number of turns"); return {}; }
  // The body: (turn, condition, carried.., others..) -> (condition, carried.., joined..)
  op::Builder body;
  Val turn = body.input(ir::tensor_type(DType::i64, {})), going = body.input(ir::tensor_type(DType::boolean, {}));
  (void)going;
  std::map<std::int64_t, Val> formal;
  for (const In& c : carried) formal[c.m->internal] = body.input(b.type_ref(c.outer));
  for (const In& o : others) {
    Val v = body.input(b.type_ref(o.outer));
    if (o.m->axis && !b.failed()) {
      const auto axis = std::int64_t(s.axis(*o.m->axis, body.type(v).dims.size()));
      Val step = body.op("Reshape", {turn, body.ints({1})}) * body.ints({o.m->part_size}), from = step;
      if (o.m->stride < 0) from = body.op("Shape", {v}, {{"start", axis}, {"end", axis + 1}}) - step - body.ints({o.m->part_size});
      Val part = body.op("Slice", {v, from, from + body.ints({o.m->part_size}), body.ints({axis})});
      if (!body.failed()) {   // the extent is known, whatever the turn
        auto dims = body.type(part).dims;
        dims[std::size_t(axis)] = o.m->part_size;
        body.retype(part, ir::tensor_type(body.type(part).dtype, dims));
      }
      v = part;
    }
    formal[o.m->internal] = v;
  }
  std::set<std::int64_t> counters;
  for (const Mapped& m : inner.map) if (m.input && m.purpose == "current_iteration") counters.insert(m.internal);
  std::vector<Val> made = read_net_into(inner.net, body, s.context, [&](const Layer& p) -> Val {
    if (auto it = formal.find(p.id); it != formal.end()) return it->second;
    if (!counters.count(p.id)) { body.fail({ErrorCode::invalid_model, "Parameter '" + p.name + "' of the body is mapped to no operand"}); return {}; }
    auto t = parameter_type(p, "turn", false, s.context.half_is_float);
    if (!t) { body.fail(std::move(t.error())); return {}; }
    Val v = turn;
    if ((*t)->dtype != DType::i64) v = body.op("Cast", {v}, {{"to", std::int64_t((*t)->dtype)}});
    return (*t)->dims.empty() ? v : body.op("Reshape", {v, body.ints({1})});
  });
  auto by_id = results(inner.net, made);
  Vals out = {Val{}};
  for (const Mapped& m : inner.map) if (!m.input && m.purpose == "execution_condition") out[0] = by_id[m.internal];
  out[0] = out[0] && loop ? flat(body, out[0]) : body.scalar(1, DType::boolean);
  for (const In& c : carried) out.push_back(by_id[next[c.m->internal]]);
  struct Out { const Mapped* m; std::size_t port; int carried; };
  std::vector<Out> handed;
  int joined = 0;
  for (const Mapped& m : inner.map) {
    if (m.input || m.external < 0) continue;
    auto k = result_port(l, m.external);
    if (!k) { s.fail("has no result at port " + to_string(m.external) + ", which its body gives"); return {}; }
    int from = -1;
    for (std::size_t i = 0; i < carried.size() && !m.axis; ++i) if (next[carried[i].m->internal] == m.internal) from = int(i);
    if (from < 0) { out.push_back(by_id[m.internal]); ++joined; }
    handed.push_back({&m, *k, from});
  }
  auto g = finished(s, body, out);
  if (!g) return {};
  Vals in = {count, start};
  for (const In& c : carried) in.push_back(c.outer);
  for (const In& o : others) in.push_back(o.outer);
  if (!start) in[1] = {};
  Vals y = b.ops("Loop", in, {{"body", *g}, {"carried", std::int64_t(carried.size())}}, int(carried.size()) + joined), r(std::size_t(s.num_out));
  std::size_t scan = carried.size();
  for (const Out& o : handed) {
    if (b.failed()) return {};
    if (o.carried >= 0) { r[o.port] = y[std::size_t(o.carried)]; continue; }
    Val v = y[scan++];   // [turns, part]
    if (!o.m->axis) { r[o.port] = s.op("Gather", {v, b.constant(Tensor::scalar_int(-1))}, {{"axis", std::int64_t{0}}}); continue; }
    if (o.m->stride < 0) v = s.op("Slice", {v, b.ints({INT64_MAX}), b.ints({INT64_MIN}), b.ints({0}), b.ints({-1})});
    const std::size_t rank = b.type(v).dims.size();
    if (rank < 2) { s.fail("joins a result of rank 0"); return {}; }
    const std::size_t axis = s.axis(*o.m->axis, rank - 1);
    Ints perm;
    for (std::size_t i = 1; i <= axis; ++i) perm.push_back(std::int64_t(i));
    perm.push_back(0);
    for (std::size_t i = axis + 1; i < rank; ++i) perm.push_back(std::int64_t(i));
    if (axis) v = s.op("Transpose", {v}, {{"perm", perm}});
    Vals parts;
    if (axis) parts.push_back(s.op("Shape", {v}, {{"end", std::int64_t(axis)}}));
    parts.push_back(b.ints({-1}));
    if (axis + 2 < rank) parts.push_back(s.op("Shape", {v}, {{"start", std::int64_t(axis) + 2}}));
    r[o.port] = s.op("Reshape", {v, parts.size() == 1 ? parts[0] : s.op("Concat", parts, {{"axis", std::int64_t{0}}})});
  }
  return r;
}

Mapped mapped(bool input, std::int64_t external, std::int64_t internal, std::string purpose = {}) {
  Mapped m;
  m.input = input;
  m.external = external;
  m.internal = internal;
  m.purpose = std::move(purpose);
  return m;
}
/// Operands that a body captures: constants become its own, the others its Parameters.
struct Captures {
  Vals all, handed;
  std::vector<ir::TypeRef> types;
  Captures(const Saying& s, std::size_t from) {
    for (std::size_t i = from; i < s.in.size(); ++i) {
      all.push_back(s.in[i]);
      if (s.w.failed() || !s.in[i] || s.w.b.data(s.in[i])) continue;
      handed.push_back(s.in[i]);
      types.push_back(s.w.b.type_ref(s.in[i]));
    }
  }
  /// What stands for them inside, given the Parameters made for those that are handed in.
  Vals inside(Writer& outer, Writer& w, std::span<const Val> parameters) const {
    Vals r;
    std::size_t k = 0;
    for (Val v : all) {
      if (!v) r.push_back({});
      else if (const auto& c = outer.b.graph()[v.id].constant) r.push_back(w.constant(c, outer.b.type_ref(v), outer.b.graph()[v.id].name));
      else r.push_back(parameters[k++]);
    }
    return r;
  }
};
Val scalar_true(Writer& w) { return w.b.constant(Tensor::scalar(DType::boolean, 1)); }

Vals say_if(const Saying& s) {
  Writer& w = s.w;
  const Captures captures(s, 1);
  std::vector<Inner> inner;
  for (const char* branch : {"then_branch", "else_branch"}) {
    const ir::Graph& g = s.graph(branch);
    auto body = w.body(captures.types, [&](Writer& in, const Vals& parameters) { return in.graph(g, captures.inside(w, in, parameters), false); });
    if (!body) return {};
    Inner i;
    i.role = branch == std::string_view("then_branch") ? "then_" : "else_";
    i.net = std::move(body->net);
    for (std::size_t k = 0; k < body->parameters.size(); ++k) i.map.push_back(mapped(true, std::int64_t(k) + 1, body->parameters[k]));
    for (std::size_t k = 0; k < body->results.size(); ++k) i.map.push_back(mapped(false, std::int64_t(1 + captures.handed.size() + k), body->results[k]));
    inner.push_back(std::move(i));
  }
  Vals in = {w.failed() || w.type(s.in[0]).dims.empty() ? s.in[0] : w.reshape(s.in[0], {})};
  in.insert(in.end(), captures.handed.begin(), captures.handed.end());
  return w.layers("If", in, {}, s.n.num_results, 0, std::move(inner));
}
Vals say_loop(const Saying& s) {
  Writer& w = s.w;
  if (w.failed()) return {};
  const ir::Graph& g = s.graph("body");
  const auto carried = std::size_t(s.i("carried"));
  const Captures captures(s, 2 + carried);
  std::vector<ir::TypeRef> types = {ir::tensor_type(DType::i64, {})};
  for (std::size_t k = 0; k < carried; ++k) types.push_back(g[g.inputs()[2 + k]].type);
  types.insert(types.end(), captures.types.begin(), captures.types.end());
  auto body = w.body(types, [&](Writer& in, const Vals& p) {
    Vals formal = {p[0], scalar_true(in)};
    formal.insert(formal.end(), p.begin() + 1, p.begin() + 1 + std::ptrdiff_t(carried));
    Vals rest = captures.inside(w, in, std::span(p).subspan(1 + carried));
    formal.insert(formal.end(), rest.begin(), rest.end());
    Vals out = in.graph(g, formal, false);
    for (std::size_t k = 1 + carried; k < out.size(); ++k) out[k] = in.layer("Unsqueeze", {out[k], in.ints({0})});
    return out;
  });
  if (!body) return {};
  Vals in = {s.has(0) ? s.in[0] : w.b.constant(Tensor::scalar_int(-1)), s.has(1) ? s.in[1] : scalar_true(w)};
  for (Val& v : in) if (!w.type(v).dims.empty()) v = w.reshape(v, {});
  in.insert(in.end(), s.in.begin() + 2, s.in.begin() + 2 + std::ptrdiff_t(carried));
  in.insert(in.end(), captures.handed.begin(), captures.handed.end());
  const auto first = std::int64_t(in.size());
  Inner i;
  for (std::size_t k = 1; k < types.size(); ++k) i.map.push_back(mapped(true, std::int64_t(k) + 1, body->parameters[k]));
  for (std::size_t k = 1; k < body->results.size(); ++k) {
    Mapped m = mapped(false, first + std::int64_t(k) - 1, body->results[k]);
    if (k > carried) m.axis = 0;
    else i.back_edges.emplace_back(body->results[k], body->parameters[k]);
    i.map.push_back(m);
  }
  i.map.push_back(mapped(true, -1, body->parameters[0], "current_iteration"));
  i.map.push_back(mapped(false, -1, body->results[0], "execution_condition"));
  i.net = std::move(body->net);
  std::vector<Inner> inner;
  inner.push_back(std::move(i));
  return w.layers("Loop", in, {}, s.n.num_results, 0, std::move(inner));
}
Vals say_scan(const Saying& s) {
  Writer& w = s.w;
  if (w.failed()) return {};
  const ir::Graph& g = s.graph("body");
  const auto carried = std::size_t(s.i("carried")), scanned = std::size_t(s.i("num_scan_inputs"));
  const Captures captures(s, carried + scanned);
  auto listed = [&](const char* name, std::size_t k) { const Ints v = s.is(name); return k < v.size() ? v[k] : 0; };
  std::vector<ir::TypeRef> types;
  Ints axes;
  for (std::size_t k = 0; k < carried; ++k) types.push_back(g[g.inputs()[k]].type);
  for (std::size_t k = 0; k < scanned; ++k) {
    const ir::Type& t = s.type(carried + k);
    axes.push_back(listed("scan_input_axes", k) < 0 ? listed("scan_input_axes", k) + std::int64_t(t.dims.size()) : listed("scan_input_axes", k));
    auto dims = t.dims;
    dims[std::size_t(axes.back())] = 1;
    types.push_back(ir::tensor_type(t.dtype, dims));
  }
  types.insert(types.end(), captures.types.begin(), captures.types.end());
  const bool loop = w.nested();   // no TensorIterator stands in another's body: there it is a Loop with as many turns as the operands have slices
  Ints out_axes;
  auto body = w.body(types, [&](Writer& in, const Vals& p) {
    Vals formal(p.begin(), p.begin() + std::ptrdiff_t(carried));
    for (std::size_t k = 0; k < scanned; ++k) formal.push_back(in.layer("Squeeze", {p[carried + k], in.ints({axes[k]})}));
    Vals rest = captures.inside(w, in, std::span(p).subspan(carried + scanned));
    formal.insert(formal.end(), rest.begin(), rest.end());
    Vals out = in.graph(g, formal, false);
    for (std::size_t k = carried; k < out.size() && !in.failed(); ++k) {
      const std::int64_t a = listed("scan_output_axes", k - carried);
      out_axes.push_back(a < 0 ? a + std::int64_t(in.type(out[k]).dims.size()) + 1 : a);
      out[k] = in.layer("Unsqueeze", {out[k], in.ints({out_axes.back()})});
    }
    if (loop) out.push_back(scalar_true(in));
    return out;
  });
  if (!body) return {};
  Vals in;
  if (loop) in = {w.extent_of(s.in[carried], axes[0]), scalar_true(w)};
  const auto first = std::int64_t(in.size());
  in.insert(in.end(), s.in.begin(), s.in.begin() + std::ptrdiff_t(carried + scanned));
  in.insert(in.end(), captures.handed.begin(), captures.handed.end());
  auto cut = [](Mapped m, std::int64_t axis, bool back) {
    m.axis = axis;
    m.start = back ? -1 : 0;
    m.end = back ? 0 : -1;
    m.stride = back ? -1 : 1;
    return m;
  };
  Inner i;
  for (std::size_t k = 0; k < types.size(); ++k) {
    Mapped m = mapped(true, first + std::int64_t(k), body->parameters[k]);
    i.map.push_back(k >= carried && k < carried + scanned ? cut(m, axes[k - carried], listed("scan_input_directions", k - carried) != 0) : m);
  }
  if (loop) {
    i.map.push_back(mapped(false, -1, body->results.back(), "execution_condition"));
    body->results.pop_back();
  }
  for (std::size_t k = 0; k < body->results.size(); ++k) {
    Mapped m = mapped(false, std::int64_t(in.size() + k), body->results[k]);
    if (k < carried) i.back_edges.emplace_back(body->results[k], body->parameters[k]);
    i.map.push_back(k < carried ? m : cut(m, out_axes[k - carried], listed("scan_output_directions", k - carried) != 0));
  }
  i.net = std::move(body->net);
  std::vector<Inner> inner;
  inner.push_back(std::move(i));
  return w.layers(loop ? "Loop" : "TensorIterator", in, {}, s.n.num_results, 0, std::move(inner));
}

// ---- states ------------------------------------------------------------------------------------------------------------------
/// A variable is an input of the model and an output: what it holds before a run, and after.
Vals read_value(Site& s) {
  const std::string* id = find(s.layer.data, "variable_id");
  if (!id) { s.fail("has no variable_id"); return {}; }
  if (&s.b != s.context.top) { s.unsupported("a state within a body is not taken"); return {}; }
  State& state = s.context.states[*id];
  if (state.read) return {state.read};
  ir::TypeRef t = s.has(0) ? s.b.type_ref(s.in[0]) : nullptr;
  if (!t) {
    Layer like = s.layer;
    for (auto& [name, value] : like.data) {
      if (name == "variable_type") name = "element_type";
      if (name == "variable_shape") name = "shape";
    }
    auto stated = parameter_type(like, *id, false, s.context.half_is_float);
    if (!stated) { s.b.fail(std::move(stated.error())); return {}; }
    t = *stated;
  }
  state.read = s.b.input(t, *id);
  return {state.read};
}
Vals assign(Site& s) {
  const std::string* id = find(s.layer.data, "variable_id");
  if (!id) { s.fail("has no variable_id"); return {}; }
  if (&s.b != s.context.top) { s.unsupported("a state within a body is not taken"); return {}; }
  if (s.context.states[*id].next) { s.fail("writes variable '" + *id + "', which another layer writes, too"); return {}; }
  s.context.states[*id].next = s.in[0];
  return {s.in[0]};
}

constexpr Row kRows[] = {
    {"LSTMSequence", 5, "LSTM", {}, sequence, say_recurrent, 7},
    {"GRUSequence", 5, "GRU", {}, sequence, say_recurrent, 6},
    {"RNNSequence", 5, "RNN", {}, sequence, say_recurrent, 6},
    {"LSTMCell", 1, "", {}, cell_layer, nullptr, 5, false},
    {"LSTMCell", 4, "", {}, cell_layer, nullptr, 5, false},
    {"GRUCell", 3, "", {}, cell_layer, nullptr, 4, false},
    {"RNNCell", 1, "", {}, cell_layer, nullptr, 4, false},
    {"TensorIterator", 1, "Scan", {}, turns, say_scan, 0},
    {"Loop", 5, "Loop", {}, turns, say_loop, 2},
    {"If", 8, "If", {}, choice, say_if},
    {"ReadValue", 3, "", {}, read_value, nullptr, 0, false},
    {"ReadValue", 6, "", {}, read_value, nullptr, 0, false},
    {"Assign", 3, "", {}, assign, nullptr, 1, false},
    {"Assign", 6, "", {}, assign, nullptr, 1, false},
};
}  // namespace

std::span<const Row> control_rows() { return kRows; }

}  // namespace saha::openvino
