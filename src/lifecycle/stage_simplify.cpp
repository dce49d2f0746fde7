// Simplified, and compared with the original before anything uses it.
#include "base/figures.hpp"
#include "formats/onnx/onnx.hpp"
#include "lifecycle/picture.hpp"
#include "lifecycle/stages.hpp"
#include "measure/compare.hpp"
#include "passes/simplify.hpp"

namespace saha::lifecycle {
namespace fs = std::filesystem;
namespace {
constexpr double kSimplifyTolerance = 1e-5;   // of max |diff| over max(1, largest |reference|), random inputs
}  // namespace

Result<> Pipeline::simplify() {
  const Variant& original = variants_[0];
  Json inputs{{"model", original.sha256}, {"without", c_.without}, {"fold_limit", c_.fold_limit}};
  auto make = [&](const fs::path& folder) -> Result<Json> {
    passes::Options options;
    options.fold_limit = c_.fold_limit;
    auto own = original.model.opsets.find("");
    if (own != original.model.opsets.end()) options.opset = own->second;
    // The result is compared with the original before it is used; what random values do not show, the test set shows below.
    auto compared = [&](const std::vector<std::string>& without) -> Result<std::pair<passes::Simplified, measure::Comparison>> {
      SAHA_TRY(auto simple, passes::simplify(original.model.graph, options, without));
      SAHA_TRY(auto comparison, measure::compare(original.model.graph, simple.graph, {}, 4, c_.seed));
      return std::pair(std::move(simple), std::move(comparison));
    };
    SAHA_TRY(auto both, compared(c_.without));
    // A pass may reorder roundings more than is allowed, as where a mean far from 0 is folded into a product: then it is left out, and that is said.
    const double all_passes = both.second.worst.relative;
    std::string left_out;
    const std::vector<passes::PassResult> ran = both.first.passes;
    for (const auto& p : ran) {
      if (both.second.worst.relative <= kSimplifyTolerance) break;
      std::vector<std::string> without = c_.without;
      without.push_back(p.name);
      SAHA_TRY(both, compared(without));
      left_out = p.name;
    }
    const measure::Difference worst = both.second.worst;
    if (worst.relative > kSimplifyTolerance) return Error{ErrorCode::internal, "the simplified model differs from the original by " + figures::significant(all_passes, 3) + " where " + figures::significant(kSimplifyTolerance, 3) + " is allowed, whichever pass is left out"};
    const auto& [simple, comparison] = both;
    ir::Model m = original.model;
    m.graph = simple.graph;
    std::string path = (folder / "model.onnx").string();
    SAHA_DO(onnx::export_file(m, path));
    Json passes = Json::array();
    for (const auto& p : simple.passes) passes.push_back({{"name", p.name}, {"before", p.before}, {"after", p.after}, {"seconds", p.seconds}});
    std::error_code e;
    return Json{{"before", operator_counts(original.model.graph)}, {"after", operator_counts(m.graph)}, {"nodes_before", ir::count_nodes(original.model.graph)}, {"nodes_after", ir::count_nodes(m.graph)},
                {"bytes_before", original.bytes}, {"bytes_after", fs::file_size(path, e)}, {"passes", passes}, {"compared_on", comparison.inputs}, {"max_difference", worst.absolute}, {"max_relative", worst.relative}, {"left_out", left_out.empty() ? Json() : Json{{"pass", left_out}, {"relative", all_passes}}}};
  };
  SAHA_TRY(Stored s, stage("simplify", 1, inputs, make, [](const Json& j) {
    return std::to_string(j["nodes_before"].get<std::int64_t>()) + " -> " + std::to_string(j["nodes_after"].get<std::int64_t>()) + " nodes; max |diff| " + figures::significant(j["max_difference"].get<double>(), 3) + " on " + figures::counted(j["compared_on"].get<std::int64_t>(), "random input") +
           (j.contains("left_out") && !j["left_out"].is_null() ? "; without " + j["left_out"]["pass"].get<std::string>() + ", with which the difference is " + figures::significant(j["left_out"]["relative"].get<double>(), 3) : "");
  }));
  SAHA_TRY(Variant v, load("float32", s.folder / "model.onnx"));
  report_["simplify"] = s.result;
  report_["graph"] = {{"before", picture(original.model.graph)}, {"after", picture(v.model.graph)}};
  variants_.push_back(std::move(v));
  return {};
}

}  // namespace saha::lifecycle
