#include <algorithm>
#include <map>
#include <optional>

#include "verify/net.hpp"

namespace saha::verify {
namespace {

/// Copies a net layer by layer and puts layers of differences where one is taken.
class Pairing {
 public:
  explicit Pairing(const Net& net) : net_(net), place_(net.layers.size(), -1) {}

  std::optional<Net> run() {
    bool any = false;
    for (std::size_t k = 0; k < net_.layers.size(); ++k) {
      Layer l = net_.layers[k];
      if (l.kind == Layer::Kind::affine) any |= difference_taken(l);
      for (Term& t : l.terms) t.from = t.from < 0 ? -1 - t.from : place_[std::size_t(t.from)];  // below 0: a layer of the new net
      for (std::int32_t* o : {&l.a, &l.b, &l.spread}) if (*o >= 0) *o = place_[std::size_t(*o)];
      place_[k] = push(std::move(l));
    }
    if (!any) return {};
    return std::move(out_);
  }

 private:
  std::int32_t push(Layer l) {
    out_.layers.push_back(std::move(l));
    return std::int32_t(out_.layers.size()) - 1;
  }

  static bool same_shape(const Matrix& a, const Matrix& b) { return a.rows == b.rows && a.cols == b.cols; }
  static std::vector<Entry> entries(const Matrix& m, float factor) {
    std::vector<Entry> e;
    for (std::int32_t i = 0; i < m.rows; ++i) {
      if (m.dense) for (std::int32_t j = 0; j < m.cols; ++j) e.push_back({i, j, factor * m.values[std::size_t(i) * std::size_t(m.cols) + std::size_t(j)]});
      else for (std::int32_t k = m.row_start[std::size_t(i)]; k < m.row_start[std::size_t(i) + 1]; ++k) e.push_back({i, m.column[std::size_t(k)], factor * m.values[std::size_t(k)]});
    }
    return e;
  }
  static Matrix difference_of(const Matrix& a, const Matrix& b) {
    std::vector<Entry> e = entries(a, 1), more = entries(b, -1);
    e.insert(e.end(), more.begin(), more.end());
    return make_matrix(a.rows, a.cols, std::move(e));
  }

  /// p and q compute the same functions of layers that are alike in turn.
  bool alike(std::int32_t p, std::int32_t q, int depth = 0) {
    if (p == q) return true;
    if (depth > 400) return false;
    if (auto it = alike_.find({p, q}); it != alike_.end()) return it->second;
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

  /// The layer of the new net that holds p - q; -1: it is 0.
  std::int32_t difference(std::int32_t p, std::int32_t q) {
    if (p == q) return -1;
    if (auto it = made_.find({p, q}); it != made_.end()) return it->second;
    const Layer &a = net_.layers[std::size_t(p)], &b = net_.layers[std::size_t(q)];
    Layer d;
    d.size = a.size, d.origin = a.origin;
    d.left = place_[std::size_t(p)], d.right = place_[std::size_t(q)];
    if (a.kind == Layer::Kind::unary) {
      d.kind = Layer::Kind::unary;
      d.unary.kind = Unary::Kind::relu_difference;
      d.left = place_[std::size_t(a.a)], d.right = place_[std::size_t(b.a)];
      d.a = difference(a.a, b.a);
      return made_[{p, q}] = d.a < 0 ? -1 : push(std::move(d));
    }
    // sum of M (x - x') + (M - M') x' + (b - b')
    for (std::size_t i = 0; i < a.terms.size(); ++i) {
      const std::int32_t before = difference(a.terms[i].from, b.terms[i].from);
      if (before >= 0) d.terms.push_back({before, a.terms[i].matrix});
      Matrix m = difference_of(a.terms[i].matrix, b.terms[i].matrix);
      if (!m.values.empty()) d.terms.push_back({place_[std::size_t(b.terms[i].from)], std::move(m)});
    }
    for (std::size_t i = 0; i < a.bias.size(); ++i) d.bias.push_back(a.bias[i] - b.bias[i]);
    return made_[{p, q}] = push(std::move(d));
  }

  /// Two terms of l over layers that are alike, one the negative of the other: one term over their difference.
  bool difference_taken(Layer& l) {
    bool any = false;
    for (std::size_t i = 0; i < l.terms.size(); ++i)
      for (std::size_t j = i + 1; j < l.terms.size(); ++j) {
        if (l.terms[i].from <= 0 || l.terms[j].from <= 0 || !same_shape(l.terms[i].matrix, l.terms[j].matrix)) continue;
        std::vector<Entry> a = entries(l.terms[i].matrix, 1), b = entries(l.terms[j].matrix, -1);
        const bool opposite = std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Entry& x, const Entry& y) { return x.row == y.row && x.col == y.col && x.value == y.value; });
        if (!opposite || !alike(l.terms[i].from, l.terms[j].from)) continue;
        const std::int32_t d = difference(l.terms[i].from, l.terms[j].from);
        if (d < 0) continue;
        l.terms[i].from = -1 - d, l.whole = false;  // bounds of a difference are no integers
        l.terms.erase(l.terms.begin() + std::ptrdiff_t(j));
        any = true;
        break;
      }
    return any;
  }

  const Net& net_;
  Net out_;
  std::vector<std::int32_t> place_;
  std::map<std::pair<std::int32_t, std::int32_t>, std::int32_t> made_;
  std::map<std::pair<std::int32_t, std::int32_t>, bool> alike_;
};
}  // namespace

bool pair_differences(Net& net) {
  std::optional<Net> paired = Pairing(net).run();
  if (paired) net = std::move(*paired);
  return paired.has_value();
}

}  // namespace saha::verify
