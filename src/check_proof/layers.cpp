#include "check_proof/layers.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "op/op_def.hpp"

namespace saha::check_proof {
namespace {
using ir::ValueId;
constexpr std::int64_t kMostEntries = std::int64_t{1} << 27;

struct Entry {
  std::int32_t row, col;
  double w;
};
/// Entries of one place are kept side by side: each is a product of its own when the network runs.
Matrix by_columns(std::int32_t rows, std::int32_t cols, std::vector<Entry> entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.col != b.col ? a.col < b.col : a.row < b.row; });
  Matrix m{std::vector<std::int64_t>(std::size_t(cols) + 1, 0), {}, {}};
  bool dense = std::ssize(entries) == std::int64_t(rows) * cols;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& e = entries[i];
    ++m.start[std::size_t(e.col) + 1];
    m.row.push_back(e.row), m.w.push_back(e.w);
    dense = dense && e.row == std::int32_t(i % std::size_t(rows)) && e.col == std::int32_t(i / std::size_t(rows));
  }
  std::partial_sum(m.start.begin(), m.start.end(), m.start.begin());
  if (dense) m.row = {};
  return m;
}

/// Of each element of a tensor of `to` dims the element that broadcasting takes of one of `from` dims.
std::vector<std::int64_t> broadcast(const Dims& from, const Dims& to) {
  std::vector<std::int64_t> index(std::size_t(num_elements(to)), 0);
  std::int64_t inner = 1, step = 1;
  for (std::size_t d = to.size(), f = from.size(); d-- > 0;) {
    const std::int64_t size = f > 0 ? from[--f] : 1;
    if (size > 1)
      for (std::size_t i = 0; i < index.size(); ++i) index[i] += std::int64_t(i) / inner % to[d] * step;
    inner *= to[d], step *= size;
  }
  return index;
}

class Reading {
 public:
  explicit Reading(const ir::Graph& g) : g_(g), values_(g.values().size()), uses_(g.use_counts()) {}
  Result<Layers> run();

 private:
  Result<> node(const ir::Node& n);
  Result<> arithmetic(const ir::Node& n, std::string_view op);
  Result<> product(const ir::Node& n, bool gemm);
  Result<> convolution(const ir::Node& n);
  Result<> movement(const ir::Node& n, const op::OpDef& def);
  Result<Dims> dims(ValueId v) const {
    const ir::Type& t = g_.type(v);
    if (!t.is_tensor() || !ir::is_static(t)) return Error{ErrorCode::unsupported, "value '" + g_.name(v) + "' is " + ir::str(t) + "; the checker reads tensors of known size"};
    Dims d;
    for (const ir::Dim& x : t.dims) d.push_back(*x.known());
    return d;
  }
  Error refuse(const ir::Node& n, std::string_view why) const { return {ErrorCode::unsupported, g_.describe(n) + ": " + std::string(why)}; }
  bool constant(ValueId v) const { return v != ValueId::none && g_[v].constant; }
  Result<std::vector<double>> numbers(ValueId v) const {
    const Tensor& t = *g_[v].constant;
    if (t.dtype != DType::f32) return Error{ErrorCode::unsupported, "constant '" + g_.name(v) + "' is " + std::string(name(t.dtype)) + "; the checker reads float32"};
    std::vector<double> d = values<double>(t);
    for (double x : d) if (!(std::fabs(x) < 1e30)) return Error{ErrorCode::invalid_model, "constant '" + g_.name(v) + "' holds " + std::to_string(x)};
    return d;
  }
  /// A constant's numbers as broadcasting to these dims repeats them.
  Result<std::vector<double>> numbers(ValueId v, const Dims& to) const {
    SAHA_TRY(const std::vector<double> all, numbers(v));
    std::vector<double> d;
    for (std::int64_t i : broadcast(g_[v].constant->dims, to)) d.push_back(all[std::size_t(i)]);
    return d;
  }
  Value& value(ValueId v) { return values_[std::size_t(v)]; }
  const Layer& layer_of(ValueId v) { return out_.all[std::size_t(value(v).layer)]; }
  static Layer sum(std::int64_t size, double roundings) {
    Layer l;
    l.size = std::int32_t(size), l.roundings = roundings, l.bias.assign(std::size_t(size), 0.0);
    return l;
  }
  void add_term(Layer& l, std::int32_t from, std::vector<Entry> entries) const { l.terms.push_back({from, by_columns(l.size, out_.all[std::size_t(from)].size, std::move(entries))}); }
  /// A new layer, of which `v` is all.
  void give(ValueId v, Layer l) {
    value(v) = {std::int32_t(out_.all.size()), std::vector<std::int32_t>(std::size_t(l.size)), uses_[std::size_t(v)] == 1};
    std::iota(value(v).at.begin(), value(v).at.end(), 0);
    for (const Layer::Term& t : l.terms) l.exact = l.terms.size() == 1 && out_.all[std::size_t(t.from)].single && !out_.all[std::size_t(t.from)].relu;
    out_.all.push_back(std::move(l));
  }

  const ir::Graph& g_;
  std::vector<Value> values_;
  std::vector<std::uint32_t> uses_;
  Layers out_;
};

Result<> Reading::arithmetic(const ir::Node& n, std::string_view op) {
  const ValueId a = g_.operand(n, 0), b = g_.operand(n, 1), y = g_.result(n);
  const bool product = op == "Mul" || op == "Div", fixed = constant(a) || constant(b);
  if ((constant(a) && constant(b)) || (product && !fixed) || (op == "Div" && constant(a))) return refuse(n, "the checker reads sums, and products of data with one constant");
  SAHA_TRY(const Dims to, dims(y));
  Layer l = sum(num_elements(to), 2);                // a division may be a product with a rounded reciprocal
  std::vector<double> scale(l.bias.size(), 1.0);
  if (fixed) {
    SAHA_TRY((product ? scale : l.bias), numbers(constant(a) ? a : b, to));
    if (op == "Sub" && constant(b)) for (double& x : l.bias) x = -x;
    if (op == "Div") for (double& x : scale) x = 1 / x;
    for (double x : scale) if (!(std::fabs(x) < 1e30)) return refuse(n, "divides by 0");
    // Added to a fresh sum without a bias it becomes its bias.
    const Value& f = value(constant(a) ? b : a);
    Layer& before = out_.all[std::size_t(f.layer)];
    bool joins = f.only && !product && !(op == "Sub" && constant(a)) && !before.terms.empty() && !before.relu && before.roundings > 0 && before.size == l.size;
    for (std::size_t i = 0; joins && i < f.at.size(); ++i) joins = f.at[i] == std::int32_t(i) && before.bias[i] == 0;
    if (joins) {
      before.bias = std::move(l.bias), before.roundings += 1;
      value(y) = {f.layer, f.at, uses_[std::size_t(y)] == 1};
      return {};
    }
  }
  for (ValueId v : {a, b}) {
    if (constant(v)) continue;
    SAHA_TRY(const Dims from, dims(v));
    std::vector<Entry> entries;
    for (std::int64_t i : broadcast(from, to)) {
      const std::size_t row = entries.size();
      entries.push_back({std::int32_t(row), value(v).at[std::size_t(i)], op == "Sub" && v == b ? -1.0 : scale[row]});
    }
    l.single = fixed && layer_of(v).single && !layer_of(v).relu && from == to;
    add_term(l, value(v).layer, std::move(entries));
  }
  give(y, std::move(l));
  return {};
}

Result<> Reading::product(const ir::Node& n, bool gemm) {
  const ValueId x = g_.operand(n, 0), w = g_.operand(n, 1), c = g_.operand(n, 2), y = g_.result(n);
  auto flag = [&](const char* name) { const auto* v = ir::attr<std::int64_t>(*n.attrs, name); return v && *v; };
  auto factor = [&](const char* name) { const auto* v = ir::attr<float>(*n.attrs, name); return gemm && v ? double(*v) : 1.0; };
  const double alpha = factor("alpha"), beta = factor("beta");
  const bool across = gemm && flag("transB");
  SAHA_TRY(const Dims dx, dims(x));
  SAHA_TRY(const Dims dw, dims(w));
  SAHA_TRY(const Dims dy, dims(y));
  if (constant(x) || !constant(w) || dw.size() != 2 || dx.empty() || (gemm && flag("transA"))) return refuse(n, "the checker reads products of data with a constant matrix");
  SAHA_TRY(const std::vector<double> m, numbers(w));
  const std::int64_t inner = dw[across ? 1 : 0], outer = dw[across ? 0 : 1], batch = num_elements(dy) / std::max<std::int64_t>(1, outer);
  if (dx.back() != inner || num_elements(dx) != batch * inner || batch * inner * outer > kMostEntries) return refuse(n, "sizes that do not fit, or are too large");
  Layer l = sum(batch * outer, double(inner) + 2 + (alpha != 1 ? 2 : 0) + (beta != 1 ? 2 : 0));
  std::vector<Entry> entries;
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t k = 0; k < inner; ++k)
      for (std::int64_t o = 0; o < outer; ++o)
        entries.push_back({std::int32_t(b * outer + o), value(x).at[std::size_t(b * inner + k)], alpha * m[std::size_t(across ? o * inner + k : k * outer + o)]});
  if (gemm && c != ValueId::none) {
    if (!constant(c)) return refuse(n, "adds what is computed");
    SAHA_TRY(l.bias, numbers(c, dy));
    for (double& v : l.bias) v *= beta;
  }
  add_term(l, value(x).layer, std::move(entries));
  give(y, std::move(l));
  return {};
}

Result<> Reading::convolution(const ir::Node& n) {
  const ValueId x = g_.operand(n, 0), w = g_.operand(n, 1), c = g_.operand(n, 2), y = g_.result(n);
  SAHA_TRY(const Dims dx, dims(x));
  SAHA_TRY(const Dims dw, dims(w));
  SAHA_TRY(const Dims dy, dims(y));
  if (constant(x) || !constant(w) || (c != ValueId::none && !constant(c)) || dx.size() < 3 || dw.size() != dx.size() || dy.size() != dx.size()) return refuse(n, "the checker reads convolutions of data with constants");
  const std::size_t s = dx.size() - 2;
  auto list = [&](const char* name, std::size_t size, std::int64_t other) { const auto* v = ir::attr<ir::Ints>(*n.attrs, name); return v && v->size() == size ? *v : ir::Ints(size, other); };
  const auto* automatic = ir::attr<std::string>(*n.attrs, "auto_pad");
  if (automatic && *automatic != "NOTSET" && *automatic != "VALID") return refuse(n, "the checker reads pads that are given");
  const ir::Ints strides = list("strides", s, 1), dilations = list("dilations", s, 1), pads = automatic && *automatic == "VALID" ? ir::Ints(2 * s, 0) : list("pads", 2 * s, 0);
  const auto* g = ir::attr<std::int64_t>(*n.attrs, "group");
  const std::int64_t groups = g ? *g : 1, per_in = dw[1], taps = num_elements(Dims(dw.begin() + 2, dw.end())), spots = num_elements(Dims(dy.begin() + 2, dy.end())), pixels = num_elements(Dims(dx.begin() + 2, dx.end()));
  if (groups < 1 || dx[1] != per_in * groups || dy[1] != dw[0] || dw[0] % groups || dx[0] != dy[0] || num_elements(dy) > kMostEntries / std::max<std::int64_t>(1, per_in * taps)) return refuse(n, "sizes that do not fit, or are too large");
  SAHA_TRY(const std::vector<double> m, numbers(w));
  Layer l = sum(num_elements(dy), double(per_in * taps) + 2);
  if (c != ValueId::none) {
    SAHA_TRY(const std::vector<double> bias, numbers(c));
    if (std::ssize(bias) != dw[0]) return refuse(n, "a bias that does not fit");
    for (std::size_t i = 0; i < l.bias.size(); ++i) l.bias[i] = bias[std::size_t(std::int64_t(i) / spots % dw[0])];
  }
  std::vector<Entry> entries;
  for (std::int64_t spot = 0; spot < spots; ++spot)
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      std::int64_t at = 0, step = 1, rest = spot, along = tap;
      bool inside = true;
      for (std::size_t d = s; d-- > 0;) {
        const std::int64_t p = rest % dy[d + 2] * strides[d] + along % dw[d + 2] * dilations[d] - pads[d];
        inside &= p >= 0 && p < dx[d + 2];
        at += p * step, step *= dx[d + 2], rest /= dy[d + 2], along /= dw[d + 2];
      }
      if (!inside) continue;
      for (std::int64_t b = 0; b < dx[0]; ++b)
        for (std::int64_t o = 0; o < dw[0]; ++o)
          for (std::int64_t i = 0; i < per_in; ++i)
            entries.push_back({std::int32_t((b * dw[0] + o) * spots + spot), value(x).at[std::size_t((b * dx[1] + o / (dw[0] / groups) * per_in + i) * pixels + at)], m[std::size_t((o * per_in + i) * taps + tap)]});
    }
  add_term(l, value(x).layer, std::move(entries));
  give(y, std::move(l));
  return {};
}

/// Elements that the operator's reference moves are told by the numbers that it moves in their places; 0 is no element.
Result<> Reading::movement(const ir::Node& n, const op::OpDef& def) {
  std::vector<Layers::Place> places{{-1, 0}};
  std::vector<Datum> operands(n.num_operands);
  std::vector<const Datum*> in;
  for (std::size_t k = 0; k < n.num_operands; ++k) {
    const ValueId v = g_.operand(n, k);
    in.push_back(v == ValueId::none ? nullptr : &operands[k]);
    if (constant(v)) operands[k] = Datum(*g_[v].constant);
    if (v == ValueId::none || (constant(v) && !def.linear.in(k))) continue;
    SAHA_TRY(const Dims d, dims(v));
    if (constant(v)) {
      Layer l = sum(num_elements(d), 0);
      SAHA_TRY(l.bias, numbers(v));
      give(v, std::move(l));
    }
    std::vector<std::int64_t> marks(value(v).at.size());
    std::iota(marks.begin(), marks.end(), std::ssize(places));
    for (std::int32_t e : value(v).at) places.push_back({value(v).layer, e});
    Tensor t = Tensor::zeros(DType::i64, d);
    fill<std::int64_t>(t, marks);
    operands[k] = Datum(std::move(t));
  }
  SAHA_TRY(const std::vector<Datum> moved, op::run(def, in, *n.attrs, int(n.num_results)));
  for (std::size_t r = 0; r < moved.size(); ++r) {
    const ValueId y = g_.result(n, r);
    std::map<std::int32_t, std::vector<Entry>> entries;  // by layer
    Value view;
    for (std::int64_t i : values<std::int64_t>(moved[r].tensor)) {
      const auto [layer, element] = places[std::size_t(i)];
      entries[layer].push_back({std::int32_t(view.at.size()), element, 1.0});
      view.layer = layer, view.at.push_back(element);
    }
    view.only = std::ssize(operands) == 1 && moved.size() == 1 && uses_[std::size_t(y)] == 1 && value(g_.operand(n, 0)).only;
    if (entries.size() == 1 && view.layer >= 0) {
      value(y) = std::move(view);
      continue;
    }
    Layer l = sum(std::ssize(view.at), 0);
    for (auto& [layer, e] : entries) if (layer >= 0) add_term(l, layer, std::move(e));
    give(y, std::move(l));
  }
  return {};
}

/// Results have the elements of operand 0 in their order, whatever the others are.
bool view(const ir::Node& n) { return n.op == "Dropout" || (op::find(n.op.str()) && op::find(n.op.str())->def->traits & op::kView); }

Result<> Reading::node(const ir::Node& n) {
  const std::string_view op = n.op.str();
  const op::Entry* known = op::find(op);
  for (std::size_t k = 0; k < (view(n) ? 1u : n.num_operands); ++k)
    if (const ValueId v = g_.operand(n, k); v != ValueId::none && !constant(v) && value(v).layer < 0) return refuse(n, "operand '" + g_.name(v) + "' is not known");
  const ValueId x = g_.operand(n, 0), y = g_.result(n);
  if (op == "Gemm" || op == "MatMul") return product(n, op == "Gemm");
  if (op == "Conv") return convolution(n);
  if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div") return arithmetic(n, op);
  if (known && known->def->traits & op::kMovement && !view(n)) return movement(n, *known->def);
  if ((op != "Relu" && !view(n)) || constant(x)) return Error{ErrorCode::unsupported, "the checker does not know operator " + std::string(op) + " (" + g_.describe(n) + ")"};
  SAHA_TRY(const Dims to, dims(y));
  Value f = value(x);
  if (num_elements(to) != std::ssize(f.at)) return refuse(n, "sizes that do not fit");
  if (op != "Relu" || (f.only && f.layer > 0)) {
    f.only = f.only && uses_[std::size_t(y)] == 1;
    value(y) = std::move(f);
  } else {
    Layer l = sum(std::ssize(f.at), 0);
    std::vector<Entry> entries;
    for (std::int32_t e : f.at) entries.push_back({std::int32_t(entries.size()), e, 1.0});
    add_term(l, f.layer, std::move(entries));
    give(y, std::move(l));
  }
  if (op == "Relu") out_.all[std::size_t(value(y).layer)].relu = true, out_.relus.push_back(value(y));
  return {};
}

Result<Layers> Reading::run() {
  Layer input;
  input.single = input.exact = true;
  for (ValueId v : g_.inputs()) {
    SAHA_TRY(const Dims d, dims(v));
    if (g_.type(v).dtype != DType::f32) return Error{ErrorCode::unsupported, "input '" + g_.name(v) + "' is " + ir::str(g_.type(v)) + "; the checker reads float32"};
    value(v) = {0, std::vector<std::int32_t>(std::size_t(num_elements(d)))};
    std::iota(value(v).at.begin(), value(v).at.end(), input.size);
    input.size += std::int32_t(num_elements(d));
  }
  out_.all.push_back(std::move(input));
  std::vector<char> needed(g_.values().size(), 0);
  for (ValueId v : g_.outputs()) needed[std::size_t(v)] = 1;
  for (std::size_t i = g_.nodes().size(); i-- > 0;) {
    const ir::Node& n = g_.nodes()[i];
    bool any = false;
    for (std::size_t k = 0; k < n.num_results; ++k) any |= needed[std::size_t(g_.result(n, k))] != 0;
    needed[std::size_t(g_.result(n))] |= any;
    if (any) for (std::size_t k = 0; k < (view(n) ? 1u : n.num_operands); ++k) if (ValueId v = g_.operand(n, k); v != ValueId::none) needed[std::size_t(v)] = 1;
  }
  for (const ir::Node& n : g_.nodes())
    if (needed[std::size_t(g_.result(n))]) { SAHA_DO(node(n)); }
  for (ValueId v : g_.outputs()) {
    if (value(v).layer < 0) return Error{ErrorCode::unsupported, "output '" + g_.name(v) + "' is a constant"};
    for (std::int32_t e : value(v).at) out_.outputs.push_back({value(v).layer, e});
  }
  return std::move(out_);
}
}  // namespace

Result<Layers> read_layers(const ir::Graph& g) { return Reading(g).run(); }

}  // namespace saha::check_proof
