// Tiles against their definition, one number at a time; compiled for avx512amx and for its emulation, so nothing inline from outside is called here.
#include <initializer_list>

#include "kernels/loops/tiles.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

constexpr int kRowBytes = 64;
struct Bytes {
  std::uint8_t at[16][kRowBytes];
  explicit Bytes(std::uint32_t seed) {
    for (auto& row : at)
      for (auto& b : row) seed = seed * 1664525u + 1013904223u, b = static_cast<std::uint8_t>(seed >> 24);
  }
};
/// Registers 0 rows by columns, 1 rows by units, 2 units by columns.
TileShapes shapes(int rows, int units, int columns) {
  TileShapes s;
  s.rows[0] = s.rows[1] = static_cast<std::uint8_t>(rows), s.rows[2] = static_cast<std::uint8_t>(units);
  s.row_bytes[0] = s.row_bytes[2] = static_cast<std::uint16_t>(4 * columns), s.row_bytes[1] = static_cast<std::uint16_t>(4 * units);
  return s;
}
int32_t number(std::uint8_t b, bool is_signed) { return is_signed ? static_cast<std::int8_t>(b) : b; }

/// Whether C + A B is what the definition says, and stored nowhere else.
template <bool Signed>
bool product_is_its_definition(int rows, int units, int columns) {
  const Bytes a(1), b(2), c(3);
  Bytes got(4);
  const Bytes before = got;
  {
    Tiles tiles(shapes(rows, units, columns));
    tiles.load<0>(c.at, kRowBytes), tiles.load<1>(a.at, kRowBytes), tiles.load<2>(b.at, kRowBytes);
    tiles.multiply<0, 1, 2, Signed>();
    tiles.store<0>(got.at, kRowBytes);
  }
  for (int m = 0; m < 16; ++m)
    for (int n = 0; n < 16; ++n) {
      std::uint32_t sum, is;
      memcpy(&sum, c.at[m] + 4 * n, 4), memcpy(&is, got.at[m] + 4 * n, 4);
      for (int k = 0; k < 4 * units; ++k) sum += static_cast<std::uint32_t>(number(a.at[m][k], Signed) * number(b.at[k / 4][4 * n + k % 4], true));
      if (m >= rows || n >= columns) memcpy(&sum, before.at[m] + 4 * n, 4);
      if (is != sum) return false;
    }
  return true;
}
/// Rows at a stride, one row over and over, and a start row: rows before it stay, and the next load begins at the first one.
bool loads_are_their_definition() {
  const Bytes a(5), b(6);
  Bytes got(7);
  TileShapes s = shapes(5, 3, 16);
  s.start_row = 2;
  Tiles tiles(s);
  tiles.load<0>(b.at, kRowBytes);           // rows 2, 3, 4 over zeros
  tiles.store<0>(got.at, kRowBytes);
  constexpr std::uint8_t zeros[kRowBytes] = {};
  for (int m = 0; m < 5; ++m)
    if (memcmp(got.at[m], m < 2 ? zeros : b.at[m], kRowBytes)) return false;
  tiles.load<0>(a.at, 2 * kRowBytes);
  tiles.store<0>(got.at, kRowBytes);
  for (int m = 0; m < 5; ++m)
    if (memcmp(got.at[m], a.at[2 * m], kRowBytes)) return false;
  tiles.load<0>(a.at[7], 0);
  tiles.store<0>(got.at, kRowBytes);
  for (int m = 0; m < 5; ++m)
    if (memcmp(got.at[m], a.at[7], kRowBytes)) return false;
  return true;
}

}  // namespace

extern const char* broken_tile_rule();
/// The rule that tiles break; nullptr if all are kept.
const char* broken_tile_rule() {
  for (int rows : {1, 2, 7, 15, 16})
    for (int units : {1, 3, 8, 16})
      for (int columns : {1, 5, 16}) {
        if (!product_is_its_definition<false>(rows, units, columns)) return "tdpbusd";
        if (!product_is_its_definition<true>(rows, units, columns)) return "tdpbssd";
      }
  return loads_are_their_definition() ? nullptr : "tileloadd";
}

extern void multiply_tiles_misfit_by(int row, int unit, int column);
/// B has that many units and columns too few, A rows: an invalid opcode, unless all are 0.
void multiply_tiles_misfit_by(int row, int unit, int column) {
  TileShapes s = shapes(4, 4, 4);
  s.rows[1] = static_cast<std::uint8_t>(4 - row), s.rows[2] = static_cast<std::uint8_t>(4 - unit), s.row_bytes[2] = static_cast<std::uint16_t>(16 - 4 * column);
  Tiles tiles(s);
  tiles.multiply<0, 1, 2, false>();
}

}  // namespace saha::kernels::SAHA_ISA
