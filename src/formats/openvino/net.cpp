// XML <-> Net. Ports, edges and ids are checked here, so that nothing above meets a dangling one. Document types are refused: IR has none, and
// with them go entities of the file's own.
#include "formats/openvino/net.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <pugixml.hpp>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

namespace saha::openvino {
namespace {
using std::to_string;
using pugi::xml_node;

Error invalid(std::string what) { return {ErrorCode::invalid_model, std::move(what)}; }
std::string_view trimmed(std::string_view s) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

// The four layer types that the file spells in its own way.
constexpr std::pair<std::string_view, std::string_view> kSpelling[] = {{"Const", "Constant"}, {"PReLU", "PRelu"}, {"ReLU", "Relu"}, {"SoftMax", "Softmax"}};

struct TypeName { DType dtype; std::string_view element, precision; };
constexpr TypeName kTypes[] = {
    {DType::f32, "f32", "FP32"}, {DType::f16, "f16", "FP16"}, {DType::bf16, "bf16", "BF16"}, {DType::f64, "f64", "FP64"},
    {DType::i8, "i8", "I8"}, {DType::i16, "i16", "I16"}, {DType::i32, "i32", "I32"}, {DType::i64, "i64", "I64"}, {DType::i4, "i4", "I4"},
    {DType::u8, "u8", "U8"}, {DType::u16, "u16", "U16"}, {DType::u32, "u32", "U32"}, {DType::u64, "u64", "U64"}, {DType::u4, "u4", "U4"}, {DType::u2, "u2", "U2"},
    {DType::boolean, "boolean", "BOOL"}, {DType::string, "string", "STRING"}, {DType::f8e4m3fn, "f8e4m3", "F8E4M3"}, {DType::f8e5m2, "f8e5m2", "F8E5M2"},
    {DType::f4e2m1, "f4e2m1", "F4E2M1"}, {DType::f8e8m0, "f8e8m0", "F8E8M0"}, {DType::none, "dynamic", "UNSPECIFIED"},
};

/// Names separated by commas; a comma within one is "\,".
std::vector<std::string> names_in(std::string_view text) {
  std::vector<std::string> r;
  std::string one;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == ',') { one += ','; ++i; continue; }
    if (text[i] != ',') { one += text[i]; continue; }
    if (!one.empty()) r.push_back(std::move(one));
    one.clear();
  }
  if (!one.empty()) r.push_back(std::move(one));
  return r;
}
std::string names_out(const std::vector<std::string>& names) {
  std::string r;
  for (const std::string& n : names) {
    if (!r.empty()) r += ',';
    for (char c : n) { if (c == ',') r += '\\'; r += c; }
  }
  return r;
}

class Reader {
 public:
  explicit Reader(const Limits& limits) : limits_(limits) {}
  Result<Net> net(xml_node root, int depth);

 private:
  Result<Layer> layer(xml_node x, int depth);
  Result<Inner> inner(xml_node x, std::string role, int depth);
  static Result<std::int64_t> number_of(xml_node x, const char* attribute, const std::string& who);
  void rt_info(xml_node x, const std::string& path, Data& out, int depth);
  const Limits& limits_;
  std::int64_t layers_ = 0;
};

Result<std::int64_t> Reader::number_of(xml_node x, const char* attribute, const std::string& who) {
  const std::string_view text = x.attribute(attribute).value();
  if (auto v = integer(text)) return *v;
  return invalid(who + ": " + attribute + " is '" + shown(text) + "', a whole number is needed");
}

void Reader::rt_info(xml_node x, const std::string& path, Data& out, int depth) {
  if (depth > 16) return;
  for (xml_node c : x.children()) {
    if (c.type() != pugi::node_element || out.size() > 10'000) continue;
    const std::string here = path.empty() ? c.name() : path + "/" + c.name();
    if (auto v = c.attribute("value"); v && std::string_view(c.name()) != "info") out.emplace_back(here, v.value());
    rt_info(c, here, out, depth + 1);
  }
}

Result<Layer> Reader::layer(xml_node x, int depth) {
  Layer l;
  l.name = x.attribute("name").value();
  l.type = x.attribute("type").value();
  for (auto [file, page] : kSpelling) if (l.type == file) l.type = page;
  SAHA_DO(check_name(l.name, "the layer"));
  SAHA_DO(check_name(l.type, "layer '" + l.name + "': the type"));
  const std::string who = (l.type.empty() ? "layer" : l.type) + " '" + l.name + "'";
  SAHA_TRY(l.id, number_of(x, "id", who));
  if (l.type.empty()) return invalid("layer " + to_string(l.id) + " '" + l.name + "' has no type");
  l.version = x.attribute("version").value();
  SAHA_DO(check_name(l.version, who + ": the version"));
  if (l.version.rfind("opset", 0) == 0) l.opset = int(std::clamp<std::int64_t>(integer(std::string_view(l.version).substr(5)).value_or(0), 0, 1000));
  for (pugi::xml_attribute a : x.child("data").attributes()) {
    SAHA_DO(check_name(a.name(), who + ": the attribute"));
    l.data.emplace_back(a.name(), trimmed(a.value()));
  }
  l.output_names = names_in(x.attribute("output_names").value());
  for (const std::string& n : l.output_names) SAHA_DO(check_name(n, who + ": the name of an output"));
  for (const char* side : {"input", "output"})
    for (xml_node p : x.child(side).children("port")) {
      Port port;
      SAHA_TRY(port.id, number_of(p, "id", who + ", a port of its " + side));
      if (std::int64_t(l.in_ids.size() + l.out.size()) >= limits_.ports) return invalid(who + " has more than " + to_string(limits_.ports) + " ports");
      if (side[0] == 'i') {
        l.in_ids.push_back(port.id);
        continue;
      }
      port.precision = p.attribute("precision").value();
      port.names = names_in(p.attribute("names").value());
      for (const std::string& n : port.names) SAHA_DO(check_name(n, who + ": the name of a port"));
      SAHA_DO(check_name(port.precision, who + ": the precision of a port"));
      for (xml_node d : p.children("dim")) {
        auto v = integer(trimmed(d.child_value()));
        if (!v || *v < -1 || port.dims.size() >= 64) return invalid(who + ": dim '" + shown(d.child_value()) + "' of port " + to_string(port.id));
        port.dims.push_back(*v);
      }
      l.out.push_back(std::move(port));
    }
  std::unordered_set<std::int64_t> seen;
  for (std::int64_t id : l.in_ids) if (!seen.insert(id).second) return invalid(who + " has two ports " + to_string(id));
  for (const Port& p : l.out) if (!seen.insert(p.id).second) return invalid(who + " has two ports " + to_string(p.id));
  l.in.resize(l.in_ids.size());
  for (xml_node a : x.child("rt_info").children("attribute")) if (l.rt_info.size() < 100) l.rt_info.emplace_back(a.attribute("name").value(), a.attribute("value").value());
  for (const char* role : {"", "then_", "else_"}) {
    if (!x.child((std::string(role) + "body").c_str())) continue;
    if (depth >= limits_.depth) return invalid(who + ": bodies stand in each other deeper than " + to_string(limits_.depth));
    auto body = inner(x, role, depth);
    if (!body) return std::move(body.error()).within(who);
    l.inner.push_back(std::move(*body));
  }
  return l;
}

Result<Inner> Reader::inner(xml_node x, std::string role, int depth) {
  Inner r;
  SAHA_TRY(r.net, net(x.child((role + "body").c_str()), depth + 1));
  auto layer_of = [&](std::int64_t id, std::string_view type) {
    return std::any_of(r.net.layers.begin(), r.net.layers.end(), [&](const Layer& l) { return l.id == id && l.type == type; });
  };
  for (xml_node p : x.child((role + "port_map").c_str()).children()) {
    const std::string_view kind = p.name();
    if (kind != "input" && kind != "output") continue;
    if (std::int64_t(r.map.size()) >= limits_.ports) return invalid("its port map has more than " + to_string(limits_.ports) + " lines");
    Mapped m;
    m.input = kind == "input";
    const std::string who = "its port map";
    SAHA_TRY(m.external, number_of(p, "external_port_id", who));
    SAHA_TRY(m.internal, number_of(p, "internal_layer_id", who));
    m.purpose = p.attribute("purpose").value();
    if (!layer_of(m.internal, m.input ? "Parameter" : "Result")) return invalid("its port map names layer " + to_string(m.internal) + " of the body, which is no " + (m.input ? "Parameter" : "Result"));
    if (p.attribute("axis")) {
      SAHA_TRY(m.axis, number_of(p, "axis", who));
      for (auto [name, to] : {std::pair{"start", &m.start}, {"end", &m.end}, {"stride", &m.stride}, {"part_size", &m.part_size}})
        if (p.attribute(name)) { SAHA_TRY(*to, number_of(p, name, who)); }
    }
    r.map.push_back(std::move(m));
  }
  for (xml_node e : x.child("back_edges").children("edge")) {
    if (!role.empty() || std::int64_t(r.back_edges.size()) >= limits_.ports) break;
    SAHA_TRY(auto from, number_of(e, "from-layer", "a back edge"));
    SAHA_TRY(auto to, number_of(e, "to-layer", "a back edge"));
    if (!layer_of(from, "Result") || !layer_of(to, "Parameter")) return invalid("a back edge leads from layer " + to_string(from) + " to " + to_string(to) + " of the body, which are no Result and Parameter");
    r.back_edges.emplace_back(from, to);
  }
  r.role = std::move(role);
  return r;
}

Result<Net> Reader::net(xml_node root, int depth) {
  Net n;
  n.name = root.attribute("name").value();
  SAHA_DO(check_name(n.name, "the net"));
  std::unordered_map<std::int64_t, std::size_t> row;
  for (xml_node x : root.child("layers").children("layer")) {
    if (++layers_ > limits_.layers) return invalid("the model has more than " + to_string(limits_.layers) + " layers");
    SAHA_TRY(auto l, layer(x, depth));
    if (!row.emplace(l.id, n.layers.size()).second) return invalid(l.type + " '" + l.name + "' has id " + to_string(l.id) + ", which '" + n.layers[row[l.id]].name + "' has, too");
    n.layers.push_back(std::move(l));
  }
  auto describe = [&](std::size_t i) { return n.layers[i].type + " '" + n.layers[i].name + "'"; };
  std::vector<std::vector<std::size_t>> readers(n.layers.size());
  std::vector<std::size_t> waits(n.layers.size(), 0);
  for (xml_node e : root.child("edges").children("edge")) {
    std::int64_t at[4];
    const char* const names[] = {"from-layer", "from-port", "to-layer", "to-port"};
    for (int i = 0; i < 4; ++i) { SAHA_TRY(at[i], number_of(e, names[i], "an edge")); }
    auto from = row.find(at[0]), to = row.find(at[2]);
    if (from == row.end() || to == row.end()) return invalid("an edge leads from layer " + to_string(at[0]) + " to layer " + to_string(at[2]) + "; there is no layer " + to_string(from == row.end() ? at[0] : at[2]));
    Layer &source = n.layers[from->second], &target = n.layers[to->second];
    auto out = std::find_if(source.out.begin(), source.out.end(), [&](const Port& p) { return p.id == at[1]; });
    if (out == source.out.end()) return invalid(describe(from->second) + " has no output port " + to_string(at[1]) + ", which " + describe(to->second) + " reads");
    auto in = std::find(target.in_ids.begin(), target.in_ids.end(), at[3]);
    if (in == target.in_ids.end()) return invalid(describe(to->second) + " has no input port " + to_string(at[3]) + ", to which an edge from " + describe(from->second) + " leads");
    From& f = target.in[std::size_t(in - target.in_ids.begin())];
    if (f.layer >= 0) return invalid(describe(to->second) + ": two edges lead to port " + to_string(at[3]));
    f = {int(from->second), int(out - source.out.begin())};
    readers[from->second].push_back(to->second);
    ++waits[to->second];
  }
  // File order, but no layer before one that it reads.
  std::vector<std::size_t> order, place(n.layers.size());
  for (std::size_t i = 0; i < n.layers.size(); ++i) {
    if (waits[i]) continue;
    std::vector<std::size_t> ready = {i};
    waits[i] = ~std::size_t{0};
    while (!ready.empty()) {
      const std::size_t k = ready.back();
      ready.pop_back();
      place[k] = order.size();
      order.push_back(k);
      for (std::size_t r : readers[k])
        if (--waits[r] == 0 && r < i) {   // a later one waits for its turn in the file
          waits[r] = ~std::size_t{0};
          ready.push_back(r);
        }
    }
  }
  for (std::size_t i = 0; i < n.layers.size(); ++i)
    if (waits[i] != ~std::size_t{0}) return invalid(describe(i) + " reads, over others, its own result");
  std::vector<Layer> sorted;
  for (std::size_t k : order) {
    for (From& f : n.layers[k].in) if (f.layer >= 0) f.layer = int(place[std::size_t(f.layer)]);
    sorted.push_back(std::move(n.layers[k]));
  }
  n.layers = std::move(sorted);
  rt_info(root.child("rt_info"), "", n.rt_info, 0);
  return n;
}

// ---- writing -----------------------------------------------------------------------------------------------------------------
void write_data(xml_node x, const Data& data) {
  for (const auto& [name, value] : data) x.append_attribute(name.c_str()).set_value(value.c_str());
}
void write_port(xml_node x, std::size_t id, const Port& p, bool with_names) {
  xml_node q = x.append_child("port");
  q.append_attribute("id").set_value(static_cast<unsigned long long>(id));
  q.append_attribute("precision").set_value(p.precision.c_str());
  if (with_names && !p.names.empty()) q.append_attribute("names").set_value(names_out(p.names).c_str());
  for (std::int64_t d : p.dims) q.append_child("dim").text().set(static_cast<long long>(d));
}
void write_body(xml_node x, const Net& n);
void write_layer(xml_node x, const Net& n, std::size_t row) {
  const Layer& l = n.layers[row];
  x.append_attribute("id").set_value(static_cast<unsigned long long>(row));
  x.append_attribute("name").set_value(l.name.c_str());
  std::string_view type = l.type;
  for (auto [file, page] : kSpelling) if (l.type == page) type = file;
  x.append_attribute("type").set_value(std::string(type).c_str());
  x.append_attribute("version").set_value(("opset" + to_string(l.opset)).c_str());
  if (!l.output_names.empty()) x.append_attribute("output_names").set_value(names_out(l.output_names).c_str());
  if (!l.data.empty()) write_data(x.append_child("data"), l.data);
  for (const Inner& i : l.inner) {
    xml_node map = x.append_child((i.role + "port_map").c_str());
    for (const Mapped& m : i.map) {
      xml_node q = map.append_child(m.input ? "input" : "output");
      auto put = [&](const char* name, std::int64_t v) { q.append_attribute(name).set_value(static_cast<long long>(v)); };
      if (m.axis) put("axis", *m.axis);
      put("external_port_id", m.external);
      put("internal_layer_id", m.internal);
      if (m.axis) { put("start", m.start); put("end", m.end); put("stride", m.stride); put("part_size", m.part_size); }
      if (!m.purpose.empty()) q.append_attribute("purpose").set_value(m.purpose.c_str());
    }
    if (!i.role.empty()) continue;
    xml_node back = x.append_child("back_edges");
    for (auto [from, to] : i.back_edges) {
      xml_node e = back.append_child("edge");
      e.append_attribute("from-layer").set_value(static_cast<long long>(from));
      e.append_attribute("to-layer").set_value(static_cast<long long>(to));
    }
  }
  if (!l.rt_info.empty()) {
    xml_node info = x.append_child("rt_info");
    for (const auto& [name, value] : l.rt_info) {
      xml_node a = info.append_child("attribute");
      a.append_attribute("name").set_value(name.c_str());
      a.append_attribute("version").set_value("0");
      if (!value.empty()) a.append_attribute("value").set_value(value.c_str());
    }
  }
  if (!l.in.empty()) {
    xml_node in = x.append_child("input");
    for (std::size_t i = 0; i < l.in.size(); ++i) write_port(in, i, n.layers[std::size_t(l.in[i].layer)].out[std::size_t(l.in[i].port)], false);
  }
  if (!l.out.empty()) {
    xml_node out = x.append_child("output");
    for (std::size_t k = 0; k < l.out.size(); ++k) write_port(out, l.in.size() + k, l.out[k], true);
  }
  for (const Inner& i : l.inner) write_body(x.append_child((i.role + "body").c_str()), i.net);
}
void write_rt_info(xml_node x, const Data& info) {
  for (const auto& [path, value] : info) {
    xml_node at = x;
    std::stringstream parts(path);
    for (std::string part; std::getline(parts, part, '/');) {
      xml_node next = at.child(part.c_str());
      at = next ? next : at.append_child(part.c_str());
    }
    if (at != x && !at.attribute("value")) at.append_attribute("value").set_value(value.c_str());
  }
}
void write_body(xml_node x, const Net& n) {
  xml_node layers = x.append_child("layers"), edges = x.append_child("edges");
  for (std::size_t i = 0; i < n.layers.size(); ++i) {
    write_layer(layers.append_child("layer"), n, i);
    for (std::size_t k = 0; k < n.layers[i].in.size(); ++k) {
      const From& f = n.layers[i].in[k];
      xml_node e = edges.append_child("edge");
      const Layer& source = n.layers[std::size_t(f.layer)];
      e.append_attribute("from-layer").set_value(f.layer);
      e.append_attribute("from-port").set_value(static_cast<unsigned long long>(source.in.size() + std::size_t(f.port)));
      e.append_attribute("to-layer").set_value(static_cast<unsigned long long>(i));
      e.append_attribute("to-port").set_value(static_cast<unsigned long long>(k));
    }
  }
  write_rt_info(x.append_child("rt_info"), n.rt_info);
}
}  // namespace

const std::string* find(const Data& data, std::string_view name) {
  for (const auto& [n, v] : data) if (n == name) return &v;
  return nullptr;
}
std::optional<DType> dtype_from(std::string_view element) {
  for (const TypeName& t : kTypes) if (t.element == element) return t.dtype;
  return {};
}
std::string_view element_type(DType d) {
  for (const TypeName& t : kTypes) if (t.dtype == d) return t.element;
  return {};
}
std::string_view precision(DType d) {
  for (const TypeName& t : kTypes) if (t.dtype == d) return t.precision;
  return {};
}
std::optional<std::int64_t> integer(std::string_view text) {
  text = trimmed(text);
  std::int64_t v = 0;
  auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (fault != std::errc() || end != text.data() + text.size()) return {};
  return v;
}
std::optional<double> number(std::string_view text) {
  text = trimmed(text);
  double v = 0;
  auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (fault != std::errc() || end != text.data() + text.size()) return {};
  return v;
}
std::optional<std::vector<std::int64_t>> integers(std::string_view text) {
  std::vector<std::int64_t> r;
  text = trimmed(text);
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    auto v = integer(text.substr(0, comma));
    if (!v || r.size() > 1'000'000) return {};
    r.push_back(*v);
    if (comma == text.npos) break;
    text = trimmed(text.substr(comma + 1));
    if (text.empty()) return {};
  }
  return r;
}
std::string join(const std::vector<std::int64_t>& v) {
  std::string r;
  for (std::int64_t x : v) r += (r.empty() ? "" : ",") + to_string(x);
  return r;
}

bool is_openvino(std::span<const std::byte> bytes) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 4096));
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  for (;;) {
    text = trimmed(text);
    const bool declaration = text.substr(0, 2) == "<?", comment = text.substr(0, 4) == "<!--", type = text.substr(0, 2) == "<!";
    if (!declaration && !comment && !type) break;
    const std::string_view close = declaration ? "?>" : comment ? "-->" : ">";
    const std::size_t end = text.find(close);
    if (end == text.npos) return false;
    text.remove_prefix(end + close.size());
  }
  return text.substr(0, 4) == "<net" && text.size() > 4 && !std::isalnum(static_cast<unsigned char>(text[4]));
}

Result<Net> read_net(std::span<const std::byte> xml, const Limits& limits) {
  if (std::int64_t(xml.size()) > limits.xml_bytes) return invalid("the file has " + to_string(xml.size()) + " bytes, at most " + to_string(limits.xml_bytes) + " are read");
  pugi::xml_document doc;
  auto parsed = doc.load_buffer(xml.data(), xml.size(), pugi::parse_default | pugi::parse_doctype);
  if (parsed.status == pugi::status_out_of_memory) return Error{ErrorCode::out_of_memory, "no memory for the XML of the model"};
  if (!parsed) return invalid("the XML is damaged at byte " + to_string(parsed.offset) + ": " + parsed.description());
  for (xml_node c : doc.children()) if (c.type() == pugi::node_doctype) return invalid("the file states a document type, which an IR never has");
  xml_node root = doc.child("net");
  if (!root) return invalid("the file has no element <net>");
  const std::int64_t version = integer(root.attribute("version").value()).value_or(0);
  if (version != 10 && version != 11)
    return Error{ErrorCode::unsupported, "the file is IR version '" + std::string(root.attribute("version").value()).substr(0, 20) + "', versions 10 and 11 are read",
                 version > 0 && version < 10 ? "convert the model again with OpenVINO 2020.1 or newer" : ""};
  SAHA_TRY(Net n, Reader(limits).net(root, 0));
  n.version = int(version);
  return n;
}
std::string write_net(const Net& n) {
  pugi::xml_document doc;
  xml_node declaration = doc.append_child(pugi::node_declaration);
  declaration.append_attribute("version").set_value("1.0");
  xml_node root = doc.append_child("net");
  root.append_attribute("name").set_value(n.name.c_str());
  root.append_attribute("version").set_value(n.version);
  write_body(root, n);
  std::stringstream out;
  doc.save(out, "\t", pugi::format_default, pugi::encoding_utf8);
  return std::move(out).str();
}

}  // namespace saha::openvino
