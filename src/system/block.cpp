#include "system/block.hpp"

#include <sys/mman.h>

#include <cstdlib>

namespace saha::system {

Block block(std::uint64_t bytes) {
  constexpr std::uint64_t kHuge = std::uint64_t{2} << 20;
  const std::uint64_t align = bytes >= kHuge ? kHuge : 64, whole = (bytes + 63) / 64 * 64;
  auto* p = static_cast<std::byte*>(whole < bytes ? nullptr : std::aligned_alloc(align, (whole + align - 1) / align * align));
#ifdef MADV_HUGEPAGE
  if (p && bytes >= kHuge) ::madvise(p, whole / kHuge * kHuge, MADV_HUGEPAGE);   // a wish: without it nothing is wrong
#endif
  return {p, [](std::byte* q) { std::free(q); }};
}

}  // namespace saha::system
