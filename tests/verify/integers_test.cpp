// Small random networks on stored integers, executed on every point of a box: the verdict on properties at the very extremes of their outputs is what the execution says, and
// bounds in both forms of rounding enclose every output.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "op/builder.hpp"
#include "passes/gather_quantised.hpp"
#include "verify/problem.hpp"
#include "verify/record.hpp"

namespace saha::verify {
namespace {
using op::Builder;
using op::Val;

enum class Kind { pairs, standardised, stored };
constexpr const char* kRules[] = {"fixed_double", "fixed_single", "fixed_legacy", "float_even"};

/// The same network for any number of rows.
class Random {
 public:
  Random(Kind kind, unsigned seed) : kind_(kind), seed_(seed) {}
  std::int64_t inputs() const { return 2 + seed_ % 2; }

  Result<ir::Graph> graph(std::int64_t rows) {
    engine_.seed(seed_);
    Builder b;
    const std::int64_t n = inputs();
    const bool pairs = kind_ != Kind::stored;
    scale_ = 0.05f, zero_ = pick(-20, 20);
    Val x = b.input(pairs ? ir::tensor_type(DType::f32, {rows, n}) : ir::tensor_type(DType::i8, {rows, n}, quant({scale_}, {zero_})));
    if (kind_ == Kind::standardised) x = (b.constant(Tensor::of(DType::f32, {1}, {0.37})) - x) * b.constant(vector(n, 0.7f, 1.9f));
    if (pairs) x = both(b, x, scale_, zero_, DType::i8);
    float scale = scale_;
    std::int64_t zero = zero_, width = n;
    const int layers = pick(1, 3);
    for (int k = 0; k < layers; ++k) {
      const std::int64_t next = pick(3, 7);
      const float to = 0.02f + 0.01f * float(pick(0, 9));
      const std::int64_t to_zero = pick(0, 1) ? -128 : pick(-60, 60);
      if (pairs) {
        Val y = b.op("Gemm", {x, weight(b, width, next), b.constant(vector(next, -1, 1))});
        if (pick(0, 2)) y = b.op("Relu", {y});
        x = both(b, y, to, to_zero, DType::i8);
      } else {
        const std::string rule = kRules[seed_ % 4];
        const float w = 0.003f + 0.001f * float(pick(0, 9));
        Val weights = b.constant(std::make_shared<const Tensor>(bytes(width, next)), ir::tensor_type(DType::i8, {width, next}, quant({w}, {0})));
        Tensor bias = Tensor::zeros(DType::i32, {next});
        for (std::int64_t i = 0; i < next; ++i) bias.as<std::int32_t>()[i] = pick(-3000, 3000);
        Val c = b.constant(std::make_shared<const Tensor>(std::move(bias)), ir::tensor_type(DType::i32, {next}, quant({scale * w}, {0})));
        x = b.quantised("Gemm", {x, weights, c}, {{"rounding", rule}}, op::Stored{DType::i8, quant({to}, {to_zero})});
        if (rule != "float_even" && pick(0, 1)) {
          x = b.quantised("Tanh", {x}, {{"rounding", rule}}, op::Stored{DType::i8, quant({1.0f / 128}, {0})});
          scale = 1.0f / 128, zero = 0, width = next;
          if (pick(0, 1)) x = b.quantised("Add", {x, x}, {{"rounding", rule}}, op::Stored{DType::i8, quant({1.0f / 64}, {3})}), scale = 1.0f / 64, zero = 3;
          continue;
        }
      }
      scale = to, zero = to_zero, width = next;
    }
    if (pairs) x = b.op("Gemm", {x, weight(b, width, 2), b.constant(vector(2, -1, 1))});
    else if (pick(0, 1)) x = b.op("DequantizeLinear", {x, b.scalar(scale, DType::f32), b.scalar(double(zero), DType::i8)});
    return std::move(b).build({x});
  }
  /// About `cells` integers wide, not at their edges.
  Box box(int cells) {
    Box r;
    std::mt19937 e(seed_ + 1);
    for (std::int64_t i = 0; i < inputs(); ++i) {
      const double from = double(std::uniform_int_distribution<int>(-60, 60 - cells)(e)), off = double(std::uniform_int_distribution<int>(0, 9)(e)) / 10;
      const double step = kind_ == Kind::stored ? 1 : double(scale_);
      r.lo.push_back(double(float((from + off) * step))), r.hi.push_back(double(float((from + double(cells) - 1) * step)));
    }
    return r;
  }
  /// Every integer point of the box: inputs that become it.
  std::vector<float> points(const Box& box) const {
    std::vector<std::vector<float>> along;
    for (std::size_t i = 0; i < box.lo.size(); ++i) {
      std::vector<float> v;
      // Finer than the integers, so that none is left out.
      const double step = kind_ == Kind::stored ? 1 : double(scale_) / 3, first = kind_ == Kind::stored ? std::ceil(box.lo[i]) : box.lo[i];
      for (double x = first; x <= box.hi[i]; x += step) v.push_back(float(x));
      if (kind_ != Kind::stored) v.push_back(float(box.hi[i]));
      along.push_back(std::move(v));
    }
    return product(along);
  }
  static std::vector<float> product(const std::vector<std::vector<float>>& along) {
    std::vector<float> r;
    std::vector<std::size_t> at(along.size(), 0);
    for (;;) {
      for (std::size_t i = 0; i < at.size(); ++i) r.push_back(along[i][at[i]]);
      std::size_t i = 0;
      while (i < at.size() && ++at[i] == along[i].size()) at[i++] = 0;
      if (i == at.size()) return r;
    }
  }

 private:
  int pick(int lo, int hi) { return std::uniform_int_distribution<int>(lo, hi)(engine_); }
  static std::shared_ptr<const ir::Quant> quant(std::vector<float> scale, std::vector<std::int64_t> zero) { return std::make_shared<const ir::Quant>(ir::Quant{std::move(scale), std::move(zero), 0}); }
  Val both(Builder& b, Val x, float scale, std::int64_t zero, DType t) {
    Val q = b.op("QuantizeLinear", {x, b.scalar(double(scale), DType::f32), b.scalar(double(zero), t)});
    return b.op("DequantizeLinear", {q, b.scalar(double(scale), DType::f32), b.scalar(double(zero), t)});
  }
  Tensor vector(std::int64_t n, float lo, float hi) {
    Tensor t = Tensor::zeros(DType::f32, {n});
    for (std::int64_t i = 0; i < n; ++i) t.as<float>()[i] = std::uniform_real_distribution<float>(lo, hi)(engine_);
    return t;
  }
  Tensor bytes(std::int64_t rows, std::int64_t cols) {
    Tensor t = Tensor::zeros(DType::i8, {rows, cols});
    for (std::int64_t i = 0; i < t.size(); ++i) t.as<std::int8_t>()[i] = std::int8_t(pick(-127, 127));
    return t;
  }
  Val weight(Builder& b, std::int64_t rows, std::int64_t cols) {
    return b.op("DequantizeLinear", {b.constant(bytes(rows, cols)), b.constant(vector(cols, 0.003f, 0.012f)), b.constant(Tensor::zeros(DType::i8, {cols}))}, {{"axis", std::int64_t{1}}});
  }

  Kind kind_;
  unsigned seed_;
  std::mt19937 engine_;
  float scale_ = 1;
  std::int64_t zero_ = 0;
};

/// Rows of outputs of the integer program.
std::vector<std::vector<double>> execute(Random& net, const std::vector<float>& x) {
  const std::int64_t n = net.inputs(), rows = std::int64_t(x.size()) / n;
  auto g = net.graph(rows);
  EXPECT_TRUE(g) << (g ? "" : g.error().message);
  auto gathered = passes::gather_quantised(*g, 8);
  EXPECT_TRUE(gathered);
  Tensor t = Tensor::zeros(g->type(g->inputs()[0]).dtype, {rows, n});
  fill<double>(t, std::vector<double>(x.begin(), x.end()));
  const std::vector<Datum> in = {Datum(std::move(t))};
  auto y = op::run(*gathered, in);
  EXPECT_TRUE(y) << (y ? "" : y.error().message);
  const std::vector<double> v = values<double>((*y)[0].tensor);
  std::vector<std::vector<double>> r;
  const std::size_t width = v.size() / std::size_t(rows);
  for (std::size_t i = 0; i < std::size_t(rows); ++i) r.emplace_back(v.begin() + std::ptrdiff_t(i * width), v.begin() + std::ptrdiff_t((i + 1) * width));
  return r;
}

void agree(Kind kind, unsigned seed) {
  SCOPED_TRACE("kind " + std::to_string(int(kind)) + ", seed " + std::to_string(seed));
  Random net(kind, seed);
  auto g = net.graph(1);
  ASSERT_TRUE(g) << g.error().message;
  const Box box = net.box(net.inputs() == 2 ? 24 : 9);
  const std::vector<float> x = net.points(box);
  const auto y = execute(net, x);
  const std::int64_t width = std::int64_t(y[0].size());
  std::mt19937 engine(seed);
  for (int trial = 0; trial < 3; ++trial) {
    Row row;
    for (std::int32_t i = 0; i < width; ++i) row.y.emplace_back(i, double(std::uniform_int_distribution<int>(-3, 3)(engine)) + 0.5);
    double least = INFINITY;
    for (const auto& v : y) {
      double s = 0;
      for (auto& [e, c] : row.y) s += c * v[std::size_t(e)];
      least = std::min(least, s);
    }
    for (bool strict : {true, false}) {              // below the least value there is none; at it there is one
      row.bound = least, row.strict = strict;
      Property p{net.inputs(), width, {Case{std::make_shared<const Box>(box), {row}}}, 0};
      auto o = prove(*g, p, {.timeout_s = 60, .threads = 1});
      ASSERT_TRUE(o) << o.error().message;
      EXPECT_EQ(o->verdict, strict ? Verdict::holds : Verdict::violated) << name(o->verdict) << " by " << o->method << ": " << o->why << ", least " << least;
      EXPECT_EQ(o->integers, "int8");
      if (o->verdict == Verdict::violated) {
        for (float v : o->x) EXPECT_TRUE(kind != Kind::stored || v == std::nearbyint(v)) << v;
        const auto again = execute(net, o->x);
        for (std::size_t i = 0; i < again[0].size(); ++i) EXPECT_EQ(float(again[0][i]), o->y[i]);
      }
    }
  }
}

/// Both forms of rounding, bounded over the whole box.
void enclosed(Kind kind, unsigned seed) {
  SCOPED_TRACE("kind " + std::to_string(int(kind)) + ", seed " + std::to_string(seed));
  Random net(kind, seed);
  auto g = net.graph(1);
  ASSERT_TRUE(g) << g.error().message;
  const Box box = net.box(net.inputs() == 2 ? 40 : 12);
  const auto y = execute(net, net.points(box));
  auto gathered = passes::gather_quantised(*g, 8);
  ASSERT_TRUE(gathered);
  for (bool whole : {true, false})
    for (Stored stored : {Stored::steps, Stored::errors}) {
      if (!whole && kind == Kind::stored) continue;  // its inputs are integers
      auto parts = cut(*gathered);
      ASSERT_TRUE(parts && *parts);
      auto lowered = lower(whole ? (*parts)->rest : *gathered, stored);
      ASSERT_TRUE(lowered) << lowered.error().message;
      std::vector<float> lo(box.lo.begin(), box.lo.end()), hi(box.hi.begin(), box.hi.end());
      if (kind == Kind::stored)
        for (std::size_t i = 0; i < lo.size(); ++i) lo[i] = std::ceil(lo[i]), hi[i] = std::floor(hi[i]);
      if (whole) {
        auto a = (*parts)->grid.integers(lo), z = (*parts)->grid.integers(hi);
        ASSERT_TRUE(a && z);
        for (std::size_t i = 0; i < lo.size(); ++i) lo[i] = std::min((*a)[i], (*z)[i]), hi[i] = std::max((*a)[i], (*z)[i]);
      }
      Sweep sweep(*lowered, loops(kernels::detect_isa()), 1, 64, Arithmetic::float32);
      std::copy(lo.begin(), lo.end(), sweep.lo(0)), std::copy(hi.begin(), hi.end(), sweep.hi(0));
      sweep.start();
      std::vector<std::int32_t> rows;
      for (std::size_t k = 1; k < lowered->layers.size(); ++k) {
        sweep.forward(k);
        if (!sweep.is_critical(k)) continue;
        sweep.loose(k, rows);
        sweep.refine(k, rows);
      }
      const std::size_t last = lowered->layers.size() - 1;
      for (std::size_t e = 0; e < y[0].size(); ++e) {
        double least = INFINITY, most = -INFINITY;
        for (const auto& v : y) least = std::min(least, v[e]), most = std::max(most, v[e]);
        const Query queries[] = {{{{std::int32_t(e), 1.0f}}}, {{{std::int32_t(e), -1.0f}}}};
        double bound[2];
        sweep.bound(last, queries, bound);
        EXPECT_LE(double(sweep.lo(last)[e]), least);
        EXPECT_GE(double(sweep.hi(last)[e]), most);
        EXPECT_LE(bound[0], least);
        EXPECT_GE(-bound[1], most);
      }
    }
}

TEST(Integers, verdicts_are_those_of_executing_every_point) {
  for (unsigned seed = 0; seed < 24; ++seed)
    for (Kind kind : {Kind::pairs, Kind::standardised, Kind::stored}) agree(kind, seed);
}
TEST(Integers, sums_that_are_joined_are_whole_only_while_float32_holds_them) {
  for (int parts : {2, 4, 12}) {
    Net net;
    auto push = [&](Layer l) {
      net.layers.push_back(std::move(l));
      return std::int32_t(net.layers.size()) - 1;
    };
    auto sum = [&](std::vector<Term> terms, float largest) {
      Layer l;
      l.size = 1, l.terms = std::move(terms), l.bias = {0}, l.whole = true, l.largest = largest;
      return push(std::move(l));
    };
    Layer input;
    input.kind = Layer::Kind::input, input.size = parts, input.whole = true, input.largest = 100;
    push(input);
    std::int32_t total = -1;
    for (std::int32_t i = 0; i < parts; ++i) {
      Layer relu;
      relu.kind = Layer::Kind::unary, relu.size = 1, relu.whole = true, relu.largest = 100;
      relu.a = sum({{0, make_matrix(1, parts, {{0, i, 1}})}}, 100);
      const std::int32_t part = sum({{push(relu), make_matrix(1, 1, {{0, 0, 10000}})}}, 1e6f);
      total = total < 0 ? part : sum({{total, make_matrix(1, 1, {{0, 0, 1}})}, {part, make_matrix(1, 1, {{0, 0, 1}})}}, 1e6f * float(i + 1));
    }
    compact(net);
    EXPECT_EQ(net.layers.back().terms.size(), std::size_t(parts));
    EXPECT_EQ(net.layers.back().whole, parts <= 4) << parts << " parts of a million each, of which 2^22 are held";
  }
}

TEST(Integers, certificates_are_refused) {
  for (Kind kind : {Kind::pairs, Kind::standardised, Kind::stored}) {
    Random net(kind, 1);
    auto g = net.graph(1);
    ASSERT_TRUE(g) << g.error().message;
    const Box box = net.box(9);
    const std::int64_t width = std::ssize(execute(net, std::vector<float>(std::size_t(net.inputs()), 0.0f))[0]);
    Record record;
    auto o = prove(*g, {net.inputs(), width, {Case{std::make_shared<const Box>(box), {Row{.y = {{0, 1.0}}, .bound = -1e6}}}}, 0}, {.threads = 1, .record = &record});
    ASSERT_FALSE(o);
    EXPECT_EQ(o.error().message, "proofs of integer networks are not written yet");
    EXPECT_FALSE(record.complete());
  }
}
TEST(Integers, bounds_enclose_every_output) {
  for (unsigned seed = 100; seed < 130; ++seed)
    for (Kind kind : {Kind::pairs, Kind::standardised, Kind::stored}) enclosed(kind, seed);
}

TEST(Integers, rounding_rules_err_by_what_is_said) {
  std::mt19937_64 engine(5);
  for (Rounding rule : {Rounding::float_even, Rounding::fixed_double, Rounding::fixed_single, Rounding::fixed_wide, Rounding::fixed_legacy})
    for (int trial = 0; trial < 200; ++trial) {
      const float w = std::exp(std::uniform_real_distribution<float>(-9, 1)(engine));
      const Requant r = requant(rule, 0.03f, w, 0.05f);
      const double largest = 100000;
      const Factor f = factor_of(r, largest);
      for (int i = 0; i < 200; ++i) {
        const std::int64_t acc = std::uniform_int_distribution<std::int64_t>(-100000, 100000)(engine);
        EXPECT_LE(std::fabs(double(rescale(acc, r)) - f.factor * double(acc)), f.error) << name(rule) << " " << w << " " << acc;
      }
    }
}

TEST(Integers, steps_are_the_functions) {
  const Requant r = requant(Rounding::fixed_double, 0.03f, 0.004f, 0.05f);
  auto f = [&](std::int64_t v) { return saturate(rescale(v, r) - 7, 8, true); };
  Steps::Table t = steps_of(-90000, 80000, 4096, f);
  for (std::int64_t v = -90000; v <= 80000; v += 7) EXPECT_EQ(double(t.value[t.index(double(v))]), double(f(v)));
  t.round_at(float(factor_of(r, 90000).factor));     // rounds twice
  EXPECT_EQ(t.scale, 0);
  const Requant once = requant(Rounding::float_even, 0.03f, 0.004f, 0.05f);
  auto h = [&](std::int64_t v) { return saturate(rescale(v, once) - 7, 8, true); };
  t = steps_of(-90000, 80000, 4096, h);
  t.round_at(once.scale);
  ASSERT_EQ(t.scale, once.scale);
  for (std::int64_t v = -90000; v <= 80000; ++v) ASSERT_EQ(double(std::clamp(std::nearbyint(float(v) * t.scale) + t.base, t.value.front(), t.value.back())), double(h(v)));
  EXPECT_TRUE(steps_of(-90000, 80000, 20, f).value.empty());
  auto g = [](float x) { return std::int64_t(std::nearbyint(std::fmin(100.0f, std::fmax(-100.0f, x / 0.3f)))); };
  const Steps::Table s = steps_of_float(4096, g);
  for (float x = -40; x < 40; x += 0.0137f) EXPECT_EQ(double(s.value[s.index(double(x))]), double(g(x)));
}
}  // namespace
}  // namespace saha::verify
