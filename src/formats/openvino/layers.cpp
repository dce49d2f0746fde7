// Site, the generic reading of a row, and the reading of nets: what import and export share.
#include "formats/openvino/layers.hpp"
#include "tensor/float_format.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace saha::openvino {
namespace {
using std::to_string;

/// "block_size=blocksize?" of a row.
struct Listed {
  std::string_view theirs, ours;
  bool flag = false;
};
std::vector<Listed> parse(std::string_view attrs) {
  std::vector<Listed> r;
  while (!attrs.empty()) {
    const std::size_t comma = attrs.find(',');
    std::string_view one = attrs.substr(0, comma);
    attrs = comma == attrs.npos ? std::string_view() : attrs.substr(comma + 1);
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    Listed l;
    if (!one.empty() && one.back() == '?') { l.flag = true; one.remove_suffix(1); }
    const std::size_t equal = one.find('=');
    l.theirs = one.substr(0, equal);
    l.ours = equal == one.npos ? one : one.substr(equal + 1);
    r.push_back(l);
  }
  return r;
}
std::span<const std::span<const Row>> all_rows() {
  static const std::span<const Row> all[] = {math_rows(), network_rows(), resize_rows(), quantise_rows(), movement_rows(), indexing_rows(), detection_rows(), signal_rows(), control_rows()};
  return all;
}
}  // namespace

void Context::note(std::string sentence) {
  if (notes.size() < 100 && std::find(notes.begin(), notes.end(), sentence) == notes.end()) notes.push_back(std::move(sentence));
}
double largest(DType t) { return decode(t, encode(t, 1e38, Overflow::saturate)); }
std::string text(double v) {
  char buffer[32];
  auto [end, _] = std::to_chars(buffer, buffer + sizeof buffer, float(v));
  return {buffer, end};
}

const Row* find_row(std::string_view type, int opset) {
  const Row* best = nullptr;
  for (auto rows : all_rows())
    for (const Row& r : rows) if (r.type == type && r.since <= opset && (!best || r.since > best->since)) best = &r;
  return best;
}
const Row* find_row_for(std::string_view op, int opset) {
  const Row* best = nullptr;
  for (auto rows : all_rows())
    for (const Row& r : rows) if (r.writes && r.op.str() == op && r.since <= opset && (!best || r.since > best->since)) best = &r;
  return best;
}

// ---- Site --------------------------------------------------------------------------------------------------------------------
std::string Site::s(std::string_view attribute, std::string otherwise) const {
  const std::string* v = find(layer.data, attribute);
  if (!v) return otherwise;
  std::string r = *v;
  std::transform(r.begin(), r.end(), r.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return r;
}
std::int64_t Site::i(std::string_view attribute, std::int64_t otherwise) {
  const std::string* v = find(layer.data, attribute);
  if (!v) return otherwise;
  if (auto n = integer(*v)) return *n;
  fail("has " + std::string(attribute) + " '" + shown(*v) + "', a whole number is needed");
  return otherwise;
}
double Site::f(std::string_view attribute, double otherwise) {
  const std::string* v = find(layer.data, attribute);
  if (!v) return otherwise;
  if (auto n = openvino::number(*v)) return *n;
  fail("has " + std::string(attribute) + " '" + shown(*v) + "', a number is needed");
  return otherwise;
}
bool Site::flag(std::string_view attribute, bool otherwise) {
  const std::string v = s(attribute);
  if (v.empty()) return otherwise;
  if (v == "true" || v == "1") return true;
  if (v == "false" || v == "0") return false;
  fail("has " + std::string(attribute) + " '" + shown(v) + "', true or false is needed");
  return otherwise;
}
Ints Site::is(std::string_view attribute, Ints otherwise) {
  const std::string* v = find(layer.data, attribute);
  if (!v) return otherwise;
  if (auto n = integers(*v)) return *n;
  fail("has " + std::string(attribute) + " '" + shown(*v) + "', whole numbers are needed");
  return otherwise;
}
Ints Site::per_axis(std::string_view attribute, std::size_t axes, std::int64_t otherwise) {
  Ints r = is(attribute, Ints(axes, otherwise));
  if (r.size() != axes && !b.failed()) fail("has " + to_string(r.size()) + " numbers as " + std::string(attribute) + ", " + to_string(axes) + " are needed");
  r.resize(axes, otherwise);
  return r;
}
DType Site::dtype(std::string_view attribute, DType otherwise) {
  const std::string v = s(attribute);
  if (v.empty()) return otherwise;
  auto t = dtype_from(v);
  if (!t || *t == DType::none) { unsupported(std::string(attribute) + " is '" + shown(v) + "', an element type that is not taken"); return otherwise; }
  return context.half_is_float && *t == DType::f16 ? DType::f32 : *t;
}
std::int64_t extent(const ir::Type& t, std::size_t axis) { return axis < t.dims.size() ? t.dims[axis].known().value_or(-1) : -1; }
Ints extents(const ir::Type& t, std::size_t from) {
  Ints r;
  for (std::size_t i = from; i < t.dims.size(); ++i) r.push_back(extent(t, i));
  return r;
}
Ints counted(std::size_t n, std::int64_t from) {
  Ints r(n);
  for (std::size_t i = 0; i < n; ++i) r[i] = from + std::int64_t(i);
  return r;
}
bool all_of(const Ints& v, std::int64_t x) { return std::all_of(v.begin(), v.end(), [&](std::int64_t y) { return y == x; }); }
std::optional<Ints> known_ints(op::Builder& b, Val v) {
  if (b.failed() || !v) return {};
  if (const Tensor* t = b.data(v); t && (is_int(t->dtype) || t->dtype == DType::boolean)) return values<std::int64_t>(*t);
  const op::Known* k = b.known(v);
  if (!k) return {};
  Ints r;
  for (const ir::Dim& d : *k) {
    if (!d.known()) return {};
    r.push_back(*d.known());
  }
  return r;
}
std::optional<Ints> Site::known(std::size_t i) const { return has(i) ? known_ints(b, in[i]) : std::optional<Ints>(); }
Ints Site::ints(std::size_t i, std::string_view what, std::int64_t count) {
  if (b.failed()) return Ints(std::size_t(std::max<std::int64_t>(count, 0)), 0);
  auto v = known(i);
  if (!v) unsupported(std::string(what) + " is computed at run time; it is taken as a constant only");
  else if (count >= 0 && std::int64_t(v->size()) != count) fail("has " + to_string(v->size()) + " numbers as " + std::string(what) + ", " + to_string(count) + " are needed");
  else return *v;
  return Ints(std::size_t(std::max<std::int64_t>(count, 0)), 0);
}
std::shared_ptr<const Tensor> constant_behind(op::Builder& b, Val v) {
  if (b.failed() || !v) return {};
  const ir::Graph& g = b.graph();
  if (g[v.id].constant) return g[v.id].constant;
  const ir::Node* n = g.producer(v.id);
  return n && n->op == ir::OpName("Cast") ? g[g.operand(*n, 0)].constant : nullptr;
}
std::optional<double> Site::number(std::size_t i) const {
  auto t = has(i) ? constant_behind(b, in[i]) : nullptr;
  if (!t || t->size() != 1 || t->dtype == DType::string || is_complex(t->dtype)) return {};
  return t->at(0);
}
std::size_t Site::axis(std::int64_t a, std::size_t rank) {
  const auto r = std::int64_t(rank);
  if (a < -r || a >= r) {
    if (!b.failed()) fail("has axis " + to_string(a) + " in a tensor of rank " + to_string(rank));
    return 0;
  }
  return std::size_t(a < 0 ? a + r : a);
}
Val Site::op_cast(Val v, DType t) {
  if (b.failed() || !v || b.type(v).dtype == t) return v;
  if (const Tensor* c = b.data(v); c && c->size() <= 4096 && is_int(c->dtype) && is_int(t)) {
    Tensor r = Tensor::zeros(t, c->dims);
    fill<std::int64_t>(r, values<std::int64_t>(*c));
    return b.constant(std::move(r));
  }
  return op("Cast", {v}, {{"to", std::int64_t(t)}});
}
Val Site::wide_list(std::size_t i) {
  Val v = wide(i);
  return b.failed() || b.type(v).dims.size() == 1 ? v : reshaped(v, {-1});
}
Attrs Site::listed() {
  Attrs r;
  const op::Entry* e = op::find(row.op.str());
  for (const Listed& l : parse(row.attrs)) {
    if (!find(layer.data, l.theirs)) continue;
    const op::AttrParam* p = e ? e->signature.attr(l.ours) : nullptr;
    SAHA_ASSERT(p);
    const std::string ours(l.ours);
    if (l.flag) r.push_back({ours, std::int64_t(flag(l.theirs))});
    else if (p->kind == op::AttrKind::i) r.push_back({ours, i(l.theirs)});
    else if (p->kind == op::AttrKind::f) r.push_back({ours, float(f(l.theirs))});
    else if (p->kind == op::AttrKind::is) r.push_back({ours, is(l.theirs)});
    else r.push_back({ours, s(l.theirs)});
  }
  return r;
}

Data Saying::listed() const {
  Data r;
  for (const Listed& l : parse(row.attrs)) {
    const ir::Attr* a = ir::find_attr(attrs, l.ours);
    if (!a) continue;
    std::string value;
    if (auto* i = std::get_if<std::int64_t>(a)) value = l.flag ? text(*i != 0) : to_string(*i);
    else if (auto* f = std::get_if<float>(a)) value = text(double(*f));
    else if (auto* is = std::get_if<ir::Ints>(a)) value = join(*is);
    else if (auto* s = std::get_if<std::string>(a)) value = *s;
    r.emplace_back(std::string(l.theirs), std::move(value));
  }
  return r;
}

namespace {
/// The constant behind v, moved by `op`; a cast of it stays a cast, so that weights are kept as the file has them.
Val moved(Val v, const std::function<std::optional<Tensor>(const Tensor&)>& move, const std::function<Val(Val)>& node) {
  op::Builder& b = *v.b;
  auto c = constant_behind(b, v);
  if (!c) return node(v);
  auto y = move(*c);
  if (!y) return node(v);
  const ir::Name name = b.graph()[v.id].name;
  Val r = b.constant(std::move(*y));
  if (b.data(v)) b.rename(r, name);
  return b.type(r).dtype == b.type(v).dtype ? r : b.op("Cast", {r}, {{"to", std::int64_t(b.type(v).dtype)}});
}
}  // namespace

Val reshaped(Val v, const Ints& dims) {
  op::Builder& b = *v.b;
  if (b.failed()) return v;
  return moved(v, [&](const Tensor& t) -> std::optional<Tensor> {
    Ints d = dims;
    std::int64_t rest = 1, free = -1;
    for (std::size_t i = 0; i < d.size(); ++i) {
      if (d[i] == -1) { free = std::int64_t(i); continue; }
      if (d[i] < 1 || rest > t.size()) return {};
      rest *= d[i];
    }
    if (free >= 0 && rest > 0 && t.size() % rest == 0) d[std::size_t(free)] = t.size() / rest;
    return checked_elements(d) == t.size() ? std::optional(t.reshaped(d)) : std::nullopt;
  }, [&](Val x) { return b.op("Reshape", {x, b.ints(dims)}); });
}
Val permuted(Val v, const Ints& perm) {
  op::Builder& b = *v.b;
  if (b.failed()) return v;
  return moved(v, [&](const Tensor& t) -> std::optional<Tensor> {
    if (t.rank() != perm.size()) return {};
    Datum x = t;
    const Datum* in[] = {&x};
    auto y = op::run(*op::find("Transpose")->def, in, {{"perm", perm}}, 1);
    return y ? std::optional((*y)[0].tensor) : std::nullopt;
  }, [&](Val x) { return b.op("Transpose", {x}, {{"perm", perm}}); });
}

// ---- reading -----------------------------------------------------------------------------------------------------------------
Vals read_layer(const Layer& l, Vals in, op::Builder& b, Context& c) {
  const std::string who = l.type + " '" + l.name + "'";
  const std::size_t n = std::max<std::size_t>(l.out.size(), 1);
  const Row* row = l.opset ? find_row(l.type, l.opset) : nullptr;
  if (!row) {
    const bool numbered = l.opset != 0;
    b.fail({ErrorCode::unsupported, who + " is " + (numbered ? "a layer of opset" + to_string(l.opset) : "of the set '" + l.version + "'") + " that saha does not know", "cut the model before it: the tensors that it reads can be outputs"});
    return Vals(n);
  }
  for (std::size_t i = 0; i < row->needs; ++i)
    if (i >= in.size() || !in[i]) { b.fail({ErrorCode::invalid_model, who + " has no operand " + to_string(i)}); return Vals(n); }
  if (b.failed()) return Vals(n);
  Site s{b, c, l, *row, std::move(in), who, int(n)};
  ir::Name keep = std::exchange(b.origin, ir::make_name(l.name));
  Vals y = row->read ? row->read(s) : b.ops(row->op, s.in, s.listed(), int(n));
  b.origin = std::move(keep);
  y.resize(n);
  return y;
}

Result<ir::TypeRef> parameter_type(const Layer& l, const std::string& name, bool first, bool half_is_float) {
  const std::string who = "Parameter '" + l.name + "'";
  const std::string* element = find(l.data, "element_type");
  auto t = dtype_from(element ? *element : "f32");
  if (!t || *t == DType::none) return Error{ErrorCode::unsupported, who + " has element type '" + shown(*element) + "', which is not taken"};
  if (*t == DType::f16 && half_is_float) t = DType::f32;
  const std::string* shape = find(l.data, "shape");
  std::string_view rest = shape ? std::string_view(*shape) : std::string_view();
  if (rest == "...") return ir::unranked_type(*t);
  std::vector<ir::Dim> dims;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    std::string_view one = rest.substr(0, comma);
    rest = comma == rest.npos ? std::string_view() : rest.substr(comma + 1);
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    const auto n = integer(one);
    const bool free = one == "?" || one == "-1" || one.find("..") != one.npos;
    if ((!free && (!n || *n < 0)) || dims.size() >= 64) return Error{ErrorCode::invalid_model, who + " has shape '" + shape->substr(0, 100) + "'"};
    dims.push_back(free ? ir::Dim::symbol(dims.empty() && first ? "N" : name + "." + to_string(dims.size())) : ir::Dim(*n));
  }
  return ir::tensor_type(*t, std::move(dims));
}

std::vector<Val> read_net_into(const Net& n, op::Builder& b, Context& c, const std::function<Val(const Layer&)>& parameter) {
  std::vector<Vals> made(n.layers.size());
  std::vector<Val> r(n.layers.size());
  for (std::size_t i = 0; i < n.layers.size() && !b.failed(); ++i) {
    const Layer& l = n.layers[i];
    Vals in;
    for (const From& f : l.in) in.push_back(f.layer < 0 ? Val{} : made[std::size_t(f.layer)][std::size_t(f.port)]);
    if (l.type == "Parameter") made[i] = {parameter(l)};
    else if (l.type == "Constant") {
      auto t = c.constant(l);
      if (!t) { b.fail(std::move(t.error())); break; }
      std::string name = l.out.empty() || l.out[0].names.empty() ? l.name : l.out[0].names[0];
      Val v = b.constant(std::move(*t), std::move(name));
      if (c.half_is_float && b.type(v).dtype == DType::f16) v = b.op("Cast", {v}, {{"to", std::int64_t(DType::f32)}});
      made[i] = {v};
    } else if (l.type == "Result") {
      if (in.empty() || !in[0]) { b.fail({ErrorCode::invalid_model, "Result '" + l.name + "' reads nothing"}); break; }
      r[i] = in[0];
      made[i] = {in[0]};
    } else {
      made[i] = read_layer(l, std::move(in), b, c);
      if (b.failed()) break;
      for (std::size_t k = 0; k < l.out.size(); ++k) {
        Val v = made[i][k];
        if (!v || b.graph()[v.id].name || !b.producer(v)) continue;
        if (!l.out[k].names.empty()) b.rename(v, l.out[k].names[0]);
        else if (l.out.size() == 1) b.rename(v, l.name);
      }
    }
    made[i].resize(std::max(made[i].size(), std::max<std::size_t>(l.out.size(), 1)));
  }
  return r;
}

}  // namespace saha::openvino
