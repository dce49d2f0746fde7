#pragma once
// Convolution of a small image at stride 1, without panels: lanes are neighbouring points of a row, read in place or from a padded copy that the first-level
// cache holds. Contract of values and operands as in kernels/conv.hpp: X, packed weights, bias [M] or null, residual like Y or null, Y. Kernel "stencil_f32".
//
// Every element of Y is one sum over channels, then rows, then columns of the window, in ascending order. Pieces are the groups of the images.
#include <span>

#include "kernels/conv.hpp"

namespace saha::kernels {

struct StencilParams {
  ConvShape shape;
  Epilogue epilogue;
  std::int32_t width = 0, rows = 0;     ///< of a channel of the padded image
  std::int32_t in_place = 0;            ///< nothing is padded, and no vector reads beyond a row
  std::uint32_t pieces = 0;
  std::uint64_t scratch = 0;
};

/// Few products, of an image that stays in a first-level cache.
bool is_small_image(const ConvShape& shape);
/// Whether it is the kernel for that shape: the image fits the first-level cache, vectors are mostly full, and there is no more work than one piece has.
bool suits_stencil(Isa isa, const ConvShape& shape);
/// Of a shape that suits.
StencilParams prepare_stencil(Isa isa, const ConvShape& shape, const Epilogue& epilogue);
std::uint64_t scratch_bytes(const StencilParams& params);
std::uint32_t grid(const StencilParams& params);

/// Elements of the packed weights; the buffer is 64-byte aligned.
std::int64_t packed_stencil_size(const StencilParams& params);
/// Packs dense weights [M, C / groups, KH, KW]: by channels of the output that a tile does at once (stencil_block), each [C / groups][KH][KW][channels].
void pack_stencil(Isa isa, const StencilParams& params, const float* weights, std::span<float> out);

// Internal linkage, so that each level compiles a copy of its own.
/// Most output channels of a tile of three vectors, by lanes.
[[maybe_unused]] static constexpr int stencil_channels(int lanes) { return lanes == 16 ? 8 : 4; }
/// Those of the next tile, where `left` channels are left: all, or the most but four and fewer.
[[maybe_unused]] static constexpr std::int64_t stencil_block(std::int64_t left, int lanes) { return left >= stencil_channels(lanes) ? stencil_channels(lanes) : left >= 4 ? 4 : left; }

}  // namespace saha::kernels
