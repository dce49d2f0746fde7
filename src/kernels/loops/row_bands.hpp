#pragma once
// Bands of rows: the kernels of neighbouring convolutions, called for some rows at a time. Rows that the first one gives lie in a ring: row r of its result at r modulo the ring's rows.
// Contract in kernels/row_bands.hpp.
#include "kernels/row_bands.hpp"

#include "kernels/loops/vec.hpp"
#include "plan/call.hpp"

namespace saha::kernels::SAHA_ISA {

/// Of one of the convolutions.
struct Constants {
  void *weights, *bias;
};
template <class Params>
inline void call_rows(plan::Run run, const Params& params, const Constants& c, const float* x, const float* residual, float* y, std::byte* scratch) {
  void* const operands[] = {const_cast<float*>(x), c.weights, c.bias, const_cast<float*>(residual), y};
  run({operands, nullptr, &params, 0, params.pieces, scratch});
}

/// first(begin, end, constants, x, y, scratch) and last(begin, end, constants, x, residual, y, scratch) give these rows; each is called where it is there.
template <class First, class Last>
void each_band(const plan::Call& call, plan::Run depthwise, First first_rows, Last last_rows) {
  const RowBandsParams& p = *static_cast<const RowBandsParams*>(call.params);
  const bool has_first = p.has_first != Beside::none, has_last = p.has_last != Beside::none;
  const ConvShape &first = p.has_first == Beside::bfloat16 ? p.first_half.shape : p.first.shape, &middle = p.middle.shape, &last = p.has_last == Beside::bfloat16 ? p.last_half.shape : p.last.shape;
  const Constants constants[] = {{call.operands[1], call.operands[2]}, {call.operands[3], call.operands[4]}, {call.operands[5], call.operands[6]}};
  const ConvShape &in = has_first ? first : middle, &out = has_last ? last : middle;
  const int64_t x_row = in.in_w * in.in_channels, between_row = middle.in_w * middle.in_channels, sums_row = middle.out_w * middle.out_channels, y_row = out.out_w * out.out_channels;
  auto* sums = reinterpret_cast<float*>(call.scratch);
  float* buffer = sums + (has_last ? round_up(p.rows * sums_row, 16) : 0);
  auto* scratch = reinterpret_cast<std::byte*>(buffer + (has_first ? round_up(p.ring_rows * between_row, 16) : 0));
  for (std::uint32_t piece = call.begin; piece < call.end;) {
    const std::uint32_t image = piece / p.image_pieces, part = piece % p.image_pieces, parts = least(call.end - piece, p.image_pieces - part);
    piece += parts;
    const int64_t oy_end = least(middle.out_h, int64_t{part + parts} * p.piece_rows);
    const float* x = static_cast<const float*>(call.operands[0]) + image * in.in_h * x_row;
    const float* residual = static_cast<const float*>(call.operands[7]);
    if (residual) residual += image * out.out_h * y_row;
    float* y = static_cast<float*>(call.operands[8]) + image * out.out_h * y_row;
    for (int64_t oy = int64_t{part} * p.piece_rows, given = 0; oy < oy_end; oy += p.rows) {
      const int64_t oy1 = least(oy_end, oy + p.rows);
      const RowRange read = rows_read(middle, oy, oy1);
      const float* image_rows = x + read.begin * x_row;
      DepthwiseLastParams sums_of = of_rows(p.middle, oy, oy1);
      if (has_first) {
        const int64_t ring = p.ring_rows;
        for (int64_t row = most(given, read.begin); row < read.end; row = given) {
          given = least(read.end, row + ring - row % ring);
          first_rows(row, given, constants[0], x + rows_read(first, row, given).begin * x_row, buffer + row % ring * between_row, scratch);
        }
        image_rows = buffer + read.begin % ring * between_row;
        sums_of.ring_rows = p.ring_rows, sums_of.low_rows = static_cast<int32_t>(most<int64_t>(0, read.begin % ring + read.end - read.begin - ring));
      }
      const float* here = residual ? residual + oy * y_row : nullptr;
      float* to = y + oy * y_row;
      call_rows(depthwise, sums_of, constants[1], image_rows, has_last ? nullptr : here, has_last ? sums : to, scratch);
      if (has_last) last_rows(oy, oy1, constants[2], sums, here, to, scratch);
    }
  }
}

}  // namespace saha::kernels::SAHA_ISA
