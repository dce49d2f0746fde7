#pragma once
// Forest: decision trees as one table of nodes and one of votes, whatever the attributes looked like that they came from. The walk is
// bounded by the number of nodes, so a damaged model with a cycle is an error and not a hang. Source: ONNX-ML, TreeEnsemble (5).
#include "op/op_def.hpp"

namespace saha::op {

enum class BranchMode : std::uint8_t { leq, lt, gte, gt, eq, neq, member };
enum class Aggregate : std::uint8_t { average, sum, min, max };

struct Forest {
  struct Node {
    double split = 0;
    std::int32_t feature = 0;
    BranchMode mode = BranchMode::leq;
    bool missing_is_true = false;             ///< where the feature is NaN
    std::int64_t yes = 0, no = 0;             ///< a node, or ~leaf
    std::uint32_t first_member = 0, num_members = 0;
  };
  struct Leaf { std::uint32_t first = 0, count = 0; };  ///< its votes
  struct Vote { std::int64_t target; double weight; };

  std::vector<Node> nodes;
  std::vector<Leaf> leaves;
  std::vector<Vote> votes;
  std::vector<double> members;                ///< sorted within each node
  std::vector<std::int64_t> roots;            ///< a node, or ~leaf, per tree
  std::int64_t num_targets = 1;
  bool single = true;                         ///< weights are float32, and so is every sum of them: ties at a threshold depend on it
  std::int64_t num_features = 0;              ///< one more than the largest feature that a node asks for

  /// Checks that every reference stays inside; the last step of each maker.
  Result<> check(std::string_view op) const;
  /// The leaf of a row, or nothing where the nodes form a cycle. x holds num_features numbers at least.
  std::optional<std::size_t> leaf(std::int64_t root, const double* x) const;
  /// Scores of a row: votes of its leaves, aggregated. `voted` says which targets got one. Fails on a cycle.
  Result<> score(const double* x, Aggregate how, std::span<double> y, std::span<char> voted, std::string_view op) const;
};

/// From the attributes of TreeEnsemble (5).
Result<Forest> forest_of(const AttrView& a, std::string_view op);
/// From those of TreeEnsembleRegressor and TreeEnsembleClassifier; `prefix` is "target" or "class".
Result<Forest> old_forest_of(const AttrView& a, std::string_view prefix, std::string_view op);

}  // namespace saha::op
