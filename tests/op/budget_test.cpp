// What a model of unknown origin can ask for: work that its size does not tell. A budget of steps ends it; without a budget nothing changes.
#include <gtest/gtest.h>

#include <ctime>

#include "op/text_form.hpp"

namespace saha::op {
namespace {
ir::Graph read(const std::string& text) {
  auto g = parse(text);
  EXPECT_TRUE(g) << (g ? "" : g.error().message) << "\n" << text;
  return g ? std::move(*g) : ir::Graph();
}
/// Constants of ones are made by the graph, so that the file that would hold it is small.
std::string ones(const std::string& name, const std::string& dims) {
  std::size_t rank = std::size_t(std::count(dims.begin(), dims.end(), ',')) + 1;
  return "  " + name + " = ConstantOfShape(int64[" + std::to_string(rank) + "] {" + dims + "}) {value = float32[1] {1}}\n";
}

TEST(Budget, ends_every_operator_whose_work_is_more_than_its_operands_and_results) {
  struct Case { const char* op; std::string text; } cases[] = {
      {"Conv", ones("x", "1, 1, 256, 256") + ones("w", "1, 1, 256, 256") + "  y = Conv(x, w) {pads = [127, 127, 128, 128]}\n"},
      {"ConvTranspose", ones("x", "1, 1, 256, 256") + ones("w", "1, 1, 256, 256") + "  y = ConvTranspose(x, w)\n"},
      {"MatMul", ones("x", "512, 512") + "  y = MatMul(x, x)\n"},
      {"Gemm", ones("x", "512, 512") + "  y = Gemm(x, x)\n"},
      {"Einsum", ones("x", "65536") + "  y = Einsum(x, x) {equation = \"a,b->\"}\n"},
      {"MaxPool", ones("x", "1, 1, 256, 256") + "  y = MaxPool(x) {kernel_shape = [255, 255], pads = [127, 127, 127, 127]}\n"},
      {"AveragePool", ones("x", "1, 1, 256, 256") + "  y = AveragePool(x) {kernel_shape = [255, 255], pads = [127, 127, 127, 127]}\n"},
      {"LpPool", ones("x", "1, 1, 256, 256") + "  y = LpPool(x) {kernel_shape = [255, 255], pads = [127, 127, 127, 127]}\n"},
      {"GRU", ones("x", "10000, 1, 1") + ones("w", "1, 384, 1") + ones("r", "1, 384, 128") + "  h, y = GRU(x, w, r) {hidden_size = 128}\n"},
      {"Attention", ones("x", "1, 1, 4096, 4") + "  y = Attention(x, x, x)\n"},
      {"DFT", ones("x", "1, 500009, 1") + "  y = DFT(x, _, int64[] {1})\n"},
      {"NonMaxSuppression", ones("x", "1, 20000, 4") + ones("s", "1, 1, 20000") + "  y = NonMaxSuppression(x, s, int64[1] {20000}, float32[1] {1})\n"},
      {"Resize", ones("x", "1, 1, 1024, 1024") + "  y = Resize(x, _, _, int64[4] {1, 1, 1048576, 1}) {mode = \"linear\"}\n"},
      {"Tile", "  y = Tile(int64[1] {1}, int64[1] {4000000000})\n"},
      {"Expand", "  y = Expand(int64[1] {1}, int64[1] {4000000000})\n"},
      {"Range", "  y = Range(int64[] {0}, int64[] {4000000000}, int64[] {1})\n"},
      {"Relu", ones("x", "1, 4000000") + "  y = Relu(x)\n"},
  };
  for (const Case& c : cases) {
    ir::Graph g = read("graph () {\n" + c.text + "  return y\n}\n");
    Budget budget{1e8};
    auto y = run(g, std::span<const Datum>(), &budget);
    ASSERT_FALSE(y) << c.op;
    EXPECT_EQ(y.error().code, ErrorCode::cancelled) << c.op << ": " << y.error().message;
    EXPECT_NE(y.error().message.find(std::string(c.op) + ": needs "), std::string::npos) << y.error().message;
    EXPECT_TRUE(budget.refused) << c.op;
  }
}

TEST(Budget, ends_a_loop_of_enormous_trips) {
  ir::Graph g = read("graph (x: float32[3]) {\n  y = Loop(int64[] {200000000}, _, x) {carried = 1, body = graph (i: int64[], c: bool[], a: float32[3]) {\n    d = Identity(c)\n    b = Add(a, a)\n    return d, b\n  }}\n  return y\n}\n");
  std::vector<Datum> in = {Tensor::zeros(DType::f32, {3})};
  Budget budget{1e8};
  auto y = run(g, std::span<const Datum>(in), &budget);
  ASSERT_FALSE(y);
  EXPECT_EQ(y.error().code, ErrorCode::cancelled) << y.error().message;
}

TEST(Budget, ends_a_string_that_doubles) {
  std::string text = "graph (x: string[1]) {\n  s0 = Identity(x)\n";
  for (int i = 1; i <= 40; ++i) text += "  s" + std::to_string(i) + " = StringConcat(s" + std::to_string(i - 1) + ", s" + std::to_string(i - 1) + ")\n";
  ir::Graph g = read(text + "  return s40\n}\n");
  std::vector<Datum> in = {Tensor::of_strings({1}, {"a"})};
  Budget budget{1e7};
  auto y = run(g, std::span<const Datum>(in), &budget);
  ASSERT_FALSE(y);
  EXPECT_EQ(y.error().code, ErrorCode::cancelled) << y.error().message;
}

TEST(Budget, that_suffices_changes_nothing_and_is_taken_from) {
  ir::Graph g = read("graph (x: float32[4, 4]) {\n  y = MatMul(x, x)\n  return y\n}\n");
  std::vector<Datum> in = {Tensor::of(DType::f32, {4, 4}, std::vector<double>(16, 2))};
  Budget budget{1e6};
  auto with = run(g, std::span<const Datum>(in), &budget), without = run(g, std::span<const Datum>(in));
  ASSERT_TRUE(with && without);
  for (std::int64_t i = 0; i < 16; ++i) EXPECT_EQ((*with)[0].tensor.at(i), (*without)[0].tensor.at(i));
  EXPECT_LE(budget.steps, 1e6 - 64);
  EXPECT_FALSE(budget.refused);
}

TEST(Inference, of_a_shape_that_would_be_enormous_to_compute_is_quick) {
  std::string text = "graph (x: float32[N]) {\n", parts;
  for (int i = 0; i < 200; ++i) {
    text += "  k" + std::to_string(i) + " = Tile(int64[1] {1}, int64[1] {1000000000})\n";
    parts += (i ? ", k" : "k") + std::to_string(i);
  }
  std::clock_t start = std::clock();
  read(text + "  big = Concat(" + parts + ") {axis = 0}\n  q = Gather(big, int64[1] {0})\n  y = Reshape(x, q)\n  return y\n}\n");
  EXPECT_LT(double(std::clock() - start) / CLOCKS_PER_SEC, 5);
}

TEST(Inference, of_loops_in_loops_does_not_multiply_their_turns) {
  std::string body = "    b24 = Concat(a24, a24) {axis = 0}\n";
  for (int i = 24; i > 0; --i) {
    std::string in = std::to_string(i), out = std::to_string(i - 1);
    body = "    b" + out + " = Loop(int64[] {3}, _, a" + out + ") {carried = 1, body = graph (i" + in + ": int64[], c" + in + ": bool[], a" + in + ": float32[*]) {\n    d" + in + " = Identity(c" + in + ")\n" + body + "    return d" + in + ", b" + in + "\n    }}\n";
  }
  std::clock_t start = std::clock();
  ir::Graph g = read("graph (a0: float32[1]) {\n" + body + "  return b0\n}\n");
  EXPECT_LT(double(std::clock() - start) / CLOCKS_PER_SEC, 5);
  EXPECT_EQ(g.type(g.outputs()[0]).dtype, DType::f32);
}

}  // namespace
}  // namespace saha::op
