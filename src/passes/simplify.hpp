#pragma once
// The simplification pipeline: one visible list of passes, each a pure function Graph -> Graph, each of which can be left out by name.
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.hpp"

namespace saha::op {
struct Budget;
}

namespace saha::passes {

/// Steps that folding takes at most, and for each element of the model's constants on top: a small file ends in a second or two, a large one
/// is folded as far as its size asks for.
inline constexpr double kFoldSteps = 0x1p29, kFoldStepsPerElement = 256;

struct Options {
  std::int64_t fold_limit = std::int64_t{1} << 20;   ///< bytes: no folded constant is larger, unless it replaces larger ones
  op::Budget* budget = nullptr;                      ///< what folding may take; null: simplify() allows kFoldSteps
  bool fuse = false;                                 ///< patterns into operators that the model's opset need not have (LayerNormalization, Gelu)
  std::int64_t opset = 28;                           ///< what the result may use; of the file, so that it is not raised
};

struct Pass {
  std::string_view name;                             ///< "fold_constants"; for `without` and `only`
  std::string_view sentence;                         ///< the rewrite, as an equation
  Result<ir::Graph> (*run)(const ir::Graph&, const Options&);
};
/// In the order in which they run; the list says why each stands where it stands.
std::span<const Pass> pipeline();

struct PassResult {
  std::string name;
  std::size_t before = 0, after = 0;                 ///< nodes, with those of sub-graphs
  double seconds = 0;
};
struct Simplified {
  ir::Graph graph;
  std::vector<PassResult> passes;                    ///< those that changed something
  bool fold_stopped = false;                         ///< constant nodes stand in the graph because to compute them takes too many steps
};
/// Passes to leave out where the result is run or quantised here: attention is left spelt out, whose products and softmax have fast kernels.
std::span<const std::string> joining_passes();
/// Runs the passes until nothing changes, at most `kMaxRounds` times. `without`: names that are left out; `only`: if not empty, the only
/// ones. Fails naming a pass that does not exist, or the pass that failed.
Result<Simplified> simplify(const ir::Graph& g, const Options& options = {}, std::span<const std::string> without = {}, std::span<const std::string> only = {});

}  // namespace saha::passes
