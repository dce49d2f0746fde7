#include "ir/dim.hpp"

#include <algorithm>
#include <limits>

namespace saha::ir {
namespace {
constexpr std::size_t kMaxTerms = 64, kMaxAtoms = 8, kMaxText = 2000;
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max(), kLeast = -kMost;
std::int64_t floor_quotient(std::int64_t a, std::int64_t b) { return b == -1 ? -a : a / b - (a % b != 0 && (a < 0) != (b < 0)); }
// Expressions of a hostile model may overflow: they saturate, and whoever allocates checks the size.
std::int64_t add(std::int64_t a, std::int64_t b) {
  std::int64_t r;
  return __builtin_add_overflow(a, b, &r) ? (a < 0 ? kLeast : kMost) : r;
}
std::int64_t mul(std::int64_t a, std::int64_t b) {
  std::int64_t r;
  return __builtin_mul_overflow(a, b, &r) ? ((a < 0) != (b < 0) ? kLeast : kMost) : r;
}
// A size that grew beyond any use becomes a name of its own: sound, since nothing is then assumed of it.
Dim too_big(const std::string& text) { return Dim::symbol("size#" + std::to_string(std::hash<std::string>{}(text))); }
}  // namespace

const std::vector<Dim::Term>& Dim::terms() const {
  static const std::vector<Term> none;
  return terms_ ? *terms_ : none;
}
Dim Dim::symbol(std::string n) { return make(0, {{1, {Atom{AtomKind::symbol, std::move(n), {}}}}}); }
Dim Dim::make(std::int64_t c, std::vector<Term> t) {
  std::sort(t.begin(), t.end(), [](const Term& a, const Term& b) { return a.atoms < b.atoms; });
  std::vector<Term> r;
  for (Term& x : t) {
    if (!r.empty() && r.back().atoms == x.atoms) r.back().coef = add(r.back().coef, x.coef);
    else r.push_back(std::move(x));
  }
  std::erase_if(r, [](const Term& x) { return x.coef == 0; });
  Dim d(c);
  if (!r.empty()) d.terms_ = std::make_shared<const std::vector<Term>>(std::move(r));
  return d;
}
Dim Dim::opaque(AtomKind kind, const Dim& a, const Dim& b) {
  std::string x = a.str(), y = b.str(), text;
  switch (kind) {
    case AtomKind::floor_div: text = "(" + x + ")/(" + y + ")"; break;
    case AtomKind::min: text = "min(" + std::min(x, y) + "," + std::max(x, y) + ")"; break;
    default: text = "max(" + std::min(x, y) + "," + std::max(x, y) + ")"; break;
  }
  if (text.size() > kMaxText) return too_big(text);
  return make(0, {{1, {Atom{kind, std::move(text), std::make_shared<const std::array<Dim, 2>>(std::array{a, b})}}}});
}
std::vector<Dim::Term> Dim::all() const {
  std::vector<Term> r = terms();
  if (c_) r.push_back({c_, {}});
  return r;
}
std::optional<std::string> Dim::symbol_name() const {
  if (c_ != 0 || !terms_ || terms_->size() != 1) return {};
  const Term& t = terms_->front();
  if (t.coef != 1 || t.atoms.size() != 1 || t.atoms[0].kind != AtomKind::symbol) return {};
  return t.atoms[0].text;
}
Dim operator+(const Dim& a, const Dim& b) {
  if (!a.terms_ && !b.terms_) return add(a.c_, b.c_);
  std::vector<Dim::Term> t = a.terms();
  t.insert(t.end(), b.terms().begin(), b.terms().end());
  Dim r = Dim::make(add(a.c_, b.c_), std::move(t));
  return r.terms().size() > kMaxTerms ? too_big(r.str()) : r;
}
Dim operator*(const Dim& a, const Dim& b) {
  if (!a.terms_ && !b.terms_) return mul(a.c_, b.c_);
  std::vector<Dim::Term> t;
  bool big = a.terms().size() * b.terms().size() > kMaxTerms;
  if (!big)
    for (const auto& x : a.all())
      for (const auto& y : b.all()) {
        Dim::Term z{mul(x.coef, y.coef), x.atoms};
        z.atoms.insert(z.atoms.end(), y.atoms.begin(), y.atoms.end());
        std::sort(z.atoms.begin(), z.atoms.end());
        big |= z.atoms.size() > kMaxAtoms;
        t.push_back(std::move(z));
      }
  if (big) return too_big("(" + a.str() + ")*(" + b.str() + ")");
  std::int64_t c = 0;
  std::erase_if(t, [&](const Dim::Term& x) {
    if (!x.atoms.empty()) return false;
    c = add(c, x.coef);
    return true;
  });
  return Dim::make(c, std::move(t));
}
std::optional<std::int64_t> Dim::at_least() const {
  std::int64_t r = c_;
  for (const Term& t : terms()) {
    std::int64_t least = 1;  // of the product of atoms
    for (const Atom& a : t.atoms) {
      std::int64_t low = 1;
      if (a.kind != AtomKind::symbol) {
        auto x = (*a.parts)[0].at_least(), y = (*a.parts)[1].at_least();
        if (a.kind == AtomKind::max) low = std::max(x.value_or(kLeast), y.value_or(kLeast));
        else if (a.kind == AtomKind::min) low = std::min(x.value_or(kLeast), y.value_or(kLeast));
        else {
          auto divisor = (*a.parts)[1].known();
          low = x && divisor && *divisor > 0 ? floor_quotient(*x, *divisor) : kLeast;
        }
      }
      if (low < 0) return {};
      least = mul(least, low);
    }
    if (t.coef < 0) return {};
    r = add(r, mul(t.coef, least));
  }
  return r;
}
Dim floor_div(const Dim& a, const Dim& b) {
  if (b.is(1)) return a;
  if (a == b && a.at_least().value_or(0) >= 1) return 1;
  if (b.terms_ && b.terms_->size() == 1 && b.c_ == 0 && a.c_ == 0 && a.terms_) {  // a multiple of one product: exact
    const auto& d = (*b.terms_)[0];
    Dim quotient(0);
    bool exact = true;
    for (Dim::Term t : *a.terms_) {
      for (const auto& x : d.atoms) {
        auto it = std::find(t.atoms.begin(), t.atoms.end(), x);
        if (it == t.atoms.end()) { exact = false; break; }
        t.atoms.erase(it);
      }
      if (!exact || t.coef % d.coef) { exact = false; break; }
      t.coef /= d.coef;
      quotient = quotient + (t.atoms.empty() ? Dim(t.coef) : Dim::make(0, {t}));
    }
    if (exact) return quotient;
  }
  auto ka = a.known(), kb = b.known();
  if (ka && kb && *kb) return floor_quotient(*ka, *kb);
  if (kb && *kb) {  // the divisible part leaves: (4n + 7) / 4 = n + 1 + 3 / 4
    std::vector<Dim::Term> q, rest;
    for (const auto& t : a.terms()) (t.coef % *kb == 0 ? q : rest).push_back(t);
    for (auto& t : q) t.coef /= *kb;
    std::int64_t whole = floor_quotient(a.c_, *kb), left = a.c_ - whole * *kb;
    if (rest.empty()) return Dim::make(whole, std::move(q));
    if (!q.empty() || whole) return Dim::make(whole, std::move(q)) + floor_div(Dim::make(left, std::move(rest)), b);
  }
  return Dim::opaque(Dim::AtomKind::floor_div, a, b);
}
Dim min(const Dim& a, const Dim& b) {
  if ((a - b).at_least().value_or(-1) >= 0) return b;
  if ((b - a).at_least().value_or(-1) >= 0) return a;
  return Dim::opaque(Dim::AtomKind::min, a, b);
}
Dim max(const Dim& a, const Dim& b) {
  if ((a - b).at_least().value_or(-1) >= 0) return a;
  if ((b - a).at_least().value_or(-1) >= 0) return b;
  return Dim::opaque(Dim::AtomKind::max, a, b);
}
bool operator==(const Dim& a, const Dim& b) { return a.c_ == b.c_ && (a.terms_ == b.terms_ || a.terms() == b.terms()); }

std::string Dim::str() const {
  if (!terms_) return std::to_string(c_);
  std::string s;
  for (const Term& t : *terms_) {
    if (!s.empty() || t.coef < 0) s += t.coef < 0 ? "-" : "+";
    auto k = t.coef < 0 ? -t.coef : t.coef;
    if (k != 1) s += std::to_string(k) + "*";
    for (std::size_t i = 0; i < t.atoms.size(); ++i) s += (i ? "*" : "") + t.atoms[i].text;
  }
  if (c_) s += (c_ > 0 ? "+" : "") + std::to_string(c_);
  return s;
}
std::optional<std::int64_t> Dim::evaluate(const std::function<std::optional<std::int64_t>(const std::string&)>& value_of) const {
  std::int64_t sum = c_;
  for (const Term& t : terms()) {
    std::int64_t product = t.coef;
    for (const Atom& a : t.atoms) {
      std::optional<std::int64_t> v;
      if (a.kind == AtomKind::symbol) v = value_of(a.text);
      else {
        auto x = (*a.parts)[0].evaluate(value_of), y = (*a.parts)[1].evaluate(value_of);
        if (!x || !y) return {};
        if (a.kind == AtomKind::floor_div) {
          if (*y == 0) return {};
          v = floor_quotient(*x, *y);
        } else v = a.kind == AtomKind::min ? std::min(*x, *y) : std::max(*x, *y);
      }
      if (!v || __builtin_mul_overflow(product, *v, &product)) return {};
    }
    if (__builtin_add_overflow(sum, product, &sum)) return {};
  }
  return sum;
}
Dim Dim::substitute(const std::function<std::optional<Dim>(const std::string&)>& dim_of) const {
  if (!terms_) return *this;
  Dim sum(c_);
  for (const Term& t : *terms_) {
    Dim product(t.coef);
    for (const Atom& a : t.atoms) {
      if (a.kind == AtomKind::symbol) { product = product * dim_of(a.text).value_or(Dim::symbol(a.text)); continue; }
      Dim x = (*a.parts)[0].substitute(dim_of), y = (*a.parts)[1].substitute(dim_of);
      product = product * (a.kind == AtomKind::floor_div ? floor_div(x, y) : a.kind == AtomKind::min ? min(x, y) : max(x, y));
    }
    sum = sum + product;
  }
  return sum;
}
std::string str(const std::vector<Dim>& d) {
  std::string s = "[";
  for (std::size_t i = 0; i < d.size(); ++i) s += (i ? ", " : "") + d[i].str();
  return s + "]";
}

}  // namespace saha::ir
