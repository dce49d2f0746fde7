#pragma once
// Layers: a graph as the checker reads it - sums over flat vectors, some with ReLUs behind them - with how many float32 roundings each sum goes through. Read from the
// graph alone and by nothing of the verifier.
#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "ir/graph.hpp"

namespace saha::check_proof {

/// A matrix by columns: of column j, element k in [start[j], start[j + 1]) is w[k] in row[k]. Dense: every column has all rows in order, and `row` is empty.
struct Matrix {
  std::vector<std::int64_t> start;
  std::vector<std::int32_t> row;
  std::vector<double> w;
};

struct Layer {
  std::int32_t size = 0;
  struct Term {
    std::int32_t from;
    Matrix matrix;
  };
  std::vector<Term> terms = {};                      ///< z = sum of matrix * from, and bias; the input has none
  std::vector<double> bias = {};
  double roundings = 0;                              ///< a summand of an element of z is rounded at most so often, in any order of the sum
  bool relu = false;                                 ///< values are relu(z), else z
};

/// Element e is element at[e] of a layer.
struct Value {
  std::int32_t layer = -1;
  std::vector<std::int32_t> at = {};
  bool only = false;                                 ///< nothing else reads that layer
};

struct Layers {
  std::vector<Layer> all;                            ///< in execution order; 0 is all inputs, one after another
  std::vector<Value> relus;                          ///< results of the graph's Relu nodes, of those that its outputs need, in order
  struct Place {
    std::int32_t layer, element;
  };
  std::vector<Place> outputs;                        ///< of all outputs, one after another
};

/// Gemm, MatMul, Conv, Add, Sub, Mul and Div with constants, sums of values, Relu, and what only moves elements, by the operators' references. Fails (unsupported) on others, by name, and on free dims.
Result<Layers> read_layers(const ir::Graph& g);

}  // namespace saha::check_proof
