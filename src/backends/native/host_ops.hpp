#pragma once
// The host instructions of the native backend: an operator by reference, a node whose shapes are known only when it runs, control flow.
#include "backends/native/network.hpp"

namespace saha::native {

/// One node of g. Kernels are looked for when the shapes are seen ("late"); without one the reference runs it.
std::unique_ptr<runtime::HostOp> make_host_op(const ir::Graph& g, const ir::Node& n, kernels::Isa isa);

}  // namespace saha::native
