#include "validate/comparison.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <unordered_map>

#include "base/figures.hpp"
#include "validate/estimate_parts.hpp"
#include "validate/shift.hpp"
#include "validate/statistics.hpp"

namespace saha::validate {
namespace {

constexpr std::size_t kMostKinds = 1000;

template <class T>
const std::vector<T>* column(const std::vector<std::pair<std::string, std::vector<T>>>& columns, const std::string& name) {
  const auto at = std::ranges::find(columns, name, &std::pair<std::string, std::vector<T>>::first);
  return at == columns.end() ? nullptr : &at->second;
}

std::int64_t present(const std::vector<double>& values) {
  return std::ranges::count_if(values, [](double v) { return !std::isnan(v); });
}

void fact(Estimate& e, double value) {
  e.exact = true;
  e.point = value;
  e.lower = e.upper = [value](double) { return value; };
  e.figures = {{e.name, value, "", "counted"}};
}

}  // namespace

std::vector<ColumnDistance> column_distances(const Contents& a, const Contents& b) {
  std::vector<ColumnDistance> out;
  for (const auto& [name, x] : a.numbers) {
    const auto* y = column(b.numbers, name);
    ColumnDistance c{.name = name, .n = present(x), .m = y ? present(*y) : 0};
    if (c.n == 0 || c.m == 0) continue;
    c.distance = ks_statistic(x, *y);
    c.p = ks_p(c.distance, c.n, c.m);
    c.psi = population_stability(x, *y);
    c.wasserstein = wasserstein(x, *y);
    out.push_back(std::move(c));
  }
  for (const auto& [name, x] : a.words) {
    const auto* y = column(b.words, name);
    if (!y || x.empty() || y->empty()) continue;
    std::map<std::string, std::pair<std::int64_t, std::int64_t>> counts;
    for (const auto& w : x) ++counts[w].first;
    for (const auto& w : *y) ++counts[w].second;
    if (counts.size() > kMostKinds || 10 * counts.size() > x.size() + y->size()) continue;   // chi-square wants more of each kind, too
    ColumnDistance c{.name = name, .n = static_cast<std::int64_t>(x.size()), .m = static_cast<std::int64_t>(y->size()), .kinds = static_cast<std::int64_t>(counts.size())};
    std::vector<std::int64_t> p, q;
    for (const auto& [word, k] : counts) {
      p.push_back(k.first), q.push_back(k.second);
      c.distance += 0.5 * std::abs(static_cast<double>(k.first) / static_cast<double>(c.n) - static_cast<double>(k.second) / static_cast<double>(c.m));
    }
    const auto [x2, degrees] = chi_square(p, q);
    c.p = chi_square_sf(x2, static_cast<double>(degrees));
    out.push_back(std::move(c));
  }
  std::vector<double> p;
  for (const ColumnDistance& c : out) p.push_back(c.p);
  p = benjamini_hochberg(p);
  for (std::size_t i = 0; i < out.size(); ++i) out[i].p = p[i];
  std::ranges::stable_sort(out, std::ranges::greater(), &ColumnDistance::distance);
  return out;
}

double distance_margin(const ColumnDistance& c, std::size_t columns, double confidence) {
  const double error = (1 - confidence) / (2 * static_cast<double>(std::max<std::size_t>(columns, 1)));   // each set may err
  auto of = [&](std::int64_t n) {
    const auto count = static_cast<double>(n);
    if (c.kinds == 0) return std::sqrt(std::log(2 / error) / (2 * count));
    return 0.5 * std::sqrt(2 * (static_cast<double>(c.kinds) * std::log(2.0) - std::log(error)) / count);
  };
  return of(c.n) + of(c.m);
}

Duplicates duplicates(const Contents& a, const Contents& b, std::optional<int> near) {
  std::unordered_map<std::string, std::int64_t> places;
  for (std::size_t i = 0; i < a.hashes.size(); ++i)
    if (!a.hashes[i].empty()) places.emplace(a.hashes[i], static_cast<std::int64_t>(i));
  Duplicates d;
  for (std::size_t i = 0; i < b.hashes.size(); ++i) {
    auto at = places.find(b.hashes[i]);
    std::int64_t place = at == places.end() ? -1 : at->second;
    if (place < 0 && near && i < b.looks.size() && b.looks[i])
      for (std::size_t k = 0; k < a.looks.size() && place < 0; ++k)
        if (a.looks[k] && std::popcount(*a.looks[k] ^ *b.looks[i]) <= *near) place = static_cast<std::int64_t>(k);
    if (place < 0) continue;
    if (d.count++ == 0) d.first = static_cast<std::int64_t>(i), d.of = place;
  }
  return d;
}

Result<Estimate> comparison(Estimate e, const Expr& atom, const Slice& slice, std::uint64_t seed, Recall& recall) {
  const std::string& word = atom.path.back();
  const std::string &first = slice.data, &second = atom.args[1].path[0];
  if (slice.rows) return Error{ErrorCode::unsupported, "'" + word + "' compares whole data sets, not slices"};
  e.how = "counted";
  SAHA_TRY(const Contents a, recall.contents(first));
  SAHA_TRY(const Contents b, recall.contents(second));
  const std::string beside = " of '" + second + "' and '" + first + "'";
  if (word == "duplicates") {
    const Expr* near = argument_of(atom, "near");
    if (near && (a.looks.empty() || b.looks.empty())) return lacking("near duplicates are those of pictures; '" + (a.looks.empty() ? first : second) + "' holds none");
    const Duplicates d = duplicates(a, b, near ? std::optional(static_cast<int>(near->value)) : std::nullopt);
    fact(e, static_cast<double>(d.count));
    e.text = std::to_string(d.count) + " of " + figures::counted(static_cast<std::int64_t>(b.hashes.size()), "sample") + " of '" + second + "' stand in '" + first + "' too";
    if (d.count > 0) e.text += ", the first: sample " + std::to_string(d.first) + ", as " + std::to_string(d.of) + " there";
    return e;
  }
  if (word == "shared") {
    const std::string by = argument_of(atom, "by")->path[0];
    auto values = [&](const Contents& of, const std::string& data) -> Result<std::set<std::string>> {
      if (const auto* words = column(of.words, by)) return std::set<std::string>(words->begin(), words->end());
      const auto* numbers = column(of.numbers, by);
      if (!numbers) return lacking("data set '" + data + "' has no column '" + by + "'");
      std::set<std::string> out;
      for (double v : *numbers)
        if (!std::isnan(v)) out.insert(figures::shortest(v));
      return out;
    };
    SAHA_TRY(const auto left, values(a, first));
    SAHA_TRY(const auto right, values(b, second));
    std::vector<std::string> both;
    std::ranges::set_intersection(left, right, std::back_inserter(both));
    std::erase(both, "");
    fact(e, static_cast<double>(both.size()));
    e.text = std::to_string(both.size()) + " of " + figures::counted(static_cast<std::int64_t>(right.size()), "value") + " of '" + by + "' in '" + second + "' stand in '" + first + "' too";
    if (!both.empty()) e.text += ", like " + both[0];
    return e;
  }
  if (word == "drift") {
    const auto distances = column_distances(a, b);
    if (distances.empty()) return lacking("there is no column" + beside + " to compare");
    const ColumnDistance& worst = distances[0];
    const std::size_t columns = distances.size();
    const auto all = std::make_shared<const std::vector<ColumnDistance>>(distances);
    e.point = worst.distance;
    auto largest = [all](double c, double sign) {
      double bound = 0;
      for (const ColumnDistance& d : *all) bound = std::max(bound, d.distance + sign * distance_margin(d, all->size(), c));
      return std::min(1.0, bound);
    };
    e.lower = [largest](double c) { return largest(c, -1); };
    e.upper = [largest](double c) { return largest(c, 1); };
    const auto differ = std::ranges::count_if(distances, [](const ColumnDistance& d) { return d.p <= 0.05; });
    e.text = figures::percent(worst.distance) + " in '" + worst.name + "'";
    if (worst.kinds == 0) e.text += " (PSI " + figures::significant(worst.psi, 2) + ", moved by " + figures::significant(worst.wasserstein, 3) + ")";
    e.text += "; " + std::to_string(differ) + " of " + figures::counted(static_cast<std::int64_t>(columns), "column") + " differ at a false discovery rate of 5 %";
    e.advice = [](double, bool, double) { return std::string("more samples narrow it (a bound of any distribution)"); };
    e.figures = {{e.name, worst.distance, "", "measured"}, {"columns that differ", static_cast<double>(differ), "", "counted"}};
    return e;
  }
  std::vector<std::vector<double>> left, right;
  for (const auto& [name, x] : a.numbers)
    if (const auto* y = column(b.numbers, name)) left.push_back(x), right.push_back(*y);
  if (left.empty()) return lacking("there is no column of numbers" + beside + " to tell them by");
  const TwoSample t = classifier_test(left, right, seed);
  if (t.n == 0) return lacking("too few samples" + beside + " to learn which is which");
  proportion(e, t.right, t.n);
  e.text += " told apart by a linear classifier, p " + figures::significant(t.p, 2);
  return e;
}

}  // namespace saha::validate
