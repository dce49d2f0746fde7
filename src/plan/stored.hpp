#pragma once
// The binary form of a plan: its tables field by field, little-endian, instructions by the names of their kernels. Constants lie elsewhere and are stated by
// place. What is read is checked before it is given out: every index, size and place lies inside of what it points into (docs/bundle.md).
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "plan/plan.hpp"

namespace saha::plan {

/// Where a constant's bytes lie: in which of the files' sections, and where in it.
struct Place {
  std::uint32_t section = 0;
  std::uint64_t offset = 0;
};
inline constexpr std::uint64_t kConstantAlign = 64;
/// Bytes that are there behind the last constant of a section: vectors may be read whole.
inline constexpr std::uint64_t kConstantSlack = 64;

/// Why the plan has no binary form: a host instruction, named; a constant that has no bytes. Empty: it has one.
std::string unstorable(const Plan& plan);

/// `places` has one entry for each of plan.constants. The same plan gives the same bytes.
std::vector<std::byte> write(const Plan& plan, std::span<const Place> places);

/// Gives a constant's memory, which holds `bytes` and kConstantSlack more, aligned; or fails naming what is wrong with the place.
using Constants = std::function<Result<std::shared_ptr<std::byte[]>>(const Place& place, std::uint64_t bytes)>;

/// The plan without its kernels (Plan::runs). Fails (invalid_model) with one sentence. What the kernels' params promise is not looked at: runtime/stored_plan.hpp.
Result<Plan> read(std::span<const std::byte> bytes, const Constants& constants);

}  // namespace saha::plan
