#pragma once
// Which taps of a window lie between two places of an axis.
#include "kernels/loops/vec.hpp"

namespace saha::kernels::SAHA_ISA {

/// The taps [begin, end), of which there may be none.
struct Taps {
  int64_t begin, end;
};
/// The taps of output `o` that lie in [from, to) along one axis.
inline Taps taps_between(int64_t o, int64_t stride, int64_t pad, int64_t kernel, int64_t dilation, int64_t from, int64_t to) {
  const int64_t start = o * stride - pad;
  if (start >= from && start + (kernel - 1) * dilation < to) return {0, kernel};
  const int64_t begin = start >= from ? 0 : least(kernel, (from - start + dilation - 1) / dilation);
  const int64_t end = start >= to ? 0 : least(kernel, (to - start + dilation - 1) / dilation);
  return {begin, most(begin, end)};
}

}  // namespace saha::kernels::SAHA_ISA
