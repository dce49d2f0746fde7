// resize_i8, argmax_i8. Contract in kernels/resize_i8.hpp.
#include "kernels/resize_i8.hpp"

#include "kernels/loops/rescale.hpp"
#include "kernels/split.hpp"

namespace saha::kernels::SAHA_ISA {
namespace {

/// Between four neighbours, whose weights sum to 2^20.
inline I between_signed(I a, I b, I c, I d, const int32_t (&weights)[4]) {
  const I sum = plus(plus(a * weights[0], b * weights[1]), plus(c * weights[2], d * weights[3]));
  const I rounded = sum > 0 ? sum + (1 << 19) : sum - (1 << 19);
  return (rounded + ((rounded >> 31) & ((1 << 20) - 1))) >> 20;  // a quotient cut towards 0
}
inline V weighted(I x, float row, float column) { return (to_float(x) * row) * column; }

template <bool Signed, ResizeBlend Blend>
void resize(const plan::Call& call) {
  const ResizeI8Params& p = *static_cast<const ResizeI8Params*>(call.params);
  const auto* rows = static_cast<const ResizeI8Tap*>(call.operands[1]);
  const ResizeI8Tap* columns = rows + p.out_h;
  const int64_t per = rows_per_piece(row_work(p)), row = p.in_w * p.channels;
  for (int64_t o = call.begin * per; o < least(p.images * p.out_h, call.end * per); ++o) {
    const ResizeI8Tap& r = rows[o % p.out_h];
    const auto* x = static_cast<const std::uint8_t*>(call.operands[0]) + o / p.out_h * p.in_h * row;
    auto* y = static_cast<std::uint8_t*>(call.operands[2]) + o * p.out_w * p.channels;
    const std::uint8_t *top = x + r.first * row, *bottom = x + r.second * row;
    for (int64_t i = 0; i < p.out_w; ++i, y += p.channels) {
      const ResizeI8Tap& t = columns[i];
      const int64_t left = t.first * p.channels, right = t.second * p.channels;
      const int32_t weights[4] = {r.first_weight * t.first_weight, r.second_weight * t.first_weight, r.first_weight * t.second_weight, r.second_weight * t.second_weight};
      for (int64_t c = 0; c < p.channels; c += kBlock) {
        const int64_t n = p.channels - c;
        I a[2], b[2], d[2], e[2], to[2];
        widen(load_part(top + left + c, n), Signed, a[0], a[1]);
        widen(load_part(bottom + left + c, n), Signed, b[0], b[1]);
        widen(load_part(top + right + c, n), Signed, d[0], d[1]);
        widen(load_part(bottom + right + c, n), Signed, e[0], e[1]);
        for (int half = 0; half < 2; ++half) {
          if constexpr (Blend == ResizeBlend::steps) {
            to[half] = between_signed(a[half], b[half], d[half], e[half], weights);
          } else {
            const float first = __builtin_bit_cast(float, r.first_weight), second = __builtin_bit_cast(float, r.second_weight);
            const float near = __builtin_bit_cast(float, t.first_weight), far = __builtin_bit_cast(float, t.second_weight);
            const V sum = ((weighted(a[half], first, near) + weighted(b[half], second, near)) + weighted(d[half], first, far)) + weighted(e[half], second, far);
            to[half] = Blend == ResizeBlend::cut ? __builtin_convertvector(floor(sum + splat(0.5f)), I) : to_int(round_even(sum));
          }
        }
        store_part(y + c, low_bytes(narrowed(to[0], to[1])), n);
      }
    }
  }
}
template <bool Signed>
void resize_by(ResizeBlend blend, const plan::Call& call) {
  switch (blend) {
    case ResizeBlend::steps: return resize<Signed, ResizeBlend::steps>(call);
    case ResizeBlend::cut: return resize<Signed, ResizeBlend::cut>(call);
    case ResizeBlend::even: return resize<Signed, ResizeBlend::even>(call);
  }
}
void run_resize(const plan::Call& call) {
  const ResizeI8Params& p = *static_cast<const ResizeI8Params*>(call.params);
  p.is_signed ? resize_by<true>(p.blend, call) : resize_by<false>(p.blend, call);
}

void run_argmax(const plan::Call& call) {
  const ArgMaxI8Params& p = *static_cast<const ArgMaxI8Params*>(call.params);
  const auto flip = static_cast<std::uint8_t>((p.is_signed ? 0x80 : 0) ^ (p.smallest ? 0xff : 0));  // the largest of flipped numbers is asked for
  const int64_t per = rows_per_piece(row_work(p));
  for (int64_t o = call.begin * per; o < least(p.outer, call.end * per); ++o) {
    const auto* x = static_cast<const std::uint8_t*>(call.operands[0]) + o * p.n * p.inner;
    auto* y = static_cast<int64_t*>(call.operands[1]) + o * p.inner;
    for (int64_t c = 0; c < p.inner; ++c) {
      int most = -1;
      int64_t at = 0;
      for (int64_t i = 0; i < p.n; ++i) {
        const int v = x[i * p.inner + c] ^ flip;
        const bool better = p.last ? v >= most : v > most;
        most = better ? v : most, at = better ? i : at;
      }
      y[c] = at;
    }
  }
}

constexpr Kernel kRowsOfTable[] = {{"resize_i8", run_resize}, {"argmax_i8", run_argmax}};

}  // namespace

extern const std::span<const Kernel> kResizeI8;
constinit const std::span<const Kernel> kResizeI8 = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
