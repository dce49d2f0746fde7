// Packed weights of one direction: W as a packed B of [I, gates H]; R as one of [H, 4 H] (LSTM) or [H, 2 H] and [H, H] (GRU: the new gate
// apart); the bias that is added to the input's product [gates H]; the bias of the GRU's new gate that the reset gate may scale [H].
#include "kernels/recurrent.hpp"

#include <algorithm>

#include "base/result.hpp"
#include "kernels/gemm.hpp"

namespace saha::kernels {
namespace {

constexpr std::int64_t kChunkBytes = 128 << 10;

std::int64_t up(std::int64_t n) { return (n + 15) / 16 * 16; }

RecurrentParams prepare(Isa isa, int gates, std::int64_t steps, std::int64_t batch, std::int64_t input, std::int64_t hidden, std::span<const bool> reversed, int outputs) {
  SAHA_ASSERT(reversed.size() == 1 || reversed.size() == 2);
  RecurrentParams p;
  p.steps = steps, p.batch = batch, p.input = input, p.hidden = hidden, p.gates = gates, p.outputs = outputs;
  p.directions = static_cast<std::int32_t>(reversed.size());
  for (std::size_t d = 0; d < reversed.size(); ++d) p.reversed[d] = reversed[d];
  p.chunk = std::clamp<std::int64_t>(kChunkBytes / std::max<std::int64_t>(1, batch * gates * hidden * 4), 1, std::max<std::int64_t>(1, steps));
  p.packed_w = up(packed_gemm_b_size(isa, gates * hidden, input));
  p.packed_r = up(packed_gemm_b_size(isa, (gates == 4 ? 4 : 2) * hidden, hidden));
  p.packed_n = gates == 4 ? 0 : up(packed_gemm_b_size(isa, hidden, hidden));
  p.scratch = static_cast<std::uint64_t>(up(p.chunk * batch * gates * hidden) + up(batch * gates * hidden) + 3 * up(batch * hidden)) * 4;
  return p;
}

}  // namespace

RecurrentParams prepare_lstm(Isa isa, std::int64_t steps, std::int64_t batch, std::int64_t input, std::int64_t hidden, std::span<const bool> reversed, int outputs) {
  return prepare(isa, 4, steps, batch, input, hidden, reversed, outputs);
}
RecurrentParams prepare_gru(Isa isa, std::int64_t steps, std::int64_t batch, std::int64_t input, std::int64_t hidden, std::span<const bool> reversed, bool reset_after, int outputs) {
  RecurrentParams p = prepare(isa, 3, steps, batch, input, hidden, reversed, outputs);
  p.reset_after = reset_after;
  return p;
}
std::uint32_t grid(const RecurrentParams& p) { return p.batch * p.hidden == 0 ? 0 : static_cast<std::uint32_t>(p.directions); }
std::uint64_t scratch_bytes(const RecurrentParams& p) { return p.scratch; }

std::int64_t packed_recurrent_size(const RecurrentParams& p) { return p.directions * (p.packed_w + p.packed_r + p.packed_n + up(p.gates * p.hidden) + up(p.hidden)); }

void pack_recurrent(Isa isa, const RecurrentParams& p, const float* w, const float* r, const float* b, std::span<float> out) {
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= packed_recurrent_size(p));
  const std::int64_t h = p.hidden, rows = p.gates * h, direct = p.gates == 4 ? rows : 2 * h;  // rows of R that are used at once
  float* o = out.data();
  const auto part = [&](std::int64_t n) {
    float* at = o;
    o += n;
    return std::span<float>(at, static_cast<std::size_t>(n));
  };
  for (int d = 0; d < p.directions; ++d) {
    pack_gemm_b(isa, w + d * rows * p.input, 1, p.input, p.input, rows, part(p.packed_w));
    pack_gemm_b(isa, r + d * rows * h, 1, h, h, direct, part(p.packed_r));
    if (p.packed_n) pack_gemm_b(isa, r + d * rows * h + direct * h, 1, h, h, h, part(p.packed_n));
    std::span<float> bias = part(up(rows)), last = part(up(h));
    std::fill(bias.begin(), bias.end(), 0.f);
    std::fill(last.begin(), last.end(), 0.f);
    if (!b) continue;
    const float *wb = b + d * 2 * rows, *rb = wb + rows;
    for (std::int64_t i = 0; i < rows; ++i) bias[static_cast<std::size_t>(i)] = wb[i] + (i < direct ? rb[i] : 0);
    for (std::int64_t i = direct; i < rows; ++i) last[static_cast<std::size_t>(i - direct)] = rb[i];
  }
}

}  // namespace saha::kernels
