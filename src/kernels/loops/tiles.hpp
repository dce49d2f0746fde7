#pragma once
// AMX: eight registers of up to 16 rows of 64 bytes, and products of two of them (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2). With SAHA_ISA_EMULATED the same
// in plain C++, what the processor refuses as an invalid opcode included: so tests run a level's loops on a machine that lacks the instructions.
#include <string.h>

#include "kernels/loops/vec.hpp"

namespace saha::kernels::SAHA_ISA {

/// The memory that LDTILECFG reads.
struct alignas(64) TileShapes {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;           ///< of the first load or store: where one goes on that a fault has stopped
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};     ///< of each register; 8 to 15 are none
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileShapes) == 64);

/// The registers of this thread, from here to the end of the object's life. C, A, B, T are their numbers.
/// multiply: C += A B, where a row of A holds units of four bytes, as a row of B does: unit n of row k is of column n, and its numbers meet those of unit k of A.
/// C, A and B are three registers with as many rows in C as in A, as many columns in C as in B, as many units in A as B has rows.
enum class TileNumbers {
  bytes,         ///< uint8 of A, int8 of B, four a unit; sums modulo 2^32
  signed_bytes,  ///< int8 of both
  bfloats,       ///< bfloat16, two a unit; float32 sums of the first and of the second ones, each in order and rounded once a product, their sum, and that added to C. Denormal numbers are 0 everywhere
};
#if !defined(SAHA_ISA_EMULATED)
class Tiles {
 public:
  // The compilers' own functions do not say which memory they read: here all of it.
  explicit Tiles(const TileShapes& shapes) { asm volatile("ldtilecfg %0" : : "m"(shapes) : "memory"); }
  ~Tiles() { asm volatile("tilerelease"); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;

  /// Rows lie `stride` bytes apart; at 0 all are the same one.
  template <int T>
  void load(const void* from, int64_t stride) { asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(T) : "memory"); }
  template <int T>
  void store(void* to, int64_t stride) { asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(T) : "memory"); }
  template <TileNumbers N, int C, int A, int B>
  void multiply() {
    if constexpr (N == TileNumbers::bytes) asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
    else if constexpr (N == TileNumbers::signed_bytes) asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
    else asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  }
};
#else
class Tiles {
 public:
  static constexpr int kTiles = 8, kRows = 16, kRowBytes = 64;
  explicit Tiles(const TileShapes& shapes) : shapes_(shapes) {
    int bits = 0;
    for (std::uint8_t r : shapes.reserved) bits |= r;
    for (int t = kTiles; t < 16; ++t) bits |= shapes.row_bytes[t] | shapes.rows[t];
    valid(shapes.palette == 1 && bits == 0);
    for (int t = 0; t < kTiles; ++t) valid(shapes.rows[t] <= kRows && shapes.row_bytes[t] <= kRowBytes && (shapes.rows[t] == 0) == (shapes.row_bytes[t] == 0));
  }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;

  template <int T>
  void load(const void* from, int64_t stride) {
    valid(shapes_.rows[T] > 0);
    if (shapes_.start_row == 0) memset(tile_[T], 0, sizeof tile_[T]);
    for (int i = shapes_.start_row; i < shapes_.rows[T]; ++i) {
      memset(tile_[T][i], 0, kRowBytes);
      memcpy(tile_[T][i], static_cast<const std::byte*>(from) + i * stride, shapes_.row_bytes[T]);
    }
    shapes_.start_row = 0;
  }
  template <int T>
  void store(void* to, int64_t stride) {
    valid(shapes_.rows[T] > 0);
    for (int i = shapes_.start_row; i < shapes_.rows[T]; ++i) memcpy(static_cast<std::byte*>(to) + i * stride, tile_[T][i], shapes_.row_bytes[T]);
    shapes_.start_row = 0;
  }
  template <TileNumbers N, int C, int A, int B>
  void multiply() {
    product_of<C, A, B>();
    shapes_.start_row = 0;
    if constexpr (N == TileNumbers::bfloats) return multiply_bfloats<C, A, B>();
    constexpr bool Signed = N == TileNumbers::signed_bytes;
    const int units = shapes_.row_bytes[A] / 4, columns = shapes_.row_bytes[C] / 4;
    for (int m = 0; m < shapes_.rows[C]; ++m) {
      std::uint32_t sums[kRowBytes / 4];
      memcpy(sums, tile_[C][m], sizeof sums);
      for (int k = 0; k < units; ++k)
        for (int i = 0; i < 4; ++i) {
          const std::uint8_t byte = tile_[A][m][4 * k + i];
          const int32_t a = Signed ? static_cast<std::int8_t>(byte) : byte;
          for (int n = 0; n < columns; ++n) sums[n] += static_cast<std::uint32_t>(a * static_cast<std::int8_t>(tile_[B][k][4 * n + i]));
        }
      memcpy(tile_[C][m], sums, sizeof sums);
    }
  }

 private:
  /// As fma_without_denormals of dots.hpp.
  static float fma_without_denormal(float a, float b, float c) {
    const float r = __builtin_fmaf(a, b, c);
    return no_denormal(__builtin_fabsf(r) == 0x1p-126f && __builtin_fabsf(__builtin_fmaf(a * 0x1p32f, b * 0x1p32f, c * 0x1p64f)) < 0x1p-62f ? __builtin_copysignf(0.f, r) : r);
  }
  static float no_denormal(float v) { return __builtin_fabsf(v) < 0x1p-126f ? __builtin_copysignf(0.f, v) : v; }
  static float bfloat(const std::uint8_t* at) {
    std::uint32_t bits = static_cast<std::uint32_t>(at[0]) << 16 | static_cast<std::uint32_t>(at[1]) << 24;
    float v;
    memcpy(&v, &bits, 4);
    return no_denormal(v);
  }
  template <int C, int A, int B>
  void multiply_bfloats() {
    const int units = shapes_.row_bytes[A] / 4, columns = shapes_.row_bytes[C] / 4;
    for (int m = 0; m < shapes_.rows[C]; ++m)
      for (int n = 0; n < columns; ++n) {
        float parts[2] = {}, c;
        for (int k = 0; k < units; ++k)
          for (int i = 0; i < 2; ++i) parts[i] = fma_without_denormal(bfloat(tile_[A][m] + 4 * k + 2 * i), bfloat(tile_[B][k] + 4 * n + 2 * i), parts[i]);
        memcpy(&c, tile_[C][m] + 4 * n, 4);
        c = no_denormal(no_denormal(c) + no_denormal(parts[0] + parts[1]));
        memcpy(tile_[C][m] + 4 * n, &c, 4);
      }
  }
  static void valid(bool holds) {
    if (!holds) __builtin_trap();
  }
  template <int C, int A, int B>
  void product_of() const {
    static_assert(C != A && C != B && A != B);
    const auto& bytes = shapes_.row_bytes;
    valid(shapes_.rows[C] > 0 && shapes_.rows[A] == shapes_.rows[C] && bytes[B] == bytes[C] && bytes[A] % 4 == 0 && bytes[B] % 4 == 0 && bytes[A] / 4 == shapes_.rows[B]);
  }
  TileShapes shapes_;
  std::uint8_t tile_[kTiles][kRows][kRowBytes] = {};
};
#endif

}  // namespace saha::kernels::SAHA_ISA
