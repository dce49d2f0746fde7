#pragma once
// Memory for many values at once.
#include <cstddef>
#include <cstdint>
#include <memory>

namespace saha::system {

inline constexpr std::uint64_t kHugePage = std::uint64_t{2} << 20;

using Block = std::unique_ptr<std::byte[], void (*)(std::byte*)>;

/// `bytes` of memory, 64-byte aligned, not set to anything; null where there is no more. From 2 MiB on it lies in huge pages where the system gives them:
/// they are had in a thousandth of the faults, and are read with fewer misses.
Block block(std::uint64_t bytes);

}  // namespace saha::system
