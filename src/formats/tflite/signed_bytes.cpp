// Conv(x: uint8, w: int8) -> Conv(Requantize(x): int8, w): each kernel takes one type of 8 bits, and channels with scales of their own in int8 only.
// A number of uint8 less 128 beside a zero point less 128 stands for the same real number: nothing is rounded.
#include <algorithm>

#include "formats/tflite/write.hpp"

namespace saha::tflite {
namespace {
constexpr std::int64_t kHalf = 128;

bool unsigned_bytes(const ir::Type& t) { return t.quant && t.dtype == DType::u8; }
std::shared_ptr<const ir::Quant> less_half(const ir::Quant& q) {
  ir::Quant r = q;
  for (auto& z : r.zero) z -= kHalf;
  return std::make_shared<const ir::Quant>(std::move(r));
}
/// Raw elements less 128.
Tensor less_half(const Tensor& t) {
  Tensor r = Tensor::zeros(DType::i8, t.dims);
  for (std::int64_t i = 0; i < t.size(); ++i) r.as<std::int8_t>()[i] = std::int8_t(t.as<std::uint8_t>()[i] - kHalf);
  return r;
}
/// No kernel takes the node's operands and results together as they are.
bool mixes(const ir::Graph& g, const ir::Node& n) {
  if (n.op == "Requantize" || !op::is_quantised(g, n)) return false;
  bool is_signed = false, is_unsigned = false, channels = false;
  auto look = [&](const ir::Type& t) {
    is_signed |= t.quant && t.dtype == DType::i8;
    is_unsigned |= unsigned_bytes(t);
    channels |= unsigned_bytes(t) && t.quant->scale.size() > 1;
  };
  for (ir::ValueId v : g.operands(n)) if (v != ir::ValueId::none) look(g.type(v));
  for (std::size_t k = 0; k < n.num_results; ++k) look(g.type(g.result(n, k)));
  return channels || (is_signed && is_unsigned);
}
Val requantised(Val x, DType t, std::shared_ptr<const ir::Quant> q) {
  return x.b->quantised("Requantize", {x}, {{"rounding", std::string("float_even")}}, op::Stored{t, std::move(q)});
}
}  // namespace

Result<ir::Graph> signed_bytes(const ir::Graph& g) {
  if (std::none_of(g.nodes().begin(), g.nodes().end(), [&](const ir::Node& n) { return mixes(g, n); })) return g;
  return op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const Vals& in, op::Builder& b) -> std::optional<Vals> {
    const bool stored = op::is_quantised(from, n);
    const auto traits = op::find(n.op.str())->def->traits;
    const bool moves = !stored && (traits & (op::kMovement | op::kView));
    Vals mine = in;
    bool any = false;
    for (std::size_t i = 0; i < in.size(); ++i) {
      const ir::ValueId v = from.operand(n, i);
      if (v == ir::ValueId::none) continue;
      const ir::Type &was = from.type(v), &is = b.type(in[i]);
      if (moves && i > 0 && !was.quant && was.dtype == DType::u8 && n.op == "Pad" && b.data(in[i])) {   // a stored number
        mine[i] = b.constant(less_half(*b.data(in[i])));
        continue;
      }
      if (!unsigned_bytes(was)) continue;
      any = true;
      const auto q = less_half(*was.quant);
      if (!stored && !moves) mine[i] = is.dtype == DType::i8 ? requantised(in[i], DType::u8, was.quant) : in[i];   // reads the numbers themselves
      else if (is.dtype == DType::i8) continue;
      else if (const Tensor* c = b.data(in[i])) mine[i] = b.constant(std::make_shared<const Tensor>(less_half(*c)), ir::tensor_type(DType::i8, was.dims, q), from[v].name);
      else mine[i] = requantised(in[i], DType::i8, q);
    }
    for (std::size_t k = 0; k < n.num_results; ++k) any |= unsigned_bytes(from.type(from.result(n, k)));
    if (!any) return {};
    if (!stored && !moves) return b.ops(n.op, mine, *n.attrs, n.num_results);
    Vals y;
    if (stored) {
      std::vector<op::Stored> kept;
      for (std::size_t k = 0; k < n.num_results; ++k) {
        const ir::Type& t = from.type(from.result(n, k));
        kept.push_back(unsigned_bytes(t) ? op::Stored{DType::i8, less_half(*t.quant)} : t.quant ? op::Stored{t.dtype, t.quant} : op::Stored{});
      }
      y = b.quantised(n.op, mine, *n.attrs, kept);
    } else {
      y = b.ops(n.op, mine, *n.attrs, n.num_results);
      for (std::size_t k = 0; k < y.size() && !b.failed(); ++k)
        if (const ir::Type& t = from.type(from.result(n, k)); unsigned_bytes(t)) b.retype(y[k], ir::tensor_type(DType::i8, b.type(y[k]).dims, less_half(*t.quant)));
    }
    for (std::size_t k = 0; k < y.size() && !b.failed(); ++k) {   // an output stays as it was
      const ir::ValueId v = from.result(n, k);
      if (unsigned_bytes(from.type(v)) && std::find(from.outputs().begin(), from.outputs().end(), v) != from.outputs().end()) y[k] = requantised(y[k], DType::u8, from.type(v).quant);
    }
    return y;
  }, op::Quantised::see);
}

}  // namespace saha::tflite
