#include "check_proof/layers.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

namespace saha::check_proof {
namespace {
using ir::ValueId;
constexpr std::int64_t kMostEntries = std::int64_t{1} << 27;

struct Entry {
  std::int32_t row, col;
  double w;
};
/// Entries of one place are kept side by side: each is a product of its own when the network runs.
Matrix by_columns(std::int32_t rows, std::int32_t cols, std::vector<Entry>& entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.col != b.col ? a.col < b.col : a.row < b.row; });
  Matrix m{rows, cols, std::vector<std::int64_t>(std::size_t(cols) + 1, 0), {}, {}};
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

/// A value: element e is element at[e] of a layer.
struct Flat {
  std::int32_t layer = -1;
  std::vector<std::int32_t> at;
};

class Reading {
 public:
  explicit Reading(const ir::Graph& g) : g_(g), flat_(g.values().size()), uses_(g.use_counts()) {}
  Result<Layers> run();

 private:
  Result<> node(const ir::Node& n);
  Result<> arithmetic(const ir::Node& n, std::string_view op);
  Result<> product(const ir::Node& n, bool gemm);
  Result<> convolution(const ir::Node& n);
  Result<> transpose(const ir::Node& n);
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
  const Flat& flat(ValueId v) const { return flat_[std::size_t(v)]; }
  /// A new layer that `v` is all of.
  Layer& layer(ValueId v, Layer l) {
    Flat& f = flat_[std::size_t(v)];
    f.layer = std::int32_t(out_.all.size());
    f.at.resize(std::size_t(l.size));
    std::iota(f.at.begin(), f.at.end(), 0);
    out_.all.push_back(std::move(l));
    return out_.all.back();
  }
  Layer sum(std::int64_t size) const {
    Layer l;
    l.size = std::int32_t(size), l.bias.assign(std::size_t(size), 0.0);
    return l;
  }
  void add_term(Layer& l, std::int32_t from, std::vector<Entry>& entries) const { l.terms.push_back({from, by_columns(l.size, out_.all[std::size_t(from)].size, entries)}); }

  const ir::Graph& g_;
  std::vector<Flat> flat_;
  std::vector<std::uint32_t> uses_;
  Layers out_;
};

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

Result<> Reading::arithmetic(const ir::Node& n, std::string_view op) {
  const ValueId a = g_.operand(n, 0), b = g_.operand(n, 1), y = g_.result(n);
  SAHA_TRY(const Dims to, dims(y));
  Layer l = sum(num_elements(to));
  const bool product = op == "Mul" || op == "Div";
  if (constant(a) == constant(b) && (product || constant(a))) return refuse(n, "takes one constant");
  if (op == "Div" && constant(a)) return refuse(n, "divides by what is computed");
  l.roundings = 2;  // a division may be a product with a rounded reciprocal
  std::vector<double> scale(std::size_t(l.size), 1.0);
  for (ValueId v : {a, b}) {
    if (!constant(v)) continue;
    SAHA_TRY(const Dims from, dims(v));
    SAHA_TRY(const std::vector<double> c, numbers(v));
    const auto index = broadcast(from, to);
    for (std::size_t i = 0; i < index.size(); ++i) {
      const double x = c[std::size_t(index[i])];
      if (op == "Div" && !(std::fabs(x) > 1e-30)) return refuse(n, "divides by 0");
      (product ? scale[i] : l.bias[i]) = op == "Div" ? 1 / x : op == "Sub" && v == b ? -x : x;
    }
  }
  // A constant that is added to a fresh sum without one becomes its bias.
  for (ValueId v : {a, b}) {
    if (constant(v) || product || !(constant(a) || constant(b)) || (op == "Sub" && v == b) || uses_[std::size_t(v)] != 1) continue;
    const Flat& f = flat(v);
    Layer& before = out_.all[std::size_t(f.layer)];
    if (f.layer + 1 != std::ssize(out_.all) || before.kind != Layer::Kind::sum || before.size != l.size || std::ranges::any_of(before.bias, [](double x) { return x != 0; })) continue;
    bool same = true;
    for (std::size_t i = 0; i < f.at.size(); ++i) same &= f.at[i] == std::int32_t(i);
    const ir::Node* made = g_.producer(v);
    if (!same || std::ssize(f.at) != l.size || !made || (made->op.str() != "MatMul" && made->op.str() != "Gemm" && made->op.str() != "Conv")) continue;
    before.bias = l.bias, before.roundings += 1;
    flat_[std::size_t(y)] = f;
    return {};
  }
  for (ValueId v : {a, b}) {
    if (constant(v)) continue;
    SAHA_TRY(const Dims from, dims(v));
    const auto index = broadcast(from, to);
    std::vector<Entry> entries;
    for (std::size_t i = 0; i < index.size(); ++i) entries.push_back({std::int32_t(i), flat(v).at[std::size_t(index[i])], op == "Sub" && v == b ? -1.0 : scale[i]});
    add_term(l, flat(v).layer, entries);
  }
  layer(y, std::move(l));
  return {};
}

Result<> Reading::product(const ir::Node& n, bool gemm) {
  const ValueId x = g_.operand(n, 0), w = g_.operand(n, 1), c = g_.operand(n, 2), y = g_.result(n);
  auto flag = [&](const char* name) { const auto* v = ir::attr<std::int64_t>(*n.attrs, name); return v && *v; };
  auto factor = [&](const char* name) { const auto* v = ir::attr<float>(*n.attrs, name); return v ? double(*v) : 1.0; };
  const double alpha = gemm ? factor("alpha") : 1, beta = gemm ? factor("beta") : 1;
  const bool across = gemm && flag("transB");
  SAHA_TRY(const Dims dx, dims(x));
  SAHA_TRY(const Dims dw, dims(w));
  SAHA_TRY(const Dims dy, dims(y));
  if (constant(x) || !constant(w) || dw.size() != 2 || dx.empty() || (gemm && flag("transA"))) return refuse(n, "the checker reads products of data with a constant matrix");
  SAHA_TRY(const std::vector<double> m, numbers(w));
  const std::int64_t inner = dw[across ? 1 : 0], outer = dw[across ? 0 : 1], batch = num_elements(dy) / std::max<std::int64_t>(1, outer);
  if (dx.back() != inner || num_elements(dx) != batch * inner) return refuse(n, "sizes that do not fit");
  if (batch * inner * outer > kMostEntries) return refuse(n, "a product that is too large");
  Layer l = sum(batch * outer);
  std::vector<Entry> entries;
  entries.reserve(std::size_t(batch * inner * outer));
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t k = 0; k < inner; ++k)
      for (std::int64_t o = 0; o < outer; ++o)
        entries.push_back({std::int32_t(b * outer + o), flat(x).at[std::size_t(b * inner + k)], alpha * m[std::size_t(across ? o * inner + k : k * outer + o)]});
  l.roundings = double(inner) + 2 + (alpha != 1 ? 2 : 0) + (beta != 1 ? 2 : 0);
  if (gemm && c != ValueId::none) {
    if (!constant(c)) return refuse(n, "adds what is computed");
    SAHA_TRY(const Dims dc, dims(c));
    SAHA_TRY(const std::vector<double> bias, numbers(c));
    const auto index = broadcast(dc, dy);
    for (std::size_t i = 0; i < index.size(); ++i) l.bias[i] = beta * bias[std::size_t(index[i])];
  }
  add_term(l, flat(x).layer, entries);
  layer(y, std::move(l));
  return {};
}

Result<> Reading::convolution(const ir::Node& n) {
  const ValueId x = g_.operand(n, 0), w = g_.operand(n, 1), c = g_.operand(n, 2), y = g_.result(n);
  SAHA_TRY(const Dims dx, dims(x));
  SAHA_TRY(const Dims dw, dims(w));
  SAHA_TRY(const Dims dy, dims(y));
  const std::size_t s = dx.size() - 2;
  if (constant(x) || !constant(w) || dx.size() < 3 || dw.size() != dx.size() || dy.size() != dx.size()) return refuse(n, "the checker reads convolutions of data with constants");
  auto list = [&](const char* name, std::size_t size, std::int64_t other) { const auto* v = ir::attr<ir::Ints>(*n.attrs, name); return v && v->size() == size ? *v : ir::Ints(size, other); };
  const auto* automatic = ir::attr<std::string>(*n.attrs, "auto_pad");
  if (automatic && *automatic != "NOTSET" && *automatic != "VALID") return refuse(n, "the checker reads pads that are given");
  const ir::Ints strides = list("strides", s, 1), dilations = list("dilations", s, 1), pads = automatic && *automatic == "VALID" ? ir::Ints(2 * s, 0) : list("pads", 2 * s, 0);
  const auto* g = ir::attr<std::int64_t>(*n.attrs, "group");
  const std::int64_t groups = g ? *g : 1, per_in = dw[1], taps = num_elements(Dims(dw.begin() + 2, dw.end())), spots = num_elements(Dims(dy.begin() + 2, dy.end()));
  if (groups < 1 || dx[1] != per_in * groups || dy[1] != dw[0] || dw[0] % groups || dx[0] != dy[0]) return refuse(n, "sizes that do not fit");
  const std::int64_t pixels = num_elements(Dims(dx.begin() + 2, dx.end()));
  if (num_elements(dy) > kMostEntries / std::max<std::int64_t>(1, per_in * taps)) return refuse(n, "a convolution that is too large");
  SAHA_TRY(const std::vector<double> m, numbers(w));
  Layer l = sum(num_elements(dy));
  l.roundings = double(per_in * taps) + 2;
  std::vector<double> bias(std::size_t(dw[0]), 0.0);
  if (c != ValueId::none) {
    if (!constant(c)) return refuse(n, "adds what is computed");
    SAHA_TRY(bias, numbers(c));
    if (std::ssize(bias) != dw[0]) return refuse(n, "sizes that do not fit");
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
            entries.push_back({std::int32_t((b * dw[0] + o) * spots + spot), flat(x).at[std::size_t((b * dx[1] + o / (dw[0] / groups) * per_in + i) * pixels + at)], m[std::size_t((o * per_in + i) * taps + tap)]});
    }
  for (std::int64_t i = 0; i < l.size; ++i) l.bias[std::size_t(i)] = bias[std::size_t(i / spots % dw[0])];
  add_term(l, flat(x).layer, entries);
  layer(y, std::move(l));
  return {};
}

Result<> Reading::transpose(const ir::Node& n) {
  const ValueId x = g_.operand(n, 0), y = g_.result(n);
  SAHA_TRY(const Dims dx, dims(x));
  SAHA_TRY(const Dims dy, dims(y));
  ir::Ints perm(dx.size());
  for (std::size_t i = 0; i < perm.size(); ++i) perm[i] = std::int64_t(perm.size() - 1 - i);
  if (const auto* given = ir::attr<ir::Ints>(*n.attrs, "perm")) perm = *given;
  std::vector<std::int64_t> step(dx.size(), 1);
  for (std::size_t d = dx.size(); d-- > 1;) step[d - 1] = step[d] * dx[d];
  Flat f{flat(x).layer, {}};
  if (perm.size() != dx.size() || dy.size() != dx.size()) return refuse(n, "sizes that do not fit");
  for (std::size_t d = 0; d < perm.size(); ++d) if (perm[d] < 0 || perm[d] >= std::ssize(dx) || dy[d] != dx[std::size_t(perm[d])]) return refuse(n, "sizes that do not fit");
  for (std::int64_t i = 0; i < num_elements(dy); ++i) {
    std::int64_t rest = i, at = 0;
    for (std::size_t d = dy.size(); d-- > 0;) at += rest % dy[d] * step[std::size_t(perm[d])], rest /= dy[d];
    f.at.push_back(flat(x).at[std::size_t(at)]);
  }
  flat_[std::size_t(y)] = std::move(f);
  return {};
}

bool only_first(std::string_view op) { return op == "Reshape" || op == "Flatten" || op == "Squeeze" || op == "Unsqueeze" || op == "Identity" || op == "Dropout"; }

Result<> Reading::node(const ir::Node& n) {
  const std::string_view op = n.op.str();
  for (std::size_t k = 0; k < (only_first(op) ? 1u : n.num_operands); ++k)
    if (const ValueId v = g_.operand(n, k); v != ValueId::none && !constant(v) && flat(v).layer < 0) return refuse(n, "operand '" + g_.name(v) + "' is not known");
  if (op == "Gemm" || op == "MatMul") return product(n, op == "Gemm");
  if (op == "Conv") return convolution(n);
  if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div") return arithmetic(n, op);
  if (op == "Transpose" && !constant(g_.operand(n, 0))) return transpose(n);
  if ((op == "Relu" || only_first(op)) && !constant(g_.operand(n, 0))) {
    const Flat& f = flat(g_.operand(n, 0));
    SAHA_TRY(const Dims to, dims(g_.result(n)));
    if (num_elements(to) != std::ssize(f.at)) return refuse(n, "sizes that do not fit");
    if (op != "Relu") {
      flat_[std::size_t(g_.result(n))] = Flat(f);
      return {};
    }
    // Over all of the layer, in its own order; what only moved keeps doing so behind it.
    Flat behind{std::int32_t(out_.all.size()), f.at};
    Layer l;
    l.kind = Layer::Kind::relu, l.operand = f.layer, l.size = out_.all[std::size_t(f.layer)].size;
    std::vector<std::int32_t> sorted = f.at;
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 0; i < sorted.size(); ++i) if (sorted[i] != std::int32_t(i)) return refuse(n, "the checker reads ReLUs of whole values");
    if (std::ssize(sorted) != l.size) return refuse(n, "the checker reads ReLUs of whole values");
    out_.relus.push_back(behind.layer);
    out_.all.push_back(std::move(l));
    flat_[std::size_t(g_.result(n))] = std::move(behind);
    return {};
  }
  return Error{ErrorCode::unsupported, "the checker does not know operator " + std::string(op) + " (" + g_.describe(n) + ")"};
}

Result<Layers> Reading::run() {
  Layer input;
  input.kind = Layer::Kind::input, input.exact = true;
  for (ValueId v : g_.inputs()) {
    SAHA_TRY(const Dims d, dims(v));
    if (g_.type(v).dtype != DType::f32) return Error{ErrorCode::unsupported, "input '" + g_.name(v) + "' is " + ir::str(g_.type(v)) + "; the checker reads float32"};
    Flat& f = flat_[std::size_t(v)];
    f.layer = 0, f.at.resize(std::size_t(num_elements(d)));
    std::iota(f.at.begin(), f.at.end(), input.size);
    input.size += std::int32_t(num_elements(d));
  }
  out_.all.push_back(std::move(input));
  std::vector<char> needed(g_.values().size(), 0);
  for (ValueId v : g_.outputs()) needed[std::size_t(v)] = 1;
  for (std::size_t i = g_.nodes().size(); i-- > 0;) {
    const ir::Node& n = g_.nodes()[i];
    bool any = false;
    for (std::size_t k = 0; k < n.num_results; ++k) any |= needed[std::size_t(g_.result(n, k))] != 0;
    if (any) for (std::size_t k = 0; k < (only_first(n.op.str()) ? 1u : n.num_operands); ++k) if (ValueId v = g_.operand(n, k); v != ValueId::none) needed[std::size_t(v)] = 1;
  }
  for (const ir::Node& n : g_.nodes())
    if (needed[std::size_t(g_.result(n))]) { SAHA_DO(node(n)); }
  for (ValueId v : g_.outputs()) {
    if (flat(v).layer < 0) return Error{ErrorCode::unsupported, "output '" + g_.name(v) + "' is a constant"};
    for (std::int32_t e : flat(v).at) out_.outputs.push_back({flat(v).layer, e});
  }
  for (Layer& l : out_.all) {
    if (l.kind == Layer::Kind::relu) ++out_.all[std::size_t(l.operand)].read_by_relus;
    if (l.kind != Layer::Kind::sum) continue;
    l.exact = l.terms.size() == 1;
    for (const Layer::Term& t : l.terms) {
      Layer& from = out_.all[std::size_t(t.from)];
      ++from.read_by_sums;
      bool single = from.kind == Layer::Kind::input;  // its elements are independent of each other
      if (from.kind == Layer::Kind::sum && from.exact && from.terms[0].matrix.w.size() == std::size_t(from.size)) {
        const Matrix& m = from.terms[0].matrix;
        single = true;
        for (std::size_t j = 0; j < std::size_t(m.cols); ++j) single &= m.start[j + 1] - m.start[j] <= 1;
        std::vector<char> taken(std::size_t(m.rows), 0);
        for (std::size_t i = 0; single && i < m.w.size(); ++i) single &= !taken[std::size_t(m.row.empty() ? 0 : m.row[i])]++;
      }
      l.exact &= single;
    }
  }
  for (const Layers::Place& p : out_.outputs) ++out_.all[std::size_t(p.layer)].read_by_sums;
  return std::move(out_);
}
}  // namespace

Result<Layers> read_layers(const ir::Graph& g) { return Reading(g).run(); }

}  // namespace saha::check_proof
