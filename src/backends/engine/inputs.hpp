#pragma once
// What every foreign engine checks before a run, so that a wrong input is named by saha and not by the engine.
#include <span>

#include "runtime/backend.hpp"

namespace saha::engine {

/// As many values as ports, each of the port's kind and dtype, with its rank and fixed dims.
Result<> check_inputs(std::span<const runtime::Port> ports, std::span<const Datum> in);

/// The same buffers with the same dims as those that are bound already.
bool same_buffers(std::span<const Datum> bound, std::span<const Datum> in);

}  // namespace saha::engine
