#include "cli/verbs.hpp"

namespace saha::cli {

std::span<const Command> commands() {
  static const Command all[] = {kRun, kInspect, kSimplify, kConvert, kInfer, kBench, kTune, kQuantize, kValidate, kVerify, kCheckProof, kAttack, kDoctor, kBackends, kOps, kSchema, kCompletion};
  return all;
}

}  // namespace saha::cli
