#pragma once
// The weights that come next.
#include "kernels/loops/vec.hpp"

namespace saha::kernels::SAHA_ISA {

/// Asks for the weights that are multiplied next, a part with each of the tiles before: they come from memory, and no hardware prefetcher looks so far ahead. What is asked for need not be there.
class Ahead {
  static constexpr int64_t kLine = 64, kFew = 2;
  static constexpr bool kSteady = SAHA_ISA_LEVEL > 0;   ///< loops over float32 ask, too

 public:
  /// A tile's part, asked for by its loop: a burst of requests would hold up what it reads itself.
  struct Part {
    const std::byte* next = nullptr;
    int64_t step = 0;
    void ask() { __builtin_prefetch(next, 0, 2), next += step; }
    void ask_for_two() { __builtin_prefetch(next, 0, 2), __builtin_prefetch(next + kLine, 0, 2), next += step; }
  };

  /// `requests`: of a tile, by part().
  Ahead(const void* next, int64_t bytes, int64_t tiles, int64_t requests = 1) : next_(static_cast<const std::byte*>(next)), part_((bytes + tiles - 1) / tiles), step_((part_ + requests - 1) / requests) {}
  void ask() {
    for (const std::byte* end = next_ + part_; next_ < end; next_ += kLine) __builtin_prefetch(next_, 0, 2);
  }
  /// More than a few requests with each tile.
  bool many() const { return part_ > kFew * kLine; }
  Part part() {
    const Part p{next_, step_};
    next_ += part_;
    return p;
  }
  /// The same for each(), at once where two lines with a request would be too little.
  Part steady() {
    if (kSteady && step_ <= 2 * kLine) return part();
    ask();
    return {next_, 0};
  }
  /// Of a tile that does each() over `depth`.
  static int64_t steady_requests(int64_t depth) { return most<int64_t>(1, (depth + 1) / 2); }
  /// step(p) for p in [0, depth), of which every second one asks. With 16 lanes a step is long enough to stand alone in its loop.
  template <class Step>
  [[gnu::always_inline]] static void each(int64_t depth, Part& next, Step step) {
#pragma GCC unroll (W == 16 || kCompact ? 1 : 2)
    for (int64_t p = 0; p < depth; ++p) {
      if constexpr (kSteady)
        if (p % 2 == 0) next.ask_for_two();
      step(p);
    }
  }

 private:
  const std::byte* next_;
  int64_t part_, step_;
};

}  // namespace saha::kernels::SAHA_ISA
