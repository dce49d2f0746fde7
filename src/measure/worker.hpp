#pragma once
// An engine in a process of its own: its memory, its threads and its crashes are its own. The process is lib/saha/saha_worker.
#include <memory>
#include <string>
#include <vector>

#include "measure/message.hpp"
#include "runtime/backend.hpp"

namespace saha::measure {

enum class Request : std::uint64_t { open = 1, load, burst, outputs, memory, profile };

struct Load {
  std::string backend;
  std::string model;                ///< absolute path
  int threads = 1;
  std::string precision = "float32";
  bool profile = false;             ///< runtime::LoadOptions::profile
  bool pin = false;                 ///< runtime::LoadOptions::pin; the thread that calls the engine stays on the first core, too
  std::vector<std::string> names;   ///< of the inputs
  std::vector<Datum> inputs;
};
struct Loaded {
  std::string version, precision;
  std::vector<std::string> notes, outputs;
  double load_ms = 0;               ///< from the call to a program that is ready: engine, file, compilation
  double first_ms = 0;              ///< its first run
  std::int64_t activation_bytes = -1;
  bool pinned = false;              ///< as asked for
};
struct Burst {
  std::vector<double> wall_ms, cpu_ms;   ///< per run; cpu_ms is the whole process's processor time
};

/// One at a time; a worker that ends unexpectedly gives an error that says how.
class Worker {
 public:
  static Result<Worker> start();
  Worker(Worker&& other) noexcept;
  Worker& operator=(Worker&&) = delete;
  ~Worker();

  /// Only loads the engine; its version. load() does so by itself.
  Result<std::string> open(const std::string& backend);
  Result<Loaded> load(const Load& load);
  /// Unmeasured runs for `settle_ms`, one at least if that is not 0, then `runs` measured ones.
  Result<Burst> burst(int runs, double settle_ms);
  /// Runs once more and brings the results, in the order of Loaded::outputs.
  Result<std::vector<Datum>> outputs();
  /// Peak resident set of the process so far, bytes.
  Result<std::uint64_t> peak_bytes();
  Result<std::vector<runtime::LayerTime>> profile(int runs);

  int timeout_ms = 600'000;   ///< for one answer

 private:
  Worker() = default;
  Result<Message> ask(const Message& message);
  Error ended();
  int pid_ = -1, to_ = -1, from_ = -1;
};

/// The other end: answers requests until `in` ends. For saha_worker's main().
void serve(int in, int out);

}  // namespace saha::measure
