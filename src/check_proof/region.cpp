// Let u be the unit of float32 and gamma = n u / (1 - n u). An element z of a sum layer is computed as W h + b + e with |e| <= gamma (|W| |h| + |b|) + n tiny, where n counts
// the roundings that a summand goes through (Higham 2002, section 3.1: any order of the sum, with or without fused products; a summand that is 0 rounds nothing), and |h|
// is at most the largest magnitude in h's interval. Going backwards, coefficients c of z become c W of h, rounded in float64: what that misses, times |h|, is at most N v sum |c| |W| |h|, for v the
// unit of float64 and N the number of all elements and of the widest sum; so it is charged to z as N v (|W| |h| + |b|) for each unit of |c|. The running constant
// of the bound gathers no more than 4 N numbers, each at most such a size. `own_` is 16 N v, for both and for the roundings of the charges themselves. A product too small
// for float64 loses less than 2^-1074, times |h| < 1e30 where that is a coefficient: kLost is more than all of them.
#include "check_proof/region.hpp"

#include <numeric>

#include "kernels/isa.hpp"

namespace saha::check_proof {
namespace {
constexpr double kLost = 1e-250;

const Sums& sums_here() {
#if defined(__x86_64__)
  if (kernels::detect_isa() >= kernels::Isa::avx512) return avx512::kSums;
  if (kernels::detect_isa() >= kernels::Isa::avx2) return avx2::kSums;
#endif
  return generic::kSums;
}

/// al z <= relu(z) <= au z + cu on an interval.
struct Line {
  double al = 0, au = 0, cu = 0;
};
/// Any slope in [0, 1] through 0 is below a ReLU on an open interval; the chord, moved up, is above it where it is so at both ends.
Line line(double lo, double hi) {
  if (hi <= 0 || lo >= 0) return hi <= 0 ? Line{} : Line{1, 1, 0};
  const double chord = hi / (hi - lo);
  return {hi > -lo ? 1.0 : 0.0, chord, std::max(-chord * lo, hi - chord * hi) + 0x1p-50 * (hi - lo)};
}
}  // namespace

Region::Region(const Layers& net, bool float32) : net_(net), sums_(sums_here()), unit_(float32 ? 0x1p-24 : 0), tiny_(float32 ? 0x1p-125 : 0), state_(net.all.size()), sum_(std::size_t(kColumns)) {
  double count = 64;                                 // of all elements and of summands in them
  for (std::size_t k = 0, total = 0; k < net.all.size(); ++k) {
    first_.push_back(total), total += std::size_t(net.all[k].size), count += double(net.all[k].size) + net.all[k].roundings + double(net.all[k].terms.size());
    state_[k].error.resize(std::size_t(net.all[k].size)), state_[k].live.resize(std::size_t(net.all[k].size)), state_[k].coefficient.resize(std::size_t(net.all[k].size) * std::size_t(kColumns));
    std::iota(state_[k].live.begin(), state_[k].live.end(), 0), known_.lo.resize(total), known_.hi.resize(total);
  }
  own_ = 16 * count * 0x1p-53, set_places({});
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
    if (!sums(k) || (refined && net_.all[k].relu && !refine(k))) return false;
    if (net_.all[k].relu) state_[k].live.clear();
    for (Layers::Place p{std::int32_t(k), 0}; net_.all[k].relu && p.element < net_.all[k].size; ++p.element) if (hi(p) > 0) state_[k].live.push_back(p.element);
  }
  return true;
}

bool Region::sums(std::size_t k) {
  const Layer& l = net_.all[k];
  std::vector<double> centre = l.bias, radius(l.bias.size(), 0.0), size = radius, rounded(l.bias.size(), l.roundings);
  for (std::size_t i = 0; i < size.size(); ++i) size[i] = std::fabs(l.bias[i]);
  for (const Layer::Term& t : l.terms)
    for (std::int32_t j = 0, live = 0; j < net_.all[std::size_t(t.from)].size; ++j) {
      const std::int64_t start = t.matrix.start[std::size_t(j)], count = t.matrix.start[std::size_t(j) + 1] - start;
      const bool on = live < std::ssize(state_[std::size_t(t.from)].live) && state_[std::size_t(t.from)].live[std::size_t(live)] == j;
      for (std::int64_t i = start; !on && i < start + count; ++i) rounded[t.matrix.row.empty() ? std::size_t(i - start) : std::size_t(t.matrix.row[std::size_t(i)])] -= 1;
      if (live += on; !on) continue;
      const double least = net_.all[std::size_t(t.from)].relu ? 0.0 : -INFINITY, a = std::max(lo({t.from, j}), least), z = std::max(hi({t.from, j}), least);
      sums_.scatter(t.matrix.row.empty() ? nullptr : t.matrix.row.data() + start, t.matrix.w.data() + start, count, 0.5 * (a + z), 0.5 * (z - a), std::max(std::fabs(a), std::fabs(z)), centre.data(), radius.data(), size.data());
    }
  for (Layers::Place p{std::int32_t(k), 0}; p.element < l.size; ++p.element) {
    const std::size_t i = std::size_t(p.element);
    const double n = std::max(1.0, rounded[i]), gamma = n * unit_ / (1 - n * unit_) + own_, error = state_[k].error[i] = gamma * size[i] + l.roundings * tiny_ + 1e-300, off = radius[i] + error + own_ * size[i];
    lo(p) = std::max(lo(p), centre[i] - off), hi(p) = std::min(hi(p), centre[i] + off);
    broken_ |= !(size[i] < 1e30);                    // float32 may overflow
    if (lo(p) > hi(p)) return false;
  }
  return true;
}

bool Region::refine(std::size_t k) {
  std::vector<Query> queries;
  for (Layers::Place p{std::int32_t(k), 0}; p.element < net_.all[k].size; ++p.element)
    for (double sign : {1.0, -1.0}) if (lo(p) < 0 && hi(p) > 0) queries.push_back({{{p.layer, p.element, sign}}, true});
  std::vector<Bound> bounds(queries.size());
  bound(queries, bounds.data(), nullptr);
  for (std::size_t i = 0; i < queries.size(); i += 2) {
    const Layers::Place p{std::int32_t(k), queries[i].terms[0].element};
    lo(p) = std::max(lo(p), bounds[i].least), hi(p) = std::min(hi(p), -bounds[i + 1].least);
    if (lo(p) > hi(p)) return false;
  }
  return true;
}

void Region::set_places(std::span<const Layers::Place> places) {
  for (std::size_t k = 0; k < state_.size(); ++k) state_[k].place.assign(std::size_t(net_.all[k].size), -1);
  for (std::size_t i = 0; i < places.size(); ++i) state_[std::size_t(places[i].layer)].place[std::size_t(places[i].element)] = std::int32_t(i);
  assumed_.assign(places.size(), {});
}

void Region::touch(std::size_t k, std::int64_t columns) {
  State& s = state_[k];
  if (!s.touched) std::fill_n(s.coefficient.data(), net_.all[k].size * columns, 0.0);
  s.touched = true;
}

/// Coefficients of ReLUs become those of the sums before them.
void Region::relus(std::size_t k, std::span<const Query> queries, std::int64_t columns) {
  double al[kColumns] = {}, au[kColumns] = {}, cu[kColumns] = {};
  for (std::int32_t e : state_[k].live) {
    double* x = state_[k].coefficient.data() + std::int64_t(e) * columns;
    const Layers::Place at{std::int32_t(k), e};
    const Line own = line(lo(at), hi(at));
    const double largest = std::max(-lo(at), hi(at)), error = own_ * (largest + own.cu) + 1e-300;
    const std::int32_t place = state_[k].place[std::size_t(e)];
    if (place < 0 || own.cu == 0) {
      sums_.relu(x, &own.al, &own.au, &own.cu, error, sum_.data(), columns);
      continue;
    }
    const std::size_t p = std::size_t(place);
    for (std::size_t c = 0; c < queries.size(); ++c) {
      const Query& q = queries[c];
      Line l = q.known.empty() ? own : line(q.known[2 * p], q.known[2 * p + 1]);
      if (l.cu > 0 && p < q.slopes.size()) l.al = double(float(std::uint8_t(q.slopes[p])) / 255.0f);
      al[c] = l.al, au[c] = l.au, cu[c] = l.cu;
    }
    for (const Marked& a : assumed_[p]) al[a.column] = au[a.column] = a.of > 0, cu[a.column] = 0;
    sums_.relu_each(x, al, au, cu, error, sum_.data(), columns);
    for (const Marked& a : assumed_[p]) x[a.column] -= a.factor * a.of, sum_[std::size_t(a.column)] -= own_ * a.factor * largest;
  }
}

/// Coefficients of sums become those of what they are over. Seeds, which have an element each, go straight through.
void Region::down(std::size_t k, std::int64_t columns) {
  const Layer& l = net_.all[k];
  const State& s = state_[k];
  for (std::int32_t e : s.live) if (s.touched) sums_.constant(s.coefficient.data() + std::int64_t(e) * columns, l.bias[std::size_t(e)], s.error[std::size_t(e)], sum_.data(), columns);
  std::vector<std::size_t> seeded(seeds_.empty() ? 0 : std::size_t(l.size) + 1, 0);  // of element i: seeds [seeded[i], seeded[i + 1])
  for (const Marked& d : seeds_) ++seeded[std::size_t(d.of) + 1], sum_[std::size_t(d.column)] += d.factor * l.bias[std::size_t(d.of)] - std::fabs(d.factor) * s.error[std::size_t(d.of)];
  std::partial_sum(seeded.begin(), seeded.end(), seeded.begin());
  for (const Layer::Term& t : l.terms) {
    touch(std::size_t(t.from), columns);
    for (std::int32_t j : state_[std::size_t(t.from)].live) {
      const std::int64_t start = t.matrix.start[std::size_t(j)], count = t.matrix.start[std::size_t(j) + 1] - start;
      const std::int32_t* row = t.matrix.row.empty() ? nullptr : t.matrix.row.data() + start;
      const double* w = t.matrix.w.data() + start;
      double* out = state_[std::size_t(t.from)].coefficient.data() + std::int64_t(j) * columns;
      if (s.touched && row) sums_.sparse(row, w, count, s.coefficient.data(), out, columns);
      if (s.touched && !row) sums_.dense(s.live.data(), w, std::ssize(s.live), s.coefficient.data(), out, columns);
      for (std::int64_t e = 0; !row && e < std::ssize(seeds_); ++e) out[seeds_[std::size_t(e)].column] += seeds_[std::size_t(e)].factor * w[seeds_[std::size_t(e)].of];
      for (std::int64_t e = 0; row && !seeds_.empty() && e < count; ++e)
        for (std::size_t i = seeded[std::size_t(row[e])]; i < seeded[std::size_t(row[e]) + 1]; ++i) out[seeds_[i].column] += seeds_[i].factor * w[e];
    }
  }
}

void Region::bound(std::span<const Query> all, Bound* bounds, double* linear) {
  const std::size_t n = std::size_t(net_.all[0].size);
  for (std::size_t first = 0; first < all.size(); first += std::size_t(kColumns)) {
    const auto queries = all.subspan(first, std::min<std::size_t>(all.size() - first, std::size_t(kColumns)));
    const std::int64_t columns = (std::ssize(queries) + 7) / 8 * 8;
    for (auto& a : assumed_) a.clear();
    for (std::size_t c = 0; c < queries.size(); ++c)
      for (const Split& s : queries[c].splits) if (s.multiplier >= 0) assumed_[std::size_t(s.place)].push_back({s.sign > 0 ? 1 : -1, std::int32_t(c), double(s.multiplier)});
    for (State& s : state_) s.touched = false;
    std::ranges::fill(sum_, 0.0);
    touch(0, columns);
    for (std::size_t k = net_.all.size(); k-- > 0;) {
      seeds_.clear();
      for (std::size_t c = 0; c < queries.size(); ++c)
        for (const Query::Term& t : queries[c].terms) {
          if (t.layer != std::int32_t(k)) continue;
          const double largest = std::max(net_.all[k].relu ? 0.0 : -lo({t.layer, t.element}), hi({t.layer, t.element}));
          if (queries[c].sums) seeds_.push_back({t.element, std::int32_t(c), t.factor});
          else touch(k, columns), state_[k].coefficient[std::size_t(t.element * columns) + c] += t.factor, sum_[c] -= double(queries[c].terms.size() - 1) * own_ * std::fabs(t.factor) * largest;  // terms of one element may cancel
        }
      std::ranges::sort(seeds_, {}, &Marked::of);
      if (k > 0 && net_.all[k].relu && state_[k].touched) relus(k, queries, columns);
      if (k > 0 && (state_[k].touched || !seeds_.empty())) down(k, columns);
    }
    for (std::size_t c = 0; c < queries.size(); ++c) {
      // Nothing goes through elements that are 0 whatever happens, and nothing is lost of them.
      const bool none = std::ranges::all_of(queries[c].terms, [&](const Query::Term& t) { return net_.all[std::size_t(t.layer)].relu && !queries[c].sums && hi({t.layer, t.element}) <= 0; });
      double least = sum_[c] -= none ? 0 : kLost, size = 0;
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
