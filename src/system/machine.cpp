// Sources: /proc/cpuinfo, /proc/meminfo, /proc/self/status, /sys/devices/system/cpu, cgroup v1 and v2 interface files (kernel documentation).
#include "system/machine.hpp"

#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace saha::system {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}
// "Name:   value" of a file in the manner of /proc; empty where absent.
std::string field(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos || line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1) != name) continue;
    const auto start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return {};
}
std::uint64_t kilobytes(const std::string& path, const std::string& name) { return std::strtoull(field(path, name).c_str(), nullptr, 10) * 1024; }

// Folders of this process's cgroup for a v1 controller ("" for v2), from its own up to the root: any of them may hold the limit.
std::vector<std::string> cgroup_folders(const std::string& root, const std::string& controller) {
  std::vector<std::string> folders;
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // hierarchy:controllers:path
    const auto a = line.find(':'), b = line.find(':', a + 1);
    if (b == std::string::npos) continue;
    const std::string names = "," + line.substr(a + 1, b - a - 1) + ",";
    if (controller.empty() ? names != ",," : names.find("," + controller + ",") == std::string::npos) continue;
    const std::string mount = root + (controller.empty() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + controller);
    for (std::string path = line.substr(b + 1);; path.erase(path.rfind('/'))) {
      folders.push_back(mount + (path == "/" ? "" : path));
      if (path.empty() || path == "/") break;
    }
  }
  return folders;
}

double cpu_quota(const std::string& root) {
  double quota = 0;
  const auto keep = [&quota](double q) { if (q > 0 && (quota == 0 || q < quota)) quota = q; };
  for (const auto& folder : cgroup_folders(root, "")) {
    std::istringstream line(first_line(folder + "/cpu.max"));  // "200000 100000" or "max 100000"
    double limit = 0, period = 0;
    if (line >> limit >> period && period > 0) keep(limit / period);
  }
  for (const auto& folder : cgroup_folders(root, "cpu")) {
    const double limit = std::atof(first_line(folder + "/cpu.cfs_quota_us").c_str()), period = std::atof(first_line(folder + "/cpu.cfs_period_us").c_str());
    if (limit > 0 && period > 0) keep(limit / period);
  }
  return quota;
}

struct Processor {
  int number;
  std::string core;   ///< the processors that share it, "0,4"
};
// By the affinity of the calling thread; none where it is not known.
std::vector<Processor> allowed_processors(const std::string& root) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::vector<Processor> all;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return all;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (!CPU_ISSET(i, &allowed)) continue;
    const std::string siblings = first_line(root + "/sys/devices/system/cpu/cpu" + std::to_string(i) + "/topology/thread_siblings_list");
    all.push_back({i, siblings.empty() ? std::to_string(i) : siblings});
  }
  return all;
}

struct Limit { std::uint64_t limit, used; };
// The tightest memory limit above this process; limit 0: none.
Limit memory_limit() {
  Limit best{0, 0};
  const auto keep = [&best](const std::string& limit, const std::string& used) {
    const std::uint64_t l = std::strtoull(limit.c_str(), nullptr, 10);  // "max" gives 0; v1 writes a number near 2^63 for none
    if (l > 0 && l < (std::uint64_t{1} << 60) && (best.limit == 0 || l < best.limit)) best = {l, std::strtoull(used.c_str(), nullptr, 10)};
  };
  for (const auto& f : cgroup_folders("", "")) keep(first_line(f + "/memory.max"), first_line(f + "/memory.current"));
  for (const auto& f : cgroup_folders("", "memory")) keep(first_line(f + "/memory.limit_in_bytes"), first_line(f + "/memory.usage_in_bytes"));
  return best;
}

std::int64_t clock_ns(clockid_t id) {
  timespec t{};
  ::clock_gettime(id, &t);
  return std::int64_t(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

Cpu cpu(const std::string& root) {
  Cpu result;
  result.model = field(root + "/proc/cpuinfo", "model name");
  if (result.model.empty()) result.model = field(root + "/proc/cpuinfo", "Hardware");
  // Linux's own names of the flags, and what we call them.
  constexpr std::pair<const char*, const char*> kIsa[] = {
      {"sse4_1", "sse4.1"}, {"sse4_2", "sse4.2"}, {"avx", "avx"}, {"f16c", "f16c"}, {"fma", "fma"}, {"avx2", "avx2"}, {"avx_vnni", "avx_vnni"}, {"avx512f", "avx512f"},
      {"avx512bw", "avx512bw"}, {"avx512vl", "avx512vl"}, {"avx512_vnni", "avx512_vnni"}, {"avx512_bf16", "avx512_bf16"}, {"avx512_fp16", "avx512_fp16"},
      {"amx_tile", "amx_tile"}, {"amx_int8", "amx_int8"}, {"amx_bf16", "amx_bf16"}, {"asimd", "neon"}, {"asimddp", "dotprod"}, {"asimdhp", "fp16"}, {"i8mm", "i8mm"},
      {"bf16", "bf16"}, {"sve", "sve"}};
  std::string flags = field(root + "/proc/cpuinfo", "flags");
  if (flags.empty()) flags = field(root + "/proc/cpuinfo", "Features");
  std::set<std::string> present;
  std::istringstream words(flags);
  for (std::string word; words >> word;) present.insert(word);
  for (const auto& [flag, name] : kIsa)
    if (present.count(flag)) result.isa.emplace_back(name);

  const auto allowed = allowed_processors(root);
  std::set<std::string> cores;
  for (const auto& p : allowed) cores.insert(p.core);
  result.logical = std::max(1, allowed.empty() ? int(::sysconf(_SC_NPROCESSORS_ONLN)) : int(allowed.size()));
  result.quota = cpu_quota(root);
  result.physical = cores.empty() ? result.logical : int(cores.size());
  if (result.quota > 0) result.physical = std::clamp(int(std::ceil(result.quota)), 1, result.physical);
  return result;
}

std::vector<int> processors(const std::string& root) {
  std::vector<int> first, others;
  std::set<std::string> cores;
  for (const auto& p : allowed_processors(root)) (cores.insert(p.core).second ? first : others).push_back(p.number);
  first.insert(first.end(), others.begin(), others.end());
  return first;
}

bool pin_thread(int processor, pthread_t thread) {
  if (processor < 0 || processor >= CPU_SETSIZE) return false;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  return ::pthread_setaffinity_np(thread, sizeof one, &one) == 0;
}

Memory memory() {
  Memory result{kilobytes("/proc/meminfo", "MemTotal"), kilobytes("/proc/meminfo", "MemAvailable")};
  const Limit limit = memory_limit();
  if (limit.limit > 0 && limit.limit < result.total_bytes) {
    result.total_bytes = limit.limit;
    result.available_bytes = std::min(result.available_bytes, limit.limit - std::min(limit.limit, limit.used));
  }
  return result;
}

std::uint64_t peak_rss_bytes() { return kilobytes("/proc/self/status", "VmHWM"); }
std::uint64_t rss_bytes() { return kilobytes("/proc/self/status", "VmRSS"); }
bool reset_peak_rss() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return bool(file);
}
double load_average() {
  double load = 0;
  return ::getloadavg(&load, 1) == 1 ? load : 0;
}
std::int64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }
std::int64_t thread_cpu_ns() { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }
std::int64_t process_cpu_ns() { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

}  // namespace saha::system
