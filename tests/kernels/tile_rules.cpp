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
template <TileNumbers N>
bool product_is_its_definition(int rows, int units, int columns) {
  constexpr bool Signed = N == TileNumbers::signed_bytes;
  const Bytes a(1), b(2), c(3);
  Bytes got(4);
  const Bytes before = got;
  {
    Tiles tiles(shapes(rows, units, columns));
    tiles.load<0>(c.at, kRowBytes), tiles.load<1>(a.at, kRowBytes), tiles.load<2>(b.at, kRowBytes);
    tiles.multiply<N, 0, 1, 2>();
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
struct Numbers {
  std::uint16_t a[2], b[2];
  float c, sum;
};
constexpr float kTiny = 0x1p-126f;   // the least number that is not denormal
constexpr Numbers kBfloats[] = {
    {{0x3f80, 0}, {0x4000, 0}, 1, 3},                               // 1 * 2 + 1
    {{0x3f80, 0x4040}, {0x4000, 0xc080}, 0.5f, -9.5f},              // 2 - 12 + 0.5
    {{0x3f81, 0}, {0x3f81, 0}, 0, 1.0156860352f},                   // (1 + 2^-7)^2, exact
    {{0x4b80, 0x3f80}, {0x3f80, 0x3f80}, 0, 16777216},              // 2^24 + 1 is a tie: to even
    {{0x4b80, 0x4040}, {0x3f80, 0x3f80}, 0, 16777220},              // 2^24 + 3 is one, too
    {{0x4b80, 0}, {0x3f80, 0}, 1, 16777216},                        // and so is a sum with C
    {{0x0040, 0}, {0x7f00, 0}, 0, 0},                               // a denormal number is 0, however large its partner
    {{0x3f80, 0}, {0x0040, 0}, 0, 0},
    {{0x3f00, 0}, {0x0080, 0}, 0, 0},                               // a denormal product becomes 0
    {{0x0080, 0x8081}, {0x3f80, 0x3f80}, 0, 0},                     // and a denormal sum of both
    {{0, 0}, {0, 0}, kTiny / 2, 0},                                 // and a denormal C
    {{0x0080, 0}, {0x3f80, 0}, 0, kTiny},
    {{0x7f80, 0}, {0x3f80, 0}, 1, __builtin_inff()},
    {{0x7f80, 0}, {0, 0}, 1, __builtin_nanf("")},                   // infinity times 0
};
/// Each as a product of one unit; and sums of many units, of the first numbers and of the second ones, stay apart until the end.
bool bfloats_are_their_definition() {
  for (const Numbers& x : kBfloats) {
    float c = x.c;
    Tiles tiles(shapes(1, 1, 1));
    tiles.load<0>(&c, 4), tiles.load<1>(x.a, 4), tiles.load<2>(x.b, 4);
    tiles.multiply<TileNumbers::bfloats, 0, 1, 2>();
    tiles.store<0>(&c, 4);
    if (!(c == x.sum) && !(c != c && x.sum != x.sum)) return false;
  }
  std::uint16_t a[2][32], b[16][32];
  float c[2][16] = {};
  for (int k = 0; k < 16; ++k) {
    a[0][2 * k] = 0x3f80, a[0][2 * k + 1] = static_cast<std::uint16_t>(k == 0 ? 0x4b80 : 0x3f80);   // ones; 2^24 and ones, each of which is rounded away
    a[1][2 * k] = a[1][2 * k + 1] = 0x4000;
    for (int n = 0; n < 16; ++n) b[k][2 * n] = 0x3f80, b[k][2 * n + 1] = static_cast<std::uint16_t>(n % 2 ? 0xbf80 : 0x3f80);
  }
  Tiles tiles(shapes(2, 16, 16));
  tiles.load<0>(c, kRowBytes), tiles.load<1>(a, kRowBytes), tiles.load<2>(b, kRowBytes);
  tiles.multiply<TileNumbers::bfloats, 0, 1, 2>();
  tiles.store<0>(c, kRowBytes);
  for (int n = 0; n < 16; ++n)
    if (c[0][n] != (n % 2 ? 16 - 16777216.f : 16 + 16777216.f) || c[1][n] != (n % 2 ? 0 : 64)) return false;
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
        if (!product_is_its_definition<TileNumbers::bytes>(rows, units, columns)) return "tdpbusd";
        if (!product_is_its_definition<TileNumbers::signed_bytes>(rows, units, columns)) return "tdpbssd";
      }
  if (!bfloats_are_their_definition()) return "tdpbf16ps";
  return loads_are_their_definition() ? nullptr : "tileloadd";
}

extern void multiply_tiles_misfit_by(int row, int unit, int column);
/// B has that many units and columns too few, A rows: an invalid opcode, unless all are 0.
void multiply_tiles_misfit_by(int row, int unit, int column) {
  TileShapes s = shapes(4, 4, 4);
  s.rows[1] = static_cast<std::uint8_t>(4 - row), s.rows[2] = static_cast<std::uint8_t>(4 - unit), s.row_bytes[2] = static_cast<std::uint16_t>(16 - 4 * column);
  Tiles tiles(s);
  tiles.multiply<TileNumbers::bytes, 0, 1, 2>();
}

}  // namespace saha::kernels::SAHA_ISA
