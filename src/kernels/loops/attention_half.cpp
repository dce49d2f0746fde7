// attention_bf16: its products by vdpbf16ps, of operands rounded as they are packed; all else is attention_f32's. Contract in kernels/attention.hpp.
#include "kernels/attention.hpp"

#include "kernels/loops/attention_products.hpp"
#include "kernels/loops/half_tile.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// Panels of two vectors, a last one of one where no more columns are left; of each a unit, two numbers of the depth, after the other.
void pack(const float* b, int64_t row, int64_t column, int64_t depth, int64_t n, float* out) {
  const int64_t units = (depth + 1) / 2;
  for (int64_t j = 0; j < n;) {
    const int vectors = panel_vectors(HalfProduct::dots, n - j);
    const int columns = static_cast<int>(least<int64_t>(vectors * W, n - j));
    if (column == 1) {
      auto* to = reinterpret_cast<UnalignedI*>(out);
      for (int64_t u = 0; u < units; ++u)
        for (int v = 0; v < vectors; ++v) {
          const float* from = b + 2 * u * row + j + v * W;
          const int64_t left = most<int64_t>(0, columns - v * W);
          const I first = __builtin_convertvector(to_bfloats(load_up_to(from, left)), I), second = 2 * u + 1 < depth ? __builtin_convertvector(to_bfloats(load_up_to(from + row, left)), I) : I{};
          *to++ = first | second << 16;
        }
    } else {
      constexpr int64_t kUnits = 64;
      alignas(64) float rows[2 * W * kUnits];
      for (int64_t u = 0; u < units; u += kUnits) {
        const int64_t some = least(kUnits, units - u);
        for (int i = 0; i < columns; ++i) round_pairs(b + (j + i) * column + 2 * u, least(depth - 2 * u, 2 * some), reinterpret_cast<std::uint16_t*>(rows + i * kUnits));
        pack_columns(rows, kUnits, some, vectors, columns, out + u * vectors * W);
      }
    }
    j += vectors * W, out += units * vectors * W;
  }
}

void multiply(float* a, int64_t a_row, int64_t m, const float* b, int64_t k, int64_t n, float* c) {
  const int64_t units = (k + 1) / 2;
  auto* rows = reinterpret_cast<std::uint16_t*>(a);   // no row ends behind where it began, so that none is written over before it is read
  for (int64_t i = 0; i < m; ++i) round_pairs(a + i * a_row, k, rows + i * 2 * units);
  const Epilogue none;
  const Out out = make_out(c, n, nullptr, nullptr, none);
  for (int64_t j = 0; j < n;) {
    const int vectors = panel_vectors(HalfProduct::dots, n - j);
    const auto* panel = reinterpret_cast<const int32_t*>(b) + j * units;
    Ahead ahead(panel, 0, 1, units);
    multiply_dots(rows, m, units, panel, out, 0, j, vectors * W, ahead);
    j += vectors * W;
  }
}

void run(const plan::Call& call) { SAHA_ISA_FLOATS::run_attention(call, {pack, multiply}); }

constexpr Kernel kRowsOfTable[] = {{"attention_bf16", run}};

}  // namespace

extern const std::span<const Kernel> kAttentionHalf;
constinit const std::span<const Kernel> kAttentionHalf = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
