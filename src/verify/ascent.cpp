#include "verify/ascent.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace saha::verify {
namespace {
constexpr float kUnit = 0x1p-24f;
}
Ascent::Ascent(const Net& net, const Loops& loops, int columns, Arithmetic arithmetic)
    : Sweep(net, loops, (columns + loops.vector - 1) / loops.vector * loops.vector, columns, arithmetic), extra_(net.layers.size()), splits_(std::size_t(lanes_)), moments_(std::size_t(lanes_)),
      queries_(std::size_t(lanes_)), fresh_(std::size_t(lanes_), 1), open_before_(net.layers.size()), before_(std::size_t(lanes_)), changed_(std::size_t(lanes_)), place_(net.layers.size()) {
  for (std::size_t k = 0; k < net.layers.size(); ++k) {
    const Layer& l = net.layers[k];
    extra_[k].value.assign(std::size_t(l.size) * std::size_t(ld_), 0);
    extra_[k].primal.resize(l.terms.size());
    if (l.kind == Layer::Kind::unary && l.unary.kind == Unary::Kind::relu) {
      extra_[k].mean.assign(std::size_t(l.size) * std::size_t(ld_), 0), extra_[k].square.assign(std::size_t(l.size) * std::size_t(ld_), 0);
    } else if (l.kind == Layer::Kind::product) {
      for (auto* v : {&extra_[k].mean, &extra_[k].square, &extra_[k].weight}) v->assign(2 * std::size_t(l.size) * std::size_t(ld_), 0);
      num_weights_ += 2 * std::size_t(l.size);
    }
  }
}

void Ascent::begin(const Sweep& root) {
  std::fill(broken_.begin(), broken_.end(), char(root.broken(0)));
  open_.clear();
  box_lo_ = root_state(root, 0).lo, box_hi_ = root_state(root, 0).hi;
  root_known_.clear(), root_lines_.clear();
  for (auto& p : place_) p.clear();
  const std::size_t m = std::size_t(ld_);
  for (std::size_t k = 0; k < net_.layers.size(); ++k) {
    const State& r = root_state(root, k);
    State& s = state_[k];
    s.active = r.active, s.pruned = r.pruned;
    auto spread = [&](const std::vector<float>& from, std::vector<float>& to) {
      if (from.empty()) return;
      for (std::size_t e = 0; e < from.size(); ++e) std::fill_n(to.begin() + std::ptrdiff_t(e * m), m, from[e]);
    };
    spread(r.lo, s.lo), spread(r.hi, s.hi), spread(r.error, s.error), spread(r.al, s.al), spread(r.au, s.au), spread(r.bl, s.bl), spread(r.bu, s.bu), spread(r.cl, s.cl), spread(r.cu, s.cu);
    spread(r.slack, s.slack);
    std::fill(s.lost.begin(), s.lost.end(), r.lost[0]);
    open_before_[k] = open_.size();
    if (net_.layers[k].kind == Layer::Kind::product) {  // what a mixture of planes may be rounded
      const State &a = root_state(root, std::size_t(net_.layers[k].a)), &b = root_state(root, std::size_t(net_.layers[k].b));
      for (std::size_t e = 0; e < a.lo.size(); ++e) {
        const float more = 16 * kUnit * std::max(std::fabs(a.lo[e]), std::fabs(a.hi[e])) * std::max(std::fabs(b.lo[e]), std::fabs(b.hi[e]));
        for (std::size_t c = 0; c < m; ++c) s.slack[e * m + c] += more;
      }
      continue;
    }
    if (extra_[k].mean.empty()) continue;
    const std::int32_t operand = net_.layers[k].a;
    auto& place = place_[std::size_t(operand)];
    place.assign(std::size_t(net_.layers[k].size), -1);
    for (std::int32_t e = 0; e < net_.layers[k].size; ++e)
      if (r.cu[std::size_t(e)] > 0) place[std::size_t(e)] = std::int32_t(open_.size()), open_.push_back({operand, std::int32_t(k), e});
  }
  for (const Place& p : open_) root_known_.push_back(root_state(root, std::size_t(p.operand)).lo[std::size_t(p.element)]);
  for (const Place& p : open_) root_known_.push_back(root_state(root, std::size_t(p.operand)).hi[std::size_t(p.element)]);
  for (std::size_t i = 0; i < open_.size(); ++i) root_lines_.push_back(relu_line(root_known_[i], root_known_[open_.size() + i], state_[std::size_t(open_[i].operand)].readers));
  for (auto& s : splits_) s.clear();
  for (auto& c : changed_) c.clear();
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

void Ascent::put(int c, std::size_t open, const ReluLine& l, float lo, float hi) {
  const Place& p = open_[open];
  State &line = state_[std::size_t(p.layer)], &operand = state_[std::size_t(p.operand)];
  const std::size_t at = std::size_t(p.element) * std::size_t(ld_) + std::size_t(c);
  operand.lo[at] = lo, operand.hi[at] = hi;
  line.al[at] = l.al, line.au[at] = l.au, line.cu[at] = l.cu, line.slack[at] = l.slack;
}

void Ascent::set(int c, std::size_t layer, const Query& q, std::vector<Split> splits, const float* known, const float* slopes) {
  const std::size_t n = open_.size(), before = open_before_[layer];
  auto& changed = changed_[std::size_t(c)];
  for (std::int32_t i : changed) put(c, std::size_t(i), root_lines_[std::size_t(i)], root_known_[std::size_t(i)], root_known_[n + std::size_t(i)]);
  changed.clear();
  for (std::size_t i = 0; i < before; ++i) {
    const Place& p = open_[i];
    state_[std::size_t(p.layer)].al[std::size_t(p.element) * std::size_t(ld_) + std::size_t(c)] = slopes ? slopes[i] : root_lines_[i].al;
  }
  auto change = [&](std::size_t i, float lo, float hi, bool split) {
    ReluLine l = relu_line(lo, hi, state_[std::size_t(open_[i].operand)].readers + split);  // a multiplier is one more that adds to the coefficient
    if (slopes && l.cu > 0) l.al = slopes[i];
    put(c, i, l, lo, hi);
    changed.push_back(std::int32_t(i));
  };
  if (known) {
    for (std::size_t i = 0; i < before; ++i) if (known[i] != root_known_[i] || known[n + i] != root_known_[n + i]) change(i, known[i], known[n + i], false);
  } else {
    known = root_known_.data();
  }
  for (const Split& s : splits) {
    const std::size_t i = std::size_t(s.open);
    if (i < before) s.sign > 0 ? change(i, std::max(known[i], 0.0f), std::max(known[n + i], 0.0f), true) : change(i, std::min(known[i], 0.0f), std::min(known[n + i], 0.0f), true);
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

void Ascent::after_unary(std::size_t layer, std::int64_t columns) {
  if (net_.layers[layer].unary.kind != Unary::Kind::relu) return;
  const std::int32_t operand = net_.layers[layer].a;
  for (std::int64_t c = 0; c < columns; ++c)
    for (const Split& s : splits_[std::size_t(c)])
      if (const Place& p = open_[std::size_t(s.open)]; p.layer == std::int32_t(layer)) {
        State& o = state_[std::size_t(operand)];
        const std::size_t at = std::size_t(std::int64_t(p.element) * ld_ + c);
        o.coefficient[at] -= s.multiplier * s.sign;
        // What the multiplier adds to the roundings of this sum and of those of other readers.
        sum_[std::size_t(c)] -= double(kUnit) * double(o.readers + 1) * double(s.multiplier) * double(std::max(std::fabs(o.lo[at]), std::fabs(o.hi[at])));
      }
}

/// Values along the lines that the last bound used, at the corner where it is least: what its slopes with respect to slopes and multipliers are made of.
void Ascent::primal(std::int64_t columns) {
  const State& input = state_[0];
  loops_.corner(box_lo_.data(), box_hi_.data(), 1, {all_.data(), net_.inputs()}, input.coefficient.data(), extra_[0].value.data(), ld_, columns);
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
        else if (const Pruned* p = s.pruned[i].get()) loops_.sparse(p->row_start.data(), p->column.data(), nullptr, p->by_row.data(), j, in, out, ld_, columns, i > 0);
        else loops_.sparse(t.matrix.row_start.data(), t.matrix.column.data(), nullptr, t.matrix.values.data(), j, in, out, ld_, columns, i > 0);
      }
      if (l.terms.empty()) for (std::int32_t e = 0; e < l.size; ++e) std::fill_n(out + std::int64_t(e) * ld_, columns, 0.0f);
      loops_.shift(l.bias.data(), j, out, ld_, columns);
      continue;
    }
    const Lines lines{s.al.data(), s.au.data(), s.bl.data(), s.bu.data(), s.cl.data(), s.cu.data(), s.slack.data(), lanes_};
    loops_.chosen(lines, j, s.coefficient.data(), extra_[std::size_t(l.a)].value.data(), l.b >= 0 ? extra_[std::size_t(l.b)].value.data() : nullptr, out, ld_, columns);
  }
}

/// Steps of a multiplier are in units of the coefficients that its layer's elements have, on the average.
void Ascent::scale_multipliers(int used) {
  scales_.resize(std::size_t(lanes_));
  for (int c = 0; c < used; ++c) {
    auto& scale = scales_[std::size_t(c)];
    scale.assign(splits_[std::size_t(c)].size(), 0.0f);
    std::vector<float> of_layer(net_.layers.size(), -1);
    for (std::size_t i = 0; i < scale.size(); ++i) {
      const std::size_t k = std::size_t(open_[std::size_t(splits_[std::size_t(c)][i].open)].operand);
      if (of_layer[k] < 0) {
        double sum = 0, n = 1e-9;
        for (std::int32_t e : state_[k].active) {
          const double v = state_[k].has ? double(std::fabs(state_[k].coefficient[std::size_t(std::int64_t(e) * ld_ + c)])) : 0;
          sum += v, n += v > 0;
        }
        of_layer[k] = float(sum / n);
      }
      scale[i] = of_layer[k];
    }
  }
}

void Ascent::run(std::size_t layer, int used, int steps, float slope_step, float multiplier_step, double* out, const double* enough) {
  const std::int64_t columns = (used + loops_.vector - 1) / loops_.vector * loops_.vector;
  std::fill_n(out, used, -INFINITY);
  std::vector<std::int32_t> rows;
  for (int c = 0; c < used; ++c) for (auto& [e, v] : queries_[std::size_t(c)].terms) rows.push_back(e);
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  for (std::int64_t c = used; c < columns; ++c) queries_[std::size_t(c)] = {}, splits_[std::size_t(c)].clear();
  const List all{all_.data(), net_.inputs()};
  if (steps > 1)
    for (Extra& x : extra_) std::fill(x.mean.begin(), x.mean.end(), 0.0f), std::fill(x.square.begin(), x.square.end(), 0.0f);
  for (std::size_t k = 1; k < net_.layers.size(); ++k) {
    auto& weight = extra_[k].weight;
    if (weight.empty()) continue;
    for (int c = 0; c < columns; ++c)
      if (fresh_[std::size_t(c)]) for (std::size_t at = std::size_t(c); at < weight.size(); at += std::size_t(ld_)) weight[at] = 0.5f;
    if (k <= layer) loops_.mix(planes(k), {all_.data(), net_.layers[k].size}, nullptr, nullptr, nullptr, 0, 0, ld_, columns);
  }
  std::fill_n(fresh_.begin(), columns, 0);
  std::vector<const Query*> asked;
  for (int c = 0; c < used; ++c) asked.push_back(&queries_[std::size_t(c)]);
  std::vector<char> better(static_cast<std::size_t>(used));
  float mean_left = 1, square_left = 1;
  for (int t = 0; t < steps; ++t) {
    State& top = state_[layer];
    for (std::int32_t e : rows) std::memset(top.coefficient.data() + std::int64_t(e) * ld_, 0, std::size_t(columns) * sizeof(float));
    for (int c = 0; c < used; ++c) for (auto& [e, v] : queries_[std::size_t(c)].terms) top.coefficient[std::size_t(std::int64_t(e) * ld_ + c)] = v;
    descend(layer, rows, asked, 1, columns);
    State& input = state_[0];
    for (int c = 0; c < used; ++c)
      for (auto& [e, v] : queries_[std::size_t(c)].inputs) {
        float& to = input.coefficient[std::size_t(std::int64_t(e) * ld_ + c)];
        to += v;
        sum_[std::size_t(c)] -= double(kUnit) * double(std::fabs(to) + (queries_[std::size_t(c)].rounded ? std::fabs(v) : 0)) * double(std::max(std::fabs(box_lo_[std::size_t(e)]), std::fabs(box_hi_[std::size_t(e)])));
      }
    for (int c = 0; c < used; ++c) {
      if (!queries_[std::size_t(c)].rounded) continue;
      for (auto& [e, v] : queries_[std::size_t(c)].terms) {
        const std::size_t at = std::size_t(std::int64_t(e) * ld_ + c);
        sum_[std::size_t(c)] -= double(kUnit) * double(std::fabs(v)) * double(std::max(std::fabs(top.lo[at]), std::fabs(top.hi[at])));
      }
    }
    loops_.box(box_lo_.data(), box_hi_.data(), 1, all, input.coefficient.data(), ld_, columns, sum_.data());
    bool done = true;
    for (int c = 0; c < used; ++c) {
      const double v = sum_[std::size_t(c)];
      better[std::size_t(c)] = v > out[c] && v < INFINITY && !broken_[std::size_t(c)];
      if (better[std::size_t(c)]) out[c] = v;
      done &= out[c] > enough[c];
    }
    if (keeps_) keep(used, better);
    if (done || t + 1 == steps || (stop && stop())) return;
    primal(columns);
    mean_left *= 0.9f, square_left *= 0.99f;
    const float rate = slope_step / (1 - mean_left), square_scale = 1 / (1 - square_left);
    for (std::size_t k = 1; k < net_.layers.size(); ++k) {
      State& s = state_[k];
      if (extra_[k].mean.empty() || !s.has || k > layer) continue;
      const List j{s.active.data(), std::int32_t(s.active.size())};
      if (net_.layers[k].kind == Layer::Kind::product) {
        loops_.mix(planes(k), j, s.coefficient.data(), extra_[std::size_t(net_.layers[k].a)].value.data(), extra_[std::size_t(net_.layers[k].b)].value.data(), rate, square_scale, ld_, columns);
        continue;
      }
      loops_.ascend(j, s.coefficient.data(), extra_[std::size_t(net_.layers[k].a)].value.data(), s.cu.data(), s.al.data(), extra_[k].mean.data(), extra_[k].square.data(), rate, square_scale, ld_, columns);
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
        s.multiplier = std::max(0.0f, s.multiplier + scales_[std::size_t(c)][i] * multiplier_step / (1 - mean_left) * mean / (std::sqrt(square * square_scale) + 1e-8f));
      }
    slope_step *= 0.97f, multiplier_step *= 0.97f;
  }
}

std::vector<Ascent::Choice> Ascent::choices(int c, std::size_t most) const {
  std::vector<Choice> all;
  for (std::size_t i = 0; i < before_[std::size_t(c)]; ++i) {
    const Place& p = open_[i];
    const State &s = state_[std::size_t(p.layer)], &operand = state_[std::size_t(p.operand)];
    const std::size_t at = std::size_t(p.element) * std::size_t(ld_) + std::size_t(c);
    if (!s.has || s.cu[at] <= 0) continue;
    const float w = s.coefficient[at], z = extra_[std::size_t(p.operand)].value[at];
    // What lies between the line that was taken and the ReLU itself there; a little of the most that may lie between them anywhere, for where that is nothing.
    const float gap = std::fabs(w * (std::max(z, 0.0f) - extra_[std::size_t(p.layer)].value[at]));
    const float most_gap = w < 0 ? -w * s.cu[at] : w * std::max(s.al[at] * -operand.lo[at], (1 - s.al[at]) * operand.hi[at]);
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
