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

struct RowPieces {
  std::int64_t rows_per_piece = 1;   ///< 0: the one row is long and is cut, the last part may be shorter
  std::uint32_t pieces = 0;
};
/// Of a walk over axes of these dims, whose rows lie along the last one.
[[maybe_unused]] static constexpr RowPieces pieces_of_walk(const std::int64_t* dim, int rank) {
  std::int64_t rows = 1;
  for (int i = 0; i < rank - 1; ++i) rows *= dim[i];
  const std::int64_t row = dim[rank - 1];
  if (rows * row == 0) return {};
  if (rank == 1 && row > kPieceElements) return {0, pieces_of_rows(row, 1)};
  return {rows_per_piece(row), pieces_of_rows(rows, row)};
}

/// Pieces of a grid that are done together: some seconds of one first, or all seconds of some firsts.
struct Together {
  std::int64_t outer, first, firsts, second, seconds;
};
/// f(Together) for the pieces [begin, end) of a grid of (outer, first, second), the second fastest; up to `at_once` firsts of one outer together.
template <class F>
void each_together(std::uint32_t begin, std::uint32_t end, std::uint32_t firsts, std::uint32_t seconds, std::uint32_t at_once, F f) {
  const auto least = [](std::uint32_t a, std::uint32_t b) { return a < b ? a : b; };
  while (begin < end) {
    const std::uint32_t second = begin % seconds, first = begin / seconds % firsts;
    const std::uint32_t whole = second == 0 ? least(least((end - begin) / seconds, firsts - first), at_once) : 0;
    const std::uint32_t n = whole > 0 ? whole * seconds : least(end - begin, seconds - second);
    f(Together{begin / seconds / firsts, first, whole > 0 ? whole : 1, second, whole > 0 ? seconds : n});
    begin += n;
  }
}

struct Cut {
  std::int64_t first = 1, second = 1;
};
/// Into how many blocks along two axes work is cut, so that there are about `wanted` pieces of which 2 and 4 threads take equally many. Blocks of the second axis repeat some of what those of the
/// first prepare. `pieces(first, second)`: what a cut comes to.
template <class Pieces>
Cut even_cut(std::int64_t wanted, std::int64_t first_least, std::int64_t first_most, std::int64_t second_most, Pieces pieces) {
  Cut best{first_least, 1};
  double least = 1e9;
  for (std::int64_t a = first_least; a <= first_most; ++a)
    for (std::int64_t b = 1; b <= second_most && (b == 1 || a * b <= 2 * wanted); ++b) {
      const double n = double(pieces(a, b));
      const auto idle = [&](double threads) { return threads * double(std::int64_t((n + threads - 1) / threads)) / n - 1; };
      const double far = n < double(wanted) ? 1 - n / double(wanted) : (n / double(wanted) - 1) / 4;
      const double cost = (wanted > 1 ? idle(2) + idle(4) / 2 : 0) + 0.3 * far + 0.01 * double(b);
      if (cost < least) least = cost, best = {a, b};
    }
  return best;
}

}  // namespace saha::kernels
