#pragma once
// The verdict on a requirement, three-valued: passed, violated or inconclusive with the reason. Nothing passes for lack of evidence.
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "validate/check.hpp"
#include "validate/evidence.hpp"

namespace saha::validate {

enum class Verdict : std::uint8_t { passed, violated, inconclusive };
std::string_view name(Verdict v);
Verdict operator!(Verdict v);
Verdict both(Verdict a, Verdict b);    ///< and: violated before inconclusive before passed
Verdict either(Verdict a, Verdict b);  ///< or

/// One number behind a verdict. Units are base units: s, bytes, J, 1/s; shares lie in [0, 1].
struct Figure {
  std::string name;   ///< "accuracy(test)", "lower bound"
  double value = 0;
  std::string unit;   ///< "", "s", "bytes", "J", "1/s"
  std::string how;    ///< "measured", "emulated", "modelled", "bound", "counted"
};

/// The input that shows a violation.
struct Witness {
  std::string model, data;
  std::int64_t sample = 0;
  std::string text;   ///< "0.143 > 0.1"
  struct Point {
    std::string name;                     ///< of the assertion: "d"
    std::vector<double> values;           ///< raw inputs, flattened one after another
    std::vector<std::pair<std::string, std::vector<std::int64_t>>> inputs = {};   ///< their names and dims, with a batch of 1
    std::vector<std::pair<std::string, double>> fields = {};   ///< those that have a name
  };
  std::vector<Point> points = {};         ///< of a proof: what no data set holds
  std::vector<std::string> files = {};    ///< in which the points, or the sample and what became of it, stand, where the caller wrote any
  Altered input = {};                     ///< of a test: what was done to the sample
  std::string change = {}, found = {};    ///< "rotate by -7.2 deg"; "try 231 of seed 0"
  std::vector<std::pair<std::string, std::string>> pictures = {};   ///< "original" and "failing", PNG in base64, where they are pictures
};

/// What a proof went through.
struct Proof {
  std::string arithmetic;                 ///< "float32", "real"
  std::string method;                     ///< "bounds", "input splits"; several where queries differ
  std::int64_t asked = 0, proved = 0, violated = 0, open = 0;   ///< queries: one a sample or choice of values
  std::int64_t regions = 0;               ///< that were bounded
  double seconds = 0;
};

/// Random tries of one corruption at one severity.
struct Tally {
  std::string corruption;
  int severity = 1;
  std::int64_t tries = 0, held = 0;
};

struct Outcome {
  std::string id, why, text;
  Importance importance = Importance::must;
  Verdict verdict = Verdict::inconclusive;
  std::string level;      ///< the level reached: "bound 95 %"
  std::string evidence;   ///< one line with the numbers; for inconclusive with the reason
  bool by_fallback = false;
  std::vector<Figure> figures;
  std::optional<Witness> witness;
  std::optional<Proof> proof = {};
  std::vector<Tally> corruptions = {};    ///< at the level `bound`, whose tries are drawn independently; by name and severity
  std::vector<std::string> models, tags;
  yaml::Location location;
  double seconds = 0;
};

/// What an outcome repeats of its requirement; the verdict is not there yet.
Outcome outcome_for(const Requirement& r);

/// Judges one checked requirement. Errors of the evidence become reasons; only the program's own faults stop it.
Outcome evaluate(const Requirement& requirement, const Scope& scope, Evidence& evidence);

/// 1 where a must is violated, else 3 where one is inconclusive, else 0. `strict`: whatever is not plainly passed is 1.
int exit_code(std::span<const Outcome> outcomes, bool strict = false);

}  // namespace saha::validate
