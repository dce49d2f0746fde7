// Layers on boxes and regions of pictures.
#include <algorithm>
#include <limits>

#include "formats/openvino/layers.hpp"

namespace saha::openvino {
namespace {
using std::to_string;

/// Operands: boxes, scores, how many a class, overlap, least score, sigma of soft suppression.
Vals non_max_suppression(Site& s) {
  if (s.has(5) && s.number(5).value_or(1) != 0) { s.unsupported("soft suppression is not taken"); return {}; }
  if (s.b.failed()) return {};
  Vals in = {s.in[0], s.in[1]};
  for (std::size_t i = 2; i < 5; ++i) in.push_back(!s.has(i) ? Val{} : i == 2 ? s.op_cast(reshaped(s.in[i], {1}), DType::i64) : reshaped(s.in[i], {1}));
  Val chosen = s.op("NonMaxSuppression", in, {{"center_point_box", std::int64_t(s.s("box_encoding", "corner") == "center")}});
  Val scores = s.op("GatherND", {s.in[1], chosen});
  if (s.flag("sort_result_descending", true)) {   // over all classes and pictures
    Vals order = s.b.ops("TopK", {scores, s.op("Shape", {scores})}, {{"axis", std::int64_t{0}}}, 2);
    chosen = s.op("Gather", {chosen, order[1]}, {{"axis", std::int64_t{0}}});
    scores = order[0];
  }
  const DType t = s.dtype("output_type", DType::i64);
  if (s.row.since < 5) return {s.op_cast(chosen, t)};
  Val triple = s.op("Concat", {s.op("Slice", {s.op("Cast", {chosen}, {{"to", std::int64_t(DType::f32)}}), s.b.ints({0}), s.b.ints({2}), s.b.ints({1})}), s.op("Unsqueeze", {scores, s.b.ints({1})})}, {{"axis", std::int64_t{1}}});
  return {s.op_cast(chosen, t), triple, s.op_cast(s.op("Shape", {scores}), t)};
}
Vals say_non_max_suppression(const Saying& s) {
  if (s.w.failed()) return {};
  auto number = [&](std::size_t i, double otherwise) { return s.has(i) ? s.w.as_scalar(s.in[i]) : s.w.b.scalar(otherwise, DType::f32); };
  Val most = s.has(2) ? s.w.as_scalar(s.in[2]) : s.w.b.constant(Tensor::scalar_int(0));
  Vals y = s.w.layers("NonMaxSuppression", {s.in[0], s.in[1], most, number(3, 0), number(4, -std::numeric_limits<float>::max())},
                      {{"box_encoding", s.i("center_point_box") ? "center" : "corner"}, {"sort_result_descending", "false"}, {"output_type", "i64"}}, 3);
  return {y[0]};
}

// ---- regions: [number, 4] as left, top, right, bottom -------------------------------------------------------------------------
/// aligned_mode: where x of a region lies in the picture; asymmetric: x scale, half_pixel_for_nn: x scale - 1/2, half_pixel: (x + 1/2) scale - 1/2.
Vals roi_align(Site& s) {
  const std::string how = s.row.since >= 9 ? s.s("aligned_mode", "asymmetric") : "asymmetric";
  if (how != "asymmetric" && how != "half_pixel" && how != "half_pixel_for_nn") { s.fail("has aligned_mode '" + how.substr(0, 40) + "'"); return {}; }
  if (s.s("mode", "avg") != "avg") { s.unsupported("mode '" + s.s("mode").substr(0, 40) + "' is not taken", "avg is"); return {}; }   // its maximum is of other numbers than the operator's
  Val regions = s.in[1];
  if (how == "half_pixel" && !s.b.failed()) regions = regions + 0.5;
  return {s.op("RoiAlign", {s.in[0], regions, s.wide(2)},
               {{"coordinate_transformation_mode", std::string(how == "asymmetric" ? "output_half_pixel" : "half_pixel")}, {"output_height", s.i("pooled_h", 1)},
                {"output_width", s.i("pooled_w", 1)}, {"sampling_ratio", s.i("sampling_ratio")}, {"spatial_scale", float(s.f("spatial_scale", 1))}})};
}
Vals say_roi_align(const Saying& s) {
  const bool half = s.s("coordinate_transformation_mode") == "half_pixel";
  if (half && s.w.newest() < 9) { s.unsupported("has coordinate_transformation_mode 'half_pixel', which no layer of operator sets up to " + to_string(s.w.newest()) + " has", "leave --ir 10 away"); return {}; }
  if (s.s("mode") != "avg") { s.unsupported("takes maxima of weighed corners, which no layer does"); return {}; }
  Data d = {{"pooled_h", to_string(s.i("output_height"))}, {"pooled_w", to_string(s.i("output_width"))}, {"sampling_ratio", to_string(s.i("sampling_ratio"))},
            {"spatial_scale", text(double(s.f("spatial_scale")))}, {"mode", s.s("mode")}};
  if (s.w.newest() >= 9) d.emplace_back("aligned_mode", half ? "half_pixel_for_nn" : "asymmetric");
  return {s.w.layer("ROIAlign", s.in, d)};
}
/// Regions are [picture, left, top, right, bottom].
Vals roi_pool(Site& s) {
  if (s.s("method", "max") != "max") { s.unsupported("method '" + s.s("method").substr(0, 40) + "' is not taken", "max is"); return {}; }
  const Ints size = s.is("output_size", {s.i("pooled_h", 1), s.i("pooled_w", 1)});
  return {s.op("MaxRoiPool", s.in, {{"pooled_shape", size}, {"spatial_scale", float(s.f("spatial_scale", 1))}})};
}
Vals say_roi_pool(const Saying& s) {
  return {s.w.layer("ROIPooling", s.in, {{"output_size", join(s.is("pooled_shape"))}, {"spatial_scale", text(double(s.f("spatial_scale")))}, {"method", "max"}})};
}

constexpr Row kRows[] = {
    {"NonMaxSuppression", 1, "", {}, non_max_suppression, nullptr, 2, false},
    {"NonMaxSuppression", 3, "", {}, non_max_suppression, nullptr, 2, false},
    {"NonMaxSuppression", 4, "", {}, non_max_suppression, nullptr, 2, false},
    {"NonMaxSuppression", 5, "NonMaxSuppression", {}, non_max_suppression, say_non_max_suppression, 2},
    {"NonMaxSuppression", 9, "", {}, non_max_suppression, nullptr, 2, false},
    {"ROIAlign", 3, "RoiAlign", {}, roi_align, say_roi_align, 3},
    {"ROIAlign", 9, "", {}, roi_align, nullptr, 3, false},
    {"ROIPooling", 2, "MaxRoiPool", {}, roi_pool, say_roi_pool, 2},
};
}  // namespace

std::span<const Row> detection_rows() { return kRows; }

}  // namespace saha::openvino
