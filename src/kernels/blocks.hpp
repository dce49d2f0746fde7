#pragma once
// How a preparation's cost model may be overruled: by the number of an entry below, which params keep. What is best depends on caches, threads and neighbours, so it is measured
// (backends/native/tune.hpp); unmeasured, 0 is taken.
#include <algorithm>
#include <cstdint>

namespace saha::kernels {

/// Powers of two: how many more pieces are wanted than the model wants, and how much more a block may hold along the depth or in a cache.
struct Blocks {
  int pieces = 0, depth = 0;
};
inline constexpr Blocks kBlocks[] = {{}, {1, 0}, {2, 0}, {-1, 0}, {-5, 0}, {0, 1}, {0, -1}, {1, 1}, {-1, 1}, {1, -1}};
inline constexpr std::uint32_t kNumBlocks = sizeof kBlocks / sizeof *kBlocks;

/// n * 2^power, at least 1.
[[maybe_unused]] static constexpr std::int64_t scaled(std::int64_t n, int power) { return power >= 0 ? n << power : std::max<std::int64_t>(1, n >> -power); }

}  // namespace saha::kernels
