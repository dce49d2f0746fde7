// Pieces of pools and sums; the loop of softmax, which looks exp up and needs no vectors.
#include "kernels/reduce_i8.hpp"

#include <algorithm>

#include "kernels/split.hpp"
#include "tensor/fixed_point.hpp"

namespace saha::kernels {

std::uint32_t grid(const PoolI8Params& p) { return pieces_of_rows(p.shape.planes * p.shape.out_h, row_work(p)); }
std::uint32_t grid(const SumI8Params& p) { return pieces_of_rows(p.outer, row_work(p)); }
std::uint32_t grid(const MeanI8Params& p) { return pieces_of_rows(p.outer, row_work(p)); }
std::uint32_t grid(const SoftmaxI8Params& p) { return pieces_of_rows(p.outer * p.inner, p.n); }

void softmax_exps(std::int32_t multiplier, int shift, std::span<std::int32_t, 256> exps) {
  for (int d = 0; d < 256; ++d) exps[static_cast<std::size_t>(d)] = fixed::exp_of_negative(high_mul(static_cast<std::int32_t>(static_cast<std::uint32_t>(-d) << shift), multiplier), 5);
}

namespace {
void run_softmax(const plan::Call& call) {
  constexpr int kSumBits = 12;
  const SoftmaxI8Params& p = *static_cast<const SoftmaxI8Params*>(call.params);
  const auto* exps = static_cast<const std::int32_t*>(call.operands[1]);
  const std::int64_t per = rows_per_piece(p.n), end = std::min(p.outer * p.inner, call.end * per);
  if (p.n == 0) return;
  for (std::int64_t line = call.begin * per; line < end; ++line) {
    const std::int64_t at = line / p.inner * p.n * p.inner + line % p.inner;
    const auto* x = static_cast<const std::uint8_t*>(call.operands[0]) + at;
    auto* y = static_cast<std::uint8_t*>(call.operands[2]) + at;
    const int flip = p.is_signed ? 128 : 0;
    int most = 0;
    for (std::int64_t k = 0; k < p.n; ++k) most = std::max(most, x[k * p.inner] ^ flip);
    std::int32_t sum = 0;
    for (std::int64_t k = 0; k < p.n; ++k)
      if (const int d = most - (x[k * p.inner] ^ flip); -d >= p.least) sum = fixed::sum(sum, round_shift(exps[d], kSumBits));
    const fixed::Reciprocal one_over = fixed::reciprocal(std::max(sum, 1), kSumBits);
    const int places = std::clamp(one_over.bits_over_unit + 31 - 8, 0, 31);
    for (std::int64_t k = 0; k < p.n; ++k) {
      const int d = most - (x[k * p.inner] ^ flip);
      const std::int64_t v = -d < p.least ? p.lo : std::int64_t{round_shift(high_mul(one_over.scale, exps[d]), places)} + p.lo;
      y[k * p.inner] = static_cast<std::uint8_t>(std::clamp<std::int64_t>(v, p.lo, p.hi));
    }
  }
}
constexpr Kernel kRowsOfTable[] = {{"softmax_i8", run_softmax}};
}  // namespace

extern const std::span<const Kernel> kSoftmaxI8;
constinit const std::span<const Kernel> kSoftmaxI8 = kRowsOfTable;

}  // namespace saha::kernels
