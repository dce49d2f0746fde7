// Properties and counterexamples as text. Numbers are written without exponents, which the grammar of 2.0 does not have.
#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "base/figures.hpp"
#include "verify/vnnlib.hpp"

namespace saha::verify {
namespace {

std::int64_t elements(const Port& p) {
  std::int64_t n = 1;
  for (std::int64_t d : p.shape) n *= d;
  return n;
}

std::string decimal(double v) {
  char text[1100];   // 1.8e308 has 309 digits, 5e-324 has 326 with its zeros
  auto [end, fault] = std::to_chars(text, text + sizeof text, v, std::chars_format::fixed);
  std::string s(text, end);
  return s.find('.') == std::string::npos ? s + ".0" : s;
}

std::string allowed(std::string name, std::set<std::string>& taken) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  for (char& c : name) if (!letter(c) && !(c >= '0' && c <= '9')) c = '_';
  if (name.empty() || !letter(name[0])) name.insert(0, "n");
  name.resize(std::min<std::size_t>(name.size(), 200));
  std::string s = name;
  for (int k = 2; !taken.insert(s).second; ++k) s = name + "_" + std::to_string(k);
  return s;
}

/// "float32 [1,5]"
std::string declared(const Port& p) {
  std::string s = (p.dtype == DType::none ? "real" : std::string(name(p.dtype))) + " [";
  for (std::size_t d = 0; d < p.shape.size(); ++d) s += (d ? "," : "") + std::to_string(p.shape[d]);
  return s + "]";
}

class Printer {
 public:
  explicit Printer(Vnnlib v) : v_(std::move(v)) {}

  std::string text() && {
    header();
    const auto& cases = v_.property.cases;
    const auto inputs = std::size_t(v_.property.inputs);
    for (std::size_t i = 0; i < inputs; ++i) {
      const Box& first = *cases[0].box;
      const bool lo = std::ranges::all_of(cases, [&](const Case& c) { return c.box == cases[0].box || c.box->lo[i] == first.lo[i]; });
      const bool hi = std::ranges::all_of(cases, [&](const Case& c) { return c.box == cases[0].box || c.box->hi[i] == first.hi[i]; });
      if (lo) out_ += "(assert " + bound(i, true, first.lo[i]) + ")\n";
      else own_.emplace_back(i, true);
      if (hi) out_ += "(assert " + bound(i, false, first.hi[i]) + ")\n";
      else own_.emplace_back(i, false);
    }
    for (std::size_t e = 0; e < v_.input_of.size(); ++e) {
      const std::int64_t first = v_.element(v_.input_of[e]);
      if (first != std::int64_t(e)) out_ += (v_.version == 1 ? "(assert (= " : "(assert (== ") + element_name(v_, true, first) + " " + element_name(v_, true, std::int64_t(e)) + "))\n";
    }
    out_ += "\n";
    if (cases.size() == 1) {
      for (const Row& r : cases[0].rows) out_ += "(assert " + row(r) + ")\n";
      return std::move(out_);
    }
    out_ += "(assert (or\n";
    for (const Case& c : cases) {
      out_ += "  (and";
      for (auto [i, lower] : own_) out_ += " " + bound(i, lower, (lower ? c.box->lo : c.box->hi)[i]);
      for (const Row& r : c.rows) out_ += " " + row(r);
      if (own_.empty() && c.rows.empty()) out_ += " " + bound(0, true, c.box->lo[0]);   // always so
      out_ += ")\n";
    }
    out_ += "))\n";
    return std::move(out_);
  }

 private:
  void header() {
    if (v_.version == 1) {
      for (std::int64_t i = 0; i < v_.elements(); ++i) out_ += "(declare-const " + element_name(v_, true, i) + " Real)\n";
      for (std::int64_t i = 0; i < v_.property.outputs; ++i) out_ += "(declare-const " + element_name(v_, false, i) + " Real)\n";
      out_ += "\n";
      return;
    }
    if (v_.networks.empty()) v_.networks = {{"N", "", false, {{"X", DType::none, {v_.elements()}}}, {{"Y", DType::none, {v_.property.outputs}}}}};
    std::set<std::string> taken;
    std::map<std::string, std::string> renamed;
    out_ = "(vnnlib-version <2.0>)\n\n";
    for (Network& n : v_.networks) {
      const std::string name = allowed(n.name, taken);
      renamed[std::exchange(n.name, name)] = name;
      out_ += "(declare-network " + n.name + "\n";
      if (!n.like.empty()) out_ += std::string(n.equal ? "  (equal-to " : "  (isomorphic-to ") + renamed[n.like] + ")\n";
      for (auto* ports : {&n.inputs, &n.outputs})
        for (Port& p : *ports) {
          p.name = allowed(p.name, taken);
          out_ += (ports == &n.inputs ? "  (declare-input " : "  (declare-output ") + p.name + " " + declared(p) + ")\n";
        }
      out_ += ")\n";
    }
    out_ += "\n";
  }

  std::string bound(std::size_t input, bool lower, double value) const {
    return std::string(lower ? "(>= " : "(<= ") + input_name(v_, std::int64_t(input)) + " " + decimal(value) + ")";
  }

  std::string row(const Row& r) const {
    std::vector<std::pair<std::string, double>> terms;
    for (auto [i, factor] : r.x) terms.emplace_back(input_name(v_, i), factor);
    for (auto [i, factor] : r.y) terms.emplace_back(element_name(v_, false, i), factor);
    const std::string at_most = r.strict ? "(< " : "(<= ";
    if (terms.size() == 1 && terms[0].second == 1) return at_most + terms[0].first + " " + decimal(r.bound) + ")";
    if (terms.size() == 1 && terms[0].second == -1) return (r.strict ? "(> " : "(>= ") + terms[0].first + " " + decimal(-r.bound + 0.0) + ")";
    if (terms.size() == 2 && r.bound == 0 && terms[0].second == 1 && terms[1].second == -1) return at_most + terms[0].first + " " + terms[1].first + ")";
    if (terms.size() == 2 && r.bound == 0 && terms[0].second == -1 && terms[1].second == 1) return at_most + terms[1].first + " " + terms[0].first + ")";
    std::string sum;
    for (const auto& [element, factor] : terms) sum += (sum.empty() ? "" : " ") + (factor == 1 ? element : "(* " + decimal(factor) + " " + element + ")");
    return at_most + (terms.size() == 1 ? sum : "(+ " + sum + ")") + " " + decimal(r.bound) + ")";
  }

  Vnnlib v_;
  std::string out_;
  std::vector<std::pair<std::size_t, bool>> own_;   ///< bounds that the cases have each for itself: input, lower
};

}  // namespace

std::string element_name(const Vnnlib& v, bool input, std::int64_t element) {
  const std::string flat = std::to_string(element);
  if (v.version == 1) return (input ? "X_" : "Y_") + flat;
  std::int64_t i = element;
  for (const Network& net : v.networks)
    for (const Port& p : input ? net.inputs : net.outputs) {
      const std::int64_t n = elements(p);
      if (i >= n) { i -= n; continue; }
      if (p.shape.empty()) return p.name;
      std::string index;
      for (std::size_t d = p.shape.size(); d-- > 0; i /= p.shape[d]) index = std::to_string(i % p.shape[d]) + (index.empty() ? "" : ",") + index;
      return p.name + "[" + index + "]";
    }
  return (input ? "X[" : "Y[") + flat + "]";
}

std::string print(const Vnnlib& v) {
  SAHA_ASSERT(!v.property.cases.empty());
  return Printer(v).text();
}

std::string print_counterexample(const Vnnlib& v, std::span<const float> x, std::span<const float> y) {
  const std::vector<float> all = v.spread(x);
  std::string s;
  if (v.version == 2) {
    auto in = all.begin();
    auto out = y.begin();
    auto tensor = [&](const Port& p, auto& from) {
      s += p.name + " " + declared(p) + "\n";
      for (std::int64_t i = elements(p); i > 0; --i) s += figures::shortest(double(*from++)) + "\n";
    };
    for (const Network& n : v.networks) {
      for (const Port& p : n.inputs) tensor(p, in);
      for (const Port& p : n.outputs) tensor(p, out);
    }
    return s;
  }
  for (const auto& [kind, values] : {std::pair(" (X_", std::span<const float>(all)), std::pair(" (Y_", y)})
    for (std::size_t i = 0; i < values.size(); ++i) s += kind + std::to_string(i) + " " + figures::shortest(double(values[i])) + ")\n";
  if (s.empty()) return "()\n";
  s.front() = '(';
  s.back() = ')';
  return s + "\n";
}

}  // namespace saha::verify
