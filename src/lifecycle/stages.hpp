#pragma once
// Pipeline: one run of a life cycle. pipeline.cpp says which stages there are, what each needs, and walks them; each group of stages is a file:
// stage_data, stage_train (with what it is given), stage_simplify, stage_compress, stage_validate, stage_prove, stage_measure, stage_choose, stage_package (and report).
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "ir/graph.hpp"
#include "lifecycle/answers.hpp"
#include "lifecycle/choose.hpp"
#include "lifecycle/pipeline.hpp"
#include "tensor/datum.hpp"

#ifndef SAHA_VERSION
#define SAHA_VERSION "0"
#endif

namespace saha::lifecycle {

struct Judged;

/// A model of the life cycle: as trained, simplified, or compressed.
struct Variant {
  std::string name;
  std::string file, sha256;
  ir::Model model;
  std::uint64_t bytes = 0;
};

/// The variant of a name in `models`, which no candidate's is: those have no '/'.
inline std::string named(const std::string& model) { return "models/" + model; }

/// SHA-256 over names and contents of what a data set is made of, and over what is chosen of it.
Result<std::string> content_hash(const data::DataSpec& spec);

/// All that a requirement says.
Json said_of(const validate::Requirement& r);

/// A stage as the walk sees it.
struct Step {
  std::string name;                  ///< "measure/server"
  std::vector<std::string> needs;    ///< stages that come before it
  std::function<Result<>()> work;
  bool optional = false;             ///< its failure keeps no other stage from running
  bool foreign = false;              ///< of another engine: where that cannot run the model, the stage is skipped and the reason said
  bool plain = false;                ///< what others take from it is known before it is made: the content of files
  bool tolerant = false;             ///< runs with what there is, though a stage that it needs failed
};

class Pipeline {
 public:
  Pipeline(const Config& c, const RunOptions& o, Store store) : c_(c), o_(o), store_(std::move(store)), specs_(c.data) {}
  Result<RunResult> run();

 private:
  Result<std::vector<Step>> steps();
  Result<> choose_engines();
  Result<std::set<std::string>> chosen(const std::vector<Step>& steps) const;
  Result<> walk(const std::vector<Step>& steps);
  /// The kept result of a stage, or a new one; says a line. In a plan: the kept one, or an error that ends the step.
  Result<Stored> stage(const std::string& name, int version, Json inputs, const std::function<Result<Json>(const std::filesystem::path&)>& make, const std::function<std::string(const Json&)>& note);
  void line(std::string status, const std::string& name, double seconds, std::string note, std::string help = {});

  Result<> goals();
  Result<> split();
  Result<> data();
  Result<> agree_on_classes();
  Result<Json> shift() const;
  Result<> train();
  Result<> named_models();
  Result<> simplify();
  Result<> compress(const Compression& c);
  Result<> evaluate(const std::string& variant, const std::string& backend, const std::string& set = "test");
  Result<> measure(const Target& t);
  Result<> prove(const std::string& variant, const std::string& backend);
  Result<> export_queries(const std::string& variant, const std::string& backend);
  Result<> decide(const Target& t);
  Result<> package(const Target& t);
  /// What the verdicts of proofs about a candidate stand on, for the model that is delivered as `file`; an empty text where nothing was proved.
  Result<std::string> proofs_of(const Candidate& c, const Target& t, const std::string& file);
  Result<> report();

  Result<Variant> load(const std::string& name, const std::filesystem::path& file) const;
  const Variant& variant(const std::string& name) const;
  bool has_variant(const std::string& name) const;
  Result<std::vector<Datum>> first_sample(const Variant& v) const;
  /// The names in `models` on which something else than a proof is judged: they are run as the candidate is.
  std::set<std::string> run_too() const;
  /// The requirements that want a proof, the common ones before those of targets.
  std::vector<validate::Requirement> proofs() const;
  /// A model by the name that requirements use, where the candidate is judged.
  Result<Judged> judged(const std::string& model, const std::string& candidate, const std::string& backend);
  validate::RecordedEvidence recorded(const std::string& variant, const std::string& backend) const;
  validate::RecordedEvidence evidence(const Candidate& c, const Target& t) const;
  std::optional<Candidate::Quality> quality(const Candidate& c) const;
  void mistakes(const Candidate& of);
  int threads(const Target& t) const;
  Json machine() const;

  const Config& c_;
  const RunOptions& o_;
  Store store_;
  std::vector<Target> targets_;
  std::vector<std::string> backends_;               ///< that are here and that a target wants
  std::set<std::string> forced_;                    ///< stages that are made anew
  std::map<std::string, data::DataSpec> specs_;     ///< as written; after split() with its parts
  std::map<std::string, data::Dataset> sets_;
  std::map<std::string, std::string> set_hash_;
  std::map<std::string, validate::Contents> contents_;   ///< of sets that requirements compare
  std::vector<Variant> variants_;
  std::vector<Variant> named_;                      ///< of the requirements' `models`; "models/previous"
  std::map<std::pair<std::string, std::string>, Answers> answers_;   ///< to the test set, by variant and backend
  std::map<std::pair<std::string, std::string>, std::map<std::string, Answers>> further_;   ///< to other sets, by their name
  std::map<std::pair<std::string, std::string>, std::vector<validate::Outcome>> proved_;   ///< variant, backend: in the order of proofs()
  std::vector<Candidate> candidates_;
  std::optional<Planned> planned_;                  ///< by stage(), in a plan
  Json report_;
  RunResult result_;
};

}  // namespace saha::lifecycle
