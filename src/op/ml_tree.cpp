// Decision trees. Source: ONNX-ML operator specification (TreeEnsemble of ai.onnx.ml 5, the two older ones of 3); what it leaves open
// (one class id for two classes) as onnxruntime does it. All three share Forest.
#include <set>

#include "op/builder.hpp"
#include "op/forest.hpp"
#include "op/ml_scores.hpp"

namespace saha::op {
namespace {

/// Runs f(row, scores, voted) for every row of X.
template <class F> Result<> each_row(Eval& c, const Forest& f, Aggregate how, F write) {
  SAHA_TRY(Rows rows, rows_of(c, c.x(0)));
  if (rows.features < f.num_features) return c.fail("X has " + std::to_string(rows.features) + " features, a node asks for feature " + std::to_string(f.num_features - 1));
  SAHA_DO(c.spend(double(rows.n) * (double(f.num_targets) + double(f.roots.size()) * double(f.nodes.size() + f.votes.size()))));   // the longest walks there can be
  auto x = values<double>(c.x(0));
  std::vector<double> y(std::size_t(f.num_targets), 0.0);
  std::vector<char> voted(std::size_t(f.num_targets), 0);
  for (std::int64_t i = 0; i < rows.n; ++i) {
    SAHA_DO(f.score(x.data() + i * rows.features, how, y, voted, c.def.name.str()));
    write(i, std::span<double>(y), std::span<const char>(voted));
  }
  return {};
}

// ---- TreeEnsemble ------------------------------------------------------------------------------------------------------------
Result<> infer_tree_ensemble(Infer& c) {
  SAHA_TRY(Dim n, num_rows(c));
  auto targets = c.is("leaf_targetids");
  std::int64_t count = c.has_attr("n_targets") ? c.i("n_targets") : targets.empty() ? 1 : *std::max_element(targets.begin(), targets.end()) + 1;
  return c.give(c.dtype(0), {n, Dim(count)});
}
Result<> eval_tree_ensemble(Eval& c) {
  SAHA_TRY(Forest f, forest_of(c, c.def.name.str()));
  auto how = c.i("aggregate_function"), post = c.i("post_transform");
  if (how < 0 || how > 3 || post < 0 || post > 4) return c.fail("aggregate_function " + std::to_string(how) + " or post_transform " + std::to_string(post) + " is not known");
  SAHA_TRY(Rows rows, rows_of(c, c.x(0)));
  SAHA_TRY(Tensor y, c.make(c.x(0).dtype, {rows.n, f.num_targets}));
  SAHA_DO(each_row(c, f, Aggregate(how), [&](std::int64_t i, std::span<double> s, std::span<const char>) {
    transform(PostTransform(post), s);
    store(y, i * f.num_targets, f.num_targets, s.data());
  }));
  return c.give(std::move(y));
}

// ---- TreeEnsembleRegressor ---------------------------------------------------------------------------------------------------
std::vector<double> base_values(const AttrView& a) {
  if (const Tensor* t = a.tensor("base_values_as_tensor"); t && is_float(t->dtype)) return values<double>(*t);
  auto f = a.fs("base_values");
  return {f.begin(), f.end()};
}
Result<Aggregate> aggregate_of(const Eval& c) {
  constexpr std::string_view names[] = {"AVERAGE", "SUM", "MIN", "MAX"};
  for (int i = 0; i < 4; ++i) if (names[i] == c.s("aggregate_function")) return Aggregate(i);
  return c.fail("aggregate_function '" + c.s("aggregate_function") + "' is not AVERAGE, SUM, MIN or MAX");
}
Result<> infer_tree_regressor(Infer& c) {
  SAHA_TRY(Dim n, num_rows(c));
  SAHA_DO(post_transform(c, c.def));
  auto ids = c.is("target_ids");
  std::int64_t count = c.has_attr("n_targets") ? c.i("n_targets") : ids.empty() ? 1 : *std::max_element(ids.begin(), ids.end()) + 1;
  return c.give(DType::f32, {n, Dim(count)});
}
Result<> eval_tree_regressor(Eval& c) {
  SAHA_TRY(Forest f, old_forest_of(c, "target", c.def.name.str()));
  SAHA_TRY(Aggregate how, aggregate_of(c));
  SAHA_TRY(PostTransform post, post_transform(c, c.def));
  auto base = base_values(c);
  if (!base.empty() && std::int64_t(base.size()) != f.num_targets) return c.fail(std::to_string(base.size()) + " base values for " + std::to_string(f.num_targets) + " targets");
  SAHA_TRY(Rows rows, rows_of(c, c.x(0)));
  SAHA_TRY(Tensor y, c.make(DType::f32, {rows.n, f.num_targets}));
  SAHA_DO(each_row(c, f, how, [&](std::int64_t i, std::span<double> s, std::span<const char>) {
    for (std::size_t k = 0; k < base.size(); ++k) s[k] += base[k];
    transform(post, s);
    store(y, i * f.num_targets, f.num_targets, s.data());
  }));
  return c.give(std::move(y));
}

// ---- TreeEnsembleClassifier --------------------------------------------------------------------------------------------------
Result<> infer_tree_classifier(Infer& c) {
  SAHA_TRY(Dim n, num_rows(c));
  SAHA_DO(post_transform(c, c.def));
  Labels labels(c, "classlabels_strings", "classlabels_int64s");
  SAHA_DO(c.give(labels.dtype(), {n}));
  return c.give(DType::f32, {n, labels.size() == 0 ? c.fresh("scores") : Dim(std::max<std::int64_t>(2, std::int64_t(labels.size())))});
}
/// Two classes whose votes all name one of them (a gradient-boosted model): that one score decides. Weights that are never negative make
/// the threshold 0.5 and leave 1 - score for the other class, others 0 and -score.
Result<> eval_tree_classifier(Eval& c) {
  SAHA_TRY(Forest f, old_forest_of(c, "class", c.def.name.str()));
  SAHA_TRY(PostTransform post, post_transform(c, c.def));
  Labels labels(c, "classlabels_strings", "classlabels_int64s");
  auto base = base_values(c);
  std::set<std::int64_t> ids;
  bool positive = true;
  for (const Forest::Vote& v : f.votes) { ids.insert(v.target); positive &= v.weight >= 0; }
  const bool one_score = ids.size() <= 1 && f.num_targets <= 2 && labels.size() <= 2;
  const std::int64_t columns = one_score ? 2 : f.num_targets;
  if (!base.empty() && std::int64_t(base.size()) != f.num_targets && !(one_score && base.size() == 1)) return c.fail(std::to_string(base.size()) + " base values for " + std::to_string(f.num_targets) + " classes");
  const std::size_t voted_for = ids.empty() ? 0 : std::size_t(*ids.begin());
  SAHA_TRY(Rows rows, rows_of(c, c.x(0)));
  SAHA_TRY(Tensor y, c.make(labels.dtype(), {rows.n}));
  SAHA_TRY(Tensor z, c.make(DType::f32, {rows.n, columns}));
  SAHA_DO(each_row(c, f, Aggregate::sum, [&](std::int64_t i, std::span<double> s, std::span<const char>) {
    if (!one_score) {
      for (std::size_t k = 0; k < base.size(); ++k) s[k] += base[k];
      labels.put(y, i, std::size_t(std::max_element(s.begin(), s.end()) - s.begin()));
      transform(post, s);
      store(z, i * columns, columns, s.data());
      return;
    }
    double v = s[voted_for] + (base.empty() ? 0 : base[base.size() == 1 ? 0 : 1]);
    if (f.single) v = double(float(v));
    bool second = positive ? v > 0.5 : v > 0;
    if (labels.size() == 1) { if (second) labels.put(y, i, 0); }
    else labels.put(y, i, second ? 1 : 0);
    bool share = post == PostTransform::probit || (post == PostTransform::none && positive);
    double pair[2] = {share ? 1 - v : -v, v};
    transform(post, pair);
    store(z, i * 2, 2, pair);
  }));
  SAHA_DO(c.give(std::move(y)));
  return c.give(std::move(z));
}

constexpr std::string_view kDomain = "ai.onnx.ml";
constexpr std::string_view kSteps = "its result is piecewise constant";
constexpr OpDef kOps[] = {
    {.name = "TreeEnsemble", .domain = kDomain, .since_version = 5,
     .signature = "(X: T) -> (Y: T) where T: float32 float64 float16 | aggregate_function: int = 1, leaf_targetids: ints, leaf_weights: tensor, membership_values: tensor?, n_targets: int?, "
                  "nodes_falseleafs: ints, nodes_falsenodeids: ints, nodes_featureids: ints, nodes_hitrates: tensor?, nodes_missing_value_tracks_true: ints?, nodes_modes: tensor, nodes_splits: tensor, "
                  "nodes_trueleafs: ints, nodes_truenodeids: ints, post_transform: int = 0, tree_roots: ints",
     .infer = infer_tree_ensemble, .eval = eval_tree_ensemble, .rounding = ErrorModel::dot, .no_gradient = kSteps},
    {.name = "TreeEnsembleRegressor", .domain = kDomain, .since_version = 5,
     .signature = "(X: T) -> (Y: float32) where T: float32 float64 int64 int32 | aggregate_function: string = SUM, base_values: floats?, base_values_as_tensor: tensor?, n_targets: int?, "
                  "nodes_falsenodeids: ints?, nodes_featureids: ints?, nodes_hitrates: floats?, nodes_hitrates_as_tensor: tensor?, nodes_missing_value_tracks_true: ints?, nodes_modes: strings?, "
                  "nodes_nodeids: ints?, nodes_treeids: ints?, nodes_truenodeids: ints?, nodes_values: floats?, nodes_values_as_tensor: tensor?, post_transform: string = NONE, target_ids: ints?, "
                  "target_nodeids: ints?, target_treeids: ints?, target_weights: floats?, target_weights_as_tensor: tensor?",
     .infer = infer_tree_regressor, .eval = eval_tree_regressor, .rounding = ErrorModel::dot, .no_gradient = kSteps},
    {.name = "TreeEnsembleClassifier", .domain = kDomain, .since_version = 5,
     .signature = "(X: T1) -> (Y: T2, Z: float32) where T1: float32 float64 int64 int32, T2: string int64 | base_values: floats?, base_values_as_tensor: tensor?, class_ids: ints?, class_nodeids: ints?, "
                  "class_treeids: ints?, class_weights: floats?, class_weights_as_tensor: tensor?, classlabels_int64s: ints?, classlabels_strings: strings?, nodes_falsenodeids: ints?, "
                  "nodes_featureids: ints?, nodes_hitrates: floats?, nodes_hitrates_as_tensor: tensor?, nodes_missing_value_tracks_true: ints?, nodes_modes: strings?, nodes_nodeids: ints?, "
                  "nodes_treeids: ints?, nodes_truenodeids: ints?, nodes_values: floats?, nodes_values_as_tensor: tensor?, post_transform: string = NONE",
     .infer = infer_tree_classifier, .eval = eval_tree_classifier, .rounding = ErrorModel::dot, .no_gradient = kSteps},
};
}  // namespace

std::span<const OpDef> ml_tree() { return kOps; }

}  // namespace saha::op
