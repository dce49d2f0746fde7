#pragma once
// StoredNetwork: a bundle that runs by its own plans alone, for one level of the processor. No graph is needed.
#include <mutex>

#include "runtime/runner.hpp"
#include "runtime/stored_plan.hpp"

namespace saha::runtime {

class StoredNetwork final : public Plans {
 public:
  /// Fails where the manifest says what cannot be. That no plan fits this level is no failure yet.
  static Result<std::shared_ptr<const StoredNetwork>> make(std::shared_ptr<const bundle::Bundle> bundle, kernels::Isa isa);
  std::span<const Port> inputs() const override { return inputs_; }
  std::span<const Port> outputs() const override { return outputs_; }
  Result<std::shared_ptr<const LoadedPlan>> plan_for(std::span<const Datum* const> in) const override;
  /// The plan for these inputs, which are the model's; null where there is none that this level and this build run. Kept once it is loaded.
  Result<std::shared_ptr<const LoadedPlan>> find(std::span<const Datum* const> in) const;
  const bundle::Bundle& bundle() const { return *bundle_; }

 private:
  StoredNetwork(std::shared_ptr<const bundle::Bundle> bundle, kernels::Isa isa) : bundle_(std::move(bundle)), isa_(isa) {}
  Result<> read();
  std::shared_ptr<const bundle::Bundle> bundle_;
  kernels::Isa isa_;
  std::vector<Port> inputs_, outputs_;
  std::vector<StoredPlan> plans_;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<const LoadedPlan>> loaded_;   // by plan
};

/// The highest level, `highest` at most, for which the bundle has a plan of this build; nothing where it has none.
Result<std::optional<kernels::Isa>> best_level(const bundle::Bundle& b, kernels::Isa highest);

}  // namespace saha::runtime
