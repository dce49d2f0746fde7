// DFT and STFT. Source: ONNX operator specification, opset 28. Signals are [.., 1] (real) or [.., 2] (real, imaginary). Lengths of small
// primes by Cooley and Tukey, others as a convolution of power-of-two length (Bluestein), in double. Only complex float32 signals of the
// former are transformed in float32, factor by factor: the specification's cases state the rounding that this leaves where the truth is 0.
#include <bit>
#include <cmath>
#include <numbers>

#include "op/builder.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {
template <class R> struct Complex {
  R re = 0, im = 0;
  friend Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
  friend Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
  friend Complex operator*(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
  friend Complex operator*(R c, Complex a) { return {c * a.re, c * a.im}; }
  Complex conjugate() const { return {re, -im}; }
};
template <class R> using Signal = std::vector<Complex<R>>;
/// e^(-2 pi i k / n).
template <class R> Complex<R> root_of_unity(std::size_t k, std::size_t n) {
  double w = 2 * std::numbers::pi * double(k) / double(n);
  return {R(std::cos(w)), R(-std::sin(w))};
}
constexpr std::size_t kLargestFactor = 61;
/// 4s, then one 2 in front, then odd primes; empty where a prime is larger than kLargestFactor.
std::vector<std::size_t> factors(std::size_t n) {
  std::vector<std::size_t> f;
  for (; n % 4 == 0; n /= 4) f.push_back(4);
  if (n % 2 == 0) {
    n /= 2;
    f.insert(f.begin(), 2);
  }
  for (std::size_t p = 3; p <= kLargestFactor; p += 2) for (; n % p == 0; n /= p) f.push_back(p);
  return n == 1 ? f : std::vector<std::size_t>{};
}

/// The forward transform of one length whose primes are small, unscaled.
template <class R> class Factored {
 public:
  explicit Factored(std::size_t n) : n_(n), factors_(factors(n)), other_(n) {
    for (std::size_t k = 0; k < n; ++k) roots_.push_back(root_of_unity<R>(k, n));
  }
  void forward(Signal<R>& x) {
    std::size_t done = 1;
    for (std::size_t p : factors_) {
      std::size_t rest = n_ / (done * p);
      for (std::size_t k = 0; k < done; ++k)
        for (std::size_t i = 0; i < rest; ++i) {
          Complex<R> t[kLargestFactor + 1];
          for (std::size_t j = 0; j < p; ++j) t[j] = x[i + rest * (j + p * k)];
          butterfly(t, p);
          for (std::size_t q = 0; q < p; ++q) other_[i + rest * (k + done * q)] = q && i ? t[q] * roots_[q * i * done] : t[q];
        }
      x.swap(other_);
      done *= p;
    }
  }

 private:
  /// The transform of length p, in place.
  void butterfly(Complex<R>* t, std::size_t p) const {
    if (p == 2) {
      Complex<R> a = t[0];
      t[0] = a + t[1];
      t[1] = a - t[1];
    } else if (p == 4) {
      Complex<R> a = t[0] + t[2], b = t[0] - t[2], c = t[1] + t[3], d = t[1] - t[3];
      t[0] = a + c;
      t[1] = {b.re + d.im, b.im - d.re};
      t[2] = a - c;
      t[3] = {b.re - d.im, b.im + d.re};
    } else {   // pairs of conjugate roots: p - 1 half as many products
      std::size_t half = p / 2, step = n_ / p;
      Complex<R> first = t[0], sum[kLargestFactor / 2 + 1], difference[kLargestFactor / 2 + 1];
      for (std::size_t j = 1; j <= half; ++j) {
        sum[j] = t[j] + t[p - j];
        difference[j] = t[j] - t[p - j];
        t[0] = t[0] + sum[j];
      }
      for (std::size_t q = 1; q <= half; ++q) {
        Complex<R> a = first, b{};
        for (std::size_t j = 1; j <= half; ++j) {
          Complex<R> w = roots_[q * j % p * step];
          a = a + w.re * sum[j];
          b = b + -w.im * difference[j];
        }
        t[q] = {a.re + b.im, a.im - b.re};
        t[p - q] = {a.re - b.im, a.im + b.re};
      }
    }
  }
  std::size_t n_;
  std::vector<std::size_t> factors_;
  Signal<R> roots_, other_;
};
/// Any length, as a convolution with a chirp.
class Bluestein {
 public:
  explicit Bluestein(std::size_t n) : n_(n), m_(std::bit_ceil(2 * n - 1)), inner_(m_), filter_(m_) {
    for (std::size_t k = 0; k < n; ++k) {
      chirp_.push_back(root_of_unity<double>(std::size_t((unsigned __int128)(k) * k % (2 * n)), 2 * n));
      filter_[k] = filter_[k ? m_ - k : 0] = chirp_[k].conjugate();
    }
    inner_.forward(filter_);
  }
  void forward(Signal<double>& x) {
    Signal<double> a(m_);
    for (std::size_t k = 0; k < n_; ++k) a[k] = x[k] * chirp_[k];
    inner_.forward(a);
    for (std::size_t k = 0; k < m_; ++k) a[k] = (a[k] * filter_[k]).conjugate();  // conjugated, so that forward serves as inverse
    inner_.forward(a);
    for (std::size_t k = 0; k < n_; ++k) x[k] = Complex<double>{a[k].re / double(m_), -a[k].im / double(m_)} * chirp_[k];
  }

 private:
  std::size_t n_, m_;
  Factored<double> inner_;
  Signal<double> chirp_, filter_;
};
/// Calls f with the transform that serves this length and signal, and a zero of its kind of number.
template <class F> void with_transform(DType t, std::int64_t parts, std::int64_t n, F f) {
  auto length = std::size_t(n);
  if (n > 1 && factors(length).empty()) { Bluestein b(length); f(b, 0.0); }
  else if (t == DType::f32 && parts == 2) { Factored<float> x(length); f(x, 0.0f); }
  else { Factored<double> x(length); f(x, 0.0); }
}
template <class T, class R> void inverse(T& transform, Signal<R>& x) {
  for (auto& e : x) e = e.conjugate();
  transform.forward(x);
  for (auto& e : x) e = {e.re / R(x.size()), -e.im / R(x.size())};
}

Result<std::size_t> signal_axis(const OpDef& def, std::int64_t axis, std::size_t rank) {
  auto r = std::int64_t(rank), a = axis < 0 ? axis + r : axis;
  if (rank < 2 || a < 0 || a > r - 2) return Error{ErrorCode::invalid_model, std::string(def.name.str()) + ": axis " + std::to_string(axis) + " is none of a signal of rank " + std::to_string(rank) + ", whose last dimension is real and imaginary part"};
  return std::size_t(a);
}
std::string one_or_two(const std::string& what) { return "the last dimension is " + what + ", 1 (real) or 2 (real, imaginary) is needed"; }

// ---- DFT ---------------------------------------------------------------------------------------------------------------------
Result<> infer_dft(Infer& c) {
  std::vector<Dim> d = c.dims(0);
  if (d.size() < 2) return c.fail("input has rank " + std::to_string(d.size()) + ", at least 2 is needed");
  if (d.back().known() && !d.back().is(1) && !d.back().is(2)) return c.fail(one_or_two(d.back().str()));
  bool inverse = c.i("inverse"), onesided = c.i("onesided");
  auto a = c.has(2) ? c.numbers(2) : std::vector<std::int64_t>{-2};
  if (a && a->size() == 1) {
    SAHA_TRY(std::size_t axis, signal_axis(c.def, a->front(), d.size()));
    const Known* length = c.known(1);
    if (length && length->size() != 1) return c.fail("dft_length has " + std::to_string(length->size()) + " elements, 1 is needed");
    Dim n = c.has(1) ? (length ? length->front() : c.fresh("dft")) : inverse && onesided ? (d[axis] - Dim(1)) * Dim(2) : d[axis];
    d[axis] = onesided && !inverse ? floor_div(n, Dim(2)) + Dim(1) : n;
  } else {
    for (std::size_t i = 0; i + 1 < d.size(); ++i) d[i] = c.fresh("dft");
  }
  d.back() = Dim(onesided && inverse ? 1 : 2);
  return c.give(c.dtype(0), std::move(d));
}
double transform_steps(std::int64_t n) { return 16 * double(n) * (1 + std::log2(double(n))); }
Result<> eval_dft(Eval& c) {
  const Tensor& x = c.x(0);
  for (std::size_t i : {1, 2}) if (c.has(i) && c.x(i).size() != 1) return c.fail((i == 1 ? "dft_length" : "axis") + std::string(" has ") + std::to_string(c.x(i).size()) + " elements, 1 is needed");
  SAHA_TRY(std::size_t axis, signal_axis(c.def, c.has(2) ? c.x(2).int_at(0) : -2, x.rank()));
  std::int64_t parts = x.dims.back(), given = x.dims[axis];
  if (parts != 1 && parts != 2) return c.fail(one_or_two(std::to_string(parts)));
  bool backward = c.i("inverse"), onesided = c.i("onesided"), to_real = backward && onesided;
  std::int64_t n = c.has(1) ? c.x(1).int_at(0) : to_real ? 2 * (given - 1) : given;
  if (n < 1 || n > (std::int64_t{1} << 26)) return c.fail("a transform of length " + std::to_string(n) + " is not done");
  Dims d = x.dims;
  std::int64_t kept = d[axis] = onesided && !backward ? n / 2 + 1 : n, out_parts = d.back() = to_real ? 1 : 2;
  SAHA_DO(c.spend(transform_steps(n) * double(product(x.dims, 0, axis)) * double(product(x.dims, axis + 1, x.rank() - 1))));
  SAHA_TRY(Tensor y, c.make(x.dtype, d));
  if (y.size() == 0) return c.give(std::move(y));
  std::int64_t outer = product(x.dims, 0, axis), inner = product(x.dims, axis + 1, x.rank() - 1);
  std::vector<double> v = values<double>(x), w(static_cast<std::size_t>(y.size()));
  with_transform(x.dtype, parts, n, [&](auto& transform, auto zero) {
    using R = decltype(zero);
    Signal<R> s(static_cast<std::size_t>(n));
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t i = 0; i < inner; ++i) {
        std::int64_t used = std::min(given, to_real ? n / 2 + 1 : n);
        s.assign(s.size(), {});
        for (std::int64_t k = 0; k < used; ++k) {
          const double* e = v.data() + ((o * given + k) * inner + i) * parts;
          s[std::size_t(k)] = {R(e[0]), parts == 2 ? R(e[1]) : R(0)};
        }
        if (to_real) for (std::int64_t k = n / 2 + 1; k < n; ++k) s[std::size_t(k)] = s[std::size_t(n - k)].conjugate();
        if (backward) inverse(transform, s);
        else transform.forward(s);
        for (std::int64_t k = 0; k < kept; ++k) {
          double* e = w.data() + ((o * kept + k) * inner + i) * out_parts;
          e[0] = s[std::size_t(k)].re;
          if (out_parts == 2) e[1] = s[std::size_t(k)].im;
        }
      }
  });
  fill<double>(y, w);
  return c.give(std::move(y));
}
/// The transform's matrix is symmetric, so its adjoint is the other direction times n. Real signals keep the real part.
Val dft_adjoint(const Site& s, std::size_t, Val dy) {
  const Type& x = s.type(0);
  const Tensor* axis_value = s.has(2) ? s.b.data(s.in[2]) : nullptr;
  std::int64_t axis = axis_value ? axis_value->int_at(0) : -2;
  auto a = std::size_t(axis < 0 ? axis + std::int64_t(x.dims.size()) : axis);
  if (s.has(1) || s.i("onesided") || (s.has(2) && !axis_value) || !x.ranked || a >= x.dims.size() || !x.dims[a].known()) {
    s.b.fail({ErrorCode::unsupported, "DFT: the gradient exists for the full transform of a known length only"});
    return {};
  }
  double n = double(*x.dims[a].known());
  bool inverse = s.i("inverse");
  Val full = s.b.op("DFT", {dy, {}, s.has(2) ? s.in[2] : Val{}}, {{"inverse", std::int64_t(!inverse)}}) * (inverse ? 1 / n : n);
  return x.dims.back().is(1) ? s.b.op("Slice", {full, s.b.ints({0}), s.b.ints({1}), s.b.ints({-1})}) : full;
}

// ---- STFT: signal [batch, length, 1 or 2] -> [batch, frames, bins, 2] -------------------------------------------------------------
Result<> infer_stft(Infer& c) {
  if (c.rank(0) != 3) return c.fail("signal has rank " + std::to_string(c.rank(0)) + ", 3 is needed");
  const Dim& parts = c.dims(0)[2];
  if (parts.known() && !parts.is(1) && !parts.is(2)) return c.fail(one_or_two(parts.str()));
  if (c.has(2) && c.rank(2) != 1) return c.fail("window has rank " + std::to_string(c.rank(2)) + ", 1 is needed");
  const Known *step = c.known(1), *length = c.known(3);
  Dim size = c.has(2) ? c.dims(2)[0] : c.has(3) ? (length && length->size() == 1 ? length->front() : c.fresh("frame")) : c.dims(0)[1];
  if (size.known() && *size.known() < 1) return c.fail("frames have " + size.str() + " samples");
  if (step && step->size() == 1 && step->front().known() && *step->front().known() < 1) return c.fail("frame_step is " + step->front().str());
  Dim frames = step && step->size() == 1 ? floor_div(c.dims(0)[1] - size, step->front()) + Dim(1) : c.fresh("frames");
  if (frames.known() && *frames.known() < 0) frames = Dim(0);
  return c.give(c.dtype(0), {c.dims(0)[0], frames, c.i("onesided") ? floor_div(size, Dim(2)) + Dim(1) : size, Dim(2)});
}
Result<> eval_stft(Eval& c) {
  const Tensor& x = c.x(0);
  if (x.rank() != 3 || (x.dims[2] != 1 && x.dims[2] != 2)) return c.fail("signal is " + str(x.dims) + ", [batch, length, 1 or 2] is needed");
  for (std::size_t i : {1, 3}) if (c.has(i) && c.x(i).size() != 1) return c.fail((i == 1 ? "frame_step" : "frame_length") + std::string(" has ") + std::to_string(c.x(i).size()) + " elements, 1 is needed");
  std::int64_t step = c.x(1).int_at(0), length = x.dims[1], parts = x.dims[2];
  std::int64_t n = c.has(3) ? c.x(3).int_at(0) : c.has(2) ? c.x(2).size() : length;
  if (step < 1 || n < 1 || n > (std::int64_t{1} << 26)) return c.fail("frame_step is " + std::to_string(step) + ", frame_length is " + std::to_string(n));
  if (c.has(2) && c.x(2).size() != n) return c.fail("window has " + std::to_string(c.x(2).size()) + " samples, a frame has " + std::to_string(n));
  std::int64_t frames = length < n ? 0 : (length - n) / step + 1, bins = c.i("onesided") ? n / 2 + 1 : n;
  SAHA_DO(c.spend(transform_steps(n) * double(x.dims[0]) * double(frames)));
  SAHA_TRY(Tensor y, c.make(x.dtype, {x.dims[0], frames, bins, 2}));
  if (y.size() == 0) return c.give(std::move(y));
  std::vector<double> v = values<double>(x), w(static_cast<std::size_t>(y.size())), window(static_cast<std::size_t>(n), 1);
  if (c.has(2)) load(c.x(2), 0, 1, n, window.data());
  with_transform(x.dtype, parts, n, [&](auto& transform, auto zero) {
    using R = decltype(zero);
    Signal<R> s(static_cast<std::size_t>(n));
    double* to = w.data();
    for (std::int64_t b = 0; b < x.dims[0]; ++b)
      for (std::int64_t f = 0; f < frames; ++f) {
        const double* e = v.data() + (b * length + f * step) * parts;
        for (std::int64_t k = 0; k < n; ++k, e += parts) {
          double h = window[std::size_t(k)];
          s[std::size_t(k)] = {R(e[0] * h), parts == 2 ? R(e[1] * h) : R(0)};
        }
        transform.forward(s);
        for (std::int64_t k = 0; k < bins; ++k) {
          *to++ = s[std::size_t(k)].re;
          *to++ = s[std::size_t(k)].im;
        }
      }
  });
  fill<double>(y, w);
  return c.give(std::move(y));
}

/// Frames are gathered, weighted by the window and transformed.
Vals stft_body(const Site& s) {
  Builder& b = s.b;
  const auto number = [&](std::size_t i) { return b.op("Cast", {b.op("Reshape", {s.in[i], b.ints({})})}, {{"to", std::int64_t(DType::i64)}}); };
  Val zero = b.constant(Tensor::scalar_int(0)), one = b.constant(Tensor::scalar_int(1));
  Val length = b.op("Gather", {b.op("Shape", {s.in[0]}), one}), step = number(1);
  Val n = s.has(3) ? number(3) : s.has(2) ? b.op("Size", {s.in[2]}) : length;
  Val frames = b.op("Max", {length - n + step, zero}) / step;
  Val places = b.op("Unsqueeze", {b.op("Range", {zero, frames, one}) * step, b.ints({1})}) + b.op("Range", {zero, n, one});
  Val framed = b.op("Gather", {s.in[0], places}, {{"axis", std::int64_t{1}}});  // [batch, frames, n, 1 or 2]
  if (s.has(2)) framed = framed * b.op("Unsqueeze", {s.in[2], b.ints({1})});
  Val bins = b.op("DFT", {framed, {}, b.constant(Tensor::scalar_int(2))});   // all of them: only so has it a gradient
  if (!s.i("onesided")) return {bins};
  return {b.op("Slice", {bins, b.ints({0}), b.op("Reshape", {n / b.constant(Tensor::scalar_int(2)) + one, b.ints({1})}), b.ints({2})})};
}

constexpr OpDef kOps[] = {
    {.name = "DFT", .since_version = 20, .signature = "(input: T1, dft_length: T2!?, axis: int64!?) -> (output: T1) where T1: float, T2: int32 int64 | inverse: int = 0, onesided: int = 0",
     .infer = infer_dft, .eval = eval_dft, .linear = joint({0}), .adjoint = dft_adjoint, .rounding = ErrorModel::dot},
    {.name = "STFT", .since_version = 17,
     .signature = "(signal: T1, frame_step: T2!, window: T1?, frame_length: T2!?) -> (output: T1) where T1: float, T2: int32 int64 | onesided: int = 1",
     .infer = infer_stft, .eval = eval_stft, .body = stft_body, .linear = bilinear(0, 2), .rounding = ErrorModel::dot},
};
}  // namespace

std::span<const OpDef> signal() { return kOps; }

}  // namespace saha::op
