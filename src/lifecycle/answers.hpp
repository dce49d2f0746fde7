#pragma once
// Answers: what a model says about every sample of a data set, on one engine. What accuracy, closeness and the confusion matrix come from.
#include <map>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "ir/graph.hpp"
#include "lifecycle/store.hpp"
#include "runtime/backend.hpp"
#include "validate/evidence.hpp"

namespace saha::lifecycle {

struct Answers {
  std::string decisive;                                 ///< the output that the class or the value is read from
  std::string meaning;                                  ///< "logits", "probabilities"; "logit", "probability" (of class 1); "label", "value"; "mask"
  validate::Samples samples;                            ///< correct, predicted, value, target, iou
  std::vector<float> confidence;                        ///< largest probability of each sample; empty where there is none
  std::map<std::string, std::vector<std::vector<double>>> outputs;   ///< by output, by sample: float results up to kMaxKept values in all
  struct Form { DType dtype = DType::none; Dims dims; };
  std::map<std::string, Form> forms;                    ///< of one sample's values, by output; not kept
  std::map<std::string, validate::Metric> own;          ///< the user's own metrics
  static constexpr std::int64_t kMaxKept = 50'000'000;
};

/// Mean over the classes of the intersection of two masks over their union; a class that is in neither does not count, and 1 where none is in either. `said` has one value
/// a place, the probability of class 1, or with `channels` above 1 as many, of which the largest is the class (`last`: behind the places, [h, w, c], else before them);
/// `truth` has one value a place, the class.
double intersection_over_union(std::span<const double> said, std::span<const double> truth, std::int64_t channels, bool last);

/// Classes that have names rather than numbers.
bool are_words(std::span<const std::string> classes);
/// Runs every sample through the program, in batches where the model's first dim is free. `meaning` is by output name, may be empty: then
/// the first output with as many values as there are classes decides. Fails naming the sample that the model refuses.
Result<Answers> answer(runtime::Program& program, const data::Dataset& data, const std::map<std::string, std::string>& meaning,
                       const std::function<bool(std::int64_t done)>& go_on);

/// The model's inputs as the data module wants them: names, shapes and dtypes from the graph, steps from saha.yaml. Where the file says that these steps
/// were folded into it, or where there are none, those that it says remain outside. Fails where what it says is no list of steps.
Result<std::vector<data::InputSpec>> input_specs(const ir::Model& model, const std::vector<data::InputSpec>& configured);

/// {"samples", "correct", "accuracy", "lower", "upper", "confidence": 0.95, "confusion": [[..]], "per_class": [..]} for masks {"iou"} with its bounds, for values {"mae", "rmse"}.
Json summary(const Answers& a, const data::Dataset& data);

/// Answers as they are kept, and back.
Json kept(const Answers& a);
Answers answers_of(const Json& kept);

}  // namespace saha::lifecycle
