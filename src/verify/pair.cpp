// f and g made alike, side by side -> the same layers, with ReLUs that correspond next to each other and the difference of their operands as a layer beside them. Bounds of that difference say
// more of relu(a) - relu(b) than bounds of a and of b do (ReluDiff, Paulsen et al. 2020), and a and b more than it where boxes are small: a sweep chooses element by element.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "verify/net.hpp"

namespace saha::verify {
namespace {

std::vector<Entry> entries(const Matrix& m) {
  std::vector<Entry> e;
  for (std::int32_t i = 0; i < m.rows; ++i) {
    if (m.dense) for (std::int32_t j = 0; j < m.cols; ++j) e.push_back({i, j, m.values[std::size_t(i) * std::size_t(m.cols) + std::size_t(j)]});
    else for (std::int32_t k = m.row_start[std::size_t(i)]; k < m.row_start[std::size_t(i) + 1]; ++k) e.push_back({i, m.column[std::size_t(k)], m.values[std::size_t(k)]});
  }
  return e;
}

/// Finds what corresponds, then copies the net layer by layer.
class Pairing {
 public:
  explicit Pairing(const Net& net) : net_(net), place_(net.layers.size(), -1), mate_(net.layers.size(), -1), entered_(net.layers.size(), 0) {}

  std::optional<Net> run() {
    for (const Layer& l : net_.layers) {
      std::vector<Part> parts;
      collect(l, 1, 0, parts);
      for (std::size_t i = 0; i < parts.size(); ++i)
        for (std::size_t j = i + 1; j < parts.size(); ++j)
          if (parts[i].from != parts[j].from && subtracts(parts[i], parts[j]) && alike(parts[i].from, parts[j].from)) match(parts[i].from, parts[j].from);
    }
    if (std::ranges::all_of(mate_, [](std::int32_t m) { return m < 0; })) return {};
    for (std::size_t k = 0; k < net_.layers.size(); ++k) if (!emit(std::int32_t(k))) return {};
    return std::move(out_);
  }

 private:
  static bool same_shape(const Matrix& a, const Matrix& b) { return a.rows == b.rows && a.cols == b.cols; }

  /// factor * matrix * from, a summand of a layer.
  struct Part {
    std::int32_t from;
    const Matrix* matrix;
    float factor;
  };
  /// A layer's summands, those of sums that it takes as they are, or turned round, among them.
  void collect(const Layer& l, float factor, int depth, std::vector<Part>& parts) const {
    for (const Term& t : l.terms) {
      const Matrix& m = t.matrix;
      const Layer& from = net_.layers[std::size_t(t.from)];
      bool as_it_is = depth < 8 && from.kind == Layer::Kind::affine && !m.dense && m.rows == m.cols && std::ssize(m.values) == m.rows;
      for (std::int32_t i = 0; as_it_is && i < m.rows; ++i) as_it_is = m.row_start[std::size_t(i)] == i && m.column[std::size_t(i)] == i && m.values[std::size_t(i)] == m.values[0];
      if (as_it_is && std::fabs(m.values[0]) == 1) collect(from, factor * m.values[0], depth + 1, parts);
      else parts.push_back({t.from, &m, factor});
    }
  }
  /// Some row takes the difference of an element of both.
  static bool subtracts(const Part& a, const Part& b) {
    if (!same_shape(*a.matrix, *b.matrix)) return false;
    const std::vector<Entry> x = entries(*a.matrix), y = entries(*b.matrix);
    for (auto i = x.begin(), j = y.begin(); i != x.end() && j != y.end();) {
      const auto p = std::pair(i->row, i->col), q = std::pair(j->row, j->col);
      if (p == q && a.factor * i->value * b.factor * j->value < 0) return true;
      if (p <= q) ++i;
      if (q <= p) ++j;
    }
    return false;
  }

  /// p and q compute functions of the same form of layers that are alike in turn.
  bool alike(std::int32_t p, std::int32_t q, int depth = 0) {
    if (p == q) return true;
    if (depth > 400) return false;
    const auto known = alike_.find({p, q});
    if (known != alike_.end()) return known->second;
    alike_[{p, q}] = false;
    const Layer &a = net_.layers[std::size_t(p)], &b = net_.layers[std::size_t(q)];
    bool yes = a.kind == b.kind && a.size == b.size && a.spread < 0 && b.spread < 0;
    if (yes && a.kind == Layer::Kind::affine) {
      yes = a.terms.size() == b.terms.size();
      for (std::size_t i = 0; yes && i < a.terms.size(); ++i) yes = same_shape(a.terms[i].matrix, b.terms[i].matrix) && alike(a.terms[i].from, b.terms[i].from, depth + 1);
    } else if (yes) {
      yes = a.kind == Layer::Kind::unary && a.unary.kind == Unary::Kind::relu && b.unary.kind == Unary::Kind::relu && alike(a.a, b.a, depth + 1);
    }
    return alike_[{p, q}] = yes;
  }

  void match(std::int32_t p, std::int32_t q) {
    if (p == q || (mate_[std::size_t(p)] == q && mate_[std::size_t(q)] == p)) return;
    const Layer &a = net_.layers[std::size_t(p)], &b = net_.layers[std::size_t(q)];
    for (std::size_t i = 0; i < a.terms.size(); ++i) match(a.terms[i].from, b.terms[i].from);
    if (a.kind != Layer::Kind::unary) return;
    match(a.a, b.a);
    if (a.a != b.a && mate_[std::size_t(p)] < 0 && mate_[std::size_t(q)] < 0) mate_[std::size_t(p)] = q, mate_[std::size_t(q)] = p;
  }

  /// Copies a layer behind all that it reads; both of a pair together. False: pairs cross, so that no order has each together.
  bool emit(std::int32_t k) {
    if (place_[std::size_t(k)] >= 0) return true;
    if (entered_[std::size_t(k)]++) return false;
    const Layer& l = net_.layers[std::size_t(k)];
    const std::int32_t mate = mate_[std::size_t(k)];
    if (mate < 0) {
      for (const Term& t : l.terms) if (!emit(t.from)) return false;
      for (std::int32_t o : {l.a, l.b, l.spread}) if (o >= 0 && !emit(o)) return false;
      copy(k);
      return true;
    }
    const std::int32_t a = l.a, b = net_.layers[std::size_t(mate)].a;
    entered_[std::size_t(mate)] = 1;
    if (!emit(a) || !emit(b)) return false;
    Layer d;
    d.size = l.size, d.origin = l.origin;
    for (auto [from, sign] : {std::pair(a, 1.0f), std::pair(b, -1.0f)}) {
      std::vector<Entry> e;
      for (std::int32_t i = 0; i < l.size; ++i) e.push_back({i, i, sign});
      d.terms.push_back({place_[std::size_t(from)], make_matrix(l.size, l.size, std::move(e))});
    }
    d.bias.assign(std::size_t(l.size), 0.0f);
    out_.layers.push_back(std::move(d));
    const std::int32_t gap = std::int32_t(out_.layers.size()) - 1;
    copy(k), copy(mate);
    Layer &first = out_.layers[std::size_t(gap) + 1], &second = out_.layers[std::size_t(gap) + 2];
    first.mate = gap + 2, second.mate = gap + 1, first.gap = second.gap = gap;
    return true;
  }

  void copy(std::int32_t k) {
    Layer l = net_.layers[std::size_t(k)];
    for (Term& t : l.terms) t.from = place_[std::size_t(t.from)];
    for (std::int32_t* o : {&l.a, &l.b, &l.spread}) if (*o >= 0) *o = place_[std::size_t(*o)];
    place_[std::size_t(k)] = std::int32_t(out_.layers.size());
    out_.layers.push_back(std::move(l));
  }

  const Net& net_;
  Net out_;
  std::vector<std::int32_t> place_, mate_;           ///< of a layer: where it is in the new net; the ReLU that it is paired with
  std::vector<char> entered_;
  std::map<std::pair<std::int32_t, std::int32_t>, bool> alike_;
};
}  // namespace

bool is_difference(const Net& net, std::size_t layer) { return std::ranges::any_of(net.layers, [&](const Layer& l) { return l.gap == std::int32_t(layer); }); }

bool pair_alike(Net& net) {
  std::optional<Net> paired = Pairing(net).run();
  if (paired) net = std::move(*paired);
  return paired.has_value();
}

}  // namespace saha::verify
