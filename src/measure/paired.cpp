// Bootstrap of a ratio of quantiles over paired bursts. Source: Davison and Hinkley 1997, "Bootstrap Methods and their Application".
#include "measure/paired.hpp"

#include <algorithm>
#include <random>
#include <vector>

namespace saha::measure {
namespace {
constexpr int kResamples = 2000;
constexpr std::size_t kLeastRounds = 5;
constexpr double kPlacement = 0.02;  // two processes with one model differ by so much, by where their memory lies; bursts do not average it out

std::vector<std::span<const double>> rounds(const Times& t) {
  std::vector<std::span<const double>> r;
  std::size_t at = 0;
  for (int n : t.bursts) {
    if (n <= 0 || at + std::size_t(n) > t.ms.size()) break;
    r.push_back(t.ms.subspan(at, std::size_t(n)));
    at += std::size_t(n);
  }
  return r;
}

// The quantile of the chosen rounds' runs together.
double pooled(const std::vector<std::span<const double>>& rounds, const std::vector<std::size_t>& chosen, double q, std::vector<double>& space) {
  space.clear();
  for (std::size_t i : chosen) space.insert(space.end(), rounds[i].begin(), rounds[i].end());
  const auto place = space.begin() + std::ptrdiff_t(quantile_place(space.size(), q));
  std::nth_element(space.begin(), place, space.end());
  return *place;
}
}  // namespace

std::optional<Ratio> paired_ratio(const Times& a, const Times& b, double q, double confidence, std::uint64_t seed) {
  const auto ra = rounds(a), rb = rounds(b);
  const std::size_t n = std::min(ra.size(), rb.size());
  if (n < kLeastRounds) return {};
  std::vector<std::size_t> chosen(n);
  for (std::size_t i = 0; i < n; ++i) chosen[i] = i;
  std::vector<double> space, ratios;
  const auto ratio = [&] {
    const double below = pooled(rb, chosen, q, space);
    return pooled(ra, chosen, q, space) / std::max(below, 1e-9);
  };
  Ratio r{ratio(), 1, 1};
  std::mt19937_64 random(seed);
  for (int k = 0; k < kResamples; ++k) {
    for (auto& c : chosen) c = std::size_t(random() % n);
    ratios.push_back(ratio());
  }
  std::sort(ratios.begin(), ratios.end());
  r.lower = quantile(ratios, (1 - confidence) / 2) / (1 + kPlacement);
  r.upper = quantile(ratios, (1 + confidence) / 2) * (1 + kPlacement);
  return r;
}

}  // namespace saha::measure
