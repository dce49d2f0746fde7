#pragma once
// Convolutions and products of 8-bit integers, exact modulo 2^32, channels innermost:
//   Y[N, OH, OW, M] = store(sum over taps and c of (X[N, H, W, C] - x_zero) * W[M, C / groups, KH, KW] + bias[M]),
// W with its zero points already removed, hence within [-255, 255]; what lies beyond the image reads as x_zero. A product of matrices
// [P, K] [K, M] is a 1x1 convolution of one row of P points. Kernels "conv_i8" and "depthwise_i8" (C / groups = 1 = M / groups): operands X, packed
// constants, Y (bytes, or int32 where store.rule is none). Y overlaps no operand.
#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/conv.hpp"
#include "kernels/rescale.hpp"

namespace saha::kernels {

/// How a level multiplies: what a 32-bit unit of a row of the image holds, and of a column of the weights.
enum class Dot : std::int32_t {
  pairs,  ///< two int16: their products do not leave int32
  bytes,  ///< two int16 of the image, two int8 of the weights, which are widened as they are read: where that costs nothing, or rows are so few that memory is what counts
  twos,   ///< four uint8 of the image, four int8 of the weights, products added by two within int16 (vpmaddubsw): where weights could leave it they are multiplied by their sizes
  quads,  ///< four uint8 of the image, four int8 of the weights
  signed_quads,  ///< four int8 of both
  octs,   ///< the same, but two units at a time, of two rows by two columns
  tiles,  ///< four bytes of the image, of either sign, four int8 of the weights: registers of up to 16 points, columns and units (AMX)
};
inline constexpr int kFewRows = 2;   ///< with Dot::bytes at most
/// What is added to X as it is read, so that its bytes have the sign that the product takes.
[[maybe_unused]] static constexpr std::int32_t added_to_x(Dot d, bool x_signed) {
  if ((d == Dot::quads || d == Dot::twos) && x_signed) return 128;
  return (d == Dot::signed_quads || d == Dot::octs) && !x_signed ? -128 : 0;
}

/// Columns of the image under a row of results of a depthwise convolution, padding included.
[[maybe_unused]] static constexpr std::int64_t depthwise_columns(const ConvShape& s) { return (s.out_w - 1) * s.stride_w + (s.kernel_w - 1) * s.dilation_w + 1; }

/// Results of a row that a depthwise convolution of 3x3 or 5x5 makes at once.
inline constexpr int kDepthwiseTile = 4;
/// With Dot::quads units of a depthwise block behind those of the weights: what sums begin with, and scales.
inline constexpr int kDepthwiseTables = 2;
/// Whether loops of so many lanes read a signed X as unsigned, 128 added: half as much code.
[[maybe_unused]] static constexpr bool depthwise_flips(int lanes) { return lanes == 16; }

struct ConvI8Params {
  ConvShape shape;
  Store store;
  Dot dot = Dot::pairs;
  std::int32_t x_signed = 0, x_zero = 0;
  std::int32_t depthwise = 0;
  std::int32_t units = 0;                      ///< of a row: taps * C / groups numbers, rounded up; of a depthwise block
  std::int32_t panels = 0;                     ///< blocks of columns of a group
  std::int32_t m_block = 0, n_block = 0;       ///< points and blocks of columns of a piece; depthwise: rows of the result
  std::uint32_t m_blocks = 0, n_blocks = 0, pieces = 0;
  std::uint32_t m_at_once = 0, filler = 0;     ///< blocks of points that are done together where a thread has them all: no more than a cache holds
  std::int32_t tile_points = 0, tile_units = 0;   ///< of a register, with Dot::tiles
  std::uint32_t blocks = 0;                    ///< by which entry of kernels/blocks.hpp
  std::uint64_t scratch = 0;
  std::int64_t wide = 0;                       ///< with Dot::twos: vectors of all panels that are kept as sizes and signs
  std::int64_t tables = 0;                     ///< where the constants of rescaling begin, in int32
};
/// With Dot::twos a unit is of a kind: bit v says that its vector v is wide. Each panel has a table of its units in the order in which they lie, kind after kind: where its weights begin, in vectors, how many units
/// are of each kind but the last, and for each the place of its numbers in a row, in bytes. The tables stand before the constants of rescaling.
inline constexpr int kTwosKinds = 4;
[[maybe_unused]] static constexpr std::int64_t twos_table_size(const ConvI8Params& c) { return kTwosKinds + std::int64_t{c.units}; }
[[maybe_unused]] static constexpr std::int64_t twos_tables(const ConvI8Params& c) { return c.tables - c.shape.groups * c.panels * twos_table_size(c); }

/// With Dot::twos a panel of 8 columns has them twice: column j, and where a whole panel has column j + 8. So two rows can be multiplied at once.
inline constexpr int kHalfPanel = 8;
/// The same with Dot::quads, of up to so many columns: column j again as column j + 16.
inline constexpr int kHalfOfQuads = 16;

struct ConvI8Constants {
  std::span<const std::int16_t> weights;       ///< dense [M, C / groups, KH, KW], zero points removed
  std::span<const std::int32_t> bias;          ///< [M], or nothing
  std::span<const Requant> requant;            ///< [M], one for all, or none with Rescaling::none
};

ConvI8Params prepare_conv_i8(Isa isa, const ConvShape& shape, const Store& store, bool x_signed, std::int32_t x_zero, std::span<const std::int16_t> weights, std::uint32_t blocks = 0);
/// Params with Dot::twos and so many wide vectors.
ConvI8Params with_wide(Isa isa, ConvI8Params params, std::int64_t wide);
/// Tables of twos in packed constants are what the loops may follow.
bool sound_twos(Isa isa, const ConvI8Params& params, std::span<const std::byte> packed);
std::string_view kernel(const ConvI8Params& params);
std::uint64_t scratch_bytes(const ConvI8Params& params);
std::uint32_t grid(const ConvI8Params& params);

/// int32 elements of the packed constants; the buffer is 64-byte aligned.
std::int64_t packed_conv_i8_size(Isa isa, const ConvI8Params& params);
void pack_conv_i8(Isa isa, const ConvI8Params& params, const ConvI8Constants& c, std::span<std::int32_t> out);

/// The largest size of a sum, for rescaling().
std::int64_t largest_sum(const ConvShape& shape, std::int32_t x_zero, bool x_signed, std::span<const std::int16_t> weights, std::span<const std::int32_t> bias);

}  // namespace saha::kernels
