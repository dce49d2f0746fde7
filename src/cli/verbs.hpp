#pragma once
// One Command value per verb, each in its own file.
#include "cli/command.hpp"

namespace saha::cli {
extern const Command kRun;
extern const Command kInspect;
extern const Command kSimplify;
extern const Command kConvert;
extern const Command kCheckProof;
extern const Command kInfer;
extern const Command kValidate;
extern const Command kVerify;
extern const Command kAttack;
extern const Command kBench;
extern const Command kTune;
extern const Command kQuantize;
extern const Command kBackends;
extern const Command kDoctor;
extern const Command kOps;
extern const Command kSchema;
extern const Command kCompletion;

/// docs/cli.md.
std::string reference_page();
/// saha(1), and that of one verb, as roff.
std::string man_page();
std::string man_page(const Command& command);
}  // namespace saha::cli
