// VNN-LIB 1.0 (2021, vnnlib.org: SMT-LIB's declare-const and assert) and 2.0 (2025, VNNLIB-Standard). A hand-written reader of one pass: each
// comparison goes as a linear row into the Formula as soon as it is read.
#include "verify/vnnlib.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "base/figures.hpp"
#include "data/inflate.hpp"
#include "system/file.hpp"
#include "verify/formula.hpp"

namespace saha::verify {
namespace {

enum class Class : std::uint8_t { word, space, open, close, left, right, comma, comment, quote };
constexpr auto kClasses = [] {
  std::array<Class, 256> t{};
  for (char c : {' ', '\t', '\n', '\r', '\f', '\v'}) t[std::size_t(c)] = Class::space;
  t['('] = Class::open, t[')'] = Class::close, t['['] = Class::left, t[']'] = Class::right, t[','] = Class::comma, t[';'] = Class::comment, t['"'] = Class::quote;
  return t;
}();
Class class_of(char c) { return kClasses[static_cast<unsigned char>(c)]; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

struct Token {
  enum class Kind : std::uint8_t { open, close, left, right, comma, word, string, end } kind = Kind::end;
  std::string_view text;
};

std::string shown(const Token& t) {
  if (t.kind == Token::Kind::end) return "the end of the file";
  std::string s(t.text.substr(0, 40));
  for (char& c : s) if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return "'" + s + (t.text.size() > 40 ? ".." : "") + "'";
}

/// A term's variable: an input of the property, or kOutput and an output. Inputs come first.
using Element = std::uint64_t;
constexpr Element kOutput = Element{1} << 32, kHidden = Element{1} << 33;
struct Term {
  Element element;
  double factor;
};

/// Elements that are set equal.
class Ties {
 public:
  void tie(std::int32_t a, std::int32_t b) {
    const auto most = std::size_t(std::max(a, b));
    for (std::size_t i = parent_.size(); i <= most; ++i) parent_.push_back(std::int32_t(i));
    a = root(a), b = root(b);
    parent_[std::size_t(std::max(a, b))] = std::min(a, b);
  }
  bool any() const { return !parent_.empty(); }
  /// Inputs in the order of their first elements.
  void number(std::int64_t elements, std::vector<std::int32_t>& input_of, std::vector<std::int32_t>& element_of) {
    input_of.resize(std::size_t(elements));
    for (std::int32_t i = 0; i < elements; ++i) {
      const std::int32_t first = std::size_t(i) < parent_.size() ? root(i) : i;
      if (first == i) element_of.push_back(i);
      input_of[std::size_t(i)] = first == i ? std::int32_t(element_of.size()) - 1 : input_of[std::size_t(first)];
    }
  }

 private:
  std::int32_t root(std::int32_t i) {
    while (parent_[std::size_t(i)] != i) i = parent_[std::size_t(i)] = parent_[std::size_t(parent_[std::size_t(i)])];
    return i;
  }
  std::vector<std::int32_t> parent_;   // never after its children
};

class Reader {
 public:
  Reader(std::string_view text, std::string_view file, const std::vector<std::int32_t>* input_of = nullptr) : text_(text), file_(file), input_of_(input_of) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }

  Result<Vnnlib> run() {
    next();
    if (!commands()) return std::move(error_);
    if (ties_.any()) {   // what was read so far spoke of elements, not of inputs: once more, with their numbers
      std::vector<std::int32_t> input_of, element_of;
      ties_.number(inputs_, input_of, element_of);
      Reader again(text_, file_, &input_of);
      again.out_.element_of = std::move(element_of);
      return again.run();
    }
    if (input_of_) out_.input_of = *input_of_;
    const std::int64_t inputs = input_of_ ? std::int64_t(out_.element_of.size()) : inputs_;
    auto property = std::move(formula_).property(inputs, outputs_, [this](std::int64_t i) { return input_name(out_, i); });
    if (!property) return std::move(property.error());
    out_.property = std::move(*property);
    return std::move(out_);
  }

 private:
  using Kind = Token::Kind;

  // ---- tokens

  void next() {
    for (;; ++at_) {
      if (at_ >= text_.size()) { token_ = {Kind::end, text_.substr(text_.size())}; return; }
      const Class c = class_of(text_[at_]);
      if (c == Class::comment) {
        at_ = std::min(text_.find('\n', at_), text_.size());
        if (at_ == text_.size()) { token_ = {Kind::end, text_.substr(at_)}; return; }
      } else if (c != Class::space) {
        break;
      }
    }
    const std::size_t begin = at_;
    Kind kind = Kind::word;
    switch (class_of(text_[at_++])) {
      case Class::open: kind = Kind::open; break;
      case Class::close: kind = Kind::close; break;
      case Class::left: kind = Kind::left; break;
      case Class::right: kind = Kind::right; break;
      case Class::comma: kind = Kind::comma; break;
      case Class::quote:
        kind = Kind::string;
        while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
        if (at_ >= text_.size()) { at_ = text_.size(), kind = Kind::end; break; }   // not closed
        ++at_;
        break;
      default:
        while (at_ < text_.size() && class_of(text_[at_]) == Class::word) ++at_;
    }
    token_ = {kind, text_.substr(begin, at_ - begin)};
  }

  bool fail(const Token& t, std::string message, std::string help = {}, ErrorCode code = ErrorCode::invalid_file) {
    const auto offset = std::size_t(t.text.data() - text_.data());
    const std::string_view before = text_.substr(0, offset);
    const std::size_t line_start = before.rfind('\n') + 1;   // npos + 1 is 0
    error_ = {code, std::move(message), std::move(help), std::string(file_), 1 + int(std::count(before.begin(), before.end(), '\n')), 1 + int(offset - line_start)};
    return false;
  }
  bool expected(std::string what) {
    if (token_.kind == Kind::end) return fail(token_, "the file ends where " + what + " is expected", "a ')' may be missing: see where the last '(assert' began");
    return fail(token_, what + " is expected, not " + shown(token_));
  }
  bool take(Kind kind, const char* what) {
    if (token_.kind != kind) return expected(what);
    next();
    return true;
  }
  /// Over the rest of an expression whose "(" has been taken, its ")" too.
  bool skip() {
    for (std::int64_t depth = 1; depth > 0; next()) {
      if (token_.kind == Kind::end) return expected("a ')'");
      depth += token_.kind == Kind::open ? 1 : token_.kind == Kind::close ? -1 : 0;
    }
    return true;
  }

  // ---- commands

  bool commands() {
    while (token_.kind != Kind::end || !token_.text.empty()) {
      if (!take(Kind::open, "a '(' that begins a command")) return false;
      const Token command = token_;
      if (command.kind != Kind::word) return expected("the name of a command");
      next();
      if (command.text == "assert") {
        if (!formula(false, 1) || !take(Kind::close, "the ')' that ends this 'assert'")) return false;
        any_ = true;
      } else if (command.text == "declare-const" || command.text == "declare-fun") {
        if (!declare(command)) return false;
      } else if (command.text == "vnnlib-version") {
        if (!version()) return false;
      } else if (command.text == "declare-network") {
        if (!network(command)) return false;
      } else if (std::ranges::find(kWithoutEffect, command.text) != kWithoutEffect.end()) {
        if (!skip()) return false;
      } else {
        return fail(command, "command " + shown(command) + " is not known", "a property consists of declarations and (assert ..)");
      }
    }
    return declared();
  }
  static constexpr std::array<std::string_view, 8> kWithoutEffect = {"set-logic", "set-info", "set-option", "check-sat", "get-model", "get-value", "echo", "exit"};

  bool version() {
    const Token t = token_;
    if (t.kind != Kind::word || t.text.size() < 5 || t.text.front() != '<' || t.text.back() != '>') return expected("a version such as <2.0>");
    int major = 0, minor = 0;
    const char* end = t.text.data() + t.text.size() - 1;
    auto [dot, fault] = std::from_chars(t.text.data() + 1, end, major);
    if (fault != std::errc() || dot == end || *dot != '.') return expected("a version such as <2.0>");
    auto [stop, fault2] = std::from_chars(dot + 1, end, minor);
    if (fault2 != std::errc() || stop != end) return expected("a version such as <2.0>");
    if (major < 1 || major > 2) return fail(t, "version " + std::to_string(major) + "." + std::to_string(minor) + " of VNN-LIB is not known; 1 and 2 are", {}, ErrorCode::unsupported);
    if (any_ || inputs_ || outputs_ || !out_.networks.empty()) return fail(t, "the version stands after declarations or assertions; it is to be first");
    out_.version = major;
    next();
    return take(Kind::close, "a ')'");
  }

  /// 1.0: (declare-const X_0 Real), (declare-fun X_0 () Real). The elements may come in any order.
  bool declare(const Token& command) {
    if (out_.version == 2) return fail(command, shown(command) + " is of VNN-LIB 1.0, this file of 2.0", "2.0 declares tensors: (declare-network N (declare-input X float32 [1,5]) (declare-output Y float32 [1,2]))");
    const Token variable = token_;
    if (variable.kind != Kind::word) return expected("the name of a variable");
    std::uint32_t index = 0;
    if (!flat_name(variable.text, index)) return fail(variable, "variable " + shown(variable) + " is neither an input X_0, X_1, .. nor an output Y_0, Y_1, ..");
    // A file that declares each number up to this one is longer: what is found here at the end would else take memory first.
    if (index > text_.size() / 16) return fail(variable, shown(variable) + " is declared, but the variables before it cannot all be in " + figures::bytes(double(text_.size())));
    auto& seen = variable.text[0] == 'X' ? inputs_seen_ : outputs_seen_;
    if (seen.size() <= index) seen.resize(index + 1);
    if (seen[index]) return fail(variable, shown(variable) + " is declared twice");
    seen[index] = 1;
    ++(variable.text[0] == 'X' ? inputs_ : outputs_);
    next();
    if (command.text == "declare-fun" && (!take(Kind::open, "'()'") || !take(Kind::close, "a ')': functions have no arguments here"))) return false;
    if (token_.kind != Kind::word) return expected("a type");
    if (token_.text != "Real") return fail(token_, "type " + shown(token_) + " is not known; variables are of type Real");
    next();
    return take(Kind::close, "the ')' that ends this declaration");
  }

  static bool flat_name(std::string_view name, std::uint32_t& index) {
    if (name.size() < 3 || (name[0] != 'X' && name[0] != 'Y') || name[1] != '_' || !digit(name[2]) || (name[2] == '0' && name.size() > 3)) return false;
    auto [end, fault] = std::from_chars(name.data() + 2, name.data() + name.size(), index);
    return fault == std::errc() && end == name.data() + name.size() && index < kMostElements;
  }

  /// 2.0: (declare-network N (equal-to M)? (declare-input X float32 [1,5])+ (declare-hidden H float32 [3] "node")* (declare-output Y float32 [2])+)
  bool network(const Token& command) {
    if (out_.version == 1 && (inputs_ || outputs_)) return fail(command, "'declare-network' is of VNN-LIB 2.0, the variables above are declared as in 1.0");
    out_.version = 2;
    const Token name = token_;
    if (!new_name("a network")) return false;
    Network n;
    n.name = name.text;
    while (token_.kind == Kind::open) {
      next();
      const Token what = token_;
      if (what.kind != Kind::word) return expected("'declare-input', 'declare-hidden' or 'declare-output'");
      next();
      if (what.text == "equal-to" || what.text == "isomorphic-to") {
        if (!n.like.empty()) return fail(what, "a network is equal or isomorphic to one other only");
        auto other = std::ranges::find_if(out_.networks, [&](const Network& o) { return o.name == token_.text; });
        if (other == out_.networks.end()) return fail(token_, "network " + shown(token_) + " is not declared before");
        if (!other->like.empty()) return fail(token_, "network " + shown(token_) + " is itself said to be like another", "refer to '" + other->like + "'");
        n.like = token_.text;
        n.equal = what.text == "equal-to";
        next();
      } else if (what.text == "declare-input" || what.text == "declare-output" || what.text == "declare-hidden") {
        if (!tensor(what, n)) return false;
      } else {
        return fail(what, shown(what) + " does not belong into a network", "it has declare-input, declare-hidden, declare-output, equal-to and isomorphic-to");
      }
      if (!take(Kind::close, "the ')' that ends this declaration")) return false;
    }
    const Token end = token_;
    if (!take(Kind::close, "a '(' or the ')' that ends this network")) return false;
    if (n.inputs.empty() || n.outputs.empty()) return fail(end, "network '" + n.name + "' declares no " + (n.inputs.empty() ? "input" : "output"));
    if (!n.like.empty()) {
      const auto& other = *std::ranges::find_if(out_.networks, [&](const Network& o) { return o.name == n.like; });
      auto alike = [&](const std::vector<Port>& a, const std::vector<Port>& b) {
        return std::ranges::equal(a, b, [&](const Port& p, const Port& q) { return p.shape == q.shape && (!n.equal || p.dtype == q.dtype); });
      };
      if (!alike(n.inputs, other.inputs) || !alike(n.outputs, other.outputs)) return fail(name, "network '" + n.name + "' declares other shapes or types than '" + n.like + "', which it is to be like");
    }
    out_.networks.push_back(std::move(n));
    return true;
  }

  struct Tensor {
    Element first;           ///< its first element, or kHidden
    std::vector<std::int64_t> shape;
  };

  bool new_name(const char* what) {
    const Token t = token_;
    if (t.kind != Kind::word) return expected(std::string("the name of ") + what);
    if (!letter(t.text[0]) || !std::ranges::all_of(t.text, [](char c) { return letter(c) || digit(c) || c == '_' || c == '-' || c == '@' || c == '.'; }))
      return fail(t, shown(t) + " is no name of " + what, "names begin with a letter and have letters, digits and '_'");
    if (t.text.size() > kMostName) return fail(t, "a name has " + std::to_string(t.text.size()) + " characters, more than " + std::to_string(kMostName));
    if (tensors_.contains(t.text) || std::ranges::any_of(out_.networks, [&](const Network& n) { return n.name == t.text; })) return fail(t, shown(t) + " is declared twice");
    next();
    return true;
  }

  bool tensor(const Token& what, Network& n) {
    const Token name = token_;
    if (!new_name("a tensor")) return false;
    Port p{std::string(name.text), DType::none, {}};
    if (token_.kind != Kind::word) return expected("an element type");
    if (token_.text != "Real" && token_.text != "real") {
      auto dtype = dtype_of(token_.text);
      if (!dtype || *dtype == DType::none || *dtype == DType::string || is_complex(*dtype)) return fail(token_, "element type " + shown(token_) + " is not known", "real, float32, float64, int8, .. as ONNX names them");
      p.dtype = *dtype;
    }
    next();
    const Token shape = token_;
    if (!indices("a shape such as [1,5]", p.shape)) return false;
    std::int64_t count = 1;
    for (std::int64_t d : p.shape) {
      if (d == 0) return fail(shape, "tensor '" + p.name + "' has a dimension of 0");
      if (count > std::int64_t(kMostElements) / d) return fail(shape, "tensor '" + p.name + "' has more than " + figures::grouped(double(kMostElements)) + " elements");
      count *= d;
    }
    if (what.text == "declare-hidden") {
      if (token_.kind != Kind::string) return expected("the name of the node in quotes");
      next();
      tensors_.emplace(name.text, Tensor{kHidden, p.shape});
      return true;
    }
    const bool input = what.text == "declare-input";
    if (token_.kind == Kind::string) {   // in drafts of 2.0
      p.onnx = token_.text.substr(1, token_.text.size() - 2);
      next();
    }
    if (input && token_.kind == Kind::word && token_.text == "initialized") next();   // 2.1: the model has a default, which is not used
    std::int64_t& total = input ? inputs_ : outputs_;
    tensors_.emplace(name.text, Tensor{Element(total) | (input ? 0 : kOutput), p.shape});
    total += count;
    if (total > std::int64_t(kMostElements) || (input && total > std::int64_t(text_.size())))
      return fail(shape, figures::grouped(double(total)) + (input ? " inputs are declared, more than can have bounds in a file of " + figures::bytes(double(text_.size())) : std::string(" outputs are declared")));
    (input ? n.inputs : n.outputs).push_back(std::move(p));
    return true;
  }

  /// "[1,3]"; numbers may also stand apart by spaces.
  bool indices(const char* what, std::vector<std::int64_t>& out) {
    if (token_.kind != Kind::left) return expected(what);
    out.clear();
    next();
    while (token_.kind != Kind::right) {
      std::int64_t v = 0;
      auto [end, fault] = std::from_chars(token_.text.data(), token_.text.data() + token_.text.size(), v);
      if (token_.kind != Kind::word || fault != std::errc() || end != token_.text.data() + token_.text.size() || v < 0) return expected("a whole number or ']'");
      if (out.size() == kMostRank) return fail(token_, "a shape has more than " + std::to_string(kMostRank) + " dimensions");
      out.push_back(v);
      next();
      if (token_.kind == Kind::comma) {
        next();
        if (token_.kind == Kind::right) return expected("a whole number");
      }
    }
    next();
    return true;
  }

  bool declared() {
    const Token end = token_;
    auto gaps = [&](const std::vector<char>& seen, char kind) {
      for (std::size_t i = 0; i < seen.size(); ++i)
        if (!seen[i]) return fail(end, std::string(1, kind) + "_" + std::to_string(i) + " is not declared, " + kind + "_" + std::to_string(seen.size() - 1) + " is");
      return true;
    };
    if (!gaps(inputs_seen_, 'X') || !gaps(outputs_seen_, 'Y')) return false;
    if (inputs_ == 0 || outputs_ == 0) return fail(end, std::string("no ") + (inputs_ == 0 ? "input" : "output") + " is declared", "(declare-const X_0 Real) declares the first input, (declare-const Y_0 Real) the first output");
    if (!any_) return fail(end, "nothing is asserted", "a property consists of declarations and (assert ..)");
    return true;
  }

  // ---- formulas

  bool formula(bool negated, int depth) {
    const Token start = token_;
    if (start.kind == Kind::word && (start.text == "true" || start.text == "false")) {
      formula_.at_most({.bound = (start.text == "true") != negated ? 0.0 : -1.0});
      next();
      return true;
    }
    if (!take(Kind::open, "a condition such as (<= X_0 1)")) return false;
    if (depth > kMostVnnlibDepth) return fail(start, "expressions are nested deeper than " + std::to_string(kMostVnnlibDepth));
    const Token op = token_;
    if (op.kind != Kind::word) return expected("'and', 'or' or a comparison");
    next();
    if (op.text == "and" || op.text == "or") {
      if (token_.kind == Kind::close) return fail(op, shown(op) + " has no conditions");
      formula_.open((op.text == "and") != negated ? Formula::Join::all : Formula::Join::any);
      while (token_.kind != Kind::close)
        if (!formula(negated, depth + 1)) return false;
      formula_.close();
      next();
      return true;
    }
    if (op.text == "not") return formula(!negated, depth + 1) && take(Kind::close, "the ')' that ends this 'not'");
    return comparison(op, negated, depth);
  }

  enum class Relation : std::uint8_t { at_most, below, at_least, above, equal, unequal };   // each pair is its own negation but for the order
  static bool relation_of(std::string_view op, Relation& r) {
    static constexpr std::pair<std::string_view, Relation> kAll[] = {{"<=", Relation::at_most}, {">=", Relation::at_least}, {"<", Relation::below}, {">", Relation::above},
                                                                     {"=", Relation::equal}, {"==", Relation::equal}, {"!=", Relation::unequal}, {"distinct", Relation::unequal}};
    for (auto& [name, value] : kAll)
      if (op == name) { r = value; return true; }
    return false;
  }

  bool comparison(const Token& op, bool negated, int depth) {
    Relation r{};
    if (!relation_of(op.text, r)) {
      static constexpr std::string_view kOfSmtLib[] = {"let", "ite", "=>", "xor", "forall", "exists", "implies"};
      if (std::ranges::find(kOfSmtLib, op.text) != std::end(kOfSmtLib)) return fail(op, shown(op) + " is not supported in properties", "write it by and, or, not and comparisons", ErrorCode::unsupported);
      return fail(op, shown(op) + " is no condition", "known are and, or, not, <=, <, >=, >, =, !=");
    }
    if (negated) r = r == Relation::at_most ? Relation::above : r == Relation::above ? Relation::at_most : r == Relation::at_least ? Relation::below
                   : r == Relation::below ? Relation::at_least : r == Relation::equal ? Relation::unequal : Relation::equal;
    terms_.clear();
    double constant = 0;
    if (!term(1, depth + 1, constant) || !term(-1, depth + 1, constant)) return false;
    if (token_.kind != Kind::close) {
      if (token_.kind == Kind::end) return expected("the ')' that ends this comparison");
      return fail(token_, shown(op) + " compares two terms, there are more", "write (and (" + std::string(op.text) + " a b) (" + std::string(op.text) + " b c))");
    }
    next();
    if (!normal(op, constant)) return false;
    if (!input_of_ && r == Relation::equal && formula_.common() && terms_.size() == 2 && terms_[1].element < kOutput && terms_[0].factor == -terms_[1].factor && constant == 0) {
      ties_.tie(std::int32_t(terms_[0].element), std::int32_t(terms_[1].element));
      return true;
    }
    switch (r) {
      case Relation::at_most: at_most(1, constant, false); break;
      case Relation::below: at_most(1, constant, true); break;
      case Relation::at_least: at_most(-1, constant, false); break;
      case Relation::above: at_most(-1, constant, true); break;
      case Relation::equal:
      case Relation::unequal:
        formula_.open(r == Relation::equal ? Formula::Join::all : Formula::Join::any);
        at_most(1, constant, r == Relation::unequal);
        at_most(-1, constant, r == Relation::unequal);
        formula_.close();
        break;
    }
    return true;
  }

  /// Each element once, in order, none with factor 0.
  bool normal(const Token& op, double constant) {
    bool finite = std::isfinite(constant);
    if (terms_.size() > 1) {
      std::ranges::stable_sort(terms_, {}, &Term::element);
      std::size_t kept = 0;
      for (std::size_t i = 0; i < terms_.size();) {
        Term t = terms_[i++];
        for (; i < terms_.size() && terms_[i].element == t.element; ++i) t.factor += terms_[i].factor;
        terms_[kept++] = t;
      }
      terms_.resize(kept);
    }
    std::erase_if(terms_, [](const Term& t) { return t.factor == 0; });
    for (const Term& t : terms_) finite &= std::isfinite(t.factor);
    if (terms_.size() == 1 && terms_[0].element < kOutput) finite &= std::isfinite(constant / terms_[0].factor);
    return finite || fail(op, "the numbers of this comparison go beyond float64");
  }

  /// sign * (terms + constant) <= 0
  void at_most(double sign, double constant, bool strict) {
    Row row{.bound = -sign * constant + 0.0, .strict = strict};
    for (const Term& t : terms_) (t.element < kOutput ? row.x : row.y).emplace_back(std::int32_t(t.element & 0x7FFFFFFF), sign * t.factor);
    formula_.at_most(std::move(row));
  }

  // ---- terms

  /// Adds sign * (what stands here) to terms_ and `constant`.
  bool term(double sign, int depth, double& constant) {
    const Token start = token_;
    if (start.kind == Kind::word) {
      next();
      const char c = start.text[0];
      if (digit(c) || c == '-' || c == '+' || c == '.') {
        double v = 0;
        if (!number(start, v)) return false;
        constant += sign * v;
        return true;
      }
      Element e = 0;
      if (!element(start, e)) return false;
      if (terms_.size() == kMostTerms) return fail(start, "a comparison has more than " + figures::grouped(double(kMostTerms)) + " terms");
      terms_.push_back({e, sign});
      return true;
    }
    if (!take(Kind::open, "a variable, a number or '('")) return false;
    if (depth > kMostVnnlibDepth) return fail(start, "expressions are nested deeper than " + std::to_string(kMostVnnlibDepth));
    const Token op = token_;
    if (op.kind != Kind::word) return expected("'+', '-', '*' or '/'");
    next();
    if (token_.kind == Kind::close) return fail(op, shown(op) + " has no terms");
    bool done = false;
    if (op.text == "+" || op.text == "-") done = sum(op.text == "-", sign, depth, constant);
    else if (op.text == "*" || op.text == "/") done = product(op, sign, depth, constant);
    else return fail(op, "function " + shown(op) + " is not known", "terms are built of variables, numbers, +, -, * and /", op.text == "ite" || op.text == "let" ? ErrorCode::unsupported : ErrorCode::invalid_file);
    return done && take(Kind::close, "a ')'");
  }

  bool sum(bool minus, double sign, int depth, double& constant) {
    double own = 0;
    for (int k = 0; token_.kind != Kind::close; ++k) {
      // a single term under '-' is negated, else all but the first
      if (!minus || k > 0) {
        if (!term(minus ? -sign : sign, depth + 1, own)) return false;
        continue;
      }
      const std::size_t mark = terms_.size();
      if (!term(sign, depth + 1, own)) return false;
      if (token_.kind == Kind::close) {
        for (std::size_t i = mark; i < terms_.size(); ++i) terms_[i].factor = -terms_[i].factor;
        own = -own;
      }
    }
    constant += own;
    return true;
  }

  bool product(const Token& op, double sign, int depth, double& constant) {
    const std::size_t mark = terms_.size();
    double factor = 1, own = 0;
    bool linear = false;   // the one that has variables was there; `own` is its constant
    for (int k = 0; token_.kind != Kind::close; ++k) {
      const Token at = token_;
      const std::size_t before = terms_.size();
      double c = 0;
      if (!term(1, depth + 1, c)) return false;
      const bool variables = terms_.size() > before;
      if (variables && (linear || (op.text == "/" && k > 0)))
        return fail(at, op.text == "/" ? "a division by a variable is not linear" : "a product of variables is not linear", "properties that are linear in X and Y are supported", ErrorCode::unsupported);
      if (variables) linear = true, own = c;
      else if (op.text == "*" || k == 0) factor *= c;
      else if (c == 0) return fail(at, "a division by zero");
      else if (linear) {
        for (std::size_t i = mark; i < terms_.size(); ++i) terms_[i].factor /= c;
        own /= c;
      } else {
        factor /= c;
      }
    }
    for (std::size_t i = mark; i < terms_.size(); ++i) terms_[i].factor *= sign * factor;
    constant += sign * factor * (linear ? own : 1);
    return true;
  }

  bool number(const Token& t, double& v) {
    const char *begin = t.text.data(), *end = begin + t.text.size();
    if (*begin == '+') ++begin;
    auto [stop, fault] = std::from_chars(begin, end, v);
    if (fault == std::errc::result_out_of_range) {   // tiny numbers too: the wider type tells which
      long double wide = 0;
      auto [stop2, fault2] = std::from_chars(begin, end, wide);
      if (fault2 != std::errc() || !std::isfinite(double(wide))) return fail(t, "number " + shown(t) + " is beyond float64");
      v = double(wide);
      stop = stop2;
    } else if (fault != std::errc()) {
      stop = nullptr;
    }
    if (stop != end || (begin != t.text.data() && !digit(*begin) && *begin != '.')) return fail(t, shown(t) + " is no number");
    if (!std::isfinite(v)) return fail(t, shown(t) + " is no finite number", "leave a comparison that bounds nothing out");
    return true;
  }

  bool element(const Token& name, Element& e) {
    if (out_.version == 1) {
      std::uint32_t index = 0;
      if (flat_name(name.text, index)) {
        const auto& seen = name.text[0] == 'X' ? inputs_seen_ : outputs_seen_;
        if (index < seen.size() && seen[index]) {
          e = input_of(index | (name.text[0] == 'X' ? 0 : kOutput));
          return true;
        }
      }
      return unknown(name);
    }
    auto found = tensors_.find(name.text);
    if (found == tensors_.end()) return unknown(name);
    const Tensor& t = found->second;
    at_index_.clear();
    if ((token_.kind == Kind::left || !t.shape.empty()) && !indices("an index such as [0,1]", at_index_)) return false;
    if (at_index_.size() != t.shape.size()) return fail(name, shown(name) + " has " + figures::counted(std::int64_t(t.shape.size()), "dimension") + ", the index " + std::to_string(at_index_.size()));
    std::uint64_t flat = 0;
    for (std::size_t d = 0; d < t.shape.size(); ++d) {
      if (at_index_[d] >= t.shape[d]) return fail(name, "index " + std::to_string(at_index_[d]) + " of " + shown(name) + " is beyond its dimension of " + std::to_string(t.shape[d]));
      flat = flat * std::uint64_t(t.shape[d]) + std::uint64_t(at_index_[d]);
    }
    if (t.first == kHidden) return fail(name, "hidden tensor " + shown(name) + " is in an assertion; properties of inputs and outputs are supported", {}, ErrorCode::unsupported);
    e = input_of(t.first + flat);
    return true;
  }
  Element input_of(Element e) const { return input_of_ && e < kOutput ? Element((*input_of_)[e]) : e; }

  bool unknown(const Token& name) {
    std::string lower(name.text.substr(0, 8));
    for (char& c : lower) c = char(std::tolower(static_cast<unsigned char>(c)));
    if (lower == "inf" || lower == "nan" || lower == "infinity") return fail(name, shown(name) + " is no finite number", "leave a comparison that bounds nothing out");
    return fail(name, "variable " + shown(name) + " is not declared");
  }

  static constexpr std::uint32_t kMostElements = 0x7FFFFFFF;
  static constexpr std::size_t kMostTerms = std::size_t{1} << 20, kMostName = 256, kMostRank = 16;

  std::string_view text_, file_;
  std::size_t at_ = 0;
  Token token_;
  Error error_{ErrorCode::internal, {}};
  Vnnlib out_;
  Formula formula_;
  std::vector<char> inputs_seen_, outputs_seen_;                ///< 1.0
  std::int64_t inputs_ = 0, outputs_ = 0;
  std::unordered_map<std::string_view, Tensor> tensors_;        ///< 2.0
  const std::vector<std::int32_t>* input_of_;                   ///< of elements; null: not known yet
  Ties ties_;
  bool any_ = false;
  std::vector<Term> terms_;
  std::vector<std::int64_t> at_index_;
};

}  // namespace

Result<Vnnlib> parse_vnnlib(std::string_view text, std::string_view file) {
  auto read = text.size() > kMostVnnlibBytes ? Result<Vnnlib>(Error{ErrorCode::invalid_file, "the property has " + figures::bytes(double(text.size())) + ", more than " + figures::bytes(double(kMostVnnlibBytes))}) : Reader(text, file).run();
  if (!read && read.error().file.empty()) read.error().file = file;
  return read;
}

Result<Vnnlib> read_vnnlib(const std::filesystem::path& path) {
  SAHA_TRY(auto bytes, system::read_bytes(path, kMostVnnlibBytes));
  if (data::is_gzip(bytes)) {
    auto text = data::gunzip(bytes, kMostVnnlibBytes);
    if (!text) return Error{ErrorCode::invalid_file, path.string() + ": " + text.error().message, std::move(text.error().help)};
    bytes = std::move(*text);
  }
  return parse_vnnlib(system::text_of(bytes), path.string());
}

}  // namespace saha::verify
