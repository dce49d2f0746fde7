#pragma once
// Which instructions a kernel is compiled for, and the table of all kernels by name.
#include <cstdint>
#include <span>
#include <string_view>

#include "plan/call.hpp"

namespace saha::kernels {

enum class Isa : std::uint8_t {
  generic,  ///< what the compiler's target always has
  avx2,     ///< AVX2, FMA, F16C
  avx512,   ///< AVX-512 F, BW, DQ, VL
  avx512vnni,  ///< AVX-512 VNNI beside them: loops on 8-bit integers of its own, all else is avx512's
  avx512bf16,  ///< AVX-512 BF16 beside them: products in bfloat16 of its own, all else is avx512vnni's
  avx512amx,   ///< AMX's tiles of 8-bit integers and bfloat16 beside them: convolutions of both of its own, all else is avx512vnni's
  neon,      ///< AArch64's Advanced SIMD, which every such CPU has
  neon_dot,  ///< its dot products beside it (FEAT_DotProd): loops on 8-bit integers of its own, all else is neon's
  neon_fp16, ///< its arithmetic in float16 (FEAT_FP16) beside them: products in float16 of its own, all else is neon_dot's
  neon_i8mm, ///< its products of 8-bit matrices (FEAT_I8MM) beside them, for the loops on 8-bit integers
  neon_bf16, ///< and those of bfloat16 (FEAT_BF16): products in 16 bits of its own, all else is neon_i8mm's
};
inline constexpr Isa kLevels[] = {Isa::generic, Isa::avx2, Isa::avx512, Isa::avx512vnni, Isa::avx512bf16, Isa::avx512amx, Isa::neon, Isa::neon_dot, Isa::neon_fp16, Isa::neon_i8mm, Isa::neon_bf16};

std::string_view name(Isa isa);

/// What CPUID and XGETBV say: the features of leaves 1 and 7, and the registers that the operating system saves.
struct CpuWords {
  std::uint32_t leaf1_ecx = 0, leaf7_ebx = 0;
  std::uint64_t xcr0 = 0;
  std::uint32_t leaf7_ecx = 0, leaf7_edx = 0;
  std::uint32_t leaf7_1_eax = 0;   ///< of leaf 7, its sub-leaf 1
  bool tiles = false;   ///< the operating system lets this process use AMX's registers
};
/// AT_HWCAP and AT_HWCAP2 of Linux on AArch64.
struct ArmWords {
  std::uint64_t hwcap = 0, hwcap2 = 0;
};
/// The highest level all of whose instructions are there. A level needs what the level below it needs.
Isa highest_isa(const CpuWords& words);
Isa highest_isa(const ArmWords& words);
/// The highest level that this CPU and its operating system run, of those that are built here.
Isa detect_isa();

constexpr bool is_neon(Isa isa) { return isa >= Isa::neon; }
/// Lanes of float32 in a vector: what packed buffers are laid out by.
constexpr int lanes(Isa isa) { return is_neon(isa) || isa == Isa::generic ? 4 : isa == Isa::avx2 ? 8 : 16; }
/// Whether the level has vdpbf16ps.
constexpr bool has_bfloat_dots(Isa isa) { return isa == Isa::avx512bf16 || isa == Isa::avx512amx; }
/// Whether a CPU whose highest level is `cpu` runs kernels of level `isa`.
constexpr bool runs(Isa cpu, Isa isa) { return isa == Isa::generic || (isa <= cpu && is_neon(isa) == is_neon(cpu)); }

struct Kernel {
  std::string_view name;
  plan::Run run;
};

/// Every kernel of this level; none of a level of another architecture than this program's, or that was left out of it: for that one plans are made here, not run.
std::span<const std::span<const Kernel>> kernels(Isa isa);

/// The kernel of that name for that level; nullptr where there is none. Packed buffers and params are made for one level and fit no other.
plan::Run find(std::string_view name, Isa isa);
plan::Run find(std::string_view name, std::span<const std::span<const Kernel>> tables);

}  // namespace saha::kernels
