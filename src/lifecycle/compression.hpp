#pragma once
// Data sets as what compression takes: which samples a graph is calibrated on, which ones it is judged by, and what it is worth on those.
#include <optional>

#include "compress/samples.hpp"
#include "data/dataset.hpp"
#include "ir/graph.hpp"
#include "lifecycle/answers.hpp"
#include "lifecycle/config.hpp"

namespace saha::lifecycle {

/// The samples of a set as the graph's inputs take them: stacked where every input's first dim is free, else one at a time. A sample that has as many
/// dims as the input is taken as it is; with fewer, a first dim of 1 is set before it. The set must outlive what is returned.
Result<compress::Samples> samples_of(const data::Dataset& set, const ir::Graph& g);

struct CompressionData {
  data::Dataset calibration, judged;     ///< as the model's inputs take them
  std::string calibration_name, judged_name;   ///< "calibration", "train", "test"; of a single set: "the data"
  std::map<std::string, std::string> output_meaning;   ///< by output name, from saha.yaml
  std::vector<std::string> notes;        ///< what was taken for what, a sentence each
};
/// What `path` gives: of a saha.yaml (by its ending .yaml or .yml) the set `calibration`, else `train`, and to judge by `val`, else `test`, else the same; of
/// anything else (a folder, csv, npy, npz) the set itself, for both. `take` samples by `seed` calibrate. Faults of the yaml go to `diagnostics`.
Result<CompressionData> compression_data(const std::string& path, const ir::Model& model, const data::Preprocess& steps, std::int64_t take, std::uint64_t seed, yaml::Diagnostics& diagnostics);

/// A quantised model as an ONNX file, in the model's own opset or the least above it, from `opset` on, that has what the graph needs. Returns what is otherwise
/// than in the model.
Result<std::vector<std::string>> export_quantised(const ir::Model& model, const std::string& file, std::int64_t opset = 13);

/// "accuracy" where the samples have labels and an output decides, "iou" where they have masks, "agreement" (with the decisions or masks of `reference`) where only an
/// output decides; "": neither.
std::string score_name(const Answers& reference, const data::Dataset& set);
/// That share, the mean of masks; 0 where score_name is "".
double score(const Answers& a, const Answers& reference, const data::Dataset& set);


/// What graphs made of one model say about the samples that judge them.
struct Judge {
  const ir::Model& model;
  const data::Dataset& set;
  const compress::Samples& samples;                     ///< of the set
  const std::map<std::string, std::string>& output_meaning;
  runtime::Backend& engine;
  int threads;
  const compress::Watch& watch;
  Result<Answers> answers(const ir::Graph& g) const;
  /// Mean SQNR of the outputs in dB, on the first samples.
  Result<double> sqnr(const ir::Graph& reference, const ir::Graph& g) const;
};
inline constexpr std::int64_t kMeasured = 128;   // samples on which errors are measured
inline constexpr std::int64_t kAlone = 16;       // and those of each layer alone

struct Held {
  compress::Quantizer::Mixed mixed;
  std::string floor;                             ///< "98.7 %", "30.0 dB"
};
/// The cheapest mixture that holds the floor, or the best one; measures each layer alone. `whole`: what the float graph says, null where nothing decides: a floor in pp fails then.
Result<Held> hold(compress::Quantizer& q, const Floor& floor, const Judge& judge, const Answers* whole);

}  // namespace saha::lifecycle
