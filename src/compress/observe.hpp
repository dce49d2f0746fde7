#pragma once
// Observe: values inside a graph on every sample, as an engine computes them, one batch after the other.
#include <functional>
#include <span>

#include "compress/samples.hpp"
#include "ir/graph.hpp"
#include "runtime/backend.hpp"

namespace saha::compress {

/// Called for each batch with its number of samples and the values, in the order asked for; they hold during the call.
using OnValues = std::function<Result<>(std::int64_t samples, std::span<const Datum> values)>;

/// Runs the graph on all samples with `values` as its outputs. Fails where the engine does, or a sample does not fit.
Result<> observe(const ir::Graph& g, std::span<const ir::ValueId> values, runtime::Backend& engine, int threads, const Samples& samples, const Watch& watch, std::string_view what, const OnValues& on_values);

/// The part of g that computes `to` from `from`: inputs are those of `from` that are needed, in order, outputs are `to`; names are kept. Fails, naming it, where an
/// input of g is needed that is not among `from`. No value is in both.
Result<ir::Graph> cut(const ir::Graph& g, std::span<const ir::ValueId> from, std::span<const ir::ValueId> to);

/// Multiplications of g on one sample, as large as the first one is.
Result<double> macs_of(const ir::Graph& g, const Samples& samples);

/// The values of g named as values of `other` are, none where there is no such one: how values of a float graph are found in its quantised form.
std::vector<ir::ValueId> by_name(const ir::Graph& other, std::span<const ir::ValueId> values, const ir::Graph& g);

}  // namespace saha::compress
