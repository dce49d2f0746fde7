#include "validate/language.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

using namespace saha::validate;

namespace {

std::string reprint(const std::string& text) {
  SyntaxError error;
  auto a = parse_assertion(text, error);
  return a ? print(*a) : "error at " + std::to_string(error.place.begin) + ": " + error.message + (error.hint.empty() ? "" : " (" + error.hint + ")");
}

}  // namespace

TEST(Language, the_assertions_of_the_document_read_and_print) {
  for (const char* text : {
           "accuracy(test) >= 85 %",
           "for each s in slices(camera, light) where n(s) >= 200: accuracy(s) >= 80 %",
           "accuracy(test) >= previous.accuracy(test) - 1 pp",
           "for all d in Linf(x, 2 gray): argmax(score(d)) == label",
           "rho >= 55947.691 ft and v_own >= 1145 ft/s and v_int <= 60 ft/s => COC <= 1500",
           "for all a, b in domain where same(a, b, except=wear) and b.wear >= a.wear: risk(b) >= risk(a)",
           "for all x in domain, g, h in sex: argmax(score(x[sex=g])) == argmax(score(x[sex=h]))",
           "for all d in near(test, 1 %): maxabs(original.score(d) - candidate.score(d)) <= 0.1",
           "for all t in rotate(-10 deg, 10 deg): argmax(score(t(x))) == argmax(score(x))",
           "for all x in outside(domain): reject(x)",
           "p99(latency) <= 150 ms and peak(ram) <= 96 KiB and flash <= 512 KiB and energy <= 25 mJ",
           "edgetpu_mapped == 100 %",
           "rpm >= 3000 1/min",
       }) {
    EXPECT_EQ(reprint(text), text);
  }
}

TEST(Language, operators_bind_as_the_grammar_says) {
  EXPECT_EQ(reprint("a<=b<=c"), "a <= b <= c");
  EXPECT_EQ(reprint("((a)) or (b and c)"), "a or b and c");
  EXPECT_EQ(reprint("(a or b) and not (c or d)"), "(a or b) and not (c or d)");
  EXPECT_EQ(reprint("a => b => c"), "a => b => c");
  EXPECT_EQ(reprint("(a => b) => c"), "(a => b) => c");
  EXPECT_EQ(reprint("a - (b - c) - d"), "a - (b - c) - d");
  EXPECT_EQ(reprint("a * (b + c) / -d"), "a * (b + c) / -d");
  EXPECT_EQ(reprint("(a < b) == c"), "(a < b) == c");
  EXPECT_EQ(reprint("5m/s + 5 m / s"), "5 m/s + 5 m / s");
  EXPECT_EQ(reprint("60 and b"), "60 and b");
  EXPECT_EQ(reprint("1e-3 + 2E5"), "0.001 + 2e+05");
}

TEST(Language, places_are_those_of_the_text) {
  SyntaxError error;
  std::string text = "accuracy(test) >= 85 % and  argmx(x)";
  auto a = parse_assertion(text, error);
  ASSERT_TRUE(a);
  auto at = [&](Place p) { return text.substr(p.begin, p.end - p.begin); };
  EXPECT_EQ(at(a->body.args[0].place), "accuracy(test) >= 85 %");
  EXPECT_EQ(at(a->body.args[0].args[1].place), "85 %");
  EXPECT_EQ(at(a->body.args[1].place), "argmx(x)");
}

TEST(Language, every_syntax_error_names_what_stands_there) {
  EXPECT_EQ(reprint(""), "error at 0: a value expected, not the end");
  EXPECT_EQ(reprint("accuracy(test) >="), "error at 17: a value expected, not the end");
  EXPECT_EQ(reprint("accuracy(test >= 1"), "error at 18: ',' expected after an argument, not the end");
  EXPECT_EQ(reprint("(a"), "error at 2: ')' expected after the expression in parentheses, not the end");
  EXPECT_EQ(reprint("a = b"), "error at 2: '=' was not expected here (to compare, write '==')");
  EXPECT_EQ(reprint("a == = b"), "error at 5: a value expected, not '=' (to compare, write '==')");
  EXPECT_EQ(reprint("a & b"), "error at 2: '&' does not belong here (write 'and')");
  EXPECT_EQ(reprint("a \xE2\x89\xA4 b"), "error at 2: '\xE2\x89\xA4' does not belong here (write '<=')");
  EXPECT_EQ(reprint("a % b"), "error at 2: '%' does not belong here ('%' stands after a number)");
  EXPECT_EQ(reprint("a \x01"), "error at 2: a control character does not belong here");
  EXPECT_EQ(reprint("for any x in d: a"), "error at 4: 'all' or 'each' expected after 'for', not 'any'");
  EXPECT_EQ(reprint("for all in d: a"), "error at 8: 'in' is a keyword, not a name");
  EXPECT_EQ(reprint("for all x of d: a"), "error at 10: 'in' expected after 'x', not 'of'");
  EXPECT_EQ(reprint("for all x in d a"), "error at 15: ':' expected after the region of 'for', not 'a'");
  EXPECT_EQ(reprint("a and for all x in d: b"), "error at 6: a value expected, not 'for'");
  EXPECT_EQ(reprint("a adn b"), "error at 2: 'adn' was not expected here (did you mean 'and'?)");
  EXPECT_EQ(reprint("x[3=4]"), "error at 2: a field expected, not '3'");
  EXPECT_EQ(reprint("x[a:4]"), "error at 3: '=' expected after the field in brackets, not ':'");
  EXPECT_EQ(reprint("x[a=4"), "error at 5: ']' expected after the value in brackets, not the end");
  EXPECT_EQ(reprint("1e999"), "error at 0: '1e999' is no number that a double holds");
  EXPECT_EQ(reprint("a.b.c.d.e.f.g.h.i"), "error at 17: more than 8 names joined by dots");
  EXPECT_EQ(reprint("a.3"), "error at 1: '.3' was not expected here");
  EXPECT_EQ(reprint(std::string(100, '(') + "a").substr(0, 45), "error at 64: nested deeper than 64 levels");
  EXPECT_NE(reprint(std::string(100, '-') + "a").find("nested deeper"), std::string::npos);
  EXPECT_EQ(reprint(std::string(20000, ' ')), "error at 0: the assertion has 20000 characters, at most 16384 are read");
  std::string many = "a";
  for (int i = 0; i < 1100; ++i) many += " + a";
  EXPECT_NE(reprint(many).find("more than 1000 operators"), std::string::npos);
  std::string fors;
  for (int i = 0; i < 17; ++i) fors += "for all x in d: ";
  EXPECT_NE(reprint(fors + "a").find("more than 16 'for'"), std::string::npos);
}

namespace {

std::string a_name() { return *rc::gen::element<std::string>("x", "d", "score", "accuracy", "test", "v_own", "min", "e5", "p99", "in_", "label"); }

Expr an_expr(int depth) {
  Expr e;
  int kind = *rc::gen::inRange(0, depth > 0 ? 14 : 2);
  e.kind = static_cast<Expr::Kind>(kind);
  auto child = [&] { e.args.push_back(an_expr(depth - 1)); };
  switch (e.kind) {
    case Expr::Kind::number:
      e.value = *rc::gen::element(0.0, 1.0, 0.95, 85.0, 1e-9, 1e22, 123456.789, 5e-324);
      e.unit = *rc::gen::element<std::string>("", "%", "ms", "m/s", "1/min", "pp", "e5", "gray");
      break;
    case Expr::Kind::call:
      for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
        child();
        e.arg_names.push_back(*rc::gen::element<std::string>("", "except"));
      }
      [[fallthrough]];
    case Expr::Kind::name:
      for (int i = *rc::gen::inRange(1, 3); i > 0; --i) e.path.push_back(a_name());
      break;
    case Expr::Kind::index: {
      Expr base;
      base.kind = Expr::Kind::name;
      base.path = {a_name()};
      e.path = {a_name()};
      e.args = {base, an_expr(depth - 1)};
      break;
    }
    case Expr::Kind::negate:
    case Expr::Kind::logical_not: child(); break;
    case Expr::Kind::compare:
    case Expr::Kind::logical_and:
    case Expr::Kind::logical_or:
      for (int i = *rc::gen::inRange(2, 4); i > 0; --i) child();
      if (e.kind == Expr::Kind::compare) {
        for (std::size_t i = 1; i < e.args.size(); ++i) e.ops.push_back(static_cast<Op>(*rc::gen::inRange(0, 6)));
      }
      break;
    default: child(), child();
  }
  return e;
}

}  // namespace

RC_GTEST_PROP(Language, what_is_printed_reads_back_as_the_same_tree, ()) {
  Assertion a;
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
    Quantifier q;
    q.each = *rc::gen::arbitrary<bool>();
    for (int k = *rc::gen::inRange(1, 3); k > 0; --k) {
      Binder b;
      for (int n = *rc::gen::inRange(1, 3); n > 0; --n) b.names.push_back(a_name());
      b.region = an_expr(2);
      q.binders.push_back(b);
    }
    if (*rc::gen::arbitrary<bool>()) q.where = an_expr(2);
    a.quantifiers.push_back(q);
  }
  a.body = an_expr(5);
  SyntaxError error;
  auto back = parse_assertion(print(a), error);
  if (!back) RC_FAIL(print(a) + ": " + error.message);
  RC_ASSERT(same(a, *back));
}

RC_GTEST_PROP(Language, any_text_is_a_tree_or_an_error, ()) {
  static const std::vector<std::string> kParts = {"for ", "all ", "each ", "x", " in ", "domain", "(", ")", "[", "]", "=", "==", "<=", "=>", " and ", " or ", "not ", "5", "%", " ms", "/", "-", ":", ",", ".", "where ", "\xFF", "\n"};
  std::string text;
  for (int i = *rc::gen::inRange(0, 40); i > 0; --i) text += kParts[*rc::gen::inRange<std::size_t>(0, kParts.size())];
  SyntaxError error;
  auto a = parse_assertion(text, error);
  RC_ASSERT(a.has_value() || !error.message.empty());
  RC_ASSERT(error.place.end <= text.size() || a.has_value());
  if (a) RC_ASSERT(same(*a, *parse_assertion(print(*a), error)));
}
