#pragma once
// What the classifiers and regressors of ai.onnx.ml share: rows of X, post-transforms of scores, class labels.
// Source: ONNX-ML operator specification; its gaps (two classes from one score) as onnxruntime fills them.
#include <algorithm>
#include <cmath>

#include "op/op_def.hpp"

namespace saha::op {

/// Numbers are those of TreeEnsemble's attribute.
enum class PostTransform : std::uint8_t { none, softmax, logistic, softmax_zero, probit };
inline std::optional<PostTransform> post_transform_of(std::string_view n) {
  constexpr std::string_view names[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
  for (int i = 0; i < 5; ++i) if (names[i] == n) return PostTransform(i);
  return {};
}
inline double logistic(double v) { return 1 / (1 + std::exp(-v)); }
/// Inverse of the normal distribution function, by the approximation that the operators are defined with.
inline double probit(double v) {
  double x = 2 * v - 1, log = std::log((1 - x) * (1 + x));
  double a = 2 / (3.14159265358979323846 * 0.147) + 0.5 * log, root = std::sqrt(-a + std::sqrt(a * a - log / 0.147));
  return 1.41421356 * (x < 0 ? -root : root);
}
/// softmax_zero leaves zeros as they are.
inline void transform(PostTransform t, std::span<double> s) {
  if (s.empty() || t == PostTransform::none) return;
  if (t == PostTransform::logistic) { for (double& v : s) v = logistic(v); return; }
  if (t == PostTransform::probit) { for (double& v : s) v = probit(v); return; }
  double top = *std::max_element(s.begin(), s.end()), sum = 0;
  for (double& v : s) {
    v = t == PostTransform::softmax_zero && std::fabs(v) <= 1e-7 ? v * std::exp(-top) : std::exp(v - top);
    sum += v;
  }
  for (double& v : s) v = sum != 0 ? v / sum : 0.5;
}

/// X as rows: [N, F], or [F], which is one row.
struct Rows { std::int64_t n = 0, features = 0; };
inline Result<Rows> rows_of(const Eval& c, const Tensor& x) {
  if (x.rank() == 1) return Rows{1, x.dims[0]};
  if (x.rank() == 2) return Rows{x.dims[0], x.dims[1]};
  return c.fail("X has the shape " + str(x.dims) + ", [N, F] or [F] is taken");
}
inline Result<Dim> num_rows(Infer& c) {
  if (c.rank(0) == 1) return Dim(1);
  if (c.rank(0) == 2) return c.dims(0)[0];
  return c.fail("X is " + ir::str(*c.in[0]) + ", [N, F] or [F] is taken");
}
inline Result<PostTransform> post_transform(const AttrView& a, const OpDef& def) {
  auto t = post_transform_of(a.s("post_transform"));
  if (!t) return Error{ErrorCode::invalid_model, std::string(def.name.str()) + ": post_transform '" + a.s("post_transform") + "' is not NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT"};
  return *t;
}

/// Class labels: strings if there are any, else integers.
struct Labels {
  ir::Strings strings;
  ir::Ints ints;
  Labels(const AttrView& a, std::string_view string_attr, std::string_view int_attr) : strings(a.ss(string_attr)), ints(a.is(int_attr)) {}
  std::size_t size() const { return strings.empty() ? ints.size() : strings.size(); }
  DType dtype() const { return strings.empty() ? DType::i64 : DType::string; }
  /// Label i; where the model has none, i itself.
  void put(const Tensor& y, std::int64_t row, std::size_t i) const {
    if (!strings.empty()) (*y.text)[std::size_t(row)] = i < strings.size() ? strings[i] : std::to_string(i);
    else y.as<std::int64_t>()[row] = i < ints.size() ? ints[i] : std::int64_t(i);
  }
};

}  // namespace saha::op
