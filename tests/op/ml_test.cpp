// ai.onnx.ml: scores and labels by hand, and what a damaged model is told.
#include <cmath>

#include "gradient_testing.hpp"
#include "op/forest.hpp"

namespace saha::op {
namespace {
using testing::node;
using testing::numbers;
using V = std::vector<double>;
const ir::Ints kNodes{0, 1, 2};
/// One split of feature 0 at 0.5 into two leaves.
Attrs stump() {
  return {{"nodes_treeids", ir::Ints{0, 0, 0}}, {"nodes_nodeids", kNodes}, {"nodes_featureids", ir::Ints{0, 0, 0}}, {"nodes_values", ir::Floats{0.5f, 0, 0}},
          {"nodes_modes", ir::Strings{"BRANCH_LEQ", "LEAF", "LEAF"}}, {"nodes_truenodeids", ir::Ints{1, 0, 0}}, {"nodes_falsenodeids", ir::Ints{2, 0, 0}}};
}
Attrs with(Attrs a, Attrs more) { a.insert(a.end(), more.begin(), more.end()); return a; }
}  // namespace

TEST(MachineLearning, a_linear_classifier_labels_its_largest_score) {
  Tensor x = Tensor::of(DType::f32, {2, 2}, {1, 0, 0, 1});
  auto r = node("LinearClassifier", {x}, {{"coefficients", ir::Floats{1, 0, 0, 1}}, {"intercepts", ir::Floats{0, 0.5f}}, {"classlabels_ints", ir::Ints{7, 9}}}, 2);
  EXPECT_EQ(numbers(r), (V{7, 9}));
  EXPECT_EQ(numbers(r, 1), (V{1, 0.5, 0, 1.5}));
  EXPECT_FALSE(node("LinearClassifier", {x}, {{"coefficients", ir::Floats{1, 0, 0}}, {"classlabels_ints", ir::Ints{7, 9}}}, 2));
}
TEST(MachineLearning, gradients_are_the_central_differences) {
  // Results are float32: a wide step for what is linear, a tolerance for what is not.
  Tensor x = Tensor::of(DType::f64, {2, 3}, {1, -0.5, 0.25, -2, 0.75, 3}), row = x.reshaped({6});
  const ir::Floats w{1, -2, 0.5f, 3, 0.25f, -1};
  for (const Attrs& a : {Attrs{}, Attrs{{"offset", ir::Floats{0.5f}}}, Attrs{{"offset", ir::Floats{1, 2, 3}}, {"scale", ir::Floats{2, -1, 0.5f}}}}) {
    EXPECT_LE(testing::gradient_gap({"Scaler", {x}, a}, 0.25), 1e-6);
    EXPECT_LE(testing::body_gap({"Scaler", {x}, a}), 1e-7);
  }
  EXPECT_LE(testing::gradient_gap({"LinearRegressor", {x}, {{"coefficients", w}, {"targets", std::int64_t(2)}}}, 0.25), 1e-6);
  EXPECT_LE(testing::gradient_gap({"LinearRegressor", {row}, {{"coefficients", w}, {"intercepts", ir::Floats{2}}}}, 0.25), 1e-6);
  EXPECT_LE(testing::gradient_gap({"LinearRegressor", {x}, {{"coefficients", w}, {"targets", std::int64_t(2)}, {"post_transform", std::string("LOGISTIC")}}}, 0x1p-8), 1e-3);
  Tensor other = Tensor::of(DType::f64, {2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  for (const ir::Ints& sizes : {ir::Ints{}, ir::Ints{3, 4}, ir::Ints{2, 6}, ir::Ints{4, 1}})
    EXPECT_LE(testing::gradient_gap({"FeatureVectorizer", {x, other}, {{"inputdimensions", sizes}}}, 0.25), 1e-6);
  const Attrs two{{"coefficients", w}, {"intercepts", ir::Floats{0, 1}}, {"classlabels_ints", ir::Ints{0, 1}}}, one{{"coefficients", ir::Floats{1, -2, 0.5f}}, {"classlabels_ints", ir::Ints{0, 1}}};
  for (const Attrs& a : {two, one}) {
    EXPECT_LE(testing::gradient_gap({"LinearClassifier", {x}, a, 2}, 0.25), 1e-6);
    EXPECT_LE(testing::gradient_gap({"LinearClassifier", {x}, with(a, {{"post_transform", std::string("LOGISTIC")}}), 2}, 0x1p-8), 1e-3);
  }
  for (std::string norm : {"MAX", "L1", "L2"}) {
    EXPECT_LE(testing::gradient_gap({"Normalizer", {x}, {{"norm", norm}}}, 0x1p-8), 1e-3) << norm;
    EXPECT_LE(testing::body_gap({"Normalizer", {x}, {{"norm", norm}}}), 1e-6) << norm;
    EXPECT_LE(testing::body_gap({"Normalizer", {Tensor::of(DType::f64, {2, 2}, {0, 0, 1, 3})}, {{"norm", norm}}}), 1e-6) << norm;   // a row of zeros
  }
}
TEST(MachineLearning, one_score_serves_two_classes) {
  Tensor x = Tensor::of(DType::f32, {2, 1}, {2, -3});
  auto r = node("LinearClassifier", {x}, {{"coefficients", ir::Floats{1}}, {"intercepts", ir::Floats{0}}, {"classlabels_strings", ir::Strings{"no", "yes"}}}, 2);
  ASSERT_TRUE(r);
  EXPECT_EQ(*(*r)[0].tensor.text, (std::vector<std::string>{"yes", "no"}));
  EXPECT_EQ(numbers(r, 1), (V{-2, 2, 3, -3}));
}
TEST(MachineLearning, a_support_vector_regressor_sums_its_kernels) {
  Tensor x = Tensor::of(DType::f32, {1, 1}, {2});
  Attrs a{{"kernel_type", std::string("POLY")}, {"kernel_params", ir::Floats{1, 1, 2}}, {"n_supports", std::int64_t{2}}, {"support_vectors", ir::Floats{1, 3}}, {"coefficients", ir::Floats{1, -1}}, {"rho", ir::Floats{0.5f}}};
  EXPECT_EQ(numbers(node("SVMRegressor", {x}, a)), V{9 - 49 + 0.5});
  a[2].value = std::int64_t{3};
  EXPECT_FALSE(node("SVMRegressor", {x}, a));
}
TEST(MachineLearning, trees_vote_and_missing_values_go_where_the_node_says) {
  Tensor x = Tensor::of(DType::f32, {3, 1}, {0.5, 0.6, NAN});
  Attrs a = with(stump(), {{"target_treeids", ir::Ints{0, 0}}, {"target_nodeids", ir::Ints{1, 2}}, {"target_ids", ir::Ints{0, 0}}, {"target_weights", ir::Floats{10, 20}}, {"n_targets", std::int64_t{1}}});
  EXPECT_EQ(numbers(node("TreeEnsembleRegressor", {x}, a)), (V{10, 20, 20}));
  a.push_back({"nodes_missing_value_tracks_true", ir::Ints{1, 0, 0}});
  EXPECT_EQ(numbers(node("TreeEnsembleRegressor", {x}, a)), (V{10, 20, 10}));
}
TEST(MachineLearning, sums_of_votes_are_float32_so_that_ties_fall_as_trained) {
  Tensor x = Tensor::of(DType::f32, {1, 1}, {0});
  Attrs a = with(stump(), {{"class_treeids", ir::Ints{0, 0}}, {"class_nodeids", ir::Ints{1, 1}}, {"class_ids", ir::Ints{0, 0}}, {"class_weights", ir::Floats{0.3f, 0.2f}}, {"classlabels_int64s", ir::Ints{0, 1}}});
  auto r = node("TreeEnsembleClassifier", {x}, a, 2);
  EXPECT_EQ(numbers(r), V{0});  // 0.5 is not above 0.5
  EXPECT_EQ(numbers(r, 1), (V{0.5, 0.5}));
}
TEST(MachineLearning, damaged_trees_are_errors) {
  Tensor x = Tensor::of(DType::f32, {1, 1}, {0});
  Attrs votes{{"target_treeids", ir::Ints{0}}, {"target_nodeids", ir::Ints{1}}, {"target_ids", ir::Ints{0}}, {"target_weights", ir::Floats{10}}, {"n_targets", std::int64_t{1}}};
  Attrs cycle = with(stump(), votes);
  cycle[5].value = ir::Ints{0, 0, 0};
  auto r = node("TreeEnsembleRegressor", {x}, cycle);
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("form a cycle"), std::string::npos) << r.error().message;
  Attrs nowhere = with(stump(), votes);
  nowhere[5].value = ir::Ints{8, 0, 0};
  EXPECT_FALSE(node("TreeEnsembleRegressor", {x}, nowhere));
  Attrs feature = with(stump(), votes);
  feature[2].value = ir::Ints{5, 0, 0};
  EXPECT_FALSE(node("TreeEnsembleRegressor", {x}, feature));
  Attrs target = with(stump(), votes);
  target[9].value = ir::Ints{4};
  EXPECT_FALSE(node("TreeEnsembleRegressor", {x}, target));
  Attrs shorter = with(stump(), votes);
  shorter[3].value = ir::Floats{0.5f};
  EXPECT_FALSE(node("TreeEnsembleRegressor", {x}, shorter));
}
TEST(MachineLearning, encoders_map_keys_and_use_the_default) {
  Tensor s = Tensor::of_strings({3}, {"a", "b", "c"});
  EXPECT_EQ(numbers(node("LabelEncoder", {s}, {{"keys_strings", ir::Strings{"a", "b"}}, {"values_int64s", ir::Ints{5, 6}}})), (V{5, 6, -1}));
  EXPECT_FALSE(node("LabelEncoder", {s}, {{"keys_strings", ir::Strings{"a", "b"}}, {"values_int64s", ir::Ints{5}}}));
  EXPECT_FALSE(node("LabelEncoder", {s}, {{"keys_int64s", ir::Ints{1}}, {"values_int64s", ir::Ints{5}}}));
  Tensor x = Tensor::of(DType::f32, {2}, {NAN, 1});
  EXPECT_EQ(numbers(node("LabelEncoder", {x}, {{"keys_floats", ir::Floats{NAN, 2}}, {"values_floats", ir::Floats{3, 4}}})), (V{3, 0}));
  EXPECT_EQ(numbers(node("OneHotEncoder", {s}, {{"cats_strings", ir::Strings{"c", "a"}}})), (V{0, 1, 0, 0, 1, 0}));
  EXPECT_FALSE(node("OneHotEncoder", {s}, {{"cats_strings", ir::Strings{"c", "a"}}, {"zeros", std::int64_t{0}}}));
}
TEST(MachineLearning, rows_become_maps_and_maps_become_rows) {
  Tensor x = Tensor::of(DType::f32, {2, 2}, {0.1, 0.9, 0.8, 0.2});
  auto r = node("ZipMap", {x}, {{"classlabels_int64s", ir::Ints{3, 1}}});
  ASSERT_TRUE(r) << r.error().message;
  ASSERT_EQ((*r)[0].list().size(), 2u);
  Builder b;
  Val m = b.input(ir::map_type(DType::i64, ir::tensor_type(DType::f32, {})));
  auto g = std::move(b).build({b.op("CastMap", {m}), b.op("DictVectorizer", {m}, {{"int64_vocabulary", ir::Ints{1, 2, 3}}})});
  ASSERT_TRUE(g) << g.error().message;
  auto y = run(*g, std::vector<Datum>{(*r)[0].list()[0]});
  EXPECT_EQ(numbers(y), (V{double(0.9f), double(0.1f)}));  // in the order of the keys
  EXPECT_EQ(numbers(y, 1), (V{double(0.9f), 0, double(0.1f)}));
  EXPECT_FALSE(node("ZipMap", {x}, {{"classlabels_int64s", ir::Ints{3}}}));
}
TEST(MachineLearning, features_are_scaled_imputed_and_picked) {
  Tensor x = Tensor::of(DType::f32, {2, 2}, {1, NAN, 3, 0});
  EXPECT_EQ(numbers(node("Imputer", {x}, {{"imputed_value_floats", ir::Floats{7, 8}}, {"replaced_value_float", NAN}})), (V{1, 8, 3, 0}));
  EXPECT_EQ(numbers(node("Scaler", {Tensor::of(DType::i64, {2}, {4, 6})}, {{"offset", ir::Floats{2}}, {"scale", ir::Floats{0.5f, 2}}})), (V{1, 8}));
  EXPECT_EQ(numbers(node("ArrayFeatureExtractor", {x, Tensor::of_ints(std::vector<std::int64_t>{0})})), (V{1, 3}));
  EXPECT_FALSE(node("ArrayFeatureExtractor", {x, Tensor::of_ints(std::vector<std::int64_t>{2})}));
  EXPECT_EQ(numbers(node("Normalizer", {Tensor::of(DType::f32, {2, 2}, {3, 4, 0, 0})}, {{"norm", std::string("L2")}})), (V{double(0.6f), double(0.8f), 0, 0}));
  EXPECT_EQ(numbers(node("FeatureVectorizer", {Tensor::of(DType::f32, {1, 2}, {1, 2}), Tensor::of(DType::f32, {1, 1}, {3})}, {{"inputdimensions", ir::Ints{3, 1}}})), (V{1, 2, 0, 3}));
}

}  // namespace saha::op
