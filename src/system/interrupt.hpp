#pragma once
// Ctrl-C and SIGTERM: the first asks the work to finish its record, the second ends the process at once (exit 130 or 143).
namespace saha::system {

/// Takes the signals over while it lives; the previous handlers return afterwards. One at a time in a process, made by main().
class InterruptGuard {
 public:
  InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  ~InterruptGuard();
};

/// Has a signal asked for the end? Cheap; from any thread. A signal is the process's, hence the one piece of global state.
bool interrupted();
/// 130 after SIGINT, 143 after SIGTERM, 0 if none came.
int interrupt_exit_code();

}  // namespace saha::system
