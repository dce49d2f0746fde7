// Text form -> graph; the grammar stands in text_form.hpp. Nodes go through op::Builder: checked, defaults written out, types inferred.
#include <charconv>
#include <unordered_map>

#include "op/text_form.hpp"
#include "op/text_words.hpp"

namespace saha::op {
namespace {
using std::to_string;

struct Parser {
  std::string_view text;
  const ParseLimits& limits;
  std::size_t at = 0, values = 0;
  int depth = 0;

  // ---- words -----------------------------------------------------------------------------------------------------------------
  Error bad(std::string what, std::size_t where) const {
    int line = 1, column = 1;
    for (std::size_t i = 0; i < where && i < text.size(); ++i) {
      if (text[i] == '\n') { ++line; column = 1; }
      else ++column;
    }
    Error e{ErrorCode::invalid_argument, std::move(what)};
    e.line = line;
    e.column = column;
    return e;
  }
  Error bad(std::string what) const { return bad(std::move(what), at); }
  Error wanted(std::string_view what) const {
    if (at >= text.size()) return bad("the text ends where " + std::string(what) + " is needed");
    return bad("'" + std::string(text.substr(at, text[at] >= 0 ? 1 : 0)) + "' stands where " + std::string(what) + " is needed");
  }
  void space() {
    while (at < text.size()) {
      if (text[at] == ' ' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r') ++at;
      else if (text[at] == '#') while (at < text.size() && text[at] != '\n') ++at;
      else return;
    }
  }
  char peek() { space(); return at < text.size() ? text[at] : '\0'; }
  bool take(char c) {
    if (peek() != c) return false;
    ++at;
    return true;
  }
  Result<> need(char c) {
    if (!take(c)) return wanted(std::string("'") + c + "'");
    return {};
  }
  template <class F> std::string_view run(F part) {
    std::size_t from = at;
    while (at < text.size() && part(text[at])) ++at;
    return text.substr(from, at - from);
  }
  std::string_view word() { space(); return at < text.size() && word_start(text[at]) ? run(word_part) : std::string_view(); }
  /// The word that comes next, which stays where it is.
  std::string_view next_word() {
    std::size_t keep = at;
    space();
    std::size_t from = at;
    std::string_view w = word();
    at = w.empty() ? keep : from;
    return w;
  }
  bool take_word(std::string_view w) {
    if (next_word() != w) return false;
    at += w.size();
    return true;
  }
  /// Counts how deep the grammar nests while it lives.
  struct Deeper {
    Parser& p;
    bool ok;
    explicit Deeper(Parser& q) : p(q), ok(++q.depth <= q.limits.depth) {}
    ~Deeper() { --p.depth; }
  };
  Error too_deep() const { return bad("nested deeper than " + to_string(limits.depth)); }

  static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }
  Result<std::string> string() {
    SAHA_DO(need('"'));
    std::string s;
    while (at < text.size() && text[at] != '"') {
      char c = text[at++];
      if (c != '\\') { s += c; continue; }
      char e = at < text.size() ? text[at++] : '\0';
      if (e == 'n') s += '\n';
      else if (e == 't') s += '\t';
      else if (e == '"' || e == '\\') s += e;
      else if (e == 'x' && at + 1 < text.size() && hex_digit(text[at]) >= 0 && hex_digit(text[at + 1]) >= 0) {
        s += char(hex_digit(text[at]) * 16 + hex_digit(text[at + 1]));
        at += 2;
      } else return bad("an escape is \\\" \\\\ \\n \\t or \\xHH", at - 1);
    }
    if (at >= text.size()) return wanted("'\"'");
    ++at;
    return s;
  }
  template <class T> Result<T> number() {
    space();
    T v{};
    std::size_t from = at;
    if (at < text.size() && text[at] == '+') ++at;
    auto r = std::from_chars(text.data() + at, text.data() + text.size(), v);
    if (r.ec == std::errc::result_out_of_range) return bad("the number does not fit", from);
    if (r.ec != std::errc()) return wanted("a number");
    at = std::size_t(r.ptr - text.data());
    if (at < text.size() && (word_part(text[at]))) return bad("'" + std::string(text.substr(from, at + 1 - from)) + "' is not a number of this kind", from);
    return v;
  }
  /// The name of an attribute, an input or a value.
  Result<std::string> name() {
    if (peek() == '"') return string();
    std::size_t from = at;
    std::string_view n = at < text.size() && (word_start(text[at]) || text[at] == '/') ? run([](char c) { return word_part(c) || c == '/'; }) : std::string_view();
    if (n.empty()) return wanted("a name");
    if (!plain_name(n)) return bad("'" + std::string(n) + "' is a word of the grammar; as a name it is written in quotes", from);
    return std::string(n);
  }
  template <class F> Result<> comma_list(char open, char close, F element) {
    SAHA_DO(need(open));
    if (take(close)) return {};
    do { SAHA_DO(element()); } while (take(','));
    return need(close);
  }
  template <class T> Result<std::vector<T>> list() {
    std::vector<T> v;
    SAHA_DO(comma_list('[', ']', [&]() -> Result<> {
      if constexpr (std::is_same_v<T, std::string>) { SAHA_TRY(v.emplace_back(), string()); }
      else { SAHA_TRY(v.emplace_back(), number<T>()); }
      return {};
    }));
    return v;
  }

  // ---- types -----------------------------------------------------------------------------------------------------------------
  Result<Dim> factor() {
    Deeper d(*this);
    if (!d.ok) return too_deep();
    char c = peek();
    if (c == '-') {
      ++at;
      if (at < text.size() && text[at] >= '0' && text[at] <= '9') {
        --at;
        SAHA_TRY(std::int64_t v, number<std::int64_t>());
        return Dim(v);
      }
      SAHA_TRY(Dim v, factor());
      return Dim(0) - v;
    }
    if (c >= '0' && c <= '9') {
      SAHA_TRY(std::int64_t v, number<std::int64_t>());
      return Dim(v);
    }
    if (c == '(') {
      ++at;
      SAHA_TRY(Dim v, dim());
      SAHA_DO(need(')'));
      return v;
    }
    if (c == '"') {
      SAHA_TRY(std::string s, string());
      if (s.empty()) return bad("a symbol has no name");
      return Dim::symbol(std::move(s));
    }
    std::string_view w = at < text.size() && word_start(text[at]) ? run([](char x) { return word_part(x) || x == '#'; }) : std::string_view();
    if (w.empty()) return wanted("a dimension");
    if (w != "min" && w != "max") return Dim::symbol(std::string(w));
    SAHA_DO(need('('));
    SAHA_TRY(Dim a, dim());
    SAHA_DO(need(','));
    SAHA_TRY(Dim b, dim());
    SAHA_DO(need(')'));
    return w == "min" ? min(a, b) : max(a, b);
  }
  Result<Dim> term() {
    SAHA_TRY(Dim v, factor());
    for (;;) {
      char c = peek();
      if (c != '*' && c != '/') return v;
      ++at;
      SAHA_TRY(Dim w, factor());
      if (c == '/' && w.is(0)) return bad("a dimension is divided by 0");
      v = c == '*' ? v * w : floor_div(v, w);
    }
  }
  Result<Dim> dim() {
    SAHA_TRY(Dim v, term());
    for (;;) {
      char c = peek();
      if (c != '+' && c != '-') return v;
      ++at;
      SAHA_TRY(Dim w, term());
      v = c == '+' ? v + w : v - w;
    }
  }
  Result<TypeRef> element_or_star() {
    if (take('*')) return TypeRef();
    return type();
  }
  Result<DType> dtype() {
    space();
    std::size_t from = at;
    std::string_view w = word();
    if (w == "none") return DType::none;
    auto t = dtype_of(w);
    if (!t) return bad(w.empty() ? "a type is needed" : "'" + std::string(w) + "' is not a type", from);
    return *t;
  }
  Result<TypeRef> type() {
    Deeper d(*this);
    if (!d.ok) return too_deep();
    std::string_view w = next_word();
    if (w == "seq" || w == "opt") {
      word();
      SAHA_DO(need('('));
      SAHA_TRY(TypeRef e, element_or_star());
      SAHA_DO(need(')'));
      return w == "seq" ? ir::sequence_type(e) : ir::optional_type(e);
    }
    if (w == "map") {
      word();
      SAHA_DO(need('('));
      SAHA_TRY(DType key, dtype());
      SAHA_DO(need(','));
      SAHA_TRY(TypeRef e, element_or_star());
      SAHA_DO(need(')'));
      return ir::map_type(key, e);
    }
    Type t;
    SAHA_TRY(t.dtype, dtype());
    SAHA_DO(need('['));
    if (take('*')) {
      t.ranked = false;
      SAHA_DO(need(']'));
    } else {
      --at;  // the bracket belongs to the list
      SAHA_DO(comma_list('[', ']', [&]() -> Result<> {
        SAHA_TRY(t.dims.emplace_back(), dim());
        if (t.dims.size() > 1024) return bad("a tensor of more than 1024 dims");
        return {};
      }));
    }
    for (;;) {
      if (take_word("quant")) {
        ir::Quant q;
        auto entry = [&]() -> Result<> {
          std::string_view key = word();
          SAHA_DO(need('='));
          if (key == "axis") { SAHA_TRY(q.axis, number<int>()); }
          else if (key == "scale") { SAHA_TRY(q.scale, list<float>()); }
          else if (key == "zero") { SAHA_TRY(q.zero, list<std::int64_t>()); }
          else return bad("quant has axis, scale and zero");
          return {};
        };
        SAHA_DO(comma_list('(', ')', entry));
        t.quant = std::make_shared<const ir::Quant>(std::move(q));
      } else if (take_word("layout")) {
        SAHA_DO(need('('));
        std::string_view l = word();
        std::size_t k = 0;
        while (k < kLayouts.size() && kLayouts[k] != l) ++k;
        if (k == kLayouts.size()) return bad("'" + std::string(l) + "' is not a layout");
        t.layout = ir::Layout(k);
        SAHA_DO(need(')'));
      } else return TypeRef(std::make_shared<const Type>(std::move(t)));
    }
  }

  // ---- constants and attributes ------------------------------------------------------------------------------------------------
  template <class C, class N = C> Result<> elements(const Tensor& t) {
    IntRange range = is_float(t.dtype) ? IntRange{} : int_range(t.dtype);
    std::int64_t k = 0, n = t.size();
    SAHA_DO(comma_list('{', '}', [&]() -> Result<> {
      if (peek() == '.') return bad("a constant that was cut short in printing cannot be read back");
      if (k == n) return bad("more than the " + to_string(n) + " elements of " + str(t.dims));
      SAHA_TRY(N v, number<N>());
      if constexpr (std::is_same_v<N, std::int64_t>) if (v < range.lo || v > range.hi) return bad(to_string(v) + " does not fit " + std::string(saha::name(t.dtype)));
      C c = C(v);
      store(t, k++, 1, &c);
      return {};
    }));
    if (k != n) return bad(to_string(k) + " elements, " + str(t.dims) + " has " + to_string(n));
    return {};
  }
  Result<Tensor> tensor() {
    SAHA_TRY(DType t, dtype());
    if (t == DType::none) return bad("a constant needs a dtype");
    std::size_t from = at;
    SAHA_TRY(Dims dims, list<std::int64_t>());
    auto n = checked_elements(dims);
    bool hex = take_word("hex");
    // Before memory is taken: every element needs at least a character.
    std::size_t left = text.size() - at;
    if (!n || dims.size() > 1024 || (hex ? std::size_t(storage_bytes(t, std::min<std::int64_t>(*n, std::int64_t(left) * 8))) * 2 > left || *n > std::int64_t(left) * 8 : std::size_t(*n) > left))
      return bad("the text holds fewer elements than " + str(dims), from);
    SAHA_TRY(Tensor x, Tensor::make(t, dims));
    if (hex) {
      if (t == DType::string) return bad("text is not written as hex");
      SAHA_DO(need('"'));
      std::int64_t bytes = x.bytes();
      for (std::int64_t i = 0; i < bytes; ++i) {
        int hi = at < text.size() ? hex_digit(text[at]) : -1, lo = at + 1 < text.size() ? hex_digit(text[at + 1]) : -1;
        if (hi < 0 || lo < 0) return wanted("a hexadecimal digit (" + to_string(bytes) + " bytes are needed, " + to_string(i) + " are given)");
        x.data[i] = std::byte(hi * 16 + lo);
        at += 2;
      }
      if (at >= text.size() || text[at] != '"') return wanted("'\"' after " + to_string(bytes) + " bytes");
      ++at;
      if (int used = int(*n * bits(t) % 8); used) x.data[bytes - 1] &= std::byte((1 << used) - 1);
      if (t == DType::boolean) for (std::int64_t i = 0; i < bytes; ++i) if (x.data[i] > std::byte{1}) return bad("a bool is 0 or 1");
      return x;
    }
    if (t == DType::string) {
      std::size_t k = 0;
      SAHA_DO(comma_list('{', '}', [&]() -> Result<> {
        if (k == x.text->size()) return bad("more than the " + to_string(*n) + " elements of " + str(dims));
        SAHA_TRY((*x.text)[k++], string());
        return {};
      }));
      if (k != x.text->size()) return bad(to_string(k) + " elements, " + str(dims) + " has " + to_string(*n));
    } else if (is_complex(t)) return bad("complex elements are written as hex");
    else if (t == DType::f32) { SAHA_DO((elements<double, float>(x))); }
    else if (is_float(t)) { SAHA_DO(elements<double>(x)); }
    else if (t == DType::u64) { SAHA_DO(elements<std::uint64_t>(x)); }
    else { SAHA_DO(elements<std::int64_t>(x)); }
    return x;
  }
  Result<ir::Attr> attribute(AttrKind kind) {
    switch (kind) {
      case AttrKind::i: { SAHA_TRY(auto v, number<std::int64_t>()); return ir::Attr(v); }
      case AttrKind::f: { SAHA_TRY(auto v, number<float>()); return ir::Attr(v); }
      case AttrKind::s: { SAHA_TRY(auto v, string()); return ir::Attr(std::move(v)); }
      case AttrKind::is: { SAHA_TRY(auto v, list<std::int64_t>()); return ir::Attr(std::move(v)); }
      case AttrKind::fs: { SAHA_TRY(auto v, list<float>()); return ir::Attr(std::move(v)); }
      case AttrKind::ss: { SAHA_TRY(auto v, list<std::string>()); return ir::Attr(std::move(v)); }
      case AttrKind::tensor: { SAHA_TRY(auto v, tensor()); return ir::Attr(std::move(v)); }
      case AttrKind::type: { SAHA_TRY(auto v, type()); return ir::Attr(std::move(v)); }
      case AttrKind::graph: break;
    }
    SAHA_TRY(auto g, graph());
    return ir::Attr(std::make_shared<const ir::Graph>(std::move(g)));
  }

  // ---- graphs ------------------------------------------------------------------------------------------------------------------
  struct Scope {
    Builder b = {};
    std::unordered_map<std::string, Val> by_name = {};
    std::unordered_map<std::uint64_t, Val> by_number = {};
  };
  struct Definition {
    std::optional<std::uint64_t> number = {};
    std::string name = {};
    TypeRef type = {};
    std::size_t at = 0;
  };
  Result<Definition> definition() {
    Definition d;
    space();
    d.at = at;
    if (take('%')) {
      SAHA_TRY(d.number, number<std::uint64_t>());
      if (peek() == '"') { SAHA_TRY(d.name, string()); }
    } else { SAHA_TRY(d.name, name()); }
    if (take(':')) { SAHA_TRY(d.type, type()); }
    return d;
  }
  Result<> define(Scope& s, const Definition& d, Val v) {
    if (++values > limits.values) return bad("more than " + to_string(limits.values) + " values", d.at);
    bool added = d.number ? s.by_number.emplace(*d.number, v).second : s.by_name.emplace(d.name, v).second;
    if (!added) return bad(d.number ? "value %" + to_string(*d.number) + " is made twice" : "value '" + d.name + "' is made twice", d.at);
    return {};
  }
  Result<Val> operand(Scope& s) {
    char c = peek();
    std::size_t from = at;
    if (c == '%') {
      ++at;
      SAHA_TRY(auto n, number<std::uint64_t>());
      auto it = s.by_number.find(n);
      if (it == s.by_number.end()) return bad("value %" + to_string(n) + " is used, but made nowhere before it", from);
      return it->second;
    }
    std::string_view w = c == '"' ? std::string_view() : next_word();
    if (w == "_") {
      word();
      return Val{};
    }
    if (dtype_of(w)) {
      SAHA_TRY(Tensor t, tensor());
      if (++values > limits.values) return bad("more than " + to_string(limits.values) + " values", from);
      return s.b.constant(std::move(t));
    }
    SAHA_TRY(std::string n, name());
    auto it = s.by_name.find(n);
    if (it == s.by_name.end()) return bad("value '" + n + "' is used, but made nowhere before it", from);
    return it->second;
  }
  Result<> statement(Scope& s) {
    std::vector<Definition> results;
    do { SAHA_TRY(results.emplace_back(), definition()); } while (take(','));
    if (results.size() > 65535) return bad("more than 65535 results", results[0].at);
    SAHA_DO(need('='));
    if (dtype_of(next_word())) {
      if (results.size() != 1) return bad("a constant has one result", results[0].at);
      SAHA_TRY(Tensor t, tensor());
      TypeRef type = results[0].type ? results[0].type : ir::tensor_type(t.dtype, {t.dims.begin(), t.dims.end()});
      if (!type->is_tensor() || type->dtype != t.dtype) return bad("the constant is " + std::string(saha::name(t.dtype)) + ", its type is " + ir::str(*type), results[0].at);
      return define(s, results[0], s.b.constant(std::make_shared<const Tensor>(std::move(t)), std::move(type), ir::make_name(results[0].name)));
    }
    space();
    std::size_t from = at;
    std::string_view op = word();
    const Entry* e = find(op);
    if (!e) return bad(op.empty() ? "an operator or a constant is needed" : "operator '" + std::string(op) + "' is not known", from);
    Vals in;
    SAHA_DO(comma_list('(', ')', [&]() -> Result<> {
      SAHA_TRY(in.emplace_back(), operand(s));
      if (in.size() > 65535) return bad("more than 65535 operands", from);
      return {};
    }));
    Attrs attrs;
    if (peek() == '{') {
      auto entry = [&]() -> Result<> {
        space();
        std::size_t where = at;
        SAHA_TRY(std::string n, name());
        const AttrParam* p = e->signature.attr(n);
        if (!p) return bad(std::string(op) + " has no attribute '" + n + "'", where);
        if (ir::find_attr(attrs, n)) return bad("attribute '" + n + "' is given twice", where);
        SAHA_DO(need('='));
        SAHA_TRY(ir::Attr v, attribute(p->kind));
        attrs.push_back({std::move(n), std::move(v)});
        return {};
      };
      SAHA_DO(comma_list('{', '}', entry));
    }
    s.b.origin = {};
    if (take('@')) {
      SAHA_TRY(std::string origin, string());
      s.b.origin = ir::make_name(std::move(origin));
    }
    Vals y = s.b.ops(e->def->name, std::move(in), std::move(attrs), int(results.size()));
    s.b.origin = {};
    if (s.b.error()) return bad(s.b.error()->message, from);
    for (std::size_t k = 0; k < results.size(); ++k) {
      const Definition& d = results[k];
      if (d.type) {
        if (auto clash = disagreement(s.b.type(y[k]), *d.type)) return bad("the result is stated to be " + ir::str(*d.type) + ", " + std::string(op) + " gives " + ir::str(s.b.type(y[k])) + ": " + *clash, d.at);
        s.b.retype(y[k], d.type);
      }
      if (!d.name.empty()) s.b.rename(y[k], d.name);
      SAHA_DO(define(s, d, y[k]));
    }
    return {};
  }
  /// Where a stated type contradicts the inferred one. It may know more, or less.
  static std::optional<std::string> disagreement(const Type& inferred, const Type& stated) {
    bool open = inferred.is_tensor() && inferred.dtype == DType::none;
    if (inferred.kind != stated.kind) return open ? std::optional<std::string>{} : "the kinds differ";
    if (!inferred.is_tensor()) return inferred.element && stated.element ? disagreement(*inferred.element, *stated.element) : std::optional<std::string>{};
    if (!open && stated.dtype != DType::none && inferred.dtype != stated.dtype) return "the dtypes differ";
    if (!inferred.ranked || !stated.ranked) return {};
    if (inferred.dims.size() != stated.dims.size()) return open && inferred.dims.empty() ? std::optional<std::string>{} : "the ranks differ";
    for (std::size_t i = 0; i < inferred.dims.size(); ++i)
      if (inferred.dims[i].known() && stated.dims[i].known() && !(inferred.dims[i] == stated.dims[i])) return "axis " + to_string(i) + " differs";
    return {};
  }
  Result<ir::Graph> graph() {
    Deeper d(*this);
    if (!d.ok) return too_deep();
    if (!take_word("graph")) return wanted("'graph'");
    Scope s;
    SAHA_DO(comma_list('(', ')', [&]() -> Result<> {
      SAHA_TRY(Definition in, definition());
      if (!in.type) return bad("an input needs a type", in.at);
      return define(s, in, s.b.input(in.type, in.name));
    }));
    SAHA_DO(need('{'));
    while (!take_word("return")) {
      if (peek() == '}' || at >= text.size()) return wanted("a statement or 'return'");
      SAHA_DO(statement(s));
    }
    Vals out;
    if (peek() != '}') do {
      SAHA_TRY(out.emplace_back(), operand(s));
      if (!out.back()) return bad("an output is a value");
    } while (take(','));
    SAHA_DO(need('}'));
    return std::move(s.b).build(out);
  }
};
}  // namespace

Result<ir::Graph> parse(std::string_view text, const ParseLimits& limits) {
  if (text.size() > limits.bytes) return Error{ErrorCode::invalid_argument, "the text has " + to_string(text.size()) + " bytes, at most " + to_string(limits.bytes) + " are read"};
  Parser p{text, limits};
  SAHA_TRY(ir::Graph g, p.graph());
  if (p.peek() != '\0' || p.at < text.size()) return p.wanted("the end");
  return g;
}
Result<TypeRef> parse_type(std::string_view text) {
  ParseLimits limits;
  Parser p{text, limits};
  SAHA_TRY(TypeRef t, p.type());
  if (p.peek() != '\0' || p.at < text.size()) return p.wanted("the end");
  return t;
}

}  // namespace saha::op
