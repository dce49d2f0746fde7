#include "passes/simplify.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "op/builder.hpp"
#include "passes/passes.hpp"

namespace saha::passes {
namespace {
constexpr int kMaxRounds = 6;

/// The pass on the sub-graphs of all nodes, then on the graph itself.
Result<ir::Graph> everywhere(const Pass& pass, const ir::Graph& g, const Options& options) {
  bool nested = std::any_of(g.nodes().begin(), g.nodes().end(), [](const ir::Node& n) {
    return std::any_of(n.attrs->begin(), n.attrs->end(), [](const ir::NamedAttr& a) { return std::holds_alternative<ir::GraphRef>(a.value); });
  });
  if (!nested) return pass.run(g, options);
  std::optional<Error> failed;
  SAHA_TRY(ir::Graph inner, op::rewrite(g, [&](const ir::Graph&, const ir::Node& n, const op::Vals& in, op::Builder& b) -> std::optional<op::Vals> {
    ir::Attrs attrs = *n.attrs;
    bool changed = false;
    for (ir::NamedAttr& a : attrs) {
      auto* sub = std::get_if<ir::GraphRef>(&a.value);
      if (!sub || failed) continue;
      auto r = everywhere(pass, **sub, options);
      if (!r) { failed = std::move(r.error()); continue; }
      if (ir::same_structure(**sub, *r)) continue;
      a.value = std::make_shared<const ir::Graph>(std::move(*r));
      changed = true;
    }
    if (!changed) return {};
    return b.ops(n.op, in, attrs, n.num_results);
  }));
  if (failed) return std::move(*failed);
  return pass.run(inner, options);
}
double constant_elements(const ir::Graph& g) {
  double n = 0;
  for (const ir::Value& v : g.values()) if (v.constant) n += double(v.constant->size());
  for (const ir::Node& node : g.nodes())
    for (const ir::NamedAttr& a : *node.attrs) if (auto* sub = std::get_if<ir::GraphRef>(&a.value)) n += constant_elements(**sub);
  return n;
}
}  // namespace

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
  }, op::Quantised::see);
}

std::span<const Pass> pipeline() {
  static constexpr std::array all = {
      Pass{"remove_dead", "a node whose results nobody reads is not there", remove_dead},                       // first: less work for all
      Pass{"close_over_constants", "a constant that a sub-graph captures becomes its own", close_over_constants},  // before folding inside
      Pass{"resolve_branches", "If(constant) -> the branch taken", resolve_branches},
      Pass{"fold_constants", "f(constants) -> constant", fold_constants},                                        // shapes become numbers here
      Pass{"resolve_shapes", "Reshape(x, known dims) -> Reshape(x, constant)", resolve_shapes},
      Pass{"remove_identities", "x + 0, x * 1, Identity(x), Reshape to x's own shape -> x", remove_identities},
      Pass{"drop_zero_states", "LSTM(x, .., 0, 0) -> LSTM(x, ..); GRU, RNN", drop_zero_states},
      Pass{"compose_views", "Reshape(Reshape(x)) -> Reshape(x); Transpose(Transpose(x)) -> Transpose(x)", compose_views},
      Pass{"sink_transposes", "f(Transpose(x)) -> Transpose(f(x)); Transpose(Cast(x)) -> Cast(Transpose(x)) where it widens", sink_transposes},   // they meet below and compose in the next round
      Pass{"fuse_patterns", "x * HardSigmoid(x) -> HardSwish(x); LayerNormalization; Gelu", fuse_patterns},  // before their factors go into weights
      Pass{"quantise_bytes", "Quantize(f(x)) -> x for a uint8 x that is stored as it is", quantise_bytes},         // before arithmetic rounds otherwise
      Pass{"compose_arithmetic", "(x * c) * d -> x * (c d); x - c + d -> x - (c - d)", compose_arithmetic},
      Pass{"fold_affine", "s Conv(x, W, b) + t -> Conv(x, s W, s b + t); Conv(s x + t, W, b) -> Conv(x, s W, b + t W)", fold_affine},   // after identities: no Identity in between
      Pass{"fuse_attention", "Softmax(s Q K' + m) V -> Attention(Q, K, V, m)", fuse_attention},                   // needs transposes composed
      Pass{"merge_products", "MatMul(x, W1), MatMul(x, W2) -> Split(MatMul(x, [W1 W2]))", merge_products},       // after scales went into weights
      Pass{"merge_common", "f(x) .. f(x) -> one f(x)", merge_common},
      Pass{"remove_dead_again", "what the passes before left without a reader", remove_dead},
  };
  return all;
}

std::span<const std::string> joining_passes() {
  static const std::string all[] = {"fuse_attention", "merge_products"};
  return all;
}
Result<Simplified> simplify(const ir::Graph& g, const Options& options, std::span<const std::string> without, std::span<const std::string> only) {
  auto listed = [](std::span<const std::string> names, std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  for (auto names : {without, only})
    for (const std::string& name : names) {
      bool known = std::any_of(pipeline().begin(), pipeline().end(), [&](const Pass& p) { return p.name == name; });
      if (!known) return Error{ErrorCode::invalid_argument, "there is no pass '" + name + "'", "saha simplify --help lists the passes"};
    }
  op::Budget budget{kFoldSteps + kFoldStepsPerElement * constant_elements(g)};
  Options own = options;
  if (!own.budget) own.budget = &budget;
  Simplified r{g, {}};
  for (int round = 0; round < kMaxRounds; ++round) {
    bool changed = false;
    for (const Pass& p : pipeline()) {
      if (listed(without, p.name) || (!only.empty() && !listed(only, p.name))) continue;
      auto start = std::chrono::steady_clock::now();
      std::size_t before = ir::count_nodes(r.graph);
      auto next = everywhere(p, r.graph, own);
      if (!next) return std::move(next.error()).within("pass '" + std::string(p.name) + "'");
      bool same = ir::same_structure(r.graph, *next);
      r.graph = std::move(*next);
      if (same) continue;
      changed = true;
      r.passes.push_back({std::string(p.name), before, ir::count_nodes(r.graph), std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()});
    }
    if (!changed) break;
  }
  r.fold_stopped = own.budget->refused;
  return r;
}

}  // namespace saha::passes
