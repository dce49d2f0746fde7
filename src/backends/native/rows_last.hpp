#pragma once
// Float32 kernels for values with channels innermost.
#include <optional>

#include "backends/native/kernel_table.hpp"
#include "kernels/conv.hpp"
#include "kernels/pool.hpp"

namespace saha::native {

/// A convolution with channels innermost by these dense weights [M, C / groups, KH, KW], which become constant 0 of the call; its operands are the caller's to state.
/// Nothing: there is no kernel for it, or no memory.
std::optional<Prepared> conv_last(const NodeSite& s, const kernels::ConvShape& shape, kernels::Epilogue epilogue, const float* weights);
/// A pool with channels innermost; `shape.planes` are images.
Prepared pool_last(const kernels::PoolShape& shape, std::int64_t channels, kernels::Pool op);

}  // namespace saha::native
