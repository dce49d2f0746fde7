#include "backends/native/network.hpp"

#include "backends/native/expand.hpp"
#include "backends/native/fuse.hpp"
#include "formats/formats.hpp"
#include "passes/gather_quantised.hpp"
#include "passes/passes.hpp"
#include "passes/simplify.hpp"
#include "passes/specialize.hpp"

namespace saha::native {
using runtime::Port;

std::vector<Port> ports(const ir::Graph& g, std::span<const ir::ValueId> values) {
  std::vector<Port> all;
  for (ir::ValueId v : values) {
    const ir::Type& t = g.type(v);
    Port p{g.name(v), t.is_tensor() ? t.dtype : DType::none, t.is_tensor(), t.ranked, {}, {}, ir::str(t)};
    for (const ir::Dim& d : t.dims) {
      p.dims.push_back(d.known().value_or(-1));
      p.dim_names.push_back(d.known() ? std::string() : d.str());
    }
    all.push_back(std::move(p));
  }
  return all;
}

std::string_view name(Precision p) { return p == Precision::float32 ? "float32" : p == Precision::bfloat16 ? "bfloat16" : "float16"; }
Result<Precision> precision_of(std::string_view name, kernels::Isa isa) {
  if (name == "float32" || name == "default") return Precision::float32;
  const std::string asked(name);
  for (const Precision p : {Precision::bfloat16, Precision::float16}) {
    if (name != native::name(p)) continue;
    if (kernels::product_of(isa, *half_of(p))) return p;
    std::string levels;
    for (const kernels::Isa level : kernels::kLevels)
      if (kernels::product_of(level, *half_of(p))) levels += (levels.empty() ? "" : ", ") + std::string(kernels::name(level));
    return Error{ErrorCode::unsupported, "products in " + asked + " need a processor with instructions for them (levels " + levels + "); this one's level is " + std::string(kernels::name(isa))};
  }
  return Error{ErrorCode::unsupported, "the native engine computes in float32, bfloat16 and float16, not in " + asked};
}

ir::Graph runnable(const ir::Graph& graph) {
  // Kernels on stored integers take 8 bits: what is kept in 16 between a pair computes in float32.
  auto gathered = passes::gather_quantised(graph, 8);
  auto simple = passes::simplify(gathered ? *gathered : graph, {.fold_limit = std::int64_t{1} << 40, .fuse = true}, passes::joining_passes());
  return simple ? std::move(simple->graph) : gathered ? std::move(*gathered) : graph;
}

Result<ir::Graph> lowered(const ir::Graph& runnable, std::span<const Datum* const> in, kernels::Isa isa) {
  std::vector<ir::TypeRef> types;
  for (const Datum* d : in) types.push_back(d && d->is_tensor() ? ir::tensor_type(d->tensor.dtype, {d->tensor.dims.begin(), d->tensor.dims.end()}) : ir::TypeRef{});
  SAHA_TRY(ir::Graph special, passes::specialize(runnable, types));
  SAHA_TRY(special, expand(std::move(special)));
  SAHA_TRY(special, passes::fuse_attention(special, {.fuse = true}));
  SAHA_TRY(special, passes::remove_dead(special, {}));
  return fuse(special, isa);
}

std::shared_ptr<const Network> Network::make(ir::Graph graph, kernels::Isa isa, std::shared_ptr<const Picker> picker) {
  std::shared_ptr<Network> n(new Network(ports(graph, graph.inputs()), ports(graph, graph.outputs()), isa, Precision::float32));
  n->picker_ = std::move(picker);
  n->graph_ = std::move(graph);
  return n;
}
std::shared_ptr<const Network> network_of(const ir::Graph& graph, kernels::Isa isa, bool simplify, Precision precision) {
  std::shared_ptr<Network> n(new Network(ports(graph, graph.inputs()), ports(graph, graph.outputs()), isa, precision));
  n->graph_ = simplify ? runnable(graph) : graph;
  return n;
}
Result<std::shared_ptr<const Network>> network_of(std::shared_ptr<const bundle::Bundle> bundle, kernels::Isa isa, Precision precision) {
  SAHA_TRY(auto stored, runtime::StoredNetwork::make(std::move(bundle), isa));
  std::shared_ptr<Network> n(new Network({stored->inputs().begin(), stored->inputs().end()}, {stored->outputs().begin(), stored->outputs().end()}, isa, precision));
  n->stored_ = std::move(stored);
  return std::shared_ptr<const Network>(std::move(n));
}

Result<std::shared_ptr<const Network>> open_file(const std::string& path, kernels::Isa isa, bool simplify, Precision precision) {
  if (bundle::is_bundle_file(path)) {
    SAHA_TRY(auto b, bundle::Bundle::open(path));
    return network_of(std::move(b), isa, precision);
  }
  SAHA_TRY(const ir::Model model, formats::import_file(path));
  return network_of(model.graph, isa, simplify, precision);
}
Result<std::shared_ptr<const Network>> open_bytes(std::span<const std::byte> bytes, kernels::Isa isa, bool simplify, Precision precision) {
  if (bundle::is_bundle(bytes)) {
    SAHA_TRY(auto b, bundle::Bundle::from_bytes(bytes));
    return network_of(std::move(b), isa, precision);
  }
  SAHA_TRY(const ir::Model model, formats::import_bytes(bytes));
  return network_of(model.graph, isa, simplify, precision);
}

Result<std::shared_ptr<const runtime::LoadedPlan>> Network::made(std::span<const Datum* const> in) const {
  if (!graph_) {
    SAHA_TRY(const auto bytes, stored_->bundle().section("model"));
    SAHA_TRY(ir::Model model, formats::import_bytes(bytes));
    if (model.graph.inputs().size() != inputs_.size() || model.graph.outputs().size() != outputs_.size())
      return Error{ErrorCode::invalid_model, "section 'model' has " + std::to_string(model.graph.inputs().size()) + " inputs and " + std::to_string(model.graph.outputs().size()) + " outputs, the manifest says " + std::to_string(inputs_.size()) + " and " + std::to_string(outputs_.size()) + "; damaged, not loaded"};
    graph_ = runnable(model.graph);
  }
  SAHA_TRY(const ir::Graph graph, lowered(*graph_, in, isa_));
  return compile(graph, {isa_, precision_, picker_.get()});
}

Result<std::shared_ptr<const runtime::LoadedPlan>> Network::plan_for(std::span<const Datum* const> in) const {
  if (in.size() != inputs_.size()) return std::move(runtime::check_inputs(inputs_, in).error());
  Key key;
  for (const Datum* d : in) {
    if (!d || !d->is_tensor()) { key.push_back(-1); continue; }
    key.push_back(std::int64_t(d->tensor.dtype));
    key.push_back(std::int64_t(d->tensor.rank()));
    key.insert(key.end(), d->tensor.dims.begin(), d->tensor.dims.end());
  }
  std::lock_guard lock(mutex_);
  if (auto it = plans_.find(key); it != plans_.end()) return it->second;
  SAHA_DO(runtime::check_inputs(inputs_, in));
  std::shared_ptr<const runtime::LoadedPlan> loaded;
  if (stored_ && precision_ == Precision::float32) { SAHA_TRY(loaded, stored_->find(in)); }
  if (!loaded) {
    auto fresh = made(in);
    if (!fresh) return stored_ ? stored_->bundle().named(std::move(fresh.error())) : std::move(fresh.error());
    loaded = std::move(*fresh);
    if (stored_) notes_.push_back("planned from the bundle's model: " + (precision_ == Precision::float32 ? "it has no plan for level " + std::string(kernels::name(isa_)) + " of this build and these shapes" : "its plans are in float32"));
  }
  if (order_.size() >= kMaxPlans) {
    plans_.erase(order_.front());
    order_.erase(order_.begin());
  }
  order_.push_back(key);
  plans_[std::move(key)] = loaded;
  return loaded;
}

std::vector<std::string> Network::notes() const {
  std::lock_guard lock(mutex_);
  return notes_;
}

}  // namespace saha::native
