#pragma once
// Layers of two engines, set side by side: the smallest groups that compute the same values from the same values.
#include <span>
#include <string>
#include <vector>

#include "runtime/backend.hpp"

namespace saha::measure {

/// Groups are bounded by values that both engines write; what lies between such values, one or several layers of either engine, is one group.
struct Segment {
  std::vector<std::string> values;          ///< the names of what both write, in the order of the left engine; empty: the other engine has no layers here
  std::vector<std::size_t> left, right;     ///< rows, in order of execution
  double left_ms = 0, right_ms = 0;
  bool aligned() const { return !left.empty() && !right.empty(); }
};
/// Each layer is in one segment; the segments stand in the order of the left engine's first layer, those without one last.
std::vector<Segment> align(std::span<const runtime::LayerTime> left, std::span<const runtime::LayerTime> right);

}  // namespace saha::measure
