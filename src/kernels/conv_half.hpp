#pragma once
// Convolutions and products of numbers of 16 bits, channels innermost:
//   Y[N, OH, OW, M] = act(alpha * (sum over taps and c of X[N, H, W, C] W[M, C / groups, KH, KW]) + bias + residual_scale * residual), X and W rounded to bfloat16 or to float16 (to nearest, ties to even),
// epilogue, X and Y float32. A product of matrices [P, K] [K, M] is a 1x1 convolution of one row of P points. Kernels "conv_bf16" and "conv_f16": operands X, packed weights, bias [M] or null,
// residual like Y or null, Y. Y overlaps no operand. HalfProduct says how a sum is made; NaN comes out where a sum meets one, of no certain bits.
#include <cstdint>
#include <optional>
#include <span>

#include "kernels/conv.hpp"

namespace saha::kernels {

enum class Half : std::uint8_t { bfloat16, float16 };

/// In each, numbers along the depth are row of the kernel by row, channels innermost, with zeros behind.
enum class HalfProduct : std::int32_t {
  tiles,     ///< AMX's tdpbf16ps. A block of depth is `tile_units` units; of a block the numbers at even and at odd places are summed first, each in order with one rounding a product, then both are added, and that to the sum.
             ///< All float32, to nearest even; numbers, products and sums that are denormal count as 0
  dots,      ///< vdpbf16ps: of each pair the second product is added to the sum, then the first, each with one rounding to nearest even, float32. Denormal X, W and sums count as 0
  matrices,  ///< bfmmla with FPCR.EBF at 0: pairs in order, each the rounded sum of two rounded products, added to the sum. All float32, rounded to odd; denormal X, W, products and sums count as 0
  lanes,     ///< fmla of float16: blocks of `tile_units` units are summed in order in float16, one rounding a product, and added to a float32 sum. Beyond 65504 X and the sum of a block are infinite; each column of W is
             ///< scaled by a power of two, so that its largest number lies in [1/2, 1) and denormal weights keep their digits
};

struct ConvHalfParams {
  ConvShape shape;
  Epilogue epilogue;                                ///< its bias is per column
  HalfProduct product = HalfProduct::tiles;
  std::int32_t units = 0;                           ///< of a row: pairs of taps * C / groups numbers, rounded up to whole blocks
  std::int32_t panels = 0;                          ///< of panel_columns() output channels of a group
  std::int32_t m_block = 0, n_block = 0;            ///< points and panels of a piece
  std::int32_t tile_points = 0, tile_units = 0;     ///< tiles: of a register; tile_units otherwise what `product` says
  std::uint32_t m_blocks = 0, n_blocks = 0, pieces = 0;
  std::uint64_t scratch = 0;
};

constexpr int panel_columns(HalfProduct p) { return p == HalfProduct::matrices ? 8 : p == HalfProduct::lanes ? 16 : 32; }
/// Columns of a last panel of one vector: `dots` where no more are left. It takes the room of a whole one.
inline constexpr int kNarrowPanel = 16;
constexpr int panel_vectors(HalfProduct p, std::int64_t left) { return p == HalfProduct::dots && left <= kNarrowPanel ? 1 : 2; }
/// How this level multiplies them; nothing where it does not.
constexpr std::optional<HalfProduct> product_of(Isa isa, Half half) {
  if (half == Half::float16) return isa >= Isa::neon_fp16 ? std::optional(HalfProduct::lanes) : std::nullopt;
  if (isa == Isa::avx512amx) return HalfProduct::tiles;
  if (isa == Isa::avx512bf16) return HalfProduct::dots;
  return isa == Isa::neon_bf16 ? std::optional(HalfProduct::matrices) : std::nullopt;
}

/// The level whose kernels this one's are where nothing is of 16 bits: plans without such products fit both.
constexpr Isa without_halves(Isa isa) {
  return isa == Isa::avx512bf16 ? Isa::avx512vnni : isa == Isa::neon_fp16 ? Isa::neon_dot : isa == Isa::neon_bf16 ? Isa::neon_i8mm : isa;
}

/// Whether the level has such products, and they are less work than float32's.
bool suits_conv_half(Isa isa, Half half, const ConvShape& shape);
ConvHalfParams prepare_conv_half(Isa isa, Half half, const ConvShape& shape, const Epilogue& epilogue);
/// The nearest, of two the even one; a NaN stays one.
std::uint16_t nearest_bfloat(float v);
/// "conv_bf16" or "conv_f16".
std::string_view kernel(const ConvHalfParams& params);
std::uint64_t scratch_bytes(const ConvHalfParams& params);
/// That params with these blocks need.
std::uint64_t scratch_of(const ConvHalfParams& params);
std::uint32_t grid(const ConvHalfParams& params);

/// Float32 elements' worth of the packed weights; the buffer is 64-byte aligned.
std::int64_t packed_conv_half_size(Isa isa, const ConvHalfParams& params);
/// Packs dense weights [M, C / groups, KH, KW]: group by group, panel by panel, of `lanes` with the powers of two of its columns behind.
void pack_conv_half(Isa isa, const ConvHalfParams& params, const float* weights, std::span<float> out);

}  // namespace saha::kernels
