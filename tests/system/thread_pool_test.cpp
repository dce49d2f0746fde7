#include "system/thread_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

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

}  // namespace
}  // namespace saha::system
