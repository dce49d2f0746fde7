// W, E[x z'], E[z z']  ->  V on the grid of its scales, with V z nearest to W x in the mean square
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
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
    Dims taken, picture;
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
      for (std::int64_t p : taken) picture.push_back(p / per);
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
        for (std::int64_t k = 0; k < terms_; ++k, c += places) {
          if (!conv_) {
            for (std::int64_t p = 0; p < places; ++p) c[p] = x[taken[std::size_t(p)] * terms_ + k];
            continue;
          }
          const float* at_channel = x + (g * (terms_ / kernel) + k / kernel) * plane;
          const std::int64_t* at = &offset[std::size_t(k % kernel * places)];
          for (std::int64_t p = 0; p < places; ++p) c[p] = at[p] < 0 ? 0 : at_channel[picture[std::size_t(p)] * t.dims[1] * plane + at[p]];
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

/// Eight sums side by side: a fixed order that a compiler may widen.
double dot(const float* a, const float* b, std::int64_t n) {
  double sums[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) for (int k = 0; k < 8; ++k) sums[k] += double(a[i + k]) * double(b[i + k]);
  for (; i < n; ++i) sums[0] += double(a[i]) * double(b[i]);
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

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
      const auto sum = [&](std::vector<float>& v) {
        const float c = float(m.centre[std::size_t(i)]);
        double r = 0;
        for (float *at = &v[std::size_t(i * places)], *end = at + places; at < end; ++at) r += double(*at -= c);
        return r;
      };
      m.x[std::size_t(i)] += sum(a);
      m.z[std::size_t(i)] += sum(b);
    }
    m.count += double(places);
    if (!l.solved) return {};
    if (k <= 32) {   // depthwise and other small ones: a run of the engine would cost more than it does
      for (std::int64_t i = 0; i < k; ++i)
        for (std::int64_t j = 0; j < k; ++j) {
          const float *u = &a[std::size_t(i * places)], *v = &b[std::size_t(j * places)], *w = &b[std::size_t(i * places)];
          m.cross[std::size_t(i * k + j)] += dot(u, v, places);
          m.own[std::size_t(i * k + j)] += dot(w, v, places);
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

/// Better weights and bias of a layer, from the moments of what it reads.
void improve(const ir::Graph& g, Layer& l, Weights& w, const RoundingOptions& o) {
  const ir::Node& n = g.nodes()[l.node];
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

constexpr double kHeldBytes = 5e8;   // what one front holds at most, from which follows on how many samples

/// Some values of a graph on every batch, from which those of the next layers are computed, so that no layer runs twice.
class Front {
 public:
  static Result<Front> at_inputs(const ir::Graph& g, const Samples& samples) {
    Front f;
    for (ValueId v : g.inputs()) f.names_.push_back(g.name(v));
    for (std::int64_t at = 0; at < samples.size; at += samples.batch_size) {
      SAHA_TRY(std::vector<Datum> in, samples.batch(at, std::min(samples.batch_size, samples.size - at)));
      f.held_.push_back(std::move(in));
    }
    return f;
  }
  std::size_t batches() const { return held_.size(); }
  void limit(std::size_t batches) { held_.resize(std::min(batches, held_.size())); }
  const Datum& held(std::size_t batch, const std::string& name) const { return held_[batch][std::size_t(std::find(names_.begin(), names_.end(), name) - names_.begin())]; }
  /// From here on holds the values called `next`, of g, which may have changed behind what is held now, for as many batches as fit into memory. `each` sees the values `read` of g besides, batch by batch.
  Result<> advance(const ir::Graph& g, std::vector<std::string> next, std::span<const ValueId> read, runtime::Backend& engine, int threads, const Watch& watch,
                   const std::function<Result<>(std::size_t batch, std::span<const Datum* const> read)>& each) {
    std::map<std::string, ValueId> named;
    for (std::size_t v = 0; v < g.values().size(); ++v) if (g.values()[v].name && !g.values()[v].constant) named.emplace(*g.values()[v].name, ValueId(v));
    std::vector<ValueId> from, to, wanted;
    for (const std::string& n : names_) from.push_back(named.at(n));
    for (const std::string& n : next) {
      if (!named.contains(n)) return Error{ErrorCode::internal, "value '" + n + "' is lost between two layers"};
      wanted.push_back(named.at(n));
    }
    wanted.insert(wanted.end(), read.begin(), read.end());
    struct Place { bool held; std::size_t at; };
    std::vector<Place> places;
    for (ValueId v : wanted) {
      if (const auto it = std::find(from.begin(), from.end(), v); it != from.end()) { places.push_back({true, std::size_t(it - from.begin())}); continue; }
      const auto it = std::find(to.begin(), to.end(), v);
      places.push_back({false, std::size_t(it - to.begin())});
      if (it == to.end()) to.push_back(v);
    }
    std::unique_ptr<runtime::Program> program;
    std::vector<std::size_t> inputs;
    if (!to.empty()) {
      ir::Model model;
      SAHA_TRY(model.graph, cut(g, from, to));
      for (ValueId v : model.graph.inputs()) inputs.push_back(std::size_t(std::find(names_.begin(), names_.end(), model.graph.name(v)) - names_.begin()));
      SAHA_TRY(program, engine.load(model, {.threads = threads, .precision = "float32", .file = {}}));
    }
    double bytes = 0;
    for (std::size_t b = 0; b < held_.size(); ++b) {
      SAHA_DO(watch.at("choosing roundings", std::int64_t(b), std::int64_t(held_.size())));
      std::vector<Datum> out;
      if (program) {
        std::vector<Datum> in;
        for (std::size_t k : inputs) in.push_back(held_[b][k]);
        SAHA_TRY(out, program->run(in));
      }
      std::vector<Datum> kept;
      std::vector<const Datum*> seen;
      for (std::size_t k = 0; k < places.size(); ++k) {
        const Datum& d = places[k].held ? held_[b][places[k].at] : out[places[k].at];
        if (k < next.size()) kept.push_back(d);
        else seen.push_back(&d);
      }
      if (each) { SAHA_DO(each(b, seen)); }
      for (const Datum& d : kept) bytes += d.is_tensor() ? double(d.tensor.size()) * 4 : 0;
      held_[b] = std::move(kept);
      if (bytes > kHeldBytes) limit(b + 1);
    }
    names_ = std::move(next);
    return {};
  }

 private:
  std::vector<std::string> names_;
  std::vector<std::vector<Datum>> held_;   // by batch, by name
};

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
  std::vector<std::int32_t> depth(g.nodes().size(), 0), of_value(g.values().size(), 0), last_use(g.values().size(), -1);
  std::vector<char> leads(g.values().size(), 0);   // to a layer
  for (std::size_t i = 0; i < g.nodes().size(); ++i) {
    const ir::Node& n = g.nodes()[i];
    for (ValueId v : g.operands(n)) if (v != ValueId::none) depth[i] = std::max(depth[i], of_value[std::size_t(v)]);
    depth[i] += numbers.weights.contains(i);
    for (std::size_t k = 0; k < n.num_results; ++k) of_value[std::size_t(g.result(n, k))] = depth[i];
  }
  for (std::size_t i = g.nodes().size(); i-- > 0;) {
    const ir::Node& n = g.nodes()[i];
    bool any = numbers.weights.contains(i);
    for (std::size_t k = 0; k < n.num_results; ++k) any |= bool(leads[std::size_t(g.result(n, k))]);
    if (any) for (ValueId v : g.operands(n)) if (v != ValueId::none && !g[v].constant) leads[std::size_t(v)] = 1, last_use[std::size_t(v)] = std::max(last_use[std::size_t(v)], depth[i]);
  }
  std::stable_sort(layers.begin(), layers.end(), [&](const Layer& a, const Layer& b) { return depth[a.node] < depth[b.node]; });
  // What a wave is computed from: values with fewer layers before them that it or a later one reads.
  const auto border = [&](std::int32_t wave) {
    std::vector<ValueId> r;
    for (std::size_t v = 0; v < leads.size(); ++v) if (leads[v] && of_value[v] < wave && last_use[v] >= wave) r.push_back(ValueId(v));
    return r;
  };
  SAHA_TRY(Front real, Front::at_inputs(g, samples));
  SAHA_TRY(Front stored, Front::at_inputs(g, samples));
  for (std::size_t at = 0, end = 0; at < layers.size(); at = end) {
    const std::int32_t wave = depth[layers[at].node];
    while (end < layers.size() && depth[layers[end].node] == wave) ++end;
    SAHA_DO(watch.at("choosing roundings", std::int64_t(at), std::int64_t(layers.size())));
    SAHA_TRY(const Pairs written, write_pairs(g, sites, numbers, pairs));
    const std::span<Layer> here = std::span(layers).subspan(at, end - at);
    std::vector<std::string> names;
    for (ValueId v : border(wave)) names.push_back(g.name(v));
    std::vector<ValueId> read;
    for (Layer& l : here) {
      read.push_back(written.read[l.node]);
      l.groups.assign(std::size_t(l.reading.groups()), {});
    }
    const Watch quiet{{}, watch.stop};
    SAHA_DO(real.advance(g, names, {}, engine, o.threads, quiet, {}));
    stored.limit(real.batches());
    const auto read_both = [&](std::size_t b, std::span<const Datum* const> z) -> Result<> {
      for (std::size_t i = 0; i < here.size(); ++i) {
        // Means need fewer places than second moments of many terms.
        const std::int64_t k = here[i].reading.terms(), places = here[i].solved ? std::max(std::clamp<std::int64_t>(128 * k, 2048, 8192), 6 * k) : 2048;
        const std::int64_t limit = places / std::int64_t(real.batches());
        SAHA_DO(accumulate(here[i], real.held(b, g.name(g.operand(g.nodes()[here[i].node], 0))).tensor, z[i]->tensor, std::max<std::int64_t>(16, limit), products));
      }
      return {};
    };
    SAHA_DO(stored.advance(written.graph, names, read, engine, o.threads, quiet, read_both));
    for (Layer& l : here) improve(g, l, numbers.weights.at(l.node), o);
  }
  return watch.at("choosing roundings", std::int64_t(layers.size()), std::int64_t(layers.size()));
}

}  // namespace saha::compress
