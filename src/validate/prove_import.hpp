#pragma once
// A VNN-LIB property as a *.req.yaml: its inputs as fields, its outputs as named components, its cases as what may not be.
#include <string>
#include <string_view>

#include "ir/graph.hpp"
#include "verify/vnnlib.hpp"

namespace saha::validate {

/// The text of a requirement file for the network that the property speaks of; `id` names the requirement. Numbers are those of the file to the last
/// bit. Fails (unsupported) where there are more than 4096 inputs or outputs, or a case is longer than an assertion may be, and (invalid_argument)
/// where the network's numbers of inputs and outputs are others.
Result<std::string> requirements_of(const verify::Vnnlib& property, const ir::Graph& network, std::string_view id);

}  // namespace saha::validate
