// Certificates of made networks: those that the search writes are valid, and none makes a property pass that is violated.
#include "check_proof/check.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>

#include "op/builder.hpp"
#include "system/file.hpp"
#include "tests/check_proof/claim_testing.hpp"
#include "verify/record.hpp"
#include "verify/verify.hpp"

namespace saha::check_proof {
namespace {
using op::Val;
using verify::Writer;

Tensor random_tensor(Dims dims, std::mt19937& random, double scale) {
  Tensor t = Tensor::zeros(DType::f32, std::move(dims));
  for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = float(scale * (double(random() % 2001) / 1000 - 1));
  return t;
}

/// [1, 3] -> Sub, MatMul, Add, Relu, Gemm, Relu, Gemm -> [1, 1], or over pictures [1, 1, 2, 2] by way of a convolution and a residual sum.
ir::Graph network(std::uint32_t seed, bool picture = false) {
  std::mt19937 random(seed);
  op::Builder b;
  auto constant = [&](Dims d, double scale = 1) { return b.constant(random_tensor(std::move(d), random, scale)); };
  Val h;
  if (picture) {
    Val x = b.input(ir::tensor_type(DType::f32, {1, 1, 2, 2}), "x");
    Val c = b.op("Relu", {b.op("Conv", {x, constant({3, 1, 2, 2}), constant({3})}, {{"pads", ir::Ints{1, 0, 0, 1}}})});
    Val d = b.op("Conv", {c, constant({3, 3, 1, 1}), constant({3})});
    h = b.op("Flatten", {b.op("Transpose", {b.op("Relu", {b.op("Add", {c, d})}), }, {{"perm", ir::Ints{0, 2, 3, 1}}})});
    return *std::move(b).build({b.op("Gemm", {h, constant({1, 12}), constant({1})}, {{"transB", std::int64_t{1}}})});
  }
  Val x = b.input(ir::tensor_type(DType::f32, {1, 3}), "x");
  h = b.op("Relu", {b.op("Add", {b.op("MatMul", {b.op("Sub", {x, constant({3}, 0.1)}), constant({3, 10})}), constant({10})})});
  h = b.op("Relu", {b.op("Gemm", {b.op("Mul", {h, constant({10})}), constant({10, 10}), constant({10})})});
  return *std::move(b).build({b.op("Gemm", {h, constant({1, 10}), constant({1})}, {{"transB", std::int64_t{1}}})});
}

/// A counterexample has y0 at most `bound`, for x in a box around 0.
verify::Property property(const ir::Graph& g, double bound, double radius = 1) {
  verify::Property p;
  std::int64_t n = 1;
  for (const ir::Dim& d : g.type(g.inputs()[0]).dims) n *= *d.known();
  p.inputs = n, p.outputs = 1;
  auto box = std::make_shared<verify::Box>();
  box->lo.assign(std::size_t(n), -radius), box->hi.assign(std::size_t(n), radius);
  p.cases.push_back({box, {{{}, {{0, 1.0}}, bound, false}}});
  return p;
}
/// About the least output.
double least(const ir::Graph& g, double radius = 1) {
  std::mt19937 random(7);
  double best = INFINITY;
  for (int i = 0; i < 3000; ++i) {
    Dims d;
    for (const ir::Dim& x : g.type(g.inputs()[0]).dims) d.push_back(*x.known());
    Tensor x = random_tensor(d, random, radius);
    for (std::int64_t e = 0; e < x.size(); ++e) if (random() % 2) x.as<float>()[e] = float(x.as<float>()[e] < 0 ? -radius : radius);
    std::vector<Datum> in{Datum(std::move(x))};
    best = std::min(best, (*op::run(g, in))[0].tensor.at(0));
  }
  return best;
}

struct Proved {
  verify::Property property;
  Certificate certificate;
  std::int64_t regions = 0;
};
Proved proved(const ir::Graph& g, double margin, verify::Method method = verify::Method::inputs) {
  Proved r{property(g, least(g) - margin), {}};
  verify::Record record;
  verify::Options options;
  options.threads = 1, options.timeout_s = 100, options.record = &record, options.method = method;
  auto o = verify::prove(g, r.property, options);
  EXPECT_TRUE(o && o->verdict == verify::Verdict::holds);
  if (o) r.regions = o->regions;
  r.certificate.payload = record.payload();
  return r;
}
Judgement judged(const ir::Graph& g, const verify::Property& p, const Certificate& c) {
  auto j = check(g, claim(p), c);
  EXPECT_TRUE(j) << (j ? "" : j.error().message);
  return j ? *j : Judgement{};
}
}  // namespace

TEST(CheckProof, what_the_search_by_inputs_writes_is_valid) {
  std::int64_t regions = 0;
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    const ir::Graph g = network(seed, seed % 3 == 2);
    const Proved p = proved(g, 0.3);
    regions += p.regions;
    const Judgement j = judged(g, p.property, p.certificate);
    EXPECT_TRUE(j.valid) << seed << ": " << j.why;
  }
  EXPECT_GT(regions, 100);  // there were trees
}

TEST(CheckProof, a_proof_of_another_network_is_replayed) {
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    const ir::Graph g = network(seed, seed % 3 == 2), other = network(seed + 100, seed % 3 == 2);
    const Proved old = proved(g, 0.3);
    const std::vector<std::size_t> rows{1};
    const auto trees = *verify::read_splits(old.certificate.payload, rows, old.property.inputs);
    ASSERT_TRUE(trees);
    for (const ir::Graph* now : {&g, &other}) {
      verify::Record record(*trees), not_kept(*trees, false);
      verify::Options options;
      options.threads = 1, options.timeout_s = 100, options.record = &record, options.method = verify::Method::inputs;
      const verify::Property holds = property(*now, least(*now) - 0.3), broken = property(*now, least(*now) + 1e-3);
      const auto o = verify::prove(*now, holds, options);
      ASSERT_TRUE(o && o->verdict == verify::Verdict::holds);
      const Judgement j = judged(*now, holds, Certificate{"", "", "", true, record.payload()});
      EXPECT_TRUE(j.valid) << seed << ": " << j.why;
      options.record = &not_kept;
      const auto found = verify::prove(*now, broken, options);
      ASSERT_TRUE(found && found->verdict == verify::Verdict::violated);
    }
  }
  const std::vector<std::size_t> rows{1};
  EXPECT_FALSE(verify::read_splits("\x01\x01\x05", rows, 3));
  EXPECT_FALSE(verify::read_splits("", rows, 3));
  EXPECT_FALSE(*verify::read_splits(Writer().number(1).number(1).number(0).tag(Tag::signs).tag(Tag::places).number(0).bytes(), rows, 3));
}

TEST(CheckProof, what_the_search_by_activations_writes_is_valid) {
  std::int64_t nodes = 0;
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    const ir::Graph g = network(seed, seed % 3 == 2);
    const Proved p = proved(g, 0.1, verify::Method::activations);
    const Judgement j = judged(g, p.property, p.certificate);
    EXPECT_TRUE(j.valid) << seed << ": " << j.why;
    nodes += j.nodes;
  }
  EXPECT_GT(nodes, 300);  // there were trees
}

// The search records its slopes and, of products of variables, how their planes are mixed; the checker does not know such products.
TEST(CheckProof, a_recording_search_of_products_stays_within_its_buffers) {
  int held = 0;
  for (std::uint32_t seed = 0; seed < 3; ++seed) {
    std::mt19937 random(seed);
    op::Builder b;
    auto dense = [&](Val x, std::int64_t in, std::int64_t out) { return b.op("Gemm", {x, b.constant(random_tensor({in, out}, random, 0.8)), b.constant(random_tensor({out}, random, 0.5))}); };
    Val x = b.input(ir::tensor_type(DType::f32, {1, 4}), "x");
    Val product = b.op("Mul", {b.op("Relu", {dense(x, 4, 13)}), b.op("Relu", {dense(x, 4, 13)})});
    const ir::Graph g = *std::move(b).build({dense(b.op("Relu", {dense(product, 13, 7)}), 7, 1)});
    const verify::Property p = property(g, least(g, 0.5) - 0.2, 0.5);
    for (const verify::Method method : {verify::Method::activations, verify::Method::automatic}) {
      verify::Record record;
      verify::Options options;
      options.threads = 1, options.timeout_s = 3, options.record = &record, options.method = method;
      const auto o = verify::prove(g, p, options);
      ASSERT_TRUE(o) << o.error().message;
      EXPECT_NE(o->verdict, verify::Verdict::violated);
      if (o->verdict != verify::Verdict::holds || !record.complete()) continue;   // time ends some, in which as much was recorded
      ++held;
      const auto j = check(g, claim(p), Certificate{"", "", "", true, record.payload()});
      ASSERT_FALSE(j);
      EXPECT_NE(j.error().message.find("Mul"), std::string::npos) << j.error().message;
    }
  }
  EXPECT_GT(held, 0);
}

TEST(CheckProof, a_file_comes_back_as_it_was_and_no_byte_of_it_may_change) {
  const auto folder = system::TempFolder::make();
  ASSERT_TRUE(folder);
  const auto path = folder->path() / "a.saha-proof";
  const Certificate c{"1.0", "aa", "bb", false, std::string("\x01\x01\x00\x00", 4)};
  ASSERT_TRUE(verify::write(c, path));
  auto bytes = *system::read_text(path);
  auto back = parse(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->payload, c.payload);
  EXPECT_EQ(back->model_sha256 + back->property_sha256 + back->saha, "aabb1.0");
  EXPECT_FALSE(back->float32);
  int refused = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] ^= 1;
    auto other = parse(bytes);
    refused += !other || other->model_sha256 != "aa" || other->property_sha256 != "bb" || other->saha != "1.0";
    bytes[i] ^= 1;
  }
  EXPECT_EQ(refused, int(bytes.size()));
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(parse(std::string_view(bytes).substr(0, n)));
}

TEST(CheckProof, changed_trees_prove_nothing_of_a_violated_property) {
  std::mt19937 random(1);
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    const ir::Graph g = network(seed / 2);
    Proved p = proved(g, seed % 2 ? 0.1 : 0.2, seed % 2 ? verify::Method::activations : verify::Method::inputs);
    const verify::Property violated = property(g, least(g) + 1e-3);
    EXPECT_FALSE(judged(g, violated, p.certificate).valid);
    const std::string whole = p.certificate.payload;
    for (int i = 0; i < 300; ++i) {
      std::string s = whole;
      for (int k = int(random() % 4); k >= 0; --k) {
        const std::size_t at = random() % s.size(), n = std::min<std::size_t>(random() % 12, s.size() - at);
        switch (random() % 4) {
          case 0: s[at] = char(random()); break;
          case 1: s.erase(at, n); break;
          case 2: s.insert(at, s.substr(random() % s.size(), n)); break;
          case 3: s[at] ^= char(1 << random() % 8); break;
        }
        if (s.empty()) s = whole;
      }
      p.certificate.payload = s;
      EXPECT_FALSE(judged(g, violated, p.certificate).valid) << seed << " " << i;
    }
  }
}

TEST(CheckProof, a_proof_of_one_network_is_none_of_another) {
  const ir::Graph a = network(0), b = network(1);
  const Proved p = proved(a, 0.2);
  EXPECT_FALSE(judged(b, property(b, least(b) + 1e-3), p.certificate).valid);
  Proved empty = p;
  for (const char* payload : {"", "\x01", "\x01\x01"}) {
    empty.certificate.payload = payload;
    EXPECT_FALSE(judged(a, p.property, empty.certificate).valid);
  }
  empty.certificate.payload = std::string(1, '\0');  // no tree at all
  EXPECT_EQ(judged(a, p.property, empty.certificate).why, "nothing is said of case 1, at node 0");
  auto other = check(a, claim(property(network(2, true), 0)), p.certificate);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().message, "the property is not of a network with 3 inputs and 1 outputs, or has numbers of 1e30 and more or of 1e-200 and less");
}

/// y = relu(x) - x over [-1, 1] is at least 0.
struct Signs : testing::Test {
  Signs() {
    op::Builder b;
    Val x = b.input(ir::tensor_type(DType::f32, {1, 1}), "x");
    Val z = b.op("MatMul", {x, b.constant(Tensor::of(DType::f32, {1, 1}, {1}))});
    g = *std::move(b).build({b.op("Sub", {b.op("Relu", {z}), x})});
    w.number(1).number(1).number(0);
  }
  std::string why(double bound = -0.1) {
    return judged(g, property(g, bound), Certificate{"", "", "", true, w.bytes()}).why;
  }
  Signs& signs() { return w.tag(Tag::signs).tag(Tag::places).number(1).number(0).number(0), *this; }
  Signs& goal(float weight = 1) { return w.tag(Tag::goals).number(1).number(0).real(weight), *this; }
  Signs& split(std::uint64_t place = 0) { return w.tag(Tag::sign_split).number(place), *this; }
  Signs& leaf(std::string slopes, std::initializer_list<float> multipliers) {
    w.tag(Tag::bounded).append(slopes);
    for (float m : multipliers) w.real(m);
    return *this;
  }
  const std::string zero = std::string(1, '\0'), one = "\xff";
  ir::Graph g;
  Writer w;
};

TEST_F(Signs, a_slope_of_one_shows_it) {
  signs().goal().leaf(one, {});
  EXPECT_EQ(why(), "");
  EXPECT_NE(why(1e-3), "");
}
TEST_F(Signs, a_slope_of_zero_does_not) {
  signs().goal().leaf(zero, {});
  EXPECT_NE(why().find("case 1 is not refuted: its rows are bounded by -1.0"), std::string::npos) << why();
}
TEST_F(Signs, both_signs_with_a_multiplier_show_it) {
  signs().goal().split().leaf(zero, {0}).leaf(zero, {1});
  EXPECT_EQ(why(), "");
  EXPECT_NE(why(1e-3), "");
}
TEST_F(Signs, signs_without_the_multiplier_do_not) {
  signs().goal().split().leaf(zero, {0}).leaf(zero, {0});
  EXPECT_NE(why(), "");
}
TEST_F(Signs, a_sign_that_is_not_made_use_of_changes_nothing) {
  signs().goal().split().leaf(one, {-1}).leaf(one, {-1});
  EXPECT_EQ(why(), "");
}
TEST_F(Signs, children_that_change_places_do_not) {
  signs().goal().split().leaf(zero, {1}).leaf(zero, {0});
  EXPECT_NE(why(), "");
}
TEST_F(Signs, a_multiplier_below_zero_is_refused) {
  signs().goal().split().leaf(zero, {0}).leaf(zero, {-2});
  EXPECT_EQ(why(), "a multiplier is -2.000000, at node 6");
}
TEST_F(Signs, weights_below_zero_and_none_at_all_are_refused) {
  signs().goal(-1).leaf(one, {});
  EXPECT_EQ(why(), "a row's weight is -1.000000, at node 3");
  w = {};
  w.number(1).number(1).number(0);
  signs().goal(0).leaf(one, {});
  EXPECT_NE(why().find("case 1 is not refuted: its rows are bounded by 0.0"), std::string::npos) << why();
}
TEST_F(Signs, one_sign_alone_is_no_proof) {
  signs().goal().split().leaf(zero, {0});
  EXPECT_NE(why(), "");
}
TEST_F(Signs, a_case_without_a_goal_is_not_proved) {
  signs();
  w.tag(Tag::goals).number(0);
  EXPECT_EQ(why(), "nothing is said of case 1, at node 3");
}
TEST_F(Signs, claims_narrow_what_follows) {
  signs();                                           // z <= 1, in halves; then the same under each sign of the goal
  w.tag(Tag::claims).number(1).number(1), split().leaf("", {0}).leaf("", {0});
  goal().split();
  w.tag(Tag::claims).number(1).number(0), leaf("", {0}).leaf(zero, {0});
  w.tag(Tag::claims).number(1).number(1), leaf("", {-1}).leaf(zero, {1});
  EXPECT_EQ(why(), "");
  EXPECT_NE(why(1e-3), "");
}
TEST_F(Signs, nodes_in_the_wrong_place_are_refused) {
  const std::string begin = w.bytes();
  auto said = [&](auto write) {
    w = Writer().append(begin);
    write();
    return why();
  };
  EXPECT_EQ(said([&] { signs(), w.tag(Tag::claims).number(1).number(2).number(0); }), "there is no place 1, at node 3");
  EXPECT_EQ(said([&] { signs().goal().split(1); }), "there is no place 1, at node 4");
  EXPECT_EQ(said([&] { signs().split(); }), "a node of kind 7 stands in the wrong place, at node 3");
  EXPECT_EQ(said([&] { signs().leaf(zero, {}); }), "a node of kind 8 stands in the wrong place, at node 3");
  EXPECT_EQ(said([&] { signs().goal().goal(); }), "a node of kind 5 stands in the wrong place, at node 4");
  EXPECT_EQ(said([&] { signs().goal(), w.tag(Tag::places).number(0); }), "a node of kind 4 stands in the wrong place, at node 4");
  EXPECT_EQ(said([&] { signs(), w.tag(Tag::clip); }), "a node of kind 2 stands in the wrong place, at node 3");
  EXPECT_EQ(said([&] { goal(); }), "a node of kind 5 stands in the wrong place, at node 1");
  EXPECT_EQ(said([&] { w.tag(Tag::signs).tag(Tag::places).number(1).number(0).number(1); }), "ReLU 0 has no element 1, or it is out of order, at node 2");
}
TEST_F(Signs, a_box_is_clipped_to_what_may_hold_a_counterexample) {
  w.tag(Tag::clip).tag(Tag::refuted).number(0);
  EXPECT_EQ(why(), "");
  EXPECT_EQ(why(0.5), "a box is not refuted, at node 2");
}
TEST_F(Signs, a_box_that_is_split_outside_itself_has_one_half) {
  w.tag(Tag::input_split).number(0).real(2).tag(Tag::refuted).number(0).tag(Tag::refuted).number(0);
  EXPECT_EQ(why(), "");
  EXPECT_EQ(why(0.5), "a box is not refuted, at node 2");
  w = Writer().number(1).number(1).number(0).tag(Tag::input_split).number(1).real(0);
  EXPECT_EQ(why(), "input 1 is split at 0.000000, at node 1");
}

/// y = s, -s for s = the sum of four inputs: where both are to be at most -0.00001, neither cuts much of any box that the other's points lie in.
struct Together : testing::Test {
  Together() {
    op::Builder b;
    Val x = b.input(ir::tensor_type(DType::f32, {1, 4}), "x");
    g = *std::move(b).build({b.op("MatMul", {x, b.constant(Tensor::of(DType::f32, {4, 2}, {1, -1, 1, -1, 1, -1, 1, -1}))})});
  }
  verify::Property both(double bound) const {
    auto p = property(g, 0);
    p.outputs = 2, p.cases[0].rows = {{{}, {{0, 1.0}}, bound, false}, {{}, {{1, 1.0}}, bound, false}};
    return p;
  }
  static std::string leaf(std::initializer_list<float> weights, std::uint64_t of = 0) {
    Writer w;
    w.number(1).number(1).number(0).tag(Tag::refuted).number(1).number(of);
    for (float v : weights) w.real(v);
    return w.bytes();
  }
  std::string why(const std::string& payload, double bound = -1e-5) const { return judged(g, both(bound), Certificate{"", "", "", true, payload}).why; }
  ir::Graph g;
};

TEST_F(Together, rows_refute_what_none_of_them_does_alone) {
  EXPECT_EQ(why(leaf({1, 1})), "");
  EXPECT_EQ(why(Writer().number(1).number(1).number(0).tag(Tag::refuted).number(0).bytes()), "a box is not refuted, at node 1");
  EXPECT_EQ(why(leaf({1, 0})), "a box is not refuted, at node 1");
  EXPECT_EQ(why(leaf({0, 0})), "a box is not refuted, at node 1");
  EXPECT_EQ(why(leaf({1, -1})), "a row's weight is -1.000000, at node 1");
  EXPECT_EQ(why(leaf({1, 1}, 1)), "there is no case 1, at node 1");
  EXPECT_NE(why(leaf({1})), "");
}
TEST_F(Together, weights_and_factors_that_are_lost_near_0_refute_nothing) {
  auto p = both(0);
  p.cases[0].rows[0].strict = p.cases[0].rows[1].strict = true;
  for (double factor : {1.0, 1e-190}) {
    for (auto& r : p.cases[0].rows) r.y = {{0, factor}};
    EXPECT_FALSE(judged(g, p, Certificate{"", "", "", true, leaf({1e-44f, 1e-44f})}).valid) << factor;
    EXPECT_FALSE(judged(g, p, Certificate{"", "", "", true, leaf({1, 1})}).valid) << factor;
  }
  for (auto& r : p.cases[0].rows) r.y = {{0, 1e-300}};
  EXPECT_FALSE(check(g, claim(p), Certificate{"", "", "", true, leaf({1e-44f, 1e-44f})}));
}
TEST_F(Together, a_leaf_that_is_missed_by_a_hair_is_halved) {
  EXPECT_EQ(why(leaf({1, 0.99999f})), "");
  EXPECT_EQ(why(leaf({1, 0.5f})), "a box is not refuted, at node 1");
}
TEST_F(Together, what_the_search_writes_is_valid_and_no_weights_prove_what_is_violated) {
  verify::Record record;
  verify::Options options;
  options.threads = 1, options.timeout_s = 100, options.record = &record, options.method = verify::Method::inputs;
  const auto o = verify::prove(g, both(-1e-5), options);
  ASSERT_TRUE(o && o->verdict == verify::Verdict::holds);
  EXPECT_EQ(why(record.payload()), "");
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) EXPECT_NE(why(leaf({float(random() % 1000), float(random() % 1000)}), 1e-6), "") << i;
  for (std::string s = leaf({1, 1}); std::size_t at : {3u, 4u, 5u, 6u, 7u, 8u, 9u, 10u, 11u, 12u, 13u})
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = s;
      damaged[at] ^= char(1 << bit);
      EXPECT_NE(why(damaged, 1e-6), "") << at << " " << bit;
    }
}

/// The parts of 8 inputs' x: y = relu of their halves, moved and joined in ways that the checker reads by the operators' references.
TEST(CheckProof, what_moves_elements_is_read_by_their_numbers) {
  op::Builder b;
  auto ints = [&](std::initializer_list<std::int64_t> v) { return b.constant(Tensor::of_ints(v)); };
  Val x = b.input(ir::tensor_type(DType::f32, {2, 4}), "x");
  Val t = b.op("Transpose", {b.op("Mul", {x, b.constant(Tensor::of(DType::f32, {}, {0.5}))})}, {{"perm", ir::Ints{1, 0}}});
  Val low = b.op("Relu", {b.op("Slice", {t, ints({0}), ints({2}), ints({0})})}), high = b.op("Slice", {t, ints({2}), ints({4}), ints({0})});
  Val all = b.op("Concat", {low, high}, {{"axis", std::int64_t{0}}});
  const ir::Graph g = *std::move(b).build({b.op("Pad", {b.op("Reshape", {all, ints({1, 8})}), ints({0, 2, 0, 0})})});
  auto p = property(g, 0);
  p.outputs = 10;
  const double lowest[] = {0, 0, 0, 0, 0, 0, -0.5, -0.5, -0.5, -0.5};
  for (std::int32_t e = 0; e < 10; ++e)
    for (double off : {-1e-3, 1e-3}) {
      p.cases[0].rows = {{{}, {{e, 1.0}}, lowest[e] + off, false}};
      const auto j = judged(g, p, Certificate{"", "", "", true, Writer().number(1).number(1).number(0).tag(Tag::refuted).number(0).bytes()});
      EXPECT_EQ(j.valid, off < 0) << e << " " << off << " " << j.why;
    }
}

TEST(CheckProof, the_checker_is_small) {
  int lines = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator("src/check_proof")) {
    if (file.path().extension() != ".cpp" && file.path().extension() != ".hpp") continue;
    std::ifstream in(file.path());
    for (std::string line; std::getline(in, line);) {
      const std::size_t at = line.find_first_not_of(' ');
      lines += at != std::string::npos && !line.substr(at).starts_with("//");
    }
  }
  EXPECT_GT(lines, 500);
  EXPECT_LT(lines, 1000);
}

TEST(CheckProof, an_operator_that_is_not_known_is_named) {
  op::Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {1, 1}), "x");
  const ir::Graph g = *std::move(b).build({b.op("Tanh", {x})});
  auto j = check(g, claim(property(g, -2)), {});
  ASSERT_FALSE(j);
  EXPECT_NE(j.error().message.find("the checker does not know operator Tanh"), std::string::npos) << j.error().message;
}

TEST(CheckProof, float32_sums_cost_what_exact_sums_do_not) {
  op::Builder b;
  Val x = b.input(ir::tensor_type(DType::f32, {1, 1}), "x");
  const ir::Graph g = *std::move(b).build({b.op("MatMul", {x, b.constant(Tensor::of(DType::f32, {1, 1}, {1}))})});
  Writer w;
  w.number(1).number(1).number(0).tag(Tag::refuted).number(0);
  EXPECT_FALSE(judged(g, property(g, -1 - 1e-7), {"", "", "", true, w.bytes()}).valid);
  EXPECT_TRUE(judged(g, property(g, -1 - 1e-7), {"", "", "", false, w.bytes()}).valid);
  EXPECT_TRUE(judged(g, property(g, -1 - 1e-6), {"", "", "", true, w.bytes()}).valid);
}

}  // namespace saha::check_proof
