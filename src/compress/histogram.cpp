#include "compress/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace saha::compress {

void Histogram::widen() {
  std::vector<std::int64_t> joined(bins_.size(), 0);
  for (std::int64_t i = -kHalf; i < kHalf; ++i) joined[std::size_t((i >= 0 ? i / 2 : (i - 1) / 2) + kHalf)] += bins_[std::size_t(i + kHalf)];
  bins_ = std::move(joined);
  width_ *= 2;
}

void Histogram::add(std::span<const float> values) {
  double lo = 0, hi = 0;
  for (float v : values) {
    if (!std::isfinite(v)) continue;
    lo = std::min(lo, double(v));
    hi = std::max(hi, double(v));
  }
  const double most = std::max(-lo, hi);
  if (bins_.empty() && most > 0) {
    bins_.assign(2 * kHalf, 0);
    int e = 0;
    std::frexp(most, &e);                          // most < 2^e
    width_ = std::ldexp(1.0, e) / double(kHalf);
  }
  if (most > 0) while (most >= width_ * double(kHalf)) widen();
  bool first = count_ == 0;
  for (float v : values) {
    if (!std::isfinite(v)) { ++not_finite_; continue; }
    const double x = v;
    if (first) { lowest_ = highest_ = x; first = false; }
    lowest_ = std::min(lowest_, x);
    highest_ = std::max(highest_, x);
    ++count_;
    sum_ += x;
    squares_ += x * x;
    if (x == 0) { ++zeros_; continue; }
    ++bins_[std::size_t(std::int64_t(std::floor(x / width_)) + kHalf)];
  }
}

Histogram::Bins Histogram::bins() const {
  std::size_t first = 0, end = bins_.size();
  while (first < end && !bins_[first]) ++first;
  while (end > first && !bins_[end - 1]) --end;
  Bins b;
  b.width = width_;
  b.start = (double(first) - double(kHalf)) * width_;
  b.mass.assign(bins_.begin() + std::ptrdiff_t(first), bins_.begin() + std::ptrdiff_t(end));
  return b;
}

namespace {
constexpr std::string_view kNames[] = {"minmax", "percentile", "entropy", "mse"};

/// Sums over all bins left of a place, a bin counted as its middle.
class Moments {
 public:
  explicit Moments(const Histogram::Bins& b) : b_(b), sums_(b.mass.size() + 1) {
    for (std::size_t i = 0; i < b.mass.size(); ++i) {
      const double x = b.start + (double(i) + 0.5) * b.width, m = b.mass[i];
      sums_[i + 1] = {sums_[i].n + m, sums_[i].x + m * x, sums_[i].xx + m * x * x};
    }
  }
  /// Mean square of what rounding to `levels` steps of [lo, hi] and clipping to it do, times the count.
  double error(double lo, double hi, int levels) const {
    const std::size_t a = place(lo), z = place(hi);
    const double scale = (hi - lo) / (levels - 1);
    const Sum &below = sums_[a], &all = sums_.back();
    const Sum above{all.n - sums_[z].n, all.x - sums_[z].x, all.xx - sums_[z].xx};
    const double cut = below.xx - 2 * lo * below.x + lo * lo * below.n + above.xx - 2 * hi * above.x + hi * hi * above.n;
    return std::max(0.0, cut) + (sums_[z].n - below.n) * scale * scale / 12;
  }

 private:
  struct Sum { double n = 0, x = 0, xx = 0; };
  /// Bins whose middle lies below v.
  std::size_t place(double v) const {
    const double p = std::ceil((v - b_.start) / b_.width - 0.5);
    return std::size_t(std::clamp(p, 0.0, double(b_.mass.size())));
  }
  const Histogram::Bins& b_;
  std::vector<Sum> sums_;
};

Range least_square(const Histogram::Bins& b, Range whole, const RangeOptions& o) {
  const Moments m(b);
  constexpr int kSteps = 128;
  auto best_share = [&](auto error) {
    double best = std::numeric_limits<double>::infinity(), share = 1;
    for (int i = kSteps; i >= 4; --i) if (const double e = error(double(i) / kSteps); e < best) best = e, share = double(i) / kSteps;
    return share;
  };
  const double both = best_share([&](double s) { return m.error(whole.lo * s, whole.hi * s, o.levels); });
  Range r{whole.lo * both, whole.hi * both};
  for (int round = 0; round < 2 && !o.symmetric; ++round) {   // each end by itself, the other one standing still
    if (whole.lo < 0) r.lo = whole.lo * best_share([&](double s) { return m.error(whole.lo * s, r.hi, o.levels); });
    if (whole.hi > 0) r.hi = whole.hi * best_share([&](double s) { return m.error(r.lo, whole.hi * s, o.levels); });
  }
  return r;
}

/// Divergence of the clipped spread, whose outliers stand at its ends, from the same in `levels` steps.
double divergence(const Histogram::Bins& b, Range r, int levels) {
  const auto n = std::int64_t(b.mass.size());
  const std::int64_t first = std::clamp<std::int64_t>(std::llround((r.lo - b.start) / b.width), 0, n - 1), last = std::clamp<std::int64_t>(std::llround((r.hi - b.start) / b.width) - 1, first, n - 1);
  std::vector<double> p(b.mass.begin() + first, b.mass.begin() + last + 1), q(p.size(), 0);
  const std::vector<double> inside = p;
  for (std::int64_t i = 0; i < first; ++i) p.front() += b.mass[std::size_t(i)];
  for (std::int64_t i = last + 1; i < n; ++i) p.back() += b.mass[std::size_t(i)];
  const double per = double(p.size()) / levels;
  for (int k = 0; k < levels; ++k) {
    const auto a = std::size_t(std::floor(k * per)), z = std::max(a + 1, std::size_t(std::floor((k + 1) * per)));
    double sum = 0;
    int held = 0;
    for (std::size_t i = a; i < z && i < p.size(); ++i) if (inside[i] > 0) sum += inside[i], ++held;
    for (std::size_t i = a; i < z && i < p.size(); ++i) if (inside[i] > 0) q[i] = sum / held;
  }
  double total_p = 0, total_q = 0, d = 0;
  for (std::size_t i = 0; i < p.size(); ++i) total_p += p[i], total_q += q[i];
  if (total_q <= 0) return std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < p.size(); ++i) if (p[i] > 0) d += p[i] / total_p * std::log((p[i] / total_p) / std::max(q[i] / total_q, 1e-4 / double(p.size())));
  return d;
}
}  // namespace

std::string_view name(Calibration c) { return kNames[int(c)]; }
std::optional<Calibration> calibration_of(std::string_view name) {
  for (int i = 0; i < 4; ++i) if (kNames[i] == name) return Calibration(i);
  return {};
}

Range range_of(const Histogram& h, const RangeOptions& o) {
  Range whole{std::min(0.0, h.lowest()), std::max(0.0, h.highest())};
  if (o.symmetric) whole.hi = std::max(whole.hi, -whole.lo), whole.lo = -whole.hi;
  const Histogram::Bins b = h.bins();
  if (o.how == Calibration::minmax || b.mass.empty()) return whole;
  if (o.how == Calibration::mse) return least_square(b, whole, o);
  Range r = whole;
  if (o.how == Calibration::percentile) {
    const double cut = double(h.count()) * (1 - o.percentile / 100) / 2;
    double below = 0, above = 0;
    for (std::size_t i = 0; i < b.mass.size() && below + b.mass[i] <= cut; ++i) below += b.mass[i], r.lo = b.start + double(i + 1) * b.width;
    for (std::size_t i = b.mass.size(); i-- > 0 && above + b.mass[i] <= cut;) above += b.mass[i], r.hi = b.start + double(i) * b.width;
    r = {std::clamp(r.lo, whole.lo, 0.0), std::clamp(r.hi, 0.0, whole.hi)};
  } else {
    // Each end by itself, the longer one first: a tail at one end says nothing of the other.
    auto shorten = [&](bool low, bool high) {
      const Range start = r;
      double best = std::numeric_limits<double>::infinity();
      for (int i = 128; i >= 2; --i) {
        const Range c{low ? start.lo * i / 128 : start.lo, high ? start.hi * i / 128 : start.hi};
        if ((c.hi - c.lo) / b.width < o.levels && i < 128) break;   // fewer bins than levels tell nothing
        if (const double d = divergence(b, c, o.levels); d < best) best = d, r = c;
      }
    };
    const bool high = whole.hi >= -whole.lo;
    shorten(!high || o.symmetric, high || o.symmetric);
    if (!o.symmetric) shorten(high, !high);
  }
  if (o.symmetric) r.hi = std::max(r.hi, -r.lo), r.lo = -r.hi;
  if (r.hi - r.lo <= 0) return whole;
  return r;
}

}  // namespace saha::compress
