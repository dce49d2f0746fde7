// Blocks of hidden units, and the packed weights: W of a block as a packed B, R as panels of one unit vector.
#include "kernels/recurrent.hpp"

#include <algorithm>
#include <vector>

#include "base/result.hpp"
#include "kernels/conv_half.hpp"
#include "kernels/gemm.hpp"

namespace saha::kernels {
namespace {

constexpr std::int64_t kChunkBytes = 512 << 10;
constexpr double kBlockProducts = 12 << 10;   // of a step: 48 KiB of weights, some two microseconds
constexpr std::int64_t kMostBlocks = 16;
constexpr std::int64_t kRoundedPairs = 16 << 10, kTileRows = 24;   // of X at once, in whole tiles of 6 and of 8 rows

RecurrentParams prepare(Isa isa, int gates, std::int64_t steps, std::int64_t batch, std::int64_t input, std::int64_t hidden, std::span<const bool> reversed, bool reset_after, int outputs, bool bfloats) {
  SAHA_ASSERT((reversed.size() == 1 || reversed.size() == 2) && (!bfloats || has_bfloat_dots(isa)));
  RecurrentParams p;
  p.steps = steps, p.batch = batch, p.input = input, p.hidden = hidden, p.gates = gates, p.reset_after = reset_after, p.outputs = outputs;
  p.directions = static_cast<std::int32_t>(reversed.size());
  for (std::size_t d = 0; d < reversed.size(); ++d) p.reversed[d] = reversed[d];
  p.units = (hidden + lanes(isa) - 1) / lanes(isa) * lanes(isa);
  p.chunk = std::clamp<std::int64_t>(kChunkBytes / std::max<std::int64_t>(1, batch * gates * p.units * 4), 1, std::max<std::int64_t>(1, steps));
  p.bfloats = bfloats;
  if (bfloats) p.x_rows = static_cast<std::int32_t>(std::min(p.chunk * batch, std::max<std::int64_t>(1, kRoundedPairs / std::max<std::int64_t>(1, pairs(input)) / kTileRows) * kTileRows));
  // A power of two, so that two and four threads take equally many.
  const double products = double(gates) * double(hidden) * double(hidden) * double(std::max<std::int64_t>(1, batch / 4)) / (bfloats ? 2 : 1);
  while (p.blocks * 2 <= std::min(kMostBlocks, p.units / lanes(isa)) && products >= kBlockProducts * 2 * p.blocks) p.blocks *= 2;
  return p;
}

}  // namespace

RecurrentParams prepare_lstm(Isa isa, std::int64_t steps, std::int64_t batch, std::int64_t input, std::int64_t hidden, std::span<const bool> reversed, int outputs, bool bfloats) {
  return prepare(isa, 4, steps, batch, input, hidden, reversed, false, outputs, bfloats);
}
RecurrentParams prepare_gru(Isa isa, std::int64_t steps, std::int64_t batch, std::int64_t input, std::int64_t hidden, std::span<const bool> reversed, bool reset_after, int outputs, bool bfloats) {
  return prepare(isa, 3, steps, batch, input, hidden, reversed, reset_after, outputs, bfloats);
}
std::string_view kernel(const RecurrentParams& p) { return p.gates == 4 ? p.bfloats ? "lstm_bf16" : "lstm_f32" : p.bfloats ? "gru_bf16" : "gru_f32"; }
std::uint32_t grid(const RecurrentParams& p) { return p.batch * p.hidden == 0 ? 0 : static_cast<std::uint32_t>(p.directions * p.blocks); }
std::uint32_t phases(const RecurrentParams& p) { return static_cast<std::uint32_t>(std::max<std::int64_t>(1, p.steps * (p.gates == 3 && !p.reset_after ? 2 : 1))); }
std::uint64_t workspace_bytes(const RecurrentParams& p) { return static_cast<std::uint64_t>(recurrent_layout(p).workspace) * 4; }
std::uint64_t scratch_bytes(const RecurrentParams& p) { return p.bfloats ? static_cast<std::uint64_t>(p.batch * pairs(p.hidden) + p.x_rows * pairs(p.input)) * 4 : 0; }
std::int64_t packed_recurrent_size(const RecurrentParams& p) { return p.directions * recurrent_layout(p).direction; }

void pack_recurrent(Isa isa, const RecurrentParams& p, const float* w, const float* r, const float* b, std::span<float> out) {
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_recurrent_size(p));
  const std::int64_t h = p.hidden, rows = p.gates * h, lane = lanes(isa);
  const RecurrentLayout at = recurrent_layout(p);
  std::fill(out.begin(), out.end(), 0.f);
  for (int d = 0; d < p.directions; ++d) {
    float* to = out.data() + d * at.direction;
    const float *from_w = w + d * rows * p.input, *from_r = r + d * rows * h;
    const auto gate_and_unit = [&](std::int64_t column) { return std::pair(column / lane % p.gates, column / lane / p.gates * lane + column % lane); };
    const auto panels = [&](float* o, const float* from, std::int64_t depth, std::int64_t first_gate, std::int64_t gates) {
      auto* bfloat = reinterpret_cast<std::uint16_t*>(o);
      for (std::int64_t u = 0; u < p.units; u += lane)
        for (std::int64_t k = 0; k < depth; k += p.bfloats ? 2 : 1)
          for (std::int64_t g = first_gate; g < first_gate + gates; ++g)
            for (std::int64_t i = u; i < u + lane; ++i) {
              const auto number = [&](std::int64_t q) { return i < h && q < depth ? from[(g * h + i) * depth + q] : 0.f; };
              if (p.bfloats) *bfloat++ = nearest_bfloat(number(k)), *bfloat++ = nearest_bfloat(number(k + 1));
              else *o++ = number(k);
            }
    };
    if (p.bfloats) panels(to, from_w, p.input, 0, p.gates);
    for (std::int32_t block = 0; block < p.blocks && !p.bfloats; ++block) {
      const std::int64_t vectors = p.units / lane, first = vectors * block / p.blocks * lane * p.gates, end = vectors * (block + 1) / p.blocks * lane * p.gates;
      std::vector<float> part(static_cast<std::size_t>((end - first) * p.input));
      for (std::int64_t column = first; column < end; ++column)
        if (const auto [gate, unit] = gate_and_unit(column); unit < h) std::copy_n(from_w + (gate * h + unit) * p.input, p.input, part.data() + (column - first) * p.input);
      pack_gemm_b(isa, part.data(), 1, p.input, p.input, end - first, out.subspan(static_cast<std::size_t>(d * at.direction + first * p.input), part.size()));
    }
    const int apart = at.bias > at.n ? 1 : 0, together = p.gates - apart;
    panels(to + at.r, from_r, h, 0, together);
    panels(to + at.n, from_r, h, together, apart);
    if (!b) continue;
    // The GRU's new gate adds the second bias to R's product, which its reset gate may scale.
    const float *wb = b + d * 2 * rows, *rb = wb + rows;
    for (std::int64_t column = 0; column < p.gates * p.units; ++column) {
      const auto [gate, unit] = gate_and_unit(column);
      if (unit >= h) continue;
      const bool direct = p.gates == 4 || gate < 2;
      to[at.bias + column] = wb[gate * h + unit] + (direct ? rb[gate * h + unit] : 0);
      if (!direct) to[at.last + unit] = rb[gate * h + unit];
    }
  }
}

}  // namespace saha::kernels
