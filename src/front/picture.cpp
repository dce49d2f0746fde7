// Resize, crop and letterbox as operators. The rules of OpenCV and Pillow work on 8 bits with integers; here these integers are float32 numbers that stay
// below 2^24, so that every engine that adds in float32 gets the same, in whatever order it adds.
#include <algorithm>
#include <cmath>

#include "front/sample.hpp"

namespace saha::front {
namespace {
using data::ResizeTables;
using op::Val;
using op::Vals;
constexpr double kExact = 1 << 24;              // whole numbers up to here are exact in float32
constexpr std::int64_t kMaxMatrix = 1 << 24;    // elements of a constant
constexpr std::int64_t kBand = 16, kMaxBands = 8;   // rows of a product at least, products of an axis at most
}  // namespace

Result<> Sample::add(const data::Crop& s) {
  const std::int64_t h = form_.dims[0], w = form_.dims[1];
  if (h < 0 || w < 0) return Error{ErrorCode::unsupported, "the middle of a picture of any size is not expressed"};
  const auto [height, width] = s.size(h, w);
  part(0, (h - height) / 2, height);
  part(1, (w - width) / 2, width);
  return {};
}
Result<> Sample::add(const data::Resize& s) {
  const std::int64_t h = form_.dims[0], w = form_.dims[1];
  if ((h < 0 || w < 0) && s.fit != data::Fit::stretch) return Error{ErrorCode::unsupported, "the sides of a picture of any size decide where it goes"};
  const auto place = s.fit == data::Fit::stretch ? data::Resize::Place{s.height, s.width, 0, 0} : s.place(h, w);
  SAHA_DO(stretch(place.height, place.width, s.rule));
  if (s.fit != data::Fit::letterbox) return {};
  const double pad = form_.dtype == DType::u8 && data::is_8bit(s.rule) ? std::clamp(std::nearbyint(s.pad), 0.0, 255.0) : s.pad;
  surround({{0, place.top, s.height - place.height - place.top}, {1, place.left, s.width - place.width - place.left}}, pad);
  return {};
}

Result<> Sample::stretch(std::int64_t height, std::int64_t width, data::ResizeRule rule) {
  const std::int64_t h = form_.dims[0], w = form_.dims[1];
  const bool lerp = !data::is_8bit(rule) && rule != data::ResizeRule::tf_antialias && rule != data::ResizeRule::torch_antialias;
  if (lerp) { interpolate(height, width, rule); return {}; }
  if (h < 0 || w < 0) return Error{ErrorCode::unsupported, std::string(data::name(rule)) + " is expressed for a known size only, not for any"};
  const ResizeTables t = data::resize_tables(h, w, height, width, rule);
  using Way = ResizeTables::Form;
  if (t.form == Way::ordered) return Error{ErrorCode::unsupported, "cv-area sums in float32 in an order of its own where a side does not shrink by a whole number: a tie may round otherwise"};
  for (const auto* a : {&t.rows, &t.columns})
    if ((t.form == Way::pillow || t.form == Way::weighted) && std::max(h, w) * std::max(height, width) > kMaxMatrix)
      return Error{ErrorCode::unsupported, "a matrix for " + std::to_string(std::max(h, w)) + " to " + std::to_string(std::max(height, width)) + " elements is too large (" + std::to_string(a->taps) + " taps)"};
  switch (t.form) {
    case Way::none: case Way::ordered: case Way::lerp: break;
    case Way::pick: pick(0, t.rows.at); pick(1, t.columns.at); break;
    case Way::opencv: opencv(t); break;
    case Way::blocks: blocks(h / height, w / width); break;
    case Way::weighted:
      bring({2, 0, 1});
      real();
      for (bool rows : {t.rows_first, !t.rows_first}) weighted(rows ? 0 : 1, rows ? t.rows : t.columns, rows ? h : w);
      break;
    case Way::pillow:
      bring({2, 0, 1});
      real();
      for (bool rows : {t.rows_first, !t.rows_first})
        if (rows ? h != height : w != width) SAHA_DO(pillow(rows ? 0 : 1, rows ? t.rows : t.columns, rows ? h : w));
      break;
  }
  return {};
}
void Sample::interpolate(std::int64_t height, std::int64_t width, data::ResizeRule rule) {
  bring({2, 0, 1});
  real();
  using Rule = data::ResizeRule;
  const std::string where = rule == Rule::tf1_bilinear ? "asymmetric" : rule == Rule::tf1_corners ? "align_corners" : "half_pixel";
  const auto n = b_.type(v_).dims[0].known(), c = std::optional(form_.dims[2]);
  ir::Attrs attrs{{"mode", std::string("linear")}, {"coordinate_transformation_mode", where}};
  if (!n) attrs.push_back({"axes", ir::Ints{2, 3}});
  v_ = b_.op("Resize", {v_, {}, {}, n ? b_.ints({*n, *c, height, width}) : b_.ints({height, width})}, std::move(attrs));
}
void Sample::pick(std::size_t axis, const std::vector<std::int64_t>& at) {
  v_ = b_.op("Gather", {v_, b_.ints(at)}, {{"axis", std::int64_t(axis_of(axis))}});
}
/// The sums of an axis of [N, c, h, w] by a matrix [sums, elements], whose rows have few elements beside each other that are not 0: bands of rows are
/// multiplied with the part that they read.
Val Sample::product(std::size_t axis, const Tensor& m) {
  const std::int64_t sums = m.dims[0], in = m.dims[1], bands = std::clamp<std::int64_t>(std::min(sums, in) / kBand, 1, kMaxBands);
  const auto place = std::int64_t(axis_of(axis));
  Vals parts;
  for (std::int64_t k = 0; k < bands; ++k) {
    const std::int64_t from = sums * k / bands, to = sums * (k + 1) / bands;
    std::int64_t first = in - 1, last = 0;
    for (std::int64_t r = from; r < to; ++r)
      for (std::int64_t c = 0; c < in; ++c)
        if (m.as<const float>()[r * in + c] != 0) first = std::min(first, c), last = std::max(last, c);
    if (last < first) first = last = 0;
    const std::int64_t n = last - first + 1, rows = to - from;
    Tensor band = Tensor::zeros(m.dtype, axis == 0 ? Dims{rows, n} : Dims{n, rows});
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < n; ++c) band.as<float>()[axis == 0 ? r * n + c : c * rows + r] = m.as<const float>()[(from + r) * in + first + c];
    const Val x = n == in ? v_ : b_.op("Slice", {v_, b_.ints({first}), b_.ints({first + n}), b_.ints({place})}), w = b_.constant(std::move(band));
    parts.push_back(b_.op("MatMul", axis == 0 ? Vals{w, x} : Vals{x, w}));
  }
  return parts.size() == 1 ? parts[0] : b_.op("Concat", std::move(parts), {{"axis", place}});
}
void Sample::weighted(std::size_t axis, const ResizeTables::Axis& a, std::int64_t in) {
  const auto out = std::int64_t(a.at.size()) / a.taps;
  Tensor m = Tensor::zeros(DType::f32, {out, in});
  for (std::int64_t i = 0; i < out * a.taps; ++i) m.as<float>()[i / a.taps * in + a.at[std::size_t(i)]] += float(a.weight[std::size_t(i)]);
  v_ = product(axis, m);
}
/// floor((sum of w x + 2^21) / 2^22) with w = 2^11 hi + lo: the sums of hi and of lo are whole numbers below 2^24, and
/// floor((2^11 H + L + 2^21) / 2^22) = floor((H + floor(L / 2^11) + 2^10) / 2^11).
Result<> Sample::pillow(std::size_t axis, const ResizeTables::Axis& a, std::int64_t in) {
  const auto out = std::int64_t(a.at.size()) / a.taps;
  Tensor highs = Tensor::zeros(DType::f32, {out, in}), lows = Tensor::zeros(DType::f32, {out, in});
  for (std::int64_t i = 0; i < out; ++i) {
    double high_sum = 0, low_sum = 0;
    for (std::int64_t k = i * a.taps; k < (i + 1) * a.taps; ++k) {
      const double w = a.weight[std::size_t(k)], high = std::nearbyint(w / 2048), low = w - 2048 * high;
      highs.as<float>()[i * in + a.at[std::size_t(k)]] += float(high);
      lows.as<float>()[i * in + a.at[std::size_t(k)]] += float(low);
      high_sum += std::abs(high), low_sum += std::abs(low);
    }
    if (std::max(high_sum, low_sum) * 255 >= kExact - 2048)
      return Error{ErrorCode::unsupported, "from " + std::to_string(in) + " to " + std::to_string(out) + " elements Pillow's sums are beyond what float32 holds exactly"};
  }
  const Val high = product(axis, highs), low = b_.op("Floor", {product(axis, lows) * number(1.0 / 2048)});
  v_ = b_.op("Clip", {b_.op("Floor", {(high + low + number(1024)) * number(1.0 / 2048)}), number(0), number(255)});
  return {};
}
/// w a has up to 26 bits: with a = 2^8 high + low, floor(w a / 2^16) = floor((w high + floor(w low / 2^8)) / 2^8).
void Sample::opencv(const ResizeTables& t) {
  const auto tap = [](const ResizeTables::Axis& a, std::size_t k) {
    std::pair<std::vector<std::int64_t>, std::vector<double>> r;
    for (std::size_t i = k; i < a.at.size(); i += 2) r.first.push_back(a.at[i]), r.second.push_back(a.weight[i]);
    return r;
  };
  const Val raw = v_;
  Val term[2];
  for (std::size_t k : {0, 1}) {
    const auto [rows, row_weights] = tap(t.rows, k);
    v_ = raw;
    pick(0, rows);
    const Val picked = v_;
    Val sum[2];
    for (std::size_t j : {0, 1}) {
      const auto [columns, column_weights] = tap(t.columns, j);
      v_ = picked;
      pick(1, columns);
      real();
      sum[j] = v_ * along(1, column_weights);
    }
    const Val a = b_.op("Floor", {(sum[0] + sum[1]) * number(1.0 / 16)});
    const Val high = b_.op("Floor", {a * number(1.0 / 256)}), low = a - high * number(256), w = along(0, row_weights);
    term[k] = b_.op("Floor", {(high * w + b_.op("Floor", {low * w * number(1.0 / 256)})) * number(1.0 / 256)});
  }
  v_ = b_.op("Floor", {(term[0] + term[1] + number(2)) * number(0.25)});
}
void Sample::blocks(std::int64_t by, std::int64_t bx) {
  bring({2, 0, 1});
  real();
  const std::int64_t c = form_.dims[2];
  const Val sum = b_.op("Conv", {v_, b_.constant(Tensor::of(DType::f32, {c, 1, by, bx}, {1}))}, {{"group", c}, {"strides", ir::Ints{by, bx}}});
  v_ = by == 2 && bx == 2 ? b_.op("Floor", {(sum + number(2)) * number(0.25)}) : b_.op("Round", {sum * number(double(1.f / float(by * bx)))});
}

}  // namespace saha::front
