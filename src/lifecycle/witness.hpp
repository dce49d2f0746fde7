#pragma once
// The failing input of a requirement, as files and pictures beside the sample that it was made from.
#include <filesystem>

#include "lifecycle/store.hpp"
#include "lifecycle/trials.hpp"
#include "validate/evaluate.hpp"

namespace saha::lifecycle {

/// Writes original.npy and failing.npy (raw, as they are), and each as .png or .wav where it is a picture or sound of known rate, into the folder, and names them in the witness.
Result<> keep_witness(validate::Witness& witness, ModelTrials& trials, const std::filesystem::path& folder);
/// {"model", "data", "sample", "text", "change", "found", "files": [..], "pictures": [{"role", "png"}]}
Json witness_json(const validate::Witness& witness);
/// Of {"id", "witness"} objects: each with its pictures side by side, as HTML; "" where there are none.
std::string witness_figures(const Json& outcomes);

}  // namespace saha::lifecycle
