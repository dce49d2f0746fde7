// Quantize(f(x)) -> x for x of uint8, where f leaves each of its 256 values as the integer that is stored; where all are stored 128 lower, as int8 does,
// DequantizeLinear(Quantize(f(x))) -> DequantizeLinear(x) with a zero point 128 higher, and a quantised input takes uint8 with such a zero point.
// Nothing is assumed of f: every value is computed, by the operators' own definitions.
#include <array>
#include <map>

#include "passes/passes.hpp"

namespace saha::passes {
namespace {
using op::Val;
using op::Vals;
constexpr std::size_t kMaxSteps = 16;
constexpr std::int64_t kMaxConstant = 4096;   // elements

/// The arithmetic between a uint8 value and the node that quantises it.
struct Path {
  ir::ValueId bytes = ir::ValueId::none;
  std::vector<const ir::Node*> steps;   ///< from the quantising node upwards, it among them; the last one casts
};
bool constant(const ir::Graph& g, ir::ValueId v) { return v != ir::ValueId::none && g[v].constant; }

std::optional<Path> path_to_bytes(const ir::Graph& g, const ir::Node& quantise) {
  Path path{ir::ValueId::none, {&quantise}};
  ir::ValueId v = g.operand(quantise, 0);
  while (path.steps.size() < kMaxSteps) {
    const ir::Node* n = v == ir::ValueId::none ? nullptr : g.producer(v);
    if (!n || n->num_results != 1 || op::is_quantised(g, *n)) return {};
    std::size_t next = 0, others = 0;
    for (std::size_t i = 0; i < n->num_operands; ++i) {
      const ir::ValueId x = g.operand(*n, i);
      if (x == ir::ValueId::none) continue;
      if (!constant(g, x)) { next = i; ++others; }
      else if (g[x].constant->size() > kMaxConstant) return {};
    }
    if (others != 1) return {};
    path.steps.push_back(n);
    v = g.operand(*n, next);
    if (is(n, "Cast") && g.type(v).dtype == DType::u8) { path.bytes = v; return path; }
    const op::OpDef& def = *op::find(n->op.str())->def;
    if (!def.blocks && !(def.traits & op::kElementwise) && !is(n, "Clip") && !is(n, "Cast")) return {};
    if (def.traits & op::kRandom) return {};
  }
  return {};
}
/// By how much less each of the 256 values is stored; nothing where that differs among values or channels.
std::optional<std::int64_t> lowered(const ir::Graph& g, const Path& path, op::Budget* budget) {
  std::size_t rank = 0;
  for (const ir::Node* n : path.steps)
    for (ir::ValueId v : g.operands(*n)) if (constant(g, v)) rank = std::max(rank, g[v].constant->rank());
  Dims dims(rank + 1, 1);   // values along an axis of their own, in front of those of the constants
  dims[0] = 256;
  op::Builder b;
  Val x = b.input(ir::tensor_type(DType::u8, {dims.begin(), dims.end()}));
  for (auto step = path.steps.rbegin(); step != path.steps.rend(); ++step) {
    const ir::Node& n = **step;
    Vals in;
    for (ir::ValueId v : g.operands(n)) in.push_back(v == ir::ValueId::none ? Val{} : constant(g, v) ? b.constant(g[v].constant, g[v].type) : x);
    const ir::Type& y = g.type(g.result(n));
    x = y.quant ? b.quantised(n.op, in, *n.attrs, op::Stored{y.dtype, y.quant}) : b.op(n.op, in, *n.attrs);
  }
  auto small = std::move(b).build({x});
  if (!small) return {};
  Tensor all = Tensor::zeros(DType::u8, dims);
  for (int i = 0; i < 256; ++i) all.as<std::uint8_t>()[i] = std::uint8_t(i);
  const std::array<Datum, 1> in = {Datum(all)};
  auto out = op::run(*small, in, budget);
  if (!out) return {};
  const auto stored = values<std::int64_t>((*out)[0].tensor);
  const std::size_t each = stored.size() / 256;
  for (std::size_t i = 0; i < stored.size(); ++i)
    if (std::int64_t(i / each) - stored[i] != -stored[0]) return {};
  return -stored[0];
}
/// Of one scale for all elements, uint8 or int8.
bool quantises(const ir::Graph& g, const ir::Node& n) {
  const ir::Type& y = g.type(g.result(n));
  if (y.dtype != DType::u8 && y.dtype != DType::i8) return false;
  if (is(&n, "Requantize")) return y.quant && y.quant->scale.size() == 1 && !g.type(g.operand(n, 0)).quant;
  if (!is(&n, "QuantizeLinear") || y.quant) return false;
  for (std::size_t i = 1; i < n.num_operands; ++i) if (const auto v = g.operand(n, i); v != ir::ValueId::none && (!constant(g, v) || g[v].constant->size() != 1)) return false;
  return true;
}
/// The input of the graph that v is, moved at most, where nothing else reads it on the way.
std::optional<std::size_t> input_of(const ir::Graph& g, ir::ValueId v, std::span<const std::uint32_t> uses) {
  for (;;) {
    if (uses[std::size_t(v)] != 1) return {};
    const ir::Node* n = g.producer(v);
    if (!n) break;
    if (!is(n, "Transpose") && !is(n, "Reshape") && !is(n, "Slice") && !is(n, "Gather") && !is(n, "Flatten")) return {};
    v = g.operand(*n, 0);
  }
  for (std::size_t i = 0; i < g.inputs().size(); ++i) if (g.inputs()[i] == v) return i;
  return {};
}
}  // namespace

Result<ir::Graph> quantise_bytes(const ir::Graph& g, const Options& o) {
  const auto uses = g.use_counts();
  struct Found { Path path; std::int64_t lower; };
  std::map<std::uint32_t, Found> found;              // by the result of the quantising node
  std::map<std::size_t, ir::TypeRef> inputs;         // of new types
  for (const ir::Node& n : g.nodes()) {
    if (n.num_results != 1 || !quantises(g, n)) continue;
    auto path = path_to_bytes(g, n);
    if (!path) continue;
    const auto lower = lowered(g, *path, o.budget);
    if (!lower || *lower != (g.type(g.result(n)).dtype == DType::u8 ? 0 : 128)) continue;
    if (const auto& kept = g.type(g.result(n)).quant) {   // what was plain bytes stands for real numbers now: an input, read by this path only
      const auto input = input_of(g, path->bytes, uses);
      if (!input || g.type(g.inputs()[*input]).quant) continue;
      ir::Quant q = *kept;
      q.zero[0] += *lower;
      inputs[*input] = ir::tensor_type(DType::u8, g.type(g.inputs()[*input]).dims, std::make_shared<const ir::Quant>(std::move(q)));
    }
    found.emplace(n.first_result, Found{std::move(*path), *lower});
  }
  if (found.empty()) return g;
  std::map<ir::ValueId, Val> here;                   // what stands for the bytes
  const auto input = [&](std::size_t i, op::Builder& b) {
    const ir::ValueId v = g.inputs()[i];
    const auto other = inputs.find(i);
    return here[v] = b.input(other == inputs.end() ? g[v].type : other->second, g[v].name);
  };
  const auto rule = [&](const ir::Graph& from, const ir::Node& n, const Vals& in, op::Builder& b) -> std::optional<Vals> {
    if (is(&n, "DequantizeLinear") && from.operand(n, 0) != ir::ValueId::none) {
      const auto it = found.find(std::uint32_t(from.operand(n, 0)));
      const Tensor* zero = in.size() > 2 ? b.data(in[2]) : nullptr;
      if (it == found.end() || it->second.lower == 0 || it->second.path.steps[0]->op != "QuantizeLinear" || (zero && zero->size() != 1) || !b.data(in[1]) || b.data(in[1])->size() != 1) return {};
      const double z = (zero ? zero->at(0) : 0) + double(it->second.lower);
      return Vals{b.op("DequantizeLinear", {here.at(it->second.path.bytes), in[1], b.constant(Tensor::of(DType::u8, zero ? zero->dims : Dims{}, {z}))}, *n.attrs)};
    }
    const auto it = found.find(n.first_result);
    if (it == found.end()) return {};
    const Val bytes = here.at(it->second.path.bytes);
    if (it->second.lower == 0) return Vals{bytes};
    const auto& kept = from.type(from.result(n)).quant;
    if (kept) return Vals{b.quantised("Requantize", {bytes}, *n.attrs, op::Stored{DType::i8, kept})};
    return {};
  };
  // The rule sees nodes in order, and keeps what was made of those that give bytes.
  std::map<std::uint32_t, char> wanted;
  for (const auto& [_, f] : found) wanted[std::uint32_t(f.path.bytes)] = 1;
  return op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const Vals& in, op::Builder& b) -> std::optional<Vals> {
    auto y = rule(from, n, in, b);
    const bool keep = [&] { for (std::size_t k = 0; k < n.num_results; ++k) if (wanted.contains(n.first_result + std::uint32_t(k))) return true; return false; }();
    if (!keep) return y;
    if (!y) y = b.copy(from, n, in);
    for (std::size_t k = 0; k < y->size(); ++k) here[ir::ValueId(n.first_result + std::uint32_t(k))] = (*y)[k];
    return y;
  }, input, g.outputs(), op::Quantised::see);
}

}  // namespace saha::passes
