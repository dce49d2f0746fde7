#pragma once
// How points and units are cut into AMX's registers, and what that costs. Shared by the preparations of products by tiles.
#include <cstdint>

namespace saha::kernels {

inline constexpr std::int64_t kMostOfTile = 16;    ///< points, and units of four bytes
inline constexpr std::int64_t kTileCycles = 100;   ///< of a tile of points by a panel, however shallow the product: sums to memory and back, the delay of a product. An estimate by Intel's figures

/// Of n in as few parts of at most `most` as there can be.
constexpr std::uint16_t even_part(std::int64_t n, std::int64_t most) {
  const std::int64_t parts = (n + most - 1) / most;
  return static_cast<std::uint16_t>((n + parts - 1) / parts);
}
/// For a panel of 32 columns: two products of 16 cycles for each tile of points and of units, however full.
constexpr std::int64_t tile_cycles(std::int64_t points, std::int64_t units) {
  return (points + kMostOfTile - 1) / kMostOfTile * (kTileCycles + 32 * ((units + kMostOfTile - 1) / kMostOfTile));
}

}  // namespace saha::kernels
