// row_bands_f32. Contract in kernels/row_bands.hpp.
#include "kernels/loops/row_bands.hpp"

namespace saha::kernels::SAHA_ISA {
extern const std::span<const Kernel> kConvLast, kDepthwiseLast;
namespace {

void run_row_bands(const plan::Call& call) {
  const RowBandsParams& p = *static_cast<const RowBandsParams*>(call.params);
  each_band(call, kDepthwiseLast[0].run,
            [&](int64_t begin, int64_t end, const Constants& c, const float* x, float* y, std::byte* scratch) { call_rows(kConvLast[0].run, of_rows(p.first, begin, end), c, x, nullptr, y, scratch); },
            [&](int64_t begin, int64_t end, const Constants& c, const float* x, const float* residual, float* y, std::byte* scratch) { call_rows(kConvLast[0].run, of_rows(p.last, begin, end), c, x, residual, y, scratch); });
}

constexpr Kernel kRowsOfTable[] = {{"row_bands_f32", run_row_bands}};

}  // namespace

extern const std::span<const Kernel> kRowBands;
constinit const std::span<const Kernel> kRowBands = kRowsOfTable;

}  // namespace saha::kernels::SAHA_ISA
