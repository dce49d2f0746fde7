#include "backends/native/kernel_table.hpp"

#include <array>
#include <cstdlib>
#include <unordered_map>

#include "backends/native/layout.hpp"
#include "tensor/limit.hpp"

namespace saha::native {

std::span<const KernelDef> quantised_rows();
std::span<const KernelDef> linear_rows();
std::span<const KernelDef> attention_rows();
std::span<const KernelDef> elementwise_rows();
std::span<const KernelDef> reduction_rows();
std::span<const KernelDef> movement_rows();
std::span<const KernelDef> recurrent_rows();
std::span<const KernelDef> resize_rows();

std::span<const std::span<const KernelDef>> kernel_tables() {
  static const std::array tables = {quantised_rows(), linear_rows(), attention_rows(), elementwise_rows(), reduction_rows(), movement_rows(), recurrent_rows(), resize_rows()};
  return tables;
}

namespace {
const std::vector<const KernelDef*>& rows_of(std::string_view op) {
  static const auto by_op = [] {
    std::unordered_map<std::string_view, std::vector<const KernelDef*>> m;
    for (auto table : kernel_tables()) for (const KernelDef& k : table) m[k.op].push_back(&k);
    return m;
  }();
  static const std::vector<const KernelDef*> none;
  auto it = by_op.find(op);
  return it == by_op.end() ? none : it->second;
}
}  // namespace

bool has_kernel(std::string_view op) { return !rows_of(op).empty(); }

std::optional<Prepared> choose(const NodeSite& site) {
  for (std::string_view op : {site.op, std::string_view()})
    for (const KernelDef* k : rows_of(op))
      if (site.layout == ir::Layout::plain || k->any_layout)
        if (auto p = k->prepare(site)) return p;
  return {};
}

ir::Layout NodeSite::layout_of(std::size_t i) const { return constant[i] || !has_layouts(*in[i]) ? ir::Layout::plain : layout; }
ir::Layout NodeSite::out_layout(std::size_t k) const { return has_layouts(*out[k]) ? layout : ir::Layout::plain; }
bool NodeSite::all_f32() const {
  for (const auto& t : in) if (t && t->dtype != DType::f32) return false;
  for (const auto& t : out) if (t && t->dtype != DType::f32) return false;
  return true;
}
Dims NodeSite::numbers(const ir::Type& t) {
  Dims d;
  for (const ir::Dim& x : t.dims) d.push_back(x.known().value_or(0));
  return d;
}
Result<Tensor> packed_buffer(std::int64_t elements) {
  auto* p = static_cast<std::byte*>(elements > max_tensor_bytes() / 4 ? nullptr : std::aligned_alloc(64, (std::size_t(elements) * 4 + 127) / 64 * 64));
  if (!p) return Error{ErrorCode::out_of_memory, "no memory for packed weights of " + std::to_string(elements) + " elements"};
  return Tensor{DType::f32, {elements}, std::shared_ptr<std::byte[]>(p, [](std::byte* q) { std::free(q); }), {}};
}

}  // namespace saha::native
