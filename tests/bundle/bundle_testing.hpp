#pragma once
// Small models, packed and run.
#include <gtest/gtest.h>

#include <random>

#include "backends/native/network.hpp"
#include "backends/native/pack.hpp"
#include "formats/onnx/onnx.hpp"
#include "op/builder.hpp"
#include "tests/bundle/tamper.hpp"

namespace saha::test {
inline Tensor noise(Dims dims, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> d(-1, 1);
  Tensor t = Tensor::zeros(DType::f32, std::move(dims));
  for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = d(engine);
  return t;
}
inline ir::Model model_of(op::Builder&& b, const op::Vals& outputs) {
  auto g = std::move(b).build(outputs);
  EXPECT_TRUE(g) << g.error().message;
  ir::Model m;
  m.name = "small", m.opsets = {{"", 22}}, m.ir_version = 10;
  m.graph = std::move(*g);
  return m;
}
/// Two convolutions, a pool, a product: [batch, 3, 9, 9] -> [batch, 5]. `batch` is a number, or a name for a free dim.
inline ir::Model picture_net(ir::Dim batch = ir::Dim(1)) {
  op::Builder b;
  op::Val x = b.input(ir::tensor_type(DType::f32, {batch, ir::Dim(3), ir::Dim(9), ir::Dim(9)}), "image");
  op::Val y = b.op("Relu", {b.op("Conv", {x, b.constant(noise({8, 3, 3, 3}, 1)), b.constant(noise({8}, 2))}, {{"pads", ir::Ints{1, 1, 1, 1}}})});
  y = b.op("Conv", {y, b.constant(noise({8, 1, 3, 3}, 3))}, {{"group", std::int64_t{8}}});
  y = b.op("MaxPool", {y}, {{"kernel_shape", ir::Ints{2, 2}}, {"strides", ir::Ints{2, 2}}});
  y = b.op("Flatten", {y});
  y = b.op("Softmax", {b.op("Gemm", {y, b.constant(noise({72, 5}, 4)), b.constant(noise({5}, 5))})});
  return model_of(std::move(b), {y});
}
inline native::Packed packed(const ir::Model& m, std::vector<std::vector<Dims>> shapes, std::vector<kernels::Isa> levels = {}, bundle::Json about = bundle::Json::object(), std::vector<bundle::Part> parts = {}) {
  auto file = onnx::export_bytes(m);
  EXPECT_TRUE(file) << file.error().message;
  auto p = native::pack(m, *file, {std::move(levels), std::move(shapes), std::move(about), std::move(parts)});
  EXPECT_TRUE(p) << p.error().message;
  return std::move(*p);
}

inline Result<std::vector<Datum>> run(std::shared_ptr<const native::Network> network, const std::vector<Datum>& data) {
  std::vector<const Datum*> in;
  for (const Datum& d : data) in.push_back(&d);
  system::ThreadPool pool(2);
  native::Runner runner(std::move(network), pool);
  return runner.run(in);
}
/// Opens and runs; whatever fails gives its error.
inline Result<std::vector<Datum>> open_and_run(const Bytes& bytes, const std::vector<Datum>& data, kernels::Isa isa = kernels::detect_isa()) {
  SAHA_TRY(auto b, bundle::Bundle::from_bytes(bytes));
  SAHA_TRY(auto n, native::network_of(std::move(b), isa));
  return run(std::move(n), data);
}
inline void expect_sentence(const Error& e) {
  EXPECT_FALSE(e.message.empty());
  EXPECT_EQ(e.message.find('\n'), std::string::npos) << e.message;
  EXPECT_NE(e.code, ErrorCode::internal) << e.message;
}

}  // namespace saha::test
