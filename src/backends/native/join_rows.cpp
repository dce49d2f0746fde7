#include "backends/native/join_rows.hpp"

#include <cstring>
#include <optional>

#include "kernels/row_bands.hpp"

namespace saha::native {
namespace {

constexpr std::size_t kConvOperands = 4;   // X, weights, bias, residual

class Finder {
 public:
  Finder(const plan::Plan& p, std::span<const std::int64_t> buffers, kernels::Isa isa) : p_(p), buffers_(buffers), isa_(isa), reads_(p.slots.size(), 0) {
    std::vector<std::uint32_t> of_buffer(p.slots.size(), 0);
    const auto read = [&](std::uint32_t slot) {
      if (slot != plan::kHost && buffers[slot] >= 0) ++of_buffer[std::size_t(buffers[slot])];
    };
    for (const plan::Instruction& i : p.instructions)
      for (std::uint32_t k = 0; k < i.num_in; ++k) read(p.operands[i.first_operand + k]);
    for (std::uint32_t s : p.outputs) read(s);
    for (std::size_t s = 0; s < p.slots.size(); ++s) if (buffers[s] >= 0) reads_[s] = of_buffer[std::size_t(buffers[s])];
  }
  std::vector<Join> run() const {
    std::vector<Join> joins;
    std::uint32_t from = 0;   // what stands before is part of another
    for (std::uint32_t i = 0; i < p_.instructions.size(); ++i) {
      const auto middle = params<kernels::DepthwiseLastParams>(i, "depthwise_last_f32");
      if (!middle) continue;
      const Beside before(*this, i - 1, i > from && leads(i - 1, i)), behind(*this, i + 1, i + 1 < p_.instructions.size() && leads(i, i + 1));
      for (const auto& [first, last] : {std::pair(before.neighbour(), behind.neighbour()), std::pair(kernels::Neighbour(), behind.neighbour()), std::pair(before.neighbour(), kernels::Neighbour())}) {
        if (!kernels::suits_row_bands(first, *middle, last)) continue;
        joins.push_back(join(i, first, *middle, last));
        from = joins.back().instructions.back() + 1;
        break;
      }
    }
    return joins;
  }

 private:
  std::uint32_t operand(std::uint32_t i, std::size_t k) const { return p_.operands[p_.instructions[i].first_operand + k]; }
  template <class P> std::optional<P> params(std::uint32_t i, std::string_view kernel) const {
    const plan::Instruction& x = p_.instructions[i];
    if (x.kernel == plan::kHost || p_.kernels[x.kernel] != kernel) return {};
    P params;
    std::memcpy(&params, p_.params.data() + x.params, sizeof params);
    return params;
  }
  /// What an instruction that may be a convolution is.
  struct Beside {
    std::optional<kernels::ConvLastParams> whole;
    std::optional<kernels::ConvHalfParams> half;
    Beside(const Finder& f, std::uint32_t i, bool may_be) {
      if (may_be) whole = f.params<kernels::ConvLastParams>(i, "conv_last_f32"), half = f.params<kernels::ConvHalfParams>(i, "conv_bf16");
    }
    kernels::Neighbour neighbour() const { return {whole ? &*whole : nullptr, half ? &*half : nullptr}; }
  };
  /// Instruction a, a convolution that adds nothing, gives what b reads first and nothing else reads.
  bool leads(std::uint32_t a, std::uint32_t b) const {
    const plan::Instruction &x = p_.instructions[a], &y = p_.instructions[b];
    if (x.num_in != kConvOperands || x.num_out != 1 || y.num_in != kConvOperands || operand(a, kConvOperands - 1) != plan::kHost) return false;
    const std::uint32_t between = operand(a, kConvOperands);
    return operand(b, 0) == between && buffers_[between] >= 0 && reads_[between] == 1;
  }
  Join join(std::uint32_t at, kernels::Neighbour first, const kernels::DepthwiseLastParams& middle, kernels::Neighbour last) const {
    Join j;
    const std::uint32_t begin = first ? at - 1 : at, end = last ? at + 1 : at;
    const auto params = kernels::prepare_row_bands(isa_, first, middle, last);
    j.call = call(kernels::kernel(params), params, {});
    j.reads = {operand(begin, 0)};
    for (std::uint32_t i = at - 1; i != at + 2; ++i)
      for (std::size_t k : {1, 2}) j.reads.push_back(i >= begin && i <= end ? operand(i, k) : plan::kHost);
    j.reads.push_back(operand(end, kConvOperands - 1));
    for (std::uint32_t i = begin; i <= end; ++i) j.instructions.push_back(i), j.macs += p_.instructions[i].macs, j.bytes += p_.instructions[i].bytes;
    for (std::uint32_t i = begin; i < end; ++i) j.bytes -= 2 * double(p_.slots[operand(i, kConvOperands)].bytes);
    return j;
  }

  const plan::Plan& p_;
  std::span<const std::int64_t> buffers_;
  kernels::Isa isa_;
  std::vector<std::uint32_t> reads_;   // by slot: how often what lies there is read
};

}  // namespace

std::vector<Join> joins_of_rows(const plan::Plan& p, std::span<const std::int64_t> buffers, kernels::Isa isa) { return Finder(p, buffers, isa).run(); }

}  // namespace saha::native
