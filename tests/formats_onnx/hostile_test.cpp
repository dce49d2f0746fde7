// Files that lie: names that no terminal should see, sizes that no machine has. What is damaged at random is in tests/mutants.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>

#include "formats/onnx/onnx.hpp"
#include "onnx/onnx-ml.pb.h"
#include "op/op_def.hpp"
#include "tensor/limit.hpp"

using namespace saha;
namespace {

/// A model of one Relu, changed.
Result<ir::Model> import_changed(const std::function<void(::onnx::ModelProto&)>& change) {
  ::onnx::ModelProto m;
  m.set_ir_version(8);
  m.add_opset_import()->set_version(17);
  auto& g = *m.mutable_graph();
  for (auto* v : {g.add_input(), g.add_output()}) {
    v->set_name(v == &g.input(0) ? "x" : "y");
    v->mutable_type()->mutable_tensor_type()->set_elem_type(1);
    v->mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(4);
  }
  auto* n = g.add_node();
  n->set_name("relu"), n->set_op_type("Relu"), n->add_input("x"), n->add_output("y");
  change(m);
  std::string bytes = m.SerializeAsString();
  return saha::onnx::import_bytes(std::as_bytes(std::span(bytes.data(), bytes.size())));
}
std::string message(const Result<ir::Model>& m) { return m ? "imported" : m.error().message; }

}  // namespace

TEST(Hostile, the_model_itself_is_sound) { EXPECT_EQ(message(import_changed([](auto&) {})), "imported"); }

TEST(Hostile, names_that_are_no_text_are_refused_and_shown_in_escapes) {
  EXPECT_EQ(message(import_changed([](auto& m) { m.mutable_graph()->mutable_node(0)->set_name("a\xff"); })), "the name of a node Relu 'a\\xff' is not UTF-8 at byte 1");
  EXPECT_EQ(message(import_changed([](auto& m) { m.mutable_graph()->mutable_node(0)->set_input(0, "a\n"); })), "node 'relu': the input 'a\\x0a' holds the control character 10 at byte 1");
  EXPECT_NE(message(import_changed([](auto& m) { m.mutable_graph()->mutable_input(0)->set_name(std::string(5000, 'n')); })).find("has 5000 bytes, at most 4096 are taken"), std::string::npos);
  EXPECT_EQ(message(import_changed([](auto& m) { m.mutable_graph()->mutable_node(0)->set_name("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"); })), "imported");
  EXPECT_NE(message(import_changed([](auto& m) { m.mutable_graph()->mutable_node(0)->set_name("\xed\xa0\x80"); })), "imported");  // a surrogate
}

TEST(Hostile, a_computed_tensor_larger_than_the_machine_allows_is_refused_by_name) {
  EXPECT_LE(max_tensor_bytes(), kMaxTensorBytes);
  EXPECT_GE(max_tensor_bytes(), std::int64_t{1} << 20);
  auto too_large = Tensor::make(DType::f32, {max_tensor_bytes() / 4 + 1});
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code, ErrorCode::out_of_memory);
  auto too_many = Tensor::make(DType::i4, {kMaxTensorElements + 1});
  EXPECT_FALSE(too_many);
  // The shape is an input, so that nothing can be refused before it runs.
  auto m = import_changed([](auto& p) {
    p.mutable_graph()->mutable_node(0)->set_op_type("ConstantOfShape");
    p.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(7);
    p.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  });
  ASSERT_TRUE(m) << message(m);
  std::vector<std::int64_t> shape = {1'000'000'000, 1'000'000'000, 1, 1};
  Datum in[] = {Tensor::of_ints(shape)};
  auto out = op::run(m->graph, std::span<const Datum>(in));
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, ErrorCode::out_of_memory) << out.error().message;
  EXPECT_NE(out.error().message.find("relu"), std::string::npos) << out.error().message;
}

TEST(Hostile, nodes_that_read_each_other_in_a_ring_are_refused_by_name) {
  EXPECT_NE(message(import_changed([](auto& p) {
    auto& g = *p.mutable_graph();
    g.mutable_node(0)->set_input(0, "z");
    auto* n = g.add_node();
    n->set_name("back"), n->set_op_type("Neg"), n->add_input("y"), n->add_output("z");
  })).find("'z'"), std::string::npos);
}

TEST(Hostile, tensors_whose_data_and_shape_differ_are_refused_by_name) {
  auto with = [](std::vector<std::int64_t> dims, std::size_t bytes) {
    return message(import_changed([&](auto& p) {
      auto& g = *p.mutable_graph();
      auto* t = g.add_initializer();
      t->set_name("w"), t->set_data_type(1);
      for (auto d : dims) t->add_dims(d);
      t->set_raw_data(std::string(bytes, 'a'));
      g.mutable_node(0)->set_op_type("Add"), g.mutable_node(0)->add_input("w");
    }));
  };
  EXPECT_EQ(with({4}, 16), "imported");
  for (const auto& m : {with({4}, 12), with({-1}, 4), with({std::int64_t{1} << 40, std::int64_t{1} << 40}, 16), with({std::int64_t{1} << 62, 4}, 0)})
    EXPECT_NE(m.find("'w'"), std::string::npos) << m;
}

TEST(Hostile, scales_that_stand_for_nothing_or_have_another_length_are_refused_by_name) {
  auto with = [](std::vector<float> scale, std::int64_t axis) {
    return import_changed([&](auto& p) {
      auto& g = *p.mutable_graph();
      auto* t = g.add_initializer();
      t->set_name("s"), t->set_data_type(1);
      if (scale.size() != 1) t->add_dims(std::int64_t(scale.size()));
      for (float v : scale) t->add_float_data(v);
      auto* n = g.mutable_node(0);
      n->set_op_type("QuantizeLinear"), n->add_input("s");
      auto* a = n->add_attribute();
      a->set_name("axis"), a->set_type(::onnx::AttributeProto::INT), a->set_i(axis);
      g.mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(2);
    });
  };
  const Datum in[] = {Tensor::of(DType::f32, {4}, {1, 2, 3, 4})};
  EXPECT_EQ(message(with({0}, 0)), "node 'relu': QuantizeLinear: scale 0 stands for nothing");
  for (auto& m : {with({std::nanf("")}, 0), with({1, 1}, 0), with({1, 1, 1, 1}, 7)}) {
    if (!m) { EXPECT_NE(message(m).find("relu"), std::string::npos) << message(m); continue; }
    auto y = op::run(m->graph, std::span<const Datum>(in));
    ASSERT_FALSE(y);
    EXPECT_NE(y.error().message.find("relu"), std::string::npos) << y.error().message;
  }
}
