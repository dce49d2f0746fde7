#pragma once
// What a model file says of the steps that were folded into it: an entry of its metadata, so that a folded file needs no option.
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "data/preprocess.hpp"

namespace saha::front {

/// Origins of nodes that stand for steps begin so: "saha.preprocess.2.scale".
inline constexpr std::string_view kOrigin = "saha.preprocess.";

/// Of an input: the steps as they were given, and those that remain in front of the graph.
struct Stated {
  data::Preprocess steps, outside;
};
/// Key "saha.preprocess", {"x": {"steps": [..], "outside": [..]}}; what it says of other inputs stays.
void state(std::map<std::string, std::string>& metadata, const std::string& input, const Stated& stated);
/// Nothing where the metadata says nothing of the input. Fails (invalid_model) where it says what is no list of steps.
Result<std::optional<Stated>> stated(const std::map<std::string, std::string>& metadata, const std::string& input);

}  // namespace saha::front
