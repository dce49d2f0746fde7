#pragma once
// The values that a model is measured with: from a seed, the same for every engine and on every machine.
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ir/graph.hpp"
#include "tensor/datum.hpp"

namespace saha::measure {

/// Shapes by input name, for free dims.
using Shapes = std::map<std::string, Dims, std::less<>>;

/// "image=1x3x224x224", split at the last '='; "x=" is a scalar.
Result<std::pair<std::string, Dims>> parse_shape(std::string_view text);

/// Elements from a seed and a stream number. Floats are uniform in [-1, 1), 8-bit integers over their whole range, other integers in
/// [0, below) (at least 1), strings single letters.
Result<Tensor> random_tensor(DType t, Dims dims, std::uint64_t seed, std::uint64_t stream, std::int64_t below = 2);

/// Below which number an integer input is a sound index: the rows of the smallest constant table that it looks up (Gather, OneHot, or Equal with 0 .. n-1), directly
/// or after operators that only move or cast it; 2 where it looks up none, so that masks and unseen tables take it.
std::int64_t index_limit(const ir::Graph& graph, ir::ValueId input);

/// Dims of each input: as in `shapes`, else the graph's with 1 for what is free. A symbol that one input fixes holds for all of them.
/// Fails where a name is none of the inputs, a fixed dim differs, or an input is no tensor.
Result<std::vector<Dims>> input_dims(const ir::Graph& graph, const Shapes& shapes);

/// Shapes for the inputs with free dims that the model takes: `given` as it is; beyond it every symbol 1 where that infers and `runs`, else the
/// first of a ladder of sizes (2 .. 640, the first axis at 1 before it) that does. Bounded: shape inference on each, `runs` on six at most.
/// `given` where none is taken, so that the caller meets the reason himself.
Shapes fitting_shapes(const ir::Graph& graph, const Shapes& given, const std::function<bool(const Shapes&)>& runs = {});

/// "x 1x3x32x32, y 1x8".
std::string shapes_text(const Shapes& shapes);

Result<std::vector<Datum>> random_inputs(const ir::Graph& graph, const Shapes& shapes, std::uint64_t seed);

}  // namespace saha::measure
