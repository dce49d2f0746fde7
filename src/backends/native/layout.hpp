#pragma once
// Values whose memory has channels innermost, [N, spatial.., C], as loops on 8-bit integers and convolutions like it. Dims stay logical, [N, C, spatial..]. A kernel
// says which layout it takes (KernelDef::any_layout, NodeSite::layout); `compile` asks for the one in which the operands are at hand first, and
// reorders a value where somebody needs it otherwise.
#include "ir/graph.hpp"

namespace saha::native {

/// Held by a slot of memory. What is larger than any tensor is left to the reference, which refuses it by name.
bool fits_slot(const ir::Type& t);
/// A static tensor of rank 3 or 4 whose elements are whole bytes: it may be held in either layout.
bool has_layouts(const ir::Type& t);
/// Kernels on its elements may ask for either.
bool may_be_channels_last(const ir::Type& t);
/// Plain and channels-last are the same bytes: one channel, or one place.
bool layouts_coincide(const Dims& d);
/// The dims in the order of memory.
Dims in_memory(const Dims& d, ir::Layout layout);
/// Strides of the logical dims, in elements.
Dims strides_of(const Dims& d, ir::Layout layout = ir::Layout::plain);

/// The node is a Transpose whose result, plain, is the operand channels-last; or whose result, channels-last, is the operand plain.
bool takes_channels_last(const ir::Graph& g, const ir::Node& n);
bool brings_channels_first(const ir::Graph& g, const ir::Node& n);

/// The convolution that the node is, alone or as the first of a Fused node, and the graph that it stands in; null: it is none.
struct Convolution {
  const ir::Graph* graph = nullptr;
  const ir::Node* node = nullptr;
};
Convolution convolution_of(const ir::Graph& g, const ir::Node& n);
/// A float32 convolution, alone or with what follows it: its kernel on channels last is the faster one even where the operand is at hand plain.
bool prefers_channels_last(const ir::Graph& g, const ir::Node& n);

}  // namespace saha::native
