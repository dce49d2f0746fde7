#pragma once
// The lint of premises: a conjunction of conditions on input fields that no point of the domain meets.
#include <optional>
#include <string>

#include "validate/check.hpp"

namespace saha::validate {

struct EmptyPremise {
  Place place;      ///< the condition that empties it
  std::string why;  ///< "the premise never holds: rpm >= 3000 1/min lies outside its domain [1168, 2886]"
};

/// Only what intervals of single fields show; nothing where the premise may hold.
std::optional<EmptyPremise> empty_premise(const Expr& premise, const Scope& scope);

}  // namespace saha::validate
