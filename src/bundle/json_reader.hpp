#pragma once
// JSON (RFC 8259) of a manifest. nlohmann's own parser is two of them, with and without a callback: a fifth of what a runtime has beside its kernels.
#include <optional>
#include <string_view>

#include "bundle/bundle.hpp"

namespace saha::bundle {

inline constexpr int kMostJsonDepth = 128;

/// What Json::parse(text) gives; nothing where that fails, where values are nested deeper than kMostJsonDepth, or a number is beyond those of double. The last of equal keys holds.
std::optional<Json> read_json(std::string_view text);

}  // namespace saha::bundle
