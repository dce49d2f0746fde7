// Contract in check_proof/loops.hpp.
#include "check_proof/loops.hpp"

namespace saha::check_proof::SAHA_ISA {
namespace {
constexpr int kLanes = __BIGGEST_ALIGNMENT__ / 8;    // of the instruction set's widest register; wider vectors are taken apart badly
typedef double V __attribute__((vector_size(kLanes * 8), aligned(8), may_alias));

template <int columns_here, bool packed>
inline void part(const std::int32_t* row, const double* w, std::int64_t n, const double* a, std::int64_t columns, double* out) {
  constexpr int m = columns_here / kLanes;
  V s[m];
  for (int v = 0; v < m; ++v) s[v] = reinterpret_cast<const V*>(out)[v];
  for (std::int64_t k = 0; k < n; ++k) {
    const V* x = reinterpret_cast<const V*>(a + std::int64_t(row[k]) * columns);
    for (int v = 0; v < m; ++v) s[v] += w[packed ? k : row[k]] * x[v];
  }
  for (int v = 0; v < m; ++v) reinterpret_cast<V*>(out)[v] = s[v];
}

template <bool packed>
void gather(const std::int32_t* row, const double* w, std::int64_t n, const double* a, double* out, std::int64_t columns) {
  std::int64_t c = 0;
  for (; c + 32 <= columns; c += 32) part<32, packed>(row, w, n, a + c, columns, out + c);
  if (c + 16 <= columns) part<16, packed>(row, w, n, a + c, columns, out + c), c += 16;
  if (c < columns) part<8, packed>(row, w, n, a + c, columns, out + c);
}

void scatter(const std::int32_t* row, const double* w, std::int64_t n, double c, double r, double s, double* __restrict centre, double* __restrict radius, double* __restrict size) {
  for (std::int64_t k = 0; !row && k < n; ++k) centre[k] += w[k] * c, radius[k] += __builtin_fabs(w[k]) * r, size[k] += __builtin_fabs(w[k]) * s;
  for (std::int64_t k = 0; row && k < n; ++k) centre[row[k]] += w[k] * c, radius[row[k]] += __builtin_fabs(w[k]) * r, size[row[k]] += __builtin_fabs(w[k]) * s;
}

/// What is not a number stays so in one of the two sums.
template <bool each>
void relu(double* x, const double* al, const double* au, const double* cu, double error, double* sum, std::int64_t columns) {
  V *xs = reinterpret_cast<V*>(x), *sums = reinterpret_cast<V*>(sum);
  for (std::int64_t v = 0; v < columns / kLanes; ++v) {
    const V l = each ? reinterpret_cast<const V*>(al)[v] : V{} + *al, u = each ? reinterpret_cast<const V*>(au)[v] : V{} + *au, c = each ? reinterpret_cast<const V*>(cu)[v] : V{} + *cu;
    const V up = xs[v] > 0 ? xs[v] : V{}, down = xs[v] < 0 ? xs[v] : V{};
    sums[v] += down * c - (xs[v] < 0 ? -xs[v] : xs[v]) * error;
    xs[v] = up * l + down * u;
  }
}

void constant(const double* x, double bias, double error, double* sum, std::int64_t columns) {
  for (std::int64_t c = 0; c < columns; ++c) sum[c] += x[c] * bias - __builtin_fabs(x[c]) * error;
}
}  // namespace

const Sums kSums{gather<true>, gather<false>, scatter, relu<false>, relu<true>, constant};

}  // namespace saha::check_proof::SAHA_ISA
