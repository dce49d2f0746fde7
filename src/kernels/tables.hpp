#pragma once
// SAHA_KERNEL_TABLES(isa) declares the tables of one level, one per family of loops and defined beside them, and tables(), which lists them.
#include "kernels/isa.hpp"

#define SAHA_KERNEL_TABLES(isa)                                                                                              \
  namespace saha::kernels::isa {                                                                                            \
  extern const std::span<const Kernel> kGemm, kConv, kDepthwise, kElementwise, kRows, kPool, kMovement, kResize, kRecurrent; \
  inline std::span<const std::span<const Kernel>> tables() {                                                                \
    static const std::span<const Kernel> all[] = {kGemm, kConv, kDepthwise, kElementwise, kRows, kPool, kMovement, kResize, kRecurrent}; \
    return all;                                                                                                             \
  }                                                                                                                         \
  }
