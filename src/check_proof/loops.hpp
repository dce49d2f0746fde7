#pragma once
// The inner sums of bounding in float64, compiled once per instruction set. A row of coefficients has `columns` doubles, a multiple of 8 and at most kColumns.
#include <cstdint>

namespace saha::check_proof {

inline constexpr std::int64_t kColumns = 64;

struct Sums {
  using Gather = void (*)(const std::int32_t* row, const double* w, std::int64_t n, const double* a, double* out, std::int64_t columns);
  /// out[c] += sum over k < n of w[k] a[row[k] * columns + c]; of the second: of w[row[k]]
  Gather sparse, dense;
  /// centre[row[k]] += w[k] c, radius += |w[k]| r, size += |w[k]| s; row null: k itself
  void (*scatter)(const std::int32_t* row, const double* w, std::int64_t n, double c, double r, double s, double* centre, double* radius, double* size);
  using Relu = void (*)(double* x, const double* al, const double* au, const double* cu, double error, double* sum, std::int64_t columns);
  /// Of coefficients x of a ReLU's element: sum += x- cu - |x| error; x = x+ al + x- au. Of the second, al, au and cu have one number a column, else one for all.
  Relu relu, relu_each;
  /// sum += x bias - |x| error
  void (*constant)(const double* x, double bias, double error, double* sum, std::int64_t columns);
};

namespace generic { extern const Sums kSums; }
namespace avx2 { extern const Sums kSums; }
namespace avx512 { extern const Sums kSums; }

}  // namespace saha::check_proof
