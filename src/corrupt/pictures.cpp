// The corruptions of pictures. Constants are those of the authors' ImageNet-C for 224 pixels; lengths scale with the shorter side.
#include <algorithm>
#include <array>

#include "corrupt/plane.hpp"
#include "data/image.hpp"

namespace saha::corrupt {
namespace {
using data::Random;
using Levels = std::array<double, 5>;

double level(const Levels& by, int severity) { return by[std::size_t(severity - 1)]; }
/// Pixels at 224 as pixels of this picture.
double pixels(const Plane& p, double at_224) { return at_224 * double(std::min(p.height, p.width)) / 224; }

double poisson(double mean, Random& random) {
  if (mean > 200) return std::max(0.0, std::nearbyint(mean + std::sqrt(mean) * random.normal()));
  const double floor = std::exp(-mean);
  int n = 0;
  for (double product = random.uniform(); product > floor; product *= random.uniform()) ++n;
  return n;
}
Plane gaussian_noise(Plane p, int s, Random& random) {
  for (float& v : p.v) v += float(level({.08, .12, .18, .26, .38}, s) * random.normal());
  return p;
}
Plane shot_noise(Plane p, int s, Random& random) {
  const double photons = level({60, 25, 12, 5, 3}, s);
  for (float& v : p.v) v = float(poisson(std::max(0.0, double(v)) * photons, random) / photons);
  return p;
}
Plane impulse_noise(Plane p, int s, Random& random) {
  const double share = level({.03, .06, .09, .17, .27}, s);
  for (float& v : p.v) if (random.uniform() < share) v = random.below(2) ? 1.f : 0.f;
  return p;
}

/// The share of each pixel that a disc covers, by 8 x 8 points.
Plane defocus_blur(Plane p, int s, Random&) {
  const double radius = std::max(0.5, pixels(p, level({3, 4, 6, 8, 10}, s)) + 0.25);
  const auto r = std::int64_t(std::ceil(radius));
  std::vector<double> kernel;
  double sum = 0;
  for (std::int64_t y = -r; y <= r; ++y)
    for (std::int64_t x = -r; x <= r; ++x) {
      int inside = 0;
      for (int k = 0; k < 64; ++k) inside += std::hypot(double(y) + (k / 8 - 3.5) / 8, double(x) + (k % 8 - 3.5) / 8) <= radius;
      kernel.push_back(inside), sum += inside;
    }
  for (double& k : kernel) k /= sum;
  return filtered(p, kernel, r);
}
/// Weights exp(-i^2 / 2 sigma^2) along a line that starts at the pixel.
Plane streaked(const Plane& p, double radius, double sigma, double angle) {
  Plane out = like(p, p.channels);
  const auto n = std::int64_t(std::ceil(2 * radius)) + 1;
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += std::exp(-double(i * i) / (2 * sigma * sigma));
  for (std::int64_t i = 0; i < n; ++i) {
    const double weight = std::exp(-double(i * i) / (2 * sigma * sigma)) / sum, dy = double(i) * std::sin(angle), dx = double(i) * std::cos(angle);
    for (std::int64_t c = 0; c < p.channels; ++c)
      for (std::int64_t y = 0; y < p.height; ++y)
        for (std::int64_t x = 0; x < p.width; ++x) out.at(c, y, x) += float(weight) * p.between(c, double(y) + dy, double(x) + dx);
  }
  return out;
}
Plane motion_blur(Plane p, int s, Random& random) {
  const double angle = (random.uniform() - 0.5) * std::numbers::pi / 2;
  return streaked(p, pixels(p, level({10, 15, 15, 15, 20}, s)), std::max(0.5, pixels(p, level({3, 5, 8, 12, 15}, s))), angle);
}
Plane gaussian_blur(Plane p, int s, Random&) { return blurred(p, pixels(p, level({1, 2, 3, 4, 6}, s))); }

struct Hsv { double h, s, v; };
Hsv hsv(double r, double g, double b) {
  const double v = std::max({r, g, b}), d = v - std::min({r, g, b});
  if (d <= 0) return {0, 0, v};
  const double h = v == r ? std::fmod((g - b) / d + 6, 6) : v == g ? (b - r) / d + 2 : (r - g) / d + 4;
  return {h, d / v, v};
}
std::array<double, 3> rgb(const Hsv& c) {
  const auto part = [&](double n) {
    const double k = std::fmod(n + c.h, 6);
    return c.v - c.v * c.s * std::max(0.0, std::min({k, 4 - k, 1.0}));
  };
  return {part(5), part(3), part(1)};
}
template <class F> Plane by_hsv(Plane p, F&& f) {
  for (std::int64_t y = 0; y < p.height; ++y)
    for (std::int64_t x = 0; x < p.width; ++x) {
      Hsv c = p.channels == 3 ? hsv(p.at(0, y, x), p.at(1, y, x), p.at(2, y, x)) : Hsv{0, 0, p.at(0, y, x)};
      f(c);
      const auto back = rgb({c.h, std::clamp(c.s, 0.0, 1.0), std::clamp(c.v, 0.0, 1.0)});
      for (std::int64_t k = 0; k < p.channels; ++k) p.at(k, y, x) = float(back[std::size_t(k)]);
    }
  return p;
}
Plane brighter(Plane p, int s, Random&) { return by_hsv(std::move(p), [&](Hsv& c) { c.v += level({.1, .2, .3, .4, .5}, s); }); }
Plane saturate(Plane p, int s, Random&) { return by_hsv(std::move(p), [&](Hsv& c) { c.s = c.s * level({.3, .1, 2, 5, 20}, s) + level({0, 0, 0, .1, .2}, s); }); }
Plane contrast(Plane p, int s, Random&) {
  const double by = level({.4, .3, .2, .1, .05}, s);
  const std::int64_t n = p.height * p.width;
  for (std::int64_t c = 0; c < p.channels; ++c) {
    const auto channel = std::span(p.v).subspan(std::size_t(c * n), std::size_t(n));
    double mean = 0;
    for (float v : channel) mean += v / double(n);
    for (float& v : channel) v = float((v - mean) * by + mean);
  }
  return p;
}

Plane jpeg(Plane p, int s, Random&) {
  Tensor bytes = Tensor::zeros(DType::u8, {p.height, p.width, p.channels});
  for (std::int64_t c = 0; c < p.channels; ++c)
    for (std::int64_t y = 0; y < p.height; ++y)
      for (std::int64_t x = 0; x < p.width; ++x)
        bytes.as<std::uint8_t>()[(y * p.width + x) * p.channels + c] = std::uint8_t(std::nearbyint(std::clamp(double(p.at(c, y, x)), 0.0, 1.0) * 255));
  const auto packed = data::encode_jpeg(bytes, int(level({25, 18, 15, 10, 7}, s)));
  SAHA_ASSERT(packed);
  const auto back = data::decode_image(*packed, {.channels = p.channels == 3 ? data::Channels::rgb : data::Channels::gray});
  SAHA_ASSERT(back);
  for (std::int64_t c = 0; c < p.channels; ++c)
    for (std::int64_t y = 0; y < p.height; ++y)
      for (std::int64_t x = 0; x < p.width; ++x) p.at(c, y, x) = float(back->as<const std::uint8_t>()[(y * p.width + x) * p.channels + c]) / 255;
  return p;
}
/// The mean of each of round(share * side) boxes, shown in the whole box.
Plane pixelate(Plane p, int s, Random&) {
  const double share = level({.6, .5, .4, .3, .25}, s);
  const auto boxes = [&](std::int64_t side) { return std::max<std::int64_t>(1, std::int64_t(double(side) * share)); };
  const std::int64_t rows = boxes(p.height), columns = boxes(p.width);
  Plane out = like(p, p.channels);
  /// Overlap of pixel i with box k of n.
  const auto overlap = [](std::int64_t i, std::int64_t k, std::int64_t n, std::int64_t side) {
    const double low = double(k * side) / double(n), high = double((k + 1) * side) / double(n);
    return std::max(0.0, std::min(high, double(i + 1)) - std::max(low, double(i)));
  };
  for (std::int64_t c = 0; c < p.channels; ++c)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t k = 0; k < columns; ++k) {
        const std::int64_t y0 = r * p.height / rows, y1 = ((r + 1) * p.height - 1) / rows, x0 = k * p.width / columns, x1 = ((k + 1) * p.width - 1) / columns;
        double sum = 0, weight = 0;
        for (std::int64_t y = y0; y <= std::min(y1, p.height - 1); ++y)
          for (std::int64_t x = x0; x <= std::min(x1, p.width - 1); ++x) {
            const double w = overlap(y, r, rows, p.height) * overlap(x, k, columns, p.width);
            sum += w * p.at(c, y, x), weight += w;
          }
        for (std::int64_t y = 0; y < p.height; ++y) {
          if ((2 * y + 1) * rows / (2 * p.height) != r) continue;
          for (std::int64_t x = 0; x < p.width; ++x)
            if ((2 * x + 1) * columns / (2 * p.width) == k) out.at(c, y, x) = float(sum / std::max(weight, 1e-12));
        }
      }
  return out;
}

/// A cloud of the picture's size in [0, 1]: diamonds and squares whose heights fall by the square of `decay` at each halving (the authors' plasma_fractal).
Plane cloud(const Plane& p, double decay, Random& random) {
  std::int64_t side = 1;
  while (side < std::max({p.height, p.width, std::int64_t(2)})) side *= 2;
  std::vector<double> m(std::size_t(side * side), 0);
  const auto at = [&](std::int64_t y, std::int64_t x) -> double& { return m[std::size_t(((y + side) % side) * side + (x + side) % side)]; };
  double wobble = 100;
  const auto off = [&] { return wobble * wobble * (2 * random.uniform() - 1); };
  for (std::int64_t step = side; step >= 2; step /= 2, wobble /= decay) {
    const std::int64_t half = step / 2;
    for (std::int64_t y = 0; y < side; y += step)
      for (std::int64_t x = 0; x < side; x += step) at(y + half, x + half) = (at(y, x) + at(y + step, x) + at(y, x + step) + at(y + step, x + step)) / 4 + off();
    for (std::int64_t y = 0; y < side; y += half)
      for (std::int64_t x = (y / half) % 2 ? 0 : half; x < side; x += step) at(y, x) = (at(y - half, x) + at(y + half, x) + at(y, x - half) + at(y, x + half)) / 4 + off();
  }
  const auto [low, high] = std::ranges::minmax_element(m);
  const double base = *low, wide = std::max(*high - *low, 1e-12);
  Plane out = like(p, 1);
  for (std::int64_t y = 0; y < p.height; ++y)
    for (std::int64_t x = 0; x < p.width; ++x) out.at(0, y, x) = float((at(y, x) - base) / wide);
  return out;
}
Plane fog(Plane p, int s, Random& random) {
  const double thick = level({1.5, 2, 2.5, 2.5, 3}, s);
  const Plane mist = cloud(p, level({2, 2, 1.7, 1.5, 1.4}, s), random);
  const double top = *std::ranges::max_element(p.v);
  for (std::int64_t c = 0; c < p.channels; ++c)
    for (std::int64_t y = 0; y < p.height; ++y)
      for (std::int64_t x = 0; x < p.width; ++x) p.at(c, y, x) = float((p.at(c, y, x) + thick * mist.at(0, y, x)) * top / std::max(top + thick, 1e-12));
  return p;
}
/// Ragged crystals where two rough clouds cross their middle, over a milky ground, bluish.
Plane frost(Plane p, int s, Random& random) {
  const double keep = level({1, .8, .7, .65, .6}, s), ice = level({.4, .6, .7, .7, .75}, s);
  const Plane a = cloud(p, 1.26, random), b = cloud(p, 1.18, random);
  constexpr double kTint[] = {0.86, 0.93, 1};
  for (std::int64_t y = 0; y < p.height; ++y)
    for (std::int64_t x = 0; x < p.width; ++x) {
      const auto crystal = [&](const Plane& q) { return 1 - std::min(1.0, std::abs(2 * double(q.at(0, y, x)) - 1) * 4); };
      const double here = std::min(1.0, 0.35 * (0.5 + a.at(0, y, x)) + 0.65 * std::max(crystal(a), crystal(b)));
      for (std::int64_t c = 0; c < p.channels; ++c) p.at(c, y, x) = float(keep * p.at(c, y, x) + ice * here * (p.channels == 3 ? kTint[c] : 0.93));
    }
  return p;
}
Plane snow(Plane p, int s, Random& random) {
  const double mean = level({.1, .2, .55, .55, .55}, s), spread = .3, zoom = level({3, 2, 4, 4.5, 2.5}, s), least = level({.5, .5, .9, .85, .85}, s), keep = level({.8, .7, .7, .65, .55}, s);
  Plane coarse = like(p, 1);
  for (float& v : coarse.v) v = float(mean + spread * random.normal());
  Plane flakes = like(p, 1);
  const double scale = std::max(1.0, zoom * std::min(1.0, pixels(p, 4)));   // flakes of a small picture stay small
  for (std::int64_t y = 0; y < p.height; ++y)
    for (std::int64_t x = 0; x < p.width; ++x) {
      const float v = coarse.between(0, double(p.height) / 2 + (double(y) - double(p.height) / 2) / scale, double(p.width) / 2 + (double(x) - double(p.width) / 2) / scale);
      flakes.at(0, y, x) = v < least ? 0 : std::min(v, 1.f);
    }
  const double angle = -std::numbers::pi / 4 - random.uniform() * std::numbers::pi / 2;
  flakes = streaked(flakes, std::max(1.0, pixels(p, level({10, 12, 12, 12, 12}, s))), std::max(0.5, pixels(p, level({4, 4, 8, 8, 12}, s))), angle);
  for (std::int64_t y = 0; y < p.height; ++y)
    for (std::int64_t x = 0; x < p.width; ++x) {
      const double gray = p.channels == 3 ? .299 * p.at(0, y, x) + .587 * p.at(1, y, x) + .114 * p.at(2, y, x) : p.at(0, y, x);
      const double fallen = flakes.at(0, y, x) + flakes.at(0, p.height - 1 - y, p.width - 1 - x);
      for (std::int64_t c = 0; c < p.channels; ++c) p.at(c, y, x) = float(keep * p.at(c, y, x) + (1 - keep) * std::max(double(p.at(c, y, x)), gray * 1.5 + 0.5) + fallen);
    }
  return p;
}
/// Beyond the border the picture comes back: a place within it, the border pixel's middle counted once.
double mirrored(double at, std::int64_t n) {
  const double wide = 2 * std::max(1.0, double(n - 1)), from = std::abs(std::remainder(at, wide));
  return std::min(from, double(n - 1));
}
/// A random affine map of three points, then a smooth field of shifts.
Plane elastic(Plane p, int s, Random& random) {
  const double side = double(std::min(p.height, p.width));
  const double alpha = side * level({2, 2, .05, .07, .12}, s), sigma = side * level({.7, .08, .01, .01, .01}, s), affine = side * level({.1, .2, .02, .02, .02}, s);
  const double cy = double(p.height) / 2, cx = double(p.width) / 2, r = side / 3;
  // Three corners of a square go to places up to `affine` away; the map back is solved for.
  const double from[3][2] = {{cx + r, cy + r}, {cx + r, cy - r}, {cx - r, cy - r}};
  double to[3][2];
  for (int i = 0; i < 3; ++i)
    for (int k = 0; k < 2; ++k) to[i][k] = from[i][k] + affine * (2 * random.uniform() - 1);
  const double ux = to[1][0] - to[0][0], uy = to[1][1] - to[0][1], vx = to[2][0] - to[1][0], vy = to[2][1] - to[1][1], det = ux * vy - uy * vx;
  const double by = std::abs(det) < 1e-9 ? 0 : 1 / det;
  Plane dx = like(p, 1), dy = like(p, 1);
  for (float& v : dx.v) v = float(2 * random.uniform() - 1);
  for (float& v : dy.v) v = float(2 * random.uniform() - 1);
  dx = blurred(dx, std::max(sigma, 0.3), Border::mirrored), dy = blurred(dy, std::max(sigma, 0.3), Border::mirrored);
  Plane out = like(p, p.channels);
  for (std::int64_t y = 0; y < p.height; ++y)
    for (std::int64_t x = 0; x < p.width; ++x) {
      const double qx = double(x) + alpha * dx.at(0, y, x), qy = double(y) + alpha * dy.at(0, y, x);
      const double a = by * ((qx - to[0][0]) * vy - (qy - to[0][1]) * vx), b = by * ((qy - to[0][1]) * ux - (qx - to[0][0]) * uy);
      const double sx = by == 0 ? qx : from[0][0] + a * (from[1][0] - from[0][0]) + b * (from[2][0] - from[1][0]), sy = by == 0 ? qy : from[0][1] + a * (from[1][1] - from[0][1]) + b * (from[2][1] - from[1][1]);
      for (std::int64_t c = 0; c < p.channels; ++c) out.at(c, y, x) = p.between(c, mirrored(sy, p.height), mirrored(sx, p.width));
    }
  return out;
}

constexpr std::pair<std::string_view, OfPicture> kTable[] = {
    {"gaussian_noise", gaussian_noise}, {"shot_noise", shot_noise}, {"impulse_noise", impulse_noise}, {"defocus_blur", defocus_blur}, {"motion_blur", motion_blur},
    {"gaussian_blur", gaussian_blur},   {"brighter", brighter},     {"contrast", contrast},           {"saturate", saturate},         {"jpeg", jpeg},
    {"pixelate", pixelate},             {"fog", fog},               {"frost", frost},                 {"snow", snow},                 {"elastic", elastic},
};
}  // namespace

OfPicture of_picture(std::string_view name) {
  for (const auto& [key, f] : kTable) if (key == name) return f;
  return nullptr;
}

float Plane::between(std::int64_t c, double y, double x) const {
  y = std::clamp(y, 0.0, double(height - 1)), x = std::clamp(x, 0.0, double(width - 1));
  const auto y0 = std::int64_t(y), x0 = std::int64_t(x);
  const auto fy = float(y - double(y0)), fx = float(x - double(x0));
  const float upper = near(c, y0, x0) * (1 - fx) + near(c, y0, x0 + 1) * fx, lower = near(c, y0 + 1, x0) * (1 - fx) + near(c, y0 + 1, x0 + 1) * fx;
  return upper * (1 - fy) + lower * fy;
}
Plane like(const Plane& p, std::int64_t channels) { return {p.height, p.width, channels, std::vector<float>(std::size_t(channels * p.height * p.width), 0)}; }
Plane filtered(const Plane& p, const std::vector<double>& kernel, std::int64_t r) {
  Plane out = like(p, p.channels);
  for (std::int64_t c = 0; c < p.channels; ++c)
    for (std::int64_t y = 0; y < p.height; ++y)
      for (std::int64_t x = 0; x < p.width; ++x) {
        double sum = 0;
        for (std::int64_t dy = -r; dy <= r; ++dy)
          for (std::int64_t dx = -r; dx <= r; ++dx) sum += kernel[std::size_t((dy + r) * (2 * r + 1) + dx + r)] * p.near(c, y + dy, x + dx);
        out.at(c, y, x) = float(sum);
      }
  return out;
}
Plane blurred(const Plane& p, double sigma, Border border) {
  const auto r = std::max<std::int64_t>(1, std::int64_t(std::ceil(4 * sigma)));
  std::vector<double> weight;
  double sum = 0;
  for (std::int64_t i = -r; i <= r; ++i) weight.push_back(std::exp(-double(i * i) / (2 * sigma * sigma))), sum += weight.back();
  // Where the taps of pixel i are read: from places[i] on.
  const auto places = [&](std::int64_t n) {
    std::vector<std::int64_t> all;
    for (std::int64_t i = -r; i < n + r; ++i) {
      const std::int64_t k = ((i % (2 * n)) + 2 * n) % (2 * n);
      all.push_back(border == Border::repeated ? std::clamp<std::int64_t>(i, 0, n - 1) : k < n ? k : 2 * n - 1 - k);
    }
    return all;
  };
  const std::vector<std::int64_t> across = places(p.width), down = places(p.height);
  Plane rows = like(p, p.channels), out = rows;
  for (int pass = 0; pass < 2; ++pass) {
    const Plane& in = pass == 0 ? p : rows;
    Plane& to = pass == 0 ? rows : out;
    for (std::int64_t c = 0; c < p.channels; ++c)
      for (std::int64_t y = 0; y < p.height; ++y)
        for (std::int64_t x = 0; x < p.width; ++x) {
          double v = 0;
          for (std::int64_t i = -r; i <= r; ++i) v += weight[std::size_t(i + r)] * (pass == 0 ? in.at(c, y, across[std::size_t(x + i + r)]) : in.at(c, down[std::size_t(y + i + r)], x));
          to.at(c, y, x) = float(v / sum);
        }
  }
  return out;
}

}  // namespace saha::corrupt
