#pragma once
// Convolution of a small image at stride 1 by minimal filtering along its rows, F(4, 3) or F(4, 5) (Toom 1963; Winograd 1980): 6 or 8 products in place of 12 or 20 for each four results of a row of taps. Planes as in
// kernels/stencil.hpp, lanes are tiles of four results. Kernel "row_filter_f32": X, transformed weights, bias [M] or null, residual like Y or null, Y; Y is the largest of each 2x2 results where params.pool says so.
//
// Products of a point are summed over channels, then rows of the window, in ascending order. The polynomials are evaluated at 0, infinity and pairs of opposite numbers chosen for little error: on random data
// that of F(4, 5) is two to three and a half times that of the plain sum (docs/decisions/0040). A NaN or an infinity reaches all results of its tiles. Pieces are the groups of the images.
#include <span>

#include "kernels/conv.hpp"

namespace saha::kernels {

struct RowFilterParams {
  ConvShape shape;                      ///< of the convolution alone
  Epilogue epilogue;
  std::int32_t pool = 0;                ///< windows of 2x2 side by side; what is left of odd rows and columns is dropped
  std::int32_t points = 0;              ///< at which polynomials are evaluated
  std::int32_t tiles = 0;               ///< of four results in a row
  std::int32_t width = 0, rows = 0;     ///< of a channel of the padded image
  std::int32_t in_place = 0;            ///< nothing is padded, and no tile reads beyond a row
  std::int32_t plane = 0;               ///< elements of a channel's values at one point, of all tiles; pooled: those of even rows, then those of odd ones
  std::uint32_t pieces = 0;
  std::uint64_t scratch = 0;
};

/// Whether it takes fewer steps than a plain sum of that shape, which suits a stencil; pooled, of a square window that is not dilated. Generic is without it.
bool suits_row_filter(Isa isa, const ConvShape& shape, bool pool);
/// Of a shape that suits; pooled, alpha is 1, there is no residual, and the activation is none, a relu or a clip.
RowFilterParams prepare_row_filter(Isa isa, const ConvShape& shape, const Epilogue& epilogue, bool pool);
std::uint64_t scratch_bytes(const RowFilterParams& params);
std::uint32_t grid(const RowFilterParams& params);

/// Elements of the packed weights; the buffer is 64-byte aligned.
std::int64_t packed_row_filter_size(const RowFilterParams& params);
/// Transforms dense weights [M, C / groups, KH, KW] in float64: by channels of the output that are done at once, each [points][C / groups][KH][channels].
void pack_row_filter(Isa isa, const RowFilterParams& params, const float* weights, std::span<float> out);

// Internal linkage, so that each level compiles a copy of its own.
/// The positive number of pair i.
[[maybe_unused]] static constexpr float row_filter_point(int pairs, int i) {
  constexpr float kPoints[2][3] = {{0.75f, 1.25f, 0}, {0.5f, 1, 2}};
  return kPoints[pairs - 2][i];
}
/// Fewest channels of a group's output: they share a transformed image.
[[maybe_unused]] static constexpr std::int64_t kRowFilterOutputs = 8;
/// Most channels that are done at once, by lanes, with three vectors of tiles, or pooled with one of each of two rows.
[[maybe_unused]] static constexpr int row_filter_channels(bool pool, int lanes) { return lanes == 16 ? 8 : pool ? 6 : 4; }
/// Channels of block `i`, of as few as there can be, as alike as their number allows; the first ones have one more.
[[maybe_unused]] static constexpr std::int64_t row_filter_block(std::int64_t channels, std::int64_t most, std::int64_t i) {
  const std::int64_t blocks = (channels + most - 1) / most;
  return channels / blocks + (i < channels % blocks ? 1 : 0);
}
/// Channels of the smallest block that any group has: the more blocks, the less they differ from `most`.
[[maybe_unused]] static constexpr std::int64_t row_filter_fewest_channels(std::int64_t most) {
  std::int64_t fewest = most;
  for (std::int64_t channels = kRowFilterOutputs; channels <= most * most; ++channels)
    if (const std::int64_t n = row_filter_block(channels, most, channels); n < fewest) fewest = n;
  return fewest;
}

}  // namespace saha::kernels
