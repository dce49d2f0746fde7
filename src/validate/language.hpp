#pragma once
// The assertion language of *.req.yaml: syntax tree, parser and printer; parse(print(a)) == a.
//   assert  = { "for" , ( "all" | "each" ) , binder , { "," , binder } , [ "where" , pred ] , ":" } , pred ;
//   binder  = name , { "," , name } , "in" , sum ;
//   pred    = or , [ "=>" , pred ] ;   or = and , { "or" , and } ;   and = not , { "and" , not } ;   not = "not" , not | rel ;
//   rel     = sum , { ( "<=" | ">=" | "<" | ">" | "==" | "!=" ) , sum } ;
//   sum     = product , { ( "+" | "-" ) , product } ;   product = unary , { ( "*" | "/" ) , unary } ;   unary = "-" , unary | atom ;
//   atom    = number , [ unit ] | ref , [ "(" , [ arg , { "," , arg } ] , ")" ] , [ "[" , name , "=" , sum , "]" ] | "(" , pred , ")" ;
//   arg     = [ name , "=" ] , pred ;   ref = name , { "." , name } ;   unit = "%" | ( name | "1" ) , [ "/" , name ] ;
// The bar of a unit stands without spaces: `5 m/s` is a speed, `5 m / s` a quotient.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace saha::validate {

enum class Op : std::uint8_t { le, ge, lt, gt, eq, ne };
std::string_view symbol(Op op);  ///< "<=" ...
Op flipped(Op op);               ///< of exchanged sides
Op negated(Op op);               ///< of "not"

/// Bytes [begin, end) of the assertion's text.
struct Place {
  std::size_t begin = 0, end = 0;
};

struct Expr {
  enum class Kind : std::uint8_t {
    number,    ///< value, unit
    name,      ///< path
    call,      ///< path, args (names in arg_names, "" for none)
    index,     ///< args = {base (name or call), value}, path = {field}: x[sex=g]
    negate,    ///< args[0]
    add, subtract, multiply, divide,  ///< args[0], args[1]
    compare,   ///< args n >= 2, ops n - 1: a <= b <= c
    logical_not, logical_and, logical_or,  ///< and, or: n >= 2 args
    implies,   ///< args[0] => args[1]
  };
  Kind kind = Kind::number;
  Place place = {};
  double value = 0;
  std::string unit = {};
  std::vector<std::string> path = {};
  std::vector<Expr> args = {};
  std::vector<std::string> arg_names = {};
  std::vector<Op> ops = {};
};

struct Binder {
  std::vector<std::string> names;
  std::vector<Place> places = {};  ///< of the names
  Expr region;
};

struct Quantifier {
  bool each = false;  ///< "for each": corrected for multiplicity; else "for all"
  std::vector<Binder> binders;
  std::optional<Expr> where = {};
  Place place = {};
};

struct Assertion {
  std::vector<Quantifier> quantifiers;
  Expr body;
};

/// A syntax error and its place in the text.
struct SyntaxError {
  std::string message, hint;
  Place place;
};

inline constexpr std::size_t kMostAssertionBytes = 16384;
inline constexpr int kMostNesting = 64;

/// Any bytes; `error` is set where nothing is returned.
std::optional<Assertion> parse_assertion(std::string_view text, SyntaxError& error);
/// The rule `pred` alone: the `where` of a requirement.
std::optional<Expr> parse_predicate(std::string_view text, SyntaxError& error);

std::string print(const Expr& e);
std::string print(const Quantifier& q);  ///< "for all x in domain: "
std::string print(const Assertion& a);

/// Equal but for places.
bool same(const Expr& a, const Expr& b);
bool same(const Assertion& a, const Assertion& b);

bool is_keyword(std::string_view word);
std::string dotted(const std::vector<std::string>& path);

/// Calls f on e and on everything below it, parents first.
template <class F>
void visit(const Expr& e, F&& f) {
  f(e);
  for (const Expr& a : e.args) visit(a, f);
}

}  // namespace saha::validate
