#include "measure/compare.hpp"

#include <algorithm>

#include "op/op_def.hpp"

namespace saha::measure {
namespace {
constexpr double kStepsPerInput = 16;   // of an element that the generator makes

/// random_inputs, taken from the budget.
Result<std::vector<Datum>> inputs(const ir::Graph& g, const Shapes& shapes, std::uint64_t seed, op::Budget& budget) {
  SAHA_TRY(auto dims, input_dims(g, shapes));
  double elements = 0;
  for (const Dims& d : dims) {
    auto n = checked_elements(d);
    if (!n) return Error{ErrorCode::out_of_memory, "an input of shape " + str(d) + " is too large"};
    elements += double(*n);
  }
  if (kStepsPerInput * elements > budget.steps) return Error{ErrorCode::cancelled, "the inputs have " + std::to_string(std::int64_t(elements)) + " elements: making and running them takes too long"};
  budget.steps -= kStepsPerInput * elements;
  return random_inputs(g, shapes, seed);
}
}  // namespace

Result<Comparison> compare(const ir::Graph& original, const ir::Graph& result, const Shapes& given, std::int64_t samples, std::uint64_t seed, double steps) {
  Comparison r;
  r.shapes = given;
  if (samples == 0) return r;
  op::Budget budget{steps};
  auto run = [&](const ir::Graph& g, const std::vector<Datum>& in) { return op::run(g, std::span<const Datum>(in), &budget); };
  r.shapes = fitting_shapes(original, given, [&](const Shapes& tried) {
    auto in = inputs(original, tried, seed, budget);
    return in && run(original, *in);
  });
  for (std::int64_t i = 0; i < samples; ++i) {
    auto in = inputs(original, r.shapes, seed + std::uint64_t(i), budget);
    if (!in) { r.not_compared = in.error().message; break; }
    auto a = run(original, *in);
    if (!a) {   // random values need not be what the model takes
      r.not_compared = a.error().message;
      if (a.error().code == ErrorCode::cancelled) break;
      continue;
    }
    auto b = run(result, *in);
    if (!b && b.error().code == ErrorCode::cancelled) { r.not_compared = b.error().message; break; }
    if (!b) return std::move(b.error()).within("the simplified model does not run where the original does");
    Difference d = difference(*a, *b);
    r.worst.absolute = std::max(r.worst.absolute, d.absolute);
    r.worst.relative = std::max(r.worst.relative, d.relative);
    ++r.inputs;
  }
  return r;
}

}  // namespace saha::measure
