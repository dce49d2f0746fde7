// Any bytes as the proofs of a package; sound ones are written to bytes that are read as the same.
#include <cstdint>
#include <cstdlib>

#include "lifecycle/proofs.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using saha::lifecycle::Proofs;
  const auto proofs = Proofs::parse(std::string_view(reinterpret_cast<const char*>(bytes), size));
  if (!proofs) return 0;
  const std::string written = proofs->bytes();
  const auto again = Proofs::parse(written);
  if (!again || again->bytes() != written) std::abort();
  return 0;
}
