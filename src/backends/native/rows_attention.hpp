#pragma once
// What the attention kernel takes.
#include <optional>
#include <span>

#include "backends/native/kernel_table.hpp"
#include "backends/native/strided.hpp"
#include "kernels/attention.hpp"

namespace saha::native {

/// Of an Attention whose Q, K and V lie as stated; nothing where no kernel does it. `heads_last`: its result of rank 4 is wanted with heads and rows exchanged.
std::optional<kernels::AttentionParams> attention_params(const NodeSite& s, std::span<const Strided> qkv, bool heads_last);
std::optional<kernels::AttentionParams> attention_params(const NodeSite& s);

}  // namespace saha::native
