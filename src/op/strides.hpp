#pragma once
// Row-major arithmetic on shapes: strides, products of a range of dims, walking an index without a division per element.
#include <array>

#include "tensor/tensor.hpp"

namespace saha::op {

/// Rounds down; b > 0.
inline std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b != 0 && a < 0); }
/// Element strides of a dense tensor of these dims.
inline Dims row_major(std::span<const std::int64_t> dims) {
  Dims s(dims.size(), 1);
  for (std::size_t i = dims.size(); i-- > 1;) s[i - 1] = s[i] * dims[i];
  return s;
}
/// dims[from] * .. * dims[to - 1].
template <class D> D product(const std::vector<D>& dims, std::size_t from, std::size_t to) {
  D p(1);
  for (std::size_t i = from; i < to; ++i) p = p * dims[i];
  return p;
}
/// Steps `at` to the next index of `dims` in row-major order and keeps `offset[k]` = sum of at[i] * stride[k][i] for each k.
/// False after the last one.
template <std::size_t K> bool step(std::span<const std::int64_t> dims, Dims& at, const std::array<Dims, K>& stride, std::array<std::int64_t, K>& offset) {
  for (std::size_t i = dims.size(); i-- > 0;) {
    for (std::size_t k = 0; k < K; ++k) offset[k] += stride[k][i];
    if (++at[i] < dims[i]) return true;
    for (std::size_t k = 0; k < K; ++k) offset[k] -= stride[k][i] * dims[i];
    at[i] = 0;
  }
  return false;
}
/// The same with its state: a grid that is counted through while K offsets are kept.
template <std::size_t K> struct Walk {
  Dims extents;
  std::array<Dims, K> stride;
  std::array<std::int64_t, K> offset = {};
  Dims at = Dims(extents.size(), 0);
  void next() { step(extents, at, stride, offset); }
};

/// y[y_start + row-major(at)] = x[start + sum(at[i] * stride[i])] for every `at` of the grid `extents`. Same dtype, any dtype.
void gather_strided(const Tensor& x, std::int64_t start, std::span<const std::int64_t> stride, std::span<const std::int64_t> extents, const Tensor& y, std::int64_t y_start = 0);
/// y[start + sum(at[i] * stride[i])] = x[row-major(at)] for every `at` of the grid `extents`.
void scatter_strided(const Tensor& x, std::span<const std::int64_t> extents, const Tensor& y, std::int64_t start, std::span<const std::int64_t> stride);

/// Per axis of a result: the index along x that each place shows, or -1 for a fill.
using IndexMaps = std::vector<std::vector<std::int64_t>>;
/// y[at] = x[map[i][at[i]] for every axis i], or what y holds already where one of them is -1.
void gather_mapped(const Tensor& x, const IndexMaps& map, const Tensor& y);

}  // namespace saha::op
