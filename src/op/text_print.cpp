// Graph -> text form; the grammar stands in text_form.hpp.
#include <charconv>
#include <cmath>
#include <map>

#include "op/text_form.hpp"
#include "op/text_words.hpp"

namespace saha::op {
namespace {
using std::to_string;
constexpr std::int64_t kPlainElements = 256;  // more are written as hex
constexpr std::int64_t kInlineElements = 8;   // more are given a line of their own

template <class T> void number(std::string& s, T v) {
  char text[40];
  auto end = std::to_chars(text, text + sizeof text, v).ptr;
  s.append(text, end);
}
void dim(std::string& s, const Dim& d);
void symbol(std::string& s, const std::string& name) { s += plain_symbol(name) ? name : quoted(name); }
void atom(std::string& s, const Dim::Atom& a) {
  if (a.kind == Dim::AtomKind::symbol) return symbol(s, a.text);
  bool quotient = a.kind == Dim::AtomKind::floor_div;
  s += quotient ? "((" : a.kind == Dim::AtomKind::min ? "min(" : "max(";
  dim(s, (*a.parts)[0]);
  s += quotient ? ")/(" : ", ";
  dim(s, (*a.parts)[1]);
  s += quotient ? "))" : ")";
}
void dim(std::string& s, const Dim& d) {
  bool first = true;
  for (const Dim::Term& t : d.terms()) {
    if (t.coef < 0) s += first ? "-" : " - ";
    else if (!first) s += " + ";
    first = false;
    auto k = t.coef < 0 ? -t.coef : t.coef;
    if (k != 1) s += to_string(k) + "*";
    for (std::size_t i = 0; i < t.atoms.size(); ++i) {
      if (i) s += "*";
      atom(s, t.atoms[i]);
    }
  }
  std::int64_t c = d.constant();
  if (first) s += to_string(c);
  else if (c) s += c < 0 ? " - " + to_string(c).substr(1) : " + " + to_string(c);
}
template <class T> void list(std::string& s, const std::vector<T>& v) {
  s += "[";
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (i) s += ", ";
    if constexpr (std::is_same_v<T, std::string>) s += quoted(v[i]);
    else number(s, v[i]);
  }
  s += "]";
}
void type(std::string& s, const Type& t) {
  auto inner = [&](const TypeRef& e) { if (e) type(s, *e); else s += "*"; };
  switch (t.kind) {
    case Type::Kind::sequence: s += "seq("; inner(t.element); s += ")"; return;
    case Type::Kind::optional: s += "opt("; inner(t.element); s += ")"; return;
    case Type::Kind::map: s += "map(" + std::string(name(t.dtype)) + ", "; inner(t.element); s += ")"; return;
    case Type::Kind::tensor: break;
  }
  s += name(t.dtype);
  s += "[";
  if (!t.ranked) s += "*";
  for (std::size_t i = 0; i < t.dims.size(); ++i) {
    if (i) s += ", ";
    dim(s, t.dims[i]);
  }
  s += "]";
  if (t.quant) {
    s += " quant(axis = " + to_string(t.quant->axis) + ", scale = ";
    list(s, t.quant->scale);
    s += ", zero = ";
    list(s, t.quant->zero);
    s += ")";
  }
  if (t.layout != ir::Layout::plain) s += " layout(" + std::string(kLayouts[std::size_t(t.layout)]) + ")";
}
bool has_nan(const Tensor& t) {
  if (is_float(t.dtype)) for (std::int64_t i = 0; i < t.size(); ++i) if (std::isnan(t.at(i))) return true;
  return false;
}
void element(std::string& s, const Tensor& t, std::int64_t i) {
  if (t.dtype == DType::string) s += quoted((*t.text)[std::size_t(i)]);
  else if (t.dtype == DType::f32) number(s, t.as<const float>()[i]);
  else if (is_float(t.dtype)) number(s, t.at(i));
  else if (t.dtype == DType::u64) number(s, t.as<const std::uint64_t>()[i]);
  else number(s, t.int_at(i));
}
void tensor(std::string& s, const Tensor& t, const PrintOptions& o) {
  s += name(t.dtype);
  s += saha::str(t.dims) + " ";
  std::int64_t n = t.size(), shown = o.max_elements >= 0 ? std::min(n, o.max_elements) : n;
  bool text = t.dtype == DType::string, cut = shown < n;
  if (is_complex(t.dtype) || (!text && !cut && (n > kPlainElements || has_nan(t)))) {
    s += "hex\"";
    auto bytes = cut ? 0 : t.bytes();
    for (std::int64_t i = 0; i < bytes; ++i) {
      auto b = std::to_integer<unsigned>(t.data[i]);
      s += "0123456789abcdef"[b >> 4];
      s += "0123456789abcdef"[b & 15];
    }
    s += cut ? "...\"" : "\"";
    return;
  }
  s += "{";
  for (std::int64_t i = 0; i < shown; ++i) {
    if (i) s += ", ";
    element(s, t, i);
  }
  s += cut ? (shown ? ", ...}" : "...}") : "}";
}

struct Printer {
  const PrintOptions& o;
  std::string s = {};

  void attribute(const ir::Attr& a, int indent) {
    if (auto* i = std::get_if<std::int64_t>(&a)) number(s, *i);
    else if (auto* f = std::get_if<float>(&a)) number(s, *f);
    else if (auto* t = std::get_if<std::string>(&a)) s += quoted(*t);
    else if (auto* is = std::get_if<ir::Ints>(&a)) list(s, *is);
    else if (auto* fs = std::get_if<ir::Floats>(&a)) list(s, *fs);
    else if (auto* ss = std::get_if<ir::Strings>(&a)) list(s, *ss);
    else if (auto* x = std::get_if<Tensor>(&a)) tensor(s, *x, o);
    else if (auto* g = std::get_if<ir::GraphRef>(&a)) graph(**g, indent);
    else if (auto* y = std::get_if<TypeRef>(&a)) type(s, **y);
  }
  void attributes(const ir::Node& n, int indent) {
    const Entry* e = find(n.op.str());
    bool first = true;
    for (const ir::NamedAttr& a : *n.attrs) {
      const AttrParam* p = e ? e->signature.attr(a.name) : nullptr;
      if (p && p->initial && ir::same_attrs({a}, {{a.name, *p->initial}})) continue;  // parse() writes it out again
      s += first ? " {" : ", ";
      first = false;
      s += plain_name(a.name) ? a.name : quoted(a.name);
      s += " = ";
      attribute(a.value, indent);
    }
    if (!first) s += "}";
  }
  void graph(const ir::Graph& g, int indent) {
    std::string pad(std::size_t(indent) * 2 + 2, ' ');
    std::vector<std::uint32_t> uses = g.use_counts();
    std::map<std::string_view, int> named;
    for (const ir::Value& v : g.values()) if (v.name) ++named[*v.name];
    auto is_inline = [&](ValueId v) {
      const ir::Value& x = g[v];
      return x.constant && !x.name && uses[std::size_t(v)] == 1 && x.constant->size() <= kInlineElements && x.type->kind == Type::Kind::tensor && !x.type->quant && x.type->layout == ir::Layout::plain;
    };
    auto handle = [&](ValueId v) {
      const ir::Name& n = g[v].name;
      if (n && named[*n] == 1) s += plain_name(*n) ? *n : quoted(*n);
      else s += "%" + to_string(std::uint32_t(v));
    };
    auto definition = [&](ValueId v, bool with_type) {
      handle(v);
      const ir::Name& n = g[v].name;
      if (n && named[*n] > 1) s += " " + quoted(*n);
      if (!with_type) return;
      s += ": ";
      type(s, g.type(v));
    };
    std::vector<char> shown(g.values().size(), 0);
    auto constant = [&](ValueId v) {
      if (v == ValueId::none || !g[v].constant || is_inline(v) || std::exchange(shown[std::size_t(v)], 1)) return;
      const Tensor& t = *g[v].constant;
      s += pad;
      definition(v, !(g.type(v) == *ir::tensor_type(t.dtype, {t.dims.begin(), t.dims.end()})));
      s += " = ";
      tensor(s, t, o);
      s += "\n";
    };
    auto use = [&](ValueId v) {
      if (v == ValueId::none) s += "_";
      else if (is_inline(v)) tensor(s, *g[v].constant, o);
      else handle(v);
    };
    s += "graph (";
    for (std::size_t i = 0; i < g.inputs().size(); ++i) {
      if (i) s += ", ";
      definition(g.inputs()[i], true);
    }
    s += ") {\n";
    for (const ir::Node& n : g.nodes()) {
      for (ValueId v : g.operands(n)) constant(v);
      s += pad;
      for (std::size_t k = 0; k < n.num_results; ++k) {
        if (k) s += ", ";
        definition(g.result(n, k), o.types);
      }
      s += " = ";
      s += n.op.str();
      s += "(";
      for (std::size_t i = 0; i < n.num_operands; ++i) {
        if (i) s += ", ";
        use(g.operand(n, i));
      }
      s += ")";
      attributes(n, indent + 1);
      if (n.origin && o.origins) s += " @ " + quoted(*n.origin);
      s += "\n";
    }
    for (ValueId v : g.outputs()) constant(v);
    s += pad + "return";
    for (std::size_t i = 0; i < g.outputs().size(); ++i) {
      s += i ? ", " : " ";
      use(g.outputs()[i]);
    }
    s += "\n" + std::string(std::size_t(indent) * 2, ' ') + "}";
  }
};
}  // namespace

std::string print(const Type& t) {
  std::string s;
  type(s, t);
  return s;
}
std::string print(const ir::Graph& g, const PrintOptions& options) {
  Printer p{options};
  p.graph(g, 0);
  return std::move(p.s) + "\n";
}

}  // namespace saha::op
