// RNN, GRU, LSTM: one driver over directions, steps and batch; a cell is its gates. The body is the same network unrolled, which gives
// gradient and bounds where the number of steps is known. Source: ONNX operator specification, opset 28.
#include <algorithm>
#include <cmath>

#include "op/builder.hpp"
#include "op/matrix.hpp"
#include "op/recurrent_integer.hpp"

namespace saha::op {
namespace {

enum class Cell { rnn, gru, lstm };
constexpr std::size_t num_gates(Cell c) { return c == Cell::rnn ? 1 : c == Cell::gru ? 3 : 4; }
constexpr std::size_t num_functions(Cell c) { return c == Cell::rnn ? 1 : c == Cell::gru ? 2 : 3; }
Cell cell_of(const OpDef& d) { return d.name == ir::OpName("RNN") ? Cell::rnn : d.name == ir::OpName("GRU") ? Cell::gru : Cell::lstm; }

// ---- activations ---------------------------------------------------------------------------------------------------------------------
struct Activation {
  std::string_view name;                       // lower case: names are compared without case
  double (*f)(double x, double a, double b);
  bool takes_alpha, takes_beta;
  double alpha, beta;                          // defaults
  Val (*build)(Val x, float a, float b);
};
constexpr Activation kActivations[] = {
    {"tanh", [](double x, double, double) { return std::tanh(x); }, false, false, 0, 0, [](Val x, float, float) { return x.b->op("Tanh", {x}); }},
    {"sigmoid", [](double x, double, double) { return 1 / (1 + std::exp(-x)); }, false, false, 0, 0, [](Val x, float, float) { return x.b->op("Sigmoid", {x}); }},
    {"relu", [](double x, double, double) { return x > 0 ? x : 0; }, false, false, 0, 0, [](Val x, float, float) { return x.b->op("Relu", {x}); }},
    {"affine", [](double x, double a, double b) { return a * x + b; }, true, true, 1, 0, [](Val x, float a, float b) { return x * double(a) + double(b); }},
    {"leakyrelu", [](double x, double a, double) { return x >= 0 ? x : a * x; }, true, false, 0.01, 0, [](Val x, float a, float) { return x.b->op("LeakyRelu", {x}, {{"alpha", a}}); }},
    {"thresholdedrelu", [](double x, double a, double) { return x >= a ? x : 0; }, true, false, 1, 0, [](Val x, float a, float) { return x.b->op("ThresholdedRelu", {x}, {{"alpha", a}}); }},
    {"scaledtanh", [](double x, double a, double b) { return a * std::tanh(b * x); }, true, true, 1, 1, [](Val x, float a, float b) { return x.b->op("Tanh", {x * double(b)}) * double(a); }},
    {"hardsigmoid", [](double x, double a, double b) { return std::clamp(a * x + b, 0.0, 1.0); }, true, true, 0.2, 0.5, [](Val x, float a, float b) { return x.b->op("HardSigmoid", {x}, {{"alpha", a}, {"beta", b}}); }},
    {"elu", [](double x, double a, double) { return x >= 0 ? x : a * std::expm1(x); }, true, false, 1, 0, [](Val x, float a, float) { return x.b->op("Elu", {x}, {{"alpha", a}}); }},
    {"softsign", [](double x, double, double) { return x / (1 + std::fabs(x)); }, false, false, 0, 0, [](Val x, float, float) { return x.b->op("Softsign", {x}); }},
    {"softplus", [](double x, double, double) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }, false, false, 0, 0, [](Val x, float, float) { return x.b->op("Softplus", {x}); }},
};
struct Function {
  const Activation* kind;
  double alpha, beta;
  double operator()(double x) const { return kind->f(x, alpha, beta); }
  Val operator()(Val x) const { return kind->build(x, float(alpha), float(beta)); }
};
/// All functions of all directions; alpha and beta are consumed in order by those that take them.
Result<std::vector<Function>> functions(const AttrView& a, Cell cell, std::size_t directions) {
  static const ir::Strings initial[] = {{"Tanh"}, {"Sigmoid", "Tanh"}, {"Sigmoid", "Tanh", "Tanh"}};
  const std::size_t per = num_functions(cell), needed = per * directions;
  ir::Strings names = a.ss("activations");
  if (names.empty()) for (std::size_t d = 0; d < directions; ++d) names.insert(names.end(), initial[int(cell)].begin(), initial[int(cell)].end());
  if (names.size() < needed) return Error{ErrorCode::invalid_model, "activations names " + std::to_string(names.size()) + " functions, " + std::to_string(needed) + " are needed"};
  ir::Floats alpha = a.fs("activation_alpha"), beta = a.fs("activation_beta");
  std::size_t next_alpha = 0, next_beta = 0;
  std::vector<Function> r;
  for (std::size_t i = 0; i < needed; ++i) {
    std::string n = names[i];
    std::transform(n.begin(), n.end(), n.begin(), [](unsigned char c) { return char(std::tolower(c)); });
    auto it = std::find_if(std::begin(kActivations), std::end(kActivations), [&](const Activation& x) { return x.name == n; });
    if (it == std::end(kActivations)) return Error{ErrorCode::invalid_model, "activation '" + names[i] + "' is not known"};
    Function f{it, it->alpha, it->beta};
    if (it->takes_alpha && next_alpha < alpha.size()) f.alpha = double(alpha[next_alpha++]);
    if (it->takes_beta && next_beta < beta.size()) f.beta = double(beta[next_beta++]);
    r.push_back(f);
  }
  return r;
}
/// Whether each direction runs backward.
Result<std::vector<bool>> directions(const AttrView& a) {
  std::string d = a.s("direction");
  if (d == "forward") return std::vector{false};
  if (d == "reverse") return std::vector{true};
  if (d == "bidirectional") return std::vector{false, true};
  return Error{ErrorCode::invalid_model, "direction '" + d + "' is not forward, reverse or bidirectional"};
}

// ---- shapes ----------------------------------------------------------------------------------------------------------------------------
Result<> infer_recurrent(Infer& c) {
  auto reverse = directions(c);
  if (!reverse) return c.fail(reverse.error().message);
  auto f = functions(c, cell_of(c.def), reverse->size());
  if (!f) return c.fail(f.error().message);
  if (c.rank(0) != 3 || c.rank(1) != 3 || c.rank(2) != 3) return c.fail("X, W and R need rank 3, they are " + ir::str(*c.in[0]) + ", " + ir::str(*c.in[1]) + " and " + ir::str(*c.in[2]));
  const Dim gates(std::int64_t(num_gates(cell_of(c.def))));
  auto agree = [](const Dim& x, const Dim& y) { return !x.known() || !y.known() || x == y; };
  Dim h = c.dims(2)[2], d(std::int64_t(reverse->size()));
  if (c.has_attr("hidden_size")) {
    if (!agree(h, Dim(c.i("hidden_size")))) return c.fail("hidden_size is " + std::to_string(c.i("hidden_size")) + ", R is " + ir::str(*c.in[2]));
    h = c.i("hidden_size");
  }
  if (!agree(c.dims(1)[0], d) || !agree(c.dims(2)[0], d)) return c.fail("direction '" + c.s("direction") + "' needs " + d.str() + " directions, W is " + ir::str(*c.in[1]) + ", R is " + ir::str(*c.in[2]));
  if (!agree(c.dims(1)[1], gates * h) || !agree(c.dims(2)[1], gates * h) || !agree(c.dims(1)[2], c.dims(0)[2])) return c.fail("W " + ir::str(*c.in[1]) + " and R " + ir::str(*c.in[2]) + " do not fit X " + ir::str(*c.in[0]) + " and " + h.str() + " hidden units");
  const bool batch_first = c.i("layout") != 0;
  const Dim &steps = c.dims(0)[batch_first ? 1 : 0], &batch = c.dims(0)[batch_first ? 0 : 1];
  if (c.has(3) && c.in[3]->ranked && (c.rank(3) != 2 || !agree(c.dims(3)[0], d) || !agree(c.dims(3)[1], Dim(2) * gates * h))) return c.fail("B is " + ir::str(*c.in[3]) + ", which does not fit " + h.str() + " hidden units");
  for (std::size_t i : {5, 6})
    if (c.has(i) && c.in[i]->is_tensor() && c.in[i]->ranked &&
        (c.rank(i) != 3 || !agree(c.dims(i)[0], batch_first ? batch : d) || !agree(c.dims(i)[1], batch_first ? d : batch) || !agree(c.dims(i)[2], h)))
      return c.fail(std::string(i == 5 ? "initial_h" : "initial_c") + " is " + ir::str(*c.in[i]) + ", the batch is " + batch.str() + " and there are " + h.str() + " hidden units");
  SAHA_DO(c.give(c.dtype(0), batch_first ? std::vector<Dim>{batch, steps, d, h} : std::vector<Dim>{steps, d, batch, h}));
  for (int k = 1; k < c.num_out; ++k) SAHA_DO(c.give(c.dtype(0), batch_first ? std::vector<Dim>{batch, d, h} : std::vector<Dim>{d, batch, h}));
  return {};
}

// ---- reference ---------------------------------------------------------------------------------------------------------------------------
using Reals = std::vector<double>;
/// m[rows, cols] transposed.
Reals transpose(const double* m, std::int64_t rows, std::int64_t cols) {
  Reals t(std::size_t(rows * cols));
  for (std::int64_t i = 0; i < rows; ++i) for (std::int64_t j = 0; j < cols; ++j) t[std::size_t(j * rows + i)] = m[i * cols + j];
  return t;
}
/// [D, B, H] -> [B, D, H] with layout 1, or back.
Reals swapped(const Reals& v, std::int64_t a, std::int64_t b, std::int64_t h) {
  Reals r(v.size());
  for (std::int64_t i = 0; i < a; ++i) for (std::int64_t j = 0; j < b; ++j) std::copy_n(v.begin() + (i * b + j) * h, h, r.begin() + (j * a + i) * h);
  return r;
}
struct Sizes { std::int64_t steps, batch, input, hidden, directions, gates; };

struct Direction {
  Cell cell;
  Sizes n;
  const Function* f;                                  // of this direction
  bool reset_after = false, coupled = false;          // linear_before_reset, input_forget
  double clip = std::numeric_limits<double>::infinity();
  double cell_clip = std::numeric_limits<double>::infinity();   // saha's own: TensorFlow Lite's LSTM keeps the cell between two bounds
  Reals xw = {};                                      // [steps * batch, gates * hidden]: x W' + biases that are added unconditionally
  Reals rt = {};                                      // [hidden, gates * hidden]
  Reals rt_hidden = {};                               // GRU: [hidden, hidden] of the hidden gate
  const double *peephole = nullptr, *bias_hidden = nullptr;
  Reals h = {}, c = {};                                // [batch, hidden]

  double at(int k, double x) const { return f[k](std::clamp(x, -clip, clip)); }
  /// hr: h R' of one batch row (all gates); x: the row of xw.
  void step_rnn(std::int64_t b, const double* x, const double* hr) {
    for (std::int64_t j = 0; j < n.hidden; ++j) h[std::size_t(b * n.hidden + j)] = at(0, x[j] + hr[j]);
  }
  void step_lstm(std::int64_t b, const double* x, const double* hr) {
    const std::int64_t H = n.hidden;
    for (std::int64_t j = 0; j < H; ++j) {
      double &hj = h[std::size_t(b * H + j)], &cj = c[std::size_t(b * H + j)];
      auto peep = [&](int k, double cell_value) { return peephole ? peephole[k * H + j] * cell_value : 0.0; };  // order i, o, f
      double i = at(0, x[j] + hr[j] + peep(0, cj));
      double keep = coupled ? 1 - i : at(0, x[2 * H + j] + hr[2 * H + j] + peep(2, cj));
      cj = std::clamp(keep * cj + i * at(1, x[3 * H + j] + hr[3 * H + j]), -cell_clip, cell_clip);
      double o = at(0, x[H + j] + hr[H + j] + peep(1, cj));
      hj = o * at(2, cj);
    }
  }
  void step_gru(std::int64_t b, const double* x, const double* hr, Reals& z, Reals& gated, Reals& product) {
    const std::int64_t H = n.hidden;
    double* hb = h.data() + b * H;
    for (std::int64_t j = 0; j < H; ++j) {
      auto k = std::size_t(j);
      z[k] = at(0, x[j] + hr[j]);
      double r = at(0, x[H + j] + hr[H + j]);
      gated[k] = reset_after ? r * (hr[2 * H + j] + (bias_hidden ? bias_hidden[j] : 0)) : r * hb[j];
    }
    if (!reset_after) {
      std::fill(product.begin(), product.end(), 0.0);
      multiply(gated.data(), rt_hidden.data(), product.data(), 1, H, H);
    }
    for (std::int64_t j = 0; j < H; ++j) {
      auto k = std::size_t(j);
      double candidate = at(1, x[2 * H + j] + (reset_after ? gated[k] : product[k] + (bias_hidden ? bias_hidden[j] : 0)));
      hb[j] = (1 - z[k]) * candidate + z[k] * hb[j];
    }
  }
};

Result<> eval_recurrent(Eval& c) {
  const Cell cell = cell_of(c.def);
  const bool batch_first = c.i("layout") != 0;
  auto reverse = directions(c);
  if (!reverse) return c.fail(reverse.error().message);
  auto f = functions(c, cell, reverse->size());
  if (!f) return c.fail(f.error().message);
  const Dims &xd = c.x(0).dims, &wd = c.x(1).dims, &rd = c.x(2).dims;
  if (xd.size() != 3 || wd.size() != 3 || rd.size() != 3) return c.fail("X, W and R need rank 3, they are " + str(xd) + ", " + str(wd) + " and " + str(rd));
  Sizes n{xd[batch_first ? 1 : 0], xd[batch_first ? 0 : 1], xd[2], rd[2], std::int64_t(reverse->size()), std::int64_t(num_gates(cell))};
  const std::int64_t H = n.hidden, G = n.gates * H, D = n.directions;
  if (wd != Dims{D, G, n.input} || rd != Dims{D, G, H}) return c.fail("W " + str(wd) + " and R " + str(rd) + " do not fit X " + str(xd) + ": " + str(Dims{D, G, n.input}) + " and " + str(Dims{D, G, H}) + " are needed");
  if (c.has_attr("hidden_size") && c.i("hidden_size") != H) return c.fail("hidden_size is " + std::to_string(c.i("hidden_size")) + ", R is " + str(rd));
  auto check = [&](std::size_t i, const Dims& want) -> Result<> {
    if (c.has(i) && c.x(i).dims != want) return c.fail("operand " + std::to_string(i) + " is " + str(c.x(i).dims) + ", " + str(want) + " is needed");
    return {};
  };
  const Dims state = batch_first ? Dims{n.batch, D, H} : Dims{D, n.batch, H};
  SAHA_DO(check(3, {D, 2 * G}));
  SAHA_DO(check(4, {n.batch}));
  SAHA_DO(check(5, state));
  SAHA_DO(check(6, state));
  SAHA_DO(check(7, {D, 3 * H}));
  SAHA_DO(c.spend(double(n.steps) * double(n.batch) * double(D) * double(G) * double(n.input + H)));
  std::vector<std::int64_t> lengths(std::size_t(n.batch), n.steps);
  if (c.has(4)) lengths = c.ints(4);
  for (std::int64_t l : lengths) if (l < 0 || l > n.steps) return c.fail("a sequence length is " + std::to_string(l) + ", X has " + std::to_string(n.steps) + " steps");

  Reals x = values<double>(c.x(0)), w = values<double>(c.x(1)), r = values<double>(c.x(2)), bias, peephole, h0, c0;
  if (batch_first) x = swapped(x, n.batch, n.steps, n.input);
  if (c.has(3)) bias = values<double>(c.x(3));
  auto initial = [&](std::size_t i) {
    Reals v = c.has(i) ? values<double>(c.x(i)) : Reals(std::size_t(D * n.batch * H), 0.0);
    return c.has(i) && batch_first ? swapped(v, n.batch, D, H) : v;
  };
  h0 = initial(5);
  c0 = initial(6);
  if (c.has(7)) peephole = values<double>(c.x(7));

  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, batch_first ? Dims{n.batch, n.steps, D, H} : Dims{n.steps, D, n.batch, H}));
  SAHA_TRY(Tensor room, c.make(DType::f64, {n.steps, n.batch, G}));  // the limit on what is held below
  Reals out(std::size_t(y.size()), 0.0);
  for (std::int64_t d = 0; d < D && y.size(); ++d) {
    Direction k{.cell = cell, .n = n, .f = f->data() + std::size_t(d) * num_functions(cell)};
    k.reset_after = c.i("linear_before_reset") != 0;
    k.coupled = c.i("input_forget") != 0;
    if (c.has_attr("clip") && c.f("clip") > 0) k.clip = double(c.f("clip"));
    if (c.has_attr("cell_clip") && c.f("cell_clip") > 0) k.cell_clip = double(c.f("cell_clip"));
    Reals wt = transpose(w.data() + d * G * n.input, G, n.input);
    k.rt = transpose(r.data() + d * G * H, G, H);
    if (cell == Cell::gru) k.rt_hidden = transpose(r.data() + d * G * H + 2 * H * H, H, H);
    k.xw.assign(std::size_t(n.steps * n.batch * G), 0.0);
    multiply(x.data(), wt.data(), k.xw.data(), n.steps * n.batch, n.input, G);
    if (!bias.empty()) {
      const double *wb = bias.data() + d * 2 * G, *rb = wb + G;
      const std::int64_t both = cell == Cell::gru ? 2 * H : G;  // GRU's hidden recurrence bias stands inside the reset
      for (std::int64_t i = 0; i < n.steps * n.batch; ++i)
        for (std::int64_t j = 0; j < G; ++j) k.xw[std::size_t(i * G + j)] += wb[j] + (j < both ? rb[j] : 0);
      if (cell == Cell::gru) k.bias_hidden = rb + 2 * H;
    }
    if (!peephole.empty()) k.peephole = peephole.data() + d * 3 * H;
    k.h.assign(h0.begin() + d * n.batch * H, h0.begin() + (d + 1) * n.batch * H);
    k.c.assign(c0.begin() + d * n.batch * H, c0.begin() + (d + 1) * n.batch * H);
    Reals hr(std::size_t(n.batch * G)), z(std::size_t(H), 0.0), gated(std::size_t(H), 0.0), product(std::size_t(H), 0.0);
    for (std::int64_t s = 0; s < n.steps; ++s) {
      std::fill(hr.begin(), hr.end(), 0.0);
      multiply(k.h.data(), k.rt.data(), hr.data(), n.batch, H, G);
      for (std::int64_t b = 0; b < n.batch; ++b) {
        const std::int64_t length = lengths[std::size_t(b)];
        if (s >= length) continue;  // Y stays 0 there, the last state is that of the last valid step
        const std::int64_t t = (*reverse)[std::size_t(d)] ? length - 1 - s : s;
        const double *xb = k.xw.data() + (t * n.batch + b) * G, *hb = hr.data() + b * G;
        if (cell == Cell::rnn) k.step_rnn(b, xb, hb);
        else if (cell == Cell::lstm) k.step_lstm(b, xb, hb);
        else k.step_gru(b, xb, hb, z, gated, product);
        std::copy_n(k.h.begin() + b * H, H, out.begin() + (batch_first ? ((b * n.steps + t) * D + d) * H : ((t * D + d) * n.batch + b) * H));
      }
    }
    std::copy(k.h.begin(), k.h.end(), h0.begin() + d * n.batch * H);
    std::copy(k.c.begin(), k.c.end(), c0.begin() + d * n.batch * H);
  }
  fill<double>(y, out);
  SAHA_DO(c.give(std::move(y)));
  for (int k = 1; k < c.num_out; ++k) {
    SAHA_TRY(Tensor t, c.make(c.x(0).dtype, state));
    const Reals& v = k == 1 ? h0 : c0;
    fill<double>(t, batch_first ? swapped(v, D, n.batch, H) : v);
    SAHA_DO(c.give(std::move(t)));
  }
  return {};
}

// ---- body: unrolled over the steps ---------------------------------------------------------------------------------------------------------
constexpr std::int64_t kMostSteps = 256;
template <Cell kCell> Vals recurrent_body(const Site& s) {
  Builder& b = s.b;
  const bool batch_first = s.i("layout") != 0, lstm = kCell == Cell::lstm;
  auto refuse = [&](std::string why) { b.fail({ErrorCode::unsupported, "a recurrent operator is unrolled only where " + std::move(why)}); return Vals{}; };
  const Type &x = s.type(0), &r = s.type(2);
  auto steps = x.ranked && x.dims.size() == 3 ? x.dims[batch_first ? 1 : 0].known() : std::nullopt;
  auto hidden = r.ranked && r.dims.size() == 3 ? r.dims[2].known() : std::nullopt;
  if (!steps || !hidden || *steps < 1 || *steps > kMostSteps) return refuse("it has 1 .. " + std::to_string(kMostSteps) + " steps, X is " + ir::str(x) + ", R is " + ir::str(r));
  auto reverse = directions(s);
  auto f = functions(s, kCell, reverse ? reverse->size() : 1);
  if (!reverse || !f) return refuse(!reverse ? reverse.error().message : f.error().message);
  const std::int64_t H = *hidden;
  auto pick = [&](Val v, std::int64_t i, std::int64_t axis) { return b.op("Gather", {v, b.constant(Tensor::scalar_int(i))}, {{"axis", axis}}); };
  auto part = [&](Val v, std::int64_t i) { return b.op("Slice", {v, b.ints({i * H}), b.ints({(i + 1) * H}), b.ints({-1})}); };
  auto bound = [&](Val v, std::string_view by = "clip") {
    if (!s.has_attr(by) || s.f(by) <= 0) return v;
    return b.op("Clip", {v, b.scalar(-double(s.f(by)), v), b.scalar(double(s.f(by)), v)});
  };
  auto state = [&](std::size_t i, std::int64_t d) {
    if (s.has(i)) return pick(s.in[i], d, batch_first ? 1 : 0);
    std::int64_t axis = batch_first ? 0 : 1;
    Val batch = b.op("Slice", {b.op("Shape", {s.in[0]}), b.ints({axis}), b.ints({axis + 1})});
    return b.op("Expand", {b.scalar(0, s.in[0]), b.op("Concat", {batch, b.ints({H})}, {{"axis", std::int64_t{0}}})});
  };
  Vals ys, hs, cs;
  for (std::size_t d = 0; d < reverse->size(); ++d) {
    const Function* fn = f->data() + d * num_functions(kCell);
    auto at = [&](int k, Val v) { return fn[k](bound(v)); };
    auto di = std::int64_t(d), gates = std::int64_t(num_gates(kCell));
    Val w = b.op("Transpose", {pick(s.in[1], di, 0)}, {{"perm", ir::Ints{1, 0}}}), rt = b.op("Transpose", {pick(s.in[2], di, 0)}, {{"perm", ir::Ints{1, 0}}});
    Val bias = s.has(3) ? pick(s.in[3], di, 0) : Val{}, peep = lstm && s.has(7) ? pick(s.in[7], di, 0) : Val{};
    auto biased = [&](Val v, std::int64_t i) { return bias ? v + part(bias, i) : v; };
    Val h = state(5, di), c = lstm ? state(6, di) : Val{};
    Vals y(static_cast<std::size_t>(*steps));
    for (std::int64_t k = 0; k < *steps; ++k) {
      std::int64_t t = (*reverse)[d] ? *steps - 1 - k : k;
      Val xw = b.op("MatMul", {pick(s.in[0], t, batch_first ? 1 : 0), w}), hr = b.op("MatMul", {h, rt}), next, cell = c;
      auto sum = [&](std::int64_t i) { return biased(biased(part(xw, i) + part(hr, i), i), gates + i); };
      if constexpr (kCell == Cell::rnn) next = at(0, sum(0));
      else if constexpr (kCell == Cell::gru) {
        Val z = at(0, sum(0)), reset = at(0, sum(1)), candidate;
        if (s.i("linear_before_reset") != 0) candidate = biased(part(xw, 2), 2) + reset * biased(part(hr, 2), 5);
        else {
          Val rows = b.op("Slice", {rt, b.ints({2 * H}), b.ints({3 * H}), b.ints({1})});
          candidate = biased(biased(part(xw, 2) + b.op("MatMul", {reset * h, rows}), 2), 5);
        }
        next = (1.0 - z) * at(1, candidate) + z * h;
      } else {
        auto look = [&](Val v, std::int64_t i, Val cv) { return peep ? v + part(peep, i) * cv : v; };
        Val i = at(0, look(sum(0), 0, c)), keep = s.i("input_forget") != 0 ? 1.0 - i : at(0, look(sum(2), 2, c));
        cell = bound(keep * c + i * at(1, sum(3)), "cell_clip");
        next = at(0, look(sum(1), 1, cell)) * at(2, cell);
      }
      Val seen = next;
      if (s.has(4)) {  // beyond its length a sequence keeps its state and gives 0
        Val valid = b.op("Unsqueeze", {b.op("Less", {b.constant(Tensor::scalar(DType::i32, double(t))), s.in[4]}), b.ints({1})});
        seen = b.op("Where", {valid, next, b.scalar(0, next)});
        next = b.op("Where", {valid, next, h});
        if (lstm) cell = b.op("Where", {valid, cell, c});
      }
      h = next;
      c = cell;
      y[std::size_t(t)] = b.op("Unsqueeze", {seen, b.ints({0, 1})});  // [1, 1, B, H]
    }
    ys.push_back(b.op("Concat", y, {{"axis", std::int64_t{0}}}));
    hs.push_back(b.op("Unsqueeze", {h, b.ints({0})}));
    if (lstm) cs.push_back(b.op("Unsqueeze", {c, b.ints({0})}));
  }
  auto joined = [&](const Vals& v, std::int64_t axis, ir::Ints perm) {
    Val all = v.size() == 1 ? v[0] : b.op("Concat", v, {{"axis", axis}});
    return batch_first ? b.op("Transpose", {all}, {{"perm", std::move(perm)}}) : all;
  };
  Vals out = {joined(ys, 1, {2, 0, 1, 3}), joined(hs, 0, {1, 0, 2})};
  if (lstm) out.push_back(joined(cs, 0, {1, 0, 2}));
  return out;
}

#define SAHA_RECURRENT "activation_alpha: floats?, activation_beta: floats?, clip: float?, direction: string = forward, hidden_size: int?, layout: int = 0"
constexpr OpDef kOps[] = {
    {.name = "RNN", .since_version = 22,
     .signature = "(X: T, W: T, R: T, B: T?, sequence_lens: int32?, initial_h: T?) -> (Y: T?, Y_h: T?) where T: float | activations: strings = [Tanh, Tanh], " SAHA_RECURRENT,
     .infer = infer_recurrent, .eval = eval_recurrent, .body = recurrent_body<Cell::rnn>, .rounding = ErrorModel::dot},
    {.name = "GRU", .since_version = 22,
     .signature = "(X: T, W: T, R: T, B: T?, sequence_lens: int32?, initial_h: T?) -> (Y: T?, Y_h: T?) where T: float | activations: strings?, linear_before_reset: int = 0, " SAHA_RECURRENT,
     .infer = infer_recurrent, .eval = eval_recurrent, .body = recurrent_body<Cell::gru>, .rounding = ErrorModel::dot},
    {.name = "LSTM", .since_version = 22,
     .signature = "(X: T, W: T, R: T, B: T?, sequence_lens: int32?, initial_h: T?, initial_c: T?, P: T?) -> (Y: T?, Y_h: T?, Y_c: T?) where T: float | activations: strings?, input_forget: int = 0, rounding: string?, cell_clip: float?, " SAHA_RECURRENT,
     .infer = infer_recurrent, .eval = eval_recurrent, .body = recurrent_body<Cell::lstm>, .integer = lstm_integer, .rounding = ErrorModel::dot},
    {.name = "FixedLayerNorm", .domain = "saha", .signature = "(X: int16, scale: int16, B: int32) -> (Y: int16) | multiplier: int, shift: int, guard: int = 1",
     .infer = infer_fixed_layer_norm, .eval = eval_fixed_layer_norm, .no_gradient = "it reads and writes integers"},
};
#undef SAHA_RECURRENT
}  // namespace
std::span<const OpDef> recurrent() { return kOps; }

}  // namespace saha::op
