#pragma once
// Plans that come from a bundle: found by the level and the shapes of the inputs, read, held against what their kernels touch, and ready to run. No graph is needed.
#include "bundle/bundle.hpp"
#include "kernels/isa.hpp"
#include "runtime/backend.hpp"
#include "runtime/executor.hpp"

namespace saha::runtime {

/// {"name", "type", "dtype", "dims"}: a free dim is its name, null where nothing is known; a value that is no tensor has no dims.
bundle::Json json_of(const Port& port);
Result<std::vector<Port>> ports_of(const bundle::Json& manifest, const char* list);

/// An entry of the manifest's list "plans".
struct StoredPlan {
  std::string section;
  std::vector<std::string> levels;         ///< that run these very bytes
  std::vector<std::string> weights;        ///< the sections that its constants lie in, by number
  std::vector<Dims> inputs;                ///< dims of each
  std::string kernels;                     ///< kernels::fingerprint() of the build that made it
  bool fits(kernels::Isa isa) const;       ///< this build and this level run it
};
Result<std::vector<StoredPlan>> stored_plans(const bundle::Bundle& b);

/// Fails (invalid_model) naming the instruction where a kernel would touch what is not its own. The plan's constants are pages of the file.
Result<std::shared_ptr<const LoadedPlan>> load(std::shared_ptr<const bundle::Bundle> b, const StoredPlan& stored, kernels::Isa isa);

/// Finds the kernels of a plan that plan::read gave, and checks each call: operands, scratch and grid are what the kernel's contract asks for.
/// For a level of another architecture all is checked, too, and `runs` stays empty pointers: the plan can be stored, not run.
Result<> bind(plan::Plan& plan, kernels::Isa isa);

}  // namespace saha::runtime
