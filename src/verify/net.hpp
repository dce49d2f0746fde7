#pragma once
// Net: a graph as the verifier sees it. A few kinds of layers, each over flat vectors, to which every operator comes down by the facts of its
// entry: what is linear becomes a matrix, what has a curve a function element by element, the rest is spelt out by its body. lower() makes it.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "ir/graph.hpp"
#include "op/op_def.hpp"
#include "verify/steps.hpp"
#include "verify/verify.hpp"

namespace saha::verify {

/// A matrix of float32, rows are results. Dense: row by row. Sparse: by rows and by columns.
struct Matrix {
  std::int32_t rows = 0, cols = 0;
  bool dense = false;
  std::vector<float> values;                       ///< dense: rows x cols; sparse: by rows
  std::vector<std::int32_t> row_start, column;     ///< sparse: of row i, values[row_start[i] .. row_start[i + 1])
  std::vector<std::int32_t> col_start, row, place; ///< the same by columns; place: where in values
  std::int32_t widest_row = 0, widest_col = 0;     ///< most elements that are not 0
  float at(std::int32_t i, std::int32_t j) const;  ///< slow
};
/// From (row, column, value) in any order; equal places are summed. Chooses dense where at least a quarter is filled.
struct Entry {
  std::int32_t row, col;
  float value;
};
Matrix make_matrix(std::int32_t rows, std::int32_t cols, std::vector<Entry> entries);
Matrix make_dense(std::int32_t rows, std::int32_t cols, std::vector<float> values);

struct Term {
  std::int32_t from;                               ///< a layer before
  Matrix matrix;
};

/// One function element by element.
struct Unary {
  /// curve: the entry's; stair: a curve that only steps, with its values and jumps bounded by its ends; steps: one whose steps are known.
  enum class Kind : std::uint8_t { relu, curve, stair, reciprocal, sine, steps } kind = Kind::relu;
  const op::Curve* curve = nullptr;
  std::shared_ptr<const ir::Attrs> attrs = {};
  double shift = 0;                                ///< sine: sin(x + shift), a quarter turn for the cosine
  float ulp = 0;                                   ///< units of 2^-24 by which an engine's value may differ, relative to the largest of the range
  std::shared_ptr<const Steps> steps = {};
  double value(double x, std::int32_t element = 0) const;  ///< element: of a layer whose elements have steps of their own
  double slope(double x, std::int32_t element = 0) const;
};

struct Layer {
  enum class Kind : std::uint8_t { input, affine, unary, product } kind = Kind::affine;
  std::int32_t size = 0;
  std::vector<Term> terms;                         ///< affine: y = sum of matrix * from + bias
  std::vector<float> bias;                         ///< affine
  float roundings = 0;                             ///< affine: float32 roundings that an element's sum goes through, beside exact ones: 0 where it is only rewriting
  bool dot = false;                                ///< affine: an engine adds up an element's terms and nothing else, in any order: what it has on the way is a sum of some of them
  float absolute = 0;                              ///< affine: every element may err by so much, in any arithmetic: what rounding to an integer does
  bool whole = false;                              ///< every element is an integer, and so small that float32 sums of them are exact
  float largest = 0;                               ///< whole: no element is larger
  Unary unary;
  std::int32_t a = -1, b = -1;                     ///< unary: a; product: a * b
  std::int32_t mate = -1, gap = -1;                ///< a ReLU of a pair: the other one, next to it; the layer of the first one's operand less the second one's
  float slack = 0;                                 ///< product: roundings of an element
  std::int32_t spread = -1;                        ///< affine: every element may err by `spread_units` 2^-24 times the largest magnitude of that layer (softmax takes the row's largest off first)
  float spread_units = 0;
  std::string origin;                              ///< for messages
};

/// Layers in execution order; layer 0 is the input, the last one all outputs of the graph.
struct Net {
  std::vector<Layer> layers;
  std::int32_t inputs() const { return layers.front().size; }
  std::int32_t outputs() const { return layers.back().size; }
};

/// Every element of the layer is one element of another, or its negative, or 0: nothing is computed.
bool moves(const Layer& l);

/// What the parts of a sum of integers and halves may come to so that float32 holds an interval of them exactly: both ends are sums of two such.
inline constexpr double kExactSums = 1 << 22;

/// Joins layers where that changes neither a real number nor the count of roundings: movement into what follows it, a sum into the product before it. Drops
/// what nothing uses. `sums` false: movement only.
void compact(Net& net, bool sums = true);

/// Where a layer takes the difference of two layers that are made alike - two networks on one input, one network on two inputs - their ReLUs become pairs, each with a layer of the difference of
/// their operands. A sweep bounds that, and both of a pair together.
/// False: the net takes no such difference and stays as it is.
bool pair_alike(Net& net);

/// The layer is that of some pair's differences.
bool is_difference(const Net& net, std::size_t layer);

/// Operators for which lower() has a rule, beside those whose facts in the table (linear, curve, body) are enough.
std::span<const std::string_view> own_rules();

/// How rounding to a stored integer is said: by its steps (exact, each with lines of its own), or as a sum that errs by half a step, between ReLUs for saturation.
enum class Stored : std::uint8_t { steps, errors };

/// Fails (unsupported) naming an operator that has no bounds, or a value whose size is not known. Inputs are float32, or integers of up to 16 bits. Nodes on stored integers are lowered
/// by their integer form, in steps of their own; sums and products of integers are exact. `scores`: where the output is a softmax over all of its numbers, the outputs are what it is taken
/// of, which are in the same order.
Result<Net> lower(const ir::Graph& g, Stored stored = Stored::errors, bool scores = false);

}  // namespace saha::verify
