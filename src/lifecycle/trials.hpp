#pragma once
// ModelTrials: the models of a life cycle at hand for inputs that no data set holds (validate/trials.hpp): raw samples altered, preprocessed and run, and searches by attack.
#include <map>
#include <memory>
#include <string>

#include "attack/attack.hpp"
#include "corrupt/corrupt.hpp"
#include "data/dataset.hpp"
#include "ir/graph.hpp"
#include "runtime/backend.hpp"
#include "validate/check.hpp"
#include "validate/trials.hpp"

namespace saha::lifecycle {

/// A model as the requirements name it. `model`, like the sets below, must outlive the trials.
struct TrialModel {
  const ir::Model* model = nullptr;
  std::string backend, file;                     ///< file: where the engine reads it itself; else ""
  int threads = 1;
  std::vector<data::InputSpec> inputs;
};

class ModelTrials final : public validate::Trials {
 public:
  ModelTrials(std::map<std::string, TrialModel> models, const std::map<std::string, data::Dataset>& sets, const validate::Scope& scope);
  ~ModelTrials() override;

  Result<validate::Raw> raw(const validate::Altered& input) override;
  Result<std::vector<std::string>> corruptions(const std::string& data, std::int64_t sample) override;
  Result<std::vector<double>> output(const std::string& model, const validate::Altered& input, const std::string& output) override;
  Result<validate::Searched> search(const validate::Search& search) override;
  void forget() override { last_.clear(); }

  /// The raw sample itself, altered: what a witness is saved from.
  Result<data::Item> item(const validate::Altered& input);
  /// Outputs of models one behind the other, and their slopes, by the raw numbers of samples of this form: what an attack works on, for as long as the trials live. Where there
  /// is no gradient `slopes` is null and `why` says why.
  Result<attack::Model> attacked(const std::vector<validate::Search::Leaf>& leaves, const std::string& data, const data::Item& form, std::string& why);
  /// The domain that the model section states, else what the sample's form tells: [0, 255] of bytes, [-1, 1] of sound; infinite where neither says.
  corrupt::Range range(const data::Item& item) const;

 private:
  struct Loaded;                                 // a program with its data set
  struct Gradient;                               // a program of slopes, and how raw numbers become its input
  Result<Loaded*> loaded(const std::string& model, const std::string& data);
  Result<data::Item> original(const std::string& data, std::int64_t sample);
  Result<std::vector<std::vector<double>>> run(Loaded& l, const std::vector<data::Item>& items, const std::vector<std::string>& outputs);
  Result<Gradient*> gradient(const std::string& model, const data::Item& form, const std::vector<std::string>& outputs);
  Result<std::vector<float>> slopes(Gradient& g, const data::Item& form, std::span<const float> points, const std::vector<std::vector<float>>& weights);

  std::map<std::string, TrialModel> models_;
  const std::map<std::string, data::Dataset>* sets_;
  const validate::Scope* scope_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<Loaded>> loaded_;
  std::map<std::string, std::unique_ptr<Gradient>> gradients_;
  struct Last {
    std::string model;
    validate::Altered input;
    std::map<std::string, std::vector<double>> outputs;
  };
  std::vector<Last> last_;                       // newest first: one point is asked for several outputs of several models
};

}  // namespace saha::lifecycle
