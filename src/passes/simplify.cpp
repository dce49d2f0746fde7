#include "passes/simplify.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "op/builder.hpp"

namespace saha::passes {
namespace {
constexpr int kMaxRounds = 4;

/// A node whose results nobody reads is not there.
Result<ir::Graph> remove_dead(const ir::Graph& g, const Options&) {
  std::vector<char> live(g.values().size(), 0);
  for (ir::ValueId v : g.outputs()) live[std::size_t(v)] = 1;
  for (std::size_t i = g.nodes().size(); i-- > 0;) {
    const ir::Node& n = g.nodes()[i];
    bool used = false;
    for (std::size_t k = 0; k < n.num_results; ++k) used |= live[n.first_result + k] != 0;
    if (!used) continue;
    for (ir::ValueId v : g.operands(n)) if (v != ir::ValueId::none) live[std::size_t(v)] = 1;
  }
  return op::rewrite(g, [&](const ir::Graph&, const ir::Node& n, const op::Vals&, op::Builder&) -> std::optional<op::Vals> {
    for (std::size_t k = 0; k < n.num_results; ++k) if (live[n.first_result + k]) return {};
    return op::Vals(n.num_results);
  });
}
}  // namespace

std::span<const Pass> pipeline() {
  static constexpr std::array all = {
      Pass{"remove_dead", "a node whose results nobody reads is not there", remove_dead},
  };
  return all;
}

Result<Simplified> simplify(const ir::Graph& g, const Options& options, std::span<const std::string> without, std::span<const std::string> only) {
  auto listed = [](std::span<const std::string> names, std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  for (auto names : {without, only})
    for (const std::string& name : names) {
      bool known = std::any_of(pipeline().begin(), pipeline().end(), [&](const Pass& p) { return p.name == name; });
      if (!known) return Error{ErrorCode::invalid_argument, "there is no pass '" + name + "'", "saha simplify --help lists the passes"};
    }
  Simplified r{g, {}};
  for (int round = 0; round < kMaxRounds; ++round) {
    bool changed = false;
    for (const Pass& p : pipeline()) {
      if (listed(without, p.name) || (!only.empty() && !listed(only, p.name))) continue;
      auto start = std::chrono::steady_clock::now();
      std::size_t before = ir::count_nodes(r.graph);
      auto next = p.run(r.graph, options);
      if (!next) return std::move(next.error()).within("pass '" + std::string(p.name) + "'");
      bool same = ir::same_structure(r.graph, *next);
      r.graph = std::move(*next);
      if (same) continue;
      changed = true;
      r.passes.push_back({std::string(p.name), before, ir::count_nodes(r.graph), std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()});
    }
    if (!changed) break;
  }
  return r;
}

}  // namespace saha::passes
