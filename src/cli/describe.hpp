#pragma once
// What --preprocess and --labels say, and what a bundle says of the same.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bundle/bundle.hpp"
#include "data/preprocess.hpp"

namespace saha::cli {

/// The value of --preprocess. Fails (invalid_file) naming the step.
Result<data::Preprocess> steps_of(const std::string& json);
/// The lines of a file.
Result<std::vector<std::string>> labels_of(const std::string& file);

/// What a manifest says of an input's preparation and of the classes; empty where it says nothing.
Result<data::Preprocess> stored_steps(const nlohmann::ordered_json& manifest, const std::string& input);
std::vector<std::string> stored_labels(const nlohmann::ordered_json& manifest);

/// A bundle in lines for 'saha inspect': sections, plans and whether this machine starts from one, labels, evidence.
Result<std::string> bundle_text(const bundle::Bundle& b);

}  // namespace saha::cli
