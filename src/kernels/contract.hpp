#pragma once
// What a kernel's call reads and writes, told by its params alone. A plan that comes from a file is held against it before anything runs: with operands,
// scratch and grid as stated here no kernel touches other memory, whatever the file says.
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kernels/isa.hpp"

namespace saha::kernels {

/// Params are stored and compared as bytes, so none of them may be padding. Does not compile where one is.
template <class Params> consteval bool all_bytes_are_fields() {
  static_assert(std::is_trivially_copyable_v<Params>);
  unsigned sum = 0;
  for (unsigned char c : std::bit_cast<std::array<unsigned char, sizeof(Params)>>(Params{})) sum += c;
  return sum + 1 != 0;
}

struct Needs {
  struct Operand {
    std::uint64_t bytes;
    bool optional = false;            ///< may be null
  };
  std::vector<Operand> reads, writes;
  std::uint32_t grid = 0, phases = 1;
  std::uint64_t scratch = 0;          ///< per thread
};

/// Nothing: there is no such kernel, or no preparation of this build makes such params at this level. `params` begin at the struct and may be longer; `reads` are
/// the operands that are constants, empty where one is none: tables of places are looked through.
std::optional<Needs> needs(std::string_view kernel, Isa isa, std::span<const std::byte> params, std::span<const std::span<const std::byte>> reads);

/// Names the text of all kernels and of their preparation: params and packed constants fit a build with the same value.
std::string_view fingerprint();

}  // namespace saha::kernels
