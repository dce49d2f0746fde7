// A chain is an activation if it has its values: at some sixty points, computed in double. Two functions that differ would have to agree at
// all of them; the chain's own rounding is not compared, the tolerance is that of the kernel.
#include "backends/native/recognise.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace saha::native {
namespace {
using kernels::Activation;
using ir::ValueId;
using Points = std::vector<double>;

const Points& points() {
  static const Points p = [] {
    Points x;
    for (int i = -30; i <= 30; ++i) x.push_back(i * 0.27 + 0.013);
    return x;
  }();
  return p;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// One node on points; nothing where the operator does not belong to any activation.
std::optional<Points> evaluate(const ir::Node& n, const std::vector<Points>& in) {
  Points y(points().size());
  const auto each = [&](auto f) {
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = f(in[0][i]);
    return y;
  };
  const auto both = [&](auto f) {
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = f(in[0][i], in[1][i]);
    return y;
  };
  const op::AttrView a{*n.attrs};
  if (in.size() == 2) {
    if (n.op == "Add") return both([](double p, double q) { return p + q; });
    if (n.op == "Sub") return both([](double p, double q) { return p - q; });
    if (n.op == "Mul") return both([](double p, double q) { return p * q; });
    if (n.op == "Div") return both([](double p, double q) { return p / q; });
    if (n.op == "Max") return both([](double p, double q) { return std::max(p, q); });
    if (n.op == "Min") return both([](double p, double q) { return std::min(p, q); });
  }
  if (n.op == "Clip" && in.size() == 3) {
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = std::min(std::max(in[0][i], in[1][i]), in[2][i]);
    return y;
  }
  if (in.size() != 1) return {};
  if (n.op == "Erf") return each([](double p) { return std::erf(p); });
  if (n.op == "Exp") return each([](double p) { return std::exp(p); });
  if (n.op == "Neg") return each([](double p) { return -p; });
  if (n.op == "Reciprocal") return each([](double p) { return 1 / p; });
  if (n.op == "Sigmoid") return each(sigmoid);
  if (n.op == "Relu") return each([](double p) { return std::max(p, 0.); });
  if (n.op == "HardSigmoid") return each([&](double p) { return std::clamp(double(a.f("alpha")) * p + double(a.f("beta")), 0., 1.); });
  return {};
}

std::optional<ActivationOf> match(const Points& y) {
  const auto is = [&](auto f) {
    for (std::size_t i = 0; i < y.size(); ++i)
      if (!(std::fabs(y[i] - f(points()[i])) <= 2e-6 * std::max(1., std::fabs(points()[i])))) return false;
    return true;
  };
  if (is([](double x) { return x * sigmoid(x); })) return ActivationOf{Activation::silu};
  if (is([](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.))); })) return ActivationOf{Activation::gelu};
  if (is([](double x) { return x * std::clamp(x / 6 + 0.5, 0., 1.); })) return ActivationOf{Activation::hardswish};
  if (is([](double x) { return std::clamp(x / 6 + 0.5, 0., 1.); })) return ActivationOf{Activation::hardsigmoid, 1.f / 6, 0.5f};
  return {};
}
}  // namespace

Recognised recognise(const ir::Graph& g, ValueId x, const std::vector<std::vector<std::size_t>>& readers, std::span<const std::uint32_t> uses, const ScalarOf& scalar, bool shared) {
  constexpr std::size_t kMostNodes = 8;
  Recognised r, best;
  std::map<ValueId, Points> value = {{x, points()}};
  std::map<ValueId, std::uint32_t> left = {{x, uses[std::size_t(x)]}};   // uses that no node of the chain has taken
  std::set<std::size_t> next(readers[std::size_t(x)].begin(), readers[std::size_t(x)].end());
  while (!next.empty() && r.nodes.size() < kMostNodes) {
    const std::size_t i = *next.begin();
    next.erase(next.begin());
    const ir::Node& n = g.nodes()[i];
    std::vector<Points> in;
    bool inner = false, fits = n.num_results == 1;
    for (ValueId v : g.operands(n)) {
      inner |= v != x && value.count(v) != 0;
      if (v == ValueId::none) fits = false;
      else if (auto it = value.find(v); it != value.end()) in.push_back(it->second);
      else if (auto c = scalar(v)) in.emplace_back(points().size(), double(*c));
      else fits = false;
    }
    auto y = fits ? evaluate(n, in) : std::nullopt;
    if (!y || g.type(g.result(n)).dims != g.type(x).dims) {
      if (shared && !inner) continue;
      break;
    }
    for (ValueId v : g.operands(n)) if (value.count(v)) --left[v];
    const ValueId v = g.result(n);
    value[v] = *y;
    left[v] = uses[std::size_t(v)];
    r.nodes.push_back(i);
    bool closed = true;
    for (auto& [w, count] : left) closed &= w == v || count == 0 || (shared && w == x);
    if (closed && r.nodes.size() > 1)
      if (auto a = match(*y)) {
        r.activation = *a;
        best = r;
      }
    next.insert(readers[std::size_t(v)].begin(), readers[std::size_t(v)].end());
  }
  return best;
}

}  // namespace saha::native
