// Let u be the unit of float32 and gamma = n u / (1 - n u). An element z of a sum layer is computed as W h + b + e with |e| <= gamma (|W| |h| + |b|) + n tiny, where n counts
// the roundings that a summand goes through (Higham 2002, section 3.1: any order of the sum, with or without fused products), and |h| is at most the largest magnitude
// in h's interval. Going backwards, coefficients c of z become c W of h, rounded in float64: what that misses, times |h|, is at most N v sum |c| |W| |h|, for v the
// unit of float64 and N the number of all elements and of the widest sum; so it is charged to z as N v (|W| |h| + |b|) for each unit of |c|. The running constant
// of the bound gathers no more than N numbers, each at most such a size. `own_` is 8 N v, for both and for the roundings of the charges themselves.
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
  std::int64_t total = 0, widest = 0;
  for (std::size_t k = 0; k < net.all.size(); ++k) {
    const Layer& l = net.all[k];
    State& s = state_[k];
    s.first = total, total += l.size;
    widest = std::max<std::int64_t>(widest, l.size);
    s.error.assign(std::size_t(l.size), 0);
    if (l.kind == Layer::Kind::relu) s.al = s.au = s.cu = s.error;
    s.coefficient.assign(std::size_t(l.size) * std::size_t(kColumns), 0);
    for (std::int32_t e = 0; e < l.size; ++e) s.live.push_back(e);
    for (const Layer::Term& t : l.terms) total += std::int64_t(t.matrix.w.size() / std::size_t(std::max(1, t.matrix.rows)));
  }
  for (std::size_t r = 0; r < net.relus.size(); ++r) state_[std::size_t(net.relus[r])].ordinal = std::int32_t(r);
  known_.lo.resize(std::size_t(total)), known_.hi.resize(std::size_t(total));
  own_ = 8 * double(total + 64) * 0x1p-53;
  work_.resize(3 * std::size_t(widest));
}

bool Region::enter(std::span<const double> lo, std::span<const double> hi, const Known* known, bool refined) {
  broken_ = false;
  if (known) known_ = *known;
  else std::ranges::fill(known_.lo, -INFINITY), std::ranges::fill(known_.hi, INFINITY);
  std::ranges::copy(lo, known_.lo.begin()), std::ranges::copy(hi, known_.hi.begin());
  return pass(1, net_.all.size(), refined);
}

bool Region::pass(std::size_t first, std::size_t end, bool refined) {
  for (std::size_t k = first; k < end; ++k) {
    if (net_.all[k].kind == Layer::Kind::relu) {
      lines(k);
      continue;
    }
    if (!sums(k)) return false;
    if (refined && net_.all[k].read_by_relus && !net_.all[k].exact && !refine(k)) return false;
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
    const double *lo = known_.lo.data() + f.first, *hi = known_.hi.data() + f.first;
    for (std::int32_t j : f.live) {
      const std::int64_t start = t.matrix.start[std::size_t(j)], count = t.matrix.start[std::size_t(j) + 1] - start;
      const double c = 0.5 * (lo[j] + hi[j]), r = 0.5 * (hi[j] - lo[j]);
      sums_.scatter(t.matrix.row.empty() ? nullptr : t.matrix.row.data() + start, t.matrix.w.data() + start, count, c, r, std::max(std::fabs(lo[j]), std::fabs(hi[j])), centre, radius, size);
    }
  }
  const double gamma = l.roundings * unit_ / (1 - l.roundings * unit_) + own_;
  double *lo = known_.lo.data() + s.first, *hi = known_.hi.data() + s.first;
  for (std::size_t i = 0; i < n; ++i) {
    s.error[i] = gamma * size[i] + l.roundings * tiny_ + 1e-300;
    const double off = radius[i] + s.error[i] + own_ * size[i], a = centre[i] - off, b = centre[i] + off;
    if (a > lo[i]) lo[i] = a;
    if (b < hi[i]) hi[i] = b;
    broken_ |= !(size[i] < kHuge);                   // float32 may overflow
    if (lo[i] > hi[i]) return false;
  }
  return true;
}

/// Any slope in [0, 1] through 0 is below a ReLU on an open interval; the chord, moved up, is above it where it is so at both ends.
void Region::lines(std::size_t k) {
  State& s = state_[k];
  const std::int64_t from = state_[std::size_t(net_.all[k].operand)].first;
  s.live.clear();
  for (std::int32_t e = 0; e < net_.all[k].size; ++e) {
    const std::size_t i = std::size_t(e);
    const double lo = known_.lo[std::size_t(from + e)], hi = known_.hi[std::size_t(from + e)];
    known_.lo[std::size_t(s.first + e)] = std::max(lo, 0.0), known_.hi[std::size_t(s.first + e)] = std::max(hi, 0.0);
    if (hi <= 0) {
      s.al[i] = s.au[i] = s.cu[i] = s.error[i] = 0;
      continue;
    }
    s.live.push_back(e);
    s.al[i] = s.au[i] = 1, s.cu[i] = 0;
    if (lo < 0) {
      s.al[i] = hi > -lo ? 1 : 0, s.au[i] = hi / (hi - lo);
      s.cu[i] = std::max(-s.au[i] * lo, hi - s.au[i] * hi) + 0x1p-50 * (hi - lo);
    }
    s.error[i] = own_ * (std::max(hi, -lo) + s.cu[i]) + 1e-300;
  }
}

bool Region::refine(std::size_t k) {
  const std::int64_t first = state_[k].first;
  std::vector<std::int32_t> open;
  for (std::int32_t e = 0; e < net_.all[k].size; ++e)
    if (known_.lo[std::size_t(first + e)] < 0 && known_.hi[std::size_t(first + e)] > 0) open.push_back(e);
  std::vector<Query> queries(2 * open.size());
  for (std::size_t i = 0; i < queries.size(); ++i) queries[i].terms = {{std::int32_t(k), open[i / 2], i % 2 ? -1.0 : 1.0}};
  std::vector<Bound> bounds(queries.size());
  bound(queries, bounds.data(), nullptr);
  for (std::size_t i = 0; i < open.size(); ++i) {
    double &lo = known_.lo[std::size_t(first + open[i])], &hi = known_.hi[std::size_t(first + open[i])];
    if (bounds[2 * i].least > lo) lo = bounds[2 * i].least;
    if (-bounds[2 * i + 1].least < hi) hi = -bounds[2 * i + 1].least;
    if (lo > hi) return false;
  }
  return true;
}

bool Region::narrow(std::int32_t relu, std::int32_t element, double lo, double hi) {
  const std::size_t i = std::size_t(state_[std::size_t(net_.all[std::size_t(net_.relus[std::size_t(relu)])].operand)].first + element);
  if (lo > known_.lo[i]) known_.lo[i] = lo;
  if (hi < known_.hi[i]) known_.hi[i] = hi;
  return known_.lo[i] <= known_.hi[i];
}

void Region::set_sloped(std::span<const std::pair<std::int32_t, std::int32_t>> sloped) {
  for (State& s : state_) s.slope.clear();
  for (std::size_t i = 0; i < sloped.size(); ++i) {
    const std::size_t k = std::size_t(net_.relus[std::size_t(sloped[i].first)]);
    State& s = state_[k];
    if (s.slope.empty()) s.slope.assign(std::size_t(net_.all[k].size), -1);
    s.slope[std::size_t(sloped[i].second)] = std::int32_t(i);
  }
}

void Region::touch(std::size_t k, std::int64_t columns) {
  State& s = state_[k];
  if (s.touched) return;
  s.touched = true;
  std::fill_n(s.coefficient.data(), net_.all[k].size * columns, 0.0);
}

/// Coefficients of a layer become those of what it reads; `seeds` of it have a row each.
void Region::down(std::size_t k, std::span<const Query> queries, std::int64_t columns, std::span<const Query::Term> seeds, std::span<const std::int32_t> seed_column) {
  const Layer& l = net_.all[k];
  State& s = state_[k];
  if (l.kind == Layer::Kind::relu) {
    const std::size_t z = std::size_t(l.operand);
    touch(z, columns);
    double al[kColumns], au[kColumns], cu[kColumns];
    for (std::int32_t e : s.live) {
      const std::size_t i = std::size_t(e);
      const double *x = s.coefficient.data() + std::int64_t(e) * columns, size = std::max(-known_.lo[std::size_t(state_[z].first + e)], known_.hi[std::size_t(state_[z].first + e)]);
      double* out = state_[z].coefficient.data() + std::int64_t(e) * columns;
      while (next_override_ < overrides_.size() && overrides_[next_override_].relu == s.ordinal && overrides_[next_override_].element < e) ++next_override_;
      const bool split = next_override_ < overrides_.size() && overrides_[next_override_].relu == s.ordinal && overrides_[next_override_].element == e;
      const bool sloped = !s.slope.empty() && s.slope[i] >= 0 && s.cu[i] > 0;
      if (!split && !sloped) {
        sums_.relu(x, &s.al[i], &s.au[i], &s.cu[i], s.error[i], out, sum_.data(), columns);
        continue;
      }
      std::fill_n(al, columns, s.al[i]), std::fill_n(au, columns, s.au[i]), std::fill_n(cu, columns, s.cu[i]);
      if (sloped)
        for (std::size_t c = 0; c < queries.size(); ++c) if (std::size_t(s.slope[i]) < queries[c].slopes.size()) al[c] = queries[c].slopes[std::size_t(s.slope[i])];
      const std::size_t first = next_override_;
      for (; next_override_ < overrides_.size() && overrides_[next_override_].relu == s.ordinal && overrides_[next_override_].element == e; ++next_override_) {
        const Override& o = overrides_[next_override_];
        al[o.column] = au[o.column] = o.sign > 0 ? 1 : 0, cu[o.column] = 0;
      }
      sums_.relu_each(x, al, au, cu, s.error[i], out, sum_.data(), columns);
      for (std::size_t o = first; o < next_override_; ++o) {
        out[overrides_[o].column] -= overrides_[o].multiplier * overrides_[o].sign;
        sum_[std::size_t(overrides_[o].column)] -= own_ * overrides_[o].multiplier * size;
      }
    }
    while (next_override_ < overrides_.size() && overrides_[next_override_].relu == s.ordinal) ++next_override_;
    return;
  }
  // A sum. Seeds go straight through its rows; the rest is one product.
  const State* reader = nullptr;
  if (l.read_by_relus == 1 && l.read_by_sums == 0)
    for (std::size_t r = k + 1; r < state_.size() && !reader; ++r) if (net_.all[r].operand == std::int32_t(k)) reader = &state_[r];
  const std::vector<std::int32_t>& rows = reader ? reader->live : s.live;
  if (s.touched)
    for (std::int32_t e : rows)
      sums_.constant(s.coefficient.data() + std::int64_t(e) * columns, l.bias[std::size_t(e)], s.error[std::size_t(e)], sum_.data(), columns);
  for (std::size_t i = 0; i < seeds.size(); ++i)
    sum_[std::size_t(seed_column[i])] += seeds[i].factor * l.bias[std::size_t(seeds[i].element)] - std::fabs(seeds[i].factor) * s.error[std::size_t(seeds[i].element)];
  std::vector<std::int32_t> seeded(seeds.empty() ? 0 : std::size_t(l.size) + 1, 0);  // of row i: seeds [seeded[i], seeded[i + 1])
  for (const Query::Term& t : seeds) ++seeded[std::size_t(t.element) + 1];
  for (std::size_t i = 1; i < seeded.size(); ++i) seeded[i] += seeded[i - 1];
  for (const Layer::Term& t : l.terms) {
    State& f = state_[std::size_t(t.from)];
    touch(std::size_t(t.from), columns);
    for (std::int32_t j : f.live) {
      const std::int64_t start = t.matrix.start[std::size_t(j)], count = t.matrix.start[std::size_t(j) + 1] - start;
      const double* w = t.matrix.w.data() + start;
      double* out = f.coefficient.data() + std::int64_t(j) * columns;
      if (s.touched && !t.matrix.row.empty()) sums_.sparse(t.matrix.row.data() + start, w, count, s.coefficient.data(), out, columns);
      if (s.touched && t.matrix.row.empty()) sums_.dense(rows.data(), w, std::ssize(rows), s.coefficient.data(), out, columns);
      if (seeds.empty()) continue;
      if (t.matrix.row.empty()) {
        for (std::size_t i = 0; i < seeds.size(); ++i) out[seed_column[i]] += seeds[i].factor * w[seeds[i].element];
        continue;
      }
      for (std::int64_t e = 0; e < count; ++e) {
        const std::size_t row = std::size_t(t.matrix.row[std::size_t(start + e)]);
        for (std::int32_t i = seeded[row]; i < seeded[row + 1]; ++i) out[seed_column[std::size_t(i)]] += seeds[std::size_t(i)].factor * w[e];
      }
    }
  }
}

void Region::bound(std::span<const Query> queries, Bound* bounds, double* linear) {
  const std::size_t n = inputs();
  struct Seed {
    Query::Term term;
    std::int32_t column;
  };
  std::vector<Seed> seeds;
  std::vector<Query::Term> terms;
  std::vector<std::int32_t> of;
  for (std::size_t first = 0; first < queries.size(); first += std::size_t(kColumns)) {
    const auto block = queries.subspan(first, std::min<std::size_t>(queries.size() - first, std::size_t(kColumns)));
    const std::int64_t columns = (std::ssize(block) + 7) / 8 * 8;
    seeds.clear(), overrides_.clear(), next_override_ = 0;
    for (std::size_t c = 0; c < block.size(); ++c) {
      for (const Query::Term& t : block[c].terms) seeds.push_back({t, std::int32_t(c)});
      for (const Split& s : block[c].splits) overrides_.push_back({s.relu, s.element, std::int32_t(c), s.sign, s.multiplier});
    }
    std::ranges::stable_sort(seeds, [](const Seed& a, const Seed& b) { return a.term.layer != b.term.layer ? a.term.layer > b.term.layer : a.term.element < b.term.element; });
    std::ranges::stable_sort(overrides_, [](const Override& a, const Override& b) { return a.relu != b.relu ? a.relu > b.relu : a.element < b.element; });
    for (State& s : state_) s.touched = false;
    std::ranges::fill(sum_, 0.0);
    std::size_t at = 0;
    for (std::size_t k = net_.all.size(); k-- > 0;) {
      terms.clear(), of.clear();
      for (; at < seeds.size() && seeds[at].term.layer == std::int32_t(k); ++at) terms.push_back(seeds[at].term), of.push_back(seeds[at].column);
      if (!terms.empty() && net_.all[k].kind != Layer::Kind::sum) {
        touch(k, columns);
        for (std::size_t i = 0; i < terms.size(); ++i) state_[k].coefficient[std::size_t(std::int64_t(terms[i].element) * columns + of[i])] += terms[i].factor;
        terms.clear(), of.clear();
      }
      if (k > 0 && (state_[k].touched || !terms.empty())) {
        while (next_override_ < overrides_.size() && state_[k].ordinal >= 0 && overrides_[next_override_].relu > state_[k].ordinal) ++next_override_;
        down(k, block, columns, terms, of);
      }
    }
    touch(0, columns);
    for (std::size_t c = 0; c < block.size(); ++c) {
      double least = sum_[c], size = 0;
      for (std::size_t d = 0; d < n; ++d) {
        const double w = state_[0].coefficient[d * std::size_t(columns) + c], p = w * (w > 0 ? known_.lo[d] : known_.hi[d]);
        least += p, size += std::fabs(w) * std::max(std::fabs(known_.lo[d]), std::fabs(known_.hi[d]));
        if (linear) linear[(first + c) * n + d] = w;
      }
      if (broken_) sum_[c] = least = -INFINITY;
      bounds[first + c] = {sum_[c] - own_ * size, least - 2 * own_ * size - 0x1p-50 * std::fabs(sum_[c])};
    }
  }
}

}  // namespace saha::check_proof
