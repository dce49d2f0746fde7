#pragma once
// How work over rows becomes pieces. Internal linkage: each level compiles a copy of its own.
#include <cstdint>

namespace saha::kernels {

inline constexpr std::int64_t kPieceElements = 16384;
inline constexpr std::int64_t kLaneBlock = 64;  ///< neighbours that are done together where the axis is not the last one

[[maybe_unused]] static constexpr std::int64_t lane_blocks(std::int64_t inner) { return (inner + kLaneBlock - 1) / kLaneBlock; }

[[maybe_unused]] static constexpr std::int64_t rows_per_piece(std::int64_t n) { return n >= kPieceElements ? 1 : n <= 0 ? kPieceElements : kPieceElements / n; }

[[maybe_unused]] static constexpr std::uint32_t pieces_of_rows(std::int64_t rows, std::int64_t n) {
  return static_cast<std::uint32_t>((rows + rows_per_piece(n) - 1) / rows_per_piece(n));
}

}  // namespace saha::kernels
