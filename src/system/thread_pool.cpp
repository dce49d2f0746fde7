// One word tells the state of the current job: its number, whether it is open, how many workers are in it. A worker joins by adding
// itself to an open job; the caller closes the job when no piece is left and waits only for those who joined, so a sleeping worker
// costs nothing.
#include "system/thread_pool.hpp"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "system/machine.hpp"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace saha::system {
namespace {

constexpr std::uint64_t kOpen = std::uint64_t{1} << 31, kJob = std::uint64_t{1} << 32, kJoined = kOpen - 1;
constexpr int kSpins = 4000;  // some 50 us: longer than the gap between two layers of a network

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

thread_local bool inside_a_piece = false;
thread_local unsigned own_number = 0;             // in the pool below; 0 in any other
thread_local const void* own_pool = nullptr;

}  // namespace

struct ThreadPool::State {
  alignas(64) std::atomic<std::uint64_t> word{0};  // job number << 32 | open | joined
  alignas(64) std::atomic<std::uint32_t> next{0};
  alignas(64) std::atomic<bool> busy{false};
  std::atomic<std::uint32_t> bell{0};              // changes when sleepers must look at `word`
  std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};
  unsigned pinned = 0;                             // threads that stay on a processor
  std::uint32_t pieces = 0;
  Body body = nullptr;
  void* context = nullptr;
  std::vector<std::thread> threads;

  void work(unsigned thread) {
    const std::uint32_t share = 2 * static_cast<std::uint32_t>(threads.size() + 1);
    std::uint32_t begin = next.load(std::memory_order_relaxed);
    while (begin < pieces) {
      const std::uint32_t claim = std::max<std::uint32_t>(1, (pieces - begin) / share);
      if (!next.compare_exchange_weak(begin, begin + claim, std::memory_order_relaxed)) continue;
      body(context, thread, begin, begin + claim);
      begin = next.load(std::memory_order_relaxed);
    }
  }

  void worker(unsigned thread) {
    inside_a_piece = true;  // a job started from here is done here
    own_number = thread, own_pool = this;
    std::uint64_t seen = 0;
    for (int spins = 0;; ++spins) {
      std::uint64_t now = word.load(std::memory_order_acquire);
      if ((now & kOpen) && (now / kJob) != seen) {
        if (!word.compare_exchange_weak(now, now + 1, std::memory_order_acq_rel)) continue;
        seen = now / kJob;
        work(thread);
        word.fetch_sub(1, std::memory_order_acq_rel);
        spins = 0;
      }
      if (stop.load(std::memory_order_relaxed)) return;
      if (spins < kSpins) {
        relax();
        continue;
      }
      const std::uint32_t rung = bell.load();
      sleepers.fetch_add(1);
      now = word.load();
      if (!((now & kOpen) && now / kJob != seen) && !stop.load()) bell.wait(rung);
      sleepers.fetch_sub(1);
      spins = 0;
    }
  }
};

ThreadPool::ThreadPool(unsigned threads, std::span<const int> processors) : state_(std::make_unique<State>()) {
  const unsigned workers = std::max(1u, threads) - 1;
  state_->threads.reserve(workers);  // size is read by workers only in a job, which starts after the last push
  for (unsigned i = 1; i <= workers; ++i) {
    state_->threads.emplace_back([s = state_.get(), i] { s->worker(i); });
    if (!processors.empty() && pin_thread(processors[i % processors.size()], state_->threads.back().native_handle())) ++state_->pinned;
  }
}

ThreadPool::~ThreadPool() {
  state_->stop = true;
  state_->bell.fetch_add(1);
  state_->bell.notify_all();
  for (std::thread& t : state_->threads) t.join();
}

bool ThreadPool::pinned() const { return state_->pinned == state_->threads.size(); }
unsigned ThreadPool::size() const { return static_cast<unsigned>(state_->threads.size()) + 1; }

void ThreadPool::run(std::uint32_t pieces, Body body, void* context) {
  State& s = *state_;
  if (pieces == 0) return;
  if (pieces == 1 || s.threads.empty() || inside_a_piece || s.busy.exchange(true, std::memory_order_acquire)) {
    body(context, own_pool == &s ? own_number : 0, 0, pieces);
    return;
  }
  s.pieces = pieces, s.body = body, s.context = context;
  s.next.store(0, std::memory_order_relaxed);
  s.word.store((s.word.load(std::memory_order_relaxed) / kJob + 1) * kJob | kOpen);
  if (s.sleepers.load() != 0) {
    s.bell.fetch_add(1);
    s.bell.notify_all();
  }
  inside_a_piece = true;
  s.work(0);
  inside_a_piece = false;
  s.word.fetch_and(~kOpen, std::memory_order_acq_rel);
  while (s.word.load(std::memory_order_acquire) & kJoined) relax();
  s.busy.store(false, std::memory_order_release);
}

}  // namespace saha::system
