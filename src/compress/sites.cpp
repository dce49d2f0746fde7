#include "compress/sites.hpp"

#include <algorithm>
#include <numeric>

#include "front/stated.hpp"

namespace saha::compress {
namespace {
using ir::ValueId;

/// Operators that are no movement (those the operator table knows) and compute on stored integers.
struct Row {
  ir::OpName op;
  Role role;
  int data = -1;   ///< only so many operands are numbers to be stored; -1: all that are float32
};
constexpr Row kRows[] = {
    {"Conv", Role::product, 2}, {"ConvTranspose", Role::product, 2}, {"Gemm", Role::product, 2}, {"MatMul", Role::product, 2},
    {"MaxPool", Role::same, 1}, {"AveragePool", Role::same, 1}, {"GlobalMaxPool", Role::same, 1}, {"Resize", Role::same, 1}, {"ReduceMax", Role::same, 1}, {"ReduceMin", Role::same, 1},
    {"Relu", Role::limit, 1}, {"Clip", Role::limit, 1},
    {"Softmax", Role::fixed, 1}, {"Sigmoid", Role::fixed, 1}, {"Tanh", Role::fixed, 1},
    {"Add", Role::own}, {"Sub", Role::own}, {"Mul", Role::own}, {"Max", Role::own}, {"Min", Role::own},
    {"GlobalAveragePool", Role::own, 1}, {"ReduceMean", Role::own, 1},
    {"LeakyRelu", Role::own, 1}, {"PRelu", Role::own, 2}, {"HardSwish", Role::own, 1}, {"HardSigmoid", Role::own, 1}, {"Elu", Role::own, 1}, {"Gelu", Role::own, 1}, {"Swish", Role::own, 1}, {"Mish", Role::own, 1},
};
const Row* row_of(ir::OpName op) {
  for (const Row& r : kRows) if (r.op == op) return &r;
  return nullptr;
}
bool movement(const op::OpDef& def) { return (def.traits & (op::kMovement | op::kView)) && !(def.traits & (op::kDataShape | op::kControl)); }
bool f32(const ir::Graph& g, ValueId v) { return v != ValueId::none && g.type(v).is_tensor() && g.type(v).ranked && g.type(v).dtype == DType::f32 && !g.type(v).quant; }

class Union {
 public:
  explicit Union(std::size_t n) : parent_(n) { std::iota(parent_.begin(), parent_.end(), std::size_t(0)); }
  std::size_t root(std::size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(std::size_t a, std::size_t b) { parent_[root(b)] = root(a); }

 private:
  std::vector<std::size_t> parent_;
};
}  // namespace

std::vector<std::size_t> data_operands(const ir::Graph& g, const ir::Node& n) {
  std::vector<std::size_t> r;
  const Row* row = row_of(n.op);
  const op::OpDef& def = *op::find(n.op.str())->def;
  for (std::size_t i = 0; i < n.num_operands; ++i) {
    if (!f32(g, g.operand(n, i))) continue;
    if (row ? row->data >= 0 && int(i) >= row->data : !def.linear.in(i) || (i > 0 && n.op == "Pad")) continue;
    r.push_back(i);
  }
  return r;
}

Role role_of(const ir::Graph& g, const ir::Node& n) {
  const Row* row = row_of(n.op);
  if (op::is_quantised(g, n) || n.num_operands == 0) return Role::none;
  for (std::size_t k = 0; k < n.num_results; ++k) if (!f32(g, g.result(n, k))) return Role::none;
  const auto data = data_operands(g, n);
  if (data.empty() || (!row && !movement(*op::find(n.op.str())->def))) return Role::none;
  if (!row) return Role::same;
  if (n.num_results != 1 || data[0] != 0) return Role::none;
  if (row->role != Role::product) {
    const bool constants = std::all_of(data.begin(), data.end(), [&](std::size_t i) { return bool(g[g.operand(n, i)].constant); });
    return constants ? Role::none : row->role;
  }
  // A product of two factors, whose bias, if any, is known: it becomes steps of the sums' scale.
  if (data.size() != 2 || g[g.operand(n, 0)].constant) return Role::none;
  const ir::Type& w = g.type(g.operand(n, 1));
  const bool biased = n.num_operands > 2 && g.operand(n, 2) != ValueId::none;
  if (w.dims.size() < 2 || !w.dims[std::size_t(channel_axis(g, n))].known()) return Role::none;
  if (biased) {
    const Tensor* c = g[g.operand(n, 2)].constant.get();
    if (!c || !has_weights(g, n) || c->size() != *w.dims[std::size_t(channel_axis(g, n))].known()) return Role::none;
  }
  const op::AttrView a{*n.attrs};
  if (n.op == "Gemm" && (a.f("alpha") != 1 || a.f("beta") != 1 || a.i("transA") != 0)) return Role::none;
  if (n.op == "ConvTranspose" && a.i("group") != 1) return Role::none;
  return Role::product;
}

std::optional<op::Stored> fixed_storage(const ir::Node& n, DType t) {
  const int wide = bits(t) == 16 ? 256 : 1;   // int16: 1/32768, zero point 0
  auto of = [&](float scale, std::int64_t zero) { return op::Stored{t, std::make_shared<const ir::Quant>(ir::Quant{{scale}, {zero}, 0})}; };
  if (n.op == "Softmax" || n.op == "Sigmoid") return wide > 1 ? of(1.0f / 32768, 0) : of(1.0f / 256, int_range(t).lo);
  if (n.op == "Tanh") return of(1.0f / float(128 * wide), 0);
  return {};
}

bool has_weights(const ir::Graph& g, const ir::Node& n) { return n.num_operands > 1 && g.operand(n, 1) != ValueId::none && g[g.operand(n, 1)].constant; }
int channel_axis(const ir::Graph& g, const ir::Node& n) {
  const int rank = int(g.type(g.operand(n, 1)).dims.size());
  if (n.op == "Conv") return 0;
  if (n.op == "ConvTranspose") return 1;
  if (n.op == "Gemm") return op::AttrView{*n.attrs}.i("transB") ? 0 : 1;
  return rank - 1;
}
std::string layer_name(const ir::Graph& g, const ir::Node& n) {
  if (n.origin && !n.origin->empty()) {
    const std::string first = n.origin->substr(0, n.origin->find('+'));
    return first;
  }
  return g.name(g.result(n));
}

bool kept(const ir::Graph& g, const ir::Node& n, const std::set<std::string>& keep, std::set<std::string>& unmet) {
  bool stays = n.origin && n.origin->starts_with(front::kOrigin);
  for (const std::string& name : {n.origin ? *n.origin : std::string(), layer_name(g, n), g.name(g.result(n))})
    if (keep.contains(name)) { stays = true; unmet.erase(name); }
  return stays;
}

Result<Sites> find_sites(const ir::Graph& g, const SiteOptions& options) {
  const std::size_t nodes = g.nodes().size(), values = g.values().size();
  Sites s;
  s.role.assign(nodes, Role::none);
  s.inside.assign(nodes, 0);
  s.group.assign(values, -1);
  std::set<std::string> unmet = options.keep;
  for (std::size_t i = 0; i < nodes; ++i) {
    const ir::Node& n = g.nodes()[i];
    s.role[i] = options.floats.contains(i) ? Role::none : role_of(g, n);
    if (kept(g, n, options.keep, unmet)) s.role[i] = Role::none;
  }
  if (!unmet.empty()) return Error{ErrorCode::invalid_file, "there is no layer '" + *unmet.begin() + "' to keep", "--layers lists them"};

  // A node computes on integers where they come from a product and go to one. What only moves numbers needs no product before it.
  const auto uses = g.use_counts();
  std::vector<char> after(nodes, 0), before(nodes, 0), is_output(values, 0);
  for (ValueId v : g.outputs()) is_output[std::size_t(v)] = 1;
  for (std::size_t i = 0; i < nodes; ++i) {
    if (s.role[i] == Role::none) continue;
    after[i] = s.role[i] == Role::product;
    for (std::size_t k : data_operands(g, g.nodes()[i]))
      if (const auto p = g[g.operand(g.nodes()[i], k)].producer; p >= 0) after[i] |= after[std::size_t(p)];
  }
  std::vector<char> wanted(values, 0);   // something on integers reads it
  for (std::size_t i = nodes; i-- > 0;) {
    const ir::Node& n = g.nodes()[i];
    if (s.role[i] == Role::none) continue;
    before[i] = s.role[i] == Role::product;
    for (std::size_t k = 0; k < n.num_results; ++k) before[i] |= wanted[std::size_t(g.result(n, k))] || (!options.float_tail && is_output[std::size_t(g.result(n, k))]);
    if (!before[i]) continue;
    if (s.role[i] == Role::product || s.role[i] == Role::same || after[i])
      for (std::size_t k : data_operands(g, n)) wanted[std::size_t(g.operand(n, k))] = 1;
  }
  for (std::size_t i = 0; i < nodes; ++i)
    if (s.role[i] != Role::product && !(before[i] && (after[i] || s.role[i] == Role::same))) s.role[i] = Role::none;

  // A limit belongs to what makes its operand, where nobody else reads that.
  for (std::size_t i = 0; i < nodes; ++i) {
    if (s.role[i] != Role::limit) continue;
    const ValueId x = g.operand(g.nodes()[i], 0);
    const auto p = g[x].producer;
    if (p < 0 || uses[std::size_t(x)] != 1 || is_output[std::size_t(x)]) continue;
    const Role role = s.role[std::size_t(p)];
    if (role == Role::product || role == Role::own || role == Role::limit || role == Role::fixed) s.inside[std::size_t(p)] = 1;
  }

  // What is stored: operands and results of nodes on integers; but the result of a last product that only float nodes read.
  std::vector<char> stored(values, 0);
  for (std::size_t i = 0; i < nodes; ++i) {
    const ir::Node& n = g.nodes()[i];
    if (s.role[i] == Role::none) continue;
    for (std::size_t k : data_operands(g, n)) {
      const ValueId v = g.operand(n, k);
      const auto p = g[v].producer;
      if (!g[v].constant && !(p >= 0 && s.inside[std::size_t(p)])) stored[std::size_t(v)] = 1;
    }
    for (std::size_t k = 0; k < n.num_results; ++k) {
      const ValueId v = g.result(n, k);
      if (!s.inside[i] && (wanted[std::size_t(v)] || !options.float_tail)) stored[std::size_t(v)] = 1;
    }
  }
  Union sets(values);
  for (std::size_t i = 0; i < nodes; ++i) {
    const ir::Node& n = g.nodes()[i];
    if (s.role[i] != Role::same) continue;
    for (std::size_t k = 1; k < n.num_results; ++k) sets.join(std::size_t(g.result(n)), std::size_t(g.result(n, k)));
    if (const auto data = data_operands(g, n); data.size() == 1) sets.join(std::size_t(g.operand(n, data[0])), std::size_t(g.result(n)));
  }
  // Of several operands those that others read too, or whose storage is given, keep their own and are stored anew for this node.
  std::vector<char> given(values, 0);
  for (std::size_t i = 0; i < nodes; ++i)
    if (s.role[i] == Role::fixed && !s.inside[i]) given[sets.root(std::size_t(g.result(g.nodes()[i])))] = 1;
  for (std::size_t i = 0; i < nodes; ++i) {
    const ir::Node& n = g.nodes()[i];
    const auto data = s.role[i] == Role::same ? data_operands(g, n) : std::vector<std::size_t>{};
    if (data.size() < 2) continue;
    for (std::size_t k : data)
      if (const ValueId v = g.operand(n, k); !g[v].constant && uses[std::size_t(v)] == 1 && !given[sets.root(std::size_t(v))]) sets.join(std::size_t(v), std::size_t(g.result(n)));
  }
  std::vector<std::int32_t> group_of(values, -1);
  for (std::size_t v = 0; v < values; ++v) {
    if (!stored[v]) continue;
    const std::size_t root = sets.root(v);
    if (group_of[root] < 0) {
      group_of[root] = std::int32_t(s.groups.size());
      s.groups.emplace_back();
    }
    s.group[v] = group_of[root];
    Sites::Group& group = s.groups[std::size_t(s.group[v])];
    const auto p = g[ValueId(v)].producer;
    const bool copies = p >= 0 && s.role[std::size_t(p)] == Role::same;
    // A choice from operands that are stored otherwise has their range.
    bool all_within = copies;
    if (copies)
      for (std::size_t k : data_operands(g, g.nodes()[std::size_t(p)])) all_within &= sets.root(std::size_t(g.operand(g.nodes()[std::size_t(p)], k))) == root;
    if (all_within) continue;
    group.sources.push_back(ValueId(v));
    if (p >= 0 && s.role[std::size_t(p)] != Role::none && group.layer < 0) group.layer = p;
  }
  for (Sites::Group& group : s.groups) {
    if (group.sources.size() != 1 || g[group.sources[0]].producer < 0) continue;
    const auto p = std::size_t(g[group.sources[0]].producer);
    if (s.role[p] == Role::fixed) group.fixed = fixed_storage(g.nodes()[p], DType::i8);
  }
  return s;
}

}  // namespace saha::compress
