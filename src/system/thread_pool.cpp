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
  struct alignas(64) Claim {
    std::atomic<std::uint32_t> phases{0};          // of this piece that somebody has taken
  };
  alignas(64) std::atomic<std::uint64_t> done{0};  // pieces of all phases
  std::uint32_t phases = 0;
  PhasedBody phased = nullptr;                     // null: the job has no phases
  std::unique_ptr<Claim[]> claims;
  std::vector<std::thread> threads;

  void work_phases(unsigned thread) {
    const std::uint32_t threads_all = static_cast<std::uint32_t>(threads.size()) + 1, first = pieces * thread / threads_all, own = pieces * (thread + 1) / threads_all - first;
    for (std::uint32_t phase = 0; (phase = static_cast<std::uint32_t>(done.load(std::memory_order_acquire) / pieces)) < phases;) {
      const auto take = [&](std::uint32_t piece) {
        std::uint32_t taken = phase;
        if (!claims[piece].phases.compare_exchange_strong(taken, phase + 1, std::memory_order_relaxed)) return;
        phased(context, thread, phase, phase + 1, piece, piece + 1);
        done.fetch_add(1, std::memory_order_acq_rel);
      };
      // By turns from either end: what a cache smaller than the pieces still holds comes first.
      for (std::uint32_t i = 0; i < own; ++i) take(phase % 2 == 0 ? first + i : first + own - 1 - i);
      for (std::uint32_t i = 0; i < pieces - own; ++i) take((first + own + i) % pieces);
      for (int spins = 0; done.load(std::memory_order_acquire) / pieces == phase; ++spins) spins < kSpins ? relax() : std::this_thread::yield();
    }
  }

  void work(unsigned thread) {
    if (phased) return work_phases(thread);
    const std::uint32_t share = 2 * static_cast<std::uint32_t>(threads.size() + 1);
    std::uint32_t begin = next.load(std::memory_order_relaxed);
    while (begin < pieces) {
      const std::uint32_t claim = std::max<std::uint32_t>(1, (pieces - begin) / share);
      if (!next.compare_exchange_weak(begin, begin + claim, std::memory_order_relaxed)) continue;
      body(context, thread, begin, begin + claim);
      begin = next.load(std::memory_order_relaxed);
    }
  }

  /// The caller may share out a job: there are workers, and none is at another job.
  bool begins() { return !threads.empty() && !inside_a_piece && !busy.exchange(true, std::memory_order_acquire); }

  /// Opens the job that was described, takes part, and closes it.
  void share_out() {
    word.store((word.load(std::memory_order_relaxed) / kJob + 1) * kJob | kOpen);
    if (sleepers.load() != 0) {
      bell.fetch_add(1);
      bell.notify_all();
    }
    inside_a_piece = true;
    work(0);
    inside_a_piece = false;
    word.fetch_and(~kOpen, std::memory_order_acq_rel);
    while (word.load(std::memory_order_acquire) & kJoined) relax();
    phased = nullptr;
    busy.store(false, std::memory_order_release);
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
  if (workers) state_->claims = std::make_unique<State::Claim[]>(kMostPhased);
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
  if (pieces == 1 || !s.begins()) {
    body(context, own_pool == &s ? own_number : 0, 0, pieces);
    return;
  }
  s.pieces = pieces, s.body = body, s.context = context;
  s.next.store(0, std::memory_order_relaxed);
  s.share_out();
}

void ThreadPool::run_phases(std::uint32_t phases, std::uint32_t pieces, PhasedBody body, void* context) {
  State& s = *state_;
  if (pieces == 0 || phases == 0) return;
  if (pieces == 1 || pieces > kMostPhased || !s.begins()) {
    body(context, own_pool == &s ? own_number : 0, 0, phases, 0, pieces);
    return;
  }
  s.pieces = pieces, s.phases = phases, s.phased = body, s.context = context;
  s.done.store(0, std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < pieces; ++i) s.claims[i].phases.store(0, std::memory_order_relaxed);
  s.share_out();
}

}  // namespace saha::system
