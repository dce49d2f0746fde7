// Properties in plain words.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/figures.hpp"
#include "verify/vnnlib.hpp"

namespace saha::verify {
namespace {

constexpr std::size_t kMostCases = 12, kMostRows = 12, kMostBounds = 8;

std::string number(double v) { return figures::significant(v, 6); }

std::string and_so_on(std::size_t all, std::size_t shown, std::string_view what, const char* indent) {
  return all <= shown ? "" : indent + figures::counted(std::int64_t(all - shown), "further " + std::string(what)) + "\n";
}

std::string bounds(const Vnnlib& v, const Box& box, const char* indent) {
  std::string s;
  std::size_t shown = 0;
  for (std::size_t i = 0; i < box.lo.size() && shown < kMostBounds; ++i, ++shown)
    s += indent + input_name(v, std::int64_t(i)) + (box.lo[i] == box.hi[i] ? " = " + number(box.lo[i]) : " in [" + number(box.lo[i]) + ", " + number(box.hi[i]) + "]") + "\n";
  return s + and_so_on(box.lo.size(), shown, "input", indent);
}

}  // namespace

std::string sentence(const Vnnlib& v, const Row& row) {
  std::vector<std::pair<std::string, double>> terms;
  for (auto [i, factor] : row.x) terms.emplace_back(input_name(v, i), factor);
  for (auto [i, factor] : row.y) terms.emplace_back(element_name(v, false, i), factor);
  double bound = row.bound, sign = 1;
  // The positive terms go to the left; where there are none, all signs turn.
  const bool turned = std::ranges::none_of(terms, [](const auto& t) { return t.second > 0; });
  if (turned) sign = -1;
  const bool apart = bound == 0 && terms.size() > 1;
  std::string left, right;
  for (const auto& [name, factor] : terms) {
    const double f = sign * factor;
    const bool to_right = apart && f < 0;
    std::string& side = to_right ? right : left;
    const double size = std::abs(f);
    side += side.empty() ? (f < 0 && !to_right ? "-" : "") : f < 0 && !to_right ? " - " : " + ";
    side += (size == 1 ? "" : number(size) + " ") + name;
  }
  return left + (turned ? row.strict ? " > " : " >= " : row.strict ? " < " : " <= ") + (right.empty() ? number(sign * bound + 0.0) : right);
}

Extent extent(const Property& property) {
  Extent e{.least = std::numeric_limits<double>::infinity()};
  std::set<const Box*> seen;
  std::vector<char> varies(std::size_t(property.inputs));
  for (const Case& c : property.cases) {
    e.rows += std::int64_t(c.rows.size());
    if (!seen.insert(c.box.get()).second) continue;
    for (std::size_t i = 0; i < varies.size(); ++i) {
      const double width = c.box->hi[i] - c.box->lo[i];
      if (width <= 0) continue;
      e.least = std::min(e.least, width);
      e.most = std::max(e.most, width);
      varies[i] = 1;
    }
  }
  e.boxes = std::int64_t(seen.size());
  e.vary = std::ranges::count(varies, 1);
  if (e.vary == 0) e.least = 0;
  return e;
}

std::string explain(const Vnnlib& v) {
  const Property& p = v.property;
  const Extent e = extent(p);
  const bool one = p.cases.size() == 1;
  std::string s;
  if (v.networks.size() > 1) {
    for (const Network& n : v.networks) s += (s.empty() ? "The networks are '" : ", '") + n.name + "'" + (n.like.empty() ? "" : (n.equal ? " (the same as '" : " (built as '") + n.like + "')");
    s += ".\n";
  }
  s += "A counterexample is an input " + std::string(e.boxes == 1 ? "of the box" : "of a case's box") + " that satisfies all rows " + (one ? "" : "of any case ") + "with its outputs.\n";
  s += "inputs   " + std::to_string(p.inputs) + ", " + std::to_string(e.vary) + (e.vary == 1 ? " varies" : " vary");
  if (e.vary > 0) s += " by " + number(e.least) + (e.least == e.most ? "" : " to " + number(e.most));
  if (v.elements() != p.inputs) s += "; " + std::to_string(v.elements()) + " are declared, the others are set equal to these";
  s += "\noutputs  " + std::to_string(p.outputs) + "\ncases    " + std::to_string(p.cases.size()) + ", of " + (e.boxes == 1 ? "1 box" : std::to_string(e.boxes) + " boxes") + " and " + figures::counted(e.rows, "row");
  if (p.empty_cases) s += "; " + std::to_string(p.empty_cases) + " more without inputs " + (p.empty_cases == 1 ? "is" : "are") + " left out";
  s += "\n";
  if (e.boxes == 1) s += bounds(v, *p.cases[0].box, "  ");
  for (std::size_t k = 0; k < std::min(p.cases.size(), kMostCases); ++k) {
    const Case& c = p.cases[k];
    const auto same = std::size_t(std::ranges::find(p.cases, c.box, &Case::box) - p.cases.begin());
    if (!one) s += "case " + std::to_string(k + 1) + (e.boxes > 1 && same < k ? ", in the box of case " + std::to_string(same + 1) : "") + "\n";
    if (e.boxes > 1 && same == k) s += bounds(v, *c.box, "  ");
    if (c.rows.empty()) s += "  any output\n";
    for (std::size_t r = 0; r < std::min(c.rows.size(), kMostRows); ++r) s += "  " + sentence(v, c.rows[r]) + "\n";
    s += and_so_on(c.rows.size(), kMostRows, "row", "  ");
  }
  return s + and_so_on(p.cases.size(), kMostCases, "case", "");
}

}  // namespace saha::verify
