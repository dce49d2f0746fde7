// For each operator that has bounds: a small random graph, bounded over random boxes, encloses what it computes at points of the box - by the references, in float64, and in float32
// with sums in any order - in every layer, and so do linear bounds of random queries.
#include <sstream>

#include "bounds_testing.hpp"

#include "verify/ascent.hpp"

using namespace saha;
using namespace saha::verify;
using namespace saha::verify::testing;

namespace {
struct Example {
  const char* name;
  op::Vals (*make)(Maker& m);
};

/// Two networks of one input whose weights differ by about `apart`, or (0) one network on two inputs; then their outputs' differences.
op::Vals two_networks(Maker& m, double apart) {
  const Tensor w[] = {m.tensor({3, 6}), m.tensor({6, 6}), m.tensor({6, 2})}, b[] = {m.tensor({6}), m.tensor({6}), m.tensor({2})};
  op::Val shared = m.x({1, 3}), out[2];
  for (int net = 0; net < 2; ++net) {
    op::Val h = net && apart == 0 ? m.x({1, 3}) : shared;
    auto moved = [&](Tensor t) {
      t = Tensor::of(DType::f32, t.dims, values<double>(t));
      for (std::int64_t i = 0; net && i < t.size(); ++i) t.as<float>()[i] += float(m.uniform(-apart, apart));
      return m.b.constant(t);
    };
    for (int k = 0; k < 3; ++k) {
      h = m.op("Gemm", {h, moved(w[k]), moved(b[k])});
      if (k < 2) h = m.op("Relu", {h});
    }
    out[net] = h;
  }
  return {out[0] - out[1]};
}

#define ONE(name, expression) {name, [](Maker& m) -> op::Vals { return {expression}; }}
const Example kExamples[] = {
    ONE("Gemm", m.op("Gemm", {m.x({1, 4}), m.c({3, 4}), m.c({3})}, {{"transB", std::int64_t{1}}})),
    ONE("Gemm alpha beta", m.op("Gemm", {m.x({3, 2}), m.c({3, 4}), m.c({2, 1})}, {{"transA", std::int64_t{1}}, {"alpha", 0.3f}, {"beta", 1.7f}})),
    ONE("Gemm constant left", m.op("Gemm", {m.c({2, 3}), m.x({3, 2}), m.x({2})})),
    {"Gemm of a sum with itself", [](Maker& m) -> op::Vals { op::Val x = m.x({1, 3}); return {m.op("Gemm", {x, m.c({3, 3}), x})}; }},
    ONE("MatMul", m.op("MatMul", {m.x({2, 3}), m.c({3, 4})})),
    ONE("MatMul constant left", m.op("MatMul", {m.c({2, 3}), m.x({2, 3, 2})})),
    ONE("MatMul of variables", m.op("MatMul", {m.x({2, 3}), m.x({3, 2})})),
    {"MatMul of one variable", [](Maker& m) -> op::Vals { op::Val x = m.x({2, 2}); return {m.op("MatMul", {x, x})}; }},
    ONE("Conv 1-D", m.op("Conv", {m.x({1, 2, 6}), m.c({3, 2, 3}), m.c({3})}, {{"pads", ir::Ints{1, 1}}, {"strides", ir::Ints{2}}})),
    ONE("Conv 2-D grouped", m.op("Conv", {m.x({1, 4, 4, 4}), m.c({4, 2, 2, 2}), m.c({4})}, {{"group", std::int64_t{2}}, {"dilations", ir::Ints{2, 1}}, {"pads", ir::Ints{1, 0, 0, 1}}})),
    ONE("ConvTranspose", m.op("ConvTranspose", {m.x({1, 2, 3}), m.c({2, 2, 3}), m.c({2})}, {{"strides", ir::Ints{2}}})),
    ONE("ConvTranspose 2-D", m.op("ConvTranspose", {m.x({1, 2, 2, 2}), m.c({2, 1, 2, 3}), m.c({2})}, {{"group", std::int64_t{2}}})),
    ONE("AveragePool", m.op("AveragePool", {m.x({1, 1, 4, 4})}, {{"kernel_shape", ir::Ints{3, 3}}, {"pads", ir::Ints{1, 1, 1, 1}}})),
    ONE("MaxPool", m.op("MaxPool", {m.x({1, 1, 4, 4})}, {{"kernel_shape", ir::Ints{3, 3}}, {"pads", ir::Ints{1, 1, 0, 0}}})),
    ONE("GlobalAveragePool", m.op("GlobalAveragePool", {m.x({1, 2, 3, 3})})),
    ONE("GlobalMaxPool", m.op("GlobalMaxPool", {m.x({1, 2, 2, 3})})),
    ONE("LpPool", m.op("LpPool", {m.x({1, 1, 4}, 0.2, 2)}, {{"kernel_shape", ir::Ints{2}}})),
    ONE("BatchNormalization", m.op("BatchNormalization", {m.x({1, 2, 3}), m.c({2}), m.c({2}), m.c({2}), m.c({2}, 0.5, 2)})),
    ONE("Relu", m.op("Relu", {m.x({5})})),
    ONE("LeakyRelu", m.op("LeakyRelu", {m.x({5})}, {{"alpha", 0.13f}})),
    ONE("PRelu", m.op("PRelu", {m.x({2, 3}), m.c({3})})),
    ONE("HardSigmoid", m.op("HardSigmoid", {m.x({5}, -5, 5)})),
    ONE("HardSwish", m.op("HardSwish", {m.x({5}, -5, 5)})),
    ONE("Clip", m.op("Clip", {m.x({5}), m.of({}, {-0.7}), m.of({}, {0.3})})),
    ONE("Clip by the largest number", m.op("Clip", {m.x({5}), m.of({}, {0}), m.of({}, {3.4028234663852886e38})})),
    ONE("Sigmoid", m.op("Sigmoid", {m.x({5}, -6, 6)})),
    ONE("Tanh", m.op("Tanh", {m.x({5}, -4, 4)})),
    ONE("Softmax", m.op("Softmax", {m.x({2, 3})})),
    ONE("Softmax of an axis", m.op("Softmax", {m.x({2, 3}, -8, 8)}, {{"axis", std::int64_t{0}}})),
    ONE("LogSoftmax", m.op("LogSoftmax", {m.x({2, 3})})),
    ONE("Gelu", m.op("Gelu", {m.x({5}, -3, 3)})),
    ONE("Gelu tanh", m.op("Gelu", {m.x({5}, -3, 3)}, {{"approximate", std::string("tanh")}})),
    ONE("Elu", m.op("Elu", {m.x({5})}, {{"alpha", 0.7f}})),
    ONE("Elu with a corner", m.op("Elu", {m.x({5})}, {{"alpha", 1.9f}})),
    ONE("Selu", m.op("Selu", {m.x({5})})),
    ONE("Celu", m.op("Celu", {m.x({5})}, {{"alpha", 1.4f}})),
    ONE("Softplus", m.op("Softplus", {m.x({5}, -9, 9)})),
    ONE("Softsign", m.op("Softsign", {m.x({5})})),
    ONE("Mish", m.op("Mish", {m.x({5})})),
    ONE("Swish", m.op("Swish", {m.x({5})}, {{"alpha", 1.3f}})),
    ONE("Erf", m.op("Erf", {m.x({5})})),
    ONE("Exp", m.op("Exp", {m.x({5}, -5, 5)})),
    ONE("Log", m.op("Log", {m.x({5}, 0.01, 4)})),
    ONE("Sqrt", m.op("Sqrt", {m.x({5}, 0, 4)})),
    ONE("Reciprocal", m.op("Reciprocal", {m.x({5}, 0.1, 4)})),
    ONE("Pow 2", m.op("Pow", {m.x({5}), m.of({}, {2})})),
    ONE("Pow 3", m.op("Pow", {m.x({5}), m.of({}, {3})})),
    ONE("Pow -2", m.op("Pow", {m.x({5}, 0.5, 3), m.of({}, {-2})})),
    ONE("Pow 0.5", m.op("Pow", {m.x({5}, 0.5, 3), m.of({}, {0.5})})),
    ONE("Pow -0.5", m.op("Pow", {m.x({5}, 0.5, 3), m.of({}, {-0.5})})),
    ONE("Sin", m.op("Sin", {m.x({5}, -9, 9)})),
    ONE("Cos", m.op("Cos", {m.x({5}, -9, 9)})),
    ONE("Tan", m.op("Tan", {m.x({5}, -1.4, 1.4)})),
    ONE("Atan", m.op("Atan", {m.x({5})})),
    ONE("Asin", m.op("Asin", {m.x({5}, -1, 1)})),
    ONE("Acos", m.op("Acos", {m.x({5}, -1, 1)})),
    ONE("Sinh", m.op("Sinh", {m.x({5})})),
    ONE("Cosh", m.op("Cosh", {m.x({5})})),
    ONE("Asinh", m.op("Asinh", {m.x({5})})),
    ONE("Acosh", m.op("Acosh", {m.x({5}, 1, 5)})),
    ONE("Atanh", m.op("Atanh", {m.x({5}, -0.9, 0.9)})),
    ONE("Add", m.x({2, 3}) + m.x({3})),
    ONE("Add of a constant", m.x({2, 3}) + m.c({2, 1})),
    ONE("Sub", m.x({2, 3}) - m.x({3})),
    ONE("Sub from a constant", m.c({2, 3}) - m.x({3})),
    ONE("Sum", m.op("Sum", {m.x({3}), m.x({2, 3}), m.c({3})})),
    ONE("Mean", m.op("Mean", {m.x({3}), m.x({2, 3}), m.c({3})})),
    ONE("Mul", m.x({2, 3}) * m.x({3})),
    ONE("Mul by a constant", m.x({2, 3}) * m.c({2, 1})),
    {"Mul by itself", [](Maker& m) -> op::Vals { op::Val x = m.x({4}); return {x * x}; }},
    ONE("Div", m.x({2, 3}) / m.x({3}, 0.5, 3)),
    ONE("Div by a constant", m.x({2, 3}) / m.c({3}, 0.1, 2)),
    ONE("Div of a constant", m.c({3}) / m.x({3}, -3, -0.5)),
    ONE("Max", m.op("Max", {m.x({3}), m.x({2, 3}), m.c({3})})),
    ONE("Min", m.op("Min", {m.x({3}), m.x({2, 3}), m.c({3})})),
    ONE("Abs", m.op("Abs", {m.x({5})})),
    ONE("Neg", m.op("Neg", {m.x({5})})),
    ONE("Sign", m.op("Sign", {m.x({5})})),
    ONE("Floor", m.op("Floor", {m.x({5})})),
    ONE("Ceil", m.op("Ceil", {m.x({5})})),
    ONE("Round", m.op("Round", {m.x({5})})),
    ONE("ReduceSum", m.op("ReduceSum", {m.x({2, 3}), m.ints({1})})),
    ONE("ReduceMean", m.op("ReduceMean", {m.x({2, 3}), m.ints({0})}, {{"keepdims", std::int64_t{0}}})),
    ONE("ReduceMax", m.op("ReduceMax", {m.x({2, 3}), m.ints({-1})})),
    ONE("ReduceMax of all", m.op("ReduceMax", {m.x({2, 3})})),
    ONE("ReduceMax of no axes", m.op("ReduceMax", {m.x({2, 3}), m.ints({})})),
    ONE("ReduceMax of nothing", m.op("ReduceMax", {m.x({2, 3})}, {{"noop_with_empty_axes", std::int64_t{1}}})),
    ONE("ReduceMin", m.op("ReduceMin", {m.x({2, 3}), m.ints({0})})),
    ONE("ReduceL1", m.op("ReduceL1", {m.x({2, 3}), m.ints({1})})),
    ONE("ReduceL2", m.op("ReduceL2", {m.x({2, 3}, 0.5, 3), m.ints({1})})),
    ONE("ReduceSumSquare", m.op("ReduceSumSquare", {m.x({2, 3}), m.ints({1})})),
    ONE("ReduceLogSum", m.op("ReduceLogSum", {m.x({2, 3}, 0.5, 3), m.ints({1})})),
    ONE("ReduceLogSumExp", m.op("ReduceLogSumExp", {m.x({2, 3}), m.ints({1})})),
    ONE("CumSum", m.op("CumSum", {m.x({2, 3}), m.b.constant(Tensor::scalar_int(1))})),
    ONE("Reshape", m.op("Reshape", {m.x({2, 3}), m.ints({3, 2})}) * m.c({3, 2})),
    ONE("Transpose", m.op("Transpose", {m.x({2, 3})}, {{"perm", ir::Ints{1, 0}}}) + m.c({3, 2})),
    ONE("Flatten", m.op("Flatten", {m.x({2, 3})})),
    ONE("Squeeze", m.op("Squeeze", {m.x({2, 1, 3}), m.ints({1})})),
    ONE("Unsqueeze", m.op("Unsqueeze", {m.x({2, 3}), m.ints({1})})),
    ONE("Expand", m.op("Gemm", {m.op("Flatten", {m.op("Expand", {m.x({1, 3}), m.ints({1, 2, 3})})}), m.c({6, 4})})),
    ONE("Tile", m.op("Tile", {m.x({3}), m.ints({2})})),
    ONE("Concat", m.op("Concat", {m.x({2, 3}), m.c({2, 1}), m.x({2, 2})}, {{"axis", std::int64_t{1}}})),
    ONE("Slice", m.op("Slice", {m.x({4, 3}), m.ints({3}), m.ints({-5}), m.ints({0}), m.ints({-2})})),
    ONE("Pad", m.op("Pad", {m.x({2, 3}), m.ints({1, 0, 0, 2}), m.of({}, {3})})),
    ONE("Pad reflected", m.op("Pad", {m.x({5}), m.ints({2, 1})}, {{"mode", std::string("reflect")}})),
    ONE("Gather", m.op("Gather", {m.x({4, 2}), m.ints({2, 0, 2})})),
    {"Split", [](Maker& m) -> op::Vals { op::Vals y = m.b.ops("Split", {m.x({4, 2}), m.ints({1, 3})}, {}, 2); return {y[1] * 2.0, y[0]}; }},
    ONE("Where", m.op("Where", {m.b.constant(Tensor::of(DType::boolean, {3}, {1, 0, 1})), m.x({2, 3}), m.x({3})})),
    ONE("Where a constant", m.op("Where", {m.b.constant(Tensor::of(DType::boolean, {3}, {1, 0, 1})), m.x({2, 3}), m.c({3})})),
    ONE("Trilu", m.op("Trilu", {m.x({3, 3})})),
    ONE("DepthToSpace", m.op("DepthToSpace", {m.x({1, 4, 2, 2})}, {{"blocksize", std::int64_t{2}}})),
    ONE("Resize nearest", m.op("Resize", {m.x({1, 1, 2, 3}), {}, m.of({4}, {1, 1, 2, 2})})),
    ONE("Resize linear", m.op("Resize", {m.x({1, 1, 3}), {}, m.of({3}, {1, 1, 1.7})}, {{"mode", std::string("linear")}})),
    ONE("Resize cubic", m.op("Resize", {m.x({1, 1, 4}), {}, m.of({3}, {1, 1, 1.5})}, {{"mode", std::string("cubic")}})),
    ONE("Einsum", m.op("Einsum", {m.x({2, 3}), m.c({4, 3})}, {{"equation", std::string("ij,kj->ik")}})),
    ONE("LayerNormalization", m.op("LayerNormalization", {m.x({2, 3}), m.c({3}), m.c({3})}, {{"epsilon", 0.1f}})),
    ONE("InstanceNormalization", m.op("InstanceNormalization", {m.x({1, 2, 3}), m.c({2}), m.c({2})}, {{"epsilon", 0.1f}})),
    ONE("GroupNormalization", m.op("GroupNormalization", {m.x({1, 4, 2}), m.c({4}), m.c({4})}, {{"epsilon", 0.1f}, {"num_groups", std::int64_t{2}}})),
    ONE("RMSNormalization", m.op("RMSNormalization", {m.x({2, 3}), m.c({3})}, {{"epsilon", 0.1f}})),
    ONE("LRN", m.op("LRN", {m.x({1, 3, 2})}, {{"size", std::int64_t{3}}, {"beta", 0.5f}})),
    ONE("Attention", m.op("Attention", {m.x({1, 1, 2, 2}), m.x({1, 1, 3, 2}), m.x({1, 1, 3, 2})})),
    {"LSTM", [](Maker& m) -> op::Vals { return {m.b.ops("LSTM", {m.x({2, 1, 2}), m.c({1, 8, 2}), m.c({1, 8, 2}), m.c({1, 16})}, {{"hidden_size", std::int64_t{2}}}, 3)[0]}; }},
    {"GRU", [](Maker& m) -> op::Vals { return {m.b.ops("GRU", {m.x({2, 1, 2}), m.c({1, 6, 2}), m.c({1, 6, 2}), m.c({1, 12})}, {{"hidden_size", std::int64_t{2}}}, 2)[1]}; }},
    {"RNN", [](Maker& m) -> op::Vals { return {m.b.ops("RNN", {m.x({3, 1, 2}), m.c({1, 2, 2}), m.c({1, 2, 2})}, {{"hidden_size", std::int64_t{2}}}, 2)[0]}; }},
    {"one value twice", [](Maker& m) -> op::Vals { op::Val y = m.op("Relu", {m.x({3})}); return {y, y}; }},
    {"a result and a constant", [](Maker& m) -> op::Vals { return {m.op("Relu", {m.x({3})}), m.c({2})}; }},
    {"two layers", [](Maker& m) -> op::Vals {
       op::Val h = m.op("Relu", {m.op("Gemm", {m.x({1, 4}), m.c({4, 9}), m.c({9})})});
       return {m.op("Gemm", {m.op("Relu", {m.op("Gemm", {h, m.c({9, 9}), m.c({9})})}), m.c({9, 3}), m.c({3})})};
     }},
    {"a residual network", [](Maker& m) -> op::Vals {
       op::Val x = m.x({1, 6}), h = m.op("Relu", {m.op("MatMul", {x, m.c({6, 6})}) + m.c({6})});
       op::Val r = m.op("Relu", {h + m.op("MatMul", {h, m.c({6, 6})})});
       return {m.op("Tanh", {r + h}) * m.op("Sigmoid", {x})};
     }},
    {"a convolutional network", [](Maker& m) -> op::Vals {
       op::Val h = m.op("Relu", {m.op("Conv", {m.x({1, 1, 5, 5}, -1, 1), m.c({3, 1, 3, 3}), m.c({3})})});
       h = m.op("MaxPool", {h}, {{"kernel_shape", ir::Ints{2, 2}}});
       return {m.op("Gemm", {m.op("Flatten", {h}), m.c({12, 2}), m.c({2})})};
     }},
    {"features that are there three times", [](Maker& m) -> op::Vals {
       op::Val x = m.x({1, 2}), wide = m.op("Concat", {x, x, x}, {{"axis", std::int64_t{1}}});
       return {m.op("Gemm", {wide, m.of({6, 1}, {16777216, -16777216, 1, 1, -16777216, 16777216})})};
     }},
    {"features that are repeated and cancel", [](Maker& m) -> op::Vals {
       return {m.op("MatMul", {m.op("Reshape", {m.op("Expand", {m.x({1, 2}), m.ints({3, 2})}), m.ints({1, 6})}), m.of({6, 1}, {33554432, 1e7, 0.5, -1e7, -33554432, 1})})};
     }},
    {"Relu of two networks that hardly differ", [](Maker& m) -> op::Vals { return two_networks(m, 1e-4); }},
    {"Relu of two networks that differ", [](Maker& m) -> op::Vals { return two_networks(m, 0.05); }},
    {"Relu of two networks that have little in common", [](Maker& m) -> op::Vals { return two_networks(m, 1); }},
    {"Relu of a network on two inputs", [](Maker& m) -> op::Vals { return two_networks(m, 0); }},
};

struct Points {
  std::vector<float> lo, hi;
  std::vector<std::vector<float>> x;
};
/// A box within the region, and points of it: its middle, corners, and anywhere.
Points points_in(const Maker& m, int count, std::mt19937_64& random) {
  Points p;
  auto unit = [&] { return float(std::uniform_real_distribution<double>(0, 1)(random)); };
  const float width = std::pow(10.0f, -4 * unit()) * (coin(random) ? 1.0f : 0.3f);
  for (auto [from, to] : m.region) {
    const float half = 0.5f * width * (to - from) * (random() % 8 ? unit() : 0.0f), c = from + half + (to - from - 2 * half) * unit();
    p.lo.push_back(std::max(from, c - half)), p.hi.push_back(std::min(to, c + half));
  }
  for (int k = 0; k < count; ++k) {
    std::vector<float> x;
    for (std::size_t i = 0; i < p.lo.size(); ++i) {
      const float at = k == 0 ? 0.5f : k % 3 == 0 ? unit() : coin(random) ? 1.0f : k % 3 == 1 ? 0.0f : unit();
      x.push_back(std::clamp(p.lo[i] + at * (p.hi[i] - p.lo[i]), p.lo[i], p.hi[i]));
    }
    p.x.push_back(std::move(x));
  }
  return p;
}

/// What lies outside the bounds of its box, over as many boxes as lanes; empty: nothing.
std::string outside(const Maker& m, const Net& net, const Execution& execution, const Loops& loops, int lanes, std::mt19937_64& random) {
  const std::size_t b = std::size_t(lanes), last = net.layers.size() - 1;
  Sweep sweep(net, loops, lanes, 4 * loops.vector, Arithmetic::float32);
  std::vector<Points> boxes;
  for (int q = 0; q < lanes; ++q) {
    boxes.push_back(points_in(m, lanes == 1 ? 24 : 5, random));
    for (std::size_t i = 0; i < m.region.size(); ++i) sweep.lo(0)[i * b + std::size_t(q)] = boxes.back().lo[i], sweep.hi(0)[i * b + std::size_t(q)] = boxes.back().hi[i];
  }
  sweep.start();
  std::vector<std::int32_t> rows;
  for (std::size_t k = 1; k < net.layers.size(); ++k) {
    sweep.forward(k);
    if (!sweep.is_critical(k)) continue;
    sweep.loose(k, rows);
    sweep.refine(k, rows);
  }
  std::vector<Query> queries(3);
  for (std::size_t k = 0; k < queries.size(); ++k) {
    for (std::int32_t i = 0; i < net.outputs(); ++i) if (k == 0 ? i == 0 : random() % 3 != 0) queries[k].terms.emplace_back(i, k == 0 ? 1.0f : float(std::uniform_real_distribution<double>(-2, 2)(random)));
    if (k == 2) queries[k].inputs.emplace_back(0, -0.7f);
  }
  std::vector<double> lower(queries.size() * b);
  sweep.bound(last, queries, lower.data());
  std::ostringstream wrong;
  wrong.precision(9);
  for (int q = 0; q < lanes; ++q) {
    if (sweep.broken(q)) return "the box has no bounds";
    for (const std::vector<float>& x : boxes[std::size_t(q)].x) {
      auto enclose = [&](std::size_t layer, std::span<const double> v, const char* how) {
        for (std::size_t i = 0; i < v.size(); ++i) {
          const float lo = sweep.lo(layer)[i * b + std::size_t(q)], hi = sweep.hi(layer)[i * b + std::size_t(q)];
          if (v[i] >= double(lo) && v[i] <= double(hi)) continue;
          wrong << how << ", lanes " << lanes << ", layer " << layer << " of " << last << " (" << net.layers[layer].origin << ") element " << i << ": " << v[i] << " is not in [" << lo << ", " << hi << "]";
          return false;
        }
        for (std::size_t k = 0; layer == last && k < queries.size(); ++k) {
          double y = 0, size = 0;
          for (auto [i, c] : queries[k].terms) y += double(c) * v[std::size_t(i)], size += std::fabs(double(c) * v[std::size_t(i)]);
          for (auto [i, c] : queries[k].inputs) y += double(c) * double(x[std::size_t(i)]), size += std::fabs(double(c) * double(x[std::size_t(i)]));
          if (y + 1e-15 * size >= lower[k * b + std::size_t(q)]) continue;
          wrong << how << ", lanes " << lanes << ", query " << k << ": " << y << " is below " << lower[k * b + std::size_t(q)];
          return false;
        }
        return true;
      };
      for (bool rounded : {false, true}) {
        const auto value = layer_values(net, x, rounded, random);
        for (std::size_t k = 1; k < value.size(); ++k) if (!enclose(k, value[k], rounded ? "layers in float32" : "layers in float64")) return wrong.str();
      }
      for (bool summed : {false, true}) {
        const std::vector<float> y = execution.run(x, random, summed);
        if (y.size() != std::size_t(net.outputs())) return "the graph gives " + std::to_string(y.size()) + " numbers, the net " + std::to_string(net.outputs());
        if (!enclose(last, std::vector<double>(y.begin(), y.end()), summed ? "the graph in float32" : "the graph by its references")) return wrong.str();
      }
    }
  }
  return {};
}

/// Bounds under splits that a point keeps, with any slopes and multipliers: what lies below them; empty: nothing.
std::string below_ascent(const Net& net, const Points& box, const Loops& loops, std::mt19937_64& random) {
  Sweep root(net, loops, 1, 4 * loops.vector, Arithmetic::float32);
  std::copy(box.lo.begin(), box.lo.end(), root.lo(0)), std::copy(box.hi.begin(), box.hi.end(), root.hi(0));
  root.start();
  std::vector<std::int32_t> rows;
  for (std::size_t k = 1; k < net.layers.size(); ++k) {
    root.forward(k);
    if (!root.is_critical(k)) continue;
    root.loose(k, rows);
    root.refine(k, rows);
  }
  if (root.broken(0)) return "the box has no bounds";
  const int columns = loops.vector;
  const std::size_t last = net.layers.size() - 1;
  Ascent ascent(net, loops, columns, Arithmetic::float32);
  ascent.begin(root);
  auto unit = [&] { return float(std::uniform_real_distribution<double>(0, 1)(random)); };
  std::vector<std::vector<std::vector<double>>> value;
  std::vector<Query> queries(static_cast<std::size_t>(columns));
  for (int c = 0; c < columns; ++c) {
    value.push_back(layer_values(net, box.x[std::size_t(c) % box.x.size()], c % 4 != 0, random));
    std::vector<Split> splits;
    for (std::size_t i = 0; i < ascent.open().size(); ++i) {
      const double v = value.back()[std::size_t(ascent.open()[i].operand)][std::size_t(ascent.open()[i].element)];
      if (random() % 3 == 0) splits.push_back({std::int32_t(i), v == 0 ? (coin(random) ? 1.0f : -1.0f) : v > 0 ? 1.0f : -1.0f, std::pow(10.0f, 6 * unit() - 4)});
    }
    Query& q = queries[std::size_t(c)];
    for (std::int32_t i = 0; i < net.outputs(); ++i) q.terms.emplace_back(i, 4 * unit() - 2);
    if (c % 2) q.inputs.emplace_back(std::int32_t(random() % box.lo.size()), 4 * unit() - 2);
    std::vector<float> slopes(ascent.num_slopes());
    for (float& s : slopes) s = random() % 4 ? unit() : coin(random) ? 1.0f : 0.0f;
    ascent.set(c, last, q, std::move(splits), slopes.data());
  }
  std::vector<double> lower(static_cast<std::size_t>(columns)), never(static_cast<std::size_t>(columns), INFINITY);
  ascent.run(last, columns, {1 + int(random() % 6), 0.2f, 0.2f, 0.97f}, lower.data(), never.data());
  for (int c = 0; c < columns; ++c) {
    double y = 0, size = 0;
    auto add = [&](double p) { y += p, size += std::fabs(p); };
    for (auto [i, w] : queries[std::size_t(c)].terms) add(double(w) * value[std::size_t(c)][last][std::size_t(i)]);
    for (auto [i, w] : queries[std::size_t(c)].inputs) add(double(w) * value[std::size_t(c)][0][std::size_t(i)]);
    if (y + 1e-15 * size < lower[std::size_t(c)]) return "column " + std::to_string(c) + ": " + std::to_string(y) + " is below " + std::to_string(lower[std::size_t(c)]);
  }
  return {};
}

const kernels::Isa kIsas[] = {kernels::Isa::generic, kernels::detect_isa()};
}  // namespace

TEST(Bounds, of_every_operator_enclose_what_is_computed) {
  std::uint64_t seed = 0;
  for (const Example& e : kExamples) {
    std::mt19937_64 random(++seed);
    std::string wrong;
    for (int round = 0; round < 4 && wrong.empty(); ++round) {
      Maker m{{}, random};
      op::Vals y = e.make(m);
      auto g = std::move(m.b).build(y);
      ASSERT_TRUE(g) << e.name << ": " << g.error().message;
      auto net = lower(*g);
      if (!net) {
        wrong = net.error().message;
        break;
      }
      const Loops& some = loops(kIsas[round % 2]);
      wrong = outside(m, *net, Execution(*g), some, round < 2 ? 1 : some.vector, random);
      const bool two = std::string_view(e.name).starts_with("Relu of ");
      if (wrong.empty() && pair_alike(*net)) wrong = outside(m, *net, Execution(*g), some, round < 2 ? 1 : some.vector, random);
      else if (wrong.empty() && two) wrong = "there are no pairs";
    }
    EXPECT_EQ(wrong, "") << e.name;
  }
}

TEST(Bounds, are_tested_for_every_operator_that_has_a_rule_of_its_own) {
  for (std::string_view rule : own_rules())
    EXPECT_TRUE(std::any_of(std::begin(kExamples), std::end(kExamples), [&](const Example& e) { return std::string_view(e.name).substr(0, std::string_view(e.name).find(' ')) == rule; })) << rule;
}

TEST(Bounds, under_splits_hold_for_any_slopes_and_multipliers) {
  std::uint64_t seed = 1000;
  for (const Example& e : kExamples) {
    std::mt19937_64 random(++seed);
    std::string wrong;
    for (int round = 0; round < 6 && wrong.empty(); ++round) {
      Maker m{{}, random};
      op::Vals y = e.make(m);
      auto g = std::move(m.b).build(y);
      ASSERT_TRUE(g) << e.name << ": " << g.error().message;
      auto net = lower(*g);
      if (!net) break;
      const Points points = points_in(m, 16, random);
      wrong = below_ascent(*net, points, loops(kIsas[round % 2]), random);
      if (wrong.empty() && pair_alike(*net)) wrong = below_ascent(*net, points, loops(kIsas[round % 2]), random);
    }
    EXPECT_EQ(wrong, "") << e.name;
  }
}
