#include "base/cholesky.hpp"

#include <cmath>

namespace saha::cholesky {

void factor(std::span<double> a, std::size_t n, double least, double instead) {
  for (std::size_t c = 0; c < n; ++c)
    for (std::size_t r = c; r < n; ++r) {
      double v = a[r * n + c];
      for (std::size_t k = 0; k < c; ++k) v -= a[r * n + k] * a[c * n + k];
      a[r * n + c] = r > c ? v / a[c * n + c] : v <= least ? instead : std::sqrt(v);
    }
}

void forward(std::span<const double> l, std::span<double> x) {
  const std::size_t n = x.size();
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t k = 0; k < r; ++k) x[r] -= l[r * n + k] * x[k];
    x[r] /= l[r * n + r];
  }
}

void backward(std::span<const double> l, std::span<double> x) {
  const std::size_t n = x.size();
  for (std::size_t r = n; r-- > 0;) {
    for (std::size_t k = r + 1; k < n; ++k) x[r] -= l[k * n + r] * x[k];
    x[r] /= l[r * n + r];
  }
}

}  // namespace saha::cholesky
