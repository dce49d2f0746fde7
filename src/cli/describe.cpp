#include "cli/describe.hpp"

#include <algorithm>

#include "base/figures.hpp"
#include "kernels/contract.hpp"
#include "passes/specialize.hpp"
#include "runtime/stored_plan.hpp"
#include "system/file.hpp"

namespace saha::cli {

Result<data::Preprocess> steps_of(const std::string& json) {
  auto p = data::Preprocess::parse(json);
  if (!p) return Error{ErrorCode::invalid_file, "--preprocess: " + p.error().message};
  return p;
}
Result<std::vector<std::string>> labels_of(const std::string& file) {
  SAHA_TRY(const std::string text, system::read_text(file));
  std::vector<std::string> labels(1);
  for (char c : text) if (c == '\n') labels.emplace_back(); else if (c != '\r') labels.back() += c;
  if (labels.back().empty()) labels.pop_back();
  return labels;
}
Result<> labels_fit(std::size_t labels, const std::vector<std::int64_t>& classes, ErrorCode code) {
  const auto given = std::int64_t(labels);
  if (classes.empty() || std::ranges::find(classes, given) != classes.end()) return {};
  const bool background = std::ranges::find(classes, given + 1) != classes.end();
  return Error{code, figures::counted(given, "label") + (given == 1 ? " is" : " are") + " given, the model has " + std::to_string(background ? given + 1 : classes[0]) + " classes",
               std::string("a labels file has a line for each class") + (background ? ": class 0 may be a background, which needs a line of its own" : "")};
}

Result<measure::Shapes> shapes_of(const Args& args) {
  measure::Shapes shapes;
  for (const std::string& s : args.all("shape")) {
    SAHA_TRY(auto named, measure::parse_shape(s));
    shapes[named.first] = std::move(named.second);
  }
  return shapes;
}
Result<ir::Graph> with_shapes(const ir::Graph& graph, const measure::Shapes& shapes) {
  if (shapes.empty()) return graph;
  SAHA_DO(measure::input_dims(graph, shapes));  // names and fixed dims fit
  std::vector<ir::TypeRef> types;
  for (ir::ValueId v : graph.inputs()) {
    const auto it = shapes.find(graph.name(v));
    types.push_back(it == shapes.end() ? ir::TypeRef{} : ir::tensor_type(graph.type(v).dtype, {it->second.begin(), it->second.end()}));
  }
  return passes::specialize(graph, types);
}

Result<data::Preprocess> stored_steps(const nlohmann::ordered_json& manifest, const std::string& input) {
  const auto all = manifest.find("preprocess");
  if (all == manifest.end() || !all->is_object() || !all->contains(input)) return data::Preprocess();
  auto p = data::Preprocess::parse((*all)[input].dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  if (!p) return Error{ErrorCode::invalid_model, "the manifest's preprocess." + input + ": " + p.error().message};
  return p;
}
std::vector<std::string> stored_labels(const nlohmann::ordered_json& manifest) {
  std::vector<std::string> labels;
  const auto list = manifest.find("labels");
  if (list != manifest.end() && list->is_array()) for (const auto& l : *list) labels.push_back(bundle::text_of(l));
  return labels;
}

Result<std::string> bundle_text(const bundle::Bundle& b) {
  const bundle::Json& m = b.manifest();
  const auto text = [](const bundle::Json& j, const char* key) {
    const std::string t = bundle::text_of(j, key);
    return t.empty() ? std::string("?") : t;
  };
  SAHA_TRY(const auto plans, runtime::stored_plans(b));
  const auto isa = kernels::detect_isa();
  std::string s = "  bundle  by saha " + text(m, "saha") + ", " + figures::counted(std::int64_t(b.sections().size()), "section") + ", all sound:";
  for (const auto& section : b.sections()) s += (&section == b.sections().data() ? " " : ", ") + section.name + " " + figures::column::bytes(double(section.bytes));
  s += "\n";
  bool fast = false;
  for (const auto& p : plans) {
    std::string levels, shapes;
    for (const auto& l : p.levels) levels += (levels.empty() ? "" : ", ") + l;
    for (const Dims& d : p.inputs) shapes += (shapes.empty() ? "" : ", ") + str(d);
    const bool here = p.fits(isa);
    fast |= here;
    s += "  plan    for " + levels + " and inputs " + shapes + (here ? ": this machine starts from it" : p.kernels != kernels::fingerprint() ? ": of another build of saha" : ": not this machine's level, " + std::string(kernels::name(isa))) + "\n";
  }
  if (m.contains("unplanned") && m["unplanned"].is_array()) for (const auto& u : m["unplanned"]) s += "  no plan for " + text(u, "level") + ": " + text(u, "reason") + "\n";
  if (!fast) s += "  start   from the model, whose plan is made each time" + std::string(plans.empty() ? "" : "; saha convert on this machine stores one") + "\n";
  if (const auto labels = stored_labels(m); !labels.empty()) s += "  labels  " + figures::grouped(double(labels.size())) + ": " + labels.front() + (labels.size() > 1 ? " .. " + labels.back() : "") + "\n";
  // Of a group what is a number or a text is shown, of what is nested the name.
  for (const char* key : {"preprocess", "reject", "metrics", "tuned", "evidence"}) {
    if (!m.contains(key) || !m[key].is_object() || m[key].empty()) continue;
    std::string line;
    for (const auto& [name, value] : m[key].items()) {
      line += (line.empty() ? "" : ", ") + name;
      if (value.is_primitive()) line += " " + (value.is_string() ? bundle::text_of(value) : value.dump());
    }
    s += "  " + std::string(key) + "  " + line + "; --json shows all\n";
  }
  return s;
}

}  // namespace saha::cli
