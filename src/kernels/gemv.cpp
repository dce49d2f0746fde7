// Panels and pieces of a product of few rows; its packed layout: panel after panel, each [K][columns]. A last vector of few
// columns is read whole, into the next row: weights come from the second-level cache as soon as there are some layers, where every byte counts.
#include "kernels/gemv.hpp"

#include <algorithm>

#include "base/result.hpp"

namespace saha::kernels {
namespace {
constexpr double kPieceProducts = 2.5e5;   // a MiB of weights and some 20 us: large against handing out a piece
constexpr std::int64_t kMaxPieces = 64;

std::int64_t vectors_of(Isa isa, const GemvShape& s) { return (s.n + lanes(isa) - 1) / lanes(isa); }
}  // namespace

GemvParams prepare_gemv(Isa isa, const GemvShape& shape, const Epilogue& epilogue) {
  SAHA_ASSERT(shape.m >= 1 && shape.m <= kGemvRows && shape.n >= 1 && shape.k >= 1);
  GemvParams g;
  g.shape = shape;
  g.epilogue = epilogue;
  const std::int64_t most = gemv_most_vectors(shape.m, lanes(isa)), vectors = vectors_of(isa, shape), panels = (vectors + most - 1) / most;
  const auto wanted = static_cast<std::int64_t>(double(shape.n) * double(shape.k) / kPieceProducts);
  g.panels = static_cast<std::uint32_t>(panels);
  g.vectors = static_cast<std::uint32_t>(vectors / panels), g.wider = static_cast<std::uint32_t>(vectors % panels);
  g.pieces = static_cast<std::uint32_t>(std::clamp<std::int64_t>(wanted, 1, std::min(panels, kMaxPieces)));
  return g;
}

std::uint32_t grid(const GemvParams& params) { return params.pieces; }

std::int64_t packed_gemv_size(Isa isa, const GemvParams& params) { return params.shape.n * params.shape.k + lanes(isa) - 1; }

void pack_gemv(Isa isa, const GemvParams& params, const float* b, std::int64_t row, std::int64_t col, std::span<float> out) {
  const GemvShape& s = params.shape;
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_gemv_size(isa, params));
  float* o = out.data();
  std::int64_t begin = 0;
  for (std::uint32_t i = 0; i < params.panels; ++i) {
    const std::int64_t end = std::min(s.n, begin + (params.vectors + (i < params.wider ? 1 : 0)) * lanes(isa));
    for (std::int64_t p = 0; p < s.k; ++p)
      for (std::int64_t j = begin; j < end; ++j) *o++ = b[p * row + j * col];
    begin = end;
  }
  std::fill_n(o, lanes(isa) - 1, 0.f);
}

}  // namespace saha::kernels
