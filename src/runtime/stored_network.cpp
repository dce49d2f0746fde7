#include "runtime/stored_network.hpp"

#include <algorithm>

namespace saha::runtime {
namespace {
bool same_dims(std::span<const Dims> dims, std::span<const Datum* const> in) {
  return std::equal(dims.begin(), dims.end(), in.begin(), in.end(), [](const Dims& d, const Datum* x) { return x && x->is_tensor() && x->tensor.dims == d; });
}
std::string listed(std::span<const Dims> dims) {
  std::string all;
  for (const Dims& d : dims) all += (all.empty() ? "" : ", ") + saha::str(d);
  return all;
}
}  // namespace

Result<std::shared_ptr<const StoredNetwork>> StoredNetwork::make(std::shared_ptr<const bundle::Bundle> bundle, kernels::Isa isa) {
  std::shared_ptr<StoredNetwork> n(new StoredNetwork(std::move(bundle), isa));
  if (auto r = n->read(); !r) return n->bundle_->named(std::move(r.error()));
  return std::shared_ptr<const StoredNetwork>(std::move(n));
}
Result<> StoredNetwork::read() {
  SAHA_TRY(inputs_, ports_of(bundle_->manifest(), "inputs"));
  SAHA_TRY(outputs_, ports_of(bundle_->manifest(), "outputs"));
  SAHA_TRY(plans_, stored_plans(*bundle_));
  loaded_.resize(plans_.size());
  return {};
}

Result<std::shared_ptr<const LoadedPlan>> StoredNetwork::find(std::span<const Datum* const> in) const {
  for (std::size_t k = 0; k < plans_.size(); ++k) {
    const StoredPlan& s = plans_[k];
    if (!s.fits(isa_) || !same_dims(s.inputs, in)) continue;
    std::lock_guard lock(mutex_);
    if (loaded_[k]) return loaded_[k];
    auto loaded = load(bundle_, s, isa_);
    if (!loaded) return bundle_->named(std::move(loaded.error()));
    const plan::Plan& p = (*loaded)->plan;
    const auto damaged = [&](std::string what) { return bundle_->named({ErrorCode::invalid_model, "section '" + s.section + "' " + std::move(what) + "; damaged, not loaded"}); };
    if (p.outputs.size() != outputs_.size()) return damaged("has " + std::to_string(p.outputs.size()) + " outputs, the manifest says " + std::to_string(outputs_.size()));
    for (std::size_t i = 0; i < inputs_.size(); ++i)   // as many as the plan has: same_dims
      if (p.slots[p.inputs[i]].dtype != inputs_[i].dtype) return damaged("takes another element type at input '" + inputs_[i].name + "' than the manifest says");
    return loaded_[k] = std::move(*loaded);
  }
  return std::shared_ptr<const LoadedPlan>();
}

Result<std::shared_ptr<const LoadedPlan>> StoredNetwork::plan_for(std::span<const Datum* const> in) const {
  if (auto r = check_inputs(inputs_, in); !r) return std::move(r.error());
  SAHA_TRY(auto found, find(in));
  if (found) return found;
  std::string have;
  for (const StoredPlan& s : plans_)
    if (s.fits(isa_)) have += (have.empty() ? "" : "; ") + listed(s.inputs);
  std::vector<Dims> wanted;
  for (const Datum* d : in) wanted.push_back(d && d->is_tensor() ? d->tensor.dims : Dims());
  return bundle_->named({ErrorCode::unsupported, "there is no plan of level " + std::string(kernels::name(isa_)) + " for inputs " + listed(wanted) + (have.empty() ? "" : "; there is one for " + have), "saha convert --shape stores plans for further shapes"});
}

Result<std::optional<kernels::Isa>> best_level(const bundle::Bundle& b, kernels::Isa highest) {
  auto plans = stored_plans(b);
  if (!plans) return b.named(std::move(plans.error()));
  std::optional<kernels::Isa> best;
  for (kernels::Isa level : kernels::kLevels)
    if (kernels::runs(highest, level) && std::ranges::any_of(*plans, [&](const StoredPlan& p) { return p.fits(level); })) best = level;
  return best;
}

}  // namespace saha::runtime
