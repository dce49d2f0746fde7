#pragma once
// Network: a graph ready to run on this CPU at any input shape. A plan is made the first time a shape is seen and kept.
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "ir/graph.hpp"
#include "kernels/isa.hpp"
#include "runtime/executor.hpp"

namespace saha::native {

/// Immutable after make(), but for the cache of plans, which is guarded: one Network serves many threads, each with its own Runner.
class Network {
 public:
  static std::shared_ptr<const Network> make(ir::Graph graph, kernels::Isa isa);
  const ir::Graph& graph() const { return graph_; }
  kernels::Isa isa() const { return isa_; }
  /// The plan for inputs of these dtypes and dims; made when first asked for. Inputs that are no tensors do not count.
  Result<std::shared_ptr<const runtime::LoadedPlan>> plan_for(std::span<const Datum* const> in) const;

 private:
  Network(ir::Graph g, kernels::Isa isa) : graph_(std::move(g)), isa_(isa) {}
  static constexpr std::size_t kMaxPlans = 8;
  using Key = std::vector<std::int64_t>;
  ir::Graph graph_;
  kernels::Isa isa_;
  mutable std::mutex mutex_;
  mutable std::map<Key, std::shared_ptr<const runtime::LoadedPlan>> plans_;
  mutable std::vector<Key> order_;   // oldest first
};

/// What one thread needs to run a Network: contexts, kept by plan.
class Runner {
 public:
  Runner(std::shared_ptr<const Network> network, system::ThreadPool& pool) : network_(std::move(network)), pool_(&pool) {}
  /// The context for these inputs, with them set. Checks dtypes and dims against the graph's inputs.
  Result<runtime::Context*> prepare(std::span<const Datum* const> in);
  Result<std::vector<Datum>> run(std::span<const Datum* const> in);

 private:
  std::shared_ptr<const Network> network_;
  system::ThreadPool* pool_;
  std::vector<std::pair<std::shared_ptr<const runtime::LoadedPlan>, std::unique_ptr<runtime::Context>>> contexts_;
};

/// A graph whose inputs are bound -> a plan; nodes of unknown size become late-bound host instructions.
Result<std::shared_ptr<const runtime::LoadedPlan>> compile(const ir::Graph& g, kernels::Isa isa);

}  // namespace saha::native
