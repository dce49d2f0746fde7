#include "kernels/isa.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include <initializer_list>

#include "kernels/tables.hpp"

// SAHA_HAS_<level>: it is built here (SAHA_LEVELS of cmake/saha_isa_objects.cmake).
SAHA_KERNEL_TABLES_COMPACT(generic)
#if SAHA_HAS_avx2
SAHA_KERNEL_TABLES(avx2)
#endif
#if SAHA_HAS_avx512
SAHA_KERNEL_TABLES(avx512)
#endif
#if SAHA_HAS_avx512vnni
SAHA_KERNEL_TABLES_OVER(avx512vnni, avx512vnni, avx512vnni, without, without, avx512)
#endif
#if SAHA_HAS_avx512bf16
SAHA_KERNEL_TABLES_OVER(avx512bf16, avx512vnni, avx512vnni, avx512bf16, avx512bf16, avx512)
#endif
#if SAHA_HAS_avx512amx
SAHA_KERNEL_TABLES_OVER(avx512amx, avx512amx, avx512vnni, avx512amx, avx512bf16, avx512)
#endif
#if SAHA_HAS_neon
SAHA_KERNEL_TABLES(neon)
#endif
#if SAHA_HAS_neon_dot
SAHA_KERNEL_TABLES_OVER(neon_dot, neon_dot, neon, without, without, neon)
#endif
#if SAHA_HAS_neon_fp16
SAHA_KERNEL_TABLES_OVER(neon_fp16, neon_dot, neon, neon_fp16, without, neon)
#endif
#if SAHA_HAS_neon_i8mm
SAHA_KERNEL_TABLES_OVER(neon_i8mm, neon_i8mm, neon, neon_fp16, without, neon)
#endif
#if SAHA_HAS_neon_bf16
SAHA_KERNEL_TABLES_OVER(neon_bf16, neon_i8mm, neon, neon_bf16, without, neon)
#endif

namespace saha::kernels {

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::generic: return "generic";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::avx512vnni: return "avx512vnni";
    case Isa::avx512bf16: return "avx512bf16";
    case Isa::avx512amx: return "avx512amx";
    case Isa::neon: return "neon";
    case Isa::neon_dot: return "neon_dot";
    case Isa::neon_fp16: return "neon_fp16";
    case Isa::neon_i8mm: return "neon_i8mm";
    case Isa::neon_bf16: return "neon_bf16";
  }
  return "?";
}

Isa highest_isa(const CpuWords& words) {
  const auto all = [](std::uint64_t word, std::initializer_list<int> bits) {
    for (int bit : bits)
      if (!(word >> bit & 1)) return false;
    return true;
  };
  const bool fma_avx_f16c = all(words.leaf1_ecx, {12, 28, 29}), avx2 = all(words.leaf7_ebx, {5}), ymm = all(words.xcr0, {1, 2});
  if (!(fma_avx_f16c && avx2 && ymm)) return Isa::generic;
  const bool f_dq_bw_vl = all(words.leaf7_ebx, {16, 17, 30, 31}), masks_and_zmm = all(words.xcr0, {5, 6, 7});
  if (!(f_dq_bw_vl && masks_and_zmm)) return Isa::avx2;
  if (!all(words.leaf7_ecx, {11})) return Isa::avx512;
  if (!all(words.leaf7_1_eax, {5})) return Isa::avx512vnni;
  const bool bf16_tile_int8 = all(words.leaf7_edx, {22, 24, 25}), configuration_and_data = all(words.xcr0, {17, 18});
  return bf16_tile_int8 && configuration_and_data && words.tiles ? Isa::avx512amx : Isa::avx512bf16;
}

Isa highest_isa(const ArmWords& words) {
  constexpr int kAsimd = 1, kFpHp = 9, kAsimdHp = 10, kAsimdDp = 20, kI8mm = 13, kBf16 = 14;  // <asm/hwcap.h>; the last two of hwcap2
  if (!(words.hwcap >> kAsimd & 1)) return Isa::generic;
  if (!(words.hwcap >> kAsimdDp & 1)) return Isa::neon;
  if (!(words.hwcap >> kFpHp & words.hwcap >> kAsimdHp & 1)) return Isa::neon_dot;
  if (!(words.hwcap2 >> kI8mm & 1)) return Isa::neon_fp16;
  return words.hwcap2 >> kBf16 & 1 ? Isa::neon_bf16 : Isa::neon_i8mm;
}

#if defined(__x86_64__)
namespace {

/// Linux saves AMX's registers for processes that ask for them (Documentation/arch/x86/xstate.rst); it refuses where an alternate signal stack is too small to hold them.
bool tiles_are_granted() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;   // ARCH_REQ_XCOMP_PERM of <asm/prctl.h>; the number of the registers in XCR0
  static const bool granted = ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return granted;
#else
  return false;
#endif
}

}  // namespace
#endif

namespace {
/// The highest level that is built here, `highest` at most.
Isa built(Isa highest) {
  Isa best = Isa::generic;
  for (Isa level : kLevels)
    if (runs(highest, level) && !kernels(level).empty()) best = level;
  return best;
}
}  // namespace

Isa detect_isa() {
#if defined(__x86_64__)
  CpuWords words;
  std::uint32_t a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d)) words.leaf1_ecx = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) words.leaf7_ebx = b, words.leaf7_ecx = c, words.leaf7_edx = d;
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) words.leaf7_1_eax = a;
  if (words.leaf1_ecx >> 27 & 1) {  // XGETBV may be asked
    std::uint32_t low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    words.xcr0 = low | static_cast<std::uint64_t>(high) << 32;
  }
  words.tiles = (words.leaf7_edx >> 24 & 1) && tiles_are_granted();
  return built(highest_isa(words));
#elif defined(__aarch64__)
  return built(highest_isa(ArmWords{::getauxval(AT_HWCAP), ::getauxval(AT_HWCAP2)}));
#else
  return Isa::generic;
#endif
}

std::span<const std::span<const Kernel>> kernels(Isa isa) {
  switch (isa) {
#if SAHA_HAS_avx512amx
    case Isa::avx512amx: return avx512amx::tables();
#endif
#if SAHA_HAS_avx512bf16
    case Isa::avx512bf16: return avx512bf16::tables();
#endif
#if SAHA_HAS_avx512vnni
    case Isa::avx512vnni: return avx512vnni::tables();
#endif
#if SAHA_HAS_avx512
    case Isa::avx512: return avx512::tables();
#endif
#if SAHA_HAS_avx2
    case Isa::avx2: return avx2::tables();
#endif
#if SAHA_HAS_neon_bf16
    case Isa::neon_bf16: return neon_bf16::tables();
#endif
#if SAHA_HAS_neon_i8mm
    case Isa::neon_i8mm: return neon_i8mm::tables();
#endif
#if SAHA_HAS_neon_fp16
    case Isa::neon_fp16: return neon_fp16::tables();
#endif
#if SAHA_HAS_neon_dot
    case Isa::neon_dot: return neon_dot::tables();
#endif
#if SAHA_HAS_neon
    case Isa::neon: return neon::tables();
#endif
    case Isa::generic: return generic::tables();
    default: return {};
  }
}

plan::Run find(std::string_view name, std::span<const std::span<const Kernel>> tables) {
  for (std::span<const Kernel> table : tables)
    for (const Kernel& k : table)
      if (k.name == name) return k.run;
  return nullptr;
}

plan::Run find(std::string_view name, Isa isa) { return find(name, kernels(isa)); }

}  // namespace saha::kernels
