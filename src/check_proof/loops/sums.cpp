// Contract in check_proof/loops.hpp.
#include "check_proof/loops.hpp"

namespace saha::check_proof::SAHA_ISA {
namespace {
#if defined(__AVX512F__)
constexpr int kLanes = 8;
#elif defined(__AVX__)
constexpr int kLanes = 4;
#else
constexpr int kLanes = 2;
#endif
typedef double V __attribute__((vector_size(kLanes * 8)));
typedef double U __attribute__((vector_size(kLanes * 8), aligned(8), may_alias));

template <int N, bool packed>
inline void part(const std::int32_t* row, const double* w, std::int64_t n, const double* a, std::int64_t ld, double* out) {
  constexpr int m = N / kLanes;
  V s[m];
  for (int v = 0; v < m; ++v) s[v] = reinterpret_cast<const U*>(out)[v];
  for (std::int64_t k = 0; k < n; ++k) {
    const U* x = reinterpret_cast<const U*>(a + std::int64_t(row[k]) * ld);
    for (int v = 0; v < m; ++v) s[v] += w[packed ? k : row[k]] * x[v];
  }
  for (int v = 0; v < m; ++v) reinterpret_cast<U*>(out)[v] = s[v];
}

template <bool packed>
void gather(const std::int32_t* row, const double* w, std::int64_t n, const double* a, double* out, std::int64_t columns) {
  std::int64_t c = 0;
  for (; c + 32 <= columns; c += 32) part<32, packed>(row, w, n, a + c, columns, out + c);
  if (c + 16 <= columns) part<16, packed>(row, w, n, a + c, columns, out + c), c += 16;
  if (c < columns) part<8, packed>(row, w, n, a + c, columns, out + c);
}

inline double magnitude(double x) { return x < 0 ? -x : x; }

void scatter(const std::int32_t* row, const double* w, std::int64_t n, double c, double r, double s, double* __restrict centre, double* __restrict radius, double* __restrict size) {
  if (row) {
    for (std::int64_t k = 0; k < n; ++k) centre[row[k]] += w[k] * c, radius[row[k]] += magnitude(w[k]) * r, size[row[k]] += magnitude(w[k]) * s;
    return;
  }
  for (std::int64_t k = 0; k < n; ++k) centre[k] += w[k] * c, radius[k] += magnitude(w[k]) * r, size[k] += magnitude(w[k]) * s;
}

/// What is not a number stays so in one of the two sums.
template <bool each>
void relu(double* x, const double* al, const double* au, const double* cu, double error, double* sum, std::int64_t columns) {
  const U *als = reinterpret_cast<const U*>(al), *aus = reinterpret_cast<const U*>(au), *cus = reinterpret_cast<const U*>(cu);
  U *xs = reinterpret_cast<U*>(x), *sums = reinterpret_cast<U*>(sum);
  const V zero{};
  const double l = *al, u = *au, c = *cu;
  for (std::int64_t v = 0; v < columns / kLanes; ++v) {
    const V xv = xs[v], up = xv > zero ? xv : zero, down = xv < zero ? xv : zero, size = xv < zero ? -xv : xv;
    if constexpr (each) xs[v] = up * als[v] + down * aus[v], sums[v] += down * cus[v] - size * error;
    else xs[v] = up * l + down * u, sums[v] += down * c - size * error;
  }
}

void constant(const double* x, double bias, double error, double* sum, std::int64_t columns) {
  const U* xs = reinterpret_cast<const U*>(x);
  U* sums = reinterpret_cast<U*>(sum);
  const V zero{};
  for (std::int64_t v = 0; v < columns / kLanes; ++v) {
    const V xv = xs[v];
    sums[v] += xv * bias - (xv < zero ? -xv : xv) * error;
  }
}
}  // namespace

const Sums kSums{gather<true>, gather<false>, scatter, relu<false>, relu<true>, constant};

}  // namespace saha::check_proof::SAHA_ISA
