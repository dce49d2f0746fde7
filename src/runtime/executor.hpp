#pragma once
// Context: the memory of one run of a plan, and the run itself. A plan is shared and never written; each thread that runs it has a
// Context of its own. Nothing is decided here: pointers are resolved once, then the instructions are called in order.
#include <memory>
#include <span>
#include <vector>

#include "plan/plan.hpp"
#include "system/block.hpp"
#include "system/thread_pool.hpp"
#include "tensor/datum.hpp"

namespace saha::runtime {

/// What a plan cannot express as a kernel call: an operator by reference, one whose sizes only the data decide, control flow. Immutable and
/// shared between contexts; what changes from run to run is in its State.
class HostOp {
 public:
  struct State {
    virtual ~State() = default;
  };
  virtual ~HostOp() = default;
  virtual std::unique_ptr<State> make_state() const { return {}; }
  /// Null operands are omitted ones. `out` has one Datum per result. Results own their memory; operands may be views of the arena.
  virtual Result<> run(std::span<const Datum* const> in, std::span<Datum> out, State* state, system::ThreadPool& pool) const = 0;
  virtual std::string kernel() const = 0;  ///< for profiles: "reference", "late conv_f32", "plan"
};

/// Does a call's grid in its phases, shared out among the threads of a pool; thread i's scratch lies `stride` bytes behind that of thread i - 1.
void run_kernel(system::ThreadPool& pool, plan::Run kernel, const plan::Call& call, std::uint32_t phases, std::uint64_t stride);

struct LoadedPlan {
  plan::Plan plan;
  std::vector<std::unique_ptr<HostOp>> hosts;
  /// By slot: the graph's names of what lies there, views of it included; for profiles. Of a constant none; empty of a stored plan.
  std::vector<std::vector<std::string>> values = {};
};

class Context {
 public:
  /// Takes all memory that the plan's arena and scratch need for `pool`'s threads. Both outlive the context.
  static Result<Context> make(std::shared_ptr<const LoadedPlan> loaded, system::ThreadPool& pool);
  Context(Context&&) = default;
  Context& operator=(Context&&) = default;

  /// Gives input i: a view, no copy; it must hold until the run is over. dtype and dims are those of the plan (checked by the caller).
  void set_input(std::size_t i, const Datum& value);
  /// Runs once. Allocates only in host instructions.
  Result<> run();
  /// As run(), and lowers seconds[i] to what instruction i took on a clock: of time, or of all threads' processor time.
  using Clock = double();
  Result<> run_timed(std::span<double> seconds, Clock* clock);
  /// Output k of the last run: a view into the context, or the boxed value. Holds until the next run.
  Datum output(std::size_t k) const;
  /// Output k lies in the context itself, at the same place after every run.
  bool output_stays(std::size_t k) const { return plan().slots[plan().outputs[k]].space == plan::Space::arena; }
  /// The same as values of their own.
  Datum take_output(std::size_t k) const;
  const plan::Plan& plan() const { return loaded_->plan; }
  const LoadedPlan& loaded() const { return *loaded_; }

 private:
  Context() = default;
  Datum view(std::uint32_t slot) const;
  void resolve(std::uint32_t slot);
  Result<> own(Datum& d) const;
  plan::Call call(const plan::Instruction& i) const;
  Result<> step(const plan::Instruction& i);
  Result<> host(const plan::Instruction& i);

  std::shared_ptr<const LoadedPlan> loaded_;
  system::ThreadPool* pool_ = nullptr;
  system::Block memory_{nullptr, nullptr};
  std::byte* arena_ = nullptr;
  std::byte* scratch_ = nullptr;
  std::vector<void*> pointers_;              // one per entry of plan.operands
  /// By instruction: a kernel that this thread calls on its whole grid, made once since nothing that it points to moves. Null: step() does it, by host or pool.
  struct Whole {
    plan::Run run = nullptr;
    plan::Call call = {};
  };
  std::vector<Whole> whole_;
  std::vector<std::vector<std::uint32_t>> uses_;   // entries of operands that read a box or input slot, by slot
  std::vector<std::vector<std::uint32_t>> input_slots_;   // by input: its slot and those that are views of it
  std::vector<Datum> boxes_, inputs_;
  std::vector<std::unique_ptr<HostOp::State>> states_;
};

}  // namespace saha::runtime
