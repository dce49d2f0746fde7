#pragma once
// A graph beside the one that it was made from: both run through the references on random inputs.
#include "measure/difference.hpp"
#include "measure/inputs.hpp"

namespace saha::measure {

/// What all runs of a comparison may take together: four runs of ResNet-50, or some 20 s. A model of unknown origin can ask for any work.
inline constexpr double kCompareSteps = 0x1p34;

struct Comparison {
  Difference worst;
  int inputs = 0;             ///< on how many
  Shapes shapes;              ///< of the inputs, where they have free dims
  std::string not_compared;   ///< why the last input was not; empty: all were
};
/// On up to `samples` inputs from seed, seed + 1, .. at the shapes that `given` leaves open. Fails where the result does not run and the
/// original does. What takes more than `steps` is left out, and `not_compared` says so.
Result<Comparison> compare(const ir::Graph& original, const ir::Graph& result, const Shapes& given, std::int64_t samples, std::uint64_t seed, double steps = kCompareSteps);

}  // namespace saha::measure
