#pragma once
// Bounds of the elements that ReLUs read, each by a branch and bound of its own over the signs of the ReLUs before it, as mixed integer programs are used elsewhere (Tjeng et al. 2019).
// Dearer than one ascent, and worth it where the main search is long: all its sub-problems stand on these bounds, and those of each layer on those of the layers before.
#include "verify/ascent.hpp"
#include "verify/problem.hpp"

namespace saha::verify {

/// Tightens root's bounds, layer by layer, until `until` seconds of the watch, on the crew's threads. `record`, if not null: certificates of the bounds are appended. True: some bound is better.
bool hidden_bounds(const Problem& problem, Watch& watch, Sweep& root, Crew& crew, double until, Writer* record);

}  // namespace saha::verify
