#pragma once
// LiveEvidence: what was recorded, and models at hand for what a proof asks: their graphs in raw units, runs on the engine that is judged, the prover.
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "ir/graph.hpp"
#include "runtime/backend.hpp"
#include "validate/evaluate.hpp"

namespace saha::lifecycle {

struct Proofs;

/// A model and the engine that it is judged on.
struct Judged {
  std::shared_ptr<const ir::Model> model;
  std::string file, backend;                 ///< file: "" where there is none
};

class LiveEvidence final : public validate::RecordedEvidence {
 public:
  /// By the name of requirements: candidate, original, or one of the file's `models`.
  using Find = std::function<Result<Judged>(const std::string& name)>;
  struct Options {
    int threads = 1;
    std::function<bool()> stop = {};
    std::function<void(double done, std::int64_t regions)> progress = {};   ///< of one query
    std::function<Result<verify::Outcome>(const validate::Query&)> instead = {};   ///< of the prover: who writes queries down
    Proofs* keep = nullptr;                 ///< what is asked and answered goes there, with certificates that were checked
    const Proofs* kept = nullptr;           ///< stands in the place of the data and of the prover
  };

  LiveEvidence(RecordedEvidence recorded, Find find, const std::vector<data::InputSpec>& inputs, const std::map<std::string, data::Dataset>& sets, Options options)
      : RecordedEvidence(std::move(recorded)), find_(std::move(find)), configured_(inputs), sets_(sets), options_(std::move(options)) {}

  Result<std::int64_t> count(std::string_view data) override;
  Result<std::vector<double>> output(std::string_view model, std::string_view data, std::int64_t sample, std::string_view output) override;
  Result<std::shared_ptr<const validate::Network>> network(std::string_view model) override;
  Result<std::vector<double>> point(std::string_view data, std::int64_t sample) override;
  Result<validate::Outputs> execute(std::string_view model, std::span<const double> point) override;
  Result<verify::Outcome> prove(const validate::Query& query) override;

 private:
  /// One input: its steps in two parts, and the raw sample's dims between them.
  struct Way {
    data::InputSpec outside;           ///< what brings a sample to raw units: decode, resize
    data::Preprocess inside;           ///< the affine rest
    Dims raw, wanted;                  ///< of a sample; of the network's input, without the batch
    DType raw_dtype = DType::f32, dtype = DType::f32;
  };
  struct Loaded {
    Judged judged;
    std::vector<Way> ways;
    std::shared_ptr<const validate::Network> network;
    std::unique_ptr<runtime::Program> program;
  };
  Result<Loaded*> loaded(std::string_view model);
  /// The graph's outputs at x, by the models as they ship.
  Result<std::vector<float>> run(const validate::Query& q, const std::vector<float>& x);
  Result<verify::Outcome> answered(const validate::Query& q);
  Result<std::vector<Way>> ways(const ir::Model& model) const;

  Find find_;
  const std::vector<data::InputSpec>& configured_;
  const std::map<std::string, data::Dataset>& sets_;
  Options options_;
  std::map<std::string, Loaded, std::less<>> models_;
  std::mutex running_;                 ///< a prover may try points on several threads
  std::map<std::string, data::Dataset, std::less<>> raw_sets_;
};

/// What stands in `folder` of a counterexample: witness.npy, the point that varies, or NAME.npy for each where several do, as for samples beside it
/// (raw units, a batch of 1; NAME.INPUT.npy where there are several inputs), a .png of a picture, witness.csv with a row a point where values
/// have names. `sample`: the raw values of the witness's sample, which does not vary; empty: none. Returns the files' names.
Result<std::vector<std::string>> write_witness(const std::filesystem::path& folder, const validate::Witness& witness, const std::vector<double>& sample);

}  // namespace saha::lifecycle
