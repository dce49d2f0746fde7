#pragma once
// Axes of an elementwise walk, those that all operands step through together as one.
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "kernels/elementwise.hpp"

namespace saha::kernels {

struct MergedAxis {
  std::int64_t dim = 1, stride[3] = {};
};
/// Of dims `y`, outermost first; one of 1 where nothing is left. `stride(k, i)`: of operand k of `operands`, three at most, along axis i.
template <class Stride> std::vector<MergedAxis> merged_axes(std::span<const std::int64_t> y, int operands, Stride stride) {
  std::vector<MergedAxis> axes;
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (y[i] == 1) continue;
    MergedAxis a{y[i], {}};
    for (int k = 0; k < operands; ++k) a.stride[k] = stride(k, i);
    bool goes_on = !axes.empty();
    for (int k = 0; goes_on && k < operands; ++k) goes_on = axes.back().stride[k] == a.stride[k] * a.dim;
    if (goes_on) a.dim *= axes.back().dim, axes.back() = a;
    else axes.push_back(a);
  }
  if (axes.empty()) axes.emplace_back();
  SAHA_ASSERT(axes.size() <= static_cast<std::size_t>(kMaxRank));
  return axes;
}

}  // namespace saha::kernels
