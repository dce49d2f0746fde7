#include "backends/native/host_ops.hpp"

#include <cstdlib>

#include "backends/native/kernel_table.hpp"
#include "op/builder.hpp"

namespace saha::native {
namespace {
using runtime::HostOp;
using Operands = std::span<const Datum* const>;

Result<> take(Result<std::vector<Datum>> r, std::span<Datum> out) {
  if (!r) return std::move(r.error());
  for (std::size_t k = 0; k < out.size() && k < r->size(); ++k) out[k] = std::move((*r)[k]);
  return {};
}

/// A node through its reference, or through a fast kernel once its shapes are seen.
class NodeOp final : public HostOp {
 public:
  NodeOp(const ir::Graph& g, const ir::Node& n, kernels::Isa isa) : def_(op::find(n.op.str())->def), attrs_(n.attrs), num_out_(n.num_results), isa_(isa) {
    for (ir::ValueId v : g.operands(n)) constants_.push_back(v == ir::ValueId::none ? nullptr : g[v].constant);
  }
  std::string kernel() const override { return "reference"; }
  std::unique_ptr<State> make_state() const override { return std::make_unique<Cache>(); }

  Result<> run(Operands in, std::span<Datum> out, State* state, system::ThreadPool& pool) const override {
    if (auto* bound = bind(in, *static_cast<Cache*>(state))) return run_kernel(*bound, in, out, pool);
    return take(op::run(*def_, in, *attrs_, num_out_), out);
  }

 private:
  struct Bound {
    std::vector<std::int64_t> key;
    std::optional<Prepared> prepared;
    plan::Run run = nullptr;
    std::vector<ir::TypeRef> out;
  };
  struct Cache final : State {
    std::vector<std::unique_ptr<Bound>> recent;
  };

  /// Null: no kernel takes it.
  const Bound* bind(Operands in, Cache& cache) const {
    std::vector<std::int64_t> key;
    for (const Datum* d : in) {
      if (!d) { key.push_back(-1); continue; }
      if (!d->is_tensor() || d->tensor.dtype == DType::string) return nullptr;
      key.push_back(std::int64_t(d->tensor.dtype));
      key.push_back(std::int64_t(d->tensor.rank()));
      key.insert(key.end(), d->tensor.dims.begin(), d->tensor.dims.end());
    }
    for (auto& b : cache.recent) if (b->key == key) return b->run ? b.get() : nullptr;
    auto b = std::make_unique<Bound>();
    b->key = std::move(key);
    look_for_kernel(in, *b);
    if (cache.recent.size() >= 16) cache.recent.erase(cache.recent.begin());
    cache.recent.push_back(std::move(b));
    return cache.recent.back()->run ? cache.recent.back().get() : nullptr;
  }
  void look_for_kernel(Operands in, Bound& b) const {
    op::Builder builder;
    op::Vals v;
    std::vector<ir::TypeRef> types;
    std::vector<const Tensor*> constants;
    for (std::size_t i = 0; i < in.size(); ++i) {
      constants.push_back(i < constants_.size() ? constants_[i].get() : nullptr);
      if (!in[i]) { v.push_back({}); types.push_back({}); continue; }
      const Tensor& t = in[i]->tensor;
      types.push_back(ir::tensor_type(t.dtype, {t.dims.begin(), t.dims.end()}));
      v.push_back(constants.back() ? builder.constant(constants_[i], types.back()) : builder.input(types.back()));
    }
    op::Vals y = builder.ops(def_->name, v, *attrs_, num_out_);
    if (builder.failed()) return;
    for (op::Val k : y) {
      b.out.push_back(builder.type_ref(k));
      if (!ir::is_static(*b.out.back())) return;
    }
    b.prepared = choose({{*attrs_}, def_->name.str(), types, b.out, constants, isa_});
    if (b.prepared) b.run = kernels::find(b.prepared->kernel, isa_);
  }
  Result<> run_kernel(const Bound& b, Operands in, std::span<Datum> out, system::ThreadPool& pool) const {
    const Prepared& p = *b.prepared;
    std::vector<void*> pointers;
    for (const Operand& o : p.operands)
      pointers.push_back(o.from == Operand::From::packed ? p.packed[o.index].data.get() : o.from == Operand::From::node && in[o.index] ? in[o.index]->tensor.data.get() : nullptr);
    for (std::size_t k = 0; k < out.size(); ++k) {
      SAHA_TRY(Tensor t, Tensor::make(b.out[k]->dtype, NodeSite::numbers(*b.out[k])));
      out[k] = std::move(t);
      pointers.push_back(out[k].tensor.data.get());
    }
    const std::uint64_t stride = (p.scratch + 63) / 64 * 64, shared = (p.workspace + 63) / 64 * 64;
    std::unique_ptr<void, void (*)(void*)> memory(std::aligned_alloc(64, shared + stride * pool.size() + 64), std::free);
    if (!memory) return Error{ErrorCode::out_of_memory, "no memory for scratch space"};
    auto* workspace = static_cast<std::byte*>(memory.get());
    if (p.workspace) pointers.push_back(workspace);
    runtime::run_kernel(pool, b.run, {pointers.data(), p.dims.data(), p.params.data(), 0, p.grid, workspace + shared}, p.phases, stride);
    return {};
  }

  const op::OpDef* def_;
  std::shared_ptr<const ir::Attrs> attrs_;
  int num_out_;
  kernels::Isa isa_;
  std::vector<std::shared_ptr<const Tensor>> constants_;
};

/// Networks of the sub-graphs of a control operator, and the runners of one context.
struct Runners final : HostOp::State {
  explicit Runners(std::size_t networks) : of(networks) {}
  std::vector<std::unique_ptr<Runner>> of;
};

class IfOp final : public HostOp {
 public:
  IfOp(const ir::Node& n, kernels::Isa isa) {
    for (const char* name : {"then_branch", "else_branch"}) branches_.push_back(Network::make(**ir::attr<ir::GraphRef>(*n.attrs, name), isa));
  }
  std::string kernel() const override { return "plan"; }
  std::unique_ptr<State> make_state() const override { return std::make_unique<Runners>(2); }
  Result<> run(Operands in, std::span<Datum> out, State* state, system::ThreadPool& pool) const override {
    if (in.empty() || !in[0] || !in[0]->is_tensor() || in[0]->tensor.size() != 1) return Error{ErrorCode::invalid_argument, "If: the condition is not one bool"};
    std::size_t which = in[0]->tensor.at(0) != 0 ? 0 : 1;
    auto& runner = static_cast<Runners*>(state)->of[which];
    if (!runner) runner = std::make_unique<Runner>(branches_[which], pool);
    return take(runner->run(in.subspan(1)), out);
  }

 private:
  std::vector<std::shared_ptr<const Network>> branches_;
};

/// Loop(M, cond, carried.., captures..): the body takes (iteration, cond, carried.., captures..), gives (cond, carried.., scans..).
class LoopOp final : public HostOp {
 public:
  LoopOp(const ir::Node& n, kernels::Isa isa) : body_(Network::make(**ir::attr<ir::GraphRef>(*n.attrs, "body"), isa)), carried_(std::size_t(*ir::attr<std::int64_t>(*n.attrs, "carried"))) {
    const ir::Graph& body = **ir::attr<ir::GraphRef>(*n.attrs, "body");
    for (ir::ValueId v : body.outputs()) results_.push_back(body[v].type);
  }
  std::string kernel() const override { return "plan"; }
  std::unique_ptr<State> make_state() const override { return std::make_unique<Runners>(1); }
  Result<> run(Operands in, std::span<Datum> out, State* state, system::ThreadPool& pool) const override {
    auto& runner = static_cast<Runners*>(state)->of[0];
    if (!runner) runner = std::make_unique<Runner>(body_, pool);
    std::int64_t trips = in.size() > 0 && in[0] ? in[0]->tensor.int_at(0) : INT64_MAX;
    bool go = in.size() < 2 || !in[1] || in[1]->tensor.at(0) != 0;
    if (in.size() > 1 && !in[1] && trips == INT64_MAX) return Error{ErrorCode::invalid_argument, "Loop: has neither a trip count nor a condition"};
    std::vector<Datum> carried;
    for (std::size_t i = 0; i < carried_; ++i) carried.push_back(*in[2 + i]);
    std::size_t scans = results_.size() - 1 - carried_;
    std::vector<std::vector<Tensor>> parts(scans);
    for (std::int64_t t = 0; go && t < trips; ++t) {
      Datum iteration = Tensor::scalar_int(t), cond = Tensor::scalar(DType::boolean, 1);
      std::vector<const Datum*> a = {&iteration, &cond};
      for (const Datum& d : carried) a.push_back(&d);
      for (std::size_t i = 2 + carried_; i < in.size(); ++i) a.push_back(in[i]);
      SAHA_TRY(std::vector<Datum> y, runner->run(a));
      if (!y[0].is_tensor() || y[0].tensor.size() != 1) return Error{ErrorCode::invalid_argument, "Loop: the body's condition is not one bool"};
      go = y[0].tensor.at(0) != 0;
      for (std::size_t i = 0; i < carried_; ++i) carried[i] = std::move(y[1 + i]);
      for (std::size_t i = 0; i < scans; ++i) {
        Tensor& part = y[1 + carried_ + i].tensor;
        if (!parts[i].empty() && parts[i][0].dims != part.dims) return Error{ErrorCode::invalid_argument, "Loop: a scan output changes its shape from " + str(parts[i][0].dims) + " to " + str(part.dims)};
        parts[i].push_back(std::move(part));
      }
    }
    for (std::size_t i = 0; i < carried_ && i < out.size(); ++i) out[i] = std::move(carried[i]);
    for (std::size_t i = 0; i < scans && carried_ + i < out.size(); ++i) {
      const ir::Type& t = *results_[1 + carried_ + i];
      Dims d;
      if (parts[i].empty()) for (const ir::Dim& x : t.dims) d.push_back(x.known().value_or(0));
      else d = parts[i][0].dims;
      d.insert(d.begin(), std::int64_t(parts[i].size()));
      SAHA_TRY(Tensor y, Tensor::make(parts[i].empty() ? t.dtype : parts[i][0].dtype, d));
      std::int64_t at = 0;
      for (const Tensor& part : parts[i]) { copy_elements(part, 0, 1, y, at, part.size()); at += part.size(); }
      out[carried_ + i] = std::move(y);
    }
    return {};
  }

 private:
  std::shared_ptr<const Network> body_;
  std::size_t carried_;
  std::vector<ir::TypeRef> results_;   // of the body
};
/// A node on stored integers by its integer form, where no kernel does the whole of it.
class QuantisedOp final : public HostOp {
 public:
  QuantisedOp(const ir::Graph& g, const ir::Node& n, kernels::Isa isa) {
    auto form = op::integer_form(g, n);
    if (form) form_ = Network::make(std::move(*form), isa);
    else error_ = std::move(form.error());
    for (ir::ValueId v : g.operands(n)) given_.push_back(v != ir::ValueId::none && !g[v].constant);
  }
  std::string kernel() const override { return "integer form"; }
  std::unique_ptr<State> make_state() const override { return std::make_unique<Runners>(1); }
  Result<> run(Operands in, std::span<Datum> out, State* state, system::ThreadPool& pool) const override {
    if (error_) return *error_;
    auto& runner = static_cast<Runners*>(state)->of[0];
    if (!runner) runner = std::make_unique<Runner>(form_, pool);
    std::vector<const Datum*> a;
    for (std::size_t i = 0; i < in.size(); ++i) if (given_[i]) a.push_back(in[i]);
    return take(runner->run(a), out);
  }

 private:
  std::shared_ptr<const Network> form_;
  std::optional<Error> error_;
  std::vector<bool> given_;
};
}  // namespace

std::unique_ptr<HostOp> make_host_op(const ir::Graph& g, const ir::Node& n, kernels::Isa isa) {
  if (op::is_quantised(g, n)) return std::make_unique<QuantisedOp>(g, n, isa);
  if (n.op == ir::OpName("If")) return std::make_unique<IfOp>(n, isa);
  if (n.op == ir::OpName("Loop")) return std::make_unique<LoopOp>(n, isa);
  return std::make_unique<NodeOp>(g, n, isa);
}

}  // namespace saha::native
