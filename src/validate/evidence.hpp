#pragma once
// Evidence: what a requirement is judged by. The caller runs models, reads data and measures; nothing here does. Every call may
// fail (no data, no target, an operator missing): its message becomes the reason of an inconclusive verdict, never a skip.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "validate/query.hpp"
#include "validate/trials.hpp"

namespace saha::validate {

/// What a model says about each sample of a data set, in the set's order. Only what the task has is filled; the rest is empty.
struct Samples {
  std::vector<std::uint8_t> correct;     ///< 1 where the answer is the label or an accepted one
  std::vector<std::int32_t> predicted;   ///< class of each sample
  std::vector<double> value, target;     ///< regression: answer and truth
  std::vector<double> score;             ///< two classes: of class 1, for auc
  std::vector<double> iou;               ///< masks: intersection over union with the truth
  std::string decisive = {};             ///< the output that the class or the value is read from
  std::string meaning = {};              ///< what it holds: "logits", "probabilities"; "logit", "probability" (of class 1); "value", ..; "" not known
};

/// How a figure was got.
enum class How : std::uint8_t { measured, emulated, modelled };
std::string_view name(How how);

struct Measurement {
  std::vector<double> samples;   ///< latency: one a call, in the order measured; else empty
  double value = 0;              ///< where there are no samples
  double uncertainty = 0;        ///< relative: 0.3 is +-30 %; of a modelled figure
  How how = How::measured;
  std::string where;             ///< "native, 1 thread" or "rp2040"; may be empty
};

enum class Quantity : std::uint8_t {
  latency_s,
  throughput_per_s,
  ram_bytes,
  flash_bytes,
  size_bytes,
  energy_j,
  load_time_s,
  edgetpu_mapped
};
std::string_view name(Quantity q);  ///< "latency", "peak memory"

/// The value of an own metric; per_sample makes bounds and slices possible.
struct Metric {
  double value = 0;
  std::vector<double> per_sample;
};

/// What a data set holds, where two are compared. The lists are as long as the set or empty.
struct Contents {
  std::vector<std::string> hashes;                                            ///< of each sample's content; "": unreadable
  std::vector<std::optional<std::uint64_t>> looks;                            ///< perceptual hashes of pictures; none of what shows nothing
  std::vector<std::pair<std::string, std::vector<double>>> numbers;           ///< columns, or features of pictures and sounds; NaN: missing
  std::vector<std::pair<std::string, std::vector<std::string>>> words;        ///< columns of words; "label" among them
};

/// Models are named as in the requirement: candidate, original, previous, deployed or a name of the file.
class Evidence {
 public:
  virtual ~Evidence() = default;
  virtual Result<std::int64_t> count(std::string_view data) = 0;
  virtual Result<std::vector<std::int32_t>> labels(std::string_view data) = 0;                         ///< -1: none
  virtual Result<std::vector<std::string>> column(std::string_view data, std::string_view name) = 0;   ///< as text, one a sample
  virtual Result<Samples> samples(std::string_view model, std::string_view data) = 0;
  virtual Result<Metric> metric(std::string_view name, std::string_view model, std::string_view data) = 0;
  /// At least `samples` of them, where the quantity is sampled.
  virtual Result<Measurement> measure(Quantity quantity, std::string_view model, std::int64_t samples) = 0;
  /// All values of an output for one sample, flattened.
  virtual Result<std::vector<double>> output(std::string_view model, std::string_view data, std::int64_t sample,
                                             std::string_view output) = 0;
  virtual Result<Contents> contents(std::string_view data);   ///< who brings none leaves it: it fails

  // What a proof asks for. Who brings no prover leaves these as they are: they fail (unsupported).
  virtual Result<std::shared_ptr<const Network>> network(std::string_view model);
  /// The raw inputs of a sample as `network` takes them, flattened one after another.
  virtual Result<std::vector<double>> point(std::string_view data, std::int64_t sample);
  /// What the model as it ships, on the engine that is judged, gives for raw inputs.
  virtual Result<Outputs> execute(std::string_view model, std::span<const double> point);
  virtual Result<verify::Outcome> prove(const Query& query);
  /// Models at hand, for inputs that no data set holds; null: there are none.
  virtual Trials* trials() { return nullptr; }
};

/// Evidence out of tables that were filled before: a life cycle that has measured already, and tests.
class RecordedEvidence : public Evidence {
 public:
  using Pair = std::pair<std::string, std::string>;
  std::map<std::string, std::vector<std::int32_t>> labels_of;                       ///< by data set
  std::map<Pair, std::vector<std::string>> columns_of;                              ///< by data set and column
  std::map<Pair, Samples> samples_of;                                               ///< by model and data set
  std::map<std::pair<std::string, Pair>, Metric> metric_of;                         ///< by metric, model and data set
  std::map<std::pair<Quantity, std::string>, Measurement> measurement_of;           ///< by quantity and model
  std::map<std::pair<Pair, std::string>, std::vector<std::vector<double>>> outputs_of;  ///< by model and data set, output; then by sample
  std::shared_ptr<Trials> models;                                                   ///< may be null
  std::map<std::string, Contents> contents_of;                                      ///< by data set

  Result<std::int64_t> count(std::string_view data) override;
  Result<std::vector<std::int32_t>> labels(std::string_view data) override;
  Result<std::vector<std::string>> column(std::string_view data, std::string_view name) override;
  Result<Samples> samples(std::string_view model, std::string_view data) override;
  Result<Metric> metric(std::string_view name, std::string_view model, std::string_view data) override;
  Result<Measurement> measure(Quantity quantity, std::string_view model, std::int64_t samples) override;
  Result<std::vector<double>> output(std::string_view model, std::string_view data, std::int64_t sample, std::string_view output) override;
  Trials* trials() override { return models.get(); }
  Result<Contents> contents(std::string_view data) override;
};

}  // namespace saha::validate
