// f(x) .. f(x) with equal attributes  ->  one f(x).  Equal constants -> one constant.
#include <cstring>
#include <string>
#include <unordered_map>

#include "passes/passes.hpp"

namespace saha::passes {
namespace {
std::uint64_t mix(std::uint64_t h, std::uint64_t v) { return (h ^ v) * 0x9E3779B97F4A7C15ull ^ (h >> 29); }
std::uint64_t hash_bytes(const void* p, std::size_t n) {
  std::uint64_t h = n;
  const auto* b = static_cast<const unsigned char*>(p);
  for (; n >= 8; n -= 8, b += 8) { std::uint64_t w; std::memcpy(&w, b, 8); h = mix(h, w); }
  for (; n; --n, ++b) h = mix(h, *b);
  return h;
}
std::uint64_t hash(const Tensor& t) {
  std::uint64_t h = mix(1, std::uint64_t(t.dtype));
  for (auto d : t.dims) h = mix(h, std::uint64_t(d));
  if (t.dtype == DType::string) { for (const auto& s : *t.text) h = mix(h, std::hash<std::string>{}(s)); return h; }
  return mix(h, hash_bytes(t.data.get(), std::size_t(t.bytes())));
}
constexpr std::int64_t kSmall = 4096;   // larger constants are compared by buffer only: they are hashed nowhere else
}  // namespace

Result<ir::Graph> merge_common(const ir::Graph& g, const Options&) {
  std::vector<char> is_output(g.values().size(), 0);
  for (ir::ValueId v : g.outputs()) is_output[std::size_t(v)] = 1;
  std::unordered_multimap<std::uint64_t, op::Val> constants;
  std::unordered_multimap<std::uint64_t, op::Vals> nodes;
  std::unordered_map<std::uint32_t, op::Val> canonical;   // constant of the new graph -> the one that stands for all equal ones
  return op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const op::Vals& given, op::Builder& b) -> std::optional<op::Vals> {
    op::Vals in = given;
    bool replaced = false;
    for (op::Val& v : in) {
      const Tensor* t = v ? b.data(v) : nullptr;
      if (!t) continue;
      auto [it, fresh] = canonical.emplace(std::uint32_t(v.id), v);
      if (fresh) {
        std::uint64_t h = t->bytes() <= kSmall ? hash(*t) : mix(7, reinterpret_cast<std::uintptr_t>(t->data.get()));
        bool found = false;
        auto [first, last] = constants.equal_range(h);
        for (auto k = first; k != last && !found; ++k) {
          const Tensor* other = b.data(k->second);
          const auto &q = b.type(v).quant, &r = b.type(k->second).quant;
          if (bool(q) != bool(r) || (q && !(*q == *r))) continue;  // the same numbers may stand for others
          if (t->bytes() <= kSmall ? identical(*t, *other) : (t->data == other->data && t->dims == other->dims && t->dtype == other->dtype)) { it->second = k->second; found = true; }
        }
        if (!found) constants.emplace(h, v);
      }
      replaced |= it->second.id != v.id;
      v = it->second;
    }
    const op::OpDef& def = *op::find(n.op.str())->def;
    if (def.traits & (op::kRandom | op::kSideEffect)) return {};
    std::uint64_t h = std::hash<std::string_view>{}(n.op.str());
    for (const op::Val& v : in) h = mix(h, std::uint64_t(v.id));
    h = mix(h, n.num_results);
    bool output = false;
    for (std::size_t k = 0; k < n.num_results; ++k) output |= is_output[n.first_result + k] != 0;
    auto [first, last] = nodes.equal_range(h);
    for (auto k = first; k != last; ++k) {
      const ir::Node* other = b.producer(k->second[0]);
      if (!other || !(other->op == n.op) || other->num_operands != in.size() || other->num_results != n.num_results) continue;
      bool same = other->attrs == n.attrs || ir::same_attrs(*other->attrs, *n.attrs);
      for (std::size_t i = 0; i < in.size() && same; ++i) same = b.graph().operand(*other, i) == in[i].id;
      for (std::size_t i = 0; i < n.num_results && same; ++i) {   // the same numbers may stand for others
        const ir::Type &was = from.type(from.result(n, i)), &kept = b.type(k->second[i]);
        same = was.dtype == kept.dtype && bool(was.quant) == bool(kept.quant) && (!was.quant || *was.quant == *kept.quant);
      }
      if (!same) continue;
      if (output) break;   // two outputs keep a value each
      return k->second;
    }
    op::Vals y = replaced ? b.ops(n.op, in, *n.attrs, n.num_results) : b.copy(from, n, in);
    // Equal operands: what the results' types state (scales of moved stored numbers) holds as before.
    if (replaced && !b.failed()) for (std::size_t k = 0; k < y.size(); ++k) if (from.type(from.result(n, k)).quant) b.retype(y[k], from[from.result(n, k)].type);
    nodes.emplace(h, y);
    return y;
  });
}

}  // namespace saha::passes
