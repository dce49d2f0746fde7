#include "validate/vocabulary.hpp"

#include <algorithm>

namespace saha::validate {

std::span<const Word> vocabulary() {
  using enum WordGroup;
  using A = Argument;
  using G = Gives;
  static constexpr std::string_view kProver = "needs the verifier";
  static const NamedArgument kClass{"class", A::label, " for class {}"};
  // Of what is calibrated: on which data, at which level, how sure given these data, from which output.
  static const NamedArgument kConformal{"conformal", A::data, ", calibrated on {}", true}, kLevel{"level", A::share, " at level {}", true},
      kConfidence{"confidence", A::share, ", reached with confidence {}"}, kOutput{"output", A::output_name, ", read from output {}"};
  static const NamedArgument kSets{"method", A::word, " by {}", false, {"lac", "aps", "raps"}};
  static const NamedArgument kIntervals{"method", A::word, " by {}", false, {"residual", "cqr"}};
  static const NamedArgument kEither{"method", A::word, " by {}", false, {"lac", "aps", "raps", "residual", "cqr"}};
  static const NamedArgument kScore{"score", A::word, " by the score {}", true, {"softmax", "entropy", "energy", "mahalanobis", "knn"}};
  static const NamedArgument kFpr{"fpr", A::share, " at a threshold for {} false positives", true}, kCalibrate{"calibrate", A::data, ", chosen on {}"},
      kKnown{"known", A::data, ", as far from {}"}, kNeighbours{"k", A::whole, ", to the neighbour number {}"};
  static const std::vector<Word> kWords = {
      // Statistics of a data set or slice. `class` may be given to precision, recall, f1.
      {"accuracy", statistic, G::fraction, {A::data}, 1, false, "the share of right answers{m} on {0}", ""},
      {"precision", statistic, G::fraction, {A::data, A::label}, 1, false, "the precision{m} on {0}", "", {kClass}},
      {"recall", statistic, G::fraction, {A::data, A::label}, 1, false, "the recall{m} on {0}", "", {kClass}},
      {"f1", statistic, G::fraction, {A::data, A::label}, 1, false, "the F1 score{m} on {0}", "", {kClass}},
      {"auc", statistic, G::fraction, {A::data}, 1, false, "the area under the ROC curve{m} on {0}", ""},
      {"mae", statistic, G::output_unit, {A::data}, 1, false, "the mean absolute error{m} on {0}", ""},
      {"rmse", statistic, G::output_unit, {A::data}, 1, false, "the root mean square error{m} on {0}", ""},
      {"iou", statistic, G::fraction, {A::data}, 1, false, "the mean intersection over union of the masks{m} on {0}", ""},
      {"map",
       statistic,
       G::fraction,
       {A::data},
       1,
       false,
       "the mean average precision{m} on {0}",
       "needs boxes, which this version does not score"},
      // Split conformal prediction: src/validate/conformal.hpp.
      {"coverage",
       statistic,
       G::fraction,
       {A::data},
       1,
       false,
       "the share of truths within the conformal sets or intervals{m} on {0}",
       "",
       {kConformal, kLevel, kEither, kConfidence, kOutput}},
      {"set_size",
       statistic,
       G::number,
       {A::data},
       1,
       false,
       "the mean number of classes in the conformal set{m} on {0}",
       "",
       {kConformal, kLevel, kSets, kConfidence, kOutput}},
      {"width",
       statistic,
       G::output_unit,
       {A::data},
       1,
       false,
       "the mean width of the conformal interval{m} on {0}",
       "",
       {kConformal, kLevel, kIntervals, kConfidence, kOutput}},
      // Inputs told from known ones by a score: src/validate/strangeness.hpp. Strange is positive.
      {"tpr",
       statistic,
       G::fraction,
       {A::data},
       1,
       false,
       "the true positive rate{m} on the strange inputs {0}",
       "",
       {kScore, kFpr, kCalibrate, kConfidence, kKnown, kNeighbours, kOutput}},
      {"fpr",
       statistic,
       G::fraction,
       {A::data},
       1,
       false,
       "the false positive rate{m} on the known inputs {0}",
       "",
       {kScore, kFpr, kCalibrate, kConfidence, kKnown, kNeighbours, kOutput}},
      {"auroc",
       statistic,
       G::fraction,
       {A::data, A::data},
       2,
       false,
       "the area under the ROC curve{m} that tells {1} from {0}",
       "",
       {kScore, kKnown, kNeighbours, kOutput}},
      {"rejected", statistic, G::fraction, {A::data}, 1, false, "the share of rejections{m} on {0}", ""},
      {"selective_accuracy", statistic, G::fraction, {A::data}, 1, false, "the share of right answers{m} among those on {0} that are not rejected", ""},
      // Data against data: src/validate/comparison.hpp.
      {"duplicates", comparison, G::count, {A::data, A::data}, 2, false, "the number of samples of {1} that stand in {0} too{near}", "", {{"near", A::whole, ", or differ from one in {} of 64 bits of a perceptual hash at most"}}},
      {"shared", comparison, G::count, {A::data, A::data}, 2, false, "the number of values{by} that stand in {0} and in {1}", "", {{"by", A::column, " of column {}", true}}},
      {"drift", comparison, G::fraction, {A::data, A::data}, 2, false, "the largest distance between the distributions of a column in {0} and in {1}", ""},
      {"distinguishable", comparison, G::fraction, {A::data, A::data}, 2, false, "the share of samples that a classifier tells rightly to be of {0} or of {1}", ""},
      // Measurements of the thing that ships.
      {"p50", measurement, G::seconds, {A::word_latency}, 1, false, "the median latency{m}", ""},
      {"p90", measurement, G::seconds, {A::word_latency}, 1, false, "the 90th percentile of latency{m}", ""},
      {"p99", measurement, G::seconds, {A::word_latency}, 1, false, "the 99th percentile of latency{m}", ""},
      {"throughput", measurement, G::per_second, {}, 0, false, "the number of inferences per second{m}", ""},
      {"peak", measurement, G::bytes, {A::word_ram}, 1, false, "the peak memory{m}", ""},
      {"flash", measurement, G::bytes, {}, 0, false, "the flash memory{m}", ""},
      {"size", measurement, G::bytes, {}, 0, false, "the file size{m}", ""},
      {"energy", measurement, G::joules, {}, 0, false, "the energy of one inference{m}", ""},
      {"load_time", measurement, G::seconds, {}, 0, false, "the time to load{m}", ""},
      {"edgetpu_mapped", measurement, G::fraction, {}, 0, false, "the share of operators{m} that run on the Edge TPU", ""},
      // Regions that a quantifier runs over.
      {"domain", region, G::region, {}, 0, false, "the whole input domain", kProver},
      {"Linf", region, G::region, {A::point, A::radius}, 2, false, "the inputs that differ from {0} by at most {1} in each value", kProver},
      {"L2", region, G::region, {A::point, A::radius}, 2, false, "the inputs within a Euclidean distance of {1} of {0}", kProver},
      {"box", region, G::region, {A::point, A::radius, A::radius}, 3, false, "the inputs around {0} from {1} to {2}", kProver},
      {"outside", region, G::region, {A::point}, 1, false, "the inputs outside {0}", kProver},
      {"near",
       region,
       G::region,
       {A::data, A::fraction},
       2,
       false,
       "the inputs within {1} of the domain's width of a sample of {0}",
       kProver},
      {"slices", region, G::region, {A::column}, 1, true, "the slices of the data by {*}", ""},
      // Transforms of a sample.
      {"rotate", transform, G::transform, {A::angle, A::angle}, 2, false, "rotations from {0} to {1}", ""},
      {"brightness",
       transform,
       G::transform,
       {A::number, A::number},
       2,
       false,
       "changes of brightness from {0} to {1}",
       ""},
      {"noise_snr",
       transform,
       G::transform,
       {A::number, A::number},
       2,
       false,
       "added noise with a signal-to-noise ratio from {0} to {1}",
       ""},
      {"shift", transform, G::transform, {A::number, A::number}, 2, false, "shifts from {0} to {1}", ""},
      {"corruptions",
       transform,
       G::transform,
       {A::number, A::number},
       2,
       false,
       "the common corruptions of severity {0} to {1}",
       ""},
      // Functions of outputs.
      {"argmax", function, G::label, {A::output}, 1, false, "the class with the largest value of {0}", ""},
      {"max", function, G::output_unit, {A::output}, 1, true, "the largest of {*}", ""},
      {"min", function, G::output_unit, {A::output}, 1, true, "the smallest of {*}", ""},
      {"abs", function, G::output_unit, {A::output}, 1, false, "the absolute value of {0}", ""},
      {"maxabs", function, G::output_unit, {A::output}, 1, false, "the largest absolute value in {0}", ""},
      {"rank", function, G::number, {A::output, A::label}, 2, false, "the rank of {1} in {0} (1: the largest)", ""},
      {"same_class", function, G::boolean, {A::output, A::output}, 2, false, "{0} and {1} are largest for the same class{margin}", "", {{"margin", A::output, " wherever the first leads by {} or more"}}},
      {"conf", function, G::fraction, {A::output}, 1, false, "the largest share in {0}", ""},
      {"same", function, G::boolean, {A::point, A::point}, 2, false, "{0} and {1} agree{except}", kProver, {{"except", A::field, " in everything but {}"}}},
      {"reject", function, G::boolean, {A::point}, 1, false, "{0} is rejected", ""},
      {"n", function, G::count, {A::data}, 1, false, "the number of samples in {0}", ""},
  };
  return kWords;
}

double percentile_of(std::string_view name) {
  if (name.size() < 2 || name.size() > 3 || name[0] != 'p' || name[1] < '1' || name[1] > '9') return 0;
  double value = name[1] - '0';
  if (name.size() == 3) {
    if (name[2] < '0' || name[2] > '9') return 0;
    value = 10 * value + (name[2] - '0');
  }
  return value / 100;
}

const Word* find_word(std::string_view name) {
  auto words = vocabulary();
  auto row =
      std::ranges::find(words, percentile_of(name) > 0 && name != "p50" && name != "p99" ? std::string_view("p90") : name, &Word::name);
  return row == words.end() ? nullptr : &*row;
}

const NamedArgument* Word::named_argument(std::string_view argument) const {
  auto found = std::ranges::find(named, argument, &NamedArgument::name);
  return found == named.end() ? nullptr : &*found;
}

const Expr* argument_of(const Expr& call, std::string_view name) {
  auto found = std::ranges::find(call.arg_names, name);
  return found == call.arg_names.end() ? nullptr : &call.args[static_cast<std::size_t>(found - call.arg_names.begin())];
}

std::vector<std::string> word_names() {
  std::vector<std::string> names;
  for (const Word& w : vocabulary()) names.emplace_back(w.name);
  return names;
}

}  // namespace saha::validate
