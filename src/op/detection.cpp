// Object detection: RoiAlign, MaxRoiPool, NonMaxSuppression.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "op/op_def.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {
using std::to_string;

// ---- RoiAlign(X, rois, batch_indices) ------------------------------------------------------------------------------------------------
Result<> infer_roi_align(Infer& c) {
  if (c.rank(0) != 4 || c.rank(1) != 2) return c.fail("X has rank " + to_string(c.rank(0)) + " and rois rank " + to_string(c.rank(1)) + ", 4 and 2 are needed");
  return c.give(c.dtype(0), {c.dims(1)[0], c.dims(0)[1], Dim(c.i("output_height")), Dim(c.i("output_width"))});
}
/// Four pixels and their weights; all weights 0 outside the picture.
struct Sample {
  std::array<std::int64_t, 4> at = {};
  std::array<double, 4> weight = {};
};
Sample bilinear(double y, double x, std::int64_t h, std::int64_t w) {
  if (!(y >= -1 && y <= double(h) && x >= -1 && x <= double(w))) return {};
  y = std::max(y, 0.0);
  x = std::max(x, 0.0);
  std::int64_t y0 = std::min(std::int64_t(y), h - 1), x0 = std::min(std::int64_t(x), w - 1), y1 = std::min(y0 + 1, h - 1), x1 = std::min(x0 + 1, w - 1);
  double dy = y0 == h - 1 ? 0 : y - double(y0), dx = x0 == w - 1 ? 0 : x - double(x0);
  return {{y0 * w + x0, y0 * w + x1, y1 * w + x0, y1 * w + x1}, {(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx}};
}
Result<> eval_roi_align(Eval& c) {
  const Tensor &x = c.x(0), &rois = c.x(1);
  Dims batch = c.ints(2);
  if (x.rank() != 4 || rois.rank() != 2 || rois.dims[1] != 4 || std::int64_t(batch.size()) != rois.dims[0]) return c.fail("X is " + str(x.dims) + ", rois are " + str(rois.dims) + ", batch_indices " + str(c.x(2).dims));
  std::string mode = c.s("mode"), coordinates = c.s("coordinate_transformation_mode");
  if (mode != "avg" && mode != "max") return c.fail("mode '" + mode + "' is not avg or max");
  if (coordinates != "half_pixel" && coordinates != "output_half_pixel") return c.fail("coordinate_transformation_mode '" + coordinates + "' is not half_pixel or output_half_pixel");
  bool half = coordinates == "half_pixel";
  std::int64_t ph = c.i("output_height"), pw = c.i("output_width"), channels = x.dims[1], h = x.dims[2], w = x.dims[3];
  if (ph < 1 || pw < 1 || h < 1 || w < 1) return c.fail("an output of " + to_string(ph) + " x " + to_string(pw) + " from a picture of " + to_string(h) + " x " + to_string(w));
  double scale = c.f("spatial_scale"), ratio = double(c.i("sampling_ratio"));
  SAHA_TRY(Tensor y, c.make(x.dtype, {rois.dims[0], channels, ph, pw}));
  if (y.size() == 0) return c.give(std::move(y));
  std::vector<double> v = values<double>(x), box = values<double>(rois), out(static_cast<std::size_t>(y.size()));
  std::vector<Sample> samples;
  for (std::size_t n = 0; n < batch.size(); ++n) {
    if (batch[n] < 0 || batch[n] >= x.dims[0]) return c.fail("batch index " + to_string(batch[n]) + " lies outside a batch of " + to_string(x.dims[0]));
    double shift = half ? 0.5 : 0, left = box[4 * n] * scale - shift, top = box[4 * n + 1] * scale - shift;
    double width = box[4 * n + 2] * scale - shift - left, height = box[4 * n + 3] * scale - shift - top;
    if (!half) {
      width = std::max(width, 1.0);
      height = std::max(height, 1.0);
    }
    double bin_h = height / double(ph), bin_w = width / double(pw);
    double grid_h = ratio > 0 ? ratio : std::ceil(bin_h), grid_w = ratio > 0 ? ratio : std::ceil(bin_w);
    grid_h = std::max(grid_h, 0.0);
    grid_w = std::max(grid_w, 0.0);
    if (!(grid_h * grid_w * double(ph) * double(pw) <= 1e8)) return c.fail("roi " + to_string(n) + " asks for " + to_string(grid_h) + " x " + to_string(grid_w) + " samples a bin");
    auto per = std::int64_t(grid_h) * std::int64_t(grid_w);
    SAHA_DO(c.spend(4 * double(per) * double(ph) * double(pw) * double(channels)));
    samples.clear();
    for (std::int64_t i = 0; i < ph; ++i)
      for (std::int64_t j = 0; j < pw; ++j)
        for (std::int64_t p = 0; p < std::int64_t(grid_h); ++p)
          for (std::int64_t q = 0; q < std::int64_t(grid_w); ++q)
            samples.push_back(bilinear(top + double(i) * bin_h + (double(p) + 0.5) * bin_h / grid_h, left + double(j) * bin_w + (double(q) + 0.5) * bin_w / grid_w, h, w));
    for (std::int64_t ch = 0; ch < channels; ++ch) {
      const double* plane = v.data() + (batch[n] * channels + ch) * h * w;
      double* to = out.data() + (std::int64_t(n) * channels + ch) * ph * pw;
      for (std::int64_t bin = 0; bin < ph * pw; ++bin) {
        double sum = 0, most = 0;
        for (std::int64_t k = 0; k < per; ++k) {
          const Sample& s = samples[std::size_t(bin * per + k)];
          double biggest = -std::numeric_limits<double>::infinity();
          for (std::size_t e = 0; e < 4; ++e) {
            double term = s.weight[e] * plane[s.at[e]];
            sum += term;
            biggest = std::max(biggest, term);  // max is taken of the weighted pixels, as the specification's reference does
          }
          most = k == 0 ? biggest : std::max(most, biggest);
        }
        to[bin] = mode == "avg" ? sum / double(std::max<std::int64_t>(per, 1)) : most;
      }
    }
  }
  fill(y, std::span<const double>(out));
  return c.give(std::move(y));
}

// ---- MaxRoiPool(X, rois) ---------------------------------------------------------------------------------------------------------
template <class C> Result<Dims> pooled_shape(const C& c) {
  Dims p = c.is("pooled_shape");
  if (p.size() != 2 || p[0] < 1 || p[1] < 1) return c.fail("pooled_shape is " + str(p) + ", two sizes are needed");
  return p;
}
Result<> infer_max_roi_pool(Infer& c) {
  SAHA_TRY(Dims p, pooled_shape(c));
  if (c.rank(0) != 4 || c.rank(1) != 2) return c.fail("X has rank " + to_string(c.rank(0)) + " and rois rank " + to_string(c.rank(1)) + ", 4 and 2 are needed");
  return c.give(c.dtype(0), {c.dims(1)[0], c.dims(0)[1], Dim(p[0]), Dim(p[1])});
}
Result<> eval_max_roi_pool(Eval& c) {
  const Tensor &x = c.x(0), &rois = c.x(1);
  SAHA_TRY(Dims p, pooled_shape(c));
  if (x.rank() != 4 || rois.rank() != 2 || rois.dims[1] != 5) return c.fail("X is " + str(x.dims) + ", rois are " + str(rois.dims));
  std::int64_t channels = x.dims[1], h = x.dims[2], w = x.dims[3];
  SAHA_TRY(Tensor y, c.make(x.dtype, {rois.dims[0], channels, p[0], p[1]}));
  std::vector<double> v = values<double>(x), box = values<double>(rois), out(static_cast<std::size_t>(y.size()));
  double scale = c.f("spatial_scale");
  for (std::int64_t n = 0; n < rois.dims[0]; ++n) {
    const double* r = box.data() + n * 5;
    if (!(r[0] >= 0 && r[0] < double(x.dims[0]))) return c.fail("roi " + to_string(n) + " names picture " + to_string(r[0]) + " of " + to_string(x.dims[0]));
    for (int k = 1; k < 5; ++k) if (!(std::abs(r[k] * scale) < 1e9)) return c.fail("roi " + to_string(n) + " has the coordinate " + to_string(r[k]));
    double left = std::round(r[1] * scale), top = std::round(r[2] * scale);
    double width = std::max(std::round(r[3] * scale) - left + 1, 1.0), height = std::max(std::round(r[4] * scale) - top + 1, 1.0);
    auto range = [](std::int64_t i, double start, double size, std::int64_t parts, std::int64_t n_max) {
      double bin = size / double(parts);
      auto lo = std::int64_t(std::floor(double(i) * bin) + start), hi = std::int64_t(std::ceil(double(i + 1) * bin) + start);
      return std::pair(std::clamp<std::int64_t>(lo, 0, n_max), std::clamp<std::int64_t>(hi, 0, n_max));
    };
    SAHA_DO(c.spend(double(channels) * double(h + p[0]) * double(w + p[1])));   // each element is in few bins
    for (std::int64_t ch = 0; ch < channels; ++ch) {
      const double* plane = v.data() + (std::int64_t(r[0]) * channels + ch) * h * w;
      for (std::int64_t i = 0; i < p[0]; ++i)
        for (std::int64_t j = 0; j < p[1]; ++j) {
          auto [y0, y1] = range(i, top, height, p[0], h);
          auto [x0, x1] = range(j, left, width, p[1], w);
          bool any = y0 < y1 && x0 < x1;
          double most = any ? -std::numeric_limits<double>::infinity() : 0;
          for (std::int64_t a = y0; a < y1; ++a) for (std::int64_t b = x0; b < x1; ++b) most = std::max(most, plane[a * w + b]);
          out[std::size_t(((n * channels + ch) * p[0] + i) * p[1] + j)] = most;
        }
    }
  }
  fill(y, std::span<const double>(out));
  return c.give(std::move(y));
}

// ---- NonMaxSuppression(boxes, scores, max_output_boxes_per_class?, iou_threshold?, score_threshold?) ------------------------------------
Result<> infer_nms(Infer& c) {
  if (c.rank(0) != 3 || c.rank(1) != 3) return c.fail("boxes have rank " + to_string(c.rank(0)) + " and scores rank " + to_string(c.rank(1)) + ", 3 is needed");
  return c.give(DType::i64, {c.fresh("selected"), Dim(3)});
}
struct Box { float x0, y0, x1, y1; };
Box box_at(const float* b, bool center) {
  if (center) return {b[0] - b[2] / 2, b[1] - b[3] / 2, b[0] + b[2] / 2, b[1] + b[3] / 2};
  return {std::min(b[1], b[3]), std::min(b[0], b[2]), std::max(b[1], b[3]), std::max(b[0], b[2])};
}
/// Intersection over union, in float32 as the operator's dtype: thresholds are often met exactly.
float overlap(const Box& a, const Box& b) {
  float w = std::min(a.x1, b.x1) - std::max(a.x0, b.x0), h = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  if (!(w > 0 && h > 0)) return 0;
  float both = w * h, area_a = (a.x1 - a.x0) * (a.y1 - a.y0), area_b = (b.x1 - b.x0) * (b.y1 - b.y0), all = area_a + area_b - both;
  return area_a > 0 && area_b > 0 && all > 0 ? both / all : 0;
}
Result<> eval_nms(Eval& c) {
  const Tensor &boxes = c.x(0), &scores = c.x(1);
  if (boxes.rank() != 3 || scores.rank() != 3 || boxes.dims[2] != 4 || boxes.dims[0] != scores.dims[0] || boxes.dims[1] != scores.dims[2]) return c.fail("boxes are " + str(boxes.dims) + ", scores " + str(scores.dims));
  auto one = [&](std::size_t i) { return c.has(i) && c.x(i).size() > 0; };
  std::int64_t most = one(2) ? std::max<std::int64_t>(0, c.x(2).int_at(0)) : 0, n = boxes.dims[1];
  float iou = one(3) ? float(c.x(3).at(0)) : 0;
  std::vector<std::int64_t> selected, order;
  std::vector<Box> kept, all(static_cast<std::size_t>(n));
  for (std::int64_t b = 0; b < boxes.dims[0]; ++b) {
    for (std::int64_t i = 0; i < n; ++i) all[std::size_t(i)] = box_at(boxes.as<const float>() + (b * n + i) * 4, c.i("center_point_box") != 0);
    for (std::int64_t k = 0; k < scores.dims[1] && most > 0; ++k) {
      const float* s = scores.as<const float>() + (b * scores.dims[1] + k) * n;
      order.clear();
      for (std::int64_t i = 0; i < n; ++i) if (!std::isnan(s[i]) && (!one(4) || s[i] > float(c.x(4).at(0)))) order.push_back(i);
      std::stable_sort(order.begin(), order.end(), [s](std::int64_t p, std::int64_t q) { return s[p] > s[q]; });
      kept.clear();
      for (std::int64_t i : order) {
        if (std::int64_t(kept.size()) == most) break;
        SAHA_DO(c.spend(8 * double(kept.size())));
        const Box& box = all[std::size_t(i)];
        if (std::any_of(kept.begin(), kept.end(), [&](const Box& o) { return overlap(box, o) > iou; })) continue;
        kept.push_back(box);
        selected.insert(selected.end(), {b, k, i});
      }
    }
  }
  return c.give(Tensor::of_ints(selected).reshaped({std::int64_t(selected.size()) / 3, 3}));
}

constexpr OpDef kOps[] = {
    {.name = "RoiAlign", .since_version = 22, .signature = "(X: T, rois: T, batch_indices: int64) -> (Y: T) where T: float | coordinate_transformation_mode: string = half_pixel, mode: string = avg, output_height: int = 1, output_width: int = 1, sampling_ratio: int = 0, spatial_scale: float = 1",
     .infer = infer_roi_align, .eval = eval_roi_align, .rounding = ErrorModel::dot},
    {.name = "MaxRoiPool", .since_version = 22, .signature = "(X: T, rois: T) -> (Y: T) where T: float | pooled_shape: ints, spatial_scale: float = 1", .infer = infer_max_roi_pool, .eval = eval_max_roi_pool},
    {.name = "NonMaxSuppression", .since_version = 11, .signature = "(boxes: float32, scores: float32, max_output_boxes_per_class: int64?, iou_threshold: float32?, score_threshold: float32?) -> (selected_indices: int64) | center_point_box: int = 0",
     .traits = kDataShape, .infer = infer_nms, .eval = eval_nms, .no_gradient = "the result is a list of indices", .no_bounds = "its size depends on which boxes overlap"},
};
}  // namespace

std::span<const OpDef> detection() { return kOps; }

}  // namespace saha::op
