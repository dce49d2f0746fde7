#pragma once
// One statistic or measurement with its confidence bounds: the atoms of what evaluate.cpp judges.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "validate/evaluate.hpp"
#include "validate/vocabulary.hpp"

namespace saha::validate {

/// Samples of a data set: all, or the rows listed.
struct Slice {
  std::string data;
  std::optional<std::vector<std::int64_t>> rows = {};
  std::string name = {};  ///< "camera=front"; "" for all
};

/// Asks the evidence once for each thing, whatever the assertion repeats.
class Recall {
 public:
  explicit Recall(Evidence& evidence) : evidence_(evidence) {}
  const Result<std::int64_t>& count(const std::string& data);
  const Result<std::vector<std::int32_t>>& labels(const std::string& data);
  const Result<std::vector<std::string>>& column(const std::string& data, const std::string& name);
  const Result<Samples>& samples(const std::string& model, const std::string& data);
  const Result<Metric>& metric(const std::string& name, const std::string& model, const std::string& data);
  const Result<Measurement>& measure(Quantity quantity, const std::string& model, std::int64_t samples);
  /// Of the last sample asked for only: outputs may be large.
  const Result<std::vector<double>>& output(const std::string& model, const std::string& data, std::int64_t sample,
                                            const std::string& output);
  Evidence& evidence() { return evidence_; }   ///< for what is asked once only
  Trials* trials() { return evidence_.trials(); }   ///< null: there are none
  const Result<Contents>& contents(const std::string& data);
  /// How many samples a slice has.
  Result<std::int64_t> size(const Slice& slice);

 private:
  Evidence& evidence_;
  std::map<std::string, Result<std::int64_t>> counts_;
  std::map<std::string, Result<std::vector<std::int32_t>>> labels_;
  std::map<std::string, Result<std::vector<std::string>>> columns_;
  std::map<std::string, Result<Samples>> samples_;
  std::map<std::string, Result<Metric>> metrics_;
  std::map<std::string, Result<Measurement>> measurements_;
  std::map<std::string, Result<Contents>> contents_;
  std::map<std::string, std::pair<std::int64_t, Result<std::vector<double>>>> outputs_;
};

struct Estimate {
  std::string name;               ///< "candidate.accuracy(test)"
  double point = 0;
  bool exact = false;             ///< a fact, not a sample: lower = point = upper
  std::function<double(double)> lower, upper;  ///< one-sided bounds at a confidence; infinite where there is none
  std::string text;               ///< "866 of 1000 = 86.6 %"
  Gives gives = Gives::number;
  std::string unit = {};          ///< to show values in, where `gives` says none; values are in base units
  double unit_factor = 1;
  std::string how = "measured";
  std::string short_of;           ///< "150 of 200 calls measured": keeps it from passing
  /// What would decide: "360 more at this rate"; empty where nothing is known.
  std::function<std::string(double limit, bool at_least, double confidence)> advice;
  std::vector<double> per_sample = {};  ///< for pairs: in the order of the slice
  bool binary = false;                  ///< per_sample is 0 or 1
  std::string pairs_with;               ///< equal for the same statistic of another model on the same samples
  std::vector<Figure> figures = {};

  std::string print(double value) const;   ///< in the unit
};

std::string print_value(double value, Gives gives);

/// `atom` is a name or call of a statistic, measurement or metric; `slice` where it speaks of data.
Result<Estimate> estimate(const Expr& atom, const std::string& model, const Slice& slice, const Scope& scope, const Level& level,
                          Recall& recall);

}  // namespace saha::validate
