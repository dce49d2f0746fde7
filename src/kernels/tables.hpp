#pragma once
// SAHA_KERNEL_TABLES(isa) declares the tables of one level, one per family of loops and defined beside them, and tables(), which lists them.
// SAHA_KERNEL_TABLES_OVER(isa, base): of a level that has loops on 8-bit integers and on bfloat16 of its own; the others are those of `base`.
#include "kernels/isa.hpp"

namespace saha::kernels {
extern const std::span<const Kernel> kSoftmaxI8;  // without vectors: compiled once, in every level's list
}

#define SAHA_KERNEL_LIST(isa, base)                                                                                                       \
  inline std::span<const std::span<const Kernel>> tables() {                                                                              \
    static const std::span<const Kernel> all[] = {kSoftmaxI8, isa::kConvI8, isa::kConvBf16, base::kDepthwiseI8, base::kElementwiseI8, base::kReduceI8, base::kResizeI8, base::kGemm, base::kGemv, base::kStencil,\
                                                  base::kConv, base::kConvLast, base::kWinograd, base::kWinogradI8, base::kDepthwise, base::kElementwise, base::kElements, base::kRows, base::kPool, base::kMovement,        \
                                                  base::kAttention, base::kResize, base::kRecurrent, base::kRecurrentI8, base::kDepthwiseLast, base::kPoolLast};                                                       \
    return all;                                                                                                                           \
  }
#define SAHA_KERNEL_TABLES(isa)                                                                                                           \
  namespace saha::kernels::isa {                                                                                                          \
  extern const std::span<const Kernel> kConvI8, kConvBf16, kDepthwiseI8, kElementwiseI8, kReduceI8, kResizeI8, kGemm, kGemv, kStencil, kConv, kConvLast, kWinograd, kWinogradI8, kDepthwise, kElementwise, kElements, kRows, kPool, kMovement, \
      kAttention, kResize, kRecurrent, kRecurrentI8, kDepthwiseLast, kPoolLast;                                                                                                                \
  SAHA_KERNEL_LIST(isa, isa)                                                                                                              \
  }
#define SAHA_KERNEL_TABLES_OVER(isa, base)                                                                                                \
  namespace saha::kernels::isa {                                                                                                          \
  extern const std::span<const Kernel> kConvI8, kConvBf16;                                                                                \
  SAHA_KERNEL_LIST(isa, base)                                                                                                             \
  }
