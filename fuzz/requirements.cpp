// Any bytes as a requirement file, and as one assertion; a sound assertion prints to a text of the same assertion. What is to be proved is turned into queries.
#include <cstdint>
#include <cstdlib>

#include "../tests/validate/open_evidence.hpp"
#include "validate/check.hpp"
#include "validate/evaluate.hpp"
#include "validate/language.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  namespace yaml = saha::yaml;
  using namespace saha::validate;
  std::string text(reinterpret_cast<const char*>(bytes), size);
  SyntaxError error;
  if (auto a = parse_assertion(text, error)) {
    SyntaxError none;
    auto again = parse_assertion(print(*a), none);
    if (!again || !same(*a, *again)) std::abort();
  }
  yaml::Diagnostics diagnostics;
  if (auto file = read_requirements(text, "fuzz.req.yaml", diagnostics)) {
    Scope scope = scope_of(*file, Scope{}, diagnostics);
    if (check(*file, scope, diagnostics))
      for (const Requirement& r : file->requirements) {
        (void)explain(r, scope);
        OpenEvidence open;
        (void)evaluate(r, scope, open);
      }
  } else if (diagnostics.ok()) {
    std::abort();
  }
  (void)diagnostics.render();
  return 0;
}
