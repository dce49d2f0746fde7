#pragma once
// The choice: among the candidates that meet every must, the one that is best in what is minimised; what the measurement cannot tell apart is
// a tie, and of tied candidates the simpler one wins. Latencies are compared by pairs of bursts of one run: a tie is where the interval of the
// ratio contains 1.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lifecycle/config.hpp"
#include "lifecycle/store.hpp"
#include "validate/evaluate.hpp"

namespace saha::lifecycle {

/// A model on an engine, with what was found.
struct Candidate {
  std::string variant, backend, version, precision, target;
  std::vector<double> ms;                    ///< of every run, and how many of them each burst made: candidates of a target were measured in one
  std::vector<int> bursts;                   ///< run, so that burst i of one pairs with burst i of another
  double p50_ms = 0, p90_ms = 0, min_ms = 0, load_ms = 0;
  std::uint64_t peak_bytes = 0, size_bytes = 0;
  std::int64_t samples = 0, correct = 0;
  struct Quality { std::string name; double value, lower, upper; bool higher; };
  std::optional<Quality> quality;            ///< accuracy, else iou of masks, else the first of its own metrics, with 95 % bounds
  bool wrong = false;                        ///< its output is off the reference
  bool chosen = false;
  std::vector<validate::Outcome> outcomes;
  std::string id() const { return variant + "/" + backend; }
  Json json() const;
};

struct Decision {
  const Candidate* chosen = nullptr;
  bool violated = false;                     ///< nothing chosen, and at least one must is violated by every candidate
  std::string because;
  std::vector<std::string> ties;             ///< ids that cannot be told from the chosen one
  std::vector<std::pair<std::string, std::string>> others;   ///< id, why not
};
Decision choose(const std::vector<Candidate*>& candidates, const Choose& how);

}  // namespace saha::lifecycle
