// Which neighbours are done by bands of rows, and how many rows are a band.
#include "kernels/row_bands.hpp"

#include <algorithm>

#include "base/result.hpp"

namespace saha::kernels {
namespace {

constexpr std::int64_t kBandBytes = 256 << 10;       // of what stands between: with weights and what is read and written within a second-level cache of 512 KiB
constexpr std::int64_t kBetweenBytes = 512 << 10;    // less than that stays there anyway
constexpr std::int64_t kWeightBytes = 128 << 10;     // read again for each band
constexpr std::int64_t kMostPieces = 8;

std::int64_t row_bytes(const ConvShape& s) { return 4 * s.out_w * s.out_channels; }
std::int64_t weight_bytes(Neighbour n) {
  if (!n) return 0;
  const ConvShape& s = n.shape();
  return (n.half ? 2 : 4) * s.out_channels * (s.in_channels / s.groups) * s.kernel_h * s.kernel_w;
}
/// Scratch of rows [0, rows) of it.
std::int64_t scratch_of_rows(Isa isa, Neighbour n, std::int64_t rows) {
  return static_cast<std::int64_t>(n.half ? scratch_of(of_rows(*n.half, 0, rows)) : scratch_of(isa, of_rows(*n.whole, 0, rows)));
}
std::int64_t up(std::int64_t a, std::int64_t to) { return (a + to - 1) / to * to; }

/// Rows of the depthwise convolution's image that a band of its result reads.
std::int64_t window_rows(const ConvShape& s, std::int64_t rows) { return std::min(s.in_h, (rows - 1) * s.stride_h + (s.kernel_h - 1) * s.dilation_h + 1); }

}  // namespace

bool are_neighbours(Neighbour first, const DepthwiseLastParams& middle, Neighbour last) {
  const ConvShape& m = middle.shape;
  if (m.batch < 1 || m.in_h < 1 || m.in_w < 1 || m.out_h < 1 || m.out_w < 1 || m.out_channels < 1) return false;
  // Each row of the result reads some of the image.
  if (m.pad_top > (m.kernel_h - 1) * m.dilation_h || (m.out_h - 1) * m.stride_h - m.pad_top >= m.in_h) return false;
  const auto follows = [](const ConvShape& a, const ConvShape& b) { return a.batch == b.batch && a.out_channels == b.in_channels && a.out_h == b.in_h && a.out_w == b.in_w; };
  if (first) {
    const ConvShape& f = first.shape();
    if (!follows(f, m) || f.in_channels < 1 || f.in_h < 1 || f.in_w < 1 || f.pad_top > (f.kernel_h - 1) * f.dilation_h || (f.out_h - 1) * f.stride_h - f.pad_top >= f.in_h) return false;
  }
  if (last && !(follows(m, last.shape()) && is_pointwise(last.shape()) && last.shape().groups == 1 && last.shape().out_channels > 0)) return false;
  for (const Neighbour& n : {first, last}) if (n.half && n.half->product == HalfProduct::lanes) return false;
  return first || last;
}

bool suits_row_bands(Neighbour first, const DepthwiseLastParams& middle, Neighbour last) {
  if (!are_neighbours(first, middle, last)) return false;
  const ConvShape& m = middle.shape;
  const std::int64_t between = std::max(first ? 4 * m.in_h * m.in_w * m.in_channels : 0, last ? row_bytes(m) * m.out_h : 0);
  return between > kBetweenBytes && std::max(weight_bytes(first), weight_bytes(last)) <= kWeightBytes;
}

RowBandsParams prepare_row_bands(Isa isa, Neighbour first, const DepthwiseLastParams& middle, Neighbour last) {
  SAHA_ASSERT(are_neighbours(first, middle, last));
  const ConvShape& m = middle.shape;
  RowBandsParams p;
  p.middle = middle;
  const auto keep = [](Neighbour n, ConvLastParams& whole, ConvHalfParams& half) {
    if (n.half) return half = *n.half, Beside::bfloat16;
    return n.whole ? (whole = *n.whole, Beside::float32) : Beside::none;
  };
  p.has_first = keep(first, p.first, p.first_half), p.has_last = keep(last, p.last, p.last_half);
  const std::int64_t in_row = 4 * m.in_w * m.in_channels, out_row = row_bytes(m);
  const auto bytes = [&](std::int64_t rows) { return (first ? window_rows(m, rows) * in_row : 0) + (last ? rows * out_row : 0); };
  std::int64_t rows = 1;
  while (rows < m.out_h && bytes(rows + 1) <= kBandBytes) ++rows;
  const std::int64_t pieces = std::clamp<std::int64_t>(m.out_h / rows, 1, kMostPieces);
  const std::int64_t piece_rows = (m.out_h + pieces - 1) / pieces;
  rows = (piece_rows + (piece_rows + rows - 1) / rows - 1) / ((piece_rows + rows - 1) / rows);   // bands of a piece are alike
  p.rows = static_cast<std::int32_t>(rows);
  p.piece_rows = static_cast<std::int32_t>(piece_rows);
  p.image_pieces = static_cast<std::uint32_t>((m.out_h + piece_rows - 1) / piece_rows);
  p.pieces = static_cast<std::uint32_t>(m.batch) * p.image_pieces;
  std::int64_t scratch = 0;
  if (first) {
    p.ring_rows = static_cast<std::int32_t>(window_rows(m, rows));
    scratch = scratch_of_rows(isa, first, p.ring_rows);
  }
  if (last) scratch = std::max(scratch, scratch_of_rows(isa, last, std::min(rows, m.out_h)));
  p.scratch = static_cast<std::uint64_t>(up(scratch, 64) + (first ? up(p.ring_rows * in_row, 64) : 0) + (last ? up(rows * out_row, 64) : 0));
  return p;
}

Neighbour first_of(const RowBandsParams& p) { return {p.has_first == Beside::float32 ? &p.first : nullptr, p.has_first == Beside::bfloat16 ? &p.first_half : nullptr}; }
Neighbour last_of(const RowBandsParams& p) { return {p.has_last == Beside::float32 ? &p.last : nullptr, p.has_last == Beside::bfloat16 ? &p.last_half : nullptr}; }
std::string_view kernel(const RowBandsParams& p) { return p.has_first == Beside::bfloat16 || p.has_last == Beside::bfloat16 ? "row_bands_bf16" : "row_bands_f32"; }
std::uint64_t scratch_bytes(const RowBandsParams& params) { return params.scratch; }
std::uint32_t grid(const RowBandsParams& params) { return params.pieces; }

}  // namespace saha::kernels
