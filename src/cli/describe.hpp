#pragma once
// What --preprocess, --labels and --shape say, and what a bundle says of the same.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bundle/bundle.hpp"
#include "cli/command.hpp"
#include "data/preprocess.hpp"
#include "ir/graph.hpp"
#include "measure/inputs.hpp"

namespace saha::cli {

/// The value of --preprocess. Fails (invalid_file) naming the step.
Result<data::Preprocess> steps_of(const std::string& json);
/// The lines of a file.
Result<std::vector<std::string>> labels_of(const std::string& file);
/// Whether `labels` names fit outputs of so many classes; a model that is no classifier, which gives none, takes any. Fails with `code`, naming both numbers.
Result<> labels_fit(std::size_t labels, const std::vector<std::int64_t>& classes, ErrorCode code);

/// Each --shape NAME=DIMS; a name that is given again keeps its last.
Result<measure::Shapes> shapes_of(const Args& args);
/// The graph with these shapes for the inputs that they name. Fails where a name is none of the inputs or a fixed dim differs.
Result<ir::Graph> with_shapes(const ir::Graph& graph, const measure::Shapes& shapes);

/// What a manifest says of an input's preparation and of the classes; empty where it says nothing.
Result<data::Preprocess> stored_steps(const nlohmann::ordered_json& manifest, const std::string& input);
std::vector<std::string> stored_labels(const nlohmann::ordered_json& manifest);

/// A bundle in lines for 'saha inspect': sections, plans and whether this machine starts from one, labels, evidence.
Result<std::string> bundle_text(const bundle::Bundle& b);

}  // namespace saha::cli
