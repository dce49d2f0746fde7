// Any bytes as a bundle, or as the plan of one that is sound otherwise; what is taken runs once.
#include <cstdint>
#include <cstdlib>

#include "bundle/bundle.hpp"
#include "kernels/contract.hpp"
#include "plan/stored.hpp"
#include "runtime/stored_plan.hpp"
#include "system/thread_pool.hpp"

namespace {
using namespace saha;

Result<> run(std::span<const std::byte> bytes) {
  SAHA_TRY(const auto b, bundle::Bundle::from_bytes(bytes));
  SAHA_DO(b->verify());
  SAHA_TRY(const auto inputs, runtime::ports_of(b->manifest(), "inputs"));
  SAHA_TRY(const auto plans, runtime::stored_plans(*b));
  static system::ThreadPool pool(1);
  for (const auto& p : plans) {
    SAHA_TRY(auto loaded, runtime::load(b, p, kernels::Isa::generic));
    if (loaded->plan.arena_bytes + loaded->plan.scratch_bytes > std::uint64_t{1} << 24) continue;
    std::uint64_t pieces = 0;
    for (const auto& i : loaded->plan.instructions) pieces += i.grid;
    if (pieces > 1000) continue;
    std::vector<Datum> in;
    std::int64_t total = 0;
    for (std::uint32_t s : loaded->plan.inputs) total += storage_bytes(loaded->plan.slots[s].dtype, num_elements(loaded->plan.slots[s].dims));
    if (total > std::int64_t{1} << 24) continue;
    for (std::uint32_t s : loaded->plan.inputs) in.emplace_back(Tensor::zeros(loaded->plan.slots[s].dtype, loaded->plan.slots[s].dims));
    SAHA_TRY(auto context, runtime::Context::make(loaded, pool));
    for (std::size_t i = 0; i < in.size(); ++i) context.set_input(i, in[i]);
    SAHA_DO(context.run());
  }
  return {};
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto all = std::as_bytes(std::span(bytes, size));
  auto r = run(all);
  if (!r && r.error().message.empty()) std::abort();
  // As a plan: whatever the fuzzer makes of a seed, its checksum is right. The dims that the manifest states are those of the plan.
  auto plan = plan::read(all, [](const plan::Place&, std::uint64_t n) -> Result<std::shared_ptr<std::byte[]>> {
    if (n > 1 << 16) return Error{ErrorCode::invalid_model, "a constant is too large for this test"};
    return std::shared_ptr<std::byte[]>(new std::byte[std::size_t(n)]());
  });
  if (!plan) return 0;
  bundle::Json dims = bundle::Json::array();
  for (std::uint32_t s : plan->inputs) dims.push_back(plan->slots[s].dims);
  const bundle::Json manifest{{"plans", {{{"section", "plan/0"}, {"levels", {"generic"}}, {"inputs", dims}, {"weights", {"weights"}}, {"kernels", kernels::fingerprint()}}}}};
  const std::vector<bundle::Part> parts = {{"plan/0", {all.begin(), all.end()}}, {"weights", std::vector<std::byte>(1 << 16), 4096}};
  r = run(bundle::write(manifest, parts));
  if (!r && r.error().message.empty()) std::abort();
  return 0;
}
