#include "verify/net.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

namespace saha::verify {

float Matrix::at(std::int32_t i, std::int32_t j) const {
  if (dense) return values[std::size_t(i) * std::size_t(cols) + std::size_t(j)];
  for (std::int32_t k = row_start[std::size_t(i)]; k < row_start[std::size_t(i) + 1]; ++k) if (column[std::size_t(k)] == j) return values[std::size_t(k)];
  return 0;
}

Matrix make_dense(std::int32_t rows, std::int32_t cols, std::vector<float> values) {
  std::size_t filled = 0;
  for (float v : values) filled += v != 0;
  if (filled * 4 < values.size()) {
    std::vector<Entry> entries;
    for (std::int32_t i = 0; i < rows; ++i)
      for (std::int32_t j = 0; j < cols; ++j)
        if (float v = values[std::size_t(i) * std::size_t(cols) + std::size_t(j)]; v != 0) entries.push_back({i, j, v});
    return make_matrix(rows, cols, std::move(entries));
  }
  Matrix m;
  m.rows = rows, m.cols = cols, m.dense = true;
  m.values = std::move(values);
  m.widest_row = cols, m.widest_col = rows;
  return m;
}

Matrix make_matrix(std::int32_t rows, std::int32_t cols, std::vector<Entry> entries) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.row != b.row ? a.row < b.row : a.col < b.col; });
  std::size_t kept = 0;
  for (const Entry& e : entries) {
    if (kept && entries[kept - 1].row == e.row && entries[kept - 1].col == e.col) entries[kept - 1].value += e.value;
    else entries[kept++] = e;
  }
  entries.resize(kept);
  std::erase_if(entries, [](const Entry& e) { return e.value == 0; });
  Matrix m;
  m.rows = rows, m.cols = cols;
  if (rows > 8 && cols > 8 && entries.size() * 4 >= std::size_t(rows) * std::size_t(cols)) {
    m.dense = true;
    m.values.assign(std::size_t(rows) * std::size_t(cols), 0.0f);
    for (const Entry& e : entries) m.values[std::size_t(e.row) * std::size_t(cols) + std::size_t(e.col)] = e.value;
    m.widest_row = cols, m.widest_col = rows;
    return m;
  }
  m.row_start.assign(std::size_t(rows) + 1, 0), m.col_start.assign(std::size_t(cols) + 1, 0);
  for (const Entry& e : entries) ++m.row_start[std::size_t(e.row) + 1], ++m.col_start[std::size_t(e.col) + 1];
  for (std::int32_t i = 0; i < rows; ++i) m.widest_row = std::max(m.widest_row, m.row_start[std::size_t(i) + 1]), m.row_start[std::size_t(i) + 1] += m.row_start[std::size_t(i)];
  for (std::int32_t j = 0; j < cols; ++j) m.widest_col = std::max(m.widest_col, m.col_start[std::size_t(j) + 1]), m.col_start[std::size_t(j) + 1] += m.col_start[std::size_t(j)];
  m.values.reserve(entries.size()), m.column.reserve(entries.size());
  m.row.resize(entries.size()), m.place.resize(entries.size());
  std::vector<std::int32_t> next(m.col_start.begin(), m.col_start.end() - 1);
  for (const Entry& e : entries) {
    std::int32_t& p = next[std::size_t(e.col)];
    m.row[std::size_t(p)] = e.row, m.place[std::size_t(p)] = std::int32_t(m.values.size());
    ++p;
    m.values.push_back(e.value), m.column.push_back(e.col);
  }
  return m;
}

double Unary::value(double x, std::int32_t element) const {
  switch (kind) {
    case Kind::relu: return x < 0 ? 0 : x;
    case Kind::curve:
    case Kind::stair: return curve->f(x, *attrs);
    case Kind::reciprocal: return 1 / x;
    case Kind::sine: return shift != 0 ? std::cos(x) : std::sin(x);
    case Kind::steps: {
      const Steps::Table& t = steps->of(element);
      return double(t.value[t.index(x)]);
    }
  }
  return 0;
}
double Unary::slope(double x, std::int32_t element) const {
  switch (kind) {
    case Kind::relu: return x > 0;
    case Kind::curve: return curve->slope(x, *attrs);
    case Kind::stair: return 1;  // of use to a search only
    case Kind::reciprocal: return -1 / (x * x);
    case Kind::sine: return shift != 0 ? -std::sin(x) : std::cos(x);
    case Kind::steps: {                            // of use to a search only: the mean over some steps on both sides
      const Steps::Table& t = steps->of(element);
      const std::size_t n = t.at.size(), i = t.index(x);
      if (i == 0 || i == n) return 0;
      const std::size_t a = i > 4 ? i - 4 : 0, b = std::min(i + 4, n - 1);
      return t.at[b] > t.at[a] ? double(t.value[b + 1] - t.value[a + 1]) / double(t.at[b] - t.at[a]) : 0;
    }
  }
  return 0;
}

namespace {
std::vector<Entry> entries_of(const Matrix& m) {
  std::vector<Entry> e;
  for (std::int32_t i = 0; i < m.rows; ++i) {
    if (m.dense) {
      for (std::int32_t j = 0; j < m.cols; ++j) e.push_back({i, j, m.values[std::size_t(i) * std::size_t(m.cols) + std::size_t(j)]});
    } else {
      for (std::int32_t k = m.row_start[std::size_t(i)]; k < m.row_start[std::size_t(i) + 1]; ++k) e.push_back({i, m.column[std::size_t(k)], m.values[std::size_t(k)]});
    }
  }
  return e;
}
bool identity(const Matrix& m) {
  if (m.dense || m.rows != m.cols || m.values.size() != std::size_t(m.rows)) return false;
  for (std::int32_t i = 0; i < m.rows; ++i) if (m.row_start[std::size_t(i)] != i || m.column[std::size_t(i)] != i || m.values[std::size_t(i)] != 1) return false;
  return true;
}
bool zero(const std::vector<float>& v) {
  return std::all_of(v.begin(), v.end(), [](float x) { return x == 0; });
}
void add_term(std::vector<Term>& terms, Term t) {
  for (Term& known : terms)
    if (known.from == t.from) {
      std::vector<Entry> e = entries_of(known.matrix), more = entries_of(t.matrix);
      e.insert(e.end(), more.begin(), more.end());
      known.matrix = make_matrix(t.matrix.rows, t.matrix.cols, std::move(e));
      return;
    }
  terms.push_back(std::move(t));
}
/// No row of the layer would meet an element twice where a term goes over a layer that only moves: a sum of coefficients is not what is computed, and may hide how large its
/// parts are. Where nothing is computed that does not matter.
bool composes(const Layer& l, std::size_t which, const Layer& through) {
  if (l.roundings == 0) return true;
  std::vector<std::array<std::int32_t, 3>> met;      // (source, row, column)
  for (const Term& q : through.terms) {
    for (const Entry& e : entries_of(l.terms[which].matrix)) {
      const std::int32_t at = q.matrix.row_start[std::size_t(e.col)];
      if (e.value != 0 && at < q.matrix.row_start[std::size_t(e.col) + 1]) met.push_back({q.from, e.row, q.matrix.column[std::size_t(at)]});
    }
    for (const Term& other : l.terms)
      if (other.from == q.from) for (const Entry& e : entries_of(other.matrix)) met.push_back({q.from, e.row, e.col});
  }
  std::sort(met.begin(), met.end());
  return std::adjacent_find(met.begin(), met.end()) == met.end();
}
/// t over a layer that only moves, as terms over what it moves.
void over_movement(const Term& t, const Layer& through, std::vector<Term>& into) {
  for (const Term& q : through.terms) {
    std::vector<Entry> composed;
    for (const Entry& e : entries_of(t.matrix)) {
      const std::int32_t at = q.matrix.row_start[std::size_t(e.col)];
      if (at < q.matrix.row_start[std::size_t(e.col) + 1]) composed.push_back({e.row, q.matrix.column[std::size_t(at)], e.value * q.matrix.values[std::size_t(at)]});
    }
    if (!composed.empty()) add_term(into, {q.from, make_matrix(t.matrix.rows, q.matrix.cols, std::move(composed))});
  }
}
/// The parts of each sum of integers come to no more than float32 holds.
bool holds_exactly(const Net& net, const Layer& l) {
  std::vector<double> total(l.bias.begin(), l.bias.end());
  for (double& v : total) v = std::fabs(v);
  for (const Term& t : l.terms) for (const Entry& e : entries_of(t.matrix)) total[std::size_t(e.row)] += std::fabs(double(e.value)) * double(net.layers[std::size_t(t.from)].largest);
  return std::all_of(total.begin(), total.end(), [](double v) { return v <= kExactSums; });
}
std::vector<std::int32_t> uses(const Net& net) {
  std::vector<std::int32_t> n(net.layers.size(), 0);
  for (const Layer& l : net.layers) {
    for (const Term& t : l.terms) ++n[std::size_t(t.from)];
    if (l.a >= 0) ++n[std::size_t(l.a)];
    if (l.b >= 0) ++n[std::size_t(l.b)];
    if (l.spread >= 0) n[std::size_t(l.spread)] += 2;  // its own size matters
  }
  ++n.back();
  return n;
}
}  // namespace

bool moves(const Layer& l) {
  if (l.kind != Layer::Kind::affine || l.roundings != 0 || l.absolute != 0 || l.spread >= 0 || l.terms.empty() || !zero(l.bias)) return false;
  std::vector<char> taken(std::size_t(l.size), 0);
  for (const Term& t : l.terms) {
    if (t.matrix.dense) return false;
    for (float v : t.matrix.values) if (v != 1 && v != -1) return false;
    for (std::int32_t i = 0; i < l.size; ++i)
      if (std::int32_t n = t.matrix.row_start[std::size_t(i) + 1] - t.matrix.row_start[std::size_t(i)]; n && (n > 1 || taken[std::size_t(i)]++)) return false;
  }
  return true;
}

void compact(Net& net, bool sums) {
  std::set<std::pair<std::size_t, std::int32_t>> apart;  // layers, and movement that stays before them
  for (bool changed = true; changed;) {
    changed = false;
    std::vector<std::int32_t> used = uses(net);
    for (std::size_t k = 0; k < net.layers.size(); ++k) {
      Layer& l = net.layers[k];
      if (l.kind != Layer::Kind::affine) continue;
      for (std::size_t i = 0; i < l.terms.size(); ++i) {
        const Layer& from = net.layers[std::size_t(l.terms[i].from)];
        const bool sums_once = std::count_if(l.terms.begin(), l.terms.end(), [&](const Term& t) { return t.from == l.terms[i].from; }) == 1;
        const std::pair<std::size_t, std::int32_t> pair{k, l.terms[i].from};
        if (moves(from) && sums_once && !apart.contains(pair)) {
          if (!composes(l, i, from)) {
            apart.insert(pair);
            continue;
          }
          const Term t = std::move(l.terms[i]);
          l.terms.erase(l.terms.begin() + std::ptrdiff_t(i));
          over_movement(t, from, l.terms);
          changed = true;
          break;
        }
        if (!sums || from.kind != Layer::Kind::affine || from.spread >= 0 || used[std::size_t(l.terms[i].from)] != 1 || !identity(l.terms[i].matrix)) continue;
        bool fits = true;
        for (std::size_t e = 0; e < l.bias.size(); ++e) fits &= l.bias[e] == 0 || from.bias[e] == 0;
        for (const Term& t : from.terms) for (const Term& other : l.terms) fits &= other.from != t.from;
        if (!fits) continue;
        const Layer part = from;
        l.terms.erase(l.terms.begin() + std::ptrdiff_t(i));
        l.terms.insert(l.terms.end(), part.terms.begin(), part.terms.end());
        for (std::size_t e = 0; e < l.bias.size(); ++e) l.bias[e] += part.bias[e];
        l.roundings += part.roundings;
        l.dot &= part.dot;
        l.absolute += part.absolute;
        l.whole = l.whole && part.whole && holds_exactly(net, l);
        if (!part.origin.empty()) l.origin = part.origin;
        changed = true;
        break;
      }
      if (changed) used = uses(net);
    }
  }
  // What nothing uses goes; a unary layer over movement stays over it.
  std::vector<char> live(net.layers.size(), 0);
  live.front() = live.back() = 1;
  for (std::size_t k = net.layers.size(); k-- > 0;) {
    if (!live[k]) continue;
    const Layer& l = net.layers[k];
    for (const Term& t : l.terms) live[std::size_t(t.from)] = 1;
    for (std::int32_t o : {l.a, l.b, l.spread}) if (o >= 0) live[std::size_t(o)] = 1;
  }
  std::vector<std::int32_t> place(net.layers.size(), -1);
  std::vector<Layer> kept;
  for (std::size_t k = 0; k < net.layers.size(); ++k) {
    if (!live[k]) continue;
    place[k] = std::int32_t(kept.size());
    Layer l = std::move(net.layers[k]);
    for (Term& t : l.terms) t.from = place[std::size_t(t.from)];
    for (std::int32_t* o : {&l.a, &l.b, &l.spread}) if (*o >= 0) *o = place[std::size_t(*o)];
    kept.push_back(std::move(l));
  }
  net.layers = std::move(kept);
}

}  // namespace saha::verify
