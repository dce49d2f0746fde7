#pragma once
// The machine a number was measured on: processor, memory, load and clocks, as Linux tells them. What is not known is empty or 0.
#include <pthread.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saha::system {

struct Cpu {
  std::string model;               ///< "Intel(R) Xeon(R) ..."
  std::vector<std::string> isa;    ///< what saha's kernels ask for, e.g. "sse4.2" "avx2" "fma" "avx512f" "amx_int8" "neon" "dotprod"
  int logical = 1;                 ///< processors this process may run on (affinity)
  int physical = 1;                ///< distinct cores among them, never more than the cgroup's CPU quota (rounded up): the default of --threads
  double quota = 0;                ///< cgroup v1 or v2 CPU limit in processors; 0: none
};
/// `root` stands before /proc and /sys.
Cpu cpu(const std::string& root = "");
/// Processors this process may run on, one of each core before a second one of any: the order in which threads are pinned.
std::vector<int> processors(const std::string& root = "");
/// The thread stays on that processor. False where the system does not allow it.
bool pin_thread(int processor, pthread_t thread = pthread_self());

struct Memory {
  std::uint64_t total_bytes = 0;       ///< of the machine, or the cgroup's limit where that is lower
  std::uint64_t available_bytes = 0;   ///< without swapping, within the cgroup's limit
};
Memory memory();

/// Peak resident set of this process in bytes (VmHWM).
std::uint64_t peak_rss_bytes();
std::uint64_t rss_bytes();
/// Starts the peak anew at the current size. False where the system does not allow it.
bool reset_peak_rss();

double load_average();                    ///< over the last minute
std::int64_t monotonic_ns();
std::int64_t thread_cpu_ns();             ///< processor time of the calling thread
std::int64_t process_cpu_ns();

}  // namespace saha::system
