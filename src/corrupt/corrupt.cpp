// Samples in and out: which medium they are, how their numbers lie, and the table of what can be done to them.
#include "corrupt/corrupt.hpp"

#include <algorithm>

#include "corrupt/plane.hpp"

namespace saha::corrupt {
namespace {

constexpr Kind kKinds[] = {
    {"gaussian_noise", Medium::picture, false, false, "adds normal noise of 0.08 to 0.38 of the range"},
    {"shot_noise", Medium::picture, false, false, "counts photons: Poisson of 60 to 3 at full range"},
    {"impulse_noise", Medium::picture, false, false, "sets 3 to 27 % of the numbers to black or white"},
    {"defocus_blur", Medium::picture, false, false, "blurs by a disc of radius 3 to 10 at 224 pixels"},
    {"motion_blur", Medium::picture, false, false, "blurs along a line of up to 45 degrees, 20 to 40 pixels at 224"},
    {"gaussian_blur", Medium::picture, false, false, "blurs by a Gaussian of 1 to 6 pixels at 224"},
    {"brighter", Medium::picture, false, false, "raises the value (HSV) by 0.1 to 0.5"},
    {"contrast", Medium::picture, false, false, "draws each channel to its mean, to 0.4 to 0.05 of the contrast"},
    {"saturate", Medium::picture, true, false, "scales the saturation (HSV): 0.3, 0.1, 2, 5 and 20 times"},
    {"jpeg", Medium::picture, false, false, "packs as JPEG of quality 25 to 7"},
    {"pixelate", Medium::picture, false, false, "shows 0.6 to 0.25 of the pixels of a side"},
    {"fog", Medium::picture, false, false, "adds a fractal mist"},
    {"frost", Medium::picture, false, false, "covers with drawn ice"},
    {"snow", Medium::picture, false, false, "pales and adds drawn flakes that fall"},
    {"elastic", Medium::picture, false, false, "bends by a smooth field of random shifts"},
    {"noise", Medium::sound, false, false, "adds white noise at 30 to 5 dB"},
    {"reverb", Medium::sound, false, true, "adds a decaying echo of 0.2 to 1.3 s, 10 to -3 dB below the direct sound"},
    {"clipping", Medium::sound, false, false, "cuts what is above 0.7 to 0.1 of the peak"},
    {"low_pass", Medium::sound, false, false, "keeps the lowest 0.8 to 0.2 of the band"},
    {"high_pass", Medium::sound, false, false, "drops the lowest 0.01 to 0.15 of the band"},
    {"speed", Medium::sound, false, false, "plays 3 to 25 % faster or slower, pitch and all"},
    {"pitch", Medium::sound, false, true, "raises or lowers the pitch by 0.5 to 5 semitones"},
    {"gain", Medium::sound, false, false, "plays 3 to 18 dB louder or softer"},
    {"dropouts", Medium::sound, false, false, "loses 2 to 30 % in gaps of 20 ms, or of 1/50 of the sound"},
};

Error not_a(std::string_view name, std::string_view what, const data::Item& item) {
  return {ErrorCode::unsupported, "'" + std::string(name) + "' is for " + std::string(what) + ", and the sample is " + std::string(saha::name(item.tensor.dtype)) + str(item.tensor.dims)};
}

/// The numbers of a sample, changed by `f`, in its own dtype.
template <class F>
data::Item mapped(const data::Item& item, const Range& range, F&& f) {
  std::vector<double> v = values<double>(item.tensor);
  f(v);
  for (double& x : v) x = std::isnan(x) ? range.low : std::clamp(x, range.low, range.high);
  if (!is_float(item.tensor.dtype)) for (double& x : v) x = std::nearbyint(x);
  data::Item out{Tensor::zeros(item.tensor.dtype, item.tensor.dims), item.rate_hz};
  fill(out.tensor, std::span<const double>(v));
  return out;
}
std::size_t place(const Layout& l, std::int64_t c, std::int64_t y, std::int64_t x) {
  return std::size_t(l.channels_last ? (y * l.width + x) * l.channels + c : (c * l.height + y) * l.width + x);
}
template <class F>
data::Item on_picture(const data::Item& item, const Layout& l, const Range& range, F&& f) {
  const double wide = std::max(range.high - range.low, 1e-300);
  return mapped(item, range, [&](std::vector<double>& v) {
    Plane p{l.height, l.width, l.channels, std::vector<float>(v.size())};
    for (std::int64_t c = 0; c < l.channels; ++c)
      for (std::int64_t y = 0; y < l.height; ++y)
        for (std::int64_t x = 0; x < l.width; ++x) p.at(c, y, x) = float((v[place(l, c, y, x)] - range.low) / wide);
    p = f(std::move(p));
    for (std::int64_t c = 0; c < l.channels; ++c)
      for (std::int64_t y = 0; y < l.height; ++y)
        for (std::int64_t x = 0; x < l.width; ++x) v[place(l, c, y, x)] = range.low + double(p.at(c, y, x)) * wide;
  });
}
/// Sound in shares of the larger end of the range.
double unit_of(const Range& range) { return std::max({std::abs(range.low), std::abs(range.high), 1e-300}); }
Wave wave_of(const data::Item& item, const Range& range) {
  const Tensor& t = item.tensor;
  const std::int64_t n = t.dims.empty() ? 1 : t.dims.back(), channels = n > 0 ? t.size() / n : 0;
  Wave w{std::vector<std::vector<float>>(std::size_t(channels), std::vector<float>(std::size_t(n))), item.rate_hz};
  const std::vector<double> v = values<double>(t);
  for (std::size_t i = 0; i < v.size(); ++i) w.channels[i / std::size_t(n)][i % std::size_t(n)] = float(v[i] / unit_of(range));
  return w;
}
data::Item item_of(const Wave& w, const data::Item& like, const Range& range) {
  return mapped(like, range, [&](std::vector<double>& v) {
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = w.channels[i / w.length()][i % w.length()] * unit_of(range);
  });
}

Plane rotated(const Plane& p, double angle) {
  Plane out = like(p, p.channels);
  const double cy = double(p.height - 1) / 2, cx = double(p.width - 1) / 2, s = std::sin(angle), c = std::cos(angle);
  for (std::int64_t y = 0; y < p.height; ++y)
    for (std::int64_t x = 0; x < p.width; ++x) {
      const double dy = double(y) - cy, dx = double(x) - cx;
      for (std::int64_t k = 0; k < p.channels; ++k) out.at(k, y, x) = p.between(k, cy + s * dx + c * dy, cx + c * dx - s * dy);
    }
  return out;
}
Plane shifted(const Plane& p, double columns, double rows) {
  Plane out = like(p, p.channels);
  for (std::int64_t k = 0; k < p.channels; ++k)
    for (std::int64_t y = 0; y < p.height; ++y)
      for (std::int64_t x = 0; x < p.width; ++x) out.at(k, y, x) = p.between(k, double(y) - rows, double(x) - columns);
  return out;
}

}  // namespace

std::span<const Kind> kinds() { return kKinds; }

Layout layout(const data::Item& item, const Range& range) {
  constexpr std::int64_t kLeast = 4;
  if (item.rate_hz > 0 || item.tensor.dtype == DType::string || is_complex(item.tensor.dtype)) return {};
  Dims d = item.tensor.dims;
  while (d.size() > 2 && d[0] == 1) d.erase(d.begin());
  if (d.size() == 1 && range.low >= 0) {
    const auto side = std::int64_t(std::lround(std::sqrt(double(d[0]))));
    if (side * side == d[0]) d = {side, side};
  }
  Layout l;
  if (d.size() == 2) l = {d[0], d[1], 1, true};
  else if (d.size() == 3 && (d[2] == 1 || d[2] == 3)) l = {d[0], d[1], d[2], true};
  else if (d.size() == 3 && (d[0] == 1 || d[0] == 3)) l = {d[1], d[2], d[0], false};
  return l.height >= kLeast && l.width >= kLeast ? l : Layout{};
}
Medium medium(const data::Item& item, const Range& range) {
  if (item.rate_hz > 0) return Medium::sound;
  if (layout(item, range).height > 0) return Medium::picture;
  const Dims& d = item.tensor.dims;
  const bool row = d.size() == 1 || (d.size() == 2 && d[0] <= 8);
  return row && range.low < 0 && range.high > 0 && is_float(item.tensor.dtype) && d.back() > 8 ? Medium::sound : Medium::none;
}
std::vector<std::string> kinds_of(const data::Item& item, const Range& range) {
  const Medium m = medium(item, range);
  const bool colour = m == Medium::picture && layout(item, range).channels == 3;
  std::vector<std::string> names;
  for (const Kind& k : kKinds)
    if (m != Medium::none && k.medium == m && (colour || !k.needs_colour) && (item.rate_hz > 0 || !k.needs_rate)) names.emplace_back(k.name);
  return names;
}

Result<data::Item> altered(const data::Item& item, std::string_view name, std::span<const double> numbers, std::uint64_t seed, const Range& range) {
  const Medium m = medium(item, range);
  const Layout l = layout(item, range);
  data::Random random(seed);
  const auto counted = [&](std::size_t n) -> Result<> {
    if (numbers.size() == n && std::ranges::all_of(numbers, [](double v) { return std::isfinite(v); })) return {};
    return Error{ErrorCode::invalid_argument, "'" + std::string(name) + "' takes " + std::to_string(n) + (n == 1 ? " number, not " : " numbers, not ") + std::to_string(numbers.size())};
  };
  if (name == "rotate") {
    SAHA_DO(counted(1));
    if (m != Medium::picture) return not_a(name, "pictures", item);
    return on_picture(item, l, range, [&](const Plane& p) { return rotated(p, numbers[0]); });
  }
  if (name == "shift" && m == Medium::picture) {
    SAHA_DO(counted(2));
    return on_picture(item, l, range, [&](const Plane& p) { return shifted(p, numbers[0], numbers[1]); });
  }
  if (name == "shift" || name == "shift_seconds") {
    SAHA_DO(counted(1));
    if (m != Medium::sound) return not_a(name, name == "shift" ? "pictures and sound" : "sound", item);
    if (name == "shift_seconds" && item.rate_hz == 0) return Error{ErrorCode::unsupported, "a shift in seconds needs the rate of the sound, which an array does not have"};
    const double by = std::nearbyint(name == "shift" ? numbers[0] : numbers[0] * item.rate_hz);
    Wave w = wave_of(item, range), out = w;
    for (std::size_t c = 0; c < w.channels.size(); ++c)
      for (std::size_t i = 0; i < w.length(); ++i) {
        const double from = double(i) - by;
        out.channels[c][i] = from >= 0 && from < double(w.length()) ? w.channels[c][std::size_t(from)] : 0;
      }
    return item_of(out, item, range);
  }
  if (name == "brightness") {
    SAHA_DO(counted(1));
    return mapped(item, range, [&](std::vector<double>& v) { for (double& x : v) x += numbers[0] * (range.high - range.low); });
  }
  if (name == "noise_snr") {
    SAHA_DO(counted(1));
    const double zero = m == Medium::picture ? range.low : 0;
    return mapped(item, range, [&](std::vector<double>& v) {
      double square = 0;
      for (double x : v) square += (x - zero) * (x - zero) / double(v.size());
      const double sigma = std::sqrt(square * std::pow(10, -numbers[0] / 10));
      for (double& x : v) x += sigma * random.normal();
    });
  }
  const auto kind = std::ranges::find(kKinds, name, &Kind::name);
  if (kind == std::end(kKinds)) return Error{ErrorCode::invalid_argument, "there is no corruption '" + std::string(name) + "'"};
  SAHA_DO(counted(1));
  const int severity = int(numbers[0]);
  if (severity < 1 || severity > 5 || severity != numbers[0]) return Error{ErrorCode::invalid_argument, "a severity is 1, 2, 3, 4 or 5, not " + std::to_string(numbers[0])};
  if (kind->medium != m) return not_a(name, kind->medium == Medium::picture ? "pictures" : "sound", item);
  if (kind->needs_colour && l.channels != 3) return not_a(name, "pictures of three colours", item);
  if (kind->needs_rate && item.rate_hz == 0) return Error{ErrorCode::unsupported, "'" + std::string(name) + "' needs the rate of the sound, which an array does not have"};
  if (const OfPicture f = of_picture(name)) return on_picture(item, l, range, [&](Plane p) { return f(std::move(p), severity, random); });
  SAHA_TRY(const Wave w, of_sound(name)(wave_of(item, range), severity, random));
  return item_of(w, item, range);
}

}  // namespace saha::corrupt
