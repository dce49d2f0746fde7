#pragma once
// How vectors of exact integer sums become stored integers: the rules of tensor/requant.hpp as constants by lane. Packed for one level.
#include <cstdint>
#include <optional>
#include <span>

#include "kernels/isa.hpp"
#include "tensor/requant.hpp"

namespace saha::kernels {

enum class Rescaling : std::int32_t {
  none,   ///< the sums themselves, int32
  real,   ///< float_even
  real_near,  ///< the same where no scaled sum comes near the ends of int32: fewer steps
  twice,  ///< fixed_double, fixed_legacy
  near,   ///< the same where every sum is shifted to the right and none comes near the ends of int32: fewer steps
  once,   ///< fixed_single
};

/// What becomes of a sum: rescaled, `zero` added modulo 2^32, kept between `lo` and `hi`, which lie in int8 or in uint8.
struct Store {
  Rescaling rule = Rescaling::none;
  std::int32_t zero = 0, lo = 0, hi = 0;
};

/// `wraps`: a scaled sum beyond int32 is taken as its bound before the zero point is added modulo 2^32 (Rescale, Add); else the sum of both saturates
/// (QuantizeLinear). Nothing: the vectors do not have the rule, or not for sums up to `bound` in size with this scale.
std::optional<Rescaling> rescaling(const Requant& r, std::int64_t bound, std::int32_t zero, bool wraps);
/// The rule of sums by several scales; nothing where they have none in common.
std::optional<Rescaling> rescaling(std::span<const Requant> r, std::int64_t bound, std::int32_t zero, bool wraps);

/// A vector of sums has kRescaleRows vectors of constants, the first of which is what the sums begin with. Two vectors make a block of 2 * lanes
/// columns; narrowing them interleaves groups of four, so lane l of vector v holds column block_column(v, l).
inline constexpr int kRescaleRows = 8;
constexpr int block_columns(Isa isa) { return 2 * lanes(isa); }
constexpr int block_column(int v, int l) { return 8 * (l / 4) + 4 * v + l % 4; }
/// Weights of a block by units of two numbers for each column: the place, among all of a unit, of number h of lane l of vector v. NEON multiplies the block's first
/// numbers, then its second ones (smlal); elsewhere the two of a column lie side by side (vpmaddwd).
constexpr int pair_place(Isa isa, int v, int l, int h) { return is_neon(isa) ? h * block_columns(isa) + block_column(v, l) : 2 * (v * lanes(isa) + l) + h; }
/// int32 elements of the constants of one block.
constexpr std::int64_t rescale_block_size(Isa isa) { return std::int64_t{2} * kRescaleRows * lanes(isa); }
/// Of the columns [0, n) of one block, n <= block_columns: column c has r[c], or r[0] where r has one entry; r is empty for Rescaling::none.
/// `begin`: n sums to begin with, or nothing.
void pack_rescale_block(Isa isa, const Store& store, std::span<const Requant> r, std::span<const std::int32_t> begin, int n, std::int32_t* out);

}  // namespace saha::kernels
