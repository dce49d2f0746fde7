// x + 0, x * 1, x / 1, x - 0, x ^ 1, Identity(x), Cast to x's own type, views and moves that change nothing, folds of one operand  ->  x
#include <algorithm>
#include <numeric>

#include "passes/passes.hpp"

namespace saha::passes {
namespace {
bool same_type(op::Builder& b, op::Val x, const ir::Type& y) { return b.type(x).is_tensor() && b.type(x).ranked && b.type(x) == y; }
bool all_static_same(op::Builder& b, op::Val x, const ir::Type& y) { return same_type(b, x, y) && y.is_tensor() && y.ranked; }

/// x where n computes x; nothing otherwise. y: the type of n's result.
std::optional<op::Val> identity(const ir::Node& n, const op::Vals& in, const ir::Type& y, op::Builder& b) {
  std::string_view op = n.op.str();
  auto number = [&](std::size_t i, double v) { auto u = i < in.size() ? uniform(b, in[i]) : std::nullopt; return u && *u == v; };
  auto keeps = [&](std::size_t i) { return in[i] && same_type(b, in[i], y); };   // broadcasting by the constant changed nothing
  if (op == "Identity") return in[0];
  if ((op == "Add" || op == "BitwiseOr" || op == "BitwiseXor") && in.size() == 2) {
    if (number(1, 0) && keeps(0)) return in[0];
    if (number(0, 0) && keeps(1)) return in[1];
  }
  if (op == "Sub" && number(1, 0) && keeps(0)) return in[0];
  if (op == "Mul") {
    if (number(1, 1) && keeps(0)) return in[0];
    if (number(0, 1) && keeps(1)) return in[1];
  }
  if ((op == "Div" || op == "Pow") && number(1, 1) && keeps(0)) return in[0];
  if ((op == "Sum" || op == "Max" || op == "Min" || op == "Mean" || op == "Concat") && in.size() == 1) return in[0];
  if (op == "Cast" && b.type(in[0]).dtype == y.dtype && y.dtype != DType::none) return in[0];
  if (op == "CastLike" && b.type(in[0]).dtype == y.dtype && y.dtype != DType::none) return in[0];
  if (op == "Reshape" || op == "Flatten" || op == "Expand" || op == "Squeeze" || op == "Unsqueeze") {
    if (all_static_same(b, in[0], y)) return in[0];
    return {};
  }
  if (op == "Tile" && in.size() == 2) if (auto r = int_elements(b, in[1])) if (std::all_of(r->begin(), r->end(), [](auto k) { return k == 1; })) return in[0];
  if (op == "Pad" && in.size() >= 2) if (auto p = int_elements(b, in[1])) if (std::all_of(p->begin(), p->end(), [](auto k) { return k == 0; })) return in[0];
  if (op == "Slice" && in.size() >= 3 && all_static_same(b, in[0], y)) {
    auto starts = int_elements(b, in[1]);
    auto steps = in.size() > 4 && in[4] ? int_elements(b, in[4]) : std::optional<std::vector<std::int64_t>>(std::vector<std::int64_t>());
    if (starts && steps && std::all_of(starts->begin(), starts->end(), [](auto k) { return k == 0; }) && std::all_of(steps->begin(), steps->end(), [](auto k) { return k == 1; })) return in[0];
  }
  if (op == "Transpose") {
    const auto* p = ir::attr<ir::Ints>(*n.attrs, "perm");
    if (p && std::is_sorted(p->begin(), p->end()) && (p->empty() || p->front() == 0)) return in[0];
    if (y.ranked && y.dims.size() < 2) return in[0];
  }
  if (op == "Resize" || op == "Upsample") {
    const auto* mode = ir::attr<std::string>(*n.attrs, "coordinate_transformation_mode");
    if (mode && *mode != "tf_crop_and_resize" && ir::is_static(y) && same_type(b, in[0], y)) return in[0];
  }
  return {};
}
}  // namespace

Result<ir::Graph> remove_identities(const ir::Graph& g, const Options&) {
  auto uses = g.use_counts();
  std::vector<char> is_output(g.values().size(), 0);
  for (ir::ValueId v : g.outputs()) is_output[std::size_t(v)] = 1;
  return op::rewrite(g, [&](const ir::Graph& from, const ir::Node& n, const op::Vals& in, op::Builder& b) -> std::optional<op::Vals> {
    if (in.empty() || !in[0]) return {};
    auto usable = [&](op::Val x) {  // an output keeps its own name and stays a node's result
      if (!is_output[n.first_result]) return true;
      if (!b.producer(x) || b.data(x)) return false;
      const ir::Value& value = b.graph()[x.id];
      (void)value;
      // Another output, or a value that is named in the model and used elsewhere, stays what it is.
      ir::ValueId old = from.operand(n, 0);
      return old != ir::ValueId::none && uses[std::size_t(old)] == 1 && !is_output[std::size_t(old)];
    };
    if (is(&n, "Dropout")) {
      bool training = in.size() > 2 && in[2] && uniform(b, in[2]).value_or(1) != 0;
      bool mask = n.num_results > 1 && uses[n.first_result + 1] != 0;
      if (!training && !mask && usable(in[0])) return op::Vals(n.num_results > 1 ? op::Vals{in[0], {}} : op::Vals{in[0]});
      return {};
    }
    if (n.num_results != 1) return {};
    auto x = identity(n, in, from.type(from.result(n)), b);
    if (!x || !usable(*x)) return {};
    if (is_output[n.first_result]) b.rename(*x, from[from.result(n)].name);
    return op::Vals{*x};
  });
}

}  // namespace saha::passes
