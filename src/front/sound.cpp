// Sound as operators, in float32: resampling and the Fourier transform of frames are convolutions with constant filters.
#include <algorithm>
#include <cmath>

#include "front/sample.hpp"

namespace saha::front {
namespace {
using op::Val;
constexpr std::int64_t kMaxFilter = 1 << 22;   // elements of a constant

Result<> known_rate(const Form& f) { return f.rate_hz > 0 ? Result<>() : Error{ErrorCode::invalid_argument, "the rate of the raw sound is not known: --raw 1x16000@16kHz states it"}; }
Result<> known_size(const Form& f) { return f.dims[0] > 0 && f.dims[1] > 0 ? Result<>() : Error{ErrorCode::unsupported, "it is expressed for known channels and samples only: steps mono and length before it make them so"}; }
/// The same filters [n, 1, k] for each of c channels: [c n, 1, k].
Tensor for_channels(const std::vector<std::vector<double>>& filters, std::int64_t c) {
  std::vector<std::vector<double>> all;
  for (std::int64_t i = 0; i < c; ++i) all.insert(all.end(), filters.begin(), filters.end());
  const Tensor m = matrix(all);
  return m.reshaped({m.dims[0], 1, m.dims[1]});
}
}  // namespace

Result<> Sample::add(const data::Mono&) {
  if (form_.dims[0] != 1) v_ = b_.op("ReduceMean", {v_, b_.ints({1})}, {{"keepdims", std::int64_t{1}}});
  return {};
}
Result<> Sample::add(const data::Peak& s) {
  const Val peak = b_.op("ReduceMax", {s.absolute ? b_.op("Abs", {v_}) : v_, b_.ints({1, 2})}, {{"keepdims", std::int64_t{1}}});
  v_ = v_ / b_.op("Where", {b_.op("Greater", {peak, number(0)}), peak, number(1)});
  return {};
}
Result<> Sample::add(const data::ToLength& s) {
  SAHA_DO(known_rate(form_));
  const std::int64_t n = form_.dims[1], m = s.samples(form_.rate_hz);
  if (n < 0) {   // as many zeros as may be needed, then what is wanted
    surround({{1, 0, m}}, 0);
    part(1, 0, m);
    return {};
  }
  if (m < 1) return Error{ErrorCode::invalid_data, std::to_string(s.seconds) + " s at " + std::to_string(form_.rate_hz) + " Hz is no sample"};
  if (m > n) surround({{1, 0, m - n}}, 0);
  else part(1, 0, m);
  return {};
}
/// Outputs `up` apart need inputs `down` apart: a convolution of stride `down` with one filter for each of the `up` phases.
Result<> Sample::add(const data::ToRate& s) {
  SAHA_DO(known_rate(form_));
  SAHA_DO(known_size(form_));
  if (s.rate_hz == form_.rate_hz) return {};
  SAHA_TRY(const auto r, data::resample_filter(form_.rate_hz, s.rate_hz));
  const std::int64_t c = form_.dims[0], n = form_.dims[1], m = r.length(n), blocks = (m + r.up - 1) / r.up;
  const std::int64_t before = r.half / r.up, last = ((r.up - 1) * r.down + r.half) / r.up, taps = before + last + 1;   // inputs -before .. last of a block
  if (c * r.up * taps > kMaxFilter) return Error{ErrorCode::unsupported, "the ratio " + std::to_string(r.up) + ":" + std::to_string(r.down) + " asks for " + std::to_string(r.up) + " filters of " + std::to_string(taps) + " taps"};
  std::vector<std::vector<double>> filters(std::size_t(r.up), std::vector<double>(std::size_t(taps)));
  for (std::int64_t phase = 0; phase < r.up; ++phase)
    for (std::int64_t j = -before; j <= last; ++j) {
      const std::int64_t at = phase * r.down - j * r.up + r.half;
      if (at >= 0 && at <= 2 * r.half) filters[std::size_t(phase)][std::size_t(j + before)] = r.filter[std::size_t(at)];
    }
  const std::int64_t behind = std::max<std::int64_t>(0, (blocks - 1) * r.down + taps - n - before), made = (n + before + behind - taps) / r.down + 1;
  v_ = b_.op("Conv", {v_, b_.constant(for_channels(filters, c))}, {{"group", c}, {"strides", ir::Ints{r.down}}, {"pads", ir::Ints{before, behind}}});
  if (r.up > 1) {
    v_ = b_.op("Reshape", {v_, b_.ints({batch(), c, r.up, made})});
    v_ = b_.op("Transpose", {v_}, {{"perm", ir::Ints{0, 1, 3, 2}}});
    v_ = b_.op("Reshape", {v_, b_.ints({batch(), c, made * r.up})});
  }
  form_.dims[1] = made * r.up;
  part(1, 0, m);
  return {};
}
/// [N, c, n] -> log of what the filters sum, [N, c, frames, mels]. Bins that no filter has are left out.
Result<> Sample::spectrum(const data::LogMel& s) {
  SAHA_DO(known_rate(form_));
  SAHA_DO(known_size(form_));
  SAHA_TRY(const auto t, data::mel_tables(s, form_.rate_hz));
  const std::int64_t c = form_.dims[0], frames = t.frames(form_.dims[1]);
  std::vector<std::vector<double>> cosines, sines, mels;   // mels: [bins][mels]
  for (std::size_t bin = 0; bin <= std::size_t(s.fft / 2); ++bin) {
    std::vector<double> share;
    for (const auto& filter : t.filters) share.push_back(filter[bin]);
    if (std::ranges::all_of(share, [](double v) { return v == 0; })) continue;
    auto &cosine = cosines.emplace_back(), &sine = sines.emplace_back();
    for (std::size_t i = 0; i < t.window.size(); ++i) {
      const double angle = 2 * M_PI * double(bin * i % std::size_t(s.fft)) / s.fft;
      cosine.push_back(t.window[i] * std::cos(angle));
      sine.push_back(-t.window[i] * std::sin(angle));
    }
    mels.push_back(std::move(share));
  }
  if (mels.empty()) return Error{ErrorCode::invalid_data, "no filter has a bin of the transform"};
  const auto bins = std::int64_t(mels.size());
  if (c * 2 * bins * t.frame > kMaxFilter) return Error{ErrorCode::unsupported, std::to_string(2 * bins) + " filters of " + std::to_string(t.frame) + " taps are too many"};
  auto filters = cosines;
  filters.insert(filters.end(), sines.begin(), sines.end());
  v_ = b_.op("Conv", {v_, b_.constant(for_channels(filters, c))}, {{"group", c}, {"strides", ir::Ints{t.hop}}});
  v_ = b_.op("Reshape", {v_, b_.ints({batch(), c, 2 * bins, frames})});
  v_ = b_.op("Transpose", {v_}, {{"perm", ir::Ints{0, 1, 3, 2}}});
  v_ = v_ * v_;
  if (s.power == 2) {
    auto twice = mels;
    twice.insert(twice.end(), mels.begin(), mels.end());
    v_ = b_.op("MatMul", {v_, b_.constant(matrix(twice))});
  } else {
    const auto squares = b_.ops("Split", {v_}, {{"axis", std::int64_t{3}}, {"num_outputs", std::int64_t{2}}}, 2);
    v_ = b_.op("MatMul", {b_.op("Sqrt", {squares[0] + squares[1]}), b_.constant(matrix(mels))});
  }
  using Log = data::LogMel::Log;
  v_ = b_.op("Log", {s.log == Log::db ? b_.op("Max", {v_, number(s.eps)}) : v_ + number(s.eps)});
  if (s.log != Log::ln) v_ = v_ * number((s.log == Log::db ? 10 : 1) / std::log(10.0));
  order_ = {0, 1, 2};
  return {};
}
Result<> Sample::add(const data::LogMel& s) { return spectrum(s); }
Result<> Sample::add(const data::Mfcc& s) {
  SAHA_DO(spectrum(s.mel));
  SAHA_TRY(const auto table, data::dct_table(s));
  std::vector<std::vector<double>> turned(table[0].size(), std::vector<double>(table.size()));   // [mels][coefficients]
  for (std::size_t k = 0; k < table.size(); ++k)
    for (std::size_t i = 0; i < turned.size(); ++i) turned[i][k] = table[k][i];
  v_ = b_.op("MatMul", {v_, b_.constant(matrix(turned))});
  return {};
}

}  // namespace saha::front
