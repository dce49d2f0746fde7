#include "system/block.hpp"

#include <sys/mman.h>

#include <cstdlib>

namespace saha::system {

Block block(std::uint64_t bytes) {
  const std::uint64_t align = bytes >= kHugePage ? kHugePage : 64, whole = (bytes + 63) / 64 * 64;
  auto* p = static_cast<std::byte*>(whole < bytes ? nullptr : std::aligned_alloc(align, (whole + align - 1) / align * align));
#ifdef MADV_HUGEPAGE
  if (p && bytes >= kHugePage) ::madvise(p, whole / kHugePage * kHugePage, MADV_HUGEPAGE);   // a wish: without it nothing is wrong
#endif
  return {p, [](std::byte* q) { std::free(q); }};
}

}  // namespace saha::system
