#pragma once
// Query: one question to the prover, as a graph and a property, with how to answer the same question by running the shipped models. What the
// level `prove` makes of a requirement; who judges brings the prover (Evidence).
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ir/graph.hpp"
#include "verify/verify.hpp"

namespace saha::validate {

/// A model as requirements speak of it: one sample, raw units. Every input is float32 without free dims; the steps of preprocessing that are affine
/// in a raw value stand as operators in front of the network.
struct Network {
  ir::Graph graph;
  std::vector<bool> whole = {};      ///< by input: raw samples hold whole numbers only (pictures)
  std::vector<std::string> notes = {};   ///< what a reader must know: "a point is the picture after decode, resize"
};

/// The values of all outputs by name, flattened.
using Outputs = std::map<std::string, std::vector<double>>;

/// All inputs of a network one after another, flattened row by row, as numbers: each a constant or an element of the query's x.
struct PointForm {
  std::vector<std::pair<std::int32_t, double>> elements;   ///< {element of x, 0}, or {-1, constant}
  std::vector<double> at(std::span<const double> x) const;
};

struct Query {
  std::string name;                  ///< of files: letters, digits and . _ -: "R4-robust.17"
  ir::Graph graph;                   ///< inputs: x, float32 in raw units; outputs: y
  verify::Property property;
  verify::Arithmetic arithmetic = verify::Arithmetic::float32;
  double timeout_s = 60;
  std::uint64_t seed = 0;
  /// The graph's outputs, in order: output `output` of `model` at a point. The graph computes them from x; so does whoever runs the models.
  struct Run {
    std::string model, output;
    std::size_t point = 0;           ///< of points
    std::int64_t width = 0;
  };
  std::vector<Run> runs;
  std::vector<PointForm> points;
  /// The member of the region next to x, which is run in x's place: whole numbers rounded, balls drawn in. Holds while the query does.
  std::function<std::vector<double>(std::span<const double> x)> member;
};

}  // namespace saha::validate
