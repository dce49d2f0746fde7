// Graphs with pairs: legal, close to the float graph, exact where they must be; equalisation, correction, mixtures, refusals.
#include "compress/quantize.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "backends/registry.hpp"
#include "compress/choose.hpp"
#include "compress/equalize.hpp"
#include "compress/errors.hpp"
#include "compress/weights.hpp"
#include "passes/gather_quantised.hpp"

namespace saha::compress {
namespace {
using op::Builder;
using op::Val;

struct Net {
  Builder b;
  std::mt19937 engine{11};
  Tensor random(Dims d, float spread = 1) {
    std::normal_distribution<float> n(0, spread);
    Tensor t = Tensor::zeros(DType::f32, std::move(d));
    for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = n(engine);
    return t;
  }
  Val input(Dims d, const std::string& name = "x") { return b.input(ir::tensor_type(DType::f32, {d.begin(), d.end()}), name); }
  Val constant(Dims d, float spread = 1) { return b.constant(random(std::move(d), spread)); }
  Val conv(Val x, std::int64_t in, std::int64_t out, std::int64_t k, std::int64_t group = 1) {
    b.origin = ir::make_name("conv" + std::to_string(++convs));
    return b.op("Conv", {x, constant({out, in / group, k, k}, 0.3f), constant({out}, 0.3f)}, {{"group", group}, {"pads", ir::Ints{k / 2, k / 2, k / 2, k / 2}}});
  }
  int convs = 0;
  ir::Graph build(const op::Vals& outputs) {
    auto g = std::move(b).build(outputs);
    EXPECT_TRUE(g) << g.error().message;
    return std::move(*g);
  }
};
Samples samples_of(std::vector<Tensor> all) {
  Samples s;
  s.size = std::int64_t(all.size());
  s.batch = [all](std::int64_t at, std::int64_t) -> Result<std::vector<Datum>> { return std::vector<Datum>{all[std::size_t(at)]}; };
  return s;
}
Samples random_samples(Dims d, int n, unsigned seed = 1) {
  Net net;
  net.engine.seed(seed);
  std::vector<Tensor> all;
  for (int i = 0; i < n; ++i) all.push_back(net.random(d));
  return samples_of(std::move(all));
}
std::unique_ptr<runtime::Backend> native() {
  auto e = backends::open("native");
  EXPECT_TRUE(e);
  return std::move(*e);
}
/// A little of everything that computes on integers: convolutions, a residual sum, pools, a concatenation, a view, a matrix product, a softmax.
ir::Graph mixed_net() {
  Net n;
  Val x = n.input({1, 3, 8, 8});
  Val a = n.b.op("Relu", {n.conv(x, 3, 8, 3)});
  Val c = n.b.op("HardSwish", {n.conv(a, 8, 8, 3, 8)});
  Val d = n.b.op("Add", {a, n.conv(c, 8, 8, 1)});
  Val e = n.b.op("MaxPool", {d}, {{"kernel_shape", ir::Ints{2, 2}}, {"strides", ir::Ints{2, 2}}});
  Val f = n.b.op("Concat", {e, n.b.op("Clip", {n.conv(e, 8, 8, 1), n.b.scalar(0, DType::f32), n.b.scalar(6, DType::f32)})}, {{"axis", std::int64_t(1)}});
  Val g = n.b.op("Flatten", {f});
  Val y = n.b.op("Softmax", {n.b.op("Gemm", {g, n.constant({5, 256}, 0.1f), n.constant({5})}, {{"transB", std::int64_t(1)}})});
  n.b.rename(y, "y");
  return n.build({y});
}
std::string kinds(const ir::Graph& g) {
  std::string s;
  for (const ir::Node& n : g.nodes()) s += (s.empty() ? "" : " ") + std::string(op::is_quantised(g, n) ? "q." : "") + std::string(n.op.str());
  return s;
}

TEST(Quantize, AGraphBecomesPairsThatGatherIntoNodesOnIntegers) {
  auto engine = native();
  const Samples s = random_samples({1, 3, 8, 8}, 24);
  for (const bool tail : {true, false}) {
    QuantizeOptions o;
    o.float_tail = tail;
    auto q = Quantizer::make(mixed_net(), s, *engine, o);
    ASSERT_TRUE(q) << q.error().message;
    auto g = q->graph(q->widths());
    ASSERT_TRUE(g) << g.error().message;
    auto gathered = passes::gather_quantised(*g);
    ASSERT_TRUE(gathered);
    const std::string k = kinds(*gathered);
    EXPECT_EQ(k.find(" Conv"), std::string::npos) << k;
    EXPECT_EQ(k.find("q.Gemm") != std::string::npos, !tail) << k;   // the last product: its result is not stored where the tail is float
    auto db = q->measure(q->widths(), s);
    ASSERT_TRUE(db) << db.error().message;
    EXPECT_GT(*db, 28) << tail;
    for (const Layer& l : q->layers()) EXPECT_GT(l.sqnr_db, 18) << l.name;
  }
}

TEST(Quantize, EveryPairHasFinitePositiveScalesAndZeroPointsInRange) {
  auto engine = native();
  auto q = Quantizer::make(mixed_net(), random_samples({1, 3, 8, 8}, 8), *engine, {.float_tail = false});
  ASSERT_TRUE(q) << q.error().message;
  for (const Width w : {Width::int8, Width::int16}) {
    auto g = q->graph(std::vector<Width>(q->layers().size(), w));
    ASSERT_TRUE(g);
    int pairs = 0;
    for (const ir::Node& n : g->nodes()) {
      if (n.op != "QuantizeLinear" && n.op != "DequantizeLinear") continue;
      ++pairs;
      const Tensor& scale = *(*g)[g->operand(n, 1)].constant;
      for (std::int64_t i = 0; i < scale.size(); ++i) EXPECT_TRUE(scale.at(i) > 0 && std::isfinite(scale.at(i)));
      if (n.num_operands < 3) continue;
      const Tensor& zero = *(*g)[g->operand(n, 2)].constant;
      EXPECT_EQ(zero.dims, scale.dims);
      const ir::ValueId stored = n.op == "QuantizeLinear" ? g->result(n) : g->operand(n, 0);
      EXPECT_EQ(g->type(stored).dtype, zero.dtype);
      if (g->type(stored).dtype == DType::i16) { EXPECT_EQ(zero.at(0), 0); }
    }
    EXPECT_GT(pairs, 20);
  }
}

TEST(Quantize, ZeroIsStoredExactlyWhateverTheRange) {
  for (const auto& [lo, hi] : std::vector<std::pair<double, double>>{{0, 1}, {-1, 3}, {-7.3, 0}, {0, 0}, {2, 5}, {-1e-42, 1e-42}, {-1e38, 1e38}}) {
    for (const DType t : {DType::i8, DType::i16}) {
      const op::Stored s = storage_of(lo, hi, t);
      const IntRange r = int_range(t);
      EXPECT_GE(s.quant->zero[0], r.lo);
      EXPECT_LE(s.quant->zero[0], r.hi);
      EXPECT_TRUE(s.quant->scale[0] > 0 && std::isfinite(s.quant->scale[0])) << lo << " " << hi;
    }
  }
}

TEST(Quantize, EqualisationKeepsTheFloatFunctionAndEvensOutChannels) {
  Net n;
  Val x = n.input({1, 3, 6, 6});
  Tensor w = n.random({8, 3, 3, 3}, 0.3f), bias = n.random({8}, 0.3f);
  for (std::int64_t c = 0; c < 8; ++c) {
    const float s = std::ldexp(1.0f, int(c) - 4);
    for (std::int64_t i = 0; i < 27; ++i) w.as<float>()[c * 27 + i] *= s;
    bias.as<float>()[c] *= s;
  }
  Val a = n.b.op("Relu", {n.b.op("Conv", {x, n.b.constant(w), n.b.constant(bias)}, {{"pads", ir::Ints{1, 1, 1, 1}}})});
  n.b.rename(a, "a");
  Val y = n.conv(n.b.op("Relu", {n.conv(a, 8, 8, 3, 8)}), 8, 4, 1);
  n.b.rename(y, "y");
  const ir::Graph g = n.build({y});
  auto engine = native();
  const Samples s = random_samples({1, 3, 6, 6}, 16);
  auto e = equalized(g, *engine, 1, s, {});
  ASSERT_TRUE(e) << e.error().message;
  EXPECT_FALSE(ir::same_structure(g, *e));
  for (int i = 0; i < 4; ++i) {
    auto in = s.batch(i, 1);
    auto want = op::run(g, *in), got = op::run(*e, *in);
    ASSERT_TRUE(want && got);
    for (std::int64_t k = 0; k < (*want)[0].tensor.size(); ++k) EXPECT_EQ((*want)[0].tensor.at(k), (*got)[0].tensor.at(k));   // powers of two: not a bit changes
  }
  auto ratio = [&](const ir::Graph& graph) {
    double lo = 1e9, hi = 0;
    for (std::size_t v = 0; v < graph.values().size(); ++v) {
      if (!graph.values()[v].name || *graph.values()[v].name != "a") continue;
      const auto id = ir::ValueId(v);
      EXPECT_TRUE(observe(graph, std::span(&id, 1), *engine, 1, s, {}, "", [&](std::int64_t, std::span<const Datum> d) -> Result<> {
        for (std::int64_t c = 0; c < 8; ++c) {
          double m = 0;
          for (std::int64_t i = 0; i < 36; ++i) m = std::max(m, d[0].tensor.at(c * 36 + i));
          lo = std::min(lo, m);
          hi = std::max(hi, m);
        }
        return {};
      }));
    }
    return hi / lo;
  };
  EXPECT_LT(ratio(*e), ratio(g) / 4);
}

TEST(Quantize, FeaturesOfUnlikeRangesAreStandardisedBeforeTheyShareAScale) {
  Net n;
  Val x = n.input({1, 3});
  Tensor w = Tensor::of(DType::f32, {3, 4}, {1e-3, -2e-3, 5e-4, 1e-3, 1, -1, 0.5, 0.25, 0.3, 0.2, -0.1, 0.4});
  Val y = n.b.op("Gemm", {n.b.op("Relu", {n.b.op("Gemm", {x, n.b.constant(w), n.constant({4})})}), n.constant({4, 2}), n.constant({2})});
  n.b.rename(y, "y");
  const ir::Graph g = n.build({y});
  std::vector<Tensor> all;
  std::mt19937 engine(2);
  std::normal_distribution<float> d(0, 1);
  for (int i = 0; i < 64; ++i) all.push_back(Tensor::of(DType::f32, {1, 3}, {1500 + 100 * double(d(engine)), double(d(engine)) / 4, 300 + 2 * double(d(engine))}));
  const Samples s = samples_of(all);
  auto backend = native();
  auto plain = Quantizer::make(g, s, *backend, {.equalize = false, .correct = false, .round = false}), better = Quantizer::make(g, s, *backend, {});
  ASSERT_TRUE(plain && better);
  auto a = plain->measure(plain->widths(), s), b = better->measure(better->widths(), s);
  ASSERT_TRUE(a && b);
  EXPECT_GT(*b, *a + 10);
  auto before = op::run(g, *s.batch(0, 1)), after = op::run(better->reference(), *s.batch(0, 1));
  for (std::int64_t k = 0; k < 2; ++k) EXPECT_NEAR((*before)[0].tensor.at(k), (*after)[0].tensor.at(k), 1e-4);
}

TEST(Quantize, BiasCorrectionTakesTheMeanErrorAway) {
  auto engine = native();
  Net n;
  Val x = n.input({1, 4, 6, 6});
  Val y = n.conv(n.b.op("Relu", {n.conv(x, 4, 8, 3)}), 8, 4, 3);
  n.b.rename(y, "y");
  const ir::Graph g = n.build({y});
  const Samples s = random_samples({1, 4, 6, 6}, 32);
  auto mean_error = [&](bool correct) {
    auto q = Quantizer::make(g, s, *engine, {.per_channel = false, .equalize = false, .correct = correct, .round = false});
    EXPECT_TRUE(q);
    auto graph = q->graph(q->widths());
    EXPECT_TRUE(graph);
    std::vector<double> error(4, 0);
    EXPECT_TRUE(observe_both(g, *graph, outputs_of(g, *graph), *engine, 1, s, {}, "", [&](std::int64_t, std::span<const Datum> a, std::span<const Datum> b) -> Result<> {
      for (std::int64_t i = 0; i < a[0].tensor.size(); ++i) error[std::size_t(i / 36)] += b[0].tensor.at(i) - a[0].tensor.at(i);
      return {};
    }));
    double sum = 0;
    for (double e : error) sum += std::abs(e);
    return sum;
  };
  EXPECT_LT(mean_error(true), mean_error(false) / 5);
}

TEST(Quantize, RoundingByWhatALayerReadsBeatsTheNearest) {
  auto engine = native();
  Net n;
  // Features that depend on each other, where errors can make up for each other.
  Tensor basis = n.random({4, 32});
  Val x = n.input({1, 4});
  Val h = n.b.op("MatMul", {x, n.b.constant(basis)});
  Val y = n.b.op("Gemm", {n.b.op("Relu", {h}), n.constant({32, 8}), n.constant({8})});
  n.b.rename(y, "y");
  const ir::Graph g = n.build({y});
  const Samples s = random_samples({1, 4}, 128);
  double db[2];
  for (const bool round : {false, true}) {
    auto q = Quantizer::make(g, s, *engine, {.equalize = false, .round = round});
    ASSERT_TRUE(q);
    auto m = q->measure(q->widths(), random_samples({1, 4}, 64, 99));
    ASSERT_TRUE(m);
    db[round] = *m;
  }
  EXPECT_GT(db[1], db[0]);
}

TEST(Quantize, AMixtureIsTheCheapestThatHoldsAFloor) {
  auto engine = native();
  const Samples s = random_samples({1, 3, 8, 8}, 8);
  auto q = Quantizer::make(mixed_net(), s, *engine, {});
  ASSERT_TRUE(q);
  ASSERT_TRUE(q->measure_alone(s));
  for (std::size_t i = 0; i < q->layers().size(); ++i) EXPECT_FALSE(std::isnan(q->layers()[i].alone_db)) << i;
  // A judge that only minds one layer: the number of int16 pairs tells which mixture it is given.
  auto count16 = [](const ir::Graph& g) { int n = 0; for (const ir::Node& x : g.nodes()) n += x.op == "QuantizeLinear" && g.type(g.result(x)).dtype == DType::i16; return n; };
  auto easy = q->mix(0.5, [&](const ir::Graph&) -> Result<double> { return 1.0; });
  ASSERT_TRUE(easy);
  EXPECT_TRUE(easy->held);
  EXPECT_EQ(easy->tried, 1);
  EXPECT_EQ(easy->widths, q->widths());
  auto some = q->mix(0.5, [&](const ir::Graph& g) -> Result<double> { return count16(g) >= 2 ? 0.6 : 0.4; });
  ASSERT_TRUE(some);
  EXPECT_TRUE(some->held);
  auto g = q->graph(some->widths);
  ASSERT_TRUE(g);
  EXPECT_GE(count16(*g), 2);
  EXPECT_LT(count16(*g), 6);
  auto never = q->mix(0.5, [&](const ir::Graph&) -> Result<double> { return 0.1; });
  ASSERT_TRUE(never);
  EXPECT_FALSE(never->held);
  auto broken = q->mix(0.5, [&](const ir::Graph&) -> Result<double> { return Error{ErrorCode::invalid_data, "no"}; });
  EXPECT_FALSE(broken);
  // All wide is nearly the float graph.
  auto wide = q->measure(std::vector<Width>(q->layers().size(), Width::float32), s);
  ASSERT_TRUE(wide) << wide.error().message;
  EXPECT_GT(*wide, 60);
}

TEST(Quantize, ChannelsOfNextToNothingBesideTheirBiasTakeAScaleThatHoldsTheBias) {
  Net n;
  Tensor w = n.random({6, 4, 1, 1}, 0.3f), bias = n.random({6}, 0.3f);
  for (std::int64_t i = 0; i < 4; ++i) w.as<float>()[i] = 0, w.as<float>()[4 + i] = 1e-9f;   // two dead channels
  bias.as<float>()[0] = 40, bias.as<float>()[1] = -40;
  Val y = n.b.op("Conv", {n.input({1, 4, 6, 6}), n.b.constant(w), n.b.constant(bias)});
  n.b.rename(y, "y");
  const ir::Graph g = n.build({y});
  const Samples s = random_samples({1, 4, 6, 6}, 8);
  auto engine = native();
  QuantizeOptions o;
  o.float_tail = false;
  auto q = Quantizer::make(g, s, *engine, o);
  ASSERT_TRUE(q) << q.error().message;
  auto paired = q->graph(q->widths());
  ASSERT_TRUE(paired) << paired.error().message;
  auto gathered = passes::gather_quantised(*paired);
  ASSERT_TRUE(gathered) << gathered.error().message;
  EXPECT_NE(kinds(*gathered).find("q.Conv"), std::string::npos) << kinds(*gathered);
  for (const ir::Node& node : paired->nodes())
    if (node.op == ir::OpName("Conv")) {
      const ir::Node* b = paired->producer(paired->operand(node, 2));
      ASSERT_TRUE(b) << "the bias is stored";
      EXPECT_EQ(b->op, ir::OpName("DequantizeLinear"));
    }
}
TEST(Quantize, LayersThatAreKeptStayFloat) {
  auto engine = native();
  const Samples s = random_samples({1, 3, 8, 8}, 4);
  auto q = Quantizer::make(mixed_net(), s, *engine, {.keep = {"conv2"}});
  ASSERT_TRUE(q) << q.error().message;
  for (const Layer& l : q->layers()) EXPECT_NE(l.name, "conv2");
  auto wrong = Quantizer::make(mixed_net(), s, *engine, {.keep = {"conv9"}});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "there is no layer 'conv9' to keep");
}

TEST(Quantize, RefusesDataThatSaysNothingAndModelsWithoutProducts) {
  auto engine = native();
  auto message = [&](const ir::Graph& g, const Samples& s) {
    auto q = Quantizer::make(g, s, *engine, {});
    EXPECT_FALSE(q);
    return q ? std::string() : q.error().message;
  };
  EXPECT_EQ(message(mixed_net(), samples_of({})), "the calibration data is empty");
  EXPECT_EQ(message(mixed_net(), samples_of({Tensor::of(DType::f32, {1, 3, 8, 8}, {0.5})})), "the calibration data for input 'x' is 0.500000 everywhere: no range follows from it");
  Tensor nan = Tensor::zeros(DType::f32, {1, 3, 8, 8});
  nan.as<float>()[7] = NAN;
  EXPECT_EQ(message(mixed_net(), samples_of({nan})), "the calibration data for input 'x' has a number that is not finite, in sample 1");
  Net wrong;
  EXPECT_NE(message(mixed_net(), samples_of({wrong.random({1, 3, 9, 8})})).find("[1, 3, 9, 8]"), std::string::npos);
  Net n;
  Val y = n.b.op("Relu", {n.input({1, 3, 8, 8})});
  EXPECT_NE(message(n.build({y}), random_samples({1, 3, 8, 8}, 2)).find("nothing to quantise"), std::string::npos);
  Net inf;
  Val z = inf.conv(inf.b.op("Log", {inf.input({1, 3, 8, 8})}), 3, 4, 1);
  EXPECT_NE(message(inf.build({z}), random_samples({1, 3, 8, 8}, 2)).find("not finite"), std::string::npos);
}

TEST(Quantize, OneSampleInFiveJudgesAndEachServesOnce) {
  Samples s;
  s.size = 103;
  s.batch_size = 4;
  s.batch = [](std::int64_t at, std::int64_t n) -> Result<std::vector<Datum>> {
    Tensor t = Tensor::zeros(DType::f32, {n});
    for (std::int64_t i = 0; i < n; ++i) t.as<float>()[i] = float(at + i);
    return std::vector<Datum>{t};
  };
  const auto numbers = [](const Samples& part) {
    std::vector<int> r;
    for (std::int64_t at = 0; at < part.size; at += part.batch_size) {
      auto in = part.batch(at, std::min(part.batch_size, part.size - at));
      for (std::int64_t i = 0; i < (*in)[0].tensor.size(); ++i) r.push_back(int((*in)[0].tensor.at(i)));
    }
    return r;
  };
  const Parts p = parts(s);
  std::vector<int> all = numbers(p.fit), held = numbers(p.held);
  EXPECT_EQ(std::int64_t(all.size()), p.fit.size);
  EXPECT_NEAR(double(held.size()), 20, 4);
  all.insert(all.end(), held.begin(), held.end());
  std::sort(all.begin(), all.end());
  ASSERT_EQ(all.size(), 103u);
  for (int i = 0; i < 103; ++i) EXPECT_EQ(all[std::size_t(i)], i);
  const Samples few = spread(s, 26);
  EXPECT_NEAR(double(few.size), 26, 4);
  EXPECT_GT(numbers(few).back(), 90);
  s.size = 3;
  EXPECT_EQ(parts(s).held.size, 3);
}

TEST(Quantize, AGraphThatIsCutComputesWhatTheWholeDoes) {
  const ir::Graph g = mixed_net();
  std::vector<ir::ValueId> middle, outputs(g.outputs().begin(), g.outputs().end());
  for (const ir::Node& n : g.nodes()) if (n.op == "Add") middle = {g.result(n)};
  auto front = cut(g, g.inputs(), middle), back = cut(g, middle, outputs);
  ASSERT_TRUE(front) << front.error().message;
  ASSERT_TRUE(back) << back.error().message;
  const Samples s = random_samples({1, 3, 8, 8}, 1);
  auto in = s.batch(0, 1);
  auto whole = op::run(g, *in), half = op::run(*front, *in);
  ASSERT_TRUE(whole && half);
  auto rest = op::run(*back, *half);
  ASSERT_TRUE(rest);
  for (std::int64_t i = 0; i < (*whole)[0].tensor.size(); ++i) EXPECT_EQ((*whole)[0].tensor.at(i), (*rest)[0].tensor.at(i));
  auto wrong = cut(g, middle, middle.empty() ? outputs : std::vector<ir::ValueId>{g.result(g.nodes()[1])});
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("input 'x' is needed"), std::string::npos);
}

TEST(Quantize, TheSearchTakesWhatIsNearestAndSaysWhatItTried) {
  auto engine = native();
  Net n;
  // Its last product costs next to nothing, its first one reads features of unlike ranges.
  Val x = n.input({1, 16});
  Val h = n.b.op("Relu", {n.b.op("Gemm", {x, n.constant({16, 96}), n.constant({96})})});
  h = n.b.op("Relu", {n.b.op("Gemm", {h, n.constant({96, 96}, 0.1f), n.constant({96})})});
  n.b.origin = ir::make_name("last");
  Val y = n.b.op("Gemm", {h, n.constant({96, 2}, 0.1f), n.constant({2})});
  n.b.rename(y, "y");
  const ir::Graph g = n.build({y});
  const Samples s = random_samples({1, 16}, 80), fresh = random_samples({1, 16}, 64, 77);
  auto fixed = Quantizer::make(g, s, *engine, {}), whole = Quantizer::make(g, s, *engine, {.search = true, .spare = 0}), searched = Quantizer::make(g, s, *engine, {.search = true});
  ASSERT_TRUE(fixed && whole && searched) << searched.error().message;
  auto a = fixed->measure(fixed->widths(), fresh), b = whole->measure(whole->widths(), fresh), c = searched->measure(searched->widths(), fresh);
  ASSERT_TRUE(a && b && c);
  EXPECT_GT(*b, *a - 1);
  EXPECT_GT(*c, 40);
  EXPECT_TRUE(whole->choice().floats.empty());
  EXPECT_EQ(searched->choice().floats, std::vector<std::string>{"last"});
  EXPECT_EQ(searched->choice().held, 16);
  EXPECT_GE(searched->choice().tried.size(), 6u);
  EXPECT_EQ(fixed->choice().held, 0);
  double best = 0;
  for (const auto& t : searched->choice().tried) if (t.what.find("roundings") != std::string::npos || t.what.find("biases") != std::string::npos) best = std::max(best, t.mean_db);
  EXPECT_GT(best, 40);
}

TEST(Quantize, SaysWhatStaysFloat) {
  auto engine = native();
  Net n;
  Val x = n.input({4, 1, 8});
  n.b.origin = ir::make_name("rnn");
  const op::Vals h = n.b.ops("LSTM", {x, n.constant({1, 32, 8}), n.constant({1, 32, 8})}, {{"hidden_size", std::int64_t(8)}}, 3);
  n.b.origin = ir::make_name("out");
  Val y = n.b.op("MatMul", {n.b.op("Squeeze", {h[0], n.b.ints({1, 2})}), n.constant({8, 2})});
  n.b.rename(y, "y");
  auto q = Quantizer::make(n.build({y}), random_samples({4, 1, 8}, 8), *engine, {});
  ASSERT_TRUE(q) << q.error().message;
  EXPECT_EQ(q->left(), std::vector<std::string>{"LSTM 'rnn'"});
  ASSERT_EQ(q->layers().size(), 1u);
}

TEST(Quantize, AnInterruptEndsIt) {
  auto engine = native();
  Watch w;
  w.stop = [] { return true; };
  auto q = Quantizer::make(mixed_net(), random_samples({1, 3, 8, 8}, 4), *engine, {}, w);
  ASSERT_FALSE(q);
  EXPECT_EQ(q.error().code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace saha::compress
