#pragma once
// Pairs: a graph with chosen numbers written as QuantizeLinear and DequantizeLinear around its operators, the form that ONNX engines and
// passes::gather_quantised read.
#include <map>
#include <vector>

#include "compress/sites.hpp"

namespace saha::compress {

/// The weights of a product as stored integers, zero points 0; scales along channel_axis, or one.
struct Weights {
  Tensor stored;
  std::vector<float> scale;
  std::vector<float> bias;    ///< as real numbers; empty: none
};
struct Numbers {
  std::vector<op::Stored> groups;          ///< one per group of Sites; no dtype: stays float
  std::map<std::size_t, Weights> weights;  ///< by node; of products that are not there the weights stay float
};
struct PairsOptions {
  /// Operands and result of a node have one width (as TensorFlow Lite's kernels ask for): where widths differ, all are stored in the wider one for it.
  bool one_width = false;
};
struct Pairs {
  ir::Graph graph;
  std::vector<ir::ValueId> read;   ///< by node of the float graph: what its operand 0 is in `graph`; none where the node is no product
};
/// The graph with pairs. A group without numbers stays float; names of values, inputs and outputs are kept. Fails where an operator refuses.
Result<Pairs> write_pairs(const ir::Graph& g, const Sites& sites, const Numbers& numbers, const PairsOptions& options = {});

/// How numbers of this range are stored in t: scale and zero point; 16 bits and `symmetric` have zero point 0. A range of nothing gets the scale 1.
op::Stored storage_of(double lo, double hi, DType t, bool symmetric = false);

}  // namespace saha::compress
