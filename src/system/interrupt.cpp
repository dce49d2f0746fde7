#include "system/interrupt.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace saha::system {
namespace {

std::atomic<int> g_signal{0};  // lock-free, so a handler may use it
static_assert(std::atomic<int>::is_always_lock_free);
struct sigaction g_old_int, g_old_term;

void on_signal(int signal) {
  int none = 0;
  if (!g_signal.compare_exchange_strong(none, signal)) ::_exit(128 + signal);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  g_signal = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, &g_old_int);
  ::sigaction(SIGTERM, &action, &g_old_term);
}
InterruptGuard::~InterruptGuard() {
  ::sigaction(SIGINT, &g_old_int, nullptr);
  ::sigaction(SIGTERM, &g_old_term, nullptr);
}
bool interrupted() { return g_signal.load(std::memory_order_relaxed) != 0; }
int interrupt_exit_code() { return interrupted() ? 128 + g_signal.load() : 0; }

}  // namespace saha::system
