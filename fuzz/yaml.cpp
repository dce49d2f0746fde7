// Any bytes as YAML; a sound tree prints to a text of the same tree.
#include <cstdint>
#include <cstdlib>

#include "yaml/document.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  namespace yaml = saha::yaml;
  yaml::Diagnostics diagnostics;
  auto node = yaml::parse(std::string(reinterpret_cast<const char*>(bytes), size), "fuzz.yaml", diagnostics);
  (void)diagnostics.render();
  (void)diagnostics.json();
  if (!node && diagnostics.ok()) std::abort();  // nothing, and no word why
  if (!node || !diagnostics.ok()) return 0;
  yaml::Diagnostics second;
  auto again = yaml::parse(yaml::print(*node), "again.yaml", second);
  if (again && second.ok() && !yaml::same(*node, *again)) std::abort();
  return 0;
}
