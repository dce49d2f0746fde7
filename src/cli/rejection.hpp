#pragma once
// How a bundle says that answers are rejected: the key `reject` of its manifest (docs/bundle.md).
#include <nlohmann/json.hpp>
#include <optional>

#include "validate/calibrated.hpp"

namespace saha::cli {

/// Nothing where the manifest says none. Fails (invalid_model) where what it says makes no sense.
Result<std::optional<validate::Rejector>> stored_rejector(const nlohmann::ordered_json& manifest);

}  // namespace saha::cli
