#include "kernels/isa.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

// One table per family of loops and level, defined beside the loops.
#define SAHA_KERNEL_TABLES(isa)                                                                                             \
  namespace isa {                                                                                                           \
  extern const std::span<const Kernel> kGemm, kConv, kDepthwise, kElementwise, kRows, kPool, kMovement, kResize, kRecurrent; \
  }

namespace saha::kernels {

SAHA_KERNEL_TABLES(generic)
#if defined(__x86_64__)
SAHA_KERNEL_TABLES(avx2)
SAHA_KERNEL_TABLES(avx512)
#endif

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::generic: return "generic";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
  }
  return "?";
}

#if defined(__x86_64__)
namespace {

std::uint64_t enabled_state() {  // XCR0: which registers the operating system saves
  std::uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low | static_cast<std::uint64_t>(high) << 32;
}

bool bit(std::uint32_t word, int n) { return word >> n & 1; }

}  // namespace

Isa detect_isa() {
  std::uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return Isa::generic;
  const bool fma = bit(c, 12), osxsave = bit(c, 27), avx = bit(c, 28), f16c = bit(c, 29);
  if (!(fma && osxsave && avx && f16c)) return Isa::generic;
  const std::uint64_t state = enabled_state();
  if ((state & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !bit(b, 5)) return Isa::generic;
  const bool avx512 = bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31) && (state & 0xe6) == 0xe6;
  return avx512 ? Isa::avx512 : Isa::avx2;
}

bool has_vnni() {
  std::uint32_t a, b, c, d;
  return detect_isa() == Isa::avx512 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && bit(c, 11);
}
#else
Isa detect_isa() { return Isa::generic; }
bool has_vnni() { return false; }
#endif

std::span<const std::span<const Kernel>> kernels(Isa isa) {
#define SAHA_TABLES_OF(isa) \
  static const std::span<const Kernel> tables[] = {isa::kGemm, isa::kConv, isa::kDepthwise, isa::kElementwise, isa::kRows, isa::kPool, isa::kMovement, isa::kResize, isa::kRecurrent}; \
  return tables
  switch (isa) {
#if defined(__x86_64__)
    case Isa::avx512: { SAHA_TABLES_OF(avx512); }
    case Isa::avx2: { SAHA_TABLES_OF(avx2); }
#endif
    default: { SAHA_TABLES_OF(generic); }
  }
}

plan::Run find(std::string_view name, Isa isa) {
  for (std::span<const Kernel> table : kernels(isa))
    for (const Kernel& k : table)
      if (k.name == name) return k.run;
  return nullptr;
}

}  // namespace saha::kernels
