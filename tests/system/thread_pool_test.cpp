#include "system/thread_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "system/machine.hpp"

namespace saha::system {
namespace {

TEST(ThreadPool, every_piece_is_done_once) {
  for (unsigned threads : {0u, 1u, 2u, 5u}) {
    ThreadPool pool(threads);
    for (std::uint32_t pieces : {0u, 1u, 2u, 7u, 1000u}) {
      std::vector<std::atomic<int>> done(pieces);
      parallel(pool, pieces, [&](unsigned thread, std::uint32_t begin, std::uint32_t end) {
        ASSERT_LT(thread, pool.size());
        for (std::uint32_t i = begin; i < end; ++i) done[i]++;
      });
      for (auto& d : done) ASSERT_EQ(d, 1);
    }
  }
}

TEST(ThreadPool, a_phase_begins_when_all_pieces_of_the_one_before_are_done) {
  for (unsigned threads : {1u, 2u, 5u}) {
    ThreadPool pool(threads);
    for (std::uint32_t pieces : {1u, 2u, 7u, ThreadPool::kMostPhased, ThreadPool::kMostPhased + 1}) {
      constexpr std::uint32_t kPhases = 200;
      std::vector<std::uint32_t> done[2] = {std::vector<std::uint32_t>(pieces), std::vector<std::uint32_t>(pieces)};   // phases, of even and of odd ones; not atomic: what one wrote the next sees
      parallel_phases(pool, kPhases, pieces, [&](unsigned thread, std::uint32_t phase, std::uint32_t phase_end, std::uint32_t begin, std::uint32_t end) {
        ASSERT_LT(thread, pool.size());
        ASSERT_TRUE(phase_end == phase + 1 || (begin == 0 && end == pieces));
        for (; phase < phase_end; ++phase)
          for (std::uint32_t i = begin; i < end; ++i) {
            ASSERT_EQ(done[(phase + 1) % 2][(i + 1) % pieces], phase);
            done[phase % 2][i] = phase + 1;
          }
      });
      for (std::uint32_t d : done[(kPhases + 1) % 2]) ASSERT_EQ(d, kPhases);
      std::atomic<std::uint32_t> after{0};
      parallel(pool, pieces, [&](unsigned, std::uint32_t begin, std::uint32_t end) { after += end - begin; });
      ASSERT_EQ(after, pieces);
    }
  }
}

TEST(ThreadPool, no_two_threads_of_a_job_have_one_number) {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> inside(4);
  for (int job = 0; job < 200; ++job)
    parallel(pool, 64, [&](unsigned thread, std::uint32_t, std::uint32_t) {
      ASSERT_EQ(inside[thread]++, 0);
      std::this_thread::yield();
      inside[thread]--;
    });
}

TEST(ThreadPool, a_job_inside_a_piece_is_done_by_its_own_thread) {
  ThreadPool pool(3);
  std::atomic<int> sum{0};
  parallel(pool, 10, [&](unsigned thread, std::uint32_t begin, std::uint32_t end) {
    for (std::uint32_t i = begin; i < end; ++i)
      parallel(pool, 5, [&](unsigned inner, std::uint32_t b, std::uint32_t e) {
        EXPECT_EQ(inner, thread);
        sum += static_cast<int>(e - b);
      });
  });
  EXPECT_EQ(sum, 50);
}

TEST(ThreadPool, several_callers_share_one_pool) {
  ThreadPool pool(2);
  std::atomic<int> sum{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c)
    callers.emplace_back([&] {
      for (int job = 0; job < 100; ++job)
        parallel(pool, 16, [&](unsigned, std::uint32_t b, std::uint32_t e) { sum += static_cast<int>(e - b); });
    });
  for (auto& c : callers) c.join();
  EXPECT_EQ(sum, 3 * 100 * 16);
}

TEST(ThreadPool, sleeping_workers_wake_for_a_later_job) {
  ThreadPool pool(2);
  for (int job = 0; job < 3; ++job) {
    std::atomic<std::uint32_t> seen{0};
    parallel(pool, 2, [&](unsigned thread, std::uint32_t, std::uint32_t) {
      seen |= 1u << thread;
      const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);  // the second piece waits for the worker
      while (seen != 3 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    });
    EXPECT_EQ(seen, 3u);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

TEST(ThreadPool, a_pinned_thread_runs_on_its_processor_only_and_the_caller_where_it_was) {
  const std::vector<int> order = processors();
  const unsigned threads = 3;
  ThreadPool pool(threads, order);
  EXPECT_TRUE(pool.pinned());
  std::vector<std::vector<int>> seen(threads);
  std::atomic<unsigned> arrived{0};
  parallel(pool, threads, [&](unsigned thread, std::uint32_t, std::uint32_t) {
    seen[thread] = processors();
    ++arrived;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);  // a piece each
    while (arrived < threads && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  });
  EXPECT_EQ(seen[0], order);
  for (unsigned t = 1; t < threads; ++t) EXPECT_EQ(seen[t], std::vector<int>{order[t % order.size()]}) << t;
  EXPECT_EQ(processors(), order);
}

TEST(ThreadPool, a_processor_that_is_not_there_pins_nothing) {
  const int nowhere[] = {-1};
  ThreadPool pool(2, nowhere);
  EXPECT_FALSE(pool.pinned());
  EXPECT_FALSE(ThreadPool(2).pinned());
  EXPECT_TRUE(ThreadPool(1, nowhere).pinned());  // it makes no thread
}

}  // namespace
}  // namespace saha::system
