#pragma once
// Networks with random weights, built by the project's own Builder: MobileNetV2, ResNet-50, EfficientNet-Lite0 at 224 x 224, and a small
// vision transformer (197 tokens of 192, 12 layers, 3 heads); of some microseconds an MLP, the ACAS Xu network (Julian et al. 2016) and LeNet. BatchNormalization
// is folded, as exporters write it.
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "ir/graph.hpp"
#include "op/builder.hpp"

namespace saha::bench {

class ModelBuilder {
 public:
  op::Val input(const std::string& name, Dims dims) { return b_.input(ir::tensor_type(DType::f32, {dims.begin(), dims.end()}), name); }

  op::Val weight(Dims dims, double fan_in) {
    Tensor t = Tensor::zeros(DType::f32, std::move(dims));
    std::normal_distribution<float> d(0, float(1 / std::sqrt(fan_in)));
    for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = d(random_);
    return b_.constant(std::move(t));
  }

  op::Val conv(op::Val x, std::int64_t m, std::int64_t k, std::int64_t stride, std::int64_t groups = 1) {
    const std::int64_t c = *b_.type(x).dims[1].known();
    return b_.op("Conv", {x, weight({m, c / groups, k, k}, double(c / groups * k * k) / 2), weight({m}, 100)},
                 {{"strides", ir::Ints{stride, stride}}, {"pads", ir::Ints{k / 2, k / 2, k / 2, k / 2}}, {"group", groups}});
  }
  op::Val relu(op::Val x) { return b_.op("Relu", {x}); }
  op::Val relu6(op::Val x) { return b_.op("Clip", {x, b_.scalar(0, x), b_.scalar(6, x)}); }
  op::Val classifier(op::Val x) {
    x = b_.op("Flatten", {b_.op("GlobalAveragePool", {x})}, {{"axis", std::int64_t{1}}});
    const std::int64_t c = *b_.type(x).dims[1].known();
    return b_.op("Gemm", {x, weight({1000, c}, double(c)), weight({1000}, 100)}, {{"transB", std::int64_t{1}}});
  }
  /// Expand, depthwise, project; the input is added where the shape stays.
  op::Val inverted(op::Val x, std::int64_t expand, std::int64_t m, std::int64_t k, std::int64_t stride) {
    const std::int64_t c = *b_.type(x).dims[1].known();
    op::Val y = expand == 1 ? x : relu6(conv(x, c * expand, 1, 1));
    y = relu6(conv(y, c * expand, k, stride, c * expand));
    y = conv(y, m, 1, 1);
    return stride == 1 && c == m ? x + y : y;
  }
  op::Val dense(op::Val x, std::int64_t n) {
    const std::int64_t k = *b_.type(x).dims.back().known();
    return b_.op("MatMul", {x, weight({k, n}, double(k))}) + weight({n}, 100);
  }
  op::Val gemm(op::Val x, std::int64_t n) {
    const std::int64_t k = *b_.type(x).dims.back().known();
    return b_.op("Gemm", {x, weight({n, k}, double(k)), weight({n}, 100)}, {{"transB", std::int64_t{1}}});
  }
  op::Val norm(op::Val x) {
    const std::int64_t n = *b_.type(x).dims.back().known();
    return b_.op("LayerNormalization", {x, weight({n}, 1), weight({n}, 100)});
  }
  op::Builder& b() { return b_; }
  Result<ir::Model> build(const std::string& name, op::Val y) {
    b_.rename(y, "output");
    ir::Model m;
    SAHA_TRY(m.graph, std::move(b_).build({y}));
    m.name = name;
    m.ir_version = 8;
    m.opsets[""] = 17;
    return m;
  }

 private:
  op::Builder b_;
  std::mt19937 random_{1};
};

inline Result<ir::Model> mobilenet_v2() {
  ModelBuilder n;
  op::Val x = n.relu6(n.conv(n.input("input", {1, 3, 224, 224}), 32, 3, 2));
  struct Stage { std::int64_t expand, m, times, stride; };
  for (Stage s : {Stage{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}})
    for (std::int64_t i = 0; i < s.times; ++i) x = n.inverted(x, s.expand, s.m, 3, i == 0 ? s.stride : 1);
  return n.build("MobileNetV2", n.classifier(n.relu6(n.conv(x, 1280, 1, 1))));
}

inline Result<ir::Model> efficientnet_lite0() {
  ModelBuilder n;
  op::Val x = n.relu6(n.conv(n.input("input", {1, 3, 224, 224}), 32, 3, 2));
  struct Stage { std::int64_t expand, m, times, stride, k; };
  for (Stage s : {Stage{1, 16, 1, 1, 3}, {6, 24, 2, 2, 3}, {6, 40, 2, 2, 5}, {6, 80, 3, 2, 3}, {6, 112, 3, 1, 5}, {6, 192, 4, 2, 5}, {6, 320, 1, 1, 3}})
    for (std::int64_t i = 0; i < s.times; ++i) x = n.inverted(x, s.expand, s.m, s.k, i == 0 ? s.stride : 1);
  return n.build("EfficientNet-Lite0", n.classifier(n.relu6(n.conv(x, 1280, 1, 1))));
}

inline Result<ir::Model> resnet50() {
  ModelBuilder n;
  op::Val x = n.relu(n.conv(n.input("input", {1, 3, 224, 224}), 64, 7, 2));
  x = n.b().op("MaxPool", {x}, {{"kernel_shape", ir::Ints{3, 3}}, {"strides", ir::Ints{2, 2}}, {"pads", ir::Ints{1, 1, 1, 1}}});
  std::int64_t width = 64;
  for (int blocks : {3, 4, 6, 3}) {
    for (int i = 0; i < blocks; ++i) {
      const std::int64_t stride = i == 0 && width > 64 ? 2 : 1;
      op::Val skip = i == 0 ? n.conv(x, width * 4, 1, stride) : x;
      op::Val y = n.relu(n.conv(x, width, 1, 1));
      y = n.relu(n.conv(y, width, 3, stride));
      x = n.relu(n.conv(y, width * 4, 1, 1) + skip);
    }
    width *= 2;
  }
  return n.build("ResNet-50", n.classifier(x));
}

inline Result<ir::Model> transformer() {
  ModelBuilder n;
  const std::int64_t tokens = 197, width = 192, heads = 3, head = width / heads;
  op::Builder& b = n.b();
  op::Val x = n.input("input", {1, tokens, width});
  const auto split = [&](op::Val v) { return b.op("Reshape", {v, b.ints({1, tokens, heads, head})}); };
  for (int layer = 0; layer < 12; ++layer) {
    op::Val y = n.norm(x);
    op::Val q = b.op("Transpose", {split(n.dense(y, width))}, {{"perm", ir::Ints{0, 2, 1, 3}}});
    op::Val k = b.op("Transpose", {split(n.dense(y, width))}, {{"perm", ir::Ints{0, 2, 3, 1}}});
    op::Val v = b.op("Transpose", {split(n.dense(y, width))}, {{"perm", ir::Ints{0, 2, 1, 3}}});
    op::Val a = b.op("Softmax", {b.op("MatMul", {q, k}) * (1 / std::sqrt(double(head)))});
    y = b.op("Reshape", {b.op("Transpose", {b.op("MatMul", {a, v})}, {{"perm", ir::Ints{0, 2, 1, 3}}}), b.ints({1, tokens, width})});
    x = x + n.dense(y, width);
    y = n.dense(n.norm(x), width * 4);
    y = (y * 0.5) * (b.op("Erf", {y / std::sqrt(2.0)}) + 1.0);
    x = x + n.dense(y, width);
  }
  return n.build("transformer", n.norm(x));
}

inline Result<ir::Model> mlp_16_32_32_5() {
  ModelBuilder n;
  return n.build("mlp_16_32_32_5", n.gemm(n.relu(n.gemm(n.relu(n.gemm(n.input("x", {1, 16}), 32)), 32)), 5));
}

inline Result<ir::Model> acasxu_6x50() {
  ModelBuilder n;
  op::Val x = n.input("x", {1, 5});
  for (int layer = 0; layer < 6; ++layer) x = n.relu(n.gemm(x, 50));
  return n.build("acasxu_6x50", n.gemm(x, 5));
}

inline Result<ir::Model> lenet_28() {
  ModelBuilder n;
  op::Val x = n.input("x", {1, 1, 28, 28});
  for (std::int64_t m : {8, 16}) {
    const std::int64_t c = *n.b().type(x).dims[1].known();
    x = n.relu(n.b().op("Conv", {x, n.weight({m, c, 5, 5}, double(c * 25) / 2), n.weight({m}, 100)}));
    x = n.b().op("MaxPool", {x}, {{"kernel_shape", ir::Ints{2, 2}}, {"strides", ir::Ints{2, 2}}});
  }
  return n.build("lenet_28", n.gemm(n.relu(n.gemm(n.b().op("Flatten", {x}), 64)), 10));
}

}  // namespace saha::bench
