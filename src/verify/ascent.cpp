#include "verify/ascent.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace saha::verify {
namespace {
constexpr float kUnit = 0x1p-24f;
}
Ascent::Ascent(const Net& net, const Loops& loops, int columns, Arithmetic arithmetic)
    : Sweep(net, loops, (columns + loops.vector - 1) / loops.vector * loops.vector, columns, arithmetic, 1), extra_(net.layers.size()), splits_(std::size_t(lanes_)), moments_(std::size_t(lanes_)),
      queries_(std::size_t(lanes_)), fresh_(std::size_t(lanes_), 1), open_before_(net.layers.size()), before_(std::size_t(lanes_)), place_(net.layers.size()) {
  for (std::size_t k = 0; k < net.layers.size(); ++k) {
    const Layer& l = net.layers[k];
    State& s = state_[k];
    const std::size_t n = std::size_t(l.size) * std::size_t(ld_);
    extra_[k].value.assign(n, 0);
    extra_[k].primal.resize(l.terms.size());
    if (l.kind == Layer::Kind::unary && l.unary.kind == Unary::Kind::relu) {
      for (auto* v : {&s.al, &extra_[k].mean, &extra_[k].square}) v->assign(n, 0);
      s.slope_lanes = lanes_;
    } else if (l.kind == Layer::Kind::product) {
      for (auto* v : {&s.al, &s.au, &s.bl, &s.bu, &s.cl, &s.cu, &s.slack}) v->assign(n, 0);
      for (auto* v : {&extra_[k].mean, &extra_[k].square, &extra_[k].weight}) v->assign(2 * n, 0);
      s.slope_lanes = s.line_lanes = lanes_;
      num_weights_ += 2 * std::size_t(l.size);
    }
    if (second_of_pair(k)) {
      extra_[k].weight.assign(3 * n, 0), extra_[k].pair_mean.assign(5 * n, 0), extra_[k].pair_square.assign(5 * n, 0), extra_[k].share.assign(std::size_t(l.size), 0);
      num_weights_ += 3 * std::size_t(l.size);
    }
  }
}

void Ascent::begin(const Sweep& root) {
  std::fill(broken_.begin(), broken_.end(), char(root.broken(0)));
  open_.clear(), nearer_.clear();
  const std::size_t m = std::size_t(ld_);
  for (std::size_t k = 0; k < net_.layers.size(); ++k) {
    const State& r = root_state(root, k);
    State& s = state_[k];
    s.active = r.active, s.pruned = r.pruned, s.lo = r.lo, s.hi = r.hi, s.error = r.error, s.lost = r.lost;
    open_before_[k] = open_.size(), place_[k].clear();
    if (net_.layers[k].kind == Layer::Kind::product) {  // its lines are mixtures of planes, and this is what those may be rounded
      const State &a = root_state(root, std::size_t(net_.layers[k].a)), &b = root_state(root, std::size_t(net_.layers[k].b));
      for (std::size_t e = 0; e < a.lo.size(); ++e) {
        const float more = 16 * kUnit * std::max(std::fabs(a.lo[e]), std::fabs(a.hi[e])) * std::max(std::fabs(b.lo[e]), std::fabs(b.hi[e]));
        std::fill_n(s.slack.begin() + std::ptrdiff_t(e * m), m, r.slack[e] + more);
      }
    } else if (net_.layers[k].kind == Layer::Kind::unary) {
      s.au = r.au, s.cl = r.cl, s.cu = r.cu, s.slack = r.slack;
      if (extra_[k].mean.empty()) {
        s.al = r.al;
        continue;
      }
      Extra& x = extra_[k];
      if (second_of_pair(k)) {
        s.joint = r.joint;
        const auto& gap = r.joint.gap;
        for (std::size_t e = 0; e < x.share.size(); ++e) x.share[e] = gap[4][e] + gap[5][e] < gap[0][e] + gap[1][e] + gap[2][e] + gap[3][e];
      }
      x.open.clear(), x.fixed.clear();
      auto& place = place_[std::size_t(net_.layers[k].a)];
      place.assign(std::size_t(net_.layers[k].size), -1);
      for (std::int32_t e : s.active) {
        const bool is_open = r.cu[std::size_t(e)] > 0;
        (is_open ? x.open : x.fixed).push_back(e);
        std::fill_n(s.al.begin() + std::ptrdiff_t(std::size_t(e) * m), m, r.al[std::size_t(e)]);
        if (is_open) place[std::size_t(e)] = std::int32_t(open_.size()), open_.push_back({net_.layers[k].a, std::int32_t(k), e}), nearer_.push_back(r.al[std::size_t(e)]);
      }
    }
  }
  for (auto& s : splits_) s.clear();
  std::fill(before_.begin(), before_.end(), open_.size());
  if (keeps_) keep_best();
}

void Ascent::keep_best() {
  keeps_ = true;
  best_slopes_.assign(open_.size() * std::size_t(ld_), 0), best_multipliers_.resize(std::size_t(lanes_));
}

void Ascent::keep(int used, const std::vector<char>& better) {
  for (std::size_t i = 0; i < open_.size(); ++i) {
    const float* al = state_[std::size_t(open_[i].layer)].al.data() + std::size_t(open_[i].element) * std::size_t(ld_);
    std::uint8_t* to = best_slopes_.data() + i * std::size_t(ld_);
    for (std::size_t c = 0; c < std::size_t(used); ++c) to[c] = better[c] ? slope_byte(al[c]) : to[c];
  }
  for (std::size_t c = 0; c < std::size_t(used); ++c) {
    if (!better[c]) continue;
    best_multipliers_[c].clear();
    for (const Split& s : splits_[c]) best_multipliers_[c].push_back(s.multiplier);
  }
}

Bounding Ascent::best(int c, std::size_t places) const {
  Bounding b{std::string(places, 0), best_multipliers_[std::size_t(c)]};
  for (std::size_t i = 0; i < places; ++i) b.slopes[i] = char(best_slopes_[i * std::size_t(ld_) + std::size_t(c)]);
  return b;
}

std::string Ascent::places() const {
  Writer w;
  w.tag(check_proof::Tag::places).number(open_.size());
  std::int32_t relu = -1, k = 0;
  for (const Place& p : open_) {
    for (; k <= p.layer; ++k) relu += net_.layers[std::size_t(k)].kind == Layer::Kind::unary;
    w.number(std::uint64_t(relu)).number(std::uint64_t(p.element));
  }
  return w.bytes();
}

std::size_t Ascent::places_before(std::size_t layer) const {
  std::size_t n = 0;
  while (n < open_.size() && open_[n].operand != std::int32_t(layer)) ++n;
  return n;
}

void Ascent::set(int c, std::size_t layer, const Query& q, std::vector<Split> splits, const float* slopes) {
  const std::size_t n = open_.size(), before = open_before_[layer];
  for (std::size_t i = 0; i < before; ++i) {
    const Place& p = open_[i];
    state_[std::size_t(p.layer)].al[std::size_t(p.element) * std::size_t(ld_) + std::size_t(c)] = slopes ? slopes[i] : nearer_[i];
  }
  fresh_[std::size_t(c)] = !slopes;
  if (slopes) {
    slopes += n;
    for (Extra& x : extra_) for (std::size_t at = std::size_t(c); at < x.weight.size(); at += std::size_t(ld_)) x.weight[at] = *slopes++;
  }
  queries_[std::size_t(c)] = q, before_[std::size_t(c)] = before;
  moments_[std::size_t(c)].assign(splits.size(), {0, 0});
  splits_[std::size_t(c)] = std::move(splits);
}

std::size_t Ascent::get_slopes(int c, float* to) const {
  const std::size_t m = std::size_t(ld_), before = before_[std::size_t(c)];
  for (std::size_t i = 0; i < before; ++i) to[i] = state_[std::size_t(open_[i].layer)].al[std::size_t(open_[i].element) * m + std::size_t(c)];
  to += open_.size();
  for (const Extra& x : extra_) for (std::size_t at = std::size_t(c); at < x.weight.size(); at += m) *to++ = x.weight[at];
  return num_weights_ ? num_slopes() : before;
}

Planes Ascent::planes(std::size_t layer) {
  State &s = state_[layer], &a = state_[std::size_t(net_.layers[layer].a)], &b = state_[std::size_t(net_.layers[layer].b)];
  Extra& x = extra_[layer];
  return {a.lo.data(), a.hi.data(), b.lo.data(), b.hi.data(), s.al.data(), s.au.data(), s.bl.data(), s.bu.data(), s.cl.data(), s.cu.data(), x.weight.data(), x.mean.data(), x.square.data(),
          std::int64_t(net_.layers[layer].size) * ld_};
}

template <class F> void Ascent::each_split(std::size_t layer, std::int64_t columns, F f) {
  for (std::int64_t c = 0; c < columns; ++c)
    for (const Split& s : splits_[std::size_t(c)])
      if (const Place& p = open_[std::size_t(s.open)]; p.layer == std::int32_t(layer)) f(c, s, std::size_t(p.element), std::size_t(std::int64_t(p.element) * ld_ + c));
}

/// Lines are those of the root, which all columns share but for slopes; split elements are nothing to them, and go through by themselves.
void Ascent::through_unary(std::size_t layer, List rows, std::int64_t columns, bool add) {
  if (net_.layers[layer].unary.kind != Unary::Kind::relu) return Sweep::through_unary(layer, rows, columns, add);
  Extra& x = extra_[layer];
  State &s = state_[layer], &o = state_[std::size_t(net_.layers[layer].a)];
  x.held.clear();
  each_split(layer, columns, [&](std::int64_t, const Split&, std::size_t, std::size_t at) { x.held.push_back(s.coefficient[at]), s.coefficient[at] = 0; });
  if (rows.at != s.active.data()) {
    Sweep::through_unary(layer, rows, columns, add);
  } else {
    Lines lines = s.lines();
    loops_.unary(lines, {x.open.data(), std::int32_t(x.open.size())}, s.coefficient.data(), o.coefficient.data(), ld_, columns, sum_.data(), add);
    lines.al = lines.au, lines.slope_lanes = lines.lanes;
    loops_.unary(lines, {x.fixed.data(), std::int32_t(x.fixed.size())}, s.coefficient.data(), o.coefficient.data(), ld_, columns, sum_.data(), add);
  }
  std::size_t next = 0;
  each_split(layer, columns, [&](std::int64_t c, const Split& split, std::size_t e, std::size_t at) {
    release(o, c, e, s.coefficient[at] = x.held[next++], split);
  });
}

/// What a split ReLU, `held` times, and its sign's multiplier are of the operand.
void Ascent::release(State& o, std::int64_t c, std::size_t e, float held, const Split& split) {
  float& to = o.coefficient[e * std::size_t(ld_) + std::size_t(c)];
  const double largest = double(split.sign > 0 ? o.hi[e] : -o.lo[e]);
  // Roundings: a reader's sum takes in the multiplier, too.
  if (split.sign > 0) to += held, sum_[std::size_t(c)] -= double(relu_line(0, o.hi[e], o.readers + 1).slack) * double(std::fabs(held));
  to -= split.multiplier * split.sign;
  sum_[std::size_t(c)] -= double(kUnit) * double(o.readers + 1) * double(split.multiplier) * largest;
}

PairMix Ascent::pair_mix(std::size_t second) {
  State &s = state_[second], &first = state_[std::size_t(net_.layers[second].mate)];
  const Joint& j = s.joint;
  Extra& x = extra_[second];
  const std::int64_t n = std::int64_t(net_.layers[second].size) * ld_;
  return {first.al.data(), s.al.data(), first.au.data(), first.cu.data(), s.au.data(), s.cu.data(), {j.al.data(), j.other_al.data()}, {j.au.data(), j.other_au.data()}, {j.bl.data(), j.other_bl.data()},
          {j.bu.data(), j.other_bu.data()}, {j.cl.data(), j.other_cl.data()}, {j.cu.data(), j.other_cu.data()}, j.slack.data(), x.weight.data(), x.weight.data() + n, x.weight.data() + 2 * n,
          x.pair_mean.data(), x.pair_square.data(), n};
}

/// Takes the split elements of a pair out of its coefficients. What a sign says of one operand cuts the other by what is known of their difference.
void Ascent::hold(std::size_t second, std::int64_t columns) {
  const std::size_t layer[] = {std::size_t(net_.layers[second].mate), second};
  const State& gap = state_[std::size_t(net_.layers[second].gap)];
  auto& held = extra_[second].pairs_held;
  held.clear();
  for (std::int64_t c = 0; c < columns; ++c) {
    const std::size_t begin = held.size();
    for (const Split& s : splits_[std::size_t(c)]) {
      const Place& p = open_[std::size_t(s.open)];
      const int side = p.layer == std::int32_t(layer[0]) ? 0 : p.layer == std::int32_t(second) ? 1 : -1;
      if (side < 0) continue;
      auto it = std::find_if(held.begin() + std::ptrdiff_t(begin), held.end(), [&](const Held& h) { return h.element == p.element; });
      if (it == held.end()) it = held.insert(it, Held{c, p.element, {0, 0}, {nullptr, nullptr}, {}});
      it->split[side] = &s;
    }
    for (std::size_t i = begin; i < held.size(); ++i) {
      Held& h = held[i];
      const std::size_t e = std::size_t(h.element);
      for (std::size_t side : {0u, 1u}) {
        float& w = state_[layer[side]].coefficient[e * std::size_t(ld_) + std::size_t(c)];
        h.coefficient[side] = w, w = 0;
        if (h.split[side]) continue;
        const State& o = state_[std::size_t(net_.layers[layer[side]].a)];
        float lo = o.lo[e], hi = o.hi[e];
        // The second is the first less their difference.
        if (h.split[1 - side]->sign > 0) lo = std::max(lo, side ? -gap.hi[e] : gap.lo[e]);
        else hi = std::min(hi, side ? -gap.lo[e] : gap.hi[e]);
        h.line[side] = lo <= hi ? relu_line(lo, hi, o.readers) : relu_line(o.lo[e], o.hi[e], o.readers);
      }
    }
  }
}

void Ascent::pair_down(std::size_t second, std::int64_t columns, bool add_a, bool add_b) {
  const std::size_t layer[] = {std::size_t(net_.layers[second].mate), second};
  State &first = state_[layer[0]], &s = state_[second];
  hold(second, columns);
  const List rows{s.active.data(), std::int32_t(s.active.size())};
  loops_.mixed_pair(pair_mix(second), rows, first.coefficient.data(), s.coefficient.data(), state_[std::size_t(net_.layers[layer[0]].a)].coefficient.data(),
                    state_[std::size_t(net_.layers[second].a)].coefficient.data(), ld_, columns, sum_.data(), add_a, add_b);
  for (const Held& h : extra_[second].pairs_held)
    for (std::size_t side : {0u, 1u}) {
      State& o = state_[std::size_t(net_.layers[layer[side]].a)];
      const std::size_t e = std::size_t(h.element), at = e * std::size_t(ld_) + std::size_t(h.column);
      const float w = state_[layer[side]].coefficient[at] = h.coefficient[side];
      if (h.split[side]) {
        release(o, h.column, e, w, *h.split[side]);
        continue;
      }
      const ReluLine& l = h.line[side];
      o.coefficient[at] += w > 0 ? w * (l.cu > 0 ? state_[layer[side]].al[at] : l.al) : w * l.au;
      sum_[std::size_t(h.column)] += double(std::min(w, 0.0f)) * double(l.cu) - double(std::fabs(w)) * double(l.slack);
    }
}

/// Values along the lines that the last bound used, at the corner where it is least: what its slopes with respect to slopes and multipliers are made of.
void Ascent::primal(std::int64_t columns) {
  const State& input = state_[0];
  loops_.corner(input.lo.data(), input.hi.data(), 1, {all_.data(), net_.inputs()}, input.coefficient.data(), extra_[0].value.data(), ld_, columns);
  for (std::size_t k = 1; k < net_.layers.size(); ++k) {
    const Layer& l = net_.layers[k];
    State& s = state_[k];
    if (!s.has) continue;
    const List j{s.active.data(), std::int32_t(s.active.size())};
    float* out = extra_[k].value.data();
    if (l.kind == Layer::Kind::affine) {
      for (std::size_t i = 0; i < l.terms.size(); ++i) {
        const Term& t = l.terms[i];
        const State& f = state_[std::size_t(t.from)];
        const List from{f.active.data(), std::int32_t(f.active.size())};
        const float* in = extra_[std::size_t(t.from)].value.data();
        if (t.matrix.dense) loops_.dense(panel_of(extra_[k].primal[i], t.matrix, from, j, false, false).data.data(), from, j, in, out, ld_, columns, i > 0);
        else if (const Pruned* p = s.pruned[i].get()) p->by_row.multiply(loops_, in, out, ld_, columns, i > 0);
        else loops_.sparse(t.matrix.row_start.data(), t.matrix.column.data(), nullptr, t.matrix.values.data(), j, in, out, ld_, columns, i > 0);
      }
      if (l.terms.empty()) for (std::int32_t e = 0; e < l.size; ++e) std::fill_n(out + std::int64_t(e) * ld_, columns, 0.0f);
      loops_.shift(l.bias.data(), j, out, ld_, columns);
      continue;
    }
    if (l.gap >= 0 && state_[std::size_t(l.mate)].has) {  // with the second one, both
      if (l.mate > std::int32_t(k)) continue;
      const std::size_t mate = std::size_t(l.mate);
      const float* operand[] = {extra_[std::size_t(net_.layers[mate].a)].value.data(), extra_[std::size_t(l.a)].value.data()};
      float* both[] = {extra_[mate].value.data(), out};
      loops_.pair_values(pair_mix(k), j, state_[mate].coefficient.data(), s.coefficient.data(), operand[0], operand[1], both[0], both[1], ld_, columns);
      for (const Held& h : extra_[k].pairs_held)
        for (std::size_t side : {0u, 1u}) {
          const std::size_t at = std::size_t(h.element) * std::size_t(ld_) + std::size_t(h.column);
          const float z = operand[side][at];
          const ReluLine& line = h.line[side];
          both[side][at] = h.split[side] ? (h.split[side]->sign > 0 ? z : 0) : h.coefficient[side] > 0 ? z * (line.cu > 0 ? state_[side ? k : mate].al[at] : line.al) : z * line.au + line.cu;
        }
      continue;
    }
    const float *a = extra_[std::size_t(l.a)].value.data(), *b = l.b >= 0 ? extra_[std::size_t(l.b)].value.data() : nullptr;
    loops_.chosen(s.lines(), j, s.coefficient.data(), a, b, out, ld_, columns);
    if (!extra_[k].mean.empty() && !b) each_split(k, columns, [&](std::int64_t, const Split& split, std::size_t, std::size_t at) { out[at] = split.sign > 0 ? a[at] : 0; });
  }
}

/// Steps of a multiplier are in units of the coefficients that its layer's elements have, on the average.
void Ascent::scale_multipliers(int used) {
  scales_.resize(std::size_t(lanes_));
  std::vector<char> wanted(net_.layers.size(), 0);
  for (int c = 0; c < used; ++c) for (const Split& s : splits_[std::size_t(c)]) wanted[std::size_t(open_[std::size_t(s.open)].operand)] = 1;
  std::vector<std::vector<float>> mean(net_.layers.size());
  for (std::size_t k = 0; k < net_.layers.size(); ++k) {
    if (!wanted[k]) continue;
    mean[k].assign(std::size_t(used), 0.0f);
    if (!state_[k].has) continue;
    std::vector<float> n(std::size_t(used), 1e-9f);
    for (std::int32_t e : state_[k].active) {
      const float* row = state_[k].coefficient.data() + std::int64_t(e) * ld_;
      for (std::size_t c = 0; c < std::size_t(used); ++c) mean[k][c] += std::fabs(row[c]), n[c] += row[c] != 0;
    }
    for (std::size_t c = 0; c < std::size_t(used); ++c) mean[k][c] /= n[c];
  }
  for (int c = 0; c < used; ++c) {
    scales_[std::size_t(c)].clear();
    for (const Split& s : splits_[std::size_t(c)]) scales_[std::size_t(c)].push_back(mean[std::size_t(open_[std::size_t(s.open)].operand)][std::size_t(c)]);
  }
}

void Ascent::run(std::size_t layer, int used, Rates rates, double* out, const double* enough) {
  const std::int64_t columns = (used + loops_.vector - 1) / loops_.vector * loops_.vector;
  std::fill_n(out, used, -INFINITY);
  std::vector<std::int32_t> rows;
  for (int c = 0; c < used; ++c) for (auto& [e, v] : queries_[std::size_t(c)].terms) rows.push_back(e);
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  for (std::int64_t c = used; c < columns; ++c) queries_[std::size_t(c)] = {}, splits_[std::size_t(c)].clear();
  const List all{all_.data(), net_.inputs()};
  if (rates.steps > 1)
    for (Extra& x : extra_) for (auto* v : {&x.mean, &x.square, &x.pair_mean, &x.pair_square}) std::fill(v->begin(), v->end(), 0.0f);
  for (std::size_t k = 1; k < net_.layers.size(); ++k) {
    auto& weight = extra_[k].weight;
    if (weight.empty()) continue;
    if (second_of_pair(k)) {
      const std::size_t n = weight.size() / 3;
      for (int c = 0; c < columns; ++c)
        for (std::size_t e = 0; fresh_[std::size_t(c)] && e < extra_[k].share.size(); ++e) {
          const std::size_t at = e * std::size_t(ld_) + std::size_t(c);
          weight[at] = extra_[k].share[e], weight[n + at] = weight[2 * n + at] = 1;
        }
      continue;
    }
    for (int c = 0; c < columns; ++c)
      if (fresh_[std::size_t(c)]) for (std::size_t at = std::size_t(c); at < weight.size(); at += std::size_t(ld_)) weight[at] = 0.5f;
    if (k <= layer) loops_.mix(planes(k), {all_.data(), net_.layers[k].size}, nullptr, nullptr, nullptr, 0, 0, ld_, columns);
  }
  std::fill_n(fresh_.begin(), columns, 0);
  std::vector<const Query*> asked;
  for (int c = 0; c < used; ++c) asked.push_back(&queries_[std::size_t(c)]);
  std::vector<char> better(static_cast<std::size_t>(used));
  float mean_left = 1, square_left = 1;
  for (int t = 0; t < rates.steps; ++t) {
    State& top = state_[layer];
    for (std::int32_t e : rows) std::memset(top.coefficient.data() + std::int64_t(e) * ld_, 0, std::size_t(columns) * sizeof(float));
    for (int c = 0; c < used; ++c) for (auto& [e, v] : queries_[std::size_t(c)].terms) top.coefficient[std::size_t(std::int64_t(e) * ld_ + c)] = v;
    descend(layer, rows, asked, 1, columns);
    State& input = state_[0];
    for (int c = 0; c < used; ++c)
      for (auto& [e, v] : queries_[std::size_t(c)].inputs) {
        float& to = input.coefficient[std::size_t(std::int64_t(e) * ld_ + c)];
        to += v;
        sum_[std::size_t(c)] -= double(kUnit) * double(std::fabs(to) + (queries_[std::size_t(c)].rounded ? std::fabs(v) : 0)) * double(std::max(std::fabs(input.lo[std::size_t(e)]), std::fabs(input.hi[std::size_t(e)])));
      }
    for (int c = 0; c < used; ++c) {
      if (!queries_[std::size_t(c)].rounded) continue;
      for (auto& [e, v] : queries_[std::size_t(c)].terms) {
        sum_[std::size_t(c)] -= double(kUnit) * double(std::fabs(v)) * double(std::max(std::fabs(top.lo[std::size_t(e)]), std::fabs(top.hi[std::size_t(e)])));
      }
    }
    loops_.box(input.lo.data(), input.hi.data(), 1, all, input.coefficient.data(), ld_, columns, sum_.data());
    bool done = true;
    for (int c = 0; c < used; ++c) {
      const double v = sum_[std::size_t(c)];
      better[std::size_t(c)] = v > out[c] && v < INFINITY && !broken_[std::size_t(c)];
      if (better[std::size_t(c)]) out[c] = v;
      done &= out[c] > enough[c];
    }
    if (keeps_) keep(used, better);
    if (done || t + 1 == rates.steps || (stop && stop())) return;
    primal(columns);
    mean_left *= 0.9f, square_left *= 0.99f;
    const float rate = rates.slope / (1 - mean_left), square_scale = 1 / (1 - square_left);
    for (std::size_t k = 1; k < net_.layers.size(); ++k) {
      State& s = state_[k];
      if (extra_[k].mean.empty() || !s.has || k > layer) continue;
      const List j{s.active.data(), std::int32_t(s.active.size())};
      if (net_.layers[k].kind == Layer::Kind::product) {
        loops_.mix(planes(k), j, s.coefficient.data(), extra_[std::size_t(net_.layers[k].a)].value.data(), extra_[std::size_t(net_.layers[k].b)].value.data(), rate, square_scale, ld_, columns);
        continue;
      }
      if (const std::int32_t mate = net_.layers[k].mate; net_.layers[k].gap >= 0 && state_[std::size_t(mate)].has) {
        if (mate > std::int32_t(k)) continue;
        loops_.climb_pair(pair_mix(k), j, state_[std::size_t(mate)].coefficient.data(), s.coefficient.data(), extra_[std::size_t(net_.layers[std::size_t(mate)].a)].value.data(),
                          extra_[std::size_t(net_.layers[k].a)].value.data(), rate, square_scale, ld_, columns);
        continue;
      }
      const List open{extra_[k].open.data(), std::int32_t(extra_[k].open.size())};
      loops_.ascend(open, s.coefficient.data(), extra_[std::size_t(net_.layers[k].a)].value.data(), s.al.data(), extra_[k].mean.data(), extra_[k].square.data(), rate, square_scale, ld_, columns);
    }
    for (std::size_t i = 0; keeps_ && i < open_.size(); ++i) {
      float* al = state_[std::size_t(open_[i].layer)].al.data() + std::size_t(open_[i].element) * std::size_t(ld_);
      for (std::int64_t c = 0; c < columns; ++c) al[c] = slope_of(slope_byte(al[c]));
    }
    if (t == 0) scale_multipliers(used);
    for (int c = 0; c < used; ++c)
      for (std::size_t i = 0; i < splits_[std::size_t(c)].size(); ++i) {
        Split& s = splits_[std::size_t(c)][i];
        auto& [mean, square] = moments_[std::size_t(c)][i];
        const Place& p = open_[std::size_t(s.open)];
        const float g = -s.sign * extra_[std::size_t(p.operand)].value[std::size_t(std::int64_t(p.element) * ld_ + c)];
        mean += 0.1f * (g - mean), square += 0.01f * (g * g - square);
        s.multiplier = std::max(0.0f, s.multiplier + scales_[std::size_t(c)][i] * rates.multiplier / (1 - mean_left) * mean / (std::sqrt(square * square_scale) + 1e-8f));
      }
    rates.slope *= rates.decay, rates.multiplier *= rates.decay;
  }
}

std::vector<Ascent::Choice> Ascent::choices(int c, std::size_t most) const {
  std::vector<Choice> all;
  std::vector<char> is_split(open_.size(), 0);
  for (const Split& s : splits_[std::size_t(c)]) is_split[std::size_t(s.open)] = 1;
  for (std::size_t i = 0; i < before_[std::size_t(c)]; ++i) {
    const Place& p = open_[i];
    const State &s = state_[std::size_t(p.layer)], &operand = state_[std::size_t(p.operand)];
    const std::size_t e = std::size_t(p.element), at = e * std::size_t(ld_) + std::size_t(c);
    if (!s.has || is_split[i]) continue;
    const float w = s.coefficient[at], z = extra_[std::size_t(p.operand)].value[at];
    // What lies between the line that was taken and the ReLU itself there; a little of the most that may lie between them anywhere, for where that is nothing.
    float between = w * (std::max(z, 0.0f) - extra_[std::size_t(p.layer)].value[at]);
    if (const Layer& l = net_.layers[std::size_t(p.layer)]; l.gap >= 0 && state_[std::size_t(l.mate)].has) {  // of both
      const std::size_t mate = std::size_t(l.mate);
      between += state_[mate].coefficient[at] * (std::max(extra_[std::size_t(net_.layers[mate].a)].value[at], 0.0f) - extra_[mate].value[at]);
    }
    const float gap = std::fabs(between);
    const float most_gap = w < 0 ? -w * s.cu[e] : w * std::max(s.al[at] * -operand.lo[e], (1 - s.al[at]) * operand.hi[e]);
    if (most_gap > 0) all.push_back({std::int32_t(i), gap + 1e-3f * most_gap});
  }
  const std::size_t n = std::min(most, all.size());
  std::partial_sort(all.begin(), all.begin() + std::ptrdiff_t(n), all.end(), [](const Choice& a, const Choice& b) { return a.score > b.score; });
  all.resize(n);
  return all;
}

void Ascent::corner(int c, std::span<float> x) const {
  for (std::size_t e = 0; e < x.size(); ++e) x[e] = extra_[0].value[e * std::size_t(ld_) + std::size_t(c)];
}

}  // namespace saha::verify
