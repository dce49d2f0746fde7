// Sound features in double precision, rounded to float32 at the end. Mel scales: HTK book (2595 log10(1 + f/700)) and Slaney's Auditory Toolbox.
#include "data/audio.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <numeric>
#include <vector>

namespace saha::data {
namespace {

constexpr int kMaxRate = 10'000'000;

Result<> check_rate(int rate, const char* what) {
  if (rate < 1 || rate > kMaxRate) return Error{ErrorCode::invalid_argument, std::string(what) + ": a rate of " + std::to_string(rate) + " Hz"};
  return {};
}
Result<> check_sound(const Tensor& t, int rate, const char* what) {
  if (t.dtype != DType::f32 || t.rank() != 2) return Error{ErrorCode::invalid_argument, std::string(what) + ": sound is float32 [channels, n], not " + std::string(name(t.dtype)) + str(t.dims)};
  return check_rate(rate, what);
}

// Modified Bessel function of the first kind, order 0, by its power series.
double bessel0(double x) {
  double sum = 1, term = 1;
  for (int k = 1; term > sum * 1e-17; ++k) {
    term *= (x / (2 * k)) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

// In place, length a power of two: Cooley and Tukey's, iterative.
void fft(std::vector<std::complex<double>>& a) {
  const std::size_t n = a.size();
  for (std::size_t i = 1, j = 0; i < n; ++i) {
    std::size_t bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(a[i], a[j]);
  }
  for (std::size_t length = 2; length <= n; length <<= 1) {
    std::vector<std::complex<double>> root(length / 2);
    for (std::size_t k = 0; k < length / 2; ++k) root[k] = std::polar(1.0, -2 * M_PI * double(k) / double(length));
    for (std::size_t i = 0; i < n; i += length)
      for (std::size_t k = 0; k < length / 2; ++k) {
        const auto u = a[i + k], v = a[i + k + length / 2] * root[k];
        a[i + k] = u + v;
        a[i + k + length / 2] = u - v;
      }
  }
}

double to_mel(double hz, LogMel::Scale scale) {
  if (scale == LogMel::Scale::htk) return 2595 * std::log10(1 + hz / 700);
  constexpr double kStep = 200.0 / 3, kBend = 1000 / kStep;
  return hz < 1000 ? hz / kStep : kBend + std::log(hz / 1000) * 27 / std::log(6.4);
}
double to_hz(double mel, LogMel::Scale scale) {
  if (scale == LogMel::Scale::htk) return 700 * (std::pow(10, mel / 2595) - 1);
  constexpr double kStep = 200.0 / 3, kBend = 1000 / kStep;
  return mel < kBend ? mel * kStep : 1000 * std::exp((mel - kBend) * std::log(6.4) / 27);
}
// Triangles over the bins 0 .. fft/2, [mels][bins].
std::vector<std::vector<double>> filters(const LogMel& o, int rate) {
  const double lo = to_mel(o.low_hz, o.scale), hi = to_mel(o.high_hz, o.scale);
  const bool over_mel = o.triangles == LogMel::Triangles::mel;
  std::vector<double> edge, corner;  // in Hz, and where the sides are straight
  for (int m = 0; m < o.mels + 2; ++m) {
    const double mel = lo + (hi - lo) * m / (o.mels + 1);
    edge.push_back(to_hz(mel, o.scale));
    corner.push_back(over_mel ? mel : edge.back());
  }
  std::vector<std::vector<double>> all;
  for (int m = 0; m < o.mels; ++m) {
    std::vector<double> f(std::size_t(o.fft / 2 + 1));
    const double left = corner[std::size_t(m)], peak = corner[std::size_t(m) + 1], right = corner[std::size_t(m) + 2];
    for (std::size_t b = 0; b < f.size(); ++b) {
      const double hz = double(b) * rate / o.fft, x = over_mel ? to_mel(hz, o.scale) : hz;
      f[b] = std::max(0.0, std::min((x - left) / (peak - left), (right - x) / (right - peak)));
      if (o.scale == LogMel::Scale::slaney) f[b] *= 2 / (edge[std::size_t(m) + 2] - edge[std::size_t(m)]);
    }
    all.push_back(std::move(f));
  }
  return all;
}

}  // namespace

Result<ResampleFilter> resample_filter(int from_hz, int to_hz_rate) {
  for (int rate : {from_hz, to_hz_rate}) SAHA_DO(check_rate(rate, "resample"));
  const std::int64_t g = std::gcd(from_hz, to_hz_rate), up = to_hz_rate / g, down = from_hz / g, longer = std::max(up, down);
  if (longer > 100'000) return Error{ErrorCode::unsupported, "resample: " + std::to_string(from_hz) + " to " + std::to_string(to_hz_rate) + " Hz is the ratio " + std::to_string(up) + ":" + std::to_string(down) + ", too fine"};
  // A low-pass of 2 half + 1 taps at the higher rate, scaled so that its sum is `up`.
  const std::int64_t half = 10 * longer;
  std::vector<double> filter(std::size_t(2 * half + 1));
  double sum = 0;
  for (std::int64_t k = -half; k <= half; ++k) {
    const double x = double(k) / double(longer), r = double(k) / double(half);
    const double v = (k == 0 ? 1 : std::sin(M_PI * x) / (M_PI * x)) * bessel0(5 * std::sqrt(std::max(0.0, 1 - r * r)));
    sum += filter[std::size_t(k + half)] = v;
  }
  for (double& v : filter) v *= double(up) / sum;
  return ResampleFilter{up, down, half, std::move(filter)};
}
Result<Tensor> resample(const Tensor& samples, int from_hz, int to_hz_rate) {
  SAHA_DO(check_sound(samples, from_hz, "resample"));
  SAHA_TRY(const ResampleFilter r, resample_filter(from_hz, to_hz_rate));
  if (from_hz == to_hz_rate) return samples;
  const auto& [up, down, half, filter] = r;
  const std::int64_t channels = samples.dims[0], n = samples.dims[1], m = r.length(n);
  SAHA_TRY(Tensor out, Tensor::make(DType::f32, {channels, m}));
  for (std::int64_t c = 0; c < channels; ++c) {
    const float* in = samples.as<const float>() + c * n;
    for (std::int64_t i = 0; i < m; ++i) {
      // Output i stands at i * down of the finer grid, on which input j stands at j * up.
      const std::int64_t at = i * down;
      const std::int64_t first = std::max<std::int64_t>(0, (at - half + up - 1) / up), last = std::min<std::int64_t>(n - 1, (at + half) / up);
      double v = 0;
      for (std::int64_t j = first; j <= last; ++j) v += filter[std::size_t(at - j * up + half)] * double(in[j]);
      out.as<float>()[c * m + i] = float(v);
    }
  }
  return out;
}

Result<MelTables> mel_tables(const LogMel& o, int rate) {
  SAHA_DO(check_rate(rate, "log_mel"));
  MelTables t;
  t.frame = std::llround(o.frame_s * rate), t.hop = std::llround(o.hop_s * rate);
  const std::int64_t frame = t.frame, hop = t.hop;
  const auto bad = [](std::string message) { return Error{ErrorCode::invalid_argument, "log_mel: " + std::move(message)}; };
  if (o.fft < 2 || o.fft > (1 << 20) || (o.fft & (o.fft - 1))) return bad("fft " + std::to_string(o.fft) + " is not a power of two");
  if (frame < 1 || hop < 1 || frame > o.fft) return bad("a frame of " + std::to_string(frame) + " samples, a hop of " + std::to_string(hop) + ", fft " + std::to_string(o.fft));
  if (o.power != 1 && o.power != 2) return bad("power " + std::to_string(o.power) + " is not 1 or 2");
  if (o.mels < 1 || o.mels > 10'000) return bad(std::to_string(o.mels) + " mels");
  if (!(o.low_hz >= 0 && o.low_hz < o.high_hz && o.high_hz <= rate / 2.0)) return bad("the range must lie within 0 and " + std::to_string(rate / 2) + " Hz");
  t.filters = filters(o, rate);
  for (std::int64_t i = 0; i < frame; ++i) t.window.push_back(0.5 - 0.5 * std::cos(2 * M_PI * double(i) / double(frame)));
  return t;
}
Result<Tensor> log_mel(const Tensor& samples, int rate, const LogMel& o) {
  SAHA_DO(check_sound(samples, rate, "log_mel"));
  SAHA_TRY(const MelTables tables, mel_tables(o, rate));
  const std::int64_t channels = samples.dims[0], n = samples.dims[1], frame = tables.frame, hop = tables.hop, frames = tables.frames(n);
  if (n < frame) return Error{ErrorCode::invalid_data, "log_mel: the sound has " + std::to_string(n) + " samples, a frame has " + std::to_string(frame)};
  SAHA_TRY(Tensor out, Tensor::make(DType::f32, {channels, frames, o.mels}));
  std::vector<std::complex<double>> spectrum;
  std::vector<double> power(std::size_t(o.fft / 2 + 1));
  float* to = out.as<float>();
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t f = 0; f < frames; ++f) {
      spectrum.assign(std::size_t(o.fft), 0);
      for (std::int64_t i = 0; i < frame; ++i) spectrum[std::size_t(i)] = double(samples.as<const float>()[c * n + f * hop + i]) * tables.window[std::size_t(i)];
      fft(spectrum);
      for (std::size_t b = 0; b < power.size(); ++b) power[b] = o.power == 2 ? std::norm(spectrum[b]) : std::abs(spectrum[b]);
      for (const auto& filter : tables.filters) {
        const double e = std::inner_product(power.begin(), power.end(), filter.begin(), 0.0);
        *to++ = float(o.log == LogMel::Log::ln ? std::log(e + o.eps) : o.log == LogMel::Log::log10 ? std::log10(e + o.eps) : 10 * std::log10(std::max(e, o.eps)));
      }
    }
  return out;
}

Result<std::vector<std::vector<double>>> dct_table(const Mfcc& o) {
  if (o.coefficients < 1 || o.coefficients > o.mel.mels) return Error{ErrorCode::invalid_argument, "mfcc: " + std::to_string(o.coefficients) + " coefficients of " + std::to_string(o.mel.mels) + " mels"};
  std::vector<std::vector<double>> table;
  for (int k = 0; k < o.coefficients; ++k) {
    std::vector<double>& row = table.emplace_back();
    for (int i = 0; i < o.mel.mels; ++i) row.push_back(std::cos(M_PI * k * (i + 0.5) / o.mel.mels) * std::sqrt((k == 0 ? 1.0 : 2.0) / o.mel.mels));
  }
  return table;
}
Result<Tensor> mfcc(const Tensor& samples, int rate, const Mfcc& o) {
  SAHA_TRY(const auto table, dct_table(o));
  SAHA_TRY(const Tensor mel, log_mel(samples, rate, o.mel));
  SAHA_TRY(Tensor out, Tensor::make(DType::f32, {mel.dims[0], mel.dims[1], o.coefficients}));
  const std::int64_t m = mel.dims[2];
  for (std::int64_t r = 0; r < mel.dims[0] * mel.dims[1]; ++r)
    for (std::int64_t k = 0; k < o.coefficients; ++k) {
      double sum = 0;
      for (std::int64_t i = 0; i < m; ++i) sum += double(mel.as<const float>()[r * m + i]) * table[std::size_t(k)][std::size_t(i)];
      out.as<float>()[r * o.coefficients + k] = float(sum);
    }
  return out;
}

}  // namespace saha::data
