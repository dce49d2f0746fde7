#pragma once
// How the columns of a product are cut into panels. Shared by the packers and the loops; internal linkage, so that each level compiles
// a copy of its own.
#include <cstdint>

namespace saha::kernels {

/// Vectors in the panel that begins where `left` columns are left, for vectors of `w` lanes. Three where possible, since a tile of three
/// vectors needs the fewest loads per product; what is left over is cut so that no panel of one vector stands beside one of three.
/// `narrow`: up to w/2 last columns are done by a loop of their own, which reads a panel of one vector.
[[maybe_unused]] static constexpr int panel_vectors(std::int64_t left, int w, bool narrow) {
  if (left > 3 * w && left <= 4 * w) return narrow && left <= 3 * w + w / 2 ? 3 : 2;
  return left > 2 * w ? 3 : left > w ? 2 : 1;
}

/// Columns that the panels of `n` columns hold, zeros included.
[[maybe_unused]] static constexpr std::int64_t panel_columns(std::int64_t n, int w, bool narrow) {
  const std::int64_t whole = n > 4 * w ? (n - 4 * w + 3 * w - 1) / (3 * w) : 0;  // panels of three with more than 4 w left after them
  std::int64_t columns = whole * 3 * w;
  for (std::int64_t left = n - columns; left > 0;) {
    const std::int64_t width = panel_vectors(left, w, narrow) * w;
    columns += width, left -= width;
  }
  return columns;
}

}  // namespace saha::kernels
