#pragma once
// Network: a model ready to run on this CPU at any input shape. A plan is made the first time a shape is seen and kept; a bundle brings plans along.
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "backends/native/kernel_table.hpp"
#include "ir/graph.hpp"
#include "runtime/stored_network.hpp"

namespace saha::native {

/// Immutable after it is made, but for the cache of plans, which is guarded: one Network serves many threads, each with its own Runner.
class Network final : public runtime::Plans {
 public:
  /// The graph as it is: bodies of control flow, graphs that were made runnable before.
  static std::shared_ptr<const Network> make(ir::Graph graph, kernels::Isa isa, std::shared_ptr<const Picker> picker = {});
  std::span<const runtime::Port> inputs() const override { return inputs_; }
  std::span<const runtime::Port> outputs() const override { return outputs_; }
  kernels::Isa isa() const { return isa_; }
  Precision precision() const { return precision_; }
  /// The plan for inputs of these dtypes and dims; made when first asked for. Inputs that are no tensors do not count.
  Result<std::shared_ptr<const runtime::LoadedPlan>> plan_for(std::span<const Datum* const> in) const override;
  /// Why a plan was made although there is a bundle, a sentence each.
  std::vector<std::string> notes() const;

 private:
  friend std::shared_ptr<const Network> network_of(const ir::Graph& graph, kernels::Isa isa, bool simplify, Precision precision);
  friend Result<std::shared_ptr<const Network>> network_of(std::shared_ptr<const bundle::Bundle> bundle, kernels::Isa isa, Precision precision);
  Network(std::vector<runtime::Port> inputs, std::vector<runtime::Port> outputs, kernels::Isa isa, Precision precision) : inputs_(std::move(inputs)), outputs_(std::move(outputs)), isa_(isa), precision_(precision) {}
  Result<std::shared_ptr<const runtime::LoadedPlan>> made(std::span<const Datum* const> in) const;
  static constexpr std::size_t kMaxPlans = 8;
  using Key = std::vector<std::int64_t>;
  std::vector<runtime::Port> inputs_, outputs_;
  kernels::Isa isa_;
  Precision precision_;                                // of products outside of bodies of control flow
  std::shared_ptr<const Picker> picker_;               // null: none
  std::shared_ptr<const runtime::StoredNetwork> stored_;   // null: there is no bundle
  mutable std::mutex mutex_;
  mutable std::optional<ir::Graph> graph_;             // of a bundle: nothing until a plan has to be made
  mutable std::map<Key, std::shared_ptr<const runtime::LoadedPlan>> plans_;
  mutable std::vector<Key> order_;   // oldest first
  mutable std::vector<std::string> notes_;
};

/// "float32", "bfloat16" or "float16", "default" being the first; fails where this level has no products in it.
Result<Precision> precision_of(std::string_view name, kernels::Isa isa);

/// What the engine runs of a model's graph: stored integers gathered while they are still there, then simplified, so that what sub-graphs capture, arithmetic on
/// shapes and folds are settled once, before any plan. A graph that the passes refuse stays as it is: its own message comes from the run.
ir::Graph runnable(const ir::Graph& graph);

/// A model's graph, made runnable unless `simplify` is false.
std::shared_ptr<const Network> network_of(const ir::Graph& graph, kernels::Isa isa, bool simplify = true, Precision precision = Precision::float32);
/// A bundle: its plans, which are float32's, where they fit, else its model, which is not read before it is needed. Fails where the manifest says what cannot be.
Result<std::shared_ptr<const Network>> network_of(std::shared_ptr<const bundle::Bundle> bundle, kernels::Isa isa, Precision precision = Precision::float32);
/// A file of any format that saha reads, and the bytes of one. Of a bundle `simplify` says nothing: it is made.
Result<std::shared_ptr<const Network>> open_file(const std::string& path, kernels::Isa isa, bool simplify = true, Precision precision = Precision::float32);
Result<std::shared_ptr<const Network>> open_bytes(std::span<const std::byte> bytes, kernels::Isa isa, bool simplify = true, Precision precision = Precision::float32);

/// Values of a graph as ports.
std::vector<runtime::Port> ports(const ir::Graph& g, std::span<const ir::ValueId> values);

using runtime::Runner;

/// A runnable graph for inputs of these dtypes and dims, as it is compiled: shapes known, chains fused.
Result<ir::Graph> lowered(const ir::Graph& runnable, std::span<const Datum* const> in, kernels::Isa isa);

struct CompileOptions {
  kernels::Isa isa;
  Precision precision = Precision::float32;
  const Picker* picker = nullptr;                  ///< ways.hpp
  std::vector<std::string>* layers = nullptr;      ///< by instruction: what the picker was told of it, or nothing
};
/// A graph whose inputs are bound -> a plan; nodes of unknown size become late-bound host instructions.
Result<std::shared_ptr<const runtime::LoadedPlan>> compile(const ir::Graph& g, const CompileOptions& options);

}  // namespace saha::native
