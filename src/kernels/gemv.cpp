// Panels and pieces of a product of few rows; its packed layout: panel after panel, each [K][columns]. A last vector of few
// columns is read whole, into the next row: weights come from the second-level cache as soon as there are some layers, where every byte counts.
#include "kernels/gemv.hpp"

#include <algorithm>

#include "base/result.hpp"

namespace saha::kernels {
namespace {
constexpr double kPieceProducts = 2.5e5;   // a MiB of weights and some 20 us: large against handing out a piece
constexpr std::int64_t kMaxPieces = 64;
constexpr std::int64_t kMostApart = 5;     // with more, sums across lanes take longer than what reading across lines costs

/// Last columns that stand apart: measured with 16 lanes only.
std::int64_t apart_of(Isa isa, const GemvShape& s) {
  const std::int64_t rest = s.n % lanes(isa);
  return lanes(isa) == 16 && rest <= kMostApart && s.a_step == 1 && s.k >= lanes(isa) ? rest : 0;
}
}  // namespace

GemvParams prepare_gemv(Isa isa, const GemvShape& shape, const Epilogue& epilogue) {
  SAHA_ASSERT(shape.m >= 1 && shape.m <= kGemvRows && shape.n >= 1 && shape.k >= 1);
  GemvParams g;
  g.shape = shape;
  g.epilogue = epilogue;
  const std::int64_t most = gemv_most_vectors(shape.m, lanes(isa)), apart = apart_of(isa, shape), vectors = (shape.n - apart + lanes(isa) - 1) / lanes(isa), panels = (vectors + most - 1) / most;
  const auto wanted = static_cast<std::int64_t>(double(shape.n) * double(shape.k) / kPieceProducts);
  g.panels = static_cast<std::uint32_t>(panels), g.apart = static_cast<std::uint32_t>(apart);
  if (panels > 0) g.vectors = static_cast<std::uint32_t>(vectors / panels), g.wider = static_cast<std::uint32_t>(vectors % panels);
  g.pieces = static_cast<std::uint32_t>(std::clamp<std::int64_t>(wanted, 1, std::clamp<std::int64_t>(panels, 1, kMaxPieces)));
  return g;
}

std::uint32_t grid(const GemvParams& params) { return params.pieces; }

std::int64_t packed_gemv_size(Isa isa, const GemvParams& params) {
  const GemvShape& s = params.shape;
  return params.apart ? (s.n - params.apart) * s.k + params.apart * gemv_column(s.k, lanes(isa)) : s.n * s.k + lanes(isa) - 1;
}

void pack_gemv(Isa isa, const GemvParams& params, const float* b, std::int64_t row, std::int64_t col, std::span<float> out) {
  const GemvShape& s = params.shape;
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_gemv_size(isa, params));
  float* o = out.data();
  std::int64_t begin = 0;
  for (std::uint32_t i = 0; i < params.panels; ++i) {
    const std::int64_t end = std::min(s.n - std::int64_t{params.apart}, begin + (params.vectors + (i < params.wider ? 1 : 0)) * lanes(isa));
    for (std::int64_t p = 0; p < s.k; ++p)
      for (std::int64_t j = begin; j < end; ++j) *o++ = b[p * row + j * col];
    begin = end;
  }
  if (params.apart == 0) std::fill_n(o, lanes(isa) - 1, 0.f);
  for (std::int64_t j = s.n - params.apart; j < s.n; ++j)
    for (std::int64_t p = 0, end = params.apart ? gemv_column(s.k, lanes(isa)) : 0; p < end; ++p) *o++ = p < s.k ? b[p * row + j * col] : 0.f;
}

}  // namespace saha::kernels
