#pragma once
// The level `prove`: a requirement about points becomes queries, one for each sample or choice of values, whose answers make its verdict. A
// counterexample counts only where it lies in the region and breaks the assertion when the models that ship are run on it.
#include "validate/pointwise.hpp"

namespace saha::validate {

/// The assertion speaks of points, and the level is `prove`, or none is stated and the points are more than samples: a region, all of the domain.
bool asks_for_proof(const Requirement& r, const Scope& scope);

/// The timeout is shared: each query gets its part of what is left, and those that stay open get once more what the others left over.
PointVerdict prove(const Requirement& r, const std::string& model, const Scope& scope, Recall& recall);

}  // namespace saha::validate
