// Constants are stored once for all plans that hold the same bytes; each set of levels that shares some has a section of its own, so that no level reads another's.
#include "backends/native/pack.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "backends/native/network.hpp"
#include "kernels/contract.hpp"
#include "plan/stored.hpp"
#include "system/hash.hpp"

namespace saha::native {
namespace {
using bundle::Json;

struct Made {
  kernels::Isa level;
  const std::vector<Dims>* inputs;
  std::shared_ptr<const runtime::LoadedPlan> loaded;
  std::vector<std::size_t> constants;   ///< rows of Constants::all
};

/// What is in the plans' constants, each content once.
class Constants {
 public:
  std::size_t add(const Tensor& t, kernels::Isa level) {
    const std::string_view bytes(reinterpret_cast<const char*>(t.data.get()), std::size_t(t.bytes()));
    auto [it, added] = rows_.emplace(bytes, all_.size());
    if (added) all_.push_back({bytes, {}, {}});
    all_[it->second].levels.insert(level);
    return it->second;
  }
  /// Lays them out. Constants that all `levels` use are in the section "weights", others in "weights/<levels>".
  void place(std::size_t levels) {
    std::map<std::set<kernels::Isa>, std::uint32_t> by_levels;
    for (Row& row : all_) {
      auto [it, added] = by_levels.emplace(row.levels, std::uint32_t(parts_.size()));
      if (added) parts_.push_back({name(row.levels, levels), {}, 4096});
      auto& bytes = parts_[it->second].bytes;
      bytes.resize((bytes.size() + plan::kConstantAlign - 1) / plan::kConstantAlign * plan::kConstantAlign);
      row.place = {it->second, bytes.size()};
      const auto* b = reinterpret_cast<const std::byte*>(row.bytes.data());
      bytes.insert(bytes.end(), b, b + row.bytes.size());
    }
    for (auto& p : parts_) p.bytes.resize(p.bytes.size() + plan::kConstantSlack);
  }
  plan::Place place_of(std::size_t row) const { return all_[row].place; }
  std::vector<bundle::Part>& parts() { return parts_; }

 private:
  struct Row {
    std::string_view bytes;
    std::set<kernels::Isa> levels;
    plan::Place place;
  };
  static std::string name(const std::set<kernels::Isa>& some, std::size_t all) {
    std::string s = "weights";
    if (some.size() == all) return s;
    for (kernels::Isa level : some) s += (s == "weights" ? "/" : "+") + std::string(kernels::name(level));
    return s;
  }
  std::vector<Row> all_;
  std::map<std::string_view, std::size_t> rows_;
  std::vector<bundle::Part> parts_;
};

Result<std::shared_ptr<const runtime::LoadedPlan>> plan_of(const ir::Graph& graph, kernels::Isa level, const std::vector<Dims>& dims, const std::shared_ptr<const Picker>& picker) {
  const auto network = Network::make(graph, level, picker);
  std::vector<Datum> values;
  for (std::size_t i = 0; i < dims.size(); ++i) values.emplace_back(Tensor{network->inputs()[i].dtype, dims[i], nullptr, nullptr});
  std::vector<const Datum*> in;
  for (const Datum& d : values) in.push_back(&d);
  SAHA_TRY(auto loaded, network->plan_for(in));
  if (std::string why = plan::unstorable(loaded->plan); !why.empty()) return Error{ErrorCode::unsupported, std::move(why)};
  plan::Plan copy = loaded->plan;   // what a reader will check
  SAHA_DO(runtime::bind(copy, level));
  return loaded;
}
}  // namespace

Result<> keep(const bundle::Bundle& from, PackOptions& options) {
  static constexpr std::string_view kOwn[] = {"schema", "saha", "name", "inputs", "outputs", "model", "plans", "unplanned", "sections"};
  for (const auto& [key, value] : from.manifest().items())
    if (std::ranges::find(kOwn, key) == std::end(kOwn) && !options.about.contains(key)) options.about[key] = value;
  for (const bundle::Section& s : from.sections()) {
    if (bundle::is_known(s.name)) continue;
    SAHA_TRY(const auto bytes, from.section(s.name));
    options.parts.push_back({s.name, {bytes.begin(), bytes.end()}, s.offset % 4096 ? 64u : 4096u, s.required});
  }
  return {};
}

Result<Packed> pack(const ir::Model& model, std::string_view file, const PackOptions& options) {
  const std::vector<kernels::Isa> levels = options.levels.empty() ? std::vector{kernels::detect_isa()} : options.levels;
  for (const auto& dims : options.shapes)
    if (dims.size() != model.graph.inputs().size()) return Error{ErrorCode::invalid_argument, "shapes of " + std::to_string(dims.size()) + " inputs were given, the model has " + std::to_string(model.graph.inputs().size())};
  Packed packed;
  Json m{{"schema", "saha.bundle/1"}, {"saha", SAHA_VERSION}, {"name", model.name}};
  for (auto [key, values] : {std::pair{"inputs", model.graph.inputs()}, {"outputs", model.graph.outputs()}}) {
    m[key] = Json::array();
    for (const runtime::Port& p : ports(model.graph, values)) m[key].push_back(runtime::json_of(p));
  }
  for (const auto& [key, value] : options.about.items()) m[key] = value;
  m["model"] = {{"format", model.format}, {"bytes", file.size()}, {"sha256", system::sha256_hex(file)}};
  const ir::Graph graph = runnable(model.graph);
  std::vector<Made> made;
  Constants constants;
  m["unplanned"] = Json::array();
  for (const kernels::Isa level : levels)
    for (const auto& dims : options.shapes) {
      auto loaded = plan_of(graph, level, dims, options.picker);
      if (!loaded) {
        m["unplanned"].push_back({{"level", kernels::name(level)}, {"inputs", dims}, {"reason", loaded.error().message}});
        packed.notes.push_back("no plan is stored for level " + std::string(kernels::name(level)) + ": " + loaded.error().message + "; it is made at each start");
        continue;
      }
      made.push_back({level, &dims, std::move(*loaded), {}});
      for (const Tensor& t : made.back().loaded->plan.constants) made.back().constants.push_back(constants.add(t, level));
    }
  std::set<kernels::Isa> planned;
  for (const Made& x : made) planned.insert(x.level);
  constants.place(planned.size());
  std::vector<bundle::Part> parts;
  m["plans"] = Json::array();
  for (const Made& x : made) {
    std::vector<plan::Place> places;
    std::vector<std::uint32_t> used;   // of the sections of weights, as the plan counts them
    for (std::size_t row : x.constants) {
      plan::Place p = constants.place_of(row);
      auto at = std::ranges::find(used, p.section);
      if (at == used.end()) at = used.insert(used.end(), p.section);
      p.section = std::uint32_t(at - used.begin());
      places.push_back(p);
    }
    Json weights = Json::array();
    for (std::uint32_t s : used) weights.push_back(constants.parts()[s].name);
    std::vector<std::byte> bytes = plan::write(x.loaded->plan, places);
    const auto same = std::ranges::find_if(m["plans"], [&](const Json& j) { return j["inputs"] == Json(*x.inputs) && j["weights"] == weights && std::ranges::find(parts, j["section"].get<std::string>(), &bundle::Part::name)->bytes == bytes; });
    if (same != m["plans"].end()) {
      (*same)["levels"].push_back(kernels::name(x.level));
      continue;
    }
    const std::string section = "plan/" + std::to_string(parts.size());
    m["plans"].push_back({{"section", section}, {"levels", {kernels::name(x.level)}}, {"inputs", *x.inputs}, {"weights", weights}, {"arena_bytes", x.loaded->plan.arena_bytes}, {"kernels", kernels::fingerprint()}});
    parts.push_back({section, std::move(bytes)});
  }
  for (auto& p : constants.parts()) parts.push_back(std::move(p));
  for (const auto& p : options.parts) parts.push_back(p);
  const auto* b = reinterpret_cast<const std::byte*>(file.data());
  parts.push_back({"model", {b, b + file.size()}});
  packed.bytes = bundle::write(std::move(m), parts);
  return packed;
}

}  // namespace saha::native
