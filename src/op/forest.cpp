// Attributes of the three tree operators -> Forest, and the walk.
#include "op/forest.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace saha::op {
namespace {
Error bad(std::string_view op, std::string what) { return {ErrorCode::invalid_model, std::string(op) + ": " + std::move(what)}; }
/// The attribute's numbers: a tensor, or floats under the same name without the ending.
std::vector<double> reals(const AttrView& a, const std::string& name) {
  if (const Tensor* t = a.tensor(name + "_as_tensor"); t && (is_float(t->dtype) || is_int(t->dtype))) return values<double>(*t);
  auto f = a.fs(name);
  return {f.begin(), f.end()};
}
Result<> same_length(std::string_view op, std::size_t n, std::initializer_list<std::pair<std::string_view, std::size_t>> lists) {
  for (auto [name, size] : lists)
    if (size != n) return bad(op, std::string(name) + " has " + std::to_string(size) + " entries, " + std::to_string(n) + " are needed");
  return {};
}
struct NodeKey {
  std::int64_t tree, node;
  bool operator==(const NodeKey&) const = default;
};
struct NodeKeyHash {
  std::size_t operator()(const NodeKey& k) const { return std::hash<std::int64_t>()(k.tree * 0x9E3779B97F4A7C15ull + std::uint64_t(k.node)); }
};
}  // namespace

Result<> Forest::check(std::string_view op) const {
  auto inside = [&](std::int64_t r) { return r >= 0 ? r < std::int64_t(nodes.size()) : ~r < std::int64_t(leaves.size()); };
  for (const Node& n : nodes)
    if (!inside(n.yes) || !inside(n.no)) return bad(op, "a node leads to " + std::to_string(inside(n.yes) ? n.no : n.yes) + ", which does not exist");
  for (std::int64_t r : roots) if (!inside(r)) return bad(op, "tree root " + std::to_string(r) + " does not exist");
  for (const Node& n : nodes) if (n.feature < 0) return bad(op, "feature " + std::to_string(n.feature));
  for (const Vote& v : votes) if (v.target < 0 || v.target >= num_targets) return bad(op, "a vote for target " + std::to_string(v.target) + " of " + std::to_string(num_targets));
  return {};
}
std::optional<std::size_t> Forest::leaf(std::int64_t at, const double* x) const {
  for (std::size_t step = 0; at >= 0; ++step) {
    if (step > nodes.size()) return {};
    const Node& n = nodes[std::size_t(at)];
    const double v = x[n.feature];
    bool yes = false;
    switch (n.mode) {
      case BranchMode::leq: yes = v <= n.split; break;
      case BranchMode::lt: yes = v < n.split; break;
      case BranchMode::gte: yes = v >= n.split; break;
      case BranchMode::gt: yes = v > n.split; break;
      case BranchMode::eq: yes = v == n.split; break;
      case BranchMode::neq: yes = v != n.split && !std::isnan(v); break;
      case BranchMode::member: yes = std::binary_search(members.begin() + n.first_member, members.begin() + n.first_member + n.num_members, v); break;
    }
    if (std::isnan(v)) yes = n.missing_is_true;
    at = yes ? n.yes : n.no;
  }
  return std::size_t(~at);
}
Result<> Forest::score(const double* x, Aggregate how, std::span<double> y, std::span<char> voted, std::string_view op) const {
  std::fill(y.begin(), y.end(), 0.0);
  std::fill(voted.begin(), voted.end(), char(0));
  for (std::int64_t root : roots) {
    auto at = leaf(root, x);
    if (!at) return bad(op, "the nodes of a tree form a cycle");
    const Leaf& l = leaves[*at];
    for (const Vote* v = votes.data() + l.first, *e = v + l.count; v < e; ++v) {
      auto t = std::size_t(v->target);
      if (how == Aggregate::sum || how == Aggregate::average) y[t] = single ? double(float(y[t] + v->weight)) : y[t] + v->weight;
      else if (!voted[t]) y[t] = v->weight;
      else y[t] = how == Aggregate::min ? std::min(y[t], v->weight) : std::max(y[t], v->weight);
      voted[t] = 1;
    }
  }
  if (how == Aggregate::average && !roots.empty()) for (double& v : y) v /= double(roots.size());
  return {};
}

Result<Forest> forest_of(const AttrView& a, std::string_view op) {
  Forest f;
  auto modes_t = a.tensor("nodes_modes"), splits_t = a.tensor("nodes_splits"), weights_t = a.tensor("leaf_weights"), members_t = a.tensor("membership_values");
  for (const Tensor* t : {splits_t, weights_t}) if (!t || !is_float(t->dtype)) return bad(op, "nodes_splits and leaf_weights must be floating-point tensors");
  if (!modes_t || modes_t->dtype != DType::u8) return bad(op, "nodes_modes must be a tensor of uint8");
  if (members_t && !is_float(members_t->dtype)) return bad(op, "membership_values must be a floating-point tensor");
  auto modes = values<std::int64_t>(*modes_t);
  auto splits = values<double>(*splits_t), weights = values<double>(*weights_t), members = members_t ? values<double>(*members_t) : std::vector<double>();
  auto features = a.is("nodes_featureids"), yes = a.is("nodes_truenodeids"), no = a.is("nodes_falsenodeids"), yes_leaf = a.is("nodes_trueleafs"), no_leaf = a.is("nodes_falseleafs"), missing = a.is("nodes_missing_value_tracks_true"),
       targets = a.is("leaf_targetids"), roots = a.is("tree_roots");
  f.single = weights_t->dtype != DType::f64;
  std::size_t n = modes.size();
  SAHA_DO(same_length(op, n, {{"nodes_splits", splits.size()}, {"nodes_featureids", features.size()}, {"nodes_truenodeids", yes.size()}, {"nodes_falsenodeids", no.size()}, {"nodes_trueleafs", yes_leaf.size()}, {"nodes_falseleafs", no_leaf.size()}}));
  if (!missing.empty()) { SAHA_DO(same_length(op, n, {{"nodes_missing_value_tracks_true", missing.size()}})); }
  SAHA_DO(same_length(op, weights.size(), {{"leaf_targetids", targets.size()}}));
  f.num_targets = a.has_attr("n_targets") ? a.i("n_targets") : targets.empty() ? 1 : *std::max_element(targets.begin(), targets.end()) + 1;
  if (f.num_targets < 1 || f.num_targets > 1 << 24) return bad(op, "n_targets is " + std::to_string(f.num_targets));
  for (std::size_t i = 0; i < weights.size(); ++i) {
    f.leaves.push_back({std::uint32_t(i), 1});
    f.votes.push_back({targets[i], weights[i]});
  }
  std::size_t at = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (modes[i] < 0 || modes[i] > 6) return bad(op, "nodes_modes holds " + std::to_string(modes[i]));
    if (yes[i] < 0 || no[i] < 0 || features[i] < 0 || features[i] > INT32_MAX - 1) return bad(op, "node " + std::to_string(i) + " has a negative child or feature");
    Forest::Node node{splits[i], std::int32_t(features[i]), BranchMode(modes[i]), !missing.empty() && missing[i] != 0, yes_leaf[i] ? ~yes[i] : yes[i], no_leaf[i] ? ~no[i] : no[i]};
    if (node.mode == BranchMode::member) {  // the sets stand in the order of the nodes, each ended by a NaN
      node.first_member = std::uint32_t(f.members.size());
      for (; at < members.size() && !std::isnan(members[at]); ++at) f.members.push_back(members[at]);
      if (at++ >= members.size()) return bad(op, "membership_values has fewer sets than there are nodes that ask for one");
      node.num_members = std::uint32_t(f.members.size()) - node.first_member;
      std::sort(f.members.begin() + node.first_member, f.members.end());
    }
    f.num_features = std::max(f.num_features, features[i] + 1);
    f.nodes.push_back(node);
  }
  for (std::int64_t r : roots) {
    if (r < 0) return bad(op, "tree root " + std::to_string(r));
    f.roots.push_back(r);
  }
  SAHA_DO(f.check(op));
  return f;
}

Result<Forest> old_forest_of(const AttrView& a, std::string_view prefix, std::string_view op) {
  Forest f;
  std::string p(prefix);
  auto trees = a.is("nodes_treeids"), ids = a.is("nodes_nodeids"), features = a.is("nodes_featureids"), yes = a.is("nodes_truenodeids"), no = a.is("nodes_falsenodeids"), missing = a.is("nodes_missing_value_tracks_true");
  auto modes = a.ss("nodes_modes");
  auto splits = reals(a, "nodes_values"), weights = reals(a, p + "_weights");
  auto vote_trees = a.is(p + "_treeids"), vote_nodes = a.is(p + "_nodeids"), vote_ids = a.is(p + "_ids");
  const Tensor* wide = a.tensor(p + "_weights_as_tensor");
  f.single = !wide || wide->dtype != DType::f64;
  std::size_t n = ids.size();
  SAHA_DO(same_length(op, n, {{"nodes_treeids", trees.size()}, {"nodes_featureids", features.size()}, {"nodes_truenodeids", yes.size()}, {"nodes_falsenodeids", no.size()}, {"nodes_modes", modes.size()}, {"nodes_values", splits.size()}}));
  if (!missing.empty()) { SAHA_DO(same_length(op, n, {{"nodes_missing_value_tracks_true", missing.size()}})); }
  SAHA_DO(same_length(op, weights.size(), {{p + "_treeids", vote_trees.size()}, {p + "_nodeids", vote_nodes.size()}, {p + "_ids", vote_ids.size()}}));

  // Where each node of the file stands: a branch or ~leaf. The first node of a tree is its root.
  std::unordered_map<NodeKey, std::int64_t, NodeKeyHash> place;
  std::unordered_map<NodeKey, std::vector<std::size_t>, NodeKeyHash> votes;
  std::int64_t branches = 0, leaves = 0;
  for (std::size_t i = 0; i < n; ++i)
    if (!place.emplace(NodeKey{trees[i], ids[i]}, modes[i] == "LEAF" ? ~leaves++ : branches++).second) return bad(op, "tree " + std::to_string(trees[i]) + " has two nodes " + std::to_string(ids[i]));
  for (std::size_t i = 0; i < weights.size(); ++i) votes[{vote_trees[i], vote_nodes[i]}].push_back(i);
  std::unordered_map<std::int64_t, bool> seen;
  constexpr std::string_view names[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"};
  for (std::size_t i = 0; i < n; ++i) {
    if (seen.emplace(trees[i], true).second) f.roots.push_back(place[{trees[i], ids[i]}]);
    if (modes[i] == "LEAF") {
      Forest::Leaf leaf{std::uint32_t(f.votes.size()), 0};
      if (auto it = votes.find({trees[i], ids[i]}); it != votes.end())
        for (std::size_t v : it->second) f.votes.push_back({vote_ids[v], weights[v]});
      leaf.count = std::uint32_t(f.votes.size()) - leaf.first;
      f.leaves.push_back(leaf);
      continue;
    }
    auto mode = std::find(std::begin(names), std::end(names), modes[i]);
    if (mode == std::end(names)) return bad(op, "nodes_modes holds '" + modes[i] + "'");
    auto t = place.find({trees[i], yes[i]}), e = place.find({trees[i], no[i]});
    if (t == place.end() || e == place.end()) return bad(op, "node " + std::to_string(ids[i]) + " of tree " + std::to_string(trees[i]) + " leads to a node that does not exist");
    if (features[i] < 0 || features[i] > INT32_MAX - 1) return bad(op, "feature " + std::to_string(features[i]));
    f.nodes.push_back({splits[i], std::int32_t(features[i]), BranchMode(mode - std::begin(names)), !missing.empty() && missing[i] != 0, t->second, e->second});
    f.num_features = std::max(f.num_features, features[i] + 1);
  }
  f.num_targets = a.has_attr("n_targets") ? a.i("n_targets") : vote_ids.empty() ? 1 : *std::max_element(vote_ids.begin(), vote_ids.end()) + 1;
  if (p == "class") f.num_targets = std::max<std::int64_t>({1, f.num_targets, std::int64_t(a.is("classlabels_int64s").size()), std::int64_t(a.ss("classlabels_strings").size())});
  if (f.num_targets < 1 || f.num_targets > 1 << 24) return bad(op, std::to_string(f.num_targets) + " targets");
  SAHA_DO(f.check(op));
  return f;
}

}  // namespace saha::op
