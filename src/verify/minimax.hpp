#pragma once
// The point of a box where the largest of some linear functions is least, and the convex combination of them that shows that it is nowhere less.
#include <span>
#include <vector>

namespace saha::verify {

/// weight . (rows x + constants) is at least `lower` on the box, up to float64's roundings; at `point` every row is at most `upper`. Both are the same number but for what the iterations leave.
struct Minimax {
  double lower = 0, upper = 0;
  std::vector<double> weight;                        ///< one a row, at least 0, of sum 1
  std::vector<double> point;
};

/// rows: [row][variable], functions rows[i] x + constants[i] on lo <= x <= hi, as many as there are constants, at least one. Ends early where `lower` is above 0 or `upper` below:
/// then the sign is certain. A primal-dual interior point method in float64 from a point that is feasible on both sides (Wright, Primal-Dual Interior-Point Methods, 1997, chapter 5);
/// a step costs rows^2 (variables + rows).
Minimax minimax(std::span<const double> rows, std::span<const double> constants, std::span<const double> lo, std::span<const double> hi);

}  // namespace saha::verify
