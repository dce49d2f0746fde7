#pragma once
// Grid: a quantised network sees its inputs as integers, of which there are finitely many. What comes before them becomes a map of their own; the rest of the network is a
// function of integers, which can be searched to the last of them.
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "ir/graph.hpp"

namespace saha::verify {

/// From the network's inputs (all, flattened, float32) to the integers that it computes on (all, flattened). Each integer depends on one input at most, and each input decides one at most:
/// by float32 sums and products with constants, movement and QuantizeLinear, as the reference executes them. All of these keep order, or turn it.
class Grid {
 public:
  /// Integers that float32 inputs become; exact.
  Result<std::vector<float>> integers(std::span<const float> x) const;
  /// Float32 inputs within [lo, hi] (network inputs) that become q, where there are any.
  Result<std::optional<std::vector<float>>> inputs(std::span<const float> q, std::span<const float> lo, std::span<const float> hi) const;
  /// Inputs are the integers themselves.
  bool direct() const { return direct_; }

 private:
  friend Result<std::optional<struct Cut>> cut(const ir::Graph& g);
  ir::Graph front_;
  std::vector<std::int32_t> of_;                     ///< of each integer the input that decides it, or -1
  bool direct_ = false;
};

struct Cut {
  Grid grid;
  ir::Graph rest;                                    ///< its inputs are the integers
};
/// Nothing where an input is read otherwise, or its integers hang together.
Result<std::optional<Cut>> cut(const ir::Graph& g);

}  // namespace saha::verify
