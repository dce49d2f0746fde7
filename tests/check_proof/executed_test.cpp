// Networks of hostile numbers over boxes of some float32 steps, executed at every point in many orders of sums: what was met there may be proved away by no search, blind to counterexamples, and by
// no certificate, of whichever property and arithmetic it is and whatever is changed in it.
#include <gtest/gtest.h>

#include <cmath>

#include "check_proof/check.hpp"
#include "tests/check_proof/claim_testing.hpp"
#include "tests/verify/bounds_testing.hpp"
#include "verify/record.hpp"
#include "verify/verify.hpp"

namespace saha::check_proof {
namespace {
using op::Val;
using verify::Method;
using verify::Verdict;
using verify::testing::Execution;

/// What weights, biases and inputs are drawn from.
enum class Numbers {
  plain,       ///< up to 1 in magnitude
  whole,       ///< small integers, which sums of any order compute exactly
  wide,        ///< powers of two from 2^-30 to 2^30, each sign
  cancelling,  ///< pairs of weights that are almost each other's negative, of 2^24 and more
  vanishing,   ///< layers in turns tiny and large, whose products leave float32 while every value stays in it
  growing,     ///< the same, large before tiny
  denormal,    ///< weights and inputs at and below the least normal number
  large,       ///< values near to and past the largest number
};
constexpr Numbers kAll[] = {Numbers::plain, Numbers::whole, Numbers::wide, Numbers::cancelling, Numbers::vanishing, Numbers::growing, Numbers::denormal, Numbers::large};

enum class Form { relus, twins, others };           ///< layers with ReLUs; two such networks that differ little; also products of data and curves

struct Hostile {
  ir::Graph graph;
  std::vector<std::vector<float>> along;             ///< of each input: all float32 numbers of its interval, rising; of 0 both
  verify::Property property;                         ///< the rows of its case have no bounds yet
};

class Maker {
 public:
  Maker(Numbers numbers, std::uint64_t seed) : numbers_(numbers), random_(seed * 8 + std::uint64_t(numbers)) {}

  Hostile make(Form form = Form::relus) {
    op::Builder b;
    const std::int64_t inputs = 2, layers = 1 + std::int64_t(random_() % 3);
    const Val x = b.input(ir::tensor_type(DType::f32, {1, inputs}), "x");
    Val h = x, twin = x;
    std::int64_t width = inputs;
    for (std::int64_t k = 0; k <= layers; ++k) {
      const bool last = k == layers;
      const std::int64_t next = last ? 2 : 2 * (1 + std::int64_t(random_() % 3));
      Tensor w = Tensor::zeros(DType::f32, {width, next}), bias = Tensor::zeros(DType::f32, {next});
      for (std::int64_t i = 0; i < w.size(); ++i) w.as<float>()[i] = weight(k);
      for (std::int64_t i = 0; i < next; ++i) bias.as<float>()[i] = random_() % 2 ? 0 : numbers_ == Numbers::vanishing || numbers_ == Numbers::growing ? 0 : weight(k);
      if (numbers_ == Numbers::cancelling)           // one input of a sum takes off what another adds
        for (std::int64_t c = 0; c < next; ++c) {
          float* column = w.as<float>() + c;
          const std::int64_t i = std::int64_t(random_() % std::uint64_t(width)), j = std::int64_t(random_() % std::uint64_t(width));
          if (i != j) column[i * next] = large(), column[j * next] = -column[i * next] + float(uniform(-4, 4));
          bias.as<float>()[c] = random_() % 3 ? float(uniform(-2, 2)) : random_() % 2 ? large() : -large();
        }
      h = random_() % 2 ? b.op("Gemm", {h, b.constant(w), b.constant(bias)}) : b.op("Add", {b.op("MatMul", {h, b.constant(w)}), b.constant(bias)});
      if (form == Form::twins) {
        Tensor moved = Tensor::zeros(DType::f32, {width, next});
        for (std::int64_t i = 0; i < w.size(); ++i) moved.as<float>()[i] = random_() % 2 ? w.as<float>()[i] : float(double(w.as<float>()[i]) * uniform(0.99, 1.01));
        twin = b.op("Gemm", {twin, b.constant(moved), b.constant(bias)});
        if (!last) twin = b.op("Relu", {twin});
      }
      switch (form == Form::others ? random_() % 6 : 0) {
        case 1: h = b.op("Mul", {h, b.op("Gemm", {x, b.constant(tensor({inputs, next})), b.constant(bias)})}); break;
        case 2: h = b.op("Tanh", {h}); break;
        case 3: h = b.op("Sigmoid", {h}); break;
        default: if (!last) h = b.op("Relu", {h});
      }
      width = next;
    }
    Hostile r{*std::move(b).build(form == Form::twins ? op::Vals{h, twin} : op::Vals{h}), {}, {}};
    verify::Box box;
    for (std::int64_t i = 0; i < inputs; ++i) {
      std::vector<float> values{input()};
      for (std::uint64_t steps = random_() % 9; steps > 0; --steps) {
        if (values.back() == 0) values.push_back(-values.back());
        values.push_back(std::nextafter(values.back(), INFINITY));
      }
      box.lo.push_back(double(values.front())), box.hi.push_back(double(values.back()));
      r.along.push_back(std::move(values));
    }
    r.property.inputs = inputs, r.property.outputs = form == Form::twins ? 2 * width : width;
    verify::Row row;
    if (form == Form::twins) row.y = {{0, factor()}}, row.y.emplace_back(std::int32_t(width), -row.y[0].second);
    else for (std::int32_t e = 0; e < std::int32_t(width); ++e) if (e == 0 || random_() % 2) row.y.emplace_back(e, factor());
    if (form != Form::twins && random_() % 4 == 0) row.x.emplace_back(std::int32_t(random_() % 2), factor());
    r.property.cases.push_back({std::make_shared<const verify::Box>(std::move(box)), {std::move(row)}});
    return r;
  }
  std::mt19937_64& random() { return random_; }

 private:
  double uniform(double lo, double hi) { return std::uniform_real_distribution<double>(lo, hi)(random_); }
  float sign() { return random_() % 2 ? 1.0f : -1.0f; }
  float power(double lo, double hi) { return sign() * float(std::exp2(uniform(lo, hi))); }
  float large() { return 16777216.0f * float(1 + random_() % 64); }
  float weight(std::int64_t layer) {
    switch (numbers_) {
      case Numbers::plain: return float(uniform(-1, 1));
      case Numbers::whole: return float(std::int64_t(random_() % 7) - 3);
      case Numbers::wide: return power(-30, 30);
      case Numbers::cancelling: return float(uniform(-2, 2));
      case Numbers::vanishing: return layer == 0 ? power(-88, -80) : layer == 1 ? power(-70, -60) : power(60, 75);
      case Numbers::growing: return layer == 0 ? power(55, 65) : layer == 1 ? power(60, 75) : power(-90, -60);
      case Numbers::denormal: return layer == 0 ? power(-149, -120) : random_() % 2 ? power(-149, -100) : power(60, 98);
      case Numbers::large: return power(20, 66);
    }
    return 0;
  }
  Tensor tensor(Dims d) {
    Tensor t = Tensor::zeros(DType::f32, std::move(d));
    for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = weight(std::int64_t(random_() % 3));
    return t;
  }
  float input() {
    switch (numbers_) {
      case Numbers::whole: return float(std::int64_t(random_() % 9) - 4);
      case Numbers::wide: return power(-20, 20);
      case Numbers::vanishing: return power(85, 95);
      case Numbers::growing: return power(-100, -70);
      case Numbers::denormal: return random_() % 3 ? power(-149, -120) : random_() % 2 ? -0.0f : 3e-45f * sign();
      case Numbers::large: return power(10, 60);
      case Numbers::plain:
      case Numbers::cancelling: break;
    }
    return float(uniform(-1, 1));
  }
  double factor() {
    if (random_() % 2) return random_() % 2 ? 1 : -1;
    return double(sign()) * (numbers_ == Numbers::plain || numbers_ == Numbers::whole ? double(1 + random_() % 3) : std::exp2(uniform(-80, 40)));
  }

  Numbers numbers_;
  std::mt19937_64 random_;
};

/// A number that the row's sum is at most, somewhere in the box: the least that was met, moved up by what float64 may have missed of it. Nothing where no sum was finite.
std::optional<double> met(const Hostile& h, int orders, std::mt19937_64& random) {
  const Execution execution(h.graph);
  const verify::Row& row = h.property.cases[0].rows[0];
  std::optional<double> least;
  for (float a : h.along[0])
    for (float b : h.along[1])
      for (int k = 0; k <= orders; ++k) {
        const std::vector<float> x{a, b}, y = execution.run(x, random, k > 0);
        long double s = 0, size = 0;
        for (auto [e, v] : row.x) s += static_cast<long double>(v) * x[std::size_t(e)], size += std::fabs(static_cast<long double>(v) * x[std::size_t(e)]);
        for (auto [e, v] : row.y) s += static_cast<long double>(v) * y[std::size_t(e)], size += std::fabs(static_cast<long double>(v) * y[std::size_t(e)]);
        if (!std::isfinite(s) || size > 1e29L) continue;
        const double up = double(s + 1e-18L * size), bound = static_cast<long double>(up) < s + 1e-18L * size ? std::nextafter(up, INFINITY) : up;
        least = std::min(least.value_or(INFINITY), bound);
      }
  return least;
}

struct Searched {
  Verdict verdict = Verdict::unknown;
  std::string payload;
};
/// By a search that is told of no execution: bounds alone decide.
Searched searched(const ir::Graph& g, const verify::Property& p, Method method, bool recorded = true) {
  verify::Record record;
  verify::Options options;
  options.timeout_s = 0.05, options.threads = 1, options.method = method, options.record = recorded ? &record : nullptr;
  options.execute = [](const std::vector<float>&) -> Result<std::vector<float>> { return Error{ErrorCode::unsupported, "not executed"}; };
  auto o = verify::prove(g, p, options);
  EXPECT_TRUE(o) << (o ? "" : o.error().message);
  if (!o || o->verdict != Verdict::holds) return {o ? o->verdict : Verdict::unknown, {}};
  return {o->verdict, record.payload()};
}
bool accepted(const ir::Graph& g, const verify::Property& p, bool float32, const std::string& payload) {
  const auto j = check(g, claim(p), {"", "", "", float32, payload});
  return j && j->valid;
}
std::string damaged(std::string s, std::mt19937_64& random) {
  for (std::uint64_t k = random() % 3; !s.empty() && k + 1 > 0; --k) {
    const std::size_t at = random() % s.size(), n = std::min<std::size_t>(random() % 8, s.size() - at);
    switch (random() % 4) {
      case 0: s[at] = char(random()); break;
      case 1: s.erase(at, n); break;
      case 2: s.insert(at, s.substr(random() % s.size(), n)); break;
      case 3: s[at] ^= char(1 << random() % 8); break;
    }
    if (k == 0) break;
  }
  return s;
}
}  // namespace

TEST(Executed, nothing_that_was_met_is_proved_away) {
  int certified = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed)
    for (Numbers numbers : kAll) {
      Maker maker(numbers, seed);
      Hostile h = maker.make();
      SCOPED_TRACE("numbers " + std::to_string(int(numbers)) + ", seed " + std::to_string(seed));
      const auto least = met(h, 6, maker.random());
      if (!least) continue;
      verify::Property& p = h.property;
      double& bound = p.cases[0].rows[0].bound;
      std::vector<std::string> proofs;
      for (double off : {1e-12, 1e-6, 1e-4, 1e-2, 1.0}) {  // below what was met: it may hold, and what shows so shows it by the checker's bounds too
        bound = *least - off * std::max(std::fabs(*least), off == 1.0 ? 1e-3 : 0.0);
        for (Method method : {Method::inputs, Method::activations}) {
          const Searched s = searched(h.graph, p, method);
          if (s.verdict != Verdict::holds) continue;
          EXPECT_TRUE(accepted(h.graph, p, true, s.payload)) << off;
          proofs.push_back(s.payload), ++certified;
        }
      }
      bound = *least;
      for (Method method : {Method::inputs, Method::activations}) EXPECT_NE(searched(h.graph, p, method).verdict, Verdict::holds) << bound;
      for (const std::string& proof : proofs) {
        EXPECT_FALSE(accepted(h.graph, p, true, proof)) << bound;
        for (int i = 0; i < 8; ++i) EXPECT_FALSE(accepted(h.graph, p, true, damaged(proof, maker.random()))) << bound;
      }
    }
  EXPECT_GT(certified, 100);
}

TEST(Executed, nothing_that_was_met_is_proved_away_of_twins_products_and_curves) {
  int proved = 0;
  for (Form form : {Form::twins, Form::others})
    for (std::uint64_t seed = 0; seed < 10; ++seed)
      for (Numbers numbers : kAll) {
        Maker maker(numbers, seed);
        Hostile h = maker.make(form);
        SCOPED_TRACE("form " + std::to_string(int(form)) + ", numbers " + std::to_string(int(numbers)) + ", seed " + std::to_string(seed));
        const auto least = met(h, 6, maker.random());
        if (!least) continue;
        double& bound = h.property.cases[0].rows[0].bound;
        for (Method method : {Method::inputs, Method::activations}) {
          bound = *least;
          EXPECT_NE(searched(h.graph, h.property, method, false).verdict, Verdict::holds) << bound;
          bound = *least - 0.5 * std::fabs(*least) - 1e-3;
          proved += searched(h.graph, h.property, method, false).verdict == Verdict::holds;
        }
      }
  EXPECT_GT(proved, 50);
}

TEST(Executed, what_exact_sums_hide_is_refused_of_float32) {
  op::Builder b;                                     // y = relu(x + 2^24 w) - relu(2^24 w), w is 1: x in real numbers, 0 in float32 where x is small
  auto constant = [&](Dims d, double v) { return b.constant(Tensor::of(DType::f32, std::move(d), {v})); };
  Val x = b.input(ir::tensor_type(DType::f32, {1, 1}), "x"), w = b.input(ir::tensor_type(DType::f32, {1, 1}), "w");
  Val large = b.op("Relu", {b.op("Mul", {w, constant({1, 1}, 16777216)})});
  const ir::Graph g = *std::move(b).build({b.op("Sub", {b.op("Relu", {b.op("Add", {x, large})}), large})});
  verify::Property p{2, 1, {{std::make_shared<const verify::Box>(verify::Box{{0.25, 1}, {0.375, 1}}), {{.y = {{0, 1.0}}, .bound = 0.125}}}}, 0};
  const std::string at_once = verify::Writer().number(1).number(1).number(0).tag(Tag::refuted).number(0).bytes();
  EXPECT_TRUE(accepted(g, p, false, at_once));
  EXPECT_FALSE(accepted(g, p, true, at_once));
  p.cases[0].rows[0].bound = -8;
  EXPECT_TRUE(accepted(g, p, true, at_once));
}

TEST(Executed, numbers_that_leave_float64_prove_nothing) {
  for (const auto& [weight, from, to] : {std::tuple(1e-44, -1.0, 1.0), std::tuple(9e29, 1e-29, 2e-29)}) {
    op::Builder b;
    Val h = b.input(ir::tensor_type(DType::f32, {1, 1}), "x");
    for (int k = 0; k < 12; ++k) h = b.op("MatMul", {h, b.constant(Tensor::of(DType::f32, {1, 1}, {k < 11 ? weight : -weight}))});
    const ir::Graph g = *std::move(b).build({h});
    for (double factor : {1.0, -1.0, 1e-190, -1e-190}) {  // of each pair one is violated
      const verify::Property p{1, 1, {{std::make_shared<const verify::Box>(verify::Box{{from}, {to}}), {{.y = {{0, factor}}, .bound = 0, .strict = true}}}}, 0};
      const std::string at_once = verify::Writer().number(1).number(1).number(0).tag(Tag::refuted).number(0).bytes();
      for (bool float32 : {true, false}) EXPECT_FALSE(accepted(g, p, float32, at_once)) << weight << " " << factor << " " << float32;
    }
  }
}

TEST(Executed, a_dropout_in_training_mode_is_not_read) {
  for (int mode : {-1, 0, 1}) {                      // none is said; false; true
    op::Builder b;
    Val x = b.input(ir::tensor_type(DType::f32, {1, 4}), "x");
    op::Vals in{x, b.constant(Tensor::of(DType::f32, {}, {0.5}))};
    if (mode >= 0) in.push_back(b.constant(Tensor::of(DType::boolean, {}, {double(mode)})));
    const ir::Graph g = *std::move(b).build({b.op("Dropout", in)});
    verify::Property p{4, 4, {{std::make_shared<const verify::Box>(verify::Box{std::vector<double>(4, 1.0), std::vector<double>(4, 2.0)}), {{.y = {{0, 1.0}}, .bound = 0.5}}}}, 0};
    EXPECT_EQ(accepted(g, p, true, verify::Writer().number(1).number(1).number(0).tag(Tag::refuted).number(0).bytes()), mode < 1) << mode;
  }
}

}  // namespace saha::check_proof
