#pragma once
// Samples: the data that a graph is calibrated and compared on, as its inputs take it. Who has files brings them through `batch`.
#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.hpp"
#include "tensor/datum.hpp"

namespace saha::compress {

struct Samples {
  std::int64_t size = 0;
  std::int64_t batch_size = 1;   ///< how many the graph takes at once; 1 where its first dims are fixed
  /// Values for the graph's inputs, in their order: samples first .. first + n - 1, n at most batch_size. Must give the same each time.
  std::function<Result<std::vector<Datum>>(std::int64_t first, std::int64_t n)> batch;
};

/// How long work says where it is, and whether it goes on. All may be empty. Called from the thread that works.
struct Watch {
  std::function<void(std::string_view what, std::int64_t done, std::int64_t total)> on_progress;
  std::function<bool()> stop;
  Result<> at(std::string_view what, std::int64_t done, std::int64_t total) const {
    if (on_progress) on_progress(what, done, total);
    if (stop && stop()) return Error{ErrorCode::cancelled, "interrupted while " + std::string(what) + ", after " + std::to_string(done) + " of " + std::to_string(total)};
    return {};
  }
};

}  // namespace saha::compress
