#pragma once
// Symmetric positive definite systems by Cholesky factors. Matrices are [n, n], row by row, of which the lower triangle is read and written.
#include <cstddef>
#include <span>

namespace saha::cholesky {

/// a becomes L with L L' = a of n rows. A pivot whose square is at most `least`, which roundings took, becomes `instead`.
void factor(std::span<double> a, std::size_t n, double least, double instead);
/// x becomes the solution y of L y = x, of L' y = x.
void forward(std::span<const double> l, std::span<double> x);
void backward(std::span<const double> l, std::span<double> x);
/// x becomes the solution y of L L' y = x.
inline void solve(std::span<const double> l, std::span<double> x) { forward(l, x), backward(l, x); }

}  // namespace saha::cholesky
