#pragma once
// Convolutions of 3x3 taps with stride 1 on 8-bit integers by minimal filtering F(4x4, 3x3) (Winograd 1980), exact as those of conv_i8.hpp, whose operands the kernel "winograd_i8" has:
// X, packed constants, Y.
//
// The polynomials are evaluated at 0, 1, -1, 2, -2 and infinity, or where one or two results are left along an axis at 0, 1, -1 and infinity, F(2, 3). Transformed numbers of X, at most 100 * 255, and of W,
// at most 49 * 255 without the fractions of the usual transform, fit int16, so pairs are multiplied as in conv_i8, four times fewer of them. Sums are kept modulo 2^32; the transform of the result gives
// 576 / p of the convolution, p a power of two up to 16. As 9 has an inverse modulo 2^32 and what is left is a power of two, the convolution comes out exactly wherever it lies within 2^25.
#include <cstdint>
#include <span>

#include "kernels/conv_i8.hpp"

namespace saha::kernels {

struct WinogradI8Params {
  ConvShape shape;
  Store store;
  std::int32_t x_signed = 0, x_zero = 0;
  std::int32_t units = 0;                   ///< pairs of channels, with the zeros that fill vectors of a transformed tile
  std::int32_t panels = 0;                  ///< blocks of columns
  std::int32_t t_block = 0, n_block = 0;    ///< tiles of 4x4 results and panels of a piece
  std::uint32_t t_blocks = 0, n_blocks = 0;
  std::uint32_t t_at_once = 0, filler = 0;  ///< blocks of tiles that are done together where a thread has them all: no more than a cache holds
  std::uint32_t pieces = 0;
  std::uint32_t blocks = 0;                 ///< by which entry of kernels/blocks.hpp
  std::uint64_t scratch = 0;
  std::int64_t tables = 0;                  ///< where the constants of rescaling begin, in int32
};

/// 3x3, stride 1, without dilation or groups, so large that transforms and larger weights pay, at a level whose products of pairs are at least a quarter of those of bytes.
bool suits_winograd_i8(Isa isa, const ConvShape& shape);
/// It may be done, whether it pays or not.
bool may_winograd_i8(Isa isa, const ConvShape& shape);
/// Whether every sum without its bias lies within 2^25.
bool within_winograd_i8(const ConvShape& shape, std::int32_t x_zero, bool x_signed, std::span<const std::int16_t> weights);
/// `shape` may be filtered.
WinogradI8Params prepare_winograd_i8(Isa isa, const ConvShape& shape, const Store& store, bool x_signed, std::int32_t x_zero, std::uint32_t blocks = 0);
std::uint64_t scratch_bytes(const WinogradI8Params& params);
std::uint32_t grid(const WinogradI8Params& params);

/// int32 elements of the packed constants; the buffer is 64-byte aligned.
std::int64_t packed_winograd_i8_size(Isa isa, const WinogradI8Params& params);
void pack_winograd_i8(Isa isa, const WinogradI8Params& params, const ConvI8Constants& c, std::span<std::int32_t> out);

}  // namespace saha::kernels
