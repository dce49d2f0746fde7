#pragma once
// Layers: a graph as the checker reads it - sums and ReLUs over flat vectors - with how many float32 roundings each sum goes through. Read from the graph alone and
// by nothing of the verifier.
#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "ir/graph.hpp"

namespace saha::check_proof {

/// A matrix by columns: of column j, element k in [start[j], start[j + 1]) is w[k] in row[k]. Dense: every column has all rows in order, and `row` is empty.
struct Matrix {
  std::int32_t rows = 0, cols = 0;
  std::vector<std::int64_t> start;
  std::vector<std::int32_t> row;
  std::vector<double> w;
};

struct Layer {
  enum class Kind : std::uint8_t { input, sum, relu } kind = Kind::sum;
  std::int32_t size = 0;
  struct Term {
    std::int32_t from;
    Matrix matrix;
  };
  std::vector<Term> terms = {};                      ///< sum: of matrix * from, and bias
  std::vector<double> bias = {};                     ///< sum
  double roundings = 0;                              ///< sum: a summand of an element is rounded at most so often, in any order of the sum
  std::int32_t operand = -1;                         ///< relu: a layer before
  std::int32_t read_by_relus = 0, read_by_sums = 0;
  bool exact = false;                                ///< intervals lose nothing: every element is a sum over inputs, or over single ones each
};

struct Layers {
  std::vector<Layer> all;                            ///< in execution order; 0 is all inputs, one after another
  std::vector<std::int32_t> relus;                   ///< the k-th ReLU of the graph, of those its outputs need
  struct Place {
    std::int32_t layer, element;
  };
  std::vector<Place> outputs;                        ///< of all outputs, one after another
};

/// Gemm, MatMul, Conv, Add, Sub, Mul and Div with constants, sums of values, Relu, and what only moves elements. Fails (unsupported) on others, by name, and on free dims.
Result<Layers> read_layers(const ir::Graph& g);

}  // namespace saha::check_proof
