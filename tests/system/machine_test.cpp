#include "system/machine.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "system/file.hpp"

namespace saha::system {
namespace {

TEST(Machine, counts_processors_within_the_affinity) {
  const Cpu all = cpu();
  EXPECT_GE(all.physical, 1);
  EXPECT_LE(all.physical, all.logical);
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i)
    if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  const Cpu single = cpu();
  sched_setaffinity(0, sizeof before, &before);
  EXPECT_EQ(single.logical, 1);
  EXPECT_EQ(single.physical, 1);
}
// A folder with the files of /proc and /sys that a test writes.
class Fake {
 public:
  std::string root() const { return folder_->path().string(); }
  void write(const std::string& file, const std::string& text) const {
    const auto path = folder_->path() / file;
    std::filesystem::create_directories(path.parent_path());
    ASSERT_TRUE(write_file(path, text)) << path;
  }
  /// The quota that cpu() sees, and the threads that it advises.
  std::pair<double, int> limit() const {
    const Cpu c = cpu(root());
    return {c.quota, c.physical};
  }

 private:
  Result<TempFolder> folder_ = TempFolder::make();
};

TEST(Machine, a_cpu_limit_of_cgroup_v2_lowers_the_number_of_threads) {
  const int cores = cpu().physical;
  const Fake f;
  f.write("proc/self/cgroup", "0::/pod/box\n");
  EXPECT_EQ(f.limit().first, 0);
  f.write("sys/fs/cgroup/pod/box/cpu.max", "max 100000\n");
  EXPECT_EQ(f.limit().first, 0);
  f.write("sys/fs/cgroup/pod/box/cpu.max", "50000 100000\n");
  EXPECT_EQ(f.limit(), std::pair(0.5, 1));
  f.write("sys/fs/cgroup/pod/box/cpu.max", "150000 100000\n");
  EXPECT_EQ(f.limit(), std::pair(1.5, std::min(2, cpu(f.root()).logical)));
  f.write("sys/fs/cgroup/pod/cpu.max", "20000 100000\n");  // of the group above, tighter
  EXPECT_EQ(f.limit(), std::pair(0.2, 1));
  f.write("sys/fs/cgroup/pod/cpu.max", "99900000 100000\n");
  f.write("sys/fs/cgroup/pod/box/cpu.max", "99900000 100000\n");
  EXPECT_EQ(f.limit().first, 999);
  EXPECT_GE(f.limit().second, cores);  // never more than the processors: without /sys's topology each counts as a core
  EXPECT_LE(f.limit().second, cpu(f.root()).logical);
}
TEST(Machine, a_container_sees_its_limit_at_the_root_of_its_own_cgroup_namespace) {
  const Fake f;
  f.write("proc/self/cgroup", "0::/\n");
  f.write("sys/fs/cgroup/cpu.max", "100000 100000\n");
  EXPECT_EQ(f.limit(), std::pair(1., 1));
  f.write("proc/self/cgroup", "0::/docker/0123\n");  // the host's path, which the container's mount does not have
  EXPECT_EQ(f.limit(), std::pair(1., 1));
}
TEST(Machine, a_cpu_limit_of_cgroup_v1_lowers_the_number_of_threads) {
  const Fake f;
  f.write("proc/self/cgroup", "12:memory:/box\n4:cpu,cpuacct:/box\n");
  f.write("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "-1\n");
  f.write("sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(f.limit().first, 0);
  f.write("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "80000\n");
  EXPECT_EQ(f.limit(), std::pair(0.8, 1));
  f.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "25000\n");
  f.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "50000\n");
  EXPECT_EQ(f.limit(), std::pair(0.5, 1));
  f.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "nonsense\n");
  EXPECT_EQ(f.limit(), std::pair(0.8, 1));
}
TEST(Machine, threads_of_one_core_count_once_and_stand_behind_other_cores) {
  const std::vector<int> plain = processors(Fake().root());  // without topology each is a core
  if (plain.size() < 2) GTEST_SKIP() << "one processor is allowed here";
  const Fake f;
  const std::string pair = std::to_string(plain[0]) + "," + std::to_string(plain[1]);
  for (int p : {plain[0], plain[1]}) f.write("sys/devices/system/cpu/cpu" + std::to_string(p) + "/topology/thread_siblings_list", pair + "\n");
  const Cpu c = cpu(f.root());
  EXPECT_EQ(c.logical, int(plain.size()));
  EXPECT_EQ(c.physical, int(plain.size()) - 1);
  std::vector<int> order = plain;
  order.erase(order.begin() + 1);
  order.push_back(plain[1]);
  EXPECT_EQ(processors(f.root()), order);
}
TEST(Machine, a_thread_stays_on_the_processor_it_is_given) {
  EXPECT_FALSE(pin_thread(-1));
  EXPECT_FALSE(pin_thread(CPU_SETSIZE));
  std::thread([] {
    const int last = processors().back();
    ASSERT_TRUE(pin_thread(last));
    EXPECT_EQ(sched_getcpu(), last);
    EXPECT_EQ(processors(), std::vector<int>{last});
    EXPECT_EQ(cpu().physical, 1);
  }).join();
}
TEST(Machine, memory_is_there_and_less_is_free_than_exists) {
  const Memory m = memory();
  EXPECT_GT(m.total_bytes, 64u << 20);
  EXPECT_GT(m.available_bytes, 0u);
  EXPECT_LE(m.available_bytes, m.total_bytes);
}
TEST(Machine, the_peak_follows_what_is_touched_and_can_be_reset) {
  constexpr std::size_t kSize = 64u << 20;
  const bool can_reset = reset_peak_rss();
  const std::uint64_t before = peak_rss_bytes();
  {
    std::vector<char> block(kSize);
    std::memset(block.data(), 1, kSize);
    EXPECT_GE(peak_rss_bytes(), before);
    EXPECT_GE(rss_bytes(), kSize);
    EXPECT_EQ(block[kSize / 2], 1);
  }
  const std::uint64_t peak = peak_rss_bytes();
  if (!can_reset) GTEST_SKIP() << "/proc/self/clear_refs is not writable here";
  EXPECT_GE(peak, before + kSize / 2);
  ASSERT_TRUE(reset_peak_rss());
  EXPECT_LT(peak_rss_bytes(), peak);
}
TEST(Machine, clocks_run_forward) {
  const auto wall = monotonic_ns(), thread = thread_cpu_ns(), process = process_cpu_ns();
  volatile double x = 1;
  for (int i = 0; i < 1'000'000; ++i) x = x * 1.0000001;
  EXPECT_GT(monotonic_ns(), wall);
  EXPECT_GT(thread_cpu_ns(), thread);
  EXPECT_GT(process_cpu_ns(), process);
  EXPECT_GE(load_average(), 0);
}

}  // namespace
}  // namespace saha::system
