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
    ++m.start[std::size_t(e.col) + 1], m.row.push_back(e.row), m.w.push_back(e.w);
    dense = dense && e.row == std::int32_t(i % std::size_t(rows)) && e.col == std::int32_t(i / std::size_t(rows));
  }
  std::partial_sum(m.start.begin(), m.start.end(), m.start.begin());
  if (dense) m.row = {};
  return m;
}

std::vector<std::int32_t> count_up(std::int64_t n, std::int32_t from = 0) {
  std::vector<std::int32_t> v(static_cast<std::size_t>(n));
  std::iota(v.begin(), v.end(), from);
  return v;
}

/// Of each element of a tensor of `to` dims the element that broadcasting takes of one of `from` dims.
std::vector<std::int64_t> broadcast(const Dims& from, const Dims& to) {
  std::vector<std::int64_t> index(std::size_t(num_elements(to)), 0);
  std::int64_t inner = 1, step = 1;
  for (std::size_t d = to.size(), f = from.size(); d-- > 0;) {
    const std::int64_t size = f > 0 ? from[--f] : 1;
    for (std::size_t i = 0; size > 1 && i < index.size(); ++i) index[i] += std::int64_t(i) / inner % to[d] * step;
    inner *= to[d], step *= size;
  }
  return index;
}

class Reading {
 public:
  explicit Reading(const ir::Graph& g) : g_(g), values_(g.values().size()), uses_(g.use_counts()) {}
  Result<Layers> run() {
    out_.all.emplace_back();
    for (ValueId v : g_.inputs()) {
      SAHA_TRY(const Dims d, dims(v));
      if (g_.type(v).dtype != DType::f32) return Error{ErrorCode::unsupported, "input '" + g_.name(v) + "' is " + ir::str(g_.type(v)) + "; the checker reads float32"};
      value(v) = {0, count_up(num_elements(d), out_.all[0].size)};
      out_.all[0].size += std::int32_t(num_elements(d));
    }
    std::vector<char> needed(g_.values().size(), 0);
    for (ValueId v : g_.outputs()) needed[std::size_t(v)] = 1;
    auto is_needed = [&](const ir::Node& n) { return std::any_of(needed.begin() + n.first_result, needed.begin() + n.first_result + n.num_results, [](char c) { return c != 0; }); };
    for (std::size_t i = g_.nodes().size(); i-- > 0;)
      if (const ir::Node& n = g_.nodes()[i]; is_needed(n))
        for (ValueId v : g_.operands(n).first(view(n) ? 1 : n.num_operands)) if (v != ValueId::none) needed[std::size_t(v)] = 1;
    for (const ir::Node& n : g_.nodes())
      if (is_needed(n)) { SAHA_DO(node(n)); }
    for (ValueId v : g_.outputs()) {
      if (value(v).layer < 0) return Error{ErrorCode::unsupported, "output '" + g_.name(v) + "' is a constant"};
      for (std::int32_t e : value(v).at) out_.outputs.push_back({value(v).layer, e});
    }
    return std::move(out_);
  }

 private:
  Result<Dims> dims(ValueId v) const {
    const ir::Type& t = g_.type(v);
    if (!t.is_tensor() || !ir::is_static(t)) return Error{ErrorCode::unsupported, "value '" + g_.name(v) + "' is " + ir::str(t) + "; the checker reads tensors of known size"};
    Dims d;
    for (const ir::Dim& x : t.dims) d.push_back(*x.known());
    return d;
  }
  Error refuse(const ir::Node& n, std::string_view why) const { return {ErrorCode::unsupported, g_.describe(n) + ": " + std::string(why)}; }
  /// Results have the elements of operand 0 in their order, whatever the others are. A Dropout in training mode has not.
  bool view(const ir::Node& n) const {
    const ValueId training = g_.operand(n, 2);
    if (n.op == "Dropout") return training == ValueId::none || (constant(training) && g_[training].constant->size() == 1 && g_[training].constant->at(0) == 0);
    return op::find(n.op.str()) && op::find(n.op.str())->def->traits & op::kView;
  }
  bool constant(ValueId v) const { return v != ValueId::none && g_[v].constant; }
  Value& value(ValueId v) { return values_[std::size_t(v)]; }
  bool once(ValueId v) const { return uses_[std::size_t(v)] == 1; }
  /// A constant's numbers as broadcasting to these dims repeats them.
  Result<std::vector<double>> numbers(ValueId v, const Dims& to) const {
    const Tensor& t = *g_[v].constant;
    if (t.dtype != DType::f32) return Error{ErrorCode::unsupported, "constant '" + g_.name(v) + "' is " + std::string(name(t.dtype)) + "; the checker reads float32"};
    const std::vector<double> all = values<double>(t);
    for (double x : all) if (!(std::fabs(x) < 1e30)) return Error{ErrorCode::invalid_model, "constant '" + g_.name(v) + "' holds " + std::to_string(x)};
    std::vector<double> d;
    for (std::int64_t i : broadcast(t.dims, to)) d.push_back(i < std::ssize(all) ? all[std::size_t(i)] : NAN);
    if (std::ranges::any_of(d, [](double x) { return x != x; })) return Error{ErrorCode::invalid_model, "constant '" + g_.name(v) + "' has dims that do not fit"};
    return d;
  }
  static Layer sum(std::int64_t size, double roundings) { return {std::int32_t(size), {}, std::vector<double>(std::size_t(size), 0.0), roundings}; }
  void add_term(Layer& l, std::int32_t from, std::vector<Entry> entries) const { l.terms.push_back({from, by_columns(l.size, out_.all[std::size_t(from)].size, std::move(entries))}); }
  /// A new layer, of which `v` is all.
  void give(ValueId v, Layer l) {
    value(v) = {std::int32_t(out_.all.size()), count_up(l.size), once(v)};
    out_.all.push_back(std::move(l));
  }

  Result<> arithmetic(const ir::Node& n, std::string_view op) {
    const ValueId a = g_.operand(n, 0), b = g_.operand(n, 1), y = g_.result(n);
    const bool product = op == "Mul" || op == "Div", fixed = constant(a) || constant(b);
    if ((constant(a) && constant(b)) || (product && !fixed) || (op == "Div" && constant(a))) return refuse(n, "the checker reads sums, and products of data with one constant");
    SAHA_TRY(const Dims to, dims(y));
    Layer l = sum(num_elements(to), 2);              // a division may be a product with a rounded reciprocal
    std::vector<double> scale(l.bias.size(), 1.0);
    if (fixed) {
      SAHA_TRY((product ? scale : l.bias), numbers(constant(a) ? a : b, to));
      if (op == "Sub" && constant(b)) for (double& x : l.bias) x = -x;
      if (op == "Div") for (double& x : scale) x = 1 / x;
      for (double x : scale) if (!(std::fabs(x) < 1e30)) return refuse(n, "divides by 0");
      // Added to a fresh sum without a bias it becomes its bias.
      const Value& f = value(constant(a) ? b : a);
      Layer& before = out_.all[std::size_t(f.layer)];
      if (f.only && !product && !(op == "Sub" && constant(a)) && before.roundings > 0 && !before.relu && f.at == count_up(l.size) && before.bias == std::vector<double>(l.bias.size(), 0.0)) {
        before.bias = std::move(l.bias), before.roundings += 1;
        value(y) = {f.layer, f.at, once(y)};
        return {};
      }
    }
    for (ValueId v : {a, b}) {
      if (constant(v)) continue;
      SAHA_TRY(const Dims from, dims(v));
      std::vector<Entry> entries;
      for (std::int64_t i : broadcast(from, to)) entries.push_back({std::int32_t(entries.size()), value(v).at[std::size_t(i)], op == "Sub" && v == b ? -1.0 : scale[entries.size()]});
      add_term(l, value(v).layer, std::move(entries));
    }
    give(y, std::move(l));
    return {};
  }

  /// Data x with constants w, and a constant c added where there is one.
  Result<> product(const ir::Node& n, bool conv) {
    const ValueId x = g_.operand(n, 0), w = g_.operand(n, 1), c = g_.operand(n, 2), y = g_.result(n);
    SAHA_TRY(Dims dx, dims(x));
    SAHA_TRY(Dims dw, dims(w));
    SAHA_TRY(Dims dy, dims(y));
    auto number = [&](const char* name, std::int64_t other) { const auto* v = ir::attr<std::int64_t>(*n.attrs, name); return v ? *v : other; };
    auto one = [&](const char* name) { const auto* v = ir::attr<float>(*n.attrs, name); return !v || *v == 1; };
    auto list = [&](const char* name, std::size_t size, std::int64_t other) { const auto* v = ir::attr<ir::Ints>(*n.attrs, name); return v && v->size() == size ? *v : ir::Ints(size, other); };
    const auto* automatic = ir::attr<std::string>(*n.attrs, "auto_pad");
    if (constant(x) || !constant(w) || (c != ValueId::none && !constant(c)) || number("transA", 0) || !one("alpha") || !one("beta") || (automatic && *automatic != "NOTSET")) return refuse(n, "the checker reads plain products of data with constants");
    if (conv ? dx.size() < 3 || dw.size() != dx.size() || dy.size() != dx.size() : dw.size() != 2 || dx.empty()) return refuse(n, "ranks that do not fit");
    SAHA_TRY(const std::vector<double> m, numbers(w, dw));
    std::vector<double> bias;
    if (c != ValueId::none) { SAHA_TRY(bias, numbers(c, conv ? Dims{dw[0]} : dy)); }
    // A matrix is a convolution without axes to move along, of w[out, in] or, but for transB, of w[in, out].
    const bool turned = !conv && !number("transB", 0);
    if (turned) std::swap(dw[0], dw[1]);
    if (!conv) dx = {num_elements(dx) / std::max<std::int64_t>(1, dx.back()), dx.back()}, dy = {num_elements(dy) / std::max<std::int64_t>(1, dy.back()), dy.back()};
    const std::size_t s = dx.size() - 2;
    const ir::Ints strides = list("strides", s, 1), dilations = list("dilations", s, 1), pads = list("pads", 2 * s, 0);
    const std::int64_t groups = number("group", 1), in = dw[1], out = dw[0], taps = num_elements(Dims(dw.begin() + 2, dw.end())), spots = num_elements(Dims(dy.begin() + 2, dy.end())), pixels = num_elements(Dims(dx.begin() + 2, dx.end()));
    if (groups < 1 || dx[1] != in * groups || dy[1] != out || out % groups || dx[0] != dy[0] || num_elements(dy) > kMostEntries / std::max<std::int64_t>(1, in * taps)) return refuse(n, "sizes that do not fit, or are too large");
    Layer l = sum(num_elements(dy), double(in * taps) + 2);
    for (std::size_t i = 0; !bias.empty() && i < l.bias.size(); ++i) l.bias[i] = bias[conv ? i / std::size_t(spots) % bias.size() : i];
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
        for (std::int64_t b = 0; inside && b < dx[0]; ++b)
          for (std::int64_t o = 0; o < out; ++o)
            for (std::int64_t i = 0; i < in; ++i)
              entries.push_back({std::int32_t((b * out + o) * spots + spot), value(x).at[std::size_t((b * dx[1] + o / (out / groups) * in + i) * pixels + at)], m[std::size_t(turned ? i * out + o : (o * in + i) * taps + tap)]});
      }
    add_term(l, value(x).layer, std::move(entries));
    give(y, std::move(l));
    return {};
  }

  /// Elements that the operator's reference moves are told by the numbers that it moves in their places; 0 is no element.
  Result<> movement(const ir::Node& n, const op::OpDef& def) {
    std::vector<Layers::Place> places{{-1, 0}};
    std::vector<Datum> operands(n.num_operands);
    std::vector<const Datum*> in;
    for (std::size_t k = 0; k < n.num_operands; ++k) {
      const ValueId v = g_.operand(n, k);
      in.push_back(v == ValueId::none ? nullptr : &operands[k]);
      if (v == ValueId::none || constant(v)) {
        if (constant(v)) operands[k] = Datum(*g_[v].constant);
        if (constant(v) && def.linear.in(k)) return refuse(n, "moves constants");
        continue;
      }
      SAHA_TRY(const Dims d, dims(v));
      std::vector<std::int64_t> marks;
      for (std::int32_t e : value(v).at) marks.push_back(std::ssize(places)), places.push_back({value(v).layer, e});
      Tensor t = Tensor::zeros(DType::i64, d);
      fill<std::int64_t>(t, marks);
      operands[k] = Datum(std::move(t));
    }
    SAHA_TRY(const std::vector<Datum> moved, op::run(def, in, *n.attrs, int(n.num_results)));
    for (std::size_t r = 0; r < moved.size(); ++r) {
      const ValueId y = g_.result(n, r);
      std::map<std::int32_t, std::vector<Entry>> entries;  // by layer
      Value all;
      for (std::int64_t i : values<std::int64_t>(moved[r].tensor)) {
        const auto [layer, element] = places[std::size_t(i)];
        entries[layer].push_back({std::int32_t(all.at.size()), element, 1.0});
        all.layer = layer, all.at.push_back(element);
      }
      if (entries.size() == 1 && all.layer >= 0) {   // a look at one layer
        all.only = n.num_results == 1 && once(y) && value(g_.operand(n, 0)).only;
        value(y) = std::move(all);
        continue;
      }
      Layer l = sum(std::ssize(all.at), 0);
      for (auto& [layer, e] : entries) if (layer >= 0) add_term(l, layer, std::move(e));
      give(y, std::move(l));
    }
    return {};
  }

  Result<> node(const ir::Node& n) {
    const std::string_view op = n.op.str();
    const op::Entry* known = op::find(op);
    for (ValueId v : g_.operands(n).first(view(n) ? 1 : n.num_operands))
      if (v != ValueId::none && !constant(v) && value(v).layer < 0) return refuse(n, "operand '" + g_.name(v) + "' is not known");
    const ValueId x = g_.operand(n, 0), y = g_.result(n);
    if (op == "Gemm" || op == "MatMul" || op == "Conv") return product(n, op == "Conv");
    if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div") return arithmetic(n, op);
    if (known && known->def->traits & op::kMovement && !view(n)) return movement(n, *known->def);
    if ((op != "Relu" && !view(n)) || constant(x)) return Error{ErrorCode::unsupported, "the checker does not know operator " + std::string(op) + " (" + g_.describe(n) + ")"};
    SAHA_TRY(const Dims to, dims(y));
    Value f = value(x);
    if (num_elements(to) != std::ssize(f.at)) return refuse(n, "sizes that do not fit");
    if (op == "Relu" && (!f.only || f.layer == 0)) {  // what reads the sums themselves keeps them
      Layer l = sum(std::ssize(f.at), 0);
      std::vector<Entry> entries;
      for (std::int32_t e : f.at) entries.push_back({std::int32_t(entries.size()), e, 1.0});
      add_term(l, f.layer, std::move(entries));
      give(y, std::move(l));
    } else {
      value(y) = {f.layer, std::move(f.at), f.only && once(y)};
    }
    if (op == "Relu") out_.all[std::size_t(value(y).layer)].relu = true, out_.relus.push_back(value(y));
    return {};
  }

  const ir::Graph& g_;
  std::vector<Value> values_;
  std::vector<std::uint32_t> uses_;
  Layers out_;
};
}  // namespace

Result<Layers> read_layers(const ir::Graph& g) { return Reading(g).run(); }

}  // namespace saha::check_proof
