// Layers that sample pictures at other places: resizing and grids.
#include <algorithm>
#include <cmath>

#include "formats/openvino/layers.hpp"

namespace saha::openvino {
namespace {
using std::to_string;

Ints resized_axes(Site& s, std::size_t operand) {
  Ints axes;
  if (s.has(operand)) axes = s.ints(operand, "axes");
  else for (std::size_t i = 0; i < s.rank(); ++i) axes.push_back(std::int64_t(i));
  for (std::int64_t& a : axes) a = std::int64_t(s.axis(a, s.rank()));
  return axes;
}
/// Operands of set 4: data, sizes, scales, axes; of set 11: data, sizes or scales, axes.
Vals interpolate(Site& s) {
  if (s.b.failed()) return {};
  const bool newer = s.row.since >= 11, by_scales = s.s("shape_calculation_mode", "sizes") == "scales";
  const std::size_t amount = newer ? 1 : by_scales ? 2 : 1, at_axes = newer ? 2 : 3;
  if (!s.has(amount)) { s.fail("has no operand " + to_string(amount)); return {}; }
  const Ints axes = resized_axes(s, at_axes);
  Val x = s.in[0];
  const Ints before = filled(s.is("pads_begin"), s.rank(), 0), after = filled(s.is("pads_end"), s.rank(), 0);
  if (!all_of(before, 0) || !all_of(after, 0)) {
    Ints pads = before;
    pads.insert(pads.end(), after.begin(), after.end());
    x = s.op("Pad", {x, s.b.ints(pads)});
  }
  const std::string mode = s.s("mode", "nearest");
  std::string coordinates = s.s("coordinate_transformation_mode", "half_pixel"), nearest = s.s("nearest_mode", "round_prefer_floor");
  if (mode.find("pillow") != mode.npos) { s.unsupported("mode '" + mode + "' is not taken", "nearest, linear, linear_onnx and cubic are"); return {}; }
  if (nearest == "simple") nearest = "floor";   // but ceil where it shrinks
  if (s.s("nearest_mode") == "simple" && mode == "nearest") {
    auto scales = by_scales ? constant_behind(s.b, s.in[amount]) : nullptr;
    auto sizes = by_scales ? std::nullopt : s.known(amount);
    bool known = scales || sizes, up = false, down = false;
    for (std::size_t i = 0; i < axes.size() && known; ++i) {
      const std::int64_t n = extent(s.type(0), std::size_t(axes[i]));
      if (sizes && (n < 1 || i >= sizes->size())) { known = false; break; }
      const double scale = sizes ? double((*sizes)[i]) / double(n) : i < std::size_t(scales->size()) ? scales->at(std::int64_t(i)) : 1;
      up |= scale > 1;
      down |= scale < 1;
    }
    if (!known || (up && down)) { s.unsupported("nearest_mode 'simple' is taken where all axes are known to grow, or all to shrink"); return {}; }
    if (down) nearest = "ceil";
  }
  if (coordinates == "tf_half_pixel_for_nn") {   // (x + 1/2) / scale: half a pixel more than half_pixel, so that its floor is the nearest
    if (mode != "nearest" || nearest != "floor") { s.unsupported("coordinate_transformation_mode 'tf_half_pixel_for_nn' is taken with modes nearest and floor only"); return {}; }
    coordinates = "half_pixel";
    nearest = "round_prefer_ceil";
  }
  Attrs a = {{"axes", axes}, {"mode", std::string(mode == "cubic" ? "cubic" : mode == "nearest" ? "nearest" : "linear")}, {"coordinate_transformation_mode", coordinates}, {"nearest_mode", nearest},
             {"cubic_coeff_a", float(s.f("cube_coeff", -0.75))}, {"antialias", std::int64_t(s.flag("antialias") && mode == "linear")}};
  if (by_scales) return {s.op("Resize", {x, {}, s.op_cast(s.in[amount], DType::f32)}, a)};
  return {s.op("Resize", {x, {}, {}, s.wide(amount)}, a)};
}
/// Operands: data, sizes of `axes`.
Vals old_interpolate(Site& s) {
  const std::string mode = s.s("mode", "nearest");
  if (mode != "nearest" && mode != "linear") { s.unsupported("mode '" + mode + "' of opset1 is not taken"); return {}; }
  const bool align = s.flag("align_corners", true);
  return {s.op("Resize", {s.in[0], {}, {}, s.wide(1)}, {{"axes", s.is("axes")}, {"mode", mode}, {"nearest_mode", std::string("floor")}, {"antialias", std::int64_t(mode == "linear" && s.flag("antialias", true))},
                                                       {"coordinate_transformation_mode", std::string(align && mode == "linear" ? "align_corners" : mode == "linear" ? "half_pixel" : "asymmetric")}})};
}
Vals say_resize(const Saying& s) {
  if (s.w.failed()) return {};
  const std::string mode = s.s("mode"), coordinates = s.s("coordinate_transformation_mode"), policy = s.s("keep_aspect_ratio_policy");
  if (!s.type(0).ranked) { s.unsupported("has an operand of unknown rank"); return {}; }
  if (coordinates == "tf_crop_and_resize" || coordinates == "half_pixel_symmetric") { s.unsupported("has coordinate_transformation_mode '" + coordinates + "', which no layer has"); return {}; }
  if (mode == "cubic" && s.i("exclude_outside")) { s.unsupported("leaves out what lies outside of the data (exclude_outside), which no layer does"); return {}; }
  if (mode == "cubic" && s.i("antialias")) { s.unsupported("smooths before it shrinks by cubic weights, which no layer does"); return {}; }
  if (mode == "linear" && s.i("exclude_outside")) { s.unsupported("leaves out what lies outside of the data (exclude_outside), which no layer does"); return {}; }
  Ints axes = s.is("axes");
  if (!s.has_attr("axes")) axes = s.w.all_axes(s.in[0]);
  for (std::int64_t& a : axes) a += a < 0 ? std::int64_t(s.rank()) : 0;
  const Tensor* scales = s.has(2) ? s.w.b.data(s.in[2]) : nullptr;
  const bool by_scales = s.has(2) && !(scales && scales->size() == 0);
  auto sizes = by_scales ? std::nullopt : s.known(3);
  if (!by_scales && policy != "stretch") {
    sizes.emplace();
    for (std::int64_t a : axes) sizes->push_back(extent(s.result(), std::size_t(a)));
    if (std::count(sizes->begin(), sizes->end(), -1)) { s.unsupported("keeps the aspect ratio of a size that is not known"); return {}; }
    // The common scale is not size / extent exactly: only a layer that is told both would do the same.
    s.unsupported("keeps the aspect ratio (" + policy + "), which no layer does");
    return {};
  }
  // Axes that stay as they are are left out: linear layers take three at most.
  Ints kept, kept_sizes;
  std::vector<double> kept_scales;
  const bool known = by_scales ? scales != nullptr : sizes.has_value();
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::int64_t n = extent(s.type(0), std::size_t(axes[i])), out = extent(s.result(), std::size_t(axes[i]));
    const double scale = by_scales && scales ? scales->at(std::int64_t(i)) : n > 0 && out > 0 ? double(out) / double(n) : 1;
    if (known && (by_scales ? scale == 1 : n == (*sizes)[i])) continue;
    kept.push_back(axes[i]);
    kept_scales.push_back(scale);
    kept_sizes.push_back(by_scales ? std::max<std::int64_t>(out, 1) : sizes ? (*sizes)[i] : 1);
  }
  if (kept.empty()) return {s.in[0]};
  if (by_scales && coordinates == "align_corners")
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (const std::int64_t n = extent(s.type(0), std::size_t(kept[i])); n < 0 || std::floor(kept_scales[i] * double(n)) != kept_scales[i] * double(n)) {
        s.unsupported("aligns corners by a scale that makes no whole number of elements");   // the operator then aligns to a corner that is none
        return {};
      }
  if (mode == "linear" && kept.size() > 3 && (known || s.i("antialias"))) { s.unsupported("changes " + to_string(kept.size()) + " axes at once, three are the most"); return {}; }
  Val size_list = known || by_scales ? s.w.ints(kept_sizes) : s.in[3], scale_list = by_scales && !scales ? s.in[2] : s.w.b.constant(Tensor::of(DType::f32, {std::int64_t(kept.size())}, kept_scales));
  if (!by_scales && !known && s.w.type(s.in[3]).dims.size() != 1) { s.unsupported("has sizes that are no list"); return {}; }
  Data d = {{"mode", mode == "linear" ? (s.i("antialias") ? "linear" : "linear_onnx") : mode}, {"shape_calculation_mode", by_scales ? "scales" : "sizes"}, {"coordinate_transformation_mode", coordinates},
            {"nearest_mode", s.s("nearest_mode")}, {"antialias", text(s.i("antialias") != 0)}, {"pads_begin", "0"}, {"pads_end", "0"}, {"cube_coeff", text(double(s.f("cubic_coeff_a")))}};
  Val along = s.w.ints(kept);
  if (s.w.newest() >= 11) return {s.w.layer("Interpolate", {s.in[0], by_scales ? scale_list : size_list, along}, d)};
  return {s.w.layer("Interpolate", {s.in[0], size_list, scale_list, along}, d, 4)};
}
Vals grid_sample(Site& s) {
  const std::string mode = s.s("mode", "bilinear");
  return {s.op("GridSample", s.in, {{"align_corners", std::int64_t(s.flag("align_corners"))}, {"mode", std::string(mode == "bilinear" ? "linear" : mode == "bicubic" ? "cubic" : mode)}, {"padding_mode", s.s("padding_mode", "zeros")}})};
}
Vals say_grid_sample(const Saying& s) {
  if (s.w.failed()) return {};
  if (s.rank() != 4) { s.unsupported("samples a grid of rank " + to_string(s.rank()) + ", 4 is taken"); return {}; }
  const std::string mode = s.s("mode");
  return {s.w.layer("GridSample", s.in, {{"align_corners", text(s.i("align_corners") != 0)}, {"mode", mode == "linear" ? "bilinear" : mode == "cubic" ? "bicubic" : mode}, {"padding_mode", s.s("padding_mode")}})};
}

constexpr Row kRows[] = {
    {"Interpolate", 1, "", {}, old_interpolate, nullptr, 2, false},
    {"Interpolate", 4, "Resize", {}, interpolate, say_resize, 3},
    {"Interpolate", 11, "", {}, interpolate, nullptr, 2, false},
    {"GridSample", 9, "GridSample", {}, grid_sample, say_grid_sample, 2},
};
}  // namespace

std::span<const Row> resize_rows() { return kRows; }

}  // namespace saha::openvino
