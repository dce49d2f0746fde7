#include "runtime/executor.hpp"

#include <cstring>

#include "tensor/limit.hpp"

namespace saha::runtime {
namespace {
using plan::Slot;
using plan::Space;
}  // namespace

void run_kernel(system::ThreadPool& pool, plan::Run kernel, const plan::Call& call, std::uint32_t phases, std::uint64_t stride) {
  const auto piece = [&](unsigned thread, std::uint32_t phase, std::uint32_t phase_end, std::uint32_t begin, std::uint32_t end) {
    plan::Call c = call;
    c.begin = begin, c.end = end, c.phase = phase, c.phase_end = phase_end;
    c.scratch = call.scratch + stride * thread;
    kernel(c);
  };
  if (phases == 1) return system::parallel(pool, call.end, [&](unsigned thread, std::uint32_t begin, std::uint32_t end) { piece(thread, 0, 1, begin, end); });
  system::parallel_phases(pool, phases, call.end, piece);
}

[[gnu::cold]] Result<Context> Context::make(std::shared_ptr<const LoadedPlan> loaded, system::ThreadPool& pool) {
  Context c;
  const plan::Plan& p = loaded->plan;
  c.loaded_ = std::move(loaded);
  c.pool_ = &pool;
  std::uint64_t scratch = (p.scratch_bytes + 63) / 64 * 64, arena = (p.arena_bytes + 63) / 64 * 64;
  std::uint64_t bytes = arena + scratch * pool.size() + 64;
  system::Block memory = bytes > std::uint64_t(max_tensor_bytes()) * 2 ? system::Block(nullptr, nullptr) : system::block(bytes);
  if (!memory) return Error{ErrorCode::out_of_memory, "the plan needs " + std::to_string(bytes >> 20) + " MiB for intermediate values, which is not to be had"};
  c.arena_ = memory.get();
  c.scratch_ = memory.get() + arena;
  c.memory_ = std::move(memory);
  c.boxes_.resize(p.boxes);
  c.inputs_.resize(p.inputs.size());
  c.uses_.resize(p.slots.size());
  c.input_slots_.resize(p.inputs.size());
  for (std::uint32_t s = 0; s < p.slots.size(); ++s)
    if (p.slots[s].space == Space::input) c.input_slots_[p.slots[s].index].push_back(s);
  c.pointers_.resize(p.operands.size(), nullptr);
  for (std::size_t i = 0; i < p.operands.size(); ++i) {
    if (p.operands[i] == plan::kHost) continue;
    const Slot& s = p.slots[p.operands[i]];
    if (s.space == Space::arena) c.pointers_[i] = c.arena_ + s.offset;
    else if (s.space == Space::constant) c.pointers_[i] = p.constants[s.index].data.get();
    else if (s.space == Space::box || s.space == Space::input) c.uses_[p.operands[i]].push_back(std::uint32_t(i));
  }
  for (const auto& h : c.loaded_->hosts) c.states_.push_back(h->make_state());
  for (const plan::Instruction& i : p.instructions) {
    const bool whole = i.kernel != plan::kHost && (i.grid <= 1 || pool.size() == 1);
    c.whole_.push_back(whole ? Whole{p.runs[i.kernel], c.call(i)} : Whole{});
  }
  return c;
}

void Context::resolve(std::uint32_t slot) {
  const Slot& s = loaded_->plan.slots[slot];
  const Datum& d = s.space == Space::box ? boxes_[s.index] : inputs_[s.index];
  for (std::uint32_t use : uses_[slot]) pointers_[use] = d.is_tensor() ? d.tensor.data.get() : nullptr;
}
void Context::set_input(std::size_t i, const Datum& value) {
  inputs_[i] = value;
  for (std::uint32_t slot : input_slots_[i]) resolve(slot);
}
Datum Context::view(std::uint32_t slot) const {
  const Slot& s = loaded_->plan.slots[slot];
  switch (s.space) {
    case Space::none: return {};
    case Space::box: return boxes_[s.index];
    case Space::input: {
      Datum d = inputs_[s.index];
      if (d.is_tensor() && num_elements(s.dims) == d.tensor.size()) d.tensor.dims = s.dims;  // a view has dims of its own
      return d;
    }
    case Space::constant: return loaded_->plan.constants[s.index].reshaped(s.dims);
    case Space::arena: return Tensor{s.dtype, s.dims, std::shared_ptr<std::byte[]>(std::shared_ptr<std::byte[]>(), arena_ + s.offset), {}};  // owns nothing, so takes no memory
  }
  return {};
}

/// A result that is a view of an operand in the arena, or holds one, gets memory of its own: the arena is reused.
[[gnu::cold]] Result<> Context::own(Datum& d) const {
  auto inside = [&](const Tensor& t) { return t.data && t.data.get() >= memory_.get() && t.data.get() < scratch_; };
  if (d.is_tensor() && inside(d.tensor)) {
    SAHA_TRY(Tensor copy, Tensor::make(d.tensor.dtype, d.tensor.dims));
    copy_elements(d.tensor, 0, 1, copy, 0, copy.size());
    d = std::move(copy);
  }
  if (d.items && d.kind == Datum::Kind::sequence) {
    std::vector<Datum> items = d.list();
    bool changed = false;
    for (Datum& item : items) {
      const std::byte* before = item.tensor.data.get();
      const auto* list = item.items.get();
      SAHA_DO(own(item));
      changed |= item.tensor.data.get() != before || item.items.get() != list;
    }
    if (changed) d = Datum::sequence(std::move(items));
  }
  return {};
}

plan::Call Context::call(const plan::Instruction& i) const {
  const plan::Plan& p = loaded_->plan;
  return {pointers_.data() + i.first_operand, p.dims.data() + i.first_dim, p.params.data() + i.params, 0, i.grid, scratch_, 0, i.phases};
}

Result<> Context::step(const plan::Instruction& i) {
  const plan::Plan& p = loaded_->plan;
  if (i.kernel != plan::kHost) {
    run_kernel(*pool_, p.runs[i.kernel], call(i), i.phases, (p.scratch_bytes + 63) / 64 * 64);
    return {};
  }
  return host(i);
}
[[gnu::cold]] Result<> Context::host(const plan::Instruction& i) {
  const plan::Plan& p = loaded_->plan;
  std::vector<Datum> in(i.num_in), out(i.num_out);
  std::vector<const Datum*> operands(i.num_in, nullptr);
  for (std::size_t k = 0; k < i.num_in; ++k) {
    std::uint32_t slot = p.operands[i.first_operand + k];
    if (slot == plan::kHost) continue;
    in[k] = view(slot);
    operands[k] = &in[k];
  }
  auto r = loaded_->hosts[i.host]->run(operands, out, states_[i.host].get(), *pool_);
  if (!r) {
    const plan::Origin& o = p.origins[i.origin];
    return std::move(r.error()).within("node '" + o.name + "'");
  }
  for (std::size_t k = 0; k < i.num_out; ++k) {
    std::uint32_t slot = p.operands[i.first_operand + i.num_in + k];
    if (slot == plan::kHost) continue;
    const Slot& s = p.slots[slot];
    Datum& d = out[k];
    if (s.space == Space::arena) {
      if (!d.is_tensor() || d.tensor.dtype != s.dtype || d.tensor.dims != s.dims)
        return Error{ErrorCode::internal, "node '" + p.origins[i.origin].name + "' (" + p.origins[i.origin].op + ") gave " + (d.is_tensor() ? std::string(name(d.tensor.dtype)) + str(d.tensor.dims) : "no tensor") + " where " + std::string(name(s.dtype)) + str(s.dims) + " was inferred"};
      if (d.tensor.data.get() != arena_ + s.offset) std::memmove(arena_ + s.offset, d.tensor.data.get(), std::size_t(d.tensor.bytes()));
      continue;
    }
    SAHA_DO(own(d));
    boxes_[s.index] = std::move(d);
    resolve(slot);
  }
  return {};
}

Result<> Context::run() {
  const std::size_t count = whole_.size();
  for (std::size_t i = 0; i < count; ++i) {
    const Whole& w = whole_[i];
    if (w.run) w.run(w.call);
    else SAHA_DO(step(loaded_->plan.instructions[i]));
  }
  return std::monostate();  // of {} all bytes that an error would have are cleared, which takes as long as a small layer
}
Result<> Context::run_timed(std::span<double> seconds, Clock* clock) {
  const auto& all = loaded_->plan.instructions;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double start = clock();
    if (whole_[i].run) whole_[i].run(whole_[i].call);
    else SAHA_DO(step(all[i]));
    seconds[i] = std::min(seconds[i], clock() - start);
  }
  return {};
}
Datum Context::output(std::size_t k) const { return view(loaded_->plan.outputs[k]); }
Datum Context::take_output(std::size_t k) const {
  Datum d = output(k);
  Space space = loaded_->plan.slots[loaded_->plan.outputs[k]].space;
  if (!d.is_tensor() || space == Space::box || space == Space::constant || !d.tensor.data) return d;
  auto own = Tensor::make(d.tensor.dtype, d.tensor.dims);
  if (!own) return d;
  copy_elements(d.tensor, 0, 1, *own, 0, own->size());
  return std::move(*own);
}

}  // namespace saha::runtime
