#include "runtime/runner.hpp"

#include <map>

namespace saha::runtime {
namespace {
/// `bound`: what free dims are by name.
Result<> check_input(const Port& p, const Datum* d, std::map<std::string, std::int64_t>& bound) {
  auto wrong = [&](const std::string& have) { return Error{ErrorCode::invalid_argument, "input '" + p.name + "' takes " + p.type + ", " + have + " was given"}; };
  if (!p.is_tensor) return {};
  if (!d || !d->is_tensor()) return wrong("no tensor");
  const Tensor& x = d->tensor;
  std::string have = std::string(name(x.dtype)) + saha::str(x.dims);
  if (p.dtype != DType::none && x.dtype != p.dtype) return wrong(have);
  if (!p.ranked) return {};
  if (x.rank() != p.dims.size()) return wrong(have);
  for (std::size_t i = 0; i < p.dims.size(); ++i) {
    if (p.dims[i] >= 0 && p.dims[i] != x.dims[i]) return wrong(have);
    if (p.dims[i] >= 0 || p.dim_names[i].empty()) continue;
    auto [it, added] = bound.emplace(p.dim_names[i], x.dims[i]);
    if (!added && it->second != x.dims[i])
      return Error{ErrorCode::invalid_argument, "input '" + p.name + "' has " + p.dim_names[i] + " = " + std::to_string(x.dims[i]) + " in " + have + ", another input has " + p.dim_names[i] + " = " + std::to_string(it->second)};
  }
  return {};
}
/// The plan's inputs are tensors of memory, of just these dtypes and dims.
bool takes(const plan::Plan& p, std::span<const Datum* const> in) {
  bool same = p.inputs.size() == in.size();
  for (std::size_t i = 0; same && i < in.size(); ++i) {
    const plan::Slot& s = p.slots[p.inputs[i]];
    same = in[i] && in[i]->is_tensor() && s.dtype != DType::none && s.dtype != DType::string && in[i]->tensor.dtype == s.dtype && in[i]->tensor.dims == s.dims;
  }
  return same;
}
}  // namespace

Result<> check_inputs(std::span<const Port> ports, std::span<const Datum* const> in) {
  if (in.size() != ports.size())
    return Error{ErrorCode::invalid_argument, "the model has " + std::to_string(ports.size()) + " inputs, " + std::to_string(in.size()) + " were given"};
  std::map<std::string, std::int64_t> bound;
  for (std::size_t i = 0; i < in.size(); ++i) SAHA_DO(check_input(ports[i], in[i], bound));
  return {};
}

Result<Context*> Runner::prepare(std::span<const Datum* const> in) {
  if (!last_ || !takes(last_->plan(), in)) {
    SAHA_TRY(auto loaded, plans_->plan_for(in));
    Context* context = nullptr;
    for (auto& [plan, c] : contexts_) if (plan == loaded) context = c.get();
    if (!context) {
      SAHA_TRY(auto made, Context::make(loaded, *pool_));
      last_ = nullptr;
      if (contexts_.size() >= 8) contexts_.erase(contexts_.begin());
      contexts_.emplace_back(loaded, std::make_unique<Context>(std::move(made)));
      context = contexts_.back().second.get();
    }
    last_ = context;
  }
  for (std::size_t i = 0; i < in.size(); ++i) last_->set_input(i, in[i] ? *in[i] : Datum());
  return last_;
}

Result<std::vector<Datum>> Runner::run(std::span<const Datum* const> in) {
  SAHA_TRY(Context * context, prepare(in));
  SAHA_DO(context->run());
  std::vector<Datum> out;
  for (std::size_t k = 0; k < context->plan().outputs.size(); ++k) out.push_back(context->take_output(k));
  return out;
}

}  // namespace saha::runtime
