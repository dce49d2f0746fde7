// Steps on numbers and axes: scale, normalize, layout, quantize, and how a sample comes to fit an input.
#include "front/sample.hpp"

#include <algorithm>
#include <cmath>

#include "data/csv.hpp"

namespace saha::front {
namespace {
using op::Val;
using op::Vals;

Error wrong(const Form& f, const char* wanted) { return {ErrorCode::invalid_data, "it takes " + std::string(wanted) + ", not " + std::string(name(f.dtype)) + str(f.dims)}; }
bool is_picture(const Form& f) { return f.picture() && f.dims[2] >= 1 && f.dims[2] <= 4 && (f.dtype == DType::u8 || f.dtype == DType::f32); }
Result<> needs_sound(const Form& f) { return f.sound && f.dims.size() == 2 ? Result<>() : wrong(f, "sound"); }

// ---- what a step makes of a form ---------------------------------------------------------------------------------------------------
Result<Form> after(Form f, const data::Decode&) { return f; }
Result<Form> after(Form f, const data::Resize& s) {
  if (!is_picture(f)) return wrong(f, "a picture [h, w, c]");
  const bool known = f.dims[0] > 0 && f.dims[1] > 0, whole = s.fit == data::Fit::short_side;
  const auto place = known ? s.place(f.dims[0], f.dims[1]) : data::Resize::Place{-1, -1, 0, 0};
  f.dims[0] = whole ? place.height : s.height, f.dims[1] = whole ? place.width : s.width;
  if (!data::is_8bit(s.rule)) f.dtype = DType::f32;
  else if (f.dtype != DType::u8) return wrong(f, "uint8; it belongs before scale and normalize");
  return f;
}
Result<Form> after(Form f, const data::Crop& s) {
  if (!is_picture(f)) return wrong(f, "a picture [h, w, c]");
  const bool known = f.dims[0] > 0 && f.dims[1] > 0;
  if (!known && s.fraction != 0) return f;
  const auto size = s.size(f.dims[0], f.dims[1]);
  if (known && (f.dims[0] < size[0] || f.dims[1] < size[1])) return wrong(f, ("a picture of at least " + std::to_string(size[0]) + " x " + std::to_string(size[1])).c_str());
  f.dims[0] = size[0], f.dims[1] = size[1];
  return f;
}
Result<Form> real_form(Form f) {
  f.dtype = DType::f32;
  return f;
}
Result<Form> after(Form f, const data::Scale&) { return real_form(std::move(f)); }
Result<Form> after(Form f, const data::Normalize&) { return real_form(std::move(f)); }
Result<Form> after(Form f, const data::ToLayout& s) {
  if (f.dims.size() < 2) return wrong(f, "[h, w, c] or [n, c]");
  if (s.channels_first) std::rotate(f.dims.begin(), f.dims.end() - 1, f.dims.end());
  else std::rotate(f.dims.begin(), f.dims.begin() + 1, f.dims.end());
  return f;
}
Result<Form> after(Form f, const data::Mono&) {
  SAHA_DO(needs_sound(f));
  f.dims[0] = 1;
  return f;
}
Result<Form> after(Form f, const data::ToRate& s) {
  SAHA_DO(needs_sound(f));
  if (f.rate_hz == 0) f.dims[1] = -1;
  else if (f.dims[1] > 0) {
    SAHA_TRY(const auto filter, data::resample_filter(f.rate_hz, s.rate_hz));
    f.dims[1] = filter.length(f.dims[1]);
  }
  f.rate_hz = s.rate_hz;
  return f;
}
Result<Form> after(Form f, const data::Peak&) {
  SAHA_DO(needs_sound(f));
  return f;
}
Result<Form> after(Form f, const data::ToLength& s) {
  SAHA_DO(needs_sound(f));
  f.dims[1] = f.rate_hz == 0 ? -1 : s.samples(f.rate_hz);
  return f;
}
Result<Form> spectrum_form(Form f, const data::LogMel& s, std::int64_t columns) {
  SAHA_DO(needs_sound(f));
  std::int64_t frames = -1;
  if (f.rate_hz > 0) {
    SAHA_TRY(const auto tables, data::mel_tables(s, f.rate_hz));
    frames = f.dims[1] < 0 ? -1 : tables.frames(f.dims[1]);
    if (frames == 0) return Error{ErrorCode::invalid_data, "the sound has " + std::to_string(f.dims[1]) + " samples, a frame has " + std::to_string(tables.frame)};
  }
  return Form{{f.dims[0], frames, columns}, DType::f32, 0, false};
}
Result<Form> after(Form f, const data::LogMel& s) { return spectrum_form(std::move(f), s, s.mels); }
Result<Form> after(Form f, const data::Mfcc& s) { return spectrum_form(std::move(f), s.mel, s.coefficients); }
Result<Form> after(Form f, const data::Quantize& s) {
  f.dtype = s.to;
  return f;
}
}  // namespace

Result<Form> advance(Form form, const data::Step& step) { return std::visit([&form](const auto& s) { return after(std::move(form), s); }, step); }
Tensor matrix(const std::vector<std::vector<double>>& rows) {
  std::vector<double> all;
  for (const auto& r : rows) all.insert(all.end(), r.begin(), r.end());
  Tensor t = Tensor::zeros(DType::f32, {std::int64_t(rows.size()), std::int64_t(rows.empty() ? 0 : rows[0].size())});
  fill<double>(t, all);
  return t;
}

Sample::Sample(op::Builder& b, Val v, Form form, std::vector<std::size_t> last, ir::TypeRef stored) : b_(b), v_(v), form_(std::move(form)), last_(std::move(last)), stored_(std::move(stored)) {
  for (std::size_t i = 0; i < form_.dims.size(); ++i) order_.push_back(i);
}
Result<> Sample::apply(const data::Step& step) {
  SAHA_TRY(Form next, advance(form_, step));
  SAHA_DO(std::visit([this](const auto& s) { return add(s); }, step));
  form_ = std::move(next);
  return {};
}

// ---- axes and dtypes ---------------------------------------------------------------------------------------------------------------
std::int64_t Sample::batch() const { return b_.type(v_).dims[0].known().value_or(-1); }
std::size_t Sample::axis_of(std::size_t axis) const { return std::size_t(std::ranges::find(order_, axis) - order_.begin()) + 1; }
void Sample::bring(std::vector<std::size_t> order) {
  if (order == order_) return;
  ir::Ints perm = {0};
  for (std::size_t axis : order) perm.push_back(std::int64_t(axis_of(axis)));
  v_ = b_.op("Transpose", {v_}, {{"perm", std::move(perm)}});
  order_ = std::move(order);
}
void Sample::real() {
  if (b_.type(v_).dtype != DType::f32) v_ = b_.op("Cast", {v_}, {{"to", std::int64_t(DType::f32)}});
}
void Sample::regroup(Dims dims) {
  dims.insert(dims.begin(), batch());
  v_ = b_.op("Reshape", {v_, b_.ints(dims)});
  order_.clear();
  for (std::size_t i = 0; i + 1 < dims.size(); ++i) order_.push_back(i);
}
Val Sample::along(std::size_t axis, const std::vector<double>& v) {
  if (v.size() == 1) return number(v[0]);
  Dims dims(order_.size() + 1 - axis_of(axis), 1);
  dims[0] = std::int64_t(v.size());
  Tensor t = Tensor::zeros(DType::f32, dims);
  fill<double>(t, v);
  return b_.constant(std::move(t));
}
void Sample::part(std::size_t axis, std::int64_t first, std::int64_t count) {
  if (form_.dims[axis] == count) return;
  v_ = b_.op("Slice", {v_, b_.ints({first}), b_.ints({first + count}), b_.ints({std::int64_t(axis_of(axis))})});
}
void Sample::surround(const std::vector<std::array<std::int64_t, 3>>& axes, double value) {
  const std::size_t rank = order_.size() + 1;
  std::vector<std::int64_t> pads(2 * rank, 0);
  for (const auto& [axis, before, behind] : axes) {
    const std::size_t at = axis_of(std::size_t(axis));
    pads[at] = before, pads[rank + at] = behind;
  }
  if (std::ranges::any_of(pads, [](std::int64_t n) { return n != 0; })) v_ = b_.op("Pad", {v_, b_.ints(pads), b_.scalar(value, v_)}, {{"mode", std::string("constant")}});
}

// ---- numbers -----------------------------------------------------------------------------------------------------------------------
Result<> Sample::add(const data::Decode&) { return Error{ErrorCode::unsupported, "a file is decoded before the graph"}; }
Result<> Sample::add(const data::Scale& s) {
  if (order_.size() == last_.size()) bring(last_);   // one byte an element is moved rather than four
  real();
  using Kind = data::Scale::Kind;
  for (const auto& o : s.operations) {
    const Val c = number(o.operand);
    switch (o.kind) {
      case Kind::add: v_ = v_ + c; break;
      case Kind::subtract: v_ = v_ - c; break;
      case Kind::subtract_from: v_ = c - v_; break;
      case Kind::multiply: v_ = v_ * c; break;
      case Kind::divide: v_ = v_ / c; break;
    }
  }
  return {};
}
Result<> Sample::add(const data::Normalize& s) {
  const auto n = std::int64_t(std::max(s.mean.size(), s.std.size()));
  std::size_t axis = 0;
  if (n > 1) {
    const Dims& d = form_.dims;
    if (!d.empty() && d.back() == n) axis = d.size() - 1;
    else if (d.empty() || d.front() != n) return Error{ErrorCode::invalid_data, std::to_string(n) + " means and deviations for " + str(d)};
  }
  if (order_.size() == last_.size()) bring(last_);
  real();
  if (std::ranges::any_of(s.mean, [](double m) { return m != 0; })) v_ = v_ - along(axis, s.mean);
  if (std::ranges::any_of(s.std, [](double d) { return d != 1; })) v_ = v_ / along(axis, s.std);
  return {};
}
Result<> Sample::add(const data::ToLayout& s) {   // the axes get other names, nothing moves
  const std::size_t n = order_.size(), shift = s.channels_first ? 1 : n - 1;
  for (auto* order : {&order_, &last_})
    if (order->size() == n) for (std::size_t& axis : *order) axis = (axis + shift) % n;
  return {};
}
Result<> Sample::add(const data::Quantize& s) {
  if (order_.size() == last_.size()) bring(last_);
  real();
  const auto& kept = stored_->quant;
  if (!kept) {
    v_ = b_.op("QuantizeLinear", {v_, number(s.scale), b_.scalar(double(s.zero_point), s.to)});
    return {};
  }
  // The input says what its integers stand for. Where the step says the same, the real number does; else the number that is stored as the step's integer.
  if (s.to != stored_->dtype || kept->scale.size() != 1) return Error{ErrorCode::invalid_data, "it gives " + std::string(name(s.to)) + ", the input stores " + ir::str(*stored_)};
  if (kept->scale[0] != float(s.scale) || kept->zero[0] != s.zero_point) {
    const IntRange range = int_range(s.to);
    const Val q = b_.op("Round", {v_ / s.scale}) + double(s.zero_point);
    v_ = (b_.op("Clip", {q, number(double(range.lo)), number(double(range.hi))}) - double(kept->zero[0])) * double(kept->scale[0]);
  }
  v_ = b_.quantised("Requantize", {v_}, {{"rounding", std::string("float_even")}}, op::Stored{s.to, kept});
  return {};
}

Result<Val> Sample::fit(const std::string& name) {
  Dims shape;
  for (std::size_t i = 1; i < stored_->dims.size(); ++i) shape.push_back(stored_->dims[i].known().value_or(-1));
  const DType to = stored_->dtype;
  const auto fail = [&](std::string help = {}) {
    return Error{ErrorCode::invalid_data, "the steps give " + std::string(saha::name(form_.dtype)) + str(form_.dims) + " a sample, input '" + name + "' takes " + ir::str(*stored_), std::move(help)};
  };
  const auto fitting = data::fitting(form_.dims, shape);
  if (!fitting) return fail();
  if (fitting->move != data::Fitting::Move::none) SAHA_DO(add(data::ToLayout{fitting->move == data::Fitting::Move::channels_first}));
  std::vector<std::size_t> straight;
  for (std::size_t i = 0; i < order_.size(); ++i) straight.push_back(i);
  bring(straight);
  if (fitting->dims.size() != straight.size() || (fitting->move == data::Fitting::Move::none && fitting->dims != form_.dims)) regroup(fitting->dims);
  const ir::Type& now = b_.type(v_);
  if (now.dtype == to && now.quant == stored_->quant) return v_;
  const bool number = is_float(form_.dtype) || is_int(form_.dtype), real = is_float(form_.dtype);
  if (!number || to == DType::string || is_complex(to) || (real && !is_float(to))) {
    const auto& q = stored_->quant;
    return fail(q && q->scale.size() == 1 ? "{\"quantize\": {\"to\": \"" + std::string(saha::name(to)) + "\", \"scale\": " + std::to_string(q->scale[0]) + ", \"zero_point\": " + std::to_string(q->zero[0]) + "}} makes real numbers what it stores" : "");
  }
  if (!real && !is_float(to)) {   // whole numbers are stored as they are
    const IntRange from = int_range(form_.dtype), into = int_range(to);
    if (from.lo < into.lo || from.hi > into.hi) return fail();
    if (stored_->quant) { SAHA_DO(add(data::Quantize{1, 0, to})); return v_; }
  }
  v_ = b_.op("Cast", {v_}, {{"to", std::int64_t(to)}});
  return v_;
}

}  // namespace saha::front
