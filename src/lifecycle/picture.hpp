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
/// uint8 [h, w, c] of a [h, w, c], [3, h, w] or [h, w] (or flat square) tensor; numbers to 1 become numbers to 255. Nothing where it is no picture, or one of more than 256 x 256 pixels.
std::optional<Tensor> image_of(const Tensor& t);
/// What changed between two uint8 pictures of one size: 128 where nothing did, changes times `stretch`. Nothing where they are equal or of different sizes.
struct Difference {
  Tensor image;
  double stretch;
};
std::optional<Difference> difference(const Tensor& before, const Tensor& after);
/// A PNG of image_of(t).
std::optional<std::vector<std::byte>> png_of(const Tensor& t);
/// The same as base64; null where it is no picture.
Json picture_of(const Tensor& t);
/// {"Conv": 52, ..} with sub-graphs.
Json operator_counts(const ir::Graph& g);

}  // namespace saha::lifecycle
