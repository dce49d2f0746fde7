// Let u be the unit of float32 and gamma = n u / (1 - n u). An element z of a sum layer is computed as W h + b + e with |e| <= gamma (|W| |h| + |b|) + n tiny, where n counts
// the roundings that a summand goes through (Higham 2002, section 3.1: any order of the sum, with or without fused products), and |h| is at most the largest magnitude
// in h's interval. Going backwards, coefficients c of z become c W of h, rounded in float64: what that misses, times |h|, is at most N v sum |c| |W| |h|, for v the
// unit of float64 and N the number of all elements and of the widest sum; so it is charged to z as N v (|W| |h| + |b|) for each unit of |c|. The running constant
// of the bound gathers no more than 4 N numbers, each at most such a size. `own_` is 16 N v, for both and for the roundings of the charges themselves.
#include "check_proof/region.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/isa.hpp"

namespace saha::check_proof {
namespace {
constexpr double kHuge = 1e30;

const Sums& sums_here() {
#if defined(__x86_64__)
  const kernels::Isa isa = kernels::detect_isa();
  if (isa >= kernels::Isa::avx512) return avx512::kSums;
  if (isa >= kernels::Isa::avx2) return avx2::kSums;
#endif
  return generic::kSums;
}
}  // namespace

Region::Region(const Layers& net, bool float32) : net_(net), sums_(sums_here()), unit_(float32 ? 0x1p-24 : 0), tiny_(float32 ? 0x1p-125 : 0), state_(net.all.size()), sum_(std::size_t(kColumns)) {
  std::int64_t total = 0, widest = 0, entries = 0;
  for (std::size_t k = 0; k < net.all.size(); ++k) {
    const Layer& l = net.all[k];
    State& s = state_[k];
    s.first = total, total += l.size;
    widest = std::max<std::int64_t>(widest, l.size);
    s.error.resize(std::size_t(l.size)), s.line_error.resize(std::size_t(l.size)), s.line.resize(std::size_t(l.size));
    s.coefficient.resize(std::size_t(l.size) * std::size_t(kColumns));
    for (std::int32_t e = 0; e < l.size; ++e) s.live.push_back(e);
    for (const Layer::Term& t : l.terms) entries += std::int64_t(t.matrix.w.size()) / std::max(1, l.size);
  }
  known_.lo.resize(std::size_t(total)), known_.hi.resize(std::size_t(total));
  own_ = 16 * double(total + entries + 64) * 0x1p-53;
  work_.resize(3 * std::size_t(widest));
}

bool Region::enter(std::span<const double> lo, std::span<const double> hi, const Known* known) {
  broken_ = false;
  if (known) known_ = *known;
  else std::ranges::fill(known_.lo, -INFINITY), std::ranges::fill(known_.hi, INFINITY);
  std::ranges::copy(lo, known_.lo.begin()), std::ranges::copy(hi, known_.hi.begin());
  return forward(1, true);
}

bool Region::forward(std::size_t first, bool refined) {
  for (std::size_t k = first; k < net_.all.size(); ++k) {
    if (!sums(k)) return false;
    if (!net_.all[k].relu) continue;
    if (refined && !net_.all[k].exact && !refine(k)) return false;
    lines(k);
  }
  return true;
}

bool Region::sums(std::size_t k) {
  const Layer& l = net_.all[k];
  State& s = state_[k];
  const std::size_t n = std::size_t(l.size);
  double *centre = work_.data(), *radius = centre + n, *size = radius + n;
  for (std::size_t i = 0; i < n; ++i) centre[i] = l.bias[i], radius[i] = 0, size[i] = std::fabs(l.bias[i]);
  for (const Layer::Term& t : l.terms) {
    const State& f = state_[std::size_t(t.from)];
    for (std::int32_t j : f.live) {
      const std::int64_t start = t.matrix.start[std::size_t(j)], count = t.matrix.start[std::size_t(j) + 1] - start;
      double lo = known_.lo[std::size_t(f.first + j)], hi = known_.hi[std::size_t(f.first + j)];
      if (net_.all[std::size_t(t.from)].relu) lo = std::max(lo, 0.0), hi = std::max(hi, 0.0);
      sums_.scatter(t.matrix.row.empty() ? nullptr : t.matrix.row.data() + start, t.matrix.w.data() + start, count, 0.5 * (lo + hi), 0.5 * (hi - lo), std::max(std::fabs(lo), std::fabs(hi)), centre, radius, size);
    }
  }
  const double gamma = l.roundings * unit_ / (1 - l.roundings * unit_) + own_;
  double *lo = known_.lo.data() + s.first, *hi = known_.hi.data() + s.first;
  for (std::size_t i = 0; i < n; ++i) {
    s.error[i] = gamma * size[i] + l.roundings * tiny_ + 1e-300;
    const double off = radius[i] + s.error[i] + own_ * size[i];
    lo[i] = std::max(lo[i], centre[i] - off), hi[i] = std::min(hi[i], centre[i] + off);
    broken_ |= !(size[i] < kHuge);                   // float32 may overflow
    if (lo[i] > hi[i]) return false;
  }
  return true;
}

/// Any slope in [0, 1] through 0 is below a ReLU on an open interval; the chord, moved up, is above it where it is so at both ends.
Region::Line Region::line(double lo, double hi) {
  if (hi <= 0) return {};
  if (lo >= 0) return {1, 1, 0};
  const double chord = hi / (hi - lo);
  return {hi > -lo ? 1.0 : 0.0, chord, std::max(-chord * lo, hi - chord * hi) + 0x1p-50 * (hi - lo)};
}

void Region::lines(std::size_t k) {
  State& s = state_[k];
  s.live.clear();
  for (std::int32_t e = 0; e < net_.all[k].size; ++e) {
    const std::size_t i = std::size_t(e);
    const double lo = known_.lo[std::size_t(s.first + e)], hi = known_.hi[std::size_t(s.first + e)];
    s.line[i] = line(lo, hi);
    s.line_error[i] = own_ * (std::max(hi, -lo) + s.line[i].cu) + 1e-300;
    if (hi > 0) s.live.push_back(e);
  }
}

bool Region::refine(std::size_t k) {
  std::vector<Layers::Place> open;
  std::vector<Query> queries;
  for (Layers::Place p{std::int32_t(k), 0}; p.element < net_.all[k].size; ++p.element) {
    if (!(lo(p) < 0 && hi(p) > 0)) continue;
    open.push_back(p);
    for (double sign : {1.0, -1.0}) queries.push_back({{{p.layer, p.element, sign}}, true});
  }
  std::vector<Bound> bounds(queries.size());
  bound(queries, bounds.data(), nullptr);
  for (std::size_t i = 0; i < open.size(); ++i) {
    lo(open[i]) = std::max(lo(open[i]), bounds[2 * i].least), hi(open[i]) = std::min(hi(open[i]), -bounds[2 * i + 1].least);
    if (lo(open[i]) > hi(open[i])) return false;
  }
  return true;
}

void Region::set_places(std::span<const Layers::Place> places) {
  for (State& s : state_) s.place.clear();
  for (std::size_t i = 0; i < places.size(); ++i) {
    std::vector<std::int32_t>& to = state_[std::size_t(places[i].layer)].place;
    to.resize(std::size_t(net_.all[std::size_t(places[i].layer)].size), -1);
    to[std::size_t(places[i].element)] = std::int32_t(i);
  }
  assumed_.assign(places.size(), {});
}

void Region::touch(std::size_t k, std::int64_t columns) {
  State& s = state_[k];
  if (!s.touched) std::fill_n(s.coefficient.data(), net_.all[k].size * columns, 0.0);
  s.touched = true;
}

/// Coefficients of ReLUs become those of the sums before them.
void Region::relus(std::size_t k, std::span<const Query> queries, std::int64_t columns) {
  State& s = state_[k];
  double al[kColumns] = {}, au[kColumns] = {}, cu[kColumns] = {};
  for (std::int32_t e : s.live) {
    const std::size_t i = std::size_t(e);
    double* x = s.coefficient.data() + std::int64_t(e) * columns;
    const std::int32_t place = s.place.empty() ? -1 : s.place[i];
    const Line& own = s.line[i];
    if (place < 0 || own.cu == 0) {
      sums_.relu(x, &own.al, &own.au, &own.cu, s.line_error[i], sum_.data(), columns);
      continue;
    }
    const std::size_t p = std::size_t(place);
    for (std::size_t c = 0; c < queries.size(); ++c) {
      const Query& q = queries[c];
      Line l = q.known.empty() ? own : line(q.known[2 * p], q.known[2 * p + 1]);
      if (l.cu > 0 && p < q.slopes.size()) l.al = double(float(std::uint8_t(q.slopes[p])) / 255.0f);
      al[c] = l.al, au[c] = l.au, cu[c] = l.cu;
    }
    for (const Assumed& a : assumed_[p]) al[a.column] = au[a.column] = a.sign > 0, cu[a.column] = 0;
    sums_.relu_each(x, al, au, cu, s.line_error[i], sum_.data(), columns);
    for (const Assumed& a : assumed_[p]) {
      x[a.column] -= double(a.multiplier) * double(a.sign);
      sum_[std::size_t(a.column)] -= own_ * double(a.multiplier) * std::max(-known_.lo[std::size_t(s.first + e)], known_.hi[std::size_t(s.first + e)]);
    }
  }
}

/// Coefficients of sums become those of what they are over. Seeds, which have a row each, go straight through.
void Region::down(std::size_t k, std::int64_t columns, std::span<const Seed> seeds) {
  const Layer& l = net_.all[k];
  State& s = state_[k];
  if (s.touched)
    for (std::int32_t e : s.live) sums_.constant(s.coefficient.data() + std::int64_t(e) * columns, l.bias[std::size_t(e)], s.error[std::size_t(e)], sum_.data(), columns);
  for (const Seed& d : seeds) sum_[std::size_t(d.column)] += d.factor * l.bias[std::size_t(d.element)] - std::fabs(d.factor) * s.error[std::size_t(d.element)];
  std::vector<std::size_t> seeded(seeds.empty() ? 0 : std::size_t(l.size) + 1, 0);  // of row i: seeds [seeded[i], seeded[i + 1])
  for (const Seed& d : seeds) ++seeded[std::size_t(d.element) + 1];
  for (std::size_t i = 1; i < seeded.size(); ++i) seeded[i] += seeded[i - 1];
  for (const Layer::Term& t : l.terms) {
    State& f = state_[std::size_t(t.from)];
    touch(std::size_t(t.from), columns);
    const bool dense = t.matrix.row.empty();
    for (std::int32_t j : f.live) {
      const std::int64_t start = t.matrix.start[std::size_t(j)], count = t.matrix.start[std::size_t(j) + 1] - start;
      const double* w = t.matrix.w.data() + start;
      double* out = f.coefficient.data() + std::int64_t(j) * columns;
      if (s.touched && dense) sums_.dense(s.live.data(), w, std::ssize(s.live), s.coefficient.data(), out, columns);
      if (s.touched && !dense) sums_.sparse(t.matrix.row.data() + start, w, count, s.coefficient.data(), out, columns);
      if (!seeds.empty() && dense) {
        for (const Seed& d : seeds) out[d.column] += d.factor * w[d.element];
      } else if (!seeds.empty()) {
        for (std::int64_t e = 0; e < count; ++e) {
          const std::size_t row = std::size_t(t.matrix.row[std::size_t(start + e)]);
          for (std::size_t i = seeded[row]; i < seeded[row + 1]; ++i) out[seeds[i].column] += seeds[i].factor * w[e];
        }
      }
    }
  }
}

void Region::bound(std::span<const Query> all, Bound* bounds, double* linear) {
  const std::size_t n = inputs();
  std::vector<Seed> seeds, before;
  for (std::size_t first = 0; first < all.size(); first += std::size_t(kColumns)) {
    const auto queries = all.subspan(first, std::min<std::size_t>(all.size() - first, std::size_t(kColumns)));
    const std::int64_t columns = (std::ssize(queries) + 7) / 8 * 8;
    seeds.clear();
    for (auto& a : assumed_) a.clear();
    for (std::size_t c = 0; c < queries.size(); ++c) {
      for (const Query::Term& t : queries[c].terms) seeds.push_back({t.layer, t.element, std::int32_t(c), t.factor});
      for (const Split& s : queries[c].splits) if (s.multiplier >= 0) assumed_[std::size_t(s.place)].push_back({std::int32_t(c), s.sign, s.multiplier});
    }
    std::ranges::stable_sort(seeds, [](const Seed& a, const Seed& b) { return a.layer != b.layer ? a.layer > b.layer : a.element < b.element; });
    for (State& s : state_) s.touched = false;
    std::ranges::fill(sum_, 0.0);
    touch(0, columns);
    auto seed = seeds.begin();
    for (std::size_t k = net_.all.size(); k-- > 0;) {
      before.clear();
      for (; seed != seeds.end() && seed->layer == std::int32_t(k); ++seed) {
        if (queries[std::size_t(seed->column)].sums) {
          before.push_back(*seed);
          continue;
        }
        touch(k, columns);
        state_[k].coefficient[std::size_t(seed->element * columns + seed->column)] += seed->factor;
      }
      if (k > 0 && net_.all[k].relu && state_[k].touched) relus(k, queries, columns);
      if (k > 0 && (state_[k].touched || !before.empty())) down(k, columns, before);
    }
    for (std::size_t c = 0; c < queries.size(); ++c) {
      double least = sum_[c], size = 0;
      for (std::size_t d = 0; d < n; ++d) {
        const double w = state_[0].coefficient[d * std::size_t(columns) + c];
        least += w * (w > 0 ? known_.lo[d] : known_.hi[d]), size += std::fabs(w) * std::max(std::fabs(known_.lo[d]), std::fabs(known_.hi[d]));
        if (linear) linear[(first + c) * n + d] = w;
      }
      if (broken_) sum_[c] = least = -INFINITY;
      bounds[first + c] = {sum_[c] - own_ * size, least - 2 * own_ * size - 0x1p-50 * std::fabs(sum_[c])};
    }
  }
}

}  // namespace saha::check_proof
