#pragma once
// The failing input of a requirement, as files and pictures beside the sample that it was made from. Pictures of a page are PNG in base64, of "original", "failing" and their "difference x 12".
#include <filesystem>

#include "lifecycle/store.hpp"
#include "lifecycle/trials.hpp"
#include "validate/evaluate.hpp"

namespace saha::lifecycle {

/// The name of a requirement's folder of evidence: its id, which leads no way up.
inline std::string evidence_folder(const std::string& id) { return (id.starts_with('.') ? "_" : "") + id; }
/// Writes original.npy and failing.npy (raw, as they are), and each as .png or .wav where it is a picture or sound of known rate, into the folder, and names them in the witness.
Result<> keep_witness(validate::Witness& witness, ModelTrials& trials, const std::filesystem::path& folder);
/// Pictures of a proof's counterexample, beside the sample that it lies around, whose raw values `sample` holds (empty: none).
Result<> show_points(validate::Witness& witness, const std::vector<double>& sample);
/// {"model", "data", "sample", "text", "change", "found", "points": [{"name", "fields"}], "files": [..], "pictures": [{"role", "png"}]}
Json witness_json(const validate::Witness& witness);

}  // namespace saha::lifecycle
