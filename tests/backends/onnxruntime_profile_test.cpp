// What onnxruntime's graph and profile say, read without onnxruntime.
#include <gtest/gtest.h>

#include "backends/onnxruntime/profile.hpp"
#include "tests/backends/onnx_writer.hpp"

namespace saha::ort {
namespace {
namespace w = onnx_writer;
using Names = std::vector<std::string>;

constexpr const char* kBlocked = "com.microsoft.nchwc";

std::vector<std::byte> bytes_of(const std::string& s) {
  const auto* p = reinterpret_cast<const std::byte*>(s.data());
  return {p, p + s.size()};
}
Names results(const NodeList& list) {
  Names all;
  for (const Node& n : list.nodes) all.insert(all.end(), n.out.begin(), n.out.end());
  return all;
}

TEST(OnnxruntimeNodes, are_read_with_their_operands_and_results) {
  const auto file = w::model({.nodes = {w::node("Conv", {"x", "w", "", "s"}, {"h"}, {w::bytes(1, "activation")}, kBlocked) + w::bytes(3, "first"), w::node("Relu", {"h"}, {"y"})},
                              .initializers = {w::floats("w", {1}, {1})},
                              .inputs = {w::value_info("x", w::tensor_type(DType::f32, {"1"}))},
                              .outputs = {w::value_info("y", w::tensor_type(DType::f32, {"1"}))}});
  auto list = read_nodes(bytes_of(file));
  ASSERT_TRUE(list) << list.error().message;
  ASSERT_EQ(list->nodes.size(), 2u);
  const Node& n = list->nodes[0];
  EXPECT_EQ(n.name + " " + n.op + " " + n.domain, std::string("first Conv ") + kBlocked);
  EXPECT_EQ(n.in, (Names{"x", "w", "", "s"}));
  EXPECT_EQ(n.out, Names{"h"});
  EXPECT_TRUE(n.activated);
  EXPECT_FALSE(list->nodes[1].activated);
  EXPECT_EQ(list->outputs, Names{"y"});
}

TEST(OnnxruntimeNodes, bytes_that_are_no_model_are_refused) {
  const auto file = w::model({.nodes = {w::node("Relu", {"x"}, {"y"})}});
  for (std::size_t cut = 1; cut < file.size(); ++cut) {  // where it is cut between fields it is a model with fewer
    auto list = read_nodes(bytes_of(file.substr(0, cut)));
    EXPECT_TRUE(!list || list->nodes.size() <= 1) << cut;
  }
  for (const std::string& bytes : {std::string("\x3a\x7f"), std::string("no model"), w::bytes(7, w::bytes(1, "\x0a\x7f"))}) {
    auto list = read_nodes(bytes_of(bytes));
    ASSERT_FALSE(list);
    EXPECT_EQ(list.error().message, "onnxruntime: a file that it wrote or reads is no ONNX model");
  }
}

// A block of a residual network, as onnxruntime 1.32 rewrites it.
TEST(OnnxruntimeNodes, values_in_blocks_of_channels_get_the_names_they_have_in_the_model) {
  const NodeList model{{{"n1", "Conv", "", {"x", "w"}, {"c0"}},
                        {"n2", "Relu", "", {"c0"}, {"r0"}},
                        {"n3", "Conv", "", {"r0", "w"}, {"a"}},
                        {"n4", "Conv", "", {"r0", "w"}, {"skip"}},
                        {"n5", "Add", "", {"a", "skip"}, {"sum"}},
                        {"n6", "Relu", "", {"sum"}, {"r1"}},
                        {"n7", "Sigmoid", "", {"r1"}, {"sig"}},
                        {"n8", "Mul", "", {"r1", "sig"}, {"silu"}},
                        {"n9", "Concat", "", {"silu", "r0"}, {"cat"}},
                        {"n10", "BatchNormalization", "", {"cat"}, {"bn"}},
                        {"n11", "Relu", "", {"bn"}, {"r2"}},
                        {"n12", "Flatten", "", {"r2"}, {"y"}}},
                       {"y"}};
  NodeList run{{{"r0_nchwc", "Conv", kBlocked, {"x", "w"}, {"t0"}, true},
                {"skip_nchwc_token_7", "Conv", kBlocked, {"t0", "w"}, {"t1"}},
                {"a_nchwc", "Conv", kBlocked, {"t0", "w", "", "t1"}, {"t2"}, true},
                {"n8/QuickGeluFusion/", "QuickGelu", "com.microsoft", {"t2"}, {"t3"}},
                {"n9", "Concat", "", {"t3", "t0"}, {"t4"}},
                {"bn_bn_nchwc", "Conv", kBlocked, {"t4", "w"}, {"t5"}, true},
                {"ReorderOutput", "ReorderOutput", kBlocked, {"t5"}, {"r2"}},
                {"n12", "Flatten", "", {"r2"}, {"y"}}},
               {"y"}};
  restore_names(model, run);
  EXPECT_EQ(results(run), (Names{"r0", "skip", "r1", "silu", "cat", "r2", "r2", "y"}));
  EXPECT_EQ(run.nodes[2].in, (Names{"r0", "w", "", "skip"}));
}

TEST(OnnxruntimeNodes, what_is_not_certain_keeps_its_name) {
  const NodeList model{{{"n1", "Conv", "", {"x", "w"}, {"a"}}, {"n2", "Add", "", {"a", "z"}, {"s"}}, {"n3", "Relu", "", {"s"}, {"y"}}, {"same", "Relu", "", {"y"}, {"p"}}, {"same", "Relu", "", {"p"}, {"q"}}}, {"a", "q"}};
  NodeList run{{{"a_nchwc", "Conv", kBlocked, {"x", "w", "", "z"}, {"t0"}},   // adds, but the model gives a out, too
                {"unknown_nchwc", "Conv", kBlocked, {"t0", "w"}, {"t1"}},
                {"same", "Relu", "", {"t1"}, {"t2"}},                         // two nodes have that name
                {"ReorderInput", "ReorderInput", kBlocked, {"y"}, {"t3"}}},
               {"q"}};
  restore_names(model, run);
  EXPECT_EQ(results(run), (Names{"t0", "t1", "t2", "y"}));
}

std::string event(const std::string& name, const std::string& op, int us) {
  return R"({"cat": "Node", "name": ")" + name + R"(_kernel_time", "dur": )" + std::to_string(us) + R"(, "args": {"op_name": ")" + op + R"(", "output_type_shape": [{"float": [1, 8]}]}})";
}
const NodeList kTwo{{{"a", "Conv", "", {"x", ""}, {"h"}}, {"", "Relu", "com.microsoft", {"h"}, {"y"}}}, {"y"}};

TEST(OnnxruntimeProfile, the_least_time_of_each_node_counts) {
  auto layers = layer_times(R"([{"cat": "Session", "name": "model_run", "dur": 99, "args": {}},)" + event("a", "Conv", 30) + "," + event("Relu_5", "Relu", 7) + "," + event("a", "Conv", 20) + "," +
                                event("Relu_5", "Relu", 9) + "]",
                            kTwo);
  ASSERT_TRUE(layers) << layers.error().message;
  ASSERT_EQ(layers->size(), 2u);
  EXPECT_DOUBLE_EQ((*layers)[0].ms, 0.020);
  EXPECT_DOUBLE_EQ((*layers)[1].ms, 0.007);
  EXPECT_EQ((*layers)[0].output, "[1, 8]");
  EXPECT_EQ((*layers)[1].kernel, "com.microsoft.Relu");
  EXPECT_EQ((*layers)[0].reads, (std::vector<Names>{{"x"}, {}}));
  EXPECT_EQ((*layers)[0].writes, std::vector<Names>{{"h"}});
}

TEST(OnnxruntimeProfile, nodes_of_a_sub_graph_count_within_theirs) {
  auto layers = layer_times("[" + event("inner", "MatMul", 3) + "," + event("a", "Conv", 30) + "," + event("Relu_5", "Relu", 7) + "]", kTwo);
  ASSERT_TRUE(layers) << layers.error().message;
  EXPECT_DOUBLE_EQ((*layers)[0].ms, 0.030);
}

TEST(OnnxruntimeProfile, a_node_without_its_event_is_an_error) {
  auto cut = layer_times("[" + event("a", "Conv", 30) + "," + event("Relu_5", "Relu", 7) + "," + event("a", "Conv", 30) + "]", kTwo);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().message, "onnxruntime's profile does not follow the graph that it wrote: 1 whole runs, then 1 of 2 nodes");
  EXPECT_FALSE(layer_times("[]", kTwo));
  auto text = layer_times("no list", kTwo);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message, "onnxruntime wrote a profile that is no JSON list");
}

}  // namespace
}  // namespace saha::ort
