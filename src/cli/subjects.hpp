#pragma once
// Subjects: the models that a property speaks of, as one graph. What verify and check-proof begin with.
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "ir/graph.hpp"
#include "verify/vnnlib.hpp"

namespace saha::cli {

/// A model of the property, without free dims.
struct Subject {
  std::string file;
  ir::Model model;
  bool packed = false;                 ///< by gzip: engines do not read the file itself
  std::vector<Dims> inputs;            ///< of the graph
};

/// The property's networks: of each the model, which several may share.
struct Subjects {
  std::vector<Subject> models;
  std::vector<std::size_t> model_of;   ///< of each network; of 1.0 there is one
  ir::Graph graph;                     ///< of all, from the property's inputs to its outputs
};

/// The models of the command line, for a property that was read from `property`. MODEL is `model`; `args` has --network and --shape.
Result<Subjects> read_models(const Args& args, const std::string& model, const std::string& property, const verify::Vnnlib& v);
/// Of the models' files, joined by '+'.
Result<std::string> models_sha256(const Subjects& s);

}  // namespace saha::cli
