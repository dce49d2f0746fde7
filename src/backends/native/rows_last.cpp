#include "backends/native/rows_last.hpp"

#include "kernels/depthwise_last.hpp"
#include "kernels/pool_last.hpp"

namespace saha::native {

std::optional<Prepared> conv_last(kernels::Isa isa, const kernels::ConvShape& shape, const kernels::Epilogue& epilogue, const float* weights) {
  if (!kernels::is_depthwise(shape)) return {};
  const auto params = kernels::prepare_depthwise_last(isa, shape, epilogue);
  auto packed = packed_buffer(kernels::packed_depthwise_last_size(isa, params));
  if (!packed) return {};
  kernels::pack_depthwise_last(isa, params, weights, {packed->as<float>(), std::size_t(packed->size())});
  Prepared p = call("depthwise_last_f32", params, {});
  p.packed.push_back(std::move(*packed));
  return p;
}

Prepared pool_last(const kernels::PoolShape& shape, std::int64_t channels, kernels::Pool op) {
  return call("pool_last_f32", kernels::prepare_pool_last(shape, channels, op), {Operand::node(0)});
}

}  // namespace saha::native
