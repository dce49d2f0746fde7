// Graph at known shapes -> plan: kernels are chosen, views become aliases, lives are packed into one block.
#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "backends/native/host_ops.hpp"
#include "backends/native/join_rows.hpp"
#include "backends/native/kernel_table.hpp"
#include "backends/native/layout.hpp"
#include "backends/native/rows.hpp"
#include "kernels/movement.hpp"
#include "op/work.hpp"
#include "system/block.hpp"

namespace saha::native {
namespace {
using plan::Slot;
using plan::Space;

class Compiler {
 public:
  Compiler(const ir::Graph& g, const CompileOptions& options) : g_(g), isa_(options.isa), options_(options), loaded_(std::make_shared<runtime::LoadedPlan>()), p_(loaded_->plan), slot_(g.values().size()), convolves_(convolves_channels_last(g, options.isa)), convolved_(g.values().size()) {
    for (const ir::Node& n : g.nodes())
      if ((convolution_of(g, n).node || n.op == ir::OpName("QLinearConv") || n.op == ir::OpName("ConvInteger")) && bits(g.type(g.operand(n, 0)).dtype) == 8) convolved_[std::size_t(g.operand(n, 0))] = true;
  }
  Result<std::shared_ptr<const runtime::LoadedPlan>> run();

 private:
  static constexpr std::uint32_t kNone = plan::kHost;
  struct Buffer { std::uint64_t bytes; std::uint32_t first, last; std::int64_t joined = -1; };

  std::uint32_t add_slot(Slot s) {
    const auto at = std::uint32_t(p_.slots.size());
    p_.slots.push_back(std::move(s));
    buffer_of_.push_back(-1);
    viewed_.push_back(at);
    loaded_->values.emplace_back();
    return at;
  }
  /// The slot holds v, or a view of what it holds is v.
  void holds(std::uint32_t slot, ir::ValueId v) {
    if (g_[v].name) loaded_->values[viewed_[slot]].push_back(g_.name(v));
  }
  std::uint32_t constant_slot(const Tensor& t) {
    auto [it, added] = constants_.emplace(t.data.get() ? static_cast<const void*>(t.data.get()) : static_cast<const void*>(t.text.get()), std::uint32_t(p_.constants.size()));
    if (added) p_.constants.push_back(t);
    return add_slot({Space::constant, t.dtype, it->second, 0, std::uint64_t(t.bytes()), t.dims});
  }
  std::uint32_t packed_slot(const Tensor& t) {
    const std::uint32_t s = constant_slot(t);
    if (packed_.empty() || packed_.back() < p_.slots[s].index) packed_.push_back(p_.slots[s].index);
    return s;
  }
  /// The value in that layout; reordered where it is held in the other one only. Constants are plain.
  std::uint32_t slot(ir::ValueId v, ir::Layout layout = ir::Layout::plain) {
    if (v == ir::ValueId::none) return kNone;
    Held& held = slot_[std::size_t(v)];
    if (g_[v].constant || !has_layouts(g_.type(v))) layout = ir::Layout::plain;
    std::uint32_t &s = held.in(layout), &other = held.in(layout == ir::Layout::plain ? ir::Layout::nhwc : ir::Layout::plain);
    if (s == kNone && g_[v].constant) s = constant_slot(*g_[v].constant);
    if (s == kNone && other != kNone) s = layouts_coincide(NodeSite::numbers(g_.type(v))) ? other : reordered(v, other, layout);
    SAHA_ASSERT(s != kNone);
    return s;
  }
  /// Held with channels innermost, not otherwise.
  bool only_channels_last(ir::ValueId v) {
    return v != ir::ValueId::none && !g_[v].constant && slot_[std::size_t(v)].plain == kNone && slot_[std::size_t(v)].nhwc != kNone && !layouts_coincide(NodeSite::numbers(g_.type(v)));
  }
  std::uint32_t reordered(ir::ValueId v, std::uint32_t from, ir::Layout to);
  void emit(const Prepared& p, plan::Instruction& i);
  /// `layer`: what the picker was told of it, or nothing.
  void append(plan::Instruction i, std::span<const std::uint32_t> reads, std::span<const std::uint32_t> writes, std::string layer = {});
  std::uint32_t arena_slot(const ir::Type& t, std::uint32_t at) { return arena_slot(t.dtype, NodeSite::numbers(t), at); }
  std::uint32_t arena_slot(DType dtype, Dims d, std::uint32_t at) {
    auto bytes = std::uint64_t(storage_bytes(dtype, num_elements(d)));
    std::uint32_t s = add_slot({Space::arena, dtype, 0, 0, bytes, std::move(d)});
    buffer_of_[s] = std::int64_t(buffers_.size());
    buffers_.push_back({bytes, at, at});
    return s;
  }
  /// Result 0 of a view operator as another slot over operand 0; nothing where it is none.
  bool alias(const ir::Node& n) {
    const op::OpDef& def = *op::find(n.op.str())->def;
    if (!(def.traits & op::kView) || n.num_results != 1 || n.num_operands == 0) return false;
    ir::ValueId x = g_.operand(n, 0), y = g_.result(n);
    if (x == ir::ValueId::none || !fits_slot(g_.type(y)) || !fits_slot(g_.type(x)) || g_.type(x).dtype != g_.type(y).dtype) return false;
    std::uint32_t from = slot(x);
    Slot s = p_.slots[from];
    if (s.space == Space::box || s.space == Space::none) return false;
    s.dims = NodeSite::numbers(g_.type(y));
    if (num_elements(s.dims) != num_elements(p_.slots[from].dims)) return false;
    holds(slot_[std::size_t(y)].plain = alias_of(from, std::move(s)), y);
    return true;
  }
  std::uint32_t alias_of(std::uint32_t from, Slot s) {
    std::int64_t buffer = buffer_of_[from];
    std::uint32_t to = add_slot(std::move(s));
    buffer_of_[to] = buffer;
    viewed_[to] = viewed_[from];
    return to;
  }
  /// A transpose to channels first is its operand, read as channels last; one of a value held so to channels last is that value.
  bool relayout(const ir::Node& n) {
    const ir::ValueId x = g_.operand(n, 0), y = g_.result(n);
    const bool first = brings_channels_first(g_, n) && may_be_channels_last(g_.type(x)) && !only_channels_last(x);
    if (!first && !(takes_channels_last(g_, n) && only_channels_last(x))) return false;
    const std::uint32_t from = slot(x, first ? ir::Layout::plain : ir::Layout::nhwc);
    Slot s = p_.slots[from];
    if (s.space == Space::box || s.space == Space::none) return false;
    s.dims = NodeSite::numbers(g_.type(y));
    holds(slot_[std::size_t(y)].in(first ? ir::Layout::nhwc : ir::Layout::plain) = alias_of(from, std::move(s)), y);
    return true;
  }
  void use(std::uint32_t s, std::uint32_t at) {
    if (s != kNone && buffer_of_[s] >= 0) { auto& b = buffers_[std::size_t(buffer_of_[s])]; b.last = std::max(b.last, at); }
  }
  Result<> node(const ir::Node& n);
  std::uint32_t kernel_row(const std::string& name) {
    auto it = std::find(p_.kernels.begin(), p_.kernels.end(), name);
    if (it != p_.kernels.end()) return std::uint32_t(it - p_.kernels.begin());
    p_.kernels.push_back(name);
    p_.runs.push_back(kernels::find(name, isa_));
    SAHA_ASSERT(p_.runs.back() || kernels::kernels(isa_).empty());  // none of another architecture: that plan is stored, not run
    return std::uint32_t(p_.kernels.size() - 1);
  }
  void join_rows();
  void place();
  void gather();

  const ir::Graph& g_;
  kernels::Isa isa_;
  const CompileOptions& options_;
  std::shared_ptr<runtime::LoadedPlan> loaded_;
  plan::Plan& p_;
  struct Held {
    std::uint32_t plain = kNone, nhwc = kNone;
    std::uint32_t& in(ir::Layout l) { return l == ir::Layout::plain ? plain : nhwc; }
  };
  std::vector<Held> slot_;                  // by value
  bool convolves_;                          // convolves_channels_last()
  std::vector<bool> convolved_;             // by value: a convolution of stored integers reads it
  std::vector<std::int64_t> buffer_of_;     // by slot
  std::vector<std::uint32_t> viewed_;       // by slot: the one it is a view of, or itself
  std::vector<Buffer> buffers_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> in_place_;   // slots that may share: operand 0, result 0
  std::unordered_map<const void*, std::uint32_t> constants_;
  std::vector<std::uint32_t> packed_;       // rows of constants that only this plan has
};

void Compiler::emit(const Prepared& p, plan::Instruction& i) {
  i.kernel = kernel_row(p.kernel);
  p_.params.resize((p_.params.size() + 63) / 64 * 64);
  i.params = p_.params.size();
  p_.params.insert(p_.params.end(), p.params.begin(), p.params.end());
  i.first_dim = std::uint32_t(p_.dims.size());
  p_.dims.insert(p_.dims.end(), p.dims.begin(), p.dims.end());
  i.grid = p.grid;
  i.phases = p.phases;
  i.scratch = p.scratch;
  p_.scratch_bytes = std::max(p_.scratch_bytes, i.scratch);
}

void Compiler::append(plan::Instruction i, std::span<const std::uint32_t> reads, std::span<const std::uint32_t> writes, std::string layer) {
  i.first_operand = std::uint32_t(p_.operands.size());
  i.num_in = std::uint16_t(reads.size());
  i.num_out = std::uint16_t(writes.size());
  p_.operands.insert(p_.operands.end(), reads.begin(), reads.end());
  p_.operands.insert(p_.operands.end(), writes.begin(), writes.end());
  p_.instructions.push_back(i);
  if (options_.layers) options_.layers->push_back(std::move(layer));
}

std::uint32_t Compiler::reordered(ir::ValueId v, std::uint32_t from, ir::Layout to) {
  const ir::Type& t = g_.type(v);
  const Dims d = NodeSite::numbers(t);
  const Dims strides = strides_of(d, to == ir::Layout::plain ? ir::Layout::nhwc : ir::Layout::plain);
  const auto move = kernels::prepare_move(bits(t.dtype) / 8, in_memory(d, to), in_memory(strides, to));
  const auto at = std::uint32_t(p_.instructions.size());
  plan::Instruction i;
  i.origin = std::uint32_t(p_.origins.size());
  p_.origins.push_back({g_.name(v), "Transpose", ir::str(t.dims)});
  i.bytes = 2 * p_.slots[from].bytes;
  emit(call(kernels::kernel(move), move, {}), i);
  use(from, at);
  const std::uint32_t y = arena_slot(t, at);
  holds(y, v);
  append(i, {&from, 1}, {&y, 1});
  return y;
}

Result<> Compiler::node(const ir::Node& n) {
  if (alias(n) || relayout(n)) return {};
  bool known = !(op::find(n.op.str())->def->traits & op::kControl) || n.op == "Fused";
  bool plain_first = true, layouts = false;
  std::vector<ir::TypeRef> in, out;
  std::vector<const Tensor*> constant;
  for (ir::ValueId v : g_.operands(n)) {
    bool there = v != ir::ValueId::none;
    in.push_back(there ? g_[v].type : ir::TypeRef{});
    constant.push_back(there ? g_[v].constant.get() : nullptr);
    known &= !there || fits_slot(g_.type(v));
    plain_first &= !only_channels_last(v);
    layouts |= there && !constant.back() && may_be_channels_last(g_.type(v));
  }
  plain_first &= !(convolves_ && prefers_channels_last(g_, n));
  for (std::size_t k = 0; k < n.num_results; ++k) {
    out.push_back(g_[g_.result(n, k)].type);
    known &= fits_slot(*out.back());
  }
  std::optional<Prepared> prepared;
  ir::Layout layout = ir::Layout::plain;
  for (ir::Layout l : {plain_first ? ir::Layout::plain : ir::Layout::nhwc, plain_first ? ir::Layout::nhwc : ir::Layout::plain}) {
    if (!known || prepared || (l == ir::Layout::nhwc && !layouts)) continue;
    prepared = choose({{*n.attrs}, n.op.str(), in, out, constant, isa_, l, options_.precision, convolves_, options_.picker, convolved_[std::size_t(g_.result(n))]});
    if (prepared) layout = l;
  }
  std::vector<std::uint32_t> reads, writes;
  if (prepared)
    for (const Operand& o : prepared->operands)
      reads.push_back(o.from == Operand::From::none ? kNone : o.from == Operand::From::packed ? packed_slot(prepared->packed[o.index]) : slot(g_.operand(n, o.index), layout));
  else
    for (ir::ValueId v : g_.operands(n)) reads.push_back(slot(v));
  const auto at = std::uint32_t(p_.instructions.size());  // what reorders operands stands before
  plan::Instruction i;
  i.origin = std::uint32_t(p_.origins.size());
  const ir::Type& first = g_.type(g_.result(n));
  p_.origins.push_back({n.origin ? *n.origin : g_.name(g_.result(n)), op::kind(g_, n), first.is_tensor() ? ir::str(first.dims) : ir::str(first)});
  op::Work w = op::work(g_, n);
  i.macs = w.macs;
  i.bytes = w.bytes;
  if (prepared) {
    emit(*prepared, i);
  } else {
    i.host = std::uint32_t(loaded_->hosts.size());
    loaded_->hosts.push_back(make_host_op(g_, n, isa_));
  }
  for (std::uint32_t s : reads) use(s, at);
  for (std::size_t k = 0; k < n.num_results; ++k) {
    ir::ValueId y = g_.result(n, k);
    std::uint32_t s = fits_slot(g_.type(y)) ? arena_slot(g_.type(y), at) : add_slot({Space::box, DType::none, p_.boxes++, 0, 0, {}});
    slot_[std::size_t(y)].in(has_layouts(g_.type(y)) ? (prepared ? prepared->result.value_or(layout) : layout) : ir::Layout::plain) = s;
    holds(s, y);
    writes.push_back(s);
  }
  if (prepared && prepared->workspace) writes.push_back(arena_slot(DType::u8, {std::int64_t(prepared->workspace)}, at));
  if (prepared && prepared->in_place && !reads.empty() && reads[0] != kNone) in_place_.emplace_back(reads[0], writes[0]);
  append(i, reads, writes, prepared ? std::move(prepared->layer) : std::string());
  return {};
}

void Compiler::join_rows() {
  const std::vector<Join> joins = joins_of_rows(p_, buffer_of_, isa_);
  if (joins.empty()) return;
  std::vector<std::uint32_t> moved(p_.instructions.size() + 1);   // by instruction before: where it, or what it is part of now, stands
  const auto old = std::exchange(p_.instructions, {});
  const auto old_layers = options_.layers ? std::exchange(*options_.layers, {}) : std::vector<std::string>(old.size());
  auto next = joins.begin();
  for (std::uint32_t i = 0; i < old.size();) {
    const auto to = moved[i] = std::uint32_t(p_.instructions.size());
    if (next == joins.end() || next->instructions[0] != i) {
      p_.instructions.push_back(old[i]);
      if (options_.layers) options_.layers->push_back(old_layers[i]);
      ++i;
      continue;
    }
    plan::Origin origin;
    for (std::uint32_t part : next->instructions) {
      const plan::Origin& o = p_.origins[old[part].origin];
      const char* plus = part == i ? "" : "+";
      origin = {origin.name + plus + o.name, origin.op + plus + o.op, o.output};
      moved[part] = to;
    }
    const std::uint32_t last = next->instructions.back();
    const std::uint32_t y = p_.operands[old[last].first_operand + old[last].num_in];
    for (std::uint32_t part = i; part < last; ++part) {
      const std::uint32_t gone = p_.operands[old[part].first_operand + old[part].num_in];
      buffers_[std::size_t(buffer_of_[gone])].bytes = 0;
      p_.slots[gone].dims = {0}, p_.slots[gone].bytes = 0;   // of the arena still: other kinds of slots are not stored
    }
    plan::Instruction made;
    made.origin = std::uint32_t(p_.origins.size());
    p_.origins.push_back(std::move(origin));
    made.macs = next->macs, made.bytes = next->bytes;
    emit(next->call, made);
    append(made, next->reads, {&y, 1});
    i = last + 1, ++next;
  }
  moved.back() = std::uint32_t(p_.instructions.size());
  for (Buffer& b : buffers_) b.first = moved[b.first], b.last = moved[b.last];
}

void Compiler::place() {
  auto root = [&](std::int64_t b) {
    while (buffers_[std::size_t(b)].joined >= 0) b = buffers_[std::size_t(b)].joined;
    return b;
  };
  for (auto [x, y] : in_place_) {
    if (buffer_of_[x] < 0 || buffer_of_[y] < 0) continue;
    Buffer &a = buffers_[std::size_t(root(buffer_of_[x]))], &b = buffers_[std::size_t(buffer_of_[y])];
    if (&a == &b || a.last != b.first || a.bytes != b.bytes) continue;  // still read later, or of another size
    a.last = b.last;
    b.joined = root(buffer_of_[x]);
  }
  std::vector<plan::Life> lives;
  std::vector<std::size_t> row(buffers_.size(), 0);
  for (std::size_t b = 0; b < buffers_.size(); ++b) {
    if (buffers_[b].joined >= 0) continue;
    row[b] = lives.size();
    lives.push_back({buffers_[b].bytes, buffers_[b].first, buffers_[b].last});
  }
  plan::Packing packing = plan::pack(lives);
  p_.arena_bytes = packing.bytes;
  p_.peak_bytes = packing.live;
  for (std::size_t s = 0; s < p_.slots.size(); ++s)
    if (p_.slots[s].space == Space::arena) p_.slots[s].offset = packing.offsets[row[std::size_t(root(buffer_of_[s]))]];
}

/// Moves what was packed into one block, in the order of its use: pages of 2 MiB hold it, so that what streams from it waits for fewer walks of the page table. MobileNetV1's layers of 1024 channels on one core of an EPYC
/// of Zen 4: 1.1 times as fast.
void Compiler::gather() {
  constexpr std::uint64_t kLine = 64;
  std::uint64_t bytes = 0;
  const auto room = [&](std::uint32_t c) { return (std::uint64_t(p_.constants[c].bytes()) + 2 * kLine - 1) / kLine * kLine; };   // loops may read a little beyond
  for (std::uint32_t c : packed_) bytes += room(c);
  if (bytes < system::kHugePage) return;
  const std::shared_ptr<std::byte[]> block = system::block(bytes);
  if (!block) return;
  std::byte* to = block.get();
  for (std::uint32_t c : packed_) {
    Tensor& t = p_.constants[c];
    std::memcpy(to, t.data.get(), std::size_t(t.bytes()));
    t.data = std::shared_ptr<std::byte[]>(block, to);
    to += room(c);
  }
}

Result<std::shared_ptr<const runtime::LoadedPlan>> Compiler::run() {
  for (std::size_t i = 0; i < g_.inputs().size(); ++i) {
    const ir::Type& t = g_.type(g_.inputs()[i]);
    // An input that is no plain tensor is read by host instructions only; it counts as a box that the caller fills.
    std::uint32_t s = add_slot({Space::input, t.dtype, std::uint32_t(i), 0, 0, fits_slot(t) ? NodeSite::numbers(t) : Dims{}});
    slot_[std::size_t(g_.inputs()[i])].plain = s;
    holds(s, g_.inputs()[i]);
    p_.inputs.push_back(s);
  }
  for (const ir::Node& n : g_.nodes()) SAHA_DO(node(n));
  for (ir::ValueId v : g_.outputs()) p_.outputs.push_back(slot(v));
  for (std::uint32_t s : p_.outputs) use(s, std::uint32_t(p_.instructions.size()));
  join_rows();
  place();
  gather();
  auto& values = loaded_->values;
  for (std::size_t s = 0; s < values.size(); ++s) {
    if (viewed_[s] != s) values[s] = values[viewed_[s]];  // stands before it, and is complete
    else if (values[s].empty() && p_.slots[s].space != Space::constant) values[s] = {"(slot " + std::to_string(s) + ")"};
  }
  return std::shared_ptr<const runtime::LoadedPlan>(loaded_);
}
}  // namespace

Result<std::shared_ptr<const runtime::LoadedPlan>> compile(const ir::Graph& g, const CompileOptions& options) { return Compiler(g, options).run(); }

}  // namespace saha::native
