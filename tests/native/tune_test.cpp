// Every way of a layer gives the operators' results, in plans that may be stored; what is learnt is kept and found again.
#include "backends/native/tune.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "backends/native/network.hpp"
#include "backends/native/pack.hpp"
#include "system/file.hpp"
#include "tests/native/net.hpp"

namespace saha::native {
namespace {
using ir::Ints;
using op::Val;
using test::Net;

/// The n-th way of each layer.
class Nth final : public Picker {
 public:
  explicit Nth(std::size_t n) : n_(n) {}
  std::size_t pick(const std::string& layer, std::span<const Way> ways) const override {
    most = std::max(most, ways.size());
    layers.insert(layer);
    for (const Way& w : ways) kernels.insert(w.kernel);
    return n_ < ways.size() ? n_ : 0;
  }
  mutable std::size_t most = 0;
  mutable std::set<std::string> layers, kernels;

 private:
  std::size_t n_;
};

/// Two convolutions, a product of a few rows and one of many.
Net net(Val& y) {
  Net n;
  Val x = n.input({1, 20, 18, 18});
  const auto conv = [&](Val v, std::int64_t m, std::int64_t c) { return n.b.op("Conv", {v, n.weight({m, c, 3, 3}), n.weight({m})}, {{"pads", Ints{1, 1, 1, 1}}}); };
  x = n.b.op("Relu", {conv(n.b.op("Relu", {conv(x, 40, 20)}), 24, 40)});
  x = n.b.op("Reshape", {x, n.b.constant(Tensor::of(DType::i64, {2}, {8, 3 * 18 * 18}))});
  y = n.b.op("MatMul", {x, n.weight({3 * 18 * 18, 50}, -0.5f, 0.5f)});
  return n;
}

TEST(Tune, every_way_gives_the_same_results) {
  Val y;
  Net n = net(y);
  auto g = std::move(n.b).build({y});
  ASSERT_TRUE(g) << g.error().message;
  auto want = op::run(*g, n.data);
  ASSERT_TRUE(want) << want.error().message;
  std::vector<const Datum*> in = {&n.data[0]};
  for (const kernels::Isa isa : kernels::kLevels) {
    if (!kernels::runs(kernels::detect_isa(), isa)) continue;
    std::size_t most = 1;
    for (std::size_t way = 0; way < most; ++way) {
      const auto nth = std::make_shared<Nth>(way);
      const auto network = Network::make(runnable(*g), isa, nth);
      auto plan = network->plan_for(in);
      ASSERT_TRUE(plan) << plan.error().message;
      most = nth->most;
      EXPECT_EQ(nth->layers.size(), 3u);
      EXPECT_TRUE(nth->kernels.contains("winograd_f32") && nth->kernels.contains("conv_last_f32") && nth->kernels.contains("gemm_f32"));
      plan::Plan copy = (*plan)->plan;
      ASSERT_TRUE(runtime::bind(copy, isa));
      system::ThreadPool pool(2);
      auto got = Runner(network, pool).run(in);
      ASSERT_TRUE(got) << got.error().message;
      const Tensor &a = (*got)[0].tensor, &b = (*want)[0].tensor;
      ASSERT_EQ(a.dims, b.dims);
      for (std::int64_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a.as<float>()[i], b.as<float>()[i], 2e-3) << "way " << way;
    }
    EXPECT_GT(most, 4u);
  }
}

TEST(Tune, measures_each_layer_and_packs_what_it_chose) {
  Val y;
  Net n = net(y);
  auto g = std::move(n.b).build({y});
  ASSERT_TRUE(g) << g.error().message;
  const ir::Graph graph = runnable(*g);
  int trials = 0;
  TuneOptions options{.threads = 2, .seconds = 0, .on_trial = [&](int done, int total) {
    EXPECT_LE(done, total);
    ++trials;
  }};
  auto tuned = tune(graph, n.data, options);
  ASSERT_TRUE(tuned) << tuned.error().message;
  ASSERT_EQ(tuned->layers.size(), 3u);
  EXPECT_EQ(tuned->trials, trials);
  EXPECT_EQ(tuned->choices.all().size(), 3u);
  EXPECT_GT(tuned->before_seconds, 0);
  EXPECT_FALSE(tuned->interrupted);
  for (const TunedLayer& l : tuned->layers) {
    EXPECT_EQ(l.count, 1);
    for (double s : l.seconds) EXPECT_TRUE(std::isfinite(s) && s > 0) << l.layer;
    EXPECT_EQ(*tuned->choices.find(l.layer), l.ways[l.chosen]);
  }
  // All is known: nothing is tried.
  options.known = &tuned->choices;
  options.on_trial = {};
  auto again = tune(graph, n.data, options);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->trials, 0);
  EXPECT_EQ(again->choices.all(), tuned->choices.all());
  for (const TunedLayer& l : again->layers) EXPECT_TRUE(l.known);
}

TEST(Tune, takes_the_first_way_where_the_known_one_is_gone) {
  Choices c;
  c.set("layer", {"no_such_kernel", 0});
  const Way ways[] = {{"conv_last_f32", 0}, {"conv_last_f32", 1}};
  EXPECT_EQ(c.pick("layer", ways), 0u);
  EXPECT_EQ(c.pick("another", ways), 0u);
  c.set("layer", {"conv_last_f32", 1});
  EXPECT_EQ(c.pick("layer", ways), 1u);
}

TEST(Tune, keeps_choices_by_processor) {
  auto folder = system::TempFolder::make();
  ASSERT_TRUE(folder);
  const auto file = folder->path() / "deep" / "tune.json";
  auto cache = TuneCache::open(file);
  ASSERT_TRUE(cache) << cache.error().message;
  auto other = TuneCache::open(file);
  ASSERT_TRUE(other);
  Choices one, two;
  one.set("a layer", {"conv_last_f32", 3});
  two.set("another", {"gemm_f32", 1});
  ASSERT_TRUE(cache->add("this", one));
  ASSERT_TRUE(other->add("this", two));
  ASSERT_TRUE(other->add("that", two));
  auto read = TuneCache::open(file);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->choices("this").all().size(), 2u);
  EXPECT_EQ(*read->choices("this").find("a layer"), (Way{"conv_last_f32", 3}));
  EXPECT_EQ(read->choices("that").all().size(), 1u);
  EXPECT_TRUE(read->choices("neither").all().empty());
  EXPECT_NE(TuneCache::key(kernels::Isa::generic, 1), TuneCache::key(kernels::Isa::generic, 2));
}

TEST(Tune, refuses_a_file_that_is_no_cache) {
  auto folder = system::TempFolder::make();
  ASSERT_TRUE(folder);
  const auto file = folder->path() / "tune.json";
  for (const char* text : {"", "[", "[]", "{}", R"({"schema": "saha.tune/2", "processors": {}})", R"({"schema": "saha.tune/1"})", R"({"schema": "saha.tune/1", "processors": {"p": 1}})",
                           R"({"schema": "saha.tune/1", "processors": {"p": {"l": {"kernel": "gemm_f32", "blocks": 999}}}})", R"({"schema": "saha.tune/1", "processors": {"p": {"l": {"blocks": 1}}}})"}) {
    ASSERT_TRUE(system::write_file(file, std::string_view(text)));
    auto cache = TuneCache::open(file);
    ASSERT_FALSE(cache) << text;
    EXPECT_EQ(cache.error().code, ErrorCode::invalid_file);
    EXPECT_NE(cache.error().message.find("tune.json"), std::string::npos);
  }
}

}  // namespace
}  // namespace saha::native
