#pragma once
// Plans: a model ready to run at any shape that a plan can be had for. Runner: what one thread needs for its runs.
#include "runtime/backend.hpp"
#include "runtime/executor.hpp"

namespace saha::runtime {

/// Immutable to its callers: one serves many threads, each with its own Runner.
class Plans {
 public:
  virtual ~Plans() = default;
  virtual std::span<const Port> inputs() const = 0;
  virtual std::span<const Port> outputs() const = 0;
  /// The plan for inputs of these dtypes and dims, whose memory is not looked at. Fails where they do not fit the model's, or where there is no plan for them.
  virtual Result<std::shared_ptr<const LoadedPlan>> plan_for(std::span<const Datum* const> in) const = 0;
};

/// Fails (invalid_argument) where values cannot be what the inputs are; says what would fit.
Result<> check_inputs(std::span<const Port> ports, std::span<const Datum* const> in);

/// Contexts, kept by plan.
class Runner {
 public:
  Runner(std::shared_ptr<const Plans> plans, system::ThreadPool& pool) : plans_(std::move(plans)), pool_(&pool) {}
  /// The context for these inputs, with them set. Checks dtypes and dims against the model's inputs.
  Result<Context*> prepare(std::span<const Datum* const> in);
  Result<std::vector<Datum>> run(std::span<const Datum* const> in);

 private:
  std::shared_ptr<const Plans> plans_;
  system::ThreadPool* pool_;
  std::vector<std::pair<std::shared_ptr<const LoadedPlan>, std::unique_ptr<Context>>> contexts_;
  Context* last_ = nullptr;   // of contexts_
};

}  // namespace saha::runtime
