#pragma once
// "row_bands_f32", "row_bands_bf16": a convolution, a depthwise one behind it and a 1x1 one behind that, or the depthwise one and one of its neighbours; float32, channels innermost. Rows are done band by band, so that what stands between
// them stays in a thread's second-level cache: inverted residuals (Sandler et al. 2018), separable convolutions (Howard et al. 2017). Operands X, then packed weights, and bias or null, of each of the three, null for one that is
// not there, residual like Y or null, Y. Y overlaps no operand. The bits of Y are those of conv_last_f32, in
// the second one of conv_bf16 in place of one or both, and of depthwise_last_f32 one after the other.
#include <string_view>

#include "kernels/conv_half.hpp"
#include "kernels/conv_last.hpp"
#include "kernels/depthwise_last.hpp"
#include "kernels/tile_parts.hpp"

namespace saha::kernels {

/// A convolution beside the depthwise one, as it would be alone: one of the two, or it is not there.
struct Neighbour {
  const ConvLastParams* whole = nullptr;
  const ConvHalfParams* half = nullptr;   ///< in bfloat16

  explicit operator bool() const { return whole || half; }
  const ConvShape& shape() const { return half ? half->shape : whole->shape; }
};
enum class Beside : std::int32_t { none, float32, bfloat16 };

struct RowBandsParams {
  ConvLastParams first, last;               ///< as they would be alone; all 0 where there is none, or it is
  ConvHalfParams first_half, last_half;     ///< one of these
  DepthwiseLastParams middle;
  Beside has_first = Beside::none, has_last = Beside::none;
  std::int32_t rows = 0;                    ///< of Y in a band
  std::int32_t ring_rows = 0;               ///< of what the first one gives: as many as a band reads
  std::int32_t piece_rows = 0;              ///< of Y in a piece
  std::uint32_t image_pieces = 0, pieces = 0;
  std::uint32_t unused = 0;
  std::uint64_t scratch = 0;
};

/// It is said to be faster than one after the other, which have these params.
bool suits_row_bands(Neighbour first, const DepthwiseLastParams& middle, Neighbour last);
/// The shapes follow one another; the last one is 1x1; one in 16 bits is in bfloat16.
bool are_neighbours(Neighbour first, const DepthwiseLastParams& middle, Neighbour last);
/// `are_neighbours`, and one of the two is there.
RowBandsParams prepare_row_bands(Isa isa, Neighbour first, const DepthwiseLastParams& middle, Neighbour last);
Neighbour first_of(const RowBandsParams& params);
Neighbour last_of(const RowBandsParams& params);
std::string_view kernel(const RowBandsParams& params);
std::uint64_t scratch_bytes(const RowBandsParams& params);
std::uint32_t grid(const RowBandsParams& params);

struct RowRange {
  std::int64_t begin, end;
};
/// Rows of X that rows [begin, end) of the result read. Internal linkage, as below: each level compiles a copy of its own.
[[maybe_unused]] static constexpr RowRange rows_read(const ConvShape& s, std::int64_t begin, std::int64_t end) {
  const std::int64_t from = begin * s.stride_h - s.pad_top, to = (end - 1) * s.stride_h - s.pad_top + (s.kernel_h - 1) * s.dilation_h + 1;
  return {from < 0 ? 0 : from, to > s.in_h ? s.in_h : to};
}
/// Rows [begin, end) of the result of one image, from the rows of X that they read.
[[maybe_unused]] static constexpr ConvShape shape_of_rows(ConvShape s, std::int64_t begin, std::int64_t end) {
  const RowRange in = rows_read(s, begin, end);
  s.pad_top = in.begin - (begin * s.stride_h - s.pad_top);
  s.in_h = in.end - in.begin, s.out_h = end - begin, s.batch = 1;
  return s;
}
/// These rows as one block.
[[maybe_unused]] static constexpr ConvLastParams of_rows(ConvLastParams c, std::int64_t begin, std::int64_t end) {
  c.shape = shape_of_rows(c.shape, begin, end);
  c.n_block = static_cast<std::int32_t>(c.shape.out_h * c.shape.out_w), c.m_block = static_cast<std::int32_t>(c.shape.out_channels / c.shape.groups);
  c.n_blocks = c.m_blocks = 1;
  c.pieces = static_cast<std::uint32_t>(c.shape.groups);
  return c;
}
[[maybe_unused]] static constexpr ConvHalfParams of_rows(ConvHalfParams c, std::int64_t begin, std::int64_t end) {
  c.shape = shape_of_rows(c.shape, begin, end);
  c.m_block = static_cast<std::int32_t>(c.shape.out_h * c.shape.out_w), c.n_block = c.panels;
  if (c.product == HalfProduct::tiles) c.tile_points = even_part(c.m_block, kMostOfTile);
  c.n_blocks = c.m_blocks = 1;
  c.pieces = static_cast<std::uint32_t>(c.shape.groups);
  return c;
}
[[maybe_unused]] static constexpr DepthwiseLastParams of_rows(DepthwiseLastParams d, std::int64_t begin, std::int64_t end) {
  d.shape = shape_of_rows(d.shape, begin, end);
  d.rows = static_cast<std::int32_t>(d.shape.out_h);
  d.bands = d.parts = d.pieces = 1;
  return d;
}

}  // namespace saha::kernels
