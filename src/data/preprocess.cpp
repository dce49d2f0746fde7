// The steps themselves: what each does to a sample.
#include "data/preprocess.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "data/csv.hpp"

namespace saha::data {
namespace {

Error wrong(const char* step, const Tensor& t, const char* wanted) {
  return {ErrorCode::invalid_data, std::string(step) + ": it takes " + wanted + ", not " + std::string(name(t.dtype)) + str(t.dims)};
}
bool is_picture(const Tensor& t) { return t.rank() == 3 && t.dims[2] >= 1 && t.dims[2] <= 4 && (t.dtype == DType::u8 || t.dtype == DType::f32); }

// A gray picture of an array comes as [h, w].
Tensor as_picture(Tensor t) {
  if (t.rank() == 2 && (t.dtype == DType::u8 || t.dtype == DType::f32)) t.dims.push_back(1);
  return t;
}
Result<Tensor> as_float(const Tensor& t) {
  if (t.dtype == DType::f32) return t;
  if (t.dtype == DType::string || is_complex(t.dtype)) return wrong("scale", t, "real numbers");
  SAHA_TRY(Tensor out, Tensor::make(DType::f32, t.dims));
  const auto v = values<double>(t);
  std::transform(v.begin(), v.end(), out.as<float>(), [](double x) { return float(x); });
  return out;
}
Tensor transposed(const Tensor& t, bool channels_first) {  // [p, c] <-> [c, p], p = pixels
  const std::int64_t c = channels_first ? t.dims.back() : t.dims.front(), p = t.size() / std::max<std::int64_t>(1, c);
  Dims dims = t.dims;
  if (channels_first) std::rotate(dims.begin(), dims.end() - 1, dims.end());
  else std::rotate(dims.begin(), dims.begin() + 1, dims.end());
  Tensor out = Tensor::zeros(t.dtype, dims);
  for (std::int64_t k = 0; k < (channels_first ? c : p); ++k)
    copy_elements(t, k, channels_first ? c : p, out, k * (channels_first ? p : c), channels_first ? p : c);
  return out;
}

Result<Item> apply_step(const Decode&, Item item) { return item; }  // done when the file is read

Result<Item> apply_step(const Resize& r, Item item) {
  item.tensor = as_picture(std::move(item.tensor));
  if (!is_picture(item.tensor)) return wrong("resize", item.tensor, "a picture [h, w, c]");
  const std::int64_t h = item.tensor.dims[0], w = item.tensor.dims[1];
  const auto [to_h, to_w, top, left] = r.place(h, w);
  SAHA_TRY(item.tensor, resize(item.tensor, to_h, to_w, r.rule));
  if (r.fit != Fit::letterbox || (to_h == r.height && to_w == r.width)) return item;
  const std::int64_t c = item.tensor.dims[2];
  Tensor out = Tensor::of(item.tensor.dtype, {r.height, r.width, c}, {r.pad});
  for (std::int64_t y = 0; y < to_h; ++y) copy_elements(item.tensor, y * to_w * c, 1, out, ((y + top) * r.width + left) * c, to_w * c);
  item.tensor = std::move(out);
  return item;
}
Result<Item> apply_step(const Crop& s, Item item) {
  item.tensor = as_picture(std::move(item.tensor));
  const Tensor& t = item.tensor;
  if (!is_picture(t)) return wrong("crop", t, "a picture [h, w, c]");
  const auto [height, width] = s.size(t.dims[0], t.dims[1]);
  if (t.dims[0] < height || t.dims[1] < width)
    return Error{ErrorCode::invalid_data, "crop: the picture is " + std::to_string(t.dims[0]) + " x " + std::to_string(t.dims[1]) + ", smaller than " + std::to_string(height) + " x " + std::to_string(width)};
  const std::int64_t c = t.dims[2], top = (t.dims[0] - height) / 2, left = (t.dims[1] - width) / 2;
  Tensor out = Tensor::zeros(t.dtype, {height, width, c});
  for (std::int64_t y = 0; y < height; ++y) copy_elements(t, ((y + top) * t.dims[1] + left) * c, 1, out, y * width * c, width * c);
  item.tensor = std::move(out);
  return item;
}
Result<Item> apply_step(const Scale& s, Item item) {
  const Tensor& t = item.tensor;
  if (t.dtype == DType::u8) {  // 256 possible results
    std::array<float, 256> table;
    for (std::size_t v = 0; v < 256; ++v) table[v] = s(float(v));
    SAHA_TRY(Tensor out, Tensor::make(DType::f32, t.dims));
    for (std::int64_t i = 0; i < t.size(); ++i) out.as<float>()[i] = table[t.as<const std::uint8_t>()[i]];
    item.tensor = std::move(out);
    return item;
  }
  SAHA_TRY(const Tensor in, as_float(t));
  SAHA_TRY(Tensor out, Tensor::make(DType::f32, t.dims));
  std::transform(in.as<const float>(), in.as<const float>() + in.size(), out.as<float>(), s);
  item.tensor = std::move(out);
  return item;
}
Result<Item> apply_step(const Normalize& s, Item item) {
  SAHA_TRY(const Tensor in, as_float(item.tensor));
  const std::size_t n = std::max(s.mean.size(), s.std.size());
  std::int64_t inner = 1;
  if (n > 1) {
    const auto c = std::int64_t(n);
    const bool last = in.rank() > 0 && in.dims.back() == c, first = in.rank() > 0 && in.dims.front() == c;
    if (!last && !first) return Error{ErrorCode::invalid_data, "normalize: " + std::to_string(n) + " means and deviations for " + str(in.dims)};
    if (!last) inner = in.size() / c;
  }
  SAHA_TRY(Tensor out, Tensor::make(DType::f32, in.dims));
  for (std::int64_t i = 0; i < in.size(); ++i) {
    const std::size_t k = std::size_t(i / inner) % n;
    out.as<float>()[i] = (in.as<const float>()[i] - float(s.mean[s.mean.size() == 1 ? 0 : k])) / float(s.std[s.std.size() == 1 ? 0 : k]);
  }
  item.tensor = std::move(out);
  return item;
}
Result<Item> apply_step(const ToLayout& s, Item item) {
  if (item.tensor.rank() < 2) return wrong("layout", item.tensor, "[h, w, c] or [n, c]");
  item.tensor = transposed(item.tensor, s.channels_first);
  return item;
}
Result<> needs_sound(const char* step, const Item& item) {
  if (item.rate_hz == 0 || item.tensor.rank() != 2) return wrong(step, item.tensor, "sound");
  return {};
}
Result<Item> apply_step(const Mono&, Item item) {
  SAHA_DO(needs_sound("mono", item));
  const std::int64_t c = item.tensor.dims[0], n = item.tensor.dims[1];
  if (c == 1) return item;
  SAHA_TRY(Tensor out, Tensor::make(DType::f32, {1, n}));
  for (std::int64_t i = 0; i < n; ++i) {
    double sum = 0;
    for (std::int64_t k = 0; k < c; ++k) sum += double(item.tensor.as<const float>()[k * n + i]);
    out.as<float>()[i] = float(sum / double(c));
  }
  item.tensor = std::move(out);
  return item;
}
Result<Item> apply_step(const ToRate& s, Item item) {
  SAHA_DO(needs_sound("resample", item));
  SAHA_TRY(item.tensor, resample(item.tensor, item.rate_hz, s.rate_hz));
  item.rate_hz = s.rate_hz;
  return item;
}
Result<Item> apply_step(const Peak& s, Item item) {
  SAHA_DO(needs_sound("peak", item));
  const Tensor in = item.tensor;
  const float* x = in.as<const float>();
  float peak = 0;
  for (std::int64_t i = 0; i < in.size(); ++i) peak = std::max(peak, s.absolute ? std::abs(x[i]) : x[i]);
  if (!(peak > 0)) return item;
  SAHA_TRY(item.tensor, Tensor::make(DType::f32, in.dims));
  std::transform(x, x + in.size(), item.tensor.as<float>(), [peak](float v) { return v / peak; });
  return item;
}
Result<Item> apply_step(const ToLength& s, Item item) {
  SAHA_DO(needs_sound("length", item));
  const Tensor in = item.tensor;
  const std::int64_t c = in.dims[0], n = in.dims[1], m = s.samples(item.rate_hz);
  if (m < 1) return Error{ErrorCode::invalid_data, "length: " + std::to_string(s.seconds) + " s at " + std::to_string(item.rate_hz) + " Hz is no sample"};
  item.tensor = {};
  SAHA_TRY(item.tensor, Tensor::make(DType::f32, {c, m}));
  std::fill_n(item.tensor.as<float>(), c * m, 0.f);
  for (std::int64_t k = 0; k < c; ++k) std::copy_n(in.as<const float>() + k * n, std::min(n, m), item.tensor.as<float>() + k * m);
  return item;
}
Result<Item> apply_step(const LogMel& s, Item item) {
  SAHA_DO(needs_sound("log_mel", item));
  SAHA_TRY(item.tensor, log_mel(item.tensor, item.rate_hz, s));
  item.rate_hz = 0;
  return item;
}
Result<Item> apply_step(const Mfcc& s, Item item) {
  SAHA_DO(needs_sound("mfcc", item));
  SAHA_TRY(item.tensor, mfcc(item.tensor, item.rate_hz, s));
  item.rate_hz = 0;
  return item;
}
Result<Item> apply_step(const Quantize& s, Item item) {
  SAHA_TRY(const Tensor in, as_float(item.tensor));
  SAHA_TRY(Tensor out, Tensor::make(s.to, in.dims));
  const IntRange range = int_range(s.to);
  std::vector<std::int64_t> q(std::size_t(in.size()));
  for (std::size_t i = 0; i < q.size(); ++i) {
    const float r = std::nearbyint(in.as<const float>()[i] / float(s.scale));
    q[i] = std::isnan(r) ? std::clamp<std::int64_t>(s.zero_point, range.lo, range.hi) : std::int64_t(std::clamp(double(r) + double(s.zero_point), double(range.lo), double(range.hi)));
  }
  store(out, 0, out.size(), q.data());
  item.tensor = std::move(out);
  return item;
}

// ---- scale expressions: one x, numbers, + - * / and parentheses ---------------------------------------------------------------------
class ScaleParser {
 public:
  explicit ScaleParser(std::string_view text) : text_(text) {}
  Result<Scale> parse() {
    SAHA_TRY(auto operations, sum());
    if (peek() != '\0') return fail("'" + std::string(1, peek()) + "' is not expected");
    if (!operations.has_x) return fail("x does not occur");
    return Scale{std::string(text_), std::move(operations.steps)};
  }

 private:
  struct Part { bool has_x = false; double value = 0; std::vector<Scale::Operation> steps; };
  using Kind = Scale::Kind;
  Error fail(std::string why) const { return {ErrorCode::invalid_file, "scale '" + std::string(text_) + "': " + std::move(why) + "; an expression such as x/255 or (x-127.5)/127.5 is needed"}; }
  char peek() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  Result<Part> sum() {
    SAHA_TRY(Part left, product());
    for (char c; (c = peek()) == '+' || c == '-';) {
      ++at_;
      SAHA_TRY(Part right, product());
      if (left.has_x && right.has_x) return fail("x occurs twice");
      if (!left.has_x && !right.has_x) left.value = c == '+' ? left.value + right.value : left.value - right.value;
      else if (left.has_x) left.steps.push_back({c == '+' ? Kind::add : Kind::subtract, right.value});
      else right.steps.push_back({c == '+' ? Kind::add : Kind::subtract_from, left.value}), left = std::move(right);
    }
    return left;
  }
  Result<Part> product() {
    SAHA_TRY(Part left, atom());
    for (char c; (c = peek()) == '*' || c == '/';) {
      ++at_;
      SAHA_TRY(Part right, atom());
      if (right.has_x && (left.has_x || c == '/')) return fail("it is not linear in x");
      if (c == '/' && right.value == 0) return fail("it divides by 0");
      if (!left.has_x && !right.has_x) left.value = c == '*' ? left.value * right.value : left.value / right.value;
      else if (left.has_x) left.steps.push_back({c == '*' ? Kind::multiply : Kind::divide, right.value});
      else right.steps.push_back({Kind::multiply, left.value}), left = std::move(right);
    }
    return left;
  }
  Result<Part> atom() {
    const char c = peek();
    if (++depth_ > 50) return fail("it is too deep");
    const auto done = [this](Part p) { --depth_; return p; };
    if (c == '(') {
      ++at_;
      SAHA_TRY(Part inner, sum());
      if (peek() != ')') return fail("a parenthesis is open");
      ++at_;
      return done(std::move(inner));
    }
    if (c == 'x') { ++at_; return done({true, 0, {}}); }
    if (c == '-') {
      ++at_;
      SAHA_TRY(Part inner, atom());
      if (inner.has_x) inner.steps.push_back({Kind::subtract_from, 0});
      else inner.value = -inner.value;
      return done(std::move(inner));
    }
    double v = 0;
    const auto [end, code] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), v);
    if (code != std::errc() || !std::isfinite(v)) return fail(c ? "'" + std::string(1, c) + "' is not expected" : "it ends too early");
    at_ = std::size_t(end - text_.data());
    return done({false, v, {}});
  }
  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Resize::Place Resize::place(std::int64_t h, std::int64_t w) const {
  std::int64_t to_h = height, to_w = width;
  // Ratios are compared and applied as integers, so that no rounding of 1/3 can move a border.
  if (fit == Fit::short_side) {
    if (to_h * w >= to_w * h) to_w = std::max(to_w, w * to_h / h);
    else to_h = std::max(to_h, h * to_w / w);
  } else if (fit == Fit::letterbox) {
    if (to_h * w <= to_w * h) to_w = std::max<std::int64_t>(1, (2 * w * to_h + h) / (2 * h));
    else to_h = std::max<std::int64_t>(1, (2 * h * to_w + w) / (2 * w));
  }
  const bool between = fit == Fit::letterbox && centered;
  return {to_h, to_w, between ? (height - to_h) / 2 : 0, between ? (width - to_w) / 2 : 0};
}
std::array<std::int64_t, 2> Crop::size(std::int64_t h, std::int64_t w) const {
  if (fraction == 0) return {height, width};
  const auto side = std::max<std::int64_t>(1, std::int64_t(std::nearbyint(double(std::min(h, w)) * fraction)));
  return {side, side};
}
std::int64_t ToLength::samples(int rate_hz) const { return std::llround(seconds * rate_hz); }
std::span<const std::string_view> step_names() {
  static constexpr std::string_view kNames[] = {"decode", "resize", "crop", "scale", "normalize", "layout", "mono", "resample", "peak", "length", "log_mel", "mfcc", "quantize"};
  static_assert(std::size(kNames) == std::variant_size_v<Step>);
  return kNames;
}

Result<Scale> Scale::parse(std::string_view expression) { return ScaleParser(expression).parse(); }
float Scale::operator()(float x) const {
  for (const Operation& o : operations) {
    const float v = float(o.operand);
    switch (o.kind) {
      case Kind::add: x = x + v; break;
      case Kind::subtract: x = x - v; break;
      case Kind::subtract_from: x = v - x; break;
      case Kind::multiply: x = x * v; break;
      case Kind::divide: x = x / v; break;
    }
  }
  return x;
}

ImageOptions Preprocess::image_options() const {
  ImageOptions options;
  for (const Step& step : steps_)
    if (const auto* d = std::get_if<Decode>(&step)) options.channels = d->channels, options.turn_by_exif = d->exif;
  return options;
}
Result<Tensor> Preprocess::apply(Item item) const {
  for (const Step& step : steps_) {
    SAHA_TRY(item, std::visit([&item](const auto& s) { return apply_step(s, std::move(item)); }, step));
  }
  return std::move(item.tensor);
}

std::optional<Fitting> fitting(const Dims& dims, const Dims& shape) {
  const auto fits = [&shape](const Dims& d) {
    return d.size() == shape.size() && std::equal(d.begin(), d.end(), shape.begin(), [](std::int64_t a, std::int64_t b) { return b < 0 || a == b; });
  };
  // In this order: as it is, a picture of the other layout, dimensions of 1, any regrouping with one free size at most.
  if (fits(dims)) return Fitting{.dims = dims};
  if (dims.size() == 3) {
    const Dims first = {dims[2], dims[0], dims[1]}, last = {dims[1], dims[2], dims[0]};
    if (dims[2] <= 4 && fits(first)) return Fitting{Fitting::Move::channels_first, first};
    if (dims[0] <= 4 && fits(last)) return Fitting{Fitting::Move::channels_last, last};
  }
  const std::int64_t size = std::ranges::any_of(dims, [](std::int64_t d) { return d < 0; }) ? -1 : num_elements(dims);
  const auto free = std::ranges::count_if(shape, [](std::int64_t d) { return d < 0; });
  std::int64_t known = 1;
  for (std::int64_t d : shape) known *= d < 0 ? 1 : d;
  if (size < 0 || free > 1 || known == 0 || size % known != 0 || (free == 0 && size != known)) return {};
  Dims target = shape;
  for (std::int64_t& d : target)
    if (d < 0) d = size / known;
  // Only flattening and dimensions of 1: 3 x 4 never becomes 4 x 3.
  const auto plain = [](const Dims& d) { Dims out; for (std::int64_t v : d) if (v != 1) out.push_back(v); return out; };
  if (plain(target) != plain(dims) && plain(target).size() > 1) return {};
  return Fitting{.dims = std::move(target)};
}

Result<Tensor> conform(Tensor t, const Dims& shape, DType dtype) {
  const auto fail = [&] {
    return Error{ErrorCode::invalid_data, "the sample is " + std::string(name(t.dtype)) + str(t.dims) + ", the model takes " + std::string(name(dtype)) + str(shape)};
  };
  const auto fit = fitting(t.dims, shape);
  if (!fit) return fail();
  if (fit->move != Fitting::Move::none) t = transposed(t, fit->move == Fitting::Move::channels_first);
  t.dims = fit->dims;
  if (dtype == DType::none || dtype == t.dtype) return t;
  const bool real = is_float(t.dtype) || is_int(t.dtype) || t.dtype == DType::boolean;
  if (!real || dtype == DType::string || is_complex(dtype) || (is_float(t.dtype) && !is_float(dtype))) return fail();
  SAHA_TRY(Tensor out, Tensor::make(dtype, t.dims));
  if (is_float(dtype)) {
    const auto v = values<double>(t);
    store(out, 0, t.size(), v.data());
    return out;
  }
  const auto v = values<std::int64_t>(t);
  const IntRange range = int_range(dtype);
  for (std::int64_t x : v)
    if (x < range.lo || x > range.hi) return Error{ErrorCode::invalid_data, "the sample holds " + std::to_string(x) + ", which " + std::string(name(dtype)) + " does not"};
  store(out, 0, t.size(), v.data());
  return out;
}

}  // namespace saha::data
