// What today's exporters write, in small: each idiom goes through a file of the exporter's opset and through the simplifier, and still
// computes the same. tools/exporters.py checks whole models of the exporters themselves (docs/compatibility.md).
#include <gtest/gtest.h>

#include <map>

#include "formats/onnx/onnx.hpp"
#include "measure/difference.hpp"
#include "measure/inputs.hpp"
#include "op/text_form.hpp"
#include "passes/simplify.hpp"

namespace saha {
namespace {
using Counts = std::map<std::string, int>;
struct Idiom {
  const char *exporter, *what;
  std::int64_t opset;
  const char* text;
  Counts left;   ///< operators after the simplifier
};
// clang-format off
const std::vector<Idiom>& idioms() {
  static const std::vector<Idiom> all = {
    {"torch (TorchScript)", "view(x.size(0), -1)", 17, R"(graph (x: float32[N, 2, 3]) {
      s = Shape(x)
      n = Gather(s, int64[] {0}) {axis = 0}
      u = Unsqueeze(n, int64[1] {0})
      t = Concat(u, int64[1] {-1}) {axis = 0}
      r = Reshape(x, t)
      y = Gemm(r, float32[2, 6] {1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1}, float32[2] {1, 2}) {transB = 1}
      return y
    })", {{"Reshape", 1}, {"Gemm", 1}}},
    {"torch (TorchScript)", "a GRU whose state has the batch's size, and its last step", 17, R"(graph (x: float32[1, 4, 2]) {
      t = Transpose(x) {perm = [1, 0, 2]}
      s = Shape(t)
      n = Gather(s, int64[] {1}) {axis = 0}
      u = Unsqueeze(n, int64[1] {0})
      d = Concat(int64[1] {1}, u, int64[1] {1}) {axis = 0}
      h = Expand(float32[1, 1, 1] {0}, d)
      y, last = GRU(t, float32[1, 3, 2] {1, 2, -1, 1, 2, 1}, float32[1, 3, 1] {1, -1, 2}, float32[1, 6] {1, 2, 3, 3, 2, 1}, _, h) {hidden_size = 1, linear_before_reset = 1}
      q = Squeeze(y, int64[1] {1})
      b = Transpose(q) {perm = [1, 0, 2]}
      z = Gather(b, int64[] {-1}) {axis = 1}
      return z
    })", {{"Transpose", 1}, {"GRU", 1}, {"Reshape", 1}, {"Gather", 1}}},
    {"torch (TorchScript)", "heads of attention, unbound", 17, R"(graph (x: float32[1, 3, 12]) {
      r = Reshape(x, int64[5] {1, 3, 3, 2, 2})
      t = Transpose(r) {perm = [2, 0, 3, 1, 4]}
      a, b, c = Split(t, int64[3] {1, 1, 1}) {axis = 0}
      q = Squeeze(a, int64[1] {0})
      k = Squeeze(b, int64[1] {0})
      v = Squeeze(c, int64[1] {0})
      m = Mul(q, float32[] {0.7})
      kt = Transpose(k) {perm = [0, 1, 3, 2]}
      s = MatMul(m, kt)
      p = Softmax(s) {axis = -1}
      h = MatMul(p, v)
      o = Transpose(h) {perm = [0, 2, 1, 3]}
      y = Reshape(o, int64[3] {1, 3, 4})
      return y
    })", {{"Reshape", 2}, {"Transpose", 3}, {"Split", 1}, {"Squeeze", 3}, {"MatMul", 2}, {"Mul", 1}, {"Softmax", 1}}},
    {"torch (TorchScript)", "padding of TensorFlow's kind, computed from constants", 17, R"(graph (x: float32[1, 1, 5, 5]) {
      c = Ceil(float32[] {2.5})
      d = Sub(c, float32[] {1})
      m = Mul(d, float32[] {2})
      e = Add(m, float32[] {3})
      f = Sub(e, float32[] {5})
      g = Clip(f, float32[] {0})
      i = Cast(g) {to = 7}
      u = Unsqueeze(i, int64[1] {0})
      p = Concat(int64[3] {0, 0, 0}, u, int64[3] {0, 0, 0}, u) {axis = 0}
      z = Pad(x, p, float32[] {0})
      y = Conv(z, float32[1, 1, 3, 3] {1, 2, 3, 4, 5, 4, 3, 2, 1}) {kernel_shape = [3, 3], strides = [2, 2]}
      return y
    })", {{"Conv", 1}}},
    {"torch (TorchScript)", "a weight shared by Identity, an upsampling by the size of another value", 17, R"(graph (x: float32[1, 1, 2, 2], z: float32[1, 1, 4, 4]) {
      w = Identity(float32[1, 1, 1, 1] {2})
      a = Conv(x, w)
      s = Shape(z)
      h = Slice(s, int64[1] {2}, int64[1] {4}, int64[1] {0})
      k = Shape(a)
      n = Slice(k, int64[1] {0}, int64[1] {2}, int64[1] {0})
      t = Concat(n, h) {axis = 0}
      u = Resize(a, _, _, t) {coordinate_transformation_mode = "asymmetric", mode = "nearest", nearest_mode = "floor"}
      b = Conv(z, w)
      y = Add(u, b)
      return y
    })", {{"Conv", 2}, {"Resize", 1}, {"Add", 1}}},
    {"torch (dynamo)", "a bias of zeros in the weight's length and type, then BatchNormalization", 20, R"(graph (x: float32[1, 1, 3, 3]) {
      s = Shape(float32[2, 1, 1, 1] {2, 3}) {start = 0, end = 1}
      e = Expand(s, int64[1] {1})
      c = CastLike(float32[] {0}, x)
      b = Expand(c, e)
      v = Conv(x, float32[2, 1, 1, 1] {2, 3}, b) {kernel_shape = [1, 1]}
      n = BatchNormalization(v, float32[2] {1, 2}, float32[2] {0.5, -1}, float32[2] {0.1, 0.2}, float32[2] {1, 4})
      g = Sigmoid(n)
      y = Mul(n, g)
      return y
    })", {{"Conv", 1}, {"Sigmoid", 1}, {"Mul", 1}}},
    {"torch (dynamo)", "a linear layer on a weight that is transposed in the graph", 20, R"(graph (x: float32[2, 3]) {
      t = Transpose(float32[2, 3] {1, 2, 3, 4, 5, 6}) {perm = [1, 0]}
      m = MatMul(x, t)
      y = Add(m, float32[2] {1, 2})
      return y
    })", {{"Gemm", 1}}},
    {"torch (dynamo)", "gates of a GRU brought into ONNX's order by slices", 20, R"(graph (x: float32[1, 2, 2]) {
      t = Transpose(x) {perm = [1, 0, 2]}
      r = Slice(float32[3, 2] {1, 2, -1, 1, 2, 1}, int64[1] {0}, int64[1] {1}, int64[1] {0})
      z = Slice(float32[3, 2] {1, 2, -1, 1, 2, 1}, int64[1] {1}, int64[1] {2}, int64[1] {0})
      n = Slice(float32[3, 2] {1, 2, -1, 1, 2, 1}, int64[1] {2}, int64[1] {3}, int64[1] {0})
      w = Concat(z, r, n) {axis = 0}
      u = Unsqueeze(w, int64[1] {0})
      y, last = GRU(t, u, float32[1, 3, 1] {1, -1, 2}, float32[1, 6] {1, 2, 3, 3, 2, 1}, _, float32[1, 1, 1] {0}) {hidden_size = 1, linear_before_reset = 1}
      p = Transpose(y) {perm = [0, 2, 1, 3]}
      q = Reshape(p, int64[3] {2, 1, 1})
      o = Transpose(q) {perm = [1, 0, 2]}
      return o
    })", {{"Transpose", 1}, {"GRU", 1}, {"Reshape", 1}}},
    {"torch (dynamo)", "unbind by slices, shapes from one-element constants", 20, R"(graph (x: float32[2, 1, 2, 2]) {
      a = Slice(x, int64[1] {0}, int64[1] {1}, int64[1] {0})
      b = Squeeze(a, int64[1] {0})
      c = Slice(x, int64[1] {1}, int64[1] {2}, int64[1] {0})
      d = Squeeze(c, int64[1] {0})
      m = MatMul(b, d)
      i = Identity(m)
      s = Concat(int64[1] {1}, int64[1] {4}) {axis = 0}
      y = Reshape(i, s) {allowzero = 1}
      return y
    })", {{"Slice", 2}, {"Squeeze", 2}, {"MatMul", 1}, {"Reshape", 1}}},
    {"tf2onnx", "a convolution between layouts, Relu6, a mean that squeezes", 17, R"(graph (x: float32[N, 3, 3, 1]) {
      t = Transpose(x) {perm = [0, 3, 1, 2]}
      c = Conv(t, float32[2, 1, 1, 1] {2, 3}, float32[2] {1, 0}) {kernel_shape = [1, 1]}
      r = Clip(c, float32[] {0}, float32[] {6})
      p = GlobalAveragePool(r)
      s = Squeeze(p, int64[2] {2, 3})
      m = MatMul(s, float32[2, 2] {1, 2, 3, 4})
      y = Softmax(m)
      return y
    })", {{"Transpose", 1}, {"Conv", 1}, {"Clip", 1}, {"GlobalAveragePool", 1}, {"Squeeze", 1}, {"MatMul", 1}, {"Softmax", 1}}},
    {"tf2onnx", "the state of a bidirectional LSTM from a shape cast to 32 bits and back", 17, R"(graph (x: float32[N, 2, 2]) {
      s = Shape(x)
      i = Cast(s) {to = 6}
      t = Transpose(x) {perm = [1, 0, 2]}
      b = Slice(i, int64[1] {0}, int64[1] {1}, int64[1] {0})
      d = Concat(b, int32[1] {1}) {axis = 0}
      l = Cast(d) {to = 7}
      z = Expand(float32[] {0}, l)
      u = Unsqueeze(z, int64[1] {0})
      h = Concat(u, u) {axis = 0}
      y, yh, yc = LSTM(t, float32[2, 4, 2] {1, 2, 3, 4, 4, 3, 2, 1, 1, 2, 1, 2, 2, 1, 2, 1}, float32[2, 4, 1] {1, 2, 3, 4, 4, 3, 2, 1}, float32[2, 8] {1, 2, 3, 4, 4, 3, 2, 1, 1, 2, 1, 2, 2, 1, 2, 1}, _, h, h) {hidden_size = 1, direction = "bidirectional"}
      f = Slice(y, int64[1] {0}, int64[1] {1}, int64[1] {1})
      fs = Squeeze(f, int64[1] {1})
      g = Slice(y, int64[1] {1}, int64[1] {2}, int64[1] {1})
      gs = Squeeze(g, int64[1] {1})
      o = Concat(fs, gs) {axis = 2}
      return o
    })", {{"Transpose", 1}, {"LSTM", 1}, {"Slice", 2}, {"Squeeze", 2}, {"Concat", 1}}},
    {"paddle2onnx", "a convolution's bias apart, an Identity after each step, a hard swish", 13, R"(graph (x: float32[N, 1, 2, 2]) {
      c = Conv(x, float32[2, 1, 1, 1] {2, 3}) {kernel_shape = [1, 1]}
      r = Reshape(float32[2] {1, 2}, int64[4] {1, 2, 1, 1})
      a = Add(c, r)
      i = Identity(a)
      b = BatchNormalization(i, float32[2] {1, 2}, float32[2] {0.5, -1}, float32[2] {0.1, 0.2}, float32[2] {1, 4})
      h = HardSigmoid(b) {alpha = 0.16666667, beta = 0.5}
      m = Mul(h, b)
      p = ReduceMean(m, int64[2] {2, 3}) {keepdims = 0}
      y = Identity(p)
      return y
    })", {{"Conv", 1}, {"HardSigmoid", 1}, {"Mul", 1}, {"ReduceMean", 1}}},
    {"paddle2onnx", "a scale as a product and a sum with zero, dropout as Identity", 13, R"(graph (q: float32[1, 2, 3], k: float32[1, 2, 3]) {
      m = Mul(q, float32[1] {0.5})
      a = Add(m, float32[1] {0})
      i = Identity(a)
      t = Transpose(k) {perm = [0, 2, 1]}
      s = MatMul(i, t)
      p = Softmax(s) {axis = -1}
      y = Identity(p)
      return y
    })", {{"Mul", 1}, {"Transpose", 1}, {"MatMul", 1}, {"Softmax", 1}}},
    {"skl2onnx", "a perceptron that ends in a label looked up", 21, R"(graph (x: float32[N, 2]) {
      c = Cast(x) {to = 1}
      m = MatMul(c, float32[2, 3] {1, -2, 3, 4, 5, -6})
      a = Add(m, float32[1, 3] {1, 2, 3})
      p = Softmax(a)
      i = Identity(p)
      k = ArgMax(i) {axis = 1}
      f = ArrayFeatureExtractor(int32[3] {7, 8, 9}, k)
      r = Reshape(f, int64[1] {-1})
      label = Cast(r) {to = 7}
      return label, p
    })", {{"Gemm", 1}, {"Softmax", 1}, {"ArgMax", 1}, {"ArrayFeatureExtractor", 1}, {"Reshape", 1}, {"Cast", 1}}},
    {"skl2onnx", "distances to all points by a Scan", 21, R"(graph (x: float32[N, 2]) {
      last, d = Scan(x, float32[3, 2] {1, 2, 3, 4, 5, 6}) {num_scan_inputs = 1, carried = 1, body = graph (all: float32[N, 2], one: float32[2]) {
        next = Identity(all)
        s = Sub(all, one)
        q = ReduceSumSquare(s, int64[1] {1}) {keepdims = 0}
        out = Identity(q)
        return next, out
      }}
      t = Transpose(d) {perm = [1, 0]}
      r = Sqrt(t)
      v, i = TopK(r, int64[1] {2}) {largest = 0}
      return v, i
    })", {{"Scan", 1}, {"Transpose", 1}, {"Sqrt", 1}, {"TopK", 1}}},
    {"onnxmltools", "probabilities times one", 9, R"(graph (x: float32[N, 2]) {
      l, p = LinearClassifier(x) {classlabels_ints = [0, 1], coefficients = [1.0, -1.0, -1.0, 1.0], intercepts = [0.5, 0.25], multi_class = 1, post_transform = "SOFTMAX"}
      i = Identity(p)
      y = Mul(i, float32[] {1})
      label = Cast(l) {to = 7}
      return label, y
    })", {{"LinearClassifier", 1}}},
    {"jax2onnx", "a product with ones made in the graph", 23, R"(graph (x: float32[2, 3]) {
      w = ConstantOfShape(int64[2] {3, 2}) {value = float32[1] {1}}
      g = Gemm(x, w, float32[] {0}) {beta = 0.0}
      y = Tanh(g)
      return y
    })", {{"Gemm", 1}, {"Tanh", 1}}},
  };
  return all;
}
// clang-format on

void expect_same(const ir::Graph& a, const ir::Graph& b, const std::string& where) {
  const auto in = measure::random_inputs(a, {}, 1);
  ASSERT_TRUE(in) << where;
  auto x = op::run(a, std::span<const Datum>(*in)), y = op::run(b, std::span<const Datum>(*in));
  ASSERT_TRUE(x) << where << x.error().message;
  ASSERT_TRUE(y) << where << y.error().message;
  EXPECT_LT(measure::difference(*x, *y).relative, 1e-5) << where;
}

TEST(ExporterIdioms, are_written_read_and_simplified_and_compute_the_same) {
  for (const Idiom& idiom : idioms()) {
    const std::string where = std::string(idiom.exporter) + ": " + idiom.what + ": ";
    auto graph = op::parse(idiom.text);
    ASSERT_TRUE(graph) << where << graph.error().message;
    ir::Model model;
    model.graph = *graph;
    auto bytes = onnx::export_bytes(model, {.opset = idiom.opset});
    ASSERT_TRUE(bytes) << where << bytes.error().message;
    auto read = onnx::import_bytes(std::as_bytes(std::span(bytes->data(), bytes->size())));
    ASSERT_TRUE(read) << where << read.error().message;
    expect_same(*graph, read->graph, where + "read back: ");
    auto simple = passes::simplify(read->graph, {.opset = idiom.opset});
    ASSERT_TRUE(simple) << where << simple.error().message;
    expect_same(*graph, simple->graph, where + "simplified: ");
    Counts left;
    for (const ir::Node& n : simple->graph.nodes()) ++left[std::string(n.op.str())];
    EXPECT_EQ(left, idiom.left) << where;
  }
}

}  // namespace
}  // namespace saha
