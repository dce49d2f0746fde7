#pragma once
// SAHA_KERNEL_TABLES(isa) declares the tables of one level, one per family of loops and defined beside them, and tables(), which lists them.
// SAHA_KERNEL_TABLES_COMPACT(isa): of one without minimal filtering of rows and integers.
// SAHA_KERNEL_TABLES_OVER(isa, integers, windows, halves, dots, base): of a level whose convolutions of 8-bit integers are those of level `integers`, depthwise and filtered ones those of `windows`, loops in 16 bits those of `halves`,
// recurrent layers and attention in them those of `dots`, and the others those of `base`; it may be one of them, the rest are declared before.
#include "kernels/isa.hpp"

namespace saha::kernels {
extern const std::span<const Kernel> kSoftmaxI8;  // without vectors: compiled once, in every level's list
namespace without {
inline constexpr std::span<const Kernel> kAttentionHalf, kConvHalf, kRecurrentHalf, kRowFilter, kWinogradI8;
}
}  // namespace saha::kernels

#define SAHA_KERNEL_LIST(integers, windows, filtered, halves, dots, filters, base)                                                              \
  inline std::span<const std::span<const Kernel>> tables() {                                                                              \
    static const std::span<const Kernel> all[] = {kSoftmaxI8, integers::kConvI8, halves::kConvHalf, dots::kRecurrentHalf, dots::kAttentionHalf, windows::kDepthwiseI8, base::kElementwiseI8, base::kReduceI8, base::kResizeI8, base::kGemm, base::kGemv, base::kStencil, filters::kRowFilter,\
                                                  base::kConv, base::kConvLast, base::kWinograd, filtered::kWinogradI8, base::kDepthwise, base::kElementwise, base::kElements, base::kRows, base::kPool, base::kMovement,\
                                                  base::kAttention, base::kResize, base::kRecurrent, base::kRecurrentI8, base::kDepthwiseLast, base::kPoolLast, base::kRowBands};\
    return all;                                                                                                                           \
  }
#define SAHA_KERNEL_TABLES(isa) SAHA_KERNEL_TABLES_WITH(isa, isa)
#define SAHA_KERNEL_TABLES_COMPACT(isa) SAHA_KERNEL_TABLES_WITH(isa, without)
#define SAHA_KERNEL_TABLES_WITH(isa, filters)                                                                                             \
  namespace saha::kernels::isa {                                                                                                          \
  extern const std::span<const Kernel> kConvI8, kDepthwiseI8, kElementwiseI8, kReduceI8, kResizeI8, kGemm, kGemv, kStencil, kRowFilter, kConv, kConvLast, kWinograd, kWinogradI8, kDepthwise, kElementwise, kElements, kRows, kPool, kMovement, \
      kAttention, kResize, kRecurrent, kRecurrentI8, kDepthwiseLast, kPoolLast, kRowBands;                                                \
  SAHA_KERNEL_LIST(isa, isa, filters, without, without, filters, isa)                                                                              \
  }
#define SAHA_KERNEL_TABLES_OVER(isa, integers, windows, halves, dots, base)                                                                     \
  namespace saha::kernels::isa {                                                                                                          \
  extern const std::span<const Kernel> kConvI8, kDepthwiseI8, kWinogradI8, kConvHalf, kAttentionHalf, kRecurrentHalf;                                                 \
  SAHA_KERNEL_LIST(integers, windows, windows, halves, dots, base, base)                                                                        \
  }
