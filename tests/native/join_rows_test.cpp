// Neighbouring convolutions of a plan become one instruction where that is said to be faster, and only where nobody else reads what stands between.
#include <gtest/gtest.h>

#include <algorithm>

#include "backends/native/network.hpp"
#include "plan/stored.hpp"
#include "tests/native/net.hpp"

namespace saha::native {
namespace {
using ir::Ints;
using op::Val;
using op::Vals;
using test::Net;

Val conv(Net& n, Val x, std::int64_t channels, std::int64_t of) { return n.b.op("Conv", {x, n.weight({channels, of, 1, 1}, -0.5f, 0.5f), n.weight({channels})}); }
Val depthwise(Net& n, Val x, std::int64_t channels, std::int64_t stride) {
  return n.b.op("Conv", {x, n.weight({channels, 1, 3, 3}), n.weight({channels})}, {{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{stride, stride}}, {"group", channels}});
}
Val relu(Net& n, Val x) { return n.b.op("Relu", {x}); }

/// The kernels of the plan at each level in the order in which they run, without what reorders; results are the references', on one thread and on two.
void check(Net& n, const Vals& outputs, const std::vector<std::string>& kernels) {
  auto g = std::move(n.b).build(outputs);
  ASSERT_TRUE(g) << g.error().message;
  auto want = op::run(*g, n.data);
  ASSERT_TRUE(want) << want.error().message;
  std::vector<const Datum*> in;
  for (const Datum& d : n.data) in.push_back(&d);
  for (const kernels::Isa isa : kernels::kLevels) {
    if (!kernels::runs(kernels::detect_isa(), isa)) continue;
    SCOPED_TRACE(kernels::name(isa));
    const auto network = Network::make(runnable(*g), isa);
    auto loaded = network->plan_for(in);
    ASSERT_TRUE(loaded) << loaded.error().message;
    const plan::Plan& p = (*loaded)->plan;
    std::vector<std::string> found;
    for (const plan::Instruction& i : p.instructions) {
      ASSERT_NE(i.kernel, plan::kHost);
      if (p.kernels[i.kernel] != "transpose") found.push_back(p.kernels[i.kernel]);
    }
    EXPECT_EQ(found, kernels);
    EXPECT_EQ(plan::unstorable(p), "");
    plan::Plan copy = p;
    ASSERT_TRUE(runtime::bind(copy, isa));   // its params are what a preparation makes
    for (unsigned threads : {1u, 2u}) {
      system::ThreadPool pool(threads);
      auto got = Runner(network, pool).run(in);
      ASSERT_TRUE(got) << got.error().message;
      for (std::size_t k = 0; k < got->size(); ++k) {
        const Tensor &a = (*got)[k].tensor, &b = (*want)[k].tensor;
        ASSERT_EQ(a.dims, b.dims);
        for (std::int64_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a.as<float>()[i], b.as<float>()[i], 2e-3) << i;
      }
    }
  }
}

TEST(JoinRows, an_inverted_residual_is_one_instruction) {
  for (std::int64_t stride : {1, 2}) {
    Net n;
    Val x = n.input({1, 16, 48, 48});
    Val y = conv(n, relu(n, depthwise(n, relu(n, conv(n, x, 96, 16)), 96, stride)), 16, 96);
    if (stride == 1) y = y + x;
    check(n, {y}, {"row_bands_f32"});
  }
}

TEST(JoinRows, chains_end_where_the_next_one_begins) {
  Net n;
  Val x = n.input({1, 32, 80, 80});
  for (int i = 0; i < 2; ++i) x = relu(n, conv(n, relu(n, depthwise(n, x, 32, 1)), 32, 32));
  check(n, {x}, {"row_bands_f32", "row_bands_f32"});
}

TEST(JoinRows, what_is_read_elsewhere_stays) {
  {
    Net n;
    Val wide = relu(n, conv(n, n.input({1, 16, 48, 48}), 96, 16)), sums = relu(n, depthwise(n, wide, 96, 1));
    check(n, {conv(n, sums, 16, 96), wide}, {"conv_last_f32", "row_bands_f32"});
  }
  {
    Net n;
    Val wide = relu(n, conv(n, n.input({1, 16, 48, 48}), 96, 16)), sums = relu(n, depthwise(n, wide, 96, 1));
    check(n, {conv(n, sums, 16, 96), sums}, {"row_bands_f32", "conv_last_f32"});
  }
  {
    Net n;
    Val wide = relu(n, conv(n, n.input({1, 16, 48, 48}), 96, 16)), sums = relu(n, depthwise(n, wide, 96, 1));
    check(n, {conv(n, sums, 16, 96), conv(n, sums, 8, 96), wide}, {"conv_last_f32", "depthwise_last_f32", "conv_last_f32", "conv_last_f32"});
  }
}

TEST(JoinRows, what_fits_a_cache_anyway_stays) {
  Net n;
  Val x = n.input({1, 16, 20, 20});
  check(n, {conv(n, relu(n, depthwise(n, relu(n, conv(n, x, 96, 16)), 96, 1)), 16, 96)}, {"conv_last_f32", "depthwise_last_f32", "conv_last_f32"});
}

}  // namespace
}  // namespace saha::native
