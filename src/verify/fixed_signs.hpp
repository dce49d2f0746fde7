#pragma once
// Sub-problems whose signs are all fixed: what is left is linear, and its best multipliers are found at once.
#include <span>
#include <vector>

#include "verify/ascent.hpp"

namespace saha::verify {

/// Gives `splits` the multipliers that raise the lower bound of `q` most where q <= bound is asked and all activations that matter are fixed by splits; `slopes` as in
/// Ascent::set. `point` (one number an input): where the largest of q - bound and of how far each split's sign is missed is least, which is a
/// counterexample if there is one. Uses the columns of `a`, which has begun. False: there are too many splits, or a bound is not finite, and nothing is changed.
bool best_multipliers(Ascent& a, const Query& q, double bound, std::vector<Split>& splits, const float* slopes, std::span<float> point);

}  // namespace saha::verify
