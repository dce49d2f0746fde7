// DFT and STFT. Source: ONNX operator specification, opset 28. Signals are [.., 1] (real) or [.., 2] (real, imaginary). Powers of two by
// Cooley and Tukey, other lengths as a convolution of power-of-two length (Bluestein); everything in double.
#include <cmath>
#include <numbers>

#include "op/builder.hpp"
#include "op/strides.hpp"

namespace saha::op {
namespace {
struct Complex {
  double re = 0, im = 0;
  friend Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
  friend Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
  friend Complex operator*(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
  Complex conjugate() const { return {re, -im}; }
};
using Signal = std::vector<Complex>;
/// e^(2 pi i k / n), sign included in k.
Complex root_of_unity(double k, std::size_t n) {
  double w = 2 * std::numbers::pi * k / double(n);
  return {std::cos(w), std::sin(w)};
}

/// sum x[k] e^(-2 pi i k j / n) in place, n a power of two; roots[k] = e^(-2 pi i k / n).
void power_of_two(Signal& x, const Signal& roots) {
  std::size_t n = x.size();
  for (std::size_t i = 1, j = 0; i < n; ++i) {  // bit-reversed order
    std::size_t bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(x[i], x[j]);
  }
  for (std::size_t half = 1; half < n; half *= 2)
    for (std::size_t from = 0; from < n; from += 2 * half)
      for (std::size_t k = 0; k < half; ++k) {
        Complex a = x[from + k], b = x[from + k + half] * roots[k * (n / (2 * half))];
        x[from + k] = a + b;
        x[from + k + half] = a - b;
      }
}
/// The transform of one length; unscaled, forward.
class Fourier {
 public:
  explicit Fourier(std::size_t n) : n_(n), m_(1) {
    bool power = (n & (n - 1)) == 0;
    while (m_ < (power ? n : 2 * n - 1)) m_ *= 2;
    for (std::size_t k = 0; k < m_; ++k) roots_.push_back(root_of_unity(-double(k), m_));
    if (power) return;
    filter_.resize(m_);
    for (std::size_t k = 0; k < n; ++k) {
      chirp_.push_back(root_of_unity(-double((unsigned __int128)(k) * k % (2 * n)), 2 * n));
      filter_[k] = filter_[k ? m_ - k : 0] = chirp_[k].conjugate();
    }
    power_of_two(filter_, roots_);
  }
  void forward(Signal& x) const {
    if (chirp_.empty()) return power_of_two(x, roots_);
    Signal a(m_);
    for (std::size_t k = 0; k < n_; ++k) a[k] = x[k] * chirp_[k];
    power_of_two(a, roots_);
    for (std::size_t k = 0; k < m_; ++k) a[k] = (a[k] * filter_[k]).conjugate();  // conjugated, so that forward serves as inverse
    power_of_two(a, roots_);
    for (std::size_t k = 0; k < n_; ++k) x[k] = Complex{a[k].re / double(m_), -a[k].im / double(m_)} * chirp_[k];
  }
  void inverse(Signal& x) const {
    for (Complex& e : x) e = e.conjugate();
    forward(x);
    for (Complex& e : x) e = {e.re / double(n_), -e.im / double(n_)};
  }

 private:
  std::size_t n_, m_;
  Signal roots_, chirp_, filter_;
};

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
Result<> eval_dft(Eval& c) {
  const Tensor& x = c.x(0);
  for (std::size_t i : {1, 2}) if (c.has(i) && c.x(i).size() != 1) return c.fail((i == 1 ? "dft_length" : "axis") + std::string(" has ") + std::to_string(c.x(i).size()) + " elements, 1 is needed");
  SAHA_TRY(std::size_t axis, signal_axis(c.def, c.has(2) ? c.x(2).int_at(0) : -2, x.rank()));
  std::int64_t parts = x.dims.back(), given = x.dims[axis];
  if (parts != 1 && parts != 2) return c.fail(one_or_two(std::to_string(parts)));
  bool inverse = c.i("inverse"), onesided = c.i("onesided"), to_real = inverse && onesided;
  std::int64_t n = c.has(1) ? c.x(1).int_at(0) : to_real ? 2 * (given - 1) : given;
  if (n < 1 || n > (std::int64_t{1} << 26)) return c.fail("a transform of length " + std::to_string(n) + " is not done");
  Dims d = x.dims;
  std::int64_t kept = d[axis] = onesided && !inverse ? n / 2 + 1 : n, out_parts = d.back() = to_real ? 1 : 2;
  SAHA_TRY(Tensor y, c.make(x.dtype, d));
  if (y.size() == 0) return c.give(std::move(y));
  std::int64_t outer = product(x.dims, 0, axis), inner = product(x.dims, axis + 1, x.rank() - 1);
  std::vector<double> v = values<double>(x), w(static_cast<std::size_t>(y.size()));
  Fourier fourier(static_cast<std::size_t>(n));
  Signal s(static_cast<std::size_t>(n));
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t i = 0; i < inner; ++i) {
      std::int64_t used = std::min(given, to_real ? n / 2 + 1 : n);
      s.assign(s.size(), {});
      for (std::int64_t k = 0; k < used; ++k) {
        const double* e = v.data() + ((o * given + k) * inner + i) * parts;
        s[std::size_t(k)] = {e[0], parts == 2 ? e[1] : 0};
      }
      if (to_real) for (std::int64_t k = n / 2 + 1; k < n; ++k) s[std::size_t(k)] = s[std::size_t(n - k)].conjugate();
      if (inverse) fourier.inverse(s);
      else fourier.forward(s);
      for (std::int64_t k = 0; k < kept; ++k) {
        double* e = w.data() + ((o * kept + k) * inner + i) * out_parts;
        e[0] = s[std::size_t(k)].re;
        if (out_parts == 2) e[1] = s[std::size_t(k)].im;
      }
    }
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
  SAHA_TRY(Tensor y, c.make(x.dtype, {x.dims[0], frames, bins, 2}));
  if (y.size() == 0) return c.give(std::move(y));
  std::vector<double> v = values<double>(x), w(static_cast<std::size_t>(y.size())), window(static_cast<std::size_t>(n), 1);
  if (c.has(2)) load(c.x(2), 0, 1, n, window.data());
  Fourier fourier(static_cast<std::size_t>(n));
  Signal s(static_cast<std::size_t>(n));
  double* to = w.data();
  for (std::int64_t b = 0; b < x.dims[0]; ++b)
    for (std::int64_t f = 0; f < frames; ++f) {
      const double* e = v.data() + (b * length + f * step) * parts;
      for (std::int64_t k = 0; k < n; ++k, e += parts) s[std::size_t(k)] = Complex{e[0], parts == 2 ? e[1] : 0} * Complex{window[std::size_t(k)], 0};
      fourier.forward(s);
      for (std::int64_t k = 0; k < bins; ++k) {
        *to++ = s[std::size_t(k)].re;
        *to++ = s[std::size_t(k)].im;
      }
    }
  fill<double>(y, w);
  return c.give(std::move(y));
}

constexpr OpDef kOps[] = {
    {.name = "DFT", .since_version = 20, .signature = "(input: T1, dft_length: T2!?, axis: int64!?) -> (output: T1) where T1: float, T2: int32 int64 | inverse: int = 0, onesided: int = 0",
     .infer = infer_dft, .eval = eval_dft, .linear = joint({0}), .adjoint = dft_adjoint, .rounding = ErrorModel::dot},
    {.name = "STFT", .since_version = 17,
     .signature = "(signal: T1, frame_step: T2!, window: T1?, frame_length: T2!?) -> (output: T1) where T1: float, T2: int32 int64 | onesided: int = 1",
     .infer = infer_stft, .eval = eval_stft, .linear = bilinear(0, 2), .rounding = ErrorModel::dot},
};
}  // namespace

std::span<const OpDef> signal() { return kOps; }

}  // namespace saha::op
