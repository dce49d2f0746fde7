#include "backends/native/network.hpp"

#include "backends/native/expand.hpp"
#include "backends/native/fuse.hpp"
#include "passes/specialize.hpp"

namespace saha::native {
namespace {
/// Fails where a value cannot be what the graph's input is; says what would fit.
Result<> check_input(const ir::Graph& g, ir::ValueId v, const Datum* d, std::map<std::string, std::int64_t>& bound) {
  const ir::Type& t = g.type(v);
  auto wrong = [&](const std::string& have) {
    return Error{ErrorCode::invalid_argument, "input '" + g.name(v) + "' takes " + ir::str(t) + ", " + have + " was given"};
  };
  if (!t.is_tensor()) return {};
  if (!d || !d->is_tensor()) return wrong("no tensor");
  const Tensor& x = d->tensor;
  std::string have = std::string(name(x.dtype)) + str(x.dims);
  if (t.dtype != DType::none && x.dtype != t.dtype) return wrong(have);
  if (!t.ranked) return {};
  if (x.rank() != t.dims.size()) return wrong(have);
  for (std::size_t i = 0; i < t.dims.size(); ++i) {
    if (auto n = t.dims[i].known(); n && *n != x.dims[i]) return wrong(have);
    if (auto s = t.dims[i].symbol_name()) {
      auto [it, added] = bound.emplace(*s, x.dims[i]);
      if (!added && it->second != x.dims[i])
        return Error{ErrorCode::invalid_argument, "input '" + g.name(v) + "' has " + *s + " = " + std::to_string(x.dims[i]) + " in " + have + ", another input has " + *s + " = " + std::to_string(it->second)};
    }
  }
  return {};
}
}  // namespace

std::shared_ptr<const Network> Network::make(ir::Graph graph, kernels::Isa isa) {
  return std::shared_ptr<const Network>(new Network(std::move(graph), isa));
}

Result<std::shared_ptr<const runtime::LoadedPlan>> Network::plan_for(std::span<const Datum* const> in) const {
  if (in.size() != graph_.inputs().size())
    return Error{ErrorCode::invalid_argument, "the model has " + std::to_string(graph_.inputs().size()) + " inputs, " + std::to_string(in.size()) + " were given"};
  Key key;
  for (const Datum* d : in) {
    if (!d || !d->is_tensor()) { key.push_back(-1); continue; }
    key.push_back(std::int64_t(d->tensor.dtype));
    key.push_back(std::int64_t(d->tensor.rank()));
    key.insert(key.end(), d->tensor.dims.begin(), d->tensor.dims.end());
  }
  std::lock_guard lock(mutex_);
  if (auto it = plans_.find(key); it != plans_.end()) return it->second;
  std::map<std::string, std::int64_t> bound;
  std::vector<ir::TypeRef> types;
  for (std::size_t i = 0; i < in.size(); ++i) {
    SAHA_DO(check_input(graph_, graph_.inputs()[i], in[i], bound));
    types.push_back(in[i] && in[i]->is_tensor() ? ir::tensor_type(in[i]->tensor.dtype, {in[i]->tensor.dims.begin(), in[i]->tensor.dims.end()}) : ir::TypeRef{});
  }
  SAHA_TRY(ir::Graph special, passes::specialize(graph_, types));
  SAHA_TRY(special, expand(std::move(special)));
  SAHA_TRY(ir::Graph fused, fuse(special));
  SAHA_TRY(auto loaded, compile(fused, isa_));
  if (order_.size() >= kMaxPlans) {
    plans_.erase(order_.front());
    order_.erase(order_.begin());
  }
  order_.push_back(key);
  plans_[std::move(key)] = loaded;
  return loaded;
}

Result<runtime::Context*> Runner::prepare(std::span<const Datum* const> in) {
  SAHA_TRY(auto loaded, network_->plan_for(in));
  runtime::Context* context = nullptr;
  for (auto& [plan, c] : contexts_) if (plan == loaded) context = c.get();
  if (!context) {
    SAHA_TRY(auto made, runtime::Context::make(loaded, *pool_));
    if (contexts_.size() >= 8) contexts_.erase(contexts_.begin());
    contexts_.emplace_back(loaded, std::make_unique<runtime::Context>(std::move(made)));
    context = contexts_.back().second.get();
  }
  for (std::size_t i = 0; i < in.size(); ++i) context->set_input(i, in[i] ? *in[i] : Datum());
  return context;
}

Result<std::vector<Datum>> Runner::run(std::span<const Datum* const> in) {
  SAHA_TRY(runtime::Context * context, prepare(in));
  SAHA_DO(context->run());
  std::vector<Datum> out;
  for (std::size_t k = 0; k < context->plan().outputs.size(); ++k) out.push_back(context->take_output(k));
  return out;
}

}  // namespace saha::native
