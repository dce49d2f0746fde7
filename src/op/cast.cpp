// Cast, CastLike, BitCast. Source: ONNX operator specification, opset 28. What it leaves open is fixed here: a float beyond an
// integer's range gives the nearest end of the range (4- and 2-bit integers keep the low bits, as the specification's own cases
// do), NaN gives 0.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "op/builder.hpp"
#include "tensor/float_format.hpp"

namespace saha::op {
namespace {
struct Rules {
  Overflow overflow = Overflow::saturate;
  RoundMode mode = RoundMode::up;   // of float8e8m0 only
};
bool rounds_small(DType t) { return is_float(t) && bits(t) < 32; }

/// An integer as double; where it has more bits than fit, one that rounds to 24 bits or less as the integer itself would.
template <class T> double for_rounding(T v) {
  double d = double(v);
  if (std::fabs(d) < 0x1p53) return d;
  T low = v & T(2047);
  double base = double(v - low);   // exact
  return low ? std::nextafter(base, INFINITY) : base;
}

void store_small(const Tensor& y, std::int64_t at, std::int64_t n, const double* v, Rules r) {
  bool mx = y.dtype == DType::f8e8m0, f8 = bits(y.dtype) == 8;
  for (std::int64_t i = 0; i < n; ++i) {
    auto code = encode(y.dtype, v[i], f8 ? r.overflow : Overflow::to_infinity_or_nan, mx ? r.mode : RoundMode::nearest_even);
    if (bits(y.dtype) == 16) y.as<std::uint16_t>()[at + i] = std::uint16_t(code);
    else if (f8) y.as<std::uint8_t>()[at + i] = std::uint8_t(code);
    else store(y, at + i, 1, &v[i]);
  }
}
/// Floats to an integer of at least 8 bits: truncated, then the nearest end of its range.
void store_integer(const Tensor& y, std::int64_t at, std::int64_t n, double* v) {
  if (bits(y.dtype) < 64) {
    IntRange range = int_range(y.dtype);
    for (std::int64_t i = 0; i < n; ++i) v[i] = std::isnan(v[i]) ? 0 : std::clamp(v[i], double(range.lo), double(range.hi));
  }
  store(y, at, n, v);
}

/// "1.5", "1e+20", "nan": the shortest digits that read back as the same number of dtype t.
std::string text_of(DType t, double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  double a = std::fabs(v);
  auto form = a != 0 && (a < 1e-4 || a >= 1e16) ? std::chars_format::scientific : std::chars_format::fixed;
  char buffer[64];
  std::to_chars_result r{};
  if (t == DType::f64) r = std::to_chars(buffer, buffer + sizeof buffer, v, form);
  else if (t == DType::f32) r = std::to_chars(buffer, buffer + sizeof buffer, float(v), form);
  else
    for (int digits = 0; digits < 20; ++digits) {   // few digits; the first that reads back
      r = std::to_chars(buffer, buffer + sizeof buffer, v, form, digits);
      double back = 0;
      std::from_chars(buffer, r.ptr, back);
      if (decode(t, encode(t, back)) == v) break;
    }
  std::string s(buffer, r.ptr);
  if (form == std::chars_format::fixed && s.find('.') == s.npos) s += ".0";
  return s;
}
Result<Tensor> to_text(const Tensor& x, Tensor y) {
  std::vector<std::string>& text = *y.text;
  if (is_float(x.dtype)) {
    auto v = values<double>(x);
    for (std::size_t i = 0; i < v.size(); ++i) text[i] = text_of(x.dtype, v[i]);
  } else if (is_signed_int(x.dtype)) {
    auto v = values<std::int64_t>(x);
    for (std::size_t i = 0; i < v.size(); ++i) text[i] = std::to_string(v[i]);
  } else {
    auto v = values<std::uint64_t>(x);
    for (std::size_t i = 0; i < v.size(); ++i) text[i] = x.dtype == DType::boolean ? (v[i] ? "True" : "False") : std::to_string(v[i]);
  }
  return y;
}

template <class T> bool parsed(std::string_view s, T& v) {
  auto r = std::from_chars(s.data(), s.data() + s.size(), v);
  if constexpr (std::is_floating_point_v<T>) {
    if (r.ec == std::errc::result_out_of_range) {   // from_chars leaves v alone: too large or too small
      bool small = s.find("e-") != s.npos || s.find("E-") != s.npos;
      v = small ? T(0) : s.front() == '-' ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::infinity();
      return r.ptr == s.data() + s.size();
    }
  }
  return r.ec == std::errc() && r.ptr == s.data() + s.size();
}
Result<Tensor> from_text(const Tensor& x, Tensor y, Rules rules) {
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const std::string& text = (*x.text)[std::size_t(i)];
    std::string_view s = text;
    auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
    while (!s.empty() && blank(s.front())) s.remove_prefix(1);
    while (!s.empty() && blank(s.back())) s.remove_suffix(1);
    if (s.size() > 1 && s.front() == '+' && s[1] != '-') s.remove_prefix(1);
    Error bad{ErrorCode::invalid_argument, "Cast: element " + std::to_string(i) + ", '" + text.substr(0, 40) + "', is no number"};
    std::int64_t integer = 0;
    std::uint64_t natural = 0;
    double real = 0;
    if (y.dtype == DType::boolean && (s == "True" || s == "true" || s == "False" || s == "false")) {
      y.as<std::uint8_t>()[i] = s[0] == 'T' || s[0] == 't';
      continue;
    }
    if (is_signed_int(y.dtype) && parsed(s, integer)) { store(y, i, 1, &integer); continue; }
    if (is_unsigned_int(y.dtype) && parsed(s, natural)) { store(y, i, 1, &natural); continue; }
    if (y.dtype == DType::f32) {
      float f = 0;
      if (!parsed(s, f)) return bad;
      y.as<float>()[i] = f;   // read as float32: one rounding
      continue;
    }
    if (!parsed(s, real)) return bad;
    if (rounds_small(y.dtype)) store_small(y, i, 1, &real, rules);
    else if (is_int(y.dtype) && bits(y.dtype) >= 8) store_integer(y, i, 1, &real);
    else store(y, i, 1, &real);
  }
  return y;
}

template <class C> void convert_integers(const Tensor& x, const Tensor& y, std::int64_t at, std::int64_t n, Rules rules) {
  C v[256];
  load(x, at, 1, n, v);
  if (!rounds_small(y.dtype)) return store(y, at, n, v);
  double d[256];
  for (std::int64_t i = 0; i < n; ++i) d[i] = for_rounding(v[i]);
  store_small(y, at, n, d, rules);
}
Result<Tensor> converted(const Eval& c, const Tensor& x, DType to) {
  if (x.dtype == to) return x;
  std::string mode = c.s("round_mode");
  Rules rules{c.i("saturate") ? Overflow::saturate : Overflow::to_infinity_or_nan,
              mode == "up" ? RoundMode::up : mode == "down" ? RoundMode::down : RoundMode::nearest_up};
  if (is_complex(x.dtype) || is_complex(to)) return c.fail("is not defined for " + std::string(name(is_complex(to) ? to : x.dtype)));
  SAHA_TRY(Tensor y, c.make(to, x.dims));
  if (to == DType::string) return to_text(x, std::move(y));
  if (x.dtype == DType::string) return from_text(x, std::move(y), rules);
  std::int64_t size = x.size();
  for (std::int64_t at = 0; at < size; at += 256) {
    std::int64_t n = std::min<std::int64_t>(256, size - at);
    if (is_float(x.dtype)) {
      double v[256];
      load(x, at, 1, n, v);
      if (rounds_small(to)) store_small(y, at, n, v, rules);
      else if (is_int(to) && bits(to) >= 8) store_integer(y, at, n, v);
      else store(y, at, n, v);
    } else if (is_signed_int(x.dtype)) convert_integers<std::int64_t>(x, y, at, n, rules);
    else convert_integers<std::uint64_t>(x, y, at, n, rules);
  }
  return y;
}

Result<DType> target(std::int64_t to, std::string_view who) {
  if (to <= 0 || to >= kNumDTypes) return Error{ErrorCode::invalid_model, std::string(who) + ": 'to' is " + std::to_string(to) + ", which is no known dtype"};
  return DType(to);
}
Result<> infer_cast(Infer& c) {
  SAHA_TRY(DType t, target(c.i("to"), "Cast"));
  if (is_complex(t)) return c.fail("does not give " + std::string(name(t)));
  std::string mode = c.s("round_mode");
  if (mode != "up" && mode != "down" && mode != "nearest") return c.fail("round_mode is '" + mode + "', up, down and nearest exist");
  if (!c.in[0]->ranked) return c.give_unranked(t);
  return c.give(t, c.dims(0));
}
Result<> eval_cast(Eval& c) {
  SAHA_TRY(Tensor y, converted(c, c.x(0), DType(c.i("to"))));
  return c.give(std::move(y));
}
/// Between floats; nothing flows through an integer.
Vals cast_vjp(const Site& s, const Vals& dy) {
  bool flows = is_float(s.type(0).dtype) && is_float(s.b.type(dy[0]).dtype);
  return {flows ? s.b.op("Cast", {dy[0]}, {{"to", std::int64_t(s.type(0).dtype)}}) : Val{}};
}
Result<> infer_cast_like(Infer& c) {
  if (!c.in[0]->ranked) return c.give_unranked(c.dtype(1));
  return c.give(c.dtype(1), c.dims(0));
}
Result<> eval_cast_like(Eval& c) {
  SAHA_TRY(Tensor y, converted(c, c.x(0), c.x(1).dtype));
  return c.give(std::move(y));
}
Vals cast_like_body(const Site& s) {
  return {s.b.op("Cast", {s.in[0]}, {{"to", std::int64_t(s.type(1).dtype)}, {"saturate", s.i("saturate")}, {"round_mode", s.s("round_mode")}})};
}

Result<> infer_bit_cast(Infer& c) {
  SAHA_TRY(DType t, target(c.i("to"), "BitCast"));
  if (t == DType::string || (c.dtype(0) != DType::none && bits(t) != bits(c.dtype(0))))
    return c.fail("from " + std::string(name(c.dtype(0))) + " to " + std::string(name(t)) + ": the widths differ");
  if (!c.in[0]->ranked) return c.give_unranked(t);
  return c.give(t, c.dims(0));
}
Result<> eval_bit_cast(Eval& c) {
  Tensor y = c.x(0);   // the same bytes
  auto to = DType(c.i("to"));
  if (bits(to) != bits(y.dtype) || to == DType::string) return c.fail("from " + std::string(name(y.dtype)) + " to " + std::string(name(to)) + ": the widths differ");
  if (to == DType::boolean) {   // a bool's byte is 0 or 1 here
    SAHA_TRY(y, c.make(to, c.x(0).dims));
    for (std::int64_t i = 0; i < y.size(); ++i) y.as<std::uint8_t>()[i] = c.x(0).as<std::uint8_t>()[i] != 0;
  }
  y.dtype = to;
  return c.give(std::move(y));
}

constexpr OpDef kOps[] = {
    {.name = "Cast", .since_version = 28,
     .signature = "(input: T1) -> (output: T2) where T1: bool number string float8 float6 packed, T2: bool number string float8 float6 packed | to: int, saturate: int = 1, round_mode: string = up",
     .traits = kElementwise | kTakesUnranked, .infer = infer_cast, .eval = eval_cast, .vjp = cast_vjp},
    {.name = "CastLike", .since_version = 25,
     .signature = "(input: T1, target_type: T2) -> (output: T2) where T1: bool number string float8 packed, T2: bool number string float8 packed | saturate: int = 1, round_mode: string = up",
     .traits = kTakesUnranked, .infer = infer_cast_like, .eval = eval_cast_like, .body = cast_like_body},
    {.name = "BitCast", .since_version = 26,
     .signature = "(input: T1) -> (output: T2) where T1: bool number complex float8 packed, T2: bool number complex float8 packed | to: int",
     .traits = kTakesUnranked, .infer = infer_bit_cast, .eval = eval_bit_cast, .no_gradient = "it reads numbers as bits", .no_bounds = "it reads numbers as bits"},
};
}  // namespace

std::span<const OpDef> cast() { return kOps; }

}  // namespace saha::op
