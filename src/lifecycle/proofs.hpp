#pragma once
// Proofs: what verdicts of the level `prove` stand on - requirements, certificates, counterexamples, samples, other models - kept as one file, so that they can be judged again
// from it and the model alone (docs/bundle.md).
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "check_proof/check.hpp"
#include "data/dataset.hpp"
#include "lifecycle/store.hpp"
#include "validate/evaluate.hpp"
#include "validate/query.hpp"

namespace saha::lifecycle {

inline constexpr const char* kProofsFile = "proofs.saha-proofs";   ///< beside a manifest; in a bundle the section "proofs"
inline constexpr std::uint64_t kMostProofBytes = std::uint64_t{1} << 32;

struct Proofs {
  /// What the prover found out about one query.
  struct Answer {
    std::string certificate;               ///< the payload of a certificate (check_proof/certificate.hpp): it holds; or
    std::vector<float> counterexample;     ///< all inputs flattened; or neither:
    std::string why;                       ///< it is open
  };
  struct Form { Dims dims; DType dtype = DType::f32; };
  /// What requirements over samples ask of a data set beside the samples.
  struct Set {
    std::vector<std::int32_t> labels;
    std::vector<std::uint8_t> correct;
    std::map<std::string, std::vector<std::string>> columns;
  };
  struct Requirement { std::string id, verdict; };

  std::string saha;                                      ///< the version that wrote it
  Json model;                                            ///< the section of saha.yaml
  std::vector<std::string> labels;
  std::vector<std::pair<std::string, std::vector<std::string>>> data;   ///< the sets that may be named, with their columns
  std::vector<std::pair<std::string, std::string>> texts;   ///< of *.req.yaml files, and assertions: name or id, text; a file's name ends in .req.yaml
  std::vector<Requirement> requirements;                 ///< those that were proved or found violated
  std::vector<data::InputSpec> inputs;                   ///< as saha.yaml says them
  std::vector<Form> raw;                                 ///< of a raw sample, by input
  std::map<std::string, Set, std::less<>> sets;
  std::map<std::string, std::map<std::int64_t, std::vector<double>>, std::less<>> points;   ///< samples in raw units, by data set and number
  std::map<std::string, Answer, std::less<>> answers;    ///< by key()
  std::map<std::string, std::string, std::less<>> models;   ///< files of the models that stand beside the candidate, by name

  /// Of a query: its name and a hash of its property, whatever else of one name is asked.
  static std::string key(const validate::Query& q);
  /// The file. Equal proofs are equal bytes.
  std::string bytes() const;
  /// Fails (invalid_data) on any other bytes.
  static Result<Proofs> parse(std::string_view bytes);
};

/// The question of a property, as the checker of certificates takes it.
check_proof::Claim claim_of(const verify::Property& property);

/// One requirement, judged again.
struct Rechecked {
  std::string id, said, now, why;          ///< verdicts, as they were kept and as they are; why: where they differ
  std::int64_t proved = 0, violated = 0;   ///< queries: by certificates; by counterexamples that were run
  bool agrees() const { return said == now; }
};
/// Judges by certificates and counterexamples alone, no prover being asked: every query is made anew of requirement and model, its certificate is checked, and the counterexample run on saha's
/// own engine. Fails where the file does not fit the model.
Result<std::vector<Rechecked>> recheck(const Proofs& proofs, std::string_view model);

}  // namespace saha::lifecycle
