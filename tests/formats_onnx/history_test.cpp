// Old operators: every older form of a node, upgraded again, computes what the node computes; and what old files say means what it meant.
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "formats/onnx/history.hpp"

namespace saha::onnx {
namespace {
using op::Builder;
using op::Val;
using op::Vals;
using ir::Attrs;
using ir::Floats;
using ir::Ints;
using V = std::vector<double>;

Tensor numbers(Dims d, unsigned seed = 1) {
  std::mt19937 rng(seed);
  Tensor t = Tensor::zeros(DType::f32, std::move(d));
  for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = float(int(rng() % 200) - 100) / 16.0f;
  return t;
}
ir::TypeRef type_of(const Tensor& t) { return ir::tensor_type(t.dtype, {t.dims.begin(), t.dims.end()}); }
std::int64_t i(int v) { return v; }

/// A node on inputs and constants (after the inputs), and the oldest opset that can say it.
struct Case {
  const char* what;
  ir::OpName op;
  std::vector<Tensor> in;
  std::vector<Tensor> constants;   ///< a Tensor of dtype none: omitted
  Attrs attrs;
  std::int64_t oldest;
  int num_out = 1;
};
const std::vector<Case>& cases() {
  static const std::vector<Case> all = [] {
    Tensor x = numbers({2, 3, 4, 4}), m = numbers({3, 4}), scalar = Tensor::scalar(DType::f32, 0.5), none;
    auto ints = [](std::vector<std::int64_t> v) { return Tensor::of_ints(v); };
    auto vec = [](std::vector<double> v) { return Tensor::of(DType::f32, {std::int64_t(v.size())}, v); };
    return std::vector<Case>{
        {"relu", "Relu", {x}, {}, {}, 1},
        {"relu of a younger type", "Relu", {Tensor::of(DType::bf16, {2}, {-1, 1})}, {}, {}, 13},
        {"dequantize 4 bits", "DequantizeLinear", {Tensor::of(DType::i4, {2}, {-1, 1}), Tensor::scalar(DType::f32, 2)}, {}, {}, 21},
        {"gelu", "Gelu", {x}, {}, {}, 20},
        {"add, same shapes", "Add", {m, numbers({3, 4}, 2)}, {}, {}, 1},
        {"add, last dims", "Add", {x, numbers({4, 4}, 2)}, {}, {}, 1},
        {"add, a scalar", "Mul", {x}, {scalar}, {}, 1},
        {"add, channels", "Add", {x}, {numbers({3, 1, 1}, 3)}, {}, 1},
        {"add, the first is smaller", "Add", {numbers({4}, 2), x}, {}, {}, 1},
        {"sub, the first is smaller", "Sub", {numbers({4}, 2), x}, {}, {}, 7},
        {"add, both broadcast", "Add", {numbers({3, 1}), numbers({1, 4})}, {}, {}, 7},
        {"max of two shapes", "Max", {x, numbers({4})}, {}, {}, 8},
        {"prelu per channel", "PRelu", {x}, {numbers({3, 1, 1}, 4)}, {}, 1},
        {"clip", "Clip", {x}, {Tensor::scalar(DType::f32, -1), Tensor::scalar(DType::f32, 2)}, {}, 1},
        {"clip, computed", "Clip", {x, Tensor::scalar(DType::f32, -1)}, {}, {}, 11},
        {"selu", "Selu", {x}, {}, {}, 1},
        {"cast", "Cast", {x}, {}, {{"to", std::int64_t(DType::i32)}}, 1},
        {"gemm without C", "Gemm", {m, numbers({4, 2})}, {}, {}, 1},
        {"gemm", "Gemm", {m, numbers({4, 2})}, {vec({1, 2})}, {}, 1},
        {"batch normalization", "BatchNormalization", {x}, {vec({1, 2, 3}), vec({0, 1, 0}), vec({0.5, 0, 1}), vec({1, 2, 4})}, {}, 1},
        {"softmax, last axis", "Softmax", {m}, {}, {}, 1},
        {"softmax, channels", "Softmax", {x}, {}, {{"axis", i(1)}}, 13},
        {"log softmax over the only dim above one", "LogSoftmax", {numbers({2, 5, 1})}, {}, {{"axis", i(1)}}, 1},
        {"average pool", "AveragePool", {x}, {}, {{"kernel_shape", Ints{2, 2}}}, 1},
        {"average pool with dilation", "AveragePool", {x}, {}, {{"kernel_shape", Ints{2, 2}}, {"dilations", Ints{2, 2}}}, 19},
        {"max pool, ceil", "MaxPool", {x}, {}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{3, 3}}, {"ceil_mode", i(1)}}, 10},
        {"max pool with indices", "MaxPool", {x}, {}, {{"kernel_shape", Ints{2, 2}}}, 8, 2},
        {"attention", "Attention", {numbers({1, 2, 3, 4}), numbers({1, 2, 3, 4}, 2), numbers({1, 2, 3, 4}, 3)}, {}, {}, 23},
        {"attention with lengths", "Attention", {numbers({1, 2, 3, 4}), numbers({1, 2, 3, 4}, 2), numbers({1, 2, 3, 4}, 3)}, {none, none, none, ints({2})}, {}, 24},
        {"lp pool", "LpPool", {x}, {}, {{"kernel_shape", Ints{2, 2}}, {"p", i(2)}}, 1},
        {"global lp pool", "GlobalLpPool", {x}, {}, {}, 1},
        {"group normalization per channel", "GroupNormalization", {numbers({1, 4, 2})}, {vec({1, 2, 3, 4}), vec({1, 2, 3, 4})}, {{"num_groups", i(2)}}, 21},
        {"group normalization per group", "GroupNormalization", {numbers({1, 4, 2})}, {vec({1, 1, 2, 2}), vec({3, 3, 4, 4})}, {{"num_groups", i(2)}}, 18},
        {"reduce", "ReduceMean", {x}, {ints({-1})}, {}, 1},
        {"reduce all", "ReduceSum", {x}, {}, {{"keepdims", i(0)}}, 1},
        {"reduce nothing", "ReduceSum", {x}, {}, {{"noop_with_empty_axes", i(1)}}, 13},
        {"argmax, last", "ArgMax", {m}, {}, {{"select_last_index", i(1)}, {"axis", i(-1)}}, 12},
        {"top k", "TopK", {m}, {ints({2})}, {}, 1, 2},
        {"top k, smallest", "TopK", {m}, {ints({2})}, {{"largest", i(0)}}, 11, 2},
        {"reshape", "Reshape", {m}, {ints({2, -1})}, {}, 1},
        {"shape from the middle", "Shape", {x}, {}, {{"start", i(1)}}, 15},
        {"concat", "Concat", {m, m}, {}, {{"axis", i(-1)}}, 1},
        {"split by sizes", "Split", {m}, {ints({1, 2})}, {}, 1, 2},
        {"split equally", "Split", {m}, {}, {{"axis", i(1)}, {"num_outputs", i(2)}}, 1, 2},
        {"split with a rest", "Split", {m}, {}, {{"num_outputs", i(2)}}, 18, 2},
        {"squeeze", "Squeeze", {numbers({1, 3, 1})}, {ints({-1})}, {}, 1},
        {"unsqueeze", "Unsqueeze", {m}, {ints({-1})}, {}, 1},
        {"slice", "Slice", {m}, {ints({1}), ints({3}), ints({1})}, {}, 1},
        {"slice by two", "Slice", {m}, {ints({0}), ints({3}), ints({1}), ints({2})}, {}, 10},
        {"tile one axis", "Tile", {m}, {ints({1, 2})}, {}, 1},
        {"tile two axes", "Tile", {m}, {ints({2, 2})}, {}, 6},
        {"pad", "Pad", {m}, {ints({0, 1, 0, 2}), Tensor::scalar(DType::f32, 7)}, {}, 1},
        {"pad one axis", "Pad", {m}, {ints({1, 2}), none, ints({1})}, {}, 1},
        {"pad around", "Pad", {m}, {ints({0, 1, 0, 2})}, {{"mode", std::string("wrap")}}, 19},
        {"depth to space, CRD", "DepthToSpace", {numbers({1, 4, 2, 2})}, {}, {{"blocksize", i(2)}, {"mode", std::string("CRD")}}, 11},
        {"scatter", "ScatterElements", {m}, {Tensor::of(DType::i64, {1, 2}, {0, 2}), Tensor::of(DType::f32, {1, 2}, {9, 8})}, {}, 9},
        {"scatter, adding", "ScatterElements", {m}, {Tensor::of(DType::i64, {1, 2}, {0, 2}), Tensor::of(DType::f32, {1, 2}, {9, 8})}, {{"reduction", std::string("add")}}, 16},
        {"scatter, the largest", "ScatterElements", {m}, {Tensor::of(DType::i64, {1, 2}, {0, 2}), Tensor::of(DType::f32, {1, 2}, {9, 8})}, {{"reduction", std::string("max")}}, 18},
        {"resize, symmetric", "Resize", {x}, {none, vec({1, 1, 2, 2})}, {{"mode", std::string("linear")}, {"coordinate_transformation_mode", std::string("half_pixel_symmetric")}}, 19},
        {"upsample nearest", "Resize", {x}, {none, vec({1, 1, 2, 2})}, {{"coordinate_transformation_mode", std::string("asymmetric")}, {"nearest_mode", std::string("floor")}}, 1},
        {"upsample linear", "Resize", {x}, {none, vec({1, 1, 2, 2})}, {{"coordinate_transformation_mode", std::string("asymmetric")}, {"mode", std::string("linear")}}, 1},
        {"shrink nearest", "Resize", {x}, {none, vec({1, 1, 0.5, 0.5})}, {{"coordinate_transformation_mode", std::string("asymmetric")}, {"nearest_mode", std::string("ceil")}}, 10},
        {"resize, half pixels", "Resize", {x}, {none, vec({1, 1, 2, 2})}, {{"mode", std::string("linear")}}, 11},
        {"resize to sizes", "Resize", {x}, {none, none, ints({2, 3, 5, 6})}, {}, 11},
        {"grid sample", "GridSample", {x, Tensor::of(DType::f32, {2, 1, 1, 2}, {0.1, 0.2, -0.3, 0.5})}, {}, {}, 16},
        {"roi align", "RoiAlign", {x}, {Tensor::of(DType::f32, {1, 4}, {0, 0, 3, 3}), ints({0})}, {{"coordinate_transformation_mode", std::string("output_half_pixel")}}, 10},
        {"roi align, half pixels", "RoiAlign", {x}, {Tensor::of(DType::f32, {1, 4}, {0, 0, 3, 3}), ints({0})}, {}, 16},
        {"dft", "DFT", {numbers({1, 4, 1})}, {none, Tensor::scalar_int(1)}, {}, 17},
        {"gather of batches", "GatherND", {m}, {Tensor::of(DType::i64, {3, 1}, {0, 1, 2})}, {{"batch_dims", i(1)}}, 12},
        {"quantize", "QuantizeLinear", {m}, {scalar, Tensor::scalar(DType::i8, 0)}, {}, 10},
        {"quantize per axis", "QuantizeLinear", {m}, {vec({1, 2, 3}), Tensor::of(DType::i8, {3}, {0, 1, 2})}, {{"axis", i(0)}}, 13},
        {"dropout", "Dropout", {m}, {Tensor::scalar(DType::f32, 0.3)}, {}, 1},
        {"dropout that trains", "Dropout", {m}, {Tensor::scalar(DType::f32, 0), Tensor::scalar(DType::boolean, 1)}, {}, 12},
    };
  }();
  return all;
}
struct Made { ir::Graph graph; std::vector<Datum> data; };
Result<Made> made(const Case& c) {
  Builder b;
  Vals in;
  std::vector<Datum> data;
  for (const Tensor& t : c.in) { in.push_back(b.input(type_of(t))); data.emplace_back(t); }
  for (const Tensor& t : c.constants) in.push_back(t.dtype == DType::none ? Val{} : b.constant(t));
  Vals y = b.ops(c.op, in, c.attrs, c.num_out);
  SAHA_TRY(auto g, std::move(b).build(y));
  return Made{std::move(g), std::move(data)};
}
/// One old node on inputs of these types.
Result<ir::Graph> upgraded(const OldNode& shape, const std::vector<Tensor>& in, const std::vector<Tensor>& constants = {}) {
  Builder b;
  OldNode n = shape;
  for (const Tensor& t : in) n.in.push_back(b.input(type_of(t)));
  for (const Tensor& t : constants) n.in.push_back(t.dtype == DType::none ? Val{} : b.constant(t));
  Vals y = upgrade(n, b);
  return std::move(b).build(y);
}
Result<V> result(const Result<ir::Graph>& g, const std::vector<Tensor>& in) {
  if (!g) return g.error();
  std::vector<Datum> data(in.begin(), in.end());
  SAHA_TRY(auto y, op::run(*g, data));
  return values<double>(y[0].tensor);
}
#define EXPECT_VALUES(expr, ...)                              \
  do {                                                        \
    auto values_ = (expr);                                    \
    ASSERT_TRUE(values_) << values_.error().message;          \
    EXPECT_EQ(*values_, (V __VA_ARGS__));                     \
  } while (false)
}  // namespace

TEST(History, every_older_form_means_the_same) {
  for (const Case& c : cases()) {
    auto m = made(c);
    if (!m) { ADD_FAILURE() << c.what << ": " << m.error().message; continue; }
    auto want = op::run(m->graph, m->data);
    if (!want) { ADD_FAILURE() << c.what << ": " << want.error().message; continue; }
    const ir::Node& n = m->graph.nodes().back();
    for (std::int64_t opset = 1; opset <= kNewestOpset; ++opset) {
      SCOPED_TRACE(std::string(c.what) + " in opset " + std::to_string(opset));
      auto old = downgrade(m->graph, n, opset);
      if (opset < c.oldest) {
        EXPECT_FALSE(old);
        if (!old) { EXPECT_NE(old.error().message.find("needs opset"), std::string::npos) << old.error().message; }
        continue;
      }
      if (!old) { ADD_FAILURE() << old.error().message; continue; }
      Builder b;
      Vals env(m->graph.values().size());
      for (ir::ValueId v : m->graph.inputs()) env[std::size_t(v)] = b.input(m->graph[v].type);
      OldNode o{old->domain, old->op, opset, {}, old->attrs, old->num_out};
      for (auto& x : old->in) {
        if (auto* t = std::get_if<Tensor>(&x)) { o.in.push_back(b.constant(*t)); continue; }
        ir::ValueId v = std::get<ir::ValueId>(x);
        if (v == ir::ValueId::none) o.in.push_back({});
        else if (env[std::size_t(v)]) o.in.push_back(env[std::size_t(v)]);
        else o.in.push_back(b.constant(*m->graph[v].constant));
      }
      Vals y = upgrade(std::move(o), b);
      auto g = std::move(b).build(y);
      if (!g) { ADD_FAILURE() << g.error().message; continue; }
      auto got = op::run(*g, m->data);
      if (!got) { ADD_FAILURE() << got.error().message; continue; }
      for (std::size_t k = 0; k < want->size(); ++k) EXPECT_TRUE(identical((*got)[k].tensor, (*want)[k].tensor));
    }
  }
}

TEST(History, rows_of_an_operator_stand_oldest_first_and_end_at_today) {
  for (const op::Entry& e : op::entries()) {
    std::int64_t last = 0;
    for (const Row* r : history_of(e.def->name.str())) {
      EXPECT_GE(r->before, last) << e.def->name.str();
      last = r->before;
      EXPECT_TRUE(r->before <= kNewestOpset || r->before == 1000) << e.def->name.str();
    }
    if (e.def->domain.empty()) { EXPECT_LE(first_opset(e.def->name.str()), kNewestOpset); }
  }
}

TEST(History, a_second_operand_stands_at_the_axis_it_names) {
  Tensor a = Tensor::of(DType::f32, {2, 2, 2}, {0, 0, 0, 0, 0, 0, 0, 0}), c = Tensor::of(DType::f32, {2}, {1, 2});
  EXPECT_VALUES(result(upgraded({"", "Add", 6, {}, {{"broadcast", i(1)}, {"axis", i(1)}}}, {a, c}), {a, c}), {1, 1, 2, 2, 1, 1, 2, 2});
  EXPECT_VALUES(result(upgraded({"", "Add", 1, {}, {{"broadcast", i(1)}, {"consumed_inputs", Ints{0, 0}}}}, {a, c}), {a, c}), {1, 2, 1, 2, 1, 2, 1, 2});
  EXPECT_VALUES(result(upgraded({"", "Sub", 6, {}, {{"broadcast", i(1)}, {"axis", i(-3)}}}, {a, c}), {a, c}), {-1, -1, -1, -1, -2, -2, -2, -2});
  auto bad = upgraded({"", "Add", 6, {}, {{"broadcast", i(1)}, {"axis", i(3)}}}, {a, c});
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("cannot place B of rank 1 at axis 3 of A of rank 3"), std::string::npos) << bad.error().message;
}
TEST(History, softmax_took_all_dims_from_its_axis) {
  Tensor x = Tensor::of(DType::f32, {1, 2, 2}, {0, 0, 0, 0});
  EXPECT_VALUES(result(upgraded({"", "Softmax", 11, {}, {}}, {x}), {x}), {0.25, 0.25, 0.25, 0.25});
  EXPECT_VALUES(result(upgraded({"", "Softmax", 11, {}, {{"axis", i(2)}}}, {x}), {x}), {0.5, 0.5, 0.5, 0.5});
  EXPECT_VALUES(result(upgraded({"", "Softmax", 13, {}, {}}, {x}), {x}), {0.5, 0.5, 0.5, 0.5});
  EXPECT_VALUES(result(upgraded({"", "Hardmax", 1, {}, {}}, {x}), {x}), {1, 0, 0, 0});
}
TEST(History, batch_normalization_may_be_per_element) {
  Tensor x = Tensor::of(DType::f32, {1, 1, 2}, {3, 5}), s = Tensor::of(DType::f32, {1, 2}, {1, 2}), b = Tensor::of(DType::f32, {1, 2}, {0, 1}), mean = Tensor::of(DType::f32, {1, 2}, {1, 1}), var = Tensor::of(DType::f32, {1, 2}, {4, 16});
  EXPECT_VALUES(result(upgraded({"", "BatchNormalization", 7, {}, {{"spatial", i(0)}, {"epsilon", 0.0f}}}, {x, s, b, mean, var}), {x, s, b, mean, var}), {1, 3});
  Tensor one = Tensor::of(DType::f32, {1}, {1});
  auto saved = upgraded({"", "BatchNormalization", 9, {}, {}, 5}, {x, one, one, one, one});
  ASSERT_FALSE(saved);
  EXPECT_NE(saved.error().message.find("saved_mean and saved_var no longer exist"), std::string::npos) << saved.error().message;
}
TEST(History, an_old_dropout_trains_only_where_it_says_so) {
  Tensor x = Tensor::of(DType::f32, {2}, {1, 4});
  EXPECT_VALUES(result(upgraded({"", "Dropout", 6, {}, {}}, {x}), {x}), {1, 4});
  EXPECT_VALUES(result(upgraded({"", "Dropout", 1, {}, {{"is_test", i(1)}, {"consumed_inputs", Ints{0}}}}, {x}), {x}), {1, 4});
  auto g = upgraded({"", "Dropout", 6, {}, {{"is_test", i(0)}}}, {x});
  ASSERT_TRUE(g);
  EXPECT_EQ(g->nodes()[0].num_operands, 3);  // training_mode
}
TEST(History, operands_were_attributes) {
  Tensor x = Tensor::of(DType::f32, {4}, {1, 4, 3, 2});
  EXPECT_VALUES(result(upgraded({"", "Slice", 1, {}, {{"starts", Ints{1}}, {"ends", Ints{3}}}}, {x}), {x}), {4, 3});
  EXPECT_VALUES(result(upgraded({"", "TopK", 1, {}, {{"k", i(2)}}, 2}, {x}), {x}), {4, 3});
  EXPECT_VALUES(result(upgraded({"", "Pad", 1, {}, {{"paddings", Ints{1, 0}}, {"value", 9.0f}}}, {x}), {x}), {9, 1, 4, 3, 2});
  EXPECT_VALUES(result(upgraded({"", "Reshape", 1, {}, {{"shape", Ints{2, 2}}}}, {x}), {x}), {1, 4, 3, 2});
  EXPECT_VALUES(result(upgraded({"", "Clip", 6, {}, {{"max", 3.0f}}}, {x}), {x}), {1, 3, 3, 2});
  EXPECT_VALUES(result(upgraded({"", "ReduceSum", 11, {}, {{"axes", Ints{0}}}}, {x}), {x}), {10});
  auto wrong = upgraded({"", "Slice", 1, {}, {{"starts", 1.0f}, {"ends", Ints{3}}}}, {x});
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("attribute 'starts' of a kind that it does not take"), std::string::npos) << wrong.error().message;
}
TEST(History, upsampling_was_of_three_kinds) {
  Tensor x = Tensor::of(DType::f32, {1, 1, 1, 2}, {1, 3});
  EXPECT_VALUES(result(upgraded({"", "Upsample", 1, {}, {{"height_scale", 1.0f}, {"width_scale", 2.0f}}}, {x}), {x}), {1, 1, 3, 3});
  EXPECT_VALUES(result(upgraded({"", "Upsample", 7, {}, {{"scales", Floats{1, 1, 1, 2}}, {"mode", std::string("linear")}}}, {x}), {x}), {1, 2, 3, 3});
  EXPECT_VALUES(result(upgraded({"", "Upsample", 9, {}, {}}, {x}, {Tensor::of(DType::f32, {4}, {1, 1, 2, 1})}), {x}), {1, 3, 1, 3});
  Tensor w = Tensor::of(DType::f32, {1, 1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_VALUES(result(upgraded({"", "Resize", 10, {}, {}}, {w}, {Tensor::of(DType::f32, {4}, {1, 1, 0.6, 0.6})}), {w}), {1, 3});
}
TEST(History, old_tile_casts_its_numbers_and_old_cast_names_its_type) {
  Tensor x = Tensor::of(DType::f32, {2}, {1, 2}), n = Tensor::of(DType::f32, {1}, {2}), axis = Tensor::of(DType::f32, {1}, {0});
  EXPECT_VALUES(result(upgraded({"", "Tile", 1, {}, {}}, {x, n, axis}), {x, n, axis}), {1, 2, 1, 2});
  auto g = upgraded({"", "Cast", 1, {}, {{"to", std::string("INT64")}}}, {x});
  ASSERT_TRUE(g);
  EXPECT_EQ(g->type(g->outputs()[0]).dtype, DType::i64);
  EXPECT_FALSE(upgraded({"", "Cast", 1, {}, {{"to", std::string("NUMBER")}}}, {x}));
}
TEST(History, an_old_scan_runs_over_each_sequence_of_the_batch) {
  // a running sum: state s, element e -> s + e, s + e
  Builder body;
  Val s = body.input(ir::tensor_type(DType::f32, {})), e = body.input(ir::tensor_type(DType::f32, {}));
  Val sum = s + e;
  auto g = std::move(body).build({sum, body.op("Identity", {sum})});
  ASSERT_TRUE(g);
  Tensor zero = Tensor::of(DType::f32, {2}, {0, 10}), x = Tensor::of(DType::f32, {2, 3}, {1, 2, 3, 4, 5, 6});
  Builder b;
  OldNode n{"", "Scan", 8, {{}, b.input(type_of(zero)), b.input(type_of(x))}, {{"body", std::make_shared<const ir::Graph>(*g)}, {"num_scan_inputs", i(1)}, {"carried", i(1)}}, 2};
  Vals y = upgrade(n, b);
  auto all = std::move(b).build(y);
  ASSERT_TRUE(all) << all.error().message;
  auto r = op::run(*all, std::vector<Datum>{zero, x});
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(values<double>((*r)[0].tensor), (V{6, 25}));
  EXPECT_EQ(values<double>((*r)[1].tensor), (V{1, 3, 6, 14, 19, 25}));
}
TEST(History, labels_were_numbered_in_order) {
  Tensor s = Tensor::of_strings({2}, {"b", "z"});
  EXPECT_VALUES(result(upgraded({"ai.onnx.ml", "LabelEncoder", 1, {}, {{"classes_strings", ir::Strings{"a", "b"}}}}, {s}), {s}), {1, -1});
}
TEST(History, what_came_from_microsoft_goes_back_there) {
  Tensor x = Tensor::of(DType::f32, {2}, {1, 2}), scale = Tensor::scalar(DType::f32, 1), zero = Tensor::scalar(DType::u16, 3);
  auto gelu = upgraded({"com.microsoft", "Gelu", 1, {}, {}}, {x});
  ASSERT_TRUE(gelu) << gelu.error().message;
  EXPECT_EQ(gelu->nodes()[0].op.str(), "Gelu");
  auto r = downgrade(*gelu, gelu->nodes()[0], 13, true);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->domain + "." + r->op, "com.microsoft.Gelu");
  EXPECT_TRUE(r->attrs.empty());
  EXPECT_FALSE(downgrade(*gelu, gelu->nodes()[0], 13));
  EXPECT_EQ(downgrade(*gelu, gelu->nodes()[0], 20, true)->domain, "");
  auto q = upgraded({"com.microsoft", "QuantizeLinear", 1, {}, {}}, {x, scale, zero});
  ASSERT_TRUE(q) << q.error().message;
  EXPECT_EQ(downgrade(*q, q->nodes()[0], 13, true)->domain, "com.microsoft");
  EXPECT_EQ(downgrade(*q, q->nodes()[0], 21, true)->domain, "");
  Tensor w = numbers({4, 12}), in = numbers({1, 2, 4});
  auto attention = upgraded({"com.microsoft", "Attention", 1, {}, {{"num_heads", i(2)}}}, {in, w});
  ASSERT_TRUE(attention) << attention.error().message;
  EXPECT_EQ(downgrade(*attention, attention->nodes()[0], 1)->op, "Attention");
  EXPECT_EQ(attention->type(attention->outputs()[0]).dims, (std::vector<ir::Dim>{1, 2, 4}));
}
TEST(History, fused_operators_are_read_as_what_they_fuse) {
  Tensor a = Tensor::of(DType::f32, {1, 2}, {1, -3}), c = Tensor::of(DType::f32, {1, 2}, {1, 1});
  EXPECT_VALUES(result(upgraded({"com.microsoft", "FusedMatMul", 1, {}, {{"transB", i(1)}, {"alpha", 0.5f}}}, {a, c}), {a, c}), {-1});
  EXPECT_VALUES(result(upgraded({"com.microsoft", "FusedGemm", 1, {}, {{"transB", i(1)}, {"activation", std::string("Relu")}}}, {a, c}), {a, c}), {0});
  auto bad = upgraded({"com.microsoft", "FusedGemm", 1, {}, {{"transB", i(1)}, {"activation", std::string("Swoosh")}}}, {a, c});
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("has the activation 'Swoosh'"), std::string::npos) << bad.error().message;
  auto unknown = upgraded({"com.microsoft", "BeamSearch", 1, {}, {}}, {a});
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("com.microsoft.BeamSearch"), std::string::npos) << unknown.error().message;
}
TEST(History, random_old_nodes_are_read_or_refused_and_never_crash) {
  std::vector<std::string> names{"Upsample", "Scatter", "Affine", "ImageScaler", "ParametricSoftplus", "ScaledTanh", "Crop"}, fused{"FusedConv", "FusedGemm", "FusedMatMul", "Attention", "RotaryEmbedding", "Gelu"};
  std::vector<std::string> words{"axis", "broadcast", "ratio", "is_test", "spatial", "epsilon", "to", "min", "max", "split", "axes", "starts", "ends", "k", "shape", "paddings", "pads", "value", "mode", "scales", "height_scale", "width_scale",
                                 "num_groups", "p", "classes_strings", "across_channels", "bias", "scale", "border", "alpha", "activation", "activation_params", "transA", "transBatchB", "num_heads", "directions", "num_scan_inputs", "carried"};
  for (const op::Entry& e : op::entries()) if (!history_of(e.def->name.str()).empty()) names.emplace_back(e.def->name.str());
  std::mt19937 rng(3);
  auto below = [&](std::size_t n) { return std::size_t(rng() % n); };
  std::size_t read = 0;
  for (int round = 0; round < 20000; ++round) {
    Builder b;
    bool contrib = below(6) == 0;
    OldNode n{contrib ? "com.microsoft" : "", contrib ? fused[below(fused.size())] : names[below(names.size())], std::int64_t(1 + below(20)), {}, {}, int(1 + below(3))};
    if (const op::Entry* e = op::find(n.op); e && !contrib) n.domain = std::string(e->def->domain);
    for (std::size_t k = below(5); k > 0; --k) {
      if (below(6) == 0) { n.in.push_back({}); continue; }
      DType t = below(4) == 0 ? DType::i64 : below(12) == 0 ? DType::string : DType::f32;
      Dims d(below(5));
      for (auto& v : d) v = std::int64_t(below(4));
      if (below(8) == 0) n.in.push_back(b.input(ir::unranked_type(t)));
      else if (below(3) == 0 && t != DType::string) n.in.push_back(b.constant(Tensor::zeros(t, d)));
      else n.in.push_back(b.input(ir::tensor_type(t, {d.begin(), d.end()})));
    }
    for (std::size_t k = below(4); k > 0; --k) {
      ir::Attr v = std::int64_t(below(7)) - 3;
      switch (below(6)) {
        case 0: v = float(below(5)) - 1.5f; break;
        case 1: v = std::string(below(2) ? "linear" : "FLOAT"); break;
        case 2: v = ir::Strings(below(3), "a"); break;
        case 3: { Ints is(below(5)); for (auto& x : is) x = std::int64_t(below(7)) - 3; v = is; break; }
        case 4: { Floats fs(below(5)); for (auto& x : fs) x = float(below(7)) - 3; v = fs; break; }
        default: break;
      }
      n.attrs.push_back({words[below(words.size())], std::move(v)});
    }
    std::string what = n.op + " of opset " + std::to_string(n.opset);
    Vals y = upgrade(std::move(n), b);
    if (b.failed()) { EXPECT_FALSE(b.error()->message.empty()) << what; continue; }
    ++read;
    Vals outs;
    for (Val v : y) if (v) outs.push_back(v);
    auto g = std::move(b).build(outs);
    ASSERT_TRUE(g) << what;
    for (const ir::Node& m : g->nodes())
      for (std::int64_t opset : {1, 6, 9, 12, 17, 22}) {
        auto r = downgrade(*g, m, opset, true);
        if (!r) { EXPECT_FALSE(r.error().message.empty()) << what; }
      }
  }
  EXPECT_GT(read, 500u);
}
TEST(History, unknown_operators_are_named) {
  auto g = upgraded({"", "Frobnicate", 9, {}, {}}, {Tensor::scalar(DType::f32, 1)});
  ASSERT_FALSE(g);
  EXPECT_NE(g.error().message.find("Frobnicate"), std::string::npos);
  EXPECT_NE(g.error().message.find("is not an operator saha knows"), std::string::npos);
}

}  // namespace saha::onnx
