// W, E[x z'], E[z z']  ->  V on the grid of its scales, with V z nearest to W x in the mean square
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "compress/weights.hpp"
#include "op/window.hpp"

namespace saha::compress {
namespace {
using ir::ValueId;
using Square = std::vector<double>;   // [n, n], row-major

/// Upper triangle U with U' U = a, in place of it; false where a is not positive definite. Rows are updated whole, so that the loop is one over memory.
bool factor(Square& a, std::int64_t n) {
  for (std::int64_t k = 0; k < n; ++k) {
    double* rk = &a[std::size_t(k * n)];
    if (!(rk[k] > 0)) return false;
    const double root = std::sqrt(rk[k]);
    for (std::int64_t j = k; j < n; ++j) rk[j] /= root;
    for (std::int64_t i = k + 1; i < n; ++i) {
      double* ri = &a[std::size_t(i * n)];
      const double f = rk[i];
      if (f == 0) continue;
      for (std::int64_t j = i; j < n; ++j) ri[j] -= f * rk[j];
    }
  }
  return true;
}
/// x in place: U' U x = x.
void solve(const Square& u, std::int64_t n, double* x) {
  for (std::int64_t i = 0; i < n; ++i) {
    const double* row = &u[std::size_t(i * n)];
    const double v = x[i] /= row[i];
    for (std::int64_t j = i + 1; j < n; ++j) x[j] -= row[j] * v;
  }
  for (std::int64_t i = n; i-- > 0;) {
    const double* row = &u[std::size_t(i * n)];
    double s = x[i];
    for (std::int64_t j = i + 1; j < n; ++j) s -= row[j] * x[j];
    x[i] = s / row[i];
  }
}

/// What a layer reads, as columns: [terms, places], for each of its groups. Places are taken evenly, at most `limit` of a batch.
class Reading {
 public:
  static Result<Reading> of(const ir::Graph& g, const ir::Node& n) {
    Reading r;
    r.conv_ = n.op == "Conv";
    const ir::Type& w = g.type(g.operand(n, 1));
    for (const ir::Dim& d : w.dims) r.w_.push_back(d.known().value_or(0));
    const op::AttrView a{*n.attrs};
    if (r.conv_) {
      r.groups_ = a.i("group");
      r.terms_ = num_elements(r.w_) / r.w_[0];
      SAHA_TRY(r.window_, op::read_window(a, "Conv", r.w_.size() - 2));
    } else {
      r.terms_ = r.w_[n.op == "Gemm" && a.i("transB") ? 1 : 0];
    }
    return r;
  }
  std::int64_t groups() const { return groups_; }
  std::int64_t terms() const { return terms_; }
  /// f(group, columns [terms, places] of a, of b, places)
  template <class F> Result<> columns(const Tensor& a, const Tensor& b, std::int64_t limit, F f) {
    std::vector<std::int64_t> offset;   // [kernel, places]: where in a plane, or -1: a pad
    std::int64_t places = 0, kernel = 1, plane = 1, per = 1;
    Dims taken;
    if (conv_) {
      op::Window window = window_;
      const Dims in(a.dims.begin() + 2, a.dims.end()), k(w_.begin() + 2, w_.end());
      SAHA_TRY(const Dims out, op::resolve(window, "Conv", in, k));
      kernel = num_elements(k);
      plane = num_elements(in);
      per = num_elements(out);
      const std::int64_t all = a.dims[0] * per, stride = std::max<std::int64_t>(1, (all + limit - 1) / limit);
      for (std::int64_t p = 0; p < all; p += stride) taken.push_back(p);
      places = std::int64_t(taken.size());
      offset.resize(std::size_t(kernel * places));
      for (std::int64_t e = 0; e < kernel; ++e)
        for (std::int64_t p = 0; p < places; ++p) {
          std::int64_t rest_o = taken[std::size_t(p)] % per, rest_k = e, at = 0, step = 1;
          for (std::size_t axis = in.size(); axis-- > 0;) {
            const std::int64_t x = rest_o % out[axis] * window.strides[axis] - window.before[axis] + rest_k % k[axis] * window.dilations[axis];
            rest_o /= out[axis];
            rest_k /= k[axis];
            at = at < 0 || x < 0 || x >= in[axis] ? -1 : at + x * step;
            step *= in[axis];
          }
          offset[std::size_t(e * places + p)] = at;
        }
    } else {
      const std::int64_t all = a.size() / std::max<std::int64_t>(1, terms_), stride = std::max<std::int64_t>(1, (all + limit - 1) / limit);
      for (std::int64_t p = 0; p < all; p += stride) taken.push_back(p);
      places = std::int64_t(taken.size());
    }
    std::vector<float> ca(std::size_t(terms_ * places)), cb(ca.size());
    for (std::int64_t g = 0; g < groups_; ++g) {
      const auto gather = [&](const Tensor& t, std::vector<float>& columns) {
        const float* x = t.as<float>();
        float* c = columns.data();
        for (std::int64_t k = 0; k < terms_; ++k)
          for (std::int64_t p = 0; p < places; ++p) {
            if (!conv_) { c[k * places + p] = x[taken[std::size_t(p)] * terms_ + k]; continue; }
            const std::int64_t channel = g * (terms_ / kernel) + k / kernel, at = offset[std::size_t(k % kernel * places + p)];
            c[k * places + p] = at < 0 ? 0 : x[(taken[std::size_t(p)] / per * t.dims[1] + channel) * plane + at];
          }
      };
      gather(a, ca);
      gather(b, cb);
      SAHA_DO(f(g, ca, cb, places));
    }
    return {};
  }

 private:
  bool conv_ = false;
  Dims w_;
  std::int64_t groups_ = 1, terms_ = 0;
  op::Window window_;
};

/// Sums of products over places, of what a layer reads in both graphs, about a fixed centre.
struct Moments {
  std::vector<double> centre, x, z;   // sums, less the centre
  Square cross, own;                  // x z', z z'
  double count = 0;
};

/// sum over places a[i] b[j], by the engine: [m, places] x [n, places]'.
class Products {
 public:
  static Result<Products> make(runtime::Backend& engine, int threads) {
    op::Builder b;
    op::Val x = b.input(ir::tensor_type(DType::f32, {ir::Dim::symbol("M"), ir::Dim::symbol("P")}), "a"), y = b.input(ir::tensor_type(DType::f32, {ir::Dim::symbol("N"), ir::Dim::symbol("P")}), "b");
    ir::Model m;
    op::Val r = b.op("MatMul", {x, b.op("Transpose", {y}, {{"perm", ir::Ints{1, 0}}})});
    SAHA_TRY(m.graph, std::move(b).build({r}));
    Products p;
    SAHA_TRY(p.program_, engine.load(m, {.threads = threads, .precision = "float32", .file = {}}));
    return p;
  }
  Result<> add(const Tensor& a, const Tensor& b, Square& to) {
    const Datum in[] = {a, b};
    SAHA_TRY(const auto out, program_->run(in));
    const float* y = out[0].tensor.as<float>();
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += double(y[i]);
    return {};
  }

 private:
  std::unique_ptr<runtime::Program> program_;
};

struct Layer {
  std::size_t node;
  Rows rows;                          // float
  Reading reading;
  bool solved = false;                // few enough terms
  std::vector<Moments> groups;
  std::vector<float> bias;            // float
};

Result<> accumulate(Layer& l, const Tensor& x, const Tensor& z, std::int64_t limit, Products& products) {
  const std::int64_t k = l.reading.terms();
  return l.reading.columns(x, z, limit, [&](std::int64_t group, std::vector<float>& a, std::vector<float>& b, std::int64_t places) -> Result<> {
    Moments& m = l.groups[std::size_t(group)];
    if (m.centre.empty()) {
      m.centre.assign(std::size_t(k), 0);
      m.x = m.z = m.centre;
      if (l.solved) m.cross.assign(std::size_t(k * k), 0), m.own = m.cross;
      for (std::int64_t i = 0; i < k; ++i) m.centre[std::size_t(i)] = double(float(std::accumulate(&a[std::size_t(i * places)], &a[std::size_t(i * places)] + places, 0.0) / double(places)));
    }
    for (std::int64_t i = 0; i < k; ++i) {
      const float c = float(m.centre[std::size_t(i)]);
      double sx = 0, sz = 0;
      for (std::int64_t p = 0; p < places; ++p) {
        sx += double(a[std::size_t(i * places + p)] -= c);
        sz += double(b[std::size_t(i * places + p)] -= c);
      }
      m.x[std::size_t(i)] += sx;
      m.z[std::size_t(i)] += sz;
    }
    m.count += double(places);
    if (!l.solved) return {};
    if (k <= 32) {   // depthwise and other small ones: a run of the engine would cost more than it does
      for (std::int64_t i = 0; i < k; ++i)
        for (std::int64_t j = 0; j < k; ++j) {
          const float *u = &a[std::size_t(i * places)], *v = &b[std::size_t(j * places)], *w = &b[std::size_t(i * places)];
          double c = 0, o = 0;
          for (std::int64_t p = 0; p < places; ++p) c += double(u[p]) * double(v[p]), o += double(w[p]) * double(v[p]);
          m.cross[std::size_t(i * k + j)] += c;
          m.own[std::size_t(i * k + j)] += o;
        }
      return {};
    }
    auto tensor = [&](const std::vector<float>& v) {
      Tensor t = Tensor::zeros(DType::f32, {k, places});
      std::memcpy(t.data.get(), v.data(), v.size() * sizeof(float));
      return t;
    };
    const Tensor ta = tensor(a), tb = tensor(b);
    SAHA_DO(products.add(ta, tb, m.cross));
    return products.add(tb, tb, m.own);
  });
}

/// How far towards the least-squares weights the float ones are moved: moments of a few samples, and of layers that will still change, are not to be followed all the way.
/// (Measured on eight networks: 0.5 is never far below the better of 0 and 1, each of which is below the other by up to 8 dB somewhere.)
constexpr double kMove = 0.5;

/// The rows of one group, moved and rounded.
void round_rows(const Layer& l, std::int64_t group, const Moments& m, std::span<const float> scale, std::span<std::int32_t> q) {
  const std::int64_t k = l.reading.terms(), per = l.rows.channels / l.reading.groups(), first = group * per;
  Square own = m.own, cross = m.cross;
  double trace = 0;
  for (std::int64_t i = 0; i < k; ++i)
    for (std::int64_t j = 0; j < k; ++j) {
      own[std::size_t(i * k + j)] = own[std::size_t(i * k + j)] / m.count - m.z[std::size_t(i)] * m.z[std::size_t(j)] / m.count / m.count;
      cross[std::size_t(i * k + j)] = cross[std::size_t(i * k + j)] / m.count - m.x[std::size_t(i)] * m.z[std::size_t(j)] / m.count / m.count;
      if (i == j) trace += own[std::size_t(i * k + j)];
    }
  if (!(trace > 0)) return;
  const double damp = trace / double(k) * (0.01 + std::min(1.0, double(k) / m.count));
  // The last term is rounded first, each one before it then makes up for those after: what remains of the error is U (w - v), one element a term.
  // Terms of large power come last, since nothing makes up for what is rounded at the end.
  std::vector<std::int64_t> order(static_cast<std::size_t>(k));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return own[std::size_t(a * k + a)] < own[std::size_t(b * k + b)]; });
  Square upper(own.size());
  for (std::int64_t i = 0; i < k; ++i)
    for (std::int64_t j = 0; j < k; ++j) upper[std::size_t(i * k + j)] = own[std::size_t(order[std::size_t(i)] * k + order[std::size_t(j)])] + (i == j ? damp : 0);
  if (!factor(upper, k)) return;
  std::vector<double> w(static_cast<std::size_t>(k)), t(w), e(w);
  const double most = 127;
  for (std::int64_t c = first; c < first + per; ++c) {
    const float* row = &l.rows.w[std::size_t(c * k)];
    std::fill(t.begin(), t.end(), 0.0);
    for (std::int64_t i = 0; i < k; ++i) {   // W (E[x z'] - E[z z'])
      const double wi = kMove * double(row[i]), *a = &cross[std::size_t(i * k)], *b = &own[std::size_t(i * k)];
      for (std::int64_t j = 0; j < k; ++j) t[std::size_t(j)] += wi * (a[j] - b[j]);
    }
    for (std::int64_t i = 0; i < k; ++i) w[std::size_t(i)] = t[std::size_t(order[std::size_t(i)])];
    solve(upper, k, w.data());
    for (std::int64_t i = 0; i < k; ++i) w[std::size_t(i)] += double(row[order[std::size_t(i)]]);
    const double s = scale[scale.size() == 1 ? 0 : std::size_t(c)];
    for (std::int64_t i = k; i-- > 0;) {
      const double* u = &upper[std::size_t(i * k)];
      double carried = 0;
      for (std::int64_t j = i + 1; j < k; ++j) carried += u[j] * e[std::size_t(j)];
      const double v = std::clamp(std::nearbyint((w[std::size_t(i)] + carried / u[i]) / s), -most, most);
      q[std::size_t(c * k + order[std::size_t(i)])] = std::int32_t(v);
      e[std::size_t(i)] = w[std::size_t(i)] - v * s;
    }
  }
}

/// Layers none of which reads what another one gives: better weights and biases for all of them.
Result<> refine_wave(const ir::Graph& g, const Sites& sites, Numbers& numbers, const PairsOptions& pairs, runtime::Backend& engine, const Samples& samples, const RoundingOptions& o, Products& products,
                     std::span<Layer> layers, const Watch& watch) {
  SAHA_TRY(const Pairs written, write_pairs(g, sites, numbers, pairs));
  std::vector<ValuePair> values;
  for (Layer& l : layers) {
    values.push_back({g.operand(g.nodes()[l.node], 0), written.read[l.node]});
    l.groups.assign(std::size_t(l.reading.groups()), {});
  }
  const std::int64_t batches = (samples.size + samples.batch_size - 1) / samples.batch_size;
  const auto read = [&](std::int64_t, std::span<const Datum> x, std::span<const Datum> z) -> Result<> {
    for (std::size_t i = 0; i < layers.size(); ++i)
      SAHA_DO(accumulate(layers[i], x[i].tensor, z[i].tensor, std::max<std::int64_t>(16, std::max<std::int64_t>(8192, 6 * layers[i].reading.terms()) / batches), products));
    return {};
  };
  SAHA_DO(observe_both(g, written.graph, values, engine, o.threads, samples, watch, "choosing roundings", read));
  for (Layer& l : layers) {
    const ir::Node& n = g.nodes()[l.node];
    Weights& w = numbers.weights.at(l.node);
    const std::int64_t k = l.reading.terms(), per = l.rows.channels / l.reading.groups();
    std::vector<std::int32_t> q = nearest(l.rows, w.scale, DType::i8);
    if (l.solved) for (std::int64_t group = 0; group < l.reading.groups(); ++group) round_rows(l, group, l.groups[std::size_t(group)], w.scale, q);
    w.stored = stored_tensor(g, n, w.stored.dims, DType::i8, q);
    const bool takes_bias = n.op == "Conv" || n.op == "Gemm";
    if (o.correct && takes_bias) {
      w.bias.assign(std::size_t(l.rows.channels), 0);
      for (std::int64_t c = 0; c < l.rows.channels; ++c) {
        const Moments& m = l.groups[std::size_t(c / per)];
        const float s = w.scale[w.scale.size() == 1 ? 0 : std::size_t(c)];
        double shift = 0;
        for (std::int64_t i = 0; i < k; ++i) {
          const auto at = std::size_t(c * k + i);
          shift += double(l.rows.w[at]) * (m.centre[std::size_t(i)] + m.x[std::size_t(i)] / m.count) - double(float(q[at]) * s) * (m.centre[std::size_t(i)] + m.z[std::size_t(i)] / m.count);
        }
        w.bias[std::size_t(c)] = float(double(l.bias[std::size_t(c)]) + shift);
      }
    }
    l.groups.clear();
  }
  return {};
}
}  // namespace

Result<> refine(const ir::Graph& g, const Sites& sites, Numbers& numbers, const PairsOptions& pairs, runtime::Backend& engine, const Samples& samples, const RoundingOptions& o, const Watch& watch) {
  std::vector<Layer> layers;
  for (auto& [node, w] : numbers.weights) {
    const ir::Node& n = g.nodes()[node];
    const Tensor& t = *g[g.operand(n, 1)].constant;
    if (n.op == "ConvTranspose" || (n.op == "MatMul" && t.rank() != 2)) continue;
    SAHA_TRY(Reading reading, Reading::of(g, n));
    Layer l{node, rows_of(g, n, t), std::move(reading), false, {}, {}};
    l.solved = o.round && l.reading.terms() <= kMaxTerms;
    l.bias.assign(std::size_t(l.rows.channels), 0);
    if (n.num_operands > 2 && g.operand(n, 2) != ValueId::none) {
      const auto b = values<double>(*g[g.operand(n, 2)].constant);
      for (std::size_t c = 0; c < b.size(); ++c) l.bias[c] = float(b[c]);
    }
    layers.push_back(std::move(l));
  }
  if (layers.empty() || (!o.correct && !o.round)) return {};
  SAHA_TRY(Products products, Products::make(engine, o.threads));
  // Layers in waves: those of one have the same number of layers before them, so that none reads what another one of them changes.
  std::vector<std::int32_t> depth(g.nodes().size(), 0);
  for (std::size_t i = 0; i < g.nodes().size(); ++i) {
    for (ValueId v : g.operands(g.nodes()[i]))
      if (v != ValueId::none && g[v].producer >= 0) depth[i] = std::max(depth[i], depth[std::size_t(g[v].producer)]);
    depth[i] += numbers.weights.contains(i);
  }
  std::stable_sort(layers.begin(), layers.end(), [&](const Layer& a, const Layer& b) { return depth[a.node] < depth[b.node]; });
  for (std::size_t first = 0, end = 0; first < layers.size(); first = end) {
    while (end < layers.size() && depth[layers[end].node] == depth[layers[first].node]) ++end;
    SAHA_DO(watch.at("choosing roundings", std::int64_t(first), std::int64_t(layers.size())));
    SAHA_DO(refine_wave(g, sites, numbers, pairs, engine, samples, o, products, std::span(layers).subspan(first, end - first), Watch{{}, watch.stop}));
  }
  return watch.at("choosing roundings", std::int64_t(layers.size()), std::int64_t(layers.size()));
}

}  // namespace saha::compress
