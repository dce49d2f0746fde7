#pragma once
// Errors: how far values of a quantised graph are from those of the float graph, on the same samples and the same engine.
#include <limits>
#include <span>
#include <vector>

#include "compress/observe.hpp"

namespace saha::compress {

/// Signal to quantisation noise: 10 log10 of the reference's power over that of the difference.
struct Sqnr {
  double power = 0, error = 0;
  void add(std::span<const float> reference, std::span<const float> other);
  /// In dB; infinite where nothing differs, 0 where the reference is silent and the other is not.
  double db() const;
};
/// Mean of the outputs' dB, each cut to [-100, 200] so that one silent output does not hide the others.
double mean_db(std::span<const Sqnr> s);

/// One value of each graph.
struct ValuePair {
  ir::ValueId reference, other;
};
/// Called for each batch with both graphs' values, in the order of the pairs.
using OnPairs = std::function<Result<>(std::int64_t samples, std::span<const Datum> reference, std::span<const Datum> other)>;
/// Runs both graphs on the samples.
Result<> observe_both(const ir::Graph& reference, const ir::Graph& other, std::span<const ValuePair> values, runtime::Backend& engine, int threads, const Samples& samples, const Watch& watch,
                      std::string_view what, const OnPairs& on_pairs);
/// The Sqnr of each pair of float32 values; others stay empty.
Result<std::vector<Sqnr>> compare(const ir::Graph& reference, const ir::Graph& other, std::span<const ValuePair> values, runtime::Backend& engine, int threads, const Samples& samples, const Watch& watch,
                                  std::string_view what);
/// The graphs' outputs, in order.
std::vector<ValuePair> outputs_of(const ir::Graph& reference, const ir::Graph& other);
/// The first n samples.
Samples first(const Samples& s, std::int64_t n);

}  // namespace saha::compress
