#pragma once
// The weights that come next.
#include "kernels/loops/vec.hpp"

namespace saha::kernels::SAHA_ISA {

/// Asks for the weights that follow those of a panel, a part with each of its tiles: they come from memory, and no hardware prefetcher looks so far ahead.
class Ahead {
 public:
  Ahead(const int32_t* w, int64_t size, int64_t tiles) : next_(w + size), part_((size + tiles - 1) / tiles) {}
  void ask() {
    for (const int32_t* end = next_ + part_; next_ < end; next_ += 16) __builtin_prefetch(next_, 0, 2);
  }

 private:
  const int32_t* next_;
  int64_t part_;
};

}  // namespace saha::kernels::SAHA_ISA
