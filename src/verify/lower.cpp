// Graph -> Net by the facts of the operator table: movement is read off by running it on element numbers, sums and products with constants become
// matrices, curves functions; nodes on stored integers are what their integer form says, whose roundings are steps; whatever chooses (Max, Clip, MaxPool, LeakyRelu) is a sum of ReLUs, which is the same in real numbers; the rest is spelt out
// by its body.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>

#include "op/builder.hpp"
#include "op/integer_form.hpp"
#include "op/strides.hpp"
#include "op/window.hpp"
#include "passes/passes.hpp"
#include "verify/net.hpp"

namespace saha::verify {
namespace {
constexpr std::int64_t kMaxLayer = 1 << 22;        ///< elements of a layer
constexpr std::size_t kMaxEntries = 1 << 28;       ///< of all matrices
constexpr float kHuge = 1e30f;                     ///< larger values have no bounds
constexpr std::size_t kMaxSteps = 1 << 12;         ///< values of a function that steps; one of more errs by its rounding
constexpr double kWhole = kExactSums / 2;          ///< leaves room for what compact() joins
constexpr std::int64_t kMaxProbe = 1 << 13;        ///< elements of an operand whose matrix is found by trying each

constexpr std::string_view kOwnRules[] = {"Cos", "LeakyRelu", "Max", "MaxPool", "Min", "PRelu", "Pow", "Reciprocal", "ReduceMax", "ReduceMin", "Sin"};
constexpr std::string_view kShapeAlone[] = {"Shape", "Size", "WindowCount"};  ///< operators whose results do not depend on what their operands hold

double square(double x, const ir::Attrs&) { return x * x; }
double square_slope(double x, const ir::Attrs&) { return 2 * x; }
constexpr op::Curve kSquare{.f = square, .slope = square_slope, .shape = op::Curve::Shape::convex};

/// A Rescale of integers and what is done to each of its numbers by itself, until something needs them: then all of it is one function that steps.
struct Chain;
struct Place {
  std::int32_t layer = -1;                         ///< -1: a constant, or nothing
  std::shared_ptr<Chain> chain = {};               ///< not null: what it makes of the layer
};
struct Link {
  enum class Kind : std::uint8_t { add, clip, table } kind;
  std::int64_t a = 0, b = 0;                       ///< add: a; clip: to [a, b]; table: of the numbers from a on
  std::vector<std::int64_t> table = {};
  std::int64_t operator()(std::int64_t v) const {
    if (kind == Kind::add) return v + a;
    if (kind == Kind::clip) return std::clamp(v, a, b);
    return table[std::size_t(std::clamp<std::int64_t>(v - a, 0, std::ssize(table) - 1))];
  }
};
struct Chain {
  std::vector<Requant> rules;                      ///< of element e: rules[e / inner % rules.size()]
  std::int64_t inner = 1;
  std::vector<Link> links;
  Place made = {};                                 ///< where it was needed before
};

class Lowering {
 public:
  Lowering(Net& net, Stored stored, bool scores) : net_(net), stored_(stored), scores_(scores) {}

  Result<std::vector<Place>> graph(const ir::Graph& g, const std::vector<Place>& inputs, const std::vector<const Tensor*>& input_constants);
  void outputs(const std::vector<Place>& places);
  /// What the elements of the network's input can be, where that is less than any number.
  using Range = std::pair<double, double>;
  void set_input(std::vector<Range> r) { ranges_.assign(1, std::move(r)); }
  /// Layer::largest of all that is whole.
  void measure() {
    for (std::size_t k = 0; k < net_.layers.size(); ++k) if (net_.layers[k].whole) net_.layers[k].largest = std::nextafter(float(largest(std::int32_t(k))), float(INFINITY));
  }

 private:
  struct Node {                                    ///< what a rule sees
    const ir::Graph& g;
    const ir::Node& n;
    const op::OpDef& def;
    std::vector<Place> in;
    std::vector<const Tensor*> data;               ///< null: no constant
    std::vector<Place> out;
    op::AttrView attrs() const { return {*n.attrs}; }
    bool variable(std::size_t i) const { return i < in.size() && in[i].layer >= 0; }
    bool whole() const {                           ///< its first result are integers, whose sums are exact
      const ir::Type& t = g.type(g.result(n));
      return t.is_tensor() && is_int(t.dtype);
    }
    float roundings(float r) const { return whole() ? 0.0f : r; }
  };

  std::int32_t size(Place p) const { return net_.layers[std::size_t(p.layer)].size; }
  Place push(Layer l) {
    net_.layers.push_back(std::move(l));
    return {std::int32_t(net_.layers.size()) - 1};
  }
  Error fail(const Node& n, const std::string& why) const { return Error{ErrorCode::unsupported, n.g.describe(n.n) + ": " + why}; }
  Result<Dims> dims(const Node& n, ir::ValueId v) const;
  Result<Dims> operand_dims(const Node& n, std::size_t i) const { return dims(n, n.g.operand(n.n, i)); }

  Place affine(std::vector<Term> terms, std::vector<float> bias, float roundings, std::int32_t rows, const std::string& origin, bool dot = false) {
    Layer l;
    l.kind = Layer::Kind::affine;
    l.size = rows;
    l.terms = std::move(terms);
    l.bias = bias.empty() ? std::vector<float>(std::size_t(rows), 0.0f) : std::move(bias);
    l.roundings = roundings;
    l.dot = dot;
    l.origin = origin;
    l.whole = roundings == 0 && sums_whole(l);
    return push(std::move(l));
  }
  Place unary(Place x, Unary u, const std::string& origin) {
    Layer l;
    l.kind = Layer::Kind::unary;
    l.size = size(x);
    l.a = x.layer;
    l.unary = std::move(u);
    l.origin = origin;
    l.whole = (l.unary.kind == Unary::Kind::relu || l.unary.kind == Unary::Kind::steps) && (l.unary.steps || net_.layers[std::size_t(x.layer)].whole);
    return push(std::move(l));
  }
  Place product(Place a, Place b, float slack, const std::string& origin) {
    Layer l;
    l.kind = Layer::Kind::product;
    l.size = size(a);
    l.a = a.layer, l.b = b.layer;
    l.slack = slack;
    l.origin = origin;
    return push(std::move(l));
  }
  Place relu(Place x, const std::string& origin) { return unary(x, {}, origin); }
  /// rows results, each the sum of (coefficient, element of x)
  Place select(Place x, const std::vector<std::int32_t>& from, float coefficient, const std::string& origin, std::vector<float> bias = {}, float roundings = 0);
  Place combine(Place a, float ca, Place b, float cb, float roundings, const std::string& origin);
  Place largest(Place a, Place b, float sign, const std::string& origin);

  bool sums_whole(const Layer& l);
  const std::vector<Range>& range(std::int32_t layer);
  double largest(std::int32_t layer) {
    double most = 0;
    for (auto [lo, hi] : range(layer)) most = std::max({most, std::fabs(lo), std::fabs(hi)});
    return most;
  }
  Result<Place> plain(const Node& n, Place p);
  Result<Place> linked(const Node& n, Place x, const Link& link);
  Place clipped(Place x, double lo, double hi, const std::string& origin);
  Place stepped(Place x, Steps steps, const std::string& origin);
  Result<Place> rescaled(const Node& n, Place x, const Chain& c);
  Result<bool> linked(Node& n);
  Result<> stored_node(Node& n);
  Result<> rescale(Node& n);
  Result<> dequantise(Node& n);
  Result<> quantise(Node& n);
  Result<> exact(const Node& n);
  Result<bool> node(Node& n);
  Result<std::vector<Tensor>> run(const Node& n, const std::vector<std::pair<std::size_t, Tensor>>& given) const;
  Result<> movement(Node& n);
  Result<> sum(Node& n, std::vector<float> coefficients);
  Result<> multiply(Node& n, bool divide);
  Result<> matmul(Node& n);
  Result<> gemm(Node& n);
  Result<> conv(Node& n);
  Result<> choose(Node& n, float sign);
  Result<> clip(Node& n);
  Result<> leaky(Node& n);
  Result<> power(Node& n);
  Result<> pool_max(Node& n);
  Result<> reduce_extreme(Node& n, float sign);
  Result<> softmax(Node& n);
  Result<> probe(Node& n);
  Result<> body(Node& n);
  Result<Place> broadcast(const Node& n, std::size_t i, const Dims& to);
  Result<> spend(std::size_t entries) {
    entries_ += entries;
    return entries_ > kMaxEntries ? Result<>(Error{ErrorCode::out_of_memory, "the network's matrices have more than " + std::to_string(kMaxEntries) + " entries"}) : Result<>();
  }

  Net& net_;
  Stored stored_;
  bool scores_;
  std::vector<std::vector<Range>> ranges_;         ///< of the first layers
  std::size_t entries_ = 0;
  std::vector<std::shared_ptr<const Tensor>> kept_;
  int depth_ = 0;
};

Result<Dims> Lowering::dims(const Node& n, ir::ValueId v) const {
  const ir::Type& t = n.g.type(v);
  if (!t.is_tensor() || !t.ranked) return fail(n, "'" + n.g.name(v) + "' is no tensor of known rank");
  Dims d;
  std::int64_t total = 1;
  for (const ir::Dim& x : t.dims) {
    auto k = x.known();
    if (!k) return fail(n, "the size " + x.str() + " of '" + n.g.name(v) + "' is not known before it runs");
    d.push_back(*k);
    total *= std::max<std::int64_t>(*k, 1);
    if (total > kMaxLayer) return fail(n, "'" + n.g.name(v) + "' has more than " + std::to_string(kMaxLayer) + " elements");
  }
  return d;
}

Place Lowering::select(Place x, const std::vector<std::int32_t>& from, float coefficient, const std::string& origin, std::vector<float> bias, float roundings) {
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < from.size(); ++i) if (from[i] >= 0) entries.push_back({std::int32_t(i), from[i], coefficient});
  const std::int32_t rows = std::int32_t(from.size());
  std::vector<Term> terms;
  terms.push_back({x.layer, make_matrix(rows, size(x), std::move(entries))});
  return affine(std::move(terms), std::move(bias), roundings, rows, origin);
}
std::vector<Entry> diagonal(std::int32_t n, float c) {
  std::vector<Entry> e;
  for (std::int32_t i = 0; i < n; ++i) e.push_back({i, i, c});
  return e;
}
Place Lowering::combine(Place a, float ca, Place b, float cb, float roundings, const std::string& origin) {
  const std::int32_t n = size(a);
  std::vector<Term> terms;
  if (a.layer == b.layer) {
    terms.push_back({a.layer, make_matrix(n, n, diagonal(n, ca + cb))});
  } else {
    terms.push_back({a.layer, make_matrix(n, n, diagonal(n, ca))});
    terms.push_back({b.layer, make_matrix(n, n, diagonal(n, cb))});
  }
  return affine(std::move(terms), {}, roundings, n, origin);
}
/// sign 1: max(a, b) = a + relu(b - a); -1: min(a, b) = a - relu(a - b). Exact: no engine computes these sums.
Place Lowering::largest(Place a, Place b, float sign, const std::string& origin) {
  return combine(a, 1, relu(combine(b, sign, a, -sign, 0, origin), origin), sign, 0, origin);
}

/// The entry on its constants, with other tensors in some places: float32 that stands for what varies, or constants. Where integers vary, what is linear beside them is
/// float32 as well; what only says which elements are meant keeps its type.
Result<std::vector<Tensor>> Lowering::run(const Node& n, const std::vector<std::pair<std::size_t, Tensor>>& given) const {
  std::vector<Datum> values(n.in.size());
  std::vector<const Datum*> in(n.in.size(), nullptr);
  bool integers = false;
  for (std::size_t i = 0; i < n.in.size(); ++i) integers |= n.variable(i) && is_int(n.g.type(n.g.operand(n.n, i)).dtype);
  auto put = [&](std::size_t i, const Tensor& t) {
    Tensor as = t;
    if (integers && is_int(t.dtype) && n.def.linear.in(i)) as = Tensor::zeros(DType::f32, t.dims), fill<double>(as, saha::values<double>(t));
    values[i] = Datum(std::move(as)), in[i] = &values[i];
  };
  for (std::size_t i = 0; i < n.in.size(); ++i) if (n.data[i]) put(i, *n.data[i]);
  for (const auto& [i, t] : given) put(i, t);
  op::Budget budget{0x1p34};
  SAHA_TRY(std::vector<Datum> out, op::run(n.def, in, *n.n.attrs, n.n.num_results, &budget));
  std::vector<Tensor> r;
  for (Datum& d : out) r.push_back(d.tensor);
  return r;
}

/// Run on zeros and on element numbers: where they differ stands which element.
Result<> Lowering::movement(Node& n) {
  std::vector<std::pair<std::size_t, Tensor>> zeros, numbers;
  std::vector<std::pair<std::int32_t, Place>> starts;
  std::int32_t next = 0;
  for (std::size_t i = 0; i < n.in.size(); ++i) {
    if (!n.variable(i)) continue;
    if (!n.def.linear.in(i)) return fail(n, "operand " + std::to_string(i) + " decides which elements are taken, and depends on the input");
    SAHA_TRY(Dims d, operand_dims(n, i));
    const std::int32_t count = size(n.in[i]);
    if (std::int64_t(next) + count > kMaxLayer) return fail(n, "its operands have more than " + std::to_string(kMaxLayer) + " elements");
    Tensor id = Tensor::zeros(DType::f32, d);
    zeros.emplace_back(i, Tensor::zeros(DType::f32, d));
    for (std::int32_t k = 0; k < count; ++k) id.as<float>()[k] = float(next + k + 1);
    numbers.emplace_back(i, id);
    starts.emplace_back(next, n.in[i]);
    next += count;
  }
  SAHA_TRY(std::vector<Tensor> base, run(n, zeros));
  SAHA_TRY(std::vector<Tensor> ids, run(n, numbers));
  for (std::size_t k = 0; k < ids.size(); ++k) {
    if (ids[k].dtype != DType::f32 || base[k].size() != ids[k].size()) return fail(n, "the size of its result depends on the data");
    const std::int32_t rows = std::int32_t(ids[k].size());
    std::vector<float> bias(static_cast<std::size_t>(rows), 0.0f);
    std::vector<std::vector<Entry>> entries(starts.size());
    bool same = starts.size() == 1 && rows == size(starts[0].second);
    for (std::int32_t r = 0; r < rows; ++r) {
      const float id = ids[k].as<float>()[r], b = base[k].as<float>()[r];
      if (id == b || id != id) {                     // a constant, which may be not a number
        bias[std::size_t(r)] = b, same = false;
        continue;
      }
      const std::int32_t element = std::int32_t(id) - 1;
      std::size_t s = starts.size() - 1;
      while (s && starts[s].first > element) --s;
      entries[s].push_back({r, element - starts[s].first, 1.0f});
      same &= element == r;
    }
    if (same) {
      n.out[k] = starts[0].second;
      continue;
    }
    std::vector<Term> terms;
    for (std::size_t s = 0; s < starts.size(); ++s)
      if (!entries[s].empty()) terms.push_back({starts[s].second.layer, make_matrix(rows, size(starts[s].second), std::move(entries[s]))});
    SAHA_DO(spend(std::size_t(rows)));
    n.out[k] = affine(std::move(terms), std::move(bias), 0, rows, n.g.describe(n.n));
  }
  return {};
}

/// Operand i repeated to the dims `to` (numpy's rules); the same place where it has them already.
Result<Place> Lowering::broadcast(const Node& n, std::size_t i, const Dims& to) {
  SAHA_TRY(Dims d, operand_dims(n, i));
  if (d == to || num_elements(d) == num_elements(to)) return n.in[i];
  std::vector<std::int32_t> from(static_cast<std::size_t>(num_elements(to)));
  for (std::size_t k = 0; k < from.size(); ++k) {
    std::int64_t rest = std::int64_t(k), at = 0, step = 1;
    for (std::size_t a = to.size(); a-- > 0;) {
      const std::int64_t c = rest % to[a];
      rest /= to[a];
      const std::int64_t back = std::int64_t(to.size()) - 1 - std::int64_t(a), j = std::int64_t(d.size()) - 1 - back;
      if (j < 0) continue;
      if (d[std::size_t(j)] != 1) at += c * step;
      step *= d[std::size_t(j)];
    }
    from[k] = std::int32_t(at);
  }
  return select(n.in[i], from, 1, n.g.describe(n.n));
}
std::vector<float> broadcast_values(const Tensor& t, const Dims& to) {
  std::vector<double> v = values<double>(t);
  std::vector<float> out(static_cast<std::size_t>(num_elements(to)));
  for (std::size_t k = 0; k < out.size(); ++k) {
    std::int64_t rest = std::int64_t(k), at = 0, step = 1;
    for (std::size_t a = to.size(); a-- > 0;) {
      const std::int64_t c = rest % to[a];
      rest /= to[a];
      const std::int64_t j = std::int64_t(t.dims.size()) - std::int64_t(to.size()) + std::int64_t(a);
      if (j < 0) continue;
      if (t.dims[std::size_t(j)] != 1) at += c * step;
      step *= t.dims[std::size_t(j)];
    }
    out[k] = float(v[std::size_t(at)]);
  }
  return out;
}

/// Add, Sub, Neg, Sum, Mean: operand i times coefficients[i].
Result<> Lowering::sum(Node& n, std::vector<float> coefficients) {
  SAHA_TRY(Dims to, dims(n, n.g.result(n.n)));
  const std::int32_t rows = std::int32_t(num_elements(to));
  std::vector<float> bias(std::size_t(rows), 0.0f);
  std::vector<Term> terms;
  float constants = 0;
  for (std::size_t i = 0; i < n.in.size(); ++i) {
    if (!n.variable(i)) {
      std::vector<float> c = broadcast_values(*n.data[i], to);
      bool zero = true;
      for (std::size_t k = 0; k < c.size(); ++k) {
        if (constants && c[k] != 0) return fail(n, "it adds more than one constant");  // their sum would round here
        bias[k] = coefficients[i] * c[k], zero &= c[k] == 0;
      }
      constants += !zero;
      continue;
    }
    SAHA_TRY(Place x, broadcast(n, i, to));
    auto known = std::find_if(terms.begin(), terms.end(), [&](const Term& t) { return t.from == x.layer; });
    if (known != terms.end()) {
      for (float& v : known->matrix.values) v += coefficients[i];
    } else {
      terms.push_back({x.layer, make_matrix(rows, rows, diagonal(rows, coefficients[i]))});
    }
  }
  SAHA_DO(spend(terms.size() * std::size_t(rows)));
  const bool exact = n.in.size() - std::size_t(std::count_if(n.data.begin(), n.data.end(), [](const Tensor* t) { return t != nullptr; })) <= 1 && !constants;
  if (exact && terms.size() == 1 && coefficients[0] == 1 && n.def.name.str() != "Mean") {
    for (std::size_t i = 0; i < n.in.size(); ++i)
      if (n.variable(i) && coefficients[i] == 1 && size(n.in[i]) == rows) {
        n.out[0] = n.in[i];
        return {};
      }
  }
  const bool apart = terms.size() + std::size_t(constants) == n.in.size();
  n.out[0] = affine(std::move(terms), std::move(bias), exact ? 0.0f : n.roundings(float(n.in.size())), rows, n.g.describe(n.n), apart);
  return {};
}

Result<> Lowering::multiply(Node& n, bool divide) {
  SAHA_TRY(Dims to, dims(n, n.g.result(n.n)));
  const std::int32_t rows = std::int32_t(num_elements(to));
  const std::string origin = n.g.describe(n.n);
  if (n.variable(0) && n.variable(1)) {
    SAHA_TRY(Place a, broadcast(n, 0, to));
    SAHA_TRY(Place b, broadcast(n, 1, to));
    if (divide) b = unary(b, {.kind = Unary::Kind::reciprocal}, origin);
    else if (a.layer == b.layer) {
      n.out[0] = unary(a, {.kind = Unary::Kind::curve, .curve = &kSquare, .attrs = n.n.attrs, .ulp = n.roundings(1)}, origin);
      return {};
    }
    n.out[0] = product(a, b, n.roundings(1), origin);
    return {};
  }
  const std::size_t v = n.variable(0) ? 0 : 1;
  std::vector<float> c = broadcast_values(*n.data[1 - v], to);
  SAHA_TRY(Place x, broadcast(n, v, to));
  if (divide && v == 1) x = unary(x, {.kind = Unary::Kind::reciprocal, .ulp = 1}, origin);
  float roundings = n.roundings(1);
  if (divide && v == 0)
    for (float& k : c) {
      if (k == 0) return fail(n, "it divides by 0");
      const float r = 1 / k;
      if (!std::isnormal(r)) return fail(n, "it divides by " + std::to_string(k));
      if (double(r) * k != 1) roundings = 3;      // the reciprocal is rounded here
      k = r;
    }
  std::vector<Entry> entries;
  for (std::int32_t i = 0; i < rows; ++i) if (c[std::size_t(i)] != 0) entries.push_back({i, i, c[std::size_t(i)]});
  std::vector<Term> terms;
  terms.push_back({x.layer, make_matrix(rows, rows, std::move(entries))});
  SAHA_DO(spend(std::size_t(rows)));
  n.out[0] = affine(std::move(terms), {}, roundings, rows, origin);
  return {};
}

/// Any ranks, by numpy's rules; either operand may be the constant, or neither.
Result<> Lowering::matmul(Node& n) {
  SAHA_TRY(Dims a, operand_dims(n, 0));
  SAHA_TRY(Dims b, operand_dims(n, 1));
  SAHA_TRY(Dims y, dims(n, n.g.result(n.n)));
  const bool vector_a = a.size() == 1, vector_b = b.size() == 1;
  if (vector_a) a.insert(a.begin(), 1);
  if (vector_b) b.push_back(1);
  const std::int64_t m = a[a.size() - 2], k = a.back(), cols = b.back();
  Dims batch_a(a.begin(), a.end() - 2), batch_b(b.begin(), b.end() - 2), batch;
  for (std::size_t i = 0; i < std::max(batch_a.size(), batch_b.size()); ++i) {
    auto get = [&](const Dims& d) { std::int64_t j = std::int64_t(d.size()) - std::int64_t(std::max(batch_a.size(), batch_b.size())) + std::int64_t(i); return j < 0 ? std::int64_t(1) : d[std::size_t(j)]; };
    batch.push_back(std::max(get(batch_a), get(batch_b)));
  }
  auto offset = [&](const Dims& d, std::int64_t index) {
    std::int64_t at = 0, step = 1;
    for (std::size_t i = batch.size(); i-- > 0;) {
      const std::int64_t c = index % batch[i];
      index /= batch[i];
      const std::int64_t j = std::int64_t(d.size()) - std::int64_t(batch.size()) + std::int64_t(i);
      if (j < 0) continue;
      if (d[std::size_t(j)] != 1) at += c * step;
      step *= d[std::size_t(j)];
    }
    return at;
  };
  const std::int64_t batches = num_elements(batch), rows = batches * m * cols;
  const std::string origin = n.g.describe(n.n);
  SAHA_DO(spend(std::size_t(std::min<std::int64_t>(rows * k, std::int64_t(kMaxEntries) + 1))));
  if (n.variable(0) && n.variable(1)) {
    std::vector<std::int32_t> left, right;
    std::vector<Entry> entries;
    for (std::int64_t s = 0; s < batches; ++s)
      for (std::int64_t i = 0; i < m; ++i)
        for (std::int64_t j = 0; j < cols; ++j)
          for (std::int64_t l = 0; l < k; ++l) {
            entries.push_back({std::int32_t((s * m + i) * cols + j), std::int32_t(left.size()), 1.0f});
            left.push_back(std::int32_t((offset(batch_a, s) * m + i) * k + l));
            right.push_back(std::int32_t((offset(batch_b, s) * k + l) * cols + j));
          }
    if (std::int64_t(left.size()) > kMaxLayer) return fail(n, "it has more than " + std::to_string(kMaxLayer) + " products of two variables");
    Place products = product(select(n.in[0], left, 1, origin), select(n.in[1], right, 1, origin), 0, origin);
    std::vector<Term> terms;
    terms.push_back({products.layer, make_matrix(std::int32_t(rows), size(products), std::move(entries))});
    n.out[0] = affine(std::move(terms), {}, n.roundings(float(k)), std::int32_t(rows), origin);
    return {};
  }
  const bool left_constant = !n.variable(0);
  const std::vector<double> w = values<double>(*n.data[left_constant ? 0 : 1]);
  Place x = n.in[left_constant ? 1 : 0];
  std::vector<Term> terms;
  if (!left_constant && batches == 1 && m == 1) {
    std::vector<float> v(static_cast<std::size_t>(cols * k));
    for (std::int64_t l = 0; l < k; ++l)
      for (std::int64_t j = 0; j < cols; ++j) v[std::size_t(j * k + l)] = float(w[std::size_t(l * cols + j)]);
    terms.push_back({x.layer, make_dense(std::int32_t(cols), std::int32_t(k), std::move(v))});
  } else {
    std::vector<Entry> entries;
    for (std::int64_t s = 0; s < batches; ++s)
      for (std::int64_t i = 0; i < m; ++i)
        for (std::int64_t j = 0; j < cols; ++j)
          for (std::int64_t l = 0; l < k; ++l) {
            const std::int64_t pa = (offset(batch_a, s) * m + i) * k + l, pb = (offset(batch_b, s) * k + l) * cols + j;
            const float c = float(w[std::size_t(left_constant ? pa : pb)]);
            if (c != 0) entries.push_back({std::int32_t((s * m + i) * cols + j), std::int32_t(left_constant ? pb : pa), c});
          }
    terms.push_back({x.layer, make_matrix(std::int32_t(rows), size(x), std::move(entries))});
  }
  n.out[0] = affine(std::move(terms), {}, n.roundings(float(k)), std::int32_t(rows), origin, true);
  return {};
}

Result<> Lowering::gemm(Node& n) {
  if (n.variable(0) == n.variable(1)) return body(n);
  SAHA_TRY(Dims a, operand_dims(n, 0));
  SAHA_TRY(Dims b, operand_dims(n, 1));
  SAHA_TRY(Dims y, dims(n, n.g.result(n.n)));
  const bool ta = n.attrs().i("transA") != 0, tb = n.attrs().i("transB") != 0;
  const float alpha = n.attrs().f("alpha"), beta = n.attrs().f("beta");
  const std::int64_t m = y[0], cols = y[1], k = a[ta ? 0 : 1];
  SAHA_DO(spend(std::size_t(std::min<std::int64_t>(m * cols * k, std::int64_t(kMaxEntries) + 1))));
  const bool left_constant = !n.variable(0);
  const std::vector<double> w = values<double>(*n.data[left_constant ? 0 : 1]);
  Place x = n.in[left_constant ? 1 : 0];
  float roundings = float(k) + (alpha != 1 ? 2 : 0);  // of the weights here, and of an engine's sum
  auto weight = [&](std::int64_t at) { return alpha * float(w[std::size_t(at)]); };
  std::vector<Term> terms;
  auto pa = [&](std::int64_t i, std::int64_t l) { return ta ? l * a[1] + i : i * a[1] + l; };
  auto pb = [&](std::int64_t l, std::int64_t j) { return tb ? j * b[1] + l : l * b[1] + j; };
  if (m == 1 && !left_constant) {
    std::vector<float> v(static_cast<std::size_t>(cols * k));
    for (std::int64_t j = 0; j < cols; ++j)
      for (std::int64_t l = 0; l < k; ++l) v[std::size_t(j * k + l)] = weight(pb(l, j));
    terms.push_back({x.layer, make_dense(std::int32_t(cols), std::int32_t(k), std::move(v))});
  } else {
    std::vector<Entry> entries;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < cols; ++j)
        for (std::int64_t l = 0; l < k; ++l) {
          const float c = weight(left_constant ? pa(i, l) : pb(l, j));
          if (c != 0) entries.push_back({std::int32_t(i * cols + j), std::int32_t(left_constant ? pb(l, j) : pa(i, l)), c});
        }
    terms.push_back({x.layer, make_matrix(std::int32_t(m * cols), size(x), std::move(entries))});
  }
  std::vector<float> bias;
  if (n.in.size() > 2 && (n.data[2] || n.variable(2))) {
    if (n.variable(2)) {
      SAHA_TRY(Place c, broadcast(n, 2, y));
      auto known = std::find_if(terms.begin(), terms.end(), [&](const Term& t) { return t.from == c.layer; });
      if (known != terms.end()) c = select(c, [&] { std::vector<std::int32_t> f; for (std::int32_t i = 0; i < size(c); ++i) f.push_back(i); return f; }(), 1, n.g.describe(n.n));
      terms.push_back({c.layer, make_matrix(std::int32_t(m * cols), size(c), diagonal(size(c), beta))});
    } else {
      bias = broadcast_values(*n.data[2], y);
      for (float& v : bias) v *= beta;
    }
    roundings += 1 + (beta != 1);
  }
  n.out[0] = affine(std::move(terms), std::move(bias), n.roundings(roundings), std::int32_t(m * cols), n.g.describe(n.n), alpha == 1);
  return {};
}

Result<> Lowering::conv(Node& n) {
  if (n.variable(1) || !n.variable(0) || n.variable(2)) return fail(n, "its weights depend on the input");
  SAHA_TRY(Dims x, operand_dims(n, 0));
  SAHA_TRY(Dims y, dims(n, n.g.result(n.n)));
  const Tensor& weight = *n.data[1];
  const Dims& w = weight.dims;
  auto spatial = [](const Dims& d) { return std::span(d).subspan(2); };
  SAHA_TRY(op::Window window, op::read_window(n.attrs(), "Conv", x.size() - 2));
  SAHA_TRY(Dims out, op::resolve(window, "Conv", spatial(x), spatial(w)));
  const std::int64_t in_plane = num_elements(spatial(x)), out_plane = num_elements(spatial(y)), kernel = num_elements(spatial(w));
  const std::int64_t groups = std::max<std::int64_t>(n.attrs().i("group"), 1), per_group = w[0] / groups;
  const std::vector<double> values_of = values<double>(weight);
  SAHA_DO(spend(std::size_t(std::min<std::int64_t>(num_elements(y) * w[1] * kernel, std::int64_t(kMaxEntries) + 1))));
  std::vector<Entry> entries;
  for (std::int64_t s = 0; s < x[0]; ++s)
    for (std::int64_t m = 0; m < w[0]; ++m)
      for (std::int64_t c = 0; c < w[1]; ++c) {
        const std::int64_t y0 = (s * w[0] + m) * out_plane, x0 = (s * x[1] + m / per_group * w[1] + c) * in_plane, w0 = (m * w[1] + c) * kernel;
        op::walk_window(window, spatial(x), spatial(y), spatial(w), [&](std::int64_t yi, std::int64_t xi, std::int64_t k, std::int64_t count, std::int64_t dx) {
          const float v = float(values_of[std::size_t(w0 + k)]);
          if (v == 0) return;
          for (std::int64_t i = 0; i < count; ++i) entries.push_back({std::int32_t(y0 + yi + i), std::int32_t(x0 + xi + i * dx), v});
        });
      }
  std::vector<float> bias(static_cast<std::size_t>(num_elements(y)), 0.0f);
  if (n.in.size() > 2 && n.data[2]) {
    const std::vector<double> b = values<double>(*n.data[2]);
    for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = float(b[i / std::size_t(out_plane) % std::size_t(w[0])]);
  }
  std::vector<Term> terms;
  terms.push_back({n.in[0].layer, make_matrix(std::int32_t(num_elements(y)), size(n.in[0]), std::move(entries))});
  n.out[0] = affine(std::move(terms), std::move(bias), n.roundings(float(w[1] * kernel + 1)), std::int32_t(num_elements(y)), n.g.describe(n.n), true);
  return {};
}

/// Max, Min of any number of operands.
Result<> Lowering::choose(Node& n, float sign) {
  SAHA_TRY(Dims to, dims(n, n.g.result(n.n)));
  const std::string origin = n.g.describe(n.n);
  std::optional<Place> best;
  for (std::size_t i = 0; i < n.in.size(); ++i) {
    if (!n.variable(i)) continue;
    SAHA_TRY(Place x, broadcast(n, i, to));
    best = best ? largest(*best, x, sign, origin) : x;
  }
  for (std::size_t i = 0; i < n.in.size(); ++i) {
    if (n.variable(i)) continue;
    std::vector<float> c = broadcast_values(*n.data[i], to), minus = c;  // max(x, c) = c + relu(x - c)
    for (float& v : minus) v *= -sign;
    const std::int32_t rows = size(*best);
    std::vector<Term> shifted, back;
    shifted.push_back({best->layer, make_matrix(rows, rows, diagonal(rows, sign))});
    Place r = relu(affine(std::move(shifted), std::move(minus), 0, rows, origin), origin);
    back.push_back({r.layer, make_matrix(rows, rows, diagonal(rows, sign))});
    best = affine(std::move(back), std::move(c), 0, rows, origin);
  }
  n.out[0] = *best;
  return {};
}

Result<> Lowering::leaky(Node& n) {  // x < 0 ? a x : x  =  a x + (1 - a) relu(x)
  SAHA_TRY(Dims to, dims(n, n.g.result(n.n)));
  const std::string origin = n.g.describe(n.n);
  std::vector<float> a;
  if (n.def.name.str() == "PRelu") {
    if (n.variable(1)) return fail(n, "its slope depends on the input");
    a = broadcast_values(*n.data[1], to);
  } else {
    a.assign(static_cast<std::size_t>(num_elements(to)), n.attrs().f("alpha"));
  }
  const std::int32_t rows = size(n.in[0]);
  Place r = relu(n.in[0], origin);
  std::vector<Entry> direct, rest;
  for (std::int32_t i = 0; i < rows; ++i) direct.push_back({i, i, a[std::size_t(i)]}), rest.push_back({i, i, 1 - a[std::size_t(i)]});
  std::vector<Term> terms;
  terms.push_back({n.in[0].layer, make_matrix(rows, rows, std::move(direct))});
  terms.push_back({r.layer, make_matrix(rows, rows, std::move(rest))});
  n.out[0] = affine(std::move(terms), {}, 2, rows, origin);
  return {};
}

Result<> Lowering::power(Node& n) {
  if (n.variable(1) || !n.variable(0)) return fail(n, "its exponent depends on the input");
  std::vector<double> e = values<double>(*n.data[1]);
  for (double v : e) if (v != e[0]) return fail(n, "its exponents differ");
  const std::string origin = n.g.describe(n.n);
  SAHA_TRY(Dims to, dims(n, n.g.result(n.n)));
  SAHA_TRY(Place x, broadcast(n, 0, to));
  const double size = std::fabs(e[0]);
  if (size != 0.5 && (size != std::trunc(size) || size < 1 || size > 16)) return fail(n, "its exponent is " + std::to_string(e[0]) + "; 0.5 and whole numbers from 1 to 16, and their negatives, have bounds");
  Place squared = x, result{};
  if (size == 0.5) result = unary(x, {.kind = Unary::Kind::curve, .curve = &op::find("Sqrt")->def->curve, .attrs = n.n.attrs, .ulp = 4}, origin);
  for (int left = int(size); left; left >>= 1) {
    if (left & 1) result = result.layer < 0 ? squared : product(result, squared, 2, origin);
    if (left > 1) squared = unary(squared, {.kind = Unary::Kind::curve, .curve = &kSquare, .attrs = n.n.attrs, .ulp = 4}, origin);
  }
  n.out[0] = e[0] < 0 ? unary(result, {.kind = Unary::Kind::reciprocal, .ulp = 4}, origin) : result;
  return {};
}

/// Sets of elements, all as long as the longest by repeating: the largest of each.
Result<> Lowering::pool_max(Node& n) {
  SAHA_TRY(Dims x, operand_dims(n, 0));
  SAHA_TRY(Dims y, dims(n, n.g.result(n.n)));
  if (n.n.num_results > 1 && n.g.use_counts()[n.n.first_result + 1]) return fail(n, "its second result, the places, has no bounds");
  auto spatial = [](const Dims& d) { return std::span(d).subspan(2); };
  SAHA_TRY(op::Window window, op::read_window(n.attrs(), "MaxPool", x.size() - 2));
  Dims kernel = window.kernel;
  SAHA_TRY(Dims out, op::resolve(window, "MaxPool", spatial(x), kernel));
  const std::int64_t in_plane = num_elements(spatial(x)), out_plane = num_elements(spatial(y)), planes = x[0] * x[1];
  std::vector<std::vector<std::int32_t>> members(static_cast<std::size_t>(planes * out_plane));
  for (std::int64_t p = 0; p < planes; ++p)
    op::walk_window(window, spatial(x), spatial(y), kernel, [&](std::int64_t yi, std::int64_t xi, std::int64_t, std::int64_t count, std::int64_t dx) {
      for (std::int64_t i = 0; i < count; ++i) members[std::size_t(p * out_plane + yi + i)].push_back(std::int32_t(p * in_plane + xi + i * dx));
    });
  const std::string origin = n.g.describe(n.n);
  std::vector<Place> level;
  std::size_t longest = 0;
  for (auto& m : members) {
    if (m.empty()) return fail(n, "a window lies wholly in the padding");
    longest = std::max(longest, m.size());
  }
  for (std::size_t k = 0; k < longest; ++k) {
    std::vector<std::int32_t> from;
    for (auto& m : members) from.push_back(m[std::min(k, m.size() - 1)]);
    level.push_back(select(n.in[0], from, 1, origin));
  }
  while (level.size() > 1) {
    std::vector<Place> next;
    for (std::size_t i = 0; i + 1 < level.size(); i += 2) next.push_back(largest(level[i], level[i + 1], 1, origin));
    if (level.size() % 2) next.push_back(level.back());
    level = std::move(next);
  }
  n.out[0] = level[0];
  return {};
}

Result<> Lowering::reduce_extreme(Node& n, float sign) {
  // Which elements meet: by running the sum of the same axes on single elements is dear; the axes say it.
  SAHA_TRY(Dims x, operand_dims(n, 0));
  const bool given = n.in.size() > 1 && n.data[1] && n.data[1]->size() > 0;
  std::vector<bool> gone(x.size(), !given && n.attrs().i("noop_with_empty_axes") == 0);
  if (given)
    for (std::int64_t a : values<std::int64_t>(*n.data[1])) gone[std::size_t(a < 0 ? a + std::int64_t(x.size()) : a)] = true;
  std::int64_t rows = 1, count = 1;
  for (std::size_t i = 0; i < x.size(); ++i) (gone[i] ? count : rows) *= x[i];
  std::vector<std::vector<std::int32_t>> members(static_cast<std::size_t>(rows));
  for (std::int64_t e = 0; e < num_elements(x); ++e) {
    std::int64_t rest = e, row = 0, step = 1;
    for (std::size_t a = x.size(); a-- > 0;) {
      if (!gone[a]) row += rest % x[a] * step, step *= x[a];
      rest /= x[a];
    }
    members[std::size_t(row)].push_back(std::int32_t(e));
  }
  const std::string origin = n.g.describe(n.n);
  std::vector<Place> level;
  for (std::int64_t k = 0; k < count; ++k) {
    std::vector<std::int32_t> from;
    for (auto& m : members) from.push_back(m[std::size_t(k)]);
    level.push_back(select(n.in[0], from, 1, origin));
  }
  while (level.size() > 1) {
    std::vector<Place> next;
    for (std::size_t i = 0; i + 1 < level.size(); i += 2) next.push_back(largest(level[i], level[i + 1], sign, origin));
    if (level.size() % 2) next.push_back(level.back());
    level = std::move(next);
  }
  n.out[0] = level[0];
  return {};
}

/// y_i = 1 / sum_j exp(x_j - x_i)
Result<> Lowering::softmax(Node& n) {
  SAHA_TRY(Dims x, operand_dims(n, 0));
  const std::int64_t rank = std::int64_t(x.size()), axis = (n.attrs().i("axis") + rank) % rank;
  std::int64_t outer = 1, inner = 1;
  const std::int64_t k = x[std::size_t(axis)];
  for (std::int64_t i = 0; i < rank; ++i) (i < axis ? outer : inner) *= i == axis ? 1 : x[std::size_t(i)];
  if (scores_ && depth_ == 0 && outer == 1 && inner == 1 && n.g.outputs().size() == 1 && n.g.outputs()[0] == n.g.result(n.n)) {
    n.out[0] = n.in[0];
    return {};
  }
  const std::string origin = n.g.describe(n.n);
  std::vector<Entry> differences, sums, signs;         // of each pair once, and with both signs
  std::int32_t pairs = 0, next = 0;
  const std::int32_t rows = std::int32_t(outer * k * inner);
  if (std::int64_t(rows) * k > kMaxLayer) return fail(n, "it compares more than " + std::to_string(kMaxLayer) + " pairs");
  std::vector<float> ones(std::size_t(rows), 1.0f);
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t c = 0; c < inner; ++c)
      for (std::int64_t i = 0; i < k; ++i)
        for (std::int64_t j = i + 1; j < k; ++j, ++pairs) {
          const std::int32_t at = std::int32_t((o * k + i) * inner + c), other = std::int32_t((o * k + j) * inner + c);
          differences.push_back({pairs, other, 1.0f});
          differences.push_back({pairs, at, -1.0f});
          signs.push_back({next, pairs, 1.0f}), sums.push_back({at, next++, 1.0f});
          signs.push_back({next, pairs, -1.0f}), sums.push_back({other, next++, 1.0f});
        }
  std::vector<Term> terms, both, total;
  terms.push_back({n.in[0].layer, make_matrix(pairs, size(n.in[0]), std::move(differences))});
  SAHA_DO(spend(std::size_t(next) * 3));
  Place d = affine(std::move(terms), {}, 2, pairs, origin);
  net_.layers.back().spread = n.in[0].layer, net_.layers.back().spread_units = 4;
  both.push_back({d.layer, make_matrix(next, pairs, std::move(signs))});
  d = affine(std::move(both), {}, 0, next, origin);
  Place e = unary(d, {.kind = Unary::Kind::curve, .curve = &op::find("Exp")->def->curve, .attrs = n.n.attrs, .ulp = 8}, origin);
  total.push_back({e.layer, make_matrix(rows, next, std::move(sums))});
  Place s = affine(std::move(total), std::move(ones), float(k + 1), rows, origin);
  n.out[0] = unary(s, {.kind = Unary::Kind::reciprocal, .ulp = 4}, origin);
  return {};
}

/// Any operator that is linear in its variable operands together: its matrices, column by column. What it adds are its constant operands, and its result where all
/// variables are 0.
Result<> Lowering::probe(Node& n) {
  const op::Linearity& linear = n.def.linear;
  std::vector<std::pair<std::size_t, Tensor>> zeros;   // variables, then constants that are added to them
  std::vector<std::size_t> variables;
  for (std::size_t i = 0; i < n.in.size(); ++i) {
    if (!n.variable(i)) continue;
    SAHA_TRY(Dims d, operand_dims(n, i));
    if (size(n.in[i]) > kMaxProbe) return fail(n, "its operand has " + std::to_string(size(n.in[i])) + " elements, up to " + std::to_string(kMaxProbe) + " are tried one by one");
    zeros.emplace_back(i, Tensor::zeros(DType::f32, d));
    variables.push_back(i);
  }
  const bool bilinear = linear.kind == op::Linearity::Kind::bilinear;
  if (bilinear && n.variable(linear.first) && n.variable(linear.second)) return fail(n, "two of its operands depend on the input");
  SAHA_TRY(std::vector<Tensor> base, run(n, zeros));
  for (std::size_t i = 0; i < n.in.size(); ++i)
    if (n.data[i] && linear.in(i) && !(bilinear && (i == linear.first || i == linear.second))) zeros.emplace_back(i, Tensor::zeros(n.data[i]->dtype, n.data[i]->dims));
  std::vector<std::vector<Term>> terms(base.size());
  for (std::size_t v = 0; v < variables.size(); ++v) {
    std::vector<std::vector<Entry>> entries(base.size());
    const std::int32_t count = size(n.in[variables[v]]);
    std::vector<std::pair<std::size_t, Tensor>> given = zeros;
    for (std::int32_t e = 0; e < count; ++e) {
      given[v].second = Tensor::zeros(DType::f32, zeros[v].second.dims);
      given[v].second.as<float>()[e] = 1;
      SAHA_TRY(std::vector<Tensor> y, run(n, given));
      for (std::size_t k = 0; k < y.size(); ++k) {
        if (y[k].dtype != DType::f32 || y[k].size() != base[k].size()) return fail(n, "its result is no float32 of a fixed size");
        for (std::int64_t r = 0; r < y[k].size(); ++r)
          if (y[k].as<float>()[r] != 0) entries[k].push_back({std::int32_t(r), e, y[k].as<float>()[r]});
      }
    }
    for (std::size_t k = 0; k < base.size(); ++k) {
      SAHA_DO(spend(entries[k].size()));
      terms[k].push_back({n.in[variables[v]].layer, make_matrix(std::int32_t(base[k].size()), count, std::move(entries[k]))});
    }
  }
  for (std::size_t k = 0; k < base.size(); ++k) {
    if (base[k].dtype != DType::f32) return fail(n, "its result is no float32");
    std::vector<float> bias(base[k].as<float>(), base[k].as<float>() + base[k].size());
    float roundings = 3;                             // of a coefficient here, of an engine's, of what is added
    for (const Term& t : terms[k]) roundings += float(t.matrix.widest_row);
    n.out[k] = affine(std::move(terms[k]), std::move(bias), n.roundings(roundings), std::int32_t(base[k].size()), n.g.describe(n.n));
  }
  return {};
}

Result<> Lowering::body(Node& n) {
  if (!n.def.body) return fail(n, "the operator has no bounds" + (n.def.no_bounds.empty() ? std::string() : " (" + std::string(n.def.no_bounds) + ")"));
  if (++depth_ > 8) return fail(n, "bodies within bodies");
  std::vector<ir::TypeRef> types;
  std::vector<Place> places;
  std::vector<const Tensor*> constants;
  for (std::size_t i = 0; i < n.in.size(); ++i) {
    ir::ValueId id = n.g.operand(n.n, i);
    types.push_back(id == ir::ValueId::none ? nullptr : n.g[id].type);
    if (id == ir::ValueId::none) continue;
    places.push_back(n.in[i]);
    constants.push_back(n.data[i]);
  }
  SAHA_TRY(ir::Graph spelt, op::expand(n.def, types, *n.n.attrs, n.n.num_results));
  SAHA_TRY(std::vector<Place> out, graph(spelt, places, constants));
  for (std::size_t k = 0; k < n.out.size() && k < out.size(); ++k) n.out[k] = out[k];
  --depth_;
  return {};
}

Result<> Lowering::clip(Node& n) {
  double limit[2] = {-INFINITY, INFINITY};
  for (std::size_t i : {1u, 2u}) {
    if (i >= n.in.size() || (!n.data[i] && !n.variable(i))) continue;
    if (n.variable(i)) return fail(n, "its limits depend on the input");
    limit[i - 1] = n.data[i]->at(0);
  }
  n.out[0] = clipped(n.in[0], limit[0], limit[1], n.g.describe(n.n));
  return {};
}

// ---- stored integers ------------------------------------------------------------------------------------------------------------------------

/// What the elements of a layer can be, whatever the input is.
const std::vector<Lowering::Range>& Lowering::range(std::int32_t layer) {
  for (std::size_t k = ranges_.size(); k <= std::size_t(layer); ++k) {
    const Layer& l = net_.layers[k];
    std::vector<Range> r(std::size_t(l.size), {-INFINITY, INFINITY});
    if (l.kind == Layer::Kind::affine) {
      std::vector<Range> size(r.size());               // of what is summed at either end, each of which is rounded
      for (std::size_t e = 0; e < r.size(); ++e) {
        r[e] = {double(l.bias[e]) - double(l.absolute), double(l.bias[e]) + double(l.absolute)};
        size[e] = {std::fabs(r[e].first), std::fabs(r[e].second)};
      }
      for (const Term& t : l.terms) {
        const std::vector<Range>& x = ranges_[std::size_t(t.from)];
        auto add = [&](std::int32_t i, std::int32_t j, double w) {
          if (w == 0) return;
          auto [lo, hi] = x[std::size_t(j)];
          if (w < 0) std::swap(lo, hi);
          r[std::size_t(i)].first += w * lo, r[std::size_t(i)].second += w * hi;
          size[std::size_t(i)].first += std::fabs(w * lo), size[std::size_t(i)].second += std::fabs(w * hi);
        };
        const Matrix& m = t.matrix;
        for (std::int32_t i = 0; i < m.rows; ++i) {
          if (m.dense)
            for (std::int32_t j = 0; j < m.cols; ++j) add(i, j, double(m.values[std::size_t(i) * std::size_t(m.cols) + std::size_t(j)]));
          else
            for (std::int32_t p = m.row_start[std::size_t(i)]; p < m.row_start[std::size_t(i) + 1]; ++p) add(i, m.column[std::size_t(p)], double(m.values[std::size_t(p)]));
        }
      }
      const double off = l.whole ? 0 : double(l.roundings) * 0x1p-23 + 0x1p-30;  // what float32 loses in an engine, and float64 here
      if (off > 0) for (std::size_t e = 0; e < r.size(); ++e) r[e].first -= size[e].first * off, r[e].second += size[e].second * off;
    } else if (l.kind == Layer::Kind::unary) {
      const std::vector<Range>& x = ranges_[std::size_t(l.a)];
      for (std::int32_t e = 0; e < l.size; ++e) {
        if (l.unary.kind == Unary::Kind::relu) r[std::size_t(e)] = {std::max(x[std::size_t(e)].first, 0.0), std::max(x[std::size_t(e)].second, 0.0)};
        if (l.unary.kind == Unary::Kind::steps) r[std::size_t(e)] = {l.unary.steps->of(e).least(), l.unary.steps->of(e).most()};
      }
    } else if (l.kind == Layer::Kind::product) {
      for (std::int32_t e = 0; e < l.size; ++e) {
        const Range a = ranges_[std::size_t(l.a)][std::size_t(e)], b = ranges_[std::size_t(l.b)][std::size_t(e)];
        const double corners[] = {a.first * b.first, a.first * b.second, a.second * b.first, a.second * b.second};
        const auto [lo, hi] = std::minmax_element(corners, corners + 4);
        if (std::isfinite(*lo) && std::isfinite(*hi)) r[std::size_t(e)] = {*lo - std::fabs(*lo) * 1e-6, *hi + std::fabs(*hi) * 1e-6};
      }
    }
    ranges_.push_back(std::move(r));
  }
  return ranges_[std::size_t(layer)];
}

/// Integers times integers, small enough: every partial sum is exact in float32, in any order.
bool Lowering::sums_whole(const Layer& l) {
  auto integer = [](float v) { return v == std::trunc(v); };
  std::vector<double> total(std::size_t(l.size), 0.0);
  for (std::size_t e = 0; e < total.size(); ++e) {
    if (!integer(l.bias[e])) return false;
    total[e] = std::fabs(double(l.bias[e]));
  }
  for (const Term& t : l.terms) {
    if (!net_.layers[std::size_t(t.from)].whole || !std::all_of(t.matrix.values.begin(), t.matrix.values.end(), integer)) return false;
    const std::vector<Range>& x = range(t.from);
    auto add = [&](std::int32_t i, std::int32_t j, float w) { total[std::size_t(i)] += std::fabs(double(w)) * (w == 0 ? 0 : std::max(std::fabs(x[std::size_t(j)].first), std::fabs(x[std::size_t(j)].second))); };
    const Matrix& m = t.matrix;
    for (std::int32_t i = 0; i < m.rows; ++i) {
      if (m.dense)
        for (std::int32_t j = 0; j < m.cols; ++j) add(i, j, m.values[std::size_t(i) * std::size_t(m.cols) + std::size_t(j)]);
      else
        for (std::int32_t p = m.row_start[std::size_t(i)]; p < m.row_start[std::size_t(i) + 1]; ++p) add(i, m.column[std::size_t(p)], m.values[std::size_t(p)]);
    }
  }
  return std::all_of(total.begin(), total.end(), [](double v) { return v <= kWhole; });
}

/// Between ReLUs; a side that the numbers never reach needs none.
Place Lowering::clipped(Place x, double lo, double hi, const std::string& origin) {
  for (auto [limit, sign] : {std::pair(lo, 1.0f), std::pair(hi, -1.0f)}) {
    if (double(sign) * limit <= -double(kHuge)) continue;  // no value that has bounds is beyond
    const std::vector<Range>& r = range(x.layer);
    if (std::all_of(r.begin(), r.end(), [&](const Range& v) { return sign > 0 ? v.first >= limit : v.second <= limit; })) continue;
    const float c = float(limit);
    const std::int32_t rows = size(x);
    std::vector<Term> shifted, back;
    shifted.push_back({x.layer, make_matrix(rows, rows, diagonal(rows, sign))});
    Place y = relu(affine(std::move(shifted), std::vector<float>(std::size_t(rows), -sign * c), 0, rows, origin), origin);
    back.push_back({y.layer, make_matrix(rows, rows, diagonal(rows, sign))});
    x = affine(std::move(back), std::vector<float>(std::size_t(rows), c), 0, rows, origin);
    if (double(c) != limit) net_.layers.back().absolute = std::nextafter(float(std::fabs(double(c) - limit)), float(INFINITY)), net_.layers.back().whole = false;
  }
  return x;
}

Place Lowering::stepped(Place x, Steps steps, const std::string& origin) {
  for (Steps::Table& t : steps.tables) t.divide();
  Unary u;
  u.kind = Unary::Kind::steps;
  u.steps = std::make_shared<const Steps>(std::move(steps));
  return unary(x, std::move(u), origin);
}

/// The scaled sums as real numbers that err by the rule's rounding.
Result<Place> Lowering::rescaled(const Node& n, Place x, const Chain& c) {
  const double most = largest(x.layer);
  const std::int32_t rows = size(x);
  std::vector<Entry> entries;
  double error = 0;
  for (std::int32_t e = 0; e < rows; ++e) {
    const Requant& rule = c.rules[std::size_t(e / c.inner) % c.rules.size()];
    const Factor f = factor_of(rule, most);
    const bool wraps = (rule.rule == Rounding::fixed_double || rule.rule == Rounding::fixed_legacy) && rule.fixed.shift > 0 && std::ldexp(most, rule.fixed.shift) >= 2147483648.0;
    if (!(f.factor * most < 2147483000.0) || wraps) return fail(n, "what it rescales may leave 32 bits");
    const float factor = float(f.factor);
    error = std::max(error, f.error + std::fabs(f.factor - double(factor)) * most);
    if (factor != 0) entries.push_back({e, e, factor});
  }
  std::vector<Term> terms;
  terms.push_back({x.layer, make_matrix(rows, rows, std::move(entries))});
  SAHA_DO(spend(std::size_t(rows)));
  Place y = affine(std::move(terms), {}, 0, rows, n.g.describe(n.n));
  net_.layers.back().absolute = std::nextafter(float(error), float(INFINITY)), net_.layers.back().whole = false;
  return y;
}

/// The numbers of a chain, as a layer.
Result<Place> Lowering::plain(const Node& n, Place p) {
  if (!p.chain) return p;
  Chain& c = *p.chain;
  if (c.made.layer >= 0) return c.made;
  const std::string origin = n.g.describe(n.n);
  const std::vector<Range>& r = range(p.layer);
  const std::int32_t rows = size(p);
  Steps steps;
  steps.whole = true;
  std::vector<Range> domain(c.rules.size(), {INFINITY, -INFINITY});
  for (std::int32_t e = 0; e < rows; ++e) {
    const std::size_t k = std::size_t(e / c.inner) % c.rules.size();
    domain[k] = {std::min(domain[k].first, r[std::size_t(e)].first), std::max(domain[k].second, r[std::size_t(e)].second)};
    if (c.rules.size() > 1) steps.which.push_back(std::int32_t(k));
  }
  bool fits = true;
  for (std::size_t k = 0; fits && k < c.rules.size(); ++k) {
    if (domain[k].first > domain[k].second) domain[k] = {0, 0};   // a channel without elements
    const std::int64_t lo = std::int64_t(domain[k].first), hi = std::int64_t(domain[k].second);
    const Requant& rule = c.rules[k];
    const double most = std::max(std::fabs(domain[k].first), std::fabs(domain[k].second));
    if ((rule.rule == Rounding::fixed_double || rule.rule == Rounding::fixed_legacy) && rule.fixed.shift > 0 && std::ldexp(most, rule.fixed.shift) >= 2147483648.0) return fail(n, "what it rescales may leave 32 bits");
    // What never falls comes first; a table may.
    const auto table = std::find_if(c.links.begin(), c.links.end(), [](const Link& l) { return l.kind == Link::Kind::table; });
    auto rising = [&](std::int64_t v) {
      v = saha::rescale(v, rule);
      for (auto l = c.links.begin(); l != table; ++l) v = (*l)(v);
      return v;
    };
    for (std::int64_t end : {lo, hi}) {
      std::int64_t v = saha::rescale(end, rule);
      for (auto l = c.links.begin(); l != table; ++l)
        if (v = (*l)(v); v > INT32_MAX || v < INT32_MIN) return fail(n, "what it rescales may leave 32 bits");
    }
    Steps::Table t = steps_of(lo, hi, kMaxSteps, rising);
    fits = !t.value.empty();
    if (fits) map_values(t, [&](std::int64_t v) {
      for (auto l = table; l != c.links.end(); ++l) v = (*l)(v);
      return v;
    });
    if (fits) t.round_at(float(factor_of(rule, most).factor));
    steps.tables.push_back(std::move(t));
  }
  if (fits) {
    c.made = stepped({p.layer}, std::move(steps), origin);
    return c.made;
  }
  SAHA_TRY(Place x, rescaled(n, {p.layer}, c));
  for (const Link& l : c.links) {
    SAHA_TRY(x, linked(n, x, l));
  }
  c.made = x;
  return x;
}

/// A link's function of a layer of integers.
Result<Place> Lowering::linked(const Node& n, Place x, const Link& link) {
  const std::string origin = n.g.describe(n.n);
  const std::int32_t rows = size(x);
  if (link.kind == Link::Kind::clip) return clipped(x, double(link.a), double(link.b), origin);
  if (link.kind == Link::Kind::add) {
    if (link.a == 0) return x;
    std::vector<Term> terms;
    terms.push_back({x.layer, make_matrix(rows, rows, diagonal(rows, 1))});
    Place y = affine(std::move(terms), std::vector<float>(std::size_t(rows), float(link.a)), 0, rows, origin);
    net_.layers.back().absolute = float(std::fabs(double(float(link.a)) - double(link.a)));
    return y;
  }
  Steps steps;
  steps.whole = true;
  Steps::Table t{{}, {0}};
  for (std::size_t i = 1; i < link.table.size(); ++i) t.at.push_back(float(link.a + std::int64_t(i))), t.value.push_back(float(i));
  map_values(t, [&](std::int64_t v) { return link.table[std::size_t(v)]; });
  steps.tables.push_back(std::move(t));
  return stepped(x, std::move(steps), origin);
}

/// A node that does one thing to each integer. False: it is none.
Result<bool> Lowering::linked(Node& n) {
  const std::string_view name = n.def.name.str();
  if (!n.variable(0) || !n.whole() || !is_int(n.g.type(n.g.operand(n.n, 0)).dtype)) return false;
  for (std::size_t i = 1; i < n.in.size(); ++i) if (n.variable(i) || (n.data[i] && n.data[i]->size() != 1 && name != "Lookup")) return false;
  Link l{Link::Kind::add};
  if (name == "Cast") {
    n.out[0] = n.in[0];                              // what does not fit is found by exact()
    return true;
  }
  if (name == "Add" || name == "Sub") {
    SAHA_TRY(Dims from, operand_dims(n, 0));
    SAHA_TRY(Dims to, dims(n, n.g.result(n.n)));
    if (from != to) return false;
    l.a = n.data[1]->int_at(0) * (name == "Sub" ? -1 : 1);
  } else if (name == "Saturate") {
    const IntRange r = int_range(DType(n.attrs().i("to")));
    l = {Link::Kind::clip, r.lo, r.hi};
  } else if (name == "Clip" || name == "Relu") {
    const IntRange r = int_range(n.g.type(n.g.operand(n.n, 0)).dtype);
    l = {Link::Kind::clip, r.lo, r.hi};
    if (name == "Relu") l.a = 0;
    if (n.data.size() > 1 && n.data[1]) l.a = n.data[1]->int_at(0);
    if (n.data.size() > 2 && n.data[2]) l.b = n.data[2]->int_at(0);
    if (l.a > l.b) l.a = l.b;
  } else if (name == "Lookup") {
    if (bits(n.g.type(n.g.operand(n.n, 0)).dtype) > 8 || !n.data[1]) return fail(n, "its table is of more than 8 bits, or no constant");
    l = {Link::Kind::table, int_range(n.g.type(n.g.operand(n.n, 0)).dtype).lo, 0, values<std::int64_t>(*n.data[1])};
  } else {
    return false;
  }
  if (n.in[0].chain) {
    auto longer = std::make_shared<Chain>(*n.in[0].chain);
    longer->made = {};
    longer->links.push_back(std::move(l));
    n.out[0] = {n.in[0].layer, std::move(longer)};
    return true;
  }
  SAHA_TRY(n.out[0], linked(n, n.in[0], l));
  return true;
}

/// Rules and numbers stand in the node's integer form.
Result<> Lowering::stored_node(Node& n) {
  if (++depth_ > 8) return fail(n, "bodies within bodies");
  SAHA_TRY(ir::Graph form, op::integer_form(n.g, n.n));
  std::vector<Place> places;
  std::vector<const Tensor*> constants;
  for (std::size_t i = 0; i < n.in.size(); ++i) {
    const ir::ValueId id = n.g.operand(n.n, i);
    if (id == ir::ValueId::none || n.g[id].constant) continue;
    places.push_back(n.in[i]);
    constants.push_back(n.data[i]);
  }
  SAHA_TRY(std::vector<Place> out, graph(form, places, constants));
  for (std::size_t k = 0; k < n.out.size() && k < out.size(); ++k) n.out[k] = out[k];
  --depth_;
  return {};
}

Result<> Lowering::rescale(Node& n) {
  SAHA_TRY(Dims d, operand_dims(n, 0));
  Chain c;
  SAHA_TRY(c.rules, op::rescaling(n.attrs()));
  if (c.rules.size() > 1) {
    const std::int64_t rank = std::ssize(d), axis = n.attrs().i("axis");
    for (std::int64_t i = (axis < 0 ? axis + rank : axis) + 1; i < rank; ++i) c.inner *= d[std::size_t(i)];
  }
  if (stored_ == Stored::steps && net_.layers[std::size_t(n.in[0].layer)].whole) {
    n.out[0] = {n.in[0].layer, std::make_shared<Chain>(std::move(c))};
    return {};
  }
  SAHA_TRY(n.out[0], rescaled(n, n.in[0], c));
  return {};
}

/// (q - zero) * scale, rounded once.
Result<> Lowering::dequantise(Node& n) {
  SAHA_TRY(Dims d, operand_dims(n, 0));
  if (!n.variable(0) || n.variable(1) || n.variable(2) || n.attrs().i("block_size") != 0) return fail(n, "its scales depend on the input, or come in blocks");
  const std::vector<double> scale = values<double>(*n.data[1]), zero = n.in.size() > 2 && n.data[2] ? values<double>(*n.data[2]) : std::vector<double>(1, 0.0);
  const std::int64_t rank = std::ssize(d), axis = n.attrs().i("axis");
  std::int64_t inner = 1;
  if (scale.size() > 1) for (std::int64_t i = (axis < 0 ? axis + rank : axis) + 1; i < rank; ++i) inner *= d[std::size_t(i)];
  const std::int32_t rows = size(n.in[0]);
  std::vector<Entry> entries;
  std::vector<float> bias;
  for (std::int32_t e = 0; e < rows; ++e) {
    const std::size_t k = std::size_t(e / inner) % scale.size();
    const double z = zero[zero.size() > 1 ? k : 0];
    entries.push_back({e, e, float(scale[k])});
    bias.push_back(float(-z * scale[k]));            // rounded: one more
  }
  std::vector<Term> terms;
  terms.push_back({n.in[0].layer, make_matrix(rows, rows, std::move(entries))});
  SAHA_DO(spend(std::size_t(rows)));
  n.out[0] = affine(std::move(terms), std::move(bias), 3, rows, n.g.describe(n.n));
  return {};
}

/// rint(x / scale) + zero, saturated, of a float32.
Result<> Lowering::quantise(Node& n) {
  if (!n.variable(0) || n.variable(1) || n.variable(2) || n.data[1]->size() != 1 || n.data[1]->dtype != DType::f32) return fail(n, "its scale depends on the input, or is not one float32");
  const ir::Type& t = n.g.type(n.g.result(n.n));
  if (!is_int(t.dtype) || bits(t.dtype) > 16) return fail(n, "its result is " + ir::str(t) + ", integers of up to 16 bits have bounds");
  const float scale = n.data[1]->as<float>()[0];
  const IntRange all = int_range(t.dtype);
  const std::int64_t zero = n.in.size() > 2 && n.data[2] ? n.data[2]->int_at(0) : 0;
  if (!(scale > 0)) return fail(n, "its scale is not above 0");
  const std::string origin = n.g.describe(n.n);
  if (stored_ == Stored::steps && bits(t.dtype) <= 8) {
    Steps steps;
    steps.tables.push_back(steps_of_float(kMaxSteps, [&](float x) { return std::int64_t(std::clamp(double(std::nearbyint(x / scale)) + double(zero), double(all.lo), double(all.hi))); }));
    n.out[0] = stepped(n.in[0], std::move(steps), origin);
    return {};
  }
  const std::int32_t rows = size(n.in[0]);
  const float inverse = 1 / scale;
  // Beyond saturation nothing errs; before it the quotient is rounded, and the inverse here.
  const double most = double(all.hi - all.lo) + 1, error = 0.5 + most * (0x1p-23 + std::fabs(double(inverse) * double(scale) - 1));
  std::vector<Term> terms;
  terms.push_back({n.in[0].layer, make_matrix(rows, rows, diagonal(rows, inverse))});
  SAHA_DO(spend(std::size_t(rows)));
  Place y = affine(std::move(terms), std::vector<float>(std::size_t(rows), float(zero)), 0, rows, origin);
  net_.layers.back().absolute = std::nextafter(float(error), float(INFINITY)), net_.layers.back().whole = false;
  n.out[0] = clipped(y, double(all.lo), double(all.hi), origin);
  return {};
}

/// Integer results that a node gives fit their type, so that none wraps around; constants that float32 does not hold are paid for.
Result<> Lowering::exact(const Node& n) {
  if (op::is_quantised(n.g, n.n)) return {};         // its form's nodes were looked at
  for (std::size_t k = 0; k < n.out.size(); ++k) {
    const ir::Type& t = n.g.type(n.g.result(n.n, k));
    if (!t.is_tensor() || !is_int(t.dtype) || n.out[k].layer < 0 || n.out[k].chain) continue;
    Layer& l = net_.layers[std::size_t(n.out[k].layer)];
    double lost = 0;
    for (const Tensor* c : n.data) {
      if (!c || !is_int(c->dtype) || bits(c->dtype) < 32 || (n.def.traits & op::kMovement)) continue;
      for (double v : values<double>(*c)) lost = std::max(lost, std::fabs(v - double(float(v))));
    }
    if (lost > 0) {
      if (n.def.name != ir::OpName("Add") && n.def.name != ir::OpName("Sub") && n.def.name != ir::OpName("Gemm") && n.def.name != ir::OpName("Conv")) return fail(n, "a constant of its is no float32");
      l.absolute += float(lost), l.whole = false;
    }
    const IntRange all = int_range(t.dtype);
    for (auto [lo, hi] : range(n.out[k].layer))
      if (!(lo >= double(all.lo) - double(l.absolute) - 1 && hi <= double(all.hi) + double(l.absolute) + 1)) return fail(n, "its integers may leave " + ir::str(t));
  }
  return {};
}

/// True: the node was understood.
Result<bool> Lowering::node(Node& n) {
  const std::string_view name = n.def.name.str();
  auto done = [](Result<> r) -> Result<bool> {
    if (!r) return std::move(r.error());
    return true;
  };
  if (op::is_quantised(n.g, n.n)) return done(stored_node(n));
  for (std::size_t k = 0; k < n.n.num_results; ++k) {
    const ir::Type& t = n.g.type(n.g.result(n.n, k));
    if (t.is_tensor() && t.dtype != DType::f32 && !is_int(t.dtype)) return fail(n, "'" + n.g.name(n.g.result(n.n, k)) + "' is " + ir::str(t) + ", float32 and integers have bounds");
  }
  SAHA_TRY(bool link, linked(n));
  if (link) return true;
  for (Place& p : n.in) { SAHA_TRY(p, plain(n, p)); }
  if (n.def.traits & op::kMovement) return done(movement(n));
  if (name == "Rescale") return done(rescale(n));
  if (name == "DequantizeLinear") return done(dequantise(n));
  if (name == "QuantizeLinear") return done(quantise(n));
  if (name == "Cast" && !n.whole() && is_int(n.g.type(n.g.operand(n.n, 0)).dtype)) {
    n.out[0] = select(n.in[0], [&] { std::vector<std::int32_t> f; for (std::int32_t i = 0; i < size(n.in[0]); ++i) f.push_back(i); return f; }(), 1, n.g.describe(n.n), {}, largest(n.in[0].layer) <= 0x1p24 ? 0.0f : 1.0f);
    return true;
  }
  if (name == "Dropout") {
    const bool given = n.n.num_operands > 2 && n.g.operand(n.n, 2) != ir::ValueId::none;
    if (given && (!n.data[2] || n.data[2]->size() != 1 || n.data[2]->at(0) != 0)) return fail(n, "it drops elements by chance: training mode is not false");
    n.out[0] = n.in[0];
    return true;
  }
  if (name == "Add") return done(sum(n, {1, 1}));
  if (name == "Sub") return done(sum(n, {1, -1}));
  if (name == "Neg") return done(sum(n, {-1}));
  if (name == "Sum") return done(sum(n, std::vector<float>(n.in.size(), 1.0f)));
  if (name == "Mul") return done(multiply(n, false));
  if (name == "Div" && !n.whole()) return done(multiply(n, true));
  if (name == "MatMul") return done(matmul(n));
  if (name == "Gemm") return done(gemm(n));
  if (name == "Conv") return done(conv(n));
  if (name == "Max" || name == "Min") return done(choose(n, name == "Max" ? 1.0f : -1.0f));
  if (name == "Clip") return done(clip(n));
  if (name == "LeakyRelu" || name == "PRelu") return done(leaky(n));
  if (name == "Pow") return done(power(n));
  if (name == "MaxPool") return done(pool_max(n));
  if (name == "ReduceMax" || name == "ReduceMin") return done(reduce_extreme(n, name == "ReduceMax" ? 1.0f : -1.0f));
  if (name == "Softmax") return done(softmax(n));
  const std::string origin = n.g.describe(n.n);
  if (n.whole() && (name == "Div" || !n.def.linear.in(0))) return fail(n, "the operator has no bounds on integers");
  if (name == "Relu") {
    n.out[0] = relu(n.in[0], origin);
    return true;
  }
  if (name == "Abs") {  // relu(x) + relu(-x)
    const std::int32_t rows = size(n.in[0]);
    std::vector<Term> minus;
    minus.push_back({n.in[0].layer, make_matrix(rows, rows, diagonal(rows, -1))});
    n.out[0] = combine(relu(n.in[0], origin), 1, relu(affine(std::move(minus), {}, 0, rows, origin), origin), 1, 0, origin);
    return true;
  }
  if (name == "Sin" || name == "Cos") {
    n.out[0] = unary(n.in[0], {.kind = Unary::Kind::sine, .shift = name == "Cos" ? std::acos(0.0) : 0.0, .ulp = 4}, origin);
    return true;
  }
  if (name == "Reciprocal") {
    n.out[0] = unary(n.in[0], {.kind = Unary::Kind::reciprocal, .ulp = 1}, origin);
    return true;
  }
  if (n.def.curve.f && n.in.size() == 1) {
    const bool stair = n.def.curve.shape == op::Curve::Shape::none;
    if (stair && n.def.curve.direction <= 0) return fail(n, "the operator has no bounds");
    n.out[0] = unary(n.in[0], {.kind = stair ? Unary::Kind::stair : Unary::Kind::curve, .curve = &n.def.curve, .attrs = n.n.attrs, .ulp = stair ? 0.0f : float(2 * std::max(n.def.max_ulp, 1))}, origin);
    return true;
  }
  bool linear = n.def.linear.kind != op::Linearity::Kind::none;
  for (std::size_t i = 0; i < n.in.size(); ++i) linear &= !n.variable(i) || n.def.linear.in(i);
  if (linear) return done(probe(n));
  return done(body(n));
}

Result<std::vector<Place>> Lowering::graph(const ir::Graph& g, const std::vector<Place>& inputs, const std::vector<const Tensor*>& input_constants) {
  std::vector<Place> place(g.values().size());
  std::vector<const Tensor*> constant(g.values().size(), nullptr);
  for (std::size_t i = 0; i < g.values().size(); ++i) constant[i] = g.values()[i].constant.get();
  for (std::size_t i = 0; i < g.inputs().size(); ++i) {
    place[std::size_t(g.inputs()[i])] = inputs[i];
    if (!input_constants.empty() && input_constants[i]) constant[std::size_t(g.inputs()[i])] = input_constants[i];
  }
  for (const ir::Node& raw : g.nodes()) {
    Node n{g, raw, *op::find(raw.op.str())->def, {}, {}, std::vector<Place>(raw.num_results)};
    bool any = false;
    for (ir::ValueId v : g.operands(raw)) {
      n.in.push_back(v == ir::ValueId::none ? Place{} : place[std::size_t(v)]);
      n.data.push_back(v == ir::ValueId::none ? nullptr : constant[std::size_t(v)]);
      any |= n.in.back().layer >= 0;
    }
    const bool shape_alone = std::find(std::begin(kShapeAlone), std::end(kShapeAlone), raw.op.str()) != std::end(kShapeAlone);
    if (!any || shape_alone) {
      std::vector<std::pair<std::size_t, Tensor>> given;
      for (std::size_t i = 0; i < n.in.size(); ++i) {
        if (!n.variable(i)) continue;
        SAHA_TRY(Dims d, operand_dims(n, i));
        given.emplace_back(i, Tensor::zeros(DType::f32, d));
      }
      SAHA_TRY(std::vector<Tensor> out, run(n, given));
      for (std::size_t k = 0; k < out.size(); ++k) {
        kept_.push_back(std::make_shared<const Tensor>(out[k]));
        constant[raw.first_result + k] = kept_.back().get();
      }
      continue;
    }
    SAHA_TRY(bool known, node(n));
    if (!known) return fail(n, "the operator has no bounds");
    SAHA_DO(exact(n));
    for (std::size_t k = 0; k < n.out.size(); ++k) place[raw.first_result + k] = n.out[k];
  }
  std::vector<Place> out;
  for (ir::ValueId v : g.outputs()) {
    if (v == ir::ValueId::none) {                    // a result that a body was not asked for
      out.push_back({});
      continue;
    }
    Place p = place[std::size_t(v)];
    if (p.chain && depth_ == 0) { SAHA_TRY(p, plain({g, *g.producer(v), *op::find(g.producer(v)->op.str())->def, {}, {}, {}}, p)); }
    if (p.layer < 0) {
      const Tensor* t = constant[std::size_t(v)];
      if (!t) return Error{ErrorCode::unsupported, "output '" + g.name(v) + "' has no bounds"};
      std::vector<double> c = values<double>(*t);
      std::vector<float> bias(c.begin(), c.end());
      const std::int32_t rows = std::int32_t(bias.size());
      p = affine({}, std::move(bias), 0, rows, g.name(v));
    }
    out.push_back(p);
  }
  return out;
}

/// The last layer: all outputs one after another.
void Lowering::outputs(const std::vector<Place>& places) {
  if (places.size() == 1 && places[0].layer == std::int32_t(net_.layers.size()) - 1 && places[0].layer > 0) return;
  std::int32_t rows = 0;
  for (Place p : places) rows += size(p);
  std::map<std::int32_t, std::vector<Entry>> entries;  // by layer: a value may be an output twice
  std::int32_t start = 0;
  for (Place p : places) {
    const std::int32_t n = size(p);
    for (std::int32_t i = 0; i < n; ++i) entries[p.layer].push_back({start + i, i, 1.0f});
    start += n;
  }
  std::vector<Term> terms;
  for (auto& [layer, e] : entries) terms.push_back({layer, make_matrix(rows, size({layer}), std::move(e))});
  affine(std::move(terms), {}, 0, rows, "outputs");
}
}  // namespace

std::span<const std::string_view> own_rules() { return kOwnRules; }

Result<Net> lower(const ir::Graph& g, Stored stored, bool scores) {
  Net net;
  std::vector<std::pair<double, double>> ranges;
  bool whole = !g.inputs().empty();
  std::int64_t total = 0;
  std::vector<Dims> shapes;
  for (ir::ValueId v : g.inputs()) {
    const ir::Type& t = g.type(v);
    if (!ir::is_static(t)) return Error{ErrorCode::unsupported, "input '" + g.name(v) + "' is " + ir::str(t) + ", its dimensions must be numbers"};
    const bool integer = is_int(t.dtype) && bits(t.dtype) <= 16;
    if (t.dtype != DType::f32 && !integer) return Error{ErrorCode::unsupported, "input '" + g.name(v) + "' is " + ir::str(t) + ", float32 and integers of up to 16 bits have bounds"};
    whole &= integer;
    Dims d;
    for (const ir::Dim& x : t.dims) d.push_back(*x.known());
    total += num_elements(d);
    if (total > kMaxLayer) return Error{ErrorCode::unsupported, "the inputs have more than " + std::to_string(kMaxLayer) + " elements"};
    ranges.resize(std::size_t(total), integer ? std::pair(double(int_range(t.dtype).lo), double(int_range(t.dtype).hi)) : std::pair(-HUGE_VAL, HUGE_VAL));
    shapes.push_back(d);
  }
  Layer input;
  input.kind = Layer::Kind::input;
  input.size = std::int32_t(total);
  input.origin = "input";
  input.whole = whole;
  net.layers.push_back(std::move(input));
  Lowering lowering(net, stored, scores);
  lowering.set_input(std::move(ranges));
  std::vector<Place> places;
  if (shapes.size() == 1) {
    places.push_back({0});
  } else {
    std::int32_t start = 0;
    for (const Dims& d : shapes) {
      const std::int32_t n = std::int32_t(num_elements(d));
      Layer part;
      part.size = n;
      std::vector<Entry> entries;
      for (std::int32_t i = 0; i < n; ++i) entries.push_back({i, start + i, 1.0f});
      part.terms.push_back({0, make_matrix(n, std::int32_t(total), std::move(entries))});
      part.bias.assign(std::size_t(n), 0.0f);
      part.origin = "input", part.whole = whole;
      net.layers.push_back(std::move(part));
      places.push_back({std::int32_t(net.layers.size()) - 1});
      start += n;
    }
  }
  SAHA_TRY(std::vector<Place> out, lowering.graph(g, places, {}));
  lowering.outputs(out);
  lowering.measure();
  compact(net);
  return net;
}

}  // namespace saha::verify
