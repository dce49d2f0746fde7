#pragma once
// The list of engines: one row each, in the order in which they are listed and measured.
#include <span>
#include <string_view>

#include "runtime/backend.hpp"

namespace saha::backends {

/// native first: every ratio is to it.
std::span<const runtime::BackendInfo> all();

/// Fails with this code, listing the names, where no engine has the name.
Result<> known(std::string_view name, ErrorCode code = ErrorCode::invalid_file);

/// Opens the engine of that name. An unknown name is an error that lists the names; a missing engine's error says how to get it.
Result<std::unique_ptr<runtime::Backend>> open(std::string_view name);

}  // namespace saha::backends
