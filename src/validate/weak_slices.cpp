#include "validate/weak_slices.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "base/figures.hpp"
#include "validate/statistics.hpp"

namespace saha::validate {
namespace {

using Column = std::pair<std::string, std::vector<std::string>>;

std::optional<double> number(const std::string& text) {
  double v = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (fault != std::errc() || end != text.data() + text.size() || !std::isfinite(v)) return {};
  return v;
}

// The slices of a column by name: its values; quarters of numbers that are many; nothing of words that are many.
std::map<std::string, std::vector<std::int32_t>> slices_of(const Column& column, const WeakSliceOptions& options) {
  std::map<std::string, std::vector<std::int32_t>> slices;
  for (std::size_t i = 0; i < column.second.size(); ++i) slices[column.first + "=" + column.second[i]].push_back(static_cast<std::int32_t>(i));
  if (slices.size() <= options.most_values) return slices;
  slices.clear();
  std::vector<double> values;
  for (const std::string& text : column.second) {
    const auto v = number(text);
    if (!v) return {};
    values.push_back(*v);
  }
  std::vector<double> sorted = values;
  std::ranges::sort(sorted);
  const double edges[] = {quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75)};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto quarter = std::lower_bound(std::begin(edges), std::end(edges), values[i]) - std::begin(edges);
    const std::string low = quarter > 0 ? figures::significant(edges[quarter - 1], 4) + " < " : "", high = quarter < 3 ? " <= " + figures::significant(edges[quarter], 4) : "";
    slices[low + column.first + high].push_back(static_cast<std::int32_t>(i));
  }
  return slices;
}

}  // namespace

double fisher_more(std::int64_t failures, std::int64_t n, std::int64_t all_failures, std::int64_t all) {
  auto log_choose = [](std::int64_t a, std::int64_t b) {
    return std::lgamma(static_cast<double>(a) + 1) - std::lgamma(static_cast<double>(b) + 1) - std::lgamma(static_cast<double>(a - b) + 1);
  };
  const double whole = log_choose(all, n);
  double p = 0;
  for (std::int64_t k = std::max(failures, n - (all - all_failures)); k <= std::min(n, all_failures); ++k)
    p += std::exp(log_choose(all_failures, k) + log_choose(all - all_failures, n - k) - whole);
  return std::min(1.0, p);
}

WeakSlices weak_slices(const std::vector<Column>& columns, const std::vector<std::uint8_t>& correct, const WeakSliceOptions& options) {
  const auto all = static_cast<std::int64_t>(correct.size());
  const auto all_failures = static_cast<std::int64_t>(std::ranges::count(correct, 0));
  WeakSlices out;
  std::vector<WeakSlice> tried;
  std::vector<std::pair<std::size_t, std::size_t>> parents;   // of a pair, in `tried`
  constexpr std::size_t kNone = ~std::size_t{0};
  auto attempt = [&](const std::string& name, const std::vector<std::int32_t>& rows, std::size_t a, std::size_t b) {
    WeakSlice s{name, static_cast<std::int64_t>(rows.size())};
    if (s.n < options.least || s.n == all) return kNone;
    for (std::int32_t i : rows) s.failures += correct[static_cast<std::size_t>(i)] == 0;
    s.rate = 1 - static_cast<double>(s.failures) / static_cast<double>(s.n);
    s.upper = proportion_upper(s.n - s.failures, s.n, 0.95);
    s.p = fisher_more(s.failures, s.n, all_failures, all);
    tried.push_back(std::move(s));
    parents.emplace_back(a, b);
    return tried.size() - 1;
  };
  struct Part { std::string name; std::vector<std::int32_t> rows; std::size_t place; };
  std::vector<std::vector<Part>> parts;
  for (const Column& c : columns) {
    if (c.second.size() != correct.size()) continue;
    auto& of_column = parts.emplace_back();
    for (auto& [name, rows] : slices_of(c, options)) {
      const std::size_t place = attempt(name, rows, kNone, kNone);
      of_column.push_back({name, std::move(rows), place});
    }
  }
  for (std::size_t a = 0; a < parts.size(); ++a)
    for (std::size_t b = a + 1; b < parts.size(); ++b)
      for (const Part& x : parts[a])
        for (const Part& y : parts[b]) {
          if (static_cast<std::int64_t>(std::min(x.rows.size(), y.rows.size())) < options.least) continue;
          std::vector<std::int32_t> rows;
          std::ranges::set_intersection(x.rows, y.rows, std::back_inserter(rows));
          if (rows.size() == x.rows.size() || rows.size() == y.rows.size()) continue;   // one column says it all
          attempt(x.name + ", " + y.name, rows, x.place, y.place);
        }
  out.searched = static_cast<std::int64_t>(tried.size());
  std::vector<double> p;
  for (const WeakSlice& s : tried) p.push_back(s.p);
  p = holm(p);
  for (std::size_t i = 0; i < tried.size(); ++i) {
    const auto [a, b] = parents[i];
    auto weaker_than = [&](std::size_t parent) { return parent == kNone || tried[i].rate < tried[parent].rate; };
    if (p[i] > options.most_p || !weaker_than(a) || !weaker_than(b)) continue;
    tried[i].p = p[i];
    out.found.push_back(tried[i]);
  }
  std::ranges::stable_sort(out.found, {}, &WeakSlice::p);
  return out;
}

}  // namespace saha::validate
