// Choice of the blocks of F(4x4, 3x3) on integers; its constants: panel after panel of columns, for each of the 36 products its units of two vectors; then those of rescaling, block by block.
#include "kernels/winograd_i8.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "base/result.hpp"
#include "kernels/blocks.hpp"
#include "kernels/split.hpp"
#include "kernels/winograd.hpp"

namespace saha::kernels {
namespace {

constexpr std::int64_t kFewByQuads = 16;          // channels that VNNI multiplies as fast without
constexpr std::int64_t kManyTiles = 18, kFewTiles = 12, kMaxPieces = 20;
constexpr double kPieceProducts = 1e6;
constexpr int kTransform[6][3] = {{1, 0, 0}, {1, 1, 1}, {1, -1, 1}, {1, 2, 4}, {1, -2, 4}, {0, 0, 1}};   // of W

/// Of transformed tiles: with their sums, most of a second-level cache of 512 KiB, or of 1 MiB with AVX-512.
std::int64_t tile_bytes(Isa isa) { return (lanes(isa) == 16 ? 704 : 256) << 10; }
std::int64_t up(std::int64_t a, std::int64_t to) { return (a + to - 1) / to * to; }
std::int64_t panel_size(Isa isa, const WinogradI8Params& p) { return std::int64_t{36} * p.units * block_columns(isa); }

}  // namespace

bool may_winograd_i8(Isa isa, const ConvShape& s) { return isa != Isa::generic && isa != Isa::avx512amx && (isa <= Isa::neon) && may_filter(s, 2); }
bool suits_winograd_i8(Isa isa, const ConvShape& s) { return may_winograd_i8(isa, s) && suits_filtering(s, 2) && (s.in_channels > kFewByQuads || is_neon(isa) || isa < Isa::avx512vnni); }

bool within_winograd_i8(const ConvShape& shape, std::int32_t x_zero, bool x_signed, std::span<const std::int16_t> weights) {
  constexpr std::int64_t kMost = std::int64_t{1} << 25;
  const std::int64_t below = x_zero - (x_signed ? -128 : 0), above = 255 - below, depth = shape.in_channels * 9;
  for (std::int64_t m = 0; m < shape.out_channels; ++m) {
    std::int64_t positive = 0, negative = 0;
    for (std::int64_t i = 0; i < depth; ++i) {
      const std::int64_t w = weights[static_cast<std::size_t>(m * depth + i)];
      (w > 0 ? positive : negative) += std::abs(w);
    }
    if (above * positive + below * negative >= kMost || above * negative + below * positive >= kMost) return false;
  }
  return true;
}

WinogradI8Params prepare_winograd_i8(Isa isa, const ConvShape& shape, const Store& store, bool x_signed, std::int32_t x_zero, std::uint32_t blocks) {
  SAHA_ASSERT(may_winograd_i8(isa, shape));
  const Blocks b = kBlocks[blocks];
  const ConvShape& s = shape;
  const std::int64_t block = block_columns(isa), c = up(s.in_channels, block);
  WinogradI8Params p;
  p.shape = shape, p.store = store, p.x_signed = x_signed, p.x_zero = x_zero, p.blocks = blocks;
  p.units = static_cast<std::int32_t>(c / 2);
  p.panels = static_cast<std::int32_t>((s.out_channels + block - 1) / block);
  const std::int64_t count = filter_tiles(s.out_h) * filter_tiles(s.out_w);
  const double products = 36. * double(count) * double(s.in_channels) * double(s.out_channels);
  const std::int64_t wanted = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ldexp(products / kPieceProducts, b.pieces)), 1, scaled(kMaxPieces, b.pieces));
  const std::int64_t most = std::max(kManyTiles, scaled(tile_bytes(isa), b.depth) / (36 * 2 * (c + 2 * block))), fewest = (count + most - 1) / most;
  const auto t_of = [&](std::int64_t parts) { return (count + parts - 1) / parts; };
  const auto n_of = [&](std::int64_t parts) { return (p.panels + parts - 1) / parts; };
  const Cut cut = even_cut(wanted, fewest, std::max(fewest, std::min(wanted, count / kFewTiles)), std::max<std::int64_t>(1, p.panels / 4), [&](std::int64_t tb, std::int64_t nb) {
    return s.batch * ((count + t_of(tb) - 1) / t_of(tb)) * ((p.panels + n_of(nb) - 1) / n_of(nb));
  });
  p.t_block = static_cast<std::int32_t>(t_of(cut.first));
  p.t_blocks = static_cast<std::uint32_t>((count + p.t_block - 1) / p.t_block);
  p.n_block = static_cast<std::int32_t>(n_of(cut.second));
  p.n_blocks = static_cast<std::uint32_t>((p.panels + p.n_block - 1) / p.n_block);
  p.pieces = static_cast<std::uint32_t>(s.batch) * p.t_blocks * p.n_blocks;
  p.t_at_once = static_cast<std::uint32_t>((p.t_blocks + fewest - 1) / fewest);
  p.scratch = static_cast<std::uint64_t>(std::int64_t{36} * p.t_block * p.t_at_once * (2 * c + 4 * block) + c);
  p.tables = p.panels * panel_size(isa, p);
  return p;
}

std::uint64_t scratch_bytes(const WinogradI8Params& params) { return params.scratch; }
std::uint32_t grid(const WinogradI8Params& params) { return params.pieces; }

std::int64_t packed_winograd_i8_size(Isa isa, const WinogradI8Params& p) { return p.tables + p.panels * rescale_block_size(isa); }

void pack_winograd_i8(Isa isa, const WinogradI8Params& p, const ConvI8Constants& k, std::span<std::int32_t> out) {
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_winograd_i8_size(isa, p));
  const std::int64_t channels = p.shape.in_channels, m = p.shape.out_channels, block = block_columns(isa);
  const int w = lanes(isa);
  std::fill(out.begin(), out.end(), 0);
  for (std::int64_t q = 0; q < p.panels; ++q) {
    auto* panel = reinterpret_cast<std::int16_t*>(out.data() + q * panel_size(isa, p));
    const int n = static_cast<int>(std::min(block, m - q * block));
    for (int v = 0; v < 2; ++v)
      for (int l = 0; l < w; ++l) {
        const int j = block_column(v, l);
        if (j >= n) continue;
        for (std::int64_t c = 0; c < channels; ++c) {
          const std::int16_t* g = k.weights.data() + ((q * block + j) * channels + c) * 9;
          int half[6][3];
          for (int a = 0; a < 6; ++a)
            for (int x = 0; x < 3; ++x) half[a][x] = kTransform[a][0] * g[x] + kTransform[a][1] * g[3 + x] + kTransform[a][2] * g[6 + x];
          for (int a = 0; a < 6; ++a)
            for (int b = 0; b < 6; ++b)
              panel[((a * 6 + b) * p.units + c / 2) * 2 * block + pair_place(isa, v, l, static_cast<int>(c % 2))] =
                  static_cast<std::int16_t>(half[a][0] * kTransform[b][0] + half[a][1] * kTransform[b][1] + half[a][2] * kTransform[b][2]);
        }
      }
    pack_rescale_block(isa, p.store, k.requant.size() > 1 ? k.requant.subspan(static_cast<std::size_t>(q * block), static_cast<std::size_t>(n)) : k.requant,
                       k.bias.empty() ? k.bias : k.bias.subspan(static_cast<std::size_t>(q * block), static_cast<std::size_t>(n)), n, out.data() + p.tables + q * rescale_block_size(isa));
  }
}

}  // namespace saha::kernels
