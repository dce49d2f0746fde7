#include "formats/tflite/layout.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace saha::tflite {
namespace {
using ir::ValueId;

/// Maximum flow by Dinic's algorithm; afterwards, which vertices the source still reaches.
class Flow {
 public:
  static constexpr double kInfinite = 1e300;
  explicit Flow(std::size_t vertices) : head_(vertices, -1) {}
  std::size_t vertex() { head_.push_back(-1); return head_.size() - 1; }
  /// Cut where `from` is on the source's side and `to` is not.
  void edge(std::size_t from, std::size_t to, double capacity) {
    arcs_.push_back({to, head_[from], capacity});
    head_[from] = int(arcs_.size()) - 1;
    arcs_.push_back({from, head_[to], 0});
    head_[to] = int(arcs_.size()) - 1;
  }
  void same(std::size_t a, std::size_t b) { edge(a, b, kInfinite); edge(b, a, kInfinite); }
  std::vector<char> cut(std::size_t source, std::size_t sink) {
    while (levels(source), level_[sink] >= 0) {
      at_ = head_;
      while (push(source, sink)) {}
    }
    std::vector<char> r(head_.size());
    for (std::size_t i = 0; i < r.size(); ++i) r[i] = level_[i] >= 0;
    return r;
  }

 private:
  struct Arc { std::size_t to; int next; double capacity; };
  void levels(std::size_t source) {
    level_.assign(head_.size(), -1);
    std::vector<std::size_t> queue = {source};
    level_[source] = 0;
    for (std::size_t i = 0; i < queue.size(); ++i)
      for (int a = head_[queue[i]]; a >= 0; a = arcs_[std::size_t(a)].next)
        if (const Arc& arc = arcs_[std::size_t(a)]; arc.capacity > 0 && level_[arc.to] < 0) { level_[arc.to] = level_[queue[i]] + 1; queue.push_back(arc.to); }
  }
  /// One path of positive capacity; without recursion, since graphs are deep.
  bool push(std::size_t source, std::size_t sink) {
    std::vector<std::size_t> path;
    std::size_t v = source;
    while (v != sink) {
      int& a = at_[v];
      while (a >= 0 && !(arcs_[std::size_t(a)].capacity > 0 && level_[arcs_[std::size_t(a)].to] == level_[v] + 1)) a = arcs_[std::size_t(a)].next;
      if (a >= 0) {
        path.push_back(std::size_t(a));
        v = arcs_[std::size_t(a)].to;
        continue;
      }
      if (path.empty()) return false;
      level_[v] = -1;  // leads nowhere
      v = arcs_[path.back() ^ 1].to;
      path.pop_back();
    }
    double least = kInfinite;
    for (std::size_t a : path) least = std::min(least, arcs_[a].capacity);
    for (std::size_t a : path) {
      if (arcs_[a].capacity < kInfinite) arcs_[a].capacity -= least;
      if (arcs_[a ^ 1].capacity < kInfinite) arcs_[a ^ 1].capacity += least;
    }
    return true;
  }
  std::vector<int> head_, at_;
  std::vector<int> level_;
  std::vector<Arc> arcs_;
};

bool is_plain(const Ints& p) { return std::is_sorted(p.begin(), p.end()); }
double elements(const ir::Type& t) {
  double n = 1;
  for (const ir::Dim& d : t.dims) n *= double(std::max<std::int64_t>(d.known().value_or(1), 1));
  return n;
}
Ints swapped(std::size_t rank) {
  Ints p = plain_order(rank);
  if (rank >= 2) std::swap(p[rank - 1], p[rank - 2]);
  return p;
}

class Solver {
 public:
  Solver(const ir::Graph& g, std::span<const Placing> placing) : g_(g), placing_(placing) {
    l_.other.resize(g.values().size());
    l_.reads.assign(g.nodes().size(), Reads::plain);
    l_.makes.assign(g.nodes().size(), 0);
    l_.flat.assign(g.nodes().size(), 0);
    readers_.resize(g.values().size());
    is_output_.assign(g.values().size(), 0);
    for (std::size_t i = 0; i < g.nodes().size(); ++i) {
      const auto operands = g.operands(g.nodes()[i]);
      for (std::size_t k = 0; k < operands.size(); ++k) if (operands[k] != ValueId::none) readers_[std::size_t(operands[k])].push_back({i, k});
    }
    for (ValueId v : g.outputs()) is_output_[std::size_t(v)] = 1;
  }
  Layout run() {
    for (int round = 0; round < 2; ++round) {
      for (std::size_t i = 0; i < g_.nodes().size(); ++i) forward(i);
      for (std::size_t i = g_.nodes().size(); i-- > 0;) backward(i);
    }
    cut();
    return std::move(l_);
  }

 private:
  struct Reader { std::size_t node, operand; };
  const ir::Node& node(std::size_t i) const { return g_.nodes()[i]; }
  ValueId operand(std::size_t i, std::size_t k = 0) const { return g_.operand(node(i), k); }
  ValueId result(std::size_t i) const { return g_.result(node(i)); }
  std::size_t rank(ValueId v) const { return g_.type(v).dims.size(); }
  const Ints& other(ValueId v) const { return l_.other[std::size_t(v)]; }
  bool laid_out(ValueId v) const { return v != ValueId::none && !g_[v].constant && g_.type(v).is_tensor() && g_.type(v).ranked; }
  void give(std::size_t i, const Ints& order) {
    for (std::size_t k = 0; k < node(i).num_results; ++k)
      if (const ValueId v = g_.result(node(i), k); rank(v) == order.size() && laid_out(v) && !is_plain(order)) l_.other[std::size_t(v)] = order;
  }
  /// The operands that stand in the node's own order.
  bool follows(std::size_t i, std::size_t k) const {
    const Place p = placing_[i].place;
    if (p == Place::tied) return laid_out(operand(i, k)) && rank(operand(i, k)) == rank(result(i));
    return k == 0 && laid_out(operand(i, 0));
  }
  void forward(std::size_t i) {
    const Placing& p = placing_[i];
    const ValueId x = operand(i), y = result(i);
    switch (p.place) {
      case Place::plain:
      case Place::product: return;
      case Place::last: return give(i, channels_last_order(rank(y)));
      case Place::tied:
      case Place::first:
        if (!other(y).empty()) return;
        for (const bool usual : {true, false})
          for (std::size_t k = 0; k < node(i).num_operands; ++k)
            if (follows(i, k) && other(operand(i, k)).size() == rank(y) && (!usual || other(operand(i, k)) == channels_last_order(rank(y)))) return give(i, other(operand(i, k)));
        return;
      case Place::transpose: {
        const Ints* perm = ir::attr<Ints>(*node(i).attrs, "perm");
        if (!perm) return;
        if (other(x).empty()) return give(i, transposed_order(plain_order(rank(x)), *perm));
        if (!is_plain(transposed_order(other(x), *perm))) give(i, other(x));
        return;
      }
      case Place::reshape:
        if (!other(x).empty()) if (auto order = reshaped_order(g_.type(x), other(x), g_.type(y))) give(i, *order);
        return;
      case Place::reduce:
        if (!other(x).empty()) give(i, reduced_order(other(x), p.axes));
        return;
    }
  }
  /// The order in which reader r would take the value in its own.
  Ints wanted(const Reader& r) const {
    const Place p = placing_[r.node].place;
    const ValueId v = operand(r.node, r.operand);
    if (p == Place::last && r.operand == 0) return channels_last_order(rank(v));
    if ((p == Place::tied || p == Place::first) && follows(r.node, r.operand)) return other(result(r.node));
    return other(v);
  }
  void backward(std::size_t i) {
    const Place p = placing_[i].place;
    if (p != Place::tied && p != Place::first) return;
    for (std::size_t k = 0; k < node(i).num_results; ++k) {
      const ValueId y = g_.result(node(i), k);
      if (!other(y).empty()) return;
      for (const Reader& r : readers_[std::size_t(y)])
        if (Ints w = wanted(r); w.size() == rank(y)) return give(i, w);
    }
  }

  // Vertices: 0 is the side of other orders, 1 the plain one; 2 + 2 i reads for node i, 3 + 2 i makes its results.
  static constexpr std::size_t kOther = 0, kPlain = 1, kFree = ~std::size_t{0};
  std::size_t reading(const Reader& r) const {
    const Placing& p = placing_[r.node];
    const ValueId v = operand(r.node, r.operand);
    switch (p.place) {
      case Place::plain: return kPlain;
      case Place::last: return r.operand == 0 ? kOther : kPlain;
      case Place::product: return other(v) == swapped(rank(v)) ? kFree : kPlain;
      default: return follows(r.node, r.operand) ? free_[r.node] ? kFree : 2 + 2 * r.node : kPlain;
    }
  }
  std::size_t making(ValueId v) const {
    const auto p = g_[v].producer;
    return p < 0 ? kPlain : 3 + 2 * std::size_t(p);
  }
  bool flattens(std::size_t i) const {
    const ValueId x = operand(i), y = result(i);
    const auto &from = g_.type(x).dims, &to = g_.type(y).dims;
    if (is_output_[std::size_t(y)] || to.size() != 2 || from.size() < 3 || !(from[0] == to[0]) || other(x)[0] != 0 || readers_[std::size_t(y)].empty()) return false;
    if (!std::all_of(from.begin() + 1, from.end(), [](const ir::Dim& d) { return d.known().has_value(); })) return false;
    return std::all_of(readers_[std::size_t(y)].begin(), readers_[std::size_t(y)].end(), [&](const Reader& r) { return r.operand == 0 && placing_[r.node].takes_flat; });
  }
  void cut() {
    const std::size_t n = g_.nodes().size();
    Flow flow(2 + 2 * n);
    free_.assign(n, 0);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t in = 2 + 2 * i, out = in + 1;
      const Placing& p = placing_[i];
      const ValueId x = operand(i), y = result(i);
      auto fixed = [&](std::size_t reads, std::size_t makes) { flow.same(in, reads); flow.same(out, makes); };
      switch (p.place) {
        case Place::plain:
        case Place::product: fixed(kPlain, kPlain); break;
        case Place::last: fixed(kOther, kOther); break;
        case Place::tied:
        case Place::first:
          flow.same(in, out);
          if (other(y).empty()) flow.same(in, kPlain);
          break;
        case Place::transpose:
          if (other(x).empty()) fixed(kPlain, other(y).empty() ? kPlain : kOther);
          else if (other(y).empty()) fixed(kOther, kPlain);
          else free_[i] = 1;
          break;
        case Place::reshape:
        case Place::reduce: {
          if (other(x).empty()) { fixed(kPlain, kPlain); break; }
          const auto order = p.place == Place::reduce ? reduced_order(other(x), p.axes) : reshaped_order(g_.type(x), other(x), g_.type(y));
          if (order && !is_plain(*order)) { flow.same(in, out); break; }
          flow.same(out, kPlain);
          if (order) free_[i] = 1;
          else if (p.place == Place::reshape && flattens(i)) free_[i] = l_.flat[i] = 1;
          else flow.same(in, kPlain);
          break;
        }
      }
      if (p.glued_to) flow.same(in, 3 + 2 * *p.glued_to);
    }
    for (std::size_t i = 0; i < g_.values().size(); ++i) {
      const ValueId v{std::uint32_t(i)};
      if (!laid_out(v) || (readers_[i].empty() && !is_output_[i])) continue;
      const double size = elements(g_.type(v)), cost = !other(v).empty() && moves_nothing(g_.type(v), plain_order(rank(v)), other(v)) ? 0 : size;
      const std::size_t made = making(v);
      std::optional<std::size_t> some_other, some_plain;  // "a reader wants the other order", "one wants the plain one"
      auto reads = [&](std::size_t r, bool same_order) {
        if (r == kFree) return;
        if (!same_order) flow.edge(r, kPlain, size);  // in that order it never comes
        else {
          if (!some_other) { some_other = flow.vertex(); flow.edge(*some_other, made, cost); }
          flow.edge(r, *some_other, Flow::kInfinite);
        }
        if (!some_plain) { some_plain = flow.vertex(); flow.edge(made, *some_plain, cost); }
        flow.edge(*some_plain, r, Flow::kInfinite);
      };
      for (const Reader& r : readers_[i]) reads(reading(r), !other(v).empty() && wanted(r).size() == rank(v) && moves_nothing(g_.type(v), wanted(r), other(v)));
      if (is_output_[i]) reads(kPlain, true);
    }
    const std::vector<char> side = flow.cut(kOther, kPlain);
    for (std::size_t i = 0; i < n; ++i) {
      l_.reads[i] = free_[i] ? Reads::any : side[2 + 2 * i] ? Reads::other : Reads::plain;
      l_.makes[i] = side[3 + 2 * i] && !other(result(i)).empty();
    }
  }

  const ir::Graph& g_;
  std::span<const Placing> placing_;
  Layout l_;
  std::vector<std::vector<Reader>> readers_;
  std::vector<char> is_output_, free_;
};
}  // namespace

Ints plain_order(std::size_t rank) {
  Ints p(rank);
  std::iota(p.begin(), p.end(), 0);
  return p;
}
Ints channels_last_order(std::size_t rank) {
  Ints p = plain_order(rank);
  if (rank > 2) std::rotate(p.begin() + 1, p.begin() + 2, p.end());
  return p;
}
Ints inverse(const Ints& order) {
  Ints r(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) r[std::size_t(order[i])] = std::int64_t(i);
  return r;
}
Ints transposed_order(const Ints& p, const Ints& perm) {
  const Ints back = inverse(perm);
  Ints r;
  for (std::int64_t a : p) r.push_back(back[std::size_t(a)]);
  return r;
}
bool moves_nothing(const ir::Type& x, const Ints& from, const Ints& to) {
  auto large = [&](const Ints& p) {
    Ints r;
    for (std::int64_t a : p) if (!x.dims[std::size_t(a)].is(1)) r.push_back(a);
    return r;
  };
  return large(from) == large(to);
}
Ints reduced_order(const Ints& p, const Ints& axes) {
  Ints r;
  for (std::int64_t a : p)
    if (std::find(axes.begin(), axes.end(), a) == axes.end()) r.push_back(a - std::count_if(axes.begin(), axes.end(), [&](std::int64_t b) { return b < a; }));
  return r;
}
std::optional<Ints> reshaped_order(const ir::Type& x, const Ints& p, const ir::Type& y) {
  // Without axes of extent 1, the shapes fall into smallest runs of axes with the same product.
  auto large = [](const ir::Type& t) {
    Ints r;
    for (std::size_t a = 0; a < t.dims.size(); ++a) if (!t.dims[a].is(1)) r.push_back(std::int64_t(a));
    return r;
  };
  const Ints from = large(x), to = large(y);
  struct Run { Ints x, y; };
  std::vector<Run> runs;
  for (std::size_t i = 0, k = 0; i < from.size() || k < to.size();) {
    Run run;
    ir::Dim a(1), b(1);
    auto take_x = [&] { run.x.push_back(from[i]); a = a * x.dims[std::size_t(from[i++])]; };
    auto take_y = [&] { run.y.push_back(to[k]); b = b * y.dims[std::size_t(to[k++])]; };
    if (i < from.size()) take_x();
    if (k < to.size()) take_y();
    while (!(a == b)) {
      const auto m = a.known(), n = b.known();
      if (i < from.size() && (k >= to.size() || !m || !n || *m < *n)) take_x();
      else if (k < to.size()) take_y();
      else return {};
    }
    runs.push_back(std::move(run));
  }
  // In order p, what a run joins has to lie together, as the graph states it.
  Ints memory, order;
  for (std::int64_t a : p) if (!x.dims[std::size_t(a)].is(1)) memory.push_back(a);
  for (std::size_t q = 0; q < memory.size();) {
    const auto run = std::find_if(runs.begin(), runs.end(), [&](const Run& r) { return !r.x.empty() && r.x[0] == memory[q]; });
    if (run == runs.end()) return {};
    for (std::int64_t a : run->x) if (q >= memory.size() || memory[q++] != a) return {};
    order.insert(order.end(), run->y.begin(), run->y.end());
  }
  // Axes of extent 1 stand where a usual order has them, else before the axis that follows them.
  const std::size_t rank = y.dims.size();
  for (Ints usual : {plain_order(rank), channels_last_order(rank)}) {
    Ints seen;
    for (std::int64_t a : usual) if (!y.dims[std::size_t(a)].is(1)) seen.push_back(a);
    if (seen == order) return usual;
  }
  Ints result;
  for (std::int64_t a : order) {
    std::int64_t first = a;
    while (first > 0 && y.dims[std::size_t(first - 1)].is(1)) --first;
    for (; first <= a; ++first) result.push_back(first);
  }
  for (std::size_t a = to.empty() ? 0 : std::size_t(to.back()) + 1; a < rank; ++a) result.push_back(std::int64_t(a));
  return result;
}

Layout solve_layout(const ir::Graph& g, std::span<const Placing> placing) { return Solver(g, placing).run(); }

}  // namespace saha::tflite
