#pragma once
// A small classifier for the tests: image float32[N, 4] -> score float32[N, 3], score = softmax(relu(image W1) W2).
#include <gtest/gtest.h>

#include "formats/onnx/onnx.hpp"
#include "op/builder.hpp"

namespace saha::api_testing {

/// n >= 0: images a run; -1: free.
inline ir::Model classifier(std::int64_t n) {
  op::Builder b;
  op::Val x = b.input(ir::tensor_type(DType::f32, {n < 0 ? ir::Dim::symbol("N") : ir::Dim(n), 4}), "image");
  std::vector<double> first, second;
  for (int i = 0; i < 4 * 64; ++i) first.push_back(double(i * 37 % 23 - 11) / 8);
  for (int i = 0; i < 64 * 3; ++i) second.push_back(double(i * 53 % 29 - 14) / 16);
  op::Val h = b.op("Relu", {b.op("MatMul", {x, b.constant(Tensor::of(DType::f32, {4, 64}, first))})});
  op::Val y = b.op("Softmax", {b.op("MatMul", {h, b.constant(Tensor::of(DType::f32, {64, 3}, second))})}, {{"axis", std::int64_t{1}}});
  b.rename(y, "score");
  auto g = std::move(b).build({y});
  EXPECT_TRUE(g) << g.error().message;
  ir::Model m;
  m.graph = std::move(*g);
  m.name = "classifier";
  m.ir_version = 10;
  m.opsets = {{"", 21}};
  return m;
}
inline std::string bytes_of(const ir::Model& m) {
  auto text = onnx::export_bytes(m);
  EXPECT_TRUE(text) << text.error().message;
  return *text;
}

}  // namespace saha::api_testing
