#include "verify/sweep.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace saha::verify {
namespace {
constexpr float kUnit = 0x1p-24f, kTiny = 1e-35f, kHuge = 1e30f;
/// Roundings of a float32 sum that the loops carry into float64 (loops/sweep.cpp), and of the lines' own arithmetic.
constexpr float kCarried = 20;
/// Least float32: what a product near 0 may lose, and more than it does. Lines of a nonlinear layer, also of pairs, are so many products, and an element's constants.
constexpr double kLeast = 0x1p-149, kOfLines = 16, kOfConstants = 8;
constexpr double kLost = 1e-11;                      ///< of sums in float64, relative to the sizes of what is summed

bool all_ones(const Matrix& m) {
  return !m.dense && std::all_of(m.values.begin(), m.values.end(), [](float v) { return v == 1 || v == -1; });
}
}  // namespace

ReluLine relu_line(float lo, float hi, int readers) {
  if (hi <= 0) return {};
  const float adds = float(readers + 1);             // roundings that the coefficient goes through: of its product, and where readers' are summed
  if (lo >= 0) return {1, 1, 0, readers > 1 ? adds * kUnit * hi : 0};
  const float up = hi / (hi - lo), c = std::max(-up * lo, hi - up * hi) * (1 + 8 * kUnit) + kTiny;
  return {hi > -lo ? 1.0f : 0.0f, up, c, kUnit * (adds * std::max(-lo, hi) + kCarried * c) + kTiny};
}

Sweep::Sweep(const Net& net, const Loops& loops, int lanes, int columns, Arithmetic arithmetic, int box_lanes)
    : net_(net), loops_(loops), lanes_(lanes), box_lanes_(box_lanes), columns_((std::max(columns, lanes) + loops.vector - 1) / loops.vector * loops.vector), ld_(columns_), arithmetic_(arithmetic),
      state_(net.layers.size()), broken_(std::size_t(lanes), 0), sum_(std::size_t(columns_), 0.0) {
  std::int32_t widest = 0;
  for (const Layer& l : net.layers) widest = std::max(widest, l.size);
  all_.resize(std::size_t(widest));
  std::iota(all_.begin(), all_.end(), 0);
  for (std::size_t k = 0; k < net.layers.size(); ++k) {
    const Layer& l = net.layers[k];
    State& s = state_[k];
    const std::size_t n = std::size_t(l.size) * std::size_t(box_lanes);
    s.slope_lanes = s.line_lanes = box_lanes;
    s.lo.assign(n, 0), s.hi.assign(n, 0), s.lost.assign(std::size_t(box_lanes), 0);
    s.active.assign(all_.begin(), all_.begin() + l.size);
    if (l.kind == Layer::Kind::affine) {
      s.error.assign(n, 0);
      s.pruned.resize(l.terms.size()), s.back.resize(l.terms.size()), s.ahead.resize(l.terms.size()), s.magnitude.resize(l.terms.size());
      // Intervals are exact where every element is one sum over the box itself, or over single elements of it.
      s.exact_box = l.terms.size() <= 1;
      for (const Term& t : l.terms) {
        const Layer& from = net.layers[std::size_t(t.from)];
        s.exact_box &= from.kind == Layer::Kind::input || (from.kind == Layer::Kind::affine && state_[std::size_t(t.from)].exact_box && from.terms.size() == 1 && from.terms[0].matrix.widest_row == 1 && from.terms[0].matrix.widest_col == 1);
      }
    } else if (l.kind != Layer::Kind::input) {
      for (auto* v : {&s.al, &s.au, &s.cu, &s.slack}) v->assign(n, 0);
      if (l.kind != Layer::Kind::unary || l.unary.kind != Unary::Kind::relu) s.cl.assign(n, 0);
      if (l.kind == Layer::Kind::product) s.bl.assign(n, 0), s.bu.assign(n, 0);
      if (l.gap >= 0 && l.mate < std::int32_t(k)) {
        Joint& j = s.joint;
        for (auto* v : {&j.other_al, &j.other_au, &j.other_bl, &j.other_bu, &j.other_cl, &j.other_cu, &j.al, &j.au, &j.bl, &j.bu, &j.cl, &j.cu, &j.slack, &j.gap[0], &j.gap[1], &j.gap[2], &j.gap[3], &j.gap[4], &j.gap[5]}) v->assign(n, 0);
      }
    }
    s.integer = l.whole;
    for (const Term& t : l.terms) s.integer &= state_[std::size_t(t.from)].integer;
    for (std::int32_t from : {l.a, l.b}) s.integer &= from < 0 || state_[std::size_t(from)].integer;
    for (const Term& t : l.terms) ++state_[std::size_t(t.from)].readers, state_[std::size_t(t.from)].products += double(t.matrix.widest_col);
    // Signs of ReLUs and steps are looked at in the layer itself.
    const bool through = l.kind == Layer::Kind::product || (l.kind == Layer::Kind::unary && (l.unary.kind == Unary::Kind::curve || l.unary.kind == Unary::Kind::reciprocal));
    for (std::int32_t from : {l.a, l.b}) {
      if (from < 0) continue;
      ++state_[std::size_t(from)].readers, state_[std::size_t(from)].products += kOfLines;
      read_by_nonlinear(from, through);
    }
    if (l.gap >= 0 && l.mate < std::int32_t(k)) ++state_[std::size_t(l.gap)].readers, state_[std::size_t(l.gap)].products += kOfLines, read_by_nonlinear(l.gap, false);
    s.coefficient.assign(std::size_t(l.size) * std::size_t(ld_), 0);
  }
  std::sort(critical_.begin(), critical_.end());
  state_.back().bounds = true;
  for (std::size_t k = 0; k < net.layers.size(); ++k) {
    if (state_[k].integer) continue;
    for (const Term& t : net.layers[k].terms) state_[std::size_t(t.from)].bounds = true;
    for (std::int32_t from : {net.layers[k].a, net.layers[k].b}) if (from >= 0) state_[std::size_t(from)].bounds = true;
  }
  for (std::size_t k = 0; k < net.layers.size(); ++k) {
    const Layer& l = net.layers[k];
    if (state_[k].passes) for (const Term& t : l.terms) state_[std::size_t(t.from)].signs = false;
    if (l.gap >= 0 && l.mate < std::int32_t(k)) state_[std::size_t(l.gap)].paired = std::int32_t(k);
    for (std::int32_t from : {l.a, l.b}) {
      if (from < 0) continue;
      State& f = state_[std::size_t(from)];
      f.signs &= l.kind == Layer::Kind::unary && l.unary.kind == Unary::Kind::relu;
      if (f.readers == 1 && l.kind == Layer::Kind::unary) f.steps = l.unary.steps.get();
    }
  }
}

void Sweep::read_by_nonlinear(std::int32_t from, bool through) {
  State& f = state_[std::size_t(from)];
  if (from == 0 || f.critical || (f.passes && through)) return;
  if (through && moves(net_.layers[std::size_t(from)])) {
    f.passes = true;
    for (const Term& t : net_.layers[std::size_t(from)].terms) read_by_nonlinear(t.from, true);
  } else {
    f.critical = true, critical_.push_back(from);
  }
}

void Sweep::start() {
  std::fill(broken_.begin(), broken_.end(), 0);
  for (std::size_t k = 1; k < state_.size(); ++k) {
    std::fill(state_[k].lo.begin(), state_[k].lo.end(), -INFINITY), std::fill(state_[k].hi.begin(), state_[k].hi.end(), float(INFINITY));
    for (auto& p : state_[k].pruned) p = nullptr;
    if (state_[k].active.size() != std::size_t(net_.layers[k].size)) state_[k].active.assign(all_.begin(), all_.begin() + net_.layers[k].size);
  }
}

// ---- forwards -----------------------------------------------------------------------------------------------------------------------------

/// Weights of rows j over elements k in the order that the dense loop reads. Backward: j are columns of m.
const Sweep::Panel& Sweep::panel_of(Panel& p, const Matrix& m, List k, List j, bool backward, bool magnitude) const {
  if (p.valid && std::ssize(p.k) == k.n && std::ssize(p.j) == j.n && std::equal(p.k.begin(), p.k.end(), k.at) && std::equal(p.j.begin(), p.j.end(), j.at)) return p;
  p.k.assign(k.at, k.at + k.n), p.j.assign(j.at, j.at + j.n), p.valid = true;
  p.data.assign(panels_size(k.n, j.n), 0.0f);
  const std::size_t row = std::size_t(m.cols);
  pack_panels(k, j, p.data.data(), [&](std::int32_t x, std::int32_t y) {
    const float w = backward ? m.values[std::size_t(y) * row + std::size_t(x)] : m.values[std::size_t(x) * row + std::size_t(y)];
    return magnitude ? std::fabs(w) : w;
  });
  return p;
}

void Sweep::multiply(const Term& t, Panel& panel, bool magnitude, const float* x, float* y, std::int64_t ld, std::int64_t columns, bool add) const {
  const Matrix& m = t.matrix;
  const List k{all_.data(), m.cols}, j{all_.data(), m.rows};
  if (m.dense) {
    loops_.dense(panel_of(panel, m, k, j, false, magnitude).data.data(), k, j, x, y, ld, columns, add);
    return;
  }
  const float* values = m.values.data();
  if (magnitude) {
    if (panel.data.size() != m.values.size()) {
      panel.data.resize(m.values.size());
      for (std::size_t i = 0; i < m.values.size(); ++i) panel.data[i] = std::fabs(m.values[i]);
    }
    values = panel.data.data();
  }
  loops_.sparse(m.row_start.data(), m.column.data(), nullptr, values, j, x, y, ld, columns, add);
}

/// Of each row, how many of its elements are 0 in a lane; of sparse rows in one lane only. Rows of `largest` and `zeros` are `width` floats apart.
void Sweep::count_zeros(const Matrix& m, const float* largest, std::int64_t width, std::vector<float>& zeros) const {
  const std::size_t b = std::size_t(lanes_), w = std::size_t(width);
  if (m.dense) {
    std::vector<float> count(b, 0.0f);
    for (std::size_t e = 0; e < std::size_t(m.cols); ++e) for (std::size_t q = 0; q < b; ++q) count[q] += largest[e * w + q] == 0;
    for (std::size_t e = 0; e < std::size_t(m.rows); ++e) for (std::size_t q = 0; q < b; ++q) zeros[e * w + q] += count[q];
  } else if (b == 1) {
    for (std::size_t e = 0; e < std::size_t(m.rows); ++e)
      for (std::int32_t k = m.row_start[e]; k < m.row_start[e + 1]; ++k) zeros[e * w] += largest[std::size_t(m.column[std::size_t(k)]) * w] == 0;
  }
}

void Sweep::affine(std::size_t layer) {
  const Layer& l = net_.layers[layer];
  State& s = state_[layer];
  const std::int64_t b = lanes_;
  // Lanes of one are padded to a vector in buffers of their own.
  const std::int64_t width = std::max<std::int64_t>(b, loops_.vector);
  const std::size_t out_n = std::size_t(l.size) * std::size_t(width);
  std::vector<float> c(out_n, 0), r(out_n, 0), a(out_n, 0), d, in;
  // Of a sum of products: what is positive of it at most less what is negative at most, where operands are nowhere negative; how many of its terms are 0 throughout.
  const bool dot = l.dot && arithmetic_ == Arithmetic::float32;
  std::vector<float> zeros(dot ? out_n : 0, 0.0f);
  std::vector<char> negative(std::size_t(b), 0);
  if (dot) d.assign(out_n, 0);
  float roundings = 0;
  bool first = true;
  for (std::size_t i = 0; i < l.terms.size(); ++i) {
    const Term& t = l.terms[i];
    const State& f = state_[std::size_t(t.from)];
    const std::size_t n = std::size_t(t.matrix.cols) * std::size_t(width);
    in.assign(3 * n, 0);
    float *centre = in.data(), *radius = centre + n, *largest = radius + n;
    for (std::int32_t e = 0; e < t.matrix.cols; ++e)
      for (std::int64_t q = 0; q < b; ++q) {
        const std::size_t at = std::size_t(e) * std::size_t(b) + std::size_t(q), to = std::size_t(e) * std::size_t(width) + std::size_t(q);
        const float lo = f.lo[at], hi = f.hi[at], mid = 0.5f * lo + 0.5f * hi;
        centre[to] = mid;
        radius[to] = l.whole ? hi - mid : std::max(hi - mid, mid - lo) * (1 + 4 * kUnit) + std::fabs(mid) * kUnit + kTiny;
        if (lo == hi) radius[to] = 0;
        largest[to] = std::max(std::fabs(lo), std::fabs(hi));
      }
    multiply(t, s.ahead[i], false, centre, c.data(), width, width, !first);
    multiply(t, s.magnitude[i], true, radius, r.data(), width, width, !first);
    multiply(t, s.magnitude[i], true, largest, a.data(), width, width, !first);
    if (dot) {
      multiply(t, s.ahead[i], false, largest, d.data(), width, width, !first);
      for (std::size_t at = 0; at < f.lo.size(); ++at) negative[at % std::size_t(b)] |= f.lo[at] < 0;
      count_zeros(t.matrix, largest, width, zeros);
    }
    first = false;
    const bool exact = all_ones(t.matrix);
    roundings = std::max(roundings, (exact && t.matrix.widest_col <= 1 ? 0 : float(t.matrix.widest_col)) + (f.readers > 1 ? float(f.readers) : 0));
  }
  float terms = 0;
  for (const Term& t : l.terms) terms += float(t.matrix.widest_row);
  const float inference = arithmetic_ == Arithmetic::float32 ? l.roundings : 0;
  std::vector<float> spread(std::size_t(b), 0.0f);
  if (l.spread >= 0 && arithmetic_ == Arithmetic::float32) {
    const State& f = state_[std::size_t(l.spread)];
    for (std::size_t i = 0; i < f.lo.size(); ++i) spread[i % std::size_t(b)] = std::max({spread[i % std::size_t(b)], std::fabs(f.lo[i]), std::fabs(f.hi[i])});
    for (float& v : spread) v *= l.spread_units * kUnit;
  }
  const bool moving = inference == 0 && roundings == 0 && l.spread < 0 && l.absolute == 0;
  for (std::int32_t e = 0; e < l.size; ++e) {
    const float bias = l.bias[std::size_t(e)];
    for (std::int64_t q = 0; q < b; ++q) {
      const std::size_t at = std::size_t(e) * std::size_t(b) + std::size_t(q), from = std::size_t(e) * std::size_t(width) + std::size_t(q);
      const float size = a[from], bound = std::fabs(bias);
      float off = inference * (size + bound);        // by what float32 may be off in any order, in units
      if (dot) {
        // Each addition is off by a unit of what it gives, the sum of some of the terms; those that are 0 add nothing.
        const float additions = std::max(0.0f, terms - zeros[from]), others = std::max(1.0f, inference - terms + 1);
        const float partial = negative[std::size_t(q)] ? size : 0.5f * (size + std::fabs(d[from])) + kUnit * terms * size;
        off = std::min(off, additions * (partial + bound) + others * (size + bound));
      }
      const float error = 1.01f * kUnit * (off + roundings * size + (bias != 0 ? kCarried : 0) * bound) + spread[std::size_t(q)] + l.absolute + (moving ? 0 : kTiny);
      s.error[at] = error;
      const float mine = l.whole ? r[from] : r[from] * (1 + (terms + 4) * kUnit) + 1.01f * kUnit * (terms + 6) * (size + bound) + error;
      float lo = c[from] + bias - mine, hi = c[from] + bias + mine;
      if (!(hi < kHuge && lo > -kHuge)) broken_[std::size_t(q)] = 1, lo = -kHuge, hi = kHuge;
      s.lo[at] = std::max(s.lo[at], lo), s.hi[at] = std::min(s.hi[at], hi);
      if (s.lo[at] > s.hi[at]) std::swap(s.lo[at], s.hi[at]);  // met only where both are the same but for rounding
    }
  }
}

void Sweep::lines(std::size_t layer) {
  const Layer& l = net_.layers[layer];
  State& s = state_[layer];
  const State& f = state_[std::size_t(l.a)];
  const std::size_t n = s.lo.size();
  const float adds = float(f.readers + 1);
  if (l.unary.kind == Unary::Kind::relu) {
    for (std::size_t i = 0; i < n; ++i) {
      const ReluLine line = relu_line(f.lo[i], f.hi[i], f.readers);
      s.lo[i] = std::max(f.lo[i], 0.0f), s.hi[i] = std::max(f.hi[i], 0.0f);
      s.al[i] = line.al, s.au[i] = line.au, s.cu[i] = line.cu, s.slack[i] = line.slack;
    }
  } else if (l.unary.kind == Unary::Kind::steps) {
    step_lines(layer);
  } else {
    Unary u = l.unary;
    if (arithmetic_ == Arithmetic::real) u.ulp = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const float lo = f.lo[i], hi = f.hi[i];
      const Line line = line_of(u, lo, hi);
      if (!line.ok) {
        broken_[i % std::size_t(lanes_)] = 1;
        s.al[i] = s.au[i] = 0, s.cl[i] = s.cu[i] = 0, s.slack[i] = kHuge, s.lo[i] = -kHuge, s.hi[i] = kHuge;
        continue;
      }
      const auto [least, most] = range_of(u, lo, hi);
      s.lo[i] = std::max(s.lo[i], std::nextafter(float(least), -INFINITY)), s.hi[i] = std::min(s.hi[i], std::nextafter(float(most), float(INFINITY)));
      if (s.lo[i] > s.hi[i]) s.lo[i] = std::nextafter(float(least), -INFINITY), s.hi[i] = std::nextafter(float(most), float(INFINITY));
      s.al[i] = line.al, s.au[i] = line.au, s.cl[i] = line.cl, s.cu[i] = line.cu;
      s.slack[i] = kUnit * (adds * std::max(std::fabs(line.al), std::fabs(line.au)) * std::max(std::fabs(lo), std::fabs(hi)) + kCarried * std::max(std::fabs(line.cl), std::fabs(line.cu))) + kTiny;
    }
  }
  narrow_active(layer);
  if (l.gap >= 0 && l.mate < std::int32_t(layer)) pair_lines(layer);
}

/// Lines of the difference at one place of a pair's vectors, from the bounds and lines that stand there: `layer` is the second.
void Sweep::join(std::size_t layer, std::size_t at) {
  const Layer &l = net_.layers[layer], &other = net_.layers[std::size_t(l.mate)];
  const State &s = state_[layer], &first = state_[std::size_t(l.mate)], &fa = state_[std::size_t(other.a)], &fb = state_[std::size_t(l.a)], &d = state_[std::size_t(l.gap)];
  Joint& j = state_[layer].joint;
  const Interval x{fa.lo[at], fa.hi[at]}, y{fb.lo[at], fb.hi[at]}, x_less_y{d.lo[at], d.hi[at]};
  if ((x.lo >= 0 || x.hi <= 0) && (y.lo >= 0 || y.hi <= 0)) {  // nothing is off, and each is taken alone
    j.al[at] = j.au[at] = j.other_al[at] = j.other_au[at] = first.al[at], j.bl[at] = j.bu[at] = j.other_bl[at] = j.other_bu[at] = -s.al[at];
    j.cl[at] = j.cu[at] = j.other_cl[at] = j.other_cu[at] = j.gap[4][at] = j.gap[5][at] = 0, j.slack[at] = std::max(first.slack[at], s.slack[at]);
    return;
  }
  Plane next_up, next_down;
  const Plane up = above_difference(x, y, x_less_y, &next_up), down = above_difference(y, x, {-x_less_y.hi, -x_less_y.lo}, &next_down);
  j.au[at] = up.a, j.bu[at] = up.b, j.cu[at] = up.c, j.gap[5][at] = up.gap, j.other_au[at] = next_up.a, j.other_bu[at] = next_up.b, j.other_cu[at] = next_up.c;
  j.al[at] = -down.b, j.bl[at] = -down.a, j.cl[at] = -down.c, j.gap[4][at] = down.gap, j.other_al[at] = -next_down.b, j.other_bl[at] = -next_down.a, j.other_cl[at] = -next_down.c;
  const float adds = float(fa.readers + fb.readers + 12), constants = first.cu[at] + s.cu[at] + std::fabs(up.c) + std::fabs(down.c) + std::fabs(next_up.c) + std::fabs(next_down.c);
  j.slack[at] = kUnit * (2 * adds * (std::max(-x.lo, x.hi) + std::max(-y.lo, y.hi)) + (kCarried + 8) * constants) + kTiny;
}

/// Of the second of a pair, whose first has its lines: those of the difference. Elements that matter to one of them matter to both.
void Sweep::pair_lines(std::size_t layer) {
  const Layer &l = net_.layers[layer], &other = net_.layers[std::size_t(l.mate)];
  State &s = state_[layer], &first = state_[std::size_t(l.mate)], &fa = state_[std::size_t(other.a)], &fb = state_[std::size_t(l.a)];
  Joint& j = s.joint;
  auto alone = [](float lo, float hi, float al, float& below, float& above) {
    const bool open = lo < 0 && hi > 0;
    below = !open ? 0 : al > 0 ? -lo : hi, above = !open ? 0 : -lo * hi / (hi - lo);
  };
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    alone(fa.lo[i], fa.hi[i], first.al[i], j.gap[0][i], j.gap[1][i]), alone(fb.lo[i], fb.hi[i], s.al[i], j.gap[2][i], j.gap[3][i]);
    join(layer, i);
  }
  std::vector<std::int32_t> both;
  std::ranges::set_union(first.active, s.active, std::back_inserter(both));
  first.active = s.active = both;
  for (auto [from, readers] : {std::pair(other.a, fa.readers), std::pair(l.a, fb.readers)}) {
    if (readers != 2 || from == 0) continue;         // the pair and its layer of differences
    state_[std::size_t(from)].active = both;
    if (lanes_ == 1) prune(std::size_t(from));
  }
}

void Sweep::step_lines(std::size_t layer) {
  const Layer& l = net_.layers[layer];
  State& s = state_[layer];
  const State& f = state_[std::size_t(l.a)];
  const float adds = f.readers > 1 ? 10 : 2;
  for (std::int32_t e = 0; e < l.size; ++e) {
    const Steps::Table& t = l.unary.steps->of(e);
    for (std::size_t i = std::size_t(e) * std::size_t(lanes_), end = i + std::size_t(lanes_); i < end; ++i) {
      const float lo = f.lo[i], hi = f.hi[i];
      const std::size_t a = t.index(double(lo)), b = lo == hi ? a : t.index(double(hi));
      if (a == b) {
        const float v = t.value[a];
        s.lo[i] = s.hi[i] = v;
        s.al[i] = s.au[i] = 0, s.cl[i] = s.cu[i] = v, s.slack[i] = kUnit * kCarried * std::fabs(v);
        continue;
      }
      const Line line = line_of(t, l.unary.steps->whole, a, b, double(lo), double(hi));
      const auto [least, most] = std::minmax_element(t.value.begin() + std::ptrdiff_t(a), t.value.begin() + std::ptrdiff_t(b) + 1);
      s.lo[i] = *least, s.hi[i] = *most;
      s.al[i] = line.al, s.au[i] = line.au, s.cl[i] = line.cl, s.cu[i] = line.cu;
      s.slack[i] = kUnit * (adds * std::max(std::fabs(line.al), std::fabs(line.au)) * std::max(std::fabs(lo), std::fabs(hi)) + kCarried * std::max(std::fabs(line.cl), std::fabs(line.cu))) + kTiny;
    }
  }
}

float Sweep::gap(std::size_t layer, std::int32_t element, int lane) const {
  const State& s = state_[layer];
  const State& f = state_[std::size_t(net_.layers[layer].a)];
  const std::size_t at = std::size_t(element) * std::size_t(lanes_) + std::size_t(lane);
  return (s.au[at] - s.al[at]) * 0.5f * (f.lo[at] + f.hi[at]) + s.cu[at] - s.cl[at];
}

std::array<float, 3> Sweep::pair_cost(std::size_t layer, std::int32_t element, int lane, float u, float v) const {
  const Joint& j = state_[layer].joint;
  const std::size_t at = std::size_t(element) * std::size_t(lanes_) + std::size_t(lane);
  auto cost = [&](float c, int k) { return c > 0 ? c * j.gap[k][at] : -c * j.gap[k + 1][at]; };
  const std::array<float, 3> apart{cost(u, 0), cost(v, 2), 0}, by_first{0, cost(u + v, 2), cost(u, 4)}, by_second{cost(u + v, 0), 0, cost(-v, 4)};
  auto sum = [](const std::array<float, 3>& c) { return c[0] + c[1] + c[2]; };
  const auto& best = sum(by_first) < sum(apart) ? by_first : apart;
  return sum(by_second) < sum(best) ? by_second : best;
}

/// x y between its McCormick planes: of the two on each side the one that is nearer in the middle.
void Sweep::product_lines(std::size_t layer) {
  const Layer& l = net_.layers[layer];
  State& s = state_[layer];
  const State &fa = state_[std::size_t(l.a)], &fb = state_[std::size_t(l.b)];
  const float inference = arithmetic_ == Arithmetic::float32 ? l.slack : 0;
  for (std::size_t i = 0; i < s.lo.size(); ++i) {
    const float la = fa.lo[i], ha = fa.hi[i], lb = fb.lo[i], hb = fb.hi[i];
    const double corners[] = {double(la) * lb, double(la) * hb, double(ha) * lb, double(ha) * hb};
    const double least = *std::min_element(corners, corners + 4), most = *std::max_element(corners, corners + 4), size = std::max(std::fabs(least), std::fabs(most));
    const double off = size * double(kUnit) * double(inference) + 1e-37;
    if (!(size < double(kHuge))) broken_[i % std::size_t(lanes_)] = 1;
    s.lo[i] = std::nextafter(float(least - off), -INFINITY), s.hi[i] = std::nextafter(float(most + off), float(INFINITY));
    // x y >= la y + lb x - la lb, and with the upper ends; x y <= la y + hb x - la hb, and ha y + lb x - ha lb. In the middle of the box all four are wa wb / 4 away.
    s.al[i] = lb, s.bl[i] = la, s.cl[i] = std::nextafter(float(-double(la) * lb), -INFINITY);
    if (std::fabs(la) + std::fabs(lb) > std::fabs(ha) + std::fabs(hb)) s.al[i] = hb, s.bl[i] = ha, s.cl[i] = std::nextafter(float(-double(ha) * hb), -INFINITY);
    s.au[i] = hb, s.bu[i] = la, s.cu[i] = std::nextafter(float(-double(la) * hb), float(INFINITY));
    if (std::fabs(la) + std::fabs(hb) > std::fabs(ha) + std::fabs(lb)) s.au[i] = lb, s.bu[i] = ha, s.cu[i] = std::nextafter(float(-double(ha) * lb), float(INFINITY));
    const float ma = std::max(std::fabs(la), std::fabs(ha)), mb = std::max(std::fabs(lb), std::fabs(hb));
    s.slack[i] = kUnit * (float(fa.readers + fb.readers + 4) + kCarried) * ma * mb + float(off);
  }
}

/// Elements of a ReLU or of steps that are 0 in every lane need no more work, here and before.
void Sweep::narrow_active(std::size_t layer) {
  const Layer& l = net_.layers[layer];
  State& s = state_[layer];
  if ((l.unary.kind != Unary::Kind::relu && l.unary.kind != Unary::Kind::steps) || pointwise_) return;
  s.active.clear();
  for (std::int32_t e = 0; e < l.size; ++e) {
    bool on = false;
    for (int q = 0; q < lanes_; ++q) {
      const std::size_t at = std::size_t(e) * std::size_t(lanes_) + std::size_t(q);
      on |= s.lo[at] != 0 || s.hi[at] != 0;
    }
    if (on) s.active.push_back(e);
  }
  State& f = state_[std::size_t(l.a)];
  if (f.readers == 1 && l.a > 0) f.active = s.active;  // all inputs are read by the box
  if (lanes_ == 1) prune(std::size_t(l.a));          // many queries will go through this one region
}

void Sweep::prune(std::size_t layer) {
  const Layer& l = net_.layers[layer];
  if (l.kind != Layer::Kind::affine) return;
  State& s = state_[layer];
  std::vector<char> row_on(std::size_t(l.size), 0);
  for (std::int32_t e : s.active) row_on[std::size_t(e)] = 1;
  for (std::size_t i = 0; i < l.terms.size(); ++i) {
    const Matrix& m = l.terms[i].matrix;
    const State& f = state_[std::size_t(l.terms[i].from)];
    s.pruned[i] = nullptr;
    if (m.dense) continue;
    std::vector<char> col_on(std::size_t(m.cols), 0);
    for (std::int32_t e : f.active) col_on[std::size_t(e)] = 1;
    s.pruned[i] = std::make_shared<Pruned>(Blocks(m.row_start, m.column, m.values, {}, row_on, col_on), Blocks(m.col_start, m.row, m.values, m.place, col_on, row_on));
  }
}

void Sweep::intervals(std::size_t layer) {
  const Layer& l = net_.layers[layer];
  if (l.kind == Layer::Kind::affine) affine(layer);
  if (l.kind == Layer::Kind::unary) lines(layer);
  if (l.kind == Layer::Kind::product) product_lines(layer);
}

void Sweep::forward(std::size_t layer) {
  intervals(layer);
  if (layer == 1) count_lost(0);
  count_lost(layer);
}

/// A coefficient that underflows is off by no more than kLeast a product, and the bound by that times the element: a charge that no coefficient scales, for every layer that a pass may go through.
void Sweep::count_lost(std::size_t layer) {
  State& s = state_[layer];
  if (layer > 0) s.lost = state_[layer - 1].lost;
  else std::fill(s.lost.begin(), s.lost.end(), 0);
  const std::size_t b = s.lost.size();
  for (std::size_t e = 0; e < s.lo.size(); e += b)
    for (std::size_t q = 0; q < b; ++q) {
      const double largest = double(std::max(std::fabs(s.lo[e + q]), std::fabs(s.hi[e + q])));
      s.lost[q] += largest > 0 ? kLeast * s.products * largest + kLeast * kOfConstants : 0;
    }
}

void Sweep::loose(std::size_t layer, std::vector<std::int32_t>& rows) const {
  rows.clear();
  if (state_[layer].exact_box) return;
  // What a function of one element takes on over its operand's bounds is no wider than what its lines leave. (Where inputs are split, the slopes of these rows say which.)
  if (lanes_ == 1 && net_.layers[layer].kind == Layer::Kind::unary) return;
  for (std::int32_t e = 0; e < net_.layers[layer].size; ++e)
    for (int q = 0; q < lanes_; ++q)
      if (loose(layer, e, q)) {
        rows.push_back(e);
        break;
      }
}

bool Sweep::loose(std::size_t layer, std::int32_t element, int lane) const {
  const State& s = state_[layer];
  const std::size_t at = std::size_t(element) * std::size_t(lanes_) + std::size_t(lane);
  const float lo = s.lo[at], hi = s.hi[at];
  if (s.paired >= 0) {                               // a difference matters unless both ReLUs are linear, alike
    const Layer& l = net_.layers[std::size_t(s.paired)];
    const State &x = state_[std::size_t(l.a)], &y = state_[std::size_t(net_.layers[std::size_t(l.mate)].a)];
    return !((x.lo[at] >= 0 && y.lo[at] >= 0) || (x.hi[at] <= 0 && y.hi[at] <= 0));
  }
  if (s.steps) return s.steps->of(element).index(double(lo)) != s.steps->of(element).index(double(hi));
  return s.signs ? lo < 0 && hi > 0 : hi - lo > 1e-6f * (std::fabs(lo) + std::fabs(hi));
}

/// Where rows are many more than the elements of which each is the sum of two, as the differences of a softmax are, linear bounds of the elements are made once and summed: float64, the lower
/// bound of each row, then of its negative. False: the layer is not such a one, or its elements have no bounds.
bool Sweep::bound_over(std::size_t layer, std::span<const std::int32_t> rows, double* out) {
  const Layer& l = net_.layers[layer];
  if (lanes_ != 1 || l.kind != Layer::Kind::affine || l.terms.size() != 1 || l.terms[0].matrix.dense || l.terms[0].from == 0) return false;
  const Matrix& m = l.terms[0].matrix;
  if (m.widest_row > 2 || rows.size() < 2 * std::size_t(m.cols)) return false;
  const std::size_t n = std::size_t(net_.inputs());
  const State& input = state_[0];
  std::vector<Query> queries;
  for (std::int32_t e = 0; e < m.cols; ++e) queries.push_back({{{e, 1.0f}}}), queries.push_back({{{e, -1.0f}}});
  std::vector<double> constant(queries.size()), size(queries.size());
  std::vector<float> slopes(queries.size() * n);
  bound(std::size_t(l.terms[0].from), queries, constant.data(), slopes.data());
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (!(constant[i] > -INFINITY)) return false;
    size[i] = std::fabs(constant[i]);
    for (std::size_t d = 0; d < n; ++d) {
      const double w = double(slopes[i * n + d]);
      constant[i] -= std::min(w * double(input.lo[d]), w * double(input.hi[d]));
      size[i] += std::fabs(w) * double(std::max(std::fabs(input.lo[d]), std::fabs(input.hi[d])));
    }
  }
  std::vector<double> slope(n);
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t side = 0; side < 2; ++side) {
      const std::size_t row = std::size_t(rows[r]);
      double sum = (side ? -1 : 1) * double(l.bias[row]) - double(state_[layer].error[row]), lost = std::fabs(double(l.bias[row]));
      std::fill(slope.begin(), slope.end(), 0.0);
      for (std::int32_t k = m.row_start[row]; k < m.row_start[row + 1]; ++k) {
        const double w = double(m.values[std::size_t(k)]);
        const std::size_t i = 2 * std::size_t(m.column[std::size_t(k)]) + ((w < 0) != (side == 1));
        sum += std::fabs(w) * constant[i], lost += std::fabs(w) * size[i];
        for (std::size_t d = 0; d < n; ++d) slope[d] += std::fabs(w) * double(slopes[i * n + d]);
      }
      for (std::size_t d = 0; d < n; ++d) sum += std::min(slope[d] * double(input.lo[d]), slope[d] * double(input.hi[d]));
      out[2 * r + side] = sum - kLost * lost;
    }
  return true;
}

void Sweep::refine(std::size_t layer, std::span<const std::int32_t> rows, Linear* linear) {
  if (rows.empty()) return;
  State& s = state_[layer];
  const std::size_t b = std::size_t(lanes_), n = std::size_t(net_.inputs());
  std::vector<double> out(2 * rows.size() * b);
  if (linear) linear->slopes.resize(2 * rows.size() * n * b);
  if (linear || !bound_over(layer, rows, out.data())) {
    std::vector<Query> queries;
    for (std::int32_t r : rows) queries.push_back({{{r, 1.0f}}}), queries.push_back({{{r, -1.0f}}});
    bound(layer, queries, out.data(), linear ? linear->slopes.data() : nullptr);
  }
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t q = 0; q < b; ++q) {
      const std::size_t at = std::size_t(rows[i]) * b + q;
      float lo = std::nextafter(float(out[2 * i * b + q]), -INFINITY), hi = std::nextafter(float(-out[(2 * i + 1) * b + q]), float(INFINITY));
      if (net_.layers[layer].whole) lo = std::ceil(lo), hi = std::floor(hi);
      if (lo > s.lo[at]) s.lo[at] = lo;
      if (hi < s.hi[at]) s.hi[at] = hi;
      if (s.lo[at] > s.hi[at]) std::swap(s.lo[at], s.hi[at]);
    }
  if (!linear) return;
  for (std::size_t i = 0; i < out.size(); ++i) {     // of the bound, what is left without the least value of its slopes on the box
    const float* slope = linear->slopes.data() + i / b * n * b + i % b;
    double size = std::fabs(out[i]);
    for (std::size_t d = 0; d < n; ++d) {
      const double w = double(slope[d * b]), lo = w * double(state_[0].lo[d * b + i % b]), hi = w * double(state_[0].hi[d * b + i % b]);
      out[i] -= std::min(lo, hi), size += std::max(std::fabs(lo), std::fabs(hi));
    }
    out[i] -= kLost * size;
  }
  linear->constants = std::move(out);
}

// ---- backwards ----------------------------------------------------------------------------------------------------------------------------

/// Before a layer's coefficients are written for `rows`: what is there already is added to; a first writer of fewer rows than are read later clears them.
void Sweep::write(std::size_t to, List rows, std::int64_t columns, bool& add) {
  State& s = state_[to];
  add = s.has;
  if (!s.has && std::size_t(rows.n) != s.active.size()) {
    for (std::int32_t e : s.active) std::memset(s.coefficient.data() + std::int64_t(e) * ld_, 0, std::size_t(columns) * sizeof(float));
    add = true;
  }
  s.has = true;
}

/// Coefficients of a layer's elements become those of its operands'.
void Sweep::down(std::size_t layer, List rows, std::int64_t columns) {
  const Layer& l = net_.layers[layer];
  State& s = state_[layer];
  bool add = false;
  if (l.kind == Layer::Kind::affine) {
    if (!pointwise_) loops_.constant(l.bias.data(), s.error.data(), box_lanes_, rows, s.coefficient.data(), ld_, columns, sum_.data());
    for (std::size_t i = 0; i < l.terms.size(); ++i) {
      const Term& t = l.terms[i];
      State& f = state_[std::size_t(t.from)];
      const List j{f.active.data(), std::int32_t(f.active.size())};
      write(std::size_t(t.from), j, columns, add);
      if (t.matrix.dense) {
        loops_.dense(panel_of(s.back[i], t.matrix, rows, j, true, false).data.data(), rows, j, s.coefficient.data(), f.coefficient.data(), ld_, columns, add);
      } else {
        const Pruned* p = s.pruned[i].get();
        if (std::size_t(rows.n) != (p ? s.active.size() : std::size_t(l.size))) {  // the sparse loop reads all rows of a column
          std::int32_t next = 0;
          auto clear = [&](std::int32_t e) {
            while (next < rows.n && rows.at[next] < e) ++next;
            if (next >= rows.n || rows.at[next] != e) std::memset(s.coefficient.data() + std::int64_t(e) * ld_, 0, std::size_t(columns) * sizeof(float));
          };
          if (p) for (std::int32_t e : s.active) clear(e);
          else for (std::int32_t e = 0; e < l.size; ++e) clear(e);
        }
        if (p) p->by_col.multiply(loops_, s.coefficient.data(), f.coefficient.data(), ld_, columns, add);
        else loops_.sparse(t.matrix.col_start.data(), t.matrix.row.data(), t.matrix.place.data(), t.matrix.values.data(), j, s.coefficient.data(), f.coefficient.data(), ld_, columns, add);
      }
    }
    return;
  }
  if (l.gap >= 0 && paired_down(layer, columns)) return;
  if (l.kind == Layer::Kind::unary) {
    write(std::size_t(l.a), rows, columns, add);
    through_unary(layer, rows, columns, add);
  } else if (l.kind == Layer::Kind::product) {
    write(std::size_t(l.a), rows, columns, add);
    loops_.product(s.lines(), rows, s.coefficient.data(), state_[std::size_t(l.a)].coefficient.data(), ld_, columns, sum_.data(), add, false);
    write(std::size_t(l.b), rows, columns, add);
    loops_.product(s.lines(), rows, s.coefficient.data(), state_[std::size_t(l.b)].coefficient.data(), ld_, columns, sum_.data(), add, true);
  }
}

/// The operand's coefficients from those of a layer.
void Sweep::through_unary(std::size_t layer, List rows, std::int64_t columns, bool add) {
  State& s = state_[layer];
  loops_.unary(s.lines(), rows, s.coefficient.data(), state_[std::size_t(net_.layers[layer].a)].coefficient.data(), ld_, columns, sum_.data(), add);
}

/// Of a pair the first layer does both, once all coefficients are there. False: only this one has any, so that it is as any other.
bool Sweep::paired_down(std::size_t layer, std::int64_t columns) {
  const Layer& l = net_.layers[layer];
  if (pointwise_ || !state_[std::size_t(l.mate)].has) return false;
  if (l.mate < std::int32_t(layer)) return true;
  const List rows{state_[layer].active.data(), std::int32_t(state_[layer].active.size())};
  bool add_a = false, add_b = false;
  write(std::size_t(l.a), rows, columns, add_a), write(std::size_t(net_.layers[std::size_t(l.mate)].a), rows, columns, add_b);
  pair_down(std::size_t(l.mate), columns, add_a, add_b);
  return true;
}

/// The operands' coefficients from those of both, of which `second` is the later one.
void Sweep::pair_down(std::size_t second, std::int64_t columns, bool add_a, bool add_b) {
  const Layer &l = net_.layers[second], &other = net_.layers[std::size_t(l.mate)];
  State &t = state_[second], &s = state_[std::size_t(l.mate)];
  const Joint& j = t.joint;
  const PairLines lines{{.al = s.al.data(), .au = s.au.data(), .cu = s.cu.data(), .slope_lanes = lanes_, .lanes = lanes_}, {.al = t.al.data(), .au = t.au.data(), .cu = t.cu.data(), .slope_lanes = lanes_, .lanes = lanes_},
                        {j.al.data(), j.au.data(), j.bl.data(), j.bu.data(), j.cl.data(), j.cu.data(), j.slack.data(), lanes_, lanes_},
                        {j.gap[0].data(), j.gap[1].data(), j.gap[2].data(), j.gap[3].data(), j.gap[4].data(), j.gap[5].data()}};
  const List rows{s.active.data(), std::int32_t(s.active.size())};
  loops_.pair(lines, rows, s.coefficient.data(), t.coefficient.data(), state_[std::size_t(other.a)].coefficient.data(), state_[std::size_t(l.a)].coefficient.data(), ld_, columns, sum_.data(), add_a, add_b);
}

/// Where a sparse layer is asked for few elements, each column's own rows are spread to the operands: the layer's matrices are not gone through for all.
/// False: the layer is not such a one. `per`: columns of a query.
bool Sweep::scatter(std::size_t layer, std::span<const Query* const> queries, std::int64_t per) {
  const Layer& l = net_.layers[layer];
  if (l.kind != Layer::Kind::affine || l.terms.empty() || pointwise_) return false;
  for (const Term& t : l.terms) if (t.matrix.dense) return false;
  for (const Query* q : queries) if (q->terms.size() > 4) return false;
  State& s = state_[layer];
  const std::int64_t columns = std::ssize(queries) * per;
  for (const Term& t : l.terms) {
    State& f = state_[std::size_t(t.from)];
    if (!f.has) for (std::int32_t e : f.active) std::memset(f.coefficient.data() + std::int64_t(e) * ld_, 0, std::size_t((columns + loops_.vector - 1) / loops_.vector * loops_.vector) * sizeof(float));
    f.has = true;
    for (std::int64_t i = 0; i < std::ssize(queries); ++i)
      for (auto& [row, c] : queries[std::size_t(i)]->terms)
        for (std::int32_t k = t.matrix.row_start[std::size_t(row)]; k < t.matrix.row_start[std::size_t(row) + 1]; ++k) {
          float* to = f.coefficient.data() + std::int64_t(t.matrix.column[std::size_t(k)]) * ld_ + i * per;
          const float w = c * t.matrix.values[std::size_t(k)];
          for (std::int64_t q = 0; q < per; ++q) to[q] += w;
        }
  }
  for (std::int64_t i = 0; i < std::ssize(queries); ++i)
    for (auto& [row, c] : queries[std::size_t(i)]->terms)
      for (std::int64_t q = 0; q < per; ++q) {
        const std::int64_t lane = (i * per + q) % box_lanes_;
        sum_[std::size_t(i * per + q)] += double(c) * double(l.bias[std::size_t(row)]) - double(std::fabs(c)) * double(s.error[std::size_t(std::int64_t(row) * box_lanes_ + lane)]);
      }
  return true;
}

/// From the coefficients of `rows` of a layer, which are there, to those of the input and the constants in sum_.
void Sweep::descend(std::size_t layer, const std::vector<std::int32_t>& rows, std::span<const Query* const> queries, std::int64_t per, std::int64_t columns) {
  std::fill_n(sum_.begin(), columns, 0.0);
  const bool relu = net_.layers[layer].kind == Layer::Kind::unary && net_.layers[layer].unary.kind == Unary::Kind::relu;
  for (std::int64_t c = 0; c < std::ssize(queries) * per && !pointwise_ && layer > 0; ++c) {
    const std::size_t lane = std::size_t(c % box_lanes_);
    const bool nothing = relu && std::ranges::all_of(queries[std::size_t(c / per)]->terms, [&](auto& t) { return state_[layer].hi[std::size_t(t.first) * std::size_t(box_lanes_) + lane] <= 0; });
    if (!nothing) sum_[std::size_t(c)] = -state_[layer - 1].lost[lane];
  }
  for (State& s : state_) s.has = false;
  state_[layer].has = !scatter(layer, queries, per);
  for (std::size_t k = layer; k > 0; --k) {
    State& s = state_[k];
    if (!s.has) continue;
    down(k, k == layer ? List{rows.data(), std::int32_t(rows.size())} : List{s.active.data(), std::int32_t(s.active.size())}, columns);
  }
  State& input = state_[0];
  if (input.has) return;
  for (std::int32_t e = 0; e < net_.inputs(); ++e) std::memset(input.coefficient.data() + std::int64_t(e) * ld_, 0, std::size_t(columns) * sizeof(float));
  input.has = true;
}

void Sweep::pass(std::size_t layer, std::span<const Query> queries, double* out, float* slopes) {
  const std::int64_t b = lanes_, used = std::ssize(queries) * b, columns = (used + loops_.vector - 1) / loops_.vector * loops_.vector;
  State& top = state_[layer];
  std::vector<std::int32_t> rows;
  for (const Query& q : queries) for (auto& [e, c] : q.terms) rows.push_back(e);
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  for (std::int32_t e : rows) std::memset(top.coefficient.data() + std::int64_t(e) * ld_, 0, std::size_t(columns) * sizeof(float));
  for (std::size_t i = 0; i < queries.size(); ++i)
    for (auto& [e, c] : queries[i].terms) std::fill_n(top.coefficient.data() + std::int64_t(e) * ld_ + std::int64_t(i) * b, b, c);
  std::vector<const Query*> asked;
  for (const Query& q : queries) asked.push_back(&q);
  descend(layer, rows, asked, b, columns);
  State& input = state_[0];
  const List all{all_.data(), net_.inputs()};
  for (std::size_t i = 0; i < queries.size(); ++i)
    for (auto& [e, c] : queries[i].inputs)
      for (std::int64_t q = 0; q < b; ++q) {
        float& to = input.coefficient[std::size_t(std::int64_t(e) * ld_ + std::int64_t(i) * b + q)];
        to += c;
        const std::size_t at = std::size_t(std::int64_t(e) * b + q);
        // The rounding of this sum, and of c.
        sum_[std::size_t(std::int64_t(i) * b + q)] -= double(kUnit) * double(std::fabs(to) + (queries[i].rounded ? std::fabs(c) : 0)) * double(std::max(std::fabs(input.lo[at]), std::fabs(input.hi[at])));
      }
  for (std::size_t i = 0; i < queries.size(); ++i)
    for (auto& [e, c] : queries[i].terms)
      for (std::int64_t q = 0; queries[i].rounded && q < b; ++q) {
        const std::size_t at = std::size_t(std::int64_t(e) * b + q);
        sum_[std::size_t(std::int64_t(i) * b + q)] -= double(kUnit) * double(std::fabs(c)) * double(std::max(std::fabs(top.lo[at]), std::fabs(top.hi[at])));
      }
  if (!pointwise_) loops_.box(input.lo.data(), input.hi.data(), lanes_, all, input.coefficient.data(), ld_, columns, sum_.data());
  for (std::int64_t c = 0; c < used; ++c) out[c] = std::fabs(sum_[std::size_t(c)]) < INFINITY && !broken_[std::size_t(c % b)] ? sum_[std::size_t(c)] : -INFINITY;
  if (!slopes) return;
  for (std::int64_t i = 0; i < std::ssize(queries); ++i)
    for (std::int32_t e = 0; e < net_.inputs(); ++e)
      std::memcpy(slopes + (i * net_.inputs() + e) * b, input.coefficient.data() + std::int64_t(e) * ld_ + i * b, std::size_t(b) * sizeof(float));
}

// ---- points ---------------------------------------------------------------------------------------------------------------------------------

/// lo() of a layer from lo() of its operands.
void Sweep::values(std::size_t layer) {
  const Layer& l = net_.layers[layer];
  State& s = state_[layer];
  const std::size_t b = std::size_t(lanes_);
  const bool vectors = lanes_ % loops_.vector == 0;
  const float* x = l.a < 0 ? nullptr : state_[std::size_t(l.a)].lo.data();
  if (l.kind == Layer::Kind::affine) {
    for (std::size_t i = 0; i < l.terms.size(); ++i) multiply(l.terms[i], s.ahead[i], false, state_[std::size_t(l.terms[i].from)].lo.data(), s.lo.data(), lanes_, lanes_, i > 0);
    if (l.terms.empty()) std::fill(s.lo.begin(), s.lo.end(), 0.0f);
    if (vectors) loops_.shift(l.bias.data(), {all_.data(), l.size}, s.lo.data(), lanes_, lanes_);
    else for (std::size_t i = 0; i < s.lo.size(); ++i) s.lo[i] += l.bias[i / b];
  } else if (l.kind == Layer::Kind::product) {
    const float* y = state_[std::size_t(l.b)].lo.data();
    for (std::size_t i = 0; i < s.lo.size(); ++i) s.lo[i] = x[i] * y[i];
  } else if (l.unary.kind == Unary::Kind::relu) {
    for (std::size_t i = 0; i < s.lo.size(); ++i) s.lo[i] = std::max(x[i], 0.0f);
  } else {
    for (std::int32_t e = 0; e < l.size; ++e) {
      const std::size_t first = std::size_t(e) * b;
      const Steps::Table* t = l.unary.kind == Unary::Kind::steps ? &l.unary.steps->of(e) : nullptr;
      if (t && t->scale > 0 && vectors) loops_.round(x + first, s.lo.data() + first, t->scale, t->base, t->value.front(), t->value.back(), lanes_);
      else for (std::size_t i = first; i < first + b; ++i) s.lo[i] = float(l.unary.value(double(x[i]), e));
    }
  }
}

void Sweep::execute(std::size_t layer) {
  std::fill(broken_.begin(), broken_.end(), 0);
  for (std::size_t k = 0; k <= layer; ++k) {
    State& s = state_[k];
    if (k == 0 || s.integer) {
      if (k > 0) values(k);
      if (k == 0 || s.bounds) s.hi = s.lo;
      continue;
    }
    std::fill(s.lo.begin(), s.lo.end(), -INFINITY), std::fill(s.hi.begin(), s.hi.end(), float(INFINITY));
    intervals(k);
  }
}

const float* Sweep::evaluate(const float* x, bool keep) {
  std::copy_n(x, state_[0].lo.size(), state_[0].lo.data());
  for (std::size_t k = 1; k < net_.layers.size(); ++k) {
    const Layer& l = net_.layers[k];
    State& s = state_[k];
    const std::size_t b = std::size_t(lanes_);
    values(k);
    if (!keep) continue;
    if (l.kind == Layer::Kind::unary) {
      const float* z = state_[std::size_t(l.a)].lo.data();
      const bool relu = l.unary.kind == Unary::Kind::relu;
      if (!chords_.empty() && l.unary.kind == Unary::Kind::stair) {
        for (std::size_t i = 0; i < s.lo.size(); ++i) s.al[i] = s.au[i] = chords_[k][i / b];
      } else for (std::size_t i = 0; i < s.lo.size(); ++i) {
        float slope = relu ? (z[i] > 0 ? 1.0f : 0.0f) : float(l.unary.slope(double(z[i]), std::int32_t(i / b)));
        if (!relu && std::fabs(slope) < 1e-6f) slope = std::copysign(1e-6f, slope);  // saturated: a direction is still wanted
        s.al[i] = s.au[i] = slope;
      }
    } else if (l.kind == Layer::Kind::product) {
      for (std::size_t i = 0; i < s.lo.size(); ++i) s.al[i] = s.au[i] = state_[std::size_t(l.b)].lo[i], s.bl[i] = s.bu[i] = state_[std::size_t(l.a)].lo[i];
    }
    for (auto* v : {&s.cl, &s.cu, &s.slack}) std::fill(v->begin(), v->end(), 0.0f);
    s.active.assign(all_.begin(), all_.begin() + l.size);
  }
  return state_.back().lo.data();
}

void Sweep::slope_stairs(std::span<const float> lo, std::span<const float> hi) {
  if (std::ranges::none_of(net_.layers, [](const Layer& l) { return l.kind == Layer::Kind::unary && l.unary.kind == Unary::Kind::stair; })) return;
  Sweep box(net_, loops_, 1, 1, Arithmetic::real);
  std::ranges::copy(lo, box.lo(0)), std::ranges::copy(hi, box.hi(0));
  box.start();
  chords_.assign(net_.layers.size(), {});
  for (std::size_t k = 1; k < net_.layers.size(); ++k) {
    box.forward(k);
    const Layer& l = net_.layers[k];
    if (l.kind != Layer::Kind::unary || l.unary.kind != Unary::Kind::stair) continue;
    for (std::int32_t e = 0; e < l.size; ++e) {
      const double a = double(box.lo(std::size_t(l.a))[e]), z = double(box.hi(std::size_t(l.a))[e]), rise = l.unary.value(z) - l.unary.value(a);
      chords_[k].push_back(rise != 0 && z > a ? float(rise / (z - a)) : 0.0f);
    }
  }
}

void Sweep::gradients(std::span<const Query> queries, float* slopes) {
  pointwise_ = true;
  std::fill(broken_.begin(), broken_.end(), 0);
  std::vector<double> out(queries.size() * std::size_t(lanes_));
  bound(net_.layers.size() - 1, queries, out.data(), slopes);
  pointwise_ = false;
}

}  // namespace saha::verify
