// saha_worker: the process in which `saha bench` measures one engine. Requests on descriptor 0, answers on 3.
#include <csignal>
#include <unistd.h>

#include "measure/worker.hpp"

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGINT, SIG_IGN);  // the program that started it decides, and its end is the end of descriptor 0
  saha::measure::serve(0, 3);
  _exit(0);  // engines' exit handlers have nothing left to do, and some do not return
}
