#pragma once
// The weights that come next.
#include "kernels/loops/vec.hpp"

namespace saha::kernels::SAHA_ISA {

/// Asks for the weights that are multiplied next, a part with each of the tiles before: they come from memory, and no hardware prefetcher looks so far ahead. What is asked for need not be there.
class Ahead {
 public:
  Ahead(const void* next, int64_t bytes, int64_t tiles) : next_(static_cast<const std::byte*>(next)), part_((bytes + tiles - 1) / tiles) {}
  void ask() {
    for (const std::byte* end = next_ + part_; next_ < end; next_ += kLine) __builtin_prefetch(next_, 0, 2);
  }

 private:
  static constexpr int64_t kLine = 64;
  const std::byte* next_;
  int64_t part_;
};

}  // namespace saha::kernels::SAHA_ISA
