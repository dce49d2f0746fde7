// The instruction takes three cycles and a new one may begin every cycle: four streams side by side, joined by crc(a b) = crc(a) x^(8 |b|) + crc(b) over GF(2).
#include "bundle/checksum.hpp"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <nmmintrin.h>
#endif

namespace saha::bundle {
namespace {
constexpr std::uint32_t kPolynomial = 0x82f63b78;

constexpr auto kTable = [] {
  std::array<std::uint32_t, 256> t{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = c & 1 ? c >> 1 ^ kPolynomial : c >> 1;
    t[i] = c;
  }
  return t;
}();

#if defined(__x86_64__)
/// a b modulo the polynomial; bit 31 is x^0.
std::uint32_t product(std::uint32_t a, std::uint32_t b) {
  std::uint32_t r = 0;
  for (std::uint32_t bit = 1u << 31; bit; bit >>= 1) {
    if (a & bit) r ^= b;
    b = b & 1 ? b >> 1 ^ kPolynomial : b >> 1;
  }
  return r;
}
/// x^(8 n)
std::uint32_t shift(std::uint64_t n) {
  std::uint32_t r = 1u << 31, square = 1u << 23;
  for (; n; n >>= 1, square = product(square, square)) if (n & 1) r = product(r, square);
  return r;
}

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::span<const std::byte> bytes) {
  const auto word = [](const std::byte* p) {
    std::uint64_t w;
    std::memcpy(&w, p, 8);
    return w;
  };
  const std::byte* p = bytes.data();
  const std::size_t quarter = bytes.size() / 32 * 8;
  std::uint64_t s[4] = {0xffffffff, 0, 0, 0};
  for (std::size_t i = 0; i < quarter; i += 8)
    for (std::size_t k = 0; k < 4; ++k) s[k] = _mm_crc32_u64(s[k], word(p + k * quarter + i));
  std::uint32_t crc = std::uint32_t(s[0]);
  if (quarter) {
    const std::uint32_t over = shift(quarter);
    for (int k = 1; k < 4; ++k) crc = product(crc, over) ^ std::uint32_t(s[k]);
  }
  for (const std::byte b : bytes.subspan(4 * quarter)) crc = _mm_crc32_u8(crc, std::uint8_t(b));
  return ~crc;
}
/// SSE4.2: the compiler's own question of the processor is for all there is, and has 4.5 kB.
bool has_instruction() {
  static const bool has = [] {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2);
  }();
  return has;
}
#endif
}  // namespace

std::uint32_t crc32c_by_table(std::span<const std::byte> bytes) {
  std::uint32_t c = 0xffffffff;
  for (const std::byte b : bytes) c = c >> 8 ^ kTable[(c ^ std::uint32_t(b)) & 0xff];
  return ~c;
}
std::uint32_t crc32c(std::span<const std::byte> bytes) {
#if defined(__x86_64__)
  if (has_instruction()) return by_instruction(bytes);
#endif
  return crc32c_by_table(bytes);
}

}  // namespace saha::bundle
