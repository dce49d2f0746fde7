#pragma once
// Sites: where a graph is quantised, before any number is known: which nodes compute on stored integers, which values are stored alike. What each
// operator asks for is one table (sites.cpp). Sources: TensorFlow Lite's quantisation specification (values that share a scale, fixed scales), ONNX's
// operator specification.
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "op/builder.hpp"

namespace saha::compress {

enum class Role : std::uint8_t {
  none,      ///< stays as it is
  product,   ///< sums of products: Conv, ConvTranspose, Gemm, MatMul
  same,      ///< chooses or moves elements: the result is stored as the operand is
  own,       ///< computes elementwise or reduces: the result has a range of its own
  limit,     ///< Relu, Clip: part of what makes the operand
  fixed,     ///< the range is known beforehand: Softmax, Sigmoid, Tanh
};
/// What the table says of a node: none where its types do not fit either.
Role role_of(const ir::Graph& g, const ir::Node& n);
/// The operands that are numbers to be stored (not indices, pads or limits); of a product: its factors, without the bias.
std::vector<std::size_t> data_operands(const ir::Graph& g, const ir::Node& n);
/// What Softmax, Sigmoid and Tanh are stored as.
std::optional<op::Stored> fixed_storage(const ir::Node& n, DType t);

struct SiteOptions {
  std::set<std::string> keep = {};          ///< as kept() has them
  std::set<std::size_t> floats = {};        ///< nodes that stay float
  bool float_tail = true;         ///< what comes after the last product of a path stays float, its result included
};

struct Sites {
  std::vector<Role> role;         ///< by node; none: computes in float
  std::vector<char> inside;       ///< by node: its result is not stored, the limit that follows has it
  std::vector<std::int32_t> group;   ///< by value: values of one group are stored alike; -1: not stored
  struct Group {
    std::vector<ir::ValueId> sources;      ///< whose range counts; the others only hold elements of them
    std::optional<op::Stored> fixed;
    std::int32_t layer = -1;               ///< the product (or other node) whose result it is; -1: an input, or made in float
  };
  std::vector<Group> groups;
};
/// Fails naming an entry of `keep` that is no node.
Result<Sites> find_sites(const ir::Graph& g, const SiteOptions& options = {});

/// The operand that holds a product's weights is a constant: operand 1 of a node of role product.
bool has_weights(const ir::Graph& g, const ir::Node& n);
/// The axis of operand 1 that counts results, along which scales may lie.
int channel_axis(const ir::Graph& g, const ir::Node& n);
/// A node as tables show it: the last part of its origin that tells it apart, else its result's name.
std::string layer_name(const ir::Graph& g, const ir::Node& n);
/// The node stays as it is: `keep` has its origin, its layer's or its result's name (what was met is taken from `unmet`), or it is a step of preprocessing
/// that was folded into the graph, whose numbers span more than eight bits.
bool kept(const ir::Graph& g, const ir::Node& n, const std::set<std::string>& keep, std::set<std::string>& unmet);

}  // namespace saha::compress
