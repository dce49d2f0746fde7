// Pieces and packing of depthwise_last_f32. Packed weights: block after block of a vector of channels, tap by tap; the last block reaches back rather
// than beyond, where there are enough channels.
#include "kernels/depthwise_last.hpp"

#include <algorithm>

#include "base/result.hpp"
#include "kernels/split.hpp"

namespace saha::kernels {
namespace {

constexpr double kPieceProducts = 1e5;
constexpr std::int64_t kMaxPieces = 24;

std::int64_t blocks(Isa isa, const ConvShape& s) { return (s.out_channels + lanes(isa) - 1) / lanes(isa); }

}  // namespace

bool is_depthwise(const ConvShape& s) { return s.groups > 1 && s.in_channels == s.groups && s.out_channels == s.groups; }

DepthwiseLastParams prepare_depthwise_last(Isa isa, const ConvShape& s, const Epilogue& epilogue) {
  SAHA_ASSERT(is_depthwise(s));
  DepthwiseLastParams p;
  p.shape = s;
  p.epilogue = epilogue;
  if (s.batch * s.out_h * s.out_w == 0) return p;
  const double products = double(s.out_channels) * double(s.out_h) * double(s.out_w) * double(s.kernel_h) * double(s.kernel_w);
  const auto wanted = std::clamp<std::int64_t>(static_cast<std::int64_t>(products / kPieceProducts), 1, kMaxPieces);
  // Where rows are few, by channels too. A part has two blocks or more: the last one of all may reach back into its neighbour.
  const auto bands_of = [&](std::int64_t bands) { return (s.out_h + (s.out_h + bands - 1) / bands - 1) / ((s.out_h + bands - 1) / bands); };
  const Cut cut = even_cut(wanted, 1, std::min(wanted, s.out_h), std::max<std::int64_t>(1, blocks(isa, s) / 2), [&](std::int64_t bands, std::int64_t parts) { return s.batch * bands_of(bands) * parts; });
  p.rows = static_cast<std::int32_t>((s.out_h + cut.first - 1) / cut.first);
  p.bands = static_cast<std::uint32_t>((s.out_h + p.rows - 1) / p.rows);
  p.parts = static_cast<std::uint32_t>(cut.second);
  p.pieces = static_cast<std::uint32_t>(s.batch) * p.bands * p.parts;
  return p;
}

std::uint32_t grid(const DepthwiseLastParams& params) { return params.pieces; }

std::int64_t packed_depthwise_last_size(Isa isa, const DepthwiseLastParams& p) { return blocks(isa, p.shape) * lanes(isa) * p.shape.kernel_h * p.shape.kernel_w; }

void pack_depthwise_last(Isa isa, const DepthwiseLastParams& p, const float* weights, std::span<float> out) {
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_depthwise_last_size(isa, p));
  const std::int64_t channels = p.shape.out_channels, taps = p.shape.kernel_h * p.shape.kernel_w, w = lanes(isa);
  float* to = out.data();
  for (std::int64_t b = 0; b < blocks(isa, p.shape); ++b) {
    const std::int64_t c0 = std::max<std::int64_t>(0, std::min(b * w, channels - w));
    for (std::int64_t t = 0; t < taps; ++t)
      for (std::int64_t c = c0; c < c0 + w; ++c) *to++ = c < channels ? p.epilogue.alpha * weights[c * taps + t] : 0;
  }
}

}  // namespace saha::kernels
