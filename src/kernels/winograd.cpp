// Choice of the blocks of F(4x4, 3x3); transform of its weights: panel after panel of channels, for each of the 36 products its [C][columns].
#include "kernels/winograd.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/result.hpp"
#include "kernels/blocks.hpp"
#include "kernels/last_panels.hpp"
#include "kernels/split.hpp"

namespace saha::kernels {
namespace {

constexpr std::int64_t kTileBytes = 320 << 10;     // of transformed tiles: most of a second-level cache of 512 KiB
constexpr std::int64_t kManyTiles = 18, kFewTiles = 12, kFewChannels = 64, kMaxPieces = 20;
constexpr std::int64_t kMostWeights = 16 << 20;    // bytes of transformed weights, beyond which reading them takes longer than what is saved
constexpr std::int64_t kMostAnyWeights = 64 << 20; // where measuring says otherwise
constexpr double kPieceProducts = 1e6;
constexpr double kPoints[] = {0, 0.75, -0.75, 1.25, -1.25};

std::int64_t up(std::int64_t a, std::int64_t to) { return (a + to - 1) / to * to; }

}  // namespace

bool may_filter(const ConvShape& s, std::int64_t weight_bytes) {
  return s.kernel_h == 3 && s.kernel_w == 3 && s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 && s.dilation_w == 1 && s.groups == 1 && s.in_channels >= 16 && s.out_channels >= 16 &&
         s.batch * s.out_h * s.out_w > 0 && s.in_channels <= kMostAnyWeights / s.out_channels && 36 * weight_bytes * s.in_channels * s.out_channels <= kMostAnyWeights;
}
bool suits_filtering(const ConvShape& s, std::int64_t weight_bytes) {
  if (!may_filter(s, weight_bytes)) return false;
  const double saved = double(s.out_h) * double(s.out_w) / double(16 * filter_tiles(s.out_h) * filter_tiles(s.out_w));  // of what the tiles compute, the share that is wanted
  return saved > 0.5 && s.batch * filter_tiles(s.out_h) * filter_tiles(s.out_w) >= 4 && 36 * weight_bytes * s.in_channels * s.out_channels <= kMostWeights;
}
bool may_winograd(const ConvShape& s) { return may_filter(s, 4); }
bool suits_winograd(const ConvShape& s) { return suits_filtering(s, 4); }

WinogradParams prepare_winograd(Isa isa, const ConvShape& shape, const Epilogue& epilogue, std::uint32_t blocks) {
  SAHA_ASSERT(may_winograd(shape));
  const Blocks b = kBlocks[blocks];
  const ConvShape& s = shape;
  const int w = lanes(isa);
  const std::int64_t m = s.out_channels, c = up(s.in_channels, w);
  WinogradParams p;
  p.shape = shape, p.epilogue = epilogue, p.blocks = blocks;
  const std::int64_t count = filter_tiles(s.out_h) * filter_tiles(s.out_w);
  const double products = 36. * double(count) * double(s.in_channels) * double(m);
  const std::int64_t wanted = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ldexp(products / kPieceProducts, b.pieces)), 1, scaled(kMaxPieces, b.pieces));
  const std::int64_t most = std::max(kManyTiles, scaled(kTileBytes, b.depth) / (36 * 4 * c)), fewest = (count + most - 1) / most;
  const auto t_of = [&](std::int64_t parts) { return (count + parts - 1) / parts; };
  const auto m_of = [&](std::int64_t parts) { return last_block(m, parts, w); };
  // Blocks of channels transform the same tiles each for itself.
  const Cut cut = even_cut(wanted, fewest, std::max(fewest, std::min(wanted, count / kFewTiles)), std::max<std::int64_t>(1, m / kFewChannels), [&](std::int64_t tb, std::int64_t mb) {
    return s.batch * ((count + t_of(tb) - 1) / t_of(tb)) * ((m + m_of(mb) - 1) / m_of(mb));
  });
  p.t_block = static_cast<std::int32_t>(t_of(cut.first));
  p.t_blocks = static_cast<std::uint32_t>((count + p.t_block - 1) / p.t_block);
  p.m_block = static_cast<std::int32_t>(m_of(cut.second));
  p.m_blocks = static_cast<std::uint32_t>((m + p.m_block - 1) / p.m_block);
  p.pieces = static_cast<std::uint32_t>(s.batch) * p.t_blocks * p.m_blocks;
  p.scratch = static_cast<std::uint64_t>(up(8 * std::int64_t{36} * p.t_block, 64) + 4 * (36 * p.t_block * (c + 3 * w) + c));
  return p;
}

std::uint64_t scratch_bytes(const WinogradParams& params) { return params.scratch; }
std::uint32_t grid(const WinogradParams& params) { return params.pieces; }

std::int64_t packed_winograd_size(Isa isa, const WinogradParams& params) { return 36 * params.shape.in_channels * last_panel_columns(params.shape.out_channels, lanes(isa)); }

void pack_winograd(Isa isa, const WinogradParams& params, const float* weights, std::span<float> out) {
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_winograd_size(isa, params));
  const std::int64_t channels = params.shape.in_channels, m = params.shape.out_channels;
  const int w = lanes(isa);
  double g[6][3] = {{}, {}, {}, {}, {}, {0, 0, 1}};
  for (int i = 0; i < 5; ++i) {
    double scale = 1;
    for (int j = 0; j < 5; ++j) scale *= i == j ? 1 : kPoints[i] - kPoints[j];
    g[i][0] = 1 / scale, g[i][1] = kPoints[i] / scale, g[i][2] = kPoints[i] * kPoints[i] / scale;
  }
  std::fill(out.begin(), out.end(), 0.f);
  float* panel = out.data();
  for (std::int64_t m0 = 0; m0 < m;) {
    const std::int64_t width = last_panel_vectors(m - m0, w) * w;
    for (std::int64_t j = 0; j < std::min(width, m - m0); ++j)
      for (std::int64_t c = 0; c < channels; ++c) {
        const float* k = weights + ((m0 + j) * channels + c) * 9;
        double half[6][3];
        for (int i = 0; i < 6; ++i)
          for (int x = 0; x < 3; ++x) half[i][x] = g[i][0] * double(k[x]) + g[i][1] * double(k[3 + x]) + g[i][2] * double(k[6 + x]);
        for (int i = 0; i < 6; ++i)
          for (int l = 0; l < 6; ++l) panel[((i * 6 + l) * channels + c) * width + j] = static_cast<float>(half[i][0] * g[l][0] + half[i][1] * g[l][1] + half[i][2] * g[l][2]);
      }
    panel += 36 * channels * width;
    m0 += width;
  }
}

}  // namespace saha::kernels
