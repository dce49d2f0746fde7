#pragma once
// A graph run by the native engine at every level of the CPU beside the operators' references, and planned at those that the CPU lacks.
#include <gtest/gtest.h>

#include "backends/native/network.hpp"
#include "op/builder.hpp"
#include "plan/stored.hpp"

namespace saha::native::test {

/// `instructions`: how many the plan has; 0: any number. `at_generic`: how many there, where that level lacks a kernel. Unless `host` says so, none of them runs by reference. `same(got, want, where)` asserts one element.
template <class Same>
void run_at_every_level(op::Builder&& b, const std::vector<Datum>& data, const op::Vals& outputs, std::size_t instructions, bool host, Same same, std::size_t at_generic = 0) {
  auto g = std::move(b).build(outputs);
  ASSERT_TRUE(g) << g.error().message;
  auto want = op::run(*g, data);
  ASSERT_TRUE(want) << want.error().message;
  std::vector<const Datum*> in;
  for (const Datum& d : data) in.push_back(&d);
  for (const kernels::Isa level : kernels::kLevels) {
    auto network = Network::make(*g, level);
    auto plan = network->plan_for(in);
    ASSERT_TRUE(plan) << plan.error().message;
    std::string kinds;
    for (const plan::Instruction& i : (*plan)->plan.instructions) kinds += (*plan)->plan.origins[i.origin].op + (i.kernel == plan::kHost ? " by reference; " : "; ");
    if (instructions) { EXPECT_EQ((*plan)->plan.instructions.size(), level == kernels::Isa::generic && at_generic ? at_generic : instructions) << kernels::name(level) << ": " << kinds; }
    if (!host) { EXPECT_EQ(kinds.find("by reference"), std::string::npos) << kinds; }
    if (plan::unstorable((*plan)->plan).empty()) {   // a plan of kernels keeps their contracts: it could be stored
      plan::Plan copy = (*plan)->plan;
      auto bound = runtime::bind(copy, level);
      ASSERT_TRUE(bound) << bound.error().message << " of " << kinds;
    }
    if (!kernels::runs(kernels::detect_isa(), level)) continue;   // planned, not run
    system::ThreadPool pool(2);
    Runner runner(network, pool);
    auto got = runner.run(in);
    ASSERT_TRUE(got) << got.error().message;
    for (std::size_t k = 0; k < want->size(); ++k) {
      const Tensor &x = (*got)[k].tensor, &y = (*want)[k].tensor;
      ASSERT_EQ(x.dims, y.dims);
      ASSERT_EQ(x.dtype, y.dtype);
      for (std::int64_t i = 0; i < x.size() && !::testing::Test::HasFatalFailure(); ++i)
        same(x.at(i), y.at(i), "level " + std::string(kernels::name(level)) + " output " + std::to_string(k) + " element " + std::to_string(i) + " of " + kinds);
    }
  }
}

}  // namespace saha::native::test
