#pragma once
// Graphs in the making, with random data.
#include <random>

#include "op/builder.hpp"

namespace saha::native::test {

inline Tensor noise(Dims dims, float low = -1, float high = 1) {
  static std::mt19937 engine(3);
  std::uniform_real_distribution<float> d(low, high);
  Tensor t = Tensor::zeros(DType::f32, std::move(dims));
  for (std::int64_t i = 0; i < t.size(); ++i) t.as<float>()[i] = d(engine);
  return t;
}

/// A graph in the making: inputs with their data.
struct Net {
  op::Builder b;
  std::vector<Datum> data;
  op::Val input(Dims dims, float low = -1, float high = 1) {
    data.emplace_back(noise(dims, low, high));
    return b.input(ir::tensor_type(DType::f32, {dims.begin(), dims.end()}));
  }
  op::Val weight(Dims dims, float low = -1, float high = 1) { return b.constant(noise(std::move(dims), low, high)); }
};

}  // namespace saha::native::test
