#include "cli/subjects.hpp"

#include <algorithm>
#include <map>

#include "base/figures.hpp"
#include "cli/describe.hpp"
#include "data/npy.hpp"
#include "formats/formats.hpp"
#include "measure/inputs.hpp"
#include "passes/specialize.hpp"
#include "system/file.hpp"
#include "system/hash.hpp"
#include "verify/networks.hpp"

namespace saha::cli {
namespace {
Result<Subject> read_model(const std::string& file) {
  Subject s;
  s.file = file;
  if (file.ends_with(".gz")) {
    SAHA_TRY(const auto packed, system::read_bytes(file));
    auto bytes = data::gunzip(packed);
    if (!bytes) return std::move(bytes.error()).within(file);
    SAHA_TRY(s.model, formats::import_bytes(*bytes));
    s.packed = true;
  } else {
    SAHA_TRY(s.model, formats::import_file(file));
  }
  return s;
}

/// Free dims become those of `shapes`, else those that the property declares for the input, else 1.
Result<> fix_shapes(Subject& s, const std::vector<verify::Port>& declared, measure::Shapes shapes) {
  const ir::Graph& g = s.model.graph;
  for (std::size_t i = 0; i < g.inputs().size() && i < declared.size(); ++i) {
    const ir::Type& t = g.type(g.inputs()[i]);
    const Dims& shape = declared[i].shape;
    bool fits = t.is_tensor() && !ir::is_static(t) && (!t.ranked || t.dims.size() == shape.size());
    for (std::size_t d = 0; fits && t.ranked && d < shape.size(); ++d) fits = t.dims[d].known().value_or(shape[d]) == shape[d];
    if (fits) shapes.try_emplace(std::string(g.name(g.inputs()[i])), shape);
  }
  SAHA_TRY(s.inputs, measure::input_dims(g, shapes));
  std::vector<ir::TypeRef> types;
  bool free = false;
  for (std::size_t i = 0; i < s.inputs.size(); ++i) {
    const ir::Type& t = g.type(g.inputs()[i]);
    free |= !ir::is_static(t);
    types.push_back(ir::is_static(t) ? ir::TypeRef{} : ir::tensor_type(t.dtype, {s.inputs[i].begin(), s.inputs[i].end()}));
  }
  if (free) { SAHA_TRY(s.model.graph, passes::specialize(g, types)); }
  return {};
}

std::string listed(const ir::Graph& g, std::span<const ir::ValueId> values) {
  std::string s;
  for (ir::ValueId v : values) s += (s.empty() ? "" : ", ") + ("'" + std::string(g.name(v)) + "' ") + ir::str(g.type(v));
  return s;
}

/// The property speaks of `said` elements of these values, as the tensors `ports`, if it declares any.
Result<> match(const Subject& s, std::span<const ir::ValueId> values, std::string_view what, std::int64_t said, const std::vector<verify::Port>* ports, const std::string& property) {
  const ir::Graph& g = s.model.graph;
  std::int64_t elements = 0;
  std::vector<std::int64_t> sizes;
  for (ir::ValueId id : values) {
    const ir::Type& t = g.type(id);
    if (!t.is_tensor() || !ir::is_static(t)) return Error{ErrorCode::unsupported, s.file + ": " + std::string(what) + " '" + std::string(g.name(id)) + "' is " + ir::str(t) + "; properties are of tensors of known size"};
    sizes.push_back(1);
    for (const ir::Dim& d : t.dims) sizes.back() *= *d.known();
    elements += sizes.back();
  }
  auto wrong = [&](std::string message) { return Error{ErrorCode::invalid_argument, property + message}; };
  if (elements != said) return wrong(" has " + figures::counted(said, what) + ", " + s.file + " has " + std::to_string(elements) + " (" + listed(g, values) + ")");
  if (!ports) return {};
  if (ports->size() != values.size()) return wrong(" declares " + figures::counted(std::int64_t(ports->size()), std::string(what) + " tensor") + ", " + s.file + " has " + std::to_string(values.size()) + " (" + listed(g, values) + ")");
  for (std::size_t i = 0; i < values.size(); ++i) {
    const verify::Port& p = (*ports)[i];
    if (num_elements(p.shape) != sizes[i]) return wrong(" declares " + std::string(what) + " '" + p.name + "' as " + str(p.shape) + ", in " + s.file + " it is " + ir::str(g.type(values[i])));
    if (!p.onnx.empty() && p.onnx != g.name(values[i])) return wrong(" says that " + std::string(what) + " '" + p.name + "' is '" + p.onnx + "', in " + s.file + " that place has '" + std::string(g.name(values[i])) + "'");
  }
  return {};
}
}  // namespace

Result<Subjects> read_models(const Args& args, const std::string& model, const std::string& property, const verify::Vnnlib& v) {
  std::map<std::string, std::string> files;
  for (const std::string& text : args.all("network")) {
    const auto eq = text.find('=');
    const std::string name = text.substr(0, eq);
    auto network = std::ranges::find(v.networks, name, &verify::Network::name);
    if (eq == std::string::npos) return Error{ErrorCode::invalid_file, "--network is '" + text + "', NAME=FILE is taken"};
    if (network == v.networks.end()) return Error{ErrorCode::invalid_file, "--network " + text + ": " + property + " declares no network '" + name + "'"};
    if (network == v.networks.begin()) return Error{ErrorCode::invalid_file, "--network " + text + ": '" + name + "' is the first network, which is MODEL"};
    if (network->equal) return Error{ErrorCode::invalid_file, "--network " + text + ": '" + name + "' is declared equal to '" + network->like + "'"};
    files[name] = text.substr(eq + 1);
  }
  Subjects s;
  const std::size_t count = std::max<std::size_t>(1, v.networks.size());
  s.models.reserve(count);
  for (std::size_t k = 0; k < count; ++k) {
    const verify::Network* n = v.networks.empty() ? nullptr : &v.networks[k];
    if (n && n->equal) {
      s.model_of.push_back(s.model_of[std::size_t(std::ranges::find(v.networks, n->like, &verify::Network::name) - v.networks.begin())]);
    } else {
      if (k > 0 && !files.contains(n->name)) return Error{ErrorCode::invalid_file, "network '" + n->name + "' of " + property + " has no model", "--network " + n->name + "=FILE"};
      SAHA_TRY(auto subject, read_model(k == 0 ? model : files[n->name]));
      measure::Shapes shapes;
      if (k == 0) { SAHA_TRY(shapes, shapes_of(args)); }
      SAHA_DO(fix_shapes(subject, n ? n->inputs : std::vector<verify::Port>(), shapes));
      s.model_of.push_back(s.models.size());
      s.models.push_back(std::move(subject));
    }
    const Subject& m = s.models[s.model_of.back()];
    auto declared = [](const std::vector<verify::Port>& ports) {
      std::int64_t all = 0;
      for (const verify::Port& p : ports) all += num_elements(p.shape);
      return all;
    };
    SAHA_DO(match(m, m.model.graph.inputs(), "input", n ? declared(n->inputs) : v.elements(), n ? &n->inputs : nullptr, property));
    SAHA_DO(match(m, m.model.graph.outputs(), "output", n ? declared(n->outputs) : v.property.outputs, n ? &n->outputs : nullptr, property));
  }
  if (count == 1 && v.input_of.empty()) {
    s.graph = s.models[0].model.graph;
  } else {
    std::vector<const ir::Graph*> graphs;
    for (std::size_t m : s.model_of) graphs.push_back(&s.models[m].model.graph);
    SAHA_TRY(s.graph, verify::side_by_side(graphs, v.input_of));
  }
  return s;
}

Result<std::string> models_sha256(const Subjects& s) {
  std::string all;
  for (const Subject& m : s.models) {
    SAHA_TRY(const std::string one, system::sha256_file(m.file));
    all += (all.empty() ? "" : "+") + one;
  }
  return all;
}

}  // namespace saha::cli
