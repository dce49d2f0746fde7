// Operators that choose and collect: segments, diagonals, unique elements, boxes that suppress each other.
#include <flatbuffers/flexbuffers.h>

#include <algorithm>
#include <limits>

#include "formats/tflite/operators.hpp"

namespace saha::tflite {
namespace {
using fb::BuiltinOperator;

Val flat(Site& s, Val v) { return s.b.op("Reshape", {v, s.b.ints({-1})}); }
Val scalar(Site& s, Val v) { return s.b.op("Reshape", {v, s.b.ints({})}); }
/// Column k of a matrix.
Val column(Site& s, Val v, std::int64_t k) { return s.b.op("Squeeze", {s.b.op("Slice", {v, s.b.ints({k}), s.b.ints({k + 1}), s.b.ints({1})}), s.b.ints({1})}); }

// ---- segments: rows of the data, collected by the numbers of their segments -------------------------------------------------------------------
/// `count` rows of `start`, into which the data's rows go by `how`; rows with a number below 0 go nowhere. Numbers may be those of the first axes.
Vals collected(Site& s, Val count, double start, std::string how) {
  op::Builder& b = s.b;
  if (b.failed()) return {};
  const ir::Type &x = s.type(0), &ids = s.type(1);
  if (!x.ranked || !ids.ranked || ids.dims.size() > x.dims.size()) { s.fail("takes data and the numbers of their segments, has " + ir::str(x) + " and " + ir::str(ids)); return {}; }
  const auto rank = std::int64_t(ids.dims.size());
  Val id = s.wide(1), n = flat(s, s.cast(count, DType::i64)), zero = b.scalar(0, DType::i64);
  id = b.op("Where", {b.op("Less", {id, zero}), n, id});   // to a row that is dropped
  Val row = b.op("Slice", {b.op("Shape", {s.in[0]}), b.ints({rank}), b.ints({INT64_MAX})});
  Val shape = b.op("Concat", {n + b.scalar(1, DType::i64), row}, {{"axis", std::int64_t{0}}});
  Val y = b.op("ScatterND", {b.op("Expand", {s.number(start, x.dtype), shape}), b.op("Unsqueeze", {id, b.ints({-1})}), s.in[0]}, {{"reduction", std::move(how)}});
  return {b.op("Slice", {y, b.ints({0}), n, b.ints({0})})};
}
Vals segment_sum(Site& s) {
  Val most = s.b.op("ReduceMax", {s.wide(1)}, {{"keepdims", std::int64_t{0}}});
  return collected(s, most + s.b.scalar(1, DType::i64), 0, "add");
}
/// The ends of what the data can hold: floats the largest of float32.
IntRange ends(Site& s) { return !s.b.failed() && is_int(s.type(0).dtype) ? int_range(s.type(0).dtype) : IntRange{0, 0}; }
bool real(Site& s) { return !s.b.failed() && is_float(s.type(0).dtype); }
constexpr double kMostReal = std::numeric_limits<float>::max();
Vals unsorted_sum(Site& s) { return collected(s, s.in[2], 0, "add"); }
Vals unsorted_prod(Site& s) { return collected(s, s.in[2], 1, "mul"); }
Vals unsorted_max(Site& s) { return collected(s, s.in[2], real(s) ? -kMostReal : double(ends(s).lo), "max"); }
Vals unsorted_min(Site& s) { return collected(s, s.in[2], real(s) ? kMostReal : double(ends(s).hi), "min"); }

/// Operands: places, the result's shape, values at the places, what stands elsewhere.
Vals sparse_to_dense(Site& s) {
  op::Builder& b = s.b;
  if (b.failed()) return {};
  Val at = s.wide(0);
  if (s.rank(0) < 2) at = b.op("Reshape", {at, b.ints({-1, 1})});
  Val count = b.op("Slice", {b.op("Shape", {at}), b.ints({0}), b.ints({1})});
  return {b.op("ScatterND", {b.op("Expand", {scalar(s, s.in[3]), s.wide(1)}), at, b.op("Expand", {s.in[2], count})})};
}
Vals unique(Site& s) {
  Vals y = s.b.ops("Unique", {s.in[0]}, {{"sorted", std::int64_t{0}}}, 3);
  return {y[0], s.out.size() > 1 ? s.cast(y[2], s.out[1].dtype) : Val{}};
}
Vals reverse_sequence(Site& s) {
  const auto& o = s.options<fb::ReverseSequenceOptions>();
  op::Builder& b = s.b;
  const auto rank = std::int64_t(s.rank());
  const std::int64_t time = o.seq_dim() < 0 ? o.seq_dim() + rank : o.seq_dim(), batch = o.batch_dim() < 0 ? o.batch_dim() + rank : o.batch_dim();
  if (time < 0 || batch < 0 || time >= rank || batch >= rank || time == batch) { s.fail("reverses axis " + std::to_string(o.seq_dim()) + " by axis " + std::to_string(o.batch_dim()) + " of " + ir::str(s.type(0))); return {}; }
  Ints perm = {time, batch};   // ONNX has them as the first two
  for (std::int64_t a = 0; a < rank; ++a) if (a != time && a != batch) perm.push_back(a);
  Val y = b.op("ReverseSequence", {permuted(s.in[0], perm), s.wide(1)}, {{"time_axis", std::int64_t{0}}, {"batch_axis", std::int64_t{1}}});
  return {permuted(y, inverse(perm))};
}

// ---- diagonals ---------------------------------------------------------------------------------------------------------------------------------
/// true on the diagonal of [rows, columns].
Val on_diagonal(Site& s, std::int64_t rows, std::int64_t columns) {
  Tensor t = Tensor::zeros(DType::boolean, {rows, columns});
  const double yes = 1;
  for (std::int64_t i = 0; i < std::min(rows, columns); ++i) store(t, i * columns + i, 1, &yes);
  return s.b.constant(std::move(t));
}
constexpr std::int64_t kLargestDiagonal = 8192;
Vals matrix_diag(Site& s) {
  const auto n = s.b.failed() || s.type(0).dims.empty() ? std::nullopt : s.type(0).dims.back().known();
  if (!n || *n > kLargestDiagonal) { if (!s.b.failed()) s.unsupported("takes a diagonal of known extent up to " + std::to_string(kLargestDiagonal) + ", has " + ir::str(s.type(0))); return {}; }
  return {s.b.op("Where", {on_diagonal(s, *n, *n), s.b.op("Unsqueeze", {s.in[0], s.b.ints({-1})}), s.number(0, s.type(0).dtype)})};
}
Vals matrix_set_diag(Site& s) {
  op::Builder& b = s.b;
  if (b.failed()) return {};
  const auto& d = s.type(0).dims;
  const auto rows = d.size() < 2 ? std::nullopt : d[d.size() - 2].known(), columns = d.size() < 2 ? std::nullopt : d.back().known();
  if (!rows || !columns || std::max(*rows, *columns) > kLargestDiagonal || s.rank(1) + 1 != d.size()) { s.unsupported("takes matrices of known extents up to " + std::to_string(kLargestDiagonal) + " and their diagonals, has " + ir::str(s.type(0)) + " and " + ir::str(s.type(1))); return {}; }
  Val diagonal = s.in[1];
  if (*rows > *columns) {
    Ints pads(2 * s.rank(1), 0);
    pads.back() = *rows - *columns;
    diagonal = b.op("Pad", {diagonal, b.ints(pads)});
  }
  return {b.op("Where", {on_diagonal(s, *rows, *columns), b.op("Unsqueeze", {diagonal, b.ints({-1})}), s.in[0]})};
}

// ---- boxes ---------------------------------------------------------------------------------------------------------------------------------------
/// The first n of v, a vector, filled up with zeros.
Val filled(Site& s, Val v, Val n) {
  op::Builder& b = s.b;
  if (b.failed()) return v;
  Val more = b.op("Expand", {s.number(0, b.type(v).dtype), n});
  return b.op("Slice", {b.op("Concat", {v, more}, {{"axis", std::int64_t{0}}}), b.ints({0}), n, b.ints({0})});
}
/// Rows of `boxes` that stay, best first.
Val suppressed(Site& s, Val boxes, Val scores, Val most_boxes, Val overlap, Val least_score) {
  op::Builder& b = s.b;
  Vals in = {b.op("Unsqueeze", {boxes, b.ints({0})}), b.op("Unsqueeze", {scores, b.ints({0, 1})}), most_boxes, overlap, least_score};
  return column(s, b.op("NonMaxSuppression", in), 2);
}
/// Operands: boxes [A, 4], scores [A], how many stay, overlap, least score; V5: the deviation of soft suppression.
template <bool kV5> Vals non_max_suppression(Site& s) {
  op::Builder& b = s.b;
  if (kV5 && s.has(5)) {
    const Tensor* sigma = b.failed() ? nullptr : b.data(s.in[5]);
    if (!sigma || sigma->size() != 1 || sigma->at(0) != 0) { s.unsupported("suppresses softly; a deviation of 0 is taken"); return {}; }
  }
  Val n = flat(s, s.wide(2)), kept = suppressed(s, s.in[0], s.in[1], n, flat(s, s.in[3]), flat(s, s.in[4]));
  Val count = scalar(s, s.cast(b.op("Shape", {kept}), s.out.back().dtype));
  Val at = s.cast(filled(s, kept, n), s.out[0].dtype);
  if (!kV5) return {at, count};
  return {at, filled(s, b.op("Gather", {s.in[1], kept}), n), count};
}
/// MediaPipe's and the Object Detection API's last step: boxes from anchors, the best class of each, suppression without regard to classes.
Vals detection_post_process(Site& s) {
  op::Builder& b = s.b;
  const auto* bytes = s.op.custom_options();
  if (!bytes || !flexbuffers::VerifyBuffer(bytes->data(), bytes->size())) { s.fail("has no options"); return {}; }
  const auto options = flexbuffers::GetRoot(bytes->data(), bytes->size()).AsMap();
  auto number = [&](const char* name, double missing) { const auto r = options[name]; return r.IsNull() ? missing : r.AsDouble(); };
  if (s.in.size() < 3 || !s.has(0) || !s.has(1) || !s.has(2) || s.rank(0) != 3 || s.rank(1) != 3 || s.rank(2) != 2 || s.out.size() != 4) { s.fail("takes boxes, scores and anchors, and gives four results"); return {}; }
  const auto most_boxes = std::int64_t(number("max_detections", 0)), classes = std::int64_t(number("num_classes", 0));
  const auto columns = s.type(1).dims[2].known();
  if (!s.type(0).dims[0].is(1) || !columns || most_boxes < 1 || most_boxes > 100'000 || classes < 1 || classes > *columns) { s.fail("has " + std::to_string(classes) + " classes, " + std::to_string(most_boxes) + " boxes at most, and " + ir::str(s.type(1)) + " scores"); return {}; }
  if (number("use_regular_nms", 0) != 0 || number("max_classes_per_detection", 1) != 1) { s.unsupported("suppresses class by class, or gives several classes a box; the fast form with one class is taken"); return {}; }
  auto real = [&](Val v) { return b.type(v).quant ? s.kept("Requantize", {v}, {}, Stored{}) : v; };
  Val code = b.op("Squeeze", {real(s.in[0]), b.ints({0})}), score = b.op("Squeeze", {real(s.in[1]), b.ints({0})}), anchor = real(s.in[2]);
  if (b.failed()) return {};
  const char* scales[] = {"y_scale", "x_scale", "h_scale", "w_scale"};
  auto of = [&](int k) { return column(s, code, k) / number(scales[k], 1); };
  Val h = column(s, anchor, 2), w = column(s, anchor, 3);
  Val y = of(0) * h + column(s, anchor, 0), x = of(1) * w + column(s, anchor, 1);
  Val half_h = b.op("Exp", {of(2)}) * h * 0.5, half_w = b.op("Exp", {of(3)}) * w * 0.5;
  Vals sides = {y - half_h, x - half_w, y + half_h, x + half_w};
  for (Val& v : sides) v = b.op("Unsqueeze", {v, b.ints({1})});
  Val boxes = b.op("Concat", sides, {{"axis", std::int64_t{1}}});
  score = b.op("Slice", {score, b.ints({*columns - classes}), b.ints({*columns}), b.ints({1})});
  Val best = b.op("ReduceMax", {score, b.ints({1})}, {{"keepdims", std::int64_t{0}}}), what = b.op("ArgMax", {score}, {{"axis", std::int64_t{1}}, {"keepdims", std::int64_t{0}}});
  Val n = b.ints({most_boxes});
  Val kept = suppressed(s, boxes, best, n, b.scalar(number("nms_iou_threshold", 0.5), DType::f32), b.scalar(number("nms_score_threshold", 0), DType::f32));
  auto row = [&](Val v) { return b.op("Unsqueeze", {v, b.ints({0})}); };
  Val count = s.cast(b.op("Shape", {kept}), DType::f32);
  Val place = flat(s, b.op("Gather", {boxes, kept}));
  return {b.op("Reshape", {filled(s, place, b.ints({4 * most_boxes})), b.ints({1, most_boxes, 4})}), row(filled(s, s.cast(b.op("Gather", {what, kept}), DType::f32), n)), row(filled(s, b.op("Gather", {best, kept}), n)), count};
}

constexpr Rule kRules[] = {
    {BuiltinOperator::SEGMENT_SUM, segment_sum, 2},
    {BuiltinOperator::UNSORTED_SEGMENT_SUM, unsorted_sum, 3},
    {BuiltinOperator::UNSORTED_SEGMENT_PROD, unsorted_prod, 3},
    {BuiltinOperator::UNSORTED_SEGMENT_MAX, unsorted_max, 3},
    {BuiltinOperator::UNSORTED_SEGMENT_MIN, unsorted_min, 3},
    {BuiltinOperator::SPARSE_TO_DENSE, sparse_to_dense, 4},
    {BuiltinOperator::UNIQUE, unique},
    {BuiltinOperator::REVERSE_SEQUENCE, reverse_sequence, 2},
    {BuiltinOperator::MATRIX_DIAG, matrix_diag},
    {BuiltinOperator::MATRIX_SET_DIAG, matrix_set_diag, 2},
    {BuiltinOperator::NON_MAX_SUPPRESSION_V4, non_max_suppression<false>, 5},
    {BuiltinOperator::NON_MAX_SUPPRESSION_V5, non_max_suppression<true>, 5},
};
}  // namespace

std::span<const Rule> selection_rules() { return kRules; }
const Rule& detection_rule() {
  static constexpr Rule kDetection{BuiltinOperator::CUSTOM, detection_post_process};
  return kDetection;
}

}  // namespace saha::tflite
