#pragma once
// Narrow: a graph whose weights take fewer bits, or which computes in narrow floats; nothing is calibrated.
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "ir/graph.hpp"

namespace saha::compress {

struct NarrowOptions {
  enum class Form : std::uint8_t {
    weights,   ///< stored in `to`, made float32 before they are used: i8, i4 (DequantizeLinear), f16, bf16 (Cast)
    dynamic,   ///< products of 8-bit operands whose scale is found in each run: DynamicQuantizeLinear, MatMulInteger, ConvInteger; `to` is i8
    hybrid,    ///< the same as layers of float32 data and stored weights, each row or picture with a scale of its own: what TensorFlow Lite's kernels compute; `to` is i8
    compute,   ///< everything that can computes in `to`, f16 or bf16, between Casts at inputs and outputs, which stay float32
  } form = Form::weights;
  DType to = DType::i8;
  std::int64_t block = 32;           ///< of i4: so many weights of a row share a scale, where the row is a matrix's; else one for the row
  std::set<std::string> keep = {};   ///< names of nodes that stay as they are
};
struct Narrowed {
  ir::Graph graph;
  std::int64_t layers = 0;           ///< whose weights are narrow now
  std::int64_t opset = 13;           ///< the oldest that has the result's operators and types
};
/// Fails where `to` does not belong to the form, where nothing can be narrowed, and naming an entry of `keep` that is no node.
Result<Narrowed> narrowed(const ir::Graph& g, const NarrowOptions& options);

}  // namespace saha::compress
