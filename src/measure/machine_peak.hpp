#pragma once
// What this machine can do at most, measured: multiply-accumulates of float32 per instruction set, and memory bandwidth.
#include <string>
#include <vector>

namespace saha::measure {

struct IsaPeak {
  std::string isa;         ///< "avx512f", "avx2+fma", "sse2", "neon"
  double gmacs = 0;        ///< float32, 10^9 multiply-accumulates a second, all threads together
};
struct MachinePeak {
  int threads = 1;
  std::vector<IsaPeak> isas;       ///< what the processor has, widest first; never empty
  double read_gbytes = 0;          ///< 10^9 bytes a second read from main memory, all threads together
  double best_gmacs() const;
};

/// Takes some 0.3 s: the best of many short trials each, so that other load on the machine lowers it least.
MachinePeak measure_machine_peak(int threads);

}  // namespace saha::measure
