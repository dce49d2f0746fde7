#pragma once
// A model as a bundle: the model itself, and the plans that the native engine makes of it, for stated levels and shapes.
#include "backends/native/ways.hpp"
#include "bundle/bundle.hpp"
#include "ir/graph.hpp"
#include "kernels/isa.hpp"
#include "tensor/tensor.hpp"

namespace saha::native {

struct PackOptions {
  std::vector<kernels::Isa> levels;             ///< that plans are made for, each at the cost of the weights' size; empty: this machine's
  std::vector<std::vector<Dims>> shapes;        ///< dims of all inputs, a plan each
  bundle::Json about = bundle::Json::object();  ///< further entries of the manifest: "preprocess", "labels", "metrics", "evidence"
  std::vector<bundle::Part> parts;              ///< further sections, kept as they are
  std::shared_ptr<const Picker> picker = {};    ///< of ways to do a layer (ways.hpp): what was measured for the one level; null: none
};
struct Packed {
  std::vector<std::byte> bytes;                 ///< the same model and options give the same
  std::vector<std::string> notes;               ///< which plans were not stored and why, a sentence each
};
/// What another bundle says and holds beside its model and its plans: entries of the manifest, sections of kinds that are not known. Entries that are there stay.
Result<> keep(const bundle::Bundle& from, PackOptions& options);

/// `file`: the model as it was read, in any format, needing no other file. Never fails for a plan that cannot be stored: the bundle then starts from its model.
Result<Packed> pack(const ir::Model& model, std::string_view file, const PackOptions& options);

}  // namespace saha::native
