#pragma once
// A fixed set of threads that share out the pieces of one job at a time. Workers spin for some microseconds after a job, then sleep.
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

namespace saha::system {

/// Threads that help the calling thread. Safe to use from several threads at once: while one job runs, another caller does its own
/// pieces alone, as does a job started from inside a piece.
class ThreadPool {
 public:
  /// `threads` counts the caller: 1 makes no thread at all. 0 is taken as 1. Of `processors` thread i stays on the one at i modulo their number; the
  /// caller, which is thread 0, is left where it is. Empty: the system moves them.
  explicit ThreadPool(unsigned threads, std::span<const int> processors = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned size() const;
  /// Every thread that it made stays on the processor it was given.
  bool pinned() const;

  /// Does pieces [begin, end) as thread `thread` < size(); two calls at the same time never have the same number within one job.
  using Body = void (*)(void* context, unsigned thread, std::uint32_t begin, std::uint32_t end);

  /// Calls `body` until the pieces 0 .. pieces-1 are done once each, and returns then. The caller takes part. `body` must not throw.
  /// A claim is half a thread's fair share of what is left, at least one piece: large ones first, small ones to finish together.
  void run(std::uint32_t pieces, Body body, void* context);

  /// Does pieces [begin, end) of phases [phase, phase_end) as thread `thread`: one phase, or all of both.
  using PhasedBody = void (*)(void* context, unsigned thread, std::uint32_t phase, std::uint32_t phase_end, std::uint32_t begin, std::uint32_t end);
  /// The most pieces of a phase.
  static constexpr std::uint32_t kMostPhased = 64;

  /// As run() does, phase after phase: what is written in one is seen in the next. A thread begins with the pieces that were its own in the phase before, and takes those of others where
  /// it is done first: data of a piece stay in its caches. Between phases threads spin, since a phase takes some microseconds.
  void run_phases(std::uint32_t phases, std::uint32_t pieces, PhasedBody body, void* context);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// ThreadPool::run for a callable fn(thread, begin, end).
template <class Fn>
void parallel(ThreadPool& pool, std::uint32_t pieces, Fn&& fn) {
  pool.run(
      pieces, [](void* f, unsigned thread, std::uint32_t begin, std::uint32_t end) { (*static_cast<std::remove_reference_t<Fn>*>(f))(thread, begin, end); },
      const_cast<void*>(static_cast<const void*>(&fn)));
}

/// ThreadPool::run_phases for a callable fn(thread, phase, phase_end, begin, end).
template <class Fn>
void parallel_phases(ThreadPool& pool, std::uint32_t phases, std::uint32_t pieces, Fn&& fn) {
  pool.run_phases(
      phases, pieces, [](void* f, unsigned thread, std::uint32_t phase, std::uint32_t phase_end, std::uint32_t begin, std::uint32_t end) { (*static_cast<std::remove_reference_t<Fn>*>(f))(thread, phase, phase_end, begin, end); },
      const_cast<void*>(static_cast<const void*>(&fn)));
}

}  // namespace saha::system
