#include "verify/loops.hpp"

namespace saha::verify {

const Loops& loops(kernels::Isa isa) {
#if defined(__x86_64__)
  if (isa >= kernels::Isa::avx512) return avx512::kLoops;
  if (isa == kernels::Isa::avx2) return avx2::kLoops;
#elif defined(__aarch64__)
  if (kernels::is_neon(isa)) return neon::kLoops;
#endif
  (void)isa;
  return generic::kLoops;
}

}  // namespace saha::verify
