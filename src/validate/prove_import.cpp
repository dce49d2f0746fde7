#include "validate/prove_import.hpp"

#include <algorithm>
#include <cmath>

#include "base/figures.hpp"
#include "validate/language.hpp"

namespace saha::validate {
namespace {

constexpr std::int64_t kMostNames = 4096;

/// "a - 2 * b"; "0" for no terms.
std::string sum_of(const verify::Row& r) {
  std::string s;
  auto add = [&](char letter, std::int32_t i, double c) {
    const double size = std::abs(c);
    s += s.empty() ? (c < 0 ? "-" : "") : c < 0 ? " - " : " + ";
    if (size != 1) s += figures::shortest(size) + " * ";
    s += letter + std::to_string(i);
  };
  for (const auto& [i, c] : r.x) add('x', i, c);
  for (const auto& [i, c] : r.y) add('y', i, c);
  return s.empty() ? "0" : s;
}

std::string in_quotes(std::string_view s) {
  std::string q = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') q += '\\';
    q += c;
  }
  return q + "\"";
}

struct Port {
  std::string name;
  std::int64_t size = 0;
};
Result<std::vector<Port>> ports(const ir::Graph& g, std::span<const ir::ValueId> ids, std::int64_t all, std::string_view what) {
  std::vector<Port> out;
  std::int64_t sum = 0, free = -1;
  for (ir::ValueId v : ids) {
    std::int64_t n = 1;
    for (std::size_t i = 0; i < g.type(v).dims.size(); ++i) n *= g.type(v).dims[i].known().value_or(1);
    out.push_back({g.name(v), n});
    sum += n;
    if (std::ranges::any_of(g.type(v).dims, [](const ir::Dim& d) { return !d.known(); })) free = n;
  }
  if (sum != all)
    return Error{ErrorCode::invalid_argument, "the property has " + std::to_string(all) + " " + std::string(what) + ", the network " + std::to_string(sum) + (free >= 0 ? " with 1 for what is free" : "")};
  return out;
}

}  // namespace

Result<std::string> requirements_of(const verify::Vnnlib& file, const ir::Graph& network, std::string_view id) {
  const verify::Property& p = file.property;
  if (file.networks.size() > 1 || file.elements() != p.inputs)
    return Error{ErrorCode::unsupported, file.networks.size() > 1 ? "the property speaks of " + std::to_string(file.networks.size()) + " networks, requirements are made of properties of one" : "the property sets inputs equal, which no requirement says", "saha verify proves it as it is"};
  if (p.inputs > kMostNames || p.outputs > kMostNames)
    return Error{ErrorCode::unsupported, "a property of " + std::to_string(p.inputs) + " inputs and " + std::to_string(p.outputs) + " outputs has too many to be named; at most " + std::to_string(kMostNames), "saha verify proves it as it is"};
  if (p.cases.empty()) return Error{ErrorCode::unsupported, "the property has no case: there is nothing that may not be"};
  SAHA_TRY(const auto inputs, ports(network, network.inputs(), p.inputs, "inputs"));
  SAHA_TRY(const auto outputs, ports(network, network.outputs(), p.outputs, "outputs"));
  verify::Box hull = *p.cases[0].box;
  for (const verify::Case& c : p.cases) {
    for (std::size_t i = 0; i < hull.lo.size(); ++i) {
      hull.lo[i] = std::min(hull.lo[i], c.box->lo[i]);
      hull.hi[i] = std::max(hull.hi[i], c.box->hi[i]);
    }
  }
  std::vector<std::string> cases;
  for (const verify::Case& c : p.cases) {
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < hull.lo.size(); ++i) {
      if (c.box->lo[i] > hull.lo[i]) parts.push_back("x" + std::to_string(i) + " >= " + figures::shortest(c.box->lo[i]));
      if (c.box->hi[i] < hull.hi[i]) parts.push_back("x" + std::to_string(i) + " <= " + figures::shortest(c.box->hi[i]));
    }
    for (const verify::Row& r : c.rows) parts.push_back(sum_of(r) + (r.strict ? " < " : " <= ") + figures::shortest(r.bound));
    std::string all;
    for (const std::string& part : parts) all += (all.empty() ? "" : " and ") + part;
    if (all.empty()) return Error{ErrorCode::unsupported, "a case of the property asks nothing of the outputs: every input is a counterexample"};
    cases.push_back(std::move(all));
  }
  std::vector<std::string> assertions(1);
  for (const std::string& c : cases) {
    const std::string one = "not (" + c + ")";
    if (one.size() > kMostAssertionBytes) return Error{ErrorCode::unsupported, "a case takes " + std::to_string(one.size()) + " characters, an assertion has at most " + std::to_string(kMostAssertionBytes), "saha verify proves it as it is"};
    std::string& last = assertions.back();
    if (!last.empty() && last.size() + 5 + one.size() > kMostAssertionBytes / 2) assertions.emplace_back();
    assertions.back() += (assertions.back().empty() ? "" : " and ") + one;
  }
  std::string text = "saha: 1\nmodel:\n  input:\n";
  std::size_t x = 0, y = 0;
  for (const Port& port : inputs) {
    text += "    " + in_quotes(port.name) + ":\n      fields:\n";
    for (std::int64_t i = 0; i < port.size; ++i, ++x)
      text += "        x" + std::to_string(x) + ": {index: " + std::to_string(i) + ", domain: [" + figures::shortest(hull.lo[x]) + ", " + figures::shortest(hull.hi[x]) + "]}\n";
  }
  text += "  output:\n";
  for (const Port& port : outputs) {
    text += "    " + in_quotes(port.name) + ": {names: [";
    for (std::int64_t i = 0; i < port.size; ++i, ++y) text += (i > 0 ? ", y" : "y") + std::to_string(y);
    text += "]}\n";
  }
  text += "requirements:\n";
  for (std::size_t i = 0; i < assertions.size(); ++i)
    text += "  - {id: " + std::string(id) + (assertions.size() > 1 ? "-" + std::to_string(i + 1) : "") + ", level: prove, assert: " + in_quotes(assertions[i]) + "}\n";
  return text;
}

}  // namespace saha::validate
