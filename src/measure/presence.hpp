#pragma once
// Which engines are here, and which of them run a given model: each asked in a process of its own.
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace saha::measure {

struct Presence {
  std::string backend, sentence;
  bool here = false;
  std::string version;
  std::string reason, help;            ///< where it is not here, or does not run the model
  std::optional<bool> runs;            ///< asked with a model only
  std::string precision;
  std::vector<std::string> notes;
  int layers = 0, fast = 0;            ///< of the engine's program, and those with a kernel of their own; 0: the engine does not say
};

/// The sentence of an error for a line that begins with the engine's name, which it does not repeat.
std::string why_not(std::string_view backend, const Error& error);

/// One row per engine of the registry. With a model, each that is here also loads it and runs it once, on random inputs.
Result<std::vector<Presence>> presence(const std::string& model = {});

}  // namespace saha::measure
