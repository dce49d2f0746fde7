// The corruptions of sound. Each leaves the length as it is, since a network's input has one.
#include <algorithm>
#include <array>
#include <complex>

#include "corrupt/plane.hpp"

namespace saha::corrupt {
namespace {
using data::Random;
using Levels = std::array<double, 5>;
double level(const Levels& by, int severity) { return by[std::size_t(severity - 1)]; }
double sign(Random& random) { return random.below(2) ? 1 : -1; }

double mean_square(std::span<const float> v) {
  double sum = 0;
  for (float x : v) sum += double(x) * x / double(v.size());
  return sum;
}
Result<Wave> noise(Wave w, int s, Random& random) {
  for (auto& c : w.channels) add_noise(c, mean_square(c), level({30, 20, 15, 10, 5}, s), random);
  return w;
}

/// In place, n a power of two. Numerical recipes' order: bits reversed, then butterflies.
void transform(std::vector<std::complex<double>>& a, bool back) {
  const std::size_t n = a.size();
  for (std::size_t i = 1, j = 0; i < n; ++i) {
    std::size_t bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(a[i], a[j]);
  }
  for (std::size_t length = 2; length <= n; length *= 2) {
    const double angle = (back ? 2 : -2) * std::numbers::pi / double(length);
    for (std::size_t i = 0; i < n; i += length)
      for (std::size_t k = 0; k < length / 2; ++k) {
        const auto turn = std::polar(1.0, angle * double(k));
        const auto u = a[i + k], v = a[i + k + length / 2] * turn;
        a[i + k] = u + v, a[i + k + length / 2] = u - v;
      }
  }
  if (back) for (auto& v : a) v /= double(n);
}
/// The first x.size() elements of x * h.
std::vector<float> convolved(std::span<const float> x, std::span<const double> h) {
  std::size_t n = 1;
  while (n < x.size() + h.size()) n *= 2;
  std::vector<std::complex<double>> a(n), b(n);
  std::ranges::copy(x, a.begin());
  std::ranges::copy(h, b.begin());
  transform(a, false), transform(b, false);
  for (std::size_t i = 0; i < n; ++i) a[i] *= b[i];
  transform(a, true);
  std::vector<float> y;
  for (std::size_t i = 0; i < x.size(); ++i) y.push_back(float(a[i].real()));
  return y;
}
/// Noise that falls by 60 dB in the time, behind the direct sound; one room for all channels.
Result<Wave> reverb(Wave w, int s, Random& random) {
  const double seconds = level({.2, .4, .6, .9, 1.3}, s), direct_db = level({10, 6, 3, 0, -3}, s);
  const auto n = std::min<std::size_t>(w.length(), std::size_t(seconds * w.rate_hz));
  std::vector<double> h(std::max<std::size_t>(n, 2), 0);
  double tail = 0;
  for (std::size_t i = 1; i < h.size(); ++i) h[i] = random.normal() * std::pow(10, -3 * double(i) / (seconds * w.rate_hz)), tail += h[i] * h[i];
  for (double& v : h) v *= std::sqrt(std::pow(10, -direct_db / 10) / std::max(tail, 1e-300));
  h[0] = 1;
  const double loudness = 1 / std::sqrt(1 + std::pow(10, -direct_db / 10));
  for (auto& c : w.channels) {
    c = convolved(c, h);
    for (float& v : c) v = float(v * loudness);
  }
  return w;
}
Result<Wave> clipping(Wave w, int s, Random&) {
  float peak = 0;
  for (const auto& c : w.channels) for (float v : c) peak = std::max(peak, std::abs(v));
  const auto limit = float(peak * level({.7, .5, .3, .2, .1}, s));
  for (auto& c : w.channels) for (float& v : c) v = std::clamp(v, -limit, limit);
  return w;
}
/// A windowed sinc (Hamming) of at least 129 taps and of 8 periods of the cutoff, which is a share of half the rate: it is half as loud there, however low.
std::vector<float> low(std::span<const float> x, double cutoff) {
  const int half = std::max(64, int(std::ceil(8 / cutoff)));
  std::vector<double> taps(std::size_t(2 * half + 1));
  double sum = 0;
  for (int i = -half; i <= half; ++i) {
    const double sinc = i == 0 ? cutoff : std::sin(std::numbers::pi * cutoff * i) / (std::numbers::pi * i);
    sum += taps[std::size_t(i + half)] = sinc * (0.54 + 0.46 * std::cos(std::numbers::pi * i / half));
  }
  std::vector<float> y(x.size());
  for (std::size_t k = 0; k < x.size(); ++k) {
    double v = 0;
    for (int i = -half; i <= half; ++i) {
      const auto from = std::int64_t(k) - i;
      if (from >= 0 && from < std::int64_t(x.size())) v += taps[std::size_t(i + half)] * x[std::size_t(from)];
    }
    y[k] = float(v / sum);
  }
  return y;
}
Result<Wave> low_pass(Wave w, int s, Random&) {
  for (auto& c : w.channels) c = low(c, level({.8, .6, .45, .3, .2}, s));
  return w;
}
Result<Wave> high_pass(Wave w, int s, Random&) {
  for (auto& c : w.channels) {
    const auto below = low(c, level({.01, .02, .04, .08, .15}, s));
    for (std::size_t i = 0; i < c.size(); ++i) c[i] -= below[i];
  }
  return w;
}

/// Element i is what stands at `rate` * i, by cubic interpolation (Catmull-Rom); zeros behind the end.
std::vector<float> paced(std::span<const float> x, double rate, std::size_t length) {
  const auto at = [&](std::int64_t i) { return i >= 0 && i < std::int64_t(x.size()) ? double(x[std::size_t(i)]) : 0.0; };
  std::vector<float> y(length, 0);
  for (std::size_t i = 0; i < length; ++i) {
    const double t = rate * double(i);
    const auto k = std::int64_t(t);
    if (k >= std::int64_t(x.size())) break;
    const double f = t - double(k), a = at(k - 1), b = at(k), c = at(k + 1), d = at(k + 2);
    y[i] = float(b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a))));
  }
  return y;
}
std::vector<float> faster(std::span<const float> x, double rate, std::size_t length) {
  return rate > 1 ? paced(low(x, 1 / rate), rate, length) : paced(x, rate, length);   // what would fold down goes first
}
Result<Wave> speed(Wave w, int s, Random& random) {
  const double rate = 1 + sign(random) * level({.03, .06, .1, .15, .25}, s);
  for (auto& c : w.channels) c = faster(c, rate, c.size());
  return w;
}
/// Longer by `by` at the same pitch: frames of 40 ms overlap by half, each taken from where it fits best to what is there (WSOLA, Verhelst & Roelands 1993).
std::vector<float> stretched(const std::vector<float>& x, double by, int rate_hz) {
  const auto frame = std::max<std::int64_t>(16, rate_hz / 25 / 2 * 2), hop = frame / 2, reach = frame / 4, n = std::int64_t(x.size());
  const auto total = std::int64_t(double(n) * by);
  std::vector<float> y(std::size_t(total + 2 * frame), 0);
  std::int64_t before = 0;
  for (std::int64_t out = 0; out < total; out += hop) {
    const auto middle = std::int64_t(double(out) / by);
    std::int64_t best = std::clamp<std::int64_t>(middle, 0, std::max<std::int64_t>(0, n - frame));
    if (out > 0) {
      double top = -1e300;
      const std::int64_t follow = before + hop;   // what would come next unchanged
      for (std::int64_t k = middle - reach; k <= middle + reach; k += 2) {
        if (k < 0 || k + frame > n || follow + frame > n) continue;
        double fit = 0;
        for (std::int64_t i = 0; i < frame; i += 2) fit += double(x[std::size_t(k + i)]) * x[std::size_t(follow + i)];
        if (fit > top) top = fit, best = k;
      }
    }
    for (std::int64_t i = 0; i < frame && best + i < n; ++i) {
      const double weight = 0.5 - 0.5 * std::cos(2 * std::numbers::pi * (double(i) + 0.5) / double(frame));
      y[std::size_t(out + i)] += float(weight * x[std::size_t(best + i)]);
    }
    before = best;
  }
  y.resize(std::size_t(total));
  return y;
}
Result<Wave> pitch(Wave w, int s, Random& random) {
  const double ratio = std::pow(2, sign(random) * level({.5, 1, 2, 3, 5}, s) / 12);
  for (auto& c : w.channels) c = faster(stretched(c, ratio, w.rate_hz), ratio, c.size());
  return w;
}
Result<Wave> gain(Wave w, int s, Random& random) {
  const double by = std::pow(10, sign(random) * level({3, 6, 9, 12, 18}, s) / 20);
  for (auto& c : w.channels) for (float& v : c) v = float(v * by);
  return w;
}
Result<Wave> dropouts(Wave w, int s, Random& random) {
  const std::size_t gap = std::max<std::size_t>(1, w.rate_hz > 0 ? std::size_t(w.rate_hz) / 50 : w.length() / 50), gaps = (w.length() + gap - 1) / gap;
  const double share = level({.02, .05, .1, .2, .3}, s);
  for (std::size_t g = 0; g < gaps; ++g) {
    if (random.uniform() >= share) continue;
    for (auto& c : w.channels) std::fill(c.begin() + std::ptrdiff_t(g * gap), c.begin() + std::ptrdiff_t(std::min(c.size(), (g + 1) * gap)), 0.f);
  }
  return w;
}

constexpr std::pair<std::string_view, OfSound> kTable[] = {{"noise", noise},   {"reverb", reverb}, {"clipping", clipping}, {"low_pass", low_pass},  {"high_pass", high_pass},
                                                           {"speed", speed}, {"pitch", pitch},   {"gain", gain},         {"dropouts", dropouts}};
}  // namespace

OfSound of_sound(std::string_view name) {
  for (const auto& [key, f] : kTable) if (key == name) return f;
  return nullptr;
}
void add_noise(std::span<float> v, double square, double snr_db, Random& random) {
  const double sigma = std::sqrt(square * std::pow(10, -snr_db / 10));
  for (float& x : v) x = float(x + sigma * random.normal());
}

}  // namespace saha::corrupt
