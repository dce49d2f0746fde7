#pragma once
// saha.yaml as a value: what a life cycle is made of. The keys are those of docs/saha-yaml.md, which the same table makes.
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compress/narrow.hpp"
#include "compress/quantize.hpp"
#include "data/dataset.hpp"
#include "front/fold.hpp"
#include "lifecycle/store.hpp"
#include "validate/check.hpp"
#include "validate/requirement.hpp"
#include "yaml/schema.hpp"

namespace saha::lifecycle {

struct Train {
  std::string shell;                        ///< for /bin/sh, placeholders quoted; or
  std::vector<std::string> argv;            ///< executed as it is
  std::vector<std::filesystem::path> inputs;   ///< files whose change trains anew
  std::vector<std::string> env;             ///< variables that pass beside PATH, HOME, LANG
  double timeout_s = 0;                     ///< 0: none
  int retries = 0;
  bool always = false;
};

/// `evaluate.NAME`: a figure of the test set that the user's own code computes.
struct OwnMetric {
  std::string name;
  std::filesystem::path folder;             ///< of the file that states it: where the module stands and the command runs
  std::string python;                       ///< "module:function"; or a command:
  std::string shell;                        ///< for /bin/sh, placeholders quoted; or
  std::vector<std::string> argv;            ///< executed as it is
  std::vector<std::filesystem::path> inputs;   ///< files whose change computes it anew
  std::string unit;                         ///< "%": the value is a share from 0 to 1
  bool higher = true;                       ///< is better
  double timeout_s = 0;                     ///< 0: none
};

struct Target {
  std::string name, target = "host";
  int threads = 0;                          ///< 0: the physical cores that are allowed
  std::vector<std::string> backends;        ///< empty: all that are here
  std::vector<validate::Requirement> requirements;   ///< its own, beside the common ones
};

/// What is delivered for a target.
struct Package {
  std::vector<std::string> forms = {"onnx"};   ///< "onnx", "tflite", "openvino", "saha"
  bool fold = false;                           ///< preprocessing becomes part of the model, as far as it can
  front::Raw raw;                              ///< of the raw samples
};

struct Choose {
  std::string by = "latency";               ///< what is minimised: "p90(latency)", "size", "peak(ram)"
  bool allow_inconclusive = false;
};

/// What quantisation may lose: a share of the samples that are answered rightly, or down to this SQNR of the outputs in dB.
struct Floor {
  double value = 0;
  bool decibels = false;
};
/// "0.5pp", "30 dB"
Result<Floor> parse_floor(const std::string& text);

/// A step `quantize`.
struct Quantize {
  std::string scheme = "static", to = "int8", calibrate = "auto";
  std::int64_t samples = 500;
  std::optional<Floor> floor;
  std::vector<std::string> keep, without;
  /// Of what is calibrated: int8 and int16 of the static scheme. Fails where a word is none.
  Result<compress::QuantizeOptions> options() const;
  /// Of what needs no data, nothing where it is calibrated. Fails where scheme and `to` do not go together, or are given what belongs to calibration.
  /// `tflite`: for a TensorFlow Lite file, whose dynamic ranges are its own.
  Result<std::optional<compress::NarrowOptions>> narrow(bool tflite = false) const;
};
/// `compress.NAME`: a candidate beside float32.
struct Compression {
  std::string name;
  Quantize quantize;
};

struct Config {
  std::filesystem::path file, folder;       ///< saha.yaml and where it stands
  std::string name;
  std::filesystem::path model;              ///< empty where `train` makes it
  std::optional<Train> train;
  std::map<std::string, data::DataSpec> data;      ///< train, val, test, calibration, and those of data.sets by name
  std::optional<data::SplitSpec> split;     ///< of the set `train`
  std::vector<OwnMetric> metrics;
  std::vector<data::InputSpec> inputs;      ///< preprocessing by input name; may be empty
  std::vector<std::string> labels;          ///< index i is label i
  std::map<std::string, std::string> output_meaning;   ///< by output name: "logits", "probabilities", ..
  std::vector<validate::Requirement> requirements;     ///< of `require` and of the *.req.yaml files, checked
  validate::Scope scope;
  std::vector<std::filesystem::path> requirement_files;
  std::vector<validate::ModelFile> model_files;        ///< of their `models`, with complete paths
  std::vector<Target> targets;
  std::vector<std::string> without;         ///< passes switched off
  std::int64_t fold_limit = 1 << 20;
  std::vector<Compression> compress;
  Choose choose;
  std::map<std::string, Package> package;   ///< by target
  std::filesystem::path run_dir = ".saha", report_dir = "report";
  std::string title;
  std::uint64_t seed = 0;
  bool keep_going = false;
  int samples = 40;                         ///< pictures in the report at most
  double skip_bad = 0;
  Json written;                             ///< what the files and overrides say together, for the report
  struct Said { std::string key, value, from; };
  std::vector<Said> said;                   ///< every value in force and where it came from: "saha.yaml:7", "-s run.seed=1", "default"
};

/// Reads one or several files (earlier first, this wins), `extends` and the overrides "targets.pico.cores=1". All faults in one go go to
/// `diagnostics`; nothing is returned where there are errors.
std::optional<Config> read_config(const std::vector<std::string>& files, const std::vector<std::string>& overrides, yaml::Diagnostics& diagnostics);
/// What `saha validate` judges: one model against one *.req.yaml, whose own model and data sections say the rest. `inherited` is a saha.yaml
/// whose data and model sections stand below those, or "".
std::optional<Config> validation_config(const std::string& model, const std::string& requirements, const std::string& inherited, yaml::Diagnostics& diagnostics);
/// The data sets beside `test` on which the requirements want the models to be run.
std::vector<std::string> further_sets(const Config& config);
/// The schema of saha.yaml.
yaml::Schema config_schema();

}  // namespace saha::lifecycle
