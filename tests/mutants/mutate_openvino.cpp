// Attributes and elements of OpenVINO IR that lie. A sound one is the .xml, a zero byte, the .bin.
#include <algorithm>
#include <initializer_list>
#include <vector>

#include "tests/mutants/mutate.hpp"

namespace saha::mutants {
namespace {
struct Site {
  std::string xml, bin;
  Random& random;

  /// Places where `what` begins.
  std::vector<std::size_t> all(std::string_view what) const {
    std::vector<std::size_t> r;
    for (std::size_t at = xml.find(what); at != std::string::npos; at = xml.find(what, at + 1)) r.push_back(at);
    return r;
  }
  /// Any place where `what` begins; npos: there is none.
  std::size_t any(std::string_view what) {
    const auto places = all(what);
    return places.empty() ? std::string::npos : places[random() % places.size()];
  }
  /// One value of one of these attributes becomes another.
  void attribute(std::initializer_list<std::string_view> names, const std::string& value) {
    for (std::size_t turn = random() % names.size(), i = 0; i < names.size(); ++i) {
      const std::string begin = " " + std::string(names.begin()[(turn + i) % names.size()]) + "=\"";
      const std::size_t at = any(begin);
      if (at == std::string::npos) continue;
      const std::size_t from = at + begin.size();
      xml.replace(from, xml.find('"', from) - from, value);
      return;
    }
  }
  /// From a place to the end of that element, which holds none of its kind in the sound file's own layout.
  std::string_view element(std::size_t at, std::string_view end) const {
    const std::size_t to = xml.find(end, at);
    return to == std::string::npos ? std::string_view() : std::string_view(xml).substr(at, to + end.size() - at);
  }
  std::string number() { return random() % 8 ? std::to_string(hostile(random)) : random() % 2 ? "1e999" : "x"; }
  std::string numbers() {
    std::string r = number();
    for (std::uint64_t i = random() % 5; i; --i) r += "," + std::to_string(random() % 4 ? std::int64_t(random() % 5) : hostile(random));
    return r;
  }
};

void extents(Site& s) {
  const std::size_t at = s.any("<dim>");
  if (at != std::string::npos) s.xml.replace(at + 5, s.xml.find('<', at + 5) - at - 5, s.number());
}
void shape(Site& s) { s.attribute({"shape"}, s.numbers()); }
void types(Site& s) {
  constexpr const char* kTypes[] = {"f32", "f16", "i64", "u8", "i4", "u1", "boolean", "string", "bf16", "f64", "dynamic", "nf4", ""};
  s.attribute({"element_type", "precision", "destination_type", "output_type"}, kTypes[s.random() % std::size(kTypes)]);
}
void data_outside(Site& s) { s.attribute({"offset", "size"}, s.number()); }
void data_elsewhere(Site& s) { s.attribute({"offset"}, std::to_string(s.random() % (s.bin.size() + 64))); }
void data_short(Site& s) { s.bin.resize(s.random() % (s.bin.size() + 9)); }
void data_values(Site& s) {
  if (s.bin.size() < 8) return;
  const std::int64_t v = hostile(s.random);
  s.bin.replace(s.random() % (s.bin.size() / 8) * 8, 8, reinterpret_cast<const char*>(&v), 8);
}
void data_floats(Site& s) {
  constexpr float all[] = {0, -1, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e-45f, 3e38f};
  if (s.bin.size() < 4) return;
  const float v = all[s.random() % std::size(all)];
  s.bin.replace(s.random() % (s.bin.size() / 4) * 4, 4, reinterpret_cast<const char*>(&v), 4);
}
void ids(Site& s) { s.attribute({"id", "from-layer", "from-port", "to-layer", "to-port"}, s.random() % 2 ? s.number() : std::to_string(s.random() % 64)); }
void windows(Site& s) { s.attribute({"strides", "dilations", "pads_begin", "pads_end", "kernel", "output_padding"}, s.numbers()); }
void options(Site& s) {
  s.attribute({"axis", "levels", "hidden_size", "group", "batch_dims", "index", "mode", "auto_pad", "auto_broadcast", "special_zero", "keep_dims", "transpose_a", "direction", "activations", "clip", "eps", "rounding_type"},
              s.random() % 3 ? s.numbers() : "none");
}
void bodies(Site& s) { s.attribute({"external_port_id", "internal_layer_id", "axis", "start", "end", "stride", "part_size", "purpose"}, s.number()); }
void another_layer(Site& s) {
  constexpr const char* kTypes[] = {"Loop", "TensorIterator", "If", "Result", "Parameter", "Const", "ReadValue", "Assign", "LSTMSequence", "NonMaxSuppression", "TopK", "StridedSlice", "Interpolate", "FakeQuantize", "Reshape", "Nothing", ""};
  s.attribute({"type"}, kTypes[s.random() % std::size(kTypes)]);
}
void opset(Site& s) { s.attribute({"version"}, s.random() % 2 ? "opset" + s.number() : s.number()); }
void again(Site& s, std::string_view begin, std::string_view end) {
  const std::size_t at = s.any(begin);
  if (at == std::string::npos) return;
  const std::string e(s.element(at, end));
  s.xml.insert(at, e);
}
void gone(Site& s, std::string_view begin, std::string_view end) {
  const std::size_t at = s.any(begin);
  if (at != std::string::npos) s.xml.erase(at, s.element(at, end).size());
}
void layer_again(Site& s) { again(s, "<layer ", "</layer>"); }
void layer_gone(Site& s) { gone(s, "<layer ", "</layer>"); }
void edge_gone(Site& s) { gone(s, "<edge ", "/>"); }
void edge_again(Site& s) { again(s, "<edge ", "/>"); }
void port_gone(Site& s) { gone(s, "<port ", "</port>"); }
void ends_cross(Site& s) {   // an edge reads what only follows it: a cycle
  const std::size_t a = s.any("<edge ");
  if (a == std::string::npos) return;
  std::string e(s.element(a, "/>"));
  for (const auto& [from, to] : {std::pair("from-", "@-"), std::pair("to-", "from-"), std::pair("@-", "to-")})
    for (std::size_t at = e.find(from); at != std::string::npos; at = e.find(from, at + 3)) e.replace(at, std::string_view(from).size(), to);
  s.xml.insert(a, e);
}
void deep(Site& s) {
  const std::size_t at = s.any("<layer ");
  if (at == std::string::npos) return;
  std::string in, out;
  for (std::uint64_t i = s.random() % 4000; i; --i) in += "<body><layers>", out += "</layers></body>";
  s.xml.insert(at, in + out);
}
void names(Site& s) { s.attribute({"name", "names", "output_names"}, s.random() % 2 ? "\xff\x01&#10;" : std::string(std::size_t(s.random() % 100'000), 'n')); }

constexpr struct { const char* name; void (*change)(Site&); } kFields[] = {
    {"extents of a port", extents}, {"shape", shape}, {"types", types}, {"data outside", data_outside}, {"data elsewhere", data_elsewhere}, {"short data", data_short}, {"values", data_values}, {"floats", data_floats},
    {"ids", ids}, {"windows", windows}, {"options", options}, {"bodies", bodies}, {"another layer", another_layer}, {"operator set", opset}, {"a layer twice", layer_again}, {"no such layer", layer_gone},
    {"no edge", edge_gone}, {"an edge twice", edge_again}, {"no port", port_gone}, {"a cycle", ends_cross}, {"depth", deep}, {"wild names", names}};
}  // namespace

std::optional<Mutant> openvino_mutant(const std::string& sound, Random& random) {
  const std::size_t end = sound.find('\0');
  if (!sound.starts_with("<?xml") || end == std::string::npos) return {};
  Site s{sound.substr(0, end), sound.substr(end + 1), random};
  const auto& kind = kFields[random() % std::size(kFields)];
  for (std::uint64_t i = random() % 3; i <= 2; ++i) kind.change(s);
  return Mutant{kind.name, s.xml + '\0' + s.bin};
}

}  // namespace saha::mutants
