// Packed constants of lstm_i8: columns of the gates in blocks of two vectors, pair of rows by pair of rows, as those of conv_i8; the functions as tables.
#include "kernels/recurrent_i8.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/result.hpp"
#include "tensor/fixed_point.hpp"

namespace saha::kernels {
namespace {
constexpr std::int64_t kTable = 65536 / 2;   // of int16, in int32
constexpr int kGateBits = 3;                 // integer bits of a gate before its activation

std::int64_t up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

/// [4H, K] as blocks of columns.
void pack_panels(Isa isa, std::span<const std::int16_t> w, std::int64_t columns, std::int64_t k, std::int64_t units, std::int64_t blocks, std::int32_t* to) {
  const int lanes_of = lanes(isa), block = block_columns(isa);
  std::vector<std::int16_t> unit(static_cast<std::size_t>(2 * block));
  for (std::int64_t b = 0; b < blocks; ++b)
    for (std::int64_t u = 0; u < units; ++u) {
      for (int v = 0; v < 2; ++v)
        for (int l = 0; l < lanes_of; ++l) {
          const std::int64_t column = b * block + block_column(v, l);
          for (int h = 0; h < 2; ++h)
            unit[static_cast<std::size_t>(pair_place(isa, v, l, h))] = column < columns && 2 * u + h < k ? w[static_cast<std::size_t>(column * k + 2 * u + h)] : std::int16_t{0};
        }
      std::memcpy(to, unit.data(), unit.size() * sizeof(std::int16_t));
      to += block;
    }
}
void pack_rescales(Isa isa, const Store& store, std::span<const Requant> r, std::span<const std::int32_t> begin, std::int64_t columns, std::int64_t blocks, std::int32_t* to) {
  const int block = block_columns(isa);
  for (std::int64_t b = 0; b < blocks; ++b, to += rescale_block_size(isa)) {
    const auto n = static_cast<int>(std::min<std::int64_t>(block, columns - b * block));
    const auto part = [&](auto span) { return span.subspan(static_cast<std::size_t>(b * block), static_cast<std::size_t>(n)); };
    pack_rescale_block(isa, store, part(r), part(begin), n, to);
  }
}
}  // namespace

RecurrentI8Params prepare_lstm_i8(Isa isa, std::int64_t steps, std::int64_t batch, std::int64_t input, std::int64_t hidden, bool x_signed, int fraction, std::int32_t cell_most, Rescaling gates, const Store& store) {
  RecurrentI8Params p;
  p.steps = steps, p.batch = batch, p.input = input, p.hidden = hidden;
  p.x_signed = x_signed, p.fraction = fraction, p.cell_most = cell_most, p.gates = gates, p.store = store;
  p.input_units = (input + 1) / 2, p.state_units = (hidden + 1) / 2;
  const std::int64_t block = block_columns(isa);
  p.blocks = (4 * hidden + block - 1) / block;
  // A row of X, the states h and c of every row of the batch, the gates of one, each of int16; a block is written and read whole.
  p.scratch = static_cast<std::uint64_t>(2 * (up(2 * p.input_units, 64) + batch * up(2 * p.state_units + block, 64) + batch * up(hidden + block, 64) + up(p.blocks * block + block, 64)));
  return p;
}
std::uint32_t grid(const RecurrentI8Params& p) { return p.steps * p.batch * p.hidden == 0 ? 0 : 1; }
std::uint64_t scratch_bytes(const RecurrentI8Params& p) { return p.scratch; }

RecurrentI8Layout layout(Isa isa, const RecurrentI8Params& p) {
  const std::int64_t block = block_columns(isa), rescale = p.blocks * rescale_block_size(isa);
  RecurrentI8Layout l;
  l.input_rescale = l.input + p.blocks * p.input_units * block;
  l.state = l.input_rescale + rescale;
  l.state_rescale = l.state + p.blocks * p.state_units * block;
  l.output_rescale = l.state_rescale + rescale;
  l.tables = l.output_rescale + rescale_block_size(isa);
  l.size = l.tables + 3 * kTable;
  return l;
}
void pack_lstm_i8(Isa isa, const RecurrentI8Params& p, const RecurrentI8Constants& c, std::span<std::int32_t> out) {
  const RecurrentI8Layout l = layout(isa, p);
  SAHA_ASSERT(static_cast<std::int64_t>(out.size()) >= l.size);
  const std::int64_t columns = 4 * p.hidden;
  const Store gates{p.gates, 0, 0, 0};
  pack_panels(isa, c.w, columns, p.input, p.input_units, p.blocks, out.data() + l.input);
  pack_rescales(isa, gates, c.w_scale, c.w_begin, columns, p.blocks, out.data() + l.input_rescale);
  pack_panels(isa, c.r, columns, p.hidden, p.state_units, p.blocks, out.data() + l.state);
  pack_rescales(isa, gates, c.r_scale, c.r_begin, columns, p.blocks, out.data() + l.state_rescale);
  pack_rescale_block(isa, p.store, {&c.output, 1}, {}, block_columns(isa), out.data() + l.output_rescale);
  auto* tables = reinterpret_cast<std::byte*>(out.data() + l.tables);
  for (int x = -(1 << 15); x < 1 << 15; ++x) {
    const auto v = static_cast<std::int16_t>(x);
    const std::int16_t y[] = {fixed::sigmoid<std::int16_t>(v, kGateBits), fixed::tanh<std::int16_t>(v, kGateBits), fixed::tanh<std::int16_t>(v, 15 - p.fraction)};
    for (std::size_t t = 0; t < 3; ++t) std::memcpy(tables + 2 * (t * 65536 + static_cast<std::size_t>(x + (1 << 15))), &y[t], 2);
  }
}

}  // namespace saha::kernels
