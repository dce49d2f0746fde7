#pragma once
// How the channels of a product with channels innermost are cut into panels, and its points into tiles. Shared by the packers and the loops; internal linkage, so
// that each level compiles a copy of its own.
#include <cstdint>

namespace saha::kernels {

/// Vectors of a panel where many are left: a tile of 16 lanes has registers for eight points by three vectors.
[[maybe_unused]] static constexpr int last_vectors(int w) { return w == 16 ? 3 : 2; }
/// Vectors of the panel that begins where `left` channels are left, for vectors of `w` lanes: none of one vector beside others.
[[maybe_unused]] static constexpr int last_panel_vectors(std::int64_t left, int w) { return left > 4 * w ? last_vectors(w) : left > 3 * w ? 2 : left > 2 * w ? 3 : left > w ? 2 : 1; }
/// Channels that the panels of `n` channels hold, zeros included.
[[maybe_unused]] static constexpr std::int64_t last_panel_columns(std::int64_t n, int w) { return (n + w - 1) / w * w; }
/// Channels of each of `blocks` equal parts of n: whole panels, and none of one vector at the end, since no panel has one beside others.
[[maybe_unused]] static constexpr std::int64_t last_block(std::int64_t n, std::int64_t blocks, int w) {
  const std::int64_t panel = (n > 4 * w ? last_vectors(w) : 2) * w;
  std::int64_t block = ((n + blocks - 1) / blocks + panel - 1) / panel * panel;
  while (block < n && (n - 1) % block + 1 <= w) block += panel;
  return block;
}
/// Most points of a tile: with its panel's vectors they fill the registers.
[[maybe_unused]] static constexpr int last_tile_rows(int vectors, int w) { return w == 16 ? 8 : vectors == 3 ? 4 : vectors == 2 ? 6 : 8; }

}  // namespace saha::kernels
