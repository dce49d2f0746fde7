#pragma once
// Lines along one axis of a dense tensor: `outer` x `inner` lines of `length` elements, `inner` apart. Softmax, norms and arg-reductions.
#include "op/op_def.hpp"
#include "op/strides.hpp"

namespace saha::op {

struct Lines { std::int64_t outer, length, inner; };
inline Lines lines(const Dims& d, std::size_t axis) { return {product(d, 0, axis), d[axis], product(d, axis + 1, d.size())}; }

/// Loads each line of x, lets f(double* line, length) change it in place, and stores it at the same place of a result of the same shape.
template <class F> Result<> map_lines(Eval& c, std::size_t axis, F f) {
  const Tensor& x = c.x(0);
  SAHA_TRY(Tensor y, c.make(x.dtype, x.dims));
  if (x.size() == 0) return c.give(std::move(y));
  auto [outer, length, inner] = lines(x.dims, axis);
  std::vector<double> block(std::size_t(length * inner)), line(static_cast<std::size_t>(length));
  for (std::int64_t o = 0; o < outer; ++o) {
    load(x, o * length * inner, 1, length * inner, block.data());
    if (inner == 1) f(block.data(), length);
    else
      for (std::int64_t i = 0; i < inner; ++i) {
        for (std::int64_t j = 0; j < length; ++j) line[std::size_t(j)] = block[std::size_t(j * inner + i)];
        f(line.data(), length);
        for (std::int64_t j = 0; j < length; ++j) block[std::size_t(j * inner + i)] = line[std::size_t(j)];
      }
    store(y, o * length * inner, length * inner, block.data());
  }
  return c.give(std::move(y));
}

}  // namespace saha::op
