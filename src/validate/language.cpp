// A lexer into tokens, then recursive descent with one function for each rule of the grammar.
#include "validate/language.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/figures.hpp"
#include "yaml/diagnostic.hpp"
#include "yaml/units.hpp"

namespace saha::validate {
namespace {

constexpr std::array<std::string_view, 8> kKeywords = {"for", "all", "each", "in", "where", "and", "or", "not"};

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool name_char(char c) { return letter(c) || digit(c) || c == '_'; }

struct Token {
  enum class Kind : std::uint8_t { number, name, symbol, end };
  Kind kind = Kind::end;
  std::string_view text;
  Place place;
  double value = 0;
  std::string unit;
};

std::string shown(const Token& t) { return t.kind == Token::Kind::end ? "the end" : "'" + std::string(t.text.substr(0, 40)) + "'"; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  // False with `error` set at the first character that begins no token.
  bool run(std::vector<Token>& tokens, SyntaxError& error) {
    for (;;) {
      while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
      if (at_ >= text_.size()) break;
      std::size_t begin = at_;
      char c = text_[at_];
      Token t;
      if (digit(c) || (c == '.' && digit(peek(1)))) {
        if (!number(t, error)) return false;
      } else if (letter(c)) {
        while (name_char(peek(0))) ++at_;
        t.kind = Token::Kind::name;
      } else {
        static constexpr std::string_view kSymbols[] = {"<=", ">=", "==", "!=", "=>", "<", ">", "+", "-", "*",
                                                        "/",  "(",  ")",  "[",  "]",  ",", ".", ":", "="};
        auto s = std::ranges::find_if(kSymbols, [&](std::string_view k) { return text_.substr(at_).starts_with(k); });
        if (s == std::end(kSymbols)) {
          std::size_t end = at_ + 1;
          while (end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0) == 0x80) ++end;
          std::string what(text_.substr(at_, end - at_));
          static constexpr std::pair<std::string_view, std::string_view> kMeant[] = {
              {"&", "write 'and'"}, {"|", "write 'or'"}, {"!", "write 'not'"}, {"%", "'%' stands after a number"},
              {"\xE2\x89\xA4", "write '<='"}, {"\xE2\x89\xA5", "write '>='"}, {"\xE2\x87\x92", "write '=>'"}};
          auto meant = std::ranges::find_if(kMeant, [&](const auto& m) { return m.first == what; });
          bool control = what.size() == 1 && static_cast<unsigned char>(what[0]) < 0x20;
          error = {control ? "a control character does not belong here" : "'" + what + "' does not belong here",
                   meant == std::end(kMeant) ? "" : std::string(meant->second), {at_, end}};
          return false;
        }
        at_ += s->size();
        t.kind = Token::Kind::symbol;
      }
      t.place = {begin, at_};
      t.text = text_.substr(begin, at_ - begin);
      tokens.push_back(std::move(t));
    }
    tokens.push_back({Token::Kind::end, {}, {text_.size(), text_.size()}, 0, {}});
    return true;
  }

 private:
  char peek(std::size_t k) const { return at_ + k < text_.size() ? text_[at_ + k] : '\0'; }

  std::string_view word_at(std::size_t from) const {
    std::size_t end = from;
    if (end < text_.size() && letter(text_[end])) {
      while (end < text_.size() && name_char(text_[end])) ++end;
    }
    return text_.substr(from, end - from);
  }

  bool number(Token& t, SyntaxError& error) {
    std::size_t begin = at_;
    while (digit(peek(0))) ++at_;
    if (peek(0) == '.' && digit(peek(1))) {
      ++at_;
      while (digit(peek(0))) ++at_;
    }
    if (peek(0) == 'e' || peek(0) == 'E') {
      std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
      if (digit(peek(1 + sign))) {
        at_ += 1 + sign;
        while (digit(peek(0))) ++at_;
      }
    }
    auto [end, fault] = std::from_chars(text_.data() + begin, text_.data() + at_, t.value);
    if (fault != std::errc() || end != text_.data() + at_ || !std::isfinite(t.value)) {
      error = {"'" + std::string(text_.substr(begin, std::min<std::size_t>(40, at_ - begin))) + "' is no number that a double holds",
               "",
               {begin, at_}};
      return false;
    }
    t.kind = Token::Kind::number;
    unit(t);
    return true;
  }

  // "%", "ms", "m/s" or "1/min" after a number, on its line; a keyword is no unit.
  void unit(Token& t) {
    std::size_t from = at_;
    while (from < text_.size() && text_[from] == ' ') ++from;
    std::size_t end = from;
    if (from < text_.size() && text_[from] == '%') {
      end = from + 1;
    } else {
      std::string_view above = word_at(from);
      if (above.empty() && text_.substr(from).starts_with("1/") && from > at_ && !word_at(from + 2).empty()) above = text_.substr(from, 1);
      if (above.empty() || is_keyword(above)) return;
      end = from + above.size();
      if (end < text_.size() && text_[end] == '/') {
        std::string_view below = word_at(end + 1);
        if (!below.empty() && !is_keyword(below)) end += 1 + below.size();
      }
    }
    t.unit = text_.substr(from, end - from);
    at_ = end;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

class Parser {
 public:
  Parser(std::vector<Token> tokens, SyntaxError& error) : tokens_(std::move(tokens)), error_(error) {}

  bool assertion(Assertion& a) {
    while (word("for")) {
      Quantifier q;
      if (!quantifier(q)) return false;
      a.quantifiers.push_back(std::move(q));
      if (a.quantifiers.size() > 16) return fail("more than 16 'for'", "");
    }
    return predicate(a.body) && finished();
  }

  bool finished() {
    if (now().kind == Token::Kind::end) return true;
    std::string hint;
    if (is("=")) hint = "to compare, write '=='";
    if (word("for")) hint = "'for' stands at the beginning";
    if (now().kind == Token::Kind::name && at_ > 0 && tokens_[at_ - 1].kind == Token::Kind::name) {
      hint = yaml::did_you_mean(now().text, std::vector<std::string>(kKeywords.begin(), kKeywords.end()));
    }
    return fail(shown(now()) + " was not expected here", hint);
  }

  bool predicate(Expr& e) {
    Nested nested(*this);
    if (!nested.ok) return fail("nested deeper than " + std::to_string(kMostNesting) + " levels", "");
    if (!disjunction(e)) return false;
    if (!is("=>")) return true;
    next();
    Expr right;
    if (!predicate(right)) return false;
    e = join(Expr::Kind::implies, std::move(e), std::move(right));
    return true;
  }

 private:
  struct Nested {
    explicit Nested(Parser& p) : parser(p), ok(++p.depth_ <= kMostNesting) {}
    ~Nested() { --parser.depth_; }
    Parser& parser;
    bool ok;
  };

  const Token& now() const { return tokens_[at_]; }
  void next() { at_ += at_ + 1 < tokens_.size(); }
  bool is(std::string_view symbol) const { return now().kind == Token::Kind::symbol && now().text == symbol; }
  bool word(std::string_view keyword) const { return now().kind == Token::Kind::name && now().text == keyword; }
  std::size_t last_end() const { return at_ > 0 ? tokens_[at_ - 1].place.end : 0; }

  bool fail(std::string message, std::string hint) {
    error_ = {std::move(message), std::move(hint), now().place};
    return false;
  }
  bool expect(std::string_view symbol, std::string_view after) {
    if (!is(symbol)) return fail("'" + std::string(symbol) + "' expected after " + std::string(after) + ", not " + shown(now()), "");
    next();
    return true;
  }
  bool name(std::string& out, std::string_view what) {
    if (now().kind != Token::Kind::name) return fail(std::string(what) + " expected, not " + shown(now()), "");
    if (is_keyword(now().text)) return fail("'" + std::string(now().text) + "' is a keyword, not " + std::string(what), "");
    out = now().text;
    next();
    return true;
  }

  static Expr join(Expr::Kind kind, Expr left, Expr right) {
    Expr e;
    e.kind = kind;
    e.place = {left.place.begin, right.place.end};
    e.args.push_back(std::move(left));
    e.args.push_back(std::move(right));
    return e;
  }

  bool quantifier(Quantifier& q) {
    q.place.begin = now().place.begin;
    next();
    if (!word("all") && !word("each")) return fail("'all' or 'each' expected after 'for', not " + shown(now()), "");
    q.each = word("each");
    do {
      next();
      Binder b;
      do {
        if (!b.names.empty()) next();
        b.places.push_back(now().place);
        b.names.emplace_back();
        if (!name(b.names.back(), "a name")) return false;
      } while (is(","));
      if (!word("in")) return fail("'in' expected after '" + b.names.back() + "', not " + shown(now()), "");
      next();
      if (!sum(b.region)) return false;
      q.binders.push_back(std::move(b));
    } while (is(","));
    if (word("where")) {
      next();
      q.where.emplace();
      if (!predicate(*q.where)) return false;
    }
    if (!expect(":", "the region of 'for'")) return false;
    q.place.end = last_end();
    return true;
  }

  template <class Rule>
  bool chain(Expr& e, std::string_view keyword, Expr::Kind kind, Rule rule) {
    if (!rule(e)) return false;
    if (!word(keyword)) return true;
    Expr all;
    all.kind = kind;
    all.args.push_back(std::move(e));
    while (word(keyword)) {
      next();
      all.args.emplace_back();
      if (!rule(all.args.back())) return false;
    }
    all.place = {all.args.front().place.begin, all.args.back().place.end};
    e = std::move(all);
    return true;
  }
  bool disjunction(Expr& e) {
    return chain(e, "or", Expr::Kind::logical_or, [this](Expr& x) { return conjunction(x); });
  }
  bool conjunction(Expr& e) {
    return chain(e, "and", Expr::Kind::logical_and, [this](Expr& x) { return negation(x); });
  }
  bool negation(Expr& e) {
    if (!word("not")) return relation(e);
    Nested nested(*this);
    if (!nested.ok) return fail("nested deeper than " + std::to_string(kMostNesting) + " levels", "");
    e.kind = Expr::Kind::logical_not;
    e.place.begin = now().place.begin;
    next();
    e.args.emplace_back();
    if (!negation(e.args[0])) return false;
    e.place.end = e.args[0].place.end;
    return true;
  }

  bool relation(Expr& e) {
    if (!sum(e)) return false;
    static constexpr Op kOps[] = {Op::le, Op::ge, Op::lt, Op::gt, Op::eq, Op::ne};
    auto op = [this] { return std::ranges::find_if(kOps, [this](Op o) { return is(symbol(o)); }); };
    if (op() == std::end(kOps)) return true;
    Expr all;
    all.kind = Expr::Kind::compare;
    all.args.push_back(std::move(e));
    for (auto o = op(); o != std::end(kOps); o = op()) {
      next();
      all.ops.push_back(*o);
      all.args.emplace_back();
      if (!sum(all.args.back())) return false;
    }
    all.place = {all.args.front().place.begin, all.args.back().place.end};
    e = std::move(all);
    return true;
  }

  bool sum(Expr& e) {
    if (!product(e)) return false;
    while (is("+") || is("-")) {
      auto kind = is("+") ? Expr::Kind::add : Expr::Kind::subtract;
      next();
      Expr right;
      if (!product(right)) return false;
      if (++links_ > 1000) return fail("more than 1000 operators", "");
      e = join(kind, std::move(e), std::move(right));
    }
    return true;
  }
  bool product(Expr& e) {
    if (!unary(e)) return false;
    while (is("*") || is("/")) {
      auto kind = is("*") ? Expr::Kind::multiply : Expr::Kind::divide;
      next();
      Expr right;
      if (!unary(right)) return false;
      if (++links_ > 1000) return fail("more than 1000 operators", "");
      e = join(kind, std::move(e), std::move(right));
    }
    return true;
  }
  bool unary(Expr& e) {
    if (!is("-")) return atom(e);
    Nested nested(*this);
    if (!nested.ok) return fail("nested deeper than " + std::to_string(kMostNesting) + " levels", "");
    e.kind = Expr::Kind::negate;
    e.place.begin = now().place.begin;
    next();
    e.args.emplace_back();
    if (!unary(e.args[0])) return false;
    e.place.end = e.args[0].place.end;
    return true;
  }

  bool atom(Expr& e) {
    std::size_t begin = now().place.begin;
    if (now().kind == Token::Kind::number) {
      e.kind = Expr::Kind::number;
      e.value = now().value;
      e.unit = now().unit;
      e.place = now().place;
      next();
      return true;
    }
    if (is("(")) {
      next();
      if (!predicate(e) || !expect(")", "the expression in parentheses")) return false;
      e.place = {begin, last_end()};
      return true;
    }
    if (now().kind != Token::Kind::name || is_keyword(now().text)) {
      std::string hint = is("=") ? "to compare, write '=='" : "";
      return fail("a value expected, not " + shown(now()), hint);
    }
    e.kind = Expr::Kind::name;
    do {
      if (!e.path.empty()) next();
      e.path.emplace_back();
      if (!name(e.path.back(), "a name")) return false;
      if (e.path.size() > 8) return fail("more than 8 names joined by dots", "");
    } while (is("."));
    e.place = {begin, last_end()};
    if (is("(")) {
      e.kind = Expr::Kind::call;
      next();
      while (!is(")")) {
        if (!e.args.empty() && !expect(",", "an argument")) return false;
        e.arg_names.emplace_back();
        if (now().kind == Token::Kind::name && !is_keyword(now().text) && tokens_[at_ + 1].kind == Token::Kind::symbol &&
            tokens_[at_ + 1].text == "=") {
          e.arg_names.back() = now().text;
          next();
          next();
        }
        e.args.emplace_back();
        if (!predicate(e.args.back())) return false;
      }
      next();
      e.place.end = last_end();
    }
    if (is("[")) {
      Expr indexed;
      indexed.kind = Expr::Kind::index;
      next();
      indexed.path.emplace_back();
      if (!name(indexed.path.back(), "a field") || !expect("=", "the field in brackets")) return false;
      indexed.args.push_back(std::move(e));
      indexed.args.emplace_back();
      Nested nested(*this);
      if (!nested.ok) return fail("nested deeper than " + std::to_string(kMostNesting) + " levels", "");
      if (!sum(indexed.args[1]) || !expect("]", "the value in brackets")) return false;
      indexed.place = {begin, last_end()};
      e = std::move(indexed);
    }
    return true;
  }

  std::vector<Token> tokens_;
  SyntaxError& error_;
  std::size_t at_ = 0;
  int depth_ = 0, links_ = 0;
};

// The rule of the grammar an expression belongs to: a child of a lower rule stands in parentheses.
enum Rule { kPred, kOr, kAnd, kNot, kRel, kSum, kProduct, kUnary, kAtom };
Rule rule_of(const Expr& e) {
  switch (e.kind) {
    case Expr::Kind::implies: return kPred;
    case Expr::Kind::logical_or: return kOr;
    case Expr::Kind::logical_and: return kAnd;
    case Expr::Kind::logical_not: return kNot;
    case Expr::Kind::compare: return kRel;
    case Expr::Kind::add:
    case Expr::Kind::subtract: return kSum;
    case Expr::Kind::multiply:
    case Expr::Kind::divide: return kProduct;
    case Expr::Kind::negate: return kUnary;
    default: return kAtom;
  }
}

void print_into(std::string& out, const Expr& e, Rule least);

void print_joined(std::string& out, const Expr& e, std::string_view between, Rule first, Rule rest) {
  for (std::size_t i = 0; i < e.args.size(); ++i) {
    if (i > 0) out += between;
    print_into(out, e.args[i], i == 0 ? first : rest);
  }
}

void print_into(std::string& out, const Expr& e, Rule least) {
  bool parentheses = rule_of(e) < least;
  if (parentheses) out += '(';
  switch (e.kind) {
    case Expr::Kind::number:
      out += figures::shortest(e.value);
      if (!e.unit.empty()) out += " " + e.unit;
      break;
    case Expr::Kind::name: out += dotted(e.path); break;
    case Expr::Kind::call:
      out += dotted(e.path) + "(";
      for (std::size_t i = 0; i < e.args.size(); ++i) {
        if (i > 0) out += ", ";
        if (!e.arg_names[i].empty()) out += e.arg_names[i] + "=";
        print_into(out, e.args[i], kPred);
      }
      out += ')';
      break;
    case Expr::Kind::index:
      print_into(out, e.args[0], kAtom);
      out += "[" + dotted(e.path) + "=";
      print_into(out, e.args[1], kSum);
      out += ']';
      break;
    case Expr::Kind::negate:
      out += '-';
      print_into(out, e.args[0], kUnary);
      break;
    case Expr::Kind::add: print_joined(out, e, " + ", kSum, kProduct); break;
    case Expr::Kind::subtract: print_joined(out, e, " - ", kSum, kProduct); break;
    case Expr::Kind::multiply: print_joined(out, e, " * ", kProduct, kUnary); break;
    case Expr::Kind::divide: print_joined(out, e, " / ", kProduct, kUnary); break;
    case Expr::Kind::compare:
      for (std::size_t i = 0; i < e.args.size(); ++i) {
        if (i > 0) ((out += ' ') += symbol(e.ops[i - 1])) += ' ';
        print_into(out, e.args[i], kSum);
      }
      break;
    case Expr::Kind::logical_not:
      out += "not ";
      print_into(out, e.args[0], kNot);
      break;
    case Expr::Kind::logical_and: print_joined(out, e, " and ", kNot, kNot); break;
    case Expr::Kind::logical_or: print_joined(out, e, " or ", kAnd, kAnd); break;
    case Expr::Kind::implies: print_joined(out, e, " => ", kOr, kPred); break;
  }
  if (parentheses) out += ')';
}

std::optional<Parser> parser(std::string_view text, SyntaxError& error) {
  if (text.size() > kMostAssertionBytes) {
    error = {"the assertion has " + std::to_string(text.size()) + " characters, at most 16384 are read", "", {0, 1}};
    return {};
  }
  std::vector<Token> tokens;
  if (!Lexer(text).run(tokens, error)) return {};
  return Parser(std::move(tokens), error);
}

}  // namespace

std::string_view symbol(Op op) {
  switch (op) {
    case Op::le: return "<=";
    case Op::ge: return ">=";
    case Op::lt: return "<";
    case Op::gt: return ">";
    case Op::eq: return "==";
    case Op::ne: return "!=";
  }
  return "?";
}

Op flipped(Op op) {
  switch (op) {
    case Op::le: return Op::ge;
    case Op::ge: return Op::le;
    case Op::lt: return Op::gt;
    case Op::gt: return Op::lt;
    default: return op;
  }
}

Op negated(Op op) {
  switch (op) {
    case Op::le: return Op::gt;
    case Op::ge: return Op::lt;
    case Op::lt: return Op::ge;
    case Op::gt: return Op::le;
    case Op::eq: return Op::ne;
    case Op::ne: return Op::eq;
  }
  return op;
}

std::optional<Assertion> parse_assertion(std::string_view text, SyntaxError& error) {
  auto p = parser(text, error);
  Assertion a;
  if (!p || !p->assertion(a)) return {};
  return a;
}

std::optional<Expr> parse_predicate(std::string_view text, SyntaxError& error) {
  auto p = parser(text, error);
  Expr e;
  if (!p || !p->predicate(e) || !p->finished()) return {};
  return e;
}

std::string print(const Expr& e) {
  std::string out;
  print_into(out, e, kPred);
  return out;
}

std::string print(const Quantifier& q) {
  std::string out = q.each ? "for each " : "for all ";
  for (std::size_t i = 0; i < q.binders.size(); ++i) {
    if (i > 0) out += ", ";
    for (std::size_t k = 0; k < q.binders[i].names.size(); ++k) out += (k > 0 ? ", " : "") + q.binders[i].names[k];
    out += " in ";
    print_into(out, q.binders[i].region, kSum);
  }
  if (q.where) out += " where " + print(*q.where);
  return out + ": ";
}

std::string print(const Assertion& a) {
  std::string out;
  for (const Quantifier& q : a.quantifiers) out += print(q);
  return out + print(a.body);
}

bool same(const Expr& a, const Expr& b) {
  return a.kind == b.kind && a.value == b.value && a.unit == b.unit && a.path == b.path && a.arg_names == b.arg_names && a.ops == b.ops &&
         std::ranges::equal(a.args, b.args, [](const Expr& x, const Expr& y) { return same(x, y); });
}

bool same(const Assertion& a, const Assertion& b) {
  return same(a.body, b.body) && std::ranges::equal(a.quantifiers, b.quantifiers, [](const Quantifier& x, const Quantifier& y) {
           return x.each == y.each && x.where.has_value() == y.where.has_value() && (!x.where || same(*x.where, *y.where)) &&
                  std::ranges::equal(x.binders, y.binders,
                                     [](const Binder& p, const Binder& q) { return p.names == q.names && same(p.region, q.region); });
         });
}

bool is_keyword(std::string_view word) { return std::ranges::find(kKeywords, word) != kKeywords.end(); }

std::string dotted(const std::vector<std::string>& path) {
  std::string out;
  for (const std::string& p : path) out += (out.empty() ? "" : ".") + p;
  return out;
}

}  // namespace saha::validate
