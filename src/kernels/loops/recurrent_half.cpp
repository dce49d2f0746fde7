// lstm_bf16, gru_bf16: products of few rows of bfloat16 with up to four vectors of columns. Contract in kernels/recurrent.hpp.
#include "kernels/isa.hpp"
#include "kernels/loops/dots.hpp"
#include "kernels/loops/recurrent_products.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// Rows of a tile, whose sums leave registers for a row of the panel. One or two vectors are of the rarer kind of GRU.
template <int N>
constexpr int tile_rows_of() { return N > 2 ? 24 / N : 4; }

/// sums[i][j] = row i times vector j of columns; of a single row in interleaved parts, which would wait for one another else.
template <int N, int R = tile_rows_of<N>()>
[[gnu::noinline]] int multiply(const std::uint16_t* a, int64_t pairs, const float* panel, int64_t rows, float* sums) {
  if constexpr (R > 1)
    if (rows < R) return multiply<N, (R > 2 ? 2 : 1)>(a, pairs, panel, rows, sums);
  constexpr int U = R > 1 ? 1 : N > 2 ? 2 : 4;
  const auto* w = reinterpret_cast<const int32_t*>(panel);
  V acc[U][R][N] = {};
  const auto add = [&](int u, int64_t p) __attribute__((always_inline)) {
    I column[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) column[j] = load(w + j * W);
    w += N * W;
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const I x = I{} + unit(a + 2 * (i * pairs + p));
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) acc[u][i][j] = plus_dots(acc[u][i][j], x, column[j]);
    }
  };
  int64_t p = 0;
#pragma GCC unroll 1
  for (; p + U <= pairs; p += U)
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) add(u, p + u);
  if constexpr (U > 1)
#pragma GCC unroll 1
    for (; p < pairs; ++p) add(0, p);
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j, sums += W) {
      if constexpr (U == 4) store(sums, (acc[0][i][j] + acc[2][i][j]) + (acc[1][i][j] + acc[3][i][j]));
      else if constexpr (U == 2) store(sums, acc[0][i][j] + acc[1][i][j]);
      else store(sums, acc[0][i][j]);
    }
  return R;
}

constexpr RecurrentProducts kProducts = {round_pairs, {multiply<1>, multiply<2>, multiply<3>, multiply<4>}};
void run(const plan::Call& call) { SAHA_ISA_FLOATS::run_recurrent(call, &kProducts); }

constexpr Kernel kRowsOfTable[] = {{"lstm_bf16", run}, {"gru_bf16", run}};

}  // namespace

extern const std::span<const Kernel> kRecurrentHalf;
constinit const std::span<const Kernel> kRecurrentHalf = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
