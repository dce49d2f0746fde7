#include "lifecycle/contents.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "data/table.hpp"
#include "system/hash.hpp"

namespace saha::lifecycle {
namespace {

constexpr std::int64_t kPlain = 64;      // numbers a sample that are columns each
constexpr std::int64_t kSide = 32, kLow = 8;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

using Features = std::vector<std::pair<std::string, double>>;

struct Picture {
  std::int64_t h = 0, w = 0, channels = 0;
  bool last = true;   // channels behind the places
  double at(const std::vector<double>& v, std::int64_t y, std::int64_t x, std::int64_t c) const { return v[std::size_t(last ? (y * w + x) * channels + c : (c * h + y) * w + x)]; }
};

std::optional<Picture> picture_form(const Dims& d) {
  Picture p;
  if (d.size() == 2) p = {d[0], d[1], 1, true};
  else if (d.size() == 3 && d[2] <= 4) p = {d[0], d[1], d[2], true};
  else if (d.size() == 3 && d[0] <= 4) p = {d[1], d[2], d[0], false};
  if (p.h < 8 || p.w < 8) return {};
  return p;
}

// Mean over the places of cell (i, j) of a grid of n by n.
double cell_mean(const std::vector<double>& gray, std::int64_t h, std::int64_t w, std::int64_t i, std::int64_t j, std::int64_t n) {
  const std::int64_t y0 = i * h / n, y1 = std::max(y0 + 1, (i + 1) * h / n), x0 = j * w / n, x1 = std::max(x0 + 1, (j + 1) * w / n);
  double sum = 0;
  for (std::int64_t y = y0; y < y1; ++y)
    for (std::int64_t x = x0; x < x1; ++x) sum += gray[std::size_t(y * w + x)];
  return sum / double((y1 - y0) * (x1 - x0));
}

void moments(const std::string& name, std::span<const double> v, Features& out) {
  double sum = 0, squares = 0;
  for (double x : v) sum += x;
  const double mean = sum / double(v.size());
  for (double x : v) squares += (x - mean) * (x - mean);
  out.emplace_back(name + " mean", mean);
  out.emplace_back(name + " spread", std::sqrt(squares / double(v.size())));
}

void describe_picture(const std::string& input, const std::vector<double>& v, const Picture& p, Features& out, std::optional<std::uint64_t>& look) {
  std::vector<double> gray(std::size_t(p.h * p.w), 0), channel(gray.size());
  for (std::int64_t c = 0; c < p.channels; ++c) {
    for (std::int64_t y = 0; y < p.h; ++y)
      for (std::int64_t x = 0; x < p.w; ++x) channel[std::size_t(y * p.w + x)] = p.at(v, y, x, c);
    moments(input + (p.channels > 1 ? " channel " + std::to_string(c) : ""), channel, out);
    for (std::size_t i = 0; i < gray.size(); ++i) gray[i] += channel[i] / double(p.channels);
  }
  double edges = 0;
  for (std::int64_t y = 1; y < p.h; ++y)
    for (std::int64_t x = 1; x < p.w; ++x) {
      const double here = gray[std::size_t(y * p.w + x)];
      edges += std::abs(here - gray[std::size_t(y * p.w + x - 1)]) + std::abs(here - gray[std::size_t((y - 1) * p.w + x)]);
    }
  out.emplace_back(input + " contrast", edges / double(2 * (p.h - 1) * (p.w - 1)));
  for (std::int64_t i = 0; i < 4; ++i)
    for (std::int64_t j = 0; j < 4; ++j) out.emplace_back(input + " part " + std::to_string(i) + "," + std::to_string(j), cell_mean(gray, p.h, p.w, i, j, 4));
  look = perceptual_hash(gray, p.h, p.w);
}

void describe_sequence(const std::string& input, const std::vector<double>& v, Features& out) {
  moments(input, v, out);
  double crossings = 0, rough = 0;
  for (std::size_t i = 1; i < v.size(); ++i) crossings += (v[i] < 0) != (v[i - 1] < 0), rough += std::abs(v[i] - v[i - 1]);
  const double steps = double(std::max<std::size_t>(1, v.size() - 1));
  out.emplace_back(input + " zero crossings", crossings / steps);
  out.emplace_back(input + " roughness", rough / steps);
  out.emplace_back(input + " length", double(v.size()));
}

}  // namespace

std::optional<std::uint64_t> perceptual_hash(const std::vector<double>& gray, std::int64_t h, std::int64_t w) {
  std::array<double, kSide * kSide> small{};
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (std::int64_t i = 0; i < kSide; ++i)
    for (std::int64_t j = 0; j < kSide; ++j) {
      const double v = cell_mean(gray, h, w, i, j, kSide);
      small[std::size_t(i * kSide + j)] = v;
      low = std::min(low, v), high = std::max(high, v);
    }
  if (!(high - low > 1e-3 * std::max(1e-9, std::abs(high)))) return {};
  static const auto kCosine = [] {
    std::array<double, kLow * kSide> c{};
    for (std::int64_t k = 0; k < kLow; ++k)
      for (std::int64_t i = 0; i < kSide; ++i) c[std::size_t(k * kSide + i)] = std::cos(3.14159265358979323846 * double(k + 1) * (double(i) + 0.5) / kSide);
    return c;
  }();
  std::array<double, kLow * kSide> rows{};
  for (std::int64_t k = 0; k < kLow; ++k)
    for (std::int64_t j = 0; j < kSide; ++j)
      for (std::int64_t i = 0; i < kSide; ++i) rows[std::size_t(k * kSide + j)] += kCosine[std::size_t(k * kSide + i)] * small[std::size_t(i * kSide + j)];
  std::array<double, kLow * kLow> waves{};
  for (std::int64_t k = 0; k < kLow; ++k)
    for (std::int64_t l = 0; l < kLow; ++l)
      for (std::int64_t j = 0; j < kSide; ++j) waves[std::size_t(k * kLow + l)] += kCosine[std::size_t(l * kSide + j)] * rows[std::size_t(k * kSide + j)];
  auto sorted = waves;
  std::ranges::nth_element(sorted, sorted.begin() + kLow * kLow / 2);
  const double median = sorted[kLow * kLow / 2];
  std::uint64_t bits = 0;
  for (double v : waves) bits = bits << 1 | std::uint64_t(v > median);
  return bits;
}

Result<validate::Contents> contents_of(const data::Dataset& set, const std::function<bool(std::int64_t)>& go_on) {
  validate::Contents all;
  const auto n = std::size_t(set.size());
  all.hashes.resize(n);
  std::map<std::string, std::size_t> places;   // of a feature, in all.numbers
  auto put = [&](const std::string& name, std::size_t i, double v) {
    const auto [at, is_new] = places.emplace(name, all.numbers.size());
    if (is_new) all.numbers.emplace_back(name, std::vector<double>(n, kNaN));
    all.numbers[at->second].second[i] = v;
  };
  bool looks = false;
  all.looks.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    if (go_on && !go_on(std::int64_t(i))) return Error{ErrorCode::cancelled, "stopped after " + std::to_string(i) + " of " + std::to_string(n) + " samples"};
    if (set.table()) {
      SAHA_TRY(const auto digest, set.digest(std::int64_t(i)));
      all.hashes[i] = system::hex(digest);
      continue;
    }
    auto raw = set.raw_inputs(std::int64_t(i));
    if (!raw) continue;
    all.hashes[i] = system::hex(data::content_digest(*raw));
    for (std::size_t k = 0; k < raw->size(); ++k) {
      const Tensor& t = (*raw)[k].tensor;
      const std::string& input = set.inputs()[k];
      if (t.dtype == DType::string || is_complex(t.dtype) || t.size() == 0) continue;
      std::vector<double> v(std::size_t(t.size()));
      load(t, 0, 1, t.size(), v.data());
      Features features;
      if (const auto form = picture_form(t.dims)) {
        describe_picture(input, v, *form, features, all.looks[i]);
        looks = true;
      } else if (t.size() <= kPlain) {
        for (std::size_t e = 0; e < v.size(); ++e) features.emplace_back(v.size() == 1 ? input : input + "[" + std::to_string(e) + "]", v[e]);
      } else {
        describe_sequence(input, v, features);
      }
      for (const auto& [name, value] : features) put(name, i, value);
    }
  }
  if (!looks) all.looks.clear();
  if (const data::Table* table = set.table()) {
    for (const data::Column& c : table->columns) {
      if (c.is_number()) for (std::size_t i = 0; i < n; ++i) put(c.name, i, c.numbers[std::size_t(set.origin(std::int64_t(i)))]);
      else {
        auto& words = all.words.emplace_back(c.name, std::vector<std::string>(n)).second;
        for (std::size_t i = 0; i < n; ++i) words[i] = c.words[std::size_t(set.origin(std::int64_t(i)))];
      }
    }
  }
  if (set.has_targets() && !places.contains("target"))
    for (std::size_t i = 0; i < n; ++i) put("target", i, set.target(std::int64_t(i)));
  auto has = [&](const std::string& name) { return places.contains(name) || std::ranges::any_of(all.words, [&](const auto& w) { return w.first == name; }); };
  for (const std::string& name : set.columns()) {
    if (has(name)) continue;
    std::vector<std::string> words(n);
    std::vector<double> numbers(n, kNaN);
    bool all_numbers = name != "label";
    for (std::size_t i = 0; i < n; ++i) {
      words[i] = set.column(name, std::int64_t(i));
      const auto v = data::number(words[i]);
      if (v) numbers[i] = *v;
      all_numbers = all_numbers && (v || words[i].empty());
    }
    if (all_numbers) for (std::size_t i = 0; i < n; ++i) put(name, i, numbers[i]);
    else all.words.emplace_back(name, std::move(words));
  }
  return all;
}

}  // namespace saha::lifecycle
