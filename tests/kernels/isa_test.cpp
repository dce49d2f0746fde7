#include "kernels/isa.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <csignal>
#include <cstdio>
#include <set>

#include "kernels/algorithm.hpp"
#include "kernels/attention.hpp"
#include "kernels/conv_half.hpp"
#include "kernels/recurrent.hpp"
#include "tests/kernels/harness.hpp"

namespace saha::kernels {
namespace generic {
extern const char* broken_rule(float* end);
}
#if defined(__x86_64__)
namespace avx2 {
extern const char* broken_rule(float* end);
}
namespace avx512 {
extern const char* broken_rule(float* end);
}
namespace avx512_by_avx2 {
extern const char* broken_rule(float* end);
}
namespace avx512bf16 {
extern const char* broken_dot_rule();
}
namespace avx512bf16_by_avx2 {
extern const char* broken_dot_rule();
}
namespace avx512amx {
extern const char* broken_tile_rule();
extern void multiply_tiles_misfit_by(int row, int unit, int column);
}
namespace avx512amx_by_avx2 {
extern const char* broken_tile_rule();
extern void multiply_tiles_misfit_by(int row, int unit, int column);
}
#elif defined(__aarch64__)
namespace neon {
extern const char* broken_rule(float* end);
}
#endif

namespace {
using namespace test;

constexpr CpuWords kAvx2{1u << 12 | 1u << 28 | 1u << 29, 1u << 5, 0x6};
constexpr CpuWords kAvx512{kAvx2.leaf1_ecx, kAvx2.leaf7_ebx | 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31, 0xe6};
constexpr CpuWords kVnni{kAvx512.leaf1_ecx, kAvx512.leaf7_ebx, kAvx512.xcr0, 1u << 11};
constexpr CpuWords kBf16{kVnni.leaf1_ecx, kVnni.leaf7_ebx, kVnni.xcr0, kVnni.leaf7_ecx, 0, 1u << 5};
constexpr CpuWords kAmx{kBf16.leaf1_ecx, kBf16.leaf7_ebx, kBf16.xcr0 | 1u << 17 | 1u << 18, kBf16.leaf7_ecx, 1u << 22 | 1u << 24 | 1u << 25, kBf16.leaf7_1_eax, true};

TEST(Isa, a_missing_feature_takes_one_to_the_highest_level_without_it) {
  EXPECT_EQ(highest_isa(CpuWords{}), Isa::generic);
  EXPECT_EQ(highest_isa(kAvx2), Isa::avx2);
  EXPECT_EQ(highest_isa(kAvx512), Isa::avx512);
  EXPECT_EQ(highest_isa(CpuWords{~0u, ~0u, ~0ull}), Isa::avx512);
  EXPECT_EQ(highest_isa(kVnni), Isa::avx512vnni);
  EXPECT_EQ(highest_isa(CpuWords{kAvx2.leaf1_ecx, kAvx2.leaf7_ebx, kAvx2.xcr0, ~0u}), Isa::avx2);
  for (int i = 0; i < 64; ++i) {
    const std::uint32_t word = i < 32 ? ~(1u << i) : ~0u;
    const CpuWords lacking[] = {{kAvx512.leaf1_ecx & word, kAvx512.leaf7_ebx, kAvx512.xcr0},
                                {kAvx512.leaf1_ecx, kAvx512.leaf7_ebx & word, kAvx512.xcr0},
                                {kAvx512.leaf1_ecx, kAvx512.leaf7_ebx, kAvx512.xcr0 & ~(1ull << i)}};
    const std::uint64_t needs[][2] = {{kAvx512.leaf1_ecx, kAvx2.leaf1_ecx}, {kAvx512.leaf7_ebx, kAvx2.leaf7_ebx}, {kAvx512.xcr0, kAvx2.xcr0}};
    for (int k = 0; k < 3; ++k) {
      const Isa want = needs[k][1] >> i & 1 ? Isa::generic : needs[k][0] >> i & 1 ? Isa::avx2 : Isa::avx512;
      EXPECT_EQ(highest_isa(lacking[k]), want) << "word " << k << " without bit " << i;
    }
  }
}

TEST(Isa, dot_products_of_bfloat16_need_their_feature_and_all_below) {
  EXPECT_EQ(highest_isa(kBf16), Isa::avx512bf16);
  CpuWords w = kBf16;
  w.leaf7_1_eax = ~(1u << 5);
  EXPECT_EQ(highest_isa(w), Isa::avx512vnni);
  w = kBf16, w.leaf7_ecx = 0;
  EXPECT_EQ(highest_isa(w), Isa::avx512);
  w = kBf16, w.xcr0 = 0x6;   // zmm is not saved
  EXPECT_EQ(highest_isa(w), Isa::avx2);
  w.xcr0 = 0;
  EXPECT_EQ(highest_isa(w), Isa::generic);
}

TEST(Isa, tiles_need_their_features_their_state_and_the_permission_of_the_system) {
  EXPECT_EQ(highest_isa(kAmx), Isa::avx512amx);
  CpuWords w = kAmx;
  w.tiles = false;   // refused
  EXPECT_EQ(highest_isa(w), Isa::avx512bf16);
  w = kAmx, w.leaf7_ecx = 0;
  EXPECT_EQ(highest_isa(w), Isa::avx512);
  for (int i = 0; i < 32; ++i) {
    CpuWords feature = kAmx, state = kAmx;
    feature.leaf7_edx &= ~(1u << i);
    EXPECT_EQ(highest_isa(feature), kAmx.leaf7_edx >> i & 1 ? Isa::avx512bf16 : Isa::avx512amx) << i;
    if (kVnni.xcr0 >> i & 1) continue;
    state.xcr0 &= ~(1ull << i);
    EXPECT_EQ(highest_isa(state), kAmx.xcr0 >> i & 1 ? Isa::avx512bf16 : Isa::avx512amx) << i;
  }
}

TEST(Isa, hardware_capabilities_decide_between_levels_of_neon) {
  constexpr std::uint64_t kAsimd = 1u << 1, kFpHp = 1u << 9, kAsimdHp = 1u << 10, kAsimdDp = 1u << 20, kI8mm = 1u << 13, kBfloats = 1u << 14, kA76 = kAsimd | kFpHp | kAsimdHp | kAsimdDp;
  EXPECT_EQ(highest_isa(ArmWords{}), Isa::generic);
  EXPECT_EQ(highest_isa(ArmWords{kAsimd}), Isa::neon);
  EXPECT_EQ(highest_isa(ArmWords{~kAsimdDp, ~0ull}), Isa::neon);
  EXPECT_EQ(highest_isa(ArmWords{kAsimd | kAsimdDp}), Isa::neon_dot);
  for (std::uint64_t half : {kFpHp, kAsimdHp}) EXPECT_EQ(highest_isa(ArmWords{~half, ~0ull}), Isa::neon_dot);
  EXPECT_EQ(highest_isa(ArmWords{kA76}), Isa::neon_fp16);
  EXPECT_EQ(highest_isa(ArmWords{~0ull, ~kI8mm}), Isa::neon_fp16);
  EXPECT_EQ(highest_isa(ArmWords{~0ull, ~kBfloats}), Isa::neon_i8mm);
  EXPECT_EQ(highest_isa(ArmWords{kA76, kI8mm | kBfloats}), Isa::neon_bf16);
  EXPECT_EQ(highest_isa(ArmWords{~kAsimd, ~0ull}), Isa::generic);
}

TEST(Isa, a_cpu_runs_its_own_levels_up_to_its_highest_one) {
  for (Isa cpu : kLevels) {
    EXPECT_TRUE(runs(cpu, cpu) && runs(cpu, Isa::generic)) << name(cpu);
    EXPECT_EQ(runs(Isa::generic, cpu), cpu == Isa::generic) << name(cpu);
  }
  EXPECT_TRUE(runs(Isa::avx512amx, Isa::avx512vnni) && runs(Isa::avx512vnni, Isa::avx2) && runs(Isa::neon_dot, Isa::neon));
  EXPECT_FALSE(runs(Isa::avx2, Isa::avx512) || runs(Isa::neon, Isa::neon_dot));
  EXPECT_FALSE(runs(Isa::neon_dot, Isa::avx2) || runs(Isa::avx512vnni, Isa::neon) || runs(Isa::avx512vnni, Isa::avx512amx) || runs(Isa::neon, Isa::avx512amx));
  for (Isa isa : kLevels) EXPECT_EQ(kernels(isa).empty(), is_neon(isa) != is_neon(detect_isa()) && isa != Isa::generic) << name(isa);
}

TEST(Isa, every_level_has_every_kernel_and_no_name_twice) {
  std::set<std::string_view> first;
  for (Isa isa : levels()) {
    std::set<std::string_view> names;
    for (std::span<const Kernel> table : tables(isa))
      for (const Kernel& k : table) {
        EXPECT_TRUE(names.insert(k.name).second) << k.name;
        EXPECT_EQ(find(k.name, tables(isa)), k.run);
        EXPECT_NE(algorithm(k.name), "") << k.name << " is missing in kernels/algorithm.cpp";
      }
    for (const Half half : {Half::bfloat16, Half::float16}) EXPECT_EQ(names.erase(half == Half::bfloat16 ? "conv_bf16" : "conv_f16"), product_of(isa, half) ? 1u : 0u) << name(isa);
    EXPECT_EQ(names.erase("attention_bf16"), has_bfloat_dots(isa) ? 1u : 0u) << name(isa);
    EXPECT_EQ(names.erase("row_bands_bf16"), product_of(isa, Half::bfloat16) ? 1u : 0u) << name(isa);
    for (std::string_view recurrent : {"lstm_bf16", "gru_bf16"}) EXPECT_EQ(names.erase(recurrent), has_bfloat_dots(isa) ? 1u : 0u) << name(isa) << " " << recurrent;
    for (std::string_view left_out : {"row_filter_f32", "winograd_i8"}) EXPECT_EQ(names.erase(left_out), isa == Isa::generic ? 0u : 1u) << name(isa) << " " << left_out;
    if (first.empty()) first = names;
    EXPECT_EQ(names, first) << name(isa);
  }
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(find("no_such_kernel", Isa::generic), nullptr);
  EXPECT_EQ(algorithm("no_such_kernel"), "");
}

TEST(Isa, vectors_of_every_level_keep_their_rules_to_the_last_lane) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* memory = ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto* end = static_cast<std::byte*>(memory) + page;
  ASSERT_EQ(::mprotect(end, page, PROT_NONE), 0);
  const auto check = [&](const char* level, const char* (*broken_rule)(float*)) {
    const char* broken = broken_rule(reinterpret_cast<float*>(end));
    EXPECT_EQ(broken, nullptr) << level << ": " << broken;
  };
  check("generic", generic::broken_rule);
#if defined(__x86_64__)
  if (detect_isa() >= Isa::avx2) check("avx2", avx2::broken_rule), check("avx512 by avx2", avx512_by_avx2::broken_rule);
  if (detect_isa() >= Isa::avx512) check("avx512", avx512::broken_rule);
#elif defined(__aarch64__)
  check("neon", neon::broken_rule);
#endif
  ::munmap(memory, 2 * page);
}

#if defined(__x86_64__)
TEST(Isa, dot_products_of_bfloat16_keep_their_definition) {
  const auto check = [](const char* (*broken_dot_rule)()) {
    const char* broken = broken_dot_rule();
    EXPECT_EQ(broken, nullptr) << broken;
  };
  if (runs(detect_isa(), Isa::avx2)) check(avx512bf16_by_avx2::broken_dot_rule);
  if (runs(detect_isa(), Isa::avx512bf16)) check(avx512bf16::broken_dot_rule);
  else std::puts("this CPU has no AVX512-BF16: its instructions are emulated");
}

TEST(Isa, tiles_are_loaded_multiplied_and_stored_by_their_definition) {
  const auto check = [](const char* (*broken_tile_rule)(), void (*misfit)(int, int, int)) {
    const char* broken = broken_tile_rule();
    EXPECT_EQ(broken, nullptr) << broken;
    misfit(0, 0, 0);
    EXPECT_EXIT(misfit(1, 0, 0), testing::KilledBySignal(SIGILL), "");
    EXPECT_EXIT(misfit(0, 1, 0), testing::KilledBySignal(SIGILL), "");
    EXPECT_EXIT(misfit(0, 0, 1), testing::KilledBySignal(SIGILL), "");
  };
  if (runs(detect_isa(), Isa::avx2)) check(avx512amx_by_avx2::broken_tile_rule, avx512amx_by_avx2::multiply_tiles_misfit_by);
  if (runs(detect_isa(), Isa::avx512amx)) check(avx512amx::broken_tile_rule, avx512amx::multiply_tiles_misfit_by);
  else std::puts("this CPU has no AMX: its tiles are emulated");
}
#endif

}  // namespace
}  // namespace saha::kernels
