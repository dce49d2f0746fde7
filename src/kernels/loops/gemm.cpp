// gemm_f32: pieces are (batch, block of columns, block of rows), rows fastest. Consecutive pieces of one block of columns share its
// packed panels. Contract in kernels/gemm.hpp.
#include "kernels/gemm.hpp"

#include "kernels/loops/gemm_tile.hpp"
#include "kernels/loops/operands.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// Columns [n0, n1), depths [p0, p0 + depth) as panels: in place, from the packed constant, or copied to `scratch`.
int make_panels(const GemmParams& g, const float* b, int64_t n0, int64_t n1, int64_t p0, int64_t depth, float* scratch, Panel* panels) {
  const GemmShape& s = g.shape;
  int count = 0;
  for (int64_t n = n0; n < n1; ++count) {
    const int vectors = panel_vectors(g.b_packed ? s.n - n : n1 - n, W, g.a_packed);
    const int columns = static_cast<int>(least<int64_t>(vectors * W, n1 - n));
    Panel& q = panels[count] = {nullptr, vectors * W, n, vectors, columns};
    if (g.b_packed) {
      q.b = b + n * s.k + p0 * vectors * W;
    } else if (g.b_direct && columns == vectors * W) {
      q.b = b + p0 * s.b_row + n, q.step = s.b_row;
    } else {
      if (s.b_col == 1)
        pack_rows(b + p0 * s.b_row + n, s.b_row, depth, vectors, columns, scratch);
      else if (s.b_row == 1)
        pack_columns(b + n * s.b_col + p0, s.b_col, depth, vectors, columns, scratch);
      else
        for (int64_t p = 0; p < depth; ++p)
          for (int j = 0; j < vectors * W; ++j)
            scratch[p * vectors * W + j] = j < columns ? b[(p0 + p) * s.b_row + (n + j) * s.b_col] : 0;
      q.b = scratch;
      scratch += depth * vectors * W;
    }
    n += vectors * W;
  }
  return count;
}

void run_gemm(const plan::Call& call) {
  const GemmParams& g = *static_cast<const GemmParams*>(call.params);
  const GemmShape& s = g.shape;
  const auto [a, b, bias, residual, c] = operands_of(call);
  for (std::uint32_t piece = call.begin; piece < call.end;) {
    const std::uint32_t mb = piece % g.m_blocks, nb = piece / g.m_blocks % g.n_blocks, batch = piece / g.m_blocks / g.n_blocks;
    const std::uint32_t count = least(call.end - piece, g.m_blocks - mb);
    piece += count;
    const int64_t m0 = int64_t{mb} * g.m_block, m1 = least(s.m, m0 + int64_t{count} * g.m_block);
    const int64_t n0 = int64_t{nb} * g.n_block, n1 = least(s.n, n0 + g.n_block);
    int64_t a_at = 0, b_at = 0, rest = batch;
    for (int d = s.batch_rank - 1; d >= 0; --d) {
      a_at += rest % s.batch[d] * s.a_batch[d];
      b_at += rest % s.batch[d] * s.b_batch[d];
      rest /= s.batch[d];
    }
    const int64_t c_at = batch * s.m * s.c_row;
    Out out = make_out(c + c_at, s.c_row, bias, residual ? residual + c_at : nullptr, g.epilogue);
    for (int64_t p0 = 0; p0 < most<int64_t>(s.k, 1); p0 += g.k_block) {
      const int64_t depth = least<int64_t>(g.k_block, s.k - p0);
      out.first = p0 == 0, out.last = p0 + g.k_block >= s.k;
      Panel panels[kMaxPanels];
      const int panel_count = make_panels(g, b + b_at, n0, n1, p0, depth, reinterpret_cast<float*>(call.scratch), panels);
      const Rows rows = g.a_packed ? Rows{a + p0 * kPackRows, 1, kPackRows, s.k * kPackRows}
                                   : Rows{a + a_at + p0 * s.a_col, s.a_row, s.a_col, 0};
      multiply(rows, panels, panel_count, depth, out, m0, m1);
    }
  }
}

constexpr Kernel kRowsOfTable[] = {{"gemm_f32", run_gemm}};

}  // namespace

extern const std::span<const Kernel> kGemm;
constinit const std::span<const Kernel> kGemm = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
