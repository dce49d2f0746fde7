// Packing of constant operands and the choice of blocks. Layouts: A in groups of `lanes` rows, each [K][lanes]; B in panels of
// `panel_vectors` vectors, each [K][columns].
#include "kernels/gemm.hpp"

#include <algorithm>
#include <cmath>

#include "base/result.hpp"
#include "kernels/blocks.hpp"
#include "kernels/panels.hpp"

namespace saha::kernels {
namespace {

/// A panel of three vectors of 8 lanes and this depth fills most of a 32 KiB cache. With 16 it is read from the second-level cache in any case, as fast as it is multiplied, and what counts is how often sums are stored.
constexpr std::int64_t depth_of(int lanes) { return lanes == 16 ? 768 : 256; }
constexpr std::int64_t kPanelBytes = 192 << 10; // packed panels of a block: well within a second-level cache of 512 KiB
constexpr double kPieceProducts = 1.5e6;        // some 50 us of work: small against a run, large against handing out a piece
constexpr std::int64_t kMaxPanels = 48, kMaxPieces = 64;

std::int64_t up(std::int64_t a, std::int64_t to) { return (a + to - 1) / to * to; }

}  // namespace

std::int64_t packed_gemm_a_size(Isa isa, std::int64_t m, std::int64_t k) { return up(m, lanes(isa)) * k; }

std::int64_t packed_gemm_b_size(Isa isa, std::int64_t n, std::int64_t k) { return panel_columns(n, lanes(isa), false) * k; }

void pack_gemm_a(Isa isa, const float* a, std::int64_t row, std::int64_t col, std::int64_t m, std::int64_t k, std::span<float> out) {
  const int group = lanes(isa);
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_gemm_a_size(isa, m, k));
  float* o = out.data();
  for (std::int64_t i0 = 0; i0 < m; i0 += group)
    for (std::int64_t p = 0; p < k; ++p)
      for (std::int64_t i = i0; i < i0 + group; ++i) *o++ = i < m ? a[i * row + p * col] : 0.f;
}

void pack_gemm_b(Isa isa, const float* b, std::int64_t row, std::int64_t col, std::int64_t k, std::int64_t n, std::span<float> out) {
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_gemm_b_size(isa, n, k));
  float* o = out.data();
  for (std::int64_t n0 = 0; n0 < n;) {
    const std::int64_t width = panel_vectors(n - n0, lanes(isa), false) * lanes(isa);
    for (std::int64_t p = 0; p < k; ++p)
      for (std::int64_t j = n0; j < n0 + width; ++j) *o++ = j < n ? b[p * row + j * col] : 0.f;
    n0 += width;
  }
}

GemmParams prepare_gemm(Isa isa, const GemmShape& shape, const Epilogue& epilogue, bool a_packed, bool b_packed, std::uint32_t blocks) {
  SAHA_ASSERT(!(a_packed && b_packed));
  const Blocks b = kBlocks[blocks];
  const std::int64_t depth = scaled(depth_of(lanes(isa)), b.depth);
  GemmParams g;
  g.shape = shape;
  g.epilogue = epilogue;
  g.blocks = blocks;
  g.a_packed = a_packed, g.b_packed = b_packed;
  const int w = lanes(isa);
  const std::int64_t m = shape.m, n = shape.n, k = std::max<std::int64_t>(shape.k, 1), panel = 3 * w;
  std::int64_t batches = 1;
  for (int d = 0; d < shape.batch_rank; ++d) batches *= shape.batch[d];
  g.batches = static_cast<std::uint32_t>(batches);
  if (m == 0 || n == 0 || batches == 0) {
    g.batches = 0;
    g.m_block = g.n_block = g.k_block = 1;
    g.m_blocks = g.n_blocks = 1;
    return g;
  }
  const std::int64_t k_blocks = (k + depth - 1) / depth;
  g.k_block = static_cast<std::int32_t>((k + k_blocks - 1) / k_blocks);
  // Columns are cut first: a second block of rows would pack the same panels again.
  const double products = double(m) * double(n) * double(k) * double(batches);
  const std::int64_t wanted = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ldexp(products / kPieceProducts / double(batches), b.pieces)), 1, scaled(kMaxPieces, b.pieces));
  const std::int64_t fit = std::min(kMaxPanels - 3, std::max<std::int64_t>(1, kPanelBytes / 4 / g.k_block / panel)) * panel;
  std::int64_t n_block = std::min(fit, std::max(panel, up((n + wanted - 1) / wanted, panel)));
  // A last block of at most one vector is slow, and would cut the pair of panels that ends a packed B: let the blocks be a little wider.
  while (n_block < n && (n - 1) % n_block + 1 <= w) n_block += panel;
  const std::int64_t n_blocks = (n + n_block - 1) / n_block;
  const std::int64_t rows = 2 * std::max(w, 8);
  const std::int64_t m_wanted = std::max<std::int64_t>(1, std::min(wanted / n_blocks, m / std::max<std::int64_t>(rows, 64)));
  const std::int64_t m_block = up((m + m_wanted - 1) / m_wanted, rows);
  g.n_block = static_cast<std::int32_t>(n_block), g.n_blocks = static_cast<std::uint32_t>(n_blocks);
  g.m_block = static_cast<std::int32_t>(m_block), g.m_blocks = static_cast<std::uint32_t>((m + m_block - 1) / m_block);
  g.b_direct = !b_packed && shape.b_col == 1 && m <= 32;
  if (!b_packed) g.scratch = static_cast<std::uint64_t>(std::min(panel_columns(n_block, w, a_packed), n_block + 2 * w) * g.k_block) * 4;
  return g;
}

std::uint64_t scratch_bytes(const GemmParams& params) { return params.scratch; }

std::uint32_t grid(const GemmParams& params) { return params.batches * params.n_blocks * params.m_blocks; }

}  // namespace saha::kernels
