#include "cli/verbs.hpp"

namespace saha::cli {

std::span<const Command> commands() {
  static const Command all[] = {kInfer, kBench, kDoctor, kBackends};
  return all;
}

}  // namespace saha::cli
