#pragma once
// The graph as the report draws it: nodes in levels, grouped where there are too many to look at.
#include <cstddef>
#include <optional>
#include <vector>

#include "ir/graph.hpp"
#include "lifecycle/store.hpp"

namespace saha::lifecycle {

/// {"nodes": [{"id", "label", "kind", "level", "column", "count"}], "edges": [[from, to]], "grouped": bool}; at most about 200 nodes.
Json picture(const ir::Graph& g);
/// A PNG of a [h, w, c] or [h, w] (or flat square) tensor; nothing where it is no picture.
std::optional<std::vector<std::byte>> png_of(const Tensor& t);
/// The same as base64; null where it is no picture.
Json picture_of(const Tensor& t);
/// {"Conv": 52, ..} with sub-graphs.
Json operator_counts(const ir::Graph& g);

}  // namespace saha::lifecycle
