// A requirement said in plain English: who must, what, over what, how surely, and what happens otherwise.
#include <algorithm>
#include <map>

#include "base/figures.hpp"
#include "validate/check.hpp"
#include "validate/prove.hpp"
#include "validate/vocabulary.hpp"

namespace saha::validate {
namespace {

std::string_view comparison_words(Op op) {
  switch (op) {
    case Op::le: return "is at most";
    case Op::ge: return "is at least";
    case Op::lt: return "is below";
    case Op::gt: return "is above";
    case Op::eq: return "equals";
    case Op::ne: return "differs from";
  }
  return "?";
}

std::string joined(const std::vector<std::string>& parts, std::string_view last) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += i + 1 == parts.size() ? " " + std::string(last) + " " : ", ";
    out += parts[i];
  }
  return out;
}

class English {
 public:
  English(const Requirement& r, const Scope& scope) : r_(r), scope_(scope) {}

  std::string value(const Expr& e) const {
    switch (e.kind) {
      case Expr::Kind::number: {
        std::string n = figures::shortest(e.value);
        return e.unit.empty() ? n : e.unit == "pp" ? n + " percentage points" : n + " " + e.unit;
      }
      case Expr::Kind::name: {
        std::string n = e.path.back();
        const Word* w = find_word(n);
        if (w && w->least == 0) return filled(*w, e);
        if (n == "label" && e.path.size() == 1) return "the label";
        if (e.path.size() == 2) return n + " of " + e.path[0];
        return n;
      }
      case Expr::Kind::call: return call(e);
      case Expr::Kind::index: return value(e.args[0]) + " with " + dotted(e.path) + " set to " + value(e.args[1]);
      case Expr::Kind::negate: return "minus " + value(e.args[0]);
      case Expr::Kind::add: return value(e.args[0]) + " plus " + value(e.args[1]);
      case Expr::Kind::subtract:
        if (e.args[1].kind == Expr::Kind::number) return value(e.args[0]) + " less " + value(e.args[1]);
        return "the difference of " + value(e.args[0]) + " and " + value(e.args[1]);
      case Expr::Kind::multiply: return value(e.args[0]) + " times " + value(e.args[1]);
      case Expr::Kind::divide: return value(e.args[0]) + " divided by " + value(e.args[1]);
      default: return "whether " + condition(e);
    }
  }

  std::string condition(const Expr& e) const {
    switch (e.kind) {
      case Expr::Kind::compare: {
        std::vector<std::string> parts;
        for (std::size_t i = 0; i + 1 < e.args.size(); ++i)
          parts.push_back(value(e.args[i]) + " " + std::string(comparison_words(e.ops[i])) + " " + value(e.args[i + 1]));
        return joined(parts, "and");
      }
      case Expr::Kind::logical_not: return "it is not so that " + condition(e.args[0]);
      case Expr::Kind::logical_and:
      case Expr::Kind::logical_or: {
        std::vector<std::string> parts;
        for (const Expr& a : e.args) parts.push_back(nested(a, e.kind));
        return joined(parts, e.kind == Expr::Kind::logical_and ? "and" : "or");
      }
      case Expr::Kind::implies: return "if " + condition(e.args[0]) + ", then " + condition(e.args[1]);
      default: return value(e);
    }
  }

  std::string quantifier(const Quantifier& q) const {
    std::vector<std::string> parts;
    for (const Binder& b : q.binders) {
      const bool values = b.region.kind == Expr::Kind::name && b.region.path.size() == 1 && scope_.field(b.region.path[0]);
      parts.push_back((b.names.size() == 1 ? std::string(q.each ? "each " : "every ") : "all ") + joined(b.names, "and") + " in " +
                      (values ? "the values of " : "") + value(b.region));
    }
    std::string out = "for " + joined(parts, "and");
    if (q.where) out += " where " + condition(*q.where);
    return out;
  }

  // A lone statement of a model without name speaks of each of the requirement's models.
  std::string model_of(const Expr& e) const { return " of " + (e.path.size() == 2 ? e.path[0] : joined(r_.models, "and")); }

 private:
  std::string nested(const Expr& e, Expr::Kind outer) const {
    bool compound = e.kind == Expr::Kind::implies || (e.kind == Expr::Kind::logical_or && outer == Expr::Kind::logical_and);
    return compound ? "(" + condition(e) + ")" : condition(e);
  }

  std::string call(const Expr& e) const {
    if (const Word* w = find_word(e.path.back())) return filled(*w, e);
    std::vector<std::string> arguments;
    for (const Expr& a : e.args) arguments.push_back(value(a));
    bool metric = std::ranges::any_of(scope_.metrics, [&](const Scope::Metric& m) { return m.name == e.path.back(); });
    if (metric) return "'" + e.path.back() + "'" + model_of(e) + " on " + joined(arguments, "and");
    if (scope_.output(e.path.back()) == nullptr && e.path.size() == 1 && arguments.size() == 1 && e.path[0].size() == 1)
      return arguments[0] + " changed by " + e.path[0];
    return "output '" + e.path.back() + "'" + (e.path.size() == 2 ? " of " + e.path[0] : "") + " at " + joined(arguments, "and");
  }

  // recall(test, malignant): the class may stand without its name.
  static bool is_class(const Word& w, std::size_t place) {
    return place < w.arguments.size() && w.arguments[place] == Argument::label && w.english.find("{" + std::to_string(place) + "}") == std::string_view::npos;
  }

  std::string filled(const Word& w, const Expr& e) const {
    std::string text(w.english);
    if (double q = percentile_of(e.path.back()); q > 0 && e.path.back() != "p50")
      text = "the " + figures::shortest(q * 100) + "th percentile of latency{m}";
    std::vector<std::string> plain;
    std::map<std::string_view, std::string> phrases;
    auto phrase = [&](const NamedArgument* a, const Expr& with) {
      if (!a) return;
      std::string said(a->english);
      if (std::size_t k = said.find("{}"); k != std::string::npos) said.replace(k, 2, a->kind == Argument::word || a->kind == Argument::output_name ? print(with) : value(with));
      phrases[a->name] = said;
    };
    for (std::size_t i = 0; i < e.args.size(); ++i) {
      if (!e.arg_names[i].empty()) phrase(w.named_argument(e.arg_names[i]), e.args[i]);
      else if (is_class(w, plain.size())) phrase(w.named_argument("class"), e.args[i]);
      else plain.push_back(value(e.args[i]));
    }
    auto put = [&](const std::string& what, const std::string& with) {
      std::size_t k = text.find(what);
      if (k != std::string::npos) text.replace(k, what.size(), with);
      return k != std::string::npos;
    };
    for (std::size_t i = 0; i < plain.size(); ++i) put("{" + std::to_string(i) + "}", plain[i]);
    put("{*}", joined(plain, "and"));
    put("{m}", model_of(e));
    for (const NamedArgument& a : w.named)
      if (!put("{" + std::string(a.name) + "}", phrases[a.name])) text += phrases[a.name];
    return text;
  }

  const Requirement& r_;
  const Scope& scope_;
};

std::string level_words(const Level& l) {
  switch (l.kind) {
    case Level::Kind::prove: return "proved for every such input";
    case Level::Kind::bound: return "shown with " + figures::percent(l.confidence) + " confidence" + (l.sequential ? ", looking at one sample after another until it is decided" : "");
    case Level::Kind::test: return l.tries > 0 ? "tested with " + std::to_string(l.tries) + " tries" : "tested with every sample";
  }
  return "?";
}

}  // namespace

std::string in_words(const Requirement& r, const Scope& scope) {
  English english(r, scope);
  std::string out;
  std::string_view verb = r.importance == Importance::must     ? "It must hold"
                          : r.importance == Importance::should ? "It should hold"
                                                               : "It is reported whether";
  out += std::string(verb) + (r.importance == Importance::info ? " " : " that ");
  std::string quantifiers;
  if (r.over) {
    quantifiers =
        "for " + (r.over->take > 0 ? std::to_string(r.over->take) + " samples" : std::string("every sample")) + " x of " + r.over->data;
    if (r.over->where) quantifiers += " where " + english.condition(*r.over->where);
  }
  for (const Quantifier& q : r.assertion.quantifiers) quantifiers += (quantifiers.empty() ? "" : ", ") + english.quantifier(q);
  out += quantifiers + (quantifiers.empty() ? "" : ": ") + english.condition(r.assertion.body) + ".";
  if (asks_for_proof(r, scope))
    out += " It must be " + level_words(Level{}) + (r.arithmetic == Arithmetic::model ? "" : " in " + std::string(name(r.arithmetic)) + " arithmetic") + ".";
  else if (r.level)
    out += " It must be " + level_words(*r.level) +
           (r.arithmetic == Arithmetic::model ? "" : " in " + std::string(name(r.arithmetic)) + " arithmetic") + ".";
  else if (r.arithmetic != Arithmetic::model) out += " Arithmetic: " + std::string(name(r.arithmetic)) + ".";
  if (r.accept.given) {
    out += " Accepted where " + std::string(r.accept.more_than ? "more than " : "at least ") + figures::percent(r.accept.proved) +
           " hold and " + (r.accept.violated == 0 ? "none is" : "at most " + std::to_string(r.accept.violated) + " are") + " violated.";
  }
  if (r.fallback) out += " If that is not reached, it is enough that it is " + level_words(*r.fallback) + ".";
  if (!r.vacuous.empty()) out += " Note: " + r.vacuous + ".";
  return out;
}

std::string explain(const Requirement& r, const Scope& scope) {
  return r.id + ": " + in_words(r, scope) + (r.why.empty() ? "" : " Why: " + r.why + (r.why.ends_with('.') ? "" : "."));
}

}  // namespace saha::validate
