// Linear models and support vector machines. Source: ONNX-ML operator specification (ai.onnx.ml 1); what it leaves open follows
// onnx's reference evaluator (LinearClassifier: one score s of two classes becomes -s and s) and onnxruntime (SVMClassifier).
#include <functional>

#include "op/adjoint.hpp"
#include "op/builder.hpp"
#include "op/ml_scores.hpp"

namespace saha::op {
namespace {

// ---- LinearRegressor, LinearClassifier ---------------------------------------------------------------------------------------
/// X * coefficients^T + intercepts, one column per target.
struct Linear {
  std::vector<double> x;
  std::vector<double> w, bias;
  Rows rows;
  std::int64_t targets = 0;
  void score(std::int64_t row, std::span<double> y) const {
    const double* a = x.data() + row * rows.features;
    for (std::int64_t t = 0; t < targets; ++t) {
      const double* b = w.data() + t * rows.features;
      double s = bias.empty() ? 0 : bias[std::size_t(t)];
      for (std::int64_t f = 0; f < rows.features; ++f) s += a[f] * b[f];
      y[std::size_t(t)] = s;
    }
  }
};
Result<Linear> linear_model(const Eval& c, std::int64_t targets) {
  auto w = c.fs("coefficients"), bias = c.fs("intercepts");
  Linear m{values<double>(c.x(0)), {w.begin(), w.end()}, {bias.begin(), bias.end()}, {}, targets};
  SAHA_TRY(m.rows, rows_of(c, c.x(0)));
  auto count = std::int64_t(w.size());
  if (targets == 0 && m.rows.features > 0) m.targets = count / m.rows.features;
  if (m.targets < 1 || m.rows.features < 1 || count / m.targets != m.rows.features || count % m.targets) return c.fail(std::to_string(count) + " coefficients for " + std::to_string(m.rows.features) + " features and " + std::to_string(m.targets) + " targets");
  if (!bias.empty() && std::int64_t(bias.size()) != m.targets) return c.fail(std::to_string(bias.size()) + " intercepts for " + std::to_string(m.targets) + " targets");
  return m;
}
Result<> infer_linear_regressor(Infer& c) {
  SAHA_TRY(Dim n, num_rows(c));
  SAHA_DO(post_transform(c, c.def));
  return c.give(DType::f32, {n, Dim(c.i("targets"))});
}
Result<> eval_linear_regressor(Eval& c) {
  if (c.i("targets") < 1) return c.fail("targets is " + std::to_string(c.i("targets")));
  SAHA_TRY(Linear m, linear_model(c, c.i("targets")));
  SAHA_TRY(PostTransform post, post_transform(c, c.def));
  SAHA_TRY(Tensor y, c.make(DType::f32, {m.rows.n, m.targets}));
  SAHA_DO(c.spend(double(m.rows.n) * double(m.targets) * double(m.rows.features)));
  std::vector<double> s(std::size_t(m.targets), 0);
  for (std::int64_t i = 0; i < m.rows.n; ++i) {
    m.score(i, s);
    transform(post, s);
    store(y, i * m.targets, m.targets, s.data());
  }
  return c.give(std::move(y));
}

/// Of scores z = post(x * rows^T + ..), as they are or logistic; the other post-transforms mix the targets.
Vals scores_vjp(const Site& s, Val dz, Val z, std::int64_t targets, bool negated_first) {
  const auto post = post_transform_of(s.s("post_transform"));
  const ir::Floats w = s.fs("coefficients");
  const auto count = std::int64_t(w.size());
  if ((post != PostTransform::none && post != PostTransform::logistic) || targets < 1 || count % targets) {
    s.b.fail({ErrorCode::unsupported, "a linear model with post_transform " + s.s("post_transform") + ", " + std::to_string(count) + " coefficients and " + std::to_string(targets) + " targets has no gradient"});
    return {};
  }
  Tensor rows = Tensor::zeros(DType::f32, {targets + negated_first, count / targets});
  float* to = rows.as<float>();
  if (negated_first) to = std::transform(w.begin(), w.end(), to, std::negate<>());
  std::copy(w.begin(), w.end(), to);
  Val d = post == PostTransform::logistic ? dz * z * (1.0 - z) : dz;
  return {reshaped_like(s.b.op("Cast", {s.b.op("MatMul", {d, s.b.constant(rows)})}, {{"to", std::int64_t(s.type(0).dtype)}}), s.in[0])};
}
Vals linear_regressor_vjp(const Site& s, const Vals& dy) { return scores_vjp(s, dy[0], s.out[0], s.i("targets"), false); }
Vals linear_classifier_vjp(const Site& s, const Vals& dy) {
  auto targets = std::int64_t(s.fs("intercepts").size());
  const auto features = s.type(0).dims.back().known();
  if (targets == 0 && features && *features > 0) targets = std::int64_t(s.fs("coefficients").size()) / *features;
  const bool second = targets == 1 && Labels(s, "classlabels_strings", "classlabels_ints").size() == 2;  // its scores are -s and s
  return dy.size() > 1 && dy[1] ? scores_vjp(s, dy[1], s.out[1], targets, second) : Vals{};
}

Result<> infer_linear_classifier(Infer& c) {
  SAHA_TRY(Dim n, num_rows(c));
  SAHA_DO(post_transform(c, c.def));
  Labels labels(c, "classlabels_strings", "classlabels_ints");
  std::int64_t targets = std::int64_t(c.fs("intercepts").size());
  if (auto f = c.dims(0).back().known(); targets == 0 && f && *f > 0) targets = std::int64_t(c.fs("coefficients").size()) / *f;
  Dim columns = targets == 0 ? c.fresh("scores") : Dim(targets == 1 && labels.size() == 2 ? 2 : targets);
  SAHA_DO(c.give(labels.dtype(), {n}));
  return c.give(DType::f32, {n, columns});
}
Result<> eval_linear_classifier(Eval& c) {
  Labels labels(c, "classlabels_strings", "classlabels_ints");
  SAHA_TRY(Linear m, linear_model(c, std::int64_t(c.fs("intercepts").size())));
  SAHA_TRY(PostTransform post, post_transform(c, c.def));
  const bool second = m.targets == 1 && labels.size() == 2;
  const std::int64_t columns = second ? 2 : m.targets;
  SAHA_TRY(Tensor y, c.make(labels.dtype(), {m.rows.n}));
  SAHA_TRY(Tensor z, c.make(DType::f32, {m.rows.n, columns}));
  SAHA_DO(c.spend(double(m.rows.n) * double(m.targets) * double(m.rows.features)));
  std::vector<double> s(std::size_t(columns), 0);
  for (std::int64_t i = 0; i < m.rows.n; ++i) {
    m.score(i, s);
    if (second) { s[1] = s[0]; s[0] = -s[1]; }
    transform(post, s);
    if (columns > 1) labels.put(y, i, std::size_t(std::max_element(s.begin(), s.end()) - s.begin()));
    else {
      bool yes = s[0] >= (post == PostTransform::none ? 0 : 0.5);
      if (labels.size() == 0) labels.put(y, i, yes);
      else if (yes) labels.put(y, i, 0);  // else 0 or ""
    }
    store(z, i * columns, columns, s.data());
  }
  SAHA_DO(c.give(std::move(y)));
  return c.give(std::move(z));
}

// ---- support vector machines ----------------------------------------------------------------------------------------------------
struct Kernel {
  enum class Kind : std::uint8_t { linear, poly, rbf, sigmoid } kind = Kind::linear;
  double gamma = 0, coef0 = 0, degree = 0;
  double operator()(const double* a, const double* b, std::int64_t n) const {
    double s = 0;
    if (kind == Kind::rbf) {
      for (std::int64_t i = 0; i < n; ++i) s += (a[i] - b[i]) * (a[i] - b[i]);
      return std::exp(-gamma * s);
    }
    for (std::int64_t i = 0; i < n; ++i) s += a[i] * b[i];
    if (kind == Kind::poly) return std::pow(gamma * s + coef0, degree);
    return kind == Kind::sigmoid ? std::tanh(gamma * s + coef0) : s;
  }
};
Result<Kernel> kernel_of(const Eval& c) {
  Kernel k;
  std::string t = c.s("kernel_type");
  if (t == "LINEAR") k.kind = Kernel::Kind::linear;
  else if (t == "POLY") k.kind = Kernel::Kind::poly;
  else if (t == "RBF") k.kind = Kernel::Kind::rbf;
  else if (t == "SIGMOID") k.kind = Kernel::Kind::sigmoid;
  else return c.fail("kernel_type '" + t + "' is not LINEAR, POLY, RBF or SIGMOID");
  auto p = c.fs("kernel_params");
  if (p.size() != 3 && !p.empty()) return c.fail(std::to_string(p.size()) + " kernel_params, 3 are taken");
  if (p.size() == 3) { k.gamma = double(p[0]); k.coef0 = double(p[1]); k.degree = double(p[2]); }
  return k;
}
std::vector<double> doubles(const ir::Floats& f) { return {f.begin(), f.end()}; }

Result<> infer_svm_regressor(Infer& c) {
  SAHA_TRY(Dim n, num_rows(c));
  SAHA_DO(post_transform(c, c.def));
  return c.give(DType::f32, {n, Dim(1)});
}
/// n_supports 0: linear, coefficients are the weights.
Result<> eval_svm_regressor(Eval& c) {
  SAHA_TRY(Kernel k, kernel_of(c));
  SAHA_TRY(PostTransform post, post_transform(c, c.def));
  SAHA_TRY(Rows rows, rows_of(c, c.x(0)));
  auto x = values<double>(c.x(0)), sv = doubles(c.fs("support_vectors")), w = doubles(c.fs("coefficients")), rho = doubles(c.fs("rho"));
  auto n = c.i("n_supports"), f = rows.features;
  if (n < 0 || rho.empty() || (n > 0 ? std::int64_t(w.size()) != n || f == 0 || std::int64_t(sv.size()) / n != f || std::int64_t(sv.size()) % n : std::int64_t(w.size()) != f))
    return c.fail(std::to_string(n) + " support vectors of " + std::to_string(sv.size()) + " numbers, " + std::to_string(w.size()) + " coefficients and " + std::to_string(rho.size()) + " rho for " + std::to_string(f) + " features");
  if (n == 0) k.kind = Kernel::Kind::linear;
  SAHA_DO(c.spend(double(rows.n) * double(n + 1) * double(f)));
  SAHA_TRY(Tensor y, c.make(DType::f32, {rows.n, 1}));
  for (std::int64_t i = 0; i < rows.n; ++i) {
    const double* a = x.data() + i * f;
    double s = rho[0];
    if (n == 0) s += k(a, w.data(), f);
    for (std::int64_t j = 0; j < n; ++j) s += w[std::size_t(j)] * k(a, sv.data() + j * f, f);
    if (c.i("one_class")) s = s > 0 ? 1 : -1;
    else transform(post, {&s, 1});
    store(y, i, 1, &s);
  }
  return c.give(std::move(y));
}

/// Probabilities of k classes from those of their pairs (Wu, Lin, Weng 2004, second method), as libsvm iterates.
void couple(std::int64_t k, const std::vector<double>& r, std::span<double> p) {
  auto n = std::size_t(k);
  std::vector<double> q(n * n, 0), qp(n);
  for (std::size_t t = 0; t < n; ++t) {
    p[t] = 1.0 / double(k);
    for (std::size_t j = 0; j < n; ++j) {
      if (j == t) continue;
      q[t * n + t] += r[j * n + t] * r[j * n + t];
      q[t * n + j] = -r[j * n + t] * r[t * n + j];
    }
  }
  const double eps = 0.005 / double(k);
  for (std::int64_t turn = 0; turn < std::max<std::int64_t>(100, k); ++turn) {
    double pqp = 0, worst = 0;
    for (std::size_t t = 0; t < n; ++t) {
      qp[t] = 0;
      for (std::size_t j = 0; j < n; ++j) qp[t] += q[t * n + j] * p[j];
      pqp += p[t] * qp[t];
    }
    for (std::size_t t = 0; t < n; ++t) worst = std::max(worst, std::fabs(qp[t] - pqp));
    if (worst < eps) break;
    for (std::size_t t = 0; t < n; ++t) {
      double d = (-qp[t] + pqp) / q[t * n + t];
      p[t] += d;
      pqp = (pqp + d * (d * q[t * n + t] + 2 * qp[t])) / (1 + d) / (1 + d);
      for (std::size_t j = 0; j < n; ++j) {
        qp[j] = (qp[j] + d * q[t * n + j]) / (1 + d);
        p[j] /= 1 + d;
      }
    }
  }
}

struct Svm {
  Kernel kernel;
  std::vector<double> sv, w, rho, prob_a, prob_b;
  ir::Ints per_class;
  std::vector<std::int64_t> start;
  std::int64_t classes = 0, vectors = 0;
  bool probabilities() const { return vectors > 0 && !prob_a.empty(); }
  std::int64_t pairs() const { return classes * (classes - 1) / 2; }
  std::int64_t num_scores() const { return vectors == 0 || probabilities() ? classes : pairs(); }
};
/// Two classes with one score get a second one.
std::int64_t svm_columns(std::int64_t scores, std::size_t labels) { return scores == 1 && labels == 2 ? 2 : scores; }

Result<> infer_svm_classifier(Infer& c) {
  SAHA_TRY(Dim n, num_rows(c));
  SAHA_DO(post_transform(c, c.def));
  Labels labels(c, "classlabels_strings", "classlabels_ints");
  std::int64_t vectors = 0, classes = std::max<std::int64_t>(1, std::int64_t(labels.size()));
  for (std::int64_t v : c.is("vectors_per_class")) vectors += v;
  std::int64_t scores = vectors == 0 || !c.fs("prob_a").empty() ? classes : classes * (classes - 1) / 2;
  SAHA_DO(c.give(labels.dtype(), {n}));
  return c.give(DType::f32, {n, Dim(svm_columns(scores, labels.size()))});
}
Result<Svm> svm_of(const Eval& c, const Labels& labels, std::int64_t features) {
  Svm m;
  SAHA_TRY(m.kernel, kernel_of(c));
  m.sv = doubles(c.fs("support_vectors"));
  m.w = doubles(c.fs("coefficients"));
  m.rho = doubles(c.fs("rho"));
  m.prob_a = doubles(c.fs("prob_a"));
  m.prob_b = doubles(c.fs("prob_b"));
  m.per_class = c.is("vectors_per_class");
  m.classes = std::max<std::int64_t>(1, std::int64_t(labels.size()));
  for (std::int64_t v : m.per_class) {
    if (v < 0 || v > std::int64_t(m.sv.size())) return c.fail("vectors_per_class holds " + std::to_string(v));
    m.start.push_back(m.vectors);
    m.vectors += v;
  }
  auto w = std::int64_t(m.w.size());
  bool fits = features > 0 && m.rho.size() >= 1;
  if (m.vectors > 0) {
    fits = fits && std::int64_t(m.per_class.size()) == m.classes && m.classes >= 2 && std::int64_t(m.sv.size()) == m.vectors * features && w == (m.classes - 1) * m.vectors && std::int64_t(m.rho.size()) >= m.pairs() &&
           (m.prob_a.empty() || (std::int64_t(m.prob_a.size()) >= m.pairs() && m.prob_b.size() >= m.prob_a.size()));
  } else fits = fits && w == m.classes * features;
  if (!fits)
    return c.fail(std::to_string(m.classes) + " classes, " + std::to_string(m.vectors) + " support vectors, " + std::to_string(w) + " coefficients, " + std::to_string(m.rho.size()) + " rho and " +
                  std::to_string(m.prob_a.size()) + " prob_a do not fit " + std::to_string(features) + " features");
  return m;
}
/// Scores of all pairs of classes, and how many of its pairs each class wins.
void pair_scores(const Svm& m, const double* x, std::int64_t f, std::vector<double>& kernels, std::span<double> score, std::span<double> votes) {
  for (std::int64_t j = 0; j < m.vectors; ++j) kernels[std::size_t(j)] = m.kernel(x, m.sv.data() + j * f, f);
  std::fill(votes.begin(), votes.end(), 0.0);
  std::size_t at = 0;
  for (std::int64_t i = 0; i < m.classes; ++i)
    for (std::int64_t j = i + 1; j < m.classes; ++j, ++at) {
      double s = m.rho[at];
      const double *wi = m.w.data() + (j - 1) * m.vectors, *wj = m.w.data() + i * m.vectors;
      for (std::int64_t v = m.start[std::size_t(i)], e = v + m.per_class[std::size_t(i)]; v < e; ++v) s += wi[v] * kernels[std::size_t(v)];
      for (std::int64_t v = m.start[std::size_t(j)], e = v + m.per_class[std::size_t(j)]; v < e; ++v) s += wj[v] * kernels[std::size_t(v)];
      score[at] = s;
      ++votes[std::size_t(s > 0 ? i : j)];
    }
}
Result<> eval_svm_classifier(Eval& c) {
  Labels labels(c, "classlabels_strings", "classlabels_ints");
  SAHA_TRY(PostTransform post, post_transform(c, c.def));
  SAHA_TRY(Rows rows, rows_of(c, c.x(0)));
  SAHA_TRY(Svm m, svm_of(c, labels, rows.features));
  auto x = values<double>(c.x(0));
  const std::int64_t f = rows.features, scores = m.num_scores(), columns = svm_columns(scores, labels.size());
  SAHA_TRY(Tensor y, c.make(labels.dtype(), {rows.n}));
  SAHA_TRY(Tensor z, c.make(DType::f32, {rows.n, columns}));
  auto k = std::size_t(m.classes);
  SAHA_DO(c.spend(double(rows.n) * (double(m.vectors) + double(m.classes) * double(m.classes + 1)) * double(f + m.classes)));
  std::vector<double> kernels(std::size_t(m.vectors), 0), pair(std::size_t(m.pairs()), 0), votes(k, 0), s(std::size_t(std::max(scores, columns)), 0), r(k * k, 0);
  const bool positive = std::all_of(m.w.begin(), m.w.end(), [](double v) { return v >= 0; });
  for (std::int64_t i = 0; i < rows.n; ++i) {
    const double* a = x.data() + i * f;
    std::size_t best;
    double weight;
    if (m.vectors == 0) {
      for (std::int64_t j = 0; j < m.classes; ++j) s[std::size_t(j)] = m.rho[0] + m.kernel(a, m.w.data() + j * f, f);
      best = std::size_t(std::max_element(s.begin(), s.begin() + m.classes) - s.begin());
      weight = s[best];
    } else {
      pair_scores(m, a, f, kernels, pair, votes);
      best = std::size_t(std::max_element(votes.begin(), votes.end()) - votes.begin());
      weight = votes[best];
      if (m.probabilities()) {
        std::size_t at = 0;
        for (std::size_t p = 0; p < k; ++p)
          for (std::size_t q = p + 1; q < k; ++q, ++at) {
            double v = std::clamp(1 - logistic(pair[at] * m.prob_a[at] + m.prob_b[at]), 1e-7, 1 - 1e-7);
            r[p * k + q] = v;
            r[q * k + p] = 1 - v;
          }
        couple(m.classes, r, s);
        best = std::size_t(std::max_element(s.begin(), s.begin() + m.classes) - s.begin());
      } else std::copy(pair.begin(), pair.end(), s.begin());
    }
    // One rho: two classes, or one against nothing.
    if (m.rho.size() == 1 && labels.size() == 2 && !m.probabilities() && positive && weight >= 0.5) labels.put(y, i, 1);
    else if (m.rho.size() == 1 && labels.size() < 2) { if (labels.size() == 1) { if (weight > 0) labels.put(y, i, 0); } else labels.put(y, i, weight > 0 ? 1 : 0); }
    else labels.put(y, i, best);
    if (columns == 2 && scores == 1) {
      if (post == PostTransform::probit) s[1] = s[0] = probit(s[0]);
      else { s[1] = s[0]; s[0] = -s[1]; transform(post, {s.data(), 2}); }
    } else transform(post, {s.data(), std::size_t(scores)});
    store(z, i * columns, columns, s.data());
  }
  SAHA_DO(c.give(std::move(y)));
  return c.give(std::move(z));
}

constexpr std::string_view kDomain = "ai.onnx.ml";
constexpr OpDef kOps[] = {
    {.name = "LinearRegressor", .domain = kDomain,
     .signature = "(X: T) -> (Y: float32) where T: float32 float64 int64 int32 | coefficients: floats?, intercepts: floats?, post_transform: string = NONE, targets: int = 1",
     .infer = infer_linear_regressor, .eval = eval_linear_regressor, .vjp = linear_regressor_vjp, .rounding = ErrorModel::dot},
    {.name = "LinearClassifier", .domain = kDomain,
     .signature = "(X: T1) -> (Y: T2, Z: float32) where T1: float32 float64 int64 int32, T2: string int64 | classlabels_ints: ints?, classlabels_strings: strings?, coefficients: floats, "
                  "intercepts: floats?, multi_class: int = 0, post_transform: string = NONE",
     .infer = infer_linear_classifier, .eval = eval_linear_classifier, .vjp = linear_classifier_vjp, .rounding = ErrorModel::dot},
    {.name = "SVMRegressor", .domain = kDomain,
     .signature = "(X: T) -> (Y: float32) where T: float32 float64 int64 int32 | coefficients: floats?, kernel_params: floats?, kernel_type: string = LINEAR, n_supports: int = 0, "
                  "one_class: int = 0, post_transform: string = NONE, rho: floats?, support_vectors: floats?",
     .infer = infer_svm_regressor, .eval = eval_svm_regressor, .rounding = ErrorModel::dot},
    {.name = "SVMClassifier", .domain = kDomain,
     .signature = "(X: T1) -> (Y: T2, Z: float32) where T1: float32 float64 int64 int32, T2: string int64 | classlabels_ints: ints?, classlabels_strings: strings?, coefficients: floats?, "
                  "kernel_params: floats?, kernel_type: string = LINEAR, post_transform: string = NONE, prob_a: floats?, prob_b: floats?, rho: floats?, support_vectors: floats?, vectors_per_class: ints?",
     .infer = infer_svm_classifier, .eval = eval_svm_classifier, .rounding = ErrorModel::dot},
};
}  // namespace

std::span<const OpDef> ml_linear() { return kOps; }

}  // namespace saha::op
