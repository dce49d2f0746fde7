#pragma once
// Plan: the executable program of one graph at known shapes. Flat tables of plain data; everything is decided when it is made, running it
// is a loop over {kernel, operand slots}. The compiler half writes it, the runtime half reads it, nothing else passes between them.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "plan/call.hpp"
#include "tensor/tensor.hpp"

namespace saha::plan {

/// Where a value lives.
enum class Space : std::uint8_t {
  none,      ///< an omitted operand
  arena,     ///< at `offset` in the context's one block
  constant,  ///< row `index` of Plan::constants
  input,     ///< input `index`, as the caller gave it
  box,       ///< box `index` of the context: what a host instruction made; its size is known only then, or it is no tensor
};
struct Slot {
  Space space = Space::none;
  DType dtype = DType::none;
  std::uint32_t index = 0;
  std::uint64_t offset = 0, bytes = 0;
  Dims dims;                          ///< of arena, constant and static input slots; empty for boxes
};

inline constexpr std::uint32_t kHost = 0xffffffffu;

struct Instruction {
  std::uint32_t kernel = kHost;       ///< row of Plan::kernels, or kHost
  std::uint32_t host = 0;             ///< row of the host table, if kHost
  std::uint32_t first_operand = 0;    ///< into Plan::operands: slots read, then slots written
  std::uint16_t num_in = 0, num_out = 0;
  std::uint64_t params = 0;           ///< offset in Plan::params
  std::uint32_t first_dim = 0;        ///< into Plan::dims: Call::dims
  std::uint32_t grid = 1;             ///< independent pieces, fixed by the plan: results do not depend on the number of threads
  std::uint32_t phases = 1;           ///< in each all pieces are done, before any of the next
  std::uint64_t scratch = 0;          ///< bytes per thread
  std::uint32_t origin = 0;           ///< row of Plan::origins: for profiles and messages
  double macs = 0, bytes = 0;         ///< work and traffic, for profiles
};

struct Origin {
  std::string name, op, output;       ///< the model's node, its operator and kind ("Conv 1x1"), its result's shape
};

struct Plan {
  std::vector<Slot> slots;
  std::vector<std::uint32_t> operands;          ///< slots
  std::vector<Instruction> instructions;
  std::vector<std::string> kernels;             ///< names; resolved once when the plan is loaded
  std::vector<Run> runs;                        ///< the same, resolved
  std::vector<std::byte> params;                ///< the kernels' plain structs, each 64-byte aligned
  std::vector<std::int64_t> dims;
  std::vector<Tensor> constants;                ///< shared between plans where the contents are one buffer
  std::vector<std::uint32_t> inputs, outputs;   ///< slots
  std::vector<Origin> origins;
  std::uint32_t boxes = 0;
  std::uint64_t arena_bytes = 0, scratch_bytes = 0;   ///< scratch per thread
  std::uint64_t peak_bytes = 0;                 ///< most bytes of intermediate values that are live at once: what no packing can go below
};

/// One buffer's life, in instructions, both ends included.
struct Life {
  std::uint64_t bytes;
  std::uint32_t first, last;
};
struct Packing {
  std::vector<std::uint64_t> offsets;   ///< 64-byte aligned
  std::uint64_t bytes = 0;              ///< size of the block
  std::uint64_t live = 0;               ///< the most that is live at once: the lower bound
};
/// Greedy by size: each buffer at the lowest offset that is free over its life. Deterministic.
Packing pack(std::span<const Life> lives);

}  // namespace saha::plan
