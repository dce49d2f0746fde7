// .xml and .bin -> ir::Model: Constants come from the weights, Parameters are inputs, each other layer what its row says (layers.hpp).
#include <algorithm>
#include <filesystem>
#include <set>

#include "formats/openvino/layers.hpp"
#include "passes/simplify.hpp"
#include "system/file.hpp"

namespace saha::openvino {
namespace {
using std::to_string;

Error invalid(std::string what) { return {ErrorCode::invalid_model, std::move(what)}; }

struct Weights {
  std::span<const std::byte> bytes;
  std::shared_ptr<std::byte[]> keep;   ///< null: tensors copy
  bool present = false;
};
/// `taken`: bytes of all Constants so far.
Result<Tensor> constant(const Layer& l, const Weights& w, const Limits& limits, std::int64_t& taken) {
  const std::string who = "Constant '" + l.name + "'";
  auto attribute = [&](const char* name) { const std::string* v = find(l.data, name); return v ? *v : std::string(); };
  auto t = dtype_from(attribute("element_type"));
  if (!t || *t == DType::none) return Error{ErrorCode::unsupported, who + " has element type '" + shown(attribute("element_type")) + "', which is not taken"};
  auto dims = integers(attribute("shape"));
  auto offset = integer(attribute("offset")), size = integer(attribute("size"));
  if (!dims || !checked_elements(*dims) || dims->size() > 64) return invalid(who + " has shape '" + attribute("shape").substr(0, 100) + "'");
  if (!offset || !size || *offset < 0 || *size < 0) return invalid(who + " has offset '" + shown(attribute("offset")) + "' and size '" + shown(attribute("size")) + "'");
  const auto have = std::int64_t(w.bytes.size());
  if (!w.present && *size > 0) return invalid(who + " has its elements in a .bin file, which is not there");
  if (*offset > have || *size > have - *offset) return invalid(who + " wants " + to_string(*size) + " bytes at " + to_string(*offset) + " of a .bin file of " + to_string(have));
  taken += *size;
  if (taken - (std::int64_t{1} << 26) > have * limits.shared) return invalid("the Constants up to '" + l.name + "' want " + to_string(taken) + " bytes of a .bin file of " + to_string(have));
  const std::byte* at = w.bytes.data() + *offset;
  const std::int64_t n = *checked_elements(*dims);
  if (*t == DType::string) {   // how many, as many offsets and one for the end, all int32; then the characters
    auto word = [&](std::int64_t i) { std::int32_t v = 0; std::copy_n(at + 4 * i, 4, reinterpret_cast<std::byte*>(&v)); return std::int64_t(v); };
    if (*size < 8 || word(0) != n || n > *size / 4 - 2) return invalid(who + " of " + to_string(n) + " strings is damaged");
    const std::int64_t start = 4 * (n + 2);
    std::vector<std::string> text;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t from = word(1 + i), to = word(2 + i);
      if (from < 0 || to < from || to > *size - start) return invalid(who + " of " + to_string(n) + " strings is damaged");
      text.emplace_back(reinterpret_cast<const char*>(at) + start + from, std::size_t(to - from));
    }
    return Tensor::of_strings(*dims, std::move(text));
  }
  const std::int64_t needed = storage_bytes(*t, n);   // OpenVINO writes one byte for what has no elements
  if (needed != *size && (needed || *size > 1)) return invalid(who + " " + std::string(saha::name(*t)) + str(*dims) + " needs " + to_string(needed) + " bytes, its size is " + to_string(*size));
  const auto aligned = std::size_t(std::max(bits(*t) / 8, 1));
  if (w.keep && needed && reinterpret_cast<std::uintptr_t>(at) % aligned == 0) {
    Tensor x;
    x.dtype = *t;
    x.dims = *dims;
    x.data = {w.keep, w.keep.get() + *offset};
    return x;
  }
  SAHA_TRY(Tensor x, Tensor::make(*t, *dims));
  std::copy_n(at, needed, x.data.get());
  return x;
}

Result<ir::Model> model(const Net& net, const Weights& weights, const Limits& limits) {
  ir::Model m;
  m.format = "OpenVINO";
  m.name = net.name;
  m.ir_version = net.version;
  m.opsets[""] = 21;   // the first with all that is said here; other engines know it
  for (const auto& [path, value] : net.rt_info) if (m.metadata.size() < 1000) m.metadata[path.starts_with(kOwn) ? path : "openvino." + path] = value;
  op::Builder b;
  Context c;
  c.limits = limits;
  c.half_is_float = net.version == 10;
  c.top = &b;
  std::int64_t bytes = 0;
  c.constant = [&](const Layer& l) { return constant(l, weights, limits, bytes); };
  std::map<std::int64_t, Val> inputs;   // by id of the layer: they stand in the order of the file
  std::set<std::string> taken;
  auto tensor_name = [](const Layer& l, std::size_t port) {
    if (port < l.out.size() && !l.out[port].names.empty()) return l.out[port].names[0];
    return l.out.size() < 2 ? l.name : l.name + "." + to_string(port);
  };
  auto unique = [&](std::string wish) {
    std::string name = wish;
    for (int k = 1; !taken.insert(name).second; ++k) name = wish + "_" + to_string(k);
    return name;
  };
  for (const Layer& l : net.layers) {
    if (l.type != "Parameter") continue;
    if (l.out.size() != 1) return invalid("Parameter '" + l.name + "' has " + to_string(l.out.size()) + " output ports");
    const std::string name = unique(tensor_name(l, 0));
    SAHA_TRY(auto type, parameter_type(l, name, inputs.empty(), c.half_is_float));
    if (const std::string* shape = find(l.data, "shape"); shape && shape->find("..") != shape->npos && *shape != "...") m.metadata["openvino.shape." + name] = *shape;
    inputs[l.id] = b.input(std::move(type), name);
  }
  std::vector<Val> made = read_net_into(net, b, c, [&](const Layer& l) { return inputs[l.id]; });
  Vals out;
  auto hand_out = [&](Val y, const std::string& wish) {
    const bool own = b.producer(y) && std::none_of(out.begin(), out.end(), [&](Val x) { return x.id == y.id; });
    if (!own) y = b.op("Identity", {y});
    b.rename(y, unique(wish));
    out.push_back(y);
  };
  for (std::size_t i = 0; i < net.layers.size() && !b.failed(); ++i) {
    const Layer& l = net.layers[i];
    if (l.type != "Result") continue;
    const From& f = l.in[0];
    hand_out(made[i], !l.output_names.empty() ? l.output_names[0] : tensor_name(net.layers[std::size_t(f.layer)], std::size_t(f.port)));
  }
  for (auto& [id, state] : c.states) {
    if (b.failed()) break;
    if (!state.next) { c.note("state '" + id + "' is read and never written: it is an input"); continue; }
    hand_out(state.next, id + "_next");
    c.note("state '" + id + "' is an input and, as it is after the run, the output '" + std::string(*b.graph()[out.back().id].name) + "'; it starts as the file's initial value, zero where there is none");
  }
  if (b.error()) return Error(*b.error());
  if (out.empty()) return invalid("the model has no Result");
  SAHA_TRY(const ir::Graph read, std::move(b).build(out));
  static const std::vector<std::string> kOnly = {"remove_dead"};   // where several layers are read as one node, what they were read as before is left over
  SAHA_TRY(auto used, passes::simplify(read, {}, {}, kOnly));
  m.graph = std::move(used.graph);
  m.notes = std::move(c.notes);
  return m;
}
Result<ir::Model> guarded(std::span<const std::byte> xml, const Weights& weights, const Limits& limits) {
  try {
    SAHA_TRY(Net net, read_net(xml, limits));
    return model(net, weights, limits);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::out_of_memory, "no memory to import the model"};
  }
}
}  // namespace

Result<ir::Model> import_bytes(std::span<const std::byte> xml, std::span<const std::byte> weights, const Limits& limits, std::shared_ptr<std::byte[]> keep) {
  return guarded(xml, {weights, std::move(keep), true}, limits);
}
Result<ir::Model> import_file(const std::string& path, const Limits& limits) {
  SAHA_TRY(auto xml, system::map_file(path));
  const std::filesystem::path beside = std::filesystem::path(path).replace_extension(".bin");
  Weights w;
  std::error_code missing;
  if (std::filesystem::exists(beside, missing) && beside != std::filesystem::path(path)) {
    SAHA_TRY(auto bin, system::map_file(beside));
    w = {bin.bytes(), bin.data, true};
  }
  auto m = guarded(xml.bytes(), w, limits);
  if (!m) {
    if (m.error().message.find(".bin file") != std::string::npos && m.error().help.empty()) m.error().help = std::string("its elements lie in '") + beside.string() + "', which " + (w.present ? "has " + to_string(w.bytes.size()) + " bytes" : std::string("is not there"));
    return std::move(m.error()).within(path);
  }
  return m;
}

}  // namespace saha::openvino
