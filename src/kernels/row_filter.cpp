// When rows of a small image are filtered minimally; transform of the weights.
#include "kernels/row_filter.hpp"

#include <algorithm>

#include "base/result.hpp"
#include "kernels/stencil.hpp"

namespace saha::kernels {
namespace {
constexpr std::int64_t kResults = 4;        // of a tile
constexpr std::int64_t kTileSteps = 5;      // of each point, beside its products: the sums are stored, loaded and transformed

std::int64_t up(std::int64_t a, std::int64_t to) { return (a + to - 1) / to * to; }
std::int64_t tiles_of(const ConvShape& s) { return (s.out_w + kResults - 1) / kResults; }
}  // namespace

bool suits_row_filter(Isa isa, const ConvShape& s, bool pool) {
  if (isa == Isa::generic || !is_small_image(s) || (s.kernel_w != 3 && s.kernel_w != 5) || s.dilation_w != 1 || s.out_channels / s.groups < kRowFilterOutputs) return false;
  if (pool && (s.kernel_h != s.kernel_w || s.dilation_h != 1)) return false;
  const std::int64_t points = s.kernel_w + 3, depth = s.in_channels / s.groups * s.kernel_h, tiles = tiles_of(s), at_once = (pool ? s.out_h / 2 : s.out_h) * tiles;
  return at_once > 0 && s.out_w > (pool ? 1 : 0) && 10 * points * (depth + kTileSteps) <= 9 * kResults * s.kernel_w * depth && 3 * kResults * tiles <= 4 * s.out_w && 3 * up(at_once, lanes(isa)) <= 4 * at_once;
}

RowFilterParams prepare_row_filter(Isa isa, const ConvShape& s, const Epilogue& epilogue, bool pool) {
  SAHA_ASSERT(suits_row_filter(isa, s, pool));
  RowFilterParams p;
  p.shape = s, p.epilogue = epilogue, p.pool = pool;
  const std::int64_t points = s.kernel_w + 3, tiles = tiles_of(s), rows = s.out_h + (s.kernel_h - 1) * s.dilation_h, width = kResults * tiles + s.kernel_w - 1, channels = s.in_channels / s.groups;
  p.in_place = s.pad_top == 0 && s.pad_left == 0 && rows <= s.in_h && width <= s.in_w;
  p.points = static_cast<std::int32_t>(points), p.tiles = static_cast<std::int32_t>(tiles);
  p.width = static_cast<std::int32_t>(p.in_place ? s.in_w : width), p.rows = static_cast<std::int32_t>(rows);
  const int w = lanes(isa);
  // What lies below each other is half as many rows where every second one stands apart; vectors of results may reach beyond the last tile.
  const std::int64_t phases = pool ? 2 : 1, below = (rows + phases - 1) / phases, last = rows - s.out_h + phases - 1;
  const std::int64_t all = up(phases * below * tiles, w), read = (phases - 1) * below * tiles + (last / phases) * tiles + up(s.out_h / phases * tiles, w);
  p.plane = static_cast<std::int32_t>(up(std::max(all, read), w));
  p.pieces = static_cast<std::uint32_t>(s.batch * s.groups);
  const std::int64_t image = p.in_place ? 0 : channels * rows * width + 2 * w;
  p.scratch = static_cast<std::uint64_t>(up(all, 16) + up(phases * channels * s.kernel_h, 16) + channels * points * p.plane + image) * 4;
  return p;
}

std::uint64_t scratch_bytes(const RowFilterParams& params) { return params.scratch; }
std::uint32_t grid(const RowFilterParams& params) { return params.pieces; }

std::int64_t packed_row_filter_size(const RowFilterParams& params) {
  const ConvShape& s = params.shape;
  return s.out_channels * (s.in_channels / s.groups) * s.kernel_h * params.points;
}

void pack_row_filter(Isa isa, const RowFilterParams& params, const float* weights, std::span<float> out) {
  const ConvShape& s = params.shape;
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_row_filter_size(params));
  const std::int64_t depth = s.in_channels / s.groups * s.kernel_h, m = s.out_channels / s.groups, most = row_filter_channels(params.pool != 0, lanes(isa));
  const int points = params.points, taps = static_cast<int>(s.kernel_w), pairs = (points - 2) / 2;
  double at[7] = {}, g[8][5] = {};
  for (int i = 0; i < pairs; ++i) at[2 * i + 1] = double(row_filter_point(pairs, i)), at[2 * i + 2] = -at[2 * i + 1];
  for (int i = 0; i + 1 < points; ++i) {
    double v = 1;
    for (int j = 0; j + 1 < points; ++j) v /= i == j ? 1 : at[i] - at[j];
    for (int k = 0; k < taps; ++k, v *= at[i]) g[i][k] = v;
  }
  g[points - 1][taps - 1] = 1;
  float* o = out.data();
  for (std::int64_t group = 0; group < s.groups; ++group)
    for (std::int64_t m0 = 0, block = 0; m0 < m; ++block) {
      const std::int64_t m1 = m0 + row_filter_block(m, most, block);
      for (int p = 0; p < points; ++p)
        for (std::int64_t d = 0; d < depth; ++d)
          for (std::int64_t i = m0; i < m1; ++i) {
            double sum = 0;
            for (int k = 0; k < taps; ++k) sum += g[p][k] * double(weights[((group * m + i) * depth + d) * taps + k]);
            *o++ = static_cast<float>(sum);
          }
      m0 = m1;
    }
}

}  // namespace saha::kernels
