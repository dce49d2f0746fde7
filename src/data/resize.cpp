// The rules, each after its owner's source: OpenCV imgproc/resize.cpp, Pillow Resample.c and Geometry.c, TensorFlow resize_bilinear_op and
// scale_and_translate_op, PyTorch UpSample.h and UpSampleKernel. All are separable: a table of taps a direction, then two passes.
#include "data/resize.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

namespace saha::data {
namespace {

using Pixel = std::uint8_t;
constexpr std::int64_t kMaxSide = 1 << 20;

// ---- taps ---------------------------------------------------------------------------------------------------------------------
// Output i is the sum of weight[k] * input[first[i] + k], k < count[i]; weights lie `width` apart.
template <class W> struct Taps {
  std::int64_t width = 0;
  std::vector<std::int64_t> first, count;
  std::vector<W> weight;
  Taps(std::int64_t outputs, std::int64_t taps) : width(taps), first(std::size_t(outputs)), count(std::size_t(outputs), taps), weight(std::size_t(outputs * taps)) {}
  W* at(std::int64_t i) { return weight.data() + i * width; }
  const W* at(std::int64_t i) const { return weight.data() + i * width; }
};

double triangle(double x) { x = std::abs(x); return x < 1 ? 1 - x : 0; }
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}
double sinc(double x) { return x == 0 ? 1 : std::sin(x * M_PI) / (x * M_PI); }
double lanczos(double x) { return -3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

// ---- Pillow: kernel widened when shrinking, weights in 22-bit fixed point --------------------------------------------------------
constexpr int kPilBits = 32 - 8 - 2;
using Kernel = double (*)(double);

Taps<std::int32_t> pil_taps(std::int64_t in, std::int64_t out, Kernel kernel, double radius) {
  const double scale = double(in) / double(out), widened = std::max(scale, 1.0), support = radius * widened, inverse = 1.0 / widened;
  const auto width = std::int64_t(std::ceil(support)) * 2 + 1;
  Taps<std::int32_t> taps(out, width);
  std::vector<double> w(static_cast<std::size_t>(width));
  for (std::int64_t i = 0; i < out; ++i) {
    const double center = (double(i) + 0.5) * scale;
    const auto lo = std::max<std::int64_t>(0, std::int64_t(center - support + 0.5)), n = std::min<std::int64_t>(in, std::int64_t(center + support + 0.5)) - lo;
    double sum = 0;
    for (std::int64_t k = 0; k < n; ++k) sum += w[std::size_t(k)] = kernel((double(k + lo) - center + 0.5) * inverse);
    for (std::int64_t k = 0; k < n; ++k) {
      double v = sum != 0 ? w[std::size_t(k)] / sum : w[std::size_t(k)];
      v *= double(1 << kPilBits);
      taps.at(i)[k] = std::int32_t(v < 0 ? v - 0.5 : v + 0.5);
    }
    taps.first[std::size_t(i)] = lo, taps.count[std::size_t(i)] = n;
  }
  return taps;
}
Pixel pil_round(std::int32_t v) { return Pixel(std::clamp(v >> kPilBits, 0, 255)); }

Tensor pil_width(const Tensor& image, std::int64_t width, Kernel kernel, double radius) {
  const std::int64_t h = image.dims[0], w = image.dims[1], c = image.dims[2];
  const auto taps = pil_taps(w, width, kernel, radius);
  Tensor out = Tensor::zeros(DType::u8, {h, width, c});
  for (std::int64_t y = 0; y < h; ++y) {
    const Pixel* from = image.as<const Pixel>() + y * w * c;
    Pixel* to = out.as<Pixel>() + y * width * c;
    for (std::int64_t x = 0; x < width; ++x)
      for (std::int64_t k = 0; k < c; ++k) {
        std::int32_t sum = 1 << (kPilBits - 1);
        const Pixel* p = from + taps.first[std::size_t(x)] * c + k;
        for (std::int64_t t = 0; t < taps.count[std::size_t(x)]; ++t) sum += taps.at(x)[t] * p[t * c];
        to[x * c + k] = pil_round(sum);
      }
  }
  return out;
}
Tensor pil_height(const Tensor& image, std::int64_t height, Kernel kernel, double radius) {
  const std::int64_t row = image.dims[1] * image.dims[2];
  const auto taps = pil_taps(image.dims[0], height, kernel, radius);
  Tensor out = Tensor::zeros(DType::u8, {height, image.dims[1], image.dims[2]});
  std::vector<std::int32_t> sums(static_cast<std::size_t>(row));
  for (std::int64_t y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), 1 << (kPilBits - 1));
    for (std::int64_t t = 0; t < taps.count[std::size_t(y)]; ++t) {
      const Pixel* p = image.as<const Pixel>() + (taps.first[std::size_t(y)] + t) * row;
      for (std::int64_t e = 0; e < row; ++e) sums[std::size_t(e)] += taps.at(y)[t] * p[e];
    }
    for (std::int64_t e = 0; e < row; ++e) out.as<Pixel>()[y * row + e] = pil_round(sums[std::size_t(e)]);
  }
  return out;
}
bool pillow_rows_first(std::int64_t lost_rows, std::int64_t lost_columns) { return lost_rows > 0 && lost_rows > 2 * lost_columns; }
Tensor pil_resize(const Tensor& image, std::int64_t height, std::int64_t width, Kernel kernel, double radius) {
  // Rounding between the passes makes their order matter. Pillow before 13 always began with the width.
  const std::int64_t lost_rows = image.dims[0] - height, lost_columns = image.dims[1] - width;
  const bool rows_first = pillow_rows_first(lost_rows, lost_columns);
  Tensor t = image;
  if (rows_first) t = pil_height(t, height, kernel, radius);
  if (lost_columns != 0) t = pil_width(t, width, kernel, radius);  // a pass that changes nothing is left out
  if (!rows_first && lost_rows != 0) t = pil_height(t, height, kernel, radius);
  return t;
}

// ---- one source position an output ----------------------------------------------------------------------------------------------
std::vector<std::int64_t> pil_nearest(std::int64_t in, std::int64_t out) {
  std::vector<std::int64_t> at;
  const double s = double(in) / double(out);
  double x = s * 0.5;
  for (std::int64_t i = 0; i < out; ++i, x += s) at.push_back(std::clamp<std::int64_t>(std::int64_t(x), 0, in - 1));
  return at;
}
std::vector<std::int64_t> cv_nearest(std::int64_t in, std::int64_t out) {
  std::vector<std::int64_t> at;
  const double s = 1.0 / (double(out) / double(in));
  for (std::int64_t i = 0; i < out; ++i) at.push_back(std::min<std::int64_t>(std::int64_t(std::floor(double(i) * s)), in - 1));
  return at;
}
Tensor gather(const Tensor& image, const std::vector<std::int64_t>& ys, const std::vector<std::int64_t>& xs) {
  const std::int64_t c = image.dims[2];
  Tensor out = Tensor::zeros(image.dtype, {std::int64_t(ys.size()), std::int64_t(xs.size()), c});
  Pixel* to = out.as<Pixel>();
  for (std::int64_t y : ys)
    for (std::int64_t x : xs)
      for (std::int64_t k = 0; k < c; ++k) *to++ = image.as<const Pixel>()[(y * image.dims[1] + x) * c + k];
  return out;
}

// ---- OpenCV ---------------------------------------------------------------------------------------------------------------------
struct CvTap { std::int64_t at; int w0, w1; };  // weights of `at` and the one after it, in units of 1/2048
// Along the width OpenCV drops the second tap at a border; along the height it keeps both weights and repeats the border row, which
// rounds differently: at -1 and in - 1 the caller clamps.
std::vector<CvTap> cv_taps(std::int64_t in, std::int64_t out, bool area, bool along_width) {
  constexpr float kOne = 2048;
  std::vector<CvTap> taps;
  const double inverse = double(out) / double(in), s = 1.0 / inverse;
  for (std::int64_t i = 0; i < out; ++i) {
    std::int64_t at;
    float f;
    if (area) {  // what OpenCV does for INTER_AREA when enlarging
      at = std::int64_t(std::floor(double(i) * s));
      f = float(double(i + 1) - double(at + 1) * inverse);
      f = f <= 0 ? 0.f : f - std::floor(f);
    } else {
      f = float((double(i) + 0.5) * s - 0.5);
      at = std::int64_t(std::floor(f));
      f -= float(at);
    }
    if (along_width && at < 0) at = 0, f = 0;
    if (along_width && at >= in - 1) at = in - 1, f = 0;
    taps.push_back({at, int(std::lrint((1.f - f) * kOne)), int(std::lrint(f * kOne))});
  }
  return taps;
}
Tensor cv_two_taps(const Tensor& image, std::int64_t height, std::int64_t width, bool area) {
  const std::int64_t h = image.dims[0], w = image.dims[1], c = image.dims[2], row = width * c;
  const auto xs = cv_taps(w, width, area, true), ys = cv_taps(h, height, area, false);
  Tensor out = Tensor::zeros(DType::u8, {height, width, c});
  std::array<std::vector<int>, 2> lines{std::vector<int>(std::size_t(row)), std::vector<int>(std::size_t(row))};
  std::array<std::int64_t, 2> held{-1, -1};
  const auto line = [&](std::int64_t y, std::size_t slot) {
    if (held[slot] == y) return;
    held[slot] = y;
    const Pixel* p = image.as<const Pixel>() + y * w * c;
    for (std::int64_t x = 0; x < width; ++x) {
      const CvTap& t = xs[std::size_t(x)];
      const std::int64_t next = std::min(t.at + 1, w - 1);
      for (std::int64_t k = 0; k < c; ++k) lines[slot][std::size_t(x * c + k)] = p[t.at * c + k] * t.w0 + p[next * c + k] * t.w1;
    }
  };
  for (std::int64_t y = 0; y < height; ++y) {
    const CvTap& t = ys[std::size_t(y)];
    const std::int64_t upper = std::clamp<std::int64_t>(t.at, 0, h - 1), lower = std::clamp<std::int64_t>(t.at + 1, 0, h - 1);
    if (held[1] == upper) std::swap(lines[0], lines[1]), std::swap(held[0], held[1]);
    line(upper, 0);
    line(lower, 1);
    Pixel* to = out.as<Pixel>() + y * row;
    for (std::int64_t e = 0; e < row; ++e) {
      const int a = lines[0][std::size_t(e)] >> 4, b = lines[1][std::size_t(e)] >> 4;
      to[e] = Pixel(((((t.w0 * a) >> 16) + ((t.w1 * b) >> 16)) + 2) >> 2);
    }
  }
  return out;
}
Pixel cv_round(float v) { return Pixel(std::clamp(std::lrint(v), 0L, 255L)); }

bool whole_blocks(std::int64_t h, std::int64_t w, std::int64_t height, std::int64_t width, ResizeRule rule) {
  return rule == ResizeRule::cv_linear ? h == 2 * height && w == 2 * width : rule == ResizeRule::cv_area && h % height == 0 && w % width == 0;
}
// Whole-number shrinking: the mean of a block, in integers; of 2 x 2 rounded half up.
Tensor cv_blocks(const Tensor& image, std::int64_t height, std::int64_t width) {
  const std::int64_t w = image.dims[1], c = image.dims[2], by = image.dims[0] / height, bx = w / width;
  Tensor out = Tensor::zeros(DType::u8, {height, width, c});
  const float scale = 1.f / float(by * bx);
  Pixel* to = out.as<Pixel>();
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x)
      for (std::int64_t k = 0; k < c; ++k) {
        std::int64_t sum = 0;
        for (std::int64_t dy = 0; dy < by; ++dy)
          for (std::int64_t dx = 0; dx < bx; ++dx) sum += image.as<const Pixel>()[((y * by + dy) * w + x * bx + dx) * c + k];
        *to++ = bx == 2 && by == 2 ? Pixel((sum + 2) >> 2) : cv_round(float(sum) * scale);
      }
  return out;
}
struct AreaTap { std::int64_t from, to; float weight; };
std::vector<AreaTap> cv_area_taps(std::int64_t in, std::int64_t out) {
  std::vector<AreaTap> taps;
  const double s = 1.0 / (double(out) / double(in));
  for (std::int64_t i = 0; i < out; ++i) {
    const double lo = double(i) * s, hi = lo + s, cell = std::min(s, double(in) - lo);
    auto first = std::int64_t(std::ceil(lo)), last = std::int64_t(std::floor(hi));
    last = std::min(last, in - 1);
    first = std::min(first, last);
    if (double(first) - lo > 1e-3) taps.push_back({first - 1, i, float((double(first) - lo) / cell)});
    for (std::int64_t k = first; k < last; ++k) taps.push_back({k, i, float(1.0 / cell)});
    if (hi - double(last) > 1e-3) taps.push_back({last, i, float(std::min(std::min(hi - double(last), 1.0), cell) / cell)});
  }
  return taps;
}
Tensor cv_area(const Tensor& image, std::int64_t height, std::int64_t width) {
  const std::int64_t h = image.dims[0], w = image.dims[1], c = image.dims[2], row = width * c;
  if (height > h || width > w) return cv_two_taps(image, height, width, true);
  if (whole_blocks(h, w, height, width, ResizeRule::cv_area)) return cv_blocks(image, height, width);
  const auto xs = cv_area_taps(w, width), ys = cv_area_taps(h, height);
  Tensor out = Tensor::zeros(DType::u8, {height, width, c});
  std::vector<float> line(static_cast<std::size_t>(row)), sum(static_cast<std::size_t>(row), 0.f);
  std::int64_t held = ys[0].to;
  const auto write = [&](std::int64_t y) {
    for (std::int64_t e = 0; e < row; ++e) out.as<Pixel>()[y * row + e] = cv_round(sum[std::size_t(e)]);
  };
  for (const AreaTap& t : ys) {
    std::fill(line.begin(), line.end(), 0.f);
    const Pixel* p = image.as<const Pixel>() + t.from * w * c;
    for (const AreaTap& s : xs)
      for (std::int64_t k = 0; k < c; ++k) line[std::size_t(s.to * c + k)] += float(p[s.from * c + k]) * s.weight;
    if (t.to != held) {
      write(held);
      held = t.to;
      for (std::int64_t e = 0; e < row; ++e) sum[std::size_t(e)] = t.weight * line[std::size_t(e)];
    } else {
      for (std::int64_t e = 0; e < row; ++e) sum[std::size_t(e)] += t.weight * line[std::size_t(e)];
    }
  }
  write(held);
  return out;
}
Tensor cv_linear(const Tensor& image, std::int64_t height, std::int64_t width) {
  if (whole_blocks(image.dims[0], image.dims[1], height, width, ResizeRule::cv_linear)) return cv_blocks(image, height, width);
  return cv_two_taps(image, height, width, false);
}

// ---- float32 rules ----------------------------------------------------------------------------------------------------------------
struct FloatTap { std::int64_t lo, hi; float share; };  // lerp(input[lo], input[hi], share)
std::vector<FloatTap> float_taps(std::int64_t in, std::int64_t out, ResizeRule rule) {
  std::vector<FloatTap> taps;
  const float s = rule == ResizeRule::tf1_corners && out > 1 ? float(in - 1) / float(out - 1) : float(in) / float(out);
  for (std::int64_t i = 0; i < out; ++i) {
    if (rule == ResizeRule::torch_bilinear) {
      const float x = std::max(0.f, s * (float(i) + 0.5f) - 0.5f);
      const auto lo = std::min(std::int64_t(x), in - 1);
      taps.push_back({lo, std::min(lo + 1, in - 1), std::clamp(x - float(lo), 0.f, 1.f)});
      continue;
    }
    const float x = rule == ResizeRule::tf_bilinear ? (float(i) + 0.5f) * s - 0.5f : float(i) * s, floor = std::floor(x);
    taps.push_back({std::max(std::int64_t(floor), std::int64_t{0}), std::min(std::int64_t(std::ceil(x)), in - 1), x - floor});
  }
  return taps;
}
Tensor float_two_taps(const Tensor& image, std::int64_t height, std::int64_t width, ResizeRule rule) {
  const std::int64_t w = image.dims[1], c = image.dims[2];
  const auto xs = float_taps(w, width, rule), ys = float_taps(image.dims[0], height, rule);
  Tensor out = Tensor::zeros(DType::f32, {height, width, c});
  float* to = out.as<float>();
  const bool torch = rule == ResizeRule::torch_bilinear;
  for (const FloatTap& y : ys)
    for (const FloatTap& x : xs)
      for (std::int64_t k = 0; k < c; ++k) {
        const float* p = image.as<const float>() + k;
        const float tl = p[(y.lo * w + x.lo) * c], tr = p[(y.lo * w + x.hi) * c], bl = p[(y.hi * w + x.lo) * c], br = p[(y.hi * w + x.hi) * c];
        if (torch) {
          const float top = tl * (1.f - x.share) + tr * x.share, bottom = bl * (1.f - x.share) + br * x.share;
          *to++ = top * (1.f - y.share) + bottom * y.share;
        } else {
          const float top = tl + (tr - tl) * x.share, bottom = bl + (br - bl) * x.share;
          *to++ = top + (bottom - top) * y.share;
        }
      }
  return out;
}

// TensorFlow's spans: scale_and_translate_op.cc, ComputeSpansCore, with the triangle kernel of radius 1.
Taps<float> tf_antialias_taps(std::int64_t in, std::int64_t out) {
  const float inverse_scale = 1.f / (float(out) / float(in)), kernel_scale = std::max(inverse_scale, 1.f), per_scale = 1.f / kernel_scale;
  Taps<float> taps(out, std::min<std::int64_t>(2 * std::int64_t(std::ceil(kernel_scale)) + 1, in));
  for (std::int64_t i = 0; i < out; ++i) {
    const float at = (float(i) + 0.5f) * inverse_scale;
    if (at < 0 || at > float(in)) { taps.count[std::size_t(i)] = 0; continue; }
    const auto lo = std::max<std::int64_t>(std::int64_t(std::ceil(at - kernel_scale - 0.5f)), 0);
    const auto hi = std::min<std::int64_t>(std::int64_t(std::floor(at + kernel_scale - 0.5f)), in - 1) + 1;
    const std::int64_t n = std::min(hi - lo, taps.width);
    float sum = 0;
    for (std::int64_t k = 0; k < n; ++k) {
      const float x = std::abs((float(lo + k) + 0.5f - at) * per_scale);
      sum += taps.at(i)[k] = x < 1.f ? 1.f - x : 0.f;
    }
    if (std::abs(sum) >= 1000.f * std::numeric_limits<float>::min()) {
      const float per_sum = 1.f / sum;
      for (std::int64_t k = 0; k < n; ++k) taps.at(i)[k] *= per_sum;
    }
    taps.first[std::size_t(i)] = lo, taps.count[std::size_t(i)] = n;
  }
  return taps;
}
// PyTorch's: UpSampleKernel.cpp, HelperInterpBase::_compute_indices_min_size_weights_aa.
Taps<float> torch_antialias_taps(std::int64_t in, std::int64_t out) {
  const float scale = float(in) / float(out), support = scale >= 1.f ? scale : 1.f, inverse = scale >= 1.f ? 1.f / scale : 1.f;
  Taps<float> taps(out, std::int64_t(std::ceil(support)) * 2 + 1);
  for (std::int64_t i = 0; i < out; ++i) {
    const float center = scale * (float(i) + 0.5f);
    const auto lo = std::max<std::int64_t>(std::int64_t(center - support + 0.5f), 0);
    const auto n = std::clamp<std::int64_t>(std::min<std::int64_t>(std::int64_t(center + support + 0.5f), in) - lo, 0, taps.width);
    float sum = 0;
    for (std::int64_t k = 0; k < n; ++k) sum += taps.at(i)[k] = float(triangle((float(k + lo) - center + 0.5f) * inverse));
    for (std::int64_t k = 0; k < n && sum != 0; ++k) taps.at(i)[k] /= sum;
    taps.first[std::size_t(i)] = lo, taps.count[std::size_t(i)] = n;
  }
  return taps;
}
Tensor along_width(const Tensor& image, const Taps<float>& taps) {
  const std::int64_t h = image.dims[0], w = image.dims[1], c = image.dims[2], width = std::int64_t(taps.first.size());
  Tensor out = Tensor::zeros(DType::f32, {h, width, c});
  for (std::int64_t y = 0; y < h; ++y)
    for (std::int64_t x = 0; x < width; ++x)
      for (std::int64_t k = 0; k < c; ++k) {
        float sum = 0;
        const float* p = image.as<const float>() + (y * w + taps.first[std::size_t(x)]) * c + k;
        for (std::int64_t t = 0; t < taps.count[std::size_t(x)]; ++t) sum += taps.at(x)[t] * p[t * c];
        out.as<float>()[(y * width + x) * c + k] = sum;
      }
  return out;
}
Tensor along_height(const Tensor& image, const Taps<float>& taps) {
  const std::int64_t row = image.dims[1] * image.dims[2], height = std::int64_t(taps.first.size());
  Tensor out = Tensor::zeros(DType::f32, {height, image.dims[1], image.dims[2]});
  for (std::int64_t y = 0; y < height; ++y) {
    float* to = out.as<float>() + y * row;
    for (std::int64_t t = 0; t < taps.count[std::size_t(y)]; ++t) {
      const float* p = image.as<const float>() + (taps.first[std::size_t(y)] + t) * row;
      for (std::int64_t e = 0; e < row; ++e) to[e] += taps.at(y)[t] * p[e];
    }
  }
  return out;
}

struct RuleName { ResizeRule rule; std::string_view name; };
constexpr RuleName kNames[] = {
    {ResizeRule::cv_linear, "cv-linear"}, {ResizeRule::cv_area, "cv-area"}, {ResizeRule::cv_nearest, "cv-nearest"}, {ResizeRule::pil_nearest, "pil-nearest"},
    {ResizeRule::pil_bilinear, "pil-bilinear"}, {ResizeRule::pil_bicubic, "pil-bicubic"}, {ResizeRule::pil_lanczos, "pil-lanczos"}, {ResizeRule::tf_bilinear, "tf-bilinear"},
    {ResizeRule::tf_antialias, "tf-antialias"}, {ResizeRule::tf1_bilinear, "tf1-bilinear"}, {ResizeRule::tf1_corners, "tf1-corners"},
    {ResizeRule::torch_bilinear, "torch-bilinear"}, {ResizeRule::torch_antialias, "torch-antialias"}};

// ---- the same as tables -----------------------------------------------------------------------------------------------------------
using Axis = ResizeTables::Axis;
Axis axis(std::vector<std::int64_t> at) {
  const std::size_t n = at.size();
  return {1, std::move(at), std::vector<double>(n, 1.0)};
}
template <class W> Axis axis(const Taps<W>& t) {
  Axis a{t.width, std::vector<std::int64_t>(t.weight.size()), std::vector<double>(t.weight.size())};
  for (std::size_t i = 0; i < t.first.size(); ++i)
    for (std::int64_t k = 0; k < t.count[i]; ++k) {
      const auto e = std::size_t(std::int64_t(i) * t.width + k);
      a.at[e] = t.first[i] + k, a.weight[e] = double(t.weight[e]);
    }
  return a;
}
Axis axis(const std::vector<CvTap>& taps, std::int64_t in) {
  Axis a{2, {}, {}};
  for (const CvTap& t : taps) {
    for (std::int64_t k : {t.at, t.at + 1}) a.at.push_back(std::clamp<std::int64_t>(k, 0, in - 1));
    for (int w : {t.w0, t.w1}) a.weight.push_back(w);
  }
  return a;
}
Axis axis(const std::vector<FloatTap>& taps) {
  Axis a{2, {}, {}};
  for (const FloatTap& t : taps) {
    for (std::int64_t k : {t.lo, t.hi}) a.at.push_back(k);
    for (float w : {1.f - t.share, t.share}) a.weight.push_back(double(w));
  }
  return a;
}

}  // namespace

std::string_view name(ResizeRule rule) {
  for (const RuleName& row : kNames)
    if (row.rule == rule) return row.name;
  return "";
}
std::optional<ResizeRule> resize_rule(std::string_view text) {
  for (const RuleName& row : kNames)
    if (row.name == text) return row.rule;
  return {};
}
const std::vector<ResizeRule>& resize_rules() {
  static const auto rules = [] {
    std::vector<ResizeRule> all;
    for (const RuleName& row : kNames) all.push_back(row.rule);
    return all;
  }();
  return rules;
}
bool is_8bit(ResizeRule rule) { return rule <= ResizeRule::pil_lanczos; }

ResizeTables resize_tables(std::int64_t h, std::int64_t w, std::int64_t height, std::int64_t width, ResizeRule rule) {
  using Form = ResizeTables::Form;
  const auto pillow = [&](Kernel kernel, double radius) {
    return ResizeTables{Form::pillow, pillow_rows_first(h - height, w - width), axis(pil_taps(h, height, kernel, radius)), axis(pil_taps(w, width, kernel, radius))};
  };
  const bool same = h == height && w == width;
  switch (rule) {
    case ResizeRule::cv_nearest: return {Form::pick, false, axis(cv_nearest(h, height)), axis(cv_nearest(w, width))};
    case ResizeRule::pil_nearest: return {Form::pick, false, axis(pil_nearest(h, height)), axis(pil_nearest(w, width))};
    case ResizeRule::pil_bilinear: return same ? ResizeTables{} : pillow(triangle, 1);
    case ResizeRule::pil_bicubic: return same ? ResizeTables{} : pillow(cubic, 2);
    case ResizeRule::pil_lanczos: return same ? ResizeTables{} : pillow(lanczos, 3);
    case ResizeRule::tf_antialias: return {Form::weighted, true, axis(tf_antialias_taps(h, height)), axis(tf_antialias_taps(w, width))};
    case ResizeRule::torch_antialias: return {Form::weighted, false, axis(torch_antialias_taps(h, height)), axis(torch_antialias_taps(w, width))};
    case ResizeRule::cv_linear:
    case ResizeRule::cv_area: {
      if (same) return {};
      if (whole_blocks(h, w, height, width, rule)) return {Form::blocks, false, {}, {}};
      const bool area = rule == ResizeRule::cv_area;
      if (area && height <= h && width <= w) return {Form::ordered, false, {}, {}};
      return {Form::opencv, false, axis(cv_taps(h, height, area, false), h), axis(cv_taps(w, width, area, true), w)};
    }
    default: return {Form::lerp, true, axis(float_taps(h, height, rule)), axis(float_taps(w, width, rule))};
  }
}

Result<Tensor> resize(const Tensor& image, std::int64_t height, std::int64_t width, ResizeRule rule) {
  const std::string what = "resize " + std::string(name(rule)) + ": ";
  if (image.rank() != 3 || image.size() == 0 || image.dims[2] > 4 || (image.dtype != DType::u8 && image.dtype != DType::f32))
    return Error{ErrorCode::invalid_argument, what + "a picture is uint8 or float32 [height, width, channels], not " + std::string(saha::name(image.dtype)) + str(image.dims)};
  if (height < 1 || width < 1 || height > kMaxSide || width > kMaxSide || image.dims[0] > kMaxSide || image.dims[1] > kMaxSide || height * width > (std::int64_t{1} << 30))
    return Error{ErrorCode::invalid_argument, what + "from " + str(image.dims) + " to [" + std::to_string(height) + ", " + std::to_string(width) + "] is not possible"};
  if (is_8bit(rule) && image.dtype != DType::u8) return Error{ErrorCode::invalid_argument, what + "works on uint8; put it before scale and normalize"};
  switch (rule) {
    case ResizeRule::cv_linear: return height == image.dims[0] && width == image.dims[1] ? image : cv_linear(image, height, width);
    case ResizeRule::cv_area: return height == image.dims[0] && width == image.dims[1] ? image : cv_area(image, height, width);
    case ResizeRule::cv_nearest: return gather(image, cv_nearest(image.dims[0], height), cv_nearest(image.dims[1], width));
    case ResizeRule::pil_nearest: return gather(image, pil_nearest(image.dims[0], height), pil_nearest(image.dims[1], width));
    case ResizeRule::pil_bilinear: return pil_resize(image, height, width, triangle, 1);
    case ResizeRule::pil_bicubic: return pil_resize(image, height, width, cubic, 2);
    case ResizeRule::pil_lanczos: return pil_resize(image, height, width, lanczos, 3);
    default: break;
  }
  Tensor real = image;
  if (image.dtype == DType::u8) {
    real = Tensor::zeros(DType::f32, image.dims);
    for (std::int64_t i = 0; i < image.size(); ++i) real.as<float>()[i] = float(image.as<const Pixel>()[i]);
  }
  if (rule == ResizeRule::tf_antialias) return along_width(along_height(real, tf_antialias_taps(image.dims[0], height)), tf_antialias_taps(image.dims[1], width));
  if (rule == ResizeRule::torch_antialias) return along_height(along_width(real, torch_antialias_taps(image.dims[1], width)), torch_antialias_taps(image.dims[0], height));
  return float_two_taps(real, height, width, rule);
}

}  // namespace saha::data
