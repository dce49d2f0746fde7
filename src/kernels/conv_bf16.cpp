// Blocks and packing of convolutions in bfloat16.
#include "kernels/conv_bf16.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/result.hpp"
#include "kernels/tile_parts.hpp"

namespace saha::kernels {
namespace {

constexpr std::int64_t kRowsBytes = 256 << 10;    // rows of the image of a piece: a part of a second-level cache of 2 MiB
constexpr double kPieceProducts = 2e6;
constexpr std::int64_t kMaxPieces = 24, kPanel = 32;

std::int64_t depth_of(const ConvShape& s) { return s.in_channels / s.groups * s.kernel_h * s.kernel_w; }
/// The nearest bfloat16, of two the even one.
std::uint16_t rounded(float v) {
  const auto u = std::bit_cast<std::uint32_t>(v);
  return static_cast<std::uint16_t>(std::isnan(v) ? u >> 16 | 0x40 : (u + 0x7fff + (u >> 16 & 1)) >> 16);
}

}  // namespace

bool suits_conv_bf16(Isa isa, const ConvShape& s) {
  const std::int64_t points = s.out_h * s.out_w, depth = depth_of(s);
  return isa == Isa::avx512amx && points > 0 && depth > 0 && tile_cycles(points, (depth + 1) / 2) < points * depth;   // float32: 32 multiply-adds a cycle
}

ConvBf16Params prepare_conv_bf16(Isa isa, const ConvShape& shape, const Epilogue& epilogue) {
  const ConvShape& s = shape;
  SAHA_ASSERT(suits_conv_bf16(isa, shape) && s.groups > 0 && s.in_channels % s.groups == 0 && s.out_channels % s.groups == 0);
  ConvBf16Params c;
  c.shape = shape;
  c.epilogue = epilogue;
  if (s.batch * s.out_channels == 0) return c;
  const std::int64_t points = s.out_h * s.out_w, m = s.out_channels / s.groups, pairs = (depth_of(s) + 1) / 2;
  c.tile_units = even_part(pairs, kMostOfTile);
  c.units = static_cast<std::int32_t>((pairs + c.tile_units - 1) / c.tile_units * c.tile_units);
  c.panels = static_cast<std::int32_t>((m + kPanel - 1) / kPanel);
  constexpr std::int64_t rows = 2 * kMostOfTile;
  const auto wanted = std::clamp<std::int64_t>(static_cast<std::int64_t>(double(s.batch) * double(points) * double(s.out_channels) * double(depth_of(s)) / kPieceProducts), 1, kMaxPieces);
  const std::int64_t fitting = std::max<std::int64_t>(rows, kRowsBytes / (4 * std::int64_t{c.units}) / rows * rows);
  const std::int64_t m_wanted = std::max((points + fitting - 1) / fitting, std::min((wanted + s.batch * s.groups - 1) / (s.batch * s.groups), (points + 4 * rows - 1) / (4 * rows)));
  c.m_block = static_cast<std::int32_t>(std::min(points, ((points + m_wanted - 1) / m_wanted + rows - 1) / rows * rows));
  c.m_blocks = static_cast<std::uint32_t>((points + c.m_block - 1) / c.m_block);
  c.tile_points = even_part(c.m_block, kMostOfTile);
  const std::int64_t n_wanted = std::clamp<std::int64_t>(wanted / (s.batch * s.groups * c.m_blocks), 1, (c.panels + 3) / 4);
  c.n_block = static_cast<std::int32_t>((c.panels + n_wanted - 1) / n_wanted);
  c.n_blocks = static_cast<std::uint32_t>((c.panels + c.n_block - 1) / c.n_block);
  c.pieces = static_cast<std::uint32_t>(s.batch * s.groups) * c.m_blocks * c.n_blocks;
  c.scratch = static_cast<std::uint64_t>(4 * std::int64_t{c.m_block} * c.units);
  return c;
}

std::uint64_t scratch_bytes(const ConvBf16Params& params) { return params.scratch; }
std::uint32_t grid(const ConvBf16Params& params) { return params.pieces; }
std::int64_t packed_conv_bf16_size(Isa, const ConvBf16Params& c) { return c.shape.groups * c.panels * c.units * kPanel; }

void pack_conv_bf16(Isa isa, const ConvBf16Params& c, const float* weights, std::span<float> out) {
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_conv_bf16_size(isa, c));
  const ConvShape& s = c.shape;
  const std::int64_t group_c = s.in_channels / s.groups, taps = s.kernel_h * s.kernel_w, depth = depth_of(s), m = s.out_channels / s.groups;
  float* to = out.data();
  for (std::int64_t g = 0; g < s.groups; ++g)
    for (std::int64_t p = 0; p < c.panels; ++p)
      for (std::int64_t u = 0; u < c.units; ++u)
        for (std::int64_t j = p * kPanel; j < (p + 1) * kPanel; ++j) {
          const auto number = [&](std::int64_t k) -> std::uint32_t { return j < m && k < depth ? rounded(weights[((g * m + j) * group_c + k % group_c) * taps + k / group_c]) : 0; };
          *to++ = std::bit_cast<float>(number(2 * u) | number(2 * u + 1) << 16);
        }
}

}  // namespace saha::kernels
