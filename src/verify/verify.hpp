#pragma once
// The formal verifier: does any point of a property's boxes, run through the graph, break the property?
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "ir/graph.hpp"
#include "verify/property.hpp"

namespace saha::verify {

class Record;

/// In which numbers the graph is executed: exact real sums, or float32 sums in any order with and without FMA.
enum class Arithmetic : std::uint8_t { real, float32 };

/// What is split where bounds alone do not decide; automatic: by the number of inputs, both in turns where either may be the faster.
enum class Method : std::uint8_t { automatic, inputs, activations };

enum class Verdict : std::uint8_t {
  holds,     ///< no counterexample exists ("unsat")
  violated,  ///< one was found and executed ("sat")
  unknown,   ///< the method has come to its end, or memory has
  timeout,
};
std::string_view name(Verdict v);

struct Options {
  double timeout_s = 60;
  int threads = 0;                                 ///< 0: the physical cores that are allowed
  std::uint64_t seed = 0;
  Arithmetic arithmetic = Arithmetic::float32;
  Method method = Method::automatic;
  /// Runs the network as it ships on one input (all inputs flattened): what a counterexample is executed on before it counts. Null: the reference. Called from any
  /// thread of the search, one call at a time.
  std::function<Result<std::vector<float>>(const std::vector<float>& x)> execute = nullptr;
  /// Called at most some times a second, from the thread that called prove(); share of the region done in [0, 1].
  std::function<void(double done, std::int64_t regions)> progress = nullptr;
  std::function<bool()> cancelled = nullptr;
  bool pairs = true;                               ///< ReLUs of networks that are made alike are bounded in pairs (docs/decisions/0024); false: each alone, to compare
  Record* record = nullptr;                        ///< if not null: where holds, a certificate's tree (verify/record.hpp)
};

struct Outcome {
  Verdict verdict = Verdict::unknown;
  std::string why;                                 ///< of unknown and timeout: one sentence
  std::string method;                              ///< what decided: "attack", "bounds", "input splits", "activation splits"
  std::vector<float> x, y;                         ///< violated: the counterexample, all inputs and all outputs flattened
  std::string integers;                            ///< "int8": it was proved as a function of the integers that the network computes on; empty: of real numbers
  std::int64_t regions = 0;                        ///< sub-problems that were bounded
  double seconds = 0;                              ///< wall
};

/// A graph that computes on stored integers, or says so by QuantizeLinear and DequantizeLinear, is proved as the native engine runs it: integer by integer, with the roundings of its rules.
/// Every free dimension of g is bound before. Fails (unsupported) naming an operator that has no bounds; (invalid_argument) where the property's
/// numbers of inputs and outputs are not the graph's, or a box is empty or not finite. Threads: one call at a time per process uses `threads` of them.
Result<Outcome> prove(const ir::Graph& g, const Property& property, const Options& options = {});

}  // namespace saha::verify
