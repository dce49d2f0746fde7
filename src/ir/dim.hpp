#pragma once
// Dim: a polynomial with integer coefficients over named symbols and opaque terms (floor quotients, min, max), in normal form:
// equal expressions compare equal. A number costs no allocation. Symbols are at least 1 unless the model says otherwise.
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace saha::ir {

class Dim {
 public:
  Dim(std::int64_t c = 0) : c_(c) {}
  static Dim symbol(std::string name);

  std::optional<std::int64_t> known() const { return terms_ ? std::optional<std::int64_t>{} : c_; }
  bool is(std::int64_t v) const { return !terms_ && c_ == v; }
  std::optional<std::int64_t> at_least() const;  ///< a lower bound, every symbol being at least 1
  /// The symbol's name, if the expression is one symbol.
  std::optional<std::string> symbol_name() const;
  std::string str() const;

  /// The value once every symbol has one; nothing if `value_of` knows a symbol not, on overflow or on division by 0.
  std::optional<std::int64_t> evaluate(const std::function<std::optional<std::int64_t>(const std::string&)>& value_of) const;
  /// Symbols replaced by expressions; those that `dim_of` does not know stay.
  Dim substitute(const std::function<std::optional<Dim>(const std::string&)>& dim_of) const;

  friend Dim operator+(const Dim& a, const Dim& b);
  friend Dim operator-(const Dim& a, const Dim& b) { return a + b * Dim(-1); }
  friend Dim operator*(const Dim& a, const Dim& b);
  friend Dim floor_div(const Dim& a, const Dim& b);
  friend Dim min(const Dim& a, const Dim& b);
  friend Dim max(const Dim& a, const Dim& b);
  friend bool operator==(const Dim& a, const Dim& b);

  // The normal form, for those who compile it: sum of coef * product of atoms, plus a number.
  enum class AtomKind : std::uint8_t { symbol, floor_div, min, max };
  struct Atom {
    AtomKind kind;
    std::string text;                                  ///< canonical; atoms are equal when their texts are
    std::shared_ptr<const std::array<Dim, 2>> parts;   ///< null for a symbol
    friend bool operator==(const Atom& a, const Atom& b) { return a.text == b.text; }
    friend bool operator<(const Atom& a, const Atom& b) { return a.text < b.text; }
  };
  struct Term {
    std::int64_t coef;
    std::vector<Atom> atoms;
    bool operator==(const Term&) const = default;
  };
  std::int64_t constant() const { return c_; }
  const std::vector<Term>& terms() const;

 private:
  static Dim make(std::int64_t c, std::vector<Term> terms);
  static Dim opaque(AtomKind kind, const Dim& a, const Dim& b);
  std::vector<Term> all() const;
  std::int64_t c_ = 0;
  std::shared_ptr<const std::vector<Term>> terms_;
};

/// Ceiling of a / b.
inline Dim ceil_div(const Dim& a, const Dim& b) { return floor_div(a + b - Dim(1), b); }
std::string str(const std::vector<Dim>& dims);  ///< "[N, 3, 224, 224]"

}  // namespace saha::ir
