// saha_make_models OUT_DIR: the networks that ./run bench measures, with random weights, built by op::Builder and written as ONNX.
// Only sizes and operators matter to speed. Sources: MobileNetV2 (Sandler et al. 2018), ResNet-50 v1.5 (He et al. 2016), EfficientNet-Lite0
// (Tan and Le 2019, TensorFlow's padding), a post-norm encoder (Vaswani et al. 2017), the ACAS Xu network (Julian et al. 2016).
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <random>

#include "formats/onnx/onnx.hpp"
#include "op/builder.hpp"
#include "system/file.hpp"

namespace {
using namespace saha;
using ir::Ints;
using op::Val;

class Net {
 public:
  explicit Net(unsigned seed) : random_(seed) {}
  op::Builder b;

  Val input(std::vector<std::int64_t> dims) { return b.input(ir::tensor_type(DType::f32, {dims.begin(), dims.end()}), "x"); }
  // 1 after an error, which the builder keeps for build().
  std::int64_t dim(Val v, std::size_t axis) const { return b.failed() || !v ? 1 : b.type(v).dims[axis].known().value_or(1); }
  // Of a size that keeps the variance of what goes through.
  Val weight(Dims dims, std::int64_t fan_in, double gain = 2) {
    Tensor t = Tensor::zeros(DType::f32, dims);
    std::normal_distribution<float> normal(0, float(std::sqrt(gain / double(fan_in))));
    for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = normal(random_);
    return b.constant(std::move(t), "w" + std::to_string(weights_++));
  }

  Val conv(Val x, std::int64_t out, std::int64_t k, std::int64_t stride = 1, bool depthwise = false, bool same_upper = false, double gain = 2) {
    const std::int64_t in = dim(x, 1), size = dim(x, 2), per_group = depthwise ? 1 : in;
    Ints pads{k / 2, k / 2, k / 2, k / 2};
    if (same_upper) {  // TensorFlow's SAME: what is odd goes to the end
      const std::int64_t total = std::max<std::int64_t>(((size + stride - 1) / stride - 1) * stride + k - size, 0), before = total / 2;
      pads = {before, before, total - before, total - before};
    }
    return b.op("Conv", {x, weight({out, per_group, k, k}, per_group * k * k, gain), weight({out}, 100)},
                {{"kernel_shape", Ints{k, k}}, {"strides", Ints{stride, stride}}, {"pads", pads}, {"group", depthwise ? in : std::int64_t{1}}});
  }
  Val relu(Val x) { return b.op("Relu", {x}); }
  Val relu6(Val x) { return b.op("Clip", {x, b.scalar(0, x), b.scalar(6, x)}); }
  Val head(Val x, std::int64_t classes) {
    const Val flat = b.op("Flatten", {b.op("GlobalAveragePool", {x})}, {{"axis", std::int64_t{1}}});
    const std::int64_t features = dim(flat, 1);
    return b.op("Gemm", {flat, weight({classes, features}, features), weight({classes}, 100)}, {{"transB", std::int64_t{1}}});
  }
  Val inverted_residual(Val x, std::int64_t expand, std::int64_t out, std::int64_t k, std::int64_t stride, bool same_upper) {
    const std::int64_t in = dim(x, 1);
    Val h = x;
    if (expand != 1) h = relu6(conv(h, in * expand, 1));
    h = relu6(conv(h, in * expand, k, stride, true, same_upper));
    h = conv(h, out, 1, 1, false, false, 1);
    return stride == 1 && in == out ? x + h : h;
  }
  Val linear(Val x, std::int64_t out, double gain = 1) {
    const std::int64_t in = b.failed() ? 1 : dim(x, b.type(x).dims.size() - 1);
    return b.op("MatMul", {x, weight({in, out}, in, gain)}) + weight({out}, 100);
  }
  Val layer_norm(Val x) {
    const std::int64_t d = dim(x, 2);
    return b.op("LayerNormalization", {x, b.constant(Tensor::of(DType::f32, {d}, {1}), "w" + std::to_string(weights_++)), weight({d}, 100)}, {{"axis", std::int64_t{-1}}, {"epsilon", 1e-5f}});
  }
  Val gelu(Val x) { return x * (b.op("Erf", {x / std::sqrt(2.0)}) + 1.0) * 0.5; }  // as PyTorch's exporter writes it
  Val attention(Val x, std::int64_t heads) {
    const std::int64_t n = dim(x, 1), d = dim(x, 2), e = d / heads;
    const auto split = [&](Val v, const Ints& perm) { return b.op("Transpose", {b.op("Reshape", {v, b.ints({1, n, heads, e})})}, {{"perm", perm}}); };
    const Val q = split(linear(x, d), {0, 2, 1, 3}), k = split(linear(x, d), {0, 2, 3, 1}), v = split(linear(x, d), {0, 2, 1, 3});
    const Val scores = b.op("Softmax", {b.op("MatMul", {q, k}) * (1 / std::sqrt(double(e)))}, {{"axis", std::int64_t{-1}}});
    const Val mixed = b.op("Transpose", {b.op("MatMul", {scores, v})}, {{"perm", Ints{0, 2, 1, 3}}});
    return linear(b.op("Reshape", {mixed, b.ints({1, n, d})}), d);
  }

 private:
  std::mt19937 random_;
  int weights_ = 0;
};

struct Block {
  std::int64_t expand, out, count, stride, kernel;
};

Val mobile(Net& n, std::initializer_list<Block> blocks, bool same_upper) {
  Val x = n.relu6(n.conv(n.input({1, 3, 224, 224}), 32, 3, 2, false, same_upper));
  for (const Block& block : blocks)
    for (std::int64_t i = 0; i < block.count; ++i) x = n.inverted_residual(x, block.expand, block.out, block.kernel, i == 0 ? block.stride : 1, same_upper);
  return n.head(n.relu6(n.conv(x, 1280, 1)), 1000);
}

Val mobilenet_v2(Net& n) {
  return mobile(n, {{1, 16, 1, 1, 3}, {6, 24, 2, 2, 3}, {6, 32, 3, 2, 3}, {6, 64, 4, 2, 3}, {6, 96, 3, 1, 3}, {6, 160, 3, 2, 3}, {6, 320, 1, 1, 3}}, false);
}

Val efficientnet_lite0(Net& n) {
  return mobile(n, {{1, 16, 1, 1, 3}, {6, 24, 2, 2, 3}, {6, 40, 2, 2, 5}, {6, 80, 3, 2, 3}, {6, 112, 3, 1, 5}, {6, 192, 4, 2, 5}, {6, 320, 1, 1, 3}}, true);
}

Val resnet50(Net& n) {
  Val x = n.relu(n.conv(n.input({1, 3, 224, 224}), 64, 7, 2));
  x = n.b.op("MaxPool", {x}, {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}});
  const std::int64_t widths[] = {64, 128, 256, 512}, counts[] = {3, 4, 6, 3};
  for (int stage = 0; stage < 4; ++stage)
    for (std::int64_t i = 0; i < counts[stage]; ++i) {
      const std::int64_t w = widths[stage], stride = i == 0 && stage > 0 ? 2 : 1;
      Val h = n.relu(n.conv(x, w, 1));
      h = n.relu(n.conv(h, w, 3, stride));
      h = n.conv(h, 4 * w, 1, 1, false, false, 0.5);
      x = n.relu(h + (i == 0 ? n.conv(x, 4 * w, 1, stride, false, false, 1) : x));
    }
  return n.head(x, 1000);
}

Val encoder6_384(Net& n) {
  Val x = n.input({1, 128, 384});
  for (int layer = 0; layer < 6; ++layer) {
    x = n.layer_norm(x + n.attention(x, 6));
    x = n.layer_norm(x + n.linear(n.gelu(n.linear(x, 1536)), 384));
  }
  return x;
}

Val acas_mlp(Net& n) {
  Val x = n.input({1, 5});
  for (int layer = 0; layer < 6; ++layer) x = n.relu(n.linear(x, 50, 2));
  return n.linear(x, 5);
}

Result<> write(const std::filesystem::path& folder, const char* name, Val (*network)(Net&), unsigned seed) {
  Net net(seed);
  const Val y = network(net);
  net.b.rename(y, "y");
  ir::Model model;
  SAHA_TRY(model.graph, std::move(net.b).build({y}));
  model.name = name;
  model.producer = "saha_make_models";
  model.opsets[""] = 17;
  model.ir_version = 8;
  const auto file = folder / (std::string(name) + ".onnx");
  SAHA_DO(onnx::export_file(model, file.string(), {.opset = 17}));
  std::printf("%s\n", file.c_str());
  return {};
}

Result<> write_all(const std::filesystem::path& folder) {
  SAHA_DO(system::make_folders(folder));
  SAHA_DO(write(folder, "acas_mlp", acas_mlp, 5));
  SAHA_DO(write(folder, "mobilenet_v2", mobilenet_v2, 1));
  SAHA_DO(write(folder, "resnet50", resnet50, 2));
  SAHA_DO(write(folder, "efficientnet_lite0", efficientnet_lite0, 3));
  SAHA_DO(write(folder, "encoder6_384", encoder6_384, 4));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: saha_make_models OUT_DIR\n");
    return 2;
  }
  auto done = write_all(argv[1]);
  if (!done) {
    std::fprintf(stderr, "error: %s\n", done.error().message.c_str());
    return 1;
  }
}
