#pragma once
// The contract between a plan and a kernel: one call on one piece of the grid. No kernel sees anything else.
#include <cstddef>
#include <cstdint>

namespace saha::plan {

/// All that a kernel sees. Pieces of the grid are independent: they may run in any order, on any thread, with the same bits as result. Where a kernel has several phases,
/// those of one phase are, and none begins before all of the phase before it are done, whose writes it sees.
struct Call {
  void* const* operands;       ///< inputs, then outputs; an omitted optional input is nullptr
  const std::int64_t* dims;    ///< bound dims in the order that the kernel's preparation fixed (by default those of each operand, inputs then outputs)
  const void* params;          ///< the kernel's plain struct, made by its preparation; packed constants come as operands
  std::uint32_t begin, end;    ///< its piece of the grid
  std::byte* scratch;          ///< this thread's, 64-byte aligned, of the size that was stated when prepared
  std::uint32_t phase = 0, phase_end = 1;   ///< more than one only with the whole grid: the kernel does them one after the other
};

using Run = void (*)(const Call&);

}  // namespace saha::plan
