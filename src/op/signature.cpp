#include "op/signature.hpp"

#include <charconv>
#include <cstdlib>

namespace saha::op {
namespace {
constexpr DTypeSet bit(DType t) { return 1u << unsigned(t); }
template <class... T> constexpr DTypeSet set_of(T... t) { return (bit(t) | ...); }
constexpr DTypeSet kFloat = set_of(DType::f16, DType::bf16, DType::f32, DType::f64);
constexpr DTypeSet kFloat8 = set_of(DType::f8e4m3fn, DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz, DType::f8e8m0);
constexpr DTypeSet kSint = set_of(DType::i8, DType::i16, DType::i32, DType::i64), kUint = set_of(DType::u8, DType::u16, DType::u32, DType::u64);
constexpr DTypeSet kPacked = set_of(DType::i2, DType::u2, DType::i4, DType::u4, DType::f4e2m1);
constexpr DTypeSet kFloat6 = set_of(DType::f6e2m3, DType::f6e3m2);
constexpr DTypeSet kAny = (1u << kNumDTypes) - 2;

DTypeSet set_named(std::string_view n) {
  if (n == "float") return kFloat;
  if (n == "float8") return kFloat8;
  if (n == "float6") return kFloat6;
  if (n == "sint") return kSint;
  if (n == "uint") return kUint;
  if (n == "int") return kSint | kUint;
  if (n == "number") return kFloat | kSint | kUint;
  if (n == "packed") return kPacked;
  if (n == "complex") return set_of(DType::c64, DType::c128);
  if (n == "any") return kAny;
  auto t = dtype_of(n);
  return t ? bit(*t) : 0;
}

struct Reader {
  std::string_view text;
  std::size_t at = 0;
  void space() { while (at < text.size() && text[at] == ' ') ++at; }
  bool take(std::string_view s) {
    space();
    if (text.substr(at, s.size()) != s) return false;
    at += s.size();
    return true;
  }
  std::string_view word() {
    space();
    std::size_t from = at;
    while (at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) || text[at] == '_' || text[at] == '.' || text[at] == '-' || text[at] == '+')) ++at;
    // an ellipsis belongs to the operand, not to its type
    while (at > from && text[at - 1] == '.') --at;
    return text.substr(from, at - from);
  }
  Error bad(std::string_view wanted) const {
    return {ErrorCode::internal, "signature '" + std::string(text) + "': " + std::string(wanted) + " is missing at " + std::to_string(at)};
  }
};

Result<TypeExpr> type_expr(Reader& r) {
  TypeExpr t;
  r.space();
  std::size_t from = r.at;
  std::string_view w = r.word();
  if ((w == "seq" || w == "opt") && r.take("(")) {
    SAHA_TRY(TypeExpr inner, type_expr(r));
    if (!r.take(")")) return r.bad("')'");
    t = inner;
    t.kind = w == "seq" ? TypeExpr::Kind::sequence : TypeExpr::Kind::optional;
  } else if (w == "value") {
    t.kind = TypeExpr::Kind::value;
    t.set = kAny;
  } else if (DTypeSet s = set_named(w)) t.set = s;
  else if (!w.empty()) t.variable = w;
  else return r.bad("a type");
  t.text = r.text.substr(from, r.at - from);
  return t;
}
Result<std::vector<Param>> params(Reader& r) {
  std::vector<Param> all;
  if (!r.take("(")) return r.bad("'('");
  while (!r.take(")")) {
    if (!all.empty() && !r.take(",")) return r.bad("','");
    Param p;
    p.name = r.word();
    if (p.name.empty() || !r.take(":")) return r.bad("'name:'");
    SAHA_TRY(p.type, type_expr(r));
    for (bool more = true; more;) {
      if (r.take("...")) p.variadic = true;
      else if (r.take("?")) p.optional = true;
      else if (r.take("!")) p.value = true;
      else more = false;
    }
    all.push_back(p);
  }
  return all;
}
template <class T> T number(std::string_view w) {
  if constexpr (std::is_integral_v<T>) { T v = 0; std::from_chars(w.data(), w.data() + w.size(), v); return v; }
  else return T(std::strtod(std::string(w).c_str(), nullptr));
}
Result<ir::Attr> default_value(Reader& r, AttrKind kind) {
  if (r.take("[")) {
    ir::Ints is; ir::Floats fs; ir::Strings ss;
    while (!r.take("]")) {
      r.take(",");
      std::string_view w = r.word();
      if (w.empty()) return r.bad("an element");
      if (kind == AttrKind::is) is.push_back(number<std::int64_t>(w));
      else if (kind == AttrKind::fs) fs.push_back(number<float>(w));
      else ss.emplace_back(w);
    }
    if (kind == AttrKind::is) return ir::Attr(is);
    if (kind == AttrKind::fs) return ir::Attr(fs);
    return ir::Attr(ss);
  }
  std::string_view w = r.word();
  switch (kind) {
    case AttrKind::i: return ir::Attr(number<std::int64_t>(w));
    case AttrKind::f: return ir::Attr(number<float>(w));
    case AttrKind::s: return ir::Attr(std::string(w));
    default: return r.bad("a default that fits the kind");
  }
}
}  // namespace

std::string_view name(AttrKind k) {
  constexpr std::string_view names[] = {"int", "float", "string", "ints", "floats", "strings", "tensor", "graph", "type"};
  return names[int(k)];
}
std::string dtype_names(DTypeSet set) {
  std::vector<std::string_view> names;
  for (int t = 1; t < kNumDTypes; ++t) if (holds(set, DType(t))) names.push_back(saha::name(DType(t)));
  std::string s;
  for (std::size_t i = 0; i < names.size(); ++i) s += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + std::string(names[i]);
  return s;
}
const Param* Signature::param(std::size_t i) const {
  if (i < in.size()) return &in[i];
  return !in.empty() && in.back().variadic ? &in.back() : nullptr;
}
const Param* Signature::result(std::size_t k) const {
  if (k < out.size()) return &out[k];
  return !out.empty() && out.back().variadic ? &out.back() : nullptr;
}
const AttrParam* Signature::attr(std::string_view n) const {
  for (const AttrParam& a : attrs) if (a.name == n) return &a;
  return nullptr;
}

Result<Signature> parse_signature(std::string_view text) {
  Reader r{text};
  Signature s;
  SAHA_TRY(s.in, params(r));
  if (!r.take("->")) return r.bad("'->'");
  SAHA_TRY(s.out, params(r));
  if (r.take("where")) {
    do {
      std::string_view variable = r.word();
      if (variable.empty() || !r.take(":")) return r.bad("'variable:'");
      DTypeSet set = 0;
      for (;;) {
        std::size_t before = r.at;
        DTypeSet one = set_named(r.word());
        if (!one) { r.at = before; break; }
        set |= one;
      }
      if (!set) return r.bad("a set of dtypes");
      for (auto* list : {&s.in, &s.out})
        for (Param& p : *list) if (p.type.variable == variable) p.type.set = set;
    } while (r.take(","));
  }
  for (auto* list : {&s.in, &s.out})
    for (const Param& p : *list) if (!p.type.set) return Error{ErrorCode::internal, "signature '" + std::string(text) + "': '" + std::string(p.type.variable) + "' has no dtypes"};
  if (r.take("|")) {
    do {
      AttrParam a{};
      a.name = r.word();
      if (a.name.empty() || !r.take(":")) return r.bad("'attribute:'");
      std::string_view kind = r.word();
      int k = 0;
      while (k < 9 && name(AttrKind(k)) != kind) ++k;
      if (k == 9) return r.bad("a kind of attribute");
      a.kind = AttrKind(k);
      if (r.take("?")) a.optional = true;
      else if (r.take("=")) { SAHA_TRY(a.initial, default_value(r, a.kind)); }
      s.attrs.push_back(std::move(a));
    } while (r.take(","));
  }
  r.space();
  if (r.at != text.size()) return r.bad("the end");
  for (std::size_t i = 0; i < s.in.size(); ++i) if (!s.in[i].optional) s.min_in = i + 1;
  return s;
}

}  // namespace saha::op
