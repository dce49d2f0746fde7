#pragma once
// The meaning of requirements: names, units, types, levels, and the lint. What it needs to know of models and data is a Scope.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "validate/requirement.hpp"
#include "yaml/units.hpp"

namespace saha::validate {

/// What the assertions may name.
struct Scope {
  using Range = std::pair<double, double>;
  struct Field {
    std::string name, unit;
    std::optional<Range> domain = {};  ///< in its unit
    std::int64_t index = -1;           ///< its place among the flattened values of its input; -1: not stated
    bool whole = false;                ///< whole numbers only
    std::vector<double> values = {};   ///< all that it takes, ascending; empty: any of the domain
  };
  struct Input {
    std::string name, unit;
    std::optional<Range> domain = {};
    std::vector<Field> fields = {};
  };
  struct Output {
    std::string name, unit = {};
    std::vector<std::string> names = {};  ///< of its components
    std::int64_t width = -1;              ///< values a sample; -1: not known
    double factor = 1, offset = 0;        ///< what requirements speak of is factor * (what the network gives) + offset, in the unit
  };
  struct Data {
    std::string name;
    std::vector<std::string> columns = {};
  };
  struct Metric {
    std::string name, unit = {};  ///< `evaluate.NAME` of saha.yaml; "%" makes it a fraction
  };
  /// `model.reject`: which inputs are answered by a rejection. By a score of the answer, "softmax", "entropy" or "energy".
  struct Reject {
    std::string score, output = {};          ///< output: "" the one that decides
    std::string data = {};                   ///< on which the threshold is chosen; "": calibration_set()
    double accept = 0.95;                    ///< the share of its samples that are accepted
    std::optional<double> confidence = {};   ///< with which that share holds, given these samples
    std::optional<double> threshold = {};    ///< stated: rejected where the score is above
  };
  std::optional<Reject> reject;
  std::vector<std::string> models = {"original", "candidate", "deployed", "previous"};
  std::vector<std::string> models_without_file = {"deployed", "previous"};   ///< that nothing says the file of
  std::vector<Input> inputs;
  std::vector<Output> outputs;
  bool outputs_known = false;  ///< the model was read: no other output exists
  std::vector<Data> data;
  bool data_known = false;     ///< no other data set exists; else train, test, val and calibration may
  std::vector<std::string> labels;
  std::vector<Metric> metrics;
  yaml::Units units;

  const Output* output(std::string_view name) const;
  const Data* find_data(std::string_view name) const;
  const Field* field(std::string_view name) const;  ///< of any input
};

/// Lays what a model section says of inputs, outputs and labels over the scope.
void read_model(Scope& scope, const yaml::Value& model, yaml::Diagnostics& diagnostics);

/// `inherited` (what the life cycle and the loaded model say) with the file's own model, data, models and units laid over it.
Scope scope_of(const RequirementFile& file, Scope inherited, yaml::Diagnostics& diagnostics);

/// Lays `reject` of a model section over the scope.
void read_reject(Scope& scope, const yaml::Value& model, yaml::Diagnostics& diagnostics);

/// The data set that thresholds are chosen on where a requirement names none: calibration, else val; "" where neither is declared.
std::string calibration_set(const Scope& scope);

/// Types, units and lint of every requirement; sets `vacuous`. Errors and warnings go to `diagnostics`; true without errors.
bool check(RequirementFile& file, const Scope& scope, yaml::Diagnostics& diagnostics);
/// The same of one requirement, without what concerns the file as a whole (unused data).
bool check(Requirement& requirement, const Scope& scope, yaml::Diagnostics& diagnostics);

/// The requirement in plain English, one paragraph without its id and reason.
std::string in_words(const Requirement& requirement, const Scope& scope);
/// The same between its id and its reason.
std::string explain(const Requirement& requirement, const Scope& scope);

}  // namespace saha::validate
