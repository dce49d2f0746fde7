#pragma once
// A judgement is a verdict as a function of `scale`, the factor on the error probability of its level. What is shown at a smaller
// error is shown at a larger one, so the smallest scale that decides is a p-value, and parts can be joined with the right correction.
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "validate/evaluate.hpp"

namespace saha::validate {

struct Judgement {
  std::function<Verdict(double scale)> at;
  std::function<std::string(double scale)> text;  ///< the evidence, in one line
  bool exact = false;                             ///< the scale does not matter
  std::set<std::string> levels = {};
  std::vector<Figure> figures = {};
  std::optional<Witness> witness = {};
  std::optional<Proof> proof = {};
  std::vector<Tally> corruptions = {};
};

Judgement fixed(Verdict v, std::string text);
Judgement negation(Judgement j);
/// and, or: a part that decides alone must do so at its share of the error, since any of them may err.
Judgement all_of(std::vector<Judgement> parts);
Judgement any_of(std::vector<Judgement> parts);
/// All of the named slices; `correct`: by Holm. `skipped` were left out by a condition.
Judgement over_slices(std::vector<std::pair<std::string, Judgement>> slices, bool correct, std::size_t skipped);

}  // namespace saha::validate
