#pragma once
// Finds an activation that a model writes out in several nodes: x / sqrt 2 -> Erf -> + 1 -> * x -> * 0.5 is Gelu.
#include <functional>
#include <span>

#include "backends/native/rows.hpp"

namespace saha::native {

/// Elements of a graph's value where they are one float32 constant.
using ScalarOf = std::function<std::optional<float>(ir::ValueId)>;

/// Rows of the nodes of the longest chain from x, each value of which but the last is used inside only, that is one activation; empty: none.
/// `readers` and `uses` are those of the whole graph, by value. `shared`: x itself may be used elsewhere too.
struct Recognised {
  std::vector<std::size_t> nodes;
  ActivationOf activation;
};
Recognised recognise(const ir::Graph& g, ir::ValueId x, const std::vector<std::vector<std::size_t>>& readers, std::span<const std::uint32_t> uses, const ScalarOf& scalar, bool shared = false);

}  // namespace saha::native
